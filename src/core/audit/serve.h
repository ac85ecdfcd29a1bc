/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * serve: a holder's side of an audit. A challenge has the whole column read and
 * hashed again, so that any rot in it is found; when the column is not what was
 * stored the holder says so, signed, and a repair begins. What it signs it has
 * checked: it never makes a proof against itself by accident, nor for somebody
 * whose list names another segment root.
 *
 * Owns: the server, its jobs and the answers that wait for a link. Borrows
 *     store, work and the callbacks, which outlive the last job.
 * Errors: audit_server_frame: ST_BAD_MESSAGE, ST_PROTOCOL (counts or waits out
 *     of bounds): close that link.
 * Order: audit_server_new, frame and writable*, audit_server_gone a link,
 *     audit_server_free (jobs that run end into nothing).
 * Thread: loop thread.
 */
#ifndef ENCLAVE_CORE_AUDIT_SERVE_H
#define ENCLAVE_CORE_AUDIT_SERVE_H

#include "core/audit/audit.h"
#include "core/ports/work.h"

#define AUDIT_SERVE_JOBS 4    /* columns in memory at once: 8 MiB */
#define AUDIT_SERVE_BURST 96  /* challenges of one asker at once, and */
#define AUDIT_SERVE_HOUR 96   /* as many an hour */
#define AUDIT_SERVE_WAITING 8 /* answers that wait for one link */
#define AUDIT_ASKERS_MAX 512

struct audit_server;

struct audit_server_config {
    struct shard_store store;
    struct work work;
    uint8_t tag[SHARD_TAG];
    uint8_t place[32];                                                    /* audit_statement */
    void (*sign)(void *ctx, struct bytes statement, uint8_t ret_sig[64]); /* "ENCLAVE-AUDIT" */
    /* May be NULL. Whether a column may be taken into memory beside what other servers have there. */
    bool (*room)(void *ctx);
    /* ST_BUSY: try again at audit_server_writable. */
    enum status (*send)(void *ctx, uint16_t asker, uint8_t type, struct bytes payload);
    void *ctx;
};

struct audit_server *audit_server_new(const struct audit_server_config *c); /* NULL: no memory */
void audit_server_free(struct audit_server *s);
enum status audit_server_frame(struct audit_server *s, uint16_t asker, struct bytes payload,
                               uint64_t now_ms) MUST_USE;
void audit_server_writable(struct audit_server *s, uint16_t asker);
void audit_server_gone(struct audit_server *s, uint16_t asker);
unsigned audit_server_jobs(const struct audit_server *s); /* columns in memory */

#endif
