/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto core/feed core/files core/holder core/ports link net store node/put node/get node/hold node/repair core/grant core/repair */
/* A file put to 20 holders and got back: the real workflows (node/put, node/get) over the real links to
 * holders that are processes of their own, each with its shards on disk, fsynced. Made up are only
 * the ledger (keys and leaves come from a number) and the files feed (an entry is taken at once).
 * Usage: bench_files DIR.  BENCH_MIB: size (1024); BENCH_HOLDERS (20); BENCH_PROFILE ("8/20");
 * BENCH_LOST: holders that are gone when the file is got back (0). */
#include "bench/bench.h"
#include "bench/ends.h"
#include "core/files/manifest.h"
#include "core/files/tree.h"
#include "net/files.h"
#include "net/work.h"
#include "node/get/get.h"
#include "node/hold/hold.h"
#include "node/put/put.h"
#include "store/kv_sqlite.h"
#include "store/shard_fs.h"

#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define HOLDERS_MAX 63
#define ROWS_SPACE ((const uint8_t[KV_SPACE]){1})
#define KEEP_ROOM 4300

/* A member that keeps shards: every process here is one. */
struct keep {
    struct end e;
    struct net_work *work;
    struct shard_fs *shards;
    struct hold *hold;
    struct link *links[ENDS_MAX];
    unsigned up;
};

/* What a link of a keeper calls back with. */
struct ear {
    struct keep *keep;
    uint16_t leaf; /* ENDS_MAX until the other side has proved its key */
    struct link *link;
};

/* --- a keeper ------------------------------------------------------------------------------ */

static enum status wire_send(void *ctx, uint8_t type, struct bytes payload)
{
    const struct ear *ear = ctx;
    return ear->keep->e.port.ops->send(ear->link, type, payload);
}

static void wire_pause(void *ctx, bool stop)
{
    const struct ear *ear = ctx;
    ear->keep->e.port.ops->pause(ear->link, stop);
}

static void on_opened(void *arg, struct link *l, const struct link_peer *peer)
{
    struct ear *ear = arg;
    const struct hold_wire wire = {wire_send, wire_pause, ear};
    ear->link = l;
    ear->leaf = end_leaf_of(ear->keep->e.town, peer->id);
    bench_ok(hold_link_up(ear->keep->hold, ear->leaf, &wire), "hold_link_up");
    ear->keep->up++;
}

static void on_frame(void *arg, struct link *l, uint8_t type, struct bytes payload)
{
    struct ear *ear = arg;
    (void)l;
    bench_ok(hold_link_frame(ear->keep->hold, ear->leaf, type, payload), "hold_link_frame");
}

static void on_writable(void *arg, struct link *l)
{
    struct ear *ear = arg;
    (void)l;
    hold_link_writable(ear->keep->hold, ear->leaf);
}

static void on_closed(void *arg, struct link *l, enum status why)
{
    struct ear *ear = arg;
    (void)l;
    (void)why;
    if (ear->leaf == ENDS_MAX) {
        fprintf(stderr, "bench: a link was not made: %s\n", status_text(why));
        return;
    }
    hold_link_down(ear->keep->hold, ear->leaf);
    ear->keep->up--;
}

static const struct link_events events = {on_opened, on_frame, on_writable, on_closed};

static bool always_needed(void *ctx, const uint8_t segment_id[SHARD_ID], uint64_t now_ms)
{
    (void)ctx;
    (void)segment_id;
    (void)now_ms;
    return true;
}

static void keep_open(struct keep *k, uint16_t leaf, const char *dir, unsigned holders,
                      unsigned threads)
{
    char path[KEEP_ROOM];
    uint16_t roster[ENDS_MAX];
    end_open(&k->e, 1, leaf);
    bench_ok(net_work_new(&k->e.loop, threads, &k->work), "work");
    snprintf(path, sizeof path, "%s/holder-%u", dir, leaf);
    bench_ok(shard_fs_open(&k->e.loop, path, 0, &k->shards), "shard_fs_open");
    struct hold_config hc = {.env = &k->e.env,
                             .work = net_work(k->work),
                             .store = shard_fs_store(k->shards),
                             .tag = {9},
                             .own_leaf = leaf,
                             .needed = always_needed};
    k->hold = hold_new(&hc);
    bench_must(k->hold != NULL, "no memory");
    /* The one who puts keeps no shards: all columns go over the wire. */
    for (unsigned i = 0; i < holders; i++) roster[i] = (uint16_t)(leaf ? i : i + 1);
    hold_roster(k->hold, roster, holders);
}

