/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Requests that last: out to the store's thread and back, then told to whom it concerns. */
#include "core/room/hub_inner.h"

#include <stdlib.h>
#include <string.h>

static struct hub_job *new_job(struct bytes payload)
{
    struct hub_job *j = calloc(1, sizeof *j);
    if (j == NULL) return NULL;
    buf_init(&j->payload, LINK_FRAME_MAX);
    buf_init(&j->body, ROOM_BODY_MAX);
    buf_bytes(&j->payload, payload);
    if (buf_status(&j->payload) != ST_OK) {
        hub_job_free(j);
        return NULL;
    }
    return j;
}

void hub_job_free(struct hub_job *j)
{
    if (j == NULL) return;
    buf_free(&j->payload);
    buf_free(&j->body);
    free(j);
}

void hub_job_link(struct hub_job *j, struct hub_job *next)
{
    j->next = next;
}

struct hub_job *hub_job_next(const struct hub_job *j)
{
    return j->next;
}

void hub_submit(struct hub *h, struct hub_conn *c, uint8_t type, uint32_t req, struct bytes payload,
                struct hub_now now)
{
    struct hub_job *j = NULL;
    if (c->requests < h->limits.requests + HUB_REQUESTS_OVER &&
        h->job_bytes + payload.n <= h->limits.pending_total)
        j = new_job(payload);
    if (j == NULL) {
        hub_reply(h, c, req, ST_BUSY, BYTES_NONE);
        return;
    }
    j->conn = c;
    j->type = type;
    j->req = req;
    j->who.now_ms = now.wall_ms;
    j->who.attached = c->room != NULL;
    if (c->room != NULL) memcpy(j->who.room, c->room->id, 32);
    memcpy(j->who.seat, c->seat, 32);
    memcpy(j->who.exporter, c->exporter, 32);
    memcpy(j->who.spki, c->spki, 32);
    if (type == ROOM_ATTACH) c->attaching = true;
    c->requests++;
    c->job_bytes += payload.n;
    h->job_bytes += payload.n;
    h->numbers.jobs++;
    hub_flow(h, c);
    h->out.job(h->out.ctx, j);
}

void hub_sweep(struct hub *h, struct hub_now now)
{
    struct hub_job *j = new_job(BYTES_NONE);
    h->sweep_at_ms = now.mono_ms + ROOM_SWEEP_MS;
    if (j == NULL) return;
    j->who.now_ms = now.wall_ms;
    h->sweeping = true;
    h->numbers.jobs++;
    h->out.job(h->out.ctx, j);
}

/* ---- on the store's thread ---- */

/* Faults of the store itself: after one of these its transaction cannot be trusted. */
static bool store_failed(enum status st)
{
    return st == ST_IO || st == ST_NO_SPACE || st == ST_NO_MEMORY || st == ST_INTEGRITY;
}

bool hub_job_run(struct hub_job *j, const struct rules *r)
{
    const struct room_store *s = &r->store;
    j->st = s->ops->mark(s->ctx);
    if (j->st != ST_OK) return false;
    if (j->conn == NULL)
        j->st = rules_sweep(r, j->who.now_ms, j->cursor, &j->more, &j->erased);
    else
        j->st = rules_run(r, &j->who, j->type, buf_view(&j->payload), &j->body, &j->effect);
    if (store_failed(j->st)) return false;
    if (j->st != ST_OK) {
        s->ops->undo(s->ctx);
        return true;
    }
    if (j->conn != NULL) j->erased = j->effect.erased;
    j->st = s->ops->keep(s->ctx);
    return j->st == ST_OK;
}

enum status hub_job_status(const struct hub_job *j)
{
    return j->st;
}

bool hub_job_erased(const struct hub_job *j)
{
    return j->st == ST_OK && j->erased;
}

void hub_job_failed(struct hub_job *j, enum status st)
{
    j->st = st == ST_OK ? ST_IO : st;
    j->effect = (struct rules_effect){0};
    j->erased = false;
    buf_clear(&j->body);
}

