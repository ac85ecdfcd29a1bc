/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "node/repair/remake.h"

#include "core/files/segment.h"
#include "node/get/fetch.h"
#include "node/hold/keeper.h"

#include <stdlib.h>
#include <string.h>

#define HEAD 64
#define STRIDE (HEAD + SHARD_UNIT)

/* A column on its way. */
struct sent {
    struct remake *r;
    uint8_t index;
    uint16_t to;
    uint8_t *mem; /* rows of STRIDE */
    uint8_t trailer[SHARD_TRAILER_MAX];
    size_t trailer_len;
    struct keeper_put *put;
    uint32_t next_row;
    unsigned uses;
    bool committing;
    bool over;
};

struct remake {
    struct remake_config c;
    bool dead;
    uint8_t roots[SHARD_COLUMNS_MAX * 32];
    uint64_t size;
    struct fetch *fetch;
    struct segment_code *code;
    uint8_t made[SHARD_COLUMNS_MAX]; /* columns that the code makes, and where each goes */
    uint8_t *made_to[SHARD_COLUMNS_MAX];
    size_t made_step[SHARD_COLUMNS_MAX];
    unsigned made_n;
    uint8_t *scratch;
    uint8_t *leaves; /* of the made ones */
    bool good;
    bool building;
    bool sending;
    bool inside;
    bool ended;
    unsigned m;
    size_t pending;
    uint64_t bytes_read, bytes_sent;
    struct sent col[SHARD_COLUMNS_MAX];
};

static void release(struct remake *r)
{
    if (--r->pending) return;
    for (unsigned i = 0; i < r->m; i++) free(r->col[i].mem);
    segment_code_free(r->code);
    free(r->scratch);
    free(r->leaves);
    free(r);
}

void remake_free(struct remake *r)
{
    if (!r) return;
    r->dead = true;
    if (!r->building) { /* else the worker reads from it, and on_built frees it */
        fetch_free(r->fetch);
        r->fetch = NULL;
    }
    for (unsigned i = 0; i < r->m; i++) {
        if (r->col[i].put) keeper_abandon(r->col[i].put);
        r->col[i].put = NULL;
    }
    release(r);
}

static void end(struct remake *r, enum status st)
{
    if (r->ended || r->dead) return;
    r->ended = true;
    r->c.done(r->c.arg, st);
}

static uint8_t *unit_of(const struct sent *c, uint32_t row)
{
    return c->mem + row * STRIDE + HEAD;
}

/* --- sending ------------------------------------------------------------------------------- */

static void send_more(struct remake *r);

static void refuse(struct sent *c, enum status st)
{
    struct remake *r = c->r;
    if (c->put) keeper_abandon(c->put);
    c->put = NULL;
    c->over = true;
    if (!r->dead && r->c.refused) r->c.refused(r->c.arg, c->index, c->to, st);
}

static void on_unit(void *arg, enum status st)
{
    struct sent *c = arg;
    struct remake *r = c->r;
    c->uses--;
    if (st != ST_OK && !r->dead && c->put) refuse(c, st);
    send_more(r);
    release(r);
}

static void on_committed(void *arg, enum status st)
{
    struct sent *c = arg;
    struct remake *r = c->r;
    if (!r->dead && st == ST_OK) {
        c->over = true;
        r->bytes_sent += r->c.want.rows * (uint64_t)SHARD_UNIT;
        r->c.sent(r->c.arg, c->index, c->to);
    } else if (!r->dead) {
        refuse(c, st);
    }
    send_more(r);
    release(r);
}

static void send_one(struct remake *r, struct sent *c)
{
    while (c->put && c->next_row < r->c.want.rows) {
        r->pending++;
        c->uses++;
        enum status st = keeper_unit(c->put, c->next_row, unit_of(c, c->next_row), on_unit, c);
        if (st == ST_OK) {
            c->next_row++;
            continue;
        }
        r->pending--;
        c->uses--;
        if (st == ST_BUSY) return;
        refuse(c, st);
    }
    if (!c->put || c->uses || c->committing) return;
    struct keeper_put *put = c->put;
    c->put = NULL;
    c->committing = true;
    r->pending++;
    keeper_commit(put, r->c.want.rows, BYTES(c->trailer, c->trailer_len), on_committed, c);
}

static void send_more(struct remake *r)
{
    bool over = true;
    if (r->inside || r->dead || !r->sending) return;
    r->inside = true;
    r->pending++;
    for (unsigned i = 0; i < r->m && !r->dead; i++) {
        send_one(r, &r->col[i]);
        over = over && r->col[i].over;
    }
    r->inside = false;
    if (over) end(r, ST_OK);
    release(r);
}

