/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Drafts of votes: proposals, the keys and the ballots for them, and what they lead to. */
#include "core/ledger/group_state.h"

#include "crypto/hash.h"

#include <stdlib.h>
#include <string.h>

/* The keys that the voters will use: each one's lowest. Empty for an open vote. */
static struct list serials_of(const struct group *g, const uint16_t *targets, size_t n_targets,
                              uint8_t room[LEDGER_MEMBERS_MAX * 4])
{
    uint16_t voters[LEDGER_MEMBERS_MAX];
    size_t n = ledger_electorate(g->ledger, targets, n_targets, voters);
    if (n == 1 || ledger_ballot_kind(g->ledger) == BALLOT_OPEN) return (struct list){room, 0};
    for (size_t i = 0; i < n; i++) {
        const struct ledger_stock *s = &ledger_leaf(g->ledger, voters[i])->stock;
        put_u32(room + i * 4, s->n > 0 ? s->serial[0] : 0);
    }
    return (struct list){room, n};
}

enum status group_make_propose(struct group *g, const struct group_propose *a,
                               const struct group_now *now, struct group_draft *ret)
{
    uint8_t serials[LEDGER_MEMBERS_MAX * 4];
    struct propose b = {.kind = PROPOSE_ADD,
                        .compared = a->compared,
                        .knock = a->knock,
                        .record = a->record,
                        .serials = serials_of(g, NULL, 0, serials)};
    memcpy(b.door, a->door, 32);
    memcpy(b.reply, a->reply, 32);
    memcpy(b.invitation, a->invitation, 32);
    return group_make(g, LEDGER_PROPOSE, &propose_fields, &b, now, ret);
}

enum status group_make_propose_remove(struct group *g, const uint16_t *targets, size_t n,
                                      struct bytes reason, const struct group_now *now,
                                      struct group_draft *ret)
{
    uint8_t serials[LEDGER_MEMBERS_MAX * 4], list[LEDGER_MEMBERS_MAX * 2];
    if (n == 0 || n > LEDGER_MEMBERS_MAX) return ST_USAGE;
    for (size_t i = 0; i < n; i++) put_u16(list + i * 2, targets[i]);
    struct propose_remove b = {.kind = PROPOSE_REMOVE,
                               .targets = {list, n},
                               .reason = reason,
                               .serials = serials_of(g, targets, n, serials)};
    return group_make(g, LEDGER_PROPOSE, &propose_remove_fields, &b, now, ret);
}

enum status group_make_propose_policy(struct group *g, const struct group_propose_policy *a,
                                      const struct group_now *now, struct group_draft *ret)
{
    uint8_t serials[LEDGER_MEMBERS_MAX * 4];
    struct propose_policy b = {.kind = PROPOSE_POLICY,
                               .ballot_kind = a->ballot_kind,
                               .mode = a->mode,
                               .policy = a->policy,
                               .sentinels = a->sentinels,
                               .reason = a->reason,
                               .serials = serials_of(g, NULL, 0, serials)};
    return group_make(g, LEDGER_PROPOSE, &propose_policy_fields, &b, now, ret);
}

void group_veto_draw(const uint8_t seed[32], const uint8_t enclave_id[32], const uint8_t id[32],
                     uint32_t first, uint8_t ret_keys[GROUP_VETO_BATCH * VETO_KEY],
                     uint8_t ret_x[GROUP_VETO_BATCH * VETO_SCALAR])
{
    uint8_t random[2 * VETO_RANDOM], number[4];
    for (uint32_t i = 0; i < GROUP_VETO_BATCH; i++) {
        put_u32(number, first + i);
        hkdf_expand_parts(seed,
                          (const struct bytes[]){BYTES_LIT("ENCLAVE veto keys"), BYTES_OF(number)},
                          2, random, sizeof random);
        veto_key_make(enclave_id, id, first + i, random, ret_x + i * VETO_SCALAR,
                      ret_keys + i * VETO_KEY);
    }
    bytes_wipe(random, sizeof random);
}

