/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "sim/watch.h"

#include "core/ledger/group_state.h"
#include "core/mail/mail_inner.h"
#include "crypto/hash.h"
#include "node/enclave/enclave.h"
#include "sim/sim.h"

#include <stdlib.h>
#include <string.h>

/* ---- what villains wrote ---- */

void watch_ill(struct sim *s, struct bytes sealed)
{
    struct watch *w = &s->watch;
    if (!w->ill) w->ill = sim_alloc(WATCH_ILL * sizeof *w->ill);
    sha256(sealed, w->ill[w->n_ill++ % WATCH_ILL]);
}

static bool is_ill(const struct watch *w, const uint8_t hash[32])
{
    for (size_t i = 0; i < w->n_ill && i < WATCH_ILL; i++)
        if (memcmp(w->ill[i], hash, 32) == 0) return true;
    return false;
}

/* ---- one hint, one entry; one veto key, one ballot ---- */

struct seek {
    const uint8_t *hash;
    bool found;
};

static bool on_stored(void *arg, const struct room_entry_row *e)
{
    struct seek *k = arg;
    uint8_t hash[32];
    sha256(e->sealed, hash);
    k->found = memcmp(hash, k->hash, 32) == 0;
    return !k->found;
}

/* A disk that was set back and does not show it does not know what it said since, unless the feed
 * tells: what never got there cannot be known. One that shows it says nothing under an old key. */
static bool could_know(struct sim *s, unsigned by, uint64_t at_ms, uint8_t feed,
                       const uint8_t hash[32])
{
    const struct person *p = &s->people[by];
    struct seek k = {.hash = hash};
    if (p->restored_ms < at_ms || p->noticed) return true;
    struct room_store store = room_sqlite_port(s->sentinel.branch[0].db);
    if (store.ops->entries(store.ctx, s->room, feed, 0, on_stored, &k) != ST_OK) return false;
    if (!k.found) s->watch.unknowable++;
    return k.found;
}

static void watch_mail(struct sim *s, unsigned caller, struct bytes sealed, const uint8_t hash[32])
{
    struct watch *w = &s->watch;
    if (!w->hints) w->hints = sim_alloc(WATCH_HINTS * sizeof *w->hints);
    if (sealed.n < 8 || w->n_hints > WATCH_HINTS / 2) return;
    size_t at = (size_t)get_u64(sealed.p) % WATCH_HINTS;
    while (w->hints[at].used && memcmp(w->hints[at].hint, sealed.p, 8) != 0)
        at = (at + 1) % WATCH_HINTS;
    struct watch_hint *h = &w->hints[at];
    s->checked[CHECK_HINTS]++;
    if (h->used) {
        if (memcmp(h->hash, hash, 32) != 0 && could_know(s, h->by, h->at_ms, FEED_MAIL, h->hash))
            sim_fail(s, "m%u uses a hint for another entry than m%u did at %llu ms", caller, h->by,
                     (unsigned long long)h->at_ms);
        return;
    }
    *h = (struct watch_hint){.used = true, .by = caller, .at_ms = s->time.now_ms};
    memcpy(h->hint, sealed.p, 8);
    memcpy(h->hash, hash, 32);
    w->n_hints++;
}

void watch_early(struct sim *s, unsigned caller, struct bytes sealed)
{
    uint8_t hash[32];
    sha256(sealed, hash);
    watch_mail(s, caller, sealed, hash);
}

