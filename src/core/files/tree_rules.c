/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The rules of docs/spec/files.md: what a record does to the tree. They look at nothing but the
 * tree and the entry, so every member comes to the same tree. */
#include "core/files/tree_private.h"
#include "crypto/hash.h"

#include <stdio.h>
#include <string.h>

#define TRIES 64     /* conflict names tried */
#define EXTENSION 16 /* longest ending that stays an ending */

struct apply {
    struct tree *t;
    const struct tree_from *from;
    tree_told *told;
    void *arg;
    uint8_t kind;
};

static enum status tell(const struct apply *a, enum tree_effect effect, struct bytes path,
                        const char *why)
{
    if (a->told) a->told(a->arg, a->kind, effect, path, why);
    return ST_OK;
}

static enum status ignore(const struct apply *a, struct bytes path, const char *why)
{
    return tell(a, TREE_IGNORED, path, why);
}

/* The path with its last name marked: stem.conflict-LEAF-INDEX[-try].ending. false: too long. */
static bool conflict_path(const struct apply *a, struct bytes path, unsigned turn,
                          uint8_t ret[TREE_PATH_MAX], size_t *ret_n)
{
    char mark[64];
    size_t name = path.n;
    while (name && path.p[name - 1] != '/') name--;
    size_t dot = path.n;
    while (dot > name + 1 && path.p[dot - 1] != '.') dot--;
    size_t ending = dot > name + 1 && path.n - dot < EXTENSION ? path.n - dot + 1 : 0;
    size_t stem = path.n - name - ending;
    int n = snprintf(mark, sizeof mark, ".conflict-%u-%llu", a->from->leaf,
                     (unsigned long long)a->from->index);
    if (turn) n += snprintf(mark + n, sizeof mark - (size_t)n, "-%u", turn + 1);
    size_t marked = (size_t)n;
    if (stem + marked + ending > TREE_NAME_MAX) {
        stem = TREE_NAME_MAX - marked - ending;
        /* not in the middle of a UTF-8 character, if it is UTF-8 */
        while (stem > 1 && (path.p[name + stem] & 0xC0) == 0x80) stem--;
    }
    if (name + stem + marked + ending > TREE_PATH_MAX) return false;
    memcpy(ret, path.p, name + stem);
    memcpy(ret + name + stem, mark, marked);
    memcpy(ret + name + stem + marked, path.p + path.n - ending, ending);
    *ret_n = name + stem + marked + ending;
    return true;
}

/* A free path near `path`; false: none. */
static bool free_path(const struct apply *a, struct bytes path, uint8_t ret[TREE_PATH_MAX],
                      size_t *ret_n)
{
    for (unsigned turn = 0; turn < TRIES; turn++) {
        if (!conflict_path(a, path, turn, ret, ret_n)) return false;
        if (!tree_find(a->t, BYTES(ret, *ret_n))) return true;
    }
    return false;
}

static enum status make_dir(const struct apply *a, struct bytes path)
{
    struct tree_node node;
    memset(&node, 0, sizeof node);
    node.path = path;
    node.dir = true;
    node.leaf = a->from->leaf;
    node.index = a->from->index;
    node.time_ms = a->from->time_ms;
    return tree_node_add(a->t, &node);
}

/* A path that the rules may change on its way: where a parent is a file, that name is marked. */
struct goal {
    uint8_t p[TREE_PATH_MAX];
    size_t n;
    bool changed;
};

static struct bytes goal_path(const struct goal *g)
{
    return BYTES(g->p, g->n);
}

/* Marks the name that ends at `end` and puts the rest behind it. false: no free or too long. */
static bool goal_mark(const struct apply *a, struct goal *g, size_t end)
{
    uint8_t marked[TREE_PATH_MAX];
    size_t n;
    if (!free_path(a, BYTES(g->p, end), marked, &n)) return false;
    size_t rest = g->n - end;
    if (n + rest > TREE_PATH_MAX) return false;
    memmove(g->p + n, g->p + end, rest);
    memcpy(g->p, marked, n);
    g->n = n + rest;
    g->changed = true;
    return true;
}

/* How many of the parents are missing once files in the way are marked; -1: it cannot be. */
static int goal_parents(const struct apply *a, struct goal *g)
{
    int missing = 0;
    for (size_t i = 0; i < g->n; i++) {
        if (g->p[i] != '/') continue;
        const struct tree_node *node = tree_find(a->t, BYTES(g->p, i));
        if (node && !node->dir) {
            size_t before = g->n;
            if (!goal_mark(a, g, i)) return -1;
            i += g->n - before;
            node = NULL;
        }
        missing += node == NULL;
    }
    return missing;
}

