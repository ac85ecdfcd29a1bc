/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A short connection to a meeting place: at our own sentinel to leave our word or to take the room
 * away again, at the other's to read its word. */
#include "node/contact/contact.h"

#include "base/encode.h"
#include "crypto/hash.h"

#include <stdio.h>
#include <string.h>

#define WORD_MS (UINT64_C(90) * 24 * 3600 * 1000)

static const struct contacts *all_of(const struct contact *c)
{
    return c->node->contacts;
}

/* The seat of the meeting room, for this contact only. */
static void seat_of(const struct contact *c, uint8_t ret_seed[32], uint8_t ret_seat[32])
{
    EXPAND_OF(ret_seed, all_of(c)->seed, BYTES_LIT("ENCLAVE contact seat"),
              BYTES_OF(c->card.fingerprint));
    sign_public(ret_seed, ret_seat);
}

static void over(struct contact *c, const char *trouble)
{
    c->job_over = true;
    c->trouble = trouble;
}

/* ---- our word ---- */

static void on_opened(void *arg, enum status st, struct bytes body)
{
    struct contact *c = arg;
    (void)body;
    if (st == ST_CLOSED) return;
    c->published = st == ST_OK || st == ST_EXISTS;
    over(c, c->published ? NULL : "your own sentinel does not take the invitation: tried again");
}

static void nothing(void *arg, enum status st, struct bytes body)
{
    (void)arg;
    (void)st;
    (void)body;
}

static enum status seal_word(const struct contact *c, uint8_t record[MEET_RECORD])
{
    uint8_t coins[KEM_COINS];
    struct card_keys keys;
    const struct enclave *e = contact_enclave(c);
    const struct invitation *inv = NULL;
    for (size_t i = 0; e != NULL && i < e->n_doors; i++)
        if (memcmp(e->doors[i]->token_hash, c->door, 32) == 0) inv = &e->doors[i]->invitation;
    if (inv == NULL) return ST_NOT_FOUND;
    env_random(c->node->ports.env, coins, sizeof coins);
    card_keys_of(all_of(c)->seed, &keys);
    enum status st = meet_seal(&c->meet, &keys, all_of(c)->fingerprint, &c->card, inv,
                               c->address[0] != '\0', coins, record);
    bytes_wipe(&keys, sizeof keys);
    bytes_wipe(coins, sizeof coins);
    return st;
}

static void on_attached(void *arg, enum status st, struct bytes body)
{
    struct contact *c = arg;
    struct room_attached in;
    uint8_t record[MEET_RECORD];
    if (st == ST_CLOSED) return;
    if (st == ST_OK) st = fields_decode(&room_attached_fields, body, &in);
    if (st == ST_OK) st = seal_word(c, record);
    if (st == ST_OK) {
        /* An older word may lie there, with an invitation that is over. */
        struct room_door_close close = {0};
        struct room_door_open msg = {.expires_ms = in.time_ms + WORD_MS,
                                     .record = BYTES_OF(record)};
        memcpy(close.door, c->meet.door, 32);
        memcpy(msg.door, c->meet.door, 32);
        st = uplink_request(&c->up, ROOM_DOOR_CLOSE, &room_door_close_fields, &close, nothing, c);
        if (st == ST_OK)
            st = uplink_request(&c->up, ROOM_DOOR_OPEN, &room_door_open_fields, &msg, on_opened, c);
    }
    if (st != ST_OK) over(c, "your own sentinel does not take the invitation: tried again");
}

static void on_created(void *arg, enum status st, struct bytes body)
{
    struct contact *c = arg;
    struct room_attach msg = {0};
    uint8_t seed[32];
    (void)body;
    if (st == ST_CLOSED) return;
    if (st != ST_OK && st != ST_EXISTS) {
        over(c, "your own sentinel makes no room: is it full?");
        return;
    }
    seat_of(c, seed, msg.seat);
    memcpy(msg.room, c->meet.room, 32);
    room_sign_attach(seed, msg.room, c->server.exporter, c->server.spki, msg.sig);
    bytes_wipe(seed, sizeof seed);
    if (uplink_request(&c->up, ROOM_ATTACH, &room_attach_fields, &msg, on_attached, c) != ST_OK)
        over(c, "your own sentinel is busy: tried again");
}

static void publish(struct contact *c)
{
    struct room_create msg = {0};
    uint8_t seed[32];
    seat_of(c, seed, msg.seat);
    memcpy(msg.room, c->meet.room, 32);
    room_sign_create(seed, msg.room, msg.seat, c->server.exporter, c->server.spki, msg.sig);
    bytes_wipe(seed, sizeof seed);
    if (uplink_request(&c->up, ROOM_CREATE, &room_create_fields, &msg, on_created, c) != ST_OK)
        over(c, "your own sentinel is busy: tried again");
}

/* ---- the room is taken away ---- */

static void on_dropped(void *arg, enum status st, struct bytes body)
{
    struct contact *c = arg;
    (void)body;
    if (st == ST_CLOSED) return;
    if (st == ST_OK || st == ST_NOT_FOUND || st == ST_REPLAY) c->open = false;
    over(c, c->trouble);
}

