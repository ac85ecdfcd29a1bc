/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "api/shapes_json.h"

#include "api/call.h"

#include <string.h>

/* What has not happened has no time: the key is absent. */
static void time_if_any(json_t *o, const char *name, uint64_t ms)
{
    if (ms != 0) json_set_time(o, name, ms);
}

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
    json_set_number(o, "keep_ms", e->keep_ms);
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
    json_set_number(o, "confirmed", e->confirmed);
    json_set_bool(o, "doubtful", e->doubtful);
    json_set_bool(o, "movable", e->movable);
    json_set_text(o, "removed", e->removed);
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
    json_set_number(o, "agreed", m->agreed);
    time_if_any(o, "last", m->last_ms);
    time_if_any(o, "away", m->away_ms);
    json_set_bool(o, "silent", m->silent);
    json_set_number(o, "muted", m->muted);
    return o;
}

/* In a secret ballot nobody is told more than that somebody has voted, the voter's own screen
 * included: what does not show cannot be asked for by who looks over a shoulder. */
static const char *shown_choice(const struct node_proposal *p, const struct node_ballot *b)
{
    if (!p->secret || strcmp(b->choice, "waiting") == 0) return b->choice;
    return "voted";
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
    json_set_text(o, "changes", p->changes);
    json_set_text(o, "by", p->by);
    json_set_bool(o, "compared", p->compared);
    json_set_text(o, "safety", p->safety);
    json_set_time(o, "time", p->time_ms);
    time_if_any(o, "deadline", p->deadline_ms);
    json_set_bool(o, "secret", p->secret);
    json_set_text(o, "limits", p->limits);
    json_add(o, "ballots", NULL);
    for (size_t i = 0; i < p->n_ballots; i++) {
        json_t *b = json_object();
        json_set_text(b, "nick", p->ballots[i].nick);
        json_set_text(b, "choice", shown_choice(p, &p->ballots[i]));
        time_if_any(b, "away", p->ballots[i].away_ms);
        json_add(o, "ballots", b);
    }
    json_set_bool(o, "mine_to_vote", p->mine_to_vote);
    json_set_bool(o, "mine_to_withdraw", p->mine_to_withdraw);
    return o;
}

json_t *json_setting(const struct node_setting *s)
{
    json_t *o = json_object();
    json_set_text(o, "key", s->key);
    json_set_text(o, "value", s->value);
    json_set_text(o, "help", s->help);
    return o;
}

json_t *json_loss(const struct node_leave_view *v)
{
    json_t *o = json_object();
    json_set_number(o, "members", v->members);
    json_set_number(o, "files", v->files);
    json_set_number(o, "held_bytes", v->held_bytes);
    json_set_number(o, "lost", v->lost);
    json_set_number(o, "lost_bytes", v->lost_bytes);
    json_set_number(o, "weaker", v->weaker);
    json_set_text(o, "examples", v->examples);
    return o;
}

json_t *json_verdict(const struct node_verdict *v)
{
    json_t *o = json_object();
    json_set_bool(o, "agrees", v->agrees);
    json_set_bool(o, "fork", v->fork);
    json_set_number(o, "entries", v->entries);
    json_set_number(o, "valid", v->valid);
    json_set_number(o, "void", v->void_entries);
    json_set_text(o, "voids", v->voids);
    json_set_number(o, "epochs", v->epochs);
    json_set_number(o, "commits", v->commits);
    json_set_number(o, "votes", v->votes);
    json_set_number(o, "tallies_secret", v->tallies_secret);
    json_set_number(o, "tallies_open", v->tallies_open);
    json_set_number(o, "passed", v->passed);
    json_set_number(o, "refused", v->refused);
    json_set_number(o, "expired", v->expired);
    json_set_number(o, "withdrawn", v->withdrawn);
    json_set_number(o, "voided", v->voided);
    json_set_number(o, "members", v->members);
    json_set_number(o, "members_ever", v->members_ever);
    json_set_text(o, "head", v->head);
    return o;
}

