/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * qr: a safety code as a QR code on a terminal, so that two people who stand
 * side by side can compare with a telephone. It holds the digits alone.
 *
 * Owns nothing. Errors: qr_draw: ST_USAGE if there are no digits, ST_NO_MEMORY;
 *     buffers' own. Order: none.
 */
#ifndef ENCLAVE_CLI_QR_H
#define ENCLAVE_CLI_QR_H

#include "base/bytes.h"

struct qr_style {
    bool halves; /* two rows a line, with half blocks (UTF-8); else two '#' a module */
    bool colour; /* says black and white itself; else light is what the terminal writes with */
    unsigned indent;
};

/* Appends lines. Whatever is no digit in code is passed over. */
enum status qr_draw(const char *code, const struct qr_style *style, struct buf *out) MUST_USE;

#endif
