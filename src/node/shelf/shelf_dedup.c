/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Which chunks lie where: an index in memory, made from the manifests of our own puts when the first
 * put asks. Only our own: whoever made a manifest could name a place where other bytes lie, and
 * a file that refers to it could not be read. */
#include "node/shelf/shelf.h"

#include <stdlib.h>
#include <string.h>

#define CHUNKS_MAX ((size_t)1 << 18)   /* 64 bytes each, and a slot of 8 */
#define SEGMENTS_MAX ((size_t)1 << 16) /* 208 bytes each */
#define VERSIONS_LOOKED_AT 16384       /* when it is made */

struct dedup_chunk {
    uint8_t id[32];
    uint64_t offset;
    uint32_t segment; /* first one, in segments */
    uint32_t sealed;
    uint32_t plain;
    uint8_t n; /* segments */
    uint8_t compression;
};

struct dedup {
    uint64_t generation;
    struct dedup_chunk *chunks;
    size_t chunks_n, chunks_cap;
    struct manifest_segment *segments;
    size_t segments_n, segments_cap;
    uint32_t *slots; /* number of a chunk + 1, by id */
    size_t slots_n;  /* a power of two, at least twice the chunks */
};

void shelf_dedup_free(struct shelf *s)
{
    struct dedup *d = s->dedup;
    if (d == NULL) return;
    free(d->chunks);
    free(d->segments);
    free(d->slots);
    free(d);
    s->dedup = NULL;
}

static uint32_t *slot_of(const struct dedup *d, const uint8_t id[32])
{
    size_t at = (size_t)get_u64(id) & (d->slots_n - 1);
    while (d->slots[at] != 0 && memcmp(d->chunks[d->slots[at] - 1].id, id, 32) != 0)
        at = (at + 1) & (d->slots_n - 1);
    return &d->slots[at];
}

static bool room(struct dedup *d)
{
    if (d->chunks_n < d->chunks_cap) return true;
    size_t cap = d->chunks_cap != 0 ? 2 * d->chunks_cap : 256;
    if (cap > CHUNKS_MAX) return false;
    struct dedup_chunk *more = realloc(d->chunks, cap * sizeof *more);
    if (more == NULL) return false;
    d->chunks = more;
    uint32_t *slots = calloc(2 * cap, sizeof *slots);
    if (slots == NULL) return false;
    free(d->slots);
    d->slots = slots;
    d->slots_n = 2 * cap;
    d->chunks_cap = cap;
    for (size_t i = 0; i < d->chunks_n; i++) *slot_of(d, d->chunks[i].id) = (uint32_t)i + 1;
    return true;
}

/* All segments of a manifest, one behind the other; how many chunks went in does not matter. */
static void take(struct dedup *d, const struct manifest *m)
{
    size_t first = d->segments_n;
    if (m->kind != MANIFEST_FILE || first + m->segments_n > SEGMENTS_MAX) return;
    if (first + m->segments_n > d->segments_cap) {
        size_t cap = 2 * (first + m->segments_n);
        struct manifest_segment *more = realloc(d->segments, cap * sizeof *more);
        if (more == NULL) return;
        d->segments = more;
        d->segments_cap = cap;
    }
    if (m->segments_n > 0)
        memcpy(d->segments + first, m->segments, m->segments_n * sizeof *m->segments);
    d->segments_n += m->segments_n;
    for (size_t i = 0; i < m->chunks_n && room(d); i++) {
        const struct manifest_chunk *c = &m->chunks[i];
        uint64_t end = c->offset + c->sealed;
        size_t n = 0;
        while (end > 0 && c->segment + n < m->segments_n) {
            uint64_t here = m->segments[c->segment + n++].size;
            end = end > here ? end - here : 0;
        }
        uint32_t *slot = slot_of(d, c->id);
        if (n > PUT_FOUND_SEGMENTS || *slot != 0) continue;
        struct dedup_chunk *k = &d->chunks[d->chunks_n++];
        *slot = (uint32_t)d->chunks_n;
        *k = (struct dedup_chunk){.offset = c->offset,
                                  .segment = (uint32_t)(first + c->segment),
                                  .sealed = c->sealed,
                                  .plain = c->plain,
                                  .n = (uint8_t)n,
                                  .compression = c->compression};
        memcpy(k->id, c->id, 32);
    }
}

