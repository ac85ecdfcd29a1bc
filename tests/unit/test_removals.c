/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto core/feed core/ballot core/epoch core/door core/ledger */
/* Members who go without their own word: by a vote of all others, or by their recovery key. */
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

static enum ledger_vote_state state_of(const struct world *w, size_t i, uint64_t p)
{
    return ledger_proposal(group_ledger(w->m[i].g), p)->state;
}

static uint64_t propose_removal(struct world *w, size_t by, uint16_t target)
{
    uint64_t p = w->n;
    WORLD_POST(w, group_make_propose_remove(w->m[by].g, &target, 1, BYTES_LIT("it is time"), &now,
                                            &draft));
    return p;
}

static struct close_body close_of(const struct world *w, uint64_t p)
{
    struct close_body c = {.proposal = p};
    memcpy(c.hash, ledger_proposal(ledger_of(w), p)->hash, 32);
    return c;
}

static struct list serials_of(const struct world *w, const uint16_t *targets, size_t n,
                              uint8_t *room)
{
    uint16_t voters[LEDGER_MEMBERS_MAX];
    size_t voting = ledger_electorate(ledger_of(w), targets, n, voters);
    if (voting == 1 || ledger_ballot_kind(ledger_of(w)) == BALLOT_OPEN)
        return (struct list){room, 0};
    for (size_t i = 0; i < voting; i++)
        put_u32(room + 4 * i, ledger_leaf(ledger_of(w), voters[i])->stock.serial[0]);
    return (struct list){room, voting};
}

static void post_remove(struct world *w, size_t by, const uint16_t *targets, size_t n,
                        const char *why)
{
    uint8_t list[16], serials[64];
    for (size_t i = 0; i < n; i++) put_u16(list + 2 * i, targets[i]);
    struct propose_remove r = {.kind = PROPOSE_REMOVE,
                               .targets = {list, n},
                               .serials = serials_of(w, targets, n, serials)};
    post_body(w, by, LEDGER_PROPOSE, &propose_remove_fields, &r, why);
}

/* ---- a vote of all but one ---- */

