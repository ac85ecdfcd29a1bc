/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What people are shown: results and reasons by holder, the log of feed 3, and whether it holds. */
#include "node/audit/audit_private.h"

#include "base/encode.h"
#include "crypto/hash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PER_CENT (AUDIT_MICRO / 100)

static enum status find(struct node *n, const char *name, struct enclave **ret)
{
    if (!n->started) return ST_LOCKED;
    *ret = node_find(n, name);
    if (*ret == NULL) return ST_NOT_FOUND;
    return (*ret)->audit == NULL || (*ret)->group == NULL ? ST_PENDING : ST_OK;
}

static const char *standing_text(enum audit_standing s)
{
    return s == AUDIT_GOOD ? "good" : s == AUDIT_SUSPENDED_NOW ? "suspended" : "drained";
}

/* What happens next, in plain words. */
static void next_words(const struct audit_holder *h, char *out, size_t room)
{
    unsigned rounds = audit_score_rounds_to_good(&h->score);
    switch (audit_score_standing(&h->score)) {
    case AUDIT_GOOD:
        snprintf(out, room, "%s",
                 h->n_faults == 0 ? "nothing: it is trusted with new shards"
                                  : "it is trusted with new shards; what it lost is made again "
                                    "elsewhere");
        break;
    case AUDIT_SUSPENDED_NOW:
        snprintf(out, room,
                 "nothing new is placed there; after %u hours without a fault it is trusted again",
                 rounds);
        break;
    case AUDIT_DRAINED_NOW:
        snprintf(out, room,
                 "nothing new is placed there and what it holds is made again elsewhere; after %u "
                 "hours without a fault it is trusted again",
                 rounds);
        break;
    }
}

static bool asking(const struct audit *a, const struct audit_holder *h)
{
    return h->due_now || enclave_audit_busy(a->e, h->holder);
}

static void fault_of(const struct audit *a, const struct audit_fault *f,
                     struct node_audit_fault *ret)
{
    *ret = (struct node_audit_fault){.time_ms = f->time_ms,
                                     .cause = audit_verdict_text(f->verdict),
                                     .by = enclave_nick(a->e, f->by),
                                     .index = f->index,
                                     .times = f->times,
                                     .one_leaf = f->leaf_no != UINT32_MAX,
                                     .leaf = f->leaf_no};
    hex_encode(BYTES(f->segment_id, 8), ret->segment);
}

static void show(const struct audit *a, const struct audit_holder *h, bool faults,
                 node_audit_visit *visit, void *arg)
{
    struct node_audit_fault list[AUDIT_FAULTS_MAX];
    char next[NODE_REASON_MAX];
    uint64_t now = enclave_unix_ms(a->e);
    const struct audit_tally *t = &h->tally;
    struct node_audit v = {.holder = h->holder,
                           .nick = enclave_nick(a->e, h->holder),
                           .asking = asking(a, h),
                           .score = audit_score_micro(&h->score) / PER_CENT,
                           .standing = standing_text(audit_score_standing(&h->score)),
                           .rounds = h->rounds,
                           .last_ms = h->last_ms,
                           .asked = t->asked,
                           .right = t->right,
                           .late = t->late,
                           .lost = (unsigned)(t->gone + t->damaged),
                           .wrong = t->wrong,
                           .text =
                               h->result == NULL ? "not looked at yet since the start" : h->result,
                           .next = next,
                           .faults = list};
    v.availability = audit_windows_micro(&h->windows, now, &v.looks) / PER_CENT;
    v.before = -1;
    for (unsigned back = 1; back < 8 && v.before < 0 && h->day >= back; back++) {
        uint8_t then = h->days[(h->day - back) % AUDIT_DAYS];
        if (then != 255) v.before = then;
    }
    next_words(h, next, sizeof next);
    for (size_t i = h->n_faults; faults && i-- > 0;)
        fault_of(a, &h->faults[i], &list[v.n_faults++]);
    visit(arg, &v);
}

