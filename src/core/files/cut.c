/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "core/files/cut.h"

#include "crypto/hash.h"

#define BEFORE_NORMAL 21 /* bits that must be zero: stricter before the normal size */
#define AFTER_NORMAL 19

void cut_init(struct cut *c, const uint8_t dedup_secret[32])
{
    uint8_t bytes[sizeof c->gear];
    hkdf_expand(dedup_secret, BYTES_LIT("ENCLAVE gear"), bytes, sizeof bytes);
    for (size_t i = 0; i < 256; i++) c->gear[i] = get_u64(bytes + 8 * i);
    bytes_wipe(bytes, sizeof bytes);
}

/* First position in [from, to) after whose byte the top `bits` bits of the rolling hash are zero,
 * else to. Two bytes a turn: the chain of dependent steps is what bounds the speed. */
static size_t scan(const struct cut *c, uint64_t *hash, const uint8_t *p, size_t from, size_t to,
                   unsigned bits)
{
    const uint64_t limit = UINT64_C(1) << (64 - bits);
    const uint64_t *gear = c->gear;
    uint64_t h = *hash;
    size_t i = from;
    for (; i + 2 <= to; i += 2) {
        uint64_t a = gear[p[i]];
        uint64_t b = gear[p[i + 1]];
        uint64_t one = (h << 1) + a;
        h = (h << 2) + ((a << 1) + b);
        if (one < limit) return i + 1;
        if (h < limit) return i + 2;
    }
    if (i < to) {
        h = (h << 1) + gear[p[i]];
        if (h < limit) return i + 1;
    }
    *hash = h;
    return to;
}

size_t cut_next(const struct cut *c, const uint8_t *p, size_t n)
{
    if (n <= CUT_MIN) return n;
    if (n > CUT_MAX) n = CUT_MAX;
    size_t normal = n < CUT_NORMAL ? n : CUT_NORMAL;
    uint64_t hash = 0;
    /* 64 bytes of run-up: every bit that is looked at then depends on the content only. */
    for (size_t i = CUT_MIN - 64; i < CUT_MIN; i++) hash = (hash << 1) + c->gear[p[i]];
    size_t at = scan(c, &hash, p, CUT_MIN, normal, BEFORE_NORMAL);
    if (at < normal) return at;
    return scan(c, &hash, p, normal, n, AFTER_NORMAL);
}
