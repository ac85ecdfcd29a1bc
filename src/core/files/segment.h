/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * segment: the unit of placement. A payload fills rows of k units of 64 KiB; each
 * row gets n-k units of Reed-Solomon parity (GF(2^8), polynomial 0x11D, systematic
 * Cauchy matrix; ISA-L); unit i of every row makes column i, the shard
 * (protocol.md 9 and 13).
 *
 * Owns: a struct segment_code belongs to the caller until segment_code_free; it
 *     is read only after it was made: workers may share it.
 * Errors: ST_USAGE for k, n out of range or a choice of columns with repeats;
 *     ST_INTEGRITY for a header, trailer, leaf or column that does not fit.
 * Order: segment_code_encode or segment_code_rebuild, segment_code_run a row, segment_code_free;
 *     none for the rest.
 */
#ifndef ENCLAVE_CORE_FILES_SEGMENT_H
#define ENCLAVE_CORE_FILES_SEGMENT_H

#include "base/fields.h"
#include "core/ports/shard_store.h"
#include "crypto/merkle.h"

#define SEGMENT_LEAF ((size_t)4096)
#define SEGMENT_LEAF_LOG2 12
#define SEGMENT_UNIT_LEAVES (SHARD_UNIT / SEGMENT_LEAF)
#define SEGMENT_COLUMN_LEAVES (SHARD_UNITS_MAX * SEGMENT_UNIT_LEAVES)
#define SEGMENT_PAYLOAD ((size_t)16 << 20) /* aimed at; columns stay at most 2 MiB */
#define SEGMENT_PATH_MAX 6
#define SEGMENT_VERSION 1

/* Rows of a full segment with k data columns. */
uint32_t segment_rows_full(unsigned k);
/* Rows that size payload bytes need (at least 1). */
uint32_t segment_rows(unsigned k, uint64_t size);

/* One linear map from k given columns to m wanted ones, applied row by row. */
struct segment_code;
/* Data columns to parity columns. */
enum status segment_code_encode(unsigned k, unsigned n, struct segment_code **ret) MUST_USE;
/* Any k columns (have, ascending) to any m others. */
enum status segment_code_rebuild(unsigned k, unsigned n, const uint8_t *have, const uint8_t *want,
                                 unsigned m, struct segment_code **ret) MUST_USE;
void segment_code_free(struct segment_code *c);
/* in: k units, in the order of have; out: m units. len a multiple of 64. */
void segment_code_run(const struct segment_code *c, uint8_t *const *in, uint8_t *const *out,
                      size_t len);

/* Leaf hashes of n bytes (a multiple of 4 KiB), 32 bytes each. */
void segment_leaves(const uint8_t *units, size_t n, uint8_t *ret);

/* X(M, kind, name, a, b): "ES1" | version | ... */
#define SHARD_HEADER_FIELDS(X, M) \
    X(M, FIX, magic, 3, 0)        \
    X(M, U8, version, 0, 0)       \
    X(M, FIX, segment_id, 32, 0)  \
    X(M, U8, index, 0, 0)         \
    X(M, U8, k, 0, 0)             \
    X(M, U8, n, 0, 0)             \
    X(M, U8, zero, 0, 0)
FIELDS_DECLARE(shard_header, SHARD_HEADER_FIELDS);

#define SHARD_TRAILER_FIELDS(X, M)          \
    X(M, U64, size, 0, 0)                   \
    X(M, U8, leaf_log2, 0, 0)               \
    X(M, FIX, root, 32, 0)                  \
    X(M, LIST8, path, 32, SEGMENT_PATH_MAX) \
    X(M, U32, crc, 0, 0)
FIELDS_DECLARE(shard_trailer, SHARD_TRAILER_FIELDS);

void segment_header(const uint8_t id[32], uint8_t index, uint8_t k, uint8_t n,
                    uint8_t ret[SHARD_HEADER]);
enum status segment_header_read(struct bytes in, struct shard_header *ret) MUST_USE;

/* Roots of the n columns, back to back, to the segment root and the trailer of column index.
 * Returns the trailer's length. */
void segment_root(const uint8_t *roots, unsigned n, uint8_t ret[32]);
size_t segment_trailer(const uint8_t *roots, unsigned n, uint8_t index, uint64_t size,
                       uint8_t ret[SHARD_TRAILER_MAX]);
/* Form and crc; also that size fits rows. ret->path points into in. */
enum status segment_trailer_read(struct bytes in, unsigned k, uint32_t rows,
                                 struct shard_trailer *ret) MUST_USE;
/* Whether the trailer's column root stands at index below the segment root. */
enum status segment_trailer_check(const struct shard_trailer *t, uint8_t index, unsigned n,
                                  const uint8_t root[32]) MUST_USE;
/* The segment root that a trailer leads to; ST_INTEGRITY if the path has a wrong length. */
enum status segment_trailer_root(const struct shard_trailer *t, uint8_t index, unsigned n,
                                 uint8_t ret_root[32]) MUST_USE;

#endif
