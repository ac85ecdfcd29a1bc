/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* From the source to the files feed: read and pour, seal the manifest, append. */
#include "core/files/segment.h"
#include "node/put/put_private.h"

#include <string.h>

static void pass_start(struct put_job *j, struct file *f);
static void manifest_make(struct put_job *j);

void job_stop(struct put_job *j)
{
    pour_free(j->pour);
    j->pour = NULL;
}

/* The source is not what it was: everything sealed so far is void, new keys, new segments. */
static void fresh(struct put_job *j)
{
    job_stop(j);
    if (j->stream || ++j->fresh_n > PUT_FRESH_MAX) {
        job_fail(j, j->stream ? ST_CLOSED : ST_CONFLICT);
        return;
    }
    env_log(j->puts->env.env, ENV_INFO, "put", "put %llu: the source changed, beginning anew",
            (unsigned long long)j->id);
    job_rows_drop(j, 0);
    job_rows_drop(j, 1);
    segs_free(&j->segs[0]);
    segs_free(&j->segs[1]);
    j->stamped = false;
    j->turn = false;
    job_later(j);
    job_move(j, PUT_QUEUED);
}

/* --- the row of a segment, then its commit ------------------------------------------------- */

void job_seg_written(struct put_job *j, unsigned pass, size_t i, enum status st)
{
    struct put_seg *s = &j->segs[pass].p[i];
    if (st != ST_OK) {
        job_fail(j, st);
        return;
    }
    bool go = s->go && pass == j->pass;
    s->go = false;
    if (go && j->pour) pour_go(j->pour, (uint32_t)i);
}

static void on_known(void *arg, uint32_t i, struct pour_segment *ret)
{
    const struct put_job *j = arg;
    const struct put_seg *s = &j->segs[j->pass].p[i];
    memset(ret, 0, sizeof *ret);
    memcpy(ret->id, s->id, 32);
    ret->rooted = true;
    ret->rows = s->rows;
    ret->size = s->size;
    ret->acked = s->acked;
    for (unsigned c = 0; c < j->code.n; c++) ret->at[c] = seg_at(s, c);
    memcpy(ret->roots, seg_roots(s, j->code.n), (size_t)j->code.n * 32);
}

static void on_coded(void *arg, uint32_t i, const struct pour_segment *seg)
{
    struct put_job *j = arg;
    struct put_segs *l = &j->segs[j->pass];
    if (i < l->n && l->p[i].rows) {
        pour_go(j->pour, i); /* written in an earlier run */
        return;
    }
    /* Segments may be coded out of order; the rows in front get their turn. */
    while (l->n <= i)
        if (!segs_add(l, j->code.n)) {
            job_fail(j, ST_NO_MEMORY);
            return;
        }
    struct put_seg *s = &l->p[i];
    memcpy(s->id, seg->id, 32);
    s->rows = seg->rows;
    s->size = seg->size;
    for (unsigned c = 0; c < j->code.n; c++) seg_set_at(s, c, seg->at[c]);
    memcpy(seg_roots(s, j->code.n), seg->roots, (size_t)j->code.n * 32);
    s->go = true;
    seg_save(j, j->pass, i);
}

static void on_acked(void *arg, uint32_t i, const struct pour_segment *seg)
{
    struct put_job *j = arg;
    struct put_seg *s = &j->segs[j->pass].p[i];
    s->acked = seg->acked;
    s->moved = true;
    seg_save(j, j->pass, i);
}

static void on_settled(void *arg, uint32_t i, const struct pour_segment *seg, uint64_t plain)
{
    struct put_job *j = arg;
    struct put_segs *l = &j->segs[j->pass];
    (void)seg;
    if (i >= l->n) return;
    l->p[i].settled = true;
    l->p[i].plain_end = plain;
    if (j->pass) return;
    for (size_t n = 0; n < l->n && l->p[n].settled; n++) j->done = l->p[n].plain_end;
    if (env_mono_ms(j->puts->env.env) - j->told_ms >= PUT_TELL_MS) job_tell(j);
}

static enum status on_chunk(void *arg, const struct manifest_chunk *c)
{
    struct put_job *j = arg;
    return manifest_add_chunk(&j->m[j->pass], c);
}

/* --- the end of a pass --------------------------------------------------------------------- */