static void send_start(struct remake *r)
{
    r->sending = true;
    for (unsigned i = 0; i < r->m; i++) {
        struct sent *c = &r->col[i];
        struct keeper *k = hold_keeper(r->c.hold, c->to);
        uint8_t header[SHARD_HEADER];
        segment_header(r->c.want.id, c->index, r->c.want.k, r->c.want.n, header);
        if (k && keeper_up(k)) c->put = keeper_open(k, header);
        if (!c->put) refuse(c, ST_UNREACHABLE);
        if (r->dead) return;
    }
    send_more(r);
}

/* --- rebuilding ---------------------------------------------------------------------------- */

static void copy_columns(struct remake *r)
{
    unsigned columns = r->c.want.copy ? r->m : r->c.want.k;
    for (unsigned i = 0; i < r->m; i++)
        for (unsigned f = 0; f < columns; f++) {
            if (fetch_index(r->fetch, f) != r->col[i].index) continue;
            for (uint32_t row = 0; row < r->c.want.rows; row++)
                memcpy(unit_of(&r->col[i], row), fetch_column(r->fetch, f) + row * SHARD_UNIT,
                       SHARD_UNIT);
        }
}

static void check_roots(struct remake *r)
{
    const struct remake_want *w = &r->c.want;
    uint8_t root[32];
    r->good = true;
    for (unsigned i = 0; i < r->made_n; i++) {
        merkle_root(r->leaves + (size_t)i * SEGMENT_COLUMN_LEAVES * 32,
                    w->rows * SEGMENT_UNIT_LEAVES, root);
        uint8_t *told = r->roots + (size_t)r->made[i] * 32;
        if (w->roots && memcmp(told, root, 32) != 0) r->good = false;
        memcpy(told, root, 32);
    }
    segment_root(r->roots, w->n, root);
    if (memcmp(root, w->root, 32) != 0) r->good = false;
}

static void build_run(void *arg)
{
    struct remake *r = arg;
    const struct remake_want *w = &r->c.want;
    uint8_t *in[SHARD_COLUMNS_MAX];
    uint8_t *out[SHARD_COLUMNS_MAX];
    copy_columns(r);
    r->good = true;
    if (w->copy) return;
    for (uint32_t row = 0; row < w->rows && r->made_n; row++) {
        for (unsigned i = 0; i < w->k; i++)
            in[i] = (uint8_t *)(uintptr_t)fetch_column(r->fetch, i) + row * SHARD_UNIT;
        for (unsigned i = 0; i < r->made_n; i++) out[i] = r->made_to[i] + row * r->made_step[i];
        segment_code_run(r->code, in, out, SHARD_UNIT);
        for (unsigned i = 0; i < r->made_n; i++)
            segment_leaves(
                out[i], SHARD_UNIT,
                r->leaves + ((size_t)i * SEGMENT_COLUMN_LEAVES + row * SEGMENT_UNIT_LEAVES) * 32);
    }
    check_roots(r);
}

static void trailers(struct remake *r)
{
    for (unsigned i = 0; i < r->m; i++) {
        struct sent *c = &r->col[i];
        if (!r->c.want.copy) {
            c->trailer_len = segment_trailer(r->roots, r->c.want.n, c->index, r->size, c->trailer);
            continue;
        }
        for (unsigned f = 0; f < r->m; f++) {
            struct bytes t = fetch_trailer(r->fetch, f);
            if (fetch_index(r->fetch, f) != c->index) continue;
            memcpy(c->trailer, t.p, t.n);
            c->trailer_len = t.n;
        }
    }
}

static void on_built(void *arg)
{
    struct remake *r = arg;
    r->building = false;
    if (!r->dead && r->good) trailers(r);
    fetch_free(r->fetch);
    r->fetch = NULL;
    if (!r->dead && r->good) send_start(r);
    if (!r->good) end(r, ST_INTEGRITY);
    release(r);
}

/* What the fetched columns say of themselves: their roots, verified; the size of the payload, which
 * nothing proves, as most of them have it. */
static void read_trailers(struct remake *r)
{
    const struct remake_want *w = &r->c.want;
    uint64_t size[SHARD_COLUMNS_MAX] = {0};
    unsigned votes = 0;
    for (unsigned i = 0; i < w->k; i++) {
        struct shard_trailer t;
        if (segment_trailer_read(fetch_trailer(r->fetch, i), w->k, w->rows, &t) != ST_OK) continue;
        if (!w->roots) memcpy(r->roots + (size_t)fetch_index(r->fetch, i) * 32, t.root, 32);
        size[i] = t.size;
    }
    for (unsigned i = 0; i < w->k && !w->roots; i++) {
        unsigned same = 0;
        for (unsigned j = 0; j < w->k; j++) same += size[j] == size[i];
        if (same <= votes) continue;
        votes = same;
        r->size = size[i];
    }
}

