/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What the protocol wants of this member next, and when. */
#include "core/ledger/group_state.h"

#include <string.h>

static void earlier(struct group_next *next, enum group_duty duty, uint64_t at_ms, uint16_t place,
                    uint64_t proposal)
{
    if (place == LEDGER_NOBODY || at_ms >= next->at_ms) return;
    *next = (struct group_next){duty, at_ms, proposal, place};
}

/* What was agreed on may be any number: the largest mean never. */
static uint64_t later(uint64_t from, uint64_t ms)
{
    return ms > UINT64_MAX - from ? UINT64_MAX : from + ms;
}

/* A clock that was put back owes at once what would come due in its future only. */
static uint64_t due_ms(uint64_t since, uint64_t ms, uint64_t now_ms)
{
    return since > now_ms ? now_ms : later(since, ms);
}

static uint64_t turn_ms(uint64_t from, uint16_t place)
{
    return place == LEDGER_NOBODY ? UINT64_MAX : later(from, (uint64_t)place * LEDGER_TURN_MS);
}

static void duty_of_vote(const struct group *g, const struct ledger_proposal *p,
                         struct group_next *next)
{
    static const enum group_duty outcomes[] = {[PROPOSE_ADD] = GROUP_POST_ADD,
                                               [PROPOSE_REMOVE] = GROUP_POST_REMOVE,
                                               [PROPOSE_POLICY] = GROUP_POST_POLICY};
    const struct group_clock *c = group_clock(g, p->index);
    if (c == NULL) return;
    if (p->state == LEDGER_VOTE_PASSED) {
        uint16_t place = ledger_turn_outcome(g->ledger, p, g->leaf);
        earlier(next, outcomes[p->kind], turn_ms(c->passed_ms, place), place, p->index);
    } else {
        uint16_t place = ledger_turn_expire(g->ledger, g->leaf);
        uint64_t due = later(c->seen_ms, ledger_policy(g->ledger, LEDGER_POLICY_EXPIRE_MS));
        earlier(next, GROUP_POST_EXPIRE, turn_ms(due, place), place, p->index);
    }
}

/* Keys for the votes to come; where votes are open, for the day on which they become secret. */
static bool needs_veto_keys(const struct group *g, const struct ledger_leaf *self)
{
    bool secret = ledger_ballot_kind(g->ledger) == BALLOT_SECRET;
    if (g->restored || (!secret && ledger_members(g->ledger) < 2)) return false;
    return g->veto_dead || self->stock.n < GROUP_VETO_LOW;
}

/* Each epoch is confirmed by everybody who is online, also where nothing is said in it. */
static bool is_unconfirmed(const struct ledger *l, const struct ledger_leaf *self)
{
    uint64_t opened = ledger_epoch_index(l, ledger_epoch(l));
    if (ledger_epoch(l) == 0 || opened == LEDGER_NEVER) return false;
    return self->last == LEDGER_NEVER || self->last < opened;
}

static void duty_of_epoch(const struct group *g, uint16_t turn, uint64_t now_ms,
                          struct group_next *next)
{
    const struct ledger *l = g->ledger;
    const struct ledger_leaf *self = ledger_leaf(l, g->leaf);
    const struct group_row *row = group_row(g, ledger_epoch(l), GROUP_ROW_ALL);
    /* A restored member may go out of turn, once its new key is in the ledger. */
    bool shown = self->updates > 0 && group_kem_is_fresh(g, self->kem_update);
    bool renew =
        g->restored && (shown || self->updates >= LEDGER_UPDATES_MAX) && ledger_may_commit(l, self);
    if (renew) earlier(next, GROUP_POST_COMMIT, now_ms, 0, LEDGER_NEVER);
    if (ledger_due(l) != LEDGER_NEVER)
        earlier(next, GROUP_POST_COMMIT, turn_ms(g->due_ms, turn), turn, LEDGER_NEVER);
    else if (g->used)
        earlier(next, GROUP_POST_COMMIT,
                turn_ms(due_ms(row->learned_ms, ledger_policy(l, LEDGER_POLICY_COMMIT_MS), now_ms),
                        turn),
                turn, LEDGER_NEVER);
    uint64_t spread = g->leaf % 64 * GROUP_HEAD_SPREAD_MS;
    if (is_unconfirmed(l, self))
        earlier(next, GROUP_POST_HEAD, due_ms(row->learned_ms, GROUP_HEAD_MS - spread, now_ms), 0,
                LEDGER_NEVER);
    if (!g->used) return;
    earlier(next, GROUP_POST_HEAD, due_ms(g->head_ms, GROUP_HEAD_MS, now_ms), 0, LEDGER_NEVER);
    uint64_t since = group_epoch_ms(g, self->kem_epoch);
    if (since != 0 && self->updates == 0)
        earlier(next, GROUP_POST_UPDATE, since + GROUP_UPDATE_MS, 0, LEDGER_NEVER);
}

struct group_next group_next(const struct group *g, uint64_t now_ms)
{
    struct group_next next = {GROUP_NOTHING, UINT64_MAX, LEDGER_NEVER, LEDGER_NOBODY};
    const struct ledger *l = g->ledger;
    const struct ledger_leaf *self = ledger_leaf(l, g->leaf);
    if (g->lost && !g->forked && !g->old_head && self != NULL && self->member_now &&
        g->phase == GROUP_LIVE && !(self->renewed && group_kem_seed(g, self->kem_update) != NULL))
        return (struct group_next){GROUP_POST_RENEW, now_ms, LEDGER_NEVER, 0};
    if (self == NULL || !group_writable(g)) return next;
    for (size_t i = 0; i < ledger_proposals(l); i++) {
        const struct ledger_proposal *p = ledger_proposal_at(l, i);
        if (ledger_is_current(p)) duty_of_vote(g, p, &next);
    }
    if (g->restored && self->updates < LEDGER_UPDATES_MAX &&
        (self->updates == 0 || !group_kem_is_fresh(g, self->kem_update)))
        earlier(&next, GROUP_POST_UPDATE, now_ms, 0, LEDGER_NEVER);
    if (!group_in(g)) return next;
    if (needs_veto_keys(g, self)) earlier(&next, GROUP_POST_VETO_KEYS, now_ms, 0, LEDGER_NEVER);
    /* The others take us for silent: one word, and we are not removed with those that are. */
    if (self->missed) earlier(&next, GROUP_POST_HEAD, now_ms, 0, LEDGER_NEVER);
    duty_of_epoch(g, ledger_turn(l, g->leaf), now_ms, &next);
    return next;
}
