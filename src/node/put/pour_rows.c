/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The second half: rows and segments, code, send, commit. */
#include "node/put/pour_private.h"

#include <stdlib.h>
#include <string.h>

/* --- opening ------------------------------------------------------------------------------- */

static void column_open(struct pour_seg *seg, unsigned c)
{
    struct pour *p = seg->p;
    struct pour_column *col = &seg->columns[c];
    col->seg = seg;
    col->index = (uint8_t)c;
    if (seg->pub.acked >> c & 1) {
        col->state = COLUMN_ACKED;
        return;
    }
    struct keeper *k = hold_keeper(p->c.hold, seg->pub.at[c]);
    if (!k || !keeper_up(k)) return;
    uint8_t header[SHARD_HEADER];
    segment_header(seg->pub.id, (uint8_t)c, p->c.code.k, p->c.code.n, header);
    col->put = keeper_open(k, header);
    if (col->put) col->state = COLUMN_SENDING;
}

static void place(struct pour *p, struct pour_segment *s)
{
    struct hold_view view[HOLD_LEAVES_MAX];
    uint16_t leaves[HOLD_LEAVES_MAX];
    size_t g = hold_list(p->c.hold, view);
    for (size_t i = 0; i < g; i++) leaves[i] = view[i].leaf;
    place_columns(p->keys->placement, s->id, leaves, g, p->c.code.n, s->at);
}

static struct pour_seg *seg_open(struct pour *p)
{
    struct pour_seg *seg = calloc(1, sizeof *seg);
    unsigned n = p->c.code.n;
    if (p->segs_n >= MANIFEST_SEGMENTS_MAX) pour_fail(p, ST_TOO_BIG);
    if (!seg || p->segs_n >= MANIFEST_SEGMENTS_MAX) {
        pour_fail(p, ST_NO_MEMORY);
        free(seg);
        return NULL;
    }
    seg->p = p;
    seg->number = p->segs_n;
    if (seg->number < p->c.known_n) {
        p->c.events->known(p->c.arg, seg->number, &seg->pub);
        seg->known = true;
    } else {
        env_random(p->c.env, seg->pub.id, sizeof seg->pub.id);
        place(p, &seg->pub);
    }
    seg->skip = seg->known;
    for (unsigned c = 0; c < n; c++) {
        column_open(seg, c);
        if (seg->columns[c].state == COLUMN_SENDING) seg->skip = false;
    }
    if (!seg->skip) {
        seg->leaves = malloc((size_t)n * SEGMENT_COLUMN_LEAVES * 32);
        if (!seg->leaves) pour_fail(p, ST_NO_MEMORY);
    }
    struct pour_seg **at = &p->segs;
    while (*at) at = &(*at)->next;
    *at = seg;
    p->segs_n++;
    p->open_n++;
    return seg;
}

static struct pour_row *row_open(struct pour_seg *seg)
{
    struct pour *p = seg->p;
    struct pour_row *r = calloc(1, sizeof *r + p->c.code.n * sizeof r->use[0]);
    void *mem = NULL;
    if (!r || posix_memalign(&mem, UNIT_HEAD, p->c.code.n * UNIT_STRIDE) != 0) {
        free(r);
        pour_fail(p, ST_NO_MEMORY);
        return NULL;
    }
    r->mem = mem;
    r->seg = seg;
    r->number = seg->rows_made;
    seg->rows[seg->rows_made++] = r;
    p->rows_n++;
    return r;
}

static uint8_t *unit_of(const struct pour_row *r, unsigned c)
{
    return r->mem + c * UNIT_STRIDE + UNIT_HEAD;
}

static void row_free(struct pour_row *r)
{
    r->seg->rows[r->number] = NULL;
    r->seg->p->rows_n--;
    free(r->mem);
    free(r);
}

/* --- filling ------------------------------------------------------------------------------- */

static void row_fill(struct pour_row *r, const uint8_t *bytes, size_t n)
{
    while (n) {
        size_t off = r->filled % SHARD_UNIT;
        size_t take = SHARD_UNIT - off < n ? SHARD_UNIT - off : n;
        memcpy(unit_of(r, (unsigned)(r->filled / SHARD_UNIT)) + off, bytes, take);
        bytes += take;
        n -= take;
        r->filled += take;
    }
}

static void seg_close(struct pour *p)
{
    struct pour_seg *seg = p->fill;
    seg->closed = true;
    seg->plain_end = p->plain;
    p->fill = NULL;
    p->row = NULL;
    if (seg->known && seg->size != seg->pub.size) pour_fail(p, ST_CONFLICT);
    seg->pub.size = seg->size;
    seg->pub.rows = segment_rows(p->c.code.k, seg->size);
}

