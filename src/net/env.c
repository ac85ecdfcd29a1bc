/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "net/env.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static uint64_t clock_ms(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static uint64_t mono_ms(void *ctx)
{
    (void)ctx;
    return clock_ms(CLOCK_BOOTTIME); /* goes on while the machine sleeps */
}

static uint64_t wall_ms(void *ctx)
{
    (void)ctx;
    return clock_ms(CLOCK_REALTIME);
}

static void draw(void *ctx, uint8_t *out, size_t n)
{
    (void)ctx;
    while (n) {
        ssize_t got = getrandom(out, n, 0);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) {
            fprintf(stderr, "the kernel gives no randomness: stopped\n");
            abort();
        }
        out += got;
        n -= (size_t)got;
    }
}

static void write_line(void *ctx, enum env_level level, const char *area, const char *text)
{
    static const char names[][6] = {"error", "warn", "info", "debug"};
    const struct net_env *e = ctx;
    if (level > e->most) return;
    uint64_t now = wall_ms(NULL);
    time_t s = (time_t)(now / 1000);
    struct tm tm;
    char date[32], line[640];
    gmtime_r(&s, &tm);
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &tm);
    int n = snprintf(line, sizeof line, "%s.%03uZ %-5s %-6s %s\n", date, (unsigned)(now % 1000),
                     names[level], area, text);
    if (n < 0) return;
    size_t len = (size_t)n < sizeof line ? (size_t)n : sizeof line - 1;
    line[len - 1] = '\n';
    /* One write a line; a log that cannot be written stops nobody. */
    ssize_t done = write(e->fd, line, len);
    (void)done;
}

enum status net_env_open(struct net_env *e, const char *path, enum env_level most)
{
    *e = (struct net_env){.fd = STDERR_FILENO, .most = most};
    if (!path) return ST_OK;
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0) return errno == EACCES || errno == EPERM ? ST_DENIED : ST_IO;
    e->fd = fd;
    e->own = true;
    return ST_OK;
}

struct env net_env(struct net_env *e)
{
    return (struct env){
        .ctx = e, .mono_ms = mono_ms, .wall_ms = wall_ms, .random = draw, .log = write_line};
}

void net_env_close(struct net_env *e)
{
    if (e->own) close(e->fd);
    *e = (struct net_env){.fd = STDERR_FILENO};
}
