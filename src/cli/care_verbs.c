/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Kits, machines, absence, and the ledger looked at. */
#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int plain_json(struct cli *c, int code)
{
    cli_print_json(c);
    return code;
}

/* ---- away ---- */

static void print_utc(time_t when, char out[32])
{
    struct tm t;
    if (gmtime_r(&when, &t) == NULL || strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &t) == 0)
        out[0] = '\0';
}

/* A date means to its end, here. */
static bool end_of_day(const char *text, time_t *ret)
{
    struct tm t = {0};
    const char *end = strptime(text, "%Y-%m-%d", &t);
    if (strlen(text) != 10 || end == NULL || *end != '\0') return false;
    t.tm_hour = 23;
    t.tm_min = 59;
    t.tm_sec = 59;
    t.tm_isdst = -1;
    *ret = mktime(&t);
    return *ret != (time_t)-1;
}

static bool moment(const char *text, time_t *ret)
{
    if (end_of_day(text, ret)) return true;
    char *ms = cli_parse_duration(text);
    if (ms == NULL) return false;
    *ret = time(NULL) + (time_t)(strtoull(ms, NULL, 10) / 1000);
    free(ms);
    return true;
}

int verb_away(struct cli *c)
{
    char utc[32] = "back";
    char when[24];
    time_t until = 0;
    const char *said = cli_param(c, "until");
    bool back = strcmp(said, "back") == 0;
    if (!back && !moment(said, &until))
        return cli_fail(c, 2, NULL,
                        "UNTIL is a time such as 3d, a date such as 2026-12-24, or back, "
                        "not \"%s\"",
                        said);
    if (!back && until <= time(NULL))
        return cli_fail(c, 2, "enclave away back, if you are back", "%s is past", said);
    if (!back) print_utc(until, utc);
    for (size_t i = 0; i < c->op->n_params; i++)
        if (strcmp(c->op->params[i].name, "until") == 0) c->params[i].text = utc;
    int code = cli_call_args(c, "away", NULL, 0);
    if (code != 0) return cli_problem(c);
    if (c->json) return plain_json(c, 0);
    cli_time(utc, when);
    if (back)
        cli_note(c, "The others see that you are back.");
    else
        cli_note(c,
                 "The others see that you are away until %s.\nnext: enclave away back, when you "
                 "are back",
                 when);
    return 0;
}

/* ---- the recovery kit ---- */

int verb_kit(struct cli *c)
{
    const char *file = cli_param(c, "file");
    int code = cli_call_args(c, "kit", NULL, 0);
    if (code != 0) return cli_problem(c);
    if (file == NULL && c->json) return plain_json(c, 0);
    if (file == NULL) {
        cli_put(c, STYLE_PLAIN, cli_text(c->doc, "kit"), true);
        return 0;
    }
    code = cli_write_file(c, file, cli_text(c->doc, "kit"));
    if (code != 0) return code;
    if (c->json) {
        json_t *o = json_pack("{s:s*, s:s}", "file", file, "text", "the recovery kit is written");
        char *dump = o == NULL ? NULL : json_dumps(o, JSON_COMPACT);
        if (dump != NULL) puts(dump);
        free(dump);
        json_decref(o);
        return 0;
    }
    cli_note(c,
             "The recovery kit is in %s. Keep a copy away from this machine; without the 24 words "
             "it is worth nothing to anybody.",
             file);
    return 0;
}

/* What the sentinels said, as an exit code. */
static int revoked(struct cli *c)
{
    uint64_t all = cli_number(c->doc, "enclaves");
    uint64_t told = cli_number(c->doc, "told");
    int code = told >= all ? 0 : told > 0 ? 3 : 13;
    if (c->json) return plain_json(c, code);
    const char *detail = cli_text(c->doc, "detail");
    if (*detail != '\0') {
        cli_put(c, STYLE_PLAIN, detail, true);
        if (detail[strlen(detail) - 1] != '\n') printf("\n");
    }
    printf("%llu of %llu enclaves have taken the revocation.\n", (unsigned long long)told,
           (unsigned long long)all);
    fflush(stdout);
    if (code != 0)
        cli_note(c, "next: the same command again, when the other sentinels can be reached");
    else
        cli_note(c, "The members' daemons shut that machine out by themselves.");
    return code;
}

int verb_revoke(struct cli *c)
{
    struct cli_secret words;
    char own[4300];
    int code = 0;
    const char *path = cli_param(c, "kit_file");
    snprintf(own, sizeof own, "%s/recovery-kit", enclave_home(c->client));
    char *kit = cli_read_file(c, path != NULL ? path : own, &code);
    if (kit == NULL) {
        if (path == NULL)
            cli_note(c, "next: enclave revoke-self --kit FILE, with a copy of the kit");
        return code;
    }
    cli_note(
        c, "This shuts the machine that the kit was made on out of %s%s. It cannot be taken back.",
        cli_param(c, "name") != NULL ? "the enclave " : "all its enclaves",
        cli_param(c, "name") != NULL ? cli_param(c, "name") : "");
    code = cli_words(c, &words);
    if (code == 0 && !cli_daemon_runs(c)) code = cli_spawn(c);
    if (code == 0) {
        struct enclave_param params[] = {
            {"words", words.text, 0}, {"kit", kit, 0}, {"name", cli_param(c, "name"), 0}};
        code = cli_call(c, "revoke", params, 3);
        code = code == 0 ? revoked(c) : cli_problem(c);
    }
    cli_wipe(&words, sizeof words);
    free(kit);
    return code;
}

