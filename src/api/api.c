/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "api/api.h"

#include "api/call.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EVENT_TEXT_MAX 1024

static const struct {
    const char *id;
    api_handler *handler;
} handlers[] = {
    {"vault_init", api_handle_vault_init},
    {"vault_unlock", api_handle_vault_unlock},
    {"vault_recover", api_handle_vault_recover},
    {"vault_test", api_handle_vault_test},
    {"vault_password", api_handle_vault_password},
    {"daemon_stop", api_handle_daemon_stop},
    {"daemon_status", api_handle_daemon_status},
    {"version", api_handle_version},
    {"status", api_handle_status},
    {"events", api_handle_events},
    {"create", api_handle_create},
    {"enclaves", api_handle_enclaves},
    {"enclave", api_handle_enclave},
    {"invite", api_handle_invite},
    {"join", api_handle_join},
    {"proposals", api_handle_proposals},
    {"vote", api_handle_vote},
    {"remove", api_handle_remove},
    {"policy", api_handle_policy},
    {"policy_set", api_handle_policy_set},
    {"withdraw", api_handle_withdraw},
    {"members", api_handle_members},
    {"away", api_handle_away},
    {"leave", api_handle_leave},
    {"leave_preview", api_handle_leave_preview},
    {"destroy", api_handle_destroy},
    {"key_show", api_handle_key},
    {"key_export", api_handle_key_export},
    {"peer_add", api_handle_peer_add},
    {"peers", api_handle_peers},
    {"peer_remove", api_handle_peer_remove},
    {"peer_address", api_handle_peer_address},
    {"send", api_handle_send},
    {"edit", api_handle_edit},
    {"unsay", api_handle_unsay},
    {"react", api_handle_react},
    {"read", api_handle_read},
    {"history", api_handle_history},
    {"history_keep", api_handle_history_keep},
    {"history_share", api_handle_history_share},
    {"history_export", api_handle_history_export},
    {"history_import", api_handle_history_import},
    {"history_job", api_handle_history_job},
    {"history_read", api_handle_history_read},
    {"history_forget", api_handle_history_forget},
    {"search", api_handle_search},
    {"mark_read", api_handle_mark_read},
    {"kit", api_handle_kit},
    {"revoke", api_handle_revoke},
    {"verify", api_handle_verify},
    {"check", api_handle_check},
    {"repair", api_handle_repair},
    {"check_look", api_handle_check_look},
    {"proof", api_handle_proof},
    {"proof_check", api_handle_proof_check},
    {"rekey", api_handle_rekey},
    {"rehome", api_handle_rehome},
    {"put", api_handle_put},
    {"get", api_handle_get},
    {"ls", api_handle_ls},
    {"info", api_handle_info},
    {"drill", api_handle_drill},
    {"rebalance", api_handle_rebalance},
    {"mkdir", api_handle_mkdir},
    {"mv", api_handle_mv},
    {"rm", api_handle_rm},
    {"storage", api_handle_storage},
    {"storage_add", api_handle_storage_add},
    {"storage_remove", api_handle_storage_remove},
    {"storage_offer", api_handle_storage_offer},
    {"versions", api_handle_versions},
    {"trash", api_handle_trash},
    {"restore", api_handle_restore},
    {"retention", api_handle_retention},
    {"retention_set", api_handle_retention_set},
    {"gc", api_handle_gc},
    {"gc_run", api_handle_gc_run},
    {"transfers", api_handle_transfers},
    {"transfer", api_handle_transfer},
    {"audits", api_handle_audits},
    {"audit_now", api_handle_audit_now},
    {"audit_log", api_handle_audit_log},
    {"audit_verify", api_handle_audit_verify},
    {"storage_why", api_handle_storage_why},
};

enum status api_new(const struct api_options *options, struct api **ret)
{
    struct api *a = calloc(1, sizeof *a);
    char **lines = calloc(API_EVENTS_MAX, sizeof *lines);
    if (a == NULL || lines == NULL) {
        free(a);
        free(lines);
        return ST_NO_MEMORY;
    }
    a->o = *options;
    a->ring.lines = lines;
    a->started_ms = env_mono_ms(a->o.env);
    *ret = a;
    return ST_OK;
}

void api_free(struct api *a)
{
    if (a == NULL) return;
    for (size_t i = 0; i < API_EVENTS_MAX; i++) free(a->ring.lines[i]);
    free(a->ring.lines);
    free(a);
}

void api_handle(void *api, struct http_exchange *x)
{
    struct api *a = api;
    struct call *c = call_new(a, x);
    if (c == NULL) return;
    if (a->closing) {
        call_fail(c, ST_BUSY, "the daemon is stopping", "enclave daemon start");
        return;
    }
    if ((c->op->flags & OPERATION_LOCKED) == 0 && vault_flow_state(a->o.vault) != VAULT_OPEN) {
        bool none = vault_flow_state(a->o.vault) == VAULT_NONE;
        call_fail(c, ST_LOCKED, none ? "there is no vault yet" : "the vault is locked",
                  none ? "enclave init" : "enclave daemon start");
        return;
    }
    for (size_t i = 0; i < sizeof handlers / sizeof handlers[0]; i++) {
        if (strcmp(handlers[i].id, c->op->id) != 0) continue;
        handlers[i].handler(c);
        return;
    }
    call_fail(c, ST_BUG, "the operation has no handler", "");
}

/* ---- events ---- */

