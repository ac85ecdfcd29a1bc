/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Files and transfers. */
#include "cli/folder.h"
#include "cli/stream.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SLICE_MS 250         /* how often progress is looked at */
#define WAITING_TOLD_MS 3000 /* links to members take a moment to be made */

/* ---- progress ---- */

static bool is(const json_t *t, const char *state)
{
    return strcmp(cli_text(t, "state"), state) == 0;
}

void cli_progress(struct cli *c, const json_t *t)
{
    char done[16];
    char total[16];
    char rate[16];
    char eta[16];
    if (cli_flag(c, "progress")) {
        char *dump = json_dumps(t, JSON_COMPACT);
        if (dump != NULL) fprintf(stderr, "%s\n", dump);
        free(dump);
        return;
    }
    if (!c->tty_err || c->quiet || c->json) return;
    cli_size(cli_number(t, "bytes"), done);
    cli_size(cli_number(t, "total"), total);
    cli_size(cli_number(t, "rate"), rate);
    cli_duration(cli_number(t, "eta_ms"), eta);
    uint64_t all = cli_number(t, "total");
    if (all == 0) {
        if (cli_number(t, "bytes") > 0) /* of a pipe nobody knows how much comes */
            fprintf(stderr, "\r\033[K%s %s  %s/s", cli_text(t, "state"), done, rate);
        else
            fprintf(stderr, "\r\033[K%s ...", cli_text(t, "state"));
        fflush(stderr);
        return;
    }
    unsigned percent = (unsigned)(cli_number(t, "bytes") * 100 / all);
    fprintf(stderr, "\r\033[K%s %3u%%  %s of %s  %s/s", cli_text(t, "state"), percent, done, total,
            rate);
    if (cli_number(t, "eta_ms") > 0) fprintf(stderr, "  %s left", eta);
    if (cli_number(t, "holders") > 0)
        fprintf(stderr, "  %llu of %llu holders", (unsigned long long)cli_number(t, "holders_done"),
                (unsigned long long)cli_number(t, "holders"));
    fflush(stderr);
}

void cli_progress_end(const struct cli *c)
{
    if (c->tty_err && !c->quiet && !c->json && !cli_flag(c, "progress")) fputs("\r\033[K", stderr);
}

/* Is it over, as far as the caller wants to wait? */
static bool enough(const struct cli *c, const json_t *t)
{
    if (is(t, "done") || is(t, "failed") || is(t, "safe")) return true;
    return is(t, "accepted") && !cli_flag(c, "wait");
}

/* What keeps a transfer from moving. */
struct standstill {
    uint64_t since_ms;
    uint64_t bytes;
    bool told;
};

/* A put may wait for days: whoever watches hears why, once, unless it is over in a moment. */
static void tell_standstill(struct cli *c, struct standstill *s)
{
    uint64_t now = cli_now_ms();
    bool fetching = is(c->doc, "fetching") && cli_number(c->doc, "bytes") == s->bytes;
    s->bytes = cli_number(c->doc, "bytes");
    if (!fetching && !is(c->doc, "waiting")) {
        *s = (struct standstill){.bytes = s->bytes};
    } else if (s->since_ms == 0) {
        s->since_ms = now;
    } else if (!s->told && now - s->since_ms > WAITING_TOLD_MS) {
        s->told = true;
        cli_progress_end(c);
        cli_note(c, "%s",
                 fetching ? "waiting for members who are away, for half a minute at most"
                          : cli_text(c->doc, "text"));
    }
}

