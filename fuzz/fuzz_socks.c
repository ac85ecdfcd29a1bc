/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto core/ports link net */
/* A hostile proxy: whatever it says in pieces of whatever size, the talk ends or goes on within its
 * buffers, and it is open only after a whole answer. The first byte is the size of the pieces. */
#include "fuzz.h"
#include "net/socks.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const hosts[] = {"relay.example", "192.0.2.7", "2001:db8::1"};
    struct socks s;
    if (size < 1) return 0;
    size_t piece = 1 + data[0] % 16U, at = 1, heard = 0;
    FUZZ_CHECK(socks_init(&s, hosts[data[0] % 3U], 4433, "user", "0") == ST_OK);
    while (at < size) {
        size_t room;
        struct bytes out = socks_output(&s);
        uint8_t *to = socks_space(&s, &room);
        FUZZ_CHECK(out.n <= SOCKS_OUT_MAX);
        socks_sent(&s, out.n);
        if (to == NULL) break;
        FUZZ_CHECK(room > 0 && to >= s.in && to + room <= s.in + sizeof s.in);
        if (room > piece) room = piece;
        if (room > size - at) room = size - at;
        memcpy(to, data + at, room);
        socks_filled(&s, room);
        at += room;
        heard += room;
    }
    if (s.state == SOCKS_OPEN) FUZZ_CHECK(heard >= 2 + 7 && s.status == ST_OK);
    if (s.state == SOCKS_FAILED) FUZZ_CHECK(s.status != ST_OK && s.reason[0] != '\0');
    socks_eof(&s);
    FUZZ_CHECK(s.state == SOCKS_OPEN || s.state == SOCKS_FAILED);
    return 0;
}
