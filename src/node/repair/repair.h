/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * repair: where losses are told.
 *
 * Owns nothing. Errors: none. Order: none.
 */
#ifndef ENCLAVE_NODE_REPAIR_REPAIR_H
#define ENCLAVE_NODE_REPAIR_REPAIR_H

#include "node/enclave/enclave.h"

/* A column is not where the tree says, or is damaged; why: a few plain words. */
void repair_lost(struct enclave *e, uint16_t holder, const uint8_t segment_id[32], uint8_t index,
                 const char *why);

#endif
