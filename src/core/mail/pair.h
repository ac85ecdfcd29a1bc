/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * pair: private words between two members of an enclave, for one of its leaves.
 * Makes sealed entries of feed 1 that only the peer opens, and reads those for
 * us: a first entry is found by our KEM keys, all others by hint chains of a
 * pairwise X-Wing ratchet. protocol.md 7 (1:1) and 13 Mail; the bytes and the
 * rules: docs/spec/mail.md, "Private words between two members".
 *
 * Owns: all keys (guarded memory; skipped keys wiped when they go). Borrows
 *     nothing after a call returns; a message's content points into the object
 *     until the next call.
 * Errors: pair_make: ST_NOT_FOUND (no epoch yet), ST_DENIED (we or the peer are
 *     not in the newest epoch), ST_CONFLICT (a newer epoch must come first: we
 *     were restored), ST_BUSY (PAIR_UNSEEN_MAX own entries not yet seen in the
 *     feed), ST_TOO_BIG, ST_BAD_KEY. pair_take: ST_NO_MEMORY: hand it in
 *     again; otherwise ST_OK with a verdict: nothing in the feed is an error.
 * Order: pair_new (or pair_new and pair_load of each row, in any order), pair_add_epoch
 *     oldest first, with every epoch that mail_add_epoch gets, then any. Feed 0
 *     is read to its head before feed 1, and feed 1 to its head before the first
 *     pair_make after a start.
 *     pair_take is handed the entries that mail_take finds MAIL_UNKNOWN, in the
 *     order of the feed; again those of mail_unknown when pair_settle says so,
 *     and those of pair_early after pair_add_epoch. A KEM key is tried once on
 *     an entry, however often it is handed in.
 *     One commit, then the wire, as core/mail/mail.h says: rows of pair_dirty
 *     and the outbox entry, or the rows and the text that was read.
 *     Nothing is made while a LEAVE, REMOVE or SELF_REVOKE waits for its COMMIT.
 */
#ifndef ENCLAVE_CORE_MAIL_PAIR_H
#define ENCLAVE_CORE_MAIL_PAIR_H

#include "core/mail/mail.h"
#include "core/mail/pair_entry.h"

#define PAIR_PEERS_MAX 128
#define PAIR_CHAINS_MAX 6      /* of a peer that are read at once; HINTS_SKIPPED keys each */
#define PAIR_RECENT_MAX 1024   /* uuids of a peer remembered, so that words made again show once */
#define PAIR_UNSEEN_MAX 512    /* own entries sent or waiting, not yet read back */
#define PAIR_TRACE_MAX 256     /* own entries in the feed that may still turn out late */
#define PAIR_EARLY_MAX 64      /* first entries to us of an epoch that we do not have yet */
#define PAIR_EARLY_EPOCHS 8    /* so many ahead of ours at most */
#define PAIR_HELLO 16          /* a kind: no content, nothing to be shown */
#define PAIR_NOBODY UINT16_MAX /* leaf of a forged first entry */
#define PAIR_RANDOM (KEM_COINS + XAEAD_NONCE + KEM_SEED + 32)

struct pair;

enum status pair_new(const uint8_t room[32], const uint8_t enclave_id[32], uint16_t own_leaf,
                     const uint8_t own_id[32], struct pair **ret) MUST_USE;
void pair_free(struct pair *p);

/* ---- epochs and peers ---- */

struct pair_leaf {
    uint16_t leaf;
    const uint8_t *id;  /* 32 */
    const uint8_t *kem; /* KEM_PUBLIC, as valid in this epoch */
};

/* A COMMIT opened this epoch. secret: its export("pair"). leaves: its roster, ascending, ourselves
 * included; who is no longer in it is not written to any more. seen_mail: as for mail_add_epoch.
 * Adding an epoch again does nothing. */
enum status pair_add_epoch(struct pair *p, uint64_t epoch, const uint8_t secret[32],
                           const struct pair_leaf *leaves, size_t n, uint64_t seen_mail,
                           uint64_t now_ms) MUST_USE;
/* Drops epochs replaced more than MAIL_EPOCH_KEEP_MS ago, what only they could open, and peers that
 * have left since. */
