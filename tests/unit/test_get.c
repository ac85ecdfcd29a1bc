/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto core/files core/grant core/holder node/hold node/put node/get node/repair core/repair */
/* get through several members in one process: losses, liars and rot, resumption. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#include "unit/files_net.h"

static void any_three_of_five_may_vanish(void **state)
{
    (void)state;
    struct net *net = net_new(5);
    struct got got;
    world_file_fill(net->w, "/src", 6000000);
    put_file(net, 0, "/src", "f", NULL, false);
    settle(net, 1000);
    assert_int_equal(net->m[0].last.may_vanish, 3);
    assert_int_equal(net->m[0].last.holders, 5);
    assert_int_equal(net->m[0].last.holders_done, 5);
    for (unsigned a = 0; a < 5; a++)
        for (unsigned b = a + 1; b < 5; b++) {
            for (unsigned i = 0; i < 5; i++) set_up(net, i, i == a || i == b);
            assert_int_equal(get_file(net, b, "f", "/out", &got), ST_OK);
            same_file(net, "/src", "/out");
        }
    for (unsigned i = 0; i < 5; i++) set_up(net, i, i == 2);
    assert_int_equal(get_file(net, 2, "f", "/out2", &got), ST_UNREACHABLE);
    net_free(net);
}

static void liars_and_rot_are_named(void **state)
{
    (void)state;
    struct net *net = net_new(5);
    struct got got;
    world_file_fill(net->w, "/src", 6000000);
    put_file(net, 0, "/src", "f", NULL, false);
    settle(net, 1000);
    net->m[2].lie = LIE_BIT;
    assert_int_equal(get_file(net, 4, "f", "/out", &got), ST_OK);
    same_file(net, "/src", "/out");
    assert_true(got.last.bad_n >= 1);
    for (size_t i = 0; i < got.last.bad_n && i < GET_BAD_MAX; i++)
        assert_int_equal(got.bad_leaf[i], 2);
    net->m[2].lie = LIE_NONE;
    /* one byte of each shard of member 4 itself, and one shard gone at member 1 */
    for (struct mem_shard *s = net->m[4].store.shards; s; s = s->next) s->bytes[70000] ^= 1;
    struct mem_shard *gone = net->m[1].store.shards;
    net->m[1].store.shards = gone->next;
    free(gone->bytes);
    free(gone);
    assert_int_equal(get_file(net, 4, "f", "/out", &got), ST_OK);
    same_file(net, "/src", "/out");
    bool self = false;
    for (size_t i = 0; i < got.last.bad_n && i < GET_BAD_MAX; i++) {
        self = self || got.bad_leaf[i] == 4;
        assert_true(got.bad_leaf[i] == 4 || got.bad_leaf[i] == 1);
    }
    assert_true(self);
    /* all of them lie: no byte comes out */
    for (unsigned i = 0; i < 4; i++) net->m[i].lie = LIE_BIT;
    assert_int_equal(get_file(net, 4, "f", "/out3", &got), ST_INTEGRITY);
    assert_null(world_file_find(net->w, "/out3", false, 0));
    net_free(net);
}

/* Whatever two of five do: the file is whole, they are named, and it does not take long. */
static void every_lie_is_seen(void **state)
{
    (void)state;
    struct net *net = net_new(5);
    struct got got;
    world_file_fill(net->w, "/src", 6000000);
    put_file(net, 0, "/src", "f", NULL, false);
    settle(net, 1000);
    for (enum lie lie = LIE_BIT; lie <= LIE_NAME; lie++) {
        uint64_t began = net->w->now;
        net->m[2].lie = net->m[3].lie = lie;
        assert_int_equal(get_file(net, 4, "f", "/out", &got), ST_OK);
        same_file(net, "/src", "/out");
        assert_true(net->w->now - began < 15000);
        /* Silence is no proof of anything. */
        if (lie == LIE_STALL)
            assert_int_equal(got.last.bad_n, 0);
        else
            assert_true(got.last.bad_n >= 1);
        for (size_t i = 0; i < got.last.bad_n && i < GET_BAD_MAX; i++)
            assert_true(got.bad_leaf[i] == 2 || got.bad_leaf[i] == 3);
    }
    /* Too many of them: nothing is written. */
    for (enum lie lie = LIE_BIT; lie <= LIE_NAME; lie++) {
        for (unsigned i = 0; i < 4; i++) net->m[i].lie = lie;
        enum status st = get_file(net, 4, "f", "/out3", &got);
        assert_int_equal(st, lie == LIE_STALL ? ST_UNREACHABLE : ST_INTEGRITY);
        assert_null(world_file_find(net->w, "/out3", false, 0));
    }
    net_free(net);
}

/* Lets a get run until ten megabytes are written, then stops it. */
static void part_way(struct net *net, struct got *got)
{
    uint64_t part = 0;
    while (part < 10000000 && world_step(net->w))
        for (struct world_file *f = net->w->files; f; f = f->next)
            if (f->unfinished) part = f->bytes.n;
    assert_true(part >= 10000000);
    assert_false(got->over);
    get_free(got->g);
    world_run(net->w);
}

static void get_resumes(void **state)
{
    (void)state;
    struct net *net = net_new(4);
    struct got got;
    world_file_fill(net->w, "/src", 40000000);
    put_file(net, 0, "/src", "f", NULL, false);
    settle(net, 1000);
    get_begin(net, 1, "f", "/out", &got);
    part_way(net, &got);
    uint64_t sent = 0, again = 0;
    for (unsigned i = 0; i < 4; i++) sent += net->m[i].sent;
    assert_int_equal(get_file(net, 1, "f", "/out", &got), ST_OK);
    for (unsigned i = 0; i < 4; i++) again += net->m[i].sent;
    same_file(net, "/src", "/out");
    assert_true(again - sent < 40000000);
    /* what lies there is not ours: begun anew, right in the end */
    get_begin(net, 2, "f", "/out2", &got);
    part_way(net, &got);
    for (struct world_file *f = net->w->files; f; f = f->next)
        if (f->unfinished) f->bytes.p[3] ^= 1;
    assert_int_equal(get_file(net, 2, "f", "/out2", &got), ST_OK);
    same_file(net, "/src", "/out2");
    net_free(net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_three_of_five_may_vanish),
        cmocka_unit_test(liars_and_rot_are_named),
        cmocka_unit_test(every_lie_is_seen),
        cmocka_unit_test(get_resumes),
    };
    if (crypto_start() != ST_OK) return 1;
    return !!cmocka_run_group_tests(tests, NULL, NULL);
}
