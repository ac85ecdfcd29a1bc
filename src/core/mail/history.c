/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "core/mail/history.h"

#include "crypto/aead.h"
#include "crypto/hash.h"
#include "crypto/secret.h"

#include <string.h>

#define MAGIC "ENCLHIST"
#define BEFORE_CHECK (HISTORY_HEAD - 32)
/* Above these a file is not one of ours: nobody's altered file makes us work for hours. */
#define PASSES_MAX 64
#define MEMORY_MAX_KIB (4U * 1024 * 1024)

FIELDS_DEFINE(history_row, HISTORY_ROW_FIELDS);
FIELDS_DEFINE(history_about, HISTORY_ABOUT_FIELDS);
FIELDS_DEFINE(history_file, HISTORY_FILE_FIELDS);

/* ---- the file ---- */

static void derive(const uint8_t root[32], struct bytes before, uint8_t ret_key[32],
                   uint8_t ret_check[32])
{
    EXPAND_OF(ret_key, root, BYTES_LIT("ENCLAVE history"), before);
    EXPAND_OF(ret_check, root, BYTES_LIT("ENCLAVE history check"), before);
}

enum status history_start(const struct history_cost *cost, const uint8_t root[32],
                          struct history_keys *ret, struct buf *out)
{
    struct history_file f = {
        .version = HISTORY_VERSION, .passes = cost->passes, .memory_kib = cost->memory_kib};
    size_t from = out->n;
    memcpy(f.magic, MAGIC, 8);
    memcpy(f.salt, cost->salt, PASSWORD_SALT);
    *ret = (struct history_keys){.n = 0};
    enum status st = fields_encode(&history_file_fields, &f, out);
    if (st == ST_OK)
        derive(root, BYTES(out->p + from, BEFORE_CHECK), ret->key, out->p + from + BEFORE_CHECK);
    return st;
}

enum status history_head_read(struct bytes head, uint32_t floor_passes, uint32_t floor_kib,
                              struct history_cost *ret)
{
    struct history_file f;
    memset(ret, 0, sizeof *ret);
    if (head.n < 10 || memcmp(head.p, MAGIC, 8) != 0) return ST_INTEGRITY;
    if (get_u16(head.p + 8) > HISTORY_VERSION) return ST_VERSION;
    if (fields_decode(&history_file_fields, head, &f) != ST_OK || f.version != HISTORY_VERSION ||
        f.passes < floor_passes || f.passes > PASSES_MAX || f.memory_kib < floor_kib ||
        f.memory_kib > MEMORY_MAX_KIB)
        return ST_INTEGRITY;
    *ret = (struct history_cost){.passes = f.passes, .memory_kib = f.memory_kib};
    memcpy(ret->salt, f.salt, PASSWORD_SALT);
    return ST_OK;
}

enum status history_open(struct bytes head, const uint8_t root[32], struct history_keys *ret)
{
    uint8_t check[32];
    *ret = (struct history_keys){.n = 0};
    if (head.n != HISTORY_HEAD) return ST_INTEGRITY;
    derive(root, BYTES(head.p, BEFORE_CHECK), ret->key, check);
    bool same = secret_same(check, head.p + BEFORE_CHECK, sizeof check);
    if (!same) bytes_wipe(ret, sizeof *ret);
    return same ? ST_OK : ST_PASSWORD;
}

/* The place of a chunk, and whether it is the last one, are in its nonce; the key is of this file alone. */
static void nonce_of(uint64_t n, bool last, uint8_t ret[AEAD_NONCE])
{
    memset(ret, 0, AEAD_NONCE);
    put_u64(ret + 3, n);
    ret[11] = last;
}

enum status history_seal(struct history_keys *k, bool last, struct bytes plain, struct buf *out)
{
    uint8_t nonce[AEAD_NONCE];
    if (plain.n > HISTORY_CHUNK_MAX) return ST_TOO_BIG;
    nonce_of(k->n, last, nonce);
    buf_u32(out, (uint32_t)(plain.n + AEAD_TAG));
    uint8_t *to = buf_space(out, plain.n + AEAD_TAG);
    if (to == NULL) return buf_status(out);
    aead_seal(k->key, nonce, BYTES_NONE, plain, to);
    k->n++;
    k->ended = last;
    return ST_OK;
}

