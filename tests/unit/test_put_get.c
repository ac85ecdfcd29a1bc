/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto core/files core/holder node/hold node/put node/get */
/* put and get through several members in one process: real holders and keepers over doubles of
 * links, stores and files; losses, lies, deaths, resumption. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#include "core/files/manifest.h"
#include "core/files/tree.h"
#include "core/holder/wire.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "node/get/get.h"
#include "node/put/put.h"
#include "unit/files_world.h"

#define MEMBERS 6

struct net;

struct member {
    struct net *net;
    uint16_t leaf;
    struct mem_store store;
    struct hold *hold;
    bool up;
    unsigned lie; /* 1: flips a bit of each DATA; 2: says it has nothing */
    uint64_t sent;
    struct puts *puts;
    struct put_row rows[4096];
    size_t rows_n;
    enum put_phase phase;
    struct put_progress last;
    unsigned events;
    bool kill_after_accept;
};

struct net {
    struct world *w;
    unsigned n;
    struct member m[MEMBERS];
    struct tree *tree;
    uint64_t index;
    unsigned appends;
    bool refuse_appends;
    uint64_t epoch;
    uint32_t in_flight; /* frames */
};

/* --- links --------------------------------------------------------------------------------- */

struct wire {
    struct net *net;
    uint16_t from;
    uint16_t to;
};

struct packet {
    struct net *net;
    uint16_t from;
    uint16_t to;
    uint8_t type;
    size_t n;
    uint8_t bytes[];
};

static struct wire wires[MEMBERS][MEMBERS];

static void deliver(void *arg)
{
    struct packet *p = arg;
    struct member *to = &p->net->m[p->to];
    struct member *from = &p->net->m[p->from];
    p->net->in_flight--;
    if (to->up && from->up && to->hold) {
        if (from->lie == 1 && p->type == HOLDER_DATA) p->bytes[p->n - 1] ^= 1;
        enum status st = hold_link_frame(to->hold, p->from, p->type, BYTES(p->bytes, p->n));
        assert_int_equal(st, ST_OK);
    }
    bool relieved = p->net->in_flight == 20;
    struct net *net = p->net;
    free(p);
    if (relieved)
        for (unsigned i = 0; i < net->n; i++)
            for (unsigned j = 0; j < net->n; j++)
                if (i != j && net->m[i].up && net->m[j].up && net->m[i].hold)
                    hold_link_writable(net->m[i].hold, (uint16_t)j);
}

static enum status wire_send(void *ctx, uint8_t type, struct bytes payload)
{
    struct wire *w = ctx;
    struct net *net = w->net;
    if (!net->m[w->from].up || !net->m[w->to].up) return ST_CLOSED;
    if (net->in_flight > 40) return ST_BUSY;
    struct packet *p = malloc(sizeof *p + payload.n);
    *p = (struct packet){net, w->from, w->to, type, payload.n};
    memcpy(p->bytes, payload.p, payload.n);
    net->in_flight++;
    net->m[w->from].sent += payload.n;
    world_post(net->w, deliver, p);
    return ST_OK;
}

static void wire_pause(void *ctx, bool stop)
{
    (void)ctx;
    (void)stop;
}

static void link_all(struct net *net)
{
    for (uint16_t i = 0; i < net->n; i++)
        for (uint16_t j = 0; j < net->n; j++) {
            if (i == j || !net->m[i].hold) continue;
            bool both = net->m[i].up && net->m[j].up && net->m[j].hold;
            if (both && !hold_up(net->m[i].hold, j)) {
                wires[i][j] = (struct wire){net, i, j};
                struct hold_wire w = {wire_send, wire_pause, &wires[i][j]};
                assert_int_equal(hold_link_up(net->m[i].hold, j, &w), ST_OK);
            } else if (!both) {
                hold_link_down(net->m[i].hold, j);
            }
        }
}

static void set_up(struct net *net, unsigned i, bool up)
{
    net->m[i].up = up;
    link_all(net);
}

/* --- a node around put --------------------------------------------------------------------- */

