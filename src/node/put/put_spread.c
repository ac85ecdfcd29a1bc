/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* After the file is in the tree: the columns that are still missing. For each segment any k columns
 * are fetched, the missing ones rebuilt, checked against the roots of then, and sent. */
#include "core/files/segment.h"
#include "node/get/fetch.h"
#include "node/hold/keeper.h"
#include "node/put/put_private.h"

#include <stdlib.h>
#include <string.h>

#define HEAD 64
#define STRIDE (HEAD + SHARD_UNIT)

/* A column on its way. */
struct sent {
    struct put_spread *s;
    uint8_t index;
    uint8_t *mem; /* rows of STRIDE */
    struct keeper_put *put;
    uint32_t next_row;
    unsigned uses;
    bool good; /* its root is what it was */
    bool committing;
    bool over;
};

struct put_spread {
    struct put_job *j; /* NULL: stopped, lives until its last callback */
    const struct put_env *env;
    unsigned pass;
    size_t seg;
    struct place_code code;
    uint32_t rows;
    uint8_t roots[SHARD_COLUMNS_MAX * 32];
    uint64_t size;
    uint8_t id[32];
    struct fetch *fetch;
    struct segment_code *code_map;
    bool building;
    bool inside;
    unsigned n;
    size_t pending;
    struct sent col[PUT_SPREAD_COLUMNS];
};

static void release(struct put_spread *s)
{
    if (--s->pending) return;
    for (unsigned i = 0; i < s->n; i++) free(s->col[i].mem);
    segment_code_free(s->code_map);
    free(s);
}

static void drop(struct put_spread *s)
{
    struct put_job *j = s->j;
    s->j = NULL;
    if (!s->building) { /* else the worker reads from it, and on_built frees it */
        fetch_free(s->fetch);
        s->fetch = NULL;
    }
    for (unsigned i = 0; i < s->n; i++) {
        if (s->col[i].put) keeper_abandon(s->col[i].put);
        s->col[i].put = NULL;
    }
    j->spread = NULL;
    release(s);
    job_release(j);
}

void spread_stop(struct put_job *j)
{
    if (j->spread) drop(j->spread);
}

static uint8_t *unit_of(const struct sent *c, uint32_t row)
{
    return c->mem + row * STRIDE + HEAD;
}

/* The segment is done with, for now; the next one that can be helped. */
static void segment_over(struct put_spread *s)
{
    struct put_job *j = s->j;
    drop(s);
    j->spread_seg++;
    puts_turn(j->puts);
}

/* --- sending ------------------------------------------------------------------------------- */

static void send_more(struct put_spread *s);

static void on_unit(void *arg, enum status st)
{
    struct sent *c = arg;
    struct put_spread *s = c->s;
    c->uses--;
    if (st != ST_OK && s->j && c->put) {
        keeper_abandon(c->put);
        c->put = NULL;
        c->over = true;
    }
    if (s->j) send_more(s);
    release(s);
}

static void on_committed(void *arg, enum status st)
{
    struct sent *c = arg;
    struct put_spread *s = c->s;
    struct put_job *j = s->j;
    c->over = true;
    if (j && st == ST_OK) {
        struct put_seg *seg = &j->segs[s->pass].p[s->seg];
        seg->acked |= UINT64_C(1) << c->index;
        seg->moved = true;
        j->backoff_ms = 0;
        seg_save(j, s->pass, s->seg);
        if (env_mono_ms(s->env->env) - j->told_ms >= PUT_TELL_MS) job_tell(j);
    }
    if (s->j) send_more(s);
    release(s);
}

