/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* enclave chat: what is done with each line that is typed. */
#include "cli/broadcast.h"
#include "cli/chat.h"
#include "cli/talk/words.h"
#include "tables/names.h"

#include <dirent.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define CALL_MS 15000 /* a daemon that does not answer must not hold the keys for ever */
#define AGAIN_MS 500  /* plain: how soon words are tried again while no daemon is there */

static void set_prompt(struct chat *ch)
{
    char text[256];
    if (ch->question == ASK_BROADCAST)
        snprintf(text, sizeof text, "%s", BROADCAST_QUESTION);
    else if (ch->lost)
        snprintf(text, sizeof text, "%s (no daemon)> ", ch->name);
    else if (ch->progress[0] != '\0')
        snprintf(text, sizeof text, "%s (%s)> ", ch->name, ch->progress);
    else
        snprintf(text, sizeof text, "%s> ", ch->name);
    chat_screen_prompt(ch->screen, text);
}

/* ---- news ---- */

static void on_lost(struct chat *ch, const char *text)
{
    ch->lost = true;
    chat_show_line(ch, STYLE_BAD, "%s: trying again; what you type stays", text);
}

static void on_item(struct chat *ch, const struct chat_item *item, bool *ret_read, bool *ret_learn)
{
    const char *kind = cli_text(item->doc, "kind");
    switch (item->news) {
    case NEWS_EVENT:
        *ret_read = *ret_read || strcmp(kind, "message") == 0 || strcmp(kind, "early") == 0;
        *ret_learn = *ret_learn || strcmp(kind, "member") == 0 || strcmp(kind, "proposal") == 0 ||
                     strcmp(kind, "vote") == 0;
        chat_show_event(ch, item->doc);
        break;
    case NEWS_MISSED:
        *ret_read = true;
        *ret_learn = true;
        break;
    case NEWS_LOST: on_lost(ch, item->text != NULL ? item->text : ""); break;
    case NEWS_BACK:
        ch->lost = false;
        *ret_read = true;
        *ret_learn = true;
        chat_show_line(ch, STYLE_GOOD, "the daemon is there again");
        break;
    case NEWS_LINE: chat_show_line(ch, item->style, "%s", item->text); break;
    case NEWS_PROGRESS:
        snprintf(ch->progress, sizeof ch->progress, "%s", item->text != NULL ? item->text : "");
        break;
    case NEWS_JOB_ENDED: chat_jobs_ended(ch); break;
    }
}

static void on_news(void *arg)
{
    struct chat *ch = arg;
    bool read = false;
    bool learn = false;
    struct chat_item *item = chat_box_take(&ch->box);
    if (item == NULL) return;
    chat_screen_above(ch->screen);
    for (struct chat_item *next; item != NULL; item = next) {
        next = item->next;
        on_item(ch, item, &read, &learn);
        chat_item_free(item);
    }
    if (read) (void)chat_show_new(ch); /* a lost daemon is told by the one who waits for events */
    if (learn) chat_learn(ch);
    set_prompt(ch);
    chat_screen_back(ch->screen);
}

static bool is_over(void *arg)
{
    const struct chat *ch = arg;
    return ch->over || atomic_load(&ch->c->interrupted) || cli_timed_out(ch->c);
}

static void list_files(void *arg, const char *directory, talk_each *each, struct talk_found *found)
{
    (void)arg;
    char *path = chat_path(*directory == '\0' ? "." : directory);
    DIR *d = path == NULL ? NULL : opendir(path);
    for (const struct dirent *e; d != NULL && (e = readdir(d)) != NULL;)
        each(found, e->d_name, e->d_type == DT_DIR);
    if (d != NULL) closedir(d);
    free(path);
}

static void known(void *arg, struct talk_known *ret)
{
    struct chat *ch = arg;
    *ret = (struct talk_known){.nicks = (const char *const *)ch->nicks,
                               .n_nicks = ch->n_nicks,
                               .refs = (const char *const *)ch->refs,
                               .n_refs = ch->n_refs,
                               .private_words = ch->private_words,
                               .list = list_files,
                               .list_arg = ch};
}

/* ---- what is typed ---- */

