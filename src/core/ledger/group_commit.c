/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A COMMIT as a holder of keys judges it, and what follows from a valid one. */
#include "core/ledger/group_state.h"

#include "crypto/secret.h"

#include <stdlib.h>
#include <string.h>

/* A newcomer's list may not begin below this: what earlier newcomers got, or nothing old at all
 * where the policy says no history. */
static uint64_t floor_of(const struct group *g)
{
    uint64_t floor = ledger_history_floor(g->ledger);
    return floor > g->first_floor ? floor : g->first_floor;
}

enum status group_prev(const struct group *g, struct commit_prev *ret, struct commit_key **ret_keys)
{
    uint64_t epoch = ledger_epoch(g->ledger);
    const struct group_row *row = group_row(g, epoch, GROUP_ROW_ALL);
    *ret_keys = NULL;
    if (row == NULL || epoch + 1 != g->n_rows) return ST_DENIED;
    struct commit_key *keys = secret_new(COMMIT_KEYS_MAX * sizeof *keys);
    if (keys == NULL) return ST_NO_MEMORY;
    uint64_t from = epoch + 1;
    while (from > 0 && epoch + 1 - from < COMMIT_KEYS_MAX - 1 &&
           group_row(g, from - 1, GROUP_ROW_FILE) != NULL)
        from--;
    for (uint64_t e = from; e <= epoch; e++) {
        keys[e - from].epoch = e;
        memcpy(keys[e - from].file_kek, g->rows[e].file_kek, 32);
        memcpy(keys[e - from].tree, g->rows[e].tree, 32);
    }
    *ret = (struct commit_prev){.init = g->secrets->init,
                                .log = row->log,
                                .generation = g->generation,
                                .dedup = g->secrets->dedup,
                                .placement = g->secrets->placement,
                                .keys = keys,
                                .n_keys = (size_t)(epoch + 1 - from),
                                .first_floor = floor_of(g)};
    *ret_keys = keys;
    return ST_OK;
}

/* The rule for who knows the key that came after: the valid one is that whose back opens under it
 * (protocol.md 6; a newcomer reading history, and a restart reading its own disk). */
static bool opens_known(const struct group *g, uint64_t epoch, const uint8_t back[ENTRY0_BACK])
{
    uint8_t log_prev[32];
    const struct group_row *row = group_row(g, epoch, GROUP_ROW_LOG);
    bool ok = row != NULL &&
              schedule_back_open(row->log, g->room, epoch, back, log_prev) == ST_OK &&
              secret_same(log_prev, g->rows[epoch - 1].log, 32);
    bytes_wipe(log_prev, sizeof log_prev);
    return ok;
}

static const char *fault_reason(enum commit_part part)
{
    switch (part) {
    case COMMIT_OWN_WRAP: return "our own wrap in it does not open";
    case COMMIT_CT: return "a ciphertext in it is not what it must be";
    case COMMIT_WRAP: return "a wrap in it is not what it must be";
    case COMMIT_BACK_PART: return "its way back is not what it must be";
    case COMMIT_TAG: return "its confirmation is not what it must be";
    default: return "its layout is not what it must be";
    }
}

/* A restored member's own COMMIT: the wrap to itself goes to the key that it lost, but it knows the
 * commit secret, for it has drawn it. */
static enum status judge_attempts(struct group *g, const struct ledger_judged *j,
                                  const struct commit_plan *plan, struct commit_own *own,
                                  const uint8_t back[ENTRY0_BACK], struct group_commit *ret)
{
    struct commit_prev prev;
    struct commit_key *keys = NULL;
    if (plan->committer != g->leaf || g->n_attempts == 0) return ST_INTEGRITY;
    enum status st = group_prev(g, &prev, &keys);
    size_t n = g->n_attempts < GROUP_ATTEMPTS ? g->n_attempts : GROUP_ATTEMPTS;
    if (st == ST_OK) st = ST_INTEGRITY;
    for (size_t i = 0; i < n && st == ST_INTEGRITY; i++) {
        own->commit_secret = g->secrets->attempts[i];
        st = commit_open(plan, &prev, own, j->entry.body, back, &ret->next, &ret->fault);
    }
    if (st == ST_INTEGRITY) ret->fault = (struct commit_fault){COMMIT_OWN_WRAP, own->leaf};
    secret_free(keys);
    return st;
}

static enum status judge_wraps(struct group *g, const struct ledger_judged *j,
                               const struct commit_plan *plan, const struct commit_leaf *self,
                               const uint8_t back[ENTRY0_BACK], struct group_commit *ret)
{
    struct commit_prev prev;
    struct commit_key *keys = NULL;
    struct commit_own own = {self->leaf, group_kem_seed(g, self->wrap_pk), NULL};
    ret->fault = (struct commit_fault){COMMIT_OWN_WRAP, self->leaf};
    enum status st;
    if (own.kem_seed == NULL) {
        st = judge_attempts(g, j, plan, &own, back, ret);
    } else if (self->fresh) {
        st = commit_open_new(plan, g->rows[plan->epoch - 1].log, &own, j->entry.body, back,
                             &ret->next, &ret->joined, &ret->fault);
    } else {
        st = group_prev(g, &prev, &keys);
        if (st == ST_OK)
            st = commit_open(plan, &prev, &own, j->entry.body, back, &ret->next, &ret->fault);
    }
    secret_free(keys);
    return st;
}

