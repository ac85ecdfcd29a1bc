/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Putting a file: what node/put asks of this enclave, and its jobs as transfers. */
#include "node/shelf/shelf.h"

#include "base/encode.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum status keys_of(void *ctx, struct put_keys *ret)
{
    struct shelf *s = ctx;
    const struct group *g = s->e->group;
    if (!group_in(g)) return ST_DENIED;
    ret->epoch = group_epoch(g);
    group_generation(g, ret->dedup, ret->placement);
    ret->convergent = ledger_policy(group_ledger(g), LEDGER_POLICY_CONVERGENT) != 0;
    return group_key(g, GROUP_KEY_FILE_KEK, ret->epoch, ret->file_kek);
}

static void append(void *ctx, uint8_t type, struct bytes body, put_appended *done, void *arg)
{
    struct shelf *s = ctx;
    enum status st = shelf_queue(s, type, body, done, NULL, arg);
    if (st != ST_OK) shelf_append_later(s, done, arg, st);
}

static bool known(void *ctx, const uint8_t version[32])
{
    const struct shelf *s = ctx;
    return tree_known(s->tree, version);
}

/* What a former run of the daemon left to be sent goes out before anything new. */
static bool queued(void *ctx, const uint8_t version[32])
{
    const struct shelf *s = ctx;
    for (const struct shelf_op *op = s->ops; op != NULL; op = op->next)
        if (op->type == TREE_OP && op->body.n > 0 &&
            memmem(op->body.p, op->body.n, version, 32) != NULL)
            return true;
    return false;
}

static enum status rows_commit(void *ctx, const struct put_row *rows, size_t n, kv_done *done,
                               void *arg)
{
    struct shelf *s = ctx;
    struct keep_batch b;
    keep_begin(&b, &s->e->node->keep);
    for (size_t i = 0; i < n; i++)
        if (rows[i].value.p == NULL)
            keep_erase(&b, &s->s_puts, rows[i].n);
        else
            keep_put(&b, &s->s_puts, rows[i].n, rows[i].value);
    enclave_commit(s->e, &b, done, arg);
    return ST_OK;
}

static enum status rows_scan(void *ctx, kv_visit *visit, void *arg)
{
    struct shelf *s = ctx;
    return keep_scan(&s->e->node->keep, &s->s_puts, 0, visit, arg);
}

void shelf_put_env(struct shelf *s, struct put_env *ret)
{
    const struct node_ports *ports = &s->e->node->ports;
    *ret = (struct put_env){.env = ports->env,
                            .work = ports->work,
                            .files = ports->file,
                            .hold = s->hold,
                            .keys = keys_of,
                            .append = append,
                            .known = known,
                            .queued = queued,
                            .rows_commit = rows_commit,
                            .rows_scan = rows_scan,
                            .found = shelf_dedup_found,
                            .made = shelf_dedup_made,
                            .mark = shelf_dedup_mark,
                            .ctx = s};
}

/* ---- as transfers ---- */

static uint64_t id_of(const struct shelf *s, uint64_t job)
{
    return s->e->slot * SHELF_TRANSFERS + job * 2;
}

static const char *state_of(enum put_phase phase)
{
    switch (phase) {
    case PUT_QUEUED: return "queued";
    case PUT_READING: return "reading";
    case PUT_WAITING: return "waiting";
    case PUT_ENTERING: return "spreading";
    case PUT_SPREADING: return "accepted"; /* its entry is in the feed: it is there for all */
    case PUT_DONE: return "safe";
    case PUT_FAILED: return "failed";
    }
    return "?";
}

static void words_of(const struct put_progress *p, char *out, size_t room)
{
    switch (p->phase) {
    case PUT_SPREADING:
    case PUT_ENTERING:
        snprintf(out, room, "safe on %u of %u, spreading", p->holders_done, p->holders);
        break;
    case PUT_DONE:
        if (p->holders == 0 && p->saved > 0)
            snprintf(out, room, "as safe as the versions whose shards it shares");
        else if (p->holders == 0)
            snprintf(out, room, "kept in the files feed, with every member");
        else if (p->holders <= 1)
            snprintf(out, room, "only on this machine");
        else
            snprintf(out, room, "any %u of %u members may vanish", p->may_vanish, p->holders);
        break;
    case PUT_WAITING:
        snprintf(out, room,
                 "too few members can be reached, or have room, for the file to survive a loss; it "
                 "goes on by itself");
        break;
    case PUT_FAILED:
        if (p->st == ST_CLOSED)
            snprintf(out, room, "it was not put: the input broke off before its end");
        else
            snprintf(out, room, "it was not put: %s", status_text(p->st));
        break;
    default: snprintf(out, room, "%s", state_of(p->phase)); break;
    }
}

/* Behind how it goes: what need not be moved. */
static void add_saved(const struct put_progress *p, char *out, size_t room)
{
    size_t n = strlen(out);
    if (p->saved == 0 || p->phase == PUT_FAILED) return;
    snprintf(out + n, room - n, "; %llu of %llu bytes were there already",
             (unsigned long long)p->saved, (unsigned long long)p->size);
}

