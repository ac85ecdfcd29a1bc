/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * shelf: the files of one enclave inside the node: the tree folded from feed 2,
 * our own entries on their way into it, the shards held here, and the puts and
 * gets under way. Entry points are in node/enclave/enclave.h.
 *
 * Owns: tree, hold, puts, gets, queued entries. Borrows its enclave.
 * Errors: of node.h. Order: enclave_shelf_load, ..., enclave_files_free.
 */
#ifndef ENCLAVE_NODE_SHELF_H
#define ENCLAVE_NODE_SHELF_H

#include "core/feed/entry23.h"
#include "core/files/manifest.h"
#include "core/files/tree.h"
#include "node/enclave/enclave.h"
#include "node/get/get.h"
#include "node/hold/hold.h"
#include "node/node_storage.h"
#include "node/put/put.h"

#define SHELF_GETS_MAX 16
#define SHELF_ENDED_MAX 32      /* puts that are over and can still be asked about */
#define SHELF_BAD_MAX 128       /* damaged shards remembered for info */
#define SHELF_SNAP_EVERY 512    /* entries after which a SNAP is made */
#define SHELF_TRANSFERS 1000000 /* numbers of one enclave's transfers */
#define SHELF_SWEEP_MS 3600000
#define SHELF_WIRES 4096 /* leaf numbers; LEDGER_EVER_MAX */

/* Row 0 of the space "files". snap: index + 1 of the newest SNAP that was verified. */
#define SHELF_ROW_FIELDS(X, M)  \
    X(M, U8, version, 0, 0)     \
    X(M, U64, own_number, 0, 0) \
    X(M, FIX, prev_own, 32, 0)  \
    X(M, U64, snap, 0, 0)
FIELDS_DECLARE(shelf_row, SHELF_ROW_FIELDS);

/* Rows of the space "files out": entries made and not yet seen in the feed. */
#define SHELF_OUT_FIELDS(X, M)     \
    X(M, U8, type, 0, 0)           \
    X(M, U64, own_number, 0, 0)    \
    X(M, U64, epoch, 0, 0)         \
    X(M, VAR32, sealed, 524288, 0) \
    X(M, VAR32, body, 524288, 0)
FIELDS_DECLARE(shelf_out, SHELF_OUT_FIELDS);

struct shelf_op {
    struct shelf_op *next;
    struct enclave *owner;
    uint64_t row;
    uint8_t type;
    uint64_t own_number;
    uint64_t epoch; /* UINT64_MAX: to be sealed */
    struct buf sealed;
    struct buf body;
    bool ready;  /* on disk, sealed as it stands */
    bool saving; /* its commit is on the way: not freed before */
    bool flying; /* its append is on the way: not freed before */
    bool flown;
    bool over;
    uint64_t again_ms;
    put_appended *put_done; /* one of the two, or none */
    node_done *done;
    void *arg;
};

struct shelf_get {
    uint64_t id;
    struct enclave *owner;
    struct get *get;
    struct get_progress last;
    size_t bad_told; /* of its bad shards */
    char *path;
    char *local;
    uint64_t size; /* of the whole file */
    bool over;
    char text[NODE_REASON_MAX];
};

/* A put that is over: node/put has forgotten it, whoever waits for it has not. */
struct shelf_ended {
    uint64_t id; /* 0: none */
    struct put_progress p;
    struct buf path;
};

struct shelf_bad {
    uint16_t leaf;
    uint8_t index;
    uint8_t segment_id[32];
};

struct wire;
struct depot_link; /* shelf_depots.h */
struct repairs;    /* node/repair */
struct shelf_scrub;
struct dedup;

struct shelf {
    struct enclave *e;
    struct tree *tree;
    struct hold *hold;
    struct puts *puts;
    struct repairs *repairs;
    struct dedup *dedup; /* NULL: not asked yet */
    struct keep_space s_out, s_puts;
    uint64_t own_number;
    uint8_t prev_own[32];
    struct shelf_op *ops, *ops_last;
    size_t n_ops;
    uint64_t next_row;
    uint64_t ops_again_ms;
    bool folding; /* our own entry is being folded: effect is noted */
    enum tree_effect effect;
    const char *why;
    uint64_t snap; /* index + 1 of the newest verified SNAP */
    uint64_t snap_epoch;
    uint64_t since_snap;
    bool snap_wanted;
    bool refold_due;        /* an epoch began that may have shut entries out */
    uint64_t settled_epoch; /* of which that was looked at */
    bool blind; /* entries of epochs before our keys were passed over: the tree waits for a SNAP */
    struct shelf_get *gets[SHELF_GETS_MAX];
    size_t n_gets;
    uint64_t next_get;
    struct shelf_ended ended[SHELF_ENDED_MAX];
    size_t next_ended;
    struct shelf_bad bad[SHELF_BAD_MAX];
    size_t n_bad;
    uint64_t held, counting;
    bool listing, orphan;
    struct wire *wires[SHELF_WIRES];
    struct depot_link *depots[DEPOTS_MAX];
    uint64_t depots_sum; /* of those in the roster of the hold */
    uint64_t depots_ms;
    struct shelf_scrub *scrub; /* NULL: none is under way */
    uint64_t scrubbed_ms;      /* 0: not read from the disk yet */
    uint64_t sweep_ms;
    uint64_t puts_ms, hold_ms;
    uint64_t want_ms;
    uint64_t told_ms;
};

