/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "sim/sim.h"

#include "node/enclave/enclave.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void on_log(void *arg, unsigned machine, enum env_level level, const char *area,
                   const char *text)
{
    struct sim *s = arg;
    if (level <= ENV_WARN || s->trace_all) sim_trace(s, "  m%u %s: %s", machine, area, text);
}

static void on_event(void *arg, const struct node_event *e)
{
    struct person *p = arg;
    if (strstr(e->text, "older seat list")) p->told_old_seats = true;
    sim_trace(p->sim, "  m%u [%s] %s", p->i, e->kind, e->text);
    if (strcmp(e->kind, "proposal") == 0) mutants_hear(p);
    if (strcmp(e->kind, "early") == 0) early_look(p);
}

void person_init(struct sim *s, unsigned i, uint64_t offer)
{
    struct person *p = &s->people[i];
    char name[16];
    memset(p, 0, sizeof *p);
    p->sim = s;
    p->i = i;
    snprintf(name, sizeof name, "m%u", i);
    snprintf(p->listen, sizeof p->listen, "m%u:0", i);
    machine_init(&p->m, i, name, &s->time, rng_next(&s->rng), on_log, s);
    kv_mem_init(&p->kv, &p->m);
    kv_mem_init(&p->backup, &p->m);
    files_mem_init(&p->files, &p->m);
    shards_mem_init(&p->shards, &p->m, offer);
    memset(p->place, (int)i + 1, sizeof p->place);
    rng_bytes(&s->rng, p->mk, 32);
    rng_bytes(&s->rng, p->rk, 32);
    p->shown = sim_alloc(SIM_MESSAGES_MAX);
    p->eye = sim_alloc(SIM_MESSAGES_MAX * sizeof *p->eye);
    if (i == s->clock_of) p->m.skew_ms = s->clock_skew;
}

void person_boot(struct person *p)
{
    struct sim *s = p->sim;
    machine_boot(&p->m);
    struct node_ports ports = {.env = &p->m.env,
                               .work = p->m.work,
                               .kv = kv_mem_port(&p->kv),
                               .link = vnet_port(&s->net, &p->m),
                               .file = files_mem_port(&p->files),
                               .shards = shards_mem_port(&p->shards)};
    struct node_options options = {
        .listen = p->listen,
        .announce = p->m.name,
        .offer = p->shards.most,
        .receipts = (enum node_receipts)((s->seed + p->i) % (NODE_RECEIPTS_READ + 1)),
        .place = p->place};
    p->node = node_new(&ports, &options);
    if (!p->node) sim_fail(s, "m%u: node_new gave nothing", p->i);
    node_listen(p->node, on_event, p);
    enum status st = node_start(p->node, p->mk, p->rk);
    if (st != ST_OK) sim_fail(s, "m%u does not start: %s", p->i, status_text(st));
    memset(p->shown, 0, SIM_MESSAGES_MAX);
    p->read_upto = 0;
    p->vote_pending[0] = 0;
    p->halted = false;
    /* What it had seen and not yet on disk it sees again. */
    for (unsigned i = 0; i < s->n_nicks; i++) s->nicks[i].seen_by &= (uint8_t) ~(1U << p->i);
    sim_trace(s, "m%u is up", p->i);
}

void person_crash(struct person *p)
{
    machine_crash(&p->m);
    node_free(p->node);
    p->node = NULL;
    kv_mem_crash(&p->kv);
    shards_mem_crash(&p->shards);
    vnet_crash(&p->sim->net, &p->m);
    while (p->ops) op_free(p->ops);
    if (p->creating) { /* told neither way: what was begun is erased, unless it was made */
        p->creating = p->sim->creating = false;
        p->sim->spare_rooms++;
    }
    p->online = false;
    sim_trace(p->sim, "m%u is down", p->i);
}

void person_free(struct person *p)
{
    if (p->node) person_crash(p);
    kv_mem_free(&p->kv);
    kv_mem_free(&p->backup);
    files_mem_free(&p->files);
    shards_mem_free(&p->shards);
    buf_free(&p->kit);
    buf_free(&p->verdict);
    buf_free(&p->leaving);
    free(p->shown);
    free(p->eye);
}

struct op *op_new(struct person *p, unsigned kind, uint64_t number)
{
    struct op *op = sim_alloc(sizeof *op);
    op->p = p;
    op->kind = kind;
    op->number = number;
    op->next = p->ops;
    p->ops = op;
    return op;
}

