/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * hub: a sentinel's connections, as a machine of frames: who is attached where,
 * subscriptions, presence, signals, circuits, waiting polls, rates and queues.
 * What lasts is decided by rules.h in jobs that the hub hands out. The real
 * sentinel and the simulator drive exactly this.
 *
 * Owns: struct hub_conn from hub_join to hub_gone; jobs from the job callback
 *     until they are given back to hub_job_done (or hub_job_free at the end).
 * Errors: a peer's fault closes its connection or answers its request; the
 *     caller sees none. hub_new, hub_join: NULL when out of memory (or, join, when
 *     all places are taken).
 * Order: hub_new; hub_join when a connection stands, hub_frame, hub_writable,
 *     hub_gone when it ended for whatever reason (always, also after close).
 *     The job callback hands over a job: run hub_job_run on the thread of the store,
 *     inside a transaction; commit; then hub_job_done here, in the order of the
 *     callbacks. Replies leave only in hub_job_done. hub_tick at hub_next_ms.
 *     Callbacks may not call the hub.
 * Thread: all but hub_job_run on one thread.
 */
#ifndef ENCLAVE_CORE_ROOM_HUB_H
#define ENCLAVE_CORE_ROOM_HUB_H

#include "core/room/rules.h"

struct hub;
struct hub_conn;
struct hub_job;

struct hub_now {
    uint64_t wall_ms; /* advice for members, retention */
    uint64_t mono_ms; /* rates, turns */
};

struct hub_output {
    /* ST_OK: taken; ST_BUSY: not taken, hub_writable will follow; else the connection is ending. */
    enum status (*send)(void *ctx, void *handle, uint8_t type, struct bytes payload);
    /* Ends the connection soon; hub_gone follows. why: ST_DENIED, ST_PROTOCOL, ST_BUSY, ST_TIMEOUT */
    void (*close)(void *ctx, void *handle, enum status why);
    void (*pause)(void *ctx, void *handle, bool stop); /* stop or go on handing over its frames */
    void (*job)(void *ctx, struct hub_job *job);
    void *ctx;
};

struct hub *hub_new(const struct room_limits *limits, const struct hub_output *output);
void hub_free(struct hub *h); /* connections still there are forgotten without a callback */

/* handle: what the output callbacks are given. */
struct hub_conn *hub_join(struct hub *h, void *handle, const uint8_t exporter[32],
                          const uint8_t spki[32], struct hub_now now);
void hub_frame(struct hub *h, struct hub_conn *c, uint8_t type, struct bytes payload,
               struct hub_now now);
void hub_writable(struct hub *h, struct hub_conn *c);
void hub_gone(struct hub *h, struct hub_conn *c, struct hub_now now);

void hub_tick(struct hub *h, struct hub_now now);
uint64_t hub_next_ms(const struct hub *h); /* by mono_ms; UINT64_MAX: nothing due */
/* Takes no new requests: they are answered BUSY. Circuits end. For a sentinel that stops. */
void hub_drain(struct hub *h);

/* Store thread; takes its own mark. Results are kept in the job. False: the transaction as a whole
 * is lost (roll back; hub_job_failed for each job of it). */
bool hub_job_run(struct hub_job *job, const struct rules *r);
enum status hub_job_status(const struct hub_job *job);
bool hub_job_erased(const struct hub_job *job);           /* scrub after the commit */
void hub_job_failed(struct hub_job *job, enum status st); /* the commit failed with st */
void hub_job_done(struct hub *h, struct hub_job *job, struct hub_now now); /* frees the job */
void hub_job_free(struct hub_job *job);
/* A list of jobs for whoever runs them. */
void hub_job_link(struct hub_job *job, struct hub_job *next);
struct hub_job *hub_job_next(const struct hub_job *job);

struct hub_numbers {
    uint64_t connections, attached, rooms, circuits, jobs, pending_bytes;
};
void hub_numbers(const struct hub *h, struct hub_numbers *ret);

#endif
