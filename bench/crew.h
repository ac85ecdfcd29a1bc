/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * crew: an enclave of any size in memory, for the benches of its ledger. Member 0 is a whole group
 * object, and up to one more (the judge); all others are only their keys: what they post is made from
 * those. So an entry is judged once or twice, not by 64 members, and a history is quickly there.
 *
 * Owns: what struct world owns (tests/unit/group_world.h). Errors: end the program. Order: crew_new;
 * any; world_free and free. Each crew_post gives what it cost member 0 to judge the entry, and its size.
 */
#ifndef ENCLAVE_BENCH_CREW_H
#define ENCLAVE_BENCH_CREW_H

#include "bench/bench.h"

#define WORLD_MEMBERS 192
#define WORLD_ENTRIES 16384
#define WORLD_TRACE 256
/* The world of the tests speaks through cmocka; here a broken word ends the bench. */
#define assert_true(x) bench_must(x, #x)
#define assert_false(x) bench_must(!(x), #x)
#define assert_non_null(x) bench_must((x) != NULL, #x)
#define assert_int_equal(a, b) bench_must((a) == (b), #a " is not " #b)
#define assert_memory_equal(a, b, n) bench_must(memcmp(a, b, n) == 0, #a " is not " #b)
#define assert_string_equal(a, b) bench_must(strcmp(a, b) == 0, #a " is not " #b)
#define fail_msg(...) bench_must(false, #__VA_ARGS__)
#include "tests/unit/group_world.h"

#define CREW_NOBODY SIZE_MAX

struct crew {
    struct world w;
    bool alone;   /* no second group object is wanted: it would read all history first */
    size_t judge; /* its place, CREW_NOBODY: none yet */
};

struct crew_cost {
    double judged; /* seconds that member 0 took to judge */
    size_t bytes;  /* of sealed entries */
    size_t entries;
};

static inline void crew_count(struct crew_cost *cost, double seconds, size_t bytes)
{
    if (cost == NULL) return;
    cost->judged += seconds;
    cost->bytes += bytes;
    cost->entries++;
}

/* What was just appended is read: by member 0 on the clock, by the judge off it. Returns the seconds
 * that the judge took. */
static inline double crew_read(struct crew *c, struct crew_cost *cost)
{
    struct world *w = &c->w;
    double start = bench_now(), mine, judge = 0;
    world_read(w, 0);
    mine = bench_now() - start;
    crew_count(cost, mine, w->feed[w->n - 1].n);
    if (c->judge != CREW_NOBODY) {
        start = bench_now();
        world_read(w, c->judge);
        judge = bench_now() - start;
        w->m[c->judge].n_trace = 0;
    }
    for (size_t i = 0; i < w->m[0].n_trace; i++)
        bench_must(w->m[0].trace[i].type != GROUP_VOID && w->m[0].trace[i].type != GROUP_BAD_COMMIT,
                   "an entry is void");
    w->m[0].n_trace = 0;
    return judge;
}

static inline double crew_append(struct crew *c, struct group_draft *d, struct crew_cost *cost)
{
    assert_int_equal(d->index, c->w.n);
    world_append_raw(&c->w, buf_view(&d->sealed));
    buf_free(&d->sealed);
    return crew_read(c, cost);
}