static const char *line_of(const struct api *a, uint64_t number)
{
    return a->ring.lines[number % API_EVENTS_MAX];
}

static uint64_t oldest(const struct api *a)
{
    return a->ring.last < API_EVENTS_MAX ? 1 : a->ring.last - API_EVENTS_MAX + 1;
}

static json_t *events_after(const struct api *a, uint64_t after)
{
    json_t *o = json_object();
    uint64_t from = after + 1;
    json_add(o, "events", NULL);
    json_set_bool(o, "missed", from < oldest(a));
    if (from < oldest(a)) from = oldest(a);
    for (uint64_t n = from; n <= a->ring.last; n++) {
        const char *line = line_of(a, n);
        if (line != NULL) json_add(o, "events", json_loads(line, 0, NULL));
    }
    json_set_number(o, "last", a->ring.last);
    return o;
}

static void follower_gone(void *arg)
{
    struct api_follower *f = arg;
    struct http_exchange *x = f->stream;
    f->stream = NULL;
    http_stream_end(x);
}

static enum status write_line(struct http_exchange *x, const char *line)
{
    struct buf out = BUF_INIT;
    buf_str(&out, line);
    buf_u8(&out, '\n');
    enum status st = buf_status(&out);
    if (st == ST_OK) st = http_stream_write(x, buf_view(&out));
    buf_free(&out);
    return st;
}

/* A reader that cannot keep up is let go: it may come back with the number it has seen. */
static void stream_line(struct api_follower *f, uint64_t number)
{
    struct http_exchange *x = f->stream;
    const char *line = line_of(f->api, number);
    if (line == NULL || write_line(x, line) == ST_OK) return;
    f->stream = NULL;
    http_stream_end(x);
}

static void poll_answer(struct api_follower *f)
{
    struct call *c = f->poll;
    f->poll = NULL;
    call_answer(c, events_after(f->api, f->after));
}

void api_event(void *api, const struct node_event *e)
{
    struct api *a = api;
    json_t *o = json_object();
    uint64_t number = a->ring.last + 1;
    json_set_number(o, "number", number);
    json_set_text(o, "kind", e->kind);
    json_set_text(o, "enclave", e->enclave);
    json_set_name(o, "text", BYTES(e->text, strnlen(e->text, EVENT_TEXT_MAX)));
    json_set_text(o, "who", e->who);
    json_set_number(o, "ref", e->number);
    json_set_time(o, "time", e->time_ms);
    char *line = json_dumps(o, JSON_COMPACT);
    json_decref(o);
    free(a->ring.lines[number % API_EVENTS_MAX]);
    a->ring.lines[number % API_EVENTS_MAX] = line; /* NULL: lost for lack of memory */
    a->ring.last = number;
    for (size_t i = 0; i < API_FOLLOWERS_MAX; i++) {
        struct api_follower *f = &a->followers[i];
        if (f->stream != NULL) stream_line(f, number);
        if (f->poll != NULL) poll_answer(f);
    }
}

static struct api_follower *free_follower(struct api *a)
{
    for (size_t i = 0; i < API_FOLLOWERS_MAX; i++)
        if (a->followers[i].stream == NULL && a->followers[i].poll == NULL) return &a->followers[i];
    return NULL;
}

static void begin_stream(struct call *c, struct api_follower *f, uint64_t after)
{
    struct api *a = c->api;
    uint64_t from = after + 1 < oldest(a) ? oldest(a) : after + 1;
    f->api = a;
    f->stream = c->x;
    call_drop(c);
    http_stream_begin(f->stream, "application/x-ndjson", follower_gone, f);
    for (uint64_t n = from; n <= a->ring.last && f->stream != NULL; n++) stream_line(f, n);
}

void api_handle_events(struct call *c)
{
    struct api *a = c->api;
    uint64_t after = call_number(c, "after", 0);
    uint64_t wait = call_number(c, "wait", 0);
    bool stream = call_flag(c, "stream");
    if (!stream && (wait == 0 || after < a->ring.last)) {
        call_answer(c, events_after(a, after));
        return;
    }
    struct api_follower *f = free_follower(a);
    if (f == NULL) {
        call_fail(c, ST_BUSY, "too many readers wait for events", NULL);
    } else if (stream) {
        begin_stream(c, f, after);
    } else {
        uint64_t most = wait > API_WAIT_MAX_MS ? API_WAIT_MAX_MS : wait;
        *f = (struct api_follower){a, NULL, c, after, env_mono_ms(a->o.env) + most};
    }
}

uint64_t api_next_ms(const struct api *a)
{
    uint64_t next = UINT64_MAX;
    for (size_t i = 0; i < API_FOLLOWERS_MAX; i++)
        if (a->followers[i].poll != NULL && a->followers[i].until_ms < next)
            next = a->followers[i].until_ms;
    return next;
}

void api_tick(struct api *a)
{
    uint64_t now = env_mono_ms(a->o.env);
    for (size_t i = 0; i < API_FOLLOWERS_MAX; i++)
        if (a->followers[i].poll != NULL && a->followers[i].until_ms <= now)
            poll_answer(&a->followers[i]);
}

void api_close(struct api *a)
{
    a->closing = true;
    for (size_t i = 0; i < API_FOLLOWERS_MAX; i++) {
        struct api_follower *f = &a->followers[i];
        if (f->poll != NULL) poll_answer(f);
        if (f->stream == NULL) continue;
        struct http_exchange *x = f->stream;
        f->stream = NULL;
        http_stream_end(x);
    }
}
