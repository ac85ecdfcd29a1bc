/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Proposals as people see them, and their votes on them. */
#include "node/vote/vote_parts.h"

#include "base/encode.h"
#include "core/door/knock.h"
#include "core/door/safety.h"

#include <stdio.h>
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

static void visit_knock(const struct enclave *e, const struct enclave_knock *k,
                        node_proposal_visit *visit, void *arg)
{
    const struct ledger *l = group_ledger(e->group);
    bool secret = ledger_ballot_kind(l) == BALLOT_SECRET && ledger_members(l) > 1;
    struct node_proposal p = {.kind = "add",
                              .state = "knocking",
                              .nick = k->nick,
                              .message = k->message,
                              .changes = "",
                              .limits = "",
                              .by = e->nick,
                              .time_ms = k->time_ms,
                              .secret = secret,
                              .mine_to_vote = !k->proposed};
    memcpy(p.ref, k->ref, sizeof p.ref);
    safety_code_of(k->safety, p.safety);
    visit(arg, &p);
}

/* What few voters cannot hide from each other (docs/spec/ballot.md). */
static const char *limits_of(const struct ledger_proposal *p)
{
    if (p->ballot->kind != BALLOT_SECRET)
        return p->n_voters == 1 ? "one voter: it is no secret" : "";
    if (p->n_voters == 2)
        return "with two voters a veto names its author to the other one: who did not veto knows "
               "who did";
    if (p->n_voters == 3)
        return "with three voters a veto names its author to whoever knows the third one's yes; "
               "the "
               "proposer's yes is known to all";
    return "";
}

static void names_of(const struct enclave *e, const struct ledger_proposal *lp, char *out,
                     size_t room)
{
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < lp->n_targets && used < room - 1; i++) {
        int n = snprintf(out + used, room - used, "%s%s", i == 0 ? "" : ", ",
                         enclave_nick(e, lp->targets[i]));
        used += n < 0 ? 0 : (size_t)n;
    }
}

static void visit_proposal(struct enclave *e, const struct ledger_proposal *lp,
                           node_proposal_visit *visit, void *arg)
{
    const struct ledger *l = group_ledger(e->group);
    struct node_ballot ballots[LEDGER_MEMBERS_MAX];
    char message[LEDGER_REASON_MAX + 1], names[VOTE_NAMES_MAX] = "", changes[VOTE_CHANGES_MAX] = "";
    uint64_t seen = group_vote_ms(e->group, lp);
    struct node_proposal p = {.number = lp->index,
                              .kind = "add",
                              .state = ledger_vote_text(lp->state),
                              .nick = lp->nick,
                              .message = message,
                              .changes = changes,
                              .by = enclave_nick(e, lp->by),
                              .compared = lp->compared,
                              .time_ms = lp->time_ms,
                              .secret = lp->ballot->kind == BALLOT_SECRET,
                              .limits = limits_of(lp),
                              .ballots = ballots};
    bytes_text(lp->kind == PROPOSE_ADD ? lp->candidate.message : lp->reason, message,
               sizeof message);
    hex_encode(BYTES(lp->hash, 8), p.ref);
    if (seen != 0) p.deadline_ms = seen + ledger_policy(l, LEDGER_POLICY_EXPIRE_MS);
    if (lp->kind == PROPOSE_ADD) safety_code(lp->record, lp->knock, p.safety);
    if (lp->kind == PROPOSE_REMOVE) {
        p.kind = "remove";
        p.nick = names;
        names_of(e, lp, names, sizeof names);
    } else if (lp->kind == PROPOSE_POLICY) {
        p.kind = "policy";
        vote_changes(e, lp, changes, sizeof changes);
    }
    for (size_t i = 0; i < lp->n_voters && i < LEDGER_MEMBERS_MAX; i++) {
        const struct ledger_voter *v = &lp->voters[i];
        ballots[p.n_ballots++] =
            (struct node_ballot){enclave_nick(e, v->leaf), choice_text(v->cast.choice),
                                 enclave_away_ms(e, ledger_leaf(l, v->leaf))};
        if (v->leaf == group_leaf(e->group) && v->cast.choice == BALLOT_NONE &&
            lp->state == LEDGER_VOTE_OPEN)
            p.mine_to_vote = true;
    }
    p.mine_to_withdraw = lp->state == LEDGER_VOTE_OPEN && lp->by == group_leaf(e->group);
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
        if (all || ledger_is_current(p)) visit_proposal(e, p, visit, arg);
    }
    for (size_t i = 0; i < e->n_knocks; i++) visit_knock(e, e->knocks[i], visit, arg);
    return ST_OK;
}

