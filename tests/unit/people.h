/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * people: real members and a real sentinel in one process, for tests of the
 * node: each person has a home directory, SQLite, shards on disk, TLS links.
 *
 * Owns: a town owns its loop, sentinel and people until town_end.
 * Errors: every step asserts. Order: town_start, steps, town_end.
 */
#ifndef ENCLAVE_TESTS_PEOPLE_H
#define ENCLAVE_TESTS_PEOPLE_H

#include "crypto/secret.h"
#include "net/env.h"
#include "net/files.h"
#include "net/links.h"
#include "net/work.h"
#include "node/host/host.h"
#include "node/node.h"
#include "store/kv_sqlite.h"
#include "store/shard_fs.h"

#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#define PEOPLE_MAX 5

struct town;

struct person {
    struct town *town;
    const char *nick;
    char home[128];
    uint8_t mk[32], rk[32];
    struct links *links;
    struct net_work *work;
    struct net_files files;
    struct kv_sqlite *kv;
    struct shard_fs *shards;
    struct node *node;
    struct node_ports ports;
    uv_timer_t timer;
    bool timer_closed;
    bool running;
    bool hosts;      /* says that the town's sentinel is the one inside its daemon */
    unsigned copies; /* told since the start that its home is a copy */
};

struct answer {
    bool done;
    enum status st;
    char text[256];
    char code[NODE_CODE_MAX];
    uint64_t number;
    uint64_t transfer;
};

struct town {
    /* Puts itself between a person and its ports, before its node is made; may be NULL. */
    void (*between)(struct person *p);
    uv_loop_t loop;
    struct net_env log;
    struct env env;
    struct links *links;
    struct host *host;
    char dir[64];
    struct person people[PEOPLE_MAX];
    size_t n;
};

static inline void town_flag(void *arg)
{
    *(bool *)arg = true;
}

static inline void town_turn(struct town *t)
{
    for (size_t i = 0; i < t->n; i++) {
        struct person *p = &t->people[i];
        if (p->running && node_next_ms(p->node) <= env_mono_ms(&t->env)) node_tick(p->node);
    }
    uv_run(&t->loop, UV_RUN_ONCE);
}

static inline void person_timer(uv_timer_t *timer)
{
    (void)timer; /* only wakes the loop: town_turn looks at the deadlines */
}

static inline void person_event(void *arg, const struct node_event *e)
{
    struct person *p = arg;
    p->copies += strstr(e->text, "this home is a copy") != NULL;
    if (getenv("ENCLAVE_TEST_LOG") != NULL)
        print_message("%s: [%s] %s: %s\n", p->nick, e->kind, e->enclave, e->text);
}

static inline void person_start(struct person *p)
{
    struct town *t = p->town;
    char path[200];
    struct node_options options = {.listen = "127.0.0.1:0",
                                   .announce = "127.0.0.1",
                                   .offer = UINT64_C(1) << 30,
                                   .receipts = NODE_RECEIPTS_READ,
                                   .passes = 1,
                                   .memory_kib = 64};
    p->copies = 0;
    if (p->hosts) options.hosted = host_paste(t->host);
    assert_int_equal(links_new(&t->loop, &t->env, &p->links), ST_OK);
    assert_int_equal(net_work_new(&t->loop, 1, &p->work), ST_OK);
    net_files_init(&p->files, &t->loop);
    snprintf(path, sizeof path, "%s/state.db", p->home);
    assert_int_equal(kv_sqlite_open(&t->loop, path, &p->kv), ST_OK);
    options.place = kv_sqlite_place(p->kv);
    snprintf(path, sizeof path, "%s/shards", p->home);
    assert_int_equal(shard_fs_open(&t->loop, path, 0, &p->shards), ST_OK);
    p->ports = (struct node_ports){.env = &t->env,
                                   .work = net_work(p->work),
                                   .kv = kv_sqlite_port(p->kv),
                                   .link = links_port(p->links),
                                   .file = net_files(&p->files),
                                   .shards = shard_fs_store(p->shards)};
    if (t->between != NULL) t->between(p);
    p->node = node_new(&p->ports, &options);
    assert_non_null(p->node);
    node_listen(p->node, person_event, p);
    assert_int_equal(node_start(p->node, p->mk, p->rk), ST_OK);
    uv_timer_init(&t->loop, &p->timer);
    uv_timer_start(&p->timer, person_timer, 10, 10);
    p->running = true;
}

static inline void person_stopped(void *arg, const struct node_result *r)
{
    (void)r;
    *(bool *)arg = true;
}

