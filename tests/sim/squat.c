/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A seat that no ADD explains: the yes of a majority in a vote that did not pass is enough for it. Who has
 * its key attaches, reads what is sealed for others and fills the feeds with what opens for nobody, until
 * the daemons have voted it away. */
#include "sim/sim.h"

#include "node/enclave/enclave.h"

#include <stdio.h>
#include <string.h>

/* All are well, and more than half of the seats beside the odd one. */
static bool all_well(const struct sim *s, size_t seats)
{
    unsigned in = 0;
    for (unsigned i = 0; i < s->n; i++) {
        const struct person *p = &s->people[i];
        if (p->state == PERSON_LEAVING || p->tainted || p->restored) return false;
        if (p->state != PERSON_IN) continue;
        if (!p->node || !p->online) return false;
        in++;
    }
    return in >= 2 && 2 * in > seats;
}

/* A vote about somebody that brought nobody in, with enough seat signatures to bring the seat in. */
static const struct ledger_proposal *loophole(const struct enclave *e, struct room_add_seat *msg,
                                              uint8_t *sigs)
{
    const struct ledger *l = group_ledger(e->group);
    for (size_t i = 0; i < ledger_proposals(l); i++) {
        const struct ledger_proposal *p = ledger_proposal_at(l, i);
        if (p->kind != PROPOSE_ADD || p->state < LEDGER_VOTE_REJECTED) continue;
        if (ledger_by_seat(l, p->candidate.seat)) continue;
        msg->sigs = (struct list){sigs, 0};
        for (size_t k = 0; k < p->n_voters; k++) {
            const struct ledger_voter *v = &p->voters[k];
            const struct ledger_leaf *leaf = ledger_leaf(l, v->leaf);
            if (bytes_zero(BYTES_OF(v->seat_sig)) || !leaf->member_now) continue;
            memcpy(sigs + msg->sigs.n * ROOM_SIG_ITEM, v->seat, 32);
            memcpy(sigs + msg->sigs.n++ * ROOM_SIG_ITEM + 32, v->seat_sig, 64);
        }
        if (2 * msg->sigs.n <= e->n_seat_list) continue;
        msg->version = e->seat_version;
        memcpy(msg->seat, p->candidate.seat, 32);
        memcpy(msg->proposal, p->hash, 32);
        return p;
    }
    return NULL;
}

/* Somebody is proposed whom this person will refuse. */
static void refuse_one(struct sim *s, const struct person *p)
{
    for (unsigned i = 0; i < s->n; i++) {
        char nick[24];
        if (s->people[i].state != PERSON_OUT) continue;
        snprintf(nick, sizeof nick, "m%u-%u", i, s->people[i].attempt + 1);
        wish_of(s, nick)->no |= (uint8_t)(1U << p->i);
    }
    if (!act_invite(s)) return;
    for (unsigned i = 0; i < 20; i++) {
        sim_run_for(s, 3 * SIM_SECOND);
        check_all(s);
        act_people(s);
    }
}

static bool seated(struct sim *s, const uint8_t seat[32])
{
    struct room_store store = room_sqlite_port(s->sentinel.branch[0].db);
    struct room_seat_row row;
    return store.ops->seat_get(store.ctx, s->room, seat, &row) == ST_OK && row.current;
}

static void post_junk(struct sim *s)
{
    uint8_t junk[512];
    for (uint8_t feed = 0; feed < 3; feed++) {
        rng_bytes(&s->rng, junk, sizeof junk);
        watch_ill(s, BYTES_OF(junk));
        uint64_t index = vsentinel_forge(&s->sentinel, s->room, feed, BYTES_OF(junk));
        if (feed == FEED_LEDGER) villain_note(s, index, BYTES_OF(junk), "");
    }
}

/* ---- who has the seat's key comes in ---- */

enum { REQ_ATTACH = 1, REQ_READ, REQ_APPEND = 10 };

struct intruder {
    struct sim *s;
    const struct sim_nick *as;
    bool in;                        /* ATTACH was answered with OK */
    bool dropped;                   /* as a seat that was */
    unsigned read, taken, refused;  /* entries of the ledger; own ones */
    uint8_t junk[ROOM_FEEDS][2048]; /* what it appends to each feed */
};

static void send_frame(struct link *l, uint8_t type, const struct fields *fields, const void *msg)
{
    struct buf frame = BUF_INIT;
    if (fields_encode(fields, msg, &frame) == ST_OK) vnet_send(l, type, buf_view(&frame));
    buf_free(&frame);
}

static void on_opened(void *arg, struct link *l, const struct link_peer *peer)
{
    struct intruder *it = arg;
    struct room_attach msg = {.req = REQ_ATTACH};
    memcpy(msg.room, it->s->room, 32);
    memcpy(msg.seat, it->as->seat, 32);
    room_sign_attach(it->as->seat_seed, msg.room, peer->exporter, peer->spki, msg.sig);
    send_frame(l, ROOM_ATTACH, &room_attach_fields, &msg);
}

static void on_attached(struct intruder *it, struct link *l, const struct room_attached *in)
{
    struct room_read read = {
        .req = REQ_READ, .feed = FEED_LEDGER, .max = 1024, .max_bytes = ENCLAVE_READ_BYTES};
    it->in = true;
    it->dropped = in->dropped != 0;
    send_frame(l, ROOM_READ, &room_read_fields, &read);
    for (uint8_t feed = 0; feed < ROOM_FEEDS; feed++) {
        struct room_head head = room_head_at(in->heads, feed);
        struct room_append msg = {.req = REQ_APPEND + feed,
                                  .feed = feed,
                                  .flags = feed == FEED_LEDGER ? ROOM_APPEND_EXPECT : 0,
                                  .index = feed == FEED_LEDGER ? head.count : 0,
                                  .sealed = BYTES_OF(it->junk[feed])};
        if (feed == FEED_LEDGER) memcpy(msg.chain, head.chain, 32);
        rng_bytes(&it->s->rng, it->junk[feed], sizeof it->junk[feed]);
        watch_ill(it->s, msg.sealed);
        send_frame(l, ROOM_APPEND, &room_append_fields, &msg);
    }
}

