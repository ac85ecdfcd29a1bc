/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * reply: the answer to a knock, sealed to the candidate's KEM key, posted by
 * any member: PENDING (a proposal is open), REFUSED, or WELCOME (where in the
 * ledger the candidate was added and the log key of that epoch, from which it
 * walks back to genesis). protocol.md 3 and 13 Door.
 *
 * Owns nothing; a WELCOME holds a key: wipe it. Errors: seal: ST_BAD_KEY.
 *     open: ST_BAD_MESSAGE, ST_BAD_SEAL, ST_UNTRUSTED (another enclave).
 * Order: none. A reply is not signed: whoever reads the knock may send one, so
 *     PENDING and REFUSED are news, and a WELCOME proves itself by the ledger.
 */
#ifndef ENCLAVE_CORE_DOOR_REPLY_H
#define ENCLAVE_CORE_DOOR_REPLY_H

#include "base/fields.h"
#include "crypto/kem.h"

enum reply_kind { REPLY_PENDING = 1, REPLY_REFUSED = 2, REPLY_WELCOME = 3 };

#define REPLY_FIELDS(X, M)                                                     \
    X(M, U8, kind, 0, 0)                                                       \
    X(M, FIX, enclave_id, 32, 0)                                               \
    X(M, U64, index, 0, 0)  /* of ADD; this and all below: 0 unless WELCOME */ \
    X(M, FIX, chain, 32, 0) /* after ADD */                                    \
    X(M, U64, epoch, 0, 0)                                                     \
    X(M, FIX, log_key, 32, 0) /* of that epoch */
FIELDS_DECLARE(reply, REPLY_FIELDS);

#define REPLY_SIZE 113
#define REPLY_BLOB (KEM_CT + REPLY_SIZE + 16)

enum status reply_seal(const struct reply *reply, const uint8_t candidate_kem[KEM_PUBLIC],
                       const uint8_t coins[KEM_COINS], uint8_t ret_blob[REPLY_BLOB]) MUST_USE;
enum status reply_open(const uint8_t kem_seed[KEM_SEED], const uint8_t enclave_id[32],
                       struct bytes blob, struct reply *ret) MUST_USE;

#endif
