/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto core/door */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#include "core/door/invitation.h"
#include "core/door/knock.h"
#include "core/door/record.h"
#include "core/door/reply.h"
#include "core/door/safety.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "unit/fields_mutate.h"
#include "vectors/vectors.h"

#include <string.h>

#define DOOR_VECTORS VECTORS_OWN "/protocol-own/door.txt"

static void fill(uint8_t *p, size_t n, unsigned from)
{
    for (size_t i = 0; i < n; i++) p[i] = (uint8_t)(i * 31 + from);
}

static void take32(struct vectors *v, const char *key, uint8_t out[32])
{
    memcpy(out, vectors_fixed(v, key, 32), 32);
}

static void invitation_of(struct vectors *v, struct invitation *i)
{
    memset(i, 0, sizeof *i);
    struct bytes a = vectors_bytes(v, "address");
    memcpy(i->address, a.p, a.n);
    take32(v, "spki_pin", i->pin);
    take32(v, "room_id", i->room);
    take32(v, "door_secret", i->door_secret);
    take32(v, "enclave_id", i->enclave_id);
    sha256(BYTES(vectors_fixed(v, "inviter_id", 32), 32), i->inviter_hash);
    i->expiry = vectors_u64(v, "expiry");
}

static void check_invitation(struct vectors *v, struct invitation *i)
{
    struct buf b = BUF_INIT;
    uint8_t hash[32];
    char text[INVITATION_TEXT_MAX];
    struct invitation back;
    invitation_of(v, i);
    assert_int_equal(invitation_encode(i, &b, hash), ST_OK);
    vectors_expect(v, "invitation", buf_view(&b));
    vectors_expect(v, "invitation_hash", BYTES_OF(hash));
    assert_int_equal(invitation_to_text(i, text), ST_OK);
    assert_int_equal(invitation_from_text(text, &back), ST_OK);
    assert_memory_equal(&back, i, sizeof back);
    buf_free(&b);
}

static void check_knock(struct vectors *v, const struct invitation *i)
{
    uint8_t blob[KNOCK_BLOB], kem_pk[KEM_PUBLIC], record_pk[KEM_PUBLIC];
    struct buf plain = BUF_INIT, opened = BUF_INIT;
    const uint8_t *seed = vectors_fixed(v, "record_kem_seed", KEM_SEED);
    struct bytes veto = vectors_bytes(v, "veto_keys");
    struct knock k = {.veto_keys = {veto.p, veto.n / KNOCK_VETO_KEY},
                      .nick = vectors_bytes(v, "nick"),
                      .message = vectors_bytes(v, "message")},
                 back;
    memcpy(kem_pk, vectors_fixed(v, "kem_pk", KEM_PUBLIC), KEM_PUBLIC);
    memcpy(k.kem, kem_pk, KEM_PUBLIC);
    take32(v, "id", k.id);
    take32(v, "seat", k.seat);
    take32(v, "revocation_hash", k.revocation);
    kem_public(seed, record_pk);
    assert_int_equal(knock_build(i, record_pk, &k, vectors_fixed(v, "id_seed", 32),
                                 vectors_fixed(v, "coins", KEM_COINS), &plain, blob),
                     ST_OK);
    vectors_expect(v, "sig", BYTES_OF(k.sig));
    vectors_expect(v, "knock_plain", buf_view(&plain));
    vectors_expect(v, "blob", BYTES_OF(blob));
    assert_int_equal(knock_open(i, seed, BYTES_OF(blob), &opened, &back), ST_OK);
    assert_true(bytes_same(buf_view(&plain), buf_view(&opened)));
    assert_true(bytes_same(back.nick, k.nick));
    /* Every part of the blob is bound. */
    for (size_t at = 0; at < KNOCK_BLOB; at += 401) {
        blob[at] ^= 1;
        assert_int_not_equal(knock_open(i, seed, BYTES_OF(blob), &opened, &back), ST_OK);
        blob[at] ^= 1;
    }
    struct invitation other = *i;
    other.expiry++;
    assert_int_not_equal(knock_open(&other, seed, BYTES_OF(blob), &opened, &back), ST_OK);
    buf_free(&plain);
    buf_free(&opened);
}

