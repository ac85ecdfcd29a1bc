/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Which way a person's enclaves go out, and when: whole nodes over the real hub on a virtual clock
 * and network that notes every dialling. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/door/revoke.h"
#include "crypto/secret.h"
#include "sim/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct vnet_dial *dialled(const struct world *w, size_t i)
{
    return &w->net.log[i % VNET_DIALS];
}

struct look {
    unsigned online, members, movable;
    char first[NODE_NAME_MAX + 1];
    char trouble[NODE_REASON_MAX];
};

static void see(void *arg, const struct node_enclave_info *e)
{
    struct look *l = arg;
    if (e->online && l->online++ == 0) snprintf(l->first, sizeof l->first, "%s", e->name);
    if (e->trouble[0] != '\0') snprintf(l->trouble, sizeof l->trouble, "%s", e->trouble);
    l->members += e->members;
    l->movable += e->movable;
}

static struct look look(struct someone *p)
{
    struct look l = {0};
    node_enclaves(p->node, see, &l);
    return l;
}

static void create_five(struct world *w, struct someone *p)
{
    static const char *const names[] = {"one", "two", "three", "four", "five"};
    for (unsigned i = 0; i < 5; i++) {
        uint64_t before = w->time.now_ms;
        create(w, p, names[i], NULL);
        assert_true(w->time.now_ms - before < 2000); /* whom its owner waits for does not wait */
    }
}

/* Diallings from `from` on are at least two seconds apart; returns the longest gap. */
static uint64_t spread(const struct world *w, size_t from)
{
    uint64_t longest = 0;
    for (size_t i = from + 1; i < w->net.dials; i++) {
        uint64_t gap = dialled(w, i)->ms - dialled(w, i - 1)->ms;
        assert_true(gap >= 2000);
        if (gap > longest) longest = gap;
    }
    return longest;
}

static void one_after_the_other(void **state)
{
    (void)state;
    struct world *w = begin();
    struct someone *p = &w->people[0];
    char first[8][NODE_NAME_MAX + 1];
    boot(w, p);
    create_five(w, p);
    unsigned other = 0;
    for (unsigned round = 0; round < 8; round++) {
        crash(w, p);
        pass(w, 120000);
        size_t from = w->net.dials;
        uint64_t start = w->time.now_ms;
        boot(w, p);
        pass(w, 1500);
        struct look l = look(p);
        assert_int_equal(l.online, 1);
        assert_true(dialled(w, from)->ms - start < 50); /* the first one at once */
        snprintf(first[round], sizeof first[round], "%s", l.first);
        if (strcmp(first[round], first[0]) != 0) other++;
        pass(w, 5 * GAP_MS);
        assert_int_equal(look(p).online, 5);
        assert_int_equal(w->net.dials - from, 5);
        assert_true(spread(w, from) <= GAP_MS);
    }
    assert_true(other > 0); /* in another order */
    finish(w);
}

static void after_an_outage_too(void **state)
{
    (void)state;
    struct world *w = begin();
    struct someone *p = &w->people[0];
    boot(w, p);
    create_five(w, p);
    pass(w, 60000);
    vnet_partition(&w->net, 1);
    pass(w, 60000); /* all have noticed: the first to notice had nobody to wait for */
    size_t from = w->net.dials;
    pass(w, 240000);
    assert_int_equal(look(p).online, 0);
    assert_true(w->net.dials - from > 5); /* they try, and these are apart as well */
    spread(w, from);
    from = w->net.dials;
    vnet_partition(&w->net, 0);
    pass(w, 10 * GAP_MS);
    assert_int_equal(look(p).online, 5);
    spread(w, from);
    finish(w);
}

static void who_is_asked_goes_at_once(void **state)
{
    (void)state;
    struct world *w = begin();
    struct someone *p = &w->people[0];
    boot(w, p);
    create_five(w, p);
    pass(w, 5000);
    crash(w, p);
    boot(w, p);
    pass(w, 1500);
    static const char *const names[] = {"one", "two", "three", "four", "five"};
    const struct look was = look(p);
    assert_int_equal(was.online, 1);
    for (unsigned i = 0; i < 5; i++) {
        struct said a = {0};
        size_t from = w->net.dials;
        bool there = strcmp(was.first, names[i]) == 0;
        assert_int_equal(
            node_send(p->node, names[i], &(struct node_say){.text = BYTES_LIT("now")}, told, &a),
            ST_OK);
        pass(w, 100);
        assert_int_equal(w->net.dials - from, there ? 0 : 1);
    }
    pass(w, 1000);
    assert_int_equal(look(p).online, 5);
    /* Off: all at once. */
    crash(w, p);
    p->options.start_gap_ms = 0;
    boot(w, p);
    pass(w, 1500);
    assert_int_equal(look(p).online, 5);
    finish(w);
}

