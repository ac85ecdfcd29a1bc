/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * hub_fixture: a hub over the rules of room_fixture.h, and clients that keep
 * what they are sent. Jobs wait until work(). Include after cmocka.h.
 *
 * Owns: struct world owns all until world_end. Views of next_frame live until
 *     then. Fails through cmocka's assertions.
 * Order: world_start, fixture_room, arrive, TELL, work, next_frame, world_end.
 */
#ifndef ENCLAVE_TESTS_HUB_FIXTURE_H
#define ENCLAVE_TESTS_HUB_FIXTURE_H

#include "core/feed/chain.h"
#include "core/room/hub.h"
#include "room_fixture.h"

#define SEEN_MAX 600
#define CONNS 8

/* A client's side of a connection: what the hub sent it. */
struct client {
    struct hub_conn *conn;
    bool open, full, paused;
    struct {
        uint8_t type;
        uint8_t *p;
        size_t n;
    } seen[SEEN_MAX];
    size_t n, at;
};

struct world {
    struct fixture f;
    struct hub *hub;
    struct client clients[CONNS];
    struct hub_job *jobs[64];
    size_t n_jobs;
    struct hub_now now;
    bool store_down;
};

static inline enum status out_send(void *ctx, void *handle, uint8_t type, struct bytes payload)
{
    struct client *c = handle;
    (void)ctx;
    assert_true(c->open);
    if (c->full) return ST_BUSY;
    assert_true(c->n < SEEN_MAX);
    c->seen[c->n].type = type;
    c->seen[c->n].p = malloc(payload.n + 1);
    c->seen[c->n].n = payload.n;
    memcpy(c->seen[c->n].p, payload.p, payload.n);
    c->n++;
    return ST_OK;
}

static inline void out_close(void *ctx, void *handle, enum status why)
{
    struct client *c = handle;
    (void)ctx;
    (void)why;
    assert_true(c->open);
    c->open = false;
}

static inline void out_pause(void *ctx, void *handle, bool stop)
{
    struct client *c = handle;
    (void)ctx;
    c->paused = stop;
}

static inline void out_job(void *ctx, struct hub_job *job)
{
    struct world *w = ctx;
    assert_true(w->n_jobs < 64);
    w->jobs[w->n_jobs++] = job;
}

static inline void world_start_with(struct world *w, const struct room_limits *limits)
{
    const struct hub_output out = {out_send, out_close, out_pause, out_job, w};
    memset(w, 0, sizeof *w);
    fixture_start(&w->f, ":memory:");
    if (limits != NULL) w->f.rules.limits = *limits;
    w->now = (struct hub_now){w->f.who.now_ms, 1000};
    w->hub = hub_new(&w->f.rules.limits, &out);
    assert_non_null(w->hub);
}

static inline void world_start(struct world *w)
{
    world_start_with(w, NULL);
}

static inline void world_end(struct world *w)
{
    for (size_t i = 0; i < CONNS; i++)
        for (size_t k = 0; k < w->clients[i].n; k++) free(w->clients[i].seen[k].p);
    for (size_t i = 0; i < w->n_jobs; i++) hub_job_free(w->jobs[i]);
    hub_free(w->hub);
    fixture_end(&w->f);
}

static inline void join(struct world *w, int i)
{
    struct client *c = &w->clients[i];
    c->open = true;
    c->conn = hub_join(w->hub, c, w->f.who.exporter, w->f.who.spki, w->now);
    assert_non_null(c->conn);
}

static inline void gone(struct world *w, int i)
{
    hub_gone(w->hub, w->clients[i].conn, w->now);
    w->clients[i].open = false;
    w->clients[i].conn = NULL;
}

/* One batch on the store's thread, then back. */
static inline void work(struct world *w)
{
    const struct room_store *s = &w->f.rules.store;
    while (w->n_jobs > 0) {
        struct hub_job *batch[64];
        size_t n = w->n_jobs;
        bool fine = true;
        memcpy(batch, w->jobs, n * sizeof *batch);
        w->n_jobs = 0;
        assert_int_equal(s->ops->begin(s->ctx), ST_OK);
        for (size_t i = 0; i < n && fine; i++) fine = hub_job_run(batch[i], &w->f.rules);
        if (w->store_down || !fine)
            s->ops->rollback(s->ctx);
        else
            assert_int_equal(s->ops->commit(s->ctx), ST_OK);
        for (size_t i = 0; i < n; i++) {
            if (w->store_down || !fine) hub_job_failed(batch[i], ST_NO_SPACE);
            hub_job_done(w->hub, batch[i], w->now);
        }
    }
}

