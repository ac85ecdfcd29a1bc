/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Contact cards, and the people behind them. */
#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* In eight groups, so that two people can follow with a finger. */
static void fingerprint(const struct cli *c, const json_t *o)
{
    const char *hex = cli_text(o, "fingerprint");
    char text[80];
    size_t n = 0;
    for (size_t i = 0; hex[i] != '\0' && n < sizeof text - 2; i++) {
        if (i > 0 && i % 8 == 0) text[n++] = ' ';
        text[n++] = hex[i];
    }
    text[n] = '\0';
    printf("    ");
    cli_put(c, STYLE_BOLD, text, false);
    printf("\n    ");
    cli_put(c, STYLE_PLAIN, cli_text(o, "words"), false);
    printf("\n");
}

/* ---- the own card ---- */

/* The keys are too large for a QR code; who has the file compares with this. */
static void show_key(const struct cli *c)
{
    char code[400];
    const char *address = cli_text(c->doc, "address");
    printf("The contact card of ");
    cli_put(c, STYLE_BOLD, cli_text(c->doc, "nick"), false);
    if (*address != '\0') {
        printf(", sentinel at ");
        cli_put(c, STYLE_PLAIN, address, false);
    }
    printf("\n");
    fingerprint(c, c->doc);
    snprintf(code, sizeof code, "enclave-contact:%.64s%s%.260s", cli_text(c->doc, "fingerprint"),
             *address == '\0' ? "" : "@", address);
    cli_qr(c, code);
}

int verb_key_show(struct cli *c)
{
    if (cli_call_args(c, "key_show", NULL, 0) != 0) return cli_problem(c);
    if (c->json)
        cli_print_json(c);
    else
        show_key(c);
    return 0;
}

int verb_key_export(struct cli *c)
{
    const char *file = cli_param(c, "out");
    const char *user = getenv("USER");
    int code = cli_call_args(c, "key_export", NULL, 0);
    if (code == 2 && cli_param(c, "nick") == NULL && user != NULL && *user != '\0') {
        struct enclave_param login = {"nick", user, 0}; /* no card yet: the name of this account */
        code = cli_call_args(c, "key_export", &login, 1);
    }
    if (code != 0) return cli_problem(c);
    if (file != NULL) code = cli_write_file(c, file, cli_text(c->doc, "card"));
    if (code != 0) return code;
    if (c->json) {
        cli_print_json(c);
    } else if (file == NULL) {
        cli_put(c, STYLE_PLAIN, cli_text(c->doc, "card"), true);
    } else {
        show_key(c);
        cli_note(c, "The card is in %s. Give it to people; compare the fingerprint by voice.",
                 file);
    }
    return 0;
}

/* ---- contacts ---- */

static void show_peer(const struct cli *c, const json_t *p)
{
    const char *state = cli_text(p, "state");
    bool good = strcmp(state, "connected") == 0;
    cli_put(c, STYLE_BOLD, cli_text(p, "name"), false);
    printf("  ");
    cli_put(c, good ? STYLE_GOOD : STYLE_WARN, state, false);
    if (good) printf(", %s", cli_bool(p, "reachable") ? "can be reached" : "away now");
    if (strcmp(cli_text(p, "host"), "you") == 0) printf(", you host");
    if (strcmp(cli_text(p, "host"), "peer") == 0) printf(", the other one hosts");
    printf("\n");
    fingerprint(c, p);
    if (cli_text(p, "safety")[0] != '\0') {
        printf("    safety code ");
        cli_put(c, STYLE_PLAIN, cli_text(p, "safety"), false);
        printf("\n");
    }
    printf("    ");
    cli_put(c, STYLE_PLAIN, cli_text(p, "text"), false);
    printf("\n");
}

/* Looks again at each event, until the two are connected. 0, or an exit code. */
static int wait_for(struct cli *c, const char *fingerprint_hex)
{
    uint64_t last = 0;
    for (;;) {
        size_t i;
        json_t *p;
        bool connected = false;
        if (cli_call(c, "daemon_status", NULL, 0) != 0) return cli_problem(c);
        last = cli_number(c->doc, "last_event");
        if (cli_call(c, "peers", NULL, 0) != 0) return cli_problem(c);
        json_array_foreach(json_object_get(c->doc, "peers"), i, p)
        {
            if (strcmp(cli_text(p, "fingerprint"), fingerprint_hex) != 0) continue;
            connected = strcmp(cli_text(p, "state"), "connected") == 0;
            if (!connected) continue;
            if (c->json) {
                char *dump = json_dumps(p, JSON_COMPACT);
                if (dump != NULL) puts(dump);
                free(dump);
            } else {
                show_peer(c, p);
            }
        }
        if (connected) return 0;
        if (cli_timed_out(c))
            return cli_fail(c, 13, "enclave peer list", "not connected within this time");
        if (atomic_load(&c->interrupted)) return 130;
        int code = cli_wait_event(c, &last, 1000);
        if (code != 0) return cli_problem(c);
    }
}

int verb_peer_add(struct cli *c)
{
    char hex[65];
    int code;
    char *card = cli_read_file(c, cli_param(c, "file"), &code);
    if (card == NULL) return code;
    struct enclave_param more[] = {{"card", card, 0}};
    code = cli_call_args(c, "peer_add", more, 1);
    free(card);
    if (code != 0) return cli_problem(c);
    snprintf(hex, sizeof hex, "%s", cli_text(c->doc, "fingerprint"));
    if (cli_flag(c, "wait") && strcmp(cli_text(c->doc, "state"), "connected") != 0)
        return wait_for(c, hex);
    if (c->json)
        cli_print_json(c);
    else
        show_peer(c, c->doc);
    return 0;
}

int verb_peers(struct cli *c)
{
    size_t i;
    json_t *p;
    if (cli_call_args(c, "peers", NULL, 0) != 0) return cli_problem(c);
    if (c->json) {
        cli_print_json(c);
        return 0;
    }
    json_array_foreach(json_object_get(c->doc, "peers"), i, p) show_peer(c, p);
    if (i == 0) {
        printf("You have no contacts yet.\n");
        cli_next(c, "enclave key export --as NICK --out NICK.pub");
        cli_next(c, "enclave peer add FILE.pub --address HOST:PORT");
    }
    return 0;
}

int verb_peer_remove(struct cli *c)
{
    char prompt[160];
    snprintf(prompt, sizeof prompt,
             "Leave the enclave with %.60s? Its words and files here cannot be read afterwards.",
             cli_param(c, "peer"));
    int code = cli_confirm(c, prompt);
    if (code != 0) return code;
    if (cli_call_args(c, "peer_remove", NULL, 0) != 0) return cli_problem(c);
    if (c->json)
        cli_print_json(c);
    else
        cli_note(c, "%s", cli_text(c->doc, "text"));
    return 0;
}
