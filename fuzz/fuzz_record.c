/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto core/ports link */
/* Records of a caller who means ill: what was not sealed does not open, what was sealed opens to itself, and a
 * record changed anywhere does not. */
#include "fuzz.h"
#include "link/record.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t secret[32] = {1};
    static uint8_t room[RECORD_PLAIN + RECORD_OVER];
    struct record_side out, in, raw;
    struct bytes plain;
    uint8_t type = 0;
    if (size > RECORD_PLAIN) return 0;
    record_side_set(&out, secret);
    in = raw = out;
    if (size >= RECORD_OVER) {
        memcpy(room, data, size);
        FUZZ_CHECK(record_open(&raw, room, size, &type, &plain) == ST_BAD_SEAL);
    }
    record_seal(&out, RECORD_DATA, BYTES(data, size), room);
    FUZZ_CHECK(record_open(&in, room, size + RECORD_OVER, &type, &plain) == ST_OK);
    FUZZ_CHECK(type == RECORD_DATA && bytes_same(plain, BYTES(data, size)));
    record_side_update(&out);
    record_side_update(&in);
    record_seal(&out, RECORD_ALERT, BYTES(data, size), room);
    room[size % (size + RECORD_OVER)] ^= 0x40;
    FUZZ_CHECK(record_open(&in, room, size + RECORD_OVER, &type, &plain) == ST_BAD_SEAL);
    record_side_set(&in, secret); /* of the keys before */
    FUZZ_CHECK(record_open(&in, room, size + RECORD_OVER, &type, &plain) == ST_BAD_SEAL);
    return 0;
}
