/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * commit: the body of a COMMIT, built by its author and rebuilt byte for byte by
 * every receiver (protocol.md section 6). Who is in the new roster and what the
 * COMMIT must take in is the ledger's word (struct commit_plan); this module is
 * the cryptography.
 *
 * Owns: struct commit_plan borrows all its pointers. ret_next and ret_joined are
 *     plain memory with secrets: the caller wipes.
 * Errors: commit_open: ST_INTEGRITY and *ret_fault says which part of which leaf
 *     differs; COMMIT_OWN_WRAP: our own wrap does not open (protocol.md 6: stay
 *     and read on). commit_build: ST_BAD_KEY, ST_TOO_BIG. ST_NO_MEMORY in both.
 * Order: ledger makes the plan; commit_build or commit_open.
 */
#ifndef ENCLAVE_CORE_EPOCH_COMMIT_H
#define ENCLAVE_CORE_EPOCH_COMMIT_H

#include "base/fields.h"
#include "core/epoch/schedule.h"

#define COMMIT_LEAVES_MAX 128
#define COMMIT_TAKEN_MAX 1024
#define COMMIT_VOID_MAX 256
#define COMMIT_KEYS_MAX 64 /* epochs of file keys handed to a newcomer */
#define COMMIT_KEY_ITEM 72 /* epoch u64 | file-KEK 32 | tree key 32 */
#define COMMIT_BACK 48
#define COMMIT_OLD_WRAP (32 + 16)
#define COMMIT_NEW_PLAIN_MAX (32 + 32 + 8 + 32 + 32 + 2 + COMMIT_KEYS_MAX * COMMIT_KEY_ITEM)

/* The part before the leaves. */
#define COMMIT_HEAD_FIELDS(X, M)             \
    X(M, U64, epoch, 0, 0)                   \
    X(M, U16, committer, 0, 0)               \
    X(M, LIST16, taken, 8, COMMIT_TAKEN_MAX) \
    X(M, LIST16, voids, 8, COMMIT_VOID_MAX)  \
    X(M, FIX, kem_pk, 1216, 0)
FIELDS_DECLARE(commit_head, COMMIT_HEAD_FIELDS);

struct commit_leaf {
    uint16_t leaf;
    uint16_t member;
    bool fresh;             /* gets the newcomer's wrap */
    const uint8_t *id;      /* 32 */
    const uint8_t *seat;    /* 32 */
    const uint8_t *wrap_pk; /* 1216: what the wrap goes to */
    const uint8_t *pk;      /* 1216: valid in the new epoch */
};

struct commit_plan {
    const uint8_t *enclave_id;   /* 32 */
    const uint8_t *room;         /* 32 */
    const uint8_t *chain_before; /* 32: prev_chain of the COMMIT */
    uint64_t epoch;              /* the new one */
    uint16_t committer;
    bool new_generation;   /* a LEAVE or removal is taken in */
    const uint64_t *taken; /* indexes taken in, ascending */
    size_t n_taken;
    const uint64_t *voids; /* indexes of void COMMITs to this epoch */
    size_t n_voids;
    const uint8_t *kem_pk;            /* 1216: the committer's new one */
    const struct commit_leaf *leaves; /* the new roster, ascending */
    size_t n;
};

/* A file key pair of an epoch. */
struct commit_key {
    uint64_t epoch;
    uint8_t file_kek[32];
    uint8_t tree[32];
};

/* What a member of e-1 holds. */
struct commit_prev {
    const uint8_t *init;           /* 32: init_secret[e-1] */
    const uint8_t *log;            /* 32: log_key[e-1] */
    uint64_t generation;           /* of e-1, with its secrets */
    const uint8_t *dedup;          /* 32 */
    const uint8_t *placement;      /* 32 */
    const struct commit_key *keys; /* ascending, without gaps, the last one of epoch e-1 */
    size_t n_keys;
    uint64_t first_floor; /* a newcomer's keys never begin below this epoch */
};

/* The state after a COMMIT. */
struct commit_next {
    struct epoch_keys keys;
    uint64_t generation;
    uint8_t dedup[32];
    uint8_t placement[32];
    uint64_t first; /* first epoch of the newcomers' key list; UINT64_MAX: no newcomer */
};

/* What a newcomer's wrap hands over besides: the keys of older epochs, the new one not among them. */
struct commit_joined {
    struct commit_key keys[COMMIT_KEYS_MAX];
    size_t n;
};

enum commit_part {
    COMMIT_FINE,
    COMMIT_LAYOUT,   /* cannot be cut into fields, or other leaves than the roster's */
    COMMIT_OWN_WRAP, /* our own wrap does not open */
    COMMIT_CT,
    COMMIT_WRAP,
    COMMIT_BACK_PART,
    COMMIT_TAG
};
const char *commit_part_text(enum commit_part part);

struct commit_fault {
    enum commit_part part;
    uint16_t leaf; /* of COMMIT_CT, COMMIT_WRAP, COMMIT_OWN_WRAP */
};

struct commit_own {
    uint16_t leaf;
    const uint8_t *kem_seed; /* 32: of the pk that the plan wraps to us */
    /* 32, NULL: unwrap it. Of our own COMMIT after a restore: its wrap to us goes to a lost key. */
    const uint8_t *commit_secret;
};

/* roster hash = H("ENCLAVE-ROSTER" | n | n x (leaf | member | ID | KEM pk | seat)). */
void commit_roster_hash(const struct commit_leaf *leaves, size_t n, uint8_t ret[32]);

/* first: where the newcomers' key list begins (raised to the floor and to what fits). Appends the
 * body to out. */
enum status commit_build(const struct commit_plan *plan, const struct commit_prev *prev,
                         const uint8_t commit_secret[32], uint64_t first, struct buf *out,
                         uint8_t ret_back[COMMIT_BACK], struct commit_next *ret_next) MUST_USE;

/* A member of e-1 judges. */
enum status commit_open(const struct commit_plan *plan, const struct commit_prev *prev,
                        const struct commit_own *own, struct bytes body,
                        const uint8_t back[COMMIT_BACK], struct commit_next *ret_next,
                        struct commit_fault *ret_fault) MUST_USE;
/* A newcomer judges its own first COMMIT; log_prev: log_key[e-1]. */
enum status commit_open_new(const struct commit_plan *plan, const uint8_t log_prev[32],
                            const struct commit_own *own, struct bytes body,
                            const uint8_t back[COMMIT_BACK], struct commit_next *ret_next,
                            struct commit_joined *ret_joined,
                            struct commit_fault *ret_fault) MUST_USE;

#endif
