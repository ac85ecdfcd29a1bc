/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * put_private: the inside of put, shared by its files: put (jobs, turns,
 * progress), put_job (from the source to the files feed), put_rows (what is
 * durable), put_spread (the columns that are still missing).
 *
 * Owns: see put.h. Errors: as there. Order: none.
 */
#ifndef ENCLAVE_NODE_PUT_PRIVATE_H
#define ENCLAVE_NODE_PUT_PRIVATE_H

#include "base/fields.h"
#include "base/sm.h"
#include "core/files/tree.h"
#include "node/put/pour.h"
#include "node/put/put.h"

#define PUT_TICK_MS 500
#define PUT_TELL_MS 200
#define PUT_RETRY_MS 1000 /* doubles */
#define PUT_RETRY_MOST_MS 30000
#define PUT_FRESH_MAX 5 /* times a source may change under one put */
#define PUT_PASSES 2    /* 0: the file, 1: a manifest too large for the entry */
#define PUT_CHUNK_MANIFEST UINT32_C(0x80000000) /* number of the first chunk of pass 1 */

/* What is durable of a segment. */
struct put_seg {
    uint8_t id[32];
    uint32_t rows; /* 0: not coded yet */
    uint64_t size;
    uint64_t acked;
    uint64_t plain_end;
    bool settled; /* in the present pass */
    bool saving;
    bool dirty;    /* acked grew since the row was written */
    bool moved;    /* acked grew since PLACED told it */
    bool go;       /* the pour waits for the row */
    uint8_t *tail; /* n leaves u16, then n roots */
};

struct put_segs {
    struct put_seg *p;
    size_t n;
    size_t cap;
};

/* Long-lived, in guarded memory. */
struct put_secret {
    struct pour_keys keys;
};

struct put_spread;

struct put_job {
    struct put_job *next;
    struct puts *puts;
    uint64_t id;
    struct sm sm;
    enum status st;
    bool gone; /* cancelled or over: freed when nothing is pending */
    bool turn; /* it is the one that runs */
    size_t pending;
    char *source;
    struct buf path;
    uint8_t base[32];
    bool strict;
    bool stream;
    uint64_t most;
    struct place_code asked; /* 0/0: balanced */
    struct place_code code;
    bool stamped; /* size .. mode and the keys are set */
    uint64_t size;
    uint64_t mtime_ms;
    uint64_t inode;
    uint32_t mode;
    struct put_secret *secret;
    struct put_segs segs[PUT_PASSES];
    unsigned pass;
    struct pour *pour;
    struct manifest m[PUT_PASSES];
    /* Dedup: chunks of m[0] that lie in segments of other versions. */
    struct manifest foreign; /* those segments */
    struct buf found;        /* numbers of the chunks, u32 each */
    struct buf uses;         /* ids of the segments, ascending: goes into the entry */
    uint64_t saved;
    uint64_t mark; /* chunks known up to then: the same ones each time the source is read */
    bool marked;
    bool whole;       /* without dedup: a segment went away meanwhile */
    struct buf inner; /* the encoded manifest of the file, source of pass 1 */
    uint8_t version[32];
    struct buf sealed;
    uint64_t epoch;
    uint8_t wrap[TREE_WRAP];
    bool appending; /* an entry is on the way, or what it says on its way to the disk */
    struct buf entry;
    unsigned fresh_n;
    size_t entry_pass; /* cursor of what is being appended */
    size_t entry_seg;
    bool entry_last;
    uint64_t retry_ms; /* when to try again */
    uint64_t backoff_ms;
    uint64_t ups; /* which holders were up then: another set is a reason to try at once */
    struct put_spread *spread;
    size_t spread_pass;
    size_t spread_seg;
    /* progress */
    uint64_t done;
    uint64_t rate;
    uint64_t rate_ms;
    uint64_t rate_at;
    uint64_t told_ms;
};

struct puts {
    struct put_env env;
    put_event *event;
    void *arg;
    struct put_job *jobs; /* oldest first */
    size_t n;
    uint64_t next;
    bool dead;
    bool inside;
    bool quiet;
    size_t pending;
};

/* put.c */
void job_hold(struct put_job *j);    /* a callback is to come */
void job_release(struct put_job *j); /* it came; may free the job, and the puts */
void job_move(struct put_job *j, enum put_phase phase);
void job_tell(struct put_job *j);
void job_fail(struct put_job *j, enum status st);
void job_later(struct put_job *j); /* tries again after a growing while */
void puts_turn(struct puts *p);    /* the next one runs if none does */
bool job_all_acked(const struct put_job *j);
/* Whether PLACED has told every acknowledgement. */
bool job_all_told(const struct put_job *j);
uint64_t puts_ups(const struct puts *p); /* a number for the set of holders that are up */
/* Whether every segment of the passes so far may lose a holder (strict: has all columns). */
bool job_safe(const struct put_job *j);
/* Whether every segment has columns enough to be read. */
bool job_readable(const struct put_job *j);
/* Whether some missing column could be sent now. */
bool job_could_send(const struct put_job *j);
/* Columns of members who left go to others. */
void job_reassign(struct put_job *j);

/* put_rows.c */
uint16_t seg_at(const struct put_seg *s, unsigned c);
void seg_set_at(struct put_seg *s, unsigned c, uint16_t leaf);
uint8_t *seg_roots(const struct put_seg *s, unsigned n);
void seg_acked_at(const struct put_seg *s, unsigned n, uint16_t ret[PLACE_COLUMNS_MAX]);
struct put_seg *segs_add(struct put_segs *l, unsigned n); /* NULL: no memory */
void segs_free(struct put_segs *l);
/* Writes the job's row; then called with its status. */
typedef void job_saved(struct put_job *j, enum status st);
void job_save(struct put_job *j, job_saved *saved);
void seg_save(struct put_job *j, unsigned pass, size_t i);
/* Drops the rows of the segments (of one pass, or of both and the job's: pass == PUT_PASSES). */
void job_rows_drop(struct put_job *j, unsigned pass);
enum status put_rows_load(struct puts *p) MUST_USE;
struct put_job *job_new(struct puts *p, uint64_t id); /* NULL: no memory */
void job_free(struct put_job *j);

/* put_job.c */
void job_run(struct put_job *j);   /* QUEUED or WAITING: begins (again) with the source */
void job_enter(struct put_job *j); /* ENTERING: appends */
void job_seg_written(struct put_job *j, unsigned pass, size_t i, enum status st);
void job_stop(struct put_job *j);

/* put_dedup.c */
void dedup_start(struct put_job *j); /* the source is read from its start */
bool dedup_found(void *job, struct manifest_chunk *c);
/* The manifest's own segments are in its table: the others come behind them. */
enum status dedup_table(struct put_job *j) MUST_USE;
void dedup_free(struct put_job *j);

/* put_spread.c */
void spread_pump(struct put_job *j);
void spread_stop(struct put_job *j);

#endif
