/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * tree: the files of an enclave as folded from feed 2, the same for every
 * member. Bodies of entries: type 1 OP and 3 PLACED are lists of records (put,
 * mkdir, mv, rm, placed), type 2 SNAP the whole state. Each record is
 * applied or ignored by rules that depend only on the bytes folded before
 * (docs/spec/files.md): a stale base becomes a conflict copy.
 *
 * What a put replaces or an rm removes stays: versions as the retention says, removed
 * files TREE_TRASH_MS by the tree's own clock, which is made of the times of entries
 * so that no single author can put it forward at will.
 *
 * Owns: copies what it keeps. Views of nodes live until the next tree_take or
 *     tree_load.
 * Errors: tree_take: ST_BAD_MESSAGE and the like for a body that is not well
 *     formed: the whole entry is ignored, by all alike. A record that cannot be
 *     applied is no error: its effect says so.
 * Order: tree_new, then entries in feed order (those that count, protocol.md 8:
 *     the node decides), or tree_load from a SNAP and then the tail.
 * Names: any byte but '/' and NUL, 1 to 255 bytes, not "." or ".."; paths at most
 *     4096 bytes without a slash at either end; the root is the empty path.
 */
#ifndef ENCLAVE_CORE_FILES_TREE_H
#define ENCLAVE_CORE_FILES_TREE_H

#include "base/bytes.h"
#include "core/files/depots.h"
#include "core/files/place.h"

#define TREE_NAME_MAX 255
#define TREE_PATH_MAX 4096
#define TREE_NODES_MAX ((size_t)1 << 20)
#define TREE_SEGMENTS_MAX ((size_t)1 << 20)
#define TREE_PAST_MAX ((size_t)65536)      /* versions that are not the living ones */
#define TREE_PAST_BYTES ((size_t)64 << 20) /* of their paths and manifests */
#define TREE_USES_MAX 2048                 /* segments of other versions, of one put */
#define TREE_THIN_SPARES 4                 /* newest old versions that are never thinned out */
#define TREE_RECORDS_MAX 4096              /* of one entry */
#define TREE_BODY_MAX ((size_t)480 << 10)
#define TREE_SNAP_INLINE ((size_t)256 << 10)
#define TREE_MANIFEST_MAX ((size_t)16 << 10) /* sealed, inline */
#define TREE_WRAP 72
#define TREE_TRASH_MS (UINT64_C(30) * 24 * 3600 * 1000)
#define TREE_LEAP_MS (UINT64_C(3600) * 1000) /* one author alone moves the clock at most so far */

enum tree_type { TREE_OP = 1, TREE_SNAP = 2, TREE_PLACED = 3, TREE_TRIM = 4 };

/* What happens to versions that were replaced. */
enum tree_keep {
    TREE_KEEP_NONE = 0,      /* they go the way of removed files */
    TREE_KEEP_STAGGERED = 1, /* one each 30 s, after an hour 1 h, a day 1 day, 30 days a week */
    TREE_KEEP_ALL = 2,
    TREE_KEEP_SAME = 255 /* in a record: as it is; the rules are applied to everything */
};

/* Records. */
enum tree_kind {
    TREE_PUT = 1,
    TREE_MKDIR = 2,
    TREE_MV = 3,
    TREE_RM = 4,
    TREE_AT = 5,
    TREE_KEEP = 6,
    TREE_REWRAP = 7,
    TREE_LOSS = 16,
    TREE_DEPOT = 32, /* storage nodes: depots.h */
    TREE_DEPOT_SIGN = 33,
    TREE_DEPOT_LET_GO = 34
};

struct tree;

struct tree_file {
    uint8_t version[32]; /* manifest id */
    uint64_t size;
    uint64_t mtime_ms;
    uint32_t mode;
    uint64_t epoch; /* of the file-KEK in wrap; tree_wrap tells a newer one */
    uint8_t wrap[TREE_WRAP];
    struct bytes manifest; /* sealed */
    struct bytes uses;     /* ids, 32 bytes each: segments made for other versions */
};

struct tree_node {
    struct bytes path;
    bool dir;
    uint16_t leaf;         /* who made it so */
    uint64_t index;        /* feed-2 entry that did */
    uint64_t time_ms;      /* of that entry: advice */
    uint64_t serial;       /* file: number of this version, unique in the enclave */
    uint64_t clock_ms;     /* file: the tree's clock when it was put */
    struct tree_file file; /* dir: zeros */
};

struct tree_segment {
    uint8_t id[32];
    uint8_t version[32]; /* of the file it was made for */
    uint8_t root[32];
    uint32_t rows;
    uint8_t k;
    uint8_t n;
    uint16_t at[PLACE_COLUMNS_MAX];
    uint32_t users; /* other versions that refer to it */
};

/* A version that is not the living one of its path. */
struct tree_past {
    struct bytes path;
    uint64_t serial, index, time_ms, clock_ms; /* as of the node that it was */
    uint16_t leaf;
    bool removed;        /* with its file, not just replaced */
    bool falls;          /* marked by tree_due */
    uint16_t gone_leaf;  /* who replaced or removed it */
    uint64_t gone;       /* order in which versions went; unique */
    uint64_t gone_index; /* entry that did */
    uint64_t gone_ms;    /* its time, or the tree's clock if that is later */
    struct tree_file file;
};

/* Who wrote an entry and where it stands. */
struct tree_from {
    uint64_t index;
    uint16_t leaf;
    uint64_t time_ms;
};

enum tree_effect {
    TREE_APPLIED,
    TREE_CONFLICT, /* applied under another path */
    TREE_IGNORED
};

/* One call a record, in order. path: where it ended up; why: a short reason when ignored. */
typedef void tree_told(void *arg, uint8_t kind, enum tree_effect effect, struct bytes path,
                       const char *why);

