/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "core/room/hub_inner.h"

#include <stdlib.h>
#include <string.h>

struct hub *hub_new(const struct room_limits *limits, const struct hub_output *output)
{
    struct hub *h = calloc(1, sizeof *h);
    if (h == NULL) return NULL;
    h->limits = *limits;
    h->out = *output;
    return h;
}

void hub_free(struct hub *h)
{
    if (h == NULL) return;
    while (h->conns != NULL) {
        struct hub_conn *c = h->conns;
        while (c->circuits != NULL) { /* the other ends are freed with their own connections */
            struct circuit_end *e = c->circuits;
            c->circuits = e->next;
            free(e);
        }
        hub_conn_free(h, c);
    }
    struct hub_room *r, *next;
    HASH_ITER(hh, h->rooms, r, next)
    {
        HASH_DEL(h->rooms, r);
        free(r);
    }
    hub_meters_free(h);
    free(h);
}

struct hub_conn *hub_join(struct hub *h, void *handle, const uint8_t exporter[32],
                          const uint8_t spki[32], struct hub_now now)
{
    if (h->draining || h->numbers.connections >= h->limits.connections) return NULL;
    struct hub_conn *c = calloc(1, sizeof *c);
    if (c == NULL) return NULL;
    c->handle = handle;
    c->heard_ms = now.mono_ms;
    memcpy(c->exporter, exporter, 32);
    memcpy(c->spki, spki, 32);
    c->next = h->conns;
    if (h->conns != NULL) h->conns->prev = c;
    h->conns = c;
    h->numbers.connections++;
    return c;
}

void hub_gone(struct hub *h, struct hub_conn *c, struct hub_now now)
{
    (void)now;
    c->gone = true;
    hub_kill(h, c, ST_CLOSED);
    hub_settle(h);
    if (c->requests == 0) hub_conn_free(h, c);
}

void hub_writable(struct hub *h, struct hub_conn *c)
{
    if (c->dying || c->gone) return;
    hub_flush(h, c);
    hub_settle(h);
}

/* ---- what needs no store ---- */

static void on_ping(struct hub *h, struct hub_conn *c, uint32_t req, struct hub_now now)
{
    struct room_time t = {now.wall_ms};
    hub_reply_fields(h, c, req, &room_time_fields, &t);
}

static enum status signal_all(struct hub *h, struct hub_conn *c, const struct room_signal *m)
{
    struct room_signalled s = {.payload = m->payload};
    struct buf b = BUF_INIT;
    bool all = bytes_zero(BYTES_OF(m->to)), any = all;
    memcpy(s.from, c->seat, 32);
    enum status st = fields_encode(&room_signalled_fields, &s, &b);
    for (struct hub_conn *o = c->room->conns; o != NULL && st == ST_OK; o = o->room_next) {
        if (o == c || o->dropped || o->dying) continue;
        if (!all && memcmp(o->seat, m->to, 32) != 0) continue;
        any = true;
        hub_push(h, o, ROOM_SIGNALLED, buf_view(&b), 0); /* not stored: a slow one misses it */
    }
    buf_free(&b);
    if (st != ST_OK) return ST_BUSY;
    return any ? ST_OK : ST_NOT_FOUND;
}

static void on_signal(struct hub *h, struct hub_conn *c, struct bytes payload, struct hub_now now)
{
    struct room_signal m;
    enum status st = ST_OK;
    if (fields_decode(&room_signal_fields, payload, &m) != ST_OK) {
        hub_kill(h, c, ST_PROTOCOL);
        return;
    }
    if (c->room == NULL || c->dropped)
        st = ST_DENIED;
    else if (!bucket_take(&c->signals, h->limits.signals_minute * 60, h->limits.signals_minute, 1,
                          now.mono_ms))
        st = ST_BUSY;
    else
        st = signal_all(h, c, &m);
    hub_reply(h, c, m.req, st, BYTES_NONE);
}

static void on_present(struct hub *h, struct hub_conn *c, uint32_t req)
{
    uint8_t seats[ROOM_SEATS_MAX * 32];
    struct room_seat_set set = {.seats = {seats, 0}};
    if (c->room == NULL || c->dropped) {
        hub_reply(h, c, req, ST_DENIED, BYTES_NONE);
        return;
    }
    for (const struct hub_conn *o = c->room->conns; o != NULL; o = o->room_next)
        if (!o->dropped && !o->dying && set.seats.n < ROOM_SEATS_MAX)
            memcpy(seats + 32 * set.seats.n++, o->seat, 32);
    hub_reply_fields(h, c, req, &room_seat_set_fields, &set);
}

/* ---- what may be asked now ---- */

