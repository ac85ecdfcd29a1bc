/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * bodies: the bodies of feed-0 entries as field lists, and their maxima
 * (protocol.md sections 4, 13; docs/spec/ledger.md). The body of COMMIT is in
 * core/epoch/commit.h.
 *
 * Owns nothing: decoded views point into the input. Errors: of base/fields.h.
 * Order: none.
 */
#ifndef ENCLAVE_CORE_LEDGER_BODIES_H
#define ENCLAVE_CORE_LEDGER_BODIES_H

#include "base/fields.h"

#define LEDGER_RULES 1
#define LEDGER_SUITE 1
#define LEDGER_MEMBERS_MAX 64
#define LEDGER_LEAVES_MAX 128
#define LEDGER_EVER_MAX 4096 /* leaves over the whole life: a later ADD is void */
#define LEDGER_NICK_MAX 64   /* = KNOCK_NICK_MAX */
#define LEDGER_NAME_MAX 64
#define LEDGER_SENTINELS_MAX 8
#define LEDGER_ADDRESS_MAX 255
#define LEDGER_SENTINELS_BYTES (1 + LEDGER_SENTINELS_MAX * (1 + LEDGER_ADDRESS_MAX + 32))
#define LEDGER_AS_IS 0xFF /* in a proposal: unchanged */
#define LEDGER_KNOCK_MAX 4096
#define LEDGER_RECORD_MAX 2048
#define LEDGER_VETO_KEY 96
#define LEDGER_VETO_KEYS_MAX 16
#define LEDGER_VETO_RESERVE 4 /* of a voter's keys, kept for removals */
#define LEDGER_VETO_STOCK 32  /* unspent keys of one member */
#define LEDGER_REASON_MAX 512
#define LEDGER_POLICY_ITEM 9 /* key u8 | value u64 */
#define LEDGER_POLICY_MAX 32
#define LEDGER_UPDATES_MAX 4 /* of one leaf, not yet taken in */
#define LEDGER_RENEWS_MAX 64 /* likewise: who is lost does not see that they were taken in */

enum ledger_type_number {
    LEDGER_GENESIS = 1,
    LEDGER_PROPOSE = 2,
    LEDGER_VETO_KEYS = 3,
    LEDGER_BALLOT = 4,
    LEDGER_ADD = 5,
    LEDGER_REMOVE = 6,
    LEDGER_POLICY = 7,
    LEDGER_LEAVE = 8,
    LEDGER_UPDATE = 9,
    LEDGER_COMMIT = 10,
    LEDGER_EXPIRE = 11,
    LEDGER_HEAD = 12,
    LEDGER_SELF_REVOKE = 13,
    LEDGER_DIGEST = 14,
    LEDGER_RENEW = 15,
    LEDGER_WITHDRAW = 16,
    LEDGER_AWAY = 17,
    LEDGER_REHOME = 18,
    LEDGER_GRANT = 19, /* reserved: storage */
    LEDGER_TYPE_END = 20
};

enum ledger_mode { LEDGER_DIRECT = 0, LEDGER_RELAY = 1, LEDGER_TOR = 2 };

/* Keys of the policy list; ascending, each at most once; unknown keys void the entry. */
enum ledger_policy {
    LEDGER_POLICY_EXPIRE_MS = 1,  /* a vote may be expired after; default 72 h */
    LEDGER_POLICY_MAIL_MS = 2,    /* mail kept for; default 14 days */
    LEDGER_POLICY_MAIL_BYTES = 3, /* mail kept; default 64 MiB */
    LEDGER_POLICY_NO_HISTORY = 4, /* 1: newcomers get the keys of the new epoch only; default 0 */
    LEDGER_POLICY_CONVERGENT = 5, /* dedup of equal chunks; default 1 */
    LEDGER_POLICY_COMMIT_MS = 6,  /* a new epoch after so long a use; default 24 h */
    LEDGER_POLICY_IDLE_MS = 7,    /* silent for longer: shown as such; default 30 days, 0: never */
    LEDGER_POLICY_COMPRESS = 8,   /* words are packed where that saves a size; default 1 */
    LEDGER_POLICY_END = 9
};

