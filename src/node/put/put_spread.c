/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* After the file is in the tree: the columns that are still missing are made again, a segment at a
 * time (node/repair/remake), and sent to the holders they were meant for. */
#include "core/files/segment.h"
#include "node/put/put_private.h"
#include "node/repair/remake.h"

#include <stdlib.h>
#include <string.h>

struct put_spread {
    struct put_job *j;
    unsigned pass;
    size_t seg;
    struct remake *remake;
};

void spread_stop(struct put_job *j)
{
    struct put_spread *s = j->spread;
    if (!s) return;
    j->spread = NULL;
    remake_free(s->remake);
    free(s);
    job_release(j);
}

static void on_sent(void *arg, uint8_t index, uint16_t holder)
{
    struct put_spread *s = arg;
    struct put_job *j = s->j;
    struct put_seg *seg = &j->segs[s->pass].p[s->seg];
    (void)holder;
    seg->acked |= UINT64_C(1) << index;
    seg->moved = true;
    j->backoff_ms = 0;
    seg_save(j, s->pass, s->seg);
    if (env_mono_ms(j->puts->env.env) - j->told_ms >= PUT_TELL_MS) job_tell(j);
}

static void on_bad(void *arg, uint16_t holder, uint8_t index, enum status why)
{
    const struct put_spread *s = arg;
    env_log(s->j->puts->env.env, ENV_WARN, "put", "shard %u at leaf %u is bad: %s", index, holder,
            status_text(why));
}

/* The segment is done with, for now; the next one that can be helped. */
static void on_done(void *arg, enum status st)
{
    struct put_spread *s = arg;
    struct put_job *j = s->j;
    struct puts *p = j->puts;
    (void)st;
    j->spread_seg++;
    spread_stop(j);
    puts_turn(p);
}

/* The columns of a segment that could be sent now. */
static unsigned lacking(const struct put_job *j, const struct put_seg *seg, struct remake_want *w)
{
    w->m = 0;
    for (unsigned c = 0; c < j->code.n; c++) {
        if (seg->acked >> c & 1 || !hold_up(j->puts->env.hold, seg_at(seg, c))) continue;
        w->index[w->m] = (uint8_t)c;
        w->to[w->m++] = seg_at(seg, c);
    }
    return w->m;
}

static void start(struct put_job *j, struct remake_want *w)
{
    const struct put_seg *seg = &j->segs[j->spread_pass].p[j->spread_seg];
    const struct put_env *env = &j->puts->env;
    struct put_spread *s = calloc(1, sizeof *s);
    if (!s) {
        job_later(j);
        return;
    }
    *s = (struct put_spread){.j = j, .pass = (unsigned)j->spread_pass, .seg = j->spread_seg};
    w->k = j->code.k;
    w->n = j->code.n;
    w->rows = seg->rows;
    w->roots = seg_roots(seg, j->code.n);
    w->size = seg->size;
    memcpy(w->id, seg->id, 32);
    segment_root(w->roots, w->n, w->root);
    seg_acked_at(seg, j->code.n, w->at);
    struct remake_config rc = {.env = env->env,
                               .work = env->work,
                               .hold = env->hold,
                               .want = *w,
                               .bad = on_bad,
                               .sent = on_sent,
                               .done = on_done,
                               .arg = s};
    s->remake = remake_new(&rc);
    if (!s->remake) {
        free(s);
        job_later(j);
        return;
    }
    job_hold(j);
    j->spread = s;
}

void spread_pump(struct put_job *j)
{
    struct remake_want want = {0};
    if (j->spread) {
        remake_pump(j->spread->remake);
        return;
    }
    if (j->appending) return;
    uint64_t now = env_mono_ms(j->puts->env.env);
    if (!j->spread_pass && !j->spread_seg) {
        if (now < j->retry_ms && j->ups == puts_ups(j->puts)) return;
        job_reassign(j);
    }
    for (; j->spread_pass < PUT_PASSES; j->spread_pass++, j->spread_seg = 0)
        for (; j->spread_seg < j->segs[j->spread_pass].n; j->spread_seg++) {
            if (!lacking(j, &j->segs[j->spread_pass].p[j->spread_seg], &want)) continue;
            start(j, &want);
            return;
        }
    /* A round is over: tell where columns are now, and look again later. */
    j->spread_pass = j->spread_seg = 0;
    j->entry_pass = j->entry_seg = 0;
    job_later(j);
    if (!job_all_told(j)) job_enter(j);
}
