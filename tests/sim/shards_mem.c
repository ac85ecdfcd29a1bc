/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "sim/shards_mem.h"

#include <stdlib.h>
#include <string.h>

struct shard_put {
    struct shards_mem *s;
    struct shard_put *next;
    struct shard_key key;
    uint8_t header[SHARD_HEADER];
    uint8_t *units;
    uint32_t have;
    unsigned running;
    bool ended; /* committed or abandoned: the handle is not the caller's any more */
};

enum kind { APPEND, COMMIT, READ, INFO, HAVE, DROP, LIST };

struct call {
    enum kind kind;
    struct shards_mem *s;
    struct shard_put *put;
    struct shard_key key;
    const uint8_t *unit;
    uint32_t row, rows;
    uint8_t trailer[SHARD_TRAILER_MAX];
    uint8_t trailer_len;
    uint64_t offset;
    uint8_t *to;
    size_t n;
    shard_done *done;
    shard_told *told;
    shard_had *had;
    shard_visit *visit;
    void *arg;
};

static struct shards_mem_one *find(const struct shards_mem *s, const struct shard_key *k)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->all[i].key.index == k->index && memcmp(s->all[i].key.tag, k->tag, SHARD_TAG) == 0 &&
            memcmp(s->all[i].key.segment_id, k->segment_id, SHARD_ID) == 0)
            return &s->all[i];
    return NULL;
}

static void remove_one(struct shards_mem *s, struct shards_mem_one *one)
{
    free(one->units);
    *one = s->all[--s->n];
}

static uint64_t used(const struct shards_mem *s)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < s->n; i++) bytes += s->all[i].info.units * SHARD_UNIT;
    return bytes;
}

static void put_release(struct shard_put *p)
{
    if (!p->ended || p->running > 0) return;
    struct shard_put **at = &p->s->puts;
    while (*at && *at != p) at = &(*at)->next;
    if (*at) *at = p->next;
    free(p->units);
    free(p);
}

static enum status keep(struct call *c)
{
    struct shards_mem *s = c->s;
    struct shard_put *p = c->put;
    struct shards_mem_one *old = find(s, &p->key);
    if (s->m->full || used(s) + c->rows * SHARD_UNIT > s->most) return ST_NO_SPACE;
    if (c->rows == 0 || c->rows > SHARD_UNITS_MAX || p->running > 1 ||
        p->have != (uint32_t)((UINT64_C(1) << c->rows) - 1))
        return ST_BUG;
    if (old) {
        if (old->info.trailer_len != c->trailer_len ||
            memcmp(old->info.trailer, c->trailer, c->trailer_len) != 0)
            return ST_EXISTS;
        memcpy(old->units, p->units, c->rows * SHARD_UNIT);
        return ST_OK;
    }
    if (s->n == s->room) {
        s->room = s->room ? s->room * 2 : 16;
        struct shards_mem_one *more = sim_alloc(s->room * sizeof *more);
        if (s->n) memcpy(more, s->all, s->n * sizeof *more);
        free(s->all);
        s->all = more;
    }
    struct shards_mem_one *one = &s->all[s->n++];
    memset(one, 0, sizeof *one);
    one->key = p->key;
    one->info.units = c->rows;
    one->info.stored_ms = s->m->env.wall_ms(s->m);
    memcpy(one->info.header, p->header, SHARD_HEADER);
    memcpy(one->info.trailer, c->trailer, c->trailer_len);
    one->info.trailer_len = c->trailer_len;
    one->units = sim_copy(p->units, c->rows * SHARD_UNIT);
    return ST_OK;
}

static enum status append(struct call *c)
{
    if (c->s->m->full) return ST_NO_SPACE;
    if (c->row >= SHARD_UNITS_MAX) return ST_BUG;
    if (!c->put->units) c->put->units = malloc(SHARD_UNITS_MAX * SHARD_UNIT);
    if (!c->put->units) abort();
    memcpy(c->put->units + c->row * SHARD_UNIT, c->unit, SHARD_UNIT);
    c->put->have |= UINT32_C(1) << c->row;
    return ST_OK;
}

