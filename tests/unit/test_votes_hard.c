/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto core/feed core/ballot core/epoch core/door core/ledger */
/* Veto keys: shown ahead, named in order, each used once, and a reserve that nobody can exhaust. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#include "unit/group_world.h"

static const struct ledger_stock *stock_of(const struct world *w, uint16_t leaf)
{
    return &ledger_leaf(group_ledger(w->m[0].g), leaf)->stock;
}

static struct propose propose_of(const struct world_door *d, struct list serials)
{
    struct propose p = {.kind = PROPOSE_ADD,
                        .knock = buf_view(&d->knock),
                        .record = buf_view(&d->record),
                        .serials = serials};
    memcpy(p.door, d->door, 32);
    memcpy(p.reply, d->reply, 32);
    memcpy(p.invitation, d->invitation, 32);
    return p;
}

/* The serials that a proposal by the book names: of all but the target, LEDGER_NOBODY for none. */
static struct list serials_of(const struct world *w, uint16_t target, uint8_t *room)
{
    size_t n = 0;
    const struct ledger *l = group_ledger(w->m[0].g);
    for (uint16_t i = 0; i < ledger_leaves(l); i++)
        if (ledger_leaf(l, i)->member_now && i != target)
            put_u32(room + 4 * n++, stock_of(w, i)->n > 0 ? stock_of(w, i)->serial[0] : 0);
    return (struct list){room, n};
}

static void every_voter_by_its_next_key(void **state)
{
    (void)state;
    struct world *w = world_new(BALLOT_SECRET, 3);
    struct world_member who = world_stranger(w);
    struct world_door d;
    uint8_t serials[20] = {0};
    world_knock(w, 1, &who, &d);
    struct propose p = propose_of(&d, serials_of(w, LEDGER_NOBODY, serials));
#define PROPOSE_IS(why) post_body(w, 1, LEDGER_PROPOSE, &propose_fields, &p, why)
    assert_int_equal(p.serials.n, 3);
    p.serials.n = 0;
    PROPOSE_IS("it does not name one veto key of each voter");
    p.serials.n = 2;
    PROPOSE_IS("it does not name one veto key of each voter");
    p.serials.n = 4;
    PROPOSE_IS("it does not name one veto key of each voter");
    p.serials.n = 3;
    for (size_t i = 0; i < 3; i++) {
        serials[4 * i + 3]++; /* one after the next */
        PROPOSE_IS("it does not name each voter's next veto key");
        serials[4 * i + 3] -= 2; /* one that is spent */
        PROPOSE_IS("it does not name each voter's next veto key");
        serials[4 * i + 3]++;
        serials[4 * i] ^= 0x80;
        PROPOSE_IS("it does not name each voter's next veto key");
        serials[4 * i] ^= 0x80;
    }
    uint32_t next = stock_of(w, 2)->serial[0];
    size_t n = stock_of(w, 2)->n;
    PROPOSE_IS(NULL);
    assert_int_equal(stock_of(w, 2)->serial[0], next + 1);
    assert_int_equal(stock_of(w, 2)->n, n - 1);
    assert_int_equal(ledger_proposal(group_ledger(w->m[0].g), w->n - 1)->voters[2].serial, next);
    /* the same for a removal: its target has no part in it */
    uint16_t target = 2;
    uint8_t targets[2] = {0, 2};
    struct propose_remove r = {.kind = PROPOSE_REMOVE,
                               .targets = {targets, 1},
                               .serials = serials_of(w, LEDGER_NOBODY, serials)};
#define REMOVE_IS(why) post_body(w, 1, LEDGER_PROPOSE, &propose_remove_fields, &r, why)
    REMOVE_IS("it does not name one veto key of each voter");
    r.serials = serials_of(w, target, serials);
    serials[3]++;
    REMOVE_IS("it does not name each voter's next veto key");
    serials[3]--;
    n = stock_of(w, 2)->n;
    REMOVE_IS(NULL);
    assert_int_equal(stock_of(w, 2)->n, n);
    world_door_free(&d);
    world_end(w);
}

