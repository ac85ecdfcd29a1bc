/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Starting and waiting for enclaved. No sleeping: pipes, descriptors of processes, deadlines. */
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define START_MS 30000
#define STOP_MS 30000
#define ARGS_MAX 24

bool cli_daemon_runs(struct cli *c)
{
    return cli_call(c, "daemon_status", NULL, 0) == 0;
}

/* The program beside this one, else by PATH. */
static void find_program(char *out, size_t n)
{
    ssize_t len = readlink("/proc/self/exe", out, n - 1);
    char *slash = NULL;
    if (len > 0) {
        out[len] = '\0';
        slash = strrchr(out, '/');
    }
    if (slash != NULL && (size_t)(slash - out) + sizeof "/enclaved" < n) {
        memcpy(slash, "/enclaved", sizeof "/enclaved");
        if (access(out, X_OK) == 0) return;
    }
    snprintf(out, n, "enclaved");
}

/* The home and its parents, 0700: the log has to lie somewhere before the daemon runs. */
static int make_home(struct cli *c, const char *home)
{
    char path[4096];
    struct stat st;
    snprintf(path, sizeof path, "%s", home);
    for (char *p = path + 1; *p != '\0'; p++) {
        if (*p != '/') continue;
        *p = '\0';
        if (mkdir(path, 0700) != 0 && errno != EEXIST)
            return cli_fail(c, 1, NULL, "%s: %s", path, strerror(errno));
        *p = '/';
    }
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return cli_fail(c, 1, NULL, "%s: %s", path, strerror(errno));
    if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode))
        return cli_fail(c, 1, NULL, "%s is no directory", path);
    if ((st.st_mode & 077) == 0 && st.st_uid == geteuid()) return 0;
    char next[4200];
    snprintf(next, sizeof next, "chmod 700 '%.4000s'", path);
    return cli_fail(c, 1, next, "others on this machine may look into %s", path);
}

static void child(const char *program, char *const *args, int ready, const char *log)
{
    sigset_t none;
    int null = open("/dev/null", O_RDONLY);
    int out = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    setsid();
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (null < 0 || out < 0) _exit(126);
    if (ready != 3)
        dup2(ready, 3);
    else
        fcntl(3, F_SETFD, 0);
    dup2(null, 0);
    dup2(out, 1);
    dup2(out, 2);
    close_range(4, ~0U, 0);
    execvp(program, args);
    dprintf(3, "error 1 %s cannot be started: %s\n", program, strerror(errno));
    _exit(127);
}

/* Reads the daemon's one line: "ready ..." or "error CODE TEXT". */
static int wait_ready(struct cli *c, int fd, pid_t pid, const char *log)
{
    char line[4096] = "";
    size_t n = 0;
    uint64_t deadline = cli_now_ms() + START_MS;
    while (strchr(line, '\n') == NULL && n + 1 < sizeof line) {
        uint64_t now = cli_now_ms();
        struct pollfd p = {fd, POLLIN, 0};
        if (atomic_load(&c->interrupted)) return 130;
        int got = now >= deadline ? 0 : poll(&p, 1, 200);
        if (now >= deadline)
            return cli_fail(c, 13, NULL, "the daemon does not get ready; its log is %s", log);
        if (got <= 0) continue;
        ssize_t len = read(fd, line + n, sizeof line - 1 - n);
        if (len <= 0) break;
        n += (size_t)len;
        line[n] = '\0';
    }
    if (strncmp(line, "ready", 5) == 0) return 0;
    /* It says why before it lets go of the home: the next start must find it free. */
    waitpid(pid, NULL, 0);
    line[strcspn(line, "\n")] = '\0';
    char *text = NULL;
    long code = strncmp(line, "error ", 6) == 0 ? strtol(line + 6, &text, 10) : 1;
    if (text == NULL || *text == '\0')
        return cli_fail(c, 1, NULL, "the daemon ended at once; its log is %s", log);
    /* Somebody else was quicker: its daemon is as good as ours. */
    if (cli_daemon_runs(c)) return 0;
    return cli_fail(c, code == 0 ? 1 : (int)code, NULL, "%s", text + (*text == ' '));
}

static void add(char **args, size_t *n, const char *option, const char *value)
{
    if (value == NULL || *n + 2 >= ARGS_MAX) return;
    args[(*n)++] = (char *)(uintptr_t)option;
    args[(*n)++] = (char *)(uintptr_t)value;
}

int cli_spawn(struct cli *c)
{
    char program[4200];
    char log[4200];
    char *args[ARGS_MAX + 1] = {NULL};
    size_t n = 0;
    int ends[2];
    const char *home = enclave_home(c->client);
    int code = make_home(c, home);
    if (code != 0) return code;
    find_program(program, sizeof program);
    snprintf(log, sizeof log, "%s/daemon.log", home);
    args[n++] = program;
    add(args, &n, "--home", home);
    add(args, &n, "--ready-fd", "3");
    add(args, &n, "--listen", cli_param(c, "listen"));
    add(args, &n, "--host", cli_param(c, "host"));
    add(args, &n, "--config", cli_param(c, "config"));
    add(args, &n, "--log-level", cli_param(c, "log_level"));
    if (pipe2(ends, O_CLOEXEC) != 0) return cli_fail(c, 1, NULL, "%s", strerror(errno));
    pid_t pid = fork();
    if (pid == 0) child(program, args, ends[1], log);
    close(ends[1]);
    code = pid < 0 ? cli_fail(c, 1, NULL, "no process can be started: %s", strerror(errno))
                   : wait_ready(c, ends[0], pid, log);
    close(ends[0]);
    return code;
}

int cli_wait_end(struct cli *c, int pid)
{
    uint64_t deadline = cli_now_ms() + STOP_MS;
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (fd < 0) return 0; /* it has gone already */
    int code = 13;
    while (code == 13 && cli_now_ms() < deadline && !atomic_load(&c->interrupted)) {
        struct pollfd p = {fd, POLLIN, 0};
        if (poll(&p, 1, 200) == 1) code = 0;
    }
    close(fd);
    if (code == 13 && !atomic_load(&c->interrupted))
        return cli_fail(c, code, NULL, "the daemon (process %d) does not end", pid);
    return atomic_load(&c->interrupted) ? 130 : code;
}