/* What a ref means: a prefix of the proposal's ref, the candidate's or target's nick, or the only one
 * there. */
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

static bool means_proposal(const struct enclave *e, const char *ref,
                           const struct ledger_proposal *p)
{
    char hex[17];
    hex_encode(BYTES(p->hash, 8), hex);
    if (p->kind == PROPOSE_POLICY) return means(ref, hex, "policy");
    if (means(ref, hex, p->nick)) return true;
    for (size_t i = 0; i < p->n_targets; i++)
        if (means(ref, hex, enclave_nick(e, p->targets[i]))) return true;
    return false;
}

/* ST_OK: our ballot is waited for; ST_EXISTS: it is in; ST_DENIED: we have no vote on it. */
static enum status own_stand(const struct enclave *e, const struct ledger_proposal *p)
{
    for (size_t i = 0; i < p->n_voters; i++)
        if (p->voters[i].leaf == group_leaf(e->group))
            return p->voters[i].cast.choice == BALLOT_NONE ? ST_OK : ST_EXISTS;
    return ST_DENIED;
}

static struct choice choose(struct enclave *e, const char *ref)
{
    struct choice c = {0};
    const struct ledger *l = group_ledger(e->group);
    for (size_t i = 0; i < ledger_proposals(l); i++) {
        const struct ledger_proposal *p = ledger_proposal_at(l, i);
        if (p->state != LEDGER_VOTE_OPEN || !means_proposal(e, ref, p)) continue;
        /* Unnamed, only what waits for us can be meant. */
        if (ref == NULL && own_stand(e, p) != ST_OK) continue;
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
        enclave_refuse(e, view.kem, k->reply, false);
        enclave_knock_drop(e, k);
        node_later(e->node, done, arg, ST_OK, "refused at the door; nobody else was asked", NULL);
        return ST_OK;
    }
    struct intent i = {.kind = INTENT_PROPOSE,
                       .yes = true,
                       .compared = req->compared,
                       .now = req->now,
                       .done = done,
                       .arg = arg};
    memcpy(i.reply, k->reply, 32);
    enum status st = enclave_intend(e, &i);
    if (st == ST_OK) k->proposed = true;
    return st;
}

enum status vote_enclave(struct node *n, const char *name, struct enclave **ret)
{
    if (!n->started) return ST_LOCKED;
    struct enclave *e = node_find(n, name);
    if (e == NULL) return ST_NOT_FOUND;
    if (!enclave_in(e)) return ST_DENIED;
    if (!e->subscribed) return ST_UNREACHABLE;
    *ret = e;
    return ST_OK;
}

enum status node_vote(struct node *n, const struct node_vote *req, node_done *done, void *arg)
{
    struct enclave *e;
    enum status st = vote_enclave(n, req->enclave, &e);
    if (st != ST_OK) return st;
    struct choice c = choose(e, req->ref);
    if (c.n == 0) return ST_NOT_FOUND;
    if (c.n > 1) return ST_USAGE;
    if (c.knock != NULL) return vote_on_knock(e, c.knock, req, done, arg);
    if (c.proposal == NULL) return ST_NOT_FOUND;
    st = own_stand(e, c.proposal);
    if (st != ST_OK) return st;
    /* Said already: that ballot waits for its moment. */
    for (size_t i = 0; i < e->n_intents; i++)
        if (e->intents[i].kind == INTENT_BALLOT && e->intents[i].proposal == c.proposal->index)
            return ST_BUSY;
    struct intent i = {.kind = INTENT_BALLOT,
                       .proposal = c.proposal->index,
                       .yes = req->yes,
                       .now = req->now,
                       .at_ms = enclave_ballot_at_ms(e, c.proposal, req->now),
                       .done = done,
                       .arg = arg};
    return enclave_intend_vote(e, &i);
}

