/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "node/shelf/shelf.h"
#include "node/audit/audit.h"

#include "node/shelf/shelf_depots.h"

#include "core/feed/chain.h"
#include "crypto/hash.h"
#include "node/check/check.h"
#include "node/repair/repair.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

FIELDS_DEFINE(shelf_row, SHELF_ROW_FIELDS);

/* ---- folding feed 2 ---- */

static void note_effect(void *arg, uint8_t kind, enum tree_effect effect, struct bytes path,
                        const char *why)
{
    struct shelf *s = arg;
    if (kind == TREE_LOSS && effect == TREE_APPLIED && s->repairs != NULL) repairs_look(s->repairs);
    if (!s->folding) return;
    /* The worst of several records is told. */
    if (effect >= s->effect) {
        s->effect = effect;
        s->why = why;
    }
    if (effect == TREE_CONFLICT) {
        char text[128], line[NODE_REASON_MAX];
        shelf_path_text(path, text, sizeof text);
        snprintf(line, sizeof line, "somebody else was first: yours is kept beside it as %s", text);
        enclave_tell(s->e, "file", "", 0, line);
    }
}

struct opened {
    struct entry23 entry;
    uint64_t epoch;
    const struct ledger_leaf *leaf;
};

/* ST_PENDING: sealed in an epoch that we do not know (yet). */
static enum status open_entry(struct enclave *e, struct bytes sealed, struct buf *plain,
                              struct opened *ret)
{
    uint8_t key[32];
    struct entry23_place place = {
        .room = e->room, .enclave_id = e->enclave_id, .key = key, .feed = FEED_FILES};
    const struct ledger *l = group_ledger(e->group);
    enum status st;
    TRY(entry23_epoch(sealed, &place.epoch));
    ret->epoch = place.epoch;
    if (group_key(e->group, GROUP_KEY_TREE, place.epoch, key) != ST_OK) {
        st = place.epoch > group_epoch(e->group) ? ST_PENDING : ST_NOT_FOUND;
        goto out;
    }
    TRY(entry23_open(sealed, &place, plain, &ret->entry));
    ret->leaf = ledger_leaf(l, ret->entry.leaf);
    if (ret->leaf == NULL) {
        st = ST_DENIED;
        goto out;
    }
    TRY(entry23_verify(buf_view(plain), &place, ret->leaf->id));
out:
    bytes_wipe(key, sizeof key);
    return st;
}

/* An entry of an epoch before our keys, where such an entry may count: the tree that we fold lacks
 * something that the others have. */
static void note_blind(struct shelf *s, uint64_t index, const struct opened *o, enum status st)
{
    const struct ledger *l = group_ledger(s->e->group);
    if (st != ST_NOT_FOUND) return;
    uint64_t last = o->epoch + 2 <= ledger_epoch(l) ? o->epoch + 2 : o->epoch + 1;
    if (index < ledger_epoch_seen(l, last, FEED_FILES)) s->blind = true;
}

static void fold(struct shelf *s, uint64_t index, const struct opened *o)
{
    struct tree_from from = {index, o->entry.leaf, o->entry.time_ms};
    if (o->entry.type == TREE_SNAP) {
        shelf_took_snap(s, index, o->epoch, o->entry.body);
        return;
    }
    enum status st = tree_take(s->tree, o->entry.type, o->entry.body, &from, note_effect, s);
    if (st != ST_OK)
        env_log(s->e->node->ports.env, ENV_WARN, "files", "entry %llu is ignored: %s",
                (unsigned long long)index, status_text(st));
    s->depots_ms = 0; /* a storage node may have come, or be signed for */
    shelf_bad_prune(s);
    if (s->repairs != NULL) repairs_heard(s->repairs, o->entry.leaf);
    if (++s->since_snap >= SHELF_SNAP_EVERY) s->snap_wanted = true;
}

