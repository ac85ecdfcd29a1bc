/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto core/feed core/room store */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "core/feed/chain.h"
#include "room_fixture.h"

#include "core/room/hub.h"

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

static enum status out_send(void *ctx, void *handle, uint8_t type, struct bytes payload)
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

static void out_close(void *ctx, void *handle, enum status why)
{
    struct client *c = handle;
    (void)ctx;
    (void)why;
    assert_true(c->open);
    c->open = false;
}

static void out_pause(void *ctx, void *handle, bool stop)
{
    struct client *c = handle;
    (void)ctx;
    c->paused = stop;
}

static void out_job(void *ctx, struct hub_job *job)
{
    struct world *w = ctx;
    assert_true(w->n_jobs < 64);
    w->jobs[w->n_jobs++] = job;
}

static void world_start_with(struct world *w, const struct room_limits *limits)
{
    const struct hub_output out = {out_send, out_close, out_pause, out_job, w};
    memset(w, 0, sizeof *w);
    fixture_start(&w->f, ":memory:");
    if (limits != NULL) w->f.rules.limits = *limits;
    w->now = (struct hub_now){w->f.who.now_ms, 1000};
    w->hub = hub_new(&w->f.rules.limits, &out);
    assert_non_null(w->hub);
}

static void world_start(struct world *w)
{
    world_start_with(w, NULL);
}

static void world_end(struct world *w)
{
    for (size_t i = 0; i < CONNS; i++)
        for (size_t k = 0; k < w->clients[i].n; k++) free(w->clients[i].seen[k].p);
    for (size_t i = 0; i < w->n_jobs; i++) hub_job_free(w->jobs[i]);
    hub_free(w->hub);
    fixture_end(&w->f);
}

static void join(struct world *w, int i)
{
    struct client *c = &w->clients[i];
    c->open = true;
    c->conn = hub_join(w->hub, c, w->f.who.exporter, w->f.who.spki, w->now);
    assert_non_null(c->conn);
}

static void gone(struct world *w, int i)
{
    hub_gone(w->hub, w->clients[i].conn, w->now);
    w->clients[i].open = false;
    w->clients[i].conn = NULL;
}

/* One batch on the store's thread, then back. */
static void work(struct world *w)
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

static void tell(struct world *w, int i, uint8_t type, const struct fields *f, const void *msg)
{
    struct buf b;
    buf_init(&b, LINK_FRAME_MAX);
    assert_int_equal(fields_encode(f, msg, &b), ST_OK);
    hub_frame(w->hub, w->clients[i].conn, type, buf_view(&b), w->now);
    buf_free(&b);
}
#define TELL(w, i, TYPE, name, ...) tell(w, i, TYPE, &name##_fields, &(struct name){__VA_ARGS__})

/* The next frame that client i was sent; its type must be this. */
static struct bytes next_frame(struct world *w, int i, uint8_t type)
{
    struct client *c = &w->clients[i];
    assert_true(c->at < c->n);
    assert_int_equal(c->seen[c->at].type, type);
    c->at++;
    return BYTES(c->seen[c->at - 1].p, c->seen[c->at - 1].n);
}

static void nothing_more(struct world *w, int i)
{
    assert_int_equal(w->clients[i].at, w->clients[i].n);
}

static struct bytes reply_body(struct world *w, int i, uint32_t req, enum status st)
{
    struct room_reply r;
    assert_int_equal(fields_decode(&room_reply_fields, next_frame(w, i, ROOM_REPLY), &r), ST_OK);
    assert_int_equal(r.req, req);
    assert_int_equal(room_status_of(r.result), st);
    return r.body;
}

static void try_attach(struct world *w, int i, unsigned seat)
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
static void arrive(struct world *w, int i, uint8_t mask)
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

static void append(struct world *w, int i, uint32_t req, uint8_t feed, const struct room_spot *at)
{
    struct room_append m = {.req = req, .feed = feed, .sealed = BYTES(page, 512)};
    if (at != NULL) {
        m.flags = ROOM_APPEND_EXPECT;
        m.index = at->index;
        memcpy(m.chain, at->chain, 32);
    }
    tell(w, i, ROOM_APPEND, &room_append_fields, &m);
}

static struct room_spot spot_of(struct bytes body)
{
    struct room_spot s;
    assert_int_equal(fields_decode(&room_spot_fields, body, &s), ST_OK);
    return s;
}

