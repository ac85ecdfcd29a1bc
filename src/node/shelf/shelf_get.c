/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Getting a file back, and damaged shards by name. */
#include "node/repair/repair.h"
#include "node/shelf/shelf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum status shelf_unwrap(struct shelf *s, const uint8_t version[32], uint64_t epoch,
                         const uint8_t wrap[TREE_WRAP], uint8_t ret_cek[32])
{
    uint8_t kek[32];
    enum status st = group_key(s->e->group, GROUP_KEY_FILE_KEK, epoch, kek);
    if (st == ST_OK) st = cek_unwrap(kek, version, epoch, wrap, ret_cek);
    bytes_wipe(kek, sizeof kek);
    return st;
}

enum status shelf_cek(struct shelf *s, const uint8_t version[32], uint8_t ret_cek[32])
{
    uint64_t epoch;
    uint8_t wrap[TREE_WRAP];
    if (!tree_wrap(s->tree, version, &epoch, wrap)) return ST_NOT_FOUND;
    return shelf_unwrap(s, version, epoch, wrap, ret_cek);
}

static bool placed(void *ctx, const uint8_t segment_id[32], uint16_t ret_at[SHARD_COLUMNS_MAX],
                   unsigned *ret_n)
{
    const struct shelf *s = ctx;
    const struct tree_segment *t = tree_segment(s->tree, segment_id);
    if (t == NULL) return false;
    memcpy(ret_at, t->at, t->n * sizeof t->at[0]);
    *ret_n = t->n;
    return true;
}

void shelf_note_bad(struct shelf *s, const struct get_bad *bad)
{
    for (size_t i = 0; i < s->n_bad; i++)
        if (s->bad[i].leaf == bad->leaf && s->bad[i].index == bad->index &&
            memcmp(s->bad[i].segment_id, bad->segment_id, 32) == 0)
            return;
    if (bad->why == ST_INTEGRITY || bad->why == ST_NOT_FOUND)
        repair_lost(s->e, bad->leaf, bad->segment_id, bad->index, status_text(bad->why));
    if (s->n_bad >= SHELF_BAD_MAX) return;
    struct shelf_bad *b = &s->bad[s->n_bad++];
    b->leaf = bad->leaf;
    b->index = bad->index;
    memcpy(b->segment_id, bad->segment_id, 32);
}

void shelf_bad_prune(struct shelf *s)
{
    for (size_t i = 0; i < s->n_bad;) {
        const struct tree_segment *t = tree_segment(s->tree, s->bad[i].segment_id);
        if (t != NULL && t->at[s->bad[i].index] == s->bad[i].leaf)
            i++;
        else
            s->bad[i] = s->bad[--s->n_bad];
    }
}

void shelf_forget_bad(struct shelf *s, const uint8_t segment_id[32], uint16_t leaf, uint8_t index)
{
    for (size_t i = 0; i < s->n_bad; i++)
        if (s->bad[i].leaf == leaf && s->bad[i].index == index &&
            memcmp(s->bad[i].segment_id, segment_id, 32) == 0)
            s->bad[i--] = s->bad[--s->n_bad];
}

/* "shard 7 of segment 0 at bob is damaged" */
static size_t bad_words(struct shelf *s, const struct get_progress *p, char *out, size_t room)
{
    size_t n = 0;
    for (size_t i = 0; i < p->bad_n && i < GET_BAD_MAX && i < 3; i++) {
        const struct get_bad *b = &p->bad[i];
        int w = snprintf(out + n, room - n, "%sshard %u of segment %u at %s is damaged (%s)",
                         n == 0 ? "" : "; ", (unsigned)b->index, (unsigned)b->segment,
                         enclave_nick(s->e, b->leaf), status_text(b->why));
        if (w < 0 || (size_t)w >= room - n) return room - 1;
        n += (size_t)w;
    }
    if (p->bad_n > 3) {
        int w = snprintf(out + n, room - n, "; and %zu more", p->bad_n - 3);
        if (w > 0) n += (size_t)w;
    }
    return n < room ? n : room - 1;
}

