/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* One bit of a right entry's body, under a right signature: of each kind of entry that a member can write,
 * at a moment at which it can. It is void for all, or something else that is right for all. */
#include "sim/villains.h"

#include "base/encode.h"
#include "core/door/revoke.h"
#include "core/ledger/group_state.h"
#include "node/enclave/enclave.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AMBUSH_TRIES 4 /* a race may be lost */

struct mutant {
    struct sim *s;
    struct person *p;
    struct enclave *e;
    struct right r;
    struct group_now now;
    uint8_t random[GROUP_RANDOM];
    const struct ledger_proposal *vote; /* that it is about */
    const uint8_t *key;                 /* NULL: of the epoch */
    uint8_t renew_key[32];
    char nick[24];  /* of a candidate */
    bool bare;      /* PROPOSE of a policy that changes nothing */
    size_t at, bit; /* what was flipped */
};

/* ---- the right ones ---- */

static bool opened(struct mutant *m, enum status made)
{
    return made == ST_OK && right_open(&m->r, m->e);
}

/* A body of its own: nothing that its author's daemon keeps changes by it. */
static bool encoded(struct mutant *m, uint8_t type, const struct fields *fields, const void *msg)
{
    villain_entry(m->s, m->e, &m->r.entry);
    rng_bytes(&m->s->rng, m->r.envelope.back, sizeof m->r.envelope.back);
    m->r.entry.type = type;
    if (fields_encode(fields, msg, &m->r.body) != ST_OK) return false;
    m->r.entry.body = buf_view(&m->r.body);
    return true;
}

/* Who could refuse what it proposes. */
static size_t others(const struct mutant *m)
{
    return ledger_members(group_ledger(m->e->group)) - 1;
}

static bool make_propose_add(struct mutant *m)
{
    struct enclave_knock *k = NULL;
    uint8_t hash[32];
    for (size_t i = 0; i < m->e->n_knocks; i++)
        if (!m->e->knocks[i]->proposed) k = m->e->knocks[i];
    if (!k || others(m) == 0 || invitation_hash(&k->door->invitation, hash) != ST_OK) return false;
    struct group_propose a = {.door = k->door->token_hash,
                              .reply = k->reply,
                              .invitation = hash,
                              .knock = buf_view(&k->plain),
                              .record = buf_view(&k->door->record)};
    snprintf(m->nick, sizeof m->nick, "%.23s", k->nick);
    return opened(m, group_make_propose(m->e->group, &a, &m->now, &m->r.draft));
}

static bool make_propose_remove(struct mutant *m)
{
    const struct ledger *l = group_ledger(m->e->group);
    uint16_t target = LEDGER_NOBODY;
    for (size_t i = 0; i < ledger_leaves(l); i++)
        if (ledger_leaf(l, (uint16_t)i)->member_now && i != group_leaf(m->e->group))
            target = (uint16_t)i;
    return target != LEDGER_NOBODY &&
           opened(m, group_make_propose_remove(m->e->group, &target, 1, BYTES_LIT("why"), &m->now,
                                               &m->r.draft));
}

static bool make_propose_policy(struct mutant *m)
{
    uint8_t items[2 * LEDGER_POLICY_ITEM] = {LEDGER_POLICY_EXPIRE_MS};
    struct buf sentinels = BUF_INIT;
    struct group_propose_policy a = {
        .ballot_kind = LEDGER_AS_IS, .mode = LEDGER_AS_IS, .reason = BYTES_LIT("why")};
    m->bare = rng_chance(&m->s->rng, 300) || others(m) == 0;
    if (!m->bare) {
        put_u64(items + 1, 3 * SIM_DAY);
        items[LEDGER_POLICY_ITEM] = LEDGER_POLICY_COMMIT_MS;
        put_u64(items + LEDGER_POLICY_ITEM + 1, SIM_DAY);
        buf_u8(&sentinels, 1);
        buf_u8(&sentinels, sizeof VSENTINEL_ADDRESS - 1);
        buf_bytes(&sentinels, BYTES_LIT(VSENTINEL_ADDRESS));
        buf_raw(&sentinels, m->s->sentinel.pin, 32);
        a.ballot_kind = ledger_ballot_kind(group_ledger(m->e->group));
        a.mode = ledger_mode(group_ledger(m->e->group));
        a.policy = (struct list){items, 2};
        a.sentinels = buf_view(&sentinels);
    }
    bool did = opened(m, group_make_propose_policy(m->e->group, &a, &m->now, &m->r.draft));
    buf_free(&sentinels);
    return did;
}