static void on_term(uv_signal_t *s, int number)
{
    (void)number;
    uv_stop(s->loop);
}

static void on_second(uv_timer_t *t)
{
    hold_tick(t->data);
}

static void holder(uint16_t leaf, const char *dir, unsigned holders, int fd)
{
    struct keep k = {.up = 0};
    struct ear ear = {.keep = &k, .leaf = ENDS_MAX};
    uv_signal_t term;
    uv_timer_t second;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    keep_open(&k, leaf, dir, holders, 1);
    end_listen(&k.e, &events, &ear);
    uv_signal_init(&k.e.loop, &term);
    uv_signal_start(&term, on_term, SIGTERM);
    uv_timer_init(&k.e.loop, &second);
    second.data = k.hold;
    uv_timer_start(&second, on_second, 1000, 1000);
    end_tell_port(fd, k.e.port_number);
    uv_run(&k.e.loop, UV_RUN_DEFAULT);
    exit(0); /* the disk holds all that was acknowledged */
}

/* --- the one who puts and gets ------------------------------------------------------------- */

struct bench {
    struct keep k;
    struct ear ears[HOLDERS_MAX + 1];
    pid_t pids[HOLDERS_MAX + 1];
    uint16_t ports[HOLDERS_MAX + 1];
    unsigned holders;
    struct place_code code;
    const char *dir;
    char source[KEEP_ROOM];
    char target[KEEP_ROOM];
    uint64_t bytes;
    uint8_t hash[32];
    struct net_files files;
    struct kv_sqlite *kv;
    uv_timer_t timer;
    struct tree *tree;
    uint64_t entries;
    struct puts *puts;
    struct get *get;
    uint64_t next_ms;
    long holder_kib; /* the most that any holder took */
    double accepted;
    double put_done;
    double get_done;
    uint8_t got[32];
};

struct appended {
    put_appended *done;
    void *arg;
    uint64_t index;
};

static enum status keys(void *ctx, struct put_keys *ret)
{
    (void)ctx;
    memset(ret, 0, sizeof *ret);
    ret->epoch = 1;
    memset(ret->file_kek, 1, 32);
    memset(ret->dedup, 2, 32);
    memset(ret->placement, 3, 32);
    ret->convergent = true;
    return ST_OK;
}

static void no_work(void *arg)
{
    (void)arg;
}

static void append_done(void *arg)
{
    struct appended a = *(struct appended *)arg;
    free(arg);
    a.done(a.arg, ST_OK, a.index);
}

static void append(void *ctx, uint8_t type, struct bytes body, put_appended *done, void *arg)
{
    struct bench *b = ctx;
    struct appended *a = malloc(sizeof *a);
    const struct tree_from from = {.index = b->entries, .time_ms = 1};
    const struct work w = net_work(b->k.work);
    bench_must(a != NULL, "no memory");
    bench_ok(tree_take(b->tree, type, body, &from, NULL, NULL), "tree_take");
    *a = (struct appended){done, arg, b->entries++};
    bench_ok(w.submit(w.ctx, WORK_SHORT, no_work, append_done, a), "submit");
}

static bool known(void *ctx, const uint8_t version[32])
{
    const struct bench *b = ctx;
    return tree_known(b->tree, version);
}

static enum status rows_commit(void *ctx, const struct put_row *rows, size_t n, kv_done *done,
                               void *arg)
{
    struct bench *b = ctx;
    const struct kv kv = kv_sqlite_port(b->kv);
    struct kv_write writes[PUT_ROWS_MAX];
    bench_must(n <= PUT_ROWS_MAX, "many rows");
    for (size_t i = 0; i < n; i++) {
        writes[i] = (struct kv_write){
            .verb = rows[i].value.p ? KV_PUT : KV_DROP, .n = rows[i].n, .value = rows[i].value};
        memcpy(writes[i].space, ROWS_SPACE, KV_SPACE);
    }
    return kv.ops->commit(kv.ctx, writes, n, done, arg);
}