/* Follows a transfer whose number is in the last answer. c->doc is its last state. 0: look at it. */
static int wait_for(struct cli *c)
{
    char id[24];
    uint64_t event = UINT64_MAX; /* unknown: the first wait only tells where we are */
    struct standstill still = {0};
    snprintf(id, sizeof id, "%llu", (unsigned long long)cli_number(c->doc, "id"));
    for (;;) {
        cli_progress(c, c->doc);
        if (enough(c, c->doc)) return 0;
        if (cli_timed_out(c)) return 13;
        tell_standstill(c, &still);
        if (event == UINT64_MAX) {
            int code = cli_call(c, "daemon_status", NULL, 0);
            if (code != 0) return code;
            event = cli_number(c->doc, "last_event");
        } else {
            int code = cli_wait_event(c, &event, SLICE_MS);
            if (code != 0) return code;
        }
        struct enclave_param params[] = {{"id", id, 0}};
        int code = cli_call(c, "transfer", params, 1);
        if (code != 0) return code;
    }
}

static int interrupted(struct cli *c, int code)
{
    if (code == 130) {
        cli_note(c, "It goes on in the daemon: enclave transfers shows how; the same command again "
                    "waits for it.");
        return 130;
    }
    if (code == 13 && cli_timed_out(c))
        return cli_fail(c, 13, "enclave transfers", "it takes longer; it goes on in the daemon");
    return cli_problem(c);
}

static int begin(struct cli *c, const char *operation, const struct enclave_param *more, size_t n)
{
    int code = cli_call_args(c, operation, more, n);
    if (code == 130) return interrupted(c, code);
    return code == 0 ? 0 : cli_problem(c);
}

/* The word that ends a transfer: its own exit code. */
static int verdict(struct cli *c)
{
    const json_t *t = c->doc;
    int code = (int)cli_number(t, "exit");
    if (is(t, "failed")) {
        if (code == 0) code = 1;
        if (c->json) cli_print_json(c);
        fflush(stdout);
        fprintf(stderr, "enclave: ");
        fflush(stderr);
        cli_note(&(struct cli){.quiet = false}, "%s", cli_text(t, "text"));
        return code;
    }
    if (is(t, "accepted")) code = 3;
    if (c->json) {
        cli_print_json(c);
        return code;
    }
    cli_put(c, STYLE_BOLD, cli_text(t, "path"), false);
    printf(": ");
    cli_put(c, code == 0 ? STYLE_GOOD : STYLE_WARN, cli_text(t, "text"), true);
    printf("\n");
    return code;
}

static int follow(struct cli *c)
{
    if (cli_flag(c, "background")) {
        if (c->json)
            cli_print_json(c);
        else
            cli_note(c,
                     "It runs in the daemon as number %llu: enclave transfers shows how it goes.",
                     (unsigned long long)cli_number(c->doc, "id"));
        return 0;
    }
    int code = wait_for(c);
    cli_progress_end(c);
    return code == 0 ? verdict(c) : interrupted(c, code);
}

/* What can be seen from here is told at once and by name: 0, or an exit code. */
static int check_source(struct cli *c, const char *local)
{
    struct stat st;
    if (stat(local, &st) != 0)
        return cli_fail(c, errno == ENOENT || errno == ENOTDIR ? 4 : 1, NULL, "%s: %s", local,
                        strerror(errno));
    if (S_ISDIR(st.st_mode)) return cli_fail(c, 2, "the same with -r", "%s is a directory", local);
    if (!S_ISREG(st.st_mode)) return cli_fail(c, 2, NULL, "%s is not a file", local);
    if (access(local, R_OK) != 0) return cli_fail(c, 1, NULL, "%s: %s", local, strerror(errno));
    return 0;
}

void cli_set_param(struct cli *c, const char *name, const char *text)
{
    for (size_t i = 0; i < c->op->n_params; i++)
        if (strcmp(c->op->params[i].name, name) == 0) c->params[i].text = text;
}

