/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto core/feed core/room store */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "core/feed/chain.h"
#include "room_fixture.h"

static struct room_attached attached(struct fixture *f)
{
    struct room_attached a;
    assert_int_equal(fields_decode(&room_attached_fields, buf_view(&f->body), &a), ST_OK);
    return a;
}

static void create_and_attach(void **state)
{
    (void)state;
    struct fixture f;
    fixture_start(&f, ":memory:");
    memset(f.room, 1, 32);
    assert_int_equal(attach(&f, 0), ST_NOT_FOUND);
    assert_int_equal(create(&f, 0), ST_OK);
    struct room_attached a = attached(&f);
    uint8_t chain[32];
    assert_int_equal(a.version, 1);
    assert_int_equal(a.heads.n, 4);
    for (uint8_t feed = 0; feed < 4; feed++) {
        struct room_head h = room_head_at(a.heads, feed);
        chain_start(f.room, feed, chain);
        assert_memory_equal(h.chain, chain, 32);
        assert_int_equal(h.count, 0);
    }
    assert_int_equal(create(&f, 0), ST_OK); /* its answer was lost */
    assert_int_equal(create(&f, 1), ST_EXISTS);
    assert_int_equal(attach(&f, 0), ST_OK);
    assert_int_equal(attach(&f, 1), ST_NOT_FOUND);
    f.who.exporter[0]++; /* a signature made for another connection */
    struct room_attach m = {.req = 1};
    uint8_t seed[32], other[32] = {0};
    seat_seed(0, seed);
    seat_key(0, m.seat);
    memcpy(m.room, f.room, 32);
    room_sign_attach(seed, m.room, other, f.who.spki, m.sig);
    assert_int_equal(ask(&f, ROOM_ATTACH, &room_attach_fields, &m), ST_BAD_SIGNATURE);
    fixture_end(&f);
}

static void adding_needs_a_strict_majority(void **state)
{
    (void)state;
    struct fixture f;
    fixture_start(&f, ":memory:");
    fixture_room(&f, 2, 4);
    assert_int_equal(add_seat_by(&f, 10, 10, 0, 2), ST_DENIED);  /* 2 of 4 */
    assert_int_equal(add_seat_by(&f, 10, 10, 1, 3), ST_OK);      /* 3 of 4 */
    assert_int_equal(add_seat_by(&f, 11, 11, 0, 2), ST_DENIED);  /* 2 of 5 */
    assert_int_equal(add_seat_by(&f, 11, 11, 20, 9), ST_DENIED); /* strangers do not count */
    /* one seat's signature many times is one signature */
    uint8_t items[5 * ROOM_SIG_ITEM];
    struct room_add_seat m = {.req = 1, .version = f.version, .sigs = {items, 5}};
    seat_key(11, m.seat);
    proposal_of(11, m.proposal);
    for (unsigned k = 0; k < 5; k++)
        add_item(items + k * ROOM_SIG_ITEM, 0, f.room, m.seat, m.proposal);
    assert_int_equal(ask(&f, ROOM_ADD_SEAT, &room_add_seat_fields, &m), ST_DENIED);
    /* a false signature is told */
    for (unsigned k = 0; k < 4; k++)
        add_item(items + k * ROOM_SIG_ITEM, k, f.room, m.seat, m.proposal);
    m.sigs.n = 4;
    items[ROOM_SIG_ITEM + 40] ^= 1;
    assert_int_equal(ask(&f, ROOM_ADD_SEAT, &room_add_seat_fields, &m), ST_BAD_SIGNATURE);
    /* signatures are for this seat, proposal and room */
    items[ROOM_SIG_ITEM + 40] ^= 1;
    m.proposal[0] ^= 1;
    assert_int_equal(ask(&f, ROOM_ADD_SEAT, &room_add_seat_fields, &m), ST_BAD_SIGNATURE);
    m.proposal[0] ^= 1;
    assert_int_equal(ask(&f, ROOM_ADD_SEAT, &room_add_seat_fields, &m), ST_OK);
    assert_int_equal(f.effect.event, RULES_SEATS);
    fixture_end(&f);
}

