/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Life, schedule and rounds: a holder an hour, its leaves asked two challenges at a time. */
#include "node/audit/audit_private.h"

#include "crypto/sign.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t mono(const struct audit *a)
{
    return env_mono_ms(a->e->node->ports.env);
}

static uint64_t wall(const struct audit *a)
{
    return enclave_unix_ms(a->e);
}

struct audit_holder *audit_holder_of(const struct audit *a, uint16_t holder)
{
    for (size_t i = 0; i < a->n; i++)
        if (a->holders[i]->holder == holder) return a->holders[i];
    return NULL;
}

double enclave_score(const struct enclave *e, uint16_t holder)
{
    const struct audit_holder *h = e->audit == NULL ? NULL : audit_holder_of(e->audit, holder);
    struct audit_score fresh;
    audit_score_init(&fresh);
    return audit_score_micro(h == NULL ? &fresh : &h->score) / (double)AUDIT_MICRO;
}

double enclave_availability(const struct enclave *e, uint16_t holder)
{
    const struct audit_holder *h = e->audit == NULL ? NULL : audit_holder_of(e->audit, holder);
    struct audit_windows none = {0};
    unsigned looks;
    uint64_t now = enclave_unix_ms(e);
    return audit_windows_micro(h == NULL ? &none : &h->windows, now, &looks) / (double)AUDIT_MICRO;
}

bool audit_segment_of(const struct audit *a, const uint8_t id[32], struct audit_segment *ret)
{
    const struct tree_segment *t = tree_segment(a->e->shelf->tree, id);
    if (t == NULL) return false;
    *ret = (struct audit_segment){.rows = t->rows, .k = t->k, .n = t->n};
    memcpy(ret->root, t->root, 32);
    return true;
}

bool audit_signer_of(const struct audit *a, uint16_t holder, struct audit_signer *ret)
{
    const struct enclave *e = a->e;
    const struct depot_taken *t = depots_find(tree_depots(e->shelf->tree), holder);
    const struct ledger_leaf *leaf = ledger_leaf(group_ledger(e->group), holder);
    if (t == NULL && leaf == NULL) return false;
    ret->key = t != NULL ? t->key : leaf->id;
    ret->place = t != NULL ? e->room : e->enclave_id;
    return true;
}

/* ---- the way to a holder ---- */

static bool is_node(uint16_t holder)
{
    return holder >= DEPOTS_FIRST;
}

static bool linked(const struct audit *a, uint16_t holder)
{
    if (is_node(holder)) return shelf_depot_up(a->e->shelf, holder);
    return a->e->peers != NULL && peers_linked(a->e->peers, holder);
}

static void want(const struct audit *a, uint16_t holder)
{
    if (is_node(holder))
        shelf_depot_want(a->e->shelf, holder);
    else
        peers_want(a->e->peers, holder);
}

static enum status send_to(const struct audit *a, uint16_t holder, uint8_t type,
                           struct bytes payload)
{
    if (is_node(holder)) return shelf_depot_send(a->e->shelf, holder, type, payload);
    return a->e->peers == NULL ? ST_UNREACHABLE : peers_send(a->e->peers, holder, type, payload);
}

/* ---- answering ---- */

static void sign_answer(void *ctx, struct bytes statement, uint8_t ret_sig[64])
{
    const struct audit *a = ctx;
    const struct bytes parts[] = {statement};
    sign_labelled(a->e->keys->id_seed, "ENCLAVE-AUDIT", parts, 1, ret_sig);
}

static enum status send_answer(void *ctx, uint16_t asker, uint8_t type, struct bytes payload)
{
    return send_to(ctx, asker, type, payload);
}

/* ---- what a round asks ---- */

struct columns {
    const struct audit *a;
    uint16_t holder;
    uint64_t until_ms;
    uint32_t n;
    struct audit_draw draws[AUDIT_ROUND];
    size_t n_draws;
    struct audit_round *round; /* NULL: only counted */
    const uint8_t *seed;
};

