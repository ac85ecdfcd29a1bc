/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "core/holder/holder_private.h"

#include <stdlib.h>
#include <string.h>

struct holder *holder_new(const struct holder_config *c)
{
    struct holder *h = calloc(1, sizeof *h);
    if (h) h->c = *c;
    return h;
}

static void maybe_free(struct holder *h)
{
    if (h->freed && !h->sessions) free(h);
}

void holder_free(struct holder *h)
{
    if (!h) return;
    h->freed = true;
    maybe_free(h);
}

void holder_count(struct holder *h, uint64_t bytes, bool gone)
{
    if (gone)
        h->used -= bytes < h->used ? bytes : h->used;
    else
        h->used += bytes;
}

void holder_recount(struct holder *h, uint64_t used)
{
    h->used = used;
}

uint64_t holder_used(const struct holder *h)
{
    return h->used;
}

void holder_quota(struct holder *h, uint64_t quota)
{
    h->c.quota = quota;
}

struct holder_session *holder_open(struct holder *h, const struct holder_wire *wire)
{
    struct holder_session *s = calloc(1, sizeof *s);
    if (!s) return NULL;
    s->h = h;
    s->wire = *wire;
    s->last = &s->first;
    s->pending = 1; /* the link's own; holder_close takes it */
    h->sessions++;
    return s;
}

void serve_release(struct holder_session *s)
{
    if (--s->pending) return;
    struct holder *h = s->h;
    free(s);
    h->sessions--;
    maybe_free(h);
}

void holder_close(struct holder_session *s)
{
    s->closed = true;
    serve_puts_close(s);
    serve_reads_close(s);
    while (s->first) {
        struct holder_reply *r = s->first;
        s->first = r->next;
        free(r);
    }
    serve_release(s);
}

/* --- replies ------------------------------------------------------------------------------- */

static void reply_later(struct holder_session *s, uint8_t type, struct bytes payload)
{
    struct holder_reply *r = malloc(sizeof *r + payload.n);
    if (!r) return; /* the asker's timeout will tell it */
    r->next = NULL;
    r->type = type;
    r->n = payload.n;
    memcpy(r->bytes, payload.p, payload.n);
    *s->last = r;
    s->last = &r->next;
    s->replies++;
}

void serve_reply(struct holder_session *s, uint8_t type, const struct fields *f, const void *msg)
{
    struct buf b = BUF_INIT;
    if (s->closed) return;
    if (fields_encode(f, msg, &b) == ST_OK &&
        (s->first || s->wire.send(s->wire.ctx, type, buf_view(&b)) == ST_BUSY))
        reply_later(s, type, buf_view(&b));
    buf_free(&b);
}

void serve_status(struct holder_session *s, uint32_t req, enum status st)
{
    struct holder_status m = {.req = req, .code = holder_code(st)};
    serve_reply(s, HOLDER_STATUS, &holder_status_fields, &m);
}

void holder_writable(struct holder_session *s)
{
    while (s->first) {
        struct holder_reply *r = s->first;
        if (s->wire.send(s->wire.ctx, r->type, BYTES(r->bytes, r->n)) == ST_BUSY) return;
        s->first = r->next;
        if (!s->first) s->last = &s->first;
        s->replies--;
        free(r);
    }
    serve_reads_writable(s);
}

/* --- small requests: one call of the store each -------------------------------------------- */

struct ask {
    struct holder_session *s;
    uint32_t req;
    struct shard_key key;
    uint64_t bytes; /* of the shard to be dropped */
};

static struct ask *ask_new(struct holder_session *s, uint32_t req, const uint8_t *segment_id,
                           uint8_t index)
{
    struct ask *a = s->asks < HOLDER_ASKS_MAX ? calloc(1, sizeof *a) : NULL;
    if (!a) {
        serve_status(s, req, ST_BUSY);
        return NULL;
    }
    a->s = s;
    a->req = req;
    memcpy(a->key.tag, s->h->c.tag, SHARD_TAG);
    memcpy(a->key.segment_id, segment_id, SHARD_ID);
    a->key.index = index;
    s->asks++;
    s->pending++;
    return a;
}

static void ask_free(struct ask *a)
{
    struct holder_session *s = a->s;
    s->asks--;
    free(a);
    serve_release(s);
}

static void on_had(void *arg, enum status st, uint64_t bitmap)
{
    struct ask *a = arg;
    struct holder_had m = {.req = a->req, .bitmap = bitmap};
    if (st == ST_OK)
        serve_reply(a->s, HOLDER_HAD, &holder_had_fields, &m);
    else
        serve_status(a->s, a->req, st);
    ask_free(a);
}

