/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "cli/talk/words.h"

#include "tables/nearest.h"

#include <stdio.h>
#include <string.h>

static const struct talk_command commands[] = {
    {"/members", TALK_MEMBERS, "", "/members", "who is inside, who is there now, who agrees"},
    {"/peers", TALK_PEERS, "", "/peers", "how each member is reached from here"},
    {"/votes", TALK_VOTES, "", "/votes", "what is voted on, and what to type to vote"},
    {"/vote", TALK_VOTE, "[ID] yes|no [compared] [now]", "/vote 3f2a yes compared",
     "vote; compared: you compared the safety codes; now: at once"},
    {"/add", TALK_ADD, "", "/add", "make an invitation for one newcomer"},
    {"/file", TALK_FILE, "PATH", "/file ~/photos/lake.jpg",
     "keep a file in the enclave and say so"},
    {"/send", TALK_SEND, "NAME WORDS", "/send bo see you at eight",
     "private words; the beginning of the name is enough"},
    {"/broadcast", TALK_BROADCAST, "[--now] WORDS", "/broadcast I have a new number",
     "say it to all your enclaves, with gaps (--now: without)"},
    {"/help", TALK_HELP, "", "/help", "this list"},
    {"/quit", TALK_QUIT, "", "/quit", "leave the chat (Ctrl-D does the same)"},
};

const struct talk_command *talk_commands(size_t *ret_n)
{
    *ret_n = sizeof commands / sizeof commands[0];
    return commands;
}

bool talk_has(const struct talk_command *command, bool private_words)
{
    return private_words || command->kind != TALK_SEND;
}

void talk_help(bool private_words, struct buf *out)
{
    size_t n = sizeof commands / sizeof commands[0];
    buf_str(out, "Examples:\n"
                 "    Dinner at eight            is said to the enclave\n"
                 "    //shrug                    says /shrug\n");
    for (size_t i = 0; i < n; i++)
        if (commands[i].words[0] != '\0' && talk_has(&commands[i], private_words))
            buf_printf(out, "    %s\n", commands[i].example);
    buf_str(out, "Commands:\n");
    for (size_t i = 0; i < n; i++) {
        if (!talk_has(&commands[i], private_words)) continue;
        if (commands[i].words[0] == '\0')
            buf_printf(out, "    %-12s %s\n", commands[i].name, commands[i].help);
        else
            buf_printf(out, "    %s %s\n%17s%s\n", commands[i].name, commands[i].words, "",
                       commands[i].help);
    }
    buf_str(out,
            "Tab completes commands, names and paths; the up key brings back what you typed.\n");
}

/* ---- reading a line ---- */

/* The next word of *at; empty: there is none. */
static struct bytes next_word(const char **at)
{
    *at += strspn(*at, " \t");
    struct bytes word = BYTES(*at, strcspn(*at, " \t"));
    *at += word.n;
    return word;
}

static bool is_word(struct bytes word, const char *text)
{
    return bytes_same(word, bytes_str(text));
}

static const struct talk_command *find(struct bytes word, bool private_words, const char **ret_near)
{
    char typed[NEAREST_WORD_MAX + 1];
    snprintf(typed, sizeof typed, "%.*s", (int)word.n, (const char *)word.p);
    struct nearest best = {.word = typed};
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (!talk_has(&commands[i], private_words)) continue;
        if (is_word(word, commands[i].name)) return &commands[i];
        nearest_try(&best, commands[i].name);
    }
    *ret_near = best.best;
    return NULL;
}

/* "3f2a yes", "yes 3f2a" and "yes" are all understood; each word at most once. */
static bool parse_vote(const char *at, struct talk_line *l)
{
    bool choice = false;
    for (struct bytes word = next_word(&at); word.n > 0; word = next_word(&at)) {
        bool yes = is_word(word, "yes");
        if (yes || is_word(word, "no")) {
            if (choice) return false;
            choice = true;
            l->yes = yes;
        } else if (is_word(word, "compared") || is_word(word, "--compared")) {
            l->compared = true;
        } else if (is_word(word, "now") || is_word(word, "--now")) {
            l->now = true;
        } else if (l->who.n == 0) {
            l->who = word;
        } else {
            return false;
        }
    }
    return choice;
}

static bool parse_words(const char *at, struct talk_line *l)
{
    const char *later = at;
    l->rest = at + strspn(at, " \t");
    switch (l->kind) {
    case TALK_VOTE: return parse_vote(at, l);
    case TALK_FILE: return *l->rest != '\0';
    case TALK_SEND:
        l->who = next_word(&later);
        if (l->who.n > 0 && l->who.p[0] == '@') l->who = BYTES(l->who.p + 1, l->who.n - 1);
        l->rest = later + strspn(later, " \t");
        return l->who.n > 0 && *l->rest != '\0';
    case TALK_BROADCAST:
        l->now = is_word(next_word(&later), "--now");
        if (l->now) l->rest = later + strspn(later, " \t");
        return *l->rest != '\0';
    default: return *l->rest == '\0';
    }
}

void talk_parse(const char *line, bool private_words, struct talk_line *ret)
{
    *ret = (struct talk_line){.kind = TALK_SAY, .rest = line};
    if (line[strspn(line, " \t")] == '\0') {
        ret->kind = TALK_EMPTY;
        return;
    }
    if (line[0] != '/') return;
    if (line[1] == '/') {
        ret->rest = line + 1;
        return;
    }
    const char *at = line;
    ret->word = next_word(&at);
    ret->command = find(ret->word, private_words, &ret->near);
    if (ret->command == NULL) {
        ret->kind = TALK_UNKNOWN;
        return;
    }
    ret->kind = ret->command->kind;
    if (!parse_words(at, ret)) ret->kind = TALK_WRONG;
}

const char *talk_one(const char *const *names, size_t n, struct bytes prefix, bool *ret_several)
{
    const char *found = NULL;
    *ret_several = false;
    for (size_t i = 0; i < n; i++) {
        if (is_word(prefix, names[i])) {
            *ret_several = false;
            return names[i];
        }
        if (strncmp(names[i], (const char *)prefix.p, prefix.n) != 0) continue;
        if (found != NULL) *ret_several = true;
        found = names[i];
    }
    return *ret_several ? NULL : found;
}
