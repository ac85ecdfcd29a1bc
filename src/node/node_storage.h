/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * node_storage: the half of the node (node.h) that keeps files: who holds shards,
 * earlier versions and the trash, audits, and whether what is kept here is sound.
 *
 * Owns: nothing; what visits show lives during the call. Errors: as node.h says.
 * Order: as node.h says.
 */
#ifndef ENCLAVE_NODE_NODE_STORAGE_H
#define ENCLAVE_NODE_NODE_STORAGE_H

#include "node/node.h"

/* ---- check: is what this machine keeps sound? ---- */

struct node_check_ask {
    const char *enclave;
    unsigned percent; /* of the columns at the other holders that are read too */
    bool mend;        /* then what is damaged here is made again */
};
/* Begins one; how it goes: node_check_look. ST_BUSY: one runs. */
enum status node_check(struct node *n, const struct node_check_ask *ask) MUST_USE;
struct node_check_file {
    struct bytes path;
    unsigned bad; /* shards, of all its segments */
    bool readable;
};
struct node_check {
    const char *enclave;
    const char *state; /* "entries", "listing", "shards", "mending", "done" */
    uint64_t bytes, total, rate, eta_ms;
    uint64_t rows, rows_bad, rows_mended;   /* kept entries of the feeds */
    uint64_t own, own_bad, missing, mended; /* shards here */
    uint64_t spare;                         /* of these, of no file that the tree has (yet) */
    uint64_t far, far_bad, away;            /* columns elsewhere; away: no answer */
    unsigned files_hurt, files_lost;        /* lost: cannot be read now */
    const struct node_check_file *files;    /* the first of them */
    size_t n_files;
    const char *detail; /* a line for each of the first damaged entries and shards */
    bool sound;
    char text[128];
    char next[192];
};
typedef void node_check_visit(void *arg, const struct node_check *c);
/* The check that runs, or the last one; ST_NOT_FOUND: none since the start. */
enum status node_check_look(struct node *n, const char *enclave, node_check_visit *visit,
                            void *arg) MUST_USE;

/* Rebuilds the room at another sentinel of the voted list from this member's copy. address: "host:port"
 * of that list, NULL: the next one that answers. data: NULL. Done when we are attached there. */
enum status node_rehome(struct node *n, const char *enclave, const char *address, node_done *done,
                        void *arg) MUST_USE;

/* ---- where shards are kept ---- */

struct node_storage {
    unsigned number; /* of the holder: a member's leaf, or 0x1000 and up */
    const char *who; /* nick, or address of the storage node */
    bool node;       /* a storage node, no member */
    bool self;
    bool up;           /* linked now */
    const char *state; /* "member"; "signing" (most have not signed yet), "waiting" (for the node to
                          take the grant), "ready", "let go" */
    bool told;         /* used, free and offered are what it last said */
    uint64_t used, free, offered;
    uint64_t placed;    /* bytes that the tree says it keeps; members only */
    uint64_t expiry_ms; /* of the grant; renewed by itself */
    uint64_t trash;     /* segments that go within 7 days */
    char pin[65];
    const char *text; /* "" or what is wrong, and what to do */
};
typedef void node_storage_visit(void *arg, const struct node_storage *v);
enum status node_storage(struct node *n, const char *enclave, node_storage_visit *visit,
                         void *arg) MUST_USE;
/* Takes a storage node on: the terms go to all members, whose daemons sign them; done when they are in
 * the feed. quota 0: all that is offered. ST_BAD_MESSAGE: no offer; ST_QUOTA: more than is offered;
 * ST_REPLAY: the offer is too old; ST_DENIED: the mode hides addresses; ST_PENDING: the seat list is
 * changing. */
enum status node_storage_add(struct node *n, const char *enclave, const char *offer, uint64_t quota,
                             node_done *done, void *arg) MUST_USE;
enum status node_storage_remove(struct node *n, const char *enclave, uint64_t number,
                                node_done *done, void *arg) MUST_USE;
/* Most bytes of shards that this machine keeps for each enclave from now on, kept over restarts. */
enum status node_storage_offer(struct node *n, uint64_t bytes, node_done *done, void *arg) MUST_USE;
uint64_t node_storage_offered(const struct node *n);

/* ---- versions and trash ---- */

struct node_version {
    struct bytes path;
    uint64_t number;
    uint64_t size;
    uint64_t time_ms; /* when it was put, by the clock of who did */
    uint64_t mtime_ms;
    const char *by;
    const char *state; /* living, replaced, removed */
    uint64_t gone_ms;  /* 0: living */
    const char *gone_by;
    uint64_t due_ms; /* removed: leaves the trash then; else 0 */
    unsigned older;  /* trash: versions from before that were removed with it */
};
typedef void node_version_visit(void *arg, const struct node_version *v);
/* Oldest first, the living one last. ST_USAGE: a directory. */
enum status node_versions(struct node *n, const char *enclave, struct bytes path,
                          node_version_visit *visit, void *arg) MUST_USE;