static void nothing_works_twice(void **state)
{
    (void)state;
    struct fixture f;
    fixture_start(&f, ":memory:");
    fixture_room(&f, 3, 2);
    uint64_t stale = f.version;
    assert_int_equal(add_seat_by(&f, 5, 5, 0, 2), ST_OK);
    assert_int_equal(add_seat_by(&f, 5, 5, 0, 2), ST_EXISTS); /* counts as done */
    assert_int_equal(get_u64(f.body.p), f.version);
    assert_int_equal(add_seat_by(&f, 6, 5, 0, 2), ST_REPLAY); /* the proposal was used */
    assert_int_equal(add_seat_by(&f, 5, 6, 0, 2), ST_REPLAY); /* the seat was used */
    uint64_t now = f.version;
    f.version = stale;
    assert_int_equal(add_seat_by(&f, 6, 6, 0, 2), ST_CONFLICT);
    assert_int_equal(get_u64(f.body.p), now);
    f.version = now;
    assert_int_equal(drop_own(&f, 5), ST_OK);
    assert_int_equal(drop_own(&f, 5), ST_NOT_FOUND);
    assert_int_equal(add_seat_by(&f, 5, 5, 0, 2), ST_REPLAY); /* the same ADD brings nobody back */
    assert_int_equal(add_seat_by(&f, 5, 7, 0, 2), ST_REPLAY);
    assert_int_equal(add_seat_by(&f, 7, 5, 0, 2), ST_REPLAY);
    as(&f, 5); /* and its connection is worth nothing */
    struct room_spot spot;
    assert_int_equal(append_at(&f, 1, NULL, 1, 512, &spot), ST_DENIED);
    assert_int_equal(add_seat_by(&f, 8, 8, 0, 2), ST_DENIED);
    assert_int_equal(ASK(&f, ROOM_SEATS, room_seats, .from = 0), ST_DENIED);
    as(&f, -1);
    assert_int_equal(ASK(&f, ROOM_SEATS, room_seats, .from = 0), ST_DENIED);
    fixture_end(&f);
}

static enum status vote(struct fixture *f, int by, unsigned target, uint64_t index)
{
    struct room_seat_vote m = {.req = 1, .index = index};
    uint8_t seed[32];
    as(f, by);
    seat_seed((unsigned)by, seed);
    seat_key(target, m.seat);
    room_sign_drop(seed, f->room, m.seat, m.sig);
    return ask(f, ROOM_SEAT_VOTE, &room_seat_vote_fields, &m);
}

static void dropping_by_the_others(void **state)
{
    (void)state;
    struct fixture f;
    uint8_t items[4 * ROOM_SIG_ITEM], seed[32];
    fixture_start(&f, ":memory:");
    fixture_room(&f, 4, 5);
    struct room_drop_voted m = {.req = 1, .index = 0, .sigs = {items, 0}};
    seat_key(4, m.seat);
    for (unsigned k = 0; k < 4; k++) {
        /* the target's own signature in the first place: it does not count among the others */
        unsigned signer = k == 0 ? 4 : k;
        seat_seed(signer, seed);
        seat_key(signer, items + k * ROOM_SIG_ITEM);
        room_sign_drop(seed, f.room, m.seat, items + k * ROOM_SIG_ITEM + 32);
    }
    m.sigs.n = 3; /* target, 1, 2: two of the four others */
    assert_int_equal(ask(&f, ROOM_DROP_VOTED, &room_drop_voted_fields, &m), ST_DENIED);
    m.sigs.n = 4;
    assert_int_equal(ask(&f, ROOM_DROP_VOTED, &room_drop_voted_fields, &m), ST_OK);
    assert_int_equal(f.effect.kind, ROOM_RECORD_DROP);
    assert_int_equal(ask(&f, ROOM_DROP_VOTED, &room_drop_voted_fields, &m), ST_NOT_FOUND);

    /* four are left; votes come one by one; three others: two are enough */
    uint64_t before = f.version;
    assert_int_equal(vote(&f, 3, 3, 0), ST_DENIED);
    assert_int_equal(vote(&f, 0, 3, 0), ST_OK);
    assert_int_equal(f.effect.event, RULES_NONE);
    assert_int_equal(vote(&f, 0, 3, 0), ST_OK); /* again: still one vote */
    assert_int_equal(f.effect.event, RULES_NONE);
    assert_int_equal(vote(&f, 1, 3, 0), ST_OK);
    assert_int_equal(f.effect.event, RULES_SEATS);
    assert_true(get_u64(f.body.p) > before);
    /* among two either may remove the other */
    assert_int_equal(vote(&f, 0, 2, 0), ST_OK);
    assert_int_equal(vote(&f, 1, 2, 0), ST_OK);
    assert_int_equal(vote(&f, 1, 0, 0), ST_OK);
    assert_int_equal(f.effect.event, RULES_SEATS);
    assert_false(f.effect.erased);
    assert_int_equal(vote(&f, 1, 0, 0), ST_NOT_FOUND);
    fixture_end(&f);
}

