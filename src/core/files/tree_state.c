/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Bodies of feed-2 entries: records, and the whole state. */
#include "core/files/tree_private.h"
#include "crypto/hash.h"

#include <string.h>

FIELDS_DEFINE(tree_put, TREE_PUT_FIELDS);
FIELDS_DEFINE(tree_mkdir, TREE_MKDIR_FIELDS);
FIELDS_DEFINE(tree_mv, TREE_MV_FIELDS);
FIELDS_DEFINE(tree_rm, TREE_RM_FIELDS);
FIELDS_DEFINE(tree_at, TREE_AT_FIELDS);
FIELDS_DEFINE(tree_keep_set, TREE_KEEP_FIELDS);
FIELDS_DEFINE(tree_wrap_set, TREE_REWRAP_FIELDS);
FIELDS_DEFINE(tree_loss, TREE_LOSS_FIELDS);

#define STATE_VERSION 2
#define SNAP_INLINE 0 /* form of the state in a SNAP; 1 = in a manifest is reserved */

union record {
    struct tree_put put;
    struct tree_mkdir mkdir;
    struct tree_mv mv;
    struct tree_rm rm;
    struct tree_at at;
    struct tree_keep_set keep;
    struct tree_wrap_set wrap;
    struct depot_take depot;
    struct depot_sign sign;
    struct depot_let_go let_go;
    struct tree_loss loss;
};

static const struct fields *fields_of(uint8_t kind)
{
    switch (kind) {
    case TREE_PUT: return &tree_put_fields;
    case TREE_MKDIR: return &tree_mkdir_fields;
    case TREE_MV: return &tree_mv_fields;
    case TREE_RM: return &tree_rm_fields;
    case TREE_AT: return &tree_at_fields;
    case TREE_KEEP: return &tree_keep_set_fields;
    case TREE_REWRAP: return &tree_wrap_set_fields;
    case TREE_DEPOT: return &depot_take_fields;
    case TREE_DEPOT_SIGN: return &depot_sign_fields;
    case TREE_DEPOT_LET_GO: return &depot_let_go_fields;
    case TREE_LOSS: return &tree_loss_fields;
    default: return NULL;
    }
}

/* Reads record i; the body was or is being checked as a whole first. */
static enum status read_record(struct cursor *c, bool placed_only, uint8_t *ret_kind,
                               union record *ret)
{
    uint8_t kind = cursor_u8(c);
    struct bytes body = cursor_take(c, cursor_u32(c));
    const struct fields *f = fields_of(kind);
    if (c->bad) return ST_BAD_MESSAGE;
    if (!f || (placed_only && kind != TREE_AT && kind != TREE_LOSS)) return ST_BAD_MESSAGE;
    *ret_kind = kind;
    return fields_decode(f, body, ret);
}

enum status tree_take(struct tree *t, uint8_t type, struct bytes body, const struct tree_from *from,
                      tree_told *told, void *arg)
{
    enum status st = ST_OK;
    union record r;
    uint8_t kind;
    if (type != TREE_OP && type != TREE_PLACED)
        return type == TREE_SNAP || type == TREE_TRIM ? ST_OK : ST_VERSION;
    if (body.n > TREE_BODY_MAX) return ST_TOO_BIG;
    /* All or nothing: read the whole before a record of it is applied. */
    for (unsigned pass = 0; pass < 2; pass++) {
        struct cursor c = cursor_of(body);
        size_t n = cursor_u16(&c);
        if (c.bad || n > TREE_RECORDS_MAX) return ST_BAD_MESSAGE;
        if (pass) {
            tree_clock_tick(&t->clock, from->leaf, from->time_ms);
            tree_past_expire(t);
        }
        for (size_t i = 0; i < n; i++) {
            TRY(read_record(&c, type == TREE_PLACED, &kind, &r));
            if (pass) TRY(tree_apply(t, kind, &r, from, told, arg));
        }
        TRY(cursor_end(&c));
    }
out:
    return st;
}

