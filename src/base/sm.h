/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * sm: state machines as tables with checked moves. A state is a row: name and
 * the set of states that may follow. A move that the table does not allow is a
 * bug of ours and stops the program: a peer's illegal message must be refused
 * (ST_PROTOCOL) before a move is tried, sm_allows tells.
 *
 * Owns nothing; the table is const and outlives the machine.
 * Order: sm_init, then sm_move as often as wanted.
 */
#ifndef ENCLAVE_BASE_SM_H
#define ENCLAVE_BASE_SM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SM_BIT(state) (UINT32_C(1) << (state))
#define SM_MAX_STATES 32

struct sm_state {
    const char *name;
    uint32_t next; /* SM_BIT of each state that may follow */
};

struct sm_table {
    const char *name;
    const struct sm_state *states;
    unsigned n;
};

struct sm {
    const struct sm_table *table;
    unsigned state;
};

void sm_init(struct sm *m, const struct sm_table *table, unsigned first);
bool sm_allows(const struct sm *m, unsigned to);
void sm_move(struct sm *m, unsigned to); /* aborts with both names if the table forbids it */
const char *sm_name(const struct sm *m);

/* Checks the table itself, for tests: each state named, successors exist, all but the first
 * reachable. Returns NULL or what is wrong. */
const char *sm_table_fault(const struct sm_table *table);

#endif
