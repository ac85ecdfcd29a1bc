/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * check_private: the inside of check.
 *
 * Owns: as check.h says. Errors: none. Order: feeds, columns, mending, done.
 */
#ifndef ENCLAVE_NODE_CHECK_PRIVATE_H
#define ENCLAVE_NODE_CHECK_PRIVATE_H

#include "node/check/check.h"
#include "node/check/column.h"
#include "node/check/mend.h"
#include "node/shelf/shelf.h"

#define CHECK_SLOTS 4          /* columns that are read at once */
#define CHECK_ROWS 512         /* entries a tick */
#define CHECK_ROWS_BAD_MAX 256 /* damaged entries remembered */
#define CHECK_BAD_MAX 4096     /* damaged shards remembered */
#define CHECK_PATHS_MAX 64     /* files told by name */
#define CHECK_AHEAD 256        /* columns that are looked at for one whose holder is there */

enum check_phase { CHECK_FEEDS, CHECK_LISTING, CHECK_COLUMNS, CHECK_MENDING, CHECK_DONE };

struct check_item {
    uint8_t id[32];
    uint16_t leaf;
    uint8_t index;
};

struct check_bad {
    struct check_item at;
    enum status why;
    bool mended;
};

struct check_row {
    uint8_t feed;
    uint64_t n;
    bool mended;
};

struct check_slot {
    struct check *c;
    struct column *column; /* NULL: free */
    struct check_item at;
};

struct check {
    struct enclave *e;
    enum check_phase phase;
    unsigned percent;
    bool mend;
    uint64_t next_ms;
    uint64_t columns_ms; /* since when columns are read */
    /* feeds */
    uint8_t feed;
    bool begun; /* this feed */
    uint64_t row, end;
    uint8_t chain[32];
    bool chained; /* chain is the one before row */
    unsigned now_n;
    /* columns */
    bool listing, orphan; /* the store lists; freed when it has answered */
    struct check_item *items;
    size_t n_items, room, n_listed, at;
    struct check_slot slots[CHECK_SLOTS];
    uint64_t bytes, total;
    /* mending */
    size_t bad_at, row_at;
    struct mend *job;
    bool asking; /* the sentinel for an entry */
    /* what was found */
    uint64_t rows, rows_bad, rows_mended;
    uint64_t own, own_bad, missing, mended,
        spare; /* spare: here, and the tree knows nothing of it */
    uint64_t far, far_bad, away;
    struct check_row row_bad[CHECK_ROWS_BAD_MAX];
    size_t n_row_bad;
    struct check_bad *bad; /* CHECK_BAD_MAX of them */
    size_t n_bad;
    bool no_memory;
};

/* check_feeds.c */
void check_feeds_step(struct check *c); /* moves on to the columns after the last entry */
void check_rows_mend(struct check *c);  /* the next damaged entry, if any and none is asked for */

/* check_columns.c */
void check_columns_begin(struct check *c);
void check_columns_pump(struct check *c);
void check_columns_stop(struct check *c);
bool check_is_bad(const struct check *c, const uint8_t id[32], uint16_t leaf, uint8_t index);

/* check.c */
void check_turn(struct check *c, enum check_phase to);
void check_soon(struct check *c);

#endif