static void all_others_remove_one(void **state)
{
    (void)state;
    for (uint8_t kind = BALLOT_OPEN; kind <= BALLOT_SECRET; kind++) {
        struct world *w = world_new(kind, 4);
        struct group_event ev;
        uint8_t before[32], dedup[32], placement[32], key[32];
        uint64_t e = group_epoch(w->m[0].g), p = propose_removal(w, 0, 2);
        assert_int_equal(ledger_removal(ledger_of(w), 2)->index, p);
        assert_true(bytes_same(ledger_removal(ledger_of(w), 2)->reason, BYTES_LIT("it is time")));
        assert_int_equal(ledger_proposal(ledger_of(w), p)->n_voters, 3);
        WORLD_REFUSED(w, ST_DENIED, group_make_ballot(w->m[2].g, p, false, &now, &draft));
        (void)group_generation(w->m[0].g, before, placement);
        world_ballot(w, 3, p, true);
        world_ballot(w, 0, p, true);
        assert_int_equal(state_of(w, 1, p), LEDGER_VOTE_OPEN); /* a majority is not enough */
        WORLD_REFUSED(w, ST_DENIED, group_make_outcome(w->m[0].g, p, &now, &draft));
        world_ballot(w, 1, p, true);
        struct group_next next = group_next(w->m[1].g, w->now_ms);
        assert_int_equal(next.duty, GROUP_POST_REMOVE); /* the last voter first */
        assert_int_equal(next.proposal, p);
        assert_true(next.at_ms <= w->now_ms);
        assert_true(group_next(w->m[0].g, w->now_ms).at_ms > w->now_ms);
        world_forget(w);
        WORLD_POST(w, group_make_outcome(w->m[1].g, p, &now, &draft));
        for (size_t i = 0; i < 4; i++) {
            assert_int_equal(world_saw(&w->m[i], GROUP_REMOVED, &ev), 1);
            assert_int_equal(ev.leaf, 2);
            assert_int_equal(world_saw(&w->m[i], GROUP_OUT, NULL), i == 2);
            assert_int_equal(state_of(w, i, p), LEDGER_VOTE_REMOVED);
        }
        const struct ledger_leaf *gone = ledger_leaf(ledger_of(w), 2);
        assert_false(gone->member_now);
        assert_int_equal(gone->left_by, LEDGER_REMOVE);
        assert_int_equal(gone->removal, p);
        assert_int_equal(gone->left, w->n - 1);
        assert_false(group_writable(w->m[2].g));
        world_duties(w);
        assert_int_equal(group_epoch(w->m[0].g), e + 1);
        world_agree(w);
        assert_int_equal(group_generation(w->m[0].g, dedup, placement), e + 1);
        assert_memory_not_equal(before, dedup, 32);
        /* the removed one has read as far as its keys go, and not one byte of what follows */
        assert_int_equal(group_epoch(w->m[2].g), e);
        assert_int_equal(group_key(w->m[2].g, GROUP_KEY_TREE, e + 1, key), ST_NOT_FOUND);
        struct buf plain = BUF_INIT;
        WORLD_POST(w, group_make_away(w->m[0].g, 7, &now, &draft));
        for (uint64_t k = 0; k <= e; k++)
            assert_int_equal(entry0_open(buf_view(&w->feed[w->n - 1]), w->room,
                                         w->m[2].g->rows[k].log, w->n - 1, &plain),
                             ST_BAD_SEAL);
        buf_free(&plain);
        assert_int_equal(world_saw(&w->m[2], GROUP_AWAY, NULL), 0);
        assert_int_equal(world_saw(&w->m[2], GROUP_LOST, NULL), 0);
        WORLD_REFUSED(w, ST_DENIED, group_make_away(w->m[2].g, 0, &now, &draft));
        group_use(w->m[2].g, ledger_epoch(group_ledger(w->m[2].g)));
        assert_int_equal(group_next(w->m[2].g, w->now_ms).duty, GROUP_NOTHING);
        /* its ID and seat never come in again */
        struct world_member again = w->m[2];
        struct world_door d;
        world_knock(w, 0, &again, &d);
        struct group_propose a = world_proposal(&d);
        WORLD_REFUSED(w, ST_DENIED, group_make_propose(w->m[0].g, &a, &now, &draft));
        world_door_free(&d);
        (void)world_admit(w, 3); /* and a newcomer comes to the same end */
        world_agree(w);
        world_end(w);
    }
}

static void one_no_keeps_a_member(void **state)
{
    (void)state;
    for (uint8_t kind = BALLOT_OPEN; kind <= BALLOT_SECRET; kind++) {
        struct world *w = world_new(kind, 4);
        uint64_t p = propose_removal(w, 0, 2);
        world_ballot(w, 3, p, false);
        if (kind == BALLOT_SECRET) {
            world_ballot(w, 0, p, true);
            world_ballot(w, 1, p, true);
        }
        assert_int_equal(state_of(w, 2, p), LEDGER_VOTE_REJECTED);
        assert_null(ledger_removal(ledger_of(w), 2));
        WORLD_POST(w, group_make_commit(w->m[2].g, 0, &now, &draft));
        world_agree(w);
        world_end(w);
    }
}

