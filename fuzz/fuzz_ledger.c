/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto core/feed core/door core/ballot core/epoch core/ledger */
/*
 * A ledger whose members mean ill. The input is a script of entries, each properly signed by one of
 * eight people whose keys the fuzzer's side holds, so nothing is stopped by a signature:
 *
 *     who and fault u8 | type u8 | form u8, then: form < 128: a body made well, form is its parameter
 *                                             else: length u8, that many bytes of body
 *
 * The form of the first entry chooses the enclave: odd: its votes are secret. After each entry: a void one
 * changed nothing but the count, nobody is inside whom not everybody that was inside admitted, and what
 * was decided was decided by all, each with a key of its own.
 */
#include "core/door/knock.h"
#include "core/door/record.h"
#include "core/ledger/ledger.h"
#include "crypto/hash.h"
#include "fuzz.h"

#include <string.h>

#define PEOPLE 8
#define STEPS_MAX 64
#define KNOCK_KEYS (LEDGER_VETO_RESERVE + 2)

struct person {
    uint8_t id_seed[32], seat_seed[32];
    uint8_t id[32], seat[32], kem[KEM_PUBLIC], revocation[32];
    struct buf knock;
};

struct world {
    struct person people[PEOPLE];
    uint8_t room[32], enclave_id[32], invitation[32];
    struct buf genesis, record;
};

struct script {
    const struct world *w;
    struct ledger *l;
    struct cursor in;
    uint8_t chain[32];
};

/* A person's key for secret votes: the same at each run. */
static void veto_key(const struct world *w, const struct person *p, uint32_t serial,
                     uint8_t ret_x[VETO_SCALAR], uint8_t ret_key[VETO_KEY])
{
    uint8_t text[36], random[2 * VETO_RANDOM];
    memcpy(text, p->id, 32);
    put_u32(text + 32, serial);
    shake256(BYTES_OF(text), random, sizeof(random));
    veto_key_make(w->enclave_id, p->id, serial, random, ret_x, ret_key);
}

static void make_genesis(struct world *w, uint8_t kind)
{
    struct genesis g = {.suite = LEDGER_SUITE, .rules = LEDGER_RULES, .ballot_kind = kind};
    uint8_t sentinels[1 + 1 + 3 + 32] = {1, 3, 'a', ':', '1'};
    memset(w->room, 0x52, 32);
    memcpy(g.room, w->room, 32);
    memcpy(g.id, w->people[0].id, 32);
    memcpy(g.seat, w->people[0].seat, 32);
    memcpy(g.kem_pk, w->people[0].kem, KEM_PUBLIC);
    sha256(BYTES_OF(w->people[0].revocation), g.revoke_hash);
    g.sentinels = BYTES_OF(sentinels);
    g.nick = BYTES_LIT("alice");
    g.name = BYTES_LIT("family");
    FUZZ_CHECK(fields_encode(&genesis_fields, &g, &w->genesis) == ST_OK);
    ledger_id_of(buf_view(&w->genesis), w->enclave_id);
}

static void make_knocks(struct world *w)
{
    struct invitation door = {.address = "a:1"};
    uint8_t coins[KEM_COINS] = {1}, blob[KNOCK_BLOB];
    memcpy(door.enclave_id, w->enclave_id, 32);
    FUZZ_CHECK(invitation_hash(&door, w->invitation) == ST_OK);
    for (size_t n = 0; n < PEOPLE; n++) {
        struct person *p = &w->people[n];
        struct knock k = {.nick = BYTES_LIT("somebody")};
        uint8_t keys[KNOCK_KEYS * VETO_KEY], x[VETO_SCALAR];
        for (uint32_t i = 0; i < KNOCK_KEYS; i++) veto_key(w, p, i, x, keys + i * VETO_KEY);
        k.veto_keys = (struct list){keys, KNOCK_KEYS};
        sha256(BYTES_OF(p->revocation), k.revocation);
        memcpy(k.id, p->id, 32);
        memcpy(k.seat, p->seat, 32);
        memcpy(k.kem, p->kem, KEM_PUBLIC);
        FUZZ_CHECK(knock_build(&door, p->kem, &k, p->id_seed, coins, &p->knock, blob) == ST_OK);
    }
    struct door_record r = {.version = DOOR_RECORD_VERSION};
    memcpy(r.inviter, w->people[0].id, 32);
    memcpy(r.enclave_id, w->enclave_id, 32);
    FUZZ_CHECK(fields_encode(&door_record_fields, &r, &w->record) == ST_OK);
}

