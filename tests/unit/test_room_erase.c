/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto core/feed core/room store */
/* What is erased is in no file any more: rooms full of everything a room can hold, side by side in
 * one database, one of which goes. The files are read raw. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "core/feed/chain.h"
#include "raw_bytes.h"
#include "room_fixture.h"

#include <unistd.h>

#define ROOMS 30
#define SEATS 6

/* Bytes that look random and are found nowhere else. */
static void draw(uint64_t *seed, uint8_t *to, size_t n)
{
    uint8_t number[8];
    put_u64(number, (*seed)++);
    shake256(BYTES_OF(number), to, n);
}

struct houses {
    char dir[64], db[96];
    struct fixture f;
    uint64_t seed;
    uint8_t rooms[ROOMS][32];
    uint64_t versions[ROOMS];
    struct buf secret[ROOMS];  /* all that no file may hold once the room is gone */
    struct buf entries[ROOMS]; /* those of its entries alone */
    struct raw_bytes gone;
};

static unsigned seat_of(size_t room, unsigned i)
{
    return (unsigned)room * 100 + i;
}

static void enter(struct houses *h, size_t room, unsigned seat)
{
    memcpy(h->f.room, h->rooms[room], 32);
    h->f.version = h->versions[room];
    as(&h->f, (int)seat_of(room, seat));
}

static void found_room(struct houses *h, size_t room)
{
    uint8_t key[32], proposal[32];
    draw(&h->seed, h->rooms[room], 32);
    buf_bytes(&h->secret[room], BYTES(h->rooms[room], 32));
    memcpy(h->f.room, h->rooms[room], 32);
    as(&h->f, -1);
    assert_int_equal(create(&h->f, seat_of(room, 0)), ST_OK);
    h->versions[room] = 1;
    for (unsigned i = 0; i < SEATS; i++) {
        enter(h, room, 0);
        if (i > 0)
            assert_int_equal(
                add_seat_by(&h->f, seat_of(room, i), seat_of(room, i), seat_of(room, 0), i), ST_OK);
        h->versions[room] = h->f.version;
        seat_key(seat_of(room, i), key);
        buf_bytes(&h->secret[room], BYTES_OF(key));
        proposal_of(seat_of(room, i), proposal);
        if (i > 0) buf_bytes(&h->secret[room], BYTES_OF(proposal));
    }
}

/* One entry; feed 0 is appended to where it ends. */
static void write_entry(struct houses *h, size_t room, uint8_t feed, size_t n)
{
    static uint8_t sealed[ROOM_SEALED_MAX];
    struct room_append m = {.req = 1, .feed = feed, .sealed = BYTES(sealed, n)};
    struct room_feed_row head;
    struct room_store *s = &h->f.rules.store;
    draw(&h->seed, sealed, n);
    buf_bytes(&h->secret[room], BYTES(sealed, n));
    buf_bytes(&h->entries[room], BYTES(sealed, n));
    enter(h, room, (unsigned)(h->seed % 4));
    assert_int_equal(s->ops->feed_get(s->ctx, h->f.room, feed, &head), ST_OK);
    m.flags = ROOM_APPEND_EXPECT;
    m.index = head.count;
    memcpy(m.chain, head.chain, 32);
    assert_int_equal(ask(&h->f, ROOM_APPEND, &room_append_fields, &m), ST_OK);
    buf_bytes(&h->secret[room], BYTES(h->f.body.p + 8, 32)); /* the chain after it */
}

static void write_entries(struct houses *h, size_t steps)
{
    static const size_t sizes[] = {512, 512, 512, 512, 512, 512, 2048, 4096};
    for (size_t i = 0; i < steps; i++) {
        uint8_t dice[3];
        draw(&h->seed, dice, sizeof dice);
        write_entry(h, dice[0] % ROOMS, dice[1] % ROOM_FEEDS, sizes[dice[2] % 8]);
    }
}

