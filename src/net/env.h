/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * net/env: the real clock, randomness (getrandom) and log of a program.
 * A log line: 2026-11-21T07:50:25.123Z warn  net   text
 *
 * Owns: the log file if it opened one. Errors: net_env_open: ST_IO, ST_DENIED.
 *     Randomness that the kernel refuses stops the program.
 * Order: net_env_open, net_env, net_env_close last. Loop thread; random and the
 *     clocks from any thread.
 */
#ifndef ENCLAVE_NET_ENV_H
#define ENCLAVE_NET_ENV_H

#include "base/env.h"
#include "base/status.h"

#include <stdbool.h>

struct net_env {
    int fd;
    bool own;
    enum env_level most; /* the most talkative level that is written */
};

/* path NULL: standard error. A new log file is made 0600. */
enum status net_env_open(struct net_env *e, const char *path, enum env_level most) MUST_USE;
struct env net_env(struct net_env *e);
void net_env_close(struct net_env *e);

#endif
