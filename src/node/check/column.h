/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * column: one shard at one holder, near or far, read whole and compared with its
 * roots: header and trailer with what the tree says of the segment, the path of
 * the trailer with the segment root, each leaf with the column root.
 *
 * Owns: a struct column belongs to the caller until column_free (at any moment).
 * Errors: column_start: ST_UNREACHABLE (the holder is away), ST_BUSY (ask again
 *     later), ST_NO_MEMORY; done does not run then. done: ST_OK; ST_INTEGRITY,
 *     ST_NOT_FOUND, ST_IO: the shard is of no use; ST_CLOSED, ST_TIMEOUT: not known.
 * Order: column_start, done once and never inside the call, column_free.
 */
#ifndef ENCLAVE_NODE_CHECK_COLUMN_H
#define ENCLAVE_NODE_CHECK_COLUMN_H

#include "core/ports/work.h"
#include "node/hold/hold.h"

struct column_ask {
    struct work work;
    struct hold *hold;
    uint8_t id[32];
    bool known; /* the tree has the segment: the next four count */
    uint8_t root[32];
    uint8_t k, n;
    uint32_t rows;
    uint16_t leaf;
    uint8_t index;
    /* bytes: of the units that were read. */
    void (*done)(void *arg, enum status st, uint64_t bytes);
    void *arg;
};

struct column;

enum status column_start(const struct column_ask *ask, struct column **ret) MUST_USE;
void column_free(struct column *c);

#endif
