/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * circuit: flow control of one byte stream that two seats of a room run through
 * the sentinel. The sentinel forwards DATA, CREDIT and CLOSE without looking;
 * a member link (TLS, end to end) runs inside, as a link_pipe. Who sends DATA
 * has been given credit for it; credit is given back when the bytes were taken.
 *
 * Owns: the bytes waiting for credit until circuit_free (at most CIRCUIT_QUEUE).
 * Errors: circuit_write: ST_BUSY (nothing was taken), ST_CLOSED. circuit_data,
 *     circuit_credit: ST_PROTOCOL when the other side sent more than its credit,
 *     or credit past the window: the circuit is dead then and says CLOSE.
 * Order: circuit_init on both ends with the same constants; circuit_output
 *     until CIRCUIT_NONE after every other call; a DATA view lives until the
 *     next call.
 */
#ifndef ENCLAVE_LINK_CIRCUIT_H
#define ENCLAVE_LINK_CIRCUIT_H

#include "base/bytes.h"

#define CIRCUIT_CHUNK ((size_t)64 << 10)   /* most bytes of one DATA */
#define CIRCUIT_WINDOW ((size_t)256 << 10) /* bytes in flight each way */
#define CIRCUIT_CREDIT ((size_t)64 << 10)  /* taken bytes after which credit is given back */
#define CIRCUIT_QUEUE ((size_t)2 << 20)    /* bytes waiting for credit */

enum circuit_say { CIRCUIT_NONE, CIRCUIT_DATA, CIRCUIT_GIVE, CIRCUIT_END };

struct circuit_output {
    struct bytes data; /* CIRCUIT_DATA */
    uint32_t credit;   /* CIRCUIT_GIVE */
    enum status why;   /* CIRCUIT_END: ST_OK after circuit_eof, else the fault */
};

struct circuit {
    struct buf queue;
    size_t from;     /* bytes of queue that were sent */
    size_t may_send; /* credit we have */
    size_t may_come; /* credit they have */
    size_t untaken;  /* bytes that came and were not yet taken */
    size_t owed;     /* taken bytes whose credit was not yet given back */
    bool ending;     /* our END follows the queue */
    bool end_said;
    bool end_heard;
    enum status why;
};

void circuit_init(struct circuit *c);
void circuit_free(struct circuit *c);
size_t circuit_room(const struct circuit *c); /* bytes circuit_write would take */
enum status circuit_write(struct circuit *c, struct bytes in) MUST_USE;
void circuit_eof(struct circuit *c);                    /* END after what was written */
void circuit_abort(struct circuit *c, enum status why); /* END now */
enum circuit_say circuit_output(struct circuit *c, struct circuit_output *ret);

/* DATA came: the caller hands the same bytes to its pipe and says circuit_taken when used up. */
enum status circuit_data(struct circuit *c, struct bytes in) MUST_USE;
void circuit_taken(struct circuit *c, size_t n);
enum status circuit_credit(struct circuit *c, uint32_t n) MUST_USE;
void circuit_end(struct circuit *c); /* END came: nothing is sent any more */
bool circuit_over(const struct circuit *c);

#endif
