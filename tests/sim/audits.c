/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Audits in the middle of everything else. */
#include "sim/sim.h"

#include "node/audit/audit_private.h"

#include <string.h>

enum { OP_AUDIT = 120 };

static void audit_begun(void *arg, const struct node_result *r)
{
    struct op *op = arg;
    sim_trace(op->p->sim, "m%u asks all holders: %s", op->p->i, status_text(r->st));
    op_free(op);
}

bool act_audit(struct sim *s)
{
    struct person *p = person_random(s, PERSON_IN, true);
    if (!p) return false;
    struct op *op = op_new(p, OP_AUDIT, 0);
    if (node_audit_now(p->node, SIM_NAME, audit_begun, op) == ST_OK) return true;
    op_free(op);
    return false;
}

static const struct person *person_of(struct sim *s, const uint8_t id[32])
{
    for (unsigned i = 0; i < s->n; i++) {
        struct enclave *e = inside_of(&s->people[i]);
        if (e && memcmp(e->id, id, 32) == 0) return &s->people[i];
    }
    return NULL;
}

static void look_at(struct sim *s, const struct person *p, const struct enclave *e,
                    const struct audit_holder *h)
{
    const struct ledger_leaf *leaf = ledger_leaf(group_ledger(e->group), h->holder);
    const struct person *whose = leaf ? person_of(s, leaf->id) : NULL;
    if (!whose) return;
    s->checked[CHECK_AUDITS] += h->rounds;
    for (size_t i = 0; i < h->n_faults; i++) {
        const struct audit_fault *f = &h->faults[i];
        if (AUDIT_IS_PROOF(f->verdict)) s->checked[CHECK_LOSSES]++;
        if (AUDIT_IS_PROOF(f->verdict) && !(s->sick >> whose->i & 1U))
            sim_fail(s, "m%u says that m%u, whose disk is sound, %s: shard %u", p->i, whose->i,
                     audit_verdict_text(f->verdict), (unsigned)f->index);
        if (f->verdict == AUDIT_WRONG)
            sim_fail(s, "m%u says that m%u, who means well, lies", p->i, whose->i);
    }
}

void check_audits(struct sim *s)
{
    for (unsigned i = 0; i < s->n; i++) {
        struct enclave *e = inside_of(&s->people[i]);
        for (size_t k = 0; e && e->audit && k < e->audit->n; k++)
            look_at(s, &s->people[i], e, e->audit->holders[k]);
    }
}
