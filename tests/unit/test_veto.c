/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto */
/* Whole votes of 2 to 64, and everything a ballot or a key must be refused for. The figures are in
 * tests/vectors/test_veto_vectors.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#include "crypto/hash.h"
#include "crypto/secret.h"
#include "crypto/veto.h"

#include <string.h>

#define VOTERS_MAX 64

/* Bytes that look random and are the same at every run. */
static void draw(uint64_t *seed, uint8_t *to, size_t n)
{
    uint8_t number[8];
    put_u64(number, (*seed)++);
    shake256(BYTES_OF(number), to, n);
}

struct vote {
    size_t n;
    uint64_t seed;
    uint8_t group[32], ctx[32];
    uint8_t ids[VOTERS_MAX][32];
    uint8_t x[VOTERS_MAX][VETO_SCALAR];
    uint8_t key[VOTERS_MAX][VETO_KEY];
    uint8_t xs[VOTERS_MAX][VETO_POINT];
    uint8_t ys[VOTERS_MAX][VETO_POINT];
    uint8_t ballot[VOTERS_MAX][VETO_BALLOT];
    uint8_t vs[VOTERS_MAX][VETO_POINT];
};

static void vote_open(struct vote *v, size_t n, uint64_t seed)
{
    uint8_t random[2 * VETO_RANDOM], proposal[32], head[32];
    memset(v, 0, sizeof *v);
    v->n = n;
    v->seed = seed;
    draw(&v->seed, v->group, 32);
    draw(&v->seed, proposal, 32);
    draw(&v->seed, head, 32);
    for (size_t i = 0; i < n; i++) {
        draw(&v->seed, v->ids[i], 32);
        v->ids[i][0] = (uint8_t)i; /* in byte order */
        draw(&v->seed, random, sizeof random);
        veto_key_make(v->group, v->ids[i], (uint32_t)i + 3, random, v->x[i], v->key[i]);
        assert_int_equal(veto_key_check(v->group, v->ids[i], (uint32_t)i + 3, v->key[i]), ST_OK);
        memcpy(v->xs[i], v->key[i], VETO_POINT);
    }
    veto_ctx(v->group, 7, proposal, head, v->ids[0], n, v->ctx);
    assert_int_equal(veto_bases(v->xs[0], n, v->ys[0]), ST_OK);
}

static void vote_cast(struct vote *v, size_t i, bool yes)
{
    uint8_t random[2 * VETO_RANDOM];
    draw(&v->seed, random, sizeof random);
    assert_int_equal(
        veto_ballot_make(v->ctx, (uint16_t)i, v->ys[i], v->x[i], yes, random, v->ballot[i]), ST_OK);
    assert_int_equal(veto_ballot_check(v->ctx, (uint16_t)i, v->ys[i], v->ballot[i]), ST_OK);
    memcpy(v->vs[i], v->ballot[i], VETO_POINT);
}

static bool vote_passed(const struct vote *v)
{
    bool passed = false;
    assert_int_equal(veto_tally(v->vs[0], v->n, &passed), ST_OK);
    return passed;
}

static void all_yes_passes(void **state)
{
    (void)state;
    static struct vote v;
    for (size_t n = 2; n <= VOTERS_MAX; n += n < 8 ? 1 : 7) {
        vote_open(&v, n, n * 1000);
        for (size_t i = 0; i < n; i++) vote_cast(&v, i, true);
        assert_true(vote_passed(&v));
    }
}

static void one_veto_is_noticed(void **state)
{
    (void)state;
    static struct vote v;
    for (size_t n = 2; n <= VOTERS_MAX; n += n < 8 ? 1 : 14) {
        vote_open(&v, n, n * 2000);
        for (size_t i = 0; i < n; i++) vote_cast(&v, i, true);
        for (size_t i = 0; i < n; i++) { /* wherever the vetoer stands */
            uint8_t yes[VETO_BALLOT];
            memcpy(yes, v.ballot[i], VETO_BALLOT);
            vote_cast(&v, i, false);
            assert_memory_not_equal(v.vs[i], yes, VETO_POINT);
            assert_false(vote_passed(&v));
            memcpy(v.vs[i], yes, VETO_POINT);
        }
        assert_true(vote_passed(&v));
    }
}

