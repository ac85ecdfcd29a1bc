/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What people do with files. */
#include "sim/sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OP_PUT = 100, OP_GET, OP_TREE };

/* ---- put ---- */

static void put_taken(void *arg, const struct node_result *r)
{
    struct op *op = arg;
    struct sim *s = op->p->sim;
    struct sim_file *f = &s->files[op->number];
    sim_trace(s, "m%u puts %s: %s", op->p->i, f->path, status_text(r->st));
    if (r->st == ST_OK) {
        const struct node_transfer *t = r->data;
        f->transfer = t->id;
        f->durable = true;
    } else {
        f->failed = true;
    }
    op_free(op);
}

static size_t size_of_file(struct sim *s)
{
    switch (rng_below(&s->rng, 8)) {
    case 0: return 0;
    case 1: return 1;
    case 2: return (size_t)rng_below(&s->rng, 2000000);
    case 3: return (size_t)65536 * (size_t)rng_between(&s->rng, 1, 4);
    default: return (size_t)rng_below(&s->rng, 200000);
    }
}

bool act_put(struct sim *s)
{
    struct person *p = person_random(s, PERSON_IN, false);
    if (!p || s->n_files == SIM_FILES_MAX) return false;
    struct sim_file *f = &s->files[s->n_files];
    char local[40];
    memset(f, 0, sizeof *f);
    snprintf(f->path, sizeof f->path, "f%u", s->n_files);
    snprintf(local, sizeof local, "/home/m%u/f%u", p->i, s->n_files);
    f->from = p->i;
    f->generation = s->generation;
    f->losses = s->losses;
    f->at_ms = s->time.now_ms;
    f->n = size_of_file(s);
    f->bytes = sim_alloc(f->n);
    rng_bytes(&s->rng, f->bytes, f->n);
    if (rng_chance(&s->rng, 300)) memset(f->bytes, 'x', f->n / 2); /* something to compress */
    files_mem_write(&p->files, local, BYTES(f->bytes, f->n));
    struct node_put req = {.enclave = SIM_NAME, .local = local, .path = bytes_str(f->path)};
    struct op *op = op_new(p, OP_PUT, s->n_files);
    enum status st = node_put(p->node, &req, put_taken, op);
    sim_trace(s, "m%u wants to put %s of %zu bytes: %s", p->i, f->path, f->n, status_text(st));
    if (st != ST_OK) {
        op_free(op);
        free(f->bytes);
        return false;
    }
    s->n_files++;
    return true;
}

static void on_put(void *arg, const struct node_transfer *t)
{
    struct sim_file *f = arg;
    if (strcmp(t->state, "accepted") == 0 || strcmp(t->state, "safe") == 0) f->accepted = true;
    if (strcmp(t->state, "failed") == 0) f->failed = true;
}

static void look_at_puts(struct sim *s)
{
    for (unsigned i = 0; i < s->n_files; i++) {
        struct sim_file *f = &s->files[i];
        const struct person *p = &s->people[f->from];
        if (f->generation != s->generation || !f->durable || f->failed || f->accepted || !p->node)
            continue;
        if (node_transfer(p->node, f->transfer, on_put, f) != ST_OK) continue;
        if (f->accepted) sim_trace(s, "%s of m%u is accepted", f->path, f->from);
    }
}

/* ---- get ---- */

static void get_begun(void *arg, const struct node_result *r)
{
    struct op *op = arg;
    struct sim *s = op->p->sim;
    struct sim_get *g = &s->gets[op->number];
    if (r->st == ST_OK) {
        const struct node_transfer *t = r->data;
        g->transfer = t->id;
        g->known = true;
    } else {
        if (g->must)
            sim_fail(s, "m%u cannot begin to get %s: %s (%s)", op->p->i, s->files[g->file].path,
                     status_text(r->st), r->text);
        g->life = 0;
    }
    op_free(op);
}

static struct sim_get *get_place(struct sim *s)
{
    for (unsigned i = 0; i < s->n_gets; i++)
        if (s->gets[i].life == 0) return &s->gets[i];
    return s->n_gets < SIM_GETS_MAX ? &s->gets[s->n_gets++] : NULL;
}

static bool ask(struct sim *s, struct person *p, unsigned file, bool must)
{
    struct sim_get *g = get_place(s);
    if (!g) return false;
    *g = (struct sim_get){.file = file, .person = p->i, .life = p->m.life, .must = must};
    snprintf(g->local, sizeof g->local, "/home/m%u/g%u", p->i, s->named++);
    struct node_get req = {
        .enclave = SIM_NAME, .path = bytes_str(s->files[file].path), .local = g->local};
    struct op *op = op_new(p, OP_GET, (uint64_t)(g - s->gets));
    enum status st = node_get(p->node, &req, get_begun, op);
    if (st == ST_OK) return true;
    if (must) sim_fail(s, "m%u cannot get %s: %s", p->i, s->files[file].path, status_text(st));
    op_free(op);
    g->life = 0;
    return false;
}

