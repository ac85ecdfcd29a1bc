/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A member that lost the thread of the keys, as after an old backup: it posts RENEW (the pen does), and
 * whoever holds keys answers with a WELCOME in the mail, which looks like a message to others. */
#include "node/enclave/enclave.h"

#include "core/door/reply.h"
#include "crypto/secret.h"

#include <stdio.h>
#include <string.h>

#define RENEW_HINT 8
#define RENEW_ENTRY 2048 /* the class of a short message */
#define RENEW_ANSWERS 2  /* members that answer, first in the order of turns: one may go away */

static void on_answered(void *arg, enum status st, struct bytes body)
{
    struct enclave *e = arg;
    (void)body;
    if (st != ST_OK && st != ST_CLOSED && !e->removed)
        env_log(e->node->ports.env, ENV_WARN, "renew", "an answer was not taken: %s",
                status_text(st));
    /* It is read like anybody's entry when the feed is read on. */
}

/* To the key that the RENEW brought, whether it was taken in already or not. */
static void answer(struct enclave *e, const struct ledger_leaf *f)
{
    struct group_welcome w;
    uint8_t coins[KEM_COINS], entry[RENEW_ENTRY];
    if (!e->subscribed || group_welcome(e->group, f->leaf, &w) != ST_OK) return;
    struct reply r = {.kind = REPLY_WELCOME, .index = w.add_index, .epoch = w.epoch};
    memcpy(r.enclave_id, e->enclave_id, 32);
    memcpy(r.chain, w.chain, 32);
    memcpy(r.log_key, w.log_key, 32);
    env_random(e->node->ports.env, entry, sizeof entry);
    env_random(e->node->ports.env, coins, sizeof coins);
    const uint8_t *pk = f->renewed ? f->kem_update : f->kem_pk;
    if (reply_seal(&r, pk, coins, entry + RENEW_HINT) == ST_OK &&
        enclave_append(e, FEED_MAIL, false, 0, NULL, BYTES_OF(entry), on_answered, e) != ST_OK)
        env_log(e->node->ports.env, ENV_WARN, "renew", "an answer could not be sent now");
    bytes_wipe(&r, sizeof r);
    bytes_wipe(&w, sizeof w);
    bytes_wipe(coins, sizeof coins);
}

void enclave_renewed(struct enclave *e, uint16_t leaf)
{
    const struct ledger *l = group_ledger(e->group);
    char text[NODE_REASON_MAX];
    snprintf(text, sizeof text, "%s lost its keys (a backup?) and gets new ones",
             enclave_nick(e, leaf));
    enclave_tell(e, "warning", enclave_nick(e, leaf), 0, text);
    if (leaf == group_leaf(e->group) || !group_in(e->group)) return;
    if (ledger_turn(l, group_leaf(e->group)) < RENEW_ANSWERS) answer(e, ledger_leaf(l, leaf));
}

void enclave_renewals_taken(struct enclave *e)
{
    const struct ledger *l = group_ledger(e->group);
    uint64_t epoch = group_epoch(e->group);
    for (size_t i = 0; i < ledger_leaves(l); i++) {
        const struct ledger_leaf *f = ledger_leaf(l, (uint16_t)i);
        if (f->member_now && f->renewals > 0 && !f->renewed && f->kem_epoch == epoch &&
            f->renewed_epoch + 1 == epoch && f->leaf != group_leaf(e->group))
            answer(e, f);
    }
}

