/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * pour_private: the inside of pour, shared by its two halves: chunks (read,
 * cut, seal, pack) and rows (code, send, commit).
 *
 * Owns: see pour.h. Errors: as there. Order: none.
 */
#ifndef ENCLAVE_NODE_PUT_POUR_PRIVATE_H
#define ENCLAVE_NODE_PUT_POUR_PRIVATE_H

#include "core/files/segment.h"
#include "crypto/hash.h"
#include "node/hold/keeper.h"
#include "node/put/pour.h"

#define UNIT_HEAD 64 /* headroom of a unit in a row, at least KEEPER_HEADROOM; keeps it aligned */
#define UNIT_STRIDE (UNIT_HEAD + SHARD_UNIT)

enum slot_state { SLOT_FREE, SLOT_READ, SLOT_CUTTING, SLOT_CUT, SLOT_SEALING, SLOT_SEALED };

/* A chunk on its way from the source into rows. */
struct pour_slot {
    struct pour *p;
    enum slot_state state;
    uint32_t number;
    uint8_t *in;
    size_t have;
    size_t touched; /* most bytes of in that ever held anything: to be wiped */
    bool full;      /* nothing more is to be read into it */
    size_t len;
    bool hashed;
    uint8_t *out;
    struct chunk_sealed sealed;
    size_t packed;
    struct manifest_chunk where;
};

/* A unit that a keeper reads. */
struct pour_use {
    struct pour_row *row;
    struct pour_column *col;
};

struct pour_row {
    struct pour_seg *seg;
    uint32_t number;
    size_t filled;
    bool coded;
    bool coding;
    unsigned uses; /* units that a keeper still reads */
    uint8_t *mem;
    struct pour_use use[]; /* one a column */
};

enum column_state { COLUMN_AWAY, COLUMN_SENDING, COLUMN_COMMITTING, COLUMN_ACKED, COLUMN_LOST };

struct pour_column {
    struct pour_seg *seg;
    uint8_t index;
    enum column_state state;
    struct keeper_put *put;
    uint32_t next_row;
};

struct pour_seg {
    struct pour_seg *next;
    struct pour *p;
    uint32_t number;
    struct pour_segment pub;
    bool known;
    bool skip; /* nothing of it can be sent now */
    bool closed;
    bool passed; /* a row of it is gone: who comes now is too late for this pass */
    bool rooting;
    bool rooted;
    bool go;
    uint64_t size;
    uint64_t plain_end;
    uint32_t rows_made;
    uint32_t rows_coded;
    struct pour_row *rows[SHARD_UNITS_MAX];
    uint8_t *leaves; /* n columns of SEGMENT_COLUMN_LEAVES hashes */
    uint8_t roots[SHARD_COLUMNS_MAX * 32];
    struct pour_column columns[SHARD_COLUMNS_MAX];
};

struct pour {
    struct pour_config c;
    struct pour_keys *keys; /* guarded copy: workers use it after pour_free */
    struct cut cut;
    struct segment_code *code;
    struct sha256 hash;
    bool hash_open;
    enum status st;
    bool dead;
    bool told; /* done was called */
    bool inside;
    size_t pending;
    /* chunks */
    struct pour_slot slots[POUR_CHUNKS];
    bool reading;
    bool hashing;
    bool ended; /* nothing more is to be read */
    bool over;  /* the source is cut to its end */
    uint32_t read_n;
    uint32_t hash_n;
    uint32_t pack_n;
    uint32_t chunks; /* how many there are, once over */
    uint64_t offset;
    uint64_t plain; /* bytes packed */
    /* rows */
    struct pour_seg *segs; /* not settled, oldest first */
    struct pour_seg *fill; /* the one being filled */
    struct pour_row *row;
    unsigned open_n;
    uint32_t segs_n; /* ever opened */
    size_t rows_n;
    size_t rows_max;
};

void pour_fail(struct pour *p, enum status st);
void pour_release(struct pour *p); /* one pending fewer */
/* Submits a job; false: no room now, the pump tries again. */
bool pour_job(struct pour *p, work_run *run, work_done *done, void *arg);

void pour_chunks(struct pour *p);
/* Takes up to n bytes of the sealed stream; returns how many there was room for. where: filled in
 * when the first byte of a chunk goes in. */
size_t pour_put(struct pour *p, const uint8_t *bytes, size_t n, struct manifest_chunk *where);
void pour_close(struct pour *p); /* the stream has ended */
void pour_rows(struct pour *p);
void pour_rows_drop(struct pour *p); /* abandons what is being sent */
void pour_rows_free(struct pour *p);

#endif