/* From here to the daemon and back: the transfer is followed to its end. */
static int carry(struct cli *c, bool in)
{
    struct cli_stream s;
    if (cli_flag(c, "background"))
        return cli_fail(c, 2, NULL, "what comes or goes through a pipe cannot be left to itself");
    int code = cli_stream_open(c, in, &s);
    if (code != 0) return code;
    cli_set_param(c, "local", s.path);
    code = begin(c, in ? "put" : "get", NULL, 0);
    if (code == 0) code = wait_for(c);
    cli_progress_end(c);
    bool ended = code == 0 && !is(c->doc, "failed");
    bool carried = cli_stream_end(&s, ended);
    cli_set_param(c, "local", "-");
    if (code == 130) {
        cli_note(c, "It was broken off.");
        return 130;
    }
    if (code != 0) return code == 13 ? cli_fail(c, 13, NULL, "it took too long") : code;
    if (in || !ended) return verdict(c);
    if (!carried) return cli_fail(c, 1, NULL, "standard output could not be written to the end");
    if (!c->quiet) cli_note(c, "%s: %s", cli_text(c->doc, "path"), cli_text(c->doc, "text"));
    return 0;
}

int verb_put(struct cli *c)
{
    const char *local = cli_param(c, "local");
    bool in = strcmp(local, "-") == 0;
    if (in && cli_param(c, "path") == NULL)
        return cli_fail(c, 2, "enclave put - NAME", "what shall it be called?");
    if (cli_flag(c, "recursive")) {
        cli_warn_doubt(c);
        return cli_put_folder(c);
    }
    int code = in ? 0 : check_source(c, local);
    if (code == 0) cli_warn_doubt(c);
    if (code == 0 && in) return carry(c, true);
    if (code == 0) code = begin(c, "put", NULL, 0);
    return code == 0 ? follow(c) : code;
}

/* Where a file goes when only a directory, or nothing, was said. */
static char *target(struct cli *c)
{
    struct stat st;
    const char *path = cli_param(c, "path");
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;
    const char *local = cli_param(c, "local");
    if (local == NULL) return cli_absolute(name);
    if (stat(local, &st) != 0 || !S_ISDIR(st.st_mode)) return strdup(local);
    size_t n = strlen(local) + strlen(name) + 2;
    char *out = malloc(n);
    if (out != NULL) snprintf(out, n, "%s/%s", local, name);
    return out;
}

/* "FROM-TO" as two numbers that the daemon takes. 0, or an exit code. */
static int read_range(struct cli *c)
{
    const char *text = cli_param(c, "range");
    unsigned long long a = 0;
    unsigned long long b = 0;
    if (text == NULL) return 0;
    size_t digits = strspn(text, "0123456789");
    const char *rest = text + digits + 1;
    bool good = digits > 0 && digits < 16 && text[digits] == '-' &&
                strspn(rest, "0123456789") == strlen(rest) && strlen(rest) < 16;
    if (good) {
        a = strtoull(text, NULL, 10);
        b = strtoull(rest, NULL, 10);
    }
    if (!good || (*rest != '\0' && b <= a))
        return cli_fail(c, 2, NULL, "a range is FROM-TO in bytes, such as 0-1000, not \"%s\"",
                        text);
    snprintf(c->from, sizeof c->from, "%llu", a);
    snprintf(c->to, sizeof c->to, "%llu", b);
    cli_set_param(c, "from", c->from);
    cli_set_param(c, "to", c->to);
    return 0;
}

int verb_get(struct cli *c)
{
    struct stat st;
    int code = cli_at(c);
    char *own = NULL;
    if (code == 0) code = read_range(c);
    if (code == 0 && cli_flag(c, "recursive")) return cli_get_folder(c);
    if (code != 0) return code;
    if (cli_param(c, "output") != NULL) {
        if (cli_param(c, "local") != NULL) return cli_fail(c, 2, NULL, "FILE is given twice");
        if (strcmp(cli_param(c, "output"), "-") != 0) own = cli_absolute(cli_param(c, "output"));
        cli_set_param(c, "local", own != NULL ? own : "-");
    }
    const char *said = cli_param(c, "local");
    if (said != NULL && strcmp(said, "-") == 0) return carry(c, false);
    char *local = target(c);
    free(own);
    if (local == NULL) return cli_fail(c, 1, NULL, "out of memory");
    if (stat(local, &st) == 0 && !cli_flag(c, "replace")) {
        code = cli_fail(c, 5, "the same with --replace", "%s exists already", local);
        free(local);
        return code;
    }
    cli_set_param(c, "local", local);
    code = begin(c, "get", NULL, 0);
    if (code == 0) code = follow(c);
    free(local);
    return code;
}

