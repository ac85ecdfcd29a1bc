/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * receipt: what audits leave behind for everybody. A RECEIPT (feed 3, type 1)
 * carries rows of one verifier, numbered without a gap; a DIGEST (ledger, type
 * 14) sums up a stretch of feed 3, so that the ledger keeps for ever what feed 3
 * forgets after 90 days. Every member that can read the stretch adds it up
 * again: a sum that is not the same is named with its author.
 *
 * Owns: a struct audit_fold belongs to the caller. Errors: ST_BAD_MESSAGE for a
 *     body that is not well formed, ST_TOO_BIG when there are more holders or
 *     verifiers than a digest holds.
 * Order: audit_fold_start, audit_fold_take for each entry of the stretch in
 *     order, audit_fold_digest.
 */
#ifndef ENCLAVE_CORE_AUDIT_RECEIPT_H
#define ENCLAVE_CORE_AUDIT_RECEIPT_H

#include "base/fields.h"
#include "core/audit/score.h"

#define AUDIT_ROW 14
#define AUDIT_ROWS_MAX 2048 /* of one entry */
#define AUDIT_RECEIPT_VERSION 1
#define AUDIT_DIGEST_VERSION 1
#define AUDIT_DIGEST_VERIFIERS 256
#define AUDIT_DIGEST_HOLDERS 512
#define AUDIT_DIGEST_VERIFIER_BYTES 10
#define AUDIT_DIGEST_HOLDER_BYTES 22

/* One round: a verifier, a holder, an hour. flags: 1 the holder was there. */
#define AUDIT_ROW_FIELDS(X, M) \
    X(M, U32, hour, 0, 0)      \
    X(M, U16, holder, 0, 0)    \
    X(M, U8, flags, 0, 0)      \
    X(M, U8, asked, 0, 0)      \
    X(M, U8, right, 0, 0)      \
    X(M, U8, late, 0, 0)       \
    X(M, U8, gone, 0, 0)       \
    X(M, U8, damaged, 0, 0)    \
    X(M, U8, wrong, 0, 0)      \
    X(M, U8, zero, 0, 0)
FIELDS_DECLARE(audit_row, AUDIT_ROW_FIELDS);
#define AUDIT_ROW_THERE 1

#define AUDIT_RECEIPT_FIELDS(X, M) \
    X(M, U8, version, 0, 0)        \
    X(M, U64, first, 0, 0)         \
    X(M, LIST16, rows, AUDIT_ROW, AUDIT_ROWS_MAX)
FIELDS_DECLARE(audit_receipt, AUDIT_RECEIPT_FIELDS);

/* from, count: entries of feed 3, [from, count); chain after them. verifiers: leaf u16 | next row u64;
 * holders: holder u16 | rounds, asked, right, late, lost u32 each; both ascending. */
#define AUDIT_DIGEST_FIELDS(X, M)                                                \
    X(M, U8, version, 0, 0)                                                      \
    X(M, U32, day, 0, 0)                                                         \
    X(M, U64, from, 0, 0)                                                        \
    X(M, U64, count, 0, 0)                                                       \
    X(M, FIX, chain, 32, 0)                                                      \
    X(M, LIST16, verifiers, AUDIT_DIGEST_VERIFIER_BYTES, AUDIT_DIGEST_VERIFIERS) \
    X(M, LIST16, holders, AUDIT_DIGEST_HOLDER_BYTES, AUDIT_DIGEST_HOLDERS)
FIELDS_DECLARE(audit_digest, AUDIT_DIGEST_FIELDS);

/* Form: versions, order, sums that fit. */
enum status audit_receipt_read(struct bytes body, struct audit_receipt *ret) MUST_USE;
enum status audit_receipt_row(const struct audit_receipt *r, size_t i,
                              struct audit_row *ret) MUST_USE;
enum status audit_digest_read(struct bytes body, struct audit_digest *ret) MUST_USE;

struct audit_total {
    uint16_t holder;
    uint32_t rounds, asked, right, late, lost;
};
void audit_digest_total(const struct audit_digest *d, size_t i, struct audit_total *ret);

struct audit_fold {
    struct {
        uint16_t leaf;
        uint64_t next;
    } verifiers[AUDIT_DIGEST_VERIFIERS];
    size_t n_verifiers;
    struct audit_total holders[AUDIT_DIGEST_HOLDERS];
    size_t n_holders;
    uint64_t rows; /* taken in */
    uint64_t gaps; /* rows that a verifier never showed */
};
/* The verifiers' rows go on where the digest before ended (NULL: there is none). */
void audit_fold_start(struct audit_fold *f, const struct audit_digest *before);
/* Rows below the verifier's next one were there before and do not count again. */
enum status audit_fold_take(struct audit_fold *f, uint16_t leaf, struct bytes body) MUST_USE;
enum status audit_fold_digest(const struct audit_fold *f, uint32_t day, uint64_t from,
                              uint64_t count, const uint8_t chain[32], struct buf *out) MUST_USE;

#endif