static void several_vetoes_do_not_cancel(void **state)
{
    (void)state;
    static struct vote v;
    for (size_t vetoes = 2; vetoes <= 9; vetoes++) {
        vote_open(&v, 9, vetoes * 3000);
        for (size_t i = 0; i < v.n; i++) vote_cast(&v, i, i >= vetoes);
        assert_false(vote_passed(&v));
    }
}

static void random_rounds(void **state)
{
    (void)state;
    static struct vote v;
    uint64_t seed = 77;
    for (size_t round = 0; round < 24; round++) {
        uint8_t dice[1 + VOTERS_MAX];
        bool all = true;
        draw(&seed, dice, sizeof dice);
        vote_open(&v, 2 + dice[0] % 11, 4000 + round * 100);
        for (size_t i = 0; i < v.n; i++) {
            bool yes = dice[1 + i] % 16 != 0;
            all = all && yes;
            vote_cast(&v, i, yes);
        }
        assert_int_equal(vote_passed(&v), all);
    }
}

static void a_missing_or_doubled_ballot_does_not_pass(void **state)
{
    (void)state;
    static struct vote v;
    vote_open(&v, 5, 5000);
    for (size_t i = 0; i < 5; i++) vote_cast(&v, i, true);
    v.n = 4;
    assert_false(vote_passed(&v));
    v.n = 5;
    memcpy(v.vs[4], v.vs[3], VETO_POINT);
    assert_false(vote_passed(&v));
}

static void any_flipped_bit_fails(void **state)
{
    (void)state;
    static struct vote v;
    vote_open(&v, 3, 6000);
    for (size_t i = 0; i < 3; i++) vote_cast(&v, i, i != 1);
    for (size_t bit = 0; bit < VETO_BALLOT * 8; bit++) {
        uint8_t bad[VETO_BALLOT];
        memcpy(bad, v.ballot[1], sizeof bad);
        bad[bit / 8] ^= (uint8_t)(1U << bit % 8);
        assert_int_not_equal(veto_ballot_check(v.ctx, 1, v.ys[1], bad), ST_OK);
        memcpy(bad, v.key[1], sizeof bad);
        bad[bit / 8] ^= (uint8_t)(1U << bit % 8);
        assert_int_not_equal(veto_key_check(v.group, v.ids[1], 4, bad), ST_OK);
    }
    for (size_t bit = 0; bit < 256; bit++) {
        uint8_t flip = (uint8_t)(1U << bit % 8);
        v.ctx[bit / 8] ^= flip;
        assert_int_equal(veto_ballot_check(v.ctx, 1, v.ys[1], v.ballot[1]), ST_BAD_SIGNATURE);
        v.ctx[bit / 8] ^= flip;
        v.ys[1][bit / 8] ^= flip;
        assert_int_not_equal(veto_ballot_check(v.ctx, 1, v.ys[1], v.ballot[1]), ST_OK);
        v.ys[1][bit / 8] ^= flip;
        v.group[bit / 8] ^= flip;
        assert_int_equal(veto_key_check(v.group, v.ids[1], 4, v.key[1]), ST_BAD_SIGNATURE);
        v.group[bit / 8] ^= flip;
        v.ids[1][bit / 8] ^= flip;
        assert_int_equal(veto_key_check(v.group, v.ids[1], 4, v.key[1]), ST_BAD_SIGNATURE);
        v.ids[1][bit / 8] ^= flip;
    }
    assert_int_equal(veto_ballot_check(v.ctx, 1, v.ys[1], v.ballot[1]), ST_OK);
    assert_int_equal(veto_key_check(v.group, v.ids[1], 4, v.key[1]), ST_OK);
}

