/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * safety: the code that inviter and candidate compare: 12 groups of 5 digits
 * from the door record and the knock. protocol.md 3 and 13: the hash of both
 * plain texts as a big-endian number modulo 10^60.
 *
 * Owns nothing. Never fails. No order of calls.
 */
#ifndef ENCLAVE_CORE_DOOR_SAFETY_H
#define ENCLAVE_CORE_DOOR_SAFETY_H

#include "base/bytes.h"

#define SAFETY_GROUPS 12
#define SAFETY_SIZE (SAFETY_GROUPS * 6) /* digits, spaces between, terminator */

/* record: plain, with signature; knock: plain, with signature, unpadded. */
void safety_code(struct bytes record, struct bytes knock, char ret[SAFETY_SIZE]);
/* The same from the hash that is kept instead of the texts. */
void safety_hash(struct bytes record, struct bytes knock, uint8_t ret[32]);
void safety_code_of(const uint8_t hash[32], char ret[SAFETY_SIZE]);

#endif
