/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto core/feed core/ballot core/epoch core/door core/ledger */
/* POLICY, HEAD, AWAY, REHOME: what all agreed on, and what each says of itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#include "unit/group_world.h"

static const struct ledger *ledger_of(const struct world *w)
{
    return group_ledger(w->m[0].g);
}

static const struct group_propose_policy no_change = {
    LEDGER_AS_IS, LEDGER_AS_IS, {NULL, 0}, {NULL, 0}, {NULL, 0}};

static void put_item(uint8_t item[LEDGER_POLICY_ITEM], uint8_t key, uint64_t value)
{
    item[0] = key;
    put_u64(item + 1, value);
}

/* All say yes, and somebody posts what follows. */
static void agree_on(struct world *w, const struct group_propose_policy *a)
{
    uint64_t p = w->n;
    WORLD_POST(w, group_make_propose_policy(w->m[0].g, a, &now, &draft));
    for (size_t i = 0; i < w->members; i++)
        if (world_is_in(&w->m[i])) world_ballot(w, i, p, true);
    struct group_next next = group_next(w->m[w->members - 1].g, w->now_ms);
    assert_int_equal(next.duty, GROUP_POST_POLICY);
    assert_int_equal(next.proposal, p);
    world_duties(w);
    assert_int_equal(ledger_proposal(ledger_of(w), p)->state, LEDGER_VOTE_CHANGED);
}

static void a_policy_needs_every_yes(void **state)
{
    (void)state;
    struct world *w = world_new(BALLOT_OPEN, 3);
    struct group_event ev;
    uint8_t items[2 * LEDGER_POLICY_ITEM], list[] = "\2\4a:44"
                                                    "12345678901234567890123456789012"
                                                    "\4b:55"
                                                    "abcdefghijklmnopqrstuvwxyzabcdef";
    put_item(items, LEDGER_POLICY_EXPIRE_MS, 5000);
    put_item(items + LEDGER_POLICY_ITEM, LEDGER_POLICY_IDLE_MS, 77);
    struct group_propose_policy a = {
        LEDGER_AS_IS, LEDGER_TOR, {items, 2}, BYTES(list, sizeof list - 1), BYTES_LIT("safer")};
    uint64_t p = w->n;
    WORLD_POST(w, group_make_propose_policy(w->m[1].g, &a, &now, &draft));
    assert_int_equal(ledger_current_proposal(ledger_of(w))->index, p);
    world_ballot(w, 0, p, true);
    world_ballot(w, 2, p, false);
    assert_int_equal(ledger_mode(ledger_of(w)), LEDGER_DIRECT);
    p = w->n;
    WORLD_POST(w, group_make_propose_policy(w->m[1].g, &a, &now, &draft));
    for (size_t i = 0; i < 3; i++) world_ballot(w, i, p, true);
    assert_int_equal(ledger_mode(ledger_of(w)), LEDGER_DIRECT); /* not before the POLICY */
    world_forget(w);
    world_duties(w);
    assert_int_equal(world_saw(&w->m[2], GROUP_POLICED, &ev), 1);
    assert_int_equal(ev.proposal, p);
    for (size_t i = 0; i < 3; i++) {
        const struct ledger *l = group_ledger(w->m[i].g);
        const struct ledger_sentinel *s;
        assert_int_equal(ledger_mode(l), LEDGER_TOR);
        assert_int_equal(ledger_ballot_kind(l), BALLOT_OPEN);
        assert_int_equal(ledger_policy(l, LEDGER_POLICY_EXPIRE_MS), 5000);
        assert_int_equal(ledger_policy(l, LEDGER_POLICY_IDLE_MS), 77);
        assert_int_equal(ledger_policy(l, LEDGER_POLICY_CONVERGENT), 1);
        assert_int_equal(ledger_sentinels(l, &s), 2);
        assert_string_equal(s[1].address, "b:55");
        assert_memory_equal(s[1].pin, "abcdefghijklmnopqrstuvwxyzabcdef", 32);
    }
    /* the new deadline holds for the next vote */
    struct world_member who = {.nick = "who"};
    world_random(w, who.id_seed, 96);
    (void)world_propose(w, 0, &who);
    struct group_next next = group_next(w->m[0].g, w->now_ms);
    assert_int_equal(next.duty, GROUP_POST_EXPIRE);
    assert_true(next.at_ms >= w->now_ms + 5000 && next.at_ms <= w->now_ms + 5000 + 20000);
    world_end(w);
}

