/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What would be left of the files if some holders were gone, on the placement as it is; and how likely
 * it is that each survives. */
#include "node/repair/repair.h"

#include "node/audit/audit.h"
#include "node/shelf/shelf_depots.h"

#include <stdio.h>
#include <string.h>

#define EXAMPLES 10
#define EXAMPLES_TEXT 2048

static double chance_of(void *arg, uint16_t holder)
{
    const struct shelf *s = arg;
    return enclave_availability(s->e, holder);
}

/* Where the columns are that can be counted on: with members who are not `without`. */
static void standing(const struct shelf *s, const struct tree_segment *t, const uint16_t *without,
                     size_t n, uint16_t ret[PLACE_COLUMNS_MAX])
{
    struct hold_view view[HOLD_LEAVES_MAX];
    size_t g = hold_list(s->hold, view);
    for (unsigned c = 0; c < t->n; c++) {
        ret[c] = PLACE_NOBODY;
        for (size_t i = 0; i < g; i++)
            if (view[i].leaf == t->at[c]) ret[c] = t->at[c];
        for (size_t i = 0; i < n; i++)
            if (without[i] == t->at[c]) ret[c] = PLACE_NOBODY;
    }
}

struct weakest {
    struct shelf *s;
    double survival;
    uint16_t holder;
};

static bool on_segment(void *arg, const struct tree_segment *t)
{
    struct weakest *w = arg;
    uint16_t at[PLACE_COLUMNS_MAX];
    uint16_t holder;
    standing(w->s, t, NULL, 0, at);
    double p = place_survival(at, t->n, t->k, chance_of, w->s, &holder);
    if (p >= w->survival) return true;
    w->survival = p;
    w->holder = holder;
    return true;
}

void shelf_survival_text(double survival, char *out, size_t room)
{
    double lost = 1 - survival;
    if (lost < 5e-10)
        snprintf(out, room, "over 99.9999999 %%");
    else
        snprintf(out, room, "%.*f %%", lost < 1e-6 ? 7 : lost < 1e-3 ? 4 : 1, survival * 100);
}

void shelf_survival(struct shelf *s, const uint8_t version[32], double *ret_survival,
                    uint16_t *ret_weakest)
{
    struct weakest w = {s, 2, PLACE_NOBODY};
    tree_segments(s->tree, version, on_segment, &w);
    *ret_survival = w.survival > 1 ? 1 : w.survival;
    *ret_weakest = w.holder;
}

/* ---- drill ---- */

struct drill {
    struct shelf *s;
    const uint16_t *without;
    size_t n;
    struct node_drill_view *view;
    int may; /* of the file looked at */
    unsigned holders;
    char *examples, *weakest_file;
    size_t used, shown;
    double survival;
    uint16_t weakest;
    int least;
};

static bool on_drilled(void *arg, const struct tree_segment *t)
{
    struct drill *d = arg;
    uint16_t at[PLACE_COLUMNS_MAX];
    unsigned holders;
    standing(d->s, t, d->without, d->n, at);
    int may = place_may_vanish(at, t->n, t->k, &holders);
    if (may < d->may) d->may = may;
    if (holders < d->holders) d->holders = holders;
    uint16_t weakest;
    double p = place_survival(at, t->n, t->k, chance_of, d->s, &weakest);
    if (p >= d->survival) return true;
    d->survival = p;
    d->weakest = weakest;
    d->weakest_file[0] = '\0'; /* named by its file */
    return true;
}

static void say_example(struct drill *d, const struct tree_node *node)
{
    char path[256];
    if (d->shown++ >= EXAMPLES) return;
    shelf_path_text(node->path, path, sizeof path);
    int n = snprintf(d->examples + d->used, EXAMPLES_TEXT - d->used, "%s%s",
                     d->used > 0 ? "\n" : "", path);
    if (n > 0 && (size_t)n < EXAMPLES_TEXT - d->used) d->used += (size_t)n;
    d->examples[d->used] = '\0';
}

