/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * post: words. What leaves is an outgoing until it is read back from feed 1;
 * what is shown is a row in the messages space. Entry points for the rest of
 * the node are in node/enclave/enclave.h.
 *
 * Owns: struct post owns its lists. Errors: of base/fields.h and node/keep.h.
 * Order: post_new, post_load; a row that was put is read back by post_get at
 *     once, on disk or not; post_settled forgets what has reached the disk.
 */
#ifndef ENCLAVE_NODE_POST_H
#define ENCLAVE_NODE_POST_H

#include "core/mail/bundle.h"
#include "core/mail/history.h"
#include "node/enclave/enclave.h"

#define POST_ACT_KEEP_MS (UINT64_C(15) * 86400 * 1000) /* an own act may be late for so long */
#define POST_MARKS_EVERY_MS 60000 /* receipts lie in the feed so often at most */
#define POST_MARKS_SOON_MS 3000   /* the first goes out within so long, at a random moment */
#define POST_NO_INDEX UINT64_MAX
#define POST_OFFER_MS (UINT64_C(14) * 86400 * 1000)
#define POST_OFFER_MAX 64 /* said again in one go */

enum post_state {
    POST_UNSAID = 1,   /* taken back by its author: the text is gone */
    POST_MENTIONS = 2, /* names us */
    POST_ANSWERS = 4,  /* reply: its number; 0: a message that we do not have */
    POST_GONE = 8,     /* of a bundle, and dropped */
    POST_MUTED = 16    /* its author was flooding: kept, not told */
};

/* n = number of the message. to: POST_ALL, or the one reader of a private word. index: its place in feed 1, POST_NO_INDEX before it is there. lost: places
 * of the sender's chain missing before it. ends_ms: when it is dropped here; 0: never. signs: reactions,
 * each leaf u16 | length u8 | bytes. */
#define MESSAGE_ROW_FIELDS(X, M)          \
    X(M, U8, version, 0, 0)               \
    X(M, U16, leaf, 0, 0)                 \
    X(M, U16, to, 0, 0)                   \
    X(M, U8, own, 0, 0)                   \
    X(M, U8, sent, 0, 0)                  \
    X(M, U8, state, 0, 0)                 \
    X(M, U64, time_ms, 0, 0)              \
    X(M, U64, arrived_ms, 0, 0)           \
    X(M, U64, index, 0, 0)                \
    X(M, FIX, uuid, 16, 0)                \
    X(M, U64, lost, 0, 0)                 \
    X(M, U64, reply, 0, 0)                \
    X(M, U64, edited_ms, 0, 0)            \
    X(M, U32, lasts_s, 0, 0)              \
    X(M, U64, ends_ms, 0, 0)              \
    X(M, VAR8, nick, NODE_NICK_MAX, 0)    \
    X(M, VAR16, path, NOTE_PATH_MAX, 0)   \
    X(M, VAR16, signs, POST_SIGNS_MAX, 0) \
    X(M, VAR32, text, 524288, 0)
#define POST_SIGNS_MAX (LEDGER_LEAVES_MAX * (3 + NOTE_SIGN_MAX))
FIELDS_DECLARE(message_row, MESSAGE_ROW_FIELDS);

/* n = number of the last message. content: core/mail/bundle.h; the text of a message that has a row of
 * its own is empty. lost: before the first. */
#define BUNDLE_ROW_FIELDS(X, M)        \
    X(M, U8, version, 0, 0)            \
    X(M, U16, leaf, 0, 0)              \
    X(M, U8, own, 0, 0)                \
    X(M, U8, sent, 0, 0)               \
    X(M, U8, state, 0, 0)              \
    X(M, U64, time_ms, 0, 0)           \
    X(M, U64, arrived_ms, 0, 0)        \
    X(M, U64, index, 0, 0)             \
    X(M, FIX, uuid, 16, 0)             \
    X(M, U64, lost, 0, 0)              \
    X(M, VAR8, nick, NODE_NICK_MAX, 0) \
    X(M, VAR32, content, 524288, 0)
FIELDS_DECLARE(bundle_row, BUNDLE_ROW_FIELDS);

struct post_bundle {
    struct buf row; /* what head points into */
    struct bundle_row head;
    uint64_t first, last;
    size_t count;
};

/* epoch UINT64_MAX: not sealed yet, it waits for a new epoch. number 0: it is no message of its own. */
#define OUTBOX_ROW_FIELDS(X, M)    \
    X(M, U64, number, 0, 0)        \
    X(M, U8, kind, 0, 0)           \
    X(M, U16, to, 0, 0)            \
    X(M, FIX, uuid, 16, 0)         \
    X(M, U64, epoch, 0, 0)         \
    X(M, U64, time_ms, 0, 0)       \
    X(M, VAR32, sealed, 524288, 0) \
    X(M, VAR32, content, 524288, 0)
