/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* ADD, LEAVE, REMOVE, SELF_REVOKE, UPDATE, RENEW, HEAD: who is inside, and what each says of itself. */
#include "core/ledger/state.h"
#include "crypto/hash.h"
#include "crypto/kem.h"

#include <stdlib.h>
#include <string.h>

static enum status outcome_decode(struct ledger_judged *j)
{
    return fields_decode(&outcome_body_fields, j->entry.body, &j->body.outcome);
}

static int by_number(const void *a, const void *b)
{
    uint64_t x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return x < y ? -1 : x > y;
}

/* The indexes of all voters' ballots, ascending. */
static size_t ballots_of(const struct ledger_proposal *p, uint64_t ret[LEDGER_MEMBERS_MAX])
{
    for (size_t i = 0; i < p->n_voters; i++) ret[i] = p->voters[i].index;
    qsort(ret, p->n_voters, sizeof ret[0], by_number);
    return p->n_voters;
}

const char *ledger_check_outcome(const struct ledger *l, const struct ledger_judged *j,
                                 uint8_t kind)
{
    const struct outcome_body *a = &j->body.outcome;
    uint64_t ballots[LEDGER_MEMBERS_MAX];
    const char *why = NULL;
    const struct ledger_proposal *p =
        ledger_named(l, a->proposal, a->hash, LEDGER_VOTE_PASSED, &why);
    if (p == NULL) return why;
    if (p->kind != kind) return "the vote was about something else";
    if (a->ballots.n != ballots_of(p, ballots)) return "it names other ballots";
    for (size_t i = 0; i < a->ballots.n; i++)
        if (get_u64(list_at(a->ballots, i, 8)) != ballots[i]) return "it names other ballots";
    return NULL;
}

/* ---- ADD ---- */

static const char *add_check(const struct ledger *l, struct ledger_judged *j)
{
    const char *why = ledger_check_outcome(l, j, PROPOSE_ADD);
    if (why != NULL) return why;
    if (l->n_pending >= LEDGER_PENDING_ADDS) return "too much waits for a COMMIT";
    return NULL;
}

static enum status add_apply(struct ledger *l, const struct ledger_judged *j)
{
    struct ledger_proposal *p = l->current;
    const struct knock *k = &p->candidate;
    struct ledger_leaf *leaf =
        ledger_enter(l, j->index, k->id, k->seat, k->kem, k->revocation, k->nick);
    if (leaf == NULL) return ST_NO_MEMORY;
    ledger_stock_add(&leaf->stock, k->veto_keys);
    p->state = LEDGER_VOTE_ADDED;
    p->added = j->index;
    p->added_leaf = leaf->leaf;
    p->added_epoch = l->epoch;
    memcpy(p->added_chain, j->chain, 32);
    l->current = NULL;
    ledger_push_pending(l, j->index, LEDGER_ADD, leaf->leaf);
    ledger_void_votes(l, j->index, j->verdict.author);
    return ST_OK;
}

const struct ledger_type ledger_type_add = {LEDGER_ADD, "ADD", outcome_decode, add_check,
                                            add_apply};

static enum status leave_decode(struct ledger_judged *j)
{
    return fields_decode(&leave_body_fields, j->entry.body, &j->body.leave);
}

static const char *leave_check(const struct ledger *l, struct ledger_judged *j)
{
    const struct ledger_leaf *leaf = ledger_leaf(l, j->verdict.author);
    if (ledger_verify_drop(leaf->seat, l->room, leaf->seat, j->body.leave.seat_sig) != ST_OK)
        return "its seat's signature does not verify";
    if (l->n_pending >= COMMIT_TAKEN_MAX) return "too much waits for a COMMIT";
    return NULL;
}

static enum status leave_apply(struct ledger *l, const struct ledger_judged *j)
{
    uint16_t leaf = j->verdict.author;
    memcpy(ledger_leaf_rw(l, leaf)->drop_sig, j->body.leave.seat_sig, 64);
    ledger_depart(l, leaf, j->index, LEDGER_LEAVE);
    ledger_push_pending(l, j->index, LEDGER_LEAVE, leaf);
    ledger_void_votes(l, j->index, leaf);
    return ST_OK;
}

const struct ledger_type ledger_type_leave = {LEDGER_LEAVE, "LEAVE", leave_decode, leave_check,
                                              leave_apply};

/* ---- REMOVE, SELF_REVOKE: gone without its own word ---- */

static const char *remove_check(const struct ledger *l, struct ledger_judged *j)
{
    const char *why = ledger_check_outcome(l, j, PROPOSE_REMOVE);
    if (why != NULL) return why;
    if (l->n_pending >= COMMIT_TAKEN_MAX) return "too much waits for a COMMIT";
    return NULL;
}

static enum status remove_apply(struct ledger *l, const struct ledger_judged *j)
{
    const char *why;
    struct ledger_proposal *p =
        ledger_named(l, j->body.outcome.proposal, j->body.outcome.hash, LEDGER_VOTE_PASSED, &why);
    if (p == NULL) return ST_BUG;
    p->state = LEDGER_VOTE_REMOVED;
    p->added = j->index;
    ledger_push_pending(l, j->index, LEDGER_REMOVE, p->targets[0]);
    for (size_t i = 0; i < p->n_targets; i++) {
        struct ledger_leaf *leaf = ledger_leaf_rw(l, p->targets[i]);
        if (!leaf->member_now) continue; /* left meanwhile */
        leaf->removal = p->index;
        ledger_depart(l, leaf->leaf, j->index, LEDGER_REMOVE);
    }
    ledger_void_votes(l, j->index, j->verdict.author);
    return ST_OK;
}

const struct ledger_type ledger_type_remove = {LEDGER_REMOVE, "REMOVE", outcome_decode,
                                               remove_check, remove_apply};

