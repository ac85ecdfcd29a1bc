/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * vote_parts: what the files of node/vote share; no one else includes it.
 *
 * Owns nothing. Errors: of node.h. Order: none.
 */
#ifndef ENCLAVE_NODE_VOTE_PARTS_H
#define ENCLAVE_NODE_VOTE_PARTS_H

#include "node/enclave/enclave.h"

/* Nobody votes on what is not shown: the longest lists have room. */
#define VOTE_SENTINELS_MAX (LEDGER_SENTINELS_MAX * (LEDGER_ADDRESS_MAX + 1 + 64 + 1))
#define VOTE_CHANGES_MAX (2 * VOTE_SENTINELS_MAX + 2048)
#define VOTE_NAMES_MAX (LEDGER_MEMBERS_MAX * (NODE_NICK_MAX + 2))

/* An enclave in which something can be written now. */
enum status vote_enclave(struct node *n, const char *name, struct enclave **ret) MUST_USE;
/* Copies a reason; NULL is empty. ST_USAGE: too long, or with control characters. */
enum status vote_reason(const char *reason, char ret[LEDGER_REASON_MAX + 1]) MUST_USE;
/* What a policy proposal changes, a line each. */
void vote_changes(const struct enclave *e, const struct ledger_proposal *p, char *out, size_t room);

#endif
