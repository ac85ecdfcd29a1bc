/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "core/ledger/ledger.h"

#include "core/ledger/state.h"

#include <stdlib.h>
#include <string.h>

static const struct ledger_type *const types[] = {
    &ledger_type_genesis, &ledger_type_propose,     &ledger_type_ballot,    &ledger_type_add,
    &ledger_type_leave,   &ledger_type_update,      &ledger_type_commit,    &ledger_type_expire,
    &ledger_type_head,    &ledger_type_withdraw,    &ledger_type_veto_keys, &ledger_type_remove,
    &ledger_type_policy,  &ledger_type_self_revoke, &ledger_type_renew,     &ledger_type_away,
    &ledger_type_rehome,  &ledger_type_digest,
};

static const struct ledger_type *type_of(uint8_t number)
{
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (types[i]->number == number) return types[i];
    return NULL;
}

enum status ledger_new(const uint8_t enclave_id[32], const uint8_t room[32], struct ledger **ret)
{
    struct ledger *l = calloc(1, sizeof *l);
    if (l == NULL) return ST_NO_MEMORY;
    memcpy(l->enclave_id, enclave_id, 32);
    memcpy(l->room, room, 32);
    chain_start(room, FEED_LEDGER, l->start);
    *ret = l;
    return ST_OK;
}

void ledger_free(struct ledger *l)
{
    if (l == NULL) return;
    for (size_t i = 0; i < l->n_leaves; i++) free(l->leaves[i]);
    for (size_t i = 0; i < l->n_proposals; i++) ledger_proposal_free(l->proposals[i]);
    for (size_t i = 0; i < l->n_digests; i++) free(l->digests[i]);
    free(l->leaves);
    free(l->proposals);
    free(l->chains);
    free(l->epochs);
    free(l);
}

/* ---- judging ---- */

static const struct ledger_leaf *author_of(const struct ledger *l, const struct entry0 *e)
{
    const struct ledger_leaf *leaf = ledger_by_id(l, e->actor);
    return leaf != NULL && leaf->member_now ? leaf : NULL;
}

/* All that holds for every type but the first entry's author. NULL or the reason. */
static const char *judge_common(const struct ledger *l, uint64_t envelope_epoch,
                                struct ledger_judged *j)
{
    const struct entry0 *e = &j->entry;
    if (l->ended) return "the enclave has ended";
    const struct ledger_leaf *author = author_of(l, e);
    if (l->started && author == NULL) return "its author is no member";
    if (entry0_verify(e, l->enclave_id) != ST_OK) return "its signature does not verify";
    /* Whoever has the log key can seal an old entry of somebody else again: its author is innocent. */
    if (e->index != j->index) return "it was made for another index";
    if (author != NULL) j->verdict.author = author->leaf;
    if (memcmp(e->prev_chain, ledger_chain(l), 32) != 0) {
        j->verdict.other_history = author != NULL;
        return "it follows another history";
    }
    /* A RENEW comes from somebody who may not know which epoch it is. */
    uint64_t epoch = e->type == LEDGER_RENEW ? 0 : l->epoch;
    if (e->epoch != envelope_epoch || e->epoch != epoch) return "its epoch is not the current";
    if (e->rules != LEDGER_RULES) return "its rules are not known";
    if (e->flags != 0) return "it has unknown flags";
    return NULL;
}

static const char *judge_type(const struct ledger *l, struct ledger_judged *j)
{
    const struct ledger_type *type = type_of(j->entry.type);
    if (type == NULL) return "its type is not known under these rules";
    if ((j->entry.type == LEDGER_GENESIS) == l->started)
        return l->started ? "the enclave has begun already" : "the enclave has not begun";
    if (type->decode(j) != ST_OK) return "its body is malformed";
    return type->check(l, j);
}

void ledger_judge(const struct ledger *l, struct bytes plain, uint64_t envelope_epoch,
                  const uint8_t chain[32], struct ledger_judged *ret)
{
    memset(ret, 0, sizeof *ret);
    ret->index = l->count;
    memcpy(ret->chain, chain, 32);
    ret->verdict.author = LEDGER_NOBODY;
    if (plain.n == 0)
        ret->verdict.reason =
            envelope_epoch == l->epoch ? "it cannot be opened" : "it is sealed under another epoch";
    else if (entry0_split(plain, &ret->entry) != ST_OK)
        ret->verdict.reason = "it is malformed";
    else {
        ret->verdict.type = ret->entry.type;
        ret->verdict.reason = judge_common(l, envelope_epoch, ret);
        if (ret->verdict.reason == NULL) ret->verdict.reason = judge_type(l, ret);
    }
    ret->verdict.valid = ret->verdict.reason == NULL;
}

void ledger_void(struct ledger_judged *j, const char *reason)
{
    j->verdict.valid = false;
    j->verdict.reason = reason;
}

/* ---- applying ---- */