static void add_ask(struct columns *c, const struct tree_segment *t, uint8_t index, uint16_t count)
{
    struct audit_ask *ask = &c->round->asks[c->round->n++];
    *ask = (struct audit_ask){.c = {.index = index, .count = count, .wait_ms = AUDIT_WAIT_MS},
                              .s = {.rows = t->rows, .k = t->k, .n = t->n}};
    memcpy(ask->c.segment_id, t->id, 32);
    memcpy(ask->s.root, t->root, 32);
    memcpy(ask->c.root, t->root, 32);
    audit_nonce(c->seed, t->id, index, ask->c.nonce);
}

static bool on_segment(void *arg, const struct tree_segment *t)
{
    struct columns *c = arg;
    bool mine = false;
    for (unsigned i = 0; i < t->n && !mine; i++) mine = t->at[i] == c->holder;
    /* What is let go of within a day is not asked for: clocks differ. */
    if (!mine || !tree_needs(c->a->e->shelf->tree, t->id)) return true;
    for (unsigned i = 0; i < t->n; i++) {
        if (t->at[i] != c->holder) continue;
        for (size_t d = 0; c->round != NULL && d < c->n_draws; d++)
            if (c->draws[d].shard == c->n) add_ask(c, t, (uint8_t)i, c->draws[d].count);
        c->n++;
    }
    return true;
}

static void draw(const struct audit *a, struct audit_round *r)
{
    uint8_t seed[32];
    struct columns c = {
        .a = a, .holder = r->holder, .until_ms = wall(a) + AUDIT_LOST_AGAIN_MS, .seed = seed};
    env_random(a->e->node->ports.env, seed, sizeof seed);
    tree_segments(a->e->shelf->tree, NULL, on_segment, &c);
    c.n_draws = audit_draw(seed, c.n, c.draws);
    c.n = 0;
    c.round = r;
    if (c.n_draws > 0) tree_segments(a->e->shelf->tree, NULL, on_segment, &c);
}

/* ---- the end of a round ---- */

static void keep(struct audit *a, struct keep_batch *b)
{
    if (b->n > 0)
        enclave_commit(a->e, b, NULL, NULL);
    else
        keep_drop(b);
}

static void tell_standing(struct audit *a, const struct audit_holder *h, enum audit_standing before)
{
    enum audit_standing now = audit_score_standing(&h->score);
    char line[NODE_REASON_MAX];
    if (now == before) return;
    const char *nick = enclave_nick(a->e, h->holder);
    snprintf(line, sizeof line, "%s %s (enclave storage why %s)", nick,
             now == AUDIT_GOOD            ? "passes its audits again: it gets new shards"
             : now == AUDIT_SUSPENDED_NOW ? "fails audits: nothing new is placed there"
                                          : "fails audits: what it holds is made again elsewhere",
             nick);
    enclave_tell(a->e, "warning", nick, 0, line);
}

static void note_fault(struct audit *a, struct audit_holder *h, const struct audit_ask *ask,
                       enum audit_verdict v, uint32_t leaf_no)
{
    struct audit_fault f = {.time_ms = wall(a),
                            .index = ask->c.index,
                            .leaf_no = leaf_no,
                            .verdict = (uint8_t)v,
                            .by = group_leaf(a->e->group),
                            .times = 1};
    memcpy(f.segment_id, ask->c.segment_id, 32);
    audit_fault_add(h, &f);
}

static void end_round(struct audit *a, struct audit_round *r, bool there, const char *result)
{
    struct audit_holder *h = audit_holder_of(a, r->holder);
    struct keep_batch b;
    uint64_t now = wall(a);
    r->used = false;
    if (h == NULL) return;
    enum audit_standing before = audit_score_standing(&h->score);
    keep_begin(&b, &a->e->node->keep);
    audit_windows_look(&h->windows, now, there);
    h->look_ms = now;
    h->due_now = false;
    h->result = result;
    if (r->tally.asked > 0) {
        audit_score_round(&h->score, &r->tally);
        h->tally = r->tally;
        h->last_ms = now;
        h->rounds++;
    }
    audit_day_note(h, now);
    audit_row_add(a, h, there, &r->tally, &b);
    audit_holder_put(a, h, &b);
    keep(a, &b);
    tell_standing(a, h, before);
    audit_send(a);
}

static bool over(const struct audit_round *r)
{
    for (size_t i = 0; i < r->n; i++)
        if (r->asks[i].state != ASK_OVER) return false;
    return true;
}

