/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Words: saying, changing, reading. */
#include "api/call.h"
#include "api/search.h"
#include "api/shapes_json.h"

#include <stdio.h>
#include <string.h>

static json_t *was_sent(const struct call *c, const struct node_result *r)
{
    json_t *o = json_object();
    (void)c;
    if (r->data != NULL) json_set_number(o, "number", *(const uint64_t *)r->data);
    json_set_text(o, "text", r->text);
    return o;
}

static bool text_fits(struct call *c, struct bytes text, bool may_be_empty)
{
    char said[96];
    if (text.n <= NODE_TEXT_MAX && (text.n > 0 || may_be_empty)) return true;
    snprintf(said, sizeof said, "a message has 1 to %d bytes", NODE_TEXT_MAX);
    call_fail(c, text.n == 0 ? ST_USAGE : ST_TOO_BIG, said,
              "enclave put FILE, for something larger");
    return false;
}

static void look(void *arg, const struct node_enclave_info *e)
{
    (void)e;
    *(bool *)arg = true;
}

/* What is not found may be the enclave itself. */
static bool is_there(struct call *c, const char *name)
{
    bool there = false;
    return node_enclave(c->api->o.node, name, look, &there) == ST_OK && there;
}

static void not_said(struct call *c, const char *name, const struct node_say *say, enum status st)
{
    if (!is_there(c, name))
        api_refused(c, name, st);
    else if (st == ST_CONFLICT && say->to != NULL)
        call_fail(c, st, "several members have this name: take 8 or more characters of the id",
                  "enclave members");
    else if (st == ST_USAGE && say->to != NULL)
        call_fail(c, st,
                  "private words go to other members, to each once, and an answer to private words "
                  "to the other one of the two",
                  "enclave members");
    else if (st == ST_USAGE && say->reply > 0)
        call_fail(c, st, "that message is private: everybody would see an answer to it",
                  "enclave send --to MEMBER --reply N TEXT");
    else if (st == ST_NOT_FOUND && say->path.n > 0)
        call_fail(c, st, "there is no such file in the enclave, or no such message or member",
                  "enclave ls");
    else if (st == ST_NOT_FOUND && say->reply > 0)
        call_fail(c, st,
                  say->to == NULL ? "there is no such message here"
                                  : "there is no such message here, or no such member",
                  "enclave read --last 20");
    else if (st == ST_NOT_FOUND && say->to != NULL)
        call_fail(c, st, "there is no such member", "enclave members");
    else
        api_refused(c, name, st);
}

static void send_lines(struct call *c, const char *name, const struct node_say *say)
{
    char said[96];
    if (say->to != NULL || say->path.n > 0 || say->reply > 0 || call_given(c, "for")) {
        call_fail(c, ST_USAGE, "lines are plain messages to everybody", "enclave send --lines -");
        return;
    }
    c->result = was_sent;
    enum status st = node_send_lines(c->api->o.node, name, say->text, call_done, c);
    snprintf(said, sizeof said, "a line has at most %d bytes: nothing was sent", NODE_TEXT_MAX);
    if (st == ST_TOO_BIG)
        call_fail(c, st, said, "enclave put FILE, for something larger");
    else if (st == ST_USAGE)
        call_fail(c, st, "there is no line to send", "tail -f FILE | enclave send --lines -");
    else if (st != ST_OK)
        not_said(c, name, say, st);
}

void api_handle_send(struct call *c)
{
    char room[NODE_NAME_MAX + 1];
    const char *name = api_enclave_of(c, room, sizeof room);
    if (name == NULL) return;
    uint64_t lasts = call_number(c, "for", 0) / 1000;
    struct node_say say = {.text = call_bytes(c, "text"),
                           .path = call_bytes(c, "file"),
                           .to = call_text(c, "to"),
                           .reply = call_number(c, "reply", 0),
                           .lasts_s = lasts > UINT32_MAX ? UINT32_MAX : (uint32_t)lasts};
    if (call_flag(c, "lines")) {
        send_lines(c, name, &say);
        return;
    }
    if (!text_fits(c, say.text, say.path.n > 0)) return;
    if (call_given(c, "for") && (say.lasts_s == 0 || say.lasts_s > NODE_LASTS_MAX_S)) {
        call_fail(c, ST_USAGE, "a message lasts from 1 s to 366 days",
                  "enclave send --for 7d TEXT");
        return;
    }
    if (node_peer_awaited(c->api->o.node, name)) {
        call_fail(c, ST_PENDING,
                  "the other one is not here yet, and could never read it: nothing was sent",
                  "enclave peer list");
        return;
    }
    c->result = was_sent;
    enum status st = node_send(c->api->o.node, name, &say, call_done, c);
    if (st != ST_OK) not_said(c, name, &say, st);
}

/* What changes or marks a message that is there. */
static void changed(struct call *c, const char *name, enum status st)
{
    if (st == ST_NOT_FOUND && is_there(c, name))
        call_fail(c, st, "there is no such message here, or it was taken back",
                  "enclave read --last 20");
    else if (st == ST_CONFLICT)
        call_fail(c, st, "only its author can change or take back a message", NULL);
    else if (st != ST_OK)
        api_refused(c, name, st);
}