static void what_a_target_may_not(void **state)
{
    (void)state;
    struct world *w = world_new(BALLOT_OPEN, 4);
    struct world_member who = world_stranger(w);
    struct world_door d;
    uint64_t vote = world_propose(w, 2, &who), p = propose_removal(w, 0, 2);
    struct close_body c = close_of(w, vote);
    uint16_t other = 1;
    const char *why = "its author's own removal is open";
    /* by its own client: refused */
    WORLD_REFUSED(w, ST_DENIED,
                  group_make_propose_remove(w->m[2].g, &other, 1, BYTES_NONE, &now, &draft));
    WORLD_REFUSED(w, ST_DENIED, group_make_commit(w->m[2].g, 0, &now, &draft));
    WORLD_REFUSED(w, ST_DENIED, group_make_expire(w->m[2].g, vote, &now, &draft));
    WORLD_REFUSED(w, ST_DENIED, group_make_withdraw(w->m[2].g, vote, &now, &draft));
    assert_int_equal(ledger_turn(ledger_of(w), 2), LEDGER_NOBODY);
    /* by another one: void, and named */
    post_body(w, 2, LEDGER_EXPIRE, &close_body_fields, &c, why);
    post_body(w, 2, LEDGER_WITHDRAW, &close_body_fields, &c, why);
    post_remove(w, 2, &other, 1, why);
    c = close_of(w, p);
    post_body(w, 2, LEDGER_EXPIRE, &close_body_fields, &c, why);
    uint8_t commit[8 + 2 + 2 + 2 + 1216] = {0};
    put_u64(commit, group_epoch(w->m[0].g) + 1);
    put_u16(commit + 8, 2);
    memcpy(commit + 14, ledger_leaf(ledger_of(w), 2)->kem_pk, 1216);
    post_bytes(w, 2, LEDGER_COMMIT, BYTES_OF(commit), why);
    /* elsewhere it votes like everybody, and it may go */
    world_ballot(w, 2, vote, true);
    assert_int_equal(ledger_proposal(ledger_of(w), vote)->voters[2].cast.choice, BALLOT_YES);
    WORLD_POST(w, group_make_head(w->m[2].g, group_epoch(w->m[2].g), 1, 0, NULL, &now, &draft));
    WORLD_POST(w, group_make_update(w->m[2].g, &now, &draft));
    WORLD_POST(w, group_make_leave(w->m[2].g, &now, &draft));
    assert_int_equal(state_of(w, 0, p), LEDGER_VOTE_VOIDED);
    assert_int_equal(state_of(w, 0, vote), LEDGER_VOTE_VOIDED);
    world_duties(w);
    world_agree(w);
    /* when it is over, it is a member like the others */
    p = propose_removal(w, 0, 1);
    world_knock(w, 1, &who, &d);
    struct group_propose a = world_proposal(&d);
    WORLD_REFUSED(w, ST_DENIED, group_make_propose(w->m[1].g, &a, &now, &draft));
    WORLD_POST(w, group_make_withdraw(w->m[0].g, p, &now, &draft));
    WORLD_POST(w, group_make_propose(w->m[1].g, &a, &now, &draft));
    world_door_free(&d);
    world_end(w);
}

static void one_removal_each_way(void **state)
{
    (void)state;
    struct world *w = world_new(BALLOT_OPEN, 5);
    uint16_t targets[3] = {1, 2, 3};
    (void)propose_removal(w, 0, 1);
    post_remove(w, 2, targets, 1, "a removal of that member is open");
    /* whoever proposes to remove everybody gets one; else nobody could commit any more */
    post_remove(w, 0, targets + 1, 1, "another removal by its author is open");
    post_remove(w, 0, targets + 2, 1, "another removal by its author is open");
    post_remove(w, 1, targets + 1, 1, "its author's own removal is open");
    uint16_t self = 2, nobody = 9;
    post_remove(w, 2, &self, 1, "nobody removes itself: LEAVE does");
    post_remove(w, 2, &nobody, 1, "it is about no member");
    post_remove(w, 2, targets, 0, "its body is malformed");
    const uint16_t twice[] = {3, 3}, down[] = {4, 3};
    post_remove(w, 2, twice, 2, "its body is malformed");
    post_remove(w, 2, down, 2, "its body is malformed");
    struct propose_remove bad = {
        .kind = PROPOSE_REMOVE, .targets = {(const uint8_t *)"\0\3", 1}, .reason = BYTES_LIT("\a")};
    post_body(w, 2, LEDGER_PROPOSE, &propose_remove_fields, &bad, "its body is malformed");
    /* others go on: two removals at a time, and an epoch in between */
    uint64_t second = propose_removal(w, 2, 3);
    WORLD_POST(w, group_make_commit(w->m[4].g, 0, &now, &draft));
    world_agree(w);
    assert_int_equal(state_of(w, 3, second), LEDGER_VOTE_OPEN);
    world_end(w);
}