static void the_stock_is_filled_up_in_time(void **state)
{
    (void)state;
    struct world *w = world_new(BALLOT_SECRET, 2);
    struct world_member who = world_stranger(w);
    while (stock_of(w, 1)->n >= GROUP_VETO_LOW) {
        assert_int_not_equal(group_next(w->m[1].g, w->now_ms).duty, GROUP_POST_VETO_KEYS);
        uint64_t p = world_propose(w, 0, &who);
        WORLD_POST(w, group_make_withdraw(w->m[0].g, p, &now, &draft));
    }
    struct group_next next = group_next(w->m[1].g, w->now_ms);
    assert_int_equal(next.duty, GROUP_POST_VETO_KEYS);
    assert_true(next.at_ms <= w->now_ms);
    uint32_t last = stock_of(w, 1)->next;
    uint64_t p = world_propose(w, 0, &who); /* also inside a vote */
    world_duties(w);
    assert_int_equal(stock_of(w, 1)->next, last + LEDGER_VETO_KEYS_MAX);
    assert_true(stock_of(w, 1)->n >= GROUP_VETO_LOW && stock_of(w, 0)->n >= GROUP_VETO_LOW);
    world_ballot(w, 0, p, true);
    world_ballot(w, 1, p, true);
    /* but no more than a stock */
    while (stock_of(w, 1)->n + LEDGER_VETO_KEYS_MAX <= LEDGER_VETO_STOCK)
        WORLD_POST(w, group_make_veto_keys(w->m[1].g, &now, &draft));
    WORLD_REFUSED(w, ST_DENIED, group_make_veto_keys(w->m[1].g, &now, &draft));
    world_agree(w);
    world_end(w);
}

/* Secrets that were drawn and never shown are not pushed out by those that are. */
static void the_secrets_keep_up_with_the_stock(void **state)
{
    (void)state;
    struct world *w = world_new(BALLOT_SECRET, 3);
    struct world_member who = world_stranger(w);
    for (int i = 0; i < 70; i++) {
        uint64_t p = world_propose(w, i % 3 == 0 ? 1 : 0, &who);
        if (i % 2 == 0) world_ballot(w, 2, p, true);
        WORLD_POST(w, group_make_withdraw(w->m[i % 3 == 0 ? 1 : 0].g, p, &now, &draft));
        world_duties(w);
        world_forget(w);
        for (uint16_t k = 0; k < 3; k++)
            for (size_t s = 0; s < stock_of(w, k)->n; s++)
                assert_non_null(group_veto_find(w->m[k].g, stock_of(w, k)->serial[s]));
        assert_true(w->m[2].g->n_veto <= LEDGER_VETO_STOCK);
    }
    world_end(w);
}

/* ---- the reserve ---- */

static void remove_and_withdraw(struct world *w, size_t by, uint16_t target)
{
    uint64_t p = w->n;
    WORLD_POST(w, group_make_propose_remove(w->m[by].g, &target, 1, BYTES_NONE, &now, &draft));
    WORLD_POST(w, group_make_withdraw(w->m[by].g, p, &now, &draft));
}

