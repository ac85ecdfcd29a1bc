/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base store */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#include "store/store_thread.h"

#include <stdbool.h>
#include <string.h>

#define JOBS 1000

/* A store that only counts, and fails where it is told to. */
struct sham {
    int begun, committed, rolled_back;
    bool open;
    enum status begin_st, commit_st;
    uv_sem_t hold;
    bool held;
};

struct job {
    struct store_job job;
    size_t number;
    enum status run_st, done_st;
    size_t *order;
    int runs;
};

static enum status sham_begin(void *ctx)
{
    struct sham *s = ctx;
    /* the first batch waits until the test has put all of its jobs in the queue */
    if (s->held) uv_sem_wait(&s->hold);
    s->held = false;
    assert_false(s->open);
    if (s->begin_st != ST_OK) return s->begin_st;
    s->begun++;
    s->open = true;
    return ST_OK;
}

static enum status sham_commit(void *ctx)
{
    struct sham *s = ctx;
    assert_true(s->open);
    if (s->commit_st != ST_OK) return s->commit_st;
    s->committed++;
    s->open = false;
    return ST_OK;
}

static void sham_rollback(void *ctx)
{
    struct sham *s = ctx;
    assert_true(s->open);
    s->rolled_back++;
    s->open = false;
}

static enum status job_run(struct store_job *job, void *ctx)
{
    struct job *j = (struct job *)job;
    assert_true(((struct sham *)ctx)->open);
    j->runs++;
    return j->run_st;
}

static void job_done(struct store_job *job, enum status st)
{
    struct job *j = (struct job *)job;
    assert_int_equal(j->done_st, ST_COUNT); /* once */
    j->done_st = st;
    assert_int_equal(*j->order, j->number);
    (*j->order)++;
}

static void set_flag(void *arg)
{
    *(bool *)arg = true;
}

static void play(struct sham *s, struct job *jobs, size_t n)
{
    uv_loop_t loop;
    struct store_thread *t = NULL;
    const struct store_hooks hooks = {sham_begin, sham_commit, sham_rollback, s};
    size_t order = 0;
    bool closed = false;
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(uv_sem_init(&s->hold, 0), 0);
    s->held = true;
    assert_int_equal(store_thread_start(&loop, &hooks, &t), ST_OK);
    for (size_t i = 0; i < n; i++) {
        jobs[i].job.run = job_run;
        jobs[i].job.done = job_done;
        jobs[i].number = i;
        jobs[i].done_st = ST_COUNT;
        jobs[i].order = &order;
        assert_int_equal(store_thread_submit(t, &jobs[i].job), ST_OK);
    }
    assert_int_equal(store_thread_waiting(t), n);
    uv_sem_post(&s->hold);
    store_thread_stop(t, set_flag, &closed);
    struct job late = {.job = {.run = job_run, .done = job_done}};
    assert_int_equal(store_thread_submit(t, &late.job), ST_CLOSED);
    assert_int_equal(order, 0); /* nothing is done outside the loop */
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_true(closed);
    assert_int_equal(order, n);
    assert_int_equal(uv_loop_close(&loop), 0);
    uv_sem_destroy(&s->hold);
}

static void jobs_share_transactions(void **state)
{
    (void)state;
    static struct job jobs[JOBS];
    struct sham s = {0};
    memset(jobs, 0, sizeof jobs);
    play(&s, jobs, JOBS);
    /* at most one batch began before the rest was there */
    assert_in_range(s.committed, JOBS / STORE_BATCH_MAX, JOBS / STORE_BATCH_MAX + 2);
    for (size_t i = 0; i < JOBS; i++) assert_int_equal(jobs[i].done_st, ST_OK);
}

static void a_lost_batch_is_lost_for_all_of_it(void **state)
{
    (void)state;
    struct job jobs[3] = {{.run_st = ST_OK}, {.run_st = ST_IO}, {.run_st = ST_OK}};
    struct sham s = {0};
    play(&s, jobs, 3);
    assert_int_equal(s.begun, s.committed + s.rolled_back);
    assert_int_equal(s.rolled_back, 1);
    assert_int_equal(jobs[1].done_st, ST_IO);
    if (s.begun == 1) {
        assert_int_equal(jobs[0].done_st, ST_IO);
        assert_int_equal(jobs[2].done_st, ST_IO);
        assert_int_equal(jobs[2].runs, 0);
    }
}

static void begin_and_commit_may_fail(void **state)
{
    (void)state;
    struct job jobs[2] = {{.run_st = ST_OK}, {.run_st = ST_OK}};
    struct sham s = {.begin_st = ST_NO_SPACE};
    play(&s, jobs, 2);
    assert_int_equal(s.rolled_back, 0);
    assert_int_equal(jobs[0].runs, 0);
    assert_int_equal(jobs[1].done_st, ST_NO_SPACE);
    memset(jobs, 0, sizeof jobs);
    s = (struct sham){.commit_st = ST_IO};
    play(&s, jobs, 2);
    assert_true(s.rolled_back >= 1);
    assert_int_equal(jobs[0].done_st, ST_IO);
    assert_int_equal(jobs[1].done_st, ST_IO);
}

static void an_idle_thread_stops(void **state)
{
    (void)state;
    struct sham s = {0};
    play(&s, NULL, 0);
    assert_int_equal(s.begun, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jobs_share_transactions),
        cmocka_unit_test(a_lost_batch_is_lost_for_all_of_it),
        cmocka_unit_test(begin_and_commit_may_fail),
        cmocka_unit_test(an_idle_thread_stops),
    };
    return !!cmocka_run_group_tests(tests, NULL, NULL);
}
