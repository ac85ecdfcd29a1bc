/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * room_wire: the frames between a member (or would-be member) and a sentinel;
 * docs/spec/room.md is the text of it. One connection speaks for one seat of
 * one room. A request begins with req, a number of the client's choice (not 0),
 * and gets exactly one ROOM_REPLY with the same req; everything else that the
 * sentinel sends is a push.
 *
 * Owns nothing: decoded views point into the payload.
 * Errors: of base/fields.h. A frame without a req, or of a push's type, ends the
 *     connection; a request that does not decode is answered BAD_MESSAGE, one of
 *     an unknown type VERSION.
 * Order: without a seat: CREATE, ATTACH, REHOME, DROP_SEAT, DOOR_READ, KNOCK,
 *     DOOR_POLL, PING. All else after ATTACH was answered with ROOM_OK.
 */
#ifndef ENCLAVE_CORE_ROOM_WIRE_H
#define ENCLAVE_CORE_ROOM_WIRE_H

#include "base/fields.h"
#include "core/ports/link.h"

#define ROOM_FEEDS 4
#define ROOM_SEATS_MAX 128 /* protocol.md: at most 128 leaves */
#define ROOM_USED_MAX 2048 /* seats that were, in one REHOME: half of a room's life */
#define ROOM_SPKIS_MAX 8   /* sentinels that one REHOME is good for */
#define ROOM_VERSION_MAX ((uint64_t)1 << 48)
#define ROOM_SEALED_MAX ((size_t)512 << 10)
#define ROOM_SIGNAL_MAX 4096
#define ROOM_DOOR_RECORD_MAX 16384
#define ROOM_KNOCK_MAX 16384
#define ROOM_KNOCKS_A_DOOR 8
#define ROOM_DOOR_REPLY_MAX 4096
#define ROOM_TOKEN_MAX 512
#define ROOM_CIRCUIT_CHUNK 65536
#define ROOM_CIRCUIT_WINDOW ((uint32_t)256 << 10) /* credit of each side at the start */
#define ROOM_RECORD_MAX 16384
#define ROOM_BODY_MAX (LINK_FRAME_MAX - 5 - 5) /* less frame header, req and result */
#define ROOM_SIG_ITEM 96                       /* seat 32 | signature 64 */
#define ROOM_HEAD_ITEM 48                      /* count u64 | chain 32 | first kept u64 */

enum room_type {
    ROOM_CREATE = 0x10,
    ROOM_ATTACH = 0x11,
    ROOM_ADD_SEAT = 0x12,
    ROOM_DROP_SEAT = 0x13,  /* by the seat's own signature; anyone may bring it */
    ROOM_DROP_VOTED = 0x14, /* by signatures of a strict majority of the others */
    ROOM_SEAT_VOTE = 0x15,  /* one such signature, kept until there are enough */
    ROOM_SEATS = 0x16,
    ROOM_PING = 0x17,
    ROOM_APPEND = 0x18,
    ROOM_READ = 0x19,
    ROOM_SUBSCRIBE = 0x1A,
    ROOM_SIGNAL = 0x1B,
    ROOM_PRESENT = 0x1C,
    ROOM_TRIM = 0x1D, /* reserved */
    ROOM_DOOR_OPEN = 0x20,
    ROOM_DOOR_CLOSE = 0x21,
    ROOM_DOOR_READ = 0x22,
    ROOM_KNOCK = 0x23,
    ROOM_DOOR_KNOCKS = 0x24,
    ROOM_DOOR_REPLY = 0x25,
    ROOM_DOOR_POLL = 0x26,
    ROOM_OFFERS = 0x28, /* reserved: storage nodes */
    ROOM_GRANT = 0x29,  /* reserved */
    ROOM_LIVE = 0x2A,   /* reserved */
    ROOM_REHOME = 0x2B,
    ROOM_CIRCUIT_OPEN = 0x30,
    ROOM_CIRCUIT_DATA = 0x31,   /* both ways, no reply */
    ROOM_CIRCUIT_CREDIT = 0x32, /* both ways, no reply */
    ROOM_CIRCUIT_CLOSE = 0x33,  /* both ways, no reply */
    ROOM_REPLY = 0x40,
    ROOM_ENTRY = 0x41, /* pushes from here on */
    ROOM_SIGNALLED = 0x42,
    ROOM_PRESENCE = 0x43,
    ROOM_KNOCKED = 0x44,
    ROOM_DOOR_REPLIED = 0x45,
    ROOM_CIRCUIT_OFFER = 0x46,
    ROOM_SEATS_CHANGED = 0x47,
    ROOM_LAGGED = 0x48,
    ROOM_TYPE_END = 0x5F
};

