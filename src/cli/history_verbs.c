/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* History: what is kept, files of it, what members share of it. */
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DAY_MS UINT64_C(86400000)
#define SLICE_MS 250 /* how often progress is looked at */

/* ---- what there is ---- */

static void day_of(const char *time, char out[24])
{
    cli_time(time, out);
    if (*time == '\0') snprintf(out, 24, "-");
}

static void show_kept(const struct cli *c, const json_t *list)
{
    size_t i;
    const json_t *e;
    struct cli_table *t = cli_table_new(3);
    cli_table_cell(t, "ENCLAVE");
    cli_table_cell(t, "OLDEST");
    cli_table_cell(t, "KEPT");
    json_array_foreach(list, i, e)
    {
        char since[24], keep[40] = "forever";
        day_of(cli_text(e, "since"), since);
        if (cli_number(e, "keep_ms") > 0)
            snprintf(keep, sizeof keep, "%llu days, then erased here",
                     (unsigned long long)(cli_number(e, "keep_ms") / DAY_MS));
        cli_table_cell(t, cli_text(e, "enclave"));
        cli_table_cell(t, since);
        cli_table_cell(t, keep);
    }
    cli_table_print(c, t);
}

static void show_archives(const struct cli *c, const json_t *list)
{
    size_t i;
    const json_t *a;
    struct cli_table *t = cli_table_new(5);
    static const char *const heads[] = {"ARCHIVE", "MESSAGES", "FROM", "TO", "WHERE FROM"};
    for (i = 0; i < 5; i++) cli_table_cell(t, heads[i]);
    json_array_foreach(list, i, a)
    {
        char number[24], since[24], until[24], from[200];
        day_of(cli_text(a, "since"), since);
        day_of(cli_text(a, "until"), until);
        snprintf(number, sizeof number, "%llu", (unsigned long long)cli_number(a, "messages"));
        snprintf(from, sizeof from, cli_bool(a, "shared") ? "shared by %s" : "a file of %s",
                 cli_text(a, "by"));
        cli_table_cell(t, cli_text(a, "name"));
        cli_table_cell(t, number);
        cli_table_cell(t, since);
        cli_table_cell(t, until);
        cli_table_cell(t, from);
    }
    cli_table_print(c, t);
}

int verb_history(struct cli *c)
{
    if (cli_call_args(c, "history", NULL, 0) != 0) return cli_problem(c);
    if (c->json) {
        cli_print_json(c);
        return 0;
    }
    const json_t *kept = json_object_get(c->doc, "enclaves");
    const json_t *archives = json_object_get(c->doc, "archives");
    if (json_array_size(kept) > 0) show_kept(c, kept);
    if (json_array_size(kept) > 0 && json_array_size(archives) > 0) printf("\n");
    if (json_array_size(archives) > 0) {
        show_archives(c, archives);
        cli_note(c, "next: enclave history read NAME");
    }
    if (json_array_size(kept) == 0 && json_array_size(archives) == 0)
        cli_note(c, "There is nothing yet.");
    return 0;
}

/* ---- what its answer says ---- */

static int tell(struct cli *c, int code)
{
    if (code != 0) return cli_problem(c);
    if (c->json)
        cli_print_json(c);
    else
        cli_note(c, "%s", enclave_text(c->answer));
    return 0;
}

int verb_history_keep(struct cli *c)
{
    if (strcmp(cli_param(c, "time"), "forever") != 0) {
        cli_note(c,
                 "Messages that came longer ago are erased from this disk, now and from now on.");
        int code = cli_confirm(c, "Go on? [y/N] ");
        if (code != 0) return code;
    }
    return tell(c, cli_call_args(c, "history_keep", NULL, 0));
}

int verb_history_share(struct cli *c)
{
    cli_warn_doubt(c);
    return tell(c, cli_call_args(c, "history_share", NULL, 0));
}

int verb_history_forget(struct cli *c)
{
    char prompt[200];
    snprintf(prompt, sizeof prompt, "Erase %.100s from this machine? [y/N] ",
             cli_param(c, "archive"));
    int code = cli_confirm(c, prompt);
    return code != 0 ? code : tell(c, cli_call_args(c, "history_forget", NULL, 0));
}

/* ---- reading an archive ---- */

