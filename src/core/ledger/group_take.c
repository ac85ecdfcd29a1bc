/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Reading feed 0: each sealed entry once, in order; what it changed is told by events. */
#include "core/ledger/group_state.h"

#include "crypto/secret.h"

#include <stdlib.h>
#include <string.h>

#define EVENTS_AN_ENTRY (GROUP_CLOCKS_MAX + 8) /* a change of the roster ends every vote */
#define ROOM_FOR_ONE PAD_MAX                   /* no stored entry is larger */

void group_listen(struct group *g, group_listener *listener, void *arg)
{
    g->listener = listener;
    g->listener_arg = arg;
}

uint64_t group_wants(const struct group *g)
{
    return g->phase == GROUP_WALKING ? g->n_heads : ledger_count(g->ledger);
}

struct seen group_seen(const struct group *g)
{
    struct seen s = {.count = ledger_count(g->ledger)};
    memcpy(s.chain, ledger_chain(g->ledger), 32);
    return s;
}

static enum status room_for_events(struct group *g)
{
    if (g->next_event == g->n_events) g->next_event = g->n_events = 0;
    if (g->n_events + EVENTS_AN_ENTRY > GROUP_EVENTS_MAX) return ST_BUSY;
    if (g->n_events + EVENTS_AN_ENTRY <= g->events_cap) return ST_OK;
    size_t cap = g->events_cap * 2 + EVENTS_AN_ENTRY * 4;
    struct group_event *p = realloc(g->events, cap * sizeof *p);
    if (p == NULL) return ST_NO_MEMORY;
    g->events = p;
    g->events_cap = cap;
    return ST_OK;
}

/* ---- a newcomer reads history: first what stands outside the seals, then the rest ---- */

static enum status walk(struct group *g)
{
    size_t n = (size_t)g->add_epoch + 1;
    uint8_t *keys = NULL;
    uint64_t *commits = NULL;
    enum status st = ST_INTEGRITY;
    if (g->add_epoch >= g->n_heads) goto out; /* every epoch takes an entry */
    keys = secret_new(n * 32);
    commits = calloc(n, sizeof *commits);
    st = ST_NO_MEMORY;
    if (keys == NULL || commits == NULL) goto out;
    TRY(walk_back(g->room, g->heads, g->n_heads, g->add_epoch, g->add_log, keys, commits));
    TRY(group_rows(g, n));
    g->n_rows = n; /* a renewed member may have had more, of its own */
    for (size_t e = 0; e < n; e++) {
        struct group_row *row = &g->rows[e];
        /* What a renewed member held of the same epoch stays; of a private one it was led into, not. */
        if (memcmp(row->log, keys + e * 32, 32) != 0) bytes_wipe(row, sizeof *row);
        row->flags |= GROUP_ROW_LOG;
        memcpy(row->log, keys + e * 32, 32);
    }
    g->phase = GROUP_LIVE;
    g->dirty = true;
out:
    secret_free(keys);
    free(commits);
    return st;
}

static enum status keep_history(struct group *g, struct bytes sealed)
{
    enum status st =
        ledger_room_for((void **)&g->heads, sizeof *g->heads, g->n_heads, &g->heads_cap);
    if (st == ST_OK)
        st = ledger_room_for((void **)&g->sizes, sizeof *g->sizes, g->n_heads, &g->sizes_cap);
    if (st == ST_OK && sealed.n > ROOM_FOR_ONE) st = ST_TOO_BIG;
    if (st != ST_OK) return st;
    buf_bytes(&g->history, sealed);
    st = buf_status(&g->history);
    if (st != ST_OK) return st;
    struct entry0_envelope *head = &g->heads[g->n_heads];
    if (entry0_envelope(sealed, head) != ST_OK) {
        memset(head, 0, sizeof *head);
        head->epoch = UINT64_MAX;
    }
    chain_step(g->walk_chain, sealed, g->walk_chain);
    g->sizes[g->n_heads++] = (uint32_t)sealed.n;
    return ST_OK;
}

static enum status take_next(struct group *g, struct bytes sealed, uint64_t now_ms);