static void what_a_policy_must_be(void **state)
{
    (void)state;
    struct world *w = world_new(BALLOT_OPEN, 2);
    uint8_t items[2 * LEDGER_POLICY_ITEM], list[] = "\1\4a:44"
                                                    "12345678901234567890123456789012";
    struct propose_policy good = {.kind = PROPOSE_POLICY,
                                  .ballot_kind = LEDGER_AS_IS,
                                  .mode = LEDGER_AS_IS,
                                  .policy = {items, 2},
                                  .sentinels = BYTES(list, sizeof list - 1)},
                          p;
#define POLICY_IS(why) post_body(w, 1, LEDGER_PROPOSE, &propose_policy_fields, &p, why)
    put_item(items, LEDGER_POLICY_MAIL_MS, 1);
    put_item(items + LEDGER_POLICY_ITEM, LEDGER_POLICY_END, 1);
    p = good;
    POLICY_IS("its policy is not known");
    put_item(items + LEDGER_POLICY_ITEM, LEDGER_POLICY_MAIL_MS, 1); /* twice */
    POLICY_IS("its policy is not known");
    put_item(items, 0, 1);
    POLICY_IS("its policy is not known");
    put_item(items, LEDGER_POLICY_EXPIRE_MS, 1);
    p.ballot_kind = BALLOT_SECRET + 1;
    POLICY_IS("its kind of ballot is not known");
    p.ballot_kind = 0;
    POLICY_IS("its kind of ballot is not known");
    p = good;
    p.mode = LEDGER_TOR + 1;
    POLICY_IS("its mode is not known");
    p = good;
    p.sentinels.n--;
    POLICY_IS("its list of sentinels is malformed");
    p.sentinels = BYTES_LIT("\0");
    POLICY_IS("its list of sentinels is malformed");
    p = good;
    p.reason = BYTES_LIT("\xff");
    POLICY_IS("its body is malformed");
    p = good;
    p.serials = (struct list){items, 1};
    POLICY_IS("an open vote names no veto keys");
    p = good;
    POLICY_IS(NULL);
    POLICY_IS("another proposal is open");
    world_end(w);
}

/* No number that they may agree on makes a deadline of the past. */
static void the_largest_numbers_mean_never(void **state)
{
    (void)state;
    struct world *w = world_new(BALLOT_OPEN, 2);
    uint8_t items[2 * LEDGER_POLICY_ITEM];
    struct group_propose_policy a = no_change;
    put_item(items, LEDGER_POLICY_EXPIRE_MS, UINT64_MAX);
    put_item(items + LEDGER_POLICY_ITEM, LEDGER_POLICY_COMMIT_MS, UINT64_MAX - 5);
    a.policy = (struct list){items, 2};
    agree_on(w, &a);
    struct world_member who = {.nick = "who"};
    world_random(w, who.id_seed, 96);
    (void)world_propose(w, 0, &who);
    for (size_t i = 0; i < 2; i++) {
        group_use(w->m[i].g, ledger_epoch(group_ledger(w->m[i].g)));
        struct group_next next = group_next(w->m[i].g, w->now_ms);
        assert_int_not_equal(next.duty, GROUP_POST_EXPIRE);
        assert_int_not_equal(next.duty, GROUP_POST_COMMIT);
        assert_true(next.at_ms > w->now_ms);
    }
    world_end(w);
}

static void votes_turn_secret_and_open_again(void **state)
{
    (void)state;
    struct world *w = world_new(BALLOT_OPEN, 3);
    struct group_propose_policy a = no_change;
    uint16_t target = 2;
    uint64_t before = w->n;
    WORLD_POST(w, group_make_propose_remove(w->m[1].g, &target, 1, BYTES_NONE, &now, &draft));
    a.ballot_kind = BALLOT_SECRET;
    agree_on(w, &a); /* and everybody shows keys by duty */
    assert_int_equal(ledger_ballot_kind(ledger_of(w)), BALLOT_SECRET);
    for (uint16_t i = 0; i < 3; i++)
        assert_int_equal(ledger_leaf(ledger_of(w), i)->stock.n, LEDGER_VETO_KEYS_MAX);
    /* a vote that was open stays as it began */
    world_ballot(w, 0, before, true);
    assert_int_equal(ledger_proposal(ledger_of(w), before)->voters[0].cast.choice, BALLOT_YES);
    world_ballot(w, 1, before, false);
    w->knock_keys = KNOCK_VETO_KEYS;
    size_t n = world_admit(w, 1);
    world_agree(w);
    const struct ledger_proposal *p = ledger_admission(ledger_of(w), (uint16_t)n);
    assert_int_equal(p->voters[0].cast.choice, BALLOT_HIDDEN);
    a.ballot_kind = BALLOT_OPEN;
    agree_on(w, &a);
    w->knock_keys = 0;
    n = world_admit(w, 1);
    p = ledger_admission(ledger_of(w), (uint16_t)n);
    assert_int_equal(p->voters[0].cast.choice, BALLOT_YES);
    world_agree(w);
    world_end(w);
}

