/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "api/shapes_json.h"

#include "api/call.h"

static const char *state_name(enum node_state s)
{
    switch (s) {
    case NODE_JOINING: return "joining";
    case NODE_REFUSED: return "refused";
    case NODE_MEMBER: return "member";
    case NODE_LEAVING: return "leaving";
    case NODE_HALTED: return "halted";
    case NODE_REMOVED: return "removed";
    }
    return "halted";
}

json_t *json_enclave(const struct node_enclave_info *e)
{
    json_t *o = json_object();
    json_set_text(o, "name", e->name);
    json_set_text(o, "id", e->id);
    json_set_text(o, "state", state_name(e->state));
    json_set_text(o, "nick", e->nick);
    json_set_text(o, "sentinel", e->sentinel);
    json_set_bool(o, "online", e->online);
    json_set_text(o, "trouble", e->trouble);
    json_set_number(o, "members", e->members);
    json_set_number(o, "reachable", e->reachable);
    json_set_number(o, "open_proposals", e->open_proposals);
    json_set_number(o, "unread", e->unread);
    json_set_number(o, "epoch", e->epoch);
    json_set_text(o, "ballot", e->ballot);
    json_set_text(o, "mode", e->mode);
    json_set_number(o, "outbox", e->outbox);
    json_set_number(o, "held_bytes", e->held_bytes);
    json_set_number(o, "ledger_count", e->ledger_count);
    json_set_text(o, "head", e->head);
    json_set_text(o, "safety", e->safety);
    return o;
}

json_t *json_member(const struct node_member *m)
{
    json_t *o = json_object();
    json_set_number(o, "leaf", m->leaf);
    json_set_text(o, "nick", m->nick);
    json_set_text(o, "id", m->id);
    json_set_bool(o, "self", m->self);
    json_set_text(o, "path", m->path);
    json_set_number(o, "since_index", m->since_index);
    json_set_number(o, "held_bytes", m->held_bytes);
    return o;
}

json_t *json_proposal(const struct node_proposal *p)
{
    json_t *o = json_object();
    json_set_number(o, "number", p->number);
    json_set_text(o, "ref", p->ref);
    json_set_text(o, "kind", p->kind);
    json_set_text(o, "state", p->state);
    json_set_text(o, "nick", p->nick);
    json_set_text(o, "message", p->message);
    json_set_text(o, "by", p->by);
    json_set_bool(o, "compared", p->compared);
    json_set_text(o, "safety", p->safety);
    json_set_time(o, "time", p->time_ms);
    json_add(o, "ballots", NULL);
    for (size_t i = 0; i < p->n_ballots; i++) {
        json_t *b = json_object();
        json_set_text(b, "nick", p->ballots[i].nick);
        json_set_text(b, "choice", p->ballots[i].choice);
        json_add(o, "ballots", b);
    }
    json_set_bool(o, "mine_to_vote", p->mine_to_vote);
    return o;
}

json_t *json_message(const struct node_message *m)
{
    json_t *o = json_object();
    json_set_number(o, "number", m->number);
    json_set_text(o, "nick", m->nick);
    json_set_bool(o, "own", m->own);
    json_set_bool(o, "sent", m->sent);
    json_set_time(o, "time", m->time_ms);
    json_set_bool(o, "odd_time", m->odd_time);
    json_set_name(o, "text", m->text);
    json_set_text(o, "uuid", m->uuid);
    json_set_number(o, "lost_before", m->lost_before);
    return o;
}

json_t *json_transfer(const struct node_transfer *t)
{
    json_t *o = json_object();
    json_set_number(o, "id", t->id);
    json_set_text(o, "enclave", t->enclave);
    json_set_text(o, "kind", t->kind);
    json_set_name(o, "path", bytes_str(t->path));
    json_set_name(o, "local", bytes_str(t->local));
    json_set_text(o, "state", t->state);
    json_set_number(o, "total", t->total);
    json_set_number(o, "bytes", t->bytes);
    json_set_number(o, "rate", t->rate);
    json_set_number(o, "eta_ms", t->eta_ms == UINT64_MAX ? 0 : t->eta_ms);
    json_set_number(o, "holders_done", t->holders_done);
    json_set_number(o, "holders", t->holders);
    json_set_text(o, "status", status_name(t->st));
    json_set_number(o, "exit", (uint64_t)status_exit(t->st));
    json_set_text(o, "text", t->text);
    return o;
}

json_t *json_file(const struct node_file *f)
{
    json_t *o = json_object();
    json_set_name(o, "path", f->path);
    json_set_bool(o, "directory", f->directory);
    json_set_number(o, "size", f->size);
    json_set_time(o, "time", f->mtime_ms);
    json_set_number(o, "version", f->version);
    json_set_text(o, "by", f->by);
    json_set_text(o, "safety", f->safety);
    json_set_number(o, "may_vanish", f->may_vanish);
    json_set_number(o, "holders", f->holders);
    json_set_number(o, "k", f->k);
    json_set_number(o, "n", f->n);
    json_set_number(o, "segments", f->segments);
    json_set_number(o, "bad_shards", f->bad_shards);
    json_set_text(o, "detail", f->detail);
    json_set_text(o, "sha256", f->sha256);
    return o;
}
