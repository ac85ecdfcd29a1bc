/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * chat: what the files of `enclave chat` share. One thread has the screen, the
 * line being typed and the short calls; one waits for events of the daemon; what
 * takes its time (votes, files, broadcasts) has a thread each. They hand what they
 * find to the first one through the box; nobody else prints.
 *
 * Owns: struct chat owns the screen, the box, the jobs and the texts in it.
 * Errors: exit codes as in cli.h; what went wrong has then been printed.
 * Order: chat_box_open, chat_screen_open, the rest, chat_jobs_end, chat_screen_close,
 *     chat_box_close.
 */
#ifndef ENCLAVE_CLI_CHAT_H
#define ENCLAVE_CLI_CHAT_H

#include "cli/cli.h"
#include "cli/early.h"
#include "cli/talk/complete.h"

#define CHAT_JOBS_MAX 8

/* ---- chat_box.c: from the other threads to the one with the screen ---- */

enum chat_news {
    NEWS_EVENT,    /* doc: an event of the daemon */
    NEWS_MISSED,   /* events were lost: look at everything again */
    NEWS_LOST,     /* text: no daemon; the waiter tries again */
    NEWS_BACK,     /* it is there again */
    NEWS_LINE,     /* text, in style */
    NEWS_PROGRESS, /* text: what the prompt says of a transfer; empty: no more */
    NEWS_JOB_ENDED
};

struct chat_item {
    struct chat_item *next;
    enum chat_news news;
    enum cli_style style;
    json_t *doc;
    char *text;
};

struct chat_box {
    pthread_mutex_t lock;
    struct chat_item *first, *last;
    int fd; /* readable while something is in it */
};

bool chat_box_open(struct chat_box *b);
void chat_box_close(struct chat_box *b);
/* doc is taken over, text copied. */
void chat_box_put(struct chat_box *b, enum chat_news news, json_t *doc, const char *text);
void chat_box_say(struct chat_box *b, enum cli_style style, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* All that is in it, oldest first; NULL: nothing. Each to be freed with chat_item_free. */
struct chat_item *chat_box_take(struct chat_box *b);
void chat_item_free(struct chat_item *item);

/* ---- chat_screen.c: the line being typed, and what is printed above it ---- */

struct chat_screen;
struct chat_screen_options {
    bool plain;              /* no line editing, no escape sequences */
    int news_fd;             /* when it is readable, on_news is called */
    void (*on_news)(void *); /* may print between chat_screen_above and _back */
    bool (*is_over)(void *); /* asked several times a second: the line is given up */
    void (*known)(void *, struct talk_known *); /* fills in what can be completed */
    void *arg;
};

struct chat_screen *chat_screen_open(const struct chat_screen_options *o);
void chat_screen_close(struct chat_screen *s); /* NULL is fine */
/* The next line, without its line break, to be freed; NULL: the end. */
char *chat_screen_line(struct chat_screen *s);
/* With plain: some line could be no message, and was passed over with a word on stderr. */
bool chat_screen_dropped(const struct chat_screen *s);
/* Takes the line being typed off the screen, so that stdout can be written to; puts it back. */
void chat_screen_above(struct chat_screen *s);
void chat_screen_back(struct chat_screen *s);
/* Wipes the line that was entered last off the screen: it comes back as a message. */
void chat_screen_forget(struct chat_screen *s);
/* The next line begins with this text. */
void chat_screen_keep(struct chat_screen *s, const char *text);
/* Not safe for a terminal as it is: shown as names_show does. */
void chat_screen_prompt(struct chat_screen *s, const char *text);
void chat_screen_remember(struct chat_screen *s, const char *line); /* in memory only */

/* ---- the chat ---- */

enum chat_question { ASK_NOTHING, ASK_BROADCAST };

struct chat_job;
struct broadcast;

struct chat {
    struct cli *c;
    struct chat_box box;
    struct chat_screen *screen;
    struct chat_job *jobs[CHAT_JOBS_MAX];
    struct chat_job *waiter; /* for events */
    bool plain, private_words, typed_here;
    bool lost;       /* no daemon now */
    bool quit_asked; /* /quit was answered with what still runs */
    bool over;
    int failed;         /* exit code of words that were not said, in a pipe */
    char name[80];      /* of the enclave */
    char progress[96];  /* for the prompt */
    char day[16];       /* of the message shown last */
    uint64_t next;      /* number of the first message not shown yet */
    uint64_t shown_own; /* number of the message sent last */
    struct early_shown early;
    enum chat_question question;
    char *question_text; /* what would be broadcast */
    struct broadcast *question_to;
    bool question_now;
    char *nicks[64];
    size_t n_nicks;
    char *refs[64];
    size_t n_refs;
};

/* chat_show.c */

/* The last messages, what is unread marked. An exit code. */
int chat_show_begin(struct chat *ch);
/* What came since; marks it as read. False: no daemon. */
bool chat_show_new(struct chat *ch);
void chat_show_event(struct chat *ch, const json_t *event);
void chat_show_peers(struct chat *ch);
/* A line of our own, in style; with --plain "* " stands before it. */
void chat_show_line(struct chat *ch, enum cli_style style, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Members and open votes, for completion. */
void chat_learn(struct chat *ch);
void chat_forget(struct chat *ch);

/* chat_jobs.c */

uint64_t chat_jobs_running(const struct chat *ch);
bool chat_jobs_broadcasting(const struct chat *ch);
bool chat_jobs_wait_events(struct chat *ch, uint64_t last_event);
struct talk_line;
void chat_jobs_vote(struct chat *ch, const struct talk_line *line);
void chat_jobs_file(struct chat *ch, const char *path);
/* b is taken over. */
void chat_jobs_broadcast(struct chat *ch, struct broadcast *b, const char *text, bool now);
void chat_jobs_ended(struct chat *ch); /* joins those that have */
void chat_jobs_end(struct chat *ch);   /* stops all */
char *chat_path(const char *typed);    /* ~ understood; absolute; to be freed */

#endif
