/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What is proposed, votes, and the rules of an enclave. */
#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int plain_json(struct cli *c)
{
    cli_print_json(c);
    return 0;
}

static bool is(const json_t *o, const char *name, const char *value)
{
    return strcmp(cli_text(o, name), value) == 0;
}

static bool is_open(const json_t *p)
{
    return is(p, "state", "knocking") || is(p, "state", "open");
}

/* A line of its own, indented: what is given may come from a stranger. */
static void line(const struct cli *c, const char *before, enum cli_style style, const char *text)
{
    printf("    %s", before);
    cli_put(c, style, text, false);
    printf("\n");
}

void cli_about(const json_t *p, char *out, size_t n)
{
    if (is(p, "kind", "remove"))
        snprintf(out, n, "the removal of %s", cli_text(p, "nick"));
    else if (is(p, "kind", "policy"))
        snprintf(out, n, "other rules");
    else
        snprintf(out, n, "%s, who wants to come in", cli_text(p, "nick"));
}

/* ---- proposals ---- */

static void show_title(struct cli *c, const json_t *p)
{
    char when[24];
    const char *by = cli_text(p, "by");
    bool add = is(p, "kind", "add");
    bool removal = is(p, "kind", "remove");
    cli_put(c, STYLE_BOLD, add ? cli_text(p, "nick") : by, false);
    printf(add ? " wants to come in" : removal ? " wants to remove " : " wants other rules");
    if (removal) cli_put(c, STYLE_BOLD, cli_text(p, "nick"), false);
    printf(": %s", cli_text(p, "state"));
    if (add && *by != '\0') {
        printf(", proposed by ");
        cli_put(c, STYLE_PLAIN, by, false);
    }
    cli_time(cli_text(p, "time"), when);
    printf(", %s, ref %s\n", when, cli_text(p, "ref"));
}

static void show_lines(const struct cli *c, const char *text)
{
    while (*text != '\0') {
        char piece[512];
        size_t n = strcspn(text, "\n");
        snprintf(piece, sizeof piece, "%.*s", n > 500 ? 500 : (int)n, text);
        line(c, "", STYLE_BOLD, piece);
        text += n;
        if (*text == '\n') text++;
    }
}

static void show_matter(struct cli *c, const json_t *p)
{
    const char *message = cli_text(p, "message");
    bool add = is(p, "kind", "add");
    if (is(p, "kind", "policy")) show_lines(c, cli_text(p, "changes"));
    if (*message != '\0')
        line(c, add ? "says: " : "reason: ", STYLE_PLAIN, message);
    else if (!add)
        printf("    no reason is given\n");
    if (!add || cli_text(p, "safety")[0] == '\0') return;
    printf("    safety code: ");
    if (!is_open(p)) {
        cli_put(c, STYLE_BOLD, cli_text(p, "safety"), false);
        printf("\n");
        return;
    }
    cli_safety(c, cli_text(p, "safety"));
    printf("    %s\n", cli_bool(p, "compared")
                           ? "the codes were compared by the one who proposed"
                           : "the codes have not been compared: do it by voice before you vote");
}

static void show_voter(struct cli *c, const json_t *p, const json_t *b, bool first)
{
    const char *choice = cli_text(b, "choice");
    enum cli_style style = strcmp(choice, "yes") == 0  ? STYLE_GOOD
                           : strcmp(choice, "no") == 0 ? STYLE_BAD
                                                       : STYLE_DIM;
    if (!first) printf(", ");
    cli_put(c, STYLE_PLAIN, cli_text(b, "nick"), false);
    if (is_open(p) && cli_text(b, "away")[0] != '\0' && strcmp(choice, "waiting") == 0) {
        char when[24];
        cli_time(cli_text(b, "away"), when);
        printf(" (away until %s)", when);
    }
    if (cli_bool(p, "secret") || strcmp(choice, "waiting") == 0) return;
    printf(" ");
    cli_put(c, style, choice, false);
}

/* Those who wait, or those who do not: a line, if there is anybody. */
static void show_voters(struct cli *c, const json_t *p, bool waiting)
{
    size_t i;
    json_t *b;
    bool any = false;
    bool secret = cli_bool(p, "secret");
    json_array_foreach(json_object_get(p, "ballots"), i, b)
    {
        if ((strcmp(cli_text(b, "choice"), "waiting") == 0) != waiting) continue;
        if (!any)
            printf("    %s: ", waiting ? (is_open(p) ? "waiting for" : "did not vote")
                                       : (secret ? "have voted" : "votes"));
        show_voter(c, p, b, !any);
        any = true;
    }
    if (any) printf("\n");
}

static void show_proposal(struct cli *c, const json_t *p)
{
    char when[24];
    char opt[96];
    cli_enclave_option(c, opt);
    show_title(c, p);
    show_matter(c, p);
    if (is_open(p))
        printf("    %s\n", cli_bool(p, "secret")
                               ? "a secret ballot: nobody learns who says what"
                               : "an open ballot: each vote is signed with its name");
    show_voters(c, p, false);
    show_voters(c, p, true);
    if (is_open(p) && cli_text(p, "deadline")[0] != '\0') {
        cli_time(cli_text(p, "deadline"), when);
        printf("    open until %s\n", when);
    }
    if (is_open(p) && cli_text(p, "limits")[0] != '\0')
        line(c, "note: ", STYLE_PLAIN, cli_text(p, "limits"));
    if (cli_bool(p, "mine_to_vote") && c->chat)
        cli_next(c, "/vote %s yes%s   (or: no)", cli_text(p, "ref"),
                 is(p, "kind", "add") ? " compared" : "");
    else if (cli_bool(p, "mine_to_vote"))
        cli_next(c, "enclave vote%s yes %s%s   (or: no)", opt, cli_text(p, "ref"),
                 is(p, "kind", "add") ? " --compared" : "");
    if (cli_bool(p, "mine_to_withdraw"))
        cli_next(c, "enclave withdraw%s %s   (you proposed it)", opt, cli_text(p, "ref"));
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
        cli_note(c, cli_flag(c, "all") ? "Nothing was ever proposed." : "Nothing is voted on.");
    return 0;
}

