/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The pen: what the owner wants in the ledger, and what the protocol wants of this member, one
 * entry at a time: made for the present head, saved with the keys that go with it, then appended;
 * whoever loses the race reads what came first and makes it anew. */
#include "node/audit/audit.h"
#include "node/enclave/enclave.h"

#include <stdlib.h>
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
    bytes_wipe(&e->intents[--e->n_intents], sizeof in); /* a choice, or a key */
    free(in.policy);
    bytes_wipe(in.key, sizeof in.key);
    if (in.done != NULL) node_finish(in.done, in.arg, st, text, NULL);
}

enum status enclave_intend(struct enclave *e, const struct intent *i)
{
    if (e->n_intents >= ENCLAVE_INTENTS_MAX) return ST_BUSY;
    struct intent *kept = &e->intents[e->n_intents++];
    *kept = *i;
    if (e->group != NULL) kept->from = ledger_count(group_ledger(e->group));
    e->intents_dirty = true;
    return ST_OK;
}

/* The proposal that an intent is about: by its index, by its knock, or the one that we made. */
static const struct ledger_proposal *proposal_of(const struct enclave *e, const struct intent *i)
{
    const struct ledger *l = group_ledger(e->group);
    if (i->proposal != 0) return ledger_proposal(l, i->proposal);
    for (size_t n = ledger_proposals(l); n-- > 0;) {
        const struct ledger_proposal *p = ledger_proposal_at(l, n);
        if (i->kind == INTENT_PROPOSE && p->kind == PROPOSE_ADD &&
            memcmp(p->reply, i->reply, 32) == 0)
            return p;
        uint8_t kind = i->kind == INTENT_REMOVE ? PROPOSE_REMOVE : PROPOSE_POLICY;
        if (i->kind != INTENT_PROPOSE && p->kind == kind && p->index >= i->from &&
            p->by == group_leaf(e->group))
            return p;
    }
    return NULL;
}

static const struct ledger_voter *own_vote(const struct enclave *e, const struct ledger_proposal *p)
{
    for (size_t i = 0; i < p->n_voters; i++)
        if (p->voters[i].leaf == group_leaf(e->group)) return &p->voters[i];
    return NULL;
}

/* A ballot leaves at a random moment, yes or no alike: when it came says nothing. */
uint64_t enclave_ballot_at_ms(const struct enclave *e, const struct ledger_proposal *p, bool now)
{
    uint64_t most = e->node->options.ballot_ms;
    uint64_t mono = env_mono_ms(e->node->ports.env);
    uint8_t random[8];
    if (now || most == 0 || p->ballot->kind != BALLOT_SECRET) return mono;
    env_random(e->node->ports.env, random, sizeof random);
    return mono + get_u64(random) % most;
}

static bool check_ballot(struct enclave *e, size_t at)
{
    struct intent *i = &e->intents[at];
    const struct ledger_proposal *p = proposal_of(e, i);
    if (p == NULL) {
        end_intent(e, at, ST_NOT_FOUND, "that proposal is no longer there");
        return true;
    }
    const struct ledger_voter *v = own_vote(e, p);
    if (v != NULL && v->cast.choice != BALLOT_NONE) {
        end_intent(e, at, ST_OK, "your vote is in the ledger");
        return true;
    }
    if (p->state != LEDGER_VOTE_OPEN) {
        end_intent(e, at, ST_CONFLICT, "the vote closed before your ballot came");
        return true;
    }
    if (v == NULL) {
        end_intent(e, at, ST_DENIED, "you have no vote on this proposal");
        return true;
    }
    return false;
}

