/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Who may sit in a room: protocol.md section 2. */
#include "core/feed/chain.h"
#include "core/room/rules_parts.h"

#include <string.h>

static const uint8_t nothing[32];

static bool collect_seat(void *arg, const uint8_t key[32])
{
    struct seat_list *s = arg;
    memcpy(s->ids[s->n++], key, 32);
    return s->n < ROOM_SEATS_MAX;
}

enum status rules_load_seats(const struct call *c, const uint8_t room[32], struct seat_list *s)
{
    memset(s, 0, sizeof *s);
    return c->store->seats(c->ctx, room, collect_seat, s);
}

size_t rules_find_seat(const struct seat_list *s, const uint8_t seat[32])
{
    for (size_t i = 0; i < s->n; i++)
        if (memcmp(s->ids[i], seat, 32) == 0) return i;
    return SIZE_MAX;
}

enum status rules_put_version(const struct call *c, uint64_t version)
{
    struct room_version v = {version};
    return fields_encode(&room_version_fields, &v, c->body);
}

enum status rules_add_record(const struct call *c, const uint8_t room[32],
                             const struct room_record *record)
{
    struct buf bytes;
    buf_init(&bytes, ROOM_RECORD_MAX);
    enum status st = fields_encode(&room_record_fields, record, &bytes);
    if (st == ST_OK) st = c->store->record_add(c->ctx, room, record->version, buf_view(&bytes));
    buf_free(&bytes);
    return st;
}

void rules_tell_seats(const struct call *c, const uint8_t room[32], uint64_t version, uint8_t kind,
                      const uint8_t seat[32])
{
    c->effect->event = RULES_SEATS;
    c->effect->number = version;
    c->effect->kind = kind;
    memcpy(c->effect->room, room, 32);
    memcpy(c->effect->key, seat, 32);
}

/* ---- create and attach ---- */

static uint64_t day_of(uint64_t now_ms)
{
    return now_ms - now_ms % ROOM_DAY_MS;
}

enum status rules_start_room(const struct call *c, const uint8_t room[32], uint64_t version)
{
    struct room_row row = {.version = version, .day_ms = day_of(c->who->now_ms)};
    enum status st = ST_OK;
    TRY(c->store->room_put(c->ctx, room, &row));
    for (uint8_t feed = 0; feed < ROOM_FEEDS; feed++) {
        struct room_feed_row f = {0};
        chain_start(room, feed, f.chain);
        memcpy(f.first_chain, f.chain, 32);
        TRY(c->store->feed_put(c->ctx, room, feed, &f));
    }
out:
    return st;
}

static enum status make_room(const struct call *c, const struct room_create *m)
{
    uint8_t proof[64];
    uint8_t sig[ROOM_SIG_ITEM];
    struct room_seat_row seat = {.current = 1};
    memcpy(proof, c->who->exporter, 32);
    memcpy(proof + 32, c->who->spki, 32);
    memcpy(sig, m->seat, 32);
    memcpy(sig + 32, m->sig, 64);
    struct room_record record = {
        .version = 1, .kind = ROOM_RECORD_CREATE, .proof = BYTES_OF(proof), .sigs = {sig, 1}};
    memcpy(record.seat, m->seat, 32);
    enum status st = ST_OK;
    TRY(rules_start_room(c, m->room, 1));
    TRY(c->store->seat_put(c->ctx, m->room, m->seat, &seat));
    TRY(rules_add_record(c, m->room, &record));
out:
    return st;
}

/* A create whose answer was lost is asked again: the room is there, and nothing but this seat. */
static enum status made_before(const struct call *c, const struct room_create *m,
                               const struct room_row *row)
{
    struct seat_list s;
    struct room_feed_row f;
    enum status st = ST_OK;
    TRY(rules_load_seats(c, m->room, &s));
    TRY(c->store->feed_get(c->ctx, m->room, 0, &f));
    if (row->version != 1 || s.n != 1 || rules_find_seat(&s, m->seat) != 0 || f.count != 0)
        st = ST_EXISTS;
out:
    return st;
}

