/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Versions that are not the living ones: the clock they age by, the retention, the trash. */
#include "core/files/tree_private.h"
#include "core/ports/shard_store.h"

#include <stdlib.h>
#include <string.h>

#define SECOND UINT64_C(1000)
#define HOUR (3600 * SECOND)
#define DAY (24 * HOUR)

/* ---- the clock ---- */

void tree_clock_tick(struct tree_clock *c, uint16_t leaf, uint64_t time_ms)
{
    if (c->first_ms == 0 || leaf == c->first_leaf) {
        if (time_ms > c->first_ms) c->first_ms = time_ms;
        c->first_leaf = leaf;
    } else if (time_ms > c->first_ms) {
        c->second_ms = c->first_ms;
        c->first_ms = time_ms;
        c->first_leaf = leaf;
    } else if (time_ms > c->second_ms) {
        c->second_ms = time_ms;
    }
    /* What two have reached is believed; one alone moves it by a step. */
    uint64_t step = c->ms > UINT64_MAX - TREE_LEAP_MS ? UINT64_MAX : c->ms + TREE_LEAP_MS;
    uint64_t to = c->first_ms;
    if (c->second_ms != 0 && to > step) to = step;
    if (c->second_ms > to) to = c->second_ms;
    if (to > c->ms) c->ms = to;
}

/* ---- table and order ---- */

static int past_compare(const struct tree_past *e, struct bytes path, uint64_t serial)
{
    int c = tree_path_compare(e->path, path);
    return c ? c : (e->serial > serial) - (e->serial < serial);
}