FIELDS_DECLARE(outbox_row, OUTBOX_ROW_FIELDS);

/* Row POST_KEPT of the marks space: how long messages are kept here (0: for ever), and the number of the
 * next message as it was when one was dropped: it may have been the last. */
#define POST_KEPT UINT64_C(0x30000)
#define KEPT_ROW_FIELDS(X, M) \
    X(M, U64, keep_ms, 0, 0)  \
    X(M, U64, next_message, 0, 0)
FIELDS_DECLARE(kept_row, KEPT_ROW_FIELDS);

/* An own note, or older words shared, that is no message: made again from here if it turns out late. */
#define ACT_ROW_FIELDS(X, M) \
    X(M, FIX, uuid, 16, 0)   \
    X(M, U8, kind, 0, 0)     \
    X(M, U16, to, 0, 0)      \
    X(M, U64, time_ms, 0, 0) \
    X(M, TAIL, content, HISTORY_BATCH_MAX, 0)
FIELDS_DECLARE(act_row, ACT_ROW_FIELDS);

/* Row POST_MARKS_OWN of the marks space; the others, by leaf, are struct mail_marks. */
#define POST_MARKS_OWN UINT64_C(0x10000)
#define POST_MARKS_ANEW UINT64_C(0x20000) /* + leaf: its last private words are to be made again */
#define MARKS_ROW_FIELDS(X, M)                                                          \
    X(M, U64, here, 0, 0)      /* entries of feed 1 below it that are words are here */ \
    X(M, U64, read, 0, 0)      /* and read */                                           \
    X(M, U64, told_here, 0, 0) /* as our last word said */                              \
    X(M, U64, told_read, 0, 0)
FIELDS_DECLARE(marks_row, MARKS_ROW_FIELDS);

struct post_unsaved; /* a row on its way to the disk */
struct post_end {
    uint64_t number, at_ms;
};

/* How much an author has said lately: levels rise with each message and fall by the limit in an hour; in
 * message-milliseconds and byte-milliseconds. Not kept over a restart. */
struct post_voice {
    uint64_t messages, bytes;
    uint64_t at_ms;
    uint64_t hidden; /* since it is muted */
    bool muted;
};

struct post {
    struct post_voice voices[LEDGER_EVER_MAX]; /* by leaf */
    uint64_t synced_ms; /* wall clock: feed 1 was last read to its head; 0: not since the start */
    uint64_t offer_low; /* no own word below it that somebody may miss; 0: not looked at yet */
    bool hush;          /* rows that are put tell nothing: their author is muted */
    char flooding[NODE_REASON_MAX];
    struct post_unsaved *oldest, *newest; /* rows that were put, in order */
    struct post_bundle last_bundle;       /* as on disk, looked at last; count 0: none */
    struct post_end *ends;                /* messages that are dropped one day, in no order */
    size_t n_ends, ends_room;
    struct mail_marks marks[LEDGER_EVER_MAX]; /* by leaf */
    struct marks_row own;
    bool anew[LEDGER_EVER_MAX];     /* began anew: what it has not confirmed is made again */
    uint64_t lost[LEDGER_EVER_MAX]; /* places gone past, told with its next message */
    struct kept_row kept;
    struct {
        uint64_t commit; /* that brings them to the disk; 0: nothing is to be told */
        uint16_t by;
        size_t n;
    } shared;             /* older words that came, to be told of */
    uint64_t sweep_at_ms; /* monotonic: what is too old is looked for then; 0: now */
    uint64_t sweep_from;  /* number to go on from */
    bool sweep_waited;    /* for the sentinel's clock, long enough */
    bool read;            /* feed 1, to its head, since the start: private words may be made */
    uint64_t marks_at_ms; /* monotonic: our next receipt may go; 0: none waits */
    uint64_t marks_sent_ms;
    struct early_entry *early; /* not in the feed yet, oldest first: early.h */
    size_t n_early;
    uint64_t next_early;
    size_t linked; /* members */
};

/* ---- rows.c ---- */

enum status post_new(struct enclave *e) MUST_USE;
enum status post_load(struct enclave *e) MUST_USE;
void post_free(struct enclave *e);
/* kind: event to tell when it is on disk, of member `by`; NULL: none. */
void post_put(struct enclave *e, uint64_t number, const struct message_row *m, const char *kind,
              uint16_t by, struct keep_batch *b);
