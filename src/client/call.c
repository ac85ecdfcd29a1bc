/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "client/client.h"
#include "tables/names.h"
#include "tables/operations.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct request {
    const struct operation *op;
    const struct enclave_param *params;
    size_t n;
    struct buf url;
    json_t *body; /* POST */
    char *body_text;
    const char *fault;
    /* while it runs */
    struct buf answer;
    struct buf line; /* stream: what came of the next line */
    enclave_line *each;
    void *each_arg;
    bool stopped; /* the caller has seen enough */
};

static struct bytes value_of(const struct enclave_param *p)
{
    return BYTES(p->value, p->length != 0 ? p->length : strlen(p->value));
}

static const struct enclave_param *given(const struct request *r, const char *name)
{
    for (size_t i = 0; i < r->n; i++)
        if (strcmp(r->params[i].name, name) == 0 && r->params[i].value != NULL)
            return &r->params[i];
    return NULL;
}

static bool in_path(const struct operation *op, const char *name)
{
    char braced[64];
    snprintf(braced, sizeof braced, "{%s}", name);
    return strstr(op->path, braced) != NULL;
}

/* ---- building ---- */

static bool escaped(struct buf *url, struct bytes value)
{
    for (size_t i = 0; i < value.n; i++) {
        uint8_t c = value.p[i];
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
            (c != 0 && strchr("-._~", c) != NULL))
            buf_u8(url, c);
        else
            buf_printf(url, "%%%02X", c);
    }
    return value.n > 0;
}

static void build_path(struct request *r)
{
    buf_str(&r->url, "http://localhost");
    for (const char *p = r->op->path; *p != '\0';) {
        if (*p != '{') {
            buf_u8(&r->url, (uint8_t)*p++);
            continue;
        }
        char name[64];
        size_t n = strcspn(p, "}");
        snprintf(name, sizeof name, "%.*s", (int)n - 1, p + 1);
        p += n + 1;
        const struct enclave_param *v = given(r, name);
        if (v != NULL && escaped(&r->url, value_of(v))) continue;
        /* '-' stands for the only enclave there is. */
        if (strcmp(name, "enclave") == 0)
            buf_u8(&r->url, '-');
        else
            r->fault = "a parameter of the path is missing";
    }
}

/* Text as it may stand in JSON and whether it had to be encoded. */
static bool plain_or_encoded(const struct op_param *p, struct bytes value, struct buf *out)
{
    bool bytes = p->type == OP_BYTES || p->type == OP_LOCAL;
    if (!bytes || names_plain(value)) {
        buf_bytes(out, value);
        return false;
    }
    names_encode(value, out);
    return true;
}

static void add_query(struct request *r, const struct op_param *p, struct bytes value, char *comma)
{
    struct buf text = BUF_INIT;
    bool encoded = plain_or_encoded(p, value, &text);
    buf_printf(&r->url, "%c%s=", *comma, p->name);
    escaped(&r->url, buf_view(&text));
    if (encoded) buf_printf(&r->url, "&%s_encoded=true", p->name);
    *comma = '&';
    buf_free(&text);
}

static void add_member(struct request *r, const struct op_param *p, struct bytes value)
{
    struct buf text = BUF_INIT;
    json_t *v = NULL;
    bool encoded = plain_or_encoded(p, value, &text);
    if (p->type == OP_NUMBER || p->type == OP_DURATION) {
        buf_u8(&text, 0);
        char *end = NULL;
        unsigned long long number = text.bad ? 0 : strtoull((char *)text.p, &end, 10);
        if (end == NULL || *end != '\0' || number > (1ULL << 53) - 1)
            r->fault = "a number is expected";
        else
            v = json_integer((json_int_t)number);
    } else if (p->type == OP_BOOL) {
        v = json_boolean(bytes_same(value, BYTES_LIT("true")));
    } else {
        v = text.n == 0 ? json_string("") : json_stringn((const char *)text.p, text.n);
        if (v == NULL) r->fault = "a text is not valid UTF-8";
    }
    if (v != NULL) json_object_set_new(r->body, p->name, v);
    if (encoded) {
        char name[64];
        snprintf(name, sizeof name, "%s_encoded", p->name);
        json_object_set_new(r->body, name, json_true());
    }
    buf_free(&text);
}

static void build(struct request *r)
{
    bool query = strcmp(r->op->method, "POST") != 0;
    char comma = '?';
    build_path(r);
    if (!query) r->body = json_object();
    for (size_t i = 0; i < r->n; i++) {
        const struct op_param *p = operation_param(r->op, r->params[i].name);
        if (p == NULL || (p->flags & OP_ONLY_CLI) != 0) {
            r->fault = "the operation has no such parameter";
            return;
        }
        if (r->params[i].value == NULL || in_path(r->op, p->name)) continue;
        if (query)
            add_query(r, p, value_of(&r->params[i]), &comma);
        else
            add_member(r, p, value_of(&r->params[i]));
    }
    buf_u8(&r->url, 0);
    if (r->body != NULL) r->body_text = json_dumps(r->body, JSON_COMPACT);
    if (r->url.bad || (r->body != NULL && r->body_text == NULL)) r->fault = "out of memory";
}

/* Passwords and words went through here. */
static void wipe_request(struct request *r)
{
    const char *name;
    json_t *v;
    json_object_foreach(r->body, name, v)
    {
        if (json_is_string(v))
            bytes_wipe((void *)(uintptr_t)json_string_value(v), json_string_length(v));
    }
    json_decref(r->body);
    if (r->body_text != NULL) bytes_wipe(r->body_text, strlen(r->body_text));
    free(r->body_text);
    buf_free(&r->url);
    buf_free(&r->answer);
    buf_free(&r->line);
}

