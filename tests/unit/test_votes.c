/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto core/feed core/ballot core/epoch core/door core/ledger */
/* Secret votes: who voted is seen by all, what by nobody; a vote is one ballot and one key. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#include "unit/group_world.h"

static const struct ledger_proposal *seen_by(const struct world *w, size_t i, uint64_t p)
{
    return ledger_proposal(group_ledger(w->m[i].g), p);
}

/* ---- nothing tells a yes from a veto ---- */

static bool same_event(const struct group_event *a, const struct group_event *b)
{
    return a->type == b->type && a->index == b->index && a->time_ms == b->time_ms &&
           a->leaf == b->leaf && a->proposal == b->proposal && a->choice == b->choice &&
           a->vote == b->vote && a->epoch == b->epoch && a->next == b->next &&
           a->reason == b->reason;
}

/* All that a member can list of a vote, but for the bytes that hide the choice. */
static void assert_same_listing(const struct ledger *a, const struct ledger *b, uint64_t index)
{
    const struct ledger_proposal *p = ledger_proposal(a, index), *q = ledger_proposal(b, index);
    assert_int_equal(p->state, q->state);
    assert_int_equal(p->closed, q->closed);
    assert_int_equal(p->closed_by, q->closed_by);
    assert_int_equal(p->n_voters, q->n_voters);
    for (size_t i = 0; i < p->n_voters; i++) {
        const struct ledger_voter *v = &p->voters[i], *u = &q->voters[i];
        assert_int_equal(v->leaf, u->leaf);
        assert_int_equal(v->cast.choice, u->cast.choice);
        assert_int_equal(v->index, u->index);
        assert_int_equal(v->serial, u->serial);
        assert_memory_equal(v->y, u->y, 32);
        assert_memory_equal(v->seat_sig, u->seat_sig, 64);
    }
}

/* The same vote in two equal worlds; in the second, the voter `nay` vetoes. */
static void twin_votes(struct world *a, struct world *b, size_t nay)
{
    struct world *both[] = {a, b};
    uint64_t index = 0;
    for (size_t k = 0; k < 2; k++) {
        struct world_member who = world_stranger(both[k]);
        world_forget(both[k]);
        index = world_propose(both[k], 0, &who);
    }
    for (size_t i = 0; i < a->members; i++) {
        bool last = i + 1 == a->members;
        world_ballot(a, i, index, true);
        world_ballot(b, i, index, i != nay);
        assert_int_equal(a->n, b->n);
        assert_int_equal(a->feed[a->n - 1].n, b->feed[b->n - 1].n);
        if (last) break;
        for (size_t m = 0; m < a->members; m++) {
            const struct world_member *x = &a->m[m], *y = &b->m[m];
            assert_same_listing(group_ledger(x->g), group_ledger(y->g), index);
            assert_int_equal(seen_by(a, m, index)->state, LEDGER_VOTE_OPEN);
            assert_int_equal(x->n_trace, y->n_trace);
            for (size_t e = 0; e < x->n_trace; e++)
                assert_true(same_event(&x->trace[e], &y->trace[e]));
        }
    }
    for (size_t m = 0; m < a->members; m++) {
        const struct ledger_proposal *p = seen_by(b, m, index);
        assert_int_equal(seen_by(a, m, index)->state, LEDGER_VOTE_PASSED);
        assert_int_equal(p->state, LEDGER_VOTE_REJECTED);
        assert_int_equal(p->closed_by, b->members - 1); /* the last ballot, whoever vetoed */
        for (size_t v = 0; v < p->n_voters; v++)
            assert_int_equal(p->voters[v].cast.choice, BALLOT_HIDDEN);
        struct group_event ev;
        assert_int_equal(world_saw(&b->m[m], GROUP_CLOSED, &ev), 1);
        assert_int_equal(ev.vote, LEDGER_VOTE_REJECTED);
    }
}

static void a_veto_looks_like_a_yes(void **state)
{
    (void)state;
    for (size_t n = 2; n <= WORLD_MEMBERS; n++) {
        struct world *a = world_new(BALLOT_SECRET, n), *b = world_new(BALLOT_SECRET, n);
        assert_int_equal(a->counter, b->counter);
        twin_votes(a, b, n == 2 ? 1 : n / 2);
        uint64_t p = ledger_current_proposal(group_ledger(a->m[0].g))->index;
        WORLD_POST(a, group_make_outcome(a->m[n - 1].g, p, &now, &draft));
        assert_int_equal(ledger_members(group_ledger(a->m[0].g)), n + 1);
        WORLD_REFUSED(b, ST_DENIED, group_make_outcome(b->m[n - 1].g, p, &now, &draft));
        world_end(a);
        world_end(b);
    }
}

