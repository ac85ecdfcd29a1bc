/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What a put keeps on disk: a row for the job, a row a segment. The node seals them. */
#include "crypto/secret.h"
#include "node/put/put_private.h"

#include <stdlib.h>
#include <string.h>

#define ROW_VERSION 2
#define ROW_PASS 20 /* bit of a row number that tells the pass */

#define PUT_ROW_FIELDS(X, M)                  \
    X(M, U8, version, 0, 0)                   \
    X(M, U8, phase, 0, 0)                     \
    X(M, U8, flags, 0, 0)                     \
    X(M, U8, asked_k, 0, 0)                   \
    X(M, U8, asked_n, 0, 0)                   \
    X(M, U8, k, 0, 0)                         \
    X(M, U8, n, 0, 0)                         \
    X(M, VAR16, source, PUT_PATH_MAX, 0)      \
    X(M, VAR16, path, PUT_PATH_MAX, 0)        \
    X(M, FIX, base, 32, 0)                    \
    X(M, U64, size, 0, 0)                     \
    X(M, U64, mtime_ms, 0, 0)                 \
    X(M, U64, inode, 0, 0)                    \
    X(M, U32, mode, 0, 0)                     \
    X(M, FIX, cek, 32, 0)                     \
    X(M, FIX, dedup, 32, 0)                   \
    X(M, FIX, placement, 32, 0)               \
    X(M, FIX, manifest_id, 32, 0)             \
    X(M, U64, epoch, 0, 0)                    \
    X(M, FIX, wrap, TREE_WRAP, 0)             \
    X(M, VAR16, manifest, MANIFEST_INLINE, 0) \
    X(M, U64, saved, 0, 0)                    \
    X(M, VAR32, uses, (size_t)TREE_USES_MAX * 32, 0)
FIELDS_DECLARE(put_job_row, PUT_ROW_FIELDS);
FIELDS_DEFINE(put_job_row, PUT_ROW_FIELDS);

#define PUT_SEG_FIELDS(X, M) \
    X(M, FIX, id, 32, 0)     \
    X(M, U32, rows, 0, 0)    \
    X(M, U64, size, 0, 0)    \
    X(M, U64, acked, 0, 0)   \
    X(M, LIST8, tail, 34, SHARD_COLUMNS_MAX)
FIELDS_DECLARE(put_seg_row, PUT_SEG_FIELDS);
FIELDS_DEFINE(put_seg_row, PUT_SEG_FIELDS);

enum { FLAG_STRICT = 1, FLAG_STAMPED = 2, FLAG_CONVERGENT = 4, FLAG_STREAM = 8 };

/* --- segments in memory -------------------------------------------------------------------- */

uint16_t seg_at(const struct put_seg *s, unsigned c)
{
    return get_u16(s->tail + (size_t)2 * c);
}

void seg_set_at(struct put_seg *s, unsigned c, uint16_t leaf)
{
    put_u16(s->tail + (size_t)2 * c, leaf);
}

uint8_t *seg_roots(const struct put_seg *s, unsigned n)
{
    return s->tail + (size_t)2 * n;
}

void seg_acked_at(const struct put_seg *s, unsigned n, uint16_t ret[PLACE_COLUMNS_MAX])
{
    for (unsigned c = 0; c < n; c++)
        ret[c] = s->acked >> c & 1 ? seg_at(s, c) : (uint16_t)PLACE_NOBODY;
}

struct put_seg *segs_add(struct put_segs *l, unsigned n)
{
    if (l->n == l->cap) {
        size_t cap = l->cap ? 2 * l->cap : 4;
        struct put_seg *more = realloc(l->p, cap * sizeof *more);
        if (!more) return NULL;
        l->p = more;
        l->cap = cap;
    }
    struct put_seg *s = &l->p[l->n];
    memset(s, 0, sizeof *s);
    s->tail = calloc(n, 34);
    if (!s->tail) return NULL;
    l->n++;
    return s;
}

void segs_free(struct put_segs *l)
{
    for (size_t i = 0; i < l->n; i++) free(l->p[i].tail);
    free(l->p);
    memset(l, 0, sizeof *l);
}

/* --- jobs in memory ------------------------------------------------------------------------ */

struct put_job *job_new(struct puts *p, uint64_t id)
{
    struct put_job *j = calloc(1, sizeof *j);
    if (!j) return NULL;
    j->secret = secret_new(sizeof *j->secret);
    if (!j->secret) {
        free(j);
        return NULL;
    }
    j->puts = p;
    j->id = id;
    j->pending = 1; /* the list's */
    buf_init(&j->path, PUT_PATH_MAX);
    buf_init(&j->sealed, MANIFEST_INLINE);
    buf_init(&j->inner, MANIFEST_PLAIN_MAX);
    buf_init(&j->entry, TREE_BODY_MAX);
    buf_init(&j->found, MANIFEST_CHUNKS_MAX * 4);
    buf_init(&j->uses, (size_t)TREE_USES_MAX * 32);
    return j;
}

