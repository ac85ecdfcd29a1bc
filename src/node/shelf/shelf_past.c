/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Versions, trash, restore, retention, gc; keys of files wrapped anew. */
#include "node/repair/repairs.h"
#include "node/shelf/shelf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- wraps ---- */

/* Whoever sends a new wrap must give the key that opens the manifest; nobody else can be
 * believed, for the wrap is all that opens the file after a restart. */
static bool wrap_opens(void *arg, const uint8_t version[32], struct bytes manifest, uint64_t epoch,
                       const uint8_t wrap[TREE_WRAP])
{
    uint8_t cek[32];
    struct buf plain;
    buf_init(&plain, MANIFEST_PLAIN_MAX);
    bool good = shelf_unwrap(arg, version, epoch, wrap, cek) == ST_OK &&
                manifest_open(cek, manifest, &plain) == ST_OK;
    bytes_wipe(cek, sizeof cek);
    buf_free(&plain);
    return good;
}

static void placed(void *arg, const uint8_t segment_id[32])
{
    struct shelf *s = arg;
    if (s->repairs != NULL) repairs_own_placed(s->repairs, segment_id);
}

void shelf_tree_ready(struct shelf *s)
{
    tree_on_wrap(s->tree, wrap_opens, s);
    tree_on_placed(s->tree, placed, s);
}

/* ---- which version ---- */

struct picking {
    uint64_t serial, at_ms;
    const struct tree_past *best;
};

static bool on_pick(void *arg, const struct tree_past *e)
{
    struct picking *p = arg;
    if (p->serial != 0 ? e->serial == p->serial : p->at_ms == 0 || e->time_ms <= p->at_ms)
        p->best = e;
    return true;
}

/* The version of that number; the one that was there at that moment (by the clocks of those who
 * wrote); without either: the living one, else the one that was removed last. */
enum status shelf_pick(const struct shelf *s, struct bytes path, const struct node_version_of *of,
                       struct shelf_picked *ret)
{
    struct picking p = {of->number, of->at_ms, NULL};
    const struct tree_node *node = tree_find(s->tree, path);
    if (node != NULL && node->dir) return ST_USAGE;
    bool living = node != NULL && (of->number != 0 ? node->serial == of->number
                                                   : of->at_ms == 0 || node->time_ms <= of->at_ms);
    if (living) {
        *ret = (struct shelf_picked){&node->file, node->serial, node->time_ms, true};
        return ST_OK;
    }
    tree_past_of(s->tree, path, false, on_pick, &p);
    if (p.best == NULL) return ST_NOT_FOUND;
    if (of->at_ms != 0 && p.best->removed && p.best->gone_ms <= of->at_ms) return ST_NOT_FOUND;
    *ret = (struct shelf_picked){&p.best->file, p.best->serial, p.best->time_ms, false};
    return ST_OK;
}

/* ---- versions and trash as lists ---- */

struct listing {
    struct shelf *s;
    node_version_visit *visit;
    void *arg;
    const struct tree_past *last; /* trash: the newest of its group so far */
    unsigned older;
};

static void tell_past(const struct listing *l, const struct tree_past *e, unsigned older)
{
    struct node_version v = {.path = e->path,
                             .number = e->serial,
                             .size = e->file.size,
                             .time_ms = e->time_ms,
                             .mtime_ms = e->file.mtime_ms,
                             .by = enclave_nick(l->s->e, e->leaf),
                             .state = e->removed ? "removed" : "replaced",
                             .gone_ms = e->gone_ms,
                             .gone_by = enclave_nick(l->s->e, e->gone_leaf),
                             .older = older};
    if (e->removed) v.due_ms = e->gone_ms + TREE_TRASH_MS;
    l->visit(l->arg, &v);
}

static bool on_version(void *arg, const struct tree_past *e)
{
    tell_past(arg, e, 0);
    return true;
}

static enum status shelf_of(struct node *n, const char *name, bool change, struct shelf **ret)
{
    if (!n->started) return ST_LOCKED;
    struct enclave *e = node_find(n, name);
    if (e == NULL) return ST_NOT_FOUND;
    if (e->shelf == NULL || (change && !enclave_in(e))) return ST_DENIED;
    *ret = e->shelf;
    return ST_OK;
}

static bool on_first(void *arg, const struct tree_past *e)
{
    *(const struct tree_past **)arg = e;
    return false;
}

