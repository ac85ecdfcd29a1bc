/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The whole ledger read again from its sealed entries, on a worker, with nothing of what was known but
 * the keys: every signature, every vote and every tally is judged anew. */
#include "node/enclave/enclave.h"

#include "base/encode.h"
#include "core/ledger/proof.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VERIFY_BYTES_MAX ((size_t)1 << 30)
#define VOIDS_SHOWN 50
#define VOIDS_TEXT 8192

struct verify {
    struct node *node;
    struct buf saved;   /* the group's secrets, as on disk */
    struct buf entries; /* size u32 | sealed, one after the other */
    uint64_t count;
    uint8_t chain[32]; /* the head that this member keeps */
    char *voids;
    size_t voids_n;
    struct node_verdict verdict;
    enum status st;
    node_done *done;
    void *arg;
};

static bool on_row(void *arg, uint64_t n, struct bytes plain)
{
    struct verify *v = arg;
    if (n != v->count || plain.n < 32) return false;
    buf_u32(&v->entries, (uint32_t)(plain.n - 32));
    buf_raw(&v->entries, plain.p + 32, plain.n - 32);
    v->count++;
    return buf_status(&v->entries) == ST_OK;
}

static void note_void(struct verify *v, const struct ledger *before, const struct ledger_judged *j)
{
    const struct ledger_leaf *leaf = ledger_leaf(before, j->verdict.author);
    if (++v->verdict.void_entries > VOIDS_SHOWN || v->voids_n >= VOIDS_TEXT - 1) return;
    int n = snprintf(v->voids + v->voids_n, VOIDS_TEXT - v->voids_n, "%" PRIu64 " by %s: %s\n",
                     j->index, leaf == NULL ? "nobody provable" : leaf->nick, j->verdict.reason);
    v->voids_n += n < 0 ? 0 : (size_t)n;
}

/* A ballot that is the last of its vote makes a tally: it is counted as the entry is applied. */
static void note_ballot(struct verify *v, const struct ledger *before,
                        const struct ledger_judged *j)
{
    const struct ledger_proposal *p = ledger_proposal(before, j->body.ballot.proposal);
    size_t waiting = 0;
    if (p == NULL) return;
    for (size_t i = 0; i < p->n_voters; i++) waiting += p->voters[i].cast.choice == BALLOT_NONE;
    if (p->ballot->kind == BALLOT_SECRET && waiting == 1) v->verdict.tallies_secret++;
    if (p->ballot->kind == BALLOT_OPEN && (waiting == 1 || j->body.ballot.form.p[0] == 0))
        v->verdict.tallies_open++;
}

static void on_judged(void *arg, const struct ledger *before, const struct ledger_judged *j)
{
    struct verify *v = arg;
    v->verdict.entries++;
    if (!j->verdict.valid) {
        note_void(v, before, j);
        return;
    }
    v->verdict.valid++;
    switch (j->entry.type) {
    case LEDGER_PROPOSE: v->verdict.votes++; break;
    case LEDGER_BALLOT: note_ballot(v, before, j); break;
    case LEDGER_COMMIT: v->verdict.commits++; break;
    case LEDGER_ADD:
    case LEDGER_REMOVE:
    case LEDGER_POLICY: v->verdict.passed++; break;
    case LEDGER_EXPIRE: v->verdict.expired++; break;
    case LEDGER_WITHDRAW: v->verdict.withdrawn++; break;
    default: break;
    }
}

static void judge_all(struct verify *v, struct group *g)
{
    struct cursor c = cursor_of(buf_view(&v->entries));
    struct group_event ev;
    for (uint64_t i = 0; i < v->count && v->st == ST_OK; i++) {
        struct bytes sealed = cursor_take(&c, cursor_u32(&c));
        v->st = c.bad ? ST_INTEGRITY : group_take(g, i, sealed, 0);
        while (group_event(g, &ev)) {
        }
    }
}

static void run(void *arg)
{
    struct verify *v = arg;
    struct group *g = NULL;
    v->st = group_load(buf_view(&v->saved), &g);
    if (v->st != ST_OK) return;
    group_listen(g, on_judged, v);
    judge_all(v, g);
    const struct ledger *l = group_ledger(g);
    struct node_verdict *out = &v->verdict;
    out->epochs = ledger_epoch(l) + 1;
    out->members = (unsigned)ledger_members(l);
    out->members_ever = (unsigned)ledger_leaves(l);
    hex_encode(BYTES(ledger_chain(l), 32), out->head);
    out->agrees = v->st == ST_OK && memcmp(ledger_chain(l), v->chain, 32) == 0;
    uint64_t over = out->passed + out->expired + out->withdrawn, open = 0;
    for (size_t i = 0; i < ledger_proposals(l); i++) {
        const struct ledger_proposal *p = ledger_proposal_at(l, i);
        open += ledger_is_current(p);
        out->voided += p->state == LEDGER_VOTE_VOIDED;
        over += p->state == LEDGER_VOTE_VOIDED;
    }
    out->refused = out->votes > over + open ? out->votes - over - open : 0;
    out->fork = group_proof(g).n > 0;
    group_free(g);
}

