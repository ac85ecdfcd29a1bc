/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The rows that a node keeps of its private words. They never leave the
 * machine; a layout change raises STATE_VERSION.
 */
#include "core/mail/pair.h"

#include "core/mail/pair_inner.h"

#include <stdlib.h>
#include <string.h>

#define STATE_VERSION 1

bool pair_dirty(const struct pair *p, uint64_t *ret_row)
{
    if (p->n_dropped > 0) {
        *ret_row = (uint64_t)p->dropped[0] + 1;
        return true;
    }
    for (size_t i = 0; i < p->n_peers; i++)
        if (p->peers[i]->dirty) {
            *ret_row = (uint64_t)p->peers[i]->leaf + 1;
            return true;
        }
    *ret_row = 0;
    return p->head_dirty;
}

/* ---- row 0 ---- */

static void save_epochs(const struct pair *p, struct buf *out)
{
    buf_u16(out, (uint16_t)p->n_epochs);
    for (size_t i = 0; i < p->n_epochs; i++) {
        const struct pair_epoch *e = &p->epochs[i];
        buf_u64(out, e->epoch);
        buf_u64(out, e->opened_at);
        buf_u64(out, e->replaced_ms);
        buf_raw(out, e->secret, 32);
        buf_u16(out, e->n);
        for (size_t l = 0; l < e->n; l++) buf_u16(out, e->leaves[l]);
    }
}

static void save_head(const struct pair *p, struct buf *out)
{
    buf_u8(out, STATE_VERSION);
    buf_u16(out, p->own_leaf);
    buf_u64(out, p->tried);
    buf_u64(out, p->restored);
    save_epochs(p, out);
    buf_u16(out, (uint16_t)p->n_pending);
    for (size_t i = 0; i < p->n_pending; i++) {
        const struct pair_pending *w = &p->pending[i];
        buf_raw(out, w->hint, HINT_SIZE);
        buf_raw(out, w->hash, 32);
        buf_raw(out, w->uuid, 16);
        buf_u16(out, w->leaf);
        buf_u64(out, w->epoch);
    }
    buf_u16(out, (uint16_t)p->n_trace);
    for (size_t i = 0; i < p->n_trace; i++) {
        buf_u64(out, p->trace[i].index);
        buf_u64(out, p->trace[i].epoch);
        buf_raw(out, p->trace[i].uuid, 16);
        buf_u16(out, p->trace[i].leaf);
    }
    buf_u16(out, (uint16_t)p->n_late);
    for (size_t i = 0; i < p->n_late; i++) {
        buf_u16(out, p->late[i].leaf);
        buf_raw(out, p->late[i].uuid, 16);
    }
    buf_u16(out, (uint16_t)p->n_early);
    for (size_t i = 0; i < p->n_early; i++) {
        buf_u64(out, p->early[i].index);
        buf_u8(out, p->early[i].first);
        buf_raw(out, p->early[i].ss, KEM_SS);
    }
}

/* A count of at most max, or the cursor is bad. */
static size_t count_of(struct cursor *c, size_t max)
{
    size_t n = cursor_u16(c);
    if (n > max) c->bad = true;
    return c->bad ? 0 : n;
}

static void load_epochs(struct pair *p, struct cursor *c)
{
    p->n_epochs = count_of(c, MAIL_EPOCHS_MAX);
    for (size_t i = 0; i < p->n_epochs; i++) {
        struct pair_epoch *e = &p->epochs[i];
        e->epoch = cursor_u64(c);
        e->opened_at = cursor_u64(c);
        e->replaced_ms = cursor_u64(c);
        cursor_copy(c, e->secret, 32);
        e->n = (uint16_t)count_of(c, MAIL_LEAVES_MAX);
        for (size_t l = 0; l < e->n; l++) e->leaves[l] = cursor_u16(c);
        if (i > 0 && e->epoch <= p->epochs[i - 1].epoch) c->bad = true;
    }
}

