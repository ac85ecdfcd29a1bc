/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Somebody found an invitation and knocks with junk till the door is full. Who is invited knocks behind the
 * flood, at another door, or in the midst of it. */
#include "sim/sim.h"

#include "crypto/hash.h"
#include "node/enclave/enclave.h"

#include <stdio.h>
#include <string.h>

#define KNOCKS 12

struct stranger {
    struct sim *s;
    uint8_t token[32], blob[2048];
    unsigned knocks, answers, taken;
};

static void on_opened(void *arg, struct link *l, const struct link_peer *peer)
{
    struct stranger *f = arg;
    (void)peer;
    for (uint32_t i = 1; i <= f->knocks; i++) {
        struct room_knock msg = {.req = i, .blob = BYTES_OF(f->blob)};
        struct buf frame = BUF_INIT;
        memcpy(msg.room, f->s->room, 32);
        memcpy(msg.token, f->token, 32);
        rng_bytes(&f->s->stranger.random, msg.reply, 32);
        if (fields_encode(&room_knock_fields, &msg, &frame) == ST_OK)
            vnet_send(l, ROOM_KNOCK, buf_view(&frame));
        buf_free(&frame);
    }
}

static void on_frame(void *arg, struct link *l, uint8_t type, struct bytes payload)
{
    struct stranger *f = arg;
    struct room_reply r;
    (void)l;
    if (type != ROOM_REPLY || fields_decode(&room_reply_fields, payload, &r) != ST_OK) return;
    f->answers++;
    f->taken += r.result == ST_OK;
}

static void on_closed(void *arg, struct link *l, enum status why)
{
    (void)arg;
    (void)l;
    (void)why;
}

static void knock(struct stranger *f, unsigned knocks)
{
    static const struct link_events events = {on_opened, on_frame, NULL, on_closed};
    struct sim *s = f->s;
    struct link *l = NULL;
    machine_boot(&s->stranger);
    rng_bytes(&s->rng, f->blob, sizeof f->blob);
    f->knocks = knocks;
    struct link_port port = vnet_port(&s->net, &s->stranger);
    if (port.ops->dial_server(port.ctx, VSENTINEL_ADDRESS, NULL, s->sentinel.pin, &events, f, &l) ==
        ST_OK)
        sim_run_for(s, 3 * SIM_SECOND);
    machine_crash(&s->stranger);
    vnet_crash(&s->net, &s->stranger);
}

struct seen_knock {
    struct sim *s;
    const char *nick;
    bool found;
};

static void on_proposal(void *arg, const struct node_proposal *pr)
{
    struct seen_knock *k = arg;
    if (strcmp(pr->kind, "add") != 0) return;
    if (!nick_find(k->s, pr->nick)) sim_fail(k->s, "junk is shown as a knock of %s", pr->nick);
    k->found |= strcmp(pr->nick, k->nick) == 0;
}

static void on_code(void *arg, const struct node_result *r)
{
    char *code = arg;
    const struct node_invitation *i = r->data;
    if (r->st == ST_OK) snprintf(code, NODE_CODE_MAX, "%s", i->code);
}

/* Through a new door, for the old one is full. */
static void invite_again(struct sim *s, struct person *host, struct enclave *e)
{
    struct person *guest = person_random(s, PERSON_OUT, false);
    struct seen_knock k = {.s = s};
    if (!guest || forget_old(guest)) return;
    s->code[0] = 0;
    uint64_t life = host->m.life, since = e->sentinel_at_ms;
    if (node_invite(host->node, SIM_NAME, 0, on_code, s->code) != ST_OK) return;
    sim_run_for(s, 3 * SIM_SECOND);
    if (!s->code[0]) return;
    act_join(s, guest, s->code);
    sim_run_for(s, 5 * SIM_SECOND);
    check_all(s);
    k.nick = guest->nick;
    if (host->m.life != life || node_find(host->node, SIM_NAME) != e || !e->attached ||
        e->sentinel_at_ms != since || guest->state != PERSON_JOINING || !guest->online)
        return;
    if (node_proposals(host->node, SIM_NAME, true, on_proposal, &k) != ST_OK) return;
    s->checked[CHECK_FLOODS]++;
    if (!k.found) sim_fail(s, "m%u was flooded with knocks and does not hear %s", host->i, k.nick);
}

