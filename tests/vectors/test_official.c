/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto */
/* ACVP and CCTV ML-KEM-768, X-Wing, Argon2id, RFC 6962 Merkle trees. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#include "crypto/kem.h"
#include "crypto/merkle.h"
#include "crypto/password.h"
#include "crypto/secret.h"
#include "vectors/vectors.h"

#include <zlib.h>

static void acvp_keygen(void **state)
{
    (void)state;
    struct vectors v;
    VECTORS_OR_SKIP(&v, VECTORS_OFFICIAL "/acvp-mlkem768/keygen.txt");
    while (vectors_next(&v)) {
        uint8_t seed[MLKEM_SEED], ek[MLKEM_PUBLIC], dk[MLKEM_SECRET];
        memcpy(seed, vectors_fixed(&v, "d", 32), 32);
        memcpy(seed + 32, vectors_fixed(&v, "z", 32), 32);
        mlkem_keygen(seed, ek, dk);
        vectors_expect(&v, "ek", BYTES_OF(ek));
        vectors_expect(&v, "dk", BYTES_OF(dk));
    }
    assert_int_equal(v.records, 25);
    vectors_close(&v);
}

static void encapsulates(struct vectors *v, const char *shared)
{
    uint8_t ct[MLKEM_CT], ss[MLKEM_SS];
    assert_int_equal(
        mlkem_encaps(vectors_fixed(v, "ek", MLKEM_PUBLIC), vectors_fixed(v, "m", 32), ct, ss),
        ST_OK);
    vectors_expect(v, "c", BYTES_OF(ct));
    vectors_expect(v, shared, BYTES_OF(ss));
}

static void decapsulates(struct vectors *v, const char *shared)
{
    uint8_t ss[MLKEM_SS];
    assert_int_equal(
        mlkem_decaps(vectors_fixed(v, "dk", MLKEM_SECRET), vectors_fixed(v, "c", MLKEM_CT), ss),
        ST_OK);
    vectors_expect(v, shared, BYTES_OF(ss));
}

static void acvp_encap(void **state)
{
    (void)state;
    struct vectors v;
    VECTORS_OR_SKIP(&v, VECTORS_OFFICIAL "/acvp-mlkem768/encap.txt");
    while (vectors_next(&v)) encapsulates(&v, "k");
    assert_int_equal(v.records, 25);
    vectors_close(&v);
}

static void acvp_decap(void **state)
{
    (void)state;
    struct vectors v;
    VECTORS_OR_SKIP(&v, VECTORS_OFFICIAL "/acvp-mlkem768/decap.txt");
    while (vectors_next(&v)) decapsulates(&v, "k");
    assert_int_equal(v.records, 10);
    vectors_close(&v);
}

/* Fails if the comparison after re-encryption stops at a zero byte. */
static void cctv_strcmp(void **state)
{
    (void)state;
    struct vectors v;
    VECTORS_OR_SKIP(&v, VECTORS_OFFICIAL "/cctv-mlkem768/strcmp.txt");
    assert_true(vectors_next(&v));
    decapsulates(&v, "K");
    vectors_close(&v);
}

static void cctv_unlucky_sample(void **state)
{
    (void)state;
    struct vectors v;
    VECTORS_OR_SKIP(&v, VECTORS_OFFICIAL "/cctv-mlkem768/unluckysample.txt");
    assert_true(vectors_next(&v));
    encapsulates(&v, "K");
    decapsulates(&v, "K");
    vectors_close(&v);
}