static enum status env_keys(void *ctx, struct put_keys *ret)
{
    struct member *m = ctx;
    ret->epoch = m->net->epoch;
    memset(ret->file_kek, 0x11, 32);
    memset(ret->dedup, 0x22, 32);
    memset(ret->placement, 0x33, 32);
    ret->convergent = true;
    return ST_OK;
}

struct appended {
    put_appended *done;
    void *arg;
    enum status st;
    uint64_t index;
};

static void appended_run(void *arg)
{
    struct appended a = *(struct appended *)arg;
    free(arg);
    a.done(a.arg, a.st, a.index);
}

static void env_append(void *ctx, uint8_t type, struct bytes body, put_appended *done, void *arg)
{
    struct member *m = ctx;
    struct net *net = m->net;
    struct appended *a = malloc(sizeof *a);
    struct tree_from from = {net->index, m->leaf, world_wall(net->w)};
    *a = (struct appended){done, arg, net->refuse_appends ? ST_UNREACHABLE : ST_OK, net->index};
    if (!net->refuse_appends) {
        assert_int_equal(tree_take(net->tree, type, body, &from, NULL, NULL), ST_OK);
        net->index++;
        net->appends++;
    }
    world_post(net->w, appended_run, a);
}

static bool env_known(void *ctx, const uint8_t version[32])
{
    return tree_known(((struct member *)ctx)->net->tree, version);
}

struct committed {
    kv_done *done;
    void *arg;
};

static void committed_run(void *arg)
{
    struct committed c = *(struct committed *)arg;
    free(arg);
    c.done(c.arg, ST_OK);
}

static enum status env_commit(void *ctx, const struct put_row *rows, size_t n, kv_done *done,
                              void *arg)
{
    struct member *m = ctx;
    for (size_t i = 0; i < n; i++) {
        size_t at = 0;
        while (at < m->rows_n && m->rows[at].n < rows[i].n) at++;
        bool found = at < m->rows_n && m->rows[at].n == rows[i].n;
        if (found) free((void *)(uintptr_t)m->rows[at].value.p);
        if (!rows[i].value.p) {
            if (found) {
                memmove(m->rows + at, m->rows + at + 1, (m->rows_n - at - 1) * sizeof m->rows[0]);
                m->rows_n--;
            }
            continue;
        }
        if (!found) {
            assert_true(m->rows_n < 4096);
            memmove(m->rows + at + 1, m->rows + at, (m->rows_n - at) * sizeof m->rows[0]);
            m->rows_n++;
        }
        uint8_t *copy = malloc(rows[i].value.n);
        memcpy(copy, rows[i].value.p, rows[i].value.n);
        m->rows[at] = (struct put_row){rows[i].n, BYTES(copy, rows[i].value.n)};
    }
    struct committed *c = malloc(sizeof *c);
    *c = (struct committed){done, arg};
    world_post(m->net->w, committed_run, c);
    return ST_OK;
}

static enum status env_scan(void *ctx, kv_visit *visit, void *arg)
{
    struct member *m = ctx;
    for (size_t i = 0; i < m->rows_n; i++)
        if (!visit(arg, m->rows[i].n, m->rows[i].value)) break;
    return ST_OK;
}

static void on_put(void *arg, const struct put_progress *p)
{
    struct member *m = arg;
    m->phase = p->phase;
    m->last = *p;
    m->events++;
    if (getenv("WORLD_LOG"))
        printf("put %llu phase %d st %s done %llu holders %u/%u vanish %u\n",
               (unsigned long long)p->job, p->phase, status_name(p->st),
               (unsigned long long)p->done, p->holders_done, p->holders, p->may_vanish);
}

static bool always(void *ctx, const uint8_t id[32], uint64_t now)
{
    return tree_needs(((struct member *)ctx)->net->tree, id, now);
}

static bool root_of(void *ctx, const uint8_t id[32], uint8_t root[32])
{
    const struct tree_segment *s = tree_segment(((struct member *)ctx)->net->tree, id);
    if (s) memcpy(root, s->root, 32);
    return s != NULL;
}

