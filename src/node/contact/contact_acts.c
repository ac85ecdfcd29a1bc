/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What the owner asks for: the own card; a contact is added, moved, removed. */
#include "node/contact/contact.h"

#include "base/encode.h"
#include "core/vault/words.h"
#include "crypto/hash.h"
#include "crypto/secret.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- the own card ---- */

struct asking {
    struct node *node;
    bool bare;
    node_done *done;
    void *arg;
};

/* "Everywhere" is no address that anybody could connect to. */
static void own_place(const struct node *n, struct card *card)
{
    struct ledger_sentinel own[LEDGER_SENTINELS_MAX];
    size_t count = 0;
    if (n->options.hosted == NULL ||
        enclave_parse_sentinels(n->options.hosted, own, &count) != ST_OK)
        return;
    memcpy(card->pin, own[0].pin, 32);
    if (strncmp(own[0].address, "0.0.0.0:", 8) != 0 && strncmp(own[0].address, "[::]:", 5) != 0)
        snprintf(card->address, sizeof card->address, "%s", own[0].address);
}

static enum status show_key(const struct asking *a)
{
    const struct contacts *all = a->node->contacts;
    struct card_keys keys;
    struct card card = {.made = env_wall_ms(a->node->ports.env) / 1000};
    struct buf bytes = BUF_INIT;
    snprintf(card.nick, sizeof card.nick, "%s", all->nick);
    if (!a->bare) own_place(a->node, &card);
    card_keys_of(all->seed, &keys);
    enum status st = card_make(&keys, &card, &bytes);
    bytes_wipe(&keys, sizeof keys);
    struct node_key out = {.nick = card.nick, .address = card.address, .card = buf_view(&bytes)};
    if (st == ST_OK) {
        hex_encode(BYTES_OF(card.fingerprint), out.fingerprint);
        st = words_from(BYTES(card.fingerprint, 16), out.words, sizeof out.words);
    }
    if (st == ST_OK)
        node_finish(a->done, a->arg, ST_OK,
                    "give the card to people; compare the fingerprint by voice", &out);
    buf_free(&bytes);
    return st;
}

static void on_kept(void *arg, enum status st)
{
    struct asking *a = arg;
    a->node->commits--;
    if (st == ST_OK) st = show_key(a);
    if (st != ST_OK) node_finish(a->done, a->arg, st, status_text(st), NULL);
    free(a);
}

static void keep_self(struct asking *a)
{
    struct contacts *all = a->node->contacts;
    struct contact_self self = {.version = CONTACT_ROW_VERSION, .nick = bytes_str(all->nick)};
    struct buf row = BUF_INIT;
    struct keep_batch b;
    keep_begin(&b, &a->node->keep);
    memcpy(self.seed, all->seed, CARD_SEED);
    if (fields_encode(&contact_self_fields, &self, &row) == ST_OK)
        keep_put(&b, &all->s_self, 0, buf_view(&row));
    else
        b.bad = true;
    bytes_wipe(&self, sizeof self);
    buf_free(&row);
    a->node->commits++;
    enum status st = keep_commit(&b, on_kept, a);
    if (st != ST_OK) node_later_kv(a->node, NULL, on_kept, a, st);
}

static enum status need_key(struct contacts *all)
{
    uint8_t seed[CARD_SEED];
    if (all->seed != NULL) return ST_OK;
    env_random(all->node->ports.env, seed, sizeof seed);
    enum status st = contacts_own(all, seed);
    bytes_wipe(seed, sizeof seed);
    return st;
}

enum status node_key(struct node *n, const struct node_key_ask *ask, node_done *done, void *arg)
{
    if (!n->started) return ST_LOCKED;
    struct contacts *all = n->contacts;
    if (ask->nick != NULL && !knock_nick_ok(bytes_str(ask->nick))) return ST_USAGE;
    if (ask->nick == NULL && all->nick[0] == '\0') return ST_USAGE;
    struct asking *a = malloc(sizeof *a);
    if (a == NULL) return ST_NO_MEMORY;
    *a = (struct asking){n, ask->bare, done, arg};
    enum status st = need_key(all);
    if (st != ST_OK) {
        free(a);
        return st;
    }
    if (ask->nick != NULL) snprintf(all->nick, sizeof all->nick, "%s", ask->nick);
    keep_self(a);
    return ST_OK;
}

