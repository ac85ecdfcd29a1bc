/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "cli/broadcast.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define GAP_LEAST_MS 2000 /* between two enclaves */
#define GAP_SPREAD_MS 10000

static json_t *call(struct enclave *client, const char *operation,
                    const struct enclave_param *params, size_t n, int *ret_code, char problem[512])
{
    struct enclave_answer *a = enclave_call(client, operation, params, n);
    *ret_code = enclave_exit(a);
    snprintf(problem, 512, "%s", enclave_text(a));
    json_t *doc = json_loads(enclave_json(a), 0, NULL);
    enclave_answer_free(a);
    return doc;
}

/* ---- to whom ---- */

const char *broadcast_name(const struct broadcast *b, size_t i)
{
    return cli_text(b->list[i].enclave, "name");
}

void broadcast_free(struct broadcast *b)
{
    if (b == NULL) return;
    for (size_t i = 0; i < b->n; i++) json_decref(b->list[i].enclave);
    free(b);
}

/* enclave is borrowed. An enclave named twice hears it once. */
static void add(struct broadcast *b, json_t *enclave)
{
    for (size_t i = 0; i < b->n; i++)
        if (strcmp(broadcast_name(b, i), cli_text(enclave, "name")) == 0) return;
    if (b->n < BROADCAST_MAX) b->list[b->n++].enclave = json_incref(enclave);
}

static bool inside(const json_t *enclave)
{
    return strcmp(cli_text(enclave, "state"), "member") == 0;
}

static int add_all(struct broadcast *b, struct enclave *client, char problem[512])
{
    int code;
    size_t i;
    json_t *e;
    json_t *doc = call(client, "enclaves", NULL, 0, &code, problem);
    json_array_foreach(json_object_get(doc, "enclaves"), i, e) if (inside(e)) add(b, e);
    json_decref(doc);
    return code;
}

static int add_named(struct broadcast *b, struct enclave *client, const char *name,
                     char problem[512])
{
    int code;
    struct enclave_param params[] = {{"enclave", name, 0}};
    json_t *doc = call(client, "enclave", params, 1, &code, problem);
    if (code == 0 && inside(doc)) {
        add(b, doc);
    } else if (code == 0) {
        const char *state = cli_text(doc, "state");
        code = strcmp(state, "joining") == 0 ? 7 : 6;
        snprintf(problem, 512, "you are not inside %.80s: %.40s; nothing was said", name, state);
    } else {
        char why[384];
        snprintf(why, sizeof why, "%.380s", problem);
        snprintf(problem, 512, "%.80s: %s; nothing was said", name, why);
    }
    json_decref(doc);
    return code;
}

/* A slip in one name must not leave the words half said: all are looked at first. */
static int add_list(struct broadcast *b, struct enclave *client, const char *names,
                    char problem[512])
{
    int code = 0;
    while (*names != '\0' && code == 0) {
        size_t n = strcspn(names, ",");
        size_t blanks = strspn(names, " ");
        char *name = blanks < n ? strndup(names + blanks, n - blanks) : NULL;
        for (size_t i = n - blanks; name != NULL && i > 0 && name[i - 1] == ' '; i--)
            name[i - 1] = '\0';
        if (name != NULL) code = add_named(b, client, name, problem);
        free(name);
        names += n + (names[n] == ',');
    }
    return code;
}

struct broadcast *broadcast_find(struct enclave *client, const char *names, int *ret_code,
                                 char problem[512], char next[128])
{
    struct broadcast *b = calloc(1, sizeof *b);
    next[0] = '\0';
    if (b == NULL) {
        *ret_code = 1;
        snprintf(problem, 512, "out of memory");
        return NULL;
    }
    *ret_code = names == NULL ? add_all(b, client, problem) : add_list(b, client, names, problem);
    if (*ret_code == 4 || *ret_code == 6 || *ret_code == 7) snprintf(next, 128, "enclave status");
    if (*ret_code == 0 && b->n == 0) {
        *ret_code = names == NULL ? 4 : 2;
        snprintf(problem, 512, "%s",
                 names == NULL ? "you are in no enclave yet" : "--to names no enclave");
        snprintf(next, 128, "%s", names == NULL ? "enclave join CODE --as NICK" : "enclave status");
    }
    if (*ret_code == 0) return b;
    broadcast_free(b);
    return NULL;
}

