/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * grant: how an enclave takes a storage node on. The node's owner makes an
 * offer (a text with the node's address, key and a ticket that only this node
 * can make); the members sign a grant {room, node, quota, expiry, seat list}
 * for it; from then on the node follows the signed seat records that any
 * member brings (docs/spec/storage.md).
 *
 * Owns: struct grant_seats owns `used` until grant_seats_free; decoded views
 *     live as long as the bytes.
 * Errors: ST_BAD_MESSAGE, ST_VERSION, ST_TOO_BIG for what is not well formed;
 *     ST_BAD_SIGNATURE (a false one under a seat's name refuses the whole);
 *     ST_DENIED (too few signatures, or a ticket that this node did not make).
 *     grant_follow: ST_CONFLICT (a record is missing before this one), ST_REPLAY
 *     (the seat was there before), ST_VERSION (a room made anew: a new grant is
 *     needed), ST_QUOTA.
 * Order: none.
 */
#ifndef ENCLAVE_CORE_GRANT_GRANT_H
#define ENCLAVE_CORE_GRANT_GRANT_H

#include "core/room/room_wire.h"

#define GRANT_VERSION 1
#define GRANT_SEATS_MAX ROOM_SEATS_MAX
#define GRANT_USED_MAX 4096 /* seats that were in a room over all its life */
#define GRANT_LIFE_MS (UINT64_C(90) * 24 * 3600 * 1000)
#define GRANT_AFTER_MS (UINT64_C(7) * 24 * 3600 * 1000) /* kept so long after the expiry */
#define GRANT_TICKET 48
#define GRANT_PREFIX "enclave-storage:"
#define GRANT_OFFER_MAX 400
#define GRANT_TEXT_MAX 600

/* X(M, kind, name, a, b). ticket: quota u64 | good until u64 (ms) | nonce 16 | MAC 16. */
#define OFFER_FIELDS(X, M)             \
    X(M, U8, version, 0, 0)            \
    X(M, FIX, key, 32, 0)              \
    X(M, FIX, ticket, GRANT_TICKET, 0) \
    X(M, VAR8, address, LINK_ADDRESS_MAX, 0)
FIELDS_DECLARE(offer_wire, OFFER_FIELDS);

/* As a member brings it. seats ascending; sigs: (seat | signature "grant"). */
#define GRANT_FIELDS(X, M)                   \
    X(M, U8, version, 0, 0)                  \
    X(M, FIX, room, 32, 0)                   \
    X(M, FIX, pin, 32, 0)                    \
    X(M, FIX, ticket, GRANT_TICKET, 0)       \
    X(M, U64, quota, 0, 0)                   \
    X(M, U64, expiry, 0, 0) /* ms */         \
    X(M, U64, list_version, 0, 0)            \
    X(M, LIST16, seats, 32, GRANT_SEATS_MAX) \
    X(M, LIST16, sigs, ROOM_SIG_ITEM, GRANT_SEATS_MAX)
FIELDS_DECLARE(grant, GRANT_FIELDS);

struct offer {
    uint8_t key[32]; /* the node's own, Ed25519: its only name; sign_pin of it is the pin */
    uint8_t ticket[GRANT_TICKET];
    char address[LINK_ADDRESS_MAX + 1];
};

uint64_t grant_ticket_quota(const uint8_t ticket[GRANT_TICKET]);
uint64_t grant_ticket_expiry(const uint8_t ticket[GRANT_TICKET]);
/* key: the node's own; nonce: fresh. */
void grant_ticket_make(const uint8_t key[32], uint64_t quota, uint64_t expiry,
                       const uint8_t nonce[16], uint8_t ret[GRANT_TICKET]);
enum status grant_ticket_check(const uint8_t key[32], const uint8_t ticket[GRANT_TICKET]) MUST_USE;

enum status offer_to_text(const struct offer *o, char ret[GRANT_TEXT_MAX]) MUST_USE;
enum status offer_from_text(const char *text, struct offer *ret) MUST_USE;

/* At least one seat, ascending, none twice. */
bool grant_seats_ok(struct list seats);
/* What a seat signs; sigs and ticket are no part of it. */
void grant_sign(const uint8_t seat_seed[32], const struct grant *g, uint8_t ret_sig[64]);
enum status grant_verify(const uint8_t seat[32], const struct grant *g,
                         const uint8_t sig[64]) MUST_USE;
/* More than half of the n seats signed g, each counted once. */
enum status grant_majority(const struct grant *g, const uint8_t (*seats)[32], size_t n) MUST_USE;

void grant_bye_sign(const uint8_t seat_seed[32], const uint8_t room[32], uint64_t list_version,
                    uint8_t ret_sig[64]);
enum status grant_bye_verify(const uint8_t seat[32], const uint8_t room[32], uint64_t list_version,
                             const uint8_t sig[64]) MUST_USE;

/* A room's seat list as a node follows it. */
struct grant_seats {
    uint64_t version;
    size_t n;
    uint8_t ids[GRANT_SEATS_MAX][32]; /* ascending */
    struct buf used;                  /* 32 bytes each: were there, never come back */
};

void grant_seats_free(struct grant_seats *s);
bool grant_seats_has(const struct grant_seats *s, const uint8_t seat[32]);
/* The list of a grant in place of the one that is there; who is no longer in it is used up. */
enum status grant_seats_set(struct grant_seats *s, uint64_t version, struct list seats) MUST_USE;
/* One signed change. ST_OK also for one that was followed before. */
enum status grant_follow(struct grant_seats *s, const uint8_t room[32],
                         const struct room_record *record) MUST_USE;

#endif
