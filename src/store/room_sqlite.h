/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * room_sqlite: core/ports/room_store.h in one SQLite file: WAL, synchronous =
 * FULL, secure_delete. It is held locked as long as it is open: one sentinel at
 * a time.
 *
 * Owns: the connection and its statements.
 * Errors: open: ST_BUSY (another process has it), ST_LOOSE_MODE (the file can be
 *     read by others), ST_VERSION (written by a newer version), ST_INTEGRITY (not
 *     our database, or damaged), ST_NOT_FOUND (the directory), ST_DENIED,
 *     ST_NO_SPACE, ST_IO, ST_NO_MEMORY. Else those of the port.
 * Order: open, use the port, close. Thread: all calls of the port on one thread
 *     at a time; open and close on any.
 */
#ifndef ENCLAVE_STORE_ROOM_SQLITE_H
#define ENCLAVE_STORE_ROOM_SQLITE_H

#include "core/ports/room_store.h"

#define ROOM_SQLITE_SCHEMA 2
#define ROOM_SQLITE_CHECK_MAX ((uint64_t)64 << 20) /* larger files are not read through at open */
#define ROOM_SQLITE_ROOMS_MAX ((int64_t)1 << 23)   /* bits of a room's number in an entry's key */

struct room_sqlite;

/* path ":memory:" for tests and the simulator. */
enum status room_sqlite_open(const char *path, struct room_sqlite **ret) MUST_USE;
struct room_store room_sqlite_port(struct room_sqlite *s);
void room_sqlite_close(struct room_sqlite *s);

#endif