/* ---- running ---- */

static size_t on_data(char *p, size_t size, size_t n, void *arg)
{
    struct request *r = arg;
    n *= size;
    if (r->each == NULL) {
        buf_raw(&r->answer, p, n);
        return r->answer.bad ? 0 : n;
    }
    for (size_t i = 0; i < n && !r->stopped; i++) {
        if (p[i] != '\n') {
            buf_u8(&r->line, (uint8_t)p[i]);
            continue;
        }
        buf_u8(&r->line, 0);
        if (r->line.bad) return 0;
        if (!r->each(r->each_arg, (const char *)r->line.p, r->line.n - 1)) r->stopped = true;
        buf_clear(&r->line);
    }
    return r->stopped ? 0 : n;
}

/* Waits for the end of the transfer in slices that enclave_cancel can cut short. */
static CURLcode drive(struct enclave *e)
{
    int running = 1;
    CURLcode code = CURLE_OK;
    if (curl_multi_add_handle(e->multi, e->easy) != CURLM_OK) return CURLE_FAILED_INIT;
    while (running != 0 && !atomic_load(&e->cancelled)) {
        if (curl_multi_perform(e->multi, &running) != CURLM_OK) break;
        if (running != 0) curl_multi_poll(e->multi, NULL, 0, 60000, NULL);
    }
    int left;
    const CURLMsg *m;
    if (running != 0) code = CURLE_ABORTED_BY_CALLBACK;
    while ((m = curl_multi_info_read(e->multi, &left)) != NULL)
        if (m->msg == CURLMSG_DONE) code = m->data.result;
    curl_multi_remove_handle(e->multi, e->easy);
    return code;
}

static struct enclave_answer *no_daemon(const struct enclave *e, CURLcode code)
{
    char text[512];
    if (code == CURLE_OPERATION_TIMEDOUT)
        return client_answer(ST_TIMEOUT, "the daemon did not answer in time", "");
    if (code != CURLE_COULDNT_CONNECT)
        return client_answer(ST_CLOSED, "the daemon went away in the middle of an answer",
                             "enclave daemon start");
    snprintf(text, sizeof text, "no daemon runs for %.400s", e->home);
    return client_answer(ST_UNREACHABLE, text,
                         "enclave daemon start (the first time: enclave init)");
}

static struct enclave_answer *finish(struct enclave *e, struct request *r, CURLcode code)
{
    long http = 0;
    if (atomic_load(&e->cancelled)) return client_answer(ST_CANCELLED, "interrupted", "");
    if (r->stopped) return client_answer(ST_OK, "", "");
    if (code != CURLE_OK) return no_daemon(e, code);
    curl_easy_getinfo(e->easy, CURLINFO_RESPONSE_CODE, &http);
    if (r->each == NULL) return client_read_answer(http, &r->answer);
    if (http == 200) return client_answer(ST_CLOSED, "the daemon has stopped", "");
    buf_bytes(&r->answer, buf_view(&r->line));
    return client_read_answer(http, &r->answer);
}

static struct enclave_answer *perform(struct enclave *e, struct request *r)
{
    char socket[4200];
    build(r);
    if (r->fault != NULL) return client_answer(ST_USAGE, r->fault, "");
    if (client_socket_path(e, socket, sizeof socket) != ST_OK)
        return no_daemon(e, CURLE_COULDNT_CONNECT);
    buf_init(&r->answer, ENCLAVE_ANSWER_MAX);
    buf_init(&r->line, ENCLAVE_ANSWER_MAX);
    CURL *c = e->easy;
    curl_easy_reset(c);
    curl_easy_setopt(c, CURLOPT_UNIX_SOCKET_PATH, socket);
    curl_easy_setopt(c, CURLOPT_URL, (char *)r->url.p);
    curl_easy_setopt(c, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_data);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, r);
    curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, r->each != NULL ? 0L : (long)e->timeout_ms);
    struct curl_slist *headers = curl_slist_append(NULL, "Expect:");
    headers = curl_slist_append(headers, "Content-Type: application/json");
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
    if (r->body_text != NULL) {
        curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE, (long)strlen(r->body_text));
        curl_easy_setopt(c, CURLOPT_POSTFIELDS, r->body_text);
    } else if (strcmp(r->op->method, "GET") != 0) {
        curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, r->op->method);
    }
    struct enclave_answer *a = finish(e, r, drive(e));
    curl_slist_free_all(headers);
    return a;
}

struct enclave_answer *enclave_call(struct enclave *e, const char *operation,
                                    const struct enclave_param *params, size_t n)
{
    struct request r = {.op = operation_by_id(operation), .params = params, .n = n};
    if (e == NULL) return NULL;
    if (r.op == NULL || r.op->path == NULL)
        return client_answer(ST_USAGE, "there is no such operation", "");
    struct enclave_answer *a = perform(e, &r);
    wipe_request(&r);
    return a;
}

struct enclave_answer *enclave_follow(struct enclave *e, unsigned long long after,
                                      enclave_line *line, void *arg)
{
    char number[24];
    snprintf(number, sizeof number, "%llu", after);
    struct enclave_param params[] = {{"after", number, 0}, {"stream", "true", 0}};
    struct request r = {
        .op = operation_by_id("events"), .params = params, .n = 2, .each = line, .each_arg = arg};
    if (e == NULL) return NULL;
    struct enclave_answer *a = perform(e, &r);
    wipe_request(&r);
    return a;
}
