/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "link/frame.h"

#include <stdlib.h>
#include <string.h>

#define CAP_FIRST SPARE_SIZE
#define REST_MAX \
    ((size_t)4 << 10) /* what is left of a frame and is put into a buffer of its size */
#define CAP_MOST (LINK_FRAME_MAX + CAP_FIRST)

void frame_reader_init(struct frame_reader *r, struct spare *spare)
{
    *r = (struct frame_reader){.spare = spare};
}

/* used: no byte behind it was ever written. */
static void let_go(const struct frame_reader *r)
{
    if (!r->p) return;
    if (r->spare && r->cap == SPARE_SIZE) {
        spare_give(r->spare, r->p, r->used);
        return;
    }
    bytes_wipe(r->p, r->used);
    free(r->p);
}

static void drop(struct frame_reader *r)
{
    let_go(r);
    r->p = NULL;
    r->from = r->n = r->cap = r->used = 0;
}

void frame_reader_free(struct frame_reader *r)
{
    drop(r);
    r->bad = false;
}

/* Not realloc: what is left behind must be wiped. */
static bool resize(struct frame_reader *r, size_t cap)
{
    uint8_t *p = r->spare && cap == SPARE_SIZE ? spare_take(r->spare) : malloc(cap);
    if (!p) return false;
    size_t left = r->n - r->from;
    if (left) memcpy(p, r->p + r->from, left);
    let_go(r);
    r->p = p;
    r->from = 0;
    r->n = r->used = left;
    r->cap = cap;
    return true;
}

uint8_t *frame_space(struct frame_reader *r, size_t *ret_room)
{
    *ret_room = 0;
    if (r->from == r->n) r->from = r->n = 0;
    if (r->cap - r->n < FRAME_READ_MIN) {
        size_t left = r->n - r->from;
        if (r->cap - left >= FRAME_READ_MIN && left <= r->cap / 2) {
            memmove(r->p, r->p + r->from, left);
            r->from = 0;
            r->n = left;
        } else {
            size_t cap = r->cap < CAP_FIRST ? CAP_FIRST : r->cap * 2;
            if (!resize(r, cap < CAP_MOST ? cap : CAP_MOST)) return NULL;
        }
    }
    *ret_room = r->cap - r->n;
    return r->p + r->n;
}

void frame_trim(struct frame_reader *r)
{
    if (r->from == r->n) drop(r);
}

void frame_rest(struct frame_reader *r)
{
    size_t left = r->n - r->from;
    if (left == 0 && r->cap <= CAP_FIRST)
        drop(r);
    else if (left > 0 && left <= REST_MAX && r->cap > REST_MAX)
        (void)resize(r, REST_MAX);
}

void frame_filled(struct frame_reader *r, size_t n)
{
    r->n += n;
    if (r->n > r->used) r->used = r->n;
}

enum status frame_next(struct frame_reader *r, struct frame *ret)
{
    if (r->bad) return ST_TOO_BIG;
    size_t left = r->n - r->from;
    if (left < FRAME_HEADER) return ST_PENDING;
    const uint8_t *p = r->p + r->from;
    size_t len = get_u32(p + 1);
    if (len > FRAME_PAYLOAD_MAX) {
        r->bad = true;
        return ST_TOO_BIG;
    }
    if (left - FRAME_HEADER < len) return ST_PENDING;
    *ret = (struct frame){p[0], BYTES(p + FRAME_HEADER, len)};
    r->from += FRAME_HEADER + len;
    return ST_OK;
}

enum status frame_put(struct frame_reader *r, struct bytes in)
{
    while (in.n) {
        size_t room;
        uint8_t *p = frame_space(r, &room);
        if (!p) return ST_NO_MEMORY;
        size_t n = in.n < room ? in.n : room;
        memcpy(p, in.p, n);
        frame_filled(r, n);
        in = BYTES(in.p + n, in.n - n);
    }
    return ST_OK;
}

void frame_header(uint8_t type, size_t payload, uint8_t ret[FRAME_HEADER])
{
    ret[0] = type;
    put_u32(ret + 1, (uint32_t)payload);
}
