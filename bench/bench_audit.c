/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto core/files core/audit core/grant */
/* The constants of the score, on holders that lose, lie, stall or have a bad line: how long until the first
 * failed audit, until nothing new is placed there, until it is drained; and how many sound holders are taken
 * for bad ones within 30 days. Draws, weights and thresholds are those of src/core/audit; the same with other
 * constants stands beside it. Prints a table in Markdown. */
#include "bench/bench.h"
#include "core/audit/audit.h"
#include "core/audit/score.h"
#include "crypto/secret.h"

#include <stdlib.h>
#include <string.h>

#define HOURS (30 * 24)
#define HOLDERS_MAX 5000
#define SHARDS 2000 /* of one holder */

enum kind {
    SOUND,   /* nothing is lost */
    HONEST,  /* says what it lost, and that is made elsewhere: not asked again */
    HOLDING, /* says what it lost, and nothing is repaired */
    SILENT,  /* does not answer for what it lost */
    LYING    /* signs something else for it */
};

struct run {
    const char *name;
    enum kind kind;
    double lost;    /* share of its shards */
    double dead;    /* share of rounds in which no answer comes although it is there */
    double dropped; /* share of single answers that do not come */
};

struct rule {
    const char *name;
    unsigned keep; /* percent */
    double wrong;
    bool each;   /* a step for each leaf, not for each round */
    bool shared; /* late ones weigh as much as their share of the round */
};

/* The first is the one of src/core/audit/score.h, and is computed by it. */
static const struct rule rules[] = {
    {"0.95 a round, proven wrong weighs 5", 95, 5, false, false},
    {"The same, late ones by their share of the round", 95, 5, false, true},
    {"0.95 a leaf, proven wrong weighs 5", 95, 5, true, false},
    {"0.95 a round, proven wrong weighs 1", 95, 1, false, false},
    {"0.90 a round, proven wrong weighs 5", 90, 5, false, false},
    {"0.99 a round, proven wrong weighs 5", 99, 5, false, false}};
#define RULES (sizeof rules / sizeof *rules)

struct outcome {
    double first[HOLDERS_MAX], suspended[HOLDERS_MAX],
        drained[HOLDERS_MAX]; /* hours; HOURS: not within 30 days */
};

static uint64_t dice = 88172645463325252u;

static double chance(void)
{
    dice ^= dice << 13;
    dice ^= dice >> 7;
    dice ^= dice << 17;
    return (double)(dice >> 11) / 9007199254740992.0;
}

struct score {
    double alpha, beta;
};

static void other_step(struct score *s, const struct rule *r, double good, double bad)
{
    s->alpha = s->alpha * r->keep / 100 + good;
    s->beta = s->beta * r->keep / 100 + bad;
}

static void round_step(struct score *s, const struct rule *r, const struct audit_tally *t)
{
    if (r->each) {
        for (unsigned i = 0; i < t->wrong; i++) other_step(s, r, 0, r->wrong);
        for (unsigned i = 0; i < t->gone; i++) other_step(s, r, 0, 1);
        for (unsigned i = 0; i < t->late; i++) other_step(s, r, 0, 0.5);
        for (unsigned i = 0; i < t->right; i++) other_step(s, r, 1, 0);
    } else if (t->wrong) {
        other_step(s, r, 0, r->wrong);
    } else if (t->gone) {
        other_step(s, r, 0, 1);
    } else if (t->late && r->shared) {
        other_step(s, r, (double)t->right / t->asked, 0.5 * t->late / t->asked);
    } else if (t->late) {
        other_step(s, r, 0, 0.5);
    } else {
        other_step(s, r, 1, 0);
    }
}

/* Asked again, and lost again. */
static bool twice(double p)
{
    bool first = chance() < p;
    return first && chance() < p;
}

static void one_round(const struct run *run, bool lost[SHARDS], struct audit_tally *t)
{
    struct audit_draw draws[AUDIT_ROUND];
    uint8_t seed[32];
    for (size_t i = 0; i < 32; i += 8) put_u64(seed + i, (uint64_t)(chance() * 1e18));
    size_t n = audit_draw(seed, SHARDS, draws);
    bool dead = chance() < run->dead;
    memset(t, 0, sizeof *t);
    for (size_t i = 0; i < n; i++) {
        bool *bad = &lost[draws[i].shard];
        t->asked++;
        if (dead || twice(run->dropped)) {
            t->late++;
        } else if (!*bad) {
            t->right++;
        } else if (run->kind == LYING) {
            t->wrong++;
        } else if (run->kind == SILENT) {
            t->late++;
        } else {
            t->gone++;
            if (run->kind == HONEST) *bad = false;
        }
    }
}

static void note(double *at, bool now, int h)
{
    if (now && *at == HOURS) *at = h + 1;
}

