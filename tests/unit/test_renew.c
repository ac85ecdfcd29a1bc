/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto core/feed core/ballot core/epoch core/door core/ledger */
/* A member that lost the thread shows a new key, and is taken in again as the same member. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#include "unit/group_world.h"

static const struct ledger *ledger_of(const struct world *w)
{
    return group_ledger(w->m[0].g);
}

/* Brought back from a row so old that it cannot follow: its own COMMITs since then made its key another
 * one. m[0] stays with the thread. */
static void lose(struct world *w, size_t i)
{
    struct buf saved = BUF_INIT;
    size_t other = i == 0 ? 1 : 0;
    assert_int_equal(group_save(w->m[i].g, &saved), ST_OK);
    for (int k = 0; k < 3; k++) {
        WORLD_POST(w, group_make_commit(w->m[i].g, 0, &now, &draft));
        WORLD_POST(w, group_make_commit(w->m[other].g, 0, &now, &draft));
    }
    world_restore(w, i, buf_view(&saved));
    buf_free(&saved);
}

static uint64_t post_renewal(struct world *w, size_t i)
{
    uint8_t key[32], hash[32];
    uint64_t index = w->n;
    world_revocation(&w->m[i], key, hash);
    WORLD_POST(w, group_make_renew(w->m[i].g, hash, &now, &draft));
    return index;
}

static void one_who_is_lost_comes_back(void **state)
{
    (void)state;
    for (size_t who = 0; who < 3; who += 2) { /* the creator, too */
        struct world *w = world_new(BALLOT_SECRET, 4);
        size_t other = who == 0 ? 1 : 0;
        struct group_event ev;
        uint8_t kept[32], key[32];
        uint64_t e = group_epoch(w->m[who].g);
        assert_int_equal(group_key(w->m[who].g, GROUP_KEY_PAIR, e, kept), ST_OK);
        lose(w, who);
        struct group *g = w->m[who].g;
        assert_int_equal(world_saw(&w->m[who], GROUP_LOST, NULL), 1);
        assert_true(group_lost(g) && !group_writable(g));
        WORLD_REFUSED(w, ST_DENIED, group_make_away(g, 0, &now, &draft));
        WORLD_REFUSED(w, ST_DENIED, group_make_renew(w->m[other].g, key, &now, &draft));
        assert_int_equal(group_next(g, w->now_ms).duty, GROUP_POST_RENEW);
        world_forget(w);
        uint64_t renewal = post_renewal(w, who);
        for (size_t i = 0; i < 4; i++) { /* all read it, the author among them */
            assert_int_equal(world_saw(&w->m[i], GROUP_RENEWED, &ev), 1);
            assert_int_equal(ev.leaf, who);
        }
        assert_int_equal(group_next(g, w->now_ms).duty, GROUP_NOTHING); /* once */
        const struct ledger_leaf *f = ledger_leaf(group_ledger(w->m[other].g), (uint16_t)who);
        assert_true(f->renewed);
        assert_int_equal(f->renewals, 1);
        assert_int_equal(f->stock.n, 0);
        assert_int_equal(ledger_due(group_ledger(w->m[other].g)), renewal);
        assert_int_equal(ledger_turn(group_ledger(w->m[other].g), (uint16_t)who), LEDGER_NOBODY);
        world_rejoin(w, other, who);
        g = w->m[who].g;
        assert_int_equal(group_leaf(g), who);
        assert_false(group_in(g));
        assert_int_equal(group_next(g, w->now_ms).duty, GROUP_NOTHING);
        WORLD_REFUSED(w, ST_DENIED, group_make_commit(g, 0, &now, &draft));
        world_duties(w);
        assert_true(group_in(g));
        assert_int_equal(world_saw(&w->m[who], GROUP_IN, NULL), 1);
        assert_false(group_restored(g));
        world_agree(w);
        /* what it held of before it was lost it still holds */
        assert_int_equal(group_key(g, GROUP_KEY_PAIR, e, key), ST_OK);
        assert_memory_equal(key, kept, 32);
        /* its keys from before are dead; it votes with new ones, and so do the others */
        f = ledger_leaf(group_ledger(w->m[other].g), (uint16_t)who);
        assert_false(f->renewed);
        assert_int_equal(f->stock.n, LEDGER_VETO_KEYS_MAX);
        assert_int_equal(f->stock.serial[0], 16);
        world_restart(w, who);
        world_read(w, who);
        (void)world_admit(w, other);
        WORLD_POST(w, group_make_commit(w->m[who].g, 0, &now, &draft));
        (void)world_admit(w, who);
        world_agree(w);
        world_end(w);
    }
}