/* All attempts show the same keys: whichever of them lands, the secrets are here. */
static enum status draw_veto_keys(struct group *g, uint32_t first, const uint8_t fresh[32],
                                  uint8_t ret_keys[GROUP_VETO_BATCH * VETO_KEY])
{
    uint8_t xs[GROUP_VETO_BATCH * VETO_SCALAR];
    enum status st = ST_OK;
    if (g->veto_from != first) memcpy(g->secrets->veto_seed, fresh, 32);
    g->veto_from = first;
    g->dirty = true;
    group_veto_draw(g->secrets->veto_seed, g->enclave_id, g->id, first, ret_keys, xs);
    for (uint32_t i = 0; i < GROUP_VETO_BATCH && st == ST_OK; i++)
        if (group_veto_find(g, first + i) == NULL)
            st = group_veto_add(g, first + i, xs + i * VETO_SCALAR);
    bytes_wipe(xs, sizeof xs);
    return st;
}

enum status group_make_veto_keys(struct group *g, const struct group_now *now,
                                 struct group_draft *ret)
{
    const struct ledger_leaf *self = ledger_leaf(g->ledger, g->leaf);
    uint8_t keys[GROUP_VETO_BATCH * VETO_KEY];
    if (!group_writable(g) || self == NULL || g->restored) return ST_DENIED;
    enum status st = draw_veto_keys(g, self->stock.next, now->random + RANDOM_VETO, keys);
    if (st != ST_OK) return st;
    struct veto_keys b = {.dead = g->veto_dead, .keys = {keys, GROUP_VETO_BATCH}};
    return group_make(g, LEDGER_VETO_KEYS, &veto_keys_fields, &b, now, ret);
}

void group_ballot_landed(struct group *g, const uint8_t hash[32])
{
    for (size_t i = 0; i < g->n_ballots; i++) {
        if (memcmp(g->ballots[i].hash, hash, 32) != 0) continue;
        g->n_ballots--;
        memmove(&g->ballots[i], &g->ballots[i + 1], (g->n_ballots - i) * sizeof g->ballots[0]);
        bytes_wipe(&g->ballots[g->n_ballots], sizeof g->ballots[0]);
        g->dirty = true;
        return;
    }
}

static struct group_ballot *kept_ballot(struct group *g, const uint8_t hash[32])
{
    for (size_t i = 0; i < g->n_ballots; i++)
        if (memcmp(g->ballots[i].hash, hash, 32) == 0) return &g->ballots[i];
    return NULL;
}

/* What the ballot says. The key of a secret one is gone afterwards, whatever it said. */
static enum status make_form(struct group *g, const struct ledger_proposal *p,
                             const struct ledger_voter *v, bool yes, const uint8_t seed[32],
                             uint8_t ret[BALLOT_FORM_MAX])
{
    uint8_t random[2 * VETO_RANDOM];
    if (p->ballot->kind == BALLOT_OPEN) {
        ballot_open_form(yes, ret);
        return ST_OK;
    }
    struct group_veto *key = group_veto_find(g, v->serial);
    if (key == NULL) return ST_LOCKED;
    hkdf_expand(seed, BYTES_LIT("ENCLAVE ballot"), random, sizeof random);
    enum status st = veto_ballot_make(p->ctx, v->place, v->y, key->x, yes, random, ret);
    bytes_wipe(random, sizeof random);
    if (st == ST_OK) group_veto_drop(g, key);
    return st;
}

