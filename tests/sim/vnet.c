/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "sim/vnet_inner.h"

#include "crypto/sign.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void vlink_hold(struct link *l)
{
    l->refs++;
}

/* Out of line: gcc cannot see that a count keeps the link alive. */
__attribute__((noinline)) void vlink_release(struct link *l)
{
    if (--l->refs > 0) return;
    buf_free(&l->in);
    buf_free(&l->out);
    free(l);
}

static void released(void *arg)
{
    vlink_release(arg);
}

/* Schedules run(l) in the life of l's machine. */
static void at(struct link *l, uint64_t delay_ms, vtime_fn *run)
{
    vlink_hold(l);
    vtime_at(l->net->time, delay_ms, &l->m->life, run, released, l);
}

static void list_remove(struct link *l)
{
    struct link **p = &l->net->links;
    while (*p && *p != l) p = &(*p)->next;
    if (!*p) return;
    *p = l->next;
    vlink_release(l);
}

static void frames_free(struct link *l)
{
    while (l->first) {
        struct vframe *f = l->first;
        l->first = f->next;
        free(f);
    }
    l->last = NULL;
}

static void let_go_of_other(struct link *l)
{
    struct link *o = l->other;
    if (!o) return;
    l->other = NULL;
    vlink_release(o);
}

struct link *vlink_new(struct vnet *n, struct machine *m)
{
    struct link *l = sim_alloc(sizeof *l);
    l->net = n;
    l->m = m;
    l->refs = 1;
    buf_init(&l->in, 0);
    buf_init(&l->out, 0);
    l->next = n->links;
    n->links = l;
    return l;
}

static void end(struct link *l)
{
    const struct link_events *events = l->events;
    if (l->state == VLINK_DEAD) return;
    l->state = VLINK_DEAD;
    vlink_hold(l);
    if (l->pipe.closed) l->pipe.closed(l->pipe.arg);
    if (events && events->closed) events->closed(l->arg, l, l->why);
    frames_free(l);
    let_go_of_other(l);
    list_remove(l);
    vlink_release(l);
}

static void end_event(void *arg)
{
    end(arg);
    vlink_release(arg);
}

void vlink_over(struct link *l, enum status why)
{
    if (l->state >= VLINK_OVER) return;
    l->state = VLINK_OVER;
    l->why = why;
    l->over_ms = l->net->time->now_ms;
    vlink_pump_later(l);
}

static void lost_event(void *arg)
{
    struct link *l = arg;
    vlink_over(l, ST_CLOSED);
    vlink_release(l);
}

static uint64_t latency(struct vnet *n)
{
    return rng_between(&n->rng, 1, n->latency_ms);
}

/* When something sent now on l arrives at the other end: in order. */
static uint64_t fifo_delay(struct link *l)
{
    uint64_t now = l->net->time->now_ms, when = now + latency(l->net);
    if (when < l->fifo_ms) when = l->fifo_ms;
    l->fifo_ms = when;
    return when - now;
}

/* ---- frames over the network ---- */

static void frame_gone(void *arg)
{
    struct vframe *f = arg;
    vlink_release(f->to);
    vlink_release(f->from);
    free(f);
}

static void arrive(void *arg)
{
    struct vframe *f = arg;
    struct link *to = f->to, *from = f->from;
    if (to->cut || to->state != VLINK_OPEN) {
        frame_gone(f);
        return;
    }
    if (f->fin) {
        to->fin = true; /* what came before it is still handed over */
        vlink_pump_later(to);
        frame_gone(f);
        return;
    }
    f->next = NULL;
    if (to->last)
        to->last->next = f;
    else
        to->first = f;
    to->last = f;
    vlink_pump_later(to);
    vlink_release(to);
    vlink_release(from);
}

