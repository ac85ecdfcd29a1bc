/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto core/vault */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#include "core/vault/rows.h"
#include "core/vault/vault.h"
#include "core/vault/words.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "unit/fields_mutate.h"
#include "vectors/vectors.h"

#include <string.h>

static const struct vault_cost floor_none = {1, 8};

struct made {
    struct vault_params params;
    uint8_t root[32], mk[32], rk[32], nonces[VAULT_NONCES];
    uint8_t file[VAULT_SIZE];
};

static void fill(uint8_t *p, size_t n, uint8_t seed)
{
    for (size_t i = 0; i < n; i++) p[i] = (uint8_t)(seed + i * 31);
}

static void make(struct made *m)
{
    m->params.cost = (struct vault_cost){1, 8};
    fill(m->params.salt, sizeof m->params.salt, 1);
    fill(m->mk, 32, 2);
    fill(m->rk, 32, 3);
    fill(m->nonces, sizeof m->nonces, 4);
    assert_int_equal(password_root(BYTES_LIT("correct horse"), m->params.salt, 1, 8, m->root),
                     ST_OK);
    assert_int_equal(vault_create(&m->params, m->root, m->mk, m->rk, m->nonces, m->file), ST_OK);
}

static void password_opens_and_changes(void **state)
{
    (void)state;
    struct made m;
    uint8_t mk[32], rk[32], root[32], file[VAULT_SIZE], nonces[VAULT_NONCES];
    struct vault_params read;
    make(&m);
    assert_int_equal(vault_params_read(BYTES_OF(m.file), &floor_none, &read), ST_OK);
    assert_memory_equal(&read, &m.params, sizeof read);
    assert_int_equal(vault_open(BYTES_OF(m.file), m.root, mk), ST_OK);
    assert_memory_equal(mk, m.mk, 32);

    assert_int_equal(password_root(BYTES_LIT("correct horsf"), m.params.salt, 1, 8, root), ST_OK);
    assert_int_equal(vault_open(BYTES_OF(m.file), root, mk), ST_PASSWORD);
    assert_true(bytes_zero(BYTES_OF(mk)));

    assert_int_equal(vault_open_recovery(BYTES_OF(m.file), m.rk, mk), ST_OK);
    assert_memory_equal(mk, m.mk, 32);
    assert_int_equal(vault_open_recovery(BYTES_OF(m.file), m.mk, mk), ST_PASSWORD);
    assert_int_equal(vault_recovery_key(BYTES_OF(m.file), m.mk, rk), ST_OK);
    assert_memory_equal(rk, m.rk, 32);

    struct vault_params fresh = {{2, 16}, {7}};
    fill(nonces, sizeof nonces, 99);
    assert_int_equal(password_root(BYTES_LIT("battery"), fresh.salt, 2, 16, root), ST_OK);
    assert_int_equal(vault_change_password(BYTES_OF(m.file), m.mk, &fresh, root, nonces, file),
                     ST_OK);
    assert_int_equal(vault_open(BYTES_OF(file), m.root, mk), ST_PASSWORD);
    assert_int_equal(vault_open(BYTES_OF(file), root, mk), ST_OK);
    assert_memory_equal(mk, m.mk, 32);
    assert_int_equal(vault_open_recovery(BYTES_OF(file), m.rk, mk), ST_OK);
    assert_int_equal(vault_change_password(BYTES_OF(m.file), root, &fresh, root, nonces, file),
                     ST_INTEGRITY);
}

/* Someone who can write the file gives it a checksum of its own making. */
static void forge(uint8_t file[VAULT_SIZE])
{
    uint8_t hash[32];
    SHA256_OF(hash, BYTES_LIT("ENCLAVE vault"), BYTES(file, VAULT_SIZE - 8));
    memcpy(file + VAULT_SIZE - 8, hash, 8);
}

