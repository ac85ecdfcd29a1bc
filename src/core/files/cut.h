/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * cut: content-defined chunk borders (FastCDC: Xia et al., USENIX ATC 2016,
 * normalised chunking). 256 KiB / 768 KiB / 2 MiB, 21 and 19 bits. The gear table
 * comes from a keyed expansion, so that members of one generation cut alike and
 * strangers don't; that alone would not hide lengths (protocol-notes 5.1):
 * packing into segments does.
 *
 * Owns nothing. Never fails. Order: cut_init, then cut_next for each chunk.
 */
#ifndef ENCLAVE_CORE_FILES_CUT_H
#define ENCLAVE_CORE_FILES_CUT_H

#include "base/bytes.h"

#define CUT_MIN ((size_t)256 << 10)
#define CUT_NORMAL ((size_t)768 << 10)
#define CUT_MAX ((size_t)2 << 20)

struct cut {
    uint64_t gear[256];
};

void cut_init(struct cut *c, const uint8_t dedup_secret[32]);
/* Length of the chunk that begins at p. n: CUT_MAX bytes, or fewer if the input ends there. */
size_t cut_next(const struct cut *c, const uint8_t *p, size_t n);

#endif
