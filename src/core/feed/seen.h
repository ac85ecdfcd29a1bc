/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * seen: how far an author had read a feed when it wrote an entry: the number of
 * entries and the chain after them (protocol.md section 4). 40 bytes on the wire.
 *
 * Owns nothing. Errors: of the cursor. Order: none.
 */
#ifndef ENCLAVE_CORE_FEED_SEEN_H
#define ENCLAVE_CORE_FEED_SEEN_H

#include "base/bytes.h"

#define SEEN_SIZE 40

struct seen {
    uint64_t count;
    uint8_t chain[32]; /* after them; of an unseen feed: chain_start */
};

void seen_put(const struct seen *s, struct buf *out);
struct seen seen_read(struct cursor *c);
bool seen_same(const struct seen *a, const struct seen *b);

#endif
