/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * depots: the storage nodes that an enclave took on, as folded from feed 2, so
 * that all members number them alike: 0x1000 + the order in which they came.
 * A record TAKE states the terms of a grant (a later one of the same node
 * renews it), SIGN brings a seat's signature under these terms, LET_GO ends it.
 *
 * Owns: struct depots owns the seat lists and addresses in it; views of a depot
 *     live until the next record.
 * Errors: depots_load: ST_BAD_MESSAGE, ST_TOO_BIG.
 * Order: none. A signature is checked when the grant is put together
 *     (depots_grant), not in the fold: each author has one place, so a false one
 *     takes nobody else's.
 */
#ifndef ENCLAVE_CORE_FILES_DEPOTS_H
#define ENCLAVE_CORE_FILES_DEPOTS_H

#include "core/grant/grant.h"

#define DEPOTS_MAX 64
#define DEPOTS_FIRST 0x1000U                /* holder number of the first */
#define DEPOTS_SIG_ITEM (2 + ROOM_SIG_ITEM) /* author's leaf u16 | seat 32 | signature 64 */

#define DEPOT_TAKE_FIELDS(X, M)              \
    X(M, FIX, key, 32, 0)                    \
    X(M, FIX, ticket, GRANT_TICKET, 0)       \
    X(M, U64, quota, 0, 0)                   \
    X(M, U64, expiry, 0, 0)                  \
    X(M, U64, list_version, 0, 0)            \
    X(M, VAR8, address, LINK_ADDRESS_MAX, 0) \
    X(M, LIST16, seats, 32, GRANT_SEATS_MAX)
FIELDS_DECLARE(depot_take, DEPOT_TAKE_FIELDS);

#define DEPOT_SIGN_FIELDS(X, M) \
    X(M, U16, number, 0, 0)     \
    X(M, U64, expiry, 0, 0)     \
    X(M, FIX, seat, 32, 0)      \
    X(M, FIX, sig, 64, 0)
FIELDS_DECLARE(depot_sign, DEPOT_SIGN_FIELDS);

#define DEPOT_LET_GO_FIELDS(X, M) X(M, U16, number, 0, 0)
FIELDS_DECLARE(depot_let_go, DEPOT_LET_GO_FIELDS);

/* In a SNAP: the terms, who stated them, whether it was let go, signatures so far. */
#define DEPOT_KEPT_FIELDS(X, M) \
    X(M, VAR16, take, 8192, 0)  \
    X(M, U16, leaf, 0, 0)       \
    X(M, U8, gone, 0, 0)        \
    X(M, LIST16, sigs, DEPOTS_SIG_ITEM, GRANT_SEATS_MAX)
FIELDS_DECLARE(depot_kept, DEPOT_KEPT_FIELDS);

struct depot_taken {
    uint16_t number; /* holder number */
    uint16_t leaf;   /* who stated these terms */
    bool gone;       /* let go of: nothing new goes there */
    uint8_t key[32]; /* what it signs by */
    uint8_t pin[32]; /* of key */
    uint8_t ticket[GRANT_TICKET];
    uint64_t quota, expiry, list_version;
    char address[LINK_ADDRESS_MAX + 1];
    struct list seats;
    struct list sigs; /* DEPOTS_SIG_ITEM each, one an author */
};

struct depots {
    size_t n;
    struct depot_taken list[DEPOTS_MAX];
};

void depots_free(struct depots *d);
const struct depot_taken *depots_find(const struct depots *d, uint16_t number); /* NULL */
const struct depot_taken *depots_by_key(const struct depots *d, const uint8_t key[32]);
/* The grant of these terms with the signatures that hold, to be signed or brought; views into t and
 * sigs. Returns whether more than half of its seats signed. */
bool depots_grant(const struct depot_taken *t, const uint8_t room[32],
                  uint8_t sigs[GRANT_SEATS_MAX * ROOM_SIG_ITEM], struct grant *ret);

/* Why a record does nothing; NULL: it was applied. *st: ST_NO_MEMORY, else ST_OK. */
const char *depots_take(struct depots *d, const struct depot_take *r, uint16_t leaf,
                        enum status *st);
const char *depots_sign(struct depots *d, const struct depot_sign *r, uint16_t leaf);
const char *depots_let_go(struct depots *d, const struct depot_let_go *r);

enum status depots_write(const struct depots *d, struct buf *out) MUST_USE;
enum status depots_load(struct depots *d, struct cursor *c) MUST_USE; /* d is empty */

#endif
