/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto core/feed core/door */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#include "core/door/card.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "unit/fields_mutate.h"
#include "vectors/vectors.h"

#include <stdio.h>
#include <string.h>

static const uint8_t coins[KEM_COINS] = {6};

struct person {
    struct card_keys keys;
    struct card card;
    struct buf bytes;
};

static void make(struct person *p, uint8_t seed_byte, const char *nick, const char *address)
{
    uint8_t seed[CARD_SEED] = {seed_byte};
    memset(p, 0, sizeof *p);
    card_keys_of(seed, &p->keys);
    snprintf(p->card.nick, sizeof p->card.nick, "%s", nick);
    snprintf(p->card.address, sizeof p->card.address, "%s", address);
    if (*address != '\0') memset(p->card.pin, 9, 32);
    p->card.made = 1800000000;
    assert_int_equal(card_make(&p->keys, &p->card, &p->bytes), ST_OK);
    assert_true(p->bytes.n <= CARD_MAX);
}

static int start(void **state)
{
    (void)state;
    return crypto_start() == ST_OK ? 0 : -1;
}

static struct invitation invitation(void)
{
    struct invitation i = {.address = "relay.example:4433", .expiry = 1800000000};
    memset(i.pin, 1, 32);
    memset(i.room, 2, 32);
    memset(i.door_secret, 3, 32);
    return i;
}

static void a_card_is_read_as_it_was_made(void **state)
{
    (void)state;
    struct person ada, moved;
    struct card got;
    make(&ada, 1, "ada", "192.0.2.7:8000");
    assert_int_equal(card_read(buf_view(&ada.bytes), &got), ST_OK);
    assert_memory_equal(&got, &ada.card, sizeof got);
    /* Another name and place: the same person. */
    make(&moved, 1, "ada l.", "");
    assert_memory_equal(moved.card.fingerprint, ada.card.fingerprint, CARD_FINGERPRINT);
    assert_int_equal(card_read(buf_view(&moved.bytes), &got), ST_OK);
    assert_string_equal(got.address, "");
    struct card_wire w;
    assert_int_equal(fields_decode(&card_wire_fields, buf_view(&ada.bytes), &w), ST_OK);
    w.nick = BYTES_LIT("a"); /* shorter: the mutation test tries each bit */
    w.address = BYTES_LIT("h:1");
    fields_mutate(&card_wire_fields, &w);
    buf_free(&ada.bytes);
    buf_free(&moved.bytes);
}

static void no_byte_of_a_card_can_be_changed(void **state)
{
    (void)state;
    struct person ada;
    struct card got, none;
    make(&ada, 1, "ada", "192.0.2.7:8000");
    memset(&none, 0, sizeof none);
    for (size_t i = 0; i < ada.bytes.n; i++) {
        ada.bytes.p[i] ^= 1;
        assert_int_not_equal(card_read(buf_view(&ada.bytes), &got), ST_OK);
        assert_memory_equal(&got, &none, sizeof got);
        ada.bytes.p[i] ^= 1;
    }
    for (size_t n = 0; n < ada.bytes.n; n++)
        assert_int_not_equal(card_read(BYTES(ada.bytes.p, n), &got), ST_OK);
    ada.bytes.p[0] = 2;
    assert_int_equal(card_read(buf_view(&ada.bytes), &got), ST_VERSION);
    buf_u8(&ada.bytes, 0);
    ada.bytes.p[0] = 1;
    assert_int_not_equal(card_read(buf_view(&ada.bytes), &got), ST_OK);
    buf_free(&ada.bytes);
}

/* What its owner may sign and nobody shall take. */
static enum status signed_card(struct card_wire *w, const struct person *by)
{
    struct buf out = BUF_INIT;
    struct card got;
    assert_int_equal(fields_encode(&card_wire_fields, w, &out), ST_OK);
    const struct bytes part = BYTES(out.p, out.n - SIGN_SIZE);
    sign_labelled(by->keys.id_seed, "ENCLAVE-CARD", &part, 1, out.p + out.n - SIGN_SIZE);
    enum status st = card_read(buf_view(&out), &got);
    buf_free(&out);
    return st;
}

