/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * shelf_depots: the storage nodes of an enclave as this member sees them: their
 * grants in feed 2 (signed, renewed: shelf_grants.c), and the links to them
 * (shelf_depots.c), over which grants, seat records and live sets are brought
 * and put and get reach them as holders 0x1000 and up.
 *
 * Owns: one struct depot_link a node, its link and what waits on it.
 * Errors: none; what is wrong with a node stands in its `trouble`.
 * Order: shelf_depots_tick from enclave_files_tick; shelf_depots_free before the
 *     hold goes.
 */
#ifndef ENCLAVE_NODE_SHELF_DEPOTS_H
#define ENCLAVE_NODE_SHELF_DEPOTS_H

#include "core/grant/depot_wire.h"
#include "core/ports/link.h"
#include "node/shelf/shelf.h"

#define DEPOT_VISIT_MS (UINT64_C(3600) * 1000) /* between two visits of an idle member */
#define DEPOT_LIVE_MS (UINT64_C(24) * 3600 * 1000)
#define DEPOT_IDLE_MS 30000
#define DEPOT_LOOK_MS 5000 /* whether something is to be signed, renewed or brought */
#define DEPOT_ANSWER_MS 30000
#define DEPOT_WANT_MS 10000 /* a link is wanted so long after it was last asked for */
#define DEPOT_AGAIN_MS 500  /* after a failure; doubled up to */
#define DEPOT_AGAIN_MAX_MS 600000
#define DEPOT_RENEW_MS (UINT64_C(30) * 24 * 3600 * 1000) /* before the end of a grant */

struct depot_link;

/* What the link's events are given: outlives the shelf until its last event. */
struct depot_line {
    struct depot_link *owner; /* NULL: let go of */
    struct link_port port;
};

/* One request at a time; its answer says what is next. */
enum depot_asked {
    DEPOT_ASKED_NOTHING,
    DEPOT_ASKED_HELLO,
    DEPOT_ASKED_GRANT,
    DEPOT_ASKED_RECORDS,
    DEPOT_ASKED_LIVE
};

struct depot_link {
    struct shelf *s;
    uint16_t number;
    struct link *link;
    struct depot_line *line;
    bool open;
    bool up; /* the hold knows */
    enum depot_asked asked;
    bool fetching; /* seat records are asked of the sentinel */
    uint32_t req;
    uint64_t asked_ms, used_ms, dial_ms, visit_ms, live_ms;
    uint64_t pause_ms;
    uint64_t want_ms; /* wanted until then */
    bool missed;      /* not reached when it was last tried */
    bool kept;        /* columns are there by the tree, while its terms await signatures */
    bool told;        /* state is what the node last said */
    struct depot_state state;
    uint64_t brought_expiry;  /* of the grant brought over this link */
    uint64_t brought_version; /* of the records */
    bool stuck;               /* its list cannot be brought up to ours by records */
    bool complete;            /* more than half of the seats signed the terms ... */
    uint64_t judged_expiry;   /* ... as of these */
    size_t judged_sigs;
    uint64_t signed_expiry; /* our signature under these terms is on its way */
    uint64_t stated_ms;     /* we stated new terms then; 0 */
    struct buf live;
    size_t live_at;
    char trouble[NODE_REASON_MAX];
};

void shelf_depots_tick(struct shelf *s, uint64_t now_ms, bool busy, uint64_t *next);
void shelf_depots_free(struct shelf *s);
/* The enclave is left: with its last member the nodes that are linked forget it; the others are named. */
void shelf_depots_bye(struct shelf *s);
struct depot_link *shelf_depot_link(struct shelf *s, size_t at); /* made if missing; NULL: memory */
/* The holder numbers of nodes that take shards; returns how many. */
size_t shelf_depots_numbers(const struct shelf *s, uint16_t *ret, size_t most);
/* A link to one of them for somebody else's frames, as those of peers (node/enclave/peers.h). */
bool shelf_depot_up(const struct shelf *s, uint16_t number);
void shelf_depot_want(struct shelf *s, uint16_t number);
enum status shelf_depot_send(struct shelf *s, uint16_t number, uint8_t type,
                             struct bytes payload) MUST_USE;
/* A node by its number or its address. */
bool shelf_depot_find(const struct shelf *s, const char *text, size_t len, uint16_t *ret);
/* It was tried again and again, without a link coming about. */
bool shelf_depot_away(const struct shelf *s, uint16_t number);
/* Was there when it was last tried, and keeps something for us. */
bool shelf_depot_present(const struct shelf *s, uint16_t number);
/* The room's seats, ascending; false: what the sentinel tells is not what the ledger says (yet). */
bool shelf_seats(const struct shelf *s, uint8_t ret[GRANT_SEATS_MAX][32], size_t *ret_n);
/* Signs and renews what is due. */
void shelf_grants_tick(struct shelf *s, const struct depot_taken *t, struct depot_link *l,
                       uint64_t now_ms, bool complete);

#endif
