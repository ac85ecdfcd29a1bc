/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto core/files core/grant core/holder core/repair node/hold node/put node/get node/repair */
/* Repair and handing over, among several members in one process: losses, leaving, absence, a disk that
 * is gone, kill and resumption, whose turn it is, and how many bytes it takes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#include "node/repair/repairs_private.h"
#include "unit/fields_mutate.h"
#include "unit/files_net.h"

/* --- the plan ------------------------------------------------------------------------------ */

static size_t crew(struct plan_holder *h, size_t g)
{
    for (size_t i = 0; i < g; i++)
        h[i] = (struct plan_holder){
            .number = (uint16_t)i, .stays = true, .up = true, .fit = true, .weight = 1};
    return g;
}

static void round_robin(uint16_t *at, unsigned n, unsigned g)
{
    for (unsigned c = 0; c < n; c++) at[c] = (uint16_t)(c % g);
}

static void what_is_due(void **state)
{
    (void)state;
    struct plan_holder h[PLACE_HOLDERS_MAX];
    uint16_t at[PLACE_COLUMNS_MAX];
    struct plan p;
    size_t g = crew(h, 5);
    round_robin(at, 20, 5);
    assert_int_equal(plan_threshold(8, 20), 14);
    assert_int_equal(plan_threshold(5, 5), 5);
    assert_int_equal(plan_threshold(2, 5), 4);
    plan_segment(h, g, at, 8, 20, false, &p);
    assert_int_equal(p.live, 20);
    assert_int_equal(p.due, 0);
    at[7] = PLACE_LOST; /* of holder 2, the only one with room under the cap of 4 */
    plan_segment(h, g, at, 8, 20, false, &p);
    assert_int_equal(p.placed, 1);
    assert_int_equal(p.index[0], 7);
    assert_int_equal(p.to[0], 2);
    h[2].up = false;
    plan_segment(h, g, at, 8, 20, false, &p);
    assert_int_equal(p.due, 1);
    assert_int_equal(p.placed, 0);
    h[2].up = true;
    at[7] = PLACE_NOBODY; /* on its way, unless nobody is about it */
    plan_segment(h, g, at, 8, 20, false, &p);
    assert_int_equal(p.due, 0);
    plan_segment(h, g, at, 8, 20, true, &p);
    assert_int_equal(p.placed, 1);
    at[7] = 2;
    h[4].stays = false; /* it left: its four go to the other four, one each */
    plan_segment(h, g, at, 8, 20, false, &p);
    assert_int_equal(p.gone, 4);
    assert_int_equal(p.placed, 4);
    unsigned seen = 0;
    for (unsigned i = 0; i < 4; i++) seen |= 1U << p.to[i];
    assert_int_equal(seen, 15);
    h[0].fit = false;
    plan_segment(h, g, at, 8, 20, false, &p);
    assert_int_equal(p.due, 4);
    assert_int_equal(p.placed, 3);
    for (unsigned i = 0; i < 3; i++) assert_int_not_equal(p.to[i], 0);
}

static void absence_counts_at_the_threshold(void **state)
{
    (void)state;
    struct plan_holder h[PLACE_HOLDERS_MAX];
    uint16_t at[PLACE_COLUMNS_MAX];
    struct plan p;
    size_t g = crew(h, 5);
    round_robin(at, 20, 5);
    h[4].away = true;
    h[4].up = false;
    plan_segment(h, g, at, 8, 20, false, &p);
    assert_int_equal(p.live, 16);
    assert_int_equal(p.due, 0);
    h[3].away = true; /* 12 are left, 14 is the threshold: back to 20, 7 at most on one */
    h[3].up = false;
    plan_segment(h, g, at, 8, 20, false, &p);
    assert_int_equal(p.live, 12);
    assert_int_equal(p.placed, 8);
    unsigned count[5] = {4, 4, 4, 0, 0};
    for (unsigned i = 0; i < p.placed; i++) count[p.to[i]]++;
    assert_int_equal(count[3] + count[4], 0);
    for (unsigned i = 0; i < 3; i++) assert_true(count[i] <= 7);
    for (unsigned i = 1; i < 5; i++) h[i].away = true; /* alone: more columns here help nobody */
    plan_segment(h, g, at, 4, 20, false, &p);
    assert_int_equal(p.due, 0);
}

