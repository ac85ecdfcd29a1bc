/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * net/server: what a sentinel or storage node needs beyond net/links: its
 * long-lived Ed25519 key in a file, the pin that invitations carry, and a
 * listener whose callers show no certificate (they prove a seat above TLS with
 * link_peer.exporter).
 *
 * Owns: struct server_key holds the seed in guarded memory until server_key_free;
 *     a listener borrows it and the gate. Links are closed and sent on through
 *     links_port, like any other.
 * Errors: server_key_open: ST_LOOSE_MODE (file readable by others), ST_INTEGRITY
 *     (not a key file), ST_DENIED, ST_IO, ST_NO_MEMORY. Listening: as links_port.
 * Order: server_key_open makes the key the first time (0600). The listener ends
 *     by the port's unlisten; its links live on.
 */
#ifndef ENCLAVE_NET_SERVER_H
#define ENCLAVE_NET_SERVER_H

#include "net/links.h"

struct server_key {
    uint8_t *seed; /* 32, guarded */
    uint8_t public_key[32];
    uint8_t pin[32]; /* SHA-256 of the SPKI */
};

enum status server_key_open(const char *path, const struct env *env,
                            struct server_key *ret) MUST_USE;
void server_key_free(struct server_key *k);

struct server_gate {
    /* A caller whose handshake is done: returns the events to use and their argument, or NULL to
     * turn it away. opened follows, with peer->exporter set and peer->spki = our own pin. */
    const struct link_events *(*accept)(void *arg, struct link *l, void **ret_arg);
    void *arg;
};

/* address "host:port", port 0 lets the system choose. */
enum status links_listen_server(struct links *n, const char *address, const struct server_key *key,
                                const struct server_gate *gate, struct link_listener **ret,
                                uint16_t *ret_port) MUST_USE;

#endif
