/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto */
/* What the official vectors (tests/vectors) do not say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#include "base/encode.h"
#include "crypto/aead.h"
#include "crypto/hash.h"
#include "crypto/kem.h"
#include "crypto/merkle.h"
#include "crypto/password.h"
#include "crypto/secret.h"
#include "crypto/sign.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static void is_hex(const uint8_t *p, size_t n, const char *want)
{
    char text[HEX_SIZE(64)];
    hex_encode(BYTES(p, n), text);
    assert_string_equal(text, want);
}

static void hashes_of_nothing_and_abc(void **state)
{
    (void)state;
    uint8_t out[64];
    const struct bytes abc = BYTES_LIT("abc");
    sha256(BYTES_NONE, out);
    is_hex(out, 32, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    sha256(abc, out);
    is_hex(out, 32, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    sha512_parts(&abc, 1, out);
    is_hex(out, 64,
           "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
           "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f");
    sha3_256_parts(&abc, 1, out);
    is_hex(out, 32, "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532");
    shake256(BYTES_NONE, out, 32);
    is_hex(out, 32, "46b9dd2b0ba88d13233b3feb743eeb243fcd52ea62b81b82b50c27646ed5762f");
    assert_int_equal(crc32_of(BYTES_LIT("123456789")), 0xCBF43926);
}

static void parts_are_one_text(void **state)
{
    (void)state;
    uint8_t whole[32], parted[32], long_key[100];
    struct sha256 h, other;
    memset(long_key, 7, sizeof long_key);
    sha256(BYTES_LIT("one two three"), whole);
    SHA256_OF(parted, BYTES_LIT("one "), BYTES_NONE, BYTES_LIT("two three"));
    assert_memory_equal(whole, parted, 32);
    sha256_start(&h);
    sha256_add(&h, BYTES_LIT("one "));
    sha256_copy(&other, &h);
    sha256_add(&h, BYTES_LIT("and nothing else"));
    sha256_drop(&h);
    sha256_add(&other, BYTES_LIT("two three"));
    sha256_done(&other, parted);
    assert_memory_equal(whole, parted, 32);

    hmac_sha256(BYTES_OF(long_key), BYTES_LIT("onetwo"), whole);
    HMAC_OF(parted, BYTES_OF(long_key), BYTES_LIT("one"), BYTES_LIT("two"));
    assert_memory_equal(whole, parted, 32);
    uint8_t long_a[96], long_b[96];
    const struct bytes info[] = {BYTES_LIT("la"), BYTES_LIT("bel")};
    hkdf_expand(whole, BYTES_LIT("label"), long_a, sizeof long_a);
    hkdf_expand_parts(whole, info, 2, long_b, sizeof long_b);
    assert_memory_equal(long_a, long_b, sizeof long_a);
    EXPAND_OF(parted, whole, BYTES_LIT("label"));
    assert_memory_equal(long_a, parted, 32);
}

static void seals_come_apart_only_whole(void **state)
{
    (void)state;
    const uint8_t key[32] = {1}, nonce[XAEAD_NONCE] = {2};
    struct buf sealed = BUF_INIT, plain = BUF_INIT;
    buf_str(&sealed, "before");
    xaead_seal_to(key, nonce, BYTES_LIT("ad"), BYTES_LIT("text"), &sealed);
    assert_int_equal(sealed.n, 6 + XAEAD_NONCE + 4 + AEAD_TAG);
    struct bytes s = BYTES(sealed.p + 6, sealed.n - 6);
    buf_str(&plain, "kept ");
    assert_int_equal(xaead_open_to(key, BYTES_LIT("ad"), s, &plain), ST_OK);
    assert_true(bytes_same(buf_view(&plain), BYTES_LIT("kept text")));
    assert_int_equal(xaead_open_to(key, BYTES_LIT("da"), s, &plain), ST_BAD_SEAL);
    assert_int_equal(plain.n, 9);
    for (size_t n = 0; n < s.n; n++)
        assert_int_equal(xaead_open_to(key, BYTES_LIT("ad"), BYTES(s.p, n), &plain), ST_BAD_SEAL);
    /* a buffer without room says so and is not overrun */
    struct buf small;
    buf_init(&small, 10);
    xaead_seal_to(key, nonce, BYTES_NONE, BYTES_LIT("text"), &small);
    assert_int_equal(buf_status(&small), ST_TOO_BIG);
    buf_clear(&small);
    assert_int_equal(xaead_open_to(key, BYTES_LIT("ad"), s, &small), ST_OK);
    buf_free(&small);
    buf_free(&sealed);
    buf_free(&plain);
}