/* ---- */

static void replies_only_after_the_commit(void **state)
{
    (void)state;
    struct world w;
    world_start(&w);
    fixture_room(&w.f, 1, 2);
    arrive(&w, 0, 0x0F);
    arrive(&w, 1, 0x0F);
    append(&w, 0, 20, 1, NULL);
    nothing_more(&w, 0);
    nothing_more(&w, 1);
    work(&w);
    struct room_spot s = spot_of(reply_body(&w, 0, 20, ST_OK));
    assert_int_equal(s.index, 0);
    nothing_more(&w, 0); /* the author gets no push */
    struct room_entry e;
    assert_int_equal(fields_decode(&room_entry_fields, next_frame(&w, 1, ROOM_ENTRY), &e), ST_OK);
    assert_int_equal(e.feed, 1);
    assert_int_equal(e.index, 0);
    assert_memory_equal(e.chain, s.chain, 32);
    assert_int_equal(e.sealed.n, 512);
    /* a store that fails: told so, nobody else hears of it, nothing is there */
    w.store_down = true;
    append(&w, 0, 21, 1, NULL);
    work(&w);
    reply_body(&w, 0, 21, ST_NO_SPACE);
    nothing_more(&w, 1);
    w.store_down = false;
    append(&w, 0, 22, 1, NULL);
    work(&w);
    assert_int_equal(spot_of(reply_body(&w, 0, 22, ST_OK)).index, 1);
    world_end(&w);
}

static void strangers_may_little(void **state)
{
    (void)state;
    struct world w;
    world_start(&w);
    fixture_room(&w.f, 2, 2);
    join(&w, 0);
    append(&w, 0, 1, 1, NULL);
    reply_body(&w, 0, 1, ST_DENIED);
    TELL(&w, 0, ROOM_PRESENT, room_plain, 2);
    reply_body(&w, 0, 2, ST_DENIED);
    TELL(&w, 0, ROOM_SIGNAL, room_signal, .req = 3);
    reply_body(&w, 0, 3, ST_DENIED);
    TELL(&w, 0, ROOM_CIRCUIT_OPEN, room_circuit_open, .req = 4);
    reply_body(&w, 0, 4, ST_DENIED);
    TELL(&w, 0, ROOM_PING, room_plain, 5);
    assert_int_equal(reply_body(&w, 0, 5, ST_OK).n, 8);
    TELL(&w, 0, ROOM_SEATS, room_seats, .req = 6);
    work(&w);
    reply_body(&w, 0, 6, ST_DENIED);
    try_attach(&w, 0, 9); /* no seat of this room */
    reply_body(&w, 0, 7, ST_NOT_FOUND);
    hub_frame(w.hub, w.clients[0].conn, ROOM_TRIM, BYTES("\0\0\0\1", 4), w.now);
    work(&w);
    reply_body(&w, 0, 1, ST_VERSION);
    /* silent ones are shown out after a minute */
    w.now.mono_ms += 59000;
    hub_tick(w.hub, w.now);
    work(&w);
    assert_true(w.clients[0].open);
    w.now.mono_ms += 6000;
    hub_tick(w.hub, w.now);
    assert_false(w.clients[0].open);
    gone(&w, 0);
    world_end(&w);
}

static void what_is_no_request_ends_it(void **state)
{
    (void)state;
    struct world w;
    world_start(&w);
    const uint8_t types[] = {0x00, 0x0F, ROOM_REPLY, ROOM_ENTRY, 0x60, 0xFF};
    for (size_t i = 0; i < sizeof types; i++) {
        join(&w, 0);
        hub_frame(w.hub, w.clients[0].conn, types[i], BYTES(page, 40), w.now);
        assert_false(w.clients[0].open);
        gone(&w, 0);
    }
    join(&w, 0);
    hub_frame(w.hub, w.clients[0].conn, ROOM_PING, BYTES(page, 3), w.now); /* no req */
    assert_false(w.clients[0].open);
    gone(&w, 0);
    join(&w, 0);
    hub_frame(w.hub, w.clients[0].conn, ROOM_CIRCUIT_DATA, BYTES(page, 3), w.now);
    assert_false(w.clients[0].open);
    gone(&w, 0);
    struct hub_numbers n;
    hub_numbers(w.hub, &n);
    assert_int_equal(n.connections, 0);
    world_end(&w);
}