static void cctv_modulus(void **state)
{
    (void)state;
    gzFile f = gzopen(VECTORS_OFFICIAL "/cctv-mlkem768/modulus.txt.gz", "rb");
    if (!f) {
        print_message("skipped: modulus.txt.gz is not here\n");
        skip();
    }
    static char line[2 * KEM_PUBLIC + 16];
    size_t keys = 0;
    while (gzgets(f, line, sizeof line)) {
        uint8_t ek[KEM_PUBLIC] = {0}, m[64] = {1}, ct[KEM_CT], ss[MLKEM_SS];
        size_t n = 0;
        assert_int_equal(hex_decode(line, strcspn(line, "\n"), ek, MLKEM_PUBLIC, &n), ST_OK);
        assert_int_equal(n, MLKEM_PUBLIC);
        ek[MLKEM_PUBLIC] = 9;
        assert_int_equal(mlkem_check_public(ek), ST_BAD_KEY);
        assert_int_equal(mlkem_encaps(ek, m, ct, ss), ST_BAD_KEY);
        assert_int_equal(kem_check_public(ek), ST_BAD_KEY);
        assert_int_equal(kem_encaps(ek, m, ct, ss), ST_BAD_KEY);
        keys++;
    }
    gzclose(f);
    assert_int_equal(keys, 780);
}

static void xwing(void **state)
{
    (void)state;
    struct vectors v;
    VECTORS_OR_SKIP(&v, VECTORS_OFFICIAL "/xwing/xwing.txt");
    while (vectors_next(&v)) {
        uint8_t pk[KEM_PUBLIC], ct[KEM_CT], ss[KEM_SS];
        const uint8_t *seed = vectors_fixed(&v, "seed", KEM_SEED);
        kem_public(seed, pk);
        vectors_expect(&v, "pk", BYTES_OF(pk));
        assert_int_equal(kem_check_public(pk), ST_OK);
        assert_int_equal(kem_encaps(pk, vectors_fixed(&v, "eseed", KEM_COINS), ct, ss), ST_OK);
        vectors_expect(&v, "ct", BYTES_OF(ct));
        vectors_expect(&v, "ss", BYTES_OF(ss));
        memset(ss, 0, sizeof ss);
        assert_int_equal(kem_decaps(seed, ct, ss), ST_OK);
        vectors_expect(&v, "ss", BYTES_OF(ss));
        /* a wrong ciphertext gives another secret, not an error */
        ct[7] ^= 1;
        assert_int_equal(kem_decaps(seed, ct, ss), ST_OK);
        assert_memory_not_equal(ss, vectors_fixed(&v, "ss", KEM_SS), KEM_SS);
        /* an X25519 half of small order is refused */
        memset(ct + MLKEM_CT, 0, X25519_SIZE);
        assert_int_equal(kem_decaps(seed, ct, ss), ST_BAD_KEY);
        memset(pk + MLKEM_PUBLIC, 0, X25519_SIZE);
        assert_int_equal(kem_check_public(pk), ST_BAD_KEY);
    }
    assert_int_equal(v.records, 3);
    vectors_close(&v);
}

static void argon2(void **state)
{
    (void)state;
    struct vectors v;
    VECTORS_OR_SKIP(&v, VECTORS_OFFICIAL "/argon2id/argon2id_sodium.txt");
    while (vectors_next(&v)) {
        uint8_t tag[32];
        assert_int_equal(argon2id(vectors_bytes(&v, "pwd"),
                                  vectors_fixed(&v, "salt", PASSWORD_SALT),
                                  (uint32_t)vectors_u64(&v, "t"),
                                  (uint32_t)vectors_u64(&v, "m_kib"), tag, sizeof tag),
                         ST_OK);
        vectors_expect(&v, "tag", BYTES_OF(tag));
    }
    assert_int_equal(v.records, 4);
    vectors_close(&v);
}

