/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto link net */
/* Links dialled through a proxy that says what a script holds: all at once, or a byte at a time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crypto/secret.h"
#include "net/env.h"
#include "net/links.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#define SIGNED_IN "\5\2\1\0"
#define DONE "\5\0\0\1\x7f\0\0\1\0\1"

struct world {
    uv_loop_t loop;
    struct net_env real;
    struct env env;
    struct links *links;
    struct link_port port;
    uv_tcp_t listener, caller;
    uv_write_t writes[64];
    const char *script;
    size_t n, piece;
    bool end; /* and closes when all is said */
    bool called, caller_open, late, ended;
    char heard[2048];
    size_t n_heard;
    uv_timer_t guard;
    struct link_route route;
    enum status why;
    unsigned closed;
};

static void silent(void *ctx, enum env_level level, const char *area, const char *text)
{
    (void)ctx;
    (void)level;
    (void)area;
    (void)text;
}

static void on_opened(void *arg, struct link *l, const struct link_peer *peer)
{
    (void)arg;
    (void)l;
    (void)peer;
    fail_msg("opened");
}

static void on_closed(void *arg, struct link *l, enum status why)
{
    struct world *w = arg;
    (void)l;
    w->closed++;
    w->why = why;
}

static const struct link_events events = {.opened = on_opened, .closed = on_closed};

static void caller_gone(uv_handle_t *h)
{
    ((struct world *)h->data)->caller_open = false;
}

static void drop_caller(struct world *w)
{
    if (w->called && w->caller_open && !uv_is_closing((uv_handle_t *)&w->caller))
        uv_close((uv_handle_t *)&w->caller, caller_gone);
}

static void room(uv_handle_t *h, size_t suggested, uv_buf_t *ret)
{
    struct world *w = h->data;
    (void)suggested;
    *ret = uv_buf_init(w->heard + w->n_heard, (unsigned)(sizeof w->heard - w->n_heard));
}

static void heard(uv_stream_t *s, ssize_t n, const uv_buf_t *buf)
{
    struct world *w = s->data;
    (void)buf;
    if (n > 0)
        w->n_heard += (size_t)n;
    else if (n < 0)
        drop_caller(w);
}

static void written(uv_write_t *req, int status)
{
    struct world *w = req->data;
    (void)status;
    if (req == &w->writes[(w->n - 1) / w->piece] && w->end) drop_caller(w);
}

static void on_call(uv_stream_t *s, int status)
{
    struct world *w = s->data;
    assert_int_equal(status, 0);
    uv_tcp_init(&w->loop, &w->caller);
    w->caller.data = w;
    w->called = w->caller_open = true;
    assert_int_equal(uv_accept(s, (uv_stream_t *)&w->caller), 0);
    uv_tcp_nodelay(&w->caller, 1);
    uv_read_start((uv_stream_t *)&w->caller, room, heard);
    for (size_t at = 0, i = 0; at < w->n; at += w->piece, i++) {
        size_t n = w->n - at < w->piece ? w->n - at : w->piece;
        uv_buf_t b = uv_buf_init((char *)(uintptr_t)w->script + at, (unsigned)n);
        w->writes[i].data = w;
        uv_write(&w->writes[i], (uv_stream_t *)&w->caller, &b, 1, written);
    }
    if (w->n == 0 && w->end) drop_caller(w);
}

static void too_late(uv_timer_t *t)
{
    ((struct world *)t->data)->late = true;
}

static void turn(struct world *w)
{
    uv_run(&w->loop, UV_RUN_ONCE);
    assert_false(w->late);
}

static void begin(struct world *w, const char *script, size_t n, size_t piece, bool end)
{
    *w = (struct world){.script = script, .n = n, .piece = piece, .end = end};
    assert_int_equal(net_env_open(&w->real, NULL, ENV_ERROR), ST_OK);
    w->env = net_env(&w->real);
    w->env.log = silent;
    uv_loop_init(&w->loop);
    uv_timer_init(&w->loop, &w->guard);
    w->guard.data = w;
    uv_timer_start(&w->guard, too_late, 20000, 0);
    assert_int_equal(links_new(&w->loop, &w->env, &w->links), ST_OK);
    w->port = links_port(w->links);
    struct sockaddr_in at;
    int len = sizeof at;
    uv_ip4_addr("127.0.0.1", 0, &at);
    uv_tcp_init(&w->loop, &w->listener);
    w->listener.data = w;
    assert_int_equal(uv_tcp_bind(&w->listener, (const struct sockaddr *)&at, 0), 0);
    assert_int_equal(uv_listen((uv_stream_t *)&w->listener, 8, on_call), 0);
    uv_tcp_getsockname(&w->listener, (struct sockaddr *)&at, &len);
    w->route = (struct link_route){.user = "user", .pass = "7"};
    snprintf(w->route.proxy, sizeof w->route.proxy, "127.0.0.1:%u", (unsigned)ntohs(at.sin_port));
}

static struct link *dial(struct world *w)
{
    static const uint8_t pin[32] = {1};
    struct link *l = NULL;
    /* A name that nobody could look up here. */
    assert_int_equal(
        w->port.ops->dial_server(w->port.ctx, "relay.invalid:4433", &w->route, pin, &events, w, &l),
        ST_OK);
    return l;
}

