/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * pour: one stream (a file, or bytes in memory) through the pipeline of a put:
 *     read -> cut -> seal (workers) -> rows -> code and hash (workers) -> holders
 * Chunks and rows in flight are bounded; a slow holder slows the whole down, a
 * dead one loses its columns and does not. A segment's columns are committed
 * only after the owner said go: it has then written down what the
 * segment is. Segments known from before are told in `known`: what is
 * acknowledged there is not sent again, and a segment for which nothing can be
 * sent now is not even coded.
 *
 * Owns: its buffers and keeper puts. Copies the keys. Borrows hold
 *     until pour_free; file belongs to it once pour_new succeeded.
 * Errors: done with: ST_CLOSED (a pipe broke), ST_CONFLICT (a known segment comes out different: another
 *     source, or another zstd), ST_TOO_BIG, ST_IO, ST_NO_MEMORY. A holder's failure is no error.
 * Order: pour_new, events, pour_free (at any moment).
 *     Events never run inside pour_new.
 * Thread: loop thread.
 */
#ifndef ENCLAVE_NODE_PUT_POUR_H
#define ENCLAVE_NODE_PUT_POUR_H

#include "base/env.h"
#include "core/files/manifest.h"
#include "core/files/place.h"
#include "core/ports/file.h"
#include "core/ports/work.h"
#include "node/hold/hold.h"

#define POUR_CHUNKS 6                     /* in flight: 4 MiB each */
#define POUR_ROW_BYTES ((size_t)48 << 20) /* of rows in flight */
#define POUR_ROWS_MIN 4
#define POUR_SEGMENTS 8 /* not yet settled */

/* What is known of a segment; the durable row of a put holds the same. */
struct pour_segment {
    uint8_t id[32];
    bool rooted; /* roots, rows and size are known */
    uint32_t rows;
    uint64_t size;
    uint64_t acked; /* bit c: column c is durable at at[c] */
    uint16_t at[SHARD_COLUMNS_MAX];
    uint8_t roots[SHARD_COLUMNS_MAX * 32];
};

struct pour_keys {
    struct chunk_keys chunk;
    uint8_t placement[32];
};

struct pour_events {
    /* i < known_n: what is known of segment i. */
    void (*known)(void *arg, uint32_t i, struct pour_segment *ret);
    /* Segment i is coded: write it down, then pour_go. s is the pour's, to be read only. */
    void (*coded)(void *arg, uint32_t i, const struct pour_segment *s);
    /* A column was acknowledged: s->acked has grown. */
    void (*acked)(void *arg, uint32_t i, const struct pour_segment *s);
    /* Nothing more will happen to segment i. plain: bytes of the source up to its end. */
    void (*settled)(void *arg, uint32_t i, const struct pour_segment *s, uint64_t plain);
    /* Whether such a chunk lies somewhere already: then c->segment and c->offset are the owner's to
     * set, and nothing of it is packed. May be NULL. */
    bool (*found)(void *arg, struct manifest_chunk *c);
    /* The next chunk of the list; it is wiped after. */
    enum status (*chunk)(void *arg, const struct manifest_chunk *c);
    /* The end. hash: SHA-256 of all that was read (ST_OK). */
    void (*done)(void *arg, enum status st, uint64_t size, const uint8_t hash[32]);
};

struct pour_config {
    const struct env *env;
    struct work work;
    const struct file_ops *files;
    struct hold *hold;
    struct file *file;   /* the source, or NULL */
    struct bytes memory; /* else this */
    bool stream;         /* file is a pipe: read once, to its end */
    uint64_t size;       /* that the source shall have; of a pipe: at most */
    struct place_code code;
    const struct pour_keys *keys;
    uint32_t first_chunk; /* number of the first chunk, in its key */
    size_t known_n;
    const struct pour_events *events;
    void *arg;
};

struct pour;

struct pour *pour_new(const struct pour_config *c); /* NULL: no memory */
void pour_free(struct pour *p);
void pour_go(struct pour *p, uint32_t i);
/* A holder came or can take more, or time passed. */
void pour_pump(struct pour *p);

#endif
