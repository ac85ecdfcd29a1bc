/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What of a group does not stand in the sealed entries, as one row for the vault. */
#include "core/ledger/group_state.h"

#include "crypto/kem.h"
#include "crypto/secret.h"

#include <stdlib.h>
#include <string.h>

#define SAVE_VERSION 3
#define ROWS_MAX ((uint32_t)1 << 20)

enum {
    SAVED_WALKING = 1,
    SAVED_JOINED = 2,
    SAVED_FORKED = 4,
    SAVED_RESTORED = 8,
    SAVED_OUT = 16,
    SAVED_LOST = 32,
    SAVED_RENEWED = 64,
    SAVED_VETO_DEAD = 128
};

#define SEED_STALE 0x80 /* with the role of a seed */

static uint8_t flags_of(const struct group *g)
{
    return (uint8_t)((g->phase == GROUP_WALKING ? SAVED_WALKING : 0) |
                     (g->joined ? SAVED_JOINED : 0) | (g->forked ? SAVED_FORKED : 0) |
                     (g->restored ? SAVED_RESTORED : 0) | (g->out ? SAVED_OUT : 0) |
                     (g->lost ? SAVED_LOST : 0) | (g->renewed ? SAVED_RENEWED : 0) |
                     (g->veto_dead ? SAVED_VETO_DEAD : 0));
}

/* While saved entries are still being replayed the head that counts is the saved one. */
static void put_head(const struct group *g, struct buf *out)
{
    bool replay = ledger_count(g->ledger) < g->saved_count;
    buf_u64(out, replay ? g->saved_count : ledger_count(g->ledger));
    buf_raw(out, replay ? g->saved_chain : ledger_chain(g->ledger), 32);
    buf_u64(out, replay ? g->saved_epoch : ledger_epoch(g->ledger));
}

static void put_rows(const struct group *g, struct buf *out)
{
    buf_u32(out, (uint32_t)g->n_rows);
    for (size_t e = 0; e < g->n_rows; e++) {
        const struct group_row *row = &g->rows[e];
        buf_u8(out, row->flags);
        buf_u64(out, row->learned_ms);
        buf_raw(out, row->log, 32);
        if (row->flags & GROUP_ROW_FILE) {
            buf_raw(out, row->file_kek, 32);
            buf_raw(out, row->tree, 32);
        }
        if (row->flags & GROUP_ROW_ALL) {
            buf_raw(out, row->door, 32);
            buf_raw(out, row->receipts, 32);
            buf_raw(out, row->pair, 32);
        }
        if (row->flags & GROUP_ROW_SECRET) buf_raw(out, row->epoch_secret, 32);
    }
}

