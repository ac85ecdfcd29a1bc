/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "crypto/merkle.h"

#include "crypto/hash.h"

#include <string.h>

static const uint8_t leaf_prefix[1] = {0x00};
static const uint8_t node_prefix[1] = {0x01};

void merkle_leaf(struct bytes data, uint8_t ret[MERKLE_HASH])
{
    SHA256_OF(ret, BYTES_OF(leaf_prefix), data);
}

size_t merkle_leaves(struct bytes data, size_t leaf_size, uint8_t *ret_leaves)
{
    size_t n = 0;
    for (size_t at = 0; at < data.n; at += leaf_size, n++) {
        size_t take = data.n - at < leaf_size ? data.n - at : leaf_size;
        merkle_leaf(BYTES(data.p + at, take), ret_leaves + n * MERKLE_HASH);
    }
    return n;
}

void merkle_node(const uint8_t left[MERKLE_HASH], const uint8_t right[MERKLE_HASH],
                 uint8_t ret[MERKLE_HASH])
{
    SHA256_OF(ret, BYTES_OF(node_prefix), BYTES(left, MERKLE_HASH), BYTES(right, MERKLE_HASH));
}

void merkle_root(const uint8_t *leaves, size_t n, uint8_t ret[MERKLE_HASH])
{
    struct merkle_builder b;
    merkle_start(&b);
    for (size_t i = 0; i < n; i++) merkle_add(&b, leaves + i * MERKLE_HASH);
    merkle_done(&b, ret);
}

/* The largest power of two below n; n >= 2. */
static size_t split(size_t n)
{
    size_t k = 1;
    while (k < n - k) k *= 2;
    return k;
}

size_t merkle_path(const uint8_t *leaves, size_t n, size_t index,
                   uint8_t ret_path[MERKLE_PATH_MAX][MERKLE_HASH])
{
    /* From the root down: the sibling subtree at each split, so the path comes highest first. */
    size_t len = 0;
    for (size_t from = 0; n > 1;) {
        size_t k = split(n);
        if (index - from < k) {
            merkle_root(leaves + (from + k) * MERKLE_HASH, n - k, ret_path[len]);
            n = k;
        } else {
            merkle_root(leaves + from * MERKLE_HASH, k, ret_path[len]);
            from += k;
            n -= k;
        }
        len++;
    }
    for (size_t i = 0; i < len / 2; i++) {
        uint8_t swap[MERKLE_HASH];
        memcpy(swap, ret_path[i], MERKLE_HASH);
        memcpy(ret_path[i], ret_path[len - 1 - i], MERKLE_HASH);
        memcpy(ret_path[len - 1 - i], swap, MERKLE_HASH);
    }
    return len;
}

/* RFC 9162 2.1.3.2 */
enum status merkle_verify(const uint8_t leaf_hash[MERKLE_HASH], uint64_t index, uint64_t n,
                          const uint8_t *path, size_t path_len, const uint8_t root[MERKLE_HASH])
{
    if (index >= n || path_len > MERKLE_PATH_MAX) return ST_INTEGRITY;
    uint64_t fn = index, sn = n - 1;
    uint8_t r[MERKLE_HASH];
    memcpy(r, leaf_hash, MERKLE_HASH);
    for (size_t i = 0; i < path_len; i++) {
        const uint8_t *p = path + i * MERKLE_HASH;
        if (sn == 0) return ST_INTEGRITY;
        if ((fn & 1) || fn == sn) {
            merkle_node(p, r, r);
            while (!(fn & 1) && fn) fn >>= 1, sn >>= 1;
        } else {
            merkle_node(r, p, r);
        }
        fn >>= 1;
        sn >>= 1;
    }
    return sn == 0 && memcmp(r, root, MERKLE_HASH) == 0 ? ST_OK : ST_INTEGRITY;
}

/* RFC 9162 2.1.4.2 */
enum status merkle_consistent(uint64_t m, uint64_t n, const uint8_t *proof, size_t proof_len,
                              const uint8_t root_m[MERKLE_HASH], const uint8_t root_n[MERKLE_HASH])
{
    if (m > n || proof_len > MERKLE_PATH_MAX + 1) return ST_INTEGRITY;
    if (m == n)
        return !proof_len && memcmp(root_m, root_n, MERKLE_HASH) == 0 ? ST_OK : ST_INTEGRITY;
    if (m == 0) return proof_len ? ST_INTEGRITY : ST_OK;
    /* A whole subtree of the old tree is its own first node and is not sent. */
    const bool whole = (m & (m - 1)) == 0;
    if (!whole && !proof_len) return ST_INTEGRITY;
    uint64_t fn = m - 1, sn = n - 1;
    while (fn & 1) fn >>= 1, sn >>= 1;
    uint8_t fr[MERKLE_HASH], sr[MERKLE_HASH];
    const uint8_t *first = whole ? root_m : proof;
    memcpy(fr, first, MERKLE_HASH);
    memcpy(sr, first, MERKLE_HASH);
    for (size_t i = whole ? 0 : 1; i < proof_len; i++) {
        const uint8_t *c = proof + i * MERKLE_HASH;
        if (sn == 0) return ST_INTEGRITY;
        if ((fn & 1) || fn == sn) {
            merkle_node(c, fr, fr);
            merkle_node(c, sr, sr);
            while (fn && !(fn & 1)) fn >>= 1, sn >>= 1;
        } else {
            merkle_node(sr, c, sr);
        }
        fn >>= 1;
        sn >>= 1;
    }
    if (sn != 0 || memcmp(fr, root_m, MERKLE_HASH) != 0 || memcmp(sr, root_n, MERKLE_HASH) != 0)
        return ST_INTEGRITY;
    return ST_OK;
}

void merkle_start(struct merkle_builder *b)
{
    b->n = 0;
}

void merkle_add(struct merkle_builder *b, const uint8_t leaf_hash[MERKLE_HASH])
{
    /* stack[i] is the root of a full subtree of 2^i leaves, present where bit i of n is set. */
    uint8_t h[MERKLE_HASH];
    memcpy(h, leaf_hash, MERKLE_HASH);
    size_t level = 0;
    for (uint64_t n = b->n; n & 1; n >>= 1, level++) merkle_node(b->stack[level], h, h);
    memcpy(b->stack[level], h, MERKLE_HASH);
    b->n++;
}

void merkle_done(const struct merkle_builder *b, uint8_t ret[MERKLE_HASH])
{
    if (b->n == 0) {
        sha256(BYTES_NONE, ret);
        return;
    }
    uint8_t h[MERKLE_HASH];
    bool have = false;
    for (size_t level = 0; level < MERKLE_PATH_MAX; level++) {
        if (!((b->n >> level) & 1)) continue;
        if (have)
            merkle_node(b->stack[level], h, h);
        else
            memcpy(h, b->stack[level], MERKLE_HASH);
        have = true;
    }
    memcpy(ret, h, MERKLE_HASH);
}
