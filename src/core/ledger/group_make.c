/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Drafts: a signed and sealed entry for the present head, judged by our own ledger first. */
#include "core/ledger/group_state.h"

#include "crypto/hash.h"
#include "crypto/kem.h"
#include "crypto/secret.h"
#include "crypto/sign.h"

#include <stdlib.h>
#include <string.h>

static void fill_seen(const struct group *g, const struct group_now *now, struct entry0 *e)
{
    struct seen seen[3];
    for (uint8_t feed = 1; feed <= 3; feed++)
        seen[feed - 1] =
            now->seen[feed - 1].count == 0 ? chain_unseen(g->room, feed) : now->seen[feed - 1];
    entry0_set_seen(e, seen);
}

/* Our own check, the same that everybody runs: nothing void leaves us. */
static enum status check_own(const struct group *g, const struct entry0 *e, struct bytes sealed,
                             const uint8_t log_key[32])
{
    struct buf plain = BUF_INIT;
    uint8_t chain[32];
    struct ledger_judged *j = malloc(sizeof *j);
    enum status st = j == NULL ? ST_NO_MEMORY : ST_OK;
    if (st == ST_OK) st = entry0_open(sealed, g->room, log_key, e->index, &plain);
    if (st == ST_OK) {
        chain_step(ledger_chain(g->ledger), sealed, chain);
        ledger_judge(g->ledger, buf_view(&plain), e->epoch, chain, j);
        if (!j->verdict.valid) st = ST_DENIED;
    }
    free(j);
    buf_free(&plain);
    return st;
}

/* With the key of an epoch (of RENEW: another one, and epoch 0). */
static enum status seal_under(struct group *g, uint64_t epoch, const uint8_t log_key[32],
                              uint8_t type, struct bytes body, const uint8_t back[ENTRY0_BACK],
                              const struct group_now *now, struct group_draft *ret)
{
    struct entry0 e = {.index = ledger_count(g->ledger),
                       .epoch = epoch,
                       .rules = LEDGER_RULES,
                       .type = type,
                       .time_ms = now->now_ms,
                       .body = body};
    memcpy(e.prev_chain, ledger_chain(g->ledger), 32);
    memcpy(e.actor, g->id, 32);
    fill_seen(g, now, &e);
    entry0_sign(&e, g->enclave_id, g->secrets->id_seed);
    ret->index = e.index;
    memcpy(ret->chain, e.prev_chain, 32);
    buf_clear(&ret->sealed);
    enum status st =
        entry0_seal(&e, g->room, log_key, back, now->random + RANDOM_NONCE, &ret->sealed);
    if (st == ST_OK) st = check_own(g, &e, buf_view(&ret->sealed), log_key);
    if (st != ST_OK) buf_free(&ret->sealed);
    return st;
}

enum status group_seal(struct group *g, uint8_t type, struct bytes body,
                       const uint8_t back[ENTRY0_BACK], const struct group_now *now,
                       struct group_draft *ret)
{
    uint64_t epoch = ledger_epoch(g->ledger);
    const struct group_row *row = group_row(g, epoch, GROUP_ROW_LOG);
    if (row == NULL) return ST_DENIED;
    return seal_under(g, epoch, row->log, type, body, back, now, ret);
}

enum status group_make(struct group *g, uint8_t type, const struct fields *fields, const void *body,
                       const struct group_now *now, struct group_draft *ret)
{
    struct buf text = BUF_INIT;
    if (!group_writable(g)) return ST_DENIED;
    enum status st = fields_encode(fields, body, &text);
    if (st == ST_OK) st = group_seal(g, type, buf_view(&text), now->random + RANDOM_BACK, now, ret);
    buf_free(&text);
    return st;
}

/* ---- the beginning ---- */

static enum status put_sentinels(const struct group_create *a, struct buf *out)
{
    if (a->n_sentinels == 0 || a->n_sentinels > LEDGER_SENTINELS_MAX) return ST_USAGE;
    buf_u8(out, (uint8_t)a->n_sentinels);
    for (size_t i = 0; i < a->n_sentinels; i++) {
        size_t n = strnlen(a->sentinels[i].address, LEDGER_ADDRESS_MAX + 1);
        if (n == 0 || n > LEDGER_ADDRESS_MAX) return ST_USAGE;
        buf_u8(out, (uint8_t)n);
        buf_raw(out, a->sentinels[i].address, n);
        buf_raw(out, a->sentinels[i].pin, 32);
    }
    return buf_status(out);
}

