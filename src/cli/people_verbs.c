/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Enclaves and their members, told to a person. */
#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define JOIN_WAIT_MS 30000

static int plain_json(struct cli *c)
{
    cli_print_json(c);
    return 0;
}

/* " --enclave NAME" where there is more than one enclave. */
static const char *which(const json_t *enclaves, const char *name, char room[96])
{
    room[0] = '\0';
    if (json_array_size(enclaves) > 1) snprintf(room, 96, " --enclave %.70s", name);
    return room;
}

/* ---- status ---- */

struct care {
    unsigned files;
    unsigned lonely; /* would not survive the loss of one holder */
    uint64_t bad;
};

/* Files at the top of the enclave and below, as far as a quick look goes. */
static void look_at_files(struct cli *c, const char *enclave, const char *path, struct care *care,
                          unsigned *budget)
{
    struct enclave_param params[] = {{"enclave", enclave, 0}, {"path", path, 0}};
    struct enclave_answer *a = enclave_call(c->client, "ls", params, *path == '\0' ? 1 : 2);
    json_t *doc = enclave_exit(a) == 0 ? json_loads(enclave_json(a), 0, NULL) : NULL;
    size_t i;
    json_t *f;
    json_array_foreach(json_object_get(doc, "files"), i, f)
    {
        if (*budget == 0) break;
        (*budget)--;
        if (cli_bool(f, "directory")) {
            if (!cli_bool(f, "path_encoded"))
                look_at_files(c, enclave, cli_text(f, "path"), care, budget);
            continue;
        }
        care->files++;
        care->bad += cli_number(f, "bad_shards");
        if (cli_number(f, "may_vanish") == 0) care->lonely++;
    }
    json_decref(doc);
    enclave_answer_free(a);
}

static void show_files(struct cli *c, const json_t *e, const char *opt)
{
    struct care care = {0};
    unsigned budget = 500;
    look_at_files(c, cli_text(e, "name"), "", &care, &budget);
    if (care.files == 0) return;
    if (care.lonely == 0 && care.bad == 0) {
        printf("    %u file%s, each survives the loss of a member\n", care.files,
               care.files == 1 ? "" : "s");
        return;
    }
    if (care.lonely > 0) {
        char text[96];
        snprintf(text, sizeof text, "%u of %u file%s would not survive the loss of one holder",
                 care.lonely, care.files, care.files == 1 ? "" : "s");
        printf("    ");
        cli_put(c, STYLE_WARN, text, false);
        printf("\n");
    }
    if (care.bad > 0) printf("    %llu damaged shards are known\n", (unsigned long long)care.bad);
    cli_next(c, "enclave ls%s", opt);
}

static void show_state(struct cli *c, const json_t *e, const char *opt)
{
    const char *state = cli_text(e, "state");
    if (strcmp(state, "joining") == 0) {
        printf(
            "    waiting for the others' votes; compare this code with a member, by voice:\n    ");
        cli_safety(c, cli_text(e, "safety"));
    } else if (strcmp(state, "refused") == 0) {
        printf("    refused by vote\n");
    } else if (strcmp(state, "removed") == 0) {
        printf("    you were removed: ");
        cli_put(c, STYLE_WARN, cli_text(e, "removed"), false);
        printf("\n    what is here can still be read; to erase it:\n");
        cli_next(c, "enclave destroy --enclave %.70s", cli_text(e, "name"));
    } else if (strcmp(state, "member") == 0) {
        show_files(c, e, opt);
    }
}

/* Two members who read this to each other know that they see one history. */
static void show_history(struct cli *c, const json_t *e)
{
    char text[256];
    uint64_t members = cli_number(e, "members");
    if (strcmp(cli_text(e, "state"), "member") != 0 || members < 2) return;
    printf("    history: %llu entries, head %s, confirmed by %llu of %llu members\n",
           (unsigned long long)cli_number(e, "ledger_count"), cli_text(e, "head"),
           (unsigned long long)cli_number(e, "confirmed"), (unsigned long long)members);
    if (!cli_bool(e, "doubtful")) return;
    cli_doubt(e, text, sizeof text);
    printf("    ");
    cli_put(c, STYLE_BAD, text, false);
    printf("\n");
}