static inline void person_wait(struct town *t, const bool *flag)
{
    while (!*flag) town_turn(t);
}

static inline void person_timer_closed(uv_handle_t *h)
{
    *(bool *)h->data = true;
}

static inline void person_stop(struct person *p)
{
    bool stopped = false, links = false, kv = false, work = false, shards = false;
    node_stop(p->node, person_stopped, &stopped);
    person_wait(p->town, &stopped);
    p->running = false;
    node_free(p->node);
    links_close(p->links, town_flag, &links);
    kv_sqlite_close(p->kv, town_flag, &kv);
    shard_fs_close(p->shards, town_flag, &shards);
    person_wait(p->town, &links);
    person_wait(p->town, &kv);
    person_wait(p->town, &shards);
    net_work_stop(p->work, town_flag, &work);
    person_wait(p->town, &work);
    p->timer_closed = false;
    p->timer.data = &p->timer_closed;
    uv_close((uv_handle_t *)&p->timer, person_timer_closed);
    person_wait(p->town, &p->timer_closed);
}

static inline void town_start_with(struct town *t, size_t n, void (*between)(struct person *p))
{
    static const char *const nicks[PEOPLE_MAX] = {"alice", "bob", "carol", "dave", "erin"};
    char data[100];
    struct host_options options = {.listen = "127.0.0.1:0", .data = data};
    struct host_fault fault;
    signal(SIGPIPE, SIG_IGN); /* as the programs do */
    memset(t, 0, sizeof *t);
    t->between = between;
    assert_int_equal(crypto_start(), ST_OK);
    snprintf(t->dir, sizeof t->dir, "/tmp/enclave-town-XXXXXX");
    assert_non_null(mkdtemp(t->dir));
    snprintf(data, sizeof data, "%s/sentinel", t->dir);
    uv_loop_init(&t->loop);
    const char *loud = getenv("ENCLAVE_TEST_LOG");
    assert_int_equal(net_env_open(&t->log, NULL, loud != NULL ? ENV_DEBUG : ENV_ERROR), ST_OK);
    t->env = net_env(&t->log);
    assert_int_equal(links_new(&t->loop, &t->env, &t->links), ST_OK);
    room_limits_default(&options.limits);
    assert_int_equal(host_open(&t->loop, &t->env, &options, &t->host, &fault), ST_OK);
    for (size_t i = 0; i < n; i++) {
        struct person *p = &t->people[t->n++];
        p->town = t;
        p->nick = nicks[i];
        snprintf(p->home, sizeof p->home, "%s/%s", t->dir, p->nick);
        assert_int_equal(mkdir(p->home, 0700), 0);
        env_random(&t->env, p->mk, 32);
        env_random(&t->env, p->rk, 32);
        person_start(p);
    }
}

static inline void town_start(struct town *t, size_t n)
{
    town_start_with(t, n, NULL);
}

static inline int town_remove(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st;
    (void)kind;
    (void)ftw;
    return remove(path);
}

static inline void town_end(struct town *t)
{
    bool host = false, links = false;
    for (size_t i = 0; i < t->n; i++)
        if (t->people[i].running) person_stop(&t->people[i]);
    host_close(t->host, town_flag, &host);
    person_wait(t, &host);
    links_close(t->links, town_flag, &links);
    person_wait(t, &links);
    uv_run(&t->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&t->loop), 0);
    net_env_close(&t->log);
    nftw(t->dir, town_remove, 16, FTW_DEPTH | FTW_PHYS);
}

/* ---- steps ---- */

static inline void person_answer(void *arg, const struct node_result *r)
{
    struct answer *a = arg;
    a->done = true;
    a->st = r->st;
    snprintf(a->text, sizeof a->text, "%s", r->text == NULL ? "" : r->text);
}

static inline void person_code(void *arg, const struct node_result *r)
{
    struct answer *a = arg;
    if (r->data != NULL) {
        const struct node_invitation *i = r->data;
        snprintf(a->code, sizeof a->code, "%s", i->code);
    }
    person_answer(arg, r);
}

static inline void person_ok(struct person *p, struct answer *a)
{
    person_wait(p->town, &a->done);
    if (a->st != ST_OK) print_message("%s: %s: %s\n", p->nick, status_name(a->st), a->text);
    assert_int_equal(a->st, ST_OK);
}

static inline void person_create(struct person *p, const char *room)
{
    struct answer a = {0};
    struct node_create req = {.name = room, .nick = p->nick, .sentinel = host_paste(p->town->host)};
    assert_int_equal(node_create(p->node, &req, person_answer, &a), ST_OK);
    person_ok(p, &a);
}