/* A verb of the command line, as if it were typed for this enclave. */
static void run_verb(struct chat *ch, const char *id, cli_verb *verb)
{
    struct cli sub = {.op = operation_by_id(id),
                      .colour = ch->c->colour,
                      .tty_out = ch->c->tty_out && !ch->plain,
                      .quiet = ch->c->quiet,
                      .chat = true,
                      .client = ch->c->client};
    for (size_t i = 0; i < sub.op->n_params; i++)
        if (strcmp(sub.op->params[i].name, "enclave") == 0) sub.params[i].text = ch->name;
    (void)verb(&sub); /* what went wrong it has said */
    json_decref(sub.doc);
    enclave_answer_free(sub.answer);
}

/* Waits for news without reading what is typed; false: the end. */
static bool wait_for_news(struct chat *ch, int ms)
{
    struct pollfd fd = {ch->box.fd, POLLIN, 0};
    if (is_over(ch)) return false;
    if (poll(&fd, 1, ms) > 0) on_news(ch);
    return !is_over(ch);
}

/* to: one member, NULL: everybody. In a pipe, words wait for the daemon; a person has them back. */
static void say(struct chat *ch, const char *line, const char *text, const char *to)
{
    struct enclave_param params[] = {{"text", text, 0}, {"enclave", ch->name, 0}, {"to", to, 0}};
    int code = cli_call(ch->c, "send", params, to == NULL ? 2 : 3);
    while (ch->plain && (code == 13 || code == 11) && wait_for_news(ch, AGAIN_MS))
        code = cli_call(ch->c, "send", params, to == NULL ? 2 : 3);
    if (code != 0) {
        ch->failed = cli_problem(ch->c);
        if (!ch->plain) {
            chat_screen_keep(ch->screen, line);
            chat_show_line(ch, STYLE_WARN, "It was not said; it stands in your line again.");
        }
        return;
    }
    ch->shown_own = cli_number(ch->c->doc, "number");
    chat_screen_forget(ch->screen);
    (void)chat_show_new(ch); /* with "not sent yet" where the sentinel is away */
}

static void send_private(struct chat *ch, const char *line, const struct talk_line *l)
{
    bool several;
    const char *to = talk_one((const char *const *)ch->nicks, ch->n_nicks, l->who, &several);
    if (to != NULL)
        say(ch, line, l->rest, to);
    else
        chat_show_line(ch, STYLE_BAD,
                       several ? "\"%.*s\" may be several members"
                               : "no member's name begins with \"%.*s\"",
                       (int)l->who.n, (const char *)l->who.p);
}

static void tell_broadcast(void *arg, enum cli_style style, const char *text)
{
    chat_show_line(arg, style, "%s", text);
}

/* The question before the same words go to several enclaves. */
static void ask_broadcast(struct chat *ch, const struct talk_line *l)
{
    char problem[512];
    char next[128];
    int code;
    struct broadcast *b = broadcast_find(ch->c->client, NULL, &code, problem, next);
    if (b == NULL) {
        chat_show_line(ch, STYLE_BAD, "%s", problem);
        return;
    }
    broadcast_tell(b, l->now, tell_broadcast, ch);
    if (ch->c->yes || !broadcast_links(b)) {
        chat_jobs_broadcast(ch, b, l->rest, l->now);
        return;
    }
    ch->question_text = strdup(l->rest);
    if (ch->question_text == NULL) {
        broadcast_free(b);
        return;
    }
    if (ch->plain) chat_show_line(ch, STYLE_PLAIN, "Say it to all of them? Answer yes or no.");
    ch->question_to = b;
    ch->question_now = l->now;
    ch->question = ASK_BROADCAST;
}

static void drop_question(struct chat *ch)
{
    if (ch->question_text != NULL) bytes_wipe(ch->question_text, strlen(ch->question_text));
    free(ch->question_text);
    broadcast_free(ch->question_to);
    ch->question_text = NULL;
    ch->question_to = NULL;
    ch->question = ASK_NOTHING;
}

