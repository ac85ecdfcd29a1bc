/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * bundle: content of one entry that carries many plain messages of one author,
 * said in one go. One seal, one signature and one row serve all of them.
 * docs/spec/mail.md, "Bundles".
 *
 *   content = (len u16 | text) x n, 2 <= n <= BUNDLE_MOST
 *
 * Message i has the uuid of the entry with i in its last BUNDLE_BITS bits, which
 * are zero in the entry's. An empty text: that message was taken back.
 *
 * Owns nothing: texts point into the content. Errors: bundle_count: 0 for what is
 *     no bundle. Order: bundle_count, then bundle_next over a cursor of the content.
 */
#ifndef ENCLAVE_CORE_MAIL_BUNDLE_H
#define ENCLAVE_CORE_MAIL_BUNDLE_H

#include "core/mail/envelope.h"

#define BUNDLE_BITS 11
#define BUNDLE_MOST ((size_t)1 << BUNDLE_BITS)
#define BUNDLE_TEXT_MAX 32768
#define BUNDLE_CONTENT_MAX \
    (((size_t)128 << 10) - ENVELOPE_OVERHEAD) /* a full entry of that class */

size_t bundle_count(struct bytes content);
bool bundle_next(struct cursor *c, struct bytes *ret_text); /* false at the end */
/* The text of message i of a content that was counted. */
struct bytes bundle_text(struct bytes content, size_t i);
void bundle_add(struct buf *out, struct bytes text);
size_t bundle_size(struct bytes text); /* what adding it takes */

bool bundle_uuid_is_base(const uint8_t uuid[16]);
void bundle_uuid_base(uint8_t uuid[16]); /* makes it one */
size_t bundle_uuid_place(const uint8_t uuid[16]);
void bundle_uuid_of(const uint8_t base[16], size_t i, uint8_t ret[16]);

#endif
