/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * callers: the connections of a server, carried by I/O threads. Each thread has a
 * loop and links of its own and does handshakes, TLS, frames and their limits;
 * what was said goes to the loop that opened this, and answers go back. One
 * thread listens and deals the connections out in turn.
 *
 * Both ways are bounded, and one wake-up serves all that gathered: a thread that is
 * CALLERS_UP_MAX bytes ahead waits (and reads no socket meanwhile); caller_send
 * refuses once CALLERS_HIGH_WATER bytes of one caller have not gone out.
 *
 * Owns: its threads until closed; a struct caller from opened until its closed
 *     event has run. key, env and what events point to are borrowed.
 * Errors: callers_open: as links_listen_server. caller_send: ST_BUSY (nothing was
 *     taken; writable follows), ST_CLOSED (closed follows), ST_TOO_BIG.
 * Order: for each caller opened, frames, closed. No event runs inside a call to
 *     this; a paused caller's frames wait (up to CALLERS_PARKED_MAX for all
 *     together; beyond that they are handed over all the same, to be refused).
 *     callers_close: what was sent goes out for at most a second, every closed
 *     event runs, then done.
 * Thread: all calls and events on the thread of loop.
 */
#ifndef ENCLAVE_NET_CALLERS_H
#define ENCLAVE_NET_CALLERS_H

#include "net/server.h"

#define CALLERS_THREADS_MAX 16
#define CALLERS_UP_MAX ((size_t)16 << 20)
#define CALLERS_HIGH_WATER (LINK_HIGH_WATER / 2)
#define CALLERS_PARKED_MAX ((size_t)64 << 20)
#define CALLERS_DEALT_MAX 256 /* connections on their way to another thread */

struct callers;
struct caller;

struct callers_events {
    /* Returns what the other events are given; NULL turns the caller away. */
    void *(*opened)(void *arg, struct caller *c, const struct link_peer *peer);
    void (*frame)(void *arg, void *handle, uint8_t type, struct bytes payload);
    void (*writable)(void *arg, void *handle);
    void (*closed)(void *arg, void *handle, enum status why);
};

struct callers_config {
    const char *address; /* "host:port"; port 0 lets the system choose */
    const struct server_key *key;
    unsigned threads; /* 1 to CALLERS_THREADS_MAX */
    unsigned most;    /* connections of one thread */
    const struct callers_events *events;
    void *arg;
};

/* How many threads suit this machine: its cores, at most four. */
unsigned callers_suited(void);

enum status callers_open(uv_loop_t *loop, const struct env *env,
                         const struct callers_config *config, struct callers **ret,
                         uint16_t *ret_port) MUST_USE;
enum status caller_send(struct caller *c, uint8_t type, struct bytes payload) MUST_USE;
void caller_pause(struct caller *c, bool stop);
void caller_close(struct caller *c); /* after what was sent is out */
/* Lets nobody in any more. */
void callers_unlisten(struct callers *s);
void callers_close(struct callers *s, void (*done)(void *arg), void *arg);

#endif