void op_free(struct op *op)
{
    struct op **at = &op->p->ops;
    while (*at && *at != op) at = &(*at)->next;
    if (*at) *at = op->next;
    free(op);
}

struct sim_nick *nick_find(struct sim *s, const char *nick)
{
    for (unsigned i = 0; i < s->n_nicks; i++)
        if (strcmp(s->nicks[i].nick, nick) == 0) return &s->nicks[i];
    return NULL;
}

struct sim_wish *wish_of(struct sim *s, const char *ref)
{
    for (unsigned i = 0; i < s->n_wishes; i++)
        if (strcmp(s->wishes[i].ref, ref) == 0) return &s->wishes[i];
    if (s->n_wishes == SIM_WISHES_MAX) sim_fail(s, "more than %u votes", SIM_WISHES_MAX);
    struct sim_wish *w = &s->wishes[s->n_wishes++];
    memset(w, 0, sizeof *w);
    snprintf(w->ref, sizeof w->ref, "%s", ref);
    return w;
}

static void on_info(void *arg, const struct node_enclave_info *e)
{
    struct person *p = arg;
    enum person_state before = p->state;
    switch (e->state) {
    case NODE_JOINING: p->state = PERSON_JOINING; break;
    case NODE_LEAVING: p->state = PERSON_LEAVING; break;
    case NODE_REFUSED:
    case NODE_REMOVED: p->state = PERSON_OUT; break;
    case NODE_HALTED: p->halted = true; break;
    case NODE_MEMBER: p->state = PERSON_IN; break;
    }
    if (p->state == PERSON_OUT && (before == PERSON_IN || before == PERSON_LEAVING)) {
        sim_trace(p->sim, "m%u is out: %s", p->i, e->removed);
        p->sim->losses++;
        p->sim->left++;
        struct enclave *en = node_find(p->node, SIM_NAME);
        buf_clear(&p->leaving);
        if (en && en->group && !p->tainted && group_save(en->group, &p->leaving) == ST_OK)
            watch_out(p->sim, p->i, buf_view(&p->leaving));
        buf_clear(&p->leaving);
        p->tainted = p->restored = false;
        p->lied_upto = 0;
    }
    p->online = e->online;
    p->outbox = (unsigned)e->outbox;
    p->head_count = e->ledger_count;
    snprintf(p->head, sizeof p->head, "%s", e->head);
    snprintf(p->trouble, sizeof p->trouble, "%s", e->trouble);
    if (p->state == PERSON_IN && before != PERSON_IN) {
        p->in_ms = p->sim->time.now_ms;
        p->silent_epoch = 0;
        p->in_count = e->ledger_count;
        p->no_history = p->sim->hidden;
    }
}

static void note_seat(struct person *p)
{
    struct sim_nick *n = nick_find(p->sim, p->nick);
    const struct enclave *e = node_find(p->node, SIM_NAME);
    if (!n || n->seated || !e || !e->keys) return;
    memcpy(n->seat, e->seat, 32);
    memcpy(n->seat_seed, e->keys->seat_seed, 32);
    n->seated = true;
}

void person_look(struct person *p)
{
    if (!p->node) return;
    if (node_enclave(p->node, SIM_NAME, on_info, p) == ST_OK) {
        if (p->state == PERSON_JOINING) note_seat(p);
        return;
    }
    if (p->state == PERSON_IN || p->state == PERSON_LEAVING) sim_trace(p->sim, "m%u is out", p->i);
    if (p->leaving.n > 0 && p->state == PERSON_LEAVING && !p->tainted)
        watch_out(p->sim, p->i, buf_view(&p->leaving));
    buf_clear(&p->leaving);
    p->state = PERSON_OUT;
    p->online = false;
    p->head_count = 0;
    p->outbox = 0;
    p->trouble[0] = 0;
    p->tainted = p->restored = false;
    p->lied_upto = 0;
}

unsigned people_in(const struct sim *s, enum person_state state)
{
    unsigned n = 0;
    for (unsigned i = 0; i < s->n; i++) n += s->people[i].state == state;
    return n;
}

struct person *person_random(struct sim *s, enum person_state state, bool online)
{
    unsigned n = 0, list[SIM_PEOPLE_MAX];
    for (unsigned i = 0; i < s->n; i++) {
        struct person *p = &s->people[i];
        if (p->node && p->state == state && (!online || p->online)) list[n++] = i;
    }
    return n ? &s->people[list[rng_below(&s->rng, n)]] : NULL;
}