enum status rules_create(const struct call *c, const void *msg)
{
    const struct room_create *m = msg;
    struct room_row row;
    uint64_t rooms = 0;
    enum status st = ST_OK;
    TRY(room_verify_create(m->seat, m->room, c->who->exporter, c->who->spki, m->sig));
    st = c->store->room_get(c->ctx, m->room, &row);
    if (st == ST_OK) {
        TRY(made_before(c, m, &row));
    } else if (st == ST_NOT_FOUND) {
        TRY(c->store->rooms(c->ctx, &rooms));
        if (rooms >= c->r->limits.rooms) return ST_QUOTA;
        TRY(make_room(c, m));
    } else {
        return st;
    }
    TRY(rules_put_attached(c, m->room, NULL));
out:
    return st;
}

enum status rules_attach(const struct call *c, const void *msg)
{
    const struct room_attach *m = msg;
    struct room_seat_row seat;
    struct room_row row;
    enum status st = ST_OK;
    TRY(room_verify_attach(m->seat, m->room, c->who->exporter, c->who->spki, m->sig));
    TRY(c->store->room_get(c->ctx, m->room, &row));
    TRY(c->store->seat_get(c->ctx, m->room, m->seat, &seat));
    if (!seat.current) {
        uint64_t until = seat.drop_ms + c->r->limits.dropped_ms;
        if (c->who->now_ms > until) return ST_NOT_FOUND;
        c->effect->dropped = true;
        return rules_put_attached(c, m->room, &seat);
    }
    /* Only the day is kept, and not of whom: enough to know an abandoned room. */
    if (row.day_ms != day_of(c->who->now_ms)) {
        row.day_ms = day_of(c->who->now_ms);
        TRY(c->store->room_put(c->ctx, m->room, &row));
    }
    TRY(rules_put_attached(c, m->room, NULL));
out:
    return st;
}

/* ---- add ---- */

typedef enum status verify_fn(const uint8_t signer[32], const uint8_t room[32],
                              const uint8_t seat[32], const uint8_t proposal[32],
                              const uint8_t sig[64]);

static enum status verify_drop(const uint8_t signer[32], const uint8_t room[32],
                               const uint8_t seat[32], const uint8_t proposal[32],
                               const uint8_t sig[64])
{
    (void)proposal;
    return room_verify_drop(signer, room, seat, sig);
}

/* Signatures of current seats, each counted once and copied to valid; others do not count. A false
 * signature under a current seat's name is refused as a whole: who brings it must be told. */
static enum status count_sigs(verify_fn *verify, struct seat_list *s, const uint8_t room[32],
                              const uint8_t seat[32], const uint8_t *proposal, struct list sigs,
                              struct buf *valid)
{
    size_t target = rules_find_seat(s, seat);
    for (size_t i = 0; i < sigs.n; i++) {
        const uint8_t *item = list_at(sigs, i, ROOM_SIG_ITEM);
        size_t at = rules_find_seat(s, item);
        if (at == SIZE_MAX || at == target || s->counted[at]) continue;
        enum status st = verify(item, room, seat, proposal, item + 32);
        if (st != ST_OK) return st;
        s->counted[at] = true;
        buf_raw(valid, item, ROOM_SIG_ITEM);
    }
    return buf_status(valid);
}

/* What speaks against adding, in the order in which the caller can do something about it. */
static enum status may_add(const struct call *c, const struct room_add_seat *m,
                           const struct room_row *room, const struct seat_list *s)
{
    struct room_seat_row row;
    uint64_t ever = 0;
    enum status st = c->store->seat_get(c->ctx, c->who->room, m->seat, &row);
    if (st == ST_OK && row.current && memcmp(row.proposal, m->proposal, 32) == 0) return ST_EXISTS;
    if (st == ST_OK) return ST_REPLAY;
    if (st != ST_NOT_FOUND) return st;
    st = c->store->proposal_used(c->ctx, c->who->room, m->proposal);
    if (st == ST_OK || memcmp(m->proposal, nothing, 32) == 0) return ST_REPLAY;
    if (st != ST_NOT_FOUND) return st;
    if (m->version != room->version) return ST_CONFLICT;
    st = c->store->seats_ever(c->ctx, c->who->room, &ever);
    if (st != ST_OK) return st;
    if (s->n >= c->r->limits.seats || s->n >= ROOM_SEATS_MAX || ever >= ROOM_SEATS_EVER_MAX)
        return ST_QUOTA;
    return ST_OK;
}

