/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base tables crypto core/feed core/ledger core/ballot core/epoch core/mail core/door core/files core/holder core/room core/vault link store net node node/enclave core/grant core/repair node/repair node/check core/audit node/audit */
/* Entries that a disk has lost: found by a check, had again from the sentinel, and proven by those
 * beside them; the tree of files heals at the next start by itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "node/node_storage.h"
#include "node/shelf/shelf.h"
#include "unit/people.h"

static struct enclave *enclave_of(struct person *p)
{
    return p->node->enclaves[0];
}

static void on_any(void *arg, const struct node_result *r)
{
    assert_int_equal(r->st, ST_OK);
    *(bool *)arg = true;
}

static bool has(struct person *p, const char *path)
{
    return tree_find(enclave_of(p)->shelf->tree, bytes_str(path)) != NULL;
}

static void make(struct person *p, const char *path)
{
    bool done = false;
    assert_int_equal(node_mkdir(p->node, "room", bytes_str(path), on_any, &done), ST_OK);
    person_wait(p->town, &done);
}

static void two(struct town *t)
{
    town_start(t, 2);
    person_create(&t->people[0], "room");
    person_admit(t, &t->people[1], "room");
    for (unsigned i = 0; i < 4; i++) {
        char path[8];
        snprintf(path, sizeof path, "d%u", i);
        make(&t->people[0], path);
    }
    while (!has(&t->people[1], "d3")) town_turn(t);
}

static void on_kv(void *arg, enum status st)
{
    assert_int_equal(st, ST_OK);
    *(bool *)arg = true;
}

/* The row becomes what its seal does not fit; verb KV_DROP: it goes. */
static void spoil(struct person *p, uint8_t feed, uint64_t n, enum kv_verb verb)
{
    bool done = false;
    struct enclave *e = enclave_of(p);
    struct kv_write w = {.verb = verb, .n = n, .value = BYTES_LIT("what a rotten sector gives")};
    memcpy(w.space, e->feeds[feed].space.id, KV_SPACE);
    while (e->commits > 0) town_turn(p->town);
    assert_int_equal(p->ports.kv.ops->commit(p->ports.kv.ctx, &w, 1, on_kv, &done), ST_OK);
    person_wait(p->town, &done);
}

struct seen_check {
    bool over, sound;
    uint64_t bad, mended;
};

static void look(void *arg, const struct node_check *c)
{
    struct seen_check *s = arg;
    s->over = strcmp(c->state, "done") == 0;
    s->sound = c->sound;
    s->bad = c->rows_bad;
    s->mended = c->rows_mended;
}

static struct seen_check check(struct person *p, bool mend)
{
    struct seen_check s = {0};
    struct node_check_ask ask = {.enclave = "room", .mend = mend};
    assert_int_equal(node_check(p->node, &ask), ST_OK);
    assert_int_equal(node_check(p->node, &ask), ST_BUSY);
    while (!s.over) {
        town_turn(p->town);
        assert_int_equal(node_check_look(p->node, "room", look, &s), ST_OK);
    }
    return s;
}

static uint64_t count(struct person *p, uint8_t feed)
{
    return enclave_of(p)->feeds[feed].seen.count;
}

static void damaged_entries_come_again(void **state)
{
    (void)state;
    struct town t;
    struct seen_check s;
    two(&t);
    struct person *p = &t.people[1];
    assert_true(check(p, false).sound);
    spoil(p, FEED_LEDGER, 0, KV_PUT);
    spoil(p, FEED_LEDGER, 2, KV_DROP);
    spoil(p, FEED_FILES, 1, KV_PUT);
    spoil(p, FEED_FILES, count(p, FEED_FILES) - 1, KV_DROP);
    s = check(p, false);
    assert_false(s.sound);
    assert_int_equal(s.bad, 4);
    assert_int_equal(s.mended, 0);
    s = check(p, true);
    assert_int_equal(s.bad, 4);
    assert_int_equal(s.mended, 4);
    assert_true(s.sound);
    assert_true(check(p, false).sound);
    /* Of two side by side neither has a proof: nothing is put in their place. */
    spoil(p, FEED_LEDGER, 1, KV_PUT);
    spoil(p, FEED_LEDGER, 2, KV_PUT);
    s = check(p, true);
    assert_int_equal(s.bad, 2);
    assert_int_equal(s.mended, 0);
    assert_false(s.sound);
    town_end(&t);
}

