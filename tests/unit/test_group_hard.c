/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto core/feed core/ballot core/epoch core/door core/ledger */
/* Villains: a member who lies, a sentinel who lies, junk from anybody. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#include "unit/group_world.h"

/* Opens a draft, lets the test change its body, seals it again in its place. */
static void post_altered(struct world *w, size_t by, struct group_draft *d, size_t at, uint8_t flip)
{
    struct buf plain = BUF_INIT;
    struct entry0 e;
    struct entry0_envelope envelope;
    const struct group *g = w->m[by].g;
    assert_int_equal(entry0_envelope(buf_view(&d->sealed), &envelope), ST_OK);
    assert_int_equal(entry0_open(buf_view(&d->sealed), w->room,
                                 g->rows[ledger_epoch(g->ledger)].log, d->index, &plain),
                     ST_OK);
    assert_int_equal(entry0_split(buf_view(&plain), &e), ST_OK);
    assert_true(at < e.body.n);
    ((uint8_t *)(uintptr_t)e.body.p)[at] ^= flip;
    post_entry(w, by, &e, envelope.back);
    buf_free(&plain);
    buf_free(&d->sealed);
}

static struct group_draft commit_draft(struct world *w, size_t by)
{
    uint8_t random[GROUP_RANDOM];
    struct group_now now = world_now(w, random);
    struct group_draft d = {.sealed = BUF_INIT};
    assert_int_equal(group_make_commit(w->m[by].g, 0, &now, &d), ST_OK);
    return d;
}

#define HEAD_SIZE(taken, voids) (8 + 2 + 2 + 8 * (taken) + 2 + 8 * (voids) + 1216 + 2)
#define OLD_PART (2 + 1120 + 2 + 48)

/* One wrong byte in the wrap of one member: void for all alike, its author named; another member,
 * not the author, commits in its place, and names the void one. */
static void a_bad_wrap_is_void_for_all(void **state)
{
    (void)state;
    struct world *w = world_new(BALLOT_OPEN, 4);
    struct group_event ev;
    WORLD_POST(w, group_make_leave(w->m[3].g, &now, &draft));
    uint64_t epoch = group_epoch(w->m[0].g);
    size_t villain = 1;
    struct group_draft d = commit_draft(w, villain);
    /* the wrap of leaf 2: third part, past its ct */
    post_altered(w, villain, &d, HEAD_SIZE(1, 0) + 2 * OLD_PART + 2 + 1120 + 2 + 5, 0x40);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(world_saw(&w->m[i], GROUP_BAD_COMMIT, &ev), 1);
        assert_int_equal(ev.leaf, villain);
        assert_int_equal(ev.fault.leaf, 2);
        assert_int_equal(ev.fault.part, i == 2 ? COMMIT_OWN_WRAP : COMMIT_WRAP);
        assert_int_equal(group_epoch(w->m[i].g), epoch);
    }
    assert_int_equal(ledger_turn(group_ledger(w->m[0].g), (uint16_t)villain), 2); /* last now */
    world_forget(w);
    world_duties(w);
    world_agree(w);
    assert_int_equal(group_epoch(w->m[0].g), epoch + 1);
    assert_int_equal(world_saw(&w->m[2], GROUP_EPOCH, &ev), 1);
    assert_int_not_equal(ev.leaf, villain);
    assert_int_equal(world_saw(&w->m[2], GROUP_LOST, NULL), 0);
    (void)world_admit(w, 0); /* a newcomer reads past the void one */
    world_agree(w);
    world_end(w);
}

static void every_part_of_a_commit_is_judged(void **state)
{
    (void)state;
    struct world *w = world_new(BALLOT_OPEN, 3);
    struct world_member *m = &w->m[world_person(w)];
    uint64_t p = world_propose(w, 0, m);
    for (size_t i = 0; i < 3; i++) world_ballot(w, i, p, true);
    WORLD_POST(w, group_make_outcome(w->m[1].g, p, &now, &draft));
    world_welcome(w, 1, 3);
    uint64_t epoch = group_epoch(w->m[0].g);
    size_t fresh = 3 * OLD_PART;
    /* which epoch, committer, taken list, KEM key, count, a ct, newcomer's ct, newcomer's wrap */
    const size_t at[] = {7, 9, 18, 30, 1236, 1400, fresh + 1300, fresh + 1237 + 2 + 1120 + 2 + 40};
    for (size_t i = 0; i < sizeof at / sizeof at[0]; i++) {
        struct group_draft d = commit_draft(w, 0);
        world_forget(w);
        size_t voids = i; /* the void ones before stand in the head */
        post_altered(w, 0, &d, i < 3 ? at[i] : at[i] + 8 * voids, 1);
        for (size_t k = 0; k < 4; k++) {
            assert_int_equal(world_saw(&w->m[k], GROUP_BAD_COMMIT, NULL), 1);
            assert_int_equal(group_epoch(w->m[k].g), epoch);
        }
    }
    world_duties(w);
    assert_true(group_in(m->g));
    world_agree(w);
    world_end(w);
}