static enum status table_fill(struct put_job *j, unsigned pass)
{
    struct manifest *m = &j->m[pass];
    for (size_t i = 0; i < j->segs[pass].n; i++) {
        const struct put_seg *s = &j->segs[pass].p[i];
        struct manifest_segment row;
        memset(&row, 0, sizeof row);
        memcpy(row.id, s->id, 32);
        segment_root(seg_roots(s, j->code.n), j->code.n, row.root);
        row.size = s->size;
        row.rows = s->rows;
        row.k = j->code.k;
        row.n = j->code.n;
        seg_acked_at(s, j->code.n, row.at);
        enum status st = manifest_add_segment(m, &row);
        if (st != ST_OK) return st;
    }
    return pass ? ST_OK : dedup_table(j);
}

static void wait_for_holders(struct put_job *j)
{
    if (j->stream) { /* it cannot be read again: what is readable is entered, and spreads from there */
        if (job_readable(j))
            manifest_make(j);
        else
            job_fail(j, ST_UNREACHABLE);
        return;
    }
    j->turn = false;
    job_later(j);
    job_move(j, PUT_WAITING);
    puts_turn(j->puts);
}

static void on_looked_again(void *arg, enum status st, struct file *f, const struct file_info *info)
{
    struct put_job *j = arg;
    (void)f;
    if (!j->gone && j->sm.state == PUT_READING) {
        if (st != ST_OK || info->size != j->size || info->mtime_ms != j->mtime_ms ||
            info->inode != j->inode)
            fresh(j);
        else if (!job_safe(j))
            wait_for_holders(j);
        else
            manifest_make(j);
    }
    job_release(j);
}

static void on_poured(void *arg, enum status st, uint64_t size, const uint8_t hash[32])
{
    struct put_job *j = arg;
    const struct put_env *env = &j->puts->env;
    struct manifest *m = &j->m[j->pass];
    job_stop(j);
    if (st == ST_CONFLICT) {
        fresh(j);
        return;
    }
    m->kind = j->pass ? MANIFEST_LIST : MANIFEST_FILE;
    m->size = size;
    m->mtime_ms = j->mtime_ms;
    m->mode = j->mode;
    memcpy(m->hash, hash, 32);
    if (st == ST_OK) st = table_fill(j, j->pass);
    if (st != ST_OK) {
        job_fail(j, st);
    } else if (j->pass || j->stream) {
        if (!j->pass) j->size = size;
        if (job_safe(j))
            manifest_make(j);
        else
            wait_for_holders(j);
    } else {
        job_hold(j);
        env->files.ops->info(env->files.ctx, j->source, on_looked_again, j);
    }
}

/* --- a pass -------------------------------------------------------------------------------- */

static void pass_start(struct put_job *j, struct file *f)
{
    static const struct pour_events events = {.known = on_known,
                                              .coded = on_coded,
                                              .acked = on_acked,
                                              .settled = on_settled,
                                              .found = dedup_found,
                                              .chunk = on_chunk,
                                              .done = on_poured};
    const struct put_env *env = &j->puts->env;
    struct put_segs *l = &j->segs[j->pass];
    size_t known = 0;
    uint64_t most = j->most ? j->most : UINT64_MAX;
    while (known < l->n && l->p[known].rows) l->p[known++].settled = false;
    struct pour_config c = {.env = env->env,
                            .work = env->work,
                            .files = env->files.ops,
                            .hold = env->hold,
                            .file = f,
                            .memory = f ? BYTES_NONE : buf_view(&j->inner),
                            .stream = f && j->stream,
                            .size = !f          ? j->inner.n
                                    : j->stream ? most
                                                : j->size,
                            .code = j->code,
                            .keys = &j->secret->keys,
                            .first_chunk = f ? 0 : PUT_CHUNK_MANIFEST,
                            .known_n = known,
                            .events = &events,
                            .arg = j};
    manifest_free(&j->m[j->pass]);
    if (!j->pass) dedup_start(j);
    j->pour = pour_new(&c);
    if (j->pour) return;
    if (f) env->files.ops->close(f);
    job_fail(j, ST_NO_MEMORY);
}

static enum status stamp(struct put_job *j, const struct file_info *info)
{
    const struct put_env *env = &j->puts->env;
    struct pour_keys *k = &j->secret->keys;
    struct hold_view view[HOLD_LEAVES_MAX];
    struct put_keys now;
    enum status st = env->keys(env->ctx, &now);
    if (st != ST_OK) return st;
    env_random(env->env, k->chunk.cek, sizeof k->chunk.cek);
    memcpy(k->chunk.dedup, now.dedup, 32);
    memcpy(k->placement, now.placement, 32);
    k->chunk.convergent = now.convergent;
    bytes_wipe(&now, sizeof now);
    j->code = j->asked.n ? j->asked : place_balanced(hold_list(env->hold, view));
    j->size = info->size; /* 0 of a pipe */
    j->mtime_ms = info->mtime_ms;
    j->inode = info->inode;
    j->mode = info->mode;
    j->stamped = true;
    return ST_OK;
}

