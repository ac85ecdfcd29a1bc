/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * gate: when each of a person's enclaves may dial its sentinel. They come one
 * after the other, in random order, with random pauses between, so that a start
 * or the end of an outage does not show an observer which connections belong
 * together. An enclave that its owner asks something of goes at once, and one
 * that is dialled again and again alone keeps nobody and waits for nobody.
 *
 * Owns: nothing; its state is in struct node (gate_*) and struct enclave (hurry).
 * Errors: none. Order: gate_tick whenever gate_next_ms says so, from node_tick.
 */
#ifndef ENCLAVE_NODE_GATE_H
#define ENCLAVE_NODE_GATE_H

#include "node/node_private.h"

#define GATE_PAUSE_MIN_MS 2000 /* the longest is node_options.start_gap_ms; 0: no gate */

void gate_tick(struct node *n, uint64_t now_ms);
uint64_t gate_next_ms(const struct node *n);
/* Its owner wants something of it: it need not wait for its turn. */
void gate_hurry(struct enclave *e);

#endif
