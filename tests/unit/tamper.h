/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * tamper: stands between a person and the ports of its node. As a link port it
 * alters, drops, repeats and makes up what comes in, after TLS: what a lying
 * sentinel or member could really send. As a kv it holds back the news that a
 * commit is on disk.
 *
 * Owns: what wraps links, until tamper_free. Errors: asserts.
 * Order: tamper_link or tamper_kv before node_new; tamper_free when all links
 *     have ended.
 */
#ifndef ENCLAVE_TESTS_TAMPER_H
#define ENCLAVE_TESTS_TAMPER_H

#include "core/room/room_wire.h"
#include "unit/people.h"

#define TAMPER_KEPT 64

struct tamper_line {
    struct tamper_line *next;
    struct tamper *t;
    const struct link_events *events;
    void *arg;
    bool server;
    bool answered;
};

struct tamper_gate {
    struct tamper_gate *next;
    struct tamper *t;
    const struct link_gate *real;
    struct link_gate gate;
};

struct tamper_news {
    struct tamper_news *next;
    kv_done *done;
    void *arg;
    enum status st;
};

struct tamper {
    struct link_port real;
    struct link_ops ops;
    struct tamper_line *lines;
    struct tamper_gate *gates;
    uint64_t seed;
    unsigned chance; /* of 1000 frames so many are tampered with */
    uint64_t count;
    bool busy;                    /* the first answer on each connection to the sentinel says so */
    struct buf kept[TAMPER_KEPT]; /* frames of before, to be sent again */
    uint8_t kept_type[TAMPER_KEPT];
    size_t n_kept;
    struct kv kv;
    bool hold;
    unsigned through; /* so many are let through although the others are held */
    struct tamper_news *news, **last;
};

static inline uint32_t tamper_draw(struct tamper *t)
{
    t->seed = t->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(t->seed >> 33);
}

static inline void tamper_opened(void *arg, struct link *l, const struct link_peer *peer)
{
    struct tamper_line *line = arg;
    line->events->opened(line->arg, l, peer);
}

static inline void tamper_writable(void *arg, struct link *l)
{
    struct tamper_line *line = arg;
    line->events->writable(line->arg, l);
}

static inline void tamper_closed(void *arg, struct link *l, enum status why)
{
    struct tamper_line *line = arg;
    line->events->closed(line->arg, l, why); /* its memory goes with tamper_free */
}

static inline void tamper_keep(struct tamper *t, uint8_t type, struct bytes payload)
{
    size_t i = tamper_draw(t) % TAMPER_KEPT;
    if (payload.n > 70000) return;
    buf_free(&t->kept[i]);
    buf_bytes(&t->kept[i], payload);
    t->kept_type[i] = type;
}

/* Some bytes of a frame are other ones; of a reply mostly behind its number. */
static inline void tamper_alter(struct tamper *t, uint8_t type, struct buf *b)
{
    size_t from = type == ROOM_REPLY && tamper_draw(t) % 8 != 0 ? 4 : 0;
    if (b->n <= from) return;
    for (unsigned n = 1 + tamper_draw(t) % 3; n > 0; n--) {
        size_t at = from + tamper_draw(t) % (b->n - from);
        static const uint8_t odd[] = {0, 1, 0x7F, 0x80, 0xFF};
        b->p[at] = tamper_draw(t) % 2 ? odd[tamper_draw(t) % 5] : (uint8_t)tamper_draw(t);
    }
    if (tamper_draw(t) % 8 == 0) b->n = from + tamper_draw(t) % (b->n - from);
}