static void check_reply(struct vectors *v)
{
    uint8_t blob[REPLY_BLOB], pk[KEM_PUBLIC];
    struct reply r = {.kind = (uint8_t)vectors_u64(v, "kind"),
                      .index = vectors_u64(v, "add_index"),
                      .epoch = vectors_u64(v, "epoch")},
                 back;
    take32(v, "enclave_id", r.enclave_id);
    take32(v, "chain_after", r.chain);
    take32(v, "log_key", r.log_key);
    const uint8_t *seed = vectors_fixed(v, "candidate_kem_seed", KEM_SEED);
    kem_public(seed, pk);
    assert_int_equal(reply_seal(&r, pk, vectors_fixed(v, "coins", KEM_COINS), blob), ST_OK);
    vectors_expect(v, "reply", BYTES_OF(blob));
    assert_int_equal(reply_open(seed, r.enclave_id, BYTES_OF(blob), &back), ST_OK);
    assert_memory_equal(&back, &r, sizeof r);
    blob[REPLY_BLOB - 1] ^= 1;
    assert_int_equal(reply_open(seed, r.enclave_id, BYTES_OF(blob), &back), ST_BAD_SEAL);
    blob[REPLY_BLOB - 1] ^= 1;
    r.enclave_id[0] ^= 1;
    assert_int_equal(reply_open(seed, r.enclave_id, BYTES_OF(blob), &back), ST_UNTRUSTED);
}

static void vectors_of_doors(void **state)
{
    (void)state;
    struct vectors v;
    struct invitation i;
    VECTORS_OR_SKIP(&v, DOOR_VECTORS);
    while (vectors_next(&v)) {
        if (vectors_is(&v, "case", "door")) {
            struct door_keys k;
            door_keys_of(vectors_fixed(&v, "door_secret", 32), &k);
            vectors_expect(&v, "token", BYTES_OF(k.token));
            vectors_expect(&v, "token_hash", BYTES_OF(k.token_hash));
            vectors_expect(&v, "record_key", BYTES_OF(k.record_key));
        } else if (vectors_is(&v, "case", "invitation")) {
            check_invitation(&v, &i);
        } else if (vectors_is(&v, "case", "record")) {
            struct buf b = BUF_INIT;
            struct door_keys k;
            door_keys_of(i.door_secret, &k);
            xaead_seal_to(k.record_key, vectors_fixed(&v, "nonce", XAEAD_NONCE), BYTES_NONE,
                          vectors_bytes(&v, "record"), &b);
            vectors_expect(&v, "record_sealed", buf_view(&b));
            buf_free(&b);
        } else if (vectors_is(&v, "case", "knock")) {
            check_knock(&v, &i);
        } else if (vectors_is(&v, "case", "safety")) {
            char code[SAFETY_SIZE];
            uint8_t hash[32];
            safety_hash(vectors_bytes(&v, "record"), vectors_bytes(&v, "knock_plain"), hash);
            vectors_expect(&v, "hash", BYTES_OF(hash));
            safety_code(vectors_bytes(&v, "record"), vectors_bytes(&v, "knock_plain"), code);
            assert_string_equal(code, vectors_text(&v, "code"));
        } else {
            check_reply(&v);
        }
    }
    assert_int_equal(v.records, 7);
    vectors_close(&v);
}

static void sample_invitation(struct invitation *i)
{
    memset(i, 0, sizeof *i);
    memcpy(i->address, "[::1]:4433", 11);
    fill(i->pin, 32, 1);
    fill(i->room, 32, 2);
    fill(i->door_secret, 32, 3);
    fill(i->enclave_id, 32, 4);
    i->expiry = 1000;
}