static inline void tell(struct world *w, int i, uint8_t type, const struct fields *f,
                        const void *msg)
{
    struct buf b;
    buf_init(&b, LINK_FRAME_MAX);
    assert_int_equal(fields_encode(f, msg, &b), ST_OK);
    hub_frame(w->hub, w->clients[i].conn, type, buf_view(&b), w->now);
    buf_free(&b);
}
#define TELL(w, i, TYPE, name, ...) tell(w, i, TYPE, &name##_fields, &(struct name){__VA_ARGS__})

/* The next frame that client i was sent; its type must be this. */
static inline struct bytes next_frame(struct world *w, int i, uint8_t type)
{
    struct client *c = &w->clients[i];
    assert_true(c->at < c->n);
    assert_int_equal(c->seen[c->at].type, type);
    c->at++;
    return BYTES(c->seen[c->at - 1].p, c->seen[c->at - 1].n);
}

static inline void nothing_more(struct world *w, int i)
{
    assert_int_equal(w->clients[i].at, w->clients[i].n);
}

static inline struct bytes reply_body(struct world *w, int i, uint32_t req, enum status st)
{
    struct room_reply r;
    assert_int_equal(fields_decode(&room_reply_fields, next_frame(w, i, ROOM_REPLY), &r), ST_OK);
    assert_int_equal(r.req, req);
    assert_int_equal(room_status_of(r.result), st);
    return r.body;
}

static inline void try_attach(struct world *w, int i, unsigned seat)
{
    struct room_attach m = {.req = 7};
    uint8_t seed[32];
    seat_seed(seat, seed);
    seat_key(seat, m.seat);
    memcpy(m.room, w->f.room, 32);
    room_sign_attach(seed, m.room, w->f.who.exporter, w->f.who.spki, m.sig);
    tell(w, i, ROOM_ATTACH, &room_attach_fields, &m);
    work(w);
}

/* Client i attaches as seat i and subscribes. */
static inline void arrive(struct world *w, int i, uint8_t mask)
{
    join(w, i);
    try_attach(w, i, (unsigned)i);
    reply_body(w, i, 7, ST_OK);
    if (mask == 0) return;
    TELL(w, i, ROOM_SUBSCRIBE, room_subscribe, .req = 8, .mask = mask);
    work(w);
    reply_body(w, i, 8, ST_OK);
}

static const uint8_t page[2048];

static inline void append(struct world *w, int i, uint32_t req, uint8_t feed,
                          const struct room_spot *at)
{
    struct room_append m = {.req = req, .feed = feed, .sealed = BYTES(page, 512)};
    if (at != NULL) {
        m.flags = ROOM_APPEND_EXPECT;
        m.index = at->index;
        memcpy(m.chain, at->chain, 32);
    }
    tell(w, i, ROOM_APPEND, &room_append_fields, &m);
}

static inline struct room_spot spot_of(struct bytes body)
{
    struct room_spot s;
    assert_int_equal(fields_decode(&room_spot_fields, body, &s), ST_OK);
    return s;
}

static inline uint32_t open_circuit(struct world *w, int from, int to, uint32_t *ret_there)
{
    struct room_circuit_open m = {.req = 40};
    struct room_circuit_offer o;
    seat_key((unsigned)to, m.to);
    tell(w, from, ROOM_CIRCUIT_OPEN, &room_circuit_open_fields, &m);
    uint32_t id = get_u32(reply_body(w, from, 40, ST_OK).p);
    assert_int_equal(
        fields_decode(&room_circuit_offer_fields, next_frame(w, to, ROOM_CIRCUIT_OFFER), &o),
        ST_OK);
    *ret_there = o.id;
    return id;
}

static inline struct room_circuit_close closing(struct world *w, int i)
{
    struct room_circuit_close c;
    assert_int_equal(
        fields_decode(&room_circuit_close_fields, next_frame(w, i, ROOM_CIRCUIT_CLOSE), &c), ST_OK);
    return c;
}

#endif
