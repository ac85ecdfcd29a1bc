/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto core/feed core/room store */
/* REHOME: a room built again from its members' copies, and all that must not become of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "core/feed/chain.h"
#include "room_fixture.h"

#define MANY 40

/* A REHOME in the making: seats first .. first + n - 1, signed by those of them that are asked. */
struct call {
    struct room_rehome m;
    uint8_t seats[MANY * 32], used[MANY * 32], spkis[3 * 32];
    uint8_t sigs[MANY * ROOM_SIG_ITEM];
    uint8_t seats_hash[32], spkis_hash[32];
};

static int by_bytes(const void *a, const void *b)
{
    return memcmp(a, b, 32);
}

static void put_seats(uint8_t *to, unsigned first, unsigned n)
{
    for (unsigned i = 0; i < n; i++) seat_key(first + i, to + i * 32);
    qsort(to, n, 32, by_bytes);
}

static void hash(struct call *r)
{
    room_list_hash(r->m.seats, r->seats_hash);
    room_list_hash(r->m.spkis, r->spkis_hash);
}

static void begin(struct call *r, const struct fixture *f, uint64_t version, unsigned first,
                  unsigned n)
{
    memset(r, 0, sizeof *r);
    r->m.req = 1;
    r->m.version = version;
    memcpy(r->m.room, f->room, 32);
    put_seats(r->seats, first, n);
    r->m.seats = (struct list){r->seats, n};
    r->m.used = (struct list){r->used, 0};
    memset(r->spkis, 0x11, 32); /* one of the others that were voted */
    memcpy(r->spkis + 32, f->who.spki, 32);
    r->m.spkis = (struct list){r->spkis, 2};
    r->m.sigs = (struct list){r->sigs, 0};
    hash(r);
}

static void signs(struct call *r, unsigned first, unsigned n)
{
    for (unsigned i = first; i < first + n; i++) {
        uint8_t seed[32], *item = r->sigs + r->m.sigs.n++ * ROOM_SIG_ITEM;
        seat_seed(i, seed);
        seat_key(i, item);
        room_sign_rehome(seed, r->m.room, r->m.version, r->seats_hash, r->spkis_hash, item + 32);
    }
}

static enum status bring(struct fixture *f, struct call *r)
{
    as(f, -1);
    return ask(f, ROOM_REHOME, &room_rehome_fields, &r->m);
}

/* All of it: a list of seats first .. , the first `by` of them sign. */
static enum status rehome(struct fixture *f, uint64_t version, unsigned first, unsigned n,
                          unsigned by)
{
    struct call r;
    begin(&r, f, version, first, n);
    signs(&r, first, by);
    enum status st = bring(f, &r);
    if (st == ST_OK) f->version = get_u64(f->body.p);
    return st;
}

static struct room_attached attached(struct fixture *f)
{
    struct room_attached a;
    assert_int_equal(fields_decode(&room_attached_fields, buf_view(&f->body), &a), ST_OK);
    return a;
}

