/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * bytes: views, growable buffers and the bounded cursor through which every
 * byte from outside is read. Integers are big-endian.
 *
 * Owns: struct buf owns its memory, wipes it on every release and growth.
 *       struct bytes and struct cursor borrow; they live as long as what they
 *       point into.
 * Errors: writing past a buffer's max or out of memory makes the buffer "bad"
 *       (sticky); reading past the end makes the cursor "bad" (sticky, getters
 *       then give zeros). Check once at the end: buf_status, cursor_end.
 * Order: BUF_INIT or buf_init, writes, buf_status, use, buf_free.
 */
#ifndef ENCLAVE_BASE_BYTES_H
#define ENCLAVE_BASE_BYTES_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bytes {
    const uint8_t *p;
    size_t n;
};

#define BYTES(ptr, len) ((struct bytes){(const uint8_t *)(ptr), (len)})
#define BYTES_OF(array) ((struct bytes){(const uint8_t *)(array), sizeof(array)})
#define BYTES_NONE ((struct bytes){NULL, 0})
/* The characters of a string literal, without its terminator. */
#define BYTES_LIT(lit) ((struct bytes){(const uint8_t *)("" lit), sizeof(lit) - 1})

struct bytes bytes_str(const char *text);          /* without the terminator */
bool bytes_same(struct bytes a, struct bytes b);   /* public data only: not constant time */
int bytes_compare(struct bytes a, struct bytes b); /* memcmp order, shorter first */
bool bytes_zero(struct bytes b);                   /* all bytes 0 */

/* As a terminated text, cut to what fits; room >= 1. */
void bytes_text(struct bytes b, char *to, size_t room);

/* Wipes memory in a way that the compiler does not remove. */
void bytes_wipe(void *p, size_t n);

struct buf {
    uint8_t *p;
    size_t n;
    size_t cap;
    size_t max; /* 0: BUF_MAX_DEFAULT */
    bool bad;
    bool no_memory;
};

#define BUF_MAX_DEFAULT ((size_t)64 << 20)
#define BUF_INIT ((struct buf){NULL, 0, 0, 0, false, false})

void buf_init(struct buf *b, size_t max); /* max: most bytes it may ever hold; 0 = 64 MiB */
void buf_free(struct buf *b);             /* wipes; NULL and zeroed structs are fine; reusable */
void buf_clear(struct buf *b);            /* wipes the content, keeps memory, clears bad */
enum status buf_status(const struct buf *b) MUST_USE; /* ST_OK, or ST_NO_MEMORY, or ST_TOO_BIG */
struct bytes buf_view(const struct buf *b);

/* Appends n bytes and returns where they begin, to be filled in; NULL (and bad) if it can't. */
uint8_t *buf_space(struct buf *b, size_t n);
void buf_u8(struct buf *b, uint8_t v);
void buf_u16(struct buf *b, uint16_t v);
void buf_u32(struct buf *b, uint32_t v);
void buf_u64(struct buf *b, uint64_t v);
void buf_raw(struct buf *b, const void *src, size_t n);
void buf_bytes(struct buf *b, struct bytes v);
void buf_zero(struct buf *b, size_t n);
void buf_str(struct buf *b, const char *text); /* without the terminator */
__attribute__((format(printf, 2, 3))) void buf_printf(struct buf *b, const char *format, ...);
/* Drops the first n bytes (n <= b->n). */
void buf_consume(struct buf *b, size_t n);

struct cursor {
    const uint8_t *p;
    size_t left;
    bool bad;
};

struct cursor cursor_of(struct bytes b);
uint8_t cursor_u8(struct cursor *c);
uint16_t cursor_u16(struct cursor *c);
uint32_t cursor_u32(struct cursor *c);
uint64_t cursor_u64(struct cursor *c);
struct bytes cursor_take(struct cursor *c, size_t n);       /* a view of the next n bytes */
void cursor_copy(struct cursor *c, uint8_t *dst, size_t n); /* zeros when bad */
struct bytes cursor_rest(struct cursor *c);                 /* all that is left */
/* ST_OK only if nothing was read past the end and nothing is left; else ST_BAD_MESSAGE. */
enum status cursor_end(const struct cursor *c) MUST_USE;

void put_u16(uint8_t *p, uint16_t v);
void put_u32(uint8_t *p, uint32_t v);
void put_u64(uint8_t *p, uint64_t v);
uint16_t get_u16(const uint8_t *p);
uint32_t get_u32(const uint8_t *p);
uint64_t get_u64(const uint8_t *p);

#endif