/* A storage node is a holder like any other. */
static void a_node_holds_as_members_do(void **state)
{
    (void)state;
    struct plan_holder h[PLACE_HOLDERS_MAX];
    uint16_t at[PLACE_COLUMNS_MAX];
    struct plan p;
    size_t g = crew(h, 4);
    h[3].number = 0x1000;
    for (unsigned c = 0; c < 20; c++) at[c] = h[c % 4].number;
    at[3] = PLACE_LOST; /* what it lost it gets again */
    plan_segment(h, g, at, 8, 20, false, &p);
    assert_int_equal(p.placed, 1);
    assert_int_equal(p.to[0], 0x1000);
    at[3] = 0x1000;
    h[3].away = true; /* 15 are left, 14 is the threshold */
    plan_segment(h, g, at, 8, 20, false, &p);
    assert_int_equal(p.due, 0);
    at[0] = at[1] = PLACE_LOST;
    plan_segment(h, g, at, 8, 20, false, &p);
    assert_int_equal(p.placed, 7);
    for (unsigned i = 0; i < p.placed; i++) assert_int_not_equal(p.to[i], 0x1000);
    at[0] = 0;
    at[1] = 1;
    plan_segment(h, 3, at, 8, 20, false, &p); /* let go of: at once, with members only */
    assert_int_equal(p.gone, 5);
    assert_int_equal(p.placed, 5);
    for (unsigned i = 0; i < p.placed; i++) assert_true(p.to[i] < 3);
}

/* All have one order, each segment another, and every member stands first in some. */
static void turns(void **state)
{
    (void)state;
    unsigned first[5] = {0};
    for (unsigned s = 0; s < 200; s++) {
        uint8_t id[32] = {(uint8_t)s};
        uint16_t a[5] = {0, 1, 2, 3, 4};
        uint16_t b[5] = {3, 1, 4, 0, 2};
        plan_order(id, a, 5);
        plan_order(id, b, 5);
        assert_memory_equal(a, b, sizeof a);
        first[a[0]]++;
    }
    for (unsigned i = 0; i < 5; i++) assert_true(first[i] > 20 && first[i] < 70);
}

/* --- the doing ----------------------------------------------------------------------------- */

struct carer {
    struct net *net;
    unsigned i;
    struct repairs *r;
    bool parted;
    uint8_t row[2048]; /* kept */
    size_t row_n;
};

struct town {
    struct net *net;
    struct carer c[MEMBERS];
};

static const struct tree *tree_of(void *ctx)
{
    return ((struct carer *)ctx)->net->tree;
}

static bool ready(void *ctx)
{
    const struct carer *c = ctx;
    return c->net->m[c->i].up;
}

static bool present(void *ctx, uint16_t holder)
{
    const struct carer *c = ctx;
    return holder < c->net->n && c->net->m[holder].up;
}

static double weight(void *ctx, uint16_t holder, bool *ret_fit)
{
    (void)ctx;
    (void)holder;
    *ret_fit = true;
    return 1;
}

static void append(void *ctx, uint8_t type, struct bytes body, put_appended *done, void *arg)
{
    struct carer *c = ctx;
    assert_int_equal(type, TREE_PLACED);
    env_append(&c->net->m[c->i], type, body, done, arg);
}

static void keep(void *ctx, struct bytes row)
{
    struct carer *c = ctx;
    assert_true(row.n <= sizeof c->row);
    memcpy(c->row, row.p, row.n);
    c->row_n = row.n;
}

static void parted(void *ctx)
{
    ((struct carer *)ctx)->parted = true;
}

static void care(struct town *t, unsigned i)
{
    struct carer *c = &t->c[i];
    *c = (struct carer){.net = t->net, .i = i};
    struct repairs_env e = {.env = &t->net->w->env,
                            .work = t->net->w->work,
                            .hold = t->net->m[i].hold,
                            .own = (uint16_t)i,
                            .tree = tree_of,
                            .ready = ready,
                            .present = present,
                            .weight = weight,
                            .append = append,
                            .keep = keep,
                            .parted = parted,
                            .ctx = c};
    c->r = repairs_new(&e);
    assert_non_null(c->r);
}

static void town_new(struct town *t, uint16_t n, size_t size, const char *profile)
{
    memset(t, 0, sizeof *t);
    t->net = net_new(n);
    world_file_fill(t->net->w, "/src", size);
    put_file(t->net, 0, "/src", "f", profile, true);
    settle(t->net, 1000);
    assert_int_equal(t->net->m[0].phase, PUT_DONE);
    for (unsigned i = 0; i < n; i++) care(t, i);
}

static void town_free(struct town *t)
{
    for (unsigned i = 0; i < t->net->n; i++) repairs_free(t->c[i].r);
    net_free(t->net);
}