/* One who has shown no keys could never be outvoted afterwards: no secret vote could open. */
static void nothing_turns_secret_before_all_have_keys(void **state)
{
    (void)state;
    struct world *w = world_new(BALLOT_OPEN, 3);
    struct group_propose_policy a = no_change;
    a.ballot_kind = BALLOT_SECRET;
    for (size_t i = 0; i < 3; i++)
        ledger_leaf_rw(w->m[i].g->ledger, 2)->stock.n = LEDGER_VETO_RESERVE;
    WORLD_REFUSED(w, ST_DENIED, group_make_propose_policy(w->m[0].g, &a, &now, &draft));
    for (size_t i = 0; i < 3; i++)
        ledger_leaf_rw(w->m[i].g->ledger, 2)->stock.n = LEDGER_VETO_RESERVE + 1;
    WORLD_POST(w, group_make_propose_policy(w->m[0].g, &a, &now, &draft));
    world_end(w);
}

/* Epochs in which history was hidden are never handed to a newcomer, nor is what came before. */
static void hidden_epochs_stay_hidden(void **state)
{
    (void)state;
    struct world *w = world_new(BALLOT_OPEN, 2);
    struct group_propose_policy a = no_change;
    uint8_t item[LEDGER_POLICY_ITEM], key[32];
    put_item(item, LEDGER_POLICY_NO_HISTORY, 1);
    a.policy = (struct list){item, 1};
    agree_on(w, &a);
    WORLD_POST(w, group_make_commit(w->m[0].g, 0, &now, &draft));
    size_t n = world_admit(w, 0);
    uint64_t e = group_epoch(w->m[0].g);
    assert_int_equal(group_key(w->m[n].g, GROUP_KEY_TREE, e, key), ST_OK);
    assert_int_equal(group_key(w->m[n].g, GROUP_KEY_TREE, e - 1, key), ST_NOT_FOUND);
    WORLD_POST(w, group_make_commit(w->m[1].g, 0, &now, &draft));
    WORLD_POST(w, group_make_commit(w->m[0].g, 0, &now, &draft));
    uint64_t hidden = group_epoch(w->m[0].g); /* the last one */
    put_item(item, LEDGER_POLICY_NO_HISTORY, 0);
    agree_on(w, &a);
    WORLD_POST(w, group_make_commit(w->m[1].g, 0, &now, &draft));
    WORLD_POST(w, group_make_commit(w->m[0].g, 0, &now, &draft));
    n = world_admit(w, 1);
    e = group_epoch(w->m[0].g);
    assert_true(e > hidden + 2);
    for (uint64_t k = hidden + 1; k <= e; k++)
        assert_int_equal(group_key(w->m[n].g, GROUP_KEY_TREE, k, key), ST_OK);
    for (uint64_t k = 0; k < hidden; k++)
        assert_int_equal(group_key(w->m[n].g, GROUP_KEY_TREE, k, key), ST_NOT_FOUND);
    assert_int_equal(ledger_history_floor(ledger_of(w)), hidden);
    world_agree(w);
    (void)world_admit(w, n);
    world_agree(w);
    world_end(w);
}

/* ---- what each says of itself ---- */

static void a_head_may_bring_a_signature(void **state)
{
    (void)state;
    struct world *w = world_new(BALLOT_OPEN, 2);
    uint8_t sig[64], random[GROUP_RANDOM];
    memset(sig, 9, sizeof sig);
    struct group_now with = world_now(w, random);
    struct group_draft d = {.sealed = BUF_INIT};
    with.seen[1] = (struct seen){.count = 12};
    memset(with.seen[1].chain, 3, 32);
    assert_int_equal(group_make_head(w->m[1].g, group_epoch(w->m[1].g), 5, 42, sig, &with, &d),
                     ST_OK);
    world_append(w, &d);
    const struct ledger_leaf *f = ledger_leaf(ledger_of(w), 1);
    assert_int_equal(f->head_index, w->n - 1);
    assert_int_equal(f->head_next, 5);
    assert_int_equal(f->head_version, 42);
    assert_memory_equal(f->head_sig, sig, 64);
    assert_int_equal(f->head_seen[1].count, 12);
    assert_memory_equal(f->head_seen[1].chain, with.seen[1].chain, 32);
    assert_int_equal(f->head_seen[0].count, 0);
    WORLD_POST(w, group_make_head(w->m[1].g, group_epoch(w->m[1].g), 6, 43, NULL, &now, &draft));
    assert_int_equal(f->head_version, 0);
    assert_true(bytes_zero(BYTES_OF(f->head_sig)));
    world_end(w);
}