static void maybe_end(struct audit *a, struct audit_round *r)
{
    if (!over(r)) return;
    const struct audit_tally *t = &r->tally;
    end_round(a, r, true,
              r->n == 0                  ? "it holds nothing yet"
              : t->wrong > 0             ? "it signed a wrong answer"
              : t->gone + t->damaged > 0 ? "it says itself that it lost shards"
              : t->late > 0              ? "it did not answer for some shards"
                                         : "all right");
}

/* ---- one answer ---- */

static void settle(struct audit *a, struct audit_round *r, struct audit_ask *ask,
                   enum audit_verdict v, uint32_t leaf_no)
{
    struct audit_holder *h = audit_holder_of(a, r->holder);
    struct audit_tally *t = &r->tally;
    uint8_t *const part[AUDIT_VERDICTS] = {&t->right, &t->late, &t->gone, &t->damaged, &t->wrong};
    uint8_t n = (uint8_t)ask->c.count;
    ask->state = ASK_OVER;
    t->asked = (uint8_t)(t->asked + n);
    *part[v] = (uint8_t)(*part[v] + n);
    if (h == NULL || v == AUDIT_RIGHT) return;
    note_fault(a, h, ask, v, leaf_no);
    if (!AUDIT_IS_PROOF(v)) return;
    char line[NODE_REASON_MAX];
    const char *nick = enclave_nick(a->e, r->holder);
    snprintf(line, sizeof line, "%s %s: shard %u of segment %02x%02x%02x%02x", nick,
             audit_verdict_text(v), (unsigned)ask->c.index, ask->c.segment_id[0],
             ask->c.segment_id[1], ask->c.segment_id[2], ask->c.segment_id[3]);
    enclave_tell(a->e, "warning", nick, 0, line);
    repair_lost(a->e, r->holder, ask->c.segment_id, ask->c.index, audit_verdict_text(v));
}

/* Not answered, or not in a way that counts: asked once more, then it is late. */
static void try_again(struct audit *a, struct audit_round *r, struct audit_ask *ask)
{
    if (++ask->tries < AUDIT_TRIES) {
        ask->state = ASK_WAITING;
        ask->at_ms = mono(a) + AUDIT_BUSY_MS;
        return;
    }
    settle(a, r, ask, AUDIT_LATE, UINT32_MAX);
}

static void pump(struct audit *a, struct audit_round *r)
{
    uint64_t now = mono(a);
    size_t flying = 0;
    struct buf b = BUF_INIT;
    if (!linked(a, r->holder)) return;
    for (size_t i = 0; i < r->n; i++) flying += r->asks[i].state == ASK_SENT;
    for (size_t i = 0; i < r->n && flying < AUDIT_WINDOW; i++) {
        struct audit_ask *ask = &r->asks[i];
        if (ask->state != ASK_WAITING || ask->at_ms > now) continue;
        ask->c.req = a->next_req++;
        buf_clear(&b);
        if (fields_encode(&audit_challenge_fields, &ask->c, &b) != ST_OK ||
            send_to(a, r->holder, AUDIT_CHALLENGE, buf_view(&b)) != ST_OK)
            break;
        ask->state = ASK_SENT;
        ask->at_ms = now;
        flying++;
    }
    buf_free(&b);
}

/* What everybody knows is not shown again, and a disk that lost all of it not shard by shard: repair and the
 * score need no more. */
static bool worth_showing(const struct audit *a, uint16_t holder, const struct audit_ask *ask,
                          enum audit_verdict v)
{
    const struct audit_holder *h = audit_holder_of(a, holder);
    uint64_t now = wall(a);
    unsigned shown = 0;
    if (h == NULL || !AUDIT_IS_PROOF(v)) return false;
    for (size_t i = 0; i < h->n_faults; i++) {
        const struct audit_fault *f = &h->faults[i];
        if (!AUDIT_IS_PROOF(f->verdict) || now >= f->time_ms + AUDIT_LOST_AGAIN_MS) continue;
        if (f->verdict == v && f->index == ask->c.index &&
            memcmp(f->segment_id, ask->c.segment_id, 32) == 0)
            return false;
        if (f->by == group_leaf(a->e->group)) shown++;
    }
    return shown < AUDIT_PROOFS_DAY;
}

