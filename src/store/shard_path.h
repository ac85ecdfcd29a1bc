/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * shard_path: names and single files of shard_fs; blocking, called by its workers.
 *
 * Owns nothing. Errors: ST_NOT_FOUND, ST_NO_SPACE, ST_INTEGRITY (a file that is not shaped
 *     like a shard), ST_LOOSE_MODE, ST_IO, ST_TOO_BIG (directory name too long). Order: none.
 */
#ifndef ENCLAVE_STORE_SHARD_PATH_H
#define ENCLAVE_STORE_SHARD_PATH_H

#include "core/ports/shard_store.h"

#define SHARD_PATH_MAX 4096

enum status shard_errno(int e) MUST_USE;
enum status shard_write_all(int fd, const uint8_t *p, size_t n, uint64_t offset) MUST_USE;

enum status shard_path(const char *dir, const struct shard_key *key,
                       char ret[SHARD_PATH_MAX]) MUST_USE;
enum status shard_path_temp(const char *dir, const struct shard_key *key, uint64_t number,
                            char ret[SHARD_PATH_MAX]) MUST_USE;
/* Makes the directories that the shard's file stands in, durably. */
enum status shard_path_parents(const char *dir, const struct shard_key *key) MUST_USE;
/* Takes away those of these directories that are empty: a tag whose last shard is gone leaves no
 * trace. Another worker may make them at the same moment: see put_file. */
void shard_path_prune(const char *dir, const struct shard_key *key);
bool shard_same_dir(const struct shard_key *a, const struct shard_key *b);
enum status shard_dir_sync(const char *dir, const struct shard_key *key) MUST_USE;
/* Free bytes above the floor; ST_NO_SPACE when there are none. */
enum status shard_path_room(const char *dir, uint64_t floor, uint64_t *ret_free) MUST_USE;

enum status shard_file_info(const char *path, struct shard_info *ret) MUST_USE;
enum status shard_file_read(const char *path, uint64_t offset, uint8_t *to, size_t n) MUST_USE;

/* Makes dir (0700) or checks that nobody else can read it. */
enum status shard_root_open(const char *dir) MUST_USE;
/* Every committed shard (of one tag, or tag NULL: of all, and then leftovers are removed). */
typedef bool shard_seen(void *arg, const struct shard_key *key, uint64_t bytes, uint64_t stored_ms);
enum status shard_scan(const char *dir, const uint8_t *tag, shard_seen *seen, void *arg) MUST_USE;

#endif