static void send_one(struct put_spread *s, struct sent *c)
{
    while (c->put && c->next_row < s->rows) {
        s->pending++;
        c->uses++;
        enum status st = keeper_unit(c->put, c->next_row, unit_of(c, c->next_row), on_unit, c);
        if (st == ST_OK) {
            c->next_row++;
            continue;
        }
        s->pending--;
        c->uses--;
        if (st == ST_BUSY) return;
        keeper_abandon(c->put);
        c->put = NULL;
        c->over = true;
    }
    if (!c->put || c->uses || c->committing) return;
    uint8_t trailer[SHARD_TRAILER_MAX];
    size_t n = segment_trailer(s->roots, s->code.n, c->index, s->size, trailer);
    struct keeper_put *put = c->put;
    c->put = NULL;
    c->committing = true;
    s->pending++;
    keeper_commit(put, s->rows, BYTES(trailer, n), on_committed, c);
}

static void send_more(struct put_spread *s)
{
    bool over = true;
    if (s->inside) return;
    s->inside = true;
    s->pending++;
    for (unsigned i = 0; i < s->n; i++) {
        send_one(s, &s->col[i]);
        over = over && s->col[i].over;
    }
    s->inside = false;
    if (over && s->j) segment_over(s);
    release(s);
}

/* --- rebuilding ---------------------------------------------------------------------------- */

static void build_run(void *arg)
{
    struct put_spread *s = arg;
    uint8_t *in[SHARD_COLUMNS_MAX];
    uint8_t *out[SHARD_COLUMNS_MAX];
    for (uint32_t r = 0; r < s->rows; r++) {
        for (unsigned i = 0; i < s->code.k; i++)
            in[i] = (uint8_t *)(uintptr_t)fetch_column(s->fetch, i) + r * SHARD_UNIT;
        for (unsigned i = 0; i < s->n; i++) out[i] = unit_of(&s->col[i], r);
        segment_code_run(s->code_map, in, out, SHARD_UNIT);
    }
    for (unsigned i = 0; i < s->n; i++) {
        uint8_t leaves[SEGMENT_COLUMN_LEAVES * 32];
        uint8_t root[32];
        for (uint32_t r = 0; r < s->rows; r++)
            segment_leaves(unit_of(&s->col[i], r), SHARD_UNIT,
                           leaves + (size_t)r * SEGMENT_UNIT_LEAVES * 32);
        merkle_root(leaves, s->rows * SEGMENT_UNIT_LEAVES, root);
        s->col[i].good = memcmp(root, s->roots + (size_t)s->col[i].index * 32, 32) == 0;
    }
}

static void on_built(void *arg)
{
    struct put_spread *s = arg;
    struct put_job *j = s->j;
    s->building = false;
    fetch_free(s->fetch);
    s->fetch = NULL;
    for (unsigned i = 0; i < s->n && j; i++) {
        struct sent *c = &s->col[i];
        uint16_t leaf = seg_at(&j->segs[s->pass].p[s->seg], c->index);
        struct keeper *k = hold_keeper(s->env->hold, leaf);
        uint8_t header[SHARD_HEADER];
        segment_header(s->id, c->index, s->code.k, s->code.n, header);
        if (c->good && k && keeper_up(k)) c->put = keeper_open(k, header);
        if (!c->put) c->over = true;
    }
    if (j) send_more(s);
    release(s);
}

static void on_fetched(void *arg, enum status st)
{
    struct put_spread *s = arg;
    uint8_t have[SHARD_COLUMNS_MAX];
    uint8_t want[PUT_SPREAD_COLUMNS];
    for (unsigned i = 0; i < s->n; i++) {
        want[i] = s->col[i].index;
        s->col[i].mem = st == ST_OK ? malloc(s->rows * STRIDE) : NULL;
        if (!s->col[i].mem && st == ST_OK) st = ST_NO_MEMORY;
    }
    if (st == ST_OK)
        for (unsigned i = 0; i < s->code.k; i++) have[i] = fetch_index(s->fetch, i);
    if (st == ST_OK)
        st = segment_code_rebuild(s->code.k, s->code.n, have, want, s->n, &s->code_map);
    if (st == ST_OK) st = s->env->work.submit(s->env->work.ctx, WORK_BULK, build_run, on_built, s);
    if (st != ST_OK) {
        segment_over(s);
        return;
    }
    s->building = true;
    s->pending++;
}