static void presence_and_signals(void **state)
{
    (void)state;
    struct world w;
    struct room_presence p;
    struct room_signalled s;
    struct room_seat_set set;
    world_start(&w);
    fixture_room(&w.f, 3, 3);
    arrive(&w, 0, ROOM_MASK_PRESENCE);
    arrive(&w, 1, ROOM_MASK_PRESENCE);
    arrive(&w, 2, 0);
    for (int i = 1; i <= 2; i++) {
        assert_int_equal(fields_decode(&room_presence_fields, next_frame(&w, 0, ROOM_PRESENCE), &p),
                         ST_OK);
        assert_int_equal(p.on, 1);
    }
    next_frame(&w, 1, ROOM_PRESENCE);
    nothing_more(&w, 2);
    TELL(&w, 2, ROOM_PRESENT, room_plain, 30);
    assert_int_equal(fields_decode(&room_seat_set_fields, reply_body(&w, 2, 30, ST_OK), &set),
                     ST_OK);
    assert_int_equal(set.seats.n, 3);
    /* to all, to one, to one who is not here */
    TELL(&w, 2, ROOM_SIGNAL, room_signal, .req = 31, .payload = BYTES(page, 9));
    reply_body(&w, 2, 31, ST_OK);
    assert_int_equal(fields_decode(&room_signalled_fields, next_frame(&w, 0, ROOM_SIGNALLED), &s),
                     ST_OK);
    next_frame(&w, 1, ROOM_SIGNALLED);
    nothing_more(&w, 2);
    struct room_signal m = {.req = 32, .payload = BYTES(page, 9)};
    seat_key(1, m.to);
    tell(&w, 2, ROOM_SIGNAL, &room_signal_fields, &m);
    reply_body(&w, 2, 32, ST_OK);
    next_frame(&w, 1, ROOM_SIGNALLED);
    nothing_more(&w, 0);
    seat_key(9, m.to);
    tell(&w, 2, ROOM_SIGNAL, &room_signal_fields, &m);
    reply_body(&w, 2, 32, ST_NOT_FOUND);
    gone(&w, 2);
    assert_int_equal(fields_decode(&room_presence_fields, next_frame(&w, 0, ROOM_PRESENCE), &p),
                     ST_OK);
    assert_int_equal(p.on, 0);
    world_end(&w);
}

static void the_newer_connection_wins(void **state)
{
    (void)state;
    struct world w;
    world_start(&w);
    fixture_room(&w.f, 4, 2);
    arrive(&w, 1, ROOM_MASK_PRESENCE);
    arrive(&w, 0, 0);
    next_frame(&w, 1, ROOM_PRESENCE);
    join(&w, 5);
    try_attach(&w, 5, 0);
    reply_body(&w, 5, 7, ST_OK);
    assert_false(w.clients[0].open);
    gone(&w, 0);
    struct room_presence p;
    assert_int_equal(fields_decode(&room_presence_fields, next_frame(&w, 1, ROOM_PRESENCE), &p),
                     ST_OK);
    assert_int_equal(p.on, 1);
    nothing_more(&w, 1); /* it never was away */
    try_attach(&w, 5, 0);
    reply_body(&w, 5, 7, ST_PROTOCOL); /* once a connection */
    struct hub_numbers n;
    hub_numbers(w.hub, &n);
    assert_int_equal(n.attached, 2);
    assert_int_equal(n.rooms, 1);
    world_end(&w);
}

static uint32_t open_circuit(struct world *w, int from, int to, uint32_t *ret_there)
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

static struct room_circuit_close closing(struct world *w, int i)
{
    struct room_circuit_close c;
    assert_int_equal(
        fields_decode(&room_circuit_close_fields, next_frame(w, i, ROOM_CIRCUIT_CLOSE), &c), ST_OK);
    return c;
}