static enum status rows_scan(void *ctx, kv_visit *visit, void *arg)
{
    struct bench *b = ctx;
    const struct kv kv = kv_sqlite_port(b->kv);
    return kv.ops->scan(kv.ctx, ROWS_SPACE, 0, visit, arg);
}

static void on_put(void *arg, const struct put_progress *p)
{
    struct bench *b = arg;
    if (p->phase == PUT_FAILED) bench_ok(p->st, "put");
    if ((p->phase == PUT_SPREADING || p->phase == PUT_DONE) && b->accepted == 0)
        b->accepted = bench_now();
    if (p->phase == PUT_DONE) b->put_done = bench_now();
    b->next_ms = 0;
}

static void on_get(void *arg, const struct get_progress *p)
{
    struct bench *b = arg;
    if (p->phase == GET_FAILED) bench_ok(p->st, "get");
    if (p->phase == GET_DONE) {
        memcpy(b->got, p->hash, 32);
        b->get_done = bench_now();
    }
    b->next_ms = 0;
}

static bool placed(void *ctx, const uint8_t segment_id[32], uint16_t ret_at[SHARD_COLUMNS_MAX],
                   unsigned *ret_n)
{
    const struct bench *b = ctx;
    const struct tree_segment *s = tree_segment(b->tree, segment_id);
    if (!s) return false;
    memcpy(ret_at, s->at, s->n * sizeof s->at[0]);
    *ret_n = s->n;
    return true;
}

static void on_timer(uv_timer_t *t)
{
    (void)t; /* only wakes the loop */
}

static void turn(struct bench *b)
{
    uint64_t now = env_mono_ms(&b->k.e.env);
    if (now >= b->next_ms) {
        uint64_t next = hold_tick(b->k.hold);
        uint64_t other = b->puts ? puts_tick(b->puts) : UINT64_MAX;
        if (other < next) next = other;
        other = b->get ? get_tick(b->get) : UINT64_MAX;
        b->next_ms = other < next ? other : next;
    }
    uv_run(&b->k.e.loop, UV_RUN_ONCE);
}

