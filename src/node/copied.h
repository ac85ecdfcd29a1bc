/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * copied: whether this home is the one that was used last, or a copy of it (a
 * restored backup, a disk that was copied). The place that the store tells
 * (node_options.place) is compared with the sealed one; where they differ, all
 * enclaves renew their keys before they speak, as somebody may have gone on
 * from where the copy was made, whatever the sentinel shows.
 *
 * Owns: the batch until copied_end. Errors: of keep. A commit that fails halts
 *     the enclaves; the next start notices again.
 * Order: copied_begin, copied_record for each record, copied_end; with one
 *     commit all marks are on disk, and the new place with them.
 */
#ifndef ENCLAVE_NODE_COPIED_H
#define ENCLAVE_NODE_COPIED_H

#include "node/node_private.h"

struct copied {
    struct node *node;
    struct keep_batch batch;
    bool news;   /* the place is not the sealed one, or none is sealed yet */
    bool copied; /* there is one, and it is another */
    size_t marked;
};

enum status copied_begin(struct copied *c, struct node *n) MUST_USE;
/* e: NULL if it did not load: it is marked when it does. */
void copied_record(struct copied *c, uint64_t slot, struct enclave *e);
/* whole: every record was looked at. */
void copied_end(struct copied *c, bool whole);
/* A group came into being in an enclave that was marked without one; b: the batch that saves it. */
void copied_entered(struct enclave *e, struct keep_batch *b);

#endif
