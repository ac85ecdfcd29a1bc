/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "core/feed/chain.h"

#include "crypto/hash.h"

void chain_start(const uint8_t room[32], uint8_t feed, uint8_t ret[CHAIN_SIZE])
{
    SHA256_OF(ret, BYTES_LIT("ENCLAVE-CHAIN"), BYTES(room, 32), BYTES(&feed, 1));
}

void chain_step(const uint8_t chain[CHAIN_SIZE], struct bytes sealed, uint8_t ret[CHAIN_SIZE])
{
    SHA256_OF(ret, BYTES(chain, CHAIN_SIZE), sealed);
}

struct seen chain_unseen(const uint8_t room[32], uint8_t feed)
{
    struct seen s = {.count = 0};
    chain_start(room, feed, s.chain);
    return s;
}
