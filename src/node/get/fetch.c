/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "node/get/fetch.h"

#include "core/files/segment.h"
#include "node/hold/keeper.h"

#include <stdlib.h>
#include <string.h>

enum part_state { PART_IDLE, PART_RUNNING, PART_VERIFYING, PART_GOOD, PART_BAD };

/* One column at one holder. */
struct part {
    struct fetch *f;
    uint16_t leaf;
    uint8_t index;
    enum part_state state;
    struct keeper_read *read;
    bool told; /* the trailer came and leads to the segment root */
    bool whole;
    bool job; /* being verified */
    uint8_t root[32];
    uint8_t found[32];
    uint8_t *bytes;
    uint8_t trailer[SHARD_TRAILER_MAX];
    uint8_t trailer_len;
    uint64_t progress_ms;
    uint64_t again_ms; /* after a lost link: not before */
};

struct fetch {
    struct fetch_config c;
    struct part *parts[FETCH_PARTS_MAX];
    size_t n;
    bool asked; /* every holder, what it has */
    uint64_t began_ms, asked_ms;
    uint64_t moved_ms; /* bytes came last */
    unsigned asking;
    unsigned bad_n;
    bool ended;
    bool dead;
    bool inside;
    bool job;
    size_t pending;
    uint8_t *column[SHARD_COLUMNS_MAX]; /* the result; some belong to parts */
    uint8_t index[SHARD_COLUMNS_MAX];
    uint8_t *made[SHARD_COLUMNS_MAX]; /* rebuilt ones */
    struct segment_code *code;
    uint8_t *from[SHARD_COLUMNS_MAX];
    unsigned made_n;
    const struct part *given[SHARD_COLUMNS_MAX]; /* where column i came from */
    uint64_t size;                               /* of the payload, as a good shard says */
};

/* Columns that are wanted. */
static unsigned needed(const struct fetch *f)
{
    return f->c.only ? (unsigned)__builtin_popcountll(f->c.only) : f->c.want.k;
}

static size_t column_bytes(const struct fetch *f)
{
    return f->c.want.rows * SHARD_UNIT;
}

static void destroy(struct fetch *f)
{
    for (size_t i = 0; i < f->n; i++) {
        free(f->parts[i]->bytes);
        free(f->parts[i]);
    }
    for (unsigned i = 0; i < f->made_n; i++) free(f->made[i]);
    segment_code_free(f->code);
    free(f);
}

static void release(struct fetch *f)
{
    if (--f->pending == 0 && f->dead) destroy(f);
}

static void part_stop(struct part *p)
{
    if (p->read) keeper_read_stop(p->read);
    p->read = NULL;
    if (!p->job) {
        free(p->bytes);
        p->bytes = NULL;
    }
}

void fetch_free(struct fetch *f)
{
    if (!f) return;
    f->dead = true;
    for (size_t i = 0; i < f->n; i++)
        if (f->parts[i]->read) part_stop(f->parts[i]);
    release(f);
}

static void add(struct fetch *f, uint16_t leaf, uint8_t index)
{
    if (f->c.only && !(f->c.only >> index & 1)) return;
    for (size_t i = 0; i < f->n; i++)
        if (f->parts[i]->leaf == leaf && f->parts[i]->index == index) return;
    if (f->n == FETCH_PARTS_MAX) return;
    struct part *p = calloc(1, sizeof *p);
    if (!p) return;
    p->f = f;
    p->leaf = leaf;
    p->index = index;
    f->parts[f->n++] = p;
}

static void on_start(void *arg)
{
    struct fetch *f = arg;
    fetch_pump(f);
    release(f);
}

static void nothing(void *arg)
{
    (void)arg;
}

struct fetch *fetch_new(const struct fetch_config *c)
{
    struct fetch *f = calloc(1, sizeof *f);
    if (!f) return NULL;
    f->c = *c;
    f->pending = 1;
    f->began_ms = f->moved_ms = env_mono_ms(c->env);
    for (unsigned i = 0; i < c->want.n; i++)
        if (c->want.at[i] != HOLD_NOBODY) add(f, c->want.at[i], (uint8_t)i);
    /* If the lane is full the owner's next fetch_pump starts it. */
    if (c->work.submit(c->work.ctx, WORK_SHORT, nothing, on_start, f) == ST_OK) f->pending++;
    return f;
}

/* --- one column ---------------------------------------------------------------------------- */

