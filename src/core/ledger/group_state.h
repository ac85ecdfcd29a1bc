/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * group_state: the inside of struct group, shared by the group_*.c files only.
 *
 * Owns: struct group owns all it points to; rows and secrets stand in guarded
 *     memory. Errors: see group.h. Order: none.
 */
#ifndef ENCLAVE_CORE_LEDGER_GROUP_STATE_H
#define ENCLAVE_CORE_LEDGER_GROUP_STATE_H

#include "core/epoch/walk.h"
#include "core/ledger/group.h"
#include "core/ledger/proof.h"
#include "core/ledger/state.h"

enum group_phase {
    GROUP_WALKING, /* a newcomer collects what stands outside the seals */
    GROUP_LIVE
};

enum group_row_flag {
    GROUP_ROW_LOG = 1,
    GROUP_ROW_FILE = 2,  /* file_kek, tree */
    GROUP_ROW_ALL = 4,   /* door, receipts, pair */
    GROUP_ROW_SECRET = 8 /* epoch_secret, until the sender secrets were taken */
};

/* What is kept of an epoch's keys. */
struct group_row {
    uint8_t flags;
    uint64_t learned_ms;
    uint8_t log[32];
    uint8_t file_kek[32];
    uint8_t tree[32];
    uint8_t door[32];
    uint8_t receipts[32];
    uint8_t pair[32];
    uint8_t epoch_secret[32];
};

enum group_seed_role {
    GROUP_SEED_NOW,    /* our key in the ledger */
    GROUP_SEED_OLD,    /* was it, kept until epoch `until` */
    GROUP_SEED_COMMIT, /* of a COMMIT of ours to epoch `until`, perhaps not posted */
    GROUP_SEED_UPDATE  /* of an UPDATE of ours taken in by epoch `until` */
};

struct group_seed {
    uint8_t role;
    bool stale; /* made before a restore was noticed: what it opens may have been used before */
    uint64_t until;
    uint8_t seed[32];
};

#define GROUP_ATTEMPTS 4

/* The secret of a veto key that we showed: wiped when a ballot is made with it. */
struct group_veto {
    uint32_t serial;
    uint8_t x[VETO_SCALAR];
};

/* A current vote, by our own clock. */
struct group_clock {
    uint64_t index;
    uint64_t seen_ms;
    uint64_t passed_ms; /* 0: it did not pass yet */
};

struct group_secrets {
    uint8_t id_seed[32];
    uint8_t seat_seed[32];
    uint8_t init[32]; /* of the current epoch */
    uint8_t dedup[32];
    uint8_t placement[32];
    struct group_seed seeds[GROUP_SEEDS_MAX];
    struct group_veto veto[GROUP_VETO_MAX];
    uint8_t veto_seed[32];                /* of the keys that are on their way into the ledger */
    uint8_t attempts[GROUP_ATTEMPTS][32]; /* commit secrets of our own COMMITs after a restore */
};

#define GROUP_BODY_MAX 256 /* of a ballot */

/* A ballot's body, made once. */
struct group_ballot {
    uint8_t hash[32];
    bool yes;
    uint16_t n;
    uint8_t body[GROUP_BODY_MAX];
};

struct group {
    enum group_phase phase;
    uint8_t enclave_id[32];
    uint8_t room[32];
    uint8_t id[32];
    struct ledger *ledger;
    struct group_secrets *secrets; /* guarded */
    size_t n_seeds;
    size_t n_attempts; /* made; the last GROUP_ATTEMPTS are kept */
    size_t n_veto;
    uint32_t veto_from; /* the first serial that veto_seed makes; UINT32_MAX: none */
    bool veto_dead;     /* what we showed before may have been used: the next VETO_KEYS says so */
    uint8_t (*seed_pks)[1216]; /* [i] belongs to secrets->seeds[i] */
    struct group_row *rows;    /* guarded; [e] of epoch e */
    size_t n_rows;
    size_t rows_cap;
    uint64_t generation;
    uint64_t first_floor;
    uint16_t leaf;

    bool joined;  /* by a WELCOME */
    bool renewed; /* which answered a RENEW: add_index is its index */
    uint64_t add_index;
    uint8_t add_chain[32];
    uint64_t add_epoch;
    uint8_t add_log[32];
    struct entry0_envelope *heads; /* while walking */
    size_t n_heads;
    size_t heads_cap;
    uint32_t *sizes; /* of the entries that wait in history */
    size_t sizes_cap;
    struct buf history;
    uint8_t walk_chain[32];

    uint64_t saved_count; /* entries below are replayed: known, quiet */
    uint8_t saved_chain[32];
    uint64_t saved_epoch;

