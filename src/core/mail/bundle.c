/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "core/mail/bundle.h"

#include <string.h>

#define MASK ((uint16_t)(BUNDLE_MOST - 1))

bool bundle_next(struct cursor *c, struct bytes *ret_text)
{
    if (c->left == 0) return false;
    *ret_text = cursor_take(c, cursor_u16(c));
    if (ret_text->n > BUNDLE_TEXT_MAX) c->bad = true;
    return !c->bad;
}

size_t bundle_count(struct bytes content)
{
    struct cursor c = cursor_of(content);
    struct bytes text;
    size_t n = 0;
    while (n <= BUNDLE_MOST && bundle_next(&c, &text)) n++;
    return c.bad || c.left > 0 || n < 2 || n > BUNDLE_MOST ? 0 : n;
}

struct bytes bundle_text(struct bytes content, size_t i)
{
    struct cursor c = cursor_of(content);
    struct bytes text = BYTES_NONE;
    for (size_t at = 0; bundle_next(&c, &text); at++)
        if (at == i) return text;
    return BYTES_NONE;
}

void bundle_add(struct buf *out, struct bytes text)
{
    buf_u16(out, (uint16_t)text.n);
    buf_bytes(out, text);
}

size_t bundle_size(struct bytes text)
{
    return 2 + text.n;
}

bool bundle_uuid_is_base(const uint8_t uuid[16])
{
    return bundle_uuid_place(uuid) == 0;
}

void bundle_uuid_base(uint8_t uuid[16])
{
    put_u16(uuid + 14, (uint16_t)(get_u16(uuid + 14) & ~MASK));
}

size_t bundle_uuid_place(const uint8_t uuid[16])
{
    return get_u16(uuid + 14) & MASK;
}

void bundle_uuid_of(const uint8_t base[16], size_t i, uint8_t ret[16])
{
    memcpy(ret, base, 16);
    bundle_uuid_base(ret);
    put_u16(ret + 14, (uint16_t)(get_u16(ret + 14) | i));
}