static void feeds_chain_and_swap(void **state)
{
    (void)state;
    struct fixture f;
    struct room_spot head, spot, lost;
    fixture_start(&f, ":memory:");
    fixture_room(&f, 5, 2);
    head.index = 0;
    chain_start(f.room, 0, head.chain);
    assert_int_equal(append_at(&f, 0, NULL, 1, 512, &spot), ST_PROTOCOL);
    assert_int_equal(append_at(&f, 0, &head, 1, 512, &spot), ST_OK);
    assert_int_equal(spot.index, 0);
    uint8_t sealed[512], chain[32];
    memset(sealed, 1, sizeof sealed);
    chain_step(head.chain, BYTES_OF(sealed), chain);
    assert_memory_equal(chain, spot.chain, 32);
    as(&f, 1); /* the same place again: lost, and told where the head is */
    assert_int_equal(append_at(&f, 0, &head, 2, 512, &lost), ST_CONFLICT);
    assert_int_equal(lost.index, 1);
    assert_memory_equal(lost.chain, spot.chain, 32);
    head.index = 1; /* right place, other history */
    assert_int_equal(append_at(&f, 0, &head, 2, 512, &lost), ST_CONFLICT);
    assert_int_equal(append_at(&f, 0, &lost, 2, 2048, &spot), ST_OK);
    /* free feeds take both forms */
    assert_int_equal(append_at(&f, 2, NULL, 3, 512, &spot), ST_OK);
    assert_int_equal(append_at(&f, 2, &head, 3, 512, &lost), ST_CONFLICT);
    assert_int_equal(append_at(&f, 2, &lost, 3, 512, &spot), ST_OK);
    assert_int_equal(spot.index, 1);
    assert_int_equal(append_at(&f, 4, NULL, 3, 512, &spot), ST_VERSION);
    fixture_end(&f);
}

static void only_padded_sizes(void **state)
{
    (void)state;
    static const size_t good[] = {512, 2048, 4096, 65536, 524288};
    static const size_t bad[] = {0, 1, 511, 513, 1024, 2047, 3072, 524287};
    struct fixture f;
    struct room_spot spot;
    fixture_start(&f, ":memory:");
    fixture_room(&f, 6, 1);
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_int_equal(append_at(&f, 1, NULL, 1, good[i], &spot), ST_OK);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(append_at(&f, 1, NULL, 1, bad[i], &spot), ST_BAD_MESSAGE);
    fixture_end(&f);
}

static struct room_reading reading(struct fixture *f, uint8_t feed, uint64_t from, uint16_t max,
                                   uint32_t max_bytes, size_t *n)
{
    struct room_reading r;
    struct room_item item;
    assert_int_equal(ASK(f, ROOM_READ, room_read, .feed = feed, .from = from, .max = max,
                         .max_bytes = max_bytes),
                     ST_OK);
    assert_int_equal(fields_decode(&room_reading_fields, buf_view(&f->body), &r), ST_OK);
    struct cursor c = cursor_of(r.entries);
    for (*n = 0; c.left > 0; ++*n)
        assert_int_equal(fields_read(&room_item_fields, &c, &item), ST_OK);
    return r;
}

static void reading_is_bounded(void **state)
{
    (void)state;
    struct fixture f;
    struct room_spot spots[10];
    size_t n;
    fixture_start(&f, ":memory:");
    fixture_room(&f, 7, 1);
    for (uint8_t i = 0; i < 10; i++)
        assert_int_equal(append_at(&f, 1, NULL, i, 512, &spots[i]), ST_OK);
    struct room_reading r = reading(&f, 1, 0, 100, 1 << 20, &n);
    assert_int_equal(n, 10);
    assert_int_equal(r.count, 10);
    r = reading(&f, 1, 4, 3, 1 << 20, &n);
    assert_int_equal(n, 3);
    assert_int_equal(r.start, 4);
    assert_memory_equal(r.chain, spots[3].chain, 32);
    r = reading(&f, 1, 4, 100, 1, &n); /* always one */
    assert_int_equal(n, 1);
    r = reading(&f, 1, 4, 100, 2 * 516, &n);
    assert_int_equal(n, 2);
    r = reading(&f, 1, 10, 100, 1 << 20, &n);
    assert_int_equal(n, 0);
    assert_memory_equal(r.chain, spots[9].chain, 32);
    r = reading(&f, 1, UINT64_MAX, 100, 1 << 20, &n);
    assert_int_equal(n, 0);
    assert_int_equal(r.start, 10);
    r = reading(&f, 2, 0, 100, 1 << 20, &n);
    assert_int_equal(n, 0);
    /* two of the largest do not fit one frame */
    struct room_spot spot;
    assert_int_equal(append_at(&f, 3, NULL, 1, 524288, &spot), ST_OK);
    assert_int_equal(append_at(&f, 3, NULL, 2, 524288, &spot), ST_OK);
    reading(&f, 3, 0, 100, UINT32_MAX, &n);
    assert_int_equal(n, 1);
    fixture_end(&f);
}

