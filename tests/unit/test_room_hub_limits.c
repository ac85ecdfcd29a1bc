/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto core/feed core/room store */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "core/room/hub_inner.h"
#include "hub_fixture.h"

static void slow_readers_are_told(void **state)
{
    (void)state;
    struct world w;
    world_start(&w);
    fixture_room(&w.f, 7, 2);
    arrive(&w, 0, 0);
    arrive(&w, 1, 0x0F);
    append(&w, 0, 1, 1, NULL);
    work(&w);
    next_frame(&w, 1, ROOM_ENTRY);
    w.clients[1].full = true;
    append(&w, 0, 2, 1, NULL);
    work(&w);
    TELL(&w, 1, ROOM_PING, room_plain, 50); /* replies are kept */
    assert_true(w.clients[1].paused);
    w.clients[1].full = false;
    append(&w, 0, 3, 2, NULL);
    work(&w);
    hub_writable(w.hub, w.clients[1].conn);
    assert_int_equal(reply_body(&w, 1, 50, ST_OK).n, 8);
    assert_int_equal(next_frame(&w, 1, ROOM_LAGGED).p[0], 0x06);
    nothing_more(&w, 1);
    assert_false(w.clients[1].paused);
    append(&w, 0, 4, 1, NULL);
    work(&w);
    next_frame(&w, 1, ROOM_ENTRY);
    world_end(&w);
}

static void one_who_never_reads_is_ended(void **state)
{
    (void)state;
    struct world w;
    struct room_limits limits;
    uint32_t there;
    static uint8_t chunk[ROOM_CIRCUIT_CHUNK];
    room_limits_default(&limits);
    limits.pending_bytes = 100000;
    world_start_with(&w, &limits);
    fixture_room(&w.f, 8, 2);
    arrive(&w, 0, 0);
    arrive(&w, 1, 0);
    uint32_t here = open_circuit(&w, 0, 1, &there);
    w.clients[1].full = true;
    TELL(&w, 0, ROOM_CIRCUIT_DATA, room_circuit_data, here, BYTES_OF(chunk));
    assert_true(w.clients[1].open);
    TELL(&w, 0, ROOM_CIRCUIT_DATA, room_circuit_data, here, BYTES_OF(chunk));
    assert_false(w.clients[1].open);
    assert_int_equal(closing(&w, 0).reason, ROOM_CIRCUIT_GONE);
    gone(&w, 1);
    struct hub_numbers n;
    hub_numbers(w.hub, &n);
    assert_int_equal(n.pending_bytes, 0);
    assert_int_equal(n.circuits, 0);
    world_end(&w);
}

static void turns_in_the_ledger(void **state)
{
    (void)state;
    struct world w;
    struct room_spot start = {0};
    world_start(&w);
    fixture_room(&w.f, 9, 2);
    arrive(&w, 0, 0);
    arrive(&w, 1, 0);
    chain_start(w.f.room, 0, start.chain);
    append(&w, 0, 1, 0, &start);
    append(&w, 1, 2, 0, &start); /* loses */
    work(&w);
    struct room_spot head = spot_of(reply_body(&w, 0, 1, ST_OK));
    head.index++;
    struct room_spot told = spot_of(reply_body(&w, 1, 2, ST_CONFLICT));
    assert_int_equal(told.index, 1);
    assert_memory_equal(told.chain, head.chain, 32);
    append(&w, 0, 3, 0, &head);
    work(&w);
    reply_body(&w, 0, 3, ST_BUSY); /* it is the other's turn */
    append(&w, 0, 4, 1, NULL);
    work(&w);
    reply_body(&w, 0, 4, ST_OK); /* in feed 0 only */
    append(&w, 1, 5, 0, &told);
    work(&w);
    head = spot_of(reply_body(&w, 1, 5, ST_OK));
    head.index++;
    append(&w, 0, 6, 0, &head);
    work(&w);
    reply_body(&w, 0, 6, ST_OK);
    /* a turn not taken lapses */
    append(&w, 1, 7, 0, &start);
    work(&w);
    head = spot_of(reply_body(&w, 1, 7, ST_CONFLICT));
    append(&w, 0, 8, 0, &head);
    work(&w);
    reply_body(&w, 0, 8, ST_BUSY);
    w.now.mono_ms += 2001;
    append(&w, 0, 9, 0, &head);
    work(&w);
    reply_body(&w, 0, 9, ST_OK);
    world_end(&w);
}

