/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto store */
/* The shard store on disk: round trips, refusals, batches, leftovers, kill -9. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#include "store/shard_fs.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct world {
    char dir[64];
    uv_loop_t loop;
    struct shard_fs *fs;
    struct shard_store store;
    unsigned waiting;
    enum status st;
    uint64_t bitmap;
    struct shard_info info;
    unsigned seen;
    bool closed;
};

static void start(struct world *w)
{
    assert_int_equal(uv_loop_init(&w->loop), 0);
    assert_int_equal(shard_fs_open(&w->loop, w->dir, 1, &w->fs), ST_OK);
    w->store = shard_fs_store(w->fs);
    w->closed = false;
}

static void on_closed(void *arg)
{
    ((struct world *)arg)->closed = true;
}

static void stop(struct world *w)
{
    shard_fs_close(w->fs, on_closed, w);
    w->closed = false;
    uv_run(&w->loop, UV_RUN_DEFAULT);
    assert_true(w->closed);
    assert_int_equal(uv_loop_close(&w->loop), 0);
}

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    const char *tmp = getenv("TMPDIR");
    snprintf(w->dir, sizeof w->dir, "%s/shards-XXXXXX", tmp && strlen(tmp) < 40 ? tmp : "/tmp");
    if (!mkdtemp(w->dir)) return 1;
    start(w);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    char command[128];
    stop(w);
    snprintf(command, sizeof command, "%s", w->dir);
    pid_t pid = fork();
    if (pid == 0) {
        execlp("rm", "rm", "-rf", command, (char *)NULL);
        _exit(127);
    }
    waitpid(pid, NULL, 0);
    free(w);
    return 0;
}

static void done(void *arg, enum status st)
{
    struct world *w = arg;
    w->st = st;
    w->waiting--;
}

static void told(void *arg, enum status st, const struct shard_info *info)
{
    struct world *w = arg;
    w->st = st;
    if (info) w->info = *info;
    w->waiting--;
}

static void had(void *arg, enum status st, uint64_t bitmap)
{
    struct world *w = arg;
    w->st = st;
    w->bitmap = bitmap;
    w->waiting--;
}

static void visit(void *arg, const struct shard_key *key, uint64_t bytes, uint64_t stored_ms)
{
    struct world *w = arg;
    assert_true(key->tag[0] == 7);
    assert_true(bytes > SHARD_UNIT && stored_ms > UINT64_C(1700000000000));
    w->seen++;
}

static enum status wait_for(struct world *w)
{
    w->waiting++;
    while (w->waiting) uv_run(&w->loop, UV_RUN_ONCE);
    return w->st;
}

static struct shard_key key_of(uint8_t a, uint8_t b, uint8_t index)
{
    struct shard_key k = {.index = index};
    memset(k.tag, 7, sizeof k.tag);
    k.segment_id[0] = a;
    k.segment_id[31] = b;
    return k;
}

static const uint8_t header[SHARD_HEADER] = "ES1";

static void unit_of(uint8_t *unit, const struct shard_key *k, uint32_t row)
{
    for (size_t i = 0; i < SHARD_UNIT; i++)
        unit[i] = (uint8_t)(i + k->segment_id[31] * 3 + row + k->index);
}

/* Writes and commits one shard; the status of the commit. */
static enum status store_one(struct world *w, const struct shard_key *k, uint32_t rows,
                             uint8_t mark)
{
    uint8_t *unit = malloc(SHARD_UNIT), trailer[SHARD_TRAILER_MIN];
    struct shard_put *p = w->store.ops->begin(w->store.ctx, k, header);
    assert_non_null(p);
    for (uint32_t r = rows; r-- > 0;) {
        unit_of(unit, k, r);
        w->store.ops->append(p, r, unit, done, w);
        assert_int_equal(wait_for(w), ST_OK);
    }
    free(unit);
    memset(trailer, mark, sizeof trailer);
    w->store.ops->commit(p, rows, BYTES_OF(trailer), done, w);
    return wait_for(w);
}

