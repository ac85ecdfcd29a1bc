/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What comes to a member who was away: from the others what the sentinel let go of, and again from its
 * author what it let go of too soon. Whole nodes, days of virtual time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/feed/chain.h"
#include "crypto/secret.h"
#include "sim/world.h"

#define HOUR UINT64_C(3600000)
#define DAY (24 * HOUR)
#define WORDS 64

struct ear {
    unsigned lost, handed;
};

static void hear(void *arg, const struct node_event *e)
{
    struct ear *ear = arg;
    ear->lost += strstr(e->text, "are lost: nobody had them") != NULL;
    ear->handed += strcmp(e->kind, "handover") == 0;
}

static void say(struct world *w, struct someone *p, unsigned number)
{
    char text[32];
    struct said a = {0};
    snprintf(text, sizeof text, "w%u", number);
    struct node_say say = {.text = BYTES(text, strlen(text))};
    assert_int_equal(node_send(p->node, "room", &say, told, &a), ST_OK);
    wait_for(w, &a);
    assert_int_equal(a.st, ST_OK);
}

struct shown {
    unsigned times[WORDS];
    uint64_t lost;
};

static bool on_word(void *arg, const struct node_message *m)
{
    struct shown *s = arg;
    unsigned number = 0;
    char text[32];
    snprintf(text, sizeof text, "%.*s", (int)(m->text.n < 31 ? m->text.n : 31),
             (const char *)m->text.p);
    if (sscanf(text, "w%u", &number) == 1 && number < WORDS) s->times[number]++;
    s->lost += m->lost_before;
    return true;
}

static struct shown shown(struct someone *p)
{
    struct shown s = {0};
    assert_int_equal(node_messages(p->node, "room", 1, on_word, &s), ST_OK);
    return s;
}

static struct enclave *room_of(struct someone *p)
{
    return node_find(p->node, "room");
}

static struct world *two(void)
{
    struct world *w = begin();
    boot(w, &w->people[0]);
    boot(w, &w->people[1]);
    create(w, &w->people[0], "room", NULL);
    admit(w, &w->people[0], &w->people[1], "room", NULL);
    return w;
}

/* This member keeps no sealed entry of feed 1 from before now. */
static void forget_sealed(struct world *w, struct someone *p)
{
    struct enclave *e = room_of(p);
    struct keep_batch b;
    keep_begin(&b, &e->node->keep);
    keep_erase_below(&b, &e->feeds[FEED_MAIL].space, e->feeds[FEED_MAIL].seen.count - 1);
    enclave_commit(e, &b, NULL, NULL);
    pass(w, 1000);
}

static void sleep_a_month(struct world *w)
{
    crash(w, &w->people[1]);
    for (unsigned day = 0; day < 30; day++) {
        say(w, &w->people[0], day);
        pass(w, DAY);
    }
}

static void a_month_later_the_others_hand_it_over(void **state)
{
    (void)state;
    struct world *w = two();
    struct ear ear = {0};
    sleep_a_month(w);
    assert_true(room_of(&w->people[0])->kept.first > 10); /* at the sentinel it is gone */
    boot(w, &w->people[1]);
    node_listen(w->people[1].node, hear, &ear);
    pass(w, 5 * 60000);
    struct shown s = shown(&w->people[1]);
    for (unsigned i = 0; i < 30; i++) assert_int_equal(s.times[i], 1);
    assert_int_equal(s.lost, 0);
    assert_int_equal(ear.lost, 0);
    assert_int_equal(ear.handed, 1);
    assert_null(room_of(&w->people[1])->handover);
    /* It is on disk, and can be handed on. */
    crash(w, &w->people[1]);
    boot(w, &w->people[1]);
    pass(w, 60000);
    s = shown(&w->people[1]);
    for (unsigned i = 0; i < 30; i++) assert_int_equal(s.times[i], 1);
    assert_null(room_of(&w->people[1])->handover);
    uint8_t chain[32];
    for (uint64_t i = 0; i < room_of(&w->people[1])->feeds[FEED_MAIL].seen.count; i++)
        assert_int_equal(enclave_kept(room_of(&w->people[1]), FEED_MAIL, i, NULL, chain), ST_OK);
    finish(w);
}

