/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "api/call.h"

#include "tables/names.h"
#include "tables/nearest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NUMBER_MAX ((UINT64_C(1) << 53) - 1)

/* ---- JSON ---- */

void json_set_text(json_t *o, const char *name, const char *value)
{
    json_set_name(o, name, bytes_str(value == NULL ? "" : value));
}

static bool is_json_text(struct bytes b)
{
    return names_utf8(b) && (b.n == 0 || memchr(b.p, 0, b.n) == NULL);
}

void json_set_name(json_t *o, const char *name, struct bytes value)
{
    struct buf text = BUF_INIT;
    char flag[64];
    if (is_json_text(value)) {
        json_object_set_new(o, name,
                            json_stringn(value.n == 0 ? "" : (const char *)value.p, value.n));
        return;
    }
    names_encode(value, &text);
    if (!text.bad) json_object_set_new(o, name, json_stringn((const char *)text.p, text.n));
    snprintf(flag, sizeof flag, "%s_encoded", name);
    json_object_set_new(o, flag, json_true());
    buf_free(&text);
}

void json_set_number(json_t *o, const char *name, uint64_t value)
{
    json_object_set_new(o, name,
                        json_integer((json_int_t)(value > NUMBER_MAX ? NUMBER_MAX : value)));
}

void json_set_bool(json_t *o, const char *name, bool value)
{
    json_object_set_new(o, name, json_boolean(value));
}

void json_set_time(json_t *o, const char *name, uint64_t ms)
{
    char text[64];
    time_t s = (time_t)(ms / 1000);
    struct tm t;
    /* Years of five digits have no form in RFC 3339: such a clock is wrong anyway. */
    if (ms / 1000 > UINT64_C(253402300799) || gmtime_r(&s, &t) == NULL) {
        json_object_set_new(o, name, json_string("9999-12-31T23:59:59.999Z"));
        return;
    }
    size_t n = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &t);
    snprintf(text + n, sizeof text - n, ".%03uZ", (unsigned)(ms % 1000));
    json_object_set_new(o, name, json_string(text));
}

void json_add(json_t *o, const char *list, json_t *item)
{
    json_t *array = json_object_get(o, list);
    if (array == NULL) {
        array = json_array();
        json_object_set_new(o, list, array);
    }
    if (item != NULL) json_array_append_new(array, item);
}

json_t *json_problem(enum status st, const char *text, const char *next)
{
    json_t *o = json_object();
    if (next == NULL)
        next = st == ST_LOCKED                            ? "enclave daemon start"
               : st == ST_UNREACHABLE || st == ST_TIMEOUT ? "enclave status"
                                                          : "";
    json_set_text(o, "status", status_name(st));
    json_set_number(o, "exit", (uint64_t)status_exit(st));
    json_set_number(o, "http", (uint64_t)status_http(st));
    json_set_text(o, "text", text == NULL || *text == '\0' ? status_text(st) : text);
    json_set_text(o, "next", next);
    return o;
}

/* Passwords and recovery words went through here: no copy stays on the heap. */
static void json_wipe(json_t *v)
{
    const char *name;
    json_t *member;
    size_t i;
    if (json_is_string(v))
        bytes_wipe((void *)(uintptr_t)json_string_value(v), json_string_length(v));
    json_object_foreach(v, name, member) json_wipe(member);
    json_array_foreach(v, i, member) json_wipe(member);
}

/* ---- parameters ---- */

static size_t index_of(const struct operation *op, const char *name)
{
    for (size_t i = 0; i < op->n_params; i++)
        if (strcmp(op->params[i].name, name) == 0) return i;
    return op->n_params;
}

static const struct call_arg *arg_of(const struct call *c, const char *name)
{
    size_t i = index_of(c->op, name);
    if (i == c->op->n_params) {
        fprintf(stderr, "bug: operation %s has no parameter %s\n", c->op->id, name);
        abort();
    }
    return &c->args[i];
}

bool call_given(const struct call *c, const char *name)
{
    return arg_of(c, name)->given;
}