/* The keys are there: now each entry is opened and judged, from GENESIS to our ADD. */
static enum status read_history(struct group *g, uint64_t now_ms)
{
    enum status st = ST_OK;
    size_t at = 0;
    for (size_t i = 0; i < g->n_heads && st == ST_OK; i++) {
        st = take_next(g, BYTES(g->history.p + at, g->sizes[i]), now_ms);
        at += g->sizes[i];
    }
    return st;
}

static void drop_history(struct group *g)
{
    free(g->heads);
    free(g->sizes);
    g->heads = NULL;
    g->sizes = NULL;
    buf_free(&g->history);
}

static enum status take_history(struct group *g, uint64_t index, struct bytes sealed,
                                uint64_t now_ms)
{
    if (index < g->n_heads) return ST_OK;
    if (index != g->n_heads) return ST_CONFLICT;
    if (index > g->add_index) return ST_INTEGRITY; /* the walk failed before */
    enum status st = keep_history(g, sealed);
    if (st != ST_OK || index < g->add_index) return st;
    if (memcmp(g->walk_chain, g->add_chain, 32) != 0) {
        group_stop(g, g->n_heads, g->add_chain, g->walk_chain);
        return ST_FORK;
    }
    st = walk(g);
    if (st != ST_OK) return st;
    st = read_history(g, now_ms);
    drop_history(g);
    return st;
}

/* ---- events of a taken entry ---- */

/* The proof of a fork: their signed entry, and our own signed word about the same place. */
static void keep_statement(struct group *g, const struct entry0 *theirs)
{
    uint8_t body[sizeof(uint64_t) * 3 + 64] = {0};
    struct seen unseen[3] = {chain_unseen(g->room, 1), chain_unseen(g->room, 2),
                             chain_unseen(g->room, 3)};
    struct entry0 e = {.index = theirs->index,
                       .epoch = ledger_epoch(g->ledger),
                       .rules = LEDGER_RULES,
                       .type = LEDGER_HEAD,
                       .time_ms = theirs->time_ms,
                       .body = BYTES_OF(body)};
    if (g->proof.n > 0 || g->leaf == LEDGER_NOBODY) return;
    entry0_set_seen(&e, unseen);
    memcpy(e.prev_chain, ledger_chain_at(g->ledger, theirs->index), 32);
    memcpy(e.actor, g->id, 32);
    entry0_sign(&e, g->enclave_id, g->secrets->id_seed);
    if (proof_make(g->enclave_id, &e, theirs, &g->proof) != ST_OK) buf_clear(&g->proof);
    g->dirty = true;
}

/* A sealed entry as far as it can be read: by the log key of the epoch it names. */
static enum status open_entry(const struct group *g, struct bytes sealed, uint64_t index,
                              struct buf *plain, struct entry0 *ret)
{
    struct entry0_envelope envelope;
    enum status st = entry0_envelope(sealed, &envelope);
    if (st != ST_OK) return st;
    const struct group_row *row = group_row(g, envelope.epoch, GROUP_ROW_LOG);
    if (row == NULL) return ST_NOT_FOUND;
    st = entry0_open(sealed, g->room, row->log, index, plain);
    return st == ST_OK ? entry0_split(buf_view(plain), ret) : st;
}

enum status group_prove(struct group *g, uint64_t index, struct bytes mine, struct bytes theirs)
{
    struct buf a = BUF_INIT, b = BUF_INIT;
    struct entry0 one, other;
    struct proof_view view;
    enum status st = ST_EXISTS;
    if (g->proof.n > 0) goto out;
    TRY(open_entry(g, mine, index, &a, &one));
    TRY(open_entry(g, theirs, index, &b, &other));
    st = ST_UNTRUSTED;
    if (ledger_by_id(g->ledger, one.actor) == NULL || ledger_by_id(g->ledger, other.actor) == NULL)
        goto out;
    TRY(proof_make(g->enclave_id, &one, &other, &g->proof));
    st = proof_check(buf_view(&g->proof), &view);
    if (st != ST_OK) buf_clear(&g->proof);
    g->dirty = true;
out:
    buf_free(&a);
    buf_free(&b);
    return st;
}

