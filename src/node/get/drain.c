/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "node/get/drain.h"

#include <stdlib.h>
#include <string.h>

enum slot_state { SLOT_FREE, SLOT_GATHER, SLOT_FULL, SLOT_OPENING, SLOT_READY, SLOT_GIVEN };

struct slot {
    struct drain *d;
    enum slot_state state;
    size_t i;
    struct manifest_chunk chunk; /* a copy: a worker may use it after drain_free */
    size_t filled;
    size_t segment;
    uint64_t offset;
    uint8_t *sealed;
    uint8_t *scratch;
    uint8_t *plain;
    size_t plain_most, scratch_most; /* bytes that were ever written: to be wiped */
    enum status st;
};

struct held {
    struct drain *d;
    struct fetch *fetch; /* NULL: free */
    size_t number;
    bool ready;
    uint64_t used; /* the one that was used longest ago gives way */
};

struct drain {
    struct drain_config c;
    struct slot slots[DRAIN_SLOTS];
    struct held held[DRAIN_SEGMENTS];
    uint64_t uses;
    size_t next;    /* chunk to be gathered */
    size_t deliver; /* chunk to be given out */
    enum status st;
    bool told;
    bool dead;
    bool inside;
    size_t pending;
};

static struct slot *slot_of(struct drain *d, size_t i)
{
    return &d->slots[i % DRAIN_SLOTS];
}

static void destroy(struct drain *d)
{
    for (size_t i = 0; i < DRAIN_SLOTS; i++) {
        struct slot *s = &d->slots[i];
        if (s->plain) bytes_wipe(s->plain, s->plain_most);
        if (s->scratch) bytes_wipe(s->scratch, s->scratch_most);
        bytes_wipe(&s->chunk, sizeof s->chunk);
        free(s->sealed);
        free(s->scratch);
        free(s->plain);
    }
    free(d);
}

static void release(struct drain *d)
{
    if (--d->pending == 0 && d->dead) destroy(d);
}

void drain_free(struct drain *d)
{
    if (!d) return;
    d->dead = true;
    for (size_t i = 0; i < DRAIN_SEGMENTS; i++) fetch_free(d->held[i].fetch);
    release(d);
}

static void on_start(void *arg)
{
    struct drain *d = arg;
    drain_pump(d);
    release(d);
}

static void nothing(void *arg)
{
    (void)arg;
}

struct drain *drain_new(const struct drain_config *c)
{
    struct drain *d = calloc(1, sizeof *d);
    if (!d) return NULL;
    d->c = *c;
    d->pending = 1;
    d->next = d->deliver = c->first;
    for (size_t i = 0; i < DRAIN_SLOTS; i++) {
        struct slot *s = &d->slots[i];
        s->d = d;
        s->sealed = malloc(CHUNK_SEALED_MAX);
        s->scratch = malloc(CHUNK_SEALED_MAX);
        s->plain = malloc(CHUNK_PLAIN_MAX);
        if (!s->sealed || !s->scratch || !s->plain) {
            destroy(d);
            return NULL;
        }
    }
    for (size_t i = 0; i < DRAIN_SEGMENTS; i++) d->held[i].d = d;
    if (c->work.submit(c->work.ctx, WORK_SHORT, nothing, on_start, d) == ST_OK) d->pending++;
    return d;
}

/* --- segments ------------------------------------------------------------------------------ */

static void on_bad(void *arg, uint16_t leaf, uint8_t index, enum status why)
{
    struct held *h = arg;
    h->d->c.bad(h->d->c.arg, h->number, leaf, index, why);
}

static void on_gave(void *arg, uint16_t leaf)
{
    struct held *h = arg;
    h->d->c.gave(h->d->c.arg, leaf);
}

static void on_fetched(void *arg, enum status st)
{
    struct held *h = arg;
    struct drain *d = h->d;
    if (st == ST_OK)
        h->ready = true;
    else if (d->st == ST_OK)
        d->st = st;
    drain_pump(d);
}

static void held_start(struct held *h, size_t number)
{
    struct drain *d = h->d;
    const struct manifest_segment *s = &d->c.m->segments[number];
    struct fetch_config fc = {.env = d->c.env,
                              .work = d->c.work,
                              .hold = d->c.hold,
                              .data = true,
                              .bad = on_bad,
                              .gave = on_gave,
                              .done = on_fetched,
                              .arg = h};
    memcpy(fc.want.id, s->id, 32);
    memcpy(fc.want.root, s->root, 32);
    memcpy(fc.want.at, s->at, sizeof fc.want.at);
    fc.want.k = s->k;
    fc.want.n = s->n;
    fc.want.rows = s->rows;
    d->c.placed(d->c.arg, &fc.want);
    fetch_free(h->fetch);
    h->number = number;
    h->ready = false;
    h->fetch = fetch_new(&fc);
    if (!h->fetch) d->st = ST_NO_MEMORY;
}

static struct held *held_find(struct drain *d, size_t number)
{
    for (size_t i = 0; i < DRAIN_SEGMENTS; i++)
        if (d->held[i].fetch && d->held[i].number == number) return &d->held[i];
    return NULL;
}

/* The segment that chunks behind the present one want next: chunks name segments in any order. */
static size_t wanted_next(const struct drain *d, size_t number)
{
    const struct manifest *m = d->c.m;
    for (size_t i = d->next; i < d->c.end && i < d->next + DRAIN_AHEAD; i++) {
        const struct manifest_chunk *c = &m->chunks[i];
        bool goes_on = i == d->next && c->segment < number; /* it is being gathered, from here */
        if (goes_on) continue;
        if (c->segment != number) return c->segment;
        if (c->sealed > m->segments[number].size - c->offset) return number + 1;
    }
    return number;
}