/* The sentinel is another one, or away: as it was. */
static void nothing_is_taken_unproven(void **state)
{
    (void)state;
    struct town t;
    two(&t);
    struct person *p = &t.people[1];
    struct buf sealed = BUF_INIT;
    uint8_t chain[32];
    assert_int_equal(enclave_kept(enclave_of(p), FEED_FILES, 2, &sealed, chain), ST_OK);
    spoil(p, FEED_FILES, 1, KV_PUT);
    /* What follows says otherwise than the sentinel: row 2 is another entry, soundly sealed. */
    struct keep_batch b;
    struct buf row;
    buf_init(&row, KV_VALUE_MAX);
    buf_raw(&row, chain, 32);
    sealed.p[sealed.n / 2] ^= 1;
    buf_bytes(&row, buf_view(&sealed));
    bool done = false;
    keep_begin(&b, &p->node->keep);
    keep_put(&b, &enclave_of(p)->feeds[FEED_FILES].space, 2, buf_view(&row));
    assert_int_equal(keep_commit(&b, on_kv, &done), ST_OK);
    person_wait(&t, &done);
    struct seen_check s = check(p, true);
    assert_int_equal(s.mended, 0);
    assert_false(s.sound);
    buf_free(&row);
    buf_free(&sealed);
    town_end(&t);
}

static void the_tree_heals_at_the_start(void **state)
{
    (void)state;
    struct town t;
    two(&t);
    struct person *p = &t.people[1];
    uint64_t n = count(p, FEED_FILES);
    for (unsigned turn = 0; turn < 4; turn++) {
        uint64_t at = turn == 0 ? n - 1 : turn == 1 ? 1 : 0;
        spoil(p, FEED_FILES, at, turn == 3 ? KV_DROP : KV_PUT);
        if (turn == 2)
            for (uint64_t i = 1; i < n; i++) spoil(p, FEED_FILES, i, KV_PUT); /* all of them */
        person_stop(p);
        person_start(p);
        while (count(p, FEED_FILES) < n) town_turn(&t);
        while (enclave_of(p)->commits > 0) town_turn(&t);
        for (unsigned i = 0; i < 4; i++) {
            char path[8];
            snprintf(path, sizeof path, "d%u", i);
            assert_true(has(p, path));
        }
        assert_true(check(p, false).sound);
    }
    make(p, "after");
    while (!has(&t.people[0], "after")) town_turn(&t);
    town_end(&t);
}

static void see(void *arg, const struct node_enclave_info *e)
{
    assert_string_equal(e->name, "room");
    assert_int_equal(e->state, NODE_HALTED);
    assert_non_null(strstr(e->trouble, "restore a backup"));
    *(bool *)arg = true;
}

/* The ledger is what all keys hang on: without it an enclave is shown as damaged, not forgotten. */
static void one_that_does_not_load_is_shown(void **state)
{
    (void)state;
    struct town t;
    bool seen = false, known = false;
    two(&t);
    struct person *p = &t.people[1];
    spoil(p, FEED_LEDGER, 1, KV_PUT);
    person_stop(p);
    person_start(p);
    assert_int_equal(p->node->n, 0);
    node_enclaves(p->node, see, &seen);
    assert_true(seen);
    assert_int_equal(node_enclave(p->node, "room", see, &known), ST_OK);
    assert_true(known);
    struct node_create again = {.name = "room", .nick = "x", .sentinel = "h:1#00"};
    assert_int_not_equal(node_create(p->node, &again, on_any, &seen), ST_OK);
    town_end(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(damaged_entries_come_again),
        cmocka_unit_test(nothing_is_taken_unproven),
        cmocka_unit_test(the_tree_heals_at_the_start),
        cmocka_unit_test(one_that_does_not_load_is_shown),
    };
    if (crypto_start() != ST_OK) return 1;
    return !!cmocka_run_group_tests(tests, NULL, NULL);
}