/* back does not lead to the old log key: void, for a newcomer could not walk. */
static void a_bad_way_back_is_void(void **state)
{
    (void)state;
    struct world *w = world_new(BALLOT_OPEN, 2);
    struct buf plain = BUF_INIT;
    struct entry0 e;
    struct entry0_envelope envelope;
    struct group_event ev;
    struct group_draft d = commit_draft(w, 1);
    assert_int_equal(entry0_envelope(buf_view(&d.sealed), &envelope), ST_OK);
    assert_int_equal(
        entry0_open(buf_view(&d.sealed), w->room, w->m[1].g->rows[1].log, d.index, &plain), ST_OK);
    assert_int_equal(entry0_split(buf_view(&plain), &e), ST_OK);
    envelope.back[3] ^= 1;
    post_entry(w, 1, &e, envelope.back);
    assert_int_equal(world_saw(&w->m[0], GROUP_BAD_COMMIT, &ev), 1);
    assert_int_equal(ev.fault.part, COMMIT_BACK_PART);
    world_agree(w);
    buf_free(&plain);
    buf_free(&d.sealed);
    world_end(w);
}

/* A newcomer cannot recompute the joiner secret. A member that lies to it about that alone leads it
 * into an epoch where nobody else is; it notices as soon as the others go on, and writes nothing. */
static void a_false_entrance_is_noticed(void **state)
{
    (void)state;
    struct world *w = world_new(BALLOT_OPEN, 2);
    struct group_event ev;
    struct seen mine, theirs;
    uint8_t init[32], key[32];
    size_t carol = world_person(w);
    uint64_t p = world_propose(w, 0, &w->m[carol]);
    world_ballot(w, 0, p, true);
    world_ballot(w, 1, p, true);
    WORLD_POST(w, group_make_outcome(w->m[0].g, p, &now, &draft));
    world_welcome(w, 0, carol);
    memcpy(init, w->m[1].g->secrets->init, 32);
    world_random(w, w->m[1].g->secrets->init, 32); /* the liar */
    struct group_draft d = commit_draft(w, 1);
    memcpy(w->m[1].g->secrets->init, init, 32);
    world_append(w, &d);
    assert_int_equal(world_saw(&w->m[0], GROUP_BAD_COMMIT, &ev), 1);
    assert_int_equal(ev.leaf, 1);
    uint64_t epoch = group_epoch(w->m[0].g);
    assert_int_equal(group_epoch(w->m[carol].g), epoch + 1); /* she believed it */
    world_duties(w);
    assert_int_equal(group_epoch(w->m[0].g), epoch + 1);
    assert_int_equal(group_key(w->m[0].g, GROUP_KEY_TREE, epoch + 1, key), ST_OK);
    assert_memory_not_equal(key, w->m[carol].g->rows[epoch + 1].tree, 32);
    assert_true(group_forked(w->m[carol].g, &mine, &theirs));
    assert_false(group_writable(w->m[carol].g));
    assert_int_equal(world_saw(&w->m[carol], GROUP_FORK, &ev), 1);
    assert_int_equal(ev.leaf, 0);
    assert_true(group_writable(w->m[0].g));
    assert_true(group_writable(w->m[1].g));
    world_end(w);
}

