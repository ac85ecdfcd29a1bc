/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto core/feed core/ballot core/epoch core/door core/ledger */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#include "unit/group_world.h"

static void a_creator_is_alone(void **state)
{
    (void)state;
    struct world *w = calloc(1, sizeof *w);
    world_begin(w);
    const struct ledger *l = group_ledger(w->m[0].g);
    assert_int_equal(world_saw(&w->m[0], GROUP_BEGUN, NULL), 1);
    assert_int_equal(world_saw(&w->m[0], GROUP_EPOCH, NULL), 1);
    assert_true(ledger_started(l));
    assert_int_equal(ledger_members(l), 1);
    assert_string_equal(ledger_name(l), "the circle");
    assert_string_equal(ledger_leaf(l, 0)->nick, "person 0");
    assert_int_equal(ledger_policy(l, LEDGER_POLICY_EXPIRE_MS), UINT64_C(72) * 3600 * 1000);
    const struct ledger_sentinel *s;
    assert_int_equal(ledger_sentinels(l, &s), 1);
    assert_string_equal(s[0].address, "127.0.0.1:4433");
    assert_int_equal(group_next(w->m[0].g, w->now_ms).duty, GROUP_NOTHING);
    world_end(w);
}

static void five_come_in_one_by_one(void **state)
{
    (void)state;
    struct world *w = world_new(BALLOT_OPEN, 1);
    for (size_t i = 1; i < 5; i++) {
        struct group_event ev;
        size_t n = world_admit(w, i - 1);
        world_agree(w);
        const struct ledger *l = group_ledger(w->m[n].g);
        assert_int_equal(ledger_members(l), i + 1);
        assert_int_equal(group_leaf(w->m[n].g), i);
        assert_int_equal(group_epoch(w->m[n].g), i);
        assert_int_equal(world_saw(&w->m[n], GROUP_IN, &ev), 1);
        assert_int_equal(ev.index, ledger_epoch_index(l, i));
        assert_int_equal(world_saw(&w->m[n], GROUP_ADDED, NULL), 1);
        assert_int_equal(world_saw(&w->m[n], GROUP_VOID, NULL), 0);
        /* files of the first epochs can be read by the last newcomer too */
        uint8_t key[32], theirs[32];
        assert_int_equal(group_key(w->m[n].g, GROUP_KEY_TREE, 0, key), ST_OK);
        assert_int_equal(group_key(w->m[0].g, GROUP_KEY_TREE, 0, theirs), ST_OK);
        assert_memory_equal(key, theirs, 32);
        assert_int_equal(group_key(w->m[n].g, GROUP_KEY_DOOR, 0, key), ST_NOT_FOUND);
        world_forget(w);
    }
    world_end(w);
}

static void one_no_keeps_out(void **state)
{
    (void)state;
    struct world *w = world_new(BALLOT_OPEN, 3);
    struct world_member stranger = {.nick = "stranger"};
    struct group_event ev;
    world_random(w, stranger.id_seed, 96);
    uint64_t p = world_propose(w, 1, &stranger);
    world_ballot(w, 0, p, true);
    /* a body is made once: another choice later is refused */
    WORLD_REFUSED(w, ST_CONFLICT, group_make_ballot(w->m[0].g, p, false, &now, &draft));
    WORLD_REFUSED(w, ST_DENIED, group_make_ballot(w->m[0].g, p, true, &now, &draft));
    world_ballot(w, 1, p, true);
    WORLD_REFUSED(w, ST_DENIED, group_make_outcome(w->m[0].g, p, &now, &draft));
    world_ballot(w, 2, p, false);
    for (size_t i = 0; i < 3; i++) {
        const struct ledger *l = group_ledger(w->m[i].g);
        assert_int_equal(ledger_proposal(l, p)->state, LEDGER_VOTE_REJECTED);
        assert_int_equal(ledger_proposal(l, p)->closed_by, 2);
        assert_null(ledger_current_proposal(l));
        assert_int_equal(world_saw(&w->m[i], GROUP_CLOSED, &ev), 1);
        assert_int_equal(ev.vote, LEDGER_VOTE_REJECTED);
        assert_int_equal(world_saw(&w->m[i], GROUP_BALLOTED, &ev), 3);
        assert_int_equal(ev.choice, BALLOT_NO);
        assert_int_equal(ledger_members(l), 3);
    }
    WORLD_REFUSED(w, ST_DENIED, group_make_outcome(w->m[0].g, p, &now, &draft));
    /* the same candidate, asked again with a fresh knock, may be proposed again */
    p = world_propose(w, 0, &stranger);
    WORLD_REFUSED(w, ST_DENIED, group_make_withdraw(w->m[1].g, p, &now, &draft));
    WORLD_POST(w, group_make_withdraw(w->m[0].g, p, &now, &draft));
    assert_int_equal(ledger_proposal(group_ledger(w->m[2].g), p)->state, LEDGER_VOTE_WITHDRAWN);
    world_end(w);
}

