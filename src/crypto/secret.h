/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * secret: guarded memory for keys that live long, wiping for those that don't.
 * Guarded memory has guard pages and a canary, is locked out of swap and left
 * out of core dumps (libsodium's sodium_malloc).
 *
 * Owns: secret_new's result belongs to the caller until secret_free, which
 *     wipes it. Errors: NULL when no memory can be had or locked.
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

/* No core dumps, not traceable, all memory locked as far as limits allow: called first in main. */
enum status secret_harden_process(void) MUST_USE;

#endif
