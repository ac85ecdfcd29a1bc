/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "core/door/card.h"

#include "crypto/aead.h"
#include "crypto/hash.h"

#include <string.h>

#define LABEL "ENCLAVE-CARD"
#define LABEL_MEET "ENCLAVE-MEET"
#define MEET_VERSION 1

FIELDS_DEFINE(card_wire, CARD_FIELDS);
FIELDS_DEFINE(meet_word, MEET_WORD_FIELDS);

void card_keys_of(const uint8_t seed[CARD_SEED], struct card_keys *ret)
{
    EXPAND_OF(ret->id_seed, seed, BYTES_LIT("ENCLAVE contact id"));
    EXPAND_OF(ret->dh_secret, seed, BYTES_LIT("ENCLAVE contact dh"));
    EXPAND_OF(ret->kem_seed, seed, BYTES_LIT("ENCLAVE contact kem"));
}

static void fingerprint(struct card *c)
{
    SHA256_OF(c->fingerprint, BYTES_LIT("ENCLAVE-CARD"), BYTES_OF(c->id), BYTES_OF(c->dh),
              BYTES_OF(c->kem));
}

/* A sentinel that listens everywhere has a pin, and its address is told apart. */
static bool place_ok(struct bytes address, const uint8_t pin[32])
{
    return address.n == 0 || (invitation_address_ok(address) && !bytes_zero(BYTES(pin, 32)));
}

enum status card_make(const struct card_keys *keys, struct card *card, struct buf *out)
{
    struct card_wire w = {.version = CARD_VERSION,
                          .nick = bytes_str(card->nick),
                          .address = bytes_str(card->address),
                          .made = card->made};
    size_t from = out->n;
    if (!knock_nick_ok(w.nick) || !place_ok(w.address, card->pin)) return ST_USAGE;
    sign_public(keys->id_seed, card->id);
    x25519_public(keys->dh_secret, card->dh);
    kem_public(keys->kem_seed, card->kem);
    fingerprint(card);
    memcpy(w.id, card->id, sizeof w.id);
    memcpy(w.dh, card->dh, sizeof w.dh);
    memcpy(w.kem, card->kem, sizeof w.kem);
    memcpy(w.pin, card->pin, sizeof w.pin);
    enum status st = fields_encode(&card_wire_fields, &w, out);
    if (st == ST_OK) st = buf_status(out);
    if (st != ST_OK) return st;
    const struct bytes part = BYTES(out->p + from, out->n - from - SIGN_SIZE);
    sign_labelled(keys->id_seed, LABEL, &part, 1, out->p + out->n - SIGN_SIZE);
    return ST_OK;
}

/* A key that gives the same result with every other one is nobody's. */
static enum status check_dh(const uint8_t dh[X25519_SIZE])
{
    static const uint8_t any[X25519_SIZE] = {8};
    uint8_t out[X25519_SIZE];
    return x25519_shared(any, dh, out);
}

enum status card_read(struct bytes in, struct card *ret)
{
    struct card_wire w;
    memset(ret, 0, sizeof *ret);
    if (in.n == 0 || in.n > CARD_MAX) return ST_BAD_MESSAGE;
    if (in.p[0] != CARD_VERSION) return ST_VERSION;
    enum status st = fields_decode(&card_wire_fields, in, &w);
    if (st != ST_OK) return st;
    const struct bytes part = BYTES(in.p, in.n - SIGN_SIZE);
    st = sign_labelled_verify(w.id, LABEL, &part, 1, w.sig);
    if (st != ST_OK) return st;
    if (!knock_nick_ok(w.nick) || !place_ok(w.address, w.pin)) return ST_BAD_MESSAGE;
    st = kem_check_public(w.kem);
    if (st == ST_OK) st = check_dh(w.dh);
    if (st != ST_OK) return st;
    memcpy(ret->id, w.id, sizeof ret->id);
    memcpy(ret->dh, w.dh, sizeof ret->dh);
    memcpy(ret->kem, w.kem, sizeof ret->kem);
    memcpy(ret->pin, w.pin, sizeof ret->pin);
    bytes_text(w.nick, ret->nick, sizeof ret->nick);
    bytes_text(w.address, ret->address, sizeof ret->address);
    ret->made = w.made;
    fingerprint(ret);
    return ST_OK;
}

/* ---- the meeting place ---- */

enum status meet_of(const struct card_keys *own, const uint8_t own_fingerprint[CARD_FINGERPRINT],
                    const struct card *card, bool host, struct meet *ret)
{
    uint8_t shared[X25519_SIZE], root[32];
    const uint8_t *first = host ? own_fingerprint : card->fingerprint;
    const uint8_t *second = host ? card->fingerprint : own_fingerprint;
    memset(ret, 0, sizeof *ret);
    if (memcmp(own_fingerprint, card->fingerprint, CARD_FINGERPRINT) == 0) return ST_EXISTS;
    enum status st = x25519_shared(own->dh_secret, card->dh, shared);
    if (st != ST_OK) return st;
    hkdf_extract(BYTES_LIT("ENCLAVE meet"), BYTES_OF(shared), root);
    const struct bytes both[] = {BYTES(first, CARD_FINGERPRINT), BYTES(second, CARD_FINGERPRINT)};
    EXPAND_OF(ret->room, root, BYTES_LIT("room"), both[0], both[1]);
    EXPAND_OF(ret->token, root, BYTES_LIT("token"), both[0], both[1]);
    EXPAND_OF(ret->key, root, BYTES_LIT("key"), both[0], both[1]);
    sha256(BYTES_OF(ret->token), ret->door);
    bytes_wipe(shared, sizeof shared);
    bytes_wipe(root, sizeof root);
    return ST_OK;
}

