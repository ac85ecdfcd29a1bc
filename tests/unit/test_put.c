/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto core/files core/grant core/holder node/hold node/put node/get node/repair core/repair */
/* put through several members in one process: sizes and profiles, holders that are away, die or
 * are full, kill and resumption, changing sources, cancelling, leases. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#include "unit/files_net.h"

static void sizes_go_there_and_back(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 65535, 65536, 700000, 3000000, 20000000};
    static const char *profiles[] = {NULL, "2/3", "1/5", "8/20", "5/5"};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        struct net *net = net_new(5);
        world_file_fill(net->w, "/src", sizes[s]);
        for (size_t p = 0; p < (sizes[s] > 10000000 ? 1 : 5); p++) {
            struct got got;
            put_file(net, 1, "/src", "dir/file", profiles[p], p % 2);
            settle(net, 1000);
            assert_int_equal(net->m[1].phase, PUT_DONE);
            assert_int_equal(net->m[1].rows_n, 0);
            assert_int_equal(get_file(net, 3, "dir/file", "/out", &got), ST_OK);
            assert_int_equal(got.last.bad_n, 0);
            same_file(net, "/src", "/out");
        }
        net_free(net);
    }
}

static void one_holder_alone(void **state)
{
    (void)state;
    struct net *net = net_new(1);
    struct got got;
    world_file_fill(net->w, "/src", 5000000);
    put_file(net, 0, "/src", "f", NULL, false);
    settle(net, 1000);
    assert_int_equal(net->m[0].phase, PUT_DONE);
    assert_int_equal(net->m[0].last.code.n, 1);
    assert_int_equal(net->m[0].last.may_vanish, 0);
    assert_int_equal(get_file(net, 0, "f", "/out", &got), ST_OK);
    same_file(net, "/src", "/out");
    net_free(net);
}

static void spreads_when_holders_return(void **state)
{
    (void)state;
    struct net *net = net_new(5);
    struct got got;
    world_file_fill(net->w, "/src", 25000000);
    set_up(net, 3, false);
    set_up(net, 4, false);
    put_file(net, 0, "/src", "f", NULL, false);
    settle(net, 1000);
    assert_int_equal(net->m[0].phase, PUT_SPREADING);
    assert_int_equal(net->m[0].last.may_vanish, 1);
    assert_int_equal(net->m[0].last.holders_done, 3);
    assert_non_null(tree_find(net->tree, bytes_str("f")));
    uint64_t sent = net->m[0].sent;
    set_up(net, 4, true);
    settle(net, 2000);
    assert_int_equal(net->m[0].phase, PUT_SPREADING);
    /* what 1 and 2 had was not sent again: eight times a column of 2 MiB at most is 4's share */
    assert_true(net->m[0].sent - sent < 16500000);
    set_up(net, 3, true);
    settle(net, 2000);
    assert_int_equal(net->m[0].phase, PUT_DONE);
    assert_int_equal(net->m[0].rows_n, 0);
    /* the tree knows where it is now: 3 and 4 alone do */
    for (unsigned i = 0; i < 3; i++) set_up(net, i, false);
    assert_int_equal(get_file(net, 3, "f", "/out", &got), ST_OK);
    same_file(net, "/src", "/out");
    net_free(net);
}

static void waits_until_one_loss_is_survivable(void **state)
{
    (void)state;
    struct net *net = net_new(5);
    world_file_fill(net->w, "/src", 3000000);
    for (unsigned i = 1; i < 5; i++) set_up(net, i, false);
    put_file(net, 0, "/src", "f", NULL, false);
    settle(net, 3000);
    assert_int_equal(net->m[0].phase, PUT_WAITING);
    assert_null(tree_find(net->tree, bytes_str("f")));
    set_up(net, 1, true);
    settle(net, 3000);
    assert_int_equal(net->m[0].phase, PUT_WAITING);
    set_up(net, 2, true);
    settle(net, 3000);
    assert_int_equal(net->m[0].phase, PUT_SPREADING);
    assert_non_null(tree_find(net->tree, bytes_str("f")));
    net_free(net);
}

