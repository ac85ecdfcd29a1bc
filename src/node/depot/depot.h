/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * depot: a storage node: keeps shards for enclaves that granted it a place
 * (docs/spec/storage.md). It is no member: it follows the seat list that the
 * grant named, serves the seats of that list with core/holder, and lets go of a
 * segment only when two of them leave it out of what they need (one, if there
 * is one), 7 days after that. What it knows of a room is in rows behind the kv
 * port: no key of an enclave is among them.
 *
 * Owns: rooms, their holders, the callers' sessions. Borrows env, the ports and
 *     each caller's wire until depot_close.
 * Errors: depot_frame: a status of class PEER, or ST_DENIED: close that link.
 *     What is wrong with the thing asked goes back in DEPOT_STATE.
 * Order: depot_new, depot_load; per caller depot_open, frame and writable*,
 *     depot_close. depot_tick at its deadline. depot_free last, when no call of
 *     the store or the kv is under way.
 * Thread: loop thread.
 */
#ifndef ENCLAVE_NODE_DEPOT_H
#define ENCLAVE_NODE_DEPOT_H

#include "base/env.h"
#include "core/grant/depot_wire.h"
#include "core/ports/kv.h"
#include "core/ports/shard_store.h"
#include "core/ports/work.h"

#define DEPOT_ROOMS_MAX 1024
#define DEPOT_STRANGERS_MAX 64 /* callers whose seat is not known */
#define DEPOT_STRANGER_MS 60000
#define DEPOT_LEASE_MS (UINT64_C(7) * 24 * 3600 * 1000) /* younger segments stay in any case */
#define DEPOT_TRASH_MS (UINT64_C(7) * 24 * 3600 * 1000)
#define DEPOT_TRASH_MAX 40000            /* segments of a room */
#define DEPOT_LIVE_ALL ((size_t)1 << 20) /* segments of a live set */
#define DEPOT_SWEEP_MS (UINT64_C(3600) * 1000)

struct depot;
struct depot_conn;

struct depot_config {
    const struct env *env;
    struct kv kv;
    struct shard_store store;
    struct work work;
    /* Seed of the node's key: makes and knows its tickets, hides rooms from its disk, signs what is
     * answered to audits. */
    uint8_t secret[32];
    uint8_t pin[32]; /* of that key */
    uint64_t most;   /* bytes for all enclaves together */
    bool any_age;    /* its list of enclaves was lost: old tickets are taken again */
};

/* send and pause: as in core/holder. end: the seat is not served any more. */
struct depot_wire {
    enum status (*send)(void *ctx, uint8_t type, struct bytes payload);
    void (*pause)(void *ctx, bool stop);
    void (*end)(void *ctx);
    void *ctx;
};

struct depot *depot_new(const struct depot_config *c); /* NULL: no memory */
enum status depot_load(struct depot *d) MUST_USE;
void depot_free(struct depot *d);
void depot_ticket_key(const uint8_t secret[32], uint8_t ret[32]);

struct depot_conn *depot_open(struct depot *d, const struct depot_wire *wire,
                              const uint8_t exporter[32]); /* NULL: too many, or no memory */
enum status depot_frame(struct depot_conn *c, uint8_t type, struct bytes payload) MUST_USE;
void depot_writable(struct depot_conn *c);
void depot_close(struct depot_conn *c);

uint64_t depot_next_ms(const struct depot *d); /* monotonic */
void depot_tick(struct depot *d);

struct depot_view {
    uint8_t tag[SHARD_TAG];
    uint64_t quota, used, expiry;
    size_t seats, trash;
};
size_t depot_list(const struct depot *d, void (*visit)(void *arg, const struct depot_view *v),
                  void *arg);

#endif
