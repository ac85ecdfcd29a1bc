/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* send --lines: what comes in at stdin, a message a line, as many at once as are there. */
#include "cli/cli.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROOM ((size_t)128 << 10)     /* of text, read and not sent */
#define BODY_MAX ((size_t)240 << 10) /* of text as JSON writes it, in one call */
#define SHOW_MS 1000

struct lines {
    char text[ROOM + 1];
    size_t n;
    bool ended;
    uint64_t sent, number;
    uint64_t began_ms, shown_ms;
};

/* Whole lines at the start of text whose JSON form fits into one call; *ret_lines of them are not empty. */
static size_t ready(const struct lines *l, size_t *ret_lines)
{
    size_t body = 0, end = 0, line = 0;
    *ret_lines = 0;
    for (size_t i = 0; i < l->n && body <= BODY_MAX; i++) {
        unsigned char ch = (unsigned char)l->text[i];
        body += ch < 0x20 ? 6 : ch == '"' || ch == '\\' ? 2 : 1;
        bool last = l->ended && i + 1 == l->n;
        if (ch != '\n' && !last) continue;
        if (body > BODY_MAX) break;
        end = i + 1;
        *ret_lines += ch != '\n' || i > line;
        line = end;
    }
    return end;
}

static void show(struct cli *c, struct lines *l)
{
    uint64_t now = cli_now_ms();
    if (!c->tty_err || c->quiet || c->json || now < l->shown_ms + SHOW_MS) return;
    l->shown_ms = now;
    fprintf(stderr, "\r%llu messages, %.0f a second\033[K", (unsigned long long)l->sent,
            (double)l->sent * 1000 / (double)(now - l->began_ms + 1));
}

static int send_ready(struct cli *c, struct lines *l, size_t n, size_t lines)
{
    char kept = l->text[n];
    l->text[n] = '\0';
    for (size_t i = 0; i < c->op->n_params; i++)
        if (strcmp(c->op->params[i].name, "text") == 0) c->params[i].text = l->text;
    int code = lines == 0 ? 0 : cli_call_args(c, "send", NULL, 0);
    l->text[n] = kept;
    if (code != 0) return cli_problem(c);
    if (lines > 0) l->number = cli_number(c->doc, "number");
    l->sent += lines;
    l->n -= n;
    memmove(l->text, l->text + n, l->n);
    show(c, l);
    return 0;
}

static int fill(struct cli *c, struct lines *l)
{
    ssize_t got;
    do got = read(0, l->text + l->n, ROOM - l->n);
    while (got < 0 && errno == EINTR && !c->interrupted);
    if (got < 0) return cli_fail(c, c->interrupted ? 130 : 1, NULL, "stdin: %s", strerror(errno));
    if (memchr(l->text + l->n, '\0', (size_t)got) != NULL)
        return cli_fail(c, 2, NULL, "a message holds no NUL bytes");
    l->ended = got == 0;
    l->n += (size_t)got;
    return 0;
}

static int pass_on(struct cli *c, struct lines *l)
{
    int code = 0;
    while (code == 0 && !(l->ended && l->n == 0)) {
        size_t lines, n = ready(l, &lines);
        if (n > 0)
            code = send_ready(c, l, n, lines);
        else if (l->n == ROOM)
            code = cli_fail(c, 2, "enclave put FILE", "a line has at most %d bytes", CLI_SAID_MAX);
        else
            code = fill(c, l);
    }
    return code;
}

int cli_send_lines(struct cli *c)
{
    struct lines *l = calloc(1, sizeof *l);
    if (l == NULL) return cli_fail(c, 1, NULL, "out of memory");
    l->began_ms = cli_now_ms();
    cli_warn_doubt(c);
    int code = pass_on(c, l);
    if (l->shown_ms > 0) fputs("\r\033[K", stderr);
    if (code == 0 && c->json) {
        printf("{\"messages\": %llu, \"number\": %llu}\n", (unsigned long long)l->sent,
               (unsigned long long)l->number);
    } else if (code == 0 || l->sent > 0) {
        cli_note(c, "%llu messages %s", (unsigned long long)l->sent,
                 code == 0 ? "sent" : "sent before that");
    }
    cli_wipe(l, sizeof *l);
    free(l);
    return code;
}
