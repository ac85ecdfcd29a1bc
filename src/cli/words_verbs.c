/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Words: send, read, events. */
#include "cli/cli.h"
#include "cli/early.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SHOWN 20 /* messages shown when nothing is unread */

static int read_stdin(struct cli *c, char *out, size_t room)
{
    size_t n = 0;
    while (n < room) {
        ssize_t got = read(0, out + n, room - n);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return cli_fail(c, 1, NULL, "stdin: %s", strerror(errno));
        if (got == 0) break;
        n += (size_t)got;
    }
    if (n == room)
        return cli_fail(c, 2, "enclave put FILE", "a message has at most %d bytes", CLI_SAID_MAX);
    while (n > 0 && out[n - 1] == '\n') n--;
    out[n] = '\0';
    if (strlen(out) != n) return cli_fail(c, 2, NULL, "a message holds no NUL bytes");
    if (n == 0) return cli_fail(c, 2, NULL, "there is nothing to say");
    return 0;
}

int cli_said(struct cli *c, char room[CLI_SAID_ROOM], const char **ret)
{
    *ret = cli_param(c, "text");
    if (*ret == NULL || strcmp(*ret, "-") != 0) return 0;
    *ret = room;
    return read_stdin(c, room, CLI_SAID_MAX + 1);
}

int verb_send(struct cli *c)
{
    char room[CLI_SAID_ROOM];
    const char *text;
    if (cli_param(c, "text") == NULL && cli_param(c, "file") == NULL)
        return cli_fail(c, 2, "enclave send 'Dinner at eight'", "there is nothing to say");
    text = cli_param(c, "text");
    if (cli_flag(c, "lines") && text != NULL && strcmp(text, "-") == 0) return cli_send_lines(c);
    int code = cli_said(c, room, &text);
    if (code != 0) return code;
    for (size_t i = 0; i < c->op->n_params; i++)
        if (strcmp(c->op->params[i].name, "text") == 0) c->params[i].text = text;
    cli_warn_doubt(c);
    code = cli_call_args(c, "send", NULL, 0);
    if (code != 0) return cli_problem(c);
    if (c->json) {
        cli_print_json(c);
        return 0;
    }
    const char *said = enclave_text(c->answer);
    if (*said != '\0') cli_note(c, "%s", said);
    return 0;
}

/* ---- read ---- */

/* Every further line of a text is marked: none may look like somebody else's message. */
static void show_text(const struct cli *c, const char *text, const char *between)
{
    while (*text != '\0') {
        size_t n = strcspn(text, "\n");
        char *line = strndup(text, n);
        if (line == NULL) return;
        cli_put(c, STYLE_PLAIN, line, true);
        free(line);
        text += n;
        if (*text == '\0') return;
        fputs(between, stdout);
        text++;
    }
}

/* Its text, and what belongs to it. */
static void show_words(const struct cli *c, const json_t *m, bool one_line)
{
    char note[96];
    if (cli_bool(m, "answers")) {
        uint64_t reply = cli_number(m, "reply");
        snprintf(note, sizeof note, reply != 0 ? "(to #%llu) " : "(to a message not here) ",
                 (unsigned long long)reply);
        cli_put(c, STYLE_DIM, note, false);
    }
    if (cli_bool(m, "private")) {
        const char *to = cli_text(m, "to");
        cli_put(c, STYLE_DIM, "(private", false);
        if (*to != '\0') cli_put(c, STYLE_DIM, ", to ", false);
        cli_put(c, STYLE_DIM, to, false);
        cli_put(c, STYLE_DIM, ") ", false);
    }
    if (cli_bool(m, "mentions_you")) cli_put(c, STYLE_WARN, "(to you) ", false);
    show_text(c, cli_text(m, "text"), one_line ? " | " : "\n    | ");
    if (*cli_text(m, "file") != '\0') {
        printf(*cli_text(m, "text") != '\0' ? " [file " : "[file ");
        cli_put(c, STYLE_BOLD, cli_text(m, "file"), true);
        printf("]");
    }
    if (*cli_text(m, "edited") != '\0') cli_put(c, STYLE_DIM, " (edited)", false);
    if (*cli_text(m, "ends") != '\0') {
        char ends[24];
        cli_time(cli_text(m, "ends"), ends);
        snprintf(note, sizeof note, " (dropped at %s)", ends);
        cli_put(c, STYLE_DIM, note, false);
    }
}

