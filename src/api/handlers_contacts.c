/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The own contact card, and contacts. */
#include "api/armor.h"
#include "api/call.h"

#include <stdio.h>
#include <string.h>

static json_t *json_peer(const struct node_peer *p)
{
    json_t *o = json_object();
    json_set_text(o, "name", p->name);
    json_set_text(o, "nick", p->nick);
    json_set_text(o, "fingerprint", p->fingerprint);
    json_set_text(o, "words", p->words);
    json_set_text(o, "state", p->state);
    json_set_text(o, "host", p->host);
    json_set_text(o, "address", p->address);
    json_set_bool(o, "reachable", p->reachable);
    json_set_text(o, "safety", p->safety);
    json_set_text(o, "text", p->text);
    return o;
}

/* ---- the own card ---- */

static json_t *own_card(const struct call *c, const struct node_result *r)
{
    const struct node_key *k = r->data;
    struct buf text = BUF_INIT;
    json_t *o = json_object();
    (void)c;
    json_set_text(o, "fingerprint", k->fingerprint);
    json_set_text(o, "words", k->words);
    json_set_text(o, "nick", k->nick);
    json_set_text(o, "address", k->address);
    armor_write(ARMOR_CARD, k->card, &text);
    if (buf_status(&text) == ST_OK)
        json_object_set_new(o, "card", json_stringn((const char *)text.p, text.n));
    json_set_text(o, "text", r->text);
    buf_free(&text);
    return o;
}

static void own_key(struct call *c, const struct node_key_ask *ask)
{
    c->result = own_card;
    enum status st = node_key(c->api->o.node, ask, call_done, c);
    if (st == ST_USAGE)
        call_fail(c, st,
                  ask->nick == NULL ? "no name is on your card yet"
                                    : "that nick is none: 1 to 64 bytes, no control characters",
                  "enclave key export --as NICK --out NICK.pub");
    else
        call_submitted(c, st);
}

void api_handle_key(struct call *c)
{
    struct node_key_ask ask = {0};
    own_key(c, &ask);
}

void api_handle_key_export(struct call *c)
{
    struct node_key_ask ask = {.nick = call_text(c, "nick"), .bare = call_flag(c, "bare")};
    own_key(c, &ask);
}

/* ---- contacts ---- */

static json_t *one_peer(const struct call *c, const struct node_result *r)
{
    (void)c;
    json_t *o = r->data == NULL ? json_object() : json_peer(r->data);
    json_set_text(o, "text", r->text);
    return o;
}

void api_handle_peer_add(struct call *c)
{
    struct buf card;
    buf_init(&card, NODE_CARD_MAX);
    enum status st = armor_read(ARMOR_CARD, call_bytes(c, "card"), &card);
    if (st == ST_OK) {
        struct node_peer_add req = {.card = buf_view(&card),
                                    .address = call_text(c, "address"),
                                    .name = call_text(c, "name"),
                                    .nick = call_text(c, "nick"),
                                    .fingerprint = call_text(c, "fingerprint")};
        c->result = one_peer;
        st = node_peer_add(c->api->o.node, &req, call_done, c);
        if (st != ST_OK) api_refused_alone(c, st);
    } else if (strncmp(call_text(c, "card"), ARMOR_CARD, strlen(ARMOR_CARD)) == 0) {
        call_fail(c, ST_BAD_SIGNATURE,
                  "this is no whole contact card: it was cut or altered on the way",
                  "ask for it again: the whole file that enclave key export wrote there");
    } else {
        call_fail(c, ST_USAGE, "this is no contact card: it begins with enclave-card:",
                  "the file that enclave key export wrote there");
    }
    buf_free(&card);
}

static void add_peer(void *arg, const struct node_peer *p)
{
    json_add(arg, "peers", json_peer(p));
}

void api_handle_peers(struct call *c)
{
    json_t *o = json_object();
    json_add(o, "peers", NULL);
    enum status st = node_peers(c->api->o.node, add_peer, o);
    if (st == ST_OK) {
        call_answer(c, o);
        return;
    }
    json_decref(o);
    api_refused_alone(c, st);
}

static void no_such_peer(struct call *c, enum status st)
{
    char text[160];
    const char *why = NULL;
    const char *given = call_text(c, "peer");
    if (st == ST_NOT_FOUND || st == ST_CONFLICT) {
        enum status better = node_why_not(c->api->o.node, given, &why);
        if (why != NULL && better != ST_PENDING) {
            call_fail(c, better, why, "enclave peer list");
            return;
        }
    }
    snprintf(text, sizeof text,
             st == ST_CONFLICT ? "several contacts are called %.80s" : "there is no contact %.80s",
             given);
    if (st == ST_BUSY) snprintf(text, sizeof text, "%.80s is being added or removed now", given);
    call_fail(c, st, text, "enclave peer list");
}

void api_handle_peer_remove(struct call *c)
{
    enum status st = node_peer_remove(c->api->o.node, call_text(c, "peer"), call_done, c);
    if (st != ST_OK) no_such_peer(c, st);
}

void api_handle_peer_address(struct call *c)
{
    c->result = one_peer;
    enum status st = node_peer_address(c->api->o.node, call_text(c, "peer"),
                                       call_text(c, "address"), call_done, c);
    if (st != ST_OK) no_such_peer(c, st);
}
