/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto core/files core/grant */
/* Erasure coding of payload, one thread: our segment code (ISA-L) and, where libjerasure is installed,
 * Jerasure by its two ways: a matrix (gf-complete) and a schedule of XORs. The quicker one is the peer. Rows
 * erasure-K-N, erasure-K-N-jerasure, erasure-K-N-decode: as many data columns lost as can be. */
#include "bench/bench.h"
#include "core/files/segment.h"

#include <string.h>

#ifdef HAVE_JERASURE
#include <jerasure.h>
#include <jerasure/cauchy.h>
#include <jerasure/reed_sol.h>
#endif

#define SECONDS 0.4
#define BATCH 8

struct code {
    unsigned k, n;
    uint8_t *units[SHARD_COLUMNS_MAX];
};

typedef void run_once(const struct code *c, const void *arg);

/* MiB of payload a second, the best of three. */
static double rate(const struct code *c, run_once *run, const void *arg)
{
    double best = 0;
    for (unsigned i = 0; i < 3; i++) {
        size_t rounds = 0;
        double start = bench_thread(), now = start;
        for (; now - start < SECONDS; now = bench_thread(), rounds += BATCH)
            for (unsigned b = 0; b < BATCH; b++) run(c, arg);
        double mib = (double)(rounds * c->k * SHARD_UNIT) / (double)BENCH_MIB / (now - start);
        if (mib > best) best = mib;
    }
    return best;
}

static void encode(const struct code *c, const void *arg)
{
    uint8_t *const *u = c->units;
    segment_code_run(arg, u, u + c->k, SHARD_UNIT);
}

/* The last k columns are there, the first n - k (at most k) are made of them. */
static void decode(const struct code *c, const void *arg)
{
    uint8_t *const *u = c->units;
    segment_code_run(arg, u + (c->n - c->k), u, SHARD_UNIT);
}

static void row(const struct code *c, const char *what, double mib)
{
    char job[64];
    snprintf(job, sizeof job, "erasure-%u-%u%s", c->k, c->n, what);
    bench_row(job, mib, "MiB/s", 1 / mib);
}

static void ours(const struct code *c)
{
    struct segment_code *code;
    uint8_t have[SHARD_COLUMNS_MAX], want[SHARD_COLUMNS_MAX];
    unsigned lost = c->n - c->k < c->k ? c->n - c->k : c->k;
    bench_ok(segment_code_encode(c->k, c->n, &code), "segment_code_encode");
    row(c, "", rate(c, encode, code));
    segment_code_free(code);
    for (unsigned i = 0; i < c->k; i++) have[i] = (uint8_t)(c->n - c->k + i);
    for (unsigned i = 0; i < lost; i++) want[i] = (uint8_t)i;
    bench_ok(segment_code_rebuild(c->k, c->n, have, want, lost, &code), "segment_code_rebuild");
    row(c, "-decode", rate(c, decode, code));
    segment_code_free(code);
}

#ifdef HAVE_JERASURE
struct jerasure {
    int *matrix;
    int **schedule;
};

static void by_matrix(const struct code *c, const void *arg)
{
    const struct jerasure *j = arg;
    char **u = (char **)(uintptr_t)c->units;
    jerasure_matrix_encode((int)c->k, (int)(c->n - c->k), 8, j->matrix, u, u + c->k, SHARD_UNIT);
}

static void by_schedule(const struct code *c, const void *arg)
{
    const struct jerasure *j = arg;
    char **u = (char **)(uintptr_t)c->units;
    jerasure_schedule_encode((int)c->k, (int)(c->n - c->k), 8, j->schedule, u, u + c->k, SHARD_UNIT,
                             1024);
}

static void theirs(const struct code *c)
{
    int k = (int)c->k, m = (int)(c->n - c->k);
    struct jerasure j = {.matrix = reed_sol_vandermonde_coding_matrix(k, m, 8)};
    int *cauchy = cauchy_good_general_coding_matrix(k, m, 8);
    int *bits = cauchy ? jerasure_matrix_to_bitmatrix(k, m, 8, cauchy) : NULL;
    bench_must(j.matrix && bits, "jerasure");
    j.schedule = jerasure_smart_bitmatrix_to_schedule(k, m, 8, bits);
    bench_must(j.schedule != NULL, "jerasure");
    double matrix = rate(c, by_matrix, &j);
    double schedule = rate(c, by_schedule, &j);
    row(c, "-jerasure", matrix > schedule ? matrix : schedule);
    jerasure_free_schedule(j.schedule);
    free(bits);
    free(cauchy);
    free(j.matrix);
}
#endif

int main(void)
{
    static const struct code codes[] = {{.k = 8, .n = 20}, {.k = 4, .n = 6}, {.k = 16, .n = 20}};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        struct code c = codes[i];
        for (unsigned u = 0; u < c.n; u++) {
            void *mem = NULL;
            bench_must(posix_memalign(&mem, 64, SHARD_UNIT) == 0, "no memory");
            memset(mem, (int)(u * 37 + 1), SHARD_UNIT);
            c.units[u] = mem;
        }
        ours(&c);
#ifdef HAVE_JERASURE
        theirs(&c);
#endif
        for (unsigned u = 0; u < c.n; u++) free(c.units[u]);
    }
    return 0;
}