/* Also the last one: what it says decides, and shows no more than that somebody said no. */
static void the_last_ballot_may_be_the_veto(void **state)
{
    (void)state;
    struct world *w = world_new(BALLOT_SECRET, 3);
    struct world_member who = world_stranger(w);
    uint64_t p = world_propose(w, 1, &who);
    world_ballot(w, 2, p, false);
    world_ballot(w, 0, p, false); /* two of them do not cancel out */
    world_ballot(w, 1, p, true);
    assert_int_equal(seen_by(w, 0, p)->state, LEDGER_VOTE_REJECTED);
    p = world_propose(w, 1, &who);
    world_ballot(w, 2, p, true);
    world_ballot(w, 1, p, true);
    world_ballot(w, 0, p, false);
    assert_int_equal(seen_by(w, 0, p)->state, LEDGER_VOTE_REJECTED);
    world_end(w);
}

/* One who is alone votes openly; of two, each knows what the other said: nobody can hide that. */
static void one_voter_needs_no_secret(void **state)
{
    (void)state;
    struct world *w = world_new(BALLOT_SECRET, 1);
    struct world_member who = world_stranger(w);
    uint64_t p = world_propose(w, 0, &who);
    assert_int_equal(seen_by(w, 0, p)->ballot->kind, BALLOT_OPEN);
    size_t stock = ledger_leaf(group_ledger(w->m[0].g), 0)->stock.n;
    assert_int_equal(stock, LEDGER_VETO_KEYS_MAX);
    world_ballot(w, 0, p, false);
    assert_int_equal(seen_by(w, 0, p)->state, LEDGER_VOTE_REJECTED);
    world_end(w);
}

static void silence_is_seen(void **state)
{
    (void)state;
    struct world *w = world_new(BALLOT_SECRET, 4);
    struct world_member who = world_stranger(w);
    world_heads(w);
    uint64_t p = world_propose(w, 0, &who);
    world_ballot(w, 0, p, true);
    world_ballot(w, 2, p, false);
    struct group_next next = group_next(w->m[1].g, w->now_ms);
    assert_int_equal(next.duty, GROUP_POST_EXPIRE);
    assert_true(next.at_ms >= w->now_ms + UINT64_C(72) * 3600 * 1000);
    WORLD_POST(w, group_make_away(w->m[1].g, 5, &now, &draft));
    w->now_ms = next.at_ms;
    WORLD_POST(w, group_make_expire(w->m[0].g, p, &now, &draft));
    for (size_t i = 0; i < 4; i++) {
        const struct ledger_proposal *q = seen_by(w, i, p);
        assert_int_equal(q->state, LEDGER_VOTE_EXPIRED);
        assert_int_equal(q->closed_by, 0);
        assert_int_equal(q->voters[0].cast.choice, BALLOT_HIDDEN);
        assert_int_equal(q->voters[1].cast.choice, BALLOT_NONE);
        assert_int_equal(q->voters[2].cast.choice, BALLOT_HIDDEN);
        assert_int_equal(q->voters[3].cast.choice, BALLOT_NONE);
        const struct ledger *l = group_ledger(w->m[i].g);
        assert_false(ledger_leaf(l, 0)->missed);
        assert_false(ledger_leaf(l, 1)->missed); /* cast none, but it has written since */
        assert_true(ledger_leaf(l, 3)->missed);
    }
    WORLD_REFUSED(w, ST_DENIED, group_make_ballot(w->m[3].g, p, true, &now, &draft));
    WORLD_POST(w, group_make_away(w->m[3].g, 0, &now, &draft));
    assert_false(ledger_leaf(group_ledger(w->m[0].g), 3)->missed);
    world_end(w);
}

/* ---- what a ballot must be ---- */