static void every_byte_counts(void **state)
{
    (void)state;
    struct made m;
    uint8_t mk[32], rk[32], file[VAULT_SIZE];
    struct vault_params read;
    make(&m);
    for (size_t i = 0; i < VAULT_SIZE; i++) {
        memcpy(file, m.file, VAULT_SIZE);
        file[i] ^= 1;
        enum status st = vault_open(BYTES_OF(file), m.root, mk);
        assert_true(st == ST_INTEGRITY || (st == ST_VERSION && i >= 8 && i < 10));
        forge(file);
        st = vault_params_read(BYTES_OF(file), &floor_none, &read);
        bool any = vault_open(BYTES_OF(file), m.root, mk) == ST_OK &&
                   vault_open_recovery(BYTES_OF(file), m.rk, mk) == ST_OK &&
                   vault_recovery_key(BYTES_OF(file), m.mk, rk) == ST_OK;
        assert_int_equal(any, i >= VAULT_SIZE - 8); /* forge mended only the checksum */
    }
    for (size_t n = 0; n < VAULT_SIZE; n++)
        assert_true(vault_params_read(BYTES(m.file, n), &floor_none, &read) != ST_OK);
    /* two wraps changing places */
    memcpy(file, m.file, VAULT_SIZE);
    memcpy(file + 38 + VAULT_WRAP, m.file + 38, VAULT_WRAP);
    forge(file);
    uint8_t kek[32];
    EXPAND_OF(kek, m.root, BYTES_LIT("ENCLAVE kek v1"));
    assert_int_equal(vault_open_recovery(BYTES_OF(file), kek, mk), ST_PASSWORD);
}

static void weak_costs_are_refused(void **state)
{
    (void)state;
    struct made m;
    struct vault_params read;
    const struct vault_cost programs = {PASSWORD_FLOOR_PASSES, PASSWORD_FLOOR_KIB};
    make(&m);
    assert_int_equal(vault_params_read(BYTES_OF(m.file), &programs, &read), ST_INTEGRITY);
    m.params.cost = (struct vault_cost){PASSWORD_FLOOR_PASSES, PASSWORD_FLOOR_KIB};
    assert_int_equal(vault_create(&m.params, m.root, m.mk, m.rk, m.nonces, m.file), ST_OK);
    assert_int_equal(vault_params_read(BYTES_OF(m.file), &programs, &read), ST_OK);
    m.params.cost.memory_kib = VAULT_MEMORY_MAX_KIB + 1;
    assert_int_equal(vault_create(&m.params, m.root, m.mk, m.rk, m.nonces, m.file), ST_OK);
    assert_int_equal(vault_params_read(BYTES_OF(m.file), &programs, &read), ST_INTEGRITY);
    struct vault_file v;
    assert_int_equal(fields_decode(&vault_file_fields, BYTES_OF(m.file), &v), ST_OK);
    fields_mutate(&vault_file_fields, &v);
}

static void words_go_there_and_back(void **state)
{
    (void)state;
    uint8_t key[32], back[32];
    char text[WORDS_TEXT], fault[WORDS_FAULT], other[2 * WORDS_TEXT];
    for (unsigned seed = 0; seed < 64; seed++) {
        fill(key, sizeof key, (uint8_t)(seed * 5));
        words_encode(key, text);
        assert_int_equal(words_decode(bytes_str(text), back, fault), ST_OK);
        assert_memory_equal(key, back, 32);
    }
    /* capitals, line ends, four letters */
    size_t n = 0;
    for (const char *at = text; *at;) {
        size_t len = strcspn(at, " ");
        size_t take = len > 4 ? 4 : len;
        for (size_t i = 0; i < take; i++) other[n++] = (char)(at[i] - 'a' + 'A');
        other[n++] = '\n';
        other[n++] = '\t';
        at += len + (at[len] == ' ');
    }
    assert_int_equal(words_decode(BYTES(other, n), back, fault), ST_OK);
    assert_memory_equal(key, back, 32);

    assert_int_equal(words_decode(BYTES(other, n / 2), back, fault), ST_USAGE);
    assert_non_null(strstr(fault, "there must be 24"));
    assert_true(bytes_zero(BYTES_OF(back)));
    assert_int_equal(words_decode(BYTES_LIT("abandon abamdon"), back, fault), ST_USAGE);
    assert_string_equal(fault, "word 2, \"abamdon\", is not in the list");
    assert_int_equal(words_decode(BYTES_LIT("aban\x80onnnnnnnnnnnnnnn"), back, fault), ST_USAGE);
    assert_int_equal(words_decode(BYTES_NONE, back, fault), ST_USAGE);
    snprintf(other, sizeof other, "%s zoo", text);
    assert_int_equal(words_decode(bytes_str(other), back, fault), ST_USAGE);
    assert_string_equal(fault, "25 words, but there must be 24");
    const char *none = "abandon abandon abandon abandon abandon abandon abandon abandon abandon "
                       "abandon abandon abandon abandon abandon abandon abandon abandon abandon "
                       "abandon abandon abandon abandon abandon ";
    snprintf(other, sizeof other, "%sart", none);
    assert_int_equal(words_decode(bytes_str(other), back, fault), ST_OK);
    assert_true(bytes_zero(BYTES_OF(back)));
    snprintf(other, sizeof other, "%sabout", none);
    assert_int_equal(words_decode(bytes_str(other), back, fault), ST_USAGE);
    assert_non_null(strstr(fault, "do not fit together"));
    /* the list is sorted and prefixes are unique: what find_word relies on */
    for (unsigned i = 1; i < WORDS_LIST; i++) {
        assert_true(strcmp(words_at(i - 1), words_at(i)) < 0);
        assert_true(strncmp(words_at(i - 1), words_at(i), 4) != 0);
    }
}

