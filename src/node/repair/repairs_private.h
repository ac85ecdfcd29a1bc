/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * repairs_private: the inside of repairs, shared by its files: repairs (what is to be
 * done, and the doing), repairs_own (are the columns that we keep still here).
 *
 * Owns: see repairs.h. Errors: none. Order: none.
 */
#ifndef ENCLAVE_NODE_REPAIR_REPAIRS_PRIVATE_H
#define ENCLAVE_NODE_REPAIR_REPAIRS_PRIVATE_H

#include "base/fields.h"
#include "node/repair/remake.h"
#include "node/repair/repairs.h"

/* A holder as this machine has seen it. */
struct repairs_seen {
    uint16_t number;
    uint64_t absent_ms;  /* so long, of the time that we were attached, it was not seen */
    uint64_t refused_ms; /* it took nothing: not asked until then */
};

/* The row in which absences outlive a restart: items of holder u16 | absent_ms u64. */
#define REPAIRS_SEEN_ITEM 10
#define REPAIRS_SEEN_FIELDS(X, M) \
    X(M, U8, version, 0, 0)       \
    X(M, LIST8, seen, REPAIRS_SEEN_ITEM, PLACE_HOLDERS_MAX)
FIELDS_DECLARE(repairs_seen_row, REPAIRS_SEEN_FIELDS);

/* A column that we made again. A holder whose disk takes shards and does not keep them is not given the same
 * one for ever: so often in so long. */
#define REPAIRS_SENT 512
#define REPAIRS_SENT_MOST 3
#define REPAIRS_SENT_MS (UINT64_C(3600) * 1000)
struct repairs_sent {
    uint8_t id[32];
    uint8_t index;
    uint16_t holder;
    uint64_t at_ms; /* 0: none */
};

struct repairs {
    struct repairs_env env;
    bool dead;
    size_t pending; /* callbacks that hold an address of ours */
    struct repairs_seen seen[PLACE_HOLDERS_MAX];
    size_t seen_n;
    struct plan_holder holders[PLACE_HOLDERS_MAX];
    size_t g;
    uint64_t holders_ms; /* when they were looked at last; 0: we were not attached */
    bool seen_dirty;
    uint64_t heard_ms[REPAIRS_LEAVES];
    uint64_t quiet_ms; /* the last PLACED of anybody */

    uint8_t (*todo)[32];
    size_t todo_n, todo_at;
    bool look;
    uint64_t look_ms;
    uint64_t noticed_ms; /* since when there is something to do; 0: there is not */
    bool short_of;       /* something could not be placed */
    bool more;           /* something was done: looked over again */

    struct remake *remake;
    struct tree_segment now; /* being seen to */
    uint16_t fresh[PLACE_COLUMNS_MAX];
    bool any_fresh;

    struct buf body; /* PLACED rows not yet handed in */
    uint64_t body_ms;
    struct buf losses;
    unsigned appending;

    bool parting;
    bool parted;
    bool evening;
    uint64_t evening_ms;
    uint64_t total, done, left;
    uint64_t began_ms;
    uint64_t read, sent;
    uint64_t told_read, told_sent;

    struct repairs_sent sent_lately[REPAIRS_SENT]; /* a ring */
    size_t sent_at;

    /* repairs_own.c */
    uint8_t (*own)[32];
    uint64_t own_bits; /* columns of the segment asked about */
    size_t own_n, own_at;
    uint8_t own_after[32];
    bool own_more;
    bool own_asking;
    uint64_t own_ms;
    uint8_t own_new[REPAIRS_OWN_NEW][32]; /* placed since: asked for first */
    size_t own_new_n;
    uint8_t own_id[32]; /* asked about */
    bool own_is_new;
};

void repairs_release(struct repairs *r);
void repairs_own_tick(struct repairs *r, uint64_t now);

#endif
