/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * room_sqlite_inner: what the files of room_sqlite share; no one else includes it.
 *
 * Owns: see room_sqlite.h. Errors: room_sql_status for what SQLite says.
 * Order: room_sql_use binds a statement afresh; room_sql_done resets it.
 */
#ifndef ENCLAVE_STORE_ROOM_SQLITE_INNER_H
#define ENCLAVE_STORE_ROOM_SQLITE_INNER_H

#include "store/room_sqlite.h"

#include <sqlite3.h>

/* An entry's key is room number << 40 | feed << 38 | index: one tree, in the order of reading. */
#define ROOM_SQL_INDEX_BITS 38
#define ROOM_SQL_STATEMENTS(X)                                                                     \
    X(BEGIN, "BEGIN IMMEDIATE")                                                                    \
    X(COMMIT, "COMMIT")                                                                            \
    X(ROLLBACK, "ROLLBACK")                                                                        \
    X(MARK, "SAVEPOINT job")                                                                       \
    X(KEEP, "RELEASE job")                                                                         \
    X(UNDO, "ROLLBACK TO job")                                                                     \
    X(ROOMS, "SELECT count(*) FROM room")                                                          \
    X(ROOMS_AFTER, "SELECT id FROM room WHERE id > ? ORDER BY id")                                 \
    X(ROOM_NO, "SELECT no FROM room WHERE id = ?")                                                 \
    X(ROOM_NEW, "INSERT INTO room (no, id, version, day, knocks) VALUES ("                         \
                "(SELECT coalesce(max(no), 0) + 1 FROM room), ?, ?, ?, ?)")                        \
    X(ROOM_SET, "UPDATE room SET version = ?, day = ?, knocks = ? WHERE no = ?")                   \
    X(ROOM_GET, "SELECT version, day, knocks FROM room WHERE no = ?")                              \
    X(ROOM_DROP, "DELETE FROM room WHERE no = ?")                                                  \
    X(SEAT_GET,                                                                                    \
      "SELECT current, proposal, drop_count, drop_ms, read, over FROM seat WHERE room = ? "        \
      "AND seat = ?")                                                                              \
    X(SEAT_PUT, "INSERT OR REPLACE INTO seat (room, seat, current, proposal, drop_count, drop_ms," \
                " read, over) VALUES (?, ?, ?, ?, ?, ?, ?, ?)")                                    \
    X(SEATS, "SELECT seat FROM seat WHERE room = ? AND current = 1 ORDER BY seat")                 \
    X(SEATS_READ, "SELECT coalesce(min(read), 0) FROM seat WHERE room = ? AND current = 1")        \
    X(SEATS_EVEN, "UPDATE seat SET over = 0 WHERE room = ? AND over > 0")                          \
    X(SEATS_EVER, "SELECT count(*) FROM seat WHERE room = ?")                                      \
    X(SEATS_DROP, "DELETE FROM seat WHERE room = ?")                                               \
    X(PROPOSAL, "SELECT 1 FROM seat WHERE room = ? AND proposal = ?")                              \
    X(RECORD_ADD, "INSERT INTO record (room, version, bytes) VALUES (?, ?, ?)")                    \
    X(RECORDS, "SELECT bytes FROM record WHERE room = ? AND version >= ? ORDER BY version")        \
    X(RECORDS_DROP, "DELETE FROM record WHERE room = ?")                                           \
    X(VOTE_PUT, "INSERT OR REPLACE INTO vote (room, target, signer, idx, sig)"                     \
                " VALUES (?, ?, ?, ?, ?)")                                                         \
    X(VOTES, "SELECT signer, idx, sig FROM vote WHERE room = ? AND target = ?")                    \
    X(VOTES_DROP, "DELETE FROM vote WHERE room = ? AND target = ?")                                \
    X(VOTES_DROP_ALL, "DELETE FROM vote WHERE room = ?")                                           \
    X(FEED_GET, "SELECT count, chain, first, first_chain, bytes FROM feed WHERE room = ? "         \
                "AND feed = ?")                                                                    \
    X(FEED_PUT, "INSERT OR REPLACE INTO feed (room, feed, count, chain, first, first_chain, "      \
                "bytes) VALUES (?, ?, ?, ?, ?, ?, ?)")                                             \
    X(FEEDS_DROP, "DELETE FROM feed WHERE room = ?")                                               \
    X(ENTRY_ADD, "INSERT INTO entry (key, time, chain, sealed) VALUES (?, ?, ?, ?)")               \
    X(ENTRIES, "SELECT key, time, chain, sealed FROM entry WHERE key >= ? AND key < ? "            \
               "ORDER BY key")                                                                     \
    X(ENTRIES_DROP, "DELETE FROM entry WHERE key >= ? AND key < ?")                                \
    X(DOOR_GET, "SELECT expires, record FROM door WHERE room = ? AND door = ?")                    \
    X(DOOR_PUT, "INSERT OR REPLACE INTO door (room, door, expires, record) VALUES (?, ?, ?, ?)")   \
    X(DOOR_DROP, "DELETE FROM door WHERE room = ? AND door = ?")                                   \
    X(DOORS, "SELECT count(*) FROM door WHERE room = ?")                                           \
    X(DOORS_EXPIRE, "DELETE FROM door WHERE room = ? AND expires <= ?")                            \
    X(DOORS_DROP, "DELETE FROM door WHERE room = ?")                                               \
    X(KNOCK_GET, "SELECT number, time, door, reply, outcome, blob FROM knock WHERE room = ? "      \
                 "AND reply = ?")                                                                  \
    X(KNOCK_PUT, "INSERT OR REPLACE INTO knock (room, number, time, door, reply, outcome, blob)"   \
                 " VALUES (?, ?, ?, ?, ?, ?, ?)")                                                  \
    X(KNOCKS, "SELECT number, time, door, reply, outcome, blob FROM knock WHERE room = ? "         \
              "AND number >= ? ORDER BY number")                                                   \
    X(KNOCKS_DOOR, "SELECT count(*) FROM knock WHERE room = ? AND door = ?")                       \
    X(KNOCKS_ROOM, "SELECT count(*) FROM knock WHERE room = ?")                                    \
    X(KNOCK_ACCEPTED, "SELECT reply FROM knock WHERE room = ? AND door = ? AND outcome = 2")       \
    X(KNOCKS_EXPIRE, "DELETE FROM knock WHERE room = ? AND time < ?")                              \
    X(KNOCKS_DROP, "DELETE FROM knock WHERE room = ?")                                             \
    X(REPLY_PUT, "INSERT OR REPLACE INTO reply (room, reply, seat, time, blob)"                    \
                 " VALUES (?, ?, ?, ?, ?)")                                                        \
    X(REPLIES, "SELECT blob FROM reply WHERE room = ? AND reply = ? ORDER BY time, seat")          \
    X(REPLIES_EXPIRE, "DELETE FROM reply WHERE room = ? AND reply NOT IN "                         \
                      "(SELECT reply FROM knock WHERE knock.room = reply.room)")                   \
    X(REPLIES_DROP, "DELETE FROM reply WHERE room = ?")

