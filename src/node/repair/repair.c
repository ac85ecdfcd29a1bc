/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "node/repair/repair.h"

#include "node/audit/audit.h"
#include "node/shelf/shelf_depots.h"

#include <stdio.h>
#include <stdlib.h>

#define SCORE_LEAST 0.5 /* for new columns */
#define TRANSFER (SHELF_TRANSFERS - 1)
#define SEEN_ROW 1 /* of the space "files" */

struct repair_begun {
    node_done *done;
    void *arg;
};

static const struct tree *tree_of(void *ctx)
{
    return ((const struct shelf *)ctx)->tree;
}

static bool ready(void *ctx)
{
    const struct shelf *s = ctx;
    struct enclave *e = s->e;
    return enclave_in(e) && e->attached && enclave_synced(e, FEED_LEDGER) &&
           enclave_synced(e, FEED_FILES) && !s->refold_due;
}

static bool present(void *ctx, uint16_t holder)
{
    const struct shelf *s = ctx;
    if (holder == group_leaf(s->e->group)) return true;
    if (holder >= DEPOTS_FIRST) return shelf_depot_present(s, holder);
    return s->e->peers != NULL && peers_path(s->e->peers, holder) != PEERS_OFFLINE;
}

static double weight(void *ctx, uint16_t holder, bool *ret_fit)
{
    const struct shelf *s = ctx;
    double score = enclave_score(s->e, holder);
    *ret_fit = score >= SCORE_LEAST;
    return score * enclave_availability(s->e, holder);
}

static void append(void *ctx, uint8_t type, struct bytes body, put_appended *done, void *arg)
{
    struct shelf *s = ctx;
    enum status st = shelf_queue(s, type, body, done, NULL, arg);
    if (st != ST_OK) shelf_append_later(s, done, arg, st);
}

static void keep_row(void *ctx, struct bytes row)
{
    struct shelf *s = ctx;
    struct keep_batch b;
    keep_begin(&b, &s->e->node->keep);
    keep_put(&b, &s->e->s_files, SEEN_ROW, row);
    enclave_commit(s->e, &b, NULL, NULL);
}

static void parted(void *ctx)
{
    struct shelf *s = ctx;
    enclave_leave_parted(s->e);
}

static void told(void *ctx, uint64_t sent, uint64_t read)
{
    struct shelf *s = ctx;
    char line[NODE_REASON_MAX];
    snprintf(line, sizeof line, "%s: %llu bytes of shards sent, %llu read for it",
             s->e->parting ? "handing over" : "repair", (unsigned long long)sent,
             (unsigned long long)read);
    enclave_tell(s->e, "transfer", "", s->e->slot * SHELF_TRANSFERS + TRANSFER, line);
}

enum status repair_load(struct shelf *s)
{
    const struct node_ports *ports = &s->e->node->ports;
    struct repairs_env env = {.env = ports->env,
                              .work = ports->work,
                              .hold = s->hold,
                              .own = group_leaf(s->e->group),
                              .tree = tree_of,
                              .ready = ready,
                              .present = present,
                              .weight = weight,
                              .append = append,
                              .keep = keep_row,
                              .parted = parted,
                              .told = told,
                              .ctx = s};
    s->repairs = repairs_new(&env);
    struct buf row = BUF_INIT;
    if (s->repairs != NULL && keep_get(&s->e->node->keep, &s->e->s_files, SEEN_ROW, &row) == ST_OK)
        repairs_restore(s->repairs, buf_view(&row));
    buf_free(&row);
    if (s->repairs != NULL && s->e->parting) repairs_part(s->repairs);
    return s->repairs == NULL ? ST_NO_MEMORY : ST_OK;
}

void repair_free(struct shelf *s)
{
    repairs_free(s->repairs);
    s->repairs = NULL;
}

void repair_lost(struct enclave *e, uint16_t holder, const uint8_t segment_id[32], uint8_t index,
                 const char *why)
{
    if (e->shelf == NULL || e->shelf->repairs == NULL || !enclave_in(e)) return;
    env_log(e->node->ports.env, ENV_WARN, "repair", "shard %u at holder %u is lost: %s",
            (unsigned)index, (unsigned)holder, why);
    repairs_lost(e->shelf->repairs, holder, segment_id, index);
}

bool repair_wants_links(const struct shelf *s)
{
    return s->repairs != NULL && repairs_wants_links(s->repairs);
}

bool repair_transfer(struct shelf *s, node_transfer_visit *visit, void *arg)
{
    struct repairs_view v;
    char words[NODE_REASON_MAX];
    if (s->repairs == NULL) return false;
    repairs_view(s->repairs, &v);
    if (!v.parting && !v.evening && !v.busy) return false;
    struct node_transfer t = {.id = s->e->slot * SHELF_TRANSFERS + TRANSFER,
                              .enclave = s->e->name,
                              .kind = v.parting   ? "leave"
                                      : v.evening ? "rebalance"
                                                  : "repair",
                              .path = "",
                              .local = "",
                              .state = v.parting   ? "handing over"
                                       : v.evening ? "moving"
                                                   : "repairing",
                              .total = v.total,
                              .bytes = v.done < v.total ? v.done : v.total,
                              .rate = v.rate,
                              .eta_ms = v.eta_ms,
                              .text = words};
    if (s->e->phase == ENCLAVE_LEAVING) {
        t.state = "leaving";
        snprintf(words, sizeof words, "everything is handed over: the sentinel is told");
    } else if (v.waiting && v.parting) {
        t.state = "waiting";
        snprintf(words, sizeof words,
                 "members who could take over cannot be reached, or have no room: it goes on by "
                 "itself; enclave leave --now goes without");
    } else {
        snprintf(words, sizeof words, "%llu of %llu segments to go",
                 (unsigned long long)v.segments_left, (unsigned long long)v.segments);
    }
    visit(arg, &t);
    return true;
}

static void on_begun(void *arg, enum status st)
{
    struct repair_begun *b = arg;
    node_finish(b->done, b->arg, st, "begun", NULL);
    free(b);
}

enum status node_rebalance(struct node *n, const char *name, node_done *done, void *arg)
{
    if (!n->started) return ST_LOCKED;
    struct enclave *e = node_find(n, name);
    if (e == NULL) return ST_NOT_FOUND;
    if (!enclave_in(e) || e->shelf == NULL || e->shelf->repairs == NULL) return ST_DENIED;
    struct repair_begun *b = malloc(sizeof *b);
    if (b == NULL) return ST_NO_MEMORY;
    *b = (struct repair_begun){done, arg};
    repairs_even_out(e->shelf->repairs);
    shelf_wake(e->shelf);
    node_later_kv(n, e, on_begun, b, ST_OK);
    return ST_OK;
}
