/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * secret: guarded memory for keys that live long, wiping for those that don't.
 * Guarded memory has guard pages and a canary, is locked out of swap and left
 * out of core dumps (libsodium's sodium_malloc).
 *
 * Owns: secret_new's result belongs to the caller until secret_free, which
 *     wipes it. Errors: NULL when no memory can be had (memory that cannot be
 *     locked is given out all the same: secret_can_lock tells).
 * Order: crypto_start once per process before anything in src/crypto.
 */
#ifndef ENCLAVE_CRYPTO_SECRET_H
#define ENCLAVE_CRYPTO_SECRET_H

#include "base/bytes.h"

/* Starts the libraries (idempotent, any thread). ST_BUG if they do not start. */
enum status crypto_start(void) MUST_USE;

void *secret_new(size_t n); /* zeroed */
void secret_free(void *p);  /* NULL is fine */

/* Constant time. */
bool secret_same(const uint8_t *a, const uint8_t *b, size_t n);

/* Called first in main: no core dumps, not traceable (except under a sanitizer), and the limit of
 * locked memory raised as far as the system allows. Only guarded memory is locked, not the whole
 * process: MCL_FUTURE under the usual 8 MiB limit would make Argon2's 256 MiB fail. */
enum status secret_harden_process(void) MUST_USE;
/* Whether memory can be locked at all: if not, say that keys may reach the swap. */
bool secret_can_lock(void);

#endif