static void transmit(struct link *l, uint8_t type, struct bytes payload, bool fin)
{
    if (!l->other) return;
    struct vframe *f = sim_alloc(sizeof *f + payload.n);
    f->from = l;
    f->to = l->other;
    f->type = type;
    f->fin = fin;
    f->n = payload.n;
    if (payload.n) memcpy(f->bytes, payload.p, payload.n);
    vlink_hold(l);
    vlink_hold(l->other);
    l->net->frames++;
    l->net->bytes += payload.n;
    vtime_at(l->net->time, fifo_delay(l), &l->other->m->life, arrive, frame_gone, f);
}

static void consumed(struct link *l, const struct vframe *f)
{
    struct link *from = l->other;
    if (!from) return;
    from->flying -= f->n + 5 < from->flying ? f->n + 5 : from->flying;
    if (from->want_writable && from->flying < LINK_HIGH_WATER / 2) vlink_pump_later(from);
}

static void pump_frames(struct link *l)
{
    while (l->state == VLINK_OPEN && (!l->paused || l->fin) && l->first) {
        struct vframe *f = l->first;
        l->first = f->next;
        if (!l->first) l->last = NULL;
        consumed(l, f);
        if (l->events->frame) l->events->frame(l->arg, l, f->type, BYTES(f->bytes, f->n));
        free(f);
    }
    if (l->fin) vlink_over(l, ST_CLOSED);
}

static void pump(void *arg)
{
    struct link *l = arg;
    l->pumping = false;
    if (l->state == VLINK_DEAD) goto out;
    if (l->is_pipe)
        vpipe_pump(l);
    else
        pump_frames(l);
    if (l->state == VLINK_OPEN && l->want_writable && vlink_waiting(l) < LINK_HIGH_WATER / 2) {
        l->want_writable = false;
        if (l->events->writable) l->events->writable(l->arg, l);
    }
    if (l->state == VLINK_OVER && !l->ending) {
        uint64_t now = l->net->time->now_ms;
        if (l->is_pipe && l->out.n > 0 && now < l->over_ms + VLINK_LINGER_MS) {
            at(l, VLINK_LINGER_MS, end_event);
        } else {
            at(l, l->fifo_ms > now ? l->fifo_ms - now : 0, end_event);
        }
        l->ending = true;
    }
out:
    vlink_release(l);
}

void vlink_pump_later(struct link *l)
{
    if (l->pumping || l->state == VLINK_DEAD) return;
    l->pumping = true;
    at(l, 0, pump);
}

size_t vlink_waiting(const struct link *l)
{
    return l->is_pipe ? l->out.n : l->flying;
}

/* ---- connecting ---- */

struct link_listener {
    struct link_listener *next;
    struct vnet *net;
    struct machine *m;
    char address[LINK_ADDRESS_MAX + 1];
    const struct link_gate *gate;
};

static bool reachable(const struct vnet *n, const struct machine *a, const struct machine *b)
{
    return !n->cut[a->index][b->index] && b->up;
}

/* Makes the other end; both are open, the dialler hears of it one way later. */
static struct link *meet(struct link *l, struct machine *m)
{
    struct link *o = vlink_new(l->net, m);
    l->other = o;
    o->other = l;
    vlink_hold(l);
    vlink_hold(o);
    rng_bytes(&l->net->rng, l->peer.exporter, 32);
    memcpy(o->peer.exporter, l->peer.exporter, 32);
    o->state = VLINK_OPEN;
    return o;
}

static void opened_event(void *arg)
{
    struct link *l = arg;
    if (l->state == VLINK_DIALLING && !l->cut) {
        l->state = VLINK_OPEN;
        if (l->events->opened) l->events->opened(l->arg, l, &l->peer);
        vlink_pump_later(l);
    }
    vlink_release(l);
}

/* Called before the accepting side may speak: its frames come behind opened. */
static void open_dialler(struct link *l)
{
    struct link *o = l->other;
    at(l, fifo_delay(o), opened_event);
}