/* --- builders ------------------------------------------------------------------------------ */

void tree_body_start(struct buf *body)
{
    buf_clear(body);
    buf_u16(body, 0);
}

static enum status add(struct buf *body, uint8_t kind, const void *record)
{
    const struct fields *f = fields_of(kind);
    size_t size = fields_size(f, record);
    if (body->n < 2) return ST_BUG;
    uint16_t count = get_u16(body->p);
    if (count >= TREE_RECORDS_MAX || body->n + 5 + size > TREE_BODY_MAX) return ST_TOO_BIG;
    buf_u8(body, kind);
    buf_u32(body, (uint32_t)size);
    enum status st = fields_encode(f, record, body);
    if (st == ST_OK) put_u16(body->p, (uint16_t)(count + 1));
    return st;
}

enum status tree_add_put(struct buf *body, struct bytes path, const uint8_t base[32],
                         const struct tree_file *file)
{
    struct tree_put r = {.path = path,
                         .size = file->size,
                         .mtime_ms = file->mtime_ms,
                         .mode = file->mode,
                         .epoch = file->epoch,
                         .manifest = file->manifest,
                         .uses = {file->uses.p, file->uses.n / 32}};
    enum status st = tree_path_check(path);
    if (st != ST_OK) return st;
    memcpy(r.base, base, 32);
    memcpy(r.version, file->version, 32);
    memcpy(r.wrap, file->wrap, TREE_WRAP);
    return add(body, TREE_PUT, &r);
}

enum status tree_add_mkdir(struct buf *body, struct bytes path)
{
    struct tree_mkdir r = {.path = path};
    enum status st = tree_path_check(path);
    return st == ST_OK ? add(body, TREE_MKDIR, &r) : st;
}

enum status tree_add_mv(struct buf *body, struct bytes from, struct bytes to,
                        const uint8_t base[32])
{
    struct tree_mv r = {.from = from, .to = to};
    enum status st;
    TRY(tree_path_check(from));
    TRY(tree_path_check(to));
    memcpy(r.base, base, 32);
    st = add(body, TREE_MV, &r);
out:
    return st;
}

enum status tree_add_rm(struct buf *body, struct bytes path, const uint8_t base[32])
{
    struct tree_rm r = {.path = path};
    enum status st = tree_path_check(path);
    if (st != ST_OK) return st;
    memcpy(r.base, base, 32);
    return add(body, TREE_RM, &r);
}

enum status tree_add_keep(struct buf *body, enum tree_keep keep)
{
    struct tree_keep_set r = {.keep = (uint8_t)keep};
    return add(body, TREE_KEEP, &r);
}

enum status tree_add_wrap(struct buf *body, const uint8_t version[32], uint64_t epoch,
                          const uint8_t wrap[TREE_WRAP])
{
    struct tree_wrap_set r = {.epoch = epoch};
    memcpy(r.version, version, 32);
    memcpy(r.wrap, wrap, TREE_WRAP);
    return add(body, TREE_REWRAP, &r);
}

static void at_of(const struct tree_segment *s, struct tree_at *r,
                  uint8_t room[2 * PLACE_COLUMNS_MAX])
{
    memcpy(r->id, s->id, 32);
    memcpy(r->version, s->version, 32);
    memcpy(r->root, s->root, 32);
    r->rows = s->rows;
    r->k = s->k;
    for (unsigned i = 0; i < s->n; i++) put_u16(room + 2 * i, s->at[i]);
    r->at = (struct list){room, s->n};
}

enum status tree_add_placed(struct buf *body, const struct tree_segment *s)
{
    struct tree_at r;
    uint8_t room[2 * PLACE_COLUMNS_MAX];
    if (s->n > PLACE_COLUMNS_MAX) return ST_BUG;
    at_of(s, &r, room);
    return add(body, TREE_AT, &r);
}