    bool dirty;
    bool forked;
    struct seen fork_mine, fork_theirs; /* the first proof of it */
    bool old_head;
    bool restored;
    bool lost;
    bool out;
    unsigned strange;  /* entries of the next epoch after a COMMIT we could not enter */
    bool shut_out;     /* such a COMMIT was seen */
    uint64_t due_base; /* what the order of turns hung on when it began */
    uint64_t due_ms;   /* and when it began for us */
    struct group_clock clocks[GROUP_CLOCKS_MAX];
    size_t n_clocks;
    uint64_t head_ms; /* our last HEAD, or our coming in */
    bool used;        /* words or files were sealed in the newest epoch */
    struct {
        uint64_t count;   /* entries when a HEAD of ours landed in a used epoch; 0: none */
        uint64_t ms;      /* and when */
    } marks[GROUP_MARKS]; /* the newest first */

    struct group_ballot ballots[GROUP_BALLOTS_MAX];
    size_t n_ballots;

    uint64_t agreed[LEDGER_LEAVES_MAX]; /* by leaf: confirmed by words in other feeds */
    struct buf proof;

    group_listener *listener;
    void *listener_arg;
    struct group_event *events;
    size_t n_events;
    size_t events_cap;
    size_t next_event;
};

struct group *group_alloc(const uint8_t enclave_id[32], const uint8_t room[32]);
enum status group_set_self(struct group *g, const struct group_self *self) MUST_USE;
/* A draft of that type for the present head; checked by our own ledger. group_make: by a field list, if
 * the group is writable. */
enum status group_seal(struct group *g, uint8_t type, struct bytes body,
                       const uint8_t back[ENTRY0_BACK], const struct group_now *now,
                       struct group_draft *ret) MUST_USE;
enum status group_make(struct group *g, uint8_t type, const struct fields *fields, const void *body,
                       const struct group_now *now, struct group_draft *ret) MUST_USE;
/* Places in the random bytes of one draft. */
#define RANDOM_BACK 0
#define RANDOM_NONCE 48
#define RANDOM_COMMIT 72
#define RANDOM_KEM 104
#define RANDOM_VETO 136
/* Rows 0 .. n-1 exist afterwards. */
enum status group_rows(struct group *g, size_t n) MUST_USE;
void group_row_set(struct group_row *row, const struct epoch_keys *keys, uint64_t now_ms);
const struct group_clock *group_clock(const struct group *g, uint64_t index); /* NULL: none */
enum status group_veto_add(struct group *g, uint32_t serial, const uint8_t x[VETO_SCALAR]) MUST_USE;
/* The secret for that serial; NULL: not here. */
struct group_veto *group_veto_find(const struct group *g, uint32_t serial);
void group_veto_drop(struct group *g, struct group_veto *v);
/* Our ballot is in the ledger: what it said is kept no longer. */
void group_ballot_landed(struct group *g, const uint8_t hash[32]);
/* Nothing that this machine showed before may be used any more. */
void group_veto_kill(struct group *g);
enum status group_seed_add(struct group *g, uint8_t role, uint64_t until, const uint8_t seed[32],
                           const uint8_t **ret_pk) MUST_USE;
void group_seed_drop(struct group *g, size_t i);
/* After a COMMIT was applied: which secrets stay (protocol.md 6). */
void group_seeds_turn(struct group *g);
/* The secret of pk is ours, and was made since the last restore that was noticed. */
bool group_kem_is_fresh(const struct group *g, const uint8_t pk[1216]);
const struct group_row *group_row(const struct group *g, uint64_t epoch, uint8_t flag);
bool group_quiet(const struct group *g, uint64_t index); /* replayed, or history of a newcomer */
struct group_event *group_emit(struct group *g, enum group_event_type type, uint64_t index);
void group_emit_fork(struct group *g, uint64_t index, uint16_t leaf, const struct seen *mine,
                     const struct seen *theirs);
/* The sentinel's fault, or our disk's: nothing is written any more. theirs: chain after count. */
void group_stop(struct group *g, uint64_t count, const uint8_t mine[32], const uint8_t theirs[32]);

/* The verdict of who holds keys about a COMMIT that the rules allow; may make it void. On ST_OK
 * with the verdict still valid, group_commit_install must follow ledger_apply. */
struct group_commit {
    bool install;  /* next is filled: new keys */
    bool own_wrap; /* the wrap to us does not open ... */
    bool no_key;   /* ... and went to a key that we do not have */
    struct commit_fault fault;
    struct commit_next next;
    struct commit_joined joined;
};
enum status group_commit_judge(struct group *g, struct ledger_judged *j,
                               const uint8_t back[ENTRY0_BACK], struct group_commit *ret) MUST_USE;
enum status group_commit_prepare(struct group *g, const struct group_commit *c) MUST_USE;
void group_commit_install(struct group *g, const struct group_commit *c, uint64_t now_ms);
/* An entry of the epoch before, by which a member calls the COMMIT void that let us in. */
bool group_commit_disputed(const struct group *g, uint64_t index, struct bytes sealed,
                           uint16_t *ret_author);
/* What commit_build and commit_open want of us; *ret_keys is guarded: secret_free. */
enum status group_prev(const struct group *g, struct commit_prev *ret,
                       struct commit_key **ret_keys) MUST_USE;

#endif
