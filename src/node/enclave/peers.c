/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "node/enclave/peers_private.h"

#include "crypto/secret.h"

#include <stdlib.h>
#include <string.h>

static const struct link_events *on_accept(void *arg, struct link *l, void **ret_arg);
static enum status gate_name(void *arg, struct bytes sni, struct link_identity *ret);
static enum status gate_peer(void *arg, const uint8_t id[32]);

struct peer *peers_find(struct peers *p, uint16_t leaf)
{
    for (size_t i = 0; i < p->n; i++)
        if (p->list[i].member.leaf == leaf) return &p->list[i];
    return NULL;
}

static const struct peer *find(const struct peers *p, uint16_t leaf)
{
    for (size_t i = 0; i < p->n; i++)
        if (p->list[i].member.leaf == leaf) return &p->list[i];
    return NULL;
}

static struct peer *find_id(struct peers *p, const uint8_t id[32])
{
    for (size_t i = 0; i < p->n; i++)
        if (memcmp(p->list[i].member.id, id, 32) == 0) return &p->list[i];
    return NULL;
}

enum status peers_new(const struct env *env, const struct link_port *port, struct uplink *uplink,
                      const struct peers_env *penv, const struct link_identity *self,
                      const uint8_t room[32], struct peers **ret)
{
    struct peers *p = calloc(1, sizeof *p);
    if (p == NULL) return ST_NO_MEMORY;
    p->self = secret_new(sizeof *p->self);
    p->list = calloc(PEERS_MAX, sizeof *p->list);
    if (p->self == NULL || p->list == NULL) {
        secret_free(p->self);
        free(p->list);
        free(p);
        return ST_NO_MEMORY;
    }
    p->env = env;
    p->port = *port;
    p->uplink = uplink;
    p->penv = *penv;
    *p->self = *self;
    p->leaf = UINT16_MAX;
    memcpy(p->room, room, 32);
    sni_replay_init(&p->replay);
    p->gate = (struct link_gate){gate_name, gate_peer, on_accept, p};
    *ret = p;
    return ST_OK;
}

enum status peers_listen(struct peers *p, const char *listen, const char *announce)
{
    if (listen == NULL || !p->penv.direct) return ST_OK;
    size_t n = strlen(announce);
    if (n >= sizeof p->announce) return ST_USAGE;
    memcpy(p->announce, announce, n + 1);
    enum status st =
        p->port.ops->listen(p->port.ctx, listen, &p->gate, &p->listener, &p->port_number);
    if (st == ST_OK)
        env_log(p->env, ENV_INFO, "peers", "members may connect to %.*s:%u",
                (int)(strrchr(listen, ':') - listen), listen, p->port_number);
    return st;
}

static void let_go_of_direct(struct peers *p)
{
    for (size_t i = 0; i < p->n_links;) {
        struct peers_link *pl = p->links[i];
        struct peer *peer = pl->known ? peers_find(p, pl->leaf) : NULL;
        if (!pl->direct) {
            i++;
            continue;
        }
        bool used = peer != NULL && peer->link == pl;
        if (peer != NULL && peer->attempt == pl) peer->attempt = NULL;
        if (used) peer->link = NULL;
        peers_link_drop(pl);
        if (used) p->penv.change(p->penv.arg, peer->member.leaf, false);
    }
}

bool peers_are_direct(const struct peers *p)
{
    return p->penv.direct;
}

void peers_direct(struct peers *p, bool direct)
{
    if (p->penv.direct == direct) return;
    p->penv.direct = direct;
    p->announce_due = true;
    if (direct) return;
    if (p->listener != NULL) p->port.ops->unlisten(p->port.ctx, p->listener);
    p->listener = NULL;
    for (size_t i = 0; i < p->n; i++) p->list[i].n_addresses = 0;
    let_go_of_direct(p);
}

/* ---- links ---- */

