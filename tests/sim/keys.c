/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* People and their machines: the kit, revoking from elsewhere, destroying; and reading all again. */
#include "sim/sim.h"

#include "node/enclave/enclave.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OP_REVOKE = 200, OP_DESTROY, OP_VERIFY };

bool act_kit(struct sim *s)
{
    struct person *p = person_random(s, PERSON_IN, false);
    if (!p) return false;
    buf_clear(&p->kit);
    if (node_kit(p->node, &p->kit) != ST_OK) sim_fail(s, "m%u cannot write its kit", p->i);
    snprintf(p->kit_nick, sizeof p->kit_nick, "%s", p->nick);
    sim_trace(s, "m%u writes its kit down", p->i);
    return true;
}

static void revoked(void *arg, const struct node_result *r)
{
    struct op *op = arg;
    const struct node_revoked *out = r->data;
    sim_trace(op->p->sim, "m%u's revocation: %s: %s", op->other->i, status_text(r->st),
              out ? out->detail : r->text);
    op_free(op);
}

/* Somebody's machine is in wrong hands: it is revoked from another person's. */
bool act_revoke(struct sim *s)
{
    struct person *p = &s->people[rng_below(&s->rng, s->n)];
    struct person *by = &s->people[rng_below(&s->rng, s->n)];
    if (p == by || !by->node || p->kit.n == 0 || p->state != PERSON_IN) return false;
    if (people_in(s, PERSON_IN) < 3) return false;
    struct sim_nick *n = nick_find(s, p->kit_nick);
    struct op *op = op_new(by, OP_REVOKE, 0);
    op->other = p;
    enum status st = node_revoke(by->node, buf_view(&p->kit), p->rk, SIM_NAME, revoked, op);
    sim_trace(s, "m%u is revoked from m%u: %s", p->i, by->i, status_text(st));
    if (st != ST_OK) {
        op_free(op);
        return false;
    }
    if (n) n->asked_out = true;
    return true;
}

static void done(void *arg, const struct node_result *r)
{
    struct op *op = arg;
    if (r->st != ST_OK) sim_trace(op->p->sim, "m%u: %s", op->p->i, r->text);
    op_free(op);
}

bool forget_old(struct person *p)
{
    struct op *op = op_new(p, OP_DESTROY, 0);
    if (node_destroy(p->node, SIM_NAME, done, op) == ST_OK) return true;
    op_free(op);
    return false;
}

bool act_destroy(struct sim *s)
{
    struct person *p = person_random(s, PERSON_IN, false);
    if (!p || people_in(s, PERSON_IN) < 3) return false;
    struct sim_nick *n = nick_find(s, p->nick);
    if (!forget_old(p)) return false;
    sim_trace(s, "m%u destroys its copy", p->i);
    if (n) n->ghost = true;
    s->orphans = true;
    s->losses++;
    s->left++;
    return true;
}

/* ---- verify ---- */

struct verdict {
    bool known;
    unsigned by;
    uint64_t count;
    struct buf text;
};

/* Index and author of each void entry. What exactly is wrong with a COMMIT, each one sees from its own
 * wrap. */
static void put_voids(struct buf *out, const char *voids)
{
    for (const char *at = voids; *at; at++) {
        size_t n = strcspn(at, ":\n");
        buf_printf(out, "%.*s\n", (int)n, at);
        at += strcspn(at, "\n");
        if (!*at) break;
    }
}

static void verified(void *arg, const struct node_result *r)
{
    struct op *op = arg;
    struct person *p = op->p;
    const struct node_verdict *v = r->data;
    if (!v || r->st != ST_OK || !v->agrees)
        sim_fail(p->sim, "m%u's own ledger does not verify: %s (%s)", p->i, status_text(r->st),
                 r->text);
    p->sim->checked[CHECK_VERDICTS]++;
    if (!p->sim->forked_ever) villains_named(p, v);
    if (op->kind == OP_VERIFY && op->number) {
        buf_clear(&p->verdict);
        buf_printf(&p->verdict,
                   "%llu entries, %llu valid, %llu void, %llu epochs, %llu commits, %llu votes, "
                   "tallies %llu %llu, %llu passed, %llu expired, %llu withdrawn, %u of %u "
                   "members, head %s\n",
                   (unsigned long long)v->entries, (unsigned long long)v->valid,
                   (unsigned long long)v->void_entries, (unsigned long long)v->epochs,
                   (unsigned long long)v->commits, (unsigned long long)v->votes,
                   (unsigned long long)v->tallies_secret, (unsigned long long)v->tallies_open,
                   (unsigned long long)v->passed, (unsigned long long)v->expired,
                   (unsigned long long)v->withdrawn, v->members, v->members_ever, v->head);
        put_voids(&p->verdict, v->voids);
        buf_u8(&p->verdict, 0);
    }
    op_free(op);
}

static bool verify(struct person *p, bool keep)
{
    struct op *op = op_new(p, OP_VERIFY, keep);
    if (node_verify(p->node, SIM_NAME, verified, op) == ST_OK) return true;
    op_free(op);
    return false;
}

bool act_verify(struct sim *s)
{
    struct person *p = person_random(s, PERSON_IN, false);
    return p && verify(p, false);
}

void verify_all(struct sim *s)
{
    const struct person *first = NULL;
    for (unsigned i = 0; i < s->n; i++) {
        struct person *p = &s->people[i];
        buf_clear(&p->verdict);
        if (p->node && p->state == PERSON_IN && !verify(p, true))
            sim_trace(s, "m%u cannot verify now", i);
    }
    sim_run_for(s, 100);
    for (unsigned i = 0; i < s->n; i++) {
        const struct person *p = &s->people[i];
        if (p->verdict.n == 0 || p->tainted || excused(p)) continue;
        if (first && first->head_count == p->head_count &&
            !bytes_same(buf_view(&first->verdict), buf_view(&p->verdict)))
            sim_fail(s, "m%u and m%u verify to different ends:\n%sand\n%s", first->i, i,
                     (const char *)first->verdict.p, (const char *)p->verdict.p);
        if (!first) first = p;
    }
}