static bool make_veto_keys(struct mutant *m)
{
    return opened(m, group_make_veto_keys(m->e->group, &m->now, &m->r.draft));
}

/* Not through the group, which would keep the ballot as its owner's word. */
static bool make_ballot(struct mutant *m)
{
    uint8_t form[BALLOT_FORM_MAX] = {1}, random[2 * VETO_RANDOM];
    const struct ledger_voter *v = NULL;
    const struct ledger_proposal *pr = vote_with(m->e, false, false, &v);
    if (!pr) return false;
    if (pr->ballot->kind == BALLOT_SECRET) {
        const struct group_veto *key = group_veto_find(m->e->group, v->serial);
        rng_bytes(&m->s->rng, random, sizeof random);
        if (!key || veto_ballot_make(pr->ctx, v->place, v->y, key->x, true, random, form) != ST_OK)
            return false;
    }
    struct ballot_body b = {.proposal = pr->index,
                            .kind = pr->ballot->kind,
                            .form = BYTES(form, pr->ballot->form_size)};
    memcpy(b.hash, pr->hash, 32);
    if (pr->kind == PROPOSE_ADD)
        ledger_sign_add(m->e->keys->seat_seed, m->e->room, pr->candidate.seat, pr->hash,
                        b.seat_sig);
    m->vote = pr;
    return encoded(m, LEDGER_BALLOT, &ballot_body_fields, &b);
}

static bool make_outcome(struct mutant *m)
{
    const struct ledger *l = group_ledger(m->e->group);
    for (size_t i = 0; i < ledger_proposals(l); i++) {
        const struct ledger_proposal *pr = ledger_proposal_at(l, i);
        if (pr->state == LEDGER_VOTE_PASSED)
            return opened(m, group_make_outcome(m->e->group, pr->index, &m->now, &m->r.draft));
    }
    return false;
}

static bool make_leave(struct mutant *m)
{
    return opened(m, group_make_leave(m->e->group, &m->now, &m->r.draft));
}

static bool make_update(struct mutant *m)
{
    return people_in(m->s, PERSON_IN) > 1 &&
           opened(m, group_make_update(m->e->group, &m->now, &m->r.draft));
}

static bool make_commit(struct mutant *m)
{
    return opened(m, group_make_commit(m->e->group, 0, &m->now, &m->r.draft));
}

/* An open vote, of its own for a WITHDRAW. */
static const struct ledger_proposal *open_vote(const struct enclave *e, bool own)
{
    const struct ledger *l = group_ledger(e->group);
    for (size_t i = 0; i < ledger_proposals(l); i++) {
        const struct ledger_proposal *pr = ledger_proposal_at(l, i);
        if (pr->state == LEDGER_VOTE_OPEN && (!own || pr->by == group_leaf(e->group))) return pr;
    }
    return NULL;
}

static bool make_expire(struct mutant *m)
{
    const struct ledger_proposal *pr = open_vote(m->e, false);
    return pr && opened(m, group_make_expire(m->e->group, pr->index, &m->now, &m->r.draft));
}

static bool make_withdraw(struct mutant *m)
{
    const struct ledger_proposal *pr = open_vote(m->e, true);
    return pr && opened(m, group_make_withdraw(m->e->group, pr->index, &m->now, &m->r.draft));
}

static bool make_head(struct mutant *m)
{
    uint64_t epoch = 0, next = 0, version = 0;
    uint8_t sig[64];
    bool given;
    if (!m->e->mail) return false;
    mail_own_next(m->e->mail, &epoch, &next);
    bool signs = enclave_rehome_sign(m->e, &version, sig, &given);
    return opened(m, group_make_head(m->e->group, epoch, next, version, signs ? sig : NULL, &m->now,
                                     &m->r.draft));
}

