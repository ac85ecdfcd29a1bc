/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A sentinel that does not forge and does not fork, but leaves out one member's ballots, or shows a
 * seat list of before. */
#include "sim/sim.h"

#include "base/encode.h"
#include "node/enclave/enclave.h"

#include <stdio.h>
#include <string.h>

/* ---- ballots that go nowhere ---- */

bool fault_mute(struct sim *s)
{
    struct person *p = person_random(s, PERSON_IN, true);
    struct enclave *e = inside_of(p);
    const struct ledger_voter *v = NULL;
    if (!e || s->sentinel.forked || !s->sentinel.m.up || p->tainted || p->restored || s->muted ||
        s->forked_ever || people_in(s, PERSON_IN) < 2)
        return false;
    if (!vote_with(e, false, false, &v)) {
        act_policy(s);
        sim_run_for(s, 2 * SIM_SECOND);
    }
    s->muted = 1U << p->i;
    s->mute_drop = rng_chance(&s->rng, 700);
    s->unmute_ms = s->time.now_ms + rng_between(&s->rng, 5000, 120000);
    sim_trace(s, "the sentinel %s the ballots of m%u", s->mute_drop ? "drops" : "refuses", p->i);
    if (p->node && p->state == PERSON_IN) vote_of(p);
    sim_run_for(s, 2 * SIM_SECOND);
    return true;
}

enum vsentinel_deed lies_append(struct sim *s, unsigned caller, const struct room_append *msg,
                                const uint8_t vote[32])
{
    struct room_feed_row row;
    struct person *p = &s->people[caller];
    char ref[17];
    hex_encode(BYTES(vote, 8), ref);
    for (unsigned i = 0; i < s->n_dropped; i++) /* given back, or made anew */
        if (s->dropped[i].person == caller && strcmp(s->dropped[i].ref, ref) == 0)
            s->dropped[i].ref[0] = 0;
    if (!(s->muted >> caller & 1U) || s->sentinel.forked) return VSENTINEL_HONEST;
    if (!s->mute_drop) return VSENTINEL_BUSY;
    if (!vsentinel_feed(&s->sentinel, s->room, FEED_LEDGER, &row) || row.count != msg->index ||
        memcmp(row.chain, msg->chain, 32) != 0 || s->n_dropped == SIM_DROPPED_MAX)
        return VSENTINEL_HONEST; /* a lost race */
    struct sim_dropped *d = &s->dropped[s->n_dropped++];
    *d = (struct sim_dropped){.person = caller, .generation = s->generation, .life = p->m.life};
    memcpy(d->ref, ref, sizeof d->ref);
    memcpy(d->nick, p->nick, sizeof d->nick);
    p->tainted = true;
    p->lied_upto = msg->index + 1;
    sim_trace(s, "the sentinel drops m%u's ballot on %s, entry %llu", caller, d->ref,
              (unsigned long long)msg->index);
    return VSENTINEL_DROP;
}

void lies_check_vote(struct sim *s, const struct person *p, const struct node_proposal *pr)
{
    for (unsigned i = 0; i < s->n_dropped; i++) {
        const struct sim_dropped *d = &s->dropped[i];
        const struct person *by = &s->people[d->person];
        if (strcmp(d->ref, pr->ref) != 0 || d->generation != s->generation) continue;
        /* It is given back, or made again by a machine that never heard the answer. */
        if (!by->tainted || strcmp(by->nick, d->nick) != 0 || by->m.life != d->life) continue;
        s->checked[CHECK_DROPPED]++;
        bool closed = strcmp(pr->state, "open") != 0;
        bool over = closed && strcmp(pr->state, "expired") != 0 &&
                    strcmp(pr->state, "withdrawn") != 0 && strcmp(pr->state, "void") != 0;
        for (size_t k = 0; k < pr->n_ballots; k++) {
            const struct node_ballot *b = &pr->ballots[k];
            if (strcmp(b->nick, d->nick) != 0) continue;
            if (strcmp(b->choice, "waiting") != 0)
                sim_fail(s, "m%u counts the ballot of %s on %s, which was dropped: %s", p->i,
                         d->nick, d->ref, b->choice);
            if (over && (pr->secret || strcmp(pr->state, "refused") != 0))
                sim_fail(s, "%s %s is %s (seen by m%u) without the ballot of %s", pr->kind, pr->ref,
                         pr->state, p->i, d->nick);
        }
    }
}