/* The target may not end the vote on its own removal, and who could has stopped: one whose RENEW waits
 * ends it, after those who hold keys had their turns; else nobody ever began an epoch again. */
static void who_waits_for_keys_ends_a_vote(void **state)
{
    (void)state;
    struct world *w = world_new(BALLOT_OPEN, 3);
    uint16_t target = 0;
    lose(w, 2);
    (void)post_renewal(w, 2);
    world_rejoin(w, 0, 2);
    uint64_t p = w->n;
    WORLD_POST(w, group_make_propose_remove(w->m[1].g, &target, 1, BYTES_NONE, &now, &draft));
    world_read(w, 2);
    assert_int_equal(ledger_turn(ledger_of(w), 2), LEDGER_NOBODY);
    assert_int_equal(ledger_turn_expire(ledger_of(w), 1), 0);
    assert_int_equal(ledger_turn_expire(ledger_of(w), 2), 1);
    assert_int_equal(ledger_turn_expire(ledger_of(w), 0), LEDGER_NOBODY);
    struct group_next next = group_next(w->m[2].g, w->now_ms);
    assert_int_equal(next.duty, GROUP_POST_EXPIRE);
    assert_int_equal(next.proposal, p);
    assert_int_equal(next.at_ms, w->now_ms + UINT64_C(72) * 3600 * 1000 + LEDGER_TURN_MS);
    assert_int_equal(group_next(w->m[0].g, next.at_ms).duty, GROUP_NOTHING);
    w->now_ms = next.at_ms;
    WORLD_POST(w, group_make_expire(w->m[2].g, p, &now, &draft));
    assert_int_equal(ledger_proposal(ledger_of(w), p)->state, LEDGER_VOTE_EXPIRED);
    WORLD_POST(w, group_make_commit(w->m[0].g, 0, &now, &draft));
    assert_true(group_in(w->m[2].g));
    world_agree(w);
    world_end(w);
}

static void twice_is_another_time(void **state)
{
    (void)state;
    struct world *w = world_new(BALLOT_OPEN, 3);
    for (uint64_t times = 1; times <= 2; times++) {
        lose(w, 2);
        world_duties(w); /* RENEW, its answer, a COMMIT */
        assert_true(group_in(w->m[2].g));
        assert_int_equal(ledger_leaf(ledger_of(w), 2)->renewals, times);
        world_agree(w);
    }
    (void)world_admit(w, 2);
    world_agree(w);
    world_end(w);
}

/* The same backup is brought back twice: the secret of the first RENEW is lost, too. */
static void lost_again_on_the_way(void **state)
{
    (void)state;
    for (int taken_in = 0; taken_in < 2; taken_in++) {
        struct world *w = world_new(BALLOT_OPEN, 3);
        struct buf saved = BUF_INIT;
        lose(w, 2);
        assert_int_equal(group_save(w->m[2].g, &saved), ST_OK);
        (void)post_renewal(w, 2);
        if (taken_in) world_duties(w);
        world_restore(w, 2, buf_view(&saved));
        assert_true(group_lost(w->m[2].g));
        assert_true(ledger_leaf(group_ledger(w->m[2].g), 2)->renewed); /* as far as it can see */
        assert_int_equal(group_next(w->m[2].g, w->now_ms).duty, GROUP_POST_RENEW);
        world_duties(w);
        assert_true(group_in(w->m[2].g));
        assert_int_equal(ledger_leaf(ledger_of(w), 2)->renewals, 2);
        world_agree(w);
        buf_free(&saved);
        world_end(w);
    }
}