static void bip39_vectors(void **state)
{
    (void)state;
    struct vectors v;
    VECTORS_OR_SKIP(&v, VECTORS_OFFICIAL "/bip39/vectors.txt");
    while (vectors_next(&v)) {
        char text[WORDS_TEXT], fault[WORDS_FAULT];
        uint8_t key[32];
        struct bytes entropy = vectors_bytes(&v, "entropy");
        const char *mnemonic = vectors_text(&v, "mnemonic");
        assert_int_equal(words_from(entropy, text, sizeof text), ST_OK);
        assert_string_equal(text, mnemonic);
        if (entropy.n != 32) continue;
        assert_int_equal(words_decode(bytes_str(mnemonic), key, fault), ST_OK);
        assert_memory_equal(key, entropy.p, 32);
    }
    assert_int_equal(v.records, 24);
    vectors_close(&v);
}

static void rows_keep_their_place(void **state)
{
    (void)state;
    uint8_t mk[32] = {1}, a[KV_SPACE], b[KV_SPACE], nonce[ROWS_NONCE] = {9};
    struct rows r, other;
    struct buf sealed = BUF_INIT, plain = BUF_INIT;
    rows_start(&r, mk);
    mk[0] = 2;
    rows_start(&other, mk);
    rows_space(&r, "ledger", BYTES_LIT("x"), a);
    rows_space(&r, "ledgerx", BYTES_NONE, b);
    assert_memory_not_equal(a, b, KV_SPACE);
    rows_space(&other, "ledger", BYTES_LIT("x"), b);
    assert_memory_not_equal(a, b, KV_SPACE);

    rows_seal(&r, a, 7, BYTES_LIT("a value"), nonce, &sealed);
    assert_int_equal(buf_status(&sealed), ST_OK);
    assert_int_equal(sealed.n, 7 + ROWS_OVERHEAD);
    assert_int_equal(rows_open(&r, a, 7, buf_view(&sealed), &plain), ST_OK);
    assert_true(bytes_same(buf_view(&plain), BYTES_LIT("a value")));
    buf_clear(&plain);
    assert_int_equal(rows_open(&r, a, 8, buf_view(&sealed), &plain), ST_BAD_SEAL);
    assert_int_equal(rows_open(&r, b, 7, buf_view(&sealed), &plain), ST_BAD_SEAL);
    assert_int_equal(rows_open(&other, a, 7, buf_view(&sealed), &plain), ST_BAD_SEAL);
    for (size_t i = 0; i < sealed.n; i++) {
        sealed.p[i] ^= 0x40;
        assert_int_equal(rows_open(&r, a, 7, buf_view(&sealed), &plain), ST_BAD_SEAL);
        sealed.p[i] ^= 0x40;
        assert_int_equal(rows_open(&r, a, 7, BYTES(sealed.p, i), &plain), ST_BAD_SEAL);
    }
    assert_int_equal(plain.n, 0);
    buf_clear(&sealed);
    rows_seal(&r, a, 7, BYTES_NONE, nonce, &sealed);
    assert_int_equal(rows_open(&r, a, 7, buf_view(&sealed), &plain), ST_OK);
    assert_int_equal(plain.n, 0);
    buf_free(&sealed);
    buf_free(&plain);
    rows_wipe(&r);
    rows_wipe(&other);
}

static int start(void **state)
{
    (void)state;
    return crypto_start() == ST_OK ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(password_opens_and_changes),
        cmocka_unit_test(every_byte_counts),
        cmocka_unit_test(weak_costs_are_refused),
        cmocka_unit_test(words_go_there_and_back),
        cmocka_unit_test(bip39_vectors),
        cmocka_unit_test(rows_keep_their_place),
    };
    return !!cmocka_run_group_tests(tests, start, NULL);
}
