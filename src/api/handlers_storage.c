/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Where shards are kept, and storage nodes. */
#include "api/call.h"

#include <stdlib.h>
#include <string.h>

/* "50G": a whole number and K, M, G or T of a thousand each. 0: it is none. */
static uint64_t size_of(const char *text)
{
    static const char units[] = "KMGT";
    char *end = NULL;
    uint64_t factor = 1;
    if (text == NULL || *text < '0' || *text > '9') return 0;
    unsigned long long n = strtoull(text, &end, 10);
    const char *unit = *end == '\0' ? NULL : strchr(units, *end >= 'a' ? *end - 32 : *end);
    if (*end != '\0' && (unit == NULL || (end[1] != '\0' && strcmp(end + 1, "B") != 0))) return 0;
    if (unit != NULL)
        for (const char *u = units; u <= unit; u++) factor *= 1000;
    return n > UINT64_MAX / 1024 / factor ? 0 : n * factor;
}

static bool size_given(struct call *c, const char *name, uint64_t *ret)
{
    *ret = 0;
    if (!call_given(c, name)) return true;
    *ret = size_of(call_text(c, name));
    if (*ret > 0) return true;
    call_fail(c, ST_USAGE, "that is no size: a whole number with K, M, G or T, such as 50G", "");
    return false;
}

static json_t *json_storage(const struct node_storage *v)
{
    json_t *o = json_object();
    json_set_number(o, "number", v->number);
    json_set_text(o, "who", v->who);
    json_set_bool(o, "node", v->node);
    json_set_bool(o, "self", v->self);
    json_set_bool(o, "up", v->up);
    json_set_text(o, "state", v->state);
    json_set_bool(o, "told", v->told);
    json_set_number(o, "used_bytes", v->used);
    json_set_number(o, "free_bytes", v->free);
    json_set_number(o, "offered_bytes", v->offered);
    json_set_number(o, "placed_bytes", v->placed);
    json_set_number(o, "trash_segments", v->trash);
    if (v->expiry_ms != 0) json_set_time(o, "expires", v->expiry_ms);
    json_set_text(o, "pin", v->pin);
    json_set_text(o, "text", v->text);
    return o;
}

static void add_holder(void *arg, const struct node_storage *v)
{
    json_add(arg, "holders", json_storage(v));
}

void api_handle_storage(struct call *c)
{
    char room[NODE_NAME_MAX + 1];
    const char *name = api_enclave_of(c, room, sizeof room);
    if (name == NULL) return;
    json_t *o = json_object();
    json_add(o, "holders", NULL);
    enum status st = node_storage(c->api->o.node, name, add_holder, o);
    if (st == ST_OK) {
        json_set_number(o, "offered_bytes", node_storage_offered(c->api->o.node));
        call_answer(c, o);
        return;
    }
    json_decref(o);
    api_refused(c, name, st);
}

void api_handle_storage_add(struct call *c)
{
    char room[NODE_NAME_MAX + 1];
    uint64_t quota;
    if (!size_given(c, "quota", &quota)) return;
    const char *name = api_enclave_of(c, room, sizeof room);
    if (name == NULL) return;
    enum status st =
        node_storage_add(c->api->o.node, name, call_text(c, "offer"), quota, call_done, c);
    switch (st) {
    case ST_OK: break;
    case ST_BAD_MESSAGE:
    case ST_VERSION:
        call_fail(c, ST_USAGE,
                  "this is no offer of a storage node: one begins with "
                  "enclave-storage: and is one word",
                  "the whole line that storaged --offer printed");
        break;
    case ST_QUOTA:
        call_fail(c, st, "that is more than the offer gives", "the same without --quota");
        break;
    case ST_REPLAY:
        call_fail(c, ST_CONFLICT, "this offer is too old",
                  "ask its owner for a fresh one: storaged --data DIR --offer GB");
        break;
    case ST_DENIED:
        call_fail(c, st,
                  "in this enclave nobody shall see a member's address, and a storage node "
                  "would",
                  "enclave policy set mode=direct");
        break;
    case ST_PENDING:
        call_fail(c, st, "somebody is just coming in or leaving", "the same in a minute");
        break;
    default: api_refused(c, name, st);
    }
}

void api_handle_storage_remove(struct call *c)
{
    char room[NODE_NAME_MAX + 1];
    const char *name = api_enclave_of(c, room, sizeof room);
    if (name == NULL) return;
    enum status st =
        node_storage_remove(c->api->o.node, name, call_number(c, "number", 0), call_done, c);
    if (st == ST_NOT_FOUND)
        call_fail(c, st, "no storage node has this number", "enclave storage");
    else if (st != ST_OK)
        api_refused(c, name, st);
}

void api_handle_storage_offer(struct call *c)
{
    uint64_t bytes;
    if (!size_given(c, "size", &bytes)) return;
    enum status st = node_storage_offer(c->api->o.node, bytes, call_done, c);
    if (st != ST_OK) api_refused_alone(c, st);
}
