/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Beginning and end of a group; its rows of keys, its own KEM secrets, its events. */
#include "core/ledger/group_state.h"

#include "crypto/hash.h"
#include "crypto/kem.h"
#include "crypto/secret.h"
#include "crypto/sign.h"

#include <stdlib.h>
#include <string.h>

struct group *group_alloc(const uint8_t enclave_id[32], const uint8_t room[32])
{
    struct group *g = calloc(1, sizeof *g);
    if (g == NULL) return NULL;
    g->secrets = secret_new(sizeof *g->secrets);
    g->seed_pks = calloc(GROUP_SEEDS_MAX, sizeof *g->seed_pks);
    if (g->secrets == NULL || g->seed_pks == NULL ||
        ledger_new(enclave_id, room, &g->ledger) != ST_OK) {
        group_free(g);
        return NULL;
    }
    memcpy(g->enclave_id, enclave_id, 32);
    memcpy(g->room, room, 32);
    g->phase = GROUP_LIVE;
    g->leaf = LEDGER_NOBODY;
    g->due_base = LEDGER_NEVER;
    g->veto_from = UINT32_MAX;
    buf_init(&g->proof, GROUP_PROOF_MAX);
    return g;
}

void group_free(struct group *g)
{
    if (g == NULL) return;
    ledger_free(g->ledger);
    secret_free(g->secrets);
    secret_free(g->rows);
    free(g->seed_pks);
    free(g->heads);
    free(g->sizes);
    buf_free(&g->history);
    buf_free(&g->proof);
    free(g->events);
    bytes_wipe(g, sizeof *g);
    free(g);
}

enum status group_set_self(struct group *g, const struct group_self *self)
{
    memcpy(g->secrets->id_seed, self->id_seed, 32);
    memcpy(g->secrets->seat_seed, self->seat_seed, 32);
    sign_public(self->id_seed, g->id);
    enum status st = group_seed_add(g, GROUP_SEED_NOW, 0, self->kem_seed, NULL);
    for (size_t i = 0; i < self->n_veto && st == ST_OK; i++)
        st = group_veto_add(g, (uint32_t)i, self->veto_x + i * VETO_SCALAR);
    return st;
}

enum status group_join(const struct group_join *a, struct group **ret)
{
    struct group *g = group_alloc(a->enclave_id, a->room);
    if (g == NULL) return ST_NO_MEMORY;
    enum status st = group_set_self(g, &a->self);
    if (st == ST_OK && a->add_index >= GROUP_ENTRIES_MAX) st = ST_TOO_BIG;
    if (st != ST_OK) {
        group_free(g);
        return st;
    }
    g->phase = GROUP_WALKING;
    g->joined = true;
    g->add_index = a->add_index;
    g->add_epoch = a->epoch;
    memcpy(g->add_chain, a->chain, 32);
    memcpy(g->add_log, a->log_key, 32);
    chain_start(a->room, FEED_LEDGER, g->walk_chain);
    buf_init(&g->history, GROUP_HISTORY_MAX);
    g->dirty = true;
    *ret = g;
    return ST_OK;
}

bool group_dirty(const struct group *g)
{
    return g->dirty;
}

void group_saved(struct group *g)
{
    g->dirty = false;
}

/* ---- rows ---- */

enum status group_rows(struct group *g, size_t n)
{
    if (n <= g->n_rows) return ST_OK;
    if (n > g->rows_cap) {
        size_t cap = n + n / 2 + 8;
        struct group_row *rows = secret_new(cap * sizeof *rows);
        if (rows == NULL) return ST_NO_MEMORY;
        if (g->n_rows > 0) memcpy(rows, g->rows, g->n_rows * sizeof *rows);
        secret_free(g->rows);
        g->rows = rows;
        g->rows_cap = cap;
    }
    g->n_rows = n;
    return ST_OK;
}

void group_row_set(struct group_row *row, const struct epoch_keys *keys, uint64_t now_ms)
{
    row->flags = GROUP_ROW_LOG | GROUP_ROW_FILE | GROUP_ROW_ALL | GROUP_ROW_SECRET;
    row->learned_ms = now_ms;
    memcpy(row->log, keys->log, 32);
    memcpy(row->file_kek, keys->file_kek, 32);
    memcpy(row->tree, keys->tree, 32);
    memcpy(row->door, keys->door, 32);
    memcpy(row->receipts, keys->receipts, 32);
    memcpy(row->pair, keys->pair, 32);
    memcpy(row->epoch_secret, keys->epoch_secret, 32);
}