static void on_frame(void *arg, struct link *l, uint8_t type, struct bytes payload)
{
    struct intruder *it = arg;
    struct room_reply r;
    struct room_attached attached;
    struct room_reading reading;
    struct room_spot spot;
    if (type != ROOM_REPLY || fields_decode(&room_reply_fields, payload, &r) != ST_OK) return;
    bool ok = r.result == 0;
    if (r.req == REQ_ATTACH && ok &&
        fields_decode(&room_attached_fields, r.body, &attached) == ST_OK) {
        on_attached(it, l, &attached);
    } else if (r.req == REQ_READ && ok &&
               fields_decode(&room_reading_fields, r.body, &reading) == ST_OK) {
        it->read += (unsigned)reading.count;
    } else if (r.req >= REQ_APPEND) {
        it->taken += ok;
        it->refused += !ok;
        if (ok && r.req == REQ_APPEND + FEED_LEDGER &&
            fields_decode(&room_spot_fields, r.body, &spot) == ST_OK)
            villain_note(it->s, spot.index, BYTES_OF(it->junk[FEED_LEDGER]), "");
    }
}

static void on_closed(void *arg, struct link *l, enum status why)
{
    (void)arg;
    (void)l;
    (void)why;
}

static void visit(struct intruder *it)
{
    static const struct link_events events = {on_opened, on_frame, NULL, on_closed};
    struct sim *s = it->s;
    struct link *l = NULL;
    machine_boot(&s->stranger);
    struct link_port port = vnet_port(&s->net, &s->stranger);
    if (port.ops->dial_server(port.ctx, VSENTINEL_ADDRESS, NULL, s->sentinel.pin, &events, it,
                              &l) == ST_OK)
        sim_run_for(s, 3 * SIM_SECOND);
    machine_crash(&s->stranger);
    vnet_crash(&s->net, &s->stranger);
    sim_trace(s, "the odd seat of %s %s: %u entries read, %u of its own taken, %u refused",
              it->as->nick,
              it->dropped ? "is told that it is out"
              : it->in    ? "attaches"
                          : "is not let in",
              it->read, it->taken, it->refused);
}

/* Before the seat is voted away; false: its key is not known, or the moment was bad. */
static bool intrude(struct sim *s, const struct sim_nick *as)
{
    struct intruder it = {.s = s, .as = as};
    if (!as || !as->seated) return false;
    visit(&it);
    return it.in && !it.dropped && it.taken > 0;
}

/* And after: what it writes is taken no more. */
static void intrude_again(struct sim *s, const struct sim_nick *as)
{
    struct intruder it = {.s = s, .as = as};
    visit(&it);
    s->checked[CHECK_INTRUDERS]++;
    if (it.taken > 0 || (it.in && !it.dropped))
        sim_fail(s, "the odd seat of %s was voted away and still writes", as->nick);
}

bool fault_squat(struct sim *s)
{
    struct person *p = person_random(s, PERSON_IN, true);
    struct enclave *e = inside_of(p);
    struct room_add_seat msg = {0};
    uint8_t sigs[LEDGER_MEMBERS_MAX * ROOM_SIG_ITEM];
    if (!e || s->forked_ever || !s->sentinel.m.up || !s->room_known || people_in(s, PERSON_IN) < 3)
        return false;
    faults_heal(s, true);
    sim_run_for(s, 30 * SIM_SECOND);
    check_all(s);
    if (p->state != PERSON_IN || (e = inside_of(p)) == NULL) return false;
    if (!loophole(e, &msg, sigs)) refuse_one(s, p);
    if (p->state != PERSON_IN || (e = inside_of(p)) == NULL) return false;
    const struct ledger_proposal *pr = loophole(e, &msg, sigs);
    if (!pr || !all_well(s, e->n_seat_list)) return false;
    const struct sim_nick *as = nick_find(s, pr->nick);
    if (uplink_request(&e->up, ROOM_ADD_SEAT, &room_add_seat_fields, &msg, NULL, NULL) != ST_OK)
        return false;
    sim_run_for(s, 5 * SIM_SECOND);
    if (!seated(s, msg.seat)) return false;
    sim_trace(s, "m%u brings a seat in that nobody admitted", p->i);
    s->orphans = true;
    bool intruded = intrude(s, as);
    if (!intruded) post_junk(s);
    bool well = true;
    for (unsigned i = 0; i < 50; i++) {
        sim_run_for(s, SIM_HOUR / 2);
        check_all(s);
        act_people(s);
        if (i == 40 && !seated(s, msg.seat))
            sim_fail(s, "a seat was voted away within a day: its ADD may be late");
        act_send(s);
        e = p->node ? node_find(p->node, SIM_NAME) : NULL;
        well = well && e && all_well(s, e->n_seat_list - 1);
    }
    sim_run_for(s, 5 * SIM_MINUTE);
    if (!well) return true;
    s->checked[CHECK_SQUATS]++;
    if (seated(s, msg.seat))
        sim_fail(s, "a seat that nobody admitted is still in the room after a day");
    if (intruded) intrude_again(s, as);
    return true;
}
