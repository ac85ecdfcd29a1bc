/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "core/files/segment.h"

#include "crypto/hash.h"

#include <isa-l/erasure_code.h>
#include <stdlib.h>
#include <string.h>

FIELDS_DEFINE(shard_header, SHARD_HEADER_FIELDS);
FIELDS_DEFINE(shard_trailer, SHARD_TRAILER_FIELDS);

struct segment_code {
    int k;
    int m;
    uint8_t tables[]; /* 32 * k * m */
};

uint32_t segment_rows_full(unsigned k)
{
    size_t rows = SEGMENT_PAYLOAD / (k * SHARD_UNIT);
    if (rows > SHARD_UNITS_MAX) rows = SHARD_UNITS_MAX;
    return rows ? (uint32_t)rows : 1;
}

uint32_t segment_rows(unsigned k, uint64_t size)
{
    uint64_t row = k * SHARD_UNIT;
    return size ? (uint32_t)((size + row - 1) / row) : 1;
}

static bool range_ok(unsigned k, unsigned n)
{
    return k >= 1 && k <= n && n <= SHARD_COLUMNS_MAX;
}

/* m rows of k coefficients each. */
static enum status code_new(unsigned k, unsigned m, const uint8_t *rows, struct segment_code **ret)
{
    struct segment_code *c = malloc(sizeof *c + (size_t)32 * k * (m ? m : 1));
    if (!c) return ST_NO_MEMORY;
    c->k = (int)k;
    c->m = (int)m;
    /* ISA-L's prototypes lack const; the coefficients are only read. */
    if (m) ec_init_tables(c->k, c->m, (unsigned char *)(uintptr_t)rows, c->tables);
    *ret = c;
    return ST_OK;
}

enum status segment_code_encode(unsigned k, unsigned n, struct segment_code **ret)
{
    if (!range_ok(k, n)) return ST_USAGE;
    uint8_t matrix[SHARD_COLUMNS_MAX * SHARD_COLUMNS_MAX];
    gf_gen_cauchy1_matrix(matrix, (int)n, (int)k);
    return code_new(k, n - k, matrix + (size_t)k * k, ret);
}

static bool choice_ok(unsigned n, const uint8_t *list, unsigned len)
{
    for (unsigned i = 0; i < len; i++)
        if (list[i] >= n || (i && list[i] <= list[i - 1])) return false;
    return true;
}

enum status segment_code_rebuild(unsigned k, unsigned n, const uint8_t *have, const uint8_t *want,
                                 unsigned m, struct segment_code **ret)
{
    if (!range_ok(k, n) || m > n || !choice_ok(n, have, k) || !choice_ok(n, want, m))
        return ST_USAGE;
    uint8_t matrix[SHARD_COLUMNS_MAX * SHARD_COLUMNS_MAX];
    uint8_t given[SHARD_COLUMNS_MAX * SHARD_COLUMNS_MAX];
    uint8_t inverse[SHARD_COLUMNS_MAX * SHARD_COLUMNS_MAX];
    uint8_t rows[SHARD_COLUMNS_MAX * SHARD_COLUMNS_MAX];
    gf_gen_cauchy1_matrix(matrix, (int)n, (int)k);
    for (unsigned i = 0; i < k; i++) memcpy(given + i * k, matrix + have[i] * k, k);
    /* Any k rows of a systematic Cauchy matrix are independent. */
    if (gf_invert_matrix(given, inverse, (int)k) != 0) return ST_BUG;
    for (unsigned r = 0; r < m; r++)
        for (unsigned j = 0; j < k; j++) {
            uint8_t sum = 0;
            for (unsigned i = 0; i < k; i++)
                sum ^= gf_mul(matrix[want[r] * k + i], inverse[i * k + j]);
            rows[r * k + j] = sum;
        }
    return code_new(k, m, rows, ret);
}

void segment_code_free(struct segment_code *c)
{
    free(c);
}

void segment_code_run(const struct segment_code *c, uint8_t *const *in, uint8_t *const *out,
                      size_t len)
{
    if (!c->m) return;
    ec_encode_data((int)len, c->k, c->m, (unsigned char *)(uintptr_t)c->tables,
                   (unsigned char **)(uintptr_t)in, (unsigned char **)(uintptr_t)out);
}

