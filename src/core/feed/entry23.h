/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * entry23: an entry of feed 2 (files) or 3 (receipts), plain and sealed
 * (protocol.md sections 8 and 13). Sealed = epoch u64 | nonce 24 | XAEAD(tree or
 * receipts key of the epoch, ad = room id | feed){version | type | leaf | own
 * number | prev_own | seen of feed 0 | time_ms | len | body | zero pad | sig}.
 * The leaf's ID key signs "ENCLAVE-FEED" | 0x00 | enclave_id | feed | epoch |
 * version .. pad. Which epoch counts is the ledger's to say (ledger_counts).
 *
 * Owns: a struct entry23 points into the plain text that it was read from.
 * Errors: ST_BAD_SEAL, ST_BAD_MESSAGE (layout, pad), ST_VERSION, ST_TOO_BIG,
 *     ST_BAD_SIGNATURE.
 * Order: entry23_seal. Or: entry23_epoch, entry23_open, entry23_verify.
 */
#ifndef ENCLAVE_CORE_FEED_ENTRY23_H
#define ENCLAVE_CORE_FEED_ENTRY23_H

#include "base/fields.h"
#include "core/feed/chain.h"
#include "core/feed/pad.h"

#define ENTRY23_VERSION 1
#define ENTRY23_NONCE 24
#define ENTRY23_OVERHEAD (8 + ENTRY23_NONCE + 16)
#define ENTRY23_BODY_MAX ((size_t)500 << 10)

enum entry23_type {
    ENTRY23_OP = 1, /* feed 2 */
    ENTRY23_SNAP = 2,
    ENTRY23_PLACED = 3,
    ENTRY23_TRIM = 4,
    ENTRY23_RECEIPT = 1, /* feed 3 */
    ENTRY23_OBSERVATION = 2
};

#define ENTRY23_FIELDS(X, M)     \
    X(M, U8, version, 0, 0)      \
    X(M, U8, type, 0, 0)         \
    X(M, U16, leaf, 0, 0)        \
    X(M, U64, own_number, 0, 0)  \
    X(M, FIX, prev_own, 32, 0)   \
    X(M, U64, seen_count, 0, 0)  \
    X(M, FIX, seen_chain, 32, 0) \
    X(M, U64, time_ms, 0, 0)     \
    X(M, VAR32, body, ENTRY23_BODY_MAX, 0)
FIELDS_DECLARE(entry23, ENTRY23_FIELDS);

/* Where an entry stands and under what it is sealed. */
struct entry23_place {
    const uint8_t *room;       /* 32 */
    const uint8_t *enclave_id; /* 32 */
    const uint8_t *key;        /* 32: export("tree") or export("receipts") of the epoch */
    uint64_t epoch;
    uint8_t feed; /* 2 or 3 */
};

/* Signs with the leaf's ID seed, seals, appends to out. */
enum status entry23_seal(const struct entry23 *e, const struct entry23_place *place,
                         const uint8_t id_seed[32], const uint8_t nonce[ENTRY23_NONCE],
                         struct buf *out) MUST_USE;
/* The epoch written in front of the seal. */
enum status entry23_epoch(struct bytes sealed, uint64_t *ret_epoch) MUST_USE;
/* Appends the plain text (version .. sig) to ret_plain and cuts it into fields; place->epoch must be
 * what entry23_epoch gave. The signature is not checked yet: the leaf must be looked up first. */
enum status entry23_open(struct bytes sealed, const struct entry23_place *place,
                         struct buf *ret_plain, struct entry23 *ret) MUST_USE;
/* plain: what entry23_open appended. */
enum status entry23_verify(struct bytes plain, const struct entry23_place *place,
                           const uint8_t id[32]) MUST_USE;

#endif
