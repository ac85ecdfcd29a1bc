/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * merkle: RFC 6962 / RFC 9162 hash trees (SHA-256, leaf prefix 0x00, node
 * prefix 0x01). Leaves are given as hashes, n >= 1 unless stated.
 *
 * Owns nothing. Errors: verify: ST_INTEGRITY. Order: merkle_start, merkle_add*,
 * merkle_done; none for the rest.
 */
#ifndef ENCLAVE_CRYPTO_MERKLE_H
#define ENCLAVE_CRYPTO_MERKLE_H

#include "base/bytes.h"

#define MERKLE_HASH 32
#define MERKLE_PATH_MAX 64

void merkle_leaf(struct bytes data, uint8_t ret[MERKLE_HASH]);
/* Leaf hashes of data cut every leaf_size bytes, back to back at ret_leaves, the last leaf may be
 * short; returns their number, (data.n + leaf_size - 1) / leaf_size. Work-job speed: about the
 * bare rate of SHA-256 at 4 KiB. */
size_t merkle_leaves(struct bytes data, size_t leaf_size, uint8_t *ret_leaves);
void merkle_node(const uint8_t left[MERKLE_HASH], const uint8_t right[MERKLE_HASH],
                 uint8_t ret[MERKLE_HASH]);
/* n leaf hashes back to back; n = 0 gives SHA-256 of nothing. */
void merkle_root(const uint8_t *leaves, size_t n, uint8_t ret[MERKLE_HASH]);
/* Inclusion path of leaf index, lowest sibling first; returns the number of hashes (0 if n = 1). */
size_t merkle_path(const uint8_t *leaves, size_t n, size_t index,
                   uint8_t ret_path[MERKLE_PATH_MAX][MERKLE_HASH]);
enum status merkle_verify(const uint8_t leaf_hash[MERKLE_HASH], uint64_t index, uint64_t n,
                          const uint8_t *path, size_t path_len,
                          const uint8_t root[MERKLE_HASH]) MUST_USE;
/* Consistency proof between tree sizes m <= n. */
enum status merkle_consistent(uint64_t m, uint64_t n, const uint8_t *proof, size_t proof_len,
                              const uint8_t root_m[MERKLE_HASH],
                              const uint8_t root_n[MERKLE_HASH]) MUST_USE;

/* A tree whose leaves come one after the other: keeps log2(n) hashes. */
struct merkle_builder {
    uint8_t stack[MERKLE_PATH_MAX][MERKLE_HASH];
    uint64_t n;
};
void merkle_start(struct merkle_builder *b);
void merkle_add(struct merkle_builder *b, const uint8_t leaf_hash[MERKLE_HASH]);
void merkle_done(const struct merkle_builder *b, uint8_t ret[MERKLE_HASH]);

#endif
