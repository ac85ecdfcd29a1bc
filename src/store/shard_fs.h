/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * shard_fs: core/ports/shard_store.h in a directory, one file a shard:
 *     DIR/<tag hex>/<first id byte>/<id hex>-<index hex>
 * What is not committed has the suffix .tmp<number> and is removed when the
 * store is opened. Files 0600, directories 0700. Work runs on libuv's threads;
 * commits that wait while a batch is made durable form the next batch.
 *
 * Owns: its memory and descriptors until shard_fs_close has called back.
 * Errors: shard_fs_open: ST_IO, ST_LOOSE_MODE (DIR can be read by others),
 *     ST_NO_MEMORY. The rest as the port says.
 * Order: shard_fs_open, calls of the port, shard_fs_close. The holder must have
 *     committed or abandoned every put before close.
 * Thread: loop thread of the given loop.
 */
#ifndef ENCLAVE_STORE_SHARD_FS_H
#define ENCLAVE_STORE_SHARD_FS_H

#include "core/ports/shard_store.h"

#include <uv.h>

#define SHARD_FS_FLOOR (UINT64_C(256) << 20) /* default free space left to the machine */

struct shard_fs;

/* dir is created if it is missing. Scans it: takes about a second for 100 000 shards. */
enum status shard_fs_open(uv_loop_t *loop, const char *dir, uint64_t floor,
                          struct shard_fs **ret) MUST_USE;
struct shard_store shard_fs_store(struct shard_fs *fs);
/* Waits for what runs (on the loop), then frees and calls closed. */
void shard_fs_close(struct shard_fs *fs, void (*closed)(void *arg), void *arg);

#endif
