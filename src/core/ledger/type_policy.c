/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* POLICY, AWAY, REHOME: how the group wants to live, where it meets, and who is not there. */
#include "core/ledger/state.h"

#include <string.h>

bool ledger_read_sentinels(struct bytes list, struct ledger_sentinel *to, size_t *ret_n)
{
    struct cursor c = cursor_of(list);
    size_t n = cursor_u8(&c);
    if (n == 0 || n > LEDGER_SENTINELS_MAX) return false;
    for (size_t i = 0; i < n; i++) {
        struct bytes address = cursor_take(&c, cursor_u8(&c));
        struct bytes pin = cursor_take(&c, 32);
        if (c.bad || address.n == 0) return false;
        for (size_t k = 0; k < address.n; k++)
            if (address.p[k] <= ' ' || address.p[k] > '~') return false;
        if (to == NULL) continue;
        ledger_copy_text(to[i].address, address);
        memcpy(to[i].pin, pin.p, 32);
    }
    *ret_n = n;
    return cursor_end(&c) == ST_OK;
}

/* Keys ascending, each known. */
bool ledger_policy_ok(struct list policy)
{
    uint8_t last = 0;
    for (size_t i = 0; i < policy.n; i++) {
        uint8_t key = list_at(policy, i, LEDGER_POLICY_ITEM)[0];
        if (key <= last || key >= LEDGER_POLICY_END) return false;
        last = key;
    }
    return true;
}

void ledger_policy_defaults(struct ledger *l)
{
    const uint64_t day_ms = UINT64_C(24) * 3600 * 1000;
    l->policy[LEDGER_POLICY_EXPIRE_MS] = 3 * day_ms;
    l->policy[LEDGER_POLICY_MAIL_MS] = 14 * day_ms;
    l->policy[LEDGER_POLICY_MAIL_BYTES] = UINT64_C(64) << 20;
    l->policy[LEDGER_POLICY_NO_HISTORY] = 0;
    l->policy[LEDGER_POLICY_CONVERGENT] = 1;
    l->policy[LEDGER_POLICY_COMMIT_MS] = day_ms;
    l->policy[LEDGER_POLICY_IDLE_MS] = 30 * day_ms;
    l->policy[LEDGER_POLICY_COMPRESS] = 1;
}

void ledger_policy_set(struct ledger *l, struct list policy)
{
    bool hid = l->policy[LEDGER_POLICY_NO_HISTORY] != 0;
    for (size_t i = 0; i < policy.n; i++) {
        const uint8_t *item = list_at(policy, i, LEDGER_POLICY_ITEM);
        l->policy[item[0]] = get_u64(item + 1);
    }
    if (hid && l->policy[LEDGER_POLICY_NO_HISTORY] == 0) l->history_floor = l->epoch;
}

/* ---- POLICY ---- */

static enum status policy_decode(struct ledger_judged *j)
{
    return fields_decode(&outcome_body_fields, j->entry.body, &j->body.outcome);
}

static const char *policy_check(const struct ledger *l, struct ledger_judged *j)
{
    return ledger_check_outcome(l, j, PROPOSE_POLICY);
}

static enum status policy_apply(struct ledger *l, const struct ledger_judged *j)
{
    struct ledger_proposal *p = l->current;
    const struct propose_policy *c = &p->policy;
    if (c->ballot_kind != LEDGER_AS_IS) l->ballot_kind = c->ballot_kind;
    if (c->mode != LEDGER_AS_IS) l->mode = c->mode;
    ledger_policy_set(l, c->policy);
    if (c->sentinels.n > 0 && !ledger_read_sentinels(c->sentinels, l->sentinels, &l->n_sentinels))
        return ST_BUG;
    p->state = LEDGER_VOTE_CHANGED;
    p->added = j->index;
    l->current = NULL;
    return ST_OK;
}

const struct ledger_type ledger_type_policy = {LEDGER_POLICY, "POLICY", policy_decode, policy_check,
                                               policy_apply};

/* ---- AWAY ---- */

static enum status away_decode(struct ledger_judged *j)
{
    return fields_decode(&away_body_fields, j->entry.body, &j->body.away);
}

static const char *away_check(const struct ledger *l, struct ledger_judged *j)
{
    (void)l;
    (void)j;
    return NULL; /* advice, like every time */
}

static enum status away_apply(struct ledger *l, const struct ledger_judged *j)
{
    ledger_leaf_rw(l, j->verdict.author)->away_ms = j->body.away.until_ms;
    return ST_OK;
}

const struct ledger_type ledger_type_away = {LEDGER_AWAY, "AWAY", away_decode, away_check,
                                             away_apply};

/* ---- REHOME ---- */

static enum status rehome_decode(struct ledger_judged *j)
{
    return fields_decode(&rehome_body_fields, j->entry.body, &j->body.rehome);
}

/* Members follow to no sentinel but those that all have voted. */
static const char *rehome_check(const struct ledger *l, struct ledger_judged *j)
{
    const struct rehome_body *r = &j->body.rehome;
    for (size_t i = 0; i < l->n_sentinels; i++)
        if (memcmp(l->sentinels[i].pin, r->pin, 32) == 0 &&
            bytes_same(bytes_str(l->sentinels[i].address), r->address))
            return NULL;
    return "that sentinel is not on the voted list";
}

static enum status rehome_apply(struct ledger *l, const struct ledger_judged *j)
{
    ledger_copy_text(l->home.address, j->body.rehome.address);
    memcpy(l->home.pin, j->body.rehome.pin, 32);
    l->moved = true;
    return ST_OK;
}

const struct ledger_type ledger_type_rehome = {LEDGER_REHOME, "REHOME", rehome_decode, rehome_check,
                                               rehome_apply};
