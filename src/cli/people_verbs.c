/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Enclaves, members and votes, told to a person. */
#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
        cli_put(c, STYLE_BOLD, cli_text(e, "safety"), false);
        printf("\n");
    } else if (strcmp(state, "refused") == 0) {
        printf("    refused by vote\n");
    } else if (strcmp(state, "member") == 0) {
        show_files(c, e, opt);
    }
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
    if (cli_number(e, "unread") > 0) {
        printf("    %llu unread\n", (unsigned long long)cli_number(e, "unread"));
        cli_next(c, "enclave read%s", opt);
    }
    if (cli_number(e, "open_proposals") > 0) {
        printf("    %llu vote%s open\n", (unsigned long long)cli_number(e, "open_proposals"),
               cli_number(e, "open_proposals") == 1 ? " is" : "s are");
        cli_next(c, "enclave proposals%s", opt);
    }
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
             "    enclave join CODE --as NICK\nThen everybody inside votes: enclave proposals",
             when);
    return 0;
}

/* ---- join ---- */

static void show_safety(struct cli *c)
{
    const char *code = cli_text(c->doc, "safety");
    if (*code == '\0' || c->quiet) return;
    printf("Compare this code with a member, by voice; it must be the same on both sides:\n    ");
    cli_put(c, STYLE_BOLD, code, false);
    printf("\n");
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

/* ---- votes ---- */

static void show_ballots(struct cli *c, const json_t *p)
{
    size_t i;
    json_t *b;
    printf("    votes: ");
    json_array_foreach(json_object_get(p, "ballots"), i, b)
    {
        const char *choice = cli_text(b, "choice");
        enum cli_style style = strcmp(choice, "yes") == 0  ? STYLE_GOOD
                               : strcmp(choice, "no") == 0 ? STYLE_BAD
                                                           : STYLE_DIM;
        if (i > 0) printf(", ");
        cli_put(c, STYLE_PLAIN, cli_text(b, "nick"), false);
        printf(" ");
        cli_put(c, style, choice, false);
    }
    printf("\n");
}

static void show_proposal(struct cli *c, const json_t *p)
{
    char when[24];
    const char *name = getenv("ENCLAVE_NAME");
    const char *given = cli_param(c, "enclave");
    char opt[96] = "";
    if (name == NULL && given != NULL) snprintf(opt, sizeof opt, " --enclave %.70s", given);
    cli_time(cli_text(p, "time"), when);
    cli_put(c, STYLE_BOLD, cli_text(p, "nick"), false);
    printf(" wants to come in: %s", cli_text(p, "state"));
    if (cli_text(p, "by")[0] != '\0') {
        printf(", invited by ");
        cli_put(c, STYLE_PLAIN, cli_text(p, "by"), false);
    }
    printf(", %s, ref %s\n", when, cli_text(p, "ref"));
    if (cli_text(p, "message")[0] != '\0') {
        printf("    says: ");
        cli_put(c, STYLE_PLAIN, cli_text(p, "message"), false);
        printf("\n");
    }
    printf("    safety code: ");
    cli_put(c, STYLE_BOLD, cli_text(p, "safety"), false);
    printf("\n    %s\n", cli_bool(p, "compared")
                             ? "the codes were compared by the one who proposed"
                             : "the codes have not been compared: do it by voice before you vote");
    if (json_array_size(json_object_get(p, "ballots")) > 0) show_ballots(c, p);
    if (cli_bool(p, "mine_to_vote"))
        cli_next(c, "enclave vote%s yes %s --compared   (or: no)", opt, cli_text(p, "ref"));
}

int verb_proposals(struct cli *c)
{
    size_t i;
    json_t *p;
    int code = cli_call_args(c, "proposals", NULL, 0);
    if (code != 0) return cli_problem(c);
    if (c->json) return plain_json(c);
    json_array_foreach(json_object_get(c->doc, "proposals"), i, p)
    {
        if (i > 0) printf("\n");
        show_proposal(c, p);
    }
    if (json_array_size(json_object_get(c->doc, "proposals")) == 0)
        cli_note(c, "Nobody asks to be let in.");
    return 0;
}

int verb_vote(struct cli *c)
{
    int code = cli_call_args(c, "vote", NULL, 0);
    if (code != 0) return cli_problem(c);
    if (c->json) return plain_json(c);
    const char *text = enclave_text(c->answer);
    cli_note(c, "%s", *text != '\0' ? text : "Your vote is in the ledger.");
    return 0;
}

int verb_members(struct cli *c)
{
    size_t i;
    json_t *m;
    int code = cli_call_args(c, "members", NULL, 0);
    if (code != 0) return cli_problem(c);
    if (c->json) return plain_json(c);
    struct cli_table *t = cli_table_new(4);
    static const char *const heads[] = {"member", "reached", "keeps", "key"};
    for (size_t h = 0; h < 4; h++) cli_table_cell(t, heads[h]);
    json_array_foreach(json_object_get(c->doc, "members"), i, m)
    {
        char size[16];
        char id[17];
        cli_size(cli_number(m, "held_bytes"), size);
        snprintf(id, sizeof id, "%.16s", cli_text(m, "id"));
        cli_table_cell(t, cli_text(m, "nick"));
        cli_table_cell(t, cli_bool(m, "self") ? "you" : cli_text(m, "path"));
        cli_table_cell(t, size);
        cli_table_cell(t, id);
    }
    cli_table_print(c, t);
    return 0;
}

int verb_leave(struct cli *c)
{
    char said[80];
    char prompt[256];
    char name[80];
    int code = cli_call_args(c, "enclave", NULL, 0);
    if (code != 0) return cli_problem(c);
    snprintf(name, sizeof name, "%s", cli_text(c->doc, "name"));
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
    struct enclave_param params[] = {{"enclave", name, 0}};
    code = cli_call(c, "leave", params, 1);
    if (code != 0) return cli_problem(c);
    if (c->json) return plain_json(c);
    const char *text = enclave_text(c->answer);
    cli_note(c, "%s", *text != '\0' ? text : "You have left; its keys are shredded here.");
    return 0;
}