struct tree *tree_new(void); /* NULL: no memory */
void tree_free(struct tree *t);

enum status tree_take(struct tree *t, uint8_t type, struct bytes body, const struct tree_from *from,
                      tree_told *told, void *arg) MUST_USE;

const struct tree_node *tree_find(const struct tree *t, struct bytes path); /* NULL */
/* Children of dir (empty: the root) in byte order, after `after` (a whole path, empty: from the
 * first); deep: everything below. Returns false if dir is no directory. */
bool tree_list(const struct tree *t, struct bytes dir, bool deep,
               bool (*visit)(void *arg, const struct tree_node *node), void *arg);
const struct tree_segment *tree_segment(const struct tree *t, const uint8_t id[32]); /* NULL */
/* Segments of a version (NULL: of all), in no order that means anything. */
void tree_segments(const struct tree *t, const uint8_t *version,
                   bool (*visit)(void *arg, const struct tree_segment *s), void *arg);
typedef bool tree_past_visit(void *arg, const struct tree_past *e);
/* All that went, in the order it did. */
void tree_past_each(const struct tree *t, tree_past_visit *visit, void *arg);
/* Of one path, oldest version first; deep: of all paths inside the directory. */
void tree_past_of(const struct tree *t, struct bytes path, bool deep, tree_past_visit *visit,
                  void *arg);
/* What the rules would let go if a member wrote an entry at now_ms. */
void tree_due(const struct tree *t, uint16_t leaf, uint64_t now_ms, tree_past_visit *visit,
              void *arg);
enum tree_keep tree_retention(const struct tree *t);
/* Bytes of all columns that nothing would need once the versions marked by tree_due are gone. */
uint64_t tree_due_bytes(const struct tree *t);
/* Every version that lives or is kept, once. */
void tree_versions(const struct tree *t, bool (*visit)(void *arg, const uint8_t version[32]),
                   void *arg);
/* The newest wrap of a version's CEK. */
bool tree_wrap(const struct tree *t, const uint8_t version[32], uint64_t *ret_epoch,
               uint8_t ret_wrap[TREE_WRAP]);
bool tree_known(const struct tree *t, const uint8_t version[32]); /* living or kept */
bool tree_needs(const struct tree *t, const uint8_t segment_id[32]);
size_t tree_size(const struct tree *t); /* nodes */
const struct depots *tree_depots(const struct tree *t);

enum status tree_path_check(struct bytes path) MUST_USE; /* ST_USAGE with nothing else said */

/* Builders: append a record to a body begun with tree_body_start (count is kept up to date).
 * ST_TOO_BIG: the body is full, send it and begin the next. */
void tree_body_start(struct buf *body);
enum status tree_add_put(struct buf *body, struct bytes path, const uint8_t base[32],
                         const struct tree_file *file) MUST_USE;
enum status tree_add_mkdir(struct buf *body, struct bytes path) MUST_USE;
enum status tree_add_mv(struct buf *body, struct bytes from, struct bytes to,
                        const uint8_t base[32]) MUST_USE;
enum status tree_add_rm(struct buf *body, struct bytes path, const uint8_t base[32]) MUST_USE;
enum status tree_add_placed(struct buf *body, const struct tree_segment *s) MUST_USE;
enum status tree_add_keep(struct buf *body, enum tree_keep keep) MUST_USE;
enum status tree_add_wrap(struct buf *body, const uint8_t version[32], uint64_t epoch,
                          const uint8_t wrap[TREE_WRAP]) MUST_USE;

/* Whether a new wrap gives the key that opens the version's manifest. Only such a one replaces an old
 * one; members may differ in what they can check: wraps are no part of the state's hash. */
typedef bool tree_wrap_check(void *arg, const uint8_t version[32], struct bytes manifest,
                             uint64_t epoch, const uint8_t wrap[TREE_WRAP]);
void tree_on_wrap(struct tree *t, tree_wrap_check *check, void *arg); /* none: no wrap is taken */
/* A record said where columns of a segment are; the tree must not be changed meanwhile. */
typedef void tree_placed(void *arg, const uint8_t segment_id[32]);
void tree_on_placed(struct tree *t, tree_placed *placed, void *arg);
enum status tree_add_depot(struct buf *body, const struct depot_take *r) MUST_USE;
enum status tree_add_depot_sign(struct buf *body, const struct depot_sign *r) MUST_USE;
enum status tree_add_depot_let_go(struct buf *body, uint16_t number) MUST_USE;
/* The holder does not have the column any more. */
enum status tree_add_loss(struct buf *body, const uint8_t segment_id[32], uint8_t index,
                          uint16_t holder) MUST_USE;

/* The state as bytes, in one form; the hash leaves the CEK wraps and their epochs out. */
enum status tree_save(const struct tree *t, struct buf *out) MUST_USE;
enum status tree_load(struct tree *t, struct bytes state) MUST_USE; /* t must be empty */
void tree_hash(const struct tree *t, uint8_t ret[32]);
/* SNAP body: count and chain of feed 2 that the state stands for, its hash, the state inline.
 * rewrap gives each living CEK's wrap under the newest file-KEK. ST_TOO_BIG: over 256 KiB. */
typedef enum status tree_rewrap(void *arg, const uint8_t version[32], uint64_t *epoch,
                                uint8_t wrap[TREE_WRAP]);
enum status tree_snap_build(const struct tree *t, uint64_t count, const uint8_t chain[32],
                            tree_rewrap *rewrap, void *arg, struct buf *out) MUST_USE;
struct tree_snap {
    uint64_t count;
    uint8_t chain[32];
    uint8_t hash[32];
    struct bytes state;
};
enum status tree_snap_read(struct bytes body, struct tree_snap *ret) MUST_USE;

#endif