static void a_room_is_built_again(void **state)
{
    (void)state;
    struct fixture f;
    struct room_spot spot;
    struct room_seat_list l;
    struct room_record rec;
    fixture_start(&f, ":memory:");
    memset(f.room, 1, 32);
    assert_int_equal(rehome(&f, 9, 0, 5, 3), ST_OK);
    assert_int_equal(f.version, 9);
    assert_int_equal(f.effect.event, RULES_NONE); /* nobody was here */
    assert_false(f.effect.erased);
    for (unsigned i = 0; i < 5; i++) assert_int_equal(attach(&f, i), ST_OK);
    struct room_attached a = attached(&f);
    assert_int_equal(a.version, 9);
    assert_int_equal(a.dropped, 0);
    for (uint8_t feed = 0; feed < 4; feed++) {
        uint8_t chain[32];
        chain_start(f.room, feed, chain);
        assert_int_equal(room_head_at(a.heads, feed).count, 0);
        assert_memory_equal(room_head_at(a.heads, feed).chain, chain, 32);
    }
    assert_int_equal(attach(&f, 5), ST_NOT_FOUND);
    /* from here it is a room like any other */
    as(&f, 4);
    spot.index = 0;
    chain_start(f.room, 0, spot.chain);
    assert_int_equal(append_at(&f, 0, &spot, 1, 512, &spot), ST_OK);
    assert_int_equal(add_seat_by(&f, 5, 5, 0, 2), ST_DENIED);
    assert_int_equal(add_seat_by(&f, 5, 5, 0, 3), ST_OK);
    assert_int_equal(f.version, 10);
    assert_int_equal(drop_own(&f, 4), ST_OK);
    as(&f, 0);
    assert_int_equal(ASK(&f, ROOM_SEATS, room_seats, .from = 0), ST_OK);
    assert_int_equal(fields_decode(&room_seat_list_fields, buf_view(&f.body), &l), ST_OK);
    assert_int_equal(l.version, 11);
    assert_int_equal(l.seats.n, 5);
    struct cursor c = cursor_of(l.records);
    assert_int_equal(fields_read(&room_record_fields, &c, &rec), ST_OK);
    assert_int_equal(rec.version, 9);
    assert_int_equal(rec.kind, ROOM_RECORD_REHOME);
    assert_true(bytes_zero(BYTES_OF(rec.seat)));
    assert_int_equal(rec.proof.n, 64);
    assert_int_equal(rec.sigs.n, 3);
    for (size_t i = 0; i < 3; i++) { /* anybody can check it */
        const uint8_t *item = list_at(rec.sigs, i, ROOM_SIG_ITEM);
        assert_int_equal(
            room_verify_rehome(item, f.room, 9, rec.proof.p, rec.proof.p + 32, item + 32), ST_OK);
    }
    assert_int_equal(fields_read(&room_record_fields, &c, &rec), ST_OK);
    assert_int_equal(rec.version, 10);
    assert_int_equal(rec.kind, ROOM_RECORD_ADD);
    fixture_end(&f);
}

static void it_needs_a_strict_majority(void **state)
{
    (void)state;
    struct fixture f;
    struct call r;
    fixture_start(&f, ":memory:");
    memset(f.room, 2, 32);
    assert_int_equal(rehome(&f, 3, 0, 4, 2), ST_DENIED); /* 2 of 4 */
    assert_int_equal(rehome(&f, 3, 0, 5, 2), ST_DENIED); /* 2 of 5 */
    assert_int_equal(rehome(&f, 3, 0, 5, 0), ST_DENIED);
    begin(&r, &f, 3, 0, 4); /* one of them many times is one of them */
    signs(&r, 0, 1);
    signs(&r, 0, 1);
    signs(&r, 0, 1);
    signs(&r, 1, 1);
    assert_int_equal(bring(&f, &r), ST_DENIED);
    begin(&r, &f, 3, 0, 4); /* strangers do not count */
    signs(&r, 2, 9);
    assert_int_equal(bring(&f, &r), ST_DENIED);
    signs(&r, 0, 1);
    assert_int_equal(bring(&f, &r), ST_OK);
    memset(f.room, 3, 32); /* alone is a majority, too */
    assert_int_equal(rehome(&f, 1, 7, 1, 1), ST_OK);
    fixture_end(&f);
}

static void signatures_are_for_this_and_nothing_else(void **state)
{
    (void)state;
    struct fixture f;
    struct call r;
    fixture_start(&f, ":memory:");
    memset(f.room, 4, 32);
    begin(&r, &f, 3, 0, 5);
    signs(&r, 0, 5);
    for (size_t at = 0; at < 5; at++) { /* a false one is told, wherever it stands */
        r.sigs[at * ROOM_SIG_ITEM + 40] ^= 1;
        assert_int_equal(bring(&f, &r), ST_BAD_SIGNATURE);
        r.sigs[at * ROOM_SIG_ITEM + 40] ^= 1;
    }
    r.m.version = 4;
    assert_int_equal(bring(&f, &r), ST_BAD_SIGNATURE);
    r.m.version = 3;
    r.m.room[31] ^= 1;
    assert_int_equal(bring(&f, &r), ST_BAD_SIGNATURE);
    r.m.room[31] ^= 1;
    r.m.seats.n = 4;
    assert_int_equal(bring(&f, &r), ST_BAD_SIGNATURE);
    r.m.seats.n = 5;
    memset(r.spkis, 0x12, 32); /* another list of sentinels */
    assert_int_equal(bring(&f, &r), ST_BAD_SIGNATURE);
    memset(r.spkis, 0x11, 32);
    uint8_t item[ROOM_SIG_ITEM], seed[32]; /* what a seat signed for another purpose */
    memcpy(item, r.sigs, sizeof item);
    seat_seed(0, seed);
    room_sign_drop(seed, f.room, item, r.sigs + 32);
    assert_int_equal(bring(&f, &r), ST_BAD_SIGNATURE);
    memcpy(r.sigs, item, sizeof item);
    assert_int_equal(bring(&f, &r), ST_OK);
    fixture_end(&f);
}

