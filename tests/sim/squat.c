/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A seat that no ADD explains: the yes of a majority in a vote that did not pass is enough for it. It
 * fills the feeds with what opens for nobody, until the daemons have voted it away. */
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
    if (p->state != PERSON_IN || (e = inside_of(p)) == NULL || !loophole(e, &msg, sigs) ||
        !all_well(s, e->n_seat_list))
        return false;
    if (uplink_request(&e->up, ROOM_ADD_SEAT, &room_add_seat_fields, &msg, NULL, NULL) != ST_OK)
        return false;
    sim_run_for(s, 5 * SIM_SECOND);
    if (!seated(s, msg.seat)) return false;
    sim_trace(s, "m%u brings a seat in that nobody admitted", p->i);
    s->orphans = true;
    post_junk(s);
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
    return true;
}
