/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * schedule: the key schedule of an epoch (protocol.md section 6).
 *     joiner_secret = Extract(init_secret[e-1], commit_secret)
 *     epoch_secret  = Extract(joiner_secret, H(enclave_id | epoch | chain before
 *                     the commit | roster hash))
 *     export(label) = Expand(epoch_secret, "ENCLAVE-GRP " | label | 0x00 | epoch)
 *
 * Owns: struct epoch_keys is plain memory: put it into a secret_new block, or
 *     wipe it. Never fails. Order: schedule_joiner, schedule_epoch, then exports.
 */
#ifndef ENCLAVE_CORE_EPOCH_SCHEDULE_H
#define ENCLAVE_CORE_EPOCH_SCHEDULE_H

#include "base/bytes.h"

/* All exports of an epoch but those of the senders. */
struct epoch_keys {
    uint64_t epoch;
    uint8_t epoch_secret[32]; /* wiped once the sender secrets are out */
    uint8_t init[32];         /* kept until the next epoch is processed */
    uint8_t confirm[32];
    uint8_t log[32];
    uint8_t door[32];
    uint8_t file_kek[32];
    uint8_t tree[32];
    uint8_t receipts[32];
    uint8_t pair[32];
    uint8_t dedup[32];
    uint8_t placement[32];
};

struct schedule_context {
    const uint8_t *enclave_id;   /* 32 */
    uint64_t epoch;              /* the new one */
    const uint8_t *chain_before; /* 32 */
    const uint8_t *roster_hash;  /* 32 */
};

void schedule_joiner(const uint8_t init_prev[32], const uint8_t commit_secret[32],
                     uint8_t ret_joiner[32]);
/* Fills every export from the joiner secret. */
void schedule_epoch(const uint8_t joiner[32], const struct schedule_context *ctx,
                    struct epoch_keys *ret);
/* Fills every export from a given epoch_secret (epoch 0: 32 random bytes). */
void schedule_exports(const uint8_t epoch_secret[32], uint64_t epoch, struct epoch_keys *ret);
void schedule_export(const uint8_t epoch_secret[32], struct bytes label, uint64_t epoch,
                     uint8_t ret[32]);
/* export("sender" | leaf): s_0 of the leaf's mail chain. */
void schedule_sender(const uint8_t epoch_secret[32], uint64_t epoch, uint16_t leaf,
                     uint8_t ret[32]);

/* coins(leaf) for wrapping commit_secret to pk; ret: KEM_COINS bytes. */
void schedule_coins(const uint8_t commit_secret[32], const uint8_t enclave_id[32], uint64_t epoch,
                    uint16_t leaf, const uint8_t *kem_pk, uint8_t ret[64]);
void schedule_wrap_key(const uint8_t ss[32], const uint8_t enclave_id[32], uint64_t epoch,
                       uint16_t leaf, uint8_t ret[32]);
/* back of the COMMIT to epoch: log_key[epoch-1] sealed under log_key[epoch]. */
void schedule_back(const uint8_t log_key[32], const uint8_t room[32], uint64_t epoch,
                   const uint8_t log_key_prev[32], uint8_t ret[48]);
enum status schedule_back_open(const uint8_t log_key[32], const uint8_t room[32], uint64_t epoch,
                               const uint8_t back[48], uint8_t ret_log_key_prev[32]) MUST_USE;

#endif