void pair_expire(struct pair *p, uint64_t now_ms);
/* Forgets all of this peer now, keys and what was to be made again. */
void pair_drop_peer(struct pair *p, uint16_t leaf);
/* The peer lost its keys (RENEW): the next word begins a new conversation. */
void pair_anew(struct pair *p, uint16_t leaf);
/* This state is an old backup, or a new one of a leaf that had another (RENEW): every conversation
 * begins anew, in a newer epoch than the newest here; nothing is made before. What the peers write in
 * the old ones is read as far as its keys are here. */
void pair_restored(struct pair *p);
/* Peers who may still write where we cannot read, after pair_restored or MAIL_OWN_UNKNOWN: each is to
 * be made an entry of kind PAIR_HELLO, or any other, now. Number i of them; false past the end. */
bool pair_greet(struct pair *p, size_t i, uint16_t *ret_leaf);

/* ---- writing ---- */

/* Appends the sealed entry to out, to be sent as it is. An entry with this uuid that waits is not
 * sent any more. random: PAIR_RANDOM fresh random bytes. *ret_epoch: for mail_stale. */
enum status pair_make(struct pair *p, uint16_t leaf, const struct mail_draft *draft,
                      const uint8_t id_seed[SIGN_SEED], const uint8_t random[PAIR_RANDOM],
                      struct buf *out, uint64_t *ret_epoch) MUST_USE;
/* A made entry that never reached the feed will not be sent any more. */
void pair_discard(struct pair *p, uint16_t leaf, const uint8_t uuid[16]);
/* Own words that counted for nobody after all because their epoch had closed: to be made again with
 * the same uuid. Each is told once; false when there are none (left). */
bool pair_late_own(struct pair *p, uint16_t *ret_leaf, uint8_t ret_uuid[16]);

/* ---- reading ---- */

struct pair_message {
    /* As mail.h says of them, and:
     * MAIL_OWN_UNKNOWN: made by another life of ours, or by the peer to look so. The conversation
     *     begins anew in a newer epoch; no reason by itself to renew keys in the ledger. No text.
     * MAIL_UNKNOWN: not for us, or junk, or in pair_early.
     * MAIL_AGAIN: also a PAIR_HELLO: not to be shown, but anew may be set.
     * MAIL_FORGED: for us, but not whole or not signed; leaf PAIR_NOBODY if it is a first entry. */
    enum mail_verdict verdict;
    uint8_t kind, flags;
    uint8_t uuid[16];
    uint16_t leaf; /* the peer, also of our own entries */
    uint8_t id[32];
    uint64_t epoch;
    uint64_t time_ms;
    uint64_t seen_count; /* of feed 0, as the sender saw it: fork detection */
    uint8_t seen_chain[32];
    uint64_t skipped; /* places of the peer's chain gone past by this entry */
    bool anew;        /* the peer began anew a conversation in which we had written: it may not have
                         read the last of our words, which are to be made again with their uuids */
    struct bytes content;
};

/* seeds: our own KEM secrets, newest first, also one that no COMMIT has taken in yet; every one that
 * was valid in an epoch whose entries of feed 1 are not read yet is among them. COMMITs are read
 * before that, so a secret that one of them lets go must be held until feed 1 was read to its head
 * after it, or a first entry is lost. */
enum status pair_take(struct pair *p, uint64_t index, struct bytes sealed,
                      const uint8_t *const *seeds, size_t n_seeds,
                      struct pair_message *ret) MUST_USE;
/* Both feeds were read to their heads. *ret_retake: take the unknown ones again, windows grew. */
enum status pair_settle(struct pair *p, bool *ret_retake) MUST_USE;
/* Entries to be taken again after pair_add_epoch: number i of them; false past the end. */
bool pair_early(const struct pair *p, size_t i, uint64_t *ret_index);

/* ---- state ----
 * Rows: 0 what is common, leaf + 1 a peer. The node seals them. */

/* The first changed row; false if all is saved. */
bool pair_dirty(const struct pair *p, uint64_t *ret_row);
/* Appends the row and counts it as saved; nothing appended: the row is to be dropped. */
enum status pair_save(struct pair *p, uint64_t row, struct buf *out) MUST_USE;
enum status pair_load(struct pair *p, uint64_t row, struct bytes in) MUST_USE;

#endif
