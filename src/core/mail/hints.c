/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "core/mail/hints.h"

#include "crypto/hash.h"

#include <stdlib.h>
#include <string.h>

void hints_hint(const uint8_t s[32], uint8_t ret[HINT_SIZE])
{
    hkdf_expand(s, BYTES_LIT("hint"), ret, HINT_SIZE);
}

void hints_mk(const uint8_t s[32], uint8_t ret_mk[32])
{
    hkdf_expand(s, BYTES_LIT("mk"), ret_mk, 32);
}

void hints_advance(uint8_t s[32])
{
    uint8_t next[32];
    hkdf_expand(s, BYTES_LIT("next"), next, 32);
    memcpy(s, next, 32);
    bytes_wipe(next, sizeof next);
}

static uint8_t *s_next(const struct hints *h)
{
    return h->s;
}

static uint8_t *s_end(const struct hints *h)
{
    return h->s + 32;
}

static uint64_t ahead_at(const struct hints *h, size_t i)
{
    return h->ahead[(h->start + i) % h->room];
}

static enum status ahead_reserve(struct hints *h, size_t room)
{
    if (h->room >= room) return ST_OK;
    uint64_t *more = calloc(room, sizeof *more);
    if (!more) return ST_NO_MEMORY;
    for (size_t i = 0; i < h->count; i++) more[i] = ahead_at(h, i);
    free(h->ahead);
    h->ahead = more;
    h->room = room;
    h->start = 0;
    return ST_OK;
}

/* Fills the window up to `count` hints; the room is reserved. */
static void ahead_fill(struct hints *h, size_t count)
{
    uint8_t hint[HINT_SIZE];
    while (h->count < count) {
        hints_hint(s_end(h), hint);
        hints_advance(s_end(h));
        h->ahead[(h->start + h->count) % h->room] = get_u64(hint);
        h->count++;
    }
}

/* Moves over place `next`; at least one hint is ahead. */
static void ahead_pop(struct hints *h)
{
    h->start = (h->start + 1) % h->room;
    h->count--;
    h->next++;
    hints_advance(s_next(h));
}

static enum status skipped_reserve(struct hints *h, size_t more)
{
    size_t want = h->n_skipped + more;
    if (want > HINTS_SKIPPED) want = HINTS_SKIPPED;
    if (h->skipped_room >= want) return ST_OK;
    size_t room = h->skipped_room ? h->skipped_room * 2 : 8;
    while (room < want) room *= 2;
    struct hints_skip *grown = calloc(room, sizeof *grown);
    if (!grown) return ST_NO_MEMORY;
    if (h->n_skipped) memcpy(grown, h->skipped, h->n_skipped * sizeof *grown);
    if (h->skipped) bytes_wipe(h->skipped, h->skipped_room * sizeof *grown);
    free(h->skipped);
    h->skipped = grown;
    h->skipped_room = room;
    return ST_OK;
}

static void skipped_remove(struct hints *h, size_t i)
{
    memmove(&h->skipped[i], &h->skipped[i + 1], (h->n_skipped - i - 1) * sizeof h->skipped[0]);
    h->n_skipped--;
    bytes_wipe(&h->skipped[h->n_skipped], sizeof h->skipped[0]);
}

/* The key of place `next` goes to the skipped ones; the oldest makes room. */
static void skipped_push(struct hints *h)
{
    if (h->n_skipped == HINTS_SKIPPED) {
        skipped_remove(h, 0);
        h->dropped++;
    }
    struct hints_skip *k = &h->skipped[h->n_skipped++];
    k->n = h->next;
    hints_hint(s_next(h), k->hint);
    hints_mk(s_next(h), k->mk);
}

static enum status start(struct hints *h, uint8_t *secrets, const uint8_t s[32], uint64_t next)
{
    memset(h, 0, sizeof *h);
    h->s = secrets;
    memcpy(s_next(h), s, 32);
    memcpy(s_end(h), s, 32);
    h->next = next;
    enum status st = ahead_reserve(h, HINTS_WINDOW);
    if (st == ST_OK) ahead_fill(h, HINTS_WINDOW);
    return st;
}

enum status hints_init(struct hints *h, uint8_t *secrets, const uint8_t s0[32])
{
    return start(h, secrets, s0, 0);
}

void hints_free(struct hints *h)
{
    if (h->s) bytes_wipe(h->s, HINTS_SECRETS);
    if (h->skipped) bytes_wipe(h->skipped, h->skipped_room * sizeof h->skipped[0]);
    free(h->skipped);
    free(h->ahead);
    memset(h, 0, sizeof *h);
}

static bool find_skipped(const struct hints *h, const uint8_t hint[HINT_SIZE], size_t from,
                         struct hints_place *ret)
{
    for (size_t i = from; i < h->n_skipped; i++)
        if (memcmp(h->skipped[i].hint, hint, HINT_SIZE) == 0) {
            *ret = (struct hints_place){h->skipped[i].n, true};
            return true;
        }
    return false;
}

static size_t skipped_index(const struct hints *h, uint64_t n)
{
    size_t i = 0;
    while (i < h->n_skipped && h->skipped[i].n != n) i++;
    return i;
}

