/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "core/ledger/state.h"
#include "crypto/hash.h"

#include <string.h>

const uint8_t *ledger_enclave_id(const struct ledger *l)
{
    return l->enclave_id;
}

const uint8_t *ledger_room(const struct ledger *l)
{
    return l->room;
}

uint64_t ledger_count(const struct ledger *l)
{
    return l->count;
}

const uint8_t *ledger_chain_at(const struct ledger *l, uint64_t count)
{
    if (count > l->count) return NULL;
    return count == 0 ? l->start : l->chains[count - 1];
}

const uint8_t *ledger_chain(const struct ledger *l)
{
    return ledger_chain_at(l, l->count);
}

bool ledger_started(const struct ledger *l)
{
    return l->started;
}

bool ledger_ended(const struct ledger *l)
{
    return l->ended;
}

uint64_t ledger_epoch(const struct ledger *l)
{
    return l->epoch;
}

uint64_t ledger_generation(const struct ledger *l)
{
    return l->generation;
}

const char *ledger_name(const struct ledger *l)
{
    return l->name;
}

uint8_t ledger_ballot_kind(const struct ledger *l)
{
    return l->ballot_kind;
}

uint8_t ledger_mode(const struct ledger *l)
{
    return l->mode;
}

uint64_t ledger_policy(const struct ledger *l, enum ledger_policy key)
{
    return key > 0 && key < LEDGER_POLICY_END ? l->policy[key] : 0;
}

size_t ledger_sentinels(const struct ledger *l, const struct ledger_sentinel **ret)
{
    *ret = l->sentinels;
    return l->n_sentinels;
}

const struct ledger_sentinel *ledger_home(const struct ledger *l)
{
    return l->moved ? &l->home : NULL;
}

uint64_t ledger_history_floor(const struct ledger *l)
{
    return l->policy[LEDGER_POLICY_NO_HISTORY] != 0 ? l->epoch + 1 : l->history_floor;
}

size_t ledger_leaves(const struct ledger *l)
{
    return l->n_leaves;
}

const struct ledger_leaf *ledger_leaf(const struct ledger *l, uint16_t leaf)
{
    return leaf < l->n_leaves ? l->leaves[leaf] : NULL;
}

const struct ledger_leaf *ledger_by_id(const struct ledger *l, const uint8_t id[32])
{
    for (size_t i = 0; i < l->n_leaves; i++)
        if (memcmp(l->leaves[i]->id, id, 32) == 0) return l->leaves[i];
    return NULL;
}

const struct ledger_leaf *ledger_by_seat(const struct ledger *l, const uint8_t seat[32])
{
    for (size_t i = 0; i < l->n_leaves; i++)
        if (memcmp(l->leaves[i]->seat, seat, 32) == 0) return l->leaves[i];
    return NULL;
}

size_t ledger_members(const struct ledger *l)
{
    return l->members;
}

bool ledger_in_epoch(const struct ledger *l, uint16_t leaf, uint64_t epoch)
{
    const struct ledger_leaf *f = ledger_leaf(l, leaf);
    if (f == NULL || f->epoch_in == LEDGER_NEVER) return false;
    return f->epoch_in <= epoch && epoch < f->epoch_out;
}

size_t ledger_proposals(const struct ledger *l)
{
    return l->n_proposals;
}

const struct ledger_proposal *ledger_proposal_at(const struct ledger *l, size_t i)
{
    return i < l->n_proposals ? l->proposals[i] : NULL;
}

const struct ledger_proposal *ledger_proposal(const struct ledger *l, uint64_t index)
{
    for (size_t i = 0; i < l->n_proposals; i++)
        if (l->proposals[i]->index == index) return l->proposals[i];
    return NULL;
}

const struct ledger_proposal *ledger_current_proposal(const struct ledger *l)
{
    return l->current;
}

const struct ledger_proposal *ledger_admission(const struct ledger *l, uint16_t leaf)
{
    for (size_t i = 0; i < l->n_proposals; i++)
        if (l->proposals[i]->state == LEDGER_VOTE_ADDED && l->proposals[i]->added_leaf == leaf)
            return l->proposals[i];
    return NULL;
}

const char *ledger_vote_text(enum ledger_vote_state state)
{
    switch (state) {
    case LEDGER_VOTE_OPEN: return "open";
    case LEDGER_VOTE_PASSED: return "passed";
    case LEDGER_VOTE_ADDED: return "added";
    case LEDGER_VOTE_REMOVED: return "removed";
    case LEDGER_VOTE_CHANGED: return "changed";
    case LEDGER_VOTE_REJECTED: return "refused";
    case LEDGER_VOTE_EXPIRED: return "expired";
    case LEDGER_VOTE_WITHDRAWN: return "withdrawn";
    case LEDGER_VOTE_VOIDED: return "void";
    }
    return "unknown";
}

/* ---- turns ---- */

uint64_t ledger_due(const struct ledger *l)
{
    if (l->ended) return LEDGER_NEVER;
    for (size_t i = 0; i < l->n_pending; i++) {
        const struct ledger_pending *w = &l->pending[i];
        /* An UPDATE has time till the next epoch, which its author may begin. Of one whose own removal
         * is open it is perhaps the call for keys of a machine that was set back. */
        if (w->type != LEDGER_UPDATE || !ledger_may_commit(l, l->leaves[w->leaf]))
            return l->taken[i];
    }
    return LEDGER_NEVER;
}

