/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * limits: everything a sentinel bounds, with the defaults; operators set them
 * in the configuration file. What is full is refused, never silently dropped;
 * only what has outlived its time (mail, receipts, doors) is let go.
 *
 * Owns nothing. Errors: none. Order: room_limits_default, then changes.
 */
#ifndef ENCLAVE_CORE_ROOM_LIMITS_H
#define ENCLAVE_CORE_ROOM_LIMITS_H

#include "core/room/room_wire.h"

#define ROOM_HOUR_MS ((uint64_t)3600000)
#define ROOM_DAY_MS (24 * ROOM_HOUR_MS)
#define ROOM_SEATS_EVER_MAX 4096 /* seats of one room over all its life */
#define ROOM_TURN_MS 2000        /* protocol.md 2: a lost race gives the others their turn */
#define ROOM_SWEEP_MS ((uint64_t)600000)
#define ROOM_SWEEP_ROOMS 64 /* rooms looked at in one sweep job */

struct room_limits {
    /* durable, held by the rules */
    uint64_t rooms;
    uint64_t seats; /* at most ROOM_SEATS_MAX */
    uint64_t room_bytes;
    uint64_t feed_bytes[ROOM_FEEDS]; /* full: refused; mail lets go of what all have read */
    uint64_t mail_ms;
    uint64_t receipts_ms;
    uint64_t idle_ms;
    uint64_t dropped_ms; /* how long a dropped seat may read why */
    uint64_t reply_ms;   /* how long knocks and replies are kept */
    uint64_t doors;      /* open doors a room */
    uint64_t knocks;     /* knocks kept a room */
    /* of the moment, held by the hub */
    uint64_t connections;
    uint64_t requests;         /* unanswered at once on a connection */
    uint64_t requests_minute;  /* by an attached connection */
    uint64_t strangers_minute; /* requests by one that is not attached */
    uint64_t signals_minute;
    uint64_t entries_hour; /* appends a seat and feed; a tenth of it at once */
    uint64_t bytes_hour;   /* appended a seat; a quarter of it at once */
    uint64_t circuits;     /* a connection */
    uint64_t waiting_polls;
    uint64_t stranger_ms;   /* a connection that neither attaches nor waits is closed then */
    uint64_t pending_bytes; /* queued for one slow connection */
    uint64_t pending_total; /* queued for all */
};

void room_limits_default(struct room_limits *l);

#endif
