/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * tree_private: the inside of tree, shared by its files: table (sorted arrays),
 * past (versions that went, clock and retention), rules (records applied), state
 * (bodies and snapshots).
 *
 * Owns: struct tree owns every node, past version and segment row.
 * Errors: ST_NO_MEMORY. Order: none.
 */
#ifndef ENCLAVE_CORE_FILES_TREE_PRIVATE_H
#define ENCLAVE_CORE_FILES_TREE_PRIVATE_H

#include "base/fields.h"
#include "core/files/tree.h"

#define TREE_PUT_FIELDS(X, M)                   \
    X(M, VAR16, path, TREE_PATH_MAX, 0)         \
    X(M, FIX, base, 32, 0)                      \
    X(M, FIX, version, 32, 0)                   \
    X(M, U64, size, 0, 0)                       \
    X(M, U64, mtime_ms, 0, 0)                   \
    X(M, U32, mode, 0, 0)                       \
    X(M, U64, epoch, 0, 0)                      \
    X(M, FIX, wrap, TREE_WRAP, 0)               \
    X(M, VAR16, manifest, TREE_MANIFEST_MAX, 0) \
    X(M, LIST16, uses, 32, TREE_USES_MAX)
FIELDS_DECLARE(tree_put, TREE_PUT_FIELDS);

#define TREE_MKDIR_FIELDS(X, M) X(M, VAR16, path, TREE_PATH_MAX, 0)
FIELDS_DECLARE(tree_mkdir, TREE_MKDIR_FIELDS);

#define TREE_MV_FIELDS(X, M)            \
    X(M, VAR16, from, TREE_PATH_MAX, 0) \
    X(M, VAR16, to, TREE_PATH_MAX, 0)   \
    X(M, FIX, base, 32, 0)
FIELDS_DECLARE(tree_mv, TREE_MV_FIELDS);

#define TREE_RM_FIELDS(X, M)            \
    X(M, VAR16, path, TREE_PATH_MAX, 0) \
    X(M, FIX, base, 32, 0)
FIELDS_DECLARE(tree_rm, TREE_RM_FIELDS);

#define TREE_AT_FIELDS(X, M)  \
    X(M, FIX, id, 32, 0)      \
    X(M, FIX, version, 32, 0) \
    X(M, FIX, root, 32, 0)    \
    X(M, U32, rows, 0, 0)     \
    X(M, U8, k, 0, 0)         \
    X(M, LIST8, at, 2, PLACE_COLUMNS_MAX)
FIELDS_DECLARE(tree_at, TREE_AT_FIELDS);

#define TREE_KEEP_FIELDS(X, M) X(M, U8, keep, 0, 0)
FIELDS_DECLARE(tree_keep_set, TREE_KEEP_FIELDS);

#define TREE_REWRAP_FIELDS(X, M) \
    X(M, FIX, version, 32, 0)    \
    X(M, U64, epoch, 0, 0)       \
    X(M, FIX, wrap, TREE_WRAP, 0)
FIELDS_DECLARE(tree_wrap_set, TREE_REWRAP_FIELDS);

#define TREE_LOSS_FIELDS(X, M) \
    X(M, FIX, id, 32, 0)       \
    X(M, U8, index, 0, 0)      \
    X(M, U16, holder, 0, 0)
FIELDS_DECLARE(tree_loss, TREE_LOSS_FIELDS);

/* What all nodes and past versions of one id share. */
struct tree_version {
    uint8_t id[32];
    uint32_t living;
    uint32_t past;
    uint32_t falling; /* scratch of tree_due_bytes */
    uint64_t epoch;
    uint8_t wrap[TREE_WRAP];
    struct bytes manifest;
    struct bytes uses;
};

/* Pointers in order of their keys. */
struct tree_table {
    void **p;
    size_t n;
    size_t cap;
};

/* The times of entries: the newest, and the newest of anybody else. */
struct tree_clock {
    uint64_t ms; /* what the tree goes by; never back */
    uint64_t first_ms;
    uint64_t second_ms; /* 0: one author so far */
    uint16_t first_leaf;
};

struct tree {
    struct tree_table nodes;    /* struct tree_node, by path */
    struct tree_table segments; /* struct tree_segment, by id */
    struct tree_table owned;    /* the same, by version and id */
    struct tree_table versions; /* struct tree_version, by id */
    struct tree_table past;     /* struct tree_past, by path and serial */
    struct tree_table order;    /* the same, in the order they went */
    size_t past_bytes;
    uint64_t serial; /* last number given to a version or to its going */
    uint64_t due_ms; /* nothing in the trash is due before; UINT64_MAX: nothing in it */
    struct tree_clock clock;
    uint8_t keep;
    tree_wrap_check *wrap_check;
    void *wrap_arg;
    tree_placed *placed;
    void *placed_arg;
    struct depots depots;
};

enum status tree_table_insert(struct tree_table *t, size_t at, void *p) MUST_USE;
void tree_table_remove(struct tree_table *t, size_t at, size_t n);

/* First position whose path is not below `path`; *ret_found: it is that one. */
size_t tree_seek(const struct tree *t, struct bytes path, bool *ret_found);
/* The range of everything inside directory dir, itself not included. */
void tree_inside(const struct tree *t, struct bytes dir, size_t *ret_from, size_t *ret_to);
size_t tree_segment_seek(const struct tree *t, const uint8_t id[32], bool *ret_found);
struct tree_version *tree_version_find(const struct tree *t, const uint8_t id[32]);

/* Copies; the node is put into the table and its version counted. */
enum status tree_node_add(struct tree *t, const struct tree_node *node) MUST_USE;
void tree_node_remove(struct tree *t, size_t at);
enum status tree_node_rename(struct tree_node *node, struct bytes path) MUST_USE;
enum status tree_segment_add(struct tree *t, const struct tree_segment *s) MUST_USE;
/* The row of a file's version, made if it is new: then the segments it uses are referred to. The
 * file's manifest and uses become views of the row. */
enum status tree_version_hold(struct tree *t, struct tree_file *f,
                              struct tree_version **ret) MUST_USE;
/* Forgets a version nobody refers to, and the segments only it needed. */
void tree_version_drop(struct tree *t, const uint8_t id[32]);
int tree_path_compare(struct bytes a, struct bytes b);
bool tree_copy(struct bytes from, struct bytes *ret); /* into a block of its own */
void tree_drop(struct bytes b);

/* tree_past.c */
void tree_clock_tick(struct tree_clock *c, uint16_t leaf, uint64_t time_ms);
/* Takes a copy; the oldest ones fall out when there are too many. */
enum status tree_past_add(struct tree *t, const struct tree_past *e) MUST_USE;
/* The living version of a path went into the past; the retention is applied to the path. */
enum status tree_past_went(struct tree *t, const struct tree_node *node, bool removed,
                           const struct tree_from *from) MUST_USE;
/* A put came to a path whose file had been removed: what was kept of it are its versions again. */
void tree_past_back(struct tree *t, struct bytes path);
/* Versions of a file, or of all inside a directory, follow it. */
enum status tree_past_move(struct tree *t, struct bytes from, struct bytes to) MUST_USE;
void tree_past_rules(struct tree *t); /* applied to everything */
void tree_past_expire(struct tree *t);
void tree_past_free(struct tree *t);

/* Applies one record of an entry. Only ST_NO_MEMORY is an error. */
enum status tree_apply(struct tree *t, uint8_t kind, const void *record,
                       const struct tree_from *from, tree_told *told, void *arg) MUST_USE;

#endif