json_t *json_check(const struct node_check *v)
{
    json_t *o = json_object();
    json_set_text(o, "enclave", v->enclave);
    json_set_text(o, "state", v->state);
    json_set_bool(o, "sound", v->sound);
    json_set_number(o, "bytes", v->bytes);
    json_set_number(o, "total", v->total);
    json_set_number(o, "rate", v->rate);
    json_set_number(o, "eta_ms", v->eta_ms);
    json_set_number(o, "entries", v->rows);
    json_set_number(o, "entries_bad", v->rows_bad);
    json_set_number(o, "entries_mended", v->rows_mended);
    json_set_number(o, "shards", v->own);
    json_set_number(o, "shards_bad", v->own_bad);
    json_set_number(o, "shards_missing", v->missing);
    json_set_number(o, "shards_mended", v->mended);
    json_set_number(o, "shards_spare", v->spare);
    json_set_number(o, "far", v->far);
    json_set_number(o, "far_bad", v->far_bad);
    json_set_number(o, "far_away", v->away);
    json_set_number(o, "files_hurt", v->files_hurt);
    json_set_number(o, "files_lost", v->files_lost);
    json_add(o, "files", NULL);
    for (size_t i = 0; i < v->n_files; i++) {
        json_t *f = json_object();
        json_set_name(f, "path", v->files[i].path);
        json_set_number(f, "bad", v->files[i].bad);
        json_set_bool(f, "readable", v->files[i].readable);
        json_add(o, "files", f);
    }
    json_set_text(o, "detail", v->detail);
    json_set_text(o, "text", v->text);
    json_set_text(o, "next", v->next);
    return o;
}

json_t *json_revoked(const struct node_revoked *r)
{
    json_t *o = json_object();
    json_set_number(o, "enclaves", r->enclaves);
    json_set_number(o, "told", r->told);
    json_set_text(o, "detail", r->detail);
    return o;
}

json_t *json_message(const struct node_message *m)
{
    json_t *o = json_object();
    json_set_number(o, "number", m->number);
    json_set_text(o, "nick", m->nick);
    json_set_bool(o, "own", m->own);
    json_set_bool(o, "sent", m->sent);
    json_set_bool(o, "settled", !m->unsettled);
    json_set_time(o, "time", m->time_ms);
    json_set_bool(o, "odd_time", m->odd_time);
    json_set_name(o, "text", m->text);
    json_set_text(o, "uuid", m->uuid);
    json_set_number(o, "lost_before", m->lost_before);
    json_set_bool(o, "private", m->private_word);
    json_set_text(o, "to", m->to == NULL ? "" : m->to);
    json_set_bool(o, "unsaid", m->unsaid);
    json_set_bool(o, "muted", m->muted);
    json_set_bool(o, "mentions_you", m->mentions_us);
    json_set_bool(o, "answers", m->answers);
    json_set_number(o, "reply", m->reply);
    time_if_any(o, "edited", m->edited_ms);
    time_if_any(o, "ends", m->ends_ms);
    json_set_name(o, "file", m->path);
    json_set_number(o, "delivered", m->delivered);
    json_set_number(o, "read", m->read_by);
    json_set_number(o, "of", m->of);
    json_t *signs = json_array();
    for (size_t i = 0; i < m->n_signs; i++) {
        json_t *sign = json_object();
        json_set_text(sign, "nick", m->signs[i].nick);
        json_set_name(sign, "sign", m->signs[i].sign);
        json_array_append_new(signs, sign);
    }
    json_object_set_new(o, "signs", signs);
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
    json_set_number(o, "saved", t->saved);
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
    json_set_number(o, "shared", f->shared);
    json_set_number(o, "segments", f->segments);
    json_set_number(o, "bad_shards", f->bad_shards);
    json_set_text(o, "detail", f->detail);
    json_set_text(o, "sha256", f->sha256);
    json_set_text(o, "survival", f->survival);
    json_set_text(o, "weakest", f->weakest);
    return o;
}

json_t *json_drill(const struct node_drill_view *v)
{
    json_t *o = json_object();
    json_set_number(o, "without", v->without);
    json_set_number(o, "files", v->files);
    json_set_number(o, "readable", v->readable);
    json_set_number(o, "lost", v->lost);
    json_set_number(o, "lost_bytes", v->lost_bytes);
    json_set_number(o, "weaker", v->weaker);
    json_set_number(o, "may_vanish", v->may_vanish);
    json_set_number(o, "holders", v->holders);
    json_set_text(o, "safety", v->safety);
    json_set_text(o, "survival", v->survival);
    json_set_number(o, "loss_ppb", v->loss_ppb);
    json_set_text(o, "weakest_file", v->weakest_file);
    json_set_text(o, "weakest_holder", v->weakest_holder);
    json_set_text(o, "examples", v->examples);
    return o;
}

json_t *json_file_version(const struct node_version *v)
{
    json_t *o = json_object();
    json_set_name(o, "path", v->path);
    json_set_number(o, "number", v->number);
    json_set_number(o, "size", v->size);
    json_set_time(o, "time", v->time_ms);
    json_set_time(o, "changed", v->mtime_ms);
    json_set_text(o, "by", v->by);
    json_set_text(o, "state", v->state);
    time_if_any(o, "gone", v->gone_ms);
    json_set_text(o, "gone_by", v->gone_by);
    time_if_any(o, "until", v->due_ms);
    json_set_number(o, "older", v->older);
    return o;
}
