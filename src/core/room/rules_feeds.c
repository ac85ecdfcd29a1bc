/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The four feeds: compare-and-swap, free append, reading, what time takes. */
#include "core/feed/chain.h"
#include "core/feed/pad.h"
#include "core/room/rules_parts.h"

#include <string.h>

static enum status put_heads(const struct call *c, const uint8_t room[32],
                             const struct room_seat_row *dropped, uint8_t *heads);

enum status rules_put_attached(const struct call *c, const uint8_t room[32],
                               const struct room_seat_row *dropped)
{
    const struct room_limits *l = &c->r->limits;
    uint8_t heads[ROOM_FEEDS * ROOM_HEAD_ITEM];
    struct room_row row;
    enum status st = ST_OK;
    TRY(c->store->room_get(c->ctx, room, &row));
    TRY(put_heads(c, room, dropped, heads));
    struct room_attached a = {
        .time_ms = c->who->now_ms,
        .version = row.version,
        .dropped = dropped != NULL,
        .drop_count = dropped != NULL ? dropped->drop_count : 0,
        .heads = {heads, ROOM_FEEDS},
        .room_bytes = l->room_bytes,
        .mail_bytes = l->feed_bytes[FEED_MAIL],
        .mail_ms = l->mail_ms,
        .receipts_ms = l->receipts_ms,
        .idle_ms = l->idle_ms,
        .entries_hour = l->entries_hour > UINT32_MAX ? UINT32_MAX : (uint32_t)l->entries_hour,
    };
    TRY(fields_encode(&room_attached_fields, &a, c->body));
out:
    return st;
}

struct one_chain {
    uint64_t index;
    uint8_t *chain;
    bool found;
};

static bool take_chain(void *arg, const struct room_entry_row *e)
{
    struct one_chain *o = arg;
    o->found = e->index == o->index;
    if (o->found) memcpy(o->chain, e->chain, 32);
    return false;
}

/* The chain as it was when the feed had count entries. */
static enum status chain_at(const struct call *c, const uint8_t room[32], uint8_t feed,
                            const struct room_feed_row *f, uint64_t count, uint8_t ret[32])
{
    struct one_chain o = {count - 1, ret, false};
    if (count == f->first) {
        memcpy(ret, f->first_chain, 32);
        return ST_OK;
    }
    enum status st = c->store->entries(c->ctx, room, feed, count - 1, take_chain, &o);
    if (st != ST_OK) return st;
    return o.found ? ST_OK : ST_INTEGRITY;
}

/* A dropped seat sees feed 0 as it was up to its drop, and nothing of the others. */
static enum status put_heads(const struct call *c, const uint8_t room[32],
                             const struct room_seat_row *dropped, uint8_t *heads)
{
    for (uint8_t feed = 0; feed < ROOM_FEEDS; feed++) {
        struct room_feed_row f;
        enum status st = c->store->feed_get(c->ctx, room, feed, &f);
        if (st != ST_OK) return st;
        struct room_head h = {.count = f.count, .first = f.first};
        memcpy(h.chain, f.chain, 32);
        if (dropped != NULL && feed != FEED_LEDGER) h = (struct room_head){0};
        if (dropped != NULL && feed == FEED_LEDGER && dropped->drop_count < f.count) {
            h.count = dropped->drop_count;
            st = chain_at(c, room, feed, &f, h.count, h.chain);
            if (st != ST_OK) return st;
        }
        room_head_put(&h, heads + feed * ROOM_HEAD_ITEM);
    }
    return ST_OK;
}

enum status rules_subscribe(const struct call *c, const void *msg)
{
    const struct room_subscribe *m = msg;
    if (m->mask & ~(0x0F | ROOM_MASK_PRESENCE | ROOM_MASK_DOORS)) return ST_VERSION;
    return rules_put_attached(c, c->who->room, NULL);
}

/* ---- letting go ---- */

struct trim {
    struct room_feed_row *f;
    uint64_t before_ms;
    uint64_t most;
};

