/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * place: whether a database file is the very one that was written last, or a
 * copy that was put in its place (a restored backup). Two signs:
 *
 *  - where the file is: machine, inode number, birth time. Not the device,
 *    whose number changes from boot to boot. A copied file has another inode,
 *    a renamed directory keeps it.
 *  - a count of the batches that were written to it, in a row and beside it as
 *    an extended attribute of the file. With each batch the row comes first,
 *    on disk, then the attribute: a row behind it is of an older database, whose
 *    bytes were copied over the file. An attribute behind the row is a crash,
 *    or a disk that took no attribute. The count is the attribute's name, so
 *    that a copy over the file, attributes and all, does not take the newer one
 *    away; the highest one counts.
 *
 * Both become 32 bytes, `id`, that stay the same as long as nothing was put
 * back. What was put back shows other bytes, from then on: `since` is part of
 * them and stands in the row. Where there are no attributes (or no birth times)
 * that sign is missing and does no harm. Not noticed: a snapshot of the whole
 * file system or machine that is rolled back; who writes row and attribute.
 *
 * Owns nothing; fd stays the caller's and must stay open: closing any
 *     descriptor of a database file drops SQLite's locks on it.
 * Errors: none. A row of a wrong size is one that was put back.
 * Order: place_look once, before anything is written. Then for each batch:
 *     place_row (into the batch), and place_mark once that is on disk.
 */
#ifndef ENCLAVE_STORE_PLACE_H
#define ENCLAVE_STORE_PLACE_H

#include "base/bytes.h"

#define PLACE_ROW 17 /* count u64 | since u64 | marked u8 */
/* And 12 hex digits; no value. So short that two of them stand inside an inode of ext4: a block of their
 * own would have to be found and freed with each batch. */
#define PLACE_ATTRIBUTE "user.enclave."

struct place {
    uint64_t count;  /* of the last batch */
    uint64_t since;  /* count when a copy was last noticed; 0: never */
    bool marked;     /* the attribute is on disk: it cannot be missing at the next start */
    uint64_t beside; /* count in the attribute that place_mark wrote; 0: none yet */
    bool copied;     /* noticed by place_look */
    uint8_t id[32];
};

/* row: as it was found; empty: none. */
void place_look(struct place *p, int fd, struct bytes row);
/* The row of the next batch. A batch that fails may be followed by another one. */
void place_row(struct place *p, uint8_t ret[PLACE_ROW]);
void place_mark(struct place *p, int fd);

#endif
