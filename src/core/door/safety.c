/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "core/door/safety.h"

#include "crypto/hash.h"

#include <string.h>

void safety_hash(struct bytes record, struct bytes knock, uint8_t ret[32])
{
    SHA256_OF(ret, BYTES_LIT("ENCLAVE-SAFETY"), record, knock);
}

/* Divides the big-endian number by 100000 in place and returns the remainder. */
static uint32_t divide(uint8_t number[32])
{
    uint32_t rest = 0;
    for (size_t i = 0; i < 32; i++) {
        rest = rest << 8 | number[i];
        number[i] = (uint8_t)(rest / 100000);
        rest %= 100000;
    }
    return rest;
}

void safety_code_of(const uint8_t hash[32], char ret[SAFETY_SIZE])
{
    uint8_t number[32];
    memcpy(number, hash, 32);
    for (size_t group = SAFETY_GROUPS; group-- > 0;) {
        uint32_t v = divide(number);
        char *at = ret + group * 6;
        for (size_t digit = 5; digit-- > 0; v /= 10) at[digit] = (char)('0' + v % 10);
        at[5] = group == SAFETY_GROUPS - 1 ? 0 : ' ';
    }
}

void safety_code(struct bytes record, struct bytes knock, char ret[SAFETY_SIZE])
{
    uint8_t hash[32];
    safety_hash(record, knock, hash);
    safety_code_of(hash, ret);
}
