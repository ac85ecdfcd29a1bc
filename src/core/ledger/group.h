/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * group: one enclave as one of its members keeps it: feed 0 in step with the
 * sentinel, the ledger, the epochs and their keys (protocol.md sections 1 to 6,
 * 11, 12). Sealed entries and answers in, events, duties and sealed drafts out;
 * no I/O, no clock, no randomness.
 *
 * Owns: its secrets, in guarded memory. Pointers handed out live until the next
 *     group_take. Buffers are the caller's.
 * Errors: group_take: ST_CONFLICT (not the wanted index), ST_FORK (the sentinel
 *     shows another entry at an index we know, or another head than our WELCOME),
 *     ST_INTEGRITY (history cannot be verified), ST_NO_MEMORY. A bad entry is no
 *     error: it is void and an event tells.
 *     group_make_*: ST_DENIED (not now, not us), ST_CONFLICT (another body of the
 *     same ballot exists), ST_NOT_FOUND.
 * Order: one of group_create, group_join, group_load. Then forever: while
 *     group_wants(g) < what is stored or offered, group_take that entry; take all
 *     group_event; ask group_next. Sealed entries are kept by the caller: after
 *     group_load they are wanted again from 0.
 *     When group_dirty: group_save, store it in one transaction with what was
 *     taken or is about to be sent, before anything is sent.
 *
 * Posting: group_make_* gives a draft for the present head; append it with the
 *     expected (index, chain). Won: group_take(index, sealed) like any entry (or
 *     let it come back from the sentinel). Lost: take what came first, then ask
 *     group_next or make it again.
 */
#ifndef ENCLAVE_CORE_LEDGER_GROUP_H
#define ENCLAVE_CORE_LEDGER_GROUP_H

#include "core/ledger/ledger.h"

#define GROUP_RANDOM 192   /* random bytes for one draft */
#define GROUP_DOOR_KEYS 32 /* door keys accepted: of the last 14 days, at most so many */
#define GROUP_DOOR_MS ((uint64_t)14 * 24 * 3600 * 1000)
/* Who is online says a HEAD at least so often in an epoch that is used, and one after each COMMIT. */
#define GROUP_HEAD_MS ((uint64_t)24 * 3600 * 1000)
#define GROUP_HEAD_SPREAD_MS ((uint64_t)10 * 60 * 1000) /* leaves do not confirm a COMMIT at once */
/* By then the others have confirmed what we know: a use, a COMMIT within a day, a HEAD within another. */
#define GROUP_CONFIRM_MS ((uint64_t)60 * 3600 * 1000)
#define GROUP_MARKS 4         /* own HEADs remembered: of more than GROUP_CONFIRM_MS */
#define GROUP_EVENTS_MAX 4096 /* waiting; group_take says ST_BUSY above that */
#define GROUP_HISTORY_MAX ((size_t)256 << 20) /* a newcomer holds it until its ADD has come */
#define GROUP_ENTRIES_MAX ((uint64_t)1 << 22)
#define GROUP_SEEDS_MAX 16  /* own KEM secrets held at once */
#define GROUP_BALLOTS_MAX 8 /* own ballot bodies kept */
#define GROUP_VETO_MAX 64   /* secrets of veto keys that we showed and did not use yet */
#define GROUP_VETO_BATCH 16 /* keys shown at once */
#define GROUP_VETO_LOW 8    /* of them left: more are shown */
#define GROUP_CLOCKS_MAX 66 /* votes watched at once: one, and a removal of each member */
#define GROUP_UPDATE_MS \
    ((uint64_t)7 * 24 * 3600 * 1000) /* our KEM key is changed at least so often */
#define GROUP_PROOF_MAX ((size_t)1 << 20)

struct group; /* opaque */

/* ---- beginning ---- */

struct group_self {
    const uint8_t *id_seed;   /* 32, Ed25519 of this enclave */
    const uint8_t *seat_seed; /* 32, Ed25519 seat in this room */
    const uint8_t *kem_seed;  /* 32, X-Wing */
    const uint8_t *veto_x;    /* n_veto x 32: secrets of the keys in our knock, serials from 0 on */
    size_t n_veto;
};

