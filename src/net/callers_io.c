/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The threads' side of callers: links of its own, mail to and from the loop that owns the server. */
#include "net/callers_internal.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- from the links ---- */

static const struct link_ops *ops_of(const struct lane *a)
{
    return links_port(a->links).ops;
}

static void io_opened(void *arg, struct link *l, const struct link_peer *peer)
{
    struct caller *c = arg;
    struct lane *a = c->lane;
    struct link_peer *copy = malloc(sizeof *copy);
    if (!copy) {
        ops_of(a)->close(l);
        return;
    }
    *copy = *peer;
    uv_mutex_lock(&a->lock);
    c->up_peer = copy;
    lane_put_up(a, c);
    uv_mutex_unlock(&a->lock);
    a->up_fresh = true;
}

static void io_frame(void *arg, struct link *l, uint8_t type, struct bytes payload)
{
    struct caller *c = arg;
    struct lane *a = c->lane;
    struct caller_frame *f = caller_frame_new(type, payload);
    if (!f) {
        ops_of(a)->close(l);
        return;
    }
    uv_mutex_lock(&a->lock);
    /* Nothing else is done here meanwhile: no socket is read, and the callers' own buffers fill. */
    while (a->up_bytes > CALLERS_UP_MAX) {
        uv_async_send(&a->owner->async);
        uv_cond_wait(&a->room, &a->lock);
    }
    caller_frames_put(&c->up, f);
    a->up_bytes += f->n + CALLERS_FRAME_COST;
    lane_put_up(a, c);
    uv_mutex_unlock(&a->lock);
    a->up_fresh = true;
}

static void io_writable(void *arg, struct link *l)
{
    (void)arg;
    (void)l;
}

static void io_closed(void *arg, struct link *l, enum status why)
{
    struct caller *c = arg;
    struct lane *a = c->lane;
    (void)l;
    c->link = NULL;
    uv_mutex_lock(&a->lock);
    c->why = why;
    c->up_closed = true;
    lane_put_up(a, c);
    uv_mutex_unlock(&a->lock);
    a->up_fresh = true;
}

static const struct link_events *io_accept(void *arg, struct link *l, void **ret_arg)
{
    static const struct link_events events = {io_opened, io_frame, io_writable, io_closed};
    struct lane *a = arg;
    struct caller *c = calloc(1, sizeof *c);
    if (!c) return NULL;
    c->lane = a;
    c->link = l;
    *ret_arg = c;
    return &events;
}

/* What went out of a link is told in portions. It is counted high, so what waits here is never more than
 * the loop's side believes, and the link's own high water is not reached. */
static void io_pumped(struct link *l)
{
    struct caller *c = l->arg;
    struct lane *a = c->lane;
    size_t waiting = ops_of(a)->waiting(l);
    if (c->handed < CALLERS_REPORT || c->handed - CALLERS_REPORT < waiting) return;
    uint32_t sent = c->handed - (uint32_t)waiting;
    c->handed = (uint32_t)waiting;
    uv_mutex_lock(&a->lock);
    c->up_sent += sent;
    lane_put_up(a, c);
    uv_mutex_unlock(&a->lock);
    a->up_fresh = true;
}

/* ---- dealing out ---- */

static void dealt_closed(uv_handle_t *h)
{
    free(h);
}

/* A connection that came is the next lane's. False: it is for this one. */
static bool deal(void *arg, uv_stream_t *listener)
{
    struct lane *a = arg;
    struct lane *to = &a->owner->lanes[a->turn++ % a->owner->n];
    uv_os_fd_t fd;
    if (to == a) return false;
    uv_tcp_t *tcp = malloc(sizeof *tcp);
    if (!tcp || uv_tcp_init(&a->loop, tcp) != 0) {
        free(tcp);
        return false;
    }
    int own = -1;
    if (uv_accept(listener, (uv_stream_t *)tcp) == 0 &&
        uv_fileno((const uv_handle_t *)tcp, &fd) == 0)
        own = fcntl(fd, F_DUPFD_CLOEXEC, 3); /* libuv lets no descriptor go */
    uv_close((uv_handle_t *)tcp, dealt_closed);
    if (own < 0) return true;
    uv_mutex_lock(&to->lock);
    bool full = to->n_dealt == CALLERS_DEALT_MAX || to->deaf;
    if (!full) to->dealt[to->n_dealt++] = own;
    lane_wake(to);
    uv_mutex_unlock(&to->lock);
    if (full) close(own);
    return true;
}

static void take_dealt(struct lane *a)
{
    int dealt[CALLERS_DEALT_MAX];
    uv_mutex_lock(&a->lock);
    size_t n = a->n_dealt;
    memcpy(dealt, a->dealt, n * sizeof *dealt);
    a->n_dealt = 0;
    uv_mutex_unlock(&a->lock);
    for (size_t i = 0; i < n; i++) listener_adopt(a->listener, dealt[i]);
}

/* ---- from the loop ---- */

static void send_frames(struct caller *c, struct caller_frames *q)
{
    const struct link_ops *ops = ops_of(c->lane);
    struct caller_frame *f;
    while ((f = caller_frames_take(q)) != NULL) {
        if (c->link) {
            enum status st = ops->send(c->link, f->type, BYTES(f->bytes, f->n));
            if (st == ST_OK)
                c->handed += f->n + CALLERS_FRAME_COST;
            else if (st != ST_CLOSED)
                ops->close(c->link);
        }
        free(f);
    }
}

