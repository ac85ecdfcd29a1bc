/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What people do. */
#include "sim/sim.h"

#include "base/encode.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OP_CREATE, OP_INVITE, OP_JOIN, OP_VOTE, OP_SEND, OP_LEAVE };

static struct sim_nick *nick_new(struct sim *s, struct person *p)
{
    if (s->n_nicks == SIM_NICKS_MAX) return NULL;
    struct sim_nick *n = &s->nicks[s->n_nicks++];
    memset(n, 0, sizeof *n);
    n->person = p->i;
    snprintf(n->nick, sizeof n->nick, "m%u-%u", p->i, ++p->attempt);
    snprintf(p->nick, sizeof p->nick, "%s", n->nick);
    return n;
}

/* ---- create, invite, join, leave ---- */

static void created(void *arg, const struct node_result *r)
{
    struct op *op = arg;
    struct sim *s = op->p->sim;
    s->creating = false;
    sim_trace(s, "m%u created: %s", op->p->i, status_text(r->st));
    if (r->st == ST_OK) s->exists = true;
    op_free(op);
}

bool act_create(struct sim *s)
{
    char pin[65], sentinel[LINK_ADDRESS_MAX];
    if (s->exists || s->creating) return false;
    for (unsigned i = 0; i < s->n; i++)
        if (s->people[i].state != PERSON_OUT) return false;
    struct person *p = person_random(s, PERSON_OUT, false);
    struct sim_nick *n = p ? nick_new(s, p) : NULL;
    if (!n) return false;
    n->creator = true;
    hex_encode(BYTES_OF(s->sentinel.pin), pin);
    snprintf(sentinel, sizeof sentinel, "%s#%s", VSENTINEL_ADDRESS, pin);
    struct node_create req = {.name = SIM_NAME, .nick = n->nick, .sentinel = sentinel};
    if (rng_chance(&s->rng, 300)) req.mode = "relay";
    struct op *op = op_new(p, OP_CREATE, 0);
    enum status st = node_create(p->node, &req, created, op);
    sim_trace(s, "m%u creates as %s: %s", p->i, n->nick, status_text(st));
    if (st != ST_OK) {
        op_free(op);
        return false;
    }
    s->creating = true;
    s->generation++;
    s->acknowledged = 0;
    s->room_known = false;
    s->forked_ever = false;
    heads_forget(s);
    return true;
}

static void joined(void *arg, const struct node_result *r)
{
    struct op *op = arg;
    sim_trace(op->p->sim, "m%u knocked: %s (%s)", op->p->i, status_text(r->st), r->text);
    op_free(op);
}

static void invited(void *arg, const struct node_result *r)
{
    struct op *op = arg;
    struct person *p = op->p, *guest = op->other;
    struct sim *s = p->sim;
    sim_trace(s, "m%u invited m%u: %s", p->i, guest->i, status_text(r->st));
    if (r->st == ST_OK && guest->node && guest->state == PERSON_OUT) {
        const struct node_invitation *i = r->data;
        struct sim_nick *n = nick_new(s, guest);
        struct node_join req = {
            .code = i->code, .nick = n ? n->nick : "x", .name = SIM_NAME, .message = "let me in"};
        struct op *join = op_new(guest, OP_JOIN, 0);
        enum status st = n ? node_join(guest->node, &req, joined, join) : ST_QUOTA;
        sim_trace(s, "m%u joins as %s: %s", guest->i, req.nick, status_text(st));
        if (st == ST_OK)
            guest->state = PERSON_JOINING;
        else
            op_free(join);
    }
    op_free(op);
}

static void forgotten(void *arg, const struct node_result *r)
{
    struct op *op = arg;
    (void)r;
    op_free(op);
}

/* Who was refused clears the record away before a new attempt. */
static bool forget_refused(struct person *p)
{
    struct op *op = op_new(p, OP_LEAVE, 0);
    if (node_leave(p->node, SIM_NAME, forgotten, op) == ST_OK) return true;
    op_free(op);
    return false;
}

bool act_invite(struct sim *s)
{
    struct person *host = person_random(s, PERSON_IN, true);
    struct person *guest = person_random(s, PERSON_OUT, false);
    if (!host || !guest) return false;
    if (forget_refused(guest)) return true;
    struct op *op = op_new(host, OP_INVITE, 0);
    op->other = guest;
    if (node_invite(host->node, SIM_NAME, 0, invited, op) == ST_OK) return true;
    op_free(op);
    return false;
}

static void left(void *arg, const struct node_result *r)
{
    struct op *op = arg;
    sim_trace(op->p->sim, "m%u left: %s", op->p->i, status_text(r->st));
    if (r->st == ST_OK) op->p->sim->losses++, op->p->sim->left++;
    op_free(op);
}

