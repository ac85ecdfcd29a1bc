/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * shards_mem: core/ports/shard_store.h in memory. Committed shards outlive a
 * crash, puts on the way do not. A lying holder's disk flips bytes as it is
 * read, or denies that it has anything; bit rot flips one for good.
 *
 * Owns: all shards. Errors: as the port says. Order: as the port says;
 *     shards_mem_crash with the machine's crash.
 */
#ifndef ENCLAVE_TESTS_SIM_SHARDS_MEM_H
#define ENCLAVE_TESTS_SIM_SHARDS_MEM_H

#include "core/ports/shard_store.h"
#include "sim/machine.h"

struct shards_mem_one {
    struct shard_key key;
    struct shard_info info;
    uint8_t *units;
};

enum shards_mem_lie { SHARDS_HONEST, SHARDS_FLIP, SHARDS_DENY };

struct shards_mem {
    struct machine *m;
    struct shards_mem_one *all;
    size_t n, room;
    struct shard_put *puts;
    enum shards_mem_lie lie;
    uint64_t most; /* bytes it may hold */
};

void shards_mem_init(struct shards_mem *s, struct machine *m, uint64_t most);
void shards_mem_free(struct shards_mem *s);
struct shard_store shards_mem_port(struct shards_mem *s);
void shards_mem_crash(struct shards_mem *s);
void shards_mem_lose(struct shards_mem *s, size_t i); /* shard i is gone */
bool shards_mem_has(const struct shards_mem *s, const uint8_t segment_id[SHARD_ID], uint8_t index);
/* Flips one byte of one shard; false if there is none. */
bool shards_mem_rot(struct shards_mem *s);

#endif