/* ---- adding ---- */

static enum status say(struct node *n, node_done *done, void *arg, enum status st, const char *text)
{
    node_later(n, done, arg, st, text, NULL);
    return ST_OK;
}

/* "host:port" or "host:port#pin". */
static bool parse_place(const char *text, char address[LINK_ADDRESS_MAX + 1], uint8_t pin[32],
                        bool *ret_pinned)
{
    const char *mark = strchr(text, '#');
    size_t n = mark == NULL ? strlen(text) : (size_t)(mark - text), got = 0;
    *ret_pinned = mark != NULL;
    if (!invitation_address_ok(BYTES(text, n))) return false;
    if (mark != NULL &&
        (hex_decode(mark + 1, strlen(mark + 1), pin, 32, &got) != ST_OK || got != 32))
        return false;
    memcpy(address, text, n);
    address[n] = '\0';
    return true;
}

struct draft {
    struct card card;
    char address[LINK_ADDRESS_MAX + 1];
    uint8_t pin[32];
};

/* NULL: good; else what is wrong, in words. */
static const char *read_request(struct node *n, const struct node_peer_add *req, struct draft *d,
                                enum status *ret_st)
{
    char hex[65];
    bool pinned = false;
    memset(d, 0, sizeof *d);
    *ret_st = card_read(req->card, &d->card);
    if (*ret_st == ST_VERSION) return "this card was made by a newer version of enclave";
    if (*ret_st != ST_OK) {
        *ret_st = ST_BAD_SIGNATURE;
        return "this is no whole contact card: it was cut or altered on the way. Ask for it again";
    }
    if (req->fingerprint != NULL) {
        size_t len = strlen(req->fingerprint);
        *ret_st = ST_USAGE;
        if (len < NODE_FINGERPRINT_PROOF)
            return "so short a piece of a fingerprint can be forged: give 32 or more characters";
        hex_encode(BYTES_OF(d->card.fingerprint), hex);
        *ret_st = ST_UNTRUSTED;
        if (len > 64 || strncasecmp(hex, req->fingerprint, len) != 0)
            return "the card has another fingerprint than you say: it is somebody else's";
    }
    *ret_st = ST_USAGE;
    if (n->contacts->seed != NULL &&
        memcmp(n->contacts->fingerprint, d->card.fingerprint, CARD_FINGERPRINT) == 0)
        return "this is your own card: the other one needs it, you need the other one's";
    if (n->contacts->nick[0] == '\0' && req->nick == NULL)
        return "what shall the other one call you? The same with --as NICK";
    if (req->nick != NULL && !knock_nick_ok(bytes_str(req->nick)))
        return "that nick is none: 1 to 64 characters, no control characters";
    if (req->name != NULL && node_name_fault(n, req->name) != NULL)
        return node_name_fault(n, req->name);
    memcpy(d->pin, d->card.pin, 32);
    snprintf(d->address, sizeof d->address, "%s", d->card.address);
    if (req->address != NULL && !parse_place(req->address, d->address, d->pin, &pinned))
        return "an address is HOST:PORT, of the sentinel inside the other one's daemon";
    if (d->address[0] != '\0' && bytes_zero(BYTES_OF(d->pin)))
        return "the card does not say by which key that sentinel is known: let the other one type "
               "enclave daemon start --host HOST:PORT and export the card again, or give the "
               "address as HOST:PORT#PIN, as enclave daemon status shows it there";
    if (d->address[0] == '\0' && n->options.hosted == NULL)
        return "one of the two must host: give --address HOST:PORT of the other's sentinel, or "
               "host yourself: enclave daemon stop, then enclave daemon start --host HOST:PORT";
    *ret_st = ST_OK;
    return NULL;
}

static struct contact *by_fingerprint(const struct contacts *all, const uint8_t fingerprint[32])
{
    for (size_t i = 0; i < all->n; i++)
        if (!all->list[i]->dead &&
            memcmp(all->list[i]->card.fingerprint, fingerprint, CARD_FINGERPRINT) == 0)
            return all->list[i];
    return NULL;
}