static void load_lists(struct pair *p, struct cursor *c)
{
    p->n_pending = count_of(c, PAIR_UNSEEN_MAX);
    for (size_t i = 0; i < p->n_pending; i++) {
        struct pair_pending *w = &p->pending[i];
        cursor_copy(c, w->hint, HINT_SIZE);
        cursor_copy(c, w->hash, 32);
        cursor_copy(c, w->uuid, 16);
        w->leaf = cursor_u16(c);
        w->epoch = cursor_u64(c);
    }
    p->n_trace = count_of(c, PAIR_TRACE_MAX);
    for (size_t i = 0; i < p->n_trace; i++) {
        p->trace[i].index = cursor_u64(c);
        p->trace[i].epoch = cursor_u64(c);
        cursor_copy(c, p->trace[i].uuid, 16);
        p->trace[i].leaf = cursor_u16(c);
    }
    p->n_late = count_of(c, PAIR_TRACE_MAX);
    for (size_t i = 0; i < p->n_late; i++) {
        p->late[i].leaf = cursor_u16(c);
        cursor_copy(c, p->late[i].uuid, 16);
    }
    p->n_early = count_of(c, PAIR_EARLY_MAX);
    for (size_t i = 0; i < p->n_early; i++) {
        p->early[i].index = cursor_u64(c);
        p->early[i].first = cursor_u8(c) != 0;
        cursor_copy(c, p->early[i].ss, KEM_SS);
    }
}

static enum status load_head(struct pair *p, struct cursor *c)
{
    if (cursor_u8(c) != STATE_VERSION) return ST_VERSION;
    if (cursor_u16(c) != p->own_leaf) return ST_INTEGRITY;
    p->tried = cursor_u64(c);
    p->restored = cursor_u64(c);
    load_epochs(p, c);
    load_lists(p, c);
    if (cursor_end(c) == ST_OK) return ST_OK;
    p->n_epochs = p->n_pending = p->n_trace = p->n_late = p->n_early = 0;
    return ST_INTEGRITY;
}

/* ---- a peer ---- */

static void save_chains(const struct pair_peer *peer, struct buf *out)
{
    for (size_t i = 0; i < PAIR_CHAINS_MAX; i++) {
        const struct pair_chain *c = &peer->chains[i];
        buf_u8(out, c->used);
        if (!c->used) continue;
        buf_u8(out, c->stepped);
        buf_raw(out, c->talk, 16);
        buf_u32(out, c->turn);
        buf_u64(out, c->age);
        buf_u64(out, c->epoch);
        buf_raw(out, peer->secrets->chain[i].root, 32);
        buf_raw(out, peer->secrets->chain[i].sk, 32);
        hints_save(&c->hints, out);
    }
}

static void save_peer(const struct pair_peer *peer, struct buf *out)
{
    buf_u8(out, STATE_VERSION);
    buf_raw(out, peer->id, 32);
    buf_raw(out, peer->kem, KEM_PUBLIC);
    buf_u8(out, peer->present);
    buf_u8(out, peer->greet);
    buf_u64(out, peer->gone_ms);
    buf_u64(out, peer->blocked);
    buf_u8(out, peer->has_order);
    buf_u64(out, peer->order.epoch);
    buf_u32(out, peer->order.count);
    buf_raw(out, peer->order.talk, 16);
    buf_u16(out, (uint16_t)peer->n_recent);
    buf_u16(out, (uint16_t)peer->recent_at);
    for (size_t i = 0; i < peer->n_recent; i++) buf_u64(out, peer->recent[i]);
    buf_u8(out, peer->secrets != NULL);
    if (!peer->secrets) return;
    buf_u64(out, peer->age);
    buf_u8(out, (uint8_t)peer->whose);
    buf_u32(out, peer->turn);
    buf_raw(out, peer->peer_pk, KEM_PUBLIC);
    buf_raw(out, peer->secrets->root, 32);
    buf_raw(out, peer->secrets->secret, 32);
    buf_raw(out, peer->secrets->sk, 32);
    if (pair_sends(peer)) hints_save(&peer->send, out);
    save_chains(peer, out);
}

static enum status load_recent(struct pair_peer *peer, struct cursor *c)
{
    size_t n = count_of(c, PAIR_RECENT_MAX), room = 16;
    peer->recent_at = cursor_u16(c);
    if (c->bad || peer->recent_at >= PAIR_RECENT_MAX) return ST_INTEGRITY;
    while (room < n) room *= 2;
    peer->recent = calloc(room, sizeof *peer->recent);
    if (!peer->recent) return ST_NO_MEMORY;
    peer->recent_room = room;
    for (size_t i = 0; i < n; i++) peer->recent[i] = cursor_u64(c);
    peer->n_recent = n;
    return ST_OK;
}

