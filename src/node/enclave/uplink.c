/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "node/enclave/uplink.h"

#include <stdlib.h>
#include <string.h>

static const struct sm_state states[] = {
    [UPLINK_IDLE] = {"idle", SM_BIT(UPLINK_DIALLING) | SM_BIT(UPLINK_WAITING)},
    [UPLINK_DIALLING] = {"dialling",
                         SM_BIT(UPLINK_UP) | SM_BIT(UPLINK_WAITING) | SM_BIT(UPLINK_IDLE)},
    [UPLINK_UP] = {"up", SM_BIT(UPLINK_WAITING) | SM_BIT(UPLINK_IDLE)},
    [UPLINK_WAITING] = {"waiting", SM_BIT(UPLINK_DIALLING) | SM_BIT(UPLINK_IDLE)},
};
static const struct sm_table table = {"uplink", states, 4};

void uplink_init(struct uplink *u, const struct env *env, const struct link_port *port,
                 const struct uplink_events *events, void *arg)
{
    *u = (struct uplink){.env = env, .port = *port, .events = events, .arg = arg, .next_req = 1};
    u->pause_ms = UPLINK_PAUSE_MIN_MS;
    sm_init(&u->sm, &table, UPLINK_IDLE);
}

bool uplink_up(const struct uplink *u)
{
    return u->sm.state == UPLINK_UP;
}

bool uplink_waiting(const struct uplink *u)
{
    return u->sm.table != NULL && u->sm.state == UPLINK_WAITING;
}

static void drop_frames(struct uplink *u)
{
    while (u->first != NULL) {
        struct uplink_frame *f = u->first;
        u->first = f->next;
        bytes_wipe(f->bytes, f->n);
        free(f);
    }
    u->last = NULL;
    u->waiting = 0;
}

/* The list is taken away first: a done may make new requests. */
static void fail_requests(struct uplink *u, enum status why)
{
    struct uplink_request *list = u->requests;
    size_t n = u->n_requests;
    u->requests = NULL;
    u->n_requests = 0;
    for (size_t i = 0; i < n; i++)
        if (list[i].done != NULL) list[i].done(list[i].arg, why, BYTES_NONE);
    free(list);
}

/* Half of the pause is drawn, so that members do not come back all at once. */
static void wait_before_dialling(struct uplink *u)
{
    uint8_t draw[4];
    env_random(u->env, draw, sizeof draw);
    u->dial_at_ms = env_mono_ms(u->env) + u->pause_ms / 2 + get_u32(draw) % (u->pause_ms / 2 + 1);
    u->pause_ms = u->pause_ms * 2 > UPLINK_PAUSE_MAX_MS ? UPLINK_PAUSE_MAX_MS : u->pause_ms * 2;
}

static void let_go(struct uplink *u)
{
    if (u->line != NULL) u->line->owner = NULL;
    u->line = NULL;
    u->link = NULL;
}

static void went_down(struct uplink *u, enum status why)
{
    let_go(u);
    u->why = why;
    drop_frames(u);
    sm_move(&u->sm, UPLINK_WAITING);
    wait_before_dialling(u);
    fail_requests(u, ST_CLOSED);
    u->events->down(u->arg, why);
}

static struct uplink *owner_of(void *line)
{
    return ((struct uplink_line *)line)->owner;
}

static void on_opened(void *arg, struct link *l, const struct link_peer *peer)
{
    struct uplink *u = owner_of(arg);
    (void)l;
    if (u == NULL) return;
    sm_move(&u->sm, UPLINK_UP);
    u->events->ready(u->arg, peer);
}

static void on_reply(struct uplink *u, struct bytes payload)
{
    struct room_reply reply;
    if (fields_decode(&room_reply_fields, payload, &reply) != ST_OK) {
        uplink_redial(u, ST_BAD_MESSAGE);
        return;
    }
    for (size_t i = 0; i < u->n_requests; i++) {
        if (u->requests[i].req != reply.req) continue;
        struct uplink_request found = u->requests[i];
        enum status st = room_status_of(reply.result);
        u->requests[i] = u->requests[--u->n_requests];
        /* Only what went well makes the next dialling quick: who is turned away comes back slowly. */
        if (st == ST_OK) u->pause_ms = UPLINK_PAUSE_MIN_MS;
        if (found.done != NULL) found.done(found.arg, st, reply.body);
        return;
    }
    uplink_redial(u, ST_PROTOCOL);
}

static void on_frame(void *arg, struct link *l, uint8_t type, struct bytes payload)
{
    struct uplink *u = owner_of(arg);
    (void)l;
    if (u == NULL || !uplink_up(u)) return;
    if (type == ROOM_REPLY)
        on_reply(u, payload);
    else
        u->events->push(u->arg, type, payload);
}

static void on_writable(void *arg, struct link *l)
{
    struct uplink *u = owner_of(arg);
    if (u == NULL) return;
    while (u->first != NULL) {
        struct uplink_frame *f = u->first;
        if (u->port.ops->send(l, f->type, BYTES(f->bytes, f->n)) != ST_OK) return;
        u->first = f->next;
        if (u->first == NULL) u->last = NULL;
        u->waiting -= f->n;
        bytes_wipe(f->bytes, f->n);
        free(f);
    }
}

