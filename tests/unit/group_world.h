/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * group_world: members of one enclave in memory, and a feed 0 between them
 * that appends by compare-and-swap, for the tests of core/ledger/group. Its
 * "random" bytes come from a counter, so every run is the same.
 *
 * Owns: world_free frees all. Fails through cmocka's assertions. Include after
 * cmocka.h. Order: world_begin, then any, world_free; or world_new and world_end.
 */
#ifndef ENCLAVE_TESTS_GROUP_WORLD_H
#define ENCLAVE_TESTS_GROUP_WORLD_H

#include "core/door/knock.h"
#include "core/door/record.h"
#include "core/ledger/group_state.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "crypto/sign.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef WORLD_MEMBERS /* a bench wants more of each */
#define WORLD_MEMBERS 8
#define WORLD_ENTRIES 640
#define WORLD_TRACE 512
#endif

struct world_member {
    struct group *g;
    uint8_t id_seed[32], seat_seed[32], kem_seed[32];
    char nick[16];
    uint8_t veto_x[KNOCK_VETO_KEYS * VETO_SCALAR]; /* of the keys in its knock */
    bool away;                                     /* reads nothing */
    struct group_event trace[WORLD_TRACE];
    size_t n_trace;
};

struct world {
    uint8_t room[32];
    uint64_t counter;
    uint64_t now_ms;
    struct buf feed[WORLD_ENTRIES];
    size_t n;
    struct world_member m[WORLD_MEMBERS];
    size_t members;                     /* places used */
    size_t knock_keys;                  /* veto keys that a candidate brings */
    uint64_t (*clock)(struct world *w); /* what members write as the time; NULL: now_ms */
};

static inline void world_random(struct world *w, uint8_t *out, size_t n)
{
    for (size_t at = 0; at < n; at += 32) {
        uint8_t number[8], block[32];
        put_u64(number, w->counter++);
        SHA256_OF(block, BYTES_LIT("world"), BYTES_OF(number));
        memcpy(out + at, block, n - at < 32 ? n - at : 32);
    }
}

static inline struct group_now world_now(struct world *w, uint8_t random[GROUP_RANDOM])
{
    world_random(w, random, GROUP_RANDOM);
    uint64_t told = w->clock == NULL ? w->now_ms : w->clock(w);
    return (struct group_now){.now_ms = told, .random = random};
}

static inline void world_collect(struct world_member *m)
{
    struct group_event ev;
    while (group_event(m->g, &ev)) {
        assert_true(m->n_trace < WORLD_TRACE);
        m->trace[m->n_trace++] = ev;
    }
}

/* How often an event of this type was seen; the last one in *ret. */
static inline size_t world_saw(const struct world_member *m, enum group_event_type type,
                               struct group_event *ret)
{
    size_t n = 0;
    for (size_t i = 0; i < m->n_trace; i++)
        if (m->trace[i].type == type) {
            n++;
            if (ret != NULL) *ret = m->trace[i];
        }
    return n;
}

static inline void world_forget(struct world *w)
{
    for (size_t i = 0; i < w->members; i++) w->m[i].n_trace = 0;
}

/* A member reads to the end. */
static inline void world_read(struct world *w, size_t i)
{
    struct world_member *m = &w->m[i];
    while (m->g != NULL && group_wants(m->g) < w->n) {
        uint64_t at = group_wants(m->g);
        assert_int_equal(group_take(m->g, at, buf_view(&w->feed[at]), w->now_ms), ST_OK);
        world_collect(m);
    }
}

static inline void world_sync(struct world *w)
{
    for (size_t i = 0; i < w->members; i++)
        if (!w->m[i].away) world_read(w, i);
}

static inline void world_append_raw(struct world *w, struct bytes sealed)
{
    assert_true(w->n < WORLD_ENTRIES);
    w->feed[w->n] = BUF_INIT;
    buf_bytes(&w->feed[w->n++], sealed);
}

/* Appends a draft and lets all who are there read it. */
static inline void world_append(struct world *w, struct group_draft *d)
{
    assert_int_equal(d->index, w->n);
    world_append_raw(w, buf_view(&d->sealed));
    buf_free(&d->sealed);
    world_sync(w);
}

