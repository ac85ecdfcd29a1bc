/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * group_acts: what a member of a group_world may do at a moment, drawn at
 * random: every draft that there is, and bodies of nonsense for every type. The
 * draws come from the world's counter, so two worlds that are alike act alike.
 *
 * Owns nothing. Errors: of the group_make_* call; a villain's posting never
 * fails. Order: none.
 */
#ifndef ENCLAVE_TESTS_GROUP_ACTS_H
#define ENCLAVE_TESTS_GROUP_ACTS_H

#include "unit/group_world.h"

static inline uint64_t act_draw(struct world *w, uint64_t n)
{
    uint8_t b[8];
    world_random(w, b, 8);
    return get_u64(b) % n;
}

/* One of the votes that are open or passed; 0: there is none. */
static inline uint64_t act_vote(struct world *w, const struct ledger *l)
{
    uint64_t found = 0, n = 0;
    for (size_t i = 0; i < ledger_proposals(l); i++) {
        const struct ledger_proposal *p = ledger_proposal_at(l, i);
        if (ledger_is_current(p) && act_draw(w, ++n) == 0) found = p->index;
    }
    return found;
}

static inline enum status act_propose(struct world *w, size_t i, const struct world_member *who,
                                      const struct group_now *now, struct group_draft *d)
{
    struct world_door door;
    world_knock(w, i, who, &door);
    struct group_propose a = world_proposal(&door);
    enum status st = group_make_propose(w->m[i].g, &a, now, d);
    world_door_free(&door);
    return st;
}

static inline enum status act_policy(struct world *w, size_t i, const struct group_now *now,
                                     struct group_draft *d)
{
    uint8_t item[LEDGER_POLICY_ITEM];
    struct group_propose_policy a = {LEDGER_AS_IS, LEDGER_AS_IS, {item, 0}, BYTES_NONE, BYTES_NONE};
    switch (act_draw(w, 4)) {
    case 0: a.ballot_kind = (uint8_t)(BALLOT_OPEN + act_draw(w, 2)); break;
    case 1: a.mode = (uint8_t)act_draw(w, 3); break;
    default:
        a.policy.n = 1;
        item[0] = (uint8_t)(1 + act_draw(w, LEDGER_POLICY_END - 1));
        put_u64(item + 1, item[0] == LEDGER_POLICY_EXPIRE_MS ? 72 * 3600000 : act_draw(w, 2));
        break;
    }
    return group_make_propose_policy(w->m[i].g, &a, now, d);
}

static inline enum status act_remove(struct world *w, size_t i, const struct group_now *now,
                                     struct group_draft *d)
{
    uint64_t leaves = ledger_leaves(group_ledger(w->m[i].g));
    uint16_t targets[2] = {(uint16_t)act_draw(w, leaves), (uint16_t)act_draw(w, leaves)};
    size_t n = act_draw(w, 4) == 0 && targets[0] < targets[1] ? 2 : 1;
    return group_make_propose_remove(w->m[i].g, targets, n, BYTES_LIT("why"), now, d);
}

/* Somebody's recovery key turns up. */
static inline enum status act_revoke(struct world *w, size_t i, const struct group_now *now,
                                     struct group_draft *d)
{
    size_t who = act_draw(w, w->members);
    uint8_t key[32], hash[32];
    world_revocation(&w->m[who], key, hash);
    if (w->m[who].g == NULL) return ST_DENIED;
    return group_make_self_revoke(w->m[i].g, group_leaf(w->m[who].g), key, now, d);
}

/* goes: members may leave and be revoked. */
static inline enum status act_any(struct world *w, size_t i, const struct world_member *stranger,
                                  bool goes, const struct group_now *now, struct group_draft *d)
{
    struct group *g = w->m[i].g;
    uint64_t vote = act_vote(w, group_ledger(g));
    const struct ledger_proposal *p = ledger_proposal(group_ledger(g), vote);
    if (p != NULL && act_draw(w, 2) == 0) /* votes come to an end more often than not */
        return p->state == LEDGER_VOTE_PASSED
                   ? group_make_outcome(g, vote, now, d)
                   : group_make_ballot(g, vote, act_draw(w, 16) != 0, now, d);
    switch (act_draw(w, 24)) {
    case 0:
    case 1: return act_propose(w, i, stranger, now, d);
    case 2: return act_remove(w, i, now, d);
    case 3: return act_policy(w, i, now, d);
    case 4:
    case 5:
    case 6:
    case 7:
    case 8:
    case 9: return group_make_ballot(g, vote, act_draw(w, 16) != 0, now, d);
    case 10:
    case 11:
    case 12: return group_make_outcome(g, vote, now, d);
    case 13: return group_make_commit(g, 0, now, d);
    case 14: return group_make_update(g, now, d);
    case 15: return group_make_head(g, group_epoch(g), act_draw(w, 100), 0, NULL, now, d);
    case 16:
    case 17: return group_make_veto_keys(g, now, d);
    case 18: return group_make_away(g, act_draw(w, 1000), now, d);
    case 19: return group_make_rehome(g, BYTES_LIT("127.0.0.1:4433"), (uint8_t[32]){0}, now, d);
    case 20: return act_draw(w, 3) == 0 ? group_make_withdraw(g, vote, now, d) : ST_DENIED;
    case 21: return act_draw(w, 4) == 0 ? group_make_expire(g, vote, now, d) : ST_DENIED;
    case 22: return goes && act_draw(w, 4) == 0 ? group_make_leave(g, now, d) : ST_DENIED;
    default: return goes && act_draw(w, 4) == 0 ? act_revoke(w, i, now, d) : ST_DENIED;
    }
}

/* A member signs nonsense of any type, or an entry whose body has a wrong byte. */
static inline void act_villain(struct world *w, size_t i)
{
    uint8_t noise[600], back[48] = {0};
    world_random(w, noise, sizeof noise);
    struct entry0 e =
        entry_of(w, i, (uint8_t)act_draw(w, LEDGER_TYPE_END + 1), BYTES(noise, act_draw(w, 600)));
    if (act_draw(w, 3) == 0) noise[0] = (uint8_t)act_draw(w, 4); /* a kind of proposal */
    if (group_wants(w->m[i].g) == w->n) post_entry(w, i, &e, back);
}

#endif