static void watch_ballot(struct sim *s, unsigned caller, const struct entry0 *e,
                         const struct group *g, const uint8_t hash[32])
{
    struct watch *w = &s->watch;
    struct ballot_body b;
    if (fields_decode(&ballot_body_fields, e->body, &b) != ST_OK || b.form.n != 96) return;
    const struct ledger_proposal *p = ledger_proposal(group_ledger(g), b.proposal);
    const struct ledger_leaf *leaf = ledger_by_id(group_ledger(g), e->actor);
    const struct ledger_voter *v = NULL;
    for (size_t i = 0; p && leaf && i < p->n_voters; i++)
        if (p->voters[i].leaf == leaf->leaf) v = &p->voters[i];
    if (!v || p->ballot->kind != BALLOT_SECRET || memcmp(p->hash, b.hash, 32) != 0) return;
    if (!w->ballots) w->ballots = sim_alloc(WATCH_BALLOTS * sizeof *w->ballots);
    s->checked[CHECK_BALLOTS]++;
    for (size_t i = 0; i < w->n_ballots; i++) {
        const struct watch_ballot *o = &w->ballots[i];
        if (o->serial != v->serial || memcmp(o->actor, e->actor, 32) != 0) continue;
        if (memcmp(o->form, b.form.p, 96) != 0 &&
            could_know(s, o->by, o->at_ms, FEED_LEDGER, o->hash))
            sim_fail(s, "m%u uses veto key %u of %s twice", caller, (unsigned)v->serial,
                     leaf->nick);
        return;
    }
    if (w->n_ballots == WATCH_BALLOTS) return;
    struct watch_ballot *o = &w->ballots[w->n_ballots++];
    *o = (struct watch_ballot){.serial = v->serial, .by = caller, .at_ms = s->time.now_ms};
    memcpy(o->actor, e->actor, 32);
    memcpy(o->hash, hash, 32);
    memcpy(o->form, b.form.p, 96);
}

static bool watch_ledger(struct sim *s, unsigned caller, const struct room_append *msg,
                         const uint8_t hash[32], uint8_t ret_vote[32])
{
    struct entry0_envelope envelope;
    struct ballot_body b;
    bool opened = false, ballot = false;
    if (entry0_envelope(msg->sealed, &envelope) != ST_OK) return false;
    for (unsigned i = 0; i < s->n && !opened; i++) {
        struct person *p = &s->people[i];
        struct enclave *e = p->node ? node_find(p->node, SIM_NAME) : NULL;
        if (!e || !e->group || p->state != PERSON_IN) continue;
        const struct group_row *row = group_row(e->group, envelope.epoch, GROUP_ROW_LOG);
        struct buf plain = BUF_INIT;
        struct entry0 entry;
        opened = row && entry0_open(msg->sealed, e->room, row->log, msg->index, &plain) == ST_OK &&
                 entry0_split(buf_view(&plain), &entry) == ST_OK;
        if (opened && entry.type == LEDGER_BALLOT) {
            watch_ballot(s, caller, &entry, e->group, hash);
            ballot = fields_decode(&ballot_body_fields, entry.body, &b) == ST_OK;
            if (ballot) memcpy(ret_vote, b.hash, 32);
        }
        buf_free(&plain);
    }
    return ballot;
}

bool watch_append(struct sim *s, unsigned caller, const struct room_append *msg,
                  uint8_t ret_vote[32])
{
    uint8_t hash[32];
    sha256(msg->sealed, hash);
    if (is_ill(&s->watch, hash) || caller >= s->n) return false;
    if (msg->feed == FEED_MAIL) watch_mail(s, caller, msg->sealed, hash);
    return msg->feed == FEED_LEDGER && watch_ledger(s, caller, msg, hash, ret_vote);
}

/* ---- who is out cannot follow ---- */

struct follow {
    struct sim *s;
    struct watch_ghost *ghost;
    bool over;
};

static void check_shut(struct sim *s, struct watch_ghost *ghost, const struct room_entry_row *e)
{
    struct entry0_envelope envelope;
    const struct group *g = ghost->group;
    if (entry0_envelope(e->sealed, &envelope) != ST_OK || envelope.epoch <= ghost->epoch) return;
    s->checked[CHECK_GHOSTS]++;
    for (uint64_t k = 0; k < g->n_rows; k++) {
        struct buf plain = BUF_INIT;
        if ((g->rows[k].flags & GROUP_ROW_LOG) &&
            entry0_open(e->sealed, g->room, g->rows[k].log, e->index, &plain) == ST_OK)
            sim_fail(s, "m%u, who is out since epoch %llu, opens entry %llu", ghost->person,
                     (unsigned long long)ghost->epoch, (unsigned long long)e->index);
        buf_free(&plain);
    }
}

