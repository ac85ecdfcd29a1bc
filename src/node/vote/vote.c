/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Proposals as people see them, and their votes on them. */
#include "node/enclave/enclave.h"

#include "base/encode.h"
#include "core/door/knock.h"
#include "core/door/safety.h"

#include <string.h>

static const char *choice_text(enum ballot_choice c)
{
    switch (c) {
    case BALLOT_YES: return "yes";
    case BALLOT_NO: return "no";
    case BALLOT_HIDDEN: return "voted";
    case BALLOT_NONE: break;
    }
    return "waiting";
}

static void visit_knock(const struct enclave_knock *k, const char *own, node_proposal_visit *visit,
                        void *arg)
{
    struct node_proposal p = {.kind = "add",
                              .state = "knocking",
                              .nick = k->nick,
                              .message = k->message,
                              .changes = "",
                              .limits = "",
                              .by = own,
                              .time_ms = k->time_ms,
                              .mine_to_vote = !k->proposed};
    memcpy(p.ref, k->ref, sizeof p.ref);
    safety_code_of(k->safety, p.safety);
    visit(arg, &p);
}

static void visit_proposal(struct enclave *e, const struct ledger_proposal *lp,
                           node_proposal_visit *visit, void *arg)
{
    struct node_ballot ballots[LEDGER_MEMBERS_MAX];
    char message[513];
    struct node_proposal p = {.number = lp->index,
                              .kind = "add",
                              .state = ledger_vote_text(lp->state),
                              .nick = lp->nick,
                              .message = message,
                              .changes = "",
                              .limits = "",
                              .by = enclave_nick(e, lp->by),
                              .compared = lp->compared,
                              .time_ms = lp->time_ms,
                              .ballots = ballots};
    bytes_text(lp->candidate.message, message, sizeof message);
    hex_encode(BYTES(lp->hash, 8), p.ref);
    safety_code(lp->record, lp->knock, p.safety);
    for (size_t i = 0; i < lp->n_voters && i < LEDGER_MEMBERS_MAX; i++) {
        const struct ledger_voter *v = &lp->voters[i];
        ballots[p.n_ballots++] =
            (struct node_ballot){enclave_nick(e, v->leaf), choice_text(v->choice), 0};
        if (v->leaf == group_leaf(e->group) && v->choice == BALLOT_NONE &&
            lp->state == LEDGER_VOTE_OPEN)
            p.mine_to_vote = true;
    }
    visit(arg, &p);
}

enum status node_proposals(struct node *n, const char *name, bool all, node_proposal_visit *visit,
                           void *arg)
{
    if (!n->started) return ST_LOCKED;
    struct enclave *e = node_find(n, name);
    if (e == NULL) return ST_NOT_FOUND;
    if (e->group == NULL) return ST_PENDING;
    const struct ledger *l = group_ledger(e->group);
    for (size_t i = 0; i < ledger_proposals(l); i++) {
        const struct ledger_proposal *p = ledger_proposal_at(l, i);
        if (all || p->state == LEDGER_VOTE_OPEN || p->state == LEDGER_VOTE_PASSED)
            visit_proposal(e, p, visit, arg);
    }
    for (size_t i = 0; i < e->n_knocks; i++) visit_knock(e->knocks[i], e->nick, visit, arg);
    return ST_OK;
}

/* What a ref means: a prefix of the proposal's ref, the candidate's nick, or the only one there. */
struct choice {
    struct enclave_knock *knock;
    const struct ledger_proposal *proposal;
    size_t n;
};

static bool means(const char *ref, const char *hex, const char *nick)
{
    size_t n = ref == NULL ? 0 : strlen(ref);
    if (n == 0) return true;
    return strcmp(ref, nick) == 0 || (n >= 4 && n <= 16 && strncmp(hex, ref, n) == 0);
}

static struct choice choose(struct enclave *e, const char *ref)
{
    struct choice c = {0};
    char hex[17];
    const struct ledger *l = group_ledger(e->group);
    for (size_t i = 0; i < ledger_proposals(l); i++) {
        const struct ledger_proposal *p = ledger_proposal_at(l, i);
        hex_encode(BYTES(p->hash, 8), hex);
        if (p->state != LEDGER_VOTE_OPEN || !means(ref, hex, p->nick)) continue;
        c.proposal = p;
        c.n++;
    }
    for (size_t i = 0; i < e->n_knocks; i++) {
        if (e->knocks[i]->proposed || !means(ref, e->knocks[i]->ref, e->knocks[i]->nick)) continue;
        c.knock = e->knocks[i];
        c.n++;
    }
    return c;
}

static enum status vote_on_knock(struct enclave *e, struct enclave_knock *k,
                                 const struct node_vote *req, node_done *done, void *arg)
{
    struct knock view;
    if (!req->yes) {
        enum status st = fields_decode(&knock_fields, buf_view(&k->plain), &view);
        if (st != ST_OK) return st;
        enclave_refuse(e, view.kem, k->reply);
        enclave_knock_drop(e, k);
        node_later(e->node, done, arg, ST_OK, "refused at the door; nobody else was asked", NULL);
        return ST_OK;
    }
    struct intent i = {
        .kind = INTENT_PROPOSE, .yes = true, .compared = req->compared, .done = done, .arg = arg};
    memcpy(i.reply, k->reply, 32);
    enum status st = enclave_intend(e, &i);
    if (st == ST_OK) k->proposed = true;
    return st;
}

enum status node_vote(struct node *n, const struct node_vote *req, node_done *done, void *arg)
{
    if (!n->started) return ST_LOCKED;
    struct enclave *e = node_find(n, req->enclave);
    if (e == NULL) return ST_NOT_FOUND;
    if (!enclave_in(e)) return ST_DENIED;
    if (!e->subscribed) return ST_UNREACHABLE;
    struct choice c = choose(e, req->ref);
    if (c.n == 0) return ST_NOT_FOUND;
    if (c.n > 1) return ST_CONFLICT;
    if (c.knock != NULL) return vote_on_knock(e, c.knock, req, done, arg);
    struct intent i = {.kind = INTENT_BALLOT,
                       .proposal = c.proposal->index,
                       .yes = req->yes,
                       .done = done,
                       .arg = arg};
    return enclave_intend(e, &i);
}
