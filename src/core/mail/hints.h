/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * hints: one hash chain of (epoch, sender leaf): s_0 is the epoch's export
 * "sender" | leaf; each s_n gives an 8-byte hint that finds the message, the
 * key that opens it, and s_{n+1}. protocol.md 7. A reader keeps the hints
 * ahead of it and, for places it went past, the keys.
 *
 * Owns: its window and skipped keys; the two secrets lie in memory of the
 *     caller's choice (guarded), HINTS_SECRETS bytes. hints_free wipes all.
 * Errors: ST_NO_MEMORY (nothing was changed); ST_NOT_FOUND from find and key
 *     when nothing matches; load: ST_INTEGRITY.
 * Order: hints_init or hints_load, then any; hints_free.
 */
#ifndef ENCLAVE_CORE_MAIL_HINTS_H
#define ENCLAVE_CORE_MAIL_HINTS_H

#include "base/bytes.h"

#define HINT_SIZE 8
#define HINTS_WINDOW 32                    /* hints kept ahead */
#define HINTS_EXTENDED 1024                /* after a loss: once, until used up */
#define HINTS_SKIPPED 1024                 /* most keys kept of places gone past */
#define HINTS_STEP_MAX (UINT64_C(1) << 17) /* most places a HEAD may move a chain */
#define HINTS_SECRETS 64

/* The three formulas. */
void hints_hint(const uint8_t s[32], uint8_t ret[HINT_SIZE]);
void hints_mk(const uint8_t s[32], uint8_t ret_mk[32]);
void hints_advance(uint8_t s[32]); /* s_n -> s_{n+1}, in place */

struct hints_skip {
    uint64_t n;
    uint8_t hint[HINT_SIZE];
    uint8_t mk[32];
};

struct hints {
    uint8_t *s;      /* borrowed: s_next, then s_{next + window} */
    uint64_t next;   /* lowest place neither used nor skipped */
    uint64_t *ahead; /* hints of next, next + 1, ...: a ring */
    size_t start, count, room;
    struct hints_skip *skipped; /* ascending by n */
    size_t n_skipped, skipped_room;
    uint64_t dropped; /* keys forgotten because there were more than HINTS_SKIPPED */
};

/* A place found by its hint; valid until the chain is changed. */
struct hints_place {
    uint64_t n;
    bool skipped;
};

enum status hints_init(struct hints *h, uint8_t *secrets, const uint8_t s0[32]) MUST_USE;
void hints_free(struct hints *h);
/* Finds a place with this hint: `after` NULL gives the first, else the next one after it. */
enum status hints_find(const struct hints *h, const uint8_t hint[HINT_SIZE],
                       const struct hints_place *after, struct hints_place *ret) MUST_USE;
/* The key of a place found; changes nothing. */
enum status hints_key(const struct hints *h, const struct hints_place *p,
                      uint8_t ret_mk[32]) MUST_USE;
/* The place is spent: its key is gone for good, those before it become skipped. */
enum status hints_spend(struct hints *h, const struct hints_place *p) MUST_USE;
/* Everything below n becomes skipped; n below next does nothing. ST_TOO_BIG past HINTS_STEP_MAX. */
enum status hints_step(struct hints *h, uint64_t n) MUST_USE;
/* Sender: the key of place next, which is spent by this. keep: it stays among the skipped until
 * the message is seen in the feed. */
enum status hints_make(struct hints *h, bool keep, uint64_t *ret_n, uint8_t ret_hint[HINT_SIZE],
                       uint8_t ret_mk[32]) MUST_USE;
/* The window grows to HINTS_EXTENDED; false if it was that wide already. */
enum status hints_extend(struct hints *h, bool *ret_grew) MUST_USE;

/* Forgets the key of a skipped place; a place that is not skipped changes nothing. */
void hints_forget(struct hints *h, uint64_t n);
/* How many places below n are skipped, those dropped included. */
uint64_t hints_missing(const struct hints *h, uint64_t n);

void hints_save(const struct hints *h, struct buf *out);
enum status hints_load(struct hints *h, uint8_t *secrets, struct cursor *in) MUST_USE;

#endif