/* Votes that wait for oneself are named, the others only counted. */
static void show_votes(struct cli *c, const json_t *e, const char *opt)
{
    uint64_t open = cli_number(e, "open_proposals");
    size_t i;
    json_t *p;
    if (open == 0) return;
    printf("    %llu vote%s open\n", (unsigned long long)open, open == 1 ? " is" : "s are");
    struct enclave_param params[] = {{"enclave", cli_text(e, "name"), 0}};
    struct enclave_answer *a = enclave_call(c->client, "proposals", params, 1);
    json_t *doc = enclave_exit(a) == 0 ? json_loads(enclave_json(a), 0, NULL) : NULL;
    json_array_foreach(json_object_get(doc, "proposals"), i, p)
    {
        char text[256];
        char when[24];
        if (!cli_bool(p, "mine_to_vote")) continue;
        cli_about(p, text, sizeof text);
        printf("    your vote is waited for: ");
        cli_put(c, STYLE_WARN, text, false);
        if (cli_text(p, "deadline")[0] != '\0') {
            cli_time(cli_text(p, "deadline"), when);
            printf(" (until %s)", when);
        }
        printf("\n");
    }
    json_decref(doc);
    enclave_answer_free(a);
    cli_next(c, "enclave proposals%s", opt);
}

static void show_enclave(struct cli *c, const json_t *all, const json_t *e)
{
    char room[96];
    const char *opt = which(all, cli_text(e, "name"), room);
    bool online = cli_bool(e, "online");
    cli_put(c, STYLE_BOLD, cli_text(e, "name"), false);
    printf("  %s as ", cli_text(e, "state"));
    cli_put(c, STYLE_PLAIN, cli_text(e, "nick"), false);
    if (cli_number(e, "members") > 0)
        printf(", %llu of %llu members reachable", (unsigned long long)cli_number(e, "reachable"),
               (unsigned long long)cli_number(e, "members"));
    printf(", sentinel ");
    cli_put(c, STYLE_PLAIN, cli_text(e, "sentinel"), false);
    printf(" ");
    cli_put(c, online ? STYLE_GOOD : STYLE_BAD, online ? "online" : "not reachable", false);
    printf("\n");
    if (cli_text(e, "trouble")[0] != '\0') {
        printf("    ");
        cli_put(c, STYLE_WARN, cli_text(e, "trouble"), false);
        printf("\n");
    }
    show_state(c, e, opt);
    show_history(c, e);
    if (cli_number(e, "unread") > 0) {
        printf("    %llu unread\n", (unsigned long long)cli_number(e, "unread"));
        cli_next(c, "enclave read%s", opt);
    }
    show_votes(c, e, opt);
    if (cli_number(e, "keep_ms") > 0)
        printf("    this machine erases messages after %llu days\n",
               (unsigned long long)(cli_number(e, "keep_ms") / 86400000));
    if (cli_number(e, "outbox") > 0)
        printf("    %llu entr%s to be sent\n", (unsigned long long)cli_number(e, "outbox"),
               cli_number(e, "outbox") == 1 ? "y waits" : "ies wait");
    if (strcmp(cli_text(e, "state"), "member") == 0 && cli_number(e, "members") == 1) {
        printf("    you are alone in it\n");
        cli_next(c, "enclave invite%s", opt);
    }
}

static int status_without_vault(struct cli *c, const char *vault)
{
    if (strcmp(vault, "none") == 0) {
        printf("The daemon runs; there is no vault yet.\n");
        cli_next(c, "enclave init");
    } else {
        printf("The daemon runs; the vault is %s.\n", vault);
        cli_next(c, "enclave daemon start");
    }
    return 0;
}

