/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What takes its time has a thread and a connection of its own, and speaks through the box. */
#include "cli/broadcast.h"
#include "cli/chat.h"
#include "cli/talk/words.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#define EVENTS_WAIT "30000"
#define PAUSE_MOST_MS 8000
#define SLICE "500" /* how often a transfer is looked at */

enum job_kind { JOB_EVENTS, JOB_VOTE, JOB_FILE, JOB_BROADCAST };

struct chat_job {
    enum job_kind kind;
    pthread_t thread;
    struct chat_box *box;
    struct enclave *client;
    int stop_fd; /* readable: be quick */
    atomic_bool stop, ended;
    char name[80]; /* of the enclave */
    char *text;    /* what is said; a path; whom a vote is about */
    bool yes, compared, now, plain;
    struct broadcast *everywhere;
    uint64_t last; /* event */
};

static json_t *call(struct chat_job *j, const char *operation, const struct enclave_param *params,
                    size_t n, int *ret_code, char problem[512])
{
    struct enclave_answer *a = enclave_call(j->client, operation, params, n);
    *ret_code = enclave_exit(a);
    if (problem != NULL) snprintf(problem, 512, "%s", enclave_text(a));
    json_t *doc = json_loads(enclave_json(a), 0, NULL);
    enclave_answer_free(a);
    return doc;
}

/* False: the chat ends. */
static bool pause_ms(struct chat_job *j, unsigned ms)
{
    struct pollfd fd = {j->stop_fd, POLLIN, 0};
    while (poll(&fd, 1, (int)ms) < 0 && errno == EINTR) continue;
    return !atomic_load(&j->stop);
}

/* ---- events ---- */

/* A daemon that was started again counts from 1. */
static bool daemon_is_back(struct chat_job *j)
{
    int code;
    json_t *doc = call(j, "daemon_status", NULL, 0, &code, NULL);
    bool open = code == 0 && strcmp(cli_text(doc, "vault"), "open") == 0;
    if (open) j->last = cli_number(doc, "last_event");
    json_decref(doc);
    return open;
}

static void wait_until_back(struct chat_job *j, const char *problem)
{
    unsigned pause = 250;
    chat_box_put(j->box, NEWS_LOST, NULL, problem);
    while (pause_ms(j, pause)) {
        if (daemon_is_back(j)) {
            chat_box_put(j->box, NEWS_BACK, NULL, NULL);
            return;
        }
        pause = pause * 2 > PAUSE_MOST_MS ? PAUSE_MOST_MS : pause * 2;
    }
}

static void follow_events(struct chat_job *j)
{
    while (!atomic_load(&j->stop)) {
        char after[24];
        char problem[512];
        int code;
        size_t i;
        json_t *e;
        snprintf(after, sizeof after, "%llu", (unsigned long long)j->last);
        struct enclave_param params[] = {{"after", after, 0}, {"wait", EVENTS_WAIT, 0}};
        json_t *doc = call(j, "events", params, 2, &code, problem);
        if (code == 0) {
            if (cli_bool(doc, "missed")) chat_box_put(j->box, NEWS_MISSED, NULL, NULL);
            json_array_foreach(json_object_get(doc, "events"), i, e)
                chat_box_put(j->box, NEWS_EVENT, json_deep_copy(e), NULL);
            j->last = cli_number(doc, "last");
        } else if (!atomic_load(&j->stop)) {
            wait_until_back(j, problem);
        }
        json_decref(doc);
    }
}

/* ---- votes ---- */

static void cast_vote(struct chat_job *j)
{
    struct enclave_param params[5] = {{"choice", j->yes ? "yes" : "no", 0},
                                      {"enclave", j->name, 0}};
    size_t n = 2;
    char text[512];
    int code;
    if (*j->text != '\0') params[n++] = (struct enclave_param){"who", j->text, 0};
    if (j->compared) params[n++] = (struct enclave_param){"compared", "true", 0};
    if (j->now) params[n++] = (struct enclave_param){"now", "true", 0};
    json_decref(call(j, "vote", params, n, &code, text));
    if (code != 130) chat_box_say(j->box, code == 0 ? STYLE_GOOD : STYLE_BAD, "%s", text);
}

/* ---- files ---- */

static bool is(const json_t *t, const char *state)
{
    return strcmp(cli_text(t, "state"), state) == 0;
}

static void tell_progress(struct chat_job *j, const json_t *t)
{
    char text[96];
    uint64_t all = cli_number(t, "total");
    if (all == 0)
        snprintf(text, sizeof text, "%.40s: %.20s", cli_text(t, "path"), cli_text(t, "state"));
    else
        snprintf(text, sizeof text, "%.40s: %.20s %u%%", cli_text(t, "path"), cli_text(t, "state"),
                 (unsigned)(cli_number(t, "bytes") * 100 / all));
    chat_box_put(j->box, NEWS_PROGRESS, NULL, text);
}