/* Made once: keys cost more than everything else here. */
static const struct world *the_world(bool secret)
{
    static struct world *worlds[2];
    struct world *w = worlds[secret];
    if (w) return w;
    w = worlds[secret] = calloc(1, sizeof *w);
    FUZZ_CHECK(w);
    for (size_t n = 0; n < PEOPLE; n++) {
        struct person *p = &w->people[n];
        uint8_t kem_seed[KEM_SEED] = {(uint8_t)n, 3};
        p->id_seed[0] = p->seat_seed[0] = (uint8_t)(n + 1);
        p->seat_seed[1] = 2;
        p->revocation[0] = (uint8_t)(n + 100);
        sign_public(p->id_seed, p->id);
        sign_public(p->seat_seed, p->seat);
        kem_public(kem_seed, p->kem);
    }
    make_genesis(w, secret ? BALLOT_SECRET : BALLOT_OPEN);
    make_knocks(w);
    return w;
}

/* ---- bodies made well ---- */

/* One of the votes that go on. */
static const struct ledger_proposal *vote_of(const struct script *s, unsigned which)
{
    const struct ledger_proposal *found = NULL;
    for (size_t i = 0; i < ledger_proposals(s->l); i++) {
        const struct ledger_proposal *p = ledger_proposal_at(s->l, i);
        if (!ledger_is_current(p)) continue;
        found = p;
        if (which-- == 0) break;
    }
    return found;
}

static struct list serials_of(const struct script *s, const uint16_t *targets, size_t n,
                              uint8_t room[LEDGER_MEMBERS_MAX * 4])
{
    uint16_t voters[LEDGER_MEMBERS_MAX];
    size_t voting = ledger_electorate(s->l, targets, n, voters);
    if (voting == 1 || ledger_ballot_kind(s->l) == BALLOT_OPEN) return (struct list){room, 0};
    for (size_t i = 0; i < voting; i++) {
        const struct ledger_stock *stock = &ledger_leaf(s->l, voters[i])->stock;
        put_u32(room + 4 * i, stock->n > 0 ? stock->serial[0] : 0);
    }
    return (struct list){room, voting};
}

static void body_add(const struct script *s, uint8_t param, struct buf *out)
{
    uint8_t serials[LEDGER_MEMBERS_MAX * 4];
    struct propose b = {.kind = PROPOSE_ADD};
    memcpy(b.invitation, s->w->invitation, 32);
    b.knock = buf_view(&s->w->people[param % PEOPLE].knock);
    b.record = buf_view(&s->w->record);
    b.serials = serials_of(s, NULL, 0, serials);
    FUZZ_CHECK(fields_encode(&propose_fields, &b, out) == ST_OK);
}

static void body_remove(const struct script *s, uint16_t from, size_t n, struct buf *out)
{
    uint8_t serials[LEDGER_MEMBERS_MAX * 4], list[2 * PEOPLE];
    uint16_t targets[PEOPLE];
    for (size_t i = 0; i < n; i++) {
        targets[i] = (uint16_t)(from + i);
        put_u16(list + 2 * i, targets[i]);
    }
    struct propose_remove b = {.kind = PROPOSE_REMOVE,
                               .targets = {list, n},
                               .serials = serials_of(s, targets, n, serials)};
    FUZZ_CHECK(fields_encode(&propose_remove_fields, &b, out) == ST_OK);
}

static void body_change(const struct script *s, uint8_t param, struct buf *out)
{
    uint8_t serials[LEDGER_MEMBERS_MAX * 4], item[LEDGER_POLICY_ITEM] = {LEDGER_POLICY_NO_HISTORY};
    struct propose_policy b = {.kind = PROPOSE_POLICY,
                               .ballot_kind = LEDGER_AS_IS,
                               .mode = LEDGER_AS_IS,
                               .serials = serials_of(s, NULL, 0, serials)};
    item[8] = param % 2;
    if (param % 4 < 2)
        b.ballot_kind = (uint8_t)(BALLOT_OPEN + param % 2);
    else
        b.policy = (struct list){item, 1};
    FUZZ_CHECK(fields_encode(&propose_policy_fields, &b, out) == ST_OK);
}

