/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Jobs, turns and progress. */
#include "node/put/put_private.h"

#include <stdlib.h>
#include <string.h>

#define LOOK_BACK 64 /* segments looked at for the progress of a put under way */

static const struct sm_state put_states[] = {
    [PUT_QUEUED] = {"queued", SM_BIT(PUT_READING) | SM_BIT(PUT_FAILED)},
    [PUT_READING] = {"reading", SM_BIT(PUT_QUEUED) | SM_BIT(PUT_WAITING) | SM_BIT(PUT_ENTERING) |
                                    SM_BIT(PUT_FAILED)},
    [PUT_WAITING] = {"waiting", SM_BIT(PUT_READING) | SM_BIT(PUT_FAILED)},
    [PUT_ENTERING] = {"entering", SM_BIT(PUT_QUEUED) | SM_BIT(PUT_SPREADING) | SM_BIT(PUT_FAILED)},
    [PUT_SPREADING] = {"spreading", SM_BIT(PUT_DONE) | SM_BIT(PUT_FAILED)},
    [PUT_DONE] = {"done", 0},
    [PUT_FAILED] = {"failed", 0},
};
static const struct sm_table put_table = {"put", put_states, 7};

/* --- life ---------------------------------------------------------------------------------- */

static void puts_release(struct puts *p)
{
    if (--p->pending == 0 && p->dead) {
        free(p);
    }
}

void job_hold(struct put_job *j)
{
    j->pending++;
    j->puts->pending++;
}

void job_release(struct put_job *j)
{
    struct puts *p = j->puts;
    if (--j->pending == 0) job_free(j);
    puts_release(p);
}

/* Takes a job out of the list; it lives on until its last callback. */
static void job_remove(struct put_job *j)
{
    struct puts *p = j->puts;
    struct put_job **at = &p->jobs;
    if (j->gone) return;
    job_stop(j);
    spread_stop(j);
    j->gone = true;
    while (*at != j) at = &(*at)->next;
    *at = j->next;
    p->n--;
    p->pending++; /* job_release takes one; the list's hold had none of the puts' */
    job_release(j);
}

/* Pumps every pour. An event of one may end its job. */
static void pump_all(struct puts *p)
{
    for (struct put_job *j = p->jobs; j && !p->dead;) {
        job_hold(j);
        if (j->pour) pour_pump(j->pour);
        struct put_job *next = j->gone ? p->jobs : j->next;
        job_release(j);
        j = next;
    }
}

static void on_hold(void *arg)
{
    struct puts *p = arg;
    p->pending++;
    pump_all(p);
    puts_turn(p);
    puts_release(p);
}

struct puts *puts_new(const struct put_env *env, put_event *event, void *arg)
{
    struct puts *p = calloc(1, sizeof *p);
    if (!p) return NULL;
    p->env = *env;
    p->event = event;
    p->arg = arg;
    p->next = 1;
    p->pending = 1;
    if (!hold_watch(env->hold, on_hold, p)) {
        free(p);
        return NULL;
    }
    return p;
}

void puts_free(struct puts *p)
{
    if (!p) return;
    hold_unwatch(p->env.hold, p);
    p->dead = true;
    while (p->jobs) job_remove(p->jobs);
    puts_release(p);
}

/* Its entry is in the feed, or nothing can keep it from getting there. */
static bool said(const struct puts *p, const struct put_job *j)
{
    return p->env.known(p->env.ctx, j->version) ||
           (p->env.queued && p->env.queued(p->env.ctx, j->version));
}

enum status puts_resume(struct puts *p)
{
    enum status st = put_rows_load(p);
    if (st != ST_OK) return st;
    for (struct put_job *j = p->jobs; j; j = j->next) {
        unsigned phase = j->sm.state;
        sm_init(&j->sm, &put_table, PUT_QUEUED);
        j->retry_ms = 0;
        if (phase == PUT_ENTERING || phase == PUT_SPREADING)
            j->sm.state = said(p, j) ? PUT_SPREADING : PUT_ENTERING;
        /* The manifest's segments are made anew: its bytes name where columns are. */
        if (j->sm.state == PUT_QUEUED && j->segs[1].n) {
            job_rows_drop(j, 1);
            segs_free(&j->segs[1]);
        }
        if (j->sm.state != PUT_QUEUED) j->done = j->size;
    }
    puts_turn(p);
    return ST_OK;
}

