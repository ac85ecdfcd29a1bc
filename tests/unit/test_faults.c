/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto core/feed core/files core/grant core/holder core/ports link store net node/hold node/put node/get node/repair core/repair */
/* One member of three has real stores: shards in files, put's rows in SQLite, sources and targets as
 * files. Every call by which they write is made to fail, one after the other, in every way; what was
 * acknowledged can then be read, from the real member's shards too, and nothing else was written.
 * FAULTS_ALL=1 takes every call, otherwise a share of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#include "crypto/secret.h"
#include "net/files.h"
#include "store/kv_sqlite.h"
#include "store/shard_fs.h"
#include "unit/faulty.h"
#include "unit/files_net.h"

#include <ftw.h>
#include <sys/stat.h>

#define REAL 0
#define STEPS 4000 /* of 100 ms, virtual */
#define SOURCE_BYTES ((size_t)300 << 10)
/* Without FAULTS_ALL: each so many-th call of a kind. */
#ifdef __SANITIZE_ADDRESS__
#define SHARE 12
#else
#define SHARE 5
#endif

static const char *const kinds[FAULTY_KINDS] = {"EIO", "ENOSPC", "short", "kill", "torn"};

struct town {
    struct net *net;
    char dir[64];
    char source[96], target[96], shards[96], db[96];
    uv_loop_t loop;
    struct net_files files;
    struct shard_fs *fs;
    struct kv_sqlite *kv;
    unsigned kv_busy; /* commits under way */
    unsigned closing;
    uint8_t bytes[SOURCE_BYTES];
};

/* ---- the real member ---- */

static const uint8_t rows_space[KV_SPACE] = {1};

struct real_commit {
    struct town *t;
    kv_done *done;
    void *arg;
};

static void on_committed(void *arg, enum status st)
{
    struct real_commit c = *(struct real_commit *)arg;
    free(arg);
    c.t->kv_busy--;
    c.done(c.arg, st);
}

/* The town of member m, for functions that are given only that. */
static struct town *town_of(void *ctx)
{
    return ((struct member *)ctx)->net->w->user;
}

static enum status real_rows(void *ctx, const struct put_row *rows, size_t n, kv_done *done,
                             void *arg)
{
    struct town *t = town_of(ctx);
    struct kv kv = kv_sqlite_port(t->kv);
    struct kv_write *w = calloc(n, sizeof *w);
    struct real_commit *c = malloc(sizeof *c);
    *c = (struct real_commit){t, done, arg};
    for (size_t i = 0; i < n; i++) {
        w[i] = (struct kv_write){
            .verb = rows[i].value.p ? KV_PUT : KV_DROP, .n = rows[i].n, .value = rows[i].value};
        memcpy(w[i].space, rows_space, KV_SPACE);
    }
    enum status st = kv.ops->commit(kv.ctx, w, n, on_committed, c);
    free(w);
    if (st == ST_OK)
        t->kv_busy++;
    else
        free(c);
    return st;
}

static enum status real_scan(void *ctx, kv_visit *visit, void *arg)
{
    struct kv kv = kv_sqlite_port(town_of(ctx)->kv);
    return kv.ops->scan(kv.ctx, rows_space, 0, visit, arg);
}

static void real_start(struct town *t)
{
    struct net *net = t->net;
    struct member *m = &net->m[REAL];
    uint16_t leaves[MEMBERS];
    for (uint16_t l = 0; l < net->n; l++) leaves[l] = l;
    assert_int_equal(shard_fs_open(&t->loop, t->shards, 0, &t->fs), ST_OK);
    assert_int_equal(kv_sqlite_open(&t->loop, t->db, &t->kv), ST_OK);
    struct hold_config hc = {.env = &net->w->env,
                             .work = net->w->work,
                             .store = shard_fs_store(t->fs),
                             .tag = {7},
                             .own_leaf = REAL,
                             .root_of = root_of,
                             .needed = always,
                             .ctx = m};
    m->hold = hold_new(&hc);
    hold_roster(m->hold, leaves, net->n);
    struct put_env pe = {.env = &net->w->env,
                         .work = net->w->work,
                         .files = net_files(&t->files),
                         .hold = m->hold,
                         .keys = env_keys,
                         .append = env_append,
                         .known = env_known,
                         .rows_commit = real_rows,
                         .rows_scan = real_scan,
                         .ctx = m};
    m->puts = puts_new(&pe, on_put, m);
    assert_int_equal(puts_resume(m->puts), ST_OK);
    m->up = true;
    link_all(net);
}

/* ---- time ---- */

static bool busy(const struct town *t)
{
    return t->loop.active_reqs.count > 0 || t->kv_busy > 0 || t->closing > 0;
}

