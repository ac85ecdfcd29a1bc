/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Versions of files, trash, retention, gc. */
#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Local time: a date means to its end. */
static bool local_time(const char *text, time_t *ret)
{
    struct tm t = {0};
    const char *end = strptime(text, "%Y-%m-%d", &t);
    if (end == NULL) return false;
    if (*end == '\0') {
        t.tm_hour = 23;
        t.tm_min = 59;
        t.tm_sec = 59;
    } else {
        if (*end != 'T' && *end != ' ') return false;
        const char *clock = end + 1;
        end = strptime(clock, "%H:%M:%S", &t);
        if (end == NULL) end = strptime(clock, "%H:%M", &t);
        if (end == NULL) return false;
        if (strcmp(end, "Z") == 0) {
            *ret = timegm(&t);
            return true;
        }
        if (*end != '\0') return false;
    }
    t.tm_isdst = -1;
    *ret = mktime(&t);
    return *ret != (time_t)-1;
}

int cli_at(struct cli *c)
{
    const char *said = cli_param(c, "at");
    struct tm t;
    time_t when;
    if (said == NULL) return 0;
    if (!local_time(said, &when)) {
        char *ms = cli_parse_duration(said);
        if (ms == NULL)
            return cli_fail(c, 2, NULL,
                            "TIME is so long ago (2h, 3d), a date such as 2026-12-24, or a time "
                            "such as 2026-12-24T18:00, not \"%s\"",
                            said);
        when = time(NULL) - (time_t)(strtoull(ms, NULL, 10) / 1000);
        free(ms);
    }
    if (gmtime_r(&when, &t) == NULL || strftime(c->at, sizeof c->at, "%Y-%m-%dT%H:%M:%SZ", &t) == 0)
        return cli_fail(c, 2, NULL, "%s is no time that can be meant", said);
    for (size_t i = 0; i < c->op->n_params; i++)
        if (strcmp(c->op->params[i].name, "at") == 0) c->params[i].text = c->at;
    return 0;
}

static void print_list(struct cli *c, bool trash)
{
    size_t i;
    json_t *v;
    struct cli_table *t = cli_table_new(6);
    static const char *const heads[] = {"number", "size", "put", "by", "state", "name"};
    static const char *const heads_trash[] = {"number", "size", "removed", "by", "until", "name"};
    for (size_t h = 0; h < 6; h++) cli_table_cell(t, trash ? heads_trash[h] : heads[h]);
    json_array_foreach(json_object_get(c->doc, "versions"), i, v)
    {
        char number[24];
        char size[16];
        char when[24];
        char state[64];
        char name[4400];
        snprintf(number, sizeof number, "%llu", (unsigned long long)cli_number(v, "number"));
        cli_size(cli_number(v, "size"), size);
        cli_time(cli_text(v, trash ? "gone" : "time"), when);
        snprintf(state, sizeof state, "%s", cli_text(v, "state"));
        if (trash) cli_time(cli_text(v, "until"), state);
        unsigned long long older = cli_number(v, "older");
        if (older > 0)
            snprintf(name, sizeof name, "%.4300s (and %llu older)", cli_text(v, "path"), older);
        else
            snprintf(name, sizeof name, "%.4300s", cli_text(v, "path"));
        cli_table_cell(t, number);
        cli_table_cell(t, size);
        cli_table_cell(t, when);
        cli_table_cell(t, cli_text(v, trash ? "gone_by" : "by"));
        cli_table_cell(t, state);
        cli_table_cell(t, name);
    }
    cli_table_print(c, t);
}

static size_t listed(const struct cli *c)
{
    return json_array_size(json_object_get(c->doc, "versions"));
}

int verb_versions(struct cli *c)
{
    int code = cli_call_args(c, "versions", NULL, 0);
    if (code != 0) return cli_problem(c);
    if (c->json)
        cli_print_json(c);
    else
        print_list(c, false);
    return 0;
}

int verb_trash(struct cli *c)
{
    int code = cli_call_args(c, "trash", NULL, 0);
    if (code != 0) return cli_problem(c);
    if (c->json) {
        cli_print_json(c);
    } else if (listed(c) == 0) {
        cli_note(c, "The trash is empty.");
    } else {
        print_list(c, true);
        cli_note(c, "next: enclave restore NAME");
    }
    return 0;
}

int verb_restore(struct cli *c)
{
    int code = cli_at(c);
    return code != 0 ? code : verb_plain(c);
}

int verb_retention(struct cli *c)
{
    int code = cli_call_args(c, "retention", NULL, 0);
    if (code != 0) return cli_problem(c);
    if (c->json)
        cli_print_json(c);
    else
        printf("%s\n", cli_text(c->doc, "keep"));
    return 0;
}

/* Only what was asked for and answered is let go: the list that was shown is what the rules say. */
int verb_gc(struct cli *c)
{
    char size[16];
    char prompt[120];
    int code = cli_call_args(c, "gc", NULL, 0);
    if (code != 0) return cli_problem(c);
    size_t n = listed(c);
    if (c->json && !c->yes) {
        cli_print_json(c);
        return 0;
    }
    if (n == 0) {
        if (c->json)
            cli_print_json(c);
        else
            cli_note(c, "There is nothing to free: all that is kept is within its time.");
        return 0;
    }
    if (!c->json) {
        print_list(c, false);
        cli_size(cli_number(c->doc, "bytes"), size);
        printf("%zu version%s, %s of shards at all holders\n", n, n == 1 ? "" : "s", size);
        snprintf(prompt, sizeof prompt, "Let %s go for good? [y/N] ", n == 1 ? "it" : "them");
        fflush(stdout);
        if (!c->yes && !cli_can_ask()) {
            cli_note(c, "next: enclave gc --yes");
            return 0;
        }
        code = cli_confirm(c, prompt);
        if (code != 0) return code;
    }
    code = cli_call_args(c, "gc_run", NULL, 0);
    if (code != 0) return cli_problem(c);
    if (c->json)
        cli_print_json(c);
    else
        cli_note(c, "Done: the holders throw the shards away within the hour.");
    return 0;
}
