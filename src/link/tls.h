/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * tls: one TLS 1.3 connection as a machine of bytes. X25519MLKEM768 and
 * TLS_CHACHA20_POLY1305_SHA256 and Ed25519 only; no tickets, no early data, no
 * resumption (design.md 3). Trust is equality of keys, compared inside the
 * verify callback: a client proves nothing about itself to a server whose key
 * is not the one it expects. A server of members resolves the SNI name
 * before any certificate exists: an unknown name gets an alert, nothing else.
 *
 * Owns: struct tls_ctx (library context, provider, settings) outlives its
 *     connections; one per loop thread. Seeds are copied and wiped. Output views
 *     live until tls_sent; the input space until tls_filled.
 * Errors: a connection that failed is TLS_CLOSED; tls_status says what kind
 *     (ST_UNTRUSTED wrong key, ST_DENIED refused by the gate or by the other
 *     side, ST_PROTOCOL not our TLS, ST_CLOSED), tls_reason says it in words for
 *     the log. What is still to send (an alert) is sent all the same.
 * Order: tls_new; a client has output at once. tls_space, tls_filled, tls_step
 *     when bytes came; after each call look at tls_state and tls_output.
 *     tls_read and tls_write once open. tls_free at any time.
 */
#ifndef ENCLAVE_LINK_TLS_H
#define ENCLAVE_LINK_TLS_H

#include "core/ports/link.h"
#include "link/spare.h"

#define TLS_KEY 32
#define TLS_SNI_MAX 64
#define TLS_RECORD ((size_t)16 << 10)      /* most plain bytes a record carries */
#define TLS_INPUT_STEP ((size_t)256 << 10) /* most bytes tls_space offers */
#define TLS_INPUT_MAX ((size_t)4 << 20)    /* most unread bytes that tls_put keeps */
#define TLS_CERT_MAX 2048                  /* most bytes of certificates a peer may send */
#define TLS_REASON 160

enum tls_role {
    TLS_TO_SERVER, /* client of a sentinel: pin */
    TLS_AS_SERVER, /* sentinel: seed */
    TLS_TO_PEER,   /* client of a member: seed, expect, sni */
    TLS_AS_PEER    /* server to members: gate */
};

enum tls_state { TLS_HANDSHAKING, TLS_OPEN, TLS_CLOSED };

struct tls_config {
    enum tls_role role;
    const uint8_t *pin;    /* SHA-256 of the server's SPKI */
    const uint8_t *seed;   /* our Ed25519 key */
    const uint8_t *expect; /* the member's Ed25519 public key */
    const char *sni;
    /* TLS_AS_PEER, called inside tls_step: name and peer only. */
    const struct link_gate *gate;
};

struct tls_ctx;
struct tls;

enum status tls_ctx_new(struct tls_ctx **ret) MUST_USE;
void tls_ctx_free(struct tls_ctx *c);
struct spare *tls_ctx_spare(struct tls_ctx *c);
/* Whether the group comes from our provider (OpenSSL before 3.5). */
bool tls_ctx_own_group(const struct tls_ctx *c);

enum status tls_new(struct tls_ctx *c, const struct tls_config *config, struct tls **ret) MUST_USE;
void tls_free(struct tls *t);

/* Room for bytes from the carrier; NULL when out of memory or TLS_INPUT_STEP is unread. */
uint8_t *tls_space(struct tls *t, size_t *ret_room);
void tls_filled(struct tls *t, size_t n);
/* The same by copying: ST_TOO_BIG past TLS_INPUT_MAX unread bytes. */
enum status tls_put(struct tls *t, struct bytes bytes) MUST_USE;
size_t tls_unread(const struct tls *t);
/* Goes on with the handshake; harmless at any time. */
void tls_step(struct tls *t);
/* The carrier ended. */
void tls_eof(struct tls *t);
/* Nothing is under way: gives the input buffer back, or keeps no more than is unread. A large one stays. */
void tls_rest(struct tls *t);
/* Gives it back if nothing is unread, however large. */
void tls_trim(struct tls *t);

/* Plain bytes into p; returns how many, 0 = none now (look at tls_state). */
size_t tls_read(struct tls *t, uint8_t *p, size_t n);
/* Seals all of in; ST_CLOSED if not open. */
enum status tls_write(struct tls *t, struct bytes in) MUST_USE;
/* Sends close_notify once and closes with why. */
void tls_close(struct tls *t, enum status why, const char *reason);

/* Up to max views of sealed bytes, in order; returns how many. */
size_t tls_output(const struct tls *t, struct bytes *ret, size_t max);
void tls_sent(struct tls *t, size_t n);
size_t tls_waiting(const struct tls *t);

enum tls_state tls_state(const struct tls *t);
enum status tls_status(const struct tls *t);
const char *tls_reason(const struct tls *t);
/* Once open. */
const struct link_peer *tls_peer(const struct tls *t);

#endif
