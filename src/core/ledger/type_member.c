/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* ADD, LEAVE, UPDATE, HEAD: who is inside and what each says of itself. */
#include "core/ledger/state.h"
#include "crypto/kem.h"

#include <stdlib.h>
#include <string.h>

static enum status add_decode(struct ledger_judged *j)
{
    return fields_decode(&add_body_fields, j->entry.body, &j->body.add);
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

static const char *add_check(const struct ledger *l, struct ledger_judged *j)
{
    const struct add_body *a = &j->body.add;
    uint64_t ballots[LEDGER_MEMBERS_MAX];
    const char *why = ledger_named(l, a->proposal, a->hash, LEDGER_VOTE_PASSED);
    if (why != NULL) return why;
    if (a->ballots.n != ballots_of(l->current, ballots)) return "it names other ballots";
    for (size_t i = 0; i < a->ballots.n; i++)
        if (get_u64(list_at(a->ballots, i, 8)) != ballots[i]) return "it names other ballots";
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
    p->state = LEDGER_VOTE_ADDED;
    p->added = j->index;
    p->added_leaf = leaf->leaf;
    p->added_epoch = l->epoch;
    memcpy(p->added_chain, j->chain, 32);
    l->current = NULL;
    ledger_push_pending(l, j->index, LEDGER_ADD, leaf->leaf);
    return ST_OK;
}

const struct ledger_type ledger_type_add = {LEDGER_ADD, "ADD", add_decode, add_check, add_apply};

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
    struct ledger_leaf *leaf = ledger_leaf_rw(l, j->verdict.author);
    leaf->member_now = false;
    leaf->left = j->index;
    memcpy(leaf->drop_sig, j->body.leave.seat_sig, 64);
    l->members--;
    ledger_push_pending(l, j->index, LEDGER_LEAVE, leaf->leaf);
    if (l->current != NULL && l->current->state == LEDGER_VOTE_OPEN)
        ledger_close(l, LEDGER_VOTE_VOIDED, j->index, leaf->leaf);
    l->ended = l->members == 0;
    return ST_OK;
}

const struct ledger_type ledger_type_leave = {LEDGER_LEAVE, "LEAVE", leave_decode, leave_check,
                                              leave_apply};

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
    for (uint8_t feed = 1; feed <= 3; feed++)
        leaf->head_seen[feed - 1] = entry0_seen(&j->entry, feed);
    return ST_OK;
}

const struct ledger_type ledger_type_head = {LEDGER_HEAD, "HEAD", head_decode, head_check,
                                             head_apply};
