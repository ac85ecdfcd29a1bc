/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * vnet: the virtual network: core/ports/link.h for every machine. Frames keep
 * their order on a link and lose it between links; a link breaks (each end
 * learns of it at its own time) instead of losing a frame; partitions swallow
 * what is sent across. Identities behave as in real TLS: the name is asked of
 * the gate first, the dialler compares the key it expects before it shows its
 * own, then the gate decides about the dialler.
 *
 * Owns: links, listeners, servers. Machines are borrowed.
 * Errors: as the port says.
 * Order: vnet_init, vnet_port for each machine; on a crash: machine_crash, then
 *     whatever used the port is freed, then vnet_crash.
 */
#ifndef ENCLAVE_TESTS_SIM_VNET_H
#define ENCLAVE_TESTS_SIM_VNET_H

#include "core/ports/link.h"
#include "sim/machine.h"

#define VNET_MACHINES 16
#define VNET_SERVERS 4
#define VNET_DIALS 256

struct vnet;

struct vnet_server {
    char address[LINK_ADDRESS_MAX + 1];
    uint8_t pin[32];
    struct machine *m;
    /* caller: index of the machine that dials. */
    const struct link_events *(*accept)(void *arg, struct link *l, unsigned caller, void **ret_arg);
    void *arg;
};

/* A dialling, to a server or a member: how it went out. */
struct vnet_dial {
    unsigned machine;
    uint64_t ms;
    bool peer;
    bool routed;
    struct link_route route;
};

struct vnet_host {
    struct vnet *net;
    struct machine *m;
};

struct vnet {
    struct vtime *time;
    struct rng rng;
    struct vnet_host hosts[VNET_MACHINES];
    bool cut[VNET_MACHINES][VNET_MACHINES];
    struct vnet_server servers[VNET_SERVERS];
    size_t n_servers;
    struct link_listener *listeners;
    struct link *links;
    uint16_t next_port;
    uint64_t latency_ms; /* of one way, at most */
    uint64_t frames, bytes;
    /* The last VNET_DIALS of dials diallings, in a ring. */
    struct vnet_dial log[VNET_DIALS];
    size_t dials;
    /* May lose (0) or double (2) a frame between members, and send another one behind it. NULL: 1. */
    unsigned (*tap)(void *arg, unsigned from, uint8_t type, struct bytes payload,
                    struct buf *ret_more);
    void *tap_arg;
    bool proxy_dead; /* whoever dials through a proxy gets ST_PROXY; else a route changes nothing */
};

void vnet_init(struct vnet *n, struct vtime *time, uint64_t seed);
void vnet_free(struct vnet *n); /* after vtime_end */
/* The port of machine m, whose index is below VNET_MACHINES. */
struct link_port vnet_port(struct vnet *n, struct machine *m);
void vnet_serve(struct vnet *n, const struct vnet_server *server);
void vnet_crash(struct vnet *n, const struct machine *m);
/* Machines whose bit is in group cannot reach the others; 0 heals. */
void vnet_partition(struct vnet *n, unsigned group);
/* Breaks one link in use; false if there is none. */
bool vnet_break_one(struct vnet *n);
/* For the server side. */
enum status vnet_send(struct link *l, uint8_t type, struct bytes payload);
void vnet_close(struct link *l);
void vnet_pause(struct link *l, bool stop);
size_t vnet_links(const struct vnet *n);

#endif