/* A newer card, another address. */
static enum status renew(struct contact *c, const struct node_peer_add *req, const struct draft *d,
                         node_done *done, void *arg)
{
    if (c->done != NULL || c->stage == CONTACT_LEAVING)
        return say(c->node, done, arg, ST_BUSY,
                   "it is being added or removed just now: enclave peer list");
    bool newer = d->card.made > c->card.made;
    if (newer) {
        c->card = d->card;
        buf_clear(&c->card_bytes);
        buf_bytes(&c->card_bytes, req->card);
    }
    c->done = done;
    c->arg = arg;
    c->answer_ms = env_mono_ms(c->node->ports.env) + CONTACT_ANSWER_MS;
    /* An old card brings no old address back. */
    if (c->stage == CONTACT_WAITING && d->address[0] != '\0' && (newer || req->address != NULL)) {
        snprintf(c->address, sizeof c->address, "%s", d->address);
        memcpy(c->pin, d->pin, sizeof c->pin);
        c->published = false; /* the word says that we look, too */
        c->seek_ms = c->pause_ms = c->meet_ms = 0;
    } else {
        contact_answer(c, ST_OK, NULL);
    }
    contact_save(c);
    return ST_OK;
}

static enum status add_new(struct node *n, const struct node_peer_add *req, const struct draft *d,
                           node_done *done, void *arg)
{
    struct contacts *all = n->contacts;
    if (all->n == CONTACTS_MAX) return ST_QUOTA;
    struct contact *c = calloc(1, sizeof *c);
    if (c == NULL) return ST_NO_MEMORY;
    c->node = n;
    c->slot = all->next_slot++;
    c->card = d->card;
    buf_bytes(&c->card_bytes, req->card);
    if (buf_status(&c->card_bytes) != ST_OK) {
        free(c);
        return ST_NO_MEMORY;
    }
    snprintf(c->nick, sizeof c->nick, "%s", req->nick != NULL ? req->nick : all->nick);
    contact_name(c, req->name != NULL ? req->name : c->card.nick);
    snprintf(c->address, sizeof c->address, "%s", d->address);
    memcpy(c->pin, d->pin, sizeof c->pin);
    c->hosting = d->address[0] == '\0'; /* else first a look at what is there */
    c->done = done;
    c->arg = arg;
    c->answer_ms = env_mono_ms(n->ports.env) + CONTACT_ANSWER_MS;
    all->list[all->n++] = c;
    contact_save(c);
    return ST_OK;
}

struct adding {
    struct node *node;
    struct draft draft;
    struct buf card;
    char name[NODE_NAME_MAX + 1], nick[NODE_NICK_MAX + 1];
    bool named;
    node_done *done;
    void *arg;
};

/* The own key is on disk: whoever adds us by a card can rely on it. */
static void on_own_key(void *arg, const struct node_result *r)
{
    struct adding *a = arg;
    struct node_peer_add req = {
        .card = buf_view(&a->card), .nick = a->nick, .name = a->named ? a->name : NULL};
    enum status st = r->st == ST_OK && a->node->stopping ? ST_CANCELLED : r->st;
    /* The same card may have been added while the key was written. */
    struct contact *c = by_fingerprint(a->node->contacts, a->draft.card.fingerprint);
    if (st == ST_OK && c != NULL)
        st = renew(c, &req, &a->draft, a->done, a->arg);
    else if (st == ST_OK)
        st = add_new(a->node, &req, &a->draft, a->done, a->arg);
    if (st != ST_OK)
        node_finish(a->done, a->arg, st,
                    st == ST_QUOTA ? "there are 64 contacts: that is the most" : status_text(st),
                    NULL);
    buf_free(&a->card);
    free(a);
}

enum status node_peer_add(struct node *n, const struct node_peer_add *req, node_done *done,
                          void *arg)
{
    enum status st;
    if (!n->started) return ST_LOCKED;
    if (n->stopping) return ST_CLOSED;
    struct adding *a = calloc(1, sizeof *a);
    if (a == NULL) return ST_NO_MEMORY;
    const char *fault = read_request(n, req, &a->draft, &st);
    struct contact *c =
        fault == NULL ? by_fingerprint(n->contacts, a->draft.card.fingerprint) : NULL;
    if (fault != NULL || c != NULL) {
        st = fault != NULL ? say(n, done, arg, st, fault) : renew(c, req, &a->draft, done, arg);
        free(a);
        return st;
    }
    a->node = n;
    a->done = done;
    a->arg = arg;
    a->named = req->name != NULL;
    buf_bytes(&a->card, req->card);
    snprintf(a->name, sizeof a->name, "%s", a->named ? req->name : "");
    snprintf(a->nick, sizeof a->nick, "%s", req->nick != NULL ? req->nick : n->contacts->nick);
    /* A nick given here becomes the card's only where there is none yet. */
    struct node_key_ask ask = {.nick = n->contacts->nick[0] == '\0' ? a->nick : NULL};
    st = node_key(n, &ask, on_own_key, a);
    if (st != ST_OK) {
        buf_free(&a->card);
        free(a);
    }
    return st;
}

