/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "crypto/sign.h"

#include "crypto/hash.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

/* SubjectPublicKeyInfo of an Ed25519 key is this and then the key. */
static const uint8_t SPKI_HEAD[12] = {0x30, 0x2a, 0x30, 0x05, 0x06, 0x03,
                                      0x2b, 0x65, 0x70, 0x03, 0x21, 0x00};

void sign_pin(const uint8_t public_key[SIGN_PUBLIC], uint8_t ret[32])
{
    SHA256_OF(ret, BYTES_OF(SPKI_HEAD), BYTES(public_key, SIGN_PUBLIC));
}

void sign_public(const uint8_t seed[SIGN_SEED], uint8_t ret_public[SIGN_PUBLIC])
{
    uint8_t secret[crypto_sign_SECRETKEYBYTES];
    crypto_sign_seed_keypair(ret_public, secret, seed);
    bytes_wipe(secret, sizeof secret);
}

void sign_message(const uint8_t seed[SIGN_SEED], struct bytes message, uint8_t ret_sig[SIGN_SIZE])
{
    /* The public half is computed afresh (17 us): a seed with a wrong public key beside it would
     * leak the secret through two signatures. */
    uint8_t secret[crypto_sign_SECRETKEYBYTES], public_key[SIGN_PUBLIC];
    crypto_sign_seed_keypair(public_key, secret, seed);
    crypto_sign_detached(ret_sig, NULL, message.p, message.n, secret);
    bytes_wipe(secret, sizeof secret);
}

enum status sign_verify(const uint8_t public_key[SIGN_PUBLIC], struct bytes message,
                        const uint8_t sig[SIGN_SIZE])
{
    if (crypto_sign_verify_detached(sig, message.p, message.n, public_key) != 0)
        return ST_BAD_SIGNATURE;
    return ST_OK;
}

/* label | 0x00 | parts. In the caller's room when it fits, else on the heap; free(*ret_heap). */
static struct bytes join(const char *label, const struct bytes *parts, size_t n, uint8_t *room,
                         size_t room_n, uint8_t **ret_heap)
{
    size_t size = strlen(label) + 1, at = size;
    for (size_t i = 0; i < n; i++) size += parts[i].n;
    *ret_heap = size > room_n ? malloc(size) : NULL;
    if (size > room_n && !*ret_heap) abort(); /* callers have no error path, see hash.h */
    uint8_t *p = *ret_heap ? *ret_heap : room;
    memcpy(p, label, at);
    for (size_t i = 0; i < n; i++) {
        if (parts[i].n) memcpy(p + at, parts[i].p, parts[i].n);
        at += parts[i].n;
    }
    return BYTES(p, size);
}

void sign_labelled(const uint8_t seed[SIGN_SEED], const char *label, const struct bytes *parts,
                   size_t n, uint8_t ret_sig[SIGN_SIZE])
{
    uint8_t room[1024], *heap;
    struct bytes message = join(label, parts, n, room, sizeof room, &heap);
    sign_message(seed, message, ret_sig);
    free(heap);
}

enum status sign_labelled_verify(const uint8_t public_key[SIGN_PUBLIC], const char *label,
                                 const struct bytes *parts, size_t n, const uint8_t sig[SIGN_SIZE])
{
    uint8_t room[1024], *heap;
    struct bytes message = join(label, parts, n, room, sizeof room, &heap);
    enum status st = sign_verify(public_key, message, sig);
    free(heap);
    return st;
}
