/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * revoke: how the recovery words alone put a seized or lost machine out of its
 * enclaves (protocol.md 11; docs/spec/revocation.md). From the recovery key
 * follows a revocation key for each room; its hash stands in the ledger. A
 * standing door at the sentinel has a token and a record that follow from it;
 * what is left there any member can open, for the door's KEM key follows from
 * log_key[0]. A kit, sealed by the recovery key, says where the rooms are.
 *
 * Owns nothing; views of kit items point into the plain text given.
 * Errors: *_open: ST_BAD_SEAL, ST_BAD_MESSAGE. Secrets come back in plain
 *     memory: the caller wipes.
 * Order: none.
 */
#ifndef ENCLAVE_CORE_DOOR_REVOKE_H
#define ENCLAVE_CORE_DOOR_REVOKE_H

#include "base/fields.h"
#include "crypto/aead.h"
#include "crypto/kem.h"

#define REVOKE_RECORD (XAEAD_NONCE + KEM_PUBLIC + AEAD_TAG)
#define REVOKE_PADDED 4096 /* like a knock: the two look alike */
#define REVOKE_BLOB (KEM_CT + REVOKE_PADDED + AEAD_TAG)
#define REVOKE_KIT_MAX ((size_t)256 << 10)
#define REVOKE_NAME_MAX 64
#define REVOKE_SENTINELS_MAX 8
#define REVOKE_ADDRESS_MAX 255

struct revoke_door {
    uint8_t token[32];
    uint8_t door[32]; /* H(token) */
    uint8_t record_key[32];
};

/* Expand(recovery key, "ENCLAVE revoke" | room): to the room, for the enclave's id hashes GENESIS, which
 * holds the creator's hash of it. */
void revoke_key(const uint8_t recovery[32], const uint8_t room[32], uint8_t ret[32]);
void revoke_door_of(const uint8_t key[32], struct revoke_door *ret);
/* X-Wing seed that every member of any time knows. */
void revoke_door_seed(const uint8_t log_key_0[32], const uint8_t door[32], uint8_t ret[KEM_SEED]);

void revoke_record_seal(const struct revoke_door *d, const uint8_t seed[KEM_SEED],
                        const uint8_t nonce[XAEAD_NONCE], uint8_t ret[REVOKE_RECORD]);
enum status revoke_record_open(const struct revoke_door *d, struct bytes record,
                               uint8_t ret_pk[KEM_PUBLIC]) MUST_USE;

/* What is left at the door: seat 32 | revocation key 32 | zeros. */
enum status revoke_blob_seal(const uint8_t pk[KEM_PUBLIC], const uint8_t seat[32],
                             const uint8_t key[32], const uint8_t coins[KEM_COINS],
                             uint8_t ret[REVOKE_BLOB]) MUST_USE;
enum status revoke_blob_open(const uint8_t seed[KEM_SEED], struct bytes blob, uint8_t ret_seat[32],
                             uint8_t ret_key[32]) MUST_USE;

/* sentinels: as in GENESIS; where the room is comes first. */
#define REVOKE_ITEM_FIELDS(X, M)                                             \
    X(M, VAR8, name, REVOKE_NAME_MAX, 0)                                     \
    X(M, FIX, room, 32, 0)                                                   \
    X(M, FIX, seat, 32, 0)                                                   \
    X(M, U8, proxied, 0, 0) /* 1: its sentinels are reached over tor only */ \
    X(M, VAR16, sentinels, 1 + REVOKE_SENTINELS_MAX * (1 + REVOKE_ADDRESS_MAX + 32), 0)
FIELDS_DECLARE(revoke_item, REVOKE_ITEM_FIELDS);

/* items: encoded revoke_item, one after the other. */
void revoke_kit_seal(const uint8_t recovery[32], const uint8_t nonce[XAEAD_NONCE],
                     struct bytes items, struct buf *out);
enum status revoke_kit_open(const uint8_t recovery[32], struct bytes kit,
                            struct buf *ret_items) MUST_USE;

#endif