static void a_proof_is_for_one_place(void **state)
{
    (void)state;
    static struct vote v, other;
    vote_open(&v, 4, 7000);
    vote_open(&other, 4, 7500);
    for (size_t i = 0; i < 4; i++) vote_cast(&v, i, true);
    assert_int_equal(veto_ballot_check(v.ctx, 2, v.ys[1], v.ballot[1]), ST_BAD_SIGNATURE);
    assert_int_equal(veto_ballot_check(v.ctx, 257, v.ys[1], v.ballot[1]), ST_BAD_SIGNATURE);
    assert_int_equal(veto_ballot_check(v.ctx, 1, v.ys[2], v.ballot[1]), ST_BAD_SIGNATURE);
    assert_int_equal(veto_ballot_check(v.ctx, 2, v.ys[2], v.ballot[1]), ST_BAD_SIGNATURE);
    assert_int_equal(veto_ballot_check(other.ctx, 1, v.ys[1], v.ballot[1]), ST_BAD_SIGNATURE);
    /* a key shown under another number, by another member, in another enclave */
    assert_int_equal(veto_key_check(v.group, v.ids[1], 5, v.key[1]), ST_BAD_SIGNATURE);
    assert_int_equal(veto_key_check(v.group, v.ids[1], 4U << 24, v.key[1]), ST_BAD_SIGNATURE);
    assert_int_equal(veto_key_check(v.group, v.ids[2], 4, v.key[1]), ST_BAD_SIGNATURE);
    assert_int_equal(veto_key_check(other.group, v.ids[1], 4, v.key[1]), ST_BAD_SIGNATURE);
    /* a ballot is no key and a key no ballot */
    assert_int_not_equal(veto_key_check(v.group, v.ids[1], 4, v.ballot[1]), ST_OK);
    assert_int_not_equal(veto_ballot_check(v.ctx, 1, v.ys[1], v.key[1]), ST_OK);
}

static void the_context_is_all_of_it(void **state)
{
    (void)state;
    uint8_t group[32] = {1}, proposal[32] = {2}, head[32] = {3}, ids[64] = {4}, a[32], b[32];
    veto_ctx(group, 7, proposal, head, ids, 2, a);
    veto_ctx(group, 8, proposal, head, ids, 2, b);
    assert_memory_not_equal(a, b, 32);
    veto_ctx(group, 7, head, proposal, ids, 2, b);
    assert_memory_not_equal(a, b, 32);
    veto_ctx(group, 7, proposal, head, ids, 1, b);
    assert_memory_not_equal(a, b, 32);
    ids[63] = 1;
    veto_ctx(group, 7, proposal, head, ids, 2, b);
    assert_memory_not_equal(a, b, 32);
    group[31] = 1;
    ids[63] = 0;
    veto_ctx(group, 7, proposal, head, ids, 2, b);
    assert_memory_not_equal(a, b, 32);
}

/* The order q of the group, RFC 9496. */
static const uint8_t order[32] = {0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7,
                                  0xa2, 0xde, 0xf9, 0xde, 0x14, 0,    0,    0,    0,    0,    0,
                                  0,    0,    0,    0,    0,    0,    0,    0,    0,    0x10};

static void add_order(uint8_t s[32])
{
    unsigned carry = 0;
    for (size_t i = 0; i < 32; i++) {
        carry += (unsigned)s[i] + order[i];
        s[i] = (uint8_t)carry;
        carry >>= 8;
    }
}

static void scalars_are_below_the_order(void **state)
{
    (void)state;
    static struct vote v;
    uint8_t random[2 * VETO_RANDOM], ballot[VETO_BALLOT] = {0}, x[32];
    vote_open(&v, 2, 8000);
    vote_cast(&v, 0, true);
    draw(&v.seed, random, sizeof random);
    /* s + q satisfies the same equation */
    for (int more = 0; more < 7; more++) {
        add_order(v.ballot[0] + 64);
        assert_int_equal(veto_ballot_check(v.ctx, 0, v.ys[0], v.ballot[0]), ST_BAD_KEY);
        add_order(v.key[0] + 64);
        assert_int_equal(veto_key_check(v.group, v.ids[0], 3, v.key[0]), ST_BAD_KEY);
    }
    memcpy(v.key[1] + 64, order, 32);
    assert_int_equal(veto_key_check(v.group, v.ids[1], 4, v.key[1]), ST_BAD_KEY);
    memcpy(x, v.x[1], 32);
    add_order(x);
    assert_int_equal(veto_ballot_make(v.ctx, 1, v.ys[1], x, true, random, ballot), ST_BAD_KEY);
    assert_int_equal(veto_ballot_make(v.ctx, 1, v.ys[1], order, true, random, ballot), ST_BAD_KEY);
    memset(x, 0, 32);
    assert_int_equal(veto_ballot_make(v.ctx, 1, v.ys[1], x, true, random, ballot), ST_BAD_KEY);
    memset(random, 0, VETO_RANDOM);
    assert_int_equal(veto_ballot_make(v.ctx, 1, v.ys[1], v.x[1], false, random, ballot),
                     ST_BAD_KEY);
    assert_true(bytes_zero(BYTES_OF(ballot))); /* untouched by a refusal */
    assert_int_equal(veto_ballot_make(v.ctx, 1, v.ys[1], v.x[1], true, random, ballot), ST_OK);
}