/* shelf_out.c */
enum status shelf_queue(struct shelf *s, uint8_t type, struct bytes body, put_appended *put_done,
                        node_done *done, void *arg) MUST_USE;
void shelf_send(struct shelf *s);
void shelf_own_seen(struct shelf *s, uint64_t own_number, uint64_t index, bool counts,
                    struct keep_batch *b);
enum status shelf_out_load(struct shelf *s) MUST_USE;
void shelf_put_row(struct shelf *s, struct keep_batch *b);
void shelf_ops_free(struct shelf *s);

/* The holder is a member, or a storage node that was not let go. */
bool shelf_holds(const struct shelf *s, uint16_t holder);

/* shelf.c: a put or get begins: links are wanted */
void shelf_wake(struct shelf *s);

/* shelf_past.c */
/* A tree was put in place: it asks us about wraps. */
void shelf_tree_ready(struct shelf *s);
struct shelf_picked {
    const struct tree_file *file; /* of the tree: until it changes */
    uint64_t serial, time_ms;
    bool living;
};
/* ST_NOT_FOUND; ST_USAGE: a directory. */
enum status shelf_pick(const struct shelf *s, struct bytes path, const struct node_version_of *of,
                       struct shelf_picked *ret) MUST_USE;
/* shelf_scrub.c */
void shelf_scrub_due(struct shelf *s);
void shelf_scrub_tick(struct shelf *s, uint64_t now_ms);
uint64_t shelf_scrub_next_ms(const struct shelf *s);
void shelf_scrub_free(struct shelf *s);

/* shelf_dedup.c: for put_env, whose ctx is the shelf */
uint64_t shelf_dedup_mark(void *shelf);
void shelf_dedup_made(void *shelf, const struct manifest *m);
bool shelf_dedup_found(void *shelf, uint64_t mark, struct place_code code,
                       const struct manifest_chunk *c, struct put_found *ret);
void shelf_dedup_free(struct shelf *s);

/* shelf_snap.c */
void shelf_snap(struct shelf *s);
void shelf_took_snap(struct shelf *s, uint64_t index, uint64_t epoch, struct bytes body);

/* shelf_get.c */
void shelf_gets_tick(struct shelf *s, uint64_t *next);
void shelf_gets_free(struct shelf *s);
bool shelf_transfer(struct shelf *s, uint64_t id, node_transfer_visit *visit, void *arg);
void shelf_each_get(struct shelf *s, node_transfer_visit *visit, void *arg);
void shelf_note_bad(struct shelf *s, const struct get_bad *bad);
void shelf_bad_prune(struct shelf *s); /* what is told to be lost is not damaged any more */
void shelf_forget_bad(struct shelf *s, const uint8_t segment_id[32], uint16_t leaf, uint8_t index);

/* shelf_put.c */
void shelf_put_event(void *arg, const struct put_progress *p);
void shelf_ended_free(struct shelf *s);
void shelf_each_put(struct shelf *s, node_transfer_visit *visit, void *arg);
bool shelf_put_transfer(struct shelf *s, uint64_t id, node_transfer_visit *visit, void *arg);
void shelf_put_env(struct shelf *s, struct put_env *ret);

/* How many holders may vanish: the worst segment counts; -1: too few are left already. */
int shelf_may_vanish(struct shelf *s, const uint8_t version[32], unsigned *ret_holders,
                     unsigned *ret_segments, struct place_code *ret_code);
/* The chance that a version can be read, of its weakest segment, each holder there as measured; and
 * without whom it is the smallest (PLACE_NOBODY: without segments). */
void shelf_survival(struct shelf *s, const uint8_t version[32], double *ret_survival,
                    uint16_t *ret_weakest);
void shelf_survival_text(double survival, char *out, size_t room);
/* Answers that come at the next tick. */
void shelf_began(struct shelf *s, uint64_t id, node_done *done, void *arg);
void shelf_append_later(struct shelf *s, put_appended *done, void *arg, enum status st);
enum status shelf_unwrap(struct shelf *s, const uint8_t version[32], uint64_t epoch,
                         const uint8_t wrap[TREE_WRAP], uint8_t ret_cek[32]) MUST_USE;
/* The CEK of a version in the tree. */
enum status shelf_cek(struct shelf *s, const uint8_t version[32], uint8_t ret_cek[32]) MUST_USE;
/* Text for people of a path that may be any bytes; out: room bytes. */
void shelf_path_text(struct bytes path, char *out, size_t room);

#endif