static void emit_void(struct group *g, const struct ledger_judged *j, const struct group_commit *c)
{
    const struct ledger_verdict *v = &j->verdict;
    if (g->out) return;
    bool commit = v->type == LEDGER_COMMIT && v->author != LEDGER_NOBODY && !v->other_history;
    struct group_event *ev = group_emit(g, commit ? GROUP_BAD_COMMIT : GROUP_VOID, j->index);
    ev->leaf = v->author;
    ev->reason = v->reason;
    ev->time_ms = j->entry.time_ms;
    ev->fault = c->fault;
    if (v->other_history) {
        struct seen mine = group_seen(g), theirs = {.count = j->index};
        mine.count = j->index;
        memcpy(mine.chain, ledger_chain_at(g->ledger, j->index), 32);
        memcpy(theirs.chain, j->entry.prev_chain, 32);
        group_emit_fork(g, j->index, v->author, &mine, &theirs);
        keep_statement(g, &j->entry);
    }
}

static struct group_event *emit_by(struct group *g, enum group_event_type type,
                                   const struct ledger_judged *j)
{
    struct group_event *ev = group_emit(g, type, j->index);
    ev->leaf = j->verdict.author;
    ev->time_ms = j->entry.time_ms;
    return ev;
}

/* The votes that were open before the entry and no longer are. */
static void emit_closed(struct group *g, const struct ledger_judged *j)
{
    for (size_t i = 0; i < g->n_clocks; i++) {
        const struct ledger_proposal *p = ledger_proposal(g->ledger, g->clocks[i].index);
        if (p == NULL || p->closed != j->index) continue;
        struct group_event *ev = emit_by(g, GROUP_CLOSED, j);
        ev->proposal = p->index;
        ev->vote = p->state;
    }
}

static void emit_ballot(struct group *g, const struct ledger_judged *j)
{
    const struct ledger_proposal *p = ledger_proposal(g->ledger, j->body.ballot.proposal);
    struct group_event *ev = emit_by(g, GROUP_BALLOTED, j);
    ev->proposal = j->body.ballot.proposal;
    for (size_t i = 0; p != NULL && i < p->n_voters; i++)
        if (p->voters[i].leaf == j->verdict.author) ev->choice = p->voters[i].cast.choice;
}

static void emit_gone(struct group *g, const struct ledger_judged *j, uint16_t leaf)
{
    emit_by(g, GROUP_REMOVED, j)->leaf = leaf;
    if (leaf == g->leaf) (void)emit_by(g, GROUP_OUT, j);
    if (ledger_ended(g->ledger)) (void)emit_by(g, GROUP_ENDED, j);
}

static void emit_removed(struct group *g, const struct ledger_judged *j)
{
    const struct ledger_proposal *p = ledger_proposal(g->ledger, j->body.outcome.proposal);
    for (size_t i = 0; p != NULL && i < p->n_targets; i++)
        if (ledger_leaf(g->ledger, p->targets[i])->left == j->index) emit_gone(g, j, p->targets[i]);
}

static void emit_valid(struct group *g, const struct ledger_judged *j, bool was_in)
{
    struct group_event *ev;
    switch (j->entry.type) {
    case LEDGER_GENESIS:
        (void)emit_by(g, GROUP_BEGUN, j)->leaf;
        if (group_row(g, 0, GROUP_ROW_ALL) != NULL) {
            ev = emit_by(g, GROUP_EPOCH, j);
            ev->epoch = 0;
        }
        break;
    case LEDGER_PROPOSE: emit_by(g, GROUP_PROPOSED, j)->proposal = j->index; break;
    case LEDGER_BALLOT: emit_ballot(g, j); break;
    case LEDGER_ADD:
        ev = emit_by(g, GROUP_ADDED, j);
        ev->proposal = j->body.outcome.proposal;
        ev->leaf = (uint16_t)(ledger_leaves(g->ledger) - 1);
        break;
    case LEDGER_LEAVE:
        (void)emit_by(g, GROUP_LEFT, j);
        if (j->verdict.author == g->leaf) (void)emit_by(g, GROUP_OUT, j);
        if (ledger_ended(g->ledger)) (void)emit_by(g, GROUP_ENDED, j);
        break;
    case LEDGER_REMOVE: emit_removed(g, j); break;
    case LEDGER_SELF_REVOKE: emit_gone(g, j, j->body.self_revoke.leaf); break;
    case LEDGER_POLICY: emit_by(g, GROUP_POLICED, j)->proposal = j->body.outcome.proposal; break;
    case LEDGER_RENEW: (void)emit_by(g, GROUP_RENEWED, j); break;
    case LEDGER_AWAY: (void)emit_by(g, GROUP_AWAY, j); break;
    case LEDGER_REHOME: (void)emit_by(g, GROUP_REHOMED, j); break;
    case LEDGER_UPDATE: (void)emit_by(g, GROUP_UPDATED, j); break;
    case LEDGER_COMMIT:
        (void)emit_by(g, GROUP_EPOCH, j);
        if (!was_in && group_in(g)) (void)emit_by(g, GROUP_IN, j);
        break;
    case LEDGER_HEAD:
        ev = emit_by(g, GROUP_HEAD, j);
        ev->epoch = j->body.head.epoch;
        ev->next = j->body.head.next;
        ev->seen_mail = j->entry.seen1_count;
        break;
    default: break; /* EXPIRE, WITHDRAW: the closing says it */
    }
}

