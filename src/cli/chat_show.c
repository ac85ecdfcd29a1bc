/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What a chat shows of others: messages, events, members. */
#include "cli/chat.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SHOWN 20 /* messages shown at the beginning, more if more are unread */

void chat_show_line(struct chat *ch, enum cli_style style, const char *format, ...)
{
    char text[4096];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (ch->plain) fputs("* ", stdout);
    cli_put(ch->c, style, text, false);
    fputc('\n', stdout);
}

/* ---- messages ---- */

/* The hour; the day only where it changes. */
static void show_message(struct chat *ch, const json_t *m)
{
    char when[24];
    char day[16];
    if (cli_bool(m, "muted")) return; /* the warning that came says how to see it */
    cli_time(cli_text(m, "time"), when);
    snprintf(day, sizeof day, "%.10s", when);
    if (strcmp(day, ch->day) != 0) {
        snprintf(ch->day, sizeof ch->day, "%s", day);
        chat_show_line(ch, STYLE_DIM, "%s", day);
    }
    cli_message(ch->c, m, strlen(when) > 11 ? when + 11 : when, true, ch->plain);
}

/* Whoever has just spoken must not read "not sent yet" because the sentinel needs a moment: only
 * where it cannot be reached. */
static bool is_online(struct chat *ch)
{
    struct enclave_param params[] = {{"enclave", ch->name, 0}};
    return cli_call(ch->c, "enclave", params, 1) == 0 && cli_bool(ch->c->doc, "online");
}

static void soften(struct chat *ch, json_t *list)
{
    size_t i;
    json_t *m;
    bool unsent = false;
    json_array_foreach(list, i, m) unsent = unsent || (cli_bool(m, "own") && !cli_bool(m, "sent"));
    if (!unsent || !is_online(ch)) return;
    json_array_foreach(list, i, m) json_object_set_new(m, "sent", json_true());
}

static int read_page(struct chat *ch, const char *name, uint64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%llu", (unsigned long long)value);
    struct enclave_param params[] = {
        {name, text, 0}, {"enclave", ch->name, 0}, {"early", "true", 0}};
    return cli_call(ch->c, "read", params, 3);
}

/* The messages of the last answer, `unread` of them marked as such; what we typed ourselves here is
 * not said twice. */
static void show_page(struct chat *ch, uint64_t unread)
{
    size_t i;
    json_t *m;
    json_t *list = json_incref(json_object_get(ch->c->doc, "messages"));
    size_t n = json_array_size(list);
    soften(ch, list);
    json_array_foreach(list, i, m)
    {
        uint64_t number = cli_number(m, "number");
        if (unread > 0 && n - i == unread)
            chat_show_line(ch, STYLE_WARN, "-- %llu unread --", (unsigned long long)unread);
        bool typed = ch->typed_here && cli_bool(m, "own") && number == ch->shown_own;
        if (!early_was(&ch->early, cli_text(m, "uuid")) && !typed) show_message(ch, m);
        ch->next = number + 1;
    }
    json_decref(list);
    /* What is not in the room yet, on its way. */
    list = json_incref(json_object_get(ch->c->doc, "early"));
    json_array_foreach(list, i, m)
    {
        if (early_shown(&ch->early, cli_text(m, "uuid"))) show_message(ch, m);
    }
    json_decref(list);
}

static void mark_read(struct chat *ch)
{
    char text[24];
    if (ch->next < 2) return;
    snprintf(text, sizeof text, "%llu", (unsigned long long)ch->next - 1);
    struct enclave_param params[] = {{"number", text, 0}, {"enclave", ch->name, 0}};
    /* Without it they are shown again the next time: no harm. */
    (void)cli_call(ch->c, "mark_read", params, 2);
}

int chat_show_begin(struct chat *ch)
{
    uint64_t unread = cli_number(ch->c->doc, "unread");
    int code = read_page(ch, "last", unread > SHOWN ? unread : SHOWN);
    if (code != 0) return cli_problem(ch->c);
    size_t n = json_array_size(json_object_get(ch->c->doc, "messages"));
    ch->next = 1;
    if (n == 0) chat_show_line(ch, STYLE_DIM, "Nothing was said yet.");
    show_page(ch, unread > n ? n : unread);
    mark_read(ch);
    return 0;
}

bool chat_show_new(struct chat *ch)
{
    for (;;) {
        uint64_t before = ch->next;
        if (read_page(ch, "from", ch->next) != 0) return false;
        bool more = cli_bool(ch->c->doc, "more");
        show_page(ch, 0);
        if (ch->next > before) mark_read(ch);
        if (!more || ch->next == before) return true;
    }
}

/* ---- events ---- */

