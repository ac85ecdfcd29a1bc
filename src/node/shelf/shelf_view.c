/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* ls, info, mkdir, mv, rm: the tree as its owner sees and changes it. */
#include "node/shelf/shelf.h"

#include "base/encode.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Printable ASCII and UTF-8 lead and trail bytes stay; control characters become '?'. */
void shelf_path_text(struct bytes path, char *out, size_t room)
{
    size_t n = path.n < room - 1 ? path.n : room - 1;
    for (size_t i = 0; i < n; i++)
        out[i] = path.p[i] < 0x20 || path.p[i] == 0x7F ? '?' : (char)path.p[i];
    out[n] = '\0';
}

struct survey {
    struct shelf *s;
    int may;
    unsigned holders, segments;
    struct place_code code;
};

static bool on_segment(void *arg, const struct tree_segment *t)
{
    struct survey *v = arg;
    uint16_t at[PLACE_COLUMNS_MAX];
    unsigned holders;
    for (unsigned i = 0; i < t->n; i++) {
        at[i] = shelf_holds(v->s, t->at[i]) ? t->at[i] : PLACE_NOBODY;
        for (size_t b = 0; b < v->s->n_bad; b++)
            if (v->s->bad[b].leaf == at[i] && v->s->bad[b].index == i &&
                memcmp(v->s->bad[b].segment_id, t->id, 32) == 0)
                at[i] = PLACE_NOBODY;
    }
    int may = place_may_vanish(at, t->n, t->k, &holders);
    if (v->segments == 0 || may < v->may) v->may = may;
    if (v->segments == 0 || holders < v->holders) v->holders = holders;
    v->code = (struct place_code){t->k, t->n};
    v->segments++;
    return true;
}

int shelf_may_vanish(struct shelf *s, const uint8_t version[32], unsigned *ret_holders,
                     unsigned *ret_segments, struct place_code *ret_code)
{
    struct survey v = {.s = s};
    tree_segments(s->tree, version, on_segment, &v);
    *ret_holders = v.holders;
    *ret_segments = v.segments;
    *ret_code = v.code;
    return v.may;
}

static void words(struct shelf *s, const struct node_file *f, int may, char *out, size_t room)
{
    unsigned members = (unsigned)ledger_members(group_ledger(s->e->group));
    if (f->directory)
        snprintf(out, room, "directory");
    else if (f->segments == 0 && f->size == 0)
        snprintf(out, room, "empty: every member has it");
    else if (f->segments == 0)
        snprintf(out, room, "not placed yet");
    else if (may < 0)
        snprintf(out, room, "cannot be read now: too few of its shards are left");
    else if (f->holders <= 1)
        snprintf(out, room, members <= 1 ? "only on this machine" : "only on one machine");
    else
        snprintf(out, room, "any %d of %u %s may vanish", may, f->holders,
                 tree_depots(s->tree)->n > 0 ? "holders" : "members");
}

/* Texts of a struct node_file. */
struct told {
    char safety[128], survival[32];
};

static void fill(struct shelf *s, const struct tree_node *node, struct node_file *f,
                 struct told *told)
{
    char *safety = told->safety;
    size_t room = sizeof told->safety;
    struct place_code code = {0};
    int may = 0;
    *f = (struct node_file){.path = node->path,
                            .directory = node->dir,
                            .size = node->file.size,
                            .mtime_ms = node->dir ? node->time_ms : node->file.mtime_ms,
                            .version = node->serial,
                            .by = enclave_nick(s->e, node->leaf),
                            .safety = safety,
                            .survival = "",
                            .weakest = "",
                            .detail = ""};
    if (!node->dir) may = shelf_may_vanish(s, node->file.version, &f->holders, &f->segments, &code);
    f->may_vanish = may < 0 ? 0 : (unsigned)may;
    f->k = code.k;
    f->n = code.n;
    words(s, f, may, safety, room);
    if (node->dir || f->segments == 0) return;
    uint16_t weakest;
    double survival;
    shelf_survival(s, node->file.version, &survival, &weakest);
    shelf_survival_text(survival, told->survival, sizeof told->survival);
    f->survival = told->survival;
    if (weakest != PLACE_NOBODY) f->weakest = enclave_nick(s->e, weakest);
}

struct listing {
    struct shelf *s;
    node_file_visit *visit;
    void *arg;
};

static bool on_node(void *arg, const struct tree_node *node)
{
    struct listing *l = arg;
    struct node_file f;
    struct told told;
    fill(l->s, node, &f, &told);
    l->visit(l->arg, &f);
    return true;
}

static enum status shelf_of(struct node *n, const char *name, struct shelf **ret)
{
    if (!n->started) return ST_LOCKED;
    struct enclave *e = node_find(n, name);
    if (e == NULL) return ST_NOT_FOUND;
    if (e->shelf == NULL) return ST_DENIED;
    *ret = e->shelf;
    return ST_OK;
}