/* param: the person, the leaf or the change in the low three bits, the kind above them. */
static void body_propose(const struct script *s, uint8_t param, struct buf *out)
{
    switch (param / 8 % 4) {
    case 0: body_add(s, param, out); break;
    case 1: body_remove(s, param % 8, 1, out); break;
    case 2: body_change(s, param % 8, out); break;
    default: body_remove(s, param % 8, 2, out); break;
    }
}

static bool make_form(const struct script *s, const struct person *who,
                      const struct ledger_proposal *p, bool yes, uint8_t form[BALLOT_FORM_MAX])
{
    const struct ledger_leaf *leaf = ledger_by_id(s->l, who->id);
    static const uint8_t random[2 * VETO_RANDOM] = {5, [VETO_RANDOM] = 6};
    uint8_t x[VETO_SCALAR], key[VETO_KEY];
    memset(form, 0, BALLOT_FORM_MAX);
    form[0] = yes;
    if (p->ballot->kind == BALLOT_OPEN || !leaf) return false;
    for (size_t v = 0; v < p->n_voters; v++) {
        const struct ledger_voter *voter = &p->voters[v];
        if (voter->leaf != leaf->leaf) continue;
        veto_key(s->w, who, voter->serial, x, key);
        FUZZ_CHECK(veto_ballot_make(p->ctx, voter->place, voter->y, x, yes, random, form) == ST_OK);
        return true;
    }
    return false;
}

/* param: 7 of 8 say yes; above them, which vote. */
static void body_ballot(const struct script *s, const struct person *who, uint8_t param,
                        struct buf *out)
{
    const struct ledger_proposal *p = vote_of(s, param / 8);
    uint8_t form[BALLOT_FORM_MAX];
    bool yes = param % 8 != 7;
    if (!p) return;
    struct ballot_body b = {
        .kind = p->ballot->kind, .proposal = p->index, .form = BYTES(form, p->ballot->form_size)};
    bool hidden = make_form(s, who, p, yes, form);
    memcpy(b.hash, p->hash, 32);
    if (p->kind == PROPOSE_ADD && (yes || hidden))
        ledger_sign_add(who->seat_seed, s->w->room, p->candidate.seat, p->hash, b.seat_sig);
    FUZZ_CHECK(fields_encode(&ballot_body_fields, &b, out) == ST_OK);
}

/* The ballots in order, but for the one that param says to leave out. */
static void body_outcome(const struct script *s, uint8_t param, struct buf *out)
{
    const struct ledger_proposal *p = vote_of(s, param / 16);
    struct outcome_body b = {.proposal = 0};
    uint8_t list[LEDGER_MEMBERS_MAX * 8];
    if (!p) return;
    b.proposal = p->index;
    memcpy(b.hash, p->hash, 32);
    b.ballots.p = list;
    for (uint64_t at = p->index; at < ledger_count(s->l); at++)
        for (size_t v = 0; v < p->n_voters; v++)
            if (p->voters[v].index == at && (param % 16 == 0 || v != param % p->n_voters))
                put_u64(list + 8 * b.ballots.n++, at);
    FUZZ_CHECK(fields_encode(&outcome_body_fields, &b, out) == ST_OK);
}

static void body_close(const struct script *s, uint8_t param, struct buf *out)
{
    const struct ledger_proposal *p = vote_of(s, param / 16);
    struct close_body b = {.proposal = 0};
    if (p) {
        b.proposal = p->index;
        memcpy(b.hash, p->hash, 32);
    }
    FUZZ_CHECK(fields_encode(&close_body_fields, &b, out) == ST_OK);
}

/* param: how many, less one; above that: the serials are off by one, or the old ones dead. */
static void body_veto_keys(const struct script *s, const struct person *who, uint8_t param,
                           struct buf *out)
{
    const struct ledger_leaf *leaf = ledger_by_id(s->l, who->id);
    uint8_t keys[LEDGER_VETO_KEYS_MAX * VETO_KEY], x[VETO_SCALAR];
    struct veto_keys b = {.dead = param >= 64, .keys = {keys, (size_t)param % 16 + 1}};
    uint32_t first = (leaf ? leaf->stock.next : 0) + (param / 16 % 4 == 1);
    for (uint32_t i = 0; i < b.keys.n; i++) veto_key(s->w, who, first + i, x, keys + i * VETO_KEY);
    FUZZ_CHECK(fields_encode(&veto_keys_fields, &b, out) == ST_OK);
}