static void erase(struct contact *c)
{
    struct room_drop_seat msg = {0};
    uint8_t seed[32];
    seat_of(c, seed, msg.seat);
    memcpy(msg.room, c->meet.room, 32);
    room_sign_drop(seed, msg.room, msg.seat, msg.sig);
    bytes_wipe(seed, sizeof seed);
    if (uplink_request(&c->up, ROOM_DROP_SEAT, &room_drop_seat_fields, &msg, on_dropped, c) !=
        ST_OK)
        over(c, c->trouble);
}

/* ---- the other's word ---- */

static void got_word(void *arg, enum status st, struct bytes body)
{
    struct contact *c = arg;
    struct room_door in;
    struct card_keys keys;
    if (st == ST_CLOSED) return;
    if (st == ST_NOT_FOUND || st == ST_DENIED) {
        over(c, "the other one has not added you yet, or hosts no enclave for you there");
        return;
    }
    if (st == ST_OK) st = fields_decode(&room_door_fields, body, &in);
    if (st == ST_OK) {
        card_keys_of(all_of(c)->seed, &keys);
        st = meet_open(&c->meet, &keys, all_of(c)->fingerprint, &c->card, in.record, &c->invitation,
                       &c->found_seeks);
        bytes_wipe(&keys, sizeof keys);
    }
    c->found = st == ST_OK;
    over(c, c->found ? NULL : "what lies at the meeting place was not left by the card's owner");
}

static void seek(struct contact *c)
{
    struct room_door_read msg = {0};
    memcpy(msg.room, c->meet.room, 32);
    memcpy(msg.token, c->meet.token, 32);
    if (uplink_request(&c->up, ROOM_DOOR_READ, &room_door_read_fields, &msg, got_word, c) != ST_OK)
        over(c, "its sentinel is busy: tried again");
}

/* ---- events ---- */

static void on_ready(void *arg, const struct link_peer *peer)
{
    struct contact *c = arg;
    c->server = *peer;
    if (c->job == JOB_PUBLISH)
        publish(c);
    else if (c->job == JOB_ERASE)
        erase(c);
    else
        seek(c);
}

static void on_push(void *arg, uint8_t type, struct bytes payload)
{
    (void)arg;
    (void)type;
    (void)payload;
}

static void on_down(void *arg, enum status why)
{
    struct contact *c = arg;
    if (c->job_over) return;
    if (c->job != JOB_SEEK)
        over(c, "your own sentinel cannot be reached: tried again");
    else if (why == ST_UNTRUSTED)
        over(c, "at that address is another sentinel than the card says: ask for a new card");
    else
        over(c, "its sentinel cannot be reached at that address: tried again");
}

/* Whoever has all go through the proxy wants this, too. */
static enum status route(void *arg, struct link_route *ret, bool *ret_routed)
{
    struct contact *c = arg;
    const struct node_options *o = &c->node->options;
    *ret_routed = o->socks_all;
    if (!o->socks_all) return ST_OK;
    if (o->socks == NULL) return ST_PROXY;
    if (c->socks_user[0] == '\0') {
        uint8_t raw[16];
        env_random(c->node->ports.env, raw, sizeof raw);
        hex_encode(BYTES_OF(raw), c->socks_user);
    }
    *ret = (struct link_route){.proxy = ""};
    snprintf(ret->proxy, sizeof ret->proxy, "%s", o->socks);
    snprintf(ret->user, sizeof ret->user, "%s", c->socks_user);
    snprintf(ret->pass, sizeof ret->pass, "0");
    return ST_OK;
}

static const struct uplink_events events = {on_ready, on_push, on_down, route};

static enum status where(struct contact *c, enum contact_job job)
{
    struct ledger_sentinel own[LEDGER_SENTINELS_MAX];
    size_t n = 0;
    const char *address = c->address;
    const uint8_t *pin = c->pin;
    if (job != JOB_SEEK) {
        const char *hosted = c->node->options.hosted;
        if (hosted == NULL || enclave_parse_sentinels(hosted, own, &n) != ST_OK) return ST_CONFIG;
        address = own[0].address;
        pin = own[0].pin;
    }
    snprintf(c->dialled, sizeof c->dialled, "%s", address);
    memcpy(c->dialled_pin, pin, 32);
    return ST_OK;
}

void meet_begin(struct contact *c, enum contact_job job, uint64_t now_ms)
{
    struct card_keys keys;
    c->job = job;
    c->job_over = false;
    c->until_ms = now_ms + CONTACT_TRY_MS;
    card_keys_of(all_of(c)->seed, &keys);
    enum status st = meet_of(&keys, all_of(c)->fingerprint, &c->card, job != JOB_SEEK, &c->meet);
    bytes_wipe(&keys, sizeof keys);
    if (st == ST_OK) st = where(c, job);
    uplink_init(&c->up, c->node->ports.env, &c->node->ports.link, &events, c);
    if (st == ST_OK) st = uplink_start(&c->up, c->dialled, c->dialled_pin);
    if (st != ST_OK) over(c, "the meeting place cannot be reached: tried again");
}

void meet_end(struct contact *c)
{
    c->job_over = true; /* going down now is no news */
    uplink_stop(&c->up);
    c->job = JOB_NONE;
    bytes_wipe(&c->meet, sizeof c->meet);
}