static void member_start(struct net *net, unsigned i)
{
    struct member *m = &net->m[i];
    struct hold_config hc = {.env = &net->w->env,
                             .work = net->w->work,
                             .store = mem_store_port(&m->store),
                             .tag = {7},
                             .own_leaf = (uint16_t)i,
                             .root_of = root_of,
                             .needed = always,
                             .ctx = m};
    uint16_t leaves[MEMBERS];
    for (uint16_t l = 0; l < net->n; l++) leaves[l] = l;
    m->net = net;
    m->leaf = (uint16_t)i;
    m->store.w = net->w;
    m->hold = hold_new(&hc);
    hold_roster(m->hold, leaves, net->n);
    struct put_env pe = {.env = &net->w->env,
                         .work = net->w->work,
                         .files = net->w->file_port,
                         .hold = m->hold,
                         .keys = env_keys,
                         .append = env_append,
                         .known = env_known,
                         .rows_commit = env_commit,
                         .rows_scan = env_scan,
                         .ctx = m};
    m->puts = puts_new(&pe, on_put, m);
    assert_int_equal(puts_resume(m->puts), ST_OK);
    m->up = true;
}

/* As kill -9 would: what runs ends into nothing. */
static void member_stop(struct net *net, unsigned i)
{
    struct member *m = &net->m[i];
    struct hold *h = m->hold;
    puts_free(m->puts);
    m->puts = NULL;
    m->up = false;
    link_all(net);
    m->hold = NULL;
    hold_free(h);
    world_run(net->w);
    assert_int_equal(m->store.puts, 0);
}

static struct net *net_new(unsigned n)
{
    struct net *net = calloc(1, sizeof *net);
    net->w = world_new(n);
    net->n = n;
    net->epoch = 3;
    net->tree = tree_new();
    for (unsigned i = 0; i < n; i++) member_start(net, i);
    link_all(net);
    return net;
}

static void net_free(struct net *net)
{
    for (unsigned i = 0; i < net->n; i++)
        if (net->m[i].hold) member_stop(net, i);
    world_run(net->w);
    for (unsigned i = 0; i < net->n; i++) {
        struct member *m = &net->m[i];
        for (size_t r = 0; r < m->rows_n; r++) free((void *)(uintptr_t)m->rows[r].value.p);
        mem_store_free(&m->store);
    }
    tree_free(net->tree);
    world_free(net->w);
    free(net);
}

/* Lets time pass until nothing moves. */
static void settle(struct net *net, uint64_t ms)
{
    for (uint64_t t = 0; t <= ms; t += 250) {
        world_run(net->w);
        net->w->now += 250;
        for (unsigned i = 0; i < net->n; i++) {
            if (!net->m[i].hold) continue;
            hold_tick(net->m[i].hold);
            if (net->m[i].puts) puts_tick(net->m[i].puts);
        }
    }
    world_run(net->w);
}

static uint64_t put_file(struct net *net, unsigned i, const char *source, const char *path,
                         const char *profile, bool strict)
{
    struct put_request r = {.source = source, .path = bytes_str(path), .strict = strict};
    uint64_t job = 0;
    const struct tree_node *now = tree_find(net->tree, r.path);
    if (now) memcpy(r.base, now->file.version, 32);
    if (profile) assert_int_equal(place_profile(profile, &r.code), ST_OK);
    assert_int_equal(put_start(net->m[i].puts, &r, &job), ST_OK);
    return job;
}

/* --- get ----------------------------------------------------------------------------------- */

struct got {
    struct get *g;
    struct get_progress last;
    uint16_t bad_leaf[GET_BAD_MAX];
    bool over;
};

static void on_get(void *arg, const struct get_progress *p)
{
    struct got *g = arg;
    g->last = *p;
    for (size_t i = 0; i < p->bad_n && i < GET_BAD_MAX; i++) g->bad_leaf[i] = p->bad[i].leaf;
    if (p->phase != GET_DONE && p->phase != GET_FAILED) return;
    g->over = true;
    get_free(g->g);
    g->g = NULL;
}

static bool placed(void *ctx, const uint8_t id[32], uint16_t at[SHARD_COLUMNS_MAX], unsigned *n)
{
    struct member *m = ctx;
    const struct tree_segment *s = tree_segment(m->net->tree, id);
    if (!s) return false;
    memcpy(at, s->at, sizeof s->at);
    *n = s->n;
    return true;
}

