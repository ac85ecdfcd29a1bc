/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "net/links_internal.h"

#include <stdlib.h>
#include <string.h>

uint64_t links_now(const struct links *n)
{
    return env_mono_ms(n->env);
}

/* ---- the list of links that have something to do ---- */

static void run_marked(uv_idle_t *h)
{
    struct links *n = h->data;
    /* A link that is marked again meanwhile waits for the next round: nobody starves the loop. */
    struct link *end = n->dirty_last;
    while (n->dirty_first) {
        struct link *l = n->dirty_first;
        bool last = l == end;
        links_pump_one(l);
        if (last) break;
    }
    if (!n->dirty_first) uv_idle_stop(h);
}

void links_mark(struct link *l)
{
    struct links *n = l->n;
    if (l->dirty) return;
    l->dirty = true;
    l->dirty_next = NULL;
    l->dirty_prev = n->dirty_last;
    if (n->dirty_last)
        n->dirty_last->dirty_next = l;
    else
        n->dirty_first = l;
    n->dirty_last = l;
    uv_idle_start(&n->idle, run_marked);
}

static void unmark(struct link *l)
{
    struct links *n = l->n;
    if (!l->dirty) return;
    l->dirty = false;
    if (l->dirty_prev)
        l->dirty_prev->dirty_next = l->dirty_next;
    else
        n->dirty_first = l->dirty_next;
    if (l->dirty_next)
        l->dirty_next->dirty_prev = l->dirty_prev;
    else
        n->dirty_last = l->dirty_prev;
}

/* ---- a link's life ---- */

struct link *links_add(struct links *n, enum tls_role role)
{
    struct link *l = calloc(1, sizeof *l);
    if (!l) return NULL;
    l->n = n;
    l->role = role;
    l->next = n->all;
    if (l->next) l->next->prev = l;
    n->all = l;
    links_timer(n);
    return l;
}

enum status links_session(struct link *l, const struct tls_config *config)
{
    const struct hello ours = {.version_min = LINK_VERSION, .version_max = LINK_VERSION};
    enum status st = session_new(l->n->tls, config, &ours, links_now(l->n), &l->session);
    if (st == ST_OK) links_mark(l);
    return st;
}

void links_over(struct link *l, enum status why, const char *reason)
{
    if (l->over) return;
    l->over = true;
    l->why = why;
    l->linger_until = links_now(l->n) + SESSION_LINGER_MS;
    if (!l->events && l->listener)
        listener_left(l, why, reason);
    else
        env_log(l->n->env, l->opened ? ENV_DEBUG : ENV_INFO, "link", "%s: %s",
                l->opened ? "link ended" : "link not made", reason);
    links_mark(l);
}

static void forget(struct link *l)
{
    struct links *n = l->n;
    unmark(l);
    carrier_dial_stop(l);
    if (l->half) listener_opened(l);
    if (l->listener) l->listener->total--;
    if (l->prev)
        l->prev->next = l->next;
    else
        n->all = l->next;
    if (l->next) l->next->prev = l->prev;
    carrier_let_go(l);
    session_free(l->session);
    bytes_wipe(l, sizeof *l);
    free(l);
    links_gone(n);
}

static void end(struct link *l)
{
    const struct link_pipe pipe = l->pipe;
    const struct link_events *events = l->events;
    if (pipe.closed) pipe.closed(pipe.arg);
    if (events && events->closed) events->closed(l->arg, l, l->why);
    forget(l);
}

static void let_in(struct link *l)
{
    l->opened = true;
    if (l->half) listener_opened(l);
    if (!l->events) {
        void *arg = NULL;
        l->events = l->server ? l->server->accept(l->server->arg, l, &arg)
                              : l->gate->accept(l->gate->arg, l, &arg);
        l->arg = arg;
        if (!l->events) {
            session_close(l->session, ST_DENIED, "not let in");
            return;
        }
    }
    if (l->events->opened) l->events->opened(l->arg, l, session_peer(l->session));
}

static void pull(struct link *l)
{
    struct frame f;
    while (!l->over && (!l->paused || session_over(l->session))) {
        switch (session_next(l->session, &f)) {
        case SESSION_OPENED: let_in(l); break;
        case SESSION_FRAME:
            if (l->events && l->events->frame) l->events->frame(l->arg, l, f.type, f.payload);
            break;
        case SESSION_CLOSED:
            links_over(l, session_status(l->session), session_reason(l->session));
            break;
        case SESSION_NONE: return;
        }
    }
}

static void pipe_taken(struct link *l)
{
    size_t unread = session_unread(l->session);
    size_t n = l->pipe_unread - unread;
    l->pipe_unread = unread;
    if (n && l->pipe.taken) l->pipe.taken(l->pipe.arg, n);
}

