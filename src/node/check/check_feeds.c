/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The kept entries of the four feeds: each opens, and each chain follows from the one before. */
#include "node/check/check_private.h"

#include "core/feed/chain.h"

#include <string.h>

static void note(struct check *c, uint64_t n)
{
    c->rows_bad++;
    if (c->n_row_bad < CHECK_ROWS_BAD_MAX)
        c->row_bad[c->n_row_bad++] = (struct check_row){.feed = c->feed, .n = n};
}

/* Words and receipts are let go of by age; the ledger and the files feed are whole. */
static bool whole(uint8_t feed)
{
    return feed == FEED_LEDGER || feed == FEED_FILES;
}

static void gap(struct check *c, uint64_t until)
{
    if (until == c->row) return;
    c->chained = false;
    if (!whole(c->feed)) return;
    for (uint64_t n = c->row; n < until && c->n_row_bad < CHECK_ROWS_BAD_MAX; n++) note(c, n);
}

static bool on_row(void *arg, uint64_t n, struct bytes value)
{
    struct check *c = arg;
    const struct keep_space *s = &c->e->feeds[c->feed].space;
    struct buf plain;
    if (n >= c->end) return false;
    gap(c, n);
    c->rows++;
    buf_init(&plain, KV_VALUE_MAX);
    enum status st = rows_open(c->e->node->keep.rows, s->id, n, value, &plain);
    if (st == ST_OK && plain.n < 32) st = ST_INTEGRITY;
    if (st == ST_OK) {
        uint8_t chain[32];
        chain_step(c->chain, BYTES(plain.p + 32, plain.n - 32), chain);
        if (c->chained && memcmp(chain, plain.p, 32) != 0) st = ST_INTEGRITY;
        memcpy(c->chain, plain.p, 32);
    }
    c->chained = st == ST_OK;
    if (st != ST_OK) note(c, n);
    buf_free(&plain);
    c->row = n + 1;
    return ++c->now_n < CHECK_ROWS;
}

static void begin(struct check *c)
{
    c->begun = true;
    c->row = 0;
    c->end = c->e->feeds[c->feed].seen.count;
    c->chained = whole(c->feed);
    chain_start(c->e->room, c->feed, c->chain);
}

void check_feeds_step(struct check *c)
{
    struct enclave *e = c->e;
    struct kv *kv = &e->node->keep.kv;
    if (e->commits > 0 || e->batch != NULL) { /* what memory knows may still be on its way */
        c->next_ms = env_mono_ms(e->node->ports.env) + 20;
        return;
    }
    if (!c->begun) begin(c);
    c->now_n = 0;
    uint64_t from = c->row;
    enum status st = kv->ops->scan(kv->ctx, e->feeds[c->feed].space.id, from, on_row, c);
    /* The database itself gives nothing there: the row after the last one that came. */
    if (st != ST_OK) {
        note(c, c->row);
        c->row++;
        c->chained = false;
    } else if (c->now_n < CHECK_ROWS) {
        gap(c, c->end);
        c->row = c->end;
    }
    check_soon(c);
    if (c->row < c->end) return;
    c->begun = false;
    if (++c->feed == FEEDS) check_turn(c, CHECK_LISTING);
}

/* ---- mending: the sentinel has it too, and the entries beside it prove that it is the same ---- */

static bool before(struct check *c, const struct check_row *r, uint8_t ret[32])
{
    if (r->n > 0) return enclave_kept(c->e, r->feed, r->n - 1, NULL, ret) == ST_OK;
    chain_start(c->e->room, r->feed, ret);
    return true;
}

/* Whether chain is the one after entry r: the next entry's leads on from it, or it is the end. */
static bool proven(struct check *c, const struct check_row *r, const uint8_t chain[32])
{
    const struct seen *seen = &c->e->feeds[r->feed].seen;
    struct buf sealed;
    uint8_t after[32], next[32];
    if (r->n + 1 == seen->count) return memcmp(chain, seen->chain, 32) == 0;
    buf_init(&sealed, KV_VALUE_MAX);
    bool fits = enclave_kept(c->e, r->feed, r->n + 1, &sealed, after) == ST_OK;
    if (fits) chain_step(chain, buf_view(&sealed), next);
    fits = fits && memcmp(next, after, 32) == 0;
    buf_free(&sealed);
    return fits;
}

static void put_row(struct check *c, struct check_row *r, struct bytes sealed,
                    const uint8_t chain[32])
{
    struct keep_batch b;
    struct buf row;
    buf_init(&row, KV_VALUE_MAX);
    buf_raw(&row, chain, 32);
    buf_bytes(&row, sealed);
    keep_begin(&b, &c->e->node->keep);
    keep_put(&b, &c->e->feeds[r->feed].space, r->n, buf_view(&row));
    buf_free(&row);
    enclave_commit(c->e, &b, NULL, NULL);
    r->mended = true;
    c->rows_mended++;
}

static void on_read(void *arg, enum status st, struct bytes body)
{
    struct enclave *e = arg;
    struct check *c = e->check;
    struct room_reading in;
    struct room_item item;
    uint8_t chain[32];
    if (e->removed || c == NULL || !c->asking) return;
    c->asking = false;
    struct check_row *r = &c->row_bad[c->row_at++];
    check_soon(c);
    if (st == ST_OK) st = fields_decode(&room_reading_fields, body, &in);
    if (st != ST_OK || in.start != r->n || !before(c, r, chain)) return;
    struct cursor cur = cursor_of(in.entries);
    if (fields_read(&room_item_fields, &cur, &item) != ST_OK) return;
    chain_step(chain, item.sealed, chain);
    if (proven(c, r, chain)) put_row(c, r, item.sealed, chain);
}

void check_rows_mend(struct check *c)
{
    if (c->asking || c->row_at >= c->n_row_bad) return;
    const struct check_row *r = &c->row_bad[c->row_at];
    struct room_read msg = {
        .feed = r->feed, .from = r->n, .max = 1, .max_bytes = ENCLAVE_READ_BYTES};
    c->asking = true;
    if (uplink_request(&c->e->up, ROOM_READ, &room_read_fields, &msg, on_read, c->e) == ST_OK)
        return;
    c->asking = false;
    c->row_at = c->n_row_bad; /* the sentinel is away: none of them now */
}