static void connect_server(void *arg)
{
    struct link *l = arg;
    struct vnet *n = l->net;
    const struct vnet_server *s = NULL;
    for (size_t i = 0; i < n->n_servers; i++)
        if (strcmp(n->servers[i].address, l->address) == 0) s = &n->servers[i];
    if (l->state != VLINK_DIALLING) goto out;
    if (l->routed && n->proxy_dead) {
        vlink_over(l, ST_PROXY);
    } else if (!s || !reachable(n, l->m, s->m)) {
        vlink_over(l, ST_UNREACHABLE);
    } else if (memcmp(s->pin, l->expect, 32) != 0) {
        vlink_over(l, ST_UNTRUSTED);
    } else {
        struct link *o = meet(l, s->m);
        memcpy(l->peer.spki, s->pin, 32);
        memcpy(o->peer.spki, s->pin, 32);
        o->events = s->accept(s->arg, o, l->m->index, &o->arg);
        if (!o->events)
            vlink_over(o, ST_DENIED);
        else if (o->events->opened)
            o->events->opened(o->arg, o, &o->peer);
        open_dialler(l);
    }
out:
    vlink_release(l);
}

/* What TLS between members decides; the acceptor's end is open when it is ST_OK. */
static enum status handshake(struct link *l, struct link_listener *listener)
{
    struct link_identity answer;
    const struct link_gate *g = listener->gate;
    enum status st = g->name(g->arg, BYTES(l->sni, strlen(l->sni)), &answer);
    bytes_wipe(answer.seed, sizeof answer.seed);
    if (st != ST_OK) return ST_DENIED;
    if (memcmp(answer.id, l->expect, 32) != 0) return ST_UNTRUSTED;
    if (g->peer(g->arg, l->self) != ST_OK) return ST_DENIED;
    struct link *o = meet(l, listener->m);
    memcpy(o->peer.id, l->self, 32);
    memcpy(l->peer.id, answer.id, 32);
    o->events = g->accept(g->arg, o, &o->arg);
    if (!o->events)
        vlink_over(o, ST_DENIED);
    else if (o->events->opened)
        o->events->opened(o->arg, o, &o->peer);
    return ST_OK;
}

static void connect_peer(void *arg)
{
    struct link *l = arg;
    struct link_listener *s = l->net->listeners;
    while (s && strcmp(s->address, l->address) != 0) s = s->next;
    if (l->state != VLINK_DIALLING) goto out;
    if (!s || !reachable(l->net, l->m, s->m) || (l->routed && l->net->proxy_dead)) {
        vlink_over(l, l->routed && l->net->proxy_dead ? ST_PROXY : ST_UNREACHABLE);
        goto out;
    }
    enum status st = handshake(l, s);
    if (st == ST_OK)
        open_dialler(l);
    else
        vlink_over(l, st);
out:
    vlink_release(l);
}

static struct link *dial(struct vnet_host *h, const char *address, const struct link_events *events,
                         void *arg)
{
    struct link *l = vlink_new(h->net, h->m);
    l->events = events;
    l->arg = arg;
    snprintf(l->address, sizeof l->address, "%s", address);
    return l;
}

static void note_dial(struct vnet_host *h, bool peer, const struct link_route *route)
{
    struct vnet *n = h->net;
    struct vnet_dial *d = &n->log[n->dials++ % VNET_DIALS];
    *d = (struct vnet_dial){
        .machine = h->m->index, .ms = n->time->now_ms, .peer = peer, .routed = route != NULL};
    if (route) d->route = *route;
}

static enum status op_dial_server(void *ctx, const char *address, const struct link_route *route,
                                  const uint8_t pin[32], const struct link_events *events,
                                  void *arg, struct link **ret)
{
    struct vnet_host *h = ctx;
    if (!h->m->up) return ST_CLOSED;
    note_dial(h, false, route);
    struct link *l = dial(h, address, events, arg);
    memcpy(l->expect, pin, 32);
    l->routed = route != NULL;
    at(l, latency(h->net), connect_server);
    *ret = l;
    return ST_OK;
}

/* A seed that does not fit its key would not pass in TLS either. */
static enum status set_self(struct link *l, const struct link_identity *self)
{
    uint8_t id[32];
    sign_public(self->seed, id);
    memcpy(l->self, self->id, 32);
    return memcmp(id, self->id, 32) == 0 ? ST_OK : ST_BUG;
}

