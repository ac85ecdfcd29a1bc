/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * armor: bytes that people carry from one machine to another (recovery kits,
 * cards, proofs) as text: a label, then base64url without padding, in lines of 72.
 * Reading takes no notice of blanks and ends of lines, which mails like to add.
 *
 * Owns nothing. Errors: armor_read: ST_USAGE if the label is another or what
 *     follows is not base64url; buffers' own. Order: none.
 */
#ifndef ENCLAVE_API_ARMOR_H
#define ENCLAVE_API_ARMOR_H

#include "base/bytes.h"

#define ARMOR_KIT "enclave-kit:"
#define ARMOR_CARD "enclave-card:"
#define ARMOR_PROOF "enclave-proof:"

void armor_write(const char *label, struct bytes content, struct buf *out);
enum status armor_read(const char *label, struct bytes text, struct buf *out) MUST_USE;

#endif
