/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * group_provider: the TLS group X25519MLKEM768 (0x11EC) for an OpenSSL that has
 * none (before 3.5), as a built-in provider over crypto/kem.h. Shares are the
 * ML-KEM-768 key (or ciphertext) and then the X25519 key; the secret likewise,
 * 64 bytes (draft-ietf-tls-ecdhe-mlkem).
 *
 * Owns: what it loads belongs to the library context, which is freed with
 *     group_provider_close before OSSL_LIB_CTX_free.
 * Errors: ST_BUG if OpenSSL refuses to load it. A malformed share fails the
 *     handshake that brought it.
 * Order: open before the first SSL_CTX of the context. Randomness comes from
 *     the context's own generator: TLS draws its own.
 */
#ifndef ENCLAVE_LINK_GROUP_PROVIDER_H
#define ENCLAVE_LINK_GROUP_PROVIDER_H

#include "base/bytes.h"

#include <openssl/types.h>

#define GROUP_NAME "X25519MLKEM768"
#define GROUP_ID 0x11EC

struct group_provider {
    OSSL_PROVIDER *standard;
    OSSL_PROVIDER *ours; /* NULL where OpenSSL knows the group itself */
};

/* Loads the default provider into libctx and, if it lacks the group, ours beside it. */
enum status group_provider_open(OSSL_LIB_CTX *libctx, struct group_provider *ret) MUST_USE;
void group_provider_close(struct group_provider *g);

#endif
