/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto core/feed */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#include "core/feed/chain.h"
#include "core/feed/entry0.h"
#include "core/feed/entry23.h"
#include "core/feed/pad.h"
#include "core/feed/squeeze.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "crypto/sign.h"
#include "unit/fields_mutate.h"
#include "vectors/vectors.h"

#define OWN VECTORS_OWN "/protocol-own/"

static int start(void **state)
{
    (void)state;
    return crypto_start() == ST_OK ? 0 : -1;
}

static void classes_are_as_designed(void **state)
{
    (void)state;
    assert_int_equal(pad_class(0), 512);
    assert_int_equal(pad_class(512), 512);
    assert_int_equal(pad_class(513), 2048); /* there is no class of 1 KiB */
    assert_int_equal(pad_class(2049), 4096);
    assert_int_equal(pad_class(PAD_MAX), PAD_MAX);
    assert_int_equal(pad_class(PAD_MAX + 1), 0);
    assert_true(pad_is_class(512));
    assert_false(pad_is_class(0));
    assert_false(pad_is_class(1024));
    assert_false(pad_is_class(PAD_MAX * 2));
}

/* A frame of one run of bytes that says it holds `says` bytes and holds `size`. */
static struct bytes frame(uint8_t room[24], uint32_t says, uint32_t size)
{
    const uint8_t head[] = {0x28, 0xB5, 0x2F, 0xFD, 0xA0}; /* size in 4 bytes, one segment */
    memcpy(room, head, 5);
    for (unsigned i = 0; i < 4; i++) room[5 + i] = (uint8_t)(says >> 8 * i);
    uint32_t block = size << 3 | 3;
    for (unsigned i = 0; i < 3; i++) room[9 + i] = (uint8_t)(block >> 8 * i);
    room[12] = 'a';
    return BYTES(room, 13);
}

static void packed_only_where_it_saves_a_class(void **state)
{
    (void)state;
    struct buf out = BUF_INIT, back = BUF_INIT;
    uint8_t text[6000], room[24];
    memset(text, 'a', sizeof text);
    assert_false(squeeze_pack(235, BYTES(text, 5), &out));
    assert_false(squeeze_pack(235, BYTES(text, 277), &out));
    assert_int_equal(out.n, 0);
    assert_true(squeeze_pack(235, BYTES(text, 278), &out));
    assert_int_equal(squeeze_open(235, buf_view(&out), 278, &back), ST_OK);
    assert_true(bytes_same(buf_view(&back), BYTES(text, 278)));
    buf_clear(&back);
    /* One byte more than may be; an overhead with which it saves nothing. */
    assert_int_equal(squeeze_open(235, buf_view(&out), 277, &back), ST_BAD_MESSAGE);
    assert_int_equal(squeeze_open(1, buf_view(&out), 278, &back), ST_BAD_MESSAGE);
    /* What cannot be packed stays as it is. */
    for (size_t i = 0; i < sizeof text; i += 32) sha256(BYTES(text, 100 + i / 2), text + i % 5984);
    buf_clear(&out);
    assert_false(squeeze_pack(235, BYTES(text, 2000), &out));
    assert_int_equal(out.n, 0);
    /* Frames that lie about their size, bombs, and what follows a frame. */
    assert_int_equal(squeeze_open(235, frame(room, 3000, 3000), 524064, &back), ST_OK);
    buf_clear(&back);
    assert_int_equal(squeeze_open(235, frame(room, 3000, 3001), 524064, &back), ST_BAD_MESSAGE);
    assert_int_equal(squeeze_open(235, frame(room, 3000, 2999), 524064, &back), ST_BAD_MESSAGE);
    /* Nothing is wrong with it but that it gives so much for so little. */
    assert_int_equal(squeeze_open(235, frame(room, 100000, 100000), 524064, &back), ST_BAD_MESSAGE);
    assert_int_equal(squeeze_open(235, frame(room, 3000, 131072), 524064, &back), ST_BAD_MESSAGE);
    assert_int_equal(squeeze_open(235, frame(room, 0xFFFFFFF0, 131072), 524064, &back),
                     ST_BAD_MESSAGE);
    struct bytes f = frame(room, 3000, 3000);
    assert_int_equal(squeeze_open(235, BYTES(f.p, f.n + 1), 524064, &back), ST_BAD_MESSAGE);
    for (size_t n = 0; n < f.n; n++)
        assert_int_equal(squeeze_open(235, BYTES(f.p, n), 524064, &back), ST_BAD_MESSAGE);
    assert_int_equal(back.n, 0);
    buf_free(&out);
    buf_free(&back);
}

