/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * audit: does a holder still have what it keeps? A challenge names leaves of a
 * shard by a fresh nonce; the answer brings these leaves with their paths up to
 * the segment root that the tree names, signed by the holder (a member's ID key,
 * a storage node's own), so that a wrong answer is a proof for everybody who has
 * the ledger and the tree. A
 * holder that finds its own shard gone or damaged says so, signed as well.
 * What is not signed (silence, "busy", a signature that does not verify) proves
 * nothing to others.
 *
 * Owns nothing: decoded views point into the input. Errors: ST_BAD_MESSAGE,
 *     ST_TOO_BIG for bytes that are no message; what an answer is worth is no
 *     error but an enum audit_verdict.
 * Order: audit_draw, audit_check. audit_proof_make and audit_proof_check stand
 *     by themselves.
 */
#ifndef ENCLAVE_CORE_AUDIT_AUDIT_H
#define ENCLAVE_CORE_AUDIT_AUDIT_H

#include "core/files/segment.h"

#define AUDIT_ROUND 24     /* leaves asked of a holder in an hour */
#define AUDIT_COUNT_MAX 24 /* of them in one challenge */
#define AUDIT_WAIT_MIN_MS 1000
#define AUDIT_WAIT_MAX_MS 60000
#define AUDIT_LEAF_PATH_MAX 9 /* 512 leaves */
#define AUDIT_LEAF_MAX (SEGMENT_LEAF + 1 + (size_t)32 * AUDIT_LEAF_PATH_MAX)
#define AUDIT_LEAVES_MAX (AUDIT_COUNT_MAX * AUDIT_LEAF_MAX)

/* Frames of a member link (docs/spec/audit.md). */
enum audit_frame { AUDIT_CHALLENGE = 0x6E, AUDIT_ANSWER = 0x7E };

enum audit_code {
    AUDIT_CODE_HERE = 0,
    AUDIT_CODE_GONE = 1,    /* signed: no such shard here */
    AUDIT_CODE_DAMAGED = 2, /* signed: here, and not what was stored */
    AUDIT_CODE_BUSY = 3,    /* too much is asked; from here on nothing is signed */
    AUDIT_CODE_FAULT = 4,   /* cannot read now */
    AUDIT_CODE_OTHER = 5    /* what is kept here is sound, and another segment than the tree says */
};

/* root: of the segment, as the asker's tree names it. */
#define AUDIT_CHALLENGE_FIELDS(X, M)   \
    X(M, U32, req, 0, 0)               \
    X(M, FIX, nonce, 32, 0)            \
    X(M, FIX, segment_id, SHARD_ID, 0) \
    X(M, U8, index, 0, 0)              \
    X(M, U16, count, 0, 0)             \
    X(M, FIX, root, 32, 0)             \
    X(M, U32, wait_ms, 0, 0)
FIELDS_DECLARE(audit_challenge, AUDIT_CHALLENGE_FIELDS);

/* root, path: from the column to the segment, as the shard's trailer says. leaves: of challenge.count
 * items of the list below. */
#define AUDIT_ANSWER_FIELDS(X, M)           \
    X(M, U32, req, 0, 0)                    \
    X(M, U8, code, 0, 0)                    \
    X(M, FIX, sig, 64, 0)                   \
    X(M, FIX, root, 32, 0)                  \
    X(M, LIST8, path, 32, SEGMENT_PATH_MAX) \
    X(M, TAIL, leaves, AUDIT_LEAVES_MAX, 0)
FIELDS_DECLARE(audit_answer, AUDIT_ANSWER_FIELDS);

#define AUDIT_LEAF_FIELDS(X, M)      \
    X(M, FIX, data, SEGMENT_LEAF, 0) \
    X(M, LIST8, path, 32, AUDIT_LEAF_PATH_MAX)
FIELDS_DECLARE(audit_leaf, AUDIT_LEAF_FIELDS);

/* A challenge and its signed answer, for everybody. */
#define AUDIT_PROOF_FIELDS(X, M)            \
    X(M, U8, version, 0, 0)                 \
    X(M, U16, holder, 0, 0)                 \
    X(M, FIX, nonce, 32, 0)                 \
    X(M, FIX, segment_id, SHARD_ID, 0)      \
    X(M, U8, index, 0, 0)                   \
    X(M, U16, count, 0, 0)                  \
    X(M, U8, code, 0, 0)                    \
    X(M, FIX, sig, 64, 0)                   \
    X(M, FIX, root, 32, 0)                  \
    X(M, LIST8, path, 32, SEGMENT_PATH_MAX) \
    X(M, TAIL, leaves, AUDIT_LEAVES_MAX, 0)
FIELDS_DECLARE(audit_proof, AUDIT_PROOF_FIELDS);
#define AUDIT_PROOF_VERSION 1

enum audit_verdict {
    AUDIT_RIGHT,
    AUDIT_LATE,    /* no answer in time, or a refusal: counts with who asked only */
    AUDIT_GONE,    /* the holder's own signed word */
    AUDIT_DAMAGED, /* likewise */
    AUDIT_WRONG,   /* signed, and not what the tree names */
    AUDIT_VERDICTS
};
#define AUDIT_IS_PROOF(v) ((v) == AUDIT_GONE || (v) == AUDIT_DAMAGED || (v) == AUDIT_WRONG)

/* What the tree says about the segment. */
struct audit_segment {
    uint8_t root[32];
    uint32_t rows;
    uint8_t k;
    uint8_t n;
};

/* So many leaves of shard number `shard`. */
struct audit_draw {
    uint32_t shard;
    uint16_t count;
};
/* Spreads AUDIT_ROUND leaves over shards 0 .. n-1 by the seed: each of up to AUDIT_ROUND shards gets one
 * before any gets a second. Returns the number of rows used. */
size_t audit_draw(const uint8_t seed[32], uint32_t n, struct audit_draw ret[AUDIT_ROUND]);
/* The nonce of one challenge of a round. */
void audit_nonce(const uint8_t seed[32], const uint8_t segment_id[SHARD_ID], uint8_t index,
                 uint8_t ret[32]);
/* Leaf j of a challenge; leaves: of the column. */
uint32_t audit_leaf_number(const uint8_t nonce[32], const uint8_t segment_id[SHARD_ID], uint32_t j,
                           uint32_t leaves);

/* What is signed by "ENCLAVE-AUDIT": place | nonce | segment_id | index | count | segment root that was
 * asked for | H(code .. leaves without the signature). place: the enclave id; of a storage node, which
 * does not know it, the room. */
#define AUDIT_STATEMENT (32 + 32 + SHARD_ID + 1 + 2 + 32 + 32)
void audit_statement(const uint8_t place[32], const struct audit_challenge *c,
                     const struct audit_answer *a, uint8_t ret[AUDIT_STATEMENT]);

/* leaf_no: the first leaf that is wrong (AUDIT_WRONG; UINT32_MAX: not one leaf's fault). */
enum audit_verdict audit_check(const uint8_t place[32], const uint8_t holder_key[32],
                               const struct audit_segment *s, const struct audit_challenge *c,
                               const struct audit_answer *a, uint32_t *ret_leaf_no);

/* Appends the proof to out; only for verdicts that AUDIT_IS_PROOF. */
enum status audit_proof_make(uint16_t holder, const struct audit_challenge *c,
                             const struct audit_answer *a, struct buf *out) MUST_USE;
/* AUDIT_RIGHT or AUDIT_LATE: it proves nothing. */
enum audit_verdict audit_proof_check(const uint8_t place[32], const uint8_t holder_key[32],
                                     const struct audit_segment *s, const struct audit_proof *p,
                                     uint32_t *ret_leaf_no);

const char *audit_verdict_text(enum audit_verdict v); /* plain words */

#endif
