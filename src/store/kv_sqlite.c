/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "store/kv_sqlite.h"

#include "store/clean_vfs.h"
#include "store/place.h"
#include "store/private.h"
#include "store/store_thread.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define APPLICATION_ID 0x454E4B56 /* "ENKV" */
#define BUSY_MS 10000             /* of our own two connections with each other */

enum write_sql { BEGIN, COMMIT, ROLLBACK, PUT, DROP, DROP_BELOW, DROP_SPACE, WRITES };
enum read_sql { GET, SCAN, LAST, READS };

static const char *const write_text[WRITES] = {
    [BEGIN] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
    [ROLLBACK] = "ROLLBACK",
    [PUT] = "INSERT INTO rows VALUES (NULL, ?1, ?2, ?3) ON CONFLICT DO UPDATE SET value = ?3",
    [DROP] = "DELETE FROM rows WHERE space = ?1 AND n = ?2",
    [DROP_BELOW] = "DELETE FROM rows WHERE space = ?1 AND n < ?2",
    [DROP_SPACE] = "DELETE FROM rows WHERE space = ?1",
};
static const char *const read_text[READS] = {
    [GET] = "SELECT n, value FROM rows WHERE space = ?1 AND n = ?2",
    [SCAN] = "SELECT n, value FROM rows WHERE space = ?1 AND n >= ?2 ORDER BY n",
    [LAST] = "SELECT n, value FROM rows WHERE space = ?1 ORDER BY n DESC LIMIT 1",
};

struct kv_sqlite {
    sqlite3 *writer; /* store thread, after open */
    sqlite3 *reader; /* loop thread */
    sqlite3_stmt *write[WRITES];
    sqlite3_stmt *read[READS];
    struct store_thread *thread;
    int lock;
    int file; /* the database itself, for its attributes; closed after SQLite has closed it */
    struct place place; /* store thread, after open; its id does not change */
    bool dropped;       /* store thread: this batch drops a space */
    bool scrub;         /* store thread: one is dropped for good, the log not yet emptied */
    size_t waiting;     /* bytes of commits on their way */
    void (*closed)(void *arg);
    void *closed_arg;
};

/* The one row that is not sealed. All other spaces are hashes (vault.md, "Rows"). */
static const uint8_t place_space[KV_SPACE] = "ENCLAVE place";

/* Numbers keep their order as SQLite's signed ones: 0 becomes the smallest. */
static sqlite3_int64 from_u64(uint64_t n)
{
    return (sqlite3_int64)(n ^ (UINT64_C(1) << 63));
}

static uint64_t to_u64(sqlite3_int64 n)
{
    return (uint64_t)n ^ (UINT64_C(1) << 63);
}

static enum status from_code(sqlite3 *db, int code)
{
    int os = db ? sqlite3_system_errno(db) : 0;
    if (!os) os = errno; /* a COMMIT that fails (used-up quota, for one) leaves it only there */
    switch (code & 0xFF) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE: return ST_OK;
    case SQLITE_FULL: return ST_NO_SPACE;
    case SQLITE_NOMEM: return ST_NO_MEMORY;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return ST_INTEGRITY;
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return ST_BUSY;
    case SQLITE_READONLY:
    case SQLITE_PERM: return ST_DENIED;
    case SQLITE_CANTOPEN: return os ? private_from_errno(os) : ST_IO;
    case SQLITE_IOERR: return os && private_from_errno(os) == ST_NO_SPACE ? ST_NO_SPACE : ST_IO;
    default: return ST_BUG;
    }
}

/* ---- opening ---- */

static enum status number_of(sqlite3 *db, const char *sql, sqlite3_int64 *ret)
{
    sqlite3_stmt *q = NULL;
    int code = sqlite3_prepare_v2(db, sql, -1, &q, NULL);
    if (code == SQLITE_OK) code = sqlite3_step(q);
    if (code == SQLITE_ROW) *ret = sqlite3_column_int64(q, 0);
    sqlite3_finalize(q);
    return from_code(db, code == SQLITE_DONE ? SQLITE_CORRUPT : code);
}

