/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base tables crypto core/feed core/ledger core/ballot core/epoch core/mail core/door core/files core/holder core/audit core/room core/vault link store net node node/host node/enclave node/contact node/post node/vote node/shelf node/audit node/repair node/put node/get node/hold */
/* Whole members over real TLS, SQLite and a real sentinel, all on one loop: create, invite, admit
 * by everybody's yes, one no, words live and after a restart, files, leaving. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unit/people.h"

static void two_meet_and_talk(void **state)
{
    (void)state;
    struct town t;
    town_start(&t, 2);
    person_create(&t.people[0], "room");
    person_admit(&t, &t.people[1], "room");
    person_say(&t.people[0], "room", "good evening");
    person_wait_message(&t.people[1], "room", "alice", "good evening");
    person_say(&t.people[1], "room", "and to you");
    person_wait_message(&t.people[0], "room", "bob", "and to you");
    town_end(&t);
}

static void everybody_says_yes_or_nobody_comes(void **state)
{
    (void)state;
    struct town t;
    town_start(&t, 4);
    person_create(&t.people[0], "room");
    person_admit(&t, &t.people[1], "room");
    person_admit(&t, &t.people[2], "room");
    person_knock(&t, &t.people[0], &t.people[3], "room");
    person_vote(&t.people[0], "room", "dave", true);
    person_wait_open(&t.people[1], "room", "dave");
    person_vote(&t.people[1], "room", "dave", false);
    /* A secret vote is open until the last ballot: nobody knows yet. */
    person_wait_open(&t.people[2], "room", "dave");
    person_vote(&t.people[2], "room", "dave", true);
    person_wait_state(&t.people[3], NODE_REFUSED);
    assert_int_equal(person_members(&t.people[2], "room"), 3);
    town_end(&t);
}

static void words_wait_for_who_is_away(void **state)
{
    (void)state;
    struct town t;
    town_start(&t, 3);
    person_create(&t.people[0], "room");
    person_admit(&t, &t.people[1], "room");
    person_stop(&t.people[1]);
    person_say(&t.people[0], "room", "while you slept");
    person_start(&t.people[1]);
    person_wait_message(&t.people[1], "room", "alice", "while you slept");
    /* Three epochs pass: carol comes, says, goes. */
    person_stop(&t.people[1]);
    person_start(&t.people[1]);
    person_admit(&t, &t.people[2], "room");
    person_stop(&t.people[1]);
    person_leave(&t.people[2], "room");
    person_say(&t.people[0], "room", "in new keys");
    person_start(&t.people[1]);
    person_wait_message(&t.people[1], "room", "alice", "in new keys");
    assert_int_equal(person_members(&t.people[1], "room"), 2);
    town_end(&t);
}

static void the_last_one_turns_out_the_light(void **state)
{
    (void)state;
    struct town t;
    town_start(&t, 2);
    person_create(&t.people[0], "room");
    person_admit(&t, &t.people[1], "room");
    person_leave(&t.people[1], "room");
    person_leave(&t.people[0], "room");
    assert_int_equal(town_rooms(&t), 0);
    town_end(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_meet_and_talk),
        cmocka_unit_test(everybody_says_yes_or_nobody_comes),
        cmocka_unit_test(words_wait_for_who_is_away),
        cmocka_unit_test(the_last_one_turns_out_the_light),
    };
    return !!cmocka_run_group_tests(tests, NULL, NULL);
}
