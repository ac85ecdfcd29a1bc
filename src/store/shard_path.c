/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "store/shard_path.h"

#include "base/encode.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define TAG_TEXT (2 * SHARD_TAG)
#define ID_TEXT (2 * SHARD_ID)
#define NAME_TEXT (ID_TEXT + 3) /* id, dash, index */

enum status shard_errno(int e)
{
    switch (e) {
    case ENOENT:
    case ENOTDIR: return ST_NOT_FOUND;
    case ENOSPC:
    case EDQUOT:
    case EFBIG: return ST_NO_SPACE;
    case ENOMEM: return ST_NO_MEMORY;
    default: return ST_IO;
    }
}

enum status shard_write_all(int fd, const uint8_t *p, size_t n, uint64_t offset)
{
    while (n) {
        ssize_t w = pwrite(fd, p, n, (off_t)offset);
        if (w < 0 && errno == EINTR) continue;
        if (w <= 0) return w == 0 ? ST_IO : shard_errno(errno);
        p += w;
        n -= (size_t)w;
        offset += (uint64_t)w;
    }
    return ST_OK;
}

static enum status print(char ret[SHARD_PATH_MAX], const char *dir, const struct shard_key *key,
                         unsigned parts, const char *suffix)
{
    char tag[HEX_SIZE(SHARD_TAG)];
    char id[HEX_SIZE(SHARD_ID)];
    int n = 0;
    hex_encode(BYTES_OF(key->tag), tag);
    hex_encode(BYTES_OF(key->segment_id), id);
    if (parts == 1) n = snprintf(ret, SHARD_PATH_MAX, "%s/%s", dir, tag);
    if (parts == 2) n = snprintf(ret, SHARD_PATH_MAX, "%s/%s/%.2s", dir, tag, id);
    if (parts == 3)
        n = snprintf(ret, SHARD_PATH_MAX, "%s/%s/%.2s/%s-%02x%s", dir, tag, id, id, key->index,
                     suffix);
    return n > 0 && n < SHARD_PATH_MAX ? ST_OK : ST_TOO_BIG;
}

enum status shard_path(const char *dir, const struct shard_key *key, char ret[SHARD_PATH_MAX])
{
    return print(ret, dir, key, 3, "");
}

enum status shard_path_temp(const char *dir, const struct shard_key *key, uint64_t number,
                            char ret[SHARD_PATH_MAX])
{
    char suffix[32];
    snprintf(suffix, sizeof suffix, ".tmp%llu", (unsigned long long)number);
    return print(ret, dir, key, 3, suffix);
}

static enum status sync_dir(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return shard_errno(errno);
    enum status st = fsync(fd) == 0 ? ST_OK : shard_errno(errno);
    close(fd);
    return st;
}

static enum status make_dir(const char *path, const char *parent)
{
    if (mkdir(path, 0700) == 0) return sync_dir(parent);
    return errno == EEXIST ? ST_OK : shard_errno(errno);
}

enum status shard_path_parents(const char *dir, const struct shard_key *key)
{
    enum status st;
    char tag[SHARD_PATH_MAX];
    char fan[SHARD_PATH_MAX];
    TRY(print(fan, dir, key, 2, ""));
    if (access(fan, F_OK) == 0) return ST_OK;
    TRY(print(tag, dir, key, 1, ""));
    TRY(make_dir(tag, dir));
    TRY(make_dir(fan, tag));
out:
    return st;
}

void shard_path_prune(const char *dir, const struct shard_key *key)
{
    char tag[SHARD_PATH_MAX];
    char fan[SHARD_PATH_MAX];
    if (print(fan, dir, key, 2, "") != ST_OK || rmdir(fan) != 0) return;
    if (print(tag, dir, key, 1, "") != ST_OK) return;
    /* What a crash brings back empty, the next scan takes away. */
    enum status st = rmdir(tag) == 0 ? sync_dir(dir) : ST_OK;
    (void)st;
}

bool shard_same_dir(const struct shard_key *a, const struct shard_key *b)
{
    return a->segment_id[0] == b->segment_id[0] && memcmp(a->tag, b->tag, SHARD_TAG) == 0;
}

enum status shard_dir_sync(const char *dir, const struct shard_key *key)
{
    char path[SHARD_PATH_MAX];
    enum status st = print(path, dir, key, 2, "");
    return st == ST_OK ? sync_dir(path) : st;
}

enum status shard_path_room(const char *dir, uint64_t floor, uint64_t *ret_free)
{
    struct statvfs v;
    if (statvfs(dir, &v) != 0) return shard_errno(errno);
    uint64_t room = (uint64_t)v.f_bavail * v.f_frsize;
    *ret_free = room > floor ? room - floor : 0;
    return room > floor ? ST_OK : ST_NO_SPACE;
}

static enum status read_all(int fd, uint8_t *p, size_t n, uint64_t offset)
{
    while (n) {
        ssize_t r = pread(fd, p, n, (off_t)offset);
        if (r < 0 && errno == EINTR) continue;
        if (r <= 0) return r == 0 ? ST_INTEGRITY : shard_errno(errno);
        p += r;
        n -= (size_t)r;
        offset += (uint64_t)r;
    }
    return ST_OK;
}

