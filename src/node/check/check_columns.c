/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The shards: which are looked at, and what came of each. */
#include "node/check/check_private.h"

#include "node/hold/keeper.h"
#include "node/repair/repair.h"

#include <stdlib.h>
#include <string.h>

static struct shelf *shelf_of(const struct check *c)
{
    return c->e->shelf;
}

static uint16_t own_leaf(const struct check *c)
{
    return group_leaf(c->e->group);
}

/* ---- which ---- */

static void add(struct check *c, const uint8_t id[32], uint16_t leaf, uint8_t index, uint64_t bytes)
{
    if (c->n_items == c->room) {
        size_t room = c->room == 0 ? 64 : 2 * c->room;
        struct check_item *more = realloc(c->items, room * sizeof *more);
        if (more == NULL) {
            c->no_memory = true;
            return;
        }
        c->items = more;
        c->room = room;
    }
    struct check_item *i = &c->items[c->n_items++];
    *i = (struct check_item){.leaf = leaf, .index = index};
    memcpy(i->id, id, 32);
    c->total += bytes;
}

static int by_id(const void *x, const void *y)
{
    const struct check_item *a = x, *b = y;
    int d = memcmp(a->id, b->id, 32);
    return d != 0 ? d : a->index - b->index;
}

static void on_listed(void *arg, const struct shard_key *key, uint64_t bytes, uint64_t stored_ms)
{
    struct check *c = arg;
    (void)stored_ms;
    if (!c->orphan) add(c, key->segment_id, own_leaf(c), key->index, bytes);
}

static bool listed(const struct check *c, const uint8_t id[32], uint8_t index)
{
    struct check_item want = {.index = index};
    memcpy(want.id, id, 32);
    return bsearch(&want, c->items, c->n_listed, sizeof want, by_id) != NULL;
}

static bool drawn(struct check *c)
{
    uint8_t die[2];
    if (c->percent == 0) return false;
    env_random(c->e->node->ports.env, die, sizeof die);
    return (get_u16(die) * 100U) >> 16 < c->percent;
}

/* What should be here and is not in the list; then a share of what the others keep. */
static bool on_own(void *arg, const struct tree_segment *t)
{
    struct check *c = arg;
    if (!tree_needs(shelf_of(c)->tree, t->id)) return true;
    for (unsigned i = 0; i < t->n; i++)
        if (t->at[i] == own_leaf(c) && !listed(c, t->id, (uint8_t)i))
            add(c, t->id, t->at[i], (uint8_t)i, 0);
    return true;
}

static bool on_far(void *arg, const struct tree_segment *t)
{
    struct check *c = arg;
    if (!tree_needs(shelf_of(c)->tree, t->id)) return true;
    for (unsigned i = 0; i < t->n; i++)
        if (t->at[i] != own_leaf(c) && t->at[i] < PLACE_LOST && drawn(c))
            add(c, t->id, t->at[i], (uint8_t)i, t->rows * (uint64_t)SHARD_UNIT);
    return true;
}

static void on_list_end(void *arg, enum status st)
{
    struct check *c = arg;
    c->listing = false;
    if (c->orphan) {
        free(c);
        return;
    }
    if (st != ST_OK) c->no_memory = true;
    if (c->n_items > 0) qsort(c->items, c->n_items, sizeof c->items[0], by_id);
    c->n_listed = c->n_items;
    tree_segments(shelf_of(c)->tree, NULL, on_own, c);
    tree_segments(shelf_of(c)->tree, NULL, on_far, c);
    c->columns_ms = env_mono_ms(c->e->node->ports.env);
    if (c->percent > 0) shelf_wake(shelf_of(c));
    check_turn(c, CHECK_COLUMNS);
}

void check_columns_begin(struct check *c)
{
    struct shard_store *store = &c->e->node->ports.shards;
    if (c->listing) return;
    c->listing = true;
    c->next_ms = UINT64_MAX;
    store->ops->list(store->ctx, c->e->tag, on_listed, on_list_end, c);
}

/* ---- one after the other ---- */

bool check_is_bad(const struct check *c, const uint8_t id[32], uint16_t leaf, uint8_t index)
{
    for (size_t i = 0; i < c->n_bad; i++) {
        const struct check_bad *b = &c->bad[i];
        /* Told lost meanwhile: whoever had it. */
        bool there = b->at.leaf == leaf || leaf == PLACE_LOST;
        if (there && b->at.index == index && !b->mended && memcmp(b->at.id, id, 32) == 0)
            return true;
    }
    return false;
}