static void circuits_carry_bytes_and_credit(void **state)
{
    (void)state;
    struct world w;
    uint32_t there, third;
    static uint8_t chunk[ROOM_CIRCUIT_CHUNK];
    world_start(&w);
    fixture_room(&w.f, 5, 3);
    for (int i = 0; i < 3; i++) arrive(&w, i, 0);
    uint32_t other = open_circuit(&w, 2, 1, &third); /* so that ids differ */
    uint32_t here = open_circuit(&w, 0, 1, &there);
    assert_int_not_equal(third, there);
    TELL(&w, 0, ROOM_CIRCUIT_DATA, room_circuit_data, here, bytes_str("hello"));
    struct room_circuit_data d;
    assert_int_equal(
        fields_decode(&room_circuit_data_fields, next_frame(&w, 1, ROOM_CIRCUIT_DATA), &d), ST_OK);
    assert_int_equal(d.id, there);
    assert_true(bytes_same(d.bytes, bytes_str("hello")));
    TELL(&w, 1, ROOM_CIRCUIT_DATA, room_circuit_data, there, bytes_str("hi"));
    next_frame(&w, 0, ROOM_CIRCUIT_DATA);
    TELL(&w, 1, ROOM_CIRCUIT_CREDIT, room_circuit_credit, there, 5);
    struct room_circuit_credit credit;
    assert_int_equal(
        fields_decode(&room_circuit_credit_fields, next_frame(&w, 0, ROOM_CIRCUIT_CREDIT), &credit),
        ST_OK);
    assert_int_equal(credit.id, here);
    assert_int_equal(credit.bytes, 5);
    for (int i = 0; i < 4; i++)
        TELL(&w, 0, ROOM_CIRCUIT_DATA, room_circuit_data, here, BYTES_OF(chunk));
    for (int i = 0; i < 4; i++) next_frame(&w, 1, ROOM_CIRCUIT_DATA);
    TELL(&w, 0, ROOM_CIRCUIT_DATA, room_circuit_data, here, bytes_str("x")); /* over the credit */
    assert_int_equal(closing(&w, 0).reason, ROOM_CIRCUIT_OVERRUN);
    assert_int_equal(closing(&w, 1).reason, ROOM_CIRCUIT_OVERRUN);
    TELL(&w, 0, ROOM_CIRCUIT_DATA, room_circuit_data, here, bytes_str("x")); /* dead: silence */
    nothing_more(&w, 1);
    TELL(&w, 1, ROOM_CIRCUIT_CLOSE, room_circuit_close, third, ROOM_CIRCUIT_REFUSED);
    struct room_circuit_close c = closing(&w, 2);
    assert_int_equal(c.id, other);
    assert_int_equal(c.reason, ROOM_CIRCUIT_REFUSED);
    open_circuit(&w, 0, 1, &there);
    gone(&w, 0);
    assert_int_equal(closing(&w, 1).reason, ROOM_CIRCUIT_GONE);
    struct hub_numbers n;
    hub_numbers(w.hub, &n);
    assert_int_equal(n.circuits, 0);
    world_end(&w);
}

static void circuits_are_counted(void **state)
{
    (void)state;
    struct world w;
    struct room_limits limits;
    uint32_t there;
    room_limits_default(&limits);
    limits.circuits = 2;
    world_start_with(&w, &limits);
    fixture_room(&w.f, 6, 2);
    arrive(&w, 0, 0);
    arrive(&w, 1, 0);
    open_circuit(&w, 0, 1, &there);
    open_circuit(&w, 1, 0, &there);
    struct room_circuit_open m = {.req = 41};
    seat_key(1, m.to);
    tell(&w, 0, ROOM_CIRCUIT_OPEN, &room_circuit_open_fields, &m);
    reply_body(&w, 0, 41, ST_QUOTA);
    seat_key(0, m.to); /* not to itself */
    tell(&w, 0, ROOM_CIRCUIT_OPEN, &room_circuit_open_fields, &m);
    reply_body(&w, 0, 41, ST_NOT_FOUND);
    hub_drain(w.hub);
    assert_int_equal(closing(&w, 0).reason, ROOM_CIRCUIT_SHUTDOWN);
    assert_int_equal(closing(&w, 0).reason, ROOM_CIRCUIT_SHUTDOWN);
    append(&w, 0, 42, 1, NULL);
    reply_body(&w, 0, 42, ST_BUSY);
    assert_null(hub_join(w.hub, NULL, w.f.who.exporter, w.f.who.spki, w.now));
    world_end(&w);
}

