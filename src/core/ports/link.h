/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * link: the port for framed, authenticated, encrypted connections. Real:
 * net/links (TLS 1.3 of link/tls over libuv TCP, or over a pipe). Simulator: a
 * double that delivers frames on a virtual network.
 *
 * Kinds: LINK_SERVER to a sentinel (its key pinned), LINK_PEER to a member
 *     (mutual Ed25519 certificates), over TCP or over a pipe: a byte stream that
 *     the caller carries, in practice a circuit inside a LINK_SERVER.
 * Owns: a struct link belongs to the port from dial or accept until its closed
 *     event has run; then the handle is dead. Frames given to send are copied.
 *     Views handed to events are valid during the call.
 * Errors: send: ST_BUSY when more than LINK_HIGH_WATER bytes wait (nothing was
 *     taken; the writable event follows), ST_CLOSED, ST_TOO_BIG. closed with
 *     ST_PROXY: the proxy of its route was at fault, not the other side.
 * Order: dial or accept, then opened or closed; frames only after opened;
 *     closed is last and comes exactly once, also after link_close. No event
 *     runs inside a call to the port.
 * Thread: loop thread only.
 */
#ifndef ENCLAVE_CORE_PORTS_LINK_H
#define ENCLAVE_CORE_PORTS_LINK_H

#include "base/bytes.h"

#define LINK_FRAME_MAX ((size_t)1 << 20) /* whole frame, header of 5 bytes included */
#define LINK_HIGH_WATER ((size_t)4 << 20)
#define LINK_ADDRESS_MAX 255 /* host:port */
#define LINK_CREDENTIAL_MAX 63

struct link;

/* The way of a dialled link through a SOCKS5 proxy: names are resolved by it, and links with another
 * user or password share no path behind it. Nothing is ever dialled around a route that is given. */
struct link_route {
    char proxy[LINK_ADDRESS_MAX + 1]; /* "host:port", a numeric address or "localhost" */
    char user[LINK_CREDENTIAL_MAX + 1];
    char pass[LINK_CREDENTIAL_MAX + 1];
};

/* What the other side proved. */
struct link_peer {
    uint8_t id[32];       /* LINK_PEER: its Ed25519 key; LINK_SERVER: zeros */
    uint8_t spki[32];     /* LINK_SERVER: SHA-256 of the server's SPKI */
    uint8_t exporter[32]; /* RFC 9266 tls-exporter of this connection */
};

struct link_events {
    void (*opened)(void *arg, struct link *l, const struct link_peer *peer);
    void (*frame)(void *arg, struct link *l, uint8_t type, struct bytes payload);
    void (*writable)(void *arg, struct link *l); /* less than half of the high water waits */
    void (*closed)(void *arg, struct link *l, enum status why);
};

/* Who we are on a LINK_PEER: this enclave's leaf key. */
struct link_identity {
    uint8_t seed[32];
    uint8_t id[32];
};

/* A byte stream that the caller carries. output is called (never inside a port call from the
 * caller's own input) with bytes for the other side. */
struct link_pipe {
    void (*output)(void *arg, struct bytes bytes);
    void (*closed)(void *arg); /* the link let go of the pipe */
    void *arg;
    /* Flow control; each may be NULL. taken: n bytes given by pipe_input were used up (a paused
     * link takes none). room: how many bytes output may be given now; when it was too little the
     * carrier calls pipe_room once there is more. */
    void (*taken)(void *arg, size_t n);
    size_t (*room)(void *arg);
};

/* Decides about callers of a listener, inside the TLS handshake. */
struct link_gate {
    /* The name a caller sent. ST_OK and the identity to answer with, or an error: the caller gets
     * an alert and no certificate. */
    enum status (*name)(void *arg, struct bytes sni, struct link_identity *ret);
    /* The caller's key, after it proved it. ST_OK lets it in. */
    enum status (*peer)(void *arg, const uint8_t id[32]);
    /* A link that passed: returns the events to use and their argument. */
    const struct link_events *(*accept)(void *arg, struct link *l, void **ret_arg);
    void *arg;
};

struct link_listener;

struct link_ops {
    /* address "host:port" (IPv6 in brackets), pin = SHA-256 of SPKI; route NULL: straight there. */
    enum status (*dial_server)(void *ctx, const char *address, const struct link_route *route,
                               const uint8_t pin[32], const struct link_events *events, void *arg,
                               struct link **ret);
    /* expect = the member's key; sni of 39 characters, built by link/sni. */
    enum status (*dial_peer)(void *ctx, const char *address, const struct link_route *route,
                             const char *sni, const struct link_identity *self,
                             const uint8_t expect[32], const struct link_events *events, void *arg,
                             struct link **ret);
    enum status (*dial_pipe)(void *ctx, const struct link_pipe *pipe, const char *sni,
                             const struct link_identity *self, const uint8_t expect[32],
                             const struct link_events *events, void *arg, struct link **ret);
    enum status (*accept_pipe)(void *ctx, const struct link_pipe *pipe,
                               const struct link_gate *gate, struct link **ret);
    void (*pipe_input)(struct link *l, struct bytes bytes);
    void (*pipe_eof)(struct link *l);
    void (*pipe_room)(struct link *l); /* the pipe takes more again */
    /* address "host:0" lets the system choose; *ret_port is what it chose. gate is borrowed. */
    enum status (*listen)(void *ctx, const char *address, const struct link_gate *gate,
                          struct link_listener **ret, uint16_t *ret_port);
    void (*unlisten)(void *ctx, struct link_listener *l);
    enum status (*send)(struct link *l, uint8_t type, struct bytes payload);
    size_t (*waiting)(const struct link *l);  /* bytes not yet handed to the carrier */
    void (*pause)(struct link *l, bool stop); /* stop or go on reading: back-pressure */
    void (*close)(struct link *l);            /* after what was sent is out */
};

struct link_port {
    const struct link_ops *ops;
    void *ctx;
};

#endif
