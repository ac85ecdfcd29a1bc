/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Audits of the holders, and why one is thought of as it is. */
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>

#define SLICE_MS 250
#define LOSS_EXIT 8

static void percent(const json_t *o, const char *name, char out[8])
{
    snprintf(out, 8, "%llu %%", (unsigned long long)cli_number(o, name));
}

static size_t still_asking(const struct cli *c, size_t *ret_all)
{
    size_t i, n = 0;
    json_t *h;
    json_array_foreach(json_object_get(c->doc, "holders"), i, h) if (cli_bool(h, "asking")) n++;
    *ret_all = json_array_size(json_object_get(c->doc, "holders"));
    return n;
}

/* Waits until everybody was asked; what is known then is in c->doc. */
static int wait_for_all(struct cli *c)
{
    uint64_t event = UINT64_MAX, start = cli_now_ms();
    bool shown = c->tty_err && !c->quiet && !c->json;
    for (;;) {
        size_t all;
        int code = cli_call_args(c, "audits", NULL, 0);
        if (code != 0) return cli_problem(c);
        size_t left = still_asking(c, &all);
        if (left == 0) break;
        uint64_t took = cli_now_ms() - start;
        if (shown && all > left) {
            char eta[16];
            cli_duration(took * left / (all - left), eta);
            fprintf(stderr, "\r\033[K%zu of %zu members asked, about %s left", all - left, all,
                    eta);
        } else if (shown) {
            fprintf(stderr, "\r\033[K0 of %zu members asked", all);
        }
        fflush(stderr);
        if (cli_timed_out(c))
            return cli_fail(c, 13, "enclave audit", "it takes longer; the daemon goes on asking");
        if (event == UINT64_MAX) {
            code = cli_call(c, "daemon_status", NULL, 0);
            if (code == 0) event = cli_number(c->doc, "last_event");
        } else {
            code = cli_wait_event(c, &event, SLICE_MS);
        }
        if (code != 0) return cli_problem(c);
    }
    if (shown) fputs("\r\033[K", stderr);
    return 0;
}

static int losses(const struct cli *c)
{
    size_t i;
    json_t *h;
    json_array_foreach(json_object_get(c->doc, "holders"), i,
                       h) if (cli_number(h, "lost") + cli_number(h, "wrong") > 0) return LOSS_EXIT;
    return 0;
}

static void print_holders(struct cli *c)
{
    static const char *const heads[] = {"member", "score", "there", "last", "right", "how it went"};
    size_t i;
    json_t *h;
    struct cli_table *t = cli_table_new(6);
    for (i = 0; i < 6; i++) cli_table_cell(t, heads[i]);
    json_array_foreach(json_object_get(c->doc, "holders"), i, h)
    {
        char score[8], there[8], when[24], right[48];
        percent(h, "score", score);
        percent(h, "availability", there);
        cli_time(cli_text(h, "last"), when);
        snprintf(right, sizeof right, "%llu of %llu", (unsigned long long)cli_number(h, "right"),
                 (unsigned long long)cli_number(h, "asked"));
        cli_table_cell(t, cli_text(h, "nick"));
        cli_table_cell(t, score);
        cli_table_cell(t, there);
        cli_table_cell(t, cli_number(h, "rounds") == 0 ? "never" : when);
        cli_table_cell(t, right);
        cli_table_cell(t, cli_text(h, "text"));
    }
    cli_table_print(c, t);
    json_array_foreach(
        json_object_get(c->doc, "holders"), i,
        h) if (cli_number(h, "lost") + cli_number(h, "wrong") + cli_number(h, "late") > 0)
        cli_next(c, "enclave storage why %s", cli_text(h, "nick"));
}

int verb_audit(struct cli *c)
{
    int code = 0;
    if (cli_flag(c, "now")) {
        code = cli_call_args(c, "audit_now", NULL, 0);
        if (code != 0) return cli_problem(c);
        code = wait_for_all(c);
    } else {
        code = cli_call_args(c, "audits", NULL, 0);
        if (code != 0) code = cli_problem(c);
    }
    if (code != 0) return code;
    code = losses(c);
    if (c->json)
        cli_print_json(c);
    else if (json_array_size(json_object_get(c->doc, "holders")) == 0)
        cli_note(c, "Nobody else is inside who could hold something.");
    else
        print_holders(c);
    return code;
}

