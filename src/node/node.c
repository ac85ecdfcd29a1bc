/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "node/copied.h"
#include "node/gate.h"
#include "node/post/post.h"

#include "base/encode.h"
#include "crypto/hash.h"
#include "crypto/secret.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A done that has its answer already waits for the next tick: never inside the call. */
struct later {
    struct later *next;
    node_done *done;
    kv_done *kv;
    void *arg;
    enum status st;
    const char *text; /* static */
    bool has_info;
    struct node_enclave_info info;
    struct enclave *enclave;
};

struct node *node_new(const struct node_ports *ports, const struct node_options *options)
{
    struct node *n = calloc(1, sizeof *n);
    if (n == NULL) return NULL;
    n->ports = *ports;
    n->options = *options;
    n->next_slot = 1;
    n->next_transfer = 1;
    return n;
}

void node_finish(node_done *done, void *arg, enum status st, const char *text, const void *data)
{
    struct node_result r = {st, text, data};
    if (done != NULL) done(arg, &r);
}

static void push_later(struct node *n, const struct later *l)
{
    struct later *copy = malloc(sizeof *copy);
    if (copy == NULL) return;
    *copy = *l;
    copy->next = NULL;
    struct later **end = &n->later;
    while (*end != NULL) end = &(*end)->next;
    *end = copy;
}

void node_later(struct node *n, node_done *done, void *arg, enum status st, const char *text,
                const struct node_enclave_info *info)
{
    struct later l = {.done = done, .arg = arg, .st = st, .text = text};
    l.has_info = info != NULL;
    if (info != NULL) l.info = *info;
    push_later(n, &l);
}

void node_later_kv(struct node *n, struct enclave *e, kv_done *done, void *arg, enum status st)
{
    struct later l = {.kv = done, .arg = arg, .st = st, .enclave = e};
    if (e != NULL) e->commits++;
    push_later(n, &l);
}

static void run_later(struct node *n)
{
    struct later *list = n->later;
    n->later = NULL;
    while (list != NULL) {
        struct later *l = list;
        list = l->next;
        if (l->enclave != NULL) l->enclave->commits--;
        if (l->kv != NULL)
            l->kv(l->arg, l->st);
        else
            node_finish(l->done, l->arg, l->st, l->text, l->has_info ? &l->info : NULL);
        free(l);
    }
}

/* ---- the list ---- */

static bool name_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
}

static struct enclave *by_name(struct node *n, const char *name)
{
    struct enclave *found = NULL;
    char id[65];
    size_t len = strlen(name);
    for (size_t i = 0; i < n->n; i++)
        if (!n->enclaves[i]->removed && strcmp(n->enclaves[i]->name, name) == 0)
            return n->enclaves[i];
    for (size_t i = 0; i < n->n && len >= 8; i++) {
        hex_encode(BYTES_OF(n->enclaves[i]->enclave_id), id);
        if (n->enclaves[i]->removed || strncmp(id, name, len) != 0) continue;
        if (found != NULL) return NULL; /* not unique */
        found = n->enclaves[i];
    }
    bool more = true;
    for (size_t i = 0; more && len >= NODE_FINGERPRINT_MIN; i++) {
        struct enclave *e = contacts_begin(n, name, i, &more);
        if (!more) break;
        if (e == NULL || (found != NULL && found != e)) return NULL;
        found = e;
    }
    return found;
}

/* Every call that names an enclave comes by here. */
struct enclave *node_find(struct node *n, const char *name)
{
    struct enclave *found = by_name(n, name);
    if (found != NULL) gate_hurry(found);
    return found;
}

const char *node_name_fault(struct node *n, const char *name)
{
    size_t len = strlen(name);
    if (len == 0 || len > NODE_NAME_MAX) return "a name has 1 to 64 characters";
    for (size_t i = 0; i < len; i++)
        if (!name_byte(name[i])) return "a name has only letters, digits, '-', '_' and '.'";
    if (name[0] == '-' || name[0] == '.') return "a name begins with a letter or a digit";
    for (size_t i = 0; i < n->n; i++)
        if (!n->enclaves[i]->removed && strcmp(n->enclaves[i]->name, name) == 0)
            return "there is an enclave of that name already";
    for (size_t i = 0; i < n->n_broken; i++)
        if (strcmp(n->broken[i].name, name) == 0)
            return "an enclave of that name is here and does not load";
    return NULL;
}

enum status node_add(struct node *n, struct enclave *e)
{
    if (n->n >= NODE_ENCLAVES_MAX) return ST_QUOTA;
    n->enclaves[n->n++] = e;
    return ST_OK;
}

void node_remove(struct node *n, struct enclave *e)
{
    (void)n;
    e->removed = true;
    uplink_stop(&e->up);
}

