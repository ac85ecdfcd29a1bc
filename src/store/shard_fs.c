/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "store/shard_fs.h"

#include "base/encode.h"
#include "store/shard_path.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BATCH_MAX 256
#define OPEN_TRIES 8

struct shard_put {
    struct shard_fs *fs;
    struct shard_key key;
    uint8_t header[SHARD_HEADER];
    uint64_t number; /* of the temporary name */
    uv_mutex_t lock; /* fd and st, between workers that append side by side */
    int fd;
    enum status st;
    unsigned running; /* appends; loop thread */
    bool abandoned;
    uint32_t rows;
    uint8_t trailer[SHARD_TRAILER_MAX];
    size_t trailer_len;
    bool there;   /* a file of that name was counted before, */
    uint64_t old; /* with so many bytes */
    shard_done *done;
    void *arg;
    struct shard_put *next; /* waits for its batch */
};

struct shard_fs {
    uv_loop_t *loop;
    char *dir;
    uint64_t floor;
    struct shard_space space;
    uint64_t number;
    size_t running; /* tasks */
    bool committing;
    struct shard_put *first; /* commits that wait */
    struct shard_put **last;
    bool closing;
    void (*closed)(void *arg);
    void *closed_arg;
};

struct found {
    struct shard_key key;
    uint64_t bytes;
    uint64_t stored_ms;
};

struct task {
    uv_work_t req;
    struct shard_fs *fs;
    void (*finish)(struct task *t); /* loop thread */
    enum status st;
    struct shard_key key;
    uint64_t free;  /* result of a look at the disk, 0: none taken */
    uint64_t bytes; /* dropped */
    struct shard_put *put;
    uint32_t row;
    const uint8_t *unit;
    uint64_t offset;
    uint8_t *to;
    size_t n;
    uint64_t bitmap;
    struct shard_info info;
    struct found *found;
    size_t found_n;
    struct shard_put *batch[BATCH_MAX];
    size_t batch_n;
    union {
        shard_done *done;
        shard_told *told;
        shard_had *had;
    } call;
    shard_visit *visit;
    void *arg;
};

static void maybe_closed(struct shard_fs *fs)
{
    if (!fs->closing || fs->running || fs->committing || fs->first) return;
    void (*closed)(void *) = fs->closed;
    void *arg = fs->closed_arg;
    free(fs->dir);
    free(fs);
    if (closed) closed(arg);
}

static void task_after(uv_work_t *req, int cancelled)
{
    struct task *t = req->data;
    struct shard_fs *fs = t->fs;
    (void)cancelled; /* nothing here is ever cancelled */
    if (t->free) fs->space.free = t->free;
    t->finish(t);
    free(t->found);
    free(t);
    fs->running--;
    maybe_closed(fs);
}

/* Runs on the loop at once when a task cannot even be made: memory for it is small, so this is the
 * end of the line anyway; the caller's done must still come, and not inside the call. */
static struct task *task_new(struct shard_fs *fs, void (*finish)(struct task *))
{
    struct task *t = calloc(1, sizeof *t);
    if (!t) abort();
    t->fs = fs;
    t->finish = finish;
    t->req.data = t;
    return t;
}

static void task_go(struct task *t, uv_work_cb run)
{
    t->fs->running++;
    uv_queue_work(t->fs->loop, &t->req, run, task_after);
}

static void finish_done(struct task *t)
{
    if (t->call.done) t->call.done(t->arg, t->st);
}

/* --- writing ------------------------------------------------------------------------------- */

static struct shard_put *fs_begin(void *ctx, const struct shard_key *key,
                                  const uint8_t header[SHARD_HEADER])
{
    struct shard_fs *fs = ctx;
    struct shard_put *p = calloc(1, sizeof *p);
    if (!p) return NULL;
    if (uv_mutex_init(&p->lock) != 0) {
        free(p);
        return NULL;
    }
    p->fs = fs;
    p->key = *key;
    memcpy(p->header, header, SHARD_HEADER);
    p->number = ++fs->number;
    p->fd = -1;
    return p;
}

