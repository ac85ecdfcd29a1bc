/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto core/feed core/mail */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#include "core/mail/history.h"
#include "crypto/aead.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "unit/fields_mutate.h"

#include <string.h>

static const uint8_t ROOT[32] = {5};

static struct history_row row_of(const char *text)
{
    struct history_row r = {.author = {1},
                            .uuid = {2},
                            .flags = HISTORY_OWN | HISTORY_ANSWERS,
                            .time_ms = 3,
                            .edited_ms = 4,
                            .of_author = {5},
                            .of_uuid = {6},
                            .nick = BYTES_LIT("ada"),
                            .path = BYTES_LIT("a/b"),
                            .signs = BYTES_LIT("\x03"
                                               "bob\x02+1"),
                            .text = bytes_str(text)};
    return r;
}

static void rows_have_one_form(void **state)
{
    (void)state;
    struct history_row r = row_of("dinner"), back;
    struct history_about about = {.by = {1}, .made_ms = 2, .name = BYTES_LIT("choir")};
    struct history_file f = {.version = 1, .passes = 3};
    struct buf out = BUF_INIT;
    struct bytes nick, sign;
    fields_mutate(&history_row_fields, &r);
    fields_mutate(&history_about_fields, &about);
    fields_mutate(&history_file_fields, &f);
    assert_int_equal(history_put_about(&about, &out), ST_OK);
    assert_int_equal(history_put(&r, &out), ST_OK);
    struct cursor c = cursor_of(buf_view(&out));
    assert_int_equal(history_get_about(&c, &about), ST_OK);
    assert_true(bytes_same(about.name, BYTES_LIT("choir")));
    assert_int_equal(history_get(&c, &back), ST_OK);
    assert_true(bytes_same(back.text, r.text) && back.flags == r.flags);
    struct cursor signs = cursor_of(back.signs);
    assert_true(history_sign(&signs, &nick, &sign));
    assert_true(bytes_same(nick, BYTES_LIT("bob")) && bytes_same(sign, BYTES_LIT("+1")));
    assert_false(history_sign(&signs, &nick, &sign));
    assert_int_equal(history_get(&c, &back), ST_NOT_FOUND);
    buf_free(&out);
}

static void odd_rows_are_refused(void **state)
{
    (void)state;
    struct buf out = BUF_INIT;
    struct history_row r = row_of("");
    r.path = BYTES_LIT("");
    assert_int_equal(history_put(&r, &out), ST_USAGE); /* says nothing */
    r = row_of("x");
    r.author[0] = 0;
    assert_int_equal(history_put(&r, &out), ST_USAGE); /* of nobody */
    r = row_of("x");
    r.flags = 4;
    assert_int_equal(history_put(&r, &out), ST_USAGE);
    r = row_of("x");
    r.flags = HISTORY_OWN; /* names what it answers, and answers nothing */
    assert_int_equal(history_put(&r, &out), ST_USAGE);
    r = row_of("x");
    r.to_nick = BYTES_LIT("bob"); /* to all, and to bob */
    assert_int_equal(history_put(&r, &out), ST_USAGE);
    r = row_of("x");
    r.signs = BYTES_LIT("\x03"
                        "bob\x09+1");
    assert_int_equal(history_put(&r, &out), ST_USAGE);
    r.signs = BYTES_LIT("\x03"
                        "bob\x00");
    assert_int_equal(history_put(&r, &out), ST_USAGE);
    assert_int_equal(out.n, 0);
    buf_free(&out);
}

#define CHUNKS 5

static void make(struct buf *out, size_t at[CHUNKS + 1])
{
    struct history_cost cost = {3, 65536, {9}};
    struct history_keys keys;
    assert_int_equal(history_start(&cost, ROOT, &keys, out), ST_OK);
    assert_int_equal(out->n, HISTORY_HEAD);
    for (size_t i = 0; i < CHUNKS; i++) {
        uint8_t text[100];
        memset(text, 'a' + (int)i, sizeof text);
        at[i] = out->n;
        assert_int_equal(history_seal(&keys, i + 1 == CHUNKS, BYTES(text, i * 25), out), ST_OK);
    }
    at[CHUNKS] = out->n;
}

/* ST_OK: all of it was taken; ST_PENDING: it is cut off. */
static enum status take(struct bytes file, size_t *ret_chunks)
{
    struct history_keys keys;
    struct buf plain = BUF_INIT;
    *ret_chunks = 0;
    if (file.n < HISTORY_HEAD) return ST_PENDING;
    enum status st = history_open(BYTES(file.p, HISTORY_HEAD), ROOT, &keys);
    file = BYTES(file.p + HISTORY_HEAD, file.n - HISTORY_HEAD);
    while (st == ST_OK && !keys.ended) {
        size_t used, from = plain.n;
        st = history_next(&keys, file, &used, &plain);
        if (st != ST_OK) {
            assert_int_equal(plain.n, from);
            break;
        }
        for (size_t i = from; i < plain.n; i++)
            assert_int_equal(plain.p[i], 'a' + (int)*ret_chunks);
        ++*ret_chunks;
        file = BYTES(file.p + used, file.n - used);
    }
    size_t used;
    if (st == ST_OK)
        st = history_next(&keys, file, &used, &plain) == ST_PENDING ? ST_OK : ST_BAD_MESSAGE;
    buf_free(&plain);
    return st;
}

