/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * get: brings one version of a file from the holders to a file of the owner.
 * Any k columns of each segment do; each is verified leaf by leaf against the
 * segment root of the manifest before a byte of it is used; holders that
 * answer wrongly are named and others asked. The target appears under its name
 * only when the whole file's hash is right; into a pipe goes nothing but chunks
 * that were verified each. An interrupted get goes
 * on where its unfinished file ends.
 *
 * Owns: a struct get belongs to the caller from get_start until get_free; it copies
 *     the request. Borrows get_env's functions and hold.
 * Errors: event with GET_FAILED: ST_UNREACHABLE (fewer than k columns can be
 *     reached), ST_INTEGRITY, ST_BAD_SEAL, ST_EXISTS, ST_NO_SPACE, ST_IO,
 *     ST_USAGE (a range that begins behind the end), ST_CLOSED (nobody reads the pipe).
 * Order: get_start, events, get_free (at any moment: stops it, keeps the
 *     unfinished file). Events never run inside the call; get_free may be
 *     called inside the last event.
 * Memory: below 96 MiB for any file and profile.
 */
#ifndef ENCLAVE_NODE_GET_GET_H
#define ENCLAVE_NODE_GET_GET_H

#include "base/env.h"
#include "core/ports/file.h"
#include "core/ports/work.h"
#include "node/hold/hold.h"

struct get_env {
    const struct env *env;
    struct work work;
    struct file_port files;
    struct hold *hold;
    /* Where the columns of a segment are as far as PLACED records tell; false: unknown. */
    bool (*placed)(void *ctx, const uint8_t segment_id[32], uint16_t ret_at[SHARD_COLUMNS_MAX],
                   unsigned *ret_n);
    void *ctx;
};

struct get_request {
    struct bytes manifest; /* sealed, as in the tree */
    uint8_t version[32];   /* its id */
    uint8_t cek[32];
    const char *target; /* a named pipe: the bytes go there as they come, each chunk verified */
    bool replace;
    /* Which bytes are wanted; to == 0: up to the end. Of a part each chunk is verified, the whole
     * cannot be. */
    uint64_t from, to;
};

enum get_phase { GET_OPENING, GET_READING, GET_CLOSING, GET_DONE, GET_FAILED };

#define GET_BAD_MAX 64 /* bad shards remembered by name */

struct get_bad {
    uint16_t leaf;
    uint8_t index;
    uint16_t segment; /* number in the manifest's table */
    uint8_t segment_id[32];
    enum status why;
};

struct get_progress {
    enum get_phase phase;
    enum status st;
    uint64_t size;
    uint64_t done;
    uint64_t rate;
    uint64_t eta_ms;
    uint8_t hash[32]; /* GET_DONE: SHA-256 of the file */
    unsigned holders; /* that gave something */
    size_t bad_n;     /* all bad shards met; bad holds the first GET_BAD_MAX */
    const struct get_bad *bad;
};

typedef void get_event(void *arg, const struct get_progress *p);

struct get;

struct get *get_start(const struct get_env *env, const struct get_request *r, get_event *event,
                      void *arg); /* NULL: no memory */
void get_free(struct get *g);
/* Time: slow holders, rates. Returns the next mono_ms at which it wants to be called. */
uint64_t get_tick(struct get *g);

#endif
