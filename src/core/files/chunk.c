/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "core/files/chunk.h"

#include "crypto/hash.h"

#include <string.h>
#include <zstd.h>

#define LEVEL 1
#define SAMPLE 4096
#define SAMPLES 3

static const uint8_t chunk_ad[] = {'E', 'N', 'C', 'L', 'A', 'V', 'E',
                                   ' ', 'c', 'h', 'u', 'n', 'k', CHUNK_FORMAT};

/* i | format | compression | len; the convergent form leaves i out. */
static void key_info(uint8_t info[10], uint32_t i, uint8_t compression, uint32_t len)
{
    put_u32(info, i);
    info[4] = CHUNK_FORMAT;
    info[5] = compression;
    put_u32(info + 6, len);
}

void chunk_key_random(const uint8_t cek[32], uint32_t i, uint8_t compression, uint32_t len,
                      const uint8_t stored[32], uint8_t ret_key[32])
{
    uint8_t info[10];
    key_info(info, i, compression, len);
    EXPAND_OF(ret_key, cek, BYTES_LIT("chunk"), BYTES_OF(info), BYTES(stored, 32));
}

void chunk_key_convergent(const uint8_t dedup[32], uint8_t compression, uint32_t len,
                          const uint8_t stored[32], uint8_t ret_key[32])
{
    uint8_t info[10];
    key_info(info, 0, compression, len);
    HMAC_OF(ret_key, BYTES(dedup, 32), BYTES_LIT("chunk"), BYTES(info + 4, 6), BYTES(stored, 32));
}

void chunk_id(const uint8_t dedup[32], const uint8_t plain[32], uint8_t ret_id[32])
{
    HMAC_OF(ret_id, BYTES(dedup, 32), BYTES_LIT("id"), BYTES(plain, 32));
}

/* A few samples tell most incompressible content (media, archives) at a hundredth of the cost. */
static bool looks_packable(struct bytes plain)
{
    if (plain.n < 8 * SAMPLES * SAMPLE) return plain.n > 64;
    uint8_t in[SAMPLES * SAMPLE];
    uint8_t out[SAMPLES * SAMPLE];
    for (size_t s = 0; s < SAMPLES; s++)
        memcpy(in + s * SAMPLE, plain.p + (plain.n - SAMPLE) / (SAMPLES + 1) * (s + 1), SAMPLE);
    size_t n = ZSTD_compress(out, sizeof out - sizeof out / 16, in, sizeof in, LEVEL);
    return !ZSTD_isError(n);
}

/* Packs into out (room plain.n) when that saves at least a sixteenth; 0: it does not. */
static size_t pack(struct bytes plain, uint8_t *out)
{
    if (!looks_packable(plain)) return 0;
    size_t n = ZSTD_compress(out, plain.n - plain.n / 16, plain.p, plain.n, LEVEL);
    return ZSTD_isError(n) ? 0 : n;
}

void chunk_seal(const struct chunk_keys *keys, uint32_t i, struct bytes plain, bool try_zstd,
                uint8_t *out, struct chunk_sealed *ret)
{
    uint8_t hash[32];
    sha256(plain, hash);
    chunk_id(keys->dedup, hash, ret->id);
    size_t packed = try_zstd ? pack(plain, out) : 0;
    struct bytes stored = packed ? BYTES(out, packed) : plain;
    ret->compression = packed ? CHUNK_ZSTD : CHUNK_STORED;
    if (packed) sha256(stored, hash);
    uint32_t len = (uint32_t)stored.n;
    if (keys->convergent)
        chunk_key_convergent(keys->dedup, ret->compression, len, hash, ret->key);
    else
        chunk_key_random(keys->cek, i, ret->compression, len, hash, ret->key);
    aead_seal(ret->key, AEAD_NONCE_ZERO, BYTES_OF(chunk_ad), stored, out);
    ret->n = len + AEAD_TAG;
    bytes_wipe(hash, sizeof hash);
}

enum status chunk_open(const uint8_t key[32], uint8_t compression, struct bytes sealed,
                       uint8_t *scratch, uint8_t *out, size_t plain_len)
{
    if (sealed.n < AEAD_TAG) return ST_INTEGRITY;
    if (compression == CHUNK_STORED) {
        if (sealed.n != plain_len + AEAD_TAG) return ST_INTEGRITY;
        return aead_open(key, AEAD_NONCE_ZERO, BYTES_OF(chunk_ad), sealed, out);
    }
    if (compression != CHUNK_ZSTD) return ST_VERSION;
    enum status st = aead_open(key, AEAD_NONCE_ZERO, BYTES_OF(chunk_ad), sealed, scratch);
    if (st != ST_OK) return st;
    size_t n = ZSTD_decompress(out, plain_len, scratch, sealed.n - AEAD_TAG);
    bytes_wipe(scratch, sealed.n - AEAD_TAG);
    return ZSTD_isError(n) || n != plain_len ? ST_INTEGRITY : ST_OK;
}
