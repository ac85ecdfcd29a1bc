/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * store_thread: one thread that runs a store's jobs in batches, one transaction
 * (one fsync) a batch, and brings the results back to the loop. While a batch
 * is written to disk the next one gathers: that is the whole of group commit.
 *
 * Owns: its thread. A job belongs to the thread from submit until its done
 *     runs; it is usually the first member of a struct of the caller's. hooks
 *     are copied; their ctx belongs to the thread while it lives.
 * Errors: submit: ST_CLOSED after store_thread_stop (done will not run).
 *     start: ST_NO_MEMORY. If begin, any run or commit of a batch fails, the
 *     batch is rolled back and every job of it is done with that status.
 * Order: start, submits, stop; jobs run and are done in the order of submits.
 *     done never runs inside submit. stop ends what was submitted, runs every
 *     done, then closed; the loop must run until then.
 * Thread: start, submit, stop, done, closed on the loop thread; hooks and run on
 *     the store thread.
 */
#ifndef ENCLAVE_STORE_STORE_THREAD_H
#define ENCLAVE_STORE_STORE_THREAD_H

#include "base/status.h"

#include <uv.h>

#define STORE_BATCH_MAX 256 /* jobs in one transaction */

struct store_job {
    /* Inside the batch's transaction. Anything but ST_OK loses the whole batch: a refusal by the
     * rules of the caller is a result kept in the job, not an error of the store. */
    enum status (*run)(struct store_job *job, void *ctx);
    /* After the transaction: ST_OK = on disk. */
    void (*done)(struct store_job *job, enum status st);
    /* the thread's own */
    struct store_job *next;
    enum status st;
};

struct store_hooks {
    enum status (*begin)(void *ctx);
    enum status (*commit)(void *ctx); /* on disk when it returns ST_OK */
    void (*rollback)(void *ctx);      /* also after a commit that failed */
    void *ctx;
};

struct store_thread;

enum status store_thread_start(uv_loop_t *loop, const struct store_hooks *hooks,
                               struct store_thread **ret) MUST_USE;
enum status store_thread_submit(struct store_thread *t, struct store_job *job) MUST_USE;
/* The jobs that wait or run. */
size_t store_thread_waiting(const struct store_thread *t);
/* Frees t; t is dead when closed runs. */
void store_thread_stop(struct store_thread *t, void (*closed)(void *arg), void *arg);

#endif
