/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Which way a person's enclaves go out, and when: whole nodes over the real hub on a virtual clock
 * and network that notes every dialling. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/encode.h"
#include "crypto/secret.h"
#include "node/node.h"
#include "sim/files_mem.h"
#include "sim/kv_mem.h"
#include "sim/shards_mem.h"
#include "sim/vsentinel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PEOPLE 3
#define GAP_MS UINT64_C(30000)
#define PROXY "127.0.0.1:9050"

int __lsan_is_turned_off(void);

/* A crash gives nothing back, as in sim. */
int __lsan_is_turned_off(void)
{
    return 1;
}

struct someone {
    struct machine m;
    struct kv_mem kv;
    struct files_mem files;
    struct shards_mem shards;
    struct node_options options;
    struct node *node;
};

struct world {
    struct vtime time;
    struct vnet net;
    struct vsentinel sentinel;
    struct someone people[PEOPLE];
    char where[LINK_ADDRESS_MAX];
};

struct said {
    bool done;
    enum status st;
    char text[400];
    char code[NODE_CODE_MAX];
};

static void quiet(void *arg, unsigned machine, enum env_level level, const char *area,
                  const char *text)
{
    (void)arg;
    if (level <= ENV_ERROR || getenv("ENCLAVE_TEST_LOG") != NULL)
        print_message("m%u %s: %s\n", machine, area, text);
}

static void boot(struct world *w, struct someone *p)
{
    machine_boot(&p->m);
    struct node_ports ports = {.env = &p->m.env,
                               .work = p->m.work,
                               .kv = kv_mem_port(&p->kv),
                               .link = vnet_port(&w->net, &p->m),
                               .file = files_mem_port(&p->files),
                               .shards = shards_mem_port(&p->shards)};
    static const uint8_t mk[32] = {1}, rk[32] = {2};
    p->node = node_new(&ports, &p->options);
    assert_non_null(p->node);
    assert_int_equal(node_start(p->node, mk, rk), ST_OK);
}

static void crash(struct world *w, struct someone *p)
{
    machine_crash(&p->m);
    node_free(p->node);
    p->node = NULL;
    kv_mem_crash(&p->kv);
    shards_mem_crash(&p->shards);
    vnet_crash(&w->net, &p->m);
}

static struct world *begin(void)
{
    char pin[65];
    struct world *w = sim_alloc(sizeof *w);
    vnet_init(&w->net, &w->time, 11);
    w->time.now_ms = 1000000;
    vsentinel_init(&w->sentinel, PEOPLE, &w->net, 12, quiet, NULL);
    vsentinel_boot(&w->sentinel);
    hex_encode(BYTES_OF(w->sentinel.pin), pin);
    snprintf(w->where, sizeof w->where, "%s#%s", VSENTINEL_ADDRESS, pin);
    for (unsigned i = 0; i < PEOPLE; i++) {
        struct someone *p = &w->people[i];
        char name[16];
        snprintf(name, sizeof name, "m%u", i);
        machine_init(&p->m, i, name, &w->time, 100 + i, quiet, NULL);
        kv_mem_init(&p->kv, &p->m);
        files_mem_init(&p->files, &p->m);
        shards_mem_init(&p->shards, &p->m, UINT64_C(1) << 30);
        p->options = (struct node_options){
            .listen = "m:0", .announce = p->m.name, .start_gap_ms = GAP_MS, .socks = PROXY};
    }
    return w;
}

static void finish(struct world *w)
{
    for (unsigned i = 0; i < PEOPLE; i++) {
        struct someone *p = &w->people[i];
        if (p->node) crash(w, p);
    }
    vsentinel_crash(&w->sentinel);
    vtime_end(&w->time);
    for (unsigned i = 0; i < PEOPLE; i++) {
        kv_mem_free(&w->people[i].kv);
        files_mem_free(&w->people[i].files);
        shards_mem_free(&w->people[i].shards);
    }
    vsentinel_free(&w->sentinel);
    vnet_free(&w->net);
    free(w);
}

/* A machine's clock begins at 1000 with each boot. */
static uint64_t wants_ms(const struct someone *p)
{
    uint64_t at = p->node ? node_next_ms(p->node) : UINT64_MAX;
    if (at == UINT64_MAX) return at;
    return at < 1000 ? p->m.boot_ms : at - 1000 + p->m.boot_ms;
}

