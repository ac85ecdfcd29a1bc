/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "net/files.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct file {
    struct net_files *n;
    int fd;
    uint32_t mode; /* what commit sets */
    char *path;    /* the target; NULL for a source */
    char *part;    /* the unfinished file */
    uint64_t had;  /* bytes of it that were there already */
    uint64_t end;  /* furthest byte that was to be written: holes may end a file */
    bool stream;   /* a named pipe */
    bool ended;    /* its last frame came */
    uint32_t left; /* of the frame that is being read */
    uint8_t head[4];
    unsigned head_n;
};

#define HOLE ((size_t)64 << 10)
#define STREAM_MS 200 /* a call on a pipe ends by then: file threads are few */

enum verb { OPEN_READ, CREATE, READ, WRITE, COMMIT, ABANDON, CLOSE, INFO };

struct call {
    uv_work_t req;
    enum verb verb;
    struct file *f;
    char *path;
    uint64_t tag, offset;
    uint32_t mode;
    bool flag; /* COMMIT: replace; ABANDON: keep */
    uint8_t *to;
    struct bytes from;
    file_opened *opened;
    file_done *done;
    void *arg;
    /* results */
    enum status st;
    size_t n;
    struct file_info info;
};

static enum status fault(void)
{
    switch (errno) {
    case ENOENT:
    case ENOTDIR: return ST_NOT_FOUND;
    case EACCES:
    case EPERM:
    case EROFS:
    case ELOOP: return ST_DENIED;
    case EEXIST:
    case ENOTEMPTY: return ST_EXISTS;
    case ENOSPC:
    case EDQUOT:
    case EFBIG: return ST_NO_SPACE;
    case ENOMEM: return ST_NO_MEMORY;
    case EISDIR:
    case ENXIO: return ST_USAGE;
    case EPIPE: return ST_CLOSED;
    default: return ST_IO;
    }
}

/* ---- on a file thread ---- */

static void info_of(const struct stat *s, struct file_info *ret)
{
    ret->size = (uint64_t)s->st_size;
    ret->mtime_ms = (uint64_t)s->st_mtim.tv_sec * 1000 + (uint64_t)s->st_mtim.tv_nsec / 1000000;
    ret->inode = (uint64_t)s->st_ino ^ ((uint64_t)s->st_dev << 40 | (uint64_t)s->st_dev >> 24);
    ret->mode = s->st_mode & 07777;
}

/* Plain files and named pipes: a device would hold the thread. */
static enum status look(struct file *f, struct file_info *ret)
{
    struct stat s;
    if (fstat(f->fd, &s) != 0) return fault();
    if (!S_ISREG(s.st_mode) && !S_ISFIFO(s.st_mode)) return ST_USAGE;
    info_of(&s, ret);
    ret->stream = f->stream = S_ISFIFO(s.st_mode);
    return ST_OK;
}

static enum status run_open(struct call *c, const char *path, int flags)
{
    c->f->fd = open(path, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0600);
    if (c->f->fd < 0) return fault();
    enum status st = look(c->f, &c->info);
    if (st == ST_OK) return st;
    close(c->f->fd);
    c->f->fd = -1;
    return st;
}

static size_t dir_len(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? (size_t)(slash - path) + 1 : 0;
}

static enum status run_create(struct call *c)
{
    struct file *f = c->f;
    struct stat s;
    if (stat(c->path, &s) == 0 && S_ISFIFO(s.st_mode)) {
        enum status st = run_open(c, c->path, O_WRONLY);
        return st == ST_USAGE ? ST_CLOSED : st; /* nobody reads it */
    }
    f->path = strdup(c->path);
    if (!f->path || asprintf(&f->part, "%.*s.enclave-%016llx.part", (int)dir_len(c->path), c->path,
                             (unsigned long long)c->tag) < 0) {
        f->part = NULL;
        return ST_NO_MEMORY;
    }
    f->mode = c->mode;
    enum status st = run_open(c, f->part, O_RDWR | O_CREAT | O_NOFOLLOW);
    /* In a directory of many, somebody else's file under that name would be read by them. */
    if (st == ST_OK && (fstat(f->fd, &s) != 0 || s.st_uid != geteuid() || s.st_nlink != 1)) {
        close(f->fd);
        f->fd = -1;
        st = ST_DENIED;
    }
    f->had = f->end = c->info.size;
    return st;
}

/* Waits a moment until the pipe can be read or written: 1 yes, 0 not now. */
static int stream_ready(const struct file *f, short what)
{
    struct pollfd p = {.fd = f->fd, .events = what};
    return poll(&p, 1, STREAM_MS) > 0;
}