static void slow_readers_are_told(void **state)
{
    (void)state;
    struct world w;
    world_start(&w);
    fixture_room(&w.f, 7, 2);
    arrive(&w, 0, 0);
    arrive(&w, 1, 0x0F);
    append(&w, 0, 1, 1, NULL);
    work(&w);
    next_frame(&w, 1, ROOM_ENTRY);
    w.clients[1].full = true;
    append(&w, 0, 2, 1, NULL);
    work(&w);
    TELL(&w, 1, ROOM_PING, room_plain, 50); /* replies are kept */
    assert_true(w.clients[1].paused);
    w.clients[1].full = false;
    append(&w, 0, 3, 2, NULL);
    work(&w);
    hub_writable(w.hub, w.clients[1].conn);
    assert_int_equal(reply_body(&w, 1, 50, ST_OK).n, 8);
    assert_int_equal(next_frame(&w, 1, ROOM_LAGGED).p[0], 0x06);
    nothing_more(&w, 1);
    assert_false(w.clients[1].paused);
    append(&w, 0, 4, 1, NULL);
    work(&w);
    next_frame(&w, 1, ROOM_ENTRY);
    world_end(&w);
}

static void one_who_never_reads_is_ended(void **state)
{
    (void)state;
    struct world w;
    struct room_limits limits;
    uint32_t there;
    static uint8_t chunk[ROOM_CIRCUIT_CHUNK];
    room_limits_default(&limits);
    limits.pending_bytes = 100000;
    world_start_with(&w, &limits);
    fixture_room(&w.f, 8, 2);
    arrive(&w, 0, 0);
    arrive(&w, 1, 0);
    uint32_t here = open_circuit(&w, 0, 1, &there);
    w.clients[1].full = true;
    TELL(&w, 0, ROOM_CIRCUIT_DATA, room_circuit_data, here, BYTES_OF(chunk));
    assert_true(w.clients[1].open);
    TELL(&w, 0, ROOM_CIRCUIT_DATA, room_circuit_data, here, BYTES_OF(chunk));
    assert_false(w.clients[1].open);
    assert_int_equal(closing(&w, 0).reason, ROOM_CIRCUIT_GONE);
    gone(&w, 1);
    struct hub_numbers n;
    hub_numbers(w.hub, &n);
    assert_int_equal(n.pending_bytes, 0);
    assert_int_equal(n.circuits, 0);
    world_end(&w);
}

static void turns_in_the_ledger(void **state)
{
    (void)state;
    struct world w;
    struct room_spot start = {0};
    world_start(&w);
    fixture_room(&w.f, 9, 2);
    arrive(&w, 0, 0);
    arrive(&w, 1, 0);
    chain_start(w.f.room, 0, start.chain);
    append(&w, 0, 1, 0, &start);
    append(&w, 1, 2, 0, &start); /* loses */
    work(&w);
    struct room_spot head = spot_of(reply_body(&w, 0, 1, ST_OK));
    head.index++;
    struct room_spot told = spot_of(reply_body(&w, 1, 2, ST_CONFLICT));
    assert_int_equal(told.index, 1);
    assert_memory_equal(told.chain, head.chain, 32);
    append(&w, 0, 3, 0, &head);
    work(&w);
    reply_body(&w, 0, 3, ST_BUSY); /* it is the other's turn */
    append(&w, 0, 4, 1, NULL);
    work(&w);
    reply_body(&w, 0, 4, ST_OK); /* in feed 0 only */
    append(&w, 1, 5, 0, &told);
    work(&w);
    head = spot_of(reply_body(&w, 1, 5, ST_OK));
    head.index++;
    append(&w, 0, 6, 0, &head);
    work(&w);
    reply_body(&w, 0, 6, ST_OK);
    /* a turn not taken lapses */
    append(&w, 1, 7, 0, &start);
    work(&w);
    head = spot_of(reply_body(&w, 1, 7, ST_CONFLICT));
    append(&w, 0, 8, 0, &head);
    work(&w);
    reply_body(&w, 0, 8, ST_BUSY);
    w.now.mono_ms += 2001;
    append(&w, 0, 9, 0, &head);
    work(&w);
    reply_body(&w, 0, 9, ST_OK);
    world_end(&w);
}

static void rates_outlive_the_connection(void **state)
{
    (void)state;
    struct world w;
    struct room_limits limits;
    room_limits_default(&limits);
    limits.entries_hour = 160; /* 16 at once */
    world_start_with(&w, &limits);
    fixture_room(&w.f, 10, 2);
    arrive(&w, 0, 0);
    for (uint32_t i = 1; i <= 16; i++) {
        append(&w, 0, i, 1, NULL);
        work(&w);
        reply_body(&w, 0, i, ST_OK);
    }
    append(&w, 0, 17, 1, NULL);
    reply_body(&w, 0, 17, ST_BUSY);
    append(&w, 0, 18, 2, NULL); /* another feed has its own measure */
    work(&w);
    reply_body(&w, 0, 18, ST_OK);
    gone(&w, 0);
    arrive(&w, 0, 0);
    append(&w, 0, 19, 1, NULL);
    reply_body(&w, 0, 19, ST_BUSY);
    w.now.mono_ms += 3600000 / 160 + 1;
    append(&w, 0, 20, 1, NULL);
    work(&w);
    reply_body(&w, 0, 20, ST_OK);
    world_end(&w);
}