static void pipe_flush(struct link *l)
{
    struct bytes v;
    while (session_output(l->session, &v, 1)) {
        size_t room = l->pipe.room ? l->pipe.room(l->pipe.arg) : v.n;
        if (room == 0) return;
        if (v.n > room) v.n = room;
        l->pipe.output(l->pipe.arg, v);
        session_sent(l->session, v.n, links_now(l->n));
    }
}

static bool drained(const struct link *l)
{
    if (!l->session || links_now(l->n) >= l->linger_until) return true;
    if (l->carrier && l->carrier->broken) return true;
    if (l->n->closing && links_now(l->n) >= l->n->closing_until) return true;
    return session_waiting(l->session) == 0 && !(l->carrier && l->carrier->writing);
}

void links_pump_one(struct link *l)
{
    unmark(l);
    if (l->session) {
        pull(l);
        if (l->pipe.output) {
            pipe_taken(l);
            pipe_flush(l);
        } else {
            carrier_flush(l);
        }
        if (l->want_writable && !l->over && session_waiting(l->session) < LINK_HIGH_WATER / 2) {
            l->want_writable = false;
            if (l->events && l->events->writable) l->events->writable(l->arg, l);
        }
        if (!l->over) carrier_read(l, !l->paused);
        session_rest(l->session);
        if (l->n->pumped && l->opened && l->events && !l->over) l->n->pumped(l);
    }
    if (l->over && drained(l)) end(l);
}

/* ---- time ---- */

static void tick(uv_timer_t *t)
{
    struct links *n = t->data;
    uint64_t now = links_now(n);
    bool quiet = true;
    for (struct link *l = n->all; l; l = l->next) {
        quiet =
            quiet && !l->dial && !l->over && !l->paused && l->session && session_open(l->session);
        if (l->dial && !l->over) carrier_dial_tick(l, now);
        if (l->session && !l->over) {
            if (l->paused) session_filled(l->session, 0, now); /* it is we who do not listen */
            session_tick(l->session, now);
        }
        /* Events run from the idle handle: this walk must not lose its place. */
        if (l->over || (l->session && (session_over(l->session) || session_waiting(l->session))))
            links_mark(l);
    }
    for (struct carrier *c = n->carriers, *next; c; c = next) {
        next = c->next;
        quiet = quiet && !c->drain_until;
        if (c->drain_until && now >= c->drain_until) carrier_close(c);
    }
    /* No wake-ups while nothing is to do. */
    if (n->all || n->carriers) uv_timer_start(t, tick, quiet ? LINKS_QUIET_MS : LINKS_TICK_MS, 0);
}

void links_timer(struct links *n)
{
    if (!uv_is_active((uv_handle_t *)&n->timer) || uv_timer_get_due_in(&n->timer) > LINKS_TICK_MS)
        uv_timer_start(&n->timer, tick, LINKS_TICK_MS, 0);
}

/* ---- the port ---- */

static enum status dial(struct links *n, enum tls_role role, const char *address,
                        const struct link_route *route, const struct link_pipe *pipe,
                        const char *sni, const struct link_identity *self, const uint8_t key[32],
                        const struct link_events *events, void *arg, struct link **ret)
{
    if (n->closing) return ST_CLOSED;
    if (sni && strlen(sni) >= TLS_SNI_MAX) return ST_USAGE;
    struct link *l = links_add(n, role);
    if (!l) return ST_NO_MEMORY;
    l->events = events;
    l->arg = arg;
    memcpy(l->key, key, 32);
    if (self) memcpy(l->seed, self->seed, 32);
    if (sni) memcpy(l->sni, sni, strlen(sni) + 1);
    enum status st;
    if (pipe) {
        struct tls_config config = {.role = role, .expect = l->key, .seed = l->seed, .sni = l->sni};
        l->pipe = *pipe;
        st = links_session(l, &config);
        bytes_wipe(l->seed, sizeof l->seed);
    } else {
        st = carrier_dial(l, address, route);
    }
    if (st != ST_OK) {
        forget(l);
        return st;
    }
    *ret = l;
    return ST_OK;
}

static enum status dial_server(void *ctx, const char *address, const struct link_route *route,
                               const uint8_t pin[32], const struct link_events *events, void *arg,
                               struct link **ret)
{
    return dial(ctx, TLS_TO_SERVER, address, route, NULL, NULL, NULL, pin, events, arg, ret);
}

static enum status dial_peer(void *ctx, const char *address, const struct link_route *route,
                             const char *sni, const struct link_identity *self,
                             const uint8_t expect[32], const struct link_events *events, void *arg,
                             struct link **ret)
{
    return dial(ctx, TLS_TO_PEER, address, route, NULL, sni, self, expect, events, arg, ret);
}