enum status enclave_files_entry(struct enclave *e, uint64_t index, struct bytes sealed,
                                bool last_word, struct keep_batch *b)
{
    struct shelf *s = e->shelf;
    struct buf plain;
    struct opened o = {0};
    if (s == NULL) return ST_OK;
    buf_init(&plain, KV_VALUE_MAX);
    enum status st = open_entry(e, sealed, &plain, &o);
    note_blind(s, index, &o, st);
    if (st == ST_PENDING && !last_word) {
        buf_free(&plain);
        return ST_PENDING;
    }
    if (st == ST_OK) {
        bool own = o.entry.leaf == group_leaf(e->group);
        bool counts =
            ledger_counts(group_ledger(e->group), FEED_FILES, index, o.epoch, o.entry.leaf);
        s->folding = own;
        s->effect = TREE_APPLIED;
        s->why = NULL;
        if (counts) fold(s, index, &o);
        s->folding = false;
        if (own && o.entry.own_number >= s->own_number) { /* a restored backup */
            s->own_number = o.entry.own_number + 1;
            sha256(sealed, s->prev_own);
        }
        if (own) shelf_own_seen(s, o.entry.own_number, index, counts, b);
        group_use(e->group, o.epoch);
    }
    buf_free(&plain);
    return ST_OK;
}

struct refold {
    struct shelf *s;
    struct seen upto; /* what was read */
    bool hole;        /* a row is not what it should be, or not there */
};

/* A COMMIT had not seen this entry of ours in time, and now it counts for nobody. */
static void say_again(struct shelf *s, const struct opened *o)
{
    if (o->entry.leaf != group_leaf(s->e->group) || o->epoch + 2 <= s->settled_epoch) return;
    if (o->entry.type == TREE_SNAP) return; /* another one is made when it is due */
    if (shelf_queue(s, o->entry.type, o->entry.body, NULL, NULL, NULL) != ST_OK)
        enclave_trouble(s->e, "an entry about files came too late for its keys and could not be "
                              "made again");
}

static bool on_row(void *arg, uint64_t n, struct bytes row)
{
    struct refold *r = arg;
    struct buf plain;
    struct opened o = {0};
    r->hole = row.n < 32 || n != r->upto.count;
    if (r->hole) return false;
    r->upto.count = n + 1;
    memcpy(r->upto.chain, row.p, 32);
    buf_init(&plain, KV_VALUE_MAX);
    enum status st = open_entry(r->s->e, BYTES(row.p + 32, row.n - 32), &plain, &o);
    note_blind(r->s, n, &o, st);
    if (st == ST_OK &&
        ledger_counts(group_ledger(r->s->e->group), FEED_FILES, n, o.epoch, o.entry.leaf))
        fold(r->s, n, &o);
    else if (st == ST_OK)
        say_again(r->s, &o);
    buf_free(&plain);
    return true;
}

static enum status load_snap(struct shelf *s, uint64_t *from)
{
    struct enclave *e = s->e;
    struct buf sealed, plain;
    struct opened o = {0};
    struct tree_snap snap;
    uint8_t chain[32], hash[32];
    buf_init(&sealed, KV_VALUE_MAX);
    buf_init(&plain, KV_VALUE_MAX);
    enum status st;
    TRY(enclave_kept(e, FEED_FILES, s->snap - 1, &sealed, chain));
    TRY(open_entry(e, buf_view(&sealed), &plain, &o));
    TRY(tree_snap_read(o.entry.body, &snap));
    TRY(tree_load(s->tree, snap.state));
    tree_hash(s->tree, hash);
    if (memcmp(hash, snap.hash, 32) != 0) st = ST_INTEGRITY;
    s->snap_epoch = o.epoch;
    *from = snap.count;
out:
    buf_free(&sealed);
    buf_free(&plain);
    return st;
}

/* A row is damaged or gone: what comes from there on is read again from the sentinel. What the members
 * say that they have seen holds it to the same history, as it does for a newcomer. */