/* Results on the wire; numbers never change. X(name, number, status) */
#define ROOM_RESULTS(X)                   \
    X(OK, 0, ST_OK)                       \
    X(BAD_MESSAGE, 1, ST_BAD_MESSAGE)     \
    X(BAD_SIGNATURE, 2, ST_BAD_SIGNATURE) \
    X(PROTOCOL, 3, ST_PROTOCOL)           \
    X(TOO_BIG, 4, ST_TOO_BIG)             \
    X(VERSION, 5, ST_VERSION)             \
    X(REPLAY, 6, ST_REPLAY)               \
    X(DENIED, 7, ST_DENIED)               \
    X(NOT_FOUND, 8, ST_NOT_FOUND)         \
    X(EXISTS, 9, ST_EXISTS)               \
    X(CONFLICT, 10, ST_CONFLICT)          \
    X(QUOTA, 11, ST_QUOTA)                \
    X(NO_SPACE, 12, ST_NO_SPACE)          \
    X(BUSY, 13, ST_BUSY)                  \
    X(IO, 14, ST_IO)                      \
    X(BUG, 15, ST_BUG)

enum room_result {
#define ROOM_RESULT_ENUM(name, number, status) ROOM_RESULT_##name = (number),
    ROOM_RESULTS(ROOM_RESULT_ENUM)
#undef ROOM_RESULT_ENUM
};

enum room_result room_result_of(enum status st); /* what has no number: IO */
enum status room_status_of(uint8_t result);      /* unknown numbers: ST_PROTOCOL */

/* ---- seats ---- */

/* token: reserved for quotas, empty now. sig: "create". Repeating it is harmless while the room
 * has only this seat and is empty. Reply ROOM_OK: room_attached. Then ATTACH. */
#define ROOM_CREATE_FIELDS(X, M) \
    X(M, U32, req, 0, 0)         \
    X(M, FIX, room, 32, 0)       \
    X(M, FIX, seat, 32, 0)       \
    X(M, FIX, sig, 64, 0)        \
    X(M, VAR16, token, ROOM_TOKEN_MAX, 0)
FIELDS_DECLARE(room_create, ROOM_CREATE_FIELDS);

/* sig: "attach". A newer ATTACH of the same seat closes the older connection. */
#define ROOM_ATTACH_FIELDS(X, M) \
    X(M, U32, req, 0, 0)         \
    X(M, FIX, room, 32, 0)       \
    X(M, FIX, seat, 32, 0)       \
    X(M, FIX, sig, 64, 0)
FIELDS_DECLARE(room_attach, ROOM_ATTACH_FIELDS);

/* Reply of CREATE, ATTACH, SUBSCRIBE. heads: four items of ROOM_HEAD_ITEM, see room_head_at. */
#define ROOM_ATTACHED_FIELDS(X, M)                                                          \
    X(M, U64, time_ms, 0, 0) /* the sentinel's clock: advice */                             \
    X(M, U64, version, 0, 0) /* of the seat list */                                         \
    X(M, U8, dropped, 0, 0)  /* 1: a dropped seat, may only READ feed 0 below drop_count */ \
    X(M, U64, drop_count, 0, 0)                                                             \
    X(M, LIST8, heads, ROOM_HEAD_ITEM, ROOM_FEEDS)                                          \
    X(M, U64, room_bytes, 0, 0) /* most bytes of entries this room may hold */              \
    X(M, U64, mail_bytes, 0, 0) /* mail above this is let go, oldest first */               \
    X(M, U64, mail_ms, 0, 0)    /* mail older than this is let go */                        \
    X(M, U64, receipts_ms, 0, 0)                                                            \
    X(M, U64, idle_ms, 0, 0)      /* erased when nobody attached for so long */             \
    X(M, U32, entries_hour, 0, 0) /* appends a seat and feed an hour */
