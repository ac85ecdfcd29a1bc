/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "core/feed/handover.h"

#include "core/feed/pad.h"

#include <string.h>

FIELDS_DEFINE(handover_ask, HANDOVER_ASK_FIELDS);
FIELDS_DEFINE(handover_give, HANDOVER_GIVE_FIELDS);
FIELDS_DEFINE(handover_item, HANDOVER_ITEM_FIELDS);

enum status handover_check(const struct handover_give *g, const uint8_t after[32])
{
    struct cursor c = cursor_of(g->entries);
    struct handover_item item;
    uint8_t chain[32];
    if (g->from >= g->to || g->to - g->from > HANDOVER_ENTRIES_MAX) return ST_BAD_MESSAGE;
    memcpy(chain, g->before, 32);
    for (uint64_t i = g->from; i < g->to; i++) {
        enum status st = fields_read(&handover_item_fields, &c, &item);
        if (st != ST_OK) return st;
        if (!pad_is_class(item.sealed.n)) return ST_BAD_MESSAGE;
        chain_step(chain, item.sealed, chain);
    }
    if (c.left > 0) return ST_BAD_MESSAGE;
    return memcmp(chain, after, 32) == 0 ? ST_OK : ST_INTEGRITY;
}
