/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "core/files/tree_private.h"

#include <stdlib.h>
#include <string.h>

enum status tree_table_insert(struct tree_table *t, size_t at, void *p)
{
    if (t->n == t->cap) {
        size_t cap = t->cap ? 2 * t->cap : 16;
        void **more = realloc(t->p, cap * sizeof *more);
        if (!more) return ST_NO_MEMORY;
        t->p = more;
        t->cap = cap;
    }
    memmove(t->p + at + 1, t->p + at, (t->n - at) * sizeof *t->p);
    t->p[at] = p;
    t->n++;
    return ST_OK;
}

void tree_table_remove(struct tree_table *t, size_t at, size_t n)
{
    memmove(t->p + at, t->p + at + n, (t->n - at - n) * sizeof *t->p);
    t->n -= n;
}

int tree_path_compare(struct bytes a, struct bytes b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int c = n ? memcmp(a.p, b.p, n) : 0;
    return c ? c : (a.n > b.n) - (a.n < b.n);
}

size_t tree_seek(const struct tree *t, struct bytes path, bool *ret_found)
{
    size_t lo = 0;
    size_t hi = t->nodes.n;
    *ret_found = false;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        const struct tree_node *node = t->nodes.p[mid];
        int c = tree_path_compare(node->path, path);
        if (c == 0) *ret_found = true;
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* First position whose path is not below dir | end. */
static size_t seek_below(const struct tree *t, struct bytes dir, char end)
{
    size_t lo = 0;
    size_t hi = t->nodes.n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        struct bytes path = ((const struct tree_node *)t->nodes.p[mid])->path;
        size_t n = path.n < dir.n ? path.n : dir.n;
        int c = n ? memcmp(path.p, dir.p, n) : 0;
        if (c == 0) c = path.n <= dir.n ? -1 : (path.p[dir.n] < (uint8_t)end ? -1 : 1);
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

void tree_inside(const struct tree *t, struct bytes dir, size_t *ret_from, size_t *ret_to)
{
    if (!dir.n) {
        *ret_from = 0;
        *ret_to = t->nodes.n;
        return;
    }
    /* Everything inside begins with dir and '/': one unbroken range, whatever bytes names have. */
    *ret_from = seek_below(t, dir, '/');
    *ret_to = seek_below(t, dir, '/' + 1);
}

static size_t id_seek(const struct tree_table *t, const uint8_t id[32], bool *ret_found)
{
    size_t lo = 0;
    size_t hi = t->n;
    *ret_found = false;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int c = memcmp(t->p[mid], id, 32); /* rows begin with their id */
        if (c == 0) *ret_found = true;
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

size_t tree_segment_seek(const struct tree *t, const uint8_t id[32], bool *ret_found)
{
    return id_seek(&t->segments, id, ret_found);
}

struct tree_version *tree_version_find(const struct tree *t, const uint8_t id[32])
{
    bool found;
    size_t at = id_seek(&t->versions, id, &found);
    return found ? t->versions.p[at] : NULL;
}

/* First position in `owned` whose (version, id) is not below the given. */
static size_t owned_seek(const struct tree *t, const uint8_t version[32], const uint8_t id[32])
{
    size_t lo = 0;
    size_t hi = t->owned.n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        const struct tree_segment *s = t->owned.p[mid];
        int c = memcmp(s->version, version, 32);
        if (c == 0) c = memcmp(s->id, id, 32);
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static void segment_drop(struct tree *t, struct tree_segment *s)
{
    bool found;
    size_t at = id_seek(&t->segments, s->id, &found);
    tree_table_remove(&t->segments, at, 1);
    tree_table_remove(&t->owned, owned_seek(t, s->version, s->id), 1);
    free(s);
}

/* Refers to the segments, or gives the references back. */
static void use(struct tree *t, struct bytes ids, bool more)
{
    for (size_t i = 0; i + 32 <= ids.n; i += 32) {
        bool found;
        size_t at = id_seek(&t->segments, ids.p + i, &found);
        struct tree_segment *s = found ? t->segments.p[at] : NULL;
        if (!s) continue;
        if (more)
            s->users++;
        else if (--s->users == 0 && !tree_version_find(t, s->version))
            segment_drop(t, s);
    }
}

static void version_free(struct tree_version *v)
{
    tree_drop(v->manifest);
    tree_drop(v->uses);
    free(v);
}

enum status tree_version_hold(struct tree *t, struct tree_file *f, struct tree_version **ret)
{
    bool found;
    size_t at = id_seek(&t->versions, f->version, &found);
    if (!found) {
        struct tree_version *v = calloc(1, sizeof *v);
        if (!v) return ST_NO_MEMORY;
        memcpy(v->id, f->version, 32);
        v->epoch = f->epoch;
        memcpy(v->wrap, f->wrap, TREE_WRAP);
        if (!tree_copy(f->manifest, &v->manifest) || !tree_copy(f->uses, &v->uses) ||
            tree_table_insert(&t->versions, at, v) != ST_OK) {
            version_free(v);
            return ST_NO_MEMORY;
        }
        use(t, v->uses, true);
    }
    *ret = t->versions.p[at];
    f->manifest = (*ret)->manifest;
    f->uses = (*ret)->uses;
    return ST_OK;
}

void tree_version_drop(struct tree *t, const uint8_t id[32])
{
    static const uint8_t first[32];
    bool found;
    size_t at = id_seek(&t->versions, id, &found);
    struct tree_version *v = found ? t->versions.p[at] : NULL;
    if (!v || v->living || v->past) return;
    tree_table_remove(&t->versions, at, 1);
    use(t, v->uses, false);
    for (at = owned_seek(t, v->id, first); at < t->owned.n;) {
        struct tree_segment *s = t->owned.p[at];
        if (memcmp(s->version, v->id, 32) != 0) break;
        if (s->users)
            at++; /* another version lives in it */
        else
            segment_drop(t, s);
    }
    version_free(v);
}

bool tree_copy(struct bytes from, struct bytes *ret)
{
    uint8_t *p = malloc(from.n ? from.n : 1);
    if (!p) return false;
    if (from.n) memcpy(p, from.p, from.n);
    *ret = BYTES(p, from.n);
    return true;
}

void tree_drop(struct bytes b)
{
    free((void *)(uintptr_t)b.p);
}

static void node_free(struct tree_node *node)
{
    tree_drop(node->path);
    free(node);
}

enum status tree_node_add(struct tree *t, const struct tree_node *node)
{
    bool found;
    size_t at = tree_seek(t, node->path, &found);
    if (found) return ST_BUG;
    struct tree_node *n = malloc(sizeof *n);
    struct tree_version *v = NULL;
    if (!n) return ST_NO_MEMORY;
    *n = *node;
    n->path = BYTES_NONE;
    if (!tree_copy(node->path, &n->path) ||
        (!node->dir && tree_version_hold(t, &n->file, &v) != ST_OK) ||
        tree_table_insert(&t->nodes, at, n) != ST_OK) {
        node_free(n);
        if (v) tree_version_drop(t, v->id);
        return ST_NO_MEMORY;
    }
    if (v) v->living++;
    return ST_OK;
}

void tree_node_remove(struct tree *t, size_t at)
{
    struct tree_node *n = t->nodes.p[at];
    tree_table_remove(&t->nodes, at, 1);
    if (!n->dir) {
        struct tree_version *v = tree_version_find(t, n->file.version);
        if (v) v->living--;
        tree_version_drop(t, n->file.version); /* after this manifest and uses point nowhere */
    }
    node_free(n);
}

enum status tree_node_rename(struct tree_node *node, struct bytes path)
{
    struct bytes p;
    if (!tree_copy(path, &p)) return ST_NO_MEMORY;
    tree_drop(node->path);
    node->path = p;
    return ST_OK;
}

enum status tree_segment_add(struct tree *t, const struct tree_segment *s)
{
    bool found;
    size_t at = tree_segment_seek(t, s->id, &found);
    if (found) return ST_BUG;
    struct tree_segment *n = malloc(sizeof *n);
    if (!n) return ST_NO_MEMORY;
    *n = *s;
    n->users = 0;
    enum status st = tree_table_insert(&t->segments, at, n);
    if (st == ST_OK) {
        st = tree_table_insert(&t->owned, owned_seek(t, n->version, n->id), n);
        if (st != ST_OK) tree_table_remove(&t->segments, at, 1);
    }
    if (st != ST_OK) free(n);
    return st;
}

struct tree *tree_new(void)
{
    struct tree *t = calloc(1, sizeof *t);
    if (!t) return NULL;
    t->keep = TREE_KEEP_STAGGERED;
    t->due_ms = UINT64_MAX;
    return t;
}

void tree_free(struct tree *t)
{
    if (!t) return;
    tree_past_free(t);
    for (size_t i = 0; i < t->nodes.n; i++) node_free(t->nodes.p[i]);
    for (size_t i = 0; i < t->segments.n; i++) free(t->segments.p[i]);
    for (size_t i = 0; i < t->versions.n; i++) version_free(t->versions.p[i]);
    free(t->nodes.p);
    free(t->segments.p);
    free(t->owned.p);
    free(t->versions.p);
    free(t->past.p);
    free(t->order.p);
    depots_free(&t->depots);
    free(t);
}

/* --- questions ----------------------------------------------------------------------------- */

const struct tree_node *tree_find(const struct tree *t, struct bytes path)
{
    bool found;
    size_t at = tree_seek(t, path, &found);
    return found ? t->nodes.p[at] : NULL;
}

bool tree_list(const struct tree *t, struct bytes dir, bool deep,
               bool (*visit)(void *arg, const struct tree_node *node), void *arg)
{
    const struct tree_node *node = dir.n ? tree_find(t, dir) : NULL;
    size_t at;
    size_t to;
    if (dir.n && (!node || !node->dir)) return false;
    tree_inside(t, dir, &at, &to);
    while (at < to) {
        node = t->nodes.p[at];
        size_t skip = dir.n ? dir.n + 1 : 0;
        bool below = memchr(node->path.p + skip, '/', node->path.n - skip) != NULL;
        if (!deep && below) {
            at++; /* "a b" stands between "a" and "a/x": the inside is not always next */
            continue;
        }
        if (!visit(arg, node)) break;
        at++;
        if (!deep && node->dir && at < to) {
            size_t from;
            size_t end;
            tree_inside(t, node->path, &from, &end);
            if (from == at) at = end;
        }
    }
    return true;
}

const struct tree_segment *tree_segment(const struct tree *t, const uint8_t id[32])
{
    bool found;
    size_t at = tree_segment_seek(t, id, &found);
    return found ? t->segments.p[at] : NULL;
}

void tree_segments(const struct tree *t, const uint8_t *version,
                   bool (*visit)(void *arg, const struct tree_segment *s), void *arg)
{
    static const uint8_t first[32];
    if (!version) {
        for (size_t i = 0; i < t->segments.n; i++)
            if (!visit(arg, t->segments.p[i])) return;
        return;
    }
    for (size_t i = owned_seek(t, version, first); i < t->owned.n; i++) {
        const struct tree_segment *s = t->owned.p[i];
        if (memcmp(s->version, version, 32) != 0) break;
        if (!visit(arg, s)) return;
    }
    const struct tree_version *v = tree_version_find(t, version);
    for (size_t i = 0; v && i + 32 <= v->uses.n; i += 32) {
        const struct tree_segment *s = tree_segment(t, v->uses.p + i);
        if (s && !visit(arg, s)) return;
    }
}

void tree_versions(const struct tree *t, bool (*visit)(void *arg, const uint8_t version[32]),
                   void *arg)
{
    for (size_t i = 0; i < t->versions.n; i++)
        if (!visit(arg, ((const struct tree_version *)t->versions.p[i])->id)) return;
}

bool tree_wrap(const struct tree *t, const uint8_t version[32], uint64_t *ret_epoch,
               uint8_t ret_wrap[TREE_WRAP])
{
    const struct tree_version *v = tree_version_find(t, version);
    if (!v) return false;
    *ret_epoch = v->epoch;
    memcpy(ret_wrap, v->wrap, TREE_WRAP);
    return true;
}

bool tree_known(const struct tree *t, const uint8_t version[32])
{
    return tree_version_find(t, version) != NULL;
}

bool tree_needs(const struct tree *t, const uint8_t segment_id[32])
{
    const struct tree_segment *s = tree_segment(t, segment_id);
    return s && (s->users || tree_version_find(t, s->version));
}

size_t tree_size(const struct tree *t)
{
    return t->nodes.n;
}

const struct depots *tree_depots(const struct tree *t)
{
    return &t->depots;
}

enum status tree_path_check(struct bytes path)
{
    size_t from = 0;
    if (!path.n || path.n > TREE_PATH_MAX || memchr(path.p, 0, path.n)) return ST_USAGE;
    for (size_t i = 0; i <= path.n; i++) {
        if (i < path.n && path.p[i] != '/') continue;
        size_t n = i - from;
        const uint8_t *name = path.p + from;
        if (!n || n > TREE_NAME_MAX || (n == 1 && name[0] == '.') ||
            (n == 2 && name[0] == '.' && name[1] == '.'))
            return ST_USAGE;
        from = i + 1;
    }
    return ST_OK;
}