/* RFC 9496, A.2 (some): not canonical, negative, not a square, and the identity at last. */
static const uint8_t no_points[][32] = {
    {0xff, [1 ... 31] = 0xff},       /* not below p */
    {0xf3, [1 ... 30] = 0xff, 0x7f}, /* the same, another way */
    {0xed, [1 ... 30] = 0xff, 0x7f}, /* p itself */
    {1},                             /* negative */
    {2, [31] = 0x80},                /* top bit */
    {0x26, 0x94, 0x8d, 0x35, 0xca, 0x62, 0xe6, 0x43, 0xe2, 0x6a, 0x83,
     0x17, 0x73, 0x32, 0xe6, 0xb6, 0xaf, 0xeb, 0x9d, 0x08, 0xe4, 0x26,
     0x8b, 0x65, 0x0f, 0x1f, 0x5b, 0xbd, 0x8d, 0x81, 0xd3, 0x71},
    {0},
};

static void points_are_canonical(void **state)
{
    (void)state;
    static struct vote v;
    uint8_t random[2 * VETO_RANDOM], bad[VETO_BALLOT], ys[3 * 32];
    bool passed = true;
    vote_open(&v, 3, 9000);
    for (size_t i = 0; i < 3; i++) vote_cast(&v, i, true);
    draw(&v.seed, random, sizeof random);
    for (size_t k = 0; k < sizeof no_points / sizeof *no_points; k++) {
        const uint8_t *point = no_points[k];
        bool identity = bytes_zero(BYTES(point, 32));
        memcpy(bad, v.ballot[1], sizeof bad);
        memcpy(bad, point, 32);
        assert_int_equal(veto_ballot_check(v.ctx, 1, v.ys[1], bad), ST_BAD_KEY);
        assert_int_equal(veto_ballot_check(v.ctx, 1, point, v.ballot[1]), ST_BAD_KEY);
        memcpy(bad, v.ballot[1], sizeof bad);
        memcpy(bad + 32, point, 32); /* R may be any point, but then the equation fails */
        assert_int_equal(veto_ballot_check(v.ctx, 1, v.ys[1], bad),
                         identity ? ST_BAD_SIGNATURE : ST_BAD_KEY);
        memcpy(bad, v.key[1], sizeof bad);
        memcpy(bad, point, 32);
        assert_int_equal(veto_key_check(v.group, v.ids[1], 4, bad), ST_BAD_KEY);
        memcpy(bad, v.key[1], sizeof bad);
        memcpy(bad + 32, point, 32);
        assert_int_equal(veto_key_check(v.group, v.ids[1], 4, bad),
                         identity ? ST_BAD_SIGNATURE : ST_BAD_KEY);
        assert_int_equal(veto_ballot_make(v.ctx, 1, point, v.x[1], true, random, bad), ST_BAD_KEY);
        for (size_t at = 0; at < 3; at++) {
            uint8_t points[3][32];
            memcpy(points, v.xs, sizeof points);
            memcpy(points[at], point, 32);
            assert_int_equal(veto_bases(points[0], 3, ys), ST_BAD_KEY);
            memcpy(points, v.vs, sizeof points);
            memcpy(points[at], point, 32);
            assert_int_equal(veto_tally(points[0], 3, &passed), ST_BAD_KEY);
        }
    }
    assert_true(passed); /* untouched by refusals */
}

