/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base tables crypto core/feed core/room link store net node/host */
/* How many entries a second a sentinel takes durably from one member, over TLS, with 1, 16 and 64
 * requests under way; and on the same disk a bare fdatasync (the peer) and a log that only appends and
 * syncs as many entries at once (the bound). Usage: bench_append DIR. */
#include "base/encode.h"
#include "bench/bench.h"
#include "crypto/secret.h"
#include "crypto/sign.h"
#include "net/env.h"
#include "node/host/host.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define SPAN_S 1.5
#define SYNC_SPAN_S 0.5
#define SEALED 2048
#define LOG_BYTES ((size_t)8 << 20)
#define LOADS_MAX 64

struct sentinel_told {
    char address[LINK_ADDRESS_MAX + 1];
    char pin[65];
};

struct client {
    uv_loop_t loop;
    struct net_env log;
    struct env env;
    struct links *links;
    struct link_port port;
    struct link *link;
    uint8_t seed[32], seat[32], room[32], pin[32];
    struct room_append m;
    uint8_t sealed[SEALED];
    struct buf frame;
    uint32_t req;
    unsigned replies;
    unsigned in_flight;
    uint64_t appended;
    double until;
    bool closed;
};

/* --- the sentinel: a child ----------------------------------------------------------------- */

static void sentinel(const char *dir, int fd)
{
    uv_loop_t loop;
    struct net_env log;
    struct host_options options = {.listen = "127.0.0.1:0", .data = dir};
    struct host_fault fault;
    struct sentinel_told told = {{0}, {0}};
    struct host *host;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    bench_ok(crypto_start(), "crypto_start");
    bench_must(uv_loop_init(&loop) == 0, "loop");
    bench_ok(net_env_open(&log, NULL, ENV_ERROR), "log");
    struct env env = net_env(&log);
    room_limits_default(&options.limits);
    /* Limits of what one member may do are not what is measured. */
    options.limits.entries_hour = options.limits.requests_minute = UINT64_C(1000000000);
    options.limits.bytes_hour = UINT64_C(1000000000000);
    options.limits.room_bytes = options.limits.feed_bytes[1] = UINT64_C(1) << 33;
    options.limits.requests = 2 * LOADS_MAX;
    bench_ok(host_open(&loop, &env, &options, &host, &fault), "host_open");
    snprintf(told.address, sizeof told.address, "%s", host_address(host));
    snprintf(told.pin, sizeof told.pin, "%s", host_pin(host));
    bench_must(write(fd, &told, sizeof told) == sizeof told, "pipe");
    close(fd);
    uv_run(&loop, UV_RUN_DEFAULT);
    exit(1);
}

/* --- the member ---------------------------------------------------------------------------- */

static void append(struct client *c)
{
    c->m.req = ++c->req;
    buf_clear(&c->frame);
    bench_ok(fields_encode(&room_append_fields, &c->m, &c->frame), "encode");
    bench_ok(c->port.ops->send(c->link, ROOM_APPEND, buf_view(&c->frame)), "send");
    c->in_flight++;
}

static void on_opened(void *arg, struct link *l, const struct link_peer *peer)
{
    struct client *c = arg;
    struct room_create create = {.req = ++c->req};
    struct room_attach attach = {.req = ++c->req};
    memcpy(create.room, c->room, 32);
    memcpy(create.seat, c->seat, 32);
    memcpy(attach.room, c->room, 32);
    memcpy(attach.seat, c->seat, 32);
    room_sign_create(c->seed, c->room, c->seat, peer->exporter, peer->spki, create.sig);
    room_sign_attach(c->seed, c->room, peer->exporter, peer->spki, attach.sig);
    bench_ok(fields_encode(&room_create_fields, &create, &c->frame), "encode");
    bench_ok(c->port.ops->send(l, ROOM_CREATE, buf_view(&c->frame)), "send");
    buf_clear(&c->frame);
    bench_ok(fields_encode(&room_attach_fields, &attach, &c->frame), "encode");
    bench_ok(c->port.ops->send(l, ROOM_ATTACH, buf_view(&c->frame)), "send");
}

static void on_frame(void *arg, struct link *l, uint8_t type, struct bytes payload)
{
    struct client *c = arg;
    struct room_reply reply;
    (void)l;
    if (type != ROOM_REPLY) return;
    bench_ok(fields_decode(&room_reply_fields, payload, &reply), "reply");
    bench_must(reply.result == 0 /* OK */, "the sentinel refused");
    c->replies++;
    if (!c->in_flight) return;
    c->in_flight--;
    c->appended++;
    if (bench_now() < c->until) append(c);
}

static void on_writable(void *arg, struct link *l)
{
    (void)arg;
    (void)l;
}