static void show_receipt(const struct cli *c, const json_t *m)
{
    char note[96];
    unsigned long long here = cli_number(m, "delivered"), read = cli_number(m, "read"),
                       of = cli_number(m, "of");
    if (!cli_bool(m, "sent"))
        snprintf(note, sizeof note, " (not sent yet)");
    else if (read > 0)
        snprintf(note, sizeof note, " (%llu of %llu have it, %llu read it)", here, of, read);
    else if (of > 0)
        snprintf(note, sizeof note, " (%llu of %llu have it)", here, of);
    else
        return;
    cli_put(c, STYLE_DIM, note, false);
}

static void show_signs(const struct cli *c, const json_t *m)
{
    size_t i;
    const json_t *sign, *list = json_object_get(m, "signs");
    if (json_array_size(list) == 0) return;
    printf("    ");
    json_array_foreach(list, i, sign)
    {
        if (i > 0) printf(", ");
        cli_put(c, STYLE_PLAIN, cli_text(sign, "sign"), true);
        cli_put(c, STYLE_DIM, " ", false);
        cli_put(c, STYLE_DIM, cli_text(sign, "nick"), false);
    }
    printf("\n");
}

void cli_message(const struct cli *c, const json_t *m, const char *when, bool live, bool one_line)
{
    if (cli_number(m, "lost_before") > 0) {
        char lost[96];
        snprintf(lost, sizeof lost, "(%llu of their messages never came)",
                 (unsigned long long)cli_number(m, "lost_before"));
        cli_put(c, STYLE_WARN, lost, false);
        printf("\n");
    }
    char number[24];
    if (cli_number(m, "number") > 0)
        snprintf(number, sizeof number, " #%llu ", (unsigned long long)cli_number(m, "number"));
    else
        snprintf(number, sizeof number, " ... "); /* it has no place in the room yet */
    cli_put(c, STYLE_DIM, when, false);
    if (cli_bool(m, "odd_time")) cli_put(c, STYLE_WARN, "?", false);
    cli_put(c, STYLE_DIM, one_line ? " " : number, false);
    cli_put(c, cli_bool(m, "own") ? STYLE_PLAIN : STYLE_BOLD, cli_text(m, "nick"), false);
    printf(": ");
    if (cli_bool(m, "unsaid"))
        cli_put(c, STYLE_DIM, "(taken back)", false);
    else
        show_words(c, m, one_line);
    if (cli_bool(m, "own") && (!live || !cli_bool(m, "sent"))) show_receipt(c, m);
    printf("\n");
    if (!one_line) show_signs(c, m);
}

static int mark(struct cli *c, uint64_t number)
{
    char text[24];
    if (number == 0 || cli_flag(c, "keep")) return 0;
    snprintf(text, sizeof text, "%llu", (unsigned long long)number);
    struct enclave_param more = {"number", text, 0};
    int code = cli_call_args(c, "mark_read", &more, 1);
    return code == 0 ? 0 : cli_problem(c);
}

/* One line instead of what was muted. */
static void hidden(const struct cli *c, const char *nick, uint64_t n)
{
    char text[200];
    const char *name = cli_param(c, "enclave");
    snprintf(text, sizeof text,
             "(%.64s was flooding: %llu messages muted; enclave read%s%.64s --muted)", nick,
             (unsigned long long)n, name == NULL ? "" : " ", name == NULL ? "" : name);
    if (n == 0) return;
    cli_put(c, STYLE_WARN, text, false);
    printf("\n");
}

