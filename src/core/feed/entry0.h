/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * entry0: an entry of feed 0, plain and sealed (protocol.md section 4).
 * Sealed = epoch u64 | back 48 | nonce 24 | XAEAD(log_key[epoch], ad = room id |
 * feed | index | back){entry | zero pad}. The author's ID key signs "ENCLAVE-LOG"
 * | 0x00 | enclave_id | index .. body.
 *
 * Owns: struct buf results belong to the caller; a struct entry0 decoded from a
 *     buffer points into it.
 * Errors: ST_BAD_SEAL (key, place or bytes differ), ST_BAD_MESSAGE (layout, pad
 *     not zero, not the smallest class), ST_TOO_BIG, ST_BAD_SIGNATURE.
 * Order: build: fill a struct entry0, entry0_sign, entry0_seal. Read:
 *     entry0_envelope, entry0_open, entry0_split, entry0_verify.
 */
#ifndef ENCLAVE_CORE_FEED_ENTRY0_H
#define ENCLAVE_CORE_FEED_ENTRY0_H

#include "base/fields.h"
#include "core/feed/chain.h"
#include "core/feed/pad.h"

#define ENTRY0_BACK 48
#define ENTRY0_NONCE 24
#define ENTRY0_HEAD (8 + ENTRY0_BACK)                     /* what walking back needs of an entry */
#define ENTRY0_OVERHEAD (ENTRY0_HEAD + ENTRY0_NONCE + 16) /* sealed less plain with pad */
#define ENTRY0_BODY_MAX ((size_t)500 << 10)

#define ENTRY0_FIELDS(X, M)               \
    X(M, U64, index, 0, 0)                \
    X(M, FIX, prev_chain, 32, 0)          \
    X(M, U64, epoch, 0, 0)                \
    X(M, U16, rules, 0, 0)                \
    X(M, U8, type, 0, 0)                  \
    X(M, U8, flags, 0, 0)                 \
    X(M, U64, time_ms, 0, 0) /* advice */ \
    X(M, U64, seen1_count, 0, 0)          \
    X(M, FIX, seen1_chain, 32, 0)         \
    X(M, U64, seen2_count, 0, 0)          \
    X(M, FIX, seen2_chain, 32, 0)         \
    X(M, U64, seen3_count, 0, 0)          \
    X(M, FIX, seen3_chain, 32, 0)         \
    X(M, FIX, actor, 32, 0)               \
    X(M, VAR32, body, ENTRY0_BODY_MAX, 0) \
    X(M, FIX, sig, 64, 0)
FIELDS_DECLARE(entry0, ENTRY0_FIELDS);

/* What stands outside the seal. */
struct entry0_envelope {
    uint64_t epoch;
    uint8_t back[ENTRY0_BACK];
};

void entry0_set_seen(struct entry0 *e, const struct seen seen[3]); /* feeds 1, 2, 3 */
struct seen entry0_seen(const struct entry0 *e, uint8_t feed);     /* 1, 2 or 3 */

void entry0_sign(struct entry0 *e, const uint8_t enclave_id[32], const uint8_t id_seed[32]);
enum status entry0_verify(const struct entry0 *e, const uint8_t enclave_id[32]) MUST_USE;
/* index .. sig without pad, as proposal hashes cover it. */
enum status entry0_plain(const struct entry0 *e, struct buf *out) MUST_USE;

/* Appends the sealed entry to out. The envelope's epoch is e->epoch. */
enum status entry0_seal(const struct entry0 *e, const uint8_t room[32], const uint8_t log_key[32],
                        const uint8_t back[ENTRY0_BACK], const uint8_t nonce[ENTRY0_NONCE],
                        struct buf *out) MUST_USE;
/* Reads what stands outside the seal; also checks that the size is a class. */
enum status entry0_envelope(struct bytes sealed, struct entry0_envelope *ret) MUST_USE;
/* Appends the plain text with its pad to ret_plain. */
enum status entry0_open(struct bytes sealed, const uint8_t room[32], const uint8_t log_key[32],
                        uint64_t index, struct buf *ret_plain) MUST_USE;
/* Cuts the plain text with its pad into fields; pad must be zeros and the class the smallest. */
enum status entry0_split(struct bytes plain, struct entry0 *ret) MUST_USE;

#endif
