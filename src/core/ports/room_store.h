/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * room_store: the port through which a sentinel's rules (core/room/rules.h) keep
 * rooms. Synchronous: all calls are made by the one thread that owns the store,
 * inside a transaction that its owner opened. Real: store/room_sqlite (a file,
 * or memory for tests and the simulator).
 *
 * Owns: views handed to a visit live during the call only; what is given is
 *     copied before a call returns. A visit may not call the store.
 * Errors: ST_NOT_FOUND where said; ST_IO, ST_NO_SPACE, ST_NO_MEMORY,
 *     ST_INTEGRITY (the database is damaged). After any of these four the caller
 *     undoes everything since the mark.
 * Order: begin, then jobs, each between mark and keep (or undo), then commit: on
 *     disk (fsync) when it returns ST_OK. scrub after a commit that erased.
 */
#ifndef ENCLAVE_CORE_PORTS_ROOM_STORE_H
#define ENCLAVE_CORE_PORTS_ROOM_STORE_H

#include "base/bytes.h"

struct room_row {
    uint64_t version; /* of the seat list */
    uint64_t day_ms;  /* the day on which someone last attached, rounded down */
    uint64_t knocks;  /* numbers given so far */
};

struct room_seat_row {
    uint8_t current; /* 0: dropped, never works again */
    uint8_t proposal[32];
    uint64_t drop_count; /* entries of feed 0 that it may still read */
    uint64_t drop_ms;
    uint64_t read; /* entries of feed 1 that it has on its disk, as it last said */
    uint64_t over; /* bytes that it appended to feed 1 since that was last half full or less */
};

struct room_feed_row {
    uint64_t count;
    uint8_t chain[32];
    uint64_t first;          /* first entry kept */
    uint8_t first_chain[32]; /* chain before it */
    uint64_t bytes;          /* of the entries kept */
};

struct room_entry_row {
    uint64_t index;
    uint64_t time_ms;
    uint8_t chain[32]; /* after it */
    struct bytes sealed;
};

struct room_door_row {
    uint64_t expires_ms;
    struct bytes record;
};

struct room_knock_row {
    uint64_t number;
    uint64_t time_ms; /* of the knock, or of its last reply */
    uint8_t door[32];
    uint8_t reply[32];
    uint8_t outcome;
    struct bytes blob;
};

/* Visits return false to stop. */
typedef bool room_visit_key(void *arg, const uint8_t key[32]);
typedef bool room_visit_entry(void *arg, const struct room_entry_row *e);
typedef bool room_visit_knock(void *arg, const struct room_knock_row *k);
typedef bool room_visit_blob(void *arg, struct bytes blob);
typedef bool room_visit_vote(void *arg, const uint8_t signer[32], uint64_t index,
                             const uint8_t sig[64]);

struct room_store_ops {
    enum status (*begin)(void *ctx);
    enum status (*commit)(void *ctx);
    void (*rollback)(void *ctx);
    enum status (*mark)(void *ctx);
    enum status (*keep)(void *ctx);
    void (*undo)(void *ctx);
    /* Sees to it that no file holds bytes of what was erased. Outside a transaction. */
    enum status (*scrub)(void *ctx);

    enum status (*rooms)(void *ctx, uint64_t *ret_n);
    /* Ids above `after` in ascending order. */
    enum status (*rooms_after)(void *ctx, const uint8_t after[32], room_visit_key *visit,
                               void *arg);
    enum status (*room_get)(void *ctx, const uint8_t room[32], struct room_row *ret);
    enum status (*room_put)(void *ctx, const uint8_t room[32], const struct room_row *row);
    enum status (*room_erase)(void *ctx, const uint8_t room[32]);

