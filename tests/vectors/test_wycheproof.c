/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#include "crypto/aead.h"
#include "crypto/hash.h"
#include "crypto/kem.h"
#include "crypto/secret.h"
#include "crypto/sign.h"
#include "vectors/vectors.h"

#define SET VECTORS_OFFICIAL "/wycheproof/"

static void x25519(void **state)
{
    (void)state;
    struct vectors v;
    VECTORS_OR_SKIP(&v, SET "x25519.txt");
    while (vectors_next(&v)) {
        uint8_t ours[X25519_SIZE];
        const uint8_t *shared = vectors_fixed(&v, "shared", X25519_SIZE);
        enum status st = x25519_shared(vectors_fixed(&v, "private", X25519_SIZE),
                                       vectors_fixed(&v, "public", X25519_SIZE), ours);
        if (bytes_zero(BYTES(shared, X25519_SIZE)))
            assert_int_equal(st, ST_BAD_KEY);
        else
            assert_int_equal(st, ST_OK);
        assert_memory_equal(ours, shared, X25519_SIZE); /* zeros when refused */
    }
    assert_int_equal(v.records, 518);
    vectors_close(&v);
}

static void ed25519(void **state)
{
    (void)state;
    struct vectors v;
    VECTORS_OR_SKIP(&v, SET "ed25519.txt");
    while (vectors_next(&v)) {
        struct bytes sig = vectors_bytes(&v, "sig");
        bool valid = vectors_is(&v, "result", "valid");
        if (sig.n != SIGN_SIZE) {
            assert_false(valid); /* other lengths cannot even be handed in */
            continue;
        }
        enum status st =
            sign_verify(vectors_fixed(&v, "pk", SIGN_PUBLIC), vectors_bytes(&v, "msg"), sig.p);
        if ((st == ST_OK) != valid) fail_msg("tc %s", vectors_text(&v, "tc"));
    }
    assert_int_equal(v.records, 151);
    vectors_close(&v);
}

typedef void sealer(const uint8_t *key, const uint8_t *nonce, struct bytes ad, struct bytes in,
                    uint8_t *out);
typedef enum status opener(const uint8_t *key, const uint8_t *nonce, struct bytes ad,
                           struct bytes in, uint8_t *out);

static void seals(const char *path, size_t nonce_n, sealer *seal, opener *open, size_t records)
{
    struct vectors v;
    VECTORS_OR_SKIP(&v, path);
    while (vectors_next(&v)) {
        struct bytes iv = vectors_bytes(&v, "iv"), ct = vectors_bytes(&v, "ct");
        struct bytes msg = vectors_bytes(&v, "msg"), ad = vectors_bytes(&v, "aad");
        const uint8_t *key = vectors_fixed(&v, "key", AEAD_KEY);
        bool valid = vectors_is(&v, "result", "valid");
        if (iv.n != nonce_n) {
            assert_false(valid);
            continue;
        }
        uint8_t *sealed = malloc(msg.n + AEAD_TAG), *plain = malloc(ct.n + 1);
        struct buf theirs = BUF_INIT;
        assert_non_null(sealed);
        assert_non_null(plain);
        buf_bytes(&theirs, ct);
        buf_bytes(&theirs, vectors_bytes(&v, "tag"));
        assert_int_equal(buf_status(&theirs), ST_OK);
        memset(plain, 0xAA, ct.n + 1);
        enum status st = open(key, iv.p, ad, buf_view(&theirs), plain);
        if ((st == ST_OK) != valid) fail_msg("%s tc %s", path, vectors_text(&v, "tc"));
        assert_int_equal(plain[ct.n], 0xAA);
        if (valid) {
            assert_true(bytes_same(msg, BYTES(plain, ct.n)));
            seal(key, iv.p, ad, msg, sealed);
            assert_true(bytes_same(buf_view(&theirs), BYTES(sealed, msg.n + AEAD_TAG)));
            /* in place, there and back */
            memcpy(sealed, msg.p, msg.n);
            seal(key, iv.p, ad, BYTES(sealed, msg.n), sealed);
            assert_true(bytes_same(buf_view(&theirs), BYTES(sealed, msg.n + AEAD_TAG)));
            assert_int_equal(open(key, iv.p, ad, BYTES(sealed, msg.n + AEAD_TAG), sealed), ST_OK);
            assert_true(bytes_same(msg, BYTES(sealed, msg.n)));
        } else {
            assert_true(bytes_zero(BYTES(plain, ct.n)));
        }
        free(sealed);
        free(plain);
        buf_free(&theirs);
    }
    assert_int_equal(v.records, records);
    vectors_close(&v);
}

static void chacha20_poly1305(void **state)
{
    (void)state;
    seals(SET "chacha20_poly1305.txt", AEAD_NONCE, aead_seal, aead_open, 325);
}

static void xchacha20_poly1305(void **state)
{
    (void)state;
    seals(SET "xchacha20_poly1305.txt", XAEAD_NONCE, xaead_seal, xaead_open, 315);
}

