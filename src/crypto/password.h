/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * password: Argon2id (RFC 9106, p = 1) of an NFKC-normalised password.
 * Takes its memory with mmap and gives it back to the system before it
 * returns; slow on purpose: run it as a work job.
 *
 * Owns nothing. Errors: ST_NO_MEMORY; ST_USAGE for parameters below the
 * library's minimum or a password that is not UTF-8, is empty or is over
 * PASSWORD_MAX bytes. The programs' floor (PASSWORD_FLOOR_*) is checked by
 * the vault, not here: tests and the simulator pass smaller costs.
 */
#ifndef ENCLAVE_CRYPTO_PASSWORD_H
#define ENCLAVE_CRYPTO_PASSWORD_H

#include "base/bytes.h"

#define PASSWORD_SALT 16
#define PASSWORD_MAX 1024
#define PASSWORD_PASSES 3
#define PASSWORD_MEMORY_KIB (256U * 1024)
#define PASSWORD_FLOOR_PASSES 3
#define PASSWORD_FLOOR_KIB (64U * 1024)

enum status password_root(struct bytes password, const uint8_t salt[PASSWORD_SALT], uint32_t passes,
                          uint32_t memory_kib, uint8_t ret_root[32]) MUST_USE;
/* Without normalisation, for vectors. */
enum status argon2id(struct bytes password, const uint8_t salt[PASSWORD_SALT], uint32_t passes,
                     uint32_t memory_kib, uint8_t *ret, size_t n) MUST_USE;

#endif