static void of_two_the_first_wins(void **state)
{
    (void)state;
    for (uint8_t kind = BALLOT_OPEN; kind <= BALLOT_SECRET; kind++) {
        struct world *w = world_new(kind, 2);
        uint64_t p = propose_removal(w, 1, 0);
        const struct ledger_proposal *q = ledger_proposal(ledger_of(w), p);
        assert_int_equal(q->n_voters, 1);
        assert_int_equal(q->ballot->kind, BALLOT_OPEN);
        uint16_t other = 1;
        post_remove(w, 0, &other, 1, "its author's own removal is open");
        world_ballot(w, 1, p, true);
        world_duties(w);
        assert_int_equal(ledger_members(group_ledger(w->m[1].g)), 1);
        assert_true(group_writable(w->m[1].g));
        assert_int_equal(world_saw(&w->m[0], GROUP_OUT, NULL), 1);
        world_agree(w);
        (void)world_admit(w, 1);
        world_agree(w);
        world_end(w);
    }
}

static void a_remove_names_its_ballots(void **state)
{
    (void)state;
    struct world *w = world_new(BALLOT_SECRET, 3);
    uint64_t p = propose_removal(w, 0, 2);
    uint8_t indexes[24];
    struct outcome_body o = {.proposal = p, .ballots = {indexes, 2}};
    memcpy(o.hash, ledger_proposal(ledger_of(w), p)->hash, 32);
    put_u64(indexes, w->n);
    put_u64(indexes + 8, w->n + 1);
    put_u64(indexes + 16, w->n + 2);
#define OUTCOME_IS(by, type, why) post_body(w, by, type, &outcome_body_fields, &o, why)
    world_ballot(w, 0, p, true);
    world_ballot(w, 1, p, true);
    OUTCOME_IS(0, LEDGER_ADD, "the vote was about something else");
    OUTCOME_IS(0, LEDGER_POLICY, "the vote was about something else");
    o.ballots.n = 1;
    OUTCOME_IS(0, LEDGER_REMOVE, "it names other ballots");
    o.ballots.n = 3;
    OUTCOME_IS(0, LEDGER_REMOVE, "it names other ballots");
    o.ballots = (struct list){indexes + 8, 2};
    OUTCOME_IS(0, LEDGER_REMOVE, "it names other ballots");
    o.ballots = (struct list){indexes, 2};
    o.hash[1] ^= 1;
    OUTCOME_IS(0, LEDGER_REMOVE, "no such proposal is open");
    o.hash[1] ^= 1;
    OUTCOME_IS(1, LEDGER_REMOVE, NULL);
    OUTCOME_IS(1, LEDGER_REMOVE, "no such proposal is open");
    world_end(w);
}

/* ---- votes that meet ---- */