void enclave_renew_entry(struct enclave *e, struct bytes sealed)
{
    struct reply r;
    if (sealed.n != RENEW_ENTRY || e->rejoin != NULL || !group_lost(e->group)) return;
    const struct ledger *l = group_ledger(e->group);
    const struct ledger_leaf *self = ledger_leaf(l, group_leaf(e->group));
    if (self == NULL || !self->renewed) return;
    const uint8_t *seed = group_kem_seed(e->group, self->kem_update);
    if (seed == NULL ||
        reply_open(seed, e->enclave_id, BYTES(sealed.p + RENEW_HINT, REPLY_BLOB), &r) != ST_OK)
        return;
    /* Where our RENEW stands we know ourselves; the key we do not: a false one is found out later. */
    const uint8_t *chain = r.index == self->renewed_at ? ledger_chain_at(l, r.index + 1) : NULL;
    bool fits = r.kind == REPLY_WELCOME && chain != NULL && memcmp(r.chain, chain, 32) == 0;
    if (fits && ++e->rejoin_seen > e->rejoin_bad) e->rejoin = secret_new(sizeof *e->rejoin);
    if (e->rejoin != NULL) {
        e->rejoin->add_index = r.index;
        e->rejoin->epoch = r.epoch;
        memcpy(e->rejoin->chain, r.chain, 32);
        memcpy(e->rejoin->log_key, r.log_key, 32);
    }
    bytes_wipe(&r, sizeof r);
}

static bool on_mail_row(void *arg, uint64_t n, struct bytes plain)
{
    struct enclave *e = arg;
    (void)n;
    if (plain.n > 32) enclave_renew_entry(e, BYTES(plain.p + 32, plain.n - 32));
    return e->rejoin == NULL;
}

/* The answer was read and the machine stopped before it was used: it stands in the feed that we keep. */
enum status enclave_renew_load(struct enclave *e)
{
    if (!group_lost(e->group)) return ST_OK;
    e->rejoin_seen = 0;
    return keep_scan(&e->node->keep, &e->feeds[FEED_MAIL].space, 0, on_mail_row, e);
}

struct again {
    struct enclave *e;
    struct group *g;
    enum status st;
    uint64_t count;
};

static bool on_entry(void *arg, uint64_t n, struct bytes plain)
{
    struct again *a = arg;
    struct group_event ev;
    if (n != a->count || plain.n < 32) {
        a->st = ST_INTEGRITY;
        return false;
    }
    a->st =
        group_take(a->g, n, BYTES(plain.p + 32, plain.n - 32), env_wall_ms(a->e->node->ports.env));
    while (group_event(a->g, &ev)) {
    }
    a->count++;
    return a->st == ST_OK;
}

/* Reads the whole ledger again by the keys that the answer leads to. */
void enclave_rejoin(struct enclave *e)
{
    struct again a = {.e = e};
    struct group_welcome *w = e->rejoin;
    if (e->commits > 0 || e->posting) return; /* rows are on their way to the disk */
    e->rejoin = NULL;
    enum status st = group_rejoin(e->group, w, &a.g);
    secret_free(w);
    if (st == ST_OK) st = keep_scan(&e->node->keep, &e->feeds[FEED_LEDGER].space, 0, on_entry, &a);
    if (st == ST_OK) st = a.st;
    if (st == ST_OK && a.count != e->feeds[FEED_LEDGER].seen.count) st = ST_INTEGRITY;
    if (st != ST_OK) {
        group_free(a.g);
        /* One member may lie: perhaps another one has answered, too. */
        e->rejoin_bad++;
        enclave_trouble(e, "an answer to this machine's call for keys does not fit the ledger (%s)",
                        status_text(st));
        if (enclave_renew_load(e) != ST_OK)
            env_log(e->node->ports.env, ENV_WARN, "renew", "the mail could not be read again");
        return;
    }
    group_free(e->group);
    e->group = a.g;
    if (e->pair != NULL) pair_restored(e->pair);
    e->relearn = true;
    e->rejoin_seen = e->rejoin_bad = 0;
    e->trouble[0] = '\0';
    struct keep_batch b;
    keep_begin(&b, &e->node->keep);
    enclave_put_group(e, &b);
    enclave_commit(e, &b, NULL, NULL);
    enclave_tell(e, "warning", "", 0,
                 "another member has given the thread back: the next change of keys lets this "
                 "machine in again");
    if (group_in(e->group) && enclave_epochs(e) == ST_OK) {
        enclave_mail_epoch(e);
        if (e->shelf != NULL) enclave_files_epoch(e, true);
        e->relearn = e->shelf == NULL;
    }
    enclave_roster(e);
}
