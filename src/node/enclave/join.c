/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Coming in: read the door, knock, wait for the votes, enter (protocol.md 3). Keys and the knock
 * are on disk before anything is sent, so a restart knocks with the same bytes. */
#include "node/enclave/enclave.h"

#include "base/encode.h"
#include "core/door/knock.h"
#include "core/door/record.h"
#include "core/door/reply.h"
#include "core/door/safety.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "node/copied.h"
#include "node/gate.h"

#include <stdio.h>
#include <string.h>

#define JOIN_AGAIN_MS 5000

static void answer(struct enclave *e, enum status st, const char *text)
{
    struct node_enclave_info info;
    node_done *done = e->join_done;
    if (done == NULL) return;
    e->join_done = NULL;
    enclave_info(e, &info);
    node_finish(done, e->join_arg, st, text, &info);
}

static void save(struct enclave *e, kv_done *done)
{
    struct keep_batch b;
    keep_begin(&b, &e->node->keep);
    if (e->group != NULL) copied_entered(e, &b);
    enclave_put_record(e, &b);
    enclave_put_group(e, &b);
    enclave_commit(e, &b, done, e);
}

static void refused(struct enclave *e)
{
    enclave_move(e, ENCLAVE_REFUSED);
    save(e, NULL);
    uplink_stop(&e->up);
    enclave_trouble(e,
                    "not admitted: somebody voted no, or nobody answered in time. "
                    "`enclave leave %s` forgets it.",
                    e->name);
}

static void welcomed(struct enclave *e, const struct reply *r)
{
    if (e->phase != ENCLAVE_WAITING) return;
    uint8_t keys[GROUP_VETO_BATCH * VETO_KEY], xs[GROUP_VETO_BATCH * VETO_SCALAR];
    group_veto_draw(e->keys->veto_seed, e->enclave_id, e->id, 0, keys, xs);
    struct group_join a = {
        .self = {e->keys->id_seed, e->keys->seat_seed, e->keys->kem_seed, xs, GROUP_VETO_BATCH},
        .room = e->room,
        .enclave_id = e->enclave_id,
        .add_index = r->index,
        .chain = r->chain,
        .epoch = r->epoch,
        .log_key = r->log_key};
    enum status st = group_join(&a, &e->group);
    bytes_wipe(xs, sizeof xs);
    if (st != ST_OK) return;
    enclave_move(e, ENCLAVE_ENTERING);
    save(e, NULL);
    enclave_tell(e, "join", "", r->index, "everybody said yes: entering");
    enclave_attach(e);
}

static void took_reply(struct enclave *e, struct bytes blob)
{
    struct reply r;
    if (e->phase != ENCLAVE_WAITING ||
        reply_open(e->keys->kem_seed, e->enclave_id, blob, &r) != ST_OK)
        return;
    if (r.kind == REPLY_WELCOME)
        welcomed(e, &r);
    else if (r.kind == REPLY_REFUSED)
        refused(e);
    else
        enclave_tell(e, "join", "", 0, "the members are voting");
    bytes_wipe(&r, sizeof r);
}

static void knock(struct enclave *e);

static void got_replies(void *arg, enum status st, struct bytes body)
{
    struct enclave *e = arg;
    struct room_replies in;
    struct room_reply_blob item;
    if (e->removed || st == ST_CLOSED) return;
    uint64_t now = env_mono_ms(e->node->ports.env);
    bool lately = e->knocked_ms != 0 && now < e->knocked_ms + JOIN_AGAIN_MS;
    if (st == ST_NOT_FOUND && e->phase == ENCLAVE_WAITING && !e->join_busy && !lately) {
        knock(e); /* the sentinel has an older database: the same knock again */
        return;
    }
    if (st != ST_OK || fields_decode(&room_replies_fields, body, &in) != ST_OK) {
        e->join_again_ms = now + JOIN_AGAIN_MS;
        return;
    }
    struct cursor c = cursor_of(in.blobs);
    while (e->phase == ENCLAVE_WAITING && c.left > 0 &&
           fields_read(&room_reply_blob_fields, &c, &item) == ST_OK)
        took_reply(e, item.blob);
}

static void poll(struct enclave *e)
{
    struct room_door_poll msg = {.wait = 1};
    memcpy(msg.room, e->room, 32);
    memcpy(msg.token, e->keys->reply_token, 32);
    if (uplink_request(&e->up, ROOM_DOOR_POLL, &room_door_poll_fields, &msg, got_replies, e) !=
        ST_OK)
        e->join_again_ms = env_mono_ms(e->node->ports.env) + JOIN_AGAIN_MS;
}

