/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * envelope: the bytes of one feed-1 entry: hint | nonce | XAEAD(mk){fields |
 * content | zero pad | signature}. protocol.md 7 and 13 Mail. There is one
 * form: the smallest pad class, zeros only.
 *
 * Owns nothing; an opened message points into the plain buffer.
 * Errors: open: ST_BAD_MESSAGE (size, pad, layout), ST_BAD_SEAL (other key or
 *     altered). The signature is checked apart, envelope_verify:
 *     ST_BAD_SIGNATURE. seal: ST_TOO_BIG.
 * Order: none.
 */
#ifndef ENCLAVE_CORE_MAIL_ENVELOPE_H
#define ENCLAVE_CORE_MAIL_ENVELOPE_H

#include "base/fields.h"
#include "core/mail/hints.h"
#include "crypto/aead.h"
#include "crypto/sign.h"

/* What stands before the content. */
#define ENVELOPE_FIELDS(X, M)                                     \
    X(M, U8, kind, 0, 0)                                          \
    X(M, U8, flags, 0, 0)                                         \
    X(M, FIX, uuid, 16, 0)                                        \
    X(M, U64, time_ms, 0, 0) /* advice */                         \
    X(M, U64, epoch, 0, 0)                                        \
    X(M, U16, leaf, 0, 0)                                         \
    X(M, U64, seen_count, 0, 0) /* of feed 0, with chain after */ \
    X(M, FIX, seen_chain, 32, 0)                                  \
    X(M, FIX, prev_own, 32, 0)                                    \
    X(M, VAR32, content, ENVELOPE_CONTENT_MAX, 0)
#define ENVELOPE_HEAD (1 + 1 + 16 + 8 + 8 + 2 + 40 + 32 + 4)
#define ENVELOPE_OVERHEAD (HINT_SIZE + XAEAD_NONCE + ENVELOPE_HEAD + SIGN_SIZE + AEAD_TAG)
#define ENVELOPE_SEALED_MAX ((size_t)512 * 1024)
#define ENVELOPE_CONTENT_MAX (ENVELOPE_SEALED_MAX - ENVELOPE_OVERHEAD)
/* flags: the content is packed (core/feed/squeeze.h); also of private entries. */
#define ENVELOPE_PACKED 1
FIELDS_DECLARE(envelope, ENVELOPE_FIELDS);

struct envelope_keys {
    const uint8_t *room; /* 32 each */
    const uint8_t *enclave_id;
};

/* Appends the sealed entry to out. */
enum status envelope_seal(const struct envelope_keys *k, const struct envelope *e,
                          const uint8_t hint[HINT_SIZE], const uint8_t mk[32],
                          const uint8_t nonce[XAEAD_NONCE], const uint8_t id_seed[SIGN_SEED],
                          struct buf *out) MUST_USE;
/* Opens what stands behind the first `head` bytes of a sealed entry; plain gets fields .. signature, ret,
 * which the caller has zeroed, points into it. There is one form only: the smallest pad class, zeros. */
enum status envelope_open_body(const struct fields *f, const uint8_t key[32], struct bytes ad,
                               struct bytes sealed, size_t head, struct buf *plain,
                               void *ret) MUST_USE;
/* Opens with mk; plain gets fields .. signature; ret points into it. */
enum status envelope_open(const struct envelope_keys *k, struct bytes sealed, const uint8_t mk[32],
                          struct buf *plain, struct envelope *ret) MUST_USE;
/* plain: what envelope_open gave. */
enum status envelope_verify(const struct envelope_keys *k, struct bytes plain,
                            const uint8_t id[SIGN_PUBLIC]) MUST_USE;

#endif
