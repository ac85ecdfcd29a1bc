/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What people do. */
#include "sim/sim.h"

#include "base/encode.h"
#include "node/enclave/enclave.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OP_CREATE, OP_INVITE, OP_JOIN, OP_SEND, OP_LEAVE };

static struct sim_nick *nick_new(struct sim *s, struct person *p)
{
    if (s->n_nicks == SIM_NICKS_MAX) return NULL;
    struct sim_nick *n = &s->nicks[s->n_nicks++];
    memset(n, 0, sizeof *n);
    n->person = p->i;
    n->generation = s->generation;
    snprintf(n->nick, sizeof n->nick, "m%u-%u", p->i, ++p->attempt);
    snprintf(p->nick, sizeof p->nick, "%s", n->nick);
    return n;
}

/* ---- create, invite, join, leave ---- */

static void created(void *arg, const struct node_result *r)
{
    struct op *op = arg;
    struct sim *s = op->p->sim;
    s->creating = op->p->creating = false;
    sim_trace(s, "m%u created: %s", op->p->i, status_text(r->st));
    if (r->st == ST_OK)
        s->exists = true;
    else
        s->spare_rooms++;
    op_free(op);
}

bool act_create(struct sim *s)
{
    char pin[65], sentinel[LINK_ADDRESS_MAX];
    if (s->exists || s->creating) return false;
    for (unsigned i = 0; i < s->n; i++)
        if (s->people[i].state != PERSON_OUT) return false;
    struct person *p = person_random(s, PERSON_OUT, false);
    if (p && forget_old(p)) return true;
    struct sim_nick *n = p ? nick_new(s, p) : NULL;
    if (!n) return false;
    n->creator = true;
    n->generation++;
    hex_encode(BYTES_OF(s->sentinel.pin), pin);
    snprintf(sentinel, sizeof sentinel, "%s#%s", VSENTINEL_ADDRESS, pin);
    struct node_create req = {.name = SIM_NAME, .nick = n->nick, .sentinel = sentinel};
    if (rng_chance(&s->rng, 300)) req.mode = "relay";
    if (rng_chance(&s->rng, 300)) req.ballot = "open";
    struct op *op = op_new(p, OP_CREATE, 0);
    enum status st = node_create(p->node, &req, created, op);
    sim_trace(s, "m%u creates as %s: %s", p->i, n->nick, status_text(st));
    if (st != ST_OK) {
        op_free(op);
        return false;
    }
    s->creating = p->creating = true;
    s->generation++;
    s->orphans = s->hidden = false;
    s->acknowledged = 0;
    s->room_known = false;
    s->forked_ever = false;
    s->n_dropped = 0;
    vsentinel_forget_seats(&s->sentinel);
    heads_forget(s);
    return true;
}

static void joined(void *arg, const struct node_result *r)
{
    struct op *op = arg;
    sim_trace(op->p->sim, "m%u knocked: %s (%s)", op->p->i, status_text(r->st), r->text);
    op_free(op);
}

void act_join(struct sim *s, struct person *guest, const char *code)
{
    if (forget_old(guest)) return;
    struct sim_nick *n = nick_new(s, guest);
    struct node_join req = {
        .code = code, .nick = n ? n->nick : "x", .name = SIM_NAME, .message = "let me in"};
    struct op *join = op_new(guest, OP_JOIN, 0);
    enum status st = n ? node_join(guest->node, &req, joined, join) : ST_QUOTA;
    sim_trace(s, "m%u joins as %s: %s", guest->i, req.nick, status_text(st));
    if (st == ST_OK)
        guest->state = PERSON_JOINING;
    else
        op_free(join);
}

static void invited(void *arg, const struct node_result *r)
{
    struct op *op = arg;
    struct person *p = op->p, *guest = op->other;
    struct sim *s = p->sim;
    sim_trace(s, "m%u invited m%u: %s", p->i, guest->i, status_text(r->st));
    const struct node_invitation *i = r->data;
    if (r->st == ST_OK && rng_chance(&s->rng, 150)) {
        /* It leaked: a stranger is first, and is shown as that stranger. */
        struct person *stranger = person_random(s, PERSON_OUT, false);
        if (stranger && stranger != guest) act_join(s, stranger, i->code);
    }
    if (r->st == ST_OK && guest->node && guest->state == PERSON_OUT) act_join(s, guest, i->code);
    op_free(op);
}

bool act_invite(struct sim *s)
{
    struct person *host = person_random(s, PERSON_IN, true);
    struct person *guest = person_random(s, PERSON_OUT, false);
    if (!host || !guest) return false;
    if (forget_old(guest)) return true;
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
    if (r->st == ST_OK) op->p->sim->left++;
    if (r->st == ST_OK && !op->number) op->p->sim->losses++; /* else it was handed over */
    op_free(op);
}

