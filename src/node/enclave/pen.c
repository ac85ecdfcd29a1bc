/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The pen: what the owner wants in the ledger, and what the protocol wants of this member, one
 * entry at a time: made for the present head, saved with the keys that go with it, then appended;
 * whoever loses the race reads what came first and makes it anew. */
#include "node/enclave/enclave.h"

#include <string.h>

#define PEN_BUSY_MS 2000
#define PEN_AGAIN_MS 5000
#define PEN_ABSENT_MS 1000 /* a place in the order of turns, of a member who is away */

static void drop_draft(struct enclave *e)
{
    buf_free(&e->draft.sealed);
    e->posting = e->post_ready = false;
}

static void again_in(struct enclave *e, uint64_t ms)
{
    e->post_again_ms = env_mono_ms(e->node->ports.env) + ms;
}

static void end_intent(struct enclave *e, size_t i, enum status st, const char *text)
{
    struct intent in = e->intents[i];
    memmove(&e->intents[i], &e->intents[i + 1], (e->n_intents - i - 1) * sizeof in);
    e->n_intents--;
    if (in.done != NULL) node_finish(in.done, in.arg, st, text, NULL);
}

enum status enclave_intend(struct enclave *e, const struct intent *i)
{
    if (e->n_intents >= ENCLAVE_INTENTS_MAX) return ST_BUSY;
    e->intents[e->n_intents++] = *i;
    e->intents_dirty = true;
    return ST_OK;
}

static const struct ledger_proposal *proposal_of(const struct enclave *e, const struct intent *i)
{
    const struct ledger *l = group_ledger(e->group);
    if (i->proposal != 0) return ledger_proposal(l, i->proposal);
    for (size_t n = ledger_proposals(l); n-- > 0;) {
        const struct ledger_proposal *p = ledger_proposal_at(l, n);
        if (memcmp(p->reply, i->reply, 32) == 0) return p;
    }
    return NULL;
}

static const struct ledger_voter *own_vote(const struct enclave *e, const struct ledger_proposal *p)
{
    for (size_t i = 0; i < p->n_voters; i++)
        if (p->voters[i].leaf == group_leaf(e->group)) return &p->voters[i];
    return NULL;
}

/* true: the intent was ended or changed, look again. */
static bool check_one(struct enclave *e, size_t at)
{
    struct intent *i = &e->intents[at];
    if (i->kind == INTENT_LEAVE) return false;
    const struct ledger_proposal *p = proposal_of(e, i);
    if (i->kind == INTENT_PROPOSE) {
        if (p == NULL) return false;
        i->kind = INTENT_BALLOT;
        i->proposal = p->index;
        return true;
    }
    if (p == NULL) {
        end_intent(e, at, ST_NOT_FOUND, "that proposal is no longer there");
        return true;
    }
    const struct ledger_voter *v = own_vote(e, p);
    if (v != NULL && v->choice != BALLOT_NONE) {
        end_intent(e, at, ST_OK, "your vote is in the ledger");
        return true;
    }
    if (p->state != LEDGER_VOTE_OPEN) {
        end_intent(e, at, ST_CONFLICT, "the vote closed before your ballot came");
        return true;
    }
    if (v == NULL) {
        end_intent(e, at, ST_DENIED, "you were no member when this was proposed");
        return true;
    }
    return false;
}

void enclave_intents_check(struct enclave *e)
{
    for (size_t i = 0; i < e->n_intents;)
        if (!check_one(e, i)) i++;
}

/* ---- making ---- */

static enum status make_propose(struct enclave *e, const struct intent *i,
                                const struct group_now *now)
{
    if (ledger_current_proposal(group_ledger(e->group)) != NULL) return ST_PENDING;
    struct enclave_knock *k = enclave_knock_find(e, i->reply);
    if (k == NULL) return ST_NOT_FOUND;
    uint8_t hash[32];
    enum status st = invitation_hash(&k->door->invitation, hash);
    if (st != ST_OK) return st;
    struct group_propose a = {.compared = i->compared,
                              .door = k->door->token_hash,
                              .reply = k->reply,
                              .invitation = hash,
                              .knock = buf_view(&k->plain),
                              .record = buf_view(&k->door->record)};
    return group_make_propose(e->group, &a, now, &e->draft);
}

