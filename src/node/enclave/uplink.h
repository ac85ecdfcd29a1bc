/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * uplink: one enclave's connection to its sentinel: dials, dials again with
 * growing pauses, numbers requests and brings each its reply. What to say on
 * the connection (attach, sync) is its owner's.
 *
 * Owns: its link and all requests on the way. env, port and events are
 *     borrowed and outlive it.
 * Errors: request: ST_UNREACHABLE while down, ST_BUSY above UPLINK_REQUESTS;
 *     done is not called then. Else done runs exactly once, with ST_CLOSED if
 *     the connection broke: the request may or may not have been carried out.
 * Order: uplink_start, then ready, pushes, down, ready ... until uplink_stop,
 *     inside which every open request's done runs with ST_CLOSED; after it no
 *     event and no done runs.
 */
#ifndef ENCLAVE_NODE_UPLINK_H
#define ENCLAVE_NODE_UPLINK_H

#include "base/env.h"
#include "base/fields.h"
#include "base/sm.h"
#include "core/ports/link.h"
#include "core/room/room_wire.h"

#define UPLINK_REQUESTS 512
#define UPLINK_WAITING_MAX ((size_t)32 << 20) /* bytes kept while the link is full */
#define UPLINK_PAUSE_MIN_MS 500
#define UPLINK_PAUSE_MAX_MS 30000
#define UPLINK_ANSWER_MS 30000 /* a sentinel silent for so long is dialled anew */

enum uplink_state { UPLINK_IDLE, UPLINK_DIALLING, UPLINK_UP, UPLINK_WAITING };

typedef void uplink_done(void *arg, enum status st, struct bytes body);

struct uplink_events {
    void (*ready)(void *arg, const struct link_peer *peer);
    void (*push)(void *arg, uint8_t type, struct bytes payload);
    void (*down)(void *arg, enum status why);
    /* The way out of the next dialling; ST_OK and *ret_routed false: straight. NULL: always so. An
     * error: nothing is dialled now. */
    enum status (*route)(void *arg, struct link_route *ret, bool *ret_routed);
};

struct uplink_request {
    uint32_t req;
    uint64_t until_ms;
    uplink_done *done;
    void *arg;
};

struct uplink_frame {
    struct uplink_frame *next;
    uint8_t type;
    size_t n;
    uint8_t bytes[];
};

/* What a link's events are given: it outlives the uplink until the link's last event. */
struct uplink_line {
    struct uplink *owner; /* NULL: let go of */
};

struct uplink {
    const struct env *env;
    struct link_port port;
    const struct uplink_events *events;
    void *arg;
    char address[LINK_ADDRESS_MAX + 1];
    uint8_t pin[32];
    struct sm sm;
    struct link *link;
    struct uplink_line *line;
    enum status why; /* of the last time it went down */
    uint32_t next_req;
    struct uplink_request *requests;
    size_t n_requests;
    struct uplink_frame *first, *last;
    size_t waiting;
    uint64_t pause_ms;
    uint64_t dial_at_ms; /* while waiting: not before */
    bool routed;         /* the last dialling went through a proxy */
    bool gated;          /* its owner says when, by uplink_dial: uplink_tick never dials */
};

void uplink_init(struct uplink *u, const struct env *env, const struct link_port *port,
                 const struct uplink_events *events, void *arg);
enum status uplink_start(struct uplink *u, const char *address, const uint8_t pin[32]) MUST_USE;
void uplink_stop(struct uplink *u);
bool uplink_up(const struct uplink *u);
bool uplink_waiting(const struct uplink *u); /* wants to be dialled, from dial_at_ms on */
void uplink_dial(struct uplink *u);          /* while waiting only */

/* msg's first field is req: it is filled in here. */
enum status uplink_request(struct uplink *u, uint8_t type, const struct fields *f, const void *msg,
                           uplink_done *done, void *arg) MUST_USE;
/* A frame without reply (circuits). */
enum status uplink_tell(struct uplink *u, uint8_t type, const struct fields *f,
                        const void *msg) MUST_USE;
/* Drops this connection and dials again after a pause. */
void uplink_redial(struct uplink *u, enum status why);

uint64_t uplink_next_ms(const struct uplink *u);
void uplink_tick(struct uplink *u, uint64_t now_ms);

#endif
