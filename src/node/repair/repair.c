/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "node/repair/repair.h"

void repair_lost(struct enclave *e, uint16_t holder, const uint8_t segment_id[32], uint8_t index,
                 const char *why)
{
    env_log(e->node->ports.env, ENV_WARN, "repair",
            "column %u of segment %02x%02x%02x%02x at %s: %s", (unsigned)index, segment_id[0],
            segment_id[1], segment_id[2], segment_id[3], enclave_nick(e, holder), why);
}
