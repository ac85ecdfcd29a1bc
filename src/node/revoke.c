/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Revoking a machine from anywhere, by the recovery words and its kit: a knock at each standing door
 * (core/door/revoke). Needs no vault and no enclave here. */
#include "core/door/revoke.h"
#include "base/encode.h"
#include "core/ledger/ledger.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "node/enclave/enclave.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REVOKE_TRY_MS 20000 /* a sentinel is waited for so long */
#define REVOKE_ALSO_MS 5000 /* and so long once another one has taken the knock */
#define DETAIL_MAX 8192

struct target {
    struct revoke *of;
    char name[REVOKE_NAME_MAX + 1];
    uint8_t room[32], seat[32];
    struct ledger_sentinel sentinels[REVOKE_SENTINELS_MAX];
    size_t n_sentinels, at;
    bool proxied;
    char user[33]; /* at the proxy: no two enclaves are one there */
    struct uplink up;
    uint64_t until_ms;
    bool over, told;
    const char *outcome; /* static */
    const char *refusal; /* static: what the one that took it, or the last one, said; NULL */
    uint8_t reply_token[32];
};

struct revoke {
    struct node *node;
    uint8_t *rk; /* guarded */
    struct target *targets;
    size_t n;
    node_done *done;
    void *arg;
};

static void end(struct target *t, const char *outcome)
{
    if (t->over) return;
    t->over = true;
    t->outcome = t->told ? t->refusal : outcome;
}

/* One sentinel's no is not the last word: the enclave may have moved since the kit was written, and
 * who hosted it then may say anything. */
static void try_next(struct target *t, const char *refusal)
{
    if (!t->told) t->refusal = refusal;
    t->until_ms = 0;
}

static void keys_of(const struct target *t, uint8_t ret_key[32], struct revoke_door *ret_door)
{
    revoke_key(t->of->rk, t->room, ret_key);
    revoke_door_of(ret_key, ret_door);
}

static void on_knocked(void *arg, enum status st, struct bytes body)
{
    struct target *t = arg;
    (void)body;
    if (st == ST_CLOSED) return; /* the next one is tried */
    if (st == ST_OK) {
        /* One sentinel's yes is not the last word either: the room that it hosts may be the old one. */
        t->told = true;
        t->refusal = "revoked: the members see it as soon as one of them is there";
        t->until_ms = 0;
    } else {
        try_next(t, "the sentinel did not take the knock: try again later");
    }
}

static void got_door(void *arg, enum status st, struct bytes body)
{
    struct target *t = arg;
    struct room_door in;
    struct revoke_door d;
    uint8_t key[32], pk[KEM_PUBLIC], coins[KEM_COINS];
    uint8_t *blob = NULL;
    if (st == ST_CLOSED) return;
    if (st == ST_NOT_FOUND) {
        try_next(t, "there is no such door: that machine is out already, or its door expired");
        return;
    }
    keys_of(t, key, &d);
    if (st == ST_OK) st = fields_decode(&room_door_fields, body, &in);
    if (st == ST_OK) st = revoke_record_open(&d, in.record, pk);
    if (st == ST_OK) {
        env_random(t->of->node->ports.env, coins, sizeof coins);
        blob = malloc(REVOKE_BLOB);
        st = blob == NULL ? ST_NO_MEMORY : revoke_blob_seal(pk, t->seat, key, coins, blob);
    }
    if (st == ST_OK) {
        struct room_knock msg = {.blob = BYTES(blob, REVOKE_BLOB)};
        memcpy(msg.room, t->room, 32);
        memcpy(msg.token, d.token, 32);
        sha256(BYTES_OF(t->reply_token), msg.reply);
        st = uplink_request(&t->up, ROOM_KNOCK, &room_knock_fields, &msg, on_knocked, t);
    }
    if (st != ST_OK)
        try_next(t, "what lies at the door is not this machine's: wrong words or kit?");
    bytes_wipe(key, sizeof key);
    bytes_wipe(&d, sizeof d);
    bytes_wipe(coins, sizeof coins);
    free(blob);
}