/* sentinels: count u8, count x (len u8 | ASCII host:port | SPKI pin 32). */
#define LEDGER_GENESIS_FIELDS(X, M)                               \
    X(M, FIX, random, 32, 0)                                      \
    X(M, U16, suite, 0, 0)                                        \
    X(M, U16, rules, 0, 0)                                        \
    X(M, FIX, room, 32, 0)                                        \
    X(M, FIX, id, 32, 0)                                          \
    X(M, FIX, kem_pk, 1216, 0)                                    \
    X(M, FIX, seat, 32, 0)                                        \
    X(M, FIX, revoke_hash, 32, 0)                                 \
    X(M, LIST8, veto_keys, LEDGER_VETO_KEY, LEDGER_VETO_KEYS_MAX) \
    X(M, U8, ballot_kind, 0, 0)                                   \
    X(M, U8, mode, 0, 0)                                          \
    X(M, LIST8, policy, LEDGER_POLICY_ITEM, LEDGER_POLICY_MAX)    \
    X(M, VAR16, sentinels, LEDGER_SENTINELS_BYTES, 0)             \
    X(M, VAR8, nick, LEDGER_NICK_MAX, 0)                          \
    X(M, VAR8, name, LEDGER_NAME_MAX, 0)
FIELDS_DECLARE(genesis, LEDGER_GENESIS_FIELDS);

enum propose_kind { PROPOSE_ADD = 1, PROPOSE_REMOVE = 2, PROPOSE_POLICY = 3 };

/* kind 1, add. knock: the plain text without zero pad (core/door/knock.h). record: the door record's
 * plain text; both verbatim, together they give the safety code.
 * door: H(token); reply: H(reply token): where any member posts the answer. serials: u32 each, one
 * a voter by leaf, the lowest that it has not spent; none under open ballots. */
#define LEDGER_PROPOSE_FIELDS(X, M)           \
    X(M, U8, kind, 0, 0)                      \
    X(M, U8, compared, 0, 0)                  \
    X(M, FIX, door, 32, 0)                    \
    X(M, FIX, reply, 32, 0)                   \
    X(M, FIX, invitation, 32, 0)              \
    X(M, VAR16, knock, LEDGER_KNOCK_MAX, 0)   \
    X(M, VAR16, record, LEDGER_RECORD_MAX, 0) \
    X(M, LIST16, serials, 4, LEDGER_MEMBERS_MAX)
FIELDS_DECLARE(propose, LEDGER_PROPOSE_FIELDS);

/* kind 2, remove. targets: leaves u16, ascending; several only if each is silent. */
#define LEDGER_PROPOSE_REMOVE_FIELDS(X, M)       \
    X(M, U8, kind, 0, 0)                         \
    X(M, LIST16, targets, 2, LEDGER_MEMBERS_MAX) \
    X(M, VAR16, reason, LEDGER_REASON_MAX, 0)    \
    X(M, LIST16, serials, 4, LEDGER_MEMBERS_MAX)
FIELDS_DECLARE(propose_remove, LEDGER_PROPOSE_REMOVE_FIELDS);

/* kind 3, policy. ballot_kind, mode: LEDGER_AS_IS: unchanged; policy: the keys that change; sentinels:
 * empty: unchanged. */
#define LEDGER_PROPOSE_POLICY_FIELDS(X, M)                     \
    X(M, U8, kind, 0, 0)                                       \
    X(M, U8, ballot_kind, 0, 0)                                \
    X(M, U8, mode, 0, 0)                                       \
    X(M, LIST8, policy, LEDGER_POLICY_ITEM, LEDGER_POLICY_MAX) \
    X(M, VAR16, sentinels, LEDGER_SENTINELS_BYTES, 0)          \
    X(M, VAR16, reason, LEDGER_REASON_MAX, 0)                  \
    X(M, LIST16, serials, 4, LEDGER_MEMBERS_MAX)
FIELDS_DECLARE(propose_policy, LEDGER_PROPOSE_POLICY_FIELDS);

/* keys: one-time veto keys of the author (crypto/veto), of its next serials on. dead 1: none of the
 * keys that it showed before is good any more. */
#define LEDGER_VETO_KEYS_FIELDS(X, M) \
    X(M, U8, dead, 0, 0)              \
    X(M, LIST8, keys, LEDGER_VETO_KEY, LEDGER_VETO_KEYS_MAX)
FIELDS_DECLARE(veto_keys, LEDGER_VETO_KEYS_FIELDS);

