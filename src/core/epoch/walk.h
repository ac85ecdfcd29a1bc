/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * walk: from the log key of a known epoch back to that of epoch 0, through what
 * stands outside the seals of the feed-0 entries (protocol.md section 4, "back").
 * The COMMIT to epoch e is the first entry with envelope epoch e-1 whose back
 * opens under log_key[e]; a copy of it further on means nothing.
 *
 * Owns: the caller owns heads and ret_keys (secret: guarded or wiped).
 * Errors: ST_INTEGRITY if for some epoch no such entry exists.
 * Order: heads of entries 0 .. n-1, then walk_back once.
 */
#ifndef ENCLAVE_CORE_EPOCH_WALK_H
#define ENCLAVE_CORE_EPOCH_WALK_H

#include "core/feed/entry0.h"

/* ret_keys: (epoch + 1) x 32 bytes, log_key[0] .. log_key[epoch]; ret_commits: epoch + 1 indexes,
 * [e] = index of the COMMIT to epoch e ([0] is 0). */
enum status walk_back(const uint8_t room[32], const struct entry0_envelope *heads, size_t n,
                      uint64_t epoch, const uint8_t log_key[32], uint8_t *ret_keys,
                      uint64_t *ret_commits) MUST_USE;

#endif