FIELDS_DECLARE(room_attached, ROOM_ATTACHED_FIELDS);

struct room_head {
    uint64_t count;
    uint8_t chain[32]; /* after the last entry */
    uint64_t first;    /* index of the first entry still kept (count: none) */
};
void room_head_put(const struct room_head *h, uint8_t to[ROOM_HEAD_ITEM]);
struct room_head room_head_at(struct list heads, size_t feed);

/* sigs: (signer seat | sig "add" over seat | proposal). version: of the list as the caller knows
 * it. Reply: room_version, also with CONFLICT (the version moved) and EXISTS (this seat is in by
 * this proposal: counts as done). REPLAY: seat or proposal was used before. */
#define ROOM_ADD_SEAT_FIELDS(X, M) \
    X(M, U32, req, 0, 0)           \
    X(M, U64, version, 0, 0)       \
    X(M, FIX, seat, 32, 0)         \
    X(M, FIX, proposal, 32, 0)     \
    X(M, LIST16, sigs, ROOM_SIG_ITEM, ROOM_SEATS_MAX)
FIELDS_DECLARE(room_add_seat, ROOM_ADD_SEAT_FIELDS);

#define ROOM_VERSION_FIELDS(X, M) X(M, U64, version, 0, 0)
FIELDS_DECLARE(room_version, ROOM_VERSION_FIELDS);

/* sig: "drop" by the seat itself. NOT_FOUND (no such seat or room) counts as done. Reply:
 * room_version; version 0 when the room went with its last seat. */
#define ROOM_DROP_SEAT_FIELDS(X, M) \
    X(M, U32, req, 0, 0)            \
    X(M, FIX, room, 32, 0)          \
    X(M, FIX, seat, 32, 0)          \
    X(M, FIX, sig, 64, 0)
FIELDS_DECLARE(room_drop_seat, ROOM_DROP_SEAT_FIELDS);

/* index: of the REMOVE entry; the dropped seat may read up to it. */
#define ROOM_DROP_VOTED_FIELDS(X, M) \
    X(M, U32, req, 0, 0)             \
    X(M, FIX, seat, 32, 0)           \
    X(M, U64, index, 0, 0)           \
    X(M, LIST16, sigs, ROOM_SIG_ITEM, ROOM_SEATS_MAX)
FIELDS_DECLARE(room_drop_voted, ROOM_DROP_VOTED_FIELDS);

/* sig: "drop" over seat, by the attached seat. Reply room_version: of the list afterwards. */
#define ROOM_SEAT_VOTE_FIELDS(X, M) \
    X(M, U32, req, 0, 0)            \
    X(M, FIX, seat, 32, 0)          \
    X(M, U64, index, 0, 0)          \
    X(M, FIX, sig, 64, 0)
FIELDS_DECLARE(room_seat_vote, ROOM_SEAT_VOTE_FIELDS);

/* Reply: room_seat_list with the records of versions >= from, as many as fit: ask again from the
 * last + 1 until it reaches version. */
#define ROOM_SEATS_FIELDS(X, M) \
    X(M, U32, req, 0, 0)        \
    X(M, U64, from, 0, 0)
FIELDS_DECLARE(room_seats, ROOM_SEATS_FIELDS);

#define ROOM_SEAT_LIST_FIELDS(X, M)         \
    X(M, U64, version, 0, 0)                \
    X(M, LIST16, seats, 32, ROOM_SEATS_MAX) \
    X(M, TAIL, records, ROOM_BODY_MAX, 0) /* room_record, one after the other */
