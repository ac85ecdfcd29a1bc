/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "core/epoch/schedule.h"

#include "crypto/aead.h"
#include "crypto/hash.h"
#include "crypto/kem.h"

#include <string.h>

void schedule_joiner(const uint8_t init_prev[32], const uint8_t commit_secret[32],
                     uint8_t ret_joiner[32])
{
    hkdf_extract(BYTES(init_prev, 32), BYTES(commit_secret, 32), ret_joiner);
}

void schedule_export(const uint8_t epoch_secret[32], struct bytes label, uint64_t epoch,
                     uint8_t ret[32])
{
    uint8_t tail[1 + 8] = {0};
    put_u64(tail + 1, epoch);
    EXPAND_OF(ret, epoch_secret, BYTES_LIT("ENCLAVE-GRP "), label, BYTES_OF(tail));
}

void schedule_sender(const uint8_t epoch_secret[32], uint64_t epoch, uint16_t leaf, uint8_t ret[32])
{
    uint8_t label[6 + 2] = "sender";
    put_u16(label + 6, leaf);
    schedule_export(epoch_secret, BYTES_OF(label), epoch, ret);
}

void schedule_exports(const uint8_t epoch_secret[32], uint64_t epoch, struct epoch_keys *ret)
{
    ret->epoch = epoch;
    memcpy(ret->epoch_secret, epoch_secret, 32);
    schedule_export(epoch_secret, BYTES_LIT("init"), epoch, ret->init);
    schedule_export(epoch_secret, BYTES_LIT("confirm"), epoch, ret->confirm);
    schedule_export(epoch_secret, BYTES_LIT("log"), epoch, ret->log);
    schedule_export(epoch_secret, BYTES_LIT("door"), epoch, ret->door);
    schedule_export(epoch_secret, BYTES_LIT("file-kek"), epoch, ret->file_kek);
    schedule_export(epoch_secret, BYTES_LIT("tree"), epoch, ret->tree);
    schedule_export(epoch_secret, BYTES_LIT("receipts"), epoch, ret->receipts);
    schedule_export(epoch_secret, BYTES_LIT("pair"), epoch, ret->pair);
    schedule_export(epoch_secret, BYTES_LIT("dedup"), epoch, ret->dedup);
    schedule_export(epoch_secret, BYTES_LIT("placement"), epoch, ret->placement);
}

void schedule_epoch(const uint8_t joiner[32], const struct schedule_context *ctx,
                    struct epoch_keys *ret)
{
    uint8_t epoch[8], hash[32], secret[32];
    put_u64(epoch, ctx->epoch);
    SHA256_OF(hash, BYTES(ctx->enclave_id, 32), BYTES_OF(epoch), BYTES(ctx->chain_before, 32),
              BYTES(ctx->roster_hash, 32));
    hkdf_extract(BYTES(joiner, 32), BYTES_OF(hash), secret);
    schedule_exports(secret, ctx->epoch, ret);
    bytes_wipe(secret, sizeof secret);
}

void schedule_coins(const uint8_t commit_secret[32], const uint8_t enclave_id[32], uint64_t epoch,
                    uint16_t leaf, const uint8_t *kem_pk, uint8_t ret[64])
{
    uint8_t place[8 + 2];
    put_u64(place, epoch);
    put_u16(place + 8, leaf);
    const struct bytes info[] = {BYTES_LIT("ENCLAVE-COINS"), BYTES(enclave_id, 32), BYTES_OF(place),
                                 BYTES(kem_pk, KEM_PUBLIC)};
    hkdf_expand_parts(commit_secret, info, 4, ret, KEM_COINS);
}

void schedule_wrap_key(const uint8_t ss[32], const uint8_t enclave_id[32], uint64_t epoch,
                       uint16_t leaf, uint8_t ret[32])
{
    uint8_t place[8 + 2];
    put_u64(place, epoch);
    put_u16(place + 8, leaf);
    EXPAND_OF(ret, ss, BYTES_LIT("ENCLAVE wrap"), BYTES(enclave_id, 32), BYTES_OF(place));
}

static void back_key(const uint8_t log_key[32], const uint8_t room[32], uint64_t epoch,
                     uint8_t ret[32])
{
    uint8_t number[8];
    put_u64(number, epoch);
    EXPAND_OF(ret, log_key, BYTES_LIT("ENCLAVE back"), BYTES(room, 32), BYTES_OF(number));
}

void schedule_back(const uint8_t log_key[32], const uint8_t room[32], uint64_t epoch,
                   const uint8_t log_key_prev[32], uint8_t ret[48])
{
    uint8_t key[32];
    back_key(log_key, room, epoch, key);
    aead_seal(key, AEAD_NONCE_ZERO, BYTES_NONE, BYTES(log_key_prev, 32), ret);
    bytes_wipe(key, sizeof key);
}

enum status schedule_back_open(const uint8_t log_key[32], const uint8_t room[32], uint64_t epoch,
                               const uint8_t back[48], uint8_t ret_log_key_prev[32])
{
    uint8_t key[32];
    back_key(log_key, room, epoch, key);
    enum status st = aead_open(key, AEAD_NONCE_ZERO, BYTES_NONE, BYTES(back, 48), ret_log_key_prev);
    bytes_wipe(key, sizeof key);
    return st;
}
