/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: all */
/* Who says too much is muted by its readers, and heard again when it says less. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "node/post/post.h"
#include "unit/people.h"

#define HOUR UINT64_C(3600000)

struct reader {
    struct env env;
    struct node node;
    struct enclave e;
    struct post post;
    uint64_t now;
    unsigned told;
};

static uint64_t wall(void *ctx)
{
    return ((struct reader *)ctx)->now;
}

static void on_told(void *arg, const struct node_event *ev)
{
    struct reader *r = arg;
    assert_string_equal(ev->kind, "warning");
    r->told++;
}

static struct reader *reader_new(void)
{
    struct reader *r = calloc(1, sizeof *r);
    assert_non_null(r);
    r->now = 1000 * HOUR;
    r->env = (struct env){.ctx = r, .wall_ms = wall};
    r->node.ports.env = &r->env;
    r->node.options.mute_messages = 60;
    r->node.options.mute_bytes = 10000;
    node_listen(&r->node, on_told, r);
    r->e.node = &r->node;
    r->e.post = &r->post;
    r->post.synced_ms = r->now;
    return r;
}

/* n words of an author, so many ms apart; returns how many were muted. */
static unsigned says(struct reader *r, uint16_t leaf, unsigned n, uint64_t apart, size_t bytes)
{
    unsigned muted = 0;
    for (unsigned i = 0; i < n; i++) {
        r->now += apart;
        r->post.synced_ms = r->now;
        muted += post_mute(&r->e, leaf, 1, r->now, bytes);
    }
    return muted;
}

static void a_flood_is_muted_and_ends(void **state)
{
    (void)state;
    struct reader *r = reader_new();
    assert_int_equal(says(r, 3, 60, 0, 1), 0);
    assert_int_equal(r->told, 0);
    assert_int_equal(post_muted(&r->e, 3), 0);
    assert_int_equal(says(r, 3, 40, 0, 1), 40);
    assert_int_equal(r->told, 1); /* once */
    assert_int_equal(post_muted(&r->e, 3), 40);
    assert_int_equal(says(r, 4, 60, 0, 1), 0); /* the others are heard */
    /* It goes on and stays muted, however long. */
    assert_int_equal(says(r, 3, 1000, HOUR / 100, 1), 1000);
    assert_int_equal(r->told, 1);
    /* A day later it is heard. */
    r->now += 24 * HOUR;
    r->post.synced_ms = r->now;
    assert_int_equal(post_muted(&r->e, 3), 0);
    assert_int_equal(says(r, 3, 1, 0, 1), 0);
    assert_int_equal(r->told, 2);
    /* Below the limit for ever, nobody is muted. */
    assert_int_equal(says(r, 5, 1000, HOUR / 59, 1), 0);
    free(r);
}

static void by_bytes_too(void **state)
{
    (void)state;
    struct reader *r = reader_new();
    assert_int_equal(says(r, 3, 10, 0, 1000), 0);
    assert_int_equal(says(r, 3, 1, 0, 1000), 1);
    r->node.options.mute_bytes = 0; /* no limit */
    r->node.options.mute_messages = 0;
    r->now += 3 * HOUR;
    assert_int_equal(says(r, 6, 5000, 0, 100000), 0);
    free(r);
}

static void what_was_said_while_we_slept_is_no_flood(void **state)
{
    (void)state;
    struct reader *r = reader_new();
    uint64_t slept = r->now;
    r->now += 48 * HOUR;
    for (unsigned i = 0; i < 1000; i++)
        assert_false(post_mute(&r->e, 3, 1, slept + i * (HOUR / 40), 1));
    /* But not on times that lie before we slept, or ahead. */
    unsigned muted = 0;
    for (unsigned i = 0; i < 100; i++) muted += post_mute(&r->e, 4, 1, 10 * HOUR + i * HOUR, 1);
    assert_int_equal(muted, 40);
    muted = 0;
    for (unsigned i = 0; i < 100; i++) muted += post_mute(&r->e, 5, 1, r->now + i * HOUR, 1);
    assert_int_equal(muted, 40);
    free(r);
}

static void a_clock_that_is_set_back_mutes_nobody_for_ever(void **state)
{
    (void)state;
    struct reader *r = reader_new();
    r->now += 5000 * HOUR;
    assert_int_equal(says(r, 3, 100, 0, 1), 40);
    r->now -= 5000 * HOUR;
    r->post.synced_ms = r->now;
    assert_int_equal(says(r, 3, 1, 0, 1), 1);
    r->now += 2 * HOUR;
    assert_int_equal(says(r, 3, 1, 0, 1), 0);
    free(r);
}

/* ---- among people ---- */

struct heard {
    unsigned words, warnings;
};

static void hear(void *arg, const struct node_event *e)
{
    struct heard *h = arg;
    h->words += strcmp(e->kind, "message") == 0;
    h->warnings += strstr(e->text, "is flooding") != NULL;
}

struct lines {
    unsigned n, muted;
};

static bool on_row(void *arg, const struct node_message *m)
{
    struct lines *r = arg;
    r->n++;
    r->muted += m->muted;
    return true;
}

static void on_member(void *arg, const struct node_member *m)
{
    if (strcmp(m->nick, "alice") == 0) *(uint64_t *)arg = m->muted;
}

static void on_info(void *arg, const struct node_enclave_info *e)
{
    *(bool *)arg = strstr(e->trouble, "alice is flooding: 5 messages muted") != NULL;
}

static void nothing_of_it_is_lost(void **state)
{
    (void)state;
    struct town t;
    struct heard h = {0};
    struct lines r = {0};
    uint64_t muted = 0;
    bool shown = false;
    town_start(&t, 2);
    struct person *alice = &t.people[0], *bob = &t.people[1];
    person_create(alice, "room");
    person_admit(&t, bob, "room");
    bob->node->options.mute_messages = 10;
    node_listen(bob->node, hear, &h);
    for (unsigned i = 0; i < 15; i++) {
        struct answer a = {0};
        struct node_say say = {.text = BYTES_LIT("look at me")};
        assert_int_equal(node_send(alice->node, "room", &say, person_answer, &a), ST_OK);
        person_ok(alice, &a);
    }
    while (r.n < 15) {
        town_turn(&t);
        r = (struct lines){0};
        assert_int_equal(node_messages(bob->node, "room", 1, on_row, &r), ST_OK);
    }
    assert_int_equal(r.muted, 5);
    while (h.words < 10) town_turn(&t); /* a row is there before it is told */
    assert_int_equal(h.words, 10);
    assert_int_equal(h.warnings, 1);
    assert_int_equal(node_members(bob->node, "room", on_member, &muted), ST_OK);
    assert_int_equal(muted, 5);
    node_enclaves(bob->node, on_info, &shown);
    assert_true(shown);
    assert_int_equal(node_members(alice->node, "room", on_member, &muted), ST_OK);
    assert_int_equal(muted, 0); /* one's own words are not muted */
    town_end(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_flood_is_muted_and_ends),
        cmocka_unit_test(by_bytes_too),
        cmocka_unit_test(what_was_said_while_we_slept_is_no_flood),
        cmocka_unit_test(a_clock_that_is_set_back_mutes_nobody_for_ever),
        cmocka_unit_test(nothing_of_it_is_lost),
    };
    return !!cmocka_run_group_tests(tests, NULL, NULL);
}