static void ended(void *arg)
{
    ((struct world *)arg)->ended = true;
}

static void finish(struct world *w)
{
    links_close(w->links, ended, w);
    while (!w->ended) turn(w);
    drop_caller(w);
    uv_close((uv_handle_t *)&w->listener, NULL);
    uv_close((uv_handle_t *)&w->guard, NULL);
    while (uv_run(&w->loop, UV_RUN_ONCE) != 0) {
    }
    assert_int_equal(uv_loop_close(&w->loop), 0);
    assert_int_equal(w->closed, 1);
    net_env_close(&w->real);
}

static void scripts(void **state)
{
    (void)state;
#define CASE(text, end, why)            \
    {                                   \
        text, sizeof text - 1, end, why \
    }
    static const struct {
        const char *text;
        size_t n;
        bool end;
        enum status why;
    } cases[] = {
        CASE("", true, ST_PROXY),
        CASE("\5", true, ST_PROXY),
        CASE("\5\xff", false, ST_PROXY),
        CASE("HTTP/1.1 400 Bad Request\r\n", true, ST_PROXY),
        CASE("\5\2\1\1", false, ST_PROXY),
        CASE(SIGNED_IN, true, ST_PROXY),
        CASE(SIGNED_IN "\5\1\0\1", false, ST_UNREACHABLE),
        CASE(SIGNED_IN "\5\2\0\1", false, ST_DENIED),
        CASE(SIGNED_IN "\5\5\0\1\0\0\0\0\0\0", true, ST_UNREACHABLE),
        CASE(SIGNED_IN "\5\6\0\1", false, ST_TIMEOUT),
        CASE(SIGNED_IN "\5\0\0\1\0\0\0", true, ST_PROXY),
        CASE("\5\0\5\4\0\1", false, ST_UNREACHABLE),
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (size_t piece = 1; piece < 100; piece += 98) {
            struct world w;
            begin(&w, cases[i].text, cases[i].n, piece, cases[i].end);
            dial(&w);
            while (!w.closed) turn(&w);
            if (w.why != cases[i].why) print_message("script %zu: %s\n", i, status_name(w.why));
            assert_int_equal(w.why, cases[i].why);
            finish(&w);
        }
}

/* What comes behind the answer is the other side's TLS, and what goes out are the bytes of RFC 1928. */
static void then_tls(void **state)
{
    (void)state;
    static const char said[] = "\5\2\2\0\1\4user\1"
                               "7\5\1\0\3\15relay.invalid\x11\x51\x16\3";
    static const char script[] = SIGNED_IN DONE "no TLS at all";
    for (size_t piece = 1; piece < 100; piece += 98) {
        struct world w;
        begin(&w, script, sizeof script - 1, piece, false);
        dial(&w);
        while (!w.closed) turn(&w);
        assert_int_equal(w.why, ST_PROTOCOL);
        while (w.n_heard < sizeof said - 1) turn(&w);
        assert_memory_equal(w.heard, said, sizeof said - 1);
        finish(&w);
    }
}

static void nobody_there(void **state)
{
    (void)state;
    struct world w;
    begin(&w, "", 0, 1, false);
    struct link *l;
    static const uint8_t pin[32] = {1};
    static const char *const wrong[] = {"", "127.0.0.1", "tor.example:9050", "127.0.0.1:99999"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct link_route r = {.user = "u", .pass = "p"};
        snprintf(r.proxy, sizeof r.proxy, "%s", wrong[i]);
        assert_int_equal(w.port.ops->dial_server(w.port.ctx, "a:1", &r, pin, &events, &w, &l),
                         ST_USAGE);
    }
    struct link_route r = {.user = "", .pass = "p"};
    memcpy(r.proxy, w.route.proxy, sizeof r.proxy);
    assert_int_equal(w.port.ops->dial_server(w.port.ctx, "a:1", &r, pin, &events, &w, &l),
                     ST_USAGE);
    snprintf(w.route.proxy, sizeof w.route.proxy, "127.0.0.1:1");
    dial(&w);
    while (!w.closed) turn(&w);
    assert_int_equal(w.why, ST_PROXY);
    finish(&w);
}

static void given_up_on_the_way(void **state)
{
    (void)state;
    static const char *const scripts_[] = {"", "\5\2", SIGNED_IN, SIGNED_IN "\5\0\0"};
    static const size_t sizes[] = {0, 2, 4, 7};
    for (size_t i = 0; i < 4; i++) {
        struct world w;
        begin(&w, scripts_[i], sizes[i], 100, false);
        struct link *l = dial(&w);
        while (w.n_heard < 4) turn(&w);
        w.port.ops->close(l);
        while (!w.closed) turn(&w);
        assert_int_equal(w.why, ST_CLOSED);
        finish(&w);
        /* And the whole port closes in the middle. */
        begin(&w, scripts_[i], sizes[i], 100, false);
        dial(&w);
        while (w.n_heard < 4) turn(&w);
        finish(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scripts),
        cmocka_unit_test(then_tls),
        cmocka_unit_test(nobody_there),
        cmocka_unit_test(given_up_on_the_way),
    };
    signal(SIGPIPE, SIG_IGN); /* as the programs do */
    if (crypto_start() != ST_OK) return 1;
    return !!cmocka_run_group_tests(tests, NULL, NULL);
}
