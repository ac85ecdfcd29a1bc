/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "sim/kv_mem.h"

#include <stdlib.h>
#include <string.h>

struct kv_mem_batch {
    struct kv_mem_batch *next;
    struct kv_mem *k;
    struct kv_write *writes;
    size_t n;
    kv_done *done;
    void *arg;
    bool refused;
};

static struct kv_mem_space *space_of(const struct kv_mem *k, const uint8_t id[KV_SPACE])
{
    for (size_t i = 0; i < k->n; i++)
        if (memcmp(k->spaces[i].id, id, KV_SPACE) == 0) return &k->spaces[i];
    return NULL;
}

static struct kv_mem_space *space_make(struct kv_mem *k, const uint8_t id[KV_SPACE])
{
    struct kv_mem_space *s = space_of(k, id);
    if (s) return s;
    if (k->n == k->room) {
        k->room = k->room ? k->room * 2 : 16;
        struct kv_mem_space *more = sim_alloc(k->room * sizeof *more);
        if (k->n) memcpy(more, k->spaces, k->n * sizeof *more);
        free(k->spaces);
        k->spaces = more;
    }
    s = &k->spaces[k->n++];
    memcpy(s->id, id, KV_SPACE);
    return s;
}

/* The first row with a number >= n. */
static size_t row_at(const struct kv_mem_space *s, uint64_t n)
{
    size_t low = 0, high = s->n;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (s->rows[mid].n < n)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static void row_put(struct kv_mem_space *s, uint64_t n, struct bytes value)
{
    size_t i = row_at(s, n);
    if (i == s->n || s->rows[i].n != n) {
        if (s->n == s->room) {
            s->room = s->room ? s->room * 2 : 8;
            struct kv_mem_row *more = sim_alloc(s->room * sizeof *more);
            if (s->n) memcpy(more, s->rows, s->n * sizeof *more);
            free(s->rows);
            s->rows = more;
        }
        memmove(&s->rows[i + 1], &s->rows[i], (s->n - i) * sizeof s->rows[0]);
        s->n++;
    } else {
        free(s->rows[i].value);
    }
    s->rows[i] = (struct kv_mem_row){n, sim_copy(value.p, value.n), value.n};
}

/* Rows from to below. */
static void rows_drop(struct kv_mem_space *s, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) free(s->rows[i].value);
    memmove(&s->rows[from], &s->rows[to], (s->n - to) * sizeof s->rows[0]);
    s->n -= to - from;
}

static void apply(struct kv_mem *k, const struct kv_write *w)
{
    struct kv_mem_space *s = space_make(k, w->space);
    size_t i = row_at(s, w->n);
    switch (w->verb) {
    case KV_PUT: row_put(s, w->n, w->value); break;
    case KV_DROP:
        if (i < s->n && s->rows[i].n == w->n) rows_drop(s, i, i + 1);
        break;
    case KV_DROP_BELOW:
        if (s->n) rows_drop(s, 0, i);
        break;
    case KV_DROP_SPACE:
        if (s->n) rows_drop(s, 0, s->n);
        break;
    }
    k->bytes += w->verb == KV_PUT ? w->value.n : 0;
}

static void batch_free(struct kv_mem_batch *b)
{
    for (size_t i = 0; i < b->n; i++)
        if (b->writes[i].verb == KV_PUT) free((void *)(uintptr_t)b->writes[i].value.p);
    free(b->writes);
    free(b);
}

static void batch_apply(struct kv_mem_batch *b)
{
    for (size_t i = 0; i < b->n; i++) apply(b->k, &b->writes[i]);
    b->k->commits++;
}

/* Batches end in the order of their commits, so it is always the first. */
static void synced(void *arg)
{
    struct kv_mem *k = arg;
    struct kv_mem_batch *b = k->first;
    k->first = b->next;
    if (!k->first) k->last = NULL;
    if (!b->refused) batch_apply(b);
    b->done(b->arg, b->refused ? ST_NO_SPACE : ST_OK);
    batch_free(b);
}