static void on_ready(void *arg, const struct link_peer *peer)
{
    struct target *t = arg;
    struct room_door_read msg = {0};
    struct revoke_door d;
    uint8_t key[32];
    (void)peer;
    keys_of(t, key, &d);
    memcpy(msg.room, t->room, 32);
    memcpy(msg.token, d.token, 32);
    if (uplink_request(&t->up, ROOM_DOOR_READ, &room_door_read_fields, &msg, got_door, t) != ST_OK)
        end(t, "the sentinel is busy: try again later");
    bytes_wipe(key, sizeof key);
    bytes_wipe(&d, sizeof d);
}

static void on_push(void *arg, uint8_t type, struct bytes payload)
{
    (void)arg;
    (void)type;
    (void)payload;
}

static void on_down(void *arg, enum status why)
{
    struct target *t = arg;
    (void)why;
    t->until_ms = 0; /* the next sentinel at the next tick */
}

/* Whoever has a proxy set wants it used; what meets over tor is never dialled straight. */
static enum status route(void *arg, struct link_route *ret, bool *ret_routed)
{
    const struct target *t = arg;
    const char *proxy = t->of->node->options.socks;
    *ret_routed = proxy != NULL;
    if (proxy == NULL) return t->proxied ? ST_PROXY : ST_OK;
    *ret = (struct link_route){.proxy = ""};
    snprintf(ret->proxy, sizeof ret->proxy, "%s", proxy);
    snprintf(ret->user, sizeof ret->user, "%s", t->user);
    snprintf(ret->pass, sizeof ret->pass, "0");
    return ST_OK;
}

static const struct uplink_events events = {on_ready, on_push, on_down, route};

static void dial(struct target *t, uint64_t now_ms)
{
    uplink_stop(&t->up);
    if (t->proxied && t->of->node->options.socks == NULL) {
        end(t, "it meets over tor only: set socks in enclave.yaml and try again");
        return;
    }
    if (t->at == t->n_sentinels) {
        end(t, t->refusal != NULL ? t->refusal
                                  : "none of its sentinels can be reached now: try again later");
        return;
    }
    const struct ledger_sentinel *s = &t->sentinels[t->at++];
    t->until_ms = now_ms + (t->told ? REVOKE_ALSO_MS : REVOKE_TRY_MS);
    uplink_init(&t->up, t->of->node->ports.env, &t->of->node->ports.link, &events, t);
    if (uplink_start(&t->up, s->address, s->pin) != ST_OK) t->until_ms = 0;
}

/* ---- beginning and end ---- */

void revoke_free(struct revoke *r)
{
    if (r == NULL) return;
    for (size_t i = 0; i < r->n; i++) uplink_stop(&r->targets[i].up);
    free(r->targets);
    secret_free(r->rk);
    free(r);
}

static enum status read_kit(struct revoke *r, struct bytes kit, const char *name)
{
    struct buf plain;
    struct revoke_item item;
    buf_init(&plain, REVOKE_KIT_MAX);
    r->targets = calloc(NODE_ENCLAVES_MAX, sizeof *r->targets);
    enum status st = r->targets == NULL ? ST_NO_MEMORY : revoke_kit_open(r->rk, kit, &plain);
    struct cursor c = cursor_of(buf_view(&plain));
    while (st == ST_OK && c.left > 0 && r->n < NODE_ENCLAVES_MAX) {
        struct target *t = &r->targets[r->n];
        st = fields_read(&revoke_item_fields, &c, &item);
        if (st != ST_OK) break;
        bytes_text(item.name, t->name, sizeof t->name);
        if (name != NULL && strcmp(name, t->name) != 0) continue;
        if (!ledger_read_sentinels(item.sentinels, t->sentinels, &t->n_sentinels))
            st = ST_BAD_MESSAGE;
        t->of = r;
        memcpy(t->room, item.room, 32);
        memcpy(t->seat, item.seat, 32);
        t->proxied = item.proxied != 0;
        env_random(r->node->ports.env, t->reply_token, sizeof t->reply_token);
        uint8_t user[16];
        env_random(r->node->ports.env, user, sizeof user);
        hex_encode(BYTES_OF(user), t->user);
        r->n++;
    }
    buf_free(&plain);
    return st == ST_OK && r->n == 0 ? ST_NOT_FOUND : st;
}

