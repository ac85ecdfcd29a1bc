/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Columns being written: units in, hashed and stored side by side, checked at commit. */
#include "core/files/segment.h"
#include "core/holder/holder_private.h"

#include <stdlib.h>
#include <string.h>

static const struct sm_state put_states[] = {
    [PUT_STATE_OPEN] = {"open", SM_BIT(PUT_STATE_COMMIT) | SM_BIT(PUT_STATE_DEAD)},
    [PUT_STATE_COMMIT] = {"commit", SM_BIT(PUT_STATE_STORE) | SM_BIT(PUT_STATE_DEAD)},
    [PUT_STATE_STORE] = {"store", SM_BIT(PUT_STATE_DEAD)},
    [PUT_STATE_DEAD] = {"dead", 0},
};
static const struct sm_table put_table = {"holder put", put_states, 4};

/* One unit on its way to the disk and through the hash. */
struct unit {
    struct holder_put *put;
    uint32_t row;
    unsigned parts; /* hash and append: both must end */
    enum status st;
    uint8_t leaves[SEGMENT_UNIT_LEAVES * 32];
    uint8_t bytes[SHARD_UNIT];
};

static struct holder_put *put_find(struct holder_session *s, uint32_t req)
{
    struct holder_put *p = s->puts;
    while (p && (p->req != req || p->sm.state == PUT_STATE_DEAD)) p = p->next;
    return p;
}

/* Frees a dead put once nothing of it runs. */
static void put_release(struct holder_put *p)
{
    struct holder_session *s = p->s;
    if (p->sm.state != PUT_STATE_DEAD || p->running) return;
    struct holder_put **at = &s->puts;
    while (*at != p) at = &(*at)->next;
    *at = p->next;
    s->puts_n--;
    free(p);
}

/* Ends a put before it was committed; running parts end by themselves. */
static void put_die(struct holder_put *p)
{
    if (p->sm.state == PUT_STATE_DEAD) return;
    bool stored = p->sm.state == PUT_STATE_STORE;
    sm_move(&p->sm, PUT_STATE_DEAD);
    const struct shard_store *store = &p->s->h->c.store;
    if (!stored && p->store) store->ops->abandon(p->store);
    p->store = NULL;
}

static void put_fail(struct holder_put *p, enum status st)
{
    if (p->sm.state == PUT_STATE_DEAD) return;
    serve_status(p->s, p->req, st);
    put_die(p);
}

enum status serve_put_open(struct holder_session *s, struct bytes payload)
{
    struct holder_open m;
    struct shard_header header;
    enum status st = fields_decode(&holder_open_fields, payload, &m);
    if (st != ST_OK) return st;
    if (segment_header_read(BYTES_OF(m.header), &header) != ST_OK) return ST_BAD_MESSAGE;
    if (put_find(s, m.req)) return ST_PROTOCOL;
    const struct holder_config *c = &s->h->c;
    if (s->puts_n >= HOLDER_PUTS_MAX) {
        serve_status(s, m.req, ST_BUSY);
        return ST_OK;
    }
    if (c->quota && s->h->used + SHARD_UNIT > c->quota) {
        serve_status(s, m.req, ST_QUOTA);
        return ST_OK;
    }
    struct holder_put *p = calloc(1, sizeof *p);
    if (p) {
        memcpy(p->key.tag, c->tag, SHARD_TAG);
        memcpy(p->key.segment_id, header.segment_id, SHARD_ID);
        p->key.index = header.index;
        p->store = c->store.ops->begin(c->store.ctx, &p->key, m.header);
    }
    if (!p || !p->store) {
        free(p);
        serve_status(s, m.req, ST_NO_MEMORY);
        return ST_OK;
    }
    p->s = s;
    p->req = m.req;
    p->k = header.k;
    p->n = header.n;
    sm_init(&p->sm, &put_table, PUT_STATE_OPEN);
    p->next = s->puts;
    s->puts = p;
    s->puts_n++;
    return ST_OK;
}

static void on_stored(void *arg, enum status st)
{
    struct holder_put *p = arg;
    struct holder_session *s = p->s;
    p->running--;
    /* The acknowledgement: the shard is durable. */
    if (st == ST_OK)
        holder_count(s->h, SHARD_HEADER + p->rows * SHARD_UNIT + p->trailer_len, false);
    if (p->sm.state == PUT_STATE_STORE) {
        serve_status(s, p->req, st);
        sm_move(&p->sm, PUT_STATE_DEAD);
    }
    put_release(p);
    serve_release(s);
}

/* The trailer against the units that came and against what the tree says. */
static enum status put_judge(const struct holder_put *p)
{
    struct shard_trailer t;
    uint8_t root[32];
    uint8_t named[32];
    const struct holder_config *c = &p->s->h->c;
    uint32_t all = p->rows == 32 ? UINT32_MAX : (UINT32_C(1) << p->rows) - 1;
    if (p->got != all) return ST_INTEGRITY;
    enum status st = segment_trailer_read(BYTES(p->trailer, p->trailer_len), p->k, p->rows, &t);
    if (st != ST_OK) return ST_INTEGRITY;
    merkle_root(p->leaves, p->rows * SEGMENT_UNIT_LEAVES, root);
    if (memcmp(root, t.root, 32) != 0) return ST_INTEGRITY;
    st = segment_trailer_root(&t, p->key.index, p->n, root);
    if (st != ST_OK) return ST_INTEGRITY;
    if (c->root_of && c->root_of(c->ctx, p->key.segment_id, named) && memcmp(root, named, 32) != 0)
        return ST_DENIED;
    if (c->quota && p->s->h->used + p->rows * SHARD_UNIT > c->quota) return ST_QUOTA;
    return ST_OK;
}

