/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * record: the door record, kept by the sentinel for who shows the door's
 * token: a fresh KEM key for this invitation, who invites, into which enclave,
 * how far its ledger had grown, how it votes and which mode it runs in.
 * Signed by the inviter ("ENCLAVE-DOOR"), sealed under the record key, which
 * only holders of the invitation have. protocol.md 3, docs/spec/invitation.md.
 *
 * Owns nothing. Errors of open: ST_BAD_SEAL, ST_BAD_MESSAGE, ST_VERSION,
 *     ST_UNTRUSTED (another inviter or enclave than the invitation names),
 *     ST_BAD_SIGNATURE, ST_BAD_KEY.
 * Order: inviter: door_record_seal, DOOR_OPEN. Candidate: DOOR_READ,
 *     door_record_open, then knock_build.
 */
#ifndef ENCLAVE_CORE_DOOR_RECORD_H
#define ENCLAVE_CORE_DOOR_RECORD_H

#include "core/door/invitation.h"
#include "crypto/aead.h"
#include "crypto/kem.h"
#include "crypto/sign.h"

#define DOOR_RECORD_VERSION 1
#define DOOR_RECORD_MAX 4096 /* plain; this version has DOOR_RECORD_SIZE */

#define DOOR_RECORD_FIELDS(X, M)                                 \
    X(M, U8, version, 0, 0)                                      \
    X(M, FIX, kem, KEM_PUBLIC, 0) /* for this invitation only */ \
    X(M, FIX, inviter, 32, 0)                                    \
    X(M, FIX, enclave_id, 32, 0)                                 \
    X(M, U64, head_count, 0, 0)  /* entries of feed 0 ... */     \
    X(M, FIX, head_chain, 32, 0) /* ... and the chain after */   \
    X(M, U8, ballot, 0, 0)       /* as in GENESIS */             \
    X(M, U8, mode, 0, 0)                                         \
    X(M, FIX, sig, SIGN_SIZE, 0)
FIELDS_DECLARE(door_record, DOOR_RECORD_FIELDS);

#define DOOR_RECORD_SIZE (1 + KEM_PUBLIC + 32 + 32 + 8 + 32 + 1 + 1 + SIGN_SIZE)
#define DOOR_RECORD_SEALED (XAEAD_NONCE + DOOR_RECORD_SIZE + AEAD_TAG)

/* Signs (record->version and ->sig are filled in), appends the plain text to plain (it is part of
 * the safety code: keep it beside the KEM seed) and the sealed record to sealed. */
enum status door_record_seal(struct door_record *record, const uint8_t inviter_seed[SIGN_SEED],
                             const uint8_t record_key[32], const uint8_t nonce[XAEAD_NONCE],
                             struct buf *plain, struct buf *sealed) MUST_USE;
/* Everything checked; the plain text is appended to plain. */
enum status door_record_open(const struct invitation *invitation, struct bytes sealed,
                             struct buf *plain, struct door_record *ret) MUST_USE;

#endif
