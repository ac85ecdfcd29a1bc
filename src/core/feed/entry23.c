/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "core/feed/entry23.h"

#include "crypto/aead.h"
#include "crypto/sign.h"

#include <string.h>

FIELDS_DEFINE(entry23, ENTRY23_FIELDS);

#define LABEL "ENCLAVE-FEED"
#define SIG_SIZE 64

static struct bytes ad_of(const struct entry23_place *place, uint8_t space[33])
{
    memcpy(space, place->room, 32);
    space[32] = place->feed;
    return BYTES(space, 33);
}

/* What is signed before the text itself: enclave_id | feed | epoch. */
static struct bytes sign_head(const struct entry23_place *place, uint8_t space[41])
{
    memcpy(space, place->enclave_id, 32);
    space[32] = place->feed;
    put_u64(space + 33, place->epoch);
    return BYTES(space, 41);
}

enum status entry23_seal(const struct entry23 *e, const struct entry23_place *place,
                         const uint8_t id_seed[32], const uint8_t nonce[ENTRY23_NONCE],
                         struct buf *out)
{
    enum status st;
    struct buf plain = BUF_INIT;
    uint8_t space[41], ad[33], sig[SIG_SIZE];
    TRY(fields_encode(&entry23_fields, e, &plain));
    size_t size = pad_class(plain.n + SIG_SIZE + ENTRY23_OVERHEAD);
    if (size == 0) {
        st = ST_TOO_BIG;
        goto out;
    }
    buf_zero(&plain, size - ENTRY23_OVERHEAD - SIG_SIZE - plain.n);
    TRY(buf_status(&plain));
    const struct bytes parts[] = {sign_head(place, space), buf_view(&plain)};
    sign_labelled(id_seed, LABEL, parts, 2, sig);
    buf_raw(&plain, sig, sizeof sig);
    TRY(buf_status(&plain));
    buf_u64(out, place->epoch);
    buf_raw(out, nonce, ENTRY23_NONCE);
    uint8_t *to = buf_space(out, plain.n + AEAD_TAG);
    if (to != NULL) xaead_seal(place->key, nonce, ad_of(place, ad), buf_view(&plain), to);
    st = buf_status(out);
out:
    buf_free(&plain);
    return st;
}

enum status entry23_epoch(struct bytes sealed, uint64_t *ret_epoch)
{
    if (!pad_is_class(sealed.n)) return ST_BAD_MESSAGE;
    *ret_epoch = get_u64(sealed.p);
    return ST_OK;
}

/* All before the signature: fields, then zeros, in the smallest class. */
static enum status split(struct bytes plain, struct entry23 *ret)
{
    struct cursor c = cursor_of(BYTES(plain.p, plain.n - SIG_SIZE));
    enum status st = fields_read(&entry23_fields, &c, ret);
    if (st != ST_OK) return st;
    size_t used = plain.n - c.left;
    if (pad_class(used + ENTRY23_OVERHEAD) != plain.n + ENTRY23_OVERHEAD ||
        !bytes_zero(cursor_rest(&c)))
        return ST_BAD_MESSAGE;
    return ret->version == ENTRY23_VERSION ? ST_OK : ST_VERSION;
}

enum status entry23_open(struct bytes sealed, const struct entry23_place *place,
                         struct buf *ret_plain, struct entry23 *ret)
{
    uint8_t ad[33];
    if (!pad_is_class(sealed.n) || get_u64(sealed.p) != place->epoch) return ST_BAD_MESSAGE;
    const uint8_t *nonce = sealed.p + 8;
    struct bytes text = BYTES(nonce + ENTRY23_NONCE, sealed.n - 8 - ENTRY23_NONCE);
    size_t before = ret_plain->n;
    uint8_t *to = buf_space(ret_plain, text.n - AEAD_TAG);
    if (to == NULL) return buf_status(ret_plain);
    enum status st = xaead_open(place->key, nonce, ad_of(place, ad), text, to);
    if (st == ST_OK) st = split(BYTES(to, text.n - AEAD_TAG), ret);
    if (st != ST_OK) {
        ret_plain->n = before;
        memset(ret, 0, sizeof *ret);
    }
    return st;
}

enum status entry23_verify(struct bytes plain, const struct entry23_place *place,
                           const uint8_t id[32])
{
    uint8_t space[41];
    if (plain.n < SIG_SIZE) return ST_BAD_MESSAGE;
    struct bytes text = BYTES(plain.p, plain.n - SIG_SIZE);
    const struct bytes parts[] = {sign_head(place, space), text};
    return sign_labelled_verify(id, LABEL, parts, 2, plain.p + text.n);
}
