/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Doors: where would-be members knock and are answered; protocol.md section 3. */
#include "core/room/rules_parts.h"
#include "crypto/hash.h"

#include <string.h>

enum status rules_door_open(const struct call *c, const void *msg)
{
    const struct room_door_open *m = msg;
    const uint8_t *room = c->who->room;
    uint64_t now = c->who->now_ms, expires = 0, doors = 0;
    struct buf record = BUF_INIT;
    enum status st = ST_OK;
    if (m->expires_ms <= now || m->expires_ms - now > ROOM_DOOR_DAYS_MAX * ROOM_DAY_MS ||
        m->record.n == 0)
        return ST_BAD_MESSAGE;
    st = c->store->door_get(c->ctx, room, m->door, &record, &expires);
    if (st == ST_OK) { /* asked again because the answer was lost */
        bool same = expires == m->expires_ms && bytes_same(buf_view(&record), m->record);
        st = same ? ST_OK : ST_EXISTS;
        goto out;
    }
    if (st != ST_NOT_FOUND) goto out;
    TRY(c->store->doors_expire(c->ctx, room, now));
    TRY(c->store->doors(c->ctx, room, &doors));
    if (doors >= c->r->limits.doors) {
        st = ST_QUOTA;
        goto out;
    }
    struct room_door_row row = {m->expires_ms, m->record};
    TRY(c->store->door_put(c->ctx, room, m->door, &row));
out:
    buf_free(&record);
    return st;
}

/* Knocks that are there already may still be answered. */
enum status rules_door_close(const struct call *c, const void *msg)
{
    const struct room_door_close *m = msg;
    return c->store->door_drop(c->ctx, c->who->room, m->door);
}

/* The door behind a token, if it is open. */
static enum status find_door(const struct call *c, const uint8_t room[32], const uint8_t token[32],
                             uint8_t ret_door[32], struct buf *record, uint64_t *ret_expires)
{
    sha256(BYTES(token, 32), ret_door);
    enum status st = c->store->door_get(c->ctx, room, ret_door, record, ret_expires);
    if (st == ST_OK && *ret_expires <= c->who->now_ms) st = ST_NOT_FOUND;
    return st;
}

enum status rules_door_read(const struct call *c, const void *msg)
{
    const struct room_door_read *m = msg;
    uint8_t door[32];
    struct buf record = BUF_INIT;
    struct room_door d = {.time_ms = c->who->now_ms};
    enum status st = ST_OK;
    TRY(find_door(c, m->room, m->token, door, &record, &d.expires_ms));
    d.record = buf_view(&record);
    TRY(fields_encode(&room_door_fields, &d, c->body));
out:
    buf_free(&record);
    return st;
}

static enum status may_knock(const struct call *c, const struct room_knock *m,
                             const uint8_t door[32])
{
    uint64_t here = 0, all = 0;
    uint8_t accepted[32];
    enum status st = c->store->knock_accepted(c->ctx, m->room, door, accepted);
    if (st == ST_OK) return ST_DENIED;
    if (st != ST_NOT_FOUND) return st;
    st = c->store->knocks_count(c->ctx, m->room, door, &here, &all);
    if (st != ST_OK) return st;
    return here < ROOM_KNOCKS_A_DOOR && all < c->r->limits.knocks ? ST_OK : ST_QUOTA;
}

enum status rules_knock(const struct call *c, const void *msg)
{
    const struct room_knock *m = msg;
    struct buf record = BUF_INIT, blob = BUF_INIT;
    struct room_knock_row row = {0};
    struct room_row room;
    uint8_t door[32];
    uint64_t expires = 0;
    enum status st = ST_OK;
    if (m->blob.n == 0) return ST_BAD_MESSAGE;
    TRY(find_door(c, m->room, m->token, door, &record, &expires));
    st = c->store->knock_get(c->ctx, m->room, m->reply, &row, &blob);
    if (st == ST_OK) { /* asked again because the answer was lost */
        bool same = memcmp(row.door, door, 32) == 0 && bytes_same(buf_view(&blob), m->blob);
        st = same ? ST_OK : ST_EXISTS;
        goto out;
    }
    if (st != ST_NOT_FOUND) goto out;
    TRY(may_knock(c, m, door));
    TRY(c->store->room_get(c->ctx, m->room, &room));
    row = (struct room_knock_row){
        .number = room.knocks, .time_ms = c->who->now_ms, .outcome = ROOM_OPEN, .blob = m->blob};
    memcpy(row.door, door, 32);
    memcpy(row.reply, m->reply, 32);
    room.knocks++;
    TRY(c->store->knock_put(c->ctx, m->room, &row));
    TRY(c->store->room_put(c->ctx, m->room, &room));
    c->effect->event = RULES_KNOCKED;
    c->effect->number = row.number;
    memcpy(c->effect->room, m->room, 32);
    memcpy(c->effect->key, door, 32);
    memcpy(c->effect->reply, m->reply, 32);
out:
    buf_free(&record);
    buf_free(&blob);
    return st;
}