/* The answer may be given late: the epoch has gone on, and the new key with it. */
static void an_answer_may_come_late(void **state)
{
    (void)state;
    struct world *w = world_new(BALLOT_OPEN, 3);
    lose(w, 2);
    (void)post_renewal(w, 2);
    world_duties(w);
    WORLD_POST(w, group_make_commit(w->m[1].g, 0, &now, &draft));
    assert_false(ledger_leaf(ledger_of(w), 2)->renewed);
    world_rejoin(w, 1, 2);
    assert_true(group_in(w->m[2].g));
    world_duties(w);
    world_agree(w);
    world_end(w);
}

/* Killed in the middle of reading again. */
static void a_restart_on_the_way_back(void **state)
{
    (void)state;
    struct world *w = world_new(BALLOT_SECRET, 3);
    struct group_welcome welcome;
    struct group *fresh;
    uint8_t x[VETO_SCALAR] = {7};
    lose(w, 1);
    uint64_t renewal = post_renewal(w, 1);
    assert_int_equal(group_veto_add(w->m[1].g, 99, x), ST_OK); /* whatever is still there ... */
    assert_int_equal(group_welcome(w->m[0].g, 1, &welcome), ST_OK);
    assert_int_equal(welcome.add_index, renewal);
    buf_str(&w->m[1].g->proof, "kept"); /* of a fork, from before */
    assert_int_equal(group_rejoin(w->m[1].g, &welcome, &fresh), ST_OK);
    assert_true(bytes_same(group_proof(fresh), BYTES_LIT("kept")));
    group_free(w->m[1].g);
    w->m[1].g = fresh;
    assert_int_equal(fresh->n_veto, 0); /* ... is not good any more */
    assert_true(fresh->veto_dead);
    for (uint64_t i = 0; i < 5; i++)
        assert_int_equal(group_take(fresh, i, buf_view(&w->feed[i]), w->now_ms), ST_OK);
    world_restart(w, 1);
    world_read(w, 1);
    world_restart(w, 1);
    world_read(w, 1);
    assert_true(group_restored(w->m[1].g));
    world_duties(w);
    assert_true(group_in(w->m[1].g));
    world_agree(w);
    world_end(w);
}

/* A WELCOME that is none leads nowhere. */
static void a_false_answer(void **state)
{
    (void)state;
    struct world *w = world_new(BALLOT_OPEN, 3);
    struct group_welcome good, bad;
    lose(w, 2);
    uint64_t renewal = post_renewal(w, 2);
    assert_int_equal(group_welcome(w->m[0].g, 2, &good), ST_OK);
    for (int lie = 0; lie < 4; lie++) {
        struct group *g;
        enum status st = ST_OK;
        bad = good;
        switch (lie) {
        case 0: bad.log_key[3] ^= 1; break;
        case 1: bad.chain[3] ^= 1; break;
        case 2: bad.epoch--; break;
        case 3: /* the entry before the RENEW */
            bad.add_index--;
            memcpy(bad.chain, ledger_chain_at(ledger_of(w), renewal), 32);
            break;
        }
        assert_int_equal(group_rejoin(w->m[2].g, &bad, &g), ST_OK);
        while (st == ST_OK && group_wants(g) < w->n)
            st = group_take(g, group_wants(g), buf_view(&w->feed[group_wants(g)]), w->now_ms);
        assert_true(st == ST_INTEGRITY || st == ST_FORK);
        assert_false(group_writable(g));
        group_free(g);
    }
    assert_true(group_lost(w->m[2].g)); /* and the true one is good still */
    world_rejoin(w, 0, 2);
    world_duties(w);
    world_agree(w);
    world_end(w);
}