static void only_the_sentinels_that_were_voted(void **state)
{
    (void)state;
    struct fixture f;
    struct call r;
    fixture_start(&f, ":memory:");
    memset(f.room, 5, 32);
    begin(&r, &f, 3, 0, 3);
    r.m.spkis.n = 1; /* ours is not in it */
    hash(&r);
    signs(&r, 0, 3);
    assert_int_equal(bring(&f, &r), ST_DENIED);
    r.m.spkis.n = 0;
    hash(&r);
    r.m.sigs.n = 0;
    signs(&r, 0, 3);
    assert_int_equal(bring(&f, &r), ST_DENIED);
    assert_int_equal(attach(&f, 0), ST_NOT_FOUND);
    fixture_end(&f);
}

static enum status brought_as(struct fixture *f, struct call *r)
{
    hash(r);
    r->m.sigs.n = 0;
    signs(r, 0, 4);
    return bring(f, r);
}

static void lists_have_one_form(void **state)
{
    (void)state;
    struct fixture f;
    struct call r;
    uint8_t item[32];
    fixture_start(&f, ":memory:");
    memset(f.room, 6, 32);
    begin(&r, &f, 3, 0, 4);
    r.m.seats.n = 0;
    assert_int_equal(brought_as(&f, &r), ST_BAD_MESSAGE);
    begin(&r, &f, 3, 0, 4);
    memcpy(item, r.seats, 32); /* not ascending */
    memcpy(r.seats, r.seats + 32, 32);
    memcpy(r.seats + 32, item, 32);
    assert_int_equal(brought_as(&f, &r), ST_BAD_MESSAGE);
    memcpy(r.seats, r.seats + 32, 32); /* twice the same */
    assert_int_equal(brought_as(&f, &r), ST_BAD_MESSAGE);
    begin(&r, &f, 0, 0, 4);
    assert_int_equal(brought_as(&f, &r), ST_BAD_MESSAGE);
    begin(&r, &f, ROOM_VERSION_MAX + 1, 0, 4);
    assert_int_equal(brought_as(&f, &r), ST_BAD_MESSAGE);
    begin(&r, &f, 3, 0, 4);
    put_seats(r.used, 3, 3); /* seat 3 is in both */
    r.m.used.n = 3;
    assert_int_equal(brought_as(&f, &r), ST_BAD_MESSAGE);
    put_seats(r.used, 4, 3);
    memcpy(r.used + 32, r.used, 32);
    assert_int_equal(brought_as(&f, &r), ST_BAD_MESSAGE);
    put_seats(r.used, 4, 3);
    f.who.attached = true; /* a connection has one seat of one room */
    memcpy(f.who.room, f.room, 32);
    hash(&r);
    r.m.sigs.n = 0;
    signs(&r, 0, 4);
    assert_int_equal(ask(&f, ROOM_REHOME, &room_rehome_fields, &r.m), ST_PROTOCOL);
    assert_int_equal(bring(&f, &r), ST_OK);
    fixture_end(&f);
}

static void limits_hold(void **state)
{
    (void)state;
    struct fixture f;
    fixture_start(&f, ":memory:");
    f.rules.limits.rooms = 1;
    f.rules.limits.seats = 3;
    memset(f.room, 7, 32);
    assert_int_equal(rehome(&f, 3, 0, 4, 4), ST_QUOTA);
    assert_int_equal(rehome(&f, 3, 0, 3, 3), ST_OK);
    as(&f, 0);
    assert_int_equal(add_seat_by(&f, 3, 3, 0, 3), ST_QUOTA);
    assert_int_equal(rehome(&f, 4, 0, 4, 4), ST_QUOTA); /* and what is there stays */
    assert_int_equal(attach(&f, 0), ST_OK);
    memset(f.room, 8, 32);
    assert_int_equal(rehome(&f, 3, 0, 3, 3), ST_QUOTA);
    memset(f.room, 7, 32);
    assert_int_equal(rehome(&f, 4, 0, 3, 3), ST_OK); /* in its own place */
    fixture_end(&f);
}