static void say_file(struct chat_job *j, const json_t *t)
{
    char size[16];
    char said[4600];
    char problem[512];
    int code;
    cli_size(cli_number(t, "total"), size);
    snprintf(said, sizeof said, "put %.4300s (%s)", cli_text(t, "path"), size);
    chat_box_say(j->box, STYLE_GOOD, "%.2000s: %.1000s", cli_text(t, "path"), cli_text(t, "text"));
    struct enclave_param params[] = {{"text", said, 0}, {"enclave", j->name, 0}};
    json_decref(call(j, "send", params, 2, &code, problem));
    if (code != 0) chat_box_say(j->box, STYLE_BAD, "it could not be said: %s", problem);
}

/* Looks again at each event, or twice a second. NULL: no daemon, or stopped; problem tells. */
static json_t *follow_transfer(struct chat_job *j, json_t *t, char problem[512])
{
    char id[24];
    int code = 0;
    snprintf(id, sizeof id, "%llu", (unsigned long long)cli_number(t, "id"));
    while (code == 0 && !is(t, "failed") && !is(t, "safe") && !is(t, "accepted")) {
        char after[24];
        struct enclave_param by_id[] = {{"id", id, 0}};
        tell_progress(j, t);
        snprintf(after, sizeof after, "%llu", (unsigned long long)j->last);
        struct enclave_param events[] = {{"after", after, 0}, {"wait", SLICE, 0}};
        json_t *seen = call(j, "events", events, 2, &code, problem);
        if (code == 0) j->last = cli_number(seen, "last");
        json_decref(seen);
        json_decref(t);
        t = code == 0 ? call(j, "transfer", by_id, 1, &code, problem) : NULL;
    }
    if (code == 0) return t;
    json_decref(t);
    return NULL;
}

static void put_file(struct chat_job *j)
{
    char problem[512];
    int code;
    struct enclave_param params[] = {{"local", j->text, 0}, {"enclave", j->name, 0}};
    json_t *t = call(j, "put", params, 2, &code, problem);
    if (code == 0) {
        t = follow_transfer(j, t, problem);
    } else {
        json_decref(t);
        t = NULL;
    }
    chat_box_put(j->box, NEWS_PROGRESS, NULL, "");
    if (t == NULL && !atomic_load(&j->stop))
        chat_box_say(j->box, STYLE_BAD, "%.2000s: %s", j->text, problem);
    else if (t != NULL && is(t, "failed"))
        chat_box_say(j->box, STYLE_BAD, "%.2000s: %.1000s", cli_text(t, "path"),
                     cli_text(t, "text"));
    else if (t != NULL)
        say_file(j, t);
    json_decref(t);
}

/* ---- broadcasts ---- */

static bool wait_gap(void *arg, const struct broadcast *b, unsigned ms)
{
    struct chat_job *j = arg;
    char text[48];
    snprintf(text, sizeof text, "broadcast %zu/%zu", b->delivered, b->n);
    if (ms > 0) chat_box_put(j->box, NEWS_PROGRESS, NULL, text);
    return pause_ms(j, ms);
}

static void tell_failed(void *arg, const struct broadcast *b, size_t i)
{
    struct chat_job *j = arg;
    chat_box_say(j->box, STYLE_BAD, "%.80s: %s", broadcast_name(b, i), b->list[i].problem);
}

static void say_everywhere(struct chat_job *j)
{
    struct buf report = BUF_INIT;
    struct broadcast_ways ways = {wait_gap, tell_failed, j};
    int code = broadcast_say(j->client, j->everywhere, j->text, j->now, &ways);
    chat_box_put(j->box, NEWS_PROGRESS, NULL, "");
    broadcast_report(j->everywhere, &report);
    chat_box_say(j->box, code == 0 ? STYLE_GOOD : STYLE_BAD, "%s",
                 report.bad ? "out of memory" : (const char *)report.p);
    buf_free(&report);
}

/* ---- threads ---- */

static void *run(void *arg)
{
    struct chat_job *j = arg;
    switch (j->kind) {
    case JOB_EVENTS: follow_events(j); break;
    case JOB_VOTE: cast_vote(j); break;
    case JOB_FILE: put_file(j); break;
    case JOB_BROADCAST: say_everywhere(j); break;
    }
    atomic_store(&j->ended, true);
    chat_box_put(j->box, NEWS_JOB_ENDED, NULL, NULL);
    return NULL;
}

static void job_free(struct chat_job *j)
{
    if (j == NULL) return;
    if (j->stop_fd >= 0) close(j->stop_fd);
    enclave_close(j->client);
    if (j->text != NULL) bytes_wipe(j->text, strlen(j->text));
    free(j->text);
    broadcast_free(j->everywhere);
    free(j);
}

