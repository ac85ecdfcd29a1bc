/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto core/feed core/epoch core/ballot */
/* What unanimity costs in cryptography with 64 members: a secret tally (every key and every ballot
 * with its proof checked, and the sum), and a COMMIT made and judged; beside them the multiplications
 * and encapsulations that no such thing can do without. Each several times. Usage: bench_vote. */
#include "bench/bench.h"
#include "core/ballot/ballot.h"
#include "core/epoch/commit.h"
#include "crypto/hash.h"
#include "crypto/kem.h"
#include "crypto/secret.h"

#include <sodium.h>
#include <string.h>

#define N 64
#define TURNS 15
#define BARE 128 /* scalar multiplications: one for each of the two proofs of each member */

struct ballots {
    uint64_t counter;
    uint8_t group_id[32], ctx[32];
    uint8_t ids[N * 32]; /* in byte order */
    uint8_t x[N][VETO_SCALAR], key[N][VETO_KEY], ballot[N][VETO_BALLOT];
    uint8_t xs[N * VETO_POINT], ys[N * VETO_POINT];
    uint8_t other[VETO_BALLOT]; /* made again and again */
};

static void draw(uint64_t *counter, uint8_t *out, size_t n)
{
    for (size_t at = 0; at < n; at += 32) {
        uint8_t number[8], block[32];
        put_u64(number, (*counter)++);
        SHA256_OF(block, BYTES_LIT("bench"), BYTES_OF(number));
        memcpy(out + at, block, n - at < 32 ? n - at : 32);
    }
}

static int by_id(const void *a, const void *b)
{
    return memcmp(a, b, 32);
}

static void prepare(struct ballots *b)
{
    uint8_t random[2 * VETO_RANDOM], proposal[32], head[32];
    draw(&b->counter, b->group_id, 32);
    draw(&b->counter, proposal, 32);
    draw(&b->counter, head, 32);
    draw(&b->counter, b->ids, sizeof b->ids);
    qsort(b->ids, N, 32, by_id);
    for (size_t i = 0; i < N; i++) {
        draw(&b->counter, random, sizeof random);
        veto_key_make(b->group_id, b->ids + i * 32, 0, random, b->x[i], b->key[i]);
        memcpy(b->xs + i * VETO_POINT, b->key[i], VETO_POINT);
    }
    veto_ctx(b->group_id, 7, proposal, head, b->ids, N, b->ctx);
    bench_ok(veto_bases(b->xs, N, b->ys), "veto_bases");
    for (size_t i = 0; i < N; i++) {
        draw(&b->counter, random, sizeof random);
        bench_ok(veto_ballot_make(b->ctx, (uint16_t)i, b->ys + i * VETO_POINT, b->x[i], true,
                                  random, b->ballot[i]),
                 "veto_ballot_make");
    }
}

typedef void run_once(void *arg);

static void run_tally(void *arg)
{
    struct ballots *b = arg;
    uint8_t ys[N * VETO_POINT];
    struct ballot_cast casts[N];
    const struct ballot_kind *kind = ballot_kind(BALLOT_SECRET);
    for (size_t i = 0; i < N; i++)
        bench_ok(veto_key_check(b->group_id, b->ids + i * 32, 0, b->key[i]), "a key");
    bench_ok(veto_bases(b->xs, N, ys), "veto_bases");
    for (size_t i = 0; i < N; i++) {
        struct ballot_place place = {b->ctx, (uint16_t)i, ys + i * VETO_POINT};
        bench_ok(kind->read(BYTES_OF(b->ballot[i]), &place, &casts[i]), "a ballot");
    }
    bench_must(kind->count(casts, N) == BALLOT_PASSED, "the vote did not pass");
}

static void run_ballot_made(void *arg)
{
    struct ballots *b = arg;
    uint8_t random[2 * VETO_RANDOM];
    draw(&b->counter, random, sizeof random);
    bench_ok(veto_ballot_make(b->ctx, 3, b->ys + 3 * VETO_POINT, b->x[3], (b->counter & 4) != 0,
                              random, b->other),
             "veto_ballot_make");
}

static void run_ballot_checked(void *arg)
{
    struct ballots *b = arg;
    bench_ok(veto_ballot_check(b->ctx, 3, b->ys + 3 * VETO_POINT, b->ballot[3]), "a ballot");
}

static void run_key_checked(void *arg)
{
    struct ballots *b = arg;
    bench_ok(veto_key_check(b->group_id, b->ids, 0, b->key[0]), "a key");
}

static void run_multiplications(void *arg)
{
    struct ballots *b = arg;
    uint8_t out[VETO_POINT];
    for (size_t i = 0; i < BARE; i++)
        bench_must(crypto_scalarmult_ristretto255(out, b->x[i % N], b->xs + i % N * VETO_POINT) ==
                       0,
                   "a multiplication");
}

/* ---- COMMIT ---- */