/* Directory and file; a drop may take the empty directory away in between, so again. */
static enum status make_file(struct shard_put *p, const char *path)
{
    enum status st = ST_BUG;
    for (int i = 0; i < OPEN_TRIES; i++) {
        st = shard_path_parents(p->fs->dir, &p->key);
        if (st == ST_OK) {
            p->fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
            if (p->fd >= 0) return ST_OK;
            st = shard_errno(errno);
        }
        if (st != ST_NOT_FOUND) break;
    }
    return st;
}

/* Opens the temporary file at the first need. Called with the lock held, on a worker. */
static void put_file(struct shard_put *p, uint64_t *ret_free)
{
    if (p->fd >= 0 || p->st != ST_OK) return;
    char path[SHARD_PATH_MAX];
    p->st = shard_path_temp(p->fs->dir, &p->key, p->number, path);
    if (p->st == ST_OK) p->st = shard_path_room(p->fs->dir, p->fs->floor, ret_free);
    if (p->st == ST_OK) p->st = make_file(p, path);
    if (p->st == ST_OK) p->st = shard_write_all(p->fd, p->header, SHARD_HEADER, 0);
}

static void append_run(uv_work_t *req)
{
    struct task *t = req->data;
    struct shard_put *p = t->put;
    uv_mutex_lock(&p->lock);
    put_file(p, &t->free);
    t->st = p->st;
    int fd = p->fd;
    uv_mutex_unlock(&p->lock);
    if (t->st != ST_OK) return;
    t->st = shard_write_all(fd, t->unit, SHARD_UNIT, SHARD_HEADER + (uint64_t)t->row * SHARD_UNIT);
    if (t->st == ST_OK) return;
    uv_mutex_lock(&p->lock);
    p->st = t->st;
    uv_mutex_unlock(&p->lock);
}

static void put_free(struct shard_put *p)
{
    uv_mutex_destroy(&p->lock);
    free(p);
}

static void discard_run(uv_work_t *req)
{
    struct task *t = req->data;
    char path[SHARD_PATH_MAX];
    if (t->put->fd < 0) return;
    close(t->put->fd);
    if (shard_path_temp(t->fs->dir, &t->put->key, t->put->number, path) == ST_OK) unlink(path);
    shard_path_prune(t->fs->dir, &t->put->key);
}

static void discard_finish(struct task *t)
{
    put_free(t->put);
}

static void discard(struct shard_put *p)
{
    struct task *t = task_new(p->fs, discard_finish);
    t->put = p;
    task_go(t, discard_run);
}

static void append_finish(struct task *t)
{
    struct shard_put *p = t->put;
    p->running--;
    bool last = p->abandoned && !p->running;
    if (t->call.done) t->call.done(t->arg, t->st);
    /* After an abandon inside done, running was 0 already and abandon itself discarded. */
    if (last) discard(p);
}

static void fs_append(struct shard_put *p, uint32_t row, const uint8_t *unit, shard_done *done,
                      void *arg)
{
    struct task *t = task_new(p->fs, append_finish);
    t->put = p;
    t->row = row;
    t->unit = unit;
    t->call.done = done;
    t->arg = arg;
    p->running++;
    task_go(t, append_run);
}

static void fs_abandon(struct shard_put *p)
{
    p->abandoned = true;
    if (!p->running) discard(p);
}

/* --- commit: a batch at a time --------------------------------------------------------------- */

static void batch_start(struct shard_fs *fs);

/* A shard of that name is there: fine if it is the same one, and its bytes may have rotted: the new
 * ones, which were verified, take their place. */
static enum status already(struct shard_put *p, const char *path)
{
    struct shard_info info;
    enum status st = shard_file_info(path, &info);
    if (st == ST_NOT_FOUND) return ST_NOT_FOUND;
    if (st != ST_OK) return st == ST_INTEGRITY ? ST_NOT_FOUND : st; /* a wreck may be replaced */
    bool same = info.units == p->rows && info.trailer_len == p->trailer_len &&
                memcmp(info.trailer, p->trailer, p->trailer_len) == 0 &&
                memcmp(info.header, p->header, SHARD_HEADER) == 0;
    return same ? ST_OK : ST_EXISTS;
}