static void judge(struct audit *a, struct audit_round *r, struct audit_ask *ask,
                  const struct audit_answer *m)
{
    struct audit_signer by;
    uint32_t leaf_no = UINT32_MAX;
    struct keep_batch b;
    struct buf proof = BUF_INIT;
    if (m->code == AUDIT_CODE_BUSY && ask->busy < AUDIT_BUSY_MAX) {
        ask->busy++;
        ask->state = ASK_WAITING;
        ask->at_ms = mono(a) + AUDIT_BUSY_MS;
        return;
    }
    enum audit_verdict v = audit_signer_of(a, r->holder, &by)
                               ? audit_check(by.place, by.key, &ask->s, &ask->c, m, &leaf_no)
                               : AUDIT_LATE;
    if (v == AUDIT_LATE) {
        try_again(a, r, ask);
        return;
    }
    if (worth_showing(a, r->holder, ask, v) &&
        audit_proof_make(r->holder, &ask->c, m, &proof) == ST_OK) {
        keep_begin(&b, &a->e->node->keep);
        audit_proof_add(a, buf_view(&proof), &b);
        keep(a, &b);
    }
    buf_free(&proof);
    settle(a, r, ask, v, leaf_no);
}

static enum status take_answer(struct audit *a, uint16_t leaf, struct bytes payload)
{
    struct audit_answer m;
    enum status st = fields_decode(&audit_answer_fields, payload, &m);
    if (st != ST_OK) return st;
    for (size_t i = 0; i < AUDIT_ROUNDS; i++) {
        struct audit_round *r = &a->rounds[i];
        if (!r->used || r->holder != leaf) continue;
        for (size_t k = 0; k < r->n; k++) {
            if (r->asks[k].state != ASK_SENT || r->asks[k].c.req != m.req) continue;
            judge(a, r, &r->asks[k], &m);
            pump(a, r);
            maybe_end(a, r);
            return ST_OK;
        }
    }
    return ST_OK; /* given up meanwhile */
}

bool enclave_audit_frame(struct enclave *e, uint16_t leaf, uint8_t type, struct bytes payload)
{
    struct audit *a = e->audit;
    if (type != AUDIT_CHALLENGE && type != AUDIT_ANSWER) return false;
    if (a == NULL) return true;
    enum status st = type == AUDIT_CHALLENGE ? audit_server_frame(a->server, leaf, payload, mono(a))
                                             : take_answer(a, leaf, payload);
    a->next_ms = 0;
    if (st == ST_OK || status_class(st) != STATUS_PEER) return true;
    env_log(e->node->ports.env, ENV_WARN, "audit", "leaf %u sent what is not allowed: %s",
            (unsigned)leaf, status_text(st));
    peers_drop(e->peers, leaf);
    return true;
}

enum status enclave_audit_answer(struct enclave *e, uint16_t number, struct bytes payload)
{
    if (e->audit == NULL) return ST_OK;
    e->audit->next_ms = 0;
    return take_answer(e->audit, number, payload);
}

/* ---- links ---- */

void enclave_audit_peer(struct enclave *e, uint16_t leaf, bool up)
{
    struct audit *a = e->audit;
    if (a == NULL) return;
    a->next_ms = 0;
    if (!up) audit_server_gone(a->server, leaf);
    for (size_t i = 0; i < AUDIT_ROUNDS; i++) {
        struct audit_round *r = &a->rounds[i];
        if (!r->used || r->holder != leaf) continue;
        if (up) {
            pump(a, r);
            maybe_end(a, r);
            continue;
        }
        /* Hanging up on a question is no answer. */
        r->until_ms = mono(a) + AUDIT_LINK_MS;
        for (size_t k = 0; k < r->n; k++)
            if (r->asks[k].state == ASK_SENT) try_again(a, r, &r->asks[k]);
    }
}

void enclave_audit_writable(struct enclave *e, uint16_t leaf)
{
    struct audit *a = e->audit;
    if (a == NULL) return;
    audit_server_writable(a->server, leaf);
    for (size_t i = 0; i < AUDIT_ROUNDS; i++)
        if (a->rounds[i].used && a->rounds[i].holder == leaf) pump(a, &a->rounds[i]);
}

