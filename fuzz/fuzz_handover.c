/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto core/feed */
/* Entries that a member hands over: taken only if the chain proves them, and then all of them. The first
 * byte: 0, the chain after is what comes of the entries; else it is another one. */
#include "core/feed/handover.h"
#include "core/feed/pad.h"
#include "fuzz.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct handover_give g;
    struct handover_item item;
    uint8_t after[32];
    uint64_t n = 0;
    bool whole = true;
    if (size < 1 || fields_decode(&handover_give_fields, BYTES(data + 1, size - 1), &g) != ST_OK)
        return 0;
    struct cursor c = cursor_of(g.entries);
    memcpy(after, g.before, 32);
    while (whole && c.left > 0) {
        whole =
            fields_read(&handover_item_fields, &c, &item) == ST_OK && pad_is_class(item.sealed.n);
        if (whole) chain_step(after, item.sealed, after);
        n += whole;
    }
    bool fits = whole && n > 0 && n <= HANDOVER_ENTRIES_MAX && g.from < g.to && g.to - g.from == n;
    after[31] ^= data[0];
    FUZZ_CHECK((handover_check(&g, after) == ST_OK) == (fits && data[0] == 0));
    return 0;
}
