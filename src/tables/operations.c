/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "tables/operations.h"

#include "tables/nearest.h"
#include "tables/shapes.h"

#include <stdio.h>
#include <string.h>

const struct operation *operation_by_id(const char *id)
{
    size_t n;
    const struct operation *all = operations_all(&n);
    for (size_t i = 0; i < n; i++)
        if (strcmp(all[i].id, id) == 0) return &all[i];
    return NULL;
}

static const struct op_alias aliases[] = {
    {"upload", "put"}, {"download", "get"}, {"peers", "peer list"}};

const struct op_alias *operation_alias(size_t i)
{
    return i < sizeof aliases / sizeof aliases[0] ? &aliases[i] : NULL;
}

/* How many words the verb has if words begin with it, else 0. */
static size_t verb_matches(const char *verb, const char *const *words, size_t n)
{
    size_t used = 0;
    while (*verb != '\0') {
        size_t len = strcspn(verb, " ");
        if (used == n || strlen(words[used]) != len || memcmp(words[used], verb, len) != 0)
            return 0;
        used++;
        verb += len;
        if (*verb == ' ') verb++;
    }
    return used;
}

static const struct operation *by_verb(const char *verb)
{
    size_t count;
    const struct operation *all = operations_all(&count);
    for (size_t i = 0; i < count; i++)
        if (all[i].verb != NULL && strcmp(all[i].verb, verb) == 0) return &all[i];
    return NULL;
}

const struct operation *operation_by_words(const char *const *words, size_t n, size_t *ret_used)
{
    size_t count;
    const struct operation *all = operations_all(&count);
    const struct operation *best = NULL;
    *ret_used = 0;
    for (size_t i = 0; i < count; i++) {
        size_t used = all[i].verb == NULL ? 0 : verb_matches(all[i].verb, words, n);
        if (used <= *ret_used) continue;
        *ret_used = used;
        best = &all[i];
    }
    if (best != NULL || n == 0) return best;
    for (size_t i = 0; i < sizeof aliases / sizeof aliases[0]; i++) {
        if (strcmp(words[0], aliases[i].word) != 0) continue;
        *ret_used = 1;
        return by_verb(aliases[i].verb);
    }
    return NULL;
}

const char *operation_suggest(const char *const *words, size_t n)
{
    size_t count;
    const struct operation *all = operations_all(&count);
    char two[2 * NEAREST_WORD_MAX + 2];
    if (n == 0) return NULL;
    struct nearest one = {.word = words[0]};
    struct nearest both = {.word = two};
    snprintf(two, sizeof two, "%.64s %.64s", words[0], n > 1 ? words[1] : "");
    for (size_t i = 0; i < count; i++) {
        if (all[i].verb == NULL || (all[i].flags & OPERATION_HIDDEN) != 0) continue;
        size_t first = strcspn(all[i].verb, " ");
        nearest_try(&one, all[i].verb);
        nearest_try(&both, all[i].verb);
        /* "daemon" alone, or with a second word that is far off. */
        if (strlen(words[0]) == first && memcmp(words[0], all[i].verb, first) == 0 &&
            one.best == NULL)
            one = (struct nearest){words[0], all[i].verb, NEAREST_WORD_MAX};
    }
    if (both.best != NULL && (one.best == NULL || both.distance <= one.distance)) return both.best;
    return one.best;
}

const struct op_param *operation_param(const struct operation *op, const char *name)
{
    for (size_t i = 0; i < op->n_params; i++)
        if (strcmp(op->params[i].name, name) == 0) return &op->params[i];
    return NULL;
}

/* Takes the next piece of a path up to '/'. */
static struct bytes next_piece(struct bytes *path)
{
    size_t n = 0;
    if (path->n > 0 && path->p[0] == '/') *path = BYTES(path->p + 1, path->n - 1);
    while (n < path->n && path->p[n] != '/') n++;
    struct bytes piece = BYTES(path->p, n);
    *path = BYTES(path->p + n, path->n - n);
    return piece;
}

