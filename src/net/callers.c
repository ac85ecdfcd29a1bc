/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "net/callers_internal.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SUITED_MAX 4

/* ---- mail ---- */

struct caller_frame *caller_frame_new(uint8_t type, struct bytes payload)
{
    struct caller_frame *f = malloc(sizeof *f + payload.n);
    if (!f) return NULL;
    f->next = NULL;
    f->n = (uint32_t)payload.n;
    f->type = type;
    if (payload.n) memcpy(f->bytes, payload.p, payload.n);
    return f;
}

void caller_frames_put(struct caller_frames *q, struct caller_frame *f)
{
    if (q->last)
        q->last->next = f;
    else
        q->first = f;
    q->last = f;
}

void caller_frames_join(struct caller_frames *q, struct caller_frames *more)
{
    if (!more->first) return;
    if (q->last)
        q->last->next = more->first;
    else
        q->first = more->first;
    q->last = more->last;
    *more = (struct caller_frames){NULL, NULL};
}

struct caller_frame *caller_frames_take(struct caller_frames *q)
{
    struct caller_frame *f = q->first;
    if (!f) return NULL;
    q->first = f->next;
    if (!q->first) q->last = NULL;
    f->next = NULL;
    return f;
}

void caller_frames_free(struct caller_frames *q)
{
    struct caller_frame *f;
    while ((f = caller_frames_take(q)) != NULL) free(f);
}

void lane_put_up(struct lane *a, struct caller *c)
{
    if (c->in_up) return;
    c->in_up = true;
    c->up_next = NULL;
    if (a->up_last)
        a->up_last->up_next = c;
    else
        a->up_first = c;
    a->up_last = c;
}

void lane_put_down(struct lane *a, struct caller *c)
{
    if (c->in_down) return;
    c->in_down = true;
    c->down_next = NULL;
    if (a->down_last)
        a->down_last->down_next = c;
    else
        a->down_first = c;
    a->down_last = c;
}

void lane_wake(struct lane *a)
{
    if (!a->deaf) uv_async_send(&a->async);
}

/* ---- to the threads ---- */

enum status caller_send(struct caller *c, uint8_t type, struct bytes payload)
{
    struct lane *a = c->lane;
    if (c->closing) return ST_CLOSED;
    if (payload.n > FRAME_PAYLOAD_MAX) return ST_TOO_BIG;
    if (c->waiting > CALLERS_HIGH_WATER) {
        c->want_writable = true;
        return ST_BUSY;
    }
    struct caller_frame *f = caller_frame_new(type, payload);
    if (!f) {
        caller_close(c);
        return ST_CLOSED;
    }
    c->waiting += f->n + CALLERS_FRAME_COST;
    uv_mutex_lock(&a->lock);
    caller_frames_put(&c->down, f);
    lane_put_down(a, c);
    uv_mutex_unlock(&a->lock);
    a->down_fresh = true;
    return ST_OK;
}

static void tell_pause(struct caller *c, bool stop)
{
    struct lane *a = c->lane;
    if (c->told_pause == stop) return;
    c->told_pause = stop;
    uv_mutex_lock(&a->lock);
    c->down_pause = stop;
    lane_put_down(a, c);
    uv_mutex_unlock(&a->lock);
    a->down_fresh = true;
}

void caller_pause(struct caller *c, bool stop)
{
    struct callers *s = c->lane->owner;
    if (c->closing || c->paused == stop) return;
    c->paused = stop;
    if (stop) {
        tell_pause(c, true);
        return;
    }
    if (!c->parked.first) {
        tell_pause(c, false);
        return;
    }
    if (c->resumed) return;
    c->resumed = true;
    c->resumed_next = s->resumed;
    s->resumed = c;
    uv_async_send(&s->async);
}

void caller_close(struct caller *c)
{
    struct lane *a = c->lane;
    if (c->closing) return;
    c->closing = true;
    uv_mutex_lock(&a->lock);
    c->down_close = true;
    c->down_pause = false;
    lane_put_down(a, c);
    uv_mutex_unlock(&a->lock);
    a->down_fresh = true;
}

/* ---- from the threads ---- */