const struct group_row *group_row(const struct group *g, uint64_t epoch, uint8_t flag)
{
    if (epoch >= g->n_rows || !(g->rows[epoch].flags & flag)) return NULL;
    return &g->rows[epoch];
}

/* ---- veto keys ---- */

enum status group_veto_add(struct group *g, uint32_t serial, const uint8_t x[VETO_SCALAR])
{
    if (g->n_veto == GROUP_VETO_MAX) { /* of serials long dead */
        group_veto_drop(g, &g->secrets->veto[0]);
    }
    struct group_veto *v = &g->secrets->veto[g->n_veto++];
    v->serial = serial;
    memcpy(v->x, x, VETO_SCALAR);
    g->dirty = true;
    return ST_OK;
}

struct group_veto *group_veto_find(const struct group *g, uint32_t serial)
{
    for (size_t i = 0; i < g->n_veto; i++)
        if (g->secrets->veto[i].serial == serial) return &g->secrets->veto[i];
    return NULL;
}

void group_veto_drop(struct group *g, struct group_veto *v)
{
    struct group_veto *last = &g->secrets->veto[--g->n_veto];
    memmove(v, v + 1, (size_t)(last - v) * sizeof *v);
    bytes_wipe(last, sizeof *last);
    g->dirty = true;
}

void group_veto_kill(struct group *g)
{
    bytes_wipe(g->secrets->veto, sizeof g->secrets->veto);
    bytes_wipe(g->secrets->veto_seed, sizeof g->secrets->veto_seed);
    g->n_veto = 0;
    g->veto_from = UINT32_MAX;
    g->veto_dead = g->dirty = true;
}

bool group_can_ballot(const struct group *g, const struct ledger_proposal *p)
{
    for (size_t i = 0; i < p->n_voters; i++) {
        if (p->voters[i].leaf != g->leaf) continue;
        if (p->ballot->kind != BALLOT_SECRET) return true;
        for (size_t k = 0; k < g->n_ballots; k++)
            if (memcmp(g->ballots[k].hash, p->hash, 32) == 0) return true;
        return group_veto_find(g, p->voters[i].serial) != NULL;
    }
    return false;
}

/* ---- own KEM secrets ---- */

enum status group_seed_add(struct group *g, uint8_t role, uint64_t until, const uint8_t seed[32],
                           const uint8_t **ret_pk)
{
    if (g->n_seeds == GROUP_SEEDS_MAX) {
        /* The oldest of those that no longer hold makes room; where a machine was set back again and
         * again within an epoch, one of an attempt before that. */
        const struct group_seed *s = g->secrets->seeds;
        size_t i = 0;
        while (i < g->n_seeds && s[i].role != GROUP_SEED_OLD) i++;
        if (i == g->n_seeds) i = 0;
        while (i < g->n_seeds && s[i].role != GROUP_SEED_OLD &&
               !(s[i].stale && s[i].role != GROUP_SEED_NOW))
            i++;
        if (i == g->n_seeds) return ST_BUSY;
        group_seed_drop(g, i);
    }
    struct group_seed *s = &g->secrets->seeds[g->n_seeds];
    s->role = role;
    s->stale = false;
    s->until = until;
    memcpy(s->seed, seed, 32);
    kem_public(seed, g->seed_pks[g->n_seeds]);
    if (ret_pk != NULL) *ret_pk = g->seed_pks[g->n_seeds];
    g->n_seeds++;
    g->dirty = true;
    return ST_OK;
}

void group_seed_drop(struct group *g, size_t i)
{
    struct group_seed *seeds = g->secrets->seeds;
    g->n_seeds--;
    memmove(&seeds[i], &seeds[i + 1], (g->n_seeds - i) * sizeof *seeds);
    memmove(g->seed_pks[i], g->seed_pks[i + 1], (g->n_seeds - i) * sizeof *g->seed_pks);
    bytes_wipe(&seeds[g->n_seeds], sizeof *seeds);
    g->dirty = true;
}

void group_seeds_turn(struct group *g)
{
    const struct ledger_leaf *self = ledger_leaf(g->ledger, g->leaf);
    uint64_t epoch = ledger_epoch(g->ledger);
    if (self == NULL) return;
    for (size_t i = 0; i < g->n_seeds;) {
        struct group_seed *s = &g->secrets->seeds[i];
        bool now = memcmp(g->seed_pks[i], self->kem_pk, sizeof self->kem_pk) == 0;
        if (now) {
            s->role = GROUP_SEED_NOW;
        } else if (s->role == GROUP_SEED_NOW) {
            /* one valid COMMIT longer than its successor's taking in */
            s->role = GROUP_SEED_OLD;
            s->until = epoch + 1;
        } else if (epoch >= s->until && s->role != GROUP_SEED_OLD) {
            group_seed_drop(g, i);
            continue;
        }
        i++;
    }
}