static void put_store(struct holder_put *p)
{
    if (p->sm.state != PUT_STATE_COMMIT || p->running) return;
    enum status st = put_judge(p);
    if (st != ST_OK) {
        put_fail(p, st);
        return;
    }
    struct shard_put *store = p->store;
    sm_move(&p->sm, PUT_STATE_STORE);
    p->store = NULL;
    p->running++;
    p->s->pending++;
    p->s->h->c.store.ops->commit(store, p->rows, BYTES(p->trailer, p->trailer_len), on_stored, p);
}

static void unit_part_done(struct unit *u)
{
    struct holder_put *p = u->put;
    struct holder_session *s = p->s;
    if (--u->parts) return;
    memcpy(p->leaves + (size_t)u->row * sizeof u->leaves, u->leaves, sizeof u->leaves);
    if (u->st != ST_OK) put_fail(p, u->st);
    free(u);
    p->running--;
    s->units--;
    if (s->paused && s->units <= HOLDER_UNITS_MAX / 2 && !s->closed) {
        s->paused = false;
        s->wire.pause(s->wire.ctx, false);
    }
    put_store(p);
    put_release(p);
    serve_release(s);
}

static void unit_hash(void *arg)
{
    struct unit *u = arg;
    segment_leaves(u->bytes, SHARD_UNIT, u->leaves);
}

static void on_hashed(void *arg)
{
    unit_part_done(arg);
}

static void on_appended(void *arg, enum status st)
{
    struct unit *u = arg;
    u->st = st;
    unit_part_done(u);
}

enum status serve_put_unit(struct holder_session *s, struct bytes payload)
{
    struct holder_unit m;
    enum status st = fields_decode(&holder_unit_fields, payload, &m);
    if (st != ST_OK) return st;
    if (m.unit.n != SHARD_UNIT || m.row >= SHARD_UNITS_MAX) return ST_BAD_MESSAGE;
    struct holder_put *p = put_find(s, m.req);
    if (!p) return ST_OK; /* it failed; our status and its units crossed on the way */
    if (p->sm.state != PUT_STATE_OPEN || (p->got >> m.row & 1)) return ST_PROTOCOL;
    struct unit *u = malloc(sizeof *u);
    if (!u) {
        put_fail(p, ST_NO_MEMORY);
        put_release(p);
        return ST_OK;
    }
    const struct holder_config *c = &s->h->c;
    u->put = p;
    u->row = m.row;
    u->st = ST_OK;
    u->parts = 2;
    memcpy(u->bytes, m.unit.p, SHARD_UNIT);
    p->got |= UINT32_C(1) << m.row;
    p->running++;
    s->units++;
    s->pending++;
    if (s->units >= HOLDER_UNITS_MAX && !s->paused) {
        s->paused = true;
        s->wire.pause(s->wire.ctx, true);
    }
    c->store.ops->append(p->store, m.row, u->bytes, on_appended, u);
    if (c->work.submit(c->work.ctx, WORK_BULK, unit_hash, on_hashed, u) != ST_OK) {
        unit_hash(u); /* the lane is full: 40 us here rather than a queue of our own */
        unit_part_done(u);
    }
    return ST_OK;
}

enum status serve_put_commit(struct holder_session *s, struct bytes payload)
{
    struct holder_commit m;
    enum status st = fields_decode(&holder_commit_fields, payload, &m);
    if (st != ST_OK) return st;
    if (m.rows < 1 || m.rows > SHARD_UNITS_MAX) return ST_BAD_MESSAGE;
    struct holder_put *p = put_find(s, m.req);
    if (!p) return ST_OK;
    if (p->sm.state != PUT_STATE_OPEN) return ST_PROTOCOL;
    sm_move(&p->sm, PUT_STATE_COMMIT);
    p->rows = m.rows;
    memcpy(p->trailer, m.trailer.p, m.trailer.n);
    p->trailer_len = m.trailer.n;
    put_store(p);
    put_release(p);
    return ST_OK;
}

enum status serve_put_abandon(struct holder_session *s, struct bytes payload)
{
    struct holder_req m;
    enum status st = fields_decode(&holder_req_fields, payload, &m);
    if (st != ST_OK) return st;
    struct holder_put *p = put_find(s, m.req);
    if (!p) return ST_OK;
    put_die(p);
    put_release(p);
    return ST_OK;
}

void serve_puts_close(struct holder_session *s)
{
    for (struct holder_put *p = s->puts, *next; p; p = next) {
        next = p->next;
        put_die(p);
        put_release(p);
    }
}