static void check_one(struct world *w, const struct shard_key *k, uint32_t rows)
{
    uint8_t *want = malloc(SHARD_UNIT), *got = malloc(SHARD_UNIT);
    for (uint32_t r = 0; r < rows; r++) {
        unit_of(want, k, r);
        w->store.ops->read(w->store.ctx, k, r * SHARD_UNIT, got, SHARD_UNIT, done, w);
        assert_int_equal(wait_for(w), ST_OK);
        assert_memory_equal(want, got, SHARD_UNIT);
    }
    free(want);
    free(got);
}

static void round_trip(void **state)
{
    struct world *w = *state;
    struct shard_key k = key_of(1, 1, 3);
    uint8_t room[8192];
    struct shard_space space;
    assert_int_equal(store_one(w, &k, 3, 9), ST_OK);
    check_one(w, &k, 3);
    w->store.ops->info(w->store.ctx, &k, told, w);
    assert_int_equal(wait_for(w), ST_OK);
    assert_int_equal(w->info.units, 3);
    assert_int_equal(w->info.trailer_len, SHARD_TRAILER_MIN);
    assert_int_equal(w->info.trailer[5], 9);
    assert_memory_equal(w->info.header, header, SHARD_HEADER);
    w->store.ops->have(w->store.ctx, k.tag, k.segment_id, had, w);
    assert_int_equal(wait_for(w), ST_OK);
    assert_int_equal(w->bitmap, 1U << 3);
    w->store.ops->read(w->store.ctx, &k, 3 * SHARD_UNIT - 4096, room, 4096, done, w);
    assert_int_equal(wait_for(w), ST_OK);
    w->store.ops->read(w->store.ctx, &k, 3 * SHARD_UNIT - 4096, room, 4097, done, w);
    assert_int_equal(wait_for(w), ST_INTEGRITY);
    w->store.ops->space(w->store.ctx, &space);
    assert_int_equal(space.count, 1);
    /* the same again is fine, another under its name is not */
    assert_int_equal(store_one(w, &k, 3, 9), ST_OK);
    assert_int_equal(store_one(w, &k, 3, 8), ST_EXISTS);
    w->store.ops->space(w->store.ctx, &space);
    assert_int_equal(space.count, 1);
    assert_int_equal(space.used, SHARD_HEADER + 3 * SHARD_UNIT + SHARD_TRAILER_MIN);
    w->store.ops->drop(w->store.ctx, &k, done, w);
    assert_int_equal(wait_for(w), ST_OK);
    w->store.ops->drop(w->store.ctx, &k, done, w);
    assert_int_equal(wait_for(w), ST_NOT_FOUND);
    w->store.ops->space(w->store.ctx, &space);
    assert_int_equal(space.used, 0);
}

static unsigned count_files(const char *dir, const char *part)
{
    unsigned n = 0;
    DIR *d = opendir(dir);
    const struct dirent *e;
    if (!d) return 0;
    while ((e = readdir(d)) != NULL) {
        char path[512];
        if (e->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "%s/%.300s", dir, e->d_name);
        n += strstr(e->d_name, part) != NULL;
        n += count_files(path, part);
    }
    closedir(d);
    return n;
}

static void many_at_once(void **state)
{
    struct world *w = *state;
    enum { N = 40 };
    struct shard_put *p[N];
    uint8_t *unit = calloc(1, SHARD_UNIT), trailer[SHARD_TRAILER_MIN] = {1};
    for (unsigned i = 0; i < N; i++) {
        struct shard_key k = key_of((uint8_t)(i % 5), (uint8_t)i, 0);
        p[i] = w->store.ops->begin(w->store.ctx, &k, header);
        for (uint32_t r = 0; r < 4; r++) {
            w->waiting++;
            w->store.ops->append(p[i], r, unit, done, w);
        }
    }
    w->waiting--;
    assert_int_equal(wait_for(w), ST_OK);
    for (unsigned i = 0; i < N; i++) {
        w->waiting++;
        w->store.ops->commit(p[i], 4, BYTES_OF(trailer), done, w);
    }
    w->waiting--;
    assert_int_equal(wait_for(w), ST_OK);
    free(unit);
    struct shard_key k = key_of(0, 0, 0);
    w->seen = 0;
    w->store.ops->list(w->store.ctx, k.tag, visit, done, w);
    assert_int_equal(wait_for(w), ST_OK);
    assert_int_equal(w->seen, N);
    assert_int_equal(count_files(w->dir, ".tmp"), 0);
}

