/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "node/hold/hold_private.h"

#include <stdlib.h>
#include <string.h>

static uint64_t now_of(const struct keeper *k)
{
    return env_mono_ms(k->h->c.env);
}

uint16_t keeper_leaf(const struct keeper *k)
{
    return k->leaf;
}

bool keeper_up(const struct keeper *k)
{
    return k->up && k->member;
}

bool keeper_near(const struct keeper *k)
{
    return k->near;
}

uint64_t keeper_rate(const struct keeper *k)
{
    return k->rate;
}

/* --- requests under way -------------------------------------------------------------------- */

static struct keeper_read *call_new(struct keeper *k, enum call_kind kind,
                                    const uint8_t segment_id[SHARD_ID], uint8_t index, void *arg)
{
    struct keeper_read *c = k->calls_n < KEEPER_CALLS_MAX ? calloc(1, sizeof *c) : NULL;
    if (!c) return NULL;
    c->k = k;
    c->kind = kind;
    c->req = k->next_req++;
    c->arg = arg;
    c->started_ms = c->progress_ms = now_of(k);
    memcpy(c->key.tag, k->h->c.tag, SHARD_TAG);
    if (segment_id) memcpy(c->key.segment_id, segment_id, SHARD_ID);
    c->key.index = index;
    struct keeper_read **at = &k->calls;
    while (*at) at = &(*at)->next;
    *at = c;
    k->calls_n++;
    return c;
}

static void call_unlink(struct keeper_read *c)
{
    struct keeper_read **at = &c->k->calls;
    while (*at && *at != c) at = &(*at)->next;
    if (!*at) return;
    *at = c->next;
    c->k->calls_n--;
}

static void call_free(struct keeper_read *c)
{
    if (c->inside || c->loading) {
        c->dead = true;
        return;
    }
    struct hold *h = c->k->h;
    bool near = c->k->near;
    free(c->room);
    free(c);
    if (near) hold_release(h);
}

/* The end of a request: out of the list, then the asker is told. */
static void call_end(struct keeper_read *c, enum status st, const struct shard_info *info,
                     uint64_t bitmap)
{
    enum call_kind kind = c->kind;
    void *arg = c->arg;
    bool dead = c->dead;
    shard_done *done = c->call.done;
    shard_told *told = c->call.told;
    shard_had *had = c->call.had;
    call_unlink(c);
    call_free(c);
    if (dead) return;
    if (kind == CALL_INFO)
        told(arg, st, info);
    else if (kind == CALL_HAVE)
        had(arg, st, bitmap);
    else
        done(arg, st);
}

static void call_later_fail(void *arg, enum status st)
{
    struct keeper_read *c = arg;
    call_end(c, st, NULL, 0);
}

/* Hands the request to the link; what does not fit waits for writable. */
static void call_send(struct keeper_read *c)
{
    struct keeper *k = c->k;
    enum status st = ST_CLOSED;
    if (k->up) st = k->wire.send(k->wire.ctx, c->type, BYTES(c->payload, c->payload_n));
    if (st == ST_OK) {
        c->sent = true;
    } else if (st == ST_BUSY) {
        if (!k->blocked_ms) k->blocked_ms = now_of(k);
    } else {
        call_unlink(c); /* link_down must not tell it a second time */
        hold_later(k->h, call_later_fail, c, ST_CLOSED);
    }
}

static void call_encode(struct keeper_read *c, uint8_t type, const struct fields *f,
                        const void *msg)
{
    struct buf b;
    buf_init(&b, sizeof c->payload);
    if (fields_encode(f, msg, &b) == ST_OK) {
        memcpy(c->payload, b.p, b.n);
        c->payload_n = b.n;
    }
    buf_free(&b);
    c->type = type;
    call_send(c);
}

static struct keeper_read *call_find(struct keeper *k, uint32_t req)
{
    struct keeper_read *c = k->calls;
    while (c && c->req != req) c = c->next;
    return c;
}

/* --- writing a column ---------------------------------------------------------------------- */

