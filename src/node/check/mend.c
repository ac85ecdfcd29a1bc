/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "node/check/mend.h"

#include "core/files/segment.h"
#include "node/hold/keeper.h"

#include <stdlib.h>
#include <string.h>

#define HEAD ((size_t)64) /* in front of each unit, for the keeper; keeps units aligned */
#define STRIDE (HEAD + SHARD_UNIT)

struct mend {
    struct mend_ask a;
    struct fetch_want want;
    size_t pending; /* callbacks to come, and one for the caller */
    bool dead;
    bool making; /* a worker reads what was fetched */
    struct fetch *fetch;
    struct segment_code *code;
    uint8_t *parity; /* one unit for each parity column */
    uint8_t *leaves; /* of all columns */
    uint8_t *column; /* the wanted one, a unit a STRIDE */
    uint8_t trailer[SHARD_TRAILER_MAX];
    size_t trailer_len;
    bool good;
    struct keeper_put *put;
    uint32_t row;
};

static void destroy(struct mend *m)
{
    segment_code_free(m->code);
    free(m->parity);
    free(m->leaves);
    free(m->column);
    free(m);
}

static void release(struct mend *m)
{
    if (--m->pending == 0) destroy(m);
}

void mend_free(struct mend *m)
{
    if (m == NULL) return;
    m->dead = true;
    if (m->fetch != NULL && !m->making) {
        fetch_free(m->fetch);
        m->fetch = NULL;
    }
    release(m);
}

void mend_pump(struct mend *m)
{
    if (m->fetch != NULL && !m->making) fetch_pump(m->fetch);
}

static void over(struct mend *m, enum status st)
{
    if (m->put != NULL) keeper_abandon(m->put);
    m->put = NULL;
    if (!m->dead) m->a.done(m->a.arg, st);
}

/* ---- writing ---- */

static void on_committed(void *arg, enum status st)
{
    struct mend *m = arg;
    over(m, st);
    release(m);
}

static void next_unit(struct mend *m);

static void on_unit(void *arg, enum status st)
{
    struct mend *m = arg;
    m->row++;
    if (st != ST_OK || m->dead)
        over(m, st);
    else
        next_unit(m);
    release(m);
}

static void next_unit(struct mend *m)
{
    m->pending++;
    if (m->row == m->want.rows) {
        struct keeper_put *put = m->put;
        m->put = NULL;
        keeper_commit(put, m->want.rows, BYTES(m->trailer, m->trailer_len), on_committed, m);
        return;
    }
    enum status st = keeper_unit(m->put, m->row, m->column + m->row * STRIDE + HEAD, on_unit, m);
    if (st == ST_OK) return;
    m->pending--;
    over(m, st);
}

/* The damaged one is out of the way, or there was none. */
static void on_dropped(void *arg, enum status st)
{
    struct mend *m = arg;
    uint8_t header[SHARD_HEADER];
    struct keeper *k = m->dead ? NULL : hold_keeper(m->a.hold, m->a.own);
    if (st == ST_NOT_FOUND) st = ST_OK;
    if (st == ST_OK && k == NULL) st = ST_CANCELLED;
    if (st == ST_OK) {
        segment_header(m->want.id, m->a.index, m->want.k, m->want.n, header);
        m->put = keeper_open(k, header);
        if (m->put == NULL) st = ST_NO_MEMORY;
    }
    if (st == ST_OK)
        next_unit(m);
    else
        over(m, st);
    release(m);
}

/* ---- making ---- */

static void leaf_row(struct mend *m, unsigned column, uint32_t row, const uint8_t *unit)
{
    uint8_t *all = m->leaves + (size_t)column * SEGMENT_COLUMN_LEAVES * 32;
    segment_leaves(unit, SHARD_UNIT, all + (size_t)row * SEGMENT_UNIT_LEAVES * 32);
    if (column == m->a.index) memcpy(m->column + row * STRIDE + HEAD, unit, SHARD_UNIT);
}

