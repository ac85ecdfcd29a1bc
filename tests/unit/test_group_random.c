/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto core/feed core/ballot core/epoch core/door core/ledger */
/*
 * Members that act at random: lost races, sleep, kill and restart from an older row, junk, altered
 * COMMITs. Whatever happened, in the end all who are inside hold the same keys and the same ledger,
 * and nobody is inside whom not everybody that was inside had admitted.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#include "unit/group_world.h"

#define SEEDS 25
#define STEPS 70

static int start(void **state)
{
    (void)state;
    return crypto_start() == ST_OK ? 0 : -1;
}

struct play {
    struct world w;
    struct buf saved[WORLD_MEMBERS];
    struct world_member stranger;
    unsigned strangers;
};

static uint64_t draw(struct play *p, uint64_t n)
{
    uint8_t b[8];
    world_random(&p->w, b, 8);
    return get_u64(b) % n;
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
        assert_true(st == ST_DENIED || st == ST_CONFLICT || st == ST_EXISTS || st == ST_NOT_FOUND);
        return;
    }
    if (group_dirty(w->m[i].g)) store(p, i);
    bool arrives = d->index == w->n && draw(p, 8) != 0, dies = draw(p, 8) == 0;
    if (arrives && w->n < WORLD_ENTRIES - 40) world_append_raw(w, buf_view(&d->sealed));
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
    if (d->index == p->w.n && p->w.n < WORLD_ENTRIES - 40) post_entry(&p->w, i, &e, envelope.back);
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
    const struct ledger_proposal *vote = ledger_current_proposal(group_ledger(g));
    uint64_t index = vote == NULL ? 0 : vote->index;
    enum status st = ST_DENIED;
    switch (draw(p, 12)) {
    case 0:
    case 1:
        if (w->members < WORLD_MEMBERS && group_in(g)) {
            struct world_door door;
            world_knock(w, i, &p->stranger, &door);
            struct group_propose a = world_proposal(&door);
            st = group_make_propose(g, &a, &now, &d);
            world_door_free(&door);
        }
        break;
    case 2:
    case 3:
    case 4:
    case 5: st = group_make_ballot(g, index, draw(p, 12) != 0, &now, &d); break;
    case 6: st = group_make_outcome(g, index, &now, &d); break;
    case 7: st = group_make_commit(g, 0, &now, &d); break;
    case 8: st = group_make_update(g, &now, &d); break;
    case 9: st = group_make_head(g, group_epoch(g), draw(p, 100), 0, NULL, &now, &d); break;
    case 10:
        if (inside(p) > 2 && draw(p, 3) == 0)
            st = group_make_leave(g, &now, &d);
        else if (draw(p, 2) == 0)
            st = group_make_withdraw(g, index, &now, &d);
        else
            st = group_make_expire(g, index, &now, &d);
        break;
    default:
        st = group_make_commit(g, 0, &now, &d);
        if (st == ST_OK) {
            store(p, i);
            alter(p, i, &d);
            return;
        }
        break;
    }
    send(p, i, st, &d);
}

static void step(struct play *p)
{
    struct world *w = &p->w;
    size_t i = (size_t)draw(p, w->members);
    uint8_t noise[512];
    switch (draw(p, 10)) {
    case 0: w->m[i].away = !w->m[i].away; break;
    case 1: restart(p, i); break;
    case 2:
        world_random(w, noise, sizeof noise);
        put_u64(noise, group_epoch(w->m[i].g));
        if (w->n < WORLD_ENTRIES - 40) world_append_raw(w, BYTES_OF(noise));
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
}

/* Everybody inside was admitted by the yes of all voters, each of them a member then. */
static void all_were_admitted(const struct ledger *l)
{
    for (uint16_t i = 1; i < ledger_leaves(l); i++) {
        const struct ledger_proposal *a = ledger_admission(l, i);
        assert_non_null(a);
        for (size_t k = 0; k < ledger_leaves(l); k++) {
            const struct ledger_leaf *leaf = ledger_leaf(l, (uint16_t)k);
            bool voter = false;
            for (size_t v = 0; v < a->n_voters; v++)
                voter |= a->voters[v].leaf == leaf->leaf && a->voters[v].cast.choice == BALLOT_YES;
            if (leaf->added < a->index && leaf->left > a->index) assert_true(voter);
        }
    }
}

static void finish(struct play *p)
{
    struct world *w = &p->w;
    for (size_t i = 0; i < w->members; i++) w->m[i].away = false;
    world_sync(w);
    welcome_added(p);
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
        if (member) all_were_admitted(group_ledger(m->g));
    }
    world_agree(w);
}

static void whatever_happens_they_agree(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct play *p = calloc(1, sizeof *p);
        world_begin(&p->w);
        p->w.counter = seed << 32;
        store(p, 0);
        world_random(&p->w, p->stranger.id_seed, 96);
        snprintf(p->stranger.nick, sizeof p->stranger.nick, "stranger");
        while (p->w.members < 3) {
            (void)world_admit(&p->w, 0);
            for (size_t i = 0; i < p->w.members; i++) store(p, i);
        }
        print_message("seed %u\n", (unsigned)seed);
        for (int i = 0; i < STEPS; i++) step(p);
        finish(p);
        world_free(&p->w);
        for (size_t i = 0; i < WORLD_MEMBERS; i++) buf_free(&p->saved[i]);
        free(p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(whatever_happens_they_agree)};
    return !!cmocka_run_group_tests(tests, start, NULL);
}