FIELDS_DECLARE(room_seat_list, ROOM_SEAT_LIST_FIELDS);

/* Builds a room again at this sentinel, from any member's copy of the seat list; feeds begin empty.
 * seats: who is in, used: who was (refused for ever); both ascending, no seat in both. spkis: SPKI
 * hashes of the sentinels it is good for. sigs: (seat of the list | sig "rehome"), of more than half
 * of seats. used is not signed: who leaves a seat out can win nothing that the members' daemons do
 * not take away again. Only on a connection that is not attached. A room that is there goes with
 * all it holds if its version is lower and more than half of its own seats signed, too. Reply:
 * room_version, also with EXISTS (the room is there, this version or a higher one: attach).
 * DENIED: too few signatures, or not for this sentinel. */
#define ROOM_REHOME_FIELDS(X, M)            \
    X(M, U32, req, 0, 0)                    \
    X(M, FIX, room, 32, 0)                  \
    X(M, U64, version, 0, 0)                \
    X(M, LIST16, seats, 32, ROOM_SEATS_MAX) \
    X(M, LIST16, used, 32, ROOM_USED_MAX)   \
    X(M, LIST8, spkis, 32, ROOM_SPKIS_MAX)  \
    X(M, LIST16, sigs, ROOM_SIG_ITEM, ROOM_SEATS_MAX)
FIELDS_DECLARE(room_rehome, ROOM_REHOME_FIELDS);

enum room_record_kind {
    ROOM_RECORD_CREATE = 1,
    ROOM_RECORD_ADD = 2,
    ROOM_RECORD_DROP = 3,
    ROOM_RECORD_REHOME = 4
};

/* One change of the seat list, with all that is needed to check it. proof: CREATE: exporter 32 |
 * SPKI hash 32; ADD: proposal hash 32; DROP: index of REMOVE u64 (the feed's count if the seat
 * left by itself); REHOME: list hash 32 | hash of the SPKI hashes 32, and seat is zeros. sigs as they
 * were brought. The first record is CREATE with version 1, or REHOME with the version it set. */
#define ROOM_RECORD_FIELDS(X, M) \
    X(M, U64, version, 0, 0)     \
    X(M, U8, kind, 0, 0)         \
    X(M, FIX, seat, 32, 0)       \
    X(M, VAR8, proof, 64, 0)     \
    X(M, LIST16, sigs, ROOM_SIG_ITEM, ROOM_SEATS_MAX)
FIELDS_DECLARE(room_record, ROOM_RECORD_FIELDS);

/* PING, PRESENT: req only. PING's reply: room_time. PRESENT's: room_seat_set. */
#define ROOM_PLAIN_FIELDS(X, M) X(M, U32, req, 0, 0)
FIELDS_DECLARE(room_plain, ROOM_PLAIN_FIELDS);
#define ROOM_TIME_FIELDS(X, M) X(M, U64, time_ms, 0, 0)
FIELDS_DECLARE(room_time, ROOM_TIME_FIELDS);
#define ROOM_SEAT_SET_FIELDS(X, M) X(M, LIST16, seats, 32, ROOM_SEATS_MAX)
FIELDS_DECLARE(room_seat_set, ROOM_SEAT_SET_FIELDS);

/* ---- feeds ---- */

#define ROOM_APPEND_START \
    2 /* with EXPECT, to a feed 1 that never held anything: it begins at index,
                              * with chain before it: what is older was let go of elsewhere */
#define ROOM_APPEND_START_MAX ((uint64_t)1 << 36)
#define ROOM_APPEND_EXPECT 1 /* flags: index and chain are given; always set for feed 0 */

/* index, chain: where the entry is to stand: the feed's count and chain before it (zeros without
 * ROOM_APPEND_EXPECT). sealed: one of the padded sizes. Reply: room_spot: with OK the entry's index
 * and the chain after it, with CONFLICT the head: its count and chain. The author's connection gets
 * no ROOM_ENTRY for it. BUSY: after a lost race it is the others' turn, try again in 2 s. */
