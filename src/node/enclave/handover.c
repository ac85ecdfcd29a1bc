/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "node/enclave/handover.h"

#include "core/feed/handover.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROW_FIELDS(X, M)                                            \
    X(M, U64, from, 0, 0)                                           \
    X(M, U64, to, 0, 0)                                             \
    X(M, U8, known, 0, 0) /* before is the chain before from */     \
    X(M, FIX, before, 32, 0)                                        \
    X(M, FIX, after, 32, 0) /* before to, as the sentinel has it */ \
    X(M, U64, since_ms, 0, 0)
FIELDS_DECLARE(handover_row, ROW_FIELDS);
FIELDS_DEFINE(handover_row, ROW_FIELDS);

struct handover {
    struct handover_row row;
    struct buf *pieces; /* entries of each, checked; the last one is the first of the feed */
    size_t n_pieces, room, bytes;
    uint64_t low;          /* first index in hand; row.to: none */
    uint8_t low_chain[32]; /* before it */
    bool asking;
    uint16_t leaf;              /* asked, or to be asked next */
    unsigned tries;             /* to have a link to it */
    uint64_t at_ms;             /* monotonic: the answer's deadline, or when to go on */
    bool done[LEDGER_EVER_MAX]; /* it has no more of this, by its own word */
};

static void forget_pieces(struct handover *h)
{
    for (size_t i = 0; i < h->n_pieces; i++) buf_free(&h->pieces[i]);
    free(h->pieces);
    h->pieces = NULL;
    h->n_pieces = h->room = h->bytes = 0;
    h->low = h->row.to;
    memcpy(h->low_chain, h->row.after, 32);
}

void handover_free(struct enclave *e)
{
    if (e->handover == NULL) return;
    forget_pieces(e->handover);
    free(e->handover);
    e->handover = NULL;
}

static void put_row(struct enclave *e, struct keep_batch *b)
{
    struct buf row = BUF_INIT;
    if (fields_encode(&handover_row_fields, &e->handover->row, &row) == ST_OK)
        keep_put(b, &e->s_missing, 0, buf_view(&row));
    else
        b->bad = true;
    buf_free(&row);
}

static struct handover *make(struct enclave *e, const struct handover_row *row)
{
    struct handover *h = calloc(1, sizeof *h);
    if (h == NULL) return NULL;
    h->row = *row;
    forget_pieces(h);
    e->handover = h;
    return h;
}

enum status handover_load(struct enclave *e)
{
    struct buf in = BUF_INIT;
    struct handover_row row;
    enum status st = keep_get(&e->node->keep, &e->s_missing, 0, &in);
    if (st == ST_OK) st = fields_decode(&handover_row_fields, buf_view(&in), &row);
    if (st == ST_OK && make(e, &row) == NULL) st = ST_NO_MEMORY;
    buf_free(&in);
    return st == ST_NOT_FOUND ? ST_OK : st;
}

void handover_missing(struct enclave *e, uint64_t from, const uint8_t *before, uint64_t to,
                      const uint8_t after[32], struct keep_batch *b)
{
    struct handover_row row = {.from = from,
                               .to = to,
                               .known = before != NULL,
                               .since_ms = env_wall_ms(e->node->ports.env)};
    if (e->handover != NULL && e->handover->row.to == to) return;
    if (before != NULL) memcpy(row.before, before, 32);
    memcpy(row.after, after, 32);
    handover_free(e); /* an older gap that nobody has filled yet is given up for the newer one */
    if (make(e, &row) != NULL) put_row(e, b);
}

bool handover_open(const struct enclave *e)
{
    return e->handover != NULL;
}

/* ---- taking what came ---- */