enum room_sql {
#define ROOM_SQL_ENUM(name, text) ROOM_SQL_##name,
    ROOM_SQL_STATEMENTS(ROOM_SQL_ENUM)
#undef ROOM_SQL_ENUM
        ROOM_SQL_COUNT
};

struct room_sqlite {
    sqlite3 *db;
    sqlite3_stmt *statements[ROOM_SQL_COUNT];
    /* The room asked for last: most requests of a batch are about the same few. */
    uint8_t last[32];
    int64_t last_no; /* 0: none */
};

enum status room_sql_status(const struct room_sqlite *s, int code);
/* Binds by format: i uint64_t (kept below 2^63), k a key of 32 bytes, b struct bytes. */
sqlite3_stmt *room_sql_use(struct room_sqlite *s, enum room_sql which, const char *format, ...);
void room_sql_done(sqlite3_stmt *q);
/* Runs a statement without rows and resets it. */
enum status room_sql_run(struct room_sqlite *s, sqlite3_stmt *q) MUST_USE;
/* One step: ST_OK with a row, ST_NOT_FOUND at the end. */
enum status room_sql_row(struct room_sqlite *s, sqlite3_stmt *q) MUST_USE;
uint64_t room_sql_u64(sqlite3_stmt *q, int column);
struct bytes room_sql_bytes(sqlite3_stmt *q, int column);
/* ST_INTEGRITY if the column does not hold exactly n bytes. */
enum status room_sql_copy(sqlite3_stmt *q, int column, uint8_t *to, size_t n) MUST_USE;
enum status room_sql_count(struct room_sqlite *s, sqlite3_stmt *q, uint64_t *ret) MUST_USE;
/* The room's number: ST_NOT_FOUND. */
enum status room_sql_room(struct room_sqlite *s, const uint8_t room[32], int64_t *ret_no) MUST_USE;