/* ---- for villains ---- */

/* Seals whatever a member with keys wants to post; e's index, chain, epoch, rules may be wrong. */
static inline void post_entry(struct world *w, size_t by, struct entry0 *e, const uint8_t back[48])
{
    uint8_t nonce[24];
    struct buf sealed = BUF_INIT;
    const struct group *g = w->m[by].g;
    world_random(w, nonce, 24);
    entry0_sign(e, g->enclave_id, w->m[by].id_seed);
    assert_int_equal(
        entry0_seal(e, w->room, g->rows[ledger_epoch(g->ledger)].log, back, nonce, &sealed), ST_OK);
    world_append_raw(w, buf_view(&sealed));
    buf_free(&sealed);
    world_sync(w);
}

static inline struct entry0 entry_of(struct world *w, size_t by, uint8_t type, struct bytes body)
{
    const struct group *g = w->m[by].g;
    struct entry0 e = {.index = w->n,
                       .epoch = ledger_epoch(g->ledger),
                       .rules = LEDGER_RULES,
                       .type = type,
                       .time_ms = w->now_ms,
                       .body = body};
    memcpy(e.prev_chain, ledger_chain(g->ledger), 32);
    memcpy(e.actor, g->id, 32);
    return e;
}

/* Killed and started again from the row that it would have stored now. */
static inline void world_restart(struct world *w, size_t i)
{
    struct buf saved = BUF_INIT;
    struct world_member *m = &w->m[i];
    assert_int_equal(group_save(m->g, &saved), ST_OK);
    group_saved(m->g);
    assert_false(group_dirty(m->g));
    group_free(m->g);
    m->g = NULL;
    assert_int_equal(group_load(buf_view(&saved), &m->g), ST_OK);
    m->n_trace = 0;
    buf_free(&saved);
}

/* An older row takes the place of what a member is now, and it reads to the end. */
static inline void world_restore(struct world *w, size_t i, struct bytes saved)
{
    struct world_member *m = &w->m[i];
    group_free(m->g);
    m->g = NULL;
    assert_int_equal(group_load(saved, &m->g), ST_OK);
    m->n_trace = 0;
    world_read(w, i);
}

/* What stands inside a draft; e points into plain. */
static inline void world_unseal(const struct world *w, size_t by, const struct group_draft *d,
                                struct buf *plain, struct entry0 *e)
{
    const struct group *g = w->m[by].g;
    assert_int_equal(entry0_open(buf_view(&d->sealed), w->room,
                                 g->rows[ledger_epoch(g->ledger)].log, d->index, plain),
                     ST_OK);
    assert_int_equal(entry0_split(buf_view(plain), e), ST_OK);
}

static inline bool world_watches(const struct world_member *m)
{
    return m->g != NULL && !m->away && m->g->phase == GROUP_LIVE && !m->g->out;
}

/* Posts a body as member `by`; for all alike it must be void for this reason and its author named, or
 * valid if reason is NULL. */
static inline void post_bytes(struct world *w, size_t by, uint8_t type, struct bytes body,
                              const char *reason)
{
    static const uint8_t back[48];
    struct entry0 e = entry_of(w, by, type, body);
    world_forget(w);
    post_entry(w, by, &e, back);
    for (size_t i = 0; i < w->members; i++) {
        struct group_event ev = {.reason = ""};
        if (!world_watches(&w->m[i])) continue;
        size_t n =
            world_saw(&w->m[i], GROUP_VOID, &ev) + world_saw(&w->m[i], GROUP_BAD_COMMIT, &ev);
        if (reason == NULL) {
            if (n != 0) fail_msg("void: %s", ev.reason);
        } else {
            if (n != 1) fail_msg("not void, expected: %s", reason);
            assert_string_equal(ev.reason, reason);
            assert_int_equal(ev.leaf, group_leaf(w->m[by].g));
        }
    }
}

static inline void post_body(struct world *w, size_t by, uint8_t type, const struct fields *f,
                             const void *body, const char *reason)
{
    struct buf text = BUF_INIT;
    assert_int_equal(fields_encode(f, body, &text), ST_OK);
    post_bytes(w, by, type, buf_view(&text), reason);
    buf_free(&text);
}