static void silence_expires(void **state)
{
    (void)state;
    struct world *w = world_new(BALLOT_OPEN, 2);
    struct world_member stranger = {.nick = "stranger"};
    world_random(w, stranger.id_seed, 96);
    uint64_t p = world_propose(w, 0, &stranger);
    world_ballot(w, 0, p, true);
    struct group_next next = group_next(w->m[0].g, w->now_ms);
    assert_int_equal(next.duty, GROUP_POST_EXPIRE);
    assert_true(next.at_ms >= w->now_ms + UINT64_C(72) * 3600 * 1000);
    w->now_ms = next.at_ms;
    WORLD_POST(w, group_make_expire(w->m[0].g, next.proposal, &now, &draft));
    assert_int_equal(ledger_proposal(group_ledger(w->m[1].g), p)->state, LEDGER_VOTE_EXPIRED);
    WORLD_REFUSED(w, ST_DENIED, group_make_ballot(w->m[1].g, p, true, &now, &draft));
    world_end(w);
}

/* The clock of an open vote survives a restart. */
static void a_restart_reads_its_own_disk(void **state)
{
    (void)state;
    struct world *w = world_new(BALLOT_OPEN, 3);
    WORLD_POST(w, group_make_update(w->m[1].g, &now, &draft));
    struct world_member stranger = {.nick = "stranger"};
    world_random(w, stranger.id_seed, 96);
    uint64_t p = world_propose(w, 2, &stranger);
    uint64_t expire = group_next(w->m[1].g, w->now_ms).at_ms;
    w->now_ms += 3600 * 1000;
    for (size_t i = 0; i < 3; i++) {
        world_restart(w, i);
        assert_int_equal(group_wants(w->m[i].g), 0);
        assert_false(group_writable(w->m[i].g));
        world_read(w, i);
        assert_int_equal(w->m[i].n_trace, 0); /* nothing is told twice */
        assert_true(group_writable(w->m[i].g));
    }
    world_agree(w);
    assert_int_equal(group_next(w->m[1].g, w->now_ms).at_ms, expire);
    /* and life goes on: the UPDATE's secret was kept */
    world_ballot(w, 0, p, false);
    WORLD_POST(w, group_make_commit(w->m[2].g, 0, &now, &draft));
    world_agree(w);
    assert_true(group_in(w->m[1].g));
    (void)world_admit(w, 1);
    world_agree(w);
    world_end(w);
}

/* Killed between the entries and the group's own row: the entries are ahead of what was saved. */
static void entries_ahead_of_the_saved_row(void **state)
{
    (void)state;
    struct world *w = world_new(BALLOT_OPEN, 2);
    struct buf saved = BUF_INIT;
    assert_int_equal(group_save(w->m[1].g, &saved), ST_OK);
    for (int i = 0; i < 3; i++) WORLD_POST(w, group_make_commit(w->m[0].g, 0, &now, &draft));
    group_free(w->m[1].g);
    assert_int_equal(group_load(buf_view(&saved), &w->m[1].g), ST_OK);
    world_read(w, 1);
    assert_int_equal(world_saw(&w->m[1], GROUP_RESTORED, NULL), 0);
    world_agree(w);
    buf_free(&saved);
    world_end(w);
}