bool act_get(struct sim *s)
{
    struct person *p = person_random(s, PERSON_IN, true);
    if (!p || s->n_files == 0) return false;
    unsigned i = (unsigned)rng_below(&s->rng, s->n_files);
    const struct sim_file *f = &s->files[i];
    return f->generation == s->generation && f->accepted && !f->gone && ask(s, p, i, false);
}

struct getting {
    struct sim *s;
    struct sim_get *g;
};

/* Whoever gets a file gets what was put, or is told that it could not be had. */
static void on_get(void *arg, const struct node_transfer *t)
{
    struct getting *at = arg;
    struct sim *s = at->s;
    struct sim_get *g = at->g;
    const struct sim_file *f = &s->files[g->file];
    struct person *p = &s->people[g->person];
    bool done = strcmp(t->state, "done") == 0, failed = strcmp(t->state, "failed") == 0;
    if (!done && !failed) return;
    sim_trace(s, "m%u got %s: %s (%s)", p->i, f->path, status_text(t->st), t->text);
    if (failed && g->must) sim_fail(s, "m%u could not get %s: %s", p->i, f->path, t->text);
    const struct files_mem_one *o = files_mem_find(&p->files, g->local);
    if (done && (!o || o->n != f->n || (f->n && memcmp(o->p, f->bytes, f->n) != 0)))
        sim_fail(s, "m%u got another %s than was put (%zu bytes, %zu were put)", p->i, f->path,
                 o ? o->n : 0, f->n);
    g->life = 0;
}

static void look_at_gets(struct sim *s)
{
    for (unsigned i = 0; i < s->n_gets; i++) {
        struct sim_get *g = &s->gets[i];
        const struct person *p = &s->people[g->person];
        struct getting at = {s, g};
        if (g->life == 0) continue;
        if (g->life != p->m.life || p->state != PERSON_IN) {
            g->life = 0; /* its daemon died or it left: nobody waits for it any more */
            continue;
        }
        if (g->known && node_transfer(p->node, g->transfer, on_get, &at) != ST_OK) g->life = 0;
    }
}

void files_look(struct sim *s)
{
    look_at_puts(s);
    look_at_gets(s);
}

static bool must_be_there(const struct sim *s, const struct sim_file *f)
{
    return f->generation == s->generation && f->accepted && !f->gone && f->losses == s->losses &&
           !s->people[f->from].tainted;
}

void files_ask_all(struct sim *s)
{
    for (unsigned i = 0; i < s->n_files; i++) {
        struct person *p = person_random(s, PERSON_IN, true);
        if (!p || p->tainted || p->restored || p->no_history || !must_be_there(s, &s->files[i]))
            continue;
        ask(s, p, i, true);
    }
}

const struct sim_get *files_waiting(const struct sim *s)
{
    for (unsigned i = 0; i < s->n_gets; i++)
        if (s->gets[i].life != 0) return &s->gets[i];
    return NULL;
}

/* ---- the tree ---- */

static void tree_done(void *arg, const struct node_result *r)
{
    struct op *op = arg;
    sim_trace(op->p->sim, "m%u %s: %s", op->p->i, op->text, status_text(r->st));
    op_free(op);
}

bool act_tree(struct sim *s)
{
    struct person *p = person_random(s, PERSON_IN, false);
    if (!p) return false;
    struct op *op = op_new(p, OP_TREE, 0);
    struct sim_file *f = s->n_files ? &s->files[rng_below(&s->rng, s->n_files)] : NULL;
    char name[32];
    enum status st;
    snprintf(name, sizeof name, "d%u", s->named++);
    switch (f ? rng_below(&s->rng, 3) : 0) {
    case 0:
        snprintf(op->text, sizeof op->text, "mkdir %s", name);
        st = node_mkdir(p->node, SIM_NAME, bytes_str(name), tree_done, op);
        break;
    case 1:
        snprintf(op->text, sizeof op->text, "mv %s %s", f->path, name);
        st = node_mv(p->node, SIM_NAME, bytes_str(f->path), bytes_str(name), tree_done, op);
        break;
    default:
        snprintf(op->text, sizeof op->text, "rm %s", f->path);
        st = node_rm(p->node, SIM_NAME, bytes_str(f->path), false, tree_done, op);
    }
    if (st != ST_OK) {
        op_free(op);
        return false;
    }
    sim_trace(s, "m%u wants %s", p->i, op->text);
    if (f && op->text[0] != 'm') f->gone = true;
    if (f && op->text[1] == 'v') f->gone = true;
    return true;
}