static void nobody_exhausts_the_reserve(void **state)
{
    (void)state;
    struct world *w = world_new(BALLOT_SECRET, 4);
    struct world_member who = world_stranger(w);
    size_t villain = 1;
    while (stock_of(w, 0)->n > LEDGER_VETO_RESERVE && stock_of(w, 2)->n > LEDGER_VETO_RESERVE &&
           stock_of(w, 3)->n > LEDGER_VETO_RESERVE) {
        uint64_t p = world_propose(w, villain, &who);
        WORLD_POST(w, group_make_withdraw(w->m[villain].g, p, &now, &draft));
    }
    struct world_door d;
    uint8_t serials[16], targets[2] = {0, 3};
    world_knock(w, villain, &who, &d);
    struct group_propose a = world_proposal(&d);
    struct propose p = propose_of(&d, serials_of(w, LEDGER_NOBODY, serials));
    PROPOSE_IS("a voter has no veto key left for it");
    WORLD_REFUSED(w, ST_DENIED, group_make_propose(w->m[0].g, &a, &now, &draft));
    struct group_propose_policy policy = {
        LEDGER_AS_IS, LEDGER_TOR, {NULL, 0}, BYTES_NONE, BYTES_NONE};
    WORLD_REFUSED(w, ST_DENIED, group_make_propose_policy(w->m[0].g, &policy, &now, &draft));
    world_door_free(&d);
    /* a removal may take of the reserve, but one proposer's removals only one key of each voter */
    assert_int_equal(stock_of(w, 0)->n, LEDGER_VETO_RESERVE);
    remove_and_withdraw(w, villain, 3);
    assert_int_equal(stock_of(w, 0)->n, LEDGER_VETO_RESERVE - 1);
    struct propose_remove r = {
        .kind = PROPOSE_REMOVE, .targets = {targets, 1}, .serials = serials_of(w, 3, serials)};
    REMOVE_IS("a voter has no veto key left for it");
    WORLD_REFUSED(
        w, ST_DENIED,
        group_make_propose_remove(w->m[villain].g, &(uint16_t){2}, 1, BYTES_NONE, &now, &draft));
    /* everybody else still has its own: the villain is removed with what is left */
    remove_and_withdraw(w, 0, 3);
    assert_int_equal(stock_of(w, 0)->n, LEDGER_VETO_RESERVE - 2);
    uint16_t target = (uint16_t)villain;
    uint64_t removal = w->n;
    WORLD_REFUSED(w, ST_DENIED,
                  group_make_propose_remove(w->m[0].g, &target, 1, BYTES_NONE, &now, &draft));
    WORLD_POST(w, group_make_propose_remove(w->m[2].g, &target, 1, BYTES_NONE, &now, &draft));
    const size_t voters[] = {0, 2, 3};
    for (size_t i = 0; i < 3; i++) world_ballot(w, voters[i], removal, true);
    world_duties(w);
    assert_false(ledger_leaf(group_ledger(w->m[0].g), target)->member_now);
    world_agree(w);
    /* new keys give everybody its turn back */
    assert_true(stock_of(w, 0)->n >= GROUP_VETO_LOW);
    assert_int_equal(stock_of(w, 0)->n_reserve_by, 0);
    remove_and_withdraw(w, 0, 3);
    world_end(w);
}

/* ---- VETO_KEYS ---- */

/* Keys of a member from a serial on, as if drawn by somebody whose seed that is. */
static void draw_keys(const struct world *w, size_t by, const uint8_t seed[32], uint32_t first,
                      size_t n, uint8_t *ret)
{
    struct world_member m = w->m[by];
    uint8_t x[VETO_SCALAR];
    memcpy(m.kem_seed, seed, 32);
    for (size_t i = 0; i < n; i++)
        world_veto_key(&m, ledger_enclave_id(group_ledger(w->m[0].g)), first + (uint32_t)i, x,
                       ret + i * VETO_KEY);
}