struct peers_link *peers_link_new(struct peers *p, bool direct)
{
    if (p->n_links >= PEERS_LINKS_MAX) return NULL;
    struct peers_link *pl = calloc(1, sizeof *pl);
    if (pl == NULL) return NULL;
    pl->owner = p;
    pl->direct = direct;
    pl->born_ms = pl->used_ms = pl->heard_ms = env_mono_ms(p->env);
    p->links[p->n_links++] = pl;
    return pl;
}

static void unlist(struct peers_link *pl)
{
    struct peers *p = pl->owner;
    for (size_t i = 0; p != NULL && i < p->n_links; i++)
        if (p->links[i] == pl) p->links[i] = p->links[--p->n_links];
    pl->owner = NULL;
}

void peers_link_drop(struct peers_link *pl)
{
    struct peers *p = pl->owner;
    struct link *l = pl->link;
    unlist(pl);
    if (l == NULL)
        free(pl);
    else if (p != NULL) /* else it is closing already */
        p->port.ops->close(l);
}

void peers_sni(struct peers *p, uint16_t leaf, char ret[SNI_TEXT + 1])
{
    uint8_t doors[SNI_DOORS_MAX][32] = {{0}};
    uint8_t nonce[SNI_NONCE];
    env_random(p->env, nonce, sizeof nonce);
    p->penv.doors(p->penv.arg, doors);
    sni_build(doors[0], leaf, sni_window(p->penv.unix_s(p->penv.arg)), nonce, ret);
    bytes_wipe(doors, sizeof doors);
}

static enum status gate_name(void *arg, struct bytes sni, struct link_identity *ret)
{
    struct peers *p = arg;
    uint8_t doors[SNI_DOORS_MAX][32];
    struct sni_hit hit;
    uint64_t window = sni_window(p->penv.unix_s(p->penv.arg));
    size_t n = p->penv.doors(p->penv.arg, doors);
    enum status st = sni_check(sni, (const uint8_t(*)[32])doors, n, p->leaf, window, &hit);
    bytes_wipe(doors, sizeof doors);
    if (st == ST_DENIED) p->penv.stranger(p->penv.arg);
    if (st == ST_OK) st = sni_replay_use(&p->replay, &hit, window);
    if (st == ST_OK) *ret = *p->self;
    return st;
}

static enum status gate_peer(void *arg, const uint8_t id[32])
{
    struct peers *p = arg;
    struct peer *peer = find_id(p, id);
    return peer != NULL && peer->member.leaf != p->leaf ? ST_OK : ST_UNTRUSTED;
}

static const struct link_events *on_accept(void *arg, struct link *l, void **ret_arg)
{
    struct peers *p = arg;
    struct peers_link *pl = peers_link_new(p, true);
    if (pl == NULL) return NULL;
    pl->link = l;
    for (size_t i = 0; i < p->n_circuits; i++)
        if (p->circuits[i]->link == l) {
            pl->circuit = p->circuits[i];
            pl->direct = false;
        }
    *ret_arg = pl;
    return &peers_link_events;
}

static void attempt_failed(struct peers *p, struct peer *peer);

/* One link is used both ways. Direct is better than a circuit; of two that crossed both ends take the one
 * that the lower leaf dialled; else the younger. What is not taken runs out of use. */
static bool better(const struct peers *p, const struct peer *peer, const struct peers_link *old,
                   const struct peers_link *pl)
{
    bool we_are_lower = p->leaf < peer->member.leaf;
    if (old->direct != pl->direct) return pl->direct;
    return old->dialled == pl->dialled || pl->dialled == we_are_lower;
}

