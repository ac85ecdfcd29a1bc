/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "cli/cli.h"
#include "tables/nearest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WORDS_MAX 64

/* --name, with '-' where the table has '_'. */
static bool is_option(const struct op_param *p, const char *name, size_t n)
{
    const char *own = p->option != NULL ? p->option : p->name;
    if (p->kind == OP_POSITIONAL || p->type == OP_SECRET || (p->flags & OP_ONLY_API) != 0 ||
        strlen(own) != n)
        return false;
    for (size_t i = 0; i < n; i++)
        if ((own[i] == '_' ? '-' : own[i]) != name[i]) return false;
    return true;
}

struct found {
    const struct op_param *param;
    struct cli_value *slot; /* NULL: of another operation */
};

static struct found find(struct cli *c, const char *name, size_t n, char letter)
{
    size_t count;
    const struct op_param *globals = operations_globals(&count);
    for (size_t i = 0; i < count; i++)
        if (letter != 0 ? globals[i].letter == letter : is_option(&globals[i], name, n))
            return (struct found){&globals[i], &c->globals[i]};
    for (size_t i = 0; c->op != NULL && i < c->op->n_params; i++) {
        const struct op_param *p = &c->op->params[i];
        if (letter != 0 ? p->letter == letter : is_option(p, name, n))
            return (struct found){p, &c->params[i]};
    }
    return (struct found){NULL, NULL};
}

/* Before the verb is known: does this option of any operation take a value? */
static bool takes_value(const char *name, size_t n, char letter)
{
    size_t count;
    const struct op_param *globals = operations_globals(&count);
    for (size_t i = 0; i < count; i++)
        if (letter != 0 ? globals[i].letter == letter : is_option(&globals[i], name, n))
            return globals[i].kind == OP_OPTION;
    const struct operation *all = operations_all(&count);
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < all[i].n_params; j++) {
            const struct op_param *p = &all[i].params[j];
            if (letter != 0 ? p->letter == letter : is_option(p, name, n))
                return p->kind == OP_OPTION;
        }
    return false;
}

/* ---- values ---- */

static bool is_number(const char *s)
{
    return *s != '\0' && strspn(s, "0123456789") == strlen(s) && strlen(s) < 16;
}

/* 30s, 10m, 12h, 7d, or seconds: as milliseconds. */
char *cli_parse_duration(const char *s)
{
    char *end = NULL;
    unsigned long long n = strtoull(s, &end, 10);
    unsigned long long unit = 1000;
    if (end == s || n > 1000000000) return NULL;
    if (*end == 'm') unit = 60000;
    if (*end == 'h') unit = 3600000;
    if (*end == 'd') unit = 86400000;
    if (*end != '\0' && (strchr("smhd", *end) == NULL || end[1] != '\0')) return NULL;
    char *out = malloc(32);
    if (out != NULL) snprintf(out, 32, "%llu", n * unit);
    return out;
}

char *cli_absolute(const char *path)
{
    if (*path == '/') return strdup(path);
    char *here = getcwd(NULL, 0);
    if (here == NULL) return NULL;
    size_t n = strlen(here) + strlen(path) + 2;
    char *out = malloc(n);
    if (out != NULL) snprintf(out, n, "%s/%s", here, path);
    free(here);
    return out;
}

static bool is_choice(const char *list, const char *value)
{
    size_t n = strlen(value);
    for (const char *p = list; *p != '\0'; p += *p == '|') {
        size_t len = strcspn(p, "|");
        if (len == n && memcmp(p, value, n) == 0) return true;
        p += len;
    }
    return false;
}

static int set(struct cli *c, const struct op_param *p, struct cli_value *v, const char *text)
{
    const char *meta = p->meta != NULL ? p->meta : p->name;
    if (v->text != NULL && p->kind != OP_FLAG)
        return cli_fail(c, 2, NULL, "%s is given twice", meta);
    v->text = text;
    switch (p->type) {
    case OP_NUMBER:
        if (!is_number(text)) return cli_fail(c, 2, NULL, "%s is a number, not \"%s\"", meta, text);
        break;
    case OP_DURATION:
        v->own = cli_parse_duration(text);
        v->text = v->own;
        if (v->own == NULL)
            return cli_fail(c, 2, NULL, "%s is a time such as 30s, 10m, 12h or 7d, not \"%s\"",
                            meta, text);
        break;
    case OP_CHOICE:
        if (!is_choice(p->choices, text))
            return cli_fail(c, 2, NULL, "%s is one of %s, not \"%s\"", p->name, p->choices, text);
        break;
    case OP_LOCAL:
        if (strcmp(text, "-") == 0) break; /* standard input or output, for verbs that know it */
        v->own = cli_absolute(text);
        v->text = v->own;
        if (v->own == NULL) return cli_fail(c, 1, NULL, "%s: %s", text, strerror(errno));
        break;
    default: break;
    }
    return -1;
}