static enum status run(sqlite3 *db, const char *sql)
{
    return from_code(db, sqlite3_exec(db, sql, NULL, NULL, NULL));
}

static enum status attach(const char *path, sqlite3 **ret)
{
    enum status st;
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE;
    const char *vfs = clean_vfs();
    if (!vfs) return ST_NO_MEMORY;
    TRY(from_code(NULL, sqlite3_open_v2(path, ret, flags, vfs)));
    (void)sqlite3_extended_result_codes(*ret, 1);
    TRY(from_code(*ret, sqlite3_busy_timeout(*ret, BUSY_MS)));
    /* A file made by others could hold triggers and views that call functions. */
    (void)sqlite3_db_config(*ret, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    (void)sqlite3_db_config(*ret, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    TRY(run(*ret, "PRAGMA synchronous = FULL; PRAGMA secure_delete = ON;"
                  "PRAGMA temp_store = MEMORY; PRAGMA cell_size_check = ON"));
out:
    return st;
}

/* The whole structure, while that takes no time worth speaking of. */
static enum status check(sqlite3 *db, const char *path)
{
    struct stat s;
    sqlite3_stmt *q = NULL;
    if (stat(path, &s) != 0 || (uint64_t)s.st_size > KV_SQLITE_CHECK_MAX) return ST_OK;
    int code = sqlite3_prepare_v2(db, "PRAGMA quick_check(1)", -1, &q, NULL);
    if (code == SQLITE_OK) code = sqlite3_step(q);
    const char *text = code == SQLITE_ROW ? (const char *)sqlite3_column_text(q, 0) : NULL;
    enum status st = from_code(db, code);
    if (st == ST_OK && (!text || strcmp(text, "ok") != 0)) st = ST_INTEGRITY;
    sqlite3_finalize(q);
    return st;
}

static enum status schema(sqlite3 *db, const char *path)
{
    enum status st;
    sqlite3_int64 id = 0, version = 0, tables = 0;
    TRY(number_of(db, "PRAGMA application_id", &id));
    TRY(number_of(db, "PRAGMA user_version", &version));
    TRY(number_of(db, "SELECT count(*) FROM sqlite_schema", &tables));
    if (!id && !version && !tables) {
        /* Measured against WITHOUT ROWID and other page sizes: for values of 0.6 to 9 KB this is
         * 2 to 3 times as fast, and a file of half the size, as values stay whole in a leaf. */
        char text[400];
        snprintf(text, sizeof text,
                 "PRAGMA page_size = 8192;"
                 "BEGIN IMMEDIATE;"
                 "CREATE TABLE rows (id INTEGER PRIMARY KEY, space BLOB NOT NULL,"
                 " n INTEGER NOT NULL, value BLOB NOT NULL, UNIQUE (space, n));"
                 "PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT",
                 APPLICATION_ID, KV_SQLITE_SCHEMA);
        TRY(run(db, text));
    } else {
        if (id != APPLICATION_ID) return ST_INTEGRITY;
        if (version != KV_SQLITE_SCHEMA) return ST_VERSION;
        TRY(check(db, path));
    }
    TRY(run(db, "PRAGMA journal_mode = WAL; PRAGMA journal_size_limit = 16777216"));
    /* The process may have ended between the commit of an erasure and its scrub. */
    TRY(from_code(db, clean_scrub(db)));
out:
    return st;
}

static enum status prepare(sqlite3 *db, const char *const *text, size_t n, sqlite3_stmt **ret)
{
    for (size_t i = 0; i < n; i++) {
        int code = sqlite3_prepare_v3(db, text[i], -1, SQLITE_PREPARE_PERSISTENT, &ret[i], NULL);
        if (code != SQLITE_OK) return from_code(db, code);
    }
    return ST_OK;
}

/* The directory, the lock and the file itself, so that SQLite meets one of mode 0600 (its -wal and
 * -shm take the mode of the database). */
static enum status guard(const char *path, int *ret_lock, int *ret_file)
{
    char other[PATH_MAX];
    enum status st;
    const char *slash = strrchr(path, '/');
    int n = slash ? snprintf(other, sizeof other, "%.*s", (int)(slash - path), path)
                  : snprintf(other, sizeof other, ".");
    if (n < 0 || (size_t)n >= sizeof other) return ST_TOO_BIG;
    TRY(private_dir(n ? other : "/", false));
    n = snprintf(other, sizeof other, "%s.lock", path);
    if (n < 0 || (size_t)n >= sizeof other) return ST_TOO_BIG;
    TRY(private_lock(other, ret_lock));
    *ret_file = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (*ret_file < 0) return errno == ELOOP ? ST_LOOSE_MODE : private_from_errno(errno);
    st = private_fd(*ret_file);
out:
    return st;
}

static void release(struct kv_sqlite *s)
{
    for (size_t i = 0; i < WRITES; i++) sqlite3_finalize(s->write[i]);
    for (size_t i = 0; i < READS; i++) sqlite3_finalize(s->read[i]);
    sqlite3_close(s->reader);
    sqlite3_close(s->writer); /* the last one: takes the WAL in and removes it */
    if (s->file >= 0) close(s->file);
    private_unlock(s->lock);
    free(s);
}

/* ---- the store thread ---- */

struct commit {
    struct store_job job; /* first: a job is its commit */
    struct kv_sqlite *owner;
    kv_done *done;
    void *arg;
    size_t bytes;
    size_t n;
    struct kv_write writes[];
};

static enum status step(struct kv_sqlite *s, sqlite3_stmt *q)
{
    errno = 0;
    int code = sqlite3_step(q);
    enum status st = code == SQLITE_DONE ? ST_OK : from_code(s->writer, code);
    sqlite3_reset(q);
    return st;
}

static enum status apply(struct kv_sqlite *s, const struct kv_write *w)
{
    static const enum write_sql verbs[] = {[KV_PUT] = PUT,
                                           [KV_DROP] = DROP,
                                           [KV_DROP_BELOW] = DROP_BELOW,
                                           [KV_DROP_SPACE] = DROP_SPACE};
    sqlite3_stmt *q = s->write[verbs[w->verb]];
    int code = sqlite3_bind_blob(q, 1, w->space, KV_SPACE, SQLITE_STATIC);
    if (code == SQLITE_OK && w->verb != KV_DROP_SPACE)
        code = sqlite3_bind_int64(q, 2, from_u64(w->n));
    if (code == SQLITE_OK && w->verb == KV_PUT)
        code = sqlite3_bind_blob(q, 3, w->value.n ? (const void *)w->value.p : "", (int)w->value.n,
                                 SQLITE_STATIC);
    enum status st = code == SQLITE_OK ? step(s, q) : from_code(s->writer, code);
    sqlite3_clear_bindings(q);
    if (w->verb == KV_DROP_SPACE) s->dropped = true;
    return st;
}

static enum status commit_run(struct store_job *job, void *ctx)
{
    struct commit *c = (struct commit *)job;
    enum status st = ST_OK;
    for (size_t i = 0; i < c->n && st == ST_OK; i++) st = apply(ctx, &c->writes[i]);
    return st;
}

static enum status batch_begin(void *ctx)
{
    struct kv_sqlite *s = ctx;
    return step(s, s->write[BEGIN]);
}

static enum status put_place(struct kv_sqlite *s)
{
    uint8_t row[PLACE_ROW];
    struct kv_write w = {.verb = KV_PUT, .value = BYTES_OF(row)};
    memcpy(w.space, place_space, KV_SPACE);
    place_row(&s->place, row);
    return apply(s, &w);
}

static enum status batch_commit(void *ctx)
{
    struct kv_sqlite *s = ctx;
    enum status st = put_place(s);
    if (st == ST_OK) st = step(s, s->write[COMMIT]);
    if (st == ST_OK) place_mark(&s->place, s->file);
    /* secure_delete zeroes the pages, but the log may still hold older ones. What was dropped is
     * dropped: if it does not go now, it goes with the next commit. */
    if (st == ST_OK && s->dropped) s->scrub = true;
    s->dropped = false;
    if (st == ST_OK && s->scrub) s->scrub = clean_scrub(s->writer) != SQLITE_OK;
    return st;
}

static void batch_rollback(void *ctx)
{
    struct kv_sqlite *s = ctx;
    /* On a full disk SQLite has rolled back by itself. */
    if (!sqlite3_get_autocommit(s->writer)) (void)step(s, s->write[ROLLBACK]);
    s->dropped = false;
}

/* ---- the port ---- */

static void commit_done(struct store_job *job, enum status st)
{
    struct commit *c = (struct commit *)job;
    kv_done *done = c->done;
    void *arg = c->arg;
    c->owner->waiting -= c->bytes;
    free(c);
    if (done) done(arg, st);
}

static enum status port_commit(void *ctx, const struct kv_write *writes, size_t n, kv_done *done,
                               void *arg)
{
    struct kv_sqlite *s = ctx;
    size_t bytes = sizeof(struct commit) + n * sizeof *writes;
    for (size_t i = 0; i < n; i++) {
        if (writes[i].verb != KV_PUT) continue;
        if (writes[i].value.n > KV_VALUE_MAX) return ST_USAGE;
        bytes += writes[i].value.n;
    }
    if (bytes > KV_SQLITE_WAITING_MAX - s->waiting) return ST_BUSY;
    struct commit *c = malloc(bytes);
    if (!c) return ST_NO_MEMORY;
    *c = (struct commit){.job = {.run = commit_run, .done = commit_done},
                         .owner = s,
                         .done = done,
                         .arg = arg,
                         .bytes = bytes,
                         .n = n};
    uint8_t *at = (uint8_t *)&c->writes[n];
    for (size_t i = 0; i < n; i++) {
        c->writes[i] = writes[i];
        c->writes[i].value = BYTES_NONE;
        if (writes[i].verb != KV_PUT || !writes[i].value.n) continue;
        memcpy(at, writes[i].value.p, writes[i].value.n);
        c->writes[i].value = BYTES(at, writes[i].value.n);
        at += writes[i].value.n;
    }
    enum status st = store_thread_submit(s->thread, &c->job);
    if (st != ST_OK)
        free(c);
    else
        s->waiting += bytes;
    return st;
}

/* Binds and makes the first step. ST_NOT_FOUND without a row. */
static enum status first(struct kv_sqlite *s, sqlite3_stmt *q, const uint8_t *space,
                         const uint64_t *n)
{
    int code = sqlite3_bind_blob(q, 1, space, KV_SPACE, SQLITE_STATIC);
    if (code == SQLITE_OK && n) code = sqlite3_bind_int64(q, 2, from_u64(*n));
    if (code == SQLITE_OK) code = sqlite3_step(q);
    return code == SQLITE_DONE ? ST_NOT_FOUND : from_code(s->reader, code);
}

/* NULL with a length above zero is SQLite out of memory. */
static enum status value_of(sqlite3_stmt *q, struct bytes *ret)
{
    const void *p = sqlite3_column_blob(q, 1);
    *ret = BYTES(p, (size_t)sqlite3_column_bytes(q, 1));
    return ret->n && !p ? ST_NO_MEMORY : ST_OK;
}

static enum status port_get(void *ctx, const uint8_t space[KV_SPACE], uint64_t n, struct buf *ret)
{
    struct kv_sqlite *s = ctx;
    struct bytes value;
    enum status st;
    TRY(first(s, s->read[GET], space, &n));
    TRY(value_of(s->read[GET], &value));
    buf_bytes(ret, value);
    TRY(buf_status(ret));
out:
    sqlite3_reset(s->read[GET]);
    return st;
}

static enum status port_last(void *ctx, const uint8_t space[KV_SPACE], uint64_t *ret_n,
                             struct buf *ret)
{
    struct kv_sqlite *s = ctx;
    struct bytes value;
    enum status st;
    TRY(first(s, s->read[LAST], space, NULL));
    if (ret) {
        TRY(value_of(s->read[LAST], &value));
        buf_bytes(ret, value);
        TRY(buf_status(ret));
    }
    *ret_n = to_u64(sqlite3_column_int64(s->read[LAST], 0));
out:
    sqlite3_reset(s->read[LAST]);
    return st;
}

static enum status port_scan(void *ctx, const uint8_t space[KV_SPACE], uint64_t from,
                             kv_visit *visit, void *arg)
{
    struct kv_sqlite *s = ctx;
    struct bytes value;
    enum status st;
    sqlite3_stmt *own = NULL, *q = s->read[SCAN];
    const bool nested = sqlite3_stmt_busy(q); /* a scan inside a scan's visit */
    if (nested) {
        TRY(prepare(s->reader, &read_text[SCAN], 1, &own));
        q = own;
    }
    st = first(s, q, space, &from);
    while (st == ST_OK) {
        TRY(value_of(q, &value));
        if (!visit(arg, to_u64(sqlite3_column_int64(q, 0)), value)) break;
        int code = sqlite3_step(q);
        st = code == SQLITE_DONE ? ST_NOT_FOUND : from_code(s->reader, code);
    }
    if (st == ST_NOT_FOUND) st = ST_OK; /* an empty space is no error */
out:
    if (nested)
        sqlite3_finalize(own);
    else
        sqlite3_reset(q);
    return st;
}

/* Nothing is written yet: the first commit takes along what was noticed. */
static enum status find_place(struct kv_sqlite *s)
{
    struct buf row;
    buf_init(&row, KV_VALUE_MAX);
    enum status st = port_get(s, place_space, 0, &row);
    if (st == ST_OK || st == ST_NOT_FOUND) {
        place_look(&s->place, s->file, buf_view(&row));
        st = ST_OK;
    }
    buf_free(&row);
    return st;
}

const uint8_t *kv_sqlite_place(const struct kv_sqlite *s)
{
    return s->place.id;
}

struct kv kv_sqlite_port(struct kv_sqlite *s)
{
    static const struct kv_ops ops = {
        .get = port_get, .scan = port_scan, .last = port_last, .commit = port_commit};
    return (struct kv){&ops, s};
}

enum status kv_sqlite_open(uv_loop_t *loop, const char *path, struct kv_sqlite **ret)
{
    enum status st;
    struct kv_sqlite *s = calloc(1, sizeof *s);
    *ret = NULL;
    if (!s) return ST_NO_MEMORY;
    s->lock = s->file = -1;
    TRY(guard(path, &s->lock, &s->file));
    TRY(attach(path, &s->writer));
    TRY(schema(s->writer, path));
    TRY(prepare(s->writer, write_text, WRITES, s->write));
    TRY(attach(path, &s->reader));
    TRY(run(s->reader, "PRAGMA query_only = ON"));
    TRY(prepare(s->reader, read_text, READS, s->read));
    TRY(find_place(s));
    const struct store_hooks hooks = {batch_begin, batch_commit, batch_rollback, s};
    TRY(store_thread_start(loop, &hooks, &s->thread));
    *ret = s;
    return ST_OK;
out:
    release(s);
    /* These words are right: where they fail, the file says of itself what cannot be. */
    return st == ST_BUG ? ST_INTEGRITY : st;
}

static void on_stopped(void *arg)
{
    struct kv_sqlite *s = arg;
    void (*closed)(void *arg) = s->closed;
    void *closed_arg = s->closed_arg;
    release(s);
    if (closed) closed(closed_arg);
}

void kv_sqlite_close(struct kv_sqlite *s, void (*closed)(void *arg), void *arg)
{
    s->closed = closed;
    s->closed_arg = arg;
    store_thread_stop(s->thread, on_stopped, s);
}