static void a_bad_card_is_refused_though_signed(void **state)
{
    (void)state;
    struct person ada;
    struct card_wire good, w;
    make(&ada, 1, "ada", "192.0.2.7:8000");
    assert_int_equal(fields_decode(&card_wire_fields, buf_view(&ada.bytes), &good), ST_OK);
    w = good;
    assert_int_equal(signed_card(&w, &ada), ST_OK);
    w.nick = BYTES_NONE;
    assert_int_equal(signed_card(&w, &ada), ST_BAD_MESSAGE);
    w.nick = BYTES_LIT("ada\x1b[2J");
    assert_int_equal(signed_card(&w, &ada), ST_BAD_MESSAGE);
    static const char *const addresses[] = {"host",       "host:", ":80",      "host:0",
                                            "host:65536", "h:08",  "ho st:80", "h:80x"};
    for (size_t i = 0; i < sizeof addresses / sizeof addresses[0]; i++) {
        w = good;
        w.address = bytes_str(addresses[i]);
        assert_int_equal(signed_card(&w, &ada), ST_BAD_MESSAGE);
    }
    w = good;
    w.address = BYTES_NONE; /* where it is will be told apart */
    assert_int_equal(signed_card(&w, &ada), ST_OK);
    w = good;
    memset(w.pin, 0, sizeof w.pin); /* whoever answers there */
    assert_int_equal(signed_card(&w, &ada), ST_BAD_MESSAGE);
    w = good;
    memset(w.dh, 0, sizeof w.dh); /* the same place with everybody */
    assert_int_equal(signed_card(&w, &ada), ST_BAD_KEY);
    w = good;
    memset(w.kem, 0xff, 64); /* FIPS 203's check */
    assert_int_equal(signed_card(&w, &ada), ST_BAD_KEY);
    struct card bad = ada.card;
    bad.nick[0] = '\0';
    assert_int_equal(card_make(&ada.keys, &bad, &ada.bytes), ST_USAGE);
    buf_free(&ada.bytes);
}

static void two_cards_meet_and_no_third(void **state)
{
    (void)state;
    struct person ada, bob, eve;
    struct meet a, b, other;
    static uint8_t record[MEET_RECORD];
    struct invitation in = invitation(), got;
    bool seeks = true;
    make(&ada, 1, "ada", "192.0.2.7:8000");
    make(&bob, 2, "bob", "");
    make(&eve, 3, "eve", "");
    assert_int_equal(meet_of(&ada.keys, ada.card.fingerprint, &bob.card, true, &a), ST_OK);
    assert_int_equal(meet_of(&bob.keys, bob.card.fingerprint, &ada.card, false, &b), ST_OK);
    assert_memory_equal(&a, &b, sizeof a);
    /* Who hosts is part of it, and so is who meets. */
    assert_int_equal(meet_of(&ada.keys, ada.card.fingerprint, &bob.card, false, &other), ST_OK);
    assert_memory_not_equal(a.room, other.room, 32);
    assert_int_equal(meet_of(&eve.keys, eve.card.fingerprint, &ada.card, false, &other), ST_OK);
    assert_memory_not_equal(a.room, other.room, 32);
    assert_memory_not_equal(a.token, other.token, 32);
    assert_int_equal(meet_of(&ada.keys, ada.card.fingerprint, &ada.card, true, &other), ST_EXISTS);

    assert_int_equal(
        meet_seal(&a, &ada.keys, ada.card.fingerprint, &bob.card, &in, false, coins, record),
        ST_OK);
    assert_int_equal(
        meet_open(&b, &bob.keys, bob.card.fingerprint, &ada.card, BYTES_OF(record), &got, &seeks),
        ST_OK);
    assert_memory_equal(&got, &in, sizeof got);
    assert_false(seeks);
    /* Somebody else's keys, though at the place; another host's name; its own word given back. */
    assert_int_equal(
        meet_open(&b, &eve.keys, eve.card.fingerprint, &ada.card, BYTES_OF(record), &got, &seeks),
        ST_BAD_SEAL);
    assert_int_equal(
        meet_open(&b, &bob.keys, bob.card.fingerprint, &eve.card, BYTES_OF(record), &got, &seeks),
        ST_BAD_SIGNATURE);
    assert_int_equal(meet_open(&other, &bob.keys, bob.card.fingerprint, &ada.card, BYTES_OF(record),
                               &got, &seeks),
                     ST_BAD_SEAL);
    /* Who has stolen bob's keys cannot speak for ada to him. */
    assert_int_equal(
        meet_seal(&b, &bob.keys, ada.card.fingerprint, &bob.card, &in, false, coins, record),
        ST_OK);
    assert_int_equal(
        meet_open(&b, &bob.keys, bob.card.fingerprint, &ada.card, BYTES_OF(record), &got, &seeks),
        ST_BAD_SIGNATURE);
    buf_free(&ada.bytes);
    buf_free(&bob.bytes);
    buf_free(&eve.bytes);
}

