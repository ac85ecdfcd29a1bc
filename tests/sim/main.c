/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * sim --seed N --steps M [--members 3..8] [--verbose]
 * sim --from A --to B --steps M        many seeds
 *     --favour NAME                    that action or fault a hundred times as often
 * sim --list FILE                      lines "SEED STEPS [MEMBERS]": what failed once
 * sim --matrix [--case VICTIM:KIND:K[:TORN]]  crashes at each step of a message's life
 */
#include "sim/sim.h"

#include "crypto/secret.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_MAX UINT64_C(4000000) /* of one sim_run_for: more is a loop */
#define SAME_MAX 200000              /* at one moment */

void sim_trace(struct sim *s, const char *format, ...)
{
    char *line = s->trace[s->traced++ % SIM_TRACE];
    int n = snprintf(line, SIM_LINE, "%5u %10.3f ", s->step, (double)s->time.now_ms / 1000);
    va_list args;
    va_start(args, format);
    vsnprintf(line + n, SIM_LINE - (size_t)n, format, args);
    va_end(args);
    if (s->verbose) puts(line);
}

static void print_trace(const struct sim *s)
{
    unsigned from = s->traced > SIM_TRACE ? s->traced - SIM_TRACE : 0;
    for (unsigned i = from; i < s->traced && !s->verbose; i++) puts(s->trace[i % SIM_TRACE]);
}

static void print_replay(const struct sim *s)
{
    if (s->replay[0]) {
        printf("replay: sim --matrix --case %s\n", s->replay);
        fflush(stdout);
        return;
    }
    printf("replay: make sim SEED=%llu STEPS=%u   (sim --seed %llu --steps %u --members %u)\n",
           (unsigned long long)s->seed, s->steps, (unsigned long long)s->seed, s->steps, s->n);
    fflush(stdout);
}

void sim_fail(struct sim *s, const char *format, ...)
{
    va_list args;
    print_trace(s);
    printf("sim: FAILED at step %u, %.3f s: ", s->step, (double)s->time.now_ms / 1000);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
    print_replay(s);
    fflush(stdout);
    _exit(1);
}

/* ---- a program that dies says how to see it again ---- */

static struct sim *running(struct sim *set)
{
    static struct sim *now; /* the one thing that a signal handler can reach */
    if (set) now = set;
    return now;
}

void sim_running(struct sim *s)
{
    (void)running(s);
}

static void on_signal(int number)
{
    struct sim *s = running(NULL);
    printf("sim: signal %d\n", number);
    if (s) {
        print_trace(s);
        print_replay(s);
    }
    _exit(1);
}

/* A machine that crashes frees nothing, so what it leaves is no leak. */
int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void)
{
    return 1;
}

/* ---- time ---- */

/* Asking a node is not cheap, so its answer holds until something happened to it. */
static uint64_t wants_ms(struct person *p)
{
    if (p->next_known) return p->next_ms;
    uint64_t at = node_next_ms(p->node);
    if (at != UINT64_MAX) at = at < 1000 ? p->m.boot_ms : at - 1000 + p->m.boot_ms;
    p->next_ms = at;
    p->next_known = true;
    return at;
}

static uint64_t next_ms(struct sim *s, struct person **ret_who, bool *ret_sentinel)
{
    uint64_t next = vtime_next_ms(&s->time);
    *ret_who = NULL;
    *ret_sentinel = false;
    uint64_t at = vsentinel_next_ms(&s->sentinel);
    if (at < next) {
        next = at;
        *ret_sentinel = true;
    }
    for (unsigned i = 0; i < s->n; i++) {
        struct person *p = &s->people[i];
        at = p->node ? wants_ms(p) : UINT64_MAX;
        if (at >= next) continue;
        next = at;
        *ret_who = p;
        *ret_sentinel = false;
    }
    return next;
}

static void run_next(struct sim *s, struct person *who, bool sentinel)
{
    if (sentinel) {
        vsentinel_tick(&s->sentinel);
    } else if (who) {
        node_tick(who->node);
        who->next_known = false;
    } else {
        vtime_run_one(&s->time);
        for (unsigned i = 0; i < s->n; i++)
            if (s->time.life == &s->people[i].m.life) s->people[i].next_known = false;
    }
}

