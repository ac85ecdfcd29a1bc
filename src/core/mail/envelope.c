/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "core/mail/envelope.h"

#include "core/feed/pad.h"

#include <string.h>

#define LABEL "ENCLAVE-MSG"
#define BODY_AT (HINT_SIZE + XAEAD_NONCE)

FIELDS_DEFINE(envelope, ENVELOPE_FIELDS);

static void ad_of(const struct envelope_keys *k, const uint8_t hint[HINT_SIZE],
                  uint8_t ret[32 + HINT_SIZE])
{
    memcpy(ret, k->room, 32);
    memcpy(ret + 32, hint, HINT_SIZE);
}

enum status envelope_seal(const struct envelope_keys *k, const struct envelope *e,
                          const uint8_t hint[HINT_SIZE], const uint8_t mk[32],
                          const uint8_t nonce[XAEAD_NONCE], const uint8_t id_seed[SIGN_SEED],
                          struct buf *out)
{
    uint8_t ad[32 + HINT_SIZE];
    struct buf plain;
    buf_init(&plain, ENVELOPE_SEALED_MAX);
    enum status st = ST_TOO_BIG;
    size_t class =
        e->content.n > ENVELOPE_CONTENT_MAX ? 0 : pad_class(ENVELOPE_OVERHEAD + e->content.n);
    if (class == 0) goto out;
    TRY(fields_encode(&envelope_fields, e, &plain));
    buf_zero(&plain, class - ENVELOPE_OVERHEAD - e->content.n);
    uint8_t *sig = buf_space(&plain, SIGN_SIZE);
    TRY(buf_status(&plain));
    const struct bytes parts[] = {BYTES(k->enclave_id, 32), BYTES(plain.p, plain.n - SIGN_SIZE)};
    sign_labelled(id_seed, LABEL, parts, 2, sig);
    ad_of(k, hint, ad);
    buf_raw(out, hint, HINT_SIZE);
    xaead_seal_to(mk, nonce, BYTES_OF(ad), buf_view(&plain), out);
    st = buf_status(out);
out:
    buf_free(&plain);
    return st;
}

enum status envelope_open_body(const struct fields *f, const uint8_t key[32], struct bytes ad,
                               struct bytes sealed, size_t head, struct buf *plain, void *ret)
{
    size_t from = plain->n;
    enum status st = xaead_open_to(key, ad, BYTES(sealed.p + head, sealed.n - head), plain);
    if (st == ST_OK) st = buf_status(plain);
    if (st != ST_OK) return st;
    if (plain->n - from < SIGN_SIZE) return ST_BAD_MESSAGE;
    struct cursor c = cursor_of(BYTES(plain->p + from, plain->n - from - SIGN_SIZE));
    st = fields_read(f, &c, ret);
    if (st != ST_OK) return st;
    struct bytes pad = cursor_rest(&c);
    return bytes_zero(pad) && pad_class(sealed.n - pad.n) == sealed.n ? ST_OK : ST_BAD_MESSAGE;
}

enum status envelope_open(const struct envelope_keys *k, struct bytes sealed, const uint8_t mk[32],
                          struct buf *plain, struct envelope *ret)
{
    uint8_t ad[32 + HINT_SIZE];
    memset(ret, 0, sizeof *ret);
    if (!pad_is_class(sealed.n)) return ST_BAD_MESSAGE;
    ad_of(k, sealed.p, ad);
    enum status st =
        envelope_open_body(&envelope_fields, mk, BYTES_OF(ad), sealed, HINT_SIZE, plain, ret);
    if (st != ST_OK) memset(ret, 0, sizeof *ret);
    return st;
}

enum status envelope_verify(const struct envelope_keys *k, struct bytes plain,
                            const uint8_t id[SIGN_PUBLIC])
{
    if (plain.n < SIGN_SIZE) return ST_BAD_MESSAGE;
    struct bytes before = BYTES(plain.p, plain.n - SIGN_SIZE);
    const struct bytes parts[] = {BYTES(k->enclave_id, 32), before};
    return sign_labelled_verify(id, LABEL, parts, 2, plain.p + before.n);
}
