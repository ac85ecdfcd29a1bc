/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "store/room_sqlite_inner.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/clean_vfs.h"
#include "store/private.h"

/* "ENRM": tells our file from another program's. */
#define APPLICATION_ID 0x454E524D

static const char schema[] =
    "CREATE TABLE room (no INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, version INTEGER NOT NULL,"
    " day INTEGER NOT NULL, knocks INTEGER NOT NULL);"
    "CREATE TABLE seat (room INTEGER NOT NULL, seat BLOB NOT NULL, current INTEGER NOT NULL,"
    " proposal BLOB NOT NULL, drop_count INTEGER NOT NULL, drop_ms INTEGER NOT NULL,"
    " read INTEGER NOT NULL, over INTEGER NOT NULL,"
    " PRIMARY KEY (room, seat)) WITHOUT ROWID;"
    "CREATE INDEX seat_proposal ON seat (room, proposal);"
    "CREATE TABLE record (room INTEGER NOT NULL, version INTEGER NOT NULL, bytes BLOB NOT NULL,"
    " PRIMARY KEY (room, version));"
    "CREATE TABLE vote (room INTEGER NOT NULL, target BLOB NOT NULL, signer BLOB NOT NULL,"
    " idx INTEGER NOT NULL, sig BLOB NOT NULL, PRIMARY KEY (room, target, signer)) WITHOUT ROWID;"
    "CREATE TABLE feed (room INTEGER NOT NULL, feed INTEGER NOT NULL, count INTEGER NOT NULL,"
    " chain BLOB NOT NULL, first INTEGER NOT NULL, first_chain BLOB NOT NULL,"
    " bytes INTEGER NOT NULL, PRIMARY KEY (room, feed)) WITHOUT ROWID;"
    "CREATE TABLE entry (key INTEGER PRIMARY KEY, time INTEGER NOT NULL, chain BLOB NOT NULL,"
    " sealed BLOB NOT NULL);"
    "CREATE TABLE door (room INTEGER NOT NULL, door BLOB NOT NULL, expires INTEGER NOT NULL,"
    " record BLOB NOT NULL, PRIMARY KEY (room, door));"
    "CREATE TABLE knock (room INTEGER NOT NULL, reply BLOB NOT NULL, number INTEGER NOT NULL,"
    " time INTEGER NOT NULL, door BLOB NOT NULL, outcome INTEGER NOT NULL, blob BLOB NOT NULL,"
    " PRIMARY KEY (room, reply));"
    "CREATE INDEX knock_number ON knock (room, number);"
    "CREATE TABLE reply (room INTEGER NOT NULL, reply BLOB NOT NULL, seat BLOB NOT NULL,"
    " time INTEGER NOT NULL, blob BLOB NOT NULL, PRIMARY KEY (room, reply, seat));";

/* ---- statements ---- */

enum status room_sql_status(const struct room_sqlite *s, int code)
{
    (void)s;
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
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_READONLY: return ST_DENIED;
    default: return ST_IO;
    }
}

static const char *text_of(enum room_sql which)
{
    static const char *const texts[] = {
#define ROOM_SQL_TEXT(name, text) text,
        ROOM_SQL_STATEMENTS(ROOM_SQL_TEXT)
#undef ROOM_SQL_TEXT
    };
    return texts[which];
}

sqlite3_stmt *room_sql_use(struct room_sqlite *s, enum room_sql which, const char *format, ...)
{
    sqlite3_stmt *q = s->statements[which];
    va_list args;
    int column = 1;
    va_start(args, format);
    for (const char *f = format; *f != 0; f++, column++) {
        if (*f == 'i') {
            uint64_t v = va_arg(args, uint64_t);
            sqlite3_bind_int64(q, column, v > INT64_MAX ? INT64_MAX : (sqlite3_int64)v);
        } else if (*f == 'k') {
            sqlite3_bind_blob(q, column, va_arg(args, const uint8_t *), 32, SQLITE_STATIC);
        } else {
            struct bytes b = va_arg(args, struct bytes);
            sqlite3_bind_blob64(q, column, b.n > 0 ? (const void *)b.p : "", b.n, SQLITE_STATIC);
        }
    }
    va_end(args);
    return q;
}

void room_sql_done(sqlite3_stmt *q)
{
    sqlite3_reset(q);
    sqlite3_clear_bindings(q);
}

enum status room_sql_run(struct room_sqlite *s, sqlite3_stmt *q)
{
    int code = sqlite3_step(q);
    room_sql_done(q);
    return room_sql_status(s, code);
}