enum status history_next(struct history_keys *k, struct bytes in, size_t *ret_used,
                         struct buf *plain)
{
    uint8_t nonce[AEAD_NONCE];
    struct cursor c = cursor_of(in);
    *ret_used = 0;
    if (k->ended) return in.n == 0 ? ST_PENDING : ST_BAD_MESSAGE;
    size_t len = cursor_u32(&c);
    if (c.bad) return ST_PENDING;
    if (len < AEAD_TAG || len > HISTORY_CHUNK_MAX + AEAD_TAG) return ST_BAD_SEAL;
    struct bytes sealed = cursor_take(&c, len);
    if (c.bad) return ST_PENDING;
    uint8_t *to = buf_space(plain, len - AEAD_TAG);
    if (to == NULL && len > AEAD_TAG) return ST_NO_MEMORY;
    enum status st = ST_BAD_SEAL;
    uint8_t nothing;
    for (unsigned last = 0; last < 2 && st != ST_OK; last++) {
        nonce_of(k->n, last, nonce);
        st = aead_open(k->key, nonce, BYTES_NONE, sealed, to == NULL ? &nothing : to);
        k->ended = st == ST_OK && last;
    }
    if (st != ST_OK) {
        plain->n -= len - AEAD_TAG;
        return st;
    }
    k->n++;
    *ret_used = 4 + len;
    return ST_OK;
}

/* ---- rows ---- */

bool history_sign(struct cursor *signs, struct bytes *ret_nick, struct bytes *ret_sign)
{
    if (signs->left == 0) return false;
    *ret_nick = cursor_take(signs, cursor_u8(signs));
    *ret_sign = cursor_take(signs, cursor_u8(signs));
    return !signs->bad;
}

static bool fits(const struct history_row *r)
{
    struct bytes nick, sign;
    struct cursor c = cursor_of(r->signs);
    bool of = !bytes_zero(BYTES_OF(r->of_author)) || !bytes_zero(BYTES_OF(r->of_uuid));
    while (history_sign(&c, &nick, &sign))
        if (nick.n == 0 || nick.n > HISTORY_NICK_MAX || sign.n == 0 || sign.n > NOTE_SIGN_MAX)
            return false;
    if (c.bad || bytes_zero(BYTES_OF(r->author)) || r->nick.n == 0) return false;
    if (bytes_zero(BYTES_OF(r->to)) && r->to_nick.n != 0) return false;
    if ((r->flags & ~(HISTORY_OWN | HISTORY_ANSWERS)) != 0) return false;
    if (of && (r->flags & HISTORY_ANSWERS) == 0) return false;
    return r->text.n > 0 || r->path.n > 0;
}

enum status history_row_read(struct bytes in, struct history_row *ret)
{
    enum status st = fields_decode(&history_row_fields, in, ret);
    return st == ST_OK && !fits(ret) ? ST_BAD_MESSAGE : st;
}

static enum status put_any(const struct fields *fields, const void *msg, struct buf *out)
{
    size_t from = out->n;
    buf_u32(out, 0);
    enum status st = fields_encode(fields, msg, out);
    if (st == ST_OK) put_u32(out->p + from, (uint32_t)(out->n - from - 4));
    return st;
}

enum status history_put(const struct history_row *row, struct buf *out)
{
    return fits(row) ? put_any(&history_row_fields, row, out) : ST_USAGE;
}

enum status history_put_about(const struct history_about *about, struct buf *out)
{
    return put_any(&history_about_fields, about, out);
}

enum status history_get(struct cursor *in, struct history_row *ret)
{
    if (in->left == 0) return ST_NOT_FOUND;
    struct bytes row = cursor_take(in, cursor_u32(in));
    return in->bad ? ST_BAD_MESSAGE : history_row_read(row, ret);
}

enum status history_get_about(struct cursor *in, struct history_about *ret)
{
    struct bytes about = cursor_take(in, cursor_u32(in));
    return in->bad ? ST_BAD_MESSAGE : fields_decode(&history_about_fields, about, ret);
}

uint64_t history_key(const uint8_t author[32], const uint8_t uuid[16])
{
    uint8_t hash[32];
    SHA256_OF(hash, BYTES(author, 32), BYTES(uuid, 16));
    return get_u64(hash);
}