static void what_keys_must_be(void **state)
{
    (void)state;
    struct world *w = world_new(BALLOT_SECRET, 3);
    uint8_t keys[16 * VETO_KEY], seed[32], x[VETO_SCALAR], random[2 * VETO_RANDOM];
    struct veto_keys v = {.keys = {keys, 3}};
    const uint8_t *enclave = ledger_enclave_id(group_ledger(w->m[0].g));
    uint32_t first = stock_of(w, 1)->next;
#define KEYS_IS(by, why) post_body(w, by, LEDGER_VETO_KEYS, &veto_keys_fields, &v, why)
    world_random(w, seed, 32);
    draw_keys(w, 1, seed, first, 16, keys);
    v.dead = 2;
    KEYS_IS(1, "its body is malformed");
    v.dead = 0;
    v.keys.n = 0;
    KEYS_IS(1, "its body is malformed");
    v.keys.n = 3;
    KEYS_IS(2, "a veto key in it is not proved"); /* another's */
    draw_keys(w, 1, seed, first + 1, 3, keys);
    KEYS_IS(1, "a veto key in it is not proved"); /* of later serials */
    draw_keys(w, 1, seed, first - 1, 3, keys);
    KEYS_IS(1, "a veto key in it is not proved"); /* of spent ones: shown before */
    draw_keys(w, 1, seed, first, 3, keys);
    for (size_t at = 7; at < 3 * VETO_KEY; at += 23) {
        keys[at] ^= 1;
        KEYS_IS(1, "a veto key in it is not proved");
        keys[at] ^= 1;
    }
    memset(keys, 0, VETO_KEY);
    KEYS_IS(1, "a veto key in it is not proved");
    /* the same secret twice */
    world_random(w, random, sizeof random);
    for (uint32_t i = 0; i < 2; i++)
        veto_key_make(enclave, w->m[1].g->id, first + i, random, x, keys + i * VETO_KEY);
    v.keys.n = 2;
    KEYS_IS(1, "a veto key in it is known already");
    v.keys.n = 1;
    KEYS_IS(1, NULL);
    assert_int_equal(stock_of(w, 1)->next, first + 1);
    veto_key_make(enclave, w->m[1].g->id, first + 1, random, x, keys);
    KEYS_IS(1, "a veto key in it is known already");
    /* two who share a secret cannot show it both */
    veto_key_make(enclave, w->m[2].g->id, stock_of(w, 2)->next, random, x, keys);
    KEYS_IS(2, "a veto key in it is known already");
    /* dead: what was shown before is gone, and its serials with it */
    world_random(w, seed, 32);
    draw_keys(w, 1, seed, first + 1, 16, keys);
    v.keys.n = 16;
    size_t had = stock_of(w, 1)->n;
    assert_true(had > 0 && had + 16 <= LEDGER_VETO_STOCK);
    v.dead = 1;
    KEYS_IS(1, NULL);
    assert_int_equal(stock_of(w, 1)->n, 16);
    assert_int_equal(stock_of(w, 1)->serial[0], first + 1);
    world_end(w);
}

static void what_a_candidate_must_bring(void **state)
{
    (void)state;
    struct world *w = world_new(BALLOT_SECRET, 2);
    struct world_member who = world_stranger(w), copy = world_stranger(w);
    struct world_door d;
    uint8_t serials[16], keys[3 * VETO_KEY];
    w->knock_keys = LEDGER_VETO_RESERVE;
    world_knock(w, 1, &who, &d);
    struct propose p = propose_of(&d, serials_of(w, LEDGER_NOBODY, serials));
    PROPOSE_IS("the candidate brings too few veto keys");
    world_door_free(&d);
    memcpy(copy.kem_seed, w->m[1].kem_seed, 32); /* its secrets are a member's */
    w->knock_keys = KNOCK_VETO_KEYS;
    world_knock(w, 1, &copy, &d);
    p = propose_of(&d, serials_of(w, LEDGER_NOBODY, serials));
    PROPOSE_IS("a veto key in it is known already");
    world_door_free(&d);
    w->knock_keys = LEDGER_VETO_RESERVE + 1;
    world_knock(w, 1, &who, &d);
    p = propose_of(&d, serials_of(w, LEDGER_NOBODY, serials));
    PROPOSE_IS(NULL);
    world_door_free(&d);
    /* nor can a member show the candidate's keys while the vote goes on */
    uint32_t first = stock_of(w, 1)->next;
    uint8_t x[VETO_SCALAR], text[36], random[2 * VETO_RANDOM];
    struct veto_keys v = {.keys = {keys, 1}};
    memcpy(text, who.kem_seed, 32);
    put_u32(text + 32, 0); /* its first key */
    shake256(BYTES_OF(text), random, sizeof random);
    veto_key_make(ledger_enclave_id(group_ledger(w->m[0].g)), w->m[1].g->id, first, random, x,
                  keys);
    KEYS_IS(1, "a veto key in it is known already");
    world_end(w);
}

/* Two colluders can choose their keys so that a third one's base comes to nothing: no such vote is
 * opened, and none of the three votes on what is worth nothing. */
