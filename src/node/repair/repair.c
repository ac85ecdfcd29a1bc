/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "node/repair/repair.h"

#include "node/enclave/enclave.h"

void repair_lost(struct enclave *e, uint16_t holder, const uint8_t segment_id[32], uint8_t index,
                 const char *why)
{
    (void)segment_id;
    env_log(e->node->ports.env, ENV_WARN, "repair", "shard %u at holder %u: %s", (unsigned)index,
            (unsigned)holder, why);
}