/* It cannot recompute the joiner secret either: whoever lets it in falsely is told of. */
static void a_false_entrance_is_noticed(void **state)
{
    (void)state;
    struct world *w = world_new(BALLOT_OPEN, 3);
    struct group_event ev;
    struct seen mine, theirs;
    struct group_draft d;
    uint8_t init[32];
    lose(w, 2);
    (void)post_renewal(w, 2);
    world_rejoin(w, 0, 2);
    memcpy(init, w->m[1].g->secrets->init, 32);
    world_random(w, w->m[1].g->secrets->init, 32); /* the liar */
    WORLD_DRAFT(w, &d, group_make_commit(w->m[1].g, 0, &now, &draft));
    memcpy(w->m[1].g->secrets->init, init, 32);
    world_forget(w);
    world_append(w, &d);
    assert_int_equal(world_saw(&w->m[0], GROUP_BAD_COMMIT, &ev), 1);
    assert_int_equal(ev.leaf, 1);
    assert_true(group_in(w->m[2].g)); /* it believed it */
    WORLD_POST(w, group_make_commit(w->m[0].g, 0, &now, &draft));
    assert_true(group_forked(w->m[2].g, &mine, &theirs));
    assert_false(group_writable(w->m[2].g));
    assert_int_equal(world_saw(&w->m[2], GROUP_FORK, &ev), 1);
    assert_int_equal(ev.leaf, 0);
    assert_true(group_writable(w->m[0].g) && group_writable(w->m[1].g));
    world_end(w);
}

/* No ballot goes out before new keys are in. */
static void no_vote_before_the_commit(void **state)
{
    (void)state;
    struct world *w = world_new(BALLOT_OPEN, 3);
    struct world_member who = {.nick = "who"};
    world_random(w, who.id_seed, 96);
    lose(w, 2);
    (void)post_renewal(w, 2);
    uint64_t p = world_propose(w, 0, &who);
    world_rejoin(w, 0, 2);
    assert_true(group_restored(w->m[2].g));
    WORLD_REFUSED(w, ST_DENIED, group_make_ballot(w->m[2].g, p, true, &now, &draft));
    world_duties(w);
    world_ballot(w, 2, p, true);
    world_agree(w);
    world_end(w);
}

/* ---- what a RENEW must be ---- */

/* The hash that the owner's words gave from the beginning: no RENEW changes it. */
static void own_hash(const struct world *w, size_t i, struct renew_body *r)
{
    uint8_t key[32];
    world_revocation(&w->m[i], key, r->revoke_hash);
}

static void seal_renewal(struct world *w, size_t by, struct entry0 *e, const uint8_t key[32])
{
    uint8_t back[48] = {0}, nonce[24];
    struct buf sealed = BUF_INIT;
    world_random(w, nonce, 24);
    entry0_sign(e, w->m[0].g->enclave_id, w->m[by].id_seed);
    assert_int_equal(entry0_seal(e, w->room, key, back, nonce, &sealed), ST_OK);
    world_append_raw(w, buf_view(&sealed));
    buf_free(&sealed);
    world_forget(w);
    world_sync(w);
}

static void expect_void(const struct world *w, uint16_t author, const char *why)
{
    for (size_t i = 0; i < w->members; i++) {
        struct group_event ev = {.reason = ""};
        if (!world_watches(&w->m[i])) continue;
        size_t n = world_saw(&w->m[i], GROUP_VOID, &ev);
        if (why == NULL && n != 0) fail_msg("void: %s", ev.reason);
        if (why == NULL) continue;
        assert_int_equal(n, 1);
        assert_string_equal(ev.reason, why);
        assert_int_equal(ev.leaf, author);
    }
}