int verb_status(struct cli *c)
{
    size_t i;
    json_t *e;
    int code = cli_call_args(c, "status", NULL, 0);
    if (code != 0) return cli_problem(c);
    if (c->json) return plain_json(c);
    if (strcmp(cli_text(c->doc, "vault"), "open") != 0)
        return status_without_vault(c, cli_text(c->doc, "vault"));
    json_t *doc = json_incref(c->doc);
    json_t *enclaves = json_object_get(doc, "enclaves");
    json_array_foreach(enclaves, i, e) show_enclave(c, enclaves, e);
    if (json_array_size(enclaves) == 0) {
        printf("You are in no enclave yet.\n");
        cli_next(c, "enclave create NAME --as NICK --sentinel HOST:PORT#PIN");
        cli_next(c, "enclave join CODE --as NICK");
    }
    json_array_foreach(json_object_get(doc, "transfers"), i, e)
    {
        printf("%s of ", cli_text(e, "kind"));
        cli_put(c, STYLE_PLAIN, cli_text(e, "path"), false);
        printf(": ");
        cli_put(c, STYLE_PLAIN, cli_text(e, "text"), false);
        printf("\n");
    }
    if (cli_text(doc, "hosted")[0] != '\0') {
        printf("The sentinel inside: ");
        cli_put(c, STYLE_PLAIN, cli_text(doc, "hosted"), false);
        printf("\n");
    }
    json_decref(doc);
    return 0;
}

/* ---- create, invite ---- */

/* A name for the others to know us by: asked for, else the login name. */
static int nick(struct cli *c, char room[80], struct enclave_param *param, size_t *ret_n)
{
    *ret_n = 0;
    if (cli_param(c, "nick") != NULL) return 0;
    const char *user = getenv("USER");
    if (c->tty_out && cli_can_ask()) {
        int code = cli_ask(c, "Your name in this enclave: ", true, room, 80);
        if (code != 0) return code;
    } else {
        snprintf(room, 80, "%s", user != NULL ? user : "");
    }
    if (room[0] == '\0')
        return cli_fail(c, 2, "the same with --as NICK", "what shall the others call you?");
    *param = (struct enclave_param){"nick", room, 0};
    *ret_n = 1;
    return 0;
}

int verb_create(struct cli *c)
{
    char room[80];
    struct enclave_param more;
    size_t n;
    int code = nick(c, room, &more, &n);
    if (code != 0) return code;
    code = cli_call_args(c, "create", &more, n);
    if (code != 0) return cli_problem(c);
    if (c->json) return plain_json(c);
    printf("The enclave ");
    cli_put(c, STYLE_BOLD, cli_text(c->doc, "name"), false);
    printf(" is founded; you are ");
    cli_put(c, STYLE_PLAIN, cli_text(c->doc, "nick"), false);
    printf(", its first member.\n");
    if (strcmp(cli_text(c->doc, "mode"), "direct") == 0)
        cli_note(c, "Members will connect to each other directly and so see each other's addresses "
                    "(--mode relay hides them).");
    cli_next(c, "enclave invite");
    return 0;
}

int verb_invite(struct cli *c)
{
    char when[24];
    int code = cli_call_args(c, "invite", NULL, 0);
    if (code != 0) return cli_problem(c);
    if (c->json) return plain_json(c);
    /* The code alone on stdout: it can be piped. */
    cli_put(c, STYLE_PLAIN, cli_text(c->doc, "code"), false);
    printf("\n");
    cli_time(cli_text(c->doc, "expires"), when);
    cli_note(c,
             "Good for one person, until %s. Hand it over by a way that you trust. They type:\n"
             "    enclave join CODE --as NICK\nThen everybody inside votes: %s",
             when, c->chat ? "/votes" : "enclave proposals");
    return 0;
}

/* ---- join ---- */

static void show_safety(struct cli *c)
{
    const char *code = cli_text(c->doc, "safety");
    if (*code == '\0' || c->quiet) return;
    printf("Compare this code with a member, by voice; it must be the same on both sides:\n    ");
    cli_safety(c, code);
    fflush(stdout);
}