void sim_run_for(struct sim *s, uint64_t ms)
{
    uint64_t until = s->time.now_ms + ms, same = 0, last = 0;
    for (unsigned i = 0; i < s->n; i++) s->people[i].next_known = false;
    for (uint64_t n = 0;; n++) {
        struct person *who;
        bool sentinel;
        uint64_t next = next_ms(s, &who, &sentinel);
        if (next > until) break;
        if (next > s->time.now_ms) s->time.now_ms = next;
        run_next(s, who, sentinel);
        same = s->time.now_ms == last ? same + 1 : 0;
        last = s->time.now_ms;
        if (same > SAME_MAX)
            sim_fail(s, "time stands still: %s",
                     who        ? who->m.name
                     : sentinel ? "sentinel"
                                : "events");
        if (n > EVENTS_MAX) sim_fail(s, "more than %llu events", (unsigned long long)EVENTS_MAX);
    }
    s->time.now_ms = until;
}

unsigned sim_run_events(struct sim *s, unsigned n)
{
    for (unsigned i = 0; i < s->n; i++) s->people[i].next_known = false;
    for (unsigned i = 0; i < n; i++) {
        struct person *who;
        bool sentinel;
        uint64_t next = next_ms(s, &who, &sentinel);
        if (next == UINT64_MAX) return i;
        if (next > s->time.now_ms) s->time.now_ms = next;
        run_next(s, who, sentinel);
    }
    return n;
}

/* ---- steps ---- */

struct choice {
    const char *name;
    unsigned weight;
    bool (*act)(struct sim *s);
};

static const struct choice choices[] = {
    {"create", 20, act_create},
    {"invite", 30, act_invite},
    {"vote", 60, act_vote},
    {"send", 120, act_send},
    {"share", 6, act_share},
    {"leave", 4, act_leave},
    {"remove", 7, act_remove},
    {"policy", 8, act_policy},
    {"withdraw", 8, act_withdraw},
    {"rekey", 4, act_rekey},
    {"away", 4, act_away},
    {"kit", 14, act_kit},
    {"revoke", 10, act_revoke},
    {"destroy", 3, act_destroy},
    {"verify", 6, act_verify},
    {"put", 25, act_put},
    {"get", 20, act_get},
    {"audit", 8, act_audit},
    {"tree", 10, act_tree},
    {"crash", 14, fault_crash},
    {"lose", 3, fault_lose},
    {"sentinel crash", 5, fault_sentinel_crash},
    {"partition", 5, fault_partition},
    {"link", 15, fault_link},
    {"clock", 4, fault_clock},
    {"full", 3, fault_full},
    {"backup", 4, fault_backup},
    {"restore", 3, fault_restore},
    {"sleep", 2, fault_sleep},
    {"junk", 4, fault_junk},
    {"bad commit", 4, fault_bad_commit},
    {"wrong tag", 1, fault_wrong_tag},
    {"wrong wrap", 1, fault_wrong_wrap},
    {"wrong ciphertext", 1, fault_wrong_ct},
    {"stale commit", 5, fault_stale_commit},
    {"double ballot", 6, fault_double_ballot},
    {"bad proof", 6, fault_bad_proof},
    {"no point", 8, fault_no_point},
    {"foreign ballot", 10, fault_foreign_ballot},
    {"bad seat", 20, fault_bad_seat},
    {"mutant", 14, fault_mutant},
    {"loud removal", 2, fault_remove_loud},
    {"veto key twice", 2, fault_veto_twice},
    {"false revocation", 2, fault_false_revoke},
    {"replay", 2, fault_replay},
    {"head lie", 2, fault_head_lie},
    {"proposal spam", 2, fault_spam},
    {"mail flood", 1, fault_mail_flood},
    {"fork", 1, fault_fork},
    {"schism", 1, fault_schism},
    {"withhold", 4, fault_withhold},
    {"shuffle", 3, fault_shuffle},
    {"forge", 3, fault_forge},
    {"old database", 4, fault_old_database},
    {"liar", 4, fault_liar},
    {"rot", 3, fault_rot},
    {"mute", 5, fault_mute},
    {"old seats", 4, fault_old_seats},
    {"hold back", 4, fault_hold},
    {"squat", 2, fault_squat},
    {"knock flood", 4, fault_knocks},
};
#define CHOICES (sizeof choices / sizeof choices[0])
_Static_assert(CHOICES < SIM_CHOICES_MAX, "one counter each");