static void on_closed(void *arg, struct link *l, enum status why)
{
    struct client *c = arg;
    (void)l;
    if (why != ST_CLOSED) bench_ok(why, "link to the sentinel");
    c->closed = true;
}

static const struct link_events events = {on_opened, on_frame, on_writable, on_closed};

static void attach(struct client *c, const struct sentinel_told *told)
{
    size_t n;
    bench_ok(crypto_start(), "crypto_start");
    bench_must(uv_loop_init(&c->loop) == 0, "loop");
    bench_ok(net_env_open(&c->log, NULL, ENV_ERROR), "log");
    c->env = net_env(&c->log);
    bench_ok(links_new(&c->loop, &c->env, &c->links), "links");
    c->port = links_port(c->links);
    env_random(&c->env, c->seed, 32);
    env_random(&c->env, c->room, 32);
    sign_public(c->seed, c->seat);
    bench_ok(hex_decode(told->pin, 64, c->pin, 32, &n), "pin");
    c->m = (struct room_append){.feed = 1, .sealed = BYTES_OF(c->sealed)};
    bench_ok(
        c->port.ops->dial_server(c->port.ctx, told->address, NULL, c->pin, &events, c, &c->link),
        "dial");
    while (c->replies < 2) uv_run(&c->loop, UV_RUN_ONCE);
}

static double appends_a_second(struct client *c, unsigned in_flight)
{
    double start = bench_now();
    c->until = start + SPAN_S;
    c->appended = 0;
    for (unsigned i = 0; i < in_flight; i++) append(c);
    while (c->in_flight) uv_run(&c->loop, UV_RUN_ONCE);
    return (double)c->appended / (bench_now() - start);
}

/* --- the disk by itself -------------------------------------------------------------------- */

/* n entries a sync into a file that has its blocks already, as a log that is written over again. */
static double log_a_second(const char *dir, unsigned n, size_t size)
{
    char path[4096];
    static const uint8_t entries[LOADS_MAX * SEALED] = {1};
    bench_must(snprintf(path, sizeof path, "%s/log", dir) < (int)sizeof path, "name too long");
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bench_must(fd >= 0, "open");
    for (size_t at = 0; at < LOG_BYTES; at += sizeof entries)
        bench_must(pwrite(fd, entries, sizeof entries, (off_t)at) == sizeof entries, "write");
    bench_must(fsync(fd) == 0, "fsync");
    uint64_t done = 0;
    size_t at = 0;
    double start = bench_now();
    while (bench_now() < start + SYNC_SPAN_S) {
        if (at + n * size > LOG_BYTES) at = 0;
        bench_must(pwrite(fd, entries, n * size, (off_t)at) == (ssize_t)(n * size), "write");
        bench_must(fdatasync(fd) == 0, "fdatasync");
        at += n * size;
        done += n;
    }
    double rate = (double)done / (bench_now() - start);
    close(fd);
    unlink(path);
    return rate;
}

/* What else runs changes it by the moment: before and after. */
static void log_row(const char *name, double before, double after)
{
    bench_row(name, before > after ? before : after, "entries/s", 0);
}

int main(int argc, char **argv)
{
    static const unsigned loads[] = {1, 16, 64};
    bench_must(argc > 1, "usage: bench_append DIR");
    struct client *c = calloc(1, sizeof *c);
    struct sentinel_told told;
    char dir[4000], name[64];
    int fds[2];
    snprintf(dir, sizeof dir, "%s/sentinel", argv[1]);
    bench_must(c != NULL && pipe(fds) == 0, "pipe");
    pid_t child = fork();
    bench_must(child >= 0, "fork");
    if (child == 0) {
        close(fds[0]);
        sentinel(dir, fds[1]);
    }
    close(fds[1]);
    bench_must(read(fds[0], &told, sizeof told) == sizeof told, "the sentinel did not start");
    bench_row("fdatasync", log_a_second(argv[1], 1, 512), "ops/s", 0);
    attach(c, &told);
    for (size_t i = 0; i < 3; i++) {
        double before = log_a_second(argv[1], loads[i], SEALED);
        snprintf(name, sizeof name, "append-%u", loads[i]);
        bench_row(name, appends_a_second(c, loads[i]), "entries/s", 0);
        snprintf(name, sizeof name, "append-log-%u", loads[i]);
        log_row(name, before, log_a_second(argv[1], loads[i], SEALED));
    }
    c->port.ops->close(c->link);
    while (!c->closed) uv_run(&c->loop, UV_RUN_ONCE);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    buf_free(&c->frame);
    _exit(fflush(stdout) == 0 ? 0 : 1); /* the loop still has the links' own handles */
}
