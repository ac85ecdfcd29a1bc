/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * drain: the chunks of a manifest in order, from the holders: segments are
 * fetched one ahead, chunks opened on workers. The mirror of put's pour.
 *
 * Owns: its buffers and fetches. Borrows the manifest until drain_free.
 * Errors: done with fetch's, ST_BAD_SEAL, ST_INTEGRITY, ST_NO_MEMORY.
 * Order: drain_new; for each chunk an event, answered by drain_more when its bytes are used (at
 *     once or later); done after the last; drain_free at any moment. No event inside drain_new.
 */
#ifndef ENCLAVE_NODE_GET_DRAIN_H
#define ENCLAVE_NODE_GET_DRAIN_H

#include "core/files/manifest.h"
#include "node/get/fetch.h"

#define DRAIN_SLOTS 4 /* chunks in flight: up to 6 MiB each */
#define DRAIN_SEGMENTS 2
#define DRAIN_AHEAD 64 /* chunks looked at for the segment that is wanted next */

struct drain_config {
    const struct env *env;
    struct work work;
    struct hold *hold;
    const struct manifest *m;
    size_t first; /* chunk to begin with */
    size_t end;   /* chunk to end before */
    /* Better places than the manifest's; may change nothing. */
    void (*placed)(void *arg, struct fetch_want *want);
    void (*bad)(void *arg, size_t segment, uint16_t leaf, uint8_t index, enum status why);
    void (*gave)(void *arg, uint16_t leaf);
    void (*chunk)(void *arg, size_t i, struct bytes plain);
    void (*done)(void *arg, enum status st);
    void *arg;
};

struct drain;

struct drain *drain_new(const struct drain_config *c); /* NULL: no memory */
void drain_free(struct drain *d);
void drain_more(struct drain *d);
void drain_pump(struct drain *d);

#endif
