/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * scrub: reads every column kept under a tag and checks it against its own
 * trailer, one a step, so that its owner sets the pace. What rotted on the disk
 * is found before it is needed. It changes nothing: what is bad is told.
 *
 * Owns: itself and the column it reads. Borrows store, work and the callbacks'
 *     argument until ended has run.
 * Errors: a column is bad if it cannot be read, has no shard's shape, or does
 *     not hash to its root; one that was dropped meanwhile is not.
 * Order: scrub_start, scrub_step until ended. scrub_stop ends it early: ended
 *     still comes, once nothing of it is under way. No callback runs inside a call.
 * Thread: loop thread.
 */
#ifndef ENCLAVE_CORE_HOLDER_SCRUB_H
#define ENCLAVE_CORE_HOLDER_SCRUB_H

#include "core/ports/shard_store.h"
#include "core/ports/work.h"

#define SCRUB_EVERY_MS (UINT64_C(30) * 24 * 3600 * 1000)
#define SCRUB_STEP_MS 500 /* a column of at most 2 MiB in so long: 4 MiB/s */

struct scrub;

struct scrub_config {
    struct shard_store store;
    struct work work;
    uint8_t tag[SHARD_TAG];
    void (*bad)(void *arg, const struct shard_key *key, uint64_t bytes);
    void (*ended)(void *arg, bool whole, uint64_t checked); /* whole: every column was looked at */
    void *arg;
};

struct scrub *scrub_start(const struct scrub_config *c); /* NULL: no memory */
void scrub_step(struct scrub *s); /* the next column, unless one is being looked at */
void scrub_stop(struct scrub *s);

#endif