size_t pour_put(struct pour *p, const uint8_t *bytes, size_t n, struct manifest_chunk *where)
{
    unsigned k = p->c.code.k;
    size_t row_bytes = k * SHARD_UNIT;
    uint64_t capacity = (uint64_t)segment_rows_full(k) * row_bytes;
    size_t done = 0;
    while (done < n && p->st == ST_OK) {
        if (!p->fill) {
            if (p->open_n >= POUR_SEGMENTS) break;
            p->fill = seg_open(p);
            if (!p->fill || p->st != ST_OK) break;
        }
        struct pour_seg *seg = p->fill;
        uint64_t room = capacity - seg->size;
        if (!seg->skip) {
            if (!p->row) {
                if (p->rows_n >= p->rows_max) break;
                p->row = row_open(seg);
                if (!p->row) break;
            }
            room = row_bytes - p->row->filled;
        }
        size_t take = n - done < room ? n - done : (size_t)room;
        if (where && !done) {
            where->segment = (uint16_t)seg->number;
            where->offset = seg->size;
        }
        if (!seg->skip) {
            row_fill(p->row, bytes + done, take);
            if (p->row->filled == row_bytes) p->row = NULL;
        }
        seg->size += take;
        done += take;
        if (seg->size == capacity) seg_close(p);
    }
    return done;
}

void pour_close(struct pour *p)
{
    if (!p->fill) return;
    if (p->row) {
        size_t row_bytes = p->c.code.k * SHARD_UNIT;
        while (p->row->filled < row_bytes) {
            size_t off = p->row->filled % SHARD_UNIT;
            memset(unit_of(p->row, (unsigned)(p->row->filled / SHARD_UNIT)) + off, 0,
                   SHARD_UNIT - off);
            p->row->filled += SHARD_UNIT - off;
        }
    }
    seg_close(p);
}

/* --- code and hash ------------------------------------------------------------------------- */

static void code_run(void *arg)
{
    struct pour_row *r = arg;
    const struct pour *p = r->seg->p;
    unsigned n = p->c.code.n;
    uint8_t *units[SHARD_COLUMNS_MAX] = {NULL};
    for (unsigned c = 0; c < n; c++) units[c] = unit_of(r, c);
    segment_code_run(p->code, units, units + p->c.code.k, SHARD_UNIT);
    for (unsigned c = 0; c < n; c++)
        segment_leaves(units[c], SHARD_UNIT,
                       r->seg->leaves +
                           ((size_t)c * SEGMENT_COLUMN_LEAVES + r->number * SEGMENT_UNIT_LEAVES) *
                               32);
}

static void on_coded(void *arg)
{
    struct pour_row *r = arg;
    struct pour *p = r->seg->p;
    r->coding = false;
    r->coded = true;
    r->seg->rows_coded++;
    pour_pump(p);
    pour_release(p);
}

static void root_run(void *arg)
{
    struct pour_seg *seg = arg;
    for (unsigned c = 0; c < seg->p->c.code.n; c++)
        merkle_root(seg->leaves + (size_t)c * SEGMENT_COLUMN_LEAVES * 32,
                    seg->rows_made * SEGMENT_UNIT_LEAVES, seg->roots + (size_t)c * 32);
}

static void on_rooted(void *arg)
{
    struct pour_seg *seg = arg;
    struct pour *p = seg->p;
    size_t n = (size_t)p->c.code.n * 32;
    seg->rooting = false;
    seg->rooted = true;
    if (seg->known && memcmp(seg->roots, seg->pub.roots, n) != 0) pour_fail(p, ST_CONFLICT);
    memcpy(seg->pub.roots, seg->roots, n);
    seg->pub.rooted = true;
    if (p->st == ST_OK && !p->dead) p->c.events->coded(p->c.arg, seg->number, &seg->pub);
    pour_pump(p);
    pour_release(p);
}

static void code_more(struct pour_seg *seg)
{
    struct pour *p = seg->p;
    size_t row_bytes = p->c.code.k * SHARD_UNIT;
    for (uint32_t i = 0; i < seg->rows_made; i++) {
        struct pour_row *r = seg->rows[i];
        if (r && !r->coded && !r->coding && r->filled == row_bytes)
            r->coding = pour_job(p, code_run, on_coded, r);
    }
    if (seg->closed && !seg->skip && seg->rows_coded == seg->rows_made && !seg->rooted &&
        !seg->rooting)
        seg->rooting = pour_job(p, root_run, on_rooted, seg);
}

/* --- send and commit ----------------------------------------------------------------------- */

static void column_lost(struct pour_column *col, enum status why)
{
    struct pour *p = col->seg->p;
    env_log(p->c.env, ENV_INFO, "put", "leaf %u did not take a column: %s",
            col->seg->pub.at[col->index], status_text(why));
    if (col->put) keeper_abandon(col->put);
    col->put = NULL;
    col->state = COLUMN_LOST;
}

static void on_unit(void *arg, enum status st)
{
    struct pour_use *u = arg;
    struct pour *p = u->col->seg->p;
    u->row->uses--;
    if (st != ST_OK && u->col->state == COLUMN_SENDING && !p->dead) column_lost(u->col, st);
    pour_pump(p);
    pour_release(p);
}

