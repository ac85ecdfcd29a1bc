/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "crypto/kem.h"

#include "crypto/hash.h"
#include "crypto/mlkem.h"
#include "crypto/secret.h"

#include <sodium.h>
#include <string.h>

#define MLKEM_Q 3329
#define MLKEM_VECTOR 1152 /* ByteEncode12 of three polynomials, in public and secret keys alike */

/* Layout of a secret key: vector | public key | H(public key) 32 | z 32 (FIPS 203, algorithm 16) */
#define SECRET_EK MLKEM_VECTOR
#define SECRET_HASH (MLKEM_VECTOR + MLKEM_PUBLIC)

/* FIPS 203 7.2: ByteEncode12(ByteDecode12(x)) == x, that is every 12-bit number is below q. */
static bool below_q(const uint8_t v[MLKEM_VECTOR])
{
    uint32_t bad = 0; /* no early exit: secret vectors come through here too */
    for (size_t i = 0; i < MLKEM_VECTOR; i += 3) {
        uint32_t a = v[i] | ((uint32_t)(v[i + 1] & 15) << 8);
        uint32_t b = (uint32_t)(v[i + 1] >> 4) | ((uint32_t)v[i + 2] << 4);
        bad |= ((MLKEM_Q - 1 - a) | (MLKEM_Q - 1 - b)) >> 31;
    }
    return bad == 0;
}

void mlkem_keygen(const uint8_t seed[MLKEM_SEED], uint8_t ret_public[MLKEM_PUBLIC],
                  uint8_t ret_secret[MLKEM_SECRET])
{
    mlkem_backend_keygen(seed, ret_public, ret_secret);
}

enum status mlkem_check_public(const uint8_t public_key[MLKEM_PUBLIC])
{
    return below_q(public_key) ? ST_OK : ST_BAD_KEY;
}

enum status mlkem_encaps(const uint8_t public_key[MLKEM_PUBLIC], const uint8_t m[32],
                         uint8_t ret_ct[MLKEM_CT], uint8_t ret_ss[MLKEM_SS])
{
    if (!below_q(public_key)) {
        memset(ret_ct, 0, MLKEM_CT);
        memset(ret_ss, 0, MLKEM_SS);
        return ST_BAD_KEY;
    }
    mlkem_backend_encaps(public_key, m, ret_ct, ret_ss);
    return ST_OK;
}

enum status mlkem_decaps(const uint8_t secret[MLKEM_SECRET], const uint8_t ct[MLKEM_CT],
                         uint8_t ret_ss[MLKEM_SS])
{
    /* FIPS 203 7.3, so that both backends refuse the same keys. */
    uint8_t hash[32];
    struct bytes ek = BYTES(secret + SECRET_EK, MLKEM_PUBLIC);
    memset(ret_ss, 0, MLKEM_SS);
    sha3_256_parts(&ek, 1, hash);
    bool good = secret_same(hash, secret + SECRET_HASH, 32);
    if (!good || !below_q(secret) || !below_q(ek.p)) return ST_BAD_KEY;
    mlkem_backend_decaps(secret, ct, ret_ss);
    return ST_OK;
}

void x25519_public(const uint8_t secret[X25519_SIZE], uint8_t ret_public[X25519_SIZE])
{
    (void)crypto_scalarmult_base(ret_public, secret); /* cannot fail: the base is no small point */
}

enum status x25519_shared(const uint8_t secret[X25519_SIZE], const uint8_t public_key[X25519_SIZE],
                          uint8_t ret_shared[X25519_SIZE])
{
    uint8_t shared[X25519_SIZE];
    int fault = crypto_scalarmult(shared, secret, public_key);
    bool zero = sodium_is_zero(shared, sizeof shared) != 0;
    if (fault || zero)
        memset(ret_shared, 0, X25519_SIZE);
    else
        memcpy(ret_shared, shared, X25519_SIZE);
    bytes_wipe(shared, sizeof shared);
    return fault || zero ? ST_BAD_KEY : ST_OK;
}

