/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * post: the rows of words: what `read` shows, and the outbox. Entry points are
 * in node/enclave/enclave.h.
 *
 * Owns nothing. Errors: of base/fields.h. Order: none.
 */
#ifndef ENCLAVE_NODE_POST_H
#define ENCLAVE_NODE_POST_H

#include "node/enclave/enclave.h"

/* n = number of the message. lost: places of the sender's chain missing before it. */
#define MESSAGE_ROW_FIELDS(X, M)       \
    X(M, U8, version, 0, 0)            \
    X(M, U16, leaf, 0, 0)              \
    X(M, U8, own, 0, 0)                \
    X(M, U8, sent, 0, 0)               \
    X(M, U64, time_ms, 0, 0)           \
    X(M, U64, arrived_ms, 0, 0)        \
    X(M, FIX, uuid, 16, 0)             \
    X(M, U64, lost, 0, 0)              \
    X(M, VAR8, nick, NODE_NICK_MAX, 0) \
    X(M, VAR32, text, 524288, 0)
FIELDS_DECLARE(message_row, MESSAGE_ROW_FIELDS);

/* epoch UINT64_MAX: not sealed yet, it waits for a new epoch. */
#define OUTBOX_ROW_FIELDS(X, M)    \
    X(M, U64, number, 0, 0)        \
    X(M, FIX, uuid, 16, 0)         \
    X(M, U64, epoch, 0, 0)         \
    X(M, U64, time_ms, 0, 0)       \
    X(M, VAR32, sealed, 524288, 0) \
    X(M, VAR32, content, 524288, 0)
FIELDS_DECLARE(outbox_row, OUTBOX_ROW_FIELDS);

#endif
