/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Enclaves, members, words. */
#include "api/call.h"
#include "api/shapes_json.h"

#include <stdio.h>
#include <string.h>

/* ---- which enclave ---- */

struct choice {
    unsigned members; /* enclaves that we are inside of */
    unsigned all;
    char name[NODE_NAME_MAX + 1]; /* the last one seen, members first */
    struct buf list;
};

static void consider(void *arg, const struct node_enclave_info *e)
{
    struct choice *ch = arg;
    bool inside = e->state == NODE_MEMBER || e->state == NODE_HALTED;
    if (inside || ch->members == 0) snprintf(ch->name, sizeof ch->name, "%s", e->name);
    ch->all++;
    if (inside) ch->members++;
    buf_printf(&ch->list, "%s%s", ch->list.n == 0 ? "" : ", ", e->name);
}

const char *api_enclave_of(struct call *c, char *room, size_t n)
{
    const char *given = call_text(c, "enclave");
    struct choice ch = {.list = BUF_INIT};
    if (given != NULL && strcmp(given, "-") != 0) return given;
    node_enclaves(c->api->o.node, consider, &ch);
    buf_u8(&ch.list, 0);
    snprintf(room, n, "%s", ch.name);
    bool one = ch.members == 1 || (ch.members == 0 && ch.all == 1);
    if (!one && ch.all == 0) {
        call_fail(c, ST_NOT_FOUND, "there is no enclave yet",
                  "enclave create NAME --as NICK, or enclave join CODE --as NICK");
    } else if (!one) {
        char text[512];
        snprintf(text, sizeof text, "there are several enclaves: %.400s",
                 ch.list.bad ? "" : (const char *)ch.list.p);
        call_fail(c, ST_USAGE, text, "the same with --enclave NAME");
    }
    buf_free(&ch.list);
    return one ? room : NULL;
}

struct stand {
    enum node_state state;
    char trouble[NODE_REASON_MAX];
    char removed[NODE_REASON_MAX + 128];
};

static void keep_stand(void *arg, const struct node_enclave_info *e)
{
    struct stand *s = arg;
    s->state = e->state;
    snprintf(s->trouble, sizeof s->trouble, "%s", e->trouble);
    snprintf(s->removed, sizeof s->removed, "you were removed from it%s%s",
             e->removed == NULL || *e->removed == '\0' ? "" : ": ",
             e->removed == NULL ? "" : e->removed);
}

/* Why an enclave that there is does not do what was asked. */
static void not_now(struct call *c, enum status st, const struct stand *s)
{
    switch (s->state) {
    case NODE_JOINING:
        call_fail(c, ST_PENDING, "you are not inside yet: the others are still voting",
                  "enclave status");
        return;
    case NODE_REFUSED:
        call_fail(c, ST_REFUSED, "you were not let in", "enclave leave forgets it");
        return;
    case NODE_LEAVING: call_fail(c, st, "you are leaving it", "enclave status"); return;
    case NODE_REMOVED:
        call_fail(c, ST_DENIED, s->removed,
                  "enclave read shows what was said before; enclave destroy erases it");
        return;
    case NODE_HALTED:
        call_fail(c, ST_IO, s->trouble[0] != '\0' ? s->trouble : "it stands still",
                  "enclave status");
        return;
    case NODE_MEMBER: break;
    }
    if (st == ST_UNREACHABLE)
        call_fail(c, st, "the sentinel cannot be reached now, and it is needed for this",
                  "enclave status");
    else
        call_fail(c, st, s->trouble, NULL);
}