/* A backup from before our own COMMIT: its new key is lost. UPDATE, then COMMIT out of turn. */
static void a_restored_backup_renews_its_keys(void **state)
{
    (void)state;
    struct world *w = world_new(BALLOT_OPEN, 3);
    struct buf saved = BUF_INIT;
    struct world_member stranger = {.nick = "stranger"};
    world_random(w, stranger.id_seed, 96);
    assert_int_equal(group_save(w->m[1].g, &saved), ST_OK);
    WORLD_POST(w, group_make_commit(w->m[1].g, 0, &now, &draft));
    uint64_t p = world_propose(w, 0, &stranger);
    group_free(w->m[1].g);
    assert_int_equal(group_load(buf_view(&saved), &w->m[1].g), ST_OK);
    w->m[1].n_trace = 0;
    world_read(w, 1);
    assert_int_equal(world_saw(&w->m[1], GROUP_RESTORED, NULL), 1);
    WORLD_REFUSED(w, ST_DENIED, group_make_ballot(w->m[1].g, p, true, &now, &draft));
    assert_int_equal(group_next(w->m[1].g, w->now_ms).duty, GROUP_POST_UPDATE);
    world_restart(w, 1); /* it knows so after a restart too */
    world_read(w, 1);
    world_duties(w);
    world_agree(w);
    assert_int_equal(group_next(w->m[1].g, w->now_ms).duty, GROUP_POST_EXPIRE);
    world_ballot(w, 1, p, true);
    buf_free(&saved);
    world_end(w);
}

/* No entry of ours tells that this row is a copy, the machine does. An epoch that one of its keys opens
 * may have been spoken in since: it ends nothing. */
static void a_copy_speaks_in_no_epoch_of_before(void **state)
{
    (void)state;
    struct world *w = world_new(BALLOT_OPEN, 3);
    struct buf saved = BUF_INIT;
    struct world_member stranger = {.nick = "stranger"};
    world_random(w, stranger.id_seed, 96);
    uint64_t p = world_propose(w, 0, &stranger);
    WORLD_POST(w, group_make_update(w->m[1].g, &now, &draft));
    assert_int_equal(group_save(w->m[1].g, &saved), ST_OK);
    WORLD_POST(w, group_make_commit(w->m[0].g, 0, &now, &draft));
    group_free(w->m[1].g);
    assert_int_equal(group_load(buf_view(&saved), &w->m[1].g), ST_OK);
    w->m[1].n_trace = 0;
    group_note_copied(w->m[1].g); /* before anything is read */
    world_restart(w, 1);
    world_read(w, 1);
    struct group *g = w->m[1].g;
    const struct ledger_leaf *self = ledger_leaf(group_ledger(g), 1);
    assert_int_equal(world_saw(&w->m[1], GROUP_RESTORED, NULL), 0);
    assert_non_null(group_kem_seed(g, self->kem_pk)); /* its key of before opened the epoch */
    assert_true(group_restored(g));
    assert_int_equal(g->n_veto, 0);
    WORLD_REFUSED(w, ST_DENIED, group_make_ballot(g, p, true, &now, &draft));
    assert_int_equal(group_next(g, w->now_ms).duty, GROUP_POST_UPDATE);
    uint64_t epoch = group_epoch(g);
    world_duties(w);
    assert_false(group_restored(w->m[1].g));
    assert_true(group_epoch(w->m[1].g) > epoch);
    world_agree(w);
    buf_free(&saved);
    world_end(w);
}

/* Set back once more while it renews its keys, and with all that may wait for a COMMIT waiting. */
static void a_copy_of_a_copy(void **state)
{
    (void)state;
    struct world *w = world_new(BALLOT_OPEN, 3);
    for (unsigned i = 0; i < LEDGER_UPDATES_MAX; i++) {
        group_note_copied(w->m[1].g);
        assert_int_equal(group_next(w->m[1].g, w->now_ms).duty, GROUP_POST_UPDATE);
        WORLD_POST(w, group_make_update(w->m[1].g, &now, &draft));
        assert_int_equal(group_next(w->m[1].g, w->now_ms).duty, GROUP_POST_COMMIT);
        world_restart(w, 1);
        world_read(w, 1);
    }
    for (unsigned i = 0; i < 2 * GROUP_SEEDS_MAX; i++) { /* its COMMIT never lands */
        group_note_copied(w->m[1].g);
        assert_int_equal(group_next(w->m[1].g, w->now_ms).duty, GROUP_POST_COMMIT);
        struct group_draft lost;
        WORLD_DRAFT(w, &lost, group_make_commit(w->m[1].g, 0, &now, &draft));
        buf_free(&lost.sealed);
    }
    world_duties(w);
    assert_false(group_restored(w->m[1].g));
    world_agree(w);
    world_end(w);
}

