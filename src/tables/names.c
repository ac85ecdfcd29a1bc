/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "tables/names.h"

#include <string.h>

/* Bytes of the UTF-8 character at p and its number; 0 if there is none. */
static size_t character(struct bytes b, size_t at, uint32_t *ret)
{
    uint8_t first = b.p[at];
    size_t n = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (n == 0 || first > 0xf4 || b.n - at < n) return 0;
    uint32_t c = n == 1 ? first : first & (0x7fU >> n);
    for (size_t i = 1; i < n; i++) {
        if ((b.p[at + i] & 0xc0) != 0x80) return 0;
        c = c << 6 | (b.p[at + i] & 0x3f);
    }
    if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff)) return 0;
    *ret = c;
    return n;
}

static bool control(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0);
}

/* Marks that change the direction of writing, or cannot be seen. */
static bool deceives(uint32_t c)
{
    return (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
           (c >= 0x2060 && c <= 0x206f) || c == 0xfeff;
}

static bool scan(struct bytes b, bool controls)
{
    uint32_t c = 0;
    for (size_t i = 0, n; i < b.n; i += n) {
        n = character(b, i, &c);
        if (n == 0 || (!controls && control(c))) return false;
    }
    return true;
}

bool names_utf8(struct bytes b)
{
    return scan(b, true);
}

bool names_plain(struct bytes b)
{
    return scan(b, false);
}

static bool stays(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != 0 && strchr("-._~/", c) != NULL);
}

void names_encode(struct bytes name, struct buf *out)
{
    for (size_t i = 0; i < name.n; i++) {
        if (stays(name.p[i]))
            buf_u8(out, name.p[i]);
        else
            buf_printf(out, "%%%02X", name.p[i]);
    }
}

static int digit(uint8_t c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return -1;
}

enum status names_decode(struct bytes text, struct buf *out)
{
    for (size_t i = 0; i < text.n; i++) {
        uint8_t c = text.p[i];
        if (c == '%') {
            if (text.n - i < 3) return ST_USAGE;
            int high = digit(text.p[i + 1]);
            int low = digit(text.p[i + 2]);
            if (high < 0 || low < 0) return ST_USAGE;
            c = (uint8_t)(high << 4 | low);
            i += 2;
        }
        if (c == 0) return ST_USAGE;
        buf_u8(out, c);
    }
    return buf_status(out);
}

void names_show(struct bytes text, bool newline, struct buf *out)
{
    for (size_t i = 0; i < text.n;) {
        uint32_t c = 0;
        size_t n = character(text, i, &c);
        bool passes = n > 0 && !control(c) && !deceives(c);
        if (newline && n == 1 && (c == '\n' || c == '\t')) passes = true;
        if (passes)
            buf_raw(out, text.p + i, n);
        else
            buf_u8(out, '?');
        i += n == 0 ? 1 : n;
    }
}