/* Private words to an old key may lie in feed 1, which is read after the COMMITs that replaced it. */
void group_feeds_read(struct group *g)
{
    uint64_t epoch = ledger_epoch(g->ledger);
    for (size_t i = 0; i < g->n_seeds;) {
        const struct group_seed *s = &g->secrets->seeds[i];
        if (s->role != GROUP_SEED_OLD || epoch < s->until) {
            i++;
            continue;
        }
        group_seed_drop(g, i);
        g->dirty = true;
    }
}

const uint8_t *group_kem_seed(const struct group *g, const uint8_t pk[1216])
{
    for (size_t i = 0; i < g->n_seeds; i++)
        if (memcmp(g->seed_pks[i], pk, sizeof g->seed_pks[i]) == 0)
            return g->secrets->seeds[i].seed;
    return NULL;
}

bool group_kem_is_fresh(const struct group *g, const uint8_t pk[1216])
{
    for (size_t i = 0; i < g->n_seeds; i++)
        if (memcmp(g->seed_pks[i], pk, sizeof g->seed_pks[i]) == 0)
            return !g->secrets->seeds[i].stale;
    return false;
}

size_t group_kem_seeds(const struct group *g, const uint8_t *ret[GROUP_SEEDS_MAX])
{
    size_t n = 0;
    for (size_t i = g->n_seeds; i-- > 0;)
        if (g->secrets->seeds[i].role <= GROUP_SEED_OLD) ret[n++] = g->secrets->seeds[i].seed;
    return n;
}

/* ---- events ---- */

bool group_quiet(const struct group *g, uint64_t index)
{
    return index < g->saved_count || (g->joined && index < g->add_index);
}

struct group_event *group_emit(struct group *g, enum group_event_type type, uint64_t index)
{
    /* group_take made room before it began: at most a few events an entry. */
    struct group_event *ev = &g->events[g->n_events++];
    *ev = (struct group_event){.type = type,
                               .index = index,
                               .leaf = LEDGER_NOBODY,
                               .proposal = LEDGER_NEVER,
                               .epoch = ledger_epoch(g->ledger)};
    return ev;
}

void group_emit_fork(struct group *g, uint64_t index, uint16_t leaf, const struct seen *mine,
                     const struct seen *theirs)
{
    struct group_event *ev = group_emit(g, GROUP_FORK, index);
    ev->leaf = leaf;
    ev->mine = *mine;
    ev->theirs = *theirs;
}

void group_stop(struct group *g, uint64_t count, const uint8_t mine[32], const uint8_t theirs[32])
{
    if (g->forked) return;
    g->forked = g->dirty = true;
    g->fork_mine.count = g->fork_theirs.count = count;
    memcpy(g->fork_mine.chain, mine, 32);
    memcpy(g->fork_theirs.chain, theirs, 32);
    group_emit_fork(g, count == 0 ? 0 : count - 1, LEDGER_NOBODY, &g->fork_mine, &g->fork_theirs);
}

bool group_forked(const struct group *g, struct seen *ret_mine, struct seen *ret_theirs)
{
    *ret_mine = g->fork_mine;
    *ret_theirs = g->fork_theirs;
    return g->forked;
}

bool group_event(struct group *g, struct group_event *ret)
{
    if (g->next_event == g->n_events) {
        g->next_event = g->n_events = 0;
        return false;
    }
    *ret = g->events[g->next_event++];
    return true;
}

/* ---- what is known ---- */

const struct ledger *group_ledger(const struct group *g)
{
    return g->ledger;
}

uint16_t group_leaf(const struct group *g)
{
    return g->leaf;
}

bool group_in(const struct group *g)
{
    const struct ledger_leaf *self = ledger_leaf(g->ledger, g->leaf);
    if (self == NULL || !self->member_now) return false;
    return ledger_in_epoch(g->ledger, g->leaf, ledger_epoch(g->ledger)) &&
           group_row(g, ledger_epoch(g->ledger), GROUP_ROW_ALL) != NULL;
}

bool group_writable(const struct group *g)
{
    const struct ledger_leaf *self = ledger_leaf(g->ledger, g->leaf);
    if (g->phase != GROUP_LIVE || g->forked || g->old_head || g->lost || g->out) return false;
    if (ledger_count(g->ledger) < g->saved_count) return false;
    return self != NULL && self->member_now;
}

