/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "sim/vtime.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint64_t rng_next(struct rng *r)
{
    uint64_t z = (r->state += UINT64_C(0x9E3779B97F4A7C15));
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

uint64_t rng_below(struct rng *r, uint64_t n)
{
    return rng_next(r) % n;
}

uint64_t rng_between(struct rng *r, uint64_t low, uint64_t high)
{
    return low + rng_below(r, high - low + 1);
}

bool rng_chance(struct rng *r, unsigned per_mille)
{
    return rng_below(r, 1000) < per_mille;
}

void rng_bytes(struct rng *r, uint8_t *out, size_t n)
{
    while (n > 0) {
        uint64_t v = rng_next(r);
        size_t take = n < 8 ? n : 8;
        memcpy(out, &v, take);
        out += take;
        n -= take;
    }
}

void *sim_alloc(size_t n)
{
    void *p = calloc(1, n ? n : 1);
    if (!p) {
        fprintf(stderr, "sim: out of memory\n");
        abort();
    }
    return p;
}

void *sim_copy(const void *p, size_t n)
{
    void *q = sim_alloc(n);
    if (n) memcpy(q, p, n);
    return q;
}

static bool before(const struct vtime_event *a, const struct vtime_event *b)
{
    return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->seq < b->seq;
}

static void swap(struct vtime *t, size_t a, size_t b)
{
    struct vtime_event e = t->heap[a];
    t->heap[a] = t->heap[b];
    t->heap[b] = e;
}

void vtime_at(struct vtime *t, uint64_t delay_ms, const uint64_t *life, vtime_fn *run,
              vtime_fn *drop, void *arg)
{
    if (t->n == t->room) {
        size_t room = t->room ? t->room * 2 : 256;
        struct vtime_event *heap = sim_alloc(room * sizeof *heap);
        if (t->n) memcpy(heap, t->heap, t->n * sizeof *heap);
        free(t->heap);
        t->heap = heap;
        t->room = room;
    }
    if (t->n >= VTIME_EVENTS_MAX) {
        fprintf(stderr, "sim: more than %zu events wait\n", VTIME_EVENTS_MAX);
        abort();
    }
    size_t i = t->n++;
    t->heap[i] = (struct vtime_event){.at_ms = t->now_ms + delay_ms,
                                      .seq = t->seq++,
                                      .life = life,
                                      .lived = life ? *life : 0,
                                      .run = run,
                                      .drop = drop,
                                      .arg = arg};
    for (; i > 0 && before(&t->heap[i], &t->heap[(i - 1) / 2]); i = (i - 1) / 2)
        swap(t, i, (i - 1) / 2);
    if (t->n > t->most) t->most = t->n;
}

uint64_t vtime_next_ms(const struct vtime *t)
{
    return t->n ? t->heap[0].at_ms : UINT64_MAX;
}

static struct vtime_event pop(struct vtime *t)
{
    struct vtime_event first = t->heap[0];
    t->heap[0] = t->heap[--t->n];
    for (size_t i = 0;;) {
        size_t least = i;
        for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < t->n; child++)
            if (before(&t->heap[child], &t->heap[least])) least = child;
        if (least == i) break;
        swap(t, i, least);
        i = least;
    }
    return first;
}

void vtime_run_one(struct vtime *t)
{
    struct vtime_event e = pop(t);
    if (e.at_ms > t->now_ms) t->now_ms = e.at_ms;
    t->ran++;
    t->life = e.life;
    if (!e.life || *e.life == e.lived)
        e.run(e.arg);
    else if (e.drop)
        e.drop(e.arg);
}

void vtime_end(struct vtime *t)
{
    while (t->n > 0) {
        struct vtime_event e = pop(t);
        if (e.drop) e.drop(e.arg);
    }
    free(t->heap);
    *t = (struct vtime){0};
}