enum status rules_add_seat(const struct call *c, const void *msg)
{
    const struct room_add_seat *m = msg;
    const uint8_t *room = c->who->room;
    struct room_row row;
    struct seat_list s;
    struct buf valid;
    enum status st = ST_OK;
    buf_init(&valid, (size_t)ROOM_SEATS_MAX * ROOM_SIG_ITEM);
    TRY(c->store->room_get(c->ctx, room, &row));
    TRY(rules_load_seats(c, room, &s));
    st = may_add(c, m, &row, &s);
    if (st == ST_EXISTS || st == ST_CONFLICT) {
        enum status put = rules_put_version(c, row.version);
        if (put != ST_OK) st = put;
    }
    if (st != ST_OK) goto out;
    TRY(count_sigs(room_verify_add, &s, room, m->seat, m->proposal, m->sigs, &valid));
    size_t yes = valid.n / ROOM_SIG_ITEM;
    if (2 * yes <= s.n) {
        st = ST_DENIED;
        goto out;
    }
    row.version++;
    struct room_seat_row seat = {.current = 1};
    memcpy(seat.proposal, m->proposal, 32);
    struct room_record record = {.version = row.version,
                                 .kind = ROOM_RECORD_ADD,
                                 .proof = BYTES(m->proposal, 32),
                                 .sigs = {valid.p, yes}};
    memcpy(record.seat, m->seat, 32);
    TRY(c->store->seat_put(c->ctx, room, m->seat, &seat));
    TRY(rules_add_record(c, room, &record));
    TRY(c->store->room_put(c->ctx, room, &row));
    rules_tell_seats(c, room, row.version, ROOM_RECORD_ADD, m->seat);
    TRY(rules_put_version(c, row.version));
out:
    buf_free(&valid);
    return st;
}

/* ---- drop ---- */

/* The seat is current and the signatures were checked. below: entries of feed 0 it may still read;
 * index is what the record says. The last seat takes the room with it. */
static enum status drop(const struct call *c, const uint8_t room[32], const uint8_t seat[32],
                        size_t seats, uint64_t index, uint64_t below, struct list sigs)
{
    struct room_row row;
    struct room_seat_row gone;
    uint8_t proof[8];
    enum status st = ST_OK;
    if (seats == 1) {
        rules_tell_seats(c, room, 0, ROOM_RECORD_DROP, seat);
        c->effect->erased = true;
        TRY(c->store->room_erase(c->ctx, room));
        return rules_put_version(c, 0);
    }
    TRY(c->store->room_get(c->ctx, room, &row));
    TRY(c->store->seat_get(c->ctx, room, seat, &gone));
    row.version++;
    gone.current = 0;
    gone.drop_count = below;
    gone.drop_ms = c->who->now_ms;
    gone.read = gone.over = 0;
    put_u64(proof, index);
    struct room_record record = {
        .version = row.version, .kind = ROOM_RECORD_DROP, .proof = BYTES_OF(proof), .sigs = sigs};
    memcpy(record.seat, seat, 32);
    TRY(c->store->seat_put(c->ctx, room, seat, &gone));
    TRY(c->store->votes_drop(c->ctx, room, seat));
    TRY(rules_add_record(c, room, &record));
    TRY(c->store->room_put(c->ctx, room, &row));
    rules_tell_seats(c, room, row.version, ROOM_RECORD_DROP, seat);
    TRY(rules_put_version(c, row.version));
out:
    return st;
}

enum status rules_drop_seat(const struct call *c, const void *msg)
{
    const struct room_drop_seat *m = msg;
    struct seat_list s;
    struct room_feed_row f;
    uint8_t item[ROOM_SIG_ITEM];
    enum status st = ST_OK;
    TRY(rules_load_seats(c, m->room, &s));
    if (rules_find_seat(&s, m->seat) == SIZE_MAX) return ST_NOT_FOUND;
    TRY(room_verify_drop(m->seat, m->room, m->seat, m->sig));
    TRY(c->store->feed_get(c->ctx, m->room, 0, &f));
    memcpy(item, m->seat, 32);
    memcpy(item + 32, m->sig, 64);
    st = drop(c, m->room, m->seat, s.n, f.count, f.count, (struct list){item, 1});
out:
    return st;
}

/* Entries up to index, as far as there are any yet. */
static enum status readable(const struct call *c, uint64_t index, uint64_t *ret)
{
    struct room_feed_row f;
    enum status st = c->store->feed_get(c->ctx, c->who->room, 0, &f);
    if (st != ST_OK) return st;
    *ret = index < f.count ? index + 1 : f.count;
    return ST_OK;
}

