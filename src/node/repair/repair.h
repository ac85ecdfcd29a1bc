/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * repair: repairs (repairs.h) of one enclave of the node: what it asks of the enclave,
 * how it is seen as a transfer, and where other workflows report a loss.
 *
 * Owns: shelf->repairs. Errors: repair_load: ST_NO_MEMORY. Order: repair_load, events, repair_free.
 */
#ifndef ENCLAVE_NODE_REPAIR_REPAIR_H
#define ENCLAVE_NODE_REPAIR_REPAIR_H

#include "node/repair/repairs.h"
#include "node/shelf/shelf.h"

enum status repair_load(struct shelf *s) MUST_USE;
void repair_free(struct shelf *s);

/* A shard proved lost or bad, by an audit or on reading. Told to all members, then made again. */
void repair_lost(struct enclave *e, uint16_t holder, const uint8_t segment_id[32], uint8_t index,
                 const char *why);

/* Links to the holders are of use. */
bool repair_wants_links(const struct shelf *s);
/* The repair, or the handing over, as a transfer; false: nothing is going on. */
bool repair_transfer(struct shelf *s, node_transfer_visit *visit, void *arg);

#endif
