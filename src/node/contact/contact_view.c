/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Contacts as people see them, and why a name means none of them. */
#include "node/contact/contact.h"

#include "base/encode.h"
#include "core/door/safety.h"
#include "core/vault/words.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define SHORT_MIN 4 /* so many characters look like the beginning of a fingerprint */

/* The proposal by which the second one came in: both have it. */
static void safety_of(const struct enclave *e, char ret[NODE_SAFETY_SIZE])
{
    if (e == NULL || e->group == NULL) {
        if (e != NULL && e->phase == ENCLAVE_WAITING) safety_code_of(e->safety, ret);
        return;
    }
    const struct ledger *l = group_ledger(e->group);
    for (size_t i = 0; i < ledger_proposals(l); i++) {
        const struct ledger_proposal *p = ledger_proposal_at(l, i);
        if (p->kind != PROPOSE_ADD || p->record.n == 0) continue;
        safety_code(p->record, p->knock, ret);
        return;
    }
}

static const struct ledger_leaf *other(const struct enclave *e)
{
    const struct ledger *l = group_ledger(e->group);
    for (size_t i = 0; i < ledger_leaves(l); i++) {
        const struct ledger_leaf *leaf = ledger_leaf(l, (uint16_t)i);
        if (leaf->member_now && leaf->leaf != group_leaf(e->group)) return leaf;
    }
    return NULL;
}

static void view_together(const struct contact *c, const struct enclave *e,
                          char text[NODE_REASON_MAX], struct node_peer *ret)
{
    const struct ledger_leaf *leaf = e == NULL || e->group == NULL ? NULL : other(e);
    ret->state = "connected";
    if (e != NULL && e->phase == ENCLAVE_REMOVED) {
        ret->state = "alone";
        snprintf(text, NODE_REASON_MAX, "%s removed you: enclave peer remove %s forgets it",
                 c->card.nick, ret->name);
    } else if (e != NULL && leaf == NULL) {
        ret->state = "alone";
        snprintf(text, NODE_REASON_MAX,
                 "%s has left: enclave peer remove %s, then add the card again to begin anew",
                 c->card.nick, ret->name);
    } else {
        ret->reachable =
            e != NULL && e->peers != NULL && peers_path(e->peers, leaf->leaf) != PEERS_OFFLINE;
        snprintf(text, NODE_REASON_MAX, "you and %s are connected: enclave send --enclave %s TEXT",
                 c->card.nick, ret->name);
    }
}

static void view_waiting(const struct contact *c, const struct enclave *e,
                         char text[NODE_REASON_MAX], struct node_peer *ret)
{
    char own[LINK_ADDRESS_MAX + 1] = "HOST:PORT";
    const char *hosted = c->node->options.hosted;
    ret->state = "waiting";
    if (hosted != NULL && strncmp(hosted, "0.0.0.0:", 8) != 0 && strncmp(hosted, "[::]:", 5) != 0)
        bytes_text(BYTES(hosted, strcspn(hosted, "#")), own, sizeof own);
    if (c->trouble != NULL)
        snprintf(text, NODE_REASON_MAX, "%s", c->trouble);
    else if (c->hosting && e == NULL)
        snprintf(text, NODE_REASON_MAX, "an enclave of two is being made");
    else if (c->hosting)
        snprintf(text, NODE_REASON_MAX,
                 "waiting for %.64s, who types: enclave peer add YOUR-CARD.pub --address %.100s",
                 c->card.nick, own);
    else
        snprintf(text, NODE_REASON_MAX, "looking for %.64s's invitation at %.120s", c->card.nick,
                 c->address);
}

void contact_view(const struct contact *c, char text[NODE_REASON_MAX], struct node_peer *ret)
{
    const struct enclave *e = contact_enclave(c);
    *ret = (struct node_peer){.name = e != NULL ? e->name : c->name,
                              .nick = c->card.nick,
                              .host = "",
                              .address = c->address,
                              .text = text};
    text[0] = '\0';
    hex_encode(BYTES_OF(c->card.fingerprint), ret->fingerprint);
    if (words_from(BYTES(c->card.fingerprint, 16), ret->words, sizeof ret->words) != ST_OK)
        ret->words[0] = '\0';
    if (c->hosting)
        ret->host = "you";
    else if (c->stage != CONTACT_WAITING)
        ret->host = "peer";
    safety_of(e, ret->safety);
    switch (c->stage) {
    case CONTACT_WAITING: view_waiting(c, e, text, ret); break;
    case CONTACT_ENTERING:
        ret->state = e != NULL && e->phase == ENCLAVE_REFUSED ? "refused" : "entering";
        snprintf(text, NODE_REASON_MAX, "%s",
                 e == NULL               ? "the invitation is being used"
                 : e->trouble[0] != '\0' ? e->trouble
                                         : "knocked: the other one's daemon lets you in by itself");
        break;
    case CONTACT_TOGETHER: view_together(c, e, text, ret); break;
    case CONTACT_LEAVING:
        ret->state = "leaving";
        snprintf(text, NODE_REASON_MAX,
                 "the enclave is being left; if its sentinel is gone for good: enclave destroy "
                 "--enclave %s",
                 ret->name);
        break;
    case CONTACT_STAGES: break;
    }
}

enum status node_peers(struct node *n, node_peer_visit *visit, void *arg)
{
    char text[NODE_REASON_MAX];
    struct node_peer view;
    if (!n->started) return ST_LOCKED;
    for (size_t i = 0; i < n->contacts->n; i++) {
        if (n->contacts->list[i]->dead) continue;
        contact_view(n->contacts->list[i], text, &view);
        visit(arg, &view);
    }
    return ST_OK;
}

bool node_peer_awaited(struct node *n, const char *enclave)
{
    const struct enclave *e = n->started ? node_find(n, enclave) : NULL;
    for (size_t i = 0; e != NULL && i < n->contacts->n; i++) {
        const struct contact *c = n->contacts->list[i];
        if (!c->dead && c->stage == CONTACT_WAITING && contact_enclave(c) == e)
            return e->group == NULL || ledger_members(group_ledger(e->group)) < 2;
    }
    return false;
}

/* ---- names that mean nobody ---- */

static bool is_hex(const char *text)
{
    return text[strspn(text, "0123456789abcdefABCDEF")] == '\0';
}

enum status node_why_not(struct node *n, const char *name, const char **ret_text)
{
    size_t len = strlen(name), whole = 0, waiting = 0;
    char hex[65];
    *ret_text = NULL;
    if (!n->started || len < SHORT_MIN || len > 64 || !is_hex(name)) return ST_NOT_FOUND;
    for (size_t i = 0; i < n->n; i++) {
        hex_encode(BYTES_OF(n->enclaves[i]->enclave_id), hex);
        if (!n->enclaves[i]->removed && strncasecmp(hex, name, len) == 0) whole++;
    }
    for (size_t i = 0; i < n->contacts->n; i++) {
        const struct contact *c = n->contacts->list[i];
        hex_encode(BYTES_OF(c->card.fingerprint), hex);
        if (c->dead || strncasecmp(hex, name, len) != 0) continue;
        whole++;
        waiting += contact_enclave(c) == NULL;
    }
    if (whole == 0) return ST_NOT_FOUND;
    *ret_text = "too short: 8 or more characters of a fingerprint or an id name somebody";
    if (len < NODE_FINGERPRINT_MIN) return ST_USAGE;
    *ret_text = "several begin with that: give more characters of it";
    if (whole > 1) return ST_CONFLICT;
    *ret_text = "this contact is known, but the two of you are not connected yet";
    return waiting > 0 ? ST_PENDING : ST_NOT_FOUND;
}