static void packed_as_in_vectors(void **state)
{
    (void)state;
    struct vectors v;
    struct buf back = BUF_INIT;
    size_t seen = 0;
    VECTORS_OR_SKIP(&v, OWN "squeeze.txt");
    while (vectors_next(&v)) {
        assert_int_equal(squeeze_open(vectors_u64(&v, "overhead"), vectors_bytes(&v, "packed"),
                                      vectors_u64(&v, "most"), &back),
                         ST_OK);
        assert_int_equal(back.n, vectors_u64(&v, "size"));
        for (size_t i = 0; i < back.n; i++)
            assert_int_equal(back.p[i], vectors_bytes(&v, "byte").p[0]);
        buf_clear(&back);
        seen++;
    }
    assert_int_equal(seen, 1);
    buf_free(&back);
    vectors_close(&v);
}

static void chains_as_in_vectors(void **state)
{
    (void)state;
    struct vectors v;
    uint8_t chain[32];
    size_t seen = 0;
    VECTORS_OR_SKIP(&v, OWN "ids.txt");
    while (vectors_next(&v)) {
        if (vectors_is(&v, "case", "chain_start")) {
            const char *keys[] = {"chain_feed0", "chain_feed1", "chain_feed2", "chain_feed3"};
            for (uint8_t feed = 0; feed < FEEDS; feed++) {
                chain_start(vectors_fixed(&v, "room_id", 32), feed, chain);
                vectors_expect(&v, keys[feed], BYTES_OF(chain));
            }
            seen++;
        }
        if (vectors_is(&v, "case", "chain")) {
            chain_step(vectors_fixed(&v, "chain_-1", 32), vectors_bytes(&v, "sealed_0"), chain);
            vectors_expect(&v, "chain_0", BYTES_OF(chain));
            chain_step(chain, vectors_bytes(&v, "sealed_1"), chain);
            vectors_expect(&v, "chain_1", BYTES_OF(chain));
            seen++;
        }
    }
    vectors_close(&v);
    assert_int_equal(seen, 2);
}

static struct entry0 entry0_of(struct vectors *v)
{
    struct entry0 e = {.index = vectors_u64(v, "index"),
                       .epoch = vectors_u64(v, "epoch"),
                       .rules = (uint16_t)vectors_u64(v, "rules"),
                       .type = (uint8_t)vectors_u64(v, "type"),
                       .flags = (uint8_t)vectors_u64(v, "flags"),
                       .time_ms = vectors_u64(v, "time_ms"),
                       .body = vectors_bytes(v, "body")};
    struct seen seen[3] = {{.count = vectors_u64(v, "seen1_count")},
                           {.count = vectors_u64(v, "seen2_count")},
                           {.count = vectors_u64(v, "seen3_count")}};
    memcpy(seen[0].chain, vectors_fixed(v, "seen1_chain", 32), 32);
    memcpy(seen[1].chain, vectors_fixed(v, "seen2_chain", 32), 32);
    memcpy(seen[2].chain, vectors_fixed(v, "seen3_chain", 32), 32);
    entry0_set_seen(&e, seen);
    memcpy(e.prev_chain, vectors_fixed(v, "prev_chain", 32), 32);
    memcpy(e.actor, vectors_fixed(v, "actor_id", 32), 32);
    for (uint8_t feed = 1; feed <= 3; feed++) {
        struct seen back = entry0_seen(&e, feed);
        assert_true(seen_same(&back, &seen[feed - 1]));
    }
    return e;
}

