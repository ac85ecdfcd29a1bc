/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* PROPOSE, BALLOT, EXPIRE, WITHDRAW: a vote from its opening to its end (protocol.md section 5). */
#include "core/door/record.h"
#include "core/ledger/state.h"

#include <string.h>

static enum status propose_decode(struct ledger_judged *j)
{
    enum status st = fields_decode(&propose_fields, j->entry.body, &j->body.propose);
    if (st != ST_OK) return st;
    return ledger_proposal_hash(&j->entry, j->hash);
}

/* The door record is kept for the safety code; it must be of this enclave, by one of us. */
static bool record_ok(const struct ledger *l, struct bytes record)
{
    struct door_record r;
    if (fields_decode(&door_record_fields, record, &r) != ST_OK) return false;
    return memcmp(r.enclave_id, l->enclave_id, 32) == 0 && ledger_by_id(l, r.inviter) != NULL;
}

static const char *propose_check(const struct ledger *l, struct ledger_judged *j)
{
    const struct propose *p = &j->body.propose;
    if (p->kind != PROPOSE_ADD) return "its kind of proposal is not known under these rules";
    if (p->compared > 1) return "its body is malformed";
    if (l->current != NULL) return "another proposal is open";
    if (l->members >= LEDGER_MEMBERS_MAX || l->n_leaves >= LEDGER_EVER_MAX)
        return "the enclave is full";
    if (p->serials.n != 0) return "an open vote names no veto keys";
    if (knock_check(p->knock, l->enclave_id, p->invitation, &j->knock) != ST_OK)
        return "the candidate's own words do not verify";
    if (ledger_by_id(l, j->knock.id) != NULL || ledger_by_seat(l, j->knock.seat) != NULL)
        return "the candidate's key or seat is known already";
    if (!record_ok(l, p->record)) return "its door record is not of this enclave";
    return NULL;
}

const struct ledger_type ledger_type_propose = {LEDGER_PROPOSE, "PROPOSE", propose_decode,
                                                propose_check, ledger_add_proposal};

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

static const char *ballot_check(const struct ledger *l, struct ledger_judged *j)
{
    const struct ballot_body *b = &j->body.ballot;
    enum ballot_choice choice;
    const char *why = ledger_named(l, b->proposal, b->hash, LEDGER_VOTE_OPEN);
    if (why != NULL) return why;
    const struct ledger_voter *voter = voter_of(l->current, j->verdict.author);
    if (voter == NULL) return "its author has no vote here";
    if (voter->choice != BALLOT_NONE) return "its author has voted already";
    if (b->kind != l->ballot_kind) return "it is not of this enclave's kind of ballot";
    if (ballot_kind(b->kind)->read(b->form, &choice) != ST_OK) return "its body is malformed";
    /* An open no brings no seat signature: with two or three members it would complete the majority
     * that lets a refused candidate's seat into the room. */
    if (choice == BALLOT_NO && !bytes_zero(BYTES_OF(b->seat_sig))) return "its body is malformed";
    if (choice != BALLOT_NO && ledger_verify_add(voter->seat, l->room, l->current->candidate.seat,
                                                 b->hash, b->seat_sig) != ST_OK)
        return "its seat's signature does not verify";
    return NULL;
}

static enum status ballot_apply(struct ledger *l, const struct ledger_judged *j)
{
    const struct ballot_body *b = &j->body.ballot;
    enum ballot_choice choices[LEDGER_MEMBERS_MAX];
    const struct ballot_kind *kind = ballot_kind(l->ballot_kind);
    struct ledger_proposal *p = l->current;
    struct ledger_voter *voter = voter_of(p, j->verdict.author);
    if (voter == NULL || kind->read(b->form, &voter->choice) != ST_OK) return ST_BUG;
    voter->index = j->index;
    memcpy(voter->seat_sig, b->seat_sig, 64);
    for (size_t i = 0; i < p->n_voters; i++) choices[i] = p->voters[i].choice;
    enum ballot_result result = kind->count(choices, p->n_voters);
    if (result == BALLOT_PASSED) ledger_close(l, LEDGER_VOTE_PASSED, j->index, voter->leaf);
    if (result == BALLOT_REJECTED) ledger_close(l, LEDGER_VOTE_REJECTED, j->index, voter->leaf);
    return ST_OK;
}

const struct ledger_type ledger_type_ballot = {LEDGER_BALLOT, "BALLOT", ballot_decode, ballot_check,
                                               ballot_apply};

static enum status close_decode(struct ledger_judged *j)
{
    return fields_decode(&close_body_fields, j->entry.body, &j->body.close);
}

static const char *expire_check(const struct ledger *l, struct ledger_judged *j)
{
    /* Time is advice: whether 72 h went by is the author's word, signed with its name. */
    return ledger_named(l, j->body.close.proposal, j->body.close.hash, LEDGER_VOTE_OPEN);
}

static enum status expire_apply(struct ledger *l, const struct ledger_judged *j)
{
    ledger_close(l, LEDGER_VOTE_EXPIRED, j->index, j->verdict.author);
    return ST_OK;
}

static const char *withdraw_check(const struct ledger *l, struct ledger_judged *j)
{
    const char *why = ledger_named(l, j->body.close.proposal, j->body.close.hash, LEDGER_VOTE_OPEN);
    if (why != NULL) return why;
    return l->current->by == j->verdict.author ? NULL : "only the proposer withdraws";
}

static enum status withdraw_apply(struct ledger *l, const struct ledger_judged *j)
{
    ledger_close(l, LEDGER_VOTE_WITHDRAWN, j->index, j->verdict.author);
    return ST_OK;
}

const struct ledger_type ledger_type_expire = {LEDGER_EXPIRE, "EXPIRE", close_decode, expire_check,
                                               expire_apply};
const struct ledger_type ledger_type_withdraw = {LEDGER_WITHDRAW, "WITHDRAW", close_decode,
                                                 withdraw_check, withdraw_apply};