/* Does this machine lack entries of the feed that was held? */
static bool lacks(struct sim *s, const struct person *p)
{
    struct room_feed_row row;
    const struct enclave *e = p->node ? node_find(p->node, SIM_NAME) : NULL;
    uint8_t feed = s->sentinel.hold.feed;
    return e && p->state == PERSON_IN && s->room_known &&
           vsentinel_feed(&s->sentinel, s->room, feed, &row) &&
           e->feeds[feed].seen.count < row.count;
}

/* Whose entry was dropped while nobody else wrote learns of it when it connects again: nothing that it
 * sees before contradicts it. If somebody wrote, it must know by now. */
void lies_end(struct sim *s)
{
    struct room_feed_row row;
    for (unsigned i = 0; i < s->n; i++) /* nothing that came since could tell it */
        if ((s->kept_short >> i & 1U) && lacks(s, &s->people[i]))
            vsentinel_kick(&s->sentinel, 1U << i);
    s->kept_short = 0;
    if (!s->room_known || !vsentinel_feed(&s->sentinel, s->room, FEED_LEDGER, &row)) return;
    for (unsigned i = 0; i < s->n; i++)
        if (s->people[i].lied_upto > row.count) vsentinel_kick(&s->sentinel, 1U << i);
}

/* ---- a feed without its newest entries ---- */

/* Whatever one member asks or is told, the feed ends where it stands for it now. */
bool fault_hold(struct sim *s)
{
    struct person *p = person_random(s, PERSON_IN, true);
    struct enclave *e = inside_of(p);
    struct vsentinel *v = &s->sentinel;
    uint8_t feed = rng_chance(&s->rng, 600) ? FEED_LEDGER : (uint8_t)rng_below(&s->rng, 3);
    if (!e || !v->m.up || v->forked || v->hold.machines != 0 || !enclave_synced(e, feed))
        return false;
    v->hold.machines = 1U << p->i;
    v->hold.feed = feed;
    v->hold.head = (struct room_head){.count = e->feeds[feed].seen.count};
    memcpy(v->hold.head.chain, e->feeds[feed].seen.chain, 32);
    v->held = 0;
    s->unhold_ms = s->time.now_ms + rng_between(&s->rng, 1000, 120000);
    sim_trace(s, "the sentinel ends feed %u at %llu for m%u", feed,
              (unsigned long long)v->hold.head.count, p->i);
    return true;
}

/* Who was kept short learns of it when it connects again, or by the next entry that is pushed. */
void hold_end(struct sim *s)
{
    struct vsentinel *v = &s->sentinel;
    unsigned machines = v->hold.machines;
    v->hold.machines = 0;
    for (unsigned i = 0; i < s->n; i++)
        s->checked[CHECK_SHORT] += v->held > 0 && (machines >> i & 1U) && lacks(s, &s->people[i]);
    if (rng_chance(&s->rng, 500))
        vsentinel_kick(v, machines);
    else
        s->kept_short |= machines;
    sim_trace(s, "the sentinel shows all of feed %u again", v->hold.feed);
}

/* ---- seats of before ---- */

static bool named(const struct person *p, const struct enclave *e)
{
    return p->told_old_seats || strstr(e->trouble, "older seat list") != NULL;
}

bool fault_old_seats(struct sim *s)
{
    struct person *p = person_random(s, PERSON_IN, true);
    struct enclave *e = inside_of(p);
    struct vsentinel *v = &s->sentinel;
    if (!e || !v->m.up || v->forked || p->tainted || e->seat_version < 2 || e->seats_busy)
        return false;
    uint64_t life = p->m.life, since = e->sentinel_at_ms, version = e->seat_version;
    sim_trace(s, "the sentinel shows m%u a seat list older than %llu", p->i,
              (unsigned long long)version);
    p->told_old_seats = false;
    v->old_seats = 1U << p->i;
    v->old_seats_shown = 0;
    vsentinel_push_seats(v, v->old_seats);
    for (unsigned i = 0; i < 8 && v->old_seats_shown == 0; i++) sim_run_for(s, 5 * SIM_SECOND);
    unsigned shown = v->old_seats_shown;
    sim_run_for(s, SIM_SECOND);
    v->old_seats = 0;
    vsentinel_push_seats(v, 1U << p->i);
    if (shown == 0) return false;
    bool same = p->node && p->m.life == life && node_find(p->node, SIM_NAME) == e && e->attached &&
                e->sentinel_at_ms == since;
    if (!same) return true; /* the answer may be lost */
    /* What changed in the room meanwhile may have been kept from this member: it is not older to it. */
    if (v->old_seats_version >= version) return true;
    s->checked[CHECK_OLD_SEATS]++;
    if (!named(p, e))
        sim_fail(s, "m%u was shown a seat list older than version %llu and does not say so: %s",
                 p->i, (unsigned long long)version, e->trouble);
    return true;
}
