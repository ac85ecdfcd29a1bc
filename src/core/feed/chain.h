/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * chain: the hash chain over the sealed entries of a feed (protocol.md section
 * 4): chain_-1 = H("ENCLAVE-CHAIN" | room id | feed), chain_i = H(chain_{i-1} |
 * sealed entry_i). The sentinel and every member compute the same.
 *
 * Owns nothing. Never fails. Order: chain_start, then chain_step for each entry.
 */
#ifndef ENCLAVE_CORE_FEED_CHAIN_H
#define ENCLAVE_CORE_FEED_CHAIN_H

#include "core/feed/seen.h"

#define CHAIN_SIZE 32
#define FEEDS 4

enum feed { FEED_LEDGER, FEED_MAIL, FEED_FILES, FEED_RECEIPTS };

void chain_start(const uint8_t room[32], uint8_t feed, uint8_t ret[CHAIN_SIZE]);
/* chain may be the same place as ret. */
void chain_step(const uint8_t chain[CHAIN_SIZE], struct bytes sealed, uint8_t ret[CHAIN_SIZE]);
/* Nothing seen yet: (0, chain_-1). */
struct seen chain_unseen(const uint8_t room[32], uint8_t feed);

#endif