void segment_leaves(const uint8_t *units, size_t n, uint8_t *ret)
{
    merkle_leaves(BYTES(units, n), SEGMENT_LEAF, ret);
}

void segment_header(const uint8_t id[32], uint8_t index, uint8_t k, uint8_t n,
                    uint8_t ret[SHARD_HEADER])
{
    memcpy(ret, "ES1", 3);
    ret[3] = SEGMENT_VERSION;
    memcpy(ret + 4, id, 32);
    ret[36] = index;
    ret[37] = k;
    ret[38] = n;
    ret[39] = 0;
}

enum status segment_header_read(struct bytes in, struct shard_header *ret)
{
    enum status st = fields_decode(&shard_header_fields, in, ret);
    if (st != ST_OK) return st;
    if (memcmp(ret->magic, "ES1", 3) != 0 || ret->zero != 0) return ST_INTEGRITY;
    if (ret->version != SEGMENT_VERSION) return ST_VERSION;
    if (!range_ok(ret->k, ret->n) || ret->index >= ret->n) return ST_INTEGRITY;
    return ST_OK;
}

void segment_root(const uint8_t *roots, unsigned n, uint8_t ret[32])
{
    uint8_t leaves[SHARD_COLUMNS_MAX * 32];
    merkle_leaves(BYTES(roots, (size_t)n * 32), 32, leaves);
    merkle_root(leaves, n, ret);
}

size_t segment_trailer(const uint8_t *roots, unsigned n, uint8_t index, uint64_t size,
                       uint8_t ret[SHARD_TRAILER_MAX])
{
    uint8_t leaves[SHARD_COLUMNS_MAX * 32];
    uint8_t path[MERKLE_PATH_MAX][MERKLE_HASH];
    merkle_leaves(BYTES(roots, (size_t)n * 32), 32, leaves);
    size_t len = merkle_path(leaves, n, index, path);
    put_u64(ret, size);
    ret[8] = SEGMENT_LEAF_LOG2;
    memcpy(ret + 9, roots + (size_t)index * 32, 32);
    ret[41] = (uint8_t)len;
    memcpy(ret + 42, path, len * 32);
    size_t at = 42 + len * 32;
    put_u32(ret + at, crc32_of(BYTES(ret, at)));
    return at + 4;
}

enum status segment_trailer_read(struct bytes in, unsigned k, uint32_t rows,
                                 struct shard_trailer *ret)
{
    if (in.n < SHARD_TRAILER_MIN || in.n > SHARD_TRAILER_MAX) return ST_INTEGRITY;
    enum status st = fields_decode(&shard_trailer_fields, in, ret);
    if (st != ST_OK) return ST_INTEGRITY;
    if (ret->crc != crc32_of(BYTES(in.p, in.n - 4))) return ST_INTEGRITY;
    if (ret->leaf_log2 != SEGMENT_LEAF_LOG2) return ST_VERSION;
    if (ret->size > (uint64_t)rows * k * SHARD_UNIT || segment_rows(k, ret->size) != rows)
        return ST_INTEGRITY;
    return ST_OK;
}

enum status segment_trailer_root(const struct shard_trailer *t, uint8_t index, unsigned n,
                                 uint8_t ret_root[32])
{
    uint8_t at[32];
    size_t used = 0;
    unsigned i = index;
    unsigned last = n - 1;
    merkle_leaf(BYTES(t->root, 32), at);
    /* RFC 9162 2.1.3.2: the path alone fixes the root. */
    while (last > 0) {
        if (i % 2 == 1 || i < last) {
            if (used == t->path.n) return ST_INTEGRITY;
            const uint8_t *sibling = list_at(t->path, used++, 32);
            uint8_t up[32];
            if (i % 2 == 1)
                merkle_node(sibling, at, up);
            else
                merkle_node(at, sibling, up);
            memcpy(at, up, 32);
        }
        i /= 2;
        last /= 2;
    }
    if (used != t->path.n) return ST_INTEGRITY;
    memcpy(ret_root, at, 32);
    return ST_OK;
}

enum status segment_trailer_check(const struct shard_trailer *t, uint8_t index, unsigned n,
                                  const uint8_t root[32])
{
    uint8_t found[32];
    enum status st = segment_trailer_root(t, index, n, found);
    if (st != ST_OK) return st;
    return memcmp(found, root, 32) == 0 ? ST_OK : ST_INTEGRITY;
}
