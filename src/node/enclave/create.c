/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A new enclave: GENESIS is made and kept here first; the sentinel is then given a room and the
 * entry, by the same rule that gives an older database back what it lost. It is told as made when
 * the disk has it as made. What is told as failed is erased before; what was begun and told neither
 * way (a crash, a disk that refused even the erasing) is erased at the next start, and nothing of it
 * goes out then. */
#include "node/enclave/enclave.h"

#include "base/encode.h"
#include "node/gate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "HOST:PORT#PIN" */
static enum status parse_sentinel(const char *text, char address[LINK_ADDRESS_MAX + 1],
                                  uint8_t pin[32])
{
    const char *mark = strchr(text, '#');
    size_t n, got;
    if (mark == NULL || mark == text) return ST_USAGE;
    n = (size_t)(mark - text);
    if (n > LINK_ADDRESS_MAX || strchr(text, ':') == NULL) return ST_USAGE;
    memcpy(address, text, n);
    address[n] = '\0';
    if (hex_decode(mark + 1, strlen(mark + 1), pin, 32, &got) != ST_OK || got != 32)
        return ST_USAGE;
    return ST_OK;
}

struct unmade {
    node_done *done;
    void *arg;
    enum status st;
    char text[2 * NODE_REASON_MAX];
};

static void on_erased(void *arg, enum status st)
{
    struct unmade *u = arg;
    size_t n = strlen(u->text);
    if (st != ST_OK)
        snprintf(u->text + n, sizeof u->text - n,
                 ". What was begun could not be erased now (%s): the next start does it",
                 status_text(st));
    node_finish(u->done, u->arg, u->st, u->text, NULL);
    free(u);
}

void enclave_unmake(struct enclave *e, enum status why, const char *event)
{
    node_done *done = e->create_done;
    struct unmade *u = malloc(sizeof *u);
    e->create_done = NULL;
    if (u != NULL) {
        *u = (struct unmade){.done = done, .arg = e->create_arg, .st = why};
        snprintf(u->text, sizeof u->text, "%s", e->trouble);
    } else {
        node_finish(done, e->create_arg, why, e->trouble, NULL);
    }
    enclave_shred_then(e, event, u == NULL ? NULL : on_erased, u);
}

/* GENESIS is on disk: now it may go out. */
static void on_saved(void *arg, enum status st)
{
    struct enclave *e = arg;
    if (e->removed) return; /* whoever removed it has answered, or will */
    bool kept = st == ST_OK;
    if (kept) st = enclave_connect(e);
    if (st != ST_OK)
        enclave_unmake(e, st, kept ? "not made: it cannot connect" : "not made: no room on disk");
}

static void on_made(void *arg, enum status st)
{
    struct enclave *e = arg;
    struct node_enclave_info info;
    node_done *done = e->create_done;
    if (done == NULL || e->phase == ENCLAVE_GONE) return;
    if (st != ST_OK && !e->removed) {
        enclave_unmake(e, st, "not made: no room on disk");
        return;
    }
    e->create_done = NULL;
    enclave_info(e, &info);
    node_finish(done, e->create_arg, st, st == ST_OK ? "the enclave exists" : e->trouble, &info);
}

void enclave_made(struct enclave *e)
{
    struct keep_batch b;
    enclave_move(e, ENCLAVE_MEMBER);
    keep_begin(&b, &e->node->keep);
    enclave_put_record(e, &b);
    enclave_commit(e, &b, on_made, e);
}