static void to_drop(void *arg, const struct shard_key *key, uint64_t bytes, uint64_t stored_ms)
{
    struct world *w = arg;
    visit(w, key, bytes, stored_ms);
    w->waiting++;
    w->store.ops->drop(w->store.ctx, key, done, w);
}

/* As when a member leaves an enclave: all shards of its tag go, and with them the file names and
 * directories that would tell that there was one. Others are put at the same time. */
static void a_dropped_tag_is_gone_from_the_disk(void **state)
{
    struct world *w = *state;
    const char *ours = "07070707";
    for (uint8_t i = 0; i < 12; i++) {
        struct shard_key k = key_of(7, (uint8_t)(i / 3), i), other = key_of(8, i, 1);
        memset(other.tag, 8, sizeof other.tag);
        assert_int_equal(store_one(w, &k, 1, 9), ST_OK);
        assert_int_equal(store_one(w, &other, 1, 9), ST_OK);
    }
    struct shard_key k = key_of(7, 99, 1); /* one that is given up half-way */
    uint8_t *unit = calloc(1, SHARD_UNIT);
    struct shard_put *p = w->store.ops->begin(w->store.ctx, &k, header);
    w->store.ops->append(p, 0, unit, done, w);
    assert_int_equal(wait_for(w), ST_OK);
    w->store.ops->abandon(p);
    assert_true(count_files(w->dir, ours) > 0);
    w->seen = 0;
    w->store.ops->list(w->store.ctx, k.tag, to_drop, done, w);
    assert_int_equal(wait_for(w), ST_OK);
    assert_int_equal(w->seen, 12);
    stop(w);
    assert_int_equal(count_files(w->dir, ours), 0);
    start(w);
    struct shard_space space;
    w->store.ops->space(w->store.ctx, &space);
    assert_int_equal(space.count, 12);
    /* putting and dropping in one directory at once: neither makes the other fail */
    for (unsigned round = 0; round < 200; round++) {
        struct shard_key a = key_of(7, 1, 1), b = key_of(7, 1, 2);
        assert_int_equal(store_one(w, &a, 1, 9), ST_OK);
        p = w->store.ops->begin(w->store.ctx, &b, header);
        w->waiting++;
        w->store.ops->drop(w->store.ctx, &a, done, w);
        w->store.ops->append(p, 0, unit, done, w);
        assert_int_equal(wait_for(w), ST_OK);
        w->store.ops->abandon(p);
    }
    free(unit);
    stop(w);
    assert_int_equal(count_files(w->dir, ours), 0);
    start(w);
}

static void wrong_use_is_told(void **state)
{
    struct world *w = *state;
    struct shard_key k = key_of(2, 2, 0);
    uint8_t *unit = calloc(1, SHARD_UNIT), trailer[SHARD_TRAILER_MIN] = {0};
    struct shard_put *p = w->store.ops->begin(w->store.ctx, &k, header);
    w->store.ops->append(p, 2, unit, done, w);
    assert_int_equal(wait_for(w), ST_OK);
    w->store.ops->commit(p, 2, BYTES_OF(trailer), done, w); /* a unit beyond the rows */
    assert_int_equal(wait_for(w), ST_BUG);
    p = w->store.ops->begin(w->store.ctx, &k, header);
    w->store.ops->append(p, 0, unit, done, w);
    w->store.ops->abandon(p); /* while the append runs */
    assert_int_equal(wait_for(w), ST_OK);
    p = w->store.ops->begin(w->store.ctx, &k, header);
    w->store.ops->abandon(p);
    free(unit);
    stop(w);
    assert_int_equal(count_files(w->dir, ".tmp"), 0);
    start(w);
    w->store.ops->info(w->store.ctx, &k, told, w);
    assert_int_equal(wait_for(w), ST_NOT_FOUND);
}