#define WORLD_POST(w, call)                              \
    do {                                                 \
        uint8_t random_[GROUP_RANDOM];                   \
        struct group_now now = world_now((w), random_);  \
        struct group_draft draft = {.sealed = BUF_INIT}; \
        assert_int_equal((call), ST_OK);                 \
        world_append((w), &draft);                       \
    } while (0)

/* Like WORLD_POST, but what is made is left in draft: a race that is lost, or will be. */
#define WORLD_DRAFT(w, draft_, call)                     \
    do {                                                 \
        uint8_t random_[GROUP_RANDOM];                   \
        struct group_now now = world_now((w), random_);  \
        struct group_draft draft = {.sealed = BUF_INIT}; \
        assert_int_equal((call), ST_OK);                 \
        *(draft_) = draft;                               \
    } while (0)

#define WORLD_REFUSED(w, status, call)                   \
    do {                                                 \
        uint8_t random_[GROUP_RANDOM];                   \
        struct group_now now = world_now((w), random_);  \
        struct group_draft draft = {.sealed = BUF_INIT}; \
        assert_int_equal((call), (status));              \
        buf_free(&draft.sealed);                         \
    } while (0)

static inline size_t world_person(struct world *w)
{
    assert_true(w->members < WORLD_MEMBERS);
    struct world_member *m = &w->m[w->members];
    memset(m, 0, sizeof *m);
    world_random(w, m->id_seed, 32);
    world_random(w, m->seat_seed, 32);
    world_random(w, m->kem_seed, 32);
    snprintf(m->nick, sizeof m->nick, "person %zu", w->members);
    return w->members++;
}

/* The revocation key that a person's words would give, and its hash. */
static inline void world_revocation(const struct world_member *m, uint8_t ret_key[32],
                                    uint8_t ret_hash[32])
{
    SHA256_OF(ret_key, BYTES_LIT("revoke"), BYTES_OF(m->kem_seed));
    sha256(BYTES(ret_key, 32), ret_hash);
}

/* The veto keys of a person's knock: always the same for the same person and enclave. */
static inline void world_veto_key(const struct world_member *m, const uint8_t enclave_id[32],
                                  uint32_t serial, uint8_t ret_x[VETO_SCALAR],
                                  uint8_t ret_key[VETO_KEY])
{
    uint8_t id[32], number[4], text[36], random[2 * VETO_RANDOM];
    put_u32(number, serial);
    memcpy(text, m->kem_seed, 32);
    memcpy(text + 32, number, 4);
    shake256(BYTES_OF(text), random, sizeof random);
    sign_public(m->id_seed, id);
    veto_key_make(enclave_id, id, serial, random, ret_x, ret_key);
}

static inline struct group_self world_self(const struct world *w, struct world_member *m,
                                           const uint8_t enclave_id[32])
{
    uint8_t key[VETO_KEY];
    for (size_t i = 0; i < w->knock_keys; i++)
        world_veto_key(m, enclave_id, (uint32_t)i, m->veto_x + i * VETO_SCALAR, key);
    return (struct group_self){m->id_seed, m->seat_seed, m->kem_seed, m->veto_x, w->knock_keys};
}

static inline void world_duties(struct world *w);

static inline void world_begin_kind(struct world *w, uint8_t ballot_kind, struct list policy)
{
    memset(w, 0, sizeof *w);
    w->now_ms = UINT64_C(1790000000000);
    w->knock_keys = ballot_kind == BALLOT_SECRET ? KNOCK_VETO_KEYS : 0;
    world_random(w, w->room, 32);
    struct world_member *m = &w->m[world_person(w)];
    uint8_t bytes[64], random[GROUP_RANDOM], key[32], hash[32];
    world_random(w, bytes, sizeof bytes);
    world_revocation(m, key, hash);
    struct ledger_sentinel sentinel = {.address = "127.0.0.1:4433"};
    struct group_create a = {.self = {m->id_seed, m->seat_seed, m->kem_seed, NULL, 0},
                             .room = w->room,
                             .genesis_random = bytes,
                             .epoch_secret = bytes + 32,
                             .revoke_hash = hash,
                             .nick = bytes_str(m->nick),
                             .name = BYTES_LIT("the circle"),
                             .ballot_kind = ballot_kind,
                             .sentinels = &sentinel,
                             .n_sentinels = 1,
                             .policy = policy};
    struct group_now now = world_now(w, random);
    struct group_draft draft = {.sealed = BUF_INIT};
    assert_int_equal(group_create(&a, &now, &m->g, &draft), ST_OK);
    world_append(w, &draft);
    assert_true(group_in(m->g));
    world_duties(w); /* a creator shows its veto keys where votes are secret */
}

