/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * handover: sealed entries of feed 1 that the sentinel has let go of, asked of
 * another member over their link and proved by the chain alone.
 *
 * Owns nothing; what a piece decodes to points into its bytes.
 * Errors: of base/fields.h; handover_check: ST_BAD_MESSAGE (not what its numbers
 *     say), ST_INTEGRITY (not the entries of this chain).
 * Order: the asker names [from, to) and knows the chain after to - 1. Each piece
 *     ends at to and is checked before anything of it is used; then the chain
 *     before its first entry is known, and the next piece ends there.
 */
#ifndef ENCLAVE_CORE_FEED_HANDOVER_H
#define ENCLAVE_CORE_FEED_HANDOVER_H

#include "base/fields.h"
#include "core/feed/chain.h"

#define HANDOVER_ASK 0x14 /* frames of a link between members */
#define HANDOVER_GIVE 0x15
#define HANDOVER_ENTRIES_MAX 1024           /* of one piece */
#define HANDOVER_PIECE ((size_t)512 << 10)  /* bytes of one piece, or one entry */
#define HANDOVER_PIECE_MAX ((size_t)528384) /* the largest entry with its length fits */

#define HANDOVER_ASK_FIELDS(X, M) \
    X(M, U64, from, 0, 0)         \
    X(M, U64, to, 0, 0)
FIELDS_DECLARE(handover_ask, HANDOVER_ASK_FIELDS);

/* Entries from .. to - 1, before: the chain before the first. from = to: there are no more here. */
#define HANDOVER_GIVE_FIELDS(X, M) \
    X(M, U64, from, 0, 0)          \
    X(M, U64, to, 0, 0)            \
    X(M, FIX, before, 32, 0)       \
    X(M, TAIL, entries, HANDOVER_PIECE_MAX, 0)
FIELDS_DECLARE(handover_give, HANDOVER_GIVE_FIELDS);
#define HANDOVER_ITEM_FIELDS(X, M) X(M, VAR32, sealed, 524288, 0)
FIELDS_DECLARE(handover_item, HANDOVER_ITEM_FIELDS);

/* A piece that is not empty: exactly its entries, and the chain after them is `after`. */
enum status handover_check(const struct handover_give *g, const uint8_t after[32]) MUST_USE;

#endif