static void an_old_list_does_not_beat_a_newer_room(void **state)
{
    (void)state;
    struct fixture f;
    struct call old;
    struct room_spot spot;
    fixture_start(&f, ":memory:");
    memset(f.room, 9, 32);
    begin(&old, &f, 5, 0, 5);
    signs(&old, 0, 5);
    assert_int_equal(bring(&f, &old), ST_OK);
    f.version = 5;
    as(&f, 0);
    assert_int_equal(append_at(&f, 1, NULL, 7, 512, &spot), ST_OK);
    /* its answer was lost, or another member was first: counts as done */
    assert_int_equal(bring(&f, &old), ST_EXISTS);
    assert_int_equal(get_u64(f.body.p), 5);
    as(&f, 0);
    assert_int_equal(drop_own(&f, 4), ST_OK);
    assert_int_equal(f.version, 6);
    /* the dropped one brings the list in which it still was */
    assert_int_equal(bring(&f, &old), ST_EXISTS);
    assert_int_equal(get_u64(f.body.p), 6);
    as(&f, 4);
    assert_int_equal(append_at(&f, 1, NULL, 7, 512, &spot), ST_DENIED);
    as(&f, 0);
    assert_int_equal(append_at(&f, 1, NULL, 7, 512, &spot), ST_OK);
    assert_int_equal(spot.index, 1); /* nothing was touched */
    /* it was first at another sentinel: the members' newer list takes that room over */
    memset(f.room, 10, 32);
    assert_int_equal(rehome(&f, 5, 0, 5, 5), ST_OK);
    assert_int_equal(rehome(&f, 6, 0, 4, 4), ST_OK);
    assert_true(f.effect.erased);
    assert_int_equal(attach(&f, 4), ST_NOT_FOUND);
    assert_int_equal(attach(&f, 3), ST_OK);
    fixture_end(&f);
}

static void a_room_gives_way_only_to_its_own(void **state)
{
    (void)state;
    struct fixture f;
    struct room_spot spot;
    fixture_start(&f, ":memory:");
    fixture_room(&f, 11, 4);
    assert_int_equal(append_at(&f, 1, NULL, 7, 512, &spot), ST_OK);
    /* whoever knows the room's number can make a list of his own keys, as new as he likes */
    assert_int_equal(rehome(&f, 1000, 20, 3, 3), ST_DENIED);
    assert_int_equal(rehome(&f, ROOM_VERSION_MAX, 20, 1, 1), ST_DENIED);
    /* or one seat of it with keys of its own; half of them are not most of them */
    assert_int_equal(rehome(&f, 1000, 3, 9, 9), ST_DENIED);
    assert_int_equal(rehome(&f, 1000, 2, 9, 9), ST_DENIED);
    as(&f, 0);
    assert_int_equal(ASK(&f, ROOM_READ, room_read, .feed = 1, .max = 1, .max_bytes = 512), ST_OK);
    assert_int_equal(rehome(&f, 1000, 1, 9, 9), ST_OK);
    fixture_end(&f);
}

static void a_room_that_is_replaced_is_empty(void **state)
{
    (void)state;
    struct fixture f;
    struct call r;
    struct room_spot spot;
    struct room_reading reading;
    uint8_t token[32] = {42};
    fixture_start(&f, ":memory:");
    fixture_room(&f, 12, 3);
    for (uint8_t feed = 1; feed < 4; feed++)
        assert_int_equal(append_at(&f, feed, NULL, 7, 512, &spot), ST_OK);
    struct room_door_open open = {
        .req = 1, .expires_ms = f.who.now_ms + FIXTURE_DAY, .record = BYTES_OF(token)};
    sha256(BYTES_OF(token), open.door);
    assert_int_equal(ask(&f, ROOM_DOOR_OPEN, &room_door_open_fields, &open), ST_OK);
    begin(&r, &f, 20, 0, 2);
    put_seats(r.used, 2, 1);
    r.m.used.n = 1;
    signs(&r, 0, 2);
    assert_int_equal(bring(&f, &r), ST_OK);
    f.version = get_u64(f.body.p);
    assert_int_equal(f.version, 20);
    assert_int_equal(f.effect.event, RULES_SEATS); /* those who are attached are shown out */
    assert_int_equal(f.effect.kind, ROOM_RECORD_REHOME);
    assert_true(f.effect.erased);
    as(&f, 0);
    for (uint8_t feed = 0; feed < 4; feed++) {
        assert_int_equal(ASK(&f, ROOM_READ, room_read, .feed = feed, .max = 9, .max_bytes = 99999),
                         ST_OK);
        assert_int_equal(fields_decode(&room_reading_fields, buf_view(&f.body), &reading), ST_OK);
        assert_int_equal(reading.count, 0);
        assert_int_equal(reading.entries.n, 0);
    }
    struct room_door_read door = {.req = 1};
    memcpy(door.room, f.room, 32);
    memcpy(door.token, token, 32);
    assert_int_equal(ask(&f, ROOM_DOOR_READ, &room_door_read_fields, &door), ST_NOT_FOUND);
    uint64_t ever = 0;
    assert_int_equal(f.rules.store.ops->seats_ever(f.rules.store.ctx, f.room, &ever), ST_OK);
    assert_int_equal(ever, 3);
    fixture_end(&f);
}

