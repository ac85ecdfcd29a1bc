/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto core/feed core/room store */
/* A full feed 1: what somebody has not read stays, and no seat locks out the others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "core/feed/chain.h"
#include "room_fixture.h"

#include <stdio.h>
#include <unistd.h>

#define FULL ((uint64_t)64 * 512)
#define HALF (FULL / 2)

static void start(struct fixture *f, const char *path, unsigned seats)
{
    fixture_start(f, path);
    f->rules.limits.feed_bytes[FEED_MAIL] = FULL;
    if (seats > 0) fixture_room(f, 3, seats);
}

static struct room_reading says(struct fixture *f, int seat, uint64_t have)
{
    struct room_reading r;
    as(f, seat);
    assert_int_equal(ASK(f, ROOM_READ, room_read, .feed = FEED_MAIL, .from = have, .have = have),
                     ST_OK);
    assert_int_equal(fields_decode(&room_reading_fields, buf_view(&f->body), &r), ST_OK);
    return r;
}

/* Appends entries of 512 bytes until one is refused; how many were taken. */
static unsigned fill(struct fixture *f, int seat, unsigned most)
{
    struct room_spot spot;
    enum status st = ST_OK;
    unsigned n = 0;
    as(f, seat);
    while (n < most && (st = append_at(f, FEED_MAIL, NULL, (uint8_t)n, 512, &spot)) == ST_OK) n++;
    if (n < most) assert_int_equal(st, ST_QUOTA);
    return n;
}

static void what_somebody_has_not_read_stays(void **state)
{
    (void)state;
    struct fixture f;
    start(&f, ":memory:", 4);
    /* half of it, and of the other half its part */
    assert_int_equal(fill(&f, 0, 1000), 32 + 8);
    for (int seat = 0; seat < 3; seat++) says(&f, seat, 40);
    assert_int_equal(fill(&f, 0, 1000), 0);
    assert_int_equal(says(&f, 0, 40).first, 0);
    /* The fourth has read ten of them: these go when their place is needed, and no more. */
    says(&f, 3, 10);
    assert_int_equal(fill(&f, 0, 1000), 2 + 8); /* 30 were left: two to the half, and its part */
    assert_int_equal(says(&f, 1, 40).first, 10);
    fixture_end(&f);
}

static void nobody_locks_the_others_out(void **state)
{
    (void)state;
    struct fixture f;
    start(&f, ":memory:", 4);
    assert_int_equal(fill(&f, 2, 1000), 32 + 8); /* one that floods, and nobody reads */
    assert_int_equal(fill(&f, 2, 1000), 0);
    for (int seat = 0; seat < 4; seat++)
        if (seat != 2) assert_int_equal(fill(&f, seat, 1000), 8);
    struct room_feed_row row;
    const struct room_store *s = &f.rules.store;
    assert_int_equal(s->ops->feed_get(s->ctx, f.room, FEED_MAIL, &row), ST_OK);
    assert_int_equal(row.bytes, FULL);
    /* All have read all: there is room again, and every part is whole. */
    for (int seat = 0; seat < 4; seat++) says(&f, seat, 64);
    assert_int_equal(fill(&f, 0, 4), 4);
    assert_int_equal(s->ops->feed_get(s->ctx, f.room, FEED_MAIL, &row), ST_OK);
    assert_true(row.bytes <= HALF);
    assert_int_equal(fill(&f, 2, 1000), 32 - 4 + 8); /* what is not read stays */
    fixture_end(&f);
}

static void an_entry_is_larger_than_a_part(void **state)
{
    (void)state;
    struct fixture f;
    struct room_spot spot;
    start(&f, ":memory:", 2);
    assert_int_equal(append_at(&f, FEED_MAIL, NULL, 1, 16384, &spot), ST_OK); /* just half */
    assert_int_equal(append_at(&f, FEED_MAIL, NULL, 1, 16384, &spot), ST_QUOTA);
    assert_int_equal(append_at(&f, FEED_MAIL, NULL, 1, 8192, &spot), ST_OK);
    assert_int_equal(append_at(&f, FEED_MAIL, NULL, 1, 512, &spot), ST_QUOTA);
    assert_int_equal(fill(&f, 1, 1000), 16);
    fixture_end(&f);
}

