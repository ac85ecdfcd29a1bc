/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What the others would lose if we left now: files that cannot be read without our shards. */
#include "node/shelf/shelf.h"

#include <stdio.h>
#include <string.h>

#define EXAMPLES 10
#define EXAMPLES_TEXT 2048

struct parting {
    struct shelf *s;
    int may; /* of the file looked at, without us */
    struct node_leave_view *view;
    char *examples;
    size_t used, shown;
};

static bool on_segment(void *arg, const struct tree_segment *t)
{
    struct parting *p = arg;
    uint16_t at[PLACE_COLUMNS_MAX];
    unsigned holders;
    for (unsigned i = 0; i < t->n; i++) {
        bool stays = shelf_holds(p->s, t->at[i]) && t->at[i] != group_leaf(p->s->e->group);
        at[i] = stays ? t->at[i] : PLACE_NOBODY;
    }
    int may = place_may_vanish(at, t->n, t->k, &holders);
    if (may < p->may) p->may = may;
    return true;
}

static bool on_file(void *arg, const struct tree_node *node)
{
    struct parting *p = arg;
    char path[256];
    if (node->dir) return true;
    p->view->files++;
    p->may = 1;
    tree_segments(p->s->tree, node->file.version, on_segment, p);
    if (p->may == 0) p->view->weaker++;
    if (p->may >= 0) return true;
    p->view->lost++;
    p->view->lost_bytes += node->file.size;
    if (p->shown++ >= EXAMPLES) return true;
    shelf_path_text(node->path, path, sizeof path);
    int n = snprintf(p->examples + p->used, EXAMPLES_TEXT - p->used, "%s%s",
                     p->used > 0 ? "\n" : "", path);
    if (n > 0 && (size_t)n < EXAMPLES_TEXT - p->used) p->used += (size_t)n;
    p->examples[p->used] = '\0';
    return true;
}

enum status node_leave_preview(struct node *n, const char *name, node_leave_visit *visit, void *arg)
{
    char examples[EXAMPLES_TEXT] = "";
    if (!n->started) return ST_LOCKED;
    struct enclave *e = node_find(n, name);
    if (e == NULL) return ST_NOT_FOUND;
    struct node_leave_view view = {.examples = examples};
    if (e->group != NULL) view.members = (unsigned)ledger_members(group_ledger(e->group));
    if (e->shelf != NULL) {
        struct parting p = {.s = e->shelf, .view = &view, .examples = examples};
        view.held_bytes = enclave_files_held(e);
        tree_list(e->shelf->tree, BYTES_NONE, true, on_file, &p);
    }
    visit(arg, &view);
    return ST_OK;
}