/* ---- looking ---- */

int verb_ls(struct cli *c)
{
    size_t i;
    json_t *f;
    int code = cli_call_args(c, "ls", NULL, 0);
    if (code != 0) return cli_problem(c);
    if (c->json) {
        cli_print_json(c);
        return 0;
    }
    if (json_array_size(json_object_get(c->doc, "files")) == 0) {
        cli_note(c, "There are no files here.");
        return 0;
    }
    struct cli_table *t = cli_table_new(5);
    static const char *const heads[] = {"size", "changed", "by", "how safe", "name"};
    for (size_t h = 0; h < 5; h++) cli_table_cell(t, heads[h]);
    json_array_foreach(json_object_get(c->doc, "files"), i, f)
    {
        char size[16];
        char when[24];
        char name[4400];
        bool directory = cli_bool(f, "directory");
        cli_size(cli_number(f, "size"), size);
        cli_time(cli_text(f, "time"), when);
        snprintf(name, sizeof name, "%.4300s%s", cli_text(f, "path"), directory ? "/" : "");
        cli_table_cell(t, directory ? "-" : size);
        cli_table_cell(t, when);
        cli_table_cell(t, cli_text(f, "by"));
        cli_table_cell(t, directory ? "" : cli_text(f, "safety"));
        cli_table_cell(t, name);
    }
    cli_table_print(c, t);
    return 0;
}

static void line(const struct cli *c, const char *name, const char *value)
{
    if (*value == '\0') return;
    printf("%-14s ", name);
    cli_put(c, STYLE_PLAIN, value, false);
    printf("\n");
}

static void number_line(const struct cli *c, const char *name, uint64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%llu", (unsigned long long)value);
    line(c, name, text);
}

static int info_enclave(struct cli *c)
{
    char text[96];
    int code = cli_call_args(c, "enclave", NULL, 0);
    if (code != 0) return cli_problem(c);
    if (c->json) {
        cli_print_json(c);
        return 0;
    }
    const json_t *e = c->doc;
    line(c, "name", cli_text(e, "name"));
    line(c, "id", cli_text(e, "id"));
    line(c, "state", cli_text(e, "state"));
    line(c, "you are", cli_text(e, "nick"));
    snprintf(text, sizeof text, "%llu, of these %llu reachable now",
             (unsigned long long)cli_number(e, "members"),
             (unsigned long long)cli_number(e, "reachable"));
    line(c, "members", text);
    line(c, "sentinel", cli_text(e, "sentinel"));
    line(c, "attached", cli_bool(e, "online") ? "yes" : "no");
    line(c, "votes are", cli_text(e, "ballot"));
    line(c, "links are", cli_text(e, "mode"));
    number_line(c, "epoch", cli_number(e, "epoch"));
    number_line(c, "ledger", cli_number(e, "ledger_count"));
    line(c, "ledger head", cli_text(e, "head"));
    snprintf(text, sizeof text, "%llu of %llu members%s",
             (unsigned long long)cli_number(e, "confirmed"),
             (unsigned long long)cli_number(e, "members"),
             cli_bool(e, "doubtful") ? ": compare the head by voice" : "");
    line(c, "confirmed by", text);
    cli_size(cli_number(e, "held_bytes"), text);
    line(c, "kept here", text);
    number_line(c, "to be sent", cli_number(e, "outbox"));
    line(c, "trouble", cli_text(e, "trouble"));
    return 0;
}