static void what_a_renewal_must_be(void **state)
{
    (void)state;
    struct world *w = world_new(BALLOT_OPEN, 3);
    struct renew_body r = {.count = 1};
    struct buf text = BUF_INIT;
    uint8_t key[32], wrong[32] = {5}, seed[32];
    ledger_renew_key(w->m[0].g->rows[0].log, key);
    world_random(w, seed, 32);
    kem_public(seed, r.kem_pk);
    own_hash(w, 2, &r);
    struct {
        uint64_t count, epoch;
        const uint8_t *key;
        uint16_t author;
        const char *why;
    } cases[] = {
        {0, 0, key, 2, "it was made for another time"},
        {2, 0, key, 2, "it was made for another time"},
        {UINT64_MAX, 0, key, 2, "it was made for another time"},
        {1, 1, key, LEDGER_NOBODY, "it is sealed under another epoch"},
        {1, 2, w->m[0].g->rows[2].log, 2, "its epoch is not the current"}, /* no epoch but 0 */
        {1, 0, wrong, LEDGER_NOBODY, "it is sealed under another epoch"},
        {1, 0, w->m[0].g->rows[0].log, LEDGER_NOBODY, "it is sealed under another epoch"},
        {1, 0, w->m[0].g->rows[2].log, LEDGER_NOBODY, "it is sealed under another epoch"},
        {1, 0, key, 2, NULL},
        {1, 0, key, 2, "it was made for another time"},
        {3, 0, key, 2, "it was made for another time"},
        {2, 0, key, 2, NULL}, /* it takes the place of the first */
    };
    struct buf last = BUF_INIT;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        buf_clear(&text);
        r.count = cases[i].count;
        assert_int_equal(fields_encode(&renew_body_fields, &r, &text), ST_OK);
        struct entry0 e = entry_of(w, 2, LEDGER_RENEW, buf_view(&text));
        e.epoch = cases[i].epoch;
        seal_renewal(w, 2, &e, cases[i].key);
        expect_void(w, cases[i].author, cases[i].why);
        if (cases[i].why == NULL) {
            buf_clear(&last);
            buf_bytes(&last, buf_view(&w->feed[w->n - 1]));
        }
    }
    /* the same bytes again stand for another place */
    world_append_raw(w, buf_view(&last));
    world_forget(w);
    world_sync(w);
    expect_void(w, LEDGER_NOBODY, "it is sealed under another epoch");
    buf_free(&text);
    buf_free(&last);
    world_end(w);
}

/* While it waits, its author makes no epoch and proposes nothing, whatever it still holds. */
static void who_renews_waits(void **state)
{
    (void)state;
    struct world *w = world_new(BALLOT_OPEN, 3);
    struct renew_body r = {.count = 1};
    struct buf text = BUF_INIT;
    uint8_t key[32], seed[32];
    ledger_renew_key(w->m[0].g->rows[0].log, key);
    world_random(w, seed, 32);
    kem_public(seed, r.kem_pk);
    own_hash(w, 2, &r);
    assert_int_equal(fields_encode(&renew_body_fields, &r, &text), ST_OK);
    struct entry0 e = entry_of(w, 2, LEDGER_RENEW, buf_view(&text));
    e.epoch = 0;
    seal_renewal(w, 2, &e, key);
    expect_void(w, 2, NULL);
    WORLD_REFUSED(w, ST_DENIED, group_make_commit(w->m[2].g, 0, &now, &draft));
    uint8_t commit[8 + 2 + 2 + 2 + 1216] = {0};
    put_u64(commit, group_epoch(w->m[0].g) + 1);
    put_u16(commit + 8, 2);
    memcpy(commit + 14, r.kem_pk, 1216);
    post_bytes(w, 2, LEDGER_COMMIT, BYTES_OF(commit),
               "its author does not hold the keys of this epoch yet");
    struct propose_policy p = {
        .kind = PROPOSE_POLICY, .ballot_kind = LEDGER_AS_IS, .mode = LEDGER_AS_IS};
    post_body(w, 2, LEDGER_PROPOSE, &propose_policy_fields, &p,
              "its author does not hold the keys of this epoch yet");
    buf_free(&text);
    world_end(w);
}