#define ROOM_APPEND_FIELDS(X, M) \
    X(M, U32, req, 0, 0)         \
    X(M, U8, feed, 0, 0)         \
    X(M, U8, flags, 0, 0)        \
    X(M, U64, index, 0, 0)       \
    X(M, FIX, chain, 32, 0)      \
    X(M, VAR32, sealed, ROOM_SEALED_MAX, 0)
FIELDS_DECLARE(room_append, ROOM_APPEND_FIELDS);

#define ROOM_SPOT_FIELDS(X, M) \
    X(M, U64, index, 0, 0)     \
    X(M, FIX, chain, 32, 0)
FIELDS_DECLARE(room_spot, ROOM_SPOT_FIELDS);

/* At most max entries and max_bytes bytes, but always one if there is one. have: with feed 1, so many of
 * its entries are on the caller's disk: they may be let go of once all seats have said so; else 0. */
#define ROOM_READ_FIELDS(X, M) \
    X(M, U32, req, 0, 0)       \
    X(M, U8, feed, 0, 0)       \
    X(M, U64, from, 0, 0)      \
    X(M, U16, max, 0, 0)       \
    X(M, U32, max_bytes, 0, 0) \
    X(M, U64, have, 0, 0)
FIELDS_DECLARE(room_read, ROOM_READ_FIELDS);

/* start: index of the first entry here (from, or first if that is higher); chain: before it. */
#define ROOM_READING_FIELDS(X, M)            \
    X(M, U64, first, 0, 0) /* first kept */  \
    X(M, U64, count, 0, 0) /* of the feed */ \
    X(M, U64, start, 0, 0)                   \
    X(M, FIX, chain, 32, 0)                  \
    X(M, TAIL, entries, ROOM_BODY_MAX, 0) /* room_item, in order */
FIELDS_DECLARE(room_reading, ROOM_READING_FIELDS);
#define ROOM_ITEM_FIELDS(X, M) X(M, VAR32, sealed, ROOM_SEALED_MAX, 0)
FIELDS_DECLARE(room_item, ROOM_ITEM_FIELDS);

#define ROOM_MASK_PRESENCE 0x10 /* bits 0 to 3: ROOM_ENTRY of that feed */
#define ROOM_MASK_DOORS 0x20    /* ROOM_KNOCKED */

/* The mask replaces the one before. Reply: room_attached; entries from its heads' counts on are
 * pushed (one may come twice: ignore what is below your count). */
#define ROOM_SUBSCRIBE_FIELDS(X, M) \
    X(M, U32, req, 0, 0)            \
    X(M, U8, mask, 0, 0)
FIELDS_DECLARE(room_subscribe, ROOM_SUBSCRIBE_FIELDS);

/* Push ROOM_ENTRY; chain: after it. */
#define ROOM_ENTRY_FIELDS(X, M) \
    X(M, U8, feed, 0, 0)        \
    X(M, U64, index, 0, 0)      \
    X(M, FIX, chain, 32, 0)     \
    X(M, VAR32, sealed, ROOM_SEALED_MAX, 0)
FIELDS_DECLARE(room_entry, ROOM_ENTRY_FIELDS);

/* Push: pushes of these bits were left out because this connection took them too slowly: read. */
#define ROOM_LAGGED_FIELDS(X, M) X(M, U8, mask, 0, 0)
FIELDS_DECLARE(room_lagged, ROOM_LAGGED_FIELDS);

/* Push, to every attached seat: the list is now of this version; kind of the change, its seat. */
#define ROOM_SEATS_CHANGED_FIELDS(X, M) \
    X(M, U64, version, 0, 0)            \
    X(M, U8, kind, 0, 0)                \
    X(M, FIX, seat, 32, 0)
FIELDS_DECLARE(room_seats_changed, ROOM_SEATS_CHANGED_FIELDS);