static void live(struct town *t, uint64_t ms, uint64_t step)
{
    for (uint64_t at = 0; at <= ms; at += step) {
        settle(t->net, 0); /* a quarter of a second */
        t->net->w->now += step > 250 ? step - 250 : 0;
        for (unsigned i = 0; i < t->net->n; i++)
            if (t->c[i].r) repairs_tick(t->c[i].r);
    }
    settle(t->net, 0);
}

static void all_look(struct town *t)
{
    for (unsigned i = 0; i < t->net->n; i++)
        if (t->c[i].r) repairs_look(t->c[i].r);
}

struct tally {
    unsigned segments, least; /* columns that are placed, in the worst segment */
    unsigned most;            /* columns of a segment at one holder */
    unsigned at[MEMBERS];
};

static bool count(void *arg, const struct tree_segment *s)
{
    struct tally *t = arg;
    unsigned placed_n = 0;
    unsigned here[MEMBERS] = {0};
    for (unsigned c = 0; c < s->n; c++) {
        if (s->at[c] >= MEMBERS) continue;
        placed_n++;
        t->at[s->at[c]]++;
        if (++here[s->at[c]] > t->most) t->most = here[s->at[c]];
    }
    if (!t->segments++ || placed_n < t->least) t->least = placed_n;
    return true;
}

static struct tally tally(const struct town *t)
{
    struct tally r = {0};
    tree_segments(t->net->tree, NULL, count, &r);
    return r;
}

static void roster(struct town *t, uint16_t without)
{
    uint16_t leaves[MEMBERS];
    size_t n = 0;
    for (uint16_t l = 0; l < t->net->n; l++)
        if (l != without) leaves[n++] = l;
    for (unsigned i = 0; i < t->net->n; i++)
        if (t->net->m[i].hold) hold_roster(t->net->m[i].hold, leaves, n);
    all_look(t);
}

static void moved(const struct town *t, uint64_t *ret_read, uint64_t *ret_sent)
{
    *ret_read = *ret_sent = 0;
    for (unsigned i = 0; i < t->net->n; i++) {
        struct repairs_view v;
        if (!t->c[i].r) continue;
        repairs_view(t->c[i].r, &v);
        *ret_read += v.read;
        *ret_sent += v.sent;
    }
}

struct first {
    struct tree_segment s;
};

static bool keep_first(void *arg, const struct tree_segment *s)
{
    ((struct first *)arg)->s = *s;
    return false;
}

/* One column, found bad by one member: told to all, made again once, by any k columns. */
static void a_loss_is_repaired_at_once(void **state)
{
    (void)state;
    struct town t;
    struct first f;
    uint64_t read;
    uint64_t sent;
    town_new(&t, 5, 1000000, NULL); /* 8 of 20 */
    tree_segments(t.net->tree, NULL, keep_first, &f);
    live(&t, 2000, 250);
    repairs_lost(t.c[3].r, f.s.at[5], f.s.id, 5);
    repairs_lost(t.c[3].r, (uint16_t)(f.s.at[6] + 1), f.s.id, 6); /* it is not there: nothing */
    repairs_tick(t.c[3].r);
    settle(t.net, 0);
    assert_int_equal(tally(&t).least, 19);
    all_look(&t); /* as the record does when it is folded */
    live(&t, 5000, 250);
    assert_int_equal(tally(&t).least, 20);
    assert_int_equal(tally(&t).most, 4);
    moved(&t, &read, &sent);
    assert_int_equal(sent, f.s.rows * SHARD_UNIT);
    assert_int_equal(read, 8 * f.s.rows * SHARD_UNIT);
    town_free(&t);
}

/* All that a member kept, when it is gone from the roster: read k columns once a segment, whatever is
 * missing of it; nobody does what another does. */
static void who_left_is_made_up_for(void **state)
{
    (void)state;
    struct town t;
    struct got got;
    uint64_t read;
    uint64_t sent;
    town_new(&t, 5, 40000000, NULL);
    struct tally before = tally(&t);
    live(&t, 2000, 250);
    repairs_free(t.c[2].r);
    t.c[2].r = NULL;
    member_stop(t.net, 2);
    roster(&t, 2);
    live(&t, 20000, 250);
    struct tally after = tally(&t);
    assert_int_equal(after.segments, before.segments);
    assert_int_equal(after.least, 20);
    assert_int_equal(after.at[2], 0);
    assert_int_equal(after.most, 5);
    moved(&t, &read, &sent);
    assert_int_equal(read, 2 * sent); /* 8 columns for 4 */
    set_up(t.net, 0, false);
    set_up(t.net, 1, false);
    assert_int_equal(get_file(t.net, 3, "f", "/out", &got), ST_OK); /* 2 of 5 */
    same_file(t.net, "/src", "/out");
    town_free(&t);
}