uint64_t ledger_due_base(const struct ledger *l, uint8_t ret_chain[32])
{
    uint64_t base = ledger_due(l);
    if (base == LEDGER_NEVER) base = ledger_epoch_index(l, l->epoch);
    /* After a void COMMIT the order is drawn anew, so that its author is not waited for again. */
    if (l->n_voids > 0 && (base == LEDGER_NEVER || l->voids[l->n_voids - 1] > base))
        base = l->voids[l->n_voids - 1];
    const uint8_t *chain = base == LEDGER_NEVER ? NULL : ledger_chain_at(l, base + 1);
    memcpy(ret_chain, chain != NULL ? chain : l->start, 32);
    return base;
}

static bool faulty(const struct ledger *l, uint16_t leaf)
{
    for (size_t i = 0; i < l->n_voids; i++)
        if (l->void_by[i] == leaf) return true;
    return false;
}

/* Sorts by: clean record first, then H(chain | ID). */
static void turn_key(const struct ledger *l, const uint8_t chain[32],
                     const struct ledger_leaf *leaf, uint8_t ret[33])
{
    ret[0] = faulty(l, leaf->leaf);
    SHA256_OF(ret + 1, BYTES(chain, 32), BYTES(leaf->id, 32));
}

static uint16_t place_of(const struct ledger *l, const uint8_t chain[32],
                         const struct ledger_leaf *self)
{
    uint8_t mine[33], other[33];
    uint16_t place = 0;
    turn_key(l, chain, self, mine);
    for (size_t i = 0; i < l->n_leaves; i++) {
        const struct ledger_leaf *leaf = l->leaves[i];
        if (leaf == self || !ledger_may_commit(l, leaf)) continue;
        turn_key(l, chain, leaf, other);
        if (memcmp(other, mine, sizeof mine) < 0) place++;
    }
    return place;
}

uint16_t ledger_turn(const struct ledger *l, uint16_t leaf)
{
    const struct ledger_leaf *self = ledger_leaf(l, leaf);
    uint8_t chain[32];
    if (l->ended || self == NULL || !ledger_may_commit(l, self)) return LEDGER_NOBODY;
    (void)ledger_due_base(l, chain);
    return place_of(l, chain, self);
}

uint16_t ledger_turn_expire(const struct ledger *l, uint16_t leaf)
{
    const struct ledger_leaf *self = ledger_leaf(l, leaf);
    uint16_t place = 0;
    if (l->ended || self == NULL || !self->member_now || ledger_removal(l, leaf) != NULL)
        return LEDGER_NOBODY;
    if (ledger_keyed(self)) return ledger_turn(l, leaf);
    for (size_t i = 0; i < l->n_leaves; i++) {
        const struct ledger_leaf *other = l->leaves[i];
        bool keyless = other->member_now && !ledger_keyed(other) &&
                       ledger_removal(l, other->leaf) == NULL && other->leaf < leaf;
        if (keyless || ledger_may_commit(l, other)) place++;
    }
    return place;
}

uint16_t ledger_turn_outcome(const struct ledger *l, const struct ledger_proposal *p, uint16_t leaf)
{
    const struct ledger_leaf *self = ledger_leaf(l, leaf);
    if (p->state != LEDGER_VOTE_PASSED || self == NULL || !self->member_now) return LEDGER_NOBODY;
    if (leaf == p->closed_by) return 0;
    /* The last voter was there a moment ago: it goes first, the others follow in their order. */
    const uint8_t *chain = ledger_chain_at(l, p->closed + 1);
    uint16_t place = place_of(l, chain, self);
    return place < place_of(l, chain, ledger_leaf(l, p->closed_by)) ? (uint16_t)(place + 1) : place;
}

/* ---- epochs and other feeds ---- */

uint64_t ledger_epoch_index(const struct ledger *l, uint64_t epoch)
{
    return l->started && epoch <= l->epoch ? l->epochs[epoch].index : LEDGER_NEVER;
}

uint64_t ledger_epoch_time(const struct ledger *l, uint64_t epoch)
{
    return l->started && epoch <= l->epoch ? l->epochs[epoch].time_ms : 0;
}

uint64_t ledger_epoch_seen(const struct ledger *l, uint64_t epoch, uint8_t feed)
{
    if (!l->started || epoch > l->epoch || feed < 1 || feed > 3) return 0;
    return l->epochs[epoch].seen[feed - 1];
}

bool ledger_counts(const struct ledger *l, uint8_t feed, uint64_t feed_index, uint64_t epoch,
                   uint16_t leaf)
{
    if (!ledger_in_epoch(l, leaf, epoch) || epoch > l->epoch) return false;
    if (epoch == l->epoch || feed_index < ledger_epoch_seen(l, epoch + 1, feed)) return true;
    if (!ledger_in_epoch(l, leaf, epoch + 1)) return false;
    return epoch + 1 == l->epoch || feed_index < ledger_epoch_seen(l, epoch + 2, feed);
}

bool ledger_agrees(const struct ledger *l, const struct seen *claim)
{
    const uint8_t *ours = ledger_chain_at(l, claim->count);
    return ours == NULL || memcmp(ours, claim->chain, 32) == 0;
}
