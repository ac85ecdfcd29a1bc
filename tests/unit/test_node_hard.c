/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base tables crypto core/feed core/ledger core/ballot core/epoch core/mail core/door core/files core/holder core/audit core/room core/vault link store net node node/host node/enclave node/contact node/post node/vote node/shelf node/audit node/repair node/put node/get node/hold */
/* What can go wrong around a member: a sentinel that lies after TLS, members that send nonsense, the
 * end at any moment, a sentinel restored from a backup, two histories, a slow disk. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unit/tamper.h"

/* Every few turns by default; all of them with TEST_THOROUGH. */
static unsigned next_stop(unsigned n)
{
    return getenv("TEST_THOROUGH") != NULL ? n * 3 / 2 + 1 : n * 8 + 5;
}

static void turns(struct town *t, unsigned n)
{
    while (n-- > 0) town_turn(t);
}

static bool done_in(struct town *t, const bool *flag, uint64_t ms)
{
    uint64_t until = env_mono_ms(&t->env) + ms;
    while (!*flag && env_mono_ms(&t->env) < until) town_turn(t);
    return *flag;
}

/* ---- the end at any moment ---- */

struct drop {
    bool done;
};

static void on_any(void *arg, const struct node_result *r)
{
    (void)r;
    ((struct drop *)arg)->done = true;
}

/* bob is stopped n turns after his knock was asked for, and after everybody's yes. */
static void stopped_while_joining(unsigned n)
{
    struct town t;
    struct answer a = {0};
    struct drop join = {0}, vote = {0};
    town_start(&t, 2);
    struct person *alice = &t.people[0], *bob = &t.people[1];
    person_create(alice, "room");
    assert_int_equal(node_invite(alice->node, "room", 0, person_code, &a), ST_OK);
    person_ok(alice, &a);
    struct node_join req = {.code = a.code, .nick = "bob"};
    assert_int_equal(node_join(bob->node, &req, on_any, &join), ST_OK);
    turns(&t, n);
    person_stop(bob);
    assert_true(join.done);
    person_start(bob);
    person_wait_open(alice, "room", "bob");
    struct node_vote yes = {.enclave = "room", .ref = "bob", .yes = true};
    assert_int_equal(node_vote(alice->node, &yes, on_any, &vote), ST_OK);
    turns(&t, n);
    person_stop(bob);
    person_start(bob);
    person_wait_state(bob, NODE_MEMBER);
    person_say(alice, "room", "welcome");
    while (person_members(bob, "room") != 2) town_turn(&t);
    person_wait_message(bob, "room", "alice", "welcome");
    town_end(&t);
}

static void joining_survives_every_stop(void **state)
{
    (void)state;
    for (unsigned n = 0; n < 60; n = next_stop(n)) stopped_while_joining(n);
}

static void stopped_while_admitting(unsigned n)
{
    struct town t;
    struct drop vote = {0};
    town_start(&t, 2);
    struct person *alice = &t.people[0], *bob = &t.people[1];
    person_create(alice, "room");
    person_knock(&t, alice, bob, "room");
    struct node_vote yes = {.enclave = "room", .ref = "bob", .yes = true};
    assert_int_equal(node_vote(alice->node, &yes, on_any, &vote), ST_OK);
    turns(&t, n);
    person_stop(alice);
    assert_true(vote.done);
    person_start(alice);
    /* Stopped before its proposal was made, the vote is to be given again. */
    uint64_t until = env_mono_ms(&t.env) + 1500;
    for (;;) {
        struct person_look l = {0};
        node_enclaves(bob->node, person_see_enclave, &l);
        if (l.state == NODE_MEMBER) break;
        town_turn(&t);
        if (env_mono_ms(&t.env) < until) continue;
        until = env_mono_ms(&t.env) + 1500;
        vote.done = false;
        if (node_vote(alice->node, &yes, on_any, &vote) == ST_OK) person_wait(&t, &vote.done);
    }
    town_end(&t);
}

static void admitting_survives_every_stop(void **state)
{
    (void)state;
    for (unsigned n = 1; n < 40; n = next_stop(n)) stopped_while_admitting(n);
}

/* Removed or stopped while words, invitations, files and a leaving are on their way. */
static void ended_in_the_middle(unsigned n, bool leave)
{
    struct town t;
    struct drop send = {0}, invite = {0}, gone = {0}, dir = {0};
    town_start(&t, 2);
    struct person *alice = &t.people[0], *bob = &t.people[1];
    person_create(alice, "room");
    person_admit(&t, bob, "room");
    assert_int_equal(node_send(bob->node, "room",
                               &(struct node_say){.text = bytes_str("last words")}, on_any, &send),
                     ST_OK);
    if (node_invite(bob->node, "room", 0, on_any, &invite) != ST_OK) invite.done = true;
    if (node_mkdir(bob->node, "room", bytes_str("dir"), on_any, &dir) != ST_OK) dir.done = true;
    turns(&t, n);
    if (leave) assert_int_equal(node_leave(bob->node, "room", on_any, &gone), ST_OK);
    turns(&t, n);
    if (leave && n % 2) assert_true(done_in(&t, &gone.done, 5000));
    person_stop(bob);
    assert_true(send.done); /* every accepted call is answered once, whatever happens */
    assert_true(invite.done);
    assert_true(dir.done);
    assert_true(gone.done || !leave);
    person_start(bob);
    while (leave && person_members(alice, "room") != 1) town_turn(&t);
    if (!leave) person_wait_message(alice, "room", "bob", "last words");
    town_end(&t);
}