static void words_of(struct shelf_get *g, const struct get_progress *p)
{
    struct shelf *s = g->owner->shelf;
    char bad[NODE_REASON_MAX - 40];
    size_t n = bad_words(s, p, bad, sizeof bad);
    switch (p->phase) {
    case GET_FAILED:
        if (p->st == ST_UNREACHABLE && n == 0)
            snprintf(g->text, sizeof g->text,
                     "too few of the members who keep it can be reached now (enclave info shows "
                     "who does)");
        else
            snprintf(g->text, sizeof g->text, "%s%s%s", status_text(p->st), n > 0 ? ": " : "",
                     n > 0 ? bad : "");
        break;
    case GET_DONE:
        snprintf(g->text, sizeof g->text, "verified%s%s%s",
                 p->size == g->size ? "" : ", as a part of the file", n > 0 ? "; " : "",
                 n > 0 ? bad : "");
        break;
    default: snprintf(g->text, sizeof g->text, "%s", n > 0 ? bad : "fetching"); break;
    }
}

static void on_get(void *arg, const struct get_progress *p)
{
    struct shelf_get *g = arg;
    struct shelf *s = g->owner->shelf;
    g->last = *p;
    g->last.bad = NULL;
    /* Once each: what was made again meanwhile is good. */
    for (; g->bad_told < p->bad_n && g->bad_told < GET_BAD_MAX; g->bad_told++)
        shelf_note_bad(s, &p->bad[g->bad_told]);
    words_of(g, p);
    s->puts_ms = env_mono_ms(s->e->node->ports.env);
    if (p->phase != GET_DONE && p->phase != GET_FAILED) return;
    g->over = true;
    char line[NODE_REASON_MAX * 2];
    snprintf(line, sizeof line, "get %s: %s", g->path, g->text);
    enclave_tell(s->e, "transfer", "", g->id, line);
    get_free(g->get);
    g->get = NULL;
}

static void free_get(struct shelf_get *g)
{
    if (g->get != NULL) get_free(g->get);
    free(g->path);
    free(g->local);
    free(g);
}

void shelf_gets_free(struct shelf *s)
{
    while (s->n_gets > 0) free_get(s->gets[--s->n_gets]);
}

void shelf_gets_tick(struct shelf *s, uint64_t *next)
{
    for (size_t i = 0; i < s->n_gets; i++) {
        if (s->gets[i]->get == NULL) continue;
        uint64_t at = get_tick(s->gets[i]->get);
        if (at < *next) *next = at;
    }
}

/* The oldest one that is over gives way. */
static bool make_room(struct shelf *s)
{
    if (s->n_gets < SHELF_GETS_MAX) return true;
    for (size_t i = 0; i < s->n_gets; i++) {
        if (!s->gets[i]->over) continue;
        free_get(s->gets[i]);
        memmove(&s->gets[i], &s->gets[i + 1], (s->n_gets - i - 1) * sizeof(s->gets[0]));
        s->n_gets--;
        return true;
    }
    return false;
}

enum status node_get(struct node *n, const struct node_get *req, node_done *done, void *arg)
{
    if (!n->started) return ST_LOCKED;
    struct enclave *e = node_find(n, req->enclave);
    if (e == NULL) return ST_NOT_FOUND;
    if (e->shelf == NULL) return ST_DENIED;
    if (req->local == NULL || req->local[0] != '/') return ST_USAGE;
    struct shelf *s = e->shelf;
    struct shelf_picked file;
    enum status st = shelf_pick(s, req->path, &req->of, &file);
    if (st != ST_OK) return st;
    bool asked = req->of.number != 0 || req->of.at_ms != 0;
    if (!file.living && !asked) return ST_NOT_FOUND; /* the trash is asked by number or time */
    if (!make_room(s)) return ST_BUSY;
    struct get_request r = {.manifest = file.file->manifest,
                            .target = req->local,
                            .replace = req->replace,
                            .from = req->from,
                            .to = req->to};
    if (r.from > file.file->size) return ST_TOO_BIG;
    st = shelf_cek(s, file.file->version, r.cek);
    if (st != ST_OK) return st;
    memcpy(r.version, file.file->version, 32);
    struct get_env genv = {.env = n->ports.env,
                           .work = n->ports.work,
                           .files = n->ports.file,
                           .hold = s->hold,
                           .placed = placed,
                           .ctx = s};
    struct shelf_get *g = calloc(1, sizeof *g);
    char path[512];
    if (g == NULL) return ST_NO_MEMORY;
    shelf_path_text(req->path, path, sizeof path);
    g->owner = e;
    g->id = e->slot * SHELF_TRANSFERS + 2 * s->next_get++ + 1;
    g->path = strdup(path);
    g->local = strdup(req->local);
    g->size = g->last.size = file.file->size;
    g->get = get_start(&genv, &r, on_get, g);
    s->puts_ms = 0;
    bytes_wipe(r.cek, sizeof r.cek);
    if (g->get == NULL || g->path == NULL || g->local == NULL) {
        free_get(g);
        return ST_NO_MEMORY;
    }
    s->gets[s->n_gets++] = g;
    shelf_wake(s);
    shelf_began(s, g->id, done, arg);
    return ST_OK;
}