/* ret points into row, which the caller frees. */
enum status post_get(struct enclave *e, uint64_t number, struct buf *row,
                     struct message_row *ret) MUST_USE;
/* The message of an author by its uuid. */
enum status post_find(struct enclave *e, uint16_t leaf, const uint8_t uuid[16], struct buf *row,
                      struct message_row *ret, uint64_t *ret_number) MUST_USE;
bool post_known(struct enclave *e, uint16_t leaf, const uint8_t uuid[16]);
void post_drop(struct enclave *e, uint64_t number, const struct message_row *m,
               struct keep_batch *b);
/* The same without an event. */
void post_forget(struct enclave *e, uint64_t number, const struct message_row *m,
                 struct keep_batch *b);
void post_put_kept(struct enclave *e, struct keep_batch *b);
/* Messages from number `from` on that are on disk and not about to go, ascending; false stops. */
typedef bool post_visit(void *arg, uint64_t number, const struct message_row *m);
enum status post_each(struct enclave *e, uint64_t from, post_visit *visit, void *arg) MUST_USE;
/* Commit `commit` of words is on disk. */
void post_settled(struct enclave *e, uint64_t commit);
/* A row is on its way to the disk; count as in struct post_unsaved. */
void post_remember(struct enclave *e, uint64_t number, size_t count, uint16_t leaf,
                   const uint8_t uuid[16], struct bytes row, const char *kind, uint16_t by);
bool post_going(const struct post *p, uint64_t number); /* its row is about to be erased */
/* No number is given twice, also when the last message is gone. */
void post_keep_numbers(struct enclave *e, struct keep_batch *b);
bool post_unsaved_bundle(const struct post *p, uint64_t number, struct bytes *ret_row,
                         uint64_t *ret_last);
/* More than five minutes between what its author says and when it came. */
bool post_odd_time(uint64_t time_ms, uint64_t arrived_ms);
/* Space key of an author's uuid. */
uint64_t post_key(uint16_t leaf, const uint8_t uuid[16]);

/* ---- post.c ---- */

enum status post_outgoing(struct enclave *e, uint8_t kind, uint16_t to, const uint8_t uuid[16],
                          uint64_t number, uint64_t time_ms, struct bytes content,
                          struct outgoing **ret) MUST_USE;
/* Lists it and puts its row. */
void post_queue(struct enclave *e, struct outgoing *o, struct keep_batch *b);
void post_uuid(struct enclave *e, uint8_t ret[16]);
/* An own entry is in the feed; one that was late is sealed anew. */
void post_arrived(struct enclave *e, const uint8_t uuid[16], uint64_t index, struct keep_batch *b);
void post_late(struct enclave *e, const uint8_t uuid[16], struct keep_batch *b);
/* A message of a member is shown; own: one that this machine does not know; to as in its row. */
void post_show(struct enclave *e, const struct mail_message *m, uint64_t index, uint16_t to,
               bool own, struct keep_batch *b);
/* An own message, or note, by its uuid, is made again. */
void post_say_again(struct enclave *e, const uint8_t uuid[16]);

/* ---- bundles.c: ret is to be freed with post_bundle_free in any case ---- */

/* The bundle that holds this number, on disk or not. */
enum status post_bundle_get(struct enclave *e, uint64_t number, struct post_bundle *ret) MUST_USE;
/* The first one on disk that ends at this number or later. */
enum status post_bundle_from(struct enclave *e, uint64_t number, struct post_bundle *ret) MUST_USE;
void post_bundle_free(struct post_bundle *p);
void post_bundle_unlook(struct enclave *e); /* forgets the one looked at last */
/* Its message i, as a row of its own would be; points into p and text. */
void post_bundle_message(const struct post_bundle *p, size_t i, struct bytes text,
                         struct message_row *ret);
/* post_get of a message that has no row of its own. */
enum status post_bundle_member(struct enclave *e, uint64_t number, struct buf *row,
                               struct message_row *ret) MUST_USE;
/* Empties a message's text, which has a row of its own from now on; false: it is in no bundle. */
bool post_bundle_blank(struct enclave *e, uint64_t number, struct keep_batch *b);
/* Erases a whole bundle without an event; so many messages, 0: number is in none. */
size_t post_bundle_forget(struct enclave *e, uint64_t number, uint64_t *ret_last,
                          struct keep_batch *b);
void post_bundle_words(struct bytes row, char *ret, size_t room); /* for its event */
void post_show_bundle(struct enclave *e, const struct mail_message *m, uint64_t index, bool own,
                      struct keep_batch *b);
