/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "cli/broadcast.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#define SLICE_MS 200 /* how soon Ctrl-C is seen in a gap */

static void tell(void *arg, enum cli_style style, const char *text)
{
    const struct cli *c = arg;
    (void)style;
    cli_note(c, "%s", text);
}

/* The gap, with a line that says what is waited for. */
static bool wait_gap(void *arg, const struct broadcast *b, unsigned ms)
{
    struct cli *c = arg;
    bool shown = c->tty_err && !c->quiet && !c->json && ms > 0;
    uint64_t end = cli_now_ms() + ms;
    for (uint64_t now = cli_now_ms();
         now < end && !atomic_load(&c->interrupted) && !cli_timed_out(c); now = cli_now_ms()) {
        uint64_t left = end - now;
        if (shown)
            fprintf(stderr, "\r\033[K%zu/%zu said, the next one in %llu s (Ctrl-C: no more)",
                    b->delivered, b->n, (unsigned long long)(left + 999) / 1000);
        fflush(stderr);
        poll(NULL, 0, left < SLICE_MS ? (int)left : SLICE_MS);
    }
    if (shown) fputs("\r\033[K", stderr);
    return !atomic_load(&c->interrupted) && !cli_timed_out(c);
}

static void failed(void *arg, const struct broadcast *b, size_t i)
{
    struct cli *c = arg;
    if (c->json) return; /* the document has it */
    (void)cli_fail(c, b->list[i].code, NULL, "%.80s: %s", broadcast_name(b, i), b->list[i].problem);
}

static void print_json(const struct broadcast *b, int code, const char *report)
{
    json_t *list = json_array();
    for (size_t i = 0; i < b->n; i++) {
        const struct broadcast_target *t = &b->list[i];
        bool said = t->tried && t->code == 0;
        json_array_append_new(
            list, json_pack("{s:s*, s:b, s:I, s:i, s:s*}", "enclave", broadcast_name(b, i),
                            "delivered", said, "number", (json_int_t)(said ? t->number : 0), "exit",
                            t->tried ? t->code : code, "text", said ? "" : t->problem));
    }
    json_t *o = json_pack("{s:s, s:i, s:I, s:I, s:o}", "text", report, "exit", code, "delivered",
                          (json_int_t)b->delivered, "of", (json_int_t)b->n, "enclaves", list);
    char *dump = o == NULL ? NULL : json_dumps(o, JSON_INDENT(2));
    if (dump != NULL) puts(dump);
    free(dump);
    json_decref(o);
    fflush(stdout);
}

static int say(struct cli *c, struct broadcast *b, const char *text)
{
    struct buf report = BUF_INIT;
    struct broadcast_ways ways = {wait_gap, failed, c};
    int code = broadcast_say(c->client, b, text, cli_flag(c, "now"), &ways);
    if (code != 0 && atomic_load(&c->interrupted)) code = 130;
    broadcast_report(b, &report);
    const char *said = report.bad ? "out of memory" : (const char *)report.p;
    if (c->json) {
        print_json(b, code, said);
    } else {
        cli_put(c, code == 0 ? STYLE_GOOD : STYLE_BAD, said, false);
        printf("\n");
    }
    buf_free(&report);
    return code;
}

int verb_broadcast(struct cli *c)
{
    char room[CLI_SAID_ROOM];
    char problem[512];
    char next[128];
    const char *text;
    int code = cli_said(c, room, &text);
    if (code != 0) return code;
    struct broadcast *b = broadcast_find(c->client, cli_param(c, "to"), &code, problem, next);
    if (b == NULL) return cli_fail(c, code, next[0] != '\0' ? next : NULL, "%s", problem);
    broadcast_tell(b, cli_flag(c, "now"), tell, c);
    if (broadcast_links(b)) code = cli_confirm(c, BROADCAST_QUESTION);
    if (code == 0) code = say(c, b, text);
    broadcast_free(b);
    return code;
}
