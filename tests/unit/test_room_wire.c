/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto core/feed core/room */
#include "core/feed/chain.h"
#include "core/room/room_wire.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "crypto/sign.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fields_mutate.h"
#include "vectors/vectors.h"

static const uint8_t some[4096] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
#define VIEW(n) BYTES(some, n)
#define ITEMS(count) ((struct list){some, (count)})

static void seats_messages(void **state)
{
    (void)state;
    fields_mutate(&room_create_fields, &(struct room_create){.req = 1, .token = VIEW(5)});
    fields_mutate(&room_attach_fields, &(struct room_attach){.req = 2, .seat = {7}});
    fields_mutate(&room_attached_fields,
                  &(struct room_attached){.time_ms = 5, .version = 2, .heads = ITEMS(4)});
    fields_mutate(&room_add_seat_fields, &(struct room_add_seat){.req = 3, .sigs = ITEMS(3)});
    fields_mutate(&room_version_fields, &(struct room_version){9});
    fields_mutate(&room_drop_seat_fields, &(struct room_drop_seat){.req = 4, .sig = {1}});
    fields_mutate(&room_drop_voted_fields,
                  &(struct room_drop_voted){.req = 5, .index = 7, .sigs = ITEMS(2)});
    fields_mutate(&room_seat_vote_fields, &(struct room_seat_vote){.req = 6, .index = 8});
    fields_mutate(&room_seats_fields, &(struct room_seats){.req = 7, .from = 1});
    fields_mutate(&room_seat_list_fields,
                  &(struct room_seat_list){.version = 3, .seats = ITEMS(2), .records = VIEW(40)});
    fields_mutate(
        &room_record_fields,
        &(struct room_record){.version = 1, .kind = 2, .proof = VIEW(32), .sigs = ITEMS(2)});
    fields_mutate(&room_rehome_fields, &(struct room_rehome){.req = 8,
                                                             .version = 9,
                                                             .seats = ITEMS(3),
                                                             .used = ITEMS(2),
                                                             .spkis = ITEMS(1),
                                                             .sigs = ITEMS(2)});
    fields_mutate(&room_plain_fields, &(struct room_plain){8});
    fields_mutate(&room_time_fields, &(struct room_time){8});
    fields_mutate(&room_seat_set_fields, &(struct room_seat_set){ITEMS(3)});
}

static void feed_messages(void **state)
{
    (void)state;
    fields_mutate(&room_append_fields, &(struct room_append){.req = 9, .sealed = VIEW(512)});
    fields_mutate(&room_spot_fields, &(struct room_spot){.index = 4});
    fields_mutate(&room_read_fields, &(struct room_read){.req = 1, .from = 5, .max = 6});
    fields_mutate(&room_reading_fields,
                  &(struct room_reading){.first = 1, .count = 2, .entries = VIEW(20)});
    fields_mutate(&room_item_fields, &(struct room_item){VIEW(600)});
    fields_mutate(&room_subscribe_fields, &(struct room_subscribe){.req = 1, .mask = 0x3F});
    fields_mutate(&room_entry_fields, &(struct room_entry){.feed = 1, .sealed = VIEW(512)});
    fields_mutate(&room_lagged_fields, &(struct room_lagged){3});
    fields_mutate(&room_seats_changed_fields, &(struct room_seats_changed){.version = 3});
    fields_mutate(&room_signal_fields, &(struct room_signal){.req = 1, .payload = VIEW(30)});
    fields_mutate(&room_signalled_fields, &(struct room_signalled){.payload = VIEW(30)});
    fields_mutate(&room_presence_fields, &(struct room_presence){.on = 1});
    fields_mutate(&room_reply_fields, &(struct room_reply){.req = 1, .result = 3, .body = VIEW(9)});
}

