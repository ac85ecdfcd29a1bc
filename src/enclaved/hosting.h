/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * hosting: the sentinel inside a daemon (node/host), in HOME/sentinel. Its
 * enclaves know its address, so a port that the system chose is kept for the
 * next start.
 *
 * Owns: nothing; the host that hosting_open gives is closed by the caller.
 * Errors: as host.h says; fault.text is one line. Order: none.
 */
#ifndef ENCLAVE_ENCLAVED_HOSTING_H
#define ENCLAVE_ENCLAVED_HOSTING_H

#include "enclaved/daemon.h"
#include "node/host/host.h"

struct hosting {
    uv_loop_t *loop;
    const struct env *env;
    const struct options *options;
    const char *home;
};

/* ret_paste: HOST:PORT#PIN as members are to be told, with node.announce's first host where the
 * sentinel listens on all addresses. */
enum status hosting_open(const struct hosting *h, struct host **ret,
                         char ret_paste[HOST_PASTE_SIZE], struct daemon_fault *fault) MUST_USE;

#endif