static enum status op_dial_peer(void *ctx, const char *address, const struct link_route *route,
                                const char *sni, const struct link_identity *self,
                                const uint8_t expect[32], const struct link_events *events,
                                void *arg, struct link **ret)
{
    struct vnet_host *h = ctx;
    if (!h->m->up) return ST_CLOSED;
    note_dial(h, true, route);
    if (strlen(sni) >= VLINK_SNI) return ST_USAGE;
    struct link *l = dial(h, address, events, arg);
    if (set_self(l, self) != ST_OK) abort();
    memcpy(l->expect, expect, 32);
    snprintf(l->sni, sizeof l->sni, "%s", sni);
    l->routed = route != NULL;
    at(l, latency(h->net), connect_peer);
    *ret = l;
    return ST_OK;
}

static enum status op_dial_pipe(void *ctx, const struct link_pipe *pipe, const char *sni,
                                const struct link_identity *self, const uint8_t expect[32],
                                const struct link_events *events, void *arg, struct link **ret)
{
    struct vnet_host *h = ctx;
    if (!h->m->up) return ST_CLOSED;
    struct link *l = dial(h, "", events, arg);
    if (set_self(l, self) != ST_OK) abort();
    memcpy(l->expect, expect, 32);
    snprintf(l->sni, sizeof l->sni, "%s", sni);
    vpipe_start(l, pipe, NULL);
    *ret = l;
    return ST_OK;
}

static enum status op_accept_pipe(void *ctx, const struct link_pipe *pipe,
                                  const struct link_gate *gate, struct link **ret)
{
    struct vnet_host *h = ctx;
    if (!h->m->up) return ST_CLOSED;
    struct link *l = dial(h, "", NULL, NULL);
    vpipe_start(l, pipe, gate);
    *ret = l;
    return ST_OK;
}

static enum status op_listen(void *ctx, const char *address, const struct link_gate *gate,
                             struct link_listener **ret, uint16_t *ret_port)
{
    struct vnet_host *h = ctx;
    (void)address; /* a machine has one address: its name */
    if (!h->m->up) return ST_CLOSED;
    struct link_listener *s = sim_alloc(sizeof *s);
    s->net = h->net;
    s->m = h->m;
    s->gate = gate;
    *ret_port = h->net->next_port++;
    snprintf(s->address, sizeof s->address, "%s:%u", h->m->name, (unsigned)*ret_port);
    s->next = h->net->listeners;
    h->net->listeners = s;
    *ret = s;
    return ST_OK;
}

static void op_unlisten(void *ctx, struct link_listener *s)
{
    struct vnet_host *h = ctx;
    struct link_listener **p = &h->net->listeners;
    while (*p && *p != s) p = &(*p)->next;
    if (!*p) return;
    *p = s->next;
    free(s);
}

static void put(struct link *l, uint8_t type, struct bytes payload)
{
    if (l->is_pipe) {
        vpipe_put(l, type, payload);
    } else {
        l->flying += payload.n + 5;
        transmit(l, type, payload, false);
    }
}

enum status vnet_send(struct link *l, uint8_t type, struct bytes payload)
{
    if (payload.n + 5 > LINK_FRAME_MAX) return ST_TOO_BIG;
    if (l->state != VLINK_OPEN || !l->m->up) return ST_CLOSED;
    if (vlink_waiting(l) > LINK_HIGH_WATER) {
        l->want_writable = true;
        return ST_BUSY;
    }
    struct vnet *n = l->net;
    struct buf more = BUF_INIT;
    unsigned copies = 1;
    if (n->tap && !bytes_zero(BYTES_OF(l->peer.id)))
        copies = n->tap(n->tap_arg, l->m->index, type, payload, &more);
    for (unsigned i = 0; i < copies; i++) put(l, type, payload);
    if (more.n) put(l, type, buf_view(&more));
    buf_free(&more);
    return ST_OK;
}