static void count_parked(struct callers *s, const struct caller_frames *q, bool in)
{
    for (const struct caller_frame *f = q->first; f; f = f->next)
        s->parked_bytes += in ? f->n + CALLERS_FRAME_COST : 0 - (f->n + (size_t)CALLERS_FRAME_COST);
}

/* What was parked and what came, as long as it is wanted. */
static void hand_over(struct caller *c, struct caller_frames *frames)
{
    struct callers *s = c->lane->owner;
    struct caller_frame *f;
    count_parked(s, &c->parked, false);
    caller_frames_join(&c->parked, frames);
    struct caller_frames all = c->parked;
    c->parked = (struct caller_frames){NULL, NULL};
    while ((f = caller_frames_take(&all)) != NULL) {
        if (c->closing) {
            free(f);
            continue;
        }
        if (c->paused && s->parked_bytes <= CALLERS_PARKED_MAX) {
            f->next = all.first;
            all.first = f;
            if (!all.last) all.last = f;
            break;
        }
        s->events->frame(s->arg, c->handle, f->type, BYTES(f->bytes, f->n));
        free(f);
    }
    c->parked = all;
    count_parked(s, &c->parked, true);
    if (!c->paused && !c->closing) tell_pause(c, false);
}

/* A caller that was turned away has no handle; it gets no event. */
static void opened(struct callers *s, struct caller *c, struct link_peer *peer)
{
    c->handle = s->closing ? NULL : s->events->opened(s->arg, c, peer);
    free(peer);
    if (!c->handle) caller_close(c);
}

static void gone(struct callers *s, struct caller *c)
{
    struct lane *a = c->lane;
    struct caller_frames none = {NULL, NULL};
    bool had = c->handle != NULL;
    c->closing = true;
    hand_over(c, &none);
    for (struct caller **at = &s->resumed; c->resumed && *at; at = &(*at)->resumed_next)
        if (*at == c) {
            *at = c->resumed_next;
            break;
        }
    if (had) s->events->closed(s->arg, c->handle, c->why);
    uv_mutex_lock(&a->lock);
    c->down_free = true;
    lane_put_down(a, c);
    uv_mutex_unlock(&a->lock);
    a->down_fresh = true;
}

static void went_out(struct callers *s, struct caller *c, uint32_t sent)
{
    c->waiting -= sent < c->waiting ? sent : c->waiting;
    if (!c->want_writable || c->closing || c->waiting >= CALLERS_HIGH_WATER / 2) return;
    c->want_writable = false;
    s->events->writable(s->arg, c->handle);
}

static void take_up(struct lane *a)
{
    struct callers *s = a->owner;
    uv_mutex_lock(&a->lock);
    struct caller *c = a->up_first;
    a->up_first = a->up_last = NULL;
    /* All that is in it is taken before the thread may put in as much again. */
    a->up_bytes = 0;
    uv_cond_signal(&a->room);
    while (c) {
        struct caller *next = c->up_next;
        struct caller_frames frames = c->up;
        struct link_peer *peer = c->up_peer;
        uint32_t sent = c->up_sent;
        bool closed = c->up_closed;
        c->up = (struct caller_frames){NULL, NULL};
        c->up_peer = NULL;
        c->up_sent = 0;
        c->in_up = false;
        uv_mutex_unlock(&a->lock);
        if (peer) opened(s, c, peer);
        hand_over(c, &frames);
        if (sent) went_out(s, c, sent);
        if (closed) gone(s, c);
        c = next;
        uv_mutex_lock(&a->lock);
    }
    uv_mutex_unlock(&a->lock);
}

static void go_on(struct callers *s)
{
    struct caller_frames none = {NULL, NULL};
    struct caller *c = s->resumed;
    s->resumed = NULL;
    while (c) {
        struct caller *next = c->resumed_next;
        c->resumed = false;
        hand_over(c, &none);
        c = next;
    }
}

static void on_prepare(uv_prepare_t *prepare)
{
    struct callers *s = prepare->data;
    for (unsigned i = 0; i < s->n; i++) {
        struct lane *a = &s->lanes[i];
        if (!a->down_fresh) continue;
        a->down_fresh = false;
        uv_mutex_lock(&a->lock);
        lane_wake(a);
        uv_mutex_unlock(&a->lock);
    }
}