static bool trim_one(void *arg, const struct room_entry_row *e)
{
    struct trim *t = arg;
    if (e->time_ms >= t->before_ms && t->f->bytes <= t->most) return false;
    t->f->first = e->index + 1;
    memcpy(t->f->first_chain, e->chain, 32);
    t->f->bytes -= e->sealed.n;
    return true;
}

static enum status trim(const struct call *c, const uint8_t room[32], uint8_t feed,
                        struct room_feed_row *f, uint64_t before_ms, uint64_t most)
{
    struct trim t = {f, before_ms, most};
    uint64_t first = f->first;
    enum status st = c->store->entries(c->ctx, room, feed, first, trim_one, &t);
    if (st != ST_OK || f->first == first) return st;
    st = c->store->entries_drop(c->ctx, room, feed, f->first);
    if (st != ST_OK) return st;
    return c->store->feed_put(c->ctx, room, feed, f);
}

enum status rules_trim(const struct call *c, const uint8_t room[32], uint8_t feed,
                       uint64_t before_ms, uint64_t most)
{
    struct room_feed_row f;
    enum status st = c->store->feed_get(c->ctx, room, feed, &f);
    if (st != ST_OK) return st;
    return trim(c, room, feed, &f, before_ms, most);
}

/* ---- append ---- */

static enum status put_spot(const struct call *c, uint64_t index, const uint8_t chain[32])
{
    struct room_spot s = {.index = index};
    memcpy(s.chain, chain, 32);
    return fields_encode(&room_spot_fields, &s, c->body);
}

static enum status append_legal(const struct room_append *m)
{
    if (m->feed >= ROOM_FEEDS) return ST_VERSION;
    if (m->flags & ~ROOM_APPEND_EXPECT) return ST_VERSION;
    if (m->feed == FEED_LEDGER && !(m->flags & ROOM_APPEND_EXPECT)) return ST_PROTOCOL;
    if (!(m->flags & ROOM_APPEND_EXPECT) && (m->index != 0 || !bytes_zero(BYTES(m->chain, 32))))
        return ST_BAD_MESSAGE; /* one byte form */
    return pad_is_class(m->sealed.n) ? ST_OK : ST_BAD_MESSAGE;
}

/* Whether n more bytes fit; mail makes place for itself. */
static enum status make_place(const struct call *c, const struct room_append *m,
                              struct room_feed_row *f)
{
    const struct room_limits *l = &c->r->limits;
    uint64_t n = m->sealed.n, all = n;
    if (n > l->feed_bytes[m->feed]) return ST_QUOTA;
    if (m->feed == FEED_MAIL && f->bytes > l->feed_bytes[FEED_MAIL] - n) {
        enum status st = trim(c, c->who->room, FEED_MAIL, f, 0, l->feed_bytes[FEED_MAIL] - n);
        if (st != ST_OK) return st;
    }
    if (f->bytes > l->feed_bytes[m->feed] - n) return ST_QUOTA;
    for (uint8_t feed = 0; feed < ROOM_FEEDS; feed++) {
        struct room_feed_row other;
        enum status st = c->store->feed_get(c->ctx, c->who->room, feed, &other);
        if (st != ST_OK) return st;
        all += other.bytes;
    }
    return all <= l->room_bytes ? ST_OK : ST_QUOTA;
}