/* A person with one enclave waits for nobody. */
static void alone_there_is_no_gate(void **state)
{
    (void)state;
    struct world *w = begin();
    struct someone *p = &w->people[0];
    boot(w, p);
    create(w, p, "one", NULL);
    for (unsigned i = 0; i < 5; i++) {
        vnet_break_one(&w->net);
        pass(w, 25000);
        assert_int_equal(look(p).online, 1);
    }
    finish(w);
}

static void only_by_proxy(struct world *w, size_t from)
{
    for (size_t i = from; i < w->net.dials; i++) {
        assert_true(dialled(w, i)->routed);
        assert_false(dialled(w, i)->peer);
        assert_string_equal(dialled(w, i)->route.proxy, PROXY);
    }
    assert_null(w->net.listeners);
}

static void tor_mode(void **state)
{
    (void)state;
    struct world *w = begin();
    struct someone *a = &w->people[0], *b = &w->people[1];
    struct said none;
    boot(w, a);
    boot(w, b);
    create(w, a, "one", "tor");
    create(w, a, "two", "tor");
    /* Each its own user. */
    assert_int_equal(w->net.dials, 2);
    assert_int_equal(strlen(dialled(w, 0)->route.user), 32);
    assert_string_not_equal(dialled(w, 0)->route.user, dialled(w, 1)->route.user);
    admit(w, a, b, "one", "tor");
    assert_int_equal(look(b).members, 2);
    assert_int_equal(
        node_put(a->node, &(struct node_put){.enclave = "one", .local = "/none"}, told, &none),
        ST_OK);
    pass(w, 300000);
    only_by_proxy(w, 0);
    /* After a restart it still does not go out another way. */
    crash(w, a);
    pass(w, 1000);
    boot(w, a);
    pass(w, 60000);
    assert_int_equal(look(a).online, 2);
    only_by_proxy(w, 0);
    /* A dead proxy: nothing goes around it, and it is said. */
    w->net.proxy_dead = true;
    crash(w, a);
    boot(w, a);
    pass(w, 120000);
    assert_int_equal(look(a).online, 0);
    assert_non_null(strstr(look(a).trouble, PROXY));
    assert_non_null(strstr(look(a).trouble, "nothing goes around it"));
    only_by_proxy(w, 0);
    w->net.proxy_dead = false;
    pass(w, 120000);
    assert_int_equal(look(a).online, 2);
    assert_string_equal(look(a).trouble, "");
    /* No proxy at all: not a single dialling. */
    crash(w, a);
    a->options.socks = NULL;
    boot(w, a);
    size_t from = w->net.dials;
    pass(w, 120000);
    for (size_t i = from; i < w->net.dials; i++) assert_int_not_equal(dialled(w, i)->machine, 0);
    assert_non_null(strstr(look(a).trouble, "socks: 127.0.0.1:9050"));
    finish(w);
}

static void same_user_new_password(void **state)
{
    (void)state;
    struct world *w = begin();
    struct someone *p = &w->people[0];
    boot(w, p);
    create(w, p, "one", "tor");
    const struct vnet_dial was = *dialled(w, 0);
    vnet_break_one(&w->net);
    pass(w, 60000);
    assert_int_equal(look(p).online, 1);
    const struct vnet_dial *again = dialled(w, w->net.dials - 1);
    assert_string_equal(again->route.user, was.route.user);
    assert_string_equal(again->route.pass, was.route.pass);
    /* The machine sleeps for twenty minutes. */
    size_t from = w->net.dials;
    w->time.now_ms += 1200000;
    vnet_break_one(&w->net);
    pass(w, 60000);
    assert_true(w->net.dials > from);
    again = dialled(w, w->net.dials - 1);
    assert_string_equal(again->route.user, was.route.user);
    assert_string_not_equal(again->route.pass, was.route.pass);
    finish(w);
}

