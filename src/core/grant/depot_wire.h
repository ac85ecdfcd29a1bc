/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * depot_wire: what a member and a storage node say to each other beside the
 * holder's messages (core/holder/wire.h), over a server link. Every request
 * gets one DEPOT_STATE with its number, after what it changed is on disk.
 *
 * Owns nothing. Errors: as base/fields.h. Order: HELLO first, once; GRANT and
 *     RECORDS may come from a seat that the node does not know yet, everything
 *     else only from one that it knows.
 */
#ifndef ENCLAVE_CORE_GRANT_DEPOT_WIRE_H
#define ENCLAVE_CORE_GRANT_DEPOT_WIRE_H

#include "core/grant/grant.h"

#define DEPOT_VERSION 1
#define DEPOT_RECORDS_MAX ((size_t)512 << 10)
#define DEPOT_LIVE_MAX 16384 /* ids of one LIVE frame */
#define DEPOT_LOST_MAX 1024
#define DEPOT_LOST_ITEM 33 /* segment id | index */

enum depot_type {
    DEPOT_HELLO = 0x50,
    DEPOT_GRANT = 0x51,
    DEPOT_RECORDS = 0x52, /* room_record, one after the other, as the sentinel tells them */
    DEPOT_LIVE = 0x53,    /* every segment that the tree needs, in several frames */
    DEPOT_BYE = 0x54,     /* by the last seat: forget this enclave */
    DEPOT_HEARD = 0x55,   /* the columns of the last LOST are known */
    DEPOT_STATE = 0x58,
    DEPOT_LOST = 0x59 /* columns that the scrub found rotten and threw away; said until HEARD */
};

#define DEPOT_HELLO_FIELDS(X, M) \
    X(M, U32, req, 0, 0)         \
    X(M, U8, version, 0, 0)      \
    X(M, FIX, room, 32, 0)       \
    X(M, FIX, seat, 32, 0)       \
    X(M, FIX, sig, 64, 0) /* "attach" over (exporter | SPKI hash), as at a sentinel */
FIELDS_DECLARE(depot_hello, DEPOT_HELLO_FIELDS);

#define DEPOT_GRANT_FIELDS(X, M) \
    X(M, U32, req, 0, 0)         \
    X(M, TAIL, grant, 32768, 0)
FIELDS_DECLARE(depot_grant, DEPOT_GRANT_FIELDS);

#define DEPOT_RECORDS_FIELDS(X, M) \
    X(M, U32, req, 0, 0)           \
    X(M, TAIL, records, DEPOT_RECORDS_MAX, 0)
FIELDS_DECLARE(depot_records, DEPOT_RECORDS_FIELDS);

/* ids ascending over all frames of a set; first begins one, last ends it. list_version: the seat
 * list that the author knows. */
#define DEPOT_LIVE_FIELDS(X, M)   \
    X(M, U32, req, 0, 0)          \
    X(M, U64, list_version, 0, 0) \
    X(M, U8, first, 0, 0)         \
    X(M, U8, last, 0, 0)          \
    X(M, LIST16, ids, 32, DEPOT_LIVE_MAX)
FIELDS_DECLARE(depot_live, DEPOT_LIVE_FIELDS);

#define DEPOT_BYE_FIELDS(X, M)    \
    X(M, U32, req, 0, 0)          \
    X(M, U64, list_version, 0, 0) \
    X(M, FIX, sig, 64, 0)
FIELDS_DECLARE(depot_bye, DEPOT_BYE_FIELDS);

#define DEPOT_HEARD_FIELDS(X, M) \
    X(M, U32, req, 0, 0)         \
    X(M, U16, n, 0, 0)
FIELDS_DECLARE(depot_heard, DEPOT_HEARD_FIELDS);

/* result: holder_code of a status. known: the node has a grant of this room. seated: the asker's
 * seat is in its list. */
#define DEPOT_STATE_FIELDS(X, M)  \
    X(M, U32, req, 0, 0)          \
    X(M, U8, result, 0, 0)        \
    X(M, U8, known, 0, 0)         \
    X(M, U8, seated, 0, 0)        \
    X(M, U64, list_version, 0, 0) \
    X(M, U64, expiry, 0, 0)       \
    X(M, U64, quota, 0, 0)        \
    X(M, U64, used, 0, 0)         \
    X(M, U64, free, 0, 0)         \
    X(M, U32, trash, 0, 0) /* segments that go within 7 days */
FIELDS_DECLARE(depot_state, DEPOT_STATE_FIELDS);

#define DEPOT_LOST_FIELDS(X, M) X(M, LIST16, columns, DEPOT_LOST_ITEM, DEPOT_LOST_MAX)
FIELDS_DECLARE(depot_lost, DEPOT_LOST_FIELDS);

#endif