/* Up to want bytes of the pipe itself; *n: how many. */
static enum status stream_take(struct file *f, uint8_t *to, size_t want, size_t *n)
{
    ssize_t got;
    if (!stream_ready(f, POLLIN)) return ST_BUSY;
    do got = read(f->fd, to, want);
    while (got < 0 && errno == EINTR);
    if (got < 0) return errno == EAGAIN ? ST_BUSY : fault();
    *n = (size_t)got;
    return got ? ST_OK : ST_CLOSED;
}

static enum status run_read_stream(struct call *c, size_t want)
{
    struct file *f = c->f;
    enum status st = ST_OK;
    while (c->n < want && !f->ended && st == ST_OK) {
        size_t n = 0;
        if (f->left) {
            st = stream_take(f, c->to + c->n, f->left < want - c->n ? f->left : want - c->n, &n);
            c->n += n;
            f->left -= (uint32_t)n;
            continue;
        }
        st = stream_take(f, f->head + f->head_n, sizeof f->head - f->head_n, &n);
        f->head_n += (unsigned)n;
        if (f->head_n < sizeof f->head) continue;
        f->head_n = 0;
        f->left = get_u32(f->head);
        f->ended = f->left == 0;
    }
    return st == ST_BUSY && c->n ? ST_OK : st;
}

static enum status run_write_stream(struct call *c)
{
    while (c->n < c->from.n && stream_ready(c->f, POLLOUT)) {
        ssize_t put = write(c->f->fd, c->from.p + c->n, c->from.n - c->n);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return errno == EAGAIN ? ST_OK : fault();
        c->n += (size_t)put;
    }
    return ST_OK;
}

static enum status run_read(struct call *c, size_t want)
{
    while (c->n < want) {
        ssize_t got = pread(c->f->fd, c->to + c->n, want - c->n, (off_t)(c->offset + c->n));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return fault();
        if (got == 0) break;
        c->n += (size_t)got;
    }
    return ST_OK;
}

/* Zeros that fill a block of a fresh part of the file stay a hole. What was there before an
 * interruption may be anything, so that is written over. */
static bool is_hole(const struct file *f, uint64_t at, const uint8_t *p, size_t n)
{
    return at >= f->had && n == HOLE && p[0] == 0 && memcmp(p, p + 1, n - 1) == 0;
}

static enum status run_write(struct call *c)
{
    struct file *f = c->f;
    if (f->stream) return run_write_stream(c);
    while (c->n < c->from.n) {
        uint64_t at = c->offset + c->n;
        size_t n = HOLE - (size_t)(at % HOLE);
        if (n > c->from.n - c->n) n = c->from.n - c->n;
        if (is_hole(f, at, c->from.p + c->n, n)) {
            c->n += n;
            continue;
        }
        /* All that follows up to the next hole goes in one call. */
        while (c->n + n < c->from.n) {
            size_t more = c->from.n - c->n - n < HOLE ? c->from.n - c->n - n : HOLE;
            if (is_hole(f, at + n, c->from.p + c->n + n, more)) break;
            n += more;
        }
        ssize_t put = pwrite(f->fd, c->from.p + c->n, n, (off_t)at);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return fault();
        c->n += (size_t)put;
    }
    if (c->offset + c->n > f->end) f->end = c->offset + c->n;
    /* The disk begins at once, so that the fsync of a long file has little left to wait for. Where
     * that cannot be had nothing is lost. */
    if (c->n) (void)sync_file_range(c->f->fd, (off_t)c->offset, (off_t)c->n, SYNC_FILE_RANGE_WRITE);
    return ST_OK;
}

static enum status sync_dir(const char *path)
{
    size_t n = dir_len(path);
    char *dir = n ? strndup(path, n) : strdup(".");
    if (!dir) return ST_NO_MEMORY;
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(dir);
    if (fd < 0) return fault();
    /* Some file systems have no fsync of directories: EINVAL. */
    enum status st = fsync(fd) == 0 || errno == EINVAL ? ST_OK : fault();
    close(fd);
    return st;
}

static enum status move(const char *from, const char *to, bool replace)
{
    if (replace) return rename(from, to) == 0 ? ST_OK : fault();
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0) return ST_OK;
    if (errno != EINVAL && errno != ENOSYS) return fault();
    if (link(from, to) != 0) return fault();
    return unlink(from) == 0 ? ST_OK : fault();
}

/* What did not get its name stays as the unfinished file: a later create finds it. */
static enum status run_commit(struct call *c)
{
    struct file *f = c->f;
    enum status st = ST_OK;
    if (f->stream) {
        close(f->fd);
        return ST_OK;
    }
    if (ftruncate(f->fd, (off_t)f->end) != 0 || fchmod(f->fd, f->mode & 0777 & ~f->n->mask) != 0 ||
        fsync(f->fd) != 0)
        st = fault();
    if (close(f->fd) != 0 && st == ST_OK) st = fault();
    f->fd = -1;
    if (st == ST_OK) st = move(f->part, f->path, c->flag);
    if (st == ST_OK) st = sync_dir(f->path);
    return st;
}