static enum status goal_make_parents(const struct apply *a, const struct goal *g)
{
    for (size_t i = 0; i < g->n; i++) {
        if (g->p[i] != '/' || tree_find(a->t, BYTES(g->p, i))) continue;
        enum status st = make_dir(a, BYTES(g->p, i));
        if (st != ST_OK) return st;
    }
    return ST_OK;
}

static bool goal_start(struct goal *g, struct bytes path)
{
    g->changed = false;
    g->n = path.n;
    if (tree_path_check(path) != ST_OK) return false;
    memcpy(g->p, path.p, path.n);
    return true;
}

static bool room_for(const struct apply *a, int more)
{
    return a->t->nodes.n + (size_t)more < TREE_NODES_MAX;
}

/* A put may refer to segments of other versions while they are there; a version that is known
 * refers to what it did. */
static const char *uses_fault(const struct tree *t, const struct tree_put *r)
{
    struct bytes uses = BYTES(r->uses.p, r->uses.n * 32);
    const struct tree_version *v = tree_version_find(t, r->version);
    if (v) return bytes_same(v->uses, uses) ? NULL : "refers to other segments than before";
    for (size_t i = 0; i < r->uses.n; i++) {
        const uint8_t *id = list_at(r->uses, i, 32);
        if (i > 0 && memcmp(list_at(r->uses, i - 1, 32), id, 32) >= 0)
            return "segments not in order";
        if (!tree_needs(t, id)) return "a segment that it refers to is gone";
    }
    return NULL;
}

static enum status apply_put(const struct apply *a, const struct tree_put *r)
{
    enum status st;
    struct goal g;
    uint8_t id[32];
    sha256(r->manifest, id);
    if (memcmp(id, r->version, 32) != 0) return ignore(a, r->path, "manifest is not the version");
    if (!goal_start(&g, r->path)) return ignore(a, r->path, "not a path");
    const char *fault = uses_fault(a->t, r);
    if (fault) return ignore(a, r->path, fault);
    int missing = goal_parents(a, &g);
    if (missing < 0) return ignore(a, r->path, "no free name");
    if (!room_for(a, missing)) return ignore(a, r->path, "the tree is full");
    bool found;
    size_t at = tree_seek(a->t, goal_path(&g), &found);
    const struct tree_node *now = found ? a->t->nodes.p[at] : NULL;
    if (now && !now->dir && memcmp(now->file.version, r->version, 32) == 0)
        return ignore(a, r->path, "already there");
    if (now && (now->dir || memcmp(now->file.version, r->base, 32) != 0)) {
        if (!goal_mark(a, &g, g.n)) return ignore(a, r->path, "no free name");
        now = NULL;
    }
    struct tree_version *held; /* the version may lie in the past that is about to be thinned */
    struct tree_node node = {.path = goal_path(&g),
                             .leaf = a->from->leaf,
                             .index = a->from->index,
                             .time_ms = a->from->time_ms,
                             .serial = ++a->t->serial,
                             .clock_ms = a->t->clock.ms};
    memcpy(node.file.version, r->version, 32);
    memcpy(node.file.wrap, r->wrap, TREE_WRAP);
    node.file.size = r->size;
    node.file.mtime_ms = r->mtime_ms;
    node.file.mode = r->mode;
    node.file.epoch = r->epoch;
    node.file.manifest = r->manifest;
    node.file.uses = BYTES(r->uses.p, r->uses.n * 32);
    TRY(tree_version_hold(a->t, &node.file, &held));
    held->living++;
    if (now) {
        TRY(tree_past_went(a->t, now, false, a->from));
        tree_node_remove(a->t, at);
    } else {
        tree_past_back(a->t, node.path);
    }
    TRY(goal_make_parents(a, &g));
    TRY(tree_node_add(a->t, &node));
    held->living--;
    st = tell(a, g.changed ? TREE_CONFLICT : TREE_APPLIED, goal_path(&g), NULL);
out:
    return st;
}

static enum status apply_mkdir(const struct apply *a, const struct tree_mkdir *r)
{
    enum status st;
    struct goal g;
    if (!goal_start(&g, r->path)) return ignore(a, r->path, "not a path");
    int missing = goal_parents(a, &g);
    if (missing < 0) return ignore(a, r->path, "no free name");
    if (!room_for(a, missing)) return ignore(a, r->path, "the tree is full");
    const struct tree_node *now = tree_find(a->t, goal_path(&g));
    if (now && now->dir) return ignore(a, r->path, "already there");
    if (now && !goal_mark(a, &g, g.n)) return ignore(a, r->path, "no free name");
    TRY(goal_make_parents(a, &g));
    TRY(make_dir(a, goal_path(&g)));
    st = tell(a, g.changed ? TREE_CONFLICT : TREE_APPLIED, goal_path(&g), NULL);
out:
    return st;
}