static const char *const check_names[SIM_CHECKS] = {[CHECK_LEDGERS] = "ledgers compared",
                                                    [CHECK_ADMISSIONS] = "admissions",
                                                    [CHECK_OUTCOMES] = "outcomes of votes",
                                                    [CHECK_GONE] = "departures",
                                                    [CHECK_VERDICTS] = "verdicts",
                                                    [CHECK_HINTS] = "hints",
                                                    [CHECK_BALLOTS] = "veto keys",
                                                    [CHECK_GHOSTS] = "entries kept from who is out",
                                                    [CHECK_NEWCOMERS] = "newcomers' keys",
                                                    [CHECK_NAMED] = "villains named",
                                                    [CHECK_DOUBT] = "doubts",
                                                    [CHECK_TRUST] = "no doubt after quiet days",
                                                    [CHECK_PROOFS] = "proofs of forks",
                                                    [CHECK_HELD] = "votes waited for",
                                                    [CHECK_HEALED] = "healed restores",
                                                    [CHECK_PLACES] = "columns where they should be",
                                                    [CHECK_DROPPED] =
                                                        "votes without a dropped ballot",
                                                    [CHECK_NOTICED] = "dropped ballots noticed",
                                                    [CHECK_OLD_SEATS] = "older seat lists named",
                                                    [CHECK_SQUATS] = "odd seats voted away",
                                                    [CHECK_FLOODS] = "knocks heard after a flood",
                                                    [CHECK_AMID] = "knocks heard amid a flood",
                                                    [CHECK_SHORT] = "feeds shown short",
                                                    [CHECK_EARLY] = "words seen early",
                                                    [CHECK_AUDITS] = "audits",
                                                    [CHECK_LOSSES] = "losses found",
                                                    [CHECK_INTRUDERS] = "odd seats that attached"};

/* What is looked for comes a hundred times as often as it would. */
static unsigned weight_of(const struct sim *s, size_t i)
{
    bool favoured = s->favour && strcmp(s->favour, choices[i].name) == 0;
    return choices[i].weight * (favoured ? 100 : 1);
}

static void act(struct sim *s)
{
    unsigned sum = 0;
    if (!s->exists && rng_chance(&s->rng, 400) && act_create(s)) return;
    for (size_t i = 0; i < CHOICES; i++) sum += weight_of(s, i);
    uint64_t at = rng_below(&s->rng, sum);
    size_t i = 0;
    while (at >= weight_of(s, i)) at -= weight_of(s, i++);
    if (choices[i].act(s)) s->done[i]++;
}

static uint64_t pause_ms(struct sim *s)
{
    uint64_t r = rng_below(&s->rng, 100);
    if (r < 40) return rng_below(&s->rng, 100);
    if (r < 80) return rng_below(&s->rng, 3000);
    if (r < 97) return rng_below(&s->rng, 30000);
    return rng_below(&s->rng, 10 * SIM_MINUTE);
}

void sim_step(struct sim *s)
{
    s->step++;
    faults_heal(s, false);
    act(s);
    act_people(s);
    sim_run_for(s, pause_ms(s));
    check_all(s);
    watch_step(s);
}

static bool come_to_rest(struct sim *s)
{
    for (unsigned i = 0; i < 120; i++) {
        act_people(s);
        sim_run_for(s, i < 60 ? 10 * SIM_SECOND : SIM_MINUTE);
        check_all(s);
        if (i > 6 && check_quiet(s)) return true;
    }
    return false;
}

/* Till the vote has ended that keeps everybody from beginning an epoch, and no longer. */
static void wait_for_vote(struct sim *s, uint64_t ms)
{
    sim_trace(s, "nobody can begin an epoch for %llu s", (unsigned long long)(ms / 1000));
    s->checked[CHECK_HELD]++;
    for (uint64_t left = ms; left > 0;) {
        uint64_t now = left < SIM_DAY ? left : SIM_DAY;
        sim_run_for(s, now);
        check_all(s);
        left -= now;
    }
}