enum status tree_add_depot(struct buf *body, const struct depot_take *r)
{
    return add(body, TREE_DEPOT, r);
}

enum status tree_add_depot_sign(struct buf *body, const struct depot_sign *r)
{
    return add(body, TREE_DEPOT_SIGN, r);
}

enum status tree_add_depot_let_go(struct buf *body, uint16_t number)
{
    struct depot_let_go r = {.number = number};
    return add(body, TREE_DEPOT_LET_GO, &r);
}

enum status tree_add_loss(struct buf *body, const uint8_t segment_id[32], uint8_t index,
                          uint16_t holder)
{
    struct tree_loss r = {.index = index, .holder = holder};
    memcpy(r.id, segment_id, 32);
    return add(body, TREE_LOSS, &r);
}

/* --- the state ----------------------------------------------------------------------------- */

/* Writes to out; with a hash, each item goes there instead and out is only room. */
struct writer {
    struct buf *out;
    struct sha256 *hash;
    tree_rewrap *rewrap;
    void *arg;
    enum status st;
};

static void flush(struct writer *w)
{
    if (!w->hash) return;
    sha256_add(w->hash, buf_view(w->out));
    buf_clear(w->out);
}

static void write_file(struct writer *w, const struct tree_file *f)
{
    buf_raw(w->out, f->version, 32);
    buf_u64(w->out, f->size);
    buf_u64(w->out, f->mtime_ms);
    buf_u32(w->out, f->mode);
}

static void write_version(struct writer *w, const struct tree_version *v)
{
    uint64_t epoch = v->epoch;
    uint8_t wrap[TREE_WRAP];
    memcpy(wrap, v->wrap, TREE_WRAP);
    buf_raw(w->out, v->id, 32);
    if (!w->hash) {
        if (w->rewrap && w->st == ST_OK) w->st = w->rewrap(w->arg, v->id, &epoch, wrap);
        buf_u64(w->out, epoch);
        buf_raw(w->out, wrap, TREE_WRAP);
    }
    buf_u16(w->out, (uint16_t)v->manifest.n);
    buf_bytes(w->out, v->manifest);
    buf_u16(w->out, (uint16_t)(v->uses.n / 32));
    buf_bytes(w->out, v->uses);
    flush(w);
}

static void write_path(struct writer *w, struct bytes path)
{
    buf_u16(w->out, (uint16_t)path.n);
    buf_bytes(w->out, path);
}

static void write_from(struct writer *w, uint16_t leaf, uint64_t index, uint64_t time_ms)
{
    buf_u16(w->out, leaf);
    buf_u64(w->out, index);
    buf_u64(w->out, time_ms);
}

static void write_node(struct writer *w, const struct tree_node *n)
{
    buf_u8(w->out, n->dir ? 0 : 1);
    write_path(w, n->path);
    write_from(w, n->leaf, n->index, n->time_ms);
    if (!n->dir) {
        buf_u64(w->out, n->serial);
        buf_u64(w->out, n->clock_ms);
        write_file(w, &n->file);
    }
    flush(w);
}

static void write_past(struct writer *w, const struct tree_past *e)
{
    buf_u8(w->out, e->removed ? 1 : 0);
    write_path(w, e->path);
    write_from(w, e->leaf, e->index, e->time_ms);
    buf_u64(w->out, e->serial);
    buf_u64(w->out, e->clock_ms);
    write_from(w, e->gone_leaf, e->gone_index, e->gone_ms);
    buf_u64(w->out, e->gone);
    write_file(w, &e->file);
    flush(w);
}