static inline void tamper_frame(void *arg, struct link *l, uint8_t type, struct bytes payload)
{
    struct tamper_line *line = arg;
    struct tamper *t = line->t;
    struct buf b = BUF_INIT;
    t->count++;
    if (t->busy && line->server && !line->answered && type == ROOM_REPLY && payload.n >= 5) {
        uint8_t reply[5];
        line->answered = true;
        memcpy(reply, payload.p, 4);
        reply[4] = ROOM_RESULT_BUSY;
        line->events->frame(line->arg, l, type, BYTES_OF(reply));
        return;
    }
    if (tamper_draw(t) % 1000 >= t->chance) {
        tamper_keep(t, type, payload);
        line->events->frame(line->arg, l, type, payload);
        return;
    }
    buf_bytes(&b, payload);
    switch (tamper_draw(t) % 5) {
    case 0: break; /* never comes */
    case 1:        /* twice */
        line->events->frame(line->arg, l, type, payload);
        line->events->frame(line->arg, l, type, payload);
        break;
    case 2: { /* an old one first */
        size_t i = tamper_draw(t) % TAMPER_KEPT;
        line->events->frame(line->arg, l, t->kept_type[i], buf_view(&t->kept[i]));
        line->events->frame(line->arg, l, type, payload);
        break;
    }
    default:
        tamper_alter(t, type, &b);
        if (tamper_draw(t) % 8 == 0) type = (uint8_t)(0x30 + tamper_draw(t) % 0x50);
        line->events->frame(line->arg, l, type, buf_view(&b));
    }
    buf_free(&b);
}

static inline struct tamper_line *tamper_wrap(struct tamper *t, const struct link_events *events,
                                              void *arg)
{
    struct tamper_line *line = calloc(1, sizeof *line);
    assert_non_null(line);
    *line = (struct tamper_line){.next = t->lines, .t = t, .events = events, .arg = arg};
    t->lines = line;
    return line;
}

static const struct link_events tamper_events = {tamper_opened, tamper_frame, tamper_writable,
                                                 tamper_closed};

static inline enum status tamper_dial_server(void *ctx, const char *address,
                                             const struct link_route *route, const uint8_t pin[32],
                                             const struct link_events *events, void *arg,
                                             struct link **ret)
{
    struct tamper *t = ctx;
    struct tamper_line *line = tamper_wrap(t, events, arg);
    line->server = true;
    return t->real.ops->dial_server(t->real.ctx, address, route, pin, &tamper_events, line, ret);
}

static inline enum status
tamper_dial_peer(void *ctx, const char *address, const struct link_route *route, const char *sni,
                 const struct link_identity *self, const uint8_t expect[32],
                 const struct link_events *events, void *arg, struct link **ret)
{
    struct tamper *t = ctx;
    return t->real.ops->dial_peer(t->real.ctx, address, route, sni, self, expect, &tamper_events,
                                  tamper_wrap(t, events, arg), ret);
}

static inline enum status tamper_dial_pipe(void *ctx, const struct link_pipe *pipe, const char *sni,
                                           const struct link_identity *self,
                                           const uint8_t expect[32],
                                           const struct link_events *events, void *arg,
                                           struct link **ret)
{
    struct tamper *t = ctx;
    return t->real.ops->dial_pipe(t->real.ctx, pipe, sni, self, expect, &tamper_events,
                                  tamper_wrap(t, events, arg), ret);
}

static inline enum status tamper_name(void *arg, struct bytes sni, struct link_identity *ret)
{
    struct tamper_gate *g = arg;
    return g->real->name(g->real->arg, sni, ret);
}

static inline enum status tamper_peer(void *arg, const uint8_t id[32])
{
    struct tamper_gate *g = arg;
    return g->real->peer(g->real->arg, id);
}

static inline const struct link_events *tamper_accept(void *arg, struct link *l, void **ret_arg)
{
    struct tamper_gate *g = arg;
    void *inner = NULL;
    const struct link_events *events = g->real->accept(g->real->arg, l, &inner);
    if (events == NULL) return NULL;
    *ret_arg = tamper_wrap(g->t, events, inner);
    return &tamper_events;
}

static inline const struct link_gate *tamper_gate(struct tamper *t, const struct link_gate *real)
{
    struct tamper_gate *g = calloc(1, sizeof *g);
    assert_non_null(g);
    *g = (struct tamper_gate){t->gates, t, real, {tamper_name, tamper_peer, tamper_accept, g}};
    t->gates = g;
    return &g->gate;
}

static inline enum status tamper_accept_pipe(void *ctx, const struct link_pipe *pipe,
                                             const struct link_gate *gate, struct link **ret)
{
    struct tamper *t = ctx;
    return t->real.ops->accept_pipe(t->real.ctx, pipe, tamper_gate(t, gate), ret);
}