/* What a status means for one operation: more than it says of itself. */
static const struct {
    const char *operation;
    enum status st;
    const char *text;
    const char *next;
} refusals[] = {
    {"vote", ST_NOT_FOUND, "there is no such open vote", "enclave proposals"},
    {"vote", ST_CONFLICT, "you have voted on it before, or the vote is closed",
     "enclave proposals --all"},
    {"vote", ST_EXISTS, "you have voted on it before", "enclave proposals"},
    {"vote", ST_USAGE, "several votes are open: which one?",
     "enclave proposals, then enclave vote yes|no WHO"},
    {"vote", ST_DENIED, "you have no vote on it: it is about you, or was asked before you came",
     "enclave proposals"},
    {"remove", ST_NOT_FOUND, "there is no such member",
     "enclave members (for a file: enclave rm PATH)"},
    {"remove", ST_USAGE,
     "nobody removes oneself; several at once only if each let a vote expire and was silent since",
     "enclave members, or enclave leave"},
    {"remove", ST_DENIED, "several at once only if each let a vote expire and was silent since",
     "enclave members, then one at a time"},
    {"remove", ST_CONFLICT, "that is voted on already", "enclave proposals"},
    {"remove", ST_EXISTS, "that is voted on already", "enclave proposals"},
    {"remove", ST_TOO_BIG, "a reason has at most 256 bytes", ""},
    {"policy_set", ST_USAGE, "a value is none that its key takes", "enclave policy"},
    {"policy_set", ST_CONFLICT, "a change of the rules is voted on already", "enclave proposals"},
    {"policy_set", ST_EXISTS, "that is so already, or voted on", "enclave policy"},
    {"policy_set", ST_TOO_BIG, "a reason has at most 256 bytes", ""},
    {"withdraw", ST_NOT_FOUND, "you have no such open proposal", "enclave proposals"},
    {"withdraw", ST_USAGE, "several proposals of yours are open: which one?",
     "enclave proposals, then enclave withdraw WHO"},
    {"withdraw", ST_DENIED, "somebody else proposed it: you can vote no", "enclave proposals"},
    {"withdraw", ST_CONFLICT, "it is closed already", "enclave proposals --all"},
    {"rehome", ST_NOT_FOUND, "that sentinel is not in the list that was voted on",
     "enclave policy"},
    {"rehome", ST_USAGE, "there is no other sentinel in the list that was voted on",
     "enclave policy set sentinels=HOST:PORT#PIN,HOST:PORT#PIN"},
    {"rehome", ST_EXISTS, "the enclave is there already", "enclave status"},
    {"rehome", ST_BUSY, "it is moving already", "enclave status"},
    {"rehome", ST_PENDING,
     "fewer than half of the members have given their word for the room as it is now: each daemon "
     "does so by itself when it is there",
     "enclave members shows who is missing; then the same again"},
    {"history_keep", ST_USAGE, "messages are kept for 30 days or more, or forever",
     "enclave history keep 90d, 1y or forever"},
    {"history_share", ST_NOT_FOUND, "there is no such member", "enclave members"},
    {"history_share", ST_CONFLICT,
     "several members have this name: take 8 or more characters of the id", "enclave members"},
    {"history_share", ST_USAGE, "that is you: history is shared with another member",
     "enclave members"},
    {"history_share", ST_REFUSED,
     "all have agreed that newcomers learn nothing of before (policy history=no)",
     "enclave policy"},
    {"history_share", ST_EXISTS,
     "there is nothing to share: private words and those that are "
     "dropped after a time are never shared",
     "enclave history"},
    {"history_export", ST_USAGE, "a password needs 8 characters or more; several words are best",
     ""},
    {"history_export", ST_BUSY, "another export or import runs", "enclave history"},
    {"history_import", ST_BUSY, "another export or import runs", "enclave history"},
    {"history_import", ST_USAGE, "a password has 1 to 1024 bytes, a name at most 64", ""},
    {"history_job", ST_NOT_FOUND, "nothing was exported or imported since the daemon started", ""},
    {"history_read", ST_NOT_FOUND, "there is no such archive", "enclave history"},
    {"history_forget", ST_NOT_FOUND, "there is no such archive", "enclave history"},
    {"vote", ST_BUSY, "your ballot is on its way", "enclave proposals"},
    {"proof", ST_NOT_FOUND, "no proof of two histories is kept here: none was ever seen",
     "enclave verify"},
    {"proof_check", ST_INTEGRITY, "it proves nothing: no two histories are in it", ""},
    {"proof_check", ST_BAD_MESSAGE, "it proves nothing: it is not a whole proof", ""},
    {"revoke", ST_NOT_FOUND, "the kit knows no enclave of that name",
     "the same without NAME: all that it knows"},
    {"revoke", ST_BAD_SEAL, "these words do not open this kit",
     "the words of the machine that the kit was made on"},
    {"revoke", ST_PASSWORD, "these words do not open this kit",
     "the words of the machine that the kit was made on"},
};

