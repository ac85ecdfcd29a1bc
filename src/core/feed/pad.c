/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "core/feed/pad.h"

size_t pad_class(size_t n)
{
    if (n <= PAD_MIN) return PAD_MIN;
    /* 1 KiB is left out: a class each octave from 2 KiB on (design.md section 4). */
    for (size_t size = PAD_MIN * 4; size <= PAD_MAX; size *= 2)
        if (n <= size) return size;
    return 0;
}

bool pad_is_class(size_t n)
{
    return n != 0 && pad_class(n) == n;
}
