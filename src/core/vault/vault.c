/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "core/vault/vault.h"

#include "crypto/hash.h"

#include <string.h>

FIELDS_DEFINE(vault_file, VAULT_FIELDS);

#define MAGIC "ENCVAULT"
#define CHECK 8
#define HEADER 38 /* magic .. salt: what every wrap is sealed to */
#define LANES 1   /* Argon2's p, as libsodium has no other */

_Static_assert(HEADER + 3 * VAULT_WRAP + CHECK == VAULT_SIZE, "layout");

/* The last byte of a wrap's associated data, so that no wrap can stand in another's place. */
enum wrap { BY_PASSWORD = 1, BY_WORDS = 2, WORDS = 3 };

static void associated(struct bytes header, enum wrap which, uint8_t ret[HEADER + 1])
{
    memcpy(ret, header.p, HEADER);
    ret[HEADER] = (uint8_t)which;
}

static void wrap_seal(const uint8_t key[32], struct bytes header, enum wrap which,
                      const uint8_t nonce[XAEAD_NONCE], const uint8_t plain[VAULT_KEY],
                      uint8_t ret[VAULT_WRAP])
{
    uint8_t ad[HEADER + 1];
    associated(header, which, ad);
    memcpy(ret, nonce, XAEAD_NONCE);
    xaead_seal(key, nonce, BYTES_OF(ad), BYTES(plain, VAULT_KEY), ret + XAEAD_NONCE);
}

static enum status wrap_open(const uint8_t key[32], struct bytes header, enum wrap which,
                             const uint8_t wrap[VAULT_WRAP], uint8_t ret[VAULT_KEY])
{
    uint8_t ad[HEADER + 1];
    associated(header, which, ad);
    return xaead_open(key, wrap, BYTES_OF(ad), BYTES(wrap + XAEAD_NONCE, VAULT_WRAP - XAEAD_NONCE),
                      ret);
}

/* Tells a damaged file from a wrong password; against an attacker the wraps stand. */
static void check_of(struct bytes file, uint8_t ret[CHECK])
{
    uint8_t hash[SHA256_SIZE];
    SHA256_OF(hash, BYTES_LIT("ENCLAVE vault"), BYTES(file.p, VAULT_SIZE - CHECK));
    memcpy(ret, hash, CHECK);
}

static enum status file_read(struct bytes file, struct vault_file *ret)
{
    uint8_t check[CHECK];
    if (file.n < 10 || memcmp(file.p, MAGIC, 8) != 0) return ST_INTEGRITY;
    if (get_u16(file.p + 8) > VAULT_VERSION) return ST_VERSION;
    if (file.n != VAULT_SIZE || fields_decode(&vault_file_fields, file, ret) != ST_OK)
        return ST_INTEGRITY;
    check_of(file, check);
    if (memcmp(check, ret->check, CHECK) != 0) return ST_INTEGRITY;
    if (ret->version != VAULT_VERSION || ret->lanes != LANES || !ret->passes ||
        ret->passes > VAULT_PASSES_MAX || ret->memory_kib > VAULT_MEMORY_MAX_KIB)
        return ST_INTEGRITY;
    return ST_OK;
}

enum status vault_params_read(struct bytes file, const struct vault_cost *floor,
                              struct vault_params *ret)
{
    struct vault_file v;
    enum status st = file_read(file, &v);
    memset(ret, 0, sizeof *ret);
    if (st != ST_OK) return st;
    if (v.passes < floor->passes || v.memory_kib < floor->memory_kib) return ST_INTEGRITY;
    ret->cost = (struct vault_cost){v.passes, v.memory_kib};
    memcpy(ret->salt, v.salt, sizeof ret->salt);
    return ST_OK;
}

static void kek_of(const uint8_t root[32], uint8_t ret[32])
{
    EXPAND_OF(ret, root, BYTES_LIT("ENCLAVE kek v1"));
}