/* Anybody with a seat can append noise; a member can sign nonsense. All keep their index. */
static void junk_is_void_and_named(void **state)
{
    (void)state;
    struct world *w = world_new(BALLOT_OPEN, 3);
    uint8_t noise[2048], back[48] = {0};
    struct group_event ev;
    const uint8_t types[] = {0,
                             LEDGER_VETO_KEYS,
                             LEDGER_REMOVE,
                             LEDGER_POLICY,
                             LEDGER_SELF_REVOKE,
                             LEDGER_DIGEST,
                             LEDGER_RENEW,
                             LEDGER_AWAY,
                             LEDGER_REHOME,
                             LEDGER_GRANT,
                             LEDGER_TYPE_END,
                             255,
                             LEDGER_GENESIS,
                             LEDGER_PROPOSE,
                             LEDGER_BALLOT,
                             LEDGER_ADD,
                             LEDGER_LEAVE,
                             LEDGER_UPDATE,
                             LEDGER_COMMIT,
                             LEDGER_EXPIRE,
                             LEDGER_WITHDRAW,
                             LEDGER_HEAD};
    world_random(w, noise, sizeof noise);
    put_u64(noise, group_epoch(w->m[0].g)); /* claims the current epoch */
    world_append_raw(w, BYTES(noise, 512));
    world_append_raw(w, BYTES(noise, 2048));
    world_append_raw(w, BYTES(noise, 700)); /* no class at all */
    put_u64(noise, group_epoch(w->m[0].g) + 1);
    world_append_raw(w, BYTES(noise, 512));
    world_append_raw(w, BYTES(noise, 0));
    world_sync(w);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(world_saw(&w->m[i], GROUP_VOID, &ev), 5);
        assert_int_equal(ev.leaf, LEDGER_NOBODY);
        assert_int_equal(world_saw(&w->m[i], GROUP_LOST, NULL), 0);
    }
    for (size_t t = 0; t < sizeof types; t++) {
        struct entry0 e = entry_of(w, 1, types[t], BYTES(noise, 77));
        world_forget(w);
        post_entry(w, 1, &e, back);
        size_t bad = types[t] == LEDGER_COMMIT;
        assert_int_equal(world_saw(&w->m[0], bad ? GROUP_BAD_COMMIT : GROUP_VOID, &ev), 1);
        assert_int_equal(ev.leaf, 1); /* signed: named */
    }
    world_agree(w);
    world_forget(w);
    (void)world_admit(w, 2);
    world_agree(w);
    world_end(w);
}

/* The envelope around a right body: each field that may lie. */
static void a_lying_envelope_is_void(void **state)
{
    (void)state;
    struct world *w = world_new(BALLOT_OPEN, 2);
    uint8_t back[48] = {0}, body[8 + 8 + 8 + 64] = {0};
    struct group_event ev;
    put_u64(body, 1); /* a HEAD of epoch 1 */
    for (int lie = 0; lie < 8; lie++) {
        struct entry0 e = entry_of(w, 1, LEDGER_HEAD, BYTES_OF(body));
        uint16_t named = 1;
        world_forget(w);
        switch (lie) {
        case 0: e.prev_chain[0] ^= 1; break;
        case 1: e.epoch = 0; break; /* sealed under the current all the same: set below */
        case 2: e.rules = 2; break;
        case 3: e.flags = 1; break;
        case 4:
            e.actor[0] ^= 1;
            named = LEDGER_NOBODY;
            break;
        case 5:
            memcpy(e.actor, w->m[0].g->id, 32);
            named = LEDGER_NOBODY;
            break;
        case 6: body[7] = 2; break; /* an epoch to come */
        case 7: body[7] = 0; break; /* one before its author came */
        }
        if (lie == 1) {
            uint8_t nonce[24] = {9};
            struct buf sealed = BUF_INIT;
            entry0_sign(&e, w->m[1].g->enclave_id, w->m[1].id_seed);
            assert_int_equal(entry0_seal(&e, w->room, w->m[1].g->rows[1].log, back, nonce, &sealed),
                             ST_OK);
            put_u64(sealed.p, 1); /* the epoch outside is not part of the seal */
            world_append_raw(w, buf_view(&sealed));
            buf_free(&sealed);
            world_sync(w);
        } else {
            post_entry(w, 1, &e, back);
        }
        body[7] = 1;
        assert_int_equal(world_saw(&w->m[0], GROUP_VOID, &ev), 1);
        assert_int_equal(ev.leaf, named);
        assert_int_equal(world_saw(&w->m[0], GROUP_FORK, &ev), lie == 0);
    }
    /* an old entry of an honest member, sealed again by another: its author is not blamed */
    struct entry0 old = entry_of(w, 0, LEDGER_HEAD, BYTES_OF(body));
    post_entry(w, 0, &old, back);
    world_forget(w);
    uint8_t nonce[24] = {7};
    struct buf sealed = BUF_INIT;
    assert_int_equal(entry0_seal(&old, w->room, w->m[1].g->rows[1].log, back, nonce, &sealed),
                     ST_OK);
    world_append_raw(w, buf_view(&sealed));
    world_sync(w);
    assert_int_equal(world_saw(&w->m[1], GROUP_VOID, &ev), 1);
    assert_int_equal(ev.leaf, LEDGER_NOBODY);
    buf_free(&sealed);
    assert_true(group_writable(w->m[0].g)); /* a member's lie about history stops nobody */
    world_agree(w);
    world_end(w);
}

