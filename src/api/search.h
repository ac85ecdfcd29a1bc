/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * search: whether a text holds all the words that are looked for, whatever
 * their case (a sharp s is two s) and of how accents are written, in any order,
 * also inside longer words.
 *
 * Owns: a search owns its words until search_free.
 * Errors: search_new: ST_USAGE (no word, or more than SEARCH_WORDS_MAX), ST_NO_MEMORY.
 * Order: search_new, search_holds, search_free.
 */
#ifndef ENCLAVE_API_SEARCH_H
#define ENCLAVE_API_SEARCH_H

#include "base/bytes.h"

#define SEARCH_WORDS_MAX 16
#define SEARCH_BYTES_MAX 512

struct search;

enum status search_new(struct bytes words, struct search **ret) MUST_USE;
/* Bytes that are no UTF-8 stand for themselves. */
bool search_holds(struct search *s, struct bytes text);
void search_free(struct search *s);

#endif