static void strict_waits_for_all(void **state)
{
    (void)state;
    struct net *net = net_new(5);
    world_file_fill(net->w, "/src", 3000000);
    set_up(net, 4, false);
    put_file(net, 0, "/src", "f", NULL, true);
    settle(net, 3000);
    assert_int_equal(net->m[0].phase, PUT_WAITING);
    set_up(net, 4, true);
    settle(net, 3000);
    assert_int_equal(net->m[0].phase, PUT_DONE);
    net_free(net);
}

/* Steps of the world until the member has committed so many rows of segments; then it is killed. */
static void kill_and_resume(void **state)
{
    (void)state;
    for (unsigned turn = 0; turn < 6; turn++) {
        struct net *net = net_new(4);
        struct got got;
        world_file_fill(net->w, "/src", 20000000);
        put_file(net, 0, "/src", "f", "4/8", false);
        for (unsigned step = 0; step < 40 + turn * 180 && world_step(net->w); step++) {
            if (step % 64) continue;
            net->w->now += 10;
            puts_tick(net->m[0].puts);
        }
        member_stop(net, 0);
        unsigned before = 0;
        for (unsigned i = 0; i < 4; i++) before += net->m[i].store.commits;
        member_start(net, 0);
        link_all(net);
        settle(net, 3000);
        assert_int_equal(net->m[0].phase, PUT_DONE);
        unsigned after = 0;
        for (unsigned i = 0; i < 4; i++) after += net->m[i].store.commits;
        /* 3 segments of 8 columns each; none is stored twice (those killed before they were
         * written down are begun anew) */
        assert_int_equal(after, 24);
        (void)before;
        assert_int_equal(net->appends, 1);
        assert_int_equal(get_file(net, 2, "f", "/out", &got), ST_OK);
        same_file(net, "/src", "/out");
        net_free(net);
    }
}

static void changed_source_begins_anew(void **state)
{
    (void)state;
    struct net *net = net_new(4);
    struct got got;
    struct world_file *f = world_file_fill(net->w, "/src", 20000000);
    put_file(net, 0, "/src", "f", NULL, false);
    for (unsigned step = 0; step < 400; step++) world_step(net->w);
    member_stop(net, 0);
    f->bytes.p[5] ^= 1;
    f->mtime_ms++;
    member_start(net, 0);
    link_all(net);
    settle(net, 5000);
    assert_int_equal(net->m[0].phase, PUT_DONE);
    assert_int_equal(get_file(net, 1, "f", "/out", &got), ST_OK);
    same_file(net, "/src", "/out");
    /* and while it is being read */
    put_file(net, 0, "/src", "g", NULL, false);
    for (unsigned step = 0; step < 200; step++) world_step(net->w);
    f->bytes.p[19999999] ^= 1;
    f->mtime_ms++;
    settle(net, 5000);
    assert_int_equal(net->m[0].phase, PUT_DONE);
    assert_int_equal(get_file(net, 1, "g", "/out2", &got), ST_OK);
    same_file(net, "/src", "/out2");
    uint64_t job = put_file(net, 0, "/nowhere", "h", NULL, false);
    struct put_progress p;
    settle(net, 1000);
    assert_int_equal(net->m[0].phase, PUT_FAILED);
    assert_int_equal(net->m[0].last.st, ST_NOT_FOUND);
    assert_int_equal(put_look(net->m[0].puts, job, &p), ST_NOT_FOUND);
    assert_int_equal(net->m[0].rows_n, 0);
    net_free(net);
}

