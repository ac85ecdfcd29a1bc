/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto store */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#include "crypto/hash.h"
#include "raw_bytes.h"
#include "store/kv_sqlite.h"

#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct place {
    char dir[64];
    char db[96];
};

struct box {
    struct place *place;
    uv_loop_t loop;
    struct kv_sqlite *s;
    struct kv kv;
    bool closed;
};

static int make_place(void **state)
{
    struct place *p = calloc(1, sizeof *p);
    if (!p) return -1;
    snprintf(p->dir, sizeof p->dir, "/tmp/enclave-kv-XXXXXX");
    if (!mkdtemp(p->dir)) return -1;
    snprintf(p->db, sizeof p->db, "%s/state.db", p->dir);
    *state = p;
    return 0;
}

static int remove_one(const char *path, const struct stat *s, int type, struct FTW *f)
{
    (void)s;
    (void)type;
    (void)f;
    return remove(path);
}

static int drop_place(void **state)
{
    struct place *p = *state;
    nftw(p->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(p);
    return 0;
}

static enum status open_box(struct box *b, struct place *p)
{
    memset(b, 0, sizeof *b);
    b->place = p;
    if (uv_loop_init(&b->loop) != 0) return ST_BUG;
    enum status st = kv_sqlite_open(&b->loop, p->db, &b->s);
    if (st == ST_OK) b->kv = kv_sqlite_port(b->s);
    if (st != ST_OK) {
        uv_run(&b->loop, UV_RUN_DEFAULT);
        uv_loop_close(&b->loop);
    }
    return st;
}

static void on_closed(void *arg)
{
    ((struct box *)arg)->closed = true;
}

static void close_box(struct box *b)
{
    kv_sqlite_close(b->s, on_closed, b);
    assert_false(b->closed);
    uv_run(&b->loop, UV_RUN_DEFAULT);
    assert_true(b->closed);
    assert_int_equal(uv_loop_close(&b->loop), 0);
}

struct done {
    enum status st;
    bool called;
};

static void on_done(void *arg, enum status st)
{
    struct done *d = arg;
    assert_false(d->called);
    d->called = true;
    d->st = st;
}

static enum status commit(struct box *b, const struct kv_write *w, size_t n)
{
    struct done d = {ST_BUG, false};
    enum status st = b->kv.ops->commit(b->kv.ctx, w, n, on_done, &d);
    if (st != ST_OK) return st;
    assert_false(d.called);
    while (!d.called) uv_run(&b->loop, UV_RUN_ONCE);
    return d.st;
}

static struct kv_write put(uint8_t space, uint64_t n, struct bytes value)
{
    return (struct kv_write){KV_PUT, {space}, n, value};
}

static enum status get(struct box *b, uint8_t space, uint64_t n, struct buf *ret)
{
    const uint8_t key[KV_SPACE] = {space};
    buf_clear(ret);
    return b->kv.ops->get(b->kv.ctx, key, n, ret);
}

static bool count_row(void *arg, uint64_t n, struct bytes value)
{
    uint64_t *seen = arg;
    assert_true(value.n >= 1);
    assert_true(!seen[0] || n > seen[1]); /* ascending */
    seen[0]++;
    seen[1] = n;
    return seen[0] != seen[2];
}

static uint64_t count(struct box *b, uint8_t space, uint64_t from)
{
    const uint8_t key[KV_SPACE] = {space};
    uint64_t seen[3] = {0, 0, 0};
    assert_int_equal(b->kv.ops->scan(b->kv.ctx, key, from, count_row, seen), ST_OK);
    return seen[0];
}

static void rows_come_back(void **state)
{
    struct box b;
    struct buf v = BUF_INIT;
    uint64_t last = 5;
    const uint8_t space[KV_SPACE] = {1}, none[KV_SPACE] = {9};
    assert_int_equal(open_box(&b, *state), ST_OK);
    const struct kv_write w[] = {put(1, UINT64_MAX, BYTES_LIT("max")), put(1, 0, BYTES_LIT("zero")),
                                 put(1, UINT64_C(1) << 63, BYTES_LIT("middle")),
                                 put(1, (UINT64_C(1) << 63) - 1, BYTES_LIT("below")),
                                 put(2, 7, BYTES_NONE)};
    assert_int_equal(commit(&b, w, 5), ST_OK);
    assert_int_equal(get(&b, 1, 0, &v), ST_OK);
    assert_true(bytes_same(buf_view(&v), BYTES_LIT("zero")));
    assert_int_equal(get(&b, 2, 7, &v), ST_OK);
    assert_int_equal(v.n, 0);
    assert_int_equal(get(&b, 2, 8, &v), ST_NOT_FOUND);
    assert_int_equal(count(&b, 1, 0), 4);
    assert_int_equal(count(&b, 1, UINT64_C(1) << 63), 2);
    assert_int_equal(count(&b, 9, 0), 0);
    buf_clear(&v);
    assert_int_equal(b.kv.ops->last(b.kv.ctx, space, &last, &v), ST_OK);
    assert_true(last == UINT64_MAX);
    assert_true(bytes_same(buf_view(&v), BYTES_LIT("max")));
    assert_int_equal(b.kv.ops->last(b.kv.ctx, none, &last, NULL), ST_NOT_FOUND);

    const struct kv_write drops[] = {{KV_DROP, {1}, UINT64_MAX, BYTES_NONE},
                                     {KV_DROP_BELOW, {1}, UINT64_C(1) << 63, BYTES_NONE},
                                     {KV_DROP_SPACE, {2}, 0, BYTES_NONE}};
    assert_int_equal(commit(&b, drops, 3), ST_OK);
    assert_int_equal(count(&b, 1, 0), 1);
    assert_int_equal(count(&b, 2, 0), 0);
    close_box(&b);

    assert_int_equal(open_box(&b, *state), ST_OK);
    assert_int_equal(get(&b, 1, UINT64_C(1) << 63, &v), ST_OK);
    assert_true(bytes_same(buf_view(&v), BYTES_LIT("middle")));
    close_box(&b);
    buf_free(&v);
}

#define MANY 3000

struct order {
    size_t *next;
    size_t i;
};

static void in_order(void *arg, enum status st)
{
    struct order *o = arg;
    assert_int_equal(st, ST_OK);
    assert_int_equal(*o->next, o->i);
    (*o->next)++;
}

static void many_commits_share_transactions(void **state)
{
    struct box b;
    static struct order orders[MANY];
    static uint8_t value[700];
    size_t next = 0;
    assert_int_equal(open_box(&b, *state), ST_OK);
    for (size_t i = 0; i < MANY; i++) {
        orders[i] = (struct order){&next, i};
        struct kv_write w[2] = {put(1, i, BYTES_OF(value)), put(2, 0, BYTES(&orders[i].i, 8))};
        assert_int_equal(b.kv.ops->commit(b.kv.ctx, w, 2, in_order, &orders[i]), ST_OK);
        memset(w, 0xEE, sizeof w); /* the store has copies */
    }
    assert_int_equal(next, 0);
    /* close waits for all of them */
    close_box(&b);
    assert_int_equal(next, MANY);
    assert_int_equal(open_box(&b, *state), ST_OK);
    assert_int_equal(count(&b, 1, 0), MANY);
    struct buf v = BUF_INIT;
    size_t last = MANY - 1;
    assert_int_equal(get(&b, 2, 0, &v), ST_OK);
    assert_memory_equal(v.p, &last, sizeof last);
    buf_free(&v);
    close_box(&b);
}

static bool scan_inside(void *arg, uint64_t n, struct bytes value)
{
    struct box *b = arg;
    struct buf v = BUF_INIT;
    (void)value;
    assert_int_equal(count(b, 1, 0), 3);
    assert_int_equal(get(b, 1, n, &v), ST_OK);
    buf_free(&v);
    return true;
}

static void scans_may_nest_and_stop(void **state)
{
    struct box b;
    const uint8_t space[KV_SPACE] = {1};
    uint64_t seen[3] = {0, 0, 2};
    assert_int_equal(open_box(&b, *state), ST_OK);
    const struct kv_write w[] = {put(1, 1, BYTES_LIT("a")), put(1, 2, BYTES_LIT("b")),
                                 put(1, 3, BYTES_LIT("c"))};
    assert_int_equal(commit(&b, w, 3), ST_OK);
    assert_int_equal(b.kv.ops->scan(b.kv.ctx, space, 0, scan_inside, &b), ST_OK);
    assert_int_equal(b.kv.ops->scan(b.kv.ctx, space, 0, count_row, seen), ST_OK);
    assert_int_equal(seen[0], 2);
    close_box(&b);
}

#define SPACES 8
#define SPACE_ROWS 500

/* Sealed bytes of a row, which look random: of a daemon they are. */
static struct bytes sealed_row(uint64_t space, uint64_t n, uint8_t to[1024])
{
    static const size_t sizes[] = {90, 120, 300, 300, 600, 1024};
    uint8_t number[16];
    put_u64(number, space);
    put_u64(number + 8, n);
    size_t size = sizes[(n * 7 + space) % 6];
    shake256(BYTES_OF(number), to, size);
    return BYTES(to, size);
}

/* Spaces grow side by side, as enclaves do, rows change, and one after the other is dropped. */
static void a_dropped_space_is_in_no_file(void **state)
{
    struct box b;
    struct place *p = *state;
    struct raw_bytes gone = {0};
    assert_int_equal(open_box(&b, p), ST_OK);
    for (uint64_t n = 0; n < SPACE_ROWS; n++) {
        uint8_t bytes[2 * SPACES][1024];
        struct kv_write w[2 * SPACES];
        for (uint8_t k = 0; k < SPACES; k++) {
            w[k] = put(k + 1, n, sealed_row(k, n, bytes[k]));
            /* and an older one is written anew */
            w[SPACES + k] = put(k + 1, n / 2, sealed_row(k, 100000 + n, bytes[SPACES + k]));
        }
        assert_int_equal(commit(&b, w, 2 * SPACES), ST_OK);
    }
    for (uint8_t k = 0; k < SPACES; k++) {
        uint8_t bytes[1024];
        const uint8_t space = (uint8_t)(k * 3 % SPACES);
        struct raw_bytes one = {0};
        raw_add(&one, sealed_row(space, 100000 + SPACE_ROWS - 1, bytes));
        assert_true(raw_found(&one, p->dir) > 0);
        raw_free(&one);
        const struct kv_write drop = {KV_DROP_SPACE, {(uint8_t)(space + 1)}, 0, BYTES_NONE};
        assert_int_equal(commit(&b, &drop, 1), ST_OK);
        for (uint64_t n = 0; n < SPACE_ROWS; n++) {
            raw_add(&gone, sealed_row(space, n, bytes));
            raw_add(&gone, sealed_row(space, 100000 + n, bytes));
        }
        assert_int_equal(raw_found(&gone, p->dir), 0);
        /* the others go on, and nothing comes back out of memory */
        const struct kv_write more = put((uint8_t)((k + 1) * 3 % SPACES + 1), 7777, BYTES_LIT("x"));
        if (k + 1 < SPACES) assert_int_equal(commit(&b, &more, 1), ST_OK);
        assert_int_equal(raw_found(&gone, p->dir), 0);
    }
    close_box(&b);
    assert_int_equal(raw_found(&gone, p->dir), 0);
    raw_free(&gone);
}

static void limits_hold(void **state)
{
    struct box b;
    uint8_t *big = calloc(1, KV_VALUE_MAX + 1);
    struct buf v = BUF_INIT;
    assert_non_null(big);
    assert_int_equal(open_box(&b, *state), ST_OK);
    struct kv_write w = put(1, 1, BYTES(big, KV_VALUE_MAX + 1));
    assert_int_equal(commit(&b, &w, 1), ST_USAGE);
    w.value.n--;
    assert_int_equal(commit(&b, &w, 1), ST_OK);
    assert_int_equal(get(&b, 1, 1, &v), ST_OK);
    assert_int_equal(v.n, KV_VALUE_MAX);
    /* a queue that nobody empties fills up and says so */
    enum status st = ST_OK;
    size_t taken = 0;
    for (; taken < 1000 && st == ST_OK; taken++) st = b.kv.ops->commit(b.kv.ctx, &w, 1, NULL, NULL);
    assert_int_equal(st, ST_BUSY);
    assert_true(taken > 100 && taken < 200);
    free(big);
    buf_free(&v);
    close_box(&b);
}

static void one_process_at_a_time(void **state)
{
    struct box b, other;
    assert_int_equal(open_box(&b, *state), ST_OK);
    assert_int_equal(open_box(&other, *state), ST_BUSY);
    pid_t child = fork();
    if (child == 0) {
        struct box third;
        _exit(open_box(&third, *state) == ST_BUSY ? 0 : 1);
    }
    int how = -1;
    assert_int_equal(waitpid(child, &how, 0), child);
    assert_int_equal(how, 0);
    close_box(&b);
    assert_int_equal(open_box(&b, *state), ST_OK);
    close_box(&b);
}

static void write_at(const char *path, off_t at, const char *text)
{
    int fd = open(path, O_WRONLY);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, text, strlen(text), at), (ssize_t)strlen(text));
    close(fd);
}