/* Both exchanges go in: the one that found the place, and the hybrid one that a quantum computer of
 * later does not undo. */
static void word_key(const struct meet *m, const uint8_t ss[KEM_SS], uint8_t ret[32])
{
    uint8_t prk[32];
    hkdf_extract(BYTES_OF(m->key), BYTES(ss, KEM_SS), prk);
    EXPAND_OF(ret, prk, BYTES_LIT("ENCLAVE meet"));
    bytes_wipe(prk, sizeof prk);
}

enum status meet_seal(const struct meet *m, const struct card_keys *own,
                      const uint8_t own_fingerprint[CARD_FINGERPRINT], const struct card *guest,
                      const struct invitation *invitation, bool seeks,
                      const uint8_t coins[KEM_COINS], uint8_t ret[MEET_RECORD])
{
    uint8_t ss[KEM_SS] = {0}, key[32] = {0}, padded[MEET_PADDED] = {0};
    struct buf inv = BUF_INIT, plain;
    struct meet_word w = {.version = MEET_VERSION, .seeks = seeks};
    enum status st;
    buf_init(&plain, MEET_PADDED);
    TRY(invitation_encode(invitation, &inv, NULL));
    w.invitation = buf_view(&inv);
    TRY(fields_encode(&meet_word_fields, &w, &plain));
    TRY(buf_status(&plain));
    const struct bytes parts[] = {BYTES(own_fingerprint, CARD_FINGERPRINT),
                                  BYTES(guest->fingerprint, CARD_FINGERPRINT),
                                  BYTES(plain.p, plain.n - SIGN_SIZE)};
    sign_labelled(own->id_seed, LABEL_MEET, parts, 3, plain.p + plain.n - SIGN_SIZE);
    TRY(kem_encaps(guest->kem, coins, ret, ss));
    word_key(m, ss, key);
    memcpy(padded, plain.p, plain.n);
    /* Nonce 0: ss is fresh for every word. */
    aead_seal(key, AEAD_NONCE_ZERO, BYTES_NONE, BYTES_OF(padded), ret + KEM_CT);
out:
    if (st != ST_OK) memset(ret, 0, MEET_RECORD);
    bytes_wipe(ss, sizeof ss);
    bytes_wipe(key, sizeof key);
    bytes_wipe(padded, sizeof padded);
    buf_free(&inv);
    buf_free(&plain);
    return st;
}

static enum status read_word(const uint8_t own_fingerprint[CARD_FINGERPRINT],
                             const struct card *host, struct bytes padded, struct invitation *ret,
                             bool *ret_seeks)
{
    struct meet_word w;
    struct cursor c = cursor_of(padded);
    enum status st = fields_read(&meet_word_fields, &c, &w);
    if (st == ST_OK && w.version != MEET_VERSION) st = ST_VERSION;
    struct bytes rest = cursor_rest(&c);
    if (st == ST_OK && (w.seeks > 1 || !bytes_zero(rest))) st = ST_BAD_MESSAGE;
    if (st != ST_OK) return st;
    const struct bytes parts[] = {BYTES(host->fingerprint, CARD_FINGERPRINT),
                                  BYTES(own_fingerprint, CARD_FINGERPRINT),
                                  BYTES(padded.p, padded.n - rest.n - SIGN_SIZE)};
    st = sign_labelled_verify(host->id, LABEL_MEET, parts, 3, w.sig);
    *ret_seeks = w.seeks == 1;
    return st == ST_OK ? invitation_decode(w.invitation, ret) : st;
}

enum status meet_open(const struct meet *m, const struct card_keys *own,
                      const uint8_t own_fingerprint[CARD_FINGERPRINT], const struct card *host,
                      struct bytes record, struct invitation *ret, bool *ret_seeks)
{
    uint8_t ss[KEM_SS], key[32], padded[MEET_PADDED];
    memset(ret, 0, sizeof *ret);
    if (record.n != MEET_RECORD) return ST_BAD_MESSAGE;
    enum status st = kem_decaps(own->kem_seed, record.p, ss);
    if (st == ST_OK) {
        word_key(m, ss, key);
        st = aead_open(key, AEAD_NONCE_ZERO, BYTES_NONE,
                       BYTES(record.p + KEM_CT, record.n - KEM_CT), padded);
        bytes_wipe(key, sizeof key);
    }
    if (st == ST_OK) st = read_word(own_fingerprint, host, BYTES_OF(padded), ret, ret_seeks);
    bytes_wipe(ss, sizeof ss);
    bytes_wipe(padded, sizeof padded);
    return st;
}
