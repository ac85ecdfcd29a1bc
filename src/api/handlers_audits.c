/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Audits, and what is thought of a holder. */
#include "api/call.h"
#include "api/shapes_json.h"

#include <stdio.h>
#include <string.h>

static json_t *json_fault(const struct node_audit_fault *f)
{
    json_t *o = json_object();
    json_set_time(o, "time", f->time_ms);
    json_set_text(o, "cause", f->cause);
    json_set_text(o, "by", f->by);
    json_set_text(o, "segment", f->segment);
    json_set_number(o, "shard", f->index);
    json_set_number(o, "times", f->times);
    if (f->one_leaf) json_set_number(o, "leaf", f->leaf);
    return o;
}

static json_t *json_audit(const struct node_audit *a)
{
    json_t *o = json_object();
    json_set_number(o, "holder", a->holder);
    json_set_text(o, "nick", a->nick);
    json_set_bool(o, "asking", a->asking);
    json_set_number(o, "score", a->score);
    json_set_text(o, "standing", a->standing);
    if (a->before >= 0) json_set_number(o, "before", (uint64_t)a->before);
    json_set_number(o, "availability", a->availability);
    json_set_number(o, "looks", a->looks);
    json_set_number(o, "rounds", a->rounds);
    if (a->last_ms > 0) json_set_time(o, "last", a->last_ms);
    json_set_number(o, "asked", a->asked);
    json_set_number(o, "right", a->right);
    json_set_number(o, "late", a->late);
    json_set_number(o, "lost", a->lost);
    json_set_number(o, "wrong", a->wrong);
    json_set_text(o, "text", a->text);
    json_set_text(o, "next", a->next);
    json_add(o, "faults", NULL);
    for (size_t i = 0; i < a->n_faults; i++) json_add(o, "faults", json_fault(&a->faults[i]));
    return o;
}

static void add_audit(void *arg, const struct node_audit *a)
{
    json_add(arg, "holders", json_audit(a));
}

void api_handle_audits(struct call *c)
{
    char room[NODE_NAME_MAX + 1];
    const char *name = api_enclave_of(c, room, sizeof room);
    if (name == NULL) return;
    json_t *o = json_object();
    json_add(o, "holders", NULL);
    enum status st = node_audits(c->api->o.node, name, add_audit, o);
    if (st == ST_OK) {
        call_answer(c, o);
        return;
    }
    json_decref(o);
    api_refused(c, name, st);
}

void api_handle_audit_now(struct call *c)
{
    char room[NODE_NAME_MAX + 1];
    const char *name = api_enclave_of(c, room, sizeof room);
    if (name == NULL) return;
    enum status st = node_audit_now(c->api->o.node, name, call_done, c);
    if (st == ST_UNREACHABLE)
        call_fail(c, st, "not connected to the enclave now, so nobody can be asked",
                  "enclave status");
    else if (st != ST_OK)
        api_refused(c, name, st);
}

static void keep_audit(void *arg, const struct node_audit *a)
{
    json_t **one = arg;
    json_decref(*one);
    *one = json_audit(a);
}

void api_handle_storage_why(struct call *c)
{
    char room[NODE_NAME_MAX + 1];
    json_t *one = NULL;
    const char *who = call_text(c, "who");
    const char *name = api_enclave_of(c, room, sizeof room);
    if (name == NULL) return;
    enum status st = node_audit_why(c->api->o.node, name, who, keep_audit, &one);
    if (st == ST_OK && one != NULL) {
        call_answer(c, one);
        return;
    }
    json_decref(one);
    if (st == ST_USAGE)
        call_fail(c, st, "that is you: the others judge what you hold", "enclave audit log");
    else if (st == ST_PENDING)
        call_fail(c, st, "nothing is known of that member yet", "enclave audit --now");
    else if (st == ST_CONFLICT)
        call_fail(c, st, "several members are called so", "8 or more characters of the id");
    else
        api_refused(c, name, st);
}

static void add_line(void *arg, const struct node_audit_entry *l)
{
    json_t *o = json_object();
    json_set_number(o, "index", l->index);
    json_set_time(o, "time", l->time_ms);
    json_set_text(o, "by", l->by);
    json_set_text(o, "text", l->text);
    json_add(arg, "entries", o);
}

void api_handle_audit_log(struct call *c)
{
    char room[NODE_NAME_MAX + 1];
    const char *name = api_enclave_of(c, room, sizeof room);
    if (name == NULL) return;
    json_t *o = json_object();
    json_add(o, "entries", NULL);
    enum status st = node_audit_log(c->api->o.node, name, add_line, o);
    if (st == ST_OK) {
        call_answer(c, o);
        return;
    }
    json_decref(o);
    api_refused(c, name, st);
}

void api_handle_audit_verify(struct call *c)
{
    char room[NODE_NAME_MAX + 1];
    struct node_audit_verdict v;
    const char *name = api_enclave_of(c, room, sizeof room);
    if (name == NULL) return;
    enum status st = node_audit_verify(c->api->o.node, name, &v);
    if (st != ST_OK) {
        api_refused(c, name, st);
        return;
    }
    bool whole = v.malformed + v.broken + v.missing + v.false_proofs + v.false_digests == 0;
    json_t *o = json_object();
    json_set_bool(o, "whole", whole);
    json_set_number(o, "entries", v.entries);
    json_set_number(o, "unreadable", v.unreadable);
    json_set_number(o, "rounds", v.rows);
    json_set_number(o, "proofs", v.proofs);
    json_set_number(o, "malformed", v.malformed);
    json_set_number(o, "broken", v.broken);
    json_set_number(o, "missing", v.missing);
    json_set_number(o, "false_proofs", v.false_proofs);
    json_set_number(o, "digests", v.digests);
    json_set_number(o, "unread_digests", v.unread_digests);
    json_set_number(o, "false_digests", v.false_digests);
    json_set_text(o, "text",
                  whole ? "every receipt is signed, hangs together with the one before, and none "
                          "is missing"
                        : "the receipts do not hang together");
    call_answer(c, o);
}