static bool fetched(const struct remake *r, unsigned index)
{
    for (unsigned i = 0; i < r->c.want.k; i++)
        if (fetch_index(r->fetch, i) == index) return true;
    return false;
}

/* The columns that the code is to make: the wanted ones; all others too when their roots are not
 * known, for these the bytes are thrown away. */
static enum status choose(struct remake *r)
{
    const struct remake_want *w = &r->c.want;
    uint8_t have[SHARD_COLUMNS_MAX];
    r->scratch = malloc((size_t)w->n * SHARD_UNIT);
    r->leaves = malloc((size_t)w->n * SEGMENT_COLUMN_LEAVES * 32);
    if (!r->scratch || !r->leaves) return ST_NO_MEMORY;
    for (unsigned i = 0; i < w->k; i++) have[i] = fetch_index(r->fetch, i);
    for (unsigned c = 0; c < w->n; c++) {
        struct sent *to = NULL;
        if (fetched(r, c)) continue;
        for (unsigned i = 0; i < r->m; i++)
            if (r->col[i].index == c) to = &r->col[i];
        if (!to && w->roots) continue;
        r->made[r->made_n] = (uint8_t)c;
        r->made_to[r->made_n] = to ? unit_of(to, 0) : r->scratch + (size_t)c * SHARD_UNIT;
        r->made_step[r->made_n++] = to ? STRIDE : 0;
    }
    return r->made_n ? segment_code_rebuild(w->k, w->n, have, r->made, r->made_n, &r->code) : ST_OK;
}

static void on_fetched(void *arg, enum status st)
{
    struct remake *r = arg;
    const struct remake_want *w = &r->c.want;
    for (unsigned i = 0; i < r->m && st == ST_OK; i++) {
        r->col[i].mem = malloc(w->rows * STRIDE);
        if (!r->col[i].mem) st = ST_NO_MEMORY;
    }
    if (st == ST_OK) r->bytes_read = (w->copy ? r->m : w->k) * w->rows * (uint64_t)SHARD_UNIT;
    if (st == ST_OK && !w->copy) {
        read_trailers(r);
        st = choose(r);
    }
    if (st == ST_OK) st = r->c.work.submit(r->c.work.ctx, WORK_BULK, build_run, on_built, r);
    if (st != ST_OK) {
        end(r, st);
        return;
    }
    r->building = true;
    r->pending++;
}

static void on_bad(void *arg, uint16_t holder, uint8_t index, enum status why)
{
    struct remake *r = arg;
    if (r->c.bad) r->c.bad(r->c.arg, holder, index, why);
}

static void on_gave(void *arg, uint16_t holder)
{
    (void)arg;
    (void)holder;
}

struct remake *remake_new(const struct remake_config *c)
{
    struct remake *r = calloc(1, sizeof *r);
    const struct remake_want *w = &c->want;
    if (!r) return NULL;
    r->c = *c;
    r->pending = 1;
    size_t most = REMAKE_BYTES / (w->rows * STRIDE);
    r->m = w->m < most ? w->m : (unsigned)(most ? most : 1);
    for (unsigned i = 0; i < r->m; i++)
        r->col[i] = (struct sent){.r = r, .index = w->index[i], .to = w->to[i]};
    if (w->roots) memcpy(r->roots, w->roots, (size_t)w->n * 32);
    r->size = w->size;
    struct fetch_config fc = {.env = c->env,
                              .work = c->work,
                              .hold = c->hold,
                              .bad = on_bad,
                              .gave = on_gave,
                              .done = on_fetched,
                              .arg = r};
    memcpy(fc.want.id, w->id, 32);
    memcpy(fc.want.root, w->root, 32);
    fc.want.k = w->k;
    fc.want.n = w->n;
    fc.want.rows = w->rows;
    memcpy(fc.want.at, w->at, sizeof fc.want.at);
    for (unsigned i = 0; i < r->m && w->copy; i++) fc.only |= UINT64_C(1) << w->index[i];
    r->fetch = fetch_new(&fc);
    if (!r->fetch) {
        free(r);
        return NULL;
    }
    return r;
}

void remake_pump(struct remake *r)
{
    if (r->fetch && !r->building)
        fetch_pump(r->fetch);
    else
        send_more(r);
}

void remake_moved(const struct remake *r, uint64_t *ret_read, uint64_t *ret_sent)
{
    *ret_read = r->bytes_read;
    *ret_sent = r->bytes_sent;
}