static bool on_file(void *arg, const struct tree_node *node)
{
    struct drill *d = arg;
    if (node->dir) return true;
    d->view->files++;
    d->may = HOLD_LEAVES_MAX;
    d->holders = HOLD_LEAVES_MAX;
    double before = d->survival;
    tree_segments(d->s->tree, node->file.version, on_drilled, d);
    if (d->survival < before) shelf_path_text(node->path, d->weakest_file, 256);
    if (d->may == HOLD_LEAVES_MAX) return true; /* empty: every member has it */
    if (d->may < d->least) {
        d->least = d->may;
        d->view->holders = d->holders;
    }
    if (d->may == 0) d->view->weaker++;
    if (d->may >= 0) return true;
    d->view->lost++;
    d->view->lost_bytes += node->file.size;
    say_example(d, node);
    return true;
}

/* "bob,carol" to holders; ST_NOT_FOUND: one of them is nobody here. */
static enum status holders_of(struct shelf *s, const char *names, uint16_t *ret, size_t *ret_n)
{
    struct hold_view view[HOLD_LEAVES_MAX];
    size_t g = hold_list(s->hold, view);
    uint16_t node;
    *ret_n = 0;
    for (const char *at = names; *at != '\0';) {
        size_t n = strcspn(at, ",");
        bool found = n > 0 && *ret_n < HOLD_LEAVES_MAX && shelf_depot_find(s, at, n, &node);
        if (found) ret[(*ret_n)++] = node;
        for (size_t i = 0; i < g && !found; i++) {
            const char *nick = enclave_nick(s->e, view[i].leaf);
            if (strlen(nick) != n || memcmp(nick, at, n) != 0) continue;
            found = true;
            ret[(*ret_n)++] = view[i].leaf;
            break;
        }
        if (n > 0 && (!found || *ret_n == HOLD_LEAVES_MAX)) return ST_NOT_FOUND;
        at += n + (at[n] == ',');
    }
    return ST_OK;
}

enum status node_drill(struct node *n, const char *name, const char *without,
                       node_drill_visit *visit, void *arg)
{
    char examples[EXAMPLES_TEXT] = "", weakest_file[256] = "", survival[32], safety[128];
    uint16_t gone[HOLD_LEAVES_MAX];
    size_t n_gone = 0;
    if (!n->started) return ST_LOCKED;
    struct enclave *e = node_find(n, name);
    if (e == NULL) return ST_NOT_FOUND;
    if (e->shelf == NULL || e->group == NULL) return ST_DENIED;
    if (without != NULL && holders_of(e->shelf, without, gone, &n_gone) != ST_OK) return ST_USAGE;
    struct node_drill_view view = {.examples = examples, .safety = safety, .survival = survival};
    struct drill d = {.s = e->shelf,
                      .without = gone,
                      .n = n_gone,
                      .view = &view,
                      .examples = examples,
                      .weakest_file = weakest_file,
                      .survival = 1,
                      .weakest = PLACE_NOBODY,
                      .least = HOLD_LEAVES_MAX};
    view.without = (unsigned)n_gone;
    tree_list(e->shelf->tree, BYTES_NONE, true, on_file, &d);
    view.readable = view.files - view.lost;
    view.may_vanish = d.least < 0 || d.least == HOLD_LEAVES_MAX ? 0 : (unsigned)d.least;
    view.weakest_file = weakest_file;
    view.weakest_holder = d.weakest == PLACE_NOBODY ? "" : enclave_nick(e, d.weakest);
    view.loss_ppb = (uint64_t)((1 - d.survival) * 1e9);
    shelf_survival_text(d.survival, survival, sizeof survival);
    if (view.lost > 0)
        snprintf(safety, sizeof safety, "%llu of %llu files could not be read",
                 (unsigned long long)view.lost, (unsigned long long)view.files);
    else if (d.least == HOLD_LEAVES_MAX)
        snprintf(safety, sizeof safety, "no file hangs on anybody");
    else
        snprintf(safety, sizeof safety, "every file can be read, and any %u of %u %smay vanish",
                 view.may_vanish, view.holders,
                 n_gone > 0                           ? "others "
                 : tree_depots(e->shelf->tree)->n > 0 ? "holders "
                                                      : "members ");
    visit(arg, &view);
    return ST_OK;
}
