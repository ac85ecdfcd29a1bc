/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * room_fixture: a sentinel's rules over a database in memory (or a file), and
 * seats numbered from 0 whose keys follow from their numbers. Include after
 * cmocka.h.
 *
 * Owns: struct fixture owns its store until fixture_end. Views that ask gives
 *     live until the next ask. Fails through cmocka's assertions.
 * Order: fixture_start, fixture_room, ask, fixture_end.
 */
#ifndef ENCLAVE_TESTS_ROOM_FIXTURE_H
#define ENCLAVE_TESTS_ROOM_FIXTURE_H

#include "core/room/rules.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "crypto/sign.h"
#include "store/room_sqlite.h"

#include <stdlib.h>
#include <string.h>

#define FIXTURE_DAY ((uint64_t)24 * 3600 * 1000)

struct fixture {
    struct room_sqlite *db;
    struct rules rules;
    struct rules_caller who;
    struct rules_effect effect;
    struct buf body;
    uint8_t room[32];
    uint64_t version;
};

static inline void seat_seed(unsigned i, uint8_t ret[32])
{
    uint8_t number[4];
    put_u32(number, i);
    SHA256_OF(ret, BYTES_LIT("test seat"), BYTES_OF(number));
}

static inline void seat_key(unsigned i, uint8_t ret[32])
{
    uint8_t seed[32];
    seat_seed(i, seed);
    sign_public(seed, ret);
}

/* A proposal hash of its own for each seat. */
static inline void proposal_of(unsigned i, uint8_t ret[32])
{
    uint8_t number[4];
    put_u32(number, i);
    SHA256_OF(ret, BYTES_LIT("test proposal"), BYTES_OF(number));
}

static inline enum status ask(struct fixture *f, uint8_t type, const struct fields *fields,
                              const void *msg)
{
    struct buf payload;
    buf_init(&payload, LINK_FRAME_MAX);
    const struct room_store *s = &f->rules.store;
    assert_int_equal(fields_encode(fields, msg, &payload), ST_OK);
    assert_int_equal(s->ops->begin(s->ctx), ST_OK);
    assert_int_equal(s->ops->mark(s->ctx), ST_OK);
    enum status st = rules_run(&f->rules, &f->who, type, buf_view(&payload), &f->body, &f->effect);
    if (st == ST_OK)
        assert_int_equal(s->ops->keep(s->ctx), ST_OK);
    else
        s->ops->undo(s->ctx);
    assert_int_equal(s->ops->commit(s->ctx), ST_OK);
    buf_free(&payload);
    return st;
}
#define ASK(f, TYPE, name, ...) ask(f, TYPE, &name##_fields, &(struct name){.req = 1, __VA_ARGS__})

static inline void fixture_start(struct fixture *f, const char *path)
{
    memset(f, 0, sizeof *f);
    assert_int_equal(crypto_start(), ST_OK);
    assert_int_equal(room_sqlite_open(path, &f->db), ST_OK);
    f->rules.store = room_sqlite_port(f->db);
    room_limits_default(&f->rules.limits);
    buf_init(&f->body, ROOM_BODY_MAX);
    f->who.now_ms = 20000 * FIXTURE_DAY;
    memset(f->who.exporter, 0xEE, 32);
    memset(f->who.spki, 0x55, 32);
}

static inline void fixture_end(struct fixture *f)
{
    buf_free(&f->body);
    room_sqlite_close(f->db);
}

/* From now on seat i of the room asks (-1: a stranger). */
static inline void as(struct fixture *f, int i)
{
    f->who.attached = i >= 0;
    memcpy(f->who.room, f->room, 32);
    memset(f->who.seat, 0, 32);
    if (i >= 0) seat_key((unsigned)i, f->who.seat);
}

static inline enum status create(struct fixture *f, unsigned i)
{
    struct room_create m = {.req = 1};
    uint8_t seed[32];
    seat_seed(i, seed);
    seat_key(i, m.seat);
    memcpy(m.room, f->room, 32);
    room_sign_create(seed, m.room, m.seat, f->who.exporter, f->who.spki, m.sig);
    return ask(f, ROOM_CREATE, &room_create_fields, &m);
}

static inline enum status attach(struct fixture *f, unsigned i)
{
    struct room_attach m = {.req = 1};
    uint8_t seed[32];
    seat_seed(i, seed);
    seat_key(i, m.seat);
    memcpy(m.room, f->room, 32);
    room_sign_attach(seed, m.room, f->who.exporter, f->who.spki, m.sig);
    return ask(f, ROOM_ATTACH, &room_attach_fields, &m);
}

static inline void add_item(uint8_t *item, unsigned signer, const uint8_t room[32],
                            const uint8_t seat[32], const uint8_t proposal[32])
{
    uint8_t seed[32];
    seat_seed(signer, seed);
    seat_key(signer, item);
    room_sign_add(seed, room, seat, proposal, item + 32);
}

/* ADD_SEAT of seat i by proposal p with the signatures of seats first .. first + n - 1. */
static inline enum status add_seat_by(struct fixture *f, unsigned i, unsigned p, unsigned first,
                                      unsigned n)
{
    uint8_t items[ROOM_SEATS_MAX * ROOM_SIG_ITEM];
    struct room_add_seat m = {.req = 1, .version = f->version, .sigs = {items, n}};
    seat_key(i, m.seat);
    proposal_of(p, m.proposal);
    for (unsigned k = 0; k < n; k++)
        add_item(items + k * ROOM_SIG_ITEM, first + k, f->room, m.seat, m.proposal);
    enum status st = ask(f, ROOM_ADD_SEAT, &room_add_seat_fields, &m);
    if (st == ST_OK) f->version = get_u64(f->body.p);
    return st;
}

static inline enum status drop_own(struct fixture *f, unsigned i)
{
    struct room_drop_seat m = {.req = 1};
    uint8_t seed[32];
    seat_seed(i, seed);
    seat_key(i, m.seat);
    memcpy(m.room, f->room, 32);
    room_sign_drop(seed, m.room, m.seat, m.sig);
    enum status st = ask(f, ROOM_DROP_SEAT, &room_drop_seat_fields, &m);
    if (st == ST_OK) f->version = get_u64(f->body.p);
    return st;
}

/* A room with seats 0 .. n - 1; seat 0 asks. */
static inline void fixture_room(struct fixture *f, uint8_t name, unsigned n)
{
    memset(f->room, name, 32);
    as(f, -1);
    assert_int_equal(create(f, 0), ST_OK);
    f->version = 1;
    as(f, 0);
    for (unsigned i = 1; i < n; i++) assert_int_equal(add_seat_by(f, i, i, 0, i), ST_OK);
}

struct sealed_sample {
    uint8_t bytes[512];
};

static inline enum status append_at(struct fixture *f, uint8_t feed, const struct room_spot *at,
                                    uint8_t fill, size_t n, struct room_spot *ret)
{
    uint8_t *sealed = malloc(n > 0 ? n : 1);
    assert_non_null(sealed);
    memset(sealed, fill, n);
    struct room_append m = {.req = 1, .feed = feed, .sealed = {sealed, n}};
    if (at != NULL) {
        m.flags = ROOM_APPEND_EXPECT;
        m.index = at->index;
        memcpy(m.chain, at->chain, 32);
    }
    enum status st = ask(f, ROOM_APPEND, &room_append_fields, &m);
    if (st == ST_OK || st == ST_CONFLICT)
        assert_int_equal(fields_decode(&room_spot_fields, buf_view(&f->body), ret), ST_OK);
    free(sealed);
    return st;
}

#endif