static bool useless(enum status st)
{
    return st == ST_INTEGRITY || st == ST_NOT_FOUND || st == ST_IO;
}

static void note_bad(struct check *c, const struct check_item *at, enum status why, bool known)
{
    bool own = at->leaf == own_leaf(c);
    struct get_bad bad = {.leaf = at->leaf, .index = at->index, .why = why};
    if (own && why == ST_NOT_FOUND)
        c->missing++;
    else if (own)
        c->own_bad++;
    else
        c->far_bad++;
    if (c->n_bad < CHECK_BAD_MAX) c->bad[c->n_bad++] = (struct check_bad){.at = *at, .why = why};
    if (!known) return;
    memcpy(bad.segment_id, at->id, 32);
    shelf_note_bad(shelf_of(c), &bad);
    repair_lost(c->e, at->leaf, at->id, at->index,
                why == ST_NOT_FOUND ? "a check did not find it" : "a check found it damaged");
}

static void on_column(void *arg, enum status st, uint64_t bytes)
{
    struct check_slot *s = arg;
    struct check *c = s->c;
    struct column *column = s->column;
    bool own = s->at.leaf == own_leaf(c);
    const struct tree_segment *t = tree_segment(shelf_of(c)->tree, s->at.id);
    s->column = NULL;
    c->bytes += bytes;
    if (own)
        c->own++;
    else
        c->far++;
    if (own && t == NULL) c->spare++;
    if (useless(st))
        note_bad(c, &s->at, st, t != NULL);
    else if (st != ST_OK)
        c->away++;
    column_free(column);
    check_soon(c);
}

static struct check_slot *free_slot(struct check *c)
{
    for (unsigned i = 0; i < CHECK_SLOTS; i++)
        if (c->slots[i].column == NULL) return &c->slots[i];
    return NULL;
}

static bool idle(const struct check *c)
{
    for (unsigned i = 0; i < CHECK_SLOTS; i++)
        if (c->slots[i].column != NULL) return false;
    return true;
}

/* Brings one whose holder is there to the front; false: none of the next ones is. */
static bool pick(struct check *c)
{
    for (size_t i = c->at; i < c->n_items && i < c->at + CHECK_AHEAD; i++) {
        const struct keeper *k = hold_keeper(shelf_of(c)->hold, c->items[i].leaf);
        if (k == NULL || !keeper_up(k)) continue;
        struct check_item item = c->items[i];
        c->items[i] = c->items[c->at];
        c->items[c->at] = item;
        return true;
    }
    return false;
}

/* false: not now. */
static bool start(struct check *c, struct check_slot *slot)
{
    uint64_t now = env_mono_ms(c->e->node->ports.env);
    if (!pick(c) && now < c->columns_ms + FETCH_PATIENCE_MS) {
        c->next_ms = now + 100;
        return false;
    }
    const struct check_item *item = &c->items[c->at];
    const struct tree_segment *t = tree_segment(shelf_of(c)->tree, item->id);
    struct column_ask ask = {.work = c->e->node->ports.work,
                             .hold = shelf_of(c)->hold,
                             .leaf = item->leaf,
                             .index = item->index,
                             .known = t != NULL,
                             .done = on_column,
                             .arg = slot};
    memcpy(ask.id, item->id, 32);
    if (t != NULL) {
        memcpy(ask.root, t->root, 32);
        ask.k = t->k;
        ask.n = t->n;
        ask.rows = t->rows;
    }
    *slot = (struct check_slot){.c = c, .at = *item};
    enum status st = column_start(&ask, &slot->column);
    if (st == ST_BUSY) {
        c->next_ms = now + 100;
        return false;
    }
    if (st != ST_OK) c->away++;
    c->at++;
    return true;
}

void check_columns_pump(struct check *c)
{
    struct check_slot *slot;
    c->next_ms = UINT64_MAX;
    while (c->at < c->n_items && (slot = free_slot(c)) != NULL)
        if (!start(c, slot)) return;
    if (c->at == c->n_items && idle(c)) check_turn(c, c->mend ? CHECK_MENDING : CHECK_DONE);
}

void check_columns_stop(struct check *c)
{
    for (unsigned i = 0; i < CHECK_SLOTS; i++) {
        column_free(c->slots[i].column);
        c->slots[i].column = NULL;
    }
}
