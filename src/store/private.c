/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "store/private.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define OTHERS 077
#define TEMPORARY ".new"

enum status private_from_errno(int code)
{
    switch (code) {
    case ENOENT:
    case ENOTDIR: return ST_NOT_FOUND;
    case EEXIST: return ST_EXISTS;
    case EACCES:
    case EPERM:
    case EROFS: return ST_DENIED;
    case ENOSPC:
    case EDQUOT:
    case EFBIG: return ST_NO_SPACE;
    case ENOMEM: return ST_NO_MEMORY;
    default: return ST_IO;
    }
}

static enum status only_ours(const struct stat *s)
{
    return s->st_uid == geteuid() && !(s->st_mode & OTHERS) ? ST_OK : ST_LOOSE_MODE;
}

/* Parents get the mode that the user's umask gives; only the last one is ours to guard. */
static enum status make_dirs(const char *path)
{
    char part[PATH_MAX];
    size_t n = strlen(path);
    if (!n || n >= sizeof part) return ST_TOO_BIG;
    memcpy(part, path, n + 1);
    for (size_t i = 1; i < n; i++) {
        if (part[i] != '/') continue;
        part[i] = 0;
        if (mkdir(part, 0777) != 0 && errno != EEXIST) return private_from_errno(errno);
        part[i] = '/';
    }
    if (mkdir(part, 0700) != 0 && errno != EEXIST) return private_from_errno(errno);
    return ST_OK;
}

enum status private_dir(const char *path, bool make)
{
    struct stat s;
    enum status st;
    if (make) TRY(make_dirs(path));
    if (stat(path, &s) != 0) return private_from_errno(errno);
    if (!S_ISDIR(s.st_mode)) return ST_NOT_FOUND;
    st = only_ours(&s);
out:
    return st;
}

enum status private_fd(int fd)
{
    struct stat s;
    if (fstat(fd, &s) != 0) return private_from_errno(errno);
    if (!S_ISREG(s.st_mode)) return ST_IO;
    return only_ours(&s);
}

enum status private_read(const char *path, size_t max, struct buf *ret)
{
    size_t before = ret->n;
    enum status st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) return errno == ELOOP ? ST_LOOSE_MODE : private_from_errno(errno);
    TRY(private_fd(fd));
    for (;;) {
        uint8_t piece[4096];
        ssize_t n = read(fd, piece, sizeof piece);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) TRY(private_from_errno(errno));
        if (n == 0) break;
        if ((size_t)n > max - (ret->n - before)) TRY(ST_TOO_BIG);
        buf_raw(ret, piece, (size_t)n);
        bytes_wipe(piece, (size_t)n);
        TRY(buf_status(ret));
    }
    st = ST_OK;
out:
    close(fd);
    if (st != ST_OK && ret->n > before) ret->n = before;
    return st;
}

static enum status write_all(int fd, struct bytes content)
{
    for (size_t at = 0; at < content.n;) {
        ssize_t n = write(fd, content.p + at, content.n - at);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return private_from_errno(errno);
        at += (size_t)n;
    }
    return fsync(fd) == 0 ? ST_OK : private_from_errno(errno);
}

/* Makes a rename in the directory of path last. */
static enum status sync_parent(const char *path)
{
    char dir[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t n = slash ? (size_t)(slash - path) : 0;
    if (n >= sizeof dir) return ST_TOO_BIG;
    memcpy(dir, path, n);
    memcpy(dir + n, n ? "" : slash ? "/" : ".", n ? 1 : 2);
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return private_from_errno(errno);
    enum status st = fsync(fd) == 0 ? ST_OK : private_from_errno(errno);
    close(fd);
    return st;
}

enum status private_write(const char *path, struct bytes content, bool replace)
{
    char beside[PATH_MAX];
    enum status st;
    int n = snprintf(beside, sizeof beside, "%s" TEMPORARY, path);
    if (n < 0 || (size_t)n >= sizeof beside) return ST_TOO_BIG;
    /* One left over from a crash is of no use to anybody. */
    if (unlink(beside) != 0 && errno != ENOENT) return private_from_errno(errno);
    int fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return private_from_errno(errno);
    TRY(fchmod(fd, 0600) == 0 ? ST_OK : private_from_errno(errno)); /* whatever the umask took */
    TRY(write_all(fd, content));
    /* link refuses to replace, rename does not */
    if (replace)
        TRY(rename(beside, path) == 0 ? ST_OK : private_from_errno(errno));
    else
        TRY(link(beside, path) == 0 ? ST_OK : private_from_errno(errno));
    TRY(sync_parent(path));
out:
    close(fd);
    if (st != ST_OK || !replace) unlink(beside);
    return st;
}

enum status private_lock(const char *path, int *ret_fd)
{
    enum status st;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    *ret_fd = -1;
    if (fd < 0) return errno == ELOOP ? ST_LOOSE_MODE : private_from_errno(errno);
    TRY(private_fd(fd));
    if (flock(fd, LOCK_EX | LOCK_NB) != 0)
        TRY(errno == EWOULDBLOCK ? ST_BUSY : private_from_errno(errno));
    *ret_fd = fd;
    return ST_OK;
out:
    close(fd);
    return st;
}

void private_unlock(int fd)
{
    if (fd >= 0) close(fd);
}
