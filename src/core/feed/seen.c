/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "core/feed/seen.h"

#include <string.h>

void seen_put(const struct seen *s, struct buf *out)
{
    buf_u64(out, s->count);
    buf_raw(out, s->chain, sizeof s->chain);
}

struct seen seen_read(struct cursor *c)
{
    struct seen s;
    s.count = cursor_u64(c);
    cursor_copy(c, s.chain, sizeof s.chain);
    return s;
}

bool seen_same(const struct seen *a, const struct seen *b)
{
    return a->count == b->count && memcmp(a->chain, b->chain, sizeof a->chain) == 0;
}
