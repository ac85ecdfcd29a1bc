/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "store/store_thread.h"

#include <stdbool.h>
#include <stdlib.h>

struct queue {
    struct store_job *first;
    struct store_job *last;
};

struct store_thread {
    struct store_hooks hooks;
    uv_thread_t thread;
    uv_async_t async;
    /* loop thread */
    size_t waiting;
    bool stopped;
    bool joined;
    void (*closed)(void *arg);
    void *closed_arg;
    /* both, under lock */
    uv_mutex_t lock;
    uv_cond_t wake;
    struct queue in;
    struct queue out;
    bool stop;
    bool ended; /* the thread touches nothing any more but its own stack */
};

static void push(struct queue *q, struct store_job *job)
{
    job->next = NULL;
    if (q->last)
        q->last->next = job;
    else
        q->first = job;
    q->last = job;
}

static void append(struct queue *q, struct queue *more)
{
    if (!more->first) return;
    if (q->last)
        q->last->next = more->first;
    else
        q->first = more->first;
    q->last = more->last;
    *more = (struct queue){NULL, NULL};
}

/* At most STORE_BATCH_MAX jobs from the front. */
static struct queue take(struct queue *q)
{
    struct queue batch = {NULL, NULL};
    for (size_t n = 0; n < STORE_BATCH_MAX && q->first; n++) {
        struct store_job *job = q->first;
        q->first = job->next;
        if (!q->first) q->last = NULL;
        push(&batch, job);
    }
    return batch;
}

static void run_batch(const struct store_hooks *h, struct queue *batch)
{
    enum status st = h->begin(h->ctx);
    bool begun = st == ST_OK;
    for (struct store_job *job = batch->first; job && st == ST_OK; job = job->next)
        st = job->run(job, h->ctx);
    if (st == ST_OK) st = h->commit(h->ctx);
    if (st != ST_OK && begun) h->rollback(h->ctx);
    for (struct store_job *job = batch->first; job; job = job->next) job->st = st;
}

static void thread_main(void *arg)
{
    struct store_thread *t = arg;
    uv_mutex_lock(&t->lock);
    for (;;) {
        while (!t->in.first && !t->stop) uv_cond_wait(&t->wake, &t->lock);
        if (!t->in.first) break;
        struct queue batch = take(&t->in);
        uv_mutex_unlock(&t->lock);
        run_batch(&t->hooks, &batch);
        uv_mutex_lock(&t->lock);
        append(&t->out, &batch);
        uv_async_send(&t->async);
    }
    t->ended = true;
    uv_async_send(&t->async);
    uv_mutex_unlock(&t->lock);
}

static void on_closed(uv_handle_t *handle)
{
    struct store_thread *t = handle->data;
    void (*closed)(void *arg) = t->closed;
    void *arg = t->closed_arg;
    uv_cond_destroy(&t->wake);
    uv_mutex_destroy(&t->lock);
    free(t);
    if (closed) closed(arg);
}

static void on_async(uv_async_t *async)
{
    struct store_thread *t = async->data;
    uv_mutex_lock(&t->lock);
    struct queue out = t->out;
    t->out = (struct queue){NULL, NULL};
    bool ended = t->ended;
    uv_mutex_unlock(&t->lock);
    for (struct store_job *job = out.first; job;) {
        struct store_job *next = job->next; /* done may free the job */
        t->waiting--;
        job->done(job, job->st);
        job = next;
    }
    if (!ended || t->joined) return;
    t->joined = true;
    uv_thread_join(&t->thread);
    uv_close((uv_handle_t *)&t->async, on_closed);
}

enum status store_thread_start(uv_loop_t *loop, const struct store_hooks *hooks,
                               struct store_thread **ret)
{
    struct store_thread *t = calloc(1, sizeof *t);
    *ret = NULL;
    if (!t) return ST_NO_MEMORY;
    t->hooks = *hooks;
    if (uv_mutex_init(&t->lock) != 0) goto no_lock;
    if (uv_cond_init(&t->wake) != 0) goto no_wake;
    if (uv_async_init(loop, &t->async, on_async) != 0) goto no_async;
    t->async.data = t;
    if (uv_thread_create(&t->thread, thread_main, t) != 0) {
        /* the handle is the loop's now and frees t when it is closed */
        uv_close((uv_handle_t *)&t->async, on_closed);
        return ST_NO_MEMORY;
    }
    *ret = t;
    return ST_OK;
no_async:
    uv_cond_destroy(&t->wake);
no_wake:
    uv_mutex_destroy(&t->lock);
no_lock:
    free(t);
    return ST_NO_MEMORY;
}

enum status store_thread_submit(struct store_thread *t, struct store_job *job)
{
    if (t->stopped) return ST_CLOSED;
    job->st = ST_OK;
    t->waiting++;
    uv_mutex_lock(&t->lock);
    push(&t->in, job);
    uv_cond_signal(&t->wake);
    uv_mutex_unlock(&t->lock);
    return ST_OK;
}

size_t store_thread_waiting(const struct store_thread *t)
{
    return t->waiting;
}

void store_thread_stop(struct store_thread *t, void (*closed)(void *arg), void *arg)
{
    if (t->stopped) return;
    t->stopped = true;
    t->closed = closed;
    t->closed_arg = arg;
    uv_mutex_lock(&t->lock);
    t->stop = true;
    uv_cond_signal(&t->wake);
    uv_mutex_unlock(&t->lock);
}