void enclave_join_push(struct enclave *e, uint8_t type, struct bytes payload)
{
    struct room_door_replied in;
    (void)type;
    if (fields_decode(&room_door_replied_fields, payload, &in) == ST_OK) took_reply(e, in.blob);
}

static void failed(struct enclave *e, enum status st, const char *text)
{
    enclave_trouble(e, "%s", text);
    e->join_busy = false;
    bool first = e->join_done != NULL;
    answer(e, st, text);
    /* An invitation that never worked leaves nothing behind. */
    if (first && (st == ST_NOT_FOUND || status_class(st) == STATUS_PEER))
        enclave_shred(e, "the invitation did not work");
    else
        e->join_again_ms = env_mono_ms(e->node->ports.env) + JOIN_AGAIN_MS;
}

void enclave_join_down(struct enclave *e, enum status why)
{
    answer(
        e, why == ST_OK || why == ST_CLOSED ? ST_UNREACHABLE : why,
        "the sentinel of that invitation cannot be reached now. It is tried again by itself; the "
        "same `enclave join` later tells how it stands.");
}

static void on_knocked(void *arg, enum status st, struct bytes body)
{
    struct enclave *e = arg;
    (void)body;
    if (e->removed || st == ST_CLOSED) return;
    e->join_busy = false;
    if (st == ST_DENIED) {
        failed(e, ST_NOT_FOUND, "this invitation was used by somebody else: ask for a new one");
        return;
    }
    if (st != ST_OK) {
        failed(e, st, "the sentinel did not take the knock: try again later");
        return;
    }
    if (e->phase == ENCLAVE_KNOCKING) {
        enclave_move(e, ENCLAVE_WAITING);
        save(e, NULL);
    }
    e->trouble[0] = '\0';
    answer(e, ST_OK,
           "knocked: now every member has to say yes. Compare the safety code with the "
           "one who invited you.");
    poll(e);
}

static void knock(struct enclave *e)
{
    struct invitation inv;
    struct door_keys keys;
    struct room_knock msg = {.blob = buf_view(&e->knock)};
    if (invitation_decode(buf_view(&e->invitation), &inv) != ST_OK) return;
    e->knocked_ms = env_mono_ms(e->node->ports.env);
    door_keys_of(inv.door_secret, &keys);
    memcpy(msg.room, e->room, 32);
    memcpy(msg.token, keys.token, 32);
    SHA256_OF(msg.reply, BYTES(e->keys->reply_token, 32));
    if (uplink_request(&e->up, ROOM_KNOCK, &room_knock_fields, &msg, on_knocked, e) == ST_OK)
        e->join_busy = true;
    bytes_wipe(&keys, sizeof keys);
    invitation_wipe(&inv);
}

static void on_knock_saved(void *arg, enum status st)
{
    struct enclave *e = arg;
    if (!e->removed && st == ST_OK && uplink_up(&e->up)) knock(e);
}

static enum status make_knock(struct enclave *e, const struct invitation *inv,
                              const struct door_record *record, struct bytes record_plain)
{
    uint8_t coins[KEM_COINS], blob[KNOCK_BLOB], revoke[32];
    uint8_t keys[GROUP_VETO_BATCH * VETO_KEY], xs[GROUP_VETO_BATCH * VETO_SCALAR];
    group_veto_draw(e->keys->veto_seed, e->enclave_id, e->id, 0, keys, xs);
    bytes_wipe(xs, sizeof xs);
    struct knock k = {.veto_keys = {keys, GROUP_VETO_BATCH},
                      .nick = bytes_str(e->nick),
                      .message = buf_view(&e->join_message)};
    struct buf plain = BUF_INIT;
    env_random(e->node->ports.env, coins, sizeof coins);
    memcpy(k.id, e->id, 32);
    memcpy(k.seat, e->seat, 32);
    kem_public(e->keys->kem_seed, k.kem);
    enclave_revocation(e, revoke);
    memcpy(k.revocation, revoke, 32);
    enum status st = knock_build(inv, record->kem, &k, e->keys->id_seed, coins, &plain, blob);
    if (st == ST_OK) {
        safety_hash(record_plain, buf_view(&plain), e->safety);
        buf_clear(&e->knock);
        buf_raw(&e->knock, blob, sizeof blob);
        st = buf_status(&e->knock);
    }
    bytes_wipe(coins, sizeof coins);
    buf_free(&plain);
    return st;
}

