/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * mail: the words of one enclave, for one of its leaves. Makes sealed entries
 * of feed 1 and reads those of others, by hint chains of (epoch, leaf).
 * protocol.md 7, 8 ("which epoch counts") and 13 Mail; docs/spec/mail.md.
 *
 * Owns: all chains (secrets in guarded memory). Borrows nothing after a call
 *     returns; a message's content points into the object until the next call.
 * Errors: mail_make: ST_NOT_FOUND (no epoch yet), ST_DENIED (our leaf is not in
 *     the newest epoch), ST_CONFLICT (restored backup: a new epoch must come
 *     first), ST_BUSY (MAIL_UNSEEN_MAX own messages not yet seen in the feed),
 *     ST_TOO_BIG. mail_take: ST_REPLAY for an index already read and settled;
 *     otherwise ST_OK with a verdict: nothing in the feed is an error.
 * Order: mail_new (or mail_new and mail_load of each row, in any order), mail_add_epoch
 *     oldest first, then any. Feed 0 is read to its head before feed 1, so that
 *     all judge alike. After mail_add_epoch, and whenever mail_settle says so,
 *     mail_take is called again for each index of mail_unknown.
 *     One commit, then the wire: after mail_make the node writes the rows that
 *     mail_dirty names and its outbox entry in ONE kv commit and sends only
 *     when that is on disk. If the commit fails nothing was sent: try the same
 *     batch again. The same after mail_take, together with the message's text:
 *     its key is gone once the row is on disk.
 *     Nothing is made while a LEAVE, REMOVE or SELF_REVOKE waits for its COMMIT.
 */
#ifndef ENCLAVE_CORE_MAIL_MAIL_H
#define ENCLAVE_CORE_MAIL_MAIL_H

#include "core/mail/envelope.h"

#define MAIL_EPOCHS_MAX 64  /* kept at once; the oldest goes first */
#define MAIL_LEAVES_MAX 128 /* of an epoch */
#define MAIL_EPOCH_KEEP_MS (UINT64_C(14) * 86400 * 1000)
#define MAIL_UNSEEN_MAX 512   /* own messages sent or waiting, not yet read back */
#define MAIL_UNKNOWN_MAX 1024 /* indexes of entries that nothing opens yet */
#define MAIL_RECENT 512       /* uuids remembered, so that a message made again shows once */
#define MAIL_TRACE_MAX 256    /* own messages of an epoch that may still turn out late */
#define MAIL_NONE UINT64_MAX

enum mail_kind {
    MAIL_TEXT = 1,   /* UTF-8 */
    MAIL_MARKS = 2,  /* struct mail_marks */
    MAIL_NOTE = 3,   /* core/mail/note.h */
    MAIL_BUNDLE = 4, /* core/mail/bundle.h */
    MAIL_HISTORY = 5 /* private only: rows of core/mail/history.h */
};

/* Entries of feed 1, from its first one on, whose words the author has here, and has read. */
#define MAIL_MARKS_FIELDS(X, M) \
    X(M, U64, delivered, 0, 0)  \
    X(M, U64, read, 0, 0)
FIELDS_DECLARE(mail_marks, MAIL_MARKS_FIELDS);

struct mail;

enum status mail_new(const uint8_t room[32], const uint8_t enclave_id[32], uint16_t own_leaf,
                     struct mail **ret) MUST_USE;
void mail_free(struct mail *m);

/* ---- epochs ---- */

struct mail_leaf {
    uint16_t leaf;
    uint8_t id[32];
    uint8_t secret[32]; /* export("sender" | leaf) of the epoch */
};

/* A COMMIT opened this epoch. leaves: its roster, ascending. seen_mail: the count of feed 1 in the
 * `seen` of that COMMIT (0 for epoch 0). Adding an epoch again does nothing (replay at start). */
enum status mail_add_epoch(struct mail *m, uint64_t epoch, const struct mail_leaf *leaves, size_t n,
                           uint64_t seen_mail, uint64_t now_ms) MUST_USE;
/* Drops epochs that were replaced more than MAIL_EPOCH_KEEP_MS ago. */
void mail_expire(struct mail *m, uint64_t now_ms);
/* Newest epoch and our next number in it, as HEAD states them; MAIL_NONE if there is none. */
void mail_own_next(const struct mail *m, uint64_t *ret_epoch, uint64_t *ret_n);
/* An own message counted for nobody after all because its epoch had closed: to be made again with
 * the same uuid. Each is told once; false when there is none (left), or mail_make would say ST_BUSY. */
bool mail_late_own(struct mail *m, uint8_t ret_uuid[16]);

/* ---- writing ---- */

struct mail_draft {
    uint8_t kind, flags;
    uint8_t uuid[16];
    uint64_t time_ms;
    uint64_t seen_count; /* feed 0 */
    uint8_t seen_chain[32];
    bool pack; /* compress the content where that makes the entry smaller */
    struct bytes content;
};

struct mail_made {
    uint64_t epoch;
    uint64_t n;
};

/* Appends the sealed entry to out. A uuid that waits already is made anew: the older one will not be
 * sent any more. */
enum status mail_make(struct mail *m, const struct mail_draft *draft,
                      const uint8_t id_seed[SIGN_SEED], const uint8_t nonce[XAEAD_NONCE],
                      struct buf *out, struct mail_made *ret) MUST_USE;
/* An outbox entry of this epoch would no longer count if appended now: once the feed is read to its
 * head and it is not there, make it again with the same uuid. */
