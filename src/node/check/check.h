/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * check: looks whether what this machine keeps of an enclave is sound: the kept
 * entries of all feeds against their chains, every shard here against the roots
 * of the tree, and a share of the columns at the other holders. Mending, on
 * request: entries come again from the sentinel, shards here are made again
 * from those of the others. One check an enclave at a time; the last one's
 * result stays until the next. node_check and node_check_look are in node.h.
 *
 * Owns: struct check belongs to its enclave.
 * Errors: of node.h. Order: node_check, ticks, node_check_look at any moment.
 * Nothing is dropped before what takes its place is made and verified.
 */
#ifndef ENCLAVE_NODE_CHECK_CHECK_H
#define ENCLAVE_NODE_CHECK_CHECK_H

#include "node/enclave/enclave.h"
#include "node/node_storage.h"

/* Of enclave.c. */
void enclave_check_tick(struct enclave *e, uint64_t now_ms);
uint64_t enclave_check_next_ms(const struct enclave *e);
void enclave_check_free(struct enclave *e);
bool enclave_checking(const struct enclave *e); /* links to holders are wanted */

#endif
