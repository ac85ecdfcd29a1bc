/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * qr: a safety code, or a short text, as a QR code on a terminal, so that two
 * people who stand side by side can compare with a telephone.
 *
 * Owns nothing. Errors: ST_USAGE if there are no digits or the text is longer
 *     than QR_TEXT_MAX, ST_NO_MEMORY; buffers' own. Order: none.
 */
#ifndef ENCLAVE_CLI_QR_H
#define ENCLAVE_CLI_QR_H

#include "base/bytes.h"

struct qr_style {
    bool halves; /* two rows a line, with half blocks (UTF-8); else two '#' a module */
    bool colour; /* says black and white itself; else light is what the terminal writes with */
    unsigned indent;
};

#define QR_TEXT_MAX 400 /* more would not fit a terminal of 80 columns */

/* Appends lines. */
enum status qr_text(const char *text, const struct qr_style *style, struct buf *out) MUST_USE;
/* The digits of code alone: whatever is none is passed over. */
enum status qr_draw(const char *code, const struct qr_style *style, struct buf *out) MUST_USE;

#endif
