/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "core/door/record.h"

#include "crypto/hash.h"

#include <string.h>

#define LABEL "ENCLAVE-DOOR"

FIELDS_DEFINE(door_record, DOOR_RECORD_FIELDS);

enum status door_record_seal(struct door_record *record, const uint8_t inviter_seed[SIGN_SEED],
                             const uint8_t record_key[32], const uint8_t nonce[XAEAD_NONCE],
                             struct buf *plain, struct buf *sealed)
{
    size_t from = plain->n;
    record->version = DOOR_RECORD_VERSION;
    memset(record->sig, 0, sizeof record->sig);
    enum status st = ST_OK;
    TRY(fields_encode(&door_record_fields, record, plain));
    TRY(buf_status(plain));
    const struct bytes parts[] = {BYTES(record->enclave_id, 32),
                                  BYTES(plain->p + from, DOOR_RECORD_SIZE - SIGN_SIZE)};
    sign_labelled(inviter_seed, LABEL, parts, 2, record->sig);
    memcpy(plain->p + from + DOOR_RECORD_SIZE - SIGN_SIZE, record->sig, SIGN_SIZE);
    xaead_seal_to(record_key, nonce, BYTES_NONE, BYTES(plain->p + from, DOOR_RECORD_SIZE), sealed);
    st = buf_status(sealed);
out:
    return st;
}

/* The plain text of a record, against what the invitation promises. */
static enum status judge(const struct invitation *invitation, struct bytes plain,
                         struct door_record *ret)
{
    uint8_t hash[32];
    if (plain.n == 0 || plain.n > DOOR_RECORD_MAX) return ST_BAD_MESSAGE;
    if (plain.p[0] != DOOR_RECORD_VERSION) return ST_VERSION;
    enum status st = fields_decode(&door_record_fields, plain, ret);
    if (st != ST_OK) return st;
    sha256(BYTES_OF(ret->inviter), hash);
    if (memcmp(hash, invitation->inviter_hash, 32) != 0) return ST_UNTRUSTED;
    if (memcmp(ret->enclave_id, invitation->enclave_id, 32) != 0) return ST_UNTRUSTED;
    const struct bytes parts[] = {BYTES(ret->enclave_id, 32), BYTES(plain.p, plain.n - SIGN_SIZE)};
    st = sign_labelled_verify(ret->inviter, LABEL, parts, 2, ret->sig);
    if (st != ST_OK) return st;
    return kem_check_public(ret->kem);
}

enum status door_record_open(const struct invitation *invitation, struct bytes sealed,
                             struct buf *plain, struct door_record *ret)
{
    struct door_keys keys;
    struct buf text;
    size_t from = plain->n;
    buf_init(&text, DOOR_RECORD_MAX);
    memset(ret, 0, sizeof *ret);
    door_keys_of(invitation->door_secret, &keys);
    enum status st = sealed.n > XAEAD_NONCE + DOOR_RECORD_MAX + AEAD_TAG ? ST_TOO_BIG : ST_OK;
    if (st != ST_OK) goto out;
    TRY(xaead_open_to(keys.record_key, BYTES_NONE, sealed, &text));
    TRY(judge(invitation, buf_view(&text), ret));
    buf_bytes(plain, buf_view(&text));
    st = buf_status(plain);
out:
    if (st != ST_OK) {
        memset(ret, 0, sizeof *ret);
        if (!plain->bad) plain->n = from;
    }
    buf_free(&text);
    bytes_wipe(&keys, sizeof keys);
    return st;
}