/* The keys with serials first, first + 1, ... that a seed makes, to be shown, and their secrets. */
void group_veto_draw(const uint8_t seed[32], const uint8_t enclave_id[32], const uint8_t id[32],
                     uint32_t first, uint8_t ret_keys[GROUP_VETO_BATCH * VETO_KEY],
                     uint8_t ret_x[GROUP_VETO_BATCH * VETO_SCALAR]);

/* For every draft: the time (advice inside the entry) and how far the other feeds are seen. */
struct group_now {
    uint64_t now_ms;
    struct seen seen[3];   /* feeds 1, 2, 3 */
    const uint8_t *random; /* GROUP_RANDOM fresh random bytes */
};

struct group_draft {
    uint64_t index; /* expected: entries before it */
    uint8_t chain[32];
    struct buf sealed; /* BUF_INIT before, buf_free after */
};

struct group_create {
    struct group_self self;
    const uint8_t *room;           /* 32 random */
    const uint8_t *genesis_random; /* 32 random */
    const uint8_t *epoch_secret;   /* 32 random */
    const uint8_t *revoke_hash;    /* 32 */
    struct bytes nick;
    struct bytes name;
    uint8_t ballot_kind;
    uint8_t mode;
    const struct ledger_sentinel *sentinels;
    size_t n_sentinels;
    struct list policy; /* LEDGER_POLICY_ITEM each, may be empty */
};
/* seen may be left zero: the other feeds are unseen. ret_draft: GENESIS, index 0. */
enum status group_create(const struct group_create *a, const struct group_now *now,
                         struct group **ret, struct group_draft *ret_draft) MUST_USE;

/* A WELCOME came (core/door decodes it). Now entries from 0 are wanted. */
struct group_join {
    struct group_self self;
    const uint8_t *room;
    const uint8_t *enclave_id; /* of the invitation, not of the reply */
    uint64_t add_index;
    const uint8_t *chain; /* 32: after the ADD */
    uint64_t epoch;
    const uint8_t *log_key; /* 32: of that epoch */
};
enum status group_join(const struct group_join *a, struct group **ret) MUST_USE;

/* What a WELCOME for this added or renewed leaf says (index of ADD or RENEW, chain after it, epoch, log
 * key). */
struct group_welcome {
    uint64_t add_index;
    uint8_t chain[32];
    uint64_t epoch;
    uint8_t log_key[32];
};
/* A lost member whose RENEW was answered: the same member with the thread in its hand again. Entries
 * from 0 are wanted; mail and files of the old group's epochs stay readable. */
enum status group_rejoin(const struct group *old, const struct group_welcome *w,
                         struct group **ret) MUST_USE;

enum status group_load(struct bytes saved, struct group **ret) MUST_USE;
/* Appends everything that is not in the sealed entries: secrets; seal it as a vault row. */
enum status group_save(const struct group *g, struct buf *out) MUST_USE;
bool group_dirty(const struct group *g); /* something changed since group_saved */
void group_saved(struct group *g);       /* what group_save gave is on disk */
void group_free(struct group *g);

/* ---- reading feed 0 ---- */

uint64_t group_wants(const struct group *g); /* index of the next entry to hand in */
/* Entries below group_wants that are handed in again are compared with what we had. */
enum status group_take(struct group *g, uint64_t index, struct bytes sealed,
                       uint64_t now_ms) MUST_USE;

/* The sentinel says its head is (count, chain). ST_OK: same or ahead of us; ST_INTEGRITY: an older
 * database (append the entries from count on again, byte for byte); ST_FORK. */
enum status group_check_head(struct group *g, uint64_t count, const uint8_t chain[32]) MUST_USE;
/* Another feed holds an entry of ours that this disk does not know (protocol.md 11): keys are renewed
 * before we speak or vote. */
void group_note_restored(struct group *g);
/* This whole state is a copy, from which perhaps somebody went on: the same, also where it was so
 * before, and without an event. Any time after group_load or group_join. */
void group_note_copied(struct group *g);
struct seen group_seen(const struct group *g); /* our head, for entries of other feeds */
/* Somebody's entry claims to have seen (count, chain): ST_OK, ST_FORK, ST_PENDING (ahead of us). */
enum status group_check_seen(struct group *g, uint16_t leaf, const struct seen *claim) MUST_USE;

