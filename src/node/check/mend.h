/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * mend: makes one shard of this machine again from the shards of the others: any
 * k columns are fetched and verified, all columns coded anew in memory, their
 * root compared with the tree's; only then the damaged shard is dropped and
 * the new one committed in its place.
 *
 * Owns: a struct mend belongs to the caller until mend_free (at any moment: what
 *     is under way ends by itself).
 * Errors: mend_start: NULL: no memory. done: ST_OK (durable); those of fetch.h
 *     (the damaged shard is then left as it is); those of the shard store.
 * Order: mend_start, done once and never inside the call, mend_free; mend_pump when time passed.
 */
#ifndef ENCLAVE_NODE_CHECK_MEND_H
#define ENCLAVE_NODE_CHECK_MEND_H

#include "core/files/tree.h"
#include "node/get/fetch.h"

struct mend_ask {
    const struct env *env;
    struct work work;
    struct hold *hold;
    struct shard_store store;
    uint8_t tag[SHARD_TAG];
    uint16_t own;
    uint8_t index;
    void (*done)(void *arg, enum status st);
    void *arg;
};

struct mend;

struct mend *mend_start(const struct mend_ask *ask, const struct tree_segment *segment);
void mend_pump(struct mend *m);
void mend_free(struct mend *m);

#endif