enum status node_versions(struct node *n, const char *name, struct bytes path,
                          node_version_visit *visit, void *arg)
{
    struct shelf *s;
    const struct tree_past *any = NULL;
    enum status st = shelf_of(n, name, false, &s);
    if (st != ST_OK) return st;
    struct listing l = {.s = s, .visit = visit, .arg = arg};
    const struct tree_node *node = tree_find(s->tree, path);
    if (node != NULL && node->dir) return ST_USAGE;
    tree_past_of(s->tree, path, false, on_first, (void *)&any);
    if (node == NULL && any == NULL) return ST_NOT_FOUND;
    tree_past_of(s->tree, path, false, on_version, &l);
    if (node != NULL) {
        struct node_version v = {.path = node->path,
                                 .number = node->serial,
                                 .size = node->file.size,
                                 .time_ms = node->time_ms,
                                 .mtime_ms = node->file.mtime_ms,
                                 .by = enclave_nick(s->e, node->leaf),
                                 .state = "living",
                                 .gone_by = ""};
        visit(arg, &v);
    }
    return ST_OK;
}

/* A line a removed file: its newest version, and how many older ones came along. */
static bool on_trash(void *arg, const struct tree_past *e)
{
    struct listing *l = arg;
    if (!e->removed) return true;
    if (l->last != NULL && bytes_same(l->last->path, e->path) &&
        l->last->gone_index == e->gone_index) {
        l->older++;
    } else {
        if (l->last != NULL) tell_past(l, l->last, l->older);
        l->older = 0;
    }
    l->last = e;
    return true;
}

enum status node_trash(struct node *n, const char *name, struct bytes path,
                       node_version_visit *visit, void *arg)
{
    struct shelf *s;
    enum status st = shelf_of(n, name, false, &s);
    if (st != ST_OK) return st;
    struct listing l = {.s = s, .visit = visit, .arg = arg};
    if (path.n > 0) tree_past_of(s->tree, path, false, on_trash, &l);
    tree_past_of(s->tree, path, true, on_trash, &l);
    if (l.last != NULL) tell_past(&l, l.last, l.older);
    return ST_OK;
}

/* ---- entries of many records ---- */

/* Records gathered into entries; the last one is told when it is folded. */
struct saying {
    struct shelf *s;
    struct buf body;
    size_t records;
    enum status st;
};

static void saying_start(struct saying *y, struct shelf *s)
{
    *y = (struct saying){.s = s};
    buf_init(&y->body, TREE_BODY_MAX);
    tree_body_start(&y->body);
}

static void flush(struct saying *y)
{
    y->st = buf_status(&y->body);
    if (y->st == ST_OK) y->st = shelf_queue(y->s, TREE_OP, buf_view(&y->body), NULL, NULL, NULL);
    tree_body_start(&y->body);
}

/* add: ST_TOO_BIG when the body is full; then it goes out and the record into the next. */
#define SAY(y, add)                            \
    do {                                       \
        enum status st_ = (add);               \
        if (st_ == ST_TOO_BIG) {               \
            flush(y);                          \
            if ((y)->st == ST_OK) st_ = (add); \
        }                                      \
        if ((y)->st == ST_OK) (y)->st = st_;   \
        (y)->records += (y)->st == ST_OK;      \
    } while (0)

static enum status saying_end(struct saying *y, node_done *done, void *arg)
{
    if (y->st == ST_OK) y->st = buf_status(&y->body);
    if (y->st == ST_OK) y->st = shelf_queue(y->s, TREE_OP, buf_view(&y->body), NULL, done, arg);
    buf_free(&y->body);
    return y->st;
}

/* ---- restore ---- */

static void say_put(struct saying *y, struct bytes path, const struct tree_file *file)
{
    static const uint8_t none[32];
    const struct tree_node *now = tree_find(y->s->tree, path);
    struct tree_file f = *file;
    if (!tree_wrap(y->s->tree, f.version, &f.epoch, f.wrap)) {
        y->st = ST_NOT_FOUND;
        return;
    }
    const uint8_t *base = now != NULL && !now->dir ? now->file.version : none;
    SAY(y, tree_add_put(&y->body, path, base, &f));
}

struct restoring {
    struct saying y;
    struct node_version_of of;
    struct bytes last; /* path looked at last */
};

/* Inside a directory: each path once. What lives stays, unless a moment was named. */
static bool on_below(void *arg, const struct tree_past *e)
{
    struct restoring *r = arg;
    const struct shelf *s = r->y.s;
    struct shelf_picked p;
    if (r->last.p != NULL && bytes_same(r->last, e->path)) return r->y.st == ST_OK;
    r->last = e->path;
    const struct tree_node *now = tree_find(s->tree, e->path);
    if (now != NULL && (now->dir || r->of.at_ms == 0)) return true;
    if (shelf_pick(s, e->path, &r->of, &p) == ST_OK && !p.living) say_put(&r->y, e->path, p.file);
    return r->y.st == ST_OK;
}