/* ---- signals and presence ---- */

/* to: a seat, or zeros for all others. Not stored. NOT_FOUND: that seat is not attached. */
#define ROOM_SIGNAL_FIELDS(X, M) \
    X(M, U32, req, 0, 0)         \
    X(M, FIX, to, 32, 0)         \
    X(M, VAR16, payload, ROOM_SIGNAL_MAX, 0)
FIELDS_DECLARE(room_signal, ROOM_SIGNAL_FIELDS);

#define ROOM_SIGNALLED_FIELDS(X, M) \
    X(M, FIX, from, 32, 0)          \
    X(M, VAR16, payload, ROOM_SIGNAL_MAX, 0)
FIELDS_DECLARE(room_signalled, ROOM_SIGNALLED_FIELDS);

#define ROOM_PRESENCE_FIELDS(X, M) \
    X(M, FIX, seat, 32, 0)         \
    X(M, U8, on, 0, 0)
FIELDS_DECLARE(room_presence, ROOM_PRESENCE_FIELDS);

/* ---- doors (protocol.md section 3) ---- */

#define ROOM_DOOR_DAYS_MAX 366

/* door = H(token). EXISTS: that door is open already. */
#define ROOM_DOOR_OPEN_FIELDS(X, M) \
    X(M, U32, req, 0, 0)            \
    X(M, FIX, door, 32, 0)          \
    X(M, U64, expires_ms, 0, 0)     \
    X(M, VAR16, record, ROOM_DOOR_RECORD_MAX, 0)
FIELDS_DECLARE(room_door_open, ROOM_DOOR_OPEN_FIELDS);

#define ROOM_DOOR_CLOSE_FIELDS(X, M) \
    X(M, U32, req, 0, 0)             \
    X(M, FIX, door, 32, 0)
FIELDS_DECLARE(room_door_close, ROOM_DOOR_CLOSE_FIELDS);

/* Reply: room_door. NOT_FOUND: no such room or door, or it expired. */
#define ROOM_DOOR_READ_FIELDS(X, M) \
    X(M, U32, req, 0, 0)            \
    X(M, FIX, room, 32, 0)          \
    X(M, FIX, token, 32, 0)
FIELDS_DECLARE(room_door_read, ROOM_DOOR_READ_FIELDS);

#define ROOM_DOOR_FIELDS(X, M)  \
    X(M, U64, time_ms, 0, 0)    \
    X(M, U64, expires_ms, 0, 0) \
    X(M, VAR16, record, ROOM_DOOR_RECORD_MAX, 0)
FIELDS_DECLARE(room_door, ROOM_DOOR_FIELDS);

/* reply = H(reply token). Repeating the same knock is harmless (OK). QUOTA: eight knocks are there;
 * DENIED: one of them was accepted. */
#define ROOM_KNOCK_FIELDS(X, M) \
    X(M, U32, req, 0, 0)        \
    X(M, FIX, room, 32, 0)      \
    X(M, FIX, token, 32, 0)     \
    X(M, FIX, reply, 32, 0)     \
    X(M, VAR16, blob, ROOM_KNOCK_MAX, 0)
FIELDS_DECLARE(room_knock, ROOM_KNOCK_FIELDS);

/* Reply: room_knock_list: knocks with number >= from that got no final reply. */
#define ROOM_DOOR_KNOCKS_FIELDS(X, M) \
    X(M, U32, req, 0, 0)              \
    X(M, U64, from, 0, 0)
FIELDS_DECLARE(room_door_knocks, ROOM_DOOR_KNOCKS_FIELDS);

#define ROOM_KNOCK_LIST_FIELDS(X, M)                                          \
    X(M, U8, more, 0, 0)                 /* 1: ask again from the last + 1 */ \
    X(M, TAIL, knocks, ROOM_BODY_MAX, 0) /* room_knocked, in order of number */
FIELDS_DECLARE(room_knock_list, ROOM_KNOCK_LIST_FIELDS);

