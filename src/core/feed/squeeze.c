/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "core/feed/squeeze.h"

#include "core/feed/pad.h"

#include <zstd.h>
#include <zstd_errors.h>

#define LEVEL 3

static size_t most_of(size_t packed)
{
    return packed * SQUEEZE_RATIO > SQUEEZE_FREE ? packed * SQUEEZE_RATIO : SQUEEZE_FREE;
}

bool squeeze_pack(size_t overhead, struct bytes in, struct buf *out)
{
    size_t plain = pad_class(overhead + in.n);
    /* The class below cannot be reached: not even tried, as with most short words. */
    if (plain == 0 || plain == pad_class(overhead + 1)) return false;
    size_t room = ZSTD_compressBound(in.n);
    uint8_t *to = buf_space(out, room);
    if (to == NULL) return false;
    size_t n = ZSTD_compress(to, room, in.p, in.n, LEVEL);
    bool pays = !ZSTD_isError(n) && pad_class(overhead + n) < plain && in.n <= most_of(n);
    bytes_wipe(to + (pays ? n : 0), room - (pays ? n : 0));
    out->n -= room - (pays ? n : 0);
    return pays;
}

enum status squeeze_open(size_t overhead, struct bytes packed, size_t most, struct buf *out)
{
    unsigned long long size = ZSTD_getFrameContentSize(packed.p, packed.n);
    /* Both ways of not knowing it are above any size. */
    if (size == 0 || size > most || size > most_of(packed.n)) return ST_BAD_MESSAGE;
    if (ZSTD_findFrameCompressedSize(packed.p, packed.n) != packed.n) return ST_BAD_MESSAGE;
    if (pad_class(overhead + packed.n) >= pad_class(overhead + (size_t)size)) return ST_BAD_MESSAGE;
    uint8_t *to = buf_space(out, (size_t)size);
    if (to == NULL) return ST_NO_MEMORY;
    size_t n = ZSTD_decompress(to, (size_t)size, packed.p, packed.n);
    if (!ZSTD_isError(n) && n == size) return ST_OK;
    bytes_wipe(to, (size_t)size);
    out->n -= (size_t)size;
    return ZSTD_isError(n) && ZSTD_getErrorCode(n) == ZSTD_error_memory_allocation ? ST_NO_MEMORY
                                                                                   : ST_BAD_MESSAGE;
}