enum status group_commit_judge(struct group *g, struct ledger_judged *j,
                               const uint8_t back[ENTRY0_BACK], struct group_commit *ret)
{
    struct commit_leaf leaves[COMMIT_LEAVES_MAX];
    struct commit_plan plan;
    const struct commit_leaf *self = NULL;
    memset(ret, 0, sizeof *ret);
    uint64_t epoch = ledger_epoch(g->ledger) + 1;
    if (epoch < g->n_rows) {
        if (!opens_known(g, epoch, back)) ledger_void(j, "it did not open the epoch that followed");
        return ST_OK;
    }
    enum status st =
        ledger_plan(g->ledger, j->verdict.author, j->body.commit.kem_pk, leaves, &plan);
    if (st != ST_OK) return ST_BUG; /* the rules have allowed it */
    for (size_t i = 0; i < plan.n; i++)
        if (leaves[i].leaf == g->leaf) self = &leaves[i];
    if (self == NULL) { /* we have left: nothing in it is for us */
        ledger_void(j, "we are out");
        return ST_OK;
    }
    st = judge_wraps(g, j, &plan, self, back, ret);
    if (st == ST_OK) {
        ret->install = true;
        return ST_OK;
    }
    if (st != ST_INTEGRITY) return st;
    ret->own_wrap = ret->fault.part == COMMIT_OWN_WRAP;
    ret->no_key = ret->own_wrap && group_kem_seed(g, self->wrap_pk) == NULL;
    ledger_void(j, fault_reason(ret->fault.part));
    return ST_OK;
}

enum status group_commit_prepare(struct group *g, const struct group_commit *c)
{
    if (!c->install) return ST_OK;
    /* Room only: the row counts from group_commit_install on. */
    size_t n = g->n_rows;
    enum status st = group_rows(g, n + 1);
    g->n_rows = n;
    return st;
}

void group_commit_install(struct group *g, const struct group_commit *c, uint64_t now_ms)
{
    const struct epoch_keys *keys = &c->next.keys;
    struct group_row *row = &g->rows[g->n_rows++];
    memset(row, 0, sizeof *row);
    group_row_set(row, keys, now_ms);
    for (size_t i = 0; i < c->joined.n; i++) {
        const struct commit_key *key = &c->joined.keys[i];
        struct group_row *old = &g->rows[key->epoch];
        old->flags |= GROUP_ROW_FILE;
        memcpy(old->file_kek, key->file_kek, 32);
        memcpy(old->tree, key->tree, 32);
    }
    memcpy(g->secrets->init, keys->init, 32);
    memcpy(g->secrets->dedup, c->next.dedup, 32);
    memcpy(g->secrets->placement, c->next.placement, 32);
    g->generation = c->next.generation;
    bytes_wipe(g->secrets->attempts, sizeof g->secrets->attempts);
    g->n_attempts = 0;
    if (c->next.first != UINT64_MAX) g->first_floor = c->next.first;
    g->used = false;
    g->dirty = true;
}

/* A newcomer cannot recompute the joiner secret: it takes the COMMIT that let it in on its author's
 * word. Had the author lied, the others would have found it void and said so by another COMMIT to
 * the same epoch, sealed under the epoch before, which the newcomer can read too. */
bool group_commit_disputed(const struct group *g, uint64_t index, struct bytes sealed,
                           uint16_t *ret_author)
{
    struct buf plain = BUF_INIT;
    struct entry0 e;
    struct commit_head h;
    bool disputed = false;
    uint64_t epoch = ledger_epoch(g->ledger);
    const struct ledger_leaf *self = ledger_leaf(g->ledger, g->leaf);
    if (!g->joined || self == NULL || epoch != g->add_epoch + 1) return false;
    const struct group_row *row = group_row(g, epoch - 1, GROUP_ROW_LOG);
    if (row == NULL || entry0_open(sealed, g->room, row->log, index, &plain) != ST_OK) goto out;
    if (entry0_split(buf_view(&plain), &e) != ST_OK || e.type != LEDGER_COMMIT || e.index != index)
        goto out;
    const struct ledger_leaf *author = ledger_by_id(g->ledger, e.actor);
    struct cursor c = cursor_of(e.body);
    if (author == NULL || !ledger_in_epoch(g->ledger, author->leaf, epoch - 1) ||
        entry0_verify(&e, g->enclave_id) != ST_OK ||
        fields_read(&commit_head_fields, &c, &h) != ST_OK || h.epoch != epoch)
        goto out;
    for (size_t i = 0; i < h.voids.n && !disputed; i++)
        disputed = get_u64(list_at(h.voids, i, 8)) == ledger_epoch_index(g->ledger, epoch);
    *ret_author = author->leaf;
out:
    buf_free(&plain);
    return disputed;
}