static void mail_ages(void **state)
{
    (void)state;
    struct fixture f;
    struct room_spot spots[8];
    uint8_t cursor[32] = {0};
    bool more, erased;
    size_t n;
    fixture_start(&f, ":memory:");
    f.rules.limits.feed_bytes[1] = 16 * 512;
    f.rules.limits.feed_bytes[2] = 2 * 512;
    fixture_room(&f, 8, 1);
    for (uint8_t i = 0; i < 6; i++)
        assert_int_equal(append_at(&f, 1, NULL, i, 512, &spots[i]), ST_OK);
    assert_int_equal(append_at(&f, 1, NULL, 1, 16384, &spots[6]), ST_QUOTA); /* larger than all */
    /* files are never let go: full is refused */
    assert_int_equal(append_at(&f, 2, NULL, 1, 512, &spots[6]), ST_OK);
    assert_int_equal(append_at(&f, 2, NULL, 1, 512, &spots[6]), ST_OK);
    assert_int_equal(append_at(&f, 2, NULL, 1, 512, &spots[6]), ST_QUOTA);
    /* and after 14 days mail is gone, read or not, the chain goes on */
    f.who.now_ms += 13 * FIXTURE_DAY;
    assert_int_equal(append_at(&f, 1, NULL, 6, 512, &spots[6]), ST_OK);
    f.who.now_ms += 2 * FIXTURE_DAY;
    const struct room_store *s = &f.rules.store;
    assert_int_equal(s->ops->begin(s->ctx), ST_OK);
    assert_int_equal(rules_sweep(&f.rules, f.who.now_ms, cursor, &more, &erased), ST_OK);
    assert_int_equal(s->ops->commit(s->ctx), ST_OK);
    assert_false(more);
    assert_false(erased);
    struct room_reading r = reading(&f, 1, 0, 100, 1 << 20, &n);
    assert_int_equal(r.first, 6);
    assert_int_equal(n, 1);
    assert_memory_equal(r.chain, spots[5].chain, 32);
    r = reading(&f, 2, 0, 100, 1 << 20, &n);
    assert_int_equal(n, 2);
    fixture_end(&f);
}

static void a_room_has_a_measure(void **state)
{
    (void)state;
    struct fixture f;
    struct room_spot spot;
    fixture_start(&f, ":memory:");
    f.rules.limits.rooms = 1;
    f.rules.limits.room_bytes = 3 * 512;
    f.rules.limits.seats = 2;
    fixture_room(&f, 9, 2);
    assert_int_equal(add_seat_by(&f, 3, 3, 0, 2), ST_QUOTA);
    assert_int_equal(append_at(&f, 1, NULL, 1, 512, &spot), ST_OK);
    assert_int_equal(append_at(&f, 2, NULL, 1, 512, &spot), ST_OK);
    assert_int_equal(append_at(&f, 3, NULL, 1, 512, &spot), ST_OK);
    assert_int_equal(append_at(&f, 3, NULL, 1, 512, &spot), ST_QUOTA);
    memset(f.room, 10, 32);
    assert_int_equal(create(&f, 0), ST_QUOTA);
    fixture_end(&f);
}

static void the_dropped_may_read_why(void **state)
{
    (void)state;
    struct fixture f;
    struct room_spot spot, third;
    size_t n;
    fixture_start(&f, ":memory:");
    fixture_room(&f, 11, 3);
    spot.index = 0;
    chain_start(f.room, 0, spot.chain);
    for (uint8_t i = 0; i < 5; i++) {
        assert_int_equal(append_at(&f, 0, &spot, i, 512, &spot), ST_OK);
        if (i == 2) third = spot;
        spot.index++;
    }
    assert_int_equal(vote(&f, 0, 2, 2), ST_OK); /* REMOVE is entry 2 */
    assert_int_equal(vote(&f, 1, 2, 1), ST_OK);
    as(&f, 2);
    assert_int_equal(attach(&f, 2), ST_OK);
    assert_true(f.effect.dropped);
    struct room_attached a = attached(&f);
    assert_int_equal(a.dropped, 1);
    assert_int_equal(a.drop_count, 3);
    assert_int_equal(room_head_at(a.heads, 0).count, 3);
    assert_memory_equal(room_head_at(a.heads, 0).chain, third.chain, 32);
    assert_int_equal(room_head_at(a.heads, 1).count, 0);
    struct room_reading r = reading(&f, 0, 0, 100, 1 << 20, &n);
    assert_int_equal(n, 3);
    assert_int_equal(r.count, 3);
    assert_int_equal(ASK(&f, ROOM_READ, room_read, .feed = 1, .max = 1), ST_DENIED);
    assert_int_equal(append_at(&f, 1, NULL, 1, 512, &spot), ST_DENIED);
    assert_int_equal(ASK(&f, ROOM_SUBSCRIBE, room_subscribe, .mask = 1), ST_DENIED);
    f.who.now_ms += 91 * FIXTURE_DAY;
    assert_int_equal(ASK(&f, ROOM_READ, room_read, .feed = 0, .max = 1), ST_DENIED);
    assert_int_equal(attach(&f, 2), ST_NOT_FOUND);
    fixture_end(&f);
}

