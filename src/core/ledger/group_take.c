/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Reading feed 0: each sealed entry once, in order; what it changed is told by events. */
#include "core/ledger/group_state.h"

#include "crypto/secret.h"

#include <stdlib.h>
#include <string.h>

#define EVENTS_AN_ENTRY 8
#define ROOM_FOR_ONE PAD_MAX /* no stored entry is larger */

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
    for (size_t e = 0; e < n; e++) {
        g->rows[e].flags = GROUP_ROW_LOG;
        memcpy(g->rows[e].log, keys + e * 32, 32);
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

/* The vote that was current before the entry and no longer is open. */
static void emit_closed(struct group *g, const struct ledger_judged *j, uint64_t open_before)
{
    const struct ledger_proposal *p = ledger_proposal(g->ledger, open_before);
    if (p == NULL || p->state == LEDGER_VOTE_OPEN) return;
    struct group_event *ev = emit_by(g, GROUP_CLOSED, j);
    ev->proposal = p->index;
    ev->vote = p->state;
}

static void emit_ballot(struct group *g, const struct ledger_judged *j)
{
    const struct ledger_proposal *p = ledger_proposal(g->ledger, j->body.ballot.proposal);
    struct group_event *ev = emit_by(g, GROUP_BALLOTED, j);
    ev->proposal = j->body.ballot.proposal;
    for (size_t i = 0; p != NULL && i < p->n_voters; i++)
        if (p->voters[i].leaf == j->verdict.author) ev->choice = p->voters[i].choice;
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
        ev->proposal = j->body.add.proposal;
        ev->leaf = (uint16_t)(ledger_leaves(g->ledger) - 1);
        break;
    case LEDGER_LEAVE:
        (void)emit_by(g, GROUP_LEFT, j);
        if (j->verdict.author == g->leaf) (void)emit_by(g, GROUP_OUT, j);
        if (ledger_ended(g->ledger)) (void)emit_by(g, GROUP_ENDED, j);
        break;
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

/* An entry of our own leaf that brings a key we do not hold: we came back from an older backup. */
static void notice_restored(struct group *g, const struct ledger_judged *j)
{
    const uint8_t *pk = j->entry.type == LEDGER_COMMIT   ? j->body.commit.kem_pk
                        : j->entry.type == LEDGER_UPDATE ? j->body.update.kem_pk
                                                         : NULL;
    if (pk == NULL || j->verdict.author != g->leaf) return;
    if (group_kem_seed(g, pk) == NULL) {
        if (!g->restored) (void)group_emit(g, GROUP_RESTORED, j->index);
        g->restored = g->dirty = true;
    }
}

void group_note_restored(struct group *g)
{
    if (g->restored) return;
    (void)group_emit(g, GROUP_RESTORED, ledger_count(g->ledger));
    g->restored = g->dirty = true;
}

/* After a COMMIT our key in the ledger is one of ours again: the restore is over. */
static void settle_restored(struct group *g)
{
    const struct ledger_leaf *self = ledger_leaf(g->ledger, g->leaf);
    if (!g->restored || self == NULL || group_kem_seed(g, self->kem_pk) == NULL) return;
    g->restored = false;
    g->dirty = true;
}

/* protocol.md 6: who cannot open its own wrap stays and reads on; two entries of the next epoch
 * tell that the others went on without us, one that opens here tells that they did not. */
static void watch_shut_out(struct group *g, const struct ledger_judged *j, uint64_t envelope_epoch,
                           const struct group_commit *c)
{
    bool lost = false;
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

static void watch_clocks(struct group *g, const struct ledger_judged *j, uint64_t now_ms)
{
    const struct ledger *l = g->ledger;
    const struct ledger_proposal *p = ledger_current_proposal(l);
    uint8_t chain[32];
    uint64_t base = ledger_due_base(l, chain);
    if (base != g->due_base) {
        g->due_base = base;
        g->due_ms = now_ms;
    }
    if (p != NULL && p->closed == j->index) g->passed_ms = now_ms;
    if (j->index < g->saved_count) return; /* what follows was saved */
    if (p != NULL && p->index != g->vote_index) {
        g->vote_index = p->index;
        g->vote_ms = now_ms;
        g->dirty = true;
    }
    if (j->verdict.valid && j->verdict.author == g->leaf && j->entry.type == LEDGER_HEAD) {
        g->head_ms = now_ms;
        g->dirty = true;
    }
}

static void after_commit(struct group *g, const struct group_commit *c, uint64_t now_ms)
{
    if (c->install) {
        if (g->head_ms == 0) g->head_ms = now_ms;
        group_commit_install(g, c, now_ms);
    }
    if (ledger_count(g->ledger) > g->saved_count) {
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
        if (ledger_epoch(l) != g->add_epoch || g->leaf == LEDGER_NOBODY ||
            ledger_leaf(l, g->leaf)->added != index)
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

static enum status take_next(struct group *g, struct bytes sealed, uint64_t now_ms)
{
    enum status st;
    struct buf plain = BUF_INIT;
    struct entry0_envelope envelope = {.epoch = UINT64_MAX};
    struct ledger_judged *j = malloc(sizeof *j);
    struct group_commit *c = calloc(1, sizeof *c);
    uint8_t chain[32];
    uint64_t index = ledger_count(g->ledger), epoch = ledger_epoch(g->ledger);
    const struct ledger_proposal *p = ledger_current_proposal(g->ledger);
    uint64_t open_before = p != NULL && p->state == LEDGER_VOTE_OPEN ? p->index : LEDGER_NEVER;
    bool was_in = group_in(g), quiet = group_quiet(g, index);
    st = ST_NO_MEMORY;
    if (j == NULL || c == NULL) goto out;
    chain_step(ledger_chain(g->ledger), sealed, chain);
    const struct group_row *row = group_row(g, epoch, GROUP_ROW_LOG);
    if (entry0_envelope(sealed, &envelope) == ST_OK && envelope.epoch == epoch && row != NULL) {
        st = entry0_open(sealed, g->room, row->log, index, &plain);
        if (st == ST_NO_MEMORY) goto out;
    }
    ledger_judge(g->ledger, buf_view(&plain), envelope.epoch, chain, j);
    if (j->verdict.valid && j->entry.type == LEDGER_COMMIT)
        TRY(group_commit_judge(g, j, envelope.back, c));
    TRY(group_commit_prepare(g, c));
    TRY(ledger_apply(g->ledger, j));
    find_self(g);
    st = check_history(g, index);
    if (st != ST_OK) {
        g->forked = g->dirty = true; /* nothing is written on a history that is not ours */
        goto out;
    }
    if (j->verdict.valid && !quiet) notice_restored(g, j);
    if (j->verdict.valid && j->entry.type == LEDGER_COMMIT) after_commit(g, c, now_ms);
    if (j->verdict.valid && j->entry.type == LEDGER_LEAVE && j->verdict.author == g->leaf)
        g->out = g->dirty = true;
    watch_shut_out(g, j, envelope.epoch, c);
    if (!j->verdict.valid) watch_dispute(g, index, sealed, envelope.epoch);
    watch_clocks(g, j, now_ms);
    if (quiet) goto out;
    g->dirty = true; /* the head is part of what is saved */
    if (!j->verdict.valid)
        emit_void(g, j, c);
    else
        emit_valid(g, j, was_in);
    if (open_before != LEDGER_NEVER) emit_closed(g, j, open_before);
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
    if (ledger_agrees(g->ledger, claim)) return ST_OK;
    struct seen mine = {.count = claim->count};
    memcpy(mine.chain, ledger_chain_at(g->ledger, claim->count), 32);
    /* One member's word does not stop us: it may lie. It is told, and the heads are kept. */
    group_emit_fork(g, claim->count, leaf, &mine, claim);
    return ST_FORK;
}