struct knock_list {
    struct buf knocks;
    bool more;
};

static bool list_knock(void *arg, const struct room_knock_row *k)
{
    struct knock_list *l = arg;
    if (k->outcome != ROOM_OPEN) return true;
    struct room_knocked item = {.number = k->number, .time_ms = k->time_ms, .blob = k->blob};
    memcpy(item.door, k->door, 32);
    memcpy(item.reply, k->reply, 32);
    if (l->knocks.n + fields_size(&room_knocked_fields, &item) > l->knocks.max) {
        l->more = true;
        return false;
    }
    return fields_encode(&room_knocked_fields, &item, &l->knocks) == ST_OK;
}

enum status rules_door_knocks(const struct call *c, const void *msg)
{
    const struct room_door_knocks *m = msg;
    struct knock_list l = {.more = false};
    enum status st = ST_OK;
    buf_init(&l.knocks, ROOM_BODY_MAX / 2);
    TRY(c->store->knocks(c->ctx, c->who->room, m->from, list_knock, &l));
    TRY(buf_status(&l.knocks));
    struct room_knock_list list = {.more = l.more, .knocks = buf_view(&l.knocks)};
    TRY(fields_encode(&room_knock_list_fields, &list, c->body));
out:
    buf_free(&l.knocks);
    return st;
}

enum status rules_door_reply(const struct call *c, const void *msg)
{
    const struct room_door_reply *m = msg;
    const uint8_t *room = c->who->room;
    struct buf blob = BUF_INIT;
    struct room_knock_row row;
    uint8_t accepted[32];
    enum status st = ST_OK;
    if (m->outcome > ROOM_ACCEPTED || m->blob.n == 0) return ST_BAD_MESSAGE;
    TRY(c->store->knock_get(c->ctx, room, m->reply, &row, &blob));
    if (m->outcome == ROOM_ACCEPTED) {
        st = c->store->knock_accepted(c->ctx, room, row.door, accepted);
        if (st == ST_OK && memcmp(accepted, m->reply, 32) != 0) st = ST_CONFLICT;
        if (st != ST_OK && st != ST_NOT_FOUND) goto out;
    }
    /* A later PENDING or REFUSED does not take back what was said; the candidate reads them all. */
    if (m->outcome > row.outcome) row.outcome = m->outcome;
    row.time_ms = c->who->now_ms;
    row.blob = buf_view(&blob);
    TRY(c->store->knock_put(c->ctx, room, &row));
    TRY(c->store->reply_put(c->ctx, room, m->reply, c->who->seat, c->who->now_ms, m->blob));
    c->effect->event = RULES_REPLIED;
    c->effect->kind = row.outcome;
    memcpy(c->effect->room, room, 32);
    memcpy(c->effect->key, m->reply, 32);
out:
    buf_free(&blob);
    return st;
}

static bool list_reply(void *arg, struct bytes blob)
{
    struct buf *b = arg;
    if (b->n + 2 + blob.n > b->max) return false;
    struct room_reply_blob item = {blob};
    return fields_encode(&room_reply_blob_fields, &item, b) == ST_OK;
}

enum status rules_door_poll(const struct call *c, const void *msg)
{
    const struct room_door_poll *m = msg;
    struct buf blob = BUF_INIT, replies;
    struct room_knock_row row;
    enum status st = ST_OK;
    buf_init(&replies, ROOM_BODY_MAX - 1);
    if (m->wait > 1) return ST_BAD_MESSAGE;
    sha256(BYTES(m->token, 32), c->effect->key);
    memcpy(c->effect->room, m->room, 32);
    TRY(c->store->knock_get(c->ctx, m->room, c->effect->key, &row, &blob));
    TRY(c->store->replies(c->ctx, m->room, c->effect->key, list_reply, &replies));
    TRY(buf_status(&replies));
    struct room_replies r = {.outcome = row.outcome, .blobs = buf_view(&replies)};
    TRY(fields_encode(&room_replies_fields, &r, c->body));
out:
    buf_free(&replies);
    buf_free(&blob);
    return st;
}
