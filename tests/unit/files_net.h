/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * files_net: several members in one process, each with a real hold and put,
 * over the doubles of files_world: links, a files feed that all fold, durable
 * rows. For tests of put and get.
 *
 * Owns: a struct net owns its members, tree and world until net_free.
 * Errors: cmocka's assertions. Include after cmocka.h. Order: net_new, whatever a test does, settle
 *     (lets virtual time pass), net_free.
 */
#ifndef ENCLAVE_TESTS_FILES_NET_H
#define ENCLAVE_TESTS_FILES_NET_H

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

enum lie {
    LIE_NONE,
    LIE_BIT,   /* flips a bit of what it gives */
    LIE_STALL, /* answers all but reads: as one who passes audits */
    LIE_OTHER, /* gives the bytes of another shard of its own */
    LIE_NAME   /* shows another shard's header and trailer */
};

struct member {
    struct net *net;
    uint16_t leaf;
    struct mem_store store;
    struct hold *hold;
    bool up;
    unsigned lie; /* enum lie */
    uint64_t sent;
    struct puts *puts;
    struct put_row rows[4096];
    size_t rows_n;
    enum put_phase phase;
    struct put_progress last;
    unsigned events;
    bool kill_after_accept;
};

struct wire {
    struct net *net;
    uint16_t from;
    uint16_t to;
};

struct net {
    struct world *w;
    struct wire wires[MEMBERS][MEMBERS];
    uint16_t n;
    struct member m[MEMBERS];
    struct tree *tree;
    uint64_t index;
    unsigned appends;
    bool refuse_appends;
    uint64_t epoch;
    uint32_t in_flight; /* frames */
};

/* --- links --------------------------------------------------------------------------------- */

struct packet {
    struct net *net;
    uint16_t from;
    uint16_t to;
    uint8_t type;
    size_t n;
    uint8_t bytes[];
};

/* false: it says nothing. */
static inline bool tell_lie(const struct member *from, struct packet *p)
{
    const struct mem_shard *s = from->store.shards;
    if (from->lie == LIE_BIT && p->type == HOLDER_DATA) p->bytes[p->n - 1] ^= 1;
    if (from->lie == LIE_STALL && p->type == HOLDER_DATA) return false;
    if (from->lie == LIE_OTHER && p->type == HOLDER_DATA) {
        size_t at = get_u32(p->bytes + 4), n = p->n - 8;
        for (; s != NULL; s = s->next)
            if (at + n <= s->units * SHARD_UNIT && memcmp(s->bytes + at, p->bytes + 8, n) != 0) {
                memcpy(p->bytes + 8, s->bytes + at, n);
                break;
            }
    }
    if (from->lie == LIE_NAME && p->type == HOLDER_TOLD) {
        for (; s != NULL; s = s->next)
            if (p->n == 57 + s->trailer_len &&
                memcmp(s->header, p->bytes + 16, SHARD_HEADER) != 0) {
                memcpy(p->bytes + 16, s->header, SHARD_HEADER);
                memcpy(p->bytes + 57, s->trailer, s->trailer_len);
                break;
            }
    }
    return true;
}

