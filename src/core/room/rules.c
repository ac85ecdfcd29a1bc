/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "core/feed/chain.h"
#include "core/room/rules_parts.h"

#include <string.h>

struct rule {
    uint8_t type;
    bool seat; /* only for a current seat */
    const struct fields *fields;
    call_handler *handler;
};

static const struct rule *rule_of(uint8_t type)
{
    static const struct rule rules[] = {
        {ROOM_CREATE, false, &room_create_fields, rules_create},
        {ROOM_ATTACH, false, &room_attach_fields, rules_attach},
        {ROOM_ADD_SEAT, true, &room_add_seat_fields, rules_add_seat},
        {ROOM_DROP_SEAT, false, &room_drop_seat_fields, rules_drop_seat},
        {ROOM_DROP_VOTED, true, &room_drop_voted_fields, rules_drop_voted},
        {ROOM_SEAT_VOTE, true, &room_seat_vote_fields, rules_seat_vote},
        {ROOM_SEATS, true, &room_seats_fields, rules_seats},
        {ROOM_REHOME, false, &room_rehome_fields, rules_rehome},
        {ROOM_APPEND, true, &room_append_fields, rules_append},
        {ROOM_READ, false, &room_read_fields, rules_read}, /* a dropped seat may, a little */
        {ROOM_SUBSCRIBE, true, &room_subscribe_fields, rules_subscribe},
        {ROOM_DOOR_OPEN, true, &room_door_open_fields, rules_door_open},
        {ROOM_DOOR_CLOSE, true, &room_door_close_fields, rules_door_close},
        {ROOM_DOOR_READ, false, &room_door_read_fields, rules_door_read},
        {ROOM_KNOCK, false, &room_knock_fields, rules_knock},
        {ROOM_DOOR_KNOCKS, true, &room_door_knocks_fields, rules_door_knocks},
        {ROOM_DOOR_REPLY, true, &room_door_reply_fields, rules_door_reply},
        {ROOM_DOOR_POLL, false, &room_door_poll_fields, rules_door_poll},
    };
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++)
        if (rules[i].type == type) return &rules[i];
    return NULL;
}

union any_request {
    struct room_create create;
    struct room_attach attach;
    struct room_add_seat add_seat;
    struct room_drop_seat drop_seat;
    struct room_drop_voted drop_voted;
    struct room_seat_vote seat_vote;
    struct room_seats seats;
    struct room_rehome rehome;
    struct room_append append;
    struct room_read read;
    struct room_subscribe subscribe;
    struct room_door_open door_open;
    struct room_door_close door_close;
    struct room_door_read door_read;
    struct room_knock knock;
    struct room_door_knocks door_knocks;
    struct room_door_reply door_reply;
    struct room_door_poll door_poll;
};

/* The seat is looked up for each request: it may have been dropped since it attached. */
static enum status check_seat(const struct call *c)
{
    struct room_seat_row row;
    if (!c->who->attached) return ST_DENIED;
    enum status st = c->store->seat_get(c->ctx, c->who->room, c->who->seat, &row);
    if (st == ST_NOT_FOUND || (st == ST_OK && !row.current)) return ST_DENIED;
    return st;
}

enum status rules_run(const struct rules *r, const struct rules_caller *who, uint8_t type,
                      struct bytes payload, struct buf *body, struct rules_effect *ret)
{
    *ret = (struct rules_effect){0};
    buf_clear(body);
    const struct rule *rule = rule_of(type);
    if (rule == NULL) return ST_VERSION;
    union any_request msg;
    enum status st = ST_OK;
    struct call c = {r, r->store.ops, r->store.ctx, who, body, ret};
    TRY(fields_decode(rule->fields, payload, &msg));
    if (rule->seat) TRY(check_seat(&c));
    TRY(rule->handler(&c, &msg));
    TRY(buf_status(body));
out:
    if (st != ST_OK) {
        *ret = (struct rules_effect){0};
        if (st != ST_CONFLICT && st != ST_EXISTS) buf_clear(body);
    }
    return st;
}

/* ---- letting go ---- */

struct batch {
    uint8_t ids[ROOM_SWEEP_ROOMS][32];
    size_t n;
};

static bool collect(void *arg, const uint8_t key[32])
{
    struct batch *b = arg;
    memcpy(b->ids[b->n++], key, 32);
    return b->n < ROOM_SWEEP_ROOMS;
}

static uint64_t ago(uint64_t now_ms, uint64_t span_ms)
{
    return now_ms > span_ms ? now_ms - span_ms : 0;
}

static enum status sweep_room(const struct call *c, const uint8_t room[32], bool *erased)
{
    const struct room_limits *l = &c->r->limits;
    uint64_t now = c->who->now_ms;
    struct room_row row;
    enum status st = c->store->room_get(c->ctx, room, &row);
    if (st != ST_OK) return st;
    if (row.day_ms < ago(now, l->idle_ms)) {
        *erased = true;
        return c->store->room_erase(c->ctx, room);
    }
    TRY(c->store->doors_expire(c->ctx, room, now));
    TRY(c->store->knocks_expire(c->ctx, room, ago(now, l->reply_ms)));
    TRY(rules_trim(c, room, FEED_MAIL, ago(now, l->mail_ms)));
    TRY(rules_trim(c, room, FEED_RECEIPTS, ago(now, l->receipts_ms)));
out:
    return st;
}

enum status rules_sweep(const struct rules *r, uint64_t now_ms, uint8_t cursor[32], bool *ret_more,
                        bool *ret_erased)
{
    struct batch b = {.n = 0};
    struct rules_caller nobody = {.now_ms = now_ms};
    struct rules_effect effect = {0};
    struct call c = {r, r->store.ops, r->store.ctx, &nobody, NULL, &effect};
    bool erased = false;
    enum status st = ST_OK;
    TRY(c.store->rooms_after(c.ctx, cursor, collect, &b));
    for (size_t i = 0; i < b.n; i++) TRY(sweep_room(&c, b.ids[i], &erased));
    if (b.n == ROOM_SWEEP_ROOMS)
        memcpy(cursor, b.ids[b.n - 1], 32);
    else
        memset(cursor, 0, 32);
    *ret_more = b.n == ROOM_SWEEP_ROOMS;
    *ret_erased = erased;
out:
    return st;
}
