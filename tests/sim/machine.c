/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "sim/machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EPOCH_MS UINT64_C(1800000000000) /* where virtual wall time begins */

static uint64_t mono_ms(void *ctx)
{
    const struct machine *m = ctx;
    return 1000 + m->time->now_ms - m->boot_ms;
}

static uint64_t wall_ms(void *ctx)
{
    const struct machine *m = ctx;
    return (uint64_t)((int64_t)(EPOCH_MS + m->time->now_ms) + m->skew_ms);
}

static void random_bytes(void *ctx, uint8_t *out, size_t n)
{
    struct machine *m = ctx;
    rng_bytes(&m->random, out, n);
}

static void log_line(void *ctx, enum env_level level, const char *area, const char *text)
{
    struct machine *m = ctx;
    if (m->log) m->log(m->log_arg, m->index, level, area, text);
}

struct job {
    struct machine *m;
    work_run *run;
    work_done *done;
    void *arg;
};

static void job_run(void *arg)
{
    struct job *j = arg;
    j->m->jobs--;
    j->run(j->arg);
    j->done(j->arg);
    free(j);
}

static enum status submit(void *ctx, enum work_lane lane, work_run *run, work_done *done, void *arg)
{
    struct machine *m = ctx;
    if (!m->up || m->jobs >= MACHINE_JOBS) return ST_BUSY;
    struct job *j = sim_alloc(sizeof *j);
    *j = (struct job){m, run, done, arg};
    m->jobs++;
    uint64_t most = lane == WORK_BULK ? 20 : 4;
    vtime_at(m->time, rng_below(&m->rng, most + 1), &m->life, job_run, free, j);
    return ST_OK;
}

void machine_init(struct machine *m, unsigned index, const char *name, struct vtime *time,
                  uint64_t seed, machine_log *log, void *log_arg)
{
    memset(m, 0, sizeof *m);
    snprintf(m->name, sizeof m->name, "%s", name);
    m->index = index;
    m->time = time;
    m->rng.state = seed * 2 + 1;
    m->random.state = rng_next(&m->rng);
    m->life = 1;
    m->log = log;
    m->log_arg = log_arg;
    m->env = (struct env){m, mono_ms, wall_ms, random_bytes, log_line};
    m->work = (struct work){submit, m};
}

void machine_boot(struct machine *m)
{
    m->up = true;
    m->boot_ms = m->time->now_ms;
    m->jobs = 0;
}

void machine_crash(struct machine *m)
{
    m->up = false;
    m->life++;
    m->jobs = 0;
}
