/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * spare: a few buffers of one size that the links of one thread use in turn, so
 * that a link has none while nothing is under way.
 *
 * Owns: what lies in it, until spare_free. A buffer that was taken is its taker's,
 *     who gives it back or frees it; it is plain memory of malloc.
 * Errors: spare_take: NULL when out of memory.
 * Order: {0} is an empty one. spare_give wipes the first used bytes, which is all
 *     that was written; where enough lie here the buffer is freed.
 */
#ifndef ENCLAVE_LINK_SPARE_H
#define ENCLAVE_LINK_SPARE_H

#include <stddef.h>
#include <stdint.h>

#define SPARE_SIZE ((size_t)65 << 10) /* four sealed records and what is around them */
#define SPARE_MOST 8

struct spare {
    uint8_t *p[SPARE_MOST];
    size_t n;
};

uint8_t *spare_take(struct spare *s);
void spare_give(struct spare *s, uint8_t *p, size_t used);
void spare_free(struct spare *s);

#endif