/* Everything that a seat may ask, asked by one that was dropped. */
static void the_dropped_may_nothing_else(struct fixture *f, int who)
{
    struct room_spot spot;
    as(f, who);
    for (uint8_t feed = 1; feed < ROOM_FEEDS; feed++)
        assert_int_equal(ASK(f, ROOM_READ, room_read, .feed = feed, .max = 1), ST_DENIED);
    for (uint8_t feed = 0; feed < ROOM_FEEDS; feed++)
        assert_int_equal(append_at(f, feed, NULL, 1, 512, &spot), ST_DENIED);
    assert_int_equal(add_seat_by(f, 30, 30, 0, 3), ST_DENIED);
    assert_int_equal(ASK(f, ROOM_DROP_VOTED, room_drop_voted, .index = 0), ST_DENIED);
    assert_int_equal(vote(f, who, 0, 0), ST_DENIED);
    assert_int_equal(ASK(f, ROOM_SEATS, room_seats, .from = 0), ST_DENIED);
    assert_int_equal(ASK(f, ROOM_SUBSCRIBE, room_subscribe, .mask = 0x3F), ST_DENIED);
    assert_int_equal(ASK(f, ROOM_DOOR_OPEN, room_door_open, .expires_ms = f->who.now_ms + 1),
                     ST_DENIED);
    assert_int_equal(ASK(f, ROOM_DOOR_CLOSE, room_door_close, .door = {1}), ST_DENIED);
    assert_int_equal(ASK(f, ROOM_DOOR_KNOCKS, room_door_knocks, .from = 0), ST_DENIED);
    assert_int_equal(ASK(f, ROOM_DOOR_REPLY, room_door_reply, .reply = {1}), ST_DENIED);
}

static void reads_up_to_its_drop(struct fixture *f, int who, uint64_t count,
                                 const uint8_t chain[32])
{
    size_t n = 0;
    assert_int_equal(attach(f, (unsigned)who), ST_OK);
    assert_true(f->effect.dropped);
    struct room_attached a = attached(f);
    assert_int_equal(a.dropped, 1);
    assert_int_equal(a.drop_count, count);
    assert_int_equal(room_head_at(a.heads, 0).count, count);
    assert_memory_equal(room_head_at(a.heads, 0).chain, chain, 32);
    for (size_t feed = 1; feed < ROOM_FEEDS; feed++) /* not even how much there is elsewhere */
        assert_int_equal(room_head_at(a.heads, feed).count, 0);
    as(f, who);
    struct room_reading r = reading(f, 0, 0, 100, 1 << 20, &n);
    assert_int_equal(n, count);
    assert_int_equal(r.count, count);
    r = reading(f, 0, count, 100, 1 << 20, &n); /* nor by asking for what came after */
    assert_int_equal(n, 0);
    assert_memory_equal(r.chain, chain, 32);
    r = reading(f, 0, count + 1, 100, 1 << 20, &n);
    assert_int_equal(n, 0);
    assert_int_equal(r.start, count);
}

/* However it was dropped, for ninety days, and whatever is said in the meantime. */
static void the_dropped_read_that_and_no_more(void **state)
{
    (void)state;
    struct fixture f;
    struct room_spot spot, spots[8], other;
    uint8_t items[4 * ROOM_SIG_ITEM], seed[32];
    fixture_start(&f, ":memory:");
    fixture_room(&f, 19, 6);
    spot.index = 0;
    chain_start(f.room, 0, spot.chain);
    for (uint8_t i = 0; i < 8; i++) {
        if (i == 5) { /* by signatures that one member brings: REMOVE is entry 3 */
            struct room_drop_voted m = {.req = 1, .index = 3, .sigs = {items, 3}};
            seat_key(5, m.seat);
            for (unsigned k = 0; k < 3; k++) {
                seat_seed(k, seed);
                seat_key(k, items + k * ROOM_SIG_ITEM);
                room_sign_drop(seed, f.room, m.seat, items + k * ROOM_SIG_ITEM + 32);
            }
            assert_int_equal(ask(&f, ROOM_DROP_VOTED, &room_drop_voted_fields, &m), ST_OK);
        }
        if (i == 6) { /* by votes: entry 2 */
            assert_int_equal(vote(&f, 0, 4, 2), ST_OK);
            assert_int_equal(vote(&f, 1, 4, 2), ST_OK);
            assert_int_equal(vote(&f, 2, 4, 2), ST_OK);
            as(&f, 0);
        }
        if (i == 7) assert_int_equal(drop_own(&f, 3), ST_OK); /* by itself: what there was then */
        assert_int_equal(append_at(&f, 0, &spot, i, 512, &spots[i]), ST_OK);
        assert_int_equal(append_at(&f, 1, NULL, i, 512, &other), ST_OK);
        spot = spots[i];
        spot.index++;
    }
    uint64_t dropped_at = f.who.now_ms;
    for (uint64_t day = 0; day <= 90; day += 45) {
        f.who.now_ms = dropped_at + day * FIXTURE_DAY;
        reads_up_to_its_drop(&f, 5, 4, spots[3].chain);
        reads_up_to_its_drop(&f, 4, 3, spots[2].chain);
        reads_up_to_its_drop(&f, 3, 7, spots[6].chain);
        for (int who = 3; who < 6; who++) the_dropped_may_nothing_else(&f, who);
    }
    f.who.now_ms = dropped_at + 90 * FIXTURE_DAY + 1;
    for (int who = 3; who < 6; who++) {
        as(&f, who);
        assert_int_equal(ASK(&f, ROOM_READ, room_read, .feed = 0, .max = 1), ST_DENIED);
        assert_int_equal(attach(&f, (unsigned)who), ST_NOT_FOUND);
    }
    fixture_end(&f);
}