static void signatures_have_labels(void **state)
{
    (void)state;
    const uint8_t seed[32] = {3};
    uint8_t pk[32], sig[64], same[64];
    static uint8_t big[5000];
    const struct bytes parts[] = {BYTES_LIT("a"), BYTES_OF(big)};
    sign_public(seed, pk);
    sign_labelled(seed, "ENCLAVE-TEST", parts, 2, sig);
    assert_int_equal(sign_labelled_verify(pk, "ENCLAVE-TEST", parts, 2, sig), ST_OK);
    assert_int_equal(sign_labelled_verify(pk, "ENCLAVE-TESS", parts, 2, sig), ST_BAD_SIGNATURE);
    assert_int_equal(sign_labelled_verify(pk, "ENCLAVE-TEST", parts, 1, sig), ST_BAD_SIGNATURE);
    sign_labelled(seed, "ENCLAVE-TEST", parts, 1, sig);
    sign_message(seed, BYTES_LIT("ENCLAVE-TEST\0a"), same);
    assert_memory_equal(sig, same, 64);
    memset(pk, 0, sizeof pk);
    pk[0] = 1; /* the neutral point signs anything for those who let it */
    assert_int_equal(sign_verify(pk, BYTES_NONE, sig), ST_BAD_SIGNATURE);
}

static void trees_of_every_shape(void **state)
{
    (void)state;
    enum { MOST = 70 };
    static uint8_t leaves[MOST * MERKLE_HASH], data[MOST * 8];
    for (size_t i = 0; i < sizeof data; i++) data[i] = (uint8_t)(i * 13);
    assert_int_equal(merkle_leaves(BYTES_OF(data), 8, leaves), MOST);
    uint8_t one[32], root[32];
    merkle_leaf(BYTES(data + 16, 8), one);
    assert_memory_equal(one, leaves + 2 * MERKLE_HASH, 32);
    for (size_t n = 1; n <= MOST; n++) {
        merkle_root(leaves, n, root);
        for (size_t i = 0; i < n; i++) {
            uint8_t path[MERKLE_PATH_MAX][MERKLE_HASH];
            const uint8_t *leaf = leaves + i * MERKLE_HASH;
            size_t len = merkle_path(leaves, n, i, path);
            assert_int_equal(merkle_verify(leaf, i, n, path[0], len, root), ST_OK);
            assert_int_equal(merkle_verify(leaf, n, n, path[0], len, root), ST_INTEGRITY);
            assert_int_equal(merkle_verify(leaf, i, n, path[0], len + 1, root), ST_INTEGRITY);
            if (!len) continue;
            assert_int_equal(merkle_verify(leaf, i, n, path[0], len - 1, root), ST_INTEGRITY);
            assert_int_equal(merkle_verify(leaf, i ^ 1, n, path[0], len, root), ST_INTEGRITY);
        }
    }
    assert_int_equal(merkle_leaves(BYTES(data, 17), 8, leaves), 3);
    merkle_leaf(BYTES(data + 16, 1), one);
    assert_memory_equal(one, leaves + 2 * MERKLE_HASH, 32);
    assert_int_equal(merkle_leaves(BYTES_NONE, 8, leaves), 0);
}

static void passwords_are_normalised(void **state)
{
    (void)state;
    const uint8_t salt[16] = {1};
    uint8_t a[32], b[32];
    static uint8_t many[PASSWORD_MAX + 1];
    memset(many, 'x', sizeof many);
    /* "é" in one piece and in two, the ligature "ﬁ" and its letters */
    assert_int_equal(password_root(BYTES_LIT("caf\xC3\xA9 \xEF\xAC\x81"), salt, 1, 8, a), ST_OK);
    assert_int_equal(password_root(BYTES_LIT("cafe\xCC\x81 fi"), salt, 1, 8, b), ST_OK);
    assert_memory_equal(a, b, 32);
    assert_int_equal(password_root(BYTES_LIT("Cafe\xCC\x81 fi"), salt, 1, 8, b), ST_OK);
    assert_memory_not_equal(a, b, 32);
    assert_int_equal(password_root(BYTES_LIT("a\xFF"), salt, 1, 8, a), ST_USAGE);
    assert_true(bytes_zero(BYTES_OF(a)));
    assert_int_equal(password_root(BYTES_NONE, salt, 1, 8, a), ST_USAGE);
    assert_int_equal(password_root(BYTES(many, PASSWORD_MAX), salt, 1, 8, a), ST_OK);
    assert_int_equal(password_root(BYTES_OF(many), salt, 1, 8, a), ST_USAGE);
    assert_int_equal(password_root(BYTES(many, 8), salt, 1, 7, a), ST_USAGE);
    assert_int_equal(password_root(BYTES(many, 8), salt, 0, 8, a), ST_USAGE);
    /* a zero byte inside counts */
    assert_int_equal(password_root(BYTES_LIT("a\0b"), salt, 1, 8, a), ST_OK);
    assert_int_equal(password_root(BYTES_LIT("a\0c"), salt, 1, 8, b), ST_OK);
    assert_memory_not_equal(a, b, 32);
}