static void no_space_is_told(void **state)
{
    struct world *w = *state;
    struct shard_key k = key_of(3, 3, 0);
    uint8_t *unit = calloc(1, SHARD_UNIT);
    stop(w);
    assert_int_equal(uv_loop_init(&w->loop), 0);
    assert_int_equal(shard_fs_open(&w->loop, w->dir, UINT64_MAX, &w->fs), ST_OK);
    w->store = shard_fs_store(w->fs);
    struct shard_put *p = w->store.ops->begin(w->store.ctx, &k, header);
    w->store.ops->append(p, 0, unit, done, w);
    assert_int_equal(wait_for(w), ST_NO_SPACE);
    w->store.ops->abandon(p);
    free(unit);
    stop(w);
    assert_int_equal(chmod(w->dir, 0755), 0);
    assert_int_equal(uv_loop_init(&w->loop), 0);
    assert_int_equal(shard_fs_open(&w->loop, w->dir, 1, &w->fs), ST_LOOSE_MODE);
    assert_int_equal(uv_loop_close(&w->loop), 0);
    assert_int_equal(chmod(w->dir, 0700), 0);
    start(w);
}

static void damage_is_told(void **state)
{
    struct world *w = *state;
    struct shard_key k = key_of(4, 4, 1);
    char path[256];
    assert_int_equal(store_one(w, &k, 1, 1), ST_OK);
    snprintf(path, sizeof path,
             "%s/07070707070707070707070707070707/04/"
             "0400000000000000000000000000000000000000000000000000000000000004-01",
             w->dir);
    assert_int_equal(truncate(path, 1000), 0);
    w->store.ops->info(w->store.ctx, &k, told, w);
    assert_int_equal(wait_for(w), ST_INTEGRITY);
    /* a wreck may be written over */
    assert_int_equal(store_one(w, &k, 1, 2), ST_OK);
    check_one(w, &k, 1);
    /* and so may units that have rotted, by the same shard again */
    int fd = open(path, O_WRONLY);
    assert_int_equal(pwrite(fd, "rot", 3, SHARD_HEADER + 100), 3);
    close(fd);
    assert_int_equal(store_one(w, &k, 1, 2), ST_OK);
    check_one(w, &k, 1);
    assert_int_equal(store_one(w, &k, 1, 3), ST_EXISTS);
    struct shard_space space;
    w->store.ops->space(w->store.ctx, &space);
    assert_int_equal(space.count, 1);
}

/* A child commits shards and says so on a pipe; killed at some moment, all it said is there. */
static void killed_child_loses_nothing_acknowledged(void **state)
{
    struct world *w = *state;
    stop(w);
    for (unsigned turn = 0; turn < 4; turn++) {
        int fd[2];
        assert_int_equal(pipe(fd), 0);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            start(w);
            for (uint8_t i = 0;; i++) {
                struct shard_key k = key_of((uint8_t)turn, i, 2);
                if (store_one(w, &k, 2, i) != ST_OK) _exit(1);
                if (write(fd[1], &i, 1) != 1 || i == 200) _exit(1);
            }
        }
        close(fd[1]);
        uint8_t last = 0;
        ssize_t n = 0;
        for (unsigned i = 0; i < 5 + 9 * turn && (n = read(fd[0], &last, 1)) == 1; i++) continue;
        assert_int_equal(n, 1);
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        while (read(fd[0], &last, 1) == 1) continue;
        close(fd[0]);
        start(w);
        assert_int_equal(count_files(w->dir, ".tmp"), 0);
        for (uint8_t i = 0; i <= last; i++) {
            struct shard_key k = key_of((uint8_t)turn, i, 2);
            check_one(w, &k, 2);
        }
        stop(w);
    }
    start(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(round_trip, setup, teardown),
        cmocka_unit_test_setup_teardown(many_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(a_dropped_tag_is_gone_from_the_disk, setup, teardown),
        cmocka_unit_test_setup_teardown(wrong_use_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(no_space_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(damage_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(killed_child_loses_nothing_acknowledged, setup, teardown),
    };
    return !!cmocka_run_group_tests(tests, NULL, NULL);
}
