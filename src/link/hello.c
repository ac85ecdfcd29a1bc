/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "link/hello.h"

FIELDS_DEFINE(hello, HELLO_FIELDS);
FIELDS_DEFINE(ping, PING_FIELDS);
FIELDS_DEFINE(link_bye, CLOSE_FIELDS);

enum status hello_meet(const struct hello *ours, const struct hello *theirs, uint8_t *ret_version)
{
    if (theirs->version_min > theirs->version_max) return ST_BAD_MESSAGE;
    uint8_t low = ours->version_min > theirs->version_min ? ours->version_min : theirs->version_min;
    uint8_t high =
        ours->version_max < theirs->version_max ? ours->version_max : theirs->version_max;
    if (low > high) return ST_VERSION;
    *ret_version = high;
    return ST_OK;
}

enum status close_status(uint8_t code)
{
    switch (code) {
    case CLOSE_DONE: return ST_CLOSED;
    case CLOSE_VERSION: return ST_VERSION;
    case CLOSE_PROTOCOL: return ST_PROTOCOL;
    case CLOSE_BUSY: return ST_BUSY;
    case CLOSE_TIMEOUT: return ST_TIMEOUT;
    case CLOSE_DENIED: return ST_DENIED;
    default: return ST_CLOSED;
    }
}

uint8_t close_code_of(enum status why)
{
    switch (why) {
    case ST_VERSION: return CLOSE_VERSION;
    case ST_BAD_MESSAGE:
    case ST_TOO_BIG:
    case ST_PROTOCOL: return CLOSE_PROTOCOL;
    case ST_BUSY:
    case ST_NO_MEMORY: return CLOSE_BUSY;
    case ST_TIMEOUT: return CLOSE_TIMEOUT;
    case ST_DENIED: return CLOSE_DENIED;
    default: return CLOSE_DONE;
    }
}