bool enclave_audit_busy(const struct enclave *e, uint16_t leaf)
{
    const struct audit *a = e->audit;
    for (size_t i = 0; a != NULL && i < AUDIT_ROUNDS; i++)
        if (a->rounds[i].used && a->rounds[i].holder == leaf) return true;
    return false;
}

/* ---- schedule ---- */

static uint64_t spread(const struct audit *a, uint64_t most)
{
    uint8_t random[8];
    env_random(a->e->node->ports.env, random, sizeof random);
    return get_u64(random) % most;
}

static void follow(struct audit *a, uint16_t holder)
{
    struct audit_holder *h = audit_holder_of(a, holder);
    if (h == NULL && a->n < HOLD_LEAVES_MAX && (h = calloc(1, sizeof *h)) != NULL) {
        h->holder = holder;
        audit_score_init(&h->score);
        memset(h->days, 255, sizeof h->days);
        a->holders[a->n++] = h;
    }
    if (h == NULL) return;
    h->member = true;
    if (h->due_ms == 0) h->due_ms = mono(a) + AUDIT_FIRST_MS + spread(a, AUDIT_FIRST_SPREAD_MS);
}

static void follow_roster(struct audit *a)
{
    const struct ledger *l = group_ledger(a->e->group);
    uint16_t nodes[DEPOTS_MAX];
    size_t n = shelf_depots_numbers(a->e->shelf, nodes, DEPOTS_MAX);
    for (size_t i = 0; i < a->n; i++) a->holders[i]->member = false;
    for (size_t i = 0; i < ledger_leaves(l); i++) {
        const struct ledger_leaf *leaf = ledger_leaf(l, (uint16_t)i);
        if (leaf->member_now && leaf->epoch_in != LEDGER_NEVER &&
            leaf->leaf != group_leaf(a->e->group))
            follow(a, leaf->leaf);
    }
    for (size_t i = 0; i < n; i++) follow(a, nodes[i]);
}

static void begin(struct audit *a, struct audit_holder *h, struct audit_round *r)
{
    struct enclave *e = a->e;
    memset(r, 0, sizeof *r);
    r->used = true;
    r->holder = h->holder;
    h->due_ms = mono(a) + AUDIT_HOUR_MS - AUDIT_HOUR_MS / 20 + spread(a, AUDIT_HOUR_MS / 10);
    bool node = is_node(h->holder);
    if (!node && peers_path(e->peers, h->holder) == PEERS_OFFLINE) {
        end_round(a, r, false, "away");
        return;
    }
    r->until_ms = mono(a) + AUDIT_LINK_MS;
    draw(a, r);
    if (r->n == 0 && !node) {
        maybe_end(a, r);
        return;
    }
    want(a, h->holder); /* whether a node is there shows only then */
    pump(a, r);
}

static void tick_round(struct audit *a, struct audit_round *r, uint64_t now)
{
    if (!linked(a, r->holder)) {
        if (over(r) && (r->n > 0 || !is_node(r->holder))) {
            maybe_end(a, r);
        } else if (is_node(r->holder) && shelf_depot_away(a->e->shelf, r->holder)) {
            end_round(a, r, r->tally.asked > 0, "away");
        } else if (now >= r->until_ms) {
            end_round(a, r, r->tally.asked > 0, "no link to it comes about");
        } else {
            want(a, r->holder);
        }
        return;
    }
    for (size_t i = 0; i < r->n; i++)
        if (r->asks[i].state == ASK_SENT && now - r->asks[i].at_ms >= AUDIT_WAIT_MS)
            try_again(a, r, &r->asks[i]);
    pump(a, r);
    maybe_end(a, r);
}

static struct audit_round *free_round(struct audit *a)
{
    for (size_t i = 0; i < AUDIT_ROUNDS; i++)
        if (!a->rounds[i].used) return &a->rounds[i];
    return NULL;
}

static bool may_ask(const struct enclave *e)
{
    return e->peers != NULL && e->attached && enclave_in(e) && !e->halted && !e->removed &&
           enclave_synced(e, FEED_LEDGER) && enclave_synced(e, FEED_FILES);
}