/* All faults end; then everything must come to rest and be right. */
void sim_settle(struct sim *s)
{
    s->settling = true;
    faults_heal(s, true);
    lies_end(s);
    sim_trace(s, "settling");
    while (!come_to_rest(s)) {
        uint64_t held = held_by_vote_ms(s);
        if (held == 0) break;
        wait_for_vote(s, held);
    }
    /* Late deliveries and second thoughts. */
    sim_run_for(s, 2 * SIM_MINUTE);
    check_all(s);
    watch_step(s);
    check_settled(s);
    if (s->forked_ever) return;
    verify_all(s);
    files_ask_all(s);
    for (unsigned i = 0; i < 30 && files_waiting(s); i++) {
        sim_run_for(s, 10 * SIM_SECOND);
        check_all(s);
    }
    const struct sim_get *g = files_waiting(s);
    if (g)
        sim_fail(s, "the get of %s by m%u neither ends nor fails%s", s->files[g->file].path,
                 g->person, g->known ? "" : ": it never began");
}

static bool anybody_lost(const struct sim *s)
{
    for (unsigned i = 0; i < s->n; i++)
        if (excused(&s->people[i]) || s->people[i].tainted) return true;
    return false;
}

void sim_anew(struct sim *s)
{
    sim_trace(s, "all begin anew");
    for (unsigned i = 0; i < s->n; i++) {
        struct person *p = &s->people[i];
        uint64_t most = p->shards.most;
        unsigned attempt = p->attempt;
        uint64_t life = p->m.life;
        person_free(p);
        person_init(s, i, most);
        p->attempt = attempt;
        p->m.life = life + 2; /* what the old machine had planned is forgotten */
    }
    for (unsigned i = 0; i < s->n_files; i++) free(s->files[i].bytes);
    s->n_files = s->n_gets = s->n_messages = s->n_nicks = s->n_wishes = 0;
    s->exists = s->creating = s->room_known = s->forked_ever = s->settling = s->orphans =
        s->hidden = false;
    heads_forget(s);
    watch_forget(s);
    for (unsigned i = 0; i < s->n; i++) person_boot(&s->people[i]);
}

void sim_found(struct sim *s, unsigned wanted)
{
    if (!act_create(s)) return;
    s->founding = true;
    sim_run_for(s, 2 * SIM_SECOND);
    check_all(s);
    while (people_in(s, PERSON_IN) < wanted && people_in(s, PERSON_IN) < s->n) {
        unsigned before = people_in(s, PERSON_IN);
        if (!act_invite(s)) break;
        for (unsigned i = 0; i < 30 && people_in(s, PERSON_IN) == before; i++) {
            sim_run_for(s, SIM_SECOND);
            check_all(s);
            act_people(s);
        }
        if (people_in(s, PERSON_IN) == before) break;
    }
    s->founding = false;
}

/* Most rounds begin with a few people inside: what needs three of them comes in time then. */
static void found(struct sim *s)
{
    unsigned wanted = (unsigned)rng_between(&s->rng, 3, 4);
    if (s->exists || s->creating || !rng_chance(&s->rng, 800)) return;
    sim_found(s, wanted);
}

static void begin_round(struct sim *s)
{
    unsigned length = (unsigned)rng_between(&s->rng, 100, 600);
    s->settling = false;
    s->round_from = s->step;
    s->round_to = s->steps - s->step < length + 100 ? s->steps : s->step + length;
    found(s);
}

static void end_round(struct sim *s)
{
    sim_settle(s);
    if (s->step == s->steps) {
        if (s->seed % 16 == 0) faults_none(s); /* days take long */
        return;
    }
    bool full = s->n_messages > SIM_MESSAGES_MAX / 2 || s->n_files > SIM_FILES_MAX / 2 ||
                s->n_nicks > SIM_NICKS_MAX / 2 || s->n_wishes > SIM_WISHES_MAX / 2;
    if (full || s->forked_ever || anybody_lost(s) || rng_chance(&s->rng, 300)) sim_anew(s);
    begin_round(s);
}