static void joining_a_tor_enclave(void **state)
{
    (void)state;
    struct world *w = begin();
    struct someone *a = &w->people[0], *b = &w->people[1], *c = &w->people[2];
    struct said said;
    boot(w, a);
    boot(w, b);
    c->options.socks = NULL;
    boot(w, c);
    create(w, a, "one", "tor");
    /* Without the proxy: told before it knocks, and forgotten. */
    join(w, a, b, "one", NULL, &said);
    assert_int_equal(said.st, ST_USAGE);
    assert_non_null(strstr(said.text, "--mode tor"));
    pass(w, 5000);
    struct look l = look(b);
    assert_int_equal(l.online, 0);
    assert_string_equal(l.first, "");
    assert_int_equal(look(a).members, 1);
    /* No proxy is set. */
    size_t from = w->net.dials;
    join(w, a, c, "one", "tor", &said);
    assert_int_equal(said.st, ST_CONFIG);
    assert_non_null(strstr(said.text, "socks"));
    struct node_create req = {.name = "x", .nick = "c", .sentinel = w->where, .mode = "tor"};
    memset(&said, 0, sizeof said);
    assert_int_equal(node_create(c->node, &req, told, &said), ST_OK);
    wait_for(w, &said);
    assert_int_equal(said.st, ST_CONFIG);
    for (size_t i = from; i < w->net.dials; i++) assert_int_not_equal(dialled(w, i)->machine, 2);
    admit(w, a, b, "one", "tor");
    assert_int_equal(look(b).members, 2);
    finish(w);
}

/* Relay: no member is dialled and nobody listens; the sentinel is, straight. */
static void relay_mode(void **state)
{
    (void)state;
    struct world *w = begin();
    struct someone *a = &w->people[0], *b = &w->people[1];
    struct said none = {0};
    boot(w, a);
    boot(w, b);
    create(w, a, "one", "relay");
    admit(w, a, b, "one", NULL);
    files_mem_write(&a->files, "/film", BYTES_LIT("some bytes of a file"));
    struct node_put put = {.enclave = "one", .local = "/film"};
    assert_int_equal(node_put(a->node, &put, told, &none), ST_OK);
    pass(w, 300000);
    for (size_t i = 0; i < w->net.dials; i++) {
        assert_false(dialled(w, i)->peer);
        assert_false(dialled(w, i)->routed);
    }
    assert_null(w->net.listeners);
    finish(w);
}

/* One's own wish in an enclave of mode direct: members are dialled through the proxy, too. */
static void all_through_the_proxy(void **state)
{
    (void)state;
    struct world *w = begin();
    struct someone *a = &w->people[0], *b = &w->people[1];
    struct said none = {0};
    a->options.socks_all = true;
    boot(w, a);
    boot(w, b);
    create(w, a, "one", NULL);
    create(w, a, "two", NULL);
    admit(w, a, b, "one", NULL);
    files_mem_write(&a->files, "/film", BYTES_LIT("some bytes of a file"));
    struct node_put put = {.enclave = "one", .local = "/film"};
    assert_int_equal(node_put(a->node, &put, told, &none), ST_OK);
    pass(w, 300000);
    unsigned peers = 0;
    for (size_t i = 0; i < w->net.dials; i++) {
        const struct vnet_dial *d = dialled(w, i);
        assert_int_equal(d->routed, d->machine == 0);
        if (d->machine != 0)
            assert_false(d->peer); /* nobody is told where a listens: it does not */
        else
            peers += d->peer;
    }
    assert_true(peers > 0);
    finish(w);
}

/* ---- what is voted on is shown ---- */

static void find_last(void *arg, const struct node_proposal *p)
{
    struct said *a = arg;
    if (strcmp(p->kind, "policy") == 0 && strstr(p->changes, a->code) != NULL) a->done = true;
}

/* Eight sentinels with long names, of which the last one is the proposer's own. */
static void no_sentinel_hides_behind_others(void **state)
{
    (void)state;
    struct world *w = begin();
    struct someone *a = &w->people[0], *b = &w->people[1];
    struct said none = {0}, seen = {.code = "hidden:1#"};
    char changes[4096] = "sentinels=";
    boot(w, a);
    boot(w, b);
    create(w, a, "one", NULL);
    admit(w, a, b, "one", NULL);
    for (int i = 0; i < 8; i++) {
        size_t n = strlen(changes);
        snprintf(changes + n, sizeof changes - n, "%s%0*d%s:1#%064d", i == 0 ? "" : ",",
                 i == 7 ? 1 : 240, 0, i == 7 ? "hidden" : "x", i);
    }
    struct node_policy_change req = {.enclave = "one", .changes = changes, .now = true};
    assert_int_equal(node_propose_policy(b->node, &req, told, &none), ST_OK);
    pass(w, 5000);
    assert_int_equal(node_proposals(a->node, "one", true, find_last, &seen), ST_OK);
    assert_true(seen.done);
    finish(w);
}