static enum status kv_commit(void *ctx, const struct kv_write *writes, size_t n, kv_done *done,
                             void *arg)
{
    struct kv_mem *k = ctx;
    if (!k->m->up) return ST_CLOSED;
    struct kv_mem_batch *b = sim_alloc(sizeof *b);
    b->k = k;
    b->writes = sim_copy(writes, n * sizeof *writes);
    b->n = n;
    b->done = done;
    b->arg = arg;
    b->refused = k->m->full;
    for (size_t i = 0; i < n; i++) {
        if (writes[i].verb != KV_PUT) continue;
        if (writes[i].value.n > KV_VALUE_MAX) abort();
        b->writes[i].value.p = sim_copy(writes[i].value.p, writes[i].value.n);
    }
    if (k->last)
        k->last->next = b;
    else
        k->first = b;
    k->last = b;
    uint64_t now = k->m->time->now_ms;
    uint64_t at = now + rng_below(&k->m->rng, rng_chance(&k->m->rng, 20) ? 200 : 8);
    if (at < k->last_at_ms) at = k->last_at_ms;
    k->last_at_ms = at;
    vtime_at(k->m->time, at - now, &k->m->life, synced, NULL, k);
    return ST_OK;
}

static enum status kv_get(void *ctx, const uint8_t space[KV_SPACE], uint64_t n, struct buf *ret)
{
    struct kv_mem_space *s = space_of(ctx, space);
    size_t i = s ? row_at(s, n) : 0;
    if (!s || i == s->n || s->rows[i].n != n) return ST_NOT_FOUND;
    buf_raw(ret, s->rows[i].value, s->rows[i].size);
    return buf_status(ret);
}

static enum status kv_scan(void *ctx, const uint8_t space[KV_SPACE], uint64_t from, kv_visit *visit,
                           void *arg)
{
    struct kv_mem_space *s = space_of(ctx, space);
    for (size_t i = s ? row_at(s, from) : 0; s && i < s->n; i++)
        if (!visit(arg, s->rows[i].n, BYTES(s->rows[i].value, s->rows[i].size))) break;
    return ST_OK;
}

static enum status kv_last(void *ctx, const uint8_t space[KV_SPACE], uint64_t *ret_n,
                           struct buf *ret)
{
    struct kv_mem_space *s = space_of(ctx, space);
    if (!s || s->n == 0) return ST_NOT_FOUND;
    const struct kv_mem_row *r = &s->rows[s->n - 1];
    *ret_n = r->n;
    if (ret) buf_raw(ret, r->value, r->size);
    return ret ? buf_status(ret) : ST_OK;
}

void kv_mem_init(struct kv_mem *k, struct machine *m)
{
    memset(k, 0, sizeof *k);
    k->m = m;
}

static void batches_free(struct kv_mem *k)
{
    while (k->first) {
        struct kv_mem_batch *b = k->first;
        k->first = b->next;
        batch_free(b);
    }
    k->last = NULL;
}

static void rows_free(struct kv_mem *k)
{
    for (size_t i = 0; i < k->n; i++) {
        for (size_t r = 0; r < k->spaces[i].n; r++) free(k->spaces[i].rows[r].value);
        free(k->spaces[i].rows);
    }
    free(k->spaces);
    k->spaces = NULL;
    k->n = k->room = 0;
}

void kv_mem_free(struct kv_mem *k)
{
    batches_free(k);
    rows_free(k);
}

struct kv kv_mem_port(struct kv_mem *k)
{
    static const struct kv_ops ops = {kv_get, kv_scan, kv_last, kv_commit};
    return (struct kv){&ops, k};
}

size_t kv_mem_waiting(const struct kv_mem *k)
{
    size_t waiting = 0;
    for (const struct kv_mem_batch *b = k->first; b; b = b->next) waiting++;
    return waiting;
}

void kv_mem_tear(struct kv_mem *k, size_t survive)
{
    for (struct kv_mem_batch *b = k->first; b && survive > 0; b = b->next, survive--)
        if (!b->refused) batch_apply(b);
    batches_free(k);
    k->last_at_ms = 0;
}

void kv_mem_crash(struct kv_mem *k)
{
    kv_mem_tear(k, (size_t)rng_below(&k->m->rng, kv_mem_waiting(k) + 1));
}

void kv_mem_copy(struct kv_mem *to, const struct kv_mem *from)
{
    rows_free(to);
    for (size_t i = 0; i < from->n; i++) {
        struct kv_mem_space *s = space_make(to, from->spaces[i].id);
        for (size_t r = 0; r < from->spaces[i].n; r++) {
            const struct kv_mem_row *row = &from->spaces[i].rows[r];
            row_put(s, row->n, BYTES(row->value, row->size));
        }
    }
}

bool kv_mem_contains(const struct kv_mem *k, struct bytes what)
{
    for (size_t i = 0; i < k->n; i++)
        for (size_t r = 0; r < k->spaces[i].n; r++) {
            const struct kv_mem_row *row = &k->spaces[i].rows[r];
            if (row->size >= what.n && memmem(row->value, row->size, what.p, what.n)) return true;
        }
    return false;
}
