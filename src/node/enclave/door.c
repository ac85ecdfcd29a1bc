/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Inviting, and who knocks at our doors (protocol.md 3). A knock becomes a proposal when its
 * inviter votes yes on it; no before that refuses it without troubling anybody. */
#include "node/enclave/enclave.h"

#include "base/encode.h"
#include "core/door/knock.h"
#include "core/door/record.h"
#include "core/door/safety.h"
#include "crypto/hash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DOOR_TTL_MS (UINT64_C(7) * 24 * 3600 * 1000)
#define DOOR_TTL_MAX_MS (UINT64_C(90) * 24 * 3600 * 1000)

#define DOOR_ROW_FIELDS(X, M)                  \
    X(M, U8, version, 0, 0)                    \
    X(M, FIX, kem_seed, 32, 0)                 \
    X(M, VAR16, invitation, INVITATION_MAX, 0) \
    X(M, VAR16, record, DOOR_RECORD_MAX, 0)
FIELDS_DECLARE(door_row, DOOR_ROW_FIELDS);
FIELDS_DEFINE(door_row, DOOR_ROW_FIELDS);

void enclave_door_free(struct enclave_door *d)
{
    if (d == NULL) return;
    buf_free(&d->record);
    bytes_wipe(d, sizeof *d);
    free(d);
}

void enclave_knock_free(struct enclave_knock *k)
{
    if (k == NULL) return;
    buf_free(&k->plain);
    free(k);
}

static enum status keep_door(struct enclave *e, const struct enclave_door *d, struct keep_batch *b)
{
    struct buf invitation = BUF_INIT, row = BUF_INIT;
    struct door_row msg = {.version = 1, .record = buf_view(&d->record)};
    memcpy(msg.kem_seed, d->kem_seed, 32);
    enum status st;
    TRY(invitation_encode(&d->invitation, &invitation, NULL));
    msg.invitation = buf_view(&invitation);
    TRY(fields_encode(&door_row_fields, &msg, &row));
    keep_put(b, &e->s_doors, d->slot, buf_view(&row));
out:
    buf_free(&invitation);
    buf_free(&row);
    bytes_wipe(&msg, sizeof msg);
    return st;
}

static enum status add_door(struct enclave *e, struct enclave_door *d)
{
    struct door_keys keys;
    if (e->n_doors >= ENCLAVE_DOORS_MAX) return ST_QUOTA;
    door_keys_of(d->invitation.door_secret, &keys);
    memcpy(d->token_hash, keys.token_hash, 32);
    d->expiry_ms = d->invitation.expiry * 1000;
    bytes_wipe(&keys, sizeof keys);
    e->doors[e->n_doors++] = d;
    if (d->slot >= e->next_door) e->next_door = d->slot + 1;
    return ST_OK;
}

static bool on_door_row(void *arg, uint64_t n, struct bytes plain)
{
    struct enclave *e = arg;
    struct door_row row;
    struct enclave_door *d = calloc(1, sizeof *d);
    if (d == NULL) return false;
    d->slot = n;
    if (fields_decode(&door_row_fields, plain, &row) != ST_OK ||
        invitation_decode(row.invitation, &d->invitation) != ST_OK) {
        enclave_door_free(d);
        return true;
    }
    memcpy(d->kem_seed, row.kem_seed, 32);
    buf_bytes(&d->record, row.record);
    bytes_wipe(&row, sizeof row);
    if (add_door(e, d) != ST_OK) enclave_door_free(d);
    return true;
}

enum status enclave_doors_load(struct enclave *e)
{
    return keep_scan(&e->node->keep, &e->s_doors, 0, on_door_row, e);
}

static void on_closed(void *arg, enum status st, struct bytes body)
{
    (void)arg, (void)st, (void)body; /* if not: it ends with its invitation */
}

