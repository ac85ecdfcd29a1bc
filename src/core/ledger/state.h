/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * state: the inside of struct ledger, shared by the files of this folder only:
 * the entry types (type_*.c) check it and change it.
 *
 * Owns: struct ledger owns all it points to. Errors: see ledger.h; a check
 *     returns NULL or the reason why the entry is void.
 * Order: decode, check, apply; apply only what check accepted.
 */
#ifndef ENCLAVE_CORE_LEDGER_STATE_H
#define ENCLAVE_CORE_LEDGER_STATE_H

#include "core/ledger/ledger.h"

#define LEDGER_PENDING_UPDATES 512 /* an UPDATE above that is void: room stays for ADD, LEAVE */
#define LEDGER_PENDING_ADDS 768

struct ledger_pending {
    uint8_t type;
    uint16_t leaf;
};

struct ledger_epoch_row {
    uint64_t index; /* of the COMMIT that opened it */
    uint64_t time_ms;
    uint64_t seen[3];
};

struct ledger {
    uint8_t enclave_id[32];
    uint8_t room[32];
    uint8_t start[32]; /* chain_-1 */
    uint8_t (*chains)[32];
    uint64_t count;
    uint64_t chains_cap;
    bool started;
    bool ended;
    uint64_t epoch;
    uint64_t generation;
    uint8_t ballot_kind;
    uint8_t mode;
    uint64_t policy[LEDGER_POLICY_END];
    uint64_t history_floor; /* epoch in which "no history" last held, when it no longer does */
    struct ledger_sentinel sentinels[LEDGER_SENTINELS_MAX];
    size_t n_sentinels;
    struct ledger_sentinel home;
    bool moved; /* home is set */
    struct ledger_digest *digests[LEDGER_DIGESTS_MAX];
    size_t n_digests;
    char name[LEDGER_NAME_MAX + 1];
    struct ledger_leaf **leaves; /* [i]->leaf == i */
    size_t n_leaves;
    size_t leaves_cap;
    size_t members;
    struct ledger_proposal **proposals;
    size_t n_proposals;
    size_t proposals_cap;
    struct ledger_proposal *current;  /* add or policy, open or passed; NULL */
    uint64_t taken[COMMIT_TAKEN_MAX]; /* indexes not yet taken in by a COMMIT */
    struct ledger_pending pending[COMMIT_TAKEN_MAX];
    size_t n_pending;
    uint64_t voids[COMMIT_VOID_MAX]; /* void COMMITs since the last valid one */
    uint16_t void_by[COMMIT_VOID_MAX];
    size_t n_voids;
    struct ledger_epoch_row *epochs;
    size_t epochs_cap;
};

struct ledger_type {
    uint8_t number;
    const char *name;
    enum status (*decode)(struct ledger_judged *j);
    const char *(*check)(const struct ledger *l, struct ledger_judged *j);
    enum status (*apply)(struct ledger *l, const struct ledger_judged *j);
};

extern const struct ledger_type ledger_type_genesis;
extern const struct ledger_type ledger_type_propose;
extern const struct ledger_type ledger_type_ballot;
extern const struct ledger_type ledger_type_add;
extern const struct ledger_type ledger_type_leave;
extern const struct ledger_type ledger_type_update;
extern const struct ledger_type ledger_type_commit;
extern const struct ledger_type ledger_type_expire;
extern const struct ledger_type ledger_type_withdraw;
extern const struct ledger_type ledger_type_head;
extern const struct ledger_type ledger_type_veto_keys;
extern const struct ledger_type ledger_type_remove;
extern const struct ledger_type ledger_type_policy;
extern const struct ledger_type ledger_type_self_revoke;
extern const struct ledger_type ledger_type_renew;
extern const struct ledger_type ledger_type_away;
extern const struct ledger_type ledger_type_rehome;
extern const struct ledger_type ledger_type_digest;

/* Room for one more item of size bytes in *array; *cap items are there, n are used. */
enum status ledger_room_for(void **array, size_t size, size_t n, size_t *cap) MUST_USE;
/* A new leaf, listed, a member from entry index on; NULL: no memory. */
struct ledger_leaf *ledger_enter(struct ledger *l, uint64_t index, const uint8_t id[32],
                                 const uint8_t seat[32], const uint8_t *kem_pk,
                                 const uint8_t revoke_hash[32], struct bytes nick);
void ledger_push_pending(struct ledger *l, uint64_t index, uint8_t type, uint16_t leaf);
void ledger_close(struct ledger *l, struct ledger_proposal *p, enum ledger_vote_state state,
                  uint64_t index, uint16_t by);
/* The roster changed: open votes are void, and so is a removal of somebody who is gone. */
void ledger_void_votes(struct ledger *l, uint64_t index, uint16_t by);
/* A valid entry of that leaf: a vote to remove several silent ones, it among them, is void. */
void ledger_heard(struct ledger *l, uint16_t leaf, uint64_t index);
/* A member is no longer one: type is LEAVE, REMOVE or SELF_REVOKE. */
void ledger_depart(struct ledger *l, uint16_t leaf, uint64_t index, uint8_t type);
enum status ledger_open_epoch(struct ledger *l, uint64_t epoch, const struct ledger_judged *j);
/* The proposal an entry names, if it is in that state; NULL and *ret_why: it is not. */
struct ledger_proposal *ledger_named(const struct ledger *l, uint64_t index, const uint8_t hash[32],
                                     enum ledger_vote_state state, const char **ret_why);
struct ledger_leaf *ledger_leaf_rw(struct ledger *l, uint16_t leaf);
/* Holds the secrets of the current epoch and is still a member. */
bool ledger_keyed(const struct ledger_leaf *leaf);
/* Keyed, and no target of a removal: may commit. */
bool ledger_may_commit(const struct ledger *l, const struct ledger_leaf *leaf);
void ledger_copy_text(char *to, struct bytes from);
/* ADD, REMOVE, POLICY: it names a passed vote of that kind and all its ballots. NULL or the reason. */
const char *ledger_check_outcome(const struct ledger *l, const struct ledger_judged *j,
                                 uint8_t kind);
/* ---- votes.c: proposals and voters ---- */
/* What all proposals have in common; serials as the body names them. NULL or the reason. */
const char *ledger_check_serials(const struct ledger *l, const struct ledger_judged *j,
                                 uint8_t kind, const uint16_t *targets, size_t n_targets,
                                 struct list serials);
enum status ledger_add_proposal(struct ledger *l, const struct ledger_judged *j);
void ledger_proposal_free(struct ledger_proposal *p);
/* ---- type_veto.c: stocks ---- */
const char *ledger_check_keys(const struct ledger *l, const uint8_t id[32], uint32_t first,
                              struct list keys);
void ledger_stock_add(struct ledger_stock *s, struct list keys);
/* ---- type_policy.c ---- */
bool ledger_policy_ok(struct list policy);
void ledger_policy_defaults(struct ledger *l);
void ledger_policy_set(struct ledger *l, struct list policy);

#endif