static bool refused_by_table(struct call *c, enum status st)
{
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        if (refusals[i].st != st || strcmp(refusals[i].operation, c->op->id) != 0) continue;
        call_fail(c, st, refusals[i].text, refusals[i].next);
        return true;
    }
    return false;
}

void api_refused_alone(struct call *c, enum status st)
{
    if (!refused_by_table(c, st)) call_fail(c, st, NULL, NULL);
}

void api_refused(struct call *c, const char *enclave, enum status st)
{
    char text[256];
    struct stand stand = {NODE_MEMBER, "", ""};
    bool there = node_enclave(c->api->o.node, enclave, keep_stand, &stand) == ST_OK;
    if (there && stand.state == NODE_MEMBER && refused_by_table(c, st)) return;
    bool halted = there && stand.state == NODE_HALTED && st == ST_NOT_FOUND; /* it did not load */
    if (halted || (there && (st == ST_DENIED || st == ST_PENDING || st == ST_UNREACHABLE))) {
        not_now(c, st, &stand);
        return;
    }
    if (st == ST_NOT_FOUND && !there) {
        const char *why;
        enum status better = node_why_not(c->api->o.node, enclave, &why);
        if (why != NULL) {
            call_fail(c, better, why, "enclave peer list");
            return;
        }
        snprintf(text, sizeof text, "there is no enclave %.100s", enclave);
        call_fail(c, st, text, "enclave status");
        return;
    }
    const char *what = NULL;
    if (st == ST_NOT_FOUND && operation_param(c->op, "path") != NULL)
        what = "there is no such file or directory in the enclave";
    call_fail(c, st, what, NULL);
}

/* ---- enclaves ---- */

/* The last one that was told. */
static void keep(json_t **at, json_t *o)
{
    json_decref(*at);
    *at = o;
}

static void answer_kept(struct call *c, const char *enclave, enum status st, json_t *o)
{
    if (st == ST_OK)
        call_answer(c, o != NULL ? o : json_object());
    else
        api_refused(c, enclave, st);
}

static json_t *created(const struct call *c, const struct node_result *r)
{
    (void)c;
    json_t *o = r->data == NULL ? json_object() : json_enclave(r->data);
    json_set_text(o, "text", r->text);
    return o;
}

void api_handle_create(struct call *c)
{
    const struct api *a = c->api;
    struct node_create req = {.name = call_text(c, "name"),
                              .nick = call_text(c, "nick"),
                              .sentinel = call_text(c, "sentinel"),
                              .ballot = call_text(c, "ballot"),
                              .mode = call_text(c, "mode")};
    if (req.nick == NULL) {
        call_fail(c, ST_USAGE, "nick is missing", "the same with --as NICK");
        return;
    }
    if (req.sentinel == NULL && a->o.hosted == NULL) {
        call_fail(
            c, ST_USAGE, "which sentinel? This daemon has none inside",
            "the same with --sentinel HOST:PORT#PIN, or enclave daemon start --host HOST:PORT");
        return;
    }
    if (req.sentinel != NULL && call_flag(c, "host")) {
        call_fail(c, ST_USAGE, "sentinel and host exclude each other", "");
        return;
    }
    if (strcmp(req.name, "-") == 0) {
        call_fail(c, ST_USAGE, "'-' is not a name: it stands for the only enclave there is", "");
        return;
    }
    c->result = created;
    enum status st = node_create(a->o.node, &req, call_done, c);
    if (st == ST_EXISTS)
        call_fail(c, st, "there is an enclave of that name already", "another NAME");
    else
        call_submitted(c, st);
}