static inline void world_begin_with(struct world *w, struct list policy)
{
    world_begin_kind(w, BALLOT_OPEN, policy);
}

static inline void world_begin(struct world *w)
{
    world_begin_kind(w, BALLOT_OPEN, (struct list){NULL, 0});
}

static inline void world_free(struct world *w)
{
    for (size_t i = 0; i < w->members; i++) group_free(w->m[i].g);
    for (size_t i = 0; i < w->n; i++) buf_free(&w->feed[i]);
}

/* What an inviter holds of a candidate: as core/door makes it. */
struct world_door {
    struct buf knock, record;
    uint8_t door[32], reply[32], invitation[32];
};

static inline void world_knock(struct world *w, size_t inviter, const struct world_member *who,
                               struct world_door *ret)
{
    struct invitation inv = {.address = "127.0.0.1:4433", .expiry = 1790600000};
    struct door_record record = {.ballot = ledger_ballot_kind(group_ledger(w->m[inviter].g))};
    struct knock k = {.nick = bytes_str(who->nick), .message = BYTES_LIT("it is me")};
    struct door_keys keys;
    struct buf sealed = BUF_INIT;
    uint8_t kem[32], nonce[24], coins[KEM_COINS], secret[32], *blob = malloc(KNOCK_BLOB);
    uint8_t keys_shown[KNOCK_VETO_KEYS * VETO_KEY];
    const struct group *g = w->m[inviter].g;
    ret->knock = ret->record = BUF_INIT;
    memcpy(inv.room, w->room, 32);
    memcpy(inv.enclave_id, ledger_enclave_id(group_ledger(g)), 32);
    world_random(w, inv.door_secret, 32);
    sign_public(group_id_seed(g), record.inviter);
    sha256(BYTES_OF(record.inviter), inv.inviter_hash);
    memcpy(record.enclave_id, inv.enclave_id, 32);
    world_random(w, kem, 32);
    world_random(w, nonce, 24);
    world_random(w, coins, sizeof coins);
    kem_public(kem, record.kem);
    door_keys_of(inv.door_secret, &keys);
    assert_int_equal(
        door_record_seal(&record, group_id_seed(g), keys.record_key, nonce, &ret->record, &sealed),
        ST_OK);
    sign_public(who->id_seed, k.id);
    sign_public(who->seat_seed, k.seat);
    kem_public(who->kem_seed, k.kem);
    world_revocation(who, secret, k.revocation);
    for (size_t i = 0; i < w->knock_keys; i++)
        world_veto_key(who, inv.enclave_id, (uint32_t)i, secret, keys_shown + i * VETO_KEY);
    k.veto_keys = (struct list){keys_shown, w->knock_keys};
    assert_int_equal(knock_build(&inv, record.kem, &k, who->id_seed, coins, &ret->knock, blob),
                     ST_OK);
    assert_int_equal(invitation_hash(&inv, ret->invitation), ST_OK);
    memcpy(ret->door, keys.token_hash, 32);
    world_random(w, ret->reply, 32);
    buf_free(&sealed);
    free(blob);
}

static inline void world_door_free(struct world_door *d)
{
    buf_free(&d->knock);
    buf_free(&d->record);
}

static inline struct group_propose world_proposal(const struct world_door *d)
{
    return (struct group_propose){.compared = true,
                                  .door = d->door,
                                  .reply = d->reply,
                                  .invitation = d->invitation,
                                  .knock = buf_view(&d->knock),
                                  .record = buf_view(&d->record)};
}