/* Who stands first says nothing for a minute: the next takes over. */
static void the_next_takes_over(void **state)
{
    (void)state;
    struct town t;
    struct first f;
    town_new(&t, 5, 100000, NULL);
    tree_segments(t.net->tree, NULL, keep_first, &f);
    live(&t, 1000, 250);
    uint16_t order[5] = {0, 1, 2, 3, 4};
    plan_order(f.s.id, order, 5);
    repairs_free(t.c[order[0]].r); /* it is there, and does nothing */
    t.c[order[0]].r = NULL;
    repairs_lost(t.c[order[1]].r, f.s.at[0], f.s.id, 0);
    repairs_tick(t.c[order[1]].r);
    settle(t.net, 0);
    all_look(&t);
    live(&t, PLAN_TURN_MS - 5000, 1000);
    assert_int_equal(tally(&t).least, 19);
    live(&t, 10000, 1000);
    assert_int_equal(tally(&t).least, 20);
    town_free(&t);
}

static void absence_is_borne_for_a_day(void **state)
{
    (void)state;
    struct town t;
    town_new(&t, 5, 100000, NULL);
    live(&t, 1000, 250);
    set_up(t.net, 3, false);
    set_up(t.net, 4, false);
    live(&t, PLAN_GRACE_MS - 3600000, 600000);
    assert_int_equal(tally(&t).at[3] + tally(&t).at[4], 8 * tally(&t).segments);
    set_up(t.net, 4, true); /* one of them comes back: 16 are live, nothing is due */
    live(&t, 2 * PLAN_GRACE_MS, 600000);
    assert_int_equal(tally(&t).at[3], 4 * tally(&t).segments);
    set_up(t.net, 4, false);
    live(&t, PLAN_GRACE_MS - 7200000, 600000);
    assert_int_equal(tally(&t).at[3], 4 * tally(&t).segments);
    for (unsigned i = 0; i < 3; i++) { /* a restart of all forgets nothing */
        struct carer old = t.c[i];
        repairs_free(old.r);
        care(&t, i);
        repairs_restore(t.c[i].r, BYTES(old.row, old.row_n));
        repairs_restore(t.c[i].r, BYTES(old.row, old.row_n / 2));
    }
    live(&t, 3 * 3600000, 600000);
    assert_int_equal(tally(&t).at[3] + tally(&t).at[4], 0);
    assert_int_equal(tally(&t).least, 20);
    assert_int_equal(tally(&t).most, 7);
    town_free(&t);
}

static void row_of_absences(void **state)
{
    (void)state;
    uint8_t items[2 * REPAIRS_SEEN_ITEM] = {0, 1, 9};
    fields_mutate(&repairs_seen_row_fields,
                  &(struct repairs_seen_row){.version = 1, .seen = {items, 2}});
}

/* A disk that is empty after a restart: its owner says so itself, and gets its columns back. */
static void an_empty_disk_is_declared(void **state)
{
    (void)state;
    struct town t;
    struct got got;
    town_new(&t, 5, 3000000, NULL);
    repairs_free(t.c[1].r);
    t.c[1].r = NULL;
    member_stop(t.net, 1);
    mem_store_free(&t.net->m[1].store);
    memset(&t.net->m[1].store, 0, sizeof t.net->m[1].store);
    member_start(t.net, 1);
    link_all(t.net);
    care(&t, 1);
    assert_int_equal(tally(&t).least, 20);
    for (unsigned i = 0; i < 20; i++) {
        live(&t, 1000, 250);
        all_look(&t);
    }
    assert_int_equal(tally(&t).least, 20);
    assert_int_equal(tally(&t).at[1], 4 * tally(&t).segments);
    set_up(t.net, 2, false);
    set_up(t.net, 3, false);
    set_up(t.net, 4, false);
    assert_int_equal(get_file(t.net, 0, "f", "/out", &got), ST_OK); /* with 1's columns, or not */
    assert_int_equal(got.last.bad_n, 0);
    town_free(&t);
}

