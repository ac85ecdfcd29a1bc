/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto core/feed core/room store */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "hub_fixture.h"

static void replies_only_after_the_commit(void **state)
{
    (void)state;
    struct world w;
    world_start(&w);
    fixture_room(&w.f, 1, 2);
    arrive(&w, 0, 0x0F);
    arrive(&w, 1, 0x0F);
    append(&w, 0, 20, 1, NULL);
    nothing_more(&w, 0);
    nothing_more(&w, 1);
    work(&w);
    struct room_spot s = spot_of(reply_body(&w, 0, 20, ST_OK));
    assert_int_equal(s.index, 0);
    nothing_more(&w, 0); /* the author gets no push */
    struct room_entry e;
    assert_int_equal(fields_decode(&room_entry_fields, next_frame(&w, 1, ROOM_ENTRY), &e), ST_OK);
    assert_int_equal(e.feed, 1);
    assert_int_equal(e.index, 0);
    assert_memory_equal(e.chain, s.chain, 32);
    assert_int_equal(e.sealed.n, 512);
    /* a store that fails: told so, nobody else hears of it, nothing is there */
    w.store_down = true;
    append(&w, 0, 21, 1, NULL);
    work(&w);
    reply_body(&w, 0, 21, ST_NO_SPACE);
    nothing_more(&w, 1);
    w.store_down = false;
    append(&w, 0, 22, 1, NULL);
    work(&w);
    assert_int_equal(spot_of(reply_body(&w, 0, 22, ST_OK)).index, 1);
    world_end(&w);
}

static void strangers_may_little(void **state)
{
    (void)state;
    struct world w;
    world_start(&w);
    fixture_room(&w.f, 2, 2);
    join(&w, 0);
    append(&w, 0, 1, 1, NULL);
    reply_body(&w, 0, 1, ST_DENIED);
    TELL(&w, 0, ROOM_PRESENT, room_plain, 2);
    reply_body(&w, 0, 2, ST_DENIED);
    TELL(&w, 0, ROOM_SIGNAL, room_signal, .req = 3);
    reply_body(&w, 0, 3, ST_DENIED);
    TELL(&w, 0, ROOM_CIRCUIT_OPEN, room_circuit_open, .req = 4);
    reply_body(&w, 0, 4, ST_DENIED);
    TELL(&w, 0, ROOM_PING, room_plain, 5);
    assert_int_equal(reply_body(&w, 0, 5, ST_OK).n, 8);
    TELL(&w, 0, ROOM_SEATS, room_seats, .req = 6);
    work(&w);
    reply_body(&w, 0, 6, ST_DENIED);
    try_attach(&w, 0, 9); /* no seat of this room */
    reply_body(&w, 0, 7, ST_NOT_FOUND);
    hub_frame(w.hub, w.clients[0].conn, ROOM_TRIM, BYTES("\0\0\0\1", 4), w.now);
    work(&w);
    reply_body(&w, 0, 1, ST_VERSION);
    /* silent ones are shown out after a minute */
    w.now.mono_ms += 59000;
    hub_tick(w.hub, w.now);
    work(&w);
    assert_true(w.clients[0].open);
    w.now.mono_ms += 6000;
    hub_tick(w.hub, w.now);
    assert_false(w.clients[0].open);
    gone(&w, 0);
    world_end(&w);
}

static void what_is_no_request_ends_it(void **state)
{
    (void)state;
    struct world w;
    world_start(&w);
    const uint8_t types[] = {0x00, 0x0F, ROOM_REPLY, ROOM_ENTRY, 0x60, 0xFF};
    for (size_t i = 0; i < sizeof types; i++) {
        join(&w, 0);
        hub_frame(w.hub, w.clients[0].conn, types[i], BYTES(page, 40), w.now);
        assert_false(w.clients[0].open);
        gone(&w, 0);
    }
    join(&w, 0);
    hub_frame(w.hub, w.clients[0].conn, ROOM_PING, BYTES(page, 3), w.now); /* no req */
    assert_false(w.clients[0].open);
    gone(&w, 0);
    join(&w, 0);
    hub_frame(w.hub, w.clients[0].conn, ROOM_CIRCUIT_DATA, BYTES(page, 3), w.now);
    assert_false(w.clients[0].open);
    gone(&w, 0);
    struct hub_numbers n;
    hub_numbers(w.hub, &n);
    assert_int_equal(n.connections, 0);
    world_end(&w);
}