/* PROPOSE by a member for a person; the proposal's index. */
static inline uint64_t world_propose(struct world *w, size_t by, const struct world_member *who)
{
    struct world_door d;
    world_knock(w, by, who, &d);
    struct group_propose a = world_proposal(&d);
    uint64_t index = w->n;
    WORLD_POST(w, group_make_propose(w->m[by].g, &a, &now, &draft));
    world_door_free(&d);
    assert_non_null(ledger_proposal(group_ledger(w->m[by].g), index));
    return index;
}

static inline void world_ballot(struct world *w, size_t i, uint64_t proposal, bool yes)
{
    WORLD_POST(w, group_make_ballot(w->m[i].g, proposal, yes, &now, &draft));
}

/* The newcomer gets its WELCOME from a member and begins to read. */
static inline void world_welcome(struct world *w, size_t by, size_t newcomer)
{
    struct world_member *m = &w->m[newcomer];
    uint8_t id[32];
    struct group_welcome welcome;
    sign_public(m->id_seed, id);
    const struct ledger_leaf *leaf = ledger_by_id(group_ledger(w->m[by].g), id);
    assert_non_null(leaf);
    assert_int_equal(group_welcome(w->m[by].g, leaf->leaf, &welcome), ST_OK);
    const uint8_t *enclave_id = ledger_enclave_id(group_ledger(w->m[by].g));
    struct group_join a = {.self = world_self(w, m, enclave_id),
                           .room = w->room,
                           .enclave_id = enclave_id,
                           .add_index = welcome.add_index,
                           .chain = welcome.chain,
                           .epoch = welcome.epoch,
                           .log_key = welcome.log_key};
    assert_int_equal(group_join(&a, &m->g), ST_OK);
    world_read(w, newcomer);
}

/* A lost member whose RENEW is in the ledger gets a WELCOME from another and begins to read again. */
static inline void world_rejoin(struct world *w, size_t by, size_t lost)
{
    struct world_member *m = &w->m[lost];
    struct group_welcome welcome;
    struct group *fresh;
    assert_int_equal(group_welcome(w->m[by].g, group_leaf(m->g), &welcome), ST_OK);
    assert_int_equal(group_rejoin(m->g, &welcome, &fresh), ST_OK);
    group_free(m->g);
    m->g = fresh;
    world_read(w, lost);
}

static inline bool world_is_in(const struct world_member *m)
{
    return m->g != NULL && group_writable(m->g);
}

static inline void world_renew(struct world *w, size_t who)
{
    uint8_t key[32], hash[32];
    world_revocation(&w->m[who], key, hash);
    WORLD_POST(w, group_make_renew(w->m[who].g, hash, &now, &draft));
    for (size_t i = 0; i < w->members; i++)
        if (i != who && !w->m[i].away && world_is_in(&w->m[i]) && group_in(w->m[i].g)) {
            world_rejoin(w, i, who);
            return;
        }
}

static inline void world_duty(struct world *w, size_t who, const struct group_next *next)
{
    struct group *g = w->m[who].g;
    switch (next->duty) {
    case GROUP_POST_ADD:
    case GROUP_POST_REMOVE:
    case GROUP_POST_POLICY:
        WORLD_POST(w, group_make_outcome(g, next->proposal, &now, &draft));
        break;
    case GROUP_POST_UPDATE: WORLD_POST(w, group_make_update(g, &now, &draft)); break;
    case GROUP_POST_VETO_KEYS: WORLD_POST(w, group_make_veto_keys(g, &now, &draft)); break;
    case GROUP_POST_RENEW: world_renew(w, who); break;
    case GROUP_POST_HEAD:
        WORLD_POST(w, group_make_head(g, group_epoch(g), 0, 0, NULL, &now, &draft));
        break;
    default: WORLD_POST(w, group_make_commit(g, 0, &now, &draft)); break;
    }
}