/* ---- what an entry changes in us ---- */

/* By the key and not only by its number: another secret under it would turn a yes into a veto. */
static bool known_veto(const struct group *g)
{
    const struct ledger_stock *s = &ledger_leaf(g->ledger, g->leaf)->stock;
    uint8_t x[VETO_POINT];
    const struct group_veto *v = s->n == 0 ? NULL : group_veto_find(g, s->serial[s->n - 1]);
    if (v == NULL) return false;
    veto_key_public(v->x, x);
    return memcmp(x, s->x[s->n - 1], VETO_POINT) == 0;
}

/* Does this disk know that we wrote this entry? Each of these leaves something behind before it goes
 * out: the secret of a key, or the body of a ballot. */
static bool known_own(const struct group *g, const struct ledger_judged *j)
{
    switch (j->entry.type) {
    case LEDGER_COMMIT: return group_kem_seed(g, j->body.commit.kem_pk) != NULL;
    case LEDGER_UPDATE: return group_kem_seed(g, j->body.update.kem_pk) != NULL;
    case LEDGER_RENEW: return group_kem_seed(g, j->body.renew.kem_pk) != NULL;
    case LEDGER_VETO_KEYS: return known_veto(g);
    case LEDGER_BALLOT:
        for (size_t i = 0; i < g->n_ballots; i++)
            if (memcmp(g->ballots[i].hash, j->body.ballot.hash, 32) == 0) return true;
        return false;
    default: return true;
    }
}

/* An entry of our own leaf that this disk does not know: we came back from an older backup. */
static void notice_restored(struct group *g, const struct ledger_judged *j)
{
    if (j->verdict.author != g->leaf || known_own(g, j)) return;
    group_note_restored(g);
}

/* What lies behind an own entry that has arrived is no longer needed. */
static void settle_own(struct group *g, const struct ledger_judged *j)
{
    if (j->verdict.author != g->leaf) return;
    if (j->entry.type == LEDGER_BALLOT) group_ballot_landed(g, j->body.ballot.hash);
    if (j->entry.type == LEDGER_VETO_KEYS && known_veto(g)) {
        bytes_wipe(g->secrets->veto_seed, sizeof g->secrets->veto_seed);
        g->veto_from = UINT32_MAX;
        if (j->body.veto_keys.dead != 0) g->veto_dead = false;
        g->dirty = true;
    }
}

void group_note_copied(struct group *g)
{
    /* A later epoch that one of these keys opens may have been spoken in, too, by who went on. */
    for (size_t i = 0; i < g->n_seeds; i++) g->secrets->seeds[i].stale = true;
    g->restored = g->dirty = true;
    group_veto_kill(g); /* who knows what was signed with them */
}

void group_note_restored(struct group *g)
{
    if (g->restored) return;
    (void)group_emit(g, GROUP_RESTORED, ledger_count(g->ledger));
    group_note_copied(g);
}

/* After a COMMIT our key in the ledger is one that we made since: nobody spoke in this epoch before,
 * whatever is kept from us. The restore is over. */
static void settle_restored(struct group *g)
{
    const struct ledger_leaf *self = ledger_leaf(g->ledger, g->leaf);
    if (!g->restored || self == NULL || !group_kem_is_fresh(g, self->kem_pk)) return;
    g->restored = false;
    g->dirty = true;
}

/* protocol.md 6: who cannot open its own wrap stays and reads on; two entries of the next epoch
 * tell that the others went on without us, one that opens here tells that they did not. */