static void the_sentinel_forks_or_forgets(void **state)
{
    (void)state;
    struct world *w = world_new(BALLOT_OPEN, 3);
    struct group *g = w->m[0].g;
    struct group_event ev;
    struct buf other = BUF_INIT;
    const struct ledger *l = group_ledger(g);
    /* the same bytes again are fine, later ones are not taken out of order */
    assert_int_equal(group_take(g, 2, buf_view(&w->feed[2]), 0), ST_OK);
    assert_int_equal(group_take(g, w->n + 1, buf_view(&w->feed[2]), 0), ST_CONFLICT);
    assert_int_equal(group_check_head(g, w->n, ledger_chain(l)), ST_OK);
    assert_int_equal(group_check_head(g, w->n + 5, w->room), ST_OK); /* ahead of us: to be read */
    /* an older database: we write nothing until it has caught up */
    assert_int_equal(group_check_head(g, 4, ledger_chain_at(l, 4)), ST_INTEGRITY);
    world_collect(&w->m[0]);
    assert_int_equal(world_saw(&w->m[0], GROUP_OLD_HEAD, &ev), 1);
    assert_int_equal(ev.theirs.count, 4);
    assert_false(group_writable(g));
    WORLD_REFUSED(w, ST_DENIED, group_make_leave(g, &now, &draft));
    assert_int_equal(group_check_head(g, w->n, ledger_chain(l)), ST_OK);
    assert_true(group_writable(g));
    /* a member claims another history: told, no more */
    struct seen claim = {.count = 3};
    assert_int_equal(group_check_seen(g, 1, &claim), ST_FORK);
    claim.count = w->n + 3;
    assert_int_equal(group_check_seen(g, 1, &claim), ST_PENDING);
    claim = group_seen(g);
    assert_int_equal(group_check_seen(g, 1, &claim), ST_OK);
    world_collect(&w->m[0]);
    assert_int_equal(world_saw(&w->m[0], GROUP_FORK, &ev), 1);
    assert_int_equal(ev.leaf, 1);
    assert_true(group_writable(g));
    /* the sentinel shows another entry where one stands: writing stops, for good */
    world_forget(w);
    buf_bytes(&other, buf_view(&w->feed[3]));
    other.p[100] ^= 1;
    assert_int_equal(group_take(g, 3, buf_view(&other), 0), ST_FORK);
    world_collect(&w->m[0]);
    assert_int_equal(world_saw(&w->m[0], GROUP_FORK, &ev), 1);
    assert_int_equal(ev.leaf, LEDGER_NOBODY);
    assert_memory_equal(ev.mine.chain, ledger_chain_at(l, 4), 32);
    assert_memory_not_equal(ev.theirs.chain, ev.mine.chain, 32);
    assert_false(group_writable(g));
    group_use(g, ledger_epoch(group_ledger(g)));
    assert_int_equal(group_next(g, w->now_ms).duty, GROUP_NOTHING);
    struct buf saved = BUF_INIT;
    assert_int_equal(group_save(g, &saved), ST_OK);
    group_free(g);
    assert_int_equal(group_load(buf_view(&saved), &w->m[0].g), ST_OK);
    world_read(w, 0);
    assert_false(group_writable(w->m[0].g));
    struct seen mine, theirs;
    assert_true(group_forked(w->m[0].g, &mine, &theirs));
    assert_true(seen_same(&mine, &ev.mine) && seen_same(&theirs, &ev.theirs));
    assert_false(group_forked(w->m[1].g, &mine, &theirs));
    /* another head of the same length */
    uint8_t wrong[32] = {4};
    assert_int_equal(group_check_head(w->m[1].g, w->n, wrong), ST_FORK);
    buf_free(&saved);
    buf_free(&other);
    world_end(w);
}