static void part_fail(struct part *p, enum status why)
{
    struct fetch *f = p->f;
    if (p->state == PART_BAD) return;
    /* A lost link says nothing about the shard. */
    bool wrong = why == ST_INTEGRITY || why == ST_NOT_FOUND || why == ST_IO;
    p->state = wrong ? PART_BAD : PART_IDLE;
    p->again_ms = env_mono_ms(f->c.env) + FETCH_AGAIN_MS;
    part_stop(p);
    if (wrong) f->bad_n++;
    if (wrong && !f->dead && !f->ended) f->c.bad(f->c.arg, p->leaf, p->index, why);
}

static void verify_run(void *arg)
{
    struct part *p = arg;
    uint8_t leaves[SEGMENT_COLUMN_LEAVES * 32];
    segment_leaves(p->bytes, column_bytes(p->f), leaves);
    merkle_root(leaves, p->f->c.want.rows * SEGMENT_UNIT_LEAVES, p->found);
}

static void on_verified(void *arg)
{
    struct part *p = arg;
    struct fetch *f = p->f;
    p->job = false;
    if (memcmp(p->found, p->root, 32) != 0) {
        part_fail(p, ST_INTEGRITY);
    } else {
        p->state = PART_GOOD;
        if (!f->dead && !f->ended) f->c.gave(f->c.arg, p->leaf);
    }
    fetch_pump(f);
    release(f);
}

static void part_verify(struct part *p)
{
    struct fetch *f = p->f;
    if (p->state != PART_VERIFYING || p->job) return;
    if (f->c.work.submit(f->c.work.ctx, WORK_BULK, verify_run, on_verified, p) != ST_OK) return;
    p->job = true;
    f->pending++;
}

static void part_step(struct part *p)
{
    if (p->state == PART_RUNNING && p->told && p->whole) {
        p->state = PART_VERIFYING;
        part_verify(p);
    }
}

static enum status judge(struct part *p, const struct shard_info *info)
{
    const struct fetch_want *w = &p->f->c.want;
    struct shard_trailer t;
    uint8_t header[SHARD_HEADER];
    segment_header(w->id, p->index, w->k, w->n, header);
    if (memcmp(header, info->header, SHARD_HEADER) != 0 || info->units != w->rows)
        return ST_INTEGRITY;
    enum status st =
        segment_trailer_read(BYTES(info->trailer, info->trailer_len), w->k, w->rows, &t);
    if (st == ST_OK) st = segment_trailer_check(&t, p->index, w->n, w->root);
    if (st != ST_OK) return ST_INTEGRITY;
    memcpy(p->root, t.root, 32);
    memcpy(p->trailer, info->trailer, info->trailer_len);
    p->trailer_len = info->trailer_len;
    p->f->size = t.size;
    return ST_OK;
}

static void on_told(void *arg, enum status st, const struct shard_info *info)
{
    struct part *p = arg;
    struct fetch *f = p->f;
    if (!f->dead && p->state == PART_RUNNING) {
        if (st == ST_OK) st = judge(p, info);
        p->progress_ms = env_mono_ms(f->c.env);
        if (st == ST_OK) {
            p->told = true;
            part_step(p);
        } else {
            part_fail(p, st);
        }
        fetch_pump(f);
    }
    release(f);
}

static void on_piece(void *arg, uint64_t offset, struct bytes piece)
{
    struct part *p = arg;
    memcpy(p->bytes + offset, piece.p, piece.n);
    p->progress_ms = p->f->moved_ms = env_mono_ms(p->f->c.env);
}

static void on_read(void *arg, enum status st)
{
    struct part *p = arg;
    struct fetch *f = p->f;
    p->read = NULL;
    if (p->state != PART_RUNNING) return;
    if (st == ST_OK) {
        p->whole = true;
        part_step(p);
    } else {
        part_fail(p, st);
    }
    fetch_pump(f);
}

static bool part_start(struct part *p)
{
    struct fetch *f = p->f;
    struct keeper *k = hold_keeper(f->c.hold, p->leaf);
    if (!k || !keeper_up(k)) return false;
    p->bytes = malloc(column_bytes(f));
    if (!p->bytes) return false;
    p->told = p->whole = false;
    p->progress_ms = env_mono_ms(f->c.env);
    p->read = keeper_read(k, f->c.want.id, p->index, 0, column_bytes(f), on_piece, on_read, p);
    if (!p->read || !keeper_info(k, f->c.want.id, p->index, on_told, p)) {
        part_stop(p);
        return false;
    }
    f->pending++;
    p->state = PART_RUNNING;
    return true;
}

