/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "crypto/veto.h"

#include "crypto/hash.h"

#include <sodium.h>
#include <string.h>

_Static_assert(VETO_POINT == crypto_core_ristretto255_BYTES, "point");
_Static_assert(VETO_SCALAR == crypto_core_ristretto255_SCALARBYTES, "scalar");
_Static_assert(VETO_RANDOM == crypto_core_ristretto255_NONREDUCEDSCALARBYTES, "random");
_Static_assert(VETO_RANDOM == SHA512_SIZE, "H2S");

/* SHA-512 of the parts, little-endian, mod q. */
static void hash_to_scalar(const struct bytes *parts, size_t n, uint8_t ret[VETO_SCALAR])
{
    uint8_t wide[SHA512_SIZE];
    sha512_parts(parts, n, wide);
    crypto_core_ristretto255_scalar_reduce(ret, wide);
    bytes_wipe(wide, sizeof wide);
}
/* H2S(label, parts) = SHA-512(u8 len | label | parts) mod q */
#define H2S_PARTS(label, ...)                                                                \
    ((const struct bytes[]){BYTES(&(const uint8_t){sizeof(label) - 1}, 1), BYTES_LIT(label), \
                            __VA_ARGS__})
#define H2S_OF(ret, label, ...)                   \
    hash_to_scalar(H2S_PARTS(label, __VA_ARGS__), \
                   sizeof H2S_PARTS(label, __VA_ARGS__) / sizeof(struct bytes), ret)

/* libsodium says -1 for a product that is the identity, which is no fault here (its 32 zero bytes
 * are what we want). point must have been checked. */
static void times(const uint8_t scalar[VETO_SCALAR], const uint8_t *point, uint8_t ret[VETO_POINT])
{
    memset(ret, 0, VETO_POINT);
    int st = point ? crypto_scalarmult_ristretto255(ret, scalar, point)
                   : crypto_scalarmult_ristretto255_base(ret, scalar);
    (void)st;
}

/* Below the order: what the reduction leaves as it is (libsodium 1.0.18 has no question for it). */
static bool scalar_canonical(const uint8_t s[VETO_SCALAR])
{
    uint8_t wide[VETO_RANDOM] = {0}, reduced[VETO_SCALAR];
    memcpy(wide, s, VETO_SCALAR);
    crypto_core_ristretto255_scalar_reduce(reduced, wide);
    bool same = sodium_memcmp(reduced, s, VETO_SCALAR) == 0;
    bytes_wipe(wide, sizeof wide);
    bytes_wipe(reduced, sizeof reduced);
    return same;
}

static bool point_valid(const uint8_t p[VETO_POINT])
{
    return crypto_core_ristretto255_is_valid_point(p) == 1;
}

static bool point_stands(const uint8_t p[VETO_POINT])
{
    return point_valid(p) && !bytes_zero(BYTES(p, VETO_POINT));
}

/* s = r + c e */
static void respond(const uint8_t r[VETO_SCALAR], const uint8_t c[VETO_SCALAR],
                    const uint8_t e[VETO_SCALAR], uint8_t ret[VETO_SCALAR])
{
    uint8_t product[VETO_SCALAR];
    crypto_core_ristretto255_scalar_mul(product, c, e);
    crypto_core_ristretto255_scalar_add(ret, r, product);
    bytes_wipe(product, sizeof product);
}

/* R = s base - c image? Comparing bytes needs no look at R beyond that it is canonical. */
static enum status proof_holds(const uint8_t *base, const uint8_t image[VETO_POINT],
                               const uint8_t c[VETO_SCALAR], const uint8_t r[VETO_POINT],
                               const uint8_t s[VETO_SCALAR])
{
    uint8_t left[VETO_POINT], right[VETO_POINT], want[VETO_POINT];
    times(s, base, left);
    times(c, image, right);
    if (crypto_core_ristretto255_sub(want, left, right) != 0) return ST_BAD_KEY;
    return memcmp(want, r, VETO_POINT) == 0 ? ST_OK : ST_BAD_SIGNATURE;
}

