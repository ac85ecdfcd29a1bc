/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * kv: the port through which a daemon keeps its state. A row is (space, n) ->
 * value. Space is a keyed hash and value is sealed before they get here
 * (core/vault/rows.h): the store learns no name. Real: store/kv_sqlite.
 * Simulator: memory that forgets what was not committed when it crashes.
 *
 * Owns: the store copies what commit is given before it returns.
 * Errors: get: ST_NOT_FOUND; get and last append to ret. scan of a space without
 *     rows is ST_OK. commit's result comes by its callback: ST_NO_SPACE,
 *     ST_IO; nothing of the batch is kept then.
 * Order: commits are applied whole and in the order of the calls; done never
 *     runs inside kv_commit, and only after the batch is on disk (fsync).
 *     Reads see at least everything whose done has run.
 * Thread: all calls and callbacks on the loop thread.
 */
#ifndef ENCLAVE_CORE_PORTS_KV_H
#define ENCLAVE_CORE_PORTS_KV_H

#include "base/bytes.h"

#define KV_SPACE 16
#define KV_VALUE_MAX ((size_t)2 << 20)

enum kv_verb {
    KV_PUT,
    KV_DROP,       /* the row (space, n) */
    KV_DROP_BELOW, /* every row of space with a number < n */
    KV_DROP_SPACE  /* every row of space; n is not used */
};

struct kv_write {
    enum kv_verb verb;
    uint8_t space[KV_SPACE];
    uint64_t n;
    struct bytes value; /* KV_PUT only */
};

typedef void kv_done(void *arg, enum status st);
/* Returns false to stop the scan. value is valid during the call. */
typedef bool kv_visit(void *arg, uint64_t n, struct bytes value);

struct kv_ops {
    enum status (*get)(void *ctx, const uint8_t space[KV_SPACE], uint64_t n, struct buf *ret);
    /* Rows of space from number `from` upwards in ascending order. */
    enum status (*scan)(void *ctx, const uint8_t space[KV_SPACE], uint64_t from, kv_visit *visit,
                        void *arg);
    /* The last row of space: ST_NOT_FOUND if there is none. ret may be NULL. */
    enum status (*last)(void *ctx, const uint8_t space[KV_SPACE], uint64_t *ret_n, struct buf *ret);
    enum status (*commit)(void *ctx, const struct kv_write *writes, size_t n, kv_done *done,
                          void *arg);
};

struct kv {
    const struct kv_ops *ops;
    void *ctx;
};

#endif