static void read_again(struct shelf *s, const struct seen *from)
{
    struct enclave_feed *f = &s->e->feeds[FEED_FILES];
    env_log(s->e->node->ports.env, ENV_WARN, "files",
            "entry %llu of the files is damaged on this disk: it is read again from the sentinel",
            (unsigned long long)from->count);
    f->seen = *from;
}

/* The tree anew: from the newest SNAP and the tail, or from the beginning. */
static enum status refold(struct shelf *s, bool use_snap)
{
    struct refold r = {.s = s, .upto = chain_unseen(s->e->room, FEED_FILES)};
    uint64_t from = 0;
    tree_free(s->tree);
    s->tree = tree_new();
    if (s->tree == NULL) return ST_NO_MEMORY;
    shelf_tree_ready(s);
    s->since_snap = 0;
    s->blind = false;
    if (use_snap && s->snap != 0 && load_snap(s, &from) != ST_OK) {
        s->snap = 0;
        return refold(s, false);
    }
    if (from > 0 && enclave_kept(s->e, FEED_FILES, from - 1, NULL, r.upto.chain) != ST_OK)
        return refold(s, false);
    r.upto.count = from;
    enum status st = keep_scan(&s->e->node->keep, &s->e->feeds[FEED_FILES].space, from, on_row, &r);
    if (st == ST_NO_MEMORY) return st;
    if (st != ST_OK || r.hole) read_again(s, &r.upto);
    return ST_OK;
}

/* Only what is on disk can be folded anew: not while a commit is on the way. */
static void refold_if_due(struct shelf *s)
{
    struct enclave *e = s->e;
    if (!s->refold_due || e->commits > 0 || e->batch != NULL) return;
    s->refold_due = false;
    if (refold(s, true) != ST_OK)
        enclave_trouble(e, "the files of this enclave could not be read again from the disk");
    s->settled_epoch = ledger_epoch(group_ledger(e->group));
    shelf_send(s);
}

void enclave_files_epoch(struct enclave *e, bool generation_changed)
{
    const struct ledger *l = group_ledger(e->group);
    /* Somebody left, or the COMMIT had not seen all that we folded: what counts is decided by the
     * COMMITs, for all alike (protocol.md 8), so the tree is folded anew. */
    bool unseen =
        ledger_epoch_seen(l, ledger_epoch(l), FEED_FILES) < e->feeds[FEED_FILES].seen.count;
    e->shelf->refold_due |= generation_changed || unseen;
    refold_if_due(e->shelf);
    shelf_send(e->shelf);
}

uint64_t enclave_files_snap_epoch(const struct enclave *e)
{
    return e->shelf->snap == 0 ? 0 : e->shelf->snap_epoch;
}

/* ---- holding ---- */

static bool root_of(void *ctx, const uint8_t segment_id[SHARD_ID], uint8_t ret_root[32])
{
    const struct shelf *s = ctx;
    const struct tree_segment *t = tree_segment(s->tree, segment_id);
    if (t == NULL) return false;
    memcpy(ret_root, t->root, 32);
    return true;
}

static bool needed(void *ctx, const uint8_t segment_id[SHARD_ID], uint64_t now_ms)
{
    const struct shelf *s = ctx;
    (void)now_ms;
    return tree_needs(s->tree, segment_id);
}

struct wire {
    struct enclave *e;
    uint16_t leaf;
};

static enum status wire_send(void *ctx, uint8_t type, struct bytes payload)
{
    const struct wire *w = ctx;
    if (w->e->peers == NULL) return ST_UNREACHABLE;
    return peers_send(w->e->peers, w->leaf, type, payload);
}

static void wire_pause(void *ctx, bool stop)
{
    const struct wire *w = ctx;
    if (w->e->peers != NULL) peers_pause(w->e->peers, w->leaf, stop);
}

