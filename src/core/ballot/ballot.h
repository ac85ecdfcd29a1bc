/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * ballot: the kinds of vote behind one table. What a ballot says and how a vote
 * is counted differ; who may vote, when a vote is open and what follows is the
 * ledger's. Open: signed by the ledger entry itself. Secret: an anonymous veto
 * (crypto/veto): everybody sees who voted, nobody what.
 *
 * Owns nothing. Errors: ballot_kind gives NULL for a kind that there is not;
 *     read: ST_BAD_MESSAGE, ST_BAD_KEY, ST_BAD_SIGNATURE. count: ST_OK.
 * Order: read each form as it comes, count afterwards.
 */
#ifndef ENCLAVE_CORE_BALLOT_BALLOT_H
#define ENCLAVE_CORE_BALLOT_BALLOT_H

#include "base/bytes.h"
#include "crypto/veto.h"

#define BALLOT_OPEN 1
#define BALLOT_SECRET 2
#define BALLOT_FORM_MAX 96

enum ballot_choice { BALLOT_NONE, BALLOT_YES, BALLOT_NO, BALLOT_HIDDEN };
enum ballot_result { BALLOT_PENDING, BALLOT_PASSED, BALLOT_REJECTED };

/* A secret voter's place in its vote. Open ballots look at none of it. */
struct ballot_place {
    const uint8_t *ctx; /* 32 */
    uint16_t i;         /* by ID, in byte order */
    const uint8_t *y;   /* 32: the base of its ballot */
};

struct ballot_cast {
    enum ballot_choice choice; /* BALLOT_NONE: nothing came yet */
    uint8_t v[VETO_POINT];     /* of a secret one */
};

struct ballot_kind {
    uint8_t kind;
    const char *name;
    size_t form_size; /* bytes that a ballot's form has */
    /* Reads a form and checks it by itself. */
    enum status (*read)(struct bytes form, const struct ballot_place *place,
                        struct ballot_cast *ret);
    enum ballot_result (*count)(const struct ballot_cast *casts, size_t voters);
};

const struct ballot_kind *ballot_kind(uint8_t kind);

/* The form of an open ballot. */
void ballot_open_form(bool yes, uint8_t ret[1]);

#endif
