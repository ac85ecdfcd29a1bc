/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * hub_inner: what the files of hub share; no one else includes it.
 *
 * Owns: a connection lives until hub_gone was called and no job names it. A room
 *     is here as long as somebody is attached to it.
 * Errors: hub_kill ends a connection; it is taken out of everything by
 *     hub_settle, which each public call ends with, so that no list changes while
 *     it is walked.
 * Order: hub_kill, hub_send and their like inside a public call, hub_settle at
 *     its end.
 */
#ifndef ENCLAVE_CORE_ROOM_HUB_INNER_H
#define ENCLAVE_CORE_ROOM_HUB_INNER_H

#include "core/room/hub.h"

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#define HUB_POLLS_MAX 4                     /* waiting polls of a connection */
#define HUB_JOB_BYTES ((size_t)4 << 20)     /* of a connection's requests under way: then pause */
#define HUB_REQUESTS_OVER 256               /* above limits.requests: what may come after a pause */
#define HUB_METERS_MAX 16384                /* seats whose rate is remembered */
#define HUB_CREDIT_MAX ((uint32_t)16 << 20) /* most credit of a circuit's side */
#define HUB_TICK_MS 5000

struct bucket {
    uint64_t level; /* tokens x ROOM_HOUR_MS */
    uint64_t last_ms;
    bool used;
};

/* What one seat has appended lately. It outlives the connection: reconnecting refills nothing. */
struct meter {
    uint8_t seat[32];
    struct bucket entries[ROOM_FEEDS];
    struct bucket bytes;
    struct bucket ledger; /* bytes of feed 0, of which there is little for all time */
    UT_hash_handle hh;
};

struct frame_waiting {
    struct frame_waiting *next;
    uint8_t type;
    size_t n;
    uint8_t bytes[];
};

struct circuit_end {
    struct circuit_end *next; /* of the same connection */
    struct circuit_end *other;
    struct hub_conn *conn;
    uint32_t id;
    uint32_t credit; /* bytes this side may still send */
};

struct poll {
    uint8_t room[32];
    uint8_t reply[32];
};

struct hub_room {
    uint8_t id[32];
    struct hub_conn *conns;
    uint8_t winner[32]; /* who appended to feed 0 last */
    bool won;
    UT_hash_handle hh;
};

struct hub_conn {
    struct hub_conn *prev, *next;           /* all */
    struct hub_conn *room_prev, *room_next; /* of the room */
    struct hub_conn *dying_next;
    void *handle;
    uint8_t exporter[32];
    uint8_t spki[32];
    struct hub_room *room; /* attached */
    uint8_t seat[32];
    bool dropped; /* attached by a dropped seat: may read a little */
    bool dying, closed, gone, paused, attaching;
    enum status why;
    uint8_t mask, lag;
    uint64_t requests; /* jobs under way */
    size_t job_bytes;
    uint64_t heard_ms;
    uint64_t lost_ms; /* when it lost a race for feed 0; 0: not lately */
    struct bucket rate, signals;
    struct frame_waiting *first, *last;
    size_t pending;
    struct circuit_end *circuits;
    uint32_t n_circuits, next_circuit;
    struct poll polls[HUB_POLLS_MAX];
    size_t n_polls;
};

struct hub {
    struct room_limits limits;
    struct hub_output out;
    struct hub_conn *conns;
    struct hub_conn *dying;
    struct hub_room *rooms;
    struct meter *meters;
    struct hub_numbers numbers;
    uint64_t polls;
    size_t job_bytes;
    uint64_t sweep_at_ms, tick_at_ms;
    bool sweeping, draining;
};

struct hub_job {
    struct hub_job *next;  /* the runner's */
    struct hub_conn *conn; /* NULL: a sweep */
    uint8_t type;
    uint32_t req;
    struct buf payload;
    struct rules_caller who;
    enum status st;
    struct buf body;
    struct rules_effect effect;
    uint8_t cursor[32];
    bool more;
    bool erased;
};

/* hub_conns.c */
void hub_kill(struct hub *h, struct hub_conn *c, enum status why);
void hub_settle(struct hub *h);
void hub_send(struct hub *h, struct hub_conn *c, uint8_t type, struct bytes payload);
void hub_send_fields(struct hub *h, struct hub_conn *c, uint8_t type, const struct fields *f,
                     const void *msg);
/* A push that may be left out when the connection is slow; bit is then reported as lagging. */
void hub_push(struct hub *h, struct hub_conn *c, uint8_t type, struct bytes payload, uint8_t bit);
void hub_reply(struct hub *h, struct hub_conn *c, uint32_t req, enum status st, struct bytes body);
void hub_reply_fields(struct hub *h, struct hub_conn *c, uint32_t req, const struct fields *f,
                      const void *msg);
void hub_flow(struct hub *h, struct hub_conn *c); /* pause or go on */
void hub_flush(struct hub *h, struct hub_conn *c);
struct hub_room *hub_find_room(struct hub *h, const uint8_t room[32]);
/* The connection of a current seat. */
struct hub_conn *hub_find_seat(const struct hub_room *r, const uint8_t seat[32]);
enum status hub_enter(struct hub *h, struct hub_conn *c, const uint8_t room[32],
                      const uint8_t seat[32], bool dropped) MUST_USE;
void hub_leave(struct hub *h, struct hub_conn *c);
void hub_demote(struct hub *h, struct hub_conn *c); /* its seat was dropped */
void hub_conn_free(struct hub *h, struct hub_conn *c);

/* hub_circuits.c */
void hub_circuit_frame(struct hub *h, struct hub_conn *c, uint8_t type, struct bytes payload);
void hub_circuits_end(struct hub *h, struct hub_conn *c, uint8_t reason);

/* hub_rates.c */
bool bucket_take(struct bucket *b, uint64_t an_hour, uint64_t burst, uint64_t n, uint64_t now_ms);
bool hub_meter(struct hub *h, const uint8_t seat[32], uint8_t feed, size_t n, uint64_t now_ms);
void hub_meters_forget(struct hub *h, uint64_t now_ms); /* those that are full again */
void hub_meters_free(struct hub *h);

/* hub_jobs.c */
void hub_submit(struct hub *h, struct hub_conn *c, uint8_t type, uint32_t req, struct bytes payload,
                struct hub_now now);
void hub_sweep(struct hub *h, struct hub_now now);

#endif
