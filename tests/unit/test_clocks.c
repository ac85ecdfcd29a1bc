/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto core/feed core/ballot core/epoch core/door core/ledger */
/* The time inside an entry is advice: whatever stands there, the same entries are valid, and the same
 * state follows. Two worlds live the same life; in the second, all clocks lie. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#include "unit/group_acts.h"

#define SEEDS 12
#define STEPS 150

static int start(void **state)
{
    (void)state;
    return crypto_start() == ST_OK ? 0 : -1;
}

/* ---- clocks that lie ---- */

static uint64_t clock_zero(struct world *w)
{
    (void)w;
    return 0;
}

static uint64_t clock_end(struct world *w)
{
    (void)w;
    return UINT64_MAX;
}

static uint64_t clock_year(struct world *w)
{
    uint64_t year = UINT64_C(365) * 24 * 3600 * 1000;
    return w->n % 2 == 0 ? w->now_ms + year : w->now_ms - year;
}

static uint64_t clock_backwards(struct world *w)
{
    return UINT64_C(1790000000000) - w->n * 3600 * 1000;
}

static uint64_t clock_any(struct world *w)
{
    uint64_t (*const clocks[])(struct world * w) = {clock_zero, clock_end, clock_year};
    uint8_t number[8], hash[32];
    put_u64(number, w->n);
    sha256(BYTES_OF(number), hash);
    return hash[0] % 4 == 3 ? get_u64(hash) : clocks[hash[0] % 4](w);
}

/* ---- the same life twice ---- */

static size_t admit(struct world *w, size_t by)
{
    size_t newcomer = world_person(w);
    uint64_t p = world_propose(w, by, &w->m[newcomer]);
    for (size_t i = 0; i < newcomer; i++) world_ballot(w, i, p, true);
    WORLD_POST(w, group_make_outcome(w->m[by].g, p, &now, &draft));
    world_welcome(w, by, newcomer);
    WORLD_POST(w, group_make_commit(w->m[by].g, 0, &now, &draft));
    return newcomer;
}

static void live(struct world *w, uint8_t kind, uint64_t seed, uint64_t (*told)(struct world *w))
{
    world_begin_kind(w, kind, (struct list){NULL, 0});
    w->clock = told;
    w->counter = seed << 32;
    w->knock_keys = KNOCK_VETO_KEYS;
    while (w->members < 4) (void)admit(w, w->members - 1);
}

/* Nothing here looks at a clock or at who would be next: that hangs on hashes, which differ. */
static enum status step(struct world *w, const struct world_member *stranger)
{
    size_t i = (size_t)act_draw(w, w->members);
    uint8_t random[GROUP_RANDOM];
    struct group_draft d = {.sealed = BUF_INIT};
    if (w->n + 8 > WORLD_ENTRIES || !world_is_in(&w->m[i])) return ST_DENIED;
    if (act_draw(w, 6) == 0) {
        act_villain(w, i);
        return ST_OK;
    }
    struct group_now now = world_now(w, random);
    enum status st = act_any(w, i, stranger, w->members > 2, &now, &d);
    if (st == ST_OK) world_append(w, &d);
    w->now_ms += 1000;
    return st;
}

static void same_events(const struct world_member *a, const struct world_member *b)
{
    assert_int_equal(a->n_trace, b->n_trace);
    for (size_t i = 0; i < a->n_trace; i++) {
        const struct group_event *x = &a->trace[i], *y = &b->trace[i];
        assert_int_equal(x->type, y->type);
        assert_int_equal(x->index, y->index);
        assert_int_equal(x->leaf, y->leaf);
        assert_int_equal(x->proposal, y->proposal);
        assert_int_equal(x->choice, y->choice);
        assert_int_equal(x->vote, y->vote);
        assert_int_equal(x->epoch, y->epoch);
        assert_int_equal(x->next, y->next);
        assert_ptr_equal(x->reason, y->reason);
    }
}