/* The identity as a proof for everything: R = 0, s = 0 and an image of the identity. */
static void zeros_prove_nothing(void **state)
{
    (void)state;
    static struct vote v;
    const uint8_t zeros[VETO_BALLOT] = {0};
    vote_open(&v, 2, 9500);
    assert_int_equal(veto_key_check(v.group, v.ids[0], 3, zeros), ST_BAD_KEY);
    assert_int_equal(veto_ballot_check(v.ctx, 0, v.ys[0], zeros), ST_BAD_KEY);
}

static void a_rogue_key_cannot_hide_a_base(void **state)
{
    (void)state;
    static struct vote v;
    uint8_t ys[3 * 32], xs[3][32], random[2 * VETO_RANDOM] = {9}, ballot[VETO_BALLOT];
    vote_open(&v, 3, 9700);
    /* X_2 = X_0 makes Y_1 the identity: that voter is told, not left with an empty vote. */
    memcpy(xs, v.xs, sizeof xs);
    memcpy(xs[2], xs[0], 32);
    assert_int_equal(veto_bases(xs[0], 3, ys), ST_OK);
    assert_true(bytes_zero(BYTES(ys + 32, 32)));
    assert_int_equal(veto_ballot_make(v.ctx, 1, ys + 32, v.x[1], true, random, ballot), ST_BAD_KEY);
}

static void too_few_is_no_vote(void **state)
{
    (void)state;
    static struct vote v;
    uint8_t ys[64];
    bool passed = false;
    vote_open(&v, 2, 9800);
    vote_cast(&v, 0, true);
    assert_int_equal(veto_bases(v.xs[0], 1, ys), ST_USAGE);
    assert_int_equal(veto_bases(v.xs[0], 0, ys), ST_USAGE);
    assert_int_equal(veto_tally(v.vs[0], 0, &passed), ST_USAGE);
    assert_int_equal(veto_tally(v.vs[0], 1, &passed), ST_USAGE);
    assert_false(passed);
}

/* The nonce depends on x, V and the context even if the drawn bytes are the same: two ballots made
 * with one draw do not show the exponent. */
static void a_repeated_draw_repeats_no_nonce(void **state)
{
    (void)state;
    static struct vote v;
    uint8_t random[2 * VETO_RANDOM] = {1, 2, 3}, a[VETO_BALLOT], b[VETO_BALLOT];
    vote_open(&v, 2, 9900);
    assert_int_equal(veto_ballot_make(v.ctx, 0, v.ys[0], v.x[0], true, random, a), ST_OK);
    assert_int_equal(veto_ballot_make(v.ctx, 0, v.ys[0], v.x[0], true, random, b), ST_OK);
    assert_memory_equal(a, b, sizeof a); /* made of the arguments only */
    assert_int_equal(veto_ballot_make(v.ctx, 0, v.ys[0], v.x[0], false, random, b), ST_OK);
    assert_memory_not_equal(a + 32, b + 32, 32);
    v.ctx[0] ^= 1;
    assert_int_equal(veto_ballot_make(v.ctx, 0, v.ys[0], v.x[0], true, random, b), ST_OK);
    assert_memory_equal(a, b, 32);
    assert_memory_not_equal(a + 32, b + 32, 32);
}

int main(void)
{
    if (crypto_start() != ST_OK) return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_yes_passes),
        cmocka_unit_test(one_veto_is_noticed),
        cmocka_unit_test(several_vetoes_do_not_cancel),
        cmocka_unit_test(random_rounds),
        cmocka_unit_test(a_missing_or_doubled_ballot_does_not_pass),
        cmocka_unit_test(any_flipped_bit_fails),
        cmocka_unit_test(a_proof_is_for_one_place),
        cmocka_unit_test(the_context_is_all_of_it),
        cmocka_unit_test(scalars_are_below_the_order),
        cmocka_unit_test(points_are_canonical),
        cmocka_unit_test(zeros_prove_nothing),
        cmocka_unit_test(a_rogue_key_cannot_hide_a_base),
        cmocka_unit_test(too_few_is_no_vote),
        cmocka_unit_test(a_repeated_draw_repeats_no_nonce),
    };
    return !!cmocka_run_group_tests(tests, NULL, NULL);
}
