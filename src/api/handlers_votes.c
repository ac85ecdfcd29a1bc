/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What is proposed, and votes. */
#include "api/call.h"
#include "api/shapes_json.h"
#include "tables/nearest.h"

#include <stdio.h>
#include <string.h>

static void add_proposal(void *arg, const struct node_proposal *p)
{
    json_add(arg, "proposals", json_proposal(p));
}

void api_handle_proposals(struct call *c)
{
    char room[NODE_NAME_MAX + 1];
    const char *name = api_enclave_of(c, room, sizeof room);
    if (name == NULL) return;
    json_t *o = json_object();
    json_add(o, "proposals", NULL);
    enum status st = node_proposals(c->api->o.node, name, call_flag(c, "all"), add_proposal, o);
    if (st == ST_OK) {
        call_answer(c, o);
        return;
    }
    json_decref(o);
    api_refused(c, name, st);
}

/* ---- voting ---- */

struct wanted {
    const char *ref; /* as the caller gave it; NULL: the one that waits for us */
    bool found;
    bool secret;
};

static bool is_about(const struct node_proposal *p, const char *ref)
{
    size_t n = strlen(ref);
    if (n > 0 && strncmp(p->ref, ref, n) == 0) return true;
    for (const char *at = p->nick; *at != '\0'; at += *at == ',') {
        size_t len = strcspn(at, ",");
        if (len == n && memcmp(at, ref, n) == 0) return true;
        at += len;
    }
    return false;
}

static void look(void *arg, const struct node_proposal *p)
{
    struct wanted *w = arg;
    if (w->ref == NULL ? !p->mine_to_vote : !is_about(p, w->ref)) return;
    w->found = true;
    w->secret = w->secret || p->secret;
}

static void keep_ballot(void *arg, const struct node_enclave_info *e)
{
    struct wanted *w = arg;
    w->secret = e->ballot != NULL && strcmp(e->ballot, "secret") == 0;
}

static bool is_secret(struct call *c, const char *enclave, const char *ref)
{
    struct wanted w = {ref, false, false};
    enum status st = node_proposals(c->api->o.node, enclave, false, look, &w);
    if (st == ST_OK && w.found) return w.secret;
    st = node_enclave(c->api->o.node, enclave, keep_ballot, &w);
    return st != ST_OK || w.secret;
}

/* The answer to yes and to no is one and the same, byte for byte. */
static json_t *voted_secretly(const struct call *c, const struct node_result *r)
{
    json_t *o = json_object();
    (void)c;
    (void)r;
    json_set_bool(o, "secret", true);
    json_set_text(o, "text", "Your ballot is in; nobody learns what it says.");
    return o;
}

static json_t *voted_openly(const struct call *c, const struct node_result *r)
{
    json_t *o = json_object();
    (void)c;
    json_set_bool(o, "secret", false);
    json_set_text(o, "text",
                  r->text != NULL && *r->text != '\0'
                      ? r->text
                      : "Your vote is in the ledger, signed with your name.");
    return o;
}

void api_handle_vote(struct call *c)
{
    char room[NODE_NAME_MAX + 1];
    const char *name = api_enclave_of(c, room, sizeof room);
    if (name == NULL) return;
    struct node_vote req = {.enclave = name,
                            .ref = call_text(c, "who"),
                            .yes = strcmp(call_text(c, "choice"), "yes") == 0,
                            .compared = call_flag(c, "compared"),
                            .now = call_flag(c, "now")};
    c->result = is_secret(c, name, req.ref) ? voted_secretly : voted_openly;
    enum status st = node_vote(c->api->o.node, &req, call_done, c);
    if (st != ST_OK) api_refused(c, name, st);
}

/* ---- proposing ---- */

/* False: answered already. */
static bool reason_fits(struct call *c)
{
    if (call_bytes(c, "reason").n <= NODE_REASON_MAX) return true;
    call_fail(c, ST_TOO_BIG, "a reason has at most 256 bytes", "");
    return false;
}

