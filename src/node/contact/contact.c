/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The list of contacts and their rows; our own key; adding and removing. */
#include "node/contact/contact.h"

#include "base/encode.h"
#include "crypto/secret.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

FIELDS_DEFINE(contact_row, CONTACT_ROW_FIELDS);
FIELDS_DEFINE(contact_self, CONTACT_SELF_FIELDS);

/* ---- one contact ---- */

struct enclave *contact_enclave(const struct contact *c)
{
    const struct node *n = c->node;
    if (bytes_zero(BYTES_OF(c->tag))) return NULL;
    for (size_t i = 0; i < n->n; i++)
        if (!n->enclaves[i]->removed && memcmp(n->enclaves[i]->tag, c->tag, sizeof c->tag) == 0)
            return n->enclaves[i];
    return NULL;
}

static void contact_free(struct contact *c)
{
    if (c == NULL) return;
    if (c->job != JOB_NONE) meet_end(c);
    invitation_wipe(&c->invitation);
    buf_free(&c->card_bytes);
    free(c);
}

static void on_saved(void *arg, enum status st)
{
    struct contact *c = arg;
    c->saves--;
    c->node->commits--;
    if (st == ST_OK) return;
    c->kept = st;
    env_log(c->node->ports.env, ENV_ERROR, "peer", "a contact is not kept: %s", status_text(st));
}

static void commit(struct contact *c, struct keep_batch *b)
{
    c->saves++;
    c->node->commits++;
    enum status st = keep_commit(b, on_saved, c);
    if (st != ST_OK) on_saved(c, st);
}

void contact_save(struct contact *c)
{
    struct buf row = BUF_INIT;
    struct keep_batch b;
    struct contact_row r = {.version = CONTACT_ROW_VERSION,
                            .stage = (uint8_t)c->stage,
                            .hosting = c->hosting,
                            .open = c->open,
                            .name = bytes_str(c->name),
                            .nick = bytes_str(c->nick),
                            .address = bytes_str(c->address),
                            .card = buf_view(&c->card_bytes)};
    memcpy(r.tag, c->tag, sizeof r.tag);
    memcpy(r.pin, c->pin, sizeof r.pin);
    memcpy(r.door, c->door, sizeof r.door);
    keep_begin(&b, &c->node->keep);
    if (fields_encode(&contact_row_fields, &r, &row) == ST_OK)
        keep_put(&b, &c->node->contacts->s_contacts, c->slot, buf_view(&row));
    else
        b.bad = true;
    buf_free(&row);
    commit(c, &b);
}

void contact_forget(struct contact *c)
{
    struct keep_batch b;
    c->dead = true;
    if (c->job != JOB_NONE) meet_end(c);
    keep_begin(&b, &c->node->keep);
    keep_erase(&b, &c->node->contacts->s_contacts, c->slot);
    commit(c, &b);
    contact_answer(c, ST_OK, "forgotten: the enclave of you two is left, its keys are shredded");
}

void contact_answer(struct contact *c, enum status st, const char *text)
{
    if (c->done == NULL || c->answered) return;
    c->answered = true;
    c->answer = st;
    c->answer_text = text;
}

void contact_answer_now(struct contact *c)
{
    char room[NODE_REASON_MAX];
    struct node_peer view;
    node_done *done = c->done;
    const char *text = c->answered ? c->answer_text : NULL;
    enum status st = c->answered ? c->answer : ST_OK;
    if (done == NULL) return;
    if (c->kept != ST_OK) {
        st = c->kept;
        text = "the disk did not take it: make room and try again";
    }
    contact_view(c, room, &view);
    c->done = NULL;
    c->answered = false;
    c->kept = ST_OK;
    node_finish(done, c->arg, st, text != NULL ? text : view.text,
                st == ST_OK && !c->dead ? &view : NULL);
}

void contact_tell(const struct contact *c, const char *kind, const char *text)
{
    struct node_event e = {.kind = kind,
                           .enclave = c->name,
                           .text = text,
                           .who = c->card.nick,
                           .time_ms = env_wall_ms(c->node->ports.env)};
    node_tell(c->node, &e);
}

static bool name_free(const struct contact *c, const char *name)
{
    const struct contacts *all = c->node->contacts;
    for (size_t i = 0; i < all->n; i++)
        if (all->list[i] != c && !all->list[i]->dead && strcmp(all->list[i]->name, name) == 0)
            return false;
    return node_name_fault(c->node, name) == NULL;
}

