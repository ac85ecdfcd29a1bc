/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Feed 3: our rows and proofs on their way, one entry at a time (one commit, then the wire; an entry whose
 * epoch has closed is made again), and what the others show. */
#include "node/audit/audit_private.h"

#include "crypto/hash.h"

#include <stdlib.h>
#include <string.h>

FIELDS_DEFINE(audit_out, AUDIT_OUT_FIELDS);

#define OUT_AGAIN_MS 5000

static uint64_t mono(const struct audit *a)
{
    return env_mono_ms(a->e->node->ports.env);
}

/* ---- making ---- */

static bool on_row(void *arg, uint64_t n, struct bytes plain)
{
    struct buf *rows = arg;
    (void)n;
    buf_bytes(rows, plain);
    return rows->n < (size_t)AUDIT_ROWS_MAX * AUDIT_ROW;
}

static enum status make_receipt(struct audit *a, struct buf *body, uint64_t *ret_below)
{
    struct buf rows = BUF_INIT;
    enum status st;
    TRY(keep_scan(&a->e->node->keep, &a->s_rows, a->shown_row, on_row, &rows));
    TRY(buf_status(&rows));
    struct audit_receipt r = {.version = AUDIT_RECEIPT_VERSION,
                              .first = a->shown_row,
                              .rows = {rows.p, rows.n / AUDIT_ROW}};
    *ret_below = a->shown_row + r.rows.n;
    st = r.rows.n == 0 ? ST_NOT_FOUND : fields_encode(&audit_receipt_fields, &r, body);
out:
    buf_free(&rows);
    return st;
}

static enum status seal(struct audit *a, uint8_t type, struct bytes body)
{
    struct enclave *e = a->e;
    const struct env *env = e->node->ports.env;
    uint8_t key[32], nonce[ENTRY23_NONCE];
    struct seen seen = group_seen(e->group);
    struct entry23 entry = {.version = ENTRY23_VERSION,
                            .type = type,
                            .leaf = group_leaf(e->group),
                            .own_number = a->own_number,
                            .seen_count = seen.count,
                            .time_ms = env_wall_ms(env),
                            .body = body};
    struct entry23_place place = {.room = e->room,
                                  .enclave_id = e->enclave_id,
                                  .key = key,
                                  .epoch = group_epoch(e->group),
                                  .feed = FEED_RECEIPTS};
    memcpy(entry.prev_own, a->prev_own, 32);
    memcpy(entry.seen_chain, seen.chain, 32);
    env_random(env, nonce, sizeof nonce);
    buf_clear(&a->out.sealed);
    enum status st = group_key(e->group, GROUP_KEY_RECEIPTS, place.epoch, key);
    if (st == ST_OK) st = entry23_seal(&entry, &place, e->keys->id_seed, nonce, &a->out.sealed);
    bytes_wipe(key, sizeof key);
    if (st != ST_OK) return st;
    a->out.type = type;
    a->out.epoch = place.epoch;
    a->out.own_number = a->own_number++;
    sha256(buf_view(&a->out.sealed), a->prev_own);
    return ST_OK;
}

static void on_saved(void *arg, enum status st)
{
    struct audit *a = arg;
    if (!a->freed && st == ST_OK && a->out.there) {
        a->out.ready = true;
        audit_send(a);
    }
    audit_release(a);
}

static void save(struct audit *a)
{
    struct keep_batch b;
    struct buf row;
    struct audit_out o = {.type = a->out.type,
                          .own_number = a->out.own_number,
                          .epoch = a->out.epoch,
                          .below = a->out.below,
                          .sealed = buf_view(&a->out.sealed)};
    buf_init(&row, KV_VALUE_MAX);
    keep_begin(&b, &a->e->node->keep);
    if (fields_encode(&audit_out_fields, &o, &row) == ST_OK)
        keep_put(&b, &a->s_out, 0, buf_view(&row));
    else
        b.bad = true;
    audit_self_put(a, &b);
    buf_free(&row);
    a->out.there = true;
    a->out.ready = false;
    a->pending++;
    enclave_commit(a->e, &b, on_saved, a);
}

static bool rows_due(const struct audit *a)
{
    if (a->shown_row == a->next_row) return false;
    bool asking = false;
    for (size_t i = 0; i < AUDIT_ROUNDS; i++) asking |= a->rounds[i].used;
    if (a->hurry && !asking) return true;
    return mono(a) >= a->rows_since_ms + AUDIT_PUBLISH_MS;
}

