/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto core/feed core/ballot core/door core/epoch core/ledger */
/* The ledger as a whole. `bench_ledger`: one of 10,000 entries, judged again from its sealed entries
 * as after a restart and in `enclave verify`, beside as many bare signatures. `bench_ledger growth`:
 * what a group of 2, 4, ... 64 pays in time and bytes to admit, re-key and remove. */
#include "bench/crew.h"

#include "crypto/kem.h"

#define ENTRIES 10000
#define GROUP 8
#define TURNS 5
#define ROUNDS 5 /* admissions, new keys and removals measured at each size */

/* ---- 10,000 entries ---- */

static void post_head(struct crew *c, size_t by)
{
    struct head_body b = {.epoch = ledger_epoch(group_ledger(c->w.m[0].g)), .next = c->w.n};
    crew_post(c, by, LEDGER_HEAD, &head_body_fields, &b, NULL);
}

static void post_update(struct crew *c, size_t by)
{
    struct update_body b;
    uint8_t seed[32];
    world_random(&c->w, seed, sizeof seed);
    kem_public(seed, b.kem_pk);
    crew_post(c, by, LEDGER_UPDATE, &update_body_fields, &b, NULL);
}

static void post_policy(struct crew *c, size_t nay)
{
    struct group_propose_policy a = {
        .ballot_kind = LEDGER_AS_IS, .mode = LEDGER_AS_IS, .reason = BYTES_LIT("a reason")};
    uint64_t index = c->w.n;
    CREW_POST(c, NULL, group_make_propose_policy(c->w.m[0].g, &a, &now, &draft));
    crew_vote(c, index, CREW_NOBODY, nay, NULL);
}

/* A vote of the four kinds that there are. */
static void hold_vote(struct crew *c, size_t n, size_t *last)
{
    crew_refill(c);
    switch (n % 4) {
    case 0: *last = crew_admit(c, NULL); break;
    case 1: post_policy(c, CREW_NOBODY); break;
    case 2: crew_remove(c, *last, NULL); break;
    default: post_policy(c, 3); break; /* vetoed */
    }
}

/* Day by day: each member's HEAD and a new epoch; each week everybody's new KEM key and a vote. */
static void live(struct crew *c)
{
    size_t last = CREW_NOBODY, votes = 0;
    for (size_t day = 0; c->w.n < ENTRIES; day++) {
        c->w.now_ms += UINT64_C(24) * 3600 * 1000;
        for (size_t i = 0; i < c->w.members; i++) {
            if (!crew_member(c, i)) continue;
            if (i > 0 && day % 7 == i % 7) post_update(c, i);
            post_head(c, i);
        }
        if (day % 7 == 6) hold_vote(c, votes++, &last);
        (void)crew_commit(c, NULL, NULL);
    }
}

static void count_types(void *arg, const struct ledger *before, const struct ledger_judged *j)
{
    size_t *types = arg;
    (void)before;
    bench_must(j->verdict.valid, j->verdict.reason);
    types[j->entry.type]++;
}

static double verify(const struct crew *c, struct bytes saved, size_t *types)
{
    struct group *g;
    struct group_event ev;
    double start = bench_now();
    bench_ok(group_load(saved, &g), "group_load");
    if (types != NULL) group_listen(g, count_types, types);
    for (size_t i = 0; i < ENTRIES; i++) {
        bench_ok(group_take(g, i, buf_view(&c->w.feed[i]), 0), "group_take");
        while (group_event(g, &ev)) bench_must(ev.type != GROUP_VOID, "an entry is void");
    }
    double took = bench_now() - start;
    bench_must(memcmp(ledger_chain(group_ledger(g)),
                      ledger_chain_at(group_ledger(c->w.m[0].g), ENTRIES), 32) == 0,
               "another head");
    group_free(g);
    return took;
}

static double bare_signatures(void)
{
    uint8_t seed[32] = {1}, public_key[32], sig[SIGN_SIZE], text[300] = {2};
    sign_public(seed, public_key);
    sign_message(seed, BYTES_OF(text), sig);
    double start = bench_now();
    for (size_t i = 0; i < ENTRIES; i++)
        bench_ok(sign_verify(public_key, BYTES_OF(text), sig), "sign_verify");
    return bench_now() - start;
}