static inline enum status tamper_listen(void *ctx, const char *address,
                                        const struct link_gate *gate, struct link_listener **ret,
                                        uint16_t *ret_port)
{
    struct tamper *t = ctx;
    return t->real.ops->listen(t->real.ctx, address, tamper_gate(t, gate), ret, ret_port);
}

static inline void tamper_unlisten(void *ctx, struct link_listener *l)
{
    struct tamper *t = ctx;
    t->real.ops->unlisten(t->real.ctx, l);
}

static inline void tamper_link(struct tamper *t, struct person *p)
{
    t->real = p->ports.link;
    t->ops = *p->ports.link.ops;
    t->ops.dial_server = tamper_dial_server;
    t->ops.dial_peer = tamper_dial_peer;
    t->ops.dial_pipe = tamper_dial_pipe;
    t->ops.accept_pipe = tamper_accept_pipe;
    t->ops.listen = tamper_listen;
    t->ops.unlisten = tamper_unlisten;
    p->ports.link = (struct link_port){&t->ops, t};
}

/* ---- the disk that answers late ---- */

static inline enum status tamper_get(void *ctx, const uint8_t space[KV_SPACE], uint64_t n,
                                     struct buf *ret)
{
    struct tamper *t = ctx;
    return t->kv.ops->get(t->kv.ctx, space, n, ret);
}

static inline enum status tamper_scan(void *ctx, const uint8_t space[KV_SPACE], uint64_t from,
                                      kv_visit *visit, void *arg)
{
    struct tamper *t = ctx;
    return t->kv.ops->scan(t->kv.ctx, space, from, visit, arg);
}

static inline enum status tamper_kv_last(void *ctx, const uint8_t space[KV_SPACE], uint64_t *ret_n,
                                         struct buf *ret)
{
    struct tamper *t = ctx;
    return t->kv.ops->last(t->kv.ctx, space, ret_n, ret);
}

struct tamper_commit {
    struct tamper *t;
    kv_done *done;
    void *arg;
};

static inline void tamper_committed(void *arg, enum status st)
{
    struct tamper_commit c = *(struct tamper_commit *)arg;
    struct tamper *t = c.t;
    free(arg);
    if (!t->hold || (t->news == NULL && t->through > 0)) {
        if (t->hold) t->through--;
        if (c.done != NULL) c.done(c.arg, st);
        return;
    }
    struct tamper_news *n = calloc(1, sizeof *n);
    assert_non_null(n);
    *n = (struct tamper_news){NULL, c.done, c.arg, st};
    *t->last = n;
    t->last = &n->next;
}

static inline enum status tamper_kv_commit(void *ctx, const struct kv_write *writes, size_t n,
                                           kv_done *done, void *arg)
{
    struct tamper *t = ctx;
    struct tamper_commit *c = malloc(sizeof *c);
    assert_non_null(c);
    *c = (struct tamper_commit){t, done, arg};
    enum status st = t->kv.ops->commit(t->kv.ctx, writes, n, tamper_committed, c);
    if (st != ST_OK) free(c);
    return st;
}

static const struct kv_ops tamper_kv_ops = {tamper_get, tamper_scan, tamper_kv_last,
                                            tamper_kv_commit};

static inline void tamper_kv(struct tamper *t, struct person *p)
{
    t->kv = p->ports.kv;
    t->last = &t->news;
    p->ports.kv = (struct kv){&tamper_kv_ops, t};
}

/* Tells the oldest held news; false: there is none. */
static inline bool tamper_release(struct tamper *t)
{
    struct tamper_news *n = t->news;
    if (n == NULL) return false;
    t->news = n->next;
    if (t->news == NULL) t->last = &t->news;
    if (n->done != NULL) n->done(n->arg, n->st);
    free(n);
    return true;
}

static inline void tamper_free(struct tamper *t)
{
    while (t->lines != NULL) {
        struct tamper_line *l = t->lines;
        t->lines = l->next;
        free(l);
    }
    while (t->gates != NULL) {
        struct tamper_gate *g = t->gates;
        t->gates = g->next;
        free(g);
    }
    for (size_t i = 0; i < TAMPER_KEPT; i++) buf_free(&t->kept[i]);
}

#endif