static void presence_and_signals(void **state)
{
    (void)state;
    struct world w;
    struct room_presence p;
    struct room_signalled s;
    struct room_seat_set set;
    world_start(&w);
    fixture_room(&w.f, 3, 3);
    arrive(&w, 0, ROOM_MASK_PRESENCE);
    arrive(&w, 1, ROOM_MASK_PRESENCE);
    arrive(&w, 2, 0);
    for (int i = 1; i <= 2; i++) {
        assert_int_equal(fields_decode(&room_presence_fields, next_frame(&w, 0, ROOM_PRESENCE), &p),
                         ST_OK);
        assert_int_equal(p.on, 1);
    }
    next_frame(&w, 1, ROOM_PRESENCE);
    nothing_more(&w, 2);
    TELL(&w, 2, ROOM_PRESENT, room_plain, 30);
    assert_int_equal(fields_decode(&room_seat_set_fields, reply_body(&w, 2, 30, ST_OK), &set),
                     ST_OK);
    assert_int_equal(set.seats.n, 3);
    /* to all, to one, to one who is not here */
    TELL(&w, 2, ROOM_SIGNAL, room_signal, .req = 31, .payload = BYTES(page, 9));
    reply_body(&w, 2, 31, ST_OK);
    assert_int_equal(fields_decode(&room_signalled_fields, next_frame(&w, 0, ROOM_SIGNALLED), &s),
                     ST_OK);
    next_frame(&w, 1, ROOM_SIGNALLED);
    nothing_more(&w, 2);
    struct room_signal m = {.req = 32, .payload = BYTES(page, 9)};
    seat_key(1, m.to);
    tell(&w, 2, ROOM_SIGNAL, &room_signal_fields, &m);
    reply_body(&w, 2, 32, ST_OK);
    next_frame(&w, 1, ROOM_SIGNALLED);
    nothing_more(&w, 0);
    seat_key(9, m.to);
    tell(&w, 2, ROOM_SIGNAL, &room_signal_fields, &m);
    reply_body(&w, 2, 32, ST_NOT_FOUND);
    gone(&w, 2);
    assert_int_equal(fields_decode(&room_presence_fields, next_frame(&w, 0, ROOM_PRESENCE), &p),
                     ST_OK);
    assert_int_equal(p.on, 0);
    world_end(&w);
}

static void the_newer_connection_wins(void **state)
{
    (void)state;
    struct world w;
    world_start(&w);
    fixture_room(&w.f, 4, 2);
    arrive(&w, 1, ROOM_MASK_PRESENCE);
    arrive(&w, 0, 0);
    next_frame(&w, 1, ROOM_PRESENCE);
    join(&w, 5);
    try_attach(&w, 5, 0);
    reply_body(&w, 5, 7, ST_OK);
    assert_false(w.clients[0].open);
    gone(&w, 0);
    struct room_presence p;
    assert_int_equal(fields_decode(&room_presence_fields, next_frame(&w, 1, ROOM_PRESENCE), &p),
                     ST_OK);
    assert_int_equal(p.on, 1);
    nothing_more(&w, 1); /* it never was away */
    try_attach(&w, 5, 0);
    reply_body(&w, 5, 7, ST_PROTOCOL); /* once a connection */
    struct hub_numbers n;
    hub_numbers(w.hub, &n);
    assert_int_equal(n.attached, 2);
    assert_int_equal(n.rooms, 1);
    world_end(&w);
}