/* ---- voting: what is said and done is the same for yes and for no ---- */

static bool is_meant(const json_t *p, const char *who)
{
    size_t n = who == NULL ? 0 : strlen(who);
    if (!cli_bool(p, "mine_to_vote")) return false;
    if (who == NULL || (n > 0 && strncmp(cli_text(p, "ref"), who, n) == 0)) return true;
    for (const char *at = cli_text(p, "nick"); *at != '\0'; at += *at == ',') {
        size_t len = strcspn(at, ",");
        if (len == n && memcmp(at, who, n) == 0) return true;
        at += len;
    }
    return false;
}

void cli_tell_ballot(struct cli *c, const char *who, bool now)
{
    size_t i;
    json_t *p;
    json_array_foreach(json_object_get(c->doc, "proposals"), i, p)
    {
        if (!is_meant(p, who)) continue;
        if (!cli_bool(p, "secret"))
            cli_note(c, "This ballot is open: your vote is signed with your name.");
        else if (!now)
            cli_note(c, "It leaves at a random moment, so that its hour tells nothing.%s",
                     c->chat ? "" : " Ctrl-C ends the waiting, not the ballot.");
        return;
    }
}

int verb_vote(struct cli *c)
{
    cli_warn_doubt(c);
    if (cli_call_args(c, "proposals", NULL, 0) == 0) /* else the vote itself tells why */
        cli_tell_ballot(c, cli_param(c, "who"), cli_flag(c, "now"));
    int code = cli_call_args(c, "vote", NULL, 0);
    if (code == 130) cli_note(c, "It leaves all the same: enclave proposals shows when it is in.");
    if (code != 0) return cli_problem(c);
    if (c->json) return plain_json(c);
    cli_note(c, "%s", enclave_text(c->answer));
    return 0;
}

/* ---- proposing ---- */

static int proposed(struct cli *c, int code)
{
    char opt[96];
    if (code == 130) cli_note(c, "The daemon goes on with it: enclave proposals shows how.");
    if (code != 0) return cli_problem(c);
    if (c->json) return plain_json(c);
    const char *text = enclave_text(c->answer);
    cli_note(c, "%s", *text != '\0' ? text : "It is proposed, with your own yes.");
    cli_next(c, "enclave proposals%s", cli_enclave_option(c, opt));
    return 0;
}

static void tell_delay(struct cli *c)
{
    if (!cli_flag(c, "now"))
        cli_note(c, "Your own yes goes with it and leaves at a random moment; Ctrl-C ends the "
                    "waiting, not the proposal.");
}

int verb_remove(struct cli *c)
{
    cli_warn_doubt(c);
    if (!c->yes && cli_can_ask())
        cli_note(c,
                 "You propose to remove %s. Everybody but the one concerned votes, one no is "
                 "enough to keep them. When it passes, new keys shut them out of all that comes "
                 "after, and what only their machine keeps is lost. What they have read they know.",
                 cli_param(c, "who"));
    int code = cli_confirm(c, "Propose it? [y/N] ");
    if (code != 0) return code;
    tell_delay(c);
    return proposed(c, cli_call_args(c, "remove", NULL, 0));
}

int verb_policy(struct cli *c)
{
    size_t i;
    json_t *s;
    char opt[96];
    const char *name = cli_param(c, "enclave");
    if (name != NULL && strchr(name, '=') != NULL) {
        char next[256];
        snprintf(next, sizeof next, "enclave policy set %.200s", name);
        return cli_fail(c, 2, next, "policy shows the rules; policy set proposes others");
    }
    int code = cli_call_args(c, "policy", NULL, 0);
    if (code != 0) return cli_problem(c);
    if (c->json) return plain_json(c);
    struct cli_table *t = cli_table_new(3);
    static const char *const heads[] = {"rule", "value", "what it does"};
    for (size_t h = 0; h < 3; h++) cli_table_cell(t, heads[h]);
    json_array_foreach(json_object_get(c->doc, "settings"), i, s)
    {
        cli_table_cell(t, cli_text(s, "key"));
        cli_table_cell(t, cli_text(s, "value"));
        cli_table_cell(t, cli_text(s, "help"));
    }
    cli_table_print(c, t);
    cli_next(c, "enclave policy set%s KEY=VALUE ...", cli_enclave_option(c, opt));
    return 0;
}

int verb_policy_set(struct cli *c)
{
    cli_warn_doubt(c);
    char *changes = strdup(cli_param(c, "changes"));
    if (changes == NULL) return cli_fail(c, 1, NULL, "out of memory");
    for (char *s = changes; *s != '\0'; s++)
        if (*s == ' ') *s = ';';
    for (size_t i = 0; i < c->op->n_params; i++)
        if (strcmp(c->op->params[i].name, "changes") == 0) c->params[i].text = changes;
    tell_delay(c);
    int code = proposed(c, cli_call_args(c, "policy_set", NULL, 0));
    free(changes);
    return code;
}

int verb_withdraw(struct cli *c)
{
    int code = cli_call_args(c, "withdraw", NULL, 0);
    if (code != 0) return cli_problem(c);
    if (c->json) return plain_json(c);
    const char *text = enclave_text(c->answer);
    cli_note(c, "%s", *text != '\0' ? text : "It is taken back.");
    return 0;
}