static enum status read_units(struct call *c)
{
    const struct shards_mem_one *one = find(c->s, &c->key);
    if (!one || c->s->lie == SHARDS_DENY) return ST_NOT_FOUND;
    uint64_t size = one->info.units * SHARD_UNIT;
    if (c->offset > size || c->n > size - c->offset) return ST_BUG;
    memcpy(c->to, one->units + c->offset, c->n);
    if (c->s->lie == SHARDS_FLIP && c->n > 0) c->to[rng_below(&c->s->m->rng, c->n)] ^= 1;
    return ST_OK;
}

static uint64_t bitmap(const struct call *c)
{
    uint64_t bits = 0;
    for (size_t i = 0; i < c->s->n && c->s->lie != SHARDS_DENY; i++) {
        const struct shard_key *k = &c->s->all[i].key;
        if (memcmp(k->tag, c->key.tag, SHARD_TAG) == 0 &&
            memcmp(k->segment_id, c->key.segment_id, SHARD_ID) == 0)
            bits |= UINT64_C(1) << k->index;
    }
    return bits;
}

static void list(struct call *c)
{
    for (size_t i = 0; i < c->s->n; i++) {
        const struct shards_mem_one *one = &c->s->all[i];
        if (memcmp(one->key.tag, c->key.tag, SHARD_TAG) == 0)
            c->visit(c->arg, &one->key, one->info.units * SHARD_UNIT, one->info.stored_ms);
    }
    c->done(c->arg, ST_OK);
}

static void ran(void *arg)
{
    struct call *c = arg;
    enum status st;
    switch (c->kind) {
    case APPEND:
        st = append(c);
        c->put->running--;
        put_release(c->put);
        c->done(c->arg, st);
        break;
    case COMMIT:
        st = keep(c);
        c->put->running--;
        put_release(c->put);
        c->done(c->arg, st);
        break;
    case READ: c->done(c->arg, read_units(c)); break;
    case INFO: {
        const struct shards_mem_one *one = c->s->lie == SHARDS_DENY ? NULL : find(c->s, &c->key);
        const struct shard_info copy = one ? one->info : (struct shard_info){0};
        c->told(c->arg, one ? ST_OK : ST_NOT_FOUND, one ? &copy : NULL);
        break;
    }
    case HAVE: c->had(c->arg, ST_OK, bitmap(c)); break;
    case DROP: {
        struct shards_mem_one *one = find(c->s, &c->key);
        if (one) remove_one(c->s, one);
        c->done(c->arg, one ? ST_OK : ST_NOT_FOUND);
        break;
    }
    case LIST: list(c); break;
    }
    free(c);
}

static void dropped(void *arg)
{
    struct call *c = arg;
    if (c->put) {
        c->put->running--;
        c->put->ended = true;
        put_release(c->put);
    }
    free(c);
}

static struct call *later(struct shards_mem *s, enum kind kind, struct shard_put *put, void *arg)
{
    struct call *c = sim_alloc(sizeof *c);
    c->kind = kind;
    c->s = s;
    c->put = put;
    c->arg = arg;
    if (put) put->running++;
    uint64_t most = kind == COMMIT ? 30 : 5;
    vtime_at(s->m->time, rng_below(&s->m->rng, most), &s->m->life, ran, dropped, c);
    return c;
}

static struct shard_put *op_begin(void *ctx, const struct shard_key *key,
                                  const uint8_t header[SHARD_HEADER])
{
    struct shards_mem *s = ctx;
    struct shard_put *p = sim_alloc(sizeof *p);
    p->s = s;
    p->key = *key;
    memcpy(p->header, header, SHARD_HEADER);
    p->next = s->puts;
    s->puts = p;
    return p;
}

static void op_append(struct shard_put *p, uint32_t row, const uint8_t *unit, shard_done *done,
                      void *arg)
{
    struct call *c = later(p->s, APPEND, p, arg);
    c->row = row;
    c->unit = unit;
    c->done = done;
}

