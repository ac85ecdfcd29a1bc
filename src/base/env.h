/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * env: the clock, the randomness and the log, handed to whatever needs them.
 * Cores never get one: they are given times and random bytes as arguments.
 * The programs hand in the real one, the simulator a virtual one.
 *
 * Owns nothing. Never fails (the real random source aborts if the kernel has
 * none). Called on the loop thread; the programs' one (net/env) on any thread.
 */
#ifndef ENCLAVE_BASE_ENV_H
#define ENCLAVE_BASE_ENV_H

#include <stddef.h>
#include <stdint.h>

enum env_level { ENV_ERROR, ENV_WARN, ENV_INFO, ENV_DEBUG };

struct env {
    void *ctx;
    uint64_t (*mono_ms)(void *ctx); /* never goes back, arbitrary origin */
    uint64_t (*wall_ms)(void *ctx); /* since 1970, as the machine believes: advice only */
    void (*random)(void *ctx, uint8_t *out, size_t n);
    void (*log)(void *ctx, enum env_level level, const char *area, const char *text);
};

static inline uint64_t env_mono_ms(const struct env *e)
{
    return e->mono_ms(e->ctx);
}

static inline uint64_t env_wall_ms(const struct env *e)
{
    return e->wall_ms(e->ctx);
}

static inline void env_random(const struct env *e, uint8_t *out, size_t n)
{
    e->random(e->ctx, out, n);
}

/* A log line; secrets, names and texts of members never go in. At most 512 bytes are kept. */
__attribute__((format(printf, 4, 5))) void env_log(const struct env *e, enum env_level level,
                                                   const char *area, const char *format, ...);

#endif
