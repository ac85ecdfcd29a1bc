/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * vnet_inner: the inside of a virtual link, shared by vnet.c and vpipe.c.
 *
 * Owns: a link is counted: the list, each event and each frame on the way hold
 *     it. Errors: none. Order: vlink_new, ..., end; dead links stay until let go.
 */
#ifndef ENCLAVE_TESTS_SIM_VNET_INNER_H
#define ENCLAVE_TESTS_SIM_VNET_INNER_H

#include "sim/vnet.h"

#define VLINK_LINGER_MS 1000
#define VLINK_SNI 64

enum vlink_state { VLINK_DIALLING, VLINK_OPEN, VLINK_OVER, VLINK_DEAD };

struct vframe {
    struct vframe *next;
    struct link *from, *to;
    uint8_t type;
    bool fin;
    size_t n;
    uint8_t bytes[];
};

struct link {
    struct link *next; /* in the network's list */
    struct vnet *net;
    struct machine *m;
    unsigned refs;
    enum vlink_state state;
    enum status why;
    const struct link_events *events;
    void *arg;
    struct link_peer peer;
    uint8_t self[32], expect[32];
    char sni[VLINK_SNI];
    char address[LINK_ADDRESS_MAX + 1];
    bool paused, pumping, want_writable, ending;
    bool fin; /* the other end closed */
    bool routed;
    bool cut; /* nothing arrives here any more */
    uint64_t over_ms, fifo_ms;
    /* over the network */
    struct link *other;
    struct vframe *first, *last; /* arrived, not taken */
    size_t flying;
    /* over a pipe */
    bool is_pipe, eof;
    struct link_pipe pipe;
    const struct link_gate *gate;
    struct buf in, out;
    size_t untaken; /* of in: the carrier was not told yet */
    unsigned step;
};

struct link *vlink_new(struct vnet *n, struct machine *m);
void vlink_hold(struct link *l);
void vlink_release(struct link *l);
void vlink_over(struct link *l, enum status why);
void vlink_pump_later(struct link *l);
size_t vlink_waiting(const struct link *l);

/* vpipe.c: gate NULL: we dial. */
void vpipe_start(struct link *l, const struct link_pipe *pipe, const struct link_gate *gate);
void vpipe_pump(struct link *l);
void vpipe_put(struct link *l, uint8_t type, struct bytes payload);
void vpipe_input(struct link *l, struct bytes bytes);
void vpipe_eof(struct link *l);
void vpipe_room(struct link *l);

#endif