/* Two sealed entries for one place, ours and what the sentinel showed instead: kept as a proof if a
 * member signed each. ST_EXISTS: there is one already; ST_UNTRUSTED: somebody else signed. */
enum status group_prove(struct group *g, uint64_t index, struct bytes mine,
                        struct bytes theirs) MUST_USE;

enum group_event_type {
    GROUP_BEGUN,      /* GENESIS is valid */
    GROUP_PROPOSED,   /* index, leaf = proposer */
    GROUP_BALLOTED,   /* proposal, leaf = voter, choice */
    GROUP_CLOSED,     /* proposal, vote = its end, leaf = who closed it */
    GROUP_ADDED,      /* proposal, leaf = the newcomer: ADD_SEAT and WELCOME are due */
    GROUP_LEFT,       /* leaf: DROP_SEAT is due (drop_sig in the ledger) */
    GROUP_UPDATED,    /* leaf published a new KEM key */
    GROUP_EPOCH,      /* epoch began, by leaf: take the sender secrets */
    GROUP_IN,         /* our first COMMIT: we are in */
    GROUP_REMOVED,    /* leaf: by vote or by its recovery key: our seat's vote to drop it is due */
    GROUP_POLICED,    /* a POLICY changed what holds */
    GROUP_RENEWED,    /* leaf lost the thread and shows new keys: a WELCOME in the mail is due */
    GROUP_AWAY,       /* leaf says that it is away, or back */
    GROUP_REHOMED,    /* the room moved: ledger_home */
    GROUP_OUT,        /* our own LEAVE, REMOVE or SELF_REVOKE is in the ledger */
    GROUP_ENDED,      /* the last member left */
    GROUP_HEAD,       /* leaf says: epoch, next */
    GROUP_VOID,       /* leaf or LEDGER_NOBODY, reason */
    GROUP_BAD_COMMIT, /* leaf = its author, fault, reason */
    GROUP_FORK,       /* mine, theirs; leaf = who showed it, or LEDGER_NOBODY = the sentinel */
    GROUP_OLD_HEAD,   /* the sentinel's head is below ours: theirs.count */
    GROUP_RESTORED,   /* our own KEM key in the ledger is none of ours */
    GROUP_LOST        /* two entries under an epoch we cannot enter: RENEW is due */
};

struct group_event {
    enum group_event_type type;
    uint64_t index;   /* of the entry */
    uint64_t time_ms; /* its time: advice */
    uint16_t leaf;
    uint64_t proposal; /* index of the PROPOSE */
    enum ballot_choice choice;
    enum ledger_vote_state vote;
    uint64_t epoch;
    uint64_t next;
    uint64_t seen_mail; /* GROUP_HEAD: entries of feed 1 its author had seen */
    const char *reason; /* static text */
    struct commit_fault fault;
    struct seen mine;
    struct seen theirs;
};
bool group_event(struct group *g, struct group_event *ret); /* false: none is waiting */
/* Is told of every entry as it is judged, also of those that make no events: for an audit. */
typedef void group_listener(void *arg, const struct ledger *before, const struct ledger_judged *j);
void group_listen(struct group *g, group_listener *listener, void *arg);

/* ---- what is known ---- */

const struct ledger *group_ledger(const struct group *g);
uint16_t group_leaf(const struct group *g); /* ours; LEDGER_NOBODY before our ADD is verified */
bool group_in(const struct group *g);       /* we hold the keys of the current epoch */
bool group_writable(const struct group *g); /* no fork, not lost, not old, caught up once */
bool group_lost(const struct group *g);     /* GROUP_LOST was told and still holds */
bool group_restored(const struct group *g); /* keys are being renewed: nothing is said or voted */
/* Votes that we can still cast on: false: we have no key for it on this machine any more. */
bool group_can_ballot(const struct group *g, const struct ledger_proposal *p);
/* When we first saw a current proposal; 0: not a current one. */
uint64_t group_vote_ms(const struct group *g, const struct ledger_proposal *p);
/* When the keys of an epoch came, by our clock; 0: unknown. */
uint64_t group_epoch_ms(const struct group *g, uint64_t epoch);
/* Words or files sealed in this epoch were read, of anybody: the newest one's keys are in use. */
void group_use(struct group *g, uint64_t epoch);
/* Entries of the ledger that whoever was online since has confirmed by now (group_agreed), if all see
 * the same: those up to the last COMMIT, or HEAD of ours in a used epoch, that is older than
 * GROUP_CONFIRM_MS. */