/* Who vouches for it comes before it, on stderr. */
static int say_whose(struct cli *c)
{
    size_t i;
    const json_t *a;
    if (cli_call(c, "history", NULL, 0) != 0) return cli_problem(c);
    json_array_foreach(json_object_get(c->doc, "archives"), i, a)
    {
        if (strcmp(cli_text(a, "name"), cli_param(c, "archive")) != 0) continue;
        cli_note(c,
                 cli_bool(a, "shared")
                     ? "History of %s, shared by %s, who alone vouches for it:"
                     : "History of %s, from a file that %s wrote; whoever had its password could "
                       "have changed it:",
                 cli_text(a, "enclave"), cli_text(a, "by"));
    }
    return 0;
}

int verb_history_read(struct cli *c)
{
    char from[24];
    const char *given = cli_param(c, "from");
    size_t found = 0, i;
    json_t *all = json_array(), *m;
    snprintf(from, sizeof from, "%s", given == NULL ? "1" : given);
    int code = c->json ? 0 : say_whose(c);
    if (code != 0) {
        json_decref(all);
        return code;
    }
    do {
        for (i = 0; i < c->op->n_params; i++)
            if (strcmp(c->op->params[i].name, "from") == 0) c->params[i].text = from;
        code = cli_call_args(c, "history_read", NULL, 0);
        if (code != 0) break;
        found += json_array_size(json_object_get(c->doc, "messages"));
        if (c->json) json_array_extend(all, json_object_get(c->doc, "messages"));
        json_array_foreach(json_object_get(c->doc, "messages"), i, m)
        {
            char when[24];
            cli_time(cli_text(m, "time"), when);
            if (!c->json) cli_message(c, m, when, true, false);
        }
        snprintf(from, sizeof from, "%llu", (unsigned long long)cli_number(c->doc, "next"));
    } while (strcmp(from, "0") != 0);
    if (code == 0 && c->json) {
        json_object_set(c->doc, "messages", all);
        cli_print_json(c);
    } else if (code == 0 && found == 0) {
        cli_note(c, "No message of it holds all of these words.");
    }
    json_decref(all);
    return code == 0 ? 0 : cli_problem(c);
}

/* ---- files ---- */

static void show_progress(const struct cli *c)
{
    char eta[16];
    uint64_t total = cli_number(c->doc, "total"), done = cli_number(c->doc, "done");
    if (!c->tty_err || c->quiet || c->json) return;
    fprintf(stderr, "\r\033[K%s", cli_text(c->doc, "state"));
    if (total > 0 && done > 0) {
        cli_duration(cli_number(c->doc, "eta_ms"), eta);
        fprintf(stderr, " %3u%%  %llu messages  %llu%s/s", (unsigned)(done * 100 / total),
                (unsigned long long)cli_number(c->doc, "messages"),
                (unsigned long long)cli_number(c->doc, "rate"),
                strcmp(cli_text(c->doc, "kind"), "import") == 0 ? " bytes" : "");
        if (cli_number(c->doc, "eta_ms") > 0) fprintf(stderr, "  %s left", eta);
    }
    fflush(stderr);
}

static bool is_over(const struct cli *c)
{
    const char *state = cli_text(c->doc, "state");
    return strcmp(state, "done") == 0 || strcmp(state, "failed") == 0;
}

static int wait_for(struct cli *c)
{
    uint64_t event = UINT64_MAX; /* unknown: the first wait only tells where we are */
    while (!is_over(c)) {
        int code;
        show_progress(c);
        if (cli_timed_out(c)) return 13;
        if (event == UINT64_MAX) {
            code = cli_call(c, "daemon_status", NULL, 0);
            event = code == 0 ? cli_number(c->doc, "last_event") : event;
        } else {
            code = cli_wait_event(c, &event, SLICE_MS);
        }
        if (code == 0) code = cli_call(c, "history_job", NULL, 0);
        if (code != 0) return code;
    }
    return 0;
}