static void take_down(struct lane *a)
{
    const struct link_ops *ops = ops_of(a);
    uv_mutex_lock(&a->lock);
    struct caller *c = a->down_first;
    a->down_first = a->down_last = NULL;
    while (c) {
        struct caller *next = c->down_next;
        struct caller_frames frames = c->down;
        bool stop = c->down_pause, end = c->down_close, gone = c->down_free;
        c->down = (struct caller_frames){NULL, NULL};
        c->in_down = false;
        uv_mutex_unlock(&a->lock);
        send_frames(c, &frames);
        if (c->link && c->link->paused != stop) ops->pause(c->link, stop);
        if (c->link && end) ops->close(c->link);
        if (gone) free(c);
        c = next;
        uv_mutex_lock(&a->lock);
    }
    uv_mutex_unlock(&a->lock);
}

static void links_done(void *arg)
{
    struct lane *a = arg;
    uv_mutex_lock(&a->lock);
    a->deaf = true;
    uv_mutex_unlock(&a->lock);
    uv_close((uv_handle_t *)&a->async, NULL);
    uv_close((uv_handle_t *)&a->prepare, NULL);
}

static void on_async(uv_async_t *async)
{
    struct lane *a = async->data;
    if (a->stopping) return;
    uv_mutex_lock(&a->lock);
    bool unlisten = a->unlisten, stop = a->stop;
    uv_mutex_unlock(&a->lock);
    if ((unlisten || stop) && a->listener) {
        links_port(a->links).ops->unlisten(a->links, a->listener);
        a->listener = NULL;
    }
    if (a->listener) take_dealt(a);
    take_down(a);
    if (!stop) return;
    a->stopping = true;
    links_close(a->links, links_done, a);
}

static void on_prepare(uv_prepare_t *prepare)
{
    struct lane *a = prepare->data;
    if (!a->up_fresh) return;
    a->up_fresh = false;
    uv_async_send(&a->owner->async);
}

/* ---- beginning and end ---- */

static enum status lane_listen(struct lane *a, const struct callers_config *config,
                               uint16_t *ret_port)
{
    unsigned n = config->threads;
    struct server_share share = {.most = config->most,
                                 .half_open = LINKS_HALF_OPEN_MAX / n,
                                 .half_open_per_ip = LINKS_HALF_OPEN_PER_IP / n,
                                 .deal = deal,
                                 .arg = a};
    if (share.half_open_per_ip < 4) share.half_open_per_ip = 4;
    if (a->number > 0) return listener_serve(a->links, config->key, &a->gate, &share, &a->listener);
    return listener_server(a->links, config->address, config->key, &a->gate, &share, &a->listener,
                           ret_port);
}

/* All of a lane is made and freed by its thread: OpenSSL keeps things for each thread of a context. */
static enum status lane_open(struct lane *a)
{
    enum status st = links_new(&a->loop, a->owner->env, &a->links);
    if (st != ST_OK) {
        links_done(a);
        return st;
    }
    a->links->pumped = io_pumped;
    a->gate = (struct server_gate){io_accept, a};
    st = lane_listen(a, a->config, &a->port);
    if (st == ST_OK)
        uv_prepare_start(&a->prepare, on_prepare);
    else
        links_close(a->links, links_done, a);
    return st;
}

static void lane_main(void *arg)
{
    struct lane *a = arg;
    enum status st = lane_open(a);
    uv_mutex_lock(&a->lock);
    a->st = st;
    a->open = true;
    uv_cond_signal(&a->room);
    uv_mutex_unlock(&a->lock);
    a->stopping = st != ST_OK;
    uv_run(&a->loop, UV_RUN_DEFAULT);
    uv_mutex_lock(&a->lock);
    a->ended = true;
    uv_async_send(&a->owner->async);
    uv_mutex_unlock(&a->lock);
}

enum status lane_start(struct lane *a)
{
    enum status st = ST_NO_MEMORY;
    if (uv_mutex_init(&a->lock) != 0) return st;
    if (uv_cond_init(&a->room) != 0) goto no_room;
    if (uv_loop_init(&a->loop) != 0) goto no_loop;
    uv_prepare_init(&a->loop, &a->prepare);
    if (uv_async_init(&a->loop, &a->async, on_async) != 0) goto no_async;
    a->prepare.data = a->async.data = a;
    if (uv_thread_create(&a->thread, lane_main, a) != 0) goto no_thread;
    uv_mutex_lock(&a->lock);
    while (!a->open) uv_cond_wait(&a->room, &a->lock);
    st = a->st;
    uv_mutex_unlock(&a->lock);
    if (st != ST_OK) lane_join(a);
    return st;
no_thread:
    uv_close((uv_handle_t *)&a->async, NULL);
no_async:
    uv_close((uv_handle_t *)&a->prepare, NULL);
    uv_run(&a->loop, UV_RUN_DEFAULT);
    uv_loop_close(&a->loop);
no_loop:
    uv_cond_destroy(&a->room);
no_room:
    uv_mutex_destroy(&a->lock);
    return st;
}

void lane_join(struct lane *a)
{
    uv_thread_join(&a->thread);
    uv_loop_close(&a->loop);
    for (struct caller *c = a->down_first, *next; c; c = next) {
        next = c->down_next;
        caller_frames_free(&c->down);
        free(c);
    }
    for (size_t i = 0; i < a->n_dealt; i++) close(a->dealt[i]);
    uv_cond_destroy(&a->room);
    uv_mutex_destroy(&a->lock);
}
