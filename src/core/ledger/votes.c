/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Proposals as the ledger keeps them: who votes, with which key, and what ends them. */
#include "core/ledger/state.h"

#include <stdlib.h>
#include <string.h>

void ledger_proposal_free(struct ledger_proposal *p)
{
    if (p == NULL) return;
    free(p->voters);
    free(p->text);
    free(p);
}

struct ledger_proposal *ledger_named(const struct ledger *l, uint64_t index, const uint8_t hash[32],
                                     enum ledger_vote_state state, const char **ret_why)
{
    for (size_t i = l->n_proposals; i-- > 0;) {
        struct ledger_proposal *p = l->proposals[i];
        if (p->index != index || memcmp(p->hash, hash, 32) != 0 || !ledger_is_current(p)) continue;
        if (p->state == state) return p;
        *ret_why = p->state == LEDGER_VOTE_OPEN ? "the vote has not passed" : "the vote is closed";
        return NULL;
    }
    *ret_why = "no such proposal is open";
    return NULL;
}

static bool is_target(const struct ledger_proposal *p, uint16_t leaf)
{
    for (size_t i = 0; i < p->n_targets; i++)
        if (p->targets[i] == leaf) return true;
    return false;
}

const struct ledger_proposal *ledger_removal(const struct ledger *l, uint16_t leaf)
{
    for (size_t i = 0; i < l->n_proposals; i++) {
        const struct ledger_proposal *p = l->proposals[i];
        if (p->kind == PROPOSE_REMOVE && ledger_is_current(p) && is_target(p, leaf)) return p;
    }
    return NULL;
}

void ledger_close(struct ledger *l, struct ledger_proposal *p, enum ledger_vote_state state,
                  uint64_t index, uint16_t by)
{
    p->state = state;
    p->closed = index;
    p->closed_by = by;
    if (p == l->current && state != LEDGER_VOTE_PASSED) l->current = NULL;
}

void ledger_void_votes(struct ledger *l, uint64_t index, uint16_t by)
{
    for (size_t i = 0; i < l->n_proposals; i++) {
        struct ledger_proposal *p = l->proposals[i];
        if (!ledger_is_current(p)) continue;
        bool any = p->kind != PROPOSE_REMOVE;
        for (size_t k = 0; k < p->n_targets; k++) any |= l->leaves[p->targets[k]]->member_now;
        if (p->state == LEDGER_VOTE_OPEN || !any) ledger_close(l, p, LEDGER_VOTE_VOIDED, index, by);
    }
}

void ledger_heard(struct ledger *l, uint16_t leaf, uint64_t index)
{
    for (size_t i = 0; i < l->n_proposals; i++) {
        struct ledger_proposal *p = l->proposals[i];
        if (ledger_is_current(p) && p->n_targets > 1 && is_target(p, leaf))
            ledger_close(l, p, LEDGER_VOTE_VOIDED, index, leaf);
    }
}

void ledger_depart(struct ledger *l, uint16_t leaf, uint64_t index, uint8_t type)
{
    struct ledger_leaf *f = ledger_leaf_rw(l, leaf);
    f->member_now = false;
    f->left = index;
    f->left_by = type;
    f->stock.n = 0;
    l->members--;
    l->ended = l->members == 0;
}

/* ---- voters and their keys ---- */

size_t ledger_electorate(const struct ledger *l, const uint16_t *targets, size_t n_targets,
                         uint16_t ret[LEDGER_MEMBERS_MAX])
{
    size_t n = 0;
    for (size_t i = 0; i < l->n_leaves && n < LEDGER_MEMBERS_MAX; i++) {
        bool target = false;
        for (size_t k = 0; k < n_targets; k++) target |= targets[k] == i;
        if (l->leaves[i]->member_now && !target) ret[n++] = (uint16_t)i;
    }
    return n;
}

/* A removal may take of the last keys, but each member's removals only one of each voter till the
 * voter shows new ones: nobody can use them up and so be safe from his own removal. */
bool ledger_can_vote(const struct ledger *l, uint16_t leaf, uint8_t kind, uint16_t by)
{
    const struct ledger_stock *s = &l->leaves[leaf]->stock;
    if (s->n > LEDGER_VETO_RESERVE) return true;
    if (kind != PROPOSE_REMOVE || s->n == 0) return false;
    for (size_t i = 0; i < s->n_reserve_by; i++)
        if (s->reserve_by[i] == by) return false;
    return true;
}