static void answer_question(struct chat *ch, const char *line)
{
    if (strcasecmp(line, "y") == 0 || strcasecmp(line, "yes") == 0) {
        chat_jobs_broadcast(ch, ch->question_to, ch->question_text, ch->question_now);
        ch->question_to = NULL;
    } else {
        chat_show_line(ch, STYLE_DIM, "Nothing was said.");
    }
    drop_question(ch);
}

static void vote(struct chat *ch, const struct talk_line *l)
{
    struct enclave_param params[] = {{"enclave", ch->name, 0}};
    char *who = l->who.n == 0 ? NULL : strndup((const char *)l->who.p, l->who.n);
    if (cli_call(ch->c, "proposals", params, 1) == 0) cli_tell_ballot(ch->c, who, l->now);
    free(who);
    chat_jobs_vote(ch, l);
}

static void quit(struct chat *ch)
{
    uint64_t n = chat_jobs_running(ch);
    if (n > 0 && !ch->quit_asked) {
        ch->quit_asked = true;
        chat_show_line(ch, STYLE_WARN,
                       chat_jobs_broadcasting(ch)
                           ? "A broadcast is under way: /quit again ends it here."
                           : "Something still runs; it goes on in the daemon. "
                             "/quit again leaves.");
        return;
    }
    ch->over = true;
}

static void help(struct chat *ch)
{
    struct buf text = BUF_INIT;
    talk_help(ch->private_words, &text);
    fwrite(text.p, 1, text.n, stdout);
    buf_free(&text);
}

static void not_understood(struct chat *ch, const struct talk_line *l)
{
    if (l->kind == TALK_WRONG)
        chat_show_line(ch, STYLE_BAD, "It is typed like this: %s %s   (for example: %s)",
                       l->command->name, l->command->words, l->command->example);
    else if (l->near != NULL)
        chat_show_line(ch, STYLE_BAD,
                       "There is no command %.*s; did you mean %s? (//... says a line that begins "
                       "with a slash)",
                       (int)l->word.n, (const char *)l->word.p, l->near);
    else
        chat_show_line(ch, STYLE_BAD,
                       "There is no command %.*s; /help lists them. (//... says a line that begins "
                       "with a slash)",
                       (int)l->word.n, (const char *)l->word.p);
}

static void do_line(struct chat *ch, const char *line)
{
    struct talk_line l;
    talk_parse(line, ch->private_words, &l);
    if (l.kind != TALK_QUIT) ch->quit_asked = false;
    switch (l.kind) {
    case TALK_EMPTY: chat_screen_forget(ch->screen); break;
    case TALK_SAY: say(ch, line, l.rest, NULL); break;
    case TALK_UNKNOWN:
    case TALK_WRONG: not_understood(ch, &l); break;
    case TALK_HELP: help(ch); break;
    case TALK_MEMBERS: run_verb(ch, "members", verb_members); break;
    case TALK_PEERS: chat_show_peers(ch); break;
    case TALK_VOTES: run_verb(ch, "proposals", verb_proposals); break;
    case TALK_VOTE: vote(ch, &l); break;
    case TALK_ADD: run_verb(ch, "invite", verb_invite); break;
    case TALK_FILE: chat_jobs_file(ch, l.rest); break;
    case TALK_SEND: send_private(ch, line, &l); break;
    case TALK_BROADCAST: ask_broadcast(ch, &l); break;
    case TALK_QUIT: quit(ch); break;
    }
}

/* ---- from beginning to end ---- */

/* In a pipe the end of the input is no reason to leave files and votes half way. */
static void finish_jobs(struct chat *ch)
{
    while (chat_jobs_running(ch) > 0 && wait_for_news(ch, AGAIN_MS)) continue;
}

static void talk(struct chat *ch)
{
    for (;;) {
        set_prompt(ch);
        char *line = chat_screen_line(ch->screen);
        if (line == NULL && !ch->plain && !is_over(ch)) { /* Ctrl-D */
            printf("\n");
            quit(ch);
            if (!ch->over) continue;
        }
        if (line == NULL) break;
        if (ch->question != ASK_NOTHING) {
            answer_question(ch, line);
        } else {
            chat_screen_remember(ch->screen, line);
            do_line(ch, line);
        }
        fflush(stdout);
        bytes_wipe(line, strlen(line));
        free(line);
        if (is_over(ch)) return;
    }
    if (ch->plain) finish_jobs(ch);
}

