/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * plan: what is to be done for a segment whose columns are not all where they
 * should be, and who does it. Columns that are gone for good (lost, or with a holder
 * that left) are made again at once; those of holders who are away longer than the
 * grace only when k + ceil((n-k)/2) columns or fewer are left without them; those that were
 * never placed when the caller says that nobody is about it (open).
 * docs/spec/files.md, Repair.
 *
 * Owns nothing. Errors: none. Order: none. Pure: the same lists give the same
 * plan and the same turn on every machine.
 */
#ifndef ENCLAVE_CORE_REPAIR_PLAN_H
#define ENCLAVE_CORE_REPAIR_PLAN_H

#include "core/files/place.h"

#define PLAN_GRACE_MS (UINT64_C(24) * 3600 * 1000)
#define PLAN_TURN_MS UINT64_C(60000) /* silence of one repairer after which the next begins */

struct plan_holder {
    uint16_t number;
    bool stays;    /* holds for the enclave, and is not about to leave it */
    bool away;     /* longer than the grace */
    bool up;       /* can be sent to now */
    bool fit;      /* may be given new columns */
    double weight; /* among equals the heavier is taken: free space, score, availability */
};

struct plan {
    unsigned live;   /* columns that can be counted on */
    unsigned gone;   /* for good */
    unsigned due;    /* columns to be made again */
    unsigned placed; /* of these, for so many there is a place now */
    uint8_t index[PLACE_COLUMNS_MAX];
    uint16_t to[PLACE_COLUMNS_MAX];
};

/* Live columns at which repair of absent holders' columns begins. */
unsigned plan_threshold(unsigned k, unsigned n);

/* at: the holder of each column. A new column goes to the holder that has the fewest of the segment,
 * never above ceil(n / holders that stay and are not away). */
void plan_segment(const struct plan_holder *h, size_t g, const uint16_t *at, unsigned k, unsigned n,
                  bool open, struct plan *ret);

/* Moves from those who have most to those who have two fewer or less, until none is left: every
 * holder that can be reached then has as many columns of the segment as any other, or one less.
 * due: as many as placed. */
void plan_even_out(const struct plan_holder *h, size_t g, const uint16_t *at, unsigned n,
                   struct plan *ret);

/* Order in which members see to a segment: by H("ENCLAVE turn" | segment_id | leaf). Sorts leaves. */
void plan_order(const uint8_t segment_id[32], uint16_t *leaves, size_t n);

#endif