enum status node_restore(struct node *n, const char *name, struct bytes path,
                         const struct node_version_of *of, node_done *done, void *arg)
{
    struct shelf *s;
    struct shelf_picked p;
    struct restoring r = {.of = *of};
    enum status st = shelf_of(n, name, true, &s);
    if (st == ST_OK) st = tree_path_check(path);
    if (st != ST_OK) return st;
    saying_start(&r.y, s);
    st = shelf_pick(s, path, of, &p);
    if (st == ST_OK && p.living) {
        st = ST_EXISTS;
    } else if (st == ST_OK) {
        say_put(&r.y, path, p.file);
        st = r.y.st;
    } else if (of->number == 0) { /* a directory that lives, or lived */
        r.y.st = ST_OK;
        tree_past_of(s->tree, path, true, on_below, &r);
        st = r.y.st != ST_OK ? r.y.st : r.y.records == 0 ? ST_NOT_FOUND : ST_OK;
    }
    if (st == ST_OK) return saying_end(&r.y, done, arg);
    buf_free(&r.y.body);
    return st;
}

/* ---- retention, gc ---- */

static const char *const keeps[] = {"none", "staggered", "all"};

static enum status say_keep(struct shelf *s, enum tree_keep keep, node_done *done, void *arg)
{
    struct saying y;
    saying_start(&y, s);
    SAY(&y, tree_add_keep(&y.body, keep));
    return saying_end(&y, done, arg);
}

enum status node_retention(struct node *n, const char *name, const char **ret)
{
    struct shelf *s;
    enum status st = shelf_of(n, name, false, &s);
    if (st == ST_OK) *ret = keeps[tree_retention(s->tree)];
    return st;
}

enum status node_retention_set(struct node *n, const char *name, const char *keep, node_done *done,
                               void *arg)
{
    struct shelf *s;
    enum status st = shelf_of(n, name, true, &s);
    if (st != ST_OK) return st;
    for (unsigned i = 0; i < sizeof keeps / sizeof keeps[0]; i++)
        if (strcmp(keep, keeps[i]) == 0) return say_keep(s, (enum tree_keep)i, done, arg);
    return ST_USAGE;
}

enum status node_gc(struct node *n, const char *name, node_version_visit *visit, void *arg,
                    uint64_t *ret_bytes)
{
    struct shelf *s;
    enum status st = shelf_of(n, name, false, &s);
    if (st != ST_OK) return st;
    struct listing l = {.s = s, .visit = visit, .arg = arg};
    tree_due(s->tree, group_leaf(s->e->group), env_wall_ms(n->ports.env), on_version, &l);
    *ret_bytes = tree_due_bytes(s->tree);
    return ST_OK;
}

enum status node_gc_run(struct node *n, const char *name, node_done *done, void *arg)
{
    struct shelf *s;
    enum status st = shelf_of(n, name, true, &s);
    return st == ST_OK ? say_keep(s, TREE_KEEP_SAME, done, arg) : st;
}

/* ---- rekey ---- */

struct rekeying {
    struct saying y;
    uint64_t epoch;
    uint8_t kek[32];
    size_t closed; /* keys that we do not have */
};

static bool say_wrap(void *arg, const uint8_t version[32])
{
    struct rekeying *r = arg;
    struct shelf *s = r->y.s;
    uint64_t epoch;
    uint8_t cek[32], wrap[TREE_WRAP], nonce[XAEAD_NONCE];
    if (!tree_wrap(s->tree, version, &epoch, wrap) || epoch >= r->epoch) return true;
    if (shelf_unwrap(s, version, epoch, wrap, cek) == ST_OK) {
        env_random(s->e->node->ports.env, nonce, sizeof nonce);
        cek_wrap(r->kek, nonce, version, r->epoch, cek, wrap);
        SAY(&r->y, tree_add_wrap(&r->y.body, version, r->epoch, wrap));
    } else {
        r->closed++;
    }
    bytes_wipe(cek, sizeof cek);
    return r->y.st == ST_OK;
}

enum status node_files_rekey(struct node *n, const char *name, size_t *ret_files, node_done *done,
                             void *arg)
{
    struct shelf *s;
    struct rekeying r;
    enum status st = shelf_of(n, name, true, &s);
    if (st != ST_OK) return st;
    r.epoch = group_epoch(s->e->group);
    r.closed = 0;
    st = group_key(s->e->group, GROUP_KEY_FILE_KEK, r.epoch, r.kek);
    if (st != ST_OK) return st;
    saying_start(&r.y, s);
    tree_versions(s->tree, say_wrap, &r);
    bytes_wipe(r.kek, sizeof r.kek);
    *ret_files = r.y.records;
    if (r.y.st == ST_OK && r.y.records == 0) r.y.st = r.closed > 0 ? ST_DENIED : ST_EXISTS;
    if (r.y.st == ST_OK) return saying_end(&r.y, done, arg);
    buf_free(&r.y.body);
    return r.y.st;
}
