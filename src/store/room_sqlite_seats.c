/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Seats, the records of their changes, votes to drop one. */
#include "store/room_sqlite_inner.h"

enum status room_sql_seat_get(void *ctx, const uint8_t room[32], const uint8_t seat[32],
                              struct room_seat_row *ret)
{
    struct room_sqlite *s = ctx;
    struct room_seat_row row = {0};
    int64_t no = 0;
    enum status st = room_sql_room(s, room, &no);
    if (st != ST_OK) return st;
    sqlite3_stmt *q = room_sql_use(s, ROOM_SQL_SEAT_GET, "ik", (uint64_t)no, seat);
    TRY(room_sql_row(s, q));
    row.current = room_sql_u64(q, 0) == 1;
    TRY(room_sql_copy(q, 1, row.proposal, 32));
    row.drop_count = room_sql_u64(q, 2);
    row.drop_ms = room_sql_u64(q, 3);
    row.read = room_sql_u64(q, 4);
    row.over = room_sql_u64(q, 5);
    *ret = row;
out:
    room_sql_done(q);
    return st;
}

enum status room_sql_seat_put(void *ctx, const uint8_t room[32], const uint8_t seat[32],
                              const struct room_seat_row *row)
{
    struct room_sqlite *s = ctx;
    int64_t no = 0;
    enum status st = room_sql_room(s, room, &no);
    if (st != ST_OK) return st;
    return room_sql_run(s, room_sql_use(s, ROOM_SQL_SEAT_PUT, "ikikiiii", (uint64_t)no, seat,
                                        (uint64_t)row->current, row->proposal, row->drop_count,
                                        row->drop_ms, row->read, row->over));
}

enum status room_sql_seats(void *ctx, const uint8_t room[32], room_visit_key *visit, void *arg)
{
    struct room_sqlite *s = ctx;
    uint8_t seat[32];
    int64_t no = 0;
    enum status st = room_sql_room(s, room, &no);
    if (st == ST_NOT_FOUND) return ST_OK;
    if (st != ST_OK) return st;
    sqlite3_stmt *q = room_sql_use(s, ROOM_SQL_SEATS, "i", (uint64_t)no);
    while ((st = room_sql_row(s, q)) == ST_OK) {
        st = room_sql_copy(q, 0, seat, 32);
        if (st != ST_OK || !visit(arg, seat)) break;
    }
    room_sql_done(q);
    return st == ST_NOT_FOUND ? ST_OK : st;
}

enum status room_sql_seats_read(void *ctx, const uint8_t room[32], uint64_t *ret)
{
    struct room_sqlite *s = ctx;
    int64_t no = 0;
    enum status st = room_sql_room(s, room, &no);
    if (st != ST_OK) return st;
    return room_sql_count(s, room_sql_use(s, ROOM_SQL_SEATS_READ, "i", (uint64_t)no), ret);
}

enum status room_sql_seats_even(void *ctx, const uint8_t room[32])
{
    struct room_sqlite *s = ctx;
    int64_t no = 0;
    enum status st = room_sql_room(s, room, &no);
    if (st != ST_OK) return st;
    return room_sql_run(s, room_sql_use(s, ROOM_SQL_SEATS_EVEN, "i", (uint64_t)no));
}

enum status room_sql_seats_ever(void *ctx, const uint8_t room[32], uint64_t *ret_n)
{
    struct room_sqlite *s = ctx;
    int64_t no = 0;
    enum status st = room_sql_room(s, room, &no);
    if (st != ST_OK) return st;
    return room_sql_count(s, room_sql_use(s, ROOM_SQL_SEATS_EVER, "i", (uint64_t)no), ret_n);
}

enum status room_sql_proposal_used(void *ctx, const uint8_t room[32], const uint8_t proposal[32])
{
    struct room_sqlite *s = ctx;
    int64_t no = 0;
    enum status st = room_sql_room(s, room, &no);
    if (st != ST_OK) return st;
    sqlite3_stmt *q = room_sql_use(s, ROOM_SQL_PROPOSAL, "ik", (uint64_t)no, proposal);
    st = room_sql_row(s, q);
    room_sql_done(q);
    return st;
}

enum status room_sql_record_add(void *ctx, const uint8_t room[32], uint64_t version,
                                struct bytes record)
{
    struct room_sqlite *s = ctx;
    int64_t no = 0;
    enum status st = room_sql_room(s, room, &no);
    if (st != ST_OK) return st;
    return room_sql_run(s,
                        room_sql_use(s, ROOM_SQL_RECORD_ADD, "iib", (uint64_t)no, version, record));
}

enum status room_sql_records(void *ctx, const uint8_t room[32], uint64_t from,
                             room_visit_blob *visit, void *arg)
{
    struct room_sqlite *s = ctx;
    int64_t no = 0;
    enum status st = room_sql_room(s, room, &no);
    if (st != ST_OK) return st;
    sqlite3_stmt *q = room_sql_use(s, ROOM_SQL_RECORDS, "ii", (uint64_t)no, from);
    while ((st = room_sql_row(s, q)) == ST_OK)
        if (!visit(arg, room_sql_bytes(q, 0))) break;
    room_sql_done(q);
    return st == ST_NOT_FOUND ? ST_OK : st;
}

enum status room_sql_vote_put(void *ctx, const uint8_t room[32], const uint8_t target[32],
                              const uint8_t signer[32], uint64_t index, const uint8_t sig[64])
{
    struct room_sqlite *s = ctx;
    int64_t no = 0;
    enum status st = room_sql_room(s, room, &no);
    if (st != ST_OK) return st;
    return room_sql_run(s, room_sql_use(s, ROOM_SQL_VOTE_PUT, "ikkib", (uint64_t)no, target, signer,
                                        index, BYTES(sig, 64)));
}

enum status room_sql_votes(void *ctx, const uint8_t room[32], const uint8_t target[32],
                           room_visit_vote *visit, void *arg)
{
    struct room_sqlite *s = ctx;
    uint8_t signer[32], sig[64];
    int64_t no = 0;
    enum status st = room_sql_room(s, room, &no);
    if (st != ST_OK) return st;
    sqlite3_stmt *q = room_sql_use(s, ROOM_SQL_VOTES, "ik", (uint64_t)no, target);
    while ((st = room_sql_row(s, q)) == ST_OK) {
        st = room_sql_copy(q, 0, signer, 32);
        if (st == ST_OK) st = room_sql_copy(q, 2, sig, 64);
        if (st != ST_OK || !visit(arg, signer, room_sql_u64(q, 1), sig)) break;
    }
    room_sql_done(q);
    return st == ST_NOT_FOUND ? ST_OK : st;
}

enum status room_sql_votes_drop(void *ctx, const uint8_t room[32], const uint8_t target[32])
{
    struct room_sqlite *s = ctx;
    int64_t no = 0;
    enum status st = room_sql_room(s, room, &no);
    if (st != ST_OK) return st;
    return room_sql_run(s, room_sql_use(s, ROOM_SQL_VOTES_DROP, "ik", (uint64_t)no, target));
}