/* What else an intent may have come to. NULL: not yet. */
static const char *fulfilled(const struct enclave *e, const struct intent *i)
{
    const struct ledger *l = group_ledger(e->group);
    const struct ledger_leaf *self = ledger_leaf(l, group_leaf(e->group));
    const struct ledger_leaf *other = ledger_leaf(l, (uint16_t)i->number);
    const struct ledger_proposal *p;
    const struct ledger_sentinel *home = ledger_home(l);
    switch (i->kind) {
    case INTENT_WITHDRAW:
        p = ledger_proposal(l, i->proposal);
        return p == NULL || p->state != LEDGER_VOTE_OPEN ? "the proposal is no longer open" : NULL;
    case INTENT_REKEY: return group_epoch(e->group) > i->number ? "a new epoch has begun" : NULL;
    case INTENT_AWAY:
        return self != NULL && self->last != LEDGER_NEVER && self->last >= i->from &&
                       self->away_ms == i->number
                   ? "the others know"
                   : NULL;
    case INTENT_REVOKE: return other != NULL && !other->member_now ? "revoked" : NULL;
    case INTENT_REHOME:
        return home != NULL && memcmp(home->pin, i->key, 32) == 0 &&
                       strcmp(home->address, i->text) == 0
                   ? "moved"
                   : NULL;
    case INTENT_DIGEST:
        for (size_t k = ledger_digests(l); k-- > 0;)
            if (ledger_digest_at(l, k)->index >= i->from &&
                ledger_digest_at(l, k)->by == group_leaf(e->group))
                return "the audits are summed up";
        return NULL;
    default: return NULL;
    }
}

/* Said is said: the ballot is made at once, and waits for its moment on disk. What cannot be made now
 * is tried again when it is due, and told then. */
static void keep_vote(struct enclave *e, const struct intent *i)
{
    uint8_t random[GROUP_RANDOM];
    struct group_now now;
    enclave_now(e, random, &now);
    if (group_keep_ballot(e->group, i->proposal, i->yes, &now) != ST_OK)
        env_log(e->node->ports.env, ENV_DEBUG, "vote", "a ballot is made later");
    bytes_wipe(random, sizeof random);
}

enum status enclave_intend_vote(struct enclave *e, const struct intent *i)
{
    enum status st = enclave_intend(e, i);
    if (st != ST_OK) return st;
    keep_vote(e, i);
    struct keep_batch b;
    keep_begin(&b, &e->node->keep);
    enclave_put_group(e, &b);
    if (b.n > 0)
        enclave_commit(e, &b, NULL, NULL);
    else
        keep_drop(&b);
    return ST_OK;
}

void enclave_votes_load(struct enclave *e)
{
    const struct ledger *l = group_ledger(e->group);
    for (size_t n = 0; n < ledger_proposals(l); n++) {
        const struct ledger_proposal *p = ledger_proposal_at(l, n);
        bool yes = false;
        if (p->state != LEDGER_VOTE_OPEN || !group_kept_ballot(e->group, p, &yes)) continue;
        const struct ledger_voter *v = own_vote(e, p);
        if (v == NULL || v->cast.choice != BALLOT_NONE) continue;
        struct intent i = {.kind = INTENT_BALLOT,
                           .proposal = p->index,
                           .yes = yes,
                           .at_ms = enclave_ballot_at_ms(e, p, false)};
        if (enclave_intend(e, &i) != ST_OK) return;
    }
}

/* true: the intent was ended or changed, look again. */
static bool check_one(struct enclave *e, size_t at)
{
    struct intent *i = &e->intents[at];
    if (i->kind == INTENT_LEAVE) return false;
    if (i->kind == INTENT_BALLOT) return check_ballot(e, at);
    if (i->kind == INTENT_PROPOSE || i->kind == INTENT_REMOVE || i->kind == INTENT_POLICY) {
        const struct ledger_proposal *p = proposal_of(e, i);
        if (p == NULL) return false;
        i->kind = INTENT_BALLOT;
        i->proposal = p->index;
        i->at_ms = enclave_ballot_at_ms(e, p, i->now);
        keep_vote(e, i); /* saved with the entry that is being taken */
        return true;
    }
    const char *text = fulfilled(e, i);
    if (text == NULL) return false;
    end_intent(e, at, ST_OK, text);
    return true;
}

