/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * keeper: one holder as put and get see it. Near ones call the shard store,
 * far ones speak core/holder/wire.h over a link.
 *
 * Owns: the keeper belongs to its hold. A struct keeper_put belongs to the
 *     caller until keeper_commit or keeper_abandon.
 * Errors: ST_CLOSED, ST_TIMEOUT (no progress for KEEPER_STALL_MS), ST_NOT_FOUND,
 *     ST_QUOTA, ST_NO_SPACE, ST_INTEGRITY, ST_DENIED, ST_IO, as the holder said.
 * Order: keeper_open, keeper_unit* in row order, keeper_commit or abandon.
 *     Every callback comes exactly once and never inside the call, also when
 *     the link is lost.
 * Thread: loop thread.
 */
#ifndef ENCLAVE_NODE_HOLD_KEEPER_H
#define ENCLAVE_NODE_HOLD_KEEPER_H

#include "core/ports/shard_store.h"

#define KEEPER_STALL_MS 20000
#define KEEPER_HEADROOM 8 /* writable bytes before each unit given to keeper_unit */

struct keeper;
struct keeper_put;

uint16_t keeper_leaf(const struct keeper *k);
bool keeper_up(const struct keeper *k);
bool keeper_near(const struct keeper *k);
uint64_t keeper_rate(const struct keeper *k); /* bytes a second lately read; 0: unknown */

struct keeper_put *keeper_open(struct keeper *k, const uint8_t header[SHARD_HEADER]);
/* The unit is borrowed until done; KEEPER_HEADROOM bytes before it are written to. ST_BUSY: try
 * again when the hold's watchers are called; ST_CLOSED and others: this put is dead, abandon it. */
enum status keeper_unit(struct keeper_put *p, uint32_t row, uint8_t *unit, shard_done *done,
                        void *arg) MUST_USE;
/* done: durable at the holder. */
void keeper_commit(struct keeper_put *p, uint32_t rows, struct bytes trailer, shard_done *done,
                   void *arg);
void keeper_abandon(struct keeper_put *p);

/* Part of a column: each piece comes in order and is valid during the call; then done. */
typedef void keeper_piece(void *arg, uint64_t offset, struct bytes piece);
/* Returns a handle for keeper_read_stop (no callback runs after it); NULL: no memory. */
struct keeper_read *keeper_read(struct keeper *k, const uint8_t segment_id[SHARD_ID], uint8_t index,
                                uint64_t offset, uint64_t n, keeper_piece *piece, shard_done *done,
                                void *arg);
void keeper_read_stop(struct keeper_read *r);
/* false: too much under way, and done will not run. */
bool keeper_info(struct keeper *k, const uint8_t segment_id[SHARD_ID], uint8_t index,
                 shard_told *done, void *arg) MUST_USE;
bool keeper_have(struct keeper *k, const uint8_t segment_id[SHARD_ID], shard_had *done,
                 void *arg) MUST_USE;

#endif
