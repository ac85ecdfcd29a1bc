/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Where shards are kept. */
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>

static void size_text(uint64_t n, char *out, size_t room)
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
    double v = (double)n;
    size_t u = 0;
    while (v >= 1000 && u < 4) {
        v /= 1000;
        u++;
    }
    snprintf(out, room, u == 0 || v >= 100 ? "%.0f %s" : "%.1f %s", v, units[u]);
}

static void show_holder(const struct cli *c, const json_t *h)
{
    char used[32], room[32], offered[32];
    bool node = cli_bool(h, "node"), up = cli_bool(h, "up") || cli_bool(h, "self");
    const char *state = cli_text(h, "state");
    printf("%5llu  ", (unsigned long long)cli_number(h, "number"));
    cli_put(c, STYLE_BOLD, cli_text(h, "who"), false);
    if (cli_bool(h, "self")) printf(" (you)");
    if (node) printf(", storage node");
    printf("  ");
    if (node && strcmp(state, "ready") != 0)
        cli_put(c, STYLE_WARN, state, false);
    else
        cli_put(c, up ? STYLE_GOOD : STYLE_PLAIN, up ? "linked" : "not linked now", false);
    if (cli_bool(h, "told")) {
        size_text(cli_number(h, "used_bytes"), used, sizeof used);
        size_text(cli_number(h, "free_bytes"), room, sizeof room);
        size_text(cli_number(h, "offered_bytes"), offered, sizeof offered);
        printf("  used %s, free %s, offered %s", used, room, offered);
    } else if (!node) {
        size_text(cli_number(h, "placed_bytes"), used, sizeof used);
        printf("  keeps %s as the list of files says", used);
    }
    if (node) printf("  until %.10s", cli_text(h, "expires"));
    printf("\n");
    if (cli_text(h, "text")[0] == '\0') return;
    printf("       ");
    cli_put(c, STYLE_PLAIN, cli_text(h, "text"), false);
    printf("\n");
}

int verb_storage(struct cli *c)
{
    size_t i;
    json_t *h;
    char offered[32];
    if (cli_call_args(c, "storage", NULL, 0) != 0) return cli_problem(c);
    if (c->json) {
        cli_print_json(c);
        return 0;
    }
    json_array_foreach(json_object_get(c->doc, "holders"), i, h) show_holder(c, h);
    size_text(cli_number(c->doc, "offered_bytes"), offered, sizeof offered);
    printf("This machine gives each enclave up to %s.\n", offered);
    return 0;
}

int verb_storage_remove(struct cli *c)
{
    int code =
        cli_confirm(c, "Nothing new goes there from now on, and what it keeps is not fetched "
                       "from it any more. Let go of this storage node?");
    if (code != 0) return code;
    if (cli_call_args(c, "storage_remove", NULL, 0) != 0) return cli_problem(c);
    if (c->json)
        cli_print_json(c);
    else
        cli_note(c, "Let go of. Files that lose columns by it are told by enclave ls.");
    return 0;
}
