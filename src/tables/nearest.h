/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * nearest: "did you mean": the known word closest to a mistyped one by edit
 * distance (insert, drop, change, swap of neighbours).
 *
 * Owns nothing. Never fails. No order of calls.
 */
#ifndef ENCLAVE_TABLES_NEAREST_H
#define ENCLAVE_TABLES_NEAREST_H

#include <stddef.h>

#define NEAREST_WORD_MAX 64 /* longer words have no neighbours */

/* Edits from a to b; words over NEAREST_WORD_MAX are infinitely far (UINT32_MAX). */
unsigned nearest_distance(const char *a, const char *b);

/* Keeps the best of the words shown to it: start with {.word = w}, show all, read .best. */
struct nearest {
    const char *word;
    const char *best; /* NULL: nothing is near enough */
    unsigned distance;
};
void nearest_try(struct nearest *n, const char *known);

#endif
