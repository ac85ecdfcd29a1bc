/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto core/feed core/ballot core/epoch core/door core/ledger */
/*
 * Members that act at random: every draft that there is, lost races, sleep, kill and restart from an
 * older row, a backup so old that the thread is lost, junk in every type, altered COMMITs. Whatever
 * happened, in the end all who are inside hold the same keys and the same ledger, nobody is inside whom
 * not everybody that was inside had admitted, and nobody was removed but by all others.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#include "unit/group_acts.h"

#define SEEDS 24
#define STEPS 160
#define ROOM_LEFT 100 /* entries for the end */

static int start(void **state)
{
    (void)state;
    return crypto_start() == ST_OK ? 0 : -1;
}

struct play {
    struct world w;
    struct buf saved[WORLD_MEMBERS];
    struct buf backup; /* an older row of m[1] */
    struct world_member stranger;
    unsigned strangers;
};

static uint64_t draw(struct play *p, uint64_t n)
{
    return act_draw(&p->w, n);
}

static void store(struct play *p, size_t i)
{
    buf_clear(&p->saved[i]);
    assert_int_equal(group_save(p->w.m[i].g, &p->saved[i]), ST_OK);
    group_saved(p->w.m[i].g);
}

static void restart(struct play *p, size_t i)
{
    struct world_member *m = &p->w.m[i];
    if (p->saved[i].n == 0) return;
    group_free(m->g);
    m->g = NULL;
    assert_int_equal(group_load(buf_view(&p->saved[i]), &m->g), ST_OK);
    if (!m->away) world_read(&p->w, i);
}

/* A draft is made, the row stored, then it is sent: it may lose the race, or its author may die. */
static void send(struct play *p, size_t i, enum status st, struct group_draft *d)
{
    struct world *w = &p->w;
    if (st != ST_OK) {
        assert_true(st == ST_DENIED || st == ST_CONFLICT || st == ST_EXISTS || st == ST_NOT_FOUND ||
                    st == ST_LOCKED);
        return;
    }
    if (group_dirty(w->m[i].g)) store(p, i);
    bool arrives = d->index == w->n && draw(p, 8) != 0, dies = draw(p, 8) == 0;
    if (arrives && w->n < WORLD_ENTRIES - ROOM_LEFT) world_append_raw(w, buf_view(&d->sealed));
    buf_free(&d->sealed);
    if (dies) restart(p, i);
}

static void alter(struct play *p, size_t i, struct group_draft *d)
{
    struct buf plain = BUF_INIT;
    struct entry0 e;
    struct entry0_envelope envelope;
    const struct group *g = p->w.m[i].g;
    assert_int_equal(entry0_envelope(buf_view(&d->sealed), &envelope), ST_OK);
    assert_int_equal(entry0_open(buf_view(&d->sealed), p->w.room,
                                 g->rows[ledger_epoch(g->ledger)].log, d->index, &plain),
                     ST_OK);
    assert_int_equal(entry0_split(buf_view(&plain), &e), ST_OK);
    ((uint8_t *)(uintptr_t)e.body.p)[draw(p, e.body.n)] ^= (uint8_t)(1 + draw(p, 255));
    if (d->index == p->w.n && p->w.n < WORLD_ENTRIES - ROOM_LEFT)
        post_entry(&p->w, i, &e, envelope.back);
    buf_free(&plain);
    buf_free(&d->sealed);
}

static size_t inside(const struct play *p)
{
    size_t n = 0;
    for (size_t i = 0; i < p->w.members; i++) n += world_is_in(&p->w.m[i]);
    return n;
}

/* The candidate of a proposal becomes a place in the world when it was added. */
static void welcome_added(struct play *p)
{
    struct world *w = &p->w;
    for (size_t i = 0; i < w->members; i++) {
        if (!world_is_in(&w->m[i])) continue;
        const struct ledger_leaf *leaf;
        uint8_t id[32];
        sign_public(p->stranger.id_seed, id);
        leaf = ledger_by_id(group_ledger(w->m[i].g), id);
        if (leaf == NULL || w->members == WORLD_MEMBERS) continue;
        w->m[w->members] = p->stranger;
        w->members++;
        world_welcome(w, i, w->members - 1);
        store(p, w->members - 1);
        world_random(w, p->stranger.id_seed, 96);
        snprintf(p->stranger.nick, sizeof p->stranger.nick, "stranger %u", ++p->strangers);
        return;
    }
}