static void the_last_seat_takes_the_room(void **state)
{
    (void)state;
    struct fixture f;
    struct room_spot spot;
    fixture_start(&f, ":memory:");
    fixture_room(&f, 12, 2);
    assert_int_equal(append_at(&f, 1, NULL, 1, 512, &spot), ST_OK);
    assert_int_equal(drop_own(&f, 0), ST_OK);
    assert_false(f.effect.erased);
    as(&f, -1); /* anybody may bring it */
    assert_int_equal(drop_own(&f, 1), ST_OK);
    assert_true(f.effect.erased);
    assert_int_equal(f.version, 0);
    assert_int_equal(drop_own(&f, 1), ST_NOT_FOUND);
    assert_int_equal(attach(&f, 0), ST_NOT_FOUND);
    as(&f, 0);
    assert_int_equal(ASK(&f, ROOM_READ, room_read, .feed = 0, .max = 1), ST_DENIED);
    uint64_t rooms = 9;
    assert_int_equal(f.rules.store.ops->rooms(f.rules.store.ctx, &rooms), ST_OK);
    assert_int_equal(rooms, 0);
    fixture_end(&f);
}

static void idle_rooms_end(void **state)
{
    (void)state;
    struct fixture f;
    uint8_t cursor[32] = {0};
    bool more, erased;
    fixture_start(&f, ":memory:");
    fixture_room(&f, 13, 1);
    fixture_room(&f, 14, 1);
    f.who.now_ms += 300 * FIXTURE_DAY;
    assert_int_equal(attach(&f, 0), ST_OK); /* room 14 */
    f.who.now_ms += 102 * FIXTURE_DAY;
    assert_int_equal(rules_sweep(&f.rules, f.who.now_ms, cursor, &more, &erased), ST_OK);
    assert_true(erased);
    assert_int_equal(attach(&f, 0), ST_OK);
    memset(f.room, 13, 32);
    assert_int_equal(attach(&f, 0), ST_NOT_FOUND);
    fixture_end(&f);
}

static void records_tell_the_whole_list(void **state)
{
    (void)state;
    struct fixture f;
    struct room_seat_list l;
    struct room_record r;
    fixture_start(&f, ":memory:");
    fixture_room(&f, 15, 3);
    assert_int_equal(drop_own(&f, 2), ST_OK);
    as(&f, 0);
    assert_int_equal(ASK(&f, ROOM_SEATS, room_seats, .from = 0), ST_OK);
    assert_int_equal(fields_decode(&room_seat_list_fields, buf_view(&f.body), &l), ST_OK);
    assert_int_equal(l.version, 4);
    assert_int_equal(l.seats.n, 2);
    static const uint8_t kinds[] = {1, 2, 2, 3};
    struct cursor c = cursor_of(l.records);
    for (uint64_t i = 0; i < 4; i++) {
        assert_int_equal(fields_read(&room_record_fields, &c, &r), ST_OK);
        assert_int_equal(r.version, i + 1);
        assert_int_equal(r.kind, kinds[i]);
        for (size_t k = 0; k < r.sigs.n; k++) { /* anybody can check them */
            const uint8_t *item = list_at(r.sigs, k, ROOM_SIG_ITEM);
            enum status st = ST_BUG;
            if (r.kind == ROOM_RECORD_CREATE)
                st = room_verify_create(r.seat, f.room, r.proof.p, r.proof.p + 32, item + 32);
            if (r.kind == ROOM_RECORD_ADD)
                st = room_verify_add(item, f.room, r.seat, r.proof.p, item + 32);
            if (r.kind == ROOM_RECORD_DROP) st = room_verify_drop(item, f.room, r.seat, item + 32);
            assert_int_equal(st, ST_OK);
        }
    }
    assert_int_equal(c.left, 0);
    assert_int_equal(ASK(&f, ROOM_SEATS, room_seats, .from = 4), ST_OK);
    assert_int_equal(fields_decode(&room_seat_list_fields, buf_view(&f.body), &l), ST_OK);
    c = cursor_of(l.records);
    assert_int_equal(fields_read(&room_record_fields, &c, &r), ST_OK);
    assert_int_equal(r.version, 4);
    assert_int_equal(c.left, 0);
    fixture_end(&f);
}

/* ---- doors ---- */

static const uint8_t record[] = "sealed door record";
static const uint8_t blob[] = "sealed knock";

static enum status open_door(struct fixture *f, const uint8_t token[32], uint64_t days)
{
    struct room_door_open m = {
        .req = 1, .expires_ms = f->who.now_ms + days * FIXTURE_DAY, .record = BYTES_OF(record)};
    sha256(BYTES(token, 32), m.door);
    return ask(f, ROOM_DOOR_OPEN, &room_door_open_fields, &m);
}