void post_bundle_landed(struct enclave *e, uint64_t number, uint64_t index, struct keep_batch *b);
/* The content of an own bundle, as its messages read now; ret: its first message, without a text. */
enum status post_bundle_content(struct enclave *e, uint64_t number, struct buf *out,
                                struct message_row *ret) MUST_USE;
/* Each line that is not empty is a message to all. ST_USAGE: there is none; ST_TOO_BIG: nothing is said. */
enum status post_say_lines(struct enclave *e, struct bytes text, struct keep_batch *b) MUST_USE;
/* ---- early.c ---- */

void early_free(struct enclave *e);

/* ---- private.c ---- */

enum status post_private_load(struct enclave *e) MUST_USE;
/* An entry that is no word to all. */
void post_private_take(struct enclave *e, uint64_t index, struct bytes sealed,
                       struct keep_batch *b);
enum status post_private_make(struct enclave *e, uint16_t to, const struct mail_draft *draft,
                              struct buf *out, uint64_t *ret_epoch) MUST_USE;
void post_private_rows(struct enclave *e, struct keep_batch *b);
/* Both feeds were read to their heads. */
void post_private_settle(struct enclave *e);
/* A new epoch: what was late, and who is to hear that we begin anew. */
void post_private_turn(struct enclave *e);

/* ---- offer.c ---- */

/* Own words that the sentinel kept no longer before all had them are said again, for POST_OFFER_MS. */
void post_offer(struct enclave *e);

/* ---- mute.c ---- */

/* Counts a word of an author; true: it is flooding, nothing of this one is told. */
bool post_mute(struct enclave *e, uint16_t leaf, size_t messages, uint64_t time_ms, size_t bytes);
uint64_t post_muted(const struct enclave *e, uint16_t leaf); /* hidden so far; 0: it is not muted */

/* ---- notes.c ---- */

/* A note that came from a member, our own ones of other times too; with: POST_ALL, or the other one of a
 * private word. false: it is a message to show. */
bool post_noted(struct enclave *e, const struct mail_message *m, uint16_t with,
                const struct note *note, struct keep_batch *b);
/* Own acts of these kinds about a message (bits of 1 << enum note_act) are not made again any more, should
 * they be late, and their texts leave the disk. */
#define POST_ACTS_ALL ~0U
#define POST_ACT_SHARED (1U << 31) /* it was shared with a newcomer, by us */
void post_forget_acts(struct enclave *e, uint16_t leaf, const uint8_t uuid[16], unsigned acts,
                      struct keep_batch *b);
/* The content of an own message as it was said, made again from its row. */
enum status post_content(struct enclave *e, const struct message_row *m, uint8_t *ret_kind,
                         struct buf *out) MUST_USE;
bool post_names(struct bytes text, const char *nick); /* @nick is in it */
enum status post_say_line(struct enclave *e, struct bytes text, struct keep_batch *b) MUST_USE;
size_t post_mentioned(const struct enclave *e, struct bytes text,
                      uint8_t ret[2 * NOTE_MENTIONS_MAX]);

/* What was put by post_outgoing can be made again. */
void post_drop_old_acts(struct enclave *e); /* of more than POST_ACT_KEEP_MS ago */
void post_put_act(struct enclave *e, const struct outgoing *o, struct keep_batch *b);

/* ---- retention.c ---- */

/* Drops what is older than this machine keeps, a part at a time. */
void post_sweep(struct enclave *e, uint64_t now_ms);

/* ---- share.c ---- */

/* Older words that a member shares with us. */
void post_shared(struct enclave *e, const struct mail_message *m, struct keep_batch *b);
void post_shared_settled(struct enclave *e, uint64_t commit);

/* ---- marks.c ---- */

void post_marked(struct enclave *e, uint16_t leaf, struct bytes content, struct keep_batch *b);
/* A word of somebody else is here, or read, at this place of feed 1. */
void post_here(struct enclave *e, uint64_t index, struct keep_batch *b);
void post_read(struct enclave *e, uint64_t index, struct keep_batch *b);
/* What is not told yet will be, if a receipt can go now: asked again whenever the feeds are read. */
void post_plan(struct enclave *e);
/* Members, us left out, who have a word of ours, and who have read it; of how many. */
void post_count(const struct enclave *e, uint64_t index, uint16_t to, struct node_message *ret);
/* It is dropped at this time by the wall clock. */
void post_ends(struct enclave *e, uint64_t number, uint64_t at_ms, struct keep_batch *b);

#endif
