/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * ledger: the verified state of an enclave, built entry by entry from feed 0
 * (protocol.md sections 1, 4, 5, 11). It judges by rules number 1: an entry is
 * valid, or void for all alike with a reason; it keeps its index either way.
 * No secrets are in here; whether a COMMIT's wraps are right is judged between
 * ledger_judge and ledger_apply by who holds the keys (group.h).
 *
 * Owns: everything handed out (pointers to leaves, proposals, texts) belongs to
 *     the ledger and lives until the next ledger_apply. A struct ledger_judged
 *     borrows the plain text it was made from until it is applied.
 * Errors: ST_NO_MEMORY only; void entries are a verdict, not an error.
 * Order: ledger_new, then for index 0, 1, 2, ...: ledger_judge, perhaps
 *     ledger_void, ledger_apply. Queries at any time.
 */
#ifndef ENCLAVE_CORE_LEDGER_LEDGER_H
#define ENCLAVE_CORE_LEDGER_LEDGER_H

#include "core/ballot/ballot.h"
#include "core/door/knock.h"
#include "core/epoch/commit.h"
#include "core/feed/entry0.h"
#include "core/ledger/bodies.h"

#define LEDGER_NOBODY 0xFFFF
#define LEDGER_NEVER UINT64_MAX
#define LEDGER_CLOSED_KEPT 64 /* refused proposals remembered for display */
#define LEDGER_TURN_MS 10000  /* a place in the order of turns */

struct ledger; /* opaque */

/* One-time keys of a member, ready for votes to come: shown, and not yet named by a proposal. */
struct ledger_stock {
    uint32_t next; /* serial of the next key that it shows */
    uint32_t serial[LEDGER_VETO_STOCK];
    uint8_t x[LEDGER_VETO_STOCK][VETO_POINT];
    size_t n;
    uint16_t reserve_by[LEDGER_VETO_RESERVE]; /* whose removals took of the reserve */
    size_t n_reserve_by;
};

/* One leaf; departed ones stay listed. */
struct ledger_leaf {
    uint16_t leaf;
    uint16_t member;
    bool member_now; /* added and not left */
    uint8_t id[32];
    uint8_t seat[32];
    uint8_t revoke_hash[32];
    uint8_t kem_pk[1216];     /* valid in the current epoch */
    uint8_t kem_update[1216]; /* of the last UPDATE not yet taken in */
    unsigned updates;         /* not yet taken in */
    bool renewed;             /* its last RENEW is not taken in: it holds no keys till then */
    uint64_t renewals;
    uint64_t renewed_at;       /* index of its last RENEW, if there was one */
    uint64_t renewed_epoch;    /* and the epoch then */
    struct ledger_stock stock; /* of veto keys */
    char nick[LEDGER_NICK_MAX + 1];
    uint64_t added;       /* index of GENESIS or ADD */
    uint64_t left;        /* index of LEAVE, REMOVE or SELF_REVOKE; LEDGER_NEVER */
    uint8_t left_by;      /* which of these */
    uint64_t removal;     /* index of the PROPOSE that removed it; LEDGER_NEVER */
    uint64_t epoch_in;    /* first epoch whose keys it got; LEDGER_NEVER: none yet */
    uint64_t epoch_out;   /* first epoch whose keys it did not get; LEDGER_NEVER */
    uint8_t drop_sig[64]; /* of LEAVE: "drop" by its seat */
    uint64_t kem_epoch;   /* epoch since which kem_pk holds */
    uint64_t head_index;  /* its last HEAD; LEDGER_NEVER */
    uint64_t head_epoch;
    uint64_t head_next;
    struct seen head_seen[3]; /* feeds 1, 2, 3 */
    uint64_t head_version;    /* of the seat list that head_sig speaks of */
    uint8_t head_sig[64];     /* "rehome"; zeros: none */
    uint64_t last;            /* its last valid entry; LEDGER_NEVER */
    uint64_t last_ms;         /* and that one's time: advice */
    uint64_t away_ms;         /* away until then, by its own word; 0 */
    bool missed; /* cast no ballot in a vote that expired, and has written nothing since it began */
};