void enclave_intents_check(struct enclave *e)
{
    for (size_t i = 0; i < e->n_intents;)
        if (!check_one(e, i)) i++;
}

/* ---- making ---- */

/* Somebody without keys for another vote is waited for: it shows new ones when it is there. */
static bool voters_ready(const struct enclave *e, uint8_t kind, const uint16_t *targets, size_t n)
{
    const struct ledger *l = group_ledger(e->group);
    uint16_t voters[LEDGER_MEMBERS_MAX];
    size_t count = ledger_electorate(l, targets, n, voters);
    if (count == 1 || ledger_ballot_kind(l) != BALLOT_SECRET) return true;
    for (size_t i = 0; i < count; i++)
        if (!ledger_can_vote(l, voters[i], kind, group_leaf(e->group))) return false;
    return true;
}

static enum status make_propose(struct enclave *e, const struct intent *i,
                                const struct group_now *now)
{
    if (ledger_current_proposal(group_ledger(e->group)) != NULL) return ST_PENDING;
    if (!voters_ready(e, PROPOSE_ADD, NULL, 0)) return ST_PENDING;
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

static enum status make_remove(struct enclave *e, const struct intent *i,
                               const struct group_now *now)
{
    const struct ledger *l = group_ledger(e->group);
    for (size_t k = 0; k < i->n_targets; k++) {
        const struct ledger_leaf *leaf = ledger_leaf(l, i->targets[k]);
        if (leaf == NULL || !leaf->member_now) return ST_NOT_FOUND;
        if (ledger_removal(l, i->targets[k]) != NULL) return ST_EXISTS;
    }
    if (!voters_ready(e, PROPOSE_REMOVE, i->targets, i->n_targets)) return ST_PENDING;
    return group_make_propose_remove(e->group, i->targets, i->n_targets, bytes_str(i->text), now,
                                     &e->draft);
}

static enum status make_policy(struct enclave *e, const struct intent *i,
                               const struct group_now *now)
{
    if (ledger_current_proposal(group_ledger(e->group)) != NULL) return ST_PENDING;
    if (!voters_ready(e, PROPOSE_POLICY, NULL, 0)) return ST_PENDING;
    struct group_propose_policy a = {.ballot_kind = i->policy->ballot_kind,
                                     .mode = i->policy->mode,
                                     .policy = {i->policy->items, i->policy->n_items},
                                     .sentinels =
                                         BYTES(i->policy->sentinels, i->policy->n_sentinels),
                                     .reason = bytes_str(i->text)};
    return group_make_propose_policy(e->group, &a, now, &e->draft);
}

static enum status make_ballot(struct enclave *e, const struct intent *i,
                               const struct group_now *now)
{
    const struct ledger_proposal *p = ledger_proposal(group_ledger(e->group), i->proposal);
    if (env_mono_ms(e->node->ports.env) < i->at_ms || group_restored(e->group)) return ST_PENDING;
    if (p != NULL && !group_can_ballot(e->group, p)) return ST_LOCKED;
    return group_make_ballot(e->group, i->proposal, i->yes, now, &e->draft);
}

static enum status make_head(struct enclave *e, const struct group_now *now)
{
    uint64_t epoch, n, version = 0;
    uint8_t sig[64];
    if (e->mail == NULL) return ST_DENIED;
    mail_own_next(e->mail, &epoch, &n);
    const struct ledger_leaf *self = ledger_leaf(group_ledger(e->group), group_leaf(e->group));
    bool given, signs = enclave_rehome_sign(e, &version, sig, &given);
    if (!signs && self != NULL && self->head_version > 0) {
        /* A sentinel that shows a false list does not bring us to take our word back. */
        version = self->head_version;
        memcpy(sig, self->head_sig, sizeof sig);
        signs = true;
    }
    return group_make_head(e->group, epoch, n, version, signs ? sig : NULL, now, &e->draft);
}

static enum status make_commit(struct enclave *e, const struct group_now *now)
{
    return group_make_commit(e->group, e->shelf == NULL ? 0 : enclave_files_snap_epoch(e), now,
                             &e->draft);
}

/* ST_PENDING: not now; ST_OK: the draft is made; else the intent cannot be fulfilled. */
static enum status make_intent(struct enclave *e, const struct intent *i,
                               const struct group_now *now)
{
    switch (i->kind) {
    case INTENT_PROPOSE: return make_propose(e, i, now);
    case INTENT_BALLOT: return make_ballot(e, i, now);
    case INTENT_LEAVE: return group_make_leave(e->group, now, &e->draft);
    case INTENT_REMOVE: return make_remove(e, i, now);
    case INTENT_POLICY: return make_policy(e, i, now);
    case INTENT_WITHDRAW: return group_make_withdraw(e->group, i->proposal, now, &e->draft);
    case INTENT_REKEY: return make_commit(e, now);
    case INTENT_AWAY: return group_make_away(e->group, i->number, now, &e->draft);
    case INTENT_REVOKE:
        return group_make_self_revoke(e->group, (uint16_t)i->number, i->key, now, &e->draft);
    case INTENT_REHOME:
        return group_make_rehome(e->group, bytes_str(i->text), i->key, now, &e->draft);
    case INTENT_DIGEST: return enclave_audit_digest(e, (uint32_t)i->number, now, &e->draft);
    }
    return ST_BUG;
}

static const char *words_of(const struct intent *i, enum status st)
{
    if (st == ST_CONFLICT) return "another vote of yours on this proposal was already made";
    if (st == ST_LOCKED)
        return "this machine no longer has the one-time key for this vote (it came back from a "
               "backup): wait until it expires, or have it withdrawn and proposed again";
    if (st == ST_EXISTS) return "a removal of that member is open already";
    if (st == ST_DENIED && i->kind == INTENT_REMOVE)
        return "not possible now: your own removal is open, another removal of yours is, or "
               "several are named who are not all silent (and fewer than half)";
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
            end_intent(e, i, st, words_of(&e->intents[i], st));
    }
    return false;
}