/* --- questions about a job ----------------------------------------------------------------- */

static uint64_t all_columns(const struct put_job *j)
{
    return j->code.n >= 64 ? UINT64_MAX : (UINT64_C(1) << j->code.n) - 1;
}

bool job_all_acked(const struct put_job *j)
{
    for (unsigned p = 0; p < PUT_PASSES; p++)
        for (size_t i = 0; i < j->segs[p].n; i++)
            if (j->segs[p].p[i].acked != all_columns(j)) return false;
    return true;
}

bool job_all_told(const struct put_job *j)
{
    for (unsigned p = 0; p < PUT_PASSES; p++)
        for (size_t i = 0; i < j->segs[p].n; i++)
            if (j->segs[p].p[i].moved) return false;
    return true;
}

/* Holders that may vanish, over all segments; -1: some segment is not readable yet. */
static int job_may_vanish(const struct put_job *j)
{
    int least = -2;
    uint16_t at[PLACE_COLUMNS_MAX];
    for (unsigned p = 0; p < PUT_PASSES; p++)
        for (size_t i = 0; i < j->segs[p].n; i++) {
            seg_acked_at(&j->segs[p].p[i], j->code.n, at);
            int may = place_may_vanish(at, j->code.n, j->code.k, NULL);
            if (least == -2 || may < least) least = may;
        }
    return least == -2 ? 0 : least;
}

bool job_safe(const struct put_job *j)
{
    if (j->strict || j->code.n == 1) return job_all_acked(j);
    struct hold_view view[HOLD_LEAVES_MAX];
    bool empty = !j->segs[0].n && !j->segs[1].n;
    /* With a profile like 4/4 no loss is ever survivable: then every column must be there. */
    if (hold_list(j->puts->env.hold, view) < 2 || j->code.k == j->code.n) return job_all_acked(j);
    return empty || job_may_vanish(j) >= 1 || job_all_acked(j);
}

bool job_readable(const struct put_job *j)
{
    return job_may_vanish(j) >= 0;
}

bool job_could_send(const struct put_job *j)
{
    for (unsigned p = 0; p < PUT_PASSES; p++)
        for (size_t i = 0; i < j->segs[p].n; i++)
            for (unsigned c = 0; c < j->code.n; c++)
                if (!(j->segs[p].p[i].acked >> c & 1) &&
                    hold_up(j->puts->env.hold, seg_at(&j->segs[p].p[i], c)))
                    return true;
    return false;
}

static bool member(const struct hold_view *view, size_t g, uint16_t leaf)
{
    for (size_t i = 0; i < g; i++)
        if (view[i].leaf == leaf) return true;
    return false;
}

void job_reassign(struct put_job *j)
{
    struct hold_view view[HOLD_LEAVES_MAX];
    size_t g = hold_list(j->puts->env.hold, view);
    if (!g) return;
    for (unsigned p = 0; p < PUT_PASSES; p++)
        for (size_t i = 0; i < j->segs[p].n; i++) {
            struct put_seg *s = &j->segs[p].p[i];
            for (unsigned c = 0; c < j->code.n; c++) {
                if (s->acked >> c & 1 || member(view, g, seg_at(s, c))) continue;
                unsigned least = UINT32_MAX;
                uint16_t to = view[0].leaf;
                for (size_t m = 0; m < g; m++) {
                    unsigned count = view[m].up ? 0 : 1;
                    for (unsigned o = 0; o < j->code.n; o++)
                        count += 2 * (o != c && seg_at(s, o) == view[m].leaf);
                    if (count < least) {
                        least = count;
                        to = view[m].leaf;
                    }
                }
                seg_set_at(s, c, to);
            }
        }
}