/* Before a byte of us is at the door: the members would see an address that tor was to hide. */
static void not_over_tor(struct enclave *e)
{
    static const char text[] = "this enclave meets over tor only: join with --mode tor";
    enclave_trouble(e, "%s", text);
    answer(e, ST_USAGE, text);
    enclave_shred(e, "not joined: it meets over tor only");
}

static void got_door(void *arg, enum status st, struct bytes body)
{
    struct enclave *e = arg;
    struct room_door in;
    struct invitation inv;
    struct door_record record;
    struct buf plain = BUF_INIT;
    if (e->removed || st == ST_CLOSED) return;
    e->join_busy = false;
    if (st == ST_NOT_FOUND) {
        failed(e, ST_NOT_FOUND,
               "there is no such door any more: the invitation expired, was withdrawn, or its "
               "enclave is gone. Ask for a new one.");
        return;
    }
    if (st == ST_OK) st = fields_decode(&room_door_fields, body, &in);
    if (st == ST_OK) st = invitation_decode(buf_view(&e->invitation), &inv);
    if (st == ST_OK) st = door_record_open(&inv, in.record, &plain, &record);
    bool alone = st == ST_OK && record.mode == LEDGER_TOR && !enclave_routed(e);
    if (st == ST_OK && !alone) st = make_knock(e, &inv, &record, buf_view(&plain));
    invitation_wipe(&inv);
    buf_free(&plain);
    if (alone) {
        not_over_tor(e);
        return;
    }
    if (st != ST_OK) {
        failed(e, st,
               "what lies at the door was not made by who invited you: do not go on, ask "
               "for a new invitation");
        return;
    }
    save(e, on_knock_saved);
}

static void read_door(struct enclave *e)
{
    struct invitation inv;
    struct door_keys keys;
    struct room_door_read msg = {0};
    if (invitation_decode(buf_view(&e->invitation), &inv) != ST_OK) return;
    door_keys_of(inv.door_secret, &keys);
    memcpy(msg.room, e->room, 32);
    memcpy(msg.token, keys.token, 32);
    if (uplink_request(&e->up, ROOM_DOOR_READ, &room_door_read_fields, &msg, got_door, e) == ST_OK)
        e->join_busy = true;
    bytes_wipe(&keys, sizeof keys);
    invitation_wipe(&inv);
}

void enclave_join_up(struct enclave *e)
{
    e->join_again_ms = 0;
    if (e->phase == ENCLAVE_WAITING)
        poll(e); /* the door may be shut by now: the answer waits all the same */
    else if (e->knock.n == 0)
        read_door(e);
    else
        knock(e); /* repeating the same knock is harmless */
}

void enclave_join_tick(struct enclave *e, uint64_t now_ms)
{
    if (e->join_again_ms == 0 || now_ms < e->join_again_ms || !uplink_up(&e->up)) return;
    e->join_again_ms = 0;
    if (e->phase == ENCLAVE_ENTERING && !e->attached)
        enclave_attach(e);
    else if ((e->phase == ENCLAVE_KNOCKING || e->phase == ENCLAVE_WAITING) && !e->join_busy)
        enclave_join_up(e);
}

/* The name its creator gave it, if ours was only a stand-in and the name is free. */
static void take_name(struct enclave *e)
{
    const char *name = ledger_name(group_ledger(e->group));
    if (strncmp(e->name, "joining-", 8) == 0 && node_name_fault(e->node, name) == NULL)
        memcpy(e->name, name, strlen(name) + 1);
}

void enclave_joined(struct enclave *e)
{
    enclave_move(e, ENCLAVE_MEMBER);
    e->joined_ms = env_wall_ms(e->node->ports.env);
    take_name(e);
    buf_free(&e->invitation);
    buf_free(&e->knock);
    enclave_wipe_first(e);
    /* With the entry and the keys that let us in, so that no crash finds one without the other. */
    struct keep_batch own, *b = e->batch != NULL ? e->batch : &own;
    keep_begin(&own, &e->node->keep);
    enclave_put_record(e, b);
    if (b == &own) enclave_commit(e, &own, NULL, NULL);
    enclave_tell(e, "join", "", 0, "you are in");
    if (enclave_peers_start(e) != ST_OK) enclave_trouble(e, "cannot listen for members");
    if (enclave_shelf_load(e) != ST_OK) enclave_trouble(e, "the files of this enclave do not open");
    if (e->peers != NULL && e->subscribed) peers_attached(e->peers);
    answer(e, ST_OK, "you are in");
    enclave_tell(e, "kit", "", 0, "the recovery kit has a new enclave in it");
}

/* ---- node_join ---- */

