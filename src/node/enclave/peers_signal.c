/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Who is there, and where they listen: presence and sealed address signals. The sentinel passes
 * them on and learns no address from them: epoch u64 | XAEAD(export("pair"), ad). */
#include "node/enclave/peers_private.h"

#include "crypto/aead.h"

#include <stdio.h>
#include <string.h>

#define SIGNAL_ADDRESSES 1
#define SIGNAL_PAD 512

#define SIGNAL_FIELDS(X, M) \
    X(M, U8, kind, 0, 0)    \
    X(M, U16, leaf, 0, 0)   \
    X(M, U64, time_s, 0, 0) \
    X(M, VAR16, hosts, 400, 0)
FIELDS_DECLARE(peers_signal, SIGNAL_FIELDS);
FIELDS_DEFINE(peers_signal, SIGNAL_FIELDS);

static struct buf ad_of(const struct peers *p, const uint8_t from[32], uint64_t epoch)
{
    struct buf ad = BUF_INIT;
    buf_str(&ad, "ENCLAVE signal");
    buf_raw(&ad, p->room, 32);
    buf_raw(&ad, from, 32);
    buf_u64(&ad, epoch);
    return ad;
}

static void own_seat(struct peers *p, uint8_t ret[32])
{
    struct peer *self = peers_find(p, p->leaf);
    if (self != NULL)
        memcpy(ret, self->member.seat, 32);
    else
        memset(ret, 0, 32);
}

/* Addresses as "host:port,host:port". */
static size_t hosts_text(const struct peers *p, char *out, size_t room)
{
    size_t n = 0;
    const char *at = p->announce;
    out[0] = '\0';
    while (p->listener != NULL && *at != '\0') {
        size_t len = strcspn(at, ",");
        int w = snprintf(out + n, room - n, "%s%.*s:%u", n == 0 ? "" : ",", (int)len, at,
                         (unsigned)p->port_number);
        if (w < 0 || (size_t)w >= room - n) break;
        n += (size_t)w;
        at += len + (at[len] == ',');
    }
    return n;
}

void peers_announce(struct peers *p, const uint8_t to[32])
{
    uint64_t epoch = UINT64_MAX;
    uint8_t key[32], seat[32], nonce[XAEAD_NONCE];
    char hosts[400];
    if (!p->attached || !p->penv.pair(p->penv.arg, &epoch, key)) return;
    own_seat(p, seat);
    struct peers_signal signal = {.kind = SIGNAL_ADDRESSES,
                                  .leaf = p->leaf,
                                  .time_s = p->penv.unix_s(p->penv.arg),
                                  .hosts = BYTES(hosts, hosts_text(p, hosts, sizeof hosts))};
    struct buf plain = BUF_INIT, sealed = BUF_INIT, ad = ad_of(p, seat, epoch);
    struct room_signal msg = {0};
    if (fields_encode(&peers_signal_fields, &signal, &plain) != ST_OK) goto out;
    /* Padded, so that the number of addresses does not show. */
    if (plain.n < SIGNAL_PAD) buf_zero(&plain, SIGNAL_PAD - plain.n);
    buf_u64(&sealed, epoch);
    env_random(p->env, nonce, sizeof nonce);
    xaead_seal_to(key, nonce, buf_view(&ad), buf_view(&plain), &sealed);
    if (to != NULL) memcpy(msg.to, to, 32);
    msg.payload = buf_view(&sealed);
    if (buf_status(&sealed) == ST_OK &&
        uplink_request(p->uplink, ROOM_SIGNAL, &room_signal_fields, &msg, NULL, NULL) != ST_OK)
        p->announce_due = true;
out:
    bytes_wipe(key, sizeof key);
    buf_free(&plain);
    buf_free(&sealed);
    buf_free(&ad);
}

static struct peer *peer_of_seat(struct peers *p, const uint8_t seat[32])
{
    for (size_t i = 0; i < p->n; i++)
        if (memcmp(p->list[i].member.seat, seat, 32) == 0) return &p->list[i];
    return NULL;
}

static void took_addresses(struct peer *peer, struct bytes hosts)
{
    peer->n_addresses = 0;
    struct cursor c = cursor_of(hosts);
    while (c.left > 0 && peer->n_addresses < PEERS_ADDRESSES) {
        size_t n = 0;
        while (n < c.left && c.p[n] != ',') n++;
        struct bytes one = cursor_take(&c, n);
        if (c.left > 0) cursor_u8(&c);
        if (one.n == 0 || one.n > LINK_ADDRESS_MAX || memchr(one.p, 0, one.n) != NULL) continue;
        char *to = peer->addresses[peer->n_addresses++];
        memcpy(to, one.p, one.n);
        to[one.n] = '\0';
    }
    peer->again_ms = 0;
}

static void on_signal(struct peers *p, struct bytes payload)
{
    struct room_signalled in;
    struct peers_signal signal;
    uint8_t key[32];
    if (fields_decode(&room_signalled_fields, payload, &in) != ST_OK || in.payload.n < 8) return;
    struct peer *peer = peer_of_seat(p, in.from);
    uint64_t epoch = get_u64(in.payload.p);
    if (peer == NULL || !p->penv.pair(p->penv.arg, &epoch, key)) return;
    struct buf plain = BUF_INIT, ad = ad_of(p, in.from, epoch);
    struct cursor c;
    if (xaead_open_to(key, buf_view(&ad), BYTES(in.payload.p + 8, in.payload.n - 8), &plain) ==
        ST_OK) {
        c = cursor_of(buf_view(&plain));
        if (fields_read(&peers_signal_fields, &c, &signal) == ST_OK &&
            signal.kind == SIGNAL_ADDRESSES && signal.leaf == peer->member.leaf &&
            bytes_zero(cursor_rest(&c)) && p->penv.direct)
            took_addresses(peer, signal.hosts);
    }
    bytes_wipe(key, sizeof key);
    buf_free(&plain);
    buf_free(&ad);
}

static void on_presence(struct peers *p, struct bytes payload)
{
    struct room_presence in;
    if (fields_decode(&room_presence_fields, payload, &in) != ST_OK) return;
    struct peer *peer = peer_of_seat(p, in.seat);
    if (peer == NULL) return;
    peer->present = in.on != 0;
    peer->again_ms = 0;
    if (peer->present && peer->member.leaf != p->leaf) peers_announce(p, in.seat);
}

static void got_present(void *arg, enum status st, struct bytes body)
{
    struct peers *p = arg;
    struct room_seat_set set;
    if (st != ST_OK || fields_decode(&room_seat_set_fields, body, &set) != ST_OK) return;
    for (size_t i = 0; i < p->n; i++) p->list[i].present = false;
    for (size_t i = 0; i < set.seats.n; i++) {
        struct peer *peer = peer_of_seat(p, list_at(set.seats, i, 32));
        if (peer != NULL) peer->present = true;
    }
}

void peers_ask_presence(struct peers *p)
{
    struct room_plain msg = {0};
    if (uplink_request(p->uplink, ROOM_PRESENT, &room_plain_fields, &msg, got_present, p) != ST_OK)
        p->announce_due = true;
}

bool peers_signal_push(struct peers *p, uint8_t type, struct bytes payload)
{
    if (type == ROOM_SIGNALLED)
        on_signal(p, payload);
    else if (type == ROOM_PRESENCE)
        on_presence(p, payload);
    else
        return false;
    return true;
}