/* Prints the messages of the last answer but those shown early; lines: a JSON object each. Returns the last
 * number. */
static uint64_t show_all(struct cli *c, bool lines, struct early_shown *early)
{
    uint64_t last = 0, skipped = 0;
    const char *nick = "";
    bool all = lines || c->op == NULL || strcmp(c->op->verb, "read") != 0 || cli_flag(c, "muted");
    size_t i;
    json_t *m;
    json_array_foreach(json_object_get(c->doc, "messages"), i, m)
    {
        bool skip = !all && cli_bool(m, "muted");
        last = cli_number(m, "number");
        if (early != NULL && early_was(early, cli_text(m, "uuid"))) continue;
        if (skipped > 0 && (!skip || strcmp(nick, cli_text(m, "nick")) != 0)) {
            hidden(c, nick, skipped);
            skipped = 0;
        }
        nick = cli_text(m, "nick");
        skipped += skip;
        if (skip) continue;
        if (!lines) {
            char when[24];
            cli_time(cli_text(m, "time"), when);
            cli_message(c, m, when, false, false);
            continue;
        }
        char *dump = json_dumps(m, JSON_COMPACT);
        if (dump != NULL) puts(dump);
        free(dump);
    }
    hidden(c, nick, skipped);
    json_array_foreach(json_object_get(c->doc, "early"), i, m)
    {
        char when[24];
        if (early == NULL || !early_shown(early, cli_text(m, "uuid"))) continue;
        cli_time(cli_text(m, "time"), when);
        cli_message(c, m, when, false, false);
    }
    fflush(stdout);
    return last;
}

/* Everything from number `from` on, page by page. */
static int show_from(struct cli *c, uint64_t *from, struct early_shown *early)
{
    for (;;) {
        char text[24];
        snprintf(text, sizeof text, "%llu", (unsigned long long)*from);
        struct enclave_param params[] = {
            {"from", text, 0}, {"enclave", cli_param(c, "enclave"), 0}, {"early", "true", 0}};
        const char *name = getenv("ENCLAVE_NAME");
        if (params[1].value == NULL && name != NULL && *name != '\0') params[1].value = name;
        int code = cli_call(c, "read", params, c->json ? 2 : 3);
        if (code != 0) return cli_problem(c);
        bool more = cli_bool(c->doc, "more");
        uint64_t last = show_all(c, c->json, early);
        if (last == 0) return 0;
        *from = last + 1;
        code = mark(c, last);
        if (code != 0 || !more) return code;
    }
}

static void tell_unsettled(struct cli *c, const json_t *e)
{
    if (c->json || strcmp(cli_text(e, "kind"), "unsettled") != 0) return;
    cli_put(c, STYLE_WARN, cli_text(e, "text"), false);
    printf("\n");
    fflush(stdout);
}

static int follow(struct cli *c, uint64_t event, uint64_t from)
{
    struct early_shown early = {.n = 0};
    int begin = show_from(c, &from, &early); /* what is here early already */
    if (begin != 0) return begin;
    while (!cli_timed_out(c)) {
        int code = cli_wait_event(c, &event, c->deadline_ms != 0 ? 1000 : 30000);
        if (code == 13 && cli_timed_out(c)) return 0;
        if (code != 0) return code == 130 ? 130 : cli_problem(c);
        bool any = cli_bool(c->doc, "missed");
        size_t i;
        json_t *e;
        json_array_foreach(json_object_get(c->doc, "events"), i, e)
        {
            const char *kind = cli_text(e, "kind");
            any = any || strcmp(kind, "message") == 0 || strcmp(kind, "early") == 0;
            tell_unsettled(c, e);
        }
        if (any) code = show_from(c, &from, &early);
        if (code != 0) return code;
    }
    return 0;
}