/* Of its own machine, whose recovery words its owner has. */
static bool make_self_revoke(struct mutant *m)
{
    uint8_t key[32];
    revoke_key(m->p->rk, m->e->room, key);
    return opened(
        m, group_make_self_revoke(m->e->group, group_leaf(m->e->group), key, &m->now, &m->r.draft));
}

/* It is not lost, and says so as one who is. */
static bool make_renew(struct mutant *m)
{
    const struct ledger *l = group_ledger(m->e->group);
    const struct ledger_leaf *self = ledger_leaf(l, group_leaf(m->e->group));
    uint8_t seed[32];
    if (!self || people_in(m->s, PERSON_IN) < 2) return false;
    struct renew_body b = {.count = self->renewals + 1};
    rng_bytes(&m->s->rng, seed, sizeof seed);
    kem_public(seed, b.kem_pk);
    memcpy(b.revoke_hash, self->revoke_hash, 32);
    if (!encoded(m, LEDGER_RENEW, &renew_body_fields, &b)) return false;
    m->r.entry.epoch = 0;
    ledger_renew_key(m->e->group->rows[0].log, m->renew_key);
    m->key = m->renew_key;
    return true;
}

static bool make_away(struct mutant *m)
{
    return opened(m, group_make_away(m->e->group, 1, &m->now, &m->r.draft));
}

static bool make_rehome(struct mutant *m)
{
    return opened(m, group_make_rehome(m->e->group, BYTES_LIT(VSENTINEL_ADDRESS),
                                       m->s->sentinel.pin, &m->now, &m->r.draft));
}

/* ---- their moments: what must be there first is brought about ---- */

static bool anybody(struct sim *s, bool (*has)(struct enclave *e))
{
    for (unsigned i = 0; i < s->n; i++) {
        struct person *p = &s->people[i];
        struct enclave *e = p->node && p->state == PERSON_IN ? inside_of(p) : NULL;
        if (e && has(e)) return true;
    }
    return false;
}

static bool has_vote(struct enclave *e)
{
    return open_vote(e, false) != NULL;
}

static bool has_knock(struct enclave *e)
{
    for (size_t i = 0; i < e->n_knocks; i++)
        if (!e->knocks[i]->proposed) return true;
    return false;
}

static void wait_for_vote(struct sim *s)
{
    if (anybody(s, has_vote) || !act_policy(s)) return;
    sim_run_for(s, 2 * SIM_SECOND);
    check_all(s);
}

static void wait_for_knock(struct sim *s)
{
    if (anybody(s, has_knock) || !act_invite(s)) return;
    sim_run_for(s, 4 * SIM_SECOND);
    check_all(s);
}

/* An outcome is posted as soon as a vote has passed: somebody lies in wait for that. */
static void await_add(struct sim *s)
{
    s->ambush = AMBUSH_TRIES;
    if (!anybody(s, has_vote)) act_invite(s);
}

static void await_remove(struct sim *s)
{
    s->ambush = AMBUSH_TRIES;
    if (people_in(s, PERSON_IN) > 2) act_remove(s);
}

static void await_policy(struct sim *s)
{
    s->ambush = AMBUSH_TRIES;
    if (!anybody(s, has_vote)) act_policy(s);
}

/* ---- one bit ---- */

