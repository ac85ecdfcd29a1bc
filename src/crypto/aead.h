/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * aead: ChaCha20-Poly1305 (RFC 8439, 12-byte nonce) and XChaCha20-Poly1305
 * (24-byte nonce; HChaCha20 and then OpenSSL's ChaCha20-Poly1305). A sealed
 * text is ciphertext | tag 16.
 *
 * Owns nothing. in and out may be the same place (in.p == out), otherwise must
 * not overlap. Errors: open: ST_BAD_SEAL, and out is zeroed. seal cannot fail
 * (out of memory in the library stops the program).
 * No order of calls. The nonce of aead is the caller's duty; "nonce 0" = AEAD_NONCE_ZERO.
 */
#ifndef ENCLAVE_CRYPTO_AEAD_H
#define ENCLAVE_CRYPTO_AEAD_H

#include "base/bytes.h"

#define AEAD_KEY 32
#define AEAD_NONCE 12
#define AEAD_TAG 16
#define XAEAD_NONCE 24
#define AEAD_NONCE_ZERO ((const uint8_t[AEAD_NONCE]){0})

/* out: in.n + AEAD_TAG bytes. */
void aead_seal(const uint8_t key[AEAD_KEY], const uint8_t nonce[AEAD_NONCE], struct bytes ad,
               struct bytes in, uint8_t *out);
/* in: ciphertext | tag; out: in.n - AEAD_TAG bytes. */
enum status aead_open(const uint8_t key[AEAD_KEY], const uint8_t nonce[AEAD_NONCE], struct bytes ad,
                      struct bytes in, uint8_t *out) MUST_USE;
void xaead_seal(const uint8_t key[AEAD_KEY], const uint8_t nonce[XAEAD_NONCE], struct bytes ad,
                struct bytes in, uint8_t *out);
enum status xaead_open(const uint8_t key[AEAD_KEY], const uint8_t nonce[XAEAD_NONCE],
                       struct bytes ad, struct bytes in, uint8_t *out) MUST_USE;

/* nonce | ciphertext | tag appended to out, as stored rows and records use it. */
void xaead_seal_to(const uint8_t key[AEAD_KEY], const uint8_t nonce[XAEAD_NONCE], struct bytes ad,
                   struct bytes in, struct buf *out);
/* The plain text appended to out. */
enum status xaead_open_to(const uint8_t key[AEAD_KEY], struct bytes ad, struct bytes sealed,
                          struct buf *out) MUST_USE;

#endif
