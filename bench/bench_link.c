/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto link net */
/* One member link between two processes: frames of 64 KiB one way. Also how many links a second can be
 * made. The processor time of both ends is what the bounds of put and get take for a byte moved.
 * Usage: bench_link. */
#include "bench/bench.h"
#include "bench/ends.h"

#include <sys/wait.h>

#define TYPE_BYTES 0x61
#define TYPE_END 0x62
#define FRAME ((size_t)8 + 65536)
#define SHAKES 100

struct side {
    struct end e;
    struct link *link;
    uint8_t *frame;
    size_t left; /* bytes to send */
    bool ended;
    unsigned opened;
    uint16_t peer;
};

/* --- the receiver: a child ----------------------------------------------------------------- */

static void got_opened(void *arg, struct link *l, const struct link_peer *peer)
{
    (void)arg;
    (void)l;
    (void)peer;
}

static void got_frame(void *arg, struct link *l, uint8_t type, struct bytes payload)
{
    struct side *s = arg;
    (void)payload;
    if (type == TYPE_END) bench_ok(s->e.port.ops->send(l, TYPE_END, BYTES_NONE), "send");
}

static void got_writable(void *arg, struct link *l)
{
    (void)arg;
    (void)l;
}

static void got_closed(void *arg, struct link *l, enum status why)
{
    struct side *s = arg;
    (void)l;
    (void)why;
    s->ended = true;
}

static void receiver(int fd)
{
    static const struct link_events events = {got_opened, got_frame, got_writable, got_closed};
    struct side s = {.link = NULL};
    end_open(&s.e, 1, 1);
    end_listen(&s.e, &events, &s);
    end_tell_port(fd, s.e.port_number);
    for (int links = 0; links < SHAKES + 1; links++) {
        s.ended = false;
        while (!s.ended) uv_run(&s.e.loop, UV_RUN_ONCE);
    }
    end_close(&s.e);
    exit(0);
}

/* --- the sender ---------------------------------------------------------------------------- */

static void pour(struct side *s)
{
    while (s->left) {
        enum status st = s->e.port.ops->send(s->link, TYPE_BYTES, BYTES(s->frame, FRAME));
        if (st == ST_BUSY) return;
        bench_ok(st, "send");
        s->left -= s->left < FRAME ? s->left : FRAME;
        if (!s->left) bench_ok(s->e.port.ops->send(s->link, TYPE_END, BYTES_NONE), "send");
    }
}

static void send_opened(void *arg, struct link *l, const struct link_peer *peer)
{
    struct side *s = arg;
    (void)l;
    (void)peer;
    s->opened++;
    if (s->left)
        pour(s);
    else
        s->e.port.ops->close(l);
}

static void send_frame(void *arg, struct link *l, uint8_t type, struct bytes payload)
{
    struct side *s = arg;
    (void)payload;
    if (type == TYPE_END) s->e.port.ops->close(l);
}

static void send_writable(void *arg, struct link *l)
{
    (void)l;
    pour(arg);
}

static void send_closed(void *arg, struct link *l, enum status why)
{
    struct side *s = arg;
    (void)l;
    s->ended = true;
    if (why != ST_CLOSED) bench_ok(why, "link");
}

static void one_link(struct side *s, size_t bytes)
{
    static const struct link_events events = {send_opened, send_frame, send_writable, send_closed};
    s->left = bytes;
    s->ended = false;
    s->link = end_dial(&s->e, 1, s->peer, &events, s);
    while (!s->ended) uv_run(&s->e.loop, UV_RUN_ONCE);
}

int main(void)
{
    int fds[2];
    size_t bytes = bench_size("BENCH_MIB", 1024) * BENCH_MIB;
    bench_must(pipe(fds) == 0, "pipe");
    pid_t child = fork();
    bench_must(child >= 0, "fork");
    if (child == 0) {
        close(fds[0]);
        receiver(fds[1]);
    }
    close(fds[1]);
    struct side s = {.frame = calloc(1, FRAME), .peer = end_hear_port(fds[0])};
    bench_must(s.frame != NULL, "no memory");
    end_open(&s.e, 1, 0);
    double start = bench_now();
    for (int i = 0; i < SHAKES; i++) one_link(&s, 0);
    double shakes = SHAKES / (bench_now() - start);
    double own = bench_cpu_of(RUSAGE_SELF);
    start = bench_now();
    one_link(&s, bytes);
    double took = bench_now() - start;
    double mib = (double)bytes / (double)BENCH_MIB;
    own = (bench_cpu_of(RUSAGE_SELF) - own) / mib;
    end_close(&s.e);
    bench_must(waitpid(child, NULL, 0) == child, "wait");
    double theirs = bench_cpu_of(RUSAGE_CHILDREN) / mib;
    bench_row("link", mib / took, "MiB/s", own + theirs);
    bench_row("link-sender", 1 / own, "MiB/s", own);
    bench_row("link-receiver", 1 / theirs, "MiB/s", theirs);
    bench_row("link-handshakes", shakes, "ops/s", 0);
    free(s.frame);
    return 0;
}
