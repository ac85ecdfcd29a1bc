/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * watch: what nobody may ever do, looked at in each APPEND that reaches the
 * sentinel (taken or not): one hint of the mail is never used for two different
 * entries, one veto key never for two ballots; and who is out, as it was then,
 * is handed everything that comes after and must not be able to follow.
 *
 * Owns: its tables and the copies of those who are out.
 * Errors: sim_fail.
 * Order: watch_append for each APPEND, watch_step after each step, watch_forget
 *     when all begin anew.
 */
#ifndef ENCLAVE_TESTS_SIM_WATCH_H
#define ENCLAVE_TESTS_SIM_WATCH_H

#include "core/ledger/group.h"
#include "core/room/room_wire.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WATCH_HINTS ((size_t)1 << 16)
#define WATCH_BALLOTS 4096
#define WATCH_GHOSTS 8
#define WATCH_ILL 4096

struct sim;
struct person;

struct watch_hint {
    bool used;
    uint8_t hint[8], hash[32];
    unsigned by;
    uint64_t at_ms;
};

struct watch_ballot {
    uint8_t actor[32], hash[32]; /* hash: of the sealed entry */
    uint32_t serial;
    uint8_t form[96];
    unsigned by;
    uint64_t at_ms;
};

/* One that is out, with all that it knew. */
struct watch_ghost {
    struct group *group;
    unsigned person;
    bool out; /* its going is in the ledger as it knows it */
    uint64_t epoch;
};

struct watch {
    struct watch_hint *hints;
    size_t n_hints;
    struct watch_ballot *ballots;
    size_t n_ballots;
    struct watch_ghost ghosts[WATCH_GHOSTS];
    size_t n_ghosts;
    uint8_t (*ill)[32]; /* sealed entries that villains wrote: they keep to no rule */
    size_t n_ill;
    uint64_t unknowable; /* told twice by a machine that was set back and could not know */
};

/* true: a ballot of its caller's, for the vote with the hash. */
/* A frame that hands an entry over early. */
void watch_early(struct sim *s, unsigned caller, struct bytes sealed);
bool watch_append(struct sim *s, unsigned caller, const struct room_append *msg,
                  uint8_t ret_vote[32]);
void watch_ill(struct sim *s, struct bytes sealed);
/* saved: what group_save gave. */
void watch_out(struct sim *s, unsigned person, struct bytes saved);
void watch_step(struct sim *s);
void watch_forget(struct sim *s);

#endif
