/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * tree_private: the inside of tree, shared by its three files: table (sorted
 * arrays), rules (records applied), state (bodies and snapshots).
 *
 * Owns: struct tree owns every node, trash entry and segment row.
 * Errors: ST_NO_MEMORY. Order: none.
 */
#ifndef ENCLAVE_CORE_FILES_TREE_PRIVATE_H
#define ENCLAVE_CORE_FILES_TREE_PRIVATE_H

#include "base/fields.h"
#include "core/files/tree.h"

#define TREE_PUT_FIELDS(X, M)           \
    X(M, VAR16, path, TREE_PATH_MAX, 0) \
    X(M, FIX, base, 32, 0)              \
    X(M, FIX, version, 32, 0)           \
    X(M, U64, size, 0, 0)               \
    X(M, U64, mtime_ms, 0, 0)           \
    X(M, U32, mode, 0, 0)               \
    X(M, U64, epoch, 0, 0)              \
    X(M, FIX, wrap, TREE_WRAP, 0)       \
    X(M, VAR16, manifest, TREE_MANIFEST_MAX, 0)
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

#define TREE_LOSS_FIELDS(X, M) \
    X(M, FIX, id, 32, 0)       \
    X(M, U8, index, 0, 0)      \
    X(M, U16, holder, 0, 0)
FIELDS_DECLARE(tree_loss, TREE_LOSS_FIELDS);

/* How often a version is referred to. */
struct tree_version {
    uint8_t id[32];
    uint32_t living;
    uint32_t trashed;
    uint64_t trash_ms; /* latest */
};

/* Pointers in order of their keys. */
struct tree_table {
    void **p;
    size_t n;
    size_t cap;
};

struct tree {
    struct tree_table nodes;    /* struct tree_node, by path */
    struct tree_table segments; /* struct tree_segment, by id */
    struct tree_table versions; /* struct tree_version, by id */
    struct tree_table trash;    /* struct tree_trash, oldest first */
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
/* Puts a copy into the trash; the oldest falls out when it is full. */
enum status tree_trash_add(struct tree *t, const struct tree_trash *e) MUST_USE;
enum status tree_segment_add(struct tree *t, const struct tree_segment *s) MUST_USE;

/* Applies one record of an entry. Only ST_NO_MEMORY is an error. */
enum status tree_apply(struct tree *t, uint8_t kind, const void *record,
                       const struct tree_from *from, tree_told *told, void *arg) MUST_USE;

#endif