/* ---- a way out, whatever the sentinel or one member says ---- */

/* Three members of an enclave that may meet at two sentinels. */
static struct world *begin_with_two(void)
{
    struct world *w = begin();
    struct someone *a = &w->people[0], *b = &w->people[1], *c = &w->people[2];
    struct said said = {0};
    for (unsigned i = 0; i < PEOPLE; i++) boot(w, &w->people[i]);
    size_t n = strlen(w->where);
    snprintf(w->where + n, sizeof w->where - n, ",other:1#%064d", 7);
    create(w, a, "one", NULL);
    admit(w, a, b, "one", NULL);
    join(w, a, c, "one", NULL, &said);
    pass(w, 2000);
    for (unsigned i = 0; i < 2; i++) {
        struct said done = {0};
        struct node_vote vote = {.enclave = "one", .ref = "m2", .yes = true, .now = true};
        assert_int_equal(node_vote(w->people[i].node, &vote, told, &done), ST_OK);
        wait_for(w, &done);
        assert_int_equal(done.st, ST_OK);
        pass(w, 5000);
    }
    pass(w, 120000);
    for (unsigned i = 0; i < PEOPLE; i++) {
        assert_int_equal(look(&w->people[i]).members, 3);
        assert_int_equal(look(&w->people[i]).movable, 1);
    }
    return w;
}

static int by_seat(const void *a, const void *b)
{
    return memcmp(a, b, 32);
}

/* The ledger keeps any version and any signature in a HEAD. */
static void a_false_word_keeps_nobody_here(void **state)
{
    (void)state;
    static const uint64_t versions[] = {77, UINT64_MAX};
    struct world *w = begin_with_two();
    struct enclave *e = node_find(w->people[2].node, "one");
    for (size_t i = 0; i < 2; i++) {
        struct group_draft draft = {.sealed = BUF_INIT};
        uint8_t random[GROUP_RANDOM], sig[64] = {1};
        struct group_now now;
        enclave_now(e, random, &now);
        assert_int_equal(
            group_make_head(e->group, group_epoch(e->group), 0, versions[i], sig, &now, &draft),
            ST_OK);
        assert_int_equal(enclave_append(e, FEED_LEDGER, true, draft.index, draft.chain,
                                        buf_view(&draft.sealed), NULL, NULL),
                         ST_OK);
        buf_free(&draft.sealed);
        pass(w, 30000);
        assert_int_equal(look(&w->people[0]).movable, 1);
        assert_int_equal(look(&w->people[1]).movable, 1);
    }
    finish(w);
}

/* A sentinel that shows a list which is not the members', or to each another version. */
static void a_false_list_takes_no_word_back(void **state)
{
    (void)state;
    struct world *w = begin_with_two();
    for (unsigned i = 0; i < PEOPLE; i++) {
        struct enclave *e = node_find(w->people[i].node, "one");
        uint8_t seats[2][32] = {{1}, {2}};
        struct room_seat_list list = {.version = 100 + i, .seats = {seats[0], 2}};
        enclave_seat_list(e, &list);
        e->head_at_ms = 1; /* a HEAD, as every member writes one now and then */
        pass(w, 30000);
    }
    for (unsigned i = 0; i < PEOPLE; i++) assert_int_equal(look(&w->people[i]).movable, 1);
    for (unsigned i = 0; i < PEOPLE; i++) {
        struct enclave *e = node_find(w->people[i].node, "one");
        uint8_t seats[PEOPLE][32];
        for (uint16_t k = 0; k < PEOPLE; k++)
            memcpy(seats[k], ledger_leaf(group_ledger(e->group), k)->seat, 32);
        qsort(seats, PEOPLE, 32, by_seat);
        struct room_seat_list list = {.version = 200 + i, .seats = {seats[0], PEOPLE}};
        enclave_seat_list(e, &list);
        e->head_at_ms = 1;
        pass(w, 30000);
    }
    for (unsigned i = 0; i < PEOPLE; i++) assert_int_equal(look(&w->people[i]).movable, 1);
    finish(w);
}