enum status ledger_room_for(void **array, size_t size, size_t n, size_t *cap)
{
    if (n < *cap) return ST_OK;
    size_t want = *cap == 0 ? 16 : *cap * 2;
    void *p = realloc(*array, want * size);
    if (p == NULL) return ST_NO_MEMORY;
    *array = p;
    *cap = want;
    return ST_OK;
}

/* A COMMIT of a member to this epoch that is void: the one that replaces it must name it. */
static void note_void_commit(struct ledger *l, const struct ledger_judged *j)
{
    const struct ledger_verdict *v = &j->verdict;
    if (v->valid || v->type != LEDGER_COMMIT || v->author == LEDGER_NOBODY || v->other_history)
        return;
    if (j->entry.epoch != l->epoch || l->n_voids == COMMIT_VOID_MAX) return;
    l->voids[l->n_voids] = j->index;
    l->void_by[l->n_voids++] = v->author;
}

/* What its author has seen and when it was here last, by its own signed word. */
static void note_author(struct ledger *l, const struct ledger_judged *j)
{
    struct ledger_leaf *leaf = ledger_leaf_rw(l, j->verdict.author);
    if (leaf == NULL) leaf = ledger_leaf_rw(l, 0); /* GENESIS */
    leaf->last = j->index;
    leaf->last_ms = j->entry.time_ms;
    leaf->missed = false;
    ledger_heard(l, leaf->leaf, j->index);
}

enum status ledger_apply(struct ledger *l, const struct ledger_judged *j)
{
    size_t cap = (size_t)l->chains_cap;
    enum status st = ledger_room_for((void **)&l->chains, 32, (size_t)l->count, &cap);
    if (st != ST_OK) return st;
    l->chains_cap = cap;
    if (j->verdict.valid) {
        st = type_of(j->entry.type)->apply(l, j);
        if (st != ST_OK) return st;
        note_author(l, j);
    } else {
        note_void_commit(l, j);
    }
    memcpy(l->chains[l->count++], j->chain, 32);
    return ST_OK;
}

/* ---- what the types share ---- */

void ledger_copy_text(char *to, struct bytes from)
{
    if (from.n > 0) memcpy(to, from.p, from.n);
    to[from.n] = 0;
}

struct ledger_leaf *ledger_enter(struct ledger *l, uint64_t index, const uint8_t id[32],
                                 const uint8_t seat[32], const uint8_t *kem_pk,
                                 const uint8_t revoke_hash[32], struct bytes nick)
{
    if (ledger_room_for((void **)&l->leaves, sizeof *l->leaves, l->n_leaves, &l->leaves_cap) !=
        ST_OK)
        return NULL;
    struct ledger_leaf *leaf = calloc(1, sizeof *leaf);
    if (leaf == NULL) return NULL;
    leaf->leaf = (uint16_t)l->n_leaves;
    leaf->member = leaf->leaf; /* one leaf a member in these rules; the numbers stay apart */
    leaf->member_now = true;
    memcpy(leaf->id, id, 32);
    memcpy(leaf->seat, seat, 32);
    memcpy(leaf->kem_pk, kem_pk, sizeof leaf->kem_pk);
    memcpy(leaf->revoke_hash, revoke_hash, 32);
    ledger_copy_text(leaf->nick, nick);
    leaf->added = index;
    leaf->left = leaf->epoch_in = leaf->epoch_out = leaf->head_index = LEDGER_NEVER;
    leaf->last = leaf->removal = LEDGER_NEVER;
    l->leaves[l->n_leaves++] = leaf;
    l->members++;
    return leaf;
}

void ledger_push_pending(struct ledger *l, uint64_t index, uint8_t type, uint16_t leaf)
{
    l->taken[l->n_pending] = index;
    l->pending[l->n_pending++] = (struct ledger_pending){type, leaf};
}

enum status ledger_open_epoch(struct ledger *l, uint64_t epoch, const struct ledger_judged *j)
{
    enum status st =
        ledger_room_for((void **)&l->epochs, sizeof *l->epochs, (size_t)epoch, &l->epochs_cap);
    if (st != ST_OK) return st;
    struct ledger_epoch_row *row = &l->epochs[epoch];
    *row = (struct ledger_epoch_row){j->index, j->entry.time_ms, {0, 0, 0}};
    if (epoch > 0)
        for (uint8_t feed = 1; feed <= 3; feed++)
            row->seen[feed - 1] = entry0_seen(&j->entry, feed).count;
    l->epoch = epoch;
    return ST_OK;
}

struct ledger_leaf *ledger_leaf_rw(struct ledger *l, uint16_t leaf)
{
    return leaf < l->n_leaves ? l->leaves[leaf] : NULL;
}

bool ledger_keyed(const struct ledger_leaf *leaf)
{
    return leaf->member_now && leaf->epoch_in != LEDGER_NEVER && !leaf->renewed;
}

bool ledger_may_commit(const struct ledger *l, const struct ledger_leaf *leaf)
{
    return ledger_keyed(leaf) && ledger_removal(l, leaf->leaf) == NULL;
}