/* Bytes that cannot be packed, on disk before anything is measured. */
static void make_source(struct bench *b)
{
    uint8_t *p = calloc(1, BENCH_MIB + 16);
    uint8_t key[32] = {5}, nonce[12] = {0};
    struct sha256 h;
    int fd = open(b->source, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bench_must(p != NULL && fd >= 0, "source");
    sha256_start(&h);
    for (uint64_t at = 0; at < b->bytes; at += BENCH_MIB) {
        put_u64(nonce, at);
        aead_seal(key, nonce, BYTES_NONE, BYTES(p, BENCH_MIB), p);
        bench_must(write(fd, p, BENCH_MIB) == (ssize_t)BENCH_MIB, "write");
        sha256_add(&h, BYTES(p, BENCH_MIB));
    }
    sha256_done(&h, b->hash);
    bench_must(fsync(fd) == 0, "fsync");
    close(fd);
    free(p);
}

/* The plain yardstick: the same file copied once on the same disk, and synced. */
static void copy_file(const struct bench *b)
{
    uint8_t *p = malloc(BENCH_MIB);
    double mib = (double)b->bytes / (double)BENCH_MIB;
    double cpu = bench_cpu_of(RUSAGE_SELF);
    double start = bench_now();
    int from = open(b->source, O_RDONLY | O_CLOEXEC);
    int to = open(b->target, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bench_must(p != NULL && from >= 0 && to >= 0, "copy");
    for (uint64_t at = 0; at < b->bytes; at += BENCH_MIB) {
        bench_must(read(from, p, BENCH_MIB) == (ssize_t)BENCH_MIB, "read");
        bench_must(write(to, p, BENCH_MIB) == (ssize_t)BENCH_MIB, "write");
        sync_file_range(to, (off_t)at, BENCH_MIB, SYNC_FILE_RANGE_WRITE);
    }
    bench_must(fsync(to) == 0, "fsync");
    bench_row("copy-fsync", mib / (bench_now() - start), "MiB/s",
              (bench_cpu_of(RUSAGE_SELF) - cpu) / mib);
    close(from);
    close(to);
    unlink(b->target);
    free(p);
}

/* Processor time of the holders so far. */
static double holders_cpu(const struct bench *b)
{
    double sum = 0;
    for (unsigned i = 1; i <= b->holders; i++) {
        char path[64], text[512];
        unsigned long user = 0, system = 0;
        snprintf(path, sizeof path, "/proc/%d/stat", b->pids[i]);
        FILE *f = b->pids[i] ? fopen(path, "r") : NULL;
        const char *p = f && fgets(text, sizeof text, f) ? strrchr(text, ')') : NULL;
        for (int field = 2; p && field < 14; field++) p = strchr(p + 1, ' ');
        if (p) {
            char *end;
            user = strtoul(p, &end, 10);
            system = strtoul(end, NULL, 10);
        }
        if (f) fclose(f);
        sum += (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
    }
    return sum;
}

struct meter {
    double start, own, theirs;
};

static struct meter meter_start(const struct bench *b)
{
    return (struct meter){bench_now(), bench_cpu_of(RUSAGE_SELF), holders_cpu(b)};
}

static void meter_row(const struct bench *b, const struct meter *m, const char *job, double end)
{
    double mib = (double)b->bytes / (double)BENCH_MIB;
    double own = (bench_cpu_of(RUSAGE_SELF) - m->own) / mib;
    double theirs = (holders_cpu(b) - m->theirs) / mib;
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    printf("{\"job\": \"%s\", \"value\": %.6g, \"unit\": \"MiB/s\", \"cpu\": %.6g, \"cpu_own\": "
           "%.6g, \"rss_mib\": %.1f, \"seconds\": %.3f}\n",
           job, mib / (end - m->start), own + theirs, own, (double)r.ru_maxrss / 1024,
           end - m->start);
    fflush(stdout);
}

static void put_file(struct bench *b)
{
    const struct put_env penv = {.env = &b->k.e.env,
                                 .work = net_work(b->k.work),
                                 .files = net_files(&b->files),
                                 .hold = b->k.hold,
                                 .keys = keys,
                                 .append = append,
                                 .known = known,
                                 .rows_commit = rows_commit,
                                 .rows_scan = rows_scan,
                                 .ctx = b};
    const struct put_request r = {
        .source = b->source, .path = BYTES_LIT("file"), .code = b->code, .strict = false};
    uint64_t job;
    b->puts = puts_new(&penv, on_put, b);
    bench_must(b->puts != NULL, "no memory");
    bench_ok(puts_resume(b->puts), "puts_resume");
    struct meter m = meter_start(b);
    bench_ok(put_start(b->puts, &r, &job), "put_start");
    while (b->put_done == 0) turn(b);
    meter_row(b, &m, "put", b->put_done);
    meter_row(b, &m, "put-accepted", b->accepted);
    puts_free(b->puts);
    b->puts = NULL;
}

static void get_file(struct bench *b)
{
    const struct get_env genv = {.env = &b->k.e.env,
                                 .work = net_work(b->k.work),
                                 .files = net_files(&b->files),
                                 .hold = b->k.hold,
                                 .placed = placed,
                                 .ctx = b};
    const struct tree_node *node = tree_find(b->tree, BYTES_LIT("file"));
    struct put_keys k;
    bench_must(node != NULL, "the file is not in the tree");
    bench_ok(keys(b, &k), "keys");
    struct get_request r = {.manifest = node->file.manifest, .target = b->target};
    memcpy(r.version, node->file.version, 32);
    bench_ok(cek_unwrap(k.file_kek, node->file.version, node->file.epoch, node->file.wrap, r.cek),
             "cek_unwrap");
    struct meter m = meter_start(b);
    b->get = get_start(&genv, &r, on_get, b);
    bench_must(b->get != NULL, "no memory");
    while (b->get_done == 0) turn(b);
    meter_row(b, &m, "get", b->get_done);
    get_free(b->get);
    b->get = NULL;
    bench_must(memcmp(b->got, b->hash, 32) == 0, "another file came back");
}

static void start_holders(struct bench *b)
{
    for (unsigned i = 1; i <= b->holders; i++) {
        int fds[2];
        bench_must(pipe(fds) == 0, "pipe");
        fflush(stdout);
        b->pids[i] = fork();
        bench_must(b->pids[i] >= 0, "fork");
        if (b->pids[i] == 0) {
            close(fds[0]);
            holder((uint16_t)i, b->dir, b->holders, fds[1]);
        }
        close(fds[1]);
        b->ports[i] = end_hear_port(fds[0]);
    }
}

static void stop_holder(struct bench *b, unsigned i)
{
    if (!b->pids[i]) return;
    struct rusage r;
    kill(b->pids[i], SIGTERM);
    bench_must(wait4(b->pids[i], NULL, 0, &r) == b->pids[i], "wait");
    if (r.ru_maxrss > b->holder_kib) b->holder_kib = r.ru_maxrss;
    b->pids[i] = 0;
}

static void meet(struct bench *b)
{
    char path[KEEP_ROOM];
    keep_open(&b->k, 0, b->dir, b->holders, 0);
    net_files_init(&b->files, &b->k.e.loop);
    snprintf(path, sizeof path, "%s/state.db", b->dir);
    bench_ok(kv_sqlite_open(&b->k.e.loop, path, &b->kv), "kv_sqlite_open");
    uv_timer_init(&b->k.e.loop, &b->timer);
    uv_timer_start(&b->timer, on_timer, 20, 20);
    for (unsigned i = 1; i <= b->holders; i++) {
        b->ears[i] = (struct ear){.keep = &b->k, .leaf = ENDS_MAX};
        end_dial(&b->k.e, (uint16_t)i, b->ports[i], &events, &b->ears[i]);
    }
    while (b->k.up < b->holders) turn(b);
}

static void part(struct bench *b)
{
    bool kv = false, shards = false, work = false;
    kv_sqlite_close(b->kv, end_flag, &kv);
    while (!kv) uv_run(&b->k.e.loop, UV_RUN_ONCE);
    for (unsigned i = 1; i <= b->holders; i++) stop_holder(b, i);
    while (b->k.up) uv_run(&b->k.e.loop, UV_RUN_ONCE);
    hold_free(b->k.hold);
    shard_fs_close(b->k.shards, end_flag, &shards);
    while (!shards) uv_run(&b->k.e.loop, UV_RUN_ONCE);
    net_work_stop(b->k.work, end_flag, &work);
    while (!work) uv_run(&b->k.e.loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&b->timer, NULL);
    end_close(&b->k.e);
    tree_free(b->tree);
}

int main(int argc, char **argv)
{
    struct bench *b = calloc(1, sizeof *b);
    bench_must(b != NULL && argc > 1, "usage: bench_files DIR");
    mallopt(M_MMAP_THRESHOLD, 4 << 20); /* as enclaved does */
    mallopt(M_TRIM_THRESHOLD, 32 << 20);
    const char *profile = getenv("BENCH_PROFILE");
    b->dir = argv[1];
    b->bytes = bench_size("BENCH_MIB", 1024) * BENCH_MIB;
    b->holders = (unsigned)bench_size("BENCH_HOLDERS", 20);
    bench_must(b->holders <= HOLDERS_MAX, "too many holders");
    bench_ok(place_profile(profile ? profile : "8/20", 20, &b->code), "profile");
    snprintf(b->source, sizeof b->source, "%s/source", b->dir);
    snprintf(b->target, sizeof b->target, "%s/target", b->dir);
    b->tree = tree_new();
    bench_must(b->tree != NULL, "no memory");
    make_source(b);
    copy_file(b);
    start_holders(b);
    meet(b);
    put_file(b);
    size_t lost = bench_size("BENCH_LOST", 0);
    for (unsigned i = 1; i <= lost && i <= b->holders; i++) stop_holder(b, i);
    get_file(b);
    part(b);
    bench_row("holder-memory", (double)b->holder_kib / 1024, "MiB", 0);
    free(b);
    return 0;
}