static void many_requests_pause_the_line(void **state)
{
    (void)state;
    struct world w;
    struct room_limits limits;
    room_limits_default(&limits);
    limits.requests = 4;
    world_start_with(&w, &limits);
    fixture_room(&w.f, 11, 1);
    arrive(&w, 0, 0);
    for (uint32_t i = 1; i <= 4; i++) append(&w, 0, i, 1, NULL);
    assert_true(w.clients[0].paused);
    append(&w, 0, 5, 1, NULL); /* was on its way already */
    work(&w);
    assert_false(w.clients[0].paused);
    for (uint32_t i = 1; i <= 5; i++) reply_body(&w, 0, i, ST_OK);
    /* a connection may end with requests under way */
    append(&w, 0, 6, 1, NULL);
    gone(&w, 0);
    work(&w);
    struct hub_numbers n;
    hub_numbers(w.hub, &n);
    assert_int_equal(n.connections, 0);
    assert_int_equal(n.jobs, 0);
    world_end(&w);
}

static void seats_change_before_their_eyes(void **state)
{
    (void)state;
    struct world w;
    struct room_seats_changed s;
    uint32_t there;
    world_start(&w);
    fixture_room(&w.f, 12, 2);
    arrive(&w, 0, 0x0F);
    arrive(&w, 1, 0x0F);
    open_circuit(&w, 0, 1, &there);
    struct room_drop_seat m = {.req = 60};
    uint8_t seed[32];
    seat_seed(1, seed);
    seat_key(1, m.seat);
    memcpy(m.room, w.f.room, 32);
    room_sign_drop(seed, m.room, m.seat, m.sig);
    tell(&w, 1, ROOM_DROP_SEAT, &room_drop_seat_fields, &m);
    work(&w);
    assert_int_equal(get_u64(reply_body(&w, 1, 60, ST_OK).p), 3);
    assert_int_equal(closing(&w, 0).reason, ROOM_CIRCUIT_GONE);
    assert_int_equal(
        fields_decode(&room_seats_changed_fields, next_frame(&w, 0, ROOM_SEATS_CHANGED), &s),
        ST_OK);
    assert_int_equal(s.version, 3);
    assert_int_equal(s.kind, ROOM_RECORD_DROP);
    closing(&w, 1);
    next_frame(&w, 1, ROOM_SEATS_CHANGED);
    append(&w, 0, 61, 1, NULL);
    work(&w);
    reply_body(&w, 0, 61, ST_OK);
    nothing_more(&w, 1); /* it hears nothing any more */
    append(&w, 1, 62, 1, NULL);
    work(&w);
    reply_body(&w, 1, 62, ST_DENIED);
    TELL(&w, 1, ROOM_READ, room_read, .req = 63, .feed = 0, .max = 1);
    work(&w);
    reply_body(&w, 1, 63, ST_OK);
    seat_seed(0, seed); /* and the last one takes the room */
    seat_key(0, m.seat);
    room_sign_drop(seed, m.room, m.seat, m.sig);
    tell(&w, 0, ROOM_DROP_SEAT, &room_drop_seat_fields, &m);
    work(&w);
    reply_body(&w, 0, 60, ST_OK);
    next_frame(&w, 0, ROOM_SEATS_CHANGED);
    struct hub_numbers n;
    hub_numbers(w.hub, &n);
    assert_int_equal(n.attached, 0);
    assert_int_equal(n.rooms, 0);
    append(&w, 0, 64, 1, NULL);
    reply_body(&w, 0, 64, ST_DENIED);
    world_end(&w);
}