/* ---- made from the tree ---- */

struct building {
    struct shelf *s;
    uint16_t own;
    size_t looked_at;
    const struct tree_file *file;
    bool foreign; /* somebody else put it too: a restore of what we did not make */
};

static bool on_other(void *arg, const struct tree_past *e)
{
    struct building *b = arg;
    if (e->leaf != b->own && memcmp(e->file.version, b->file->version, 32) == 0) b->foreign = true;
    return !b->foreign;
}

static void look(struct building *b, struct bytes path, const struct tree_file *file)
{
    uint8_t cek[32];
    struct buf plain;
    struct manifest m;
    b->file = file;
    b->foreign = false;
    tree_past_of(b->s->tree, path, false, on_other, b);
    if (b->foreign || b->looked_at >= VERSIONS_LOOKED_AT) return;
    b->looked_at++;
    buf_init(&plain, MANIFEST_PLAIN_MAX);
    if (shelf_cek(b->s, file->version, cek) == ST_OK &&
        manifest_open(cek, file->manifest, &plain) == ST_OK &&
        manifest_decode(buf_view(&plain), &m) == ST_OK) {
        take(b->s->dedup, &m);
        manifest_free(&m);
    }
    bytes_wipe(cek, sizeof cek);
    buf_free(&plain);
}

static bool on_node(void *arg, const struct tree_node *node)
{
    struct building *b = arg;
    if (!node->dir && node->leaf == b->own) look(b, node->path, &node->file);
    return b->looked_at < VERSIONS_LOOKED_AT;
}

static bool on_past(void *arg, const struct tree_past *e)
{
    struct building *b = arg;
    if (e->leaf == b->own) look(b, e->path, &e->file);
    return b->looked_at < VERSIONS_LOOKED_AT;
}

static struct dedup *index_of(struct shelf *s)
{
    uint8_t dedup[32], placement[32];
    uint64_t generation = group_generation(s->e->group, dedup, placement);
    bytes_wipe(dedup, sizeof dedup);
    bytes_wipe(placement, sizeof placement);
    if (s->dedup != NULL && s->dedup->generation == generation) return s->dedup;
    shelf_dedup_free(s); /* ids of another generation never come again */
    s->dedup = calloc(1, sizeof *s->dedup);
    if (s->dedup == NULL) return NULL;
    s->dedup->generation = generation;
    struct building b = {.s = s, .own = group_leaf(s->e->group)};
    tree_list(s->tree, BYTES_NONE, true, on_node, &b);
    tree_past_each(s->tree, on_past, &b);
    return s->dedup;
}

/* ---- what a put asks ---- */

uint64_t shelf_dedup_mark(void *shelf)
{
    const struct dedup *d = index_of(shelf);
    return d == NULL ? 0 : d->chunks_n;
}

void shelf_dedup_made(void *shelf, const struct manifest *m)
{
    struct shelf *s = shelf;
    if (s->dedup != NULL) take(s->dedup, m);
}

bool shelf_dedup_found(void *shelf, uint64_t mark, struct place_code code,
                       const struct manifest_chunk *c, struct put_found *ret)
{
    struct shelf *s = shelf;
    const struct dedup *d = index_of(s);
    uint32_t at = d == NULL || d->slots_n == 0 ? 0 : *slot_of(d, c->id);
    if (at == 0 || at > mark) return false;
    const struct dedup_chunk *k = &d->chunks[at - 1];
    if (k->sealed != c->sealed || k->plain != c->plain || k->compression != c->compression)
        return false;
    ret->offset = k->offset;
    ret->n = k->n;
    for (size_t i = 0; i < k->n; i++) {
        struct manifest_segment *seg = &ret->segments[i];
        *seg = d->segments[k->segment + i];
        /* The tree says whether it is there still, and where: it must be as safe as a new one. */
        const struct tree_segment *t = tree_segment(s->tree, seg->id);
        if (t == NULL || !tree_needs(s->tree, seg->id) || memcmp(t->root, seg->root, 32) != 0 ||
            t->rows != seg->rows || t->k != code.k || t->n != code.n)
            return false;
        unsigned holders;
        int may = place_may_vanish(t->at, t->n, t->k, &holders);
        if (may < 0 || (may < 1 && t->k < t->n)) return false;
        memcpy(seg->at, t->at, sizeof seg->at);
    }
    return true;
}
