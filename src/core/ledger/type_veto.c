/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* VETO_KEYS: one-time keys for secret ballots, shown ahead of the votes that will name them. */
#include "core/ledger/state.h"

#include <string.h>

static enum status decode(struct ledger_judged *j)
{
    return fields_decode(&veto_keys_fields, j->entry.body, &j->body.veto_keys);
}

static bool in_stock(const struct ledger *l, const uint8_t x[VETO_POINT])
{
    for (size_t i = 0; i < l->n_leaves; i++)
        for (size_t k = 0; k < l->leaves[i]->stock.n; k++)
            if (memcmp(l->leaves[i]->stock.x[k], x, VETO_POINT) == 0) return true;
    if (l->current == NULL || l->current->kind != PROPOSE_ADD) return false;
    struct list theirs = l->current->candidate.veto_keys; /* in a stock as soon as it is added */
    for (size_t k = 0; k < theirs.n; k++)
        if (memcmp(list_at(theirs, k, LEDGER_VETO_KEY), x, VETO_POINT) == 0) return true;
    return false;
}

/* Two who show the same key could bring the base of a third one's ballot to nothing. (So could X and -X
 * on the same side of it: that is looked at when a proposal names the keys.) */
const char *ledger_check_keys(const struct ledger *l, const uint8_t id[32], uint32_t first,
                              struct list keys)
{
    for (size_t i = 0; i < keys.n; i++) {
        const uint8_t *key = list_at(keys, i, LEDGER_VETO_KEY);
        if (veto_key_check(l->enclave_id, id, first + (uint32_t)i, key) != ST_OK)
            return "a veto key in it is not proved";
        if (in_stock(l, key)) return "a veto key in it is known already";
        for (size_t k = 0; k < i; k++)
            if (memcmp(list_at(keys, k, LEDGER_VETO_KEY), key, VETO_POINT) == 0)
                return "a veto key in it is known already";
    }
    return NULL;
}

void ledger_stock_add(struct ledger_stock *s, struct list keys)
{
    for (size_t i = 0; i < keys.n && s->n < LEDGER_VETO_STOCK; i++) {
        s->serial[s->n] = s->next++;
        memcpy(s->x[s->n++], list_at(keys, i, LEDGER_VETO_KEY), VETO_POINT);
    }
}

static const char *check(const struct ledger *l, struct ledger_judged *j)
{
    const struct veto_keys *v = &j->body.veto_keys;
    const struct ledger_leaf *leaf = ledger_leaf(l, j->verdict.author);
    size_t kept = v->dead != 0 ? 0 : leaf->stock.n;
    if (v->dead > 1 || v->keys.n == 0) return "its body is malformed";
    if (kept + v->keys.n > LEDGER_VETO_STOCK || leaf->stock.next > UINT32_MAX - LEDGER_VETO_STOCK)
        return "its author has veto keys enough";
    return ledger_check_keys(l, leaf->id, leaf->stock.next, v->keys);
}

static enum status apply(struct ledger *l, const struct ledger_judged *j)
{
    struct ledger_stock *s = &ledger_leaf_rw(l, j->verdict.author)->stock;
    if (j->body.veto_keys.dead != 0) s->n = 0;
    s->n_reserve_by = 0;
    ledger_stock_add(s, j->body.veto_keys.keys);
    return ST_OK;
}

const struct ledger_type ledger_type_veto_keys = {LEDGER_VETO_KEYS, "VETO_KEYS", decode, check,
                                                  apply};