struct commits {
    uint64_t counter;
    uint8_t ids[N][32], seats[N][32], seeds[N][KEM_SEED], pks[N][KEM_PUBLIC];
    uint8_t random[6][32]; /* enclave, room, chain, init, log, dedup and placement */
    uint8_t kem_pk[KEM_PUBLIC], secret[32];
    struct commit_key key; /* of epoch 4 */
    struct commit_leaf leaves[N];
    struct commit_plan plan;
    struct commit_prev prev;
    struct commit_next next;
    struct buf body;
    uint8_t back[COMMIT_BACK];
    uint8_t ct[KEM_CT];
};

static void prepare_commit(struct commits *c)
{
    draw(&c->counter, c->ids[0], sizeof c->ids);
    draw(&c->counter, c->seats[0], sizeof c->seats);
    draw(&c->counter, c->seeds[0], sizeof c->seeds);
    draw(&c->counter, c->random[0], sizeof c->random);
    draw(&c->counter, c->secret, 32);
    kem_public(c->secret, c->kem_pk); /* of the committer from now on: any */
    for (size_t i = 0; i < N; i++) {
        kem_public(c->seeds[i], c->pks[i]);
        const uint8_t *pk = i == 0 ? c->kem_pk : c->pks[i];
        c->leaves[i] = (struct commit_leaf){(uint16_t)i, (uint16_t)i, false, c->ids[i],
                                            c->seats[i], c->pks[i],   pk};
    }
    c->key.epoch = 4;
    c->plan = (struct commit_plan){.enclave_id = c->random[0],
                                   .room = c->random[1],
                                   .chain_before = c->random[2],
                                   .epoch = 5,
                                   .kem_pk = c->kem_pk,
                                   .leaves = c->leaves,
                                   .n = N};
    c->prev = (struct commit_prev){.init = c->random[3],
                                   .log = c->random[4],
                                   .dedup = c->random[5],
                                   .placement = c->random[5],
                                   .keys = &c->key,
                                   .n_keys = 1};
}

static void run_commit_made(void *arg)
{
    struct commits *c = arg;
    buf_clear(&c->body);
    bench_ok(commit_build(&c->plan, &c->prev, c->secret, UINT64_MAX, &c->body, c->back, &c->next),
             "commit_build");
}

static void run_commit_judged(void *arg)
{
    struct commits *c = arg;
    struct commit_next next;
    struct commit_fault fault;
    struct commit_own own = {N - 1, c->seeds[N - 1], NULL};
    bench_ok(commit_open(&c->plan, &c->prev, &own, buf_view(&c->body), c->back, &next, &fault),
             "commit_open");
    bench_must(memcmp(next.keys.log, c->next.keys.log, 32) == 0, "other keys came out");
}

static void run_encapsulations(void *arg)
{
    struct commits *c = arg;
    uint8_t coins[KEM_COINS], ss[KEM_SS];
    draw(&c->counter, coins, sizeof coins);
    for (size_t i = 0; i < N; i++) bench_ok(kem_encaps(c->pks[i], coins, c->ct, ss), "kem_encaps");
}

struct job {
    const char *name;
    run_once *run;
    size_t repeat; /* in one measure */
};

static void measure(const struct job *jobs, size_t n, void *arg)
{
    double times[8][TURNS];
    bench_must(n <= 8, "jobs");
    for (size_t j = 0; j < n; j++) jobs[j].run(arg); /* warm */
    /* By turns, so that what disturbs the machine disturbs all alike. */
    for (size_t turn = 0; turn < TURNS; turn++)
        for (size_t j = 0; j < n; j++) {
            double start = bench_now();
            for (size_t i = 0; i < jobs[j].repeat; i++) jobs[j].run(arg);
            times[j][turn] = (bench_now() - start) / (double)jobs[j].repeat;
        }
    for (size_t j = 0; j < n; j++) bench_times(jobs[j].name, times[j], TURNS);
}

int main(void)
{
    static const struct job votes[] = {{"tally-64", run_tally, 1},
                                       {"ballot-made", run_ballot_made, 16},
                                       {"ballot-checked", run_ballot_checked, 16},
                                       {"key-checked", run_key_checked, 16},
                                       {"bare-multiplications-128", run_multiplications, 1}};
    static const struct job commits[] = {{"commit-64-made", run_commit_made, 1},
                                         {"commit-64-judged", run_commit_judged, 1},
                                         {"bare-encapsulations-64", run_encapsulations, 1}};
    struct ballots *b = calloc(1, sizeof *b);
    struct commits *c = calloc(1, sizeof *c);
    bench_must(b && c, "no memory");
    bench_ok(crypto_start(), "crypto_start");
    c->body = BUF_INIT;
    prepare(b);
    prepare_commit(c);
    measure(votes, sizeof votes / sizeof votes[0], b);
    measure(commits, sizeof commits / sizeof commits[0], c);
    printf("{\"job\": \"commit-64-body\", \"value\": %zu, \"unit\": \"bytes\", \"cpu\": 0}\n",
           c->body.n);
    buf_free(&c->body);
    free(b);
    free(c);
    return 0;
}