static void holder_dies_in_the_middle(void **state)
{
    (void)state;
    struct net *net = net_new(5);
    struct got got;
    world_file_fill(net->w, "/src", 30000000);
    put_file(net, 0, "/src", "f", NULL, false);
    for (unsigned step = 0; step < 900; step++) world_step(net->w);
    set_up(net, 2, false);
    net->m[3].store.full = true;
    settle(net, 3000);
    assert_int_equal(net->m[0].phase, PUT_SPREADING);
    assert_int_equal(get_file(net, 1, "f", "/out", &got), ST_OK);
    same_file(net, "/src", "/out");
    set_up(net, 2, true);
    net->m[3].store.full = false;
    settle(net, 90000);
    assert_int_equal(net->m[0].phase, PUT_DONE);
    net_free(net);
}

static void feed_comes_back(void **state)
{
    (void)state;
    struct net *net = net_new(3);
    net->refuse_appends = true;
    world_file_fill(net->w, "/src", 1000);
    put_file(net, 0, "/src", "f", NULL, false);
    settle(net, 5000);
    assert_int_equal(net->m[0].phase, PUT_ENTERING);
    member_stop(net, 0);
    member_start(net, 0);
    link_all(net);
    settle(net, 2000);
    net->refuse_appends = false;
    settle(net, 40000);
    assert_int_equal(net->m[0].phase, PUT_DONE);
    assert_int_equal(net->appends, 1);
    net_free(net);
}

static void large_manifest_has_segments(void **state)
{
    (void)state;
    struct net *net = net_new(2);
    struct got got;
    /* Over 200 chunks make a manifest over 16 KiB; repetition keeps what is sent small. */
    struct world_file *f = world_file_fill(net->w, "/src", 100000);
    size_t n = f->bytes.n;
    uint8_t *block = malloc(n);
    memcpy(block, f->bytes.p, n);
    for (size_t i = 0; i < 2500; i++) {
        block[i] ^= 0x55;
        buf_raw(&f->bytes, block, n);
    }
    free(block);
    put_file(net, 0, "/src", "f", "1/2", false);
    settle(net, 1000);
    assert_int_equal(net->m[0].phase, PUT_DONE);
    const struct tree_node *node = tree_find(net->tree, bytes_str("f"));
    assert_true(node->file.manifest.n < 2000);
    assert_int_equal(get_file(net, 1, "f", "/out", &got), ST_OK);
    same_file(net, "/src", "/out");
    net_free(net);
}

static void cancelled_at_any_moment(void **state)
{
    (void)state;
    for (unsigned turn = 0; turn < 20; turn++) {
        struct net *net = net_new(3);
        world_file_fill(net->w, "/src", 5000000);
        uint64_t job = put_file(net, 0, "/src", "f", NULL, false);
        for (unsigned step = 0; step < turn * 50; step++) world_step(net->w);
        enum status st = put_cancel(net->m[0].puts, job);
        if (st == ST_OK && net->m[0].phase < PUT_ENTERING) {
            settle(net, 1000);
            assert_int_equal(net->m[0].rows_n, 0);
            assert_null(tree_find(net->tree, bytes_str("f")));
        }
        net_free(net);
    }
}

static void leases_end(void **state)
{
    (void)state;
    struct net *net = net_new(3);
    world_file_fill(net->w, "/a", 3000000);
    world_file_fill(net->w, "/b", 3000000);
    put_file(net, 0, "/a", "a", NULL, false);
    put_file(net, 0, "/b", "b", NULL, false);
    settle(net, 2000);
    uint64_t all = net->m[1].store.space.count;
    const struct tree_node *b = tree_find(net->tree, bytes_str("b"));
    struct buf body = BUF_INIT;
    struct tree_from from = {100, 0, world_wall(net->w)};
    tree_body_start(&body);
    assert_int_equal(tree_add_rm(&body, bytes_str("b"), b->file.version), ST_OK);
    assert_int_equal(tree_take(net->tree, TREE_OP, buf_view(&body), &from, NULL, NULL), ST_OK);
    hold_sweep(net->m[1].hold);
    world_run(net->w);
    assert_int_equal(net->m[1].store.space.count, all);
    net->w->now += HOLD_LEASE_MS + 1000;
    hold_sweep(net->m[1].hold);
    world_run(net->w);
    assert_int_equal(net->m[1].store.space.count, all); /* it lies in the trash */
    net->w->now += TREE_TRASH_MS;
    from.index++;
    from.time_ms = world_wall(net->w);
    tree_body_start(&body);
    assert_int_equal(tree_take(net->tree, TREE_OP, buf_view(&body), &from, NULL, NULL), ST_OK);
    buf_free(&body);
    hold_sweep(net->m[1].hold);
    world_run(net->w);
    assert_int_equal(net->m[1].store.space.count, all / 2);
    net_free(net);
}

