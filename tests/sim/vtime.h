/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * vtime: the simulator's seeded generator and its clock: a queue of events
 * ordered by time, then by the order of scheduling. Nothing else in the
 * simulator makes time pass or draws numbers, so a seed replays exactly.
 *
 * Owns: events until they ran or were dropped. An event belongs to a life: if
 *     that number changed meanwhile (its machine crashed), `drop` is called
 *     instead of `run`.
 * Errors: out of memory, or more than VTIME_EVENTS_MAX events, stops the program.
 */
#ifndef ENCLAVE_TESTS_SIM_VTIME_H
#define ENCLAVE_TESTS_SIM_VTIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VTIME_EVENTS_MAX ((size_t)1 << 20)

struct rng {
    uint64_t state;
};

uint64_t rng_next(struct rng *r);                                 /* splitmix64 */
uint64_t rng_below(struct rng *r, uint64_t n);                    /* n > 0 */
uint64_t rng_between(struct rng *r, uint64_t low, uint64_t high); /* both included */
bool rng_chance(struct rng *r, unsigned per_mille);
void rng_bytes(struct rng *r, uint8_t *out, size_t n);

typedef void vtime_fn(void *arg);

struct vtime_event {
    uint64_t at_ms, seq;
    const uint64_t *life;
    uint64_t lived;
    vtime_fn *run, *drop;
    void *arg;
};

struct vtime {
    uint64_t now_ms, seq, ran;
    const uint64_t *life; /* of the event that ran last: whose state it may have changed */
    struct vtime_event *heap;
    size_t n, room, most;
};

/* life and drop may be NULL. */
void vtime_at(struct vtime *t, uint64_t delay_ms, const uint64_t *life, vtime_fn *run,
              vtime_fn *drop, void *arg);
uint64_t vtime_next_ms(const struct vtime *t); /* UINT64_MAX: empty */
/* Runs the next event, which must exist; the clock goes to its time. */
void vtime_run_one(struct vtime *t);
/* Drops everything that is queued. */
void vtime_end(struct vtime *t);

/* calloc that stops the program when there is no memory. */
void *sim_alloc(size_t n);
void *sim_copy(const void *p, size_t n);

#endif