/* What was removed, of a path and below it (empty: all). */
enum status node_trash(struct node *n, const char *enclave, struct bytes path,
                       node_version_visit *visit, void *arg) MUST_USE;
/* An old version put again; a directory: all files in it that were removed, or that were other at
 * of->at_ms. ST_EXISTS: it lives as it is. Done when the entry is in the files feed. */
enum status node_restore(struct node *n, const char *enclave, struct bytes path,
                         const struct node_version_of *of, node_done *done, void *arg) MUST_USE;
/* "none", "staggered" or "all". Set: ST_USAGE for another word. */
enum status node_retention(struct node *n, const char *enclave, const char **ret) MUST_USE;
enum status node_retention_set(struct node *n, const char *enclave, const char *keep,
                               node_done *done, void *arg) MUST_USE;
/* What the retention and the trash would let go now, and bytes of shards that nobody would need. */
enum status node_gc(struct node *n, const char *enclave, node_version_visit *visit, void *arg,
                    uint64_t *ret_bytes) MUST_USE;
enum status node_gc_run(struct node *n, const char *enclave, node_done *done, void *arg) MUST_USE;
/* Wraps the keys of all files anew under the present file-KEK; what was done before is left out.
 * ST_EXISTS: nothing to do. ret_files: how many versions. */
enum status node_files_rekey(struct node *n, const char *enclave, size_t *ret_files,
                             node_done *done, void *arg) MUST_USE;
/* ---- audits: docs/spec/audit.md ---- */

struct node_audit_fault {
    uint64_t time_ms;
    const char *cause; /* plain words */
    const char *by;    /* who saw it */
    char segment[17];  /* the first 8 bytes of its id in hex */
    unsigned index;    /* which shard of it */
    unsigned times;
    bool one_leaf; /* leaf: the first of 4 KiB that was wrong */
    uint32_t leaf;
};
struct node_audit {
    uint16_t holder;
    const char *nick;
    bool asking;           /* it is being asked now, or its turn is coming */
    unsigned score;        /* percent */
    const char *standing;  /* "good", "suspended", "drained" */
    int before;            /* score at the end of an earlier day, a week back at most; -1: none */
    unsigned availability; /* percent, as measured in 30 days */
    unsigned looks;        /* of so many looks */
    unsigned rounds;
    uint64_t last_ms;                         /* the last round; 0: none yet */
    unsigned asked, right, late, lost, wrong; /* leaves of it */
    const char *text;                         /* how the last look ended */
    const char *next;                         /* what happens next */
    const struct node_audit_fault *faults;    /* why only: newest first */
    size_t n_faults;
};
typedef void node_audit_visit(void *arg, const struct node_audit *a);
/* The other holders, as this member knows them. ST_PENDING: not inside yet. */
enum status node_audits(struct node *n, const char *enclave, node_audit_visit *visit,
                        void *arg) MUST_USE;
/* One of them, with its faults. ST_USAGE: that is ourselves. */
enum status node_audit_why(struct node *n, const char *enclave, const char *who,
                           node_audit_visit *visit, void *arg) MUST_USE;
/* All are asked now: done when that has begun; `asking` tells who is not through. data: NULL. */
enum status node_audit_now(struct node *n, const char *enclave, node_done *done,
                           void *arg) MUST_USE;

struct node_audit_entry {
    uint64_t index; /* in the receipts feed */
    uint64_t time_ms;
    const char *by;
    const char *text;
};
typedef void node_audit_line(void *arg, const struct node_audit_entry *l);
/* Receipts and proofs of all members, oldest first, as far as they are kept here and readable. */
enum status node_audit_log(struct node *n, const char *enclave, node_audit_line *visit,
                           void *arg) MUST_USE;

struct node_audit_verdict {
    uint64_t entries;
    uint64_t unreadable;     /* of epochs whose keys this member never had */
    uint64_t rows;           /* rounds that they tell of */
    uint64_t proofs;         /* proofs that hold */
    uint64_t digests;        /* sums in the ledger that are right */
    uint64_t unread_digests; /* whose receipts are not here, or not readable */
    /* What must not be: */
    uint64_t malformed;    /* entries */
    uint64_t broken;       /* chains of an author */
    uint64_t missing;      /* rows that an author left out */
    uint64_t false_proofs; /* proofs that do not hold */
    uint64_t false_digests;
};
enum status node_audit_verify(struct node *n, const char *enclave,
                              struct node_audit_verdict *ret) MUST_USE;

#endif