enum status group_save(const struct group *g, struct buf *out)
{
    buf_u8(out, SAVE_VERSION);
    buf_u8(out, flags_of(g));
    buf_raw(out, g->enclave_id, 32);
    buf_raw(out, g->room, 32);
    buf_raw(out, g->secrets->id_seed, 32);
    buf_raw(out, g->secrets->seat_seed, 32);
    buf_u64(out, g->add_index);
    buf_raw(out, g->add_chain, 32);
    buf_u64(out, g->add_epoch);
    buf_raw(out, g->add_log, 32);
    put_head(g, out);
    seen_put(&g->fork_mine, out);
    seen_put(&g->fork_theirs, out);
    buf_raw(out, g->secrets->init, 32);
    buf_raw(out, g->secrets->dedup, 32);
    buf_raw(out, g->secrets->placement, 32);
    buf_u64(out, g->generation);
    buf_u64(out, g->first_floor);
    buf_u64(out, g->head_ms);
    buf_u8(out, g->used);
    for (size_t i = 0; i < GROUP_MARKS; i++) {
        buf_u64(out, g->marks[i].count);
        buf_u64(out, g->marks[i].ms);
    }
    buf_u8(out, (uint8_t)g->n_clocks);
    for (size_t i = 0; i < g->n_clocks; i++) {
        buf_u64(out, g->clocks[i].index);
        buf_u64(out, g->clocks[i].seen_ms);
        buf_u64(out, g->clocks[i].passed_ms);
    }
    buf_u8(out, (uint8_t)g->n_veto);
    for (size_t i = 0; i < g->n_veto; i++) {
        buf_u32(out, g->secrets->veto[i].serial);
        buf_raw(out, g->secrets->veto[i].x, VETO_SCALAR);
    }
    buf_u32(out, g->veto_from);
    buf_raw(out, g->secrets->veto_seed, 32);
    for (size_t i = 0; i < LEDGER_LEAVES_MAX; i++) buf_u64(out, g->agreed[i]);
    buf_u32(out, (uint32_t)g->proof.n);
    buf_bytes(out, buf_view(&g->proof));
    buf_u8(out, (uint8_t)g->n_seeds);
    for (size_t i = 0; i < g->n_seeds; i++) {
        const struct group_seed *s = &g->secrets->seeds[i];
        buf_u8(out, (uint8_t)(s->role | (s->stale ? SEED_STALE : 0)));
        buf_u64(out, g->secrets->seeds[i].until);
        buf_raw(out, g->secrets->seeds[i].seed, 32);
    }
    size_t attempts = g->n_attempts < GROUP_ATTEMPTS ? g->n_attempts : GROUP_ATTEMPTS;
    buf_u8(out, (uint8_t)attempts);
    buf_raw(out, g->secrets->attempts, attempts * 32);
    buf_u8(out, (uint8_t)g->n_ballots);
    for (size_t i = 0; i < g->n_ballots; i++) {
        buf_raw(out, g->ballots[i].hash, 32);
        buf_u8(out, g->ballots[i].yes);
        buf_u16(out, g->ballots[i].n);
        buf_raw(out, g->ballots[i].body, g->ballots[i].n);
    }
    put_rows(g, out);
    return buf_status(out);
}

static enum status read_seeds(struct group *g, struct cursor *c)
{
    size_t n = cursor_u8(c);
    if (n > GROUP_SEEDS_MAX) return ST_INTEGRITY;
    for (size_t i = 0; i < n && !c->bad; i++) {
        struct group_seed *s = &g->secrets->seeds[i];
        uint8_t role = cursor_u8(c);
        s->role = role & (uint8_t)~SEED_STALE;
        s->stale = role & SEED_STALE;
        s->until = cursor_u64(c);
        cursor_copy(c, s->seed, 32);
        kem_public(s->seed, g->seed_pks[i]);
        g->n_seeds++;
    }
    g->n_attempts = cursor_u8(c);
    if (g->n_attempts > GROUP_ATTEMPTS) return ST_INTEGRITY;
    cursor_copy(c, g->secrets->attempts[0], g->n_attempts * 32);
    return ST_OK;
}

static enum status read_ballots(struct group *g, struct cursor *c)
{
    g->n_ballots = cursor_u8(c);
    if (g->n_ballots > GROUP_BALLOTS_MAX) return ST_INTEGRITY;
    for (size_t i = 0; i < g->n_ballots; i++) {
        struct group_ballot *b = &g->ballots[i];
        cursor_copy(c, b->hash, 32);
        b->yes = cursor_u8(c) != 0;
        b->n = cursor_u16(c);
        if (b->n > GROUP_BODY_MAX) return ST_INTEGRITY;
        cursor_copy(c, b->body, b->n);
    }
    return ST_OK;
}

static enum status read_rows(struct group *g, struct cursor *c)
{
    uint32_t n = cursor_u32(c);
    if (n > ROWS_MAX || n > c->left / 41 + 1) return ST_INTEGRITY;
    enum status st = group_rows(g, n);
    for (uint32_t e = 0; st == ST_OK && e < n; e++) {
        struct group_row *row = &g->rows[e];
        row->flags = cursor_u8(c);
        row->learned_ms = cursor_u64(c);
        cursor_copy(c, row->log, 32);
        if (row->flags & GROUP_ROW_FILE) {
            cursor_copy(c, row->file_kek, 32);
            cursor_copy(c, row->tree, 32);
        }
        if (row->flags & GROUP_ROW_ALL) {
            cursor_copy(c, row->door, 32);
            cursor_copy(c, row->receipts, 32);
            cursor_copy(c, row->pair, 32);
        }
        if (row->flags & GROUP_ROW_SECRET) cursor_copy(c, row->epoch_secret, 32);
    }
    return st;
}