static void sql(const char *path, const char *text)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void bad_files_are_named(void **state)
{
    struct place *p = *state;
    struct box b;
    struct stat s;
    assert_int_equal(open_box(&b, p), ST_OK);
    struct kv_write w = put(1, 1, BYTES_LIT("x"));
    assert_int_equal(commit(&b, &w, 1), ST_OK);
    close_box(&b);
    assert_int_equal(stat(p->db, &s), 0);
    assert_int_equal(s.st_mode & 0777, 0600);

    chmod(p->db, 0640);
    assert_int_equal(open_box(&b, p), ST_LOOSE_MODE);
    chmod(p->db, 0600);
    chmod(p->dir, 0755);
    assert_int_equal(open_box(&b, p), ST_LOOSE_MODE);
    chmod(p->dir, 0700);

    sql(p->db, "PRAGMA user_version = 2");
    assert_int_equal(open_box(&b, p), ST_VERSION);
    sql(p->db, "PRAGMA user_version = 1; PRAGMA application_id = 5");
    assert_int_equal(open_box(&b, p), ST_INTEGRITY);
    sql(p->db, "PRAGMA application_id = 1162758998");
    assert_int_equal(open_box(&b, p), ST_OK);
    close_box(&b);

    write_at(p->db, 8192, "this is no page of a database at all");
    assert_int_equal(open_box(&b, p), ST_INTEGRITY);
    write_at(p->db, 0, "this is no header of one");
    assert_int_equal(open_box(&b, p), ST_INTEGRITY);
    assert_int_equal(remove(p->db), 0);
    assert_int_equal(symlink("/tmp/elsewhere", p->db), 0);
    assert_int_equal(open_box(&b, p), ST_LOOSE_MODE);
    assert_int_equal(remove(p->db), 0);

    struct place nowhere = {"", "/tmp/enclave-no-such-directory/state.db"};
    assert_int_equal(open_box(&b, &nowhere), ST_NOT_FOUND);
}

