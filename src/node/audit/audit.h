/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * audit: this member asks the other holders of an enclave, members and storage
 * nodes, for random leaves of what they keep, answers when it is asked, and keeps what it learned: a score
 * and the measured availability of each holder, its faults with their causes,
 * and numbered rows that go to feed 3 for everybody.
 *
 * Owns: struct audit, made with the shelf and freed before it. Borrows the
 *     enclave.
 * Errors: what a holder does wrong is its fault, kept and told; ours are told
 *     by enclave_trouble.
 * Order: enclave_audit_load when the shelf is there, then frames, peers and
 *     ticks; enclave_audit_free.
 * Thread: loop thread.
 */
#ifndef ENCLAVE_NODE_AUDIT_AUDIT_H
#define ENCLAVE_NODE_AUDIT_AUDIT_H

#include "core/audit/receipt.h"
#include "core/audit/serve.h"
#include "node/enclave/enclave.h"
#include "node/node_storage.h"

#define AUDIT_HOUR_MS UINT64_C(3600000)
#define AUDIT_FIRST_MS UINT64_C(300000)         /* after the start, and up to */
#define AUDIT_FIRST_SPREAD_MS UINT64_C(1500000) /* so much more */
#define AUDIT_ROUNDS 4                          /* holders asked at once */
#define AUDIT_WINDOW 2                          /* challenges on the way to one of them */
#define AUDIT_WAIT_MS 30000                     /* for an answer */
#define AUDIT_LINK_MS 20000                     /* for a link to a holder that is there */
#define AUDIT_BUSY_MS 1000                      /* "busy": asked again after */
#define AUDIT_BUSY_MAX 30                       /* so often */
#define AUDIT_TRIES 2
#define AUDIT_FAULTS_MAX 64 /* kept of one holder, the newest */
#define AUDIT_DAYS 30
#define AUDIT_PUBLISH_MS \
    (UINT64_C(6) * 3600 * 1000)        /* rows wait so long for others to come along */
#define AUDIT_PROOFS_DAY 24            /* that we show about one holder in a day */
#define AUDIT_PROOFS_MAX 64            /* waiting for feed 3 */
#define AUDIT_TURN_MS UINT64_C(600000) /* between those who may write the daily sum */
#define AUDIT_LOST_AGAIN_MS (UINT64_C(24) * 3600 * 1000)

/* 1.0 sound .. 0.0; 0.75 for one that nobody knows. */
double enclave_score(const struct enclave *e, uint16_t holder);
/* Share of looks in 30 days at which it was there; 0.9 for one that nobody knows. */
double enclave_availability(const struct enclave *e, uint16_t holder);

enum status enclave_audit_load(struct enclave *e) MUST_USE;
void enclave_audit_free(struct enclave *e);
void enclave_audit_shred(struct enclave *e, struct keep_batch *b);
/* true: the frame was one of audit's. */
bool enclave_audit_frame(struct enclave *e, uint16_t leaf, uint8_t type, struct bytes payload);
/* A storage node's answer; what is not allowed is the caller's to end. */
enum status enclave_audit_answer(struct enclave *e, uint16_t number, struct bytes payload) MUST_USE;
void enclave_audit_peer(struct enclave *e, uint16_t leaf, bool up);
void enclave_audit_writable(struct enclave *e, uint16_t leaf);
bool enclave_audit_busy(const struct enclave *e, uint16_t leaf);
void enclave_audit_tick(struct enclave *e, uint64_t now_ms);
uint64_t enclave_audit_next_ms(const struct enclave *e);
/* An entry of feed 3. ST_PENDING: feed 0 must be read further first. */
enum status enclave_audit_entry(struct enclave *e, uint64_t index, struct bytes sealed,
                                bool last_word, struct keep_batch *b) MUST_USE;
/* The sum of feed 3 for the ledger; day: of its end. ST_NOT_FOUND: there is nothing to sum up, or somebody was
 * first. */
enum status enclave_audit_digest(struct enclave *e, uint32_t day, const struct group_now *now,
                                 struct group_draft *ret) MUST_USE;
void enclave_audit_all(struct enclave *e); /* everybody is asked now */
void enclave_audit_up(struct enclave *e);  /* attached and synced */
void enclave_audit_down(struct enclave *e);

#endif
