/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base tables crypto core/feed core/ledger core/ballot core/epoch core/mail core/door core/files core/holder core/room core/vault link store net node node/host node/enclave node/contact node/post node/vote node/shelf node/put node/get node/hold core/grant core/repair node/repair node/check core/audit node/audit */
/* Snapshots of the files: made whatever lies in the trash, and none is used whose wraps are wrong,
 * for after a restart they are all that opens the files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "node/shelf/shelf.h"
#include "unit/people.h"

static struct shelf *shelf_of(struct person *p)
{
    return p->node->enclaves[0]->shelf;
}

static void on_any(void *arg, const struct node_result *r)
{
    assert_int_equal(r->st, ST_OK);
    *(bool *)arg = true;
}

static void write_local(struct town *t, char path[120], const char *text)
{
    snprintf(path, 120, "%s/local", t->dir);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void put(struct person *p, const char *path, const char *text)
{
    char local[120];
    bool done = false;
    write_local(p->town, local, text);
    struct node_put req = {.enclave = "room", .local = local, .path = bytes_str(path)};
    assert_int_equal(node_put(p->node, &req, on_any, &done), ST_OK);
    person_wait(p->town, &done);
    for (;;) {
        const struct tree_node *now = tree_find(shelf_of(p)->tree, bytes_str(path));
        if (now != NULL && now->file.size == strlen(text)) return;
        town_turn(p->town);
    }
}

static void see_done(void *arg, const struct node_transfer *t)
{
    if (strcmp(t->state, "failed") == 0) *(int *)arg = -1;
    if (strcmp(t->state, "done") == 0) *(int *)arg = 1;
}

static void on_began(void *arg, const struct node_result *r)
{
    assert_int_equal(r->st, ST_OK);
    *(uint64_t *)arg = ((const struct node_transfer *)r->data)->id;
}

static void get(struct person *p, const char *path, const char *text)
{
    char local[120], got[64] = "";
    uint64_t id = 0;
    int state = 0;
    snprintf(local, sizeof local, "%s/got", p->town->dir);
    struct node_get req = {
        .enclave = "room", .path = bytes_str(path), .local = local, .replace = true};
    assert_int_equal(node_get(p->node, &req, on_began, &id), ST_OK);
    while (state == 0) {
        town_turn(p->town);
        if (id != 0) assert_int_equal(node_transfer(p->node, id, see_done, &state), ST_OK);
    }
    assert_int_equal(state, 1);
    FILE *f = fopen(local, "r");
    assert_non_null(f);
    assert_non_null(fgets(got, sizeof got, f));
    fclose(f);
    assert_string_equal(got, text);
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

static enum status junk(void *arg, const uint8_t version[32], uint64_t *epoch,
                        uint8_t wrap[TREE_WRAP])
{
    (void)arg;
    (void)version;
    (void)epoch;
    memset(wrap, 0x5A, TREE_WRAP);
    return ST_OK;
}

static void two_with_files(struct town *t)
{
    bool done = false;
    town_start(t, 2);
    person_create(&t->people[0], "room");
    person_admit(t, &t->people[1], "room");
    put(&t->people[0], "kept", "the words");
    put(&t->people[0], "gone", "other words");
    wait_feed(&t->people[0], &t->people[1]);
    assert_int_equal(node_rm(t->people[0].node, "room", bytes_str("gone"), false, on_any, &done),
                     ST_OK);
    person_wait(t, &done);
    while (tree_find(shelf_of(&t->people[1])->tree, bytes_str("gone")) != NULL) town_turn(t);
}

static void one_with_trash_is_made_and_used(void **state)
{
    (void)state;
    struct town t;
    two_with_files(&t);
    shelf_snap(shelf_of(&t.people[0]));
    while (shelf_of(&t.people[0])->snap == 0 || shelf_of(&t.people[1])->snap == 0) town_turn(&t);
    put(&t.people[1], "later", "more"); /* saves the row that names the snapshot */
    wait_feed(&t.people[1], &t.people[0]);
    person_stop(&t.people[1]);
    person_start(&t.people[1]);
    assert_true(shelf_of(&t.people[1])->snap != 0);
    get(&t.people[1], "kept", "the words");
    get(&t.people[1], "later", "more");
    town_end(&t);
}

static void wraps_that_do_not_open_are_not_used(void **state)
{
    (void)state;
    struct town t;
    two_with_files(&t);
    struct shelf *s = shelf_of(&t.people[0]);
    const struct seen *seen = &t.people[0].node->enclaves[0]->feeds[FEED_FILES].seen;
    struct buf body;
    buf_init(&body, KV_VALUE_MAX);
    assert_int_equal(tree_snap_build(s->tree, seen->count, seen->chain, junk, NULL, &body), ST_OK);
    assert_int_equal(shelf_queue(s, TREE_SNAP, buf_view(&body), NULL, NULL, NULL), ST_OK);
    buf_free(&body);
    while (s->n_ops > 0) town_turn(&t);
    wait_feed(&t.people[0], &t.people[1]);
    assert_int_equal(shelf_of(&t.people[1])->snap, 0);
    put(&t.people[1], "later", "more");
    person_stop(&t.people[1]);
    person_start(&t.people[1]);
    get(&t.people[1], "kept", "the words");
    town_end(&t);
}

