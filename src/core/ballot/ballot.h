/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * ballot: the kinds of vote behind one table. What a ballot says and how a vote
 * is counted differ; who may vote, when a vote is open and what follows is the
 * ledger's. Built: open ballots (signed by the ledger entry itself). Reserved:
 * secret ballots (kind 2, anonymous veto, 96 bytes).
 *
 * Owns nothing. Errors: ballot_kind gives NULL for a kind that is not built;
 *     read: ST_BAD_MESSAGE. Order: none.
 */
#ifndef ENCLAVE_CORE_BALLOT_BALLOT_H
#define ENCLAVE_CORE_BALLOT_BALLOT_H

#include "base/bytes.h"

#define BALLOT_OPEN 1
#define BALLOT_SECRET 2 /* reserved */
#define BALLOT_FORM_MAX 96

enum ballot_choice { BALLOT_NONE, BALLOT_YES, BALLOT_NO, BALLOT_HIDDEN };
enum ballot_result { BALLOT_PENDING, BALLOT_PASSED, BALLOT_REJECTED };

struct ballot_kind {
    uint8_t kind;
    const char *name;
    size_t form_size; /* bytes that a ballot's form has */
    /* Reads a form; checks all that can be checked without the other ballots. */
    enum status (*read)(struct bytes form, enum ballot_choice *ret_choice);
    /* choices: one a voter, BALLOT_NONE where nothing came yet. */
    enum ballot_result (*count)(const enum ballot_choice *choices, size_t voters);
};

const struct ballot_kind *ballot_kind(uint8_t kind);

/* The form of an open ballot. */
void ballot_open_form(bool yes, uint8_t ret[1]);

#endif
