/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "crypto/mlkem.h"

#if MLKEM_OPENSSL

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <stdlib.h>

#define ALGORITHM "ML-KEM-768"

void mlkem_backend_keygen(const uint8_t seed[MLKEM_SEED], uint8_t ret_public[MLKEM_PUBLIC],
                          uint8_t ret_secret[MLKEM_SECRET])
{
    const OSSL_PARAM params[] = {OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_ML_KEM_SEED,
                                                                   (void *)(uintptr_t)seed,
                                                                   MLKEM_SEED),
                                 OSSL_PARAM_construct_end()};
    EVP_PKEY *key = NULL;
    EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_name(NULL, ALGORITHM, NULL);
    size_t pub = MLKEM_PUBLIC, sec = MLKEM_SECRET;
    if (!c || EVP_PKEY_keygen_init(c) != 1 || EVP_PKEY_CTX_set_params(c, params) != 1 ||
        EVP_PKEY_generate(c, &key) != 1 ||
        EVP_PKEY_get_raw_public_key(key, ret_public, &pub) != 1 || pub != MLKEM_PUBLIC ||
        EVP_PKEY_get_raw_private_key(key, ret_secret, &sec) != 1 || sec != MLKEM_SECRET)
        abort();
    EVP_PKEY_free(key);
    EVP_PKEY_CTX_free(c);
}

void mlkem_backend_encaps(const uint8_t public_key[MLKEM_PUBLIC], const uint8_t m[32],
                          uint8_t ret_ct[MLKEM_CT], uint8_t ret_ss[MLKEM_SS])
{
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_KEM_PARAM_IKME, (void *)(uintptr_t)m, 32),
        OSSL_PARAM_construct_end()};
    EVP_PKEY *key = EVP_PKEY_new_raw_public_key_ex(NULL, ALGORITHM, NULL, public_key, MLKEM_PUBLIC);
    EVP_PKEY_CTX *c = key ? EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL) : NULL;
    size_t ct = MLKEM_CT, ss = MLKEM_SS;
    if (!c || EVP_PKEY_encapsulate_init(c, params) != 1 ||
        EVP_PKEY_encapsulate(c, ret_ct, &ct, ret_ss, &ss) != 1 || ct != MLKEM_CT || ss != MLKEM_SS)
        abort();
    EVP_PKEY_CTX_free(c);
    EVP_PKEY_free(key);
}

void mlkem_backend_decaps(const uint8_t secret[MLKEM_SECRET], const uint8_t ct[MLKEM_CT],
                          uint8_t ret_ss[MLKEM_SS])
{
    EVP_PKEY *key = EVP_PKEY_new_raw_private_key_ex(NULL, ALGORITHM, NULL, secret, MLKEM_SECRET);
    EVP_PKEY_CTX *c = key ? EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL) : NULL;
    size_t ss = MLKEM_SS;
    if (!c || EVP_PKEY_decapsulate_init(c, NULL) != 1 ||
        EVP_PKEY_decapsulate(c, ret_ss, &ss, ct, MLKEM_CT) != 1 || ss != MLKEM_SS)
        abort();
    EVP_PKEY_CTX_free(c);
    EVP_PKEY_free(key);
}

#else
typedef int mlkem_openssl_unused;
#endif