static enum status genesis_body(const struct group_create *a, struct buf *out)
{
    struct buf sentinels = BUF_INIT;
    struct genesis b = {.suite = LEDGER_SUITE,
                        .rules = LEDGER_RULES,
                        .ballot_kind = a->ballot_kind,
                        .mode = a->mode,
                        .policy = a->policy,
                        .nick = a->nick,
                        .name = a->name};
    memcpy(b.random, a->genesis_random, 32);
    memcpy(b.room, a->room, 32);
    memcpy(b.revoke_hash, a->revoke_hash, 32);
    sign_public(a->self.id_seed, b.id);
    sign_public(a->self.seat_seed, b.seat);
    kem_public(a->self.kem_seed, b.kem_pk);
    enum status st = put_sentinels(a, &sentinels);
    b.sentinels = buf_view(&sentinels);
    if (st == ST_OK) st = fields_encode(&genesis_fields, &b, out);
    buf_free(&sentinels);
    return st;
}

/* Epoch 0 is the creator's own: 32 random bytes (protocol.md section 1). */
static enum status begin_epochs(struct group *g, const uint8_t epoch_secret[32], uint64_t now_ms)
{
    enum status st = group_rows(g, 1);
    if (st != ST_OK) return st;
    struct epoch_keys keys;
    schedule_exports(epoch_secret, 0, &keys);
    group_row_set(&g->rows[0], &keys, now_ms);
    memcpy(g->secrets->init, keys.init, 32);
    memcpy(g->secrets->dedup, keys.dedup, 32);
    memcpy(g->secrets->placement, keys.placement, 32);
    bytes_wipe(&keys, sizeof keys);
    g->head_ms = now_ms;
    return ST_OK;
}

enum status group_create(const struct group_create *a, const struct group_now *now,
                         struct group **ret, struct group_draft *ret_draft)
{
    enum status st;
    struct buf body = BUF_INIT;
    uint8_t enclave_id[32];
    struct group *g = NULL;
    TRY(genesis_body(a, &body));
    ledger_id_of(buf_view(&body), enclave_id);
    g = group_alloc(enclave_id, a->room);
    st = ST_NO_MEMORY;
    if (g == NULL) goto out;
    TRY(group_set_self(g, &a->self));
    TRY(begin_epochs(g, a->epoch_secret, now->now_ms));
    st = group_seal(g, LEDGER_GENESIS, buf_view(&body), now->random + RANDOM_BACK, now, ret_draft);
    if (st == ST_DENIED) st = ST_USAGE; /* a name, an address or a policy is not allowed */
    if (st != ST_OK) goto out;
    g->dirty = true;
    *ret = g;
    g = NULL;
out:
    group_free(g);
    buf_free(&body);
    return st;
}

/* ---- ourselves ---- */

enum status group_make_leave(struct group *g, const struct group_now *now, struct group_draft *ret)
{
    const struct ledger_leaf *self = ledger_leaf(g->ledger, g->leaf);
    struct leave_body b;
    if (self == NULL) return ST_DENIED;
    ledger_sign_drop(g->secrets->seat_seed, g->room, self->seat, b.seat_sig);
    return group_make(g, LEDGER_LEAVE, &leave_body_fields, &b, now, ret);
}

/* The new key of an attempt is kept over lost races: it becomes ours with whichever lands. */
static enum status fresh_pk(struct group *g, uint8_t role, const uint8_t seed[32],
                            const uint8_t **ret_pk)
{
    uint64_t epoch = ledger_epoch(g->ledger) + 1;
    for (size_t i = 0; i < g->n_seeds; i++)
        if (g->secrets->seeds[i].role == role && g->secrets->seeds[i].until == epoch &&
            !g->secrets->seeds[i].stale) {
            *ret_pk = g->seed_pks[i];
            return ST_OK;
        }
    return group_seed_add(g, role, epoch, seed, ret_pk);
}

enum status group_make_update(struct group *g, const struct group_now *now, struct group_draft *ret)
{
    const struct ledger_leaf *self = ledger_leaf(g->ledger, g->leaf);
    const uint8_t *pk;
    struct update_body b;
    if (!group_writable(g) || self == NULL) return ST_DENIED;
    enum status st = fresh_pk(g, GROUP_SEED_UPDATE, now->random + RANDOM_KEM, &pk);
    if (st != ST_OK) return st;
    memcpy(b.kem_pk, pk, sizeof b.kem_pk);
    if (self->updates > 0 && memcmp(self->kem_update, pk, sizeof b.kem_pk) == 0) return ST_EXISTS;
    return group_make(g, LEDGER_UPDATE, &update_body_fields, &b, now, ret);
}

