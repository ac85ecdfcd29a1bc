/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "net/work.h"

#include <stdbool.h>
#include <stdlib.h>

struct job {
    struct job *next;
    enum work_lane lane;
    work_run *run;
    work_done *done;
    void *arg;
};

struct queue {
    struct job *first, *last;
};

struct net_work {
    uv_mutex_t lock;
    uv_cond_t wake;
    struct queue lanes[2]; /* under lock, as ready and stop */
    struct queue ready;
    bool stop;
    /* loop thread only */
    unsigned under_way[2];
    uv_async_t async;
    unsigned n;
    void (*closed)(void *arg);
    void *closed_arg;
    uv_thread_t threads[WORK_THREADS_MAX];
};

static void push(struct queue *q, struct job *j)
{
    j->next = NULL;
    if (q->last)
        q->last->next = j;
    else
        q->first = j;
    q->last = j;
}

static struct job *pop(struct queue *q)
{
    struct job *j = q->first;
    if (!j) return NULL;
    q->first = j->next;
    if (!q->first) q->last = NULL;
    return j;
}

static void worker(void *arg)
{
    struct net_work *w = arg;
    uv_mutex_lock(&w->lock);
    for (;;) {
        struct job *j = pop(&w->lanes[WORK_SHORT]);
        if (!j) j = pop(&w->lanes[WORK_BULK]);
        if (!j) {
            if (w->stop) break;
            uv_cond_wait(&w->wake, &w->lock);
            continue;
        }
        uv_mutex_unlock(&w->lock);
        j->run(j->arg);
        uv_mutex_lock(&w->lock);
        push(&w->ready, j);
        uv_async_send(&w->async);
    }
    uv_mutex_unlock(&w->lock);
}

static void freed(uv_handle_t *h)
{
    struct net_work *w = h->data;
    void (*closed)(void *) = w->closed;
    void *arg = w->closed_arg;
    free(w);
    if (closed) closed(arg);
}

static void finish(struct net_work *w)
{
    for (unsigned i = 0; i < w->n; i++) uv_thread_join(&w->threads[i]);
    uv_cond_destroy(&w->wake);
    uv_mutex_destroy(&w->lock);
    uv_close((uv_handle_t *)&w->async, freed);
}

static void deliver(uv_async_t *a)
{
    struct net_work *w = a->data;
    uv_mutex_lock(&w->lock);
    struct job *j = w->ready.first;
    w->ready = (struct queue){0};
    uv_mutex_unlock(&w->lock);
    while (j) {
        struct job *next = j->next;
        w->under_way[j->lane]--;
        j->done(j->arg);
        free(j);
        j = next;
    }
    unsigned left = w->under_way[0] + w->under_way[1];
    if (left == 0) uv_unref((uv_handle_t *)&w->async);
    if (left == 0 && w->stop && !uv_is_closing((uv_handle_t *)&w->async)) finish(w);
}

static enum status submit(void *ctx, enum work_lane lane, work_run *run, work_done *done, void *arg)
{
    struct net_work *w = ctx;
    if (w->stop || w->under_way[lane] >= (lane == WORK_SHORT ? WORK_SHORT_MAX : WORK_BULK_MAX))
        return ST_BUSY;
    struct job *j = malloc(sizeof *j);
    if (!j) return ST_BUSY;
    *j = (struct job){NULL, lane, run, done, arg};
    if (w->under_way[lane]++ == 0) uv_ref((uv_handle_t *)&w->async);
    uv_mutex_lock(&w->lock);
    push(&w->lanes[lane], j);
    uv_cond_signal(&w->wake);
    uv_mutex_unlock(&w->lock);
    return ST_OK;
}

enum status net_work_new(uv_loop_t *loop, unsigned threads, struct net_work **ret)
{
    if (threads == 0) threads = uv_available_parallelism();
    if (threads > WORK_THREADS_MAX) threads = WORK_THREADS_MAX;
    struct net_work *w = calloc(1, sizeof *w);
    if (!w) return ST_NO_MEMORY;
    w->async.data = w;
    if (uv_mutex_init(&w->lock) != 0) {
        free(w);
        return ST_IO;
    }
    if (uv_cond_init(&w->wake) != 0) {
        uv_mutex_destroy(&w->lock);
        free(w);
        return ST_IO;
    }
    if (uv_async_init(loop, &w->async, deliver) != 0) {
        uv_cond_destroy(&w->wake);
        uv_mutex_destroy(&w->lock);
        free(w);
        return ST_IO;
    }
    uv_unref((uv_handle_t *)&w->async); /* idle threads keep no loop alive */
    while (w->n < threads && uv_thread_create(&w->threads[w->n], worker, w) == 0) w->n++;
    if (w->n == 0) {
        finish(w);
        return ST_IO;
    }
    *ret = w;
    return ST_OK;
}

struct work net_work(struct net_work *w)
{
    return (struct work){submit, w};
}

unsigned net_work_threads(const struct net_work *w)
{
    return w->n;
}

void net_work_stop(struct net_work *w, void (*closed)(void *arg), void *arg)
{
    w->closed = closed;
    w->closed_arg = arg;
    uv_mutex_lock(&w->lock);
    w->stop = true;
    uv_cond_broadcast(&w->wake);
    uv_mutex_unlock(&w->lock);
    uv_ref((uv_handle_t *)&w->async);
    uv_async_send(&w->async);
}