struct bytes call_bytes(const struct call *c, const char *name)
{
    const struct call_arg *a = arg_of(c, name);
    return a->given ? BYTES(c->store.p + a->at, a->n) : BYTES_NONE;
}

const char *call_text(const struct call *c, const char *name)
{
    const struct call_arg *a = arg_of(c, name);
    return a->given ? (const char *)c->store.p + a->at : NULL;
}

uint64_t call_number(const struct call *c, const char *name, uint64_t otherwise)
{
    const struct call_arg *a = arg_of(c, name);
    return a->given ? a->number : otherwise;
}

bool call_flag(const struct call *c, const char *name)
{
    return arg_of(c, name)->flag;
}

static bool is_choice(const char *list, struct bytes value)
{
    while (*list != '\0') {
        size_t n = strcspn(list, "|");
        if (bytes_same(BYTES(list, n), value)) return true;
        list += n;
        if (*list == '|') list++;
    }
    return false;
}

/* A text, kept with a terminator. encoded: still percent-encoded. */
static const char *take_text(struct call *c, const struct op_param *p, struct call_arg *a,
                             struct bytes value, bool encoded)
{
    size_t at = c->store.n;
    if (value.n > 0 && memchr(value.p, 0, value.n) != NULL) return "holds a NUL byte";
    if (encoded && names_decode(value, &c->store) != ST_OK) return "is not percent-encoded";
    if (!encoded) buf_bytes(&c->store, value);
    a->at = at;
    a->n = c->store.n - at;
    buf_u8(&c->store, 0);
    if (c->store.bad) return "is too long";
    if (p->type == OP_CHOICE && !is_choice(p->choices, value)) return "is none of its choices";
    if (p->type == OP_TEXT && !names_utf8(value)) return "is not UTF-8";
    a->given = true;
    return NULL;
}

static const char *take_number(struct call_arg *a, struct bytes value)
{
    uint64_t v = 0;
    for (size_t i = 0; i < value.n; i++) {
        if (value.p[i] < '0' || value.p[i] > '9' || v > NUMBER_MAX / 10) return "is not a number";
        v = v * 10 + (uint64_t)(value.p[i] - '0');
    }
    if (value.n == 0 || v > NUMBER_MAX) return "is not a number";
    a->number = v;
    a->given = true;
    return NULL;
}

static const char *take_bool(struct call_arg *a, struct bytes value)
{
    a->flag = bytes_same(value, BYTES_LIT("true"));
    a->given = true;
    return a->flag || bytes_same(value, BYTES_LIT("false")) ? NULL : "is neither true nor false";
}

static const char *take(struct call *c, size_t i, struct bytes value, bool encoded)
{
    const struct op_param *p = &c->op->params[i];
    struct call_arg *a = &c->args[i];
    if (a->given) return "is given twice";
    if (p->type == OP_NUMBER || p->type == OP_DURATION) return take_number(a, value);
    if (p->type == OP_BOOL) return take_bool(a, value);
    return take_text(c, p, a, value, encoded);
}

static const char *take_json(struct call *c, size_t i, const json_t *v, bool encoded)
{
    const struct op_param *p = &c->op->params[i];
    struct call_arg *a = &c->args[i];
    bool number = p->type == OP_NUMBER || p->type == OP_DURATION;
    if (number && json_is_integer(v) && json_integer_value(v) >= 0 &&
        (uint64_t)json_integer_value(v) <= NUMBER_MAX) {
        a->number = (uint64_t)json_integer_value(v);
        a->given = true;
        return NULL;
    }
    if (number) return "is not a number";
    if (p->type == OP_BOOL) {
        if (!json_is_boolean(v)) return "is neither true nor false";
        a->flag = json_is_true(v);
        a->given = true;
        return NULL;
    }
    if (!json_is_string(v)) return "is not a text";
    return take(c, i, BYTES(json_string_value(v), json_string_length(v)), encoded);
}

/* ---- reading a request ---- */