static void write_state(struct writer *w, const struct tree *t)
{
    buf_u8(w->out, STATE_VERSION);
    buf_u8(w->out, t->keep);
    buf_u64(w->out, t->serial);
    buf_u64(w->out, t->clock.ms);
    buf_u64(w->out, t->clock.first_ms);
    buf_u16(w->out, t->clock.first_leaf);
    buf_u64(w->out, t->clock.second_ms);
    buf_u32(w->out, (uint32_t)t->segments.n);
    for (size_t i = 0; i < t->segments.n && w->st == ST_OK; i++) {
        struct tree_at r;
        uint8_t room[2 * PLACE_COLUMNS_MAX];
        at_of(t->segments.p[i], &r, room);
        w->st = fields_encode(&tree_at_fields, &r, w->out);
        flush(w);
    }
    buf_u32(w->out, (uint32_t)t->versions.n);
    for (size_t i = 0; i < t->versions.n && w->st == ST_OK; i++) write_version(w, t->versions.p[i]);
    buf_u32(w->out, (uint32_t)t->nodes.n);
    for (size_t i = 0; i < t->nodes.n && w->st == ST_OK; i++) write_node(w, t->nodes.p[i]);
    buf_u32(w->out, (uint32_t)t->order.n);
    for (size_t i = 0; i < t->order.n && w->st == ST_OK; i++) write_past(w, t->order.p[i]);
    if (w->st == ST_OK) w->st = depots_write(&t->depots, w->out);
    flush(w);
    if (w->st == ST_OK) w->st = buf_status(w->out);
}

void tree_on_placed(struct tree *t, tree_placed *placed, void *arg)
{
    t->placed = placed;
    t->placed_arg = arg;
}

void tree_on_wrap(struct tree *t, tree_wrap_check *check, void *arg)
{
    t->wrap_check = check;
    t->wrap_arg = arg;
}

enum status tree_save(const struct tree *t, struct buf *out)
{
    struct writer w = {.out = out};
    write_state(&w, t);
    return w.st;
}

void tree_hash(const struct tree *t, uint8_t ret[32])
{
    struct buf room = BUF_INIT;
    struct sha256 hash;
    struct writer w = {.out = &room, .hash = &hash};
    sha256_start(&hash);
    sha256_add(&hash, BYTES_LIT("ENCLAVE-TREE"));
    write_state(&w, t);
    sha256_done(&hash, ret);
    buf_free(&room);
}

/* Its version was read before. */
static enum status read_file(const struct tree *t, struct cursor *c, struct tree_file *f)
{
    cursor_copy(c, f->version, 32);
    f->size = cursor_u64(c);
    f->mtime_ms = cursor_u64(c);
    f->mode = cursor_u32(c);
    if (c->bad) return ST_BAD_MESSAGE;
    const struct tree_version *v = tree_version_find(t, f->version);
    if (!v) return ST_BAD_MESSAGE;
    f->epoch = v->epoch;
    memcpy(f->wrap, v->wrap, TREE_WRAP);
    f->manifest = v->manifest;
    f->uses = v->uses;
    return ST_OK;
}

/* The row is there from now on, and nobody refers to it yet. */
static enum status load_version(struct tree *t, struct cursor *c)
{
    struct tree_file f;
    struct tree_version *v;
    uint8_t id[32];
    memset(&f, 0, sizeof f);
    cursor_copy(c, f.version, 32);
    f.epoch = cursor_u64(c);
    cursor_copy(c, f.wrap, TREE_WRAP);
    f.manifest = cursor_take(c, cursor_u16(c));
    f.uses = cursor_take(c, (size_t)cursor_u16(c) * 32);
    if (c->bad) return ST_BAD_MESSAGE;
    if (f.manifest.n > TREE_MANIFEST_MAX || f.uses.n > (size_t)TREE_USES_MAX * 32)
        return ST_TOO_BIG;
    for (size_t i = 0; i < f.uses.n; i += 32)
        if (!tree_segment(t, f.uses.p + i) ||
            (i > 0 && memcmp(f.uses.p + i - 32, f.uses.p + i, 32) >= 0))
            return ST_INTEGRITY;
    sha256(f.manifest, id);
    if (memcmp(id, f.version, 32) != 0) return ST_INTEGRITY;
    const struct tree_version *last = t->versions.n ? t->versions.p[t->versions.n - 1] : NULL;
    if (last && memcmp(last->id, f.version, 32) >= 0) return ST_BAD_MESSAGE;
    return tree_version_hold(t, &f, &v);
}