static enum status revoke_decode(struct ledger_judged *j)
{
    return fields_decode(&self_revoke_fields, j->entry.body, &j->body.self_revoke);
}

static const char *revoke_check(const struct ledger *l, struct ledger_judged *j)
{
    const struct ledger_leaf *leaf = ledger_leaf(l, j->body.self_revoke.leaf);
    uint8_t hash[32];
    if (leaf == NULL || !leaf->member_now) return "it revokes no member";
    sha256(BYTES(j->body.self_revoke.key, 32), hash);
    if (memcmp(hash, leaf->revoke_hash, 32) != 0) return "its revocation key is another one";
    if (l->n_pending >= COMMIT_TAKEN_MAX) return "too much waits for a COMMIT";
    return NULL;
}

static enum status revoke_apply(struct ledger *l, const struct ledger_judged *j)
{
    uint16_t leaf = j->body.self_revoke.leaf;
    ledger_depart(l, leaf, j->index, LEDGER_SELF_REVOKE);
    ledger_push_pending(l, j->index, LEDGER_SELF_REVOKE, leaf);
    ledger_void_votes(l, j->index, j->verdict.author);
    return ST_OK;
}

const struct ledger_type ledger_type_self_revoke = {LEDGER_SELF_REVOKE, "SELF_REVOKE",
                                                    revoke_decode, revoke_check, revoke_apply};

/* ---- UPDATE, RENEW: new keys ---- */

static enum status update_decode(struct ledger_judged *j)
{
    return fields_decode(&update_body_fields, j->entry.body, &j->body.update);
}

static const char *update_check(const struct ledger *l, struct ledger_judged *j)
{
    const struct ledger_leaf *leaf = ledger_leaf(l, j->verdict.author);
    if (leaf->updates >= LEDGER_UPDATES_MAX || l->n_pending >= LEDGER_PENDING_UPDATES)
        return "too much waits for a COMMIT";
    if (kem_check_public(j->body.update.kem_pk) != ST_OK) return "its KEM key is not valid";
    return NULL;
}

static enum status update_apply(struct ledger *l, const struct ledger_judged *j)
{
    struct ledger_leaf *leaf = ledger_leaf_rw(l, j->verdict.author);
    memcpy(leaf->kem_update, j->body.update.kem_pk, sizeof leaf->kem_update);
    leaf->updates++;
    ledger_push_pending(l, j->index, LEDGER_UPDATE, leaf->leaf);
    return ST_OK;
}

const struct ledger_type ledger_type_update = {LEDGER_UPDATE, "UPDATE", update_decode, update_check,
                                               update_apply};

static enum status renew_decode(struct ledger_judged *j)
{
    return fields_decode(&renew_body_fields, j->entry.body, &j->body.renew);
}

static const char *renew_check(const struct ledger *l, struct ledger_judged *j)
{
    const struct ledger_leaf *leaf = ledger_leaf(l, j->verdict.author);
    if (j->body.renew.count != leaf->renewals + 1) return "it was made for another time";
    /* The words of its owner stay valid: who stole the keys cannot make them worthless. */
    if (memcmp(j->body.renew.revoke_hash, leaf->revoke_hash, 32) != 0)
        return "its revocation key is another one";
    /* A second one replaces the first: its author may have lost that one's secret as well, and does not
     * see that it was taken in. */
    if (leaf->updates >= LEDGER_RENEWS_MAX || l->n_pending >= LEDGER_PENDING_UPDATES)
        return "too much waits for a COMMIT";
    if (kem_check_public(j->body.renew.kem_pk) != ST_OK) return "its KEM key is not valid";
    return NULL;
}

/* The next COMMIT treats the leaf as a new one; its one-time keys may have been used already. */
static enum status renew_apply(struct ledger *l, const struct ledger_judged *j)
{
    struct ledger_leaf *leaf = ledger_leaf_rw(l, j->verdict.author);
    const struct renew_body *r = &j->body.renew;
    memcpy(leaf->kem_update, r->kem_pk, sizeof leaf->kem_update);
    leaf->updates++;
    leaf->renewals = r->count;
    leaf->renewed_at = j->index;
    leaf->renewed_epoch = l->epoch;
    leaf->renewed = true;
    leaf->stock.n = 0;
    ledger_push_pending(l, j->index, LEDGER_RENEW, leaf->leaf);
    return ST_OK;
}

const struct ledger_type ledger_type_renew = {LEDGER_RENEW, "RENEW", renew_decode, renew_check,
                                              renew_apply};

/* ---- HEAD ---- */

static enum status head_decode(struct ledger_judged *j)
{
    return fields_decode(&head_body_fields, j->entry.body, &j->body.head);
}

static const char *head_check(const struct ledger *l, struct ledger_judged *j)
{
    uint64_t epoch = j->body.head.epoch;
    if (epoch > l->epoch || !ledger_in_epoch(l, j->verdict.author, epoch))
        return "its author is not in that epoch";
    return NULL;
}

static enum status head_apply(struct ledger *l, const struct ledger_judged *j)
{
    struct ledger_leaf *leaf = ledger_leaf_rw(l, j->verdict.author);
    leaf->head_index = j->index;
    leaf->head_epoch = j->body.head.epoch;
    leaf->head_next = j->body.head.next;
    leaf->head_version = j->body.head.seats_version;
    memcpy(leaf->head_sig, j->body.head.rehome_sig, 64);
    for (uint8_t feed = 1; feed <= 3; feed++)
        leaf->head_seen[feed - 1] = entry0_seen(&j->entry, feed);
    return ST_OK;
}

const struct ledger_type ledger_type_head = {LEDGER_HEAD, "HEAD", head_decode, head_check,
                                             head_apply};