/* --- choosing ------------------------------------------------------------------------------ */

/* Whether another part of the same column counts already. */
static bool taken(const struct fetch *f, uint8_t index)
{
    for (size_t i = 0; i < f->n; i++) {
        const struct part *p = f->parts[i];
        if (p->index == index && p->state != PART_IDLE && p->state != PART_BAD) return true;
    }
    return false;
}

static struct part *best_idle(const struct fetch *f)
{
    struct part *best = NULL;
    uint64_t best_score = 0;
    uint64_t now = env_mono_ms(f->c.env);
    for (size_t i = 0; i < f->n; i++) {
        struct part *p = f->parts[i];
        const struct keeper *k = p->state == PART_IDLE ? hold_keeper(f->c.hold, p->leaf) : NULL;
        if (!k || !keeper_up(k) || now < p->again_ms || taken(f, p->index)) continue;
        /* Near ones cost no wire; data columns cost no decoding; then speed. Unmeasured holders
         * count as quick, so that they get measured. */
        uint64_t rate = keeper_rate(k) ? keeper_rate(k) : UINT32_MAX;
        uint64_t score = (rate >> 4) + 1;
        if (keeper_near(k)) score += UINT64_C(1) << 62;
        if (p->index < f->c.want.k) score += UINT64_C(1) << 61;
        if (score > best_score) {
            best = p;
            best_score = score;
        }
    }
    return best;
}

struct asked {
    struct fetch *f;
    uint16_t leaf;
};

static void on_had(void *arg, enum status st, uint64_t bitmap)
{
    struct asked a = *(struct asked *)arg;
    struct fetch *f = a.f;
    free(arg);
    f->asking--;
    if (st == ST_OK && !f->dead)
        for (unsigned i = 0; i < f->c.want.n; i++)
            if (bitmap >> i & 1) add(f, a.leaf, (uint8_t)i);
    if (!f->dead) fetch_pump(f);
    release(f);
}

static void ask_all(struct fetch *f)
{
    struct hold_view view[HOLD_LEAVES_MAX];
    size_t n = hold_list(f->c.hold, view);
    f->asked = true;
    f->asked_ms = env_mono_ms(f->c.env);
    for (size_t i = 0; i < n; i++) {
        struct keeper *k = view[i].up ? hold_keeper(f->c.hold, view[i].leaf) : NULL;
        struct asked *a = k ? malloc(sizeof *a) : NULL;
        if (!a) continue;
        *a = (struct asked){f, view[i].leaf};
        if (keeper_have(k, f->c.want.id, on_had, a)) {
            f->asking++;
            f->pending++;
        } else {
            free(a);
        }
    }
}

/* --- the end ------------------------------------------------------------------------------- */

static void end(struct fetch *f, enum status st)
{
    if (f->ended) return;
    f->ended = true;
    for (size_t i = 0; i < f->n; i++)
        if (f->parts[i]->read) part_stop(f->parts[i]);
    f->c.done(f->c.arg, st);
}

static void rebuild_run(void *arg)
{
    struct fetch *f = arg;
    uint8_t *in[SHARD_COLUMNS_MAX];
    uint8_t *out[SHARD_COLUMNS_MAX];
    for (uint32_t r = 0; r < f->c.want.rows; r++) {
        for (unsigned i = 0; i < f->c.want.k; i++) in[i] = f->from[i] + r * SHARD_UNIT;
        for (unsigned i = 0; i < f->made_n; i++) out[i] = f->made[i] + r * SHARD_UNIT;
        segment_code_run(f->code, in, out, SHARD_UNIT);
    }
}

static void on_rebuilt(void *arg)
{
    struct fetch *f = arg;
    if (!f->dead) end(f, ST_OK);
    release(f);
}