static enum status make_duty(struct enclave *e, const struct group_next *next,
                             const struct group_now *now)
{
    uint8_t revoke[32];
    switch (next->duty) {
    case GROUP_POST_ADD:
    case GROUP_POST_REMOVE:
    case GROUP_POST_POLICY: return group_make_outcome(e->group, next->proposal, now, &e->draft);
    case GROUP_POST_COMMIT: return make_commit(e, now);
    case GROUP_POST_HEAD: return make_head(e, now);
    case GROUP_POST_EXPIRE: return group_make_expire(e->group, next->proposal, now, &e->draft);
    case GROUP_POST_UPDATE: return group_make_update(e->group, now, &e->draft);
    case GROUP_POST_VETO_KEYS: return group_make_veto_keys(e->group, now, &e->draft);
    case GROUP_POST_RENEW:
        enclave_revocation(e, revoke);
        return group_make_renew(e->group, revoke, now, &e->draft);
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
        const struct enclave_feed *f = &e->feeds[FEED_LEDGER];
        if (spot.index > f->head) e->feeds[FEED_LEDGER].head = spot.index;
        if (spot.index < f->seen.count ||
            (spot.index == f->seen.count && memcmp(spot.chain, f->seen.chain, 32) != 0)) {
            /* Not somebody who was quicker: it has lost entries, or has others. */
            again_in(e, PEN_AGAIN_MS);
            enclave_subscribe(e);
        } else {
            enclave_pump(e);
        }
    } else {
        again_in(e, st == ST_BUSY ? PEN_BUSY_MS : PEN_AGAIN_MS);
        /* So is answered whose seat is gone: the answer to ATTACH says it, also to a member that cannot
         * read the REMOVE because it is lost. */
        if (st == ST_DENIED)
            uplink_redial(&e->up, st);
        else if (st != ST_BUSY)
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

/* When our word for a changed seat list is due, by the wall clock. */
static uint64_t head_at(const struct enclave *e, uint64_t wall)
{
    uint64_t mono = env_mono_ms(e->node->ports.env);
    if (e->head_at_ms == 0 || !group_writable(e->group) || !group_in(e->group)) return UINT64_MAX;
    return e->head_at_ms <= mono ? wall : wall + (e->head_at_ms - mono);
}

/* Turns are a habit of clients (protocol.md 6). Who is not at the sentinel is waited for a second
 * only, not a whole place: one member asleep shall not keep a newcomer at the door. Two who both
 * think that it is their turn are sorted out by compare-and-swap. */
static struct group_next next_duty(const struct enclave *e, uint64_t wall)
{
    struct group_next next = group_next(e->group, wall);
    uint64_t head = head_at(e, wall);
    if (head < next.at_ms) return (struct group_next){GROUP_POST_HEAD, head, LEDGER_NEVER, 0};
    if (next.duty == GROUP_NOTHING || next.place == 0 || e->peers == NULL ||
        next.at_ms > wall + (uint64_t)next.place * LEDGER_TURN_MS)
        return next;
    const struct ledger *l = group_ledger(e->group);
    const struct ledger_proposal *p = ledger_proposal(l, next.proposal);
    uint16_t before = 0;
    for (size_t i = 0; i < ledger_leaves(l); i++) {
        uint16_t leaf = ledger_leaf(l, (uint16_t)i)->leaf;
        uint16_t place = p == NULL                        ? ledger_turn(l, leaf)
                         : next.duty == GROUP_POST_EXPIRE ? ledger_turn_expire(l, leaf)
                                                          : ledger_turn_outcome(l, p, leaf);
        if (place < next.place && peers_path(e->peers, leaf) == PEERS_OFFLINE) before++;
    }
    next.at_ms -= before * (uint64_t)(LEDGER_TURN_MS - PEN_ABSENT_MS);
    return next;
}

/* Who lost the thread may write one thing: its RENEW. */
static bool may_write(const struct enclave *e)
{
    return group_writable(e->group) || group_next(e->group, 0).duty == GROUP_POST_RENEW;
}

/* When the next ballot leaves that waits for its moment. */
static uint64_t ballots_ms(const struct enclave *e)
{
    uint64_t at = UINT64_MAX;
    for (size_t i = 0; i < e->n_intents; i++)
        if (e->intents[i].kind == INTENT_BALLOT && e->intents[i].at_ms < at)
            at = e->intents[i].at_ms;
    return group_restored(e->group) ? UINT64_MAX : at;
}

void enclave_write(struct enclave *e)
{
    uint64_t wall = env_wall_ms(e->node->ports.env);
    if (e->posting || e->removed || e->halted || e->group == NULL || !e->subscribed) return;
    for (uint8_t f = 0; f < FEEDS; f++) /* a COMMIT states how far the other feeds are seen */
        if (!enclave_synced(e, f)) return;
    if (!may_write(e) || env_mono_ms(e->node->ports.env) < e->post_again_ms) return;
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
    if (e->posting || e->group == NULL || !e->subscribed || e->halted || !may_write(e))
        return UINT64_MAX;
    for (uint8_t f = 0; f < FEEDS; f++)
        if (!enclave_synced(e, f)) return UINT64_MAX;
    uint64_t mono = env_mono_ms(e->node->ports.env), wall = env_wall_ms(e->node->ports.env);
    struct group_next next = next_duty(e, wall);
    uint64_t at = UINT64_MAX;
    if (next.duty != GROUP_NOTHING) at = next.at_ms <= wall ? mono : mono + (next.at_ms - wall);
    if (e->intents_dirty) at = mono;
    uint64_t ballot = ballots_ms(e);
    if (ballot < at) at = ballot < mono ? mono : ballot;
    return at < e->post_again_ms ? e->post_again_ms : at;
}
