/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * keep: the node's state on disk, as sealed rows behind the kv port. Writes
 * are gathered in a batch and committed together: what belongs together is
 * there together after a crash.
 *
 * Owns: a batch owns its sealed bytes until keep_commit or keep_drop.
 * Errors: get, scan: of kv, and ST_BAD_SEAL/ST_INTEGRITY for altered rows. A
 *     batch that ran out of memory says so at keep_commit.
 * Order: keep_start, then batches: keep_begin, keep_put/erase*, keep_commit.
 */
#ifndef ENCLAVE_NODE_KEEP_H
#define ENCLAVE_NODE_KEEP_H

#include "base/env.h"
#include "core/ports/kv.h"
#include "core/vault/rows.h"

struct keep {
    const struct env *env;
    struct kv kv;
    struct rows *rows; /* guarded */
};

struct keep_space {
    uint8_t id[KV_SPACE];
};

struct keep_batch {
    struct keep *keep;
    struct kv_write *writes;
    size_t n, room;
    size_t bytes; /* that are put */
    bool bad;
};

typedef bool keep_visit(void *arg, uint64_t n, struct bytes plain); /* false stops */

enum status keep_start(struct keep *k, const struct env *env, const struct kv *kv,
                       const uint8_t mk[32]) MUST_USE;
void keep_stop(struct keep *k);
struct keep_space keep_space(const struct keep *k, const char *label, struct bytes tag);

enum status keep_get(struct keep *k, const struct keep_space *s, uint64_t n,
                     struct buf *ret) MUST_USE;
enum status keep_scan(struct keep *k, const struct keep_space *s, uint64_t from, keep_visit *visit,
                      void *arg) MUST_USE;
enum status keep_last(struct keep *k, const struct keep_space *s, uint64_t *ret_n) MUST_USE;

void keep_begin(struct keep_batch *b, struct keep *k);
void keep_put(struct keep_batch *b, const struct keep_space *s, uint64_t n, struct bytes plain);
void keep_erase(struct keep_batch *b, const struct keep_space *s, uint64_t n);
void keep_erase_below(struct keep_batch *b, const struct keep_space *s, uint64_t n);
void keep_erase_space(struct keep_batch *b, const struct keep_space *s);
/* Takes the batch in any case. Refused at once: the status, and done does not run. */
enum status keep_commit(struct keep_batch *b, kv_done *done, void *arg) MUST_USE;
void keep_drop(struct keep_batch *b);

#endif
