/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "core/door/revoke.h"

#include "crypto/hash.h"

#include <string.h>

#define KIT_MAGIC "ENCKIT01"

FIELDS_DEFINE(revoke_item, REVOKE_ITEM_FIELDS);

void revoke_key(const uint8_t recovery[32], const uint8_t room[32], uint8_t ret[32])
{
    EXPAND_OF(ret, recovery, BYTES_LIT("ENCLAVE revoke"), BYTES(room, 32));
}

void revoke_door_of(const uint8_t key[32], struct revoke_door *ret)
{
    EXPAND_OF(ret->token, key, BYTES_LIT("door"));
    EXPAND_OF(ret->record_key, key, BYTES_LIT("record"));
    sha256(BYTES_OF(ret->token), ret->door);
}

void revoke_door_seed(const uint8_t log_key_0[32], const uint8_t door[32], uint8_t ret[KEM_SEED])
{
    EXPAND_OF(ret, log_key_0, BYTES_LIT("ENCLAVE revoke door"), BYTES(door, 32));
}

void revoke_record_seal(const struct revoke_door *d, const uint8_t seed[KEM_SEED],
                        const uint8_t nonce[XAEAD_NONCE], uint8_t ret[REVOKE_RECORD])
{
    uint8_t pk[KEM_PUBLIC];
    kem_public(seed, pk);
    memcpy(ret, nonce, XAEAD_NONCE);
    xaead_seal(d->record_key, nonce, BYTES_NONE, BYTES_OF(pk), ret + XAEAD_NONCE);
}

enum status revoke_record_open(const struct revoke_door *d, struct bytes record,
                               uint8_t ret_pk[KEM_PUBLIC])
{
    if (record.n != REVOKE_RECORD) return ST_BAD_MESSAGE;
    enum status st = xaead_open(d->record_key, record.p, BYTES_NONE,
                                BYTES(record.p + XAEAD_NONCE, record.n - XAEAD_NONCE), ret_pk);
    return st == ST_OK ? kem_check_public(ret_pk) : st;
}

static void blob_key(const uint8_t ss[KEM_SS], uint8_t ret[32])
{
    EXPAND_OF(ret, ss, BYTES_LIT("ENCLAVE revoke"));
}

enum status revoke_blob_seal(const uint8_t pk[KEM_PUBLIC], const uint8_t seat[32],
                             const uint8_t key[32], const uint8_t coins[KEM_COINS],
                             uint8_t ret[REVOKE_BLOB])
{
    uint8_t ss[KEM_SS], seal[32], plain[REVOKE_PADDED] = {0};
    enum status st = kem_encaps(pk, coins, ret, ss);
    if (st == ST_OK) {
        memcpy(plain, seat, 32);
        memcpy(plain + 32, key, 32);
        blob_key(ss, seal);
        /* Nonce 0: ss is fresh for every blob. */
        aead_seal(seal, AEAD_NONCE_ZERO, BYTES_NONE, BYTES_OF(plain), ret + KEM_CT);
        bytes_wipe(seal, sizeof seal);
    }
    bytes_wipe(ss, sizeof ss);
    bytes_wipe(plain, sizeof plain);
    return st;
}

enum status revoke_blob_open(const uint8_t seed[KEM_SEED], struct bytes blob, uint8_t ret_seat[32],
                             uint8_t ret_key[32])
{
    uint8_t ss[KEM_SS], seal[32], plain[REVOKE_PADDED];
    if (blob.n != REVOKE_BLOB) return ST_BAD_MESSAGE;
    enum status st = kem_decaps(seed, blob.p, ss);
    if (st == ST_OK) {
        blob_key(ss, seal);
        st = aead_open(seal, AEAD_NONCE_ZERO, BYTES_NONE, BYTES(blob.p + KEM_CT, blob.n - KEM_CT),
                       plain);
        bytes_wipe(seal, sizeof seal);
    }
    if (st == ST_OK && !bytes_zero(BYTES(plain + 64, sizeof plain - 64))) st = ST_BAD_MESSAGE;
    if (st == ST_OK) {
        memcpy(ret_seat, plain, 32);
        memcpy(ret_key, plain + 32, 32);
        bytes_wipe(plain, sizeof plain);
    }
    bytes_wipe(ss, sizeof ss);
    return st;
}

void revoke_kit_seal(const uint8_t recovery[32], const uint8_t nonce[XAEAD_NONCE],
                     struct bytes items, struct buf *out)
{
    uint8_t key[32];
    EXPAND_OF(key, recovery, BYTES_LIT("ENCLAVE kit"));
    buf_str(out, KIT_MAGIC);
    xaead_seal_to(key, nonce, BYTES_LIT(KIT_MAGIC), items, out);
    bytes_wipe(key, sizeof key);
}

enum status revoke_kit_open(const uint8_t recovery[32], struct bytes kit, struct buf *ret_items)
{
    uint8_t key[32];
    size_t magic = strlen(KIT_MAGIC);
    if (kit.n < magic || kit.n > REVOKE_KIT_MAX || memcmp(kit.p, KIT_MAGIC, magic) != 0)
        return ST_BAD_MESSAGE;
    EXPAND_OF(key, recovery, BYTES_LIT("ENCLAVE kit"));
    enum status st =
        xaead_open_to(key, BYTES_LIT(KIT_MAGIC), BYTES(kit.p + magic, kit.n - magic), ret_items);
    bytes_wipe(key, sizeof key);
    return st;
}