    enum status (*seat_get)(void *ctx, const uint8_t room[32], const uint8_t seat[32],
                            struct room_seat_row *ret);
    enum status (*seat_put)(void *ctx, const uint8_t room[32], const uint8_t seat[32],
                            const struct room_seat_row *row);
    /* Current seats in byte order. */
    enum status (*seats)(void *ctx, const uint8_t room[32], room_visit_key *visit, void *arg);
    /* The least that a current seat has read of feed 1; 0 if there is no seat. */
    enum status (*seats_read)(void *ctx, const uint8_t room[32], uint64_t *ret);
    /* over is 0 for all seats from now on. */
    enum status (*seats_even)(void *ctx, const uint8_t room[32]);
    /* All seats that ever were. */
    enum status (*seats_ever)(void *ctx, const uint8_t room[32], uint64_t *ret_n);
    /* ST_OK if that proposal brought a seat, ST_NOT_FOUND else. */
    enum status (*proposal_used)(void *ctx, const uint8_t room[32], const uint8_t proposal[32]);
    enum status (*record_add)(void *ctx, const uint8_t room[32], uint64_t version,
                              struct bytes record);
    enum status (*records)(void *ctx, const uint8_t room[32], uint64_t from, room_visit_blob *visit,
                           void *arg);
    enum status (*vote_put)(void *ctx, const uint8_t room[32], const uint8_t target[32],
                            const uint8_t signer[32], uint64_t index, const uint8_t sig[64]);
    enum status (*votes)(void *ctx, const uint8_t room[32], const uint8_t target[32],
                         room_visit_vote *visit, void *arg);
    enum status (*votes_drop)(void *ctx, const uint8_t room[32], const uint8_t target[32]);

    enum status (*feed_get)(void *ctx, const uint8_t room[32], uint8_t feed,
                            struct room_feed_row *ret);
    enum status (*feed_put)(void *ctx, const uint8_t room[32], uint8_t feed,
                            const struct room_feed_row *row);
    enum status (*entry_add)(void *ctx, const uint8_t room[32], uint8_t feed,
                             const struct room_entry_row *e);
    /* Entries from index `from` on, ascending. */
    enum status (*entries)(void *ctx, const uint8_t room[32], uint8_t feed, uint64_t from,
                           room_visit_entry *visit, void *arg);
    /* Drops every entry below index n. */
    enum status (*entries_drop)(void *ctx, const uint8_t room[32], uint8_t feed, uint64_t n);

    enum status (*door_get)(void *ctx, const uint8_t room[32], const uint8_t door[32],
                            struct buf *ret_record, uint64_t *ret_expires_ms);
    enum status (*door_put)(void *ctx, const uint8_t room[32], const uint8_t door[32],
                            const struct room_door_row *row);
    enum status (*door_drop)(void *ctx, const uint8_t room[32], const uint8_t door[32]);
    enum status (*doors)(void *ctx, const uint8_t room[32], uint64_t *ret_n);
    enum status (*doors_expire)(void *ctx, const uint8_t room[32], uint64_t now_ms);

    enum status (*knock_get)(void *ctx, const uint8_t room[32], const uint8_t reply[32],
                             struct room_knock_row *ret, struct buf *ret_blob);
    enum status (*knock_put)(void *ctx, const uint8_t room[32], const struct room_knock_row *row);
    /* Knocks with number >= from, ascending. */
    enum status (*knocks)(void *ctx, const uint8_t room[32], uint64_t from, room_visit_knock *visit,
                          void *arg);
    /* Those at one door, and all of the room. */
    enum status (*knocks_count)(void *ctx, const uint8_t room[32], const uint8_t door[32],
                                uint64_t *ret_door, uint64_t *ret_room);
    /* ST_OK if a knock at that door was accepted (*ret_reply says which), else ST_NOT_FOUND. */
    enum status (*knock_accepted)(void *ctx, const uint8_t room[32], const uint8_t door[32],
                                  uint8_t ret_reply[32]);
    /* One reply a seat and knock: replaces. */
    enum status (*reply_put)(void *ctx, const uint8_t room[32], const uint8_t reply[32],
                             const uint8_t seat[32], uint64_t time_ms, struct bytes blob);
    enum status (*replies)(void *ctx, const uint8_t room[32], const uint8_t reply[32],
                           room_visit_blob *visit, void *arg);
    /* Knocks and their replies whose time is before. */
    enum status (*knocks_expire)(void *ctx, const uint8_t room[32], uint64_t before_ms);
};

struct room_store {
    const struct room_store_ops *ops;
    void *ctx;
};

#endif