enum status node_withdraw(struct node *n, const char *name, const char *ref, node_done *done,
                          void *arg)
{
    struct enclave *e;
    const struct ledger_proposal *found = NULL;
    bool others = false;
    enum status st = vote_enclave(n, name, &e);
    if (st != ST_OK) return st;
    const struct ledger *l = group_ledger(e->group);
    for (size_t i = 0; i < ledger_proposals(l); i++) {
        const struct ledger_proposal *p = ledger_proposal_at(l, i);
        if (p->state != LEDGER_VOTE_OPEN || !means_proposal(e, ref, p)) continue;
        others |= p->by != group_leaf(e->group);
        if (p->by != group_leaf(e->group)) continue;
        if (found != NULL) return ST_USAGE;
        found = p;
    }
    if (found == NULL) return others && ref != NULL ? ST_DENIED : ST_NOT_FOUND;
    struct intent i = {.kind = INTENT_WITHDRAW, .proposal = found->index, .done = done, .arg = arg};
    return enclave_intend(e, &i);
}

/* ---- removals ---- */

static void sort_targets(uint16_t *targets, size_t n)
{
    for (size_t i = 1; i < n; i++)
        for (size_t k = i; k > 0 && targets[k] < targets[k - 1]; k--) {
            uint16_t t = targets[k];
            targets[k] = targets[k - 1];
            targets[k - 1] = t;
        }
}

enum status node_propose_remove(struct node *n, const struct node_remove *req, node_done *done,
                                void *arg)
{
    struct enclave *e;
    struct intent i = {
        .kind = INTENT_REMOVE, .yes = true, .now = req->now, .done = done, .arg = arg};
    enum status st = vote_enclave(n, req->enclave, &e);
    if (st != ST_OK) return st;
    st = vote_reason(req->reason, i.text);
    if (st != ST_OK) return st;
    for (const char *at = req->who; at != NULL && *at != '\0';) {
        size_t len = strcspn(at, ",");
        if (i.n_targets == LEDGER_MEMBERS_MAX) return ST_USAGE;
        st = enclave_find_member(e, at, len, &i.targets[i.n_targets]);
        if (st != ST_OK) return st;
        if (i.targets[i.n_targets++] == group_leaf(e->group)) return ST_USAGE;
        at += len;
        if (*at == ',') at++;
    }
    if (i.n_targets == 0) return ST_USAGE;
    sort_targets(i.targets, i.n_targets);
    return enclave_intend(e, &i);
}

/* ---- keys and absence ---- */

enum status node_rekey(struct node *n, const char *name, node_done *done, void *arg)
{
    struct enclave *e;
    enum status st = vote_enclave(n, name, &e);
    if (st != ST_OK) return st;
    if (ledger_turn(group_ledger(e->group), group_leaf(e->group)) == LEDGER_NOBODY)
        return ST_DENIED;
    struct intent i = {
        .kind = INTENT_REKEY, .number = group_epoch(e->group), .done = done, .arg = arg};
    return enclave_intend(e, &i);
}

enum status node_away(struct node *n, const char *name, uint64_t until_ms, node_done *done,
                      void *arg)
{
    struct enclave *e;
    enum status st = vote_enclave(n, name, &e);
    if (st != ST_OK) return st;
    struct intent i = {.kind = INTENT_AWAY, .number = until_ms, .done = done, .arg = arg};
    return enclave_intend(e, &i);
}
