/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * shard_store: the port behind which a holder keeps shards. A shard is one
 * column of one segment: header 40 | units of 64 KiB | trailer (protocol.md
 * 9). The key's tag is a keyed hash of the enclave chosen by the node, so the
 * store learns no id of ours. Real: store/shard_fs. Simulator: memory.
 *
 * Owns: a struct shard_put belongs to the caller from begin until commit or
 *     abandon was called. Units given to append and the room given to read are
 *     borrowed until done; keys, headers and trailers are copied.
 * Errors: ST_NOT_FOUND, ST_EXISTS (commit: a shard of that key with another
 *     trailer is there; the same trailer is ST_OK, and these units are kept), ST_NO_SPACE (the free-space
 *     floor counts), ST_INTEGRITY (the stored thing is not even shaped like a
 *     shard), ST_IO, ST_BUG (commit while appends run, wrong sizes).
 *     begin never fails but for memory (NULL): what goes wrong is told by the
 *     first append or commit.
 * Order: begin, append* (each names its unit: any order, side by side), and when
 *     all are done commit or, at any moment, abandon (running appends still
 *     call back). commit's done runs when the shard is durable: fdatasync,
 *     rename, fsync of the directory; commits that wait are made durable
 *     together (at most SHARD_BATCH_BYTES at a time). What was not
 *     committed is gone after a restart.
 * Thread: all calls and callbacks on the loop thread; no callback runs inside a
 *     call to the port.
 */
#ifndef ENCLAVE_CORE_PORTS_SHARD_STORE_H
#define ENCLAVE_CORE_PORTS_SHARD_STORE_H

#include "base/bytes.h"

#define SHARD_TAG 16
#define SHARD_ID 32
#define SHARD_UNIT ((size_t)65536)
#define SHARD_UNITS_MAX 32 /* of a column: 2 MiB */
#define SHARD_COLUMNS_MAX 64
#define SHARD_HEADER 40
#define SHARD_TRAILER_MIN 46
#define SHARD_TRAILER_MAX 238 /* 46 and a path of at most 6 hashes */
#define SHARD_BATCH_BYTES ((size_t)16 << 20)

struct shard_key {
    uint8_t tag[SHARD_TAG];
    uint8_t segment_id[SHARD_ID];
    uint8_t index;
};

struct shard_info {
    uint32_t units;
    uint64_t stored_ms; /* wall clock at commit: the lease counts from here */
    uint8_t header[SHARD_HEADER];
    uint8_t trailer[SHARD_TRAILER_MAX];
    uint8_t trailer_len;
};

struct shard_space {
    uint64_t used;  /* bytes of committed shards, all tags */
    uint64_t count; /* committed shards, all tags */
    uint64_t free;  /* what may still be used above the floor, as of the last look */
};

struct shard_put;

typedef void shard_done(void *arg, enum status st);
typedef void shard_told(void *arg, enum status st, const struct shard_info *info);
typedef void shard_had(void *arg, enum status st, uint64_t bitmap);
typedef void shard_visit(void *arg, const struct shard_key *key, uint64_t bytes,
                         uint64_t stored_ms);

struct shard_ops {
    struct shard_put *(*begin)(void *ctx, const struct shard_key *key,
                               const uint8_t header[SHARD_HEADER]);
    /* unit: SHARD_UNIT bytes, number row of the column. */
    void (*append)(struct shard_put *p, uint32_t row, const uint8_t *unit, shard_done *done,
                   void *arg);
    void (*commit)(struct shard_put *p, uint32_t rows, struct bytes trailer, shard_done *done,
                   void *arg);
    void (*abandon)(struct shard_put *p);
    /* Bytes [offset, offset + n) of the units. */
    void (*read)(void *ctx, const struct shard_key *key, uint64_t offset, uint8_t *to, size_t n,
                 shard_done *done, void *arg);
    void (*info)(void *ctx, const struct shard_key *key, shard_told *done, void *arg);
    /* Bit i of the bitmap: column i is here. */
    void (*have)(void *ctx, const uint8_t tag[SHARD_TAG], const uint8_t segment_id[SHARD_ID],
                 shard_had *done, void *arg);
    void (*drop)(void *ctx, const struct shard_key *key, shard_done *done, void *arg);
    /* Every committed shard of tag; visit on the loop thread, then done. */
    void (*list)(void *ctx, const uint8_t tag[SHARD_TAG], shard_visit *visit, shard_done *done,
                 void *arg);
    void (*space)(void *ctx, struct shard_space *ret);
};

struct shard_store {
    const struct shard_ops *ops;
    void *ctx;
};

#endif
