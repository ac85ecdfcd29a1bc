/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* GENESIS: the first entry; it makes the enclave and its first member. */
#include "core/ledger/state.h"
#include "crypto/kem.h"

#include <string.h>

static enum status decode(struct ledger_judged *j)
{
    return fields_decode(&genesis_fields, j->entry.body, &j->body.genesis);
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
    /* They would be bound to an id that hashes them: the creator shows its keys in VETO_KEYS. */
    if (g->veto_keys.n != 0) return "it shows veto keys";
    if (ballot_kind(g->ballot_kind) == NULL) return "its kind of ballot is not known";
    if (g->mode > LEDGER_TOR) return "its mode is not known";
    if (!ledger_policy_ok(g->policy)) return "its policy is not known";
    if (!ledger_read_sentinels(g->sentinels, NULL, &n)) return "its list of sentinels is malformed";
    if (!knock_nick_ok(g->nick) || !knock_nick_ok(g->name)) return "a name in it is not allowed";
    if (kem_check_public(g->kem_pk) != ST_OK) return "its KEM key is not valid";
    return NULL;
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
    ledger_policy_defaults(l);
    ledger_policy_set(l, g->policy);
    return ledger_read_sentinels(g->sentinels, l->sentinels, &l->n_sentinels) ? ST_OK : ST_BUG;
}

const struct ledger_type ledger_type_genesis = {LEDGER_GENESIS, "GENESIS", decode, check, apply};