/* The state of a join: 0 inside, 7 pending, or another exit code (problem not yet printed). */
static int join_once(struct cli *c)
{
    int code = cli_call_args(c, "join", NULL, 0);
    if (code != 0) return code;
    const char *state = cli_text(c->doc, "state");
    if (strcmp(state, "member") == 0) return 0;
    if (strcmp(state, "refused") == 0) return 6;
    return 7;
}

static int join_end(struct cli *c, int code)
{
    bool problem = enclave_exit(c->answer) != 0;
    if (code != 0 && code != 7 && problem) return cli_problem(c);
    if (c->json) {
        cli_print_json(c);
        return code;
    }
    if (code == 0) {
        printf("You are inside");
        if (cli_text(c->doc, "name")[0] != '\0') {
            printf(": ");
            cli_put(c, STYLE_BOLD, cli_text(c->doc, "name"), false);
        }
        printf("\n");
        cli_next(c, "enclave status");
    } else if (code == 6) {
        fprintf(stderr, "enclave: refused by vote\n");
    } else {
        if (cli_text(c->doc, "safety")[0] != '\0') show_safety(c);
        cli_note(c, "The request is in; everybody inside has to vote yes.\n"
                    "next: the same command again, or with --wait");
    }
    return code;
}

int verb_join(struct cli *c)
{
    uint64_t last = 0;
    bool shown = false;
    int code = 0;
    if (cli_call(c, "daemon_status", NULL, 0) != 0) return cli_problem(c);
    last = cli_number(c->doc, "last_event");
    for (;;) {
        code = join_once(c);
        if (code != 7 || !cli_flag(c, "wait")) return join_end(c, code);
        if (!shown && !c->json && cli_text(c->doc, "safety")[0] != '\0') {
            show_safety(c);
            cli_note(c, "Waiting for the votes (Ctrl-C stops waiting, not the request) ...");
            shown = true;
        }
        uint64_t left = JOIN_WAIT_MS;
        if (c->deadline_ms != 0) {
            uint64_t now = cli_now_ms();
            if (now >= c->deadline_ms) return join_end(c, 7);
            if (c->deadline_ms - now < left) left = c->deadline_ms - now;
        }
        code = cli_wait_event(c, &last, (unsigned)left);
        /* The call itself ran out of --timeout: the state is still pending. */
        if (code == 13 && cli_timed_out(c)) return cli_fail(c, 7, NULL, "the vote is still open");
        if (code != 0) return cli_problem(c);
    }
}

/* ---- members ---- */

/* Nicks that a shell takes as they are; others go by the number of their leaf. */
static void name_to_type(const json_t *m, char out[80])
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._";
    const char *nick = cli_text(m, "nick");
    if (*nick != '\0' && nick[strspn(nick, plain)] == '\0')
        snprintf(out, 80, "%s", nick);
    else
        snprintf(out, 80, "%llu", (unsigned long long)cli_number(m, "leaf"));
}

/* Who is away, and who has fallen silent and what can be done. */
static void show_absence(struct cli *c, const json_t *m)
{
    char text[160];
    char when[24];
    char who[80];
    char opt[96];
    if (cli_text(m, "away")[0] != '\0') {
        cli_time(cli_text(m, "away"), when);
        snprintf(text, sizeof text, "%s is away until %s", cli_text(m, "nick"), when);
        cli_put(c, STYLE_PLAIN, text, false);
        printf("\n");
    }
    if (cli_number(m, "muted") > 0) {
        snprintf(text, sizeof text,
                 "%s is flooding: %llu messages muted; see them with: enclave read --muted",
                 cli_text(m, "nick"), (unsigned long long)cli_number(m, "muted"));
        cli_put(c, STYLE_WARN, text, false);
        printf("\n");
    }
    if (!cli_bool(m, "silent")) return;
    long long last = cli_when(cli_text(m, "last"));
    if (last > 0)
        snprintf(text, sizeof text, "%s has been silent for %lld days", cli_text(m, "nick"),
                 ((long long)time(NULL) - last) / 86400);
    else
        snprintf(text, sizeof text, "%s has been silent since the beginning", cli_text(m, "nick"));
    cli_put(c, STYLE_WARN, text, false);
    printf("\n");
    name_to_type(m, who);
    cli_next(c, "enclave remove%s %s", cli_enclave_option(c, opt), who);
}

