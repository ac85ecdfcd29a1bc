/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* History: how long it is kept, files of it, what members share of it. */
#include "api/call.h"
#include "api/search.h"
#include "api/shapes_json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DAY_MS (UINT64_C(24) * 3600 * 1000)

/* ---- what there is ---- */

struct listing {
    struct node *node;
    json_t *answer;
};

static void add_history(void *arg, const struct node_enclave_info *e)
{
    const struct listing *l = arg;
    struct node_history h;
    if (node_history(l->node, e->name, &h) != ST_OK) return;
    json_t *o = json_object();
    json_set_text(o, "enclave", e->name);
    json_set_number(o, "keep_ms", h.keep_ms);
    json_set_number(o, "first", h.first);
    json_set_number(o, "last", h.last);
    json_set_time(o, "since", h.since_ms);
    json_add(l->answer, "enclaves", o);
}

static void add_archive(void *arg, const struct node_archive *a)
{
    json_t *o = json_object();
    json_set_text(o, "name", a->name);
    json_set_bool(o, "shared", a->shared);
    json_set_text(o, "enclave", a->enclave);
    json_set_text(o, "by", a->by);
    json_set_number(o, "messages", a->messages);
    json_set_time(o, "since", a->since_ms);
    json_set_time(o, "until", a->until_ms);
    json_set_time(o, "time", a->made_ms);
    json_add(arg, "archives", o);
}

void api_handle_history(struct call *c)
{
    json_t *o = json_object();
    json_add(o, "enclaves", NULL);
    json_add(o, "archives", NULL);
    struct listing l = {c->api->o.node, o};
    node_enclaves(l.node, add_history, &l);
    node_archives(c->api->o.node, add_archive, o);
    call_answer(c, o);
}

/* ---- how long ---- */

/* "90d", "1y", "forever". */
static bool read_keep(const char *text, uint64_t *ret_ms)
{
    char *end = NULL;
    *ret_ms = 0;
    if (strcmp(text, "forever") == 0) return true;
    unsigned long long n = strtoull(text, &end, 10);
    uint64_t days = strcmp(end, "d") == 0 ? 1 : strcmp(end, "y") == 0 ? 365 : 0;
    if (end == text || days == 0 || n == 0 || n > 36500) return false;
    *ret_ms = n * days * DAY_MS;
    return true;
}

void api_handle_history_keep(struct call *c)
{
    char room[NODE_NAME_MAX + 1];
    uint64_t keep_ms;
    const char *name = api_enclave_of(c, room, sizeof room);
    if (name == NULL) return;
    enum status st = ST_USAGE;
    if (read_keep(call_text(c, "time"), &keep_ms))
        st = node_history_keep(c->api->o.node, name, keep_ms, call_done, c);
    if (st != ST_OK) api_refused(c, name, st);
}

/* ---- to a newcomer ---- */

static json_t *was_shared(const struct call *c, const struct node_result *r)
{
    char text[128];
    uint64_t n = r->data != NULL ? *(const uint64_t *)r->data : 0;
    json_t *o = json_object();
    (void)c;
    snprintf(text, sizeof text, "%llu messages are on their way, as private words",
             (unsigned long long)n);
    json_set_number(o, "messages", n);
    json_set_text(o, "text", text);
    return o;
}

void api_handle_history_share(struct call *c)
{
    char room[NODE_NAME_MAX + 1];
    const char *name = api_enclave_of(c, room, sizeof room);
    if (name == NULL) return;
    uint64_t now = env_wall_ms(c->api->o.env), back = call_number(c, "since", 0);
    struct node_share req = {.enclave = name,
                             .who = call_text(c, "who"),
                             .since_ms = back == 0 || back > now ? 0 : now - back,
                             .most = (size_t)call_number(c, "last", 0)};
    c->result = was_shared;
    enum status st = node_history_share(c->api->o.node, &req, call_done, c);
    if (st != ST_OK) api_refused(c, name, st);
}

/* ---- files ---- */

static json_t *json_job(const struct node_history_job *j)
{
    json_t *o = json_object();
    json_set_number(o, "id", j->id);
    json_set_text(o, "kind", j->kind);
    json_set_text(o, "state", j->state);
    json_set_name(o, "local", bytes_str(j->local));
    json_set_text(o, "archive", j->archive);
    json_set_number(o, "messages", j->messages);
    json_set_number(o, "done", j->done);
    json_set_number(o, "total", j->total);
    json_set_number(o, "rate", j->rate);
    json_set_number(o, "eta_ms", j->eta_ms);
    json_set_text(o, "status", status_name(j->st));
    json_set_number(o, "exit", (uint64_t)status_exit(j->st));
    json_set_text(o, "text", j->text);
    return o;
}

static json_t *has_begun(const struct call *c, const struct node_result *r)
{
    (void)c;
    return r->data != NULL ? json_job(r->data) : json_object();
}

void api_handle_history_export(struct call *c)
{
    char room[NODE_NAME_MAX + 1];
    const char *name = api_enclave_of(c, room, sizeof room);
    if (name == NULL) return;
    struct node_history_file req = {.enclave = name,
                                    .local = call_text(c, "local"),
                                    .password = call_bytes(c, "password"),
                                    .replace = call_flag(c, "replace")};
    c->result = has_begun;
    enum status st = node_history_export(c->api->o.node, &req, call_done, c);
    if (st != ST_OK) api_refused(c, name, st);
}

void api_handle_history_import(struct call *c)
{
    struct node_history_file req = {.name = call_text(c, "name"),
                                    .local = call_text(c, "local"),
                                    .password = call_bytes(c, "password")};
    c->result = has_begun;
    enum status st = node_history_import(c->api->o.node, &req, call_done, c);
    if (st != ST_OK) api_refused_alone(c, st);
}

static void answer_job(void *arg, const struct node_history_job *j)
{
    call_answer(arg, json_job(j));
}

void api_handle_history_job(struct call *c)
{
    enum status st = node_history_job(c->api->o.node, answer_job, c);
    if (st != ST_OK) api_refused_alone(c, st);
}

/* ---- archives ---- */

struct looking {
    struct search *search; /* NULL: all */
    json_t *found;         /* array */
    uint64_t seen, next;
};

static bool look_at(void *arg, const struct node_message *m)
{
    struct looking *l = arg;
    if (l->seen == API_SEARCH_ROWS || json_array_size(l->found) == API_SEARCH_FOUND) {
        l->next = m->number;
        return false;
    }
    l->seen++;
    if (l->search == NULL || search_holds(l->search, m->text) || search_holds(l->search, m->path))
        json_array_append_new(l->found, json_message(m));
    return true;
}

void api_handle_history_read(struct call *c)
{
    struct looking l = {.found = NULL};
    if (call_given(c, "find") && search_new(call_bytes(c, "find"), &l.search) != ST_OK) {
        call_fail(c, ST_USAGE, "1 to 16 words can be looked for",
                  "enclave history read NAME --find 'dinner eight'");
        return;
    }
    l.found = json_array();
    enum status st = node_archive_read(c->api->o.node, call_text(c, "archive"),
                                       call_number(c, "from", 1), look_at, &l);
    search_free(l.search);
    if (st != ST_OK) {
        json_decref(l.found);
        api_refused_alone(c, st);
        return;
    }
    json_t *o = json_object();
    json_object_set_new(o, "messages", l.found);
    json_set_number(o, "next", l.next);
    call_answer(c, o);
}

void api_handle_history_forget(struct call *c)
{
    enum status st = node_archive_forget(c->api->o.node, call_text(c, "archive"), call_done, c);
    if (st != ST_OK) api_refused_alone(c, st);
}