static void act(struct play *p, size_t i)
{
    struct world *w = &p->w;
    struct group *g = w->m[i].g;
    uint8_t random[GROUP_RANDOM];
    struct group_now now = world_now(w, random);
    struct group_draft d = {.sealed = BUF_INIT};
    if (draw(p, 10) == 0) {
        if (group_make_commit(g, 0, &now, &d) != ST_OK) return;
        store(p, i);
        alter(p, i, &d);
        return;
    }
    if (draw(p, 10) == 0) {
        if (w->n < WORLD_ENTRIES - ROOM_LEFT) act_villain(w, i);
        return;
    }
    /* Three stay, so that there is always somebody to go on with. */
    bool goes = inside(p) > 3;
    uint64_t vote = act_vote(w, group_ledger(g));
    const struct ledger_proposal *q = ledger_proposal(group_ledger(g), vote);
    enum status st;
    if (q != NULL && q->kind == PROPOSE_REMOVE && !goes)
        st = group_make_withdraw(g, vote, &now, &d);
    else
        st = act_any(w, i, &p->stranger, goes, &now, &d);
    send(p, i, st, &d);
}

/* m[1] is brought back from a backup, perhaps so old that it cannot follow any more. */
static void bring_back(struct play *p)
{
    struct world *w = &p->w;
    if (w->m[1].away || !world_is_in(&w->m[1])) return;
    if (p->backup.n == 0) {
        buf_clear(&p->backup);
        assert_int_equal(group_save(w->m[1].g, &p->backup), ST_OK);
    } else if (draw(p, 25) == 0 && inside(p) > 3) {
        world_restore(w, 1, buf_view(&p->backup));
        store(p, 1);
        buf_clear(&p->backup);
    }
}

static void renew_lost(struct play *p)
{
    struct world *w = &p->w;
    uint8_t random[GROUP_RANDOM], key[32], hash[32];
    for (size_t i = 0; i < w->members; i++) {
        struct group *g = w->m[i].g;
        if (w->m[i].away || !group_lost(g) || group_wants(g) != w->n || draw(p, 3) != 0) continue;
        struct group_draft d = {.sealed = BUF_INIT};
        struct group_now now = world_now(w, random);
        world_revocation(&w->m[i], key, hash);
        if (group_next(g, w->now_ms).duty == GROUP_POST_RENEW) {
            assert_int_equal(group_make_renew(g, hash, &now, &d), ST_OK);
            send(p, i, ST_OK, &d);
            continue;
        }
        const struct ledger_leaf *self = ledger_leaf(group_ledger(g), group_leaf(g));
        for (size_t k = 0; k < w->members && self->renewed; k++) {
            if (k == i || !world_is_in(&w->m[k]) || !group_in(w->m[k].g)) continue;
            struct group_welcome welcome;
            if (ledger_leaf(group_ledger(w->m[k].g), self->leaf)->renewals != self->renewals)
                continue;
            assert_int_equal(group_welcome(w->m[k].g, self->leaf, &welcome), ST_OK);
            world_rejoin(w, k, i);
            store(p, i);
            break;
        }
    }
}

static void step(struct play *p)
{
    struct world *w = &p->w;
    size_t i = (size_t)draw(p, w->members);
    uint8_t noise[512];
    switch (draw(p, 10)) {
    case 0: w->m[i].away = draw(p, 3) == 0; break;
    case 1: restart(p, i); break;
    case 2:
        world_random(w, noise, sizeof noise);
        put_u64(noise, group_epoch(w->m[i].g));
        if (w->n < WORLD_ENTRIES - ROOM_LEFT) world_append_raw(w, BYTES_OF(noise));
        break;
    case 3:
        if (group_dirty(w->m[i].g)) store(p, i);
        break;
    default:
        if (world_is_in(&w->m[i])) act(p, i); /* perhaps on an old head: it loses the race */
        break;
    }
    /* some read now, some later */
    for (size_t k = 0; k < w->members; k++) {
        if (!w->m[k].away && draw(p, 3) != 0) world_read(w, k);
        w->m[k].n_trace = 0;
    }
    w->now_ms += draw(p, 30000);
    welcome_added(p);
    renew_lost(p);
    bring_back(p);
}

static bool said_yes(const struct ledger_proposal *p, uint16_t leaf)
{
    for (size_t v = 0; v < p->n_voters; v++)
        if (p->voters[v].leaf == leaf)
            return p->voters[v].cast.choice == BALLOT_YES ||
                   p->voters[v].cast.choice == BALLOT_HIDDEN;
    return false;
}

/* Counted once more: of a secret vote, the sum of all is nothing. */
static void passed_by_all(const struct ledger *l, const struct ledger_proposal *p)
{
    struct ballot_cast casts[LEDGER_MEMBERS_MAX];
    for (size_t v = 0; v < p->n_voters; v++) casts[v] = p->voters[v].cast;
    assert_int_equal(p->ballot->count(casts, p->n_voters), BALLOT_PASSED);
    for (uint16_t k = 0; k < ledger_leaves(l); k++) {
        const struct ledger_leaf *leaf = ledger_leaf(l, k);
        bool target = false;
        for (size_t t = 0; t < p->n_targets; t++) target |= p->targets[t] == k;
        if (leaf->added < p->index && leaf->left > p->index) assert_true(target || said_yes(p, k));
    }
}