enum status node_audits(struct node *n, const char *enclave, node_audit_visit *visit, void *arg)
{
    struct enclave *e;
    enum status st = find(n, enclave, &e);
    if (st != ST_OK) return st;
    for (size_t i = 0; i < e->audit->n; i++)
        if (e->audit->holders[i]->member) show(e->audit, e->audit->holders[i], false, visit, arg);
    return ST_OK;
}

enum status node_audit_why(struct node *n, const char *enclave, const char *who,
                           node_audit_visit *visit, void *arg)
{
    struct enclave *e;
    uint16_t leaf;
    enum status st = find(n, enclave, &e);
    if (st != ST_OK) return st;
    if (!shelf_depot_find(e->shelf, who, strlen(who), &leaf))
        st = enclave_find_member(e, who, strlen(who), &leaf);
    if (st != ST_OK) return st;
    if (leaf == group_leaf(e->group)) return ST_USAGE;
    const struct audit_holder *h = audit_holder_of(e->audit, leaf);
    if (h == NULL) return ST_PENDING;
    show(e->audit, h, true, visit, arg);
    return ST_OK;
}

enum status node_audit_now(struct node *n, const char *enclave, node_done *done, void *arg)
{
    struct enclave *e;
    enum status st = find(n, enclave, &e);
    if (st != ST_OK) return st;
    if (!e->attached || !enclave_in(e)) return ST_UNREACHABLE;
    enclave_audit_all(e);
    node_later(n, done, arg, ST_OK, "the other holders are being asked", NULL);
    return ST_OK;
}

/* ---- the log ---- */

struct walk {
    struct enclave *e;
    node_audit_line *visit;
    void *arg;
    struct node_audit_verdict *v;
    struct audit_fold fold;
    struct {
        bool there;
        uint64_t own_number;
        uint8_t hash[32];
    } * last; /* by leaf; verdict only */
};

static void line(struct walk *w, uint64_t index, uint64_t time_ms, uint16_t by, const char *text)
{
    struct node_audit_entry l = {
        .index = index, .time_ms = time_ms, .by = enclave_nick(w->e, by), .text = text};
    if (w->visit != NULL) w->visit(w->arg, &l);
}

static void row_line(struct walk *w, uint64_t index, uint16_t by, const struct audit_row *row)
{
    char text[NODE_REASON_MAX], bad[128] = "";
    size_t n = 0;
    const struct {
        unsigned count;
        const char *what;
    } parts[] = {{row->late, "not answered"},
                 {row->gone, "gone"},
                 {row->damaged, "damaged"},
                 {row->wrong, "answered wrongly"}};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (parts[i].count > 0 && n < sizeof bad)
            n +=
                (size_t)snprintf(bad + n, sizeof bad - n, ", %u %s", parts[i].count, parts[i].what);
    snprintf(text, sizeof text, "%s: %u of %u right%s", enclave_nick(w->e, row->holder),
             (unsigned)row->right, (unsigned)row->asked, bad);
    line(w, index, row->hour * AUDIT_HOUR_MS, by, text);
}

static void walk_receipt(struct walk *w, uint64_t index, const struct audit_opened *o)
{
    struct audit_receipt r;
    struct audit_row row;
    if (audit_receipt_read(o->entry.body, &r) != ST_OK ||
        audit_fold_take(&w->fold, o->entry.leaf, o->entry.body) != ST_OK) {
        w->v->malformed++;
        return;
    }
    for (size_t i = 0; i < r.rows.n && w->visit != NULL; i++)
        if (audit_receipt_row(&r, i, &row) == ST_OK) row_line(w, index, o->entry.leaf, &row);
}