static void on_closed(void *arg, struct link *l, enum status why)
{
    struct uplink *u = owner_of(arg);
    (void)l;
    if (u != NULL) went_down(u, why == ST_OK ? ST_CLOSED : why);
    free(arg);
}

static const struct link_events link_events = {on_opened, on_frame, on_writable, on_closed};

void uplink_dial(struct uplink *u)
{
    struct link_route route;
    bool routed = false;
    sm_move(&u->sm, UPLINK_DIALLING);
    u->line = calloc(1, sizeof *u->line);
    enum status st = u->line == NULL ? ST_NO_MEMORY : ST_OK;
    if (st == ST_OK && u->events->route != NULL) st = u->events->route(u->arg, &route, &routed);
    if (st == ST_OK) {
        u->line->owner = u;
        st = u->port.ops->dial_server(u->port.ctx, u->address, routed ? &route : NULL, u->pin,
                                      &link_events, u->line, &u->link);
    }
    if (routed) bytes_wipe(&route, sizeof route);
    u->routed = routed;
    if (st != ST_OK) {
        free(u->line);
        u->line = NULL;
        u->link = NULL;
        u->why = st;
        sm_move(&u->sm, UPLINK_WAITING);
        wait_before_dialling(u);
    }
}

enum status uplink_start(struct uplink *u, const char *address, const uint8_t pin[32])
{
    size_t n = strlen(address);
    if (n == 0 || n > LINK_ADDRESS_MAX) return ST_USAGE;
    memcpy(u->address, address, n + 1);
    memcpy(u->pin, pin, 32);
    sm_move(&u->sm, UPLINK_WAITING);
    u->dial_at_ms = env_mono_ms(u->env);
    return ST_OK;
}

void uplink_stop(struct uplink *u)
{
    struct link *l = u->link;
    let_go(u);
    if (l != NULL) u->port.ops->close(l);
    drop_frames(u);
    if (u->sm.table != NULL && u->sm.state != UPLINK_IDLE) sm_move(&u->sm, UPLINK_IDLE);
    fail_requests(u, ST_CLOSED); /* whoever waits owns memory and perhaps an answer to a person */
}

void uplink_redial(struct uplink *u, enum status why)
{
    struct link *l = u->link;
    if (l == NULL) return;
    let_go(u);
    u->port.ops->close(l);
    went_down(u, why);
}

static enum status push_frame(struct uplink *u, uint8_t type, struct bytes payload)
{
    enum status st = u->first == NULL ? u->port.ops->send(u->link, type, payload) : ST_BUSY;
    if (st != ST_BUSY) return st;
    if (u->waiting + payload.n > UPLINK_WAITING_MAX) return ST_BUSY;
    struct uplink_frame *f = malloc(sizeof *f + payload.n);
    if (f == NULL) return ST_NO_MEMORY;
    f->next = NULL;
    f->type = type;
    f->n = payload.n;
    if (payload.n > 0) memcpy(f->bytes, payload.p, payload.n);
    if (u->last == NULL)
        u->first = f;
    else
        u->last->next = f;
    u->last = f;
    u->waiting += payload.n;
    return ST_OK;
}

enum status uplink_tell(struct uplink *u, uint8_t type, const struct fields *f, const void *msg)
{
    if (!uplink_up(u)) return ST_UNREACHABLE;
    struct buf b;
    buf_init(&b, LINK_FRAME_MAX);
    enum status st = fields_encode(f, msg, &b);
    if (st == ST_OK) st = push_frame(u, type, buf_view(&b));
    buf_free(&b);
    return st;
}

enum status uplink_request(struct uplink *u, uint8_t type, const struct fields *f, const void *msg,
                           uplink_done *done, void *arg)
{
    if (!uplink_up(u)) return ST_UNREACHABLE;
    if (u->n_requests >= UPLINK_REQUESTS) return ST_BUSY;
    struct buf b;
    buf_init(&b, LINK_FRAME_MAX);
    enum status st;
    TRY(fields_encode(f, msg, &b));
    if (u->requests == NULL) {
        u->requests = calloc(UPLINK_REQUESTS, sizeof *u->requests);
        if (u->requests == NULL) {
            st = ST_NO_MEMORY;
            goto out;
        }
    }
    uint32_t req = u->next_req++;
    if (u->next_req == 0) u->next_req = 1;
    put_u32(b.p, req);
    TRY(push_frame(u, type, buf_view(&b)));
    u->requests[u->n_requests++] =
        (struct uplink_request){req, env_mono_ms(u->env) + UPLINK_ANSWER_MS, done, arg};
out:
    buf_free(&b);
    return st;
}

uint64_t uplink_next_ms(const struct uplink *u)
{
    if (u->sm.state == UPLINK_WAITING) return u->gated ? UINT64_MAX : u->dial_at_ms;
    uint64_t next = UINT64_MAX;
    for (size_t i = 0; i < u->n_requests; i++)
        if (u->requests[i].until_ms < next) next = u->requests[i].until_ms;
    return next;
}

void uplink_tick(struct uplink *u, uint64_t now_ms)
{
    if (u->sm.state == UPLINK_WAITING && !u->gated && now_ms >= u->dial_at_ms)
        uplink_dial(u);
    else if (u->sm.state == UPLINK_UP && uplink_next_ms(u) <= now_ms)
        uplink_redial(u, ST_TIMEOUT);
}