static bool on_followed(void *arg, const struct room_entry_row *e)
{
    struct follow *f = arg;
    struct group *g = f->ghost->group;
    struct group_event ev;
    if (f->ghost->out) check_shut(f->s, f->ghost, e);
    if (group_take(g, e->index, e->sealed, f->s->time.now_ms) != ST_OK) {
        f->over = true; /* another history, or an older database: no more is learned from it */
        return false;
    }
    while (group_event(g, &ev)) {
    }
    const struct ledger_leaf *self = ledger_leaf(group_ledger(g), group_leaf(g));
    if (!f->ghost->out && self && !self->member_now) {
        f->ghost->out = true;
        f->ghost->epoch = group_epoch(g);
    }
    if (f->ghost->out && group_epoch(g) > f->ghost->epoch)
        sim_fail(f->s, "m%u, who is out since epoch %llu, comes into epoch %llu", f->ghost->person,
                 (unsigned long long)f->ghost->epoch, (unsigned long long)group_epoch(g));
    return true;
}

static void ghost_drop(struct watch *w, size_t i)
{
    group_free(w->ghosts[i].group);
    memmove(&w->ghosts[i], &w->ghosts[i + 1], (w->n_ghosts - i - 1) * sizeof w->ghosts[0]);
    w->n_ghosts--;
}

static void follow(struct sim *s)
{
    struct room_store store = room_sqlite_port(s->sentinel.branch[0].db);
    for (size_t i = 0; i < s->watch.n_ghosts;) {
        struct watch_ghost *ghost = &s->watch.ghosts[i];
        struct follow f = {.s = s, .ghost = ghost};
        enum status st = store.ops->entries(store.ctx, ghost->group->room, FEED_LEDGER,
                                            group_wants(ghost->group), on_followed, &f);
        if (st != ST_OK || f.over)
            ghost_drop(&s->watch, i);
        else
            i++;
    }
}

void watch_out(struct sim *s, unsigned person, struct bytes saved)
{
    struct watch *w = &s->watch;
    struct group *g = NULL;
    if (group_load(saved, &g) != ST_OK) return;
    if (w->n_ghosts == WATCH_GHOSTS) ghost_drop(w, 0);
    w->ghosts[w->n_ghosts++] = (struct watch_ghost){.group = g, .person = person};
}

/* ---- who is new has no keys of what was before ---- */

static void check_newcomer(struct sim *s, struct person *p)
{
    struct enclave *e = node_find(p->node, SIM_NAME);
    if (!e || !e->group || p->restored_ms >= p->in_ms || p->tainted) return;
    const struct ledger_leaf *self = ledger_leaf(group_ledger(e->group), group_leaf(e->group));
    if (!self || self->epoch_in == LEDGER_NEVER) return;
    s->checked[CHECK_NEWCOMERS]++;
    for (uint64_t k = 0; k < self->epoch_in && k < e->group->n_rows; k++)
        if (e->group->rows[k].flags & (GROUP_ROW_ALL | GROUP_ROW_SECRET))
            sim_fail(s, "m%u came in epoch %llu and holds keys of epoch %llu", p->i,
                     (unsigned long long)self->epoch_in, (unsigned long long)k);
    if (e->mail && e->mail->n_epochs > 0 && e->mail->epochs[0]->epoch < self->epoch_in)
        sim_fail(s, "m%u came in epoch %llu and reads mail of epoch %llu", p->i,
                 (unsigned long long)self->epoch_in, (unsigned long long)e->mail->epochs[0]->epoch);
}

void watch_step(struct sim *s)
{
    for (unsigned i = 0; i < s->n; i++)
        if (s->people[i].node && s->people[i].state == PERSON_IN) check_newcomer(s, &s->people[i]);
    if (s->room_known) follow(s);
}

void watch_forget(struct sim *s)
{
    struct watch *w = &s->watch;
    while (w->n_ghosts > 0) ghost_drop(w, 0);
    free(w->hints);
    free(w->ballots);
    free(w->ill);
    uint64_t unknowable = w->unknowable;
    memset(w, 0, sizeof *w);
    w->unknowable = unknowable;
}