static void who_comes_or_goes_ends_open_votes(void **state)
{
    (void)state;
    struct world *w = world_new(BALLOT_OPEN, 4);
    struct group_event ev;
    size_t newcomer = world_person(w);
    uint64_t add = world_propose(w, 0, &w->m[newcomer]), removal = propose_removal(w, 1, 3);
    for (size_t i = 0; i < 4; i++) world_ballot(w, i, add, true);
    world_ballot(w, 0, removal, true);
    world_forget(w);
    WORLD_POST(w, group_make_outcome(w->m[0].g, add, &now, &draft));
    /* the newcomer had no vote in it: it is asked again */
    assert_int_equal(state_of(w, 2, removal), LEDGER_VOTE_VOIDED);
    assert_int_equal(world_saw(&w->m[2], GROUP_CLOSED, &ev), 1);
    assert_int_equal(ev.proposal, removal);
    assert_int_equal(ev.vote, LEDGER_VOTE_VOIDED);
    world_welcome(w, 0, newcomer);
    world_duties(w);
    world_agree(w);
    /* a passed one stays, until its target is gone by another way */
    removal = propose_removal(w, 1, 3);
    const size_t voters[] = {0, 1, 2, 4};
    for (size_t i = 0; i < 4; i++) world_ballot(w, voters[i], removal, true);
    assert_int_equal(state_of(w, 0, removal), LEDGER_VOTE_PASSED);
    uint64_t other = propose_removal(w, 0, 4);
    WORLD_POST(w, group_make_leave(w->m[2].g, &now, &draft));
    assert_int_equal(state_of(w, 0, other), LEDGER_VOTE_VOIDED);
    assert_int_equal(state_of(w, 0, removal), LEDGER_VOTE_PASSED);
    WORLD_POST(w, group_make_leave(w->m[3].g, &now, &draft));
    assert_int_equal(state_of(w, 0, removal), LEDGER_VOTE_VOIDED);
    WORLD_REFUSED(w, ST_DENIED, group_make_outcome(w->m[0].g, removal, &now, &draft));
    world_duties(w);
    world_agree(w);
    world_end(w);
}

/* The vote on somebody else ends with a removal, and a passed ADD outlives it. */
static void a_removal_ends_other_votes(void **state)
{
    (void)state;
    struct world *w = world_new(BALLOT_OPEN, 4);
    size_t newcomer = world_person(w);
    uint64_t first = propose_removal(w, 1, 3), second = propose_removal(w, 0, 2);
    const size_t voters[] = {0, 1, 2};
    for (size_t i = 0; i < 3; i++) world_ballot(w, voters[i], first, true);
    uint64_t add = world_propose(w, 0, &w->m[newcomer]);
    for (size_t i = 0; i < 4; i++) world_ballot(w, i, add, true);
    WORLD_POST(w, group_make_outcome(w->m[1].g, first, &now, &draft));
    assert_int_equal(state_of(w, 0, second), LEDGER_VOTE_VOIDED);
    assert_int_equal(state_of(w, 0, add), LEDGER_VOTE_PASSED);
    WORLD_POST(w, group_make_outcome(w->m[1].g, add, &now, &draft));
    world_welcome(w, 0, newcomer);
    world_duties(w);
    world_agree(w);
    world_end(w);
}

/* ---- several who are silent ---- */

static void the_silent_go_together(void **state)
{
    (void)state;
    for (uint8_t kind = BALLOT_OPEN; kind <= BALLOT_SECRET; kind++) {
        struct world *w = world_new(kind, 5);
        const uint16_t both[] = {3, 4}, three[] = {2, 3, 4};
        const char *why = "several are removed at once only if they are silent and fewer than half";
        w->m[3].away = w->m[4].away = true;
        /* each would have to say yes to the other's going */
        post_remove(w, 0, both, 2, why);
        uint64_t p = propose_removal(w, 0, 3);
        world_ballot(w, 0, p, true);
        world_ballot(w, 1, p, true);
        world_ballot(w, 2, p, true);
        w->now_ms += UINT64_C(73) * 3600 * 1000;
        WORLD_POST(w, group_make_expire(w->m[0].g, p, &now, &draft));
        assert_true(ledger_leaf(ledger_of(w), 4)->missed);
        assert_false(ledger_leaf(ledger_of(w), 3)->missed); /* it had no vote there */
        post_remove(w, 0, both, 2, why);
        p = propose_removal(w, 0, 4);
        w->now_ms += UINT64_C(73) * 3600 * 1000;
        WORLD_POST(w, group_make_expire(w->m[0].g, p, &now, &draft));
        assert_true(ledger_leaf(ledger_of(w), 3)->missed);
        post_remove(w, 0, three, 3, why); /* 2 of 5 say nothing for the group */
        p = w->n;
        WORLD_POST(w, group_make_propose_remove(w->m[0].g, both, 2, BYTES_NONE, &now, &draft));
        assert_int_equal(ledger_proposal(ledger_of(w), p)->n_voters, 3);
        for (size_t i = 0; i < 3; i++) world_ballot(w, i, p, true);
        world_forget(w);
        world_duties(w);
        assert_int_equal(world_saw(&w->m[0], GROUP_REMOVED, NULL), 2);
        assert_int_equal(ledger_members(ledger_of(w)), 3);
        world_agree(w);
        w->m[3].away = w->m[4].away = false;
        world_sync(w); /* they come back, and see why nobody waits for them */
        assert_int_equal(world_saw(&w->m[4], GROUP_OUT, NULL), 1);
        assert_int_equal(ledger_leaf(group_ledger(w->m[3].g), 3)->left_by, LEDGER_REMOVE);
        world_end(w);
    }
}