static void remove_door(struct enclave *e, struct enclave_door *d)
{
    struct room_door_close close;
    memcpy(close.door, d->token_hash, 32); /* the room has only so many */
    (void)!uplink_request(&e->up, ROOM_DOOR_CLOSE, &room_door_close_fields, &close, on_closed,
                          NULL);
    for (size_t i = 0; i < e->n_knocks;)
        if (e->knocks[i]->door == d)
            enclave_knock_drop(e, e->knocks[i]);
        else
            i++;
    for (size_t i = 0; i < e->n_doors; i++)
        if (e->doors[i] == d) e->doors[i] = e->doors[--e->n_doors];
    struct keep_batch b;
    keep_begin(&b, &e->node->keep);
    keep_erase(&b, &e->s_doors, d->slot);
    enclave_commit(e, &b, NULL, NULL);
    enclave_door_free(d);
}

void enclave_door_used(struct enclave *e, const uint8_t token_hash[32])
{
    for (size_t i = 0; i < e->n_doors; i++)
        if (memcmp(e->doors[i]->token_hash, token_hash, 32) == 0 && e->doors[i]->done == NULL) {
            remove_door(e, e->doors[i]);
            return;
        }
}

static void drop_expired(struct enclave *e)
{
    uint64_t now = enclave_unix_ms(e);
    for (size_t i = 0; i < e->n_doors;)
        if (e->doors[i]->expiry_ms < now && e->doors[i]->done == NULL)
            remove_door(e, e->doors[i]);
        else
            i++;
}

/* ---- invite ---- */

struct opening {
    struct enclave *e;
    struct enclave_door *door;
    struct buf sealed;
};

static void end_opening(struct opening *o, enum status st, const char *text)
{
    struct node_invitation out = {{0}, o->door->expiry_ms};
    char code[INVITATION_TEXT_MAX];
    node_done *done = o->door->done;
    void *arg = o->door->arg;
    o->door->done = NULL;
    o->door->opened = st == ST_OK;
    if (st == ST_OK) st = invitation_to_text(&o->door->invitation, code);
    if (st == ST_OK) memcpy(out.code, code, strlen(code) + 1);
    if (st != ST_OK && !o->e->removed) remove_door(o->e, o->door);
    if (done != NULL) node_finish(done, arg, st, text, st == ST_OK ? &out : NULL);
    bytes_wipe(&out, sizeof out);
    bytes_wipe(code, sizeof code);
    buf_free(&o->sealed);
    free(o);
}

static void on_opened(void *arg, enum status st, struct bytes body)
{
    struct opening *o = arg;
    (void)body;
    if (st == ST_EXISTS) st = ST_OK;
    end_opening(o, st,
                st == ST_OK ? "give this code to one person, over a channel you trust"
                            : "the sentinel did not open the door: try again");
}

static void on_door_saved(void *arg, enum status st)
{
    struct opening *o = arg;
    struct room_door_open msg = {.expires_ms = o->door->expiry_ms, .record = buf_view(&o->sealed)};
    memcpy(msg.door, o->door->token_hash, 32);
    if (st == ST_OK)
        st = uplink_request(&o->e->up, ROOM_DOOR_OPEN, &room_door_open_fields, &msg, on_opened, o);
    if (st != ST_OK)
        end_opening(o, st,
                    "the sentinel is not reachable: try again when `enclave status` says "
                    "it is connected");
}

static enum status fill_door(struct enclave *e, struct enclave_door *d, uint64_t ttl_ms,
                             struct buf *sealed)
{
    const struct env *env = e->node->ports.env;
    const struct ledger *l = group_ledger(e->group);
    struct seen head = group_seen(e->group);
    struct door_record record = {
        .head_count = head.count, .ballot = ledger_ballot_kind(l), .mode = ledger_mode(l)};
    uint8_t nonce[XAEAD_NONCE];
    struct door_keys keys;
    env_random(env, d->kem_seed, 32);
    env_random(env, d->invitation.door_secret, 32);
    env_random(env, nonce, sizeof nonce);
    memcpy(d->invitation.address, e->address, sizeof e->address);
    memcpy(d->invitation.pin, e->pin, 32);
    memcpy(d->invitation.room, e->room, 32);
    memcpy(d->invitation.enclave_id, e->enclave_id, 32);
    SHA256_OF(d->invitation.inviter_hash, BYTES(e->id, 32));
    d->invitation.expiry = (enclave_unix_ms(e) + ttl_ms) / 1000;
    kem_public(d->kem_seed, record.kem);
    memcpy(record.inviter, e->id, 32);
    memcpy(record.enclave_id, e->enclave_id, 32);
    memcpy(record.head_chain, head.chain, 32);
    door_keys_of(d->invitation.door_secret, &keys);
    enum status st =
        door_record_seal(&record, e->keys->id_seed, keys.record_key, nonce, &d->record, sealed);
    bytes_wipe(&keys, sizeof keys);
    return st;
}