/* ST_PENDING: not now; ST_OK: the draft is made; else the intent cannot be fulfilled. */
static enum status make_intent(struct enclave *e, const struct intent *i,
                               const struct group_now *now)
{
    switch (i->kind) {
    case INTENT_PROPOSE: return make_propose(e, i, now);
    case INTENT_BALLOT: return group_make_ballot(e->group, i->proposal, i->yes, now, &e->draft);
    case INTENT_LEAVE: return group_make_leave(e->group, now, &e->draft);
    }
    return ST_BUG;
}

static const char *words_of(enum status st)
{
    if (st == ST_CONFLICT) return "another vote of yours on this proposal was already made";
    if (st == ST_DENIED) return "not possible now: this member is not in, or the vote is over";
    return status_text(st);
}

static bool make_from_intents(struct enclave *e, const struct group_now *now)
{
    for (size_t i = 0; i < e->n_intents;) {
        enum status st = make_intent(e, &e->intents[i], now);
        if (st == ST_OK) return true;
        if (st == ST_PENDING)
            i++;
        else if (e->intents[i].kind == INTENT_LEAVE)
            return false;
        else
            end_intent(e, i, st, words_of(st));
    }
    return false;
}

static enum status make_duty(struct enclave *e, const struct group_next *next,
                             const struct group_now *now)
{
    uint64_t epoch, n;
    switch (next->duty) {
    case GROUP_POST_ADD: return group_make_add(e->group, now, &e->draft);
    case GROUP_POST_COMMIT:
        return group_make_commit(e->group, e->shelf == NULL ? 0 : enclave_files_snap_epoch(e), now,
                                 &e->draft);
    case GROUP_POST_HEAD:
        if (e->mail == NULL) return ST_DENIED;
        mail_own_next(e->mail, &epoch, &n);
        return group_make_head(e->group, epoch, n, now, &e->draft);
    case GROUP_POST_EXPIRE: return group_make_expire(e->group, next->proposal, now, &e->draft);
    case GROUP_POST_UPDATE: return group_make_update(e->group, now, &e->draft);
    case GROUP_NOTHING: break;
    }
    return ST_DENIED;
}

/* ---- sending ---- */

static void on_appended(void *arg, enum status st, struct bytes body)
{
    struct enclave *e = arg;
    struct room_spot spot = {0};
    struct buf sealed = e->draft.sealed; /* kept until it was taken */
    e->draft.sealed = BUF_INIT;
    drop_draft(e);
    if (!e->removed && (st == ST_OK || st == ST_CONFLICT) &&
        fields_decode(&room_spot_fields, body, &spot) != ST_OK)
        st = ST_BAD_MESSAGE;
    if (e->removed || st == ST_CLOSED) {
        buf_free(&sealed);
        return;
    }
    if (st == ST_OK) {
        enclave_appended(e, FEED_LEDGER, spot.index, buf_view(&sealed));
    } else if (st == ST_CONFLICT) {
        if (spot.index > e->feeds[FEED_LEDGER].head) e->feeds[FEED_LEDGER].head = spot.index;
        enclave_pump(e);
    } else {
        again_in(e, st == ST_BUSY ? PEN_BUSY_MS : PEN_AGAIN_MS);
        if (st != ST_BUSY)
            enclave_trouble(e, "the sentinel does not take an entry for the ledger: %s",
                            status_text(st));
    }
    buf_free(&sealed);
}

