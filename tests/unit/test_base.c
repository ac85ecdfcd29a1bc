/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#include "base/bytes.h"
#include "base/encode.h"
#include "base/fields.h"
#include "base/sm.h"
#include "base/status.h"
#include "unit/fields_mutate.h"

#include <string.h>

#define SAMPLE_FIELDS(X, M)     \
    X(M, U8, version, 0, 0)     \
    X(M, U16, leaf, 0, 0)       \
    X(M, U32, len, 0, 0)        \
    X(M, U64, index, 0, 0)      \
    X(M, FIX, token, 32, 0)     \
    X(M, VAR8, nick, 64, 0)     \
    X(M, VAR16, text, 512, 0)   \
    X(M, VAR32, blob, 16384, 0) \
    X(M, LIST8, keys, 96, 16)   \
    X(M, LIST16, ids, 32, 64)   \
    X(M, TAIL, rest, 100, 0)
FIELDS_DECLARE(sample, SAMPLE_FIELDS);
FIELDS_DEFINE(sample, SAMPLE_FIELDS);

static void status_list_is_whole(void **state)
{
    (void)state;
    for (int i = 0; i < ST_COUNT; i++) {
        assert_non_null(status_name((enum status)i));
        assert_true(strlen(status_text((enum status)i)) > 1);
        assert_int_equal(status_find(status_name((enum status)i)), i);
    }
    assert_string_equal(status_name((enum status)9999), "UNKNOWN");
}

static void buffer_keeps_its_maximum(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 10);
    buf_u64(&b, UINT64_C(0x0102030405060708));
    buf_u16(&b, 0x090A);
    assert_int_equal(buf_status(&b), ST_OK);
    buf_u8(&b, 1);
    assert_int_equal(buf_status(&b), ST_TOO_BIG);
    assert_int_equal(b.n, 10);
    buf_free(&b);
}

static void cursor_stops_at_the_end(void **state)
{
    (void)state;
    const uint8_t in[] = {1, 2, 3};
    struct cursor c = cursor_of(BYTES_OF(in));
    assert_int_equal(cursor_u16(&c), 0x0102);
    assert_int_equal(cursor_u16(&c), 0);
    assert_int_equal(cursor_end(&c), ST_BAD_MESSAGE);
}

static void texts_have_one_form(void **state)
{
    (void)state;
    char text[64];
    uint8_t back[40];
    size_t n;
    for (size_t len = 0; len <= 24; len++) {
        uint8_t in[24];
        for (size_t i = 0; i < len; i++) in[i] = (uint8_t)(37 * i + len);
        base32_encode(BYTES(in, len), text);
        assert_int_equal(strlen(text) + 1, BASE32_SIZE(len));
        assert_int_equal(base32_decode(text, strlen(text), back, sizeof back, &n), ST_OK);
        assert_true(bytes_same(BYTES(in, len), BYTES(back, n)));
        base64_encode(BYTES(in, len), text);
        assert_int_equal(strlen(text) + 1, BASE64_SIZE(len));
        assert_int_equal(base64_decode(text, strlen(text), back, sizeof back, &n), ST_OK);
        assert_true(bytes_same(BYTES(in, len), BYTES(back, n)));
        hex_encode(BYTES(in, len), text);
        assert_int_equal(hex_decode(text, strlen(text), back, sizeof back, &n), ST_OK);
        assert_true(bytes_same(BYTES(in, len), BYTES(back, n)));
    }
    /* RFC 4648 section 10 */
    base32_encode(BYTES_LIT("foobar"), text);
    assert_string_equal(text, "mzxw6ytboi");
    base64_encode(BYTES_LIT("fooba"), text);
    assert_string_equal(text, "Zm9vYmE");
    assert_int_equal(base64_decode("Zm9vYmF", 7, back, sizeof back, &n), ST_BAD_MESSAGE);
    assert_int_equal(base32_decode("mzx=", 4, back, sizeof back, &n), ST_BAD_MESSAGE);
    assert_int_equal(hex_decode("abc", 3, back, sizeof back, &n), ST_BAD_MESSAGE);
}

static void fields_survive_mutation(void **state)
{
    (void)state;
    static uint8_t fill[2000];
    for (size_t i = 0; i < sizeof fill; i++) fill[i] = (uint8_t)(i * 7);
    struct sample s = {.version = 1,
                       .leaf = 2,
                       .len = 3,
                       .index = 4,
                       .nick = BYTES(fill, 5),
                       .text = BYTES(fill, 300),
                       .blob = BYTES(fill, 1000),
                       .keys = {fill, 3},
                       .ids = {fill, 2},
                       .rest = BYTES(fill, 9)};
    fields_mutate(&sample_fields, &s);
}

static void tables_check_moves(void **state)
{
    (void)state;
    static const struct sm_state states[] = {
        {"new", SM_BIT(1)}, {"open", SM_BIT(0) | SM_BIT(2)}, {"closed", 0}};
    static const struct sm_table table = {"door", states, 3};
    static const struct sm_state island[] = {{"a", 0}, {"b", 0}};
    static const struct sm_table broken = {"broken", island, 2};
    assert_null(sm_table_fault(&table));
    assert_non_null(sm_table_fault(&broken));
    struct sm m;
    sm_init(&m, &table, 0);
    assert_true(sm_allows(&m, 1));
    assert_false(sm_allows(&m, 2));
    sm_move(&m, 1);
    assert_string_equal(sm_name(&m), "open");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(status_list_is_whole),    cmocka_unit_test(buffer_keeps_its_maximum),
        cmocka_unit_test(cursor_stops_at_the_end), cmocka_unit_test(texts_have_one_form),
        cmocka_unit_test(fields_survive_mutation), cmocka_unit_test(tables_check_moves),
    };
    return !!cmocka_run_group_tests(tests, NULL, NULL);
}
