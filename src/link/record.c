/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "link/record.h"

#include "crypto/aead.h"
#include "crypto/hash.h"

#include <string.h>

/* HKDF-Expand-Label with an empty context; label with its "tls13 ". */
static void expand(const uint8_t secret[32], struct bytes label, uint8_t *out, size_t n)
{
    const uint8_t head[3] = {0, (uint8_t)n, (uint8_t)label.n}, tail[1] = {0};
    const struct bytes info[] = {BYTES_OF(head), label, BYTES_OF(tail)};
    hkdf_expand_parts(secret, info, 3, out, n);
}

void record_side_set(struct record_side *s, const uint8_t secret[32])
{
    memmove(s->secret, secret, sizeof s->secret);
    expand(s->secret, BYTES_LIT("tls13 key"), s->key, sizeof s->key);
    expand(s->secret, BYTES_LIT("tls13 iv"), s->iv, sizeof s->iv);
    s->next = 0;
}

void record_side_update(struct record_side *s)
{
    uint8_t secret[32];
    expand(s->secret, BYTES_LIT("tls13 traffic upd"), secret, sizeof secret);
    record_side_set(s, secret);
    bytes_wipe(secret, sizeof secret);
}

static void nonce_of(struct record_side *s, uint8_t ret[AEAD_NONCE])
{
    uint8_t number[8];
    put_u64(number, s->next++);
    memcpy(ret, s->iv, AEAD_NONCE);
    for (size_t i = 0; i < sizeof number; i++) ret[AEAD_NONCE - sizeof number + i] ^= number[i];
}

void record_seal(struct record_side *s, uint8_t type, struct bytes plain, uint8_t *out)
{
    uint8_t nonce[AEAD_NONCE];
    uint8_t *body = out + RECORD_HEAD;
    out[0] = RECORD_DATA;
    put_u16(out + 1, 0x0303);
    put_u16(out + 3, (uint16_t)(plain.n + RECORD_BODY_MIN));
    if (plain.n) memcpy(body, plain.p, plain.n);
    body[plain.n] = type;
    nonce_of(s, nonce);
    aead_seal(s->key, nonce, BYTES(out, RECORD_HEAD), BYTES(body, plain.n + 1), body);
}

enum status record_open(struct record_side *s, uint8_t *record, size_t n, uint8_t *ret_type,
                        struct bytes *ret_plain)
{
    uint8_t nonce[AEAD_NONCE];
    uint8_t *body = record + RECORD_HEAD;
    struct bytes sealed = BYTES(body, n - RECORD_HEAD);
    nonce_of(s, nonce);
    enum status st = aead_open(s->key, nonce, BYTES(record, RECORD_HEAD), sealed, body);
    if (st != ST_OK) return st;
    size_t inner = sealed.n - AEAD_TAG;
    if (inner > RECORD_PLAIN + 1) return ST_PROTOCOL;
    while (inner > 0 && body[inner - 1] == 0) inner--;
    if (inner == 0) return ST_PROTOCOL;
    *ret_type = body[inner - 1];
    *ret_plain = BYTES(body, inner - 1);
    return ST_OK;
}