static bool inside(struct bytes path, struct bytes dir)
{
    return path.n > dir.n && path.p[dir.n] == '/' && memcmp(path.p, dir.p, dir.n) == 0;
}

/* Moves the nodes [from, to), whose paths begin with old_n bytes of the old path. */
static enum status move_range(struct tree *t, size_t from, size_t to, size_t old_n,
                              struct bytes path)
{
    enum status st = ST_OK;
    uint8_t room[TREE_PATH_MAX];
    for (size_t i = from; i < to; i++) {
        /* Out and in again, one by one; the range itself keeps its order. */
        struct tree_node *node = t->nodes.p[from];
        struct bytes rest = BYTES(node->path.p + old_n, node->path.n - old_n);
        memcpy(room, path.p, path.n);
        if (rest.n) memcpy(room + path.n, rest.p, rest.n);
        TRY(tree_node_rename(node, BYTES(room, path.n + rest.n)));
        tree_table_remove(&t->nodes, from, 1);
        bool found;
        size_t at = tree_seek(t, node->path, &found);
        TRY(tree_table_insert(&t->nodes, at, node));
        if (at <= from) from++; /* it went in before what is still to be moved */
    }
out:
    return st;
}

static enum status apply_mv(const struct apply *a, const struct tree_mv *r)
{
    enum status st;
    struct goal g;
    bool found;
    size_t lo;
    size_t hi;
    const struct tree_node *node = tree_find(a->t, r->from);
    if (!node) return ignore(a, r->from, "not there");
    if (!goal_start(&g, r->to)) return ignore(a, r->to, "not a path");
    if (bytes_same(r->from, r->to)) return ignore(a, r->to, "already there");
    if (inside(r->to, r->from)) return ignore(a, r->to, "would be inside itself");
    int missing = goal_parents(a, &g);
    if (missing < 0) return ignore(a, r->to, "no free name");
    if (!room_for(a, missing)) return ignore(a, r->to, "the tree is full");
    if (tree_find(a->t, goal_path(&g)) && !goal_mark(a, &g, g.n))
        return ignore(a, r->to, "no free name");
    tree_inside(a->t, r->from, &lo, &hi);
    for (size_t i = lo; i < hi && node->dir; i++) {
        const struct tree_node *child = a->t->nodes.p[i];
        if (child->path.n - r->from.n + g.n > TREE_PATH_MAX)
            return ignore(a, r->to, "a path below would be too long");
    }
    bool dir = node->dir;
    TRY(tree_past_move(a->t, r->from, goal_path(&g)));
    TRY(goal_make_parents(a, &g));
    size_t at = tree_seek(a->t, r->from, &found);
    TRY(move_range(a->t, at, at + 1, r->from.n, goal_path(&g)));
    if (dir) {
        tree_inside(a->t, r->from, &lo, &hi);
        TRY(move_range(a->t, lo, hi, r->from.n, goal_path(&g)));
    }
    st = tell(a, g.changed ? TREE_CONFLICT : TREE_APPLIED, goal_path(&g), NULL);
out:
    return st;
}

static enum status apply_rm(const struct apply *a, const struct tree_rm *r)
{
    bool found;
    size_t at = tree_seek(a->t, r->path, &found);
    if (!found) return ignore(a, r->path, "not there");
    const struct tree_node *node = a->t->nodes.p[at];
    if (node->dir) {
        size_t from;
        size_t to;
        tree_inside(a->t, r->path, &from, &to);
        if (from != to) return ignore(a, r->path, "directory is not empty");
    } else {
        if (memcmp(node->file.version, r->base, 32) != 0)
            return ignore(a, r->path, "changed meanwhile");
        enum status st = tree_past_went(a->t, node, true, a->from);
        if (st != ST_OK) return st;
    }
    tree_node_remove(a->t, at);
    return tell(a, TREE_APPLIED, r->path, NULL);
}