static void who_comes_and_who_goes(void **state)
{
    (void)state;
    struct fixture f;
    start(&f, ":memory:", 3);
    assert_int_equal(fill(&f, 0, 34), 34);
    for (int seat = 0; seat < 3; seat++) says(&f, seat, 34);
    as(&f, 0);
    assert_int_equal(add_seat_by(&f, 3, 3, 0, 3), ST_OK); /* has read nothing yet */
    assert_int_equal(fill(&f, 1, 1), 1);
    assert_int_equal(says(&f, 0, 35).first, 0);
    assert_int_equal(drop_own(&f, 3), ST_OK);
    struct room_seat_row gone;
    uint8_t key[32];
    seat_key(3, key);
    assert_int_equal(f.rules.store.ops->seat_get(f.rules.store.ctx, f.room, key, &gone), ST_OK);
    assert_int_equal(gone.read, 0);
    assert_int_equal(fill(&f, 1, 1), 1);
    assert_true(says(&f, 0, 35).first > 0);
    fixture_end(&f);
}

static void only_of_the_mail(void **state)
{
    (void)state;
    struct fixture f;
    start(&f, ":memory:", 2);
    assert_int_equal(ASK(&f, ROOM_READ, room_read, .feed = 2, .have = 1), ST_BAD_MESSAGE);
    assert_int_equal(ASK(&f, ROOM_READ, room_read, .feed = 0, .have = 1), ST_BAD_MESSAGE);
    says(&f, 0, UINT64_MAX); /* harms only itself */
    assert_int_equal(fill(&f, 1, 1000), 32 + 16);
    fixture_end(&f);
}

static void it_is_known_after_opening_again(void **state)
{
    (void)state;
    char dir[] = "/tmp/enclave-mail-XXXXXX", path[64];
    struct fixture f;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/rooms.db", dir);
    start(&f, path, 2);
    assert_int_equal(fill(&f, 0, 1000), 48);
    says(&f, 0, 48);
    says(&f, 1, 20);
    fixture_end(&f);
    start(&f, path, 0);
    memset(f.room, 3, 32);
    assert_int_equal(attach(&f, 0), ST_OK);
    assert_int_equal(fill(&f, 1, 1), 1);
    struct room_reading r = says(&f, 0, 48);
    assert_in_range(r.first, 1, 20);
    assert_int_equal(f.rules.store.ops->begin(f.rules.store.ctx), ST_OK);
    f.rules.store.ops->rollback(f.rules.store.ctx);
    fixture_end(&f);
    unlink(path);
    char wal[80];
    snprintf(wal, sizeof wal, "%s-wal", path);
    unlink(wal);
    assert_int_equal(rmdir(dir), 0);
}

static enum status begin_at(struct fixture *f, uint64_t index, uint8_t flags, uint8_t feed)
{
    uint8_t sealed[512] = {1};
    struct room_append m = {
        .req = 1, .feed = feed, .flags = flags, .index = index, .sealed = BYTES_OF(sealed)};
    memset(m.chain, 9, 32);
    return ask(f, ROOM_APPEND, &room_append_fields, &m);
}

/* A room that has lost all is given the newest entries under their numbers. */
static void it_begins_where_the_members_say(void **state)
{
    (void)state;
    const uint8_t both = ROOM_APPEND_EXPECT | ROOM_APPEND_START;
    struct fixture f;
    uint8_t chain[32];
    start(&f, ":memory:", 2);
    memset(chain, 9, 32);
    assert_int_equal(begin_at(&f, 100, ROOM_APPEND_START, 1), ST_PROTOCOL);
    assert_int_equal(begin_at(&f, 100, both, 3), ST_PROTOCOL);
    assert_int_equal(begin_at(&f, 0, both, 1), ST_BAD_MESSAGE);
    assert_int_equal(begin_at(&f, ROOM_APPEND_START_MAX + 1, both, 1), ST_BAD_MESSAGE);
    assert_int_equal(begin_at(&f, 100, both, 1), ST_OK);
    assert_int_equal(begin_at(&f, 100, both, 1), ST_CONFLICT); /* once */
    struct room_reading r = says(&f, 0, 0);
    assert_int_equal(r.first, 100);
    assert_int_equal(r.count, 101);
    assert_memory_equal(r.chain, chain, 32);
    assert_int_equal(fill(&f, 0, 3), 3);
    fixture_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_somebody_has_not_read_stays),
        cmocka_unit_test(nobody_locks_the_others_out),
        cmocka_unit_test(an_entry_is_larger_than_a_part),
        cmocka_unit_test(who_comes_and_who_goes),
        cmocka_unit_test(only_of_the_mail),
        cmocka_unit_test(it_is_known_after_opening_again),
        cmocka_unit_test(it_begins_where_the_members_say),
    };
    return !!cmocka_run_group_tests(tests, NULL, NULL);
}
