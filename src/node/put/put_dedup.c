/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Chunks that lie in segments of other versions already: referred to, not moved. */
#include "node/put/put_private.h"

#include <stdlib.h>
#include <string.h>

void dedup_start(struct put_job *j)
{
    const struct put_env *env = &j->puts->env;
    manifest_free(&j->foreign);
    buf_clear(&j->found);
    buf_clear(&j->uses);
    j->saved = 0;
    if (!j->marked && env->mark) j->mark = env->mark(env->ctx);
    j->marked = true;
}

void dedup_free(struct put_job *j)
{
    manifest_free(&j->foreign);
    buf_free(&j->found);
    buf_free(&j->uses);
}

/* The place of these segments in the table, one behind the other; they are added if need be. */
static bool place_of(struct manifest *m, const struct put_found *f, size_t *ret)
{
    for (size_t at = 0; at + f->n <= m->segments_n; at++) {
        size_t same = 0;
        while (same < f->n && memcmp(m->segments[at + same].id, f->segments[same].id, 32) == 0)
            same++;
        if (same == f->n) {
            *ret = at;
            return true;
        }
    }
    if (m->segments_n + f->n > TREE_USES_MAX) return false;
    bool last =
        m->segments_n && memcmp(m->segments[m->segments_n - 1].id, f->segments[0].id, 32) == 0;
    *ret = m->segments_n - last;
    for (size_t i = last; i < f->n; i++)
        if (manifest_add_segment(m, &f->segments[i]) != ST_OK) return false;
    return true;
}

bool dedup_found(void *job, struct manifest_chunk *c)
{
    struct put_job *j = job;
    const struct put_env *env = &j->puts->env;
    struct put_found f;
    size_t at;
    if (j->pass || j->whole || !env->found || !j->secret->keys.chunk.convergent) return false;
    if (!env->found(env->ctx, j->mark, j->code, c, &f) || !place_of(&j->foreign, &f, &at))
        return false;
    c->segment = (uint16_t)at; /* dedup_table moves it behind the put's own */
    c->offset = f.offset;
    buf_u32(&j->found, (uint32_t)j->m[0].chunks_n);
    j->saved += c->plain;
    return true;
}

static int by_id(const void *a, const void *b)
{
    return memcmp(a, b, 32);
}

static enum status uses_fill(struct put_job *j)
{
    const struct manifest *m = &j->foreign;
    uint8_t(*ids)[32] = calloc(m->segments_n ? m->segments_n : 1, sizeof *ids);
    if (!ids) return ST_NO_MEMORY;
    for (size_t i = 0; i < m->segments_n; i++) memcpy(ids[i], m->segments[i].id, 32);
    qsort(ids, m->segments_n, sizeof *ids, by_id);
    buf_clear(&j->uses);
    for (size_t i = 0; i < m->segments_n; i++)
        if (!i || memcmp(ids[i - 1], ids[i], 32) != 0) buf_raw(&j->uses, ids[i], 32);
    free(ids);
    return buf_status(&j->uses);
}

enum status dedup_table(struct put_job *j)
{
    struct manifest *m = &j->m[0];
    size_t own = m->segments_n;
    enum status st = buf_status(&j->found);
    if (st == ST_OK && own + j->foreign.segments_n > MANIFEST_SEGMENTS_MAX) st = ST_TOO_BIG;
    for (size_t i = 0; i < j->found.n && st == ST_OK; i += 4) {
        struct manifest_chunk *c = &m->chunks[get_u32(j->found.p + i)];
        c->segment = (uint16_t)(c->segment + own);
    }
    for (size_t i = 0; i < j->foreign.segments_n && st == ST_OK; i++)
        st = manifest_add_segment(m, &j->foreign.segments[i]);
    return st == ST_OK ? uses_fill(j) : st;
}