struct keeper_put *keeper_open(struct keeper *k, const uint8_t header[SHARD_HEADER])
{
    struct keeper_put *p = calloc(1, sizeof *p);
    if (!p) return NULL;
    p->k = k;
    memcpy(p->header, header, SHARD_HEADER);
    if (k->near) {
        struct shard_key key = {.index = header[36]};
        memcpy(key.tag, k->h->c.tag, SHARD_TAG);
        memcpy(key.segment_id, header + 4, SHARD_ID);
        p->store = k->h->c.store.ops->begin(k->h->c.store.ctx, &key, header);
        if (!p->store) {
            free(p);
            return NULL;
        }
        k->h->pending++;
    } else {
        p->req = k->next_req++;
        if (!k->up) p->st = ST_CLOSED;
    }
    p->next = k->puts;
    k->puts = p;
    return p;
}

static void put_gone(struct keeper_put *p)
{
    struct keeper_put **at = &p->k->puts;
    while (*at != p) at = &(*at)->next;
    *at = p->next;
    struct hold *h = p->k->h;
    bool near = p->k->near;
    free(p);
    if (near) hold_release(h);
}

static enum status far_send(struct keeper *k, uint8_t type, struct bytes payload)
{
    enum status st = k->up ? k->wire.send(k->wire.ctx, type, payload) : ST_CLOSED;
    if (st == ST_BUSY && !k->blocked_ms) k->blocked_ms = now_of(k);
    return st;
}

static enum status far_open(struct keeper_put *p)
{
    if (p->opened) return ST_OK;
    uint8_t open[4 + SHARD_HEADER];
    put_u32(open, p->req);
    memcpy(open + 4, p->header, SHARD_HEADER);
    enum status st = far_send(p->k, HOLDER_PUT_OPEN, BYTES_OF(open));
    if (st == ST_OK) p->opened = true;
    return st;
}

enum status keeper_unit(struct keeper_put *p, uint32_t row, uint8_t *unit, shard_done *done,
                        void *arg)
{
    struct keeper *k = p->k;
    if (p->st != ST_OK) return p->st;
    if (k->near) {
        k->h->c.store.ops->append(p->store, row, unit, done, arg);
        return ST_OK;
    }
    enum status st = far_open(p);
    if (st == ST_OK) {
        uint8_t *payload = unit - KEEPER_HEADROOM;
        put_u32(payload, p->req);
        put_u32(payload + 4, row);
        st = far_send(k, HOLDER_PUT_UNIT, BYTES(payload, KEEPER_HEADROOM + SHARD_UNIT));
    }
    if (st == ST_OK)
        hold_later(k->h, done, arg, ST_OK); /* the link copied it */
    else if (st != ST_BUSY)
        p->st = st;
    return st;
}

/* A near commit: what the store says counts for our own use of space too. */
struct near_commit {
    struct hold *h;
    uint64_t bytes;
    shard_done *done;
    void *arg;
};

static void on_near_commit(void *arg, enum status st)
{
    struct near_commit c = *(struct near_commit *)arg;
    free(arg);
    if (st == ST_OK && c.h->holder) holder_count(c.h->holder, c.bytes, false);
    c.done(c.arg, st);
    hold_release(c.h);
}

void keeper_commit(struct keeper_put *p, uint32_t rows, struct bytes trailer, shard_done *done,
                   void *arg)
{
    struct keeper *k = p->k;
    struct hold *h = k->h;
    if (p->st != ST_OK) {
        hold_later(h, done, arg, p->st);
        keeper_abandon(p);
        return;
    }
    if (k->near) {
        struct near_commit *c = calloc(1, sizeof *c);
        if (!c) {
            hold_later(h, done, arg, ST_NO_MEMORY);
            keeper_abandon(p);
            return;
        }
        *c = (struct near_commit){h, SHARD_HEADER + rows * SHARD_UNIT + trailer.n, done, arg};
        h->pending++;
        h->c.store.ops->commit(p->store, rows, trailer, on_near_commit, c);
        put_gone(p);
        return;
    }
    struct keeper_read *c = call_new(k, CALL_COMMIT, NULL, 0, arg);
    if (!c) {
        hold_later(h, done, arg, ST_BUSY);
        keeper_abandon(p);
        return;
    }
    c->call.done = done;
    c->req = p->req; /* the reply names the put */
    struct holder_commit m = {.req = p->req, .rows = rows, .trailer = trailer};
    put_gone(p);
    call_encode(c, HOLDER_PUT_COMMIT, &holder_commit_fields, &m);
}