static enum status knock(struct fixture *f, const uint8_t token[32], uint8_t who)
{
    struct room_knock m = {.req = 1, .blob = BYTES_OF(blob)};
    uint8_t reply[32] = {who};
    memcpy(m.room, f->room, 32);
    memcpy(m.token, token, 32);
    sha256(BYTES_OF(reply), m.reply);
    as(f, -1);
    return ask(f, ROOM_KNOCK, &room_knock_fields, &m);
}

static enum status answer(struct fixture *f, int by, uint8_t who, uint8_t outcome, const char *text)
{
    struct room_door_reply m = {.req = 1, .outcome = outcome, .blob = bytes_str(text)};
    uint8_t reply[32] = {who};
    sha256(BYTES_OF(reply), m.reply);
    as(f, by);
    return ask(f, ROOM_DOOR_REPLY, &room_door_reply_fields, &m);
}

static enum status poll_reply(struct fixture *f, uint8_t who, struct room_replies *ret)
{
    struct room_door_poll m = {.req = 1, .token = {who}};
    memcpy(m.room, f->room, 32);
    as(f, -1);
    enum status st = ask(f, ROOM_DOOR_POLL, &room_door_poll_fields, &m);
    if (st == ST_OK)
        assert_int_equal(fields_decode(&room_replies_fields, buf_view(&f->body), ret), ST_OK);
    return st;
}

static void doors_open_and_close(void **state)
{
    (void)state;
    struct fixture f;
    uint8_t token[32] = {42}, wrong[32] = {43};
    fixture_start(&f, ":memory:");
    f.rules.limits.doors = 2;
    fixture_room(&f, 16, 2);
    assert_int_equal(open_door(&f, token, 0), ST_BAD_MESSAGE);
    assert_int_equal(open_door(&f, token, 400), ST_BAD_MESSAGE);
    assert_int_equal(open_door(&f, token, 7), ST_OK);
    assert_int_equal(open_door(&f, token, 7), ST_OK); /* asked again */
    assert_int_equal(open_door(&f, token, 8), ST_EXISTS);
    as(&f, -1);
    struct room_door_read m = {.req = 1};
    memcpy(m.room, f.room, 32);
    memcpy(m.token, token, 32);
    assert_int_equal(ask(&f, ROOM_DOOR_READ, &room_door_read_fields, &m), ST_OK);
    struct room_door d;
    assert_int_equal(fields_decode(&room_door_fields, buf_view(&f.body), &d), ST_OK);
    assert_true(bytes_same(d.record, BYTES_OF(record)));
    memcpy(m.token, wrong, 32);
    assert_int_equal(ask(&f, ROOM_DOOR_READ, &room_door_read_fields, &m), ST_NOT_FOUND);
    memcpy(m.token, token, 32);
    assert_int_equal(open_door(&f, wrong, 7), ST_DENIED); /* a stranger */
    f.who.now_ms += 8 * FIXTURE_DAY;
    assert_int_equal(ask(&f, ROOM_DOOR_READ, &room_door_read_fields, &m), ST_NOT_FOUND);
    as(&f, 0);
    wrong[1] = 1;
    assert_int_equal(open_door(&f, wrong, 7), ST_OK);
    wrong[1] = 2;
    assert_int_equal(open_door(&f, wrong, 7), ST_OK); /* the expired one made place */
    wrong[1] = 3;
    assert_int_equal(open_door(&f, wrong, 7), ST_QUOTA);
    struct room_door_close c = {.req = 1};
    wrong[1] = 2;
    sha256(BYTES_OF(wrong), c.door);
    assert_int_equal(ask(&f, ROOM_DOOR_CLOSE, &room_door_close_fields, &c), ST_OK);
    assert_int_equal(knock(&f, wrong, 1), ST_NOT_FOUND);
    fixture_end(&f);
}