static void body_renew(const struct script *s, const struct person *who, uint8_t param,
                       struct buf *out)
{
    const struct ledger_leaf *leaf = ledger_by_id(s->l, who->id);
    struct renew_body b = {.count = (leaf ? leaf->renewals : 0) + 1 + param / 64};
    if (leaf) memcpy(b.revoke_hash, leaf->revoke_hash, sizeof b.revoke_hash);
    memcpy(b.kem_pk, s->w->people[param % PEOPLE].kem, KEM_PUBLIC);
    sha256(BYTES_OF(who->revocation), b.revoke_hash);
    FUZZ_CHECK(fields_encode(&renew_body_fields, &b, out) == ST_OK);
}

static void body_revoke(const struct script *s, uint8_t param, struct buf *out)
{
    const struct ledger_leaf *leaf = ledger_leaf(s->l, param % 8);
    struct self_revoke b = {.leaf = param % 8};
    for (size_t i = 0; leaf && i < PEOPLE; i++)
        if (memcmp(s->w->people[i].id, leaf->id, 32) == 0)
            memcpy(b.key, s->w->people[(i + param / 64) % PEOPLE].revocation, 32);
    FUZZ_CHECK(fields_encode(&self_revoke_fields, &b, out) == ST_OK);
}

static void body_rehome(uint8_t param, struct buf *out)
{
    struct rehome_body b = {.address = param < 64 ? BYTES_LIT("a:1") : BYTES_LIT("a:2")};
    b.pin[31] = param % 2;
    FUZZ_CHECK(fields_encode(&rehome_body_fields, &b, out) == ST_OK);
}

static void body_commit(const struct script *s, const struct person *who, uint8_t param,
                        struct buf *out)
{
    static const uint8_t wraps[256];
    const struct ledger_leaf *leaf = ledger_by_id(s->l, who->id);
    struct commit_leaf leaves[COMMIT_LEAVES_MAX];
    struct commit_plan plan;
    const uint8_t *kem = s->w->people[param % PEOPLE].kem;
    if (!leaf || ledger_plan(s->l, leaf->leaf, kem, leaves, &plan) != ST_OK) return;
    FUZZ_CHECK(plan.n == ledger_members(s->l));
    buf_u64(out, plan.epoch);
    buf_u16(out, plan.committer);
    buf_u16(out, (uint16_t)plan.n_taken);
    for (size_t i = 0; i < plan.n_taken; i++) buf_u64(out, plan.taken[i]);
    buf_u16(out, (uint16_t)plan.n_voids);
    for (size_t i = 0; i < plan.n_voids; i++) buf_u64(out, plan.voids[i]);
    buf_raw(out, kem, KEM_PUBLIC);
    buf_raw(out, wraps, sizeof(wraps));
}

static void body_well(const struct script *s, const struct person *who, uint8_t type, uint8_t param,
                      struct buf *out)
{
    uint8_t sig[64];
    switch (type) {
    case LEDGER_GENESIS: buf_bytes(out, buf_view(&s->w->genesis)); break;
    case LEDGER_PROPOSE: body_propose(s, param, out); break;
    case LEDGER_BALLOT: body_ballot(s, who, param, out); break;
    case LEDGER_ADD:
    case LEDGER_REMOVE:
    case LEDGER_POLICY: body_outcome(s, param, out); break;
    case LEDGER_VETO_KEYS: body_veto_keys(s, who, param, out); break;
    case LEDGER_SELF_REVOKE: body_revoke(s, param, out); break;
    case LEDGER_RENEW: body_renew(s, who, param, out); break;
    case LEDGER_AWAY: buf_u64(out, param); break;
    case LEDGER_DIGEST:
        buf_u8(out, 1);
        buf_u64(out, param);
        break;
    case LEDGER_REHOME: body_rehome(param, out); break;
    case LEDGER_LEAVE:
        ledger_sign_drop(who->seat_seed, s->w->room, who->seat, sig);
        buf_raw(out, sig, sizeof(sig));
        break;
    case LEDGER_UPDATE: buf_raw(out, s->w->people[param % PEOPLE].kem, KEM_PUBLIC); break;
    case LEDGER_COMMIT: body_commit(s, who, param, out); break;
    case LEDGER_HEAD:
        buf_u64(out, ledger_epoch(s->l));
        buf_u64(out, param);
        buf_u64(out, 0);
        buf_zero(out, 64);
        break;
    default: body_close(s, param, out); break;
    }
}