enum status rules_drop_voted(const struct call *c, const void *msg)
{
    const struct room_drop_voted *m = msg;
    const uint8_t *room = c->who->room;
    struct seat_list s;
    struct buf valid;
    uint64_t below = 0;
    enum status st = ST_OK;
    buf_init(&valid, (size_t)ROOM_SEATS_MAX * ROOM_SIG_ITEM);
    TRY(rules_load_seats(c, room, &s));
    if (rules_find_seat(&s, m->seat) == SIZE_MAX) {
        st = ST_NOT_FOUND;
        goto out;
    }
    TRY(count_sigs(verify_drop, &s, room, m->seat, NULL, m->sigs, &valid));
    size_t yes = valid.n / ROOM_SIG_ITEM;
    if (2 * yes <= s.n - 1) {
        st = ST_DENIED;
        goto out;
    }
    TRY(readable(c, m->index, &below));
    TRY(drop(c, room, m->seat, s.n, m->index, below, (struct list){valid.p, yes}));
out:
    buf_free(&valid);
    return st;
}

struct tally {
    const struct seat_list *seats;
    struct buf valid;
    uint64_t index; /* the highest that was named: what it opens is capped by the feed */
};

static bool count_vote(void *arg, const uint8_t signer[32], uint64_t index, const uint8_t sig[64])
{
    struct tally *t = arg;
    if (rules_find_seat(t->seats, signer) == SIZE_MAX) return true;
    buf_raw(&t->valid, signer, 32);
    buf_raw(&t->valid, sig, 64);
    if (index > t->index) t->index = index;
    return true;
}

enum status rules_seat_vote(const struct call *c, const void *msg)
{
    const struct room_seat_vote *m = msg;
    const uint8_t *room = c->who->room;
    struct seat_list s;
    struct room_row row;
    uint64_t below = 0;
    struct tally t = {.seats = &s};
    enum status st = ST_OK;
    buf_init(&t.valid, (size_t)ROOM_SEATS_MAX * ROOM_SIG_ITEM);
    TRY(rules_load_seats(c, room, &s));
    st = ST_NOT_FOUND;
    if (rules_find_seat(&s, m->seat) == SIZE_MAX) goto out;
    st = ST_DENIED; /* its own seat a member drops by DROP_SEAT */
    if (memcmp(m->seat, c->who->seat, 32) == 0) goto out;
    TRY(room_verify_drop(c->who->seat, room, m->seat, m->sig));
    TRY(c->store->vote_put(c->ctx, room, m->seat, c->who->seat, m->index, m->sig));
    TRY(c->store->votes(c->ctx, room, m->seat, count_vote, &t));
    TRY(buf_status(&t.valid));
    size_t yes = t.valid.n / ROOM_SIG_ITEM;
    if (2 * yes > s.n - 1) {
        TRY(readable(c, t.index, &below));
        TRY(drop(c, room, m->seat, s.n, t.index, below, (struct list){t.valid.p, yes}));
    } else {
        TRY(c->store->room_get(c->ctx, room, &row));
        TRY(rules_put_version(c, row.version));
    }
out:
    buf_free(&t.valid);
    return st;
}

/* ---- the list ---- */

static bool add_blob(void *arg, struct bytes blob)
{
    struct buf *b = arg;
    if (b->n + blob.n > b->max) return false;
    buf_bytes(b, blob);
    return !b->bad;
}

enum status rules_seats(const struct call *c, const void *msg)
{
    const struct room_seats *m = msg;
    struct room_row row;
    struct seat_list s;
    struct buf records;
    enum status st = ST_OK;
    buf_init(&records, ROOM_BODY_MAX / 2);
    TRY(c->store->room_get(c->ctx, c->who->room, &row));
    TRY(rules_load_seats(c, c->who->room, &s));
    TRY(c->store->records(c->ctx, c->who->room, m->from, add_blob, &records));
    TRY(buf_status(&records));
    struct room_seat_list list = {
        .version = row.version, .seats = {s.ids[0], s.n}, .records = buf_view(&records)};
    TRY(fields_encode(&room_seat_list_fields, &list, c->body));
out:
    buf_free(&records);
    return st;
}
