/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * net/files: core/ports/file.h over libuv's file threads.
 *
 * Owns: struct net_files borrows the loop; files that are open belong to the
 *     caller (see the port). Errors: those of the port; ST_USAGE for what is no
 *     plain file.
 * Order: net_files_init, the port; no call may be under way when the loop ends.
 *     An unfinished target is named .enclave-<tag>.part beside its path, 0600.
 */
#ifndef ENCLAVE_NET_FILES_H
#define ENCLAVE_NET_FILES_H

#include "core/ports/file.h"

#include <uv.h>

struct net_files {
    uv_loop_t *loop;
    uint32_t mask; /* the process's umask: what a target's mode never has */
};

void net_files_init(struct net_files *f, uv_loop_t *loop);
struct file_port net_files(struct net_files *f);

#endif