static void use_link(struct peers *p, struct peer *peer, struct peers_link *pl)
{
    struct peers_link *old = peer->link;
    if (peer->attempt == pl) peer->attempt = NULL;
    if (old != NULL && !better(p, peer, old, pl)) return;
    peer->link = pl;
    peer->failures = 0;
    if (peer->attempt == NULL || pl->direct) {
        if (peer->attempt != NULL) {
            struct peers_link *attempt = peer->attempt;
            peer->attempt = NULL;
            peers_link_drop(attempt);
        }
        peer->trying = TRY_NOTHING;
    }
    if (old == NULL) p->penv.change(p->penv.arg, peer->member.leaf, true);
}

/* One member must not use up the places of all: its oldest link that is not in use gives way. */
static void limit_links(struct peers *p, const struct peer *peer)
{
    struct peers_link *oldest = NULL;
    size_t n = 0;
    for (size_t i = 0; i < p->n_links; i++) {
        struct peers_link *pl = p->links[i];
        if (!pl->open || pl->leaf != peer->member.leaf) continue;
        n++;
        if (pl == peer->link || pl == peer->attempt) continue;
        if (oldest == NULL || pl->born_ms < oldest->born_ms) oldest = pl;
    }
    if (n > PEERS_LINKS_LEAF && oldest != NULL) peers_link_drop(oldest);
}

static void on_opened(void *arg, struct link *l, const struct link_peer *who)
{
    struct peers_link *pl = arg;
    struct peers *p = pl->owner;
    (void)l;
    if (p == NULL) return;
    struct peer *peer = find_id(p, who->id);
    if (peer == NULL || (pl->known && peer->member.leaf != pl->leaf)) {
        peers_link_drop(pl);
        return;
    }
    pl->open = true;
    pl->known = true;
    pl->leaf = peer->member.leaf;
    pl->used_ms = pl->heard_ms = env_mono_ms(p->env);
    use_link(p, peer, pl);
    limit_links(p, peer);
}

static void on_frame(void *arg, struct link *l, uint8_t type, struct bytes payload)
{
    struct peers_link *pl = arg;
    (void)l;
    if (pl->owner == NULL || !pl->open) return;
    if (peers_check_frame(pl, type, payload)) return;
    pl->used_ms = env_mono_ms(pl->owner->env);
    pl->owner->penv.frame(pl->owner->penv.arg, pl->leaf, type, payload);
}

static void on_writable(void *arg, struct link *l)
{
    struct peers_link *pl = arg;
    (void)l;
    if (pl->owner == NULL || !pl->open) return;
    const struct peer *peer = find(pl->owner, pl->leaf);
    if (peer != NULL && peer->link == pl) pl->owner->penv.writable(pl->owner->penv.arg, pl->leaf);
}

static void on_closed(void *arg, struct link *l, enum status why)
{
    struct peers_link *pl = arg;
    struct peers *p = pl->owner;
    (void)l;
    if (p != NULL) {
        struct peer *peer = pl->known ? peers_find(p, pl->leaf) : NULL;
        unlist(pl);
        if (peer != NULL && peer->attempt == pl) {
            peer->attempt = NULL;
            env_log(p->env, ENV_DEBUG, "peers", "leaf %u not reached %s: %s",
                    (unsigned)peer->member.leaf, pl->direct ? "directly" : "by circuit",
                    status_text(why));
            attempt_failed(p, peer);
        }
        if (peer != NULL && peer->link == pl) {
            peer->link = NULL;
            for (size_t i = 0; i < p->n_links; i++) /* another one may be open */
                if (p->links[i]->open && p->links[i]->leaf == peer->member.leaf)
                    peer->link = p->links[i];
            if (peer->link == NULL) p->penv.change(p->penv.arg, peer->member.leaf, false);
        }
    }
    free(pl);
}

const struct link_events peers_link_events = {on_opened, on_frame, on_writable, on_closed};

/* ---- dialling: each address, then a circuit ---- */