static struct enclave_door *door_of(struct enclave *e, const char *code)
{
    char text[INVITATION_TEXT_MAX];
    for (size_t i = 0; i < e->n_doors; i++)
        if (invitation_to_text(&e->doors[i]->invitation, text) == ST_OK && strcmp(text, code) == 0)
            return e->doors[i];
    return NULL;
}

/* The sentinel took its knock: it waits for an answer. */
static bool knocked(const struct person *guest)
{
    const struct enclave *e = guest->node ? node_find(guest->node, SIM_NAME) : NULL;
    return e && e->phase == ENCLAVE_WAITING;
}

/* The one who is invited finds some junk at the door, and more comes behind it. */
static bool knock_amid(struct sim *s, struct person *host, struct enclave *e)
{
    struct person *guest = person_random(s, PERSON_OUT, false);
    struct seen_knock k = {.s = s};
    struct stranger f = {.s = s};
    struct door_keys keys;
    if (!guest || forget_old(guest)) return false;
    s->code[0] = 0;
    if (node_invite(host->node, SIM_NAME, 0, on_code, s->code) != ST_OK) return false;
    sim_run_for(s, 3 * SIM_SECOND);
    struct enclave_door *d =
        node_find(host->node, SIM_NAME) == e && s->code[0] ? door_of(e, s->code) : NULL;
    if (!d || !guest->node) return false;
    uint64_t life = host->m.life, since = e->sentinel_at_ms;
    door_keys_of(d->invitation.door_secret, &keys);
    memcpy(f.token, keys.token, 32);
    sim_trace(s, "a stranger knocks at a door of m%u at which m%u will", host->i, guest->i);
    knock(&f, (unsigned)rng_below(&s->rng, ROOM_KNOCKS_A_DOOR));
    act_join(s, guest, s->code);
    sim_run_for(s, rng_below(&s->rng, 500));
    knock(&f, KNOCKS);
    sim_run_for(s, 5 * SIM_SECOND);
    check_all(s);
    k.nick = guest->nick;
    if (host->m.life != life || node_find(host->node, SIM_NAME) != e || !e->attached ||
        e->sentinel_at_ms != since || guest->state != PERSON_JOINING || !knocked(guest) ||
        node_proposals(host->node, SIM_NAME, true, on_proposal, &k) != ST_OK)
        return true;
    s->checked[CHECK_AMID]++;
    if (!k.found) sim_fail(s, "m%u does not hear %s, who knocked amid a flood", host->i, k.nick);
    return true;
}

bool fault_knocks(struct sim *s)
{
    struct person *host = person_random(s, PERSON_IN, true);
    struct enclave *e = inside_of(host);
    struct stranger f = {.s = s};
    struct seen_knock k = {.s = s, .nick = "?"};
    struct door_keys keys;
    if (!e || !s->sentinel.m.up || s->sentinel.forked || s->sentinel.m.full || host->tainted ||
        s->heal_ms != 0)
        return false;
    if (rng_chance(&s->rng, 500) && knock_amid(s, host, e)) return true;
    if (host->state != PERSON_IN || (e = inside_of(host)) == NULL) return false;
    if (e->n_doors == 0 && node_invite(host->node, SIM_NAME, 0, on_code, s->code) != ST_OK)
        return false;
    sim_run_for(s, 2 * SIM_SECOND);
    if (node_find(host->node, SIM_NAME) != e || e->n_doors == 0) return false;
    door_keys_of(e->doors[rng_below(&s->rng, e->n_doors)]->invitation.door_secret, &keys);
    memcpy(f.token, keys.token, 32);
    sim_trace(s, "a stranger knocks %u times at a door of m%u", KNOCKS, host->i);
    knock(&f, KNOCKS);
    if (f.answers == 0) return false;
    if (f.taken > ROOM_KNOCKS_A_DOOR) sim_fail(s, "%u knocks were taken at one door", f.taken);
    if (node_find(host->node, SIM_NAME) != e) return true;
    if (node_proposals(host->node, SIM_NAME, true, on_proposal, &k) == ST_OK && inside_of(host))
        invite_again(s, host, e);
    return true;
}