bool act_leave(struct sim *s)
{
    struct person *p = person_random(s, PERSON_IN, false);
    /* The last one seldom turns off the light. */
    if (!p || (people_in(s, PERSON_IN) < 3 && !rng_chance(&s->rng, 100))) return false;
    struct op *op = op_new(p, OP_LEAVE, 0);
    enum status st = node_leave(p->node, SIM_NAME, left, op);
    sim_trace(s, "m%u leaves: %s", p->i, status_text(st));
    if (st != ST_OK) op_free(op);
    return st == ST_OK;
}

/* ---- votes ---- */

struct voting {
    struct person *p;
    char ref[17];
    char nick[NODE_NICK_MAX + 1];
    bool found;
};

static void on_proposal(void *arg, const struct node_proposal *pr)
{
    struct voting *v = arg;
    if (v->found || !pr->mine_to_vote || strcmp(v->p->vote_pending, pr->ref) == 0) return;
    v->found = true;
    snprintf(v->ref, sizeof v->ref, "%s", pr->ref);
    snprintf(v->nick, sizeof v->nick, "%s", pr->nick);
}

static void voted(void *arg, const struct node_result *r)
{
    struct op *op = arg;
    sim_trace(op->p->sim, "m%u voted on %s: %s", op->p->i, op->text, status_text(r->st));
    op->p->vote_pending[0] = 0;
    op_free(op);
}

static bool vote_of(struct person *p)
{
    struct sim *s = p->sim;
    struct voting v = {.p = p};
    if (node_proposals(p->node, SIM_NAME, false, on_proposal, &v) != ST_OK || !v.found)
        return false;
    struct sim_nick *n = nick_find(s, v.nick);
    if (!n) sim_fail(s, "m%u is asked about %s, who never applied", p->i, v.nick);
    /* A mind once made up stays so, or a restored backup would be an excuse to vote twice. */
    uint8_t bit = (uint8_t)(1U << p->i);
    if (!(n->yes & bit) && !(n->no & bit)) {
        if (rng_chance(&s->rng, 60))
            n->no |= bit;
        else
            n->yes |= bit;
    }
    struct node_vote req = {.enclave = SIM_NAME,
                            .ref = v.ref,
                            .yes = (n->yes & bit) != 0,
                            .compared = rng_chance(&s->rng, 500)};
    struct op *op = op_new(p, OP_VOTE, 0);
    snprintf(op->text, sizeof op->text, "%s", v.nick);
    enum status st = node_vote(p->node, &req, voted, op);
    sim_trace(s, "m%u votes %s on %s: %s", p->i, req.yes ? "yes" : "no", v.nick, status_text(st));
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

void act_people(struct sim *s)
{
    for (unsigned i = 0; i < s->n; i++) {
        struct person *p = &s->people[i];
        if (!p->node) continue;
        if (p->halted && !p->m.full) {
            sim_trace(s, "m%u halted and is restarted", i);
            person_crash(p);
            person_boot(p);
        }
        if (p->state == PERSON_IN && p->online && rng_chance(&s->rng, s->settling ? 1000 : 500))
            vote_of(p);
    }
}

/* ---- words ---- */

static void sent(void *arg, const struct node_result *r)
{
    struct op *op = arg;
    struct sim *s = op->p->sim;
    if (r->st == ST_OK)
        s->messages[op->number].durable = true;
    else
        sim_trace(s, "m%u could not say w%llu: %s", op->p->i, (unsigned long long)op->number,
                  status_text(r->st));
    op_free(op);
}

bool act_send(struct sim *s)
{
    struct person *p = person_random(s, PERSON_IN, false);
    if (!p || s->n_messages == SIM_MESSAGES_MAX) return false;
    unsigned number = s->n_messages;
    size_t n = rng_chance(&s->rng, 50) ? (size_t)rng_below(&s->rng, 20000) : 40;
    char *text = sim_alloc(n + 40);
    int used = snprintf(text, n + 40, "w%u from m%u ", number, p->i);
    while ((size_t)used < n) text[used++] = '.';
    struct op *op = op_new(p, OP_SEND, number);
    enum status st = node_send(p->node, SIM_NAME, BYTES(text, (size_t)used), sent, op);
    free(text);
    if (st != ST_OK) {
        op_free(op);
        return false;
    }
    person_look(p);
    s->messages[number] = (struct sim_message){
        .from = p->i, .at_ms = s->time.now_ms, .count = p->head_count, .generation = s->generation};
    s->n_messages++;
    s->said++;
    sim_trace(s, "m%u says w%u", p->i, number);
    return true;
}