static void on_stamped(struct put_job *j, enum status st)
{
    if (st != ST_OK) job_fail(j, st);
}

static void on_opened(void *arg, enum status st, struct file *f, const struct file_info *info)
{
    struct put_job *j = arg;
    const struct put_env *env = &j->puts->env;
    if (j->gone || j->sm.state != PUT_READING) {
        if (st == ST_OK) env->files.ops->close(f);
    } else if (st != ST_OK) {
        job_fail(j, st);
    } else if (info->stream != j->stream) {
        env->files.ops->close(f);
        job_fail(j, ST_USAGE);
    } else if (j->stamped && (info->size != j->size || info->mtime_ms != j->mtime_ms ||
                              info->inode != j->inode)) {
        env->files.ops->close(f);
        fresh(j);
    } else {
        bool first = !j->stamped;
        if (first) st = stamp(j, info);
        if (st != ST_OK) {
            env->files.ops->close(f);
            job_fail(j, st);
        } else {
            /* The row goes to disk before any row of a segment does: commits keep their order. */
            if (first) job_save(j, on_stamped);
            if (j->gone)
                env->files.ops->close(f);
            else
                pass_start(j, f);
            puts_turn(j->puts); /* if it is small, it leaves room for another */
        }
    }
    job_release(j);
}

void job_run(struct put_job *j)
{
    const struct put_env *env = &j->puts->env;
    j->turn = true;
    j->pass = 0;
    j->done = 0;
    j->rate_at = 0;
    j->rate_ms = env_mono_ms(env->env);
    job_hold(j);
    job_move(j, PUT_READING);
    if (j->gone) {
        job_release(j);
        return;
    }
    env->files.ops->open_read(env->files.ctx, j->source, on_opened, j);
}

/* --- the manifest -------------------------------------------------------------------------- */

static enum status seal(struct put_job *j, const struct manifest *m)
{
    uint8_t nonce[XAEAD_NONCE];
    struct buf plain;
    buf_init(&plain, MANIFEST_INLINE);
    enum status st = manifest_encode(m, &plain);
    env_random(j->puts->env.env, nonce, sizeof nonce);
    buf_clear(&j->sealed);
    if (st == ST_OK)
        st = manifest_seal(j->secret->keys.chunk.cek, nonce, buf_view(&plain), &j->sealed,
                           j->version);
    buf_free(&plain);
    return st;
}

static void on_ready_saved(struct put_job *j, enum status st)
{
    if (st != ST_OK) {
        job_fail(j, st);
        return;
    }
    j->appending = false;
    job_tell(j);
    job_enter(j);
}

/* A later put to the same path replaces this version, not the one that was there when it was asked
 * for: nobody is in conflict with himself. */
static void precede_later(const struct put_job *j)
{
    for (struct put_job *k = j->next; k; k = k->next) {
        bool before =
            k->sm.state == PUT_QUEUED || k->sm.state == PUT_READING || k->sm.state == PUT_WAITING;
        if (k->gone || !before || !bytes_same(buf_view(&k->path), buf_view(&j->path))) continue;
        memcpy(k->base, j->version, 32);
        job_save(k, NULL);
    }
}

static void manifest_make(struct put_job *j)
{
    const struct put_env *env = &j->puts->env;
    struct put_keys now;
    enum status st = seal(j, &j->m[j->pass]);
    if (st == ST_TOO_BIG && j->pass == 0) {
        /* Too large for an entry: it gets segments of its own, and the entry lists those. */
        buf_clear(&j->inner);
        st = manifest_encode(&j->m[0], &j->inner);
        if (st == ST_OK) {
            j->pass = 1;
            if (j->segs[1].n) job_rows_drop(j, 1);
            segs_free(&j->segs[1]);
            pass_start(j, NULL);
            return;
        }
    }
    if (st == ST_OK) st = env->keys(env->ctx, &now);
    if (st != ST_OK) {
        job_fail(j, st);
        return;
    }
    uint8_t nonce[XAEAD_NONCE];
    env_random(env->env, nonce, sizeof nonce);
    j->epoch = now.epoch;
    cek_wrap(now.file_kek, nonce, j->version, now.epoch, j->secret->keys.chunk.cek, j->wrap);
    bytes_wipe(&now, sizeof now);
    buf_free(&j->inner);
    if (env->made && j->secret->keys.chunk.convergent) env->made(env->ctx, &j->m[0]);
    manifest_free(&j->m[0]);
    manifest_free(&j->m[1]);
    j->done = j->size;
    j->turn = false;
    j->entry_pass = 0;
    j->entry_seg = 0;
    j->entry_last = false;
    sm_move(&j->sm, PUT_ENTERING);
    j->appending = true; /* not before its row is on disk */
    job_save(j, on_ready_saved);
    precede_later(j);
    puts_turn(j->puts);
}