/* Push ROOM_KNOCKED, and item of the list. number: counted by the sentinel within the room. */
#define ROOM_KNOCKED_FIELDS(X, M) \
    X(M, U64, number, 0, 0)       \
    X(M, U64, time_ms, 0, 0)      \
    X(M, FIX, door, 32, 0)        \
    X(M, FIX, reply, 32, 0)       \
    X(M, VAR16, blob, ROOM_KNOCK_MAX, 0)
FIELDS_DECLARE(room_knocked, ROOM_KNOCKED_FIELDS);

enum room_outcome { ROOM_OPEN = 0, ROOM_REFUSED = 1, ROOM_ACCEPTED = 2 };

/* One reply a seat and knock, the newest. outcome says whether it is final. CONFLICT: another knock
 * at this door was accepted. */
#define ROOM_DOOR_REPLY_FIELDS(X, M) \
    X(M, U32, req, 0, 0)             \
    X(M, FIX, reply, 32, 0)          \
    X(M, U8, outcome, 0, 0)          \
    X(M, VAR16, blob, ROOM_DOOR_REPLY_MAX, 0)
FIELDS_DECLARE(room_door_reply, ROOM_DOOR_REPLY_FIELDS);

/* wait 1: replies that come later are pushed to this connection as ROOM_DOOR_REPLIED.
 * Reply: room_replies. NOT_FOUND: no such room or knock. */
#define ROOM_DOOR_POLL_FIELDS(X, M) \
    X(M, U32, req, 0, 0)            \
    X(M, FIX, room, 32, 0)          \
    X(M, FIX, token, 32, 0)         \
    X(M, U8, wait, 0, 0)
FIELDS_DECLARE(room_door_poll, ROOM_DOOR_POLL_FIELDS);

#define ROOM_REPLIES_FIELDS(X, M)                                \
    X(M, U8, outcome, 0, 0)             /* the highest so far */ \
    X(M, TAIL, blobs, ROOM_BODY_MAX, 0) /* room_reply_blob, oldest first */
FIELDS_DECLARE(room_replies, ROOM_REPLIES_FIELDS);
#define ROOM_REPLY_BLOB_FIELDS(X, M) X(M, VAR16, blob, ROOM_DOOR_REPLY_MAX, 0)
FIELDS_DECLARE(room_reply_blob, ROOM_REPLY_BLOB_FIELDS);

#define ROOM_DOOR_REPLIED_FIELDS(X, M) \
    X(M, FIX, reply, 32, 0)            \
    X(M, U8, outcome, 0, 0)            \
    X(M, VAR16, blob, ROOM_DOOR_REPLY_MAX, 0)
FIELDS_DECLARE(room_door_replied, ROOM_DOOR_REPLIED_FIELDS);

/* ---- circuits: byte pipes between two attached seats, content end to end encrypted ----
 * Ids are a connection's own: the two ends have different ids for one circuit. Each side may send
 * ROOM_CIRCUIT_WINDOW bytes at once and then what the other side's CREDIT adds; more closes the
 * circuit. CLOSE comes once, from either side or from the sentinel; the id is then dead. */

#define ROOM_CIRCUIT_OPEN_FIELDS(X, M) \
    X(M, U32, req, 0, 0)               \
    X(M, FIX, to, 32, 0)
FIELDS_DECLARE(room_circuit_open, ROOM_CIRCUIT_OPEN_FIELDS);

/* Reply of CIRCUIT_OPEN. Data may follow at once. NOT_FOUND: that seat is not attached. */
#define ROOM_CIRCUIT_FIELDS(X, M) X(M, U32, id, 0, 0)
FIELDS_DECLARE(room_circuit, ROOM_CIRCUIT_FIELDS);

#define ROOM_CIRCUIT_OFFER_FIELDS(X, M) \
    X(M, U32, id, 0, 0)                 \
    X(M, FIX, from, 32, 0)
FIELDS_DECLARE(room_circuit_offer, ROOM_CIRCUIT_OFFER_FIELDS);

