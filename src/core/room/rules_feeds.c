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
    uint64_t before_ms; /* older entries go, read or not */
    uint64_t below;     /* of those below this index as many go ... */
    uint64_t most;      /* ... until no more bytes than these are left */
};

static bool trim_one(void *arg, const struct room_entry_row *e)
{
    struct trim *t = arg;
    bool old = e->time_ms < t->before_ms, spare = e->index < t->below && t->f->bytes > t->most;
    if (!old && !spare) return false;
    t->f->first = e->index + 1;
    memcpy(t->f->first_chain, e->chain, 32);
    t->f->bytes -= e->sealed.n;
    return true;
}

static enum status trim(const struct call *c, const uint8_t room[32], uint8_t feed, struct trim *t)
{
    struct room_feed_row *f = t->f;
    uint64_t first = f->first, bytes = f->bytes, half = c->r->limits.feed_bytes[feed] / 2;
    enum status st = c->store->entries(c->ctx, room, feed, first, trim_one, t);
    if (st != ST_OK || f->first == first) return st;
    TRY(c->store->entries_drop(c->ctx, room, feed, f->first));
    TRY(c->store->feed_put(c->ctx, room, feed, f));
    if (feed == FEED_MAIL && bytes > half && f->bytes <= half)
        TRY(c->store->seats_even(c->ctx, room));
out:
    return st;
}

enum status rules_trim(const struct call *c, const uint8_t room[32], uint8_t feed,
                       uint64_t before_ms)
{
    struct room_feed_row f;
    struct trim t = {.f = &f, .before_ms = before_ms};
    enum status st = c->store->feed_get(c->ctx, room, feed, &f);
    return st == ST_OK ? trim(c, room, feed, &t) : st;
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
    bool expect = (m->flags & ROOM_APPEND_EXPECT) != 0, start = (m->flags & ROOM_APPEND_START) != 0;
    if (m->feed >= ROOM_FEEDS) return ST_VERSION;
    if (m->flags & ~(ROOM_APPEND_EXPECT | ROOM_APPEND_START)) return ST_VERSION;
    if (m->feed == FEED_LEDGER && !expect) return ST_PROTOCOL;
    if (start && (!expect || m->feed != FEED_MAIL)) return ST_PROTOCOL;
    if (start && (m->index == 0 || m->index > ROOM_APPEND_START_MAX)) return ST_BAD_MESSAGE;
    if (!expect && (m->index != 0 || !bytes_zero(BYTES(m->chain, 32))))
        return ST_BAD_MESSAGE; /* one byte form */
    return pad_is_class(m->sealed.n) ? ST_OK : ST_BAD_MESSAGE;
}

/* Above half full what every current seat has read goes, some more of it than is needed now. */
static enum status make_mail_place(const struct call *c, uint64_t n, struct room_feed_row *f)
{
    uint64_t half = c->r->limits.feed_bytes[FEED_MAIL] / 2, leave = half - half / 8;
    struct trim t = {.f = f, .most = leave > n ? leave - n : 0};
    if (f->bytes + n <= half) return ST_OK;
    enum status st = c->store->seats_read(c->ctx, c->who->room, &t.below);
    if (st != ST_OK || t.below <= f->first) return st;
    return trim(c, c->who->room, FEED_MAIL, &t);
}

/* The upper half is divided evenly among the seats, so that no one of them locks out the others. */
static enum status take_part(const struct call *c, uint64_t n, const struct room_feed_row *f)
{
    uint64_t half = c->r->limits.feed_bytes[FEED_MAIL] / 2;
    struct seat_list seats;
    struct room_seat_row seat;
    enum status st = ST_OK;
    if (f->bytes + n <= half) return ST_OK;
    TRY(rules_load_seats(c, c->who->room, &seats));
    TRY(c->store->seat_get(c->ctx, c->who->room, c->who->seat, &seat));
    if (seats.n == 0 || seat.over + n > half / seats.n) return ST_QUOTA;
    seat.over += n;
    TRY(c->store->seat_put(c->ctx, c->who->room, c->who->seat, &seat));
out:
    return st;
}

/* Whether n more bytes fit, for this seat. Full is refused: what somebody has not read stays. */
static enum status make_place(const struct call *c, const struct room_append *m,
                              struct room_feed_row *f)
{
    const struct room_limits *l = &c->r->limits;
    uint64_t n = m->sealed.n, all = n;
    enum status st = ST_OK;
    if (n > l->feed_bytes[m->feed]) return ST_QUOTA;
    if (m->feed == FEED_MAIL) TRY(make_mail_place(c, n, f));
    if (f->bytes > l->feed_bytes[m->feed] - n) return ST_QUOTA;
    for (uint8_t feed = 0; feed < ROOM_FEEDS; feed++) {
        struct room_feed_row other;
        TRY(c->store->feed_get(c->ctx, c->who->room, feed, &other));
        all += other.bytes;
    }
    if (all > l->room_bytes) return ST_QUOTA;
    if (m->feed == FEED_MAIL) TRY(take_part(c, n, f));
out:
    return st;
}

enum status rules_append(const struct call *c, const void *msg)
{
    const struct room_append *m = msg;
    const uint8_t *room = c->who->room;
    struct room_feed_row f;
    enum status st = ST_OK;
    TRY(append_legal(m));
    TRY(c->store->feed_get(c->ctx, room, m->feed, &f));
    if ((m->flags & ROOM_APPEND_START) && f.count == 0) {
        f.count = f.first = m->index;
        memcpy(f.chain, m->chain, 32);
        memcpy(f.first_chain, m->chain, 32);
    }
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

/* How much of the feed the caller may see: all, or for a dropped seat feed 0 up to its drop. What it says
 * to have of the mail is kept: by that it is known what may be let go of. */
static enum status read_bound(const struct call *c, const struct room_read *m,
                              const struct room_feed_row *f, uint64_t *ret_count)
{
    struct room_seat_row seat;
    enum status st = c->store->seat_get(c->ctx, c->who->room, c->who->seat, &seat);
    if (st == ST_NOT_FOUND) return ST_DENIED;
    if (st != ST_OK) return st;
    *ret_count = f->count;
    if (seat.current && m->feed == FEED_MAIL && seat.read != m->have) {
        seat.read = m->have;
        return c->store->seat_put(c->ctx, c->who->room, c->who->seat, &seat);
    }
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
    if (m->feed != FEED_MAIL && m->have != 0) return ST_BAD_MESSAGE;
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