void vnet_pause(struct link *l, bool stop)
{
    l->paused = stop;
    if (!stop && l->m->up) vlink_pump_later(l);
}

void vnet_close(struct link *l)
{
    if (!l->m->up || l->state >= VLINK_OVER) return;
    if (!l->is_pipe) transmit(l, 0, BYTES_NONE, true);
    vlink_over(l, ST_CLOSED);
}

static size_t op_waiting(const struct link *l)
{
    return vlink_waiting(l);
}

struct link_port vnet_port(struct vnet *n, struct machine *m)
{
    static const struct link_ops ops = {.dial_server = op_dial_server,
                                        .dial_peer = op_dial_peer,
                                        .dial_pipe = op_dial_pipe,
                                        .accept_pipe = op_accept_pipe,
                                        .pipe_input = vpipe_input,
                                        .pipe_eof = vpipe_eof,
                                        .pipe_room = vpipe_room,
                                        .listen = op_listen,
                                        .unlisten = op_unlisten,
                                        .send = vnet_send,
                                        .waiting = op_waiting,
                                        .pause = vnet_pause,
                                        .close = vnet_close};
    struct vnet_host *h = &n->hosts[m->index];
    *h = (struct vnet_host){n, m};
    return (struct link_port){&ops, h};
}

void vnet_init(struct vnet *n, struct vtime *time, uint64_t seed)
{
    memset(n, 0, sizeof *n);
    n->time = time;
    n->rng.state = seed;
    n->next_port = 4001;
    n->latency_ms = 40;
}

static void destroy(struct link *l)
{
    l->state = VLINK_DEAD;
    frames_free(l);
    let_go_of_other(l);
    list_remove(l);
}

void vnet_free(struct vnet *n)
{
    while (n->links) destroy(n->links);
    while (n->listeners) {
        struct link_listener *s = n->listeners;
        n->listeners = s->next;
        free(s);
    }
}

void vnet_serve(struct vnet *n, const struct vnet_server *server)
{
    if (n->n_servers == VNET_SERVERS) abort();
    n->servers[n->n_servers++] = *server;
}

void vnet_crash(struct vnet *n, const struct machine *m)
{
    struct link *next;
    for (struct link *l = n->links; l; l = next) {
        next = l->next;
        if (l->m != m) continue;
        struct link *o = l->other;
        /* The other end learns of it some time later, or at its next word. */
        if (o) at(o, rng_below(&n->rng, 3000), lost_event);
        destroy(l);
        next = n->links; /* destroy may have moved things: begin again */
    }
    for (struct link_listener **p = &n->listeners; *p;) {
        struct link_listener *s = *p;
        if (s->m != m) {
            p = &s->next;
            continue;
        }
        *p = s->next;
        free(s);
    }
}

static void cut_link(struct link *l)
{
    l->cut = true;
    at(l, rng_below(&l->net->rng, 20000), lost_event);
}

void vnet_partition(struct vnet *n, unsigned group)
{
    for (unsigned a = 0; a < VNET_MACHINES; a++)
        for (unsigned b = 0; b < VNET_MACHINES; b++)
            n->cut[a][b] = group != 0 && ((group >> a & 1U) != (group >> b & 1U));
    for (struct link *l = n->links; l; l = l->next)
        if (l->other && !l->cut && n->cut[l->m->index][l->other->m->index]) cut_link(l);
}

bool vnet_break_one(struct vnet *n)
{
    size_t count = 0;
    for (struct link *l = n->links; l; l = l->next) count += l->other && !l->cut;
    if (count == 0) return false;
    size_t which = (size_t)rng_below(&n->rng, count);
    for (struct link *l = n->links; l; l = l->next) {
        if (!l->other || l->cut || which-- > 0) continue;
        cut_link(l);
        if (!l->other->cut) cut_link(l->other);
        return true;
    }
    return false;
}

size_t vnet_links(const struct vnet *n)
{
    size_t count = 0;
    for (const struct link *l = n->links; l; l = l->next) count++;
    return count;
}