/* A child whose files may not grow meets what a full disk is; what was acknowledged stays and, with
 * room again, it goes on. */
/* Whatever byte of the first page has changed: it opens and gives what was kept, or is refused with a
 * reason. Nothing else. */
static void each_byte_of_the_head_may_rot(void **state)
{
    struct place *p = *state;
    struct box b;
    assert_int_equal(open_box(&b, p), ST_OK);
    struct kv_write w = put(1, 1, BYTES_LIT("kept"));
    assert_int_equal(commit(&b, &w, 1), ST_OK);
    close_box(&b);
    int fd = open(p->db, O_RDWR);
    assert_true(fd >= 0);
    for (off_t at = 0; at < 140; at++) {
        uint8_t was, rot;
        struct buf got = BUF_INIT;
        assert_int_equal(pread(fd, &was, 1, at), 1);
        rot = (uint8_t)~was;
        assert_int_equal(pwrite(fd, &rot, 1, at), 1);
        enum status st = open_box(&b, p);
        if (st == ST_OK) {
            st = get(&b, 1, 1, &got);
            if (st == ST_OK) assert_true(bytes_same(buf_view(&got), BYTES_LIT("kept")));
            close_box(&b);
        }
        if (st == ST_BUG || st == ST_NOT_FOUND) fail_msg("byte %d: %s", (int)at, status_text(st));
        buf_free(&got);
        assert_int_equal(pwrite(fd, &was, 1, at), 1);
    }
    close(fd);
}

