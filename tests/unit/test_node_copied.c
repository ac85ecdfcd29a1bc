/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base tables crypto core/feed core/ledger core/ballot core/epoch core/mail core/door core/files core/holder core/audit core/room core/vault link store net node node/host node/enclave node/contact node/post node/vote node/shelf node/audit node/repair node/put node/get node/hold */
/* A home that is a copy is noticed before it speaks, also where no entry betrays it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/ledger/group_state.h"
#include "core/mail/mail_inner.h"
#include "node/enclave/enclave.h"
#include "unit/people.h"

static void copy_in(const char *dir, const char *from, const char *to)
{
    char a[200], b[200], block[8192];
    size_t n;
    snprintf(a, sizeof a, "%s/%s", dir, from);
    snprintf(b, sizeof b, "%s/%s", dir, to);
    FILE *in = fopen(a, "rb"), *out = fopen(b, "wb");
    assert_non_null(in);
    assert_non_null(out);
    while ((n = fread(block, 1, sizeof block, in)) > 0)
        assert_int_equal(fwrite(block, 1, n, out), n);
    fclose(in);
    fclose(out);
    assert_int_equal(chmod(b, 0600), 0);
}

static void copy_home(const struct person *p, const char *from, const char *to)
{
    copy_in(p->home, from, to);
}

/* Another file in its place, as most programs put a backup back. */
static void put_back(const struct person *p, const char *backup)
{
    char a[200], b[200];
    copy_home(p, backup, "new");
    snprintf(a, sizeof a, "%s/new", p->home);
    snprintf(b, sizeof b, "%s/state.db", p->home);
    assert_int_equal(rename(a, b), 0);
}

static struct group *group_of(struct person *p)
{
    return p->node->enclaves[0]->group;
}

static void wait_well(struct person *p)
{
    while (group_of(p) == NULL || group_restored(group_of(p))) town_turn(p->town);
}

static void restart(struct person *p)
{
    person_stop(p);
    person_start(p);
}

static void a_copied_home_renews_its_keys(void **state)
{
    (void)state;
    struct town t;
    town_start(&t, 2);
    struct person *alice = &t.people[0], *bob = &t.people[1];
    person_create(alice, "room");
    person_admit(&t, bob, "room");
    assert_int_equal(bob->copies, 0);
    person_say(bob, "room", "before");
    person_wait_message(alice, "room", "bob", "before");
    person_stop(bob);
    copy_home(bob, "state.db", "backup");
    person_start(bob);
    assert_int_equal(bob->copies, 0);
    assert_false(group_restored(group_of(bob)));
    person_stop(bob); /* nothing was said since: no entry tells that it was set back */
    put_back(bob, "backup");
    person_start(bob);
    assert_int_equal(bob->copies, 1);
    assert_true(group_restored(group_of(bob)));
    assert_int_equal(group_of(bob)->n_veto, 0);
    assert_true(group_of(bob)->veto_dead);
    uint64_t epoch = group_epoch(group_of(bob));
    person_say(bob, "room", "after"); /* waits for a new epoch */
    person_wait_message(alice, "room", "bob", "after");
    assert_false(group_restored(group_of(bob)));
    assert_true(group_epoch(group_of(bob)) > epoch);
    assert_true(mail_epoch_newest(bob->node->enclaves[0]->mail)->epoch > epoch);
    restart(bob); /* told once */
    assert_int_equal(bob->copies, 0);
    assert_false(group_restored(group_of(bob)));
    person_say(bob, "room", "and on");
    person_wait_message(alice, "room", "bob", "and on");
    town_end(&t);
}

/* ---- the sentinel shows nothing of what was said since ---- */

#define DATABASE "sentinel/" HOST_DATABASE

static void sentinel_stop(struct town *t)
{
    bool closed = false;
    host_close(t->host, town_flag, &closed);
    person_wait(t, &closed);
}

static void sentinel_start(struct town *t, const char *address)
{
    char data[100];
    struct host_options options = {.listen = address, .data = data};
    struct host_fault fault;
    snprintf(data, sizeof data, "%s/sentinel", t->dir);
    room_limits_default(&options.limits);
    assert_int_equal(host_open(&t->loop, &t->env, &options, &t->host, &fault), ST_OK);
}