struct person_look {
    const char *nick;
    const char *text;
    bool found;
    bool mine;
    unsigned n;
    enum node_state state;
};

static inline void person_see_proposal(void *arg, const struct node_proposal *p)
{
    struct person_look *l = arg;
    if (strcmp(p->nick, l->nick) != 0) return;
    l->found = true;
    l->mine = p->mine_to_vote;
}

static inline void person_wait_open(struct person *p, const char *room, const char *nick)
{
    for (;;) {
        struct person_look l = {.nick = nick};
        assert_int_equal(node_proposals(p->node, room, false, person_see_proposal, &l), ST_OK);
        if (l.found && l.mine) return;
        town_turn(p->town);
    }
}

static inline void person_knock(struct town *t, struct person *by, struct person *who,
                                const char *room)
{
    struct answer a = {0}, b = {0};
    assert_int_equal(node_invite(by->node, room, 0, person_code, &a), ST_OK);
    person_ok(by, &a);
    struct node_join req = {.code = a.code, .nick = who->nick, .message = "it is me"};
    assert_int_equal(node_join(who->node, &req, person_answer, &b), ST_OK);
    person_ok(who, &b);
    person_wait_open(by, room, who->nick);
    (void)t;
}

static inline void person_vote(struct person *p, const char *room, const char *nick, bool yes)
{
    struct answer a = {0};
    struct node_vote req = {.enclave = room, .ref = nick, .yes = yes, .compared = true};
    assert_int_equal(node_vote(p->node, &req, person_answer, &a), ST_OK);
    person_ok(p, &a);
}

static inline void person_see_enclave(void *arg, const struct node_enclave_info *e)
{
    struct person_look *l = arg;
    l->state = e->state;
    l->n = e->members;
    l->found = true;
}

static inline void person_wait_state(struct person *p, enum node_state state)
{
    for (;;) {
        struct person_look l = {0};
        node_enclaves(p->node, person_see_enclave, &l);
        if (l.found && l.state == state) return;
        town_turn(p->town);
    }
}

static inline unsigned person_members(struct person *p, const char *room)
{
    struct person_look l = {0};
    assert_int_equal(node_enclave(p->node, room, person_see_enclave, &l), ST_OK);
    return l.n;
}

/* Everybody who is in the room says yes. */
static inline void person_admit(struct town *t, struct person *who, const char *room)
{
    struct person *by = NULL;
    for (size_t i = 0; i < t->n; i++) {
        struct person_look l = {0};
        struct person *p = &t->people[i];
        if (p == who || !p->running || node_enclave(p->node, room, person_see_enclave, &l) != ST_OK)
            continue;
        if (by == NULL) {
            by = p;
            person_knock(t, by, who, room);
        } else {
            person_wait_open(p, room, who->nick);
        }
        person_vote(p, room, who->nick, true);
    }
    person_wait_state(who, NODE_MEMBER);
    for (size_t i = 0; i < t->n; i++) { /* and all have it in their ledger */
        struct person_look l = {0};
        if (!t->people[i].running ||
            node_enclave(t->people[i].node, room, person_see_enclave, &l) != ST_OK)
            continue;
        while (person_members(&t->people[i], room) != person_members(who, room)) town_turn(t);
    }
}

static inline void person_say(struct person *p, const char *room, const char *text)
{
    struct answer a = {0};
    assert_int_equal(
        node_send(p->node, room, &(struct node_say){.text = bytes_str(text)}, person_answer, &a),
        ST_OK);
    person_ok(p, &a);
}

static inline bool person_see_message(void *arg, const struct node_message *m)
{
    struct person_look *l = arg;
    if (strcmp(m->nick, l->nick) == 0 && bytes_same(m->text, bytes_str(l->text))) l->n++;
    return true;
}

static inline void person_wait_message(struct person *p, const char *room, const char *nick,
                                       const char *text)
{
    for (;;) {
        struct person_look l = {.nick = nick, .text = text};
        assert_int_equal(node_messages(p->node, room, 0, person_see_message, &l), ST_OK);
        assert_true(l.n <= 1);
        if (l.n == 1) return;
        town_turn(p->town);
    }
}

static inline void person_leave(struct person *p, const char *room)
{
    struct answer a = {0};
    assert_int_equal(node_leave(p->node, room, person_answer, &a), ST_OK);
    person_ok(p, &a);
}

static inline unsigned town_rooms(struct town *t)
{
    struct hub_numbers numbers;
    host_numbers(t->host, &numbers);
    return (unsigned)numbers.attached;
}

#endif