enum status hints_find(const struct hints *h, const uint8_t hint[HINT_SIZE],
                       const struct hints_place *after, struct hints_place *ret)
{
    uint64_t wanted = get_u64(hint);
    size_t from = 0;
    if (!after || after->skipped) {
        size_t i = after ? skipped_index(h, after->n) + 1 : 0;
        if (find_skipped(h, hint, i, ret)) return ST_OK;
    } else {
        from = (size_t)(after->n - h->next) + 1;
    }
    for (size_t i = from; i < h->count; i++)
        if (ahead_at(h, i) == wanted) {
            *ret = (struct hints_place){h->next + i, false};
            return ST_OK;
        }
    return ST_NOT_FOUND;
}

enum status hints_key(const struct hints *h, const struct hints_place *p, uint8_t ret_mk[32])
{
    memset(ret_mk, 0, 32);
    if (p->skipped) {
        size_t i = skipped_index(h, p->n);
        if (i == h->n_skipped) return ST_NOT_FOUND;
        memcpy(ret_mk, h->skipped[i].mk, 32);
        return ST_OK;
    }
    if (p->n < h->next || p->n - h->next >= h->count) return ST_NOT_FOUND;
    uint8_t s[32];
    memcpy(s, s_next(h), 32);
    for (uint64_t n = h->next; n < p->n; n++) hints_advance(s);
    hints_mk(s, ret_mk);
    bytes_wipe(s, sizeof s);
    return ST_OK;
}

enum status hints_spend(struct hints *h, const struct hints_place *p)
{
    if (p->skipped) {
        hints_forget(h, p->n);
        return ST_OK;
    }
    if (p->n < h->next || p->n - h->next >= h->count) return ST_NOT_FOUND;
    enum status st = skipped_reserve(h, (size_t)(p->n - h->next));
    if (st != ST_OK) return st;
    while (h->next < p->n) {
        skipped_push(h);
        ahead_pop(h);
    }
    ahead_pop(h);
    ahead_fill(h, HINTS_WINDOW);
    return ST_OK;
}

enum status hints_step(struct hints *h, uint64_t n)
{
    if (n <= h->next) return ST_OK;
    if (n - h->next > HINTS_STEP_MAX) return ST_TOO_BIG;
    uint64_t far = n - h->next;
    enum status st = skipped_reserve(h, far > HINTS_SKIPPED ? HINTS_SKIPPED : (size_t)far);
    if (st != ST_OK) return st;
    while (h->next < n) {
        if (n - h->next <= HINTS_SKIPPED)
            skipped_push(h);
        else
            h->dropped++;
        if (h->count == 0) ahead_fill(h, 1);
        ahead_pop(h);
    }
    ahead_fill(h, HINTS_WINDOW);
    return ST_OK;
}

enum status hints_make(struct hints *h, bool keep, uint64_t *ret_n, uint8_t ret_hint[HINT_SIZE],
                       uint8_t ret_mk[32])
{
    enum status st = keep ? skipped_reserve(h, 1) : ST_OK;
    if (st != ST_OK) return st;
    *ret_n = h->next;
    hints_hint(s_next(h), ret_hint);
    hints_mk(s_next(h), ret_mk);
    if (keep) skipped_push(h);
    ahead_pop(h);
    ahead_fill(h, HINTS_WINDOW);
    return ST_OK;
}

enum status hints_extend(struct hints *h, bool *ret_grew)
{
    *ret_grew = false;
    if (h->count > HINTS_WINDOW) return ST_OK;
    enum status st = ahead_reserve(h, HINTS_EXTENDED);
    if (st != ST_OK) return st;
    ahead_fill(h, HINTS_EXTENDED);
    *ret_grew = true;
    return ST_OK;
}

void hints_forget(struct hints *h, uint64_t n)
{
    size_t i = skipped_index(h, n);
    if (i < h->n_skipped) skipped_remove(h, i);
}

uint64_t hints_missing(const struct hints *h, uint64_t n)
{
    uint64_t missing = h->dropped;
    for (size_t i = 0; i < h->n_skipped; i++) missing += h->skipped[i].n < n;
    return missing;
}

void hints_save(const struct hints *h, struct buf *out)
{
    buf_u64(out, h->next);
    buf_raw(out, s_next(h), 32);
    buf_u64(out, h->dropped);
    buf_u16(out, (uint16_t)h->n_skipped);
    for (size_t i = 0; i < h->n_skipped; i++) {
        buf_u64(out, h->skipped[i].n);
        buf_raw(out, h->skipped[i].hint, HINT_SIZE);
        buf_raw(out, h->skipped[i].mk, 32);
    }
}

enum status hints_load(struct hints *h, uint8_t *secrets, struct cursor *in)
{
    uint64_t next = cursor_u64(in);
    struct bytes s = cursor_take(in, 32);
    uint64_t dropped = cursor_u64(in);
    size_t n = cursor_u16(in);
    memset(h, 0, sizeof *h);
    if (in->bad || n > HINTS_SKIPPED) return ST_INTEGRITY;
    enum status st = start(h, secrets, s.p, next);
    h->dropped = dropped;
    if (st == ST_OK) st = skipped_reserve(h, n);
    for (size_t i = 0; i < n && st == ST_OK; i++) {
        struct hints_skip *k = &h->skipped[i];
        k->n = cursor_u64(in);
        cursor_copy(in, k->hint, HINT_SIZE);
        cursor_copy(in, k->mk, 32);
        h->n_skipped++;
        if (in->bad || k->n >= next || (i > 0 && k->n <= h->skipped[i - 1].n)) st = ST_INTEGRITY;
    }
    if (st != ST_OK) hints_free(h);
    return st;
}