/* ---- steps ---- */

enum fault {
    FAULT_NONE,
    FAULT_INDEX,
    FAULT_CHAIN,
    FAULT_EPOCH,
    FAULT_RULES,
    FAULT_FLAGS,
    FAULT_SIGNATURE,
    FAULT_SEEN
};

static void fill(const struct script *s, const struct person *who, uint8_t type, enum fault fault,
                 struct bytes body, struct entry0 *e)
{
    memset(e, 0, sizeof *e);
    e->index = ledger_count(s->l) + (fault == FAULT_INDEX);
    memcpy(e->prev_chain, ledger_chain(s->l), 32);
    e->prev_chain[0] ^= fault == FAULT_CHAIN;
    e->epoch = (type == LEDGER_RENEW ? 0 : ledger_epoch(s->l)) + (fault == FAULT_EPOCH);
    e->rules = LEDGER_RULES + (fault == FAULT_RULES);
    e->flags = fault == FAULT_FLAGS;
    e->type = type;
    e->time_ms = UINT64_MAX;
    if (fault == FAULT_SEEN) e->seen1_count = e->seen2_count = UINT64_MAX;
    memcpy(e->actor, who->id, 32);
    e->body = body;
    entry0_sign(e, s->w->enclave_id, who->id_seed);
    e->sig[9] ^= fault == FAULT_SIGNATURE;
}

static void passed_by_all(const struct ledger_proposal *p)
{
    struct ballot_cast casts[LEDGER_MEMBERS_MAX];
    for (size_t v = 0; v < p->n_voters; v++) {
        FUZZ_CHECK(p->voters[v].cast.choice == BALLOT_YES ||
                   p->voters[v].cast.choice == BALLOT_HIDDEN);
        casts[v] = p->voters[v].cast;
    }
    FUZZ_CHECK(p->ballot->count(casts, p->n_voters) == BALLOT_PASSED);
}

/* One add or policy at a time, one removal of each member and by each; no target decides of itself. */
static void votes_are_in_order(const struct ledger *l)
{
    size_t others = 0, removals[2][PEOPLE] = {{0}};
    for (size_t i = 0; i < ledger_proposals(l); i++) {
        const struct ledger_proposal *p = ledger_proposal_at(l, i);
        if (p->state >= LEDGER_VOTE_PASSED && p->state <= LEDGER_VOTE_CHANGED) passed_by_all(p);
        for (size_t v = 0; v < p->n_voters; v++)
            for (size_t t = 0; t < p->n_targets; t++)
                FUZZ_CHECK(p->voters[v].leaf != p->targets[t]);
        if (!ledger_is_current(p)) continue;
        if (p->kind != PROPOSE_REMOVE) {
            FUZZ_CHECK(others++ == 0 && p == ledger_current_proposal(l));
            continue;
        }
        FUZZ_CHECK(p->n_targets > 0 && removals[0][p->by]++ == 0);
        for (size_t t = 0; t < p->n_targets; t++) {
            FUZZ_CHECK(removals[1][p->targets[t]]++ == 0);
            FUZZ_CHECK(ledger_removal(l, p->targets[t]) == p);
        }
    }
}

/* No key stands in two stocks, no serial is named twice, and only members have any. */
static void stocks_are_in_order(const struct ledger *l)
{
    for (size_t i = 0; i < ledger_leaves(l); i++) {
        const struct ledger_leaf *a = ledger_leaf(l, (uint16_t)i);
        FUZZ_CHECK(a->stock.n <= LEDGER_VETO_STOCK && (a->member_now || a->stock.n == 0));
        for (size_t k = 0; k < a->stock.n; k++) {
            FUZZ_CHECK(a->stock.serial[k] < a->stock.next);
            FUZZ_CHECK(k == 0 || a->stock.serial[k - 1] < a->stock.serial[k]);
            for (size_t o = 0; o < i; o++) {
                const struct ledger_stock *b = &ledger_leaf(l, (uint16_t)o)->stock;
                for (size_t m = 0; m < b->n; m++)
                    FUZZ_CHECK(memcmp(a->stock.x[k], b->x[m], VETO_POINT) != 0);
            }
        }
    }
}