/* --- progress ------------------------------------------------------------------------------ */

/* Whether any segment lacks a column that is meant for leaf; *ret_any: it is meant for any. */
static bool leaf_lacks(const struct put_job *j, uint16_t leaf, bool *ret_any)
{
    bool lacks = false;
    *ret_any = false;
    for (unsigned p = 0; p < PUT_PASSES; p++)
        for (size_t i = j->segs[p].n > LOOK_BACK && j->sm.state == PUT_READING
                            ? j->segs[p].n - LOOK_BACK
                            : 0;
             i < j->segs[p].n && !lacks; i++)
            for (unsigned c = 0; c < j->code.n; c++)
                if (seg_at(&j->segs[p].p[i], c) == leaf) {
                    *ret_any = true;
                    if (!(j->segs[p].p[i].acked >> c & 1)) lacks = true;
                }
    return lacks;
}

static void progress(const struct put_job *j, struct put_progress *ret)
{
    struct hold_view view[HOLD_LEAVES_MAX];
    size_t g = hold_list(j->puts->env.hold, view);
    /* While it is read, nobody is promised anything yet: not worth a look at every segment. */
    int may = j->sm.state == PUT_READING ? 0 : job_may_vanish(j);
    *ret = (struct put_progress){.job = j->id,
                                 .phase = (enum put_phase)j->sm.state,
                                 .st = j->st,
                                 .size = j->size,
                                 .done = j->done,
                                 .saved = j->saved,
                                 .rate = j->rate,
                                 .eta_ms = UINT64_MAX,
                                 .code = j->code,
                                 .may_vanish = may > 0 ? (unsigned)may : 0,
                                 .path = buf_view(&j->path)};
    for (size_t i = 0; i < g; i++) {
        bool any;
        bool lacks = leaf_lacks(j, view[i].leaf, &any);
        ret->holders += any;
        ret->holders_done += any && !lacks;
    }
    if (j->rate && j->size >= j->done) ret->eta_ms = (j->size - j->done) * 1000 / j->rate;
    memcpy(ret->version, j->version, 32);
}

void job_tell(struct put_job *j)
{
    struct put_progress p;
    struct puts *puts = j->puts;
    if (puts->dead || puts->quiet || j->gone) return;
    j->told_ms = env_mono_ms(puts->env.env);
    progress(j, &p);
    puts->event(puts->arg, &p);
}

void job_move(struct put_job *j, enum put_phase phase)
{
    sm_move(&j->sm, phase);
    job_tell(j);
}

/* --- turns --------------------------------------------------------------------------------- */

void job_fail(struct put_job *j, enum status st)
{
    if (j->gone) return;
    /* Once it is in the tree only trying again is right. */
    if (j->sm.state == PUT_SPREADING || j->sm.state == PUT_DONE) {
        job_later(j);
        return;
    }
    struct puts *p = j->puts;
    env_log(p->env.env, ENV_WARN, "put", "put %llu failed: %s", (unsigned long long)j->id,
            status_text(st));
    job_stop(j);
    j->st = st;
    j->turn = false;
    job_hold(j);
    job_move(j, PUT_FAILED);
    if (!j->gone) {
        job_rows_drop(j, PUT_PASSES);
        job_remove(j);
    }
    job_release(j);
    puts_turn(p);
}

void job_later(struct put_job *j)
{
    j->backoff_ms = j->backoff_ms ? 2 * j->backoff_ms : PUT_RETRY_MS;
    if (j->backoff_ms > PUT_RETRY_MOST_MS) j->backoff_ms = PUT_RETRY_MOST_MS;
    j->retry_ms = env_mono_ms(j->puts->env.env) + j->backoff_ms;
    j->ups = puts_ups(j->puts);
}