/* --- into the files feed ------------------------------------------------------------------- */

static void row_of(const struct put_job *j, const struct put_seg *s, struct tree_segment *ret)
{
    memset(ret, 0, sizeof *ret);
    memcpy(ret->id, s->id, 32);
    memcpy(ret->version, j->version, 32);
    segment_root(seg_roots(s, j->code.n), j->code.n, ret->root);
    ret->rows = s->rows;
    ret->k = j->code.k;
    ret->n = j->code.n;
    seg_acked_at(s, j->code.n, ret->at);
}

/* Fills the entry with placements from the cursor on. true: all of them are in. */
static bool entry_placed(struct put_job *j, enum status *st)
{
    for (; j->entry_pass < PUT_PASSES; j->entry_pass++, j->entry_seg = 0)
        for (; j->entry_seg < j->segs[j->entry_pass].n; j->entry_seg++) {
            struct put_seg *s = &j->segs[j->entry_pass].p[j->entry_seg];
            struct tree_segment row;
            if (!s->moved) continue;
            row_of(j, s, &row);
            *st = tree_add_placed(&j->entry, &row);
            if (*st != ST_OK) {
                if (*st == ST_TOO_BIG) *st = ST_OK;
                return false;
            }
            s->moved = false;
        }
    return true;
}

static void on_appended(void *arg, enum status st, uint64_t index)
{
    struct put_job *j = arg;
    const struct put_env *env = &j->puts->env;
    (void)index;
    j->appending = false;
    /* What was said before a crash came through after all, and this is its repetition. */
    if (st == ST_CONFLICT && !j->gone && j->sm.state == PUT_ENTERING && j->entry_last &&
        env->known(env->ctx, j->version))
        st = ST_OK;
    bool gone = st == ST_CONFLICT && j->sm.state == PUT_ENTERING && j->uses.n && !j->whole;
    if (!j->gone) {
        if (gone) { /* a segment that it refers to was let go meanwhile */
            j->whole = true;
            fresh(j);
        } else if (st != ST_OK && status_class(st) != STATUS_TRANSIENT) {
            job_fail(j, st);
        } else if (st != ST_OK) {
            /* The same again: a row that comes twice changes nothing. */
            for (unsigned p = 0; p < PUT_PASSES; p++)
                for (size_t i = 0; i < j->segs[p].n; i++) j->segs[p].p[i].moved = true;
            j->entry_pass = j->entry_seg = 0;
            j->entry_last = false;
            job_later(j);
        } else if (!j->entry_last) {
            job_enter(j);
        } else if (j->sm.state == PUT_ENTERING) {
            j->retry_ms = 0;
            j->backoff_ms = 0;
            sm_move(&j->sm, PUT_SPREADING);
            job_save(j, NULL);
            job_tell(j);
            puts_turn(j->puts);
        } else {
            puts_turn(j->puts);
        }
    }
    job_release(j);
}

/* Appends what is to be said next: placements, and with the last of them the file itself. In
 * PUT_SPREADING only placements. */
void job_enter(struct put_job *j)
{
    const struct put_env *env = &j->puts->env;
    enum status st = ST_OK;
    if (j->appending) return;
    if (!j->entry_pass && !j->entry_seg) j->entry_last = false;
    tree_body_start(&j->entry);
    bool all = entry_placed(j, &st);
    uint8_t type = TREE_PLACED;
    if (st == ST_OK && all && j->sm.state == PUT_ENTERING) {
        struct tree_file f = {.size = j->size,
                              .mtime_ms = j->mtime_ms,
                              .mode = j->mode,
                              .epoch = j->epoch,
                              .manifest = buf_view(&j->sealed),
                              .uses = buf_view(&j->uses)};
        memcpy(f.version, j->version, 32);
        memcpy(f.wrap, j->wrap, TREE_WRAP);
        st = tree_add_put(&j->entry, buf_view(&j->path), j->base, &f);
        if (st == ST_OK) type = TREE_OP;
        if (st == ST_TOO_BIG) { /* next entry */
            st = ST_OK;
            all = false;
        }
    }
    if (st != ST_OK) {
        job_fail(j, st);
        return;
    }
    j->entry_last = all;
    j->appending = true;
    job_hold(j);
    env->append(env->ctx, type, buf_view(&j->entry), on_appended, j);
}