static enum status have_start(struct holder_session *s, struct bytes payload)
{
    struct holder_segment m;
    enum status st = fields_decode(&holder_segment_fields, payload, &m);
    if (st != ST_OK) return st;
    struct ask *a = ask_new(s, m.req, m.segment_id, 0);
    const struct shard_store *store = &s->h->c.store;
    if (a) store->ops->have(store->ctx, a->key.tag, a->key.segment_id, on_had, a);
    return ST_OK;
}

static void on_told(void *arg, enum status st, const struct shard_info *info)
{
    struct ask *a = arg;
    if (st == ST_OK) {
        struct holder_told m = {.req = a->req,
                                .units = info->units,
                                .stored_ms = info->stored_ms,
                                .trailer = BYTES(info->trailer, info->trailer_len)};
        memcpy(m.header, info->header, SHARD_HEADER);
        serve_reply(a->s, HOLDER_TOLD, &holder_told_fields, &m);
    } else {
        serve_status(a->s, a->req, st);
    }
    ask_free(a);
}

static enum status info_start(struct holder_session *s, struct bytes payload)
{
    struct holder_column m;
    enum status st = fields_decode(&holder_column_fields, payload, &m);
    if (st != ST_OK) return st;
    struct ask *a = ask_new(s, m.req, m.segment_id, m.index);
    const struct shard_store *store = &s->h->c.store;
    if (a) store->ops->info(store->ctx, &a->key, on_told, a);
    return ST_OK;
}

static void on_dropped(void *arg, enum status st)
{
    struct ask *a = arg;
    if (st == ST_OK) holder_count(a->s->h, a->bytes, true);
    serve_status(a->s, a->req, st);
    ask_free(a);
}

static void on_drop_told(void *arg, enum status st, const struct shard_info *info)
{
    struct ask *a = arg;
    const struct shard_store *store = &a->s->h->c.store;
    if (st != ST_OK && st != ST_INTEGRITY) {
        on_dropped(a, st);
        return;
    }
    if (info) a->bytes = SHARD_HEADER + info->units * SHARD_UNIT + info->trailer_len;
    store->ops->drop(store->ctx, &a->key, on_dropped, a);
}

static enum status drop_start(struct holder_session *s, struct bytes payload)
{
    struct holder_column m;
    enum status st = fields_decode(&holder_column_fields, payload, &m);
    if (st != ST_OK) return st;
    const struct holder_config *c = &s->h->c;
    /* Without knowledge of what is needed nothing is dropped on a stranger's word. */
    if (!c->needed || c->needed(c->ctx, m.segment_id)) {
        serve_status(s, m.req, ST_DENIED);
        return ST_OK;
    }
    struct ask *a = ask_new(s, m.req, m.segment_id, m.index);
    if (a) c->store.ops->info(c->store.ctx, &a->key, on_drop_told, a);
    return ST_OK;
}

static enum status space_start(struct holder_session *s, struct bytes payload)
{
    struct holder_req m;
    struct shard_space space;
    enum status st = fields_decode(&holder_req_fields, payload, &m);
    if (st != ST_OK) return st;
    const struct holder_config *c = &s->h->c;
    c->store.ops->space(c->store.ctx, &space);
    uint64_t left = c->quota > s->h->used ? c->quota - s->h->used : 0;
    struct holder_room r = {.req = m.req,
                            .used = s->h->used,
                            .free = c->quota && left < space.free ? left : space.free};
    serve_reply(s, HOLDER_ROOM, &holder_room_fields, &r);
    return ST_OK;
}

enum status holder_frame(struct holder_session *s, uint8_t type, struct bytes payload)
{
    /* Whoever asks and never reads the answers would have us keep them all. */
    if (s->replies >= HOLDER_REPLIES_MAX) return ST_TOO_BIG;
    switch (type) {
    case HOLDER_PUT_OPEN: return serve_put_open(s, payload);
    case HOLDER_PUT_UNIT: return serve_put_unit(s, payload);
    case HOLDER_PUT_COMMIT: return serve_put_commit(s, payload);
    case HOLDER_PUT_ABANDON: return serve_put_abandon(s, payload);
    case HOLDER_HAVE: return have_start(s, payload);
    case HOLDER_INFO: return info_start(s, payload);
    case HOLDER_TREE: return serve_tree_start(s, payload);
    case HOLDER_READ: return serve_read_start(s, payload);
    case HOLDER_READ_STOP: return serve_read_stop(s, payload);
    case HOLDER_DROP: return drop_start(s, payload);
    case HOLDER_SPACE: return space_start(s, payload);
    default: return ST_PROTOCOL;
    }
}
