/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto core/feed core/room link */
/* The first byte says into which pieces the rest is cut; however it is cut, the same frames come out. */
#include "fuzz.h"
#include "link/frame.h"

#include <string.h>

static void feed(struct bytes in, size_t piece, struct buf *seen, enum status *ret_last)
{
    struct frame_reader r;
    frame_reader_init(&r, NULL);
    *ret_last = ST_PENDING;
    for (size_t at = 0; at < in.n && *ret_last == ST_PENDING;) {
        size_t room = 0, n = in.n - at < piece ? in.n - at : piece;
        uint8_t *p = frame_space(&r, &room);
        FUZZ_CHECK(p && room > 0);
        if (n > room) n = room;
        memcpy(p, in.p + at, n);
        frame_filled(&r, n);
        at += n;
        struct frame f;
        while ((*ret_last = frame_next(&r, &f)) == ST_OK) {
            FUZZ_CHECK(f.payload.n <= FRAME_PAYLOAD_MAX);
            buf_u8(seen, f.type);
            buf_u32(seen, (uint32_t)f.payload.n);
            buf_bytes(seen, f.payload);
        }
    }
    frame_reader_free(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) return 0;
    struct bytes in = BYTES(data + 1, size - 1);
    struct buf pieces = BUF_INIT, whole = BUF_INIT;
    enum status a, b;
    feed(in, (size_t)data[0] + 1, &pieces, &a);
    feed(in, in.n, &whole, &b);
    FUZZ_CHECK(a == b);
    FUZZ_CHECK(bytes_same(buf_view(&pieces), buf_view(&whole)));
    /* Frames are their own encoding. */
    FUZZ_CHECK(whole.n <= in.n && (whole.n == 0 || memcmp(whole.p, in.p, whole.n) == 0));
    buf_free(&pieces);
    buf_free(&whole);
    return 0;
}