uint64_t group_settled(const struct group *g, uint64_t now_ms);
/* Entries of the ledger that a leaf's signed words, of any feed, confirm as ours. */
uint64_t group_agreed(const struct group *g, uint16_t leaf);
/* The kept proof of two histories (core/ledger/proof.h); empty: none. */
struct bytes group_proof(const struct group *g);
/* Two histories were shown to us: both heads, kept over restarts. false: none. */
bool group_forked(const struct group *g, struct seen *ret_mine, struct seen *ret_theirs);
uint64_t group_epoch(const struct group *g);
const uint8_t *group_id_seed(const struct group *g);
const uint8_t *group_seat_seed(const struct group *g);
/* Own KEM secret for a public key of ours (1:1 mail, old ones one COMMIT longer); NULL: none. */
const uint8_t *group_kem_seed(const struct group *g, const uint8_t pk[1216]);
/* All feeds were read to their heads: KEM secrets that no COMMIT needs any more go. */
void group_feeds_read(struct group *g);
/* Own KEM secrets to which entries of a feed may be sealed, newest first. Returns how many. */
size_t group_kem_seeds(const struct group *g, const uint8_t *ret[GROUP_SEEDS_MAX]);

enum group_key {
    GROUP_KEY_DOOR,
    GROUP_KEY_FILE_KEK,
    GROUP_KEY_TREE,
    GROUP_KEY_RECEIPTS,
    GROUP_KEY_PAIR,
    GROUP_KEY_LOG /* of every epoch since the beginning */
};
/* ST_NOT_FOUND: an epoch we never held. tree and file-KEK also of epochs before we came, as far as
 * our WELCOME COMMIT handed them over. */
enum status group_key(const struct group *g, enum group_key key, uint64_t epoch,
                      uint8_t ret[32]) MUST_USE;
uint64_t group_generation(const struct group *g, uint8_t ret_dedup[32], uint8_t ret_placement[32]);
struct group_door_key {
    uint64_t epoch;
    uint8_t key[32];
};
/* Newest first. */
size_t group_door_keys(const struct group *g, uint64_t now_ms,
                       struct group_door_key ret[GROUP_DOOR_KEYS]);
/* s_0 of a leaf's mail chain. Held from GROUP_EPOCH until group_senders_drop(epoch): take all, store
 * them as chains in the same transaction as group_save, then drop. */
enum status group_sender(const struct group *g, uint64_t epoch, uint16_t leaf,
                         uint8_t ret[32]) MUST_USE;
void group_senders_drop(struct group *g, uint64_t epoch);
enum status group_welcome(const struct group *g, uint16_t leaf, struct group_welcome *ret) MUST_USE;

/* ---- what to do ---- */

enum group_duty {
    GROUP_NOTHING,
    GROUP_POST_ADD,
    GROUP_POST_COMMIT,
    GROUP_POST_HEAD,
    GROUP_POST_EXPIRE, /* proposal */
    GROUP_POST_UPDATE, /* after a restore, and once in a while */
    GROUP_POST_REMOVE, /* proposal */
    GROUP_POST_POLICY, /* proposal */
    GROUP_POST_VETO_KEYS,
    GROUP_POST_RENEW /* lost: also when group_writable says no */
};
struct group_next {
    enum group_duty duty;
    uint64_t at_ms; /* when to do it: now or earlier = at once; UINT64_MAX with GROUP_NOTHING */
    uint64_t proposal;
    uint16_t place; /* our place in the order of turns */
};
/* The earliest duty; ask again after each entry, group_use and at at_ms. */
struct group_next group_next(const struct group *g, uint64_t now_ms);

