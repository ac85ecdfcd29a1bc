/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * sign: Ed25519 (RFC 8032) through libsodium, strict verification.
 * A secret key is its 32-byte seed.
 *
 * Owns nothing. Errors: verify: ST_BAD_SIGNATURE (also for small-order and
 * non-canonical keys).
 * "labelled" = signature over label | 0x00 | parts, as protocol.md's
 * conventions lay down for every signature of ours.
 */
#ifndef ENCLAVE_CRYPTO_SIGN_H
#define ENCLAVE_CRYPTO_SIGN_H

#include "base/bytes.h"

#define SIGN_SEED 32
#define SIGN_PUBLIC 32
#define SIGN_SIZE 64

void sign_public(const uint8_t seed[SIGN_SEED], uint8_t ret_public[SIGN_PUBLIC]);
void sign_message(const uint8_t seed[SIGN_SEED], struct bytes message, uint8_t ret_sig[SIGN_SIZE]);
enum status sign_verify(const uint8_t public_key[SIGN_PUBLIC], struct bytes message,
                        const uint8_t sig[SIGN_SIZE]) MUST_USE;

void sign_labelled(const uint8_t seed[SIGN_SEED], const char *label, const struct bytes *parts,
                   size_t n, uint8_t ret_sig[SIGN_SIZE]);
enum status sign_labelled_verify(const uint8_t public_key[SIGN_PUBLIC], const char *label,
                                 const struct bytes *parts, size_t n,
                                 const uint8_t sig[SIGN_SIZE]) MUST_USE;

/* SHA-256 of its SPKI (RFC 8410): what a TLS server with this key is pinned by. */
void sign_pin(const uint8_t public_key[SIGN_PUBLIC], uint8_t ret[32]);

#endif