static enum vsentinel_deed on_append(void *arg, unsigned caller, const struct room_append *msg)
{
    uint8_t vote[32];
    if (!watch_append(arg, caller, msg, vote)) return VSENTINEL_HONEST;
    return lies_append(arg, caller, msg, vote);
}

void sim_start(struct sim *s, uint64_t seed, unsigned steps, unsigned people, bool verbose)
{
    memset(s, 0, sizeof *s);
    s->seed = seed;
    s->steps = steps;
    s->verbose = verbose;
    s->rng.state = seed ^ UINT64_C(0x51D0C0DE);
    unsigned drawn = (unsigned)rng_between(&s->rng, 3, 5);
    s->n = people ? people : drawn;
    if (rng_chance(&s->rng, 250)) {
        static const int64_t days[] = {1, -1, 365, -365};
        s->clock_of = (unsigned)rng_below(&s->rng, s->n);
        s->clock_skew = days[rng_below(&s->rng, 4)] * (int64_t)SIM_DAY;
        s->done[CHOICES]++;
    }
    s->heads = sim_alloc(SIM_HEADS_MAX * sizeof s->heads[0]);
    vnet_init(&s->net, &s->time, rng_next(&s->rng));
    s->early_rng.state = s->seed;
    s->net.tap = early_tap;
    s->net.tap_arg = s;
    vsentinel_init(&s->sentinel, SIM_PEOPLE_MAX, &s->net, rng_next(&s->rng), NULL, NULL);
    machine_init(&s->stranger, SIM_PEOPLE_MAX + 1, "stranger", &s->time, rng_next(&s->rng), NULL,
                 NULL);
    s->sentinel.on_append = on_append;
    s->sentinel.on_append_arg = s;
    vsentinel_boot(&s->sentinel);
    for (unsigned i = 0; i < s->n; i++) person_init(s, i, (uint64_t)256 << 20);
    for (unsigned i = 0; i < s->n; i++) person_boot(&s->people[i]);
}

void sim_end(struct sim *s)
{
    for (unsigned i = 0; i < s->n; i++) person_free(&s->people[i]);
    if (s->sentinel.m.up) vsentinel_crash(&s->sentinel);
    vtime_end(&s->time);
    vnet_free(&s->net);
    early_end(s);
    vsentinel_free(&s->sentinel);
    for (unsigned i = 0; i < s->n_files; i++) free(s->files[i].bytes);
    heads_forget(s);
    watch_forget(s);
    buf_free(&s->stale);
    free(s->heads);
}

struct args {
    uint64_t from, to;
    unsigned steps, people;
    bool verbose, all, matrix;
    const char *list, *favour, *one; /* one: case of the matrix; NULL: all of them */
};

struct totals {
    uint64_t seeds, steps, virtual_ms, events, messages, admitted;
    uint64_t done[CHOICES + 1], checked[SIM_CHECKS];
    uint64_t mutants[MUTANTS], locked_out;
};

static void run_one(uint64_t seed, unsigned steps, unsigned people, const struct args *a,
                    struct totals *t)
{
    struct sim *s = sim_alloc(sizeof *s);
    running(s);
    sim_start(s, seed, steps, people, a->verbose);
    s->trace_all = a->all;
    s->favour = a->favour;
    begin_round(s);
    while (s->step < steps) {
        sim_step(s);
        if (s->step == s->round_to) end_round(s);
    }
    t->seeds++;
    t->steps += s->step;
    t->virtual_ms += s->time.now_ms;
    t->events += s->time.ran;
    t->messages += s->said;
    t->admitted += s->admitted;
    t->locked_out += s->locked_out;
    for (size_t i = 0; i < MUTANTS; i++) t->mutants[i] += s->mutants[i];
    for (size_t i = 0; i <= CHOICES; i++) t->done[i] += s->done[i];
    for (size_t i = 0; i < SIM_CHECKS; i++) t->checked[i] += s->checked[i];
    sim_end(s);
    free(s);
}

