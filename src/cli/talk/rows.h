/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * talk/rows: on which row of a terminal the cursor stands within a line that
 * wraps, laid out as libedit does it: control characters as ^X, a wide
 * character never over the margin, a full row goes on at once in the next one.
 * Pure, but for the locale, which says how wide a character is.
 *
 * Owns nothing. Never fails. No order of calls.
 */
#ifndef ENCLAVE_CLI_TALK_ROWS_H
#define ENCLAVE_CLI_TALK_ROWS_H

#include <stddef.h>
#include <wchar.h>

struct talk_rows {
    unsigned cursor; /* row of the cursor, from 0 */
    unsigned last;   /* row where the text ends */
    unsigned column; /* of the cursor */
};

/* A prompt and behind it a text of n characters, the cursor before text[cursor]. */
struct talk_rows talk_rows(const wchar_t *prompt, const wchar_t *text, size_t n, size_t cursor,
                           unsigned columns);

#endif