void api_handle_edit(struct call *c)
{
    char room[NODE_NAME_MAX + 1];
    const char *name = api_enclave_of(c, room, sizeof room);
    if (name == NULL) return;
    struct bytes text = call_bytes(c, "text");
    if (!text_fits(c, text, false)) return;
    c->result = was_sent;
    changed(c, name,
            node_edit(c->api->o.node, name, call_number(c, "number", 0), text, call_done, c));
}

void api_handle_unsay(struct call *c)
{
    char room[NODE_NAME_MAX + 1];
    const char *name = api_enclave_of(c, room, sizeof room);
    if (name == NULL) return;
    c->result = was_sent;
    changed(c, name, node_unsay(c->api->o.node, name, call_number(c, "number", 0), call_done, c));
}

void api_handle_react(struct call *c)
{
    char room[NODE_NAME_MAX + 1];
    const char *name = api_enclave_of(c, room, sizeof room);
    if (name == NULL) return;
    struct bytes sign = call_bytes(c, "sign");
    if (sign.n > NODE_SIGN_MAX) {
        call_fail(c, ST_TOO_BIG, "a reaction is one sign", "enclave react 7 '+1'");
        return;
    }
    c->result = was_sent;
    changed(c, name,
            node_react(c->api->o.node, name, call_number(c, "number", 0), sign, call_done, c));
}

struct page {
    json_t *messages; /* array */
    size_t most;
    bool newest; /* keep the last ones, else the first ones */
    bool more;
};

static bool add_message(void *arg, const struct node_message *m)
{
    struct page *p = arg;
    if (json_array_size(p->messages) == p->most) {
        p->more = true;
        if (!p->newest) return false;
        json_array_remove(p->messages, 0);
    }
    json_array_append_new(p->messages, json_message(m));
    return true;
}

static bool add_early(void *arg, const struct node_message *m)
{
    json_array_append_new(arg, json_message(m));
    return true;
}

/* The last ones lie at the end: those before are not read. Numbers may be missing (dropped messages), so it
 * goes back until there are enough. */
static enum status read_last(struct call *c, const char *name, struct page *p)
{
    uint64_t last, span = p->most;
    enum status st = node_last_message(c->api->o.node, name, &last);
    while (st == ST_OK) {
        uint64_t from = last > span ? last - span + 1 : 1;
        json_array_clear(p->messages);
        st = node_messages(c->api->o.node, name, from, add_message, p);
        if (from == 1 || json_array_size(p->messages) == p->most) break;
        span *= 4;
    }
    return st;
}

void api_handle_read(struct call *c)
{
    char room[NODE_NAME_MAX + 1];
    const char *name = api_enclave_of(c, room, sizeof room);
    if (name == NULL) return;
    uint64_t last = call_number(c, "last", API_MESSAGES_MAX);
    struct page p = {.messages = json_array(), .newest = !call_given(c, "from")};
    p.most = last > API_MESSAGES_MAX ? API_MESSAGES_MAX : (size_t)last;
    if (p.most == 0) p.most = 1;
    enum status st =
        p.newest ? read_last(c, name, &p)
                 : node_messages(c->api->o.node, name, call_number(c, "from", 1), add_message, &p);
    if (st != ST_OK) {
        json_decref(p.messages);
        api_refused(c, name, st);
        return;
    }
    json_t *o = json_object();
    if (last == 0) json_array_clear(p.messages);
    json_object_set_new(o, "messages", p.messages);
    json_set_bool(o, "more", p.more && !p.newest);
    if (call_flag(c, "early")) {
        json_t *early = json_array();
        (void)!node_early(c->api->o.node, name, add_early, early);
        json_object_set_new(o, "early", early);
    }
    call_answer(c, o);
}

struct looking {
    struct search *search;
    json_t *found; /* array */
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
    if (search_holds(l->search, m->text) || search_holds(l->search, m->path))
        json_array_append_new(l->found, json_message(m));
    return true;
}

/* A part of the history a call, so that other work goes on between. */
void api_handle_search(struct call *c)
{
    char room[NODE_NAME_MAX + 1];
    const char *name = api_enclave_of(c, room, sizeof room);
    struct looking l = {.found = NULL};
    if (name == NULL) return;
    if (search_new(call_bytes(c, "words"), &l.search) != ST_OK) {
        call_fail(c, ST_USAGE, "1 to 16 words can be looked for", "enclave search dinner eight");
        return;
    }
    l.found = json_array();
    enum status st = node_messages(c->api->o.node, name, call_number(c, "from", 1), look_at, &l);
    search_free(l.search);
    if (st != ST_OK) {
        json_decref(l.found);
        api_refused(c, name, st);
        return;
    }
    json_t *o = json_object();
    json_object_set_new(o, "messages", l.found);
    json_set_number(o, "next", l.next);
    call_answer(c, o);
}

void api_handle_mark_read(struct call *c)
{
    char room[NODE_NAME_MAX + 1];
    const char *name = api_enclave_of(c, room, sizeof room);
    if (name == NULL) return;
    enum status st = node_mark_read(c->api->o.node, name, call_number(c, "number", 0));
    if (st != ST_OK) {
        api_refused(c, name, st);
        return;
    }
    json_t *o = json_object();
    json_set_text(o, "text", "marked as read");
    call_answer(c, o);
}