static void ledger_entries_as_in_vectors(void **state)
{
    (void)state;
    struct vectors v;
    VECTORS_OR_SKIP(&v, OWN "ledger.txt");
    while (vectors_next(&v)) {
        struct buf sealed = BUF_INIT, plain = BUF_INIT;
        struct entry0 e = entry0_of(&v), back;
        struct entry0_envelope envelope;
        const uint8_t *room = vectors_fixed(&v, "room_id", 32);
        const uint8_t *key = vectors_fixed(&v, "log_key", 32);
        const uint8_t *enclave = vectors_fixed(&v, "enclave_id", 32);
        entry0_sign(&e, enclave, vectors_fixed(&v, "actor_seed", 32));
        vectors_expect(&v, "sig", BYTES_OF(e.sig));
        assert_int_equal(entry0_plain(&e, &plain), ST_OK);
        vectors_expect(&v, "entry", buf_view(&plain));
        assert_int_equal(entry0_seal(&e, room, key, vectors_fixed(&v, "back", 48),
                                     vectors_fixed(&v, "nonce", 24), &sealed),
                         ST_OK);
        vectors_expect(&v, "sealed", buf_view(&sealed));
        assert_int_equal(sealed.n, vectors_u64(&v, "pad_class"));

        assert_int_equal(entry0_envelope(buf_view(&sealed), &envelope), ST_OK);
        assert_int_equal(envelope.epoch, e.epoch);
        buf_clear(&plain);
        assert_int_equal(entry0_open(buf_view(&sealed), room, key, e.index, &plain), ST_OK);
        assert_int_equal(entry0_split(buf_view(&plain), &back), ST_OK);
        assert_int_equal(entry0_verify(&back, enclave), ST_OK);
        back.time_ms++;
        assert_int_equal(entry0_verify(&back, enclave), ST_BAD_SIGNATURE);
        /* another index, or one byte anywhere: does not open */
        struct buf other = BUF_INIT;
        assert_int_equal(entry0_open(buf_view(&sealed), room, key, e.index + 1, &other),
                         ST_BAD_SEAL);
        for (size_t i = 8; i < sealed.n; i += 37) {
            sealed.p[i] ^= 1;
            assert_int_equal(entry0_open(buf_view(&sealed), room, key, e.index, &other),
                             ST_BAD_SEAL);
            sealed.p[i] ^= 1;
        }
        assert_int_equal(other.n, 0);
        /* a pad that is not zero, or one class too large */
        plain.p[plain.n - 1] ^= 1;
        assert_int_equal(entry0_split(buf_view(&plain), &back), ST_BAD_MESSAGE);
        plain.p[plain.n - 1] ^= 1;
        buf_zero(&plain, 2 * pad_class(plain.n) - plain.n - ENTRY0_OVERHEAD);
        assert_int_equal(entry0_split(buf_view(&plain), &back), ST_BAD_MESSAGE);
        buf_free(&sealed);
        buf_free(&plain);
        buf_free(&other);
    }
    assert_int_equal(v.records, 2);
    vectors_close(&v);
}