static void read_start(struct group *g, struct cursor *c, uint8_t flags)
{
    g->phase = flags & SAVED_WALKING ? GROUP_WALKING : GROUP_LIVE;
    g->joined = flags & SAVED_JOINED;
    g->forked = flags & SAVED_FORKED;
    g->restored = flags & SAVED_RESTORED;
    g->out = flags & SAVED_OUT;
    g->lost = flags & SAVED_LOST;
    g->renewed = flags & SAVED_RENEWED;
    g->veto_dead = flags & SAVED_VETO_DEAD;
    g->add_index = cursor_u64(c);
    cursor_copy(c, g->add_chain, 32);
    g->add_epoch = cursor_u64(c);
    cursor_copy(c, g->add_log, 32);
    g->saved_count = cursor_u64(c);
    cursor_copy(c, g->saved_chain, 32);
    g->saved_epoch = cursor_u64(c);
    g->fork_mine = seen_read(c);
    g->fork_theirs = seen_read(c);
    cursor_copy(c, g->secrets->init, 32);
    cursor_copy(c, g->secrets->dedup, 32);
    cursor_copy(c, g->secrets->placement, 32);
    g->generation = cursor_u64(c);
    g->first_floor = cursor_u64(c);
    g->head_ms = cursor_u64(c);
    g->used = cursor_u8(c) != 0;
    for (size_t i = 0; i < GROUP_MARKS; i++) {
        g->marks[i].count = cursor_u64(c);
        g->marks[i].ms = cursor_u64(c);
    }
}

static enum status read_votes(struct group *g, struct cursor *c)
{
    g->n_clocks = cursor_u8(c);
    if (g->n_clocks > GROUP_CLOCKS_MAX) return ST_INTEGRITY;
    for (size_t i = 0; i < g->n_clocks; i++) {
        g->clocks[i].index = cursor_u64(c);
        g->clocks[i].seen_ms = cursor_u64(c);
        g->clocks[i].passed_ms = cursor_u64(c);
    }
    g->n_veto = cursor_u8(c);
    if (g->n_veto > GROUP_VETO_MAX) return ST_INTEGRITY;
    for (size_t i = 0; i < g->n_veto; i++) {
        g->secrets->veto[i].serial = cursor_u32(c);
        cursor_copy(c, g->secrets->veto[i].x, VETO_SCALAR);
    }
    g->veto_from = cursor_u32(c);
    cursor_copy(c, g->secrets->veto_seed, 32);
    for (size_t i = 0; i < LEDGER_LEAVES_MAX; i++) g->agreed[i] = cursor_u64(c);
    size_t n = cursor_u32(c);
    if (n > GROUP_PROOF_MAX) return ST_INTEGRITY;
    buf_bytes(&g->proof, cursor_take(c, n));
    return buf_status(&g->proof);
}

enum status group_load(struct bytes saved, struct group **ret)
{
    struct cursor c = cursor_of(saved);
    uint8_t version = cursor_u8(&c), flags = cursor_u8(&c);
    struct bytes ids = cursor_take(&c, 64), seeds = cursor_take(&c, 64);
    if (c.bad) return ST_INTEGRITY;
    if (version != SAVE_VERSION) return ST_VERSION;
    struct group *g = group_alloc(ids.p, ids.p + 32);
    if (g == NULL) return ST_NO_MEMORY;
    memcpy(g->secrets->id_seed, seeds.p, 32);
    memcpy(g->secrets->seat_seed, seeds.p + 32, 32);
    sign_public(seeds.p, g->id);
    read_start(g, &c, flags);
    enum status st = read_votes(g, &c);
    if (st == ST_OK) st = read_seeds(g, &c);
    if (st == ST_OK) st = read_ballots(g, &c);
    if (st == ST_OK) st = read_rows(g, &c);
    if (st == ST_OK && cursor_end(&c) != ST_OK) st = ST_INTEGRITY;
    if (st != ST_OK) {
        group_free(g);
        return st;
    }
    if (g->phase == GROUP_WALKING) chain_start(g->room, FEED_LEDGER, g->walk_chain);
    buf_init(&g->history, GROUP_HISTORY_MAX);
    g->dirty = false;
    *ret = g;
    return ST_OK;
}
