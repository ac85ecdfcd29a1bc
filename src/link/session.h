/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * session: frames over TLS, as a machine of bytes: struct tls, the frame reader,
 * HELLO both ways, PING when idle, CLOSE at the end. Used by net/links over TCP
 * or a pipe, and by tests in memory.
 *
 * Owns: itself until session_free. A frame's payload lives until the next call
 *     of session_next or session_space.
 * Errors: session_send: ST_BUSY over LINK_HIGH_WATER, ST_CLOSED when not open,
 *     ST_TOO_BIG, ST_USAGE for a type that is not the application's. The end and
 *     its cause come by SESSION_CLOSED, once, with the words for the log in
 *     session_reason.
 * Order: session_new; bytes in by session_space and session_filled (or
 *     session_put), then session_next until SESSION_NONE; bytes out by
 *     session_output and session_sent, also after SESSION_CLOSED (an alert, the
 *     last frames). session_tick at session_deadline.
 */
#ifndef ENCLAVE_LINK_SESSION_H
#define ENCLAVE_LINK_SESSION_H

#include "link/frame.h"
#include "link/hello.h"
#include "link/tls.h"

#define SESSION_HANDSHAKE_MS 10000 /* from the first byte to HELLO */
#define SESSION_IDLE_MS 2000       /* silence after which what bulk needed goes, too */
#define SESSION_PING_MS 20000      /* silence after which we ask */
#define SESSION_DEAD_MS 60000      /* silence after which it is over */
#define SESSION_STUCK_MS 120000    /* bytes wait and none goes out: it is over */
#define SESSION_LINGER_MS 5000     /* how long a closing one may still send */

struct session;

enum session_event { SESSION_NONE, SESSION_OPENED, SESSION_FRAME, SESSION_CLOSED };

enum status session_new(struct tls_ctx *c, const struct tls_config *config,
                        const struct hello *ours, uint64_t now_ms, struct session **ret) MUST_USE;
void session_free(struct session *s);

uint8_t *session_space(struct session *s, size_t *ret_room);
void session_filled(struct session *s, size_t n, uint64_t now_ms);
enum status session_put(struct session *s, struct bytes in, uint64_t now_ms) MUST_USE;
size_t session_unread(const struct session *s); /* bytes given and not yet looked at */
void session_eof(struct session *s); /* session_next tells once all that came is used up */

enum session_event session_next(struct session *s, struct frame *ret);

enum status session_send(struct session *s, uint8_t type, struct bytes payload) MUST_USE;
/* Says CLOSE and ends; SESSION_CLOSED follows with why. Nothing is read any more. */
void session_close(struct session *s, enum status why, const char *text);
bool session_open(const struct session *s);
bool session_over(const struct session *s); /* SESSION_CLOSED was given or is due */

/* Seals what is staged and shows it. */
size_t session_output(struct session *s, struct bytes *ret, size_t max);
void session_sent(struct session *s, size_t n, uint64_t now_ms);
size_t session_waiting(const struct session *s);

/* Nothing more is to do for now: buffers go back to the context's spare ones. For whoever has many. */
void session_rest(struct session *s);

/* Next moment at which session_tick wants to be called, UINT64_MAX for none. */
uint64_t session_deadline(const struct session *s);
void session_tick(struct session *s, uint64_t now_ms);

const struct link_peer *session_peer(const struct session *s); /* once opened */
const struct hello *session_hello(const struct session *s);    /* theirs, once opened */
enum status session_status(const struct session *s);           /* once closed */
const char *session_reason(const struct session *s);

#endif