static void get_begin(struct net *net, unsigned i, const char *path, const char *target,
                      struct got *got)
{
    struct member *m = &net->m[i];
    const struct tree_node *node = tree_find(net->tree, bytes_str(path));
    assert_non_null(node);
    struct get_env e = {.env = &net->w->env,
                        .work = net->w->work,
                        .files = net->w->file_port,
                        .hold = m->hold,
                        .placed = placed,
                        .ctx = m};
    struct get_request r = {.manifest = node->file.manifest, .target = target, .replace = true};
    uint8_t kek[32];
    memset(kek, 0x11, 32);
    memcpy(r.version, node->file.version, 32);
    assert_int_equal(cek_unwrap(kek, node->file.version, node->file.epoch, node->file.wrap, r.cek),
                     ST_OK);
    memset(got, 0, sizeof *got);
    got->g = get_start(&e, &r, on_get, got);
    assert_non_null(got->g);
    assert_false(got->over);
}

static enum status get_file(struct net *net, unsigned i, const char *path, const char *target,
                            struct got *got)
{
    get_begin(net, i, path, target, got);
    for (unsigned t = 0; t < 400 && !got->over; t++) {
        world_run(net->w);
        net->w->now += 100;
        for (unsigned k = 0; k < net->n; k++)
            if (net->m[k].hold) hold_tick(net->m[k].hold);
        if (!got->over) get_tick(got->g);
    }
    world_run(net->w);
    assert_true(got->over);
    return got->last.phase == GET_DONE ? ST_OK : got->last.st;
}

static void same_file(struct net *net, const char *a, const char *b)
{
    const struct world_file *x = world_file_find(net->w, a, false, 0);
    const struct world_file *y = world_file_find(net->w, b, false, 0);
    assert_non_null(x);
    assert_non_null(y);
    assert_int_equal(x->bytes.n, y->bytes.n);
    if (x->bytes.n) assert_memory_equal(x->bytes.p, y->bytes.p, x->bytes.n);
}

/* --- tests --------------------------------------------------------------------------------- */

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
    net->m[2].lie = 1;
    assert_int_equal(get_file(net, 4, "f", "/out", &got), ST_OK);
    same_file(net, "/src", "/out");
    assert_true(got.last.bad_n >= 1);
    for (size_t i = 0; i < got.last.bad_n && i < GET_BAD_MAX; i++)
        assert_int_equal(got.bad_leaf[i], 2);
    net->m[2].lie = 0;
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
    for (unsigned i = 0; i < 4; i++) net->m[i].lie = 1;
    assert_int_equal(get_file(net, 4, "f", "/out3", &got), ST_INTEGRITY);
    assert_null(world_file_find(net->w, "/out3", false, 0));
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
    buf_free(&body);
    hold_sweep(net->m[1].hold);
    world_run(net->w);
    assert_int_equal(net->m[1].store.space.count, all);
    net->w->now += HOLD_LEASE_MS + 1000;
    hold_sweep(net->m[1].hold);
    world_run(net->w);
    assert_int_equal(net->m[1].store.space.count, all / 2);
    net_free(net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_go_there_and_back),
        cmocka_unit_test(one_holder_alone),
        cmocka_unit_test(any_three_of_five_may_vanish),
        cmocka_unit_test(liars_and_rot_are_named),
        cmocka_unit_test(spreads_when_holders_return),
        cmocka_unit_test(waits_until_one_loss_is_survivable),
        cmocka_unit_test(strict_waits_for_all),
        cmocka_unit_test(kill_and_resume),
        cmocka_unit_test(changed_source_begins_anew),
        cmocka_unit_test(holder_dies_in_the_middle),
        cmocka_unit_test(feed_comes_back),
        cmocka_unit_test(large_manifest_has_segments),
        cmocka_unit_test(get_resumes),
        cmocka_unit_test(cancelled_at_any_moment),
        cmocka_unit_test(leases_end),
    };
    if (crypto_start() != ST_OK) return 1;
    return !!cmocka_run_group_tests(tests, NULL, NULL);
}