/* ---- as transfers ---- */

static void visit_get(const struct shelf_get *g, node_transfer_visit *visit, void *arg)
{
    const struct get_progress *p = &g->last;
    struct node_transfer t = {.id = g->id,
                              .enclave = g->owner->name,
                              .kind = "get",
                              .path = g->path,
                              .local = g->local,
                              .state = p->phase == GET_DONE     ? "done"
                                       : p->phase == GET_FAILED ? "failed"
                                                                : "fetching",
                              .total = p->size,
                              .bytes = p->done,
                              .rate = p->rate,
                              .eta_ms = p->eta_ms,
                              .holders = p->holders,
                              .holders_done = p->holders,
                              .st = p->phase == GET_FAILED ? p->st : ST_OK,
                              .text = g->text};
    visit(arg, &t);
}

void shelf_each_get(struct shelf *s, node_transfer_visit *visit, void *arg)
{
    for (size_t i = 0; i < s->n_gets; i++) visit_get(s->gets[i], visit, arg);
}

bool shelf_transfer(struct shelf *s, uint64_t id, node_transfer_visit *visit, void *arg)
{
    for (size_t i = 0; i < s->n_gets; i++) {
        if (s->gets[i]->id != id) continue;
        visit_get(s->gets[i], visit, arg);
        return true;
    }
    return id % 2 == 0 && shelf_put_transfer(s, id, visit, arg);
}

void node_transfers(struct node *n, node_transfer_visit *visit, void *arg)
{
    for (size_t i = 0; i < n->n; i++) {
        struct shelf *s = n->enclaves[i]->shelf;
        if (n->enclaves[i]->removed || s == NULL) continue;
        shelf_each_put(s, visit, arg);
        shelf_each_get(s, visit, arg);
        repair_transfer(s, visit, arg);
    }
}

enum status node_transfer(struct node *n, uint64_t id, node_transfer_visit *visit, void *arg)
{
    if (!n->started) return ST_LOCKED;
    for (size_t i = 0; i < n->n; i++) {
        struct enclave *e = n->enclaves[i];
        if (e->removed || e->shelf == NULL || id / SHELF_TRANSFERS != e->slot) continue;
        if (shelf_transfer(e->shelf, id, visit, arg)) return ST_OK;
    }
    return ST_NOT_FOUND;
}

/* ---- answers that come at the next tick ---- */

struct began {
    struct shelf *s;
    uint64_t id;
    node_done *done;
    void *arg;
};

static void give(void *arg, const struct node_transfer *t)
{
    const struct began *b = arg;
    node_finish(b->done, b->arg, ST_OK, "begun", t);
}

static void on_began(void *arg, enum status st)
{
    struct began *b = arg;
    (void)st;
    if (b->s->e->removed || !shelf_transfer(b->s, b->id, give, b))
        node_finish(b->done, b->arg, ST_CANCELLED, "cancelled", NULL);
    free(b);
}

void shelf_began(struct shelf *s, uint64_t id, node_done *done, void *arg)
{
    struct began *b = malloc(sizeof *b);
    if (b == NULL) return;
    *b = (struct began){s, id, done, arg};
    node_later_kv(s->e->node, s->e, on_began, b, ST_OK);
}

struct refused {
    put_appended *done;
    void *arg;
};

static void on_refused(void *arg, enum status st)
{
    struct refused *r = arg;
    r->done(r->arg, st, 0);
    free(r);
}

void shelf_append_later(struct shelf *s, put_appended *done, void *arg, enum status st)
{
    struct refused *r = malloc(sizeof *r);
    if (r == NULL) return;
    *r = (struct refused){done, arg};
    node_later_kv(s->e->node, s->e, on_refused, r, st);
}

bool enclave_files_there(const struct enclave *e, struct bytes path)
{
    const struct tree_node *node = e->shelf == NULL ? NULL : tree_find(e->shelf->tree, path);
    return node != NULL && !node->dir;
}