static bool path_matches(const char *pattern, struct bytes path,
                         struct op_piece pieces[OPERATION_PIECES_MAX], size_t *ret_n)
{
    struct bytes want = bytes_str(pattern);
    *ret_n = 0;
    while (want.n > 0 && path.n > 0) {
        struct bytes w = next_piece(&want);
        struct bytes p = next_piece(&path);
        if (w.n > 2 && w.p[0] == '{') {
            if (p.n == 0 || *ret_n == OPERATION_PIECES_MAX) return false;
            pieces[(*ret_n)++] = (struct op_piece){(const char *)w.p + 1, w.n - 2, p};
        } else if (!bytes_same(w, p)) {
            return false;
        }
    }
    return want.n == 0 && path.n == 0;
}

const struct operation *operation_by_path(const char *method, struct bytes path,
                                          struct op_piece ret_pieces[OPERATION_PIECES_MAX],
                                          size_t *ret_n, bool *ret_known_path)
{
    size_t count;
    const struct operation *all = operations_all(&count);
    *ret_known_path = false;
    for (size_t i = 0; i < count; i++) {
        if (all[i].path == NULL || !path_matches(all[i].path, path, ret_pieces, ret_n)) continue;
        *ret_known_path = true;
        if (strcmp(all[i].method, method) == 0) return &all[i];
    }
    *ret_n = 0;
    return NULL;
}

static const char *param_fault(const struct operation *op, const struct op_param *p)
{
    if (p->help == NULL || p->help[0] == '\0') return "a parameter has no help";
    if (p->kind == OP_FLAG && p->type != OP_BOOL) return "a flag is not a bool";
    if ((p->type == OP_CHOICE) != (p->choices != NULL)) return "choices are missing or too many";
    if (p->kind != OP_FLAG && p->type != OP_CHOICE && p->type != OP_SECRET && p->meta == NULL)
        return "a parameter has no meta word";
    if ((p->flags & OP_REST) != 0 && p->kind != OP_POSITIONAL) return "rest is not positional";
    if (p->type == OP_SECRET && p->kind == OP_POSITIONAL) return "a secret would be an argument";
    const struct op_param *first = operation_param(op, p->name);
    return first != p ? "a parameter is there twice" : NULL;
}

static const char *row_fault(const struct operation *op)
{
    if (op->n_params > OPERATION_PARAMS_MAX) return "too many parameters";
    if ((op->method == NULL) != (op->path == NULL)) return "method without path";
    if (op->path == NULL && op->verb == NULL) return "neither verb nor path";
    if (op->path != NULL && strncmp(op->path, "/v1/", 4) != 0) return "path without /v1/";
    if (op->path != NULL && op->result == NULL) return "no result";
    if (op->verb != NULL) {
        if (op->summary[0] == '\0' || op->help[0] == '\0') return "no help";
        if (strncmp(op->example, "enclave ", 8) != 0) return "no example";
        if (strstr(op->example, op->verb) == NULL) return "the example shows another verb";
    }
    bool optional = false;
    for (size_t i = 0; i < op->n_params; i++) {
        const char *fault = param_fault(op, &op->params[i]);
        if (fault != NULL) return fault;
        if (op->params[i].kind != OP_POSITIONAL) continue;
        bool required = (op->params[i].flags & OP_REQUIRED) != 0;
        if (required && optional) return "a required word follows an optional one";
        optional = !required;
    }
    for (const char *p = op->path; p != NULL && (p = strchr(p, '{')) != NULL; p++) {
        char name[32];
        snprintf(name, sizeof name, "%.*s", (int)strcspn(p + 1, "}"), p + 1);
        if (operation_param(op, name) == NULL) return "a {name} of the path is no parameter";
    }
    return NULL;
}

const char *operations_fault(char *room, size_t n)
{
    size_t count;
    const struct operation *all = operations_all(&count);
    for (size_t i = 0; i < count; i++) {
        const char *fault = row_fault(&all[i]);
        if (operation_by_id(all[i].id) != &all[i]) fault = "the id is there twice";
        for (size_t j = 0; j < i && fault == NULL; j++)
            if (all[i].path != NULL && all[j].path != NULL &&
                strcmp(all[i].path, all[j].path) == 0 && strcmp(all[i].method, all[j].method) == 0)
                fault = "method and path are there twice";
        if (fault == NULL) continue;
        snprintf(room, n, "%s: %s", all[i].id, fault);
        return room;
    }
    return NULL;
}
