/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Doors, knocks and replies. */
#include "store/room_sqlite_inner.h"

enum status room_sql_door_get(void *ctx, const uint8_t room[32], const uint8_t door[32],
                              struct buf *ret_record, uint64_t *ret_expires_ms)
{
    struct room_sqlite *s = ctx;
    int64_t no = 0;
    enum status st = room_sql_room(s, room, &no);
    if (st != ST_OK) return st;
    sqlite3_stmt *q = room_sql_use(s, ROOM_SQL_DOOR_GET, "ik", (uint64_t)no, door);
    st = room_sql_row(s, q);
    if (st == ST_OK) {
        *ret_expires_ms = room_sql_u64(q, 0);
        buf_bytes(ret_record, room_sql_bytes(q, 1));
        st = buf_status(ret_record);
    }
    room_sql_done(q);
    return st;
}

enum status room_sql_door_put(void *ctx, const uint8_t room[32], const uint8_t door[32],
                              const struct room_door_row *row)
{
    struct room_sqlite *s = ctx;
    int64_t no = 0;
    enum status st = room_sql_room(s, room, &no);
    if (st != ST_OK) return st;
    return room_sql_run(s, room_sql_use(s, ROOM_SQL_DOOR_PUT, "ikib", (uint64_t)no, door,
                                        row->expires_ms, row->record));
}

enum status room_sql_door_drop(void *ctx, const uint8_t room[32], const uint8_t door[32])
{
    struct room_sqlite *s = ctx;
    int64_t no = 0;
    enum status st = room_sql_room(s, room, &no);
    if (st != ST_OK) return st;
    return room_sql_run(s, room_sql_use(s, ROOM_SQL_DOOR_DROP, "ik", (uint64_t)no, door));
}

enum status room_sql_doors(void *ctx, const uint8_t room[32], uint64_t *ret_n)
{
    struct room_sqlite *s = ctx;
    int64_t no = 0;
    enum status st = room_sql_room(s, room, &no);
    if (st != ST_OK) return st;
    return room_sql_count(s, room_sql_use(s, ROOM_SQL_DOORS, "i", (uint64_t)no), ret_n);
}

enum status room_sql_doors_expire(void *ctx, const uint8_t room[32], uint64_t now_ms)
{
    struct room_sqlite *s = ctx;
    int64_t no = 0;
    enum status st = room_sql_room(s, room, &no);
    if (st != ST_OK) return st;
    return room_sql_run(s, room_sql_use(s, ROOM_SQL_DOORS_EXPIRE, "ii", (uint64_t)no, now_ms));
}

/* The row that q stands on; blob is a view into it. */
static enum status knock_of(sqlite3_stmt *q, struct room_knock_row *ret)
{
    struct room_knock_row row = {.number = room_sql_u64(q, 0), .time_ms = room_sql_u64(q, 1)};
    enum status st = ST_OK;
    TRY(room_sql_copy(q, 2, row.door, 32));
    TRY(room_sql_copy(q, 3, row.reply, 32));
    row.outcome = (uint8_t)room_sql_u64(q, 4);
    row.blob = room_sql_bytes(q, 5);
    *ret = row;
out:
    return st;
}

enum status room_sql_knock_get(void *ctx, const uint8_t room[32], const uint8_t reply[32],
                               struct room_knock_row *ret, struct buf *ret_blob)
{
    struct room_sqlite *s = ctx;
    struct room_knock_row row;
    int64_t no = 0;
    enum status st = room_sql_room(s, room, &no);
    if (st != ST_OK) return st;
    sqlite3_stmt *q = room_sql_use(s, ROOM_SQL_KNOCK_GET, "ik", (uint64_t)no, reply);
    TRY(room_sql_row(s, q));
    TRY(knock_of(q, &row));
    buf_bytes(ret_blob, row.blob);
    TRY(buf_status(ret_blob));
    row.blob = buf_view(ret_blob);
    *ret = row;
out:
    room_sql_done(q);
    return st;
}

