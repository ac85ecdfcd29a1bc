/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What a check has found, for people: counts, the files that suffer, the next command. */
#include "node/check/check_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const feed_names[FEEDS] = {"ledger", "words", "files", "receipts"};

struct suffering {
    const struct check *c;
    unsigned bad;
    bool lost; /* of one segment fewer than k columns are left */
};

static bool on_segment(void *arg, const struct tree_segment *t)
{
    struct suffering *s = arg;
    unsigned good = 0, bad = 0;
    for (unsigned i = 0; i < t->n; i++) {
        if (check_is_bad(s->c, t->id, t->at[i], (uint8_t)i))
            bad++;
        else if (shelf_holds(s->c->e->shelf, t->at[i]))
            good++;
    }
    s->bad += bad;
    if (bad > 0 && good < t->k) s->lost = true;
    return true;
}

struct listing {
    const struct check *c;
    struct node_check *out;
    struct node_check_file *files;
};

static bool on_file(void *arg, const struct tree_node *node)
{
    struct listing *l = arg;
    struct suffering s = {.c = l->c};
    if (node->dir) return true;
    tree_segments(l->c->e->shelf->tree, node->file.version, on_segment, &s);
    if (s.bad == 0) return true;
    l->out->files_hurt++;
    if (s.lost) l->out->files_lost++;
    if (l->out->n_files < CHECK_PATHS_MAX)
        l->files[l->out->n_files++] =
            (struct node_check_file){.path = node->path, .bad = s.bad, .readable = !s.lost};
    return true;
}

static void row_lines(const struct check *c, struct buf *out)
{
    for (size_t i = 0; i < c->n_row_bad && i < CHECK_PATHS_MAX; i++)
        buf_printf(out, "entry %" PRIu64 " of the %s is damaged%s\n", c->row_bad[i].n,
                   feed_names[c->row_bad[i].feed], c->row_bad[i].mended ? " (mended)" : "");
}

static void shard_lines(const struct check *c, struct buf *out)
{
    for (size_t i = 0; i < c->n_bad && i < CHECK_PATHS_MAX; i++) {
        const struct check_bad *b = &c->bad[i];
        bool own = b->at.leaf == group_leaf(c->e->group);
        buf_printf(out, "shard %u of segment %02x%02x%02x%02x %s%s %s%s\n", (unsigned)b->at.index,
                   b->at.id[0], b->at.id[1], b->at.id[2], b->at.id[3], own ? "" : "at ",
                   own ? "here" : enclave_nick(c->e, b->at.leaf),
                   b->why == ST_NOT_FOUND ? "is missing" : "is damaged",
                   b->mended ? " (mended)" : "");
    }
}

/* What is left to be done. */
static void advise(const struct check *c, struct node_check *out)
{
    uint64_t here = c->own_bad + c->missing - c->mended;
    uint64_t rows = c->rows_bad - c->rows_mended;
    const char *name = c->e->name;
    out->sound = here + rows + c->far_bad == 0;
    snprintf(out->text, sizeof out->text, "%s",
             out->sound && c->mended + c->rows_mended > 0 ? "mended: all of it is sound now"
             : out->sound && c->no_memory ? "sound as far as it went: not all could be listed"
             : out->sound                 ? "all of it is sound"
             : out->files_lost > 0        ? "something is damaged, and files cannot be read"
             : out->files_hurt > 0        ? "something is damaged; every file can still be read"
                                          : "something is damaged; no file in use suffers");
    if (out->sound && c->percent == 0 && c->phase == CHECK_DONE)
        snprintf(out->next, sizeof out->next, "enclave check %s --read-data 10", name);
    if (here + rows > 0 && !c->mend)
        snprintf(out->next, sizeof out->next, "enclave repair %s", name);
    else if (here > 0)
        snprintf(out->next, sizeof out->next,
                 "enclave repair %s again when more members can be reached", name);
    else if (rows > 0)
        snprintf(out->next, sizeof out->next,
                 "enclave repair %s again when the sentinel can be reached; if that does not help, "
                 "restore a backup",
                 name);
    else if (c->far_bad > 0)
        snprintf(out->next, sizeof out->next,
                 "nothing: what others keep badly is made again by itself; ask them to type "
                 "enclave repair");
}

static void rate(const struct check *c, struct node_check *out)
{
    uint64_t now = env_mono_ms(c->e->node->ports.env);
    uint64_t spent = c->phase == CHECK_COLUMNS && now > c->columns_ms ? now - c->columns_ms : 0;
    if (spent == 0 || c->bytes == 0) return;
    out->rate = c->bytes * 1000 / spent;
    if (out->rate > 0 && c->total > c->bytes)
        out->eta_ms = (c->total - c->bytes) * 1000 / out->rate;
}

enum status node_check_look(struct node *n, const char *name, node_check_visit *visit, void *arg)
{
    static const char *const states[] = {"entries", "listing", "shards", "mending", "done"};
    struct node_check_file files[CHECK_PATHS_MAX];
    struct buf detail = BUF_INIT;
    if (!n->started) return ST_LOCKED;
    struct enclave *e = node_find(n, name);
    if (e == NULL || e->check == NULL || e->shelf == NULL) return ST_NOT_FOUND;
    const struct check *c = e->check;
    struct node_check out = {.enclave = e->name,
                             .state = states[c->phase],
                             .bytes = c->bytes,
                             .total = c->total,
                             .rows = c->rows,
                             .rows_bad = c->rows_bad,
                             .rows_mended = c->rows_mended,
                             .own = c->own,
                             .own_bad = c->own_bad,
                             .missing = c->missing,
                             .mended = c->mended,
                             .spare = c->spare,
                             .far = c->far,
                             .far_bad = c->far_bad,
                             .away = c->away,
                             .files = files};
    struct listing l = {c, &out, files};
    if (c->n_bad > 0 && c->phase == CHECK_DONE)
        tree_list(e->shelf->tree, BYTES_NONE, true, on_file, &l);
    rate(c, &out);
    advise(c, &out);
    row_lines(c, &detail);
    shard_lines(c, &detail);
    buf_u8(&detail, 0);
    out.detail = buf_status(&detail) == ST_OK ? (const char *)detail.p : "";
    visit(arg, &out);
    buf_free(&detail);
    return ST_OK;
}
