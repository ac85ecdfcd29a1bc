/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * manifest: what one needs to read a version: header, segment table, chunk list,
 * sealed under Expand(CEK, "manifest"); and the CEK's wrap. The sealed chunks
 * of a version make one stream; segment i of the table carries the
 * next segments[i].size bytes of it: a chunk may begin in one segment and go on at
 * offset 0 of the next.
 * A manifest that is larger than MANIFEST_INLINE when sealed is itself cut into
 * chunks, in segments of their own, and the entry holds a manifest of kind
 * MANIFEST_LIST that lists those (docs/spec/files.md says why).
 *
 * Owns: struct manifest owns its arrays until manifest_free.
 * Errors: ST_BAD_SEAL, ST_BAD_MESSAGE, ST_VERSION, ST_TOO_BIG, ST_INTEGRITY (numbers
 *     that contradict each other), ST_NO_MEMORY.
 * Order: manifest_init, segments and chunks in file order, manifest_encode, manifest_seal. Or:
 *     manifest_open, manifest_decode (which inits). manifest_free at the end.
 */
#ifndef ENCLAVE_CORE_FILES_MANIFEST_H
#define ENCLAVE_CORE_FILES_MANIFEST_H

#include "core/files/chunk.h"
#include "core/ports/shard_store.h"

#define MANIFEST_VERSION 1
#define MANIFEST_INLINE ((size_t)16 << 10) /* sealed */
#define MANIFEST_SEGMENTS_MAX 65535
#define MANIFEST_CHUNKS_MAX ((size_t)1 << 18)
#define MANIFEST_PLAIN_MAX ((size_t)40 << 20)
#define MANIFEST_NOBODY 0xFFFFU
#define CEK_WRAP 72

enum manifest_kind { MANIFEST_FILE = 0, MANIFEST_LIST = 1 };

struct manifest_segment {
    uint8_t id[32];
    uint8_t root[32];
    uint64_t size;
    uint32_t rows;
    uint8_t k;
    uint8_t n;
    uint16_t at[SHARD_COLUMNS_MAX]; /* holder of each column when the manifest was made */
};

struct manifest_chunk {
    uint8_t key[32];
    uint8_t id[32];
    uint64_t offset; /* in the segment */
    uint32_t sealed;
    uint32_t plain;
    uint16_t segment;
    uint8_t compression;
};

struct manifest {
    uint8_t kind;
    uint64_t size; /* LIST: bytes of the inner manifest */
    uint64_t mtime_ms;
    uint32_t mode;
    uint8_t hash[32]; /* SHA-256 of the file (LIST: of the inner manifest) */
    struct manifest_segment *segments;
    size_t segments_n;
    size_t segments_cap;
    struct manifest_chunk *chunks;
    size_t chunks_n;
    size_t chunks_cap;
};

void manifest_init(struct manifest *m);
void manifest_free(struct manifest *m); /* wipes */
enum status manifest_add_segment(struct manifest *m, const struct manifest_segment *s) MUST_USE;
enum status manifest_add_chunk(struct manifest *m, const struct manifest_chunk *c) MUST_USE;

enum status manifest_encode(const struct manifest *m, struct buf *out) MUST_USE;
/* Also checks that the numbers fit each other; ret is freed on error. */
enum status manifest_decode(struct bytes in, struct manifest *ret) MUST_USE;

/* nonce | ciphertext | tag appended to out; id = H of that. */
enum status manifest_seal(const uint8_t cek[32], const uint8_t nonce[XAEAD_NONCE],
                          struct bytes plain, struct buf *out, uint8_t ret_id[32]) MUST_USE;
enum status manifest_open(const uint8_t cek[32], struct bytes sealed, struct buf *out) MUST_USE;

void cek_wrap(const uint8_t file_kek[32], const uint8_t nonce[XAEAD_NONCE],
              const uint8_t manifest_id[32], uint64_t epoch, const uint8_t cek[32],
              uint8_t ret[CEK_WRAP]);
enum status cek_unwrap(const uint8_t file_kek[32], const uint8_t manifest_id[32], uint64_t epoch,
                       const uint8_t wrap[CEK_WRAP], uint8_t ret_cek[32]) MUST_USE;

#endif
