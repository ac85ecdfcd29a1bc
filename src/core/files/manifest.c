/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "core/files/manifest.h"

#include "core/files/segment.h"
#include "crypto/hash.h"

#include <stdlib.h>
#include <string.h>

void manifest_init(struct manifest *m)
{
    memset(m, 0, sizeof *m);
}

void manifest_free(struct manifest *m)
{
    if (m->chunks) bytes_wipe(m->chunks, m->chunks_cap * sizeof *m->chunks);
    free(m->chunks);
    free(m->segments);
    memset(m, 0, sizeof *m);
}

enum status manifest_add_segment(struct manifest *m, const struct manifest_segment *s)
{
    if (m->segments_n == MANIFEST_SEGMENTS_MAX) return ST_TOO_BIG;
    if (m->segments_n == m->segments_cap) {
        size_t cap = m->segments_cap ? 2 * m->segments_cap : 4;
        struct manifest_segment *p = realloc(m->segments, cap * sizeof *p);
        if (!p) return ST_NO_MEMORY;
        m->segments = p;
        m->segments_cap = cap;
    }
    m->segments[m->segments_n++] = *s;
    return ST_OK;
}

enum status manifest_add_chunk(struct manifest *m, const struct manifest_chunk *c)
{
    if (m->chunks_n == MANIFEST_CHUNKS_MAX) return ST_TOO_BIG;
    if (m->chunks_n == m->chunks_cap) {
        /* Not realloc: keys must not stay behind in a freed block. */
        size_t cap = m->chunks_cap ? 2 * m->chunks_cap : 8;
        struct manifest_chunk *p = calloc(cap, sizeof *p);
        if (!p) return ST_NO_MEMORY;
        if (m->chunks_n) {
            memcpy(p, m->chunks, m->chunks_n * sizeof *p);
            bytes_wipe(m->chunks, m->chunks_n * sizeof *p);
        }
        free(m->chunks);
        m->chunks = p;
        m->chunks_cap = cap;
    }
    m->chunks[m->chunks_n++] = *c;
    return ST_OK;
}

enum status manifest_encode(const struct manifest *m, struct buf *out)
{
    buf_u8(out, MANIFEST_VERSION);
    buf_u8(out, m->kind);
    buf_u64(out, m->size);
    buf_u64(out, m->mtime_ms);
    buf_u32(out, m->mode);
    buf_raw(out, m->hash, 32);
    buf_u16(out, (uint16_t)m->segments_n);
    for (size_t i = 0; i < m->segments_n; i++) {
        const struct manifest_segment *s = &m->segments[i];
        buf_raw(out, s->id, 32);
        buf_u8(out, s->k);
        buf_u8(out, s->n);
        buf_u32(out, s->rows);
        buf_u64(out, s->size);
        buf_raw(out, s->root, 32);
        for (unsigned c = 0; c < s->n; c++) buf_u16(out, s->at[c]);
    }
    buf_u32(out, (uint32_t)m->chunks_n);
    for (size_t i = 0; i < m->chunks_n; i++) {
        const struct manifest_chunk *c = &m->chunks[i];
        buf_raw(out, c->key, 32);
        buf_raw(out, c->id, 32);
        buf_u16(out, c->segment);
        buf_u64(out, c->offset);
        buf_u32(out, c->sealed);
        buf_u32(out, c->plain);
        buf_u8(out, c->compression);
    }
    return buf_status(out);
}

static enum status read_segment(struct cursor *c, struct manifest *m)
{
    struct manifest_segment s;
    memset(&s, 0, sizeof s);
    cursor_copy(c, s.id, 32);
    s.k = cursor_u8(c);
    s.n = cursor_u8(c);
    s.rows = cursor_u32(c);
    s.size = cursor_u64(c);
    cursor_copy(c, s.root, 32);
    if (s.k < 1 || s.n < s.k || s.n > SHARD_COLUMNS_MAX) return ST_BAD_MESSAGE;
    for (unsigned i = 0; i < s.n; i++) s.at[i] = cursor_u16(c);
    if (c->bad) return ST_BAD_MESSAGE;
    /* Not more than a put of ours makes: a reader keeps whole segments in memory. */
    if (s.rows < 1 || s.rows > segment_rows_full(s.k) || s.size < 1 ||
        s.size > (uint64_t)s.rows * s.k * SHARD_UNIT || segment_rows(s.k, s.size) != s.rows)
        return ST_INTEGRITY;
    return manifest_add_segment(m, &s);
}

/* Whether the chunk lies wholly inside the stream that begins with its segment. */
static bool chunk_fits(const struct manifest *m, const struct manifest_chunk *c)
{
    if (c->segment >= m->segments_n || c->offset >= m->segments[c->segment].size) return false;
    uint64_t left = c->sealed;
    uint64_t at = c->offset;
    for (size_t s = c->segment; s < m->segments_n; s++, at = 0) {
        uint64_t here = m->segments[s].size - at;
        if (left <= here) return true;
        left -= here;
    }
    return false;
}