enum status rules_append(const struct call *c, const void *msg)
{
    const struct room_append *m = msg;
    const uint8_t *room = c->who->room;
    struct room_feed_row f;
    enum status st = ST_OK;
    TRY(append_legal(m));
    TRY(c->store->feed_get(c->ctx, room, m->feed, &f));
    if ((m->flags & ROOM_APPEND_EXPECT) &&
        (m->index != f.count || memcmp(m->chain, f.chain, 32) != 0)) {
        TRY(put_spot(c, f.count, f.chain));
        return ST_CONFLICT;
    }
    TRY(make_place(c, m, &f));
    struct room_entry_row e = {.index = f.count, .time_ms = c->who->now_ms, .sealed = m->sealed};
    chain_step(f.chain, m->sealed, e.chain);
    TRY(c->store->entry_add(c->ctx, room, m->feed, &e));
    f.count++;
    f.bytes += m->sealed.n;
    memcpy(f.chain, e.chain, 32);
    TRY(c->store->feed_put(c->ctx, room, m->feed, &f));
    c->effect->event = RULES_APPENDED;
    c->effect->feed = m->feed;
    c->effect->number = e.index;
    memcpy(c->effect->room, room, 32);
    memcpy(c->effect->chain, e.chain, 32);
    TRY(put_spot(c, e.index, e.chain));
out:
    return st;
}

/* ---- read ---- */

struct reading {
    const struct room_read *m;
    struct room_reading head;
    uint64_t count;
    uint64_t most; /* bytes */
    uint64_t taken;
    struct buf *body;
    struct buf entries;
    bool before; /* the first visit only brings the chain before start */
};

static bool read_one(void *arg, const struct room_entry_row *e)
{
    struct reading *r = arg;
    if (r->before) {
        r->before = false;
        memcpy(r->head.chain, e->chain, 32);
        return r->m->max > 0;
    }
    if (e->index >= r->count || r->taken >= r->m->max) return false;
    if (r->taken > 0 && r->entries.n + 4 + e->sealed.n > r->most) return false;
    buf_u32(&r->entries, (uint32_t)e->sealed.n);
    buf_bytes(&r->entries, e->sealed);
    r->taken++;
    return !r->entries.bad;
}

/* How much of the feed the caller may see: all, or for a dropped seat feed 0 up to its drop. */
static enum status read_bound(const struct call *c, const struct room_read *m,
                              const struct room_feed_row *f, uint64_t *ret_count)
{
    struct room_seat_row seat;
    enum status st = c->store->seat_get(c->ctx, c->who->room, c->who->seat, &seat);
    if (st == ST_NOT_FOUND) return ST_DENIED;
    if (st != ST_OK) return st;
    *ret_count = f->count;
    if (seat.current) return ST_OK;
    if (m->feed != FEED_LEDGER || c->who->now_ms > seat.drop_ms + c->r->limits.dropped_ms)
        return ST_DENIED;
    if (seat.drop_count < f->count) *ret_count = seat.drop_count;
    return ST_OK;
}

enum status rules_read(const struct call *c, const void *msg)
{
    const struct room_read *m = msg;
    const uint8_t *room = c->who->room;
    const size_t room_left = ROOM_BODY_MAX - 56;
    struct room_feed_row f;
    struct reading r = {.m = m, .most = m->max_bytes < room_left ? m->max_bytes : room_left};
    enum status st = ST_OK;
    buf_init(&r.entries, room_left);
    if (!c->who->attached) return ST_DENIED;
    if (m->feed >= ROOM_FEEDS) return ST_VERSION;
    st = c->store->feed_get(c->ctx, room, m->feed, &f);
    if (st == ST_NOT_FOUND) st = ST_DENIED; /* the room is gone */
    if (st != ST_OK) goto out;
    TRY(read_bound(c, m, &f, &r.count));
    uint64_t start = m->from < f.first ? f.first : m->from;
    if (start > r.count) start = r.count;
    r.before = start > f.first;
    r.head.first = f.first;
    r.head.count = r.count;
    r.head.start = start;
    memcpy(r.head.chain, f.first_chain, 32);
    TRY(c->store->entries(c->ctx, room, m->feed, r.before ? start - 1 : start, read_one, &r));
    TRY(buf_status(&r.entries));
    if (r.before) { /* the entry before start must exist */
        st = ST_INTEGRITY;
        goto out;
    }
    r.head.entries = buf_view(&r.entries);
    TRY(fields_encode(&room_reading_fields, &r.head, c->body));
out:
    buf_free(&r.entries);
    return st;
}