static void key_challenge(const uint8_t group_id[32], const uint8_t id[32], uint32_t serial,
                          const uint8_t *x_point, const uint8_t *r_point, uint8_t ret[VETO_SCALAR])
{
    uint8_t ctx1[32], number[4];
    put_u32(number, serial);
    SHA256_OF(ctx1, BYTES_LIT("ENCLAVE vk"), BYTES(group_id, 32), BYTES(id, 32), BYTES_OF(number));
    H2S_OF(ret, "ENCLAVE veto r1", BYTES_OF(ctx1), BYTES(x_point, VETO_POINT),
           BYTES(r_point, VETO_POINT));
}

void veto_key_make(const uint8_t group_id[32], const uint8_t id[32], uint32_t serial,
                   const uint8_t random[2 * VETO_RANDOM], uint8_t ret_x[VETO_SCALAR],
                   uint8_t ret_key[VETO_KEY])
{
    uint8_t r[VETO_SCALAR], c[VETO_SCALAR];
    uint8_t *x_point = ret_key, *r_point = ret_key + 32, *s = ret_key + 64;
    crypto_core_ristretto255_scalar_reduce(ret_x, random);
    crypto_core_ristretto255_scalar_reduce(r, random + VETO_RANDOM);
    times(ret_x, NULL, x_point);
    times(r, NULL, r_point);
    key_challenge(group_id, id, serial, x_point, r_point, c);
    respond(r, c, ret_x, s);
    bytes_wipe(r, sizeof r);
}

void veto_key_public(const uint8_t x[VETO_SCALAR], uint8_t ret[VETO_POINT])
{
    times(x, NULL, ret);
}

enum status veto_key_check(const uint8_t group_id[32], const uint8_t id[32], uint32_t serial,
                           const uint8_t key[VETO_KEY])
{
    const uint8_t *x_point = key, *r_point = key + 32, *s = key + 64;
    uint8_t c[VETO_SCALAR];
    if (!point_stands(x_point) || !point_valid(r_point) || !scalar_canonical(s)) return ST_BAD_KEY;
    key_challenge(group_id, id, serial, x_point, r_point, c);
    return proof_holds(NULL, x_point, c, r_point, s);
}

void veto_ctx(const uint8_t group_id[32], uint64_t epoch, const uint8_t proposal[32],
              const uint8_t log_head[32], const uint8_t *ids, size_t n, uint8_t ret[32])
{
    uint8_t when[8], count[2];
    put_u64(when, epoch);
    put_u16(count, (uint16_t)n);
    SHA256_OF(ret, BYTES_LIT("ENCLAVE veto ctx"), BYTES(group_id, 32), BYTES_OF(when),
              BYTES(proposal, 32), BYTES(log_head, 32), BYTES_OF(count), BYTES(ids, n * 32));
}

enum status veto_bases(const uint8_t *xs, size_t n, uint8_t *ret)
{
    uint8_t y[VETO_POINT] = {0};
    if (n < 2) return ST_USAGE;
    for (size_t i = 0; i < n; i++)
        if (!point_stands(xs + i * 32)) return ST_BAD_KEY;
    /* Y_0 = - (X_1 + ... ), Y_i+1 = Y_i + X_i + X_i+1. All points were checked: no call fails. */
    int st = 0;
    for (size_t i = 1; i < n; i++) st |= crypto_core_ristretto255_sub(y, y, xs + i * 32);
    memcpy(ret, y, VETO_POINT);
    for (size_t i = 1; i < n; i++) {
        st |= crypto_core_ristretto255_add(y, y, xs + (i - 1) * 32);
        st |= crypto_core_ristretto255_add(y, y, xs + i * 32);
        memcpy(ret + i * 32, y, VETO_POINT);
    }
    return st == 0 ? ST_OK : ST_BAD_KEY;
}