/* ---- back on the hub's thread ---- */

static void push_entry(struct hub *h, struct hub_room *r, const struct hub_job *j)
{
    struct room_append m;
    struct buf b = BUF_INIT;
    if (fields_decode(&room_append_fields, buf_view(&j->payload), &m) != ST_OK) return;
    struct room_entry e = {.feed = m.feed, .index = j->effect.number, .sealed = m.sealed};
    memcpy(e.chain, j->effect.chain, 32);
    uint8_t bit = (uint8_t)(1U << m.feed);
    if (fields_encode(&room_entry_fields, &e, &b) != ST_OK) b.n = 0;
    for (struct hub_conn *c = r->conns; c != NULL; c = c->room_next) {
        if (c == j->conn || c->dropped || !(c->mask & bit)) continue;
        if (b.n > 0)
            hub_push(h, c, ROOM_ENTRY, buf_view(&b), bit);
        else
            c->lag |= bit; /* out of memory: it will be told to read */
    }
    buf_free(&b);
}

static void push_seats(struct hub *h, struct hub_room *r, const struct hub_job *j)
{
    const struct rules_effect *e = &j->effect;
    struct room_seats_changed m = {.version = e->number, .kind = e->kind};
    memcpy(m.seat, e->key, 32);
    if (e->kind == ROOM_RECORD_DROP) {
        struct hub_conn *gone = hub_find_seat(r, e->key);
        if (gone != NULL) hub_demote(h, gone);
    }
    for (struct hub_conn *c = r->conns, *next; c != NULL; c = next) {
        next = c->room_next;
        hub_send_fields(h, c, ROOM_SEATS_CHANGED, &room_seats_changed_fields, &m);
        if (!e->erased) continue;
        if (e->kind == ROOM_RECORD_REHOME) { /* it was attached to the room that was */
            hub_kill(h, c, ST_CLOSED);
            continue;
        }
        bool last = next == NULL; /* the room's memory goes with its last connection */
        hub_leave(h, c);
        if (last) return;
    }
}

static void push_knock(struct hub *h, struct hub_room *r, const struct hub_job *j)
{
    struct room_knock m;
    struct buf b = BUF_INIT;
    if (fields_decode(&room_knock_fields, buf_view(&j->payload), &m) != ST_OK) return;
    struct room_knocked k = {.number = j->effect.number, .time_ms = j->who.now_ms, .blob = m.blob};
    memcpy(k.door, j->effect.key, 32);
    memcpy(k.reply, j->effect.reply, 32);
    if (fields_encode(&room_knocked_fields, &k, &b) == ST_OK)
        for (struct hub_conn *c = r->conns; c != NULL; c = c->room_next)
            if (!c->dropped && (c->mask & ROOM_MASK_DOORS))
                hub_push(h, c, ROOM_KNOCKED, buf_view(&b), ROOM_MASK_DOORS);
    buf_free(&b);
}

static void push_reply(struct hub *h, const struct hub_job *j)
{
    struct room_door_reply m;
    if (fields_decode(&room_door_reply_fields, buf_view(&j->payload), &m) != ST_OK) return;
    struct room_door_replied r = {.outcome = j->effect.kind, .blob = m.blob};
    memcpy(r.reply, j->effect.key, 32);
    for (struct hub_conn *c = h->conns; c != NULL; c = c->next)
        for (size_t i = 0; i < c->n_polls; i++)
            if (memcmp(c->polls[i].room, j->effect.room, 32) == 0 &&
                memcmp(c->polls[i].reply, j->effect.key, 32) == 0)
                hub_send_fields(h, c, ROOM_DOOR_REPLIED, &room_door_replied_fields, &r);
}

