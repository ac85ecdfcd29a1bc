/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * kv_mem: core/ports/kv.h in memory, with a disk's manners: a batch becomes
 * visible and durable only when its virtual fsync is over; a crash keeps the
 * synced batches and, of those on the way, a seeded number of the first ones
 * (whole batches, as SQLite promises); a full disk refuses whole batches.
 *
 * Owns: all rows. Errors: as the port says. Order: as the port says;
 *     kv_mem_crash with the machine's crash.
 */
#ifndef ENCLAVE_TESTS_SIM_KV_MEM_H
#define ENCLAVE_TESTS_SIM_KV_MEM_H

#include "core/ports/kv.h"
#include "sim/machine.h"

struct kv_mem_row {
    uint64_t n;
    uint8_t *value;
    size_t size;
};

struct kv_mem_space {
    uint8_t id[KV_SPACE];
    struct kv_mem_row *rows; /* ascending */
    size_t n, room;
};

struct kv_mem_batch;

struct kv_mem {
    struct machine *m;
    struct kv_mem_space *spaces;
    size_t n, room;
    struct kv_mem_batch *first, *last; /* on their way to disk */
    uint64_t last_at_ms;
    uint64_t commits, bytes;
};

void kv_mem_init(struct kv_mem *k, struct machine *m);
void kv_mem_free(struct kv_mem *k);
struct kv kv_mem_port(struct kv_mem *k);
void kv_mem_crash(struct kv_mem *k);
/* Batches on their way to disk, and a crash that just so many of them, in order, outlive. Only before
 * the machine's crash: what was on its way must not end any more. */
size_t kv_mem_waiting(const struct kv_mem *k);
void kv_mem_tear(struct kv_mem *k, size_t survive);
/* A backup: what is durable now. Restoring replaces everything. */
void kv_mem_copy(struct kv_mem *to, const struct kv_mem *from);
/* Whether any row holds these bytes: nothing of the owner's may stand on disk in the open. */
bool kv_mem_contains(const struct kv_mem *k, struct bytes what);

#endif
