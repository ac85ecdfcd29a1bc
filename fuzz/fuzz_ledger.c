/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto core/feed core/door core/ballot core/epoch core/ledger */
/*
 * A ledger whose members mean ill. The input is a script of entries, each properly signed by one of
 * eight people whose keys the fuzzer's side holds, so nothing is stopped by a signature:
 *
 *     who and fault u8 | type u8 | form u8, then: form < 128: a body made well, form is its parameter
 *                                             else: length u8, that many bytes of body
 *
 * After each entry: a void one changed nothing but the count, and nobody is inside whom not everybody
 * that was inside admitted.
 */
#include "core/door/knock.h"
#include "core/door/record.h"
#include "core/ledger/ledger.h"
#include "fuzz.h"

#include <string.h>

#define PEOPLE 8
#define STEPS_MAX 64

struct person {
    uint8_t id_seed[32], seat_seed[32];
    uint8_t id[32], seat[32], kem[KEM_PUBLIC];
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

static void make_genesis(struct world *w)
{
    struct genesis g = {.suite = LEDGER_SUITE, .rules = LEDGER_RULES, .ballot_kind = BALLOT_OPEN};
    uint8_t sentinels[1 + 1 + 3 + 32] = {1, 3, 'a', ':', '1'};
    memset(w->room, 0x52, 32);
    memcpy(g.room, w->room, 32);
    memcpy(g.id, w->people[0].id, 32);
    memcpy(g.seat, w->people[0].seat, 32);
    memcpy(g.kem_pk, w->people[0].kem, KEM_PUBLIC);
    g.sentinels = BYTES_OF(sentinels);
    g.nick = BYTES_LIT("alice");
    g.name = BYTES_LIT("family");
    FUZZ_CHECK(fields_encode(&genesis_fields, &g, &w->genesis) == ST_OK);
    ledger_id_of(buf_view(&w->genesis), w->enclave_id);
}

static void make_knocks(struct world *w)
{
    struct invitation i = {.address = "a:1"};
    uint8_t coins[KEM_COINS] = {1}, blob[KNOCK_BLOB];
    memcpy(i.enclave_id, w->enclave_id, 32);
    FUZZ_CHECK(invitation_hash(&i, w->invitation) == ST_OK);
    for (size_t n = 0; n < PEOPLE; n++) {
        struct person *p = &w->people[n];
        struct knock k = {.nick = BYTES_LIT("somebody")};
        memcpy(k.id, p->id, 32);
        memcpy(k.seat, p->seat, 32);
        memcpy(k.kem, p->kem, KEM_PUBLIC);
        FUZZ_CHECK(knock_build(&i, p->kem, &k, p->id_seed, coins, &p->knock, blob) == ST_OK);
    }
    struct door_record r = {.version = DOOR_RECORD_VERSION};
    memcpy(r.inviter, w->people[0].id, 32);
    memcpy(r.enclave_id, w->enclave_id, 32);
    FUZZ_CHECK(fields_encode(&door_record_fields, &r, &w->record) == ST_OK);
}

/* Made once: keys cost more than everything else here. */
static const struct world *the_world(void)
{
    static struct world *w;
    if (w) return w;
    w = calloc(1, sizeof *w);
    FUZZ_CHECK(w);
    for (size_t n = 0; n < PEOPLE; n++) {
        struct person *p = &w->people[n];
        uint8_t kem_seed[KEM_SEED] = {(uint8_t)n, 3};
        p->id_seed[0] = p->seat_seed[0] = (uint8_t)(n + 1);
        p->seat_seed[1] = 2;
        sign_public(p->id_seed, p->id);
        sign_public(p->seat_seed, p->seat);
        kem_public(kem_seed, p->kem);
    }
    make_genesis(w);
    make_knocks(w);
    return w;
}

/* ---- bodies made well ---- */

static void body_propose(const struct script *s, uint8_t param, struct buf *out)
{
    struct propose b = {.kind = PROPOSE_ADD};
    memcpy(b.invitation, s->w->invitation, 32);
    b.knock = buf_view(&s->w->people[param % PEOPLE].knock);
    b.record = buf_view(&s->w->record);
    FUZZ_CHECK(fields_encode(&propose_fields, &b, out) == ST_OK);
}

static void body_ballot(const struct script *s, const struct person *who, uint8_t param,
                        struct buf *out)
{
    const struct ledger_proposal *p = ledger_current_proposal(s->l);
    struct ballot_body b = {.kind = BALLOT_OPEN};
    uint8_t form[1];
    if (!p) return;
    ballot_open_form(param % 8 != 7, form);
    b.form = BYTES_OF(form);
    b.proposal = p->index;
    memcpy(b.hash, p->hash, 32);
    if (param % 8 != 7)
        ledger_sign_add(who->seat_seed, s->w->room, p->candidate.seat, p->hash, b.seat_sig);
    FUZZ_CHECK(fields_encode(&ballot_body_fields, &b, out) == ST_OK);
}

/* The ballots in order, but for the one that param says to leave out. */
static void body_add(const struct script *s, uint8_t param, struct buf *out)
{
    const struct ledger_proposal *p = ledger_current_proposal(s->l);
    struct outcome_body b = {.proposal = 0};
    uint8_t list[LEDGER_MEMBERS_MAX * 8];
    if (!p) return;
    b.proposal = p->index;
    memcpy(b.hash, p->hash, 32);
    b.ballots.p = list;
    for (uint64_t at = p->index; at < ledger_count(s->l); at++)
        for (size_t v = 0; v < p->n_voters; v++)
            if (p->voters[v].index == at && (param == 0 || v != param % p->n_voters))
                put_u64(list + 8 * b.ballots.n++, at);
    FUZZ_CHECK(fields_encode(&outcome_body_fields, &b, out) == ST_OK);
}

static void body_close(const struct script *s, struct buf *out)
{
    const struct ledger_proposal *p = ledger_current_proposal(s->l);
    struct close_body b = {.proposal = 0};
    if (p) {
        b.proposal = p->index;
        memcpy(b.hash, p->hash, 32);
    }
    FUZZ_CHECK(fields_encode(&close_body_fields, &b, out) == ST_OK);
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
    case LEDGER_ADD: body_add(s, param, out); break;
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
    default: body_close(s, out); break;
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
    e->epoch = ledger_epoch(s->l) + (fault == FAULT_EPOCH);
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

static void everybody_was_admitted(const struct ledger *l)
{
    size_t members = 0;
    for (size_t i = 0; i < ledger_leaves(l); i++) {
        const struct ledger_leaf *leaf = ledger_leaf(l, (uint16_t)i);
        const struct ledger_proposal *p = ledger_admission(l, (uint16_t)i);
        members += leaf->member_now;
        FUZZ_CHECK((p != NULL) == (i > 0));
        if (!p) continue;
        FUZZ_CHECK(p->state == LEDGER_VOTE_ADDED && p->added == leaf->added && p->n_voters > 0);
        for (size_t v = 0; v < p->n_voters; v++) FUZZ_CHECK(p->voters[v].cast.choice == BALLOT_YES);
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
    size_t members = ledger_members(s->l);
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
        if (!valid) FUZZ_CHECK(ledger_members(s->l) == members && ledger_epoch(s->l) == epoch);
        everybody_was_admitted(s->l);
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
    struct script s = {.w = the_world(), .in = cursor_of(BYTES(data, size))};
    FUZZ_CHECK(ledger_new(s.w->enclave_id, s.w->room, &s.l) == ST_OK);
    for (int i = 0; i < STEPS_MAX && s.in.left >= 3 && !s.in.bad; i++) step(&s);
    ledger_free(s.l);
    return 0;
}
