/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto link net */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#include "net/env.h"
#include "net/files.h"
#include "net/server.h"
#include "net/work.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct world {
    uv_loop_t loop;
    char dir[32], path[64];
    struct net_files files;
    struct file_port port;
    /* the last callback */
    unsigned calls;
    enum status st;
    struct file *f;
    struct file_info info;
    size_t n;
};

static int set_up(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    uv_loop_init(&w->loop);
    strcpy(w->dir, "/tmp/test-net-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    snprintf(w->path, sizeof w->path, "%s/file", w->dir);
    umask(026);
    net_files_init(&w->files, &w->loop);
    w->port = net_files(&w->files);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    uv_run(&w->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&w->loop), 0);
    unlink(w->path);
    assert_int_equal(rmdir(w->dir), 0); /* nothing else was left behind */
    free(w);
    return 0;
}

/* ---- work ---- */

struct counted {
    struct net_work *w;
    uv_sem_t *go;
    unsigned *ran, *done;
    bool again;
};

static void job_run(void *arg)
{
    struct counted *c = arg;
    if (c->go) uv_sem_wait(c->go);
    __atomic_add_fetch(c->ran, 1, __ATOMIC_SEQ_CST);
}

static void job_done(void *arg)
{
    struct counted *c = arg;
    ++*c->done;
    if (!c->again) return;
    c->again = false;
    struct work port = net_work(c->w);
    assert_int_equal(port.submit(port.ctx, WORK_SHORT, job_run, job_done, c), ST_OK);
}

static void flag(void *arg)
{
    *(bool *)arg = true;
}

static void work_runs_everything(void **state)
{
    struct world *w = *state;
    struct net_work *work;
    unsigned ran = 0, done = 0;
    bool closed = false;
    assert_int_equal(net_work_new(&w->loop, 2, &work), ST_OK);
    assert_int_equal(net_work_threads(work), 2);
    struct work port = net_work(work);
    struct counted c = {work, NULL, &ran, &done, true};
    for (int i = 0; i < 500; i++)
        assert_int_equal(port.submit(port.ctx, i % 2, job_run, job_done, &c), ST_OK);
    assert_int_equal(done, 0);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    assert_int_equal(ran, 501);
    assert_int_equal(done, 501);
    assert_int_equal(port.submit(port.ctx, WORK_BULK, job_run, job_done, &c), ST_OK);
    net_work_stop(work, flag, &closed);
    assert_int_equal(port.submit(port.ctx, WORK_BULK, job_run, job_done, &c), ST_BUSY);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    assert_true(closed);
    assert_int_equal(done, 502);
}

/* With one thread held by a bulk job: a short job overtakes all other bulk jobs. */
static void short_jobs_overtake(void **state)
{
    struct world *w = *state;
    struct net_work *work;
    uv_sem_t go;
    unsigned bulk_ran = 0, bulk_done = 0, short_ran = 0, short_done = 0;
    uv_sem_init(&go, 0);
    assert_int_equal(net_work_new(&w->loop, 1, &work), ST_OK);
    struct work port = net_work(work);
    struct counted bulk = {work, &go, &bulk_ran, &bulk_done, false};
    struct counted quick = {work, NULL, &short_ran, &short_done, false};
    for (int i = 0; i < WORK_BULK_MAX; i++)
        assert_int_equal(port.submit(port.ctx, WORK_BULK, job_run, job_done, &bulk), ST_OK);
    assert_int_equal(port.submit(port.ctx, WORK_BULK, job_run, job_done, &bulk), ST_BUSY);
    assert_int_equal(port.submit(port.ctx, WORK_SHORT, job_run, job_done, &quick), ST_OK);
    uv_sem_post(&go);
    while (!short_done) uv_run(&w->loop, UV_RUN_ONCE);
    assert_true(bulk_ran <= 1);
    for (int i = 1; i < WORK_BULK_MAX; i++) uv_sem_post(&go);
    net_work_stop(work, NULL, NULL);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    assert_int_equal(bulk_done, WORK_BULK_MAX);
    uv_sem_destroy(&go);
}

/* ---- files ---- */

static void opened(void *arg, enum status st, struct file *f, const struct file_info *info)
{
    struct world *w = arg;
    w->calls++;
    w->st = st;
    w->f = f;
    if (info) w->info = *info;
}

static void done(void *arg, enum status st, size_t n)
{
    struct world *w = arg;
    w->calls++;
    w->st = st;
    w->n = n;
}

static enum status after(struct world *w)
{
    unsigned before = w->calls;
    uv_run(&w->loop, UV_RUN_DEFAULT);
    assert_int_equal(w->calls, before + 1);
    return w->st;
}

static void create(struct world *w, uint64_t tag)
{
    w->port.ops->create(w->port.ctx, w->path, tag, 06666, opened, w);
    assert_null(w->f); /* no callback inside the call */
    assert_int_equal(after(w), ST_OK);
}

static void put_file(struct world *w, const char *text, bool replace, enum status expect)
{
    w->f = NULL;
    create(w, 7);
    w->port.ops->write(w->f, 0, bytes_str(text), done, w);
    assert_int_equal(after(w), ST_OK);
    struct stat s;
    bool was = stat(w->path, &s) == 0;
    w->port.ops->commit(w->f, replace, done, w);
    assert_int_equal(after(w), expect);
    assert_int_equal(stat(w->path, &s), 0);
    if (!was) assert_int_equal(s.st_mode & 07777, 0640); /* what a stranger asked, less our umask */
}