static void members_leave_and_the_last_two_at_once(void **state)
{
    (void)state;
    struct world *w = world_new(BALLOT_OPEN, 4);
    struct group_event ev;
    uint64_t p;
    struct world_member stranger = {.nick = "stranger"};
    uint8_t dedup[32], placement[32], before[32];
    world_random(w, stranger.id_seed, 96);
    assert_int_equal(group_generation(w->m[0].g, before, placement), 0);
    p = world_propose(w, 0, &stranger);
    WORLD_POST(w, group_make_leave(w->m[2].g, &now, &draft));
    assert_int_equal(world_saw(&w->m[0], GROUP_LEFT, &ev), 1);
    assert_int_equal(ev.leaf, 2);
    assert_int_equal(world_saw(&w->m[2], GROUP_OUT, NULL), 1);
    assert_false(group_writable(w->m[2].g));
    assert_int_equal(ledger_proposal(group_ledger(w->m[0].g), p)->state, LEDGER_VOTE_VOIDED);
    assert_int_equal(ledger_due(group_ledger(w->m[0].g)), w->n - 1);
    const struct ledger_leaf *gone = ledger_leaf(group_ledger(w->m[0].g), 2);
    assert_int_equal(ledger_verify_drop(gone->seat, w->room, gone->seat, gone->drop_sig), ST_OK);
    world_duties(w);
    world_agree(w);
    assert_int_equal(group_generation(w->m[0].g, dedup, placement), group_epoch(w->m[0].g));
    assert_memory_not_equal(before, dedup, 32);
    /* who left reads on, but holds nothing of the new epoch */
    uint8_t key[32];
    assert_int_equal(group_key(w->m[2].g, GROUP_KEY_DOOR, group_epoch(w->m[0].g), key),
                     ST_NOT_FOUND);
    WORLD_POST(w, group_make_leave(w->m[0].g, &now, &draft));
    /* two at once: no COMMIT between, and none after the last */
    WORLD_POST(w, group_make_leave(w->m[3].g, &now, &draft));
    WORLD_POST(w, group_make_leave(w->m[1].g, &now, &draft));
    assert_true(ledger_ended(group_ledger(w->m[1].g)));
    assert_int_equal(world_saw(&w->m[1], GROUP_ENDED, NULL), 1);
    assert_int_equal(ledger_due(group_ledger(w->m[1].g)), LEDGER_NEVER);
    group_use(w->m[1].g, ledger_epoch(group_ledger(w->m[1].g)));
    assert_int_equal(group_next(w->m[1].g, w->now_ms).duty, GROUP_NOTHING);
    world_end(w);
}

static void updates_are_taken_in(void **state)
{
    (void)state;
    struct world *w = world_new(BALLOT_OPEN, 3);
    uint8_t old1[1216], new1[1216];
    memcpy(old1, ledger_leaf(group_ledger(w->m[1].g), 1)->kem_pk, sizeof old1);
    WORLD_POST(w, group_make_update(w->m[1].g, &now, &draft));
    WORLD_REFUSED(w, ST_EXISTS, group_make_update(w->m[1].g, &now, &draft));
    assert_int_equal(ledger_due(group_ledger(w->m[0].g)), LEDGER_NEVER); /* it waits */
    memcpy(new1, ledger_leaf(group_ledger(w->m[1].g), 1)->kem_update, sizeof new1);
    WORLD_POST(w, group_make_commit(w->m[0].g, 0, &now, &draft));
    world_agree(w);
    assert_memory_equal(ledger_leaf(group_ledger(w->m[2].g), 1)->kem_pk, new1, sizeof new1);
    assert_non_null(group_kem_seed(w->m[1].g, new1));
    /* the old secret stays one valid COMMIT longer */
    assert_non_null(group_kem_seed(w->m[1].g, old1));
    WORLD_POST(w, group_make_commit(w->m[2].g, 0, &now, &draft));
    assert_non_null(group_kem_seed(w->m[1].g, old1)); /* feed 1 may hold words to it */
    group_feeds_read(w->m[1].g);
    assert_null(group_kem_seed(w->m[1].g, old1));
    world_agree(w);
    /* a committer takes in its own UPDATE: the key in its COMMIT is the one that holds */
    WORLD_POST(w, group_make_update(w->m[1].g, &now, &draft));
    WORLD_POST(w, group_make_commit(w->m[1].g, 0, &now, &draft));
    WORLD_POST(w, group_make_commit(w->m[0].g, 0, &now, &draft));
    world_agree(w);
    world_end(w);
}

