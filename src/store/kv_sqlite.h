/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * kv_sqlite: core/ports/kv.h in one SQLite file: WAL, synchronous = FULL,
 * secure_delete, one store thread with group commit, reads on the loop thread
 * through a connection of their own. One process at a time: a lock file beside
 * the database is held while it is open.
 *
 * Owns: both connections, the lock, the thread. path is copied.
 * Errors: open: ST_BUSY (another process has it), ST_LOOSE_MODE (file or
 *     directory open to others), ST_VERSION (written by a newer version),
 *     ST_INTEGRITY (not our database, or damaged), ST_NO_SPACE, ST_DENIED,
 *     ST_NOT_FOUND (the directory), ST_IO, ST_NO_MEMORY.
 *     commit: ST_USAGE (value over KV_VALUE_MAX), ST_BUSY (over
 *     KV_SQLITE_WAITING_MAX bytes wait), ST_CLOSED (after close), ST_NO_MEMORY.
 * Order: open, use the port, close; closed runs when all commits are on disk and
 *     their callbacks have run. A scan's visit may use the port, scans included.
 */
#ifndef ENCLAVE_STORE_KV_SQLITE_H
#define ENCLAVE_STORE_KV_SQLITE_H

#include "core/ports/kv.h"

#include <uv.h>

#define KV_SQLITE_SCHEMA 1
#define KV_SQLITE_WAITING_MAX ((size_t)256 << 20)
#define KV_SQLITE_CHECK_MAX ((uint64_t)16 << 20) /* larger files are not read through at open */

struct kv_sqlite;

enum status kv_sqlite_open(uv_loop_t *loop, const char *path, struct kv_sqlite **ret) MUST_USE;
struct kv kv_sqlite_port(struct kv_sqlite *s);
/* 32 bytes that are others once a copy was put in the place of the database (place.h), for good with
 * the next commit. */
const uint8_t *kv_sqlite_place(const struct kv_sqlite *s);
void kv_sqlite_close(struct kv_sqlite *s, void (*closed)(void *arg), void *arg);

#endif
