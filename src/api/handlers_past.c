/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Versions of files, trash, retention. */
#include "api/call.h"
#include "api/shapes_json.h"

bool api_version_of(struct call *c, struct node_version_of *ret)
{
    ret->number = call_number(c, "version", 0);
    ret->at_ms = 0;
    if (!call_given(c, "at")) return true;
    if (call_given(c, "version")) {
        call_fail(c, ST_USAGE, "a version is named by its number or by a time, not both", "");
        return false;
    }
    if (api_time(call_text(c, "at"), &ret->at_ms)) return true;
    call_fail(c, ST_USAGE, "at is a time such as 2026-12-24T18:00:00Z", "");
    return false;
}

static void add_version(void *arg, const struct node_version *v)
{
    json_add(arg, "versions", json_file_version(v));
}

typedef enum status list_of(struct node *n, const char *enclave, struct bytes path,
                            node_version_visit *visit, void *arg);

static void answer_list(struct call *c, list_of *list)
{
    char room[NODE_NAME_MAX + 1];
    if (!api_path_fits(c, "path")) return;
    const char *name = api_enclave_of(c, room, sizeof room);
    if (name == NULL) return;
    json_t *o = json_object();
    json_add(o, "versions", NULL);
    enum status st = list(c->api->o.node, name, call_bytes(c, "path"), add_version, o);
    if (st == ST_OK) {
        call_answer(c, o);
        return;
    }
    json_decref(o);
    if (st == ST_USAGE)
        call_fail(c, st, "that is a directory: its files have versions",
                  "enclave ls shows what is in it");
    else
        api_refused(c, name, st);
}

void api_handle_versions(struct call *c)
{
    answer_list(c, node_versions);
}

void api_handle_trash(struct call *c)
{
    answer_list(c, node_trash);
}

void api_handle_restore(struct call *c)
{
    char room[NODE_NAME_MAX + 1];
    struct node_version_of of;
    if (!api_path_fits(c, "path") || !api_version_of(c, &of)) return;
    const char *name = api_enclave_of(c, room, sizeof room);
    if (name == NULL) return;
    enum status st = node_restore(c->api->o.node, name, call_bytes(c, "path"), &of, call_done, c);
    if (st == ST_EXISTS)
        call_fail(c, st, "the file is there, and it is that version", "enclave versions PATH");
    else if (st == ST_USAGE || st == ST_NOT_FOUND)
        call_fail(c, ST_NOT_FOUND, "there is no such version, and nothing to bring back",
                  "enclave trash, or enclave versions PATH");
    else if (st != ST_OK)
        api_refused(c, name, st);
}

void api_handle_retention(struct call *c)
{
    char room[NODE_NAME_MAX + 1];
    const char *keep;
    const char *name = api_enclave_of(c, room, sizeof room);
    if (name == NULL) return;
    enum status st = node_retention(c->api->o.node, name, &keep);
    if (st != ST_OK) {
        api_refused(c, name, st);
        return;
    }
    json_t *o = json_object();
    json_set_text(o, "keep", keep);
    call_answer(c, o);
}

void api_handle_retention_set(struct call *c)
{
    char room[NODE_NAME_MAX + 1];
    const char *name = api_enclave_of(c, room, sizeof room);
    if (name == NULL) return;
    enum status st = node_retention_set(c->api->o.node, name, call_text(c, "keep"), call_done, c);
    if (st != ST_OK) api_refused(c, name, st);
}

void api_handle_gc(struct call *c)
{
    char room[NODE_NAME_MAX + 1];
    uint64_t bytes = 0;
    const char *name = api_enclave_of(c, room, sizeof room);
    if (name == NULL) return;
    json_t *o = json_object();
    json_add(o, "versions", NULL);
    enum status st = node_gc(c->api->o.node, name, add_version, o, &bytes);
    if (st == ST_OK) {
        json_set_number(o, "bytes", bytes);
        call_answer(c, o);
        return;
    }
    json_decref(o);
    api_refused(c, name, st);
}

void api_handle_gc_run(struct call *c)
{
    char room[NODE_NAME_MAX + 1];
    const char *name = api_enclave_of(c, room, sizeof room);
    if (name == NULL) return;
    enum status st = node_gc_run(c->api->o.node, name, call_done, c);
    if (st != ST_OK) api_refused(c, name, st);
}
