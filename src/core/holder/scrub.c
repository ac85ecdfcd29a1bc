/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "core/holder/scrub.h"

#include "core/files/segment.h"

#include <stdlib.h>
#include <string.h>

struct place {
    uint8_t segment_id[SHARD_ID];
    uint8_t index;
};

struct scrub {
    struct scrub_config c;
    struct buf places; /* struct place each */
    size_t at;
    uint64_t checked;
    bool listed;
    bool busy;
    bool stopped;
    bool failed;
    struct shard_key key;
    struct shard_info info;
    uint8_t *column;
    bool sound;
};

static void end(struct scrub *s)
{
    void (*ended)(void *, bool, uint64_t) = s->c.ended;
    void *arg = s->c.arg;
    bool whole = !s->stopped && !s->failed;
    uint64_t checked = s->checked;
    buf_free(&s->places);
    free(s->column);
    free(s);
    ended(arg, whole, checked);
}

static void on_shard(void *arg, const struct shard_key *key, uint64_t bytes, uint64_t stored_ms)
{
    struct scrub *s = arg;
    struct place p = {.index = key->index};
    (void)bytes;
    (void)stored_ms;
    memcpy(p.segment_id, key->segment_id, SHARD_ID);
    buf_raw(&s->places, &p, sizeof p);
}

static void on_listed(void *arg, enum status st)
{
    struct scrub *s = arg;
    s->listed = true;
    s->busy = false;
    s->failed = st != ST_OK || buf_status(&s->places) != ST_OK;
    if (s->stopped || s->failed || s->places.n == 0) end(s);
}

struct scrub *scrub_start(const struct scrub_config *c)
{
    struct scrub *s = calloc(1, sizeof *s);
    uint8_t *column = malloc(SHARD_UNITS_MAX * SHARD_UNIT);
    if (!s || !column) {
        free(s);
        free(column);
        return NULL;
    }
    s->c = *c;
    s->column = column;
    s->busy = true;
    s->c.store.ops->list(s->c.store.ctx, s->c.tag, on_shard, on_listed, s);
    return s;
}

static void told(struct scrub *s, enum status st)
{
    s->busy = false;
    s->checked++;
    if (st != ST_OK && st != ST_NOT_FOUND && !s->stopped)
        s->c.bad(s->c.arg, &s->key,
                 SHARD_HEADER + s->info.units * SHARD_UNIT + s->info.trailer_len);
    if (s->stopped || s->at * sizeof(struct place) >= s->places.n) end(s);
}

static enum status judge(const struct scrub *s)
{
    struct shard_header h;
    struct shard_trailer t;
    uint8_t leaves[SEGMENT_COLUMN_LEAVES * 32], root[32];
    enum status st = segment_header_read(BYTES_OF(s->info.header), &h);
    if (st != ST_OK) return ST_INTEGRITY;
    if (memcmp(h.segment_id, s->key.segment_id, SHARD_ID) != 0 || h.index != s->key.index)
        return ST_INTEGRITY;
    st = segment_trailer_read(BYTES(s->info.trailer, s->info.trailer_len), h.k, s->info.units, &t);
    if (st != ST_OK) return ST_INTEGRITY;
    segment_leaves(s->column, s->info.units * SHARD_UNIT, leaves);
    merkle_root(leaves, s->info.units * SEGMENT_UNIT_LEAVES, root);
    if (memcmp(root, t.root, 32) != 0) return ST_INTEGRITY;
    return segment_trailer_root(&t, s->key.index, h.n, root);
}

static void run_judge(void *arg)
{
    struct scrub *s = arg;
    s->sound = judge(s) == ST_OK;
}

static void on_judged(void *arg)
{
    struct scrub *s = arg;
    told(s, s->sound ? ST_OK : ST_INTEGRITY);
}

static void on_read(void *arg, enum status st)
{
    struct scrub *s = arg;
    if (st != ST_OK) {
        told(s, st);
        return;
    }
    if (s->c.work.submit(s->c.work.ctx, WORK_BULK, run_judge, on_judged, s) == ST_OK) return;
    run_judge(s); /* the lane is full */
    on_judged(s);
}

static void on_info(void *arg, enum status st, const struct shard_info *info)
{
    struct scrub *s = arg;
    if (st != ST_OK) {
        told(s, st);
        return;
    }
    s->info = *info;
    s->c.store.ops->read(s->c.store.ctx, &s->key, 0, s->column, info->units * SHARD_UNIT, on_read,
                         s);
}

void scrub_step(struct scrub *s)
{
    struct place p;
    if (s->busy || !s->listed || s->at * sizeof p >= s->places.n) return;
    memcpy(&p, s->places.p + s->at * sizeof p, sizeof p);
    memcpy(s->key.tag, s->c.tag, SHARD_TAG);
    memcpy(s->key.segment_id, p.segment_id, SHARD_ID);
    s->key.index = p.index;
    memset(&s->info, 0, sizeof s->info);
    s->at++;
    s->busy = true;
    s->c.store.ops->info(s->c.store.ctx, &s->key, on_info, s);
}

static void end_soon(void *arg, enum status st, uint64_t bitmap)
{
    (void)st;
    (void)bitmap;
    end(arg);
}

void scrub_stop(struct scrub *s)
{
    bool busy = s->busy;
    static const uint8_t none[SHARD_ID];
    s->stopped = true;
    if (busy) return;
    s->busy = true; /* a small question to the store, so that ended does not run inside this call */
    s->c.store.ops->have(s->c.store.ctx, s->c.tag, none, end_soon, s);
}