static void full_disk_is_said(void **state)
{
    struct place *p = *state;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        struct box b;
        static uint8_t value[64 * 1024];
        signal(SIGXFSZ, SIG_IGN);
        if (open_box(&b, p) != ST_OK) _exit(1);
        struct rlimit limit = {1024 * 1024, RLIM_INFINITY};
        if (setrlimit(RLIMIT_FSIZE, &limit) != 0) _exit(2);
        enum status st = ST_OK;
        uint64_t n = 0;
        for (; n < 100 && st == ST_OK; n++) {
            struct kv_write w = put(1, n, BYTES_OF(value));
            st = commit(&b, &w, 1);
        }
        if (st != ST_NO_SPACE) _exit(100 + (int)st);
        if (count(&b, 1, 0) != n - 1) _exit(4);
        limit.rlim_cur = RLIM_INFINITY;
        if (setrlimit(RLIMIT_FSIZE, &limit) != 0) _exit(5);
        struct kv_write w = put(1, n - 1, BYTES_OF(value));
        if (commit(&b, &w, 1) != ST_OK) _exit(6);
        if (count(&b, 1, 0) != n) _exit(7);
        close_box(&b);
        _exit(0);
    }
    int how = -1;
    assert_int_equal(waitpid(child, &how, 0), child);
    assert_true(WIFEXITED(how));
    assert_int_equal(WEXITSTATUS(how), 0);
}

