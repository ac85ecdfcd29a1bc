/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto core/files core/grant */
/* Header and trailer of a shard, as a holder sends them. Input: index, n, k, rows, then the bytes. */
#include "core/files/segment.h"
#include "fuzz.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 4) return 0;
    uint8_t index = data[0], n = data[1], k = data[2];
    struct bytes in = BYTES(data + 4, size - 4);
    struct shard_header h;
    struct shard_trailer t;
    uint8_t root[32];
    if (segment_header_read(in, &h) == ST_OK) {
        uint8_t again[SHARD_HEADER];
        segment_header(h.segment_id, h.index, h.k, h.n, again);
        FUZZ_CHECK(in.n == SHARD_HEADER && memcmp(again, in.p, SHARD_HEADER) == 0);
        FUZZ_CHECK(h.index < h.n && h.k >= 1 && h.k <= h.n && h.n <= SHARD_COLUMNS_MAX);
    }
    if (k < 1 || k > n || n > SHARD_COLUMNS_MAX || index >= n) return 0;
    if (segment_trailer_read(in, k, data[3], &t) == ST_OK) {
        FUZZ_CHECK(t.path.n <= SEGMENT_PATH_MAX);
        FUZZ_CHECK(t.size <= (uint64_t)k * data[3] * SHARD_UNIT);
        if (segment_trailer_root(&t, index, n, root) == ST_OK)
            FUZZ_CHECK(segment_trailer_check(&t, index, n, root) == ST_OK);
    }
    return 0;
}
