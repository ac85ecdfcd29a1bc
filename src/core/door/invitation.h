/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * invitation: what one person hands to another (link, QR): where the room is,
 * the secret of a door made for this one invitation, and hashes that pin the
 * enclave and the inviter. protocol.md 3 and 13 Door. The keys that follow
 * from the door secret are here too.
 *
 * Owns nothing; struct invitation is plain and holds a secret: invitation_wipe.
 * Errors: ST_BAD_MESSAGE (not an invitation, or cut or altered on the way),
 *     ST_VERSION, ST_TOO_BIG. Whether it is too old is asked apart:
 *     invitation_expired. Nothing here can tell whether the door still stands.
 * Order: none.
 */
#ifndef ENCLAVE_CORE_DOOR_INVITATION_H
#define ENCLAVE_CORE_DOOR_INVITATION_H

#include "base/fields.h"

#define INVITATION_VERSION 1
#define INVITATION_PREFIX "enclave:"
#define INVITATION_ADDRESS_MAX 255 /* ASCII host:port */
#define INVITATION_MAX (2 + INVITATION_ADDRESS_MAX + 5 * 32 + 8)
#define INVITATION_TEXT_MAX (8 + (INVITATION_MAX * 4 + 2) / 3 + 1) /* with terminator */
#define INVITATION_TTL_MAX_S (UINT64_C(90) * 86400)

/* X(version) .. as in protocol.md 3; expiry in seconds since 1970 */
#define INVITATION_FIELDS(X, M)                        \
    X(M, U8, version, 0, 0)                            \
    X(M, VAR8, address, INVITATION_ADDRESS_MAX, 0)     \
    X(M, FIX, pin, 32, 0)                              \
    X(M, FIX, room, 32, 0)                             \
    X(M, FIX, door_secret, 32, 0)                      \
    X(M, FIX, enclave_id, 32, 0)                       \
    X(M, FIX, inviter_hash, 32, 0) /* H(inviter ID) */ \
    X(M, U64, expiry, 0, 0)
FIELDS_DECLARE(invitation_wire, INVITATION_FIELDS);

struct invitation {
    char address[INVITATION_ADDRESS_MAX + 1];
    uint8_t pin[32];
    uint8_t room[32];
    uint8_t door_secret[32];
    uint8_t enclave_id[32];
    uint8_t inviter_hash[32];
    uint64_t expiry; /* seconds since 1970 */
};

/* The bytes appended to out; hash of all of them (may be NULL). */
enum status invitation_encode(const struct invitation *i, struct buf *out,
                              uint8_t ret_hash[32]) MUST_USE;
enum status invitation_decode(struct bytes in, struct invitation *ret) MUST_USE;
/* "enclave:" and base64url. */
enum status invitation_to_text(const struct invitation *i, char ret[INVITATION_TEXT_MAX]) MUST_USE;
/* Takes what people paste: white space around it is dropped, the prefix may be in any case. */
enum status invitation_from_text(const char *text, struct invitation *ret) MUST_USE;
/* H(invitation): what the knock's signature is bound to. */
enum status invitation_hash(const struct invitation *i, uint8_t ret_hash[32]) MUST_USE;
/* host:port of printable ASCII; the port is a number from 1 to 65535. */
bool invitation_address_ok(struct bytes address);
bool invitation_expired(const struct invitation *i, uint64_t now_ms);
void invitation_wipe(struct invitation *i);

/* What the door secret gives. */
struct door_keys {
    uint8_t token[32];      /* shown to the sentinel to read the record and to knock */
    uint8_t token_hash[32]; /* by which the sentinel knows the door */
    uint8_t record_key[32];
};
void door_keys_of(const uint8_t door_secret[32], struct door_keys *ret); /* wipe after use */

#endif
