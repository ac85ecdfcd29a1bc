/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "core/feed/entry0.h"

#include "crypto/aead.h"
#include "crypto/sign.h"

#include <string.h>

FIELDS_DEFINE(entry0, ENTRY0_FIELDS);

#define LABEL "ENCLAVE-LOG"
#define SIG_SIZE 64

void entry0_set_seen(struct entry0 *e, const struct seen seen[3])
{
    e->seen1_count = seen[0].count;
    e->seen2_count = seen[1].count;
    e->seen3_count = seen[2].count;
    memcpy(e->seen1_chain, seen[0].chain, 32);
    memcpy(e->seen2_chain, seen[1].chain, 32);
    memcpy(e->seen3_chain, seen[2].chain, 32);
}

struct seen entry0_seen(const struct entry0 *e, uint8_t feed)
{
    struct seen s = {.count = feed == 1   ? e->seen1_count
                              : feed == 2 ? e->seen2_count
                                          : e->seen3_count};
    memcpy(s.chain, feed == 1 ? e->seen1_chain : feed == 2 ? e->seen2_chain : e->seen3_chain, 32);
    return s;
}

enum status entry0_plain(const struct entry0 *e, struct buf *out)
{
    return fields_encode(&entry0_fields, e, out);
}

/* What is signed: everything before the signature. */
static enum status signed_part(const struct entry0 *e, struct buf *out)
{
    enum status st = entry0_plain(e, out);
    if (st == ST_OK) out->n -= SIG_SIZE;
    return st;
}

void entry0_sign(struct entry0 *e, const uint8_t enclave_id[32], const uint8_t id_seed[32])
{
    struct buf text = BUF_INIT;
    /* An entry that cannot be encoded is refused again, and told of, when it is sealed. */
    if (signed_part(e, &text) == ST_OK) {
        const struct bytes parts[] = {BYTES(enclave_id, 32), buf_view(&text)};
        sign_labelled(id_seed, LABEL, parts, 2, e->sig);
    }
    buf_free(&text);
}

enum status entry0_verify(const struct entry0 *e, const uint8_t enclave_id[32])
{
    struct buf text = BUF_INIT;
    enum status st = signed_part(e, &text);
    if (st == ST_OK) {
        const struct bytes parts[] = {BYTES(enclave_id, 32), buf_view(&text)};
        st = sign_labelled_verify(e->actor, LABEL, parts, 2, e->sig);
    }
    buf_free(&text);
    return st;
}

/* room id | feed | index | back */
static struct bytes ad_of(const uint8_t room[32], uint64_t index, const uint8_t back[ENTRY0_BACK],
                          uint8_t space[32 + 1 + 8 + ENTRY0_BACK])
{
    memcpy(space, room, 32);
    space[32] = FEED_LEDGER;
    put_u64(space + 33, index);
    memcpy(space + 41, back, ENTRY0_BACK);
    return BYTES(space, 32 + 1 + 8 + ENTRY0_BACK);
}

enum status entry0_seal(const struct entry0 *e, const uint8_t room[32], const uint8_t log_key[32],
                        const uint8_t back[ENTRY0_BACK], const uint8_t nonce[ENTRY0_NONCE],
                        struct buf *out)
{
    enum status st;
    struct buf plain = BUF_INIT;
    uint8_t space[32 + 1 + 8 + ENTRY0_BACK];
    TRY(entry0_plain(e, &plain));
    size_t size = pad_class(plain.n + ENTRY0_OVERHEAD);
    if (size == 0) {
        st = ST_TOO_BIG;
        goto out;
    }
    buf_zero(&plain, size - ENTRY0_OVERHEAD - plain.n);
    TRY(buf_status(&plain));
    buf_u64(out, e->epoch);
    buf_raw(out, back, ENTRY0_BACK);
    buf_raw(out, nonce, ENTRY0_NONCE);
    uint8_t *to = buf_space(out, plain.n + AEAD_TAG);
    if (to != NULL)
        xaead_seal(log_key, nonce, ad_of(room, e->index, back, space), buf_view(&plain), to);
    st = buf_status(out);
out:
    buf_free(&plain);
    return st;
}

enum status entry0_envelope(struct bytes sealed, struct entry0_envelope *ret)
{
    if (!pad_is_class(sealed.n)) return ST_BAD_MESSAGE;
    ret->epoch = get_u64(sealed.p);
    memcpy(ret->back, sealed.p + 8, ENTRY0_BACK);
    return ST_OK;
}

enum status entry0_open(struct bytes sealed, const uint8_t room[32], const uint8_t log_key[32],
                        uint64_t index, struct buf *ret_plain)
{
    uint8_t space[32 + 1 + 8 + ENTRY0_BACK];
    if (!pad_is_class(sealed.n)) return ST_BAD_MESSAGE;
    const uint8_t *back = sealed.p + 8, *nonce = back + ENTRY0_BACK;
    struct bytes text =
        BYTES(sealed.p + ENTRY0_HEAD + ENTRY0_NONCE, sealed.n - ENTRY0_HEAD - ENTRY0_NONCE);
    size_t before = ret_plain->n;
    uint8_t *to = buf_space(ret_plain, text.n - AEAD_TAG);
    if (to == NULL) return buf_status(ret_plain);
    enum status st = xaead_open(log_key, nonce, ad_of(room, index, back, space), text, to);
    if (st != ST_OK) ret_plain->n = before;
    return st;
}

enum status entry0_split(struct bytes plain, struct entry0 *ret)
{
    struct cursor c = cursor_of(plain);
    enum status st = fields_read(&entry0_fields, &c, ret);
    if (st != ST_OK) return st;
    size_t used = plain.n - c.left;
    if (pad_class(used + ENTRY0_OVERHEAD) != plain.n + ENTRY0_OVERHEAD ||
        !bytes_zero(cursor_rest(&c))) {
        memset(ret, 0, sizeof *ret);
        return ST_BAD_MESSAGE;
    }
    return ST_OK;
}