/* Under the key of RENEW: what is no RENEW, or of nobody, or brings no key. */
static void what_else_stands_under_that_key(void **state)
{
    (void)state;
    struct world *w = world_new(BALLOT_OPEN, 3);
    struct world_member stranger = {.nick = "stranger"};
    struct renew_body r = {.count = 1};
    struct buf text = BUF_INIT;
    uint8_t key[32], seed[32];
    ledger_renew_key(w->m[0].g->rows[0].log, key);
    world_random(w, stranger.id_seed, 96);
    world_random(w, seed, 32);
    kem_public(seed, r.kem_pk);
    /* a stranger that knows the key all the same */
    assert_int_equal(fields_encode(&renew_body_fields, &r, &text), ST_OK);
    struct entry0 e = entry_of(w, 2, LEDGER_RENEW, buf_view(&text));
    e.epoch = 0;
    sign_public(stranger.id_seed, e.actor);
    memcpy(w->m[WORLD_MEMBERS - 1].id_seed, stranger.id_seed, 32);
    seal_renewal(w, WORLD_MEMBERS - 1, &e, key);
    expect_void(w, LEDGER_NOBODY, "its author is no member");
    /* another type under the key of RENEW has no business there */
    e = entry_of(w, 1, LEDGER_LEAVE, BYTES_NONE);
    e.epoch = 0;
    seal_renewal(w, 1, &e, key);
    expect_void(w, 1, "its epoch is not the current");
    e = entry_of(w, 1, LEDGER_AWAY, BYTES_LIT("\0\0\0\0\0\0\0\0"));
    seal_renewal(w, 1, &e, w->m[0].g->rows[group_epoch(w->m[0].g)].log);
    expect_void(w, 1, NULL);
    /* other words than its owner's: a thief of the keys cannot make the recovery words worthless */
    own_hash(w, 2, &r);
    buf_clear(&text);
    assert_int_equal(fields_encode(&renew_body_fields, &r, &text), ST_OK);
    e = entry_of(w, 1, LEDGER_RENEW, buf_view(&text));
    e.epoch = 0;
    seal_renewal(w, 1, &e, key);
    expect_void(w, 1, "its revocation key is another one");
    /* a KEM key that is none */
    own_hash(w, 1, &r);
    memset(r.kem_pk, 0xFF, sizeof r.kem_pk);
    buf_clear(&text);
    assert_int_equal(fields_encode(&renew_body_fields, &r, &text), ST_OK);
    e = entry_of(w, 1, LEDGER_RENEW, buf_view(&text));
    e.epoch = 0;
    seal_renewal(w, 1, &e, key);
    expect_void(w, 1, "its KEM key is not valid");
    buf_free(&text);
    world_end(w);
}

/* One who was voted out may still read that somebody renews, and can do nothing with it. */
static void who_is_out_renews_nothing(void **state)
{
    (void)state;
    struct world *w = world_new(BALLOT_OPEN, 3);
    uint16_t target = 2;
    uint8_t hash[32] = {0};
    uint64_t p = w->n;
    WORLD_POST(w, group_make_propose_remove(w->m[0].g, &target, 1, BYTES_NONE, &now, &draft));
    world_ballot(w, 0, p, true);
    world_ballot(w, 1, p, true);
    world_duties(w);
    w->m[2].g->lost = true; /* as if it did not know */
    WORLD_REFUSED(w, ST_DENIED, group_make_renew(w->m[2].g, hash, &now, &draft));
    assert_int_equal(group_next(w->m[2].g, w->now_ms).duty, GROUP_NOTHING);
    world_end(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_who_is_lost_comes_back),
        cmocka_unit_test(who_waits_for_keys_ends_a_vote),
        cmocka_unit_test(twice_is_another_time),
        cmocka_unit_test(lost_again_on_the_way),
        cmocka_unit_test(an_answer_may_come_late),
        cmocka_unit_test(a_restart_on_the_way_back),
        cmocka_unit_test(a_false_answer),
        cmocka_unit_test(a_false_entrance_is_noticed),
        cmocka_unit_test(no_vote_before_the_commit),
        cmocka_unit_test(what_a_renewal_must_be),
        cmocka_unit_test(who_renews_waits),
        cmocka_unit_test(what_else_stands_under_that_key),
        cmocka_unit_test(who_is_out_renews_nothing),
    };
    return !!cmocka_run_group_tests(tests, world_crypto, NULL);
}