static void member_row(struct cli_table *t, const json_t *m, uint64_t count)
{
    char size[16];
    char id[17];
    char agreed[48];
    char when[24];
    uint64_t n = cli_number(m, "agreed");
    bool self = cli_bool(m, "self");
    cli_size(cli_number(m, "held_bytes"), size);
    snprintf(id, sizeof id, "%.16s", cli_text(m, "id"));
    cli_time(cli_text(m, "last"), when);
    if (count == 0 || n >= count)
        snprintf(agreed, sizeof agreed, count == 0 ? "?" : "all");
    else
        snprintf(agreed, sizeof agreed, "%llu of %llu", (unsigned long long)n,
                 (unsigned long long)count);
    cli_table_cell(t, cli_text(m, "nick"));
    cli_table_cell(t, self ? "you" : cli_text(m, "path"));
    cli_table_cell(t, size);
    cli_table_cell(t, self ? "-" : agreed);
    cli_table_cell(t, self || when[0] == '?' ? "-" : when);
    cli_table_cell(t, id);
}

int verb_members(struct cli *c)
{
    size_t i;
    json_t *m;
    uint64_t count = 0;
    if (!c->json && cli_call_args(c, "enclave", NULL, 0) == 0)
        count = cli_number(c->doc, "ledger_count");
    int code = cli_call_args(c, "members", NULL, 0);
    if (code != 0) return cli_problem(c);
    if (c->json) return plain_json(c);
    struct cli_table *t = cli_table_new(6);
    static const char *const heads[] = {"member", "reached", "keeps", "agrees", "last seen", "key"};
    for (size_t h = 0; h < 6; h++) cli_table_cell(t, heads[h]);
    json_array_foreach(json_object_get(c->doc, "members"), i, m) member_row(t, m, count);
    cli_table_print(c, t);
    json_array_foreach(json_object_get(c->doc, "members"), i, m) show_absence(c, m);
    return 0;
}

/* ---- going ---- */

/* What goes with us, as far as this member knows; nothing if the daemon cannot tell. */
static void show_loss(struct cli *c, const char *name, bool handed)
{
    struct enclave_param params[] = {{"enclave", name, 0}};
    char size[16];
    if (cli_call(c, "leave_preview", params, 1) != 0) return;
    const json_t *v = c->doc;
    uint64_t files = cli_number(v, "files");
    uint64_t lost = cli_number(v, "lost");
    if (cli_number(v, "members") == 1) {
        cli_note(c, "You are the last one in it: the enclave ends with you, with its %llu file%s.",
                 (unsigned long long)files, files == 1 ? "" : "s");
        return;
    }
    if (lost > 0 && handed) {
        cli_size(cli_number(v, "lost_bytes"), size);
        cli_note(c,
                 "Only you hold what %llu of its %llu files need (%s): it is handed over to the "
                 "others first.",
                 (unsigned long long)lost, (unsigned long long)files, size);
    } else if (lost > 0) {
        cli_size(cli_number(v, "lost_bytes"), size);
        cli_note(c,
                 "warning: only you hold what %llu of its %llu files need: %s would be lost to the "
                 "others:",
                 (unsigned long long)lost, (unsigned long long)files, size);
        cli_note(c, "%s%s", cli_text(v, "examples"), lost > 10 ? "\n..." : "");
    }
    if (cli_number(v, "weaker") > 0 && !handed)
        cli_note(c, "%llu more would survive, but not one loss more.",
                 (unsigned long long)cli_number(v, "weaker"));
    if (lost == 0 && files > 0) cli_note(c, "The others can read every file without you.");
}