/* ---- walking argv ---- */

struct walk {
    int argc;
    char **argv;
    int at;
    bool only_words; /* after -- */
};

static int unknown(struct cli *c, const char *shown)
{
    char name[NEAREST_WORD_MAX + 1];
    size_t count;
    const struct op_param *globals = operations_globals(&count);
    struct nearest best = {.word = shown + strspn(shown, "-")};
    for (size_t i = 0; i < count; i++) nearest_try(&best, globals[i].name);
    for (size_t i = 0; c->op != NULL && i < c->op->n_params; i++) {
        const struct op_param *p = &c->op->params[i];
        if (p->kind != OP_POSITIONAL && p->type != OP_SECRET)
            nearest_try(&best, p->option != NULL ? p->option : p->name);
    }
    snprintf(name, sizeof name, "%s", best.best != NULL ? best.best : "");
    for (char *s = name; *s != '\0'; s++)
        if (*s == '_') *s = '-';
    const char *verb = c->op != NULL ? c->op->verb : "";
    if (best.best != NULL)
        return cli_fail(c, 2, NULL, "enclave %s knows no option %s; did you mean --%s?", verb,
                        shown, name);
    return cli_fail(c, 2, NULL, "enclave %s knows no option %s (see enclave help %s)", verb, shown,
                    verb);
}

static int value_missing(struct cli *c, const char *shown)
{
    return cli_fail(c, 2, NULL, "%s wants a value", shown);
}

static int long_option(struct cli *c, struct walk *w, const char *word)
{
    const char *name = word + 2;
    size_t n = strcspn(name, "=");
    struct found f = find(c, name, n, 0);
    if (f.param == NULL) return unknown(c, word);
    if (f.param->kind == OP_FLAG) {
        if (name[n] == '=') return cli_fail(c, 2, NULL, "--%.*s takes no value", (int)n, name);
        return set(c, f.param, f.slot, "true");
    }
    if (name[n] == '=') return set(c, f.param, f.slot, name + n + 1);
    if (w->at == w->argc) return value_missing(c, word);
    return set(c, f.param, f.slot, w->argv[w->at++]);
}

static int short_options(struct cli *c, struct walk *w, const char *word)
{
    for (const char *p = word + 1; *p != '\0'; p++) {
        struct found f = find(c, NULL, 0, *p);
        if (f.param == NULL) return unknown(c, word);
        int code;
        if (f.param->kind == OP_FLAG) {
            code = set(c, f.param, f.slot, "true");
            if (code != -1) return code;
            continue;
        }
        if (p[1] != '\0') return set(c, f.param, f.slot, p + 1);
        if (w->at == w->argc) return value_missing(c, word);
        return set(c, f.param, f.slot, w->argv[w->at++]);
    }
    return -1;
}

static char *join_words(char **words, size_t n)
{
    size_t room = 1;
    for (size_t i = 0; i < n; i++) room += strlen(words[i]) + 1;
    char *out = malloc(room);
    size_t at = 0;
    for (size_t i = 0; i < n && out != NULL; i++)
        at += (size_t)snprintf(out + at, room - at, "%s%s", i > 0 ? " " : "", words[i]);
    return out;
}

static int usage(struct cli *c, const char *what, const char *meta)
{
    struct buf text = BUF_INIT;
    operation_usage(c->op, &text);
    buf_u8(&text, 0);
    int code = cli_fail(c, 2, NULL, "%s %s. Usage: %.*s", what, meta,
                        text.bad ? 0 : (int)text.n - 2, (const char *)text.p);
    buf_free(&text);
    return code;
}

/* `enclave members family`: where a verb has no words of its own, one names the enclave. */
static int left_over(struct cli *c, char **words, size_t n)
{
    for (size_t i = 0; i < c->op->n_params; i++)
        if (c->op->params[i].kind == OP_POSITIONAL)
            return usage(c, "there is a word too many:", words[0]);
    for (size_t i = 0; i < c->op->n_params && n == 1; i++)
        if (strcmp(c->op->params[i].name, "enclave") == 0 && c->params[i].text == NULL)
            return set(c, &c->op->params[i], &c->params[i], words[0]);
    return usage(c, "there is a word too many:", words[0]);
}

static int place_words(struct cli *c, char **words, size_t n)
{
    size_t used = 0;
    for (size_t i = 0; i < c->op->n_params; i++) {
        const struct op_param *p = &c->op->params[i];
        struct cli_value *v = &c->params[i];
        if (p->kind != OP_POSITIONAL || used == n) continue;
        if ((p->flags & OP_REST) != 0 && n - used > 1) {
            v->own = join_words(words + used, n - used);
            v->text = v->own;
            used = n;
            continue;
        }
        int code = set(c, p, v, words[used++]);
        if (code != -1) return code;
    }
    return used < n ? left_over(c, words + used, n - used) : -1;
}

