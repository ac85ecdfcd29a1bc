/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * rules: what a sentinel decides for good: rooms, seats, feeds, doors
 * (protocol.md 2, 3, 8). No truth in memory: each call reads and writes through
 * the store port inside the caller's transaction, so several processes could
 * share one store without a change here.
 *
 * Owns nothing; results that are buffers belong to the caller.
 * Errors: the status is what the client is told (room_wire.h); ST_IO, ST_NO_SPACE,
 *     ST_NO_MEMORY, ST_INTEGRITY mean that the caller undoes the store's mark.
 *     Every other failure has changed nothing.
 * Order: rules_run for a request; rules_sweep now and then. Store thread.
 */
#ifndef ENCLAVE_CORE_ROOM_RULES_H
#define ENCLAVE_CORE_ROOM_RULES_H

#include "core/ports/room_store.h"
#include "core/room/limits.h"

struct rules {
    struct room_store store;
    struct room_limits limits;
};

/* Who asks. attached: seat of room was proved when this connection attached; that it is still a
 * current seat is looked up again each time. */
struct rules_caller {
    bool attached;
    uint8_t room[32];
    uint8_t seat[32];
    uint8_t exporter[32];
    uint8_t spki[32];
    uint64_t now_ms; /* wall clock */
};

/* What others are to be told once it is committed. */
enum rules_event { RULES_NONE, RULES_APPENDED, RULES_SEATS, RULES_KNOCKED, RULES_REPLIED };

struct rules_effect {
    enum rules_event event;
    uint8_t room[32];
    uint8_t feed;      /* APPENDED */
    uint64_t number;   /* APPENDED: index; SEATS: version; KNOCKED: number */
    uint8_t chain[32]; /* APPENDED: after */
    uint8_t key[32];   /* SEATS: the seat; KNOCKED: door; REPLIED: reply hash */
    uint8_t reply[32]; /* KNOCKED */
    uint8_t kind;      /* SEATS: enum room_record_kind; REPLIED: outcome */
    bool dropped;      /* ATTACH of a dropped seat */
    bool erased;       /* the room, or what it was before REHOME, is gone: scrub after the commit */
};

/* A request that needs the store: every type below ROOM_CIRCUIT_OPEN but PING, SIGNAL, PRESENT.
 * payload: as it came. Appends the reply's body (may stay empty) to body, which is cleared on
 * failure except where room_wire.h gives a failure a body. ST_VERSION: a type that is not known. */
enum status rules_run(const struct rules *r, const struct rules_caller *who, uint8_t type,
                      struct bytes payload, struct buf *body, struct rules_effect *ret) MUST_USE;

/* Lets go of what has outlived its time in the ROOM_SWEEP_ROOMS rooms after *cursor, which moves
 * on (zeros again at the end: *ret_more false). */
enum status rules_sweep(const struct rules *r, uint64_t now_ms, uint8_t cursor[32], bool *ret_more,
                        bool *ret_erased) MUST_USE;

#endif
