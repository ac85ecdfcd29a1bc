/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* GENESIS: the first entry; it makes the enclave and its first member. */
#include "core/ledger/state.h"
#include "crypto/kem.h"

#include <string.h>

static enum status decode(struct ledger_judged *j)
{
    return fields_decode(&genesis_fields, j->entry.body, &j->body.genesis);
}

/* Reads the list; to may be NULL. false: malformed. */
static bool read_sentinels(struct bytes list, struct ledger_sentinel *to, size_t *ret_n)
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
static bool policy_ok(struct list policy)
{
    uint8_t last = 0;
    for (size_t i = 0; i < policy.n; i++) {
        uint8_t key = list_at(policy, i, LEDGER_POLICY_ITEM)[0];
        if (key <= last || key >= LEDGER_POLICY_END) return false;
        last = key;
    }
    return true;
}

static const char *check(const struct ledger *l, struct ledger_judged *j)
{
    const struct genesis *g = &j->body.genesis;
    uint8_t id[32];
    size_t n;
    ledger_id_of(j->entry.body, id);
    if (j->index != 0) return "it is not the first entry";
    if (memcmp(id, l->enclave_id, 32) != 0) return "it begins another enclave";
    if (memcmp(g->room, l->room, 32) != 0) return "it names another room";
    if (memcmp(g->id, j->entry.actor, 32) != 0) return "its author is not the creator";
    if (g->suite != LEDGER_SUITE || g->rules != LEDGER_RULES)
        return "its suite or rules are not known";
    if (ballot_kind(g->ballot_kind) == NULL) return "its kind of ballot is not known";
    if (g->mode > LEDGER_TOR) return "its mode is not known";
    if (!policy_ok(g->policy)) return "its policy is not known";
    if (!read_sentinels(g->sentinels, NULL, &n)) return "its list of sentinels is malformed";
    if (!knock_nick_ok(g->nick) || !knock_nick_ok(g->name)) return "a name in it is not allowed";
    if (kem_check_public(g->kem_pk) != ST_OK) return "its KEM key is not valid";
    return NULL;
}

static void apply_policy(struct ledger *l, struct list policy)
{
    l->policy[LEDGER_POLICY_EXPIRE_MS] = UINT64_C(72) * 3600 * 1000;
    l->policy[LEDGER_POLICY_MAIL_MS] = UINT64_C(14) * 24 * 3600 * 1000;
    l->policy[LEDGER_POLICY_MAIL_BYTES] = UINT64_C(64) << 20;
    l->policy[LEDGER_POLICY_NO_HISTORY] = 0;
    l->policy[LEDGER_POLICY_CONVERGENT] = 1;
    l->policy[LEDGER_POLICY_COMMIT_MS] = UINT64_C(24) * 3600 * 1000;
    for (size_t i = 0; i < policy.n; i++) {
        const uint8_t *item = list_at(policy, i, LEDGER_POLICY_ITEM);
        l->policy[item[0]] = get_u64(item + 1);
    }
}

static enum status apply(struct ledger *l, const struct ledger_judged *j)
{
    const struct genesis *g = &j->body.genesis;
    enum status st = ledger_open_epoch(l, 0, j);
    if (st != ST_OK) return st;
    struct ledger_leaf *leaf =
        ledger_enter(l, j->index, g->id, g->seat, g->kem_pk, g->revoke_hash, g->nick);
    if (leaf == NULL) return ST_NO_MEMORY;
    leaf->epoch_in = 0;
    l->started = true;
    l->ballot_kind = g->ballot_kind;
    l->mode = g->mode;
    ledger_copy_text(l->name, g->name);
    apply_policy(l, g->policy);
    return read_sentinels(g->sentinels, l->sentinels, &l->n_sentinels) ? ST_OK : ST_BUG;
}

const struct ledger_type ledger_type_genesis = {LEDGER_GENESIS, "GENESIS", decode, check, apply};