static void say(char *out, size_t n, const struct operation *op, struct bytes name,
                const char *fault)
{
    struct buf shown = BUF_INIT;
    names_show(BYTES(name.p, name.n > 60 ? 60 : name.n), false, &shown);
    buf_u8(&shown, 0);
    const char *text = shown.bad ? "?" : (const char *)shown.p;
    struct nearest best = {.word = text};
    for (size_t i = 0; i < op->n_params; i++) nearest_try(&best, op->params[i].name);
    if (fault != NULL)
        snprintf(out, n, "%s %s", text, fault);
    else if (best.best != NULL)
        snprintf(out, n, "there is no parameter %s; did you mean %s?", text, best.best);
    else
        snprintf(out, n, "there is no parameter %s", text);
    buf_free(&shown);
}

/* The parameter that name stands for, and whether name is its "_encoded" companion. */
static size_t which(const struct operation *op, struct bytes name, bool *ret_companion)
{
    static const size_t tail = sizeof "_encoded" - 1;
    *ret_companion = false;
    for (size_t i = 0; i < op->n_params; i++) {
        const struct op_param *p = &op->params[i];
        struct bytes own = bytes_str(p->name);
        if ((p->flags & OP_ONLY_CLI) != 0) continue;
        if (bytes_same(own, name)) return i;
        if ((p->type != OP_BYTES && p->type != OP_LOCAL) || name.n != own.n + tail) continue;
        if (memcmp(name.p, own.p, own.n) != 0 || memcmp(name.p + own.n, "_encoded", tail) != 0)
            continue;
        *ret_companion = true;
        return i;
    }
    return op->n_params;
}

static bool read_query(struct call *c, char *out, size_t n)
{
    struct bytes name;
    struct bytes value;
    bool encoded[OPERATION_PARAMS_MAX] = {false};
    bool companion;
    for (size_t i = 0; http_argument(c->x, i, &name, &value); i++) {
        size_t p = which(c->op, name, &companion);
        if (p < c->op->n_params && companion) encoded[p] = bytes_same(value, BYTES_LIT("true"));
    }
    for (size_t i = 0; http_argument(c->x, i, &name, &value); i++) {
        size_t p = which(c->op, name, &companion);
        const char *fault = NULL;
        if (p < c->op->n_params && companion) continue;
        if (p < c->op->n_params) fault = take(c, p, value, encoded[p]);
        if (p < c->op->n_params && fault == NULL) continue;
        say(out, n, c->op, name, fault);
        return false;
    }
    return true;
}

static bool read_members(struct call *c, const json_t *body, char *out, size_t n)
{
    const char *key;
    json_t *v;
    json_object_foreach((json_t *)(uintptr_t)body, key, v)
    {
        bool companion;
        char flag[64];
        size_t p = which(c->op, bytes_str(key), &companion);
        const char *fault = NULL;
        if (p < c->op->n_params && companion) {
            if (json_is_boolean(v)) continue;
            fault = "is neither true nor false";
        } else if (p < c->op->n_params) {
            snprintf(flag, sizeof flag, "%s_encoded", c->op->params[p].name);
            if (c->args[p].given) fault = "is in the path already";
            if (fault == NULL)
                fault = take_json(c, p, v, json_is_true(json_object_get(body, flag)));
            if (fault == NULL) continue;
        }
        say(out, n, c->op, bytes_str(key), fault);
        return false;
    }
    return true;
}

static bool read_body(struct call *c, char *out, size_t n)
{
    json_error_t error;
    struct bytes body = http_body(c->x);
    if (body.n == 0) return true; /* operations without parameters need none */
    json_t *o = json_loadb((const char *)body.p, body.n, JSON_REJECT_DUPLICATES, &error);
    bool good = json_is_object(o);
    if (!good)
        snprintf(out, n, "the body is not a JSON object");
    else
        good = read_members(c, o, out, n);
    json_wipe(o);
    json_decref(o);
    return good;
}