/* It comes back while nobody is there, and stops in the middle of waiting. */
static void it_waits_for_somebody(void **state)
{
    (void)state;
    struct world *w = two();
    struct ear ear = {0};
    sleep_a_month(w);
    crash(w, &w->people[0]);
    boot(w, &w->people[1]);
    pass(w, HOUR);
    assert_non_null(room_of(&w->people[1])->handover);
    struct shown s = shown(&w->people[1]);
    assert_int_equal(s.times[29], 1); /* what the sentinel has is read meanwhile */
    assert_int_equal(s.times[2], 0);
    assert_int_equal(s.lost, 0);
    crash(w, &w->people[1]);
    boot(w, &w->people[1]);
    node_listen(w->people[1].node, hear, &ear);
    pass(w, DAY);
    boot(w, &w->people[0]);
    pass(w, 10 * 60000);
    s = shown(&w->people[1]);
    for (unsigned i = 0; i < 30; i++) assert_int_equal(s.times[i], 1);
    assert_int_equal(ear.lost, 0);
    finish(w);
}

static void what_nobody_has_is_lost_and_told(void **state)
{
    (void)state;
    struct world *w = two();
    struct ear ear = {0};
    sleep_a_month(w);
    forget_sealed(w, &w->people[0]);
    boot(w, &w->people[1]);
    node_listen(w->people[1].node, hear, &ear);
    pass(w, 10 * 60000);
    struct shown s = shown(&w->people[1]);
    assert_int_equal(s.times[2], 0);
    assert_int_equal(s.times[29], 1);
    assert_int_equal(ear.lost, 1);
    assert_null(room_of(&w->people[1])->handover);
    finish(w);
}

/* The operator keeps mail for a day only. */
static void its_author_says_it_again(void **state)
{
    (void)state;
    struct world *w = two();
    w->sentinel.limits.mail_ms = w->sentinel.branch[0].rules.limits.mail_ms = DAY;
    crash(w, &w->people[1]);
    say(w, &w->people[0], 1);
    uint64_t before = room_of(&w->people[0])->feeds[FEED_MAIL].seen.count;
    pass(w, 4 * DAY);
    uint64_t after = room_of(&w->people[0])->feeds[FEED_MAIL].seen.count;
    assert_true(after > before + 1);
    forget_sealed(w, &w->people[0]);
    boot(w, &w->people[1]);
    pass(w, 10 * 60000);
    assert_int_equal(shown(&w->people[1]).times[1], 1);
    assert_int_equal(shown(&w->people[0]).times[1], 1);
    /* Its HEAD of the day says that it has it: not once more. */
    pass(w, 2 * DAY);
    after = room_of(&w->people[0])->feeds[FEED_MAIL].seen.count;
    pass(w, 4 * DAY);
    assert_int_equal(room_of(&w->people[0])->feeds[FEED_MAIL].seen.count, after);
    assert_int_equal(shown(&w->people[1]).times[1], 1);
    finish(w);
}

static void for_fourteen_days(void **state)
{
    (void)state;
    struct world *w = two();
    w->sentinel.limits.mail_ms = w->sentinel.branch[0].rules.limits.mail_ms = DAY;
    crash(w, &w->people[1]);
    say(w, &w->people[0], 1);
    pass(w, 15 * DAY);
    uint64_t after = room_of(&w->people[0])->feeds[FEED_MAIL].seen.count;
    assert_in_range(after, 8, 24);
    pass(w, 6 * DAY);
    assert_int_equal(room_of(&w->people[0])->feeds[FEED_MAIL].seen.count, after);
    finish(w);
}

