/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Connections: their queues, their place in a room, their end. */
#include "core/room/hub_inner.h"

#include <stdlib.h>
#include <string.h>

void hub_kill(struct hub *h, struct hub_conn *c, enum status why)
{
    if (c->dying) return;
    c->dying = true;
    c->why = why;
    c->dying_next = h->dying;
    h->dying = c;
}

/* ---- sending ---- */

static void drop_queue(struct hub *h, struct hub_conn *c)
{
    while (c->first != NULL) {
        struct frame_waiting *f = c->first;
        c->first = f->next;
        free(f);
    }
    h->numbers.pending_bytes -= c->pending;
    c->pending = 0;
    c->last = NULL;
}

static void enqueue(struct hub *h, struct hub_conn *c, uint8_t type, struct bytes payload)
{
    if (c->pending + payload.n > h->limits.pending_bytes ||
        h->numbers.pending_bytes + payload.n > h->limits.pending_total) {
        hub_kill(h, c, ST_BUSY);
        return;
    }
    struct frame_waiting *f = malloc(sizeof *f + payload.n);
    if (f == NULL) {
        hub_kill(h, c, ST_BUSY);
        return;
    }
    *f = (struct frame_waiting){.type = type, .n = payload.n};
    if (payload.n > 0) memcpy(f->bytes, payload.p, payload.n);
    if (c->last != NULL)
        c->last->next = f;
    else
        c->first = f;
    c->last = f;
    c->pending += f->n;
    h->numbers.pending_bytes += f->n;
    hub_flow(h, c);
}

void hub_send(struct hub *h, struct hub_conn *c, uint8_t type, struct bytes payload)
{
    if (c->dying || c->gone) return;
    if (c->first == NULL && h->out.send(h->out.ctx, c->handle, type, payload) != ST_BUSY) return;
    enqueue(h, c, type, payload);
}

void hub_push(struct hub *h, struct hub_conn *c, uint8_t type, struct bytes payload, uint8_t bit)
{
    if (c->dying || c->gone) return;
    /* Once something was left out, everything of its kind is until the client is told. */
    if (c->first == NULL && !(c->lag & bit) &&
        h->out.send(h->out.ctx, c->handle, type, payload) != ST_BUSY)
        return;
    c->lag |= bit;
}

void hub_send_fields(struct hub *h, struct hub_conn *c, uint8_t type, const struct fields *f,
                     const void *msg)
{
    struct buf b = BUF_INIT;
    if (fields_encode(f, msg, &b) == ST_OK)
        hub_send(h, c, type, buf_view(&b));
    else
        hub_kill(h, c, ST_BUSY);
    buf_free(&b);
}

void hub_reply(struct hub *h, struct hub_conn *c, uint32_t req, enum status st, struct bytes body)
{
    struct room_reply r = {.req = req, .result = (uint8_t)room_result_of(st), .body = body};
    hub_send_fields(h, c, ROOM_REPLY, &room_reply_fields, &r);
}

void hub_reply_fields(struct hub *h, struct hub_conn *c, uint32_t req, const struct fields *f,
                      const void *msg)
{
    struct buf b = BUF_INIT;
    enum status st = fields_encode(f, msg, &b);
    hub_reply(h, c, req, st, st == ST_OK ? buf_view(&b) : BYTES_NONE);
    buf_free(&b);
}

/* Who reads slowly or has much under way is not listened to until that is better. */
void hub_flow(struct hub *h, struct hub_conn *c)
{
    bool full =
        c->first != NULL || c->requests >= h->limits.requests || c->job_bytes >= HUB_JOB_BYTES;
    bool low = c->first == NULL && c->requests <= h->limits.requests / 2 &&
               c->job_bytes <= HUB_JOB_BYTES / 2;
    if (c->gone || c->dying) return;
    if (!c->paused && full) {
        c->paused = true;
        h->out.pause(h->out.ctx, c->handle, true);
    } else if (c->paused && low) {
        c->paused = false;
        h->out.pause(h->out.ctx, c->handle, false);
    }
}

void hub_flush(struct hub *h, struct hub_conn *c)
{
    while (c->first != NULL) {
        struct frame_waiting *f = c->first;
        if (h->out.send(h->out.ctx, c->handle, f->type, BYTES(f->bytes, f->n)) == ST_BUSY) return;
        c->first = f->next;
        if (c->first == NULL) c->last = NULL;
        c->pending -= f->n;
        h->numbers.pending_bytes -= f->n;
        free(f);
    }
    if (c->lag != 0) {
        uint8_t mask[1] = {c->lag};
        if (h->out.send(h->out.ctx, c->handle, ROOM_LAGGED, BYTES_OF(mask)) == ST_BUSY) return;
        c->lag = 0;
    }
    hub_flow(h, c);
}

