/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * fetch: one segment from the holders into memory: any k columns, each
 * verified leaf by leaf (its tree against the column root, that against
 * the segment root by the shard's own path) before it counts. Near and quick
 * holders first, data columns before parity; a slow one gets a rival, a bad or
 * missing shard is named and replaced; when the known places do not do, every
 * holder is asked what it has.
 *
 * Owns: its columns, until fetch_free. Borrows hold and the config's functions.
 * Errors: done with ST_UNREACHABLE (after FETCH_PATIENCE_MS if somebody is away, or gives no bytes), ST_INTEGRITY (not enough, and some were bad), ST_NO_MEMORY.
 * Order: fetch_new, done, columns, fetch_free (at any moment). No event inside fetch_new.
 */
#ifndef ENCLAVE_NODE_GET_FETCH_H
#define ENCLAVE_NODE_GET_FETCH_H

#include "base/env.h"
#include "core/ports/work.h"
#include "node/hold/hold.h"

#define FETCH_PARTS_MAX 512     /* (holder, column) pairs considered */
#define FETCH_SLOW_MS 2000      /* without progress: a rival is started */
#define FETCH_PATIENCE_MS 30000 /* links to holders that are away are being made */
#define FETCH_AGAIN_MS 2000     /* a lost link is tried again, everybody asked again */

struct fetch_want {
    uint8_t id[32];
    uint8_t root[32];
    uint8_t k;
    uint8_t n;
    uint32_t rows;
    uint16_t at[SHARD_COLUMNS_MAX];
};

struct fetch_config {
    const struct env *env;
    struct work work;
    struct hold *hold;
    struct fetch_want want;
    bool data;     /* wanted are the k data columns, not just any k */
    uint64_t only; /* not 0: wanted are just these columns, as they are */
    void (*bad)(void *arg, uint16_t leaf, uint8_t index, enum status why);
    void (*gave)(void *arg, uint16_t leaf);
    void (*done)(void *arg, enum status st);
    void *arg;
};

struct fetch;

struct fetch *fetch_new(const struct fetch_config *c); /* NULL: no memory */
void fetch_free(struct fetch *f);
void fetch_pump(struct fetch *f); /* a holder came or went, or time passed */

/* After done with ST_OK. Column i of the k that were got (data: i is its index). */
const uint8_t *fetch_column(const struct fetch *f, unsigned i);
uint8_t fetch_index(const struct fetch *f, unsigned i); /* ascending */
/* The trailer it came with; not data. */
struct bytes fetch_trailer(const struct fetch *f, unsigned i);
/* Bytes of payload in the segment, as one of the holders' trailers says. */
uint64_t fetch_size(const struct fetch *f);
/* Which columns were found, verified, by (index, leaf): false when i is past the last. */
bool fetch_found(const struct fetch *f, unsigned i, uint8_t *ret_index, uint16_t *ret_leaf);

#endif