struct writer {
    struct box box;
    uint64_t next;
    int acks;
};

static void write_next(struct writer *w);

static void acked(void *arg, enum status st)
{
    struct writer *w = arg;
    uint64_t n = w->next - 1;
    if (st != ST_OK || write(w->acks, &n, sizeof n) != sizeof n) _exit(1);
    write_next(w);
}

static void write_next(struct writer *w)
{
    uint8_t value[300];
    memset(value, (int)(w->next & 0xFF), sizeof value);
    struct kv_write writes[] = {put(1, w->next, BYTES_OF(value)),
                                put(2, 0, BYTES(&w->next, sizeof w->next))};
    if (w->box.kv.ops->commit(w->box.kv.ctx, writes, 2, acked, w) != ST_OK) _exit(2);
    w->next++;
}

static void killed_keeps_what_it_said(void **state)
{
    struct place *p = *state;
    uint64_t done = 0, n = 0;
    for (int round = 0; round < 5; round++) {
        int pipes[2];
        assert_int_equal(pipe(pipes), 0);
        fflush(NULL);
        pid_t child = fork();
        if (child == 0) {
            static struct writer w;
            close(pipes[0]);
            if (open_box(&w.box, p) != ST_OK) _exit(3);
            w.acks = pipes[1];
            w.next = done;
            write_next(&w);
            uv_run(&w.box.loop, UV_RUN_DEFAULT);
            _exit(4);
        }
        close(pipes[1]);
        for (int acks = 0; acks < 40 + round * 17; acks++) {
            assert_int_equal(read(pipes[0], &n, sizeof n), sizeof n);
            done = n + 1;
        }
        kill(child, SIGKILL);
        while (read(pipes[0], &n, sizeof n) == sizeof n) done = n + 1;
        close(pipes[0]);
        waitpid(child, NULL, 0);

        struct box b;
        struct buf v = BUF_INIT;
        assert_int_equal(open_box(&b, p), ST_OK);
        uint64_t rows = count(&b, 1, 0);
        assert_true(rows >= done); /* one more may be on disk and not acknowledged */
        assert_true(rows <= done + 1);
        assert_int_equal(get(&b, 2, 0, &v), ST_OK);
        assert_int_equal(v.n, sizeof n);
        memcpy(&n, v.p, sizeof n);
        assert_int_equal(n + 1, rows); /* both writes of a commit or none */
        buf_free(&v);
        close_box(&b);
        done = rows;
    }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, make_place, drop_place)
    const struct CMUnitTest tests[] = {
        TEST(rows_come_back),
        TEST(many_commits_share_transactions),
        TEST(scans_may_nest_and_stop),
        TEST(a_dropped_space_is_in_no_file),
        TEST(limits_hold),
        TEST(one_process_at_a_time),
        TEST(bad_files_are_named),
        TEST(each_byte_of_the_head_may_rot),
        TEST(full_disk_is_said),
        TEST(killed_keeps_what_it_said),
    };
    return !!cmocka_run_group_tests(tests, NULL, NULL);
}
