/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* PROPOSE, BALLOT, EXPIRE, WITHDRAW: a vote from its opening to its end (protocol.md section 5). */
#include "core/door/record.h"
#include "core/ledger/state.h"

#include <string.h>

static enum status propose_decode(struct ledger_judged *j)
{
    struct bytes body = j->entry.body;
    enum status st = ST_BAD_MESSAGE;
    if (body.n == 0) return st;
    if (body.p[0] == PROPOSE_REMOVE)
        st = fields_decode(&propose_remove_fields, body, &j->body.remove);
    else if (body.p[0] == PROPOSE_POLICY)
        st = fields_decode(&propose_policy_fields, body, &j->body.policy);
    else
        st = fields_decode(&propose_fields, body, &j->body.propose);
    return st == ST_OK ? ledger_proposal_hash(&j->entry, j->hash) : st;
}

/* The door record is kept for the safety code; it must be of this enclave, by one of us. */
static bool record_ok(const struct ledger *l, struct bytes record)
{
    struct door_record r;
    if (fields_decode(&door_record_fields, record, &r) != ST_OK) return false;
    return memcmp(r.enclave_id, l->enclave_id, 32) == 0 && ledger_by_id(l, r.inviter) != NULL;
}

static const char *check_add(const struct ledger *l, struct ledger_judged *j)
{
    const struct propose *p = &j->body.propose;
    if (p->compared > 1) return "its body is malformed";
    if (l->current != NULL) return "another proposal is open";
    if (l->members >= LEDGER_MEMBERS_MAX || l->n_leaves >= LEDGER_EVER_MAX)
        return "the enclave is full";
    if (knock_check(p->knock, l->enclave_id, p->invitation, &j->knock) != ST_OK)
        return "the candidate's own words do not verify";
    if (ledger_by_id(l, j->knock.id) != NULL || ledger_by_seat(l, j->knock.seat) != NULL)
        return "the candidate's key or seat is known already";
    if (l->ballot_kind == BALLOT_SECRET && j->knock.veto_keys.n <= LEDGER_VETO_RESERVE)
        return "the candidate brings too few veto keys";
    const char *why = ledger_check_keys(l, j->knock.id, 0, j->knock.veto_keys);
    if (why != NULL) return why;
    if (!record_ok(l, p->record)) return "its door record is not of this enclave";
    return ledger_check_serials(l, j, PROPOSE_ADD, NULL, 0, p->serials);
}

static bool has_open_removal(const struct ledger *l, uint16_t by)
{
    for (size_t i = 0; i < l->n_proposals; i++) {
        const struct ledger_proposal *p = l->proposals[i];
        if (p->kind == PROPOSE_REMOVE && p->by == by && ledger_is_current(p)) return true;
    }
    return false;
}

static const char *check_remove(const struct ledger *l, struct ledger_judged *j)
{
    const struct propose_remove *p = &j->body.remove;
    uint16_t targets[LEDGER_MEMBERS_MAX];
    bool silent = true;
    if (p->targets.n == 0 || !knock_message_ok(p->reason)) return "its body is malformed";
    /* One who could propose everybody's removal at once would keep all from committing. */
    if (has_open_removal(l, j->verdict.author)) return "another removal by its author is open";
    for (size_t i = 0; i < p->targets.n; i++) {
        targets[i] = get_u16(list_at(p->targets, i, 2));
        const struct ledger_leaf *leaf = ledger_leaf(l, targets[i]);
        if (i > 0 && targets[i] <= targets[i - 1]) return "its body is malformed";
        if (leaf == NULL || !leaf->member_now) return "it is about no member";
        if (targets[i] == j->verdict.author) return "nobody removes itself: LEAVE does";
        if (ledger_removal(l, targets[i]) != NULL) return "a removal of that member is open";
        silent = silent && leaf->missed;
    }
    /* Of several at once, who could each block the other's removal: only the silent, by a majority. */
    if (p->targets.n > 1 && (!silent || 2 * (l->members - p->targets.n) <= l->members))
        return "several are removed at once only if they are silent and fewer than half";
    return ledger_check_serials(l, j, PROPOSE_REMOVE, targets, p->targets.n, p->serials);
}