bool mail_stale(const struct mail *m, uint64_t epoch);
/* The state is a copy: up to this epoch nothing is made any more, as its numbers may be used. */
void mail_hold(struct mail *m, uint64_t epoch);
/* A made message that never reached the feed will not be sent any more. */
void mail_discard(struct mail *m, uint64_t epoch, uint64_t n);

/* ---- reading ---- */

enum mail_verdict {
    MAIL_MESSAGE,     /* somebody's: show it */
    MAIL_OWN,         /* ours: it is in the feed, the outbox row is done */
    MAIL_OWN_LATE,    /* ours, but its epoch had closed: make it again, same uuid */
    MAIL_OWN_UNKNOWN, /* ours by its signature, but this state never made it: a restored backup.
                         mail_make refuses until a newer epoch is added; what waits must be made
                         again then, its numbers may be used. The text is given. */
    MAIL_AGAIN,       /* this uuid of this sender was shown before: not to be shown */
    MAIL_LATE,        /* posted after its epoch had closed: counts for nobody */
    MAIL_NEWER,       /* signed by a member, of a kind or with flags that we do not know */
    MAIL_UNKNOWN,     /* no hint of ours: a private word between others, junk, or an epoch that we
                         do not have yet; its index is kept */
    MAIL_FORGED       /* carries a hint of ours but does not open or is not signed: nothing spent */
};

struct mail_message {
    enum mail_verdict verdict;
    uint8_t kind, flags;
    uint8_t uuid[16];
    uint16_t leaf; /* who; with MAIL_FORGED: whose hint it carries; 0 with MAIL_UNKNOWN */
    uint8_t id[32];
    uint64_t epoch, n; /* place in the sender's chain */
    uint64_t time_ms;
    uint64_t seen_count; /* of feed 0, as the sender saw it: fork detection */
    uint8_t seen_chain[32];
    uint64_t skipped; /* places of this chain gone past by this message */
    bool gap;         /* messages of this sender are missing before this one */
    struct bytes content;
};

/* The entry at an index: the next one, a later one (those between are not to be had), or one that
 * mail_unknown lists. */
enum status mail_take(struct mail *m, uint64_t index, struct bytes sealed,
                      struct mail_message *ret) MUST_USE;
/* An entry from below the next index that READ did not have, handed over by a member and proved by the
 * chain. ST_REPLAY above that index. Once for each: another time it is unknown. */
enum status mail_take_missed(struct mail *m, uint64_t index, struct bytes sealed,
                             struct mail_message *ret) MUST_USE;
/* The next index to read. */
uint64_t mail_next_index(const struct mail *m);
/* READ says that the feed begins above mail_next_index: what lies between is lost. Also where a
 * newcomer begins: at the count of feed 1 that the COMMIT letting it in had seen. */
enum status mail_skip_to(struct mail *m, uint64_t first) MUST_USE;
/* Both feeds were read to their heads. *ret_retake: take the unknown ones again, the windows grew. */
enum status mail_settle(struct mail *m, bool *ret_retake) MUST_USE;
/* Unknown entries, ascending: index i of how many there are; false past the end. */
bool mail_unknown(const struct mail *m, size_t i, uint64_t *ret_index);

/* It was a private word to us, or one of ours (core/mail/pair.h). */
void mail_known(struct mail *m, uint64_t index);

/* A member's HEAD: its leaf, epoch, next n, and how many entries of feed 1 it had seen. */
enum status mail_head(struct mail *m, uint16_t leaf, uint64_t epoch, uint64_t next_n,
                      uint64_t seen_mail) MUST_USE;
/* Messages of this leaf known to be lost: stated by a HEAD up to which we have read. */
uint64_t mail_lost(const struct mail *m, uint16_t leaf);

/* ---- handed over early ----
 * An entry may leave for members before its own commit is on disk if a commit that is says that its
 * number counts as used: no number is ever used twice. */

#define MAIL_AHEAD 16 /* below HINTS_WINDOW: readers find what comes behind a crash at once */

struct mail_promise { /* own numbers of this epoch below `below` count as used */
    uint64_t epoch, below;
};
/* So many numbers from the next one on count as used in rows saved from now on; 0 at the start. */
void mail_ahead(struct mail *m, unsigned n);
/* What the rows saved last say; goes to mail_kept when they are on disk. */
void mail_promised(const struct mail *m, struct mail_promise *ret);
void mail_kept(struct mail *m, const struct mail_promise *p);
bool mail_spent(const struct mail *m, uint64_t epoch, uint64_t n);
/* A member's entry that is not in the feed yet, as far as we know: the same checks as mail_take, the
 * author must be this leaf, and nothing is changed or spent. ST_NOT_FOUND: no hint of its; ST_EXISTS: shown before;
 * ST_VERSION: newer; ST_DENIED: it would not count; else why it is forged. */
enum status mail_peek(struct mail *m, uint16_t leaf, struct bytes sealed,
                      struct mail_message *ret) MUST_USE;

/* ---- state ----
 * Rows: 0 the reader's own, e + 1 epoch e. The node seals them. */

/* The first changed row; false if all is saved. */
bool mail_dirty(const struct mail *m, uint64_t *ret_row);
/* Appends the row and counts it as saved; nothing appended: the row is to be dropped. */
enum status mail_save(struct mail *m, uint64_t row, struct buf *out) MUST_USE;
enum status mail_load(struct mail *m, uint64_t row, struct bytes in) MUST_USE;

#endif