static void everybody_was_admitted(const struct ledger *l)
{
    size_t members = 0;
    for (size_t i = 0; i < ledger_leaves(l); i++) {
        const struct ledger_leaf *leaf = ledger_leaf(l, (uint16_t)i);
        const struct ledger_proposal *p = ledger_admission(l, (uint16_t)i);
        members += leaf->member_now;
        FUZZ_CHECK((p != NULL) == (i > 0));
        FUZZ_CHECK(leaf->member_now == (leaf->left == LEDGER_NEVER));
        if (!p) continue;
        FUZZ_CHECK(p->state == LEDGER_VOTE_ADDED && p->added == leaf->added && p->n_voters > 0);
        passed_by_all(p);
        for (size_t k = 0; k < ledger_leaves(l); k++) {
            const struct ledger_leaf *other = ledger_leaf(l, (uint16_t)k);
            bool inside = other->added < p->index && other->left > p->index, voted = false;
            for (size_t v = 0; v < p->n_voters; v++) voted |= p->voters[v].leaf == k;
            FUZZ_CHECK(inside == voted);
        }
    }
    FUZZ_CHECK(members == ledger_members(l) && members <= LEDGER_MEMBERS_MAX);
}

static void take(struct script *s, const struct entry0 *e, enum fault fault)
{
    struct buf plain = BUF_INIT;
    struct ledger_judged *j = calloc(1, sizeof *j);
    FUZZ_CHECK(j && entry0_plain(e, &plain) == ST_OK);
    size_t class = pad_class(plain.n + ENTRY0_OVERHEAD), was = plain.n;
    uint64_t count = ledger_count(s->l), epoch = ledger_epoch(s->l);
    size_t members = ledger_members(s->l), proposals = ledger_proposals(s->l);
    uint8_t kind = ledger_ballot_kind(s->l);
    if (class) {
        buf_zero(&plain, class - ENTRY0_OVERHEAD - was);
        chain_step(ledger_chain(s->l), buf_view(&plain), s->chain);
        ledger_judge(s->l, buf_view(&plain), e->epoch, s->chain, j);
        FUZZ_CHECK(j->verdict.valid == (j->verdict.reason == NULL));
        if (fault != FAULT_NONE && fault != FAULT_SEEN) FUZZ_CHECK(!j->verdict.valid);
        bool valid = j->verdict.valid;
        FUZZ_CHECK(ledger_apply(s->l, j) == ST_OK);
        FUZZ_CHECK(ledger_count(s->l) == count + 1);
        FUZZ_CHECK(memcmp(ledger_chain(s->l), s->chain, 32) == 0);
        if (!valid)
            FUZZ_CHECK(ledger_members(s->l) == members && ledger_epoch(s->l) == epoch &&
                       ledger_proposals(s->l) == proposals && ledger_ballot_kind(s->l) == kind);
        everybody_was_admitted(s->l);
        votes_are_in_order(s->l);
        stocks_are_in_order(s->l);
    }
    free(j);
    buf_free(&plain);
}

static void step(struct script *s)
{
    uint8_t first = cursor_u8(&s->in), type = cursor_u8(&s->in), form = cursor_u8(&s->in);
    const struct person *who = &s->w->people[first % PEOPLE];
    enum fault fault = (enum fault)(first / 8 < 8 ? first / 8 : 0);
    struct buf body = BUF_INIT;
    struct entry0 e;
    if (form < 128)
        body_well(s, who, type, form, &body);
    else
        buf_bytes(&body, cursor_take(&s->in, cursor_u8(&s->in)));
    fill(s, who, type, fault, buf_view(&body), &e);
    take(s, &e, fault);
    buf_free(&body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct script s = {.w = the_world(size > 2 && data[2] % 2 == 1),
                       .in = cursor_of(BYTES(data, size))};
    FUZZ_CHECK(ledger_new(s.w->enclave_id, s.w->room, &s.l) == ST_OK);
    for (int i = 0; i < STEPS_MAX && s.in.left >= 3 && !s.in.bad; i++) step(&s);
    ledger_free(s.l);
    return 0;
}