/* Everybody confirms what it knows: nothing is owed but what later events bring. */
static inline void world_heads(struct world *w)
{
    for (size_t i = 0; i < w->members; i++) {
        if (w->m[i].away || w->m[i].g == NULL || !group_in(w->m[i].g)) continue;
        struct group_next head = {.duty = GROUP_POST_HEAD};
        world_duty(w, i, &head);
    }
}

/* Does whatever duties are due, in the order of turns, until nothing is left but to wait. */
static inline void world_duties(struct world *w)
{
    for (size_t round = 0; round < 64; round++) {
        size_t who = w->members;
        struct group_next best = {.at_ms = UINT64_MAX};
        for (size_t i = 0; i < w->members; i++) {
            if (w->m[i].away || w->m[i].g == NULL) continue;
            struct group_next next = group_next(w->m[i].g, w->now_ms);
            bool soon = next.duty != GROUP_NOTHING && next.duty != GROUP_POST_EXPIRE &&
                        next.duty != GROUP_POST_HEAD;
            if (soon && next.at_ms < best.at_ms) {
                best = next;
                who = i;
            }
        }
        if (who == w->members) return;
        if (best.at_ms > w->now_ms) w->now_ms = best.at_ms;
        world_duty(w, who, &best);
    }
    fail_msg("duties never end");
}

/* Everybody says yes; the newcomer is welcomed after ADD and brought in by the COMMIT. */
static inline size_t world_admit(struct world *w, size_t by)
{
    size_t newcomer = world_person(w);
    uint64_t p = world_propose(w, by, &w->m[newcomer]);
    for (size_t i = 0; i < newcomer; i++)
        if (world_is_in(&w->m[i])) world_ballot(w, i, p, true);
    assert_int_equal(ledger_proposal(group_ledger(w->m[by].g), p)->state, LEDGER_VOTE_PASSED);
    WORLD_POST(w, group_make_outcome(w->m[by].g, p, &now, &draft));
    world_welcome(w, by, newcomer);
    world_duties(w);
    assert_true(group_in(w->m[newcomer].g));
    return newcomer;
}

/* An enclave of so many, on the heap. */
static inline struct world *world_new(uint8_t ballot_kind, size_t members)
{
    struct world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    world_begin_kind(w, ballot_kind, (struct list){NULL, 0});
    while (w->members < members) (void)world_admit(w, 0);
    world_forget(w);
    return w;
}

static inline void world_end(struct world *w)
{
    world_free(w);
    free(w);
}

/* Who is no member and may become one. */
static inline struct world_member world_stranger(struct world *w)
{
    struct world_member who = {.nick = "stranger"};
    world_random(w, who.id_seed, 96);
    return who;
}

/* For cmocka_run_group_tests. */
static inline int world_crypto(void **state)
{
    (void)state;
    return crypto_start() == ST_OK ? 0 : -1;
}

/* All who are inside hold the same keys and see the same ledger. */
static inline void world_agree(const struct world *w)
{
    const struct group *first = NULL;
    for (size_t i = 0; i < w->members; i++) {
        const struct group *g = w->m[i].g;
        if (w->m[i].away || g == NULL || !group_in(g)) continue;
        if (first == NULL) first = g;
        struct seen a = group_seen(first), b = group_seen(g);
        uint8_t k1[32], k2[32], d1[32], d2[32], p1[32], p2[32];
        assert_true(seen_same(&a, &b));
        assert_int_equal(group_epoch(first), group_epoch(g));
        for (enum group_key key = GROUP_KEY_DOOR; key <= GROUP_KEY_PAIR; key++) {
            assert_int_equal(group_key(first, key, group_epoch(g), k1), ST_OK);
            assert_int_equal(group_key(g, key, group_epoch(g), k2), ST_OK);
            assert_memory_equal(k1, k2, 32);
        }
        assert_int_equal(group_generation(first, d1, p1), group_generation(g, d2, p2));
        assert_memory_equal(d1, d2, 32);
        assert_memory_equal(p1, p2, 32);
        assert_int_equal(ledger_members(group_ledger(first)), ledger_members(group_ledger(g)));
        assert_int_equal(ledger_generation(group_ledger(g)), group_generation(g, d2, p2));
    }
    assert_non_null(first);
}

#endif
