/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * kem: ML-KEM-768 (FIPS 203), X25519 (RFC 7748) and X-Wing over both
 * (draft-connolly-cfrg-xwing-kem; key order ML-KEM then X25519).
 * ML-KEM comes from OpenSSL where it has it (3.5), else from pqclean with the
 * FIPS 203 encapsulation key check that pqclean lacks. All randomness is an
 * argument, in both.
 *
 * Owns nothing. Errors: ST_BAD_KEY for an ML-KEM key with a coefficient
 * >= 3329 or an X25519 result of all zeros; outputs are zeroed then.
 */
#ifndef ENCLAVE_CRYPTO_KEM_H
#define ENCLAVE_CRYPTO_KEM_H

#include "base/bytes.h"

#define MLKEM_SEED 64 /* d 32 | z 32 */
#define MLKEM_PUBLIC 1184
#define MLKEM_SECRET 2400
#define MLKEM_CT 1088
#define MLKEM_SS 32
#define X25519_SIZE 32
#define KEM_SEED 32 /* X-Wing secret key */
#define KEM_PUBLIC 1216
#define KEM_CT 1120
#define KEM_SS 32
#define KEM_COINS 64 /* ML-KEM m 32 | X25519 ephemeral secret 32 */

void mlkem_keygen(const uint8_t seed[MLKEM_SEED], uint8_t ret_public[MLKEM_PUBLIC],
                  uint8_t ret_secret[MLKEM_SECRET]);
enum status mlkem_check_public(const uint8_t public_key[MLKEM_PUBLIC]) MUST_USE;
enum status mlkem_encaps(const uint8_t public_key[MLKEM_PUBLIC], const uint8_t m[32],
                         uint8_t ret_ct[MLKEM_CT], uint8_t ret_ss[MLKEM_SS]) MUST_USE;
/* Never fails on a wrong ciphertext: implicit rejection. ST_BAD_KEY: a secret key whose embedded
 * hash is wrong. */
enum status mlkem_decaps(const uint8_t secret[MLKEM_SECRET], const uint8_t ct[MLKEM_CT],
                         uint8_t ret_ss[MLKEM_SS]) MUST_USE;

void x25519_public(const uint8_t secret[X25519_SIZE], uint8_t ret_public[X25519_SIZE]);
enum status x25519_shared(const uint8_t secret[X25519_SIZE], const uint8_t public_key[X25519_SIZE],
                          uint8_t ret_shared[X25519_SIZE]) MUST_USE;

void kem_public(const uint8_t seed[KEM_SEED], uint8_t ret_public[KEM_PUBLIC]);
/* Also refuses an X25519 half that gives an all-zero result. */
enum status kem_check_public(const uint8_t public_key[KEM_PUBLIC]) MUST_USE;
enum status kem_encaps(const uint8_t public_key[KEM_PUBLIC], const uint8_t coins[KEM_COINS],
                       uint8_t ret_ct[KEM_CT], uint8_t ret_ss[KEM_SS]) MUST_USE;
enum status kem_decaps(const uint8_t seed[KEM_SEED], const uint8_t ct[KEM_CT],
                       uint8_t ret_ss[KEM_SS]) MUST_USE;

#endif
