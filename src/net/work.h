/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * net/work: core/ports/work.h over own threads. Two lanes with bounded queues;
 * an idle thread takes a short job first, so a short one never waits longer
 * than the bulk jobs that run at that moment.
 *
 * Owns: its threads and the queues. Errors: ST_BUSY when WORK_*_MAX jobs of
 *     the lane wait or run; net_work_new: ST_NO_MEMORY, ST_IO.
 * Order: net_work_new, submits; net_work_stop finishes what was submitted,
 *     runs every done, then closed. Loop thread only.
 */
#ifndef ENCLAVE_NET_WORK_H
#define ENCLAVE_NET_WORK_H

#include "core/ports/work.h"

#include <uv.h>

#define WORK_SHORT_MAX 4096
#define WORK_BULK_MAX 1024
#define WORK_THREADS_MAX 64

struct net_work;

/* threads 0: as many as the machine has cores. */
enum status net_work_new(uv_loop_t *loop, unsigned threads, struct net_work **ret) MUST_USE;
struct work net_work(struct net_work *w);
unsigned net_work_threads(const struct net_work *w);
void net_work_stop(struct net_work *w, void (*closed)(void *arg), void *arg);

#endif
