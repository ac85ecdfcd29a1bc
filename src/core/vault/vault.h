/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * vault: the bytes of the vault file. A random master key MK, under which all
 * else is sealed, is wrapped by the password (Argon2id's root, computed by the
 * caller as a work job) and by a recovery key RK that its owner keeps as 24
 * words (words.h). docs/spec/vault.md has the layout.
 *
 * Owns nothing; callers keep MK in guarded memory (secret_new) and wipe roots
 *     and recovery keys as soon as they are used. Outputs are zeroed on errors.
 * Errors: ST_INTEGRITY: not a vault, damaged, or weaker than the floor;
 *     ST_VERSION: made by a newer version; ST_PASSWORD: another password (or
 *     words of another vault); ST_NO_MEMORY.
 * Order: new: fill params and random, password_root, vault_create. Open:
 *     vault_params_read, password_root with what it gave, vault_open. Change:
 *     vault_params_read of the old for vault_open, new salt, password_root,
 *     vault_change_password.
 */
#ifndef ENCLAVE_CORE_VAULT_VAULT_H
#define ENCLAVE_CORE_VAULT_VAULT_H

#include "base/fields.h"
#include "crypto/aead.h"
#include "crypto/password.h"

#define VAULT_KEY 32
#define VAULT_VERSION 1
#define VAULT_WRAP (XAEAD_NONCE + VAULT_KEY + AEAD_TAG)
#define VAULT_SIZE 262
#define VAULT_NONCES ((size_t)3 * XAEAD_NONCE)
/* Above these a file is not one of ours: nobody's altered file makes us work for hours. */
#define VAULT_PASSES_MAX 64
#define VAULT_MEMORY_MAX_KIB (4U * 1024 * 1024)

#define VAULT_FIELDS(X, M)        \
    X(M, FIX, magic, 8, 0)        \
    X(M, U16, version, 0, 0)      \
    X(M, U32, passes, 0, 0)       \
    X(M, U32, memory_kib, 0, 0)   \
    X(M, U32, lanes, 0, 0)        \
    X(M, FIX, salt, 16, 0)        \
    X(M, FIX, by_password, 72, 0) \
    X(M, FIX, by_words, 72, 0)    \
    X(M, FIX, words, 72, 0)       \
    X(M, FIX, check, 8, 0)
FIELDS_DECLARE(vault_file, VAULT_FIELDS);

struct vault_cost {
    uint32_t passes;
    uint32_t memory_kib;
};

struct vault_params {
    struct vault_cost cost;
    uint8_t salt[PASSWORD_SALT]; /* fresh for each new password */
};

/* floor: the weakest cost to accept; programs pass PASSWORD_FLOOR_*. Does not touch any key. */
enum status vault_params_read(struct bytes file, const struct vault_cost *floor,
                              struct vault_params *ret) MUST_USE;

/* mk, rk: 32 random bytes each, nonces: random. */
enum status vault_create(const struct vault_params *params, const uint8_t root[32],
                         const uint8_t mk[VAULT_KEY], const uint8_t rk[VAULT_KEY],
                         const uint8_t nonces[VAULT_NONCES], uint8_t ret_file[VAULT_SIZE]) MUST_USE;
enum status vault_open(struct bytes file, const uint8_t root[32],
                       uint8_t ret_mk[VAULT_KEY]) MUST_USE;
enum status vault_open_recovery(struct bytes file, const uint8_t rk[VAULT_KEY],
                                uint8_t ret_mk[VAULT_KEY]) MUST_USE;
/* The recovery key of an open vault: to show its words again, to test words against it. */
enum status vault_recovery_key(struct bytes file, const uint8_t mk[VAULT_KEY],
                               uint8_t ret_rk[VAULT_KEY]) MUST_USE;
/* The same MK and words under a new password: params and root are the new ones. */
enum status vault_change_password(struct bytes file, const uint8_t mk[VAULT_KEY],
                                  const struct vault_params *params, const uint8_t root[32],
                                  const uint8_t nonces[VAULT_NONCES],
                                  uint8_t ret_file[VAULT_SIZE]) MUST_USE;

/* Seed of the login key of a hosted account: reserved. */
void vault_auth_seed(const uint8_t root[32], uint8_t ret_seed[32]);

#endif