static bool dial_address(struct peers *p, struct peer *peer)
{
    char sni[SNI_TEXT + 1];
    struct link_route route;
    bool routed = false;
    const char *address = peer->addresses[peer->address_at++];
    struct peers_link *pl = peers_link_new(p, true);
    if (pl == NULL) return false;
    peers_sni(p, peer->member.leaf, sni);
    pl->known = pl->dialled = true;
    pl->leaf = peer->member.leaf;
    enum status st = p->penv.route == NULL ? ST_OK : p->penv.route(p->penv.arg, &route, &routed);
    if (st == ST_OK)
        st = p->port.ops->dial_peer(p->port.ctx, address, routed ? &route : NULL, sni, p->self,
                                    peer->member.id, &peers_link_events, pl, &pl->link);
    if (routed) bytes_wipe(&route, sizeof route);
    if (st != ST_OK) {
        unlist(pl);
        free(pl);
        return false;
    }
    peer->attempt = pl;
    return true;
}

static bool dial_circuit(struct peers *p, struct peer *peer)
{
    if (!p->attached || !peer->present) return false;
    struct peers_link *pl = peers_link_new(p, false);
    if (pl == NULL) return false;
    pl->known = pl->dialled = true;
    pl->leaf = peer->member.leaf;
    if (peers_circuit_dial(p, peer, pl) != ST_OK) {
        unlist(pl);
        free(pl);
        return false;
    }
    peer->attempt = pl;
    return true;
}

static void attempt(struct peers *p, struct peer *peer)
{
    peer->try_until_ms = env_mono_ms(p->env) + PEERS_TRY_MS;
    if (peer->trying == TRY_DIRECT) {
        while (peer->address_at < peer->n_addresses)
            if (dial_address(p, peer)) return;
        peer->trying = TRY_CIRCUIT;
    }
    if (peer->trying == TRY_CIRCUIT && peer->link == NULL && dial_circuit(p, peer)) return;
    peer->trying = TRY_FAILED;
    /* 1, 5, 20 s (protocol.md 12), then every minute as long as somebody wants it */
    static const uint32_t pauses[] = {1000, 5000, 20000, 60000};
    peer->again_ms = env_mono_ms(p->env) + pauses[peer->failures < 3 ? peer->failures : 3];
    peer->failures++;
}

static void attempt_failed(struct peers *p, struct peer *peer)
{
    if (peer->trying == TRY_CIRCUIT) peer->trying = TRY_FAILED;
    if (peer->trying == TRY_FAILED) {
        peer->again_ms = env_mono_ms(p->env) + (peer->failures++ == 0 ? 1000 : 5000);
        return;
    }
    if (peer->trying == TRY_DIRECT) attempt(p, peer);
}

static void begin(struct peers *p, struct peer *peer)
{
    if (peer->link != NULL || peer->attempt != NULL) return;
    peer->trying = TRY_DIRECT;
    peer->address_at = 0;
    attempt(p, peer);
}

void peers_want(struct peers *p, uint16_t leaf)
{
    struct peer *peer = peers_find(p, leaf);
    uint64_t now = env_mono_ms(p->env);
    if (peer == NULL || leaf == p->leaf) return;
    peer->wanted_until_ms = now + PEERS_IDLE_MS;
    if (now >= peer->again_ms) begin(p, peer);
}

/* ---- roster and uplink ---- */

static void let_go_of_peer(struct peers *p, struct peer *peer)
{
    struct peers_link *attempt_link = peer->attempt;
    peer->attempt = NULL;
    peer->link = NULL;
    if (attempt_link != NULL) peers_link_drop(attempt_link);
    for (size_t i = 0; i < p->n_links;) {
        if (p->links[i]->known && p->links[i]->leaf == peer->member.leaf)
            peers_link_drop(p->links[i]);
        else
            i++;
    }
}

static bool same_member(const struct peers_member *a, const struct peers_member *b)
{
    return a->leaf == b->leaf && memcmp(a->id, b->id, 32) == 0 && memcmp(a->seat, b->seat, 32) == 0;
}

