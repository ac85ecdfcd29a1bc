/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto link net */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#include "crypto/sign.h"
#include "link/tls.h"
#include "net/env.h"
#include "net/server.h"

#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAME "ax3jd2mkrtawldg6u4aiwamafrr4zlpydfpqxsy"

struct world;

/* One end of a link as a test sees it. */
struct end {
    struct world *w;
    struct link *l;
    struct link_peer peer;
    unsigned opened, closed, frames, writables;
    enum status why;
    uint64_t received;
    uint8_t sum; /* of all bytes */
    uint8_t last_type;
    bool echo;
    size_t to_send; /* bulk: frames left */
};

struct log {
    char text[8192];
    size_t n;
};

struct world {
    uv_loop_t loop;
    uv_timer_t guard;
    struct env env;
    struct net_env real;
    struct log log;
    struct links *links;
    struct link_port port;
    struct server_key key;
    struct link_identity alice, bob, eve;
    const struct link_identity *answers, *let_in;
    struct end a, b;
    struct link_gate gate;
    struct server_gate server;
    bool late, ended;
    bool turn_away;
};

static void log_line(void *ctx, enum env_level level, const char *area, const char *text)
{
    (void)level;
    (void)area;
    struct world *w = ctx;
    int n = snprintf(w->log.text + w->log.n, sizeof w->log.text - w->log.n, "%s\n", text);
    if (n > 0 && (size_t)n < sizeof w->log.text - w->log.n) w->log.n += (size_t)n;
}

static uint64_t mono(void *ctx)
{
    return env_mono_ms(
        &(struct env){.ctx = NULL, .mono_ms = net_env(&((struct world *)ctx)->real).mono_ms});
}

static void draw(void *ctx, uint8_t *out, size_t n)
{
    struct env e = net_env(&((struct world *)ctx)->real);
    env_random(&e, out, n);
}

/* ---- events ---- */

static void on_opened(void *arg, struct link *l, const struct link_peer *peer)
{
    struct end *e = arg;
    assert_int_equal(e->opened, 0);
    e->opened++;
    e->l = l;
    e->peer = *peer;
}

static uint8_t bulk[256 << 10];

static void send_bulk(struct end *e)
{
    while (e->to_send) {
        enum status st = e->w->port.ops->send(e->l, 0x11, BYTES_OF(bulk));
        if (st == ST_BUSY) return;
        assert_int_equal(st, ST_OK);
        e->to_send--;
    }
}

static void on_frame(void *arg, struct link *l, uint8_t type, struct bytes payload)
{
    struct end *e = arg;
    assert_int_equal(e->opened, 1);
    assert_int_equal(e->closed, 0);
    e->frames++;
    e->received += payload.n;
    e->last_type = type;
    for (size_t i = 0; i < payload.n; i += 997) e->sum = (uint8_t)(e->sum + payload.p[i]);
    if (e->echo) assert_int_equal(e->w->port.ops->send(l, type, payload), ST_OK);
}

static void on_writable(void *arg, struct link *l)
{
    (void)l;
    struct end *e = arg;
    e->writables++;
    send_bulk(e);
}

static void on_closed(void *arg, struct link *l, enum status why)
{
    struct end *e = arg;
    (void)l;
    e->closed++;
    e->why = why;
    e->l = NULL;
}

static const struct link_events events = {on_opened, on_frame, on_writable, on_closed};

static enum status gate_name(void *arg, struct bytes sni, struct link_identity *ret)
{
    struct world *w = arg;
    if (!bytes_same(sni, bytes_str(NAME))) return ST_DENIED;
    *ret = *w->answers;
    return ST_OK;
}

static enum status gate_peer(void *arg, const uint8_t id[32])
{
    struct world *w = arg;
    return memcmp(id, w->let_in->id, 32) == 0 ? ST_OK : ST_DENIED;
}

static const struct link_events *gate_accept(void *arg, struct link *l, void **ret_arg)
{
    struct world *w = arg;
    if (w->turn_away) return NULL;
    w->b.l = l;
    *ret_arg = &w->b;
    return &events;
}

/* ---- set up ---- */

static void person(struct link_identity *p, uint8_t n)
{
    memset(p->seed, n, 32);
    sign_public(p->seed, p->id);
}

