/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "cli/cli.h"
#include "tables/names.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* ---- beginning and end ---- */

/* Ctrl-C ends the call that runs; a second one ends the program. A thread of its own waits for it,
 * so that no global is needed. */
static void *wait_for_signals(void *arg)
{
    struct cli *c = arg;
    sigset_t set;
    int number;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGUSR1);
    while (sigwait(&set, &number) == 0) {
        if (number == SIGUSR1) return NULL; /* from cli_end */
        if (atomic_exchange(&c->interrupted, true)) _exit(130);
        enclave_cancel(c->client);
    }
    return NULL;
}

int cli_begin(struct cli *c)
{
    sigset_t set;
    const char *timeout = cli_global(c, "timeout");
    c->json = cli_global(c, "json") != NULL;
    c->quiet = cli_global(c, "quiet") != NULL;
    c->yes = cli_global(c, "yes") != NULL;
    c->tty_out = isatty(1) != 0;
    c->tty_err = isatty(2) != 0;
    const char *no_color = getenv("NO_COLOR");
    c->colour =
        c->tty_out && (no_color == NULL || *no_color == '\0') && cli_global(c, "no_color") == NULL;
    atomic_init(&c->interrupted, false);
    int code = enclave_open(cli_global(c, "home"), &c->client);
    if (code != 0) return cli_fail(c, 2, "enclave --home DIR ...", "which home?");
    if (timeout != NULL) {
        unsigned long ms = strtoul(timeout, NULL, 10);
        enclave_timeout(c->client, ms);
        c->deadline_ms = cli_now_ms() + ms;
    }
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    c->signals_run = pthread_create(&c->signals, NULL, wait_for_signals, c) == 0;
    return -1;
}

static void drop_answer(struct cli *c)
{
    json_decref(c->doc);
    enclave_answer_free(c->answer);
    c->doc = NULL;
    c->answer = NULL;
}

void cli_end(struct cli *c)
{
    if (c->signals_run) {
        pthread_kill(c->signals, SIGUSR1);
        pthread_join(c->signals, NULL);
    }
    drop_answer(c);
    enclave_close(c->client);
    cli_parse_free(c);
}

uint64_t cli_now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

bool cli_timed_out(const struct cli *c)
{
    return c->deadline_ms != 0 && cli_now_ms() >= c->deadline_ms;
}

/* ---- calls ---- */

int cli_call(struct cli *c, const char *operation, const struct enclave_param *params, size_t n)
{
    drop_answer(c);
    c->answer = enclave_call(c->client, operation, params, n);
    c->doc = json_loads(enclave_json(c->answer), 0, NULL);
    return enclave_exit(c->answer);
}

int cli_call_args(struct cli *c, const char *operation, const struct enclave_param *more, size_t n)
{
    struct enclave_param params[2 * OPERATION_PARAMS_MAX];
    const struct operation *op = operation_by_id(operation);
    size_t count = 0;
    for (size_t i = 0; i < c->op->n_params; i++) {
        const struct op_param *p = &c->op->params[i];
        if (c->params[i].text == NULL || (p->flags & OP_ONLY_CLI) != 0 ||
            operation_param(op, p->name) == NULL)
            continue;
        params[count++] = (struct enclave_param){p->name, c->params[i].text, 0};
    }
    const char *name = getenv("ENCLAVE_NAME");
    if (operation_param(op, "enclave") != NULL && name != NULL && *name != '\0' &&
        (operation_param(c->op, "enclave") == NULL || cli_param(c, "enclave") == NULL))
        params[count++] = (struct enclave_param){"enclave", name, 0};
    for (size_t i = 0; i < n && count < 2 * OPERATION_PARAMS_MAX; i++) params[count++] = more[i];
    return cli_call(c, operation, params, count);
}

int cli_wait_event(struct cli *c, uint64_t *last, unsigned wait_ms)
{
    char after[24];
    char wait[24];
    snprintf(after, sizeof after, "%llu", (unsigned long long)*last);
    snprintf(wait, sizeof wait, "%u", wait_ms);
    struct enclave_param params[] = {{"after", after, 0}, {"wait", wait, 0}};
    int code = cli_call(c, "events", params, 2);
    if (code == 0) *last = cli_number(c->doc, "last");
    return code;
}

/* ---- problems ---- */

static void print_problem(const char *text, const char *next)
{
    struct buf out = BUF_INIT;
    buf_str(&out, "enclave: ");
    names_show(bytes_str(text), false, &out);
    buf_u8(&out, '\n');
    if (next != NULL && *next != '\0') {
        buf_str(&out, "next: ");
        names_show(bytes_str(next), false, &out);
        buf_u8(&out, '\n');
    }
    fwrite(out.p, 1, out.n, stderr);
    buf_free(&out);
}

void cli_print_json(const struct cli *c)
{
    fwrite(enclave_json(c->answer), 1, enclave_json_length(c->answer), stdout);
    fputc('\n', stdout);
    fflush(stdout);
}

int cli_problem(struct cli *c)
{
    if (c->json) cli_print_json(c);
    print_problem(enclave_text(c->answer), enclave_next(c->answer));
    return enclave_exit(c->answer);
}

static const char *name_of(int code)
{
    for (int st = 1; st < ST_COUNT; st++)
        if (status_exit((enum status)st) == code && status_class((enum status)st) != STATUS_PEER)
            return status_name((enum status)st);
    return "BUG";
}

int cli_fail(struct cli *c, int code, const char *next, const char *format, ...)
{
    char text[4096];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (c->json) {
        json_t *o =
            json_pack("{s:s, s:i, s:i, s:s*, s:s}", "status", code == 1 ? "IO" : name_of(code),
                      "exit", code, "http", 0, "text", text, "next", next == NULL ? "" : next);
        char *dump = o == NULL ? NULL : json_dumps(o, JSON_COMPACT);
        if (dump != NULL) puts(dump);
        free(dump);
        json_decref(o);
        fflush(stdout);
    }
    print_problem(text, next);
    return code;
}
