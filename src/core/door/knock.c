/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "core/door/knock.h"

#include "crypto/aead.h"
#include "crypto/hash.h"

#include <string.h>

#define LABEL "ENCLAVE-KNOCK"

FIELDS_DEFINE(knock, KNOCK_FIELDS);

/* The length of the UTF-8 sequence at p (RFC 3629: shortest form, no surrogates), 0 if it is none;
 * *ret is the character. */
static size_t utf8_next(const uint8_t *p, size_t left, uint32_t *ret)
{
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = p[0] < 0x80 ? 1 : p[0] >> 5 == 6 ? 2 : p[0] >> 4 == 14 ? 3 : p[0] >> 3 == 30 ? 4 : 0;
    if (n == 0 || n > left) return 0;
    uint32_t c = n == 1 ? p[0] : p[0] & (0x7FU >> n);
    for (size_t i = 1; i < n; i++) {
        if (p[i] >> 6 != 2) return 0;
        c = c << 6 | (p[i] & 0x3FU);
    }
    if (c < least[n] || c > 0x10FFFF || (c >= 0xD800 && c < 0xE000)) return 0;
    *ret = c;
    return n;
}

/* Marks that turn the direction of writing can make one name look like another. */
static bool turns_writing(uint32_t c)
{
    return c == 0x200E || c == 0x200F || (c >= 0x202A && c <= 0x202E) ||
           (c >= 0x2066 && c <= 0x2069);
}

static bool text_ok(struct bytes t, bool lines)
{
    for (size_t i = 0; i < t.n;) {
        uint32_t c = 0;
        size_t n = utf8_next(t.p + i, t.n - i, &c);
        if (n == 0) return false;
        if ((c < 0x20 && !(lines && c == '\n')) || (c >= 0x7F && c < 0xA0)) return false;
        if (!lines && (turns_writing(c) || c == 0x2028 || c == 0x2029)) return false;
        i += n;
    }
    return true;
}

bool knock_nick_ok(struct bytes nick)
{
    return nick.n > 0 && nick.n <= KNOCK_NICK_MAX && text_ok(nick, false) && nick.p[0] != ' ' &&
           nick.p[nick.n - 1] != ' ';
}

bool knock_message_ok(struct bytes message)
{
    return message.n <= KNOCK_MESSAGE_MAX && text_ok(message, true);
}

static void knock_key(const uint8_t door_secret[32], const uint8_t ss[KEM_SS], uint8_t ret[32])
{
    uint8_t prk[32];
    hkdf_extract(BYTES(door_secret, 32), BYTES(ss, KEM_SS), prk);
    EXPAND_OF(ret, prk, BYTES_LIT("ENCLAVE knock"));
    bytes_wipe(prk, sizeof prk);
}

enum status knock_build(const struct invitation *invitation, const uint8_t record_kem[KEM_PUBLIC],
                        struct knock *knock, const uint8_t id_seed[SIGN_SEED],
                        const uint8_t coins[KEM_COINS], struct buf *plain,
                        uint8_t ret_blob[KNOCK_BLOB])
{
    uint8_t hash[32], ss[KEM_SS], key[32], padded[KNOCK_PADDED];
    size_t from = plain->n;
    enum status st = ST_USAGE;
    memset(padded, 0, sizeof padded);
    memset(ss, 0, sizeof ss);
    memset(key, 0, sizeof key);
    if (!knock_nick_ok(knock->nick) || !knock_message_ok(knock->message)) goto out;
    TRY(invitation_hash(invitation, hash));
    memset(knock->sig, 0, sizeof knock->sig);
    TRY(fields_encode(&knock_fields, knock, plain));
    TRY(buf_status(plain));
    size_t size = plain->n - from;
    const struct bytes parts[] = {BYTES(invitation->enclave_id, 32),
                                  BYTES(plain->p + from, size - SIGN_SIZE), BYTES_OF(hash)};
    sign_labelled(id_seed, LABEL, parts, 3, knock->sig);
    memcpy(plain->p + plain->n - SIGN_SIZE, knock->sig, SIGN_SIZE);
    TRY(kem_encaps(record_kem, coins, ret_blob, ss));
    knock_key(invitation->door_secret, ss, key);
    memcpy(padded, plain->p + from, size);
    aead_seal(key, AEAD_NONCE_ZERO, BYTES_NONE, BYTES_OF(padded), ret_blob + KEM_CT);
out:
    if (st != ST_OK) memset(ret_blob, 0, KNOCK_BLOB);
    bytes_wipe(ss, sizeof ss);
    bytes_wipe(key, sizeof key);
    return st;
}

enum status knock_check(struct bytes plain, const uint8_t enclave_id[32],
                        const uint8_t invitation_hash[32], struct knock *ret)
{
    struct knock k;
    enum status st = fields_decode(&knock_fields, plain, &k);
    if (st != ST_OK) return st;
    if (!knock_nick_ok(k.nick) || !knock_message_ok(k.message)) return ST_BAD_MESSAGE;
    const struct bytes parts[] = {BYTES(enclave_id, 32), BYTES(plain.p, plain.n - SIGN_SIZE),
                                  BYTES(invitation_hash, 32)};
    st = sign_labelled_verify(k.id, LABEL, parts, 3, k.sig);
    if (st == ST_OK) st = kem_check_public(k.kem);
    if (st == ST_OK && ret) *ret = k;
    return st;
}

/* The length of the text in its padded form: what stands behind it must be zeros. */
static enum status strip(const uint8_t padded[KNOCK_PADDED], size_t *ret_n)
{
    struct knock k;
    struct cursor c = cursor_of(BYTES(padded, KNOCK_PADDED));
    enum status st = fields_read(&knock_fields, &c, &k);
    if (st != ST_OK) return st;
    struct bytes rest = cursor_rest(&c);
    if (!bytes_zero(rest)) return ST_BAD_MESSAGE;
    *ret_n = KNOCK_PADDED - rest.n;
    return ST_OK;
}

enum status knock_open(const struct invitation *invitation, const uint8_t kem_seed[KEM_SEED],
                       struct bytes blob, struct buf *plain, struct knock *ret)
{
    uint8_t hash[32], ss[KEM_SS], key[32], padded[KNOCK_PADDED];
    size_t from = plain->n, n = 0;
    enum status st = ST_BAD_MESSAGE;
    memset(ret, 0, sizeof *ret);
    memset(ss, 0, sizeof ss);
    memset(key, 0, sizeof key);
    if (blob.n != KNOCK_BLOB) goto out;
    TRY(invitation_hash(invitation, hash));
    TRY(kem_decaps(kem_seed, blob.p, ss));
    knock_key(invitation->door_secret, ss, key);
    TRY(aead_open(key, AEAD_NONCE_ZERO, BYTES_NONE, BYTES(blob.p + KEM_CT, blob.n - KEM_CT),
                  padded));
    TRY(strip(padded, &n));
    buf_raw(plain, padded, n);
    TRY(buf_status(plain));
    st = knock_check(BYTES(plain->p + from, n), invitation->enclave_id, hash, ret);
    if (st != ST_OK) plain->n = from;
out:
    bytes_wipe(ss, sizeof ss);
    bytes_wipe(key, sizeof key);
    return st;
}
