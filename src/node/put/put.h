/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * put: brings a file of the owner into the enclave. Read, cut, sealed, coded
 * row by row on workers and streamed to the holders; entered in the files feed
 * as soon as one loss is survivable (strict: when every column is
 * acknowledged) and then spread to the holders that were away. Each
 * put is a durable job: what was acknowledged is not sent again after a crash.
 * One struct puts serves all jobs of one enclave; of small sources PUT_RUNNING_MAX
 * run at once, of others one; more wait their turn.
 *
 * Owns: its jobs. Borrows struct put_env's functions and hold until puts_free.
 * Errors: put_start: ST_USAGE, ST_BUSY (PUT_JOBS_MAX), ST_TOO_BIG, ST_NO_MEMORY. A
 *     job's own end comes by its event: ST_NOT_FOUND (no such source), ST_DENIED,
 *     ST_CONFLICT (the source kept changing), ST_TOO_BIG, ST_NO_SPACE, ST_IO; of a pipe ST_CLOSED
 *     (it broke off) and ST_UNREACHABLE (too few took their columns while it was read).
 * Order: puts_new, puts_resume once (loads the jobs of before), put_start*.
 *     Events never run inside the call.
 * Memory: below 128 MiB for any file and profile, and for as many small ones as run at once.
 */
#ifndef ENCLAVE_NODE_PUT_PUT_H
#define ENCLAVE_NODE_PUT_PUT_H

#include "base/env.h"
#include "core/files/manifest.h"
#include "core/files/place.h"
#include "core/ports/file.h"
#include "core/ports/kv.h"
#include "core/ports/work.h"
#include "node/hold/hold.h"

#define PUT_JOBS_MAX 1024
#define PUT_RUNNING_MAX 8             /* small ones; a larger one runs alone */
#define PUT_SMALL ((uint64_t)1 << 20) /* bytes of the source */
#define PUT_PATH_MAX 4096
#define PUT_ROWS_MAX 256 /* of one rows_commit */

/* Keys as of now; wiped by put after use. */
struct put_keys {
    uint64_t epoch;
    uint8_t file_kek[32];
    uint8_t dedup[32];
    uint8_t placement[32];
    bool convergent; /* policy, default on */
};

struct put_row {
    uint64_t n;
    struct bytes value; /* p NULL: the row is dropped */
};

typedef void put_appended(void *arg, enum status st, uint64_t index);

/* Where a chunk lies that was put before: in one segment, or going on in those behind it. */
#define PUT_FOUND_SEGMENTS 3
struct put_found {
    uint64_t offset;
    size_t n;
    struct manifest_segment segments[PUT_FOUND_SEGMENTS];
};

struct put_env {
    const struct env *env;
    struct work work;
    struct file_port files;
    struct hold *hold;
    enum status (*keys)(void *ctx, struct put_keys *ret);
    /* Seals body as a feed-2 entry of that type (1 OP, 3 PLACED) and appends it; body is copied.
     * done when the sentinel has it, or when it was refused for good. */
    void (*append)(void *ctx, uint8_t type, struct bytes body, put_appended *done, void *arg);
    /* Whether the folded tree has the version (or had: trash), so that nothing is appended twice. */
    bool (*known)(void *ctx, const uint8_t version[32]);
    /* Whether an entry with the version waits to be sent since before a restart. May be NULL. */
    bool (*queued)(void *ctx, const uint8_t version[32]);
    /* Durable rows in a space of their own; the node seals the values. done after the fsync. */
    enum status (*rows_commit)(void *ctx, const struct put_row *rows, size_t n, kv_done *done,
                               void *arg);
    enum status (*rows_scan)(void *ctx, kv_visit *visit, void *arg);
    /* Dedup; all three may be NULL. found: a living place of a chunk that was known before `mark`,
     * coded as `code`. made: what a put of ours sealed, before its entry. mark: as of now. */
    bool (*found)(void *ctx, uint64_t mark, struct place_code code, const struct manifest_chunk *c,
                  struct put_found *ret);
    void (*made)(void *ctx, const struct manifest *m);
    uint64_t (*mark)(void *ctx);
    void *ctx;
};

enum put_phase {
    PUT_QUEUED,
    PUT_READING,   /* cutting, coding and sending */
    PUT_WAITING,   /* too few holders can be reached for one loss to be survivable */
    PUT_ENTERING,  /* safe enough; its entry is on the way to the files feed */
    PUT_SPREADING, /* accepted: in the tree, one loss survivable; not all columns out yet */
    PUT_DONE,      /* every column acknowledged */
    PUT_FAILED
};

struct put_progress {
    uint64_t job;
    enum put_phase phase;
    enum status st; /* PUT_FAILED: why */
    uint64_t size;
    uint64_t done;   /* bytes of the source that lie safe enough */
    uint64_t saved;  /* bytes that lay there already, in chunks of versions before */
    uint64_t rate;   /* bytes a second, lately */
    uint64_t eta_ms; /* UINT64_MAX: cannot be told */
    struct place_code code;
    unsigned holders;      /* that shall have columns */
    unsigned holders_done; /* that have all of theirs */
    unsigned may_vanish;   /* holders that may vanish as of now */
    uint8_t version[32];   /* from PUT_ENTERING on */
    struct bytes path;     /* in the enclave; valid during the call */
};

/* Called at each change of phase, and at most every 200 ms while bytes move. */
typedef void put_event(void *arg, const struct put_progress *p);

struct put_request {
    const char *source;
    struct bytes path;      /* in the tree */
    uint8_t base[32];       /* version this one replaces; zeros: a new file */
    struct place_code code; /* 0/0: the balanced rule */
    bool strict;
    bool stream;   /* source is a named pipe: read once, so nothing of it can be tried again */
    uint64_t most; /* bytes that a pipe may bring; 0: any number */
};

struct puts;

struct puts *puts_new(const struct put_env *env, put_event *event, void *arg);
void puts_free(struct puts *p); /* jobs stay in their rows */
enum status puts_resume(struct puts *p) MUST_USE;
enum status put_start(struct puts *p, const struct put_request *r, uint64_t *ret_job) MUST_USE;
/* Gives a job up: shards already sent fall to their leases. ST_NOT_FOUND. After PUT_SPREADING began
 * the file stays. */
enum status put_cancel(struct puts *p, uint64_t job) MUST_USE;
enum status put_look(const struct puts *p, uint64_t job, struct put_progress *ret) MUST_USE;
/* Visits every job; false stops. */
void puts_each(const struct puts *p, bool (*visit)(void *arg, const struct put_progress *p),
               void *arg);
/* Time: rates, retries. Returns the next mono_ms at which it wants to be called; UINT64_MAX: not before
 * another job. */
uint64_t puts_tick(struct puts *p);

#endif
