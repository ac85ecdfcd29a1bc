/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The rows that a node keeps of its mail. They never leave the machine; a
 * layout change raises STATE_VERSION.
 */
#include "core/mail/mail.h"

#include "core/mail/mail_inner.h"

#include <string.h>

#define STATE_VERSION 2

bool mail_dirty(const struct mail *m, uint64_t *ret_row)
{
    if (m->n_dropped > 0) {
        *ret_row = m->dropped[0];
        return true;
    }
    for (size_t i = 0; i < m->n_epochs; i++)
        if (m->epochs[i]->dirty) {
            *ret_row = m->epochs[i]->epoch + 1;
            return true;
        }
    *ret_row = 0;
    return m->head_dirty;
}

static void save_head(const struct mail *m, struct buf *out)
{
    buf_u8(out, STATE_VERSION);
    buf_u16(out, m->own_leaf);
    buf_u64(out, m->next_index);
    buf_raw(out, m->own_last, 32);
    buf_u64(out, m->restored_epoch);
    buf_u16(out, (uint16_t)m->n_pending);
    for (size_t i = 0; i < m->n_pending; i++) {
        buf_u64(out, m->pending[i].epoch);
        buf_u64(out, m->pending[i].n);
        buf_raw(out, m->pending[i].hash, 32);
        buf_raw(out, m->pending[i].uuid, 16);
    }
    buf_u16(out, (uint16_t)m->n_unknown);
    for (size_t i = 0; i < m->n_unknown; i++) buf_u64(out, m->unknown[i]);
    buf_u16(out, (uint16_t)m->n_recent);
    buf_u16(out, (uint16_t)m->recent_at);
    for (size_t i = 0; i < m->n_recent; i++) buf_u64(out, m->recent[i]);
    buf_u16(out, (uint16_t)m->n_late);
    buf_raw(out, m->late, m->n_late * 16);
}

static enum status load_head(struct mail *m, struct cursor *c)
{
    if (cursor_u8(c) != STATE_VERSION) return ST_VERSION;
    if (cursor_u16(c) != m->own_leaf) return ST_INTEGRITY;
    m->next_index = cursor_u64(c);
    cursor_copy(c, m->own_last, 32);
    m->restored_epoch = cursor_u64(c);
    m->n_pending = cursor_u16(c);
    if (m->n_pending > MAIL_UNSEEN_MAX) goto bad;
    for (size_t i = 0; i < m->n_pending; i++) {
        m->pending[i].epoch = cursor_u64(c);
        m->pending[i].n = cursor_u64(c);
        cursor_copy(c, m->pending[i].hash, 32);
        cursor_copy(c, m->pending[i].uuid, 16);
    }
    m->n_unknown = cursor_u16(c);
    if (m->n_unknown > MAIL_UNKNOWN_MAX) goto bad;
    for (size_t i = 0; i < m->n_unknown; i++) m->unknown[i] = cursor_u64(c);
    m->unknown_fresh = m->n_unknown > 0;
    m->n_recent = cursor_u16(c);
    m->recent_at = cursor_u16(c);
    if (m->n_recent > MAIL_RECENT || m->recent_at >= MAIL_RECENT) goto bad;
    for (size_t i = 0; i < m->n_recent; i++) m->recent[i] = cursor_u64(c);
    m->n_late = cursor_u16(c);
    if (m->n_late > MAIL_TRACE_MAX) goto bad;
    cursor_copy(c, m->late[0], m->n_late * 16);
    return cursor_end(c) == ST_OK ? ST_OK : ST_INTEGRITY;
bad:
    m->n_pending = m->n_unknown = m->n_recent = m->recent_at = m->n_late = 0;
    return ST_INTEGRITY;
}

/* The own numbers that count as used: never fewer than the row before said. */
static void promise(const struct mail *m, struct mail_epoch *e)
{
    const struct mail_chain *own = mail_chain_find(e, m->own_leaf);
    bool newest = m->epochs[m->n_epochs - 1] == e;
    if (own == NULL) return;
    uint64_t below = own->hints.next + (newest ? m->ahead : 0);
    if (below > e->spent) e->spent = below;
}

