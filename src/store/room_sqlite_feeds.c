/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Heads of feeds and their entries. */
#include "store/room_sqlite_inner.h"

#define INDEX_MAX (((uint64_t)1 << ROOM_SQL_INDEX_BITS) - 1)

static uint64_t key_of(int64_t no, uint8_t feed, uint64_t index)
{
    if (index > INDEX_MAX) index = INDEX_MAX;
    return (uint64_t)no << (ROOM_SQL_INDEX_BITS + 2) | (uint64_t)feed << ROOM_SQL_INDEX_BITS |
           index;
}

/* The first key after those of a feed: the next feed's, or the next room's. */
static uint64_t key_end(int64_t no, uint8_t feed)
{
    return key_of(no, feed, 0) + INDEX_MAX + 1;
}

enum status room_sql_feed_get(void *ctx, const uint8_t room[32], uint8_t feed,
                              struct room_feed_row *ret)
{
    struct room_sqlite *s = ctx;
    struct room_feed_row row = {0};
    int64_t no = 0;
    enum status st = room_sql_room(s, room, &no);
    if (st != ST_OK) return st;
    sqlite3_stmt *q = room_sql_use(s, ROOM_SQL_FEED_GET, "ii", (uint64_t)no, (uint64_t)feed);
    TRY(room_sql_row(s, q));
    row.count = room_sql_u64(q, 0);
    TRY(room_sql_copy(q, 1, row.chain, 32));
    row.first = room_sql_u64(q, 2);
    TRY(room_sql_copy(q, 3, row.first_chain, 32));
    row.bytes = room_sql_u64(q, 4);
    *ret = row;
out:
    room_sql_done(q);
    return st;
}

enum status room_sql_feed_put(void *ctx, const uint8_t room[32], uint8_t feed,
                              const struct room_feed_row *row)
{
    struct room_sqlite *s = ctx;
    int64_t no = 0;
    enum status st = room_sql_room(s, room, &no);
    if (st != ST_OK) return st;
    return room_sql_run(s, room_sql_use(s, ROOM_SQL_FEED_PUT, "iiikiki", (uint64_t)no,
                                        (uint64_t)feed, row->count, row->chain, row->first,
                                        row->first_chain, row->bytes));
}

enum status room_sql_entry_add(void *ctx, const uint8_t room[32], uint8_t feed,
                               const struct room_entry_row *e)
{
    struct room_sqlite *s = ctx;
    int64_t no = 0;
    if (e->index >= INDEX_MAX) return ST_QUOTA;
    enum status st = room_sql_room(s, room, &no);
    if (st != ST_OK) return st;
    return room_sql_run(s, room_sql_use(s, ROOM_SQL_ENTRY_ADD, "iikb", key_of(no, feed, e->index),
                                        e->time_ms, e->chain, e->sealed));
}

enum status room_sql_entries(void *ctx, const uint8_t room[32], uint8_t feed, uint64_t from,
                             room_visit_entry *visit, void *arg)
{
    struct room_sqlite *s = ctx;
    struct room_entry_row e;
    int64_t no = 0;
    enum status st = room_sql_room(s, room, &no);
    if (st != ST_OK) return st;
    sqlite3_stmt *q =
        room_sql_use(s, ROOM_SQL_ENTRIES, "ii", key_of(no, feed, from), key_end(no, feed));
    while ((st = room_sql_row(s, q)) == ST_OK) {
        e.index = room_sql_u64(q, 0) & INDEX_MAX;
        e.time_ms = room_sql_u64(q, 1);
        e.sealed = room_sql_bytes(q, 3);
        st = room_sql_copy(q, 2, e.chain, 32);
        if (st != ST_OK || !visit(arg, &e)) break;
    }
    room_sql_done(q);
    return st == ST_NOT_FOUND ? ST_OK : st;
}

enum status room_sql_entries_drop(void *ctx, const uint8_t room[32], uint8_t feed, uint64_t n)
{
    struct room_sqlite *s = ctx;
    int64_t no = 0;
    enum status st = room_sql_room(s, room, &no);
    if (st != ST_OK) return st;
    return room_sql_run(
        s, room_sql_use(s, ROOM_SQL_ENTRIES_DROP, "ii", key_of(no, feed, 0), key_of(no, feed, n)));
}

enum status room_sql_entries_erase(struct room_sqlite *s, int64_t no)
{
    return room_sql_run(
        s, room_sql_use(s, ROOM_SQL_ENTRIES_DROP, "ii", key_of(no, 0, 0), key_of(no + 1, 0, 0)));
}
