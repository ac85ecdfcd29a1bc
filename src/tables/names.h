/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * names: names of files are bytes, JSON is text. A name that is UTF-8 without
 * control characters stands in JSON as it is; any other is percent-encoded
 * (every byte but letters, digits and -._~/) and a second key, NAME_encoded, is true.
 *
 * Owns nothing. Errors: names_decode: ST_USAGE for a broken %, or a NUL byte;
 *     buffers' own. Order: none.
 */
#ifndef ENCLAVE_TABLES_NAMES_H
#define ENCLAVE_TABLES_NAMES_H

#include "base/bytes.h"

/* Whole, shortest-form UTF-8 (RFC 3629). */
bool names_utf8(struct bytes b);
/* UTF-8 without control characters: stands in JSON and on a terminal as it is. */
bool names_plain(struct bytes b);
void names_encode(struct bytes name, struct buf *out);
enum status names_decode(struct bytes text, struct buf *out) MUST_USE;
/* For a terminal: control characters, broken UTF-8 and marks that turn the direction of writing
 * come out as '?': a name from elsewhere cannot move the cursor or fake a line. newline: '\n' and
 * '\t' pass. */
void names_show(struct bytes text, bool newline, struct buf *out);

#endif