enum status node_invite(struct node *n, const char *name, uint64_t ttl_ms, node_done *done,
                        void *arg)
{
    if (!n->started) return ST_LOCKED;
    struct enclave *e = node_find(n, name);
    if (e == NULL) return ST_NOT_FOUND;
    if (!enclave_in(e)) return ST_DENIED;
    if (!e->subscribed) return ST_UNREACHABLE;
    if (ttl_ms == 0) ttl_ms = DOOR_TTL_MS;
    if (ttl_ms > DOOR_TTL_MAX_MS) return ST_USAGE;
    drop_expired(e);
    struct opening *o = calloc(1, sizeof *o);
    struct enclave_door *d = calloc(1, sizeof *d);
    struct keep_batch b;
    keep_begin(&b, &n->keep);
    enum status st = o == NULL || d == NULL ? ST_NO_MEMORY : ST_OK;
    if (st != ST_OK) goto out;
    o->e = e;
    o->door = d;
    d->slot = e->next_door;
    TRY(fill_door(e, d, ttl_ms, &o->sealed));
    TRY(keep_door(e, d, &b));
    TRY(add_door(e, d));
    d->done = done;
    d->arg = arg;
    enclave_commit(e, &b, on_door_saved, o);
    return ST_OK;
out:
    keep_drop(&b);
    if (o != NULL) buf_free(&o->sealed);
    free(o);
    enclave_door_free(d);
    return st;
}

/* ---- the same door again ---- */

struct reopening {
    struct enclave *e;
    uint8_t token_hash[32];
};

static void on_reopened(void *arg, enum status st, struct bytes body)
{
    struct reopening *r = arg;
    struct enclave *e = r->e;
    (void)body;
    for (size_t i = 0; i < e->n_doors && (st == ST_OK || st == ST_EXISTS); i++)
        if (memcmp(e->doors[i]->token_hash, r->token_hash, 32) == 0) e->doors[i]->opened = true;
    free(r);
}

void enclave_door_again(struct enclave *e, const struct enclave_door *d)
{
    struct door_keys keys;
    struct buf sealed = BUF_INIT;
    uint8_t nonce[XAEAD_NONCE];
    struct reopening *r = malloc(sizeof *r);
    if (r == NULL) return;
    r->e = e;
    memcpy(r->token_hash, d->token_hash, 32);
    env_random(e->node->ports.env, nonce, sizeof nonce);
    door_keys_of(d->invitation.door_secret, &keys);
    xaead_seal_to(keys.record_key, nonce, BYTES_NONE, buf_view(&d->record), &sealed);
    struct room_door_open msg = {.expires_ms = d->expiry_ms, .record = buf_view(&sealed)};
    memcpy(msg.door, d->token_hash, 32);
    if (buf_status(&sealed) != ST_OK ||
        uplink_request(&e->up, ROOM_DOOR_OPEN, &room_door_open_fields, &msg, on_reopened, r) !=
            ST_OK)
        free(r);
    bytes_wipe(&keys, sizeof keys);
    buf_free(&sealed);
}

/* ---- knocks ---- */

struct enclave_knock *enclave_knock_find(struct enclave *e, const uint8_t reply[32])
{
    for (size_t i = 0; i < e->n_knocks; i++)
        if (memcmp(e->knocks[i]->reply, reply, 32) == 0) return e->knocks[i];
    return NULL;
}

