/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * villains: what members who mean ill share: an entry with a right signature
 * under a right seal, whatever stands inside, posted at the present head.
 *
 * Owns: a struct right owns its buffers, right_free ends them. A struct enclave
 *     is borrowed from its node. Errors: false: not now.
 * Order: villain_pick; then villain_entry and villain_post, or a group_make_*
 *     into right.draft, right_open, a change of its body, villain_post.
 */
#ifndef ENCLAVE_TESTS_SIM_VILLAINS_H
#define ENCLAVE_TESTS_SIM_VILLAINS_H

#include "core/feed/entry0.h"
#include "core/ledger/group.h"
#include "sim/sim.h"

struct enclave;

/* A draft that is right but for a little. */
struct right {
    struct group_draft draft;
    struct buf plain, body;
    struct entry0 entry; /* its body is a view of body */
    struct entry0_envelope envelope;
};

/* How an ill entry is sealed, and what is looked for once the sentinel has taken it. */
struct ill_mark {
    bool must_void; /* by nobody's judgement can it be right */
    bool nameless;  /* its author cannot be proved */
    int mutant;     /* its enum mutant_kind; -1: no mutant */
};

struct enclave *villain_pick(struct sim *s, struct person **ret); /* NULL: nobody is free */
/* All but type and body. */
void villain_entry(struct sim *s, struct enclave *e, struct entry0 *entry);
/* Signs entry and seals it under log_key; NULL: that of its epoch. */
bool villain_post(struct person *p, struct enclave *e, struct entry0 *entry, const uint8_t *log_key,
                  const uint8_t back[ENTRY0_BACK], struct ill_mark mark);

/* Opens r->draft; its body may then be altered. */
bool right_open(struct right *r, struct enclave *e);
void right_free(struct right *r);

#endif