/* ---- rooms ---- */

struct hub_room *hub_find_room(struct hub *h, const uint8_t room[32])
{
    struct hub_room *r = NULL;
    HASH_FIND(hh, h->rooms, room, 32, r);
    return r;
}

struct hub_conn *hub_find_seat(const struct hub_room *r, const uint8_t seat[32])
{
    for (struct hub_conn *c = r->conns; c != NULL; c = c->room_next)
        if (!c->dropped && !c->dying && memcmp(c->seat, seat, 32) == 0) return c;
    return NULL;
}

static void tell_presence(struct hub *h, const struct hub_conn *about, uint8_t on)
{
    uint8_t payload[33];
    memcpy(payload, about->seat, 32);
    payload[32] = on;
    for (struct hub_conn *c = about->room->conns; c != NULL; c = c->room_next)
        if (c != about && !c->dropped && (c->mask & ROOM_MASK_PRESENCE))
            hub_push(h, c, ROOM_PRESENCE, BYTES_OF(payload), ROOM_MASK_PRESENCE);
}

enum status hub_enter(struct hub *h, struct hub_conn *c, const uint8_t room[32],
                      const uint8_t seat[32], bool dropped)
{
    struct hub_room *r = hub_find_room(h, room);
    if (r == NULL) {
        r = calloc(1, sizeof *r);
        if (r == NULL) return ST_BUSY;
        memcpy(r->id, room, 32);
        HASH_ADD(hh, h->rooms, id, 32, r);
        if (r->hh.tbl == NULL) {
            free(r);
            return ST_BUSY;
        }
        h->numbers.rooms++;
    }
    /* The newer connection of a seat is the living one: the older may not know that it is dead. */
    for (struct hub_conn *o = r->conns; o != NULL; o = o->room_next)
        if (memcmp(o->seat, seat, 32) == 0) hub_kill(h, o, ST_CLOSED);
    c->room = r;
    c->dropped = dropped;
    c->mask = 0;
    memcpy(c->seat, seat, 32);
    c->room_prev = NULL;
    c->room_next = r->conns;
    if (r->conns != NULL) r->conns->room_prev = c;
    r->conns = c;
    h->numbers.attached++;
    if (!dropped) tell_presence(h, c, 1);
    return ST_OK;
}

void hub_leave(struct hub *h, struct hub_conn *c)
{
    struct hub_room *r = c->room;
    if (r == NULL) return;
    hub_circuits_end(h, c, ROOM_CIRCUIT_GONE);
    if (c->room_prev != NULL)
        c->room_prev->room_next = c->room_next;
    else
        r->conns = c->room_next;
    if (c->room_next != NULL) c->room_next->room_prev = c->room_prev;
    h->numbers.attached--;
    /* Replaced by a newer connection of the same seat, it did not go away. */
    if (!c->dropped && hub_find_seat(r, c->seat) == NULL) tell_presence(h, c, 0);
    c->room = NULL;
    c->mask = 0;
    if (r->conns == NULL) {
        HASH_DEL(h->rooms, r);
        free(r);
        h->numbers.rooms--;
    }
}

void hub_demote(struct hub *h, struct hub_conn *c)
{
    hub_circuits_end(h, c, ROOM_CIRCUIT_GONE);
    tell_presence(h, c, 0);
    c->dropped = true;
    c->mask = 0;
}

/* ---- the end ---- */

void hub_settle(struct hub *h)
{
    while (h->dying != NULL) {
        struct hub_conn *c = h->dying;
        h->dying = c->dying_next;
        if (c->closed) continue;
        c->closed = true;
        hub_leave(h, c);
        drop_queue(h, c);
        h->polls -= c->n_polls;
        c->n_polls = 0;
        if (!c->gone) h->out.close(h->out.ctx, c->handle, c->why);
    }
}

void hub_conn_free(struct hub *h, struct hub_conn *c)
{
    if (c->prev != NULL)
        c->prev->next = c->next;
    else
        h->conns = c->next;
    if (c->next != NULL) c->next->prev = c->prev;
    drop_queue(h, c);
    while (c->circuits != NULL) {
        struct circuit_end *e = c->circuits;
        c->circuits = e->next;
        free(e);
    }
    h->numbers.connections--;
    free(c);
}
