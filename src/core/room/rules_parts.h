/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * rules_parts: what the files of rules share; no one else includes it.
 *
 * Owns, Errors: as rules.h. Order: rules_run finds the handler by its type,
 * decodes the message and, where the row says so, has checked that the caller's
 * seat is a current one.
 */
#ifndef ENCLAVE_CORE_ROOM_RULES_PARTS_H
#define ENCLAVE_CORE_ROOM_RULES_PARTS_H

#include "core/room/rules.h"

struct call {
    const struct rules *r;
    const struct room_store_ops *store;
    void *ctx;
    const struct rules_caller *who;
    struct buf *body;
    struct rules_effect *effect;
};

typedef enum status call_handler(const struct call *c, const void *msg);

struct seat_list {
    uint8_t ids[ROOM_SEATS_MAX][32];
    bool counted[ROOM_SEATS_MAX]; /* for whoever counts signatures */
    size_t n;
};

enum status rules_create(const struct call *c, const void *msg);
enum status rules_attach(const struct call *c, const void *msg);
enum status rules_add_seat(const struct call *c, const void *msg);
enum status rules_drop_seat(const struct call *c, const void *msg);
enum status rules_drop_voted(const struct call *c, const void *msg);
enum status rules_seat_vote(const struct call *c, const void *msg);
enum status rules_seats(const struct call *c, const void *msg);
enum status rules_rehome(const struct call *c, const void *msg);
enum status rules_append(const struct call *c, const void *msg);
enum status rules_read(const struct call *c, const void *msg);
enum status rules_subscribe(const struct call *c, const void *msg);
enum status rules_door_open(const struct call *c, const void *msg);
enum status rules_door_close(const struct call *c, const void *msg);
enum status rules_door_read(const struct call *c, const void *msg);
enum status rules_knock(const struct call *c, const void *msg);
enum status rules_door_knocks(const struct call *c, const void *msg);
enum status rules_door_reply(const struct call *c, const void *msg);
enum status rules_door_poll(const struct call *c, const void *msg);

/* Appends room_attached for that room; dropped NULL for a current seat. */
enum status rules_put_attached(const struct call *c, const uint8_t room[32],
                               const struct room_seat_row *dropped) MUST_USE;
/* Lets go of entries at the front that are older than before_ms. */
enum status rules_trim(const struct call *c, const uint8_t room[32], uint8_t feed,
                       uint64_t before_ms) MUST_USE;

/* The row and four empty feeds of a room that is not there. */
enum status rules_start_room(const struct call *c, const uint8_t room[32],
                             uint64_t version) MUST_USE;
enum status rules_load_seats(const struct call *c, const uint8_t room[32],
                             struct seat_list *s) MUST_USE;
size_t rules_find_seat(const struct seat_list *s, const uint8_t seat[32]); /* SIZE_MAX: not in it */
enum status rules_put_version(const struct call *c, uint64_t version) MUST_USE;
enum status rules_add_record(const struct call *c, const uint8_t room[32],
                             const struct room_record *record) MUST_USE;
void rules_tell_seats(const struct call *c, const uint8_t room[32], uint64_t version, uint8_t kind,
                      const uint8_t seat[32]);

#endif
