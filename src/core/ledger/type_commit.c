/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* COMMIT: a new epoch. Here the rules; the wraps are judged by who holds keys (core/epoch). */
#include "core/ledger/state.h"
#include "crypto/kem.h"

#include <string.h>

static enum status decode(struct ledger_judged *j)
{
    struct cursor c = cursor_of(j->entry.body);
    enum status st = fields_read(&commit_head_fields, &c, &j->body.commit);
    j->wraps = cursor_rest(&c);
    return st;
}

static bool same_indexes(struct list list, const uint64_t *want, size_t n)
{
    if (list.n != n) return false;
    for (size_t i = 0; i < n; i++)
        if (get_u64(list_at(list, i, 8)) != want[i]) return false;
    return true;
}

static const char *check(const struct ledger *l, struct ledger_judged *j)
{
    const struct commit_head *h = &j->body.commit;
    if (!ledger_keyed(ledger_leaf(l, j->verdict.author)))
        return "its author does not hold the keys of this epoch yet";
    if (!ledger_may_commit(l, ledger_leaf(l, j->verdict.author)))
        return "its author's own removal is open";
    if (h->epoch != l->epoch + 1) return "it opens another epoch than the next";
    if (h->committer != j->verdict.author) return "its author is not its committer";
    if (!same_indexes(h->taken, l->taken, l->n_pending))
        return "it does not take in all that waits";
    if (!same_indexes(h->voids, l->voids, l->n_voids))
        return "it does not name the void ones that it replaces";
    if (kem_check_public(h->kem_pk) != ST_OK) return "its KEM key is not valid";
    return NULL;
}

static bool takes_leave(const struct ledger *l)
{
    for (size_t i = 0; i < l->n_pending; i++) {
        uint8_t type = l->pending[i].type;
        if (type == LEDGER_LEAVE || type == LEDGER_REMOVE || type == LEDGER_SELF_REVOKE)
            return true;
    }
    return false;
}

static enum status apply(struct ledger *l, const struct ledger_judged *j)
{
    uint64_t epoch = l->epoch + 1;
    enum status st = ledger_open_epoch(l, epoch, j);
    if (st != ST_OK) return st;
    for (size_t i = 0; i < l->n_leaves; i++) {
        struct ledger_leaf *leaf = l->leaves[i];
        if (!leaf->member_now) {
            if (leaf->epoch_in != LEDGER_NEVER && leaf->epoch_out == LEDGER_NEVER)
                leaf->epoch_out = epoch;
            continue;
        }
        if (leaf->epoch_in == LEDGER_NEVER) leaf->epoch_in = epoch;
        if (leaf->updates > 0) {
            memcpy(leaf->kem_pk, leaf->kem_update, sizeof leaf->kem_pk);
            leaf->kem_epoch = epoch;
            leaf->updates = 0;
            leaf->renewed = false;
        }
    }
    struct ledger_leaf *committer = ledger_leaf_rw(l, j->verdict.author);
    memcpy(committer->kem_pk, j->body.commit.kem_pk, sizeof committer->kem_pk);
    committer->kem_epoch = epoch;
    if (takes_leave(l)) l->generation = epoch;
    l->n_pending = l->n_voids = 0;
    return ST_OK;
}

const struct ledger_type ledger_type_commit = {LEDGER_COMMIT, "COMMIT", decode, check, apply};

enum status ledger_plan(const struct ledger *l, uint16_t committer, const uint8_t *kem_pk,
                        struct commit_leaf *ret_leaves, struct commit_plan *ret)
{
    const struct ledger_leaf *by = ledger_leaf(l, committer);
    if (l->ended || by == NULL || !ledger_may_commit(l, by)) return ST_DENIED;
    *ret = (struct commit_plan){
        .enclave_id = l->enclave_id,
        .room = l->room,
        .chain_before = ledger_chain(l),
        .epoch = l->epoch + 1,
        .committer = committer,
        .new_generation = takes_leave(l),
        .taken = l->taken,
        .n_taken = l->n_pending,
        .voids = l->voids,
        .n_voids = l->n_voids,
        .kem_pk = kem_pk,
        .leaves = ret_leaves,
    };
    for (size_t i = 0; i < l->n_leaves && ret->n < COMMIT_LEAVES_MAX; i++) {
        const struct ledger_leaf *leaf = l->leaves[i];
        if (!leaf->member_now) continue;
        const uint8_t *next = leaf->updates > 0 ? leaf->kem_update : leaf->kem_pk;
        bool own = leaf->leaf == committer;
        ret_leaves[ret->n++] = (struct commit_leaf){
            .leaf = leaf->leaf,
            .member = leaf->member,
            .fresh = leaf->epoch_in == LEDGER_NEVER || leaf->renewed,
            .id = leaf->id,
            .seat = leaf->seat,
            .wrap_pk = own ? leaf->kem_pk : next, /* the committer by its key of e-1 */
            .pk = own ? kem_pk : next,
        };
    }
    return ST_OK;
}