static const struct ballot_kind *kind_for(const struct ledger *l, size_t voters)
{
    return ballot_kind(voters == 1 ? BALLOT_OPEN : l->ballot_kind);
}

/* The voters' keys in the order of their IDs, and the bases that follow. Voters: by leaf. */
static enum status bases(const struct ledger *l, const uint16_t *voters, size_t n,
                         uint16_t ret_place[LEDGER_MEMBERS_MAX],
                         uint8_t ret_ids[LEDGER_MEMBERS_MAX * 32],
                         uint8_t ret_ys[LEDGER_MEMBERS_MAX * VETO_POINT])
{
    uint8_t xs[LEDGER_MEMBERS_MAX * VETO_POINT] = {0};
    for (size_t i = 0; i < n; i++) {
        const struct ledger_leaf *leaf = l->leaves[voters[i]];
        uint16_t place = 0;
        for (size_t k = 0; k < n; k++)
            if (memcmp(l->leaves[voters[k]]->id, leaf->id, 32) < 0) place++;
        ret_place[i] = place;
        memcpy(ret_ids + place * 32, leaf->id, 32);
        memcpy(xs + place * VETO_POINT, leaf->stock.x[0], VETO_POINT);
    }
    enum status st = veto_bases(xs, n, ret_ys);
    /* Nobody can vote on the identity: two could show X and -X, and the third would look silent. */
    for (size_t i = 0; i < n && st == ST_OK; i++)
        if (bytes_zero(BYTES(ret_ys + i * VETO_POINT, VETO_POINT))) st = ST_BAD_KEY;
    return st;
}

const char *ledger_check_serials(const struct ledger *l, const struct ledger_judged *j,
                                 uint8_t kind, const uint16_t *targets, size_t n_targets,
                                 struct list serials)
{
    uint16_t voters[LEDGER_MEMBERS_MAX], place[LEDGER_MEMBERS_MAX];
    uint8_t ids[LEDGER_MEMBERS_MAX * 32], ys[LEDGER_MEMBERS_MAX * VETO_POINT];
    size_t n = ledger_electorate(l, targets, n_targets, voters);
    if (kind_for(l, n)->kind == BALLOT_OPEN)
        return serials.n == 0 ? NULL : "an open vote names no veto keys";
    if (serials.n != n) return "it does not name one veto key of each voter";
    for (size_t i = 0; i < n; i++) {
        if (!ledger_can_vote(l, voters[i], kind, j->verdict.author))
            return "a voter has no veto key left for it";
        if (get_u32(list_at(serials, i, 4)) != l->leaves[voters[i]]->stock.serial[0])
            return "it does not name each voter's next veto key";
    }
    if (bases(l, voters, n, place, ids, ys) != ST_OK)
        return "the voters' keys do not make a vote possible";
    return NULL;
}

static void spend_first(struct ledger_stock *s, uint16_t by)
{
    if (s->n <= LEDGER_VETO_RESERVE && s->n_reserve_by < LEDGER_VETO_RESERVE)
        s->reserve_by[s->n_reserve_by++] = by;
    s->n--;
    memmove(&s->serial[0], &s->serial[1], s->n * sizeof s->serial[0]);
    memmove(s->x[0], s->x[1], s->n * VETO_POINT);
}

static enum status list_voters(struct ledger *l, struct ledger_proposal *p)
{
    uint16_t voters[LEDGER_MEMBERS_MAX], place[LEDGER_MEMBERS_MAX] = {0};
    uint8_t ids[LEDGER_MEMBERS_MAX * 32], ys[LEDGER_MEMBERS_MAX * VETO_POINT];
    size_t n = ledger_electorate(l, p->targets, p->n_targets, voters);
    p->ballot = kind_for(l, n);
    bool secret = p->ballot->kind == BALLOT_SECRET;
    p->voters = calloc(n, sizeof *p->voters);
    if (p->voters == NULL) return ST_NO_MEMORY;
    if (secret) {
        if (bases(l, voters, n, place, ids, ys) != ST_OK) return ST_BUG;
        veto_ctx(l->enclave_id, p->epoch, p->hash, p->prev_chain, ids, n, p->ctx);
    }
    for (size_t i = 0; i < n; i++) {
        struct ledger_leaf *leaf = ledger_leaf_rw(l, voters[i]);
        struct ledger_voter *v = &p->voters[p->n_voters++];
        v->leaf = leaf->leaf;
        v->index = LEDGER_NEVER;
        memcpy(v->seat, leaf->seat, 32);
        if (!secret) continue;
        v->place = place[i];
        v->serial = leaf->stock.serial[0];
        memcpy(v->y, ys + place[i] * VETO_POINT, VETO_POINT);
        spend_first(&leaf->stock, p->by);
    }
    return ST_OK;
}