static void make_run(void *arg)
{
    struct mend *m = arg;
    uint8_t *in[SHARD_COLUMNS_MAX];
    uint8_t *out[SHARD_COLUMNS_MAX];
    uint8_t roots[SHARD_COLUMNS_MAX * 32];
    uint8_t root[32];
    unsigned k = m->want.k, n = m->want.n;
    for (uint32_t r = 0; r < m->want.rows; r++) {
        for (unsigned i = 0; i < k; i++) {
            in[i] = (uint8_t *)(uintptr_t)fetch_column(m->fetch, i) + r * SHARD_UNIT;
            leaf_row(m, i, r, in[i]);
        }
        for (unsigned i = k; i < n; i++) out[i - k] = m->parity + (i - k) * SHARD_UNIT;
        if (n > k) segment_code_run(m->code, in, out, SHARD_UNIT);
        for (unsigned i = k; i < n; i++) leaf_row(m, i, r, out[i - k]);
    }
    for (unsigned i = 0; i < n; i++)
        merkle_root(m->leaves + (size_t)i * SEGMENT_COLUMN_LEAVES * 32,
                    m->want.rows * SEGMENT_UNIT_LEAVES, roots + (size_t)i * 32);
    segment_root(roots, n, root);
    m->good = memcmp(root, m->want.root, 32) == 0;
    m->trailer_len = segment_trailer(roots, n, m->a.index, fetch_size(m->fetch), m->trailer);
}

static void on_made(void *arg)
{
    struct mend *m = arg;
    struct shard_key key = {.index = m->a.index};
    m->making = false;
    fetch_free(m->fetch);
    m->fetch = NULL;
    if (m->dead || !m->good) {
        over(m, ST_INTEGRITY);
        release(m);
        return;
    }
    memcpy(key.tag, m->a.tag, SHARD_TAG);
    memcpy(key.segment_id, m->want.id, SHARD_ID);
    m->a.store.ops->drop(m->a.store.ctx, &key, on_dropped, m); /* our hold goes on to it */
}

static enum status rooms(struct mend *m)
{
    unsigned k = m->want.k, n = m->want.n;
    m->leaves = malloc((size_t)n * SEGMENT_COLUMN_LEAVES * 32);
    m->column = malloc(m->want.rows * STRIDE);
    m->parity = malloc((n - k + 1) * SHARD_UNIT);
    if (m->leaves == NULL || m->column == NULL || m->parity == NULL) return ST_NO_MEMORY;
    return n > k ? segment_code_encode(k, n, &m->code) : ST_OK;
}

static void on_fetched(void *arg, enum status st)
{
    struct mend *m = arg;
    if (st == ST_OK) st = rooms(m);
    if (st != ST_OK) {
        over(m, st);
        return;
    }
    m->pending++;
    m->making = true;
    /* A full lane: rather here than never. */
    if (m->a.work.submit(m->a.work.ctx, WORK_BULK, make_run, on_made, m) == ST_OK) return;
    make_run(m);
    on_made(m);
}

static void on_bad(void *arg, uint16_t leaf, uint8_t index, enum status why)
{
    (void)arg;
    (void)leaf;
    (void)index;
    (void)why; /* a check has named it, or will */
}

static void on_gave(void *arg, uint16_t leaf)
{
    (void)arg;
    (void)leaf;
}

struct mend *mend_start(const struct mend_ask *ask, const struct tree_segment *segment)
{
    struct mend *m = calloc(1, sizeof *m);
    if (m == NULL) return NULL;
    m->a = *ask;
    m->pending = 1;
    memcpy(m->want.id, segment->id, 32);
    memcpy(m->want.root, segment->root, 32);
    m->want.k = segment->k;
    m->want.n = segment->n;
    m->want.rows = segment->rows;
    for (unsigned i = 0; i < segment->n; i++)
        m->want.at[i] = i == ask->index ? HOLD_NOBODY : segment->at[i];
    struct fetch_config fc = {.env = ask->env,
                              .work = ask->work,
                              .hold = ask->hold,
                              .want = m->want,
                              .data = true,
                              .bad = on_bad,
                              .gave = on_gave,
                              .done = on_fetched,
                              .arg = m};
    m->fetch = fetch_new(&fc);
    if (m->fetch != NULL) return m;
    free(m);
    return NULL;
}