static bool read_path(struct call *c, const struct op_piece *pieces, size_t n_pieces, char *out,
                      size_t n)
{
    for (size_t i = 0; i < n_pieces; i++) {
        char name[64];
        snprintf(name, sizeof name, "%.*s", (int)pieces[i].name_n, pieces[i].name);
        const char *fault = take(c, index_of(c->op, name), pieces[i].raw, false);
        if (fault == NULL) continue;
        say(out, n, c->op, bytes_str(name), fault);
        return false;
    }
    return true;
}

static bool all_there(struct call *c, char *out, size_t n)
{
    for (size_t i = 0; i < c->op->n_params; i++) {
        const struct op_param *p = &c->op->params[i];
        if ((p->flags & OP_ONLY_CLI) != 0 || (p->flags & OP_REQUIRED) == 0 || c->args[i].given)
            continue;
        snprintf(out, n, "%s is missing", p->name);
        return false;
    }
    return true;
}

static void answer(struct http_exchange *x, int http, const char *type, json_t *o)
{
    char *text = o == NULL ? NULL : json_dumps(o, JSON_COMPACT);
    if (text == NULL)
        http_answer(x, 503, "application/problem+json",
                    BYTES_LIT("{\"status\":\"NO_MEMORY\",\"exit\":1,\"http\":503,"
                              "\"text\":\"out of memory\",\"next\":\"\"}"));
    else
        http_answer(x, http, type, bytes_str(text));
    if (text != NULL) bytes_wipe(text, strlen(text));
    free(text);
    json_wipe(o);
    json_decref(o);
}

static void refuse(struct http_exchange *x, enum status st, int http, const char *text)
{
    json_t *o = json_problem(st, text, "");
    json_set_number(o, "http", (uint64_t)http);
    answer(x, http, "application/problem+json", o);
}

struct call *call_new(struct api *a, struct http_exchange *x)
{
    struct op_piece pieces[OPERATION_PIECES_MAX];
    size_t n = 0;
    bool known = false;
    char fault[256] = "";
    const struct operation *op =
        operation_by_path(http_method(x), http_path(x), pieces, &n, &known);
    if (op == NULL) {
        refuse(x, ST_NOT_FOUND, known ? 405 : 404,
               known ? "this path does not know that method" : "there is no such operation");
        return NULL;
    }
    struct call *c = calloc(1, sizeof *c);
    if (c == NULL) {
        answer(x, 503, "", NULL);
        return NULL;
    }
    *c = (struct call){.api = a, .x = x, .op = op};
    buf_init(&c->store, 4 * HTTP_BODY_MAX);
    a->calls++;
    bool query = strcmp(op->method, "POST") != 0;
    if (read_path(c, pieces, n, fault, sizeof fault) &&
        (query ? read_query(c, fault, sizeof fault) : read_body(c, fault, sizeof fault)) &&
        all_there(c, fault, sizeof fault))
        return c;
    call_fail(c, ST_USAGE, fault, op->verb == NULL ? "" : NULL);
    return NULL;
}

/* ---- answering ---- */

static void call_free(struct call *c)
{
    c->api->calls--;
    buf_free(&c->store);
    free(c);
}

void call_answer(struct call *c, json_t *o)
{
    struct http_exchange *x = c->x;
    call_free(c);
    answer(x, 200, "application/json", o);
}

void call_fail(struct call *c, enum status st, const char *text, const char *next)
{
    struct http_exchange *x = c->x;
    call_free(c);
    answer(x, status_http(st), "application/problem+json", json_problem(st, text, next));
}

void call_drop(struct call *c)
{
    call_free(c);
}

void call_submitted(struct call *c, enum status st)
{
    if (st != ST_OK) call_fail(c, st, NULL, NULL);
}

void call_done(void *call, const struct node_result *r)
{
    struct call *c = call;
    if (r->st != ST_OK) {
        call_fail(c, r->st, r->text, NULL);
        return;
    }
    json_t *o = c->result != NULL ? c->result(c, r) : json_object();
    if (json_object_get(o, "text") == NULL || c->result == NULL) json_set_text(o, "text", r->text);
    call_answer(c, o);
}