static void save_epoch(const struct mail *m, struct mail_epoch *e, struct buf *out)
{
    promise(m, e);
    buf_u8(out, STATE_VERSION);
    buf_u64(out, e->spent);
    buf_u64(out, e->opened_at);
    buf_u64(out, e->replaced_ms);
    buf_u16(out, (uint16_t)e->n);
    for (size_t i = 0; i < e->n; i++) {
        const struct mail_chain *c = &e->chains[i];
        buf_u16(out, c->leaf);
        buf_raw(out, c->id, 32);
        buf_u8(out, c->has_last);
        buf_raw(out, c->last, 32);
        buf_u64(out, c->stated_n);
        buf_u64(out, c->stated_at);
        hints_save(&c->hints, out);
    }
    buf_u16(out, (uint16_t)e->n_trace);
    for (size_t i = 0; i < e->n_trace; i++) {
        buf_u64(out, e->trace[i].index);
        buf_raw(out, e->trace[i].uuid, 16);
    }
}

static enum status load_chain(struct mail *m, struct mail_epoch *e, size_t i, struct cursor *c)
{
    struct mail_chain *chain = &e->chains[i];
    chain->leaf = cursor_u16(c);
    cursor_copy(c, chain->id, 32);
    chain->has_last = cursor_u8(c) != 0;
    cursor_copy(c, chain->last, 32);
    chain->stated_n = cursor_u64(c);
    chain->stated_at = cursor_u64(c);
    if (chain->stated_at != MAIL_NONE) m->n_stated++;
    return hints_load(&chain->hints, e->secrets + i * HINTS_SECRETS, c);
}

static enum status load_epoch(struct mail *m, uint64_t epoch, struct cursor *c)
{
    struct mail_epoch *e = NULL;
    if (cursor_u8(c) != STATE_VERSION) return ST_VERSION;
    uint64_t spent = cursor_u64(c), opened_at = cursor_u64(c), replaced_ms = cursor_u64(c);
    size_t n = cursor_u16(c);
    if (c->bad || n == 0 || n > MAIL_LEAVES_MAX || mail_epoch_find(m, epoch) ||
        m->n_epochs == MAIL_EPOCHS_MAX)
        return ST_INTEGRITY;
    enum status st = mail_epoch_insert(m, epoch, n, &e);
    if (st != ST_OK) return st;
    e->opened_at = opened_at;
    e->spent = e->used = spent;
    e->replaced_ms = replaced_ms;
    e->dirty = false;
    for (size_t i = 0; i < n && st == ST_OK; i++) st = load_chain(m, e, i, c);
    if (st != ST_OK) return st;
    e->n_trace = cursor_u16(c);
    if (e->n_trace > MAIL_TRACE_MAX) {
        e->n_trace = 0;
        return ST_INTEGRITY;
    }
    for (size_t i = 0; i < e->n_trace; i++) {
        e->trace[i].index = cursor_u64(c);
        cursor_copy(c, e->trace[i].uuid, 16);
    }
    return cursor_end(c) == ST_OK ? ST_OK : ST_INTEGRITY;
}

enum status mail_save(struct mail *m, uint64_t row, struct buf *out)
{
    if (row == 0) {
        save_head(m, out);
        m->head_dirty = false;
        return buf_status(out);
    }
    for (size_t i = 0; i < m->n_dropped; i++)
        if (m->dropped[i] == row) {
            m->n_dropped--;
            memmove(&m->dropped[i], &m->dropped[i + 1], (m->n_dropped - i) * sizeof m->dropped[0]);
            break;
        }
    struct mail_epoch *e = mail_epoch_find(m, row - 1);
    if (!e) return ST_OK;
    save_epoch(m, e, out);
    e->dirty = false;
    return buf_status(out);
}

enum status mail_load(struct mail *m, uint64_t row, struct bytes in)
{
    struct cursor c = cursor_of(in);
    if (row != 0) return load_epoch(m, row - 1, &c);
    enum status st = load_head(m, &c);
    if (st == ST_OK) m->head_dirty = false;
    return st;
}
