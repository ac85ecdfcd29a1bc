/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto core/feed core/door */
/* A contact card that somebody hands over, and what lies at a meeting place. The first byte says which,
 * and how the rest is used: as the whole, or signed and sealed as whoever has the keys may do it. */
#include "core/door/card.h"
#include "crypto/aead.h"
#include "crypto/hash.h"
#include "fuzz.h"

#include <string.h>

static const uint8_t ada_seed[CARD_SEED] = {1}, bob_seed[CARD_SEED] = {2};

static void person(const uint8_t seed[CARD_SEED], struct card_keys *keys, struct card *card)
{
    struct buf bytes = BUF_INIT;
    *card = (struct card){.nick = "x", .made = 1};
    card_keys_of(seed, keys);
    FUZZ_CHECK(card_make(keys, card, &bytes) == ST_OK);
    buf_free(&bytes);
}

/* What is taken was signed by its key, and has one byte form. */
static void card(struct bytes in, bool sign)
{
    struct card_keys keys;
    struct card own, got;
    struct card_wire w;
    struct buf b = BUF_INIT, again = BUF_INIT;
    person(ada_seed, &keys, &own);
    buf_bytes(&b, in);
    if (sign && b.n >= 33 + SIGN_SIZE) {
        memcpy(b.p + 1, own.id, 32);
        const struct bytes part = BYTES(b.p, b.n - SIGN_SIZE);
        sign_labelled(keys.id_seed, "ENCLAVE-CARD", &part, 1, b.p + b.n - SIGN_SIZE);
    }
    if (card_read(buf_view(&b), &got) == ST_OK) {
        FUZZ_CHECK(fields_decode(&card_wire_fields, buf_view(&b), &w) == ST_OK);
        FUZZ_CHECK(fields_encode(&card_wire_fields, &w, &again) == ST_OK);
        FUZZ_CHECK(bytes_same(buf_view(&again), buf_view(&b)));
        FUZZ_CHECK(got.nick[0] != '\0' && strlen(got.address) <= INVITATION_ADDRESS_MAX);
    } else {
        FUZZ_CHECK(bytes_zero(BYTES(&got, sizeof got)));
    }
    buf_free(&b);
    buf_free(&again);
}

/* inside: the plain text of a word, sealed as its author may do it with any content. */
static void word(struct bytes in, bool inside)
{
    static uint8_t record[MEET_RECORD];
    static const uint8_t coins[KEM_COINS] = {3};
    uint8_t ss[KEM_SS], prk[32], key[32], padded[MEET_PADDED] = {0};
    struct card_keys ada_keys, bob_keys;
    struct card ada, bob;
    struct meet m;
    struct invitation got;
    bool seeks = false;
    person(ada_seed, &ada_keys, &ada);
    person(bob_seed, &bob_keys, &bob);
    FUZZ_CHECK(meet_of(&ada_keys, ada.fingerprint, &bob, true, &m) == ST_OK);
    if (!inside) {
        FUZZ_CHECK(meet_open(&m, &bob_keys, bob.fingerprint, &ada, in, &got, &seeks) != ST_OK);
        return;
    }
    memcpy(padded, in.p, in.n < sizeof padded ? in.n : sizeof padded);
    FUZZ_CHECK(kem_encaps(bob.kem, coins, record, ss) == ST_OK);
    hkdf_extract(BYTES_OF(m.key), BYTES_OF(ss), prk);
    EXPAND_OF(key, prk, BYTES_LIT("ENCLAVE meet"));
    aead_seal(key, AEAD_NONCE_ZERO, BYTES_NONE, BYTES_OF(padded), record + KEM_CT);
    FUZZ_CHECK(meet_open(&m, &bob_keys, bob.fingerprint, &ada, BYTES_OF(record), &got, &seeks) !=
               ST_OK);
}

/* One changed byte of a good word: not opened. */
static void changed(struct bytes in)
{
    static uint8_t record[MEET_RECORD];
    static const uint8_t coins[KEM_COINS] = {3};
    struct card_keys ada_keys, bob_keys;
    struct card ada, bob;
    struct meet m;
    struct invitation got, inv = {.address = "h:1", .expiry = 7};
    bool seeks = false;
    person(ada_seed, &ada_keys, &ada);
    person(bob_seed, &bob_keys, &bob);
    FUZZ_CHECK(meet_of(&ada_keys, ada.fingerprint, &bob, true, &m) == ST_OK);
    FUZZ_CHECK(meet_seal(&m, &ada_keys, ada.fingerprint, &bob, &inv, true, coins, record) == ST_OK);
    size_t at = in.n < 2 ? 0 : get_u16(in.p) % sizeof record;
    uint8_t mask = in.n < 3 ? 0 : in.p[2];
    record[at] ^= mask;
    enum status st =
        meet_open(&m, &bob_keys, bob.fingerprint, &ada, BYTES_OF(record), &got, &seeks);
    FUZZ_CHECK((st == ST_OK) == (mask == 0));
    FUZZ_CHECK(st != ST_OK || (seeks && memcmp(&got, &inv, sizeof got) == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) return 0;
    struct bytes in = BYTES(data + 1, size - 1);
    switch (data[0] % 5U) {
    case 0: card(in, false); break;
    case 1: card(in, true); break;
    case 2: word(in, false); break;
    case 3: word(in, true); break;
    default: changed(in); break;
    }
    return 0;
}