static void a_changed_word_is_noticed(void **state)
{
    (void)state;
    struct person ada, bob;
    struct meet m;
    static uint8_t record[MEET_RECORD + 1];
    struct invitation in = invitation(), got;
    bool seeks = true;
    make(&ada, 1, "ada", "192.0.2.7:8000");
    make(&bob, 2, "bob", "");
    assert_int_equal(meet_of(&ada.keys, ada.card.fingerprint, &bob.card, true, &m), ST_OK);
    assert_int_equal(
        meet_seal(&m, &ada.keys, ada.card.fingerprint, &bob.card, &in, false, coins, record),
        ST_OK);
    for (size_t i = 0; i < MEET_RECORD; i += 13) {
        record[i] ^= 0x20;
        assert_int_not_equal(meet_open(&m, &bob.keys, bob.card.fingerprint, &ada.card,
                                       BYTES(record, MEET_RECORD), &got, &seeks),
                             ST_OK);
        record[i] ^= 0x20;
    }
    assert_int_equal(meet_open(&m, &bob.keys, bob.card.fingerprint, &ada.card,
                               BYTES(record, MEET_RECORD - 1), &got, &seeks),
                     ST_BAD_MESSAGE);
    assert_int_equal(meet_open(&m, &bob.keys, bob.card.fingerprint, &ada.card,
                               BYTES(record, MEET_RECORD + 1), &got, &seeks),
                     ST_BAD_MESSAGE);
    /* The longest address there is. */
    memset(in.address, 'h', INVITATION_ADDRESS_MAX);
    memcpy(in.address + INVITATION_ADDRESS_MAX - 5, ":4433", 5);
    in.address[INVITATION_ADDRESS_MAX] = '\0';
    assert_int_equal(
        meet_seal(&m, &ada.keys, ada.card.fingerprint, &bob.card, &in, false, coins, record),
        ST_OK);
    assert_int_equal(meet_open(&m, &bob.keys, bob.card.fingerprint, &ada.card,
                               BYTES(record, MEET_RECORD), &got, &seeks),
                     ST_OK);
    assert_memory_equal(&got, &in, sizeof got);
    struct meet_word w = {.version = 1, .invitation = BYTES_LIT("x")};
    fields_mutate(&meet_word_fields, &w);
    buf_free(&ada.bytes);
    buf_free(&bob.bytes);
}

/* Bytes made by an independent model of docs/spec/contacts.md. */
static void known_answers(void **state)
{
    (void)state;
    struct vectors v;
    struct person p[2];
    struct meet m;
    struct invitation got;
    bool seeks = false;
    VECTORS_OR_SKIP(&v, VECTORS_OWN "/protocol-own/contacts.txt");
    for (size_t i = 0; i < 2; i++) {
        assert_true(vectors_next(&v));
        memset(&p[i], 0, sizeof p[i]);
        bytes_text(vectors_bytes(&v, "nick"), p[i].card.nick, sizeof p[i].card.nick);
        bytes_text(vectors_bytes(&v, "address"), p[i].card.address, sizeof p[i].card.address);
        memcpy(p[i].card.pin, vectors_fixed(&v, "pin", 32), 32);
        p[i].card.made = vectors_u64(&v, "made");
        card_keys_of(vectors_fixed(&v, "seed", 32), &p[i].keys);
        vectors_expect(&v, "id_seed", BYTES_OF(p[i].keys.id_seed));
        vectors_expect(&v, "dh_secret", BYTES_OF(p[i].keys.dh_secret));
        vectors_expect(&v, "kem_seed", BYTES_OF(p[i].keys.kem_seed));
        assert_int_equal(card_make(&p[i].keys, &p[i].card, &p[i].bytes), ST_OK);
        vectors_expect(&v, "card", buf_view(&p[i].bytes));
        vectors_expect(&v, "fingerprint", BYTES_OF(p[i].card.fingerprint));
    }
    assert_true(vectors_next(&v));
    assert_int_equal(meet_of(&p[1].keys, p[1].card.fingerprint, &p[0].card, false, &m), ST_OK);
    vectors_expect(&v, "room", BYTES_OF(m.room));
    vectors_expect(&v, "token", BYTES_OF(m.token));
    vectors_expect(&v, "door", BYTES_OF(m.door));
    vectors_expect(&v, "key", BYTES_OF(m.key));
    assert_true(vectors_next(&v));
    assert_int_equal(meet_open(&m, &p[1].keys, p[1].card.fingerprint, &p[0].card,
                               vectors_bytes(&v, "record"), &got, &seeks),
                     ST_OK);
    assert_true(seeks);
    struct buf inv = BUF_INIT;
    assert_int_equal(invitation_encode(&got, &inv, NULL), ST_OK);
    vectors_expect(&v, "invitation", buf_view(&inv));
    assert_false(vectors_next(&v));
    vectors_close(&v);
    buf_free(&inv);
    for (size_t i = 0; i < 2; i++) buf_free(&p[i].bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_card_is_read_as_it_was_made),
        cmocka_unit_test(no_byte_of_a_card_can_be_changed),
        cmocka_unit_test(a_bad_card_is_refused_though_signed),
        cmocka_unit_test(two_cards_meet_and_no_third),
        cmocka_unit_test(a_changed_word_is_noticed),
        cmocka_unit_test(known_answers),
    };
    return !!cmocka_run_group_tests(tests, start, NULL);
}
