/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What people decide together: their opinions are kept, for a secret ballot tells nobody. */
#include "sim/sim.h"

#include "node/enclave/enclave.h"

#include <stdio.h>
#include <string.h>

enum { OP_VOTE = 100, OP_PROPOSE, OP_WITHDRAW, OP_OTHER };

struct voting {
    struct person *p;
    char ref[17];
    char about[64]; /* an applicant's nick, or the ref */
    bool own, ghost, add, found;
};

/* Whether one of the nicks (with commas) is of somebody who destroyed its copy. */
static bool names_ghost(struct sim *s, const char *nicks)
{
    char one[24];
    for (const char *at = nicks; *at;) {
        size_t n = strcspn(at, ", ");
        snprintf(one, sizeof one, "%.*s", (int)n, at);
        const struct sim_nick *found = nick_find(s, one);
        if (found && found->ghost) return true;
        at += n + strspn(at + n, ", ");
    }
    return false;
}

static void on_proposal(void *arg, const struct node_proposal *pr)
{
    struct voting *v = arg;
    if (v->found || !pr->mine_to_vote || strcmp(v->p->vote_pending, pr->ref) == 0) return;
    v->found = true;
    v->add = strcmp(pr->kind, "add") == 0;
    v->own = strcmp(pr->by, v->p->nick) == 0;
    v->ghost = strcmp(pr->kind, "remove") == 0 && names_ghost(v->p->sim, pr->nick);
    snprintf(v->ref, sizeof v->ref, "%s", pr->ref);
    snprintf(v->about, sizeof v->about, "%s", v->add ? pr->nick : pr->ref);
}

static void voted(void *arg, const struct node_result *r)
{
    struct op *op = arg;
    sim_trace(op->p->sim, "m%u voted on %s: %s", op->p->i, op->text, status_text(r->st));
    op->p->vote_pending[0] = 0;
    op_free(op);
}

bool vote_of(struct person *p)
{
    struct sim *s = p->sim;
    struct voting v = {.p = p};
    if (node_proposals(p->node, SIM_NAME, false, on_proposal, &v) != ST_OK || !v.found)
        return false;
    if (v.add && !nick_find(s, v.about))
        sim_fail(s, "m%u is asked about %s, who never applied", p->i, v.about);
    /* A mind once made up stays so, or a restored backup would be an excuse to vote twice. */
    struct sim_wish *w = wish_of(s, v.about);
    uint8_t bit = (uint8_t)(1U << p->i);
    if (!((w->yes | w->no) & bit)) {
        bool no =
            !s->founding && !v.ghost && !(v.own && !v.add) && rng_chance(&s->rng, v.add ? 60 : 200);
        *(no ? &w->no : &w->yes) |= bit;
    }
    struct node_vote req = {.enclave = SIM_NAME,
                            .ref = v.ref,
                            .yes = (w->yes & bit) != 0,
                            .compared = rng_chance(&s->rng, 500)};
    struct op *op = op_new(p, OP_VOTE, 0);
    snprintf(op->text, sizeof op->text, "%s", v.about);
    enum status st = node_vote(p->node, &req, voted, op);
    sim_trace(s, "m%u votes %s on %s: %s", p->i, req.yes ? "yes" : "no", v.about, status_text(st));
    if (st != ST_OK) {
        op_free(op);
        return false;
    }
    snprintf(p->vote_pending, sizeof p->vote_pending, "%s", v.ref);
    return true;
}

bool act_vote(struct sim *s)
{
    struct person *p = person_random(s, PERSON_IN, true);
    return p && vote_of(p);
}

/* ---- proposals ---- */

static void over(void *arg, const struct node_result *r)
{
    struct op *op = arg;
    sim_trace(op->p->sim, "m%u %s: %s (%s)", op->p->i, op->text, status_text(r->st), r->text);
    op_free(op);
}

static struct op *op_named(struct person *p, unsigned kind, const char *text)
{
    struct op *op = op_new(p, kind, 0);
    snprintf(op->text, sizeof op->text, "%s", text);
    return op;
}

static bool begun(struct op *op, enum status st)
{
    sim_trace(op->p->sim, "m%u begins: %s: %s", op->p->i, op->text, status_text(st));
    if (st != ST_OK) op_free(op);
    return st == ST_OK;
}

struct targets {
    struct sim *s;
    const char *own;
    char ghosts[128], others[8][24];
    unsigned n, n_ghosts;
};

