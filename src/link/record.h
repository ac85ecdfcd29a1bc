/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * record: the record layer of TLS 1.3 after the handshake (RFC 8446, 5.2 to 5.4,
 * 7.2, 7.3), for TLS_CHACHA20_POLY1305_SHA256. OpenSSL makes the handshake; its
 * connection object is then more than all else that a sentinel keeps of a caller,
 * so link/tls frees it and goes on with this.
 *
 * Owns: nothing; a side is wiped by whoever holds it.
 * Errors: record_open: ST_BAD_SEAL (does not decrypt), ST_PROTOCOL (padding and
 *     nothing else, or too long inside).
 * Order: record_side_set with the traffic secret, then records in their order;
 *     record_side_update at a KeyUpdate of that side.
 */
#ifndef ENCLAVE_LINK_RECORD_H
#define ENCLAVE_LINK_RECORD_H

#include "base/bytes.h"

#define RECORD_HEAD 5
#define RECORD_PLAIN ((size_t)16 << 10)      /* most bytes of content */
#define RECORD_BODY_MAX (RECORD_PLAIN + 256) /* most bytes behind the head */
#define RECORD_BODY_MIN 17                   /* a type and the tag */
#define RECORD_OVER (RECORD_HEAD + RECORD_BODY_MIN)

enum record_type { RECORD_ALERT = 21, RECORD_HANDSHAKE = 22, RECORD_DATA = 23 };

struct record_side {
    uint8_t secret[32];
    uint8_t key[32];
    uint8_t iv[12];
    uint64_t next; /* number of the next record */
};

void record_side_set(struct record_side *s, const uint8_t secret[32]);
void record_side_update(struct record_side *s);
/* out: plain.n + RECORD_OVER bytes; plain.n at most RECORD_PLAIN. */
void record_seal(struct record_side *s, uint8_t type, struct bytes plain, uint8_t *out);
/* record: head and body, n bytes in all; decrypted in its place. */
enum status record_open(struct record_side *s, uint8_t *record, size_t n, uint8_t *ret_type,
                        struct bytes *ret_plain) MUST_USE;

#endif