static void file_entries_as_in_vectors(void **state)
{
    (void)state;
    struct vectors v;
    VECTORS_OR_SKIP(&v, OWN "feeds.txt");
    while (vectors_next(&v)) {
        struct buf sealed = BUF_INIT, plain = BUF_INIT;
        uint8_t id[32];
        uint64_t epoch;
        struct entry23 back, e = {.version = (uint8_t)vectors_u64(&v, "version"),
                                  .type = (uint8_t)vectors_u64(&v, "type"),
                                  .leaf = (uint16_t)vectors_u64(&v, "leaf"),
                                  .own_number = vectors_u64(&v, "own_number"),
                                  .seen_count = vectors_u64(&v, "seen0_count"),
                                  .time_ms = vectors_u64(&v, "time_ms"),
                                  .body = vectors_bytes(&v, "body")};
        memcpy(e.prev_own, vectors_fixed(&v, "prev_own", 32), 32);
        memcpy(e.seen_chain, vectors_fixed(&v, "seen0_chain", 32), 32);
        struct entry23_place place = {.room = vectors_fixed(&v, "room_id", 32),
                                      .enclave_id = vectors_fixed(&v, "enclave_id", 32),
                                      .key = vectors_fixed(&v, "feed_key", 32),
                                      .epoch = vectors_u64(&v, "epoch"),
                                      .feed = (uint8_t)vectors_u64(&v, "feed")};
        const uint8_t *seed = vectors_fixed(&v, "sender_seed", 32);
        assert_int_equal(entry23_seal(&e, &place, seed, vectors_fixed(&v, "nonce", 24), &sealed),
                         ST_OK);
        vectors_expect(&v, "sealed", buf_view(&sealed));
        assert_int_equal(entry23_epoch(buf_view(&sealed), &epoch), ST_OK);
        assert_int_equal(epoch, place.epoch);
        assert_int_equal(entry23_open(buf_view(&sealed), &place, &plain, &back), ST_OK);
        assert_true(bytes_same(back.body, e.body));
        assert_int_equal(back.own_number, e.own_number);
        sign_public(seed, id);
        assert_int_equal(entry23_verify(buf_view(&plain), &place, id), ST_OK);
        place.epoch++; /* the epoch is signed too */
        assert_int_equal(entry23_verify(buf_view(&plain), &place, id), ST_BAD_SIGNATURE);
        place.epoch--;
        place.feed ^= 1; /* an entry of one feed means nothing in the other */
        plain.n = 0;
        assert_int_equal(entry23_open(buf_view(&sealed), &place, &plain, &back), ST_BAD_SEAL);
        buf_free(&sealed);
        buf_free(&plain);
    }
    assert_int_equal(v.records, 2);
    vectors_close(&v);
}

static void lists_survive_mutation(void **state)
{
    (void)state;
    static uint8_t fill[300];
    for (size_t i = 0; i < sizeof fill; i++) fill[i] = (uint8_t)(i * 5 + 1);
    struct entry0 e0 = {.index = 3, .epoch = 2, .rules = 1, .type = 4, .body = BYTES(fill, 200)};
    struct entry23 e23 = {.version = 1, .type = 1, .leaf = 3, .body = BYTES(fill, 100)};
    memcpy(e0.actor, fill, 32);
    memcpy(e0.sig, fill + 9, 64);
    fields_mutate(&entry0_fields, &e0);
    fields_mutate(&entry23_fields, &e23);
}

static void too_large_is_refused(void **state)
{
    (void)state;
    uint8_t key[32] = {1}, back[48] = {0}, nonce[24] = {0};
    struct buf big = BUF_INIT, out = BUF_INIT;
    buf_zero(&big, ENTRY0_BODY_MAX + 1);
    struct entry0 e = {.body = buf_view(&big)};
    assert_int_not_equal(entry0_seal(&e, key, key, back, nonce, &out), ST_OK);
    assert_int_equal(entry0_envelope(BYTES(big.p, 100), &(struct entry0_envelope){0}),
                     ST_BAD_MESSAGE);
    buf_free(&big);
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(classes_are_as_designed),
        cmocka_unit_test(packed_only_where_it_saves_a_class),
        cmocka_unit_test(packed_as_in_vectors),
        cmocka_unit_test(chains_as_in_vectors),
        cmocka_unit_test(ledger_entries_as_in_vectors),
        cmocka_unit_test(file_entries_as_in_vectors),
        cmocka_unit_test(lists_survive_mutation),
        cmocka_unit_test(too_large_is_refused),
    };
    return !!cmocka_run_group_tests(tests, start, NULL);
}
