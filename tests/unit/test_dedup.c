/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base tables crypto core/feed core/ledger core/ballot core/epoch core/mail core/door core/files core/holder core/room core/vault link store net node node/host node/enclave node/contact node/post node/vote node/shelf node/put node/get node/hold core/grant core/repair node/repair node/check core/audit node/audit */
/* Equal chunks are put once: what is referred to stays as long as anybody refers to it, reads back
 * for everybody, and only places that we made ourselves are believed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/files/tree_private.h"
#include "node/shelf/shelf.h"
#include "unit/people.h"

#define SIZE ((size_t)5 << 20)

static struct shelf *shelf_of(struct person *p)
{
    return p->node->enclaves[0]->shelf;
}

static void fill(uint8_t *bytes, uint64_t seed)
{
    for (size_t i = 0; i < SIZE; i++) {
        seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        bytes[i] = (uint8_t)(seed >> 56);
    }
}

static void on_began(void *arg, const struct node_result *r)
{
    assert_int_equal(r->st, ST_OK);
    *(uint64_t *)arg = ((const struct node_transfer *)r->data)->id;
}

struct ended {
    int state;
    uint64_t saved;
};

static void see(void *arg, const struct node_transfer *t)
{
    struct ended *e = arg;
    if (strcmp(t->state, "failed") == 0) e->state = -1;
    if (strcmp(t->state, "done") == 0 || strcmp(t->state, "safe") == 0) e->state = 1;
    e->saved = t->saved;
}

static uint64_t wait_for(struct person *p, const uint64_t *id)
{
    struct ended e = {0};
    while (e.state == 0) {
        town_turn(p->town);
        if (*id != 0) assert_int_equal(node_transfer(p->node, *id, see, &e), ST_OK);
    }
    assert_int_equal(e.state, 1);
    return e.saved;
}

/* Returns the bytes that were there already. */
static uint64_t put(struct person *p, const char *path, const uint8_t *bytes)
{
    char local[120];
    uint64_t id = 0;
    snprintf(local, sizeof local, "%s/local", p->town->dir);
    FILE *f = fopen(local, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, SIZE, f), SIZE);
    fclose(f);
    struct node_put req = {.enclave = "room", .local = local, .path = bytes_str(path)};
    assert_int_equal(node_put(p->node, &req, on_began, &id), ST_OK);
    return wait_for(p, &id);
}

static void get(struct person *p, const char *path, const uint8_t *bytes)
{
    char local[120];
    uint64_t id = 0;
    uint8_t *got = malloc(SIZE);
    assert_non_null(got);
    snprintf(local, sizeof local, "%s/got", p->town->dir);
    struct node_get req = {
        .enclave = "room", .path = bytes_str(path), .local = local, .replace = true};
    assert_int_equal(node_get(p->node, &req, on_began, &id), ST_OK);
    wait_for(p, &id);
    FILE *f = fopen(local, "r");
    assert_non_null(f);
    assert_int_equal(fread(got, 1, SIZE, f), SIZE);
    fclose(f);
    assert_memory_equal(got, bytes, SIZE);
    free(got);
}

static void wait_feed(struct person *a, struct person *b)
{
    for (;;) {
        const struct seen *x = &a->node->enclaves[0]->feeds[FEED_FILES].seen;
        const struct seen *y = &b->node->enclaves[0]->feeds[FEED_FILES].seen;
        if (x->count == y->count && shelf_of(a)->n_ops == 0) return;
        town_turn(a->town);
    }
}

static void see_file(void *arg, const struct node_file *f)
{
    *(uint64_t *)arg = f->shared;
}

static size_t segments(struct person *p)
{
    return shelf_of(p)->tree->segments.n;
}