static void a_sleeper_catches_up(void **state)
{
    (void)state;
    struct world *w = world_new(BALLOT_OPEN, 3);
    uint8_t s0[32];
    w->m[2].away = true;
    uint64_t before = group_epoch(w->m[2].g);
    for (int i = 0; i < 3; i++) {
        w->now_ms += UINT64_C(25) * 3600 * 1000;
        WORLD_POST(w, group_make_commit(w->m[i % 2].g, 0, &now, &draft));
    }
    WORLD_POST(w, group_make_head(w->m[0].g, group_epoch(w->m[0].g), 7, 0, NULL, &now, &draft));
    assert_int_equal(group_epoch(w->m[2].g), before);
    w->m[2].away = false;
    world_sync(w);
    world_agree(w);
    struct group_event ev;
    assert_int_equal(world_saw(&w->m[2], GROUP_EPOCH, &ev), 3);
    assert_int_equal(world_saw(&w->m[2], GROUP_HEAD, &ev), 1);
    assert_int_equal(ev.next, 7);
    /* the senders' secrets of every epoch that it slept through are there until they are taken */
    for (uint64_t e = before + 1; e <= group_epoch(w->m[2].g); e++) {
        assert_int_equal(group_sender(w->m[2].g, e, 0, s0), ST_OK);
        group_senders_drop(w->m[2].g, e);
        assert_int_equal(group_sender(w->m[2].g, e, 0, s0), ST_NOT_FOUND);
    }
    world_end(w);
}

static void a_newcomer_verifies_from_genesis(void **state)
{
    (void)state;
    struct world *w = world_new(BALLOT_OPEN, 3);
    struct world_member *m = &w->m[world_person(w)];
    uint64_t p = world_propose(w, 0, m);
    for (size_t i = 0; i < 3; i++) world_ballot(w, i, p, true);
    WORLD_POST(w, group_make_outcome(w->m[1].g, p, &now, &draft));
    struct group_welcome welcome;
    assert_int_equal(group_welcome(w->m[2].g, 3, &welcome), ST_OK);
    struct group_join a = {.self = world_self(w, m, ledger_enclave_id(group_ledger(w->m[0].g))),
                           .room = w->room,
                           .enclave_id = ledger_enclave_id(group_ledger(w->m[0].g)),
                           .add_index = welcome.add_index,
                           .chain = welcome.chain,
                           .epoch = welcome.epoch,
                           .log_key = welcome.log_key};
    /* another head than the sentinel's */
    uint8_t wrong[32] = {1};
    struct group *g;
    a.chain = wrong;
    assert_int_equal(group_join(&a, &g), ST_OK);
    enum status st = ST_OK;
    while (st == ST_OK && group_wants(g) < w->n)
        st = group_take(g, group_wants(g), buf_view(&w->feed[group_wants(g)]), w->now_ms);
    assert_int_equal(st, ST_FORK);
    group_free(g);
    /* a log key that leads nowhere */
    a.chain = welcome.chain;
    a.log_key = wrong;
    assert_int_equal(group_join(&a, &g), ST_OK);
    st = ST_OK;
    while (st == ST_OK && group_wants(g) < w->n)
        st = group_take(g, group_wants(g), buf_view(&w->feed[group_wants(g)]), w->now_ms);
    assert_int_equal(st, ST_INTEGRITY);
    group_free(g);
    /* another enclave than the invitation's */
    a.log_key = welcome.log_key;
    a.enclave_id = wrong;
    assert_int_equal(group_join(&a, &g), ST_OK);
    st = ST_OK;
    while (st == ST_OK && group_wants(g) < w->n)
        st = group_take(g, group_wants(g), buf_view(&w->feed[group_wants(g)]), w->now_ms);
    assert_int_equal(st, ST_INTEGRITY);
    group_free(g);
    /* the true one; saved and loaded in the middle of both passes */
    a.enclave_id = ledger_enclave_id(group_ledger(w->m[0].g));
    assert_int_equal(group_join(&a, &m->g), ST_OK);
    for (uint64_t i = 0; i < 5; i++)
        assert_int_equal(group_take(m->g, i, buf_view(&w->feed[i]), w->now_ms), ST_OK);
    world_restart(w, 3);
    for (uint64_t i = 0; i <= welcome.add_index; i++)
        assert_int_equal(group_take(m->g, i, buf_view(&w->feed[i]), w->now_ms), ST_OK);
    assert_int_equal(group_wants(m->g), welcome.add_index + 1);
    assert_int_equal(group_leaf(m->g), 3);
    world_collect(m);
    assert_int_equal(m->n_trace, 1); /* history is quiet; only our own ADD is told */
    world_restart(w, 3);
    world_read(w, 3);
    assert_int_equal(group_leaf(m->g), 3);
    assert_false(group_in(m->g));
    assert_true(group_writable(m->g)); /* it may already vote; it has no keys yet */
    world_duties(w);
    assert_true(group_in(m->g));
    world_agree(w);
    world_end(w);
}

