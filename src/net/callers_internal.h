/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * callers_internal: what callers.c (the loop's side) and callers_io.c (the
 * threads' side) share. Not for others.
 *
 * Owns: a lane's mail is under its lock. A caller is made by its thread, and freed
 *     by it once the loop's side has said so; after the thread has ended the loop's
 *     side frees what is left.
 * Errors: see net/callers.h.
 * Order: a side that left mail sets its fresh flag; the prepare handle of its loop
 *     wakes the other side once for all of it, before it sleeps itself.
 */
#ifndef ENCLAVE_NET_CALLERS_INTERNAL_H
#define ENCLAVE_NET_CALLERS_INTERNAL_H

#include "net/callers.h"
#include "net/links_internal.h"

#define CALLERS_FRAME_COST 32 /* counted above a frame's payload: more than header and record */
#define CALLERS_REPORT ((size_t)128 << 10) /* bytes gone out that are told together */

struct caller_frame {
    struct caller_frame *next;
    uint32_t n;
    uint8_t type;
    uint8_t bytes[];
};

struct caller_frames {
    struct caller_frame *first, *last;
};

struct caller {
    struct lane *lane;
    /* mail, under the lane's lock */
    struct caller *up_next, *down_next;
    struct caller_frames up, down;
    struct link_peer *up_peer; /* set: it has opened */
    uint32_t up_sent;
    bool in_up, in_down;
    bool up_closed;
    bool down_pause, down_close, down_free;
    /* the thread's */
    enum status why; /* read by the loop's side after up_closed */
    uint32_t handed; /* bytes given to the link and not told as gone out */
    struct link *link;
    /* the loop's */
    void *handle;
    struct caller_frames parked;
    struct caller *resumed_next;
    uint32_t waiting;
    bool want_writable, paused, told_pause, resumed, closing;
};

struct lane {
    struct callers *owner;
    unsigned number;
    const struct callers_config *config; /* while it opens */
    uint16_t port;
    uv_loop_t loop;
    uv_thread_t thread;
    uv_async_t async;
    uv_prepare_t prepare;
    struct links *links;
    struct link_listener *listener;
    struct server_gate gate;
    bool up_fresh; /* the thread's */
    bool stopping;
    unsigned turn;   /* lane 0: who gets the next connection */
    bool down_fresh; /* the loop's */
    uv_mutex_t lock;
    uv_cond_t room; /* the loop's side took mail */
    struct caller *up_first, *up_last;
    struct caller *down_first, *down_last;
    size_t up_bytes;
    int dealt[CALLERS_DEALT_MAX];
    size_t n_dealt;
    bool deaf; /* its async handle is closed */
    bool unlisten, stop, open, ended;
    enum status st; /* of its opening */
};

struct callers {
    uv_loop_t *loop;
    const struct env *env;
    const struct callers_events *events;
    void *arg;
    uv_async_t async;
    uv_prepare_t prepare;
    struct lane *lanes;
    unsigned n;
    struct caller *resumed; /* go on with what was parked */
    size_t parked_bytes;
    bool closing;
    void (*done)(void *arg);
    void *done_arg;
};

struct caller_frame *caller_frame_new(uint8_t type, struct bytes payload);
void caller_frames_put(struct caller_frames *q, struct caller_frame *f);
void caller_frames_join(struct caller_frames *q, struct caller_frames *more);
struct caller_frame *caller_frames_take(struct caller_frames *q);
void caller_frames_free(struct caller_frames *q);

/* Under the lock. */
void lane_put_up(struct lane *a, struct caller *c);
void lane_put_down(struct lane *a, struct caller *c);
void lane_wake(struct lane *a);

/* callers_io.c; these two are called by the loop's side. lane_start waits until the lane listens, or
 * cannot; lane_join until its thread has ended, and frees what is left. */
enum status lane_start(struct lane *a) MUST_USE;
void lane_join(struct lane *a);

#endif