enum status node_revoke(struct node *n, struct bytes kit, const uint8_t rk[32], const char *enclave,
                        node_done *done, void *arg)
{
    if (n->revoke != NULL) return ST_BUSY;
    struct revoke *r = calloc(1, sizeof *r);
    if (r == NULL) return ST_NO_MEMORY;
    *r = (struct revoke){.node = n, .done = done, .arg = arg, .rk = secret_new(32)};
    enum status st = r->rk == NULL ? ST_NO_MEMORY : ST_OK;
    if (st == ST_OK) {
        memcpy(r->rk, rk, 32);
        st = read_kit(r, kit, enclave);
    }
    if (st != ST_OK) {
        revoke_free(r);
        return st;
    }
    n->revoke = r;
    return ST_OK;
}

uint64_t revoke_next_ms(const struct revoke *r)
{
    uint64_t next = UINT64_MAX;
    bool over = true;
    for (size_t i = 0; i < r->n; i++) {
        const struct target *t = &r->targets[i];
        if (t->over) continue;
        over = false;
        uint64_t at = uplink_next_ms(&t->up);
        if (t->until_ms < at) at = t->until_ms;
        if (at < next) next = at;
    }
    return over ? 0 : next;
}

static void finish(struct revoke *r)
{
    static const char *const words[] = {"nothing was revoked", "done; not everywhere", "done"};
    char *detail = malloc(DETAIL_MAX);
    struct node_revoked out = {.enclaves = (unsigned)r->n, .detail = detail == NULL ? "" : detail};
    size_t used = 0;
    for (size_t i = 0; i < r->n; i++) {
        const struct target *t = &r->targets[i];
        out.told += t->told;
        if (detail == NULL || used >= DETAIL_MAX - 1) continue;
        int n = snprintf(detail + used, DETAIL_MAX - used, "%s: %s\n", t->name, t->outcome);
        used += n < 0 ? 0 : (size_t)n;
    }
    const char *text = words[out.told == 0 ? 0 : out.told < out.enclaves ? 1 : 2];
    node_done *done = r->done;
    void *arg = r->arg;
    r->node->revoke = NULL;
    revoke_free(r);
    node_finish(done, arg, ST_OK, text, &out); /* also with nothing told: the detail says why */
    free(detail);
}

void revoke_tick(struct revoke *r, uint64_t now_ms)
{
    bool over = true;
    for (size_t i = 0; i < r->n; i++) {
        struct target *t = &r->targets[i];
        if (!t->over && now_ms >= t->until_ms) dial(t, now_ms);
        if (!t->over) uplink_tick(&t->up, now_ms);
        if (t->over) uplink_stop(&t->up);
        over &= t->over;
    }
    if (over) finish(r);
}

enum status node_kit(struct node *n, struct buf *out)
{
    struct buf items;
    uint8_t nonce[XAEAD_NONCE];
    enum status st = ST_OK;
    if (!n->started) return ST_LOCKED;
    buf_init(&items, REVOKE_KIT_MAX);
    for (size_t i = 0; i < n->n && st == ST_OK; i++) {
        const struct enclave *e = n->enclaves[i];
        if (!e->removed && e->group != NULL && e->phase == ENCLAVE_MEMBER)
            st = enclave_kit_item(e, &items);
    }
    env_random(n->ports.env, nonce, sizeof nonce);
    if (st == ST_OK) revoke_kit_seal(n->recovery, nonce, buf_view(&items), out);
    buf_free(&items);
    return st == ST_OK ? buf_status(out) : st;
}