static void door_messages(void **state)
{
    (void)state;
    fields_mutate(&room_door_open_fields, &(struct room_door_open){.req = 1, .record = VIEW(100)});
    fields_mutate(&room_door_close_fields, &(struct room_door_close){.req = 1});
    fields_mutate(&room_door_read_fields, &(struct room_door_read){.req = 1});
    fields_mutate(&room_door_fields, &(struct room_door){.time_ms = 1, .record = VIEW(70)});
    fields_mutate(&room_knock_fields, &(struct room_knock){.req = 1, .blob = VIEW(700)});
    fields_mutate(&room_door_knocks_fields, &(struct room_door_knocks){.req = 1});
    fields_mutate(&room_knock_list_fields, &(struct room_knock_list){.knocks = VIEW(33)});
    fields_mutate(&room_knocked_fields, &(struct room_knocked){.number = 1, .blob = VIEW(80)});
    fields_mutate(&room_door_reply_fields,
                  &(struct room_door_reply){.req = 1, .outcome = 2, .blob = VIEW(90)});
    fields_mutate(&room_door_poll_fields, &(struct room_door_poll){.req = 1, .wait = 1});
    fields_mutate(&room_replies_fields, &(struct room_replies){.outcome = 1, .blobs = VIEW(9)});
    fields_mutate(&room_reply_blob_fields, &(struct room_reply_blob){VIEW(99)});
    fields_mutate(&room_door_replied_fields, &(struct room_door_replied){.blob = VIEW(77)});
}

static void circuit_messages(void **state)
{
    (void)state;
    fields_mutate(&room_circuit_open_fields, &(struct room_circuit_open){.req = 1});
    fields_mutate(&room_circuit_fields, &(struct room_circuit){1});
    fields_mutate(&room_circuit_offer_fields, &(struct room_circuit_offer){.id = 1});
    fields_mutate(&room_circuit_data_fields, &(struct room_circuit_data){1, VIEW(50)});
    fields_mutate(&room_circuit_credit_fields, &(struct room_circuit_credit){1, 2});
    fields_mutate(&room_circuit_close_fields, &(struct room_circuit_close){1, 2});
}

static void largest_frames_fit(void **state)
{
    (void)state;
    uint8_t *big = calloc(1, LINK_FRAME_MAX);
    struct room_append a = {.sealed = BYTES(big, ROOM_SEALED_MAX)};
    struct room_reply r = {.body = BYTES(big, ROOM_BODY_MAX)};
    assert_non_null(big);
    assert_true(fields_size(&room_append_fields, &a) <= LINK_FRAME_MAX - 5);
    assert_int_equal(fields_size(&room_reply_fields, &r), LINK_FRAME_MAX - 5);
    struct room_rehome all = {.seats = {big, ROOM_SEATS_MAX},
                              .used = {big, ROOM_USED_MAX},
                              .spkis = {big, ROOM_SPKIS_MAX},
                              .sigs = {big, ROOM_SEATS_MAX}};
    assert_true(fields_size(&room_rehome_fields, &all) <= LINK_FRAME_MAX - 5);
    struct room_record rec = {.proof = BYTES(big, 64), .sigs = {big, ROOM_SEATS_MAX}};
    assert_true(fields_size(&room_record_fields, &rec) <= ROOM_RECORD_MAX);
    free(big);
}

static void results_are_stable(void **state)
{
    (void)state;
    /* Numbers on the wire: a change here breaks every client. */
    assert_int_equal(ROOM_RESULT_OK, 0);
    assert_int_equal(ROOM_RESULT_CONFLICT, 10);
    assert_int_equal(ROOM_RESULT_BUG, 15);
    for (unsigned i = 0; i <= ROOM_RESULT_BUG; i++)
        assert_int_equal(room_result_of(room_status_of((uint8_t)i)), i);
    assert_int_equal(room_status_of(200), ST_PROTOCOL);
    assert_int_equal(room_result_of(ST_PENDING), ROOM_RESULT_IO);
}