static void long_ledger(void)
{
    struct crew *c = crew_new();
    struct buf saved = BUF_INIT;
    double times[TURNS], bare[TURNS];
    size_t types[LEDGER_TYPE_END] = {0}, bytes = 0;
    c->alone = true;
    while (ledger_members(group_ledger(c->w.m[0].g)) < GROUP) {
        (void)crew_admit(c, NULL);
        (void)crew_commit(c, NULL, NULL);
    }
    live(c);
    bench_ok(group_save(c->w.m[0].g, &saved), "group_save");
    for (size_t i = 0; i < ENTRIES; i++) bytes += c->w.feed[i].n;
    (void)verify(c, buf_view(&saved), types);
    for (size_t i = 0; i < TURNS; i++) {
        times[i] = verify(c, buf_view(&saved), NULL);
        bare[i] = bare_signatures();
    }
    bench_times("ledger-10000", times, TURNS);
    bench_times("bare-signatures-10000", bare, TURNS);
    bench_row("ledger-10000-bytes", (double)bytes / (double)BENCH_MIB, "MiB", 0);
    fprintf(
        stderr,
        "bench: %zu HEAD, %zu UPDATE, %zu COMMIT, %zu PROPOSE, %zu BALLOT, %zu ADD, %zu REMOVE, "
        "%zu POLICY, %zu VETO_KEYS\n",
        types[LEDGER_HEAD], types[LEDGER_UPDATE], types[LEDGER_COMMIT], types[LEDGER_PROPOSE],
        types[LEDGER_BALLOT], types[LEDGER_ADD], types[LEDGER_REMOVE], types[LEDGER_POLICY],
        types[LEDGER_VETO_KEYS]);
    buf_free(&saved);
    world_free(&c->w);
    free(c);
}

/* ---- growth ---- */

static void row_times(const char *what, size_t n, double *seconds)
{
    char job[40];
    snprintf(job, sizeof job, "growth-%s-%zu", what, n);
    bench_times(job, seconds, ROUNDS);
}

static void row_bytes(const char *what, size_t n, size_t bytes)
{
    printf("{\"job\": \"growth-%s-%zu-bytes\", \"value\": %zu, \"unit\": \"bytes\", \"cpu\": 0}\n",
           what, n, bytes);
}

static void create(void)
{
    double seconds[ROUNDS];
    size_t bytes = 0;
    for (size_t i = 0; i < ROUNDS; i++) {
        double start = bench_now();
        struct crew *c = crew_new();
        seconds[i] = bench_now() - start;
        bytes = 0;
        for (size_t k = 0; k < c->w.n; k++) bytes += c->w.feed[k].n;
        world_free(&c->w);
        free(c);
    }
    row_times("create", 1, seconds);
    row_bytes("create", 1, bytes);
}

/* The n-th member comes, everybody gets new keys, and it is removed again: ROUNDS times. Times are one
 * member's: to judge what all others post; bytes are those of the whole enclave. */
static void measure(struct crew *c, size_t n)
{
    double admit[ROUNDS], made[ROUNDS], judged[ROUNDS], gone[ROUNDS];
    size_t admit_bytes = 0, commit_bytes = 0, remove_bytes = 0;
    for (size_t i = 0; i < ROUNDS; i++) {
        struct crew_cost in = {0, 0, 0}, out = {0, 0, 0};
        crew_refill(c);
        size_t newcomer = crew_admit(c, &in);
        (void)crew_commit(c, NULL, NULL);
        commit_bytes = crew_commit(c, &made[i], &judged[i]);
        crew_remove(c, newcomer, &out);
        (void)crew_commit(c, NULL, NULL);
        admit[i] = in.judged;
        gone[i] = out.judged;
        admit_bytes = in.bytes;
        remove_bytes = out.bytes;
    }
    row_times("admit", n, admit);
    row_times("rekey-made", n, made);
    row_times("rekey-judged", n, judged);
    row_times("remove", n, gone);
    row_bytes("admit", n, admit_bytes);
    row_bytes("rekey", n, commit_bytes);
    row_bytes("remove", n, remove_bytes);
}

static void growth(void)
{
    create();
    struct crew *c = crew_new();
    for (size_t n = 2; n <= LEDGER_MEMBERS_MAX; n++) {
        if ((n & (n - 1)) == 0) measure(c, n);
        crew_refill(c);
        (void)crew_admit(c, NULL);
        (void)crew_commit(c, NULL, NULL);
    }
    world_free(&c->w);
    free(c);
}

int main(int argc, char **argv)
{
    bench_ok(crypto_start(), "crypto_start");
    if (argc > 1 && strcmp(argv[1], "growth") == 0)
        growth();
    else
        long_ledger();
    return 0;
}