static void turns_go_round(void **state)
{
    (void)state;
    struct world *w = world_new(BALLOT_OPEN, 4);
    bool seen[4] = {false};
    WORLD_POST(w, group_make_leave(w->m[3].g, &now, &draft));
    for (size_t i = 0; i < 3; i++) {
        struct group_next next = group_next(w->m[i].g, w->now_ms);
        assert_int_equal(next.duty, GROUP_POST_COMMIT);
        assert_int_equal(next.at_ms, w->now_ms + next.place * UINT64_C(10000));
        assert_true(next.place < 3 && !seen[next.place]);
        seen[next.place] = true;
    }
    assert_int_equal(group_next(w->m[3].g, w->now_ms).duty, GROUP_NOTHING);
    world_duties(w);
    /* the new epoch is confirmed once by each within a day, not all at the same moment */
    uint64_t heads[3];
    for (size_t i = 0; i < 3; i++) {
        struct group_next head = group_next(w->m[i].g, w->now_ms);
        heads[i] = head.duty == GROUP_POST_HEAD ? head.at_ms : 0;
        assert_true(head.duty == GROUP_NOTHING || heads[i] <= w->now_ms + GROUP_HEAD_MS);
    }
    assert_true(heads[0] != heads[1] && heads[1] != heads[2] && heads[0] != heads[2]);
    world_heads(w);
    /* then once a day of use, not without */
    struct group_next idle = group_next(w->m[0].g, w->now_ms);
    assert_int_equal(idle.duty, GROUP_NOTHING);
    group_use(w->m[0].g, ledger_epoch(group_ledger(w->m[0].g)));
    struct group_next used = group_next(w->m[0].g, w->now_ms);
    assert_true(used.duty == GROUP_POST_COMMIT || used.duty == GROUP_POST_HEAD);
    assert_true(used.at_ms >= w->now_ms + UINT64_C(23) * 3600 * 1000);
    world_end(w);
}

static void door_keys_age(void **state)
{
    (void)state;
    struct world *w = world_new(BALLOT_OPEN, 2);
    struct group_door_key keys[GROUP_DOOR_KEYS];
    uint64_t day = UINT64_C(24) * 3600 * 1000;
    assert_int_equal(group_door_keys(w->m[0].g, w->now_ms, keys), 2);
    for (int i = 0; i < 20; i++) {
        w->now_ms += day;
        WORLD_POST(w, group_make_commit(w->m[i % 2].g, 0, &now, &draft));
    }
    size_t n = group_door_keys(w->m[0].g, w->now_ms, keys);
    assert_int_equal(keys[0].epoch, group_epoch(w->m[0].g));
    assert_true(n >= 14 && n <= 16);
    assert_int_equal(group_door_keys(w->m[0].g, w->now_ms + 100 * day, keys), 1);
    world_end(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_creator_is_alone),
        cmocka_unit_test(five_come_in_one_by_one),
        cmocka_unit_test(one_no_keeps_out),
        cmocka_unit_test(silence_expires),
        cmocka_unit_test(a_restart_reads_its_own_disk),
        cmocka_unit_test(entries_ahead_of_the_saved_row),
        cmocka_unit_test(a_restored_backup_renews_its_keys),
        cmocka_unit_test(a_copy_speaks_in_no_epoch_of_before),
        cmocka_unit_test(a_copy_of_a_copy),
        cmocka_unit_test(members_leave_and_the_last_two_at_once),
        cmocka_unit_test(updates_are_taken_in),
        cmocka_unit_test(a_sleeper_catches_up),
        cmocka_unit_test(a_newcomer_verifies_from_genesis),
        cmocka_unit_test(turns_go_round),
        cmocka_unit_test(door_keys_age),
    };
    return !!cmocka_run_group_tests(tests, world_crypto, NULL);
}