/* Others may say another truth: "dead", another time, another reason, another key. */
static const struct kind {
    const char *name;
    void (*moment)(struct sim *s); /* NULL: any */
    bool (*make)(struct mutant *m);
    bool must_void;
} kinds[MUTANTS] = {
    [MUTANT_PROPOSE_ADD] = {"PROPOSE add", wait_for_knock, make_propose_add, false},
    [MUTANT_PROPOSE_REMOVE] = {"PROPOSE remove", NULL, make_propose_remove, false},
    [MUTANT_PROPOSE_POLICY] = {"PROPOSE policy", NULL, make_propose_policy, false},
    [MUTANT_VETO_KEYS] = {"VETO_KEYS", NULL, make_veto_keys, false},
    [MUTANT_BALLOT] = {"BALLOT", wait_for_vote, make_ballot, true},
    [MUTANT_ADD] = {"ADD", await_add, make_outcome, true},
    [MUTANT_REMOVE] = {"REMOVE", await_remove, make_outcome, true},
    [MUTANT_POLICY] = {"POLICY", await_policy, make_outcome, true},
    [MUTANT_LEAVE] = {"LEAVE", NULL, make_leave, true},
    [MUTANT_UPDATE] = {"UPDATE", NULL, make_update, false},
    [MUTANT_COMMIT] = {"COMMIT", NULL, make_commit, true},
    [MUTANT_EXPIRE] = {"EXPIRE", wait_for_vote, make_expire, true},
    [MUTANT_HEAD] = {"HEAD", NULL, make_head, false},
    [MUTANT_SELF_REVOKE] = {"SELF_REVOKE", NULL, make_self_revoke, true},
    [MUTANT_RENEW] = {"RENEW", NULL, make_renew, false},
    [MUTANT_WITHDRAW] = {"WITHDRAW", wait_for_vote, make_withdraw, true},
    [MUTANT_AWAY] = {"AWAY", NULL, make_away, false},
    [MUTANT_REHOME] = {"REHOME", NULL, make_rehome, true},
};

const char *mutant_name(int kind)
{
    return kinds[kind].name;
}

static void flip(struct mutant *m)
{
    m->at = rng_below(&m->s->rng, m->r.body.n);
    m->bit = rng_below(&m->s->rng, 8);
    /* The lowest bit of an open ballot is its other answer: nobody's word against its author's. */
    if (m->vote && m->vote->ballot->kind == BALLOT_OPEN && m->at == m->r.body.n - 1)
        m->bit = rng_between(&m->s->rng, 1, 7);
    m->r.body.p[m->at] ^= (uint8_t)(1U << m->bit);
}

/* What holds is voted on, and nobody wants it: a candidate who would never hear the answer, a wrong
 * sentinel. */
static void refuse(struct mutant *m, enum mutant_kind kind)
{
    uint8_t hash[32];
    char ref[17];
    struct sim_wish *w = NULL;
    if (kind == MUTANT_PROPOSE_ADD && m->at >= 2 && m->at < 66) {
        w = wish_of(m->s, m->nick);
    } else if (kind == MUTANT_PROPOSE_POLICY && !m->bare) {
        entry0_sign(&m->r.entry, m->e->enclave_id, m->e->keys->id_seed);
        if (ledger_proposal_hash(&m->r.entry, hash) != ST_OK) return;
        hex_encode(BYTES(hash, 8), ref);
        w = wish_of(m->s, ref);
    }
    /* Its author's own daemon may take it for what its owner wanted to propose. */
    if (w) w->no |= (uint8_t) ~(w->yes | 1U << m->p->i);
}

/* By its author's own ledger, which is everybody's; a COMMIT's wraps are not looked at by it. */
static bool holds(struct mutant *m)
{
    static const uint8_t nonce[ENTRY0_NONCE];
    struct entry0 *en = &m->r.entry;
    const uint8_t *key = m->key ? m->key : m->e->group->rows[en->epoch].log;
    struct buf sealed = BUF_INIT, plain = BUF_INIT;
    struct ledger_judged *j = sim_alloc(sizeof *j);
    uint8_t chain[32];
    entry0_sign(en, m->e->enclave_id, m->e->keys->id_seed);
    if (entry0_seal(en, m->e->room, key, m->r.envelope.back, nonce, &sealed) == ST_OK &&
        entry0_open(buf_view(&sealed), m->e->room, key, en->index, &plain) == ST_OK) {
        chain_step(ledger_chain(group_ledger(m->e->group)), buf_view(&sealed), chain);
        ledger_judge(group_ledger(m->e->group), buf_view(&plain), en->epoch, chain, j);
    }
    bool valid = j->verdict.valid;
    free(j);
    buf_free(&sealed);
    buf_free(&plain);
    return valid;
}