/* Somebody without keys could never be outvoted afterwards: no secret vote could open. */
static bool all_have_keys(const struct ledger *l)
{
    for (size_t i = 0; i < l->n_leaves; i++)
        if (l->leaves[i]->member_now && l->leaves[i]->stock.n <= LEDGER_VETO_RESERVE) return false;
    return true;
}

static const char *check_policy(const struct ledger *l, struct ledger_judged *j)
{
    const struct propose_policy *p = &j->body.policy;
    size_t n;
    if (l->current != NULL) return "another proposal is open";
    if (!knock_message_ok(p->reason)) return "its body is malformed";
    if (p->ballot_kind != LEDGER_AS_IS && ballot_kind(p->ballot_kind) == NULL)
        return "its kind of ballot is not known";
    if (p->ballot_kind == BALLOT_SECRET && l->ballot_kind == BALLOT_OPEN && l->members > 1 &&
        !all_have_keys(l))
        return "a member has shown no veto keys yet";
    if (p->mode != LEDGER_AS_IS && p->mode > LEDGER_TOR) return "its mode is not known";
    if (!ledger_policy_ok(p->policy)) return "its policy is not known";
    if (p->sentinels.n > 0 && !ledger_read_sentinels(p->sentinels, NULL, &n))
        return "its list of sentinels is malformed";
    return ledger_check_serials(l, j, PROPOSE_POLICY, NULL, 0, p->serials);
}

static const char *propose_check(const struct ledger *l, struct ledger_judged *j)
{
    const struct ledger_leaf *by = ledger_leaf(l, j->verdict.author);
    if (!ledger_keyed(by)) return "its author does not hold the keys of this epoch yet";
    if (ledger_removal(l, by->leaf) != NULL) return "its author's own removal is open";
    switch (j->entry.body.p[0]) {
    case PROPOSE_ADD: return check_add(l, j);
    case PROPOSE_REMOVE: return check_remove(l, j);
    case PROPOSE_POLICY: return check_policy(l, j);
    default: return "its kind of proposal is not known under these rules";
    }
}

const struct ledger_type ledger_type_propose = {LEDGER_PROPOSE, "PROPOSE", propose_decode,
                                                propose_check, ledger_add_proposal};

/* ---- BALLOT ---- */

static enum status ballot_decode(struct ledger_judged *j)
{
    return fields_decode(&ballot_body_fields, j->entry.body, &j->body.ballot);
}

static struct ledger_voter *voter_of(const struct ledger_proposal *p, uint16_t leaf)
{
    for (size_t i = 0; i < p->n_voters; i++)
        if (p->voters[i].leaf == leaf) return &p->voters[i];
    return NULL;
}

static enum status read_form(const struct ledger_proposal *p, const struct ledger_voter *v,
                             struct bytes form, struct ballot_cast *ret)
{
    struct ballot_place place = {p->ctx, v->place, v->y};
    return p->ballot->read(form, &place, ret);
}

static const char *ballot_check(const struct ledger *l, struct ledger_judged *j)
{
    const struct ballot_body *b = &j->body.ballot;
    const char *why = NULL;
    const struct ledger_proposal *p = ledger_named(l, b->proposal, b->hash, LEDGER_VOTE_OPEN, &why);
    if (p == NULL) return why;
    const struct ledger_voter *voter = voter_of(p, j->verdict.author);
    if (voter == NULL) return "its author has no vote here";
    if (voter->cast.choice != BALLOT_NONE) return "its author has voted already";
    if (b->kind != p->ballot->kind) return "it is not of this vote's kind of ballot";
    enum status st = read_form(p, voter, b->form, &j->cast);
    if (st == ST_BAD_KEY || st == ST_BAD_SIGNATURE) return "its proof does not hold";
    if (st != ST_OK) return "its body is malformed";
    /* An open no brings no seat signature: with two or three members it would complete the majority
     * that lets a refused candidate's seat into the room. */
    bool seat = p->kind == PROPOSE_ADD && j->cast.choice != BALLOT_NO;
    if (!seat && !bytes_zero(BYTES_OF(b->seat_sig))) return "its body is malformed";
    if (seat &&
        ledger_verify_add(voter->seat, l->room, p->candidate.seat, b->hash, b->seat_sig) != ST_OK)
        return "its seat's signature does not verify";
    return NULL;
}