/* The functions of the port, by file. */
enum status room_sql_seat_get(void *ctx, const uint8_t room[32], const uint8_t seat[32],
                              struct room_seat_row *ret);
enum status room_sql_seat_put(void *ctx, const uint8_t room[32], const uint8_t seat[32],
                              const struct room_seat_row *row);
enum status room_sql_seats(void *ctx, const uint8_t room[32], room_visit_key *visit, void *arg);
enum status room_sql_seats_read(void *ctx, const uint8_t room[32], uint64_t *ret);
enum status room_sql_seats_even(void *ctx, const uint8_t room[32]);
enum status room_sql_seats_ever(void *ctx, const uint8_t room[32], uint64_t *ret_n);
enum status room_sql_proposal_used(void *ctx, const uint8_t room[32], const uint8_t proposal[32]);
enum status room_sql_record_add(void *ctx, const uint8_t room[32], uint64_t version,
                                struct bytes record);
enum status room_sql_records(void *ctx, const uint8_t room[32], uint64_t from,
                             room_visit_blob *visit, void *arg);
enum status room_sql_vote_put(void *ctx, const uint8_t room[32], const uint8_t target[32],
                              const uint8_t signer[32], uint64_t index, const uint8_t sig[64]);
enum status room_sql_votes(void *ctx, const uint8_t room[32], const uint8_t target[32],
                           room_visit_vote *visit, void *arg);
enum status room_sql_votes_drop(void *ctx, const uint8_t room[32], const uint8_t target[32]);

enum status room_sql_feed_get(void *ctx, const uint8_t room[32], uint8_t feed,
                              struct room_feed_row *ret);
enum status room_sql_feed_put(void *ctx, const uint8_t room[32], uint8_t feed,
                              const struct room_feed_row *row);
enum status room_sql_entry_add(void *ctx, const uint8_t room[32], uint8_t feed,
                               const struct room_entry_row *e);
enum status room_sql_entries(void *ctx, const uint8_t room[32], uint8_t feed, uint64_t from,
                             room_visit_entry *visit, void *arg);
enum status room_sql_entries_drop(void *ctx, const uint8_t room[32], uint8_t feed, uint64_t n);
/* Every entry of the room with that number. */
enum status room_sql_entries_erase(struct room_sqlite *s, int64_t no) MUST_USE;

enum status room_sql_door_get(void *ctx, const uint8_t room[32], const uint8_t door[32],
                              struct buf *ret_record, uint64_t *ret_expires_ms);
enum status room_sql_door_put(void *ctx, const uint8_t room[32], const uint8_t door[32],
                              const struct room_door_row *row);
enum status room_sql_door_drop(void *ctx, const uint8_t room[32], const uint8_t door[32]);
enum status room_sql_doors(void *ctx, const uint8_t room[32], uint64_t *ret_n);
enum status room_sql_doors_expire(void *ctx, const uint8_t room[32], uint64_t now_ms);
enum status room_sql_knock_get(void *ctx, const uint8_t room[32], const uint8_t reply[32],
                               struct room_knock_row *ret, struct buf *ret_blob);
enum status room_sql_knock_put(void *ctx, const uint8_t room[32], const struct room_knock_row *row);
enum status room_sql_knocks(void *ctx, const uint8_t room[32], uint64_t from,
                            room_visit_knock *visit, void *arg);
enum status room_sql_knocks_count(void *ctx, const uint8_t room[32], const uint8_t door[32],
                                  uint64_t *ret_door, uint64_t *ret_room);
enum status room_sql_knock_accepted(void *ctx, const uint8_t room[32], const uint8_t door[32],
                                    uint8_t ret_reply[32]);
enum status room_sql_reply_put(void *ctx, const uint8_t room[32], const uint8_t reply[32],
                               const uint8_t seat[32], uint64_t time_ms, struct bytes blob);
enum status room_sql_replies(void *ctx, const uint8_t room[32], const uint8_t reply[32],
                             room_visit_blob *visit, void *arg);
enum status room_sql_knocks_expire(void *ctx, const uint8_t room[32], uint64_t before_ms);

#endif