void peers_roster(struct peers *p, uint16_t self, const struct peers_member *members, size_t n)
{
    p->leaf = self;
    for (size_t i = 0; i < p->n;) {
        size_t j = 0;
        while (j < n && !same_member(&p->list[i].member, &members[j])) j++;
        if (j < n) {
            i++;
            continue;
        }
        uint16_t gone = p->list[i].member.leaf;
        bool up = p->list[i].link != NULL;
        let_go_of_peer(p, &p->list[i]);
        p->list[i] = p->list[--p->n];
        if (up) p->penv.change(p->penv.arg, gone, false);
    }
    for (size_t j = 0; j < n && p->n < PEERS_MAX; j++) {
        if (peers_find(p, members[j].leaf) != NULL) continue;
        p->list[p->n++] = (struct peer){.member = members[j]};
        p->announce_due = true;
    }
}

void peers_attached(struct peers *p)
{
    p->attached = true;
    p->announce_due = true;
    for (size_t i = 0; i < p->n; i++) p->list[i].again_ms = 0;
}

void peers_detached(struct peers *p)
{
    p->attached = false;
    for (size_t i = 0; i < p->n; i++) p->list[i].present = false;
    peers_circuits_down(p);
}

bool peers_push(struct peers *p, uint8_t type, struct bytes payload)
{
    return peers_signal_push(p, type, payload) || peers_circuit_push(p, type, payload);
}

void peers_renew(struct peers *p)
{
    uint64_t now = env_mono_ms(p->env);
    for (size_t i = 0; i < p->n_links; i++) {
        uint8_t draw[4];
        env_random(p->env, draw, sizeof draw);
        uint64_t ends = now + get_u32(draw) % PEERS_RENEW_MS;
        if (ends < p->links[i]->born_ms + PEERS_LIFE_MS)
            p->links[i]->born_ms = ends > PEERS_LIFE_MS ? ends - PEERS_LIFE_MS : 0;
    }
}

/* ---- questions ---- */

bool peers_linked(const struct peers *p, uint16_t leaf)
{
    const struct peer *peer = find(p, leaf);
    return peer != NULL && peer->link != NULL;
}

enum status peers_send(struct peers *p, uint16_t leaf, uint8_t type, struct bytes payload)
{
    struct peer *peer = peers_find(p, leaf);
    if (peer == NULL || peer->link == NULL) return ST_UNREACHABLE;
    peers_check_before(peer->link);
    peer->link->used_ms = env_mono_ms(p->env);
    return p->port.ops->send(peer->link->link, type, payload);
}

void peers_pause(struct peers *p, uint16_t leaf, bool stop)
{
    const struct peer *peer = find(p, leaf);
    if (peer == NULL || peer->link == NULL) return;
    peers_check_paused(peer->link, stop);
    p->port.ops->pause(peer->link->link, stop);
}

void peers_drop(struct peers *p, uint16_t leaf)
{
    struct peer *peer = peers_find(p, leaf);
    if (peer == NULL) return;
    bool up = peer->link != NULL;
    let_go_of_peer(p, peer);
    peer->again_ms = env_mono_ms(p->env) + 60000;
    if (up) p->penv.change(p->penv.arg, leaf, false);
}

size_t peers_waiting(const struct peers *p, uint16_t leaf)
{
    const struct peer *peer = find(p, leaf);
    return peer == NULL || peer->link == NULL ? 0 : p->port.ops->waiting(peer->link->link);
}

enum peers_path peers_path(const struct peers *p, uint16_t leaf)
{
    const struct peer *peer = find(p, leaf);
    if (peer == NULL) return PEERS_OFFLINE;
    if (peer->link != NULL) return peer->link->direct ? PEERS_DIRECT : PEERS_CIRCUIT;
    return peer->present ? PEERS_ONLINE : PEERS_OFFLINE;
}

