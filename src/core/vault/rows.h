/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * rows: what goes into the kv port: spaces are keyed hashes of their names,
 * values are sealed to their place, so a stolen database tells neither names
 * nor content, and no row can be moved to another place unnoticed. It still
 * tells how many rows of which size a space has.
 *
 * Owns: struct rows holds keys: keep it in guarded memory, rows_wipe it.
 * Errors: open: ST_BAD_SEAL. seal: out goes bad when out of memory.
 * Order: rows_start, then the rest. nonce: 24 fresh random bytes each time.
 */
#ifndef ENCLAVE_CORE_VAULT_ROWS_H
#define ENCLAVE_CORE_VAULT_ROWS_H

#include "base/bytes.h"
#include "core/ports/kv.h"
#include "crypto/aead.h"

#define ROWS_NONCE XAEAD_NONCE
#define ROWS_OVERHEAD (XAEAD_NONCE + AEAD_TAG)

struct rows {
    uint8_t seal_key[32];
    uint8_t name_key[32];
};

void rows_start(struct rows *r, const uint8_t mk[32]);
void rows_wipe(struct rows *r);

/* label: a constant of the caller's; tag: which one of them, such as an enclave id, or nothing. */
void rows_space(const struct rows *r, const char *label, struct bytes tag,
                uint8_t ret_space[KV_SPACE]);
/* Appended to out. */
void rows_seal(const struct rows *r, const uint8_t space[KV_SPACE], uint64_t n, struct bytes plain,
               const uint8_t nonce[ROWS_NONCE], struct buf *out);
enum status rows_open(const struct rows *r, const uint8_t space[KV_SPACE], uint64_t n,
                      struct bytes sealed, struct buf *out) MUST_USE;

#endif
