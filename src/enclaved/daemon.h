/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * daemon: the parts of enclaved put together on one loop: log, store, links,
 * node, vault, local API and, if asked, a sentinel inside.
 *
 * Owns: all of its parts; options are borrowed.
 * Errors: daemon_start: fault.text is one line for people: what is wrong and
 *     what to do. Exit code by status_exit.
 * Order: daemon_new, daemon_start, uv_run of daemon_loop, daemon_free. After a
 *     failed start too the loop is run: it undoes what was begun.
 * Thread: loop thread.
 */
#ifndef ENCLAVE_ENCLAVED_DAEMON_H
#define ENCLAVE_ENCLAVED_DAEMON_H

#include "tables/options.h"

#include <uv.h>

struct daemon;

struct daemon_options {
    struct options *values;
    const char *home; /* absolute */
    const char *log;  /* file; NULL: standard error */
    int ready_fd;     /* gets one line once the API answers; -1: none */
};

struct daemon_fault {
    char text[4800];
};

enum status daemon_new(const struct daemon_options *options, struct daemon **ret,
                       struct daemon_fault *fault) MUST_USE;
enum status daemon_start(struct daemon *d, struct daemon_fault *fault) MUST_USE;
void daemon_stop(struct daemon *d);
uv_loop_t *daemon_loop(struct daemon *d);
const char *daemon_socket(const struct daemon *d);
const char *daemon_hosted(const struct daemon *d); /* HOST:PORT#PIN, or NULL */
void daemon_free(struct daemon *d);

#endif
