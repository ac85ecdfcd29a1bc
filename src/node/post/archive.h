/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * archive: words of earlier that came from a file or from another member, not
 * from feed 1. They are kept apart from the messages, whose signatures this
 * machine has checked itself, and are only read. docs/spec/history.md.
 *
 * Owns: struct archives owns its list. A row that this home has already, as a
 *     message or in another archive of the enclave, is not taken twice.
 * Errors: of node/keep.h; ST_QUOTA: ARCHIVES_MAX, or the most that one member may
 *     share; ST_EXISTS: the row is here already.
 * Order: archives_load, then the rest. An archive shows once it is ready; one that
 *     never was is erased at the next start.
 */
#ifndef ENCLAVE_NODE_POST_ARCHIVE_H
#define ENCLAVE_NODE_POST_ARCHIVE_H

#include "core/mail/history.h"
#include "node/enclave/enclave.h"

#define ARCHIVES_MAX 256
#define ARCHIVES_LATER_MAX 64
#define ARCHIVE_SHARED_ROWS 4096 /* most rows, and bytes, that one member may share with us */
#define ARCHIVE_SHARED_BYTES ((uint64_t)8 << 20)
#define ARCHIVE_VERSION 1

enum archive_kind { ARCHIVE_IMPORTED = 1, ARCHIVE_SHARED = 2 };

/* by: who wrote the file, or who shares it. next: number of the next row. */
#define ARCHIVE_FIELDS(X, M)                                            \
    X(M, U8, version, 0, 0)                                             \
    X(M, FIX, tag, 16, 0) /* names its spaces */                        \
    X(M, U8, kind, 0, 0)                                                \
    X(M, U8, ready, 0, 0)                                               \
    X(M, FIX, enclave_id, 32, 0)                                        \
    X(M, FIX, by, 32, 0)                                                \
    X(M, U64, made_ms, 0, 0) /* here */                                 \
    X(M, U64, next, 0, 0)                                               \
    X(M, U64, rows, 0, 0)                                               \
    X(M, U64, bytes, 0, 0)                                              \
    X(M, U64, since_ms, 0, 0) /* times of its first and last message */ \
    X(M, U64, until_ms, 0, 0)                                           \
    X(M, VAR8, name, NODE_NAME_MAX, 0)                                  \
    X(M, VAR8, enclave, NODE_NAME_MAX, 0)                               \
    X(M, VAR8, nick, NODE_NICK_MAX, 0)
FIELDS_DECLARE(archive_record, ARCHIVE_FIELDS);

struct archive {
    uint64_t slot;
    struct archive_record r; /* its views point into the texts below */
    char name[NODE_NAME_MAX + 1], enclave[NODE_NAME_MAX + 1], nick[NODE_NICK_MAX + 1];
    struct keep_space rows, keys;
    bool full_told;
};

/* Of a message whose row may be on its way to the disk: again once all is there. */
struct archive_later {
    uint8_t enclave_id[32], author[32], uuid[16];
    uint64_t time_ms;
    struct buf text;
};

struct archives {
    struct keep_space records;
    struct archive *list[ARCHIVES_MAX];
    size_t n;
    uint64_t next_slot;
    struct archive_later later[ARCHIVES_LATER_MAX];
    size_t n_later;
};

struct archive_made {
    enum archive_kind kind;
    const uint8_t *enclave_id; /* 32 */
    const uint8_t *by;         /* 32 */
    const char *name;          /* wished for: another one is found if it is taken */
    struct bytes enclave, nick;
};
enum status archive_new(struct node *n, const struct archive_made *made,
                        struct archive **ret) MUST_USE;
/* NULL: none yet. */
struct archive *archive_shared_by(struct node *n, const uint8_t enclave_id[32],
                                  const uint8_t by[32]);
struct archive *archive_named(struct node *n, const char *name); /* ready ones; NULL */
/* Puts a row, as history_row_read takes it. The record is to be put afterwards. */
enum status archive_add(struct node *n, struct archive *a, struct bytes row,
                        const struct history_row *m, struct keep_batch *b) MUST_USE;
void archive_put_record(struct node *n, struct archive *a, struct keep_batch *b);
/* Erases it, and frees it. */
void archive_drop(struct node *n, struct archive *a, struct keep_batch *b);

/* An author changed a message (text), or took it back (text empty): also where it lies here. */
void archive_change(struct node *n, const uint8_t enclave_id[32], const uint8_t author[32],
                    const uint8_t uuid[16], struct bytes text, uint64_t time_ms,
                    struct keep_batch *b);
/* No commit is on its way: what archive_change could not see is changed now. */
void archives_settle(struct node *n);
/* Erases rows of an enclave's archives that were said before that time, at most so many; how many. */
size_t archives_sweep(struct node *n, const uint8_t enclave_id[32], uint64_t before_ms, size_t most,
                      struct keep_batch *b);

#endif