static void a_wrong_ballot_is_void(void **state)
{
    (void)state;
    struct world *w = world_new(BALLOT_SECRET, 3);
    struct world_member who = world_stranger(w);
    struct group_draft d;
    struct buf plain = BUF_INIT, other = BUF_INIT;
    struct entry0 e;
    struct ballot_body old, good, b;
    uint8_t form[97], yes[1];
    /* a ballot for an earlier vote, which is withdrawn */
    uint64_t before = world_propose(w, 0, &who);
    WORLD_DRAFT(w, &d, group_make_ballot(w->m[1].g, before, true, &now, &draft));
    world_unseal(w, 1, &d, &other, &e);
    assert_int_equal(fields_decode(&ballot_body_fields, e.body, &old), ST_OK);
    buf_free(&d.sealed);
    WORLD_POST(w, group_make_withdraw(w->m[0].g, before, &now, &draft));
    uint64_t p = world_propose(w, 0, &who);
    WORLD_DRAFT(w, &d, group_make_ballot(w->m[1].g, p, true, &now, &draft));
    world_unseal(w, 1, &d, &plain, &e);
    assert_int_equal(fields_decode(&ballot_body_fields, e.body, &good), ST_OK);
    buf_free(&d.sealed);
    assert_int_equal(good.form.n, 96);
    assert_int_equal(good.kind, BALLOT_SECRET);
#define BALLOT_IS(by, why) post_body(w, by, LEDGER_BALLOT, &ballot_body_fields, &b, why)
    b = old;
    BALLOT_IS(1, "no such proposal is open");
    b = good;
    b.form = old.form; /* made for another proposal, with another key */
    BALLOT_IS(1, "its proof does not hold");
    b = good;
    b.hash[31] ^= 1;
    BALLOT_IS(1, "no such proposal is open");
    ballot_open_form(true, yes);
    b = good;
    b.kind = BALLOT_OPEN;
    b.form = BYTES_OF(yes);
    BALLOT_IS(1, "it is not of this vote's kind of ballot");
    b.kind = BALLOT_SECRET;
    BALLOT_IS(1, "its body is malformed");
    memcpy(form, good.form.p, 96);
    b = good;
    b.form = BYTES(form, 95);
    BALLOT_IS(1, "its body is malformed");
    b.form = BYTES(form, 96);
    for (size_t at = 0; at < 96; at += 19) {
        form[at] ^= 4;
        BALLOT_IS(1, "its proof does not hold");
        form[at] ^= 4;
    }
    memset(form, 0, 32); /* the identity */
    BALLOT_IS(1, "its proof does not hold");
    memset(form, 0xFF, 32); /* no canonical point */
    BALLOT_IS(1, "its proof does not hold");
    memcpy(form, good.form.p, 96);
    memset(form + 64, 0xFF, 32); /* no canonical number */
    BALLOT_IS(1, "its proof does not hold");
    memset(form, 0, 96); /* 0 = 0 + c 0 */
    BALLOT_IS(1, "its proof does not hold");
    b = good;
    memset(b.seat_sig, 0, 64);
    BALLOT_IS(1, "its seat's signature does not verify");
    /* another voter's ballot as one's own, even with one's own seat under it */
    b = good;
    ledger_sign_add(w->m[2].seat_seed, w->room, seen_by(w, 0, p)->candidate.seat, good.hash,
                    b.seat_sig);
    BALLOT_IS(2, "its proof does not hold");
    assert_int_equal(seen_by(w, 2, p)->voters[2].cast.choice, BALLOT_NONE);
    b = good;
    BALLOT_IS(1, NULL);
    BALLOT_IS(1, "its author has voted already");
    world_ballot(w, 0, p, true);
    world_ballot(w, 2, p, true);
    assert_int_equal(seen_by(w, 2, p)->state, LEDGER_VOTE_PASSED);
    BALLOT_IS(1, "the vote is closed");
    buf_free(&plain);
    buf_free(&other);
    world_end(w);
}

/* Where nobody is added, a ballot brings no seat's signature. */
static void a_removal_needs_no_seat(void **state)
{
    (void)state;
    struct world *w = world_new(BALLOT_SECRET, 3);
    struct group_draft d;
    struct buf plain = BUF_INIT;
    struct entry0 e;
    struct ballot_body b;
    uint16_t target = 2;
    uint64_t p = w->n;
    WORLD_POST(w, group_make_propose_remove(w->m[0].g, &target, 1, BYTES_NONE, &now, &draft));
    assert_int_equal(seen_by(w, 1, p)->ballot->kind, BALLOT_SECRET);
    WORLD_DRAFT(w, &d, group_make_ballot(w->m[1].g, p, true, &now, &draft));
    world_unseal(w, 1, &d, &plain, &e);
    assert_int_equal(fields_decode(&ballot_body_fields, e.body, &b), ST_OK);
    assert_true(bytes_zero(BYTES_OF(b.seat_sig)));
    b.seat_sig[0] = 1;
    BALLOT_IS(1, "its body is malformed");
    b.seat_sig[0] = 0;
    BALLOT_IS(1, NULL);
    buf_free(&d.sealed);
    buf_free(&plain);
    world_end(w);
}

/* ---- one ballot, one key ---- */

