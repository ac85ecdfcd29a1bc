/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * knock: what a candidate leaves at the door: fresh public keys and seat for
 * this enclave, a nick, a few words, all signed and bound to the invitation,
 * encapsulated to the door record's KEM key. Always KNOCK_BLOB bytes.
 * protocol.md 3 and 13 Door. A PROPOSE entry holds the plain text verbatim:
 * knock_check is what every member's ledger runs over it.
 *
 * Owns nothing: struct knock's views point into the plain text given or
 *     returned. Errors: build: ST_USAGE (nick or message not allowed),
 *     ST_BAD_KEY (the record's). open and check: ST_BAD_MESSAGE, ST_BAD_SEAL,
 *     ST_BAD_SIGNATURE, ST_BAD_KEY (candidate's KEM key).
 * Order: none.
 */
#ifndef ENCLAVE_CORE_DOOR_KNOCK_H
#define ENCLAVE_CORE_DOOR_KNOCK_H

#include "core/door/invitation.h"
#include "crypto/kem.h"
#include "crypto/sign.h"

#define KNOCK_NICK_MAX 64
#define KNOCK_MESSAGE_MAX 512
#define KNOCK_VETO_KEY 96
#define KNOCK_VETO_KEYS 16
#define KNOCK_PADDED 4096
#define KNOCK_BLOB (KEM_CT + KNOCK_PADDED + 16)
#define KNOCK_PLAIN_MAX                                                                          \
    (32 + KEM_PUBLIC + 32 + 32 + 1 + KNOCK_VETO_KEYS * KNOCK_VETO_KEY + 1 + KNOCK_NICK_MAX + 2 + \
     KNOCK_MESSAGE_MAX + SIGN_SIZE)

#define KNOCK_FIELDS(X, M)                                  \
    X(M, FIX, id, 32, 0)                                    \
    X(M, FIX, kem, KEM_PUBLIC, 0)                           \
    X(M, FIX, seat, 32, 0)                                  \
    X(M, FIX, revocation, 32, 0) /* H(revocation key) */    \
    X(M, LIST8, veto_keys, KNOCK_VETO_KEY, KNOCK_VETO_KEYS) \
    X(M, VAR8, nick, KNOCK_NICK_MAX, 0)                     \
    X(M, VAR16, message, KNOCK_MESSAGE_MAX, 0)              \
    X(M, FIX, sig, SIGN_SIZE, 0) /* all before | H(invitation) */
FIELDS_DECLARE(knock, KNOCK_FIELDS);

/* A nick: 1 to 64 bytes of UTF-8 without control characters. A message: at most 512 bytes of
 * UTF-8; line ends are its only control characters. */
bool knock_nick_ok(struct bytes nick);
bool knock_message_ok(struct bytes message);

/* knock: all but sig filled in. plain: the plain text with its signature, unpadded, is appended. */
enum status knock_build(const struct invitation *invitation, const uint8_t record_kem[KEM_PUBLIC],
                        struct knock *knock, const uint8_t id_seed[SIGN_SEED],
                        const uint8_t coins[KEM_COINS], struct buf *plain,
                        uint8_t ret_blob[KNOCK_BLOB]) MUST_USE;
/* kem_seed: of the door record. ret's views point into plain, to which the text is appended. */
enum status knock_open(const struct invitation *invitation, const uint8_t kem_seed[KEM_SEED],
                       struct bytes blob, struct buf *plain, struct knock *ret) MUST_USE;
/* Layout, nick, message, signature and KEM key of a plain text. ret may be NULL. */
enum status knock_check(struct bytes plain, const uint8_t enclave_id[32],
                        const uint8_t invitation_hash[32], struct knock *ret) MUST_USE;

#endif