static void on_committed(void *arg, enum status st)
{
    struct pour_column *col = arg;
    struct pour_seg *seg = col->seg;
    struct pour *p = seg->p;
    col->state = st == ST_OK ? COLUMN_ACKED : COLUMN_LOST;
    if (st == ST_OK) {
        seg->pub.acked |= UINT64_C(1) << col->index;
        if (!p->dead && !p->told) p->c.events->acked(p->c.arg, seg->number, &seg->pub);
    } else if (!p->dead) {
        column_lost(col, st);
    }
    pour_pump(p);
    pour_release(p);
}

static void column_commit(struct pour_column *col)
{
    struct pour_seg *seg = col->seg;
    struct pour *p = seg->p;
    uint8_t trailer[SHARD_TRAILER_MAX];
    size_t n = segment_trailer(seg->pub.roots, p->c.code.n, col->index, seg->size, trailer);
    struct keeper_put *put = col->put;
    col->put = NULL;
    col->state = COLUMN_COMMITTING;
    p->pending++;
    keeper_commit(put, seg->rows_made, BYTES(trailer, n), on_committed, col);
}

static void column_send(struct pour_column *col)
{
    struct pour_seg *seg = col->seg;
    struct pour *p = seg->p;
    while (col->state == COLUMN_SENDING && col->next_row < seg->rows_made) {
        struct pour_row *r = seg->rows[col->next_row];
        if (!r || !r->coded) return;
        struct pour_use *use = &r->use[col->index];
        *use = (struct pour_use){r, col};
        enum status st = keeper_unit(col->put, col->next_row, unit_of(r, col->index), on_unit, use);
        if (st == ST_BUSY) return;
        if (st != ST_OK) {
            column_lost(col, st);
            return;
        }
        r->uses++;
        p->pending++;
        col->next_row++;
    }
    if (col->state == COLUMN_SENDING && seg->go) {
        /* Near puts must have been written before they may be committed. */
        for (uint32_t i = 0; i < seg->rows_made; i++)
            if (seg->rows[i] && seg->rows[i]->uses) return;
        column_commit(col);
    }
}

/* Rows that every column has passed make room for the next. */
static void rows_reap(struct pour_seg *seg)
{
    unsigned n = seg->p->c.code.n;
    for (uint32_t i = 0; i < seg->rows_made; i++) {
        struct pour_row *r = seg->rows[i];
        bool wanted = !r || !r->coded || r->uses;
        for (unsigned c = 0; c < n && !wanted; c++)
            wanted = seg->columns[c].state == COLUMN_SENDING && seg->columns[c].next_row <= i;
        if (!r || wanted) continue;
        row_free(r);
        seg->passed = true;
    }
}

static void seg_free(struct pour_seg *seg)
{
    for (uint32_t i = 0; i < seg->rows_made; i++)
        if (seg->rows[i]) row_free(seg->rows[i]);
    free(seg->leaves);
    free(seg);
}

static bool seg_settled(const struct pour_seg *seg)
{
    if (!seg->closed) return false;
    if (seg->skip) return true;
    if (!seg->go) return false;
    for (uint32_t i = 0; i < seg->rows_made; i++)
        if (seg->rows[i]) return false;
    for (unsigned c = 0; c < seg->p->c.code.n; c++)
        if (seg->columns[c].state == COLUMN_SENDING || seg->columns[c].state == COLUMN_COMMITTING)
            return false;
    return true;
}

void pour_rows(struct pour *p)
{
    struct pour_seg **at = &p->segs;
    while (*at && p->st == ST_OK && !p->dead) {
        struct pour_seg *seg = *at;
        code_more(seg);
        /* A holder whose link is only being made gets what no row is missing of yet. */
        for (unsigned c = 0; c < p->c.code.n && !seg->skip && !seg->passed; c++)
            if (seg->columns[c].state == COLUMN_AWAY) column_open(seg, c);
        for (unsigned c = 0; c < p->c.code.n; c++) column_send(&seg->columns[c]);
        rows_reap(seg);
        if (!seg_settled(seg)) {
            at = &seg->next;
            continue;
        }
        *at = seg->next;
        p->open_n--;
        p->c.events->settled(p->c.arg, seg->number, &seg->pub, seg->plain_end);
        seg_free(seg);
    }
}

void pour_go(struct pour *p, uint32_t i)
{
    for (struct pour_seg *seg = p->segs; seg; seg = seg->next)
        if (seg->number == i) seg->go = true;
    pour_pump(p);
}

void pour_rows_drop(struct pour *p)
{
    for (struct pour_seg *seg = p->segs; seg; seg = seg->next)
        for (unsigned c = 0; c < p->c.code.n; c++) {
            struct pour_column *col = &seg->columns[c];
            if (col->put) keeper_abandon(col->put);
            col->put = NULL;
            if (col->state == COLUMN_SENDING) col->state = COLUMN_LOST;
        }
}

void pour_rows_free(struct pour *p)
{
    while (p->segs) {
        struct pour_seg *seg = p->segs;
        p->segs = seg->next;
        seg_free(seg);
    }
}