static bool holds(const struct group *g, const uint8_t x[VETO_SCALAR])
{
    struct buf saved = BUF_INIT;
    bool found = memmem(g->secrets, sizeof *g->secrets, x, VETO_SCALAR) != NULL;
    assert_int_equal(group_save(g, &saved), ST_OK);
    found = found || memmem(saved.p, saved.n, x, VETO_SCALAR) != NULL;
    buf_free(&saved);
    return found;
}

static void a_ballot_is_made_once(void **state)
{
    (void)state;
    struct world *w = world_new(BALLOT_SECRET, 3);
    struct world_member who = world_stranger(w);
    struct group_draft d;
    struct buf plain = BUF_INIT, again = BUF_INIT;
    struct entry0 e, f;
    uint8_t x[VETO_SCALAR];
    uint64_t p = world_propose(w, 0, &who);
    struct group *g = w->m[1].g;
    uint32_t serial = seen_by(w, 1, p)->voters[1].serial;
    assert_non_null(group_veto_find(g, serial));
    memcpy(x, group_veto_find(g, serial)->x, sizeof x);
    assert_true(holds(g, x));
    assert_true(group_can_ballot(g, seen_by(w, 1, p)));
    WORLD_DRAFT(w, &d, group_make_ballot(g, p, false, &now, &draft));
    assert_true(group_dirty(g));
    assert_false(holds(g, x)); /* what would tell the choice is gone, before anything is sent */
    assert_null(group_veto_find(g, serial));
    assert_true(group_can_ballot(g, seen_by(w, 1, p)));
    world_unseal(w, 1, &d, &plain, &e);
    buf_free(&d.sealed);
    WORLD_POST(w, group_make_head(w->m[2].g, group_epoch(w->m[2].g), 1, 0, NULL, &now, &draft));
    WORLD_REFUSED(w, ST_CONFLICT, group_make_ballot(g, p, true, &now, &draft));
    world_restart(w, 1); /* and it is kept over a restart */
    world_read(w, 1);
    g = w->m[1].g;
    WORLD_REFUSED(w, ST_CONFLICT, group_make_ballot(g, p, true, &now, &draft));
    WORLD_DRAFT(w, &d, group_make_ballot(g, p, false, &now, &draft));
    world_unseal(w, 1, &d, &again, &f);
    assert_true(e.index != f.index && bytes_same(e.body, f.body));
    assert_int_equal(g->n_ballots, 1);
    world_append(w, &d);
    assert_int_equal(seen_by(w, 0, p)->voters[1].cast.choice, BALLOT_HIDDEN);
    /* it has arrived: what it said is forgotten by its own author */
    assert_int_equal(g->n_ballots, 0);
    assert_true(bytes_zero(BYTES(g->ballots, sizeof g->ballots)));
    assert_false(holds(g, x));
    WORLD_REFUSED(w, ST_DENIED, group_make_ballot(g, p, true, &now, &draft));
    WORLD_REFUSED(w, ST_DENIED, group_make_ballot(g, p, false, &now, &draft));
    assert_int_equal(g->n_ballots, 0);
    buf_free(&plain);
    buf_free(&again);
    world_end(w);
}

/* A ballot that never arrived is forgotten with its vote. */
static void a_ballot_dies_with_its_vote(void **state)
{
    (void)state;
    struct world *w = world_new(BALLOT_SECRET, 3);
    struct world_member who = world_stranger(w);
    struct group_draft d;
    uint64_t p = world_propose(w, 0, &who);
    WORLD_DRAFT(w, &d, group_make_ballot(w->m[1].g, p, false, &now, &draft));
    buf_free(&d.sealed);
    assert_int_equal(w->m[1].g->n_ballots, 1);
    WORLD_POST(w, group_make_withdraw(w->m[0].g, p, &now, &draft));
    assert_int_equal(w->m[1].g->n_ballots, 0);
    assert_true(bytes_zero(BYTES(w->m[1].g->ballots, sizeof w->m[1].g->ballots)));
    world_end(w);
}