/* A version that nobody refers to is in no state of ours. */
static enum status versions_fault(const struct tree *t)
{
    for (size_t i = 0; i < t->versions.n; i++) {
        const struct tree_version *v = t->versions.p[i];
        if (!v->living && !v->past) return ST_BAD_MESSAGE;
    }
    return ST_OK;
}

/* The parent stands in the tree and is a directory. */
static bool has_parent(const struct tree *t, struct bytes path)
{
    size_t n = path.n;
    while (n && path.p[n - 1] != '/') n--;
    if (!n) return true;
    const struct tree_node *up = tree_find(t, BYTES(path.p, n - 1));
    return up && up->dir;
}

static enum status load_node(struct tree *t, struct cursor *c)
{
    struct tree_node n;
    memset(&n, 0, sizeof n);
    uint8_t kind = cursor_u8(c);
    n.dir = kind == 0;
    n.path = cursor_take(c, cursor_u16(c));
    n.leaf = cursor_u16(c);
    n.index = cursor_u64(c);
    n.time_ms = cursor_u64(c);
    if (c->bad || kind > 1) return ST_BAD_MESSAGE;
    if (!n.dir) {
        n.serial = cursor_u64(c);
        n.clock_ms = cursor_u64(c);
        enum status st = read_file(t, c, &n.file);
        if (st == ST_OK && n.serial > t->serial) st = ST_BAD_MESSAGE;
        if (st != ST_OK) return st;
    }
    if (t->nodes.n) {
        const struct tree_node *last = t->nodes.p[t->nodes.n - 1];
        size_t m = last->path.n < n.path.n ? last->path.n : n.path.n;
        int order = m ? memcmp(last->path.p, n.path.p, m) : 0;
        if (order > 0 || (order == 0 && last->path.n >= n.path.n)) return ST_BAD_MESSAGE;
    }
    if (tree_path_check(n.path) != ST_OK || !has_parent(t, n.path)) return ST_BAD_MESSAGE;
    return tree_node_add(t, &n);
}

/* In the order they went; what was only replaced has a living file. */
static enum status load_past(struct tree *t, struct cursor *c)
{
    struct tree_past e;
    memset(&e, 0, sizeof e);
    uint8_t removed = cursor_u8(c);
    e.removed = removed != 0;
    e.path = cursor_take(c, cursor_u16(c));
    e.leaf = cursor_u16(c);
    e.index = cursor_u64(c);
    e.time_ms = cursor_u64(c);
    e.serial = cursor_u64(c);
    e.clock_ms = cursor_u64(c);
    e.gone_leaf = cursor_u16(c);
    e.gone_index = cursor_u64(c);
    e.gone_ms = cursor_u64(c);
    e.gone = cursor_u64(c);
    enum status st = read_file(t, c, &e.file);
    if (st != ST_OK) return st;
    const struct tree_past *last = t->order.n ? t->order.p[t->order.n - 1] : NULL;
    const struct tree_node *node = tree_find(t, e.path);
    if (removed > 1 || tree_path_check(e.path) != ST_OK || e.gone > t->serial ||
        e.serial > t->serial || (last && last->gone >= e.gone) ||
        (!removed && (!node || node->dir)))
        return ST_BAD_MESSAGE;
    size_t before = t->order.n;
    st = tree_past_add(t, &e);
    return st == ST_OK && t->order.n != before + 1 ? ST_TOO_BIG : st;
}