/* Handing over copies what the leaver has, and nothing else is read; killed half way it goes on. */
static void leaving_hands_over(void **state)
{
    (void)state;
    struct town t;
    struct got got;
    struct repairs_view v;
    town_new(&t, 5, 60000000, NULL);
    struct tally before = tally(&t);
    live(&t, 1000, 250);
    repairs_part(t.c[4].r);
    for (unsigned i = 0; i < 200 && tally(&t).at[4] == before.at[4]; i++) live(&t, 0, 1);
    assert_true(tally(&t).at[4] < before.at[4]);
    assert_false(t.c[4].parted);
    repairs_free(t.c[4].r);
    member_stop(t.net, 4);
    member_start(t.net, 4);
    link_all(t.net);
    care(&t, 4);
    unsigned left = tally(&t).at[4];
    repairs_part(t.c[4].r);
    live(&t, 30000, 250);
    assert_true(t.c[4].parted);
    assert_int_equal(tally(&t).at[4], 0);
    assert_int_equal(tally(&t).least, 20);
    assert_int_equal(tally(&t).most, 5);
    repairs_view(t.c[4].r, &v);
    assert_int_equal(v.read, v.sent);
    assert_true(v.sent <= left * (size_t)SHARD_UNIT * 32);
    set_up(t.net, 4, false);
    set_up(t.net, 0, false);
    set_up(t.net, 1, false);
    assert_int_equal(get_file(t.net, 2, "f", "/out", &got), ST_OK); /* any 2 of 4 may vanish */
    same_file(t.net, "/src", "/out");
    town_free(&t);
}

/* Nobody to hand over to: it waits while the file would be lost, and not when it is spread enough. */
static void leaving_waits_only_where_it_must(void **state)
{
    (void)state;
    struct town t;
    struct repairs_view v;
    town_new(&t, 4, 200000, NULL);
    for (unsigned i = 0; i < 3; i++) set_up(t.net, i, false);
    repairs_part(t.c[3].r);
    live(&t, 5000, 250);
    assert_true(t.c[3].parted); /* three others have five columns of twenty each, five do */
    town_free(&t);
    town_new(&t, 3, 200000, "2/3");
    set_up(t.net, 0, false);
    repairs_part(t.c[2].r);
    live(&t, 40000, 1000);
    assert_true(t.c[2].parted || tally(&t).at[2] > 0);
    town_free(&t);
    town_new(&t, 3, 200000, "3/3");
    for (unsigned i = 0; i < 2; i++) set_up(t.net, i, false);
    repairs_part(t.c[2].r);
    live(&t, 60000, 1000);
    assert_false(t.c[2].parted);
    repairs_view(t.c[2].r, &v);
    assert_true(v.waiting);
    set_up(t.net, 1, true);
    live(&t, 40000, 1000);
    assert_true(t.c[2].parted);
    assert_int_equal(tally(&t).at[2], 0);
    town_free(&t);
}

/* A member comes: its share is moved to it, each column once, and nothing is coded anew. */
static void evening_out(void **state)
{
    (void)state;
    struct town t;
    struct got got;
    struct repairs_view v;
    town_new(&t, 6, 30000000, "8/20");
    struct tally before = tally(&t);
    roster(&t, 5); /* as if it had not been there: its columns go to the five others */
    live(&t, 20000, 250);
    assert_int_equal(tally(&t).at[5], 0);
    assert_int_equal(tally(&t).most, 4);
    roster(&t, UINT16_MAX);
    live(&t, 5000, 250);
    assert_int_equal(tally(&t).at[5], 0); /* nothing by itself */
    uint64_t read;
    uint64_t sent;
    moved(&t, &read, &sent);
    repairs_even_out(t.c[0].r);
    live(&t, 30000, 250);
    struct tally after = tally(&t);
    assert_int_equal(after.least, 20);
    assert_int_equal(after.most, 4);
    assert_int_equal(after.at[5], 3 * after.segments);
    assert_true(before.at[5] >= 3 * after.segments);
    repairs_view(t.c[0].r, &v);
    assert_false(v.evening);
    uint64_t now_read;
    uint64_t now_sent;
    moved(&t, &now_read, &now_sent);
    assert_int_equal(now_read - read, now_sent - sent);
    for (unsigned i = 0; i < 3; i++) set_up(t.net, i, false);
    assert_int_equal(get_file(t.net, 5, "f", "/out", &got), ST_OK);
    same_file(t.net, "/src", "/out");
    town_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_due),
        cmocka_unit_test(absence_counts_at_the_threshold),
        cmocka_unit_test(a_node_holds_as_members_do),
        cmocka_unit_test(turns),
        cmocka_unit_test(a_loss_is_repaired_at_once),
        cmocka_unit_test(who_left_is_made_up_for),
        cmocka_unit_test(the_next_takes_over),
        cmocka_unit_test(absence_is_borne_for_a_day),
        cmocka_unit_test(row_of_absences),
        cmocka_unit_test(an_empty_disk_is_declared),
        cmocka_unit_test(evening_out),
        cmocka_unit_test(leaving_hands_over),
        cmocka_unit_test(leaving_waits_only_where_it_must),
    };
    if (crypto_start() != ST_OK) return 1;
    return !!cmocka_run_group_tests(tests, NULL, NULL);
}