static void who_waits_at_a_door_is_told(void **state)
{
    (void)state;
    struct world w;
    uint8_t token[32] = {9}, mine[32] = {8};
    world_start(&w);
    fixture_room(&w.f, 13, 2);
    arrive(&w, 0, ROOM_MASK_DOORS);
    arrive(&w, 1, 0);
    struct room_door_open open = {
        .req = 70, .expires_ms = w.now.wall_ms + FIXTURE_DAY, .record = bytes_str("record")};
    sha256(BYTES_OF(token), open.door);
    tell(&w, 0, ROOM_DOOR_OPEN, &room_door_open_fields, &open);
    work(&w);
    reply_body(&w, 0, 70, ST_OK);
    join(&w, 3);
    struct room_knock knock = {.req = 71, .blob = bytes_str("knock")};
    memcpy(knock.room, w.f.room, 32);
    memcpy(knock.token, token, 32);
    sha256(BYTES_OF(mine), knock.reply);
    tell(&w, 3, ROOM_KNOCK, &room_knock_fields, &knock);
    work(&w);
    reply_body(&w, 3, 71, ST_OK);
    struct room_knocked k;
    assert_int_equal(fields_decode(&room_knocked_fields, next_frame(&w, 0, ROOM_KNOCKED), &k),
                     ST_OK);
    assert_true(bytes_same(k.blob, bytes_str("knock")));
    assert_memory_equal(k.door, open.door, 32);
    nothing_more(&w, 1);
    struct room_door_poll poll = {.req = 72, .wait = 1};
    memcpy(poll.room, w.f.room, 32);
    memcpy(poll.token, mine, 32);
    tell(&w, 3, ROOM_DOOR_POLL, &room_door_poll_fields, &poll);
    work(&w);
    reply_body(&w, 3, 72, ST_OK);
    w.now.mono_ms += 3600000; /* who waits is not shown out */
    hub_tick(w.hub, w.now);
    work(&w);
    assert_true(w.clients[3].open);
    struct room_door_reply reply = {.req = 73, .outcome = ROOM_ACCEPTED, .blob = bytes_str("in")};
    memcpy(reply.reply, knock.reply, 32);
    tell(&w, 1, ROOM_DOOR_REPLY, &room_door_reply_fields, &reply);
    work(&w);
    reply_body(&w, 1, 73, ST_OK);
    struct room_door_replied r;
    assert_int_equal(
        fields_decode(&room_door_replied_fields, next_frame(&w, 3, ROOM_DOOR_REPLIED), &r), ST_OK);
    assert_int_equal(r.outcome, ROOM_ACCEPTED);
    assert_true(bytes_same(r.blob, bytes_str("in")));
    gone(&w, 3);
    tell(&w, 1, ROOM_DOOR_REPLY, &room_door_reply_fields, &reply);
    work(&w);
    reply_body(&w, 1, 73, ST_OK);
    world_end(&w);
}

static void only_so_many_connections(void **state)
{
    (void)state;
    struct world w;
    struct room_limits limits;
    room_limits_default(&limits);
    limits.connections = 2;
    limits.strangers_minute = 3;
    world_start_with(&w, &limits);
    join(&w, 0);
    join(&w, 1);
    assert_null(hub_join(w.hub, NULL, w.f.who.exporter, w.f.who.spki, w.now));
    for (uint32_t i = 1; i <= 3; i++) {
        TELL(&w, 0, ROOM_PING, room_plain, i);
        reply_body(&w, 0, i, ST_OK);
    }
    TELL(&w, 0, ROOM_PING, room_plain, 4);
    reply_body(&w, 0, 4, ST_BUSY);
    gone(&w, 0);
    join(&w, 0);
    world_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replies_only_after_the_commit),
        cmocka_unit_test(strangers_may_little),
        cmocka_unit_test(what_is_no_request_ends_it),
        cmocka_unit_test(presence_and_signals),
        cmocka_unit_test(the_newer_connection_wins),
        cmocka_unit_test(circuits_carry_bytes_and_credit),
        cmocka_unit_test(circuits_are_counted),
        cmocka_unit_test(slow_readers_are_told),
        cmocka_unit_test(one_who_never_reads_is_ended),
        cmocka_unit_test(turns_in_the_ledger),
        cmocka_unit_test(rates_outlive_the_connection),
        cmocka_unit_test(many_requests_pause_the_line),
        cmocka_unit_test(seats_change_before_their_eyes),
        cmocka_unit_test(who_waits_at_a_door_is_told),
        cmocka_unit_test(only_so_many_connections),
    };
    return !!cmocka_run_group_tests(tests, NULL, NULL);
}