static void commit_write(struct shard_put *p, uint64_t *ret_free)
{
    struct stat s;
    uint64_t end = SHARD_HEADER + (uint64_t)p->rows * SHARD_UNIT;
    put_file(p, ret_free);
    if (p->st == ST_OK) p->st = shard_write_all(p->fd, p->trailer, p->trailer_len, end);
    if (p->st != ST_OK) return;
    if (fstat(p->fd, &s) != 0)
        p->st = ST_IO;
    else if ((uint64_t)s.st_size != end + p->trailer_len)
        p->st = ST_BUG; /* a unit beyond the rows told */
    else
        sync_file_range(p->fd, 0, 0, SYNC_FILE_RANGE_WRITE); /* all start before one is awaited */
}

static void commit_rename(struct shard_put *p)
{
    char from[SHARD_PATH_MAX];
    char to[SHARD_PATH_MAX];
    p->st = shard_path_temp(p->fs->dir, &p->key, p->number, from);
    if (p->st == ST_OK) p->st = shard_path(p->fs->dir, &p->key, to);
    if (p->st != ST_OK) return;
    struct stat s;
    p->st = already(p, to);
    p->there = stat(to, &s) == 0;
    p->old = p->there ? (uint64_t)s.st_size : 0;
    /* The same one again takes its place all the same: the units of the old one may have rotted,
     * and these here were verified. */
    if (p->st == ST_OK || p->st == ST_NOT_FOUND)
        p->st = rename(from, to) == 0 ? ST_OK : shard_errno(errno);
}

static void batch_run(uv_work_t *req)
{
    struct task *t = req->data;
    for (size_t i = 0; i < t->batch_n; i++) commit_write(t->batch[i], &t->free);
    for (size_t i = 0; i < t->batch_n; i++) {
        struct shard_put *p = t->batch[i];
        if (p->st == ST_OK && fdatasync(p->fd) != 0) p->st = shard_errno(errno);
    }
    for (size_t i = 0; i < t->batch_n; i++) {
        struct shard_put *p = t->batch[i];
        if (p->st == ST_OK) commit_rename(p);
    }
    /* One fsync for each directory; puts of one segment and tag share theirs. */
    for (size_t i = 0; i < t->batch_n; i++) {
        struct shard_put *p = t->batch[i];
        if (p->st != ST_OK || p->number == 0) continue;
        enum status st = shard_dir_sync(t->fs->dir, &p->key);
        for (size_t j = i; j < t->batch_n; j++) {
            struct shard_put *q = t->batch[j];
            if (!shard_same_dir(&p->key, &q->key)) continue;
            if (q->st != ST_OK) continue;
            q->st = st;
            if (j != i) q->number = 0; /* seen; its temporary name is gone */
        }
    }
    for (size_t i = 0; i < t->batch_n; i++) {
        struct shard_put *p = t->batch[i];
        char path[SHARD_PATH_MAX];
        if (p->fd >= 0) close(p->fd);
        if (p->st != ST_OK && p->number &&
            shard_path_temp(t->fs->dir, &p->key, p->number, path) == ST_OK)
            unlink(path);
    }
}

static void batch_finish(struct task *t)
{
    struct shard_fs *fs = t->fs;
    fs->committing = false;
    for (size_t i = 0; i < t->batch_n; i++) {
        struct shard_put *p = t->batch[i];
        if (p->st != ST_OK) continue;
        if (!p->there) fs->space.count++;
        fs->space.used += SHARD_HEADER + (uint64_t)p->rows * SHARD_UNIT + p->trailer_len - p->old;
    }
    if (fs->first) batch_start(fs);
    for (size_t i = 0; i < t->batch_n; i++) {
        struct shard_put *p = t->batch[i];
        if (p->done) p->done(p->arg, p->st);
        put_free(p);
    }
}