static size_t past_seek(const struct tree *t, struct bytes path, uint64_t serial)
{
    size_t lo = 0;
    size_t hi = t->past.n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (past_compare(t->past.p[mid], path, serial) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static size_t order_seek(const struct tree *t, uint64_t gone)
{
    size_t lo = 0;
    size_t hi = t->order.n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (((const struct tree_past *)t->order.p[mid])->gone < gone)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* The versions of one path stand together. */
static void past_range(const struct tree *t, struct bytes path, size_t *ret_from, size_t *ret_to)
{
    *ret_from = past_seek(t, path, 0);
    *ret_to = past_seek(t, path, UINT64_MAX);
}

static size_t weight(const struct tree_past *e)
{
    return e->path.n + e->file.manifest.n + e->file.uses.n;
}

static uint64_t due_of(const struct tree_past *e)
{
    return e->gone_ms > UINT64_MAX - TREE_TRASH_MS ? UINT64_MAX : e->gone_ms + TREE_TRASH_MS;
}

static bool in_trash(const struct tree *t, const struct tree_past *e)
{
    return e->removed || t->keep == TREE_KEEP_NONE;
}

static void note_due(struct tree *t, const struct tree_past *e)
{
    if (in_trash(t, e) && due_of(e) < t->due_ms) t->due_ms = due_of(e);
}

/* Out of both tables; its version goes if nobody else refers to it. */
static void past_drop(struct tree *t, struct tree_past *e)
{
    tree_table_remove(&t->past, past_seek(t, e->path, e->serial), 1);
    tree_table_remove(&t->order, order_seek(t, e->gone), 1);
    t->past_bytes -= weight(e);
    struct tree_version *v = tree_version_find(t, e->file.version);
    if (v) v->past--;
    tree_version_drop(t, e->file.version);
    tree_drop(e->path);
    free(e);
}

void tree_past_free(struct tree *t)
{
    for (size_t i = 0; i < t->past.n; i++) {
        struct tree_past *e = t->past.p[i];
        tree_drop(e->path);
        free(e);
    }
    t->past.n = t->order.n = 0;
}

enum status tree_past_add(struct tree *t, const struct tree_past *e)
{
    enum status st;
    struct tree_version *v = NULL;
    size_t at = past_seek(t, e->path, e->serial);
    if (at < t->past.n && past_compare(t->past.p[at], e->path, e->serial) == 0)
        return ST_BAD_MESSAGE; /* only a state that somebody made up has the same twice */
    struct tree_past *n = malloc(sizeof *n);
    if (!n) return ST_NO_MEMORY;
    *n = *e;
    n->falls = false;
    if (!tree_copy(e->path, &n->path)) {
        free(n);
        return ST_NO_MEMORY;
    }
    TRY(tree_version_hold(t, &n->file, &v));
    TRY(tree_table_insert(&t->past, at, n));
    st = tree_table_insert(&t->order, order_seek(t, n->gone), n);
    if (st != ST_OK) {
        tree_table_remove(&t->past, at, 1);
        goto out;
    }
    v->past++;
    t->past_bytes += weight(n);
    note_due(t, n);
    while (t->order.n > TREE_PAST_MAX || t->past_bytes > TREE_PAST_BYTES)
        past_drop(t, t->order.p[0]);
    return ST_OK;
out:
    if (v) tree_version_drop(t, v->id);
    tree_drop(n->path);
    free(n);
    return st;
}

/* ---- what falls ---- */

/* One version in so long is enough for those of this age. */
static uint64_t spacing(uint64_t age)
{
    if (age < HOUR) return 30 * SECOND;
    if (age < DAY) return HOUR;
    if (age < 30 * DAY) return DAY;
    return 7 * DAY;
}

/* Marks what the rules let go of the versions [from, to) of one path, at clock `now`. */
static size_t mark(const struct tree *t, size_t from, size_t to, uint64_t now)
{
    size_t fall = 0;
    size_t living = 0;
    uint64_t kept = 0;
    bool any = false;
    for (size_t i = from; i < to; i++) living += !((const struct tree_past *)t->past.p[i])->removed;
    for (size_t i = from; i < to; i++) {
        struct tree_past *e = t->past.p[i];
        e->falls = false;
        if (in_trash(t, e)) {
            e->falls = now >= due_of(e);
        } else if (t->keep == TREE_KEEP_STAGGERED) {
            uint64_t age = now > e->clock_ms ? now - e->clock_ms : 0;
            bool spare = living <= TREE_THIN_SPARES;
            e->falls = any && !spare && e->clock_ms < kept + spacing(age);
        }
        if (!e->removed) living--;
        if (!e->falls && !e->removed) {
            kept = e->clock_ms;
            any = true;
        }
        fall += e->falls;
    }
    return fall;
}

static void thin(struct tree *t, struct bytes path)
{
    size_t from;
    size_t to;
    if (t->keep != TREE_KEEP_STAGGERED) return; /* the trash has tree_past_expire */
    past_range(t, path, &from, &to);
    if (mark(t, from, to, t->clock.ms) == 0) return;
    for (size_t i = to; i > from; i--) {
        struct tree_past *e = t->past.p[i - 1];
        if (e->falls) past_drop(t, e);
    }
}

static size_t mark_all(const struct tree *t, uint64_t now)
{
    size_t fall = 0;
    size_t to;
    for (size_t from = 0; from < t->past.n; from = to) {
        to = past_seek(t, ((const struct tree_past *)t->past.p[from])->path, UINT64_MAX);
        fall += mark(t, from, to, now);
    }
    return fall;
}

void tree_past_rules(struct tree *t)
{
    if (mark_all(t, t->clock.ms) > 0)
        for (size_t i = t->order.n; i > 0; i--) {
            struct tree_past *e = t->order.p[i - 1];
            if (e->falls) past_drop(t, e);
        }
    t->due_ms = UINT64_MAX;
    for (size_t i = 0; i < t->order.n; i++) note_due(t, t->order.p[i]);
}

void tree_past_expire(struct tree *t)
{
    if (t->clock.ms < t->due_ms) return;
    t->due_ms = UINT64_MAX;
    for (size_t i = t->order.n; i > 0; i--) {
        struct tree_past *e = t->order.p[i - 1];
        if (in_trash(t, e) && t->clock.ms >= due_of(e))
            past_drop(t, e);
        else
            note_due(t, e);
    }
}

/* ---- what puts, removals and moves do ---- */

/* From now on it counts as gone with this entry, behind all that went before. */
static void went(struct tree *t, struct tree_past *e, bool removed, const struct tree_from *from)
{
    size_t at = order_seek(t, e->gone);
    memmove(t->order.p + at, t->order.p + at + 1, (t->order.n - at - 1) * sizeof *t->order.p);
    t->order.p[t->order.n - 1] = e;
    e->gone = ++t->serial;
    e->removed = removed;
    e->gone_leaf = from->leaf;
    e->gone_index = from->index;
    e->gone_ms = from->time_ms > t->clock.ms ? from->time_ms : t->clock.ms;
    note_due(t, e);
}

enum status tree_past_went(struct tree *t, const struct tree_node *node, bool removed,
                           const struct tree_from *from)
{
    size_t at;
    size_t to;
    past_range(t, node->path, &at, &to);
    for (; removed && at < to; at++) {
        struct tree_past *old = t->past.p[at];
        if (!old->removed) went(t, old, true, from);
    }
    struct tree_past e = {.path = node->path,
                          .serial = node->serial,
                          .index = node->index,
                          .time_ms = node->time_ms,
                          .clock_ms = node->clock_ms,
                          .leaf = node->leaf,
                          .removed = removed,
                          .gone_leaf = from->leaf,
                          .gone = ++t->serial,
                          .gone_index = from->index,
                          .gone_ms = from->time_ms > t->clock.ms ? from->time_ms : t->clock.ms,
                          .file = node->file};
    enum status st = tree_past_add(t, &e);
    if (st == ST_OK) thin(t, node->path);
    return st;
}

void tree_past_back(struct tree *t, struct bytes path)
{
    size_t at;
    size_t to;
    past_range(t, path, &at, &to);
    for (; at < to; at++) ((struct tree_past *)t->past.p[at])->removed = false;
}

enum status tree_past_move(struct tree *t, struct bytes from, struct bytes to)
{
    enum status st = ST_OK;
    struct buf path = BUF_INIT;
    size_t n = 0;
    struct tree_past **moved = calloc(t->past.n ? t->past.n : 1, sizeof *moved);
    if (!moved) return ST_NO_MEMORY;
    for (size_t i = past_seek(t, from, 0); i < t->past.n; i++) {
        struct tree_past *e = t->past.p[i];
        if (e->path.n < from.n || memcmp(e->path.p, from.p, from.n) != 0) break;
        bool below = e->path.n > from.n && e->path.p[from.n] == '/';
        if (!e->removed && (e->path.n == from.n || below)) moved[n++] = e;
    }
    for (size_t i = 0; i < n && st == ST_OK; i++) {
        struct tree_past *e = moved[i];
        struct bytes copy;
        buf_clear(&path);
        buf_bytes(&path, to);
        buf_raw(&path, e->path.p + from.n, e->path.n - from.n);
        st = buf_status(&path);
        if (st == ST_OK && !tree_copy(buf_view(&path), &copy)) st = ST_NO_MEMORY;
        if (st != ST_OK) break;
        tree_table_remove(&t->past, past_seek(t, e->path, e->serial), 1);
        t->past_bytes -= weight(e);
        tree_drop(e->path);
        e->path = copy;
        t->past_bytes += weight(e);
        /* cannot fail: there was room for it a moment ago */
        st = tree_table_insert(&t->past, past_seek(t, e->path, e->serial), e);
    }
    free(moved);
    buf_free(&path);
    while (t->past_bytes > TREE_PAST_BYTES) past_drop(t, t->order.p[0]);
    return st;
}

/* ---- questions ---- */

void tree_past_each(const struct tree *t, tree_past_visit *visit, void *arg)
{
    for (size_t i = 0; i < t->order.n; i++)
        if (!visit(arg, t->order.p[i])) return;
}

void tree_past_of(const struct tree *t, struct bytes path, bool deep, tree_past_visit *visit,
                  void *arg)
{
    for (size_t i = past_seek(t, path, 0); i < t->past.n; i++) {
        const struct tree_past *e = t->past.p[i];
        if (e->path.n < path.n || (path.n && memcmp(e->path.p, path.p, path.n) != 0)) return;
        bool same = e->path.n == path.n;
        bool below = !path.n || (e->path.n > path.n && e->path.p[path.n] == '/');
        if ((deep ? below : same) && !visit(arg, e)) return;
    }
}

enum tree_keep tree_retention(const struct tree *t)
{
    return (enum tree_keep)t->keep;
}

void tree_due(const struct tree *t, uint16_t leaf, uint64_t now_ms, tree_past_visit *visit,
              void *arg)
{
    struct tree_clock clock = t->clock;
    tree_clock_tick(&clock, leaf, now_ms);
    mark_all(t, clock.ms);
    for (size_t i = 0; i < t->order.n; i++) {
        const struct tree_past *e = t->order.p[i];
        if (e->falls && !visit(arg, e)) return;
    }
}

uint64_t tree_due_bytes(const struct tree *t)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < t->versions.n; i++)
        ((struct tree_version *)t->versions.p[i])->falling = 0;
    for (size_t i = 0; i < t->order.n; i++) {
        const struct tree_past *e = t->order.p[i];
        struct tree_version *v = e->falls ? tree_version_find(t, e->file.version) : NULL;
        if (v) v->falling++;
    }
    for (size_t i = 0; i < t->segments.n; i++) {
        const struct tree_segment *s = t->segments.p[i];
        const struct tree_version *v = tree_version_find(t, s->version);
        if (v && !s->users && !v->living && v->falling == v->past)
            bytes += (uint64_t)s->rows * s->n * SHARD_UNIT;
    }
    return bytes;
}