enum status room_sql_row(struct room_sqlite *s, sqlite3_stmt *q)
{
    int code = sqlite3_step(q);
    if (code == SQLITE_DONE) return ST_NOT_FOUND;
    return room_sql_status(s, code);
}

uint64_t room_sql_u64(sqlite3_stmt *q, int column)
{
    sqlite3_int64 v = sqlite3_column_int64(q, column);
    return v < 0 ? 0 : (uint64_t)v;
}

struct bytes room_sql_bytes(sqlite3_stmt *q, int column)
{
    const void *p = sqlite3_column_blob(q, column);
    return BYTES(p, p == NULL ? 0 : (size_t)sqlite3_column_bytes(q, column));
}

enum status room_sql_copy(sqlite3_stmt *q, int column, uint8_t *to, size_t n)
{
    struct bytes b = room_sql_bytes(q, column);
    if (b.n != n) return ST_INTEGRITY;
    memcpy(to, b.p, n);
    return ST_OK;
}

enum status room_sql_count(struct room_sqlite *s, sqlite3_stmt *q, uint64_t *ret)
{
    enum status st = room_sql_row(s, q);
    if (st == ST_OK) *ret = room_sql_u64(q, 0);
    room_sql_done(q);
    return st;
}

enum status room_sql_room(struct room_sqlite *s, const uint8_t room[32], int64_t *ret_no)
{
    if (s->last_no == 0 || memcmp(s->last, room, 32) != 0) {
        uint64_t no = 0;
        enum status st = room_sql_count(s, room_sql_use(s, ROOM_SQL_ROOM_NO, "k", room), &no);
        if (st != ST_OK) return st;
        memcpy(s->last, room, 32);
        s->last_no = (int64_t)no;
    }
    *ret_no = s->last_no;
    return ST_OK;
}

/* ---- transactions ---- */

static enum status run(void *ctx, enum room_sql which)
{
    struct room_sqlite *s = ctx;
    return room_sql_run(s, room_sql_use(s, which, ""));
}

static enum status begin(void *ctx)
{
    return run(ctx, ROOM_SQL_BEGIN);
}

static enum status commit(void *ctx)
{
    return run(ctx, ROOM_SQL_COMMIT);
}

static void rollback(void *ctx)
{
    struct room_sqlite *s = ctx;
    s->last_no = 0;
    /* SQLite has rolled back by itself after some errors: nothing is left to do then. */
    if (sqlite3_get_autocommit(s->db)) return;
    (void)run(ctx, ROOM_SQL_ROLLBACK);
}

static enum status mark(void *ctx)
{
    return run(ctx, ROOM_SQL_MARK);
}

static enum status keep(void *ctx)
{
    return run(ctx, ROOM_SQL_KEEP);
}

static void undo(void *ctx)
{
    struct room_sqlite *s = ctx;
    s->last_no = 0;
    (void)run(ctx, ROOM_SQL_UNDO);
    (void)run(ctx, ROOM_SQL_KEEP);
}

/* The log still holds pages as they were: it is written back and cut to nothing. */
static enum status scrub(void *ctx)
{
    struct room_sqlite *s = ctx;
    /* Pages that are free are zeros in the log. They are overwritten in place before they are given
     * back, which is for the disk's sake. */
    int code = sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_FULL, NULL, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_exec(s->db, "PRAGMA incremental_vacuum", NULL, NULL, NULL);
    if (code == SQLITE_OK) code = clean_scrub(s->db);
    return room_sql_status(s, code);
}

/* ---- rooms ---- */

static enum status rooms(void *ctx, uint64_t *ret_n)
{
    struct room_sqlite *s = ctx;
    return room_sql_count(s, room_sql_use(s, ROOM_SQL_ROOMS, ""), ret_n);
}

static enum status rooms_after(void *ctx, const uint8_t after[32], room_visit_key *visit, void *arg)
{
    struct room_sqlite *s = ctx;
    sqlite3_stmt *q = room_sql_use(s, ROOM_SQL_ROOMS_AFTER, "k", after);
    enum status st;
    uint8_t id[32];
    while ((st = room_sql_row(s, q)) == ST_OK) {
        st = room_sql_copy(q, 0, id, 32);
        if (st != ST_OK || !visit(arg, id)) break;
    }
    room_sql_done(q);
    return st == ST_NOT_FOUND ? ST_OK : st;
}

