/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "base/bytes.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct bytes bytes_str(const char *text)
{
    return BYTES(text, strlen(text));
}

bool bytes_same(struct bytes a, struct bytes b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

int bytes_compare(struct bytes a, struct bytes b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int order = n == 0 ? 0 : memcmp(a.p, b.p, n);
    if (order != 0) return order;
    return a.n < b.n ? -1 : a.n > b.n;
}

bool bytes_zero(struct bytes b)
{
    uint8_t any = 0;
    for (size_t i = 0; i < b.n; i++) any |= b.p[i];
    return any == 0;
}

void bytes_text(struct bytes b, char *to, size_t room)
{
    size_t n = b.n < room - 1 ? b.n : room - 1;
    if (n > 0) memcpy(to, b.p, n);
    to[n] = '\0';
}

void bytes_wipe(void *p, size_t n)
{
    if (n == 0) return;
    memset(p, 0, n);
    __asm__ __volatile__("" : : "r"(p) : "memory");
}

void buf_init(struct buf *b, size_t max)
{
    *b = BUF_INIT;
    b->max = max;
}

void buf_free(struct buf *b)
{
    if (b == NULL) return;
    if (b->p != NULL) bytes_wipe(b->p, b->cap);
    free(b->p);
    *b = (struct buf){.max = b->max};
}

void buf_clear(struct buf *b)
{
    if (b->p != NULL) bytes_wipe(b->p, b->n);
    b->n = 0;
    b->bad = false;
    b->no_memory = false;
}

static size_t buf_limit(const struct buf *b)
{
    return b->max == 0 ? BUF_MAX_DEFAULT : b->max;
}

enum status buf_status(const struct buf *b)
{
    if (!b->bad) return ST_OK;
    return b->no_memory ? ST_NO_MEMORY : ST_TOO_BIG;
}

struct bytes buf_view(const struct buf *b)
{
    return BYTES(b->p, b->n);
}

/* Memory is moved by hand, not by realloc, so that the old copy can be wiped. */
static bool buf_grow(struct buf *b, size_t need)
{
    size_t cap = b->cap < 64 ? 64 : b->cap;
    while (cap < need) cap += cap / 2 + 64;
    if (cap > buf_limit(b)) cap = buf_limit(b);
    uint8_t *p = malloc(cap);
    if (p == NULL) {
        b->no_memory = true;
        return false;
    }
    if (b->n > 0) memcpy(p, b->p, b->n);
    if (b->p != NULL) bytes_wipe(b->p, b->cap);
    free(b->p);
    b->p = p;
    b->cap = cap;
    return true;
}

uint8_t *buf_space(struct buf *b, size_t n)
{
    if (b->bad) return NULL;
    if (n > buf_limit(b) - b->n || (b->n + n > b->cap && !buf_grow(b, b->n + n))) {
        b->bad = true;
        return NULL;
    }
    uint8_t *p = b->p + b->n;
    b->n += n;
    return p;
}

void buf_u8(struct buf *b, uint8_t v)
{
    buf_raw(b, &v, 1);
}

void buf_u16(struct buf *b, uint16_t v)
{
    uint8_t *p = buf_space(b, 2);
    if (p != NULL) put_u16(p, v);
}

void buf_u32(struct buf *b, uint32_t v)
{
    uint8_t *p = buf_space(b, 4);
    if (p != NULL) put_u32(p, v);
}

void buf_u64(struct buf *b, uint64_t v)
{
    uint8_t *p = buf_space(b, 8);
    if (p != NULL) put_u64(p, v);
}

void buf_raw(struct buf *b, const void *src, size_t n)
{
    if (n == 0) return;
    uint8_t *p = buf_space(b, n);
    if (p != NULL) memcpy(p, src, n);
}

void buf_bytes(struct buf *b, struct bytes v)
{
    buf_raw(b, v.p, v.n);
}

void buf_zero(struct buf *b, size_t n)
{
    if (n == 0) return;
    uint8_t *p = buf_space(b, n);
    if (p != NULL) memset(p, 0, n);
}

void buf_str(struct buf *b, const char *text)
{
    buf_raw(b, text, strlen(text));
}

void buf_printf(struct buf *b, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    /* vsnprintf writes a terminator: room for it is taken and given back. */
    uint8_t *p = n < 0 ? NULL : buf_space(b, (size_t)n + 1);
    if (p != NULL) {
        vsnprintf((char *)p, (size_t)n + 1, format, again);
        b->n--;
    }
    va_end(again);
}

void buf_consume(struct buf *b, size_t n)
{
    if (n >= b->n) {
        buf_clear(b);
        return;
    }
    memmove(b->p, b->p + n, b->n - n);
    bytes_wipe(b->p + b->n - n, n);
    b->n -= n;
}

struct cursor cursor_of(struct bytes b)
{
    return (struct cursor){b.p, b.n, false};
}

struct bytes cursor_take(struct cursor *c, size_t n)
{
    if (c->bad || n > c->left) {
        c->bad = true;
        return BYTES_NONE;
    }
    struct bytes v = BYTES(c->p, n);
    if (n > 0) c->p += n;
    c->left -= n;
    return v;
}

uint8_t cursor_u8(struct cursor *c)
{
    struct bytes v = cursor_take(c, 1);
    return v.n == 0 ? 0 : v.p[0];
}

uint16_t cursor_u16(struct cursor *c)
{
    struct bytes v = cursor_take(c, 2);
    return v.n == 0 ? 0 : get_u16(v.p);
}

uint32_t cursor_u32(struct cursor *c)
{
    struct bytes v = cursor_take(c, 4);
    return v.n == 0 ? 0 : get_u32(v.p);
}

uint64_t cursor_u64(struct cursor *c)
{
    struct bytes v = cursor_take(c, 8);
    return v.n == 0 ? 0 : get_u64(v.p);
}

void cursor_copy(struct cursor *c, uint8_t *dst, size_t n)
{
    struct bytes v = cursor_take(c, n);
    if (n == 0) return;
    if (v.n == n)
        memcpy(dst, v.p, n);
    else
        memset(dst, 0, n);
}

struct bytes cursor_rest(struct cursor *c)
{
    return cursor_take(c, c->left);
}

enum status cursor_end(const struct cursor *c)
{
    return c->bad || c->left != 0 ? ST_BAD_MESSAGE : ST_OK;
}

void put_u16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

void put_u32(uint8_t *p, uint32_t v)
{
    put_u16(p, (uint16_t)(v >> 16));
    put_u16(p + 2, (uint16_t)v);
}

void put_u64(uint8_t *p, uint64_t v)
{
    put_u32(p, (uint32_t)(v >> 32));
    put_u32(p + 4, (uint32_t)v);
}

uint16_t get_u16(const uint8_t *p)
{
    return (uint16_t)((p[0] << 8) | p[1]);
}

uint32_t get_u32(const uint8_t *p)
{
    return ((uint32_t)get_u16(p) << 16) | get_u16(p + 2);
}

uint64_t get_u64(const uint8_t *p)
{
    return ((uint64_t)get_u32(p) << 32) | get_u32(p + 4);
}
