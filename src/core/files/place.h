/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * place: how many columns, which holder gets which, and what may be lost
 * (protocol.md 9, balanced and thrifty rule, named profiles).
 *
 * Owns nothing. Errors: ST_USAGE for a profile outside 1 <= k <= n <= 64 or a
 * text that is none. Pure: probabilities are doubles that only choose k; the
 * chosen k and n are then written down, no two machines need agree on them.
 */
#ifndef ENCLAVE_CORE_FILES_PLACE_H
#define ENCLAVE_CORE_FILES_PLACE_H

#include "base/bytes.h"

#define PLACE_COLUMNS_MAX 64
#define PLACE_HOLDERS_MAX 128
#define PLACE_BEST 20        /* of more holders, a segment uses so many */
#define PLACE_NOBODY 0xFFFFU /* not placed yet */
#define PLACE_LOST 0xFFFEU   /* it was at a holder that lost it */

struct place_code {
    uint8_t k;
    uint8_t n;
};

/* g holders, g >= 1. */
struct place_code place_balanced(size_t g);
/* The same for holders that are seldom away: fewer may vanish, less is kept twice. */
struct place_code place_thrifty(size_t g);
/* "balanced", "thrifty", "mirror" (a copy with everybody), or K/N such as "8/20", among g holders. */
enum status place_profile(const char *text, size_t g, struct place_code *ret) MUST_USE;

/* P(fewer than k columns up) when holder i with columns[i] columns is up with p[i]. */
double place_loss(const uint8_t *columns, const double *p, size_t holders, unsigned k);

/* Chooses a holder for each column: order of the leaves by HMAC(placement secret, segment_id |
 * leaf), then round robin; never more than ceil(n/g) columns on one. */
void place_columns(const uint8_t secret[32], const uint8_t segment_id[32], const uint16_t *leaves,
                   size_t g, unsigned n, uint16_t ret[PLACE_COLUMNS_MAX]);

/* Of columns at holders (PLACE_NOBODY: nowhere): how many holders may vanish, whichever they are,
 * with k columns left. -1: there are fewer than k already. holders: how many have any. */
int place_may_vanish(const uint16_t *at, unsigned n, unsigned k, unsigned *ret_holders);

/* P(at least k columns of a segment are there), the columns as they lie (PLACE_NOBODY: nowhere) and
 * each holder there by its own chance. weakest: the holder without whom it is the smallest. */
typedef double place_chance(void *arg, uint16_t holder);
double place_survival(const uint16_t *at, unsigned n, unsigned k, place_chance *chance, void *arg,
                      uint16_t *ret_weakest);

#endif