static void merkle_roots(void **state)
{
    (void)state;
    struct vectors v;
    uint8_t leaves[8][MERKLE_HASH], root[MERKLE_HASH];
    VECTORS_OR_SKIP(&v, VECTORS_OFFICIAL "/merkle-rfc6962/roots.txt");
    assert_true(vectors_next(&v));
    for (int i = 0; i < 8; i++) {
        char key[8];
        snprintf(key, sizeof key, "leaf%d", i);
        merkle_leaf(vectors_bytes(&v, key), leaves[i]);
    }
    while (vectors_next(&v)) {
        size_t n = (size_t)vectors_u64(&v, "size");
        merkle_root(leaves[0], n, root);
        vectors_expect(&v, "root", BYTES_OF(root));
        for (size_t i = 0; i < n; i++) {
            uint8_t path[MERKLE_PATH_MAX][MERKLE_HASH];
            size_t len = merkle_path(leaves[0], n, i, path);
            assert_int_equal(merkle_verify(leaves[i], i, n, path[0], len, root), ST_OK);
            if (len) {
                path[len - 1][3] ^= 1;
                assert_int_equal(merkle_verify(leaves[i], i, n, path[0], len, root), ST_INTEGRITY);
            }
        }
    }
    assert_int_equal(v.records, 10);
    vectors_close(&v);
}

static void expect(struct vectors *v, enum status st)
{
    if ((st == ST_OK) != vectors_is(v, "want", "ok")) fail_msg("%s", vectors_text(v, "case"));
}

/* Some records have roots that are no hash, which no caller of ours can hand in. */
static bool is_hash(struct vectors *v, const char *key)
{
    return vectors_bytes(v, key).n == MERKLE_HASH;
}

/* A proof whose parts are not all hashes cannot be handed in either. "garbage" is an empty part,
 * which the flat form of the file shows as a stray space or not at all. */
static bool is_proof(struct vectors *v)
{
    const char *at = vectors_text(v, "proof");
    bool good = !strstr(vectors_text(v, "case"), "garbage");
    for (size_t n; good && *at; at += n + (at[n] == ' ')) {
        n = strcspn(at, " ");
        good = n == (size_t)2 * MERKLE_HASH;
    }
    if (!good) assert_true(vectors_is(v, "want", "err"));
    return good;
}

static void merkle_inclusion(void **state)
{
    (void)state;
    struct vectors v;
    VECTORS_OR_SKIP(&v, VECTORS_OFFICIAL "/merkle-rfc6962/inclusion.txt");
    while (vectors_next(&v)) {
        const uint8_t *proof = NULL;
        if (!is_hash(&v, "root") || !is_hash(&v, "leaf_hash") || !is_proof(&v)) continue;
        size_t n = vectors_list(&v, "proof", MERKLE_HASH, &proof);
        expect(&v, merkle_verify(vectors_fixed(&v, "leaf_hash", 32), vectors_u64(&v, "index"),
                                 vectors_u64(&v, "size"), proof, n, vectors_fixed(&v, "root", 32)));
    }
    assert_int_equal(v.records, 98);
    vectors_close(&v);
}

static void merkle_consistency(void **state)
{
    (void)state;
    struct vectors v;
    VECTORS_OR_SKIP(&v, VECTORS_OFFICIAL "/merkle-rfc6962/consistency.txt");
    while (vectors_next(&v)) {
        const uint8_t *proof = NULL;
        if (!is_hash(&v, "root1") || !is_hash(&v, "root2") || !is_proof(&v)) continue;
        size_t n = vectors_list(&v, "proof", MERKLE_HASH, &proof);
        expect(&v,
               merkle_consistent(vectors_u64(&v, "size1"), vectors_u64(&v, "size2"), proof, n,
                                 vectors_fixed(&v, "root1", 32), vectors_fixed(&v, "root2", 32)));
    }
    assert_int_equal(v.records, 98);
    vectors_close(&v);
}

static int start(void **state)
{
    (void)state;
    return crypto_start() == ST_OK ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(acvp_keygen),
        cmocka_unit_test(acvp_encap),
        cmocka_unit_test(acvp_decap),
        cmocka_unit_test(cctv_strcmp),
        cmocka_unit_test(cctv_unlucky_sample),
        cmocka_unit_test(cctv_modulus),
        cmocka_unit_test(xwing),
        cmocka_unit_test(argon2),
        cmocka_unit_test(merkle_roots),
        cmocka_unit_test(merkle_inclusion),
        cmocka_unit_test(merkle_consistency),
    };
    return !!cmocka_run_group_tests(tests, start, NULL);
}