static void a_used_seat_stays_refused(void **state)
{
    (void)state;
    struct fixture f;
    struct call r;
    struct room_spot spot;
    fixture_start(&f, ":memory:");
    memset(f.room, 13, 32);
    begin(&r, &f, 8, 0, 3);
    put_seats(r.used, 3, 30);
    r.m.used.n = 30;
    signs(&r, 0, 3);
    assert_int_equal(bring(&f, &r), ST_OK);
    f.version = 8;
    for (unsigned i = 3; i < 33; i++) {
        assert_int_equal(attach(&f, i), ST_NOT_FOUND); /* there is nothing it could read */
        as(&f, 0);
        assert_int_equal(add_seat_by(&f, i, 50 + i, 0, 3), ST_REPLAY);
    }
    as(&f, 3);
    assert_int_equal(append_at(&f, 1, NULL, 7, 512, &spot), ST_DENIED);
    assert_int_equal(ASK(&f, ROOM_READ, room_read, .feed = 0, .max = 1), ST_DENIED);
    assert_int_equal(drop_own(&f, 3), ST_NOT_FOUND);
    as(&f, 0);
    assert_int_equal(add_seat_by(&f, 1, 60, 0, 3), ST_REPLAY); /* one that is in */
    assert_int_equal(add_seat_by(&f, 33, 33, 0, 3), ST_OK);
    fixture_end(&f);
}

static void the_largest_one_fits(void **state)
{
    (void)state;
    struct fixture f;
    struct call r;
    uint8_t *used = malloc((size_t)ROOM_USED_MAX * 32);
    assert_non_null(used);
    fixture_start(&f, ":memory:");
    memset(f.room, 14, 32);
    begin(&r, &f, 8, 0, 1);
    signs(&r, 0, 1);
    for (unsigned i = 0; i < ROOM_USED_MAX; i++) { /* any bytes will do for seats that are gone */
        memset(used + i * 32, 0xFF, 32);
        put_u32(used + i * 32, i);
    }
    r.m.used = (struct list){used, ROOM_USED_MAX};
    assert_int_equal(bring(&f, &r), ST_OK);
    as(&f, 0);
    f.version = 8;
    assert_int_equal(add_seat_by(&f, 1, 1, 0, 1), ST_OK);
    free(used);
    fixture_end(&f);
}

static void the_last_seat_takes_it_too(void **state)
{
    (void)state;
    struct fixture f;
    fixture_start(&f, ":memory:");
    memset(f.room, 15, 32);
    assert_int_equal(rehome(&f, 8, 0, 2, 2), ST_OK);
    as(&f, -1);
    assert_int_equal(drop_own(&f, 0), ST_OK);
    assert_int_equal(drop_own(&f, 1), ST_OK);
    assert_true(f.effect.erased);
    assert_int_equal(attach(&f, 1), ST_NOT_FOUND);
    fixture_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_room_is_built_again),
        cmocka_unit_test(it_needs_a_strict_majority),
        cmocka_unit_test(signatures_are_for_this_and_nothing_else),
        cmocka_unit_test(only_the_sentinels_that_were_voted),
        cmocka_unit_test(lists_have_one_form),
        cmocka_unit_test(limits_hold),
        cmocka_unit_test(an_old_list_does_not_beat_a_newer_room),
        cmocka_unit_test(a_room_gives_way_only_to_its_own),
        cmocka_unit_test(a_room_that_is_replaced_is_empty),
        cmocka_unit_test(a_used_seat_stays_refused),
        cmocka_unit_test(the_largest_one_fits),
        cmocka_unit_test(the_last_seat_takes_it_too),
    };
    return !!cmocka_run_group_tests(tests, NULL, NULL);
}
