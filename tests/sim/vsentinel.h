/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * vsentinel: a sentinel on the virtual network: the real hub and rules
 * (core/room) over the real SQLite store in memory, with a store thread whose
 * commits take virtual time. It can be a villain: show a second history to some
 * (fork), leave out pushes, come back with an older database, answer OK to an
 * entry and drop it, show an older seat list, end one feed early for one.
 *
 * Owns: its machine, hubs, stores and connections. net is borrowed.
 * Errors: a store that fails for another reason than a full disk stops the program.
 * Order: vsentinel_init, boot; crash, boot; vsentinel_next_ms and _tick from
 *     the main loop; vsentinel_free after vtime_end.
 */
#ifndef ENCLAVE_TESTS_SIM_VSENTINEL_H
#define ENCLAVE_TESTS_SIM_VSENTINEL_H

#include "core/room/hub.h"
#include "sim/vnet.h"
#include "store/room_sqlite.h"

#define VSENTINEL_BRANCHES 2
#define VSENTINEL_ADDRESS "sentinel.sim:4433"

struct vsentinel;
/* What a villain makes of an APPEND before the hub sees it. */
enum vsentinel_deed {
    VSENTINEL_HONEST,
    VSENTINEL_DROP, /* answered OK and forgotten */
    VSENTINEL_BUSY
};
struct vjob;
struct vconn;

struct vbranch {
    struct vsentinel *s;
    struct hub *hub;
    struct room_sqlite *db;
    struct rules rules;
    struct vjob *first, *last; /* waiting for the store */
    struct vjob *synced;       /* committed, not yet told */
    bool busy;
    uint64_t life; /* of its store thread */
};

struct vsentinel {
    struct machine m;
    struct vnet *net;
    uint8_t pin[32];
    struct room_limits limits;
    struct vbranch branch[VSENTINEL_BRANCHES];
    bool forked;
    unsigned branch_of;  /* bit m: machine m is shown branch 1 */
    uint64_t fork_count; /* entries of the ledger that both branches have */
    bool shuffle;        /* pushes of entries come late, behind the next one, or never */
    unsigned withhold;   /* bit m: machine m gets no pushes of entries */
    struct vconn *conns;
    struct room_sqlite *backup;
    enum vsentinel_deed (*on_append)(void *arg, unsigned caller,
                                     const struct room_append *msg); /* or NULL */
    void *on_append_arg;
    struct {
        unsigned machines; /* bit m: machine m is told of no entry of feed from head on; 0: none */
        uint8_t feed;
        struct room_head head;
    } hold;
    uint64_t held;               /* answers and pushes that were cut short */
    unsigned old_seats;          /* bit m: machine m is shown an older seat list */
    struct buf seats_was, seats; /* the last two answers to SEATS that differ */
    unsigned old_seats_shown;
    uint64_t old_seats_version; /* the one shown last */
    uint64_t appends;
};

void vsentinel_init(struct vsentinel *s, unsigned index, struct vnet *net, uint64_t seed,
                    machine_log *log, void *log_arg);
void vsentinel_free(struct vsentinel *s);
void vsentinel_boot(struct vsentinel *s);
void vsentinel_crash(struct vsentinel *s);
/* By the clock of vtime. */
uint64_t vsentinel_next_ms(const struct vsentinel *s);
void vsentinel_tick(struct vsentinel *s);
/* From now on the machines of the set see a copy that grows by itself; heals with 0: they are
 * led back, what only the copy knew is forgotten. */
void vsentinel_fork(struct vsentinel *s, unsigned machines);
/* Keeps a copy of the database; comes back with it (false: there is none). */
void vsentinel_backup(struct vsentinel *s);
bool vsentinel_restore(struct vsentinel *s);
/* What the store of branch 0 holds of a feed. */
bool vsentinel_feed(struct vsentinel *s, const uint8_t room[32], uint8_t feed,
                    struct room_feed_row *ret);
uint64_t vsentinel_rooms(struct vsentinel *s);
/* Puts an entry of its own into branch 0 of a feed; returns its index. */
uint64_t vsentinel_forge(struct vsentinel *s, const uint8_t room[32], uint8_t feed,
                         struct bytes sealed);
/* Tells these machines that the seat list has changed. */
void vsentinel_push_seats(struct vsentinel *s, unsigned machines);
void vsentinel_forget_seats(struct vsentinel *s); /* another room will be made */
/* Breaks the connections of these machines. */
void vsentinel_kick(struct vsentinel *s, unsigned machines);

#endif
