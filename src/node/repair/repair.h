/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * repair: what becomes of shards that are proven to be lost or damaged.
 *
 * Owns nothing. Errors: none. Order: none.
 */
#ifndef ENCLAVE_NODE_REPAIR_REPAIR_H
#define ENCLAVE_NODE_REPAIR_REPAIR_H

#include "base/bytes.h"

struct enclave;

/* Column index of a segment is of no use at this holder; why: a short reason for people. */
void repair_lost(struct enclave *e, uint16_t holder, const uint8_t segment_id[32], uint8_t index,
                 const char *why);

#endif
