/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * hold_private: the inside of hold and keeper.
 *
 * Owns: see hold.h. Errors: as there. Order: none.
 */
#ifndef ENCLAVE_NODE_HOLD_PRIVATE_H
#define ENCLAVE_NODE_HOLD_PRIVATE_H

#include "core/holder/holder.h"
#include "node/hold/hold.h"
#include "node/hold/keeper.h"

#define KEEPER_CALLS_MAX 1024

enum call_kind { CALL_COMMIT, CALL_READ, CALL_INFO, CALL_HAVE };

/* A request under way; far ones wait for a reply with their number. */
struct keeper_read {
    struct keeper_read *next;
    struct keeper *k;
    enum call_kind kind;
    uint32_t req;
    uint8_t type;
    uint8_t payload[512];
    size_t payload_n;
    bool sent;
    bool inside; /* a callback of it runs: free it after */
    bool dead;
    bool loading; /* near: the store works on it */
    uint64_t progress_ms;
    uint64_t started_ms;
    union {
        shard_done *done;
        shard_told *told;
        shard_had *had;
    } call;
    keeper_piece *piece;
    void *arg;
    struct shard_key key;
    uint64_t offset;
    uint64_t from;
    uint64_t end;
    uint8_t *room; /* near reads */
};

struct keeper_put {
    struct keeper_put *next;
    struct keeper *k;
    struct shard_put *store; /* near */
    uint32_t req;            /* far */
    bool opened;
    enum status st;
    uint8_t header[SHARD_HEADER];
};

struct keeper {
    struct hold *h;
    uint16_t leaf;
    bool member; /* of the roster */
    bool near;
    bool up;
    struct hold_wire wire;
    struct holder_session *session;
    uint32_t next_req;
    size_t calls_n;
    struct keeper_read *calls; /* oldest first */
    struct keeper_put *puts;
    uint64_t blocked_ms; /* since when the link takes nothing; 0: it does */
    uint64_t rate;
    bool room_told;
    struct hold_room room;
};

struct later {
    struct later *next;
    shard_done *done;
    void *arg;
    enum status st;
};

struct hold {
    struct hold_config c;
    struct holder *holder;
    struct keeper *keepers[HOLD_LEAVES_MAX]; /* by leaf, ascending */
    size_t n;
    struct {
        hold_changed *changed;
        void *arg;
    } watch[HOLD_WATCHERS_MAX];
    struct later *first;
    struct later **last;
    bool waking;
    bool freed;
    size_t pending; /* callbacks that hold an address of ours */
};

/* Calls done soon, never inside the present call. */
void hold_later(struct hold *h, shard_done *done, void *arg, enum status st);
void hold_tell(struct hold *h);
void hold_release(struct hold *h); /* one pending fewer */
void keeper_link_up(struct keeper *k, const struct hold_wire *wire);
void keeper_link_down(struct keeper *k, enum status why);
enum status keeper_reply(struct keeper *k, uint8_t type, struct bytes payload) MUST_USE;
void keeper_writable(struct keeper *k);
void keeper_tick(struct keeper *k, uint64_t now);
void keeper_ask_room(struct keeper *k);

#endif