static void tell_others(struct hub *h, const struct hub_job *j)
{
    const struct rules_effect *e = &j->effect;
    struct hub_room *r = hub_find_room(h, e->room);
    if (e->event == RULES_REPLIED) push_reply(h, j);
    if (r == NULL) return;
    if (e->event == RULES_APPENDED) push_entry(h, r, j);
    if (e->event == RULES_KNOCKED) push_knock(h, r, j);
    if (e->event == RULES_SEATS) push_seats(h, r, j);
}

static void remember_poll(struct hub *h, struct hub_conn *c, const struct hub_job *j)
{
    struct room_door_poll m;
    if (fields_decode(&room_door_poll_fields, buf_view(&j->payload), &m) != ST_OK || m.wait != 1)
        return;
    for (size_t i = 0; i < c->n_polls; i++)
        if (memcmp(c->polls[i].reply, j->effect.key, 32) == 0) return;
    if (c->n_polls >= HUB_POLLS_MAX || h->polls >= h->limits.waiting_polls) return;
    memcpy(c->polls[c->n_polls].room, m.room, 32);
    memcpy(c->polls[c->n_polls].reply, j->effect.key, 32);
    c->n_polls++;
    h->polls++;
}

/* protocol.md 2: who has just won may not win again while another has just lost. */
static void note_race(struct hub_conn *c, const struct hub_job *j, struct hub_now now)
{
    struct room_append m;
    if (fields_decode(&room_append_fields, buf_view(&j->payload), &m) != ST_OK) return;
    if (m.feed != 0 || c->room == NULL) return;
    if (j->st == ST_OK) {
        memcpy(c->room->winner, c->seat, 32);
        c->room->won = true;
        c->lost_ms = 0;
    } else if (j->st == ST_CONFLICT) {
        c->lost_ms = now.mono_ms + 1;
    }
}

/* What the asking connection's own state takes from the answer, before it is sent. */
static void take_answer(struct hub *h, struct hub_conn *c, struct hub_job *j, struct hub_now now)
{
    if (j->type == ROOM_ATTACH) {
        struct room_attach m;
        c->attaching = false;
        if (j->st != ST_OK) return;
        if (fields_decode(&room_attach_fields, buf_view(&j->payload), &m) == ST_OK)
            j->st = hub_enter(h, c, m.room, m.seat, j->effect.dropped);
        if (j->st != ST_OK) buf_clear(&j->body);
        if (j->st == ST_OK) c->rate.used = false; /* a member's allowance, not a stranger's */
    } else if (j->type == ROOM_APPEND) {
        note_race(c, j, now);
    } else if (j->type == ROOM_SUBSCRIBE && j->st == ST_OK && c->room != NULL && !c->dropped) {
        struct room_subscribe m;
        if (fields_decode(&room_subscribe_fields, buf_view(&j->payload), &m) == ST_OK)
            c->mask = m.mask;
    } else if (j->type == ROOM_DOOR_POLL && j->st == ST_OK) {
        remember_poll(h, c, j);
    }
}

void hub_job_done(struct hub *h, struct hub_job *j, struct hub_now now)
{
    struct hub_conn *c = j->conn;
    h->numbers.jobs--;
    if (c == NULL) {
        h->sweeping = false;
        if (j->st == ST_OK && j->more && !h->draining) {
            struct hub_job *again = new_job(BYTES_NONE);
            if (again != NULL) {
                memcpy(again->cursor, j->cursor, 32);
                again->who.now_ms = now.wall_ms;
                h->sweeping = true;
                h->numbers.jobs++;
                h->out.job(h->out.ctx, again);
            }
        }
        hub_job_free(j);
        return;
    }
    c->requests--;
    c->job_bytes -= j->payload.n;
    h->job_bytes -= j->payload.n;
    if (!c->gone && !c->dying) {
        take_answer(h, c, j, now);
        hub_reply(h, c, j->req, j->st, buf_view(&j->body));
    }
    if (j->st == ST_OK) tell_others(h, j);
    hub_flow(h, c);
    hub_settle(h);
    if (c->gone && c->requests == 0) hub_conn_free(h, c);
    hub_job_free(j);
}