enum status node_ls(struct node *n, const char *name, struct bytes path, node_file_visit *visit,
                    void *arg)
{
    struct shelf *s;
    enum status st = shelf_of(n, name, &s);
    if (st != ST_OK) return st;
    struct listing l = {s, visit, arg};
    const struct tree_node *node = path.n == 0 ? NULL : tree_find(s->tree, path);
    if (path.n > 0 && node == NULL) return ST_NOT_FOUND;
    if (node != NULL && !node->dir) {
        on_node(&l, node);
        return ST_OK;
    }
    return tree_list(s->tree, path, false, on_node, &l) ? ST_OK : ST_NOT_FOUND;
}

/* ---- info: a line a holder ---- */

#define HOLDERS_MAX (DEPOTS_FIRST + DEPOTS_MAX) /* numbers of members, then of storage nodes */

struct holders {
    struct shelf *s;
    unsigned columns[HOLDERS_MAX];
    unsigned bad[HOLDERS_MAX];
    unsigned missing;
    unsigned n_bad;
};

static bool on_placed(void *arg, const struct tree_segment *t)
{
    struct holders *h = arg;
    for (unsigned i = 0; i < t->n; i++) {
        if (t->at[i] >= HOLDERS_MAX || !shelf_holds(h->s, t->at[i])) {
            h->missing++;
            continue;
        }
        h->columns[t->at[i]]++;
        for (size_t b = 0; b < h->s->n_bad; b++)
            if (h->s->bad[b].leaf == t->at[i] && h->s->bad[b].index == i &&
                memcmp(h->s->bad[b].segment_id, t->id, 32) == 0) {
                h->bad[t->at[i]]++;
                h->n_bad++;
            }
    }
    return true;
}

static const char *presence(const struct shelf *s, uint16_t leaf)
{
    if (leaf >= DEPOTS_FIRST) return hold_up(s->hold, leaf) ? "linked directly" : "not linked now";
    if (leaf == group_leaf(s->e->group)) return "this machine";
    switch (s->e->peers == NULL ? PEERS_OFFLINE : peers_path(s->e->peers, leaf)) {
    case PEERS_DIRECT: return "linked directly";
    case PEERS_CIRCUIT: return "linked through the sentinel";
    case PEERS_ONLINE: return "online";
    case PEERS_OFFLINE: break;
    }
    return "offline";
}

static void describe(struct shelf *s, const struct tree_node *node, struct node_file *f,
                     struct buf *out)
{
    struct holders *h = calloc(1, sizeof *h);
    if (h == NULL) return;
    h->s = s;
    tree_segments(s->tree, node->file.version, on_placed, h);
    for (unsigned i = 0; i < HOLDERS_MAX; i++) {
        const struct depot_taken *t = depots_find(tree_depots(s->tree), (uint16_t)i);
        if (h->columns[i] == 0) continue;
        buf_printf(out, "%s: %u shards (%s)",
                   t != NULL ? t->address : enclave_nick(s->e, (uint16_t)i), h->columns[i],
                   presence(s, (uint16_t)i));
        if (h->bad[i] > 0) buf_printf(out, ", %u damaged", h->bad[i]);
        buf_printf(out, "\n");
    }
    if (h->missing > 0)
        buf_printf(out, "nowhere yet, or with members who left: %u shards\n", h->missing);
    f->bad_shards = h->n_bad;
    free(h);
}

static bool uses(const struct tree_file *f, const uint8_t segment_id[32])
{
    for (size_t i = 0; i + 32 <= f->uses.n; i += 32)
        if (memcmp(f->uses.p + i, segment_id, 32) == 0) return true;
    return false;
}

/* What only the manifest tells. */
static void manifest_tells(struct shelf *s, const struct tree_node *node, struct node_file *f)
{
    uint8_t cek[32];
    struct buf plain;
    struct manifest m;
    buf_init(&plain, MANIFEST_PLAIN_MAX);
    manifest_init(&m);
    if (shelf_cek(s, node->file.version, cek) == ST_OK &&
        manifest_open(cek, node->file.manifest, &plain) == ST_OK &&
        manifest_decode(buf_view(&plain), &m) == ST_OK) {
        if (m.kind == MANIFEST_FILE) hex_encode(BYTES_OF(m.hash), f->sha256);
        for (size_t i = 0; i < m.chunks_n && m.kind == MANIFEST_FILE; i++)
            if (uses(&node->file, m.segments[m.chunks[i].segment].id))
                f->shared += m.chunks[i].plain;
        manifest_free(&m);
    }
    bytes_wipe(cek, sizeof cek);
    buf_free(&plain);
}

enum status node_info(struct node *n, const char *name, struct bytes path, node_file_visit *visit,
                      void *arg)
{
    struct shelf *s;
    struct node_file f;
    struct told told;
    struct buf detail = BUF_INIT;
    enum status st = shelf_of(n, name, &s);
    if (st != ST_OK) return st;
    const struct tree_node *node = tree_find(s->tree, path);
    if (node == NULL) return ST_NOT_FOUND;
    fill(s, node, &f, &told);
    if (!node->dir) {
        describe(s, node, &f, &detail);
        manifest_tells(s, node, &f);
    }
    buf_u8(&detail, 0);
    if (buf_status(&detail) == ST_OK) f.detail = (const char *)detail.p;
    visit(arg, &f);
    buf_free(&detail);
    return ST_OK;
}