static void op_commit(struct shard_put *p, uint32_t rows, struct bytes trailer, shard_done *done,
                      void *arg)
{
    struct call *c = later(p->s, COMMIT, p, arg);
    p->ended = true;
    c->rows = rows;
    c->done = done;
    c->trailer_len = trailer.n <= SHARD_TRAILER_MAX ? (uint8_t)trailer.n : 0;
    memcpy(c->trailer, trailer.p, c->trailer_len);
}

static void op_abandon(struct shard_put *p)
{
    p->ended = true;
    put_release(p);
}

static void op_read(void *ctx, const struct shard_key *key, uint64_t offset, uint8_t *to, size_t n,
                    shard_done *done, void *arg)
{
    struct call *c = later(ctx, READ, NULL, arg);
    c->key = *key;
    c->offset = offset;
    c->to = to;
    c->n = n;
    c->done = done;
}

static void op_info(void *ctx, const struct shard_key *key, shard_told *done, void *arg)
{
    struct call *c = later(ctx, INFO, NULL, arg);
    c->key = *key;
    c->told = done;
}

static void op_have(void *ctx, const uint8_t tag[SHARD_TAG], const uint8_t segment_id[SHARD_ID],
                    shard_had *done, void *arg)
{
    struct call *c = later(ctx, HAVE, NULL, arg);
    memcpy(c->key.tag, tag, SHARD_TAG);
    memcpy(c->key.segment_id, segment_id, SHARD_ID);
    c->had = done;
}

static void op_drop(void *ctx, const struct shard_key *key, shard_done *done, void *arg)
{
    struct call *c = later(ctx, DROP, NULL, arg);
    c->key = *key;
    c->done = done;
}

static void op_list(void *ctx, const uint8_t tag[SHARD_TAG], shard_visit *visit, shard_done *done,
                    void *arg)
{
    struct call *c = later(ctx, LIST, NULL, arg);
    memcpy(c->key.tag, tag, SHARD_TAG);
    c->visit = visit;
    c->done = done;
}

static void op_space(void *ctx, struct shard_space *ret)
{
    const struct shards_mem *s = ctx;
    ret->used = used(s);
    ret->count = s->n;
    ret->free = s->m->full || ret->used > s->most ? 0 : s->most - ret->used;
}

void shards_mem_init(struct shards_mem *s, struct machine *m, uint64_t most)
{
    memset(s, 0, sizeof *s);
    s->m = m;
    s->most = most;
}

static void puts_end(struct shards_mem *s)
{
    struct shard_put *next;
    for (struct shard_put *p = s->puts; p; p = next) {
        next = p->next;
        p->ended = true;
        put_release(p);
    }
}

void shards_mem_free(struct shards_mem *s)
{
    puts_end(s);
    while (s->n > 0) remove_one(s, &s->all[s->n - 1]);
    free(s->all);
}

struct shard_store shards_mem_port(struct shards_mem *s)
{
    static const struct shard_ops ops = {.begin = op_begin,
                                         .append = op_append,
                                         .commit = op_commit,
                                         .abandon = op_abandon,
                                         .read = op_read,
                                         .info = op_info,
                                         .have = op_have,
                                         .drop = op_drop,
                                         .list = op_list,
                                         .space = op_space};
    return (struct shard_store){&ops, s};
}

void shards_mem_lose(struct shards_mem *s, size_t i)
{
    free(s->all[i].units);
    s->all[i] = s->all[--s->n];
}

bool shards_mem_has(const struct shards_mem *s, const uint8_t segment_id[SHARD_ID], uint8_t index)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->all[i].key.index == index &&
            memcmp(s->all[i].key.segment_id, segment_id, SHARD_ID) == 0)
            return true;
    return false;
}

void shards_mem_crash(struct shards_mem *s)
{
    puts_end(s);
}

bool shards_mem_rot(struct shards_mem *s)
{
    if (s->n == 0) return false;
    struct shards_mem_one *one = &s->all[rng_below(&s->m->rng, s->n)];
    one->units[rng_below(&s->m->rng, one->info.units * SHARD_UNIT)] ^= 0x40;
    return true;
}