/* Opens and takes the measures of a shard file. */
static enum status open_shard(const char *path, int *ret_fd, struct shard_info *ret)
{
    struct stat s;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) return shard_errno(errno);
    if (fstat(fd, &s) != 0 || !S_ISREG(s.st_mode)) {
        close(fd);
        return ST_IO;
    }
    uint64_t body = (uint64_t)s.st_size - SHARD_HEADER;
    memset(ret, 0, sizeof *ret);
    if ((uint64_t)s.st_size < SHARD_HEADER + SHARD_UNIT + SHARD_TRAILER_MIN ||
        body / SHARD_UNIT > SHARD_UNITS_MAX || body % SHARD_UNIT < SHARD_TRAILER_MIN ||
        body % SHARD_UNIT > SHARD_TRAILER_MAX) {
        close(fd);
        return ST_INTEGRITY;
    }
    ret->units = (uint32_t)(body / SHARD_UNIT);
    ret->trailer_len = (uint8_t)(body % SHARD_UNIT);
    ret->stored_ms = (uint64_t)s.st_mtim.tv_sec * 1000 + (uint64_t)s.st_mtim.tv_nsec / 1000000;
    *ret_fd = fd;
    return ST_OK;
}

enum status shard_file_info(const char *path, struct shard_info *ret)
{
    int fd = -1;
    enum status st = open_shard(path, &fd, ret);
    if (st != ST_OK) return st;
    TRY(read_all(fd, ret->header, SHARD_HEADER, 0));
    TRY(read_all(fd, ret->trailer, ret->trailer_len,
                 SHARD_HEADER + (uint64_t)ret->units * SHARD_UNIT));
out:
    close(fd);
    return st;
}

enum status shard_file_read(const char *path, uint64_t offset, uint8_t *to, size_t n)
{
    int fd = -1;
    struct shard_info info;
    enum status st = open_shard(path, &fd, &info);
    if (st != ST_OK) return st;
    uint64_t end = info.units * SHARD_UNIT;
    if (offset > end || n > end - offset)
        st = ST_INTEGRITY;
    else
        st = read_all(fd, to, n, SHARD_HEADER + offset);
    close(fd);
    return st;
}

enum status shard_root_open(const char *dir)
{
    struct stat s;
    if (mkdir(dir, 0700) != 0 && errno != EEXIST) return shard_errno(errno);
    if (stat(dir, &s) != 0) return shard_errno(errno);
    if (!S_ISDIR(s.st_mode)) return ST_IO;
    return s.st_mode & 077 ? ST_LOOSE_MODE : ST_OK;
}

/* Reads a file's name; false: not a committed shard's. */
static bool key_of(const char *name, struct shard_key *key)
{
    size_t n = 0;
    return strlen(name) == NAME_TEXT && name[ID_TEXT] == '-' &&
           hex_decode(name, ID_TEXT, key->segment_id, SHARD_ID, &n) == ST_OK && n == SHARD_ID &&
           hex_decode(name + ID_TEXT + 1, 2, &key->index, 1, &n) == ST_OK && n == 1 &&
           key->index < SHARD_COLUMNS_MAX;
}

struct scan {
    shard_seen *seen;
    void *arg;
    bool clean;
    struct shard_key key;
};

static enum status scan_fan(struct scan *scan, int at, const char *name)
{
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) return shard_errno(errno);
    DIR *d = fdopendir(fd);
    if (!d) {
        close(fd);
        return ST_NO_MEMORY;
    }
    enum status st = ST_OK;
    const struct dirent *e;
    while (st == ST_OK && (e = readdir(d)) != NULL) {
        struct stat s;
        if (key_of(e->d_name, &scan->key)) {
            if (fstatat(fd, e->d_name, &s, AT_SYMLINK_NOFOLLOW) != 0) continue;
            uint64_t ms = (uint64_t)s.st_mtim.tv_sec * 1000 + (uint64_t)s.st_mtim.tv_nsec / 1000000;
            if (!scan->seen(scan->arg, &scan->key, (uint64_t)s.st_size, ms)) st = ST_NO_MEMORY;
        } else if (scan->clean &&
                   strncmp(e->d_name + strnlen(e->d_name, NAME_TEXT), ".tmp", 4) == 0) {
            unlinkat(fd, e->d_name, 0);
        }
    }
    closedir(d);
    return st;
}

static enum status scan_tag(struct scan *scan, const char *dir, const char *name)
{
    char path[SHARD_PATH_MAX];
    size_t n = 0;
    if (strlen(name) != TAG_TEXT ||
        hex_decode(name, TAG_TEXT, scan->key.tag, SHARD_TAG, &n) != ST_OK)
        return ST_OK; /* not ours */
    if (snprintf(path, sizeof path, "%s/%s", dir, name) >= (int)sizeof path) return ST_TOO_BIG;
    DIR *d = opendir(path);
    if (!d) return errno == ENOENT ? ST_OK : shard_errno(errno);
    enum status st = ST_OK;
    const struct dirent *e;
    while (st == ST_OK && (e = readdir(d)) != NULL)
        if (strlen(e->d_name) == 2 && e->d_name[0] != '.') {
            st = scan_fan(scan, dirfd(d), e->d_name);
            if (scan->clean) unlinkat(dirfd(d), e->d_name, AT_REMOVEDIR); /* only if it is empty */
        }
    closedir(d);
    if (scan->clean) rmdir(path);
    return st;
}

enum status shard_scan(const char *dir, const uint8_t *tag, shard_seen *seen, void *arg)
{
    struct scan scan = {.seen = seen, .arg = arg, .clean = tag == NULL};
    if (tag) {
        char name[HEX_SIZE(SHARD_TAG)];
        hex_encode(BYTES(tag, SHARD_TAG), name);
        return scan_tag(&scan, dir, name);
    }
    DIR *d = opendir(dir);
    if (!d) return shard_errno(errno);
    enum status st = ST_OK;
    const struct dirent *e;
    while (st == ST_OK && (e = readdir(d)) != NULL) st = scan_tag(&scan, dir, e->d_name);
    closedir(d);
    return st;
}