/* A draft of member 0. */
#define CREW_POST(c, cost, call)                            \
    do {                                                    \
        uint8_t random_[GROUP_RANDOM];                      \
        struct group_now now = world_now(&(c)->w, random_); \
        struct group_draft draft = {.sealed = BUF_INIT};    \
        bench_ok((call), #call);                            \
        (void)crew_append((c), &draft, (cost));             \
    } while (0)

/* An entry by anybody, out of its keys. */
static inline void crew_post(struct crew *c, size_t by, uint8_t type, const struct fields *fields,
                             const void *body, struct crew_cost *cost)
{
    struct world *w = &c->w;
    const struct group *g = w->m[0].g;
    uint8_t random[ENTRY0_BACK + ENTRY0_NONCE];
    struct buf text = BUF_INIT, sealed = BUF_INIT;
    bench_ok(fields_encode(fields, body, &text), "fields_encode");
    struct entry0 e = entry_of(w, 0, type, buf_view(&text));
    sign_public(w->m[by].id_seed, e.actor);
    world_random(w, random, sizeof random);
    entry0_sign(&e, g->enclave_id, w->m[by].id_seed);
    bench_ok(entry0_seal(&e, w->room, g->rows[ledger_epoch(g->ledger)].log, random,
                         random + ENTRY0_BACK, &sealed),
             "entry0_seal");
    world_append_raw(w, buf_view(&sealed));
    buf_free(&sealed);
    buf_free(&text);
    (void)crew_read(c, cost);
}

static inline const struct ledger_leaf *crew_leaf(const struct crew *c, size_t i)
{
    uint8_t id[32];
    sign_public(c->w.m[i].id_seed, id);
    return ledger_by_id(group_ledger(c->w.m[0].g), id);
}

static inline bool crew_member(const struct crew *c, size_t i)
{
    const struct ledger_leaf *leaf = crew_leaf(c, i);
    return leaf != NULL && leaf->member_now;
}

/* Whose veto keys run low shows new ones. */
static inline void crew_keys(struct crew *c, size_t i, struct crew_cost *cost)
{
    const struct ledger_leaf *leaf = crew_leaf(c, i);
    uint8_t keys[GROUP_VETO_BATCH][VETO_KEY], x[VETO_SCALAR];
    struct group *g = c->w.m[0].g;
    if (leaf->stock.n >= GROUP_VETO_LOW) return;
    if (i == 0) {
        CREW_POST(c, cost, group_make_veto_keys(g, &now, &draft));
        return;
    }
    for (uint32_t k = 0; k < GROUP_VETO_BATCH; k++)
        world_veto_key(&c->w.m[i], ledger_enclave_id(group_ledger(g)), leaf->stock.next + k, x,
                       keys[k]);
    struct veto_keys b = {.keys = {keys[0], GROUP_VETO_BATCH}};
    crew_post(c, i, LEDGER_VETO_KEYS, &veto_keys_fields, &b, cost);
}

/* The ballot of one who is only its keys. */
static inline void crew_ballot(struct crew *c, size_t i, const struct ledger_proposal *p, bool yes,
                               struct crew_cost *cost)
{
    struct world *w = &c->w;
    const uint8_t *enclave_id = ledger_enclave_id(group_ledger(w->m[0].g));
    const struct ledger_leaf *leaf = crew_leaf(c, i);
    const struct ledger_voter *v = NULL;
    uint8_t form[BALLOT_FORM_MAX], x[VETO_SCALAR], key[VETO_KEY], random[2 * VETO_RANDOM];
    for (size_t k = 0; k < p->n_voters; k++)
        if (p->voters[k].leaf == leaf->leaf) v = &p->voters[k];
    bench_must(v != NULL, "no voter");
    world_veto_key(&w->m[i], enclave_id, v->serial, x, key);
    world_random(w, random, sizeof random);
    bench_ok(veto_ballot_make(p->ctx, v->place, v->y, x, yes, random, form), "veto_ballot_make");
    struct ballot_body b = {
        .proposal = p->index, .kind = BALLOT_SECRET, .form = BYTES(form, VETO_BALLOT)};
    memcpy(b.hash, p->hash, 32);
    if (p->kind == PROPOSE_ADD)
        ledger_sign_add(w->m[i].seat_seed, w->room, p->candidate.seat, p->hash, b.seat_sig);
    crew_post(c, i, LEDGER_BALLOT, &ballot_body_fields, &b, cost);
}

/* Everybody votes (member 0 last), one of them no if nay is below their number. What the outcome is
 * posts member 0. */
static inline void crew_vote(struct crew *c, uint64_t proposal, size_t target, size_t nay,
                             struct crew_cost *cost)
{
    struct group *g = c->w.m[0].g;
    const struct ledger *l = group_ledger(g);
    for (size_t i = 1; i < c->w.members; i++)
        if (crew_member(c, i) && i != target)
            crew_ballot(c, i, ledger_proposal(l, proposal), i != nay, cost);
    CREW_POST(c, cost, group_make_ballot(g, proposal, nay != 0, &now, &draft));
    bool passed = ledger_proposal(l, proposal)->state == LEDGER_VOTE_PASSED;
    bench_must(passed == (nay == CREW_NOBODY), "the vote ended otherwise");
    if (passed) CREW_POST(c, cost, group_make_outcome(g, proposal, &now, &draft));
}

static inline void crew_refill(struct crew *c)
{
    for (size_t i = 0; i < c->w.members; i++)
        if (crew_member(c, i)) crew_keys(c, i, NULL);
}

/* A COMMIT by member 0. ret_made, ret_judged: seconds; either may be NULL. Returns its size. */
static inline size_t crew_commit(struct crew *c, double *ret_made, double *ret_judged)
{
    uint8_t random[GROUP_RANDOM];
    struct group *g = c->w.m[0].g;
    struct group_now now = world_now(&c->w, random);
    struct group_draft draft = {.sealed = BUF_INIT};
    double start = bench_now();
    bench_ok(group_make_commit(g, ledger_epoch(group_ledger(g)), &now, &draft), "a COMMIT");
    double made = bench_now() - start, judged;
    size_t bytes = draft.sealed.n;
    judged = crew_append(c, &draft, NULL);
    if (ret_made != NULL) *ret_made = made;
    if (ret_judged != NULL) *ret_judged = judged;
    return bytes;
}

/* PROPOSE, all ballots, ADD: the next person is a member. */
static inline size_t crew_admit(struct crew *c, struct crew_cost *cost)
{
    struct world *w = &c->w;
    size_t newcomer = world_person(w);
    struct world_door d;
    world_knock(w, 0, &w->m[newcomer], &d);
    struct group_propose a = world_proposal(&d);
    uint64_t index = w->n;
    CREW_POST(c, cost, group_make_propose(w->m[0].g, &a, &now, &draft));
    world_door_free(&d);
    crew_vote(c, index, CREW_NOBODY, CREW_NOBODY, cost);
    if (!c->alone && c->judge == CREW_NOBODY) {
        world_welcome(w, 0, newcomer);
        c->judge = newcomer;
    }
    return newcomer;
}

static inline void crew_remove(struct crew *c, size_t target, struct crew_cost *cost)
{
    uint16_t leaf = crew_leaf(c, target)->leaf;
    uint64_t index = c->w.n;
    struct group *g = c->w.m[0].g;
    CREW_POST(c, cost, group_make_propose_remove(g, &leaf, 1, BYTES_LIT("a reason"), &now, &draft));
    crew_vote(c, index, target, CREW_NOBODY, cost);
    if (c->judge == target) c->judge = CREW_NOBODY;
}

static inline struct crew *crew_new(void)
{
    struct crew *c = calloc(1, sizeof *c);
    bench_must(c != NULL, "no memory");
    world_begin_kind(&c->w, BALLOT_SECRET, (struct list){NULL, 0});
    c->w.m[0].n_trace = 0;
    c->judge = CREW_NOBODY;
    return c;
}

#endif
