/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * file: the port for the owner's own files: sources of put, targets of get.
 * Real: net/files on worker threads. Simulator: files in memory.
 *
 * A named pipe may stand in for either: info.stream is set, offsets count for
 * nothing, and each byte comes or goes once. A source that is one comes in frames
 * (length u32 | bytes; length 0: the end), so that a writer who died is not taken
 * for the end. A read may then give fewer bytes, and ST_BUSY when nothing
 * came for a while; n = 0 is the end. A write may take fewer. commit only closes.
 *
 * Owns: a struct file belongs to the caller from the open callback until
 *     close. Buffers of read and write are borrowed until done.
 * Errors: ST_NOT_FOUND, ST_DENIED, ST_EXISTS, ST_NO_SPACE, ST_IO; of a pipe
 *     ST_CLOSED (the other side is gone, or never was).
 * Order: open_read, read*, close; or create, write*, then commit (fsync and
 *     rename over the target, fsync of its directory) or abandon (removed).
 *     Callbacks never run inside the call. Loop thread.
 */
#ifndef ENCLAVE_CORE_PORTS_FILE_H
#define ENCLAVE_CORE_PORTS_FILE_H

#include "base/bytes.h"

struct file;

struct file_info {
    uint64_t size;
    uint64_t mtime_ms;
    uint64_t inode; /* with device folded in: tells whether a path still names the same file */
    uint32_t mode;
    bool stream;
};

typedef void file_opened(void *arg, enum status st, struct file *f, const struct file_info *info);
typedef void file_done(void *arg, enum status st, size_t n);

struct file_ops {
    void (*open_read)(void *ctx, const char *path, file_opened *done, void *arg);
    /* A new file beside path, invisible until commit; mode as of chmod. An unfinished one of the
     * same tag is opened again with its content: that is what resumes a get. */
    void (*create)(void *ctx, const char *path, uint64_t tag, uint32_t mode, file_opened *done,
                   void *arg);
    void (*read)(struct file *f, uint64_t offset, uint8_t *to, size_t n, file_done *done,
                 void *arg);
    void (*write)(struct file *f, uint64_t offset, struct bytes from, file_done *done, void *arg);
    void (*commit)(struct file *f, bool replace, file_done *done, void *arg); /* closes */
    void (*abandon)(struct file *f, bool keep); /* closes; keep leaves it for a later create */
    void (*close)(struct file *f);
    void (*info)(void *ctx, const char *path, file_opened *done, void *arg); /* f is NULL */
};

struct file_port {
    const struct file_ops *ops;
    void *ctx;
};

#endif
