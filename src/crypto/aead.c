/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "crypto/aead.h"

#include <openssl/evp.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

/* EVP counts in int; larger inputs go in pieces (a multiple of the 64-byte block). */
#define PIECE ((size_t)1 << 30)

static bool update(EVP_CIPHER_CTX *c, uint8_t *out, struct bytes in)
{
    int got = 0;
    for (size_t at = 0; at < in.n;) {
        size_t take = in.n - at < PIECE ? in.n - at : PIECE;
        if (EVP_CipherUpdate(c, out ? out + at : NULL, &got, in.p + at, (int)take) != 1 ||
            got != (int)take)
            return false;
        at += take;
    }
    return true;
}

/* tag is written when sealing, compared (in constant time, by the library) when opening. */
static bool run(bool seal, const uint8_t *key, const uint8_t *nonce, struct bytes ad,
                struct bytes in, uint8_t *out, uint8_t tag[AEAD_TAG])
{
    int got = 0;
    uint8_t none[1];
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    if (!c || EVP_CipherInit_ex(c, EVP_chacha20_poly1305(), NULL, key, nonce, seal) != 1) abort();
    if (!seal && EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, AEAD_TAG, tag) != 1) abort();
    bool ok = update(c, NULL, ad) && update(c, out, in) && EVP_CipherFinal_ex(c, none, &got) == 1;
    if (ok && seal) ok = EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, AEAD_TAG, tag) == 1;
    EVP_CIPHER_CTX_free(c); /* wipes the key schedule */
    return ok;
}

void aead_seal(const uint8_t key[AEAD_KEY], const uint8_t nonce[AEAD_NONCE], struct bytes ad,
               struct bytes in, uint8_t *out)
{
    if (!run(true, key, nonce, ad, in, out, out + in.n)) abort();
}

enum status aead_open(const uint8_t key[AEAD_KEY], const uint8_t nonce[AEAD_NONCE], struct bytes ad,
                      struct bytes in, uint8_t *out)
{
    uint8_t tag[AEAD_TAG];
    if (in.n < AEAD_TAG) return ST_BAD_SEAL;
    size_t n = in.n - AEAD_TAG;
    memcpy(tag, in.p + n, AEAD_TAG);
    if (run(false, key, nonce, ad, BYTES(in.p, n), out, tag)) return ST_OK;
    if (n) memset(out, 0, n);
    return ST_BAD_SEAL;
}

/* draft-irtf-cfrg-xchacha 2.3: a key of its own from the first 16 nonce bytes, the rest is the
 * nonce of RFC 8439 after four zero bytes. */
static void sub_key(const uint8_t key[AEAD_KEY], const uint8_t nonce[XAEAD_NONCE],
                    uint8_t ret_key[AEAD_KEY], uint8_t ret_nonce[AEAD_NONCE])
{
    crypto_core_hchacha20(ret_key, nonce, key, NULL);
    memset(ret_nonce, 0, 4);
    memcpy(ret_nonce + 4, nonce + 16, 8);
}

void xaead_seal(const uint8_t key[AEAD_KEY], const uint8_t nonce[XAEAD_NONCE], struct bytes ad,
                struct bytes in, uint8_t *out)
{
    uint8_t k[AEAD_KEY], n[AEAD_NONCE];
    sub_key(key, nonce, k, n);
    aead_seal(k, n, ad, in, out);
    bytes_wipe(k, sizeof k);
}

enum status xaead_open(const uint8_t key[AEAD_KEY], const uint8_t nonce[XAEAD_NONCE],
                       struct bytes ad, struct bytes in, uint8_t *out)
{
    uint8_t k[AEAD_KEY], n[AEAD_NONCE];
    sub_key(key, nonce, k, n);
    enum status st = aead_open(k, n, ad, in, out);
    bytes_wipe(k, sizeof k);
    return st;
}

void xaead_seal_to(const uint8_t key[AEAD_KEY], const uint8_t nonce[XAEAD_NONCE], struct bytes ad,
                   struct bytes in, struct buf *out)
{
    uint8_t *at = buf_space(out, XAEAD_NONCE + in.n + AEAD_TAG);
    if (!at) return; /* out is bad now */
    memcpy(at, nonce, XAEAD_NONCE);
    xaead_seal(key, nonce, ad, in, at + XAEAD_NONCE);
}

enum status xaead_open_to(const uint8_t key[AEAD_KEY], struct bytes ad, struct bytes sealed,
                          struct buf *out)
{
    if (sealed.n < XAEAD_NONCE + AEAD_TAG) return ST_BAD_SEAL;
    size_t n = sealed.n - XAEAD_NONCE - AEAD_TAG, before = out->n;
    uint8_t none[1];
    uint8_t *at = n ? buf_space(out, n) : none;
    if (!at) return buf_status(out);
    enum status st =
        xaead_open(key, sealed.p, ad, BYTES(sealed.p + XAEAD_NONCE, sealed.n - XAEAD_NONCE), at);
    if (st != ST_OK) out->n = before; /* the bytes are zero already */
    return st;
}