static int check_required(struct cli *c)
{
    for (size_t i = 0; i < c->op->n_params; i++) {
        const struct op_param *p = &c->op->params[i];
        if ((p->flags & OP_REQUIRED) == 0 || (p->flags & OP_ONLY_API) != 0 ||
            p->type == OP_SECRET || c->params[i].text != NULL)
            continue;
        if (p->kind == OP_POSITIONAL) return usage(c, "what is missing is", p->meta);
        char option[64];
        snprintf(option, sizeof option, "--%s %s", p->option != NULL ? p->option : p->name,
                 p->meta != NULL ? p->meta : "");
        return usage(c, "what is missing is", option);
    }
    return -1;
}

/* The verb is the first words that are not options. Returns how many, and where they stand. */
static size_t verb_words(struct walk w, int index[2], const char *words[2])
{
    size_t n = 0;
    while (w.at < w.argc && n < 2) {
        const char *a = w.argv[w.at++];
        if (a[0] != '-' || a[1] == '\0') {
            index[n] = w.at - 1;
            words[n++] = a;
            continue;
        }
        if (strcmp(a, "--") == 0) break;
        bool value = a[1] == '-' ? strchr(a, '=') == NULL && takes_value(a + 2, strlen(a + 2), 0)
                                 : a[2] == '\0' && takes_value(NULL, 0, a[1]);
        if (value) w.at++;
    }
    return n;
}

static int no_verb(struct cli *c, const char *const *words, size_t n)
{
    struct buf text = BUF_INIT;
    if (n == 0) {
        operations_overview(&text);
        fwrite(text.p, 1, text.n, stdout);
        buf_free(&text);
        return 0;
    }
    const char *near = operation_suggest(words, n);
    if (near != NULL)
        return cli_fail(c, 2, NULL, "there is no command \"%s\"; did you mean enclave %s?",
                        words[0], near);
    return cli_fail(c, 2, "enclave help", "there is no command \"%s\"", words[0]);
}

static int parse_rest(struct cli *c, struct walk *w, const int *skip, size_t n_skip)
{
    char *words[WORDS_MAX];
    size_t n = 0;
    while (w->at < w->argc) {
        int here = w->at;
        char *a = w->argv[w->at++];
        int code = -1;
        if ((n_skip > 0 && here == skip[0]) || (n_skip > 1 && here == skip[1])) continue;
        if (!w->only_words && strcmp(a, "--") == 0)
            w->only_words = true;
        else if (!w->only_words && a[0] == '-' && a[1] == '-')
            code = long_option(c, w, a);
        else if (!w->only_words && a[0] == '-' && a[1] != '\0')
            code = short_options(c, w, a);
        else if (n < WORDS_MAX)
            words[n++] = a;
        else
            code = cli_fail(c, 2, NULL, "there are too many words: put the text in quotes");
        if (code != -1) return code;
    }
    if (cli_global(c, "help") != NULL) return -1;
    if (c->op == NULL) return -1;
    int code = place_words(c, words, n);
    return code == -1 ? check_required(c) : code;
}

int cli_parse(struct cli *c, int argc, char **argv)
{
    struct walk w = {argc, argv, 1, false};
    int index[2] = {0, 0};
    const char *words[2] = {"", ""};
    size_t n = verb_words(w, index, words);
    size_t used = 0;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--") == 0) break;
        if (strcmp(argv[i], "--version") == 0 && n == 0) {
            printf("enclave %s\n", enclave_version());
            return 0;
        }
        if (strcmp(argv[i], "--json") == 0) c->json = true;
    }
    c->op = operation_by_words(words, n, &used);
    if (c->op == NULL) {
        int code = n == 0 ? parse_rest(c, &w, index, 0) : -1;
        return code == -1 ? no_verb(c, words, n) : code;
    }
    int code = parse_rest(c, &w, index, used);
    if (code != -1 || cli_global(c, "help") == NULL) return code;
    struct buf text = BUF_INIT;
    operation_help(c->op, &text);
    fwrite(text.p, 1, text.n, stdout);
    buf_free(&text);
    return 0;
}

void cli_parse_free(struct cli *c)
{
    for (size_t i = 0; i < OPERATION_PARAMS_MAX; i++) free(c->params[i].own);
    for (size_t i = 0; i < CLI_GLOBALS_MAX; i++) free(c->globals[i].own);
}

const char *cli_global(const struct cli *c, const char *name)
{
    size_t n;
    const struct op_param *globals = operations_globals(&n);
    for (size_t i = 0; i < n; i++)
        if (strcmp(globals[i].name, name) == 0) return c->globals[i].text;
    return NULL;
}

const char *cli_param(const struct cli *c, const char *name)
{
    for (size_t i = 0; i < c->op->n_params; i++)
        if (strcmp(c->op->params[i].name, name) == 0) return c->params[i].text;
    return NULL;
}

bool cli_flag(const struct cli *c, const char *name)
{
    return cli_param(c, name) != NULL;
}