/* The enclave, or why there is nothing to talk in. */
static int look_at_enclave(struct chat *ch)
{
    int code = cli_call_args(ch->c, "enclave", NULL, 0);
    if (code != 0) return cli_problem(ch->c);
    const json_t *e = ch->c->doc;
    const char *state = cli_text(e, "state");
    snprintf(ch->name, sizeof ch->name, "%s", cli_text(e, "name"));
    if (strcmp(state, "joining") == 0 || strcmp(state, "refused") == 0)
        return cli_fail(ch->c, strcmp(state, "joining") == 0 ? 7 : 6, "enclave status",
                        "you are not inside yet: %s", state);
    chat_show_line(ch, STYLE_BOLD,
                   "%s, you are %s; %llu of %llu members reachable. /help tells what to type, "
                   "/quit leaves.",
                   ch->name, cli_text(e, "nick"), (unsigned long long)cli_number(e, "reachable"),
                   (unsigned long long)cli_number(e, "members"));
    if (cli_text(e, "trouble")[0] != '\0')
        chat_show_line(ch, STYLE_WARN, "%s", cli_text(e, "trouble"));
    if (cli_bool(e, "doubtful")) {
        char text[256];
        cli_doubt(e, text, sizeof text);
        chat_show_line(ch, STYLE_WARN, "warning: %s", text);
    }
    if (cli_number(e, "open_proposals") > 0)
        chat_show_line(ch, STYLE_WARN, "%llu vote%s open (/votes)",
                       (unsigned long long)cli_number(e, "open_proposals"),
                       cli_number(e, "open_proposals") == 1 ? " is" : "s are");
    return 0;
}

static int begin(struct chat *ch)
{
    struct chat_screen_options o = {.plain = ch->plain,
                                    .news_fd = ch->box.fd,
                                    .on_news = on_news,
                                    .is_over = is_over,
                                    .known = known,
                                    .arg = ch};
    int code = cli_call(ch->c, "daemon_status", NULL, 0);
    if (code != 0) return cli_problem(ch->c);
    uint64_t last_event = cli_number(ch->c->doc, "last_event");
    ch->screen = chat_screen_open(&o);
    if (ch->screen == NULL) return cli_fail(ch->c, 1, NULL, "the terminal could not be set up");
    code = look_at_enclave(ch);
    if (code == 0) code = chat_show_begin(ch);
    if (code != 0) return code;
    chat_learn(ch);
    if (!chat_jobs_wait_events(ch, last_event)) return cli_fail(ch->c, 1, NULL, "out of memory");
    return 0;
}

int verb_chat(struct cli *c)
{
    struct chat ch = {.c = c, .box.fd = -1, .next = 1};
    const char *term = getenv("TERM");
    bool dumb = term == NULL || *term == '\0' || strcmp(term, "dumb") == 0;
    if (c->json)
        return cli_fail(c, 2, "enclave read --json --follow, and enclave send",
                        "chat speaks to people");
    ch.plain = cli_flag(c, "plain") || dumb || isatty(STDIN_FILENO) == 0 || !c->tty_out;
    ch.typed_here = ch.plain && isatty(STDIN_FILENO) != 0;
    c->chat = true;
    ch.private_words = operation_param(operation_by_id("send"), "to") != NULL;
    if (ch.plain) c->colour = false;
    if (c->deadline_ms == 0) enclave_timeout(c->client, CALL_MS);
    int code = chat_box_open(&ch.box) ? begin(&ch) : cli_fail(c, 1, NULL, "out of memory");
    if (code == 0) talk(&ch);
    chat_jobs_end(&ch);
    if (ch.failed == 0 && chat_screen_dropped(ch.screen)) ch.failed = 2;
    chat_screen_close(ch.screen);
    chat_box_close(&ch.box);
    chat_forget(&ch);
    drop_question(&ch);
    if (code == 0 && ch.plain) code = ch.failed;
    if (code == 0 && atomic_load(&c->interrupted)) code = 130;
    return code;
}