static enum status room_get(void *ctx, const uint8_t room[32], struct room_row *ret)
{
    struct room_sqlite *s = ctx;
    int64_t no = 0;
    enum status st = room_sql_room(s, room, &no);
    if (st != ST_OK) return st;
    sqlite3_stmt *q = room_sql_use(s, ROOM_SQL_ROOM_GET, "i", (uint64_t)no);
    st = room_sql_row(s, q);
    if (st == ST_OK)
        *ret = (struct room_row){room_sql_u64(q, 0), room_sql_u64(q, 1), room_sql_u64(q, 2)};
    room_sql_done(q);
    return st;
}

static enum status room_put(void *ctx, const uint8_t room[32], const struct room_row *row)
{
    struct room_sqlite *s = ctx;
    int64_t no = 0;
    enum status st = room_sql_room(s, room, &no);
    if (st == ST_OK)
        return room_sql_run(s, room_sql_use(s, ROOM_SQL_ROOM_SET, "iiii", row->version, row->day_ms,
                                            row->knocks, (uint64_t)no));
    if (st != ST_NOT_FOUND) return st;
    st = room_sql_run(s, room_sql_use(s, ROOM_SQL_ROOM_NEW, "kiii", room, row->version, row->day_ms,
                                      row->knocks));
    if (st != ST_OK) return st;
    return sqlite3_last_insert_rowid(s->db) < ROOM_SQLITE_ROOMS_MAX ? ST_OK : ST_QUOTA;
}

static enum status room_erase(void *ctx, const uint8_t room[32])
{
    static const enum room_sql drops[] = {
        ROOM_SQL_SEATS_DROP, ROOM_SQL_RECORDS_DROP, ROOM_SQL_VOTES_DROP_ALL, ROOM_SQL_FEEDS_DROP,
        ROOM_SQL_DOORS_DROP, ROOM_SQL_KNOCKS_DROP,  ROOM_SQL_REPLIES_DROP,   ROOM_SQL_ROOM_DROP};
    struct room_sqlite *s = ctx;
    int64_t no = 0;
    enum status st = ST_OK;
    TRY(room_sql_room(s, room, &no));
    TRY(room_sql_entries_erase(s, no));
    for (size_t i = 0; i < sizeof drops / sizeof drops[0]; i++)
        TRY(room_sql_run(s, room_sql_use(s, drops[i], "i", (uint64_t)no)));
    s->last_no = 0;
out:
    return st;
}

static const struct room_store_ops *room_sqlite_ops(void)
{
    static const struct room_store_ops ops = {
        .begin = begin,
        .commit = commit,
        .rollback = rollback,
        .mark = mark,
        .keep = keep,
        .undo = undo,
        .scrub = scrub,
        .rooms = rooms,
        .rooms_after = rooms_after,
        .room_get = room_get,
        .room_put = room_put,
        .room_erase = room_erase,
        .seat_get = room_sql_seat_get,
        .seat_put = room_sql_seat_put,
        .seats = room_sql_seats,
        .seats_read = room_sql_seats_read,
        .seats_even = room_sql_seats_even,
        .seats_ever = room_sql_seats_ever,
        .proposal_used = room_sql_proposal_used,
        .record_add = room_sql_record_add,
        .records = room_sql_records,
        .vote_put = room_sql_vote_put,
        .votes = room_sql_votes,
        .votes_drop = room_sql_votes_drop,
        .feed_get = room_sql_feed_get,
        .feed_put = room_sql_feed_put,
        .entry_add = room_sql_entry_add,
        .entries = room_sql_entries,
        .entries_drop = room_sql_entries_drop,
        .door_get = room_sql_door_get,
        .door_put = room_sql_door_put,
        .door_drop = room_sql_door_drop,
        .doors = room_sql_doors,
        .doors_expire = room_sql_doors_expire,
        .knock_get = room_sql_knock_get,
        .knock_put = room_sql_knock_put,
        .knocks = room_sql_knocks,
        .knocks_count = room_sql_knocks_count,
        .knock_accepted = room_sql_knock_accepted,
        .reply_put = room_sql_reply_put,
        .replies = room_sql_replies,
        .knocks_expire = room_sql_knocks_expire,
    };
    return &ops;
}

/* ---- open and close ---- */

static enum status pragma(struct room_sqlite *s, const char *text)
{
    return room_sql_status(s, sqlite3_exec(s->db, text, NULL, NULL, NULL));
}

static enum status pragma_number(struct room_sqlite *s, const char *text, int64_t *ret)
{
    sqlite3_stmt *q = NULL;
    enum status st = room_sql_status(s, sqlite3_prepare_v2(s->db, text, -1, &q, NULL));
    if (st == ST_OK) {
        st = room_sql_row(s, q);
        if (st == ST_OK) *ret = sqlite3_column_int64(q, 0);
    }
    sqlite3_finalize(q);
    return st;
}

