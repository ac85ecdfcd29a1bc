/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto core/feed core/room link */
/* The name in a ClientHello: only what a door key made is taken, in its windows, and once. The first
 * byte turns a letter of a good name; 0: the rest is the name. */
#include "fuzz.h"
#include "link/sni.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t doors[2][32] = {{1}, {2}}, nonce[SNI_NONCE] = {3};
    struct sni_hit hit;
    struct sni_replay replay;
    char name[SNI_TEXT + 1];
    if (size < 4) return 0;
    uint64_t window = 3000000 + data[2] % 8U, now = 3000000 + data[3] % 8U;
    if (data[0] == 0) {
        FUZZ_CHECK(sni_check(BYTES(data + 1, size - 1), doors, 2, 7, now, &hit) != ST_OK);
        return 0;
    }
    sni_build(doors[data[0] & 1], 7, window, nonce, name);
    size_t at = data[1] % (SNI_TEXT + 1U);
    bool turned = at < SNI_TEXT && (data[0] & 0x40) != 0 && name[at] != (char)(data[0] & 0x7F);
    if (turned) name[at] = (char)(data[0] & 0x7F);
    enum status st = sni_check(BYTES(name, SNI_TEXT), doors, 2, 7, now, &hit);
    bool in_time = window + 1 >= now && window <= now + 1;
    FUZZ_CHECK((st == ST_OK) == (!turned && in_time));
    if (st == ST_OK) {
        sni_replay_init(&replay);
        FUZZ_CHECK(sni_replay_use(&replay, &hit, now) == ST_OK);
        FUZZ_CHECK(sni_replay_use(&replay, &hit, now) == ST_REPLAY);
        sni_replay_free(&replay);
    }
    return 0;
}
