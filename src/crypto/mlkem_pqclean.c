/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "crypto/mlkem.h"

#if !MLKEM_OPENSSL

#include <api.h>
#include <stdlib.h>

_Static_assert(PQCLEAN_MLKEM768_CLEAN_CRYPTO_PUBLICKEYBYTES == MLKEM_PUBLIC, "size");
_Static_assert(PQCLEAN_MLKEM768_CLEAN_CRYPTO_SECRETKEYBYTES == MLKEM_SECRET, "size");
_Static_assert(PQCLEAN_MLKEM768_CLEAN_CRYPTO_CIPHERTEXTBYTES == MLKEM_CT, "size");

/* In pqclean's kem.c but not in its api.h. */
int PQCLEAN_MLKEM768_CLEAN_crypto_kem_keypair_derand(uint8_t *pk, uint8_t *sk,
                                                     const uint8_t *coins);
int PQCLEAN_MLKEM768_CLEAN_crypto_kem_enc_derand(uint8_t *ct, uint8_t *ss, const uint8_t *pk,
                                                 const uint8_t *coins);

/* pqclean's functions that draw their own randomness link against this; nothing calls them. */
int PQCLEAN_randombytes(uint8_t *output, size_t n);
int PQCLEAN_randombytes(uint8_t *output, size_t n)
{
    (void)output;
    (void)n;
    abort();
}

void mlkem_backend_keygen(const uint8_t seed[MLKEM_SEED], uint8_t ret_public[MLKEM_PUBLIC],
                          uint8_t ret_secret[MLKEM_SECRET])
{
    if (PQCLEAN_MLKEM768_CLEAN_crypto_kem_keypair_derand(ret_public, ret_secret, seed) != 0)
        abort();
}

void mlkem_backend_encaps(const uint8_t public_key[MLKEM_PUBLIC], const uint8_t m[32],
                          uint8_t ret_ct[MLKEM_CT], uint8_t ret_ss[MLKEM_SS])
{
    if (PQCLEAN_MLKEM768_CLEAN_crypto_kem_enc_derand(ret_ct, ret_ss, public_key, m) != 0) abort();
}

void mlkem_backend_decaps(const uint8_t secret[MLKEM_SECRET], const uint8_t ct[MLKEM_CT],
                          uint8_t ret_ss[MLKEM_SS])
{
    if (PQCLEAN_MLKEM768_CLEAN_crypto_kem_dec(ret_ss, ct, secret) != 0) abort();
}

#else
typedef int mlkem_pqclean_unused;
#endif
