/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * peers: the links between this member and the others of one enclave. Tells
 * the others by sealed signals where it listens, dials when somebody wants a
 * link (straight to an address where the mode allows, else by a circuit
 * through the sentinel), accepts callers of the roster, lets idle links go.
 *
 * Owns: the listener, links, circuits, addresses heard. Borrows env, port,
 *     uplink and the peers_env, which outlive it.
 * Errors: peers_send: ST_UNREACHABLE (no link now; peers_want asks for one),
 *     ST_BUSY (try again at the writable event).
 * Order: peers_init, peers_listen, peers_roster whenever the roster changes,
 *     peers_attached/peers_detached with the uplink, peers_push for its pushes,
 *     peers_stop. No event runs inside a call but peers_stop's.
 */
#ifndef ENCLAVE_NODE_PEERS_H
#define ENCLAVE_NODE_PEERS_H

#include "link/circuit.h"
#include "link/sni.h"
#include "node/enclave/uplink.h"

#define PEERS_MAX 128
#define PEERS_ADDRESSES 8
#define PEERS_LINKS_MAX 512 /* of one enclave, callers included */
#define PEERS_LINKS_LEAF 8  /* of one member: above it its oldest goes */
#define PEERS_CIRCUITS_MAX 256
#define PEERS_IDLE_MS 30000
#define PEERS_FRESH_MS 5000    /* a link heard of within so long is not asked whether it lives */
#define PEERS_CHECK_MS 10000   /* no answer in so long: it is dead */
#define PEERS_ANNOUNCE_MS 1000 /* between two announcements to all */
#define PEERS_LIFE_MS 600000   /* a link is renewed after so long (design.md 3) */
#define PEERS_RENEW_MS 60000   /* after a membership change, drawn; idle links only */
#define PEERS_TRY_MS 12000     /* one way of reaching a peer may take */

/* Frames of ours on a link: PEERS_CHECK number u64, and the same number back. */
enum { PEERS_CHECK = 0x10, PEERS_CHECKED = 0x11 };

struct peers;

struct peers_member {
    uint16_t leaf;
    uint8_t id[32];
    uint8_t seat[32];
};

struct peers_env {
    void *arg;
    /* The enclave's mode lets members see each other's addresses. If not, nothing is dialled but
     * circuits, whatever address a member tells. */
    bool direct;
    /* As in struct uplink_events: the way of a direct dialling. NULL: straight. */
    enum status (*route)(void *arg, struct link_route *ret, bool *ret_routed);
    /* Door keys, newest first; returns how many. */
    size_t (*doors)(void *arg, uint8_t ret[SNI_DOORS_MAX][32]);
    /* export("pair") of *epoch; UINT64_MAX asks for the newest and gets its number. */
    bool (*pair)(void *arg, uint64_t *epoch, uint8_t ret[32]);
    uint64_t (*unix_s)(void *arg);          /* the sentinel's clock where known */
    bool (*busy)(void *arg, uint16_t leaf); /* the link is in use: not idle */
    void (*change)(void *arg, uint16_t leaf, bool up);
    void (*frame)(void *arg, uint16_t leaf, uint8_t type, struct bytes payload);
    void (*writable)(void *arg, uint16_t leaf);
    void (*stranger)(void *arg); /* a name that no door key explains: the ledger may be behind */
};

enum peers_path { PEERS_OFFLINE, PEERS_ONLINE, PEERS_CIRCUIT, PEERS_DIRECT };

enum status peers_new(const struct env *env, const struct link_port *port, struct uplink *uplink,
                      const struct peers_env *penv, const struct link_identity *self,
                      const uint8_t room[32], struct peers **ret) MUST_USE;
/* listen: "host:0" or NULL; announce: hosts under which others reach it, comma-separated. */
enum status peers_listen(struct peers *p, const char *listen, const char *announce) MUST_USE;
/* The mode changed. No longer direct: the listener, addresses heard and direct links are let go. */
void peers_direct(struct peers *p, bool direct);
bool peers_are_direct(const struct peers *p);
void peers_free(struct peers *p); /* closes all; no event after it */

void peers_roster(struct peers *p, uint16_t self, const struct peers_member *members, size_t n);
void peers_attached(struct peers *p); /* the uplink is attached: asks who is there, announces */
void peers_detached(struct peers *p);
/* Takes SIGNALLED, PRESENCE and CIRCUIT pushes; false: not one of mine. */
bool peers_push(struct peers *p, uint8_t type, struct bytes payload);

/* The keys changed: links that carry nothing now are made anew within PEERS_RENEW_MS. */
void peers_renew(struct peers *p);
void peers_want(struct peers *p, uint16_t leaf); /* asks for a link, tries for a while */
bool peers_linked(const struct peers *p, uint16_t leaf);
enum status peers_send(struct peers *p, uint16_t leaf, uint8_t type, struct bytes payload) MUST_USE;
void peers_pause(struct peers *p, uint16_t leaf, bool stop);
void peers_drop(struct peers *p, uint16_t leaf);            /* closes its links: it misbehaved */
size_t peers_waiting(const struct peers *p, uint16_t leaf); /* bytes not yet on the wire */
enum peers_path peers_path(const struct peers *p, uint16_t leaf);
/* Tried all ways and failed since the last peers_want? */
bool peers_gave_up(const struct peers *p, uint16_t leaf);

uint64_t peers_next_ms(const struct peers *p);
void peers_tick(struct peers *p, uint64_t now_ms);

#endif