static size_t resident_kib(void)
{
    char line[128], *second = NULL;
    FILE *f = fopen("/proc/self/statm", "r");
    assert_non_null(f);
    assert_non_null(fgets(line, sizeof line, f));
    fclose(f);
    second = strchr(line, ' ');
    assert_non_null(second);
    size_t pages = strtoul(second, NULL, 10);
    assert_true(pages > 0);
    return pages * ((size_t)sysconf(_SC_PAGESIZE) / 1024);
}

static void argon2_gives_its_memory_back(void **state)
{
    (void)state;
    const uint8_t salt[16] = {1};
    uint8_t out[32];
    size_t before = resident_kib();
    assert_int_equal(password_root(BYTES_LIT("password"), salt, 1, 96 * 1024, out), ST_OK);
    assert_true(resident_kib() < before + 4 * 1024);
}

static void secrets_start_as_zeros(void **state)
{
    (void)state;
    for (size_t n = 1; n < 10000; n = n * 3 + 1) {
        uint8_t *p = secret_new(n);
        assert_non_null(p);
        assert_true(bytes_zero(BYTES(p, n)));
        memset(p, 0xA5, n);
        secret_free(p);
    }
    secret_free(NULL);
    const uint8_t a[4] = {1, 2, 3, 4}, b[4] = {1, 2, 3, 5};
    assert_true(secret_same(a, b, 3));
    assert_false(secret_same(a, b, 4));
    assert_true(secret_same(a, b, 0));
}

static void hardened_process_leaves_no_core(void **state)
{
    (void)state;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        struct rlimit core = {1, 1};
        if (secret_harden_process() != ST_OK) _exit(1);
        if (getrlimit(RLIMIT_CORE, &core) != 0 || core.rlim_cur || core.rlim_max) _exit(2);
        uint8_t *p = secret_new(32);
        if (!p) _exit(3);
        secret_free(p);
        /* Argon2 still gets its memory */
        const uint8_t salt[16] = {1};
        uint8_t out[32];
        if (password_root(BYTES_LIT("password"), salt, 1, 64 * 1024, out) != ST_OK) _exit(4);
        _exit(0);
    }
    int how = -1;
    assert_int_equal(waitpid(child, &how, 0), child);
    assert_int_equal(how, 0);
}

static void xwing_is_deterministic_and_checked(void **state)
{
    (void)state;
    const uint8_t seed[32] = {5}, coins[64] = {6};
    uint8_t pk[KEM_PUBLIC], ct[KEM_CT], again[KEM_CT], ss[32], back[32];
    kem_public(seed, pk);
    assert_int_equal(kem_encaps(pk, coins, ct, ss), ST_OK);
    assert_int_equal(kem_encaps(pk, coins, again, back), ST_OK);
    assert_memory_equal(ct, again, sizeof ct);
    memset(back, 0, sizeof back);
    assert_int_equal(kem_decaps(seed, ct, back), ST_OK);
    assert_memory_equal(ss, back, 32);
    pk[0] = 0xFF;
    pk[1] = 0xFF;
    assert_int_equal(kem_encaps(pk, coins, ct, ss), ST_BAD_KEY);
    assert_true(bytes_zero(BYTES_OF(ct)));
    assert_true(bytes_zero(BYTES_OF(ss)));
}

static int start(void **state)
{
    (void)state;
    return crypto_start() == ST_OK ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hashes_of_nothing_and_abc),
        cmocka_unit_test(parts_are_one_text),
        cmocka_unit_test(seals_come_apart_only_whole),
        cmocka_unit_test(signatures_have_labels),
        cmocka_unit_test(trees_of_every_shape),
        cmocka_unit_test(passwords_are_normalised),
        cmocka_unit_test(argon2_gives_its_memory_back),
        cmocka_unit_test(secrets_start_as_zeros),
        cmocka_unit_test(hardened_process_leaves_no_core),
        cmocka_unit_test(xwing_is_deterministic_and_checked),
    };
    return !!cmocka_run_group_tests(tests, start, NULL);
}
