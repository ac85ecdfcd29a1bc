/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * remake: columns of one segment, made again where they are missing. Any k
 * columns are fetched and verified, all missing ones rebuilt from them at once,
 * checked against their roots or, where these are not known, all n roots against the
 * segment root, and sent. Or, when the columns themselves can be had (copy), only
 * they are fetched and sent on.
 *
 * Owns: its memory until remake_free: k columns, and REMAKE_BYTES of made ones at most
 *     (what does not fit is left out: wanted again afterwards). Borrows hold.
 * Errors: done with those of fetch, ST_INTEGRITY (the roots do not fit), ST_NO_MEMORY. A
 *     column that its holder did not take is no error: `refused` tells.
 * Order: remake_new, events, done, remake_free (at any moment). No event inside remake_new.
 */
#ifndef ENCLAVE_NODE_REPAIR_REMAKE_H
#define ENCLAVE_NODE_REPAIR_REMAKE_H

#include "base/env.h"
#include "core/files/place.h"
#include "core/ports/work.h"
#include "node/hold/hold.h"

#define REMAKE_BYTES ((size_t)48 << 20)

struct remake_want {
    uint8_t id[32];
    uint8_t root[32];
    uint8_t k;
    uint8_t n;
    uint32_t rows;
    uint16_t at[PLACE_COLUMNS_MAX]; /* where columns can be read, as far as known */
    bool copy;                      /* the wanted ones are among these */
    unsigned m;                     /* wanted */
    uint8_t index[PLACE_COLUMNS_MAX];
    uint16_t to[PLACE_COLUMNS_MAX];
    const uint8_t *roots; /* n column roots, copied; NULL: not known */
    uint64_t size;        /* with roots: bytes of the payload */
};

struct remake_config {
    const struct env *env;
    struct work work;
    struct hold *hold;
    struct remake_want want;
    void (*bad)(void *arg, uint16_t holder, uint8_t index, enum status why); /* on reading */
    void (*sent)(void *arg, uint8_t index, uint16_t holder);                 /* durable there */
    void (*refused)(void *arg, uint8_t index, uint16_t holder, enum status why);
    void (*done)(void *arg, enum status st);
    void *arg;
};

struct remake;

struct remake *remake_new(const struct remake_config *c); /* NULL: no memory */
void remake_free(struct remake *r);
void remake_pump(struct remake *r); /* a holder came or went or takes more, or time passed */
/* Bytes of columns read and sent so far. */
void remake_moved(const struct remake *r, uint64_t *ret_read, uint64_t *ret_sent);

#endif
