/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * pair_entry: the bytes and formulas of one private entry of feed 1:
 * hint | masked ct | masked epoch | nonce | XAEAD{fields | content | zero pad |
 * signature}. docs/spec/mail.md, "Private words between two members". There is
 * one form, of one size class at least, whatever place in a conversation it has.
 *
 * Owns nothing; an opened entry points into the plain buffer. Keys it makes
 *     on the way are wiped.
 * Errors: open: ST_BAD_MESSAGE (pad, layout), ST_BAD_SEAL (other key or
 *     altered). verify: ST_BAD_SIGNATURE. seal: ST_TOO_BIG.
 * Order: reading: pair_entry_ct, the KEM, then (first entries) pair_first_of and
 *     its hint compared, pair_entry_epoch, pair_entry_open, pair_entry_verify.
 */
#ifndef ENCLAVE_CORE_MAIL_PAIR_ENTRY_H
#define ENCLAVE_CORE_MAIL_PAIR_ENTRY_H

#include "core/mail/envelope.h"
#include "crypto/kem.h"

#define PAIR_HEAD (HINT_SIZE + KEM_CT + 8) /* what stands before the nonce */
#define PAIR_FIXED (1 + 1 + 16 + 8 + 8 + 2 + 40 + 8 + 4 + 4 + 32 + KEM_PUBLIC + 4)
#define PAIR_OVERHEAD (PAIR_HEAD + XAEAD_NONCE + PAIR_FIXED + SIGN_SIZE + AEAD_TAG)
#define PAIR_CONTENT_MAX (ENVELOPE_SEALED_MAX - PAIR_OVERHEAD)
#define PAIR_SEALED_MIN ((size_t)4096) /* the class that holds PAIR_OVERHEAD */

/* What stands before the content. */
#define PAIR_ENTRY_FIELDS(X, M)                                                                 \
    X(M, U8, kind, 0, 0)                                                                        \
    X(M, U8, flags, 0, 0)                                                                       \
    X(M, FIX, uuid, 16, 0)                                                                      \
    X(M, U64, time_ms, 0, 0) /* advice */                                                       \
    X(M, U64, epoch, 0, 0)                                                                      \
    X(M, U16, leaf, 0, 0)                                                                       \
    X(M, U64, seen_count, 0, 0) /* of feed 0, with chain after */                               \
    X(M, FIX, seen_chain, 32, 0)                                                                \
    X(M, U64, begun_epoch, 0, 0) /* of the conversation, with begun_count its place in order */ \
    X(M, U32, begun_count, 0, 0)                                                                \
    X(M, U32, turn, 0, 0)                                                                       \
    X(M, FIX, secret, 32, 0)     /* of the turn: r */                                           \
    X(M, FIX, pk, KEM_PUBLIC, 0) /* of the turn */                                              \
    X(M, VAR32, content, PAIR_CONTENT_MAX, 0)
FIELDS_DECLARE(pair_entry, PAIR_ENTRY_FIELDS);

/* What an entry is sealed with, beside its own KEM exchange. */
struct pair_keys {
    const uint8_t *room; /* 32 each */
    const uint8_t *enclave_id;
    const uint8_t *reader_id;    /* whose private word it is */
    const uint8_t *epoch_secret; /* export("pair") of the entry's epoch; seal and open */
    const uint8_t *mk;           /* of its place in the turn's chain; NULL: a first entry */
};

/* Places of a first entry that follow from its ss. */
struct pair_first {
    uint8_t x[32];
    uint8_t hint[HINT_SIZE];
};

void pair_first_of(const struct pair_keys *k, const uint8_t ss[KEM_SS], struct pair_first *ret);
/* root_t = Extract(root_t-1, r); root_-1 is the enclave id. */
void pair_root(const uint8_t before[32], const uint8_t secret[32], uint8_t ret_root[32]);
/* Names a conversation: by its root_0, who began it, and the other. */
void pair_talk_id(const uint8_t root_0[32], const uint8_t began[32], const uint8_t other[32],
                  uint8_t ret[16]);
/* s_0 of the chain of turn t, from root_t-1. */
void pair_chain_start(const uint8_t root[32], uint32_t turn, const uint8_t author[32],
                      const uint8_t reader[32], uint8_t ret_s0[32]);

/* Appends the sealed entry. ct, ss: the entry's own exchange; hint: NULL for a first entry. */
enum status pair_entry_seal(const struct pair_keys *k, const struct pair_entry *e,
                            const uint8_t *hint, const uint8_t ct[KEM_CT], const uint8_t ss[KEM_SS],
                            const uint8_t nonce[XAEAD_NONCE], const uint8_t id_seed[SIGN_SEED],
                            struct buf *out) MUST_USE;
/* The size is one of those that private entries have. */
bool pair_entry_size(struct bytes sealed);
void pair_entry_ct(const struct pair_keys *k, struct bytes sealed, uint8_t ret_ct[KEM_CT]);
/* mask: mk, or x of a first entry. */
uint64_t pair_entry_epoch(struct bytes sealed, const uint8_t mask[32]);
enum status pair_entry_open(const struct pair_keys *k, struct bytes sealed,
                            const uint8_t ss[KEM_SS], struct buf *plain,
                            struct pair_entry *ret) MUST_USE;
/* plain: what pair_entry_open gave. */
enum status pair_entry_verify(const struct pair_keys *k, struct bytes sealed, struct bytes plain,
                              const uint8_t id[SIGN_PUBLIC]) MUST_USE;

#endif