bool peers_gave_up(const struct peers *p, uint16_t leaf)
{
    const struct peer *peer = find(p, leaf);
    return peer == NULL || (peer->link == NULL && peer->trying == TRY_FAILED);
}

/* ---- time ---- */

static uint64_t link_ends_ms(const struct peers *p, const struct peers_link *pl)
{
    uint64_t dead = peers_check_ends_ms(pl);
    if (dead != UINT64_MAX) return dead;
    if (pl->known && pl->open && p->penv.busy(p->penv.arg, pl->leaf)) return UINT64_MAX;
    uint64_t idle = pl->used_ms + PEERS_IDLE_MS, old = pl->born_ms + PEERS_LIFE_MS;
    return pl->open && old < idle ? old : idle;
}

static bool wants_again(const struct peers *p, const struct peer *peer)
{
    (void)p;
    return peer->link == NULL && peer->attempt == NULL && peer->trying == TRY_FAILED &&
           peer->again_ms < peer->wanted_until_ms;
}

uint64_t peers_next_ms(const struct peers *p)
{
    uint64_t next = p->announce_due && p->attached ? p->announce_ms : UINT64_MAX;
    uint64_t soon = env_mono_ms(p->env) + PEERS_IDLE_MS;
    for (size_t i = 0; i < p->n; i++) {
        const struct peer *peer = &p->list[i];
        if (peer->attempt != NULL && peer->try_until_ms < next) next = peer->try_until_ms;
        if (wants_again(p, peer) && peer->again_ms < next) next = peer->again_ms;
    }
    for (size_t i = 0; i < p->n_links; i++) {
        uint64_t ends = link_ends_ms(p, p->links[i]);
        if (ends == UINT64_MAX) ends = soon; /* busy now: looked at again then */
        if (ends < next) next = ends;
    }
    return next;
}

void peers_tick(struct peers *p, uint64_t now_ms)
{
    if (p->announce_due && p->attached && now_ms >= p->announce_ms) {
        p->announce_due = false;
        p->announce_ms = now_ms + PEERS_ANNOUNCE_MS;
        peers_announce(p, NULL);
        peers_ask_presence(p);
    }
    for (size_t i = 0; i < p->n; i++) {
        struct peer *peer = &p->list[i];
        if (peer->attempt != NULL && now_ms >= peer->try_until_ms) {
            struct peers_link *slow = peer->attempt;
            peer->attempt = NULL;
            peers_link_drop(slow);
            attempt_failed(p, peer);
        } else if (wants_again(p, peer) && now_ms >= peer->again_ms) {
            begin(p, peer);
        }
    }
    for (size_t i = 0; i < p->n_links;) {
        struct peers_link *pl = p->links[i];
        if (now_ms < link_ends_ms(p, pl)) {
            i++;
            continue;
        }
        struct peer *peer = pl->known ? peers_find(p, pl->leaf) : NULL;
        bool used = peer != NULL && peer->link == pl;
        if (peer != NULL && peer->attempt == pl) peer->attempt = NULL;
        if (used) peer->link = NULL;
        peers_link_drop(pl);
        if (used) p->penv.change(p->penv.arg, peer->member.leaf, false);
    }
}

void peers_free(struct peers *p)
{
    if (p == NULL) return;
    if (p->listener != NULL) p->port.ops->unlisten(p->port.ctx, p->listener);
    peers_circuits_down(p);
    while (p->n_links > 0) peers_link_drop(p->links[0]);
    /* Circuits end with their links' last events, on their own. One in the middle of its handshake
     * has bytes to read yet and would ask our gate: it is closed, not only told of the end. */
    for (size_t i = 0; i < p->n_circuits; i++) {
        p->circuits[i]->owner = NULL;
        p->circuits[i]->opening = false;
        if (p->circuits[i]->link != NULL) p->port.ops->close(p->circuits[i]->link);
    }
    sni_replay_free(&p->replay);
    secret_free(p->self);
    free(p->list);
    free(p);
}