static void watch_shut_out(struct group *g, const struct ledger_judged *j, uint64_t envelope_epoch,
                           const struct group_commit *c)
{
    bool lost = false;
    if (j->verdict.valid && j->entry.type == LEDGER_RENEW) return; /* readable from every epoch */
    if (j->verdict.valid) {
        g->shut_out = g->lost = false;
        g->strange = 0;
    } else if (c->own_wrap) {
        g->shut_out = true;
        g->strange = 0;
        /* It was wrapped to a key of ours that this disk does not know: the others went on. A COMMIT
         * of our own now would lead into an epoch where nobody else is. */
        lost = c->no_key;
    } else if (g->shut_out && envelope_epoch == ledger_epoch(g->ledger) + 1) {
        lost = ++g->strange == 2;
    }
    if (!lost || g->lost) return;
    g->lost = g->dirty = true;
    if (!group_quiet(g, j->index)) (void)group_emit(g, GROUP_LOST, j->index);
}

/* Either who let us in lies or who says so: nothing is written where perhaps only one reads. */
static void watch_dispute(struct group *g, uint64_t index, struct bytes sealed, uint64_t epoch)
{
    uint16_t author = LEDGER_NOBODY;
    if (g->forked || epoch + 1 != ledger_epoch(g->ledger)) return;
    if (!group_commit_disputed(g, index, sealed, &author)) return;
    uint64_t at = ledger_epoch_index(g->ledger, epoch + 1) + 1;
    g->forked = g->dirty = true;
    g->fork_mine.count = at;
    memcpy(g->fork_mine.chain, ledger_chain_at(g->ledger, at), 32);
    g->fork_theirs = group_seen(g);
    if (!group_quiet(g, index)) group_emit_fork(g, index, author, &g->fork_mine, &g->fork_theirs);
}

/* A vote is over: a ballot of ours that never arrived, and the key for it, are kept no longer. */
static void forget_vote(struct group *g, const struct ledger_proposal *p)
{
    group_ballot_landed(g, p->hash);
    if (p->ballot->kind != BALLOT_SECRET) return;
    for (size_t i = 0; i < p->n_voters; i++) {
        if (p->voters[i].leaf != g->leaf) continue;
        struct group_veto *key = group_veto_find(g, p->voters[i].serial);
        if (key != NULL) group_veto_drop(g, key);
    }
}

/* Which votes there are, since when, and since when they wait for their outcome. */
static void watch_votes(struct group *g, const struct ledger_judged *j, uint64_t now_ms)
{
    if (j->index < g->saved_count) return; /* the saved ones speak of what came later */
    for (size_t i = 0; i < g->n_clocks;) {
        struct group_clock *c = &g->clocks[i];
        const struct ledger_proposal *p = ledger_proposal(g->ledger, c->index);
        if (p != NULL && p->state == LEDGER_VOTE_PASSED && c->passed_ms == 0) c->passed_ms = now_ms;
        if (p != NULL && ledger_is_current(p)) {
            i++;
            continue;
        }
        if (p != NULL) forget_vote(g, p);
        g->n_clocks--;
        memmove(c, c + 1, (g->n_clocks - i) * sizeof *c);
    }
    if (j->verdict.valid && j->entry.type == LEDGER_PROPOSE && g->n_clocks < GROUP_CLOCKS_MAX)
        g->clocks[g->n_clocks++] = (struct group_clock){j->index, now_ms, 0};
}

/* So far apart that the oldest is older than GROUP_CONFIRM_MS, however often we speak. */
static void mark(struct group *g, uint64_t now_ms)
{
    uint64_t last = g->marks[0].count > 0 ? g->marks[0].ms : 0;
    if (last <= now_ms && now_ms - last < GROUP_CONFIRM_MS / (GROUP_MARKS - 1)) return;
    memmove(&g->marks[1], &g->marks[0], (GROUP_MARKS - 1) * sizeof g->marks[0]);
    g->marks[0].count = ledger_count(g->ledger);
    g->marks[0].ms = now_ms;
}

static void watch_clocks(struct group *g, const struct ledger_judged *j, uint64_t now_ms)
{
    uint8_t chain[32];
    uint64_t base = ledger_due_base(g->ledger, chain);
    if (base != g->due_base) {
        g->due_base = base;
        g->due_ms = now_ms;
    }
    if (j->index < g->saved_count) return; /* what follows was saved */
    if (j->verdict.valid && j->verdict.author == g->leaf && j->entry.type == LEDGER_HEAD) {
        g->head_ms = now_ms;
        if (g->used) mark(g, now_ms);
        g->dirty = true;
    }
}