static enum status load_segment(struct tree *t, struct cursor *c)
{
    struct tree_at r;
    struct tree_segment s;
    enum status st = fields_read(&tree_at_fields, c, &r);
    if (st != ST_OK) return st;
    if (r.k < 1 || r.k > r.at.n || r.rows < 1) return ST_BAD_MESSAGE;
    memset(&s, 0, sizeof s);
    memcpy(s.id, r.id, 32);
    memcpy(s.version, r.version, 32);
    memcpy(s.root, r.root, 32);
    s.rows = r.rows;
    s.k = r.k;
    s.n = (uint8_t)r.at.n;
    for (size_t i = 0; i < r.at.n; i++) s.at[i] = get_u16(list_at(r.at, i, 2));
    if (t->segments.n &&
        memcmp(((struct tree_segment *)t->segments.p[t->segments.n - 1])->id, s.id, 32) >= 0)
        return ST_BAD_MESSAGE;
    return tree_segment_add(t, &s);
}

enum status tree_load(struct tree *t, struct bytes state)
{
    enum status st = ST_OK;
    struct cursor c = cursor_of(state);
    if (t->nodes.n || t->segments.n || t->order.n) return ST_BUG;
    if (cursor_u8(&c) != STATE_VERSION) return c.bad ? ST_BAD_MESSAGE : ST_VERSION;
    t->keep = cursor_u8(&c);
    t->serial = cursor_u64(&c);
    t->clock.ms = cursor_u64(&c);
    t->clock.first_ms = cursor_u64(&c);
    t->clock.first_leaf = cursor_u16(&c);
    t->clock.second_ms = cursor_u64(&c);
    if (c.bad || t->keep > TREE_KEEP_ALL) return ST_BAD_MESSAGE;
    size_t n = cursor_u32(&c);
    if (n > TREE_SEGMENTS_MAX) return ST_TOO_BIG;
    for (size_t i = 0; i < n; i++) TRY(load_segment(t, &c));
    n = cursor_u32(&c);
    if (n > TREE_NODES_MAX + TREE_PAST_MAX) TRY(ST_TOO_BIG);
    for (size_t i = 0; i < n; i++) TRY(load_version(t, &c));
    n = cursor_u32(&c);
    if (n > TREE_NODES_MAX) TRY(ST_TOO_BIG);
    for (size_t i = 0; i < n; i++) TRY(load_node(t, &c));
    n = cursor_u32(&c);
    if (n > TREE_PAST_MAX) TRY(ST_TOO_BIG);
    for (size_t i = 0; i < n; i++) TRY(load_past(t, &c));
    TRY(depots_load(&t->depots, &c));
    TRY(cursor_end(&c));
    st = versions_fault(t);
out:
    return st;
}

enum status tree_snap_build(const struct tree *t, uint64_t count, const uint8_t chain[32],
                            tree_rewrap *rewrap, void *arg, struct buf *out)
{
    uint8_t hash[32];
    struct buf state;
    struct writer w = {.out = &state, .rewrap = rewrap, .arg = arg};
    buf_init(&state, TREE_SNAP_INLINE);
    write_state(&w, t);
    if (w.st == ST_OK) {
        tree_hash(t, hash);
        buf_u64(out, count);
        buf_raw(out, chain, 32);
        buf_raw(out, hash, 32);
        buf_u8(out, SNAP_INLINE);
        buf_u32(out, (uint32_t)state.n);
        buf_bytes(out, buf_view(&state));
        w.st = buf_status(out);
    }
    buf_free(&state);
    return w.st;
}

enum status tree_snap_read(struct bytes body, struct tree_snap *ret)
{
    struct cursor c = cursor_of(body);
    memset(ret, 0, sizeof *ret);
    ret->count = cursor_u64(&c);
    cursor_copy(&c, ret->chain, 32);
    cursor_copy(&c, ret->hash, 32);
    uint8_t form = cursor_u8(&c);
    if (!c.bad && form != SNAP_INLINE) return ST_VERSION;
    size_t n = cursor_u32(&c);
    if (n > TREE_SNAP_INLINE) return ST_TOO_BIG;
    ret->state = cursor_take(&c, n);
    return cursor_end(&c);
}