void enclave_audit_tick(struct enclave *e, uint64_t now_ms)
{
    struct audit *a = e->audit;
    if (a == NULL || !may_ask(e)) return;
    follow_roster(a);
    for (size_t i = 0; i < AUDIT_ROUNDS; i++)
        if (a->rounds[i].used) tick_round(a, &a->rounds[i], now_ms);
    for (size_t i = 0; i < a->n; i++) {
        struct audit_holder *h = a->holders[i];
        if (!h->member || (now_ms < h->due_ms && !h->due_now) || enclave_audit_busy(e, h->holder))
            continue;
        struct audit_round *r = free_round(a);
        if (r == NULL) break;
        begin(a, h, r);
    }
    audit_send(a);
    audit_digest_tick(a);
    a->next_ms = now_ms + 60000;
    for (size_t i = 0; i < a->n; i++)
        if (a->holders[i]->member && a->holders[i]->due_ms < a->next_ms)
            a->next_ms = a->holders[i]->due_ms;
    for (size_t i = 0; i < AUDIT_ROUNDS; i++)
        if (a->rounds[i].used) a->next_ms = now_ms + 500;
    uint64_t out = audit_out_next_ms(a);
    if (out < a->next_ms) a->next_ms = out > now_ms ? out : now_ms + 500;
}

uint64_t enclave_audit_next_ms(const struct enclave *e)
{
    return e->audit == NULL || !may_ask(e) ? UINT64_MAX : e->audit->next_ms;
}

void enclave_audit_all(struct enclave *e)
{
    struct audit *a = e->audit;
    follow_roster(a);
    for (size_t i = 0; i < a->n; i++) a->holders[i]->due_now = a->holders[i]->member;
    a->next_ms = 0;
}

/* ---- life ---- */

enum status enclave_audit_load(struct enclave *e)
{
    struct node *n = e->node;
    struct audit_server_config c = {
        .store = n->ports.shards, .work = n->ports.work, .sign = sign_answer, .send = send_answer};
    if (e->audit != NULL) return ST_OK;
    struct audit *a = calloc(1, sizeof *a);
    if (a == NULL) return ST_NO_MEMORY;
    a->e = e;
    a->pending = 1; /* the owner's */
    a->next_req = 1;
    a->s_kept = keep_space(&n->keep, "audit", BYTES_OF(e->tag));
    a->s_rows = keep_space(&n->keep, "audit rows", BYTES_OF(e->tag));
    a->s_proofs = keep_space(&n->keep, "audit proofs", BYTES_OF(e->tag));
    a->s_out = keep_space(&n->keep, "audit out", BYTES_OF(e->tag));
    buf_init(&a->out.sealed, KV_VALUE_MAX);
    memcpy(c.tag, e->tag, SHARD_TAG);
    memcpy(c.place, e->enclave_id, 32);
    c.ctx = a;
    a->server = audit_server_new(&c);
    enum status st = a->server == NULL ? ST_NO_MEMORY : audit_rows_load(a);
    if (st == ST_OK) st = audit_out_load(a);
    size_t digests = ledger_digests(group_ledger(e->group)); /* told when they came */
    if (digests > 0)
        a->digests_seen = ledger_digest_at(group_ledger(e->group), digests - 1)->index + 1;
    e->audit = a;
    if (st != ST_OK) enclave_audit_free(e);
    return st;
}

void audit_release(struct audit *a)
{
    if (--a->pending > 0) return;
    for (size_t i = 0; i < a->n; i++) free(a->holders[i]);
    buf_free(&a->out.sealed);
    free(a);
}

void enclave_audit_free(struct enclave *e)
{
    struct audit *a = e->audit;
    if (a == NULL) return;
    e->audit = NULL;
    audit_server_free(a->server);
    a->freed = true;
    audit_release(a);
}

void enclave_audit_shred(struct enclave *e, struct keep_batch *b)
{
    struct audit *a = e->audit;
    if (a == NULL) return;
    keep_erase_space(b, &a->s_kept);
    keep_erase_space(b, &a->s_rows);
    keep_erase_space(b, &a->s_proofs);
    keep_erase_space(b, &a->s_out);
}