static void files_appear_whole(void **state)
{
    struct world *w = *state;
    uint8_t got[64];
    w->port.ops->open_read(w->port.ctx, w->path, opened, w);
    assert_int_equal(after(w), ST_NOT_FOUND);
    put_file(w, "first", false, ST_OK);
    put_file(w, "second", true, ST_OK);
    w->port.ops->open_read(w->port.ctx, w->path, opened, w);
    assert_int_equal(after(w), ST_OK);
    assert_int_equal(w->info.size, 6);
    uint64_t inode = w->info.inode;
    struct file *f = w->f;
    w->port.ops->read(f, 2, got, sizeof got, done, w);
    assert_int_equal(after(w), ST_OK);
    assert_int_equal(w->n, 4);
    assert_memory_equal(got, "cond", 4);
    w->port.ops->read(f, 6, got, sizeof got, done, w);
    assert_int_equal(after(w), ST_OK);
    assert_int_equal(w->n, 0);
    w->port.ops->close(f);
    w->port.ops->info(w->port.ctx, w->path, opened, w);
    assert_int_equal(after(w), ST_OK);
    assert_null(w->f);
    assert_int_equal(w->info.inode, inode);
    w->port.ops->open_read(w->port.ctx, w->dir, opened, w);
    assert_int_equal(after(w), ST_USAGE);
    w->port.ops->open_read(w->port.ctx, "/dev/null", opened, w);
    assert_int_equal(after(w), ST_USAGE);
}

static void unfinished_ones_go_on(void **state)
{
    struct world *w = *state;
    put_file(w, "old", false, ST_OK);
    put_file(w, "new text", false, ST_EXISTS); /* and stays unfinished */
    w->f = NULL;
    create(w, 7);
    assert_int_equal(w->info.size, 8);
    w->port.ops->abandon(w->f, true);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    w->f = NULL;
    create(w, 7);
    assert_int_equal(w->info.size, 8);
    w->port.ops->abandon(w->f, false);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    w->f = NULL;
    create(w, 7);
    assert_int_equal(w->info.size, 0);
    w->port.ops->abandon(w->f, false);
}

/* ---- env and key ---- */

static void log_lines(void **state)
{
    struct world *w = *state;
    struct net_env e;
    assert_int_equal(net_env_open(&e, w->path, ENV_INFO), ST_OK);
    struct env env = net_env(&e);
    char long_text[1000], line[2000] = "";
    memset(long_text, 'x', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = 0;
    env_log(&env, ENV_DEBUG, "test", "not this");
    env_log(&env, ENV_WARN, "test", "number %d", 5);
    env_log(&env, ENV_INFO, "test", "%s", long_text);
    net_env_close(&e);
    FILE *f = fopen(w->path, "r");
    assert_non_null(fgets(line, sizeof line, f));
    assert_non_null(strstr(line, "Z warn  test   number 5\n"));
    assert_non_null(fgets(line, sizeof line, f));
    assert_true(strlen(line) < 640 && line[strlen(line) - 1] == '\n');
    assert_null(fgets(line, sizeof line, f));
    fclose(f);
    struct stat s;
    stat(w->path, &s);
    assert_int_equal(s.st_mode & 0777, 0600);
    uint8_t a[32] = {0}, b[32] = {0};
    env_random(&env, a, 32);
    env_random(&env, b, 32);
    assert_memory_not_equal(a, b, 32);
    assert_true(env_wall_ms(&env) > UINT64_C(1700000000000));
}

static void server_key_is_guarded(void **state)
{
    struct world *w = *state;
    struct net_env e;
    struct server_key k, again;
    assert_int_equal(net_env_open(&e, NULL, ENV_ERROR), ST_OK);
    struct env env = net_env(&e);
    assert_int_equal(server_key_open(w->path, &env, &k), ST_OK);
    struct stat s;
    stat(w->path, &s);
    assert_int_equal(s.st_mode & 0777, 0600);
    assert_int_equal(chmod(w->path, 0644), 0);
    assert_int_equal(server_key_open(w->path, &env, &again), ST_LOOSE_MODE);
    assert_int_equal(chmod(w->path, 0600), 0);
    assert_int_equal(truncate(w->path, s.st_size - 2), 0);
    assert_int_equal(server_key_open(w->path, &env, &again), ST_INTEGRITY);
    server_key_free(&k);
    char nowhere[80];
    snprintf(nowhere, sizeof nowhere, "%s/no/key", w->dir);
    assert_int_equal(server_key_open(nowhere, &env, &again), ST_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(work_runs_everything, set_up, tear_down),
        cmocka_unit_test_setup_teardown(short_jobs_overtake, set_up, tear_down),
        cmocka_unit_test_setup_teardown(files_appear_whole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(unfinished_ones_go_on, set_up, tear_down),
        cmocka_unit_test_setup_teardown(log_lines, set_up, tear_down),
        cmocka_unit_test_setup_teardown(server_key_is_guarded, set_up, tear_down),
    };
    return !!cmocka_run_group_tests(tests, NULL, NULL);
}