static void a_file_is_taken_whole_and_in_order(void **state)
{
    (void)state;
    struct buf file = BUF_INIT, other = BUF_INIT;
    size_t at[CHUNKS + 1], chunks;
    make(&file, at);
    assert_int_equal(take(buf_view(&file), &chunks), ST_OK);
    assert_int_equal(chunks, CHUNKS);
    for (size_t n = 0; n < file.n; n++)
        assert_int_equal(take(BYTES(file.p, n), &chunks), ST_PENDING);
    for (size_t i = 0; i < file.n; i++) {
        file.p[i] ^= 4;
        enum status st = take(buf_view(&file), &chunks);
        /* A length that was changed may ask for more than there is. */
        assert_true(st == (i < HISTORY_HEAD ? ST_PASSWORD : ST_BAD_SEAL) || st == ST_PENDING);
        file.p[i] ^= 4;
    }
    buf_bytes(&other, buf_view(&file));
    buf_u8(&other, 0);
    assert_int_equal(take(buf_view(&other), &chunks), ST_BAD_MESSAGE);
    /* One chunk left out, and one twice. */
    for (size_t i = 0; i < CHUNKS; i++) {
        buf_clear(&other);
        buf_raw(&other, file.p, at[i]);
        buf_raw(&other, file.p + at[i + 1], file.n - at[i + 1]);
        assert_int_equal(take(buf_view(&other), &chunks),
                         i + 1 == CHUNKS ? ST_PENDING : ST_BAD_SEAL);
        buf_clear(&other);
        buf_raw(&other, file.p, at[i + 1]);
        buf_raw(&other, file.p + at[i], file.n - at[i]);
        assert_int_equal(take(buf_view(&other), &chunks),
                         i + 1 == CHUNKS ? ST_BAD_MESSAGE : ST_BAD_SEAL);
    }
    buf_free(&file);
    buf_free(&other);
}

static void heads_are_checked_before_any_work(void **state)
{
    (void)state;
    struct buf file = BUF_INIT;
    size_t at[CHUNKS + 1];
    struct history_cost cost;
    struct history_keys keys;
    uint8_t head[HISTORY_HEAD], other[32] = {6};
    make(&file, at);
    memcpy(head, file.p, sizeof head);
    assert_int_equal(history_head_read(BYTES_OF(head), 3, 65536, &cost), ST_OK);
    assert_int_equal(cost.passes, 3);
    assert_int_equal(cost.memory_kib, 65536);
    assert_int_equal(history_open(BYTES_OF(head), other, &keys), ST_PASSWORD);
    assert_true(bytes_zero(BYTES_OF(keys.key)));
    assert_int_equal(history_head_read(BYTES_OF(head), 4, 65536, &cost), ST_INTEGRITY);
    assert_int_equal(history_head_read(BYTES_OF(head), 3, 65537, &cost), ST_INTEGRITY);
    assert_int_equal(history_head_read(BYTES(head, 65), 3, 65536, &cost), ST_INTEGRITY);
    put_u32(head + 10, 65);
    assert_int_equal(history_head_read(BYTES_OF(head), 3, 65536, &cost), ST_INTEGRITY);
    put_u32(head + 10, 3);
    put_u32(head + 14, (4U << 20) + 1);
    assert_int_equal(history_head_read(BYTES_OF(head), 3, 65536, &cost), ST_INTEGRITY);
    put_u16(head + 8, 2);
    assert_int_equal(history_head_read(BYTES_OF(head), 3, 65536, &cost), ST_VERSION);
    head[0] = 'X';
    assert_int_equal(history_head_read(BYTES_OF(head), 3, 65536, &cost), ST_INTEGRITY);
    buf_free(&file);
}

/* The layout of docs/spec/history.md, step by step. */
static void bytes_as_specified(void **state)
{
    (void)state;
    struct buf file = BUF_INIT;
    size_t at[CHUNKS + 1];
    uint8_t key[32], check[32], nonce[12] = {0}, plain[100];
    make(&file, at);
    assert_memory_equal(file.p, "ENCLHIST\0\1\0\0\0\3\0\1\0\0\t", 19);
    EXPAND_OF(key, ROOT, BYTES_LIT("ENCLAVE history"), BYTES(file.p, 34));
    EXPAND_OF(check, ROOT, BYTES_LIT("ENCLAVE history check"), BYTES(file.p, 34));
    assert_memory_equal(file.p + 34, check, 32);
    nonce[10] = CHUNKS - 1;
    nonce[11] = 1;
    assert_int_equal(get_u32(file.p + at[CHUNKS - 1]), 100 + AEAD_TAG);
    assert_int_equal(aead_open(key, nonce, BYTES_NONE,
                               BYTES(file.p + at[CHUNKS - 1] + 4, 100 + AEAD_TAG), plain),
                     ST_OK);
    assert_int_equal(plain[0], 'a' + CHUNKS - 1);
    buf_free(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_have_one_form),
        cmocka_unit_test(odd_rows_are_refused),
        cmocka_unit_test(a_file_is_taken_whole_and_in_order),
        cmocka_unit_test(heads_are_checked_before_any_work),
        cmocka_unit_test(bytes_as_specified),
    };
    if (crypto_start() != ST_OK) return 1;
    return !!cmocka_run_group_tests(tests, NULL, NULL);
}