/* The turn rule of feed 0, by who is here: it needs no memory that outlives the connections. */
static bool others_turn(const struct hub_conn *c, struct hub_now now)
{
    const struct hub_room *r = c->room;
    if (!r->won || memcmp(r->winner, c->seat, 32) != 0) return false;
    for (const struct hub_conn *o = r->conns; o != NULL; o = o->room_next)
        if (o != c && o->lost_ms != 0 && now.mono_ms < o->lost_ms + ROOM_TURN_MS) return true;
    return false;
}

static enum status append_now(struct hub *h, struct hub_conn *c, struct bytes payload,
                              struct hub_now now)
{
    struct room_append m;
    enum status st = fields_decode(&room_append_fields, payload, &m);
    if (st != ST_OK) return st;
    if (c->room == NULL || c->dropped) return ST_DENIED;
    if (m.feed == 0 && others_turn(c, now)) return ST_BUSY;
    return hub_meter(h, c->seat, m.feed, m.sealed.n, now.mono_ms) ? ST_OK : ST_BUSY;
}

static enum status may_ask(struct hub *h, struct hub_conn *c, uint8_t type, struct bytes payload,
                           struct hub_now now)
{
    uint64_t a_minute = c->room != NULL ? h->limits.requests_minute : h->limits.strangers_minute;
    if (h->draining) return ST_BUSY;
    if (!bucket_take(&c->rate, a_minute * 60, a_minute, 1, now.mono_ms)) return ST_BUSY;
    if (type == ROOM_APPEND) return append_now(h, c, payload, now);
    if ((type == ROOM_ATTACH || type == ROOM_REHOME) && (c->room != NULL || c->attaching))
        return ST_PROTOCOL;
    if (type == ROOM_DOOR_POLL && h->polls >= h->limits.waiting_polls) return ST_BUSY;
    return ST_OK;
}

static void on_request(struct hub *h, struct hub_conn *c, uint8_t type, struct bytes payload,
                       struct hub_now now)
{
    struct cursor in = cursor_of(payload);
    uint32_t req = cursor_u32(&in);
    if (req == 0) {
        hub_kill(h, c, ST_PROTOCOL);
        return;
    }
    enum status st = may_ask(h, c, type, payload, now);
    if (st != ST_OK)
        hub_reply(h, c, req, st, BYTES_NONE);
    else if ((type == ROOM_PING || type == ROOM_PRESENT) && in.left > 0)
        hub_reply(h, c, req, ST_BAD_MESSAGE, BYTES_NONE);
    else if (type == ROOM_PING)
        on_ping(h, c, req, now);
    else if (type == ROOM_PRESENT)
        on_present(h, c, req);
    else if (type == ROOM_SIGNAL)
        on_signal(h, c, payload, now);
    else
        hub_submit(h, c, type, req, payload, now);
}

void hub_frame(struct hub *h, struct hub_conn *c, uint8_t type, struct bytes payload,
               struct hub_now now)
{
    if (c->dying || c->gone) return;
    c->heard_ms = now.mono_ms;
    if (type < ROOM_CREATE || type >= ROOM_REPLY)
        hub_kill(h, c, ST_PROTOCOL);
    else if (type >= ROOM_CIRCUIT_OPEN && type <= ROOM_CIRCUIT_CLOSE)
        hub_circuit_frame(h, c, type, payload);
    else
        on_request(h, c, type, payload, now);
    hub_settle(h);
}

/* ---- time ---- */

void hub_tick(struct hub *h, struct hub_now now)
{
    if (now.mono_ms >= h->tick_at_ms) {
        h->tick_at_ms = now.mono_ms + HUB_TICK_MS;
        for (struct hub_conn *c = h->conns; c != NULL; c = c->next)
            if (c->room == NULL && c->n_polls == 0 && c->requests == 0 && !c->dying &&
                now.mono_ms >= c->heard_ms + h->limits.stranger_ms)
                hub_kill(h, c, ST_TIMEOUT);
        hub_meters_forget(h, now.mono_ms);
    }
    if (now.mono_ms >= h->sweep_at_ms && !h->sweeping && !h->draining) hub_sweep(h, now);
    hub_settle(h);
}

uint64_t hub_next_ms(const struct hub *h)
{
    uint64_t next = h->draining ? UINT64_MAX : h->sweep_at_ms;
    if (h->conns != NULL && h->tick_at_ms < next) next = h->tick_at_ms;
    return next;
}

void hub_drain(struct hub *h)
{
    h->draining = true;
    for (struct hub_conn *c = h->conns; c != NULL; c = c->next)
        hub_circuits_end(h, c, ROOM_CIRCUIT_SHUTDOWN);
    hub_settle(h);
}

void hub_numbers(const struct hub *h, struct hub_numbers *ret)
{
    *ret = h->numbers;
}