/* ---- verify ---- */

static void counts(const json_t *v)
{
    printf("ledger    %llu entries: %llu valid, %llu void\n",
           (unsigned long long)cli_number(v, "entries"), (unsigned long long)cli_number(v, "valid"),
           (unsigned long long)cli_number(v, "void"));
    printf("keys      %llu epochs, %llu changes\n", (unsigned long long)cli_number(v, "epochs"),
           (unsigned long long)cli_number(v, "commits"));
    printf("votes     %llu; %llu secret and %llu open tallies counted again\n",
           (unsigned long long)cli_number(v, "votes"),
           (unsigned long long)cli_number(v, "tallies_secret"),
           (unsigned long long)cli_number(v, "tallies_open"));
    printf("proposals %llu passed, %llu refused, %llu expired, %llu withdrawn, %llu void\n",
           (unsigned long long)cli_number(v, "passed"),
           (unsigned long long)cli_number(v, "refused"),
           (unsigned long long)cli_number(v, "expired"),
           (unsigned long long)cli_number(v, "withdrawn"),
           (unsigned long long)cli_number(v, "voided"));
    printf("members   %llu inside, %llu ever\n", (unsigned long long)cli_number(v, "members"),
           (unsigned long long)cli_number(v, "members_ever"));
}

/* 64 digits in groups of 8, to be read aloud. */
static void show_head(const struct cli *c, const char *head)
{
    printf("head     ");
    for (size_t i = 0; i < strlen(head); i += 8) {
        char group[9];
        snprintf(group, sizeof group, "%.8s", head + i);
        printf(" ");
        cli_put(c, STYLE_PLAIN, group, false);
    }
    printf("\n");
}

static int show_verdict(struct cli *c)
{
    const json_t *v = c->doc;
    bool fork = cli_bool(v, "fork");
    bool good = cli_bool(v, "agrees") && !fork;
    if (c->json) return plain_json(c, good ? 0 : 8);
    counts(v);
    show_head(c, cli_text(v, "head"));
    if (cli_text(v, "voids")[0] != '\0') {
        printf("void entries (they change nothing):\n");
        cli_put(c, STYLE_DIM, cli_text(v, "voids"), true);
        printf("\n");
    }
    if (good) {
        cli_put(c, STYLE_GOOD, "everything agrees", false);
        printf("\n");
        return 0;
    }
    if (fork) {
        cli_put(c, STYLE_BAD, "a proof is kept that somebody signed two histories", false);
        printf("\n");
        cli_next(c, "enclave verify --save-proof FILE");
    }
    if (!cli_bool(v, "agrees")) {
        cli_put(c, STYLE_BAD, "it does not agree with what this member keeps", false);
        printf("\n");
        cli_next(c, "enclave status");
    }
    return 8;
}

static int check_proof(struct cli *c, const char *path)
{
    int code = 0;
    char *proof = cli_read_file(c, path, &code);
    if (proof == NULL) return code;
    if (!cli_daemon_runs(c)) code = cli_spawn(c);
    if (code == 0) {
        struct enclave_param params[] = {{"proof", proof, 0}};
        code = cli_call(c, "proof_check", params, 1);
        if (code != 0) code = cli_problem(c);
    }
    free(proof);
    if (code != 0) return code;
    if (c->json) return plain_json(c, 0);
    cli_put(c, STYLE_PLAIN, enclave_text(c->answer), true);
    printf("\n");
    return 0;
}

static int save_proof(struct cli *c, const char *path)
{
    int code = cli_call_args(c, "proof", NULL, 0);
    if (code != 0) return cli_problem(c);
    code = cli_write_file(c, path, cli_text(c->doc, "proof"));
    if (code != 0) return code;
    if (c->json) return plain_json(c, 0);
    cli_note(c, "The proof is in %s. Anybody can check it: enclave verify --proof FILE", path);
    return 0;
}

int verb_verify(struct cli *c)
{
    const char *proof = cli_param(c, "proof");
    const char *save = cli_param(c, "save_proof");
    if (proof != NULL && save != NULL)
        return cli_fail(c, 2, NULL, "--proof and --save-proof exclude each other");
    if (proof != NULL) return check_proof(c, proof);
    if (save != NULL) return save_proof(c, save);
    int code = cli_call_args(c, "verify", NULL, 0);
    return code == 0 ? show_verdict(c) : cli_problem(c);
}