static void circuits_carry_bytes_and_credit(void **state)
{
    (void)state;
    struct world w;
    uint32_t there, third;
    static uint8_t chunk[ROOM_CIRCUIT_CHUNK];
    world_start(&w);
    fixture_room(&w.f, 5, 3);
    for (int i = 0; i < 3; i++) arrive(&w, i, 0);
    uint32_t other = open_circuit(&w, 2, 1, &third); /* so that ids differ */
    uint32_t here = open_circuit(&w, 0, 1, &there);
    assert_int_not_equal(third, there);
    TELL(&w, 0, ROOM_CIRCUIT_DATA, room_circuit_data, here, bytes_str("hello"));
    struct room_circuit_data d;
    assert_int_equal(
        fields_decode(&room_circuit_data_fields, next_frame(&w, 1, ROOM_CIRCUIT_DATA), &d), ST_OK);
    assert_int_equal(d.id, there);
    assert_true(bytes_same(d.bytes, bytes_str("hello")));
    TELL(&w, 1, ROOM_CIRCUIT_DATA, room_circuit_data, there, bytes_str("hi"));
    next_frame(&w, 0, ROOM_CIRCUIT_DATA);
    TELL(&w, 1, ROOM_CIRCUIT_CREDIT, room_circuit_credit, there, 5);
    struct room_circuit_credit credit;
    assert_int_equal(
        fields_decode(&room_circuit_credit_fields, next_frame(&w, 0, ROOM_CIRCUIT_CREDIT), &credit),
        ST_OK);
    assert_int_equal(credit.id, here);
    assert_int_equal(credit.bytes, 5);
    for (int i = 0; i < 4; i++)
        TELL(&w, 0, ROOM_CIRCUIT_DATA, room_circuit_data, here, BYTES_OF(chunk));
    for (int i = 0; i < 4; i++) next_frame(&w, 1, ROOM_CIRCUIT_DATA);
    TELL(&w, 0, ROOM_CIRCUIT_DATA, room_circuit_data, here, bytes_str("x")); /* over the credit */
    assert_int_equal(closing(&w, 0).reason, ROOM_CIRCUIT_OVERRUN);
    assert_int_equal(closing(&w, 1).reason, ROOM_CIRCUIT_OVERRUN);
    TELL(&w, 0, ROOM_CIRCUIT_DATA, room_circuit_data, here, bytes_str("x")); /* dead: silence */
    nothing_more(&w, 1);
    TELL(&w, 1, ROOM_CIRCUIT_CLOSE, room_circuit_close, third, ROOM_CIRCUIT_REFUSED);
    struct room_circuit_close c = closing(&w, 2);
    assert_int_equal(c.id, other);
    assert_int_equal(c.reason, ROOM_CIRCUIT_REFUSED);
    open_circuit(&w, 0, 1, &there);
    gone(&w, 0);
    assert_int_equal(closing(&w, 1).reason, ROOM_CIRCUIT_GONE);
    struct hub_numbers n;
    hub_numbers(w.hub, &n);
    assert_int_equal(n.circuits, 0);
    world_end(&w);
}

static void circuits_are_counted(void **state)
{
    (void)state;
    struct world w;
    struct room_limits limits;
    uint32_t there;
    room_limits_default(&limits);
    limits.circuits = 2;
    world_start_with(&w, &limits);
    fixture_room(&w.f, 6, 2);
    arrive(&w, 0, 0);
    arrive(&w, 1, 0);
    open_circuit(&w, 0, 1, &there);
    open_circuit(&w, 1, 0, &there);
    struct room_circuit_open m = {.req = 41};
    seat_key(1, m.to);
    tell(&w, 0, ROOM_CIRCUIT_OPEN, &room_circuit_open_fields, &m);
    reply_body(&w, 0, 41, ST_QUOTA);
    seat_key(0, m.to); /* not to itself */
    tell(&w, 0, ROOM_CIRCUIT_OPEN, &room_circuit_open_fields, &m);
    reply_body(&w, 0, 41, ST_NOT_FOUND);
    hub_drain(w.hub);
    assert_int_equal(closing(&w, 0).reason, ROOM_CIRCUIT_SHUTDOWN);
    assert_int_equal(closing(&w, 0).reason, ROOM_CIRCUIT_SHUTDOWN);
    append(&w, 0, 42, 1, NULL);
    reply_body(&w, 0, 42, ST_BUSY);
    assert_null(hub_join(w.hub, NULL, w.f.who.exporter, w.f.who.spki, w.now));
    world_end(&w);
}

static int by_bytes(const void *a, const void *b)
{
    return memcmp(a, b, 32);
}

