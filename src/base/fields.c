/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "base/fields.h"

#include <string.h>

static const void *at(const struct field *f, const void *msg)
{
    return (const uint8_t *)msg + f->offset;
}

static struct bytes view_of(const struct field *f, const void *msg)
{
    struct bytes v;
    memcpy(&v, at(f, msg), sizeof v);
    return v;
}

static struct list list_of(const struct field *f, const void *msg)
{
    struct list v;
    memcpy(&v, at(f, msg), sizeof v);
    return v;
}

/* Bytes of the length or count in front of a field's content. */
static size_t prefix_of(enum field_kind kind)
{
    switch (kind) {
    case FIELD_VAR8:
    case FIELD_LIST8: return 1;
    case FIELD_VAR16:
    case FIELD_LIST16: return 2;
    case FIELD_VAR32: return 4;
    default: return 0;
    }
}

static void put_prefix(struct buf *out, size_t width, size_t v)
{
    for (size_t i = width; i-- > 0;) buf_u8(out, (uint8_t)(v >> (8 * i)));
}

static uint64_t take_number(struct cursor *c, size_t width)
{
    uint64_t v = 0;
    for (size_t i = 0; i < width; i++) v = v << 8 | cursor_u8(c);
    return v;
}

static enum status encode_field(const struct field *f, const void *msg, struct buf *out)
{
    switch (f->kind) {
    case FIELD_U8: buf_raw(out, at(f, msg), 1); break;
    case FIELD_U16: buf_u16(out, *(const uint16_t *)at(f, msg)); break;
    case FIELD_U32: buf_u32(out, *(const uint32_t *)at(f, msg)); break;
    case FIELD_U64: buf_u64(out, *(const uint64_t *)at(f, msg)); break;
    case FIELD_FIX: buf_raw(out, at(f, msg), f->a); break;
    case FIELD_VAR8:
    case FIELD_VAR16:
    case FIELD_VAR32:
    case FIELD_TAIL: {
        struct bytes v = view_of(f, msg);
        if (v.n > f->a) return ST_BUG;
        put_prefix(out, prefix_of(f->kind), v.n);
        buf_bytes(out, v);
        break;
    }
    case FIELD_LIST8:
    case FIELD_LIST16: {
        struct list v = list_of(f, msg);
        if (v.n > f->b) return ST_BUG;
        put_prefix(out, prefix_of(f->kind), v.n);
        buf_raw(out, v.p, v.n * f->a);
        break;
    }
    }
    return ST_OK;
}

enum status fields_encode(const struct fields *f, const void *msg, struct buf *out)
{
    for (size_t i = 0; i < f->n; i++) {
        enum status st = encode_field(&f->list[i], msg, out);
        if (st != ST_OK) return st;
    }
    return buf_status(out);
}

static enum status read_field(const struct field *f, struct cursor *c, void *msg)
{
    void *to = (uint8_t *)msg + f->offset;
    switch (f->kind) {
    case FIELD_U8: *(uint8_t *)to = cursor_u8(c); break;
    case FIELD_U16: *(uint16_t *)to = cursor_u16(c); break;
    case FIELD_U32: *(uint32_t *)to = cursor_u32(c); break;
    case FIELD_U64: *(uint64_t *)to = cursor_u64(c); break;
    case FIELD_FIX: cursor_copy(c, to, f->a); break;
    case FIELD_VAR8:
    case FIELD_VAR16:
    case FIELD_VAR32:
    case FIELD_TAIL: {
        size_t n = f->kind == FIELD_TAIL ? c->left : take_number(c, prefix_of(f->kind));
        if (n > f->a) return ST_TOO_BIG;
        struct bytes v = cursor_take(c, n);
        memcpy(to, &v, sizeof v);
        break;
    }
    case FIELD_LIST8:
    case FIELD_LIST16: {
        size_t n = take_number(c, prefix_of(f->kind));
        if (n > f->b) return ST_TOO_BIG;
        struct bytes v = cursor_take(c, n * f->a);
        struct list l = {v.p, n};
        memcpy(to, &l, sizeof l);
        break;
    }
    }
    return c->bad ? ST_BAD_MESSAGE : ST_OK;
}

enum status fields_read(const struct fields *f, struct cursor *c, void *ret_msg)
{
    memset(ret_msg, 0, f->struct_size);
    for (size_t i = 0; i < f->n; i++) {
        enum status st = read_field(&f->list[i], c, ret_msg);
        if (st != ST_OK) {
            memset(ret_msg, 0, f->struct_size);
            return st;
        }
    }
    return ST_OK;
}

enum status fields_decode(const struct fields *f, struct bytes in, void *ret_msg)
{
    struct cursor c = cursor_of(in);
    enum status st = fields_read(f, &c, ret_msg);
    if (st == ST_OK) st = cursor_end(&c);
    if (st != ST_OK) memset(ret_msg, 0, f->struct_size);
    return st;
}

size_t fields_size(const struct fields *f, const void *msg)
{
    size_t n = 0;
    for (size_t i = 0; i < f->n; i++) {
        const struct field *row = &f->list[i];
        n += prefix_of(row->kind);
        switch (row->kind) {
        case FIELD_U8: n += 1; break;
        case FIELD_U16: n += 2; break;
        case FIELD_U32: n += 4; break;
        case FIELD_U64: n += 8; break;
        case FIELD_FIX: n += row->a; break;
        case FIELD_LIST8:
        case FIELD_LIST16: n += list_of(row, msg).n * row->a; break;
        default: n += view_of(row, msg).n; break;
        }
    }
    return n;
}