static void doors_and_knocks(struct houses *h, size_t room)
{
    for (int i = 0; i < 6; i++) {
        uint8_t token[32], mine[32], record[700], blob[900], answer[300];
        struct buf *secret = &h->secret[room];
        struct fixture *f = &h->f;
        draw(&h->seed, token, 32);
        draw(&h->seed, mine, 32);
        draw(&h->seed, record, sizeof record);
        draw(&h->seed, blob, sizeof blob);
        draw(&h->seed, answer, sizeof answer);
        struct room_door_open open = {
            .req = 1, .expires_ms = f->who.now_ms + 9 * FIXTURE_DAY, .record = BYTES_OF(record)};
        struct room_knock knock = {.req = 1, .blob = BYTES_OF(blob)};
        struct room_door_reply reply = {.req = 1, .outcome = 0, .blob = BYTES_OF(answer)};
        sha256(BYTES_OF(token), open.door);
        memcpy(knock.room, h->rooms[room], 32);
        memcpy(knock.token, token, 32);
        sha256(BYTES_OF(mine), knock.reply);
        memcpy(reply.reply, knock.reply, 32);
        buf_bytes(secret, BYTES_OF(open.door));
        buf_bytes(secret, BYTES_OF(knock.reply));
        buf_bytes(secret, BYTES_OF(record));
        buf_bytes(secret, BYTES_OF(blob));
        buf_bytes(secret, BYTES_OF(answer));
        enter(h, room, 1);
        assert_int_equal(ask(f, ROOM_DOOR_OPEN, &room_door_open_fields, &open), ST_OK);
        as(f, -1);
        assert_int_equal(ask(f, ROOM_KNOCK, &room_knock_fields, &knock), ST_OK);
        enter(h, room, 2);
        assert_int_equal(ask(f, ROOM_DOOR_REPLY, &room_door_reply_fields, &reply), ST_OK);
        draw(&h->seed, answer, sizeof answer); /* and another one in its place */
        buf_bytes(secret, BYTES_OF(answer));
        assert_int_equal(ask(f, ROOM_DOOR_REPLY, &room_door_reply_fields, &reply), ST_OK);
    }
}

/* Votes that are not enough, and one seat that is voted out: records and votes of both kinds. */
static void votes(struct houses *h, size_t room)
{
    for (unsigned by = 0; by < 4; by++) {
        unsigned target = by < 1 ? 4 : 5;
        struct room_seat_vote m = {.req = 1, .index = 2};
        uint8_t seed[32];
        enter(h, room, by);
        seat_seed(seat_of(room, by), seed);
        seat_key(seat_of(room, target), m.seat);
        room_sign_drop(seed, h->rooms[room], m.seat, m.sig);
        buf_bytes(&h->secret[room], BYTES_OF(m.sig));
        assert_int_equal(ask(&h->f, ROOM_SEAT_VOTE, &room_seat_vote_fields, &m), ST_OK);
    }
}

static void houses_build(struct houses *h)
{
    memset(h, 0, sizeof *h);
    snprintf(h->dir, sizeof h->dir, "/tmp/enclave-erase-XXXXXX");
    assert_non_null(mkdtemp(h->dir));
    snprintf(h->db, sizeof h->db, "%s/rooms.db", h->dir);
    fixture_start(&h->f, h->db);
    for (size_t i = 0; i < ROOMS; i++) found_room(h, i);
    write_entries(h, 1000);
    for (size_t i = 0; i < ROOMS; i++) doors_and_knocks(h, i);
    for (size_t i = 0; i < ROOMS; i++) votes(h, i);
    write_entries(h, 1000);
}

static void houses_remove(struct houses *h)
{
    char path[128];
    static const char *const ends[] = {"", "-wal", "-shm"};
    fixture_end(&h->f);
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s%s", h->db, ends[i]);
        unlink(path);
    }
    rmdir(h->dir);
    for (size_t i = 0; i < ROOMS; i++) {
        buf_free(&h->secret[i]);
        buf_free(&h->entries[i]);
    }
    raw_free(&h->gone);
}

