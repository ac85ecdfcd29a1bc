/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * encode: hex, base32 and base64url (RFC 4648), without padding. Encoders
 * write a terminator. Decoders are strict: one text for one byte string.
 *
 * Owns nothing: the caller gives the room. Errors: ST_BAD_MESSAGE for any
 * character or length that no encoder here writes (base32 is read without
 * regard to case), ST_TOO_BIG if the result does not fit.
 */
#ifndef ENCLAVE_BASE_ENCODE_H
#define ENCLAVE_BASE_ENCODE_H

#include "base/bytes.h"

#define HEX_SIZE(n) (2 * (n) + 1) /* room for the text and its terminator */
#define BASE32_SIZE(n) (((n)*8 + 4) / 5 + 1)
#define BASE64_SIZE(n) (((n)*4 + 2) / 3 + 1)

void hex_encode(struct bytes in, char *out);    /* out: HEX_SIZE(in.n) */
void base32_encode(struct bytes in, char *out); /* lower case; out: BASE32_SIZE(in.n) */
void base64_encode(struct bytes in, char *out); /* url-safe alphabet; out: BASE64_SIZE(in.n) */

/* text has n characters; room bytes at out; *ret_n = bytes written. */
enum status hex_decode(const char *text, size_t n, uint8_t *out, size_t room,
                       size_t *ret_n) MUST_USE;
enum status base32_decode(const char *text, size_t n, uint8_t *out, size_t room,
                          size_t *ret_n) MUST_USE;
enum status base64_decode(const char *text, size_t n, uint8_t *out, size_t room,
                          size_t *ret_n) MUST_USE;

#endif