/* Our own disk was altered, or the sentinel's answer: the saved head does not come out. */
static void altered_history_is_noticed(void **state)
{
    (void)state;
    struct world *w = world_new(BALLOT_OPEN, 2);
    struct buf saved = BUF_INIT;
    struct group *g;
    enum status st = ST_OK;
    assert_int_equal(group_save(w->m[1].g, &saved), ST_OK);
    assert_int_equal(group_load(buf_view(&saved), &g), ST_OK);
    w->feed[1].p[200] ^= 1;
    while (st == ST_OK && group_wants(g) < w->n)
        st = group_take(g, group_wants(g), buf_view(&w->feed[group_wants(g)]), 0);
    assert_true(st == ST_FORK || st == ST_INTEGRITY);
    assert_false(group_writable(g));
    group_free(g);
    /* the saved row itself: cut or longer is refused */
    for (size_t n = 0; n < saved.n; n += n < 600 ? 1 : 61) {
        uint8_t *cut = malloc(n + 1);
        memcpy(cut, saved.p, n);
        assert_int_not_equal(group_load(BYTES(cut, n), &g), ST_OK);
        free(cut);
    }
    buf_u8(&saved, 0);
    assert_int_not_equal(group_load(buf_view(&saved), &g), ST_OK);
    buf_free(&saved);
    world_end(w);
}

/* protocol.md 6: a member whose KEM secret is gone cannot follow; it notices by the entries after. */
static void who_lost_its_secret_notices(void **state)
{
    (void)state;
    struct world *w = world_new(BALLOT_OPEN, 3);
    struct group_event ev;
    memset(w->m[2].g->secrets->seeds[0].seed, 7, 32); /* the disk lied */
    WORLD_POST(w, group_make_commit(w->m[0].g, 0, &now, &draft));
    assert_int_equal(world_saw(&w->m[2], GROUP_BAD_COMMIT, &ev), 1);
    assert_int_equal(ev.fault.part, COMMIT_OWN_WRAP);
    assert_true(group_writable(w->m[2].g)); /* it may still be the committer's fault */
    WORLD_POST(w, group_make_head(w->m[0].g, group_epoch(w->m[0].g), 1, 0, NULL, &now, &draft));
    assert_int_equal(world_saw(&w->m[2], GROUP_LOST, NULL), 0);
    WORLD_POST(w, group_make_head(w->m[1].g, group_epoch(w->m[0].g), 1, 0, NULL, &now, &draft));
    assert_int_equal(world_saw(&w->m[2], GROUP_LOST, NULL), 1);
    assert_false(group_writable(w->m[2].g));
    world_end(w);
}

/* Two votes cannot race, and an ADD needs every yes, whatever its author says. */
static void an_add_without_every_yes_is_void(void **state)
{
    (void)state;
    struct world *w = world_new(BALLOT_OPEN, 3);
    struct world_member stranger = {.nick = "stranger"};
    struct group_event ev;
    uint8_t back[48] = {0}, indexes[16];
    struct buf body = BUF_INIT;
    world_random(w, stranger.id_seed, 96);
    uint64_t p = world_propose(w, 1, &stranger);
    world_ballot(w, 0, p, true);
    world_ballot(w, 1, p, true);
    put_u64(indexes, w->n - 2);
    put_u64(indexes + 8, w->n - 1);
    struct outcome_body add = {.proposal = p, .ballots = {indexes, 2}};
    memcpy(add.hash, ledger_proposal(group_ledger(w->m[1].g), p)->hash, 32);
    assert_int_equal(fields_encode(&outcome_body_fields, &add, &body), ST_OK);
    struct entry0 e = entry_of(w, 1, LEDGER_ADD, buf_view(&body));
    world_forget(w);
    post_entry(w, 1, &e, back);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(world_saw(&w->m[i], GROUP_VOID, &ev), 1);
        assert_string_equal(ev.reason, "the vote has not passed");
        assert_int_equal(ev.leaf, 1);
        assert_int_equal(ledger_members(group_ledger(w->m[i].g)), 3);
    }
    world_ballot(w, 2, p, true);
    /* passed; but it names only two ballots */
    e = entry_of(w, 1, LEDGER_ADD, buf_view(&body));
    post_entry(w, 1, &e, back);
    assert_int_equal(ledger_members(group_ledger(w->m[0].g)), 3);
    WORLD_POST(w, group_make_outcome(w->m[0].g, p, &now, &draft));
    assert_int_equal(ledger_members(group_ledger(w->m[0].g)), 4);
    /* the ADD stands alone in its place: a second one is void */
    e = entry_of(w, 1, LEDGER_ADD, buf_view(&body));
    post_entry(w, 1, &e, back);
    assert_int_equal(ledger_members(group_ledger(w->m[0].g)), 4);
    /* mail waits for the COMMIT: nobody but the old three may make it */
    assert_int_equal(ledger_turn(group_ledger(w->m[0].g), 3), LEDGER_NOBODY);
    world_duties(w);
    buf_free(&body);
    world_end(w);
}

