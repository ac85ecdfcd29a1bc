/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * repairs: keeps the segments of one enclave at their n columns. Looks over the tree
 * when something was lost or somebody left, stayed away or came; makes again what the
 * plan (core/repair) says when it is this member's turn, and tells it by PLACED rows.
 * Also the handing over before one leaves: the own columns are copied to those who
 * stay. There is no state of its own on disk: what is to be done follows from the
 * tree, so it goes on after kill -9; but for how long holders have been away.
 *
 * Owns: its jobs. Borrows the env's functions and hold until repairs_free.
 * Errors: none come out: what cannot be done now is tried again.
 * Order: repairs_new, repairs_tick at its deadlines, events in between, repairs_free.
 *     parted never runs inside a call other than repairs_tick.
 * Thread: loop thread.
 */
#ifndef ENCLAVE_NODE_REPAIR_REPAIRS_H
#define ENCLAVE_NODE_REPAIR_REPAIRS_H

#include "core/files/tree.h"
#include "core/repair/plan.h"
#include "node/put/put.h"

#define REPAIRS_TODO_MAX 4096               /* segments of one pass */
#define REPAIRS_LOOK_MS UINT64_C(600000)    /* the tree is looked over so often */
#define REPAIRS_AGAIN_MS UINT64_C(30000)    /* what could not be done is tried again */
#define REPAIRS_QUIET_MS UINT64_C(600000)   /* no PLACED for so long: nobody spreads any more */
#define REPAIRS_REFUSED_MS UINT64_C(600000) /* who took nothing is not asked */
#define REPAIRS_OWN_NEW \
    64 /* segments placed here and not looked for yet; more: all are looked for */
#define REPAIRS_CHECK_MS (UINT64_C(24) * 3600 * 1000) /* own columns are looked for */
#define REPAIRS_LEAVES 4096

struct repairs_env {
    const struct env *env;
    struct work work;
    struct hold *hold;
    uint16_t own;
    const struct tree *(*tree)(void *ctx);
    bool (*ready)(void *ctx); /* attached, in step with the feeds, a member */
    /* Whether a member is seen at the sentinel; told alike to all. */
    bool (*present)(void *ctx, uint16_t holder);
    double (*weight)(void *ctx, uint16_t holder, bool *ret_fit);
    void (*append)(void *ctx, uint8_t type, struct bytes body, put_appended *done, void *arg);
    /* Keeps a row, in place of the one before: what repairs_restore is given after a restart. */
    void (*keep)(void *ctx, struct bytes row);
    void (*parted)(void *ctx); /* everything is handed over */
    /* A round is over: bytes of columns that were sent, and read for it. May be NULL. */
    void (*told)(void *ctx, uint64_t sent, uint64_t read);
    void *ctx;
};

struct repairs_view {
    bool busy;            /* a segment is being seen to */
    bool parting;         /* it is a handing over */
    bool evening;         /* columns are moved to those who have few */
    bool waiting;         /* nobody can be reached, or has room, for what is left */
    uint64_t total, done; /* bytes of columns to be made, of this round */
    uint64_t rate, eta_ms;
    uint64_t segments, segments_left;
    uint64_t read, sent; /* bytes moved since the start */
};

struct repairs;

struct repairs *repairs_new(const struct repairs_env *env); /* NULL: no memory */
void repairs_free(struct repairs *r);
void repairs_restore(struct repairs *r, struct bytes row); /* one that is not whole is ignored */
/* Holders came or left, or something was lost: looked over soon. */
void repairs_look(struct repairs *r);
/* A PLACED or OP of that member was folded. */
void repairs_heard(struct repairs *r, uint16_t leaf);
/* The tree says where columns of a segment are: the own store is asked for those that are said to be here,
 * for what was stored before may be lost since. */
void repairs_own_placed(struct repairs *r, const uint8_t segment_id[32]);
/* A column is known to be lost: told to all, then made again. */
void repairs_lost(struct repairs *r, uint16_t holder, const uint8_t segment_id[32], uint8_t index);
/* Moves columns to those who have few of a segment, once; whoever asks for it does it. */
void repairs_even_out(struct repairs *r);
/* Begins to hand over; parted tells the end. */
void repairs_part(struct repairs *r);
/* Holders should be linked to, or it cannot be done. */
bool repairs_wants_links(const struct repairs *r);
void repairs_view(const struct repairs *r, struct repairs_view *ret);
uint64_t repairs_next_ms(const struct repairs *r);
void repairs_tick(struct repairs *r);

#endif
