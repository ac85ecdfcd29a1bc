/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * host: a whole sentinel as a part: I/O threads that own the connections
 * (net/callers), the hub (core/room) on the loop's thread, the database with the
 * rules on a thread of its own (store). The program `sentinel` and
 * `enclaved --host` run this and nothing else.
 *
 * It keeps no address of anybody, and writes none into the log.
 *
 * Owns: its key, database, threads and connections until it has closed. loop and
 *     env are borrowed and outlive it; env is used by all its threads.
 * Errors: host_open: ST_LOOSE_MODE, ST_BUSY (another sentinel has the directory),
 *     ST_VERSION, ST_INTEGRITY (database or key), ST_EXISTS (port in use), ST_DENIED,
 *     ST_USAGE, ST_UNREACHABLE (address), ST_NOT_FOUND, ST_NO_SPACE, ST_IO,
 *     ST_NO_MEMORY; fault->text says in one line what is wrong and what to do.
 * Order: host_open, events on the loop, host_close, closed; then it is dead.
 * Thread: all calls on the loop's thread.
 */
#ifndef ENCLAVE_NODE_HOST_H
#define ENCLAVE_NODE_HOST_H

#include "base/env.h"
#include "core/room/hub.h"
#include "net/server.h"
#include "tables/options.h"

#define HOST_DATABASE "rooms.db"
#define HOST_KEY "server.key"
#define HOST_PATH_MAX 4200
#define HOST_PASTE_SIZE (LINK_ADDRESS_MAX + 2 + 64 + 1) /* HOST:PORT#PIN */

struct host;

struct host_options {
    const char *listen; /* "host:port"; port 0 lets the system choose */
    const char *data;   /* directory, made (0700) if it is missing */
    unsigned threads;   /* for connections; 0: as suits the machine */
    struct room_limits limits;
};

struct host_fault {
    char text[HOST_PATH_MAX + 300];
};

enum status host_open(uv_loop_t *loop, const struct env *env, const struct host_options *options,
                      struct host **ret, struct host_fault *fault) MUST_USE;
/* "HOST:PORT#PIN" as an invitation names it; HOST as it was given. */
const char *host_paste(const struct host *h);
const char *host_address(const struct host *h); /* "HOST:PORT" */
const char *host_pin(const struct host *h);     /* 64 hex characters */
void host_numbers(const struct host *h, struct hub_numbers *ret);
/* Takes nothing new, answers what it has, ends all connections. */
void host_close(struct host *h, void (*closed)(void *arg), void *arg);

/* The limits as the configuration has them. */
void host_limits(const struct options *o, struct room_limits *ret);
/* The key of a data directory, made if it is missing. */
enum status host_key(const char *data, const struct env *env, struct server_key *ret,
                     struct host_fault *fault) MUST_USE;

#endif