static void batch_start(struct shard_fs *fs)
{
    struct task *t = task_new(fs, batch_finish);
    size_t bytes = 0;
    while (fs->first && t->batch_n < BATCH_MAX && bytes < SHARD_BATCH_BYTES) {
        struct shard_put *p = fs->first;
        fs->first = p->next;
        if (!fs->first) fs->last = &fs->first;
        bytes += p->rows * SHARD_UNIT;
        t->batch[t->batch_n++] = p;
    }
    fs->committing = true;
    task_go(t, batch_run);
}

static void fs_commit(struct shard_put *p, uint32_t rows, struct bytes trailer, shard_done *done,
                      void *arg)
{
    struct shard_fs *fs = p->fs;
    p->rows = rows;
    p->done = done;
    p->arg = arg;
    if (p->running || rows < 1 || rows > SHARD_UNITS_MAX || trailer.n < SHARD_TRAILER_MIN ||
        trailer.n > SHARD_TRAILER_MAX) {
        p->st = ST_BUG;
        trailer.n = 0;
    }
    if (trailer.n) memcpy(p->trailer, trailer.p, trailer.n);
    p->trailer_len = trailer.n;
    *fs->last = p;
    fs->last = &p->next;
    if (!fs->committing) batch_start(fs);
}

/* --- reading ------------------------------------------------------------------------------- */

static void read_run(uv_work_t *req)
{
    struct task *t = req->data;
    char path[SHARD_PATH_MAX];
    t->st = shard_path(t->fs->dir, &t->key, path);
    if (t->st == ST_OK) t->st = shard_file_read(path, t->offset, t->to, t->n);
}

static void fs_read(void *ctx, const struct shard_key *key, uint64_t offset, uint8_t *to, size_t n,
                    shard_done *done, void *arg)
{
    struct task *t = task_new(ctx, finish_done);
    t->key = *key;
    t->offset = offset;
    t->to = to;
    t->n = n;
    t->call.done = done;
    t->arg = arg;
    task_go(t, read_run);
}

static void info_run(uv_work_t *req)
{
    struct task *t = req->data;
    char path[SHARD_PATH_MAX];
    t->st = shard_path(t->fs->dir, &t->key, path);
    if (t->st == ST_OK) t->st = shard_file_info(path, &t->info);
}

static void info_finish(struct task *t)
{
    t->call.told(t->arg, t->st, t->st == ST_OK ? &t->info : NULL);
}

static void fs_info(void *ctx, const struct shard_key *key, shard_told *done, void *arg)
{
    struct task *t = task_new(ctx, info_finish);
    t->key = *key;
    t->call.told = done;
    t->arg = arg;
    task_go(t, info_run);
}

static void have_run(uv_work_t *req)
{
    struct task *t = req->data;
    char path[SHARD_PATH_MAX];
    for (unsigned i = 0; i < SHARD_COLUMNS_MAX && t->st == ST_OK; i++) {
        t->key.index = (uint8_t)i;
        t->st = shard_path(t->fs->dir, &t->key, path);
        if (t->st == ST_OK && access(path, F_OK) == 0) t->bitmap |= UINT64_C(1) << i;
    }
}

static void have_finish(struct task *t)
{
    t->call.had(t->arg, t->st, t->bitmap);
}

static void fs_have(void *ctx, const uint8_t tag[SHARD_TAG], const uint8_t segment_id[SHARD_ID],
                    shard_had *done, void *arg)
{
    struct task *t = task_new(ctx, have_finish);
    memcpy(t->key.tag, tag, SHARD_TAG);
    memcpy(t->key.segment_id, segment_id, SHARD_ID);
    t->call.had = done;
    t->arg = arg;
    task_go(t, have_run);
}

static void drop_run(uv_work_t *req)
{
    struct task *t = req->data;
    char path[SHARD_PATH_MAX];
    struct stat s;
    t->st = shard_path(t->fs->dir, &t->key, path);
    if (t->st != ST_OK) return;
    if (stat(path, &s) != 0 || unlink(path) != 0) {
        t->st = shard_errno(errno);
        return;
    }
    t->bytes = (uint64_t)s.st_size;
    t->st = shard_dir_sync(t->fs->dir, &t->key);
    if (t->st == ST_NOT_FOUND) t->st = ST_OK; /* another drop was first to find it empty */
    shard_path_prune(t->fs->dir, &t->key);
}

