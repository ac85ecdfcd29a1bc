/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "node/check/column.h"

#include "core/files/segment.h"
#include "node/hold/keeper.h"

#include <stdlib.h>
#include <string.h>

struct column {
    struct column_ask a;
    size_t pending; /* callbacks to come, and one for the caller */
    bool dead;
    struct keeper_read *read;
    uint32_t rows;
    uint8_t *bytes;
    uint8_t root[32];
    uint8_t found[32];
};

static void release(struct column *c)
{
    if (--c->pending > 0) return;
    free(c->bytes);
    free(c);
}

void column_free(struct column *c)
{
    if (c == NULL) return;
    c->dead = true;
    if (c->read != NULL) {
        keeper_read_stop(c->read);
        c->read = NULL;
        c->pending--;
    }
    release(c);
}

static void over(struct column *c, enum status st)
{
    if (!c->dead) c->a.done(c->a.arg, st, st == ST_OK ? (uint64_t)c->rows * SHARD_UNIT : 0);
}

static void verify_run(void *arg)
{
    struct column *c = arg;
    uint8_t leaves[SEGMENT_COLUMN_LEAVES * 32];
    segment_leaves(c->bytes, c->rows * SHARD_UNIT, leaves);
    merkle_root(leaves, c->rows * SEGMENT_UNIT_LEAVES, c->found);
}

static void on_verified(void *arg)
{
    struct column *c = arg;
    over(c, memcmp(c->found, c->root, 32) == 0 ? ST_OK : ST_INTEGRITY);
    release(c);
}

static void on_piece(void *arg, uint64_t offset, struct bytes piece)
{
    struct column *c = arg;
    memcpy(c->bytes + offset, piece.p, piece.n);
}

static void on_read(void *arg, enum status st)
{
    struct column *c = arg;
    c->read = NULL;
    if (st == ST_OK) {
        st = c->a.work.submit(c->a.work.ctx, WORK_BULK, verify_run, on_verified, c);
        if (st == ST_OK) return; /* the callback's hold goes on to the job */
        verify_run(c);           /* a full lane: rather here than never */
        on_verified(c);
        return;
    }
    over(c, st);
    release(c);
}

/* What the shard says of itself, against what the tree says. */
static enum status judge(struct column *c, const struct shard_info *info)
{
    struct shard_header h;
    struct shard_trailer t;
    enum status st;
    TRY(segment_header_read(BYTES(info->header, SHARD_HEADER), &h));
    st = ST_INTEGRITY;
    if (memcmp(h.segment_id, c->a.id, 32) != 0 || h.index != c->a.index) goto out;
    if (c->a.known && (h.k != c->a.k || h.n != c->a.n || info->units != c->a.rows)) goto out;
    TRY(segment_trailer_read(BYTES(info->trailer, info->trailer_len), h.k, info->units, &t));
    if (c->a.known) TRY(segment_trailer_check(&t, c->a.index, h.n, c->a.root));
    memcpy(c->root, t.root, 32);
    c->rows = info->units;
out:
    return st == ST_OK ? ST_OK : ST_INTEGRITY;
}

static void on_told(void *arg, enum status st, const struct shard_info *info)
{
    struct column *c = arg;
    struct keeper *k = c->dead ? NULL : hold_keeper(c->a.hold, c->a.leaf);
    if (!c->dead && st == ST_OK) st = judge(c, info);
    if (!c->dead && st == ST_OK && k == NULL) st = ST_CLOSED;
    if (!c->dead && st == ST_OK) {
        size_t n = c->rows * SHARD_UNIT;
        c->bytes = malloc(n);
        if (c->bytes != NULL)
            c->read = keeper_read(k, c->a.id, c->a.index, 0, n, on_piece, on_read, c);
        if (c->read != NULL) return; /* its hold goes on to the read */
        st = ST_NO_MEMORY;
    }
    over(c, st);
    release(c);
}

enum status column_start(const struct column_ask *ask, struct column **ret)
{
    struct keeper *k = hold_keeper(ask->hold, ask->leaf);
    *ret = NULL;
    if (k == NULL || !keeper_up(k)) return ST_UNREACHABLE;
    struct column *c = calloc(1, sizeof *c);
    if (c == NULL) return ST_NO_MEMORY;
    c->a = *ask;
    c->pending = 2;
    if (!keeper_info(k, ask->id, ask->index, on_told, c)) {
        free(c);
        return ST_BUSY;
    }
    *ret = c;
    return ST_OK;
}