static void keys_that_cancel_out(void **state)
{
    (void)state;
    struct world *w = world_new(BALLOT_SECRET, 3);
    const uint8_t *enclave = ledger_enclave_id(group_ledger(w->m[0].g));
    size_t order[3] = {0, 1, 2}, a, b;
    for (size_t i = 0; i < 3; i++) /* by ID */
        for (size_t k = i + 1; k < 3; k++)
            if (memcmp(w->m[order[i]].g->id, w->m[order[k]].g->id, 32) > 0) {
                size_t t = order[i];
                order[i] = order[k];
                order[k] = t;
            }
    a = order[1];
    b = order[2]; /* both behind the first */
    uint8_t random[2 * VETO_RANDOM] = {0}, x[VETO_SCALAR], minus[VETO_SCALAR], key[VETO_KEY];
    struct veto_keys v = {.dead = 1, .keys = {key, 1}};
    world_random(w, random, VETO_SCALAR);
    random[31] &= 0x0F; /* below the order: the secret as it stands */
    veto_key_make(enclave, w->m[a].g->id, stock_of(w, (uint16_t)a)->next, random, x, key);
    KEYS_IS(a, NULL);
    /* order - x, by hand: 2^252 + 27742317777372353535851937790883648493 */
    static const uint8_t order_of_group[32] = {0xed, 0xd3, 0xf5, 0x5c, 0x1a,       0x63,
                                               0x12, 0x58, 0xd6, 0x9c, 0xf7,       0xa2,
                                               0xde, 0xf9, 0xde, 0x14, [31] = 0x10};
    int borrow = 0;
    for (size_t i = 0; i < 32; i++) {
        int n = order_of_group[i] - x[i] - borrow;
        borrow = n < 0;
        minus[i] = (uint8_t)(n + 256 * borrow);
    }
    memset(random, 0, VETO_RANDOM);
    memcpy(random, minus, 32);
    veto_key_make(enclave, w->m[b].g->id, stock_of(w, (uint16_t)b)->next, random, x, key);
    KEYS_IS(b, NULL); /* another point than its friend's: nothing is wrong with it alone */
    uint8_t serials[16], targets[2];
    struct propose_remove r = {.kind = PROPOSE_REMOVE,
                               .targets = {targets, 1},
                               .serials = serials_of(w, (uint16_t)order[0], serials)};
    struct propose_policy p = {.kind = PROPOSE_POLICY,
                               .ballot_kind = LEDGER_AS_IS,
                               .mode = LEDGER_AS_IS,
                               .serials = serials_of(w, LEDGER_NOBODY, serials)};
    /* their last keys are of the reserve: a removal would be open to them, if there were a fourth */
    (void)r;
    post_body(w, order[0], LEDGER_PROPOSE, &propose_policy_fields, &p,
              "a voter has no veto key left for it");
    for (size_t i = 0; i < 2; i++) { /* more of them, not to be short */
        uint8_t more[8 * VETO_KEY], seed[32];
        size_t by = i == 0 ? a : b;
        world_random(w, seed, 32);
        draw_keys(w, by, seed, stock_of(w, (uint16_t)by)->next, 8, more);
        v = (struct veto_keys){.dead = 0, .keys = {more, 8}};
        KEYS_IS(by, NULL);
    }
    p.serials = serials_of(w, LEDGER_NOBODY, serials);
    post_body(w, order[0], LEDGER_PROPOSE, &propose_policy_fields, &p,
              "the voters' keys do not make a vote possible");
    /* each of them can be voted out: the other one's key alone comes to something */
    put_u16(targets, (uint16_t)b);
    r.serials = serials_of(w, (uint16_t)b, serials);
    post_body(w, order[0], LEDGER_PROPOSE, &propose_remove_fields, &r, NULL);
    world_end(w);
}

