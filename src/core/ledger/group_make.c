/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Drafts: a signed and sealed entry for the present head, judged by our own ledger first. */
#include "core/ledger/group_state.h"

#include "crypto/hash.h"
#include "crypto/kem.h"
#include "crypto/secret.h"
#include "crypto/sign.h"

#include <stdlib.h>
#include <string.h>

/* Places in the random bytes of one draft. */
#define RANDOM_BACK 0
#define RANDOM_NONCE 48
#define RANDOM_COMMIT 72
#define RANDOM_KEM 104

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

static enum status seal(struct group *g, uint8_t type, struct bytes body,
                        const uint8_t back[ENTRY0_BACK], const struct group_now *now,
                        struct group_draft *ret)
{
    const struct group_row *row = group_row(g, ledger_epoch(g->ledger), GROUP_ROW_LOG);
    if (row == NULL) return ST_DENIED;
    struct entry0 e = {.index = ledger_count(g->ledger),
                       .epoch = ledger_epoch(g->ledger),
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
        entry0_seal(&e, g->room, row->log, back, now->random + RANDOM_NONCE, &ret->sealed);
    if (st == ST_OK) st = check_own(g, &e, buf_view(&ret->sealed), row->log);
    if (st != ST_OK) buf_free(&ret->sealed);
    return st;
}

/* A body by its field list. */
static enum status make(struct group *g, uint8_t type, const struct fields *fields,
                        const void *body, const struct group_now *now, struct group_draft *ret)
{
    struct buf text = BUF_INIT;
    if (!group_writable(g)) return ST_DENIED;
    enum status st = fields_encode(fields, body, &text);
    if (st == ST_OK) st = seal(g, type, buf_view(&text), now->random + RANDOM_BACK, now, ret);
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
    st = seal(g, LEDGER_GENESIS, buf_view(&body), now->random + RANDOM_BACK, now, ret_draft);
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

/* ---- votes ---- */

enum status group_make_propose(struct group *g, const struct group_propose *a,
                               const struct group_now *now, struct group_draft *ret)
{
    struct propose b = {
        .kind = PROPOSE_ADD, .compared = a->compared, .knock = a->knock, .record = a->record};
    memcpy(b.door, a->door, 32);
    memcpy(b.reply, a->reply, 32);
    memcpy(b.invitation, a->invitation, 32);
    return make(g, LEDGER_PROPOSE, &propose_fields, &b, now, ret);
}

static struct group_ballot *kept_ballot(struct group *g, const uint8_t hash[32])
{
    for (size_t i = 0; i < g->n_ballots; i++)
        if (memcmp(g->ballots[i].hash, hash, 32) == 0) return &g->ballots[i];
    return NULL;
}

static enum status new_ballot(struct group *g, const struct ledger_proposal *p, bool yes,
                              struct group_ballot **ret)
{
    struct buf text = BUF_INIT;
    uint8_t form[1];
    ballot_open_form(yes, form);
    struct ballot_body b = {
        .proposal = p->index, .kind = ledger_ballot_kind(g->ledger), .form = BYTES_OF(form)};
    memcpy(b.hash, p->hash, 32);
    if (yes)
        ledger_sign_add(g->secrets->seat_seed, g->room, p->candidate.seat, p->hash, b.seat_sig);
    enum status st = fields_encode(&ballot_body_fields, &b, &text);
    if (st == ST_OK && text.n > GROUP_BODY_MAX) st = ST_BUG;
    if (st == ST_OK) {
        if (g->n_ballots == GROUP_BALLOTS_MAX) { /* of votes long over */
            g->n_ballots--;
            memmove(&g->ballots[0], &g->ballots[1], g->n_ballots * sizeof g->ballots[0]);
        }
        struct group_ballot *kept = &g->ballots[g->n_ballots++];
        memcpy(kept->hash, p->hash, 32);
        kept->yes = yes;
        kept->n = (uint16_t)text.n;
        memcpy(kept->body, text.p, text.n);
        g->dirty = true;
        *ret = kept;
    }
    buf_free(&text);
    return st;
}

enum status group_make_ballot(struct group *g, uint64_t proposal, bool yes,
                              const struct group_now *now, struct group_draft *ret)
{
    const struct ledger_proposal *p = ledger_proposal(g->ledger, proposal);
    if (p == NULL) return ST_NOT_FOUND;
    /* A restored member speaks and votes only under fresh keys (protocol.md section 11). */
    if (!group_writable(g) || g->restored || p->state != LEDGER_VOTE_OPEN) return ST_DENIED;
    struct group_ballot *kept = kept_ballot(g, p->hash);
    if (kept != NULL && kept->yes != yes) return ST_CONFLICT;
    enum status st = kept != NULL ? ST_OK : new_ballot(g, p, yes, &kept);
    if (st != ST_OK) return st;
    return seal(g, LEDGER_BALLOT, BYTES(kept->body, kept->n), now->random + RANDOM_BACK, now, ret);
}

static enum status make_close(struct group *g, uint8_t type, uint64_t proposal,
                              const struct group_now *now, struct group_draft *ret)
{
    const struct ledger_proposal *p = ledger_proposal(g->ledger, proposal);
    if (p == NULL) return ST_NOT_FOUND;
    struct close_body b = {.proposal = p->index};
    memcpy(b.hash, p->hash, 32);
    return make(g, type, &close_body_fields, &b, now, ret);
}

enum status group_make_expire(struct group *g, uint64_t proposal, const struct group_now *now,
                              struct group_draft *ret)
{
    return make_close(g, LEDGER_EXPIRE, proposal, now, ret);
}

enum status group_make_withdraw(struct group *g, uint64_t proposal, const struct group_now *now,
                                struct group_draft *ret)
{
    return make_close(g, LEDGER_WITHDRAW, proposal, now, ret);
}

static int by_number(const void *a, const void *b)
{
    /* big-endian numbers of 8 bytes */
    return memcmp(a, b, 8);
}

enum status group_make_add(struct group *g, const struct group_now *now, struct group_draft *ret)
{
    const struct ledger_proposal *p = ledger_current_proposal(g->ledger);
    uint8_t ballots[LEDGER_MEMBERS_MAX][8];
    if (p == NULL || p->state != LEDGER_VOTE_PASSED) return ST_DENIED;
    for (size_t i = 0; i < p->n_voters; i++) put_u64(ballots[i], p->voters[i].index);
    qsort(ballots, p->n_voters, sizeof ballots[0], by_number);
    struct add_body b = {.proposal = p->index, .ballots = {ballots[0], p->n_voters}};
    memcpy(b.hash, p->hash, 32);
    return make(g, LEDGER_ADD, &add_body_fields, &b, now, ret);
}

/* ---- ourselves ---- */

enum status group_make_leave(struct group *g, const struct group_now *now, struct group_draft *ret)
{
    const struct ledger_leaf *self = ledger_leaf(g->ledger, g->leaf);
    struct leave_body b;
    if (self == NULL) return ST_DENIED;
    ledger_sign_drop(g->secrets->seat_seed, g->room, self->seat, b.seat_sig);
    return make(g, LEDGER_LEAVE, &leave_body_fields, &b, now, ret);
}

/* The new key of an attempt is kept over lost races: it becomes ours with whichever lands. */
static enum status fresh_pk(struct group *g, uint8_t role, const uint8_t seed[32],
                            const uint8_t **ret_pk)
{
    uint64_t epoch = ledger_epoch(g->ledger) + 1;
    for (size_t i = 0; i < g->n_seeds; i++)
        if (g->secrets->seeds[i].role == role && g->secrets->seeds[i].until == epoch) {
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
    return make(g, LEDGER_UPDATE, &update_body_fields, &b, now, ret);
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
    TRY(seal(g, LEDGER_COMMIT, buf_view(&body), back, now, ret));
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

enum status group_make_head(struct group *g, uint64_t epoch, uint64_t next,
                            const struct group_now *now, struct group_draft *ret)
{
    struct head_body b = {.epoch = epoch, .next = next};
    return make(g, LEDGER_HEAD, &head_body_fields, &b, now, ret);
}

/* ---- duties ---- */

static void earlier(struct group_next *next, enum group_duty duty, uint64_t at_ms, uint16_t place,
                    uint64_t proposal)
{
    if (place == LEDGER_NOBODY || at_ms >= next->at_ms) return;
    *next = (struct group_next){duty, at_ms, proposal, place};
}

static uint64_t turn_ms(uint64_t from, uint16_t place)
{
    return place == LEDGER_NOBODY ? UINT64_MAX : from + (uint64_t)place * LEDGER_TURN_MS;
}

struct group_next group_next(const struct group *g, uint64_t now_ms, bool used)
{
    struct group_next next = {GROUP_NOTHING, UINT64_MAX, LEDGER_NEVER, LEDGER_NOBODY};
    const struct ledger *l = g->ledger;
    if (!group_writable(g)) return next;
    const struct ledger_leaf *self = ledger_leaf(l, g->leaf);
    const struct ledger_proposal *p = ledger_current_proposal(l);
    uint16_t turn = ledger_turn(l, g->leaf), add = ledger_turn_add(l, g->leaf);
    if (p != NULL && p->state == LEDGER_VOTE_PASSED)
        earlier(&next, GROUP_POST_ADD, turn_ms(g->passed_ms, add), add, p->index);
    if (p != NULL && p->state == LEDGER_VOTE_OPEN)
        earlier(&next, GROUP_POST_EXPIRE,
                turn_ms(g->vote_ms + ledger_policy(l, LEDGER_POLICY_EXPIRE_MS), turn), turn,
                p->index);
    if (g->restored && (self->updates == 0 || group_kem_seed(g, self->kem_update) == NULL))
        earlier(&next, GROUP_POST_UPDATE, now_ms, 0, LEDGER_NEVER);
    if (!group_in(g)) return next;
    const struct group_row *row = group_row(g, ledger_epoch(l), GROUP_ROW_ALL);
    /* A restored member may go out of turn, once its new key is in the ledger. */
    bool renew = g->restored && self->updates > 0 && group_kem_seed(g, self->kem_update) != NULL;
    if (renew) earlier(&next, GROUP_POST_COMMIT, now_ms, 0, LEDGER_NEVER);
    if (ledger_due(l) != LEDGER_NEVER)
        earlier(&next, GROUP_POST_COMMIT, turn_ms(g->due_ms, turn), turn, LEDGER_NEVER);
    else if (used)
        earlier(&next, GROUP_POST_COMMIT,
                turn_ms(row->learned_ms + ledger_policy(l, LEDGER_POLICY_COMMIT_MS), turn), turn,
                LEDGER_NEVER);
    if (used) earlier(&next, GROUP_POST_HEAD, g->head_ms + GROUP_HEAD_MS, 0, LEDGER_NEVER);
    return next;
}
