/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * clean_vfs: SQLite's file access, with one thing more: the unallocated space of
 * each b-tree page is zeroed on its way into the database file. secure_delete
 * overwrites what is deleted, but where SQLite moves rows from page to page it
 * leaves the old copies in that space, and forgets them there: they would stay
 * when their rows are deleted long after.
 *
 * Owns: registers itself once a process and stays; nothing to free.
 * Errors: clean_vfs: NULL when out of memory. clean_scrub: SQLite's code;
 *     SQLITE_BUSY: another connection reads, try again later.
 * Order: clean_vfs for sqlite3_open_v2; clean_scrub after the commit of what must
 *     be gone, on the writing connection, outside a transaction.
 */
#ifndef ENCLAVE_STORE_CLEAN_VFS_H
#define ENCLAVE_STORE_CLEAN_VFS_H

#include <sqlite3.h>

#define CLEAN_PAGE 8192 /* databases of another page size are written as they are */
/* From 128 GiB on a page's number could pass for a kind of page: as they are, too. */
#define CLEAN_PAGES_MAX ((sqlite3_int64)1 << 24)

const char *clean_vfs(void);

/* Sees to it that no file holds what was deleted and committed: the log is written back and cut to
 * nothing, and the connection's memory of pages is given up, from which old copies could come into
 * the next log. */
int clean_scrub(sqlite3 *db);

#endif