/* Whatever was decided, everybody that was inside said yes to it. */
static void all_were_asked(const struct ledger *l)
{
    for (uint16_t i = 0; i < ledger_leaves(l); i++) {
        const struct ledger_leaf *leaf = ledger_leaf(l, i);
        if (i > 0) assert_non_null(ledger_admission(l, i));
        if (leaf->left_by == LEDGER_REMOVE) assert_true(leaf->removal < leaf->left);
    }
    for (size_t i = 0; i < ledger_proposals(l); i++) {
        const struct ledger_proposal *p = ledger_proposal_at(l, i);
        if (p->state == LEDGER_VOTE_ADDED || p->state == LEDGER_VOTE_REMOVED ||
            p->state == LEDGER_VOTE_CHANGED || p->state == LEDGER_VOTE_PASSED)
            passed_by_all(l, p);
    }
}

static void finish(struct play *p)
{
    struct world *w = &p->w;
    for (size_t i = 0; i < w->members; i++) w->m[i].away = false;
    world_sync(w);
    welcome_added(p);
    world_duties(w);
    for (size_t i = 0; i < w->members; i++) { /* whose RENEW was in already, and not yet answered */
        const struct group *g = w->m[i].g;
        const struct ledger_leaf *self = ledger_leaf(group_ledger(g), group_leaf(g));
        for (size_t k = 0; k < w->members && group_lost(g) && self->renewed; k++)
            if (k != i && world_is_in(&w->m[k]) && group_in(w->m[k].g)) {
                world_rejoin(w, k, i);
                break;
            }
    }
    world_duties(w);
    for (size_t i = 0; i < w->members; i++) {
        struct world_member *m = &w->m[i];
        const struct ledger_leaf *self = ledger_leaf(group_ledger(m->g), group_leaf(m->g));
        assert_non_null(self);
        bool member = self->member_now;
        if (member) assert_true(group_in(m->g));
        m->n_trace = 0;
        store(p, i);
        restart(p, i); /* and its own disk gives all of it again */
        if (member) all_were_asked(group_ledger(m->g));
    }
    world_agree(w);
}

/* How often what happened in all lives together: a test in which nothing happens shows nothing. */
struct tally {
    size_t votes[LEDGER_VOTE_VOIDED + 1];
    size_t secret, renewals, revoked, left;
};

static void count_up(const struct play *p, struct tally *t)
{
    const struct ledger *l = NULL;
    for (size_t i = 0; i < p->w.members && l == NULL; i++)
        if (group_in(p->w.m[i].g)) l = group_ledger(p->w.m[i].g);
    assert_non_null(l);
    for (size_t i = 0; i < ledger_proposals(l); i++) {
        const struct ledger_proposal *q = ledger_proposal_at(l, i);
        t->votes[q->state]++;
        if (q->ballot->kind == BALLOT_SECRET && q->added != LEDGER_NEVER) t->secret++;
    }
    for (uint16_t i = 0; i < ledger_leaves(l); i++) {
        t->renewals += ledger_leaf(l, i)->renewals;
        t->revoked += ledger_leaf(l, i)->left_by == LEDGER_SELF_REVOKE;
        t->left += ledger_leaf(l, i)->left_by == LEDGER_LEAVE;
    }
}

static void whatever_happens_they_agree(void **state)
{
    (void)state;
    struct tally t = {0};
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct play *p = calloc(1, sizeof *p);
        world_begin_kind(&p->w, seed % 3 == 0 ? BALLOT_OPEN : BALLOT_SECRET,
                         (struct list){NULL, 0});
        p->w.knock_keys = KNOCK_VETO_KEYS; /* the kind of ballot may change */
        p->w.counter = seed << 32;
        store(p, 0);
        world_random(&p->w, p->stranger.id_seed, 96);
        snprintf(p->stranger.nick, sizeof p->stranger.nick, "stranger");
        while (p->w.members < 4) {
            (void)world_admit(&p->w, 0);
            for (size_t i = 0; i < p->w.members; i++) store(p, i);
        }
        print_message("seed %u\n", (unsigned)seed);
        for (int i = 0; i < STEPS; i++) step(p);
        finish(p);
        count_up(p, &t);
        world_free(&p->w);
        for (size_t i = 0; i < WORLD_MEMBERS; i++) buf_free(&p->saved[i]);
        buf_free(&p->backup);
        free(p);
    }
    for (enum ledger_vote_state v = LEDGER_VOTE_ADDED; v <= LEDGER_VOTE_VOIDED; v++) {
        print_message("%zu %s\n", t.votes[v], ledger_vote_text(v));
        assert_true(t.votes[v] > 0);
    }
    print_message("%zu secret, %zu renewals, %zu revoked, %zu left\n", t.secret, t.renewals,
                  t.revoked, t.left);
    assert_true(t.secret > 0 && t.renewals > 0 && t.revoked > 0 && t.left > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(whatever_happens_they_agree)};
    return !!cmocka_run_group_tests(tests, start, NULL);
}