static void everything_may_end_at_any_moment(void **state)
{
    (void)state;
    for (unsigned n = 0; n < 30; n = next_stop(n)) {
        ended_in_the_middle(n, false);
        ended_in_the_middle(n, true);
    }
}

/* ---- liars ---- */

static struct tamper *tampers; /* of the running test: the hook of a person has no other way */

static void between_links(struct person *p)
{
    tamper_link(&tampers[p - p->town->people], p);
}

/* All that a member can ask for, over and over, whatever comes of it. */
static void bustle(struct town *t, unsigned i, const char *file, const char *to, struct drop *d)
{
    struct person *p = &t->people[i % 3];
    struct node_put put = {.enclave = "room", .local = file, .path = bytes_str("f")};
    struct node_get get = {.enclave = "room", .path = bytes_str("f"), .local = to, .replace = true};
    if (i % 4 == 0)
        (void)!node_send(p->node, "room", &(struct node_say){.text = bytes_str("x")}, on_any, d);
    if (i % 32 == 5) (void)!node_invite(p->node, "room", 0, on_any, d);
    if (i % 16 == 9) (void)!node_mkdir(p->node, "room", bytes_str("a"), on_any, d);
    if (i % 64 == 12) (void)!node_rm(p->node, "room", bytes_str("f"), true, on_any, d);
    if (i % 64 == 13) (void)!node_put(p->node, &put, on_any, d);
    if (i % 64 == 40) (void)!node_get(p->node, &get, on_any, d);
}

static void lied_to(uint64_t seed)
{
    struct town t;
    struct tamper tamper[3] = {{.seed = seed}, {.seed = seed + 1}, {.seed = seed + 2}};
    struct drop d = {0};
    char file[100], to[100];
    static const unsigned chances[] = {5, 20, 60, 200};
    tampers = tamper;
    town_start_with(&t, 3, between_links);
    snprintf(file, sizeof file, "%s/file", t.dir);
    snprintf(to, sizeof to, "%s/got", t.dir);
    FILE *f = fopen(file, "w");
    assert_non_null(f);
    for (int i = 0; i < 40000; i++) fprintf(f, "%d", i);
    fclose(f);
    person_create(&t.people[0], "room");
    person_admit(&t, &t.people[1], "room");
    person_admit(&t, &t.people[2], "room");
    for (unsigned round = 0; round < 3; round++) {
        tamper[1].chance = chances[(seed + round) % 4];
        tamper[2].chance = chances[(seed / 4 + round) % 4];
        uint64_t until = env_mono_ms(&t.env) + 150;
        for (unsigned i = 0; env_mono_ms(&t.env) < until; i++) {
            bustle(&t, i, file, to, &d);
            town_turn(&t);
        }
        /* They stand, they stop, they start again from what they wrote. */
        for (int i = 1; i < 3; i++) {
            tamper[i].chance = 0;
            person_stop(&t.people[i]);
            person_start(&t.people[i]);
        }
    }
    if (getenv("TAMPER_SEEDS") != NULL)
        print_message("seed %llu: %llu and %llu frames\n", (unsigned long long)seed,
                      (unsigned long long)tamper[1].count, (unsigned long long)tamper[2].count);
    turns(&t, 50);
    town_end(&t);
    for (int i = 0; i < 3; i++) tamper_free(&tamper[i]);
    tampers = NULL;
}

static void lies_hurt_nobodys_memory(void **state)
{
    (void)state;
    const char *seeds = getenv("TAMPER_SEEDS");
    const char *first = getenv("TAMPER_FIRST");
    unsigned n = seeds != NULL ? (unsigned)strtoul(seeds, NULL, 10) : 1;
    unsigned from = first != NULL ? (unsigned)strtoul(first, NULL, 10) : 0;
    for (unsigned i = from; i < from + n; i++) lied_to(i * 7919 + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(joining_survives_every_stop),
        cmocka_unit_test(admitting_survives_every_stop),
        cmocka_unit_test(everything_may_end_at_any_moment),
        cmocka_unit_test(lies_hurt_nobodys_memory),
    };
    if (getenv("TAMPER_SEEDS") != NULL) cmocka_set_test_filter("lies*");
    return !!cmocka_run_group_tests(tests, NULL, NULL);
}