/* A sentinel that counts the versions of one and the same list up and up. */
static void versions_of_one_list_fill_no_ledger(void **state)
{
    (void)state;
    static const uint64_t versions[] = {100, 101, 102, 103, UINT64_MAX};
    struct world *w = begin_with_two();
    struct enclave *e = node_find(w->people[1].node, "one");
    struct enclave *a = node_find(w->people[0].node, "one");
    uint64_t before = ledger_count(group_ledger(a->group));
    for (size_t i = 0; i < 5; i++) {
        struct room_seat_list list = {.version = versions[i],
                                      .seats = {e->seat_list[0], e->n_seat_list}};
        enclave_seat_list(e, &list);
        pass(w, 30000);
    }
    assert_int_equal(ledger_count(group_ledger(a->group)), before);
    assert_int_equal(look(&w->people[0]).movable, 1);
    finish(w);
}

static void take_revoked(void *arg, const struct node_result *r)
{
    told(arg, r);
    if (r->data != NULL)
        snprintf(((struct said *)arg)->text, sizeof((struct said *)arg)->text, "%s",
                 ((const struct node_revoked *)r->data)->detail);
}

/* The first of the kit's sentinels knows no such door: the enclave may have moved to the next one. */
static void revoking_asks_every_sentinel(void **state)
{
    (void)state;
    struct world *w = begin();
    struct someone *p = &w->people[0];
    struct buf list = BUF_INIT, items = BUF_INIT, kit = BUF_INIT;
    struct revoke_item item = {.name = BYTES_LIT("one")};
    static const uint8_t rk[32] = {9}, nonce[24] = {1};
    struct said a = {0};
    boot(w, p);
    buf_u8(&list, 2);
    for (int i = 0; i < 2; i++) {
        buf_u8(&list, (uint8_t)strlen(VSENTINEL_ADDRESS));
        buf_str(&list, VSENTINEL_ADDRESS);
        buf_raw(&list, w->sentinel.pin, 32);
    }
    item.sentinels = buf_view(&list);
    assert_int_equal(fields_encode(&revoke_item_fields, &item, &items), ST_OK);
    revoke_kit_seal(rk, nonce, buf_view(&items), &kit);
    size_t from = w->net.dials;
    assert_int_equal(node_revoke(p->node, buf_view(&kit), rk, NULL, take_revoked, &a), ST_OK);
    wait_for(w, &a);
    assert_int_equal(w->net.dials - from, 2);
    assert_non_null(strstr(a.text, "there is no such door")); /* and not: none can be reached */
    buf_free(&list);
    buf_free(&items);
    buf_free(&kit);
    finish(w);
}

/* What stands still, for the disk was full, is erased all the same when there is room. */
static void what_stands_still_can_be_destroyed(void **state)
{
    (void)state;
    struct world *w = begin();
    struct someone *p = &w->people[0];
    struct said a = {0}, b = {0};
    boot(w, p);
    create(w, p, "one", NULL);
    p->m.full = true;
    assert_int_equal(node_rekey(p->node, "one", told, &a), ST_OK);
    pass(w, 10000);
    assert_true(node_find(p->node, "one")->halted);
    p->m.full = false;
    assert_int_equal(node_destroy(p->node, "one", told, &b), ST_OK);
    wait_for(w, &b);
    assert_int_equal(b.st, ST_OK);
    crash(w, p);
    boot(w, p);
    assert_null(node_find(p->node, "one"));
    finish(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_after_the_other),
        cmocka_unit_test(after_an_outage_too),
        cmocka_unit_test(who_is_asked_goes_at_once),
        cmocka_unit_test(alone_there_is_no_gate),
        cmocka_unit_test(tor_mode),
        cmocka_unit_test(same_user_new_password),
        cmocka_unit_test(joining_a_tor_enclave),
        cmocka_unit_test(relay_mode),
        cmocka_unit_test(all_through_the_proxy),
        cmocka_unit_test(no_sentinel_hides_behind_others),
        cmocka_unit_test(a_false_word_keeps_nobody_here),
        cmocka_unit_test(a_false_list_takes_no_word_back),
        cmocka_unit_test(versions_of_one_list_fill_no_ledger),
        cmocka_unit_test(revoking_asks_every_sentinel),
        cmocka_unit_test(what_stands_still_can_be_destroyed),
    };
    if (crypto_start() != ST_OK) return 1;
    return !!cmocka_run_group_tests(tests, NULL, NULL);
}