/* An X-Wing key pair grown from its seed. */
struct xwing {
    uint8_t seeds[MLKEM_SEED + X25519_SIZE];
    uint8_t secret[MLKEM_SECRET];
    uint8_t public_key[KEM_PUBLIC];
};

static void grow(struct xwing *x, const uint8_t seed[KEM_SEED])
{
    shake256(BYTES(seed, KEM_SEED), x->seeds, sizeof x->seeds);
    mlkem_keygen(x->seeds, x->public_key, x->secret);
    x25519_public(x->seeds + MLKEM_SEED, x->public_key + MLKEM_PUBLIC);
}

static void combine(const uint8_t ss_m[32], const uint8_t ss_x[32], const uint8_t ct_x[32],
                    const uint8_t pk_x[32], uint8_t ret_ss[KEM_SS])
{
    static const uint8_t label[6] = {0x5c, 0x2e, 0x2f, 0x2f, 0x5e, 0x5c};
    const struct bytes parts[] = {BYTES(ss_m, 32), BYTES(ss_x, 32), BYTES(ct_x, 32),
                                  BYTES(pk_x, 32), BYTES_OF(label)};
    sha3_256_parts(parts, 5, ret_ss);
}

void kem_public(const uint8_t seed[KEM_SEED], uint8_t ret_public[KEM_PUBLIC])
{
    struct xwing x;
    grow(&x, seed);
    memcpy(ret_public, x.public_key, KEM_PUBLIC);
    bytes_wipe(&x, sizeof x);
}

enum status kem_check_public(const uint8_t public_key[KEM_PUBLIC])
{
    /* Any scalar shows a point of small order: clamped scalars are multiples of 8. */
    static const uint8_t one[X25519_SIZE] = {8};
    uint8_t shared[X25519_SIZE];
    enum status st = mlkem_check_public(public_key);
    return st == ST_OK ? x25519_shared(one, public_key + MLKEM_PUBLIC, shared) : st;
}

enum status kem_encaps(const uint8_t public_key[KEM_PUBLIC], const uint8_t coins[KEM_COINS],
                       uint8_t ret_ct[KEM_CT], uint8_t ret_ss[KEM_SS])
{
    const uint8_t *pk_x = public_key + MLKEM_PUBLIC;
    uint8_t ss_m[MLKEM_SS], ss_x[X25519_SIZE], ct[KEM_CT];
    enum status st;
    memset(ss_x, 0, sizeof ss_x);
    TRY(mlkem_encaps(public_key, coins, ct, ss_m));
    x25519_public(coins + 32, ct + MLKEM_CT);
    TRY(x25519_shared(coins + 32, pk_x, ss_x));
    combine(ss_m, ss_x, ct + MLKEM_CT, pk_x, ret_ss);
    memcpy(ret_ct, ct, KEM_CT);
out:
    bytes_wipe(ss_m, sizeof ss_m);
    bytes_wipe(ss_x, sizeof ss_x);
    if (st != ST_OK) {
        memset(ret_ct, 0, KEM_CT);
        memset(ret_ss, 0, KEM_SS);
    }
    return st;
}

enum status kem_decaps(const uint8_t seed[KEM_SEED], const uint8_t ct[KEM_CT],
                       uint8_t ret_ss[KEM_SS])
{
    struct xwing x;
    uint8_t ss_m[MLKEM_SS], ss_x[X25519_SIZE];
    enum status st;
    memset(ret_ss, 0, KEM_SS);
    memset(ss_x, 0, sizeof ss_x);
    grow(&x, seed);
    TRY(mlkem_decaps(x.secret, ct, ss_m));
    TRY(x25519_shared(x.seeds + MLKEM_SEED, ct + MLKEM_CT, ss_x));
    combine(ss_m, ss_x, ct + MLKEM_CT, x.public_key + MLKEM_PUBLIC, ret_ss);
out:
    bytes_wipe(ss_m, sizeof ss_m);
    bytes_wipe(ss_x, sizeof ss_x);
    bytes_wipe(&x, sizeof x);
    return st;
}
