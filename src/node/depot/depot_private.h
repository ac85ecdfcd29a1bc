/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * depot_private: the inside of depot, shared by its files: rooms and rows
 * (depot), callers (depot_conn), letting go (depot_trash), audits (depot_audit).
 *
 * Owns: see depot.h. Errors: as there. Order: none.
 */
#ifndef ENCLAVE_NODE_DEPOT_PRIVATE_H
#define ENCLAVE_NODE_DEPOT_PRIVATE_H

#include "core/audit/serve.h"
#include "core/holder/holder.h"
#include "core/holder/scrub.h"
#include "node/depot/depot.h"

/* Row n of the space "depot rooms". over: the enclave said bye, or the time is up: kept so that its
 * ticket is not used twice. */
#define DEPOT_ROW_FIELDS(X, M)               \
    X(M, U8, version, 0, 0)                  \
    X(M, U8, over, 0, 0)                     \
    X(M, FIX, room, 32, 0)                   \
    X(M, FIX, ticket, GRANT_TICKET, 0)       \
    X(M, U64, quota, 0, 0)                   \
    X(M, U64, expiry, 0, 0)                  \
    X(M, U64, scrubbed_ms, 0, 0)             \
    X(M, U64, list_version, 0, 0)            \
    X(M, LIST16, seats, 32, GRANT_SEATS_MAX) \
    X(M, LIST16, used, 32, GRANT_USED_MAX)
FIELDS_DECLARE(depot_row, DEPOT_ROW_FIELDS);

/* Row n of the space "depot trash": segments on their way out, ascending (id | since u64). */
#define DEPOT_TRASH_ITEM 40
#define DEPOT_TRASH_FIELDS(X, M) X(M, LIST16, items, DEPOT_TRASH_ITEM, DEPOT_TRASH_MAX)
FIELDS_DECLARE(depot_trash, DEPOT_TRASH_FIELDS);

/* Segments that one seat's live set leaves out. */
struct depot_claim {
    uint8_t seat[32];
    uint64_t at_ms; /* wall clock; 0: none */
    struct buf ids; /* 32 bytes each, ascending */
};

struct depot_room {
    struct depot *d;
    uint64_t slot;
    bool over;
    bool cleaned; /* it is over, and nothing of it is on the disk any more */
    uint8_t room[32];
    uint8_t tag[SHARD_TAG];
    uint8_t ticket[GRANT_TICKET];
    uint64_t quota, expiry;
    struct grant_seats seats;
    struct holder *holder;
    struct buf trash; /* DEPOT_TRASH_ITEM each */
    struct depot_claim claims[2];
    struct buf lost; /* DEPOT_LOST_ITEM each; not yet heard by a member */
    bool sweeping;
    struct scrub *scrub;
    uint64_t scrubbed_ms;       /* wall clock: every column was read then */
    struct audit_server *audit; /* NULL: nobody has asked yet */
    struct buf askers;          /* seats that did, 32 bytes each */
};

struct depot_conn {
    struct depot_conn *next;
    struct depot *d;
    struct depot_wire wire;
    uint8_t exporter[32];
    uint64_t born_ms;
    bool hello;
    bool closed;
    bool seated; /* as of the last look */
    size_t pending;
    uint8_t room_id[32];
    uint8_t seat[32];
    struct holder_session *session;
    bool asked;      /* a challenge, as */
    uint16_t asker;  /* number of its seat */
    struct buf live; /* ids of the set that comes in */
    bool living;
};

struct depot {
    struct depot_config c;
    struct depot_room *rooms[DEPOT_ROOMS_MAX];
    size_t n;
    uint64_t next_slot;
    struct depot_conn *conns;
    size_t strangers;
    size_t pending; /* calls of store and kv still to come back */
    bool freed;
    uint64_t sweep_ms;
    uint64_t scrub_ms; /* the next step of what is being scrubbed; UINT64_MAX: nothing is */
};

struct depot_room *depot_room_of(struct depot *d, const uint8_t room[32]); /* NULL */
void depot_release(struct depot *d);
/* Who is no longer in the list is not served any more. */
void depot_seats_changed(struct depot_room *r);
void depot_apply_quota(struct depot_room *r);
/* The room's row, and its trash, as they are now. */
enum status depot_save(struct depot_room *r, bool trash, kv_done *done, void *arg) MUST_USE;
enum status depot_take_grant(struct depot *d, const uint8_t room[32], struct bytes bytes,
                             struct depot_room **ret) MUST_USE;

/* depot_scrub.c */
void depot_scrub(struct depot_room *r, uint64_t wall_ms); /* begins one if it is due */
void depot_scrub_tick(struct depot *d, uint64_t now_ms);
void depot_scrub_stop(struct depot_room *r);
void depot_tell_lost(struct depot_conn *c);

/* depot_audit.c */
enum status depot_audit(struct depot_conn *c, struct depot_room *r, struct bytes payload) MUST_USE;
void depot_audit_writable(struct depot_conn *c);
void depot_audit_gone(struct depot_conn *c);

/* depot_trash.c */
/* A seat's whole live set, ascending ids. done comes later. */
typedef void depot_live_done(void *arg, enum status st);
enum status depot_live_take(struct depot_room *r, const uint8_t seat[32], struct buf *ids,
                            depot_live_done *done, void *arg) MUST_USE;
void depot_sweep(struct depot_room *r);
void depot_forget(struct depot_room *r); /* everything of it goes, the row stays as over */
/* Position of id among ascending items of `size` bytes. */
size_t depot_seek(struct bytes items, size_t size, const uint8_t id[32], bool *ret_found);

#endif