/* Client i brings a list of seats 0 .. n - 1, signed by all of them. */
static void tell_rehome(struct world *w, int i, uint64_t version, unsigned n)
{
    uint8_t seats[4 * 32], sigs[4 * ROOM_SIG_ITEM], seats_hash[32], spkis_hash[32], seed[32];
    struct room_rehome m = {.req = 50,
                            .version = version,
                            .seats = {seats, n},
                            .spkis = {w->f.who.spki, 1},
                            .sigs = {sigs, n}};
    memcpy(m.room, w->f.room, 32);
    for (unsigned k = 0; k < n; k++) seat_key(k, seats + k * 32);
    qsort(seats, n, 32, by_bytes);
    room_list_hash(m.seats, seats_hash);
    room_list_hash(m.spkis, spkis_hash);
    for (unsigned k = 0; k < n; k++) {
        seat_seed(k, seed);
        seat_key(k, sigs + k * ROOM_SIG_ITEM);
        room_sign_rehome(seed, m.room, version, seats_hash, spkis_hash,
                         sigs + k * ROOM_SIG_ITEM + 32);
    }
    tell(w, i, ROOM_REHOME, &room_rehome_fields, &m);
    work(w);
}

static void a_room_built_again_shows_out_who_was_in_it(void **state)
{
    (void)state;
    struct world w;
    struct room_seats_changed s;
    struct hub_numbers n;
    world_start(&w);
    memset(w.f.room, 7, 32);
    join(&w, 5); /* a stranger may, where the room is not */
    tell_rehome(&w, 5, 4, 3);
    assert_int_equal(get_u64(reply_body(&w, 5, 50, ST_OK).p), 4);
    for (int i = 0; i < 3; i++) arrive(&w, i, 0x0F);
    append(&w, 0, 20, 1, NULL);
    work(&w);
    reply_body(&w, 0, 20, ST_OK);
    next_frame(&w, 1, ROOM_ENTRY);
    next_frame(&w, 2, ROOM_ENTRY);
    tell_rehome(&w, 5, 4, 3);
    assert_int_equal(get_u64(reply_body(&w, 5, 50, ST_EXISTS).p), 4);
    tell_rehome(&w, 0, 5, 2); /* one that is attached may not */
    reply_body(&w, 0, 50, ST_PROTOCOL);
    tell_rehome(&w, 5, 5, 2);
    assert_int_equal(get_u64(reply_body(&w, 5, 50, ST_OK).p), 5);
    nothing_more(&w, 5);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(
            fields_decode(&room_seats_changed_fields, next_frame(&w, i, ROOM_SEATS_CHANGED), &s),
            ST_OK);
        assert_int_equal(s.version, 5);
        assert_int_equal(s.kind, ROOM_RECORD_REHOME);
        nothing_more(&w, i);
        assert_false(w.clients[i].open);
        gone(&w, i);
    }
    hub_numbers(w.hub, &n);
    assert_int_equal(n.attached, 0);
    assert_int_equal(n.rooms, 0);
    assert_int_equal(n.connections, 1);
    try_attach(&w, 5, 0); /* the same connection goes on as a member's */
    struct room_attached a;
    assert_int_equal(fields_decode(&room_attached_fields, reply_body(&w, 5, 7, ST_OK), &a), ST_OK);
    assert_int_equal(a.version, 5);
    assert_int_equal(room_head_at(a.heads, 1).count, 0);
    join(&w, 2);
    try_attach(&w, 2, 2);
    reply_body(&w, 2, 7, ST_NOT_FOUND);
    world_end(&w);
}

/* It counts as a stranger's request, of which there are few. */
static void rehome_is_rated(void **state)
{
    (void)state;
    struct world w;
    struct room_limits limits;
    room_limits_default(&limits);
    limits.strangers_minute = 3;
    world_start_with(&w, &limits);
    memset(w.f.room, 8, 32);
    join(&w, 0);
    tell_rehome(&w, 0, 4, 3);
    reply_body(&w, 0, 50, ST_OK);
    for (int i = 0; i < 2; i++) {
        tell_rehome(&w, 0, 4, 3);
        reply_body(&w, 0, 50, ST_EXISTS);
    }
    tell_rehome(&w, 0, 4, 3);
    reply_body(&w, 0, 50, ST_BUSY);
    world_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replies_only_after_the_commit),
        cmocka_unit_test(strangers_may_little),
        cmocka_unit_test(what_is_no_request_ends_it),
        cmocka_unit_test(presence_and_signals),
        cmocka_unit_test(the_newer_connection_wins),
        cmocka_unit_test(circuits_carry_bytes_and_credit),
        cmocka_unit_test(circuits_are_counted),
        cmocka_unit_test(a_room_built_again_shows_out_who_was_in_it),
        cmocka_unit_test(rehome_is_rated),
    };
    return !!cmocka_run_group_tests(tests, NULL, NULL);
}
