/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * links_internal: what links.c (the port and the pump), carrier.c (dialling and
 * TCP) and listen.c (listeners) share. Not for others.
 *
 * Owns: struct links owns all; a link owns its session until it ends, its carrier
 *     from then on (libuv may still write from it). Errors: see net/links.h.
 * Order: everything that could be an event runs from links_pump_one, which is
 *     called by libuv callbacks and by the idle handle, never by a port call;
 *     port calls only mark the link (links_mark). links_pump_one may free the link.
 */
#ifndef ENCLAVE_NET_LINKS_INTERNAL_H
#define ENCLAVE_NET_LINKS_INTERNAL_H

#include "link/session.h"
#include "net/links.h"
#include "net/server.h"
#include "net/socks.h"

#define LINKS_TICK_MS 500
#define LINKS_QUIET_MS \
    5000 /* a tick while all links are open and nothing waits: pings are in seconds */
#define LINKS_DRAIN_MS 2000 /* reading on after our end, so that no reset cuts off our last words */
#define LINKS_STOP_MS 1000  /* what a closing program waits for bytes to go out */
#define LINKS_VIEWS 16

struct carrier {
    struct carrier *prev, *next;
    struct links *n;
    struct link *l;          /* NULL once the link ended */
    struct session *session; /* then kept here until the handle is closed */
    struct socks *socks;     /* the talk with the proxy */
    uv_tcp_t tcp;
    uv_connect_t connect;
    uv_write_t write;
    uv_shutdown_t shutdown;
    size_t writing;       /* bytes under way */
    uint64_t drain_until; /* 0 while the link lives */
    bool reading;
    bool broken; /* cannot be written any more */
    bool eof;
};

struct dialling {
    uint64_t until;         /* all addresses */
    uint64_t address_until; /* this one */
    struct sockaddr_storage addresses[LINKS_ADDRESSES_MAX];
    size_t n, next;
    struct resolving *resolving;
    struct socks *socks; /* of a route, until the proxy is reached: then the carrier's */
    bool routed;
};

struct link {
    struct link *prev, *next;
    struct link *dirty_prev, *dirty_next;
    bool dirty;
    struct links *n;
    enum tls_role role;
    struct session *session; /* NULL while dialling */
    struct carrier *carrier; /* NULL for a pipe */
    struct dialling *dial;
    struct link_pipe pipe;
    size_t pipe_unread;
    const struct link_events *events; /* NULL until accepted */
    void *arg;
    const struct link_gate *gate;
    const struct server_gate *server;
    struct link_listener *listener;
    struct link *half_prev, *half_next; /* in the listener's list while not open */
    bool half;
    uint8_t ip[8];
    bool want_writable;
    bool paused;
    bool opened;
    bool over;
    uint64_t linger_until;
    enum status why;
    /* what a dialler needs once TCP is there */
    uint8_t key[32]; /* pin or the member's key */
    uint8_t seed[32];
    char sni[TLS_SNI_MAX];
};

/* What one of several listeners of a server may hold, and how it deals out what comes. */
struct server_share {
    unsigned most, half_open, half_open_per_ip;
    bool (*deal)(void *arg, uv_stream_t *listener); /* NULL: all is its own. True: taken */
    void *arg;
};

struct link_listener {
    struct link_listener *next;
    struct links *n;
    uv_tcp_t tcp;
    const struct link_gate *gate;
    const struct server_gate *server;
    const struct server_key *key;
    struct server_share share;
    struct link *half_first, *half_last; /* oldest first */
    unsigned total;
    uint64_t log_since;
    unsigned logged, unlogged;
    uint16_t port;
};

struct links {
    uv_loop_t *loop;
    const struct env *env;
    struct tls_ctx *tls;
    uv_idle_t idle;
    uv_timer_t timer;
    struct link *all;
    struct link *dirty_first, *dirty_last;
    struct carrier *carriers;
    struct link_listener *listeners;
    unsigned listening; /* handles of listeners that are not closed yet */
    unsigned resolving;
    bool closing;
    uint64_t closing_until;
    void (*pumped)(struct link *l); /* an accepted link was looked after */
    void (*done)(void *arg);
    void *done_arg;
    uint8_t scrap[4096]; /* where bytes go that nobody wants */
};

/* links.c */
uint64_t links_now(const struct links *n);
void links_mark(struct link *l);
void links_pump_one(struct link *l);
struct link *links_add(struct links *n, enum tls_role role);
enum status links_session(struct link *l, const struct tls_config *config) MUST_USE;
void links_over(struct link *l, enum status why, const char *reason);
void links_gone(struct links *n); /* a closing port may be done now */
void links_timer(struct links *n);

/* carrier.c */
enum status carrier_dial(struct link *l, const char *address,
                         const struct link_route *route) MUST_USE;
void carrier_dial_tick(struct link *l, uint64_t now);
void carrier_dial_stop(struct link *l);
enum status carrier_accept(struct link *l, uv_stream_t *listener) MUST_USE;
enum status carrier_adopt(struct link *l, int fd) MUST_USE; /* fd is its own from here on */
void carrier_read(struct link *l, bool on);
void carrier_flush(struct link *l);
void carrier_let_go(struct link *l); /* the session becomes the carrier's */
void carrier_close(struct carrier *c);

/* listen.c */
void listener_left(struct link *l, enum status why, const char *reason); /* before it opened */
void listener_opened(struct link *l);
void listener_close(struct link_listener *ls);
enum status listener_open(void *ctx, const char *address, const struct link_gate *gate,
                          struct link_listener **ret, uint16_t *ret_port) MUST_USE;
void listener_unlisten(void *ctx, struct link_listener *ls);
/* As links_listen_server, with a share of its own. */
enum status listener_server(struct links *n, const char *address, const struct server_key *key,
                            const struct server_gate *gate, const struct server_share *share,
                            struct link_listener **ret, uint16_t *ret_port) MUST_USE;
/* One that hears nothing itself: connections come by listener_adopt. */
enum status listener_serve(struct links *n, const struct server_key *key,
                           const struct server_gate *gate, const struct server_share *share,
                           struct link_listener **ret) MUST_USE;
void listener_adopt(struct link_listener *ls, int fd);

#endif
