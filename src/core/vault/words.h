/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * words: a recovery key as 24 English words (BIP-39: 256 bits and 8 bits of
 * SHA-256 as a check).
 *
 * Owns nothing. Errors: decode: ST_USAGE, and fault says what is wrong, in
 *     words; ret_key is zeroed. Texts hold secrets: callers wipe them.
 */
#ifndef ENCLAVE_CORE_VAULT_WORDS_H
#define ENCLAVE_CORE_VAULT_WORDS_H

#include "base/bytes.h"

#define WORDS_KEY 32
#define WORDS_COUNT 24
#define WORDS_LIST 2048
#define WORDS_LONGEST 8
#define WORDS_TEXT ((size_t)WORDS_COUNT * (WORDS_LONGEST + 1)) /* with blanks and terminator */
#define WORDS_FAULT 96

void words_encode(const uint8_t key[WORDS_KEY], char ret_text[WORDS_TEXT]);

/* Words apart by blanks or ends of lines, of any case; the first four letters of a word are
 * enough, as no two words share them. */
enum status words_decode(struct bytes text, uint8_t ret_key[WORDS_KEY],
                         char ret_fault[WORDS_FAULT]) MUST_USE;

/* i < WORDS_LIST */
const char *words_at(unsigned i);
/* BIP-39 of 16, 20, 24, 28 or 32 bytes, for its vectors. room: words of 9 each. */
enum status words_from(struct bytes entropy, char *ret_text, size_t room) MUST_USE;

#endif
