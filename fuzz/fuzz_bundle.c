/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto core/ports core/feed core/mail */
/* A bundle of a member who means ill: what is counted can be walked and made again byte for byte. */
#include "core/mail/bundle.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes content = BYTES(data, size), text;
    size_t n = bundle_count(content), walked = 0;
    struct cursor c = cursor_of(content);
    struct buf again = BUF_INIT;
    if (n == 0) return 0;
    FUZZ_CHECK(n >= 2 && n <= BUNDLE_MOST);
    while (bundle_next(&c, &text)) {
        FUZZ_CHECK(text.n <= BUNDLE_TEXT_MAX);
        bundle_add(&again, text);
        walked++;
    }
    FUZZ_CHECK(walked == n && !c.bad && bytes_same(buf_view(&again), content));
    FUZZ_CHECK(bundle_text(content, n).n == 0);
    buf_free(&again);
    return 0;
}