void contact_name(struct contact *c, const char *wanted)
{
    char base[NODE_NAME_MAX - 8], hex[9], name[NODE_NAME_MAX + 1];
    size_t n = 0;
    for (; *wanted != '\0' && n < sizeof base - 1; wanted++) {
        bool plain = (*wanted >= 'a' && *wanted <= 'z') || (*wanted >= 'A' && *wanted <= 'Z') ||
                     (*wanted >= '0' && *wanted <= '9') || (n > 0 && strchr("-_.", *wanted));
        if (plain) base[n++] = *wanted;
        if (*wanted == ' ' && n > 0) base[n++] = '-';
    }
    while (n > 0 && strchr("-_.", base[n - 1])) n--;
    base[n] = '\0';
    hex_encode(BYTES(c->card.fingerprint, 4), hex);
    /* Nobody's card may bring a name that could be meant as another one's fingerprint. */
    bool digits = n >= NODE_FINGERPRINT_MIN && strspn(base, "0123456789abcdefABCDEF") == n;
    snprintf(name, sizeof name, digits ? "peer-%.50s" : "%s", base);
    if (n == 0 || !name_free(c, name))
        snprintf(name, sizeof name, "%s-%s", n == 0 ? "peer" : base, hex);
    memcpy(c->name, name, sizeof c->name);
}

/* ---- the list ---- */

static bool begins(const struct contact *c, const char *text, size_t len)
{
    char hex[65];
    if (len < NODE_FINGERPRINT_MIN || len > 64 || c->dead) return false;
    hex_encode(BYTES_OF(c->card.fingerprint), hex);
    return strncasecmp(hex, text, len) == 0;
}

struct enclave *contacts_begin(struct node *n, const char *text, size_t i, bool *ret_more)
{
    const struct contacts *all = n->contacts;
    *ret_more = false;
    for (size_t k = 0; all != NULL && k < all->n; k++) {
        if (!begins(all->list[k], text, strlen(text)) || i-- > 0) continue;
        *ret_more = true;
        return contact_enclave(all->list[k]);
    }
    return NULL;
}

bool contacts_means(const struct enclave *e, const char *text, size_t len)
{
    const struct contacts *all = e->node->contacts;
    for (size_t i = 0; all != NULL && i < all->n; i++)
        if (contact_enclave(all->list[i]) == e) return begins(all->list[i], text, len);
    return false;
}

/* One knock a door is let in. */
static bool answered(const struct enclave *e, const struct enclave_door *d)
{
    for (size_t i = 0; i < e->n_knocks; i++)
        if (e->knocks[i]->door == d && e->knocks[i]->proposed) return true;
    return false;
}

/* Its owner gave us the card and wants the two of us together: no further yes is asked for. Only what
 * the word at the meeting place says opens this door, and only the card's keys open that word. */
void contacts_knocked(struct enclave *e, struct enclave_knock *k)
{
    const struct contacts *all = e->node->contacts;
    for (size_t i = 0; all != NULL && i < all->n; i++) {
        const struct contact *c = all->list[i];
        if (c->dead || !c->hosting || c->stage != CONTACT_WAITING || contact_enclave(c) != e ||
            memcmp(k->door->token_hash, c->door, 32) != 0 || answered(e, k->door))
            continue;
        struct intent yes = {.kind = INTENT_PROPOSE, .yes = true, .now = true};
        memcpy(yes.reply, k->reply, 32);
        k->proposed = enclave_intend(e, &yes) == ST_OK;
    }
}