static void make(struct audit *a)
{
    struct buf body = BUF_INIT;
    enum status st = ST_NOT_FOUND;
    uint8_t type = ENTRY23_RECEIPT;
    if (a->shown_proof < a->next_proof) {
        type = ENTRY23_OBSERVATION;
        a->out.below = a->shown_proof + 1;
        st = keep_get(&a->e->node->keep, &a->s_proofs, a->shown_proof, &body);
        if (st == ST_NOT_FOUND && a->e->commits > 0) goto out; /* still on its way to the disk */
        if (st != ST_OK) a->shown_proof++;
    } else if (rows_due(a)) {
        st = make_receipt(a, &body, &a->out.below);
    }
    if (st == ST_OK) st = seal(a, type, buf_view(&body));
    if (st == ST_OK) save(a);
out:
    buf_free(&body);
}

/* ---- sending ---- */

static void on_appended(void *arg, enum status st, struct bytes body)
{
    struct audit *a = arg;
    struct room_spot spot;
    if (!a->freed) {
        struct enclave *e = a->e;
        a->out.flying = false;
        if (st == ST_OK && !e->removed && a->out.there &&
            fields_decode(&room_spot_fields, body, &spot) == ST_OK)
            enclave_appended(e, FEED_RECEIPTS, spot.index, buf_view(&a->out.sealed));
        else if (st != ST_CLOSED)
            a->out.again_ms = mono(a) + OUT_AGAIN_MS;
    }
    audit_release(a);
}

void audit_send(struct audit *a)
{
    struct enclave *e = a->e;
    if (a->out.flying || e->removed || e->halted || !enclave_synced(e, FEED_LEDGER) ||
        !enclave_synced(e, FEED_RECEIPTS) || !group_writable(e->group) || !group_in(e->group))
        return;
    if (a->out.there && a->out.ready && a->out.epoch != group_epoch(e->group)) a->out.there = false;
    if (!a->out.there) {
        if (!enclave_keys_shared(e)) make(a);
        return;
    }
    if (!a->out.ready || mono(a) < a->out.again_ms) return;
    if (enclave_append(e, FEED_RECEIPTS, false, 0, NULL, buf_view(&a->out.sealed), on_appended,
                       a) != ST_OK)
        return;
    a->out.flying = true;
    a->pending++;
}

uint64_t audit_out_next_ms(const struct audit *a)
{
    if (a->out.there) return a->out.flying || !a->out.ready ? UINT64_MAX : a->out.again_ms;
    if (a->shown_row == a->next_row) return UINT64_MAX;
    return a->rows_since_ms + AUDIT_PUBLISH_MS;
}

void enclave_audit_up(struct enclave *e)
{
    if (e->audit != NULL && e->phase == ENCLAVE_MEMBER) audit_send(e->audit);
}

void enclave_audit_down(struct enclave *e)
{
    if (e->audit != NULL) e->audit->out.flying = false;
}

enum status audit_out_load(struct audit *a)
{
    struct buf row;
    struct audit_out o;
    buf_init(&row, KV_VALUE_MAX);
    enum status st = keep_get(&a->e->node->keep, &a->s_out, 0, &row);
    if (st == ST_OK) st = fields_decode(&audit_out_fields, buf_view(&row), &o);
    if (st == ST_OK) {
        a->out.there = a->out.ready = true;
        a->out.type = o.type;
        a->out.own_number = o.own_number;
        a->out.epoch = o.epoch;
        a->out.below = o.below;
        buf_bytes(&a->out.sealed, o.sealed);
        st = buf_status(&a->out.sealed);
    }
    buf_free(&row);
    return st == ST_NOT_FOUND ? ST_OK : st;
}

/* ---- taking ---- */

enum status audit_open(struct enclave *e, struct bytes sealed, struct buf *plain,
                       struct audit_opened *ret)
{
    uint8_t key[32];
    struct entry23_place place = {
        .room = e->room, .enclave_id = e->enclave_id, .key = key, .feed = FEED_RECEIPTS};
    enum status st;
    TRY(entry23_epoch(sealed, &place.epoch));
    ret->epoch = place.epoch;
    if (group_key(e->group, GROUP_KEY_RECEIPTS, place.epoch, key) != ST_OK) {
        st = place.epoch > group_epoch(e->group) ? ST_PENDING : ST_NOT_FOUND;
        goto out;
    }
    TRY(entry23_open(sealed, &place, plain, &ret->entry));
    ret->leaf = ledger_leaf(group_ledger(e->group), ret->entry.leaf);
    if (ret->leaf == NULL) {
        st = ST_DENIED;
        goto out;
    }
    TRY(entry23_verify(buf_view(plain), &place, ret->leaf->id));
out:
    bytes_wipe(key, sizeof key);
    return st;
}

