/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * early: words before they are in the feed (docs/spec/link.md, "Handed over
 * early"). Our small entries of feed 1 go to the members who are linked with
 * us, the identical bytes; theirs are opened without spending anything, kept
 * in memory and shown as not yet settled, until the feed brings them.
 *
 * Owns: the list below; what is in it is on no disk. Errors: none is told: what
 *     does not fit, open or count is left to the feed.
 * Order: early_offer after each commit of words, early_settles before an entry
 *     of the feed is shown. Other entry points are in node/enclave/enclave.h.
 */
#ifndef ENCLAVE_NODE_EARLY_H
#define ENCLAVE_NODE_EARLY_H

#include "node/post/post.h"

#define EARLY_FRAME 0x12    /* of a link between members: EARLY_FIELDS */
#define EARLY_SIZE_MAX 2048 /* larger ones, all private words among them, go by the room alone */
#define EARLY_WAITING 16 /* none while more than so many entries wait: then the room is as quick */
#define EARLY_MESH 16    /* in enclaves of more members no link is opened for words */
#define EARLY_PEER 32    /* entries of one member kept: as many as its chain's window has places */
#define EARLY_ALL 256
#define EARLY_WAIT_MS 60000  /* then it is told that it has not come */
#define EARLY_KEEP_MS 900000 /* then it is forgotten */

#define EARLY_FIELDS(X, M) X(M, TAIL, sealed, EARLY_SIZE_MAX, 0)
FIELDS_DECLARE(early_frame, EARLY_FIELDS);

struct early_entry {
    struct early_entry *next; /* younger */
    uint64_t number;          /* of its event */
    uint64_t epoch, n;        /* place in its author's chain */
    uint64_t time_ms, wall_ms, since_ms;
    uint16_t leaf;
    uint8_t uuid[16];
    uint8_t hint[8];
    bool told; /* that it has not come */
    bool mentions_us, answers;
    uint64_t reply;
    uint32_t lasts_s;
    struct buf text, path;
};

/* What is new in the outbox goes to the members who are linked. */
void early_offer(struct enclave *e);
/* A member's entry is in the feed: it is no longer early; what has lost its place never comes. */
void early_settles(struct enclave *e, const struct mail_message *m);

#endif
