/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * peers_private: what the files of peers share; nobody else includes it.
 *
 * Owns: see peers.h. Errors: see peers.h. Order: see peers.h.
 */
#ifndef ENCLAVE_NODE_PEERS_PRIVATE_H
#define ENCLAVE_NODE_PEERS_PRIVATE_H

#include "node/enclave/peers.h"

struct peers_circuit {
    struct peers *owner; /* NULL: only waits for its link's last event */
    uint32_t id;         /* 0 while CIRCUIT_OPEN is on the way */
    uint16_t leaf;
    bool dialled;
    bool opening; /* the reply of CIRCUIT_OPEN is still to come: not freed before */
    bool link_gone;
    bool flushing;
    struct circuit core;
    struct link *link;
};

/* A link to a member, or to a caller who is not known yet. */
struct peers_link {
    struct peers *owner; /* NULL: let go of, freed at its closed event */
    struct link *link;
    bool open;
    bool direct;
    bool dialled; /* by us */
    bool paused;
    uint16_t leaf;
    bool known;
    uint64_t born_ms;
    uint64_t used_ms;  /* by what is said over it */
    uint64_t heard_ms; /* the other side */
    uint64_t check_ms; /* asked then whether it lives; 0: no answer is due */
    struct peers_circuit *circuit;
};

enum peer_try { TRY_NOTHING, TRY_DIRECT, TRY_CIRCUIT, TRY_FAILED };

struct peer {
    struct peers_member member;
    bool present; /* its seat is attached at the sentinel */
    char addresses[PEERS_ADDRESSES][LINK_ADDRESS_MAX + 1];
    size_t n_addresses;
    struct peers_link *link; /* the one in use */
    enum peer_try trying;
    size_t address_at;
    struct peers_link *attempt;
    uint64_t try_until_ms;
    uint64_t wanted_until_ms;
    uint64_t again_ms; /* after a failure: not before */
    unsigned failures;
};

struct peers {
    const struct env *env;
    struct link_port port;
    struct uplink *uplink;
    struct peers_env penv;
    struct link_identity *self; /* guarded */
    uint8_t room[32];
    uint16_t leaf;
    struct peer *list;
    size_t n;
    struct peers_link *links[PEERS_LINKS_MAX];
    size_t n_links;
    struct peers_circuit *circuits[PEERS_CIRCUITS_MAX];
    size_t n_circuits;
    struct link_listener *listener;
    struct link_gate gate;
    uint16_t port_number;
    char announce[512];
    struct sni_replay replay;
    bool attached;
    bool announce_due;
    uint64_t announce_ms; /* not before: a link that is ending takes nothing */
};

extern const struct link_events peers_link_events;

struct peer *peers_find(struct peers *p, uint16_t leaf);
struct peers_link *peers_link_new(struct peers *p, bool direct);
void peers_link_drop(struct peers_link *pl); /* closes; its memory goes with its closed event */
void peers_sni(struct peers *p, uint16_t leaf, char ret[SNI_TEXT + 1]);

/* peers_check.c */
void peers_check_before(struct peers_link *pl); /* something is about to be sent */
/* Something came; true: it was for us. */
bool peers_check_frame(struct peers_link *pl, uint8_t type, struct bytes payload);
void peers_check_paused(struct peers_link *pl, bool stop);
uint64_t peers_check_ends_ms(const struct peers_link *pl); /* then it is dead */

/* peers_circuit.c */
enum status peers_circuit_dial(struct peers *p, struct peer *peer, struct peers_link *pl);
bool peers_circuit_push(struct peers *p, uint8_t type, struct bytes payload);
void peers_circuits_down(struct peers *p); /* the uplink is gone, and every circuit with it */

/* peers_signal.c */
void peers_announce(struct peers *p, const uint8_t to[32]); /* NULL: to all */
void peers_ask_presence(struct peers *p);
bool peers_signal_push(struct peers *p, uint8_t type, struct bytes payload);

#endif