static void hkdf(void **state)
{
    (void)state;
    struct vectors v;
    VECTORS_OR_SKIP(&v, SET "hkdf_sha256.txt");
    while (vectors_next(&v)) {
        static uint8_t out[70000];
        size_t size = (size_t)vectors_u64(&v, "size");
        assert_true(size <= sizeof out);
        enum status st = hkdf_sha256(vectors_bytes(&v, "salt"), vectors_bytes(&v, "ikm"),
                                     vectors_bytes(&v, "info"), out, size);
        if (vectors_is(&v, "result", "valid")) {
            assert_int_equal(st, ST_OK);
            vectors_expect(&v, "okm", BYTES(out, size));
        } else {
            assert_int_equal(st, ST_TOO_BIG);
        }
    }
    assert_int_equal(v.records, 86);
    vectors_close(&v);
}

static void hmac(void **state)
{
    (void)state;
    struct vectors v;
    VECTORS_OR_SKIP(&v, SET "hmac_sha256.txt");
    while (vectors_next(&v)) {
        uint8_t out[SHA256_SIZE];
        struct bytes tag = vectors_bytes(&v, "tag"), msg = vectors_bytes(&v, "msg");
        assert_true(tag.n <= sizeof out);
        HMAC_OF(out, vectors_bytes(&v, "key"), BYTES(msg.p, msg.n / 2),
                BYTES(msg.p + msg.n / 2, msg.n - msg.n / 2));
        assert_int_equal(bytes_same(tag, BYTES(out, tag.n)), vectors_is(&v, "result", "valid"));
    }
    assert_int_equal(v.records, 174);
    vectors_close(&v);
}

static void mlkem_keys(void **state)
{
    (void)state;
    struct vectors v;
    VECTORS_OR_SKIP(&v, SET "mlkem768_keygen.txt");
    while (vectors_next(&v)) {
        uint8_t ek[MLKEM_PUBLIC], dk[MLKEM_SECRET];
        mlkem_keygen(vectors_fixed(&v, "seed", MLKEM_SEED), ek, dk);
        vectors_expect(&v, "ek", BYTES_OF(ek));
        vectors_expect(&v, "dk", BYTES_OF(dk));
    }
    assert_int_equal(v.records, 25);
    vectors_close(&v);
}

static void mlkem_encapsulation(void **state)
{
    (void)state;
    struct vectors v;
    VECTORS_OR_SKIP(&v, SET "mlkem768_encaps.txt");
    while (vectors_next(&v)) {
        uint8_t ct[MLKEM_CT], ss[MLKEM_SS];
        struct bytes ek = vectors_bytes(&v, "ek");
        bool valid = vectors_is(&v, "result", "valid");
        if (ek.n != MLKEM_PUBLIC) {
            assert_false(valid);
            continue;
        }
        enum status st = mlkem_encaps(ek.p, vectors_fixed(&v, "m", 32), ct, ss);
        if ((st == ST_OK) != valid) fail_msg("tc %s", vectors_text(&v, "tc"));
        if (valid) {
            vectors_expect(&v, "c", BYTES_OF(ct));
            vectors_expect(&v, "K", BYTES_OF(ss));
        } else {
            assert_int_equal(st, ST_BAD_KEY);
        }
    }
    assert_int_equal(v.records, 60);
    vectors_close(&v);
}

static void mlkem_decapsulation(void **state)
{
    (void)state;
    struct vectors v;
    VECTORS_OR_SKIP(&v, SET "mlkem768_decaps_seed.txt");
    while (vectors_next(&v)) {
        uint8_t ek[MLKEM_PUBLIC], dk[MLKEM_SECRET], ss[MLKEM_SS];
        struct bytes c = vectors_bytes(&v, "c"), seed = vectors_bytes(&v, "seed");
        bool valid = vectors_is(&v, "result", "valid");
        if (c.n != MLKEM_CT || seed.n != MLKEM_SEED) {
            assert_false(valid);
            continue;
        }
        mlkem_keygen(seed.p, ek, dk);
        assert_int_equal(mlkem_decaps(dk, c.p, ss), ST_OK);
        if (valid) vectors_expect(&v, "K", BYTES_OF(ss));
    }
    assert_int_equal(v.records, 81);
    vectors_close(&v);
}

static void mlkem_expanded(void **state)
{
    (void)state;
    struct vectors v;
    VECTORS_OR_SKIP(&v, SET "mlkem768_decaps_expanded.txt");
    while (vectors_next(&v)) {
        uint8_t ss[MLKEM_SS];
        struct bytes c = vectors_bytes(&v, "c"), dk = vectors_bytes(&v, "dk");
        bool valid = vectors_is(&v, "result", "valid");
        if (c.n != MLKEM_CT || dk.n != MLKEM_SECRET) {
            assert_false(valid);
            continue;
        }
        enum status st = mlkem_decaps(dk.p, c.p, ss);
        if ((st == ST_OK) != valid) fail_msg("tc %s", vectors_text(&v, "tc"));
        if (valid) vectors_expect(&v, "K", BYTES_OF(ss));
    }
    assert_int_equal(v.records, 9);
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
        cmocka_unit_test(x25519),
        cmocka_unit_test(ed25519),
        cmocka_unit_test(chacha20_poly1305),
        cmocka_unit_test(xchacha20_poly1305),
        cmocka_unit_test(hkdf),
        cmocka_unit_test(hmac),
        cmocka_unit_test(mlkem_keys),
        cmocka_unit_test(mlkem_encapsulation),
        cmocka_unit_test(mlkem_decapsulation),
        cmocka_unit_test(mlkem_expanded),
    };
    return !!cmocka_run_group_tests(tests, start, NULL);
}