/* seat_sig: "add" by the voter's seat (zeros with an open no, and where nobody is added). form: core/ballot. */
#define LEDGER_BALLOT_FIELDS(X, M) \
    X(M, U64, proposal, 0, 0)      \
    X(M, FIX, hash, 32, 0)         \
    X(M, FIX, seat_sig, 64, 0)     \
    X(M, U8, kind, 0, 0)           \
    X(M, VAR16, form, 96, 0)
FIELDS_DECLARE(ballot_body, LEDGER_BALLOT_FIELDS);

/* ADD, REMOVE, POLICY: what a passed vote leads to; ballots: the indexes of all, ascending. */
#define LEDGER_OUTCOME_FIELDS(X, M) \
    X(M, U64, proposal, 0, 0)       \
    X(M, FIX, hash, 32, 0)          \
    X(M, LIST16, ballots, 8, LEDGER_MEMBERS_MAX)
FIELDS_DECLARE(outcome_body, LEDGER_OUTCOME_FIELDS);

/* seat_sig: "drop" by the leaving leaf's own seat. */
#define LEDGER_LEAVE_FIELDS(X, M) X(M, FIX, seat_sig, 64, 0)
FIELDS_DECLARE(leave_body, LEDGER_LEAVE_FIELDS);

#define LEDGER_UPDATE_FIELDS(X, M) X(M, FIX, kem_pk, 1216, 0)
FIELDS_DECLARE(update_body, LEDGER_UPDATE_FIELDS);

/* EXPIRE and WITHDRAW. */
#define LEDGER_CLOSE_FIELDS(X, M) \
    X(M, U64, proposal, 0, 0)     \
    X(M, FIX, hash, 32, 0)
FIELDS_DECLARE(close_body, LEDGER_CLOSE_FIELDS);

/* next: the number that the author's next mail in epoch will have. The feeds' counts and chains
 * are the entry's seen. seats_version, rehome_sig: "rehome" by the author's seat over the seat list of
 * that version (zeros: none): with those of a majority the room can be made again elsewhere. */
#define LEDGER_HEAD_FIELDS(X, M)   \
    X(M, U64, epoch, 0, 0)         \
    X(M, U64, next, 0, 0)          \
    X(M, U64, seats_version, 0, 0) \
    X(M, FIX, rehome_sig, 64, 0)
FIELDS_DECLARE(head_body, LEDGER_HEAD_FIELDS);

/* key: the revocation key whose hash the leaf brought. By any member: whoever has the words may. */
#define LEDGER_SELF_REVOKE_FIELDS(X, M) \
    X(M, U16, leaf, 0, 0)               \
    X(M, FIX, key, 32, 0)
FIELDS_DECLARE(self_revoke, LEDGER_SELF_REVOKE_FIELDS);

/* A member that lost the thread shows a new KEM key, sealed under Expand(log_key[0], "ENCLAVE renew")
 * with envelope and entry epoch 0. revoke_hash: as it always was. count: of its RENEWs so far, this one
 * included. */
#define LEDGER_RENEW_FIELDS(X, M) \
    X(M, FIX, kem_pk, 1216, 0)    \
    X(M, FIX, revoke_hash, 32, 0) \
    X(M, U64, count, 0, 0)
FIELDS_DECLARE(renew_body, LEDGER_RENEW_FIELDS);

/* until_ms: advice, shown to the others; 0: back. */
#define LEDGER_AWAY_FIELDS(X, M) X(M, U64, until_ms, 0, 0)
FIELDS_DECLARE(away_body, LEDGER_AWAY_FIELDS);

/* The sum of a stretch of feed 3; what is in it is core/audit's (docs/spec/audit.md). */
#define LEDGER_DIGEST_MAX ((size_t)16 << 10)
#define LEDGER_DIGEST_FIELDS(X, M) \
    X(M, U8, version, 0, 0)        \
    X(M, U32, day, 0, 0)           \
    X(M, TAIL, sum, LEDGER_DIGEST_MAX, 0)
FIELDS_DECLARE(digest_body, LEDGER_DIGEST_FIELDS);

/* The room is now at this sentinel of the voted list. */
#define LEDGER_REHOME_FIELDS(X, M)             \
    X(M, VAR8, address, LEDGER_ADDRESS_MAX, 0) \
    X(M, FIX, pin, 32, 0)
FIELDS_DECLARE(rehome_body, LEDGER_REHOME_FIELDS);

#endif
