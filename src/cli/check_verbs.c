/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* check and repair: what is kept here, and is it sound? */
#include "cli/cli.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLICE_MS 250 /* how often progress is looked at */

static bool is(const json_t *v, const char *state)
{
    return strcmp(cli_text(v, "state"), state) == 0;
}

static void show_progress(struct cli *c)
{
    char done[16], total[16], rate[16], eta[16];
    if (cli_flag(c, "progress")) {
        fprintf(stderr, "%s\n", enclave_json(c->answer));
        return;
    }
    if (!c->tty_err || c->quiet || c->json) return;
    cli_size(cli_number(c->doc, "bytes"), done);
    cli_size(cli_number(c->doc, "total"), total);
    cli_size(cli_number(c->doc, "rate"), rate);
    cli_duration(cli_number(c->doc, "eta_ms"), eta);
    if (is(c->doc, "shards"))
        fprintf(stderr, "\r\033[Kshards  %s of %s  %s/s", done, total, rate);
    else if (is(c->doc, "mending"))
        fprintf(stderr, "\r\033[Kmending  %" PRIu64 " of %" PRIu64,
                cli_number(c->doc, "shards_mended"),
                cli_number(c->doc, "shards_bad") + cli_number(c->doc, "shards_missing"));
    else
        fprintf(stderr, "\r\033[Kentries  %" PRIu64, cli_number(c->doc, "entries"));
    if (cli_number(c->doc, "eta_ms") > 0) fprintf(stderr, "  %s left", eta);
    fflush(stderr);
}

/* Until it is over; c->doc is what it found. */
static int follow(struct cli *c)
{
    uint64_t event = 0;
    bool first = true;
    int code = 0;
    while (!is(c->doc, "done")) {
        show_progress(c);
        if (cli_timed_out(c)) {
            code = 13;
            break;
        }
        code = first ? cli_call(c, "daemon_status", NULL, 0) : cli_wait_event(c, &event, SLICE_MS);
        if (code != 0) break;
        if (first) event = cli_number(c->doc, "last_event");
        first = false;
        code = cli_call_args(c, "check_look", NULL, 0);
        if (code != 0) break;
    }
    if (c->tty_err && !c->quiet && !c->json && !cli_flag(c, "progress")) fputs("\r\033[K", stderr);
    if (code == 13 && cli_timed_out(c))
        return cli_fail(c, 13, "the same again, with a longer --timeout",
                        "it takes longer; it goes on in the daemon");
    return code == 0 ? 0 : cli_problem(c);
}

static void counts(const json_t *v)
{
    printf("entries  %" PRIu64 " verified, %" PRIu64 " damaged\n", cli_number(v, "entries"),
           cli_number(v, "entries_bad"));
    printf("shards   %" PRIu64 " here verified, %" PRIu64 " damaged, %" PRIu64 " missing\n",
           cli_number(v, "shards"), cli_number(v, "shards_bad"), cli_number(v, "shards_missing"));
    uint64_t far = cli_number(v, "far"), away = cli_number(v, "far_away");
    if (far + away > 0)
        printf("others   %" PRIu64 " of their shards read, %" PRIu64 " damaged; %" PRIu64
               " could not be read now\n",
               far, cli_number(v, "far_bad"), away);
    if (cli_number(v, "shards_mended") + cli_number(v, "entries_mended") > 0)
        printf("mended   %" PRIu64 " shards, %" PRIu64 " entries\n", cli_number(v, "shards_mended"),
               cli_number(v, "entries_mended"));
}

static void hurt(const struct cli *c, const json_t *v)
{
    size_t i;
    json_t *f;
    json_array_foreach(json_object_get(v, "files"), i, f)
    {
        bool readable = cli_bool(f, "readable");
        printf("  ");
        cli_put(c, STYLE_BOLD, cli_text(f, "path"), false);
        printf(": %" PRIu64 " bad shard%s, ", cli_number(f, "bad"),
               cli_number(f, "bad") == 1 ? "" : "s");
        cli_put(c, readable ? STYLE_WARN : STYLE_BAD,
                readable ? "it can still be read" : "it cannot be read now", false);
        printf("\n");
    }
    if (cli_number(v, "files_hurt") > json_array_size(json_object_get(v, "files")))
        printf("  and %" PRIu64 " more\n",
               cli_number(v, "files_hurt") - json_array_size(json_object_get(v, "files")));
}

static int show(struct cli *c)
{
    const json_t *v = c->doc;
    bool sound = cli_bool(v, "sound");
    if (c->json) {
        cli_print_json(c);
        return sound ? 0 : 8;
    }
    counts(v);
    if (cli_text(v, "detail")[0] != '\0') cli_put(c, STYLE_DIM, cli_text(v, "detail"), true);
    hurt(c, v);
    cli_put(c, sound ? STYLE_GOOD : STYLE_BAD, cli_text(v, "text"), false);
    printf("\n");
    if (cli_text(v, "next")[0] != '\0') cli_next(c, "%s", cli_text(v, "next"));
    return sound ? 0 : 8;
}

int verb_check(struct cli *c)
{
    const char *share = cli_param(c, "read_data");
    unsigned long percent = share == NULL ? 1 : strtoul(share, NULL, 10); /* digits, by the table */
    if (percent < 1 || percent > 100)
        return cli_fail(c, 2, NULL, "PERCENT is 1 to 100, not %s", share);
    int code = cli_call_args(c, "check", NULL, 0);
    if (code != 0) return cli_problem(c);
    if (cli_flag(c, "background")) {
        if (c->json)
            cli_print_json(c);
        else
            cli_note(c, "It runs in the daemon; an event tells how it ended.");
        return 0;
    }
    code = follow(c);
    return code == 0 ? show(c) : code;
}

int verb_repair(struct cli *c)
{
    int code = cli_confirm(c, "Make again what is damaged on this machine? What is damaged goes "
                              "when its replacement is verified.");
    if (code != 0) return code;
    code = cli_call_args(c, "repair", NULL, 0);
    if (code != 0) return cli_problem(c);
    code = follow(c);
    return code == 0 ? show(c) : code;
}
