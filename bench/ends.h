/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * ends: members of a made-up enclave, each in a process of its own, joined by
 * the real links (net/links: TCP, TLS, key of the member, name in the SNI). Leaf
 * keys and the door key come from a number that all know.
 *
 * Owns: an end owns its loop, links and what it accepted.
 * Errors: bench_must. Order: end_open, end_listen or end_dial, uv_run, end_close.
 */
#ifndef ENCLAVE_BENCH_ENDS_H
#define ENCLAVE_BENCH_ENDS_H

#include "bench/bench.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "crypto/sign.h"
#include "link/sni.h"
#include "net/env.h"
#include "net/links.h"

#include <string.h>
#include <unistd.h>

#define ENDS_MAX 64 /* leaves 0 to 63 */

struct end {
    uv_loop_t loop;
    struct net_env log;
    struct env env;
    struct links *links;
    struct link_port port;
    uint16_t leaf;
    uint64_t town; /* what keys are made from */
    struct link_identity self;
    uint8_t door[32];
    struct sni_replay replay;
    struct link_gate gate;
    struct link_listener *listener;
    uint16_t port_number;
    const struct link_events *events; /* of those who call; arg is the end's arg */
    void *arg;
};

static inline void end_identity(uint64_t town, uint16_t leaf, struct link_identity *ret)
{
    uint8_t n[10];
    put_u64(n, town);
    put_u16(n + 8, leaf);
    SHA256_OF(ret->seed, BYTES_LIT("bench leaf"), BYTES_OF(n));
    sign_public(ret->seed, ret->id);
}

/* ENDS_MAX: nobody's. */
static inline uint16_t end_leaf_of(uint64_t town, const uint8_t id[32])
{
    for (uint16_t leaf = 0; leaf < ENDS_MAX; leaf++) {
        struct link_identity who;
        end_identity(town, leaf, &who);
        if (memcmp(who.id, id, 32) == 0) return leaf;
    }
    return ENDS_MAX;
}

static inline uint64_t end_window(const struct end *e)
{
    return sni_window(env_wall_ms(&e->env) / 1000);
}

static inline enum status end_name(void *arg, struct bytes sni, struct link_identity *ret)
{
    struct end *e = arg;
    struct sni_hit hit;
    const uint8_t(*doors)[32] = (const uint8_t(*)[32]) & e->door;
    enum status st = sni_check(sni, doors, 1, e->leaf, end_window(e), &hit);
    if (st == ST_OK) st = sni_replay_use(&e->replay, &hit, end_window(e));
    if (st == ST_OK) *ret = e->self;
    return st;
}

static inline enum status end_peer(void *arg, const uint8_t id[32])
{
    const struct end *e = arg;
    return end_leaf_of(e->town, id) < ENDS_MAX ? ST_OK : ST_UNTRUSTED;
}

static inline const struct link_events *end_accept(void *arg, struct link *l, void **ret_arg)
{
    const struct end *e = arg;
    (void)l;
    *ret_arg = e->arg;
    return e->events;
}

static inline void end_open(struct end *e, uint64_t town, uint16_t leaf)
{
    uint8_t n[8];
    memset(e, 0, sizeof *e);
    put_u64(n, town);
    e->town = town;
    e->leaf = leaf;
    bench_ok(crypto_start(), "crypto_start");
    bench_must(uv_loop_init(&e->loop) == 0, "uv_loop_init");
    enum env_level level = getenv("BENCH_LOG") ? ENV_DEBUG : ENV_ERROR;
    bench_ok(net_env_open(&e->log, NULL, level), "log");
    e->env = net_env(&e->log);
    bench_ok(links_new(&e->loop, &e->env, &e->links), "links_new");
    e->port = links_port(e->links);
    end_identity(town, leaf, &e->self);
    SHA256_OF(e->door, BYTES_LIT("bench door"), BYTES_OF(n));
    sni_replay_init(&e->replay);
    e->gate = (struct link_gate){end_name, end_peer, end_accept, e};
}

static inline void end_listen(struct end *e, const struct link_events *events, void *arg)
{
    e->events = events;
    e->arg = arg;
    bench_ok(
        e->port.ops->listen(e->port.ctx, "127.0.0.1:0", &e->gate, &e->listener, &e->port_number),
        "listen");
}

static inline struct link *end_dial(struct end *e, uint16_t leaf, uint16_t port,
                                    const struct link_events *events, void *arg)
{
    struct link_identity who;
    struct link *l = NULL;
    char sni[SNI_TEXT + 1];
    char address[32];
    uint8_t nonce[SNI_NONCE];
    env_random(&e->env, nonce, sizeof nonce);
    end_identity(e->town, leaf, &who);
    sni_build(e->door, leaf, end_window(e), nonce, sni);
    snprintf(address, sizeof address, "127.0.0.1:%u", port);
    bench_ok(
        e->port.ops->dial_peer(e->port.ctx, address, NULL, sni, &e->self, who.id, events, arg, &l),
        "dial");
    return l;
}

static inline void end_flag(void *arg)
{
    *(bool *)arg = true;
}

/* Everything else of the loop must be closing already. */
static inline void end_close(struct end *e)
{
    bool closed = false;
    links_close(e->links, end_flag, &closed);
    while (!closed) uv_run(&e->loop, UV_RUN_ONCE);
    uv_run(&e->loop, UV_RUN_DEFAULT);
    bench_must(uv_loop_close(&e->loop) == 0, "something was left on the loop");
    sni_replay_free(&e->replay);
    net_env_close(&e->log);
}

/* A parent reads its child's port from the pipe. */
static inline void end_tell_port(int fd, uint16_t port)
{
    bench_must(write(fd, &port, sizeof port) == sizeof port, "pipe");
    close(fd);
}

static inline uint16_t end_hear_port(int fd)
{
    uint16_t port = 0;
    bench_must(read(fd, &port, sizeof port) == sizeof port, "a child did not start");
    close(fd);
    return port;
}

#endif
