/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Are the columns that the tree says we keep still on this disk? Asked of the own store, one segment
 * after the other, at the start and once a day, and of a segment that a record places here; what is
 * missing is declared lost. */
#include "node/hold/keeper.h"
#include "node/repair/repairs_private.h"

#include <stdlib.h>
#include <string.h>

#define BATCH 1024

static uint64_t bits_here(const struct repairs *r, const struct tree_segment *t)
{
    uint64_t bits = 0;
    for (unsigned c = 0; c < t->n; c++)
        if (t->at[c] == r->env.own) bits |= UINT64_C(1) << c;
    return bits;
}

static bool gather(void *arg, const struct tree_segment *t)
{
    struct repairs *r = arg;
    if (memcmp(t->id, r->own_after, 32) <= 0 || !bits_here(r, t)) return true;
    if (!tree_needs(r->env.tree(r->env.ctx), t->id)) return true;
    if (r->own_n == BATCH) { /* by id: the smallest stay */
        r->own_more = true;
        if (memcmp(t->id, r->own[BATCH - 1], 32) > 0) return true;
        r->own_n--;
    }
    size_t at = r->own_n++;
    for (; at > 0 && memcmp(r->own[at - 1], t->id, 32) > 0; at--)
        memcpy(r->own[at], r->own[at - 1], 32);
    memcpy(r->own[at], t->id, 32);
    return true;
}

static void on_had(void *arg, enum status st, uint64_t bitmap)
{
    struct repairs *r = arg;
    r->own_asking = false;
    if (!r->dead && st == ST_OK) {
        const struct tree_segment *t = tree_segment(r->env.tree(r->env.ctx), r->own_id);
        /* Only what was ours before we asked: a column may have come meanwhile. */
        uint64_t lost = t ? bits_here(r, t) & r->own_bits & ~bitmap : 0;
        for (uint8_t c = 0; c < PLACE_COLUMNS_MAX; c++)
            if (lost >> c & 1) repairs_lost(r, r->env.own, r->own_id, c);
    }
    if (!r->own_is_new) r->own_at++;
    repairs_release(r);
}

/* false: nothing is asked about it. */
static bool ask(struct repairs *r, const uint8_t id[32], bool is_new)
{
    struct keeper *k = hold_keeper(r->env.hold, r->env.own);
    const struct tree_segment *t = tree_segment(r->env.tree(r->env.ctx), id);
    if (!k || !t || !bits_here(r, t) || !tree_needs(r->env.tree(r->env.ctx), id)) return false;
    memcpy(r->own_id, id, 32);
    r->own_is_new = is_new;
    r->own_bits = bits_here(r, t);
    r->own_asking = true;
    r->pending++;
    if (keeper_have(k, r->own_id, on_had, r)) return true;
    r->own_asking = false;
    if (is_new) r->own_ms = 0;
    repairs_release(r);
    return true;
}

void repairs_own_placed(struct repairs *r, const uint8_t segment_id[32])
{
    const struct tree_segment *t = tree_segment(r->env.tree(r->env.ctx), segment_id);
    if (!t || !bits_here(r, t)) return;
    if (r->own_new_n == REPAIRS_OWN_NEW) {
        r->own_ms = 0; /* all are asked for then */
        r->own_new_n = 0;
        return;
    }
    memcpy(r->own_new[r->own_new_n++], segment_id, 32);
}

void repairs_own_tick(struct repairs *r, uint64_t now)
{
    if (r->own_asking) return;
    while (r->own_new_n) {
        uint8_t id[32];
        memcpy(id, r->own_new[--r->own_new_n], 32);
        if (ask(r, id, true)) return;
    }
    if (!r->own) {
        r->own = calloc(BATCH, 32);
        if (!r->own) return;
    }
    if (r->own_at >= r->own_n) {
        if (r->own_n) memcpy(r->own_after, r->own[r->own_n - 1], 32);
        if (!r->own_more) {
            if (now < r->own_ms) return;
            memset(r->own_after, 0, 32);
            r->own_ms = now + REPAIRS_CHECK_MS;
        }
        r->own_n = r->own_at = 0;
        r->own_more = false;
        tree_segments(r->env.tree(r->env.ctx), NULL, gather, r);
        if (!r->own_n) return;
    }
    if (!ask(r, r->own[r->own_at], false)) r->own_at++;
}