void job_free(struct put_job *j)
{
    secret_free(j->secret);
    for (unsigned i = 0; i < PUT_PASSES; i++) {
        segs_free(&j->segs[i]);
        manifest_free(&j->m[i]);
    }
    buf_free(&j->path);
    buf_free(&j->sealed);
    dedup_free(j);
    buf_free(&j->inner);
    buf_free(&j->entry);
    free(j->source);
    free(j);
}

/* --- writing ------------------------------------------------------------------------------- */

struct save {
    struct put_job *j;
    job_saved *saved;
    unsigned pass;
    size_t i;
};

static void on_job_saved(void *arg, enum status st)
{
    struct save s = *(struct save *)arg;
    free(arg);
    if (!s.j->gone && s.saved) s.saved(s.j, st);
    job_release(s.j);
}

static void encode_job(const struct put_job *j, struct buf *out)
{
    const struct pour_keys *k = &j->secret->keys;
    struct put_job_row r = {.version = ROW_VERSION,
                            .phase = (uint8_t)j->sm.state,
                            .asked_k = j->asked.k,
                            .asked_n = j->asked.n,
                            .k = j->code.k,
                            .n = j->code.n,
                            .source = bytes_str(j->source),
                            .path = buf_view(&j->path),
                            .size = j->size,
                            .mtime_ms = j->mtime_ms,
                            .inode = j->inode,
                            .mode = j->mode,
                            .epoch = j->epoch,
                            .manifest = buf_view(&j->sealed),
                            .saved = j->saved,
                            .uses = buf_view(&j->uses)};
    r.flags =
        (uint8_t)((j->strict ? FLAG_STRICT : 0) | (j->stamped ? FLAG_STAMPED : 0) |
                  (k->chunk.convergent ? FLAG_CONVERGENT : 0) | (j->stream ? FLAG_STREAM : 0));
    memcpy(r.base, j->base, 32);
    memcpy(r.cek, k->chunk.cek, 32);
    memcpy(r.dedup, k->chunk.dedup, 32);
    memcpy(r.placement, k->placement, 32);
    memcpy(r.manifest_id, j->version, 32);
    memcpy(r.wrap, j->wrap, TREE_WRAP);
    if (fields_encode(&put_job_row_fields, &r, out) != ST_OK) out->bad = true;
    bytes_wipe(&r, sizeof r);
}

void job_save(struct put_job *j, job_saved *saved)
{
    const struct put_env *env = &j->puts->env;
    struct buf b = BUF_INIT;
    struct save *s = calloc(1, sizeof *s);
    encode_job(j, &b);
    enum status st = s ? buf_status(&b) : ST_NO_MEMORY;
    if (st == ST_OK) {
        struct put_row row = {j->id << 32, buf_view(&b)};
        *s = (struct save){j, saved, 0, 0};
        job_hold(j);
        st = env->rows_commit(env->ctx, &row, 1, on_job_saved, s);
        if (st != ST_OK) job_release(j);
    }
    buf_free(&b);
    if (st != ST_OK) {
        free(s);
        job_fail(j, st);
    }
}

static uint64_t seg_row(const struct put_job *j, unsigned pass, size_t i)
{
    return j->id << 32 | (uint64_t)pass << ROW_PASS | (i + 1);
}

static void on_seg_saved(void *arg, enum status st)
{
    struct save s = *(struct save *)arg;
    free(arg);
    struct put_job *j = s.j;
    if (!j->gone && s.i < j->segs[s.pass].n) {
        struct put_seg *seg = &j->segs[s.pass].p[s.i];
        seg->saving = false;
        job_seg_written(j, s.pass, s.i, st);
        if (!j->gone && s.i < j->segs[s.pass].n && j->segs[s.pass].p[s.i].dirty)
            seg_save(j, s.pass, s.i);
    }
    job_release(j);
}

void seg_save(struct put_job *j, unsigned pass, size_t i)
{
    const struct put_env *env = &j->puts->env;
    struct put_seg *seg = &j->segs[pass].p[i];
    unsigned n = j->code.n;
    uint8_t tail[SHARD_COLUMNS_MAX * 34];
    if (seg->saving) {
        seg->dirty = true;
        return;
    }
    seg->dirty = false;
    memcpy(tail, seg->tail, (size_t)n * 34);
    struct put_seg_row r = {
        .rows = seg->rows, .size = seg->size, .acked = seg->acked, .tail = {tail, n}};
    memcpy(r.id, seg->id, 32);
    struct buf b = BUF_INIT;
    struct save *s = calloc(1, sizeof *s);
    enum status st = s ? fields_encode(&put_seg_row_fields, &r, &b) : ST_NO_MEMORY;
    if (st == ST_OK) {
        struct put_row row = {seg_row(j, pass, i), buf_view(&b)};
        *s = (struct save){j, NULL, pass, i};
        seg->saving = true;
        job_hold(j);
        st = env->rows_commit(env->ctx, &row, 1, on_seg_saved, s);
        if (st != ST_OK) {
            seg->saving = false;
            job_release(j);
        }
    }
    buf_free(&b);
    if (st != ST_OK) {
        free(s);
        job_fail(j, st);
    }
}