/* An older row knows a key that has been used: it must never be used for another choice. */
static void an_old_row_votes_with_no_old_key(void **state)
{
    (void)state;
    struct world *w = world_new(BALLOT_SECRET, 3);
    struct world_member who = world_stranger(w);
    struct buf saved = BUF_INIT;
    uint16_t target = 2;
    uint64_t p = world_propose(w, 0, &who), removal = w->n;
    WORLD_POST(w, group_make_propose_remove(w->m[0].g, &target, 1, BYTES_NONE, &now, &draft));
    assert_int_equal(group_save(w->m[1].g, &saved), ST_OK);
    world_ballot(w, 1, p, true);
    world_restore(w, 1, buf_view(&saved));
    struct group *g = w->m[1].g;
    /* only its own ballot told it */
    assert_int_equal(world_saw(&w->m[1], GROUP_RESTORED, NULL), 1);
    assert_true(group_restored(g));
    assert_int_equal(g->n_veto, 0);
    WORLD_REFUSED(w, ST_DENIED, group_make_ballot(g, p, false, &now, &draft));
    WORLD_REFUSED(w, ST_DENIED, group_make_ballot(g, removal, false, &now, &draft));
    assert_false(group_can_ballot(g, seen_by(w, 1, removal)));
    assert_int_equal(group_next(g, w->now_ms).duty, GROUP_POST_UPDATE);
    world_restart(w, 1); /* it knows so after a restart */
    world_read(w, 1);
    g = w->m[1].g;
    assert_true(group_restored(g));
    world_duties(w); /* UPDATE, COMMIT, new keys that call the old ones dead */
    assert_false(group_restored(g));
    world_agree(w);
    const struct ledger_leaf *self = ledger_leaf(group_ledger(w->m[0].g), 1);
    assert_int_equal(self->stock.n, LEDGER_VETO_KEYS_MAX);
    assert_int_equal(self->stock.serial[0], 16);
    /* in the vote that named an old key it is silent for ever */
    WORLD_REFUSED(w, ST_LOCKED, group_make_ballot(g, removal, false, &now, &draft));
    WORLD_REFUSED(w, ST_DENIED, group_make_ballot(g, p, false, &now, &draft));
    WORLD_POST(w, group_make_withdraw(w->m[0].g, removal, &now, &draft));
    world_ballot(w, 0, p, true);
    world_ballot(w, 2, p, true);
    assert_int_equal(seen_by(w, 2, p)->state, LEDGER_VOTE_PASSED); /* its yes from before counts */
    WORLD_POST(w, group_make_outcome(w->m[0].g, p, &now, &draft));
    world_duties(w);
    p = w->n; /* and in the next it speaks again */
    WORLD_POST(w, group_make_propose_remove(w->m[0].g, &target, 1, BYTES_NONE, &now, &draft));
    world_ballot(w, 1, p, true);
    assert_int_equal(seen_by(w, 2, p)->voters[1].cast.choice, BALLOT_HIDDEN);
    buf_free(&saved);
    world_end(w);
}

/* A newcomer checks every proof that was ever posted, and comes to the same end. */
static void a_newcomer_counts_again(void **state)
{
    (void)state;
    struct world *w = world_new(BALLOT_SECRET, 3);
    struct world_member who = world_stranger(w);
    uint64_t refused = world_propose(w, 0, &who);
    for (size_t i = 0; i < 3; i++) world_ballot(w, i, refused, i != 1);
    size_t n = world_admit(w, 2);
    world_agree(w);
    const struct ledger *mine = group_ledger(w->m[n].g), *theirs = group_ledger(w->m[0].g);
    assert_same_listing(mine, theirs, refused);
    assert_int_equal(ledger_proposal(mine, refused)->state, LEDGER_VOTE_REJECTED);
    for (size_t i = 0; i < ledger_proposals(mine); i++)
        assert_same_listing(mine, theirs, ledger_proposal_at(mine, i)->index);
    for (uint16_t i = 0; i < ledger_leaves(mine); i++) {
        const struct ledger_stock *a = &ledger_leaf(mine, i)->stock,
                                  *b = &ledger_leaf(theirs, i)->stock;
        assert_int_equal(a->n, b->n);
        assert_int_equal(a->next, b->next);
        assert_memory_equal(a->serial, b->serial, a->n * sizeof a->serial[0]);
        assert_memory_equal(a->x, b->x, a->n * VETO_POINT);
    }
    /* and votes with the keys of its own knock */
    uint64_t p = world_propose(w, 0, &who);
    world_ballot(w, n, p, true);
    world_end(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_veto_looks_like_a_yes),
        cmocka_unit_test(the_last_ballot_may_be_the_veto),
        cmocka_unit_test(one_voter_needs_no_secret),
        cmocka_unit_test(silence_is_seen),
        cmocka_unit_test(a_wrong_ballot_is_void),
        cmocka_unit_test(a_removal_needs_no_seat),
        cmocka_unit_test(a_ballot_is_made_once),
        cmocka_unit_test(a_ballot_dies_with_its_vote),
        cmocka_unit_test(an_old_row_votes_with_no_old_key),
        cmocka_unit_test(a_newcomer_counts_again),
    };
    return !!cmocka_run_group_tests(tests, world_crypto, NULL);
}