static enum status apply_at(const struct apply *a, const struct tree_at *r)
{
    struct bytes none = BYTES_NONE;
    bool found;
    size_t at = tree_segment_seek(a->t, r->id, &found);
    unsigned n = (unsigned)r->at.n;
    if (!found) {
        struct tree_segment s;
        if (r->k < 1 || r->k > n || r->rows < 1) return ignore(a, none, "no such shape");
        if (a->t->segments.n >= TREE_SEGMENTS_MAX) return ignore(a, none, "the table is full");
        memset(&s, 0, sizeof s);
        memcpy(s.id, r->id, 32);
        memcpy(s.version, r->version, 32);
        memcpy(s.root, r->root, 32);
        s.rows = r->rows;
        s.k = r->k;
        s.n = (uint8_t)n;
        for (unsigned i = 0; i < n; i++) s.at[i] = get_u16(list_at(r->at, i, 2));
        enum status st = tree_segment_add(a->t, &s);
        if (st == ST_OK && a->t->placed) a->t->placed(a->t->placed_arg, r->id);
        return st == ST_OK ? tell(a, TREE_APPLIED, none, NULL) : st;
    }
    struct tree_segment *s = a->t->segments.p[at];
    /* What a segment is was said once; later records only say where its columns are. */
    if (memcmp(s->version, r->version, 32) != 0 || memcmp(s->root, r->root, 32) != 0 ||
        s->rows != r->rows || s->k != r->k || s->n != n)
        return ignore(a, none, "contradicts what was said first");
    for (unsigned i = 0; i < n; i++) {
        uint16_t leaf = get_u16(list_at(r->at, i, 2));
        if (leaf != PLACE_NOBODY && leaf != PLACE_LOST) s->at[i] = leaf;
    }
    if (a->t->placed) a->t->placed(a->t->placed_arg, r->id);
    return tell(a, TREE_APPLIED, none, NULL);
}

static enum status apply_keep(const struct apply *a, const struct tree_keep_set *r)
{
    struct bytes none = BYTES_NONE;
    if (r->keep > TREE_KEEP_ALL && r->keep != TREE_KEEP_SAME)
        return ignore(a, none, "no such retention");
    if (r->keep != TREE_KEEP_SAME) a->t->keep = r->keep;
    tree_past_rules(a->t);
    return tell(a, TREE_APPLIED, none, NULL);
}

static enum status apply_rewrap(const struct apply *a, const struct tree_wrap_set *r)
{
    const struct tree *t = a->t;
    struct tree_version *v = tree_version_find(t, r->version);
    if (!v) return ignore(a, BYTES_NONE, "no such version");
    if (r->epoch <= v->epoch) return tell(a, TREE_APPLIED, BYTES_NONE, NULL); /* it is done */
    if (!t->wrap_check || !t->wrap_check(t->wrap_arg, v->id, v->manifest, r->epoch, r->wrap))
        return ignore(a, BYTES_NONE, "not a wrap of its key");
    v->epoch = r->epoch;
    memcpy(v->wrap, r->wrap, TREE_WRAP);
    return tell(a, TREE_APPLIED, BYTES_NONE, NULL);
}

static enum status apply_depot(const struct apply *a, uint8_t kind, const void *record)
{
    struct bytes none = BYTES_NONE;
    enum status st = ST_OK;
    struct depots *d = &a->t->depots;
    const char *why = kind == TREE_DEPOT        ? depots_take(d, record, a->from->leaf, &st)
                      : kind == TREE_DEPOT_SIGN ? depots_sign(d, record, a->from->leaf)
                                                : depots_let_go(d, record);
    if (st != ST_OK) return st;
    return why != NULL ? ignore(a, none, why) : tell(a, TREE_APPLIED, none, NULL);
}

/* Only of the holder it was said to be with: what was made again meanwhile stays. */
static enum status apply_loss(const struct apply *a, const struct tree_loss *r)
{
    bool found;
    size_t at = tree_segment_seek(a->t, r->id, &found);
    struct tree_segment *s = found ? a->t->segments.p[at] : NULL;
    if (!s || r->index >= s->n || s->at[r->index] != r->holder || r->holder >= PLACE_LOST)
        return ignore(a, BYTES_NONE, "it is not there");
    s->at[r->index] = PLACE_LOST;
    return tell(a, TREE_APPLIED, BYTES_NONE, NULL);
}

enum status tree_apply(struct tree *t, uint8_t kind, const void *record,
                       const struct tree_from *from, tree_told *told, void *arg)
{
    struct apply a = {t, from, told, arg, kind};
    switch (kind) {
    case TREE_PUT: return apply_put(&a, record);
    case TREE_MKDIR: return apply_mkdir(&a, record);
    case TREE_MV: return apply_mv(&a, record);
    case TREE_RM: return apply_rm(&a, record);
    case TREE_AT: return apply_at(&a, record);
    case TREE_KEEP: return apply_keep(&a, record);
    case TREE_REWRAP: return apply_rewrap(&a, record);
    case TREE_DEPOT:
    case TREE_DEPOT_SIGN:
    case TREE_DEPOT_LET_GO: return apply_depot(&a, kind, record);
    case TREE_LOSS: return apply_loss(&a, record);
    default: return ST_BUG;
    }
}
