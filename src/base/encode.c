/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "base/encode.h"

#include <string.h>

static const char digits16[] = "0123456789abcdef";
static const char digits32[] = "abcdefghijklmnopqrstuvwxyz234567";
static const char digits64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* Writes in as digits of `bits` bits each, most significant first, the last one filled with 0. */
static void encode(struct bytes in, unsigned bits, const char *digits, char *out)
{
    uint32_t acc = 0;
    unsigned have = 0;
    for (size_t i = 0; i < in.n; i++) {
        acc = (acc << 8 | in.p[i]) & 0xFFFF;
        have += 8;
        while (have >= bits) {
            have -= bits;
            *out++ = digits[(acc >> have) & ((1U << bits) - 1)];
        }
    }
    if (have > 0) *out++ = digits[(acc << (bits - have)) & ((1U << bits) - 1)];
    *out = '\0';
}

static int value_of(char c, const char *digits, bool fold)
{
    if (c == '\0') return -1;
    if (fold && c >= 'A' && c <= 'Z') c = (char)(c - 'A' + 'a');
    const char *at = strchr(digits, c);
    return at == NULL ? -1 : (int)(at - digits);
}

static enum status decode(const char *text, size_t n, unsigned bits, const char *digits, bool fold,
                          uint8_t *out, size_t room, size_t *ret_n)
{
    size_t bytes = n * bits / 8;
    /* A text is only as long as its bytes need, and what fills its last digit is zero. */
    if ((bytes * 8 + bits - 1) / bits != n) return ST_BAD_MESSAGE;
    if (bytes > room) return ST_TOO_BIG;
    uint32_t acc = 0;
    unsigned have = 0;
    size_t done = 0;
    for (size_t i = 0; i < n; i++) {
        int v = value_of(text[i], digits, fold);
        if (v < 0) return ST_BAD_MESSAGE;
        acc = (acc << bits | (uint32_t)v) & 0xFFFF;
        have += bits;
        if (have >= 8) {
            have -= 8;
            out[done++] = (uint8_t)(acc >> have);
        }
    }
    if ((acc & ((1U << have) - 1)) != 0) return ST_BAD_MESSAGE;
    *ret_n = done;
    return ST_OK;
}

void hex_encode(struct bytes in, char *out)
{
    encode(in, 4, digits16, out);
}

void base32_encode(struct bytes in, char *out)
{
    encode(in, 5, digits32, out);
}

void base64_encode(struct bytes in, char *out)
{
    encode(in, 6, digits64, out);
}

enum status hex_decode(const char *text, size_t n, uint8_t *out, size_t room, size_t *ret_n)
{
    return decode(text, n, 4, digits16, true, out, room, ret_n);
}

enum status base32_decode(const char *text, size_t n, uint8_t *out, size_t room, size_t *ret_n)
{
    return decode(text, n, 5, digits32, true, out, room, ret_n);
}

enum status base64_decode(const char *text, size_t n, uint8_t *out, size_t room, size_t *ret_n)
{
    return decode(text, n, 6, digits64, false, out, room, ret_n);
}