static enum status dial_pipe(void *ctx, const struct link_pipe *pipe, const char *sni,
                             const struct link_identity *self, const uint8_t expect[32],
                             const struct link_events *events, void *arg, struct link **ret)
{
    return dial(ctx, TLS_TO_PEER, NULL, NULL, pipe, sni, self, expect, events, arg, ret);
}

static enum status accept_pipe(void *ctx, const struct link_pipe *pipe,
                               const struct link_gate *gate, struct link **ret)
{
    struct links *n = ctx;
    if (n->closing) return ST_CLOSED;
    struct link *l = links_add(n, TLS_AS_PEER);
    if (!l) return ST_NO_MEMORY;
    l->pipe = *pipe;
    l->gate = gate;
    struct tls_config config = {.role = TLS_AS_PEER, .gate = gate};
    enum status st = links_session(l, &config);
    if (st != ST_OK) {
        forget(l);
        return st;
    }
    *ret = l;
    return ST_OK;
}

static void pipe_input(struct link *l, struct bytes bytes)
{
    if (l->over) return;
    enum status st = session_put(l->session, bytes, links_now(l->n));
    if (st != ST_OK)
        session_close(l->session, st, "more bytes than a pipe may leave unread");
    else
        l->pipe_unread += bytes.n;
    links_mark(l);
}

static void pipe_eof(struct link *l)
{
    session_eof(l->session);
    links_mark(l);
}

static void pipe_room(struct link *l)
{
    links_mark(l);
}

static enum status send_frame(struct link *l, uint8_t type, struct bytes payload)
{
    if (!l->session || l->over) return ST_CLOSED;
    enum status st = session_send(l->session, type, payload);
    if (st == ST_BUSY) l->want_writable = true;
    links_mark(l);
    return st;
}

static size_t waiting(const struct link *l)
{
    return l->session ? session_waiting(l->session) : 0;
}

static void pause_link(struct link *l, bool stop)
{
    l->paused = stop;
    if (stop)
        carrier_read(l, false);
    else
        links_mark(l);
}

static void close_link(struct link *l)
{
    if (l->session)
        session_close(l->session, ST_CLOSED, "done");
    else
        links_over(l, ST_CLOSED, "given up");
    links_mark(l);
}

static const struct link_ops ops = {.dial_server = dial_server,
                                    .dial_peer = dial_peer,
                                    .dial_pipe = dial_pipe,
                                    .accept_pipe = accept_pipe,
                                    .pipe_input = pipe_input,
                                    .pipe_eof = pipe_eof,
                                    .pipe_room = pipe_room,
                                    .listen = listener_open,
                                    .unlisten = listener_unlisten,
                                    .send = send_frame,
                                    .waiting = waiting,
                                    .pause = pause_link,
                                    .close = close_link};

struct link_port links_port(struct links *n)
{
    return (struct link_port){&ops, n};
}

/* ---- beginning and end ---- */

enum status links_new(uv_loop_t *loop, const struct env *env, struct links **ret)
{
    struct links *n = calloc(1, sizeof *n);
    if (!n) return ST_NO_MEMORY;
    enum status st = tls_ctx_new(&n->tls);
    if (st != ST_OK) {
        free(n);
        return st;
    }
    n->loop = loop;
    n->env = env;
    n->idle.data = n->timer.data = n;
    uv_idle_init(loop, &n->idle);
    uv_timer_init(loop, &n->timer);
    uv_unref((uv_handle_t *)&n->timer);
    *ret = n;
    return ST_OK;
}

static void timer_closed(uv_handle_t *h)
{
    struct links *n = h->data;
    void (*done)(void *) = n->done;
    void *arg = n->done_arg;
    tls_ctx_free(n->tls);
    free(n);
    if (done) done(arg);
}

static void idle_closed(uv_handle_t *h)
{
    struct links *n = h->data;
    uv_close((uv_handle_t *)&n->timer, timer_closed);
}

void links_gone(struct links *n)
{
    if (!n->closing || n->all || n->carriers || n->listening || n->resolving) return;
    if (!uv_is_closing((uv_handle_t *)&n->idle)) uv_close((uv_handle_t *)&n->idle, idle_closed);
}

void links_close(struct links *n, void (*done)(void *arg), void *arg)
{
    n->closing = true;
    n->closing_until = links_now(n) + LINKS_STOP_MS;
    n->done = done;
    n->done_arg = arg;
    while (n->listeners) listener_close(n->listeners);
    for (struct link *l = n->all; l; l = l->next) close_link(l);
    for (struct carrier *c = n->carriers, *next; c; c = next) {
        next = c->next;
        if (c->drain_until) carrier_close(c);
    }
    uv_ref((uv_handle_t *)&n->timer);
    links_timer(n);
    links_gone(n);
}