enum ledger_vote_state {
    LEDGER_VOTE_OPEN,
    LEDGER_VOTE_PASSED, /* its ADD, REMOVE or POLICY is due */
    LEDGER_VOTE_ADDED,
    LEDGER_VOTE_REMOVED,
    LEDGER_VOTE_CHANGED,
    LEDGER_VOTE_REJECTED,
    LEDGER_VOTE_EXPIRED,
    LEDGER_VOTE_WITHDRAWN,
    LEDGER_VOTE_VOIDED /* somebody was added or left meanwhile */
};
const char *ledger_vote_text(enum ledger_vote_state state);

struct ledger_voter {
    uint16_t leaf;
    struct ballot_cast cast;
    uint64_t index; /* of the BALLOT */
    uint8_t seat[32];
    uint8_t seat_sig[64];
    uint16_t place;        /* among the voters, by ID */
    uint32_t serial;       /* of the key that it votes with; secret ballots only */
    uint8_t y[VETO_POINT]; /* the base of its ballot */
};

struct ledger_proposal {
    uint64_t index;
    uint8_t hash[32];
    uint8_t kind;                     /* enum propose_kind */
    const struct ballot_kind *ballot; /* one voter: open, whatever the policy */
    uint8_t ctx[32];                  /* of a secret vote */
    enum ledger_vote_state state;
    uint16_t by; /* leaf of the proposer */
    uint64_t time_ms;
    uint64_t epoch;
    uint8_t prev_chain[32];
    bool compared;
    uint8_t door[32];
    uint8_t reply[32];
    uint8_t invitation[32];
    struct bytes knock;     /* verbatim */
    struct bytes record;    /* verbatim */
    struct knock candidate; /* points into knock; PROPOSE_ADD only, like all since door */
    char nick[LEDGER_NICK_MAX + 1];
    uint16_t targets[LEDGER_MEMBERS_MAX]; /* PROPOSE_REMOVE */
    size_t n_targets;
    struct bytes reason;          /* PROPOSE_REMOVE, PROPOSE_POLICY */
    struct propose_policy policy; /* PROPOSE_POLICY: points into the proposal */
    uint8_t *text;                /* what the views point into */
    struct ledger_voter *voters;  /* ascending by leaf */
    size_t n_voters;
    uint64_t closed;         /* index of the entry that closed it; LEDGER_NEVER */
    uint16_t closed_by;      /* leaf that posted that entry */
    uint64_t added;          /* index of the ADD, REMOVE or POLICY; LEDGER_NEVER */
    uint8_t added_chain[32]; /* chain after the ADD, as a WELCOME tells it */
    uint64_t added_epoch;
    uint16_t added_leaf;
};

struct ledger_sentinel {
    char address[LEDGER_ADDRESS_MAX + 1];
    uint8_t pin[32];
};

/* ---- taking entries ---- */

struct ledger_verdict {
    bool valid;
    const char *reason; /* why it is void; static text */
    uint16_t author;    /* leaf; LEDGER_NOBODY if it is not proved who wrote it */
    uint8_t type;
    bool other_history; /* signed by a member over another chain than ours: a fork, or a lie */
};

struct ledger_judged {
    uint64_t index;
    uint8_t chain[32]; /* after this entry */
    struct ledger_verdict verdict;
    struct entry0 entry;
    uint8_t hash[32]; /* of a PROPOSE */
    union {
        struct genesis genesis;
        struct propose propose;
        struct propose_remove remove;
        struct propose_policy policy;
        struct veto_keys veto_keys;
        struct ballot_body ballot;
        struct outcome_body outcome;
        struct leave_body leave;
        struct update_body update;
        struct close_body close;
        struct head_body head;
        struct commit_head commit;
        struct self_revoke self_revoke;
        struct renew_body renew;
        struct away_body away;
        struct digest_body digest;
        struct rehome_body rehome;
    } body;
    struct knock knock;      /* of a PROPOSE */
    struct ballot_cast cast; /* of a BALLOT that holds */
    struct bytes wraps;      /* of a COMMIT: what follows its head */
};

enum status ledger_new(const uint8_t enclave_id[32], const uint8_t room[32],
                       struct ledger **ret) MUST_USE;
void ledger_free(struct ledger *l);

/* Judges the next entry (index = ledger_count) without changing anything. plain: what entry0_open
 * gave, with pad; BYTES_NONE: it could not be opened. envelope_epoch: as it stood outside.
 * chain: after this entry. */