void keeper_abandon(struct keeper_put *p)
{
    struct keeper *k = p->k;
    if (k->near) {
        k->h->c.store.ops->abandon(p->store);
    } else if (p->opened && k->up && p->st == ST_OK) {
        uint8_t req[4];
        put_u32(req, p->req);
        /* If the link is too full to take it, the session's end cleans up. */
        (void)k->wire.send(k->wire.ctx, HOLDER_PUT_ABANDON, BYTES_OF(req));
    }
    put_gone(p);
}

/* --- reading ------------------------------------------------------------------------------- */

static void on_near_piece(void *arg, enum status st);

static void near_load(struct keeper_read *c)
{
    uint64_t left = c->end - c->offset;
    size_t n = left < HOLDER_PIECE_MAX ? (size_t)left : HOLDER_PIECE_MAX;
    const struct shard_store *store = &c->k->h->c.store;
    c->loading = true;
    store->ops->read(store->ctx, &c->key, c->offset, c->room, n, on_near_piece, c);
}

/* Gives a piece to the asker; false: the read was stopped meanwhile. */
static bool give_piece(struct keeper_read *c, struct bytes piece)
{
    uint64_t offset = c->offset;
    c->offset += piece.n;
    c->progress_ms = now_of(c->k);
    c->inside = true;
    c->piece(c->arg, offset, piece);
    c->inside = false;
    if (!c->dead) return true;
    call_free(c);
    return false;
}

static void read_ended(struct keeper_read *c)
{
    struct keeper *k = c->k;
    uint64_t took = now_of(k) - c->started_ms + 1;
    uint64_t rate = (c->end - c->from) * 1000 / took;
    k->rate = k->rate ? (3 * k->rate + rate) / 4 : rate;
    call_end(c, ST_OK, NULL, 0);
}

static void on_near_piece(void *arg, enum status st)
{
    struct keeper_read *c = arg;
    c->loading = false;
    if (c->dead) {
        call_free(c);
        return;
    }
    if (st != ST_OK) {
        call_end(c, st, NULL, 0);
        return;
    }
    uint64_t left = c->end - c->offset;
    size_t n = left < HOLDER_PIECE_MAX ? (size_t)left : HOLDER_PIECE_MAX;
    if (!give_piece(c, BYTES(c->room, n))) return;
    if (c->offset == c->end)
        read_ended(c);
    else
        near_load(c);
}

struct keeper_read *keeper_read(struct keeper *k, const uint8_t segment_id[SHARD_ID], uint8_t index,
                                uint64_t offset, uint64_t n, keeper_piece *piece, shard_done *done,
                                void *arg)
{
    struct keeper_read *c = call_new(k, CALL_READ, segment_id, index, arg);
    if (!c) return NULL;
    c->call.done = done;
    c->piece = piece;
    c->offset = c->from = offset;
    c->end = offset + n;
    if (k->near) {
        c->room = malloc(HOLDER_PIECE_MAX);
        if (!c->room) {
            call_unlink(c);
            free(c);
            return NULL;
        }
        k->h->pending++;
        near_load(c);
        return c;
    }
    struct holder_read m = {
        .req = c->req, .index = index, .offset = (uint32_t)offset, .len = (uint32_t)n};
    memcpy(m.segment_id, segment_id, SHARD_ID);
    call_encode(c, HOLDER_READ, &holder_read_fields, &m);
    return c;
}