/* One thing more, if it is due by then. */
static bool turn(struct world *w, uint64_t until)
{
    uint64_t next = vtime_next_ms(&w->time), at = vsentinel_next_ms(&w->sentinel);
    struct someone *who = NULL;
    bool sentinel = at < next;
    if (sentinel) next = at;
    for (unsigned i = 0; i < PEOPLE; i++) {
        struct someone *p = &w->people[i];
        at = wants_ms(p);
        if (at >= next) continue;
        next = at;
        who = p;
        sentinel = false;
    }
    if (next > until) return false;
    if (next > w->time.now_ms) w->time.now_ms = next;
    if (sentinel)
        vsentinel_tick(&w->sentinel);
    else if (who)
        node_tick(who->node);
    else
        vtime_run_one(&w->time);
    return true;
}

static void pass(struct world *w, uint64_t ms)
{
    uint64_t until = w->time.now_ms + ms;
    while (turn(w, until)) {
    }
    w->time.now_ms = until;
}

static void told(void *arg, const struct node_result *r)
{
    struct said *a = arg;
    a->done = true;
    a->st = r->st;
    snprintf(a->text, sizeof a->text, "%s", r->text);
}

static void told_code(void *arg, const struct node_result *r)
{
    const struct node_invitation *i = r->data;
    told(arg, r);
    if (r->st == ST_OK) snprintf(((struct said *)arg)->code, NODE_CODE_MAX, "%s", i->code);
}

static void wait_for(struct world *w, const struct said *a)
{
    uint64_t until = w->time.now_ms + 120000;
    while (!a->done && turn(w, until)) {
    }
    assert_true(a->done);
}

static void create(struct world *w, struct someone *p, const char *name, const char *mode)
{
    struct said a = {0};
    struct node_create req = {
        .name = name, .nick = p->m.name, .sentinel = w->where, .ballot = "open", .mode = mode};
    assert_int_equal(node_create(p->node, &req, told, &a), ST_OK);
    wait_for(w, &a);
    if (a.st != ST_OK) print_message("create: %s\n", a.text);
    assert_int_equal(a.st, ST_OK);
}

static void join(struct world *w, struct someone *by, struct someone *who, const char *name,
                 const char *mode, struct said *ret)
{
    struct said a = {0};
    memset(ret, 0, sizeof *ret);
    assert_int_equal(node_invite(by->node, name, 0, told_code, &a), ST_OK);
    wait_for(w, &a);
    assert_int_equal(a.st, ST_OK);
    struct node_join req = {.code = a.code, .nick = who->m.name, .name = name, .mode = mode};
    assert_int_equal(node_join(who->node, &req, told, ret), ST_OK);
    wait_for(w, ret);
}

static void admit(struct world *w, struct someone *by, struct someone *who, const char *name,
                  const char *mode)
{
    struct said a = {0}, b = {0};
    join(w, by, who, name, mode, &a);
    assert_int_equal(a.st, ST_OK);
    pass(w, 2000);
    struct node_vote vote = {
        .enclave = name, .ref = who->m.name, .yes = true, .compared = true, .now = true};
    assert_int_equal(node_vote(by->node, &vote, told, &b), ST_OK);
    wait_for(w, &b);
    assert_int_equal(b.st, ST_OK);
    pass(w, 60000);
}

static const struct vnet_dial *dialled(const struct world *w, size_t i)
{
    return &w->net.log[i % VNET_DIALS];
}

struct look {
    unsigned online, members;
    char first[NODE_NAME_MAX + 1];
    char trouble[NODE_REASON_MAX];
};

static void see(void *arg, const struct node_enclave_info *e)
{
    struct look *l = arg;
    if (e->online && l->online++ == 0) snprintf(l->first, sizeof l->first, "%s", e->name);
    if (e->trouble[0] != '\0') snprintf(l->trouble, sizeof l->trouble, "%s", e->trouble);
    l->members += e->members;
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
        assert_int_equal(node_send(p->node, names[i], BYTES_LIT("now"), told, &a), ST_OK);
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
    };
    if (crypto_start() != ST_OK) return 1;
    return !!cmocka_run_group_tests(tests, NULL, NULL);
}