static void away_and_back(void **state)
{
    (void)state;
    struct world *w = world_new(BALLOT_OPEN, 2);
    struct group_event ev;
    WORLD_POST(w, group_make_away(w->m[1].g, 12345, &now, &draft));
    assert_int_equal(ledger_leaf(ledger_of(w), 1)->away_ms, 12345);
    assert_int_equal(world_saw(&w->m[0], GROUP_AWAY, &ev), 1);
    assert_int_equal(ev.leaf, 1);
    WORLD_POST(w, group_make_away(w->m[1].g, 0, &now, &draft));
    assert_int_equal(ledger_leaf(ledger_of(w), 1)->away_ms, 0);
    post_bytes(w, 1, LEDGER_AWAY, BYTES_LIT("\0\0\0\0\0\0\0"), "its body is malformed");
    world_end(w);
}

/* The ledger keeps what it says, and judges its form only. */
static void sums_of_audits_are_kept(void **state)
{
    (void)state;
    struct world *w = world_new(BALLOT_OPEN, 2);
    struct bytes body = BYTES_LIT("\1\0\0\0\7sum");
    WORLD_POST(w, group_make_digest(w->m[1].g, body, &now, &draft));
    for (size_t i = 0; i < 2; i++) {
        const struct ledger *l = group_ledger(w->m[i].g);
        assert_int_equal(ledger_digests(l), 1);
        const struct ledger_digest *d = ledger_digest_at(l, 0);
        assert_int_equal(d->by, 1);
        assert_int_equal(d->day, 7);
        assert_true(bytes_same(BYTES(d->body, d->n), body));
    }
    post_bytes(w, 0, LEDGER_DIGEST, BYTES_LIT("\1\0\0\0"), "its body is malformed");
    post_bytes(w, 0, LEDGER_DIGEST, BYTES_LIT("\2\0\0\0\7sum"), "its body has an unknown version");
    assert_int_equal(ledger_digests(ledger_of(w)), 1);
    for (uint64_t i = 0; i < LEDGER_DIGESTS_MAX + 3; i++)
        WORLD_POST(w, group_make_digest(w->m[0].g, body, &now, &draft));
    assert_int_equal(ledger_digests(ledger_of(w)), LEDGER_DIGESTS_MAX);
    assert_int_equal(ledger_digest_at(ledger_of(w), 0)->by, 0);
    world_end(w);
}

static void the_room_moves_where_all_agreed(void **state)
{
    (void)state;
    struct world *w = world_new(BALLOT_OPEN, 2);
    uint8_t pin[32] = {0}, wrong[32] = {1};
    struct rehome_body r = {.address = BYTES_LIT("10.0.0.1:4433")};
    assert_null(ledger_home(ledger_of(w)));
#define REHOME_IS(why) post_body(w, 1, LEDGER_REHOME, &rehome_body_fields, &r, why)
    REHOME_IS("that sentinel is not on the voted list");
    r.address = BYTES_LIT("127.0.0.1:443");
    REHOME_IS("that sentinel is not on the voted list");
    r.address = BYTES_LIT("127.0.0.1:4433\0x");
    REHOME_IS("that sentinel is not on the voted list");
    r.address = BYTES_LIT("127.0.0.1:4433");
    memcpy(r.pin, wrong, 32); /* the right name, another key */
    REHOME_IS("that sentinel is not on the voted list");
    assert_null(ledger_home(ledger_of(w)));
    WORLD_POST(w, group_make_rehome(w->m[1].g, r.address, pin, &now, &draft));
    assert_non_null(ledger_home(ledger_of(w)));
    assert_string_equal(ledger_home(ledger_of(w))->address, "127.0.0.1:4433");
    assert_int_equal(world_saw(&w->m[0], GROUP_REHOMED, NULL), 1);
    /* the list is voted on: the old one is no longer good */
    uint8_t list[] = "\1\4a:44"
                     "12345678901234567890123456789012";
    struct group_propose_policy a = no_change;
    a.sentinels = BYTES(list, sizeof list - 1);
    agree_on(w, &a);
    memcpy(r.pin, pin, 32);
    REHOME_IS("that sentinel is not on the voted list");
    WORLD_POST(w, group_make_rehome(w->m[0].g, BYTES_LIT("a:44"), list + 6, &now, &draft));
    assert_string_equal(ledger_home(group_ledger(w->m[1].g))->address, "a:44");
    world_end(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_policy_needs_every_yes),
        cmocka_unit_test(what_a_policy_must_be),
        cmocka_unit_test(the_largest_numbers_mean_never),
        cmocka_unit_test(votes_turn_secret_and_open_again),
        cmocka_unit_test(nothing_turns_secret_before_all_have_keys),
        cmocka_unit_test(hidden_epochs_stay_hidden),
        cmocka_unit_test(a_head_may_bring_a_signature),
        cmocka_unit_test(away_and_back),
        cmocka_unit_test(sums_of_audits_are_kept),
        cmocka_unit_test(the_room_moves_where_all_agreed),
    };
    return !!cmocka_run_group_tests(tests, world_crypto, NULL);
}
