/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * chunk: pack (zstd level 1 when it pays), name, key, seal and open one chunk
 * (protocol.md 9). The key fixes every sealed byte, hence nonce 0 is sound.
 *
 * Owns nothing. Errors: chunk_open: ST_BAD_SEAL, ST_INTEGRITY (unpacks to another
 *     length), ST_VERSION (unknown compression), ST_NO_MEMORY.
 */
#ifndef ENCLAVE_CORE_FILES_CHUNK_H
#define ENCLAVE_CORE_FILES_CHUNK_H

#include "core/files/cut.h"
#include "crypto/aead.h"

#define CHUNK_FORMAT 1
#define CHUNK_PLAIN_MAX CUT_MAX
#define CHUNK_SEALED_MAX (CHUNK_PLAIN_MAX + AEAD_TAG)

enum chunk_compression { CHUNK_STORED = 0, CHUNK_ZSTD = 1 };

/* The bytes that are sealed: i = number of the chunk in the file, stored = H of those bytes. */
void chunk_key_random(const uint8_t cek[32], uint32_t i, uint8_t compression, uint32_t len,
                      const uint8_t stored[32], uint8_t ret_key[32]);
void chunk_key_convergent(const uint8_t dedup[32], uint8_t compression, uint32_t len,
                          const uint8_t stored[32], uint8_t ret_key[32]);
/* plain = H of the chunk before compression. */
void chunk_id(const uint8_t dedup[32], const uint8_t plain[32], uint8_t ret_id[32]);

struct chunk_keys {
    uint8_t cek[32];
    uint8_t dedup[32];
    bool convergent;
};

struct chunk_sealed {
    uint8_t key[32];
    uint8_t id[32];
    uint32_t n; /* sealed bytes */
    uint8_t compression;
};

/* Packs and seals chunk i; out has room for plain.n + AEAD_TAG bytes. try_zstd: false seals as is. */
void chunk_seal(const struct chunk_keys *keys, uint32_t i, struct bytes plain, bool try_zstd,
                uint8_t *out, struct chunk_sealed *ret);
/* sealed.n >= AEAD_TAG; out has room for plain_len bytes; scratch for sealed.n (compressed only). */
enum status chunk_open(const uint8_t key[32], uint8_t compression, struct bytes sealed,
                       uint8_t *scratch, uint8_t *out, size_t plain_len) MUST_USE;

#endif
