/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * storage: the parts of storaged put together on one loop: key, database, shard
 * files, listener, and node/depot, which decides. And what is done without a
 * loop: a fresh offer, and the look through all shards.
 *
 * Owns: all of its parts; options are borrowed.
 * Errors: fault.text is one line for people: what is wrong and what to do.
 * Order: storage_new, storage_start, uv_run of storage_loop, storage_free; after
 *     a failed start too the loop is run: it undoes what was begun.
 * Thread: loop thread.
 */
#ifndef ENCLAVE_STORAGED_STORAGE_H
#define ENCLAVE_STORAGED_STORAGE_H

#include "base/env.h"
#include "core/grant/grant.h"

#include <uv.h>

#define STORAGE_PATH_MAX 4300
#define STORAGE_OFFER_MS (UINT64_C(30) * 24 * 3600 * 1000)

struct storage;

struct storage_options {
    const struct env *env;
    const char *data;
    const char *listen;   /* "host:port"; port 0: the one of the last time, else any */
    const char *announce; /* host under which members reach it; "": that of listen */
    uint64_t most;        /* bytes */
    unsigned workers;
};

struct storage_fault {
    char text[STORAGE_PATH_MAX + 500];
};

enum status storage_new(const struct storage_options *o, struct storage **ret) MUST_USE;
enum status storage_start(struct storage *s, struct storage_fault *fault) MUST_USE;
void storage_stop(struct storage *s);
uv_loop_t *storage_loop(struct storage *s);
const char *storage_address(const struct storage *s); /* where it listens */
void storage_free(struct storage *s);

/* A fresh offer of at most quota bytes, good for 30 days. It must have been started once. */
enum status storage_offer(const struct storage_options *o, uint64_t quota, char ret[GRANT_TEXT_MAX],
                          struct storage_fault *fault) MUST_USE;

struct storage_found {
    uint64_t shards, bytes, rotten;
};
/* Reads every shard and checks it against its own root; bad is told the file of each that is wrong. */
enum status storage_check(const struct storage_options *o, struct storage_found *ret,
                          void (*bad)(const char *file, enum status why),
                          struct storage_fault *fault) MUST_USE;
/* Puts the database aside; rooms come back as their members bring their grants. */
enum status storage_rebuild(const struct storage_options *o, struct storage_fault *fault) MUST_USE;

#endif