/* text is taken over. */
static struct chat_job *job_new(struct chat *ch, enum job_kind kind, char *text)
{
    struct chat_job *j = calloc(1, sizeof *j);
    if (j == NULL) {
        free(text);
        return NULL;
    }
    j->kind = kind;
    j->box = &ch->box;
    j->text = text;
    j->plain = ch->plain;
    j->stop_fd = eventfd(0, EFD_CLOEXEC);
    snprintf(j->name, sizeof j->name, "%s", ch->name);
    if (j->stop_fd >= 0 && (text != NULL || kind == JOB_EVENTS) &&
        enclave_open(enclave_home(ch->c->client), &j->client) == 0)
        return j;
    job_free(j);
    return NULL;
}

static void start(struct chat *ch, struct chat_job *j)
{
    for (size_t i = 0; i < CHAT_JOBS_MAX && j != NULL; i++) {
        if (ch->jobs[i] != NULL) continue;
        if (pthread_create(&j->thread, NULL, run, j) != 0) break;
        ch->jobs[i] = j;
        return;
    }
    job_free(j);
    chat_show_line(ch, STYLE_BAD, "that cannot be done now: too much runs already");
}

bool chat_jobs_wait_events(struct chat *ch, uint64_t last_event)
{
    struct chat_job *j = job_new(ch, JOB_EVENTS, NULL);
    if (j == NULL) return false;
    j->last = last_event;
    if (pthread_create(&j->thread, NULL, run, j) != 0) {
        job_free(j);
        return false;
    }
    ch->waiter = j;
    return true;
}

void chat_jobs_vote(struct chat *ch, const struct talk_line *line)
{
    struct chat_job *j = job_new(ch, JOB_VOTE, strndup((const char *)line->who.p, line->who.n));
    if (j != NULL) {
        j->yes = line->yes;
        j->compared = line->compared;
        j->now = line->now;
    }
    start(ch, j);
}

char *chat_path(const char *typed)
{
    const char *home = getenv("HOME");
    if (typed[0] != '~' || typed[1] != '/' || home == NULL) return cli_absolute(typed);
    size_t n = strlen(home) + strlen(typed);
    char *out = malloc(n);
    if (out != NULL) snprintf(out, n, "%s%s", home, typed + 1);
    return out;
}

void chat_jobs_file(struct chat *ch, const char *path)
{
    struct stat st;
    char *local = chat_path(path);
    size_t n = local == NULL ? 0 : strlen(local);
    bool there = local != NULL && stat(local, &st) == 0;
    while (!there && n > 0 && local[n - 1] == ' ') { /* a blank behind it is rarely part of it */
        local[--n] = '\0';
        there = stat(local, &st) == 0;
    }
    if (!there) {
        chat_show_line(ch, STYLE_BAD, "%s: %s", path, strerror(errno));
        free(local);
        return;
    }
    if (!S_ISREG(st.st_mode)) {
        chat_show_line(ch, STYLE_BAD, "%s is not a file", path);
        free(local);
        return;
    }
    start(ch, job_new(ch, JOB_FILE, local));
}

void chat_jobs_broadcast(struct chat *ch, struct broadcast *b, const char *text, bool now)
{
    struct chat_job *j = job_new(ch, JOB_BROADCAST, strdup(text));
    if (j != NULL) {
        j->now = now;
        j->everywhere = b;
    } else {
        broadcast_free(b);
    }
    start(ch, j);
}

uint64_t chat_jobs_running(const struct chat *ch)
{
    uint64_t n = 0;
    for (size_t i = 0; i < CHAT_JOBS_MAX; i++) n += ch->jobs[i] != NULL;
    return n;
}

bool chat_jobs_broadcasting(const struct chat *ch)
{
    for (size_t i = 0; i < CHAT_JOBS_MAX; i++)
        if (ch->jobs[i] != NULL && ch->jobs[i]->kind == JOB_BROADCAST) return true;
    return false;
}

void chat_jobs_ended(struct chat *ch)
{
    for (size_t i = 0; i < CHAT_JOBS_MAX; i++) {
        if (ch->jobs[i] == NULL || !atomic_load(&ch->jobs[i]->ended)) continue;
        pthread_join(ch->jobs[i]->thread, NULL);
        job_free(ch->jobs[i]);
        ch->jobs[i] = NULL;
    }
}

static void stop(struct chat_job *j)
{
    const uint64_t one = 1;
    if (j == NULL) return;
    atomic_store(&j->stop, true);
    (void)!write(j->stop_fd, &one, sizeof one);
    enclave_cancel(j->client);
}

void chat_jobs_end(struct chat *ch)
{
    stop(ch->waiter);
    for (size_t i = 0; i < CHAT_JOBS_MAX; i++) stop(ch->jobs[i]);
    if (ch->waiter != NULL) pthread_join(ch->waiter->thread, NULL);
    job_free(ch->waiter);
    ch->waiter = NULL;
    for (size_t i = 0; i < CHAT_JOBS_MAX; i++) {
        if (ch->jobs[i] == NULL) continue;
        pthread_join(ch->jobs[i]->thread, NULL);
        job_free(ch->jobs[i]);
        ch->jobs[i] = NULL;
    }
}