static enum status make_group(struct enclave *e, uint8_t ballot, uint8_t mode,
                              const struct ledger_sentinel *sentinels, size_t n_sentinels)
{
    const struct env *env = e->node->ports.env;
    uint8_t random[GROUP_RANDOM], genesis[32], secret[32], revoke[32], chain[32];
    struct group_draft draft = {.sealed = BUF_INIT};
    struct group_now now;
    struct keep_batch b;
    struct group_event ev;
    keep_begin(&b, &e->node->keep);
    env_random(env, genesis, 32);
    env_random(env, secret, 32);
    enclave_revocation(e, revoke);
    enclave_now(e, random, &now);
    struct group_create a = {
        .self = {e->keys->id_seed, e->keys->seat_seed, e->keys->kem_seed, NULL, 0},
        .room = e->room,
        .genesis_random = genesis,
        .epoch_secret = secret,
        .revoke_hash = revoke,
        .nick = bytes_str(e->nick),
        .name = bytes_str(e->name),
        .ballot_kind = ballot,
        .mode = mode,
        .sentinels = sentinels,
        .n_sentinels = n_sentinels};
    enum status st;
    TRY(group_create(&a, &now, &e->group, &draft));
    TRY(group_take(e->group, 0, buf_view(&draft.sealed), now.now_ms));
    while (group_event(e->group, &ev)) {
    }
    memcpy(e->enclave_id, ledger_enclave_id(group_ledger(e->group)), 32);
    struct enclave_feed *f = &e->feeds[FEED_LEDGER];
    struct buf row = BUF_INIT;
    chain_step(f->seen.chain, buf_view(&draft.sealed), chain);
    buf_raw(&row, chain, 32);
    buf_bytes(&row, buf_view(&draft.sealed));
    keep_put(&b, &f->space, 0, buf_view(&row));
    buf_free(&row);
    f->seen.count = 1;
    memcpy(f->seen.chain, chain, 32);
    TRY(enclave_epochs(e));
    TRY(enclave_peers_start(e));
    TRY(enclave_shelf_load(e));
    e->joined_ms = now.now_ms;
    enclave_wipe_first(e);
    enclave_put_record(e, &b);
    enclave_put_group(e, &b);
    enclave_mail_rows(e, &b);
    enclave_commit(e, &b, on_saved, e);
out:
    if (st != ST_OK) keep_drop(&b);
    bytes_wipe(secret, sizeof secret);
    bytes_wipe(random, sizeof random);
    buf_free(&draft.sealed);
    return st;
}

/* "A,B,C": where the enclave meets, and where it may move to. */
enum status enclave_parse_sentinels(const char *text, struct ledger_sentinel *ret, size_t *ret_n)
{
    char one[LINK_ADDRESS_MAX + 68];
    size_t n = 0;
    for (const char *at = text; at != NULL; at = *at == ',' ? at + 1 : NULL) {
        size_t len = strcspn(at, ",");
        if (len >= sizeof one || n == LEDGER_SENTINELS_MAX) return ST_USAGE;
        memcpy(one, at, len);
        one[len] = '\0';
        enum status st = parse_sentinel(one, ret[n].address, ret[n].pin);
        if (st != ST_OK) return st;
        n++;
        at += len;
    }
    *ret_n = n;
    return n > 0 ? ST_OK : ST_USAGE;
}

static enum status ballot_of(const char *text, uint8_t *ret)
{
    *ret = BALLOT_SECRET;
    if (text == NULL || strcmp(text, "secret") == 0) return ST_OK;
    *ret = BALLOT_OPEN;
    return strcmp(text, "open") == 0 ? ST_OK : ST_USAGE;
}

enum status node_create(struct node *n, const struct node_create *req, node_done *done, void *arg)
{
    struct enclave *e = NULL;
    if (!n->started) return ST_LOCKED;
    if (n->stopping) return ST_CLOSED;
    if (node_name_fault(n, req->name) != NULL)
        return node_find(n, req->name) != NULL ? ST_EXISTS : ST_USAGE;
    uint8_t ballot;
    struct ledger_sentinel sentinels[LEDGER_SENTINELS_MAX];
    size_t n_sentinels = 0;
    enum status st = ballot_of(req->ballot, &ballot);
    if (st != ST_OK) return st;
    uint8_t mode = LEDGER_DIRECT;
    if (req->mode != NULL && strcmp(req->mode, "relay") == 0)
        mode = LEDGER_RELAY;
    else if (req->mode != NULL && strcmp(req->mode, "tor") == 0)
        mode = LEDGER_TOR;
    else if (req->mode != NULL && strcmp(req->mode, "direct") != 0)
        return ST_USAGE;
    const char *sentinel = req->sentinel != NULL ? req->sentinel : n->options.hosted;
    if (sentinel == NULL) return ST_USAGE;
    TRY(enclave_parse_sentinels(sentinel, sentinels, &n_sentinels));
    if (mode == LEDGER_TOR && n->options.socks == NULL) {
        node_later(n, done, arg, ST_CONFIG, enclave_no_proxy(), NULL);
        return ST_OK;
    }
    TRY(enclave_new(n, req->name, req->nick, &e));
    if (req->tag != NULL) memcpy(e->tag, req->tag, sizeof e->tag);
    memcpy(e->address, sentinels[0].address, sizeof e->address);
    memcpy(e->pin, sentinels[0].pin, 32);
    env_random(n->ports.env, e->room, 32);
    e->via = mode == LEDGER_TOR ? ENCLAVE_VIA_TOR : ENCLAVE_VIA_ANY;
    gate_hurry(e);
    enclave_spaces(e);
    TRY(node_add(n, e));
    st = make_group(e, ballot, mode, sentinels, n_sentinels);
    if (st == ST_OK) {
        e->create_done = done;
        e->create_arg = arg;
        return ST_OK;
    }
    node_remove(n, e);
    return st;
out:
    enclave_free(e);
    return st;
}