static void take_piece(struct enclave *e, const struct buf *piece, uint64_t *index,
                       uint8_t chain[32], struct keep_batch *b)
{
    struct cursor c = cursor_of(buf_view(piece));
    struct handover_item item;
    struct buf row;
    while (c.left > 0 && fields_read(&handover_item_fields, &c, &item) == ST_OK) {
        enclave_mail_missed(e, *index, item.sealed, b);
        chain_step(chain, item.sealed, chain);
        buf_init(&row, KV_VALUE_MAX);
        buf_raw(&row, chain, 32);
        buf_bytes(&row, item.sealed);
        keep_put(b, &e->feeds[FEED_MAIL].space, *index, buf_view(&row));
        buf_free(&row);
        ++*index;
    }
}

/* Ends it, or goes on below what was taken. */
static void after_taking(struct enclave *e, uint64_t first, bool over, struct keep_batch *b)
{
    struct handover *h = e->handover;
    if (!over) {
        h->row.to = first;
        memcpy(h->row.after, h->low_chain, 32);
        put_row(e, b);
        return;
    }
    keep_erase(b, &e->s_missing, 0);
}

static void take_all(struct enclave *e, bool over)
{
    struct handover *h = e->handover;
    struct keep_batch b;
    uint64_t first = h->low, index = h->low;
    uint8_t chain[32];
    memcpy(chain, h->low_chain, 32);
    /* Its row changes with the last one: after a crash all of it is asked for again. */
    for (size_t i = h->n_pieces; i-- > 0;) {
        keep_begin(&b, &e->node->keep);
        take_piece(e, &h->pieces[i], &index, chain, &b);
        if (i == 0) after_taking(e, first, over, &b);
        enclave_put_group(e, &b);
        enclave_mail_rows(e, &b);
        enclave_mail_commit(e, &b, NULL, NULL, 0);
    }
    if (h->n_pieces == 0 && over) {
        keep_begin(&b, &e->node->keep);
        after_taking(e, first, over, &b);
        enclave_commit(e, &b, NULL, NULL);
    }
    forget_pieces(h);
}

/* Nobody who could be asked has more, or all is here. */
static void end(struct enclave *e)
{
    struct handover *h = e->handover;
    uint64_t lost = h->low - h->row.from, got = h->row.to - h->low;
    char text[NODE_REASON_MAX];
    take_all(e, true);
    handover_free(e);
    if (got > 0) {
        snprintf(text, sizeof text,
                 "%llu entries that the sentinel kept no longer came from other members",
                 (unsigned long long)got);
        enclave_tell(e, "handover", "", got, text);
    }
    if (lost == 0) return;
    snprintf(text, sizeof text,
             "%llu entries from while this member was away are lost: nobody had them any more",
             (unsigned long long)lost);
    enclave_tell(e, "warning", "", lost, text);
}

/* ---- asking ---- */

static bool candidate(const struct enclave *e, uint16_t leaf)
{
    const struct ledger_leaf *l = ledger_leaf(group_ledger(e->group), leaf);
    return l != NULL && l->member_now && l->epoch_in != LEDGER_NEVER &&
           leaf != group_leaf(e->group) && !e->handover->done[leaf % LEDGER_EVER_MAX];
}

/* The next one from leaf on; false: everybody has answered. *wrapped: all were gone through. */
static bool next_candidate(struct enclave *e, bool *wrapped)
{
    struct handover *h = e->handover;
    size_t n = ledger_leaves(group_ledger(e->group));
    *wrapped = false;
    for (size_t i = 0; i < n; i++, h->leaf++) {
        if (h->leaf >= n) {
            h->leaf = 0;
            *wrapped = true;
        }
        if (candidate(e, h->leaf)) return true;
    }
    return false;
}

static void ask(struct enclave *e, uint64_t now)
{
    struct handover *h = e->handover;
    struct handover_ask msg = {h->row.from, h->low};
    struct buf out = BUF_INIT;
    if (fields_encode(&handover_ask_fields, &msg, &out) == ST_OK &&
        peers_send(e->peers, h->leaf, HANDOVER_ASK, buf_view(&out)) == ST_OK) {
        h->asking = true;
        h->at_ms = now + HANDOVER_ANSWER_MS;
    } else {
        h->at_ms = now + HANDOVER_LINK_MS;
    }
    buf_free(&out);
}