/* ---- the others ---- */

static enum status find(struct node *n, const char *text, struct contact **ret)
{
    const struct contacts *all = n->contacts;
    size_t len = strlen(text), found = 0;
    *ret = NULL;
    for (size_t i = 0; i < all->n; i++) {
        struct contact *c = all->list[i];
        const struct enclave *e = contact_enclave(c);
        char hex[65];
        if (c->dead) continue;
        if (strcmp(e != NULL ? e->name : c->name, text) == 0) {
            *ret = c;
            return ST_OK;
        }
        hex_encode(BYTES_OF(c->card.fingerprint), hex);
        if (strcmp(c->card.nick, text) != 0 &&
            (len < NODE_FINGERPRINT_MIN || len > 64 || strncasecmp(hex, text, len) != 0))
            continue;
        *ret = c;
        found++;
    }
    return found == 0 ? ST_NOT_FOUND : found > 1 ? ST_CONFLICT : ST_OK;
}

enum status node_peer_remove(struct node *n, const char *peer, node_done *done, void *arg)
{
    struct contact *c;
    if (!n->started) return ST_LOCKED;
    enum status st = find(n, peer, &c);
    if (st != ST_OK) return st;
    if (c->done != NULL && c->stage != CONTACT_LEAVING)
        contact_answer(c, ST_CANCELLED, "removed meanwhile");
    if (c->done != NULL) contact_answer_now(c);
    c->done = done;
    c->arg = arg;
    c->answered = false;
    c->answer_ms = UINT64_MAX;
    c->stage = CONTACT_LEAVING;
    if (c->job != JOB_NONE) meet_end(c);
    c->meet_ms = c->leave_ms = 0;
    contact_save(c);
    return ST_OK;
}

enum status node_peer_address(struct node *n, const char *peer, const char *address,
                              node_done *done, void *arg)
{
    struct contact *c;
    char place[LINK_ADDRESS_MAX + 1];
    uint8_t pin[32];
    bool pinned;
    if (!n->started) return ST_LOCKED;
    enum status st = find(n, peer, &c);
    if (st != ST_OK) return st;
    if (c->done != NULL || c->stage == CONTACT_LEAVING) return ST_BUSY;
    if (!parse_place(address, place, pin, &pinned))
        return say(n, done, arg, ST_USAGE,
                   "an address is HOST:PORT, of the sentinel inside the other one's daemon");
    if (pinned) memcpy(c->pin, pin, sizeof c->pin);
    if (bytes_zero(BYTES_OF(c->pin)))
        return say(n, done, arg, ST_USAGE,
                   "the card does not say by which key that sentinel is known: HOST:PORT#PIN");
    struct enclave *e = contact_enclave(c);
    if (c->stage == CONTACT_TOGETHER && (c->hosting || e == NULL))
        return say(n, done, arg, ST_DENIED,
                   "you host this enclave: where your sentinel is, the other one is to be told "
                   "(enclave peer address there)");
    if (e != NULL && !c->hosting && memcmp(e->pin, c->pin, 32) != 0)
        return say(n, done, arg, ST_UNTRUSTED,
                   "the enclave is at another sentinel now: enclave rehome moves it");
    snprintf(c->address, sizeof c->address, "%s", place);
    c->published = false;
    c->seek_ms = c->pause_ms = c->meet_ms = 0;
    c->done = done;
    c->arg = arg;
    if (e != NULL && !c->hosting) {
        enclave_redial(e, place);
        contact_answer(c, ST_OK, "from now on it is looked for there");
    }
    c->answer_ms = env_mono_ms(n->ports.env) + CONTACT_ANSWER_MS;
    contact_save(c);
    return ST_OK;
}