static void finished(void *arg)
{
    struct verify *v = arg;
    bool fine = v->st == ST_OK && v->verdict.agrees;
    v->verdict.voids = v->voids;
    node_finish(v->done, v->arg, fine ? ST_OK : ST_INTEGRITY,
                fine ? "everything agrees: each entry, vote and tally was judged again"
                     : "the ledger on this disk does not verify: compare `enclave status` with the "
                       "others, and restore a backup or leave and be invited again",
                &v->verdict);
    buf_free(&v->saved);
    buf_free(&v->entries);
    free(v->voids);
    free(v);
}

enum status node_verify(struct node *n, const char *name, node_done *done, void *arg)
{
    if (!n->started) return ST_LOCKED;
    struct enclave *e = node_find(n, name);
    if (e == NULL) return ST_NOT_FOUND;
    if (e->group == NULL || group_wants(e->group) != ledger_count(group_ledger(e->group)))
        return ST_PENDING;
    if (e->commits > 0 || e->halted)
        return ST_BUSY; /* rows are on their way to the disk, or will not come */
    struct verify *v = calloc(1, sizeof *v);
    enum status st = ST_NO_MEMORY;
    if (v == NULL) return st;
    *v = (struct verify){.node = n, .done = done, .arg = arg, .voids = calloc(1, VOIDS_TEXT)};
    buf_init(&v->saved, ENCLAVE_STATE_MAX);
    buf_init(&v->entries, VERIFY_BYTES_MAX);
    if (v->voids == NULL) goto out;
    memcpy(v->chain, ledger_chain(group_ledger(e->group)), 32);
    TRY(group_save(e->group, &v->saved));
    TRY(keep_scan(&n->keep, &e->feeds[FEED_LEDGER].space, 0, on_row, v));
    TRY(buf_status(&v->entries));
    TRY(n->ports.work.submit(n->ports.work.ctx, WORK_SHORT, run, finished, v));
    return ST_OK;
out:
    buf_free(&v->saved);
    buf_free(&v->entries);
    free(v->voids);
    free(v);
    return st;
}

/* ---- proofs of a fork ---- */

enum status node_proof(struct node *n, const char *name, struct buf *out)
{
    if (!n->started) return ST_LOCKED;
    struct enclave *e = node_find(n, name);
    if (e == NULL || e->group == NULL || group_proof(e->group).n == 0) return ST_NOT_FOUND;
    buf_bytes(out, group_proof(e->group));
    return buf_status(out);
}

/* A name where the proof is about an enclave of ours. */
static const char *known_nick(struct node *n, const uint8_t enclave_id[32], const uint8_t id[32])
{
    for (size_t i = 0; i < n->n; i++) {
        const struct enclave *e = n->enclaves[i];
        if (e->removed || e->group == NULL || memcmp(e->enclave_id, enclave_id, 32) != 0) continue;
        const struct ledger_leaf *leaf = ledger_by_id(group_ledger(e->group), id);
        return leaf == NULL ? "nobody of this enclave" : leaf->nick;
    }
    return NULL;
}

static void put_side(struct node *n, const struct proof_view *p, const struct entry0 *e,
                     struct buf *out)
{
    char id[65], chain[65];
    const char *nick = known_nick(n, p->enclave_id, e->actor);
    hex_encode(BYTES_OF(e->actor), id);
    hex_encode(BYTES_OF(e->prev_chain), chain);
    buf_printf(out, "  key %s%s%s%s signed an entry of type %u there, behind the history %s\n", id,
               nick == NULL ? "" : " (", nick == NULL ? "" : nick, nick == NULL ? "" : ")",
               (unsigned)e->type, chain);
}

enum status node_check_proof(struct node *n, struct bytes in, struct buf *out)
{
    struct proof_view p;
    char id[65];
    enum status st = proof_check(in, &p);
    if (st != ST_OK) return st;
    hex_encode(BYTES_OF(p.enclave_id), id);
    buf_printf(out, "Two histories of the enclave %s were signed for entry %" PRIu64 ":\n", id,
               p.index);
    put_side(n, &p, &p.one, out);
    put_side(n, &p, &p.other, out);
    buf_printf(out,
               "Both signatures hold, and only one of the two can be there. Whoever orders the "
               "entries showed two histories, or one of these two signed a lie.\n");
    return buf_status(out);
}
