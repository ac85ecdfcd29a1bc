/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto */
/* avnet-ristretto255: every figure of every case, recomputed. What the module draws by itself (the
 * nonce of a ballot, hence R2 and s2) is recomputed here from r2, and checked by the module. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#include "crypto/hash.h"
#include "crypto/secret.h"
#include "crypto/veto.h"
#include "vectors/vectors.h"

#include <sodium.h>

#define VOTERS_MAX 8

struct vote {
    size_t n, seen, vetoes;
    char name[32];
    uint8_t group[32], proposal[32], head[32], ctx[32];
    uint64_t epoch;
    uint8_t ids[VOTERS_MAX][32], xs[VOTERS_MAX][32], ys[VOTERS_MAX][32], vs[VOTERS_MAX][32];
};

static void open_case(struct vote *c, struct vectors *v)
{
    memset(c, 0, sizeof *c);
    snprintf(c->name, sizeof c->name, "%s", vectors_text(v, "case"));
    c->n = (size_t)vectors_u64(v, "n");
    assert_in_range(c->n, 2, VOTERS_MAX);
    c->epoch = vectors_u64(v, "epoch");
    memcpy(c->group, vectors_fixed(v, "group_id", 32), 32);
    memcpy(c->proposal, vectors_fixed(v, "proposal", 32), 32);
    memcpy(c->head, vectors_fixed(v, "log_head", 32), 32);
    memcpy(c->ctx, vectors_fixed(v, "ctx", 32), 32);
}

/* A scalar as the 64 bytes that reduce to it. */
static void widen(struct vectors *v, const char *key, uint8_t to[VETO_RANDOM])
{
    memset(to, 0, VETO_RANDOM);
    memcpy(to, vectors_fixed(v, key, 32), 32);
}

static void key_is_made_again(struct vote *c, struct vectors *v)
{
    uint8_t random[2 * VETO_RANDOM], x[VETO_SCALAR], key[VETO_KEY], ctx1[32], number[4];
    const uint8_t *id = vectors_fixed(v, "ID", 32);
    uint32_t serial = (uint32_t)vectors_u64(v, "serial");
    put_u32(number, serial);
    SHA256_OF(ctx1, BYTES_LIT("ENCLAVE vk"), BYTES_OF(c->group), BYTES(id, 32), BYTES_OF(number));
    vectors_expect(v, "ctx1", BYTES_OF(ctx1));
    widen(v, "x", random);
    widen(v, "r1", random + VETO_RANDOM);
    veto_key_make(c->group, id, serial, random, x, key);
    vectors_expect(v, "x", BYTES_OF(x));
    vectors_expect(v, "X", BYTES(key, 32));
    vectors_expect(v, "R", BYTES(key + 32, 32));
    vectors_expect(v, "s", BYTES(key + 64, 32));
    assert_int_equal(veto_key_check(c->group, id, serial, key), ST_OK);
    assert_int_equal(veto_key_check(c->group, id, serial + 1, key), ST_BAD_SIGNATURE);
    memcpy(c->ids[c->seen], id, 32);
    memcpy(c->xs[c->seen], key, 32);
}

/* R2 = r2 Y, s2 = r2 + c e, with no code of the module. */
static void proof_is_made_again(struct vote *c, struct vectors *v, uint16_t i)
{
    static const char label[] = "ENCLAVE veto r2";
    uint8_t len = sizeof label - 1, place[2], wide[64], challenge[32], r_point[32], s[32];
    const uint8_t *r2 = vectors_fixed(v, "r2", 32), *y = vectors_fixed(v, "Y", 32);
    put_u16(place, i);
    assert_int_equal(crypto_scalarmult_ristretto255(r_point, r2, y), 0);
    vectors_expect(v, "R2", BYTES_OF(r_point));
    const struct bytes parts[] = {
        BYTES(&len, 1), BYTES_LIT("ENCLAVE veto r2"), BYTES_OF(c->ctx), BYTES_OF(place),
        BYTES(y, 32),   vectors_bytes(v, "V"),        BYTES_OF(r_point)};
    sha512_parts(parts, sizeof parts / sizeof *parts, wide);
    crypto_core_ristretto255_scalar_reduce(challenge, wide);
    crypto_core_ristretto255_scalar_mul(s, challenge, vectors_fixed(v, "e", 32));
    crypto_core_ristretto255_scalar_add(s, s, r2);
    vectors_expect(v, "s2", BYTES_OF(s));
}