struct keeping {
    uint64_t *bytes; /* by leaf number, LEDGER_EVER_MAX of them */
};

static bool on_kept(void *arg, const struct tree_segment *t)
{
    struct keeping *k = arg;
    for (unsigned i = 0; i < t->n; i++)
        if (t->at[i] < LEDGER_EVER_MAX) k->bytes[t->at[i]] += t->rows * (uint64_t)SHARD_UNIT;
    return true;
}

void enclave_files_kept(const struct enclave *e, uint64_t *ret_bytes)
{
    struct keeping k = {ret_bytes};
    if (e->shelf != NULL) tree_segments(e->shelf->tree, NULL, on_kept, &k);
}

/* ---- changes ---- */

static enum status post(struct shelf *s, struct buf *body, enum status st, node_done *done,
                        void *arg)
{
    if (st == ST_OK) st = buf_status(body);
    if (st == ST_OK) st = shelf_queue(s, TREE_OP, buf_view(body), NULL, done, arg);
    buf_free(body);
    return st;
}

static enum status writable(struct node *n, const char *name, struct shelf **ret)
{
    enum status st = shelf_of(n, name, ret);
    if (st == ST_OK && !enclave_in((*ret)->e)) st = ST_DENIED;
    return st;
}

enum status node_mkdir(struct node *n, const char *name, struct bytes path, node_done *done,
                       void *arg)
{
    struct shelf *s;
    struct buf body;
    enum status st = writable(n, name, &s);
    if (st == ST_OK) st = tree_path_check(path);
    if (st == ST_OK && tree_find(s->tree, path) != NULL) st = ST_EXISTS;
    if (st != ST_OK) return st;
    buf_init(&body, TREE_BODY_MAX);
    tree_body_start(&body);
    return post(s, &body, tree_add_mkdir(&body, path), done, arg);
}

enum status node_mv(struct node *n, const char *name, struct bytes from, struct bytes to,
                    node_done *done, void *arg)
{
    struct shelf *s;
    struct buf body, goal = BUF_INIT;
    uint8_t base[32] = {0};
    enum status st = writable(n, name, &s);
    if (st != ST_OK) return st;
    const struct tree_node *node = tree_find(s->tree, from);
    if (node == NULL) return ST_NOT_FOUND;
    const struct tree_node *there = to.n == 0 ? NULL : tree_find(s->tree, to);
    buf_bytes(&goal, to);
    if (to.n == 0 || (there != NULL && there->dir)) { /* into a directory, under its own name */
        size_t cut = from.n;
        while (cut > 0 && from.p[cut - 1] != '/') cut--;
        if (to.n > 0) buf_u8(&goal, '/');
        buf_raw(&goal, from.p + cut, from.n - cut);
        there = tree_find(s->tree, buf_view(&goal));
    }
    st = there != NULL ? ST_EXISTS : tree_path_check(buf_view(&goal));
    if (st == ST_OK) {
        if (!node->dir) memcpy(base, node->file.version, 32);
        buf_init(&body, TREE_BODY_MAX);
        tree_body_start(&body);
        st = post(s, &body, tree_add_mv(&body, from, buf_view(&goal), base), done, arg);
    }
    buf_free(&goal);
    return st;
}

struct removing {
    struct buf *body;
    const struct tree_node **list;
    size_t n, room;
};

static bool on_below(void *arg, const struct tree_node *node)
{
    struct removing *r = arg;
    if (r->n == r->room) return false;
    r->list[r->n++] = node;
    return true;
}

static enum status add_rm(struct buf *body, const struct tree_node *node)
{
    static const uint8_t none[32];
    return tree_add_rm(body, node->path, node->dir ? none : node->file.version);
}

enum status node_rm(struct node *n, const char *name, struct bytes path, bool recursive,
                    node_done *done, void *arg)
{
    struct shelf *s;
    struct buf body;
    enum status st = writable(n, name, &s);
    if (st != ST_OK) return st;
    const struct tree_node *node = tree_find(s->tree, path);
    if (node == NULL) return ST_NOT_FOUND;
    buf_init(&body, TREE_BODY_MAX);
    struct removing r = {.body = &body, .room = TREE_RECORDS_MAX};
    r.list = calloc(r.room, sizeof *r.list);
    if (r.list == NULL) return ST_NO_MEMORY;
    tree_body_start(&body);
    if (node->dir) tree_list(s->tree, path, true, on_below, &r);
    if (r.n > 0 && !recursive) st = ST_CONFLICT;
    if (r.n + 1 > TREE_RECORDS_MAX) st = ST_TOO_BIG;
    while (st == ST_OK && r.n > 0) st = add_rm(&body, r.list[--r.n]); /* the deepest first */
    if (st == ST_OK) st = add_rm(&body, node);
    free(r.list);
    if (st != ST_OK) {
        buf_free(&body);
        return st;
    }
    return post(s, &body, ST_OK, done, arg);
}