/* How many to show without being told: what is unread, else the last few. */
static int how_many(struct cli *c, char out[24], uint64_t *ret_event)
{
    int code = cli_call(c, "daemon_status", NULL, 0);
    if (code != 0) return cli_problem(c);
    *ret_event = cli_number(c->doc, "last_event");
    code = cli_call_args(c, "enclave", NULL, 0);
    if (code != 0) return cli_problem(c);
    uint64_t unread = cli_number(c->doc, "unread");
    snprintf(out, 24, "%llu", (unsigned long long)(unread > 0 ? unread : SHOWN));
    return 0;
}

int verb_read(struct cli *c)
{
    char last[24];
    uint64_t event = 0;
    bool following = cli_flag(c, "follow");
    int code = how_many(c, last, &event);
    if (code != 0) return code;
    struct enclave_param more = {"last", last, 0};
    bool chosen = cli_param(c, "last") != NULL || cli_param(c, "from") != NULL;
    code = cli_call_args(c, "read", &more, chosen ? 0 : 1);
    if (code != 0) return cli_problem(c);
    bool empty = json_array_size(json_object_get(c->doc, "messages")) == 0;
    uint64_t number = 0;
    if (c->json && !following) {
        const json_t *list = json_object_get(c->doc, "messages");
        number = cli_number(json_array_get(list, json_array_size(list) - 1), "number");
        cli_print_json(c);
    } else {
        number = show_all(c, c->json, NULL);
        if (empty && !following) cli_note(c, "Nothing was said yet.");
    }
    code = mark(c, number);
    if (code != 0 || !following) return code;
    return follow(c, event, number + 1);
}

/* ---- search ---- */

int verb_search(struct cli *c)
{
    char from[24];
    const char *given = cli_param(c, "from");
    size_t found = 0;
    json_t *all = json_array();
    snprintf(from, sizeof from, "%s", given == NULL ? "1" : given);
    int code = 0;
    for (;;) {
        for (size_t i = 0; i < c->op->n_params; i++)
            if (strcmp(c->op->params[i].name, "from") == 0) c->params[i].text = from;
        code = cli_call_args(c, "search", NULL, 0);
        if (code != 0) break;
        const json_t *list = json_object_get(c->doc, "messages");
        found += json_array_size(list);
        if (c->json)
            json_array_extend(all, json_object_get(c->doc, "messages"));
        else
            show_all(c, false, NULL);
        uint64_t next = cli_number(c->doc, "next");
        if (next == 0) break;
        snprintf(from, sizeof from, "%llu", (unsigned long long)next);
    }
    if (code == 0 && c->json) {
        json_object_set(c->doc, "messages", all);
        char *dump = json_dumps(c->doc, JSON_INDENT(2));
        if (dump != NULL) puts(dump);
        free(dump);
    } else if (code == 0 && found == 0) {
        cli_note(c, "No message holds all of these words.");
    }
    json_decref(all);
    return code == 0 ? 0 : cli_problem(c);
}

/* ---- events ---- */

static int print_line(void *arg, const char *json, size_t n)
{
    struct cli *c = arg;
    fwrite(json, 1, n, stdout);
    fputc('\n', stdout);
    fflush(stdout);
    return !cli_timed_out(c);
}

int verb_events(struct cli *c)
{
    const char *after = cli_param(c, "after");
    int code;
    if (!cli_flag(c, "stream")) {
        code = cli_call_args(c, "events", NULL, 0);
        if (code != 0) return cli_problem(c);
        cli_print_json(c);
        return 0;
    }
    struct enclave_answer *a =
        enclave_follow(c->client, after == NULL ? 0 : strtoull(after, NULL, 10), print_line, c);
    code = enclave_exit(a);
    if (code != 0 && code != 130) fprintf(stderr, "enclave: %s\n", enclave_text(a));
    enclave_answer_free(a);
    return code;
}