/* Waits for the job that the last answer tells of; its own exit code. */
static int follow(struct cli *c)
{
    int code = wait_for(c);
    if (c->tty_err && !c->quiet && !c->json) fputs("\r\033[K", stderr);
    if (code == 130) {
        cli_note(c, "It goes on in the daemon.");
        return 130;
    }
    if (code == 13 && cli_timed_out(c))
        return cli_fail(c, 13, NULL, "it takes longer; it goes on in the daemon");
    if (code != 0) return cli_problem(c);
    bool failed = strcmp(cli_text(c->doc, "state"), "failed") == 0;
    code = failed ? (int)cli_number(c->doc, "exit") : 0;
    if (failed && code == 0) code = 1;
    if (c->json)
        cli_print_json(c);
    else if (failed)
        return cli_fail(c, code, NULL, "%s", cli_text(c->doc, "text"));
    else
        cli_note(c, "%s", cli_text(c->doc, "text"));
    return code;
}

static int with_password(struct cli *c, const char *operation, bool twice)
{
    struct cli_secret password;
    int code = cli_password(c, "Password of the file: ", twice, &password);
    if (code != 0) return code;
    struct enclave_param more = {"password", password.text, 0};
    code = cli_call_args(c, operation, &more, 1);
    cli_wipe(&password, sizeof password);
    return code == 0 ? follow(c) : cli_problem(c);
}

/* One page of messages as lines. -1: go on from *from. */
static int plain_page(struct cli *c, FILE *out, uint64_t *from, uint64_t *written)
{
    char text[24];
    size_t i;
    json_t *m;
    snprintf(text, sizeof text, "%llu", (unsigned long long)*from);
    struct enclave_param params[] = {{"from", text, 0}, {"enclave", cli_param(c, "enclave"), 0}};
    const char *name = getenv("ENCLAVE_NAME");
    if (params[1].value == NULL && name != NULL && *name != '\0') params[1].value = name;
    int code = cli_call(c, "read", params, 2);
    if (code != 0) return cli_problem(c);
    json_array_foreach(json_object_get(c->doc, "messages"), i, m)
    {
        *from = cli_number(m, "number") + 1;
        if (*cli_text(m, "ends") != '\0' || cli_bool(m, "unsaid")) continue;
        if (json_dumpf(m, out, JSON_COMPACT) != 0 || fputc('\n', out) == EOF)
            return cli_fail(c, 1, NULL, "%s: %s", cli_param(c, "local"), strerror(errno));
        ++*written;
    }
    return cli_bool(c->doc, "more") ? -1 : 0;
}

static int export_plain(struct cli *c)
{
    const char *path = cli_param(c, "local");
    uint64_t from = 1, written = 0;
    cli_note(c, "warning: the file is not sealed: whoever gets it reads every word, private ones "
                "too, and sees who said them.");
    int code = cli_confirm(c, "Write it all the same? [y/N] ");
    if (code != 0) return code;
    int fd = open(path,
                  O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC |
                      (cli_flag(c, "replace") ? O_TRUNC : O_EXCL),
                  0600);
    if (fd < 0) return cli_fail(c, errno == EEXIST ? 5 : 1, NULL, "%s: %s", path, strerror(errno));
    FILE *out = fchmod(fd, 0600) == 0 ? fdopen(fd, "w") : NULL;
    if (out == NULL) {
        close(fd);
        return cli_fail(c, 1, NULL, "%s: %s", path, strerror(errno));
    }
    do {
        code = plain_page(c, out, &from, &written);
    } while (code == -1);
    bool good = fflush(out) == 0 && fsync(fileno(out)) == 0;
    if ((fclose(out) != 0 || !good) && code == 0)
        code = cli_fail(c, errno == ENOSPC ? 9 : 1, NULL, "%s: %s", path, strerror(errno));
    if (code != 0) unlink(path);
    if (code == 0 && c->json)
        printf("{\"messages\": %llu}\n", (unsigned long long)written);
    else if (code == 0)
        cli_note(c, "%llu messages are in %s, readable by everybody who gets it.",
                 (unsigned long long)written, path);
    return code;
}

int verb_history_export(struct cli *c)
{
    if (cli_flag(c, "plain")) return export_plain(c);
    return with_password(c, "history_export", true);
}

int verb_history_import(struct cli *c)
{
    const char *path = cli_param(c, "local");
    if (access(path, R_OK) != 0)
        return cli_fail(c, errno == ENOENT ? 4 : 1, NULL, "%s: %s", path, strerror(errno));
    return with_password(c, "history_import", false);
}