static void equal_chunks_lie_once(void **state)
{
    (void)state;
    struct town t;
    town_start(&t, 2);
    struct person *alice = &t.people[0], *bob = &t.people[1];
    uint8_t *one = malloc(SIZE), *two = malloc(SIZE);
    uint64_t shared = 0;
    assert_true(one != NULL && two != NULL);
    person_create(alice, "room");
    person_admit(&t, bob, "room");
    fill(one, 1);
    assert_int_equal(put(alice, "one", one), 0);
    size_t before = segments(alice);
    assert_int_equal(put(alice, "copy", one), SIZE);
    assert_int_equal(segments(alice), before); /* nothing was moved */
    memcpy(two, one, SIZE);
    memset(two + SIZE / 2, 7, 1000);
    uint64_t saved = put(alice, "two", two);
    assert_in_range(saved, SIZE / 4, SIZE - 1000); /* all but the chunks that changed */
    assert_int_equal(node_info(alice->node, "room", bytes_str("two"), see_file, &shared), ST_OK);
    assert_int_equal(shared, saved);
    wait_feed(alice, bob);
    get(bob, "copy", one);
    get(bob, "two", two);

    /* Another member's places are not believed: whoever lies would spoil our file. */
    assert_int_equal(put(bob, "his", one), 0);
    wait_feed(bob, alice);

    /* The index comes back from the manifests. */
    person_stop(alice);
    person_start(alice);
    assert_int_equal(put(alice, "again", one), SIZE);
    wait_feed(alice, bob);

    /* What the first version brought stays for those that refer to it, and no longer. */
    struct tree *tree = shelf_of(alice)->tree;
    struct buf body;
    struct tree_from from = {1000, 0, 0};
    const char *const names[] = {"one", "copy", "two", "again"};
    buf_init(&body, TREE_BODY_MAX);
    from.time_ms = env_wall_ms(alice->node->ports.env);
    for (size_t i = 0; i < 4; i++) {
        tree_body_start(&body);
        const struct tree_node *node = tree_find(tree, bytes_str(names[i]));
        assert_non_null(node);
        assert_int_equal(tree_add_rm(&body, bytes_str(names[i]), node->file.version), ST_OK);
        from.index++;
        for (uint16_t leaf = 0; leaf < 2; leaf++) { /* two clocks go on */
            from.leaf = leaf;
            assert_int_equal(tree_take(tree, TREE_OP, buf_view(&body), &from, NULL, NULL), ST_OK);
            from.time_ms += leaf * (TREE_TRASH_MS + 1000);
        }
        /* of the first one all is there while a copy lives; at the end only bob's is left */
        if (i == 1) get(bob, "again", one);
    }
    tree_body_start(&body);
    for (uint16_t leaf = 0; leaf < 2; leaf++) {
        from.leaf = leaf;
        assert_int_equal(tree_take(tree, TREE_OP, buf_view(&body), &from, NULL, NULL), ST_OK);
    }
    buf_free(&body);
    uint8_t his[32];
    memcpy(his, tree_find(tree, bytes_str("his"))->file.version, 32);
    for (size_t i = 0; i < tree->segments.n; i++)
        assert_memory_equal(((struct tree_segment *)tree->segments.p[i])->version, his, 32);
    free(one);
    free(two);
    town_end(&t);
}

static void on_done(void *arg, const struct node_result *r)
{
    assert_int_equal(r->st, ST_OK);
    *(bool *)arg = true;
}

static void see_rule(void *arg, const struct node_setting *s)
{
    if (strcmp(s->key, "dedup") == 0) *(bool *)arg = strcmp(s->value, "on") == 0;
}

/* Alone, k = n = 1, where chunks go on in the next segment; then the policy says no. */
static void a_policy_turns_it_off(void **state)
{
    (void)state;
    struct town t;
    bool done = false, on = true;
    town_start(&t, 1);
    struct person *alice = &t.people[0];
    uint8_t *bytes = malloc(SIZE);
    assert_non_null(bytes);
    person_create(alice, "room");
    fill(bytes, 2);
    assert_int_equal(put(alice, "one", bytes), 0);
    assert_in_range(segments(alice), 2, 4);
    assert_int_equal(put(alice, "two", bytes), SIZE);
    get(alice, "two", bytes);
    struct node_policy_change change = {.enclave = "room", .changes = "dedup=off", .now = true};
    assert_int_equal(node_propose_policy(alice->node, &change, on_done, &done), ST_OK);
    person_wait(&t, &done);
    while (on) {
        assert_int_equal(node_policy(alice->node, "room", see_rule, &on), ST_OK);
        town_turn(&t);
    }
    size_t before = segments(alice);
    assert_int_equal(put(alice, "three", bytes), 0);
    assert_true(segments(alice) > before);
    get(alice, "three", bytes);
    free(bytes);
    town_end(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_chunks_lie_once),
        cmocka_unit_test(a_policy_turns_it_off),
    };
    return !!cmocka_run_group_tests(tests, NULL, NULL);
}