void api_handle_remove(struct call *c)
{
    char room[NODE_NAME_MAX + 1];
    const char *name = api_enclave_of(c, room, sizeof room);
    if (name == NULL || !reason_fits(c)) return;
    struct node_remove req = {.enclave = name,
                              .who = call_text(c, "who"),
                              .reason = call_text(c, "reason"),
                              .now = call_flag(c, "now")};
    enum status st = node_propose_remove(c->api->o.node, &req, call_done, c);
    if (st != ST_OK) api_refused(c, name, st);
}

static void add_setting(void *arg, const struct node_setting *s)
{
    json_add(arg, "settings", json_setting(s));
}

void api_handle_policy(struct call *c)
{
    char room[NODE_NAME_MAX + 1];
    const char *name = api_enclave_of(c, room, sizeof room);
    if (name == NULL) return;
    json_t *o = json_object();
    json_add(o, "settings", NULL);
    enum status st = node_policy(c->api->o.node, name, add_setting, o);
    if (st == ST_OK) {
        call_answer(c, o);
        return;
    }
    json_decref(o);
    api_refused(c, name, st);
}

struct known {
    struct nearest near;
    bool found;
    char best[NEAREST_WORD_MAX + 1]; /* the visited text does not live on */
};

static void try_key(void *arg, const struct node_setting *s)
{
    struct known *k = arg;
    const char *before = k->near.best;
    if (strcmp(s->key, k->near.word) == 0) k->found = true;
    nearest_try(&k->near, s->key);
    if (k->near.best == before) return;
    snprintf(k->best, sizeof k->best, "%s", s->key);
    k->near.best = k->best;
}

/* One KEY=VALUE of n characters. False: answered already. */
static bool change_is_known(struct call *c, const char *enclave, const char *change, size_t n)
{
    char key[NEAREST_WORD_MAX + 1];
    char text[256];
    const char *equals = memchr(change, '=', n);
    size_t len = equals == NULL ? n : (size_t)(equals - change);
    snprintf(key, sizeof key, "%.*s", len > NEAREST_WORD_MAX ? NEAREST_WORD_MAX : (int)len, change);
    struct known k = {.near = {.word = key}};
    enum status st = node_policy(c->api->o.node, enclave, try_key, &k);
    if (st != ST_OK) {
        api_refused(c, enclave, st);
        return false;
    }
    if (k.found && equals != NULL && equals + 1 < change + n) return true;
    if (k.found)
        snprintf(text, sizeof text, "%s wants a value: %s=VALUE", key, key);
    else if (k.best[0] != '\0')
        snprintf(text, sizeof text, "there is no rule %s; did you mean %s?", key, k.best);
    else
        snprintf(text, sizeof text, "there is no rule %s", key);
    call_fail(c, ST_USAGE, text, "enclave policy");
    return false;
}

void api_handle_policy_set(struct call *c)
{
    char room[NODE_NAME_MAX + 1];
    const char *name = api_enclave_of(c, room, sizeof room);
    if (name == NULL || !reason_fits(c)) return;
    struct node_policy_change req = {.enclave = name,
                                     .changes = call_text(c, "changes"),
                                     .reason = call_text(c, "reason"),
                                     .now = call_flag(c, "now")};
    for (const char *at = req.changes;; at++) {
        size_t n = strcspn(at, ";");
        if (!change_is_known(c, name, at, n)) return;
        at += n;
        if (*at == '\0') break;
    }
    enum status st = node_propose_policy(c->api->o.node, &req, call_done, c);
    if (st != ST_OK) api_refused(c, name, st);
}

void api_handle_withdraw(struct call *c)
{
    char room[NODE_NAME_MAX + 1];
    const char *name = api_enclave_of(c, room, sizeof room);
    if (name == NULL) return;
    enum status st = node_withdraw(c->api->o.node, name, call_text(c, "who"), call_done, c);
    if (st != ST_OK) api_refused(c, name, st);
}