static void on_dropped(void *arg, enum status st)
{
    (void)st; /* rows that stay are dropped at the next start: their job is not there */
    job_release(arg);
}

void job_rows_drop(struct put_job *j, unsigned pass)
{
    const struct put_env *env = &j->puts->env;
    struct put_row rows[PUT_ROWS_MAX];
    size_t n = 0;
    if (pass == PUT_PASSES) rows[n++] = (struct put_row){j->id << 32, BYTES_NONE};
    for (unsigned p = 0; p < PUT_PASSES; p++) {
        if (pass != PUT_PASSES && pass != p) continue;
        for (size_t i = 0; i < j->segs[p].n; i++) {
            if (n == PUT_ROWS_MAX) {
                job_hold(j);
                if (env->rows_commit(env->ctx, rows, n, on_dropped, j) != ST_OK) job_release(j);
                n = 0;
            }
            rows[n++] = (struct put_row){seg_row(j, p, i), BYTES_NONE};
        }
    }
    if (!n) return;
    job_hold(j);
    if (env->rows_commit(env->ctx, rows, n, on_dropped, j) != ST_OK) job_release(j);
}

/* --- reading ------------------------------------------------------------------------------- */

struct load {
    struct puts *p;
    struct put_job *j;
    enum status st;
    struct put_job orphan; /* only its id is used, to name rows that have no job */
};

static enum status load_job(struct load *l, uint64_t id, struct bytes value)
{
    struct put_job_row r;
    enum status st = fields_decode(&put_job_row_fields, value, &r);
    if (st != ST_OK) return st;
    struct put_job *j = job_new(l->p, id);
    if (!j) TRY(ST_NO_MEMORY);
    struct pour_keys *k = &j->secret->keys;
    j->source = strndup((const char *)r.source.p, r.source.n);
    buf_bytes(&j->path, r.path);
    buf_bytes(&j->sealed, r.manifest);
    buf_bytes(&j->uses, r.uses);
    j->saved = r.saved;
    memcpy(j->base, r.base, 32);
    memcpy(k->chunk.cek, r.cek, 32);
    memcpy(k->chunk.dedup, r.dedup, 32);
    memcpy(k->placement, r.placement, 32);
    k->chunk.convergent = r.flags & FLAG_CONVERGENT;
    memcpy(j->version, r.manifest_id, 32);
    memcpy(j->wrap, r.wrap, TREE_WRAP);
    j->strict = r.flags & FLAG_STRICT;
    j->stream = r.flags & FLAG_STREAM;
    j->stamped = r.flags & FLAG_STAMPED;
    j->asked = (struct place_code){r.asked_k, r.asked_n};
    j->code = (struct place_code){r.k, r.n};
    j->size = r.size;
    j->mtime_ms = r.mtime_ms;
    j->inode = r.inode;
    j->mode = r.mode;
    j->epoch = r.epoch;
    j->sm.state = r.phase;
    struct put_job **at = &l->p->jobs;
    while (*at) at = &(*at)->next;
    *at = j;
    l->p->n++;
    l->j = j;
    if (!j->source || r.version != ROW_VERSION || r.phase > PUT_SPREADING ||
        r.n > SHARD_COLUMNS_MAX || r.k > r.n)
        st = ST_INTEGRITY;
out:
    bytes_wipe(&r, sizeof r);
    return st;
}

static enum status load_seg(struct put_job *j, uint64_t n, struct bytes value)
{
    struct put_seg_row r;
    unsigned pass = n >> ROW_PASS & 1;
    size_t i = (size_t)(n & ((UINT64_C(1) << ROW_PASS) - 1));
    enum status st = fields_decode(&put_seg_row_fields, value, &r);
    if (st != ST_OK) return st;
    if (i != j->segs[pass].n + 1 || r.tail.n != j->code.n) return ST_NOT_FOUND; /* a gap: useless */
    struct put_seg *s = segs_add(&j->segs[pass], j->code.n);
    if (!s) return ST_NO_MEMORY;
    memcpy(s->id, r.id, 32);
    s->rows = r.rows;
    s->size = r.size;
    s->acked = r.acked;
    s->moved = true;
    memcpy(s->tail, r.tail.p, r.tail.n * 34);
    return ST_OK;
}

static bool on_row(void *arg, uint64_t n, struct bytes value)
{
    struct load *l = arg;
    if (n >> 32 >= l->p->next) l->p->next = (n >> 32) + 1;
    if ((n & UINT32_MAX) == 0) {
        l->j = NULL;
        l->st = load_job(l, n >> 32, value);
    } else if (l->j && l->j->id == n >> 32) {
        enum status st = load_seg(l->j, n, value);
        if (st != ST_NOT_FOUND) l->st = st;
    }
    return l->st == ST_OK;
}

enum status put_rows_load(struct puts *p)
{
    struct load l = {.p = p};
    enum status st = p->env.rows_scan(p->env.ctx, on_row, &l);
    return l.st != ST_OK ? l.st : st;
}