static void rates_outlive_the_connection(void **state)
{
    (void)state;
    struct world w;
    struct room_limits limits;
    room_limits_default(&limits);
    limits.entries_hour = 160; /* 16 at once */
    world_start_with(&w, &limits);
    fixture_room(&w.f, 10, 2);
    arrive(&w, 0, 0);
    for (uint32_t i = 1; i <= 16; i++) {
        append(&w, 0, i, 1, NULL);
        work(&w);
        reply_body(&w, 0, i, ST_OK);
    }
    append(&w, 0, 17, 1, NULL);
    reply_body(&w, 0, 17, ST_BUSY);
    append(&w, 0, 18, 2, NULL); /* another feed has its own measure */
    work(&w);
    reply_body(&w, 0, 18, ST_OK);
    gone(&w, 0);
    arrive(&w, 0, 0);
    append(&w, 0, 19, 1, NULL);
    reply_body(&w, 0, 19, ST_BUSY);
    w.now.mono_ms += 3600000 / 160 + 1;
    append(&w, 0, 20, 1, NULL);
    work(&w);
    reply_body(&w, 0, 20, ST_OK);
    world_end(&w);
}

static void many_requests_pause_the_line(void **state)
{
    (void)state;
    struct world w;
    struct room_limits limits;
    room_limits_default(&limits);
    limits.requests = 4;
    world_start_with(&w, &limits);
    fixture_room(&w.f, 11, 1);
    arrive(&w, 0, 0);
    for (uint32_t i = 1; i <= 4; i++) append(&w, 0, i, 1, NULL);
    assert_true(w.clients[0].paused);
    append(&w, 0, 5, 1, NULL); /* was on its way already */
    work(&w);
    assert_false(w.clients[0].paused);
    for (uint32_t i = 1; i <= 5; i++) reply_body(&w, 0, i, ST_OK);
    /* a connection may end with requests under way */
    append(&w, 0, 6, 1, NULL);
    gone(&w, 0);
    work(&w);
    struct hub_numbers n;
    hub_numbers(w.hub, &n);
    assert_int_equal(n.connections, 0);
    assert_int_equal(n.jobs, 0);
    world_end(&w);
}

static void seats_change_before_their_eyes(void **state)
{
    (void)state;
    struct world w;
    struct room_seats_changed s;
    uint32_t there;
    world_start(&w);
    fixture_room(&w.f, 12, 2);
    arrive(&w, 0, 0x0F);
    arrive(&w, 1, 0x0F);
    open_circuit(&w, 0, 1, &there);
    struct room_drop_seat m = {.req = 60};
    uint8_t seed[32];
    seat_seed(1, seed);
    seat_key(1, m.seat);
    memcpy(m.room, w.f.room, 32);
    room_sign_drop(seed, m.room, m.seat, m.sig);
    tell(&w, 1, ROOM_DROP_SEAT, &room_drop_seat_fields, &m);
    work(&w);
    assert_int_equal(get_u64(reply_body(&w, 1, 60, ST_OK).p), 3);
    assert_int_equal(closing(&w, 0).reason, ROOM_CIRCUIT_GONE);
    assert_int_equal(
        fields_decode(&room_seats_changed_fields, next_frame(&w, 0, ROOM_SEATS_CHANGED), &s),
        ST_OK);
    assert_int_equal(s.version, 3);
    assert_int_equal(s.kind, ROOM_RECORD_DROP);
    closing(&w, 1);
    next_frame(&w, 1, ROOM_SEATS_CHANGED);
    append(&w, 0, 61, 1, NULL);
    work(&w);
    reply_body(&w, 0, 61, ST_OK);
    nothing_more(&w, 1); /* it hears nothing any more */
    append(&w, 1, 62, 1, NULL);
    work(&w);
    reply_body(&w, 1, 62, ST_DENIED);
    TELL(&w, 1, ROOM_READ, room_read, .req = 63, .feed = 0, .max = 1);
    work(&w);
    reply_body(&w, 1, 63, ST_OK);
    seat_seed(0, seed); /* and the last one takes the room */
    seat_key(0, m.seat);
    room_sign_drop(seed, m.room, m.seat, m.sig);
    tell(&w, 0, ROOM_DROP_SEAT, &room_drop_seat_fields, &m);
    work(&w);
    reply_body(&w, 0, 60, ST_OK);
    next_frame(&w, 0, ROOM_SEATS_CHANGED);
    struct hub_numbers n;
    hub_numbers(w.hub, &n);
    assert_int_equal(n.attached, 0);
    assert_int_equal(n.rooms, 0);
    append(&w, 0, 64, 1, NULL);
    reply_body(&w, 0, 64, ST_DENIED);
    world_end(&w);
}