static void free_removed(struct node *n)
{
    for (size_t i = 0; i < n->n;) {
        struct enclave *e = n->enclaves[i];
        if (!e->removed || e->commits > 0) {
            i++;
            continue;
        }
        n->enclaves[i] = n->enclaves[--n->n];
        enclave_free(e);
    }
}

void node_tell(struct node *n, const struct node_event *e)
{
    if (n->listener != NULL) n->listener(n->listener_arg, e);
}

void node_listen(struct node *n, node_listener *listener, void *arg)
{
    n->listener = listener;
    n->listener_arg = arg;
}

/* ---- life ---- */

struct loading {
    struct node *node;
    enum status st;
    struct copied copied;
};

static void note_broken(struct node *n, struct bytes record, enum status why)
{
    struct enclave_record r;
    env_log(n->ports.env, ENV_ERROR, "node", "an enclave does not load: %s", status_text(why));
    if (n->n_broken == NODE_BROKEN_MAX) return;
    struct node_broken *b = &n->broken[n->n_broken++];
    if (fields_decode(&enclave_record_fields, record, &r) == ST_OK)
        memcpy(b->name, r.name.p, r.name.n);
    else
        snprintf(b->name, sizeof b->name, "damaged");
    bytes_wipe(&r, sizeof r);
    snprintf(b->text, sizeof b->text,
             "it does not load (%s): stop the daemon and restore a backup of this home; without "
             "one, let the others remove you and come in again by another name",
             status_text(why));
}

static bool on_record(void *arg, uint64_t slot, struct bytes plain)
{
    struct loading *l = arg;
    struct node *n = l->node;
    struct enclave *e = NULL;
    if (slot >= n->next_slot) n->next_slot = slot + 1;
    uint64_t next = n->next_slot;
    enum status st = enclave_load(n, slot, plain, &e);
    n->next_slot = next;
    if (st == ST_OK) st = node_add(n, e);
    copied_record(&l->copied, slot, st == ST_OK ? e : NULL);
    if (st != ST_OK) {
        note_broken(n, plain, st);
        l->st = st;
    }
    return true;
}

/* Nobody was told that these exist, and perhaps somebody that they do not. */
static void drop_unmade(struct node *n)
{
    for (size_t i = 0; i < n->n; i++) {
        struct enclave *e = n->enclaves[i];
        if (e->removed || e->phase != ENCLAVE_CREATING) continue;
        env_log(n->ports.env, ENV_WARN, "node",
                "the making of the enclave %s did not come to an end: what was begun is erased",
                e->name);
        enclave_shred(e, "not made: its making did not come to an end");
    }
}

enum status node_start(struct node *n, const uint8_t mk[32], const uint8_t rk[32])
{
    struct loading l = {.node = n, .st = ST_OK};
    if (n->started) return ST_EXISTS;
    enum status st = keep_start(&n->keep, n->ports.env, &n->ports.kv, mk);
    if (st != ST_OK) return st;
    n->recovery = secret_new(32);
    if (n->recovery == NULL) return ST_NO_MEMORY;
    memcpy(n->recovery, rk, 32);
    n->records = keep_space(&n->keep, "enclaves", BYTES_NONE);
    st = copied_begin(&l.copied, n);
    if (st != ST_OK) return st;
    st = contacts_start(n);
    if (st != ST_OK) return st;
    st = node_offer_load(n);
    if (st != ST_OK) return st;
    n->started = true;
    /* One enclave that does not load does not keep the others from running. */
    st = keep_scan(&n->keep, &n->records, 0, on_record, &l);
    copied_end(&l.copied, st == ST_OK);
    drop_unmade(n);
    if (st == ST_OK) st = archives_load(n);
    return st;
}

void node_stop(struct node *n, node_done *done, void *arg)
{
    n->stopping = true;
    n->stop_done = done;
    n->stop_arg = arg;
    contacts_stop(n);
    for (size_t i = 0; i < n->n; i++) node_remove(n, n->enclaves[i]);
}

void node_free(struct node *n)
{
    if (n == NULL) return;
    for (size_t i = 0; i < n->n; i++) enclave_free(n->enclaves[i]);
    while (n->later != NULL) {
        struct later *l = n->later;
        n->later = l->next;
        free(l);
    }
    revoke_free(n->revoke);
    contacts_free(n);
    history_job_free(n);
    archives_free(n);
    keep_stop(&n->keep);
    secret_free(n->recovery);
    free(n);
}