static enum status ballot_apply(struct ledger *l, const struct ledger_judged *j)
{
    const struct ballot_body *b = &j->body.ballot;
    struct ballot_cast casts[LEDGER_MEMBERS_MAX];
    const char *why;
    struct ledger_proposal *p = ledger_named(l, b->proposal, b->hash, LEDGER_VOTE_OPEN, &why);
    struct ledger_voter *voter = p == NULL ? NULL : voter_of(p, j->verdict.author);
    if (voter == NULL) return ST_BUG;
    voter->cast = j->cast;
    voter->index = j->index;
    memcpy(voter->seat_sig, b->seat_sig, 64);
    for (size_t i = 0; i < p->n_voters; i++) casts[i] = p->voters[i].cast;
    enum ballot_result result = p->ballot->count(casts, p->n_voters);
    if (result == BALLOT_PASSED) ledger_close(l, p, LEDGER_VOTE_PASSED, j->index, voter->leaf);
    if (result == BALLOT_REJECTED) ledger_close(l, p, LEDGER_VOTE_REJECTED, j->index, voter->leaf);
    return ST_OK;
}

const struct ledger_type ledger_type_ballot = {LEDGER_BALLOT, "BALLOT", ballot_decode, ballot_check,
                                               ballot_apply};

/* ---- EXPIRE, WITHDRAW ---- */

static enum status close_decode(struct ledger_judged *j)
{
    return fields_decode(&close_body_fields, j->entry.body, &j->body.close);
}

static const char *expire_check(const struct ledger *l, struct ledger_judged *j)
{
    const char *why = NULL;
    if (ledger_removal(l, j->verdict.author) != NULL) return "its author's own removal is open";
    /* Time is advice: whether 72 h went by is the author's word, signed with its name. */
    (void)ledger_named(l, j->body.close.proposal, j->body.close.hash, LEDGER_VOTE_OPEN, &why);
    return why;
}

/* Who cast no ballot and wrote nothing since the vote began counts as silent till it writes again. */
static void note_silent(struct ledger *l, const struct ledger_proposal *p)
{
    for (size_t i = 0; i < p->n_voters; i++) {
        struct ledger_leaf *leaf = ledger_leaf_rw(l, p->voters[i].leaf);
        if (p->voters[i].cast.choice == BALLOT_NONE &&
            (leaf->last == LEDGER_NEVER || leaf->last < p->index))
            leaf->missed = true;
    }
}

static enum status expire_apply(struct ledger *l, const struct ledger_judged *j)
{
    const char *why;
    struct ledger_proposal *p =
        ledger_named(l, j->body.close.proposal, j->body.close.hash, LEDGER_VOTE_OPEN, &why);
    if (p == NULL) return ST_BUG;
    note_silent(l, p);
    ledger_close(l, p, LEDGER_VOTE_EXPIRED, j->index, j->verdict.author);
    return ST_OK;
}

static const char *withdraw_check(const struct ledger *l, struct ledger_judged *j)
{
    const char *why = NULL;
    const struct ledger_proposal *p =
        ledger_named(l, j->body.close.proposal, j->body.close.hash, LEDGER_VOTE_OPEN, &why);
    if (p == NULL) return why;
    if (ledger_removal(l, j->verdict.author) != NULL) return "its author's own removal is open";
    return p->by == j->verdict.author ? NULL : "only the proposer withdraws";
}

static enum status withdraw_apply(struct ledger *l, const struct ledger_judged *j)
{
    const char *why;
    struct ledger_proposal *p =
        ledger_named(l, j->body.close.proposal, j->body.close.hash, LEDGER_VOTE_OPEN, &why);
    if (p == NULL) return ST_BUG;
    ledger_close(l, p, LEDGER_VOTE_WITHDRAWN, j->index, j->verdict.author);
    return ST_OK;
}

const struct ledger_type ledger_type_expire = {LEDGER_EXPIRE, "EXPIRE", close_decode, expire_check,
                                               expire_apply};
const struct ledger_type ledger_type_withdraw = {LEDGER_WITHDRAW, "WITHDRAW", close_decode,
                                                 withdraw_check, withdraw_apply};