static void add_enclave(void *arg, const struct node_enclave_info *e)
{
    json_add(arg, "enclaves", json_enclave(e));
}

void api_handle_enclaves(struct call *c)
{
    json_t *o = json_object();
    json_add(o, "enclaves", NULL);
    node_enclaves(c->api->o.node, add_enclave, o);
    call_answer(c, o);
}

static void keep_enclave(void *arg, const struct node_enclave_info *e)
{
    keep(arg, json_enclave(e));
}

void api_handle_enclave(struct call *c)
{
    char room[NODE_NAME_MAX + 1];
    json_t *o = NULL;
    const char *name = api_enclave_of(c, room, sizeof room);
    if (name == NULL) return;
    enum status st = node_enclave(c->api->o.node, name, keep_enclave, &o);
    answer_kept(c, name, st, o);
}

static json_t *invited(const struct call *c, const struct node_result *r)
{
    const struct node_invitation *i = r->data;
    json_t *o = json_object();
    (void)c;
    json_set_text(o, "code", i->code);
    json_set_time(o, "expires", i->expiry_ms);
    json_set_text(o, "text", r->text);
    return o;
}

void api_handle_invite(struct call *c)
{
    char room[NODE_NAME_MAX + 1];
    const char *name = api_enclave_of(c, room, sizeof room);
    if (name == NULL) return;
    c->result = invited;
    enum status st = node_invite(c->api->o.node, name, call_number(c, "ttl", 0), call_done, c);
    if (st != ST_OK) api_refused(c, name, st);
}

void api_handle_join(struct call *c)
{
    struct node_join req = {.code = call_text(c, "code"),
                            .nick = call_text(c, "nick"),
                            .name = call_text(c, "name"),
                            .message = call_text(c, "message"),
                            .mode = call_text(c, "mode")};
    c->result = created;
    enum status st = node_join(c->api->o.node, &req, call_done, c);
    if (st == ST_PENDING)
        call_fail(c, st, "not everybody has voted yet", "the same command again, or with --wait");
    else if (st == ST_BAD_MESSAGE || st == ST_USAGE || st == ST_VERSION)
        call_fail(c, ST_USAGE, "this is not a whole invitation: enclave:...",
                  "copy the whole line that enclave invite printed");
    else if (st == ST_EXISTS)
        call_fail(c, st, "there is an enclave of that name already", "the same with --name OTHER");
    else
        call_submitted(c, st);
}

static void keep_loss(void *arg, const struct node_leave_view *v)
{
    keep(arg, json_loss(v));
}

void api_handle_leave_preview(struct call *c)
{
    char room[NODE_NAME_MAX + 1];
    json_t *o = NULL;
    const char *name = api_enclave_of(c, room, sizeof room);
    if (name == NULL) return;
    enum status st = node_leave_preview(c->api->o.node, name, keep_loss, &o);
    answer_kept(c, name, st, o);
}

void api_handle_leave(struct call *c)
{
    char room[NODE_NAME_MAX + 1];
    const char *name = api_enclave_of(c, room, sizeof room);
    if (name == NULL) return;
    enum status st = call_flag(c, "now") ? node_leave(c->api->o.node, name, call_done, c)
                                         : node_part(c->api->o.node, name,
                                                     !call_flag(c, "background"), call_done, c);
    if (st != ST_OK) api_refused(c, name, st);
}

/* ---- members ---- */

static void add_member(void *arg, const struct node_member *m)
{
    json_add(arg, "members", json_member(m));
}

void api_handle_members(struct call *c)
{
    char room[NODE_NAME_MAX + 1];
    const char *name = api_enclave_of(c, room, sizeof room);
    if (name == NULL) return;
    json_t *o = json_object();
    json_add(o, "members", NULL);
    enum status st = node_members(c->api->o.node, name, add_member, o);
    if (st == ST_OK) {
        call_answer(c, o);
        return;
    }
    json_decref(o);
    api_refused(c, name, st);
}