void enclave_files_peer(struct enclave *e, uint16_t leaf, bool up)
{
    struct wire **slot = leaf < SHELF_WIRES ? &e->shelf->wires[leaf] : NULL;
    if (slot == NULL) return;
    if (!up) {
        hold_link_down(e->shelf->hold, leaf);
        return;
    }
    if (*slot == NULL) *slot = calloc(1, sizeof **slot);
    if (*slot == NULL) return;
    **slot = (struct wire){e, leaf};
    struct hold_wire wire = {wire_send, wire_pause, *slot};
    if (hold_link_up(e->shelf->hold, leaf, &wire) != ST_OK)
        env_log(e->node->ports.env, ENV_WARN, "files", "a link to leaf %u is not used",
                (unsigned)leaf);
}

void enclave_files_frame(struct enclave *e, uint16_t leaf, uint8_t type, struct bytes payload)
{
    enum status st = hold_link_frame(e->shelf->hold, leaf, type, payload);
    if (st != ST_OK && status_class(st) == STATUS_PEER) {
        env_log(e->node->ports.env, ENV_WARN, "files", "leaf %u sent what is not allowed: %s",
                (unsigned)leaf, status_text(st));
        peers_drop(e->peers, leaf);
    }
}

void enclave_files_writable(struct enclave *e, uint16_t leaf)
{
    hold_link_writable(e->shelf->hold, leaf);
}

void enclave_files_roster(struct enclave *e)
{
    const struct ledger *l = group_ledger(e->group);
    uint16_t leaves[HOLD_LEAVES_MAX];
    size_t n = 0;
    for (size_t i = 0; i < ledger_leaves(l) && n < HOLD_LEAVES_MAX; i++) {
        const struct ledger_leaf *leaf = ledger_leaf(l, (uint16_t)i);
        if (leaf->member_now && leaf->epoch_in != LEDGER_NEVER) leaves[n++] = leaf->leaf;
    }
    n += shelf_depots_numbers(e->shelf, leaves + n, HOLD_LEAVES_MAX - n);
    hold_roster(e->shelf->hold, leaves, n);
    if (e->shelf->repairs != NULL) repairs_look(e->shelf->repairs);
}

const char *enclave_files_node(const struct enclave *e, uint16_t number)
{
    const struct depot_taken *t =
        e->shelf == NULL ? NULL : depots_find(tree_depots(e->shelf->tree), number);
    return t == NULL ? NULL : t->address;
}

bool shelf_holds(const struct shelf *s, uint16_t holder)
{
    const struct ledger_leaf *l = ledger_leaf(group_ledger(s->e->group), holder);
    const struct depot_taken *t = depots_find(tree_depots(s->tree), holder);
    return t != NULL ? !t->gone : l != NULL && l->member_now;
}

static void want_all(struct shelf *s)
{
    s->depots_ms = 0;
    const struct ledger *l = group_ledger(s->e->group);
    if (s->e->peers == NULL) return;
    for (size_t i = 0; i < ledger_leaves(l); i++) {
        const struct ledger_leaf *leaf = ledger_leaf(l, (uint16_t)i);
        if (leaf->member_now && leaf->leaf != group_leaf(s->e->group))
            peers_want(s->e->peers, leaf->leaf);
    }
}

static bool on_put(void *arg, const struct put_progress *p)
{
    bool *any = arg;
    if (p->phase != PUT_DONE && p->phase != PUT_FAILED) *any = true;
    return !*any;
}

static bool working(const struct shelf *s)
{
    bool any = enclave_checking(s->e);
    for (size_t i = 0; i < s->n_gets; i++)
        if (!s->gets[i]->over) any = true;
    if (!any) puts_each(s->puts, on_put, &any);
    if (!any) any = repair_wants_links(s);
    return any;
}

bool enclave_files_busy(struct enclave *e, uint16_t leaf)
{
    (void)leaf;
    return working(e->shelf);
}

/* ---- life ---- */

static void on_listed(void *arg, const struct shard_key *key, uint64_t bytes, uint64_t stored_ms)
{
    struct shelf *s = arg;
    (void)key;
    (void)stored_ms;
    s->counting += bytes;
}