static struct enclave *find_id(struct node *n, const uint8_t id[32])
{
    for (size_t i = 0; i < n->n; i++)
        if (!n->enclaves[i]->removed && memcmp(n->enclaves[i]->enclave_id, id, 32) == 0)
            return n->enclaves[i];
    return NULL;
}

static bool other_invitation(const struct enclave *e, const struct invitation *inv)
{
    struct buf bytes = BUF_INIT;
    bool other = invitation_encode(inv, &bytes, NULL) == ST_OK &&
                 !bytes_same(buf_view(&bytes), buf_view(&e->invitation));
    buf_free(&bytes);
    return other;
}

/* The same code again: how it stands. */
static void tell_state(struct enclave *e, node_done *done, void *arg)
{
    struct node_enclave_info info;
    enclave_info(e, &info);
    if (e->phase == ENCLAVE_MEMBER || e->phase == ENCLAVE_CREATING)
        node_later(e->node, done, arg, ST_OK, "you are in", &info);
    else if (e->phase == ENCLAVE_REFUSED)
        node_later(e->node, done, arg, ST_REFUSED, "not admitted", NULL);
    else
        node_later(e->node, done, arg, ST_PENDING, "the members have not all said yes yet", &info);
}

static enum status begin_join(struct node *n, const struct invitation *inv,
                              const struct node_join *req, struct enclave **ret)
{
    char hex[9], name[NODE_NAME_MAX + 1];
    struct enclave *e = NULL;
    hex_encode(BYTES(inv->enclave_id, 4), hex);
    snprintf(name, sizeof name, "joining-%s", hex);
    enum status st;
    TRY(enclave_new(n, req->name != NULL ? req->name : name, req->nick, &e));
    if (req->tag != NULL) memcpy(e->tag, req->tag, sizeof e->tag);
    snprintf(e->address, sizeof e->address, "%s",
             req->address != NULL ? req->address : inv->address);
    memcpy(e->pin, inv->pin, 32);
    memcpy(e->room, inv->room, 32);
    memcpy(e->enclave_id, inv->enclave_id, 32);
    e->via = req->mode != NULL && strcmp(req->mode, "tor") == 0 ? ENCLAVE_VIA_TOR : ENCLAVE_VIA_ANY;
    gate_hurry(e);
    e->phase = ENCLAVE_KNOCKING;
    sm_init(&e->sm, e->sm.table, ENCLAVE_KNOCKING);
    if (req->message != NULL) buf_str(&e->join_message, req->message);
    TRY(invitation_encode(inv, &e->invitation, NULL));
    enclave_spaces(e);
    TRY(enclave_connect(e));
    TRY(node_add(n, e));
    *ret = e;
    return ST_OK;
out:
    enclave_free(e);
    return st;
}

enum status node_join(struct node *n, const struct node_join *req, node_done *done, void *arg)
{
    struct invitation inv;
    if (!n->started) return ST_LOCKED;
    if (n->stopping) return ST_CLOSED;
    if (req->name != NULL && node_name_fault(n, req->name) != NULL) return ST_USAGE;
    enum status st = invitation_from_text(req->code, &inv);
    if (st != ST_OK) return st;
    struct enclave *e = find_id(n, inv.enclave_id);
    if (e != NULL && e->phase == ENCLAVE_REFUSED && other_invitation(e, &inv)) {
        enclave_shred(e, "asked again, with a new invitation");
        e = NULL;
    }
    if (e != NULL) {
        tell_state(e, done, arg);
        invitation_wipe(&inv);
        return ST_OK;
    }
    if (invitation_expired(&inv, env_wall_ms(n->ports.env)))
        env_log(n->ports.env, ENV_WARN, "join", "by this clock the invitation has expired");
    bool tor = req->mode != NULL && strcmp(req->mode, "tor") == 0;
    if ((!tor && req->mode != NULL && strcmp(req->mode, "direct") != 0) ||
        !knock_nick_ok(bytes_str(req->nick)) ||
        (req->message != NULL && !knock_message_ok(bytes_str(req->message))))
        st = ST_USAGE;
    if (st == ST_OK && tor && n->options.socks == NULL) {
        invitation_wipe(&inv);
        node_later(n, done, arg, ST_CONFIG, enclave_no_proxy(), NULL);
        return ST_OK;
    }
    if (st == ST_OK) st = begin_join(n, &inv, req, &e);
    invitation_wipe(&inv);
    if (st != ST_OK) return st;
    e->join_done = done;
    e->join_arg = arg;
    save(e, NULL);
    return ST_OK;
}