/* ---- keeping ---- */

/* The oldest proposal that led to nothing is forgotten when there are too many of them. */
static void forget_closed(struct ledger *l)
{
    size_t closed = 0, oldest = l->n_proposals;
    for (size_t i = 0; i < l->n_proposals; i++) {
        const struct ledger_proposal *p = l->proposals[i];
        if (ledger_is_current(p) || p->state == LEDGER_VOTE_ADDED) continue;
        closed++;
        if (oldest == l->n_proposals) oldest = i;
    }
    if (closed <= LEDGER_CLOSED_KEPT) return;
    ledger_proposal_free(l->proposals[oldest]);
    l->n_proposals--;
    memmove(&l->proposals[oldest], &l->proposals[oldest + 1],
            (l->n_proposals - oldest) * sizeof *l->proposals);
}

/* Its body once more, out of bytes of our own: the views live as long as the proposal. */
static enum status keep_body(struct ledger_proposal *p, struct bytes body)
{
    struct propose add;
    struct propose_remove remove;
    p->text = malloc(body.n);
    if (p->text == NULL) return ST_NO_MEMORY;
    memcpy(p->text, body.p, body.n);
    body.p = p->text;
    if (p->kind == PROPOSE_ADD) {
        if (fields_decode(&propose_fields, body, &add) != ST_OK ||
            fields_decode(&knock_fields, add.knock, &p->candidate) != ST_OK)
            return ST_BUG;
        p->knock = add.knock;
        p->record = add.record;
        p->compared = add.compared;
        memcpy(p->door, add.door, 32);
        memcpy(p->reply, add.reply, 32);
        memcpy(p->invitation, add.invitation, 32);
        ledger_copy_text(p->nick, p->candidate.nick);
    } else if (p->kind == PROPOSE_REMOVE) {
        if (fields_decode(&propose_remove_fields, body, &remove) != ST_OK) return ST_BUG;
        p->reason = remove.reason;
        p->n_targets = remove.targets.n;
        for (size_t i = 0; i < remove.targets.n; i++)
            p->targets[i] = get_u16(list_at(remove.targets, i, 2));
    } else {
        if (fields_decode(&propose_policy_fields, body, &p->policy) != ST_OK) return ST_BUG;
        p->reason = p->policy.reason;
    }
    return ST_OK;
}

enum status ledger_add_proposal(struct ledger *l, const struct ledger_judged *j)
{
    enum status st = ledger_room_for((void **)&l->proposals, sizeof *l->proposals, l->n_proposals,
                                     &l->proposals_cap);
    if (st != ST_OK) return st;
    struct ledger_proposal *p = calloc(1, sizeof *p);
    if (p == NULL) return ST_NO_MEMORY;
    p->index = j->index;
    memcpy(p->hash, j->hash, 32);
    p->kind = j->entry.body.p[0];
    p->by = j->verdict.author;
    p->time_ms = j->entry.time_ms;
    p->epoch = j->entry.epoch;
    memcpy(p->prev_chain, j->entry.prev_chain, 32);
    p->closed = p->added = LEDGER_NEVER;
    p->closed_by = p->added_leaf = LEDGER_NOBODY;
    st = keep_body(p, j->entry.body);
    if (st == ST_OK) st = list_voters(l, p);
    if (st != ST_OK) {
        ledger_proposal_free(p);
        return st;
    }
    l->proposals[l->n_proposals++] = p;
    if (p->kind != PROPOSE_REMOVE) l->current = p;
    forget_closed(l);
    return ST_OK;
}
