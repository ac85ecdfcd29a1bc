/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * card: a person's contact card, handed out as a file: public keys that stand
 * for this person towards whoever has the card, and where the sentinel inside
 * its daemon is, if there is one. And what follows from two cards: a place at
 * that sentinel which nobody but the two can find, and the word left there,
 * which only the one it is for can open: an invitation. docs/spec/contacts.md.
 *
 * Owns nothing; struct card_keys and struct meet hold secrets in plain memory:
 *     the caller wipes. Errors: card_make: ST_USAGE (nick or address not
 *     allowed). card_read: ST_BAD_MESSAGE, ST_VERSION, ST_BAD_SIGNATURE,
 *     ST_BAD_KEY. meet_of: ST_BAD_KEY, ST_EXISTS (the card is our own).
 *     meet_open: ST_BAD_MESSAGE, ST_BAD_SEAL, ST_BAD_SIGNATURE.
 * Order: none.
 */
#ifndef ENCLAVE_CORE_DOOR_CARD_H
#define ENCLAVE_CORE_DOOR_CARD_H

#include "core/door/invitation.h"
#include "core/door/knock.h"
#include "crypto/kem.h"
#include "crypto/sign.h"

#define CARD_VERSION 1
#define CARD_SEED 32
#define CARD_FINGERPRINT 32
#define CARD_MAX                                                           \
    (1 + SIGN_PUBLIC + X25519_SIZE + KEM_PUBLIC + 1 + KNOCK_NICK_MAX + 1 + \
     INVITATION_ADDRESS_MAX + 32 + 8 + SIGN_SIZE)

/* sig: "ENCLAVE-CARD" over all before. pin: zeros if there is no sentinel; an address needs one. */
#define CARD_FIELDS(X, M)                                                            \
    X(M, U8, version, 0, 0)                                                          \
    X(M, FIX, id, SIGN_PUBLIC, 0)                                                    \
    X(M, FIX, dh, X25519_SIZE, 0) /* finds the meeting place */                      \
    X(M, FIX, kem, KEM_PUBLIC, 0) /* opens what lies there */                        \
    X(M, VAR8, nick, KNOCK_NICK_MAX, 0)                                              \
    X(M, VAR8, address, INVITATION_ADDRESS_MAX, 0) /* of its own sentinel; empty */  \
    X(M, FIX, pin, 32, 0)                                                            \
    X(M, U64, made, 0, 0) /* seconds since 1970: of two cards the newer one holds */ \
    X(M, FIX, sig, SIGN_SIZE, 0)
FIELDS_DECLARE(card_wire, CARD_FIELDS);

struct card {
    uint8_t id[SIGN_PUBLIC];
    uint8_t dh[X25519_SIZE];
    uint8_t kem[KEM_PUBLIC];
    char nick[KNOCK_NICK_MAX + 1];
    char address[INVITATION_ADDRESS_MAX + 1]; /* "": none */
    uint8_t pin[32];
    uint64_t made;
    uint8_t fingerprint[CARD_FINGERPRINT]; /* of the three keys alone: a new address keeps it */
};

struct card_keys {
    uint8_t id_seed[SIGN_SEED];
    uint8_t dh_secret[X25519_SIZE];
    uint8_t kem_seed[KEM_SEED];
};

void card_keys_of(const uint8_t seed[CARD_SEED], struct card_keys *ret); /* wipe after use */
/* card: nick, address, pin and made filled in; the keys and the fingerprint are filled in here. */
enum status card_make(const struct card_keys *keys, struct card *card, struct buf *out) MUST_USE;
/* Everything checked. */
enum status card_read(struct bytes in, struct card *ret) MUST_USE;

/* ---- the meeting place of two cards ---- */

#define MEET_PADDED 1024
#define MEET_RECORD (KEM_CT + MEET_PADDED + 16)

/* At the sentinel of the one who hosts. */
struct meet {
    uint8_t room[32];
    uint8_t token[32]; /* shown to read what lies there */
    uint8_t door[32];  /* H(token) */
    uint8_t key[32];   /* goes into the seal of it */
};
/* host: we are the one who hosts; else the owner of the card is. Both sides get the same. */
enum status meet_of(const struct card_keys *own, const uint8_t own_fingerprint[CARD_FINGERPRINT],
                    const struct card *card, bool host, struct meet *ret) MUST_USE;

/* sig: the host's ID key, "ENCLAVE-MEET" over its fingerprint | the guest's | version .. invitation. */
#define MEET_WORD_FIELDS(X, M)                                                   \
    X(M, U8, version, 0, 0)                                                      \
    X(M, U8, seeks, 0, 0) /* 1: its author looks at the other's sentinel, too */ \
    X(M, VAR16, invitation, INVITATION_MAX, 0)                                   \
    X(M, FIX, sig, SIGN_SIZE, 0)
FIELDS_DECLARE(meet_word, MEET_WORD_FIELDS);

/* guest: its card; the result has always the same size. */
enum status meet_seal(const struct meet *m, const struct card_keys *own,
                      const uint8_t own_fingerprint[CARD_FINGERPRINT], const struct card *guest,
                      const struct invitation *invitation, bool seeks,
                      const uint8_t coins[KEM_COINS], uint8_t ret[MEET_RECORD]) MUST_USE;
/* host: its card. */
enum status meet_open(const struct meet *m, const struct card_keys *own,
                      const uint8_t own_fingerprint[CARD_FINGERPRINT], const struct card *host,
                      struct bytes record, struct invitation *ret, bool *ret_seeks) MUST_USE;

#endif