static void too_late(uv_timer_t *t)
{
    ((struct world *)t->data)->late = true;
}

static void key_of(struct world *w)
{
    char dir[] = "/tmp/test-links-XXXXXX", path[64];
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/key", dir);
    assert_int_equal(server_key_open(path, &w->env, &w->key), ST_OK);
    struct server_key again;
    assert_int_equal(server_key_open(path, &w->env, &again), ST_OK);
    assert_memory_equal(again.pin, w->key.pin, 32);
    assert_memory_equal(again.seed, w->key.seed, 32);
    server_key_free(&again);
    unlink(path);
    rmdir(dir);
}

static int set_up(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    uv_loop_init(&w->loop);
    assert_int_equal(net_env_open(&w->real, NULL, ENV_ERROR), ST_OK);
    w->env = net_env(&w->real);
    w->env =
        (struct env){.ctx = w, .mono_ms = mono, .wall_ms = mono, .random = draw, .log = log_line};
    assert_int_equal(links_new(&w->loop, &w->env, &w->links), ST_OK);
    w->port = links_port(w->links);
    key_of(w);
    person(&w->alice, 1);
    person(&w->bob, 2);
    person(&w->eve, 3);
    w->answers = &w->bob;
    w->let_in = &w->alice;
    w->a.w = w->b.w = w;
    w->gate = (struct link_gate){gate_name, gate_peer, gate_accept, w};
    w->server = (struct server_gate){gate_accept, w};
    uv_timer_init(&w->loop, &w->guard);
    w->guard.data = w;
    uv_timer_start(&w->guard, too_late, 20000, 0);
    *state = w;
    return 0;
}

static void ended(void *arg)
{
    ((struct world *)arg)->ended = true;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    links_close(w->links, ended, w);
    uv_close((uv_handle_t *)&w->guard, NULL);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    assert_true(w->ended);
    assert_int_equal(w->a.opened + w->a.frames > 0 && w->a.closed != 1, 0);
    assert_int_equal(w->b.opened > 0 && w->b.closed != 1, 0);
    assert_int_equal(uv_loop_close(&w->loop), 0);
    server_key_free(&w->key);
    free(w);
    return 0;
}