static void on_counted(void *arg, enum status st)
{
    struct shelf *s = arg;
    s->listing = false;
    if (st == ST_OK) s->held = s->counting;
    if (s->orphan) free(s);
}

static void count_held(struct shelf *s)
{
    struct shard_store *store = &s->e->node->ports.shards;
    if (s->listing) return;
    s->listing = true;
    s->counting = 0;
    store->ops->list(store->ctx, s->e->tag, on_listed, on_counted, s);
}

void enclave_files_quota(struct enclave *e, uint64_t bytes)
{
    if (e->shelf != NULL) hold_quota(e->shelf->hold, bytes);
}

uint64_t enclave_files_held(const struct enclave *e)
{
    return e->shelf->held;
}

enum status enclave_shelf_load(struct enclave *e)
{
    struct node *n = e->node;
    struct buf row = BUF_INIT;
    struct put_env penv;
    enum status st = ST_NO_MEMORY;
    if (e->shelf != NULL) return ST_OK;
    struct shelf *s = calloc(1, sizeof *s);
    if (s == NULL) return ST_NO_MEMORY;
    s->e = e;
    s->s_out = keep_space(&n->keep, "files out", BYTES_OF(e->tag));
    s->s_puts = keep_space(&n->keep, "puts", BYTES_OF(e->tag));
    struct hold_config hc = {.env = n->ports.env,
                             .work = n->ports.work,
                             .store = n->ports.shards,
                             .own_leaf = group_leaf(e->group),
                             .quota = n->options.offer,
                             .root_of = root_of,
                             .needed = needed,
                             .ctx = s};
    memcpy(hc.tag, e->tag, SHARD_TAG);
    s->hold = hold_new(&hc);
    s->tree = tree_new();
    if (s->hold == NULL || s->tree == NULL) goto out;
    e->shelf = s;
    shelf_put_env(s, &penv);
    s->puts = puts_new(&penv, shelf_put_event, s);
    if (s->puts == NULL) goto out;
    if (keep_get(&n->keep, &e->s_files, 0, &row) == ST_OK) {
        struct shelf_row r;
        TRY(fields_decode(&shelf_row_fields, buf_view(&row), &r));
        s->own_number = r.own_number;
        memcpy(s->prev_own, r.prev_own, 32);
        s->snap = r.snap;
    }
    s->settled_epoch = ledger_epoch(group_ledger(e->group));
    TRY(refold(s, true));
    /* Entries that came before we were in may still be on the way to the disk. */
    s->refold_due = e->commits > 0 || e->batch != NULL;
    TRY(shelf_out_load(s));
    enclave_files_roster(e);
    count_held(s);
    TRY(puts_resume(s->puts));
    TRY(enclave_audit_load(e));
    st = repair_load(s);
out:
    buf_free(&row);
    if (st != ST_OK) {
        e->shelf = s;
        enclave_files_free(e);
    }
    return st;
}

void enclave_files_free(struct enclave *e)
{
    struct shelf *s = e->shelf;
    if (s == NULL) return;
    e->shelf = NULL;
    shelf_gets_free(s);
    repair_free(s);
    puts_free(s->puts);
    shelf_dedup_free(s);
    shelf_ended_free(s);
    shelf_depots_free(s);
    shelf_scrub_free(s);
    hold_free(s->hold);
    tree_free(s->tree);
    shelf_ops_free(s);
    for (size_t i = 0; i < SHELF_WIRES; i++) free(s->wires[i]);
    if (s->listing)
        s->orphan = true; /* freed when the store has answered */
    else
        free(s);
}

struct dropping {
    struct shard_store store;
    size_t waiting;
    bool listed;
};

static void on_drop_done(void *arg, enum status st)
{
    struct dropping *d = arg;
    (void)st;
    if (--d->waiting == 0 && d->listed) free(d);
}

