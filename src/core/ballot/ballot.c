/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "core/ballot/ballot.h"

/* Open: the ledger entry's own signature says whose ballot it is; the form is one byte. */
static enum status open_read(struct bytes form, enum ballot_choice *ret_choice)
{
    if (form.n != 1 || form.p[0] > 1) return ST_BAD_MESSAGE;
    *ret_choice = form.p[0] == 1 ? BALLOT_YES : BALLOT_NO;
    return ST_OK;
}

/* The first no rejects; only everybody's yes passes. */
static enum ballot_result open_count(const enum ballot_choice *choices, size_t voters)
{
    size_t yes = 0;
    for (size_t i = 0; i < voters; i++) {
        if (choices[i] == BALLOT_NO) return BALLOT_REJECTED;
        if (choices[i] == BALLOT_YES) yes++;
    }
    return voters > 0 && yes == voters ? BALLOT_PASSED : BALLOT_PENDING;
}

static const struct ballot_kind kinds[] = {
    {BALLOT_OPEN, "open", 1, open_read, open_count},
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