/* No history: a newcomer gets the keys of its own epoch and not one older. */
static void no_history_means_none(void **state)
{
    (void)state;
    struct world *w = calloc(1, sizeof *w);
    uint8_t item[9] = {LEDGER_POLICY_NO_HISTORY}, key[32];
    item[8] = 1;
    world_begin_with(w, (struct list){item, 1});
    (void)world_admit(w, 0);
    size_t n = world_admit(w, 1);
    assert_int_equal(group_key(w->m[n].g, GROUP_KEY_TREE, 2, key), ST_OK);
    assert_int_equal(group_key(w->m[n].g, GROUP_KEY_TREE, 1, key), ST_NOT_FOUND);
    world_agree(w);
    (void)world_admit(w, n);
    world_agree(w);
    world_end(w);
}

/* More epochs than a newcomer is handed keys of. */
static void a_long_life(void **state)
{
    (void)state;
    struct world *w = world_new(BALLOT_OPEN, 2);
    uint8_t key[32];
    for (int i = 0; i < 70; i++) {
        WORLD_POST(w, group_make_commit(w->m[i % 2].g, 0, &now, &draft));
        world_forget(w);
    }
    size_t n = world_admit(w, 0);
    uint64_t epoch = group_epoch(w->m[n].g);
    assert_int_equal(group_key(w->m[n].g, GROUP_KEY_TREE, epoch - COMMIT_KEYS_MAX + 1, key), ST_OK);
    assert_int_equal(group_key(w->m[n].g, GROUP_KEY_TREE, epoch - COMMIT_KEYS_MAX, key),
                     ST_NOT_FOUND);
    world_agree(w);
    (void)world_admit(w, n); /* the newcomer's shorter list is what counts from then on */
    world_agree(w);
    world_end(w);
}

static void other_feeds_by_epoch(void **state)
{
    (void)state;
    struct world *w = world_new(BALLOT_OPEN, 3);
    const struct ledger *l = group_ledger(w->m[0].g);
    uint8_t random[GROUP_RANDOM];
    uint64_t e = group_epoch(w->m[0].g);
    WORLD_POST(w, group_make_leave(w->m[2].g, &now, &draft));
    for (int i = 0; i < 2; i++) {
        struct group_now now = world_now(w, random);
        struct group_draft draft = {.sealed = BUF_INIT};
        now.seen[0].count = 10 + 10 * (uint64_t)i;
        assert_int_equal(group_make_commit(w->m[0].g, 0, &now, &draft), ST_OK);
        world_append(w, &draft);
    }
    assert_int_equal(ledger_epoch_mail(l, e + 1), 10);
    assert_true(ledger_counts(l, 1, 9, e, 2));   /* below the COMMIT that closed its epoch */
    assert_false(ledger_counts(l, 1, 10, e, 2)); /* above it, and its author had left */
    assert_true(ledger_counts(l, 1, 19, e, 1));  /* above it, author still inside */
    assert_false(ledger_counts(l, 1, 20, e, 1)); /* but not above the second COMMIT */
    assert_true(ledger_counts(l, 1, 99, e + 2, 1));
    assert_false(ledger_counts(l, 1, 99, e + 3, 1)); /* an epoch to come */
    assert_false(ledger_counts(l, 1, 0, e + 1, 2));
    assert_false(ledger_counts(l, 1, 0, 0, 1)); /* before its time */
    world_end(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bad_wrap_is_void_for_all),
        cmocka_unit_test(every_part_of_a_commit_is_judged),
        cmocka_unit_test(a_bad_way_back_is_void),
        cmocka_unit_test(a_false_entrance_is_noticed),
        cmocka_unit_test(junk_is_void_and_named),
        cmocka_unit_test(a_lying_envelope_is_void),
        cmocka_unit_test(the_sentinel_forks_or_forgets),
        cmocka_unit_test(altered_history_is_noticed),
        cmocka_unit_test(who_lost_its_secret_notices),
        cmocka_unit_test(an_add_without_every_yes_is_void),
        cmocka_unit_test(no_history_means_none),
        cmocka_unit_test(a_long_life),
        cmocka_unit_test(other_feeds_by_epoch),
    };
    return !!cmocka_run_group_tests(tests, world_crypto, NULL);
}