/* Until until says so, or nothing moves any more. */
static void drive(struct town *t, bool (*until)(const struct town *t, void *arg), void *arg)
{
    struct net *net = t->net;
    for (unsigned step = 0; step < STEPS;) {
        world_run(net->w);
        if (busy(t)) {
            uv_run(&t->loop, UV_RUN_ONCE);
            continue;
        }
        uv_run(&t->loop, UV_RUN_NOWAIT);
        if (net->w->first != NULL) continue;
        if (until(t, arg)) return;
        net->w->now += 100;
        step++;
        for (unsigned i = 0; i < net->n; i++) {
            if (net->m[i].hold) hold_tick(net->m[i].hold);
            if (net->m[i].puts) puts_tick(net->m[i].puts);
        }
    }
}

static bool quiet(const struct town *t, void *arg)
{
    (void)t;
    (void)arg;
    return true;
}

static void on_closed(void *arg)
{
    struct town *t = arg;
    t->closing--;
}

/* As kill -9 would: what runs ends into nothing, and nothing of it reaches the disk. */
static void real_stop(struct town *t)
{
    struct member *m = &t->net->m[REAL];
    struct hold *h = m->hold;
    puts_free(m->puts);
    m->puts = NULL;
    m->up = false;
    link_all(t->net);
    m->hold = NULL;
    hold_free(h);
    drive(t, quiet, NULL);
    t->closing += 2;
    shard_fs_close(t->fs, on_closed, t);
    kv_sqlite_close(t->kv, on_closed, t);
    drive(t, quiet, NULL);
    assert_int_equal(t->closing, 0);
}

static struct town *town_new(void)
{
    struct town *t = calloc(1, sizeof *t);
    snprintf(t->dir, sizeof t->dir, "/tmp/enclave-faults-XXXXXX");
    assert_non_null(mkdtemp(t->dir));
    snprintf(t->source, sizeof t->source, "%s/source", t->dir);
    snprintf(t->target, sizeof t->target, "%s/target", t->dir);
    snprintf(t->shards, sizeof t->shards, "%s/shards", t->dir);
    snprintf(t->db, sizeof t->db, "%s/state.db", t->dir);
    t->net = net_new(3);
    t->net->w->user = t;
    assert_int_equal(uv_loop_init(&t->loop), 0);
    net_files_init(&t->files, &t->loop);
    /* For those whose files are in memory, and the same on the disk. */
    const struct world_file *f = world_file_fill(t->net->w, "/source", SOURCE_BYTES);
    memcpy(t->bytes, f->bytes.p, SOURCE_BYTES);
    int fd = open(t->source, O_WRONLY | O_CREAT, 0600);
    assert_int_equal(write(fd, t->bytes, sizeof t->bytes), sizeof t->bytes);
    close(fd);
    member_stop(t->net, REAL);
    real_start(t);
    return t;
}

static int remove_one(const char *path, const struct stat *s, int type, struct FTW *f)
{
    (void)s;
    (void)type;
    (void)f;
    return remove(path);
}

static void town_free(struct town *t)
{
    if (t->net->m[REAL].hold) real_stop(t);
    uv_run(&t->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&t->loop), 0);
    net_free(t->net);
    nftw(t->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(t);
}

/* ---- reading ---- */

static bool get_over(const struct town *t, void *arg)
{
    const struct got *g = arg;
    (void)t;
    if (!g->over) get_tick(g->g);
    return g->over;
}

/* Member i gets the file; real: into t->target. */
static enum status read_back(struct town *t, unsigned i, bool real)
{
    struct got got;
    struct file_port port = t->net->w->file_port;
    if (real) t->net->w->file_port = net_files(&t->files);
    get_begin(t->net, i, "a", real ? t->target : "/target", &got);
    t->net->w->file_port = port;
    drive(t, get_over, &got);
    if (!got.over) {
        get_free(got.g);
        drive(t, quiet, NULL);
        return ST_TIMEOUT;
    }
    return got.last.phase == GET_DONE ? ST_OK : got.last.st;
}

static bool is_whole(struct town *t)
{
    uint8_t *room = malloc(SOURCE_BYTES + 1);
    int fd = open(t->target, O_RDONLY);
    bool same = fd >= 0 && read(fd, room, SOURCE_BYTES + 1) == (ssize_t)SOURCE_BYTES &&
                memcmp(room, t->bytes, SOURCE_BYTES) == 0;
    if (fd >= 0) close(fd);
    free(room);
    return same;
}

/* What says which case failed, as cmocka's messages cannot. */
struct scene {
    const char *who;
    enum faulty_kind kind;
    unsigned at;
};