static enum status read_chunk(struct cursor *c, struct manifest *m)
{
    struct manifest_chunk k;
    cursor_copy(c, k.key, 32);
    cursor_copy(c, k.id, 32);
    k.segment = cursor_u16(c);
    k.offset = cursor_u64(c);
    k.sealed = cursor_u32(c);
    k.plain = cursor_u32(c);
    k.compression = cursor_u8(c);
    enum status st = ST_INTEGRITY;
    if (c->bad) {
        st = ST_BAD_MESSAGE;
    } else if (k.compression > CHUNK_ZSTD) {
        st = ST_VERSION;
    } else if (k.plain <= CHUNK_PLAIN_MAX && k.sealed >= AEAD_TAG && k.sealed <= CHUNK_SEALED_MAX &&
               (k.compression == CHUNK_STORED ? k.sealed == k.plain + AEAD_TAG
                                              : k.sealed < k.plain + AEAD_TAG) &&
               chunk_fits(m, &k)) {
        st = manifest_add_chunk(m, &k);
    }
    bytes_wipe(&k, sizeof k);
    return st;
}

enum status manifest_decode(struct bytes in, struct manifest *ret)
{
    enum status st = ST_OK;
    struct cursor c = cursor_of(in);
    manifest_init(ret);
    uint8_t version = cursor_u8(&c);
    ret->kind = cursor_u8(&c);
    if (c.bad || version != MANIFEST_VERSION || ret->kind > MANIFEST_LIST)
        return c.bad ? ST_BAD_MESSAGE : ST_VERSION;
    ret->size = cursor_u64(&c);
    ret->mtime_ms = cursor_u64(&c);
    ret->mode = cursor_u32(&c);
    cursor_copy(&c, ret->hash, 32);
    size_t n = cursor_u16(&c);
    for (size_t i = 0; i < n; i++) TRY(read_segment(&c, ret));
    n = cursor_u32(&c);
    if (n > MANIFEST_CHUNKS_MAX) TRY(ST_TOO_BIG);
    uint64_t size = 0;
    for (size_t i = 0; i < n; i++) {
        TRY(read_chunk(&c, ret));
        size += ret->chunks[i].plain;
    }
    TRY(cursor_end(&c));
    if (size != ret->size) st = ST_INTEGRITY;
    if (ret->kind == MANIFEST_LIST && ret->size > MANIFEST_PLAIN_MAX) st = ST_TOO_BIG;
out:
    if (st != ST_OK) manifest_free(ret);
    return st;
}

enum status manifest_seal(const uint8_t cek[32], const uint8_t nonce[XAEAD_NONCE],
                          struct bytes plain, struct buf *out, uint8_t ret_id[32])
{
    uint8_t key[32];
    size_t from = out->n;
    EXPAND_OF(key, cek, BYTES_LIT("manifest"));
    xaead_seal_to(key, nonce, BYTES_NONE, plain, out);
    bytes_wipe(key, sizeof key);
    enum status st = buf_status(out);
    if (st == ST_OK) sha256(BYTES(out->p + from, out->n - from), ret_id);
    return st;
}

enum status manifest_open(const uint8_t cek[32], struct bytes sealed, struct buf *out)
{
    uint8_t key[32];
    EXPAND_OF(key, cek, BYTES_LIT("manifest"));
    enum status st = xaead_open_to(key, BYTES_NONE, sealed, out);
    bytes_wipe(key, sizeof key);
    return st;
}

void cek_wrap(const uint8_t file_kek[32], const uint8_t nonce[XAEAD_NONCE],
              const uint8_t manifest_id[32], uint64_t epoch, const uint8_t cek[32],
              uint8_t ret[CEK_WRAP])
{
    uint8_t ad[40];
    memcpy(ad, manifest_id, 32);
    put_u64(ad + 32, epoch);
    memcpy(ret, nonce, XAEAD_NONCE);
    xaead_seal(file_kek, nonce, BYTES_OF(ad), BYTES(cek, 32), ret + XAEAD_NONCE);
}

enum status cek_unwrap(const uint8_t file_kek[32], const uint8_t manifest_id[32], uint64_t epoch,
                       const uint8_t wrap[CEK_WRAP], uint8_t ret_cek[32])
{
    uint8_t ad[40];
    memcpy(ad, manifest_id, 32);
    put_u64(ad + 32, epoch);
    return xaead_open(file_kek, wrap, BYTES_OF(ad),
                      BYTES(wrap + XAEAD_NONCE, CEK_WRAP - XAEAD_NONCE), ret_cek);
}