static void visit_put(struct shelf *s, const struct put_progress *p, node_transfer_visit *visit,
                      void *arg)
{
    char words[NODE_REASON_MAX], path[512];
    words_of(p, words, sizeof words);
    add_saved(p, words, sizeof words);
    shelf_path_text(p->path, path, sizeof path);
    struct node_transfer t = {.id = id_of(s, p->job),
                              .enclave = s->e->name,
                              .kind = "put",
                              .path = path,
                              .local = "",
                              .state = state_of(p->phase),
                              .total = p->size,
                              .bytes = p->done,
                              .saved = p->saved,
                              .rate = p->rate,
                              .eta_ms = p->eta_ms,
                              .holders_done = p->holders_done,
                              .holders = p->holders,
                              .st = p->phase == PUT_FAILED ? p->st : ST_OK,
                              .text = words};
    visit(arg, &t);
}

struct each {
    struct shelf *s;
    node_transfer_visit *visit;
    void *arg;
};

static bool on_each(void *arg, const struct put_progress *p)
{
    struct each *each = arg;
    visit_put(each->s, p, each->visit, each->arg);
    return true;
}

static void keep_ended(struct shelf *s, const struct put_progress *p)
{
    struct shelf_ended *end = &s->ended[s->next_ended++ % SHELF_ENDED_MAX];
    buf_free(&end->path);
    *end = (struct shelf_ended){.id = id_of(s, p->job), .p = *p, .path = BUF_INIT};
    buf_bytes(&end->path, p->path);
    end->p.path = buf_view(&end->path);
}

void shelf_ended_free(struct shelf *s)
{
    for (size_t i = 0; i < SHELF_ENDED_MAX; i++) buf_free(&s->ended[i].path);
}

void shelf_each_put(struct shelf *s, node_transfer_visit *visit, void *arg)
{
    struct each each = {s, visit, arg};
    for (size_t i = 0; i < SHELF_ENDED_MAX; i++) {
        const struct shelf_ended *end = &s->ended[(s->next_ended + i) % SHELF_ENDED_MAX];
        if (end->id != 0) visit_put(s, &end->p, visit, arg);
    }
    puts_each(s->puts, on_each, &each);
}

bool shelf_put_transfer(struct shelf *s, uint64_t id, node_transfer_visit *visit, void *arg)
{
    struct put_progress p;
    uint64_t job = (id - s->e->slot * SHELF_TRANSFERS) / 2;
    if (put_look(s->puts, job, &p) == ST_OK) {
        visit_put(s, &p, visit, arg);
        return true;
    }
    for (size_t i = 0; i < SHELF_ENDED_MAX; i++) {
        if (s->ended[i].id != id) continue;
        visit_put(s, &s->ended[i].p, visit, arg);
        return true;
    }
    return false;
}

static void tell_transfer(void *arg, const struct node_transfer *t)
{
    struct shelf *s = arg;
    char line[NODE_REASON_MAX * 2];
    snprintf(line, sizeof line, "put %s: %s", t->path, t->text);
    enclave_tell(s->e, "transfer", "", t->id, line);
}

void shelf_put_event(void *arg, const struct put_progress *p)
{
    struct shelf *s = arg;
    uint64_t now = env_mono_ms(s->e->node->ports.env);
    s->puts_ms = now;
    if (p->phase == PUT_DONE || p->phase == PUT_FAILED) keep_ended(s, p);
    bool moving = p->phase == PUT_READING;
    if (moving && now < s->told_ms + 1000) return; /* the event ring is no progress bar */
    s->told_ms = now;
    visit_put(s, p, tell_transfer, s);
}

/* ---- node_put ---- */

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

/* Where it goes: as said; into a directory that is there; or under its own name at the top. */
static enum status goal(struct shelf *s, const struct node_put *req, struct buf *ret)
{
    struct bytes path = req->path;
    bool inside = path.n == 0 || path.p[path.n - 1] == '/';
    while (path.n > 0 && path.p[path.n - 1] == '/') path.n--;
    while (path.n > 0 && path.p[0] == '/') path = BYTES(path.p + 1, path.n - 1);
    const struct tree_node *node = path.n == 0 ? NULL : tree_find(s->tree, path);
    if (node != NULL && node->dir) inside = true;
    buf_bytes(ret, path);
    if (inside) {
        if (path.n > 0) buf_u8(ret, '/');
        buf_str(ret, base_name(req->local));
    }
    return tree_path_check(buf_view(ret));
}

enum status node_put(struct node *n, const struct node_put *req, node_done *done, void *arg)
{
    if (!n->started) return ST_LOCKED;
    struct enclave *e = node_find(n, req->enclave);
    if (e == NULL) return ST_NOT_FOUND;
    if (!enclave_in(e) || e->shelf == NULL) return ST_DENIED;
    if (req->local == NULL || req->local[0] != '/') return ST_USAGE;
    struct shelf *s = e->shelf;
    struct hold_view view[HOLD_LEAVES_MAX];
    struct put_request r = {
        .source = req->local, .strict = req->strict, .stream = req->stream, .most = req->most};
    struct buf path = BUF_INIT;
    enum status st;
    uint64_t job;
    if (req->profile != NULL) TRY(place_profile(req->profile, hold_list(s->hold, view), &r.code));
    TRY(goal(s, req, &path));
    r.path = buf_view(&path);
    const struct tree_node *old = tree_find(s->tree, r.path);
    if (old != NULL && !old->dir) memcpy(r.base, old->file.version, 32);
    TRY(put_start(s->puts, &r, &job));
    shelf_wake(s);
    shelf_began(s, id_of(s, job), done, arg);
out:
    buf_free(&path);
    return st;
}
