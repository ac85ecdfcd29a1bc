/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What comes in on standard input or goes out on standard output: a named pipe in the home joins it
 * with the daemon, and a process of its own carries the bytes while this one watches. */
#include "cli/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PIECE ((size_t)256 << 10)
#define PIPE_BYTES (1 << 20) /* asked for; less does too */

/* ---- in the child: only what is safe after a fork ---- */

static bool write_all(int fd, const uint8_t *p, size_t n)
{
    while (n > 0) {
        ssize_t put = write(fd, p, n);
        if (put < 0 && errno == EINTR) continue;
        if (put <= 0) return false;
        p += put;
        n -= (size_t)put;
    }
    return true;
}

/* Frames, and an empty one at the end: whoever is killed says no end. */
static int carry_in(const char *path)
{
    uint8_t piece[4 + PIECE];
    int fd = open(path, O_WRONLY | O_CLOEXEC); /* until the daemon opens the other end */
    if (fd < 0) return 1;
    (void)fcntl(fd, F_SETPIPE_SZ, PIPE_BYTES);
    for (;;) {
        ssize_t n = read(STDIN_FILENO, piece + 4, PIECE);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return 1;
        put_u32(piece, (uint32_t)n);
        if (!write_all(fd, piece, (size_t)n + 4)) return 1;
        if (n == 0) return 0;
    }
}

static int carry_out(int fd)
{
    uint8_t piece[PIECE];
    struct pollfd p = {.fd = fd, .events = POLLIN};
    (void)fcntl(fd, F_SETPIPE_SZ, PIPE_BYTES);
    for (;;) {
        /* A pipe that nobody has written to yet only lets wait; one whose writer left says so. */
        if (poll(&p, 1, -1) < 0 && errno != EINTR) return 1;
        ssize_t n = read(fd, piece, sizeof piece);
        if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
        if (n < 0) return 1;
        if (n == 0) return 0;
        if (!write_all(STDOUT_FILENO, piece, (size_t)n)) return 1;
    }
}

/* ---- in the one who watches ---- */

int cli_stream_open(struct cli *c, bool in, struct cli_stream *s)
{
    memset(s, 0, sizeof *s);
    int n =
        snprintf(s->path, sizeof s->path, "%s/stream-%ld", enclave_home(c->client), (long)getpid());
    if (n < 0 || (size_t)n >= sizeof s->path)
        return cli_fail(c, 1, NULL, "the path of the home is too long");
    (void)unlink(s->path); /* of a process long gone that had our number */
    if (mkfifo(s->path, 0600) != 0) return cli_fail(c, 1, NULL, "%s: %s", s->path, strerror(errno));
    int fd = in ? -1 : open(s->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    fflush(NULL);
    s->child = in || fd >= 0 ? fork() : -1;
    if (s->child == 0) _exit(in ? carry_in(s->path) : carry_out(fd));
    int fault = errno;
    if (fd >= 0) close(fd); /* the daemon shall notice when the one who reads is gone */
    if (s->child > 0) return 0;
    (void)unlink(s->path);
    return cli_fail(c, 1, NULL, "a pipe cannot be made: %s", strerror(fault));
}

bool cli_stream_end(struct cli_stream *s, bool good)
{
    int how = 0;
    if (s->child <= 0) return true;
    if (!good) kill(s->child, SIGKILL);
    while (waitpid(s->child, &how, 0) < 0 && errno == EINTR) continue;
    s->child = 0;
    (void)unlink(s->path);
    return WIFEXITED(how) && WEXITSTATUS(how) == 0;
}