void vault_auth_seed(const uint8_t root[32], uint8_t ret_seed[32])
{
    EXPAND_OF(ret_seed, root, BYTES_LIT("ENCLAVE auth v1"));
}

enum status vault_create(const struct vault_params *params, const uint8_t root[32],
                         const uint8_t mk[VAULT_KEY], const uint8_t rk[VAULT_KEY],
                         const uint8_t nonces[VAULT_NONCES], uint8_t ret_file[VAULT_SIZE])
{
    struct vault_file v = {.version = VAULT_VERSION,
                           .passes = params->cost.passes,
                           .memory_kib = params->cost.memory_kib,
                           .lanes = LANES};
    struct buf out;
    uint8_t kek[32];
    enum status st;
    buf_init(&out, VAULT_SIZE);
    memset(ret_file, 0, VAULT_SIZE);
    memcpy(v.magic, MAGIC, sizeof v.magic);
    memcpy(v.salt, params->salt, sizeof v.salt);
    kek_of(root, kek);
    /* Once for the header that the wraps are sealed to, once more with them. */
    TRY(fields_encode(&vault_file_fields, &v, &out));
    struct bytes header = BYTES(out.p, HEADER);
    wrap_seal(kek, header, BY_PASSWORD, nonces, mk, v.by_password);
    wrap_seal(rk, header, BY_WORDS, nonces + XAEAD_NONCE, mk, v.by_words);
    wrap_seal(mk, header, WORDS, nonces + (size_t)2 * XAEAD_NONCE, rk, v.words);
    buf_clear(&out);
    TRY(fields_encode(&vault_file_fields, &v, &out));
    memcpy(ret_file, out.p, VAULT_SIZE);
    check_of(BYTES(ret_file, VAULT_SIZE), ret_file + VAULT_SIZE - CHECK);
out:
    bytes_wipe(kek, sizeof kek);
    buf_free(&out);
    return st;
}

enum status vault_open(struct bytes file, const uint8_t root[32], uint8_t ret_mk[VAULT_KEY])
{
    struct vault_file v;
    uint8_t kek[32];
    enum status st;
    memset(ret_mk, 0, VAULT_KEY);
    kek_of(root, kek);
    TRY(file_read(file, &v));
    if (wrap_open(kek, file, BY_PASSWORD, v.by_password, ret_mk) != ST_OK) st = ST_PASSWORD;
out:
    bytes_wipe(kek, sizeof kek);
    return st;
}

enum status vault_open_recovery(struct bytes file, const uint8_t rk[VAULT_KEY],
                                uint8_t ret_mk[VAULT_KEY])
{
    struct vault_file v;
    enum status st = file_read(file, &v);
    memset(ret_mk, 0, VAULT_KEY);
    if (st != ST_OK) return st;
    return wrap_open(rk, file, BY_WORDS, v.by_words, ret_mk) == ST_OK ? ST_OK : ST_PASSWORD;
}

enum status vault_recovery_key(struct bytes file, const uint8_t mk[VAULT_KEY],
                               uint8_t ret_rk[VAULT_KEY])
{
    struct vault_file v;
    enum status st = file_read(file, &v);
    memset(ret_rk, 0, VAULT_KEY);
    if (st != ST_OK) return st;
    return wrap_open(mk, file, WORDS, v.words, ret_rk) == ST_OK ? ST_OK : ST_INTEGRITY;
}

enum status vault_change_password(struct bytes file, const uint8_t mk[VAULT_KEY],
                                  const struct vault_params *params, const uint8_t root[32],
                                  const uint8_t nonces[VAULT_NONCES], uint8_t ret_file[VAULT_SIZE])
{
    uint8_t rk[VAULT_KEY];
    enum status st;
    memset(ret_file, 0, VAULT_SIZE);
    TRY(vault_recovery_key(file, mk, rk));
    TRY(vault_create(params, root, mk, rk, nonces, ret_file));
out:
    bytes_wipe(rk, sizeof rk);
    return st;
}
