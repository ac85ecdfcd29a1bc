/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * mlkem: what an ML-KEM-768 backend gives to kem.c, which checks keys before
 * it calls. Exactly one of mlkem_openssl.c (OpenSSL 3.5 and later) and
 * mlkem_pqclean.c (before) is compiled to code. Inside src/crypto only.
 *
 * Owns nothing. Errors: none: public keys are checked already, secret keys
 * were checked against their embedded hash; out of memory stops the program.
 */
#ifndef ENCLAVE_CRYPTO_MLKEM_H
#define ENCLAVE_CRYPTO_MLKEM_H

#include "crypto/kem.h"

#include <openssl/opensslv.h>

#if OPENSSL_VERSION_NUMBER >= 0x30500000L
#define MLKEM_OPENSSL 1
#else
#define MLKEM_OPENSSL 0
#endif

void mlkem_backend_keygen(const uint8_t seed[MLKEM_SEED], uint8_t ret_public[MLKEM_PUBLIC],
                          uint8_t ret_secret[MLKEM_SECRET]);
void mlkem_backend_encaps(const uint8_t public_key[MLKEM_PUBLIC], const uint8_t m[32],
                          uint8_t ret_ct[MLKEM_CT], uint8_t ret_ss[MLKEM_SS]);
void mlkem_backend_decaps(const uint8_t secret[MLKEM_SECRET], const uint8_t ct[MLKEM_CT],
                          uint8_t ret_ss[MLKEM_SS]);

#endif