static void invitations_are_strict(void **state)
{
    (void)state;
    struct invitation i, back;
    char text[INVITATION_TEXT_MAX], pasted[INVITATION_TEXT_MAX + 8];
    sample_invitation(&i);
    assert_int_equal(invitation_to_text(&i, text), ST_OK);
    snprintf(pasted, sizeof pasted, " \n%s\r\n", text);
    memcpy(pasted + 2, "ENCLAVE", 7);
    assert_int_equal(invitation_from_text(pasted, &back), ST_OK);
    assert_memory_equal(&back, &i, sizeof i);
    for (size_t n = 0; n < strlen(text); n++) {
        char cut[INVITATION_TEXT_MAX];
        memcpy(cut, text, n);
        cut[n] = 0;
        assert_int_not_equal(invitation_from_text(cut, &back), ST_OK);
    }
    assert_int_equal(invitation_from_text("https://example.org", &back), ST_BAD_MESSAGE);
    static const char *const bad[] = {"",        "host",       "host:",      ":1",
                                      "host:0",  "host:65536", "host:12x",   "host:012",
                                      "ho st:1", "host:1\n",   "h\xc3\xb6:1"};
    for (size_t n = 0; n < sizeof bad / sizeof bad[0]; n++) {
        memset(i.address, 0, sizeof i.address);
        memcpy(i.address, bad[n], strlen(bad[n]));
        assert_int_equal(invitation_to_text(&i, text), ST_USAGE);
    }
    assert_false(invitation_expired(&back, 0) && back.expiry);
    i.expiry = 1000;
    assert_false(invitation_expired(&i, 999999));
    assert_true(invitation_expired(&i, 1000000));
}

static void records_are_pinned(void **state)
{
    (void)state;
    struct invitation i;
    struct door_record r, back;
    struct door_keys keys;
    struct buf plain = BUF_INIT, sealed = BUF_INIT, opened = BUF_INIT;
    uint8_t seed[32], kem_seed[32], nonce[24];
    sample_invitation(&i);
    fill(seed, 32, 7);
    fill(kem_seed, 32, 8);
    fill(nonce, 24, 9);
    memset(&r, 0, sizeof r);
    sign_public(seed, r.inviter);
    sha256(BYTES_OF(r.inviter), i.inviter_hash);
    kem_public(kem_seed, r.kem);
    memcpy(r.enclave_id, i.enclave_id, 32);
    r.head_count = 7;
    r.ballot = 1;
    door_keys_of(i.door_secret, &keys);
    assert_int_equal(door_record_seal(&r, seed, keys.record_key, nonce, &plain, &sealed), ST_OK);
    assert_int_equal(plain.n, DOOR_RECORD_SIZE);
    assert_int_equal(sealed.n, DOOR_RECORD_SEALED);
    assert_int_equal(door_record_open(&i, buf_view(&sealed), &opened, &back), ST_OK);
    assert_memory_equal(&back, &r, sizeof r);
    assert_true(bytes_same(buf_view(&opened), buf_view(&plain)));
    for (size_t at = 0; at < sealed.n; at += 97) {
        sealed.p[at] ^= 4;
        assert_int_equal(door_record_open(&i, buf_view(&sealed), &opened, &back), ST_BAD_SEAL);
        sealed.p[at] ^= 4;
    }
    i.inviter_hash[3] ^= 1;
    assert_int_equal(door_record_open(&i, buf_view(&sealed), &opened, &back), ST_UNTRUSTED);
    i.inviter_hash[3] ^= 1;
    i.enclave_id[3] ^= 1;
    assert_int_equal(door_record_open(&i, buf_view(&sealed), &opened, &back), ST_UNTRUSTED);
    i.enclave_id[3] ^= 1;
    /* Who knows the door secret but not the inviter's key cannot make another record. */
    plain.p[5] ^= 1;
    buf_clear(&sealed);
    xaead_seal_to(keys.record_key, nonce, BYTES_NONE, buf_view(&plain), &sealed);
    assert_int_equal(door_record_open(&i, buf_view(&sealed), &opened, &back), ST_BAD_SIGNATURE);
    buf_free(&plain);
    buf_free(&sealed);
    buf_free(&opened);
}

