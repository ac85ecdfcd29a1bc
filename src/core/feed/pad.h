/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * pad: the sizes that a stored entry may have: 512 B, then 2 KiB doubling to
 * 512 KiB (design.md section 4). The class is the smallest that holds the whole
 * stored entry; what is added is zeros and nothing else.
 *
 * Owns nothing. Errors: 0 where no class is large enough. Order: none.
 */
#ifndef ENCLAVE_CORE_FEED_PAD_H
#define ENCLAVE_CORE_FEED_PAD_H

#include <stdbool.h>
#include <stddef.h>

#define PAD_MIN ((size_t)512)
#define PAD_MAX ((size_t)512 << 10)

size_t pad_class(size_t n);  /* smallest class >= n, 0 if there is none */
bool pad_is_class(size_t n); /* n is one of the sizes */

#endif
