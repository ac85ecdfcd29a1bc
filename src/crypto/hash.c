/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * SHA-256 and SHA-512 go through libcrypto's SHA256_Update family although 3.0
 * marks it deprecated: it is the same assembly, but EVP looks its algorithm up
 * in a locked table at each call (measured: 510 ns against 135 ns for 64 bytes)
 * unless a fetched EVP_MD is kept, which would be a mutable global.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "crypto/hash.h"

#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

_Static_assert(sizeof(SHA256_CTX) == sizeof(struct sha256), "struct sha256 is a SHA256_CTX");
_Static_assert(_Alignof(SHA256_CTX) <= _Alignof(struct sha256), "struct sha256 is a SHA256_CTX");

#define HMAC_BLOCK 64

void sha256_start(struct sha256 *h)
{
    SHA256_CTX c;
    SHA256_Init(&c);
    memcpy(h, &c, sizeof *h);
}

void sha256_add(struct sha256 *h, struct bytes part)
{
    if (part.n) SHA256_Update((SHA256_CTX *)(void *)h, part.p, part.n);
}

void sha256_copy(struct sha256 *to, const struct sha256 *from)
{
    *to = *from;
}

void sha256_done(struct sha256 *h, uint8_t out[SHA256_SIZE])
{
    SHA256_Final(out, (SHA256_CTX *)(void *)h);
    bytes_wipe(h, sizeof *h);
}

void sha256_drop(struct sha256 *h)
{
    bytes_wipe(h, sizeof *h);
}

void sha256(struct bytes in, uint8_t out[SHA256_SIZE])
{
    sha256_parts(&in, 1, out);
}

void sha256_parts(const struct bytes *parts, size_t n, uint8_t out[SHA256_SIZE])
{
    struct sha256 h;
    sha256_start(&h);
    for (size_t i = 0; i < n; i++) sha256_add(&h, parts[i]);
    sha256_done(&h, out);
}

void sha512_parts(const struct bytes *parts, size_t n, uint8_t out[SHA512_SIZE])
{
    SHA512_CTX c;
    SHA512_Init(&c);
    for (size_t i = 0; i < n; i++)
        if (parts[i].n) SHA512_Update(&c, parts[i].p, parts[i].n);
    SHA512_Final(out, &c);
    bytes_wipe(&c, sizeof c);
}

/* xof_n: output size for SHAKE, 0 for a fixed size. Fails only without memory. */
static void evp_digest(const EVP_MD *md, const struct bytes *parts, size_t n, uint8_t *out,
                       size_t xof_n)
{
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    bool ok = c && EVP_DigestInit_ex(c, md, NULL) == 1;
    for (size_t i = 0; ok && i < n; i++)
        if (parts[i].n) ok = EVP_DigestUpdate(c, parts[i].p, parts[i].n) == 1;
    if (ok)
        ok = (xof_n ? EVP_DigestFinalXOF(c, out, xof_n) : EVP_DigestFinal_ex(c, out, NULL)) == 1;
    EVP_MD_CTX_free(c);
    if (!ok) abort();
}

void sha3_256_parts(const struct bytes *parts, size_t n, uint8_t out[32])
{
    evp_digest(EVP_sha3_256(), parts, n, out, 0);
}

void shake256(struct bytes in, uint8_t *out, size_t n)
{
    if (n) evp_digest(EVP_shake256(), &in, 1, out, n);
}

/* RFC 2104. The states after the two key blocks, kept so that expand hashes the key once. */
struct hmac {
    struct sha256 inner;
    struct sha256 outer;
};

static void hmac_key(struct hmac *h, struct bytes key)
{
    uint8_t block[HMAC_BLOCK] = {0};
    if (key.n > sizeof block)
        sha256(key, block);
    else if (key.n)
        memcpy(block, key.p, key.n);
    for (size_t i = 0; i < sizeof block; i++) block[i] ^= 0x36;
    sha256_start(&h->inner);
    sha256_add(&h->inner, BYTES_OF(block));
    for (size_t i = 0; i < sizeof block; i++) block[i] ^= 0x36 ^ 0x5c;
    sha256_start(&h->outer);
    sha256_add(&h->outer, BYTES_OF(block));
    bytes_wipe(block, sizeof block);
}

/* Ends the inner hash that the caller has fed, then the outer. */
static void hmac_done(const struct hmac *key, struct sha256 *inner, uint8_t out[SHA256_SIZE])
{
    uint8_t digest[SHA256_SIZE];
    struct sha256 outer = key->outer;
    sha256_done(inner, digest);
    sha256_add(&outer, BYTES_OF(digest));
    sha256_done(&outer, out);
    bytes_wipe(digest, sizeof digest);
}

void hmac_sha256(struct bytes key, struct bytes in, uint8_t out[SHA256_SIZE])
{
    hmac_sha256_parts(key, &in, 1, out);
}

void hmac_sha256_parts(struct bytes key, const struct bytes *parts, size_t n,
                       uint8_t out[SHA256_SIZE])
{
    struct hmac h;
    hmac_key(&h, key);
    struct sha256 inner = h.inner;
    for (size_t i = 0; i < n; i++) sha256_add(&inner, parts[i]);
    hmac_done(&h, &inner, out);
    bytes_wipe(&h, sizeof h);
}

void hkdf_extract(struct bytes salt, struct bytes ikm, uint8_t out[32])
{
    hmac_sha256(salt, ikm, out);
}

static enum status expand(struct bytes key, const struct bytes *info, size_t parts, uint8_t *out,
                          size_t n)
{
    if (n > (size_t)255 * SHA256_SIZE) return ST_TOO_BIG;
    struct hmac h;
    uint8_t block[SHA256_SIZE];
    hmac_key(&h, key);
    for (size_t done = 0; done < n;) {
        uint8_t counter = (uint8_t)(done / SHA256_SIZE + 1);
        struct sha256 inner = h.inner;
        if (done) sha256_add(&inner, BYTES_OF(block));
        for (size_t i = 0; i < parts; i++) sha256_add(&inner, info[i]);
        sha256_add(&inner, BYTES(&counter, 1));
        hmac_done(&h, &inner, block);
        size_t take = n - done < sizeof block ? n - done : sizeof block;
        memcpy(out + done, block, take);
        done += take;
    }
    bytes_wipe(block, sizeof block);
    bytes_wipe(&h, sizeof h);
    return ST_OK;
}

void hkdf_expand(const uint8_t key[32], struct bytes info, uint8_t *out, size_t n)
{
    hkdf_expand_parts(key, &info, 1, out, n);
}

void hkdf_expand_parts(const uint8_t key[32], const struct bytes *info, size_t parts, uint8_t *out,
                       size_t n)
{
    if (expand(BYTES(key, 32), info, parts, out, n) != ST_OK) abort(); /* our own constant */
}

enum status hkdf_sha256(struct bytes salt, struct bytes ikm, struct bytes info, uint8_t *out,
                        size_t n)
{
    uint8_t prk[32];
    hkdf_extract(salt, ikm, prk);
    enum status st = expand(BYTES_OF(prk), &info, 1, out, n);
    bytes_wipe(prk, sizeof prk);
    return st;
}

uint32_t crc32_of(struct bytes in)
{
    return (uint32_t)crc32_z(0, in.p, in.n);
}
