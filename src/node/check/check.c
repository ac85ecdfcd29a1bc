/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "node/check/check_private.h"

#include <stdlib.h>
#include <string.h>

/* ---- turns ---- */

void check_soon(struct check *c)
{
    c->next_ms = 0;
}

static void told(struct check *c)
{
    bool sound = c->rows_bad + c->own_bad + c->missing + c->far_bad == 0;
    enclave_tell(c->e, sound ? "check" : "warning", "", 0,
                 sound ? "check: all of it is sound"
                       : "check: something is damaged; enclave check shows what");
}

void check_turn(struct check *c, enum check_phase to)
{
    c->phase = to;
    c->next_ms = 0;
    if (to == CHECK_DONE) told(c);
}

/* ---- mending ---- */

static void on_mended(void *arg, enum status st)
{
    struct check *c = arg;
    struct check_bad *b = &c->bad[c->bad_at++];
    struct mend *job = c->job;
    c->job = NULL;
    if (st == ST_OK) {
        b->mended = true;
        c->mended++;
        shelf_forget_bad(c->e->shelf, b->at.id, b->at.leaf, b->at.index);
    }
    mend_free(job);
    check_soon(c);
}

static bool mend_next(struct check *c)
{
    struct enclave *e = c->e;
    for (; c->bad_at < c->n_bad; c->bad_at++) {
        const struct check_bad *b = &c->bad[c->bad_at];
        const struct tree_segment *t = tree_segment(e->shelf->tree, b->at.id);
        if (t == NULL || b->at.leaf != group_leaf(e->group)) continue;
        struct mend_ask ask = {.env = e->node->ports.env,
                               .work = e->node->ports.work,
                               .hold = e->shelf->hold,
                               .store = e->node->ports.shards,
                               .own = b->at.leaf,
                               .index = b->at.index,
                               .done = on_mended,
                               .arg = c};
        memcpy(ask.tag, e->tag, SHARD_TAG);
        shelf_wake(e->shelf);
        c->job = mend_start(&ask, t);
        if (c->job != NULL) return true;
    }
    return false;
}

static void mend_step(struct check *c)
{
    c->next_ms = env_mono_ms(c->e->node->ports.env) + 100;
    check_rows_mend(c);
    if (c->job != NULL)
        mend_pump(c->job);
    else if (!mend_next(c) && !c->asking && c->row_at >= c->n_row_bad && c->e->commits == 0)
        check_turn(c, CHECK_DONE);
}

void enclave_check_tick(struct enclave *e, uint64_t now_ms)
{
    struct check *c = e->check;
    if (c == NULL || c->phase == CHECK_DONE || now_ms < c->next_ms || e->shelf == NULL) return;
    switch (c->phase) {
    case CHECK_FEEDS: check_feeds_step(c); break;
    case CHECK_LISTING: check_columns_begin(c); break;
    case CHECK_COLUMNS: check_columns_pump(c); break;
    case CHECK_MENDING: mend_step(c); break;
    case CHECK_DONE: break;
    }
}

uint64_t enclave_check_next_ms(const struct enclave *e)
{
    return enclave_checking(e) ? e->check->next_ms : UINT64_MAX;
}

bool enclave_checking(const struct enclave *e)
{
    return e->check != NULL && e->check->phase != CHECK_DONE && e->shelf != NULL;
}

void enclave_check_free(struct enclave *e)
{
    struct check *c = e->check;
    e->check = NULL;
    if (c == NULL) return;
    check_columns_stop(c);
    mend_free(c->job);
    free(c->items);
    free(c->bad);
    c->items = NULL;
    if (c->listing)
        c->orphan = true;
    else
        free(c);
}

enum status node_check(struct node *n, const struct node_check_ask *ask)
{
    if (!n->started) return ST_LOCKED;
    struct enclave *e = node_find(n, ask->enclave);
    if (e == NULL) return ST_NOT_FOUND;
    if (ask->percent > 100) return ST_USAGE;
    if (e->shelf == NULL || e->group == NULL || e->halted) return ST_DENIED;
    if (enclave_checking(e)) return ST_BUSY;
    struct check *c = calloc(1, sizeof *c);
    struct check_bad *bad = calloc(CHECK_BAD_MAX, sizeof *bad);
    if (c == NULL || bad == NULL) {
        free(c);
        free(bad);
        return ST_NO_MEMORY;
    }
    enclave_check_free(e);
    c->e = e;
    c->percent = ask->percent;
    c->mend = ask->mend;
    c->bad = bad;
    e->check = c;
    return ST_OK;
}