uint64_t puts_ups(const struct puts *p)
{
    struct hold_view view[HOLD_LEAVES_MAX];
    size_t g = hold_list(p->env.hold, view);
    uint64_t sum = 0;
    for (size_t i = 0; i < g; i++)
        if (view[i].up) sum += (view[i].leaf + UINT64_C(1)) * UINT64_C(0x9E3779B97F4A7C15);
    return sum;
}

static void job_over(struct put_job *j)
{
    job_hold(j);
    job_move(j, PUT_DONE);
    if (!j->gone) {
        job_rows_drop(j, PUT_PASSES);
        job_remove(j);
    }
    job_release(j);
}

/* Whether no further job may begin: something large runs, or what cannot be told yet, or much. */
static bool occupied(const struct puts *p)
{
    unsigned n = 0;
    for (const struct put_job *j = p->jobs; j; j = j->next) {
        if (!j->turn) continue;
        bool small = j->stamped && !j->stream && j->size <= PUT_SMALL;
        if (!small || ++n == PUT_RUNNING_MAX) return true;
    }
    return false;
}

/* A put to the same path that was asked for earlier becomes a version earlier. */
static bool is_second(const struct put_job *j)
{
    for (const struct put_job *k = j->puts->jobs; k != j; k = k->next) {
        bool before = k->sm.state == PUT_QUEUED || k->sm.state == PUT_READING;
        if (before && bytes_same(buf_view(&k->path), buf_view(&j->path))) return true;
    }
    return false;
}

/* What this job can do now. */
static void job_step(struct put_job *j, uint64_t now)
{
    bool due = now >= j->retry_ms || j->ups != puts_ups(j->puts);
    switch ((enum put_phase)j->sm.state) {
    case PUT_QUEUED:
        if (!due || occupied(j->puts) || is_second(j)) break;
        if (j->stream && j->stamped) { /* what came through the pipe went with the last run */
            job_fail(j, ST_CLOSED);
            break;
        }
        job_run(j);
        break;
    case PUT_WAITING:
        if (!due || occupied(j->puts)) break;
        job_reassign(j);
        if (!job_could_send(j)) break;
        job_run(j);
        break;
    case PUT_ENTERING:
        if (due && !j->appending) job_enter(j);
        break;
    case PUT_SPREADING: spread_pump(j); break;
    default: break;
    }
}

void puts_turn(struct puts *p)
{
    if (p->inside || p->dead) return;
    p->inside = true;
    p->pending++;
    uint64_t now = env_mono_ms(p->env.env);
    /* A step may end its job: hold it, and go on from the next before it is let go. */
    for (struct put_job *j = p->jobs; j && !p->dead;) {
        job_hold(j);
        job_step(j, now);
        /* Not while its entry is still to be sent since before a restart: whoever puts to the same
         * path next asks the job what it replaces. */
        if (!j->gone && j->sm.state == PUT_SPREADING && !j->spread && !j->appending &&
            job_all_acked(j) && job_all_told(j) &&
            !(p->env.queued && p->env.queued(p->env.ctx, j->version)))
            job_over(j);
        struct put_job *next = j->gone ? p->jobs : j->next;
        job_release(j);
        j = next;
    }
    p->inside = false;
    puts_release(p);
}

/* --- the public calls ---------------------------------------------------------------------- */

static struct put_job *job_find(const struct puts *p, uint64_t id)
{
    struct put_job *j = p->jobs;
    while (j && j->id != id) j = j->next;
    return j;
}

static void on_new_saved(struct put_job *j, enum status st)
{
    if (st == ST_OK)
        puts_turn(j->puts);
    else
        job_fail(j, st);
}