static void who_waits_at_a_door_is_told(void **state)
{
    (void)state;
    struct world w;
    uint8_t token[32] = {9}, mine[32] = {8};
    world_start(&w);
    fixture_room(&w.f, 13, 2);
    arrive(&w, 0, ROOM_MASK_DOORS);
    arrive(&w, 1, 0);
    struct room_door_open open = {
        .req = 70, .expires_ms = w.now.wall_ms + FIXTURE_DAY, .record = bytes_str("record")};
    sha256(BYTES_OF(token), open.door);
    tell(&w, 0, ROOM_DOOR_OPEN, &room_door_open_fields, &open);
    work(&w);
    reply_body(&w, 0, 70, ST_OK);
    join(&w, 3);
    struct room_knock knock = {.req = 71, .blob = bytes_str("knock")};
    memcpy(knock.room, w.f.room, 32);
    memcpy(knock.token, token, 32);
    sha256(BYTES_OF(mine), knock.reply);
    tell(&w, 3, ROOM_KNOCK, &room_knock_fields, &knock);
    work(&w);
    reply_body(&w, 3, 71, ST_OK);
    struct room_knocked k;
    assert_int_equal(fields_decode(&room_knocked_fields, next_frame(&w, 0, ROOM_KNOCKED), &k),
                     ST_OK);
    assert_true(bytes_same(k.blob, bytes_str("knock")));
    assert_memory_equal(k.door, open.door, 32);
    nothing_more(&w, 1);
    struct room_door_poll poll = {.req = 72, .wait = 1};
    memcpy(poll.room, w.f.room, 32);
    memcpy(poll.token, mine, 32);
    tell(&w, 3, ROOM_DOOR_POLL, &room_door_poll_fields, &poll);
    work(&w);
    reply_body(&w, 3, 72, ST_OK);
    w.now.mono_ms += 3600000; /* who waits is not shown out */
    hub_tick(w.hub, w.now);
    work(&w);
    assert_true(w.clients[3].open);
    struct room_door_reply reply = {.req = 73, .outcome = ROOM_ACCEPTED, .blob = bytes_str("in")};
    memcpy(reply.reply, knock.reply, 32);
    tell(&w, 1, ROOM_DOOR_REPLY, &room_door_reply_fields, &reply);
    work(&w);
    reply_body(&w, 1, 73, ST_OK);
    struct room_door_replied r;
    assert_int_equal(
        fields_decode(&room_door_replied_fields, next_frame(&w, 3, ROOM_DOOR_REPLIED), &r), ST_OK);
    assert_int_equal(r.outcome, ROOM_ACCEPTED);
    assert_true(bytes_same(r.blob, bytes_str("in")));
    gone(&w, 3);
    tell(&w, 1, ROOM_DOOR_REPLY, &room_door_reply_fields, &reply);
    work(&w);
    reply_body(&w, 1, 73, ST_OK);
    world_end(&w);
}

static void only_so_many_connections(void **state)
{
    (void)state;
    struct world w;
    struct room_limits limits;
    room_limits_default(&limits);
    limits.connections = 2;
    limits.strangers_minute = 3;
    world_start_with(&w, &limits);
    join(&w, 0);
    join(&w, 1);
    assert_null(hub_join(w.hub, NULL, w.f.who.exporter, w.f.who.spki, w.now));
    for (uint32_t i = 1; i <= 3; i++) {
        TELL(&w, 0, ROOM_PING, room_plain, i);
        reply_body(&w, 0, i, ST_OK);
    }
    TELL(&w, 0, ROOM_PING, room_plain, 4);
    reply_body(&w, 0, 4, ST_BUSY);
    gone(&w, 0);
    join(&w, 0);
    world_end(&w);
}

/* Feed 0 is for ever: one seat cannot fill it in one go, and leaves the other feeds their own. */
static void one_seat_cannot_fill_the_ledger(void **state)
{
    (void)state;
    struct world w;
    uint8_t seat[32] = {1}, other[32] = {2};
    uint64_t taken = 0;
    world_start(&w);
    while (hub_meter(w.hub, seat, 0, ROOM_SEALED_MAX, 1000)) taken += ROOM_SEALED_MAX;
    assert_in_range(taken, 8 * ROOM_SEALED_MAX, w.f.rules.limits.feed_bytes[0] / 4);
    assert_true(hub_meter(w.hub, other, 0, ROOM_SEALED_MAX, 1000));
    assert_true(hub_meter(w.hub, seat, 1, ROOM_SEALED_MAX, 1000));
    assert_true(hub_meter(w.hub, seat, 0, ROOM_SEALED_MAX, 1000 + ROOM_HOUR_MS));
    world_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slow_readers_are_told),
        cmocka_unit_test(one_who_never_reads_is_ended),
        cmocka_unit_test(turns_in_the_ledger),
        cmocka_unit_test(rates_outlive_the_connection),
        cmocka_unit_test(many_requests_pause_the_line),
        cmocka_unit_test(seats_change_before_their_eyes),
        cmocka_unit_test(who_waits_at_a_door_is_told),
        cmocka_unit_test(only_so_many_connections),
        cmocka_unit_test(one_seat_cannot_fill_the_ledger),
    };
    return !!cmocka_run_group_tests(tests, NULL, NULL);
}