void keeper_read_stop(struct keeper_read *c)
{
    struct keeper *k = c->k;
    bool far_sent = !k->near && c->sent && k->up;
    uint8_t req[4];
    put_u32(req, c->req);
    bool listed = call_find(k, c->req) == c;
    call_unlink(c);
    if (!listed) {
        c->dead = true; /* its failure is on the way by hold_later, which frees it */
        return;
    }
    call_free(c);
    if (far_sent) (void)k->wire.send(k->wire.ctx, HOLDER_READ_STOP, BYTES_OF(req));
}

static void on_near_told(void *arg, enum status st, const struct shard_info *info)
{
    struct keeper_read *c = arg;
    c->loading = false;
    call_end(c, st, info, 0);
}

bool keeper_info(struct keeper *k, const uint8_t segment_id[SHARD_ID], uint8_t index,
                 shard_told *done, void *arg)
{
    struct keeper_read *c = call_new(k, CALL_INFO, segment_id, index, arg);
    if (!c) return false;
    c->call.told = done;
    if (k->near) {
        k->h->pending++;
        c->loading = true;
        k->h->c.store.ops->info(k->h->c.store.ctx, &c->key, on_near_told, c);
        return true;
    }
    struct holder_column m = {.req = c->req, .index = index};
    memcpy(m.segment_id, segment_id, SHARD_ID);
    call_encode(c, HOLDER_INFO, &holder_column_fields, &m);
    return true;
}

static void on_near_had(void *arg, enum status st, uint64_t bitmap)
{
    struct keeper_read *c = arg;
    c->loading = false;
    call_end(c, st, NULL, bitmap);
}

bool keeper_have(struct keeper *k, const uint8_t segment_id[SHARD_ID], shard_had *done, void *arg)
{
    struct keeper_read *c = call_new(k, CALL_HAVE, segment_id, 0, arg);
    if (!c) return false;
    c->call.had = done;
    if (k->near) {
        k->h->pending++;
        c->loading = true;
        k->h->c.store.ops->have(k->h->c.store.ctx, c->key.tag, segment_id, on_near_had, c);
        return true;
    }
    struct holder_segment m = {.req = c->req};
    memcpy(m.segment_id, segment_id, SHARD_ID);
    call_encode(c, HOLDER_HAVE, &holder_segment_fields, &m);
    return true;
}

/* Its answer is not waited for, so nothing is lost when the link takes no more. Requests are numbered
 * from 1. */
void keeper_ask_room(struct keeper *k)
{
    struct holder_req m = {.req = 0};
    struct buf b = BUF_INIT;
    if (!k->up || k->near) return;
    if (fields_encode(&holder_req_fields, &m, &b) == ST_OK)
        (void)!k->wire.send(k->wire.ctx, HOLDER_SPACE, buf_view(&b));
    buf_free(&b);
}

/* --- the link ------------------------------------------------------------------------------ */

void keeper_link_up(struct keeper *k, const struct hold_wire *wire)
{
    k->wire = *wire;
    k->up = true;
    k->blocked_ms = 0;
}

void keeper_link_down(struct keeper *k, enum status why)
{
    k->up = false;
    for (struct keeper_put *p = k->puts; p; p = p->next)
        if (p->st == ST_OK) p->st = why;
    while (k->calls) {
        struct keeper_read *c = k->calls;
        call_unlink(c);
        if (c->dead)
            call_free(c);
        else
            hold_later(k->h, call_later_fail, c, why);
    }
}

void keeper_writable(struct keeper *k)
{
    k->blocked_ms = 0;
    for (struct keeper_read *c = k->calls, *next; c && !k->blocked_ms; c = next) {
        next = c->next;
        if (!c->sent) call_send(c);
    }
}