static enum status new_ballot(struct group *g, const struct ledger_proposal *p,
                              const struct ledger_voter *v, bool yes, const uint8_t seed[32],
                              struct group_ballot **ret)
{
    struct buf text = BUF_INIT;
    uint8_t form[BALLOT_FORM_MAX];
    if (g->n_ballots == GROUP_BALLOTS_MAX) return ST_BUSY; /* all of open votes, none has landed */
    enum status st = make_form(g, p, v, yes, seed, form);
    if (st != ST_OK) return st;
    struct ballot_body b = {
        .proposal = p->index, .kind = p->ballot->kind, .form = BYTES(form, p->ballot->form_size)};
    memcpy(b.hash, p->hash, 32);
    /* A secret no brings the seat's signature like a yes; an open one brings none. */
    if (p->kind == PROPOSE_ADD && (yes || p->ballot->kind != BALLOT_OPEN))
        ledger_sign_add(g->secrets->seat_seed, g->room, p->candidate.seat, p->hash, b.seat_sig);
    st = fields_encode(&ballot_body_fields, &b, &text);
    if (st == ST_OK && text.n > GROUP_BODY_MAX) st = ST_BUG;
    if (st == ST_OK) {
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

/* The ballot that is kept for a vote, made if there is none yet. */
static enum status hold_ballot(struct group *g, uint64_t proposal, bool yes, const uint8_t seed[32],
                               struct group_ballot **ret)
{
    const struct ledger_proposal *p = ledger_proposal(g->ledger, proposal);
    if (p == NULL) return ST_NOT_FOUND;
    /* A restored member speaks and votes only under fresh keys (protocol.md section 11). */
    if (!group_writable(g) || g->restored || p->state != LEDGER_VOTE_OPEN) return ST_DENIED;
    struct group_ballot *kept = kept_ballot(g, p->hash);
    if (kept != NULL && kept->yes != yes) return ST_CONFLICT;
    const struct ledger_voter *self = NULL;
    for (size_t i = 0; i < p->n_voters; i++)
        if (p->voters[i].leaf == g->leaf) self = &p->voters[i];
    if (self == NULL) return ST_DENIED;
    if (self->cast.choice != BALLOT_NONE) /* it has landed */
        return self->cast.choice == (yes ? BALLOT_NO : BALLOT_YES) ? ST_CONFLICT : ST_DENIED;
    enum status st = kept != NULL ? ST_OK : new_ballot(g, p, self, yes, seed, &kept);
    *ret = kept;
    return st;
}

enum status group_keep_ballot(struct group *g, uint64_t proposal, bool yes,
                              const struct group_now *now)
{
    struct group_ballot *kept = NULL;
    return hold_ballot(g, proposal, yes, now->random + RANDOM_VETO, &kept);
}

bool group_kept_ballot(const struct group *g, const struct ledger_proposal *p, bool *ret_yes)
{
    for (size_t i = 0; i < g->n_ballots; i++) {
        if (memcmp(g->ballots[i].hash, p->hash, 32) != 0) continue;
        *ret_yes = g->ballots[i].yes;
        return true;
    }
    return false;
}

enum status group_make_ballot(struct group *g, uint64_t proposal, bool yes,
                              const struct group_now *now, struct group_draft *ret)
{
    struct group_ballot *kept = NULL;
    enum status st = hold_ballot(g, proposal, yes, now->random + RANDOM_VETO, &kept);
    if (st != ST_OK) return st;
    return group_seal(g, LEDGER_BALLOT, BYTES(kept->body, kept->n), now->random + RANDOM_BACK, now,
                      ret);
}

static enum status make_close(struct group *g, uint8_t type, uint64_t proposal,
                              const struct group_now *now, struct group_draft *ret)
{
    const struct ledger_proposal *p = ledger_proposal(g->ledger, proposal);
    if (p == NULL) return ST_NOT_FOUND;
    struct close_body b = {.proposal = p->index};
    memcpy(b.hash, p->hash, 32);
    return group_make(g, type, &close_body_fields, &b, now, ret);
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

enum status group_make_outcome(struct group *g, uint64_t proposal, const struct group_now *now,
                               struct group_draft *ret)
{
    static const uint8_t types[] = {[PROPOSE_ADD] = LEDGER_ADD,
                                    [PROPOSE_REMOVE] = LEDGER_REMOVE,
                                    [PROPOSE_POLICY] = LEDGER_POLICY};
    const struct ledger_proposal *p = ledger_proposal(g->ledger, proposal);
    uint8_t ballots[LEDGER_MEMBERS_MAX][8];
    if (p == NULL || p->state != LEDGER_VOTE_PASSED) return ST_DENIED;
    for (size_t i = 0; i < p->n_voters; i++) put_u64(ballots[i], p->voters[i].index);
    qsort(ballots, p->n_voters, sizeof ballots[0], by_number);
    struct outcome_body b = {.proposal = p->index, .ballots = {ballots[0], p->n_voters}};
    memcpy(b.hash, p->hash, 32);
    return group_make(g, types[p->kind], &outcome_body_fields, &b, now, ret);
}