enum status put_start(struct puts *p, const struct put_request *r, uint64_t *ret_job)
{
    if (p->n >= PUT_JOBS_MAX) return ST_BUSY;
    if (!r->source[0] || strlen(r->source) > PUT_PATH_MAX || tree_path_check(r->path) != ST_OK)
        return ST_USAGE;
    if ((r->code.k || r->code.n) &&
        (r->code.k < 1 || r->code.k > r->code.n || r->code.n > PLACE_COLUMNS_MAX))
        return ST_USAGE;
    struct put_job *j = job_new(p, p->next);
    if (!j) return ST_NO_MEMORY;
    sm_init(&j->sm, &put_table, PUT_QUEUED);
    j->source = strdup(r->source);
    buf_bytes(&j->path, r->path);
    memcpy(j->base, r->base, 32);
    j->asked = r->code;
    j->strict = r->strict;
    j->stream = r->stream;
    j->most = r->most;
    if (!j->source || buf_status(&j->path) != ST_OK) {
        job_free(j);
        return ST_NO_MEMORY;
    }
    struct put_job **at = &p->jobs;
    for (; *at; at = &(*at)->next) {
        const struct put_job *k = *at;
        /* Its version is on the way into the tree: that is what the new one replaces. */
        bool way = k->sm.state == PUT_ENTERING || k->sm.state == PUT_SPREADING;
        if (way && bytes_same(buf_view(&k->path), r->path) && !p->env.known(p->env.ctx, k->version))
            memcpy(j->base, k->version, 32);
    }
    *at = j;
    p->n++;
    *ret_job = p->next++;
    p->quiet = true; /* no event inside this call */
    job_save(j, on_new_saved);
    p->quiet = false;
    return job_find(p, *ret_job) ? ST_OK : ST_IO;
}

enum status put_cancel(struct puts *p, uint64_t id)
{
    struct put_job *j = job_find(p, id);
    if (!j) return ST_NOT_FOUND;
    job_rows_drop(j, PUT_PASSES);
    job_remove(j);
    puts_turn(p);
    return ST_OK;
}

enum status put_look(const struct puts *p, uint64_t id, struct put_progress *ret)
{
    const struct put_job *j = job_find(p, id);
    if (!j) return ST_NOT_FOUND;
    progress(j, ret);
    return ST_OK;
}

void puts_each(const struct puts *p, bool (*visit)(void *arg, const struct put_progress *p),
               void *arg)
{
    for (const struct put_job *j = p->jobs; j; j = j->next) {
        struct put_progress now;
        progress(j, &now);
        if (!visit(arg, &now)) return;
    }
}

/* Holders that come or go are told of (hold_watch), so a job that waits for them need not look. */
static uint64_t job_next(const struct put_job *j, uint64_t now)
{
    bool between = !j->spread && !j->spread_pass && !j->spread_seg;
    uint64_t retry = j->retry_ms > now ? j->retry_ms : now + PUT_TICK_MS;
    switch ((enum put_phase)j->sm.state) {
    case PUT_QUEUED: return retry;
    case PUT_WAITING: return j->retry_ms > now ? j->retry_ms : now + PUT_RETRY_MOST_MS;
    case PUT_ENTERING: return j->appending ? now + PUT_RETRY_MOST_MS : retry;
    case PUT_SPREADING: return between && !j->appending ? retry : now + PUT_TICK_MS;
    default: return now + PUT_TICK_MS;
    }
}

uint64_t puts_tick(struct puts *p)
{
    uint64_t now = env_mono_ms(p->env.env);
    for (struct put_job *j = p->jobs; j; j = j->next) {
        if (j->sm.state != PUT_READING || now < j->rate_ms + 1000) continue;
        uint64_t fresh =
            j->done > j->rate_at ? (j->done - j->rate_at) * 1000 / (now - j->rate_ms) : 0;
        j->rate = j->rate ? (j->rate + fresh) / 2 : fresh;
        j->rate_ms = now;
        j->rate_at = j->done;
    }
    p->pending++;
    pump_all(p);
    puts_turn(p);
    uint64_t next = UINT64_MAX;
    for (const struct put_job *j = p->jobs; j && !p->dead; j = j->next) {
        uint64_t at = job_next(j, now);
        if (at < next) next = at;
    }
    puts_release(p);
    return next;
}
