/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * talk/words: what a person types in a chat: a line to say, or one of a few
 * commands that begin with a slash. The table of these commands, its help, and
 * the reading of one line. Pure: no terminal, no daemon.
 *
 * Owns nothing: results point into the line, which must live on.
 * Errors: none; what cannot be understood is TALK_UNKNOWN or TALK_WRONG.
 * Order: none.
 */
#ifndef ENCLAVE_CLI_TALK_WORDS_H
#define ENCLAVE_CLI_TALK_WORDS_H

#include "base/bytes.h"

enum talk_kind {
    TALK_EMPTY,   /* blanks only */
    TALK_SAY,     /* rest: what is said to the enclave */
    TALK_UNKNOWN, /* word: what was typed; near: the command that may be meant, or NULL */
    TALK_WRONG,   /* command: the one whose words are missing or too many */
    TALK_HELP,
    TALK_MEMBERS,
    TALK_PEERS,
    TALK_VOTES,
    TALK_VOTE, /* who (empty: the only open one), yes, compared, now */
    TALK_ADD,
    TALK_FILE,      /* rest: the path, blanks and all */
    TALK_SEND,      /* who: the beginning of a name; rest: the words */
    TALK_BROADCAST, /* rest; now: without gaps */
    TALK_QUIT
};

struct talk_command {
    const char *name; /* "/help" */
    enum talk_kind kind;
    const char *words;   /* "ID yes|no", or empty */
    const char *example; /* a line that works */
    const char *help;
};

/* private_words: the daemon can send to one member; without, /send does not exist. */
const struct talk_command *talk_commands(size_t *ret_n);
bool talk_has(const struct talk_command *command, bool private_words);
/* Examples first, then what each command does. */
void talk_help(bool private_words, struct buf *out);

struct talk_line {
    enum talk_kind kind;
    const struct talk_command *command; /* NULL: said, empty or unknown */
    struct bytes word;                  /* the command as it was typed */
    const char *near;
    struct bytes who;
    const char *rest;
    bool yes, compared, now;
};

/* The line without its line break. */
void talk_parse(const char *line, bool private_words, struct talk_line *ret);

/* The one name that begins with prefix; an exact one wins. NULL: none, or several (*ret_several). */
const char *talk_one(const char *const *names, size_t n, struct bytes prefix, bool *ret_several);

#endif