static enum mutant_kind kind_made(const struct mutant *m, enum mutant_kind kind)
{
    switch (m->r.entry.type) {
    case LEDGER_ADD: return MUTANT_ADD;
    case LEDGER_REMOVE: return MUTANT_REMOVE;
    case LEDGER_POLICY: return MUTANT_POLICY;
    default: return kind;
    }
}

static bool mutate(struct sim *s, struct person *p, struct enclave *e, enum mutant_kind kind)
{
    struct mutant m = {.s = s, .p = p, .e = e};
    enclave_now(e, m.random, &m.now);
    bool did = kinds[kind].make(&m) && m.r.body.n > 0;
    if (did) {
        kind = kind_made(&m, kind);
        flip(&m);
        bool valid = holds(&m);
        if (valid && kinds[kind].must_void && kind != MUTANT_COMMIT)
            sim_fail(s, "m%u's %s holds with bit %zu of byte %zu wrong", p->i, kinds[kind].name,
                     m.bit, m.at);
        if (valid) refuse(&m, kind);
        sim_trace(s, "m%u posts %s with bit %zu of byte %zu wrong%s", p->i, kinds[kind].name, m.bit,
                  m.at, valid ? ": it holds" : "");
        struct ill_mark mark = {.must_void = !valid || kinds[kind].must_void, .mutant = kind};
        did = villain_post(p, e, &m.r.entry, m.key, m.r.envelope.back, mark);
        if (did && valid && kind == MUTANT_RENEW) {
            p->restored = true; /* also where the answer is lost and the entry is not */
            p->restored_ms = s->time.now_ms;
        }
    }
    right_free(&m.r);
    return did;
}

/* What it says in an epoch for which it named another next number is taken for something old. */
static void silence(struct person *p, const struct enclave *e)
{
    struct sim *s = p->sim;
    p->silent_epoch = group_epoch(e->group) + 1;
    for (unsigned i = 0; i < s->n_messages; i++)
        if (s->messages[i].from == p->i && s->messages[i].at_ms + 30 * SIM_SECOND > s->time.now_ms)
            s->messages[i].excused = true;
}

void mutant_taken(struct person *p, struct enclave *e, int kind, bool holds)
{
    struct sim *s = p->sim;
    s->mutants[kind]++;
    if (kind == MUTANT_HEAD && holds) silence(p, e);
    /* With a key of its own that nobody has, it locked itself out like one that was set back: the group
     * must bring it back to its senses as well. */
    if ((kind == MUTANT_UPDATE || kind == MUTANT_RENEW) &&
        (group_restored(e->group) || group_lost(e->group))) {
        p->restored = true;
        p->restored_ms = s->time.now_ms;
        s->locked_out++;
    }
}

bool fault_mutant(struct sim *s)
{
    enum mutant_kind kind = (enum mutant_kind)rng_below(&s->rng, MUTANTS);
    if (!person_random(s, PERSON_IN, true)) return false;
    if (kinds[kind].moment) kinds[kind].moment(s);
    unsigned first = (unsigned)rng_below(&s->rng, s->n);
    for (unsigned i = 0; i < s->n; i++) {
        struct person *p = &s->people[(first + i) % s->n];
        struct enclave *e = p->node && p->state == PERSON_IN && p->online ? inside_of(p) : NULL;
        if (e && mutate(s, p, e, kind)) return true;
    }
    return s->ambush == AMBUSH_TRIES;
}

static void spring(void *arg)
{
    struct person *p = arg;
    struct sim *s = p->sim;
    struct enclave *e = p->state == PERSON_IN && s->ambush > 0 ? inside_of(p) : NULL;
    if (e && mutate(s, p, e, MUTANT_ADD)) s->ambush--;
}

void mutants_hear(struct person *p)
{
    /* Not at once: the daemon is in the midst of the entry that it tells of. */
    if (p->sim->ambush > 0) vtime_at(&p->sim->time, 0, &p->m.life, spring, NULL, p);
}