/* k good columns are there: the result, after decoding where data columns are missing. */
static void finish(struct fetch *f)
{
    const struct fetch_want *w = &f->c.want;
    uint8_t have[SHARD_COLUMNS_MAX];
    uint8_t want[SHARD_COLUMNS_MAX];
    unsigned h = 0;
    f->job = true;
    for (unsigned index = 0; index < w->n && h < needed(f); index++)
        for (size_t i = 0; i < f->n; i++) {
            struct part *p = f->parts[i];
            if (p->index != index || p->state != PART_GOOD) continue;
            have[h] = (uint8_t)index;
            f->index[h] = (uint8_t)index;
            f->column[h] = f->from[h] = p->bytes;
            f->given[h] = p;
            h++;
            break;
        }
    unsigned m = 0;
    if (f->c.data) {
        unsigned at = 0;
        for (unsigned index = 0; index < w->k; index++) {
            if (at < h && have[at] == index) {
                f->column[index] = f->from[at++];
            } else {
                want[m] = (uint8_t)index;
                f->made[m] = malloc(column_bytes(f));
                f->column[index] = f->made[m];
                if (!f->made[m++]) break;
            }
        }
        for (unsigned index = 0; index < w->k; index++) f->index[index] = (uint8_t)index;
        f->made_n = m;
    }
    if (!m) {
        end(f, ST_OK);
        return;
    }
    enum status st = f->made[m - 1] ? ST_OK : ST_NO_MEMORY;
    if (st == ST_OK) st = segment_code_rebuild(w->k, w->n, have, want, m, &f->code);
    if (st == ST_OK) {
        f->pending++;
        /* A full lane: rather here than never. */
        if (f->c.work.submit(f->c.work.ctx, WORK_BULK, rebuild_run, on_rebuilt, f) != ST_OK) {
            rebuild_run(f);
            on_rebuilt(f);
        }
        return;
    }
    end(f, st);
}

/* Whether a holder is away that may come, or a lost link is to be tried again. */
static bool may_come(const struct fetch *f, uint64_t now)
{
    struct hold_view view[HOLD_LEAVES_MAX];
    size_t n = hold_list(f->c.hold, view);
    for (size_t i = 0; i < n; i++)
        if (!view[i].up) return true;
    for (size_t i = 0; i < f->n; i++)
        if (f->parts[i]->state == PART_IDLE && now < f->parts[i]->again_ms) return true;
    return false;
}

static void run(struct fetch *f)
{
    unsigned good = 0;
    unsigned running = 0;
    unsigned slow = 0;
    uint64_t now = env_mono_ms(f->c.env);
    for (size_t i = 0; i < f->n; i++) {
        struct part *p = f->parts[i];
        part_verify(p);
        if (p->state == PART_GOOD) good++;
        if (p->state == PART_RUNNING || p->state == PART_VERIFYING) running++;
        if (p->state == PART_RUNNING && now - p->progress_ms >= FETCH_SLOW_MS) slow++;
    }
    if (good >= needed(f)) {
        finish(f);
        return;
    }
    unsigned want = needed(f) - good;
    while (running - slow < want) {
        struct part *p = best_idle(f);
        if (!p) break;
        if (part_start(p))
            running++;
        else
            p->again_ms = now + FETCH_AGAIN_MS;
    }
    if (running - slow >= want) return;
    /* Holders that answer everything but reads are asked again and again, and not for ever. */
    if (now - f->moved_ms >= FETCH_PATIENCE_MS && now - f->began_ms >= FETCH_PATIENCE_MS) {
        end(f, f->bad_n ? ST_INTEGRITY : ST_UNREACHABLE);
        return;
    }
    if (!f->asking && (!f->asked || now - f->asked_ms >= FETCH_AGAIN_MS)) ask_all(f);
    if (f->asking || running >= want) return;
    if (now - f->began_ms < FETCH_PATIENCE_MS && may_come(f, now)) return;
    end(f, f->bad_n ? ST_INTEGRITY : ST_UNREACHABLE);
}

void fetch_pump(struct fetch *f)
{
    if (f->inside || f->dead || f->ended || f->job) return;
    f->inside = true;
    f->pending++;
    run(f);
    f->inside = false;
    release(f);
}

const uint8_t *fetch_column(const struct fetch *f, unsigned i)
{
    return f->column[i];
}

uint8_t fetch_index(const struct fetch *f, unsigned i)
{
    return f->index[i];
}

struct bytes fetch_trailer(const struct fetch *f, unsigned i)
{
    return BYTES(f->given[i]->trailer, f->given[i]->trailer_len);
}

uint64_t fetch_size(const struct fetch *f)
{
    return f->size;
}

bool fetch_found(const struct fetch *f, unsigned i, uint8_t *ret_index, uint16_t *ret_leaf)
{
    for (size_t at = 0; at < f->n; at++) {
        const struct part *p = f->parts[at];
        if (p->state != PART_GOOD || i--) continue;
        *ret_index = p->index;
        *ret_leaf = p->leaf;
        return true;
    }
    return false;
}
