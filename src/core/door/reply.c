/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "core/door/reply.h"

#include "crypto/aead.h"
#include "crypto/hash.h"

#include <string.h>

FIELDS_DEFINE(reply, REPLY_FIELDS);

/* One form: what does not apply is zero. */
static bool reply_ok(const struct reply *r)
{
    if (r->kind == REPLY_WELCOME) return true;
    return (r->kind == REPLY_PENDING || r->kind == REPLY_REFUSED) && r->index == 0 &&
           r->epoch == 0 && bytes_zero(BYTES_OF(r->chain)) && bytes_zero(BYTES_OF(r->log_key));
}

enum status reply_seal(const struct reply *reply, const uint8_t candidate_kem[KEM_PUBLIC],
                       const uint8_t coins[KEM_COINS], uint8_t ret_blob[REPLY_BLOB])
{
    uint8_t ss[KEM_SS] = {0}, key[32] = {0};
    struct buf plain;
    buf_init(&plain, REPLY_SIZE);
    enum status st = ST_USAGE;
    if (!reply_ok(reply)) goto out;
    TRY(fields_encode(&reply_fields, reply, &plain));
    TRY(buf_status(&plain));
    TRY(kem_encaps(candidate_kem, coins, ret_blob, ss));
    EXPAND_OF(key, ss, BYTES_LIT("ENCLAVE welcome"));
    aead_seal(key, AEAD_NONCE_ZERO, BYTES_NONE, buf_view(&plain), ret_blob + KEM_CT);
out:
    if (st != ST_OK) memset(ret_blob, 0, REPLY_BLOB);
    buf_free(&plain);
    bytes_wipe(ss, sizeof ss);
    bytes_wipe(key, sizeof key);
    return st;
}

enum status reply_open(const uint8_t kem_seed[KEM_SEED], const uint8_t enclave_id[32],
                       struct bytes blob, struct reply *ret)
{
    uint8_t ss[KEM_SS] = {0}, key[32] = {0}, plain[REPLY_SIZE] = {0};
    enum status st = ST_BAD_MESSAGE;
    memset(ret, 0, sizeof *ret);
    if (blob.n != REPLY_BLOB) goto out;
    TRY(kem_decaps(kem_seed, blob.p, ss));
    EXPAND_OF(key, ss, BYTES_LIT("ENCLAVE welcome"));
    TRY(aead_open(key, AEAD_NONCE_ZERO, BYTES_NONE, BYTES(blob.p + KEM_CT, blob.n - KEM_CT),
                  plain));
    TRY(fields_decode(&reply_fields, BYTES_OF(plain), ret));
    if (!reply_ok(ret))
        st = ST_BAD_MESSAGE;
    else if (memcmp(ret->enclave_id, enclave_id, 32) != 0)
        st = ST_UNTRUSTED;
out:
    if (st != ST_OK) bytes_wipe(ret, sizeof *ret);
    bytes_wipe(ss, sizeof ss);
    bytes_wipe(key, sizeof key);
    bytes_wipe(plain, sizeof plain);
    return st;
}