static void own_seen(struct audit *a, const struct audit_opened *o, struct bytes sealed,
                     bool counts, struct keep_batch *b)
{
    if (o->entry.own_number >= a->own_number) { /* a restored backup */
        a->own_number = o->entry.own_number + 1;
        sha256(sealed, a->prev_own);
        audit_self_put(a, b);
    }
    if (!a->out.there || a->out.own_number != o->entry.own_number) return;
    a->out.there = false;
    keep_erase(b, &a->s_out, 0);
    if (!counts) return; /* its epoch had closed: made again */
    if (a->out.type == ENTRY23_OBSERVATION) {
        a->shown_proof = a->out.below;
        keep_erase_below(b, &a->s_proofs, a->out.below);
        return;
    }
    a->shown_row = a->out.below;
    keep_erase_below(b, &a->s_rows, a->out.below);
    a->rows_since_ms = a->shown_row == a->next_row ? 0 : mono(a);
    a->hurry = false;
}

/* Somebody else brings a proof: it counts once, whoever brings it and however often. */
static void take_proof(struct audit *a, const struct audit_opened *o, struct keep_batch *b)
{
    struct audit_proof p;
    struct audit_segment s;
    uint32_t leaf_no;
    if (fields_decode(&audit_proof_fields, o->entry.body, &p) != ST_OK) return;
    struct audit_signer by;
    struct audit_holder *h = audit_holder_of(a, p.holder);
    if (h == NULL || !audit_signer_of(a, p.holder, &by) || !audit_segment_of(a, p.segment_id, &s))
        return;
    enum audit_verdict v = audit_proof_check(by.place, by.key, &s, &p, &leaf_no);
    if (!AUDIT_IS_PROOF(v)) return;
    bool counted = false; /* a fault as bad moved the score within the hour: one round, one step */
    for (size_t i = 0; i < h->n_faults; i++) {
        const struct audit_fault *old = &h->faults[i];
        bool same = old->index == p.index && memcmp(old->segment_id, p.segment_id, 32) == 0;
        if (same && old->verdict == v && o->entry.time_ms < old->time_ms + AUDIT_LOST_AGAIN_MS)
            return;
        bool as_bad = v != AUDIT_WRONG || old->verdict == AUDIT_WRONG;
        if (AUDIT_IS_PROOF(old->verdict) && as_bad &&
            o->entry.time_ms < old->time_ms + AUDIT_HOUR_MS)
            counted = true;
    }
    struct audit_fault f = {.time_ms = o->entry.time_ms,
                            .index = p.index,
                            .leaf_no = leaf_no,
                            .verdict = (uint8_t)v,
                            .by = o->entry.leaf,
                            .times = 1};
    memcpy(f.segment_id, p.segment_id, 32);
    audit_fault_add(h, &f);
    if (!counted) audit_score_proof(&h->score, v == AUDIT_WRONG);
    audit_day_note(h, enclave_unix_ms(a->e));
    audit_holder_put(a, h, b);
    repair_lost(a->e, p.holder, p.segment_id, p.index, audit_verdict_text(v));
}

enum status enclave_audit_entry(struct enclave *e, uint64_t index, struct bytes sealed,
                                bool last_word, struct keep_batch *b)
{
    struct audit *a = e->audit;
    struct buf plain;
    struct audit_opened o = {0};
    if (a == NULL) return ST_OK;
    buf_init(&plain, KV_VALUE_MAX);
    enum status st = audit_open(e, sealed, &plain, &o);
    if (st == ST_PENDING && !last_word) {
        buf_free(&plain);
        return ST_PENDING;
    }
    if (st == ST_OK) {
        bool own = o.entry.leaf == group_leaf(e->group);
        bool counts =
            ledger_counts(group_ledger(e->group), FEED_RECEIPTS, index, o.epoch, o.entry.leaf);
        if (own) own_seen(a, &o, sealed, counts, b);
        if (!own && counts && o.entry.type == ENTRY23_OBSERVATION) take_proof(a, &o, b);
        a->next_ms = 0;
    }
    buf_free(&plain);
    return ST_OK;
}
