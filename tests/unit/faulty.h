/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * faulty: the system calls by which anything of this process gets to the disk,
 * counted, and one of them made to fail: for walks through every write of the
 * stores. Nothing is really synced: what a power cut does to unsynced bytes is
 * the simulator's part.
 *
 * Owns nothing; one state a process. Include in one file of a program only.
 * Errors: as the kinds say. Order: faulty_arm, whatever writes, faulty_calm.
 */
#ifndef ENCLAVE_TESTS_FAULTY_H
#define ENCLAVE_TESTS_FAULTY_H

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

enum faulty_kind {
    FAULTY_EIO,    /* that call fails */
    FAULTY_ENOSPC, /* that call fails */
    FAULTY_SHORT,  /* half of it is written, and said so */
    FAULTY_KILL,   /* nothing from that call on reaches the disk */
    FAULTY_TORN,   /* the same after the first half of it */
    FAULTY_KINDS
};

static struct {
    atomic_uint calls; /* since faulty_arm */
    atomic_uint at;    /* 0: none */
    atomic_int kind;
    atomic_bool dead; /* as far as the disk can tell */
} faulty;

static inline void faulty_arm(enum faulty_kind kind, unsigned at)
{
    atomic_store(&faulty.dead, false);
    atomic_store(&faulty.calls, 0);
    atomic_store(&faulty.kind, (int)kind);
    atomic_store(&faulty.at, at);
}

/* No more faults; the dead stay dead. Returns the calls that were counted. */
static inline unsigned faulty_calm(void)
{
    atomic_store(&faulty.at, 0);
    return atomic_load(&faulty.calls);
}

static inline bool faulty_dead(void)
{
    return atomic_load(&faulty.dead);
}

static inline void faulty_revive(void)
{
    atomic_store(&faulty.dead, false);
}

/* 0: go on; else errno. *half: write only the first half of what it is. */
static inline int faulty_judge(bool *half)
{
    *half = false;
    if (faulty_dead()) return EIO;
    unsigned at = atomic_load(&faulty.at);
    if (at == 0 || atomic_fetch_add(&faulty.calls, 1) + 1 != at) return 0;
    switch ((enum faulty_kind)atomic_load(&faulty.kind)) {
    case FAULTY_EIO: return EIO;
    case FAULTY_ENOSPC: return ENOSPC;
    case FAULTY_SHORT: *half = true; return 0;
    case FAULTY_TORN: *half = true; break;
    default: break;
    }
    atomic_store(&faulty.dead, true);
    return EIO;
}

static inline ssize_t faulty_write(int fd, const void *p, size_t n, off_t at, bool seek)
{
    bool half;
    int fault = faulty_judge(&half);
    if (half && n > 1) n /= 2;
    if (fault != 0 && !half) {
        errno = fault;
        return -1;
    }
    ssize_t put = seek ? syscall(SYS_pwrite64, fd, p, n, at) : syscall(SYS_write, fd, p, n);
    if (fault == 0) return put;
    errno = fault;
    return -1;
}

static inline long faulty_call(long result)
{
    if (result >= 0) return result;
    errno = (int)-result;
    return -1;
}

/* Of a call that has no halves: 0, or -1 with errno. */
static inline int faulty_whole(void)
{
    bool half;
    int fault = faulty_judge(&half);
    return fault == 0 ? 0 : (int)faulty_call(-fault);
}

/* Loops and tests write to pipes and the like, which are no disk. */
static inline bool faulty_is_disk(int fd)
{
    struct stat s;
    return fstat(fd, &s) == 0 && S_ISREG(s.st_mode) && fd > 2;
}

/* What takes the place of the C library's. */
ssize_t write(int fd, const void *p, size_t n)
{
    return faulty_is_disk(fd) ? faulty_write(fd, p, n, 0, false) : syscall(SYS_write, fd, p, n);
}

ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
{
    return faulty_write(fd, p, n, at, true);
}

ssize_t pwrite64(int fd, const void *p, size_t n, off_t at)
{
    return faulty_write(fd, p, n, at, true);
}

int fsync(int fd)
{
    (void)fd;
    return faulty_whole();
}

int fdatasync(int fd)
{
    (void)fd;
    return faulty_whole();
}

int ftruncate(int fd, off_t n)
{
    return faulty_whole() != 0 ? -1 : (int)syscall(SYS_ftruncate, fd, n);
}

int ftruncate64(int fd, off_t n)
{
    return ftruncate(fd, n);
}

int rename(const char *from, const char *to)
{
    return faulty_whole() != 0 ? -1 : (int)syscall(SYS_renameat, AT_FDCWD, from, AT_FDCWD, to);
}

int renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
    return faulty_whole() != 0 ? -1
                               : (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, flags);
}

int mkdir(const char *path, mode_t mode)
{
    return faulty_whole() != 0 ? -1 : (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);
}

int unlink(const char *path)
{
    return faulty_dead() ? (int)faulty_call(-EIO) : (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}

int rmdir(const char *path)
{
    return faulty_dead() ? (int)faulty_call(-EIO)
                         : (int)syscall(SYS_unlinkat, AT_FDCWD, path, AT_REMOVEDIR);
}

#endif