static void go_on(struct enclave *e, uint64_t now)
{
    struct handover *h = e->handover;
    bool wrapped;
    if (!next_candidate(e, &wrapped)) {
        end(e);
        return;
    }
    if (peers_linked(e->peers, h->leaf)) {
        h->tries = 0;
        ask(e, now);
        return;
    }
    peers_want(e->peers, h->leaf);
    h->at_ms = now + HANDOVER_LINK_MS;
    bool gone = peers_path(e->peers, h->leaf) == PEERS_OFFLINE;
    if (++h->tries < (gone ? 2 : HANDOVER_LINK_TRIES)) return;
    h->tries = 0;
    h->leaf++;
    bool again = next_candidate(e, &wrapped) && wrapped;
    if (again) h->at_ms = now + HANDOVER_ROUND_MS;
}

static bool ready(const struct enclave *e)
{
    return e->handover != NULL && e->peers != NULL && enclave_in(e) &&
           enclave_synced(e, FEED_LEDGER) && enclave_synced(e, FEED_MAIL);
}

void handover_tick(struct enclave *e, uint64_t now_ms)
{
    struct handover *h = e->handover;
    if (!ready(e) || now_ms < h->at_ms) return;
    uint64_t wall = env_wall_ms(e->node->ports.env);
    if (wall > h->row.since_ms && wall - h->row.since_ms > HANDOVER_KEEP_MS) {
        end(e);
        return;
    }
    if (h->asking) { /* no answer */
        h->asking = false;
        h->leaf++;
    }
    go_on(e, now_ms);
}

uint64_t handover_next_ms(const struct enclave *e)
{
    return ready(e) ? e->handover->at_ms : UINT64_MAX;
}

void handover_peer(struct enclave *e, uint16_t leaf, bool up)
{
    struct handover *h = e->handover;
    if (h == NULL) return;
    if (up && !h->asking) h->at_ms = 0;
    if (!up && h->asking && h->leaf == leaf) h->at_ms = 0;
}

bool handover_busy(const struct enclave *e, uint16_t leaf)
{
    return e->handover != NULL && e->handover->asking && e->handover->leaf == leaf;
}

static bool gather(struct handover *h, const struct handover_give *g)
{
    if (h->n_pieces == h->room) {
        size_t room = h->room == 0 ? 16 : 2 * h->room;
        struct buf *more = realloc(h->pieces, room * sizeof *more);
        if (more == NULL) return false;
        h->pieces = more;
        h->room = room;
    }
    struct buf *b = &h->pieces[h->n_pieces];
    buf_init(b, HANDOVER_PIECE_MAX);
    buf_bytes(b, g->entries);
    if (buf_status(b) != ST_OK) {
        buf_free(b);
        return false;
    }
    h->n_pieces++;
    h->bytes += g->entries.n;
    h->low = g->from;
    memcpy(h->low_chain, g->before, 32);
    return true;
}

static void refuse(struct enclave *e, uint16_t leaf)
{
    enclave_tell(e, "warning", enclave_nick(e, leaf), 0,
                 "entries that a member handed over are not those of this enclave: not taken");
    e->handover->done[leaf % LEDGER_EVER_MAX] = true;
}

static void on_give(struct enclave *e, uint16_t leaf, struct bytes payload)
{
    struct handover *h = e->handover;
    struct handover_give g;
    if (h == NULL || !h->asking || h->leaf != leaf) return; /* late */
    h->asking = false;
    h->at_ms = 0;
    if (fields_decode(&handover_give_fields, payload, &g) != ST_OK || g.to != h->low ||
        g.from < h->row.from || g.from > g.to) {
        refuse(e, leaf);
        return;
    }
    if (g.from == g.to) {
        h->done[leaf % LEDGER_EVER_MAX] = true;
        return;
    }
    if (handover_check(&g, h->low_chain) != ST_OK) {
        refuse(e, leaf);
        return;
    }
    if (g.from == h->row.from && h->row.known && memcmp(g.before, h->row.before, 32) != 0) {
        /* They prove what the sentinel shows: what we have is no beginning of it. */
        enclave_tell(e, "warning", "", 0,
                     "the words from before this member was away are not those that the sentinel "
                     "goes on from. Compare `enclave status` with the other members");
        forget_pieces(h);
        h->low = h->row.to;
        memset(h->done, true, sizeof h->done);
        return;
    }
    if (!gather(h, &g)) return;
    if (h->low == h->row.from)
        end(e);
    else if (h->bytes >= HANDOVER_GATHER_MAX)
        take_all(e, false);
}

