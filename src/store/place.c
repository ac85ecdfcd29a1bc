/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "store/place.h"

#include "base/encode.h"
#include "crypto/hash.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define MACHINE_FILE "/etc/machine-id"
#define MACHINE_MAX 64
#define NAME_ROOM (sizeof PLACE_ATTRIBUTE + 2 * COUNT_BYTES)
#define COUNT_BYTES 6
#define COUNT_ROOM ((UINT64_C(1) << 8 * COUNT_BYTES) - 1)
#define COUNT_MAX (COUNT_ROOM / 4) /* nobody writes that often: altered */

enum attribute { ATTRIBUTE_FOUND, ATTRIBUTE_MISSING, ATTRIBUTE_UNKNOWN };

static size_t machine_id(uint8_t ret[MACHINE_MAX])
{
    int fd = open(MACHINE_FILE, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    ssize_t n = read(fd, ret, MACHINE_MAX);
    close(fd);
    return n < 0 ? 0 : (size_t)n;
}

static void make_id(struct place *p, int fd)
{
    static const char label[] = "ENCLAVE place";
    uint8_t machine[MACHINE_MAX], where[8 + 8 + 4 + 8] = {0};
    size_t n = machine_id(machine);
    struct statx s = {0};
    if (statx(fd, "", AT_EMPTY_PATH, STATX_INO | STATX_BTIME, &s) == 0) {
        if (s.stx_mask & STATX_INO) put_u64(where, s.stx_ino);
        if (s.stx_mask & STATX_BTIME) {
            put_u64(where + 8, (uint64_t)s.stx_btime.tv_sec);
            put_u32(where + 16, s.stx_btime.tv_nsec);
        }
    }
    put_u64(where + 20, p->since);
    /* The last part has one length, so the parts cannot be cut in another way. */
    SHA256_OF(p->id, BYTES(label, sizeof label), BYTES(machine, n), BYTES_OF(where));
}

/* False: none of ours. */
static bool count_of(const char *name, uint64_t *ret)
{
    const size_t n = sizeof PLACE_ATTRIBUTE - 1;
    uint8_t count[8] = {0};
    size_t got;
    if (strncmp(name, PLACE_ATTRIBUTE, n) != 0) return false;
    enum status st = hex_decode(name + n, strlen(name + n), count + sizeof count - COUNT_BYTES,
                                COUNT_BYTES, &got);
    if (st != ST_OK || got != COUNT_BYTES) return false;
    *ret = get_u64(count);
    return true;
}

static void name_of(uint64_t count, char ret[NAME_ROOM])
{
    snprintf(ret, NAME_ROOM, PLACE_ATTRIBUTE "%0*" PRIx64, 2 * COUNT_BYTES, count & COUNT_ROOM);
}

/* The highest count of our attributes; those below `keep` are taken off. */
static enum attribute read_count(int fd, uint64_t keep, uint64_t *ret)
{
    enum attribute found = ATTRIBUTE_UNKNOWN;
    char *names = malloc(XATTR_LIST_MAX);
    ssize_t n = names == NULL ? -1 : flistxattr(fd, names, XATTR_LIST_MAX);
    *ret = 0;
    if (n < 0) goto out; /* nothing is said by a file system that has none */
    found = ATTRIBUTE_MISSING;
    for (const char *at = names; at < names + n; at += strlen(at) + 1) {
        uint64_t count;
        if (!count_of(at, &count) || count > COUNT_MAX) continue;
        found = ATTRIBUTE_FOUND;
        if (count > *ret) *ret = count;
        if (count < keep) (void)fremovexattr(fd, at);
    }
out:
    free(names);
    return found;
}

void place_look(struct place *p, int fd, struct bytes row)
{
    uint64_t beside;
    enum attribute found = read_count(fd, 0, &beside);
    *p = (struct place){0};
    if (row.n == PLACE_ROW && get_u64(row.p) <= COUNT_MAX) {
        p->count = get_u64(row.p);
        p->since = get_u64(row.p + 8);
        p->marked = row.p[16] != 0;
    } else if (row.n > 0) {
        p->copied = true;
    }
    if (found == ATTRIBUTE_FOUND && p->count < beside) p->copied = true;
    if (found == ATTRIBUTE_MISSING && p->marked) p->copied = true;
    if (p->copied) {
        /* Above all counts that were ever seen here: the next backup that is put back is behind. */
        if (p->count < beside) p->count = beside;
        p->since = ++p->count;
    }
    if (found != ATTRIBUTE_FOUND) p->marked = false;
    make_id(p, fd);
}

void place_row(struct place *p, uint8_t ret[PLACE_ROW])
{
    p->count++;
    put_u64(ret, p->count);
    put_u64(ret + 8, p->since);
    ret[16] = p->marked;
}

void place_mark(struct place *p, int fd)
{
    char name[NAME_ROOM];
    uint64_t before = p->beside, highest;
    name_of(p->count, name);
    if (fsetxattr(fd, name, "", 0, 0) != 0) return; /* the one before stays, and is not wrong */
    p->beside = p->count;
    if (before != 0) {
        name_of(before, name);
        (void)fremovexattr(fd, name);
    } else {
        (void)read_count(fd, p->count, &highest);
    }
    /* Else a power failure could take the attribute, and leave a row that says it cannot be missing. */
    if (!p->marked) p->marked = fsync(fd) == 0;
}
