/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * mail_inner: the inside of struct mail, shared by the files of this folder
 * and by nobody else.
 *
 * Owns: as core/mail/mail.h says. Errors: ST_NO_MEMORY.
 * Order: epochs[] ascends by number; chains[] of an epoch by leaf. Every change
 *     of an epoch sets its dirty flag, every other change head_dirty.
 */
#ifndef ENCLAVE_CORE_MAIL_MAIL_INNER_H
#define ENCLAVE_CORE_MAIL_MAIL_INNER_H

#include "core/mail/mail.h"

struct mail_chain {
    uint16_t leaf;
    uint8_t id[32];
    struct hints hints;
    bool has_last;
    uint8_t last[32];   /* H(sealed) of the newest entry of this chain: prev_own of the next */
    uint64_t stated_n;  /* a HEAD stated: all below were sent ... */
    uint64_t stated_at; /* ... and stand below this index of the feed; MAIL_NONE: looked at */
};

/* An own message in the feed that may still turn out to have come too late. */
struct mail_trace {
    uint64_t index;
    uint8_t uuid[16];
};

struct mail_epoch {
    uint64_t epoch;
    uint64_t opened_at;   /* feed-1 count seen by the COMMIT that opened it */
    uint64_t replaced_ms; /* when the next one came; 0: it is the newest */
    struct mail_chain *chains;
    size_t n;
    uint8_t *secrets; /* guarded, HINTS_SECRETS each */
    uint64_t spent;   /* own numbers below it count as used in the row saved last */
    uint64_t used;    /* at the start: those below it may be used already; 0: none */
    struct mail_trace trace[MAIL_TRACE_MAX];
    size_t n_trace;
    bool dirty;
};

/* Made and not yet seen in the feed, in order of making. */
struct mail_pending {
    uint64_t epoch, n;
    uint8_t hash[32];
    uint8_t uuid[16];
};

struct mail {
    uint8_t room[32], enclave_id[32];
    uint16_t own_leaf;
    struct mail_epoch *epochs[MAIL_EPOCHS_MAX];
    size_t n_epochs;
    uint64_t next_index;
    uint8_t own_last[32];    /* H of our newest entry seen in the feed; zeros: none */
    uint64_t restored_epoch; /* nothing is made up to this epoch; MAIL_NONE: all is well */
    struct mail_pending pending[MAIL_UNSEEN_MAX];
    size_t n_pending;
    uint64_t unknown[MAIL_UNKNOWN_MAX]; /* ascending */
    size_t n_unknown;
    bool unknown_fresh; /* one came since the last settle */
    uint64_t recent[MAIL_RECENT];
    size_t n_recent, recent_at;
    uint8_t late[MAIL_TRACE_MAX][16];
    size_t n_late;
    uint64_t dropped[MAIL_EPOCHS_MAX]; /* rows to be dropped */
    size_t n_dropped;
    size_t n_stated; /* chains with a stated_at still to come */
    bool head_dirty;
    unsigned ahead;             /* mail_ahead */
    struct mail_promise kept;   /* on disk */
    struct buf plain, unpacked; /* of the message taken last */
};

/* What an entry opened with. */
struct mail_found {
    struct mail_epoch *epoch;
    struct mail_chain *chain;
    struct hints_place place;
    struct envelope v;
};

/* Tries one place; ST_OK: it opens, belongs there and is signed. Only m->plain changes. */
enum status mail_try_place(struct mail *m, struct bytes sealed, struct mail_found *f);
void mail_describe(const struct mail_found *f, struct mail_message *ret);
/* This uuid of this leaf was shown before. */
bool mail_recent(const struct mail *m, uint16_t leaf, const uint8_t uuid[16]);
struct mail_epoch *mail_epoch_find(const struct mail *m, uint64_t epoch);
struct mail_epoch *mail_epoch_newest(const struct mail *m);
struct mail_chain *mail_chain_find(const struct mail_epoch *e, uint16_t leaf);
/* An epoch with room for n chains, all zero, in its place in the list. */
enum status mail_epoch_insert(struct mail *m, uint64_t epoch, size_t n, struct mail_epoch **ret);
void mail_epoch_remove(struct mail *m, size_t i);
/* protocol.md 8, "which epoch counts", as far as the epochs known tell. */
bool mail_counts(const struct mail *m, uint64_t epoch, uint16_t leaf, uint64_t index);
/* Wider windows wherever an entry at or after `index` could still count. */
enum status mail_extend(struct mail *m, uint64_t index, bool *ret_grew);
/* Looks at what HEADs stated below next_index. */
enum status mail_judge_stated(struct mail *m);

#endif
