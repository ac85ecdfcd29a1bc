/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "core/audit/score.h"

#include <string.h>

void audit_score_init(struct audit_score *s)
{
    *s = (struct audit_score){AUDIT_START_ALPHA, AUDIT_START_BETA};
}

static void step(struct audit_score *s, uint32_t good, uint32_t bad)
{
    s->alpha = (uint32_t)((uint64_t)s->alpha * AUDIT_KEEP_PERCENT / 100) + good;
    s->beta = (uint32_t)((uint64_t)s->beta * AUDIT_KEEP_PERCENT / 100) + bad;
}

void audit_score_round(struct audit_score *s, const struct audit_tally *t)
{
    if (t->wrong > 0)
        step(s, 0, AUDIT_WEIGHT_WRONG);
    else if (t->gone + t->damaged > 0)
        step(s, 0, AUDIT_WEIGHT_LOST);
    else if (t->late > 0)
        step(s, 0, AUDIT_WEIGHT_LATE);
    else if (t->right > 0)
        step(s, AUDIT_WEIGHT_RIGHT, 0);
}

void audit_score_proof(struct audit_score *s, bool wrong)
{
    step(s, 0, wrong ? AUDIT_WEIGHT_WRONG : AUDIT_WEIGHT_LOST);
}

uint32_t audit_score_micro(const struct audit_score *s)
{
    uint64_t sum = (uint64_t)s->alpha + s->beta;
    return sum == 0 ? 0 : (uint32_t)((uint64_t)s->alpha * AUDIT_MICRO / sum);
}

enum audit_standing audit_score_standing(const struct audit_score *s)
{
    uint32_t score = audit_score_micro(s);
    if (score < AUDIT_DRAINED) return AUDIT_DRAINED_NOW;
    return score < AUDIT_SUSPENDED ? AUDIT_SUSPENDED_NOW : AUDIT_GOOD;
}

unsigned audit_score_rounds_to_good(const struct audit_score *s)
{
    struct audit_score then = *s;
    unsigned n = 0;
    while (audit_score_standing(&then) != AUDIT_GOOD && n < 1000) {
        step(&then, AUDIT_WEIGHT_RIGHT, 0);
        n++;
    }
    return n;
}

void audit_windows_look(struct audit_windows *w, uint64_t now_ms, bool there)
{
    uint64_t now = now_ms / AUDIT_WINDOW_MS;
    if (now < w->newest) return; /* the clock was put back */
    if (now - w->newest >= AUDIT_WINDOWS) {
        memset(w, 0, sizeof *w);
    } else {
        for (uint64_t i = w->newest + 1; i <= now; i++)
            w->there[i % AUDIT_WINDOWS] = w->looks[i % AUDIT_WINDOWS] = 0;
    }
    w->newest = now;
    size_t at = now % AUDIT_WINDOWS;
    if (w->looks[at] == UINT8_MAX) return;
    w->looks[at]++;
    if (there) w->there[at]++;
}

uint32_t audit_windows_micro(const struct audit_windows *w, uint64_t now_ms, unsigned *ret_looks)
{
    uint64_t now = now_ms / AUDIT_WINDOW_MS;
    uint64_t there = AUDIT_PRIOR_LOOKS * AUDIT_PRIOR_PERCENT; /* in hundredths of a look */
    uint64_t looks = AUDIT_PRIOR_LOOKS;
    for (uint64_t i = 0; i < AUDIT_WINDOWS && i <= w->newest; i++) {
        uint64_t number = w->newest - i;
        if (now >= number + AUDIT_WINDOWS) break;
        there += UINT64_C(100) * w->there[number % AUDIT_WINDOWS];
        looks += w->looks[number % AUDIT_WINDOWS];
    }
    *ret_looks = (unsigned)(looks - AUDIT_PRIOR_LOOKS);
    return (uint32_t)(there * (AUDIT_MICRO / 100) / looks);
}
