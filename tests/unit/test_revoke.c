/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto core/feed core/door */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#include "core/door/knock.h"
#include "core/door/revoke.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "unit/fields_mutate.h"

#include <string.h>

static const uint8_t recovery[32] = {1}, room[32] = {2}, other_room[32] = {3}, log_key[32] = {4},
                     nonce[XAEAD_NONCE] = {5}, coins[KEM_COINS] = {6}, seat[32] = {7};

static int start(void **state)
{
    (void)state;
    return crypto_start() == ST_OK ? 0 : -1;
}

static void from_words_to_the_members(void **state)
{
    (void)state;
    uint8_t key[32], seed[KEM_SEED], record[REVOKE_RECORD], pk[KEM_PUBLIC], got[2][32];
    static uint8_t blob[REVOKE_BLOB];
    struct revoke_door d;
    revoke_key(recovery, room, key);
    revoke_door_of(key, &d);
    revoke_door_seed(log_key, d.door, seed);
    revoke_record_seal(&d, seed, nonce, record);
    /* elsewhere, with the words only */
    assert_int_equal(revoke_record_open(&d, BYTES_OF(record), pk), ST_OK);
    assert_int_equal(revoke_blob_seal(pk, seat, key, coins, blob), ST_OK);
    /* any member, who knows the door and log_key[0] */
    assert_int_equal(revoke_blob_open(seed, BYTES_OF(blob), got[0], got[1]), ST_OK);
    assert_memory_equal(got[0], seat, 32);
    assert_memory_equal(got[1], key, 32);
    assert_int_equal(sizeof blob, KNOCK_BLOB); /* the sentinel sees a knock like any */
}

static void each_room_has_its_own(void **state)
{
    (void)state;
    uint8_t a[32], b[32], seed[KEM_SEED], record[REVOKE_RECORD], pk[KEM_PUBLIC];
    struct revoke_door da, db;
    revoke_key(recovery, room, a);
    revoke_key(recovery, other_room, b);
    assert_memory_not_equal(a, b, 32);
    revoke_door_of(a, &da);
    revoke_door_of(b, &db);
    assert_memory_not_equal(da.door, db.door, 32);
    assert_memory_not_equal(da.token, da.door, 32);
    revoke_door_seed(log_key, da.door, seed);
    revoke_record_seal(&da, seed, nonce, record);
    assert_int_equal(revoke_record_open(&db, BYTES_OF(record), pk), ST_BAD_SEAL);
}

/* The sentinel may change what lies with it: it is noticed, at every byte. */
static void a_changed_byte_is_noticed(void **state)
{
    (void)state;
    uint8_t key[32], seed[KEM_SEED], record[REVOKE_RECORD], pk[KEM_PUBLIC], got[2][32];
    static uint8_t blob[REVOKE_BLOB];
    struct revoke_door d;
    revoke_key(recovery, room, key);
    revoke_door_of(key, &d);
    revoke_door_seed(log_key, d.door, seed);
    revoke_record_seal(&d, seed, nonce, record);
    assert_int_equal(revoke_record_open(&d, BYTES_OF(record), pk), ST_OK);
    assert_int_equal(revoke_blob_seal(pk, seat, key, coins, blob), ST_OK);
    for (size_t i = 0; i < sizeof record; i += 7) {
        record[i] ^= 0x10;
        assert_int_not_equal(revoke_record_open(&d, BYTES_OF(record), pk), ST_OK);
        record[i] ^= 0x10;
    }
    for (size_t i = 0; i < sizeof blob; i += 97) {
        blob[i] ^= 0x10;
        assert_int_not_equal(revoke_blob_open(seed, BYTES_OF(blob), got[0], got[1]), ST_OK);
        blob[i] ^= 0x10;
    }
    assert_int_equal(revoke_blob_open(seed, BYTES(blob, sizeof blob - 1), got[0], got[1]),
                     ST_BAD_MESSAGE);
    assert_int_equal(revoke_record_open(&d, BYTES(record, sizeof record - 1), pk), ST_BAD_MESSAGE);
}

static void the_kit(void **state)
{
    (void)state;
    uint8_t sentinels[] = {1, 3, 'h', ':', '1', [5] = 9, [36] = 9};
    struct revoke_item item = {.name = BYTES_LIT("circle"),
                               .proxied = 1,
                               .sentinels = BYTES_OF(sentinels)},
                       got;
    struct buf items = BUF_INIT, kit = BUF_INIT, plain = BUF_INIT;
    static const uint8_t others_words[32] = {8};
    memcpy(item.room, room, 32);
    memcpy(item.seat, seat, 32);
    fields_mutate(&revoke_item_fields, &item);
    assert_int_equal(fields_encode(&revoke_item_fields, &item, &items), ST_OK);
    revoke_kit_seal(recovery, nonce, buf_view(&items), &kit);
    assert_int_equal(buf_status(&kit), ST_OK);
    for (size_t i = 0; i + 6 <= kit.n; i++) assert_memory_not_equal(kit.p + i, "circle", 6);
    assert_int_equal(revoke_kit_open(others_words, buf_view(&kit), &plain), ST_BAD_SEAL);
    assert_int_equal(revoke_kit_open(recovery, BYTES(kit.p, 7), &plain), ST_BAD_MESSAGE);
    for (size_t i = 0; i < kit.n; i++) {
        kit.p[i] ^= 1;
        assert_int_not_equal(revoke_kit_open(recovery, buf_view(&kit), &plain), ST_OK);
        kit.p[i] ^= 1;
    }
    buf_clear(&plain);
    assert_int_equal(revoke_kit_open(recovery, buf_view(&kit), &plain), ST_OK);
    struct cursor c = cursor_of(buf_view(&plain));
    assert_int_equal(fields_read(&revoke_item_fields, &c, &got), ST_OK);
    assert_int_equal(c.left, 0);
    assert_memory_equal(got.room, room, 32);
    assert_true(bytes_same(got.name, BYTES_LIT("circle")));
    buf_free(&items);
    buf_free(&kit);
    buf_free(&plain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(from_words_to_the_members),
        cmocka_unit_test(each_room_has_its_own),
        cmocka_unit_test(a_changed_byte_is_noticed),
        cmocka_unit_test(the_kit),
    };
    return !!cmocka_run_group_tests(tests, start, NULL);
}