static void ballot_is_made_again(struct vote *c, struct vectors *v, uint16_t i)
{
    uint8_t random[2 * VETO_RANDOM], ballot[VETO_BALLOT];
    const uint8_t *x = vectors_fixed(v, "x", 32), *y = vectors_fixed(v, "Y", 32);
    bool yes = bytes_same(vectors_bytes(v, "e"), vectors_bytes(v, "x"));
    c->vetoes += yes ? 0 : 1;
    widen(v, "e", random);
    widen(v, "r2", random + VETO_RANDOM);
    assert_int_equal(veto_ballot_make(c->ctx, i, y, x, yes, random, ballot), ST_OK);
    vectors_expect(v, "V", BYTES(ballot, 32));
    assert_int_equal(veto_ballot_check(c->ctx, i, y, ballot), ST_OK);
    /* the one in the file, whose nonce is another */
    memcpy(ballot + 32, vectors_fixed(v, "R2", 32), 32);
    memcpy(ballot + 64, vectors_fixed(v, "s2", 32), 32);
    assert_int_equal(veto_ballot_check(c->ctx, i, y, ballot), ST_OK);
    assert_int_equal(veto_ballot_check(c->ctx, (uint16_t)(i + 1), y, ballot), ST_BAD_SIGNATURE);
    ballot[64] ^= 1;
    assert_int_equal(veto_ballot_check(c->ctx, i, y, ballot), ST_BAD_SIGNATURE);
    memcpy(c->ys[i], y, 32);
    memcpy(c->vs[i], ballot, 32);
}

static void close_case(struct vote *c, struct vectors *v)
{
    uint8_t ctx[32], ys[VOTERS_MAX][32], sum[32] = {0};
    bool passed = false, approve = vectors_is(v, "result", "approve");
    assert_string_equal(vectors_text(v, "case_end"), c->name);
    assert_int_equal(c->seen, c->n);
    veto_ctx(c->group, c->epoch, c->proposal, c->head, c->ids[0], c->n, ctx);
    assert_memory_equal(ctx, c->ctx, 32);
    assert_int_equal(veto_bases(c->xs[0], c->n, ys[0]), ST_OK);
    assert_memory_equal(ys, c->ys, c->n * 32);
    for (size_t i = 0; i < c->n; i++)
        assert_int_equal(crypto_core_ristretto255_add(sum, sum, c->vs[i]), 0);
    vectors_expect(v, "sum", BYTES_OF(sum));
    assert_int_equal(veto_tally(c->vs[0], c->n, &passed), ST_OK);
    assert_int_equal(passed, approve);
    assert_int_equal(approve, c->vetoes == 0);
}

static void avnet(void **state)
{
    (void)state;
    struct vectors v;
    static struct vote c;
    size_t cases = 0, voters = 0;
    VECTORS_OR_SKIP(&v, VECTORS_OWN "/avnet-ristretto255/avnet.txt");
    while (vectors_next(&v)) {
        if (vectors_has(&v, "case")) {
            open_case(&c, &v);
        } else if (vectors_has(&v, "case_end")) {
            close_case(&c, &v);
            cases++;
        } else {
            assert_int_equal(vectors_u64(&v, "i"), c.seen);
            assert_true(c.seen < c.n);
            key_is_made_again(&c, &v);
            proof_is_made_again(&c, &v, (uint16_t)c.seen);
            ballot_is_made_again(&c, &v, (uint16_t)c.seen);
            c.seen++;
            voters++;
        }
    }
    assert_int_equal(cases, 5);
    assert_int_equal(voters, 21);
    vectors_close(&v);
}

int main(void)
{
    if (crypto_start() != ST_OK) return 1;
    const struct CMUnitTest tests[] = {cmocka_unit_test(avnet)};
    return !!cmocka_run_group_tests(tests, NULL, NULL);
}