/* Hands over, leaves; c->doc is the last answer. */
static int leave_in_order(struct cli *c, const char *name)
{
    struct enclave_param params[] = {{"enclave", name, 0}, {"background", "true", 0}};
    int code = cli_call(c, "leave", params, 2);
    if (code != 0 || cli_flag(c, "background")) return code != 0 ? cli_problem(c) : 0;
    code = cli_watch(c, name, "leave");
    if (code == 130) {
        cli_note(c, "It goes on in the daemon: enclave transfers shows how far it is.");
        return 130;
    }
    if (code == 13 && cli_timed_out(c))
        return cli_fail(c, 13, "enclave transfers", "it takes longer; it goes on in the daemon");
    return code == 0 ? 0 : cli_problem(c);
}

int verb_leave(struct cli *c)
{
    char said[80];
    char prompt[256];
    char name[80];
    int code = cli_call_args(c, "enclave", NULL, 0);
    if (code != 0) return cli_problem(c);
    snprintf(name, sizeof name, "%s", cli_text(c->doc, "name"));
    if (!c->json && strcmp(cli_text(c->doc, "state"), "member") == 0)
        show_loss(c, name, !cli_flag(c, "now"));
    if (!c->yes) {
        if (!cli_can_ask())
            return cli_fail(c, 2, "the same with --yes", "leaving cannot be undone");
        cli_note(c, "Leaving cannot be undone: this enclave's keys on this machine are shredded, "
                    "its words and files are gone for you.");
        snprintf(prompt, sizeof prompt, "Type the enclave's name to leave it (%s): ", name);
        code = cli_ask(c, prompt, true, said, sizeof said);
        if (code != 0) return code;
        if (strcmp(said, name) != 0)
            return cli_fail(c, 1, NULL, "that is another name: nothing was done");
    }
    struct enclave_param params[] = {{"enclave", name, 0}, {"now", "true", 0}};
    if (cli_flag(c, "now"))
        code = cli_call(c, "leave", params, 2) == 0 ? 0 : cli_problem(c);
    else
        code = leave_in_order(c, name);
    if (code != 0) return code;
    const char *text = cli_flag(c, "background")
                           ? "It hands over and leaves by itself: enclave transfers shows how far "
                             "it is."
                           : "left: its keys, words and shards are erased from this machine";
    if (c->json)
        printf("{\"text\": \"%s\"}\n", text);
    else
        cli_note(c, "%s", text);
    return 0;
}

int verb_destroy(struct cli *c)
{
    char name[80];
    char next[128];
    const char *said = cli_param(c, "yes_really");
    struct enclave_param more = {"enclave", said, 0};
    int code =
        cli_call_args(c, "enclave", &more, said != NULL && cli_param(c, "enclave") == NULL ? 1 : 0);
    if (code != 0) return cli_problem(c);
    snprintf(name, sizeof name, "%s", cli_text(c->doc, "name"));
    if (said == NULL) {
        if (strcmp(cli_text(c->doc, "state"), "member") == 0) {
            show_loss(c, name, false);
            cli_note(c, "To the others you stay a member, and nobody is told: enclave leave is the "
                        "way to go in order.");
        }
        cli_note(c, "Its keys on this machine would be shredded, its words, files and shards here "
                    "erased. It cannot be undone.");
        snprintf(next, sizeof next, "enclave destroy --yes-really %.70s", name);
        return cli_fail(c, 2, next, "nothing was done");
    }
    struct enclave_param params[] = {{"enclave", name, 0}, {"yes_really", said, 0}};
    code = cli_call(c, "destroy", params, 2);
    if (code != 0) return cli_problem(c);
    if (c->json) return plain_json(c);
    const char *text = enclave_text(c->answer);
    cli_note(c, "%s", *text != '\0' ? text : "It is erased here.");
    return 0;
}