int verb_storage_why(struct cli *c)
{
    size_t i;
    json_t *f;
    int code = cli_call_args(c, "storage_why", NULL, 0);
    if (code != 0) return cli_problem(c);
    if (c->json) {
        cli_print_json(c);
        return 0;
    }
    const json_t *h = c->doc;
    char when[24];
    bool good = strcmp(cli_text(h, "standing"), "good") == 0;
    cli_put(c, STYLE_BOLD, cli_text(h, "nick"), false);
    printf(": ");
    cli_put(c, good ? STYLE_GOOD : STYLE_BAD, cli_text(h, "standing"), false);
    printf(", score %llu %%", (unsigned long long)cli_number(h, "score"));
    if (json_object_get(h, "before") != NULL)
        printf(" (%llu %% before today)", (unsigned long long)cli_number(h, "before"));
    printf("\nthere: %llu %% of 30 days, as seen at %llu looks\n",
           (unsigned long long)cli_number(h, "availability"),
           (unsigned long long)cli_number(h, "looks"));
    printf("last time: %llu of %llu right; ", (unsigned long long)cli_number(h, "right"),
           (unsigned long long)cli_number(h, "asked"));
    cli_put(c, STYLE_PLAIN, cli_text(h, "text"), false);
    printf("\n");
    json_array_foreach(json_object_get(h, "faults"), i, f)
    {
        cli_time(cli_text(f, "time"), when);
        printf("  %s  shard %llu of segment %s: ", when, (unsigned long long)cli_number(f, "shard"),
               cli_text(f, "segment"));
        cli_put(c, STYLE_PLAIN, cli_text(f, "cause"), false);
        printf(" (seen by ");
        cli_put(c, STYLE_PLAIN, cli_text(f, "by"), false);
        if (cli_number(f, "times") > 1)
            printf(", %llu times", (unsigned long long)cli_number(f, "times"));
        printf(")\n");
    }
    if (json_array_size(json_object_get(h, "faults")) == 0) printf("  no failed audit is known\n");
    printf("next: ");
    cli_put(c, STYLE_PLAIN, cli_text(h, "next"), false);
    printf("\n");
    return 0;
}

int verb_audit_log(struct cli *c)
{
    size_t i;
    json_t *e;
    int code = cli_call_args(c, "audit_log", NULL, 0);
    if (code != 0) return cli_problem(c);
    if (c->json) {
        cli_print_json(c);
        return 0;
    }
    if (json_array_size(json_object_get(c->doc, "entries")) == 0)
        cli_note(c, "There are no receipts yet: members show theirs every six hours, and at once "
                    "after a fault.");
    json_array_foreach(json_object_get(c->doc, "entries"), i, e)
    {
        char when[24];
        cli_time(cli_text(e, "time"), when);
        printf("%s  ", when);
        cli_put(c, STYLE_BOLD, cli_text(e, "by"), false);
        printf(" asked ");
        cli_put(c, STYLE_PLAIN, cli_text(e, "text"), false);
        printf("\n");
    }
    return 0;
}

int verb_audit_verify(struct cli *c)
{
    static const struct {
        const char *name, *words;
    } parts[] = {{"entries", "entries"},
                 {"rounds", "audits that they tell of"},
                 {"proofs", "proofs of a loss that hold"},
                 {"digests", "daily sums in the ledger that are right"},
                 {"unread_digests", "sums whose receipts are not here any more"},
                 {"unreadable", "from before your time, which you have no keys for"},
                 {"malformed", "malformed"},
                 {"broken", "chains that are broken"},
                 {"missing", "audits that were left out"},
                 {"false_proofs", "proofs that do not hold"},
                 {"false_digests", "daily sums in the ledger that are false"}};
    int code = cli_call_args(c, "audit_verify", NULL, 0);
    if (code != 0) return cli_problem(c);
    bool whole = cli_bool(c->doc, "whole");
    if (c->json) {
        cli_print_json(c);
        return whole ? 0 : LOSS_EXIT;
    }
    cli_put(c, whole ? STYLE_GOOD : STYLE_BAD, cli_text(c->doc, "text"), false);
    printf("\n");
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (cli_number(c->doc, parts[i].name) > 0)
            printf("  %llu %s\n", (unsigned long long)cli_number(c->doc, parts[i].name),
                   parts[i].words);
    return whole ? 0 : LOSS_EXIT;
}