void keeper_tick(struct keeper *k, uint64_t now)
{
    if (k->near) return;
    for (struct keeper_read *c = k->calls, *next; c; c = next) {
        next = c->next;
        if (now - c->progress_ms < KEEPER_STALL_MS || c->inside) continue;
        call_unlink(c);
        hold_later(k->h, call_later_fail, c, ST_TIMEOUT);
    }
    if (k->blocked_ms && now - k->blocked_ms >= KEEPER_STALL_MS)
        for (struct keeper_put *p = k->puts; p; p = p->next)
            if (p->st == ST_OK) p->st = ST_TIMEOUT;
}

/* --- replies ------------------------------------------------------------------------------- */

static enum status got_status(struct keeper *k, struct bytes payload)
{
    struct holder_status m;
    enum status st = fields_decode(&holder_status_fields, payload, &m);
    if (st != ST_OK) return st;
    enum status said = holder_code_status(m.code);
    for (struct keeper_put *p = k->puts; p; p = p->next)
        if (p->req == m.req && p->st == ST_OK) {
            if (said == ST_OK) return ST_PROTOCOL; /* nothing was committed */
            p->st = said;
            hold_tell(k->h);
            return ST_OK;
        }
    struct keeper_read *c = call_find(k, m.req);
    if (!c) return ST_OK; /* given up meanwhile */
    if (said == ST_OK && c->kind != CALL_COMMIT) return ST_PROTOCOL;
    if (c->kind == CALL_COMMIT && k->calls_n == 1) keeper_ask_room(k); /* the last of several */
    call_end(c, said, NULL, 0);
    return ST_OK;
}

static enum status got_had(struct keeper *k, struct bytes payload)
{
    struct holder_had m;
    enum status st = fields_decode(&holder_had_fields, payload, &m);
    if (st != ST_OK) return st;
    struct keeper_read *c = call_find(k, m.req);
    if (!c) return ST_OK;
    if (c->kind != CALL_HAVE) return ST_PROTOCOL;
    call_end(c, ST_OK, NULL, m.bitmap);
    return ST_OK;
}

static enum status got_told(struct keeper *k, struct bytes payload)
{
    struct holder_told m;
    struct shard_info info;
    enum status st = fields_decode(&holder_told_fields, payload, &m);
    if (st != ST_OK) return st;
    struct keeper_read *c = call_find(k, m.req);
    if (!c) return ST_OK;
    if (c->kind != CALL_INFO || m.units > SHARD_UNITS_MAX) return ST_PROTOCOL;
    memset(&info, 0, sizeof info);
    info.units = m.units;
    info.stored_ms = m.stored_ms;
    memcpy(info.header, m.header, SHARD_HEADER);
    memcpy(info.trailer, m.trailer.p, m.trailer.n);
    info.trailer_len = (uint8_t)m.trailer.n;
    call_end(c, ST_OK, &info, 0);
    return ST_OK;
}

static enum status got_data(struct keeper *k, struct bytes payload)
{
    struct holder_data m;
    enum status st = fields_decode(&holder_data_fields, payload, &m);
    if (st != ST_OK) return st;
    struct keeper_read *c = call_find(k, m.req);
    if (!c) return ST_OK;
    if (c->kind != CALL_READ || m.offset != c->offset || !m.piece.n ||
        m.piece.n > c->end - c->offset)
        return ST_PROTOCOL;
    if (give_piece(c, m.piece) && c->offset == c->end) read_ended(c);
    return ST_OK;
}

static enum status got_room(struct keeper *k, struct bytes payload)
{
    struct holder_room m;
    enum status st = fields_decode(&holder_room_fields, payload, &m);
    if (st != ST_OK) return st;
    k->room_told = true;
    k->room = (struct hold_room){m.used, m.free};
    return ST_OK;
}

enum status keeper_reply(struct keeper *k, uint8_t type, struct bytes payload)
{
    switch (type) {
    case HOLDER_STATUS: return got_status(k, payload);
    case HOLDER_HAD: return got_had(k, payload);
    case HOLDER_TOLD: return got_told(k, payload);
    case HOLDER_DATA: return got_data(k, payload);
    case HOLDER_ROOM: return got_room(k, payload);
    default: return ST_PROTOCOL; /* nothing else was asked for */
    }
}