int verb_info(struct cli *c)
{
    char text[96];
    if (cli_param(c, "path") == NULL) return info_enclave(c);
    int code = cli_call_args(c, "info", NULL, 0);
    if (code != 0) return cli_problem(c);
    if (c->json) {
        cli_print_json(c);
        return 0;
    }
    const json_t *f = c->doc;
    line(c, "path", cli_text(f, "path"));
    cli_time(cli_text(f, "time"), text);
    line(c, "changed", text);
    line(c, "by", cli_text(f, "by"));
    if (cli_bool(f, "directory")) {
        line(c, "kind", "directory");
        return 0;
    }
    cli_size(cli_number(f, "size"), text);
    line(c, "size", text);
    number_line(c, "bytes", cli_number(f, "size"));
    number_line(c, "version", cli_number(f, "version"));
    line(c, "sha256", cli_text(f, "sha256"));
    line(c, "how safe", cli_text(f, "safety"));
    line(c, "survives", cli_text(f, "survival"));
    line(c, "leans on", cli_text(f, "weakest"));
    snprintf(
        text, sizeof text, "any %llu of %llu columns, %llu segment%s, %llu holder%s",
        (unsigned long long)cli_number(f, "k"), (unsigned long long)cli_number(f, "n"),
        (unsigned long long)cli_number(f, "segments"), cli_number(f, "segments") == 1 ? "" : "s",
        (unsigned long long)cli_number(f, "holders"), cli_number(f, "holders") == 1 ? "" : "s");
    line(c, "coded", text);
    if (cli_number(f, "shared") > 0) {
        cli_size(cli_number(f, "shared"), text);
        line(c, "shared", text);
    }
    if (cli_number(f, "bad_shards") > 0) number_line(c, "damaged", cli_number(f, "bad_shards"));
    if (cli_text(f, "detail")[0] != '\0') {
        cli_put(c, STYLE_PLAIN, cli_text(f, "detail"), true);
        printf("\n");
    }
    return 0;
}

static void say_drill(const struct cli *c)
{
    char text[320];
    const json_t *d = c->doc;
    snprintf(text, sizeof text, "%llu, of these %llu readable",
             (unsigned long long)cli_number(d, "files"),
             (unsigned long long)cli_number(d, "readable"));
    line(c, "files", text);
    line(c, "how safe", cli_text(d, "safety"));
    if (cli_number(d, "weaker") > 0) {
        snprintf(text, sizeof text, "%llu files, if one more goes",
                 (unsigned long long)cli_number(d, "weaker"));
        line(c, "lost then", text);
    }
    if (cli_text(d, "weakest_file")[0] == '\0') return;
    snprintf(text, sizeof text, "%s for %s", cli_text(d, "survival"), cli_text(d, "weakest_file"));
    line(c, "survives", text);
    line(c, "leans on", cli_text(d, "weakest_holder"));
}

int verb_drill(struct cli *c)
{
    int code = cli_call_args(c, "drill", NULL, 0);
    if (code != 0) return cli_problem(c);
    if (c->json) {
        cli_print_json(c);
        return 0;
    }
    say_drill(c);
    if (cli_number(c->doc, "lost") > 0) {
        printf("could not be read:\n");
        cli_put(c, STYLE_PLAIN, cli_text(c->doc, "examples"), true);
        printf("%s\n", cli_number(c->doc, "lost") > 10 ? "\n..." : "");
    }
    return 0;
}

/* ---- what goes on in an enclave by itself ---- */

static const json_t *going_on(const struct cli *c, const char *name, const char *kind)
{
    size_t i;
    json_t *t;
    json_array_foreach(json_object_get(c->doc, "transfers"), i, t)
    {
        if (strcmp(cli_text(t, "kind"), kind) == 0 && strcmp(cli_text(t, "enclave"), name) == 0)
            return t;
    }
    return NULL;
}

