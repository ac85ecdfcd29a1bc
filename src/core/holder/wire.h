/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * wire: the messages between the holders of an enclave, over a member link.
 * Requests are 0x60 to 0x6F, replies 0x70 to 0x7F; every message begins with a
 * number that the asker chose for the request (for the life of the request
 * unique on that link).
 *
 * Owns nothing. Errors: as base/fields.h. Order: see holder.h (requests) and
 *     node/hold/keeper.h (replies).
 */
#ifndef ENCLAVE_CORE_HOLDER_WIRE_H
#define ENCLAVE_CORE_HOLDER_WIRE_H

#include "base/fields.h"
#include "core/ports/shard_store.h"

#define HOLDER_PIECE_MAX ((size_t)256 << 10) /* of a DATA frame */
#define HOLDER_LEAVES_MAX 512                /* leaves of a column */

enum holder_type {
    HOLDER_PUT_OPEN = 0x60,    /* begin a column; no reply unless it fails */
    HOLDER_PUT_UNIT = 0x61,    /* one unit of it; no reply unless it fails */
    HOLDER_PUT_COMMIT = 0x62,  /* STATUS when it is durable */
    HOLDER_PUT_ABANDON = 0x63, /* no reply */
    HOLDER_HAVE = 0x64,        /* HAD */
    HOLDER_INFO = 0x65,        /* TOLD or STATUS */
    HOLDER_TREE = 0x66,        /* LEAVES or STATUS */
    HOLDER_READ = 0x67,        /* DATA until len is reached, or STATUS */
    HOLDER_READ_STOP = 0x68,   /* no reply; DATA on the way may still come */
    HOLDER_DROP = 0x69,        /* STATUS */
    HOLDER_SPACE = 0x6A,       /* ROOM */
    HOLDER_STATUS = 0x70,
    HOLDER_HAD = 0x71,
    HOLDER_TOLD = 0x72,
    HOLDER_LEAVES = 0x73,
    HOLDER_DATA = 0x74,
    HOLDER_ROOM = 0x75
};

#define HOLDER_IS_REQUEST(type) ((type) >= 0x60 && (type) <= 0x6F)
#define HOLDER_IS_REPLY(type) ((type) >= 0x70 && (type) <= 0x7F)

#define HOLDER_OPEN_FIELDS(X, M) \
    X(M, U32, req, 0, 0)         \
    X(M, FIX, header, SHARD_HEADER, 0)
FIELDS_DECLARE(holder_open, HOLDER_OPEN_FIELDS);

#define HOLDER_UNIT_FIELDS(X, M) \
    X(M, U32, req, 0, 0)         \
    X(M, U32, row, 0, 0)         \
    X(M, TAIL, unit, SHARD_UNIT, 0)
FIELDS_DECLARE(holder_unit, HOLDER_UNIT_FIELDS);

#define HOLDER_COMMIT_FIELDS(X, M) \
    X(M, U32, req, 0, 0)           \
    X(M, U32, rows, 0, 0)          \
    X(M, VAR8, trailer, SHARD_TRAILER_MAX, 0)
FIELDS_DECLARE(holder_commit, HOLDER_COMMIT_FIELDS);

/* ABANDON, READ_STOP, SPACE */
#define HOLDER_REQ_FIELDS(X, M) X(M, U32, req, 0, 0)
FIELDS_DECLARE(holder_req, HOLDER_REQ_FIELDS);

#define HOLDER_SEGMENT_FIELDS(X, M) \
    X(M, U32, req, 0, 0)            \
    X(M, FIX, segment_id, SHARD_ID, 0)
FIELDS_DECLARE(holder_segment, HOLDER_SEGMENT_FIELDS);

/* INFO, TREE, DROP */
#define HOLDER_COLUMN_FIELDS(X, M)     \
    X(M, U32, req, 0, 0)               \
    X(M, FIX, segment_id, SHARD_ID, 0) \
    X(M, U8, index, 0, 0)
FIELDS_DECLARE(holder_column, HOLDER_COLUMN_FIELDS);

#define HOLDER_READ_FIELDS(X, M)       \
    X(M, U32, req, 0, 0)               \
    X(M, FIX, segment_id, SHARD_ID, 0) \
    X(M, U8, index, 0, 0)              \
    X(M, U32, offset, 0, 0)            \
    X(M, U32, len, 0, 0)
FIELDS_DECLARE(holder_read, HOLDER_READ_FIELDS);

#define HOLDER_STATUS_FIELDS(X, M) \
    X(M, U32, req, 0, 0)           \
    X(M, U8, code, 0, 0)
FIELDS_DECLARE(holder_status, HOLDER_STATUS_FIELDS);

#define HOLDER_HAD_FIELDS(X, M) \
    X(M, U32, req, 0, 0)        \
    X(M, U64, bitmap, 0, 0)
FIELDS_DECLARE(holder_had, HOLDER_HAD_FIELDS);

#define HOLDER_TOLD_FIELDS(X, M)       \
    X(M, U32, req, 0, 0)               \
    X(M, U32, units, 0, 0)             \
    X(M, U64, stored_ms, 0, 0)         \
    X(M, FIX, header, SHARD_HEADER, 0) \
    X(M, VAR8, trailer, SHARD_TRAILER_MAX, 0)
FIELDS_DECLARE(holder_told, HOLDER_TOLD_FIELDS);

#define HOLDER_LEAVES_FIELDS(X, M) \
    X(M, U32, req, 0, 0)           \
    X(M, LIST16, leaves, 32, HOLDER_LEAVES_MAX)
FIELDS_DECLARE(holder_leaves, HOLDER_LEAVES_FIELDS);

#define HOLDER_DATA_FIELDS(X, M) \
    X(M, U32, req, 0, 0)         \
    X(M, U32, offset, 0, 0)      \
    X(M, TAIL, piece, HOLDER_PIECE_MAX, 0)
FIELDS_DECLARE(holder_data, HOLDER_DATA_FIELDS);

#define HOLDER_ROOM_FIELDS(X, M) \
    X(M, U32, req, 0, 0)         \
    X(M, U64, used, 0, 0)        \
    X(M, U64, free, 0, 0)
FIELDS_DECLARE(holder_room, HOLDER_ROOM_FIELDS);

/* The status list may be reordered; these numbers may not. */
uint8_t holder_code(enum status st);
enum status holder_code_status(uint8_t code);

#endif
