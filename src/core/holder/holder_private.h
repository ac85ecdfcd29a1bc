/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * holder_private: the inside of holder, shared by its files: session (frames,
 * replies, small requests), puts, reads.
 *
 * Owns: see holder.h. Errors: as there. Order: none.
 */
#ifndef ENCLAVE_CORE_HOLDER_PRIVATE_H
#define ENCLAVE_CORE_HOLDER_PRIVATE_H

#include "base/sm.h"
#include "core/holder/holder.h"

struct holder {
    struct holder_config c;
    uint64_t used;
    size_t sessions; /* not yet freed */
    bool freed;
};

enum holder_put_state { PUT_STATE_OPEN, PUT_STATE_COMMIT, PUT_STATE_STORE, PUT_STATE_DEAD };

/* A column being written. */
struct holder_put {
    struct holder_put *next;
    struct holder_session *s;
    struct sm sm;
    uint32_t req;
    struct shard_put *store;
    struct shard_key key;
    uint8_t k;
    uint8_t n;
    uint32_t rows; /* as committed */
    uint32_t got;  /* bit r: row r came */
    unsigned running;
    enum status st;
    uint8_t trailer[SHARD_TRAILER_MAX];
    size_t trailer_len;
    uint8_t leaves[HOLDER_LEAVES_MAX * 32];
};

/* A reply that waits for the link. */
struct holder_reply {
    struct holder_reply *next;
    uint8_t type;
    size_t n;
    uint8_t bytes[];
};

struct holder_session {
    struct holder *h;
    struct holder_wire wire;
    bool closed;
    bool paused;
    size_t pending; /* callbacks of store or work still to come */
    unsigned puts_n;
    unsigned units;
    unsigned reads_n;
    unsigned asks;
    unsigned trees;
    struct holder_put *puts;
    struct holder_serve *reads;
    unsigned replies; /* in the list */
    struct holder_reply *first;
    struct holder_reply **last;
};

/* One callback fewer; frees a closed session with the last. */
void serve_release(struct holder_session *s);
void serve_reply(struct holder_session *s, uint8_t type, const struct fields *f, const void *msg);
void serve_status(struct holder_session *s, uint32_t req, enum status st);

enum status serve_put_open(struct holder_session *s, struct bytes payload) MUST_USE;
enum status serve_put_unit(struct holder_session *s, struct bytes payload) MUST_USE;
enum status serve_put_commit(struct holder_session *s, struct bytes payload) MUST_USE;
enum status serve_put_abandon(struct holder_session *s, struct bytes payload) MUST_USE;
void serve_puts_close(struct holder_session *s);

enum status serve_read_start(struct holder_session *s, struct bytes payload) MUST_USE;
enum status serve_read_stop(struct holder_session *s, struct bytes payload) MUST_USE;
void serve_reads_writable(struct holder_session *s);
void serve_reads_close(struct holder_session *s);
enum status serve_tree_start(struct holder_session *s, struct bytes payload) MUST_USE;

#endif