static bool on_row(void *arg, uint64_t slot, struct bytes plain)
{
    struct contacts *all = arg;
    struct contact_row r;
    struct contact *c = calloc(1, sizeof *c);
    if (c == NULL) return false;
    if (slot >= all->next_slot) all->next_slot = slot + 1;
    if (all->n == CONTACTS_MAX || fields_decode(&contact_row_fields, plain, &r) != ST_OK ||
        r.version != CONTACT_ROW_VERSION || r.stage >= CONTACT_STAGES ||
        card_read(r.card, &c->card) != ST_OK) {
        env_log(all->node->ports.env, ENV_ERROR, "peer", "a contact does not load");
        free(c);
        return true;
    }
    c->node = all->node;
    c->slot = slot;
    c->stage = (enum contact_stage)r.stage;
    c->hosting = r.hosting != 0;
    c->open = r.open != 0;
    c->entering_ms = env_mono_ms(all->node->ports.env);
    memcpy(c->tag, r.tag, sizeof c->tag);
    memcpy(c->pin, r.pin, sizeof c->pin);
    memcpy(c->door, r.door, sizeof c->door);
    bytes_text(r.name, c->name, sizeof c->name);
    bytes_text(r.nick, c->nick, sizeof c->nick);
    bytes_text(r.address, c->address, sizeof c->address);
    buf_bytes(&c->card_bytes, r.card);
    all->list[all->n++] = c;
    return true;
}

enum status contacts_own(struct contacts *all, const uint8_t seed[CARD_SEED])
{
    struct card_keys keys;
    struct card card = {.nick = "x"};
    struct buf bytes = BUF_INIT;
    all->seed = secret_new(CARD_SEED);
    if (all->seed == NULL) return ST_NO_MEMORY;
    memcpy(all->seed, seed, CARD_SEED);
    card_keys_of(seed, &keys);
    enum status st = card_make(&keys, &card, &bytes); /* for the fingerprint */
    memcpy(all->fingerprint, card.fingerprint, sizeof all->fingerprint);
    bytes_wipe(&keys, sizeof keys);
    buf_free(&bytes);
    return st;
}

enum status contacts_start(struct node *n)
{
    struct contacts *all = calloc(1, sizeof *all);
    struct buf row = BUF_INIT;
    struct contact_self self;
    if (all == NULL) return ST_NO_MEMORY;
    all->node = n;
    all->next_slot = 1;
    all->s_contacts = keep_space(&n->keep, "contacts", BYTES_NONE);
    all->s_self = keep_space(&n->keep, "contact self", BYTES_NONE);
    n->contacts = all;
    enum status st = keep_get(&n->keep, &all->s_self, 0, &row);
    if (st == ST_OK) st = fields_decode(&contact_self_fields, buf_view(&row), &self);
    if (st == ST_OK) {
        st = contacts_own(all, self.seed);
        bytes_text(self.nick, all->nick, sizeof all->nick);
        bytes_wipe(&self, sizeof self);
        if (st == ST_OK) st = keep_scan(&n->keep, &all->s_contacts, 0, on_row, all);
    } else if (st == ST_NOT_FOUND) {
        st = ST_OK;
    }
    buf_free(&row);
    return st;
}

void contacts_stop(struct node *n)
{
    for (size_t i = 0; n->contacts != NULL && i < n->contacts->n; i++) {
        struct contact *c = n->contacts->list[i];
        if (c->job != JOB_NONE) meet_end(c);
        node_done *done = c->done;
        c->done = NULL;
        if (done != NULL)
            node_finish(done, c->arg, ST_CANCELLED, "the daemon stops; ask again when it runs",
                        NULL);
    }
}

void contacts_free(struct node *n)
{
    struct contacts *all = n->contacts;
    if (all == NULL) return;
    for (size_t i = 0; i < all->n; i++) contact_free(all->list[i]);
    secret_free(all->seed);
    free(all);
    n->contacts = NULL;
}

uint64_t contacts_next_ms(const struct node *n)
{
    uint64_t next = UINT64_MAX, now = env_mono_ms(n->ports.env);
    for (size_t i = 0; n->contacts != NULL && !n->stopping && i < n->contacts->n; i++) {
        const struct contact *c = n->contacts->list[i];
        uint64_t at = c->dead && c->saves == 0 ? now : UINT64_MAX;
        if (!c->dead) (void)contact_plan(c, now, &at);
        if (at < next) next = at;
    }
    return next;
}

void contacts_tick(struct node *n, uint64_t now_ms)
{
    struct contacts *all = n->contacts;
    for (size_t i = 0; all != NULL && !n->stopping && i < all->n;) {
        struct contact *c = all->list[i];
        if (!c->dead) contact_tick(c, now_ms);
        if (!c->dead || c->saves > 0) {
            i++;
            continue;
        }
        all->list[i] = all->list[--all->n];
        contact_answer_now(c);
        contact_free(c);
    }
}