static void one_holder(const struct run *run, struct outcome *o, size_t at)
{
    static bool lost[SHARDS], whole[SHARDS];
    struct audit_score ours;
    struct score scores[RULES];
    const uint64_t micro = AUDIT_MICRO, below = AUDIT_SUSPENDED, far_below = AUDIT_DRAINED;
    const double suspended = (double)below / (double)micro;
    const double drained = (double)far_below / (double)micro;
    audit_score_init(&ours);
    for (size_t i = 0; i < SHARDS; i++) lost[i] = chance() < run->lost;
    for (size_t r = 0; r < RULES; r++) {
        o[r].first[at] = o[r].suspended[at] = o[r].drained[at] = HOURS;
        scores[r] = (struct score){3, 1};
    }
    /* It was sound for two days; what is lost is lost at hour 0. */
    for (int h = -48; h < HOURS; h++) {
        struct run now = *run;
        struct audit_tally t;
        if (h < 0) now.kind = SOUND;
        one_round(&now, h < 0 ? whole : lost, &t);
        audit_score_round(&ours, &t);
        for (size_t r = 0; r < RULES; r++) {
            round_step(&scores[r], &rules[r], &t);
            double score = scores[r].alpha / (scores[r].alpha + scores[r].beta);
            if (r == 0) score = audit_score_micro(&ours) / (double)AUDIT_MICRO;
            if (h < 0) continue;
            note(&o[r].first[at], t.wrong + t.gone > 0 || (run->kind == SILENT && t.late > 0), h);
            note(&o[r].suspended[at], score < suspended, h);
            note(&o[r].drained[at], score < drained, h);
        }
    }
}

static void hours(double *list, size_t n, double *ret_share, char out[32])
{
    size_t within = 0;
    qsort(list, n, sizeof *list, bench_by_value);
    while (within < n && list[within] < HOURS) within++;
    *ret_share = (double)within / (double)n;
    double middle = list[n / 2];
    double late = list[n * 95 / 100];
    if (within == 0)
        snprintf(out, 32, "never");
    else if (middle >= HOURS)
        snprintf(out, 32, "-");
    else if (late >= HOURS)
        snprintf(out, 32, "%.0f / -", middle);
    else
        snprintf(out, 32, "%.0f / %.0f", middle, late);
}

static void one_row(const struct run *run, struct outcome *o, size_t n, FILE *out)
{
    double first_share, suspended_share, drained_share;
    char first[32], suspended[32], drained[32];
    hours(o->first, n, &first_share, first);
    hours(o->suspended, n, &suspended_share, suspended);
    hours(o->drained, n, &drained_share, drained);
    fprintf(out, "| %s | %s | %s | %.1f %% | %s | %.1f %% |\n", run->name,
            run->kind == SOUND ? "" : first, suspended, suspended_share * 100, drained,
            drained_share * 100);
}

int main(void)
{
    static const struct run runs[] = {
        {"sound, good line", SOUND, 0, 0, 0},
        {"sound, 2 % of answers late", SOUND, 0, 0, 0.02},
        {"sound, 5 % of rounds unanswered", SOUND, 0, 0.05, 0},
        {"sound, 20 % of rounds unanswered", SOUND, 0, 0.20, 0},
        {"sound, 40 % of rounds unanswered", SOUND, 0, 0.40, 0},
        {"lost 1 %, says so, repaired", HONEST, 0.01, 0, 0},
        {"lost 5 %, says so, repaired", HONEST, 0.05, 0, 0},
        {"lost 20 %, says so, repaired", HONEST, 0.20, 0, 0},
        {"lost 100 %, says so, not repaired", HOLDING, 1, 0, 0},
        {"lost 1 %, lies", LYING, 0.01, 0, 0},
        {"lost 5 %, lies", LYING, 0.05, 0, 0},
        {"lost 20 %, lies", LYING, 0.20, 0, 0},
        {"lost 100 %, lies", LYING, 1, 0, 0},
        {"lost 1 %, silent", SILENT, 0.01, 0, 0},
        {"lost 5 %, silent", SILENT, 0.05, 0, 0},
        {"lost 20 %, silent", SILENT, 0.20, 0, 0},
        {"lost 100 %, silent", SILENT, 1, 0, 0},
        {"lost 5 %, lies, 20 % of rounds unanswered", LYING, 0.05, 0.20, 0},
    };
    bench_ok(crypto_start(), "crypto_start");
    size_t n = bench_size("BENCH_HOLDERS", 1000);
    static struct outcome o[RULES];
    char *text[RULES];
    size_t len[RULES];
    FILE *out[RULES];
    bench_must(n >= 20 && n <= HOLDERS_MAX, "BENCH_HOLDERS is 20 to 5000");
    for (size_t r = 0; r < RULES; r++) {
        out[r] = open_memstream(&text[r], &len[r]);
        bench_must(out[r] != NULL, "memory");
    }
    for (size_t i = 0; i < sizeof runs / sizeof *runs; i++) {
        for (size_t k = 0; k < n; k++) one_holder(&runs[i], o, k);
        for (size_t r = 0; r < RULES; r++) one_row(&runs[i], &o[r], n, out[r]);
    }
    for (size_t r = 0; r < RULES; r++) {
        bench_must(fclose(out[r]) == 0, "memory");
        printf("%s (%zu holders a row, %d shards each, 30 days)\n\n", rules[r].name, n, SHARDS);
        printf("| holder | first failed audit, h | suspended, h | within 30 days | drained, h | "
               "within 30 days |\n| --- | --- | --- | --- | --- | --- |\n%s\n",
               text[r]);
        free(text[r]);
    }
    return 0;
}