/* A damaged file is better known at the start than in the middle of a night. */
static enum status check_file(struct room_sqlite *s, const char *path)
{
    struct stat info;
    sqlite3_stmt *q = NULL;
    if (stat(path, &info) != 0 || (uint64_t)info.st_size > ROOM_SQLITE_CHECK_MAX) return ST_OK;
    enum status st =
        room_sql_status(s, sqlite3_prepare_v2(s->db, "PRAGMA quick_check(1)", -1, &q, NULL));
    if (st == ST_OK) st = room_sql_row(s, q);
    if (st == ST_OK && strcmp((const char *)sqlite3_column_text(q, 0), "ok") != 0)
        st = ST_INTEGRITY;
    sqlite3_finalize(q);
    return st;
}

static enum status make_schema(struct room_sqlite *s)
{
    int64_t id = 0, version = 0, tables = 0;
    enum status st = ST_OK;
    TRY(pragma_number(s, "PRAGMA application_id", &id));
    TRY(pragma_number(s, "PRAGMA user_version", &version));
    TRY(pragma_number(s, "SELECT count(*) FROM sqlite_master", &tables));
    if (id == 0 && version == 0 && tables == 0) {
        /* In one transaction: a crash leaves an empty file, not half of a schema. */
        TRY(pragma(s, "BEGIN IMMEDIATE"));
        TRY(pragma(s, schema));
        TRY(pragma(s, "PRAGMA application_id = 1162760781"));
        TRY(pragma(s, "PRAGMA user_version = 2"));
        TRY(pragma(s, "COMMIT"));
    } else if (id != APPLICATION_ID) {
        st = ST_INTEGRITY;
    } else if (version != ROOM_SQLITE_SCHEMA) {
        st = ST_VERSION;
    }
out:
    return st;
}

/* Made beforehand with its mode, for SQLite would go by the umask. */
static enum status make_file(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return private_from_errno(errno);
    enum status st = private_fd(fd);
    close(fd);
    return st;
}

static enum status prepare(struct room_sqlite *s)
{
    for (int i = 0; i < ROOM_SQL_COUNT; i++) {
        int code = sqlite3_prepare_v3(s->db, text_of((enum room_sql)i), -1,
                                      SQLITE_PREPARE_PERSISTENT, &s->statements[i], NULL);
        if (code != SQLITE_OK) return room_sql_status(s, code);
    }
    return ST_OK;
}

enum status room_sqlite_open(const char *path, struct room_sqlite **ret)
{
    bool memory = strcmp(path, ":memory:") == 0;
    struct room_sqlite *s = calloc(1, sizeof *s);
    enum status st = ST_OK;
    if (s == NULL || clean_vfs() == NULL) {
        free(s);
        return ST_NO_MEMORY;
    }
    if (!memory) TRY(make_file(path));
    TRY(room_sql_status(s, sqlite3_open_v2(path, &s->db,
                                           SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE |
                                               SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
                                           clean_vfs())));
    /* Locked from the first access on; the index of the log then needs no shared memory file. */
    TRY(pragma(s, "PRAGMA locking_mode = EXCLUSIVE"));
    TRY(pragma(s, "PRAGMA trusted_schema = OFF"));
    /* Measured: entries of 2 KiB fill it three by three, and twice as many a second as at 16 KiB. */
    TRY(pragma(s, "PRAGMA page_size = 8192"));
    TRY(pragma(s, "PRAGMA secure_delete = ON"));
    TRY(pragma(s, "PRAGMA temp_store = MEMORY"));
    TRY(pragma(s, "PRAGMA auto_vacuum = INCREMENTAL"));
    if (!memory) TRY(pragma(s, "PRAGMA journal_mode = WAL"));
    TRY(pragma(s, "PRAGMA synchronous = FULL"));
    TRY(pragma(s, "PRAGMA journal_size_limit = 16777216"));
    TRY(make_schema(s));
    if (!memory) TRY(check_file(s, path));
    /* The process may have ended between the commit of an erasure and its scrub. */
    if (!memory) TRY(room_sql_status(s, clean_scrub(s->db)));
    TRY(prepare(s));
    *ret = s;
    return ST_OK;
out:
    room_sqlite_close(s);
    return st;
}

struct room_store room_sqlite_port(struct room_sqlite *s)
{
    return (struct room_store){room_sqlite_ops(), s};
}

void room_sqlite_close(struct room_sqlite *s)
{
    if (s == NULL) return;
    for (int i = 0; i < ROOM_SQL_COUNT; i++) sqlite3_finalize(s->statements[i]);
    sqlite3_close(s->db);
    free(s);
}
