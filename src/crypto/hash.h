/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * hash: SHA-256, SHA-512, HMAC-SHA-256, HKDF-SHA-256 (RFC 5869), SHA3-256,
 * SHAKE-256, through OpenSSL. "parts" variants hash a concatenation without
 * copying it together.
 *
 * Owns: struct sha256 holds its whole state inline, no memory behind it;
 *     sha256_done and sha256_drop wipe it. All else borrows. Errors: only out of
 *     memory inside the library (SHA-3, SHAKE), which stops the program: callers
 *     need no error path.
 * Order: sha256_start, sha256_add*, sha256_done.
 */
#ifndef ENCLAVE_CRYPTO_HASH_H
#define ENCLAVE_CRYPTO_HASH_H

#include "base/bytes.h"

#define SHA256_SIZE 32
#define SHA512_SIZE 64

struct sha256 {
    uint32_t state[28];
};

void sha256_start(struct sha256 *h);
void sha256_add(struct sha256 *h, struct bytes part);
void sha256_copy(struct sha256 *to, const struct sha256 *from); /* both go on by themselves */
void sha256_done(struct sha256 *h, uint8_t out[SHA256_SIZE]);
void sha256_drop(struct sha256 *h);

void sha256(struct bytes in, uint8_t out[SHA256_SIZE]);
void sha256_parts(const struct bytes *parts, size_t n, uint8_t out[SHA256_SIZE]);
void sha512_parts(const struct bytes *parts, size_t n, uint8_t out[SHA512_SIZE]);
void sha3_256_parts(const struct bytes *parts, size_t n, uint8_t out[32]);
void shake256(struct bytes in, uint8_t *out, size_t n);

void hmac_sha256(struct bytes key, struct bytes in, uint8_t out[SHA256_SIZE]);
void hmac_sha256_parts(struct bytes key, const struct bytes *parts, size_t n,
                       uint8_t out[SHA256_SIZE]);

/* RFC 5869. extract(salt, ikm); expand: n at most 255 * 32. */
void hkdf_extract(struct bytes salt, struct bytes ikm, uint8_t out[32]);
void hkdf_expand(const uint8_t key[32], struct bytes info, uint8_t *out, size_t n);
void hkdf_expand_parts(const uint8_t key[32], const struct bytes *info, size_t parts, uint8_t *out,
                       size_t n);
/* For vectors: key and info of any length, n > 8160 gives ST_TOO_BIG. */
enum status hkdf_sha256(struct bytes salt, struct bytes ikm, struct bytes info, uint8_t *out,
                        size_t n) MUST_USE;

/* Variadic comfort: SHA256_OF(out, BYTES_LIT("label"), view, ...) */
#define PARTS_(...) ((const struct bytes[]){__VA_ARGS__})
#define PARTS_N_(...) (sizeof(PARTS_(__VA_ARGS__)) / sizeof(struct bytes))
#define SHA256_OF(out, ...) sha256_parts(PARTS_(__VA_ARGS__), PARTS_N_(__VA_ARGS__), out)
#define HMAC_OF(out, key, ...) \
    hmac_sha256_parts(key, PARTS_(__VA_ARGS__), PARTS_N_(__VA_ARGS__), out)
/* Expand(key, parts...) to 32 bytes */
#define EXPAND_OF(out, key, ...) \
    hkdf_expand_parts(key, PARTS_(__VA_ARGS__), PARTS_N_(__VA_ARGS__), out, 32)

/* zlib's CRC-32 of in, as used in shard trailers. */
uint32_t crc32_of(struct bytes in);

#endif