/* The enclave is there, and its transfer of that kind is shown. *ret_over: one of them is not. */
static int look_on(struct cli *c, const char *name, const char *kind, char told[256],
                   bool *ret_over)
{
    struct enclave_param params[] = {{"enclave", name, 0}};
    int code = cli_call(c, "enclave", params, 1);
    *ret_over = code == 4;
    if (code != 0) return code == 4 ? 0 : code;
    code = cli_call(c, "transfers", NULL, 0);
    if (code != 0) return code;
    const json_t *t = going_on(c, name, kind);
    if (t == NULL) {
        *ret_over =
            strcmp(kind, "leave") != 0; /* after the handing over comes the leaving itself */
        return 0;
    }
    cli_progress(c, t);
    if (is(t, "waiting") && strcmp(told, cli_text(t, "text")) != 0) {
        snprintf(told, 256, "%s", cli_text(t, "text"));
        cli_progress_end(c);
        cli_note(c, "%s", told);
    }
    return 0;
}

int cli_watch(struct cli *c, const char *name, const char *kind)
{
    char told[256] = "";
    uint64_t event = UINT64_MAX;
    int code = 0;
    for (bool over = false; code == 0;) {
        code = look_on(c, name, kind, told, &over);
        if (over || code != 0) break;
        if (cli_timed_out(c)) {
            code = 13;
        } else if (event == UINT64_MAX) {
            code = cli_call(c, "daemon_status", NULL, 0);
            event = code == 0 ? cli_number(c->doc, "last_event") : 0;
        } else {
            code = cli_wait_event(c, &event, SLICE_MS);
        }
    }
    cli_progress_end(c);
    return code;
}

int verb_rebalance(struct cli *c)
{
    char name[80];
    int code = cli_call_args(c, "enclave", NULL, 0);
    if (code != 0) return cli_problem(c);
    snprintf(name, sizeof name, "%s", cli_text(c->doc, "name"));
    struct enclave_param params[] = {{"enclave", name, 0}};
    if (cli_call(c, "rebalance", params, 1) != 0) return cli_problem(c);
    if (!cli_flag(c, "background")) {
        code = cli_watch(c, name, "rebalance");
        if (code != 0) return interrupted(c, code);
        if (cli_call(c, "drill", params, 1) != 0) return cli_problem(c);
    }
    if (c->json)
        cli_print_json(c);
    else if (!cli_flag(c, "background"))
        say_drill(c);
    return 0;
}

int verb_transfers(struct cli *c)
{
    size_t i;
    json_t *e;
    int code = cli_call_args(c, "transfers", NULL, 0);
    if (code != 0) return cli_problem(c);
    if (c->json) {
        cli_print_json(c);
        return 0;
    }
    if (json_array_size(json_object_get(c->doc, "transfers")) == 0) {
        cli_note(c, "There are no transfers.");
        return 0;
    }
    struct cli_table *t = cli_table_new(6);
    static const char *const heads[] = {"number", "kind", "state", "done", "path", "how it goes"};
    for (size_t h = 0; h < 6; h++) cli_table_cell(t, heads[h]);
    json_array_foreach(json_object_get(c->doc, "transfers"), i, e)
    {
        char number[24];
        char done[16];
        char total[16];
        char both[40];
        snprintf(number, sizeof number, "%llu", (unsigned long long)cli_number(e, "id"));
        cli_size(cli_number(e, "bytes"), done);
        cli_size(cli_number(e, "total"), total);
        snprintf(both, sizeof both, "%s of %s", done, total);
        cli_table_cell(t, number);
        cli_table_cell(t, cli_text(e, "kind"));
        cli_table_cell(t, cli_text(e, "state"));
        cli_table_cell(t, both);
        cli_table_cell(t, cli_text(e, "path"));
        cli_table_cell(t, cli_text(e, "text"));
    }
    cli_table_print(c, t);
    return 0;
}

/* mkdir, mv, rm: done, or a problem. */
int verb_plain(struct cli *c)
{
    int code = cli_call_args(c, c->op->id, NULL, 0);
    if (code != 0) return cli_problem(c);
    if (c->json) {
        cli_print_json(c);
        return 0;
    }
    if (enclave_text(c->answer)[0] != '\0') cli_note(c, "%s", enclave_text(c->answer));
    return 0;
}