/* The sentinel has lost all of feed 1, which is more than half of what it keeps. */
static void a_feed_that_was_lost_begins_anew(void **state)
{
    (void)state;
    struct world *w = two();
    struct room_store store = room_sqlite_port(w->sentinel.branch[0].db);
    struct room_feed_row empty = {0};
    uint8_t room[32];
    memcpy(room, room_of(&w->people[0])->room, 32);
    crash(w, &w->people[1]);
    for (unsigned i = 0; i < 20; i++) say(w, &w->people[0], i);
    pass(w, 1000);
    uint64_t count = room_of(&w->people[0])->feeds[FEED_MAIL].seen.count;
    crash(w, &w->people[0]);
    vsentinel_crash(&w->sentinel);
    chain_start(room, FEED_MAIL, empty.chain);
    memcpy(empty.first_chain, empty.chain, 32);
    assert_int_equal(store.ops->begin(store.ctx), ST_OK);
    assert_int_equal(store.ops->entries_drop(store.ctx, room, FEED_MAIL, count), ST_OK);
    assert_int_equal(store.ops->feed_put(store.ctx, room, FEED_MAIL, &empty), ST_OK);
    assert_int_equal(store.ops->commit(store.ctx), ST_OK);
    w->sentinel.limits.feed_bytes[FEED_MAIL] = 16 * 512;
    vsentinel_boot(&w->sentinel);
    boot(w, &w->people[0]);
    pass(w, 60000);
    struct room_feed_row row;
    assert_true(vsentinel_feed(&w->sentinel, room, FEED_MAIL, &row));
    assert_int_equal(row.first, count - 7); /* seven eighths of half */
    /* What is no longer there is said again by its author, as far as there is room for its seat. */
    assert_int_equal(row.count, count + 1 + 4);
    assert_int_equal(row.bytes, (7 + 1 + 4) * 512);
    /* Who has none of it gets all of it, once, in whichever way. */
    boot(w, &w->people[1]);
    pass(w, 5 * 60000);
    struct shown s = shown(&w->people[1]);
    for (unsigned i = 0; i < 20; i++) assert_int_equal(s.times[i], 1);
    say(w, &w->people[1], 20);
    pass(w, 60000);
    assert_int_equal(shown(&w->people[0]).times[20], 1);
    finish(w);
}

static void sealed_entries_go_after_sixty_days(void **state)
{
    (void)state;
    struct world *w = two();
    struct enclave *e = room_of(&w->people[0]);
    uint8_t chain[32];
    for (unsigned day = 0; day < 50; day++) {
        say(w, &w->people[0], day);
        pass(w, DAY);
    }
    assert_int_equal(enclave_kept(e, FEED_MAIL, 0, NULL, chain), ST_OK);
    uint64_t count = e->feeds[FEED_MAIL].seen.count;
    for (unsigned day = 0; day < 20; day++) {
        say(w, &w->people[0], 50 + day % 10);
        pass(w, DAY);
    }
    assert_int_equal(enclave_kept(e, FEED_MAIL, 0, NULL, chain), ST_NOT_FOUND);
    assert_int_equal(enclave_kept(e, FEED_MAIL, count - 30, NULL, chain), ST_OK);
    count = e->feeds[FEED_MAIL].seen.count;
    crash(w, &w->people[0]);
    boot(w, &w->people[0]);
    pass(w, 60000);
    e = room_of(&w->people[0]);
    assert_int_equal(e->feeds[FEED_MAIL].seen.count, count);
    say(w, &w->people[0], 61);
    pass(w, 60000);
    assert_int_equal(shown(&w->people[1]).times[61], 1);
    finish(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_month_later_the_others_hand_it_over),
        cmocka_unit_test(it_waits_for_somebody),
        cmocka_unit_test(what_nobody_has_is_lost_and_told),
        cmocka_unit_test(its_author_says_it_again),
        cmocka_unit_test(for_fourteen_days),
        cmocka_unit_test(a_feed_that_was_lost_begins_anew),
        cmocka_unit_test(sealed_entries_go_after_sixty_days),
    };
    if (crypto_start() != ST_OK) return 1;
    return !!cmocka_run_group_tests(tests, NULL, NULL);
}
