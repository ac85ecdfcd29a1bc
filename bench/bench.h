/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * bench: what all benchmark programs share: clocks, a complaint that ends the
 * program, and a result as one JSON row a line on standard output. scripts/bench
 * runs the programs, takes the best of several runs and adds peers and bounds.
 *
 * Owns nothing. Errors: bench_must ends the program with status 1.
 * Order: none. Rates are in MiB/s, cpu is seconds of processor time (all
 *     threads, and the children that were waited for) per MiB or per operation.
 */
#ifndef ENCLAVE_BENCH_BENCH_H
#define ENCLAVE_BENCH_BENCH_H

#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#define BENCH_MIB ((size_t)1 << 20)

static inline void bench_must(bool fine, const char *what)
{
    if (fine) return;
    fprintf(stderr, "bench: %s\n", what);
    exit(1);
}

static inline void bench_ok(enum status st, const char *what)
{
    if (st == ST_OK) return;
    fprintf(stderr, "bench: %s: %s\n", what, status_text(st));
    exit(1);
}

static inline double bench_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Processor time of this thread. */
static inline double bench_thread(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static inline double bench_seconds(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

/* who: RUSAGE_SELF or RUSAGE_CHILDREN. */
static inline double bench_cpu_of(int who)
{
    struct rusage r;
    getrusage(who, &r);
    return bench_seconds(r.ru_utime) + bench_seconds(r.ru_stime);
}

static inline double bench_cpu(void)
{
    return bench_cpu_of(RUSAGE_SELF) + bench_cpu_of(RUSAGE_CHILDREN);
}

static inline void bench_row(const char *job, double value, const char *unit, double cpu)
{
    printf("{\"job\": \"%s\", \"value\": %.6g, \"unit\": \"%s\", \"cpu\": %.6g}\n", job, value,
           unit, cpu);
    fflush(stdout);
}

static inline int bench_by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Two rows of the same times, in seconds: the shortest, and the one in the middle (JOB-median). */
static inline void bench_times(const char *job, double *seconds, size_t n)
{
    char name[64];
    bench_must(n > 0 && snprintf(name, sizeof name, "%s-median", job) < (int)sizeof name, "times");
    qsort(seconds, n, sizeof *seconds, bench_by_value);
    bench_row(job, seconds[0] * 1000, "ms", seconds[0]);
    bench_row(name, seconds[n / 2] * 1000, "ms", seconds[n / 2]);
}

static inline size_t bench_size(const char *name, size_t otherwise)
{
    const char *text = getenv(name);
    unsigned long long n = text ? strtoull(text, NULL, 10) : 0;
    return n ? (size_t)n : otherwise;
}

#endif