struct group_propose {
    bool compared;
    const uint8_t *door;       /* 32: H(token) */
    const uint8_t *reply;      /* 32: H(reply token) */
    const uint8_t *invitation; /* 32: H(invitation) */
    struct bytes knock;        /* plain text with signature, without pad */
    struct bytes record;       /* plain text of the door record */
};
enum status group_make_propose(struct group *g, const struct group_propose *a,
                               const struct group_now *now, struct group_draft *ret) MUST_USE;
/* The body of a ballot is made once for each proposal and kept till it lands or the vote is over; another
 * choice meanwhile: ST_CONFLICT. ST_LOCKED: the key for it is on this machine no more. ST_BUSY:
 * GROUP_BALLOTS_MAX wait to land. */
/* Makes and keeps that body now, for a ballot that is posted later: with group_save it outlives us. */
enum status group_keep_ballot(struct group *g, uint64_t proposal, bool yes,
                              const struct group_now *now) MUST_USE;
/* A body is kept for this vote; *ret_yes: what it says. */
bool group_kept_ballot(const struct group *g, const struct ledger_proposal *p, bool *ret_yes);
enum status group_make_ballot(struct group *g, uint64_t proposal, bool yes,
                              const struct group_now *now, struct group_draft *ret) MUST_USE;
struct group_propose_policy {
    uint8_t ballot_kind;    /* LEDGER_AS_IS */
    uint8_t mode;           /* LEDGER_AS_IS */
    struct list policy;     /* LEDGER_POLICY_ITEM each, ascending */
    struct bytes sentinels; /* as in GENESIS; empty: unchanged */
    struct bytes reason;
};
enum status group_make_propose_remove(struct group *g, const uint16_t *targets, size_t n,
                                      struct bytes reason, const struct group_now *now,
                                      struct group_draft *ret) MUST_USE;
enum status group_make_propose_policy(struct group *g, const struct group_propose_policy *a,
                                      const struct group_now *now,
                                      struct group_draft *ret) MUST_USE;
/* The secrets of the new keys are kept in the group: group_save before sending. */
enum status group_make_veto_keys(struct group *g, const struct group_now *now,
                                 struct group_draft *ret) MUST_USE;
/* ADD, REMOVE or POLICY of a passed vote. */
enum status group_make_outcome(struct group *g, uint64_t proposal, const struct group_now *now,
                               struct group_draft *ret) MUST_USE;
enum status group_make_self_revoke(struct group *g, uint16_t leaf, const uint8_t key[32],
                                   const struct group_now *now, struct group_draft *ret) MUST_USE;
/* Of a lost member. The new KEM secret is kept in the group: group_save before sending. */
enum status group_make_renew(struct group *g, const uint8_t revoke_hash[32],
                             const struct group_now *now, struct group_draft *ret) MUST_USE;
enum status group_make_away(struct group *g, uint64_t until_ms, const struct group_now *now,
                            struct group_draft *ret) MUST_USE;
enum status group_make_rehome(struct group *g, struct bytes address, const uint8_t pin[32],
                              const struct group_now *now, struct group_draft *ret) MUST_USE;
/* body: an audit_digest */
enum status group_make_digest(struct group *g, struct bytes body, const struct group_now *now,
                              struct group_draft *ret) MUST_USE;
enum status group_make_leave(struct group *g, const struct group_now *now,
                             struct group_draft *ret) MUST_USE;
/* The new KEM secret is kept in the group: group_save before sending. */
enum status group_make_update(struct group *g, const struct group_now *now,
                              struct group_draft *ret) MUST_USE;
/* first_epoch: epoch of the newest SNAP below now->seen[1], 0 if none. group_save before sending. */
enum status group_make_commit(struct group *g, uint64_t first_epoch, const struct group_now *now,
                              struct group_draft *ret) MUST_USE;
enum status group_make_expire(struct group *g, uint64_t proposal, const struct group_now *now,
                              struct group_draft *ret) MUST_USE;
enum status group_make_withdraw(struct group *g, uint64_t proposal, const struct group_now *now,
                                struct group_draft *ret) MUST_USE;
/* epoch, next: of our own mail chain. version, rehome_sig: bodies.h; 0 and NULL: none. */
enum status group_make_head(struct group *g, uint64_t epoch, uint64_t next, uint64_t version,
                            const uint8_t *rehome_sig, const struct group_now *now,
                            struct group_draft *ret) MUST_USE;

#endif
