/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * vault_file: where core/vault's bytes live: HOME/vault, mode 0600 in a
 * directory of mode 0700, replaced whole or not at all.
 *
 * Owns nothing. Errors: ST_NOT_FOUND (no vault yet), ST_EXISTS (create over
 *     one), ST_LOOSE_MODE, ST_TOO_BIG (not a vault), ST_DENIED, ST_NO_SPACE, ST_IO.
 *     Blocks for a moment on the disk.
 */
#ifndef ENCLAVE_STORE_VAULT_FILE_H
#define ENCLAVE_STORE_VAULT_FILE_H

#include "base/bytes.h"

#define VAULT_FILE_NAME "vault"
#define VAULT_FILE_MAX 4096

/* home is made (0700) if it is missing. */
enum status vault_file_create(const char *home, struct bytes file) MUST_USE;
enum status vault_file_replace(const char *home, struct bytes file) MUST_USE;
enum status vault_file_read(const char *home, struct buf *ret) MUST_USE;

#endif