void enclave_knock_drop(struct enclave *e, struct enclave_knock *k)
{
    for (size_t i = 0; i < e->n_knocks; i++)
        if (e->knocks[i] == k) e->knocks[i] = e->knocks[--e->n_knocks];
    enclave_knock_free(k);
}

static bool already_proposed(const struct enclave *e, const uint8_t reply[32])
{
    const struct ledger *l = group_ledger(e->group);
    for (size_t i = 0; i < ledger_proposals(l); i++)
        if (memcmp(ledger_proposal_at(l, i)->reply, reply, 32) == 0) return true;
    return false;
}

static void on_knock(struct enclave *e, const struct room_knocked *in)
{
    struct enclave_door *d = NULL;
    for (size_t i = 0; i < e->n_doors; i++)
        if (memcmp(e->doors[i]->token_hash, in->door, 32) == 0) d = e->doors[i];
    if (d == NULL) enclave_revoke_knock(e, in->door, in->blob);
    if (d == NULL || e->n_knocks >= ENCLAVE_KNOCKS_MAX) return;
    if (enclave_knock_find(e, in->reply) != NULL || already_proposed(e, in->reply)) return;
    struct enclave_knock *k = calloc(1, sizeof *k);
    struct knock knock;
    if (k == NULL) return;
    if (knock_open(&d->invitation, d->kem_seed, in->blob, &k->plain, &knock) != ST_OK ||
        ledger_by_id(group_ledger(e->group), knock.id) != NULL ||
        ledger_by_seat(group_ledger(e->group), knock.seat) != NULL) {
        enclave_knock_free(k);
        enclave_tell(e, "warning", "", in->number, "somebody knocked with a blob that is no knock");
        return;
    }
    k->door = d;
    k->time_ms = in->time_ms;
    memcpy(k->reply, in->reply, 32);
    hex_encode(BYTES(in->reply, 8), k->ref);
    bytes_text(knock.nick, k->nick, sizeof k->nick);
    bytes_text(knock.message, k->message, sizeof k->message);
    safety_hash(buf_view(&d->record), buf_view(&k->plain), k->safety);
    e->knocks[e->n_knocks++] = k;
    contacts_knocked(e, k);
    if (k->proposed) return; /* its owner named it with its card: that was the yes */
    char text[NODE_REASON_MAX];
    snprintf(text, sizeof text, "%s knocks at the door of %s. Type: enclave proposals %s", k->nick,
             e->name, e->name);
    enclave_tell(e, "proposal", k->nick, 0, text);
}

void enclave_knocked(struct enclave *e, struct bytes payload)
{
    struct room_knocked in;
    if (e->group == NULL || fields_decode(&room_knocked_fields, payload, &in) != ST_OK) return;
    on_knock(e, &in);
}

static void ask_from(struct enclave *e, uint64_t from);

static void got_knocks(void *arg, enum status st, struct bytes body)
{
    struct enclave *e = arg;
    struct room_knock_list list;
    struct room_knocked in;
    if (st != ST_OK || e->removed || e->group == NULL) return;
    if (fields_decode(&room_knock_list_fields, body, &list) != ST_OK) return;
    struct cursor c = cursor_of(list.knocks);
    uint64_t last = 0;
    while (c.left > 0 && fields_read(&room_knocked_fields, &c, &in) == ST_OK) {
        last = in.number;
        on_knock(e, &in);
    }
    if (list.more != 0 && last != 0) ask_from(e, last + 1);
}

static void ask_from(struct enclave *e, uint64_t from)
{
    struct room_door_knocks msg = {.from = from};
    if (uplink_request(&e->up, ROOM_DOOR_KNOCKS, &room_door_knocks_fields, &msg, got_knocks, e) !=
        ST_OK)
        env_log(e->node->ports.env, ENV_DEBUG, "door", "knocks are asked for at the next attach");
}

void enclave_knocks_ask(struct enclave *e)
{
    drop_expired(e);
    ask_from(e, 0); /* also of doors that are not ours: somebody may revoke its machine */
}