static enum status load_chains(struct pair_peer *peer, struct cursor *in)
{
    for (size_t i = 0; i < PAIR_CHAINS_MAX; i++) {
        struct pair_chain *c = &peer->chains[i];
        if (cursor_u8(in) == 0) continue;
        c->stepped = cursor_u8(in) != 0;
        cursor_copy(in, c->talk, 16);
        c->turn = cursor_u32(in);
        c->age = cursor_u64(in);
        c->epoch = cursor_u64(in);
        cursor_copy(in, peer->secrets->chain[i].root, 32);
        cursor_copy(in, peer->secrets->chain[i].sk, 32);
        enum status st = hints_load(&c->hints, peer->secrets->chain[i].hints, in);
        if (st != ST_OK) return st;
        c->used = true;
    }
    return ST_OK;
}

static enum status load_talk(struct pair_peer *peer, struct cursor *c)
{
    enum status st = pair_peer_open(peer);
    if (st != ST_OK) return st;
    peer->age = cursor_u64(c);
    uint8_t whose = cursor_u8(c);
    uint32_t turn = cursor_u32(c);
    if (c->bad || whose > PAIR_THEIRS) return ST_INTEGRITY;
    cursor_copy(c, peer->peer_pk, KEM_PUBLIC);
    cursor_copy(c, peer->secrets->root, 32);
    cursor_copy(c, peer->secrets->secret, 32);
    cursor_copy(c, peer->secrets->sk, 32);
    peer->whose = (enum pair_whose)whose;
    peer->turn = turn;
    if (pair_sends(peer)) st = hints_load(&peer->send, peer->secrets->send, c);
    return st == ST_OK ? load_chains(peer, c) : st;
}

static enum status load_peer(struct pair *p, uint16_t leaf, struct cursor *c)
{
    struct pair_peer *peer = NULL;
    size_t n_dropped = p->n_dropped;
    if (cursor_u8(c) != STATE_VERSION) return ST_VERSION;
    struct bytes id = cursor_take(c, 32);
    if (c->bad || pair_peer_find(p, leaf) || leaf == p->own_leaf || p->n_peers == PAIR_PEERS_MAX)
        return ST_INTEGRITY;
    enum status st = pair_peer_insert(p, leaf, id.p, &peer);
    if (st != ST_OK) return st;
    cursor_copy(c, peer->kem, KEM_PUBLIC);
    peer->present = cursor_u8(c) != 0;
    peer->greet = cursor_u8(c) != 0;
    peer->gone_ms = cursor_u64(c);
    peer->blocked = cursor_u64(c);
    peer->has_order = cursor_u8(c) != 0;
    peer->order.epoch = cursor_u64(c);
    peer->order.count = cursor_u32(c);
    cursor_copy(c, peer->order.talk, 16);
    TRY(load_recent(peer, c));
    if (cursor_u8(c) != 0) TRY(load_talk(peer, c));
    st = cursor_end(c) == ST_OK ? ST_OK : ST_INTEGRITY;
out:
    if (st == ST_OK) return ST_OK;
    pair_drop_peer(p, leaf); /* half of a row is none */
    p->n_dropped = n_dropped;
    return st;
}

enum status pair_save(struct pair *p, uint64_t row, struct buf *out)
{
    if (row == 0) {
        save_head(p, out);
        p->head_dirty = false;
        return buf_status(out);
    }
    if (row - 1 > UINT16_MAX) return ST_OK;
    uint16_t leaf = (uint16_t)(row - 1);
    size_t kept = 0;
    for (size_t i = 0; i < p->n_dropped; i++)
        if (p->dropped[i] != leaf) p->dropped[kept++] = p->dropped[i];
    p->n_dropped = kept;
    struct pair_peer *peer = pair_peer_find(p, leaf);
    if (!peer) return ST_OK;
    save_peer(peer, out);
    peer->dirty = false;
    return buf_status(out);
}

enum status pair_load(struct pair *p, uint64_t row, struct bytes in)
{
    struct cursor c = cursor_of(in);
    if (row > (uint64_t)UINT16_MAX + 1) return ST_INTEGRITY;
    if (row != 0) return load_peer(p, (uint16_t)(row - 1), &c);
    enum status st = load_head(p, &c);
    if (st == ST_OK) p->head_dirty = false;
    return st;
}