/* ---- the end ---- */

static void async_closed(uv_handle_t *h)
{
    struct callers *s = h->data;
    void (*done)(void *) = s->done;
    void *arg = s->done_arg;
    free(s->lanes);
    free(s);
    if (done) done(arg);
}

static void prepare_closed(uv_handle_t *h)
{
    struct callers *s = h->data;
    uv_close((uv_handle_t *)&s->async, async_closed);
}

static bool all_ended(struct callers *s)
{
    bool all = true;
    for (unsigned i = 0; i < s->n; i++) {
        uv_mutex_lock(&s->lanes[i].lock);
        all = all && s->lanes[i].ended;
        uv_mutex_unlock(&s->lanes[i].lock);
    }
    return all;
}

static void on_async(uv_async_t *async)
{
    struct callers *s = async->data;
    if (uv_is_closing((uv_handle_t *)&s->prepare)) return;
    bool last = s->closing && all_ended(s); /* before the last mail is taken */
    go_on(s);
    for (unsigned i = 0; i < s->n; i++) take_up(&s->lanes[i]);
    if (!last) return;
    for (unsigned i = 0; i < s->n; i++) lane_join(&s->lanes[i]);
    uv_close((uv_handle_t *)&s->prepare, prepare_closed);
}

void callers_unlisten(struct callers *s)
{
    for (unsigned i = 0; i < s->n; i++) {
        uv_mutex_lock(&s->lanes[i].lock);
        s->lanes[i].unlisten = true;
        lane_wake(&s->lanes[i]);
        uv_mutex_unlock(&s->lanes[i].lock);
    }
}

static void stop(struct lane *a)
{
    uv_mutex_lock(&a->lock);
    a->stop = true;
    lane_wake(a);
    uv_mutex_unlock(&a->lock);
}

void callers_close(struct callers *s, void (*done)(void *arg), void *arg)
{
    if (s->closing) return;
    s->closing = true;
    s->done = done;
    s->done_arg = arg;
    for (unsigned i = 0; i < s->n; i++) stop(&s->lanes[i]);
}

/* ---- the beginning ---- */

unsigned callers_suited(void)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    if (cores < 1) return 1;
    return cores > SUITED_MAX ? SUITED_MAX : (unsigned)cores;
}

/* Lane 0 last: it listens, and deals out to the others. */
static enum status start(struct callers *s, const struct callers_config *config, uint16_t *ret_port)
{
    enum status st = ST_OK;
    unsigned n = s->n;
    while (n > 0 && st == ST_OK) {
        struct lane *a = &s->lanes[--n];
        a->owner = s;
        a->number = n;
        a->config = config;
        st = lane_start(a);
        if (st == ST_OK && n == 0) *ret_port = a->port;
    }
    for (unsigned i = n + 1; st != ST_OK && i < s->n; i++) {
        stop(&s->lanes[i]);
        lane_join(&s->lanes[i]);
    }
    return st;
}

enum status callers_open(uv_loop_t *loop, const struct env *env,
                         const struct callers_config *config, struct callers **ret,
                         uint16_t *ret_port)
{
    if (config->threads < 1 || config->threads > CALLERS_THREADS_MAX) return ST_USAGE;
    struct callers *s = calloc(1, sizeof *s);
    if (!s) return ST_NO_MEMORY;
    s->lanes = calloc(config->threads, sizeof *s->lanes);
    s->loop = loop;
    s->env = env;
    s->events = config->events;
    s->arg = config->arg;
    if (!s->lanes || uv_async_init(loop, &s->async, on_async) != 0) {
        free(s->lanes);
        free(s);
        return ST_NO_MEMORY;
    }
    uv_prepare_init(loop, &s->prepare);
    s->async.data = s->prepare.data = s;
    s->n = config->threads;
    enum status st = start(s, config, ret_port);
    if (st != ST_OK) {
        uv_close((uv_handle_t *)&s->prepare, prepare_closed);
        return st;
    }
    (void)uv_prepare_start(&s->prepare, on_prepare);
    *ret = s;
    return ST_OK;
}