/* ---- answering ---- */

/* The last entries below `to` that are here and fit a piece. */
static uint64_t piece_from(struct enclave *e, uint64_t from, uint64_t to)
{
    uint64_t index = to;
    size_t bytes = 0;
    while (index > from && to - index < HANDOVER_ENTRIES_MAX) {
        struct buf sealed;
        uint8_t chain[32];
        buf_init(&sealed, KV_VALUE_MAX);
        enum status st = enclave_kept(e, FEED_MAIL, index - 1, &sealed, chain);
        bytes += sealed.n + 4;
        buf_free(&sealed);
        if (st != ST_OK || (bytes > HANDOVER_PIECE && index < to)) break;
        index--;
    }
    return index;
}

static void on_ask(struct enclave *e, uint16_t leaf, struct bytes payload)
{
    struct handover_ask in;
    struct handover_give out = {0};
    struct buf entries, frame;
    if (e->group == NULL || fields_decode(&handover_ask_fields, payload, &in) != ST_OK) return;
    if (in.from >= in.to || peers_waiting(e->peers, leaf) > HANDOVER_QUEUE_MAX) return;
    buf_init(&entries, HANDOVER_PIECE_MAX);
    buf_init(&frame, LINK_FRAME_MAX);
    out.to = in.to;
    out.from = in.to <= e->feeds[FEED_MAIL].on_disk ? piece_from(e, in.from, in.to) : in.to;
    if (out.from == 0)
        chain_start(e->room, FEED_MAIL, out.before);
    else if (out.from < out.to &&
             enclave_kept(e, FEED_MAIL, out.from - 1, NULL, out.before) != ST_OK) {
        /* The first one here only tells the chain before the next. */
        if (enclave_kept(e, FEED_MAIL, out.from, NULL, out.before) != ST_OK) out.from = out.to;
        if (out.from < out.to) out.from++;
    }
    for (uint64_t i = out.from; i < out.to; i++) {
        struct buf sealed;
        uint8_t chain[32];
        buf_init(&sealed, KV_VALUE_MAX);
        if (enclave_kept(e, FEED_MAIL, i, &sealed, chain) != ST_OK) entries.bad = true;
        buf_u32(&entries, (uint32_t)sealed.n);
        buf_bytes(&entries, buf_view(&sealed));
        buf_free(&sealed);
    }
    if (buf_status(&entries) != ST_OK || out.from == out.to) {
        buf_clear(&entries);
        out.from = out.to;
    }
    if (out.from == out.to) memset(out.before, 0, 32);
    out.entries = buf_view(&entries);
    /* If the link takes it not, the other one asks somebody else. */
    if (fields_encode(&handover_give_fields, &out, &frame) == ST_OK &&
        peers_send(e->peers, leaf, HANDOVER_GIVE, buf_view(&frame)) != ST_OK)
        env_log(e->node->ports.env, ENV_DEBUG, "mail", "entries could not be handed over");
    buf_free(&entries);
    buf_free(&frame);
}

bool handover_frame(struct enclave *e, uint16_t leaf, uint8_t type, struct bytes payload)
{
    if (type == HANDOVER_ASK)
        on_ask(e, leaf, payload);
    else if (type == HANDOVER_GIVE)
        on_give(e, leaf, payload);
    else
        return false;
    return true;
}