static void run(uv_work_t *req)
{
    struct call *c = req->data;
    struct stat s;
    switch (c->verb) {
    case OPEN_READ: c->st = run_open(c, c->path, O_RDONLY); break;
    case CREATE: c->st = run_create(c); break;
    case READ: c->st = c->f->stream ? run_read_stream(c, c->from.n) : run_read(c, c->from.n); break;
    case WRITE: c->st = run_write(c); break;
    case COMMIT: c->st = run_commit(c); break;
    case ABANDON:
        close(c->f->fd);
        if (!c->flag && !c->f->stream) unlink(c->f->part);
        break;
    case CLOSE: close(c->f->fd); break;
    case INFO:
        if (stat(c->path, &s) != 0)
            c->st = fault();
        else
            info_of(&s, &c->info);
        break;
    }
}

/* ---- on the loop thread ---- */

static void file_free(struct file *f)
{
    if (!f) return;
    free(f->path);
    free(f->part);
    free(f);
}

static void finished(uv_work_t *req, int status)
{
    struct call *c = req->data;
    struct file *f = c->f;
    if (status != 0) c->st = ST_CANCELLED;
    bool opening = c->verb == OPEN_READ || c->verb == CREATE || c->verb == INFO;
    bool ends = c->verb == COMMIT || c->verb == ABANDON || c->verb == CLOSE;
    if (ends || (opening && c->st != ST_OK)) {
        file_free(f);
        f = NULL;
    }
    if (c->opened) c->opened(c->arg, c->st, f, c->st == ST_OK ? &c->info : NULL);
    if (c->done) c->done(c->arg, c->st, c->n);
    free(c->path);
    free(c);
}

/* Memory for the call itself is not refused to anybody: a callback must come. */
static struct call *call_new(enum verb verb, struct file *f, const char *path)
{
    struct call *c = calloc(1, sizeof *c);
    if (c && path && !(c->path = strdup(path))) {
        free(c);
        c = NULL;
    }
    if (!c) abort();
    c->req.data = c;
    c->verb = verb;
    c->f = f;
    return c;
}

static void start(struct net_files *n, struct call *c)
{
    if (uv_queue_work(n->loop, &c->req, run, finished) != 0) abort(); /* only for no function */
}

static struct file *file_new(struct net_files *n)
{
    struct file *f = calloc(1, sizeof *f);
    if (!f) abort();
    f->n = n;
    f->fd = -1;
    return f;
}

static void op_open_read(void *ctx, const char *path, file_opened *done, void *arg)
{
    struct call *c = call_new(OPEN_READ, file_new(ctx), path);
    c->opened = done;
    c->arg = arg;
    start(ctx, c);
}

static void op_create(void *ctx, const char *path, uint64_t tag, uint32_t mode, file_opened *done,
                      void *arg)
{
    struct call *c = call_new(CREATE, file_new(ctx), path);
    c->tag = tag;
    c->mode = mode;
    c->opened = done;
    c->arg = arg;
    start(ctx, c);
}

static void op_read(struct file *f, uint64_t offset, uint8_t *to, size_t n, file_done *done,
                    void *arg)
{
    struct call *c = call_new(READ, f, NULL);
    c->offset = offset;
    c->to = to;
    c->from = BYTES(NULL, n);
    c->done = done;
    c->arg = arg;
    start(f->n, c);
}

static void op_write(struct file *f, uint64_t offset, struct bytes from, file_done *done, void *arg)
{
    struct call *c = call_new(WRITE, f, NULL);
    c->offset = offset;
    c->from = from;
    c->done = done;
    c->arg = arg;
    start(f->n, c);
}

static void op_commit(struct file *f, bool replace, file_done *done, void *arg)
{
    struct call *c = call_new(COMMIT, f, NULL);
    c->flag = replace;
    c->done = done;
    c->arg = arg;
    start(f->n, c);
}

static void op_abandon(struct file *f, bool keep)
{
    struct call *c = call_new(ABANDON, f, NULL);
    c->flag = keep;
    start(f->n, c);
}

static void op_close(struct file *f)
{
    start(f->n, call_new(CLOSE, f, NULL));
}

static void op_info(void *ctx, const char *path, file_opened *done, void *arg)
{
    struct call *c = call_new(INFO, NULL, path);
    c->opened = done;
    c->arg = arg;
    start(ctx, c);
}

static const struct file_ops ops = {.open_read = op_open_read,
                                    .create = op_create,
                                    .read = op_read,
                                    .write = op_write,
                                    .commit = op_commit,
                                    .abandon = op_abandon,
                                    .close = op_close,
                                    .info = op_info};

void net_files_init(struct net_files *f, uv_loop_t *loop)
{
    f->loop = loop;
    f->mask = umask(077); /* there is no other way to ask */
    umask(f->mask);
}

struct file_port net_files(struct net_files *f)
{
    return (struct file_port){&ops, f};
}