static void drop_finish(struct task *t)
{
    if (t->bytes) {
        t->fs->space.count--;
        t->fs->space.used -= t->bytes;
    }
    finish_done(t);
}

static void fs_drop(void *ctx, const struct shard_key *key, shard_done *done, void *arg)
{
    struct task *t = task_new(ctx, drop_finish);
    t->key = *key;
    t->call.done = done;
    t->arg = arg;
    task_go(t, drop_run);
}

static bool list_add(void *arg, const struct shard_key *key, uint64_t bytes, uint64_t stored_ms)
{
    struct task *t = arg;
    if ((t->found_n & (t->found_n - 1)) == 0) {
        size_t cap = t->found_n ? 2 * t->found_n : 1;
        struct found *more = realloc(t->found, cap * sizeof *more);
        if (!more) return false;
        t->found = more;
    }
    t->found[t->found_n++] = (struct found){*key, bytes, stored_ms};
    return true;
}

static void list_run(uv_work_t *req)
{
    struct task *t = req->data;
    t->st = shard_scan(t->fs->dir, t->key.tag, list_add, t);
}

static void list_finish(struct task *t)
{
    for (size_t i = 0; i < t->found_n; i++)
        t->visit(t->arg, &t->found[i].key, t->found[i].bytes, t->found[i].stored_ms);
    finish_done(t);
}

static void fs_list(void *ctx, const uint8_t tag[SHARD_TAG], shard_visit *visit, shard_done *done,
                    void *arg)
{
    struct task *t = task_new(ctx, list_finish);
    memcpy(t->key.tag, tag, SHARD_TAG);
    t->visit = visit;
    t->call.done = done;
    t->arg = arg;
    task_go(t, list_run);
}

static void fs_space(void *ctx, struct shard_space *ret)
{
    const struct shard_fs *fs = ctx;
    *ret = fs->space;
}

/* --- open and close ------------------------------------------------------------------------ */

static bool count_one(void *arg, const struct shard_key *key, uint64_t bytes, uint64_t stored_ms)
{
    struct shard_space *s = arg;
    (void)key;
    (void)stored_ms;
    s->count++;
    s->used += bytes;
    return true;
}

enum status shard_fs_open(uv_loop_t *loop, const char *dir, uint64_t floor, struct shard_fs **ret)
{
    enum status st = shard_root_open(dir);
    if (st != ST_OK) return st;
    struct shard_fs *fs = calloc(1, sizeof *fs);
    if (!fs) return ST_NO_MEMORY;
    fs->loop = loop;
    fs->dir = strdup(dir);
    fs->floor = floor;
    fs->last = &fs->first;
    if (!fs->dir) TRY(ST_NO_MEMORY);
    TRY(shard_scan(dir, NULL, count_one, &fs->space));
    st = shard_path_room(dir, floor, &fs->space.free);
    if (st == ST_NO_SPACE) st = ST_OK; /* still good for reading */
out:
    if (st != ST_OK) {
        free(fs->dir);
        free(fs);
        return st;
    }
    *ret = fs;
    return ST_OK;
}

struct shard_store shard_fs_store(struct shard_fs *fs)
{
    static const struct shard_ops ops = {
        .begin = fs_begin,
        .append = fs_append,
        .commit = fs_commit,
        .abandon = fs_abandon,
        .read = fs_read,
        .info = fs_info,
        .have = fs_have,
        .drop = fs_drop,
        .list = fs_list,
        .space = fs_space,
    };
    return (struct shard_store){&ops, fs};
}

static void close_run(uv_work_t *req)
{
    (void)req;
}

static void close_finish(struct task *t)
{
    (void)t;
}

void shard_fs_close(struct shard_fs *fs, void (*closed)(void *arg), void *arg)
{
    fs->closing = true;
    fs->closed = closed;
    fs->closed_arg = arg;
    /* An empty task, so that closed never runs inside this call. */
    task_go(task_new(fs, close_finish), close_run);
}
