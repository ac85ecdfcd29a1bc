/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * frame: the frame layer of every link (docs/spec/link.md):
 * type u8 | length of the payload u32 | payload, at most LINK_FRAME_MAX bytes
 * in all. The reader takes bytes in any split and yields frames in place.
 *
 * Owns: a reader owns its buffer until frame_reader_free, which wipes it. A
 *     frame's payload points into it and lives until the next call on the reader.
 * Errors: frame_next: ST_TOO_BIG for a length over the maximum, and for ever
 *     after; ST_PENDING while no whole frame is there. frame_space gives NULL
 *     when out of memory.
 * Order: frame_space, write there, frame_filled; then frame_next until it does
 *     not give ST_OK. What is allocated grows with what arrived, never with
 *     what a header promises.
 */
#ifndef ENCLAVE_LINK_FRAME_H
#define ENCLAVE_LINK_FRAME_H

#include "core/ports/link.h"
#include "link/spare.h"

#define FRAME_HEADER 5
#define FRAME_PAYLOAD_MAX (LINK_FRAME_MAX - FRAME_HEADER)
#define FRAME_READ_MIN ((size_t)16 << 10) /* frame_space offers at least this much */

struct frame {
    uint8_t type;
    struct bytes payload;
};

struct frame_reader {
    struct spare *spare; /* where buffers come from; NULL: malloc */
    uint8_t *p;
    size_t from; /* first byte not yet yielded */
    size_t n;    /* end of what arrived */
    size_t cap;
    size_t used; /* most that was ever written of it: what is wiped */
    bool bad;
};

void frame_reader_init(struct frame_reader *r, struct spare *spare); /* spare: may be NULL */
void frame_reader_free(struct frame_reader *r);
uint8_t *frame_space(struct frame_reader *r, size_t *ret_room);
void frame_filled(struct frame_reader *r, size_t n);
enum status frame_next(struct frame_reader *r, struct frame *ret) MUST_USE;
/* Copies bytes in: for carriers that hand over views. ST_NO_MEMORY. */
enum status frame_put(struct frame_reader *r, struct bytes in) MUST_USE;

/* Nothing is under way: gives the buffer back, or keeps no more than what is in it needs. A large one
 * stays: bulk has pauses, too. */
void frame_rest(struct frame_reader *r);
/* Gives the buffer back if nothing is in it, however large. */
void frame_trim(struct frame_reader *r);

void frame_header(uint8_t type, size_t payload, uint8_t ret[FRAME_HEADER]);

#endif