static inline void deliver(void *arg)
{
    struct packet *p = arg;
    struct member *to = &p->net->m[p->to];
    struct member *from = &p->net->m[p->from];
    p->net->in_flight--;
    if (to->up && from->up && to->hold) {
        if (from->lie == LIE_NONE || tell_lie(from, p)) {
            enum status st = hold_link_frame(to->hold, p->from, p->type, BYTES(p->bytes, p->n));
            assert_int_equal(st, ST_OK);
        }
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

static inline enum status wire_send(void *ctx, uint8_t type, struct bytes payload)
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

static inline void wire_pause(void *ctx, bool stop)
{
    (void)ctx;
    (void)stop;
}

static inline void link_all(struct net *net)
{
    for (uint16_t i = 0; i < net->n; i++)
        for (uint16_t j = 0; j < net->n; j++) {
            if (i == j || !net->m[i].hold) continue;
            bool both = net->m[i].up && net->m[j].up && net->m[j].hold;
            if (both && !hold_up(net->m[i].hold, j)) {
                net->wires[i][j] = (struct wire){net, i, j};
                struct hold_wire w = {wire_send, wire_pause, &net->wires[i][j]};
                assert_int_equal(hold_link_up(net->m[i].hold, j, &w), ST_OK);
            } else if (!both) {
                hold_link_down(net->m[i].hold, j);
            }
        }
}

static inline void set_up(struct net *net, unsigned i, bool up)
{
    net->m[i].up = up;
    link_all(net);
}

/* --- a node around put --------------------------------------------------------------------- */

static inline enum status env_keys(void *ctx, struct put_keys *ret)
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

static inline void appended_run(void *arg)
{
    struct appended a = *(struct appended *)arg;
    free(arg);
    a.done(a.arg, a.st, a.index);
}

static inline void env_append(void *ctx, uint8_t type, struct bytes body, put_appended *done,
                              void *arg)
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

static inline bool env_known(void *ctx, const uint8_t version[32])
{
    return tree_known(((struct member *)ctx)->net->tree, version);
}

struct committed {
    kv_done *done;
    void *arg;
};

static inline void committed_run(void *arg)
{
    struct committed c = *(struct committed *)arg;
    free(arg);
    c.done(c.arg, ST_OK);
}

static inline enum status env_commit(void *ctx, const struct put_row *rows, size_t n, kv_done *done,
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

static inline enum status env_scan(void *ctx, kv_visit *visit, void *arg)
{
    struct member *m = ctx;
    for (size_t i = 0; i < m->rows_n; i++)
        if (!visit(arg, m->rows[i].n, m->rows[i].value)) break;
    return ST_OK;
}

static inline void on_put(void *arg, const struct put_progress *p)
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

static inline bool always(void *ctx, const uint8_t id[32], uint64_t now)
{
    (void)now;
    return tree_needs(((struct member *)ctx)->net->tree, id);
}

static inline bool root_of(void *ctx, const uint8_t id[32], uint8_t root[32])
{
    const struct tree_segment *s = tree_segment(((struct member *)ctx)->net->tree, id);
    if (s) memcpy(root, s->root, 32);
    return s != NULL;
}

static inline void member_start(struct net *net, unsigned i)
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
static inline void member_stop(struct net *net, unsigned i)
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

static inline struct net *net_new(uint16_t n)
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

static inline void net_free(struct net *net)
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
static inline void settle(struct net *net, uint64_t ms)
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

static inline uint64_t put_file(struct net *net, unsigned i, const char *source, const char *path,
                                const char *profile, bool strict)
{
    struct put_request r = {.source = source, .path = bytes_str(path), .strict = strict};
    uint64_t job = 0;
    const struct tree_node *now = tree_find(net->tree, r.path);
    if (now) memcpy(r.base, now->file.version, 32);
    if (profile) assert_int_equal(place_profile(profile, net->n, &r.code), ST_OK);
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

static inline void on_get(void *arg, const struct get_progress *p)
{
    struct got *g = arg;
    g->last = *p;
    for (size_t i = 0; i < p->bad_n && i < GET_BAD_MAX; i++) g->bad_leaf[i] = p->bad[i].leaf;
    if (p->phase != GET_DONE && p->phase != GET_FAILED) return;
    g->over = true;
    get_free(g->g);
    g->g = NULL;
}

static inline bool placed(void *ctx, const uint8_t id[32], uint16_t at[SHARD_COLUMNS_MAX],
                          unsigned *n)
{
    struct member *m = ctx;
    const struct tree_segment *s = tree_segment(m->net->tree, id);
    if (!s) return false;
    memcpy(at, s->at, sizeof s->at);
    *n = s->n;
    return true;
}

static inline void get_begin(struct net *net, unsigned i, const char *path, const char *target,
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

static inline enum status get_file(struct net *net, unsigned i, const char *path,
                                   const char *target, struct got *got)
{
    get_begin(net, i, path, target, got);
    for (unsigned t = 0; t < 600 && !got->over; t++) {
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

static inline void same_file(struct net *net, const char *a, const char *b)
{
    const struct world_file *x = world_file_find(net->w, a, false, 0);
    const struct world_file *y = world_file_find(net->w, b, false, 0);
    assert_non_null(x);
    assert_non_null(y);
    assert_int_equal(x->bytes.n, y->bytes.n);
    if (x->bytes.n) assert_memory_equal(x->bytes.p, y->bytes.p, x->bytes.n);
}

#endif