static void on_drop(void *arg, const struct shard_key *key, uint64_t bytes, uint64_t stored_ms)
{
    struct dropping *d = arg;
    (void)bytes;
    (void)stored_ms;
    d->waiting++;
    d->store.ops->drop(d->store.ctx, key, on_drop_done, d);
}

static void on_drop_listed(void *arg, enum status st)
{
    struct dropping *d = arg;
    (void)st;
    d->listed = true;
    if (d->waiting == 0) free(d);
}

void enclave_files_shred(struct enclave *e, struct keep_batch *b)
{
    struct shelf *s = e->shelf;
    shelf_depots_bye(s);
    keep_erase_space(b, &s->s_out);
    keep_erase_space(b, &s->s_puts);
    struct dropping *d = calloc(1, sizeof *d);
    if (d == NULL) return;
    d->store = e->node->ports.shards;
    d->store.ops->list(d->store.ctx, e->tag, on_drop, on_drop_listed, d);
}

void enclave_files_up(struct enclave *e)
{
    if (e->shelf == NULL || e->phase != ENCLAVE_MEMBER) return;
    shelf_send(e->shelf);
    if (e->shelf->snap_wanted) shelf_snap(e->shelf);
}

void enclave_files_part(struct enclave *e)
{
    repairs_part(e->shelf->repairs);
    shelf_wake(e->shelf);
}

void enclave_files_down(struct enclave *e)
{
    for (struct shelf_op *op = e->shelf->ops; op != NULL; op = op->next) op->flying = false;
}

uint64_t enclave_files_next_ms(const struct enclave *e)
{
    const struct shelf *s = e->shelf;
    uint64_t next = s->puts_ms < s->hold_ms ? s->puts_ms : s->hold_ms;
    if (s->ops_again_ms != 0 && s->ops_again_ms < next) next = s->ops_again_ms;
    if (s->want_ms < next) next = s->want_ms;
    if (s->depots_ms < next) next = s->depots_ms;
    if (s->repairs != NULL && repairs_next_ms(s->repairs) < next)
        next = repairs_next_ms(s->repairs);
    if (shelf_scrub_next_ms(s) < next) next = shelf_scrub_next_ms(s);
    if (s->hold_ms == UINT64_MAX && hold_busy(s->hold)) next = 0;
    if (s->refold_due && e->commits == 0) next = 0;
    return next;
}

void enclave_files_tick(struct enclave *e, uint64_t now_ms)
{
    struct shelf *s = e->shelf;
    refold_if_due(s);
    s->hold_ms = hold_tick(s->hold);
    s->puts_ms = puts_tick(s->puts);
    shelf_gets_tick(s, &s->puts_ms);
    if (s->ops_again_ms != 0 && now_ms >= s->ops_again_ms) {
        s->ops_again_ms = 0;
        shelf_send(s);
    }
    if (now_ms >= s->depots_ms) { /* before repair looks for who holds */
        s->depots_ms = UINT64_MAX;
        shelf_depots_tick(s, now_ms, working(s), &s->depots_ms);
    }
    bool wanted = repair_wants_links(s);
    if (s->repairs != NULL) repairs_tick(s->repairs);
    if (e->shelf == NULL) return; /* it left */
    if (!wanted && repair_wants_links(s)) s->want_ms = now_ms;
    if (now_ms >= s->want_ms) {
        bool busy = working(s);
        if (busy) want_all(s);
        s->want_ms = now_ms + (busy ? 5000 : 60000);
    }
    shelf_scrub_tick(s, now_ms);
    if (now_ms >= s->sweep_ms) {
        s->sweep_ms = now_ms + SHELF_SWEEP_MS;
        /* What a tree with gaps does not know may still be needed. */
        if (enclave_synced(e, FEED_FILES) && !s->blind) hold_sweep(s->hold);
        count_held(s);
        shelf_scrub_due(s);
    }
}

void shelf_wake(struct shelf *s)
{
    s->want_ms = 0;
    s->puts_ms = 0;
    want_all(s);
}