static void ballot_challenge(const uint8_t ctx[32], uint16_t i, const uint8_t *y, const uint8_t *v,
                             const uint8_t *r_point, uint8_t ret[VETO_SCALAR])
{
    uint8_t place[2];
    put_u16(place, i);
    H2S_OF(ret, "ENCLAVE veto r2", BYTES(ctx, 32), BYTES_OF(place), BYTES(y, VETO_POINT),
           BYTES(v, VETO_POINT), BYTES(r_point, VETO_POINT));
}

/* x or other, without a branch or an address that tells which. The mask is volatile so that the
 * compiler cannot make a branch of it again. */
static void choose(bool yes, const uint8_t x[VETO_SCALAR], const uint8_t other[VETO_SCALAR],
                   uint8_t ret[VETO_SCALAR])
{
    volatile uint8_t mask = (uint8_t)(0U - (unsigned)yes);
    for (size_t i = 0; i < VETO_SCALAR; i++) {
        uint8_t m = mask;
        ret[i] = (uint8_t)((x[i] & m) | (other[i] & (uint8_t)~m));
    }
}

enum status veto_ballot_make(const uint8_t ctx[32], uint16_t i, const uint8_t y[VETO_POINT],
                             const uint8_t x[VETO_SCALAR], bool yes,
                             const uint8_t random[2 * VETO_RANDOM], uint8_t ret[VETO_BALLOT])
{
    uint8_t other[VETO_SCALAR], e[VETO_SCALAR], r[VETO_SCALAR], c[VETO_SCALAR];
    uint8_t ballot[VETO_BALLOT], *v = ballot, *r_point = ballot + 32, *s = ballot + 64;
    enum status st = ST_BAD_KEY;
    if (!point_stands(y) || !scalar_canonical(x)) return ST_BAD_KEY;
    crypto_core_ristretto255_scalar_reduce(other, random);
    choose(yes, x, other, e);
    times(e, y, v);
    /* e = 0: x was never a key, or the random bytes are not random. */
    if (bytes_zero(BYTES(v, VETO_POINT))) goto out;
    /* Bound to x and V as well: a nonce drawn twice would show e. */
    H2S_OF(r, "ENCLAVE veto nonce", BYTES(x, VETO_SCALAR), BYTES(ctx, 32), BYTES(v, VETO_POINT),
           BYTES(random + VETO_RANDOM, VETO_RANDOM));
    times(r, y, r_point);
    ballot_challenge(ctx, i, y, v, r_point, c);
    respond(r, c, e, s);
    memcpy(ret, ballot, VETO_BALLOT);
    st = ST_OK;
out:
    bytes_wipe(other, sizeof other);
    bytes_wipe(e, sizeof e);
    bytes_wipe(r, sizeof r);
    return st;
}

enum status veto_ballot_check(const uint8_t ctx[32], uint16_t i, const uint8_t y[VETO_POINT],
                              const uint8_t ballot[VETO_BALLOT])
{
    const uint8_t *v = ballot, *r_point = ballot + 32, *s = ballot + 64;
    uint8_t c[VETO_SCALAR];
    if (!point_stands(y) || !point_stands(v) || !point_valid(r_point) || !scalar_canonical(s))
        return ST_BAD_KEY;
    ballot_challenge(ctx, i, y, v, r_point, c);
    return proof_holds(y, v, c, r_point, s);
}

enum status veto_tally(const uint8_t *vs, size_t n, bool *ret_passed)
{
    uint8_t sum[VETO_POINT] = {0};
    if (n < 2) return ST_USAGE; /* no votes at all would sum up to "passed" */
    for (size_t i = 0; i < n; i++) {
        if (!point_stands(vs + i * 32)) return ST_BAD_KEY;
        if (crypto_core_ristretto255_add(sum, sum, vs + i * 32) != 0) return ST_BAD_KEY;
    }
    *ret_passed = bytes_zero(BYTES_OF(sum));
    return ST_OK;
}