static void knocks_and_answers(void **state)
{
    (void)state;
    struct fixture f;
    uint8_t token[32] = {42};
    struct room_replies r;
    struct room_knock_list list;
    struct room_knocked item;
    fixture_start(&f, ":memory:");
    fixture_room(&f, 17, 2);
    assert_int_equal(open_door(&f, token, 7), ST_OK);
    assert_int_equal(knock(&f, token, 1), ST_OK);
    assert_int_equal(f.effect.event, RULES_KNOCKED);
    assert_int_equal(knock(&f, token, 1), ST_OK); /* asked again: no second knock */
    assert_int_equal(f.effect.event, RULES_NONE);
    for (uint8_t i = 2; i <= 8; i++) assert_int_equal(knock(&f, token, i), ST_OK);
    assert_int_equal(knock(&f, token, 9), ST_QUOTA);
    assert_int_equal(poll_reply(&f, 1, &r), ST_OK);
    assert_int_equal(r.outcome, ROOM_OPEN);
    assert_int_equal(r.blobs.n, 0);
    assert_int_equal(poll_reply(&f, 99, &r), ST_NOT_FOUND);
    assert_int_equal(ASK(&f, ROOM_DOOR_KNOCKS, room_door_knocks, .from = 0), ST_DENIED);
    as(&f, 1);
    assert_int_equal(ASK(&f, ROOM_DOOR_KNOCKS, room_door_knocks, .from = 6), ST_OK);
    assert_int_equal(fields_decode(&room_knock_list_fields, buf_view(&f.body), &list), ST_OK);
    struct cursor c = cursor_of(list.knocks);
    assert_int_equal(fields_read(&room_knocked_fields, &c, &item), ST_OK);
    assert_int_equal(item.number, 6);
    assert_true(bytes_same(item.blob, BYTES_OF(blob)));

    assert_int_equal(answer(&f, 0, 1, ROOM_OPEN, "pending"), ST_OK);
    assert_int_equal(answer(&f, 1, 1, ROOM_ACCEPTED, "welcome"), ST_OK);
    assert_int_equal(f.effect.event, RULES_REPLIED);
    assert_int_equal(answer(&f, 0, 1, ROOM_ACCEPTED, "welcome too"), ST_OK);
    assert_int_equal(answer(&f, 0, 2, ROOM_ACCEPTED, "no"), ST_CONFLICT);
    assert_int_equal(answer(&f, 0, 2, ROOM_REFUSED, "no"), ST_OK);
    assert_int_equal(answer(&f, 0, 1, ROOM_REFUSED, "later"), ST_OK);
    assert_int_equal(poll_reply(&f, 1, &r), ST_OK);
    assert_int_equal(r.outcome, ROOM_ACCEPTED); /* what was accepted stays */
    struct room_reply_blob b;
    c = cursor_of(r.blobs);
    size_t n = 0;
    for (; c.left > 0; n++) assert_int_equal(fields_read(&room_reply_blob_fields, &c, &b), ST_OK);
    assert_int_equal(n, 2); /* one of each seat, the newest */
    assert_int_equal(answer(&f, 0, 77, ROOM_OPEN, "x"), ST_NOT_FOUND);
    assert_int_equal(knock(&f, token, 9), ST_DENIED); /* this door has let someone in */
    as(&f, 0);
    assert_int_equal(ASK(&f, ROOM_DOOR_KNOCKS, room_door_knocks, .from = 0), ST_OK);
    assert_int_equal(fields_decode(&room_knock_list_fields, buf_view(&f.body), &list), ST_OK);
    c = cursor_of(list.knocks);
    for (n = 0; c.left > 0; n++)
        assert_int_equal(fields_read(&room_knocked_fields, &c, &item), ST_OK);
    assert_int_equal(n, 6);
    /* thirty days after the last word it is forgotten */
    uint8_t cursor[32] = {0};
    bool more, erased;
    f.who.now_ms += 31 * FIXTURE_DAY;
    assert_int_equal(rules_sweep(&f.rules, f.who.now_ms, cursor, &more, &erased), ST_OK);
    assert_int_equal(poll_reply(&f, 1, &r), ST_NOT_FOUND);
    fixture_end(&f);
}

static void garbage_is_refused(void **state)
{
    (void)state;
    struct fixture f;
    struct rules_effect effect;
    uint8_t junk[700];
    fixture_start(&f, ":memory:");
    fixture_room(&f, 18, 1);
    for (unsigned type = 0; type < 256; type++)
        for (size_t n = 0; n < sizeof junk; n += 37) {
            memset(junk, (int)(type * 7 + n), sizeof junk);
            enum status st =
                rules_run(&f.rules, &f.who, (uint8_t)type, BYTES(junk, n), &f.body, &effect);
            assert_int_not_equal(st, ST_IO);
            assert_int_not_equal(st, ST_BUG);
        }
    fixture_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(create_and_attach),
        cmocka_unit_test(adding_needs_a_strict_majority),
        cmocka_unit_test(nothing_works_twice),
        cmocka_unit_test(dropping_by_the_others),
        cmocka_unit_test(feeds_chain_and_swap),
        cmocka_unit_test(only_padded_sizes),
        cmocka_unit_test(reading_is_bounded),
        cmocka_unit_test(mail_ages),
        cmocka_unit_test(a_room_has_a_measure),
        cmocka_unit_test(the_dropped_may_read_why),
        cmocka_unit_test(the_dropped_read_that_and_no_more),
        cmocka_unit_test(the_last_seat_takes_the_room),
        cmocka_unit_test(idle_rooms_end),
        cmocka_unit_test(records_tell_the_whole_list),
        cmocka_unit_test(doors_open_and_close),
        cmocka_unit_test(knocks_and_answers),
        cmocka_unit_test(garbage_is_refused),
    };
    return !!cmocka_run_group_tests(tests, NULL, NULL);
}
