/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * status: the one list of results. Every function that can fail returns
 * enum status; results come back through ret_ pointers, which stay untouched
 * (secrets: zeroed) unless ST_OK is returned. The class decides what a caller
 * does: drop the peer, tell the owner, try again, or stop.
 *
 * Owns nothing. Never fails. No order of calls.
 */
#ifndef ENCLAVE_BASE_STATUS_H
#define ENCLAVE_BASE_STATUS_H

/* X(name, class, exit code of the CLI, HTTP status, text) */
#define STATUS_LIST(X)                                                                  \
    X(OK, NONE, 0, 200, "ok")                                                           \
    X(BAD_MESSAGE, PEER, 1, 400, "malformed message")                                   \
    X(BAD_SIGNATURE, PEER, 8, 400, "signature does not verify")                         \
    X(BAD_SEAL, PEER, 8, 400, "does not decrypt: altered, or sealed under another key") \
    X(BAD_KEY, PEER, 8, 400, "public key is not valid")                                 \
    X(PROTOCOL, PEER, 1, 400, "message is not legal now")                               \
    X(TOO_BIG, PEER, 2, 413, "larger than allowed")                                     \
    X(VERSION, PEER, 1, 400, "unknown version")                                         \
    X(INTEGRITY, PEER, 8, 500, "stored data was altered")                               \
    X(FORK, PEER, 8, 409, "two histories exist where there must be one")                \
    X(REPLAY, PEER, 1, 400, "already used")                                             \
    X(UNTRUSTED, PEER, 8, 403, "the other side has another key than the one we trust")  \
    X(DENIED, OURS, 6, 403, "not allowed")                                              \
    X(USAGE, OURS, 2, 400, "wrong use")                                                 \
    X(NOT_FOUND, OURS, 4, 404, "not found")                                             \
    X(EXISTS, OURS, 5, 409, "already exists")                                           \
    X(CONFLICT, OURS, 5, 409, "something else was first")                               \
    X(REFUSED, OURS, 6, 403, "refused by vote")                                         \
    X(PENDING, OURS, 7, 202, "the vote is still open")                                  \
    X(PARTIAL, OURS, 3, 202, "done in part, still spreading")                           \
    X(LOCKED, OURS, 11, 423, "locked")                                                  \
    X(PASSWORD, OURS, 12, 401, "wrong password")                                        \
    X(LOOSE_MODE, OURS, 1, 500, "file or directory can be read by others")              \
    X(CONFIG, OURS, 2, 500, "configuration is not valid")                               \
    X(UNREACHABLE, TRANSIENT, 13, 503, "cannot be reached")                             \
    X(TIMEOUT, TRANSIENT, 13, 504, "no answer in time")                                 \
    X(CLOSED, TRANSIENT, 13, 503, "connection closed")                                  \
    X(PROXY, TRANSIENT, 13, 503, "the proxy does not answer, or is none")               \
    X(QUOTA, TRANSIENT, 9, 507, "quota is used up")                                     \
    X(NO_SPACE, TRANSIENT, 9, 507, "no space left")                                     \
    X(IO, TRANSIENT, 1, 500, "input or output failed")                                  \
    X(NO_MEMORY, TRANSIENT, 1, 503, "out of memory")                                    \
    X(BUSY, TRANSIENT, 1, 503, "busy, try again")                                       \
    X(CANCELLED, TRANSIENT, 130, 500, "cancelled")                                      \
    X(BUG, BUG, 1, 500, "internal error")

enum status {
#define STATUS_ENUM(name, class, exit, http, text) ST_##name,
    STATUS_LIST(STATUS_ENUM)
#undef STATUS_ENUM
        ST_COUNT
};

enum status_class { STATUS_NONE, STATUS_PEER, STATUS_OURS, STATUS_TRANSIENT, STATUS_BUG };

const char *status_name(enum status st); /* "BAD_MESSAGE"; "UNKNOWN" out of range */
const char *status_text(enum status st); /* one plain sentence part, for people */
enum status_class status_class(enum status st);
int status_exit(enum status st); /* exit code of the command line, design.md 7 */
int status_http(enum status st); /* HTTP status of the local API */

/* Finds a status by its name; ST_BUG if there is none. */
enum status status_find(const char *name);

#define MUST_USE __attribute__((warn_unused_result))

/* Runs expr; on failure jumps to out with st set. */
#define TRY(expr)                  \
    do {                           \
        st = (expr);               \
        if (st != ST_OK) goto out; \
    } while (0)

#endif