static void run_list(const struct args *a, struct totals *t)
{
    FILE *f = fopen(a->list, "r");
    char line[200];
    if (!f) {
        fprintf(stderr, "sim: %s cannot be read\n", a->list);
        exit(2);
    }
    while (fgets(line, sizeof line, f)) {
        unsigned long long seed;
        unsigned steps, people = 0;
        if (line[0] == '#' || sscanf(line, "%llu %u %u", &seed, &steps, &people) < 2) continue;
        run_one(seed, steps, people, a, t);
    }
    fclose(f);
}

static int usage(void)
{
    fprintf(stderr, "example: sim --seed 1 --steps 20000\n"
                    "  --seed N --steps M [--members 3..8] [--verbose] [--all]\n"
                    "  --from A --to B --steps M [--members K] [--favour 'bad commit']\n"
                    "  --list FILE\n"
                    "  --matrix [--seed N] [--case sender:words:17]\n");
    return 2;
}

static bool parse(int argc, char **argv, struct args *a)
{
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i];
        if (strcmp(name, "--verbose") == 0) {
            a->verbose = true;
            continue;
        }
        if (strcmp(name, "--all") == 0) {
            a->all = a->verbose = true;
            continue;
        }
        if (strcmp(name, "--matrix") == 0) {
            a->matrix = true;
            continue;
        }
        if (i + 1 == argc) return false;
        const char *value = argv[++i];
        char *end = NULL;
        unsigned long long n = strtoull(value, &end, 10);
        if (strcmp(name, "--list") == 0)
            a->list = value;
        else if (strcmp(name, "--favour") == 0)
            a->favour = value;
        else if (strcmp(name, "--case") == 0)
            a->one = value;
        else if (*end || end == value)
            return false;
        else if (strcmp(name, "--seed") == 0)
            a->from = a->to = n;
        else if (strcmp(name, "--from") == 0)
            a->from = n;
        else if (strcmp(name, "--to") == 0)
            a->to = n;
        else if (strcmp(name, "--steps") == 0)
            a->steps = (unsigned)n;
        else if (strcmp(name, "--members") == 0)
            a->people = (unsigned)n;
        else
            return false;
    }
    return a->to >= a->from && (a->people == 0 || (a->people >= 3 && a->people <= SIM_PEOPLE_MAX));
}

int main(int argc, char **argv)
{
    struct args a = {.from = 1, .to = 1, .steps = 200};
    struct totals t = {0};
    struct timespec begin, end;
    if (!parse(argc, argv, &a)) return usage();
    if (crypto_start() != ST_OK) return 1;
    signal(SIGABRT, on_signal);
    signal(SIGSEGV, on_signal);
    if (a.matrix) return matrix_run(a.from, a.one) ? 0 : 1;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    if (a.list)
        run_list(&a, &t);
    else
        for (uint64_t seed = a.from; seed <= a.to; seed++) run_one(seed, a.steps, a.people, &a, &t);
    clock_gettime(CLOCK_MONOTONIC, &end);
    double took = (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9;
    printf("sim: %llu seeds, %llu steps, %.1f virtual hours, %llu events, %llu messages, %llu "
           "admitted, %.1f s\n",
           (unsigned long long)t.seeds, (unsigned long long)t.steps,
           (double)t.virtual_ms / (double)SIM_HOUR, (unsigned long long)t.events,
           (unsigned long long)t.messages, (unsigned long long)t.admitted, took);
    for (size_t i = 0; i < CHOICES; i++)
        printf("%s%s %llu", i ? ", " : "     ", choices[i].name, (unsigned long long)t.done[i]);
    printf(", wrong clock %llu\n     checked:", (unsigned long long)t.done[CHOICES]);
    for (size_t i = 0; i < SIM_CHECKS; i++)
        printf("%s %s %llu", i ? "," : "", check_names[i], (unsigned long long)t.checked[i]);
    printf("\n     mutants:");
    for (int i = 0; i < MUTANTS; i++)
        printf("%s %s %llu", i ? "," : "", mutant_name(i), (unsigned long long)t.mutants[i]);
    printf("; %llu locked their author out\n", (unsigned long long)t.locked_out);
    return 0;
}