enum status group_make_commit(struct group *g, uint64_t first_epoch, const struct group_now *now,
                              struct group_draft *ret)
{
    struct commit_leaf leaves[COMMIT_LEAVES_MAX];
    struct commit_plan plan;
    struct commit_prev prev;
    struct commit_key *keys = NULL;
    struct buf body = BUF_INIT;
    const uint8_t *pk;
    uint8_t back[COMMIT_BACK];
    struct commit_next *next = secret_new(sizeof *next);
    enum status st = ST_NO_MEMORY;
    if (next == NULL) goto out;
    st = ST_DENIED;
    if (!group_writable(g) || !group_in(g)) goto out;
    TRY(fresh_pk(g, GROUP_SEED_COMMIT, now->random + RANDOM_KEM, &pk));
    TRY(ledger_plan(g->ledger, g->leaf, pk, leaves, &plan));
    TRY(group_prev(g, &prev, &keys));
    TRY(commit_build(&plan, &prev, now->random + RANDOM_COMMIT, first_epoch, &body, back, next));
    TRY(group_seal(g, LEDGER_COMMIT, buf_view(&body), back, now, ret));
    if (g->restored) {
        memcpy(g->secrets->attempts[g->n_attempts++ % GROUP_ATTEMPTS], now->random + RANDOM_COMMIT,
               32);
        g->dirty = true;
    }
out:
    secret_free(next);
    secret_free(keys);
    buf_free(&body);
    return st;
}

/* Only of a member that is lost: a RENEW is the one thing it can still write. */
enum status group_make_renew(struct group *g, const uint8_t revoke_hash[32],
                             const struct group_now *now, struct group_draft *ret)
{
    const struct ledger_leaf *self = ledger_leaf(g->ledger, g->leaf);
    const uint8_t *pk;
    uint8_t key[32];
    struct buf text = BUF_INIT;
    if (!g->lost || g->forked || g->old_head || self == NULL || group_row(g, 0, 0xFF) == NULL)
        return ST_DENIED;
    enum status st = fresh_pk(g, GROUP_SEED_UPDATE, now->random + RANDOM_KEM, &pk);
    if (st != ST_OK) return st;
    struct renew_body b = {.count = self->renewals + 1};
    memcpy(b.kem_pk, pk, sizeof b.kem_pk);
    memcpy(b.revoke_hash, revoke_hash, 32);
    ledger_renew_key(g->rows[0].log, key);
    st = fields_encode(&renew_body_fields, &b, &text);
    if (st == ST_OK)
        st = seal_under(g, 0, key, LEDGER_RENEW, buf_view(&text), now->random + RANDOM_BACK, now,
                        ret);
    bytes_wipe(key, sizeof key);
    buf_free(&text);
    return st;
}

enum status group_make_away(struct group *g, uint64_t until_ms, const struct group_now *now,
                            struct group_draft *ret)
{
    struct away_body b = {.until_ms = until_ms};
    return group_make(g, LEDGER_AWAY, &away_body_fields, &b, now, ret);
}

enum status group_make_digest(struct group *g, struct bytes body, const struct group_now *now,
                              struct group_draft *ret)
{
    struct digest_body b;
    enum status st = fields_decode(&digest_body_fields, body, &b);
    return st == ST_OK ? group_make(g, LEDGER_DIGEST, &digest_body_fields, &b, now, ret) : st;
}

enum status group_make_rehome(struct group *g, struct bytes address, const uint8_t pin[32],
                              const struct group_now *now, struct group_draft *ret)
{
    struct rehome_body b = {.address = address};
    memcpy(b.pin, pin, 32);
    return group_make(g, LEDGER_REHOME, &rehome_body_fields, &b, now, ret);
}

enum status group_make_self_revoke(struct group *g, uint16_t leaf, const uint8_t key[32],
                                   const struct group_now *now, struct group_draft *ret)
{
    struct self_revoke b = {.leaf = leaf};
    memcpy(b.key, key, 32);
    return group_make(g, LEDGER_SELF_REVOKE, &self_revoke_fields, &b, now, ret);
}

enum status group_make_head(struct group *g, uint64_t epoch, uint64_t next, uint64_t version,
                            const uint8_t *rehome_sig, const struct group_now *now,
                            struct group_draft *ret)
{
    struct head_body b = {.epoch = epoch, .next = next};
    if (rehome_sig != NULL) {
        b.seats_version = version;
        memcpy(b.rehome_sig, rehome_sig, sizeof b.rehome_sig);
    }
    return group_make(g, LEDGER_HEAD, &head_body_fields, &b, now, ret);
}