static void on_member(void *arg, const struct node_member *m)
{
    struct targets *t = arg;
    const struct sim_nick *n = nick_find(t->s, m->nick);
    if (m->self || !n) return;
    if (n->ghost && t->n_ghosts++ < 3)
        snprintf(t->ghosts + strlen(t->ghosts), sizeof t->ghosts - strlen(t->ghosts), "%s%s",
                 t->ghosts[0] ? "," : "", m->nick);
    else if (t->n < 8)
        snprintf(t->others[t->n++], 24, "%s", m->nick);
}

/* Seldom somebody who is there; always who is a member only on paper. */
bool act_remove(struct sim *s)
{
    struct person *p = person_random(s, PERSON_IN, true);
    struct targets t = {.s = s};
    char who[128];
    if (!p || node_members(p->node, SIM_NAME, on_member, &t) != ST_OK) return false;
    bool ghosts = t.n_ghosts > 0;
    if (!ghosts && (t.n == 0 || !rng_chance(&s->rng, 400))) return false;
    if (ghosts)
        snprintf(who, sizeof who, "%s", t.ghosts);
    else
        snprintf(who, sizeof who, "%s", t.others[rng_below(&s->rng, t.n)]);
    if (ghosts && t.n_ghosts > 1 && rng_chance(&s->rng, 500)) *strchr(who, ',') = 0;
    if (!ghosts && t.n > 1 && rng_chance(&s->rng, 100))
        snprintf(who + strlen(who), sizeof who - strlen(who), ",%s",
                 t.others[rng_below(&s->rng, t.n)]);
    struct node_remove req = {.enclave = SIM_NAME,
                              .who = who,
                              .reason = rng_chance(&s->rng, 500) ? "so it is" : NULL,
                              .now = rng_chance(&s->rng, 300)};
    char text[64];
    snprintf(text, sizeof text, "remove %.50s", who);
    struct op *op = op_named(p, OP_PROPOSE, text);
    return begun(op, node_propose_remove(p->node, &req, over, op));
}

bool act_policy(struct sim *s)
{
    static const char *const changes[] = {"ballot=open",   "ballot=secret",
                                          "ballot=secret", "deadline=1h",
                                          "deadline=72h",  "history=no",
                                          "history=yes",   "idle=1d",
                                          "idle=never",    "rekey=1h",
                                          "rekey=24h",     "mode=relay",
                                          "mode=direct",   "mode=relay;rekey=2h;idle=30d"};
    struct person *p = person_random(s, PERSON_IN, true);
    if (!p) return false;
    const char *change = changes[rng_below(&s->rng, sizeof changes / sizeof changes[0])];
    struct node_policy_change req = {
        .enclave = SIM_NAME, .changes = change, .now = rng_chance(&s->rng, 300)};
    struct op *op = op_named(p, OP_PROPOSE, change);
    return begun(op, node_propose_policy(p->node, &req, over, op));
}

static void on_own(void *arg, const struct node_proposal *pr)
{
    struct voting *v = arg;
    if (!pr->mine_to_withdraw) return;
    v->found = true;
    snprintf(v->ref, sizeof v->ref, "%s", pr->ref);
}

bool act_withdraw(struct sim *s)
{
    struct person *p = person_random(s, PERSON_IN, true);
    struct voting v = {.p = p};
    if (!p || node_proposals(p->node, SIM_NAME, false, on_own, &v) != ST_OK || !v.found)
        return false;
    struct op *op = op_named(p, OP_WITHDRAW, "withdraw");
    return begun(op, node_withdraw(p->node, SIM_NAME, v.ref, over, op));
}

bool act_rekey(struct sim *s)
{
    struct person *p = person_random(s, PERSON_IN, true);
    if (!p) return false;
    struct op *op = op_named(p, OP_OTHER, "rekey");
    return begun(op, node_rekey(p->node, SIM_NAME, over, op));
}

bool act_away(struct sim *s)
{
    struct person *p = person_random(s, PERSON_IN, true);
    if (!p) return false;
    uint64_t until = rng_chance(&s->rng, 300)
                         ? 0
                         : env_wall_ms(&p->m.env) + rng_between(&s->rng, 1, 10) * SIM_DAY;
    struct op *op = op_named(p, OP_OTHER, until ? "away" : "back");
    return begun(op, node_away(p->node, SIM_NAME, until, over, op));
}
