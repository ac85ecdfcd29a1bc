/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * machine: one computer of the simulation: its clock, randomness and log, its
 * work threads, and its disk (rows, shards, files), which outlives a crash as
 * far as it was synced. Implements struct env and the work port.
 *
 * Owns: everything on it. The clock and the trace are borrowed.
 * Errors: none of its own; set_full makes commits fail with ST_NO_SPACE.
 * Order: machine_init; machine_boot, use, machine_crash, machine_boot, ...;
 *     machine_free. After a crash nothing calls back into the life before it.
 */
#ifndef ENCLAVE_TESTS_SIM_MACHINE_H
#define ENCLAVE_TESTS_SIM_MACHINE_H

#include "base/env.h"
#include "core/ports/work.h"
#include "sim/vtime.h"

#define MACHINE_JOBS 512 /* at once */

struct trace; /* driver's */
typedef void machine_log(void *arg, unsigned machine, enum env_level level, const char *area,
                         const char *text);

struct machine {
    char name[16]; /* also its address as a host */
    unsigned index;
    struct vtime *time;
    struct rng rng;    /* of the world: delays, faults */
    struct rng random; /* what env_random gives */
    uint64_t life;
    bool up;
    bool full;       /* the disk takes no more */
    int64_t skew_ms; /* of the wall clock */
    uint64_t boot_ms;
    size_t jobs;
    machine_log *log;
    void *log_arg;
    struct env env;
    struct work work;
};

void machine_init(struct machine *m, unsigned index, const char *name, struct vtime *time,
                  uint64_t seed, machine_log *log, void *log_arg);
void machine_boot(struct machine *m);
void machine_crash(struct machine *m); /* the disk doubles have their own crash calls */

#endif
