/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * broadcast: the same words said to several enclaves, for `enclave broadcast` and
 * the chat's /broadcast, so that both warn, wait and report alike. It prints
 * nothing: what there is to say goes to the caller's functions.
 *
 * Owns: a struct broadcast owns its list; names and texts in it live as long. The
 *     words and the client are borrowed for the length of a call.
 * Errors: exit codes as in cli.h. A name that does not fit is found before anything
 *     is said; what fails later is kept with its enclave and the others go on, but
 *     where there is no daemon, or a locked one, the rest is not tried.
 * Order: broadcast_find, broadcast_tell, broadcast_say once, broadcast_report and
 *     broadcast_exit, broadcast_free.
 * Thread: one at a time; broadcast_say may run in another one than broadcast_find,
 *     with a client of its own.
 */
#ifndef ENCLAVE_CLI_BROADCAST_H
#define ENCLAVE_CLI_BROADCAST_H

#include "cli/cli.h"

#define BROADCAST_MAX 64 /* as many enclaves as a home has */
#define BROADCAST_QUESTION "Say it to all of them? [y/N] "

struct broadcast_target {
    json_t *enclave; /* as the daemon described it */
    bool tried;
    int code;        /* exit code of saying it there */
    uint64_t number; /* the message's there */
    char problem[512];
};

struct broadcast {
    struct broadcast_target list[BROADCAST_MAX];
    size_t n, delivered;
};

/* names: with commas; NULL: all enclaves one is a member of. NULL: *ret_code is the exit code,
 * problem and next say why. */
struct broadcast *broadcast_find(struct enclave *client, const char *names, int *ret_code,
                                 char problem[512], char next[128]);
void broadcast_free(struct broadcast *b); /* NULL is fine */
const char *broadcast_name(const struct broadcast *b, size_t i);

/* Are there two that these words would link? Then one is asked back. */
bool broadcast_links(const struct broadcast *b);
/* What is to be known before: to whom it goes, what it gives away. A line at a time. */
typedef void broadcast_line(void *arg, enum cli_style style, const char *text);
void broadcast_tell(const struct broadcast *b, bool now, broadcast_line *line, void *arg);

struct broadcast_ways {
    /* Waits ms (0: not at all) before the next one; false: it and the rest are not said. */
    bool (*pause)(void *arg, const struct broadcast *b, unsigned ms);
    /* The ith could not be said. */
    void (*failed)(void *arg, const struct broadcast *b, size_t i);
    void *arg;
};

/* In any order, with random gaps of some seconds unless now. Returns broadcast_exit. */
int broadcast_say(struct enclave *client, struct broadcast *b, const char *text, bool now,
                  const struct broadcast_ways *ways);
/* "2/3 delivered, not to board": the daemon has them safe on disk; those left out are as --to takes
 * them. out ends with a NUL. */
void broadcast_report(const struct broadcast *b, struct buf *out);
/* 0 all, 3 some, else the first problem's. */
int broadcast_exit(const struct broadcast *b);

#endif