bool group_lost(const struct group *g)
{
    return g->lost;
}

uint64_t group_epoch(const struct group *g)
{
    return ledger_epoch(g->ledger);
}

const uint8_t *group_id_seed(const struct group *g)
{
    return g->secrets->id_seed;
}

const uint8_t *group_seat_seed(const struct group *g)
{
    return g->secrets->seat_seed;
}

enum status group_key(const struct group *g, enum group_key key, uint64_t epoch, uint8_t ret[32])
{
    bool file = key == GROUP_KEY_FILE_KEK || key == GROUP_KEY_TREE;
    uint8_t flag = file ? GROUP_ROW_FILE : key == GROUP_KEY_LOG ? GROUP_ROW_LOG : GROUP_ROW_ALL;
    const struct group_row *row = group_row(g, epoch, flag);
    if (row == NULL) {
        memset(ret, 0, 32);
        return ST_NOT_FOUND;
    }
    const uint8_t *from = NULL;
    switch (key) {
    case GROUP_KEY_DOOR: from = row->door; break;
    case GROUP_KEY_FILE_KEK: from = row->file_kek; break;
    case GROUP_KEY_TREE: from = row->tree; break;
    case GROUP_KEY_RECEIPTS: from = row->receipts; break;
    case GROUP_KEY_PAIR: from = row->pair; break;
    case GROUP_KEY_LOG: from = row->log; break;
    }
    if (from == NULL) return ST_BUG;
    memcpy(ret, from, 32);
    return ST_OK;
}

uint64_t group_generation(const struct group *g, uint8_t ret_dedup[32], uint8_t ret_placement[32])
{
    memcpy(ret_dedup, g->secrets->dedup, 32);
    memcpy(ret_placement, g->secrets->placement, 32);
    return g->generation;
}

size_t group_door_keys(const struct group *g, uint64_t now_ms,
                       struct group_door_key ret[GROUP_DOOR_KEYS])
{
    size_t n = 0;
    for (uint64_t e = g->n_rows; e-- > 0 && n < GROUP_DOOR_KEYS;) {
        if (!(g->rows[e].flags & GROUP_ROW_ALL)) break;
        /* A door key ages from the moment its epoch was replaced. */
        uint64_t until = e + 1 == g->n_rows ? now_ms : g->rows[e + 1].learned_ms;
        if (now_ms > until && now_ms - until > GROUP_DOOR_MS) break;
        ret[n].epoch = e;
        memcpy(ret[n++].key, g->rows[e].door, 32);
    }
    return n;
}

enum status group_sender(const struct group *g, uint64_t epoch, uint16_t leaf, uint8_t ret[32])
{
    const struct group_row *row = group_row(g, epoch, GROUP_ROW_SECRET);
    memset(ret, 0, 32);
    if (row == NULL || !ledger_in_epoch(g->ledger, leaf, epoch)) return ST_NOT_FOUND;
    schedule_sender(row->epoch_secret, epoch, leaf, ret);
    return ST_OK;
}

void group_senders_drop(struct group *g, uint64_t epoch)
{
    if (group_row(g, epoch, GROUP_ROW_SECRET) == NULL) return;
    struct group_row *row = &g->rows[epoch];
    row->flags &= (uint8_t)~GROUP_ROW_SECRET;
    bytes_wipe(row->epoch_secret, sizeof row->epoch_secret);
    g->dirty = true;
}

enum status group_welcome(const struct group *g, uint16_t leaf, struct group_welcome *ret)
{
    memset(ret, 0, sizeof *ret);
    const struct ledger_leaf *f = ledger_leaf(g->ledger, leaf);
    const struct ledger_proposal *p = ledger_admission(g->ledger, leaf);
    if (f == NULL) return ST_NOT_FOUND;
    if (f->renewals > 0) { /* as its last RENEW stood, also when that has been taken in */
        ret->add_index = f->renewed_at;
        ret->epoch = f->renewed_epoch;
        memcpy(ret->chain, ledger_chain_at(g->ledger, f->renewed_at + 1), 32);
    } else if (p != NULL) {
        ret->add_index = p->added;
        ret->epoch = p->added_epoch;
        memcpy(ret->chain, p->added_chain, 32);
    } else {
        return ST_NOT_FOUND;
    }
    const struct group_row *row = group_row(g, ret->epoch, GROUP_ROW_LOG);
    if (row == NULL) return ST_NOT_FOUND;
    memcpy(ret->log_key, row->log, 32);
    return ST_OK;
}