#define insist(s, truth)                                                                   \
    do {                                                                                   \
        if (!(truth))                                                                      \
            fail_msg("%s, %s at call %u: not so: %s", (s)->who, kinds[(s)->kind], (s)->at, \
                     #truth);                                                              \
    } while (0)

/* ---- put, and hold for another's put ---- */

static bool put_settled(const struct town *t, void *arg)
{
    const struct member *m = arg;
    (void)t;
    return faulty_dead() || m->phase == PUT_DONE || m->phase == PUT_FAILED;
}

static bool put_over(const struct town *t, void *arg)
{
    const struct member *m = arg;
    (void)t;
    return m->phase == PUT_DONE || m->phase == PUT_FAILED;
}

/* Whoever is told that it is accepted can read it with any one member away. */
static void readable(struct town *t, const struct scene *s)
{
    for (unsigned away = 0; away < 3; away++) {
        unsigned reader = away == 1 ? 2 : 1;
        set_up(t->net, away, false);
        insist(s, read_back(t, reader, false) == ST_OK);
        const struct world_file *f = world_file_find(t->net->w, "/target", false, 0);
        bool same = f != NULL && f->bytes.n == SOURCE_BYTES &&
                    memcmp(f->bytes.p, t->bytes, SOURCE_BYTES) == 0;
        insist(s, same);
        set_up(t->net, away, true);
    }
}

/* true: the fault was met. */
static bool put_scene(const struct scene *s, unsigned putter)
{
    struct town *t = town_new();
    struct member *m = &t->net->m[putter];
    m->phase = PUT_QUEUED;
    faulty_arm(s->kind, s->at);
    put_file(t->net, putter, putter == REAL ? t->source : "/source", "a", "2/3", false);
    drive(t, put_settled, m);
    bool met = faulty_calm() >= s->at;
    bool accepted = tree_find(t->net->tree, bytes_str("a")) != NULL;
    if (faulty_dead()) {
        real_stop(t);
        faulty_revive();
        real_start(t);
        accepted = tree_find(t->net->tree, bytes_str("a")) != NULL;
    }
    if (accepted) readable(t, s);
    drive(t, put_over, m);
    /* A job that began is brought to its end, or its owner is told why it is not. */
    bool began = m->phase != PUT_QUEUED;
    if (began && m->phase == PUT_FAILED)
        insist(s, m->last.st == ST_NO_SPACE || m->last.st == ST_IO);
    if (m->phase == PUT_DONE) readable(t, s);
    insist(s, met || m->phase == PUT_DONE);
    town_free(t);
    return met;
}

/* ---- get ---- */

static bool get_scene(const struct scene *s)
{
    struct town *t = town_new();
    struct got got;
    struct member *m = &t->net->m[1];
    put_file(t->net, 1, "/source", "a", "2/3", false);
    drive(t, put_over, m);
    assert_int_equal(m->phase, PUT_DONE);
    faulty_arm(s->kind, s->at);
    struct file_port port = t->net->w->file_port;
    t->net->w->file_port = net_files(&t->files);
    get_begin(t->net, REAL, "a", t->target, &got);
    t->net->w->file_port = port;
    drive(t, get_over, &got);
    bool met = faulty_calm() >= s->at;
    insist(s, got.over);
    bool there = access(t->target, F_OK) == 0;
    insist(s, !there || is_whole(t)); /* never a piece, never other bytes */
    if (got.last.phase == GET_DONE) insist(s, there);
    if (got.last.phase == GET_FAILED) insist(s, got.last.st == ST_IO || got.last.st == ST_NO_SPACE);
    if (s->kind == FAULTY_SHORT || !met) insist(s, got.last.phase == GET_DONE);
    /* The same again, from what is left of the first. */
    if (faulty_dead()) {
        real_stop(t);
        faulty_revive();
        real_start(t);
    }
    insist(s, read_back(t, REAL, true) == ST_OK);
    insist(s, is_whole(t));
    town_free(t);
    return met;
}

/* ---- walks ---- */

static bool by_owner(const struct scene *s)
{
    return put_scene(s, REAL);
}

static bool by_another(const struct scene *s)
{
    return put_scene(s, 1);
}

/* From the first call to one that is not reached any more. */
static void walk(const char *who, bool (*scene)(const struct scene *s), unsigned share)
{
    unsigned step = getenv("FAULTS_ALL") ? 1 : share;
    unsigned scenes = 0;
    for (int k = 0; k < FAULTY_KINDS; k++) {
        struct scene s = {who, (enum faulty_kind)k, 1 + (unsigned)k % step};
        while (scene(&s)) s.at += step;
        assert_true(s.at > step); /* it has met some */
        scenes += s.at / step;
    }
    print_message("%s: %u scenes\n", who, scenes);
}

static void every_write_of_a_put(void **state)
{
    (void)state;
    walk("put", by_owner, SHARE);
}

static void every_write_of_a_holder(void **state)
{
    (void)state;
    walk("hold", by_another, SHARE / 2);
}

static void every_write_of_a_get(void **state)
{
    (void)state;
    walk("get", get_scene, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_write_of_a_put),
        cmocka_unit_test(every_write_of_a_holder),
        cmocka_unit_test(every_write_of_a_get),
    };
    setenv("UV_THREADPOOL_SIZE", "1", 1); /* calls in one order */
    if (crypto_start() != ST_OK) return 1;
    return !!cmocka_run_group_tests(tests, NULL, NULL);
}