static void on_saved(void *arg, enum status st)
{
    struct enclave *e = arg;
    if (e->removed || !e->posting) return;
    /* What came meanwhile makes the draft stale. */
    bool stale = !e->attached || e->draft.index != e->feeds[FEED_LEDGER].seen.count;
    if (st != ST_OK || stale ||
        enclave_append(e, FEED_LEDGER, true, e->draft.index, e->draft.chain,
                       buf_view(&e->draft.sealed), on_appended, e) != ST_OK) {
        drop_draft(e);
        if (st == ST_OK) enclave_write(e);
        return;
    }
    e->post_ready = true;
}

/* Turns are a habit of clients (protocol.md 6). Who is not at the sentinel is waited for a second
 * only, not a whole place: one member asleep shall not keep a newcomer at the door. Two who both
 * think that it is their turn are sorted out by compare-and-swap. */
static struct group_next next_duty(const struct enclave *e, uint64_t wall)
{
    struct group_next next = group_next(e->group, wall, e->used);
    if (next.duty == GROUP_NOTHING || next.place == 0 || e->peers == NULL ||
        next.at_ms > wall + (uint64_t)next.place * LEDGER_TURN_MS)
        return next;
    const struct ledger *l = group_ledger(e->group);
    uint16_t before = 0;
    for (size_t i = 0; i < ledger_leaves(l); i++) {
        uint16_t leaf = ledger_leaf(l, (uint16_t)i)->leaf;
        uint16_t place =
            next.duty == GROUP_POST_ADD ? ledger_turn_add(l, leaf) : ledger_turn(l, leaf);
        if (place < next.place && peers_path(e->peers, leaf) == PEERS_OFFLINE) before++;
    }
    next.at_ms -= before * (uint64_t)(LEDGER_TURN_MS - PEN_ABSENT_MS);
    return next;
}

void enclave_write(struct enclave *e)
{
    uint64_t wall = env_wall_ms(e->node->ports.env);
    if (e->posting || e->removed || e->halted || e->group == NULL || !e->subscribed) return;
    for (uint8_t f = 0; f < FEEDS; f++) /* a COMMIT states how far the other feeds are seen */
        if (!enclave_synced(e, f)) return;
    if (!group_writable(e->group) || env_mono_ms(e->node->ports.env) < e->post_again_ms) return;
    uint8_t random[GROUP_RANDOM];
    struct group_now now;
    enclave_now(e, random, &now);
    e->draft = (struct group_draft){.sealed = BUF_INIT};
    bool made = make_from_intents(e, &now);
    if (!made) {
        struct group_next next = next_duty(e, wall);
        if (next.duty != GROUP_NOTHING && next.at_ms <= wall) {
            enum status st = make_duty(e, &next, &now);
            made = st == ST_OK;
            if (!made) {
                env_log(e->node->ports.env, ENV_WARN, "ledger", "duty %d not done: %s",
                        (int)next.duty, status_text(st));
                again_in(e, PEN_AGAIN_MS);
            }
        }
    }
    bytes_wipe(random, sizeof random);
    if (!made) return;
    e->posting = true;
    e->post_ready = false;
    struct keep_batch b;
    keep_begin(&b, &e->node->keep);
    enclave_put_group(e, &b);
    enclave_commit(e, &b, on_saved, e);
}

uint64_t enclave_write_ms(const struct enclave *e)
{
    if (e->posting || e->group == NULL || !e->subscribed || e->halted || !group_writable(e->group))
        return UINT64_MAX;
    for (uint8_t f = 0; f < FEEDS; f++)
        if (!enclave_synced(e, f)) return UINT64_MAX;
    uint64_t mono = env_mono_ms(e->node->ports.env), wall = env_wall_ms(e->node->ports.env);
    struct group_next next = next_duty(e, wall);
    uint64_t at = UINT64_MAX;
    if (next.duty != GROUP_NOTHING) at = next.at_ms <= wall ? mono : mono + (next.at_ms - wall);
    if (e->intents_dirty) at = mono;
    return at < e->post_again_ms ? e->post_again_ms : at;
}