static void same_leaves(const struct ledger *a, const struct ledger *b)
{
    assert_int_equal(ledger_leaves(a), ledger_leaves(b));
    for (uint16_t i = 0; i < ledger_leaves(a); i++) {
        const struct ledger_leaf *x = ledger_leaf(a, i), *y = ledger_leaf(b, i);
        assert_memory_equal(x->id, y->id, 32);
        assert_memory_equal(x->kem_pk, y->kem_pk, sizeof x->kem_pk);
        assert_int_equal(x->member_now, y->member_now);
        assert_int_equal(x->updates, y->updates);
        assert_int_equal(x->renewals, y->renewals);
        assert_int_equal(x->stock.n, y->stock.n);
        assert_int_equal(x->stock.next, y->stock.next);
        assert_memory_equal(x->stock.x, y->stock.x, x->stock.n * VETO_POINT);
        assert_int_equal(x->left, y->left);
        assert_int_equal(x->left_by, y->left_by);
        assert_int_equal(x->epoch_in, y->epoch_in);
        assert_int_equal(x->epoch_out, y->epoch_out);
        assert_int_equal(x->last, y->last);
        assert_int_equal(x->missed, y->missed);
        assert_int_equal(x->away_ms, y->away_ms);
    }
}

static void same_state(const struct ledger *a, const struct ledger *b)
{
    assert_int_equal(ledger_count(a), ledger_count(b));
    assert_int_equal(ledger_epoch(a), ledger_epoch(b));
    assert_int_equal(ledger_generation(a), ledger_generation(b));
    assert_int_equal(ledger_due(a), ledger_due(b));
    assert_int_equal(ledger_ended(a), ledger_ended(b));
    assert_int_equal(ledger_ballot_kind(a), ledger_ballot_kind(b));
    assert_int_equal(ledger_mode(a), ledger_mode(b));
    assert_int_equal(ledger_history_floor(a), ledger_history_floor(b));
    for (enum ledger_policy k = LEDGER_POLICY_EXPIRE_MS; k < LEDGER_POLICY_END; k++)
        assert_int_equal(ledger_policy(a, k), ledger_policy(b, k));
    same_leaves(a, b);
    assert_int_equal(ledger_proposals(a), ledger_proposals(b));
    for (size_t i = 0; i < ledger_proposals(a); i++) {
        const struct ledger_proposal *p = ledger_proposal_at(a, i), *q = ledger_proposal_at(b, i);
        assert_int_equal(p->index, q->index);
        assert_int_equal(p->state, q->state);
        assert_int_equal(p->closed, q->closed);
        assert_int_equal(p->closed_by, q->closed_by);
        assert_int_equal(p->n_voters, q->n_voters);
        for (size_t k = 0; k < p->n_voters; k++) {
            assert_int_equal(p->voters[k].cast.choice, q->voters[k].cast.choice);
            assert_int_equal(p->voters[k].index, q->voters[k].index);
            assert_int_equal(p->voters[k].serial, q->voters[k].serial);
        }
    }
}

static void no_clock_decides_anything(void **state)
{
    (void)state;
    uint64_t (*const clocks[])(struct world * w) = {clock_zero, clock_end, clock_year,
                                                    clock_backwards, clock_any};
    size_t valid = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct world *a = calloc(1, sizeof *a), *b = calloc(1, sizeof *b);
        uint8_t kind = seed % 2 == 0 ? BALLOT_OPEN : BALLOT_SECRET;
        struct world_member stranger = {.nick = "stranger"};
        live(a, kind, seed, NULL);
        live(b, kind, seed, clocks[seed % 5]);
        world_random(a, stranger.id_seed, 96);
        world_random(b, stranger.id_seed, 96);
        for (int i = 0; i < STEPS; i++) {
            world_forget(a);
            world_forget(b);
            enum status st = step(a, &stranger);
            valid += st == ST_OK;
            assert_int_equal(st, step(b, &stranger));
            assert_int_equal(a->counter, b->counter);
            assert_int_equal(a->n, b->n);
            for (size_t m = 0; m < a->members; m++) {
                same_events(&a->m[m], &b->m[m]);
                same_state(group_ledger(a->m[m].g), group_ledger(b->m[m].g));
            }
        }
        world_free(a);
        world_free(b);
        free(a);
        free(b);
    }
    assert_true(valid > SEEDS * STEPS / 8); /* something did happen */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(no_clock_decides_anything)};
    return !!cmocka_run_group_tests(tests, start, NULL);
}