/* The sentinel says that it lost the race, and then shows the attempt after all. */
static void a_lying_conflict_loses_no_key(void **state)
{
    (void)state;
    for (int restart = 0; restart < 2; restart++) {
        struct world *w = world_new(BALLOT_SECRET, 2);
        struct world_member who = world_stranger(w);
        struct group_draft first, second;
        struct buf a = BUF_INIT, b = BUF_INIT;
        struct entry0 e, f;
        WORLD_DRAFT(w, &first, group_make_veto_keys(w->m[1].g, &now, &draft));
        if (restart) {
            world_restart(w, 1);
            world_read(w, 1);
        }
        WORLD_DRAFT(w, &second, group_make_veto_keys(w->m[1].g, &now, &draft));
        world_unseal(w, 1, &first, &a, &e);
        world_unseal(w, 1, &second, &b, &f);
        assert_true(bytes_same(e.body, f.body)); /* the same keys, of the same secrets */
        assert_false(bytes_same(buf_view(&first.sealed), buf_view(&second.sealed)));
        world_append(w, &first);
        buf_free(&second.sealed);
        assert_int_equal(world_saw(&w->m[1], GROUP_RESTORED, NULL), 0);
        assert_int_equal(w->m[1].g->veto_from, UINT32_MAX); /* and the seed is gone with that */
        assert_true(bytes_zero(BYTES_OF(w->m[1].g->secrets->veto_seed)));
        for (size_t i = 0; i < stock_of(w, 1)->n; i++) {
            uint64_t p;
            assert_non_null(group_veto_find(w->m[1].g, stock_of(w, 1)->serial[i]));
            if (i % 8 != 0) continue;
            p = world_propose(w, 0, &who);
            world_ballot(w, 1, p, true);
            world_ballot(w, 0, p, true);
            assert_int_equal(ledger_proposal(group_ledger(w->m[0].g), p)->state,
                             LEDGER_VOTE_PASSED);
            WORLD_POST(w, group_make_outcome(w->m[0].g, p, &now, &draft));
            who = world_stranger(w);
            break;
        }
        buf_free(&a);
        buf_free(&b);
        world_end(w);
    }
}

/* A backup draws other secrets under the numbers of keys that have landed and were kept from it: it is
 * one, and says no yes by them, which would count as a veto. */
static void other_secrets_of_the_same_keys(void **state)
{
    (void)state;
    struct world *w = world_new(BALLOT_SECRET, 2);
    struct buf saved = BUF_INIT;
    struct group_draft shown, hidden;
    assert_int_equal(group_save(w->m[1].g, &saved), ST_OK);
    WORLD_DRAFT(w, &shown, group_make_veto_keys(w->m[1].g, &now, &draft));
    world_restore(w, 1, buf_view(&saved));
    WORLD_DRAFT(w, &hidden, group_make_veto_keys(w->m[1].g, &now, &draft));
    world_append(w, &shown);
    assert_int_equal(world_saw(&w->m[1], GROUP_RESTORED, NULL), 1);
    assert_true(group_restored(w->m[1].g));
    for (size_t i = 0; i < stock_of(w, 1)->n; i++)
        assert_null(group_veto_find(w->m[1].g, stock_of(w, 1)->serial[i]));
    buf_free(&hidden.sealed);
    buf_free(&saved);
    world_end(w);
}

/* A made ballot is known after a restart, till it lands. */
static void a_made_ballot_is_remembered(void **state)
{
    (void)state;
    struct world *w = world_new(BALLOT_SECRET, 2);
    struct world_member who = world_stranger(w);
    struct group_draft draft_of;
    uint64_t index = world_propose(w, 0, &who);
    const struct ledger_proposal *p = ledger_proposal(group_ledger(w->m[1].g), index);
    bool yes = true;
    assert_false(group_kept_ballot(w->m[1].g, p, &yes));
    WORLD_DRAFT(w, &draft_of, group_make_ballot(w->m[1].g, index, false, &now, &draft));
    world_restart(w, 1);
    world_read(w, 1);
    p = ledger_proposal(group_ledger(w->m[1].g), index);
    assert_true(group_kept_ballot(w->m[1].g, p, &yes));
    assert_false(yes);
    world_append(w, &draft_of);
    assert_false(group_kept_ballot(w->m[1].g, p, &yes));
    world_end(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_voter_by_its_next_key),
        cmocka_unit_test(the_stock_is_filled_up_in_time),
        cmocka_unit_test(the_secrets_keep_up_with_the_stock),
        cmocka_unit_test(nobody_exhausts_the_reserve),
        cmocka_unit_test(what_keys_must_be),
        cmocka_unit_test(what_a_candidate_must_bring),
        cmocka_unit_test(keys_that_cancel_out),
        cmocka_unit_test(a_lying_conflict_loses_no_key),
        cmocka_unit_test(other_secrets_of_the_same_keys),
        cmocka_unit_test(a_made_ballot_is_remembered),
    };
    return !!cmocka_run_group_tests(tests, world_crypto, NULL);
}