#define RUN_UNTIL(w, cond)                                                      \
    do {                                                                        \
        while (!(cond) && !(w)->late) uv_run(&(w)->loop, UV_RUN_ONCE);          \
        if ((w)->late) fail_msg("too late: %s; log: %s", #cond, (w)->log.text); \
    } while (0)

static void address_of(uint16_t port, char ret[32])
{
    snprintf(ret, 32, "127.0.0.1:%u", port);
}

static uint16_t listen_peer(struct world *w)
{
    struct link_listener *ls;
    uint16_t port;
    assert_int_equal(w->port.ops->listen(w->port.ctx, "127.0.0.1:0", &w->gate, &ls, &port), ST_OK);
    return port;
}

static void dial_peer(struct world *w, const char *address, const char *name,
                      const struct link_identity *self, const struct link_identity *to)
{
    assert_int_equal(w->port.ops->dial_peer(w->port.ctx, address, NULL, name, self, to->id, &events,
                                            &w->a, &w->a.l),
                     ST_OK);
    assert_int_equal(w->a.opened + w->a.closed, 0); /* no event inside the call */
}

static void meet(struct world *w)
{
    char address[32];
    address_of(listen_peer(w), address);
    dial_peer(w, address, NAME, &w->alice, &w->bob);
    RUN_UNTIL(w, w->a.opened && w->b.opened);
}

/* ---- tests ---- */

static void members_exchange_frames(void **state)
{
    struct world *w = *state;
    meet(w);
    assert_memory_equal(w->a.peer.id, w->bob.id, 32);
    assert_memory_equal(w->b.peer.id, w->alice.id, 32);
    assert_memory_equal(w->a.peer.exporter, w->b.peer.exporter, 32);
    w->b.echo = true;
    assert_int_equal(w->port.ops->send(w->a.l, 0x10, BYTES_LIT("hello")), ST_OK);
    assert_int_equal(w->port.ops->send(w->a.l, 0x7F, BYTES_NONE), ST_OK);
    assert_int_equal(w->port.ops->send(w->a.l, 0x02, BYTES_NONE), ST_USAGE);
    assert_int_equal(w->b.frames, 0);
    RUN_UNTIL(w, w->a.frames == 2);
    assert_int_equal(w->a.received, 5);
    /* The last words before close arrive; each end hears closed once. */
    assert_int_equal(w->port.ops->send(w->a.l, 0x12, BYTES_LIT("bye")), ST_OK);
    w->port.ops->close(w->a.l);
    assert_int_equal(w->a.closed, 0);
    RUN_UNTIL(w, w->a.closed && w->b.closed);
    assert_int_equal(w->b.frames, 3);
    assert_int_equal(w->b.last_type, 0x12);
    assert_int_equal(w->a.why, ST_CLOSED);
    assert_int_equal(w->b.why, ST_CLOSED);
}

static void bulk_both_ways(void **state)
{
    struct world *w = *state;
    meet(w);
    for (size_t i = 0; i < sizeof bulk; i++) bulk[i] = (uint8_t)(i * 31);
    w->a.to_send = w->b.to_send = 256; /* 64 MiB each */
    send_bulk(&w->a);
    send_bulk(&w->b);
    assert_true(w->a.to_send > 0); /* back-pressure */
    assert_true(w->port.ops->waiting(w->a.l) >= LINK_HIGH_WATER);
    RUN_UNTIL(w, w->a.frames == 256 && w->b.frames == 256);
    assert_int_equal(w->a.received, 64 << 20);
    assert_int_equal(w->b.received, 64 << 20);
    assert_int_equal(w->a.sum, w->b.sum);
    assert_true(w->a.writables > 0);
}

static void largest_frame(void **state)
{
    struct world *w = *state;
    meet(w);
    uint8_t *p = calloc(1, LINK_FRAME_MAX);
    assert_int_equal(w->port.ops->send(w->a.l, 0x10, BYTES(p, LINK_FRAME_MAX - 4)), ST_TOO_BIG);
    assert_int_equal(w->port.ops->send(w->a.l, 0x10, BYTES(p, LINK_FRAME_MAX - 5)), ST_OK);
    RUN_UNTIL(w, w->b.frames);
    assert_int_equal(w->b.received, LINK_FRAME_MAX - 5);
    free(p);
}

static void paused_end_hears_nothing(void **state)
{
    struct world *w = *state;
    meet(w);
    w->port.ops->pause(w->b.l, true);
    for (int i = 0; i < 100; i++)
        assert_int_equal(w->port.ops->send(w->a.l, 0x10, BYTES(bulk, 1000)), ST_OK);
    for (int i = 0; i < 20; i++) uv_run(&w->loop, UV_RUN_NOWAIT);
    assert_int_equal(w->b.frames, 0);
    w->port.ops->close(w->a.l);
    RUN_UNTIL(w, w->a.closed);
    w->port.ops->pause(w->b.l, false);
    RUN_UNTIL(w, w->b.closed);
    assert_int_equal(w->b.frames, 100);
}

static void sentinel_and_its_pin(void **state)
{
    struct world *w = *state;
    struct link_listener *ls;
    uint16_t port;
    char address[32];
    assert_int_equal(links_listen_server(w->links, "127.0.0.1:0", &w->key, &w->server, &ls, &port),
                     ST_OK);
    snprintf(address, sizeof address, "localhost:%u", port); /* a name, both families */
    assert_int_equal(
        w->port.ops->dial_server(w->port.ctx, address, NULL, w->key.pin, &events, &w->a, &w->a.l),
        ST_OK);
    RUN_UNTIL(w, w->a.opened && w->b.opened);
    assert_memory_equal(w->a.peer.spki, w->key.pin, 32);
    assert_memory_equal(w->b.peer.spki, w->key.pin, 32);
    assert_memory_equal(w->a.peer.exporter, w->b.peer.exporter, 32);
    w->port.ops->unlisten(w->port.ctx, ls); /* links live on */
    assert_int_equal(w->port.ops->send(w->b.l, 0x10, BYTES_LIT("x")), ST_OK);
    RUN_UNTIL(w, w->a.frames == 1);
}

static void wrong_pin(void **state)
{
    struct world *w = *state;
    struct link_listener *ls;
    uint16_t port;
    char address[32];
    assert_int_equal(links_listen_server(w->links, "127.0.0.1:0", &w->key, &w->server, &ls, &port),
                     ST_OK);
    address_of(port, address);
    uint8_t pin[32] = {1};
    assert_int_equal(
        w->port.ops->dial_server(w->port.ctx, address, NULL, pin, &events, &w->a, &w->a.l), ST_OK);
    RUN_UNTIL(w, w->a.closed);
    assert_int_equal(w->a.why, ST_UNTRUSTED);
    assert_int_equal(w->a.opened, 0);
    RUN_UNTIL(w, strstr(w->log.text, "caller refused"));
    assert_int_equal(w->b.opened, 0);
}

static void refused(struct world *w, const char *name, const struct link_identity *self,
                    enum status why, const char *words)
{
    char address[32];
    address_of(listen_peer(w), address);
    dial_peer(w, address, name, self, &w->bob);
    RUN_UNTIL(w, w->a.closed);
    assert_int_equal(w->a.why, why);
    assert_int_equal(w->a.opened, 0);
    RUN_UNTIL(w, strstr(w->log.text, words));
    assert_int_equal(w->b.opened, 0);
}

static void bad_name(void **state)
{
    refused(*state, "someoneelse", &((struct world *)*state)->alice, ST_DENIED, "SNI");
}

static void not_in_the_roster(void **state)
{
    refused(*state, NAME, &((struct world *)*state)->eve, ST_DENIED, "a key that is not let in");
}

static void server_is_someone_else(void **state)
{
    struct world *w = *state;
    w->answers = &w->eve;
    refused(w, NAME, &w->alice, ST_UNTRUSTED, "alert");
}

static void turned_away_by_accept(void **state)
{
    struct world *w = *state;
    w->turn_away = true;
    char address[32];
    address_of(listen_peer(w), address);
    dial_peer(w, address, NAME, &w->alice, &w->bob);
    RUN_UNTIL(w, w->a.closed);
    assert_int_equal(w->a.why, ST_DENIED);
}

static void nobody_there(void **state)
{
    struct world *w = *state;
    char address[32];
    struct link_listener *ls;
    uint16_t port;
    assert_int_equal(w->port.ops->listen(w->port.ctx, "127.0.0.1:0", &w->gate, &ls, &port), ST_OK);
    w->port.ops->unlisten(w->port.ctx, ls);
    uv_run(&w->loop, UV_RUN_NOWAIT);
    address_of(port, address);
    dial_peer(w, address, NAME, &w->alice, &w->bob);
    RUN_UNTIL(w, w->a.closed);
    assert_int_equal(w->a.why, ST_UNREACHABLE);
    struct link *l;
    const char *wrong[] = {"", "host", ":1", "host:", "host:x", "host:99999", "::1:5", "1.2.3.4:0"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(
            w->port.ops->dial_server(w->port.ctx, wrong[i], NULL, w->key.pin, &events, &w->a, &l),
            ST_USAGE);
    address_of(listen_peer(w), address);
    assert_int_equal(w->port.ops->listen(w->port.ctx, address, &w->gate, &ls, &port), ST_EXISTS);
}

/* ---- strangers: raw TCP ---- */

struct stranger {
    uv_tcp_t tcp;
    uv_connect_t connect;
    uv_write_t write;
    uv_buf_t say;
    char got[65536];
    size_t n;
    bool over, gone;
};

static void stranger_gone(uv_handle_t *h)
{
    ((struct stranger *)h->data)->gone = true;
}

static void stranger_room(uv_handle_t *h, size_t suggested, uv_buf_t *ret)
{
    (void)suggested;
    struct stranger *s = h->data;
    *ret = uv_buf_init(s->got + s->n, (unsigned)(sizeof s->got - s->n));
}

static void stranger_read(uv_stream_t *h, ssize_t n, const uv_buf_t *buf)
{
    (void)buf;
    struct stranger *s = h->data;
    if (n > 0) s->n += (size_t)n;
    if (n < 0) s->over = true;
}

static void stranger_connected(uv_connect_t *req, int status)
{
    struct stranger *s = req->data;
    assert_int_equal(status, 0);
    uv_read_start((uv_stream_t *)&s->tcp, stranger_room, stranger_read);
    if (s->say.len) uv_write(&s->write, (uv_stream_t *)&s->tcp, &s->say, 1, NULL);
}

static struct stranger *stranger(struct world *w, uint16_t port, const void *say, size_t n)
{
    struct stranger *s = calloc(1, sizeof *s);
    struct sockaddr_in to;
    uv_ip4_addr("127.0.0.1", port, &to);
    uv_tcp_init(&w->loop, &s->tcp);
    s->tcp.data = s->connect.data = s;
    s->say = uv_buf_init((char *)(uintptr_t)say, (unsigned)n);
    uv_tcp_connect(&s->connect, &s->tcp, (struct sockaddr *)&to, stranger_connected);
    return s;
}

static void stranger_free(struct world *w, struct stranger *s)
{
    uv_close((uv_handle_t *)&s->tcp, stranger_gone);
    RUN_UNTIL(w, s->gone);
    free(s);
}

static void plain_text_learns_nothing(void **state)
{
    struct world *w = *state;
    static const char say[] = "GET / HTTP/1.1\r\nHost: example.org\r\n\r\n";
    struct stranger *s = stranger(w, listen_peer(w), say, sizeof say - 1);
    RUN_UNTIL(w, s->over);
    assert_true(s->n <= 7);
    assert_non_null(strstr(w->log.text, "plain HTTP"));
    stranger_free(w, s);
}

static void no_hybrid_group(void **state)
{
    struct world *w = *state;
    SSL_CTX *x = SSL_CTX_new(TLS_client_method());
    assert_int_equal(SSL_CTX_set1_groups_list(x, "X25519"), 1);
    SSL *ssl = SSL_new(x);
    SSL_set_tlsext_host_name(ssl, NAME);
    SSL_set_bio(ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_connect_state(ssl);
    SSL_do_handshake(ssl);
    char *p;
    long n = BIO_get_mem_data(SSL_get_wbio(ssl), &p);
    struct stranger *s = stranger(w, listen_peer(w), p, (size_t)n);
    RUN_UNTIL(w, s->over);
    assert_int_equal(s->n, 7); /* one alert */
    assert_int_equal(s->got[0], 21);
    assert_non_null(strstr(w->log.text, "X25519MLKEM768"));
    stranger_free(w, s);
    SSL_free(ssl);
    SSL_CTX_free(x);
}

static void silent_ones_give_way(void **state)
{
    struct world *w = *state;
    uint16_t port = listen_peer(w);
    enum { MANY = LINKS_HALF_OPEN_PER_IP + 1 };
    struct stranger *s[MANY];
    for (int i = 0; i < MANY; i++) {
        s[i] = stranger(w, port, NULL, 0);
        for (int k = 0; k < 3; k++) uv_run(&w->loop, UV_RUN_NOWAIT);
    }
    RUN_UNTIL(w, s[0]->over);
    assert_false(s[MANY - 1]->over);
    assert_non_null(strstr(w->log.text, "too many handshakes"));
    /* A member still gets in. */
    char address[32];
    address_of(port, address);
    dial_peer(w, address, NAME, &w->alice, &w->bob);
    RUN_UNTIL(w, w->a.opened && w->b.opened);
    for (int i = 0; i < MANY; i++) stranger_free(w, s[i]);
}

/* ---- pipes: bytes that the test carries ---- */

struct wire {
    struct world *w;
    struct link *to;
    struct buf queue;
    size_t room, piece;
    size_t taken, given;
    bool closed;
};

static void wire_output(void *arg, struct bytes bytes)
{
    struct wire *x = arg;
    assert_true(bytes.n <= x->room);
    x->room -= bytes.n;
    buf_bytes(&x->queue, bytes);
}

static void wire_closed(void *arg)
{
    ((struct wire *)arg)->closed = true;
}

static void wire_taken(void *arg, size_t n)
{
    ((struct wire *)arg)->taken += n;
}

static size_t wire_room(void *arg)
{
    return ((struct wire *)arg)->room;
}

/* Gives what waits in `from` to its receiver, in pieces. */
static void wire_move(struct wire *from, struct wire *back, struct link *sender, struct link *to)
{
    size_t at = 0;
    while (at < from->queue.n && !back->closed) {
        size_t n = from->queue.n - at < from->piece ? from->queue.n - at : from->piece;
        from->w->port.ops->pipe_input(to, BYTES(from->queue.p + at, n));
        at += n;
    }
    from->given += at;
    buf_consume(&from->queue, at);
    from->room = 100000;
    if (!from->closed) from->w->port.ops->pipe_room(sender);
}

static void pipes(struct world *w, size_t piece)
{
    struct wire x = {.w = w, .room = 100000, .piece = piece};
    struct wire y = {.w = w, .room = 100000, .piece = piece};
    struct link_pipe px = {wire_output, wire_closed, &x, wire_taken, wire_room};
    struct link_pipe py = {wire_output, wire_closed, &y, wire_taken, wire_room};
    struct link *a, *b;
    w->a = (struct end){.w = w};
    w->b = (struct end){.w = w, .echo = true};
    assert_int_equal(w->port.ops->accept_pipe(w->port.ctx, &py, &w->gate, &b), ST_OK);
    assert_int_equal(
        w->port.ops->dial_pipe(w->port.ctx, &px, NAME, &w->alice, w->bob.id, &events, &w->a, &a),
        ST_OK);
    while (!(w->a.opened && w->b.opened) && !w->late) {
        uv_run(&w->loop, UV_RUN_NOWAIT);
        wire_move(&x, &y, a, b);
        wire_move(&y, &x, b, a);
    }
    assert_int_equal(w->port.ops->send(a, 0x20, BYTES(bulk, piece == 1 ? 3000 : 250000)), ST_OK);
    while (!w->a.frames && !w->late) {
        uv_run(&w->loop, UV_RUN_NOWAIT);
        wire_move(&x, &y, a, b);
        wire_move(&y, &x, b, a);
    }
    assert_int_equal(w->a.received, piece == 1 ? 3000 : 250000);
    assert_int_equal(x.given, y.taken);
    assert_int_equal(y.given, x.taken);
    w->port.ops->close(a);
    while (!w->a.closed && !w->late) uv_run(&w->loop, UV_RUN_NOWAIT);
    assert_true(x.closed);
    wire_move(&x, &y, a, b);
    w->port.ops->pipe_eof(b);
    while (!w->b.closed && !w->late) uv_run(&w->loop, UV_RUN_NOWAIT);
    assert_true(y.closed);
    assert_false(w->late);
    buf_free(&x.queue);
    buf_free(&y.queue);
}

static void members_over_a_pipe(void **state)
{
    pipes(*state, 65536);
    pipes(*state, 1);
}

static void flooded_pipe_ends(void **state)
{
    struct world *w = *state;
    struct wire y = {.w = w, .room = SIZE_MAX};
    struct link_pipe py = {wire_output, wire_closed, &y, wire_taken, wire_room};
    struct link *b;
    assert_int_equal(w->port.ops->accept_pipe(w->port.ctx, &py, &w->gate, &b), ST_OK);
    for (int i = 0; i < 18; i++) w->port.ops->pipe_input(b, BYTES_OF(bulk));
    RUN_UNTIL(w, y.closed);
    buf_free(&y.queue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(members_exchange_frames, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bulk_both_ways, set_up, tear_down),
        cmocka_unit_test_setup_teardown(largest_frame, set_up, tear_down),
        cmocka_unit_test_setup_teardown(paused_end_hears_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(sentinel_and_its_pin, set_up, tear_down),
        cmocka_unit_test_setup_teardown(wrong_pin, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bad_name, set_up, tear_down),
        cmocka_unit_test_setup_teardown(not_in_the_roster, set_up, tear_down),
        cmocka_unit_test_setup_teardown(server_is_someone_else, set_up, tear_down),
        cmocka_unit_test_setup_teardown(turned_away_by_accept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nobody_there, set_up, tear_down),
        cmocka_unit_test_setup_teardown(plain_text_learns_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_hybrid_group, set_up, tear_down),
        cmocka_unit_test_setup_teardown(silent_ones_give_way, set_up, tear_down),
        cmocka_unit_test_setup_teardown(members_over_a_pipe, set_up, tear_down),
        cmocka_unit_test_setup_teardown(flooded_pipe_ends, set_up, tear_down),
    };
    return !!cmocka_run_group_tests(tests, NULL, NULL);
}