enum status group_rejoin(const struct group *old, const struct group_welcome *w, struct group **ret)
{
    if (w->add_index >= GROUP_ENTRIES_MAX) return ST_TOO_BIG;
    struct group *g = group_alloc(old->enclave_id, old->room);
    if (g == NULL) return ST_NO_MEMORY;
    enum status st = group_rows(g, old->n_rows);
    if (st != ST_OK) {
        group_free(g);
        return st;
    }
    if (old->n_rows > 0) memcpy(g->rows, old->rows, old->n_rows * sizeof *old->rows);
    *g->secrets = *old->secrets;
    memcpy(g->seed_pks, old->seed_pks, GROUP_SEEDS_MAX * sizeof *g->seed_pks);
    g->n_seeds = old->n_seeds;
    /* The key that the RENEW showed was made when we knew of fewer epochs: the COMMIT that takes it in is
     * the next one. */
    const struct ledger_leaf *self = ledger_leaf(old->ledger, old->leaf);
    for (size_t i = 0; self != NULL && i < g->n_seeds; i++)
        if (memcmp(g->seed_pks[i], self->kem_update, sizeof self->kem_update) == 0)
            g->secrets->seeds[i].until = w->epoch + 1;
    memcpy(g->id, old->id, 32);
    /* The epochs that passed meanwhile must not age the key that we showed. */
    for (size_t i = 0; i < g->n_seeds; i++)
        if (g->secrets->seeds[i].role == GROUP_SEED_UPDATE)
            g->secrets->seeds[i].until = w->epoch + 1;
    group_veto_kill(g);
    bytes_wipe(g->secrets->attempts, sizeof g->secrets->attempts);
    memcpy(g->agreed, old->agreed, sizeof g->agreed);
    buf_bytes(&g->proof, buf_view(&old->proof));
    g->phase = GROUP_WALKING;
    g->joined = g->renewed = true;
    g->restored = true; /* nothing is said or voted before the COMMIT that takes the RENEW in */
    g->add_index = w->add_index;
    g->add_epoch = w->epoch;
    memcpy(g->add_chain, w->chain, 32);
    memcpy(g->add_log, w->log_key, 32);
    chain_start(g->room, FEED_LEDGER, g->walk_chain);
    buf_init(&g->history, GROUP_HISTORY_MAX);
    g->head_ms = old->head_ms;
    g->dirty = true;
    *ret = g;
    return ST_OK;
}

/* ---- heads of the others ---- */

uint64_t group_agreed(const struct group *g, uint16_t leaf)
{
    const struct ledger_leaf *f = ledger_leaf(g->ledger, leaf);
    uint64_t ours = f == NULL || f->last == LEDGER_NEVER ? 0 : f->last + 1;
    if (leaf == g->leaf) return ledger_count(g->ledger);
    return leaf < LEDGER_LEAVES_MAX && g->agreed[leaf] > ours ? g->agreed[leaf] : ours;
}

struct bytes group_proof(const struct group *g)
{
    return buf_view(&g->proof);
}

bool group_restored(const struct group *g)
{
    return g->restored;
}

const struct group_clock *group_clock(const struct group *g, uint64_t index)
{
    for (size_t i = 0; i < g->n_clocks; i++)
        if (g->clocks[i].index == index) return &g->clocks[i];
    return NULL;
}

uint64_t group_vote_ms(const struct group *g, const struct ledger_proposal *p)
{
    const struct group_clock *c = group_clock(g, p->index);
    return c == NULL ? 0 : c->seen_ms;
}

uint64_t group_epoch_ms(const struct group *g, uint64_t epoch)
{
    return epoch < g->n_rows ? g->rows[epoch].learned_ms : 0;
}

void group_use(struct group *g, uint64_t epoch)
{
    if (g->used || epoch != ledger_epoch(g->ledger)) return;
    g->used = g->dirty = true;
}

uint64_t group_settled(const struct group *g, uint64_t now_ms)
{
    uint64_t epoch = group_epoch(g), count = 0;
    while (epoch > 0 && group_epoch_ms(g, epoch) + GROUP_CONFIRM_MS > now_ms) epoch--;
    uint64_t index = ledger_epoch_index(g->ledger, epoch);
    if (index != LEDGER_NEVER) count = index + 1;
    for (size_t i = 0; i < GROUP_MARKS; i++)
        if (g->marks[i].count > count && g->marks[i].ms + GROUP_CONFIRM_MS <= now_ms)
            count = g->marks[i].count;
    return count;
}
