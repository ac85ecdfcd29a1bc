/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * holder: the rules of a shard keeper: one struct holder an enclave, one struct
 * holder_session a link. Whoever the link layer let in may ask for anything;
 * what is asked is bounded, and what is stored is checked: the
 * trailer must fit the units that came, its path must lead to the
 * segment root that the tree names (where it names one), and only then, when
 * the shard is durable, comes the acknowledgement. A shard that the tree
 * needs is not dropped on request.
 *
 * Owns: a session copies each unit once, into the memory that the store then
 *     writes from. Borrows store, work and the callbacks.
 * Errors: holder_frame: ST_BAD_MESSAGE, ST_PROTOCOL, ST_TOO_BIG: the other side
 *     does not keep to the rules: close its link. What is wrong with the
 *     thing asked goes back to it as HOLDER_STATUS.
 * Order: holder_new, holder_open a link, frame and writable*, holder_close.
 *     holder_free after all are closed; it frees when the last callback of the
 *     store is in.
 * Thread: loop thread.
 */
#ifndef ENCLAVE_CORE_HOLDER_HOLDER_H
#define ENCLAVE_CORE_HOLDER_HOLDER_H

#include "core/holder/wire.h"
#include "core/ports/work.h"

#define HOLDER_PUTS_MAX 128     /* columns being written, a session */
#define HOLDER_UNITS_MAX 128    /* units in memory before reading stops: 8 MiB a session */
#define HOLDER_READS_MAX 64     /* reads under way, a session */
#define HOLDER_ASKS_MAX 256     /* other requests under way, a session */
#define HOLDER_TREES_MAX 2      /* of them TREE, which read a whole column */
#define HOLDER_REPLIES_MAX 1024 /* waiting for a link that takes none; then it is closed */

struct holder_config {
    struct shard_store store;
    struct work work;
    uint8_t tag[SHARD_TAG];
    uint64_t quota; /* 0: none */
    /* May be NULL; as in node/hold/hold.h. needed: judged now. */
    bool (*root_of)(void *ctx, const uint8_t segment_id[SHARD_ID], uint8_t ret_root[32]);
    bool (*needed)(void *ctx, const uint8_t segment_id[SHARD_ID]);
    void *ctx;
};

struct holder_wire {
    enum status (*send)(void *ctx, uint8_t type, struct bytes payload);
    void (*pause)(void *ctx, bool stop);
    void *ctx;
};

struct holder;
struct holder_session;

struct holder *holder_new(const struct holder_config *c); /* NULL: no memory */
void holder_free(struct holder *h);
/* Bytes kept under this tag. The caller counts in what the store lists at start, and sets the sum
 * anew when it lists again: a shard that is put a second time is counted twice until then. */
void holder_count(struct holder *h, uint64_t bytes, bool gone);
void holder_recount(struct holder *h, uint64_t used);
uint64_t holder_used(const struct holder *h);
/* From the next column on; 0: none. */
void holder_quota(struct holder *h, uint64_t quota);

struct holder_session *holder_open(struct holder *h, const struct holder_wire *wire);
enum status holder_frame(struct holder_session *s, uint8_t type, struct bytes payload) MUST_USE;
void holder_writable(struct holder_session *s);
void holder_close(struct holder_session *s);

#endif