/* As the sentinel does it: the commit, then the scrub. */
static void everybody_leaves(struct houses *h, size_t room)
{
    memcpy(h->f.room, h->rooms[room], 32);
    as(&h->f, -1);
    for (unsigned i = 0; i < SEATS; i++) {
        enum status st = drop_own(&h->f, seat_of(room, i));
        assert_true(st == ST_OK || st == ST_NOT_FOUND); /* one was voted out */
        assert_int_equal(h->f.effect.erased, st == ST_OK && h->f.version == 0);
    }
    assert_int_equal(h->f.rules.store.ops->scrub(h->f.rules.store.ctx), ST_OK);
}

static void a_room_that_ends_is_in_no_file(void **state)
{
    (void)state;
    static struct houses h;
    houses_build(&h);
    for (size_t i = 0; i < ROOMS; i++) {
        size_t room = (i + 5) % ROOMS;
        if (i == ROOMS - 1) { /* its neighbours are gone, it is there */
            struct raw_bytes last = {0};
            raw_add(&last, buf_view(&h.secret[room]));
            assert_true(raw_found(&last, h.dir) > h.secret[room].n / 2);
            raw_free(&last);
        }
        everybody_leaves(&h, room);
        raw_add(&h.gone, buf_view(&h.secret[room]));
        assert_int_equal(raw_found(&h.gone, h.dir), 0);
        if (i + 1 == ROOMS) break;
        for (uint8_t k = 0; k < 20; k++) write_entry(&h, (room + 1) % ROOMS, k % 4, 512);
        assert_int_equal(raw_found(&h.gone, h.dir), 0); /* nothing comes back out of memory */
    }
    houses_remove(&h);
}

/* REHOME over a room that is there: what it was is gone, what it is stays. */
static void a_room_that_is_replaced_is_in_no_file(void **state)
{
    (void)state;
    static struct houses h;
    uint8_t seats[SEATS * 32], sigs[SEATS * ROOM_SIG_ITEM], list[32], spkis[32], seed[32];
    houses_build(&h);
    struct room_rehome m = {.req = 1,
                            .version = 99,
                            .seats = {seats, 0},
                            .spkis = {h.f.who.spki, 1},
                            .sigs = {sigs, SEATS - 1}};
    enter(&h, 3, 0);
    memcpy(m.room, h.f.room, 32);
    for (unsigned i = 0; i < SEATS - 1; i++) {
        uint8_t key[32];
        size_t at = m.seats.n++;
        seat_key(seat_of(3, i), key);
        for (; at > 0 && memcmp(seats + (at - 1) * 32, key, 32) > 0; at--)
            memcpy(seats + at * 32, seats + (at - 1) * 32, 32);
        memcpy(seats + at * 32, key, 32);
    }
    room_list_hash(m.seats, list);
    room_list_hash(m.spkis, spkis);
    for (unsigned i = 0; i < SEATS - 1; i++) {
        seat_seed(seat_of(3, i), seed);
        seat_key(seat_of(3, i), sigs + i * ROOM_SIG_ITEM);
        room_sign_rehome(seed, m.room, 99, list, spkis, sigs + i * ROOM_SIG_ITEM + 32);
    }
    as(&h.f, -1);
    assert_int_equal(ask(&h.f, ROOM_REHOME, &room_rehome_fields, &m), ST_OK);
    assert_true(h.f.effect.erased);
    assert_int_equal(h.f.rules.store.ops->scrub(h.f.rules.store.ctx), ST_OK);
    raw_add(&h.gone, buf_view(&h.entries[3]));
    assert_int_equal(raw_found(&h.gone, h.dir), 0);
    houses_remove(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_room_that_ends_is_in_no_file),
        cmocka_unit_test(a_room_that_is_replaced_is_in_no_file),
    };
    return !!cmocka_run_group_tests(tests, NULL, NULL);
}