/* Says it, and gives the hint under which it stands in the feed. */
static void say_and_see(struct person *p, const char *text, uint8_t ret_hint[8])
{
    struct enclave *e = p->node->enclaves[0];
    struct buf sealed;
    uint8_t chain[32];
    person_say(p, "room", text);
    while (e->out_first != NULL || e->commits > 0) town_turn(p->town);
    buf_init(&sealed, KV_VALUE_MAX);
    assert_int_equal(enclave_kept(e, FEED_MAIL, e->feeds[FEED_MAIL].seen.count - 1, &sealed, chain),
                     ST_OK);
    memcpy(ret_hint, sealed.p, 8);
    buf_free(&sealed);
}

static void no_number_is_used_twice_though_nothing_tells(void **state)
{
    (void)state;
    struct town t;
    char address[80];
    uint8_t one[8], two[8];
    town_start(&t, 2);
    struct person *alice = &t.people[0], *bob = &t.people[1];
    person_create(alice, "room");
    person_admit(&t, bob, "room");
    say_and_see(bob, "before", one);
    person_stop(alice); /* she could tell */
    person_stop(bob);
    snprintf(address, sizeof address, "%s", host_address(t.host));
    sentinel_stop(&t);
    copy_in(t.dir, DATABASE, "backup");
    copy_home(bob, "state.db", "backup");
    sentinel_start(&t, address);
    person_start(bob);
    say_and_see(bob, "what is gone", one);
    person_stop(bob);
    sentinel_stop(&t);
    copy_in(t.dir, "backup", DATABASE);
    put_back(bob, "backup");
    sentinel_start(&t, address);
    person_start(bob);
    assert_int_equal(bob->copies, 1);
    say_and_see(bob, "what is said instead", two);
    assert_memory_not_equal(one, two, 8);
    assert_false(group_restored(group_of(bob)));
    person_start(alice);
    person_wait_message(alice, "room", "bob", "what is said instead");
    town_end(&t);
}

/* ---- the disk takes nothing ---- */

static enum status commit_fails(void *ctx, const struct kv_write *writes, size_t n, kv_done *done,
                                void *arg)
{
    (void)ctx;
    (void)writes;
    (void)n;
    (void)done;
    (void)arg;
    return ST_NO_SPACE;
}

static void fail_commits(struct person *p)
{
    static struct kv_ops ops;
    ops = *p->ports.kv.ops;
    ops.commit = commit_fails;
    p->ports.kv.ops = &ops;
}

static void what_is_not_on_disk_is_noticed_again(void **state)
{
    (void)state;
    struct town t;
    town_start(&t, 1);
    struct person *alice = &t.people[0];
    person_create(alice, "room");
    person_stop(alice);
    copy_home(alice, "state.db", "backup");
    put_back(alice, "backup");
    t.between = fail_commits;
    person_start(alice);
    assert_int_equal(alice->copies, 1);
    assert_true(alice->node->enclaves[0]->halted); /* says nothing */
    person_stop(alice);
    t.between = NULL;
    person_start(alice);
    assert_int_equal(alice->copies, 1);
    assert_true(group_restored(group_of(alice)));
    wait_well(alice); /* alone, too */
    restart(alice);
    assert_int_equal(alice->copies, 0);
    town_end(&t);
}

/* ---- no group yet ---- */

static void who_waits_at_the_door_remembers_it(void **state)
{
    (void)state;
    struct town t;
    town_start(&t, 2);
    struct person *alice = &t.people[0], *bob = &t.people[1];
    person_create(alice, "room");
    person_knock(&t, alice, bob, "room");
    person_stop(bob);
    copy_home(bob, "state.db", "backup");
    put_back(bob, "backup");
    person_start(bob);
    assert_int_equal(bob->copies, 1);
    assert_true(bob->node->enclaves[0]->copied);
    restart(bob); /* told once, but remembered until there is something to mark */
    assert_int_equal(bob->copies, 0);
    assert_true(bob->node->enclaves[0]->copied);
    person_vote(alice, "room", "bob", true);
    while (group_of(bob) == NULL) town_turn(&t);
    assert_true(group_restored(group_of(bob)));
    assert_int_equal(group_of(bob)->n_veto, 0); /* those in its knock may have been used */
    person_wait_state(bob, NODE_MEMBER);
    wait_well(bob);
    person_say(bob, "room", "in");
    person_wait_message(alice, "room", "bob", "in");
    restart(bob);
    assert_false(bob->node->enclaves[0]->copied);
    assert_false(group_restored(group_of(bob)));
    town_end(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_copied_home_renews_its_keys),
        cmocka_unit_test(no_number_is_used_twice_though_nothing_tells),
        cmocka_unit_test(what_is_not_on_disk_is_noticed_again),
        cmocka_unit_test(who_waits_at_the_door_remembers_it),
    };
    return !!cmocka_run_group_tests(tests, NULL, NULL);
}
