/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * private: directories of mode 0700 and files of mode 0600 that belong to us,
 * and whole small files written so that a crash leaves the old or the new one.
 *
 * Owns nothing. Errors: ST_LOOSE_MODE when somebody else may read or write, or
 *     owns it; ST_NOT_FOUND, ST_EXISTS, ST_DENIED, ST_NO_SPACE, ST_TOO_BIG,
 *     ST_IO. Blocks on the disk: at start-up or in a job, not in between.
 */
#ifndef ENCLAVE_STORE_PRIVATE_H
#define ENCLAVE_STORE_PRIVATE_H

#include "base/bytes.h"

enum status private_from_errno(int code) MUST_USE;

/* The directory exists, is ours and nobody else's. make: makes it and its parents if missing. */
enum status private_dir(const char *path, bool make) MUST_USE;
/* The same of an open file. */
enum status private_fd(int fd) MUST_USE;

/* The whole file, at most max bytes, appended to ret. */
enum status private_read(const char *path, size_t max, struct buf *ret) MUST_USE;
/* Beside it first, fsync, then renamed over it, fsync of the directory. replace false: ST_EXISTS
 * if there is one. */
enum status private_write(const char *path, struct bytes content, bool replace) MUST_USE;

/* A lock on a file that lasts until private_unlock or the end of the process: ST_BUSY if another
 * one has it. */
enum status private_lock(const char *path, int *ret_fd) MUST_USE;
void private_unlock(int fd);

#endif
