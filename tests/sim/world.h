/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * world: a few whole nodes over the real hub, on the virtual clock and network of the simulator. Include
 * after cmocka.h.
 *
 * Owns: a world owns its machines until finish. Fails through cmocka's assertions.
 * Order: begin, boot, steps, finish.
 */
#ifndef ENCLAVE_TESTS_SIM_WORLD_H
#define ENCLAVE_TESTS_SIM_WORLD_H

#include "base/encode.h"
#include "node/enclave/enclave.h"
#include "node/node.h"
#include "sim/files_mem.h"
#include "sim/kv_mem.h"
#include "sim/shards_mem.h"
#include "sim/vsentinel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GAP_MS UINT64_C(30000)
#define PROXY "127.0.0.1:9050"
#define PEOPLE 3

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

static inline void quiet(void *arg, unsigned machine, enum env_level level, const char *area,
                         const char *text)
{
    (void)arg;
    if (level <= ENV_ERROR || getenv("ENCLAVE_TEST_LOG") != NULL)
        print_message("m%u %s: %s\n", machine, area, text);
}

static inline void boot(struct world *w, struct someone *p)
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

static inline void crash(struct world *w, struct someone *p)
{
    machine_crash(&p->m);
    node_free(p->node);
    p->node = NULL;
    kv_mem_crash(&p->kv);
    shards_mem_crash(&p->shards);
    vnet_crash(&w->net, &p->m);
}

static inline struct world *begin(void)
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

static inline void finish(struct world *w)
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
static inline uint64_t wants_ms(const struct someone *p)
{
    uint64_t at = p->node ? node_next_ms(p->node) : UINT64_MAX;
    if (at == UINT64_MAX) return at;
    return at < 1000 ? p->m.boot_ms : at - 1000 + p->m.boot_ms;
}

/* One thing more, if it is due by then. */
static inline bool turn(struct world *w, uint64_t until)
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

static inline void pass(struct world *w, uint64_t ms)
{
    uint64_t until = w->time.now_ms + ms;
    while (turn(w, until)) {
    }
    w->time.now_ms = until;
}

static inline void told(void *arg, const struct node_result *r)
{
    struct said *a = arg;
    a->done = true;
    a->st = r->st;
    snprintf(a->text, sizeof a->text, "%s", r->text);
}

static inline void told_code(void *arg, const struct node_result *r)
{
    const struct node_invitation *i = r->data;
    told(arg, r);
    if (r->st == ST_OK) snprintf(((struct said *)arg)->code, NODE_CODE_MAX, "%s", i->code);
}

static inline void wait_for(struct world *w, const struct said *a)
{
    uint64_t until = w->time.now_ms + 120000;
    while (!a->done && turn(w, until)) {
    }
    assert_true(a->done);
}

static inline void create(struct world *w, struct someone *p, const char *name, const char *mode)
{
    struct said a = {0};
    struct node_create req = {
        .name = name, .nick = p->m.name, .sentinel = w->where, .ballot = "open", .mode = mode};
    assert_int_equal(node_create(p->node, &req, told, &a), ST_OK);
    wait_for(w, &a);
    if (a.st != ST_OK) print_message("create: %s\n", a.text);
    assert_int_equal(a.st, ST_OK);
}

static inline void join(struct world *w, struct someone *by, struct someone *who, const char *name,
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

static inline void admit(struct world *w, struct someone *by, struct someone *who, const char *name,
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

#endif