/* Whoever writes is not silent: a vote on several ends with the first word of one of them. */
static void a_word_of_the_silent_counts(void **state)
{
    (void)state;
    struct world *w = world_new(BALLOT_OPEN, 5);
    const uint16_t both[] = {3, 4};
    struct world_member who = world_stranger(w);
    /* a quick one says at once that nobody answered */
    uint64_t p = world_propose(w, 0, &who);
    WORLD_POST(w, group_make_expire(w->m[0].g, p, &now, &draft));
    assert_true(ledger_leaf(ledger_of(w), 3)->missed && ledger_leaf(ledger_of(w), 4)->missed);
    assert_int_equal(group_next(w->m[4].g, w->now_ms).duty, GROUP_POST_HEAD);
    p = w->n;
    WORLD_POST(w, group_make_propose_remove(w->m[0].g, both, 2, BYTES_NONE, &now, &draft));
    for (size_t i = 0; i < 2; i++) world_ballot(w, i, p, true);
    WORLD_POST(w, group_make_head(w->m[4].g, group_epoch(w->m[4].g), 1, 0, NULL, &now, &draft));
    assert_int_equal(state_of(w, 0, p), LEDGER_VOTE_VOIDED);
    WORLD_REFUSED(w, ST_DENIED, group_make_ballot(w->m[2].g, p, true, &now, &draft));
    post_remove(w, 0, both, 2,
                "several are removed at once only if they are silent and fewer than half");
    /* also when it has passed already */
    p = world_propose(w, 0, &who);
    WORLD_POST(w, group_make_expire(w->m[0].g, p, &now, &draft));
    p = w->n;
    WORLD_POST(w, group_make_propose_remove(w->m[0].g, both, 2, BYTES_NONE, &now, &draft));
    for (size_t i = 0; i < 3; i++) world_ballot(w, i, p, true);
    assert_int_equal(state_of(w, 0, p), LEDGER_VOTE_PASSED);
    world_forget(w);
    WORLD_POST(w, group_make_away(w->m[3].g, 0, &now, &draft));
    assert_int_equal(state_of(w, 0, p), LEDGER_VOTE_VOIDED);
    assert_int_equal(world_saw(&w->m[0], GROUP_CLOSED, NULL), 1);
    assert_int_equal(ledger_members(ledger_of(w)), 5);
    /* one alone is another matter: all others have a vote in that */
    p = propose_removal(w, 0, 3);
    WORLD_POST(w, group_make_away(w->m[3].g, 0, &now, &draft));
    assert_int_equal(state_of(w, 0, p), LEDGER_VOTE_OPEN);
    world_end(w);
}

/* ---- by the recovery key ---- */

