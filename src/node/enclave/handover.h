/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * handover: entries of feed 1 that the sentinel let go of while we slept are
 * asked of the other members, one after the other, over their links; and what
 * others ask for is answered from what is kept here.
 *
 * Owns: struct handover, there while entries are missing; its row is on disk.
 * Errors: none are told but by events; a member whose answer does not fit the
 *     chain is asked no more.
 * Order: handover_missing within an open batch; frames and ticks; it ends when
 *     all is here, when every member has said that it has no more, or 14 days
 *     later, for then the keys go (core/mail).
 */
#ifndef ENCLAVE_NODE_HANDOVER_H
#define ENCLAVE_NODE_HANDOVER_H

#include "node/enclave/enclave.h"

#define HANDOVER_KEEP_MS MAIL_EPOCH_KEEP_MS
#define HANDOVER_GATHER_MAX ((size_t)8 << 20) /* held in memory before it is taken */
#define HANDOVER_ANSWER_MS 20000
#define HANDOVER_LINK_MS 2000 /* between two looks whether a link is there */
#define HANDOVER_LINK_TRIES 8
#define HANDOVER_ROUND_MS 60000              /* nobody could be reached: again then */
#define HANDOVER_QUEUE_MAX ((size_t)1 << 20) /* waiting for a member: it is not answered now */

enum status handover_load(struct enclave *e) MUST_USE;
void handover_free(struct enclave *e);
/* Feed 1 begins at `to`, with chain `after` before it, and we have it up to `from` (not its chain, if
 * before is NULL). Puts the row. */
void handover_missing(struct enclave *e, uint64_t from, const uint8_t *before, uint64_t to,
                      const uint8_t after[32], struct keep_batch *b);
bool handover_open(const struct enclave *e);
/* true: it was one of mine. */
bool handover_frame(struct enclave *e, uint16_t leaf, uint8_t type, struct bytes payload);
void handover_peer(struct enclave *e, uint16_t leaf, bool up);
bool handover_busy(const struct enclave *e, uint16_t leaf);
void handover_tick(struct enclave *e, uint64_t now_ms);
uint64_t handover_next_ms(const struct enclave *e);

#endif