static void after_commit(struct group *g, const struct group_commit *c, uint64_t now_ms)
{
    if (c->install) {
        if (g->head_ms == 0) g->head_ms = now_ms;
        group_commit_install(g, c, now_ms);
    }
    /* Epochs that a renewed member reads over again say nothing of the keys that it holds now. */
    bool past = g->renewed && ledger_count(g->ledger) <= g->add_index;
    if (ledger_count(g->ledger) > g->saved_count && !past) {
        group_seeds_turn(g);
        settle_restored(g);
    }
}

/* What must hold once history is read as far as we knew it. */
static enum status check_history(struct group *g, uint64_t index)
{
    const struct ledger *l = g->ledger;
    if (index == 0 && !ledger_started(l)) return ST_INTEGRITY;
    if (g->joined && index == g->add_index) {
        if (memcmp(ledger_chain(l), g->add_chain, 32) != 0) return ST_FORK;
        if (ledger_epoch(l) != g->add_epoch || g->leaf == LEDGER_NOBODY) return ST_INTEGRITY;
        const struct ledger_leaf *self = ledger_leaf(l, g->leaf);
        if (g->renewed ? !self->renewed || self->renewed_at != index : self->added != index)
            return ST_INTEGRITY;
    }
    if (index + 1 == g->saved_count) {
        if (memcmp(ledger_chain(l), g->saved_chain, 32) != 0) {
            group_stop(g, g->saved_count, g->saved_chain, ledger_chain(l));
            return ST_FORK;
        }
        if (ledger_epoch(l) != g->saved_epoch) return ST_INTEGRITY;
    }
    return ST_OK;
}

static void find_self(struct group *g)
{
    if (g->leaf != LEDGER_NOBODY) return;
    const struct ledger_leaf *self = ledger_by_id(g->ledger, g->id);
    if (self != NULL) g->leaf = self->leaf;
}

/* Opens an entry for judging; *ret_plain stays empty if it cannot be opened. */
static enum status unseal(const struct group *g, struct bytes sealed, uint64_t index,
                          struct entry0_envelope *ret, struct buf *ret_plain)
{
    uint64_t epoch = ledger_epoch(g->ledger);
    const struct group_row *row = group_row(g, epoch, GROUP_ROW_LOG);
    enum status st = entry0_envelope(sealed, ret);
    if (st != ST_OK) return st == ST_NO_MEMORY ? st : ST_OK;
    if (ret->epoch == epoch && row != NULL)
        st = entry0_open(sealed, g->room, row->log, index, ret_plain);
    row = group_row(g, 0, GROUP_ROW_LOG);
    if (ret->epoch == 0 && row != NULL && ret_plain->n == 0 && st != ST_NO_MEMORY) {
        uint8_t key[32]; /* perhaps a RENEW, by somebody who lost the thread */
        ledger_renew_key(row->log, key);
        st = entry0_open(sealed, g->room, key, index, ret_plain);
        bytes_wipe(key, sizeof key);
    }
    return st == ST_NO_MEMORY ? st : ST_OK;
}

