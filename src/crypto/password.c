/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "crypto/password.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

enum status argon2id(struct bytes password, const uint8_t salt[PASSWORD_SALT], uint32_t passes,
                     uint32_t memory_kib, uint8_t *ret, size_t n)
{
    memset(ret, 0, n);
    if (passes < crypto_pwhash_OPSLIMIT_MIN || memory_kib < crypto_pwhash_MEMLIMIT_MIN / 1024 ||
        n < crypto_pwhash_BYTES_MIN || password.n > crypto_pwhash_PASSWD_MAX)
        return ST_USAGE;
    _Static_assert(PASSWORD_SALT == crypto_pwhash_SALTBYTES, "salt");
    /* libsodium takes the memory by mmap and unmaps it before it returns; the parameters are
     * right, so the only failure left is no memory. */
    const char *text = password.n ? (const char *)password.p : "";
    if (crypto_pwhash(ret, n, text, password.n, salt, passes, (size_t)memory_kib * 1024,
                      crypto_pwhash_ALG_ARGON2ID13) != 0)
        return ST_NO_MEMORY;
    return ST_OK;
}

enum status password_root(struct bytes password, const uint8_t salt[PASSWORD_SALT], uint32_t passes,
                          uint32_t memory_kib, uint8_t ret_root[32])
{
    memset(ret_root, 0, 32);
    if (!password.n || password.n > PASSWORD_MAX) return ST_USAGE;
    /* NFKC of PASSWORD_MAX bytes: utf8proc decomposes into at most 18 code points each. */
    utf8proc_uint8_t *text = NULL;
    utf8proc_ssize_t n =
        utf8proc_map(password.p, (utf8proc_ssize_t)password.n, &text,
                     (utf8proc_option_t)(UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT));
    if (n == UTF8PROC_ERROR_NOMEM) return ST_NO_MEMORY;
    if (n <= 0 || !text) {
        free(text);
        return ST_USAGE;
    }
    enum status st = argon2id(BYTES(text, n), salt, passes, memory_kib, ret_root, 32);
    bytes_wipe(text, (size_t)n);
    free(text);
    return st;
}