/* Everything that can go wrong goes wrong at random; once it stops, every put that was taken ends well
 * and every file reads back. */
static void a_bad_day(struct net *net)
{
    for (unsigned turn = 0; turn < 12; turn++) {
        unsigned who = (unsigned)(world_roll(net->w) % net->n);
        switch (world_roll(net->w) % 8) {
        case 0:
        case 1:
            if (who) set_up(net, who, !net->m[who].up);
            break;
        case 2: net->m[who].store.full = !net->m[who].store.full; break;
        case 3: net->refuse_appends = !net->refuse_appends; break;
        case 4:
            member_stop(net, 0);
            member_start(net, 0);
            link_all(net);
            break;
        case 5: net->w->jobs_max = 1 + (unsigned)(world_roll(net->w) % 8); break;
        case 6: settle(net, world_roll(net->w) % 30000); break;
        default: break;
        }
        for (uint64_t step = world_roll(net->w) % 600; step && world_step(net->w); step--) continue;
        net->w->now += world_roll(net->w) % 500;
        hold_tick(net->m[0].hold);
        puts_tick(net->m[0].puts);
    }
}

static void bad_days_end(void **state)
{
    (void)state;
    const char *seeds = getenv("SEEDS");
    for (unsigned seed = 1; seed <= (seeds ? (unsigned)strtoul(seeds, NULL, 10) : 6); seed++) {
        static const char *profiles[] = {NULL, "2/5", "1/3", "3/3"};
        struct net *net = net_new(5);
        struct got got;
        net->w->dice = seed;
        world_file_fill(net->w, "/a", world_roll(net->w) % 9000000);
        world_file_fill(net->w, "/b", world_roll(net->w) % 3000000);
        put_file(net, 0, "/a", "a", profiles[seed % 4], seed % 3 == 0);
        put_file(net, 0, "/b", "b", profiles[seed % 3], seed % 5 == 0);
        a_bad_day(net);
        for (unsigned i = 0; i < net->n; i++) {
            net->m[i].store.full = false;
            net->m[i].up = true;
        }
        net->refuse_appends = false;
        net->w->jobs_max = 64;
        link_all(net);
        settle(net, 150000);
        if (net->m[0].rows_n || !tree_find(net->tree, bytes_str("a")))
            fail_msg("seed %u: not done, phase %d", seed, net->m[0].phase);
        assert_int_equal(get_file(net, 2, "a", "/x", &got), ST_OK);
        same_file(net, "/a", "/x");
        assert_int_equal(get_file(net, 4, "b", "/y", &got), ST_OK);
        same_file(net, "/b", "/y");
        net_free(net);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_go_there_and_back),
        cmocka_unit_test(one_holder_alone),
        cmocka_unit_test(spreads_when_holders_return),
        cmocka_unit_test(waits_until_one_loss_is_survivable),
        cmocka_unit_test(strict_waits_for_all),
        cmocka_unit_test(kill_and_resume),
        cmocka_unit_test(changed_source_begins_anew),
        cmocka_unit_test(holder_dies_in_the_middle),
        cmocka_unit_test(feed_comes_back),
        cmocka_unit_test(large_manifest_has_segments),
        cmocka_unit_test(cancelled_at_any_moment),
        cmocka_unit_test(leases_end),
        cmocka_unit_test(bad_days_end),
    };
    if (crypto_start() != ST_OK) return 1;
    return !!cmocka_run_group_tests(tests, NULL, NULL);
}