static void on_bad(void *arg, uint16_t leaf, uint8_t index, enum status why)
{
    struct put_spread *s = arg;
    env_log(s->env->env, ENV_WARN, "put", "shard %u at leaf %u is bad: %s", index, leaf,
            status_text(why));
}

static void on_gave(void *arg, uint16_t leaf)
{
    (void)arg;
    (void)leaf;
}

/* --- choosing ------------------------------------------------------------------------------ */

/* The columns of a segment that could be sent now. */
static unsigned lacking(const struct put_job *j, const struct put_seg *seg,
                        uint8_t ret[PUT_SPREAD_COLUMNS])
{
    unsigned n = 0;
    for (unsigned c = 0; c < j->code.n && n < PUT_SPREAD_COLUMNS; c++)
        if (!(seg->acked >> c & 1) && hold_up(j->puts->env.hold, seg_at(seg, c)))
            ret[n++] = (uint8_t)c;
    return n;
}

static void start(struct put_job *j, const uint8_t *columns, unsigned n)
{
    const struct put_seg *seg = &j->segs[j->spread_pass].p[j->spread_seg];
    struct put_spread *s = calloc(1, sizeof *s);
    if (!s) {
        job_later(j);
        return;
    }
    s->j = j;
    s->env = &j->puts->env;
    s->pending = 1;
    s->pass = (unsigned)j->spread_pass;
    s->seg = j->spread_seg;
    s->code = j->code;
    s->rows = seg->rows;
    s->size = seg->size;
    s->n = n;
    memcpy(s->id, seg->id, 32);
    memcpy(s->roots, seg_roots(seg, j->code.n), (size_t)j->code.n * 32);
    for (unsigned i = 0; i < n; i++) {
        s->col[i].s = s;
        s->col[i].index = columns[i];
    }
    struct fetch_config fc = {.env = s->env->env,
                              .work = s->env->work,
                              .hold = s->env->hold,
                              .bad = on_bad,
                              .gave = on_gave,
                              .done = on_fetched,
                              .arg = s};
    memcpy(fc.want.id, seg->id, 32);
    segment_root(s->roots, j->code.n, fc.want.root);
    fc.want.k = j->code.k;
    fc.want.n = j->code.n;
    fc.want.rows = seg->rows;
    seg_acked_at(seg, j->code.n, fc.want.at);
    s->fetch = fetch_new(&fc);
    if (!s->fetch) {
        free(s);
        job_later(j);
        return;
    }
    job_hold(j);
    j->spread = s;
}

void spread_pump(struct put_job *j)
{
    uint8_t columns[PUT_SPREAD_COLUMNS];
    if (j->spread) {
        if (j->spread->fetch && !j->spread->building) fetch_pump(j->spread->fetch);
        if (j->spread && !j->spread->fetch && !j->spread->building) send_more(j->spread);
        return;
    }
    if (j->appending) return;
    uint64_t now = env_mono_ms(j->puts->env.env);
    if (!j->spread_pass && !j->spread_seg) {
        if (now < j->retry_ms && j->ups == puts_ups(j->puts)) return;
        job_reassign(j);
    }
    for (; j->spread_pass < PUT_PASSES; j->spread_pass++, j->spread_seg = 0)
        for (; j->spread_seg < j->segs[j->spread_pass].n; j->spread_seg++) {
            unsigned n = lacking(j, &j->segs[j->spread_pass].p[j->spread_seg], columns);
            if (!n) continue;
            start(j, columns, n);
            return;
        }
    /* A round is over: tell where columns are now, and look again later. */
    j->spread_pass = j->spread_seg = 0;
    j->entry_pass = j->entry_seg = 0;
    job_later(j);
    if (!job_all_told(j)) job_enter(j);
}