static void walk_proof(struct walk *w, uint64_t index, const struct audit_opened *o)
{
    struct audit_proof p;
    struct audit_segment s;
    uint32_t leaf_no;
    char text[NODE_REASON_MAX];
    if (fields_decode(&audit_proof_fields, o->entry.body, &p) != ST_OK) {
        w->v->malformed++;
        return;
    }
    struct audit_signer by;
    enum audit_verdict v = AUDIT_LATE;
    bool known = audit_signer_of(w->e->audit, p.holder, &by) &&
                 audit_segment_of(w->e->audit, p.segment_id, &s);
    if (known) v = audit_proof_check(by.place, by.key, &s, &p, &leaf_no);
    if (AUDIT_IS_PROOF(v))
        w->v->proofs++;
    else if (known)
        w->v->false_proofs++;
    snprintf(text, sizeof text, "%s: shard %u of segment %02x%02x%02x%02x, %s",
             enclave_nick(w->e, p.holder), (unsigned)p.index, p.segment_id[0], p.segment_id[1],
             p.segment_id[2], p.segment_id[3],
             AUDIT_IS_PROOF(v) ? audit_verdict_text(v)
             : known           ? "and this proves nothing"
                               : "of a file that is gone");
    line(w, index, o->entry.time_ms, o->entry.leaf, text);
}

/* Each author's entries hang together: number by number, each with the hash of the one before. */
static void walk_chain(struct walk *w, const struct audit_opened *o, struct bytes sealed)
{
    uint16_t leaf = o->entry.leaf;
    if (w->last == NULL || leaf >= LEDGER_EVER_MAX) return;
    if (w->last[leaf].there && o->entry.own_number == w->last[leaf].own_number + 1 &&
        memcmp(w->last[leaf].hash, o->entry.prev_own, 32) != 0)
        w->v->broken++;
    w->last[leaf].there = true;
    w->last[leaf].own_number = o->entry.own_number;
    sha256(sealed, w->last[leaf].hash);
}

static bool on_entry(void *arg, uint64_t n, struct bytes row)
{
    struct walk *w = arg;
    struct audit_opened o = {0};
    struct buf plain;
    if (row.n < 32) return true;
    struct bytes sealed = BYTES(row.p + 32, row.n - 32);
    buf_init(&plain, KV_VALUE_MAX);
    enum status st = audit_open(w->e, sealed, &plain, &o);
    w->v->entries++;
    if (st == ST_NOT_FOUND || st == ST_PENDING) {
        w->v->unreadable++;
    } else if (st != ST_OK) {
        w->v->malformed++;
    } else {
        walk_chain(w, &o, sealed);
        if (o.entry.type == ENTRY23_RECEIPT)
            walk_receipt(w, n, &o);
        else if (o.entry.type == ENTRY23_OBSERVATION)
            walk_proof(w, n, &o);
        else
            w->v->malformed++;
    }
    buf_free(&plain);
    return true;
}

static enum status walk(struct node *n, const char *enclave, node_audit_line *visit, void *arg,
                        struct node_audit_verdict *v)
{
    struct enclave *e;
    memset(v, 0, sizeof *v);
    enum status st = find(n, enclave, &e);
    if (st != ST_OK) return st;
    struct walk *w = calloc(1, sizeof *w);
    if (w == NULL) return ST_NO_MEMORY;
    *w = (struct walk){.e = e, .visit = visit, .arg = arg, .v = v};
    if (visit == NULL) w->last = calloc(LEDGER_EVER_MAX, sizeof *w->last);
    st = visit == NULL && w->last == NULL
             ? ST_NO_MEMORY
             : keep_scan(&n->keep, &e->feeds[FEED_RECEIPTS].space, 0, on_entry, w);
    for (size_t i = 0; st == ST_OK && i < ledger_digests(group_ledger(e->group)); i++) {
        enum audit_digest_verdict judged =
            visit == NULL ? audit_digest_judge(e->audit, i) : DIGEST_UNREAD;
        v->digests += judged == DIGEST_RIGHT;
        v->false_digests += judged == DIGEST_FALSE;
        v->unread_digests += judged == DIGEST_UNREAD;
    }
    v->rows = w->fold.rows;
    v->missing = w->fold.gaps;
    free(w->last);
    free(w);
    return st;
}

enum status node_audit_log(struct node *n, const char *enclave, node_audit_line *visit, void *arg)
{
    struct node_audit_verdict v;
    return walk(n, enclave, visit, arg, &v);
}

enum status node_audit_verify(struct node *n, const char *enclave, struct node_audit_verdict *ret)
{
    return walk(n, enclave, NULL, NULL, ret);
}