static void who_lacks_the_oldest_keys_takes_it_from_there(void **state)
{
    (void)state;
    struct town t;
    town_start(&t, 3);
    struct person *alice = &t.people[0], *bob = &t.people[1], *carol = &t.people[2];
    person_create(alice, "room");
    put(alice, "first", "of epoch 0");
    person_admit(&t, bob, "room");
    while (tree_find(shelf_of(bob)->tree, bytes_str("first")) == NULL) town_turn(&t);
    shelf_snap(shelf_of(alice));
    while (shelf_of(alice)->snap == 0 || shelf_of(bob)->snap == 0) town_turn(&t);
    person_admit(&t, carol, "room"); /* her keys begin with the epoch of the snapshot */
    uint8_t key[32];
    assert_int_not_equal(group_key(carol->node->enclaves[0]->group, GROUP_KEY_TREE, 0, key), ST_OK);
    while (shelf_of(carol)->snap == 0) town_turn(&t);
    get(carol, "first", "of epoch 0");
    person_stop(carol);
    person_start(carol);
    get(carol, "first", "of epoch 0");
    town_end(&t);
}

/* Whether any key of the group opens the wrap, whatever epoch it is said to be of. */
static bool opens(struct group *g, const uint8_t version[32], uint64_t last,
                  const uint8_t wrap[TREE_WRAP])
{
    uint8_t kek[32], cek[32];
    for (uint64_t e = 0; e <= last; e++)
        for (uint64_t said = 0; said <= last; said++)
            if (group_key(g, GROUP_KEY_FILE_KEK, e, kek) == ST_OK &&
                cek_unwrap(kek, version, said, wrap, cek) == ST_OK)
                return true;
    return false;
}

/* Whoever left keeps what it could read; what is wrapped anew, or put later, is closed to it, and so
 * are the secrets by which one could confirm that a known content was put. */
static void rekey_shuts_out_who_left(void **state)
{
    (void)state;
    struct town t;
    town_start(&t, 2);
    struct person *alice = &t.people[0], *bob = &t.people[1];
    struct buf saved;
    struct group *old = NULL;
    uint8_t wrap[TREE_WRAP], dedup[2][32], placement[2][32], key[32];
    uint64_t epoch = 0;
    bool done = false;
    size_t files = 0;
    person_create(alice, "room");
    person_admit(&t, bob, "room");
    put(alice, "secret", "the words");
    put(alice, "secret", "other words");
    wait_feed(alice, bob);
    struct enclave *e = alice->node->enclaves[0];
    uint64_t before = group_epoch(e->group);
    buf_init(&saved, KV_VALUE_MAX);
    assert_int_equal(group_save(bob->node->enclaves[0]->group, &saved), ST_OK);
    assert_int_equal(group_load(buf_view(&saved), &old), ST_OK);
    buf_free(&saved);
    group_generation(old, dedup[0], placement[0]);
    assert_int_equal(node_files_rekey(alice->node, "room", &files, on_any, &done), ST_EXISTS);
    person_leave(bob, "room");
    while (group_epoch(e->group) == before || person_members(alice, "room") != 1) town_turn(&t);

    uint8_t version[32];
    memcpy(version, tree_find(shelf_of(alice)->tree, bytes_str("secret"))->file.version, 32);
    assert_true(tree_wrap(shelf_of(alice)->tree, version, &epoch, wrap));
    assert_true(opens(old, version, before, wrap));
    assert_int_equal(node_files_rekey(alice->node, "room", &files, on_any, &done), ST_OK);
    assert_int_equal(files, 2); /* the living version and the one before it */
    person_wait(&t, &done);
    uint64_t now = group_epoch(e->group);
    assert_int_not_equal(group_key(old, GROUP_KEY_FILE_KEK, now, key), ST_OK);
    assert_true(tree_wrap(shelf_of(alice)->tree, version, &epoch, wrap));
    assert_int_equal(epoch, now);
    assert_false(opens(old, version, now, wrap));
    group_generation(e->group, dedup[1], placement[1]);
    assert_memory_not_equal(dedup[0], dedup[1], 32);
    assert_memory_not_equal(placement[0], placement[1], 32);
    get(alice, "secret", "other words");
    assert_int_equal(node_files_rekey(alice->node, "room", &files, on_any, &done), ST_EXISTS);

    /* A wrap that opens nothing is not taken. */
    struct buf body;
    buf_init(&body, TREE_BODY_MAX);
    tree_body_start(&body);
    memset(wrap, 0x5A, sizeof wrap);
    assert_int_equal(tree_add_wrap(&body, version, now + 1, wrap), ST_OK);
    assert_int_equal(shelf_queue(shelf_of(alice), TREE_OP, buf_view(&body), NULL, NULL, NULL),
                     ST_OK);
    buf_free(&body);
    while (shelf_of(alice)->n_ops > 0) town_turn(&t);
    person_stop(alice);
    person_start(alice);
    get(alice, "secret", "other words");
    group_free(old);
    town_end(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_with_trash_is_made_and_used),
        cmocka_unit_test(who_lacks_the_oldest_keys_takes_it_from_there),
        cmocka_unit_test(wraps_that_do_not_open_are_not_used),
        cmocka_unit_test(rekey_shuts_out_who_left),
    };
    return !!cmocka_run_group_tests(tests, NULL, NULL);
}