bool act_leave(struct sim *s)
{
    struct person *p = person_random(s, PERSON_IN, false);
    /* The last one seldom turns off the light. */
    if (!p || (people_in(s, PERSON_IN) < 3 && !rng_chance(&s->rng, 100))) return false;
    struct enclave *e = node_find(p->node, SIM_NAME);
    buf_clear(&p->leaving);
    if (e && e->group && group_save(e->group, &p->leaving) != ST_OK) buf_clear(&p->leaving);
    bool hand = rng_chance(&s->rng, 500);
    struct op *op = op_new(p, OP_LEAVE, hand);
    enum status st = hand ? node_part(p->node, SIM_NAME, true, left, op)
                          : node_leave(p->node, SIM_NAME, left, op);
    sim_trace(s, "m%u %s: %s", p->i, hand ? "hands over and leaves" : "leaves", status_text(st));
    if (st != ST_OK) op_free(op);
    struct sim_nick *n = nick_find(s, p->nick);
    if (n) n->asked_out = true;
    if (n) n->handed = hand;
    return st == ST_OK;
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
    for (unsigned i = 0; r->st == ST_OK && i <= op->more; i++)
        s->messages[op->number + i].durable = true;
    if (r->st != ST_OK)
        sim_trace(s, "m%u could not say w%llu: %s", op->p->i, (unsigned long long)op->number,
                  status_text(r->st));
    op_free(op);
}

bool act_send(struct sim *s)
{
    return act_send_by(s, person_random(s, PERSON_IN, false));
}

static void note_said(struct sim *s, const struct person *p, unsigned number)
{
    struct enclave *e = node_find(p->node, SIM_NAME);
    s->messages[number] = (struct sim_message){
        .from = p->i,
        .at_ms = s->time.now_ms,
        .count = p->head_count,
        .generation = s->generation,
        .excused = e && e->group && p->silent_epoch == group_epoch(e->group) + 1};
    s->n_messages++;
    s->said++;
}

/* Several lines in one go, which travel in one entry. */
static bool say_lines(struct sim *s, struct person *p, unsigned lines)
{
    char text[400];
    int used = 0;
    unsigned number = s->n_messages;
    for (unsigned i = 0; i < lines; i++)
        used += snprintf(text + used, sizeof text - (size_t)used, "w%u from m%u line\n\n",
                         number + i, p->i);
    struct op *op = op_new(p, OP_SEND, number);
    op->more = lines - 1;
    if (node_send_lines(p->node, SIM_NAME, BYTES(text, (size_t)used), sent, op) != ST_OK) {
        op_free(op);
        return false;
    }
    person_look(p);
    for (unsigned i = 0; i < lines; i++) note_said(s, p, number + i);
    sim_trace(s, "m%u says w%u to w%u", p->i, number, number + lines - 1);
    return true;
}

/* What was said before goes to another member, as far as both are there. */
bool act_share(struct sim *s)
{
    struct person *by = person_random(s, PERSON_IN, false);
    struct person *with = person_random(s, PERSON_IN, false);
    if (!by || !by->node || !with || by == with) return false;
    const struct node_share req = {
        .enclave = SIM_NAME, .who = with->nick, .most = 1 + rng_below(&s->rng, 200)};
    enum status st = node_history_share(by->node, &req, NULL, NULL);
    sim_trace(s, "m%u shares its history with m%u: %s", by->i, with->i, status_text(st));
    return st == ST_OK;
}

bool act_send_by(struct sim *s, struct person *p)
{
    unsigned number = s->n_messages, lines = 2 + number % 7;
    if (!p || !p->node || p->state != PERSON_IN || number + lines > SIM_MESSAGES_MAX) return false;
    if (number % 5 == 4) return say_lines(s, p, lines);
    size_t n = rng_chance(&s->rng, 50) ? (size_t)rng_below(&s->rng, 20000) : 40;
    char *text = sim_alloc(n + 40);
    int used = snprintf(text, n + 40, "w%u from m%u ", number, p->i);
    while ((size_t)used < n) text[used++] = '.';
    struct op *op = op_new(p, OP_SEND, number);
    enum status st = node_send(p->node, SIM_NAME,
                               &(struct node_say){.text = BYTES(text, (size_t)used)}, sent, op);
    free(text);
    if (st != ST_OK) {
        op_free(op);
        return false;
    }
    person_look(p);
    note_said(s, p, number);
    sim_trace(s, "m%u says w%u", p->i, number);
    return true;
}