uint64_t node_next_ms(const struct node *n)
{
    uint64_t next = UINT64_MAX, now = env_mono_ms(n->ports.env);
    if (n->later != NULL || (n->stop_done != NULL && n->commits == 0)) return now;
    next = gate_next_ms(n);
    for (size_t i = 0; i < n->n; i++) {
        uint64_t at = enclave_next_ms(n->enclaves[i]);
        if (n->enclaves[i]->removed) at = n->enclaves[i]->commits == 0 ? now : UINT64_MAX;
        if (at < next) next = at;
    }
    if (n->revoke != NULL && revoke_next_ms(n->revoke) < next) next = revoke_next_ms(n->revoke);
    uint64_t contacts = contacts_next_ms(n);
    if (contacts < next) next = contacts;
    return next < now ? now : next;
}

void node_tick(struct node *n)
{
    uint64_t now = env_mono_ms(n->ports.env);
    run_later(n);
    gate_tick(n, now);
    for (size_t i = 0; i < n->n; i++) enclave_tick(n->enclaves[i], now);
    if (n->revoke != NULL) revoke_tick(n->revoke, now);
    contacts_tick(n, now);
    free_removed(n);
    if (n->stop_done != NULL && n->commits == 0 && n->n == 0 && n->later == NULL) {
        node_done *done = n->stop_done;
        n->stop_done = NULL;
        node_finish(done, n->stop_arg, ST_OK, "stopped", NULL);
    }
}

/* ---- looking ---- */

static void broken_info(const struct node_broken *b, struct node_enclave_info *ret)
{
    *ret = (struct node_enclave_info){.name = b->name,
                                      .state = NODE_HALTED,
                                      .nick = "",
                                      .sentinel = "",
                                      .trouble = b->text,
                                      .ballot = "",
                                      .mode = "",
                                      .removed = ""};
}

void node_enclaves(struct node *n, node_enclave_visit *visit, void *arg)
{
    for (size_t i = 0; i < n->n; i++) {
        struct node_enclave_info info;
        if (n->enclaves[i]->removed) continue;
        enclave_info(n->enclaves[i], &info);
        visit(arg, &info);
    }
    for (size_t i = 0; i < n->n_broken; i++) {
        struct node_enclave_info info;
        broken_info(&n->broken[i], &info);
        visit(arg, &info);
    }
}

enum status node_enclave(struct node *n, const char *name, node_enclave_visit *visit, void *arg)
{
    struct node_enclave_info info;
    if (!n->started) return ST_LOCKED;
    struct enclave *e = node_find(n, name);
    if (e != NULL) {
        enclave_info(e, &info);
        visit(arg, &info);
        return ST_OK;
    }
    for (size_t i = 0; i < n->n_broken; i++) {
        if (strcmp(n->broken[i].name, name) != 0) continue;
        broken_info(&n->broken[i], &info);
        visit(arg, &info);
        return ST_OK;
    }
    return ST_NOT_FOUND;
}

static const char *path_text(const struct enclave *e, uint16_t leaf)
{
    if (leaf == group_leaf(e->group)) return "self";
    switch (e->peers == NULL ? PEERS_OFFLINE : peers_path(e->peers, leaf)) {
    case PEERS_DIRECT: return "direct";
    case PEERS_CIRCUIT: return "circuit";
    case PEERS_ONLINE: return "online";
    case PEERS_OFFLINE: break;
    }
    return "offline";
}

enum status node_members(struct node *n, const char *name, node_member_visit *visit, void *arg)
{
    if (!n->started) return ST_LOCKED;
    struct enclave *e = node_find(n, name);
    if (e == NULL) return ST_NOT_FOUND;
    if (e->group == NULL) return ST_PENDING;
    const struct ledger *l = group_ledger(e->group);
    uint64_t *kept = calloc(LEDGER_EVER_MAX, sizeof *kept);
    if (kept == NULL) return ST_NO_MEMORY;
    enclave_files_kept(e, kept);
    for (size_t i = 0; i < ledger_leaves(l); i++) {
        const struct ledger_leaf *leaf = ledger_leaf(l, (uint16_t)i);
        if (!leaf->member_now) continue;
        struct node_member m = {.leaf = leaf->leaf,
                                .nick = leaf->nick,
                                .self = leaf->leaf == group_leaf(e->group),
                                .path = path_text(e, leaf->leaf),
                                .since_index = leaf->added,
                                .held_bytes = kept[leaf->leaf],
                                .agreed = group_agreed(e->group, leaf->leaf),
                                .last_ms = leaf->last_ms,
                                .away_ms = enclave_away_ms(e, leaf),
                                .muted = post_muted(e, leaf->leaf),
                                .silent = enclave_silent(e, leaf)};
        hex_encode(BYTES_OF(leaf->id), m.id);
        visit(arg, &m);
    }
    free(kept);
    return ST_OK;
}