/* The segment if it is in memory, else NULL and it is on its way; the next one comes behind it. */
static struct held *held_need(struct drain *d, size_t number)
{
    struct held *h = held_find(d, number);
    if (!h) {
        h = &d->held[0];
        for (size_t i = 1; i < DRAIN_SEGMENTS && h->fetch; i++)
            if (!d->held[i].fetch || d->held[i].used < h->used) h = &d->held[i];
        held_start(h, number);
        h->used = ++d->uses;
        return NULL;
    }
    h->used = ++d->uses;
    if (!h->ready) return NULL;
    size_t next = wanted_next(d, number);
    if (next != number && !held_find(d, next)) {
        struct held *other = h == &d->held[0] ? &d->held[1] : &d->held[0];
        held_start(other, next);
        other->used = ++d->uses;
    }
    return h;
}

/* --- chunks -------------------------------------------------------------------------------- */

static void copy_out(const struct held *h, const struct manifest_segment *s, uint64_t offset,
                     uint8_t *to, size_t n)
{
    while (n) {
        uint64_t unit = offset / SHARD_UNIT;
        size_t off = (size_t)(offset % SHARD_UNIT);
        size_t take = SHARD_UNIT - off < n ? SHARD_UNIT - off : n;
        const uint8_t *column = fetch_column(h->fetch, (unsigned)(unit % s->k));
        memcpy(to, column + unit / s->k * SHARD_UNIT + off, take);
        to += take;
        offset += take;
        n -= take;
    }
}

/* Gathers as far as segments are there; true when the chunk is whole. */
static bool gather(struct drain *d, struct slot *s)
{
    const struct manifest_chunk *c = &d->c.m->chunks[s->i];
    while (s->filled < c->sealed && d->st == ST_OK) {
        const struct manifest_segment *seg = &d->c.m->segments[s->segment];
        const struct held *h = held_need(d, s->segment);
        if (!h) return false;
        uint64_t room = seg->size - s->offset;
        size_t left = c->sealed - s->filled;
        size_t n = left < room ? left : (size_t)room;
        copy_out(h, seg, s->offset, s->sealed + s->filled, n);
        s->filled += n;
        s->offset += n;
        if (s->offset == seg->size && s->filled < c->sealed) {
            s->segment++;
            s->offset = 0;
        }
    }
    return s->filled == c->sealed;
}

static void open_run(void *arg)
{
    struct slot *s = arg;
    const struct manifest_chunk *c = &s->chunk;
    if (c->plain > s->plain_most) s->plain_most = c->plain;
    if (c->sealed > s->scratch_most) s->scratch_most = c->sealed;
    s->st = chunk_open(c->key, c->compression, BYTES(s->sealed, c->sealed), s->scratch, s->plain,
                       c->plain);
}

static void on_opened(void *arg)
{
    struct slot *s = arg;
    struct drain *d = s->d;
    s->state = SLOT_READY;
    if (s->st != ST_OK && d->st == ST_OK) d->st = s->st;
    drain_pump(d);
    release(d);
}

static void run(struct drain *d)
{
    size_t end = d->c.end;
    while (d->next < end && d->next < d->deliver + DRAIN_SLOTS && d->st == ST_OK) {
        struct slot *s = slot_of(d, d->next);
        if (s->state == SLOT_FREE) {
            s->state = SLOT_GATHER;
            s->i = d->next;
            s->filled = 0;
            s->chunk = d->c.m->chunks[s->i];
            s->segment = s->chunk.segment;
            s->offset = s->chunk.offset;
        }
        if (s->state != SLOT_GATHER || !gather(d, s)) break;
        s->state = SLOT_FULL;
        d->next++;
    }
    for (size_t i = d->deliver; i < d->next && d->st == ST_OK; i++) {
        struct slot *s = slot_of(d, i);
        if (s->state != SLOT_FULL) continue;
        if (d->c.work.submit(d->c.work.ctx, WORK_BULK, open_run, on_opened, s) != ST_OK) break;
        s->state = SLOT_OPENING;
        d->pending++;
    }
    struct slot *first = slot_of(d, d->deliver);
    if (d->st == ST_OK && d->deliver < d->next && first->state == SLOT_READY) {
        first->state = SLOT_GIVEN;
        d->c.chunk(d->c.arg, first->i, BYTES(first->plain, d->c.m->chunks[first->i].plain));
    }
}

void drain_more(struct drain *d)
{
    struct slot *s = slot_of(d, d->deliver);
    if (s->state != SLOT_GIVEN) return;
    s->state = SLOT_FREE;
    d->deliver++;
    drain_pump(d);
}

void drain_pump(struct drain *d)
{
    if (d->inside || d->dead || d->told) return;
    d->inside = true;
    d->pending++;
    size_t before;
    for (size_t i = 0; i < DRAIN_SEGMENTS; i++)
        if (d->held[i].fetch && !d->held[i].ready) fetch_pump(d->held[i].fetch);
    do { /* a chunk that was used inside its event makes room for the next */
        before = d->deliver;
        run(d);
    } while (d->deliver != before && d->st == ST_OK && !d->dead);
    if (!d->dead && (d->st != ST_OK || d->deliver == d->c.end)) {
        d->told = true;
        d->c.done(d->c.arg, d->st);
    }
    d->inside = false;
    release(d);
}
