/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * pair_inner: the inside of struct pair, shared by the pair_* files of this
 * folder and by nobody else.
 *
 * Owns: as core/mail/pair.h says. Errors: ST_NO_MEMORY.
 * Order: epochs[] ascends by number. Every change of a peer sets its dirty
 *     flag, every other change head_dirty.
 */
#ifndef ENCLAVE_CORE_MAIL_PAIR_INNER_H
#define ENCLAVE_CORE_MAIL_PAIR_INNER_H

#include "core/mail/pair.h"

/* The words of one turn of the peer, as we read them. */
struct pair_chain {
    bool used;
    bool stepped; /* one of them was read: the root after it is known, the one before wiped */
    uint8_t talk[16];
    uint32_t turn;
    uint64_t age;   /* lower: older */
    uint64_t epoch; /* newest one when it was last of use */
    struct hints hints;
};

/* Guarded. Of a peer with whom there was ever a word. */
struct pair_secrets {
    uint8_t root[32];            /* after the peer's turn; PAIR_THEIRS */
    uint8_t secret[32], sk[32];  /* of our own turn; PAIR_OURS */
    uint8_t send[HINTS_SECRETS]; /* chain of our turn, or of the next one */
    struct {
        uint8_t hints[HINTS_SECRETS];
        uint8_t root[32]; /* before the turn, until it is stepped */
        uint8_t sk[32];   /* to which the turn's entries are encapsulated */
    } chain[PAIR_CHAINS_MAX];
};

enum pair_whose {
    PAIR_SILENT, /* our next word begins a conversation */
    PAIR_OURS,   /* the newest turn is ours: more of it, until the peer answers */
    PAIR_THEIRS  /* the newest turn is the peer's: our next word begins a turn */
};

/* The greater one holds, for both: the newer epoch, then the count, then the id. */
struct pair_order {
    uint64_t epoch;
    uint32_t count;
    uint8_t talk[16];
};

struct pair_peer {
    uint16_t leaf;
    uint8_t id[32];
    uint8_t kem[KEM_PUBLIC]; /* in the ledger */
    bool present;            /* in the newest roster */
    bool greet;              /* must hear of a new conversation */
    uint64_t gone_ms;
    uint64_t blocked; /* nothing is made up to this epoch; MAIL_NONE: all is well */
    bool has_order;
    struct pair_order order; /* of the newest conversation known */
    enum pair_whose whose;
    uint32_t turn;
    uint8_t peer_pk[KEM_PUBLIC]; /* of the peer's last turn */
    struct hints send;           /* in use unless SILENT, or OURS at turn 0 */
    struct pair_chain chains[PAIR_CHAINS_MAX];
    uint64_t age;
    uint64_t *recent; /* a ring of uuids, each by the head of its hash */
    size_t n_recent, recent_at, recent_room;
    struct pair_secrets *secrets; /* NULL: never a word */
    bool dirty;
};

struct pair_epoch {
    uint64_t epoch;
    uint64_t opened_at;
    uint64_t replaced_ms;
    uint8_t secret[32];
    uint16_t n;
    uint16_t leaves[MAIL_LEAVES_MAX];
};

/* Made and not yet seen in the feed. */
struct pair_pending {
    uint8_t hint[HINT_SIZE];
    uint8_t hash[32];
    uint8_t uuid[16];
    uint16_t leaf;
    uint64_t epoch;
};

/* An own entry in the feed that may still turn out to have come too late. */
struct pair_trace {
    uint64_t index, epoch;
    uint8_t uuid[16];
    uint16_t leaf;
};

struct pair_late {
    uint16_t leaf;
    uint8_t uuid[16];
};

/* An entry to us of an epoch that we do not have yet. */
struct pair_early {
    uint64_t index;
    bool first; /* ss is known, so that the KEM is not asked twice */
    uint8_t ss[KEM_SS];
};

/* In guarded memory as a whole: epochs' and early entries' secrets lie in it. */
struct pair {
    uint8_t room[32], enclave_id[32], own_id[32];
    uint16_t own_leaf;
    struct pair_epoch epochs[MAIL_EPOCHS_MAX];
    size_t n_epochs;
    struct pair_peer *peers[PAIR_PEERS_MAX];
    size_t n_peers;
    uint64_t tried;    /* below this index our KEM keys were tried */
    uint64_t restored; /* nothing is made up to this epoch; MAIL_NONE: all is well */
    struct pair_pending pending[PAIR_UNSEEN_MAX];
    size_t n_pending;
    struct pair_trace trace[PAIR_TRACE_MAX];
    size_t n_trace;
    struct pair_late late[PAIR_TRACE_MAX];
    size_t n_late;
    struct pair_early early[PAIR_EARLY_MAX];
    size_t n_early;
    uint16_t dropped[PAIR_PEERS_MAX]; /* rows to be dropped */
    size_t n_dropped;
    bool fresh; /* an entry that nothing opens came since the last settle */
    bool head_dirty;
    uint64_t decaps; /* how often the KEM was asked: for tests */
    struct buf plain, unpacked;
};

struct pair_epoch *pair_epoch_find(struct pair *p, uint64_t epoch);
struct pair_epoch *pair_epoch_newest(struct pair *p);
struct pair_peer *pair_peer_find(struct pair *p, uint16_t leaf);
/* A new peer, not in any roster yet. ST_TOO_BIG: there are PAIR_PEERS_MAX. */
enum status pair_peer_insert(struct pair *p, uint16_t leaf, const uint8_t id[32],
                             struct pair_peer **ret);
/* Secrets are there from here on. */
enum status pair_peer_open(struct pair_peer *peer);
/* protocol.md 8, "which epoch counts". */
bool pair_counts(struct pair *p, uint64_t epoch, uint16_t leaf, uint64_t index);
void pair_pending_remove(struct pair *p, size_t i);

/* ---- the conversation (pair_talk.c) ---- */

/* What another life of ours may have answered already is not answered again. */
bool pair_blocked(const struct pair *p, const struct pair_peer *peer, uint64_t epoch);
/* The chain of our own turn is in use. */
bool pair_sends(const struct pair_peer *peer);
bool pair_chain_current(const struct pair_peer *peer, const struct pair_chain *c);
void pair_chain_free(struct pair_peer *peer, struct pair_chain *c);
void pair_silence(struct pair_peer *peer);
/* Read and signed: the peer's first entry, or the first of a turn. */
enum status pair_adopt(struct pair *p, struct pair_peer *peer, const struct pair_entry *e,
                       bool *ret_anew) MUST_USE;
enum status pair_step(struct pair *p, struct pair_peer *peer, struct pair_chain *c,
                      const struct pair_entry *e) MUST_USE;

#endif