#define ROOM_CIRCUIT_DATA_FIELDS(X, M) \
    X(M, U32, id, 0, 0)                \
    X(M, TAIL, bytes, ROOM_CIRCUIT_CHUNK, 0)
FIELDS_DECLARE(room_circuit_data, ROOM_CIRCUIT_DATA_FIELDS);

#define ROOM_CIRCUIT_CREDIT_FIELDS(X, M) \
    X(M, U32, id, 0, 0)                  \
    X(M, U32, bytes, 0, 0)
FIELDS_DECLARE(room_circuit_credit, ROOM_CIRCUIT_CREDIT_FIELDS);

enum room_circuit_reason {
    ROOM_CIRCUIT_DONE = 0,    /* the other side closed it */
    ROOM_CIRCUIT_GONE = 1,    /* the other side is no longer attached */
    ROOM_CIRCUIT_REFUSED = 2, /* the other side did not want it */
    ROOM_CIRCUIT_OVERRUN = 3, /* more bytes than credit */
    ROOM_CIRCUIT_SHUTDOWN = 4 /* the sentinel stops or is out of room */
};

#define ROOM_CIRCUIT_CLOSE_FIELDS(X, M) \
    X(M, U32, id, 0, 0)                 \
    X(M, U8, reason, 0, 0)
FIELDS_DECLARE(room_circuit_close, ROOM_CIRCUIT_CLOSE_FIELDS);

/* ---- the reply frame ---- */

#define ROOM_REPLY_FIELDS(X, M) \
    X(M, U32, req, 0, 0)        \
    X(M, U8, result, 0, 0)      \
    X(M, TAIL, body, ROOM_BODY_MAX, 0)
FIELDS_DECLARE(room_reply, ROOM_REPLY_FIELDS);

/* ---- what seats sign: "ENCLAVE-SEAT " verb | 0x00 | room | fields (protocol.md 13) ---- */

void room_sign_create(const uint8_t seed[32], const uint8_t room[32], const uint8_t seat[32],
                      const uint8_t exporter[32], const uint8_t spki[32], uint8_t ret_sig[64]);
void room_sign_attach(const uint8_t seed[32], const uint8_t room[32], const uint8_t exporter[32],
                      const uint8_t spki[32], uint8_t ret_sig[64]);
void room_sign_add(const uint8_t seed[32], const uint8_t room[32], const uint8_t seat[32],
                   const uint8_t proposal[32], uint8_t ret_sig[64]);
void room_sign_drop(const uint8_t seed[32], const uint8_t room[32], const uint8_t seat[32],
                    uint8_t ret_sig[64]);
/* What rehome signs of a list of seats or of SPKI hashes: H(all items, one after the other). */
void room_list_hash(struct list items, uint8_t ret[32]);
void room_sign_rehome(const uint8_t seed[32], const uint8_t room[32], uint64_t version,
                      const uint8_t seats_hash[32], const uint8_t spkis_hash[32],
                      uint8_t ret_sig[64]);

enum status room_verify_create(const uint8_t seat[32], const uint8_t room[32],
                               const uint8_t exporter[32], const uint8_t spki[32],
                               const uint8_t sig[64]) MUST_USE;
enum status room_verify_attach(const uint8_t seat[32], const uint8_t room[32],
                               const uint8_t exporter[32], const uint8_t spki[32],
                               const uint8_t sig[64]) MUST_USE;
enum status room_verify_add(const uint8_t signer[32], const uint8_t room[32],
                            const uint8_t seat[32], const uint8_t proposal[32],
                            const uint8_t sig[64]) MUST_USE;
enum status room_verify_drop(const uint8_t signer[32], const uint8_t room[32],
                             const uint8_t seat[32], const uint8_t sig[64]) MUST_USE;
enum status room_verify_rehome(const uint8_t signer[32], const uint8_t room[32], uint64_t version,
                               const uint8_t seats_hash[32], const uint8_t spkis_hash[32],
                               const uint8_t sig[64]) MUST_USE;

#endif
