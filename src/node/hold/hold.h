/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * hold: everything about shards that happens between this member and the
 * other holders of one enclave. One object a (enclave, leaf):
 *   - it serves the other members' requests over their links (core/holder),
 *   - it is how put and get reach a holder, near or far (node/hold/keeper.h),
 *   - it lets go of what nobody needs any more (leases, hold_sweep).
 * Frame types 0x60 to 0x6F (requests) and 0x70 to 0x7F (replies) of a peer
 * link are all given to hold_link_frame.
 *
 * Owns: the sessions and keepers; borrows the wire's ctx until hold_link_down.
 *     The store outlives the hold.
 * Errors: hold_link_frame: any status of class PEER: close that link.
 * Order: hold_new, hold_roster (again at each change), per link up, frame and
 *     writable*, down. hold_tick at its deadline. hold_free last, after puts
 *     and gets are gone and the store has no call of ours under way (its
 *     callbacks are dropped after hold_free).
 * Thread: loop thread.
 */
#ifndef ENCLAVE_NODE_HOLD_HOLD_H
#define ENCLAVE_NODE_HOLD_HOLD_H

#include "base/env.h"
#include "core/ports/shard_store.h"
#include "core/ports/work.h"

#define HOLD_LEAVES_MAX 128
#define HOLD_LEASE_MS (UINT64_C(7) * 24 * 3600 * 1000)
#define HOLD_NOBODY 0xFFFFU

struct hold;
struct keeper;

struct hold_config {
    const struct env *env;
    struct work work;
    struct shard_store store;
    uint8_t tag[SHARD_TAG];
    uint16_t own_leaf;
    uint64_t quota; /* bytes kept for this enclave; 0: as much as the disk gives */
    /* May be NULL. The segment root that a PLACED record names for this segment. */
    bool (*root_of)(void *ctx, const uint8_t segment_id[SHARD_ID], uint8_t ret_root[32]);
    /* Whether the tree still needs the segment at wall time now_ms (living version or trash). */
    bool (*needed)(void *ctx, const uint8_t segment_id[SHARD_ID], uint64_t now_ms);
    void *ctx;
};

/* A link to another holder. */
struct hold_wire {
    /* As link_ops.send: ST_BUSY takes nothing, writable follows. */
    enum status (*send)(void *ctx, uint8_t type, struct bytes payload);
    void (*pause)(void *ctx, bool stop); /* stop reading from it: back-pressure */
    void *ctx;
};

struct hold_view {
    uint16_t leaf;
    bool here; /* this machine */
    bool up;   /* can be reached now */
};

/* What a holder last said of its room. */
struct hold_room {
    uint64_t used, free;
};

struct hold *hold_new(const struct hold_config *config); /* NULL: no memory */
void hold_free(struct hold *h);

/* The leaves of the roster, ascending, the own one included. */
void hold_roster(struct hold *h, const uint16_t *leaves, size_t n);
size_t hold_list(const struct hold *h, struct hold_view ret[HOLD_LEAVES_MAX]);
bool hold_up(const struct hold *h, uint16_t leaf);
bool hold_room(const struct hold *h, uint16_t leaf, struct hold_room *ret); /* false: not known */
void hold_quota(struct hold *h, uint64_t quota);

/* One link a leaf: a second link_up replaces the first (what it did fails as ST_CLOSED). */
enum status hold_link_up(struct hold *h, uint16_t leaf, const struct hold_wire *wire) MUST_USE;
enum status hold_link_frame(struct hold *h, uint16_t leaf, uint8_t type,
                            struct bytes payload) MUST_USE;
void hold_link_writable(struct hold *h, uint16_t leaf);
void hold_link_down(struct hold *h, uint16_t leaf);

/* Told when a holder comes, goes or can take more. At most HOLD_WATCHERS_MAX. */
#define HOLD_WATCHERS_MAX 32
typedef void hold_changed(void *arg);
bool hold_watch(struct hold *h, hold_changed *changed, void *arg); /* false: too many */
void hold_unwatch(struct hold *h, void *arg);

/* Something is asked of a holder that is not here: it may stall. */
bool hold_busy(const struct hold *h);
/* Stalled requests time out. Returns the next mono_ms at which it wants to be called; UINT64_MAX: not
 * before hold_busy. */
uint64_t hold_tick(struct hold *h);
/* Drops shards older than the lease that the tree does not need; once an hour is plenty. */
void hold_sweep(struct hold *h);

/* The holder behind a leaf, for put and get; NULL if the leaf does not hold. */
struct keeper *hold_keeper(struct hold *h, uint16_t leaf);

#endif
