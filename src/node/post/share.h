/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * share: messages as rows that another machine can take: what an exported file
 * and what a newcomer gets is made of (docs/spec/history.md).
 *
 * Owns nothing. Errors: of base/fields.h. Order: none.
 */
#ifndef ENCLAVE_NODE_POST_SHARE_H
#define ENCLAVE_NODE_POST_SHARE_H

#include "node/post/archive.h"
#include "node/post/post.h"

/* It was not taken back and was not said for a time only. */
bool share_may_leave(const struct message_row *m);
/* Appends the row, with its length before it. */
enum status share_row(struct enclave *e, const struct message_row *m, struct buf *out) MUST_USE;

#endif