/* ---- before ---- */

bool broadcast_links(const struct broadcast *b)
{
    return b->n > 1;
}

void broadcast_tell(const struct broadcast *b, bool now, broadcast_line *line, void *arg)
{
    struct buf text = BUF_INIT;
    buf_printf(&text, "This goes to %zu enclave%s: ", b->n, b->n == 1 ? "" : "s");
    for (size_t i = 0; i < b->n; i++)
        buf_printf(&text, "%s%s", i > 0 ? ", " : "", broadcast_name(b, i));
    buf_str(&text, ".");
    buf_u8(&text, 0);
    line(arg, STYLE_PLAIN, text.bad ? "out of memory" : (const char *)text.p);
    buf_free(&text);
    for (size_t i = 0; i < b->n; i++) {
        char doubt[256];
        char said[352];
        if (!cli_bool(b->list[i].enclave, "doubtful")) continue;
        cli_doubt(b->list[i].enclave, doubt, sizeof doubt);
        snprintf(said, sizeof said, "warning: %.80s: %s", broadcast_name(b, i), doubt);
        line(arg, STYLE_WARN, said);
    }
    if (!broadcast_links(b)) return;
    line(arg, STYLE_WARN,
         now ? "The same words at the same moment link your enclaves: whoever is in two of them, "
               "or watches the network, sees that you are one person."
             : "The same words at the same moment link your enclaves: whoever is in two of them, "
               "or watches the network, sees that you are one person. Some seconds lie between; "
               "the words are still the same.");
}

/* ---- saying it ---- */

/* A number below n. How the gaps fall is no secret, only no pattern. */
static uint32_t chance(uint32_t n)
{
    uint32_t drawn = 0;
    if (getrandom(&drawn, sizeof drawn, GRND_NONBLOCK) != (ssize_t)sizeof drawn) return n / 2;
    return drawn % n;
}

static void mix(struct broadcast *b)
{
    for (size_t i = 0; i < b->n; i++) {
        size_t other = i + chance((uint32_t)(b->n - i));
        struct broadcast_target t = b->list[other];
        b->list[other] = b->list[i];
        b->list[i] = t;
    }
}

static void say_one(struct enclave *client, struct broadcast_target *t, const char *text)
{
    struct enclave_param params[] = {{"text", text, 0},
                                     {"enclave", cli_text(t->enclave, "name"), 0}};
    json_t *doc = call(client, "send", params, 2, &t->code, t->problem);
    t->tried = true;
    t->number = cli_number(doc, "number");
    json_decref(doc);
}

/* Would it fail in the same way everywhere? */
static bool hopeless(int code)
{
    return code == 11 || code == 13 || code == 130;
}

int broadcast_say(struct enclave *client, struct broadcast *b, const char *text, bool now,
                  const struct broadcast_ways *ways)
{
    bool said = false; /* the one before: else nothing is there to keep a distance from */
    mix(b);
    for (size_t i = 0; i < b->n; i++) {
        unsigned gap = said && !now ? GAP_LEAST_MS + chance(GAP_SPREAD_MS) : 0;
        if (i > 0 && !ways->pause(ways->arg, b, gap)) break;
        say_one(client, &b->list[i], text);
        said = b->list[i].code == 0;
        b->delivered += said;
        if (!said) ways->failed(ways->arg, b, i);
        if (hopeless(b->list[i].code)) break;
    }
    return broadcast_exit(b);
}

void broadcast_report(const struct broadcast *b, struct buf *out)
{
    const char *before = ", not to ";
    buf_printf(out, "%zu/%zu delivered", b->delivered, b->n);
    for (size_t i = 0; i < b->n; i++) {
        if (b->list[i].tried && b->list[i].code == 0) continue;
        buf_printf(out, "%s%s", before, broadcast_name(b, i));
        before = ",";
    }
    buf_u8(out, 0);
}

int broadcast_exit(const struct broadcast *b)
{
    if (b->delivered == b->n) return 0;
    if (b->delivered > 0) return 3;
    for (size_t i = 0; i < b->n; i++)
        if (b->list[i].tried && b->list[i].code != 0) return b->list[i].code;
    return 130; /* ended before the first */
}