enum status room_sql_knock_put(void *ctx, const uint8_t room[32], const struct room_knock_row *row)
{
    struct room_sqlite *s = ctx;
    int64_t no = 0;
    enum status st = room_sql_room(s, room, &no);
    if (st != ST_OK) return st;
    return room_sql_run(s, room_sql_use(s, ROOM_SQL_KNOCK_PUT, "iiikkib", (uint64_t)no, row->number,
                                        row->time_ms, row->door, row->reply, (uint64_t)row->outcome,
                                        row->blob));
}

enum status room_sql_knocks(void *ctx, const uint8_t room[32], uint64_t from,
                            room_visit_knock *visit, void *arg)
{
    struct room_sqlite *s = ctx;
    struct room_knock_row row;
    int64_t no = 0;
    enum status st = room_sql_room(s, room, &no);
    if (st != ST_OK) return st;
    sqlite3_stmt *q = room_sql_use(s, ROOM_SQL_KNOCKS, "ii", (uint64_t)no, from);
    while ((st = room_sql_row(s, q)) == ST_OK) {
        st = knock_of(q, &row);
        if (st != ST_OK || !visit(arg, &row)) break;
    }
    room_sql_done(q);
    return st == ST_NOT_FOUND ? ST_OK : st;
}

enum status room_sql_knocks_count(void *ctx, const uint8_t room[32], const uint8_t door[32],
                                  uint64_t *ret_door, uint64_t *ret_room)
{
    struct room_sqlite *s = ctx;
    int64_t no = 0;
    enum status st = ST_OK;
    TRY(room_sql_room(s, room, &no));
    TRY(room_sql_count(s, room_sql_use(s, ROOM_SQL_KNOCKS_DOOR, "ik", (uint64_t)no, door),
                       ret_door));
    TRY(room_sql_count(s, room_sql_use(s, ROOM_SQL_KNOCKS_ROOM, "i", (uint64_t)no), ret_room));
out:
    return st;
}

enum status room_sql_knock_accepted(void *ctx, const uint8_t room[32], const uint8_t door[32],
                                    uint8_t ret_reply[32])
{
    struct room_sqlite *s = ctx;
    int64_t no = 0;
    enum status st = room_sql_room(s, room, &no);
    if (st != ST_OK) return st;
    sqlite3_stmt *q = room_sql_use(s, ROOM_SQL_KNOCK_ACCEPTED, "ik", (uint64_t)no, door);
    st = room_sql_row(s, q);
    if (st == ST_OK) st = room_sql_copy(q, 0, ret_reply, 32);
    room_sql_done(q);
    return st;
}

enum status room_sql_reply_put(void *ctx, const uint8_t room[32], const uint8_t reply[32],
                               const uint8_t seat[32], uint64_t time_ms, struct bytes blob)
{
    struct room_sqlite *s = ctx;
    int64_t no = 0;
    enum status st = room_sql_room(s, room, &no);
    if (st != ST_OK) return st;
    return room_sql_run(
        s, room_sql_use(s, ROOM_SQL_REPLY_PUT, "ikkib", (uint64_t)no, reply, seat, time_ms, blob));
}

enum status room_sql_replies(void *ctx, const uint8_t room[32], const uint8_t reply[32],
                             room_visit_blob *visit, void *arg)
{
    struct room_sqlite *s = ctx;
    int64_t no = 0;
    enum status st = room_sql_room(s, room, &no);
    if (st != ST_OK) return st;
    sqlite3_stmt *q = room_sql_use(s, ROOM_SQL_REPLIES, "ik", (uint64_t)no, reply);
    while ((st = room_sql_row(s, q)) == ST_OK)
        if (!visit(arg, room_sql_bytes(q, 0))) break;
    room_sql_done(q);
    return st == ST_NOT_FOUND ? ST_OK : st;
}

enum status room_sql_knocks_expire(void *ctx, const uint8_t room[32], uint64_t before_ms)
{
    struct room_sqlite *s = ctx;
    int64_t no = 0;
    enum status st = ST_OK;
    TRY(room_sql_room(s, room, &no));
    TRY(room_sql_run(s, room_sql_use(s, ROOM_SQL_KNOCKS_EXPIRE, "ii", (uint64_t)no, before_ms)));
    TRY(room_sql_run(s, room_sql_use(s, ROOM_SQL_REPLIES_EXPIRE, "i", (uint64_t)no)));
out:
    return st;
}
