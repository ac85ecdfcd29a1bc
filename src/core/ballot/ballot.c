/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "core/ballot/ballot.h"

#include <string.h>

#define VOTERS_MAX 64

/* Open: the ledger entry's own signature says whose ballot it is; the form is one byte. */
static enum status open_read(struct bytes form, const struct ballot_place *place,
                             struct ballot_cast *ret)
{
    (void)place;
    if (form.n != 1 || form.p[0] > 1) return ST_BAD_MESSAGE;
    ret->choice = form.p[0] == 1 ? BALLOT_YES : BALLOT_NO;
    return ST_OK;
}

/* The first no rejects; only everybody's yes passes. */
static enum ballot_result open_count(const struct ballot_cast *casts, size_t voters)
{
    size_t yes = 0;
    for (size_t i = 0; i < voters; i++) {
        if (casts[i].choice == BALLOT_NO) return BALLOT_REJECTED;
        if (casts[i].choice == BALLOT_YES) yes++;
    }
    return voters > 0 && yes == voters ? BALLOT_PASSED : BALLOT_PENDING;
}

static enum status secret_read(struct bytes form, const struct ballot_place *place,
                               struct ballot_cast *ret)
{
    if (form.n != VETO_BALLOT) return ST_BAD_MESSAGE;
    enum status st = veto_ballot_check(place->ctx, place->i, place->y, form.p);
    if (st != ST_OK) return st;
    ret->choice = BALLOT_HIDDEN;
    memcpy(ret->v, form.p, VETO_POINT);
    return ST_OK;
}

/* Nothing is known before the last ballot is in: then, whether there was a veto. */
static enum ballot_result secret_count(const struct ballot_cast *casts, size_t voters)
{
    uint8_t vs[VOTERS_MAX * VETO_POINT];
    bool passed = false;
    if (voters == 0 || voters > VOTERS_MAX) return BALLOT_PENDING;
    for (size_t i = 0; i < voters; i++) {
        if (casts[i].choice != BALLOT_HIDDEN) return BALLOT_PENDING;
        memcpy(vs + i * VETO_POINT, casts[i].v, VETO_POINT);
    }
    enum status st = veto_tally(vs, voters, &passed);
    return st == ST_OK && passed ? BALLOT_PASSED : BALLOT_REJECTED;
}

static const struct ballot_kind kinds[] = {
    {BALLOT_OPEN, "open", 1, open_read, open_count},
    {BALLOT_SECRET, "secret", VETO_BALLOT, secret_read, secret_count},
};

const struct ballot_kind *ballot_kind(uint8_t kind)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (kinds[i].kind == kind) return &kinds[i];
    return NULL;
}

void ballot_open_form(bool yes, uint8_t ret[1])
{
    ret[0] = yes;
}
