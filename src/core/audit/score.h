/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * score: one member's opinion of one holder. Audits move a beta score, one
 * step a round: alpha' = 0.95 alpha + w v, beta' = 0.95 beta + w (1 - v), from
 * 3 and 1. Being away is judged apart: the share of looks at which it was
 * there, in windows of 12 hours over 30 days. The constants are measured by
 * bench/bench_audit.c; docs/spec/audit.md has the table.
 *
 * Owns nothing. Errors: none. Order: audit_score_init first.
 */
#ifndef ENCLAVE_CORE_AUDIT_SCORE_H
#define ENCLAVE_CORE_AUDIT_SCORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AUDIT_MICRO 1000000
#define AUDIT_KEEP_PERCENT 95
#define AUDIT_START_ALPHA (3 * AUDIT_MICRO)
#define AUDIT_START_BETA (1 * AUDIT_MICRO)
#define AUDIT_WEIGHT_RIGHT AUDIT_MICRO
#define AUDIT_WEIGHT_LATE (AUDIT_MICRO / 2)
#define AUDIT_WEIGHT_LOST AUDIT_MICRO /* the holder's own word: it is repaired, not punished */
#define AUDIT_WEIGHT_WRONG (5 * AUDIT_MICRO)   /* proven */
#define AUDIT_SUSPENDED (AUDIT_MICRO / 2)      /* below: nothing new is placed there */
#define AUDIT_DRAINED (AUDIT_MICRO * 35 / 100) /* below: what is there is made elsewhere */

#define AUDIT_WINDOWS 60
#define AUDIT_WINDOW_MS (UINT64_C(12) * 3600 * 1000)
#define AUDIT_PRIOR_LOOKS 12 /* of a holder nobody knows: the rule of placement's 0.9 */
#define AUDIT_PRIOR_PERCENT 90

struct audit_score {
    uint32_t alpha, beta; /* in millionths */
};

/* Leaves of one round, by what became of them. */
struct audit_tally {
    uint8_t asked, right, late, gone, damaged, wrong;
};

enum audit_standing { AUDIT_GOOD, AUDIT_SUSPENDED_NOW, AUDIT_DRAINED_NOW };

void audit_score_init(struct audit_score *s);
/* The worst of a round counts, whole: proven wrong, lost, late (asked twice), right. Whoever is silent
 * about a few shards only would else hardly be seen. */
void audit_score_round(struct audit_score *s, const struct audit_tally *t);
/* A proof that somebody else brought. */
void audit_score_proof(struct audit_score *s, bool wrong);
uint32_t audit_score_micro(const struct audit_score *s);
enum audit_standing audit_score_standing(const struct audit_score *s);
/* Rounds without a fault until it is good again; 0: it is. */
unsigned audit_score_rounds_to_good(const struct audit_score *s);

struct audit_windows {
    uint64_t newest; /* number of the newest window: time / 12 h; 0: none yet */
    uint8_t there[AUDIT_WINDOWS], looks[AUDIT_WINDOWS]; /* by number mod AUDIT_WINDOWS */
};
void audit_windows_look(struct audit_windows *w, uint64_t now_ms, bool there);
/* Share in millionths, as of now; ret_looks: of how many. */
uint32_t audit_windows_micro(const struct audit_windows *w, uint64_t now_ms, unsigned *ret_looks);

#endif