void ledger_judge(const struct ledger *l, struct bytes plain, uint64_t envelope_epoch,
                  const uint8_t chain[32], struct ledger_judged *ret);
/* Makes a judged entry void after all (a COMMIT whose wraps are wrong). */
void ledger_void(struct ledger_judged *j, const char *reason);
/* Counts the entry and, if valid, applies it. */
enum status ledger_apply(struct ledger *l, const struct ledger_judged *j) MUST_USE;

/* What a COMMIT by committer at this point must be: roster after take-in and the lists. kem_pk
 * (1216, the committer's new key) must live as long as the plan; ret_leaves: room for
 * COMMIT_LEAVES_MAX. ST_DENIED if committer cannot commit or nobody would be left. */
enum status ledger_plan(const struct ledger *l, uint16_t committer, const uint8_t *kem_pk,
                        struct commit_leaf *ret_leaves, struct commit_plan *ret) MUST_USE;

/* ---- queries ---- */

const uint8_t *ledger_enclave_id(const struct ledger *l);
const uint8_t *ledger_room(const struct ledger *l);
uint64_t ledger_count(const struct ledger *l);       /* entries taken */
const uint8_t *ledger_chain(const struct ledger *l); /* after them */
/* Chain after the first count entries; NULL if we have fewer. */
const uint8_t *ledger_chain_at(const struct ledger *l, uint64_t count);
bool ledger_started(const struct ledger *l); /* a valid GENESIS was taken */
bool ledger_ended(const struct ledger *l);   /* the last member left */
uint64_t ledger_epoch(const struct ledger *l);
uint64_t ledger_generation(const struct ledger *l);
const char *ledger_name(const struct ledger *l);
uint8_t ledger_ballot_kind(const struct ledger *l);
uint8_t ledger_mode(const struct ledger *l);
uint64_t ledger_policy(const struct ledger *l, enum ledger_policy key);
/* A newcomer gets no file keys of epochs below this one (protocol.md 6: "no history" last held). */
uint64_t ledger_history_floor(const struct ledger *l);
size_t ledger_sentinels(const struct ledger *l, const struct ledger_sentinel **ret);
/* Where the room is, by the last REHOME; NULL: never moved by one. */
const struct ledger_sentinel *ledger_home(const struct ledger *l);

/* The newest DIGESTs, oldest first: well formed, and whether they are true is not the ledger's to say. */
#define LEDGER_DIGESTS_MAX 512
struct ledger_digest {
    uint64_t index;
    uint16_t by;
    uint32_t day;
    size_t n;
    uint8_t body[];
};
size_t ledger_digests(const struct ledger *l);
const struct ledger_digest *ledger_digest_at(const struct ledger *l, size_t i);
/* Reads a list of sentinels (bodies.h); to: room for LEDGER_SENTINELS_MAX, or NULL. */
bool ledger_read_sentinels(struct bytes list, struct ledger_sentinel *to, size_t *ret_n);

size_t ledger_leaves(const struct ledger *l); /* ever; leaf numbers are 0 .. n-1 */
const struct ledger_leaf *ledger_leaf(const struct ledger *l, uint16_t leaf); /* NULL: none */
const struct ledger_leaf *ledger_by_id(const struct ledger *l, const uint8_t id[32]);
const struct ledger_leaf *ledger_by_seat(const struct ledger *l, const uint8_t seat[32]);
size_t ledger_members(const struct ledger *l); /* now */
/* The leaf was in the roster of that epoch (has its keys). */
bool ledger_in_epoch(const struct ledger *l, uint16_t leaf, uint64_t epoch);

/* Proposals in order of index; includes those that led to an ADD, and the last closed ones. */
size_t ledger_proposals(const struct ledger *l);
const struct ledger_proposal *ledger_proposal_at(const struct ledger *l, size_t i);
const struct ledger_proposal *ledger_proposal(const struct ledger *l, uint64_t index);
/* Of the adds and policies, the one that is open or passed and waits for its outcome; NULL: none. */
const struct ledger_proposal *ledger_current_proposal(const struct ledger *l);
/* The removal of this leaf that is open or passed; NULL: none. Till it is over the target may not
 * propose, commit, expire or withdraw (protocol.md 5). */
