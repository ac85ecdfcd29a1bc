/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * hello: the messages of the link itself, frame types 0x01 to 0x0F. HELLO is the
 * first frame on every link, both ways; what runs above begins at LINK_APP.
 * A later version may put more into `more`: version 1 skips it.
 *
 * Owns nothing. Errors: hello_meet: ST_VERSION when the ranges do not meet.
 * Order: none. HELLO's first two bytes are the range of versions for ever.
 */
#ifndef ENCLAVE_LINK_HELLO_H
#define ENCLAVE_LINK_HELLO_H

#include "base/fields.h"

#define LINK_VERSION 1
#define LINK_HELLO 0x01
#define LINK_PING 0x02
#define LINK_PONG 0x03
#define LINK_CLOSE 0x04
#define LINK_APP 0x10 /* first type that a caller of the port may send */
#define LINK_APP_LAST 0x7F
#define HELLO_MORE_MAX 1024
#define HELLO_SIZE 50 /* with an empty `more` */
#define CLOSE_TEXT_MAX 120

#define HELLO_FIELDS(X, M)        \
    X(M, U8, version_min, 0, 0)   \
    X(M, U8, version_max, 0, 0)   \
    X(M, U32, capabilities, 0, 0) \
    X(M, U64, ledger_size, 0, 0)  \
    X(M, FIX, ledger_head, 32, 0) \
    X(M, U16, datagram_max, 0, 0) \
    X(M, VAR16, more, HELLO_MORE_MAX, 0)
FIELDS_DECLARE(hello, HELLO_FIELDS);

#define PING_FIELDS(X, M) X(M, U64, number, 0, 0)
FIELDS_DECLARE(ping, PING_FIELDS);

#define CLOSE_FIELDS(X, M) \
    X(M, U8, code, 0, 0)   \
    X(M, VAR8, text, CLOSE_TEXT_MAX, 0)
FIELDS_DECLARE(link_bye, CLOSE_FIELDS);

/* What CLOSE says; numbers are wire, never reused. */
enum close_code {
    CLOSE_DONE = 0,     /* the owner of the link is through with it */
    CLOSE_VERSION = 1,  /* no common version */
    CLOSE_PROTOCOL = 2, /* a message that was malformed or not legal then */
    CLOSE_BUSY = 3,     /* no room, come back later */
    CLOSE_TIMEOUT = 4,  /* nothing was heard for too long */
    CLOSE_DENIED = 5    /* no longer let in (a removed member, a dropped seat) */
};

enum status hello_meet(const struct hello *ours, const struct hello *theirs,
                       uint8_t *ret_version) MUST_USE;
/* The status that a closed event carries for a code, and the code that is sent for a status. */
enum status close_status(uint8_t code);
uint8_t close_code_of(enum status why);

#endif