static void who_has_the_words_revokes(void **state)
{
    (void)state;
    struct world *w = world_new(BALLOT_SECRET, 3);
    struct group_event ev;
    uint8_t key[32], hash[32], other[32];
    world_revocation(&w->m[2], key, hash);
    world_revocation(&w->m[1], other, hash);
    struct self_revoke r = {.leaf = 2};
#define REVOKE_IS(by, why) post_body(w, by, LEDGER_SELF_REVOKE, &self_revoke_fields, &r, why)
    memcpy(r.key, other, 32);
    REVOKE_IS(0, "its revocation key is another one");
    memcpy(r.key, ledger_leaf(ledger_of(w), 2)->revoke_hash, 32); /* what all know is not it */
    REVOKE_IS(0, "its revocation key is another one");
    memcpy(r.key, key, 32);
    r.leaf = 9;
    REVOKE_IS(0, "it revokes no member");
    struct world_member who = world_stranger(w);
    uint64_t p = world_propose(w, 0, &who);
    world_forget(w);
    WORLD_POST(w, group_make_self_revoke(w->m[1].g, 2, key, &now, &draft));
    assert_int_equal(state_of(w, 0, p), LEDGER_VOTE_VOIDED);
    assert_int_equal(ledger_proposal(ledger_of(w), p)->closed_by, 1);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(world_saw(&w->m[i], GROUP_REMOVED, &ev), 1);
        assert_int_equal(ev.leaf, 2);
        assert_int_equal(world_saw(&w->m[i], GROUP_OUT, NULL), i == 2);
    }
    assert_int_equal(ledger_leaf(ledger_of(w), 2)->left_by, LEDGER_SELF_REVOKE);
    r.leaf = 2;
    REVOKE_IS(0, "it revokes no member"); /* once */
    uint64_t e = group_epoch(w->m[0].g);
    world_duties(w);
    assert_int_equal(ledger_generation(ledger_of(w)), e + 1);
    assert_int_equal(group_epoch(w->m[2].g), e);
    world_agree(w);
    /* the last one too, and then it is over */
    world_revocation(&w->m[0], key, hash);
    WORLD_POST(w, group_make_self_revoke(w->m[0].g, 0, key, &now, &draft));
    WORLD_POST(w, group_make_self_revoke(w->m[1].g, 1, other, &now, &draft));
    assert_true(ledger_ended(group_ledger(w->m[1].g)));
    assert_int_equal(world_saw(&w->m[1], GROUP_ENDED, NULL), 1);
    world_end(w);
}

/* Whose own removal is open may not begin an epoch. If its machine was set back, the others do. */
static void a_target_that_was_set_back_gets_keys(void **state)
{
    (void)state;
    struct world *w = world_new(BALLOT_OPEN, 3);
    struct buf saved = BUF_INIT;
    assert_int_equal(group_save(w->m[1].g, &saved), ST_OK);
    WORLD_POST(w, group_make_update(w->m[1].g, &now, &draft));
    assert_int_equal(ledger_due(ledger_of(w)), LEDGER_NEVER); /* it could begin one itself */
    uint64_t p = propose_removal(w, 0, group_leaf(w->m[1].g));
    world_restore(w, 1, buf_view(&saved));
    assert_true(group_restored(w->m[1].g));
    assert_int_equal(group_next(w->m[1].g, w->now_ms).duty, GROUP_POST_UPDATE);
    world_duties(w);
    assert_false(group_restored(w->m[1].g));
    assert_int_equal(state_of(w, 0, p), LEDGER_VOTE_OPEN);
    world_agree(w);
    buf_free(&saved);
    world_end(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_others_remove_one),
        cmocka_unit_test(one_no_keeps_a_member),
        cmocka_unit_test(what_a_target_may_not),
        cmocka_unit_test(one_removal_each_way),
        cmocka_unit_test(of_two_the_first_wins),
        cmocka_unit_test(a_remove_names_its_ballots),
        cmocka_unit_test(who_comes_or_goes_ends_open_votes),
        cmocka_unit_test(a_removal_ends_other_votes),
        cmocka_unit_test(the_silent_go_together),
        cmocka_unit_test(a_word_of_the_silent_counts),
        cmocka_unit_test(who_has_the_words_revokes),
        cmocka_unit_test(a_target_that_was_set_back_gets_keys),
    };
    return !!cmocka_run_group_tests(tests, world_crypto, NULL);
}