const struct ledger_proposal *ledger_removal(const struct ledger *l, uint16_t leaf);
static inline bool ledger_is_current(const struct ledger_proposal *p)
{
    return p->state == LEDGER_VOTE_OPEN || p->state == LEDGER_VOTE_PASSED;
}
/* A voter may be named in a secret vote of that kind, proposed by that leaf: it has a key left. */
bool ledger_can_vote(const struct ledger *l, uint16_t leaf, uint8_t kind, uint16_t by);
/* Who would vote on a proposal (targets: of a removal, else NULL), by leaf; returns how many. */
size_t ledger_electorate(const struct ledger *l, const uint16_t *targets, size_t n_targets,
                         uint16_t ret[LEDGER_MEMBERS_MAX]);
/* The proposal that brought a leaf in; NULL for the creator. */
const struct ledger_proposal *ledger_admission(const struct ledger *l, uint16_t leaf);

/* COMMIT: index of the first entry not taken in, LEDGER_NEVER if none is due. */
uint64_t ledger_due(const struct ledger *l);
/* Index and chain that the order of turns hangs on. */
uint64_t ledger_due_base(const struct ledger *l, uint8_t ret_chain[32]);
/* Place of a leaf in the order of turns for the COMMIT now due: 0 first; LEDGER_NOBODY: may not. */
uint16_t ledger_turn(const struct ledger *l, uint16_t leaf);
/* The same for the end of a vote. Who holds no keys of this epoch comes after those who do: perhaps
 * the others are targets, who may not end it, or stopped, and then nobody else ends it ever. */
uint16_t ledger_turn_expire(const struct ledger *l, uint16_t leaf);
/* The same for the outcome of a passed proposal; the member whose ballot closed it goes first. */
uint16_t ledger_turn_outcome(const struct ledger *l, const struct ledger_proposal *p,
                             uint16_t leaf);
/* Index of the COMMIT that opened an epoch; LEDGER_NEVER if it is not open yet. */
uint64_t ledger_epoch_index(const struct ledger *l, uint64_t epoch);
/* How many entries of feed 1, 2 or 3 that COMMIT had seen; 0 for epoch 0 or one not open. */
uint64_t ledger_epoch_seen(const struct ledger *l, uint64_t epoch, uint8_t feed);
static inline uint64_t ledger_epoch_mail(const struct ledger *l, uint64_t epoch)
{
    return ledger_epoch_seen(l, epoch, 1);
}
uint64_t ledger_epoch_time(const struct ledger *l, uint64_t epoch); /* time_ms of it: advice */

/* Does an entry of feed 1, 2 or 3 at feed_index, sealed in epoch by leaf, count (protocol.md 8,
 * "Which epoch counts")? As far as the ledger is known now. */
bool ledger_counts(const struct ledger *l, uint8_t feed, uint64_t feed_index, uint64_t epoch,
                   uint16_t leaf);

/* A claim to have seen feed 0 up to (count, chain): true if it agrees with ours or is ahead. */
bool ledger_agrees(const struct ledger *l, const struct seen *claim);

/* Signatures by seats: "ENCLAVE-SEAT " verb. */
void ledger_sign_add(const uint8_t seat_seed[32], const uint8_t room[32], const uint8_t seat[32],
                     const uint8_t proposal[32], uint8_t ret_sig[64]);
enum status ledger_verify_add(const uint8_t voter_seat[32], const uint8_t room[32],
                              const uint8_t seat[32], const uint8_t proposal[32],
                              const uint8_t sig[64]) MUST_USE;
void ledger_sign_drop(const uint8_t seat_seed[32], const uint8_t room[32], const uint8_t seat[32],
                      uint8_t ret_sig[64]);
enum status ledger_verify_drop(const uint8_t voter_seat[32], const uint8_t room[32],
                               const uint8_t seat[32], const uint8_t sig[64]) MUST_USE;
/* Key that RENEW is sealed under: Expand(log_key[0], "ENCLAVE renew"). */
void ledger_renew_key(const uint8_t log_key_0[32], uint8_t ret[32]);
/* enclave_id = H("ENCLAVE-ID" | GENESIS body). */
void ledger_id_of(struct bytes genesis_body, uint8_t ret[32]);
/* H("ENCLAVE-PROPOSAL" | plain PROPOSE entry with signature, without pad). */
enum status ledger_proposal_hash(const struct entry0 *e, uint8_t ret[32]) MUST_USE;

#endif