static void nicks_are_readable(void **state)
{
    (void)state;
    static const char *const good[] = {"Ann", "Zo\xc3\xab", "\xe6\x9d\x8e", "a b",
                                       "\xf0\x9f\x90\x8c"};
    static const char *const bad[] = {"",
                                      " Ann",
                                      "Ann ",
                                      "A\nn",
                                      "\xc3",
                                      "\xc0\xaf",
                                      "\xed\xa0\x80",
                                      "\xf5\x80\x80\x80",
                                      "\xc2\x85",
                                      "\x7f",
                                      "A\xe2\x80\xae"
                                      "b"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_true(knock_nick_ok(bytes_str(good[i])));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(knock_nick_ok(bytes_str(bad[i])));
    assert_true(knock_message_ok(BYTES_LIT("two\nlines")));
    assert_true(knock_message_ok(BYTES_NONE));
    assert_false(knock_message_ok(BYTES_LIT("\x1b[2J")));
}

static void largest_knock_fits(void **state)
{
    (void)state;
    static uint8_t veto[KNOCK_VETO_KEYS * KNOCK_VETO_KEY], nick[KNOCK_NICK_MAX],
        message[KNOCK_MESSAGE_MAX];
    memset(nick, 'n', sizeof nick);
    memset(message, 'm', sizeof message);
    struct invitation i;
    struct knock k = {.veto_keys = {veto, KNOCK_VETO_KEYS},
                      .nick = BYTES_OF(nick),
                      .message = BYTES_OF(message)},
                 back;
    uint8_t seed[32], kem_seed[32], pk[KEM_PUBLIC], coins[KEM_COINS], blob[KNOCK_BLOB];
    struct buf plain = BUF_INIT;
    sample_invitation(&i);
    fill(seed, 32, 1);
    fill(kem_seed, 32, 2);
    fill(coins, sizeof coins, 3);
    sign_public(seed, k.id);
    kem_public(kem_seed, pk);
    memcpy(k.kem, pk, sizeof pk);
    assert_int_equal(knock_build(&i, pk, &k, seed, coins, &plain, blob), ST_OK);
    assert_int_equal(plain.n, KNOCK_PLAIN_MAX);
    buf_clear(&plain);
    assert_int_equal(knock_open(&i, kem_seed, BYTES_OF(blob), &plain, &back), ST_OK);
    assert_int_equal(back.message.n, KNOCK_MESSAGE_MAX);
    k.nick = BYTES_LIT("\n");
    assert_int_equal(knock_build(&i, pk, &k, seed, coins, &plain, blob), ST_USAGE);
    buf_free(&plain);
}

static void fields_survive_mutation(void **state)
{
    (void)state;
    static uint8_t some[200];
    fill(some, sizeof some, 5);
    struct invitation_wire i = {.version = 1, .address = BYTES(some, 20), .expiry = 5};
    fields_mutate(&invitation_wire_fields, &i);
    struct door_record r = {.version = 1, .head_count = 9};
    fields_mutate(&door_record_fields, &r);
    struct knock k = {.veto_keys = {some, 2}, .nick = BYTES(some, 9), .message = BYTES(some, 100)};
    fields_mutate(&knock_fields, &k);
    struct reply p = {.kind = REPLY_WELCOME, .index = 4, .epoch = 5};
    fields_mutate(&reply_fields, &p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_of_doors),   cmocka_unit_test(invitations_are_strict),
        cmocka_unit_test(records_are_pinned), cmocka_unit_test(nicks_are_readable),
        cmocka_unit_test(largest_knock_fits), cmocka_unit_test(fields_survive_mutation),
    };
    if (crypto_start() != ST_OK) return 1;
    return !!cmocka_run_group_tests(tests, NULL, NULL);
}