/* What the shell would be told to type is a command here. */
static void without_command(const char *text, char *out, size_t n)
{
    const char *type = strstr(text, ". Type: ");
    snprintf(out, n, "%.*s", type != NULL ? (int)(type - text) : (int)strlen(text), text);
}

void chat_show_event(struct chat *ch, const json_t *e)
{
    static const struct {
        const char *kind;
        enum cli_style style;
        const char *next;
    } shown[] = {
        {"proposal", STYLE_WARN, "/votes"},
        {"vote", STYLE_DIM, ""},
        {"member", STYLE_DIM, ""},
        {"epoch", STYLE_DIM, ""},
        {"file", STYLE_DIM, ""},
        {"sentinel", STYLE_DIM, ""},
        {"unsettled", STYLE_WARN, ""},
        {"warning", STYLE_WARN, ""},
        {"join", STYLE_DIM, ""},
        {"left", STYLE_BAD, "/quit"},
    };
    char text[1024];
    if (strcmp(cli_text(e, "enclave"), ch->name) != 0) return;
    for (size_t i = 0; i < sizeof shown / sizeof shown[0]; i++) {
        if (strcmp(cli_text(e, "kind"), shown[i].kind) != 0) continue;
        without_command(cli_text(e, "text"), text, sizeof text);
        bool over = strstr(text, " is over") != NULL;
        bool next = shown[i].next[0] != '\0' && !over;
        chat_show_line(ch, over ? STYLE_DIM : shown[i].style, "%s%s%s%s", text, next ? " (" : "",
                       next ? shown[i].next : "", next ? ")" : "");
    }
}

/* ---- members ---- */

void chat_show_peers(struct chat *ch)
{
    size_t i;
    json_t *m;
    struct enclave_param params[] = {{"enclave", ch->name, 0}};
    if (cli_call(ch->c, "enclave", params, 1) != 0) {
        cli_problem(ch->c);
        return;
    }
    printf("%llu of %llu members reachable, sentinel ",
           (unsigned long long)cli_number(ch->c->doc, "reachable"),
           (unsigned long long)cli_number(ch->c->doc, "members"));
    cli_put(ch->c, STYLE_PLAIN, cli_text(ch->c->doc, "sentinel"), false);
    bool online = cli_bool(ch->c->doc, "online");
    printf(" ");
    cli_put(ch->c, online ? STYLE_GOOD : STYLE_BAD, online ? "online" : "not reachable", false);
    printf("\n");
    if (cli_text(ch->c->doc, "trouble")[0] != '\0')
        chat_show_line(ch, STYLE_WARN, "%s", cli_text(ch->c->doc, "trouble"));
    if (cli_number(ch->c->doc, "outbox") > 0)
        chat_show_line(ch, STYLE_WARN, "%llu of your entries wait to be sent",
                       (unsigned long long)cli_number(ch->c->doc, "outbox"));
    if (cli_call(ch->c, "members", params, 1) != 0) {
        cli_problem(ch->c);
        return;
    }
    struct cli_table *t = cli_table_new(2);
    cli_table_cell(t, "member");
    cli_table_cell(t, "reached");
    json_array_foreach(json_object_get(ch->c->doc, "members"), i, m)
    {
        cli_table_cell(t, cli_text(m, "nick"));
        cli_table_cell(t, cli_bool(m, "self") ? "you" : cli_text(m, "path"));
    }
    cli_table_print(ch->c, t);
}

/* ---- what can be completed ---- */

static void forget(char **list, size_t *n)
{
    for (size_t i = 0; i < *n; i++) free(list[i]);
    *n = 0;
}

void chat_forget(struct chat *ch)
{
    forget(ch->nicks, &ch->n_nicks);
    forget(ch->refs, &ch->n_refs);
}

void chat_learn(struct chat *ch)
{
    size_t i;
    json_t *o;
    struct enclave_param params[] = {{"enclave", ch->name, 0}};
    if (cli_call(ch->c, "members", params, 1) != 0) return; /* what is known stays */
    chat_forget(ch);
    json_array_foreach(json_object_get(ch->c->doc, "members"), i, o)
    {
        char *nick = cli_bool(o, "self") ? NULL : strdup(cli_text(o, "nick"));
        if (nick != NULL && ch->n_nicks < sizeof ch->nicks / sizeof ch->nicks[0])
            ch->nicks[ch->n_nicks++] = nick;
        else
            free(nick);
    }
    if (cli_call(ch->c, "proposals", params, 1) != 0) return;
    json_array_foreach(json_object_get(ch->c->doc, "proposals"), i, o)
    {
        char *ref = cli_bool(o, "mine_to_vote") ? strdup(cli_text(o, "ref")) : NULL;
        if (ref != NULL && ch->n_refs < sizeof ch->refs / sizeof ch->refs[0])
            ch->refs[ch->n_refs++] = ref;
        else
            free(ref);
    }
}