static void seats_sign_as_the_vectors(void **state)
{
    (void)state;
    struct vectors v;
    size_t seen = 0;
    uint8_t sig[64];
    VECTORS_OR_SKIP(&v, VECTORS_OWN "/protocol-own/ids.txt");
    while (vectors_next(&v)) {
        const char *which = vectors_text(&v, "case");
        if (strncmp(which, "seat_", 5) != 0) continue;
        const uint8_t *seed = vectors_bytes(&v, "seat_seed").p;
        const uint8_t *seat = vectors_bytes(&v, "seat").p;
        const uint8_t *room = vectors_bytes(&v, "room_id").p;
        const uint8_t *want = vectors_bytes(&v, "sig").p;
        if (strcmp(which, "seat_attach") == 0) {
            const uint8_t *exporter = vectors_bytes(&v, "exporter").p;
            const uint8_t *spki = vectors_bytes(&v, "spki_sha256").p;
            room_sign_attach(seed, room, exporter, spki, sig);
            assert_int_equal(room_verify_attach(seat, room, exporter, spki, want), ST_OK);
            assert_int_equal(room_verify_attach(seat, room, spki, exporter, want),
                             ST_BAD_SIGNATURE);
        } else if (strcmp(which, "seat_add") == 0) {
            const uint8_t *added = vectors_bytes(&v, "seat_added").p;
            const uint8_t *proposal = vectors_bytes(&v, "proposal_hash").p;
            room_sign_add(seed, room, added, proposal, sig);
            assert_int_equal(room_verify_add(seat, room, added, proposal, want), ST_OK);
            assert_int_equal(room_verify_drop(seat, room, added, want), ST_BAD_SIGNATURE);
        } else if (strcmp(which, "seat_drop") == 0) {
            const uint8_t *dropped = vectors_bytes(&v, "seat_dropped").p;
            room_sign_drop(seed, room, dropped, sig);
            assert_int_equal(room_verify_drop(seat, room, dropped, want), ST_OK);
        } else {
            continue;
        }
        assert_memory_equal(sig, want, 64);
        seen++;
    }
    vectors_close(&v);
    assert_true(seen >= 4);
}

static void create_is_bound_to_all(void **state)
{
    (void)state;
    uint8_t seed[32] = {1}, seat[32], room[32] = {2}, exporter[32] = {3}, spki[32] = {4}, sig[64];
    sign_public(seed, seat);
    room_sign_create(seed, room, seat, exporter, spki, sig);
    assert_int_equal(room_verify_create(seat, room, exporter, spki, sig), ST_OK);
    room[0]++;
    assert_int_equal(room_verify_create(seat, room, exporter, spki, sig), ST_BAD_SIGNATURE);
    room[0]--;
    spki[0]++;
    assert_int_equal(room_verify_create(seat, room, exporter, spki, sig), ST_BAD_SIGNATURE);
}

/* The bytes that docs/spec/room.md names, put together here by hand. */
static void rehome_signs_lists_by_their_hashes(void **state)
{
    (void)state;
    uint8_t seed[32] = {1}, seat[32], room[32] = {2}, seats[32], spkis[32], sig[64], want[64];
    uint8_t text[19 + 1 + 32 + 8 + 64] = "ENCLAVE-SEAT rehome";
    sign_public(seed, seat);
    room_list_hash((struct list){some, 3}, seats);
    room_list_hash((struct list){some, 0}, spkis);
    memcpy(text + 20, room, 32);
    put_u64(text + 52, 7);
    sha256(BYTES(some, 96), text + 60);
    sha256(BYTES_NONE, text + 92);
    sign_message(seed, BYTES(text, 124), want);
    room_sign_rehome(seed, room, 7, seats, spkis, sig);
    assert_memory_equal(sig, want, 64);
    assert_int_equal(room_verify_rehome(seat, room, 7, seats, spkis, sig), ST_OK);
    assert_int_equal(room_verify_rehome(seat, room, 8, seats, spkis, sig), ST_BAD_SIGNATURE);
    assert_int_equal(room_verify_rehome(seat, room, 7, spkis, seats, sig), ST_BAD_SIGNATURE);
    room[0]++;
    assert_int_equal(room_verify_rehome(seat, room, 7, seats, spkis, sig), ST_BAD_SIGNATURE);
}

static int start(void **state)
{
    (void)state;
    return crypto_start() != ST_OK;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(seats_messages),
        cmocka_unit_test(feed_messages),
        cmocka_unit_test(door_messages),
        cmocka_unit_test(circuit_messages),
        cmocka_unit_test(largest_frames_fit),
        cmocka_unit_test(results_are_stable),
        cmocka_unit_test(create_is_bound_to_all),
        cmocka_unit_test(seats_sign_as_the_vectors),
        cmocka_unit_test(rehome_signs_lists_by_their_hashes),
    };
    return !!cmocka_run_group_tests(tests, start, NULL);
}