static enum status take_next(struct group *g, struct bytes sealed, uint64_t now_ms)
{
    enum status st;
    struct buf plain = BUF_INIT;
    struct entry0_envelope envelope = {.epoch = UINT64_MAX};
    struct ledger_judged *j = malloc(sizeof *j);
    struct group_commit *c = calloc(1, sizeof *c);
    uint8_t chain[32];
    uint64_t index = ledger_count(g->ledger);
    bool was_in = group_in(g), quiet = group_quiet(g, index);
    st = ST_NO_MEMORY;
    if (j == NULL || c == NULL) goto out;
    chain_step(ledger_chain(g->ledger), sealed, chain);
    TRY(unseal(g, sealed, index, &envelope, &plain));
    ledger_judge(g->ledger, buf_view(&plain), envelope.epoch, chain, j);
    if (j->verdict.valid && j->entry.type == LEDGER_COMMIT)
        TRY(group_commit_judge(g, j, envelope.back, c));
    TRY(group_commit_prepare(g, c));
    if (g->listener != NULL) g->listener(g->listener_arg, g->ledger, j);
    TRY(ledger_apply(g->ledger, j));
    find_self(g);
    st = check_history(g, index);
    if (st != ST_OK) {
        g->forked = g->dirty = true; /* nothing is written on a history that is not ours */
        goto out;
    }
    if (j->verdict.valid && !quiet) notice_restored(g, j);
    if (j->verdict.valid && !quiet) settle_own(g, j);
    if (j->verdict.valid && j->entry.type == LEDGER_COMMIT) after_commit(g, c, now_ms);
    const struct ledger_leaf *self = ledger_leaf(g->ledger, g->leaf);
    if (self != NULL && !self->member_now && !g->out) g->out = g->dirty = true;
    watch_shut_out(g, j, envelope.epoch, c);
    if (!j->verdict.valid) watch_dispute(g, index, sealed, envelope.epoch);
    watch_clocks(g, j, now_ms);
    if (!quiet) {
        g->dirty = true; /* the head is part of what is saved */
        if (!j->verdict.valid)
            emit_void(g, j, c);
        else
            emit_valid(g, j, was_in);
        emit_closed(g, j);
    }
    watch_votes(g, j, now_ms);
out:
    buf_free(&plain);
    if (c != NULL) bytes_wipe(c, sizeof *c);
    free(c);
    free(j);
    return st;
}

/* An entry that we had: the same bytes, or the sentinel tells two histories. */
static enum status take_again(struct group *g, uint64_t index, struct bytes sealed)
{
    uint8_t chain[32];
    chain_step(ledger_chain_at(g->ledger, index), sealed, chain);
    if (memcmp(chain, ledger_chain_at(g->ledger, index + 1), 32) == 0) return ST_OK;
    group_stop(g, index + 1, ledger_chain_at(g->ledger, index + 1), chain);
    return ST_FORK;
}

enum status group_take(struct group *g, uint64_t index, struct bytes sealed, uint64_t now_ms)
{
    enum status st = room_for_events(g);
    if (st != ST_OK) return st;
    if (g->phase == GROUP_WALKING) return take_history(g, index, sealed, now_ms);
    if (index < ledger_count(g->ledger)) return take_again(g, index, sealed);
    if (index != ledger_count(g->ledger)) return ST_CONFLICT;
    if (index >= GROUP_ENTRIES_MAX) return ST_TOO_BIG;
    return take_next(g, sealed, now_ms);
}

/* ---- heads told by others ---- */

enum status group_check_head(struct group *g, uint64_t count, const uint8_t chain[32])
{
    enum status st = room_for_events(g);
    if (st != ST_OK) return st;
    if (g->phase == GROUP_WALKING) return ST_OK;
    struct seen theirs = {.count = count}, mine = group_seen(g);
    memcpy(theirs.chain, chain, 32);
    if (!ledger_agrees(g->ledger, &theirs)) {
        group_stop(g, count, ledger_chain_at(g->ledger, count), chain);
        return ST_FORK;
    }
    uint64_t have = mine.count > g->saved_count ? mine.count : g->saved_count;
    if (count >= have) {
        g->old_head = false;
        return ST_OK;
    }
    if (!g->old_head) {
        struct group_event *ev = group_emit(g, GROUP_OLD_HEAD, count);
        ev->mine = mine;
        ev->theirs = theirs;
    }
    g->old_head = true;
    return ST_INTEGRITY;
}

enum status group_check_seen(struct group *g, uint16_t leaf, const struct seen *claim)
{
    enum status st = room_for_events(g);
    if (st != ST_OK) return st;
    if (claim->count > ledger_count(g->ledger)) return ST_PENDING;
    if (ledger_agrees(g->ledger, claim)) {
        if (leaf < LEDGER_LEAVES_MAX && claim->count > g->agreed[leaf]) {
            g->agreed[leaf] = claim->count;
            g->dirty = true;
        }
        return ST_OK;
    }
    struct seen mine = {.count = claim->count};
    memcpy(mine.chain, ledger_chain_at(g->ledger, claim->count), 32);
    /* One member's word does not stop us: it may lie. It is told, and the heads are kept. */
    group_emit_fork(g, claim->count, leaf, &mine, claim);
    return ST_FORK;
}
