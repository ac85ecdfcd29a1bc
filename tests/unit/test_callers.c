/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto link net */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#include "net/callers_internal.h"
#include "net/env.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CLIENTS 24
#define THREADS 3

/* The loop of the test is the server's; the clients have a thread and a loop of their own. */
struct world;

struct client {
    struct world *w;
    struct link *l;
    unsigned sent, to_send, got, wanted;
    size_t size; /* of its frames */
    bool paused, closed;
};

struct session_of { /* what the server knows of a caller */
    struct world *w;
    struct caller *c;
    unsigned got, queued;
    uint8_t first[4]; /* which client it is */
    bool writable;
};

struct world {
    uv_loop_t loop;
    struct net_env log;
    struct env env;
    struct server_key key;
    struct callers *callers;
    char address[32];
    struct session_of sessions[CLIENTS];
    unsigned opened, closed, frames, unsent, lanes[THREADS];
    bool echo, pause_first, refuse, done;
    /* the clients' side */
    uv_loop_t far;
    uv_async_t tell;
    uv_thread_t thread;
    struct links *links;
    struct link_port port;
    struct client clients[CLIENTS];
    unsigned n;
    uint8_t *frame;
    unsigned all_closed; /* with __atomic */
    unsigned all_got;
    int go_on; /* paused clients may read */
    int end;
};

/* ---- the clients ---- */

static void pour(struct client *c)
{
    struct world *w = c->w;
    while (c->sent < c->to_send) {
        put_u32(w->frame, (uint32_t)(c - w->clients));
        put_u32(w->frame + 4, c->sent);
        enum status st = w->port.ops->send(c->l, 0x10, BYTES(w->frame, c->size));
        if (st == ST_BUSY || st == ST_CLOSED) return;
        assert_int_equal(st, ST_OK);
        c->sent++;
    }
}

static void far_opened(void *arg, struct link *l, const struct link_peer *peer)
{
    struct client *c = arg;
    (void)peer;
    c->l = l;
    if (c->paused) c->w->port.ops->pause(l, true);
    pour(c);
}

static void far_frame(void *arg, struct link *l, uint8_t type, struct bytes payload)
{
    struct client *c = arg;
    (void)l;
    (void)type;
    assert_true(payload.n >= 8);
    assert_int_equal(get_u32(payload.p), c - c->w->clients);
    assert_int_equal(get_u32(payload.p + 4), c->got); /* its own, in order */
    c->got++;
    __atomic_add_fetch(&c->w->all_got, 1, __ATOMIC_SEQ_CST);
    if (c->wanted == 0) return;
    if (c->to_send < c->wanted) c->to_send++; /* one more for each answer */
    pour(c);
}

static void far_writable(void *arg, struct link *l)
{
    (void)l;
    pour(arg);
}

static void far_closed(void *arg, struct link *l, enum status why)
{
    struct client *c = arg;
    (void)l;
    (void)why;
    c->closed = true;
    c->to_send = 0;
    __atomic_add_fetch(&c->w->all_closed, 1, __ATOMIC_SEQ_CST);
}

static void on_tell(uv_async_t *a)
{
    struct world *w = a->data;
    if (__atomic_load_n(&w->go_on, __ATOMIC_SEQ_CST))
        for (unsigned i = 0; i < w->n; i++) {
            struct client *c = &w->clients[i];
            if (c->paused && !c->closed && c->l) w->port.ops->pause(c->l, false);
            c->paused = false;
        }
    if (!__atomic_load_n(&w->end, __ATOMIC_SEQ_CST)) return;
    uv_close((uv_handle_t *)a, NULL);
    links_close(w->links, NULL, NULL);
}

static void far_side(void *arg)
{
    static const struct link_events events = {far_opened, far_frame, far_writable, far_closed};
    struct world *w = arg;
    assert_int_equal(links_new(&w->far, &w->env, &w->links), ST_OK);
    w->port = links_port(w->links);
    for (unsigned i = 0; i < w->n; i++)
        assert_int_equal(w->port.ops->dial_server(w->port.ctx, w->address, NULL, w->key.pin,
                                                  &events, &w->clients[i], &w->clients[i].l),
                         ST_OK);
    uv_run(&w->far, UV_RUN_DEFAULT);
}

/* ---- the server ---- */

static void *on_opened(void *arg, struct caller *c, const struct link_peer *peer)
{
    struct world *w = arg;
    if (w->refuse) return NULL;
    assert_true(w->opened < CLIENTS);
    struct session_of *s = &w->sessions[w->opened++];
    assert_memory_equal(peer->spki, w->key.pin, 32);
    *s = (struct session_of){.w = w, .c = c};
    w->lanes[c->lane->number]++;
    return s;
}

static void on_frame(void *arg, void *handle, uint8_t type, struct bytes payload)
{
    struct world *w = arg;
    struct session_of *s = handle;
    if (s->got == 0) memcpy(s->first, payload.p, 4);
    assert_memory_equal(s->first, payload.p, 4); /* never another's */
    assert_int_equal(get_u32(payload.p + 4), s->got);
    s->got++;
    w->frames++;
    if (w->pause_first) caller_pause(s->c, true);
    if (w->echo && caller_send(s->c, type, payload) != ST_OK) w->unsent++;
}

static void on_writable(void *arg, void *handle)
{
    (void)arg;
    ((struct session_of *)handle)->writable = true;
}

static void on_closed(void *arg, void *handle, enum status why)
{
    struct world *w = arg;
    struct session_of *s = handle;
    (void)why;
    assert_non_null(s->c);
    s->c = NULL;
    w->closed++;
}

static const struct callers_events server_events = {on_opened, on_frame, on_writable, on_closed};

static void set_flag(void *arg)
{
    *(bool *)arg = true;
}

static struct callers_config config_of(struct world *w, const char *address)
{
    return (struct callers_config){.address = address,
                                   .key = &w->key,
                                   .threads = THREADS,
                                   .most = CLIENTS,
                                   .events = &server_events,
                                   .arg = w};
}

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    char dir[] = "/tmp/enclave-callers-XXXXXX", path[64];
    uint16_t port;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/key", dir);
    assert_int_equal(uv_loop_init(&w->loop), 0);
    assert_int_equal(uv_loop_init(&w->far), 0);
    assert_int_equal(net_env_open(&w->log, NULL, ENV_ERROR), ST_OK);
    w->env = net_env(&w->log);
    assert_int_equal(server_key_open(path, &w->env, &w->key), ST_OK);
    unlink(path);
    rmdir(dir);
    w->frame = calloc(1, LINK_FRAME_MAX);
    for (unsigned i = 0; i < CLIENTS; i++) w->clients[i] = (struct client){.w = w, .size = 100};
    const struct callers_config config = config_of(w, "127.0.0.1:0");
    assert_int_equal(callers_open(&w->loop, &w->env, &config, &w->callers, &port), ST_OK);
    snprintf(w->address, sizeof w->address, "127.0.0.1:%u", port);
    uv_async_init(&w->far, &w->tell, on_tell);
    w->tell.data = w;
    *state = w;
    return 0;
}

static void tell(struct world *w, int *flag)
{
    __atomic_store_n(flag, 1, __ATOMIC_SEQ_CST);
    uv_async_send(&w->tell);
}

static void start(struct world *w, unsigned n)
{
    w->n = n;
    assert_int_equal(uv_thread_create(&w->thread, far_side, w), 0);
}

static void close_server(struct world *w)
{
    callers_close(w->callers, set_flag, &w->done);
    while (!w->done) uv_run(&w->loop, UV_RUN_ONCE);
    assert_int_equal(w->closed, w->opened);
}

static int teardown(void **state)
{
    struct world *w = *state;
    if (!w->done) close_server(w);
    if (w->n == 0) start(w, 0);
    tell(w, &w->end);
    uv_thread_join(&w->thread);
    assert_int_equal(uv_loop_close(&w->far), 0);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&w->loop), 0);
    server_key_free(&w->key);
    net_env_close(&w->log);
    free(w->frame);
    free(w);
    return 0;
}

#define RUN_UNTIL(w, test) \
    while (!(test)) uv_run(&(w)->loop, UV_RUN_ONCE)

/* ---- tests ---- */

static void all_threads_serve(void **state)
{
    struct world *w = *state;
    w->echo = true;
    for (unsigned i = 0; i < CLIENTS; i++) w->clients[i].to_send = 200;
    start(w, CLIENTS);
    RUN_UNTIL(w, w->frames == CLIENTS * 200);
    assert_int_equal(w->unsent, 0);
    for (unsigned i = 0; i < THREADS; i++) assert_int_equal(w->lanes[i], CLIENTS / THREADS);
    close_server(w); /* what was sent goes out first */
    while (__atomic_load_n(&w->all_closed, __ATOMIC_SEQ_CST) < CLIENTS) sched_yield();
    assert_int_equal(__atomic_load_n(&w->all_got, __ATOMIC_SEQ_CST), CLIENTS * 200);
}

static void a_paused_caller_waits(void **state)
{
    struct world *w = *state;
    w->pause_first = true;
    w->clients[0].to_send = 500;
    start(w, 1);
    RUN_UNTIL(w, w->frames == 1);
    struct session_of *s = &w->sessions[0];
    /* All that its thread had read before it heard of the pause is here, and waits. */
    for (int i = 0; i < 100; i++) uv_run(&w->loop, UV_RUN_NOWAIT);
    assert_int_equal(w->frames, 1);
    for (unsigned n = 2; n < 20; n++) {
        caller_pause(s->c, false);
        assert_int_equal(w->frames, n - 1); /* never inside the call */
        RUN_UNTIL(w, w->frames == n);       /* and each pauses again */
    }
    w->pause_first = false;
    caller_pause(s->c, false);
    RUN_UNTIL(w, w->frames == 500);
}

static void a_slow_reader_is_noticed(void **state)
{
    struct world *w = *state;
    static uint8_t bytes[65536];
    enum status st = ST_OK;
    size_t taken = 0;
    w->clients[0].to_send = 1;
    w->clients[0].paused = true;
    start(w, 1);
    RUN_UNTIL(w, w->frames == 1);
    struct session_of *s = &w->sessions[0];
    for (unsigned turn = 0; turn < 3; turn++) {
        /* Nothing goes out inside the call, and nothing is taken beyond the high water. */
        for (;;) {
            put_u32(bytes + 4, s->queued);
            st = caller_send(s->c, 0x10, BYTES_OF(bytes));
            if (st != ST_OK) break;
            s->queued++;
            taken += sizeof bytes;
        }
        assert_int_equal(st, ST_BUSY);
        assert_true(s->c->waiting <= CALLERS_HIGH_WATER + sizeof bytes + CALLERS_FRAME_COST);
        s->writable = false;
        if (turn == 0) tell(w, &w->go_on);
        RUN_UNTIL(w, s->writable);
    }
    assert_true(taken >= CALLERS_HIGH_WATER * 2);
    close_server(w);
    while (__atomic_load_n(&w->all_closed, __ATOMIC_SEQ_CST) < 1) sched_yield();
    assert_int_equal(__atomic_load_n(&w->all_got, __ATOMIC_SEQ_CST), s->queued);
}

static size_t up_bytes(struct lane *a)
{
    uv_mutex_lock(&a->lock);
    size_t n = a->up_bytes;
    uv_mutex_unlock(&a->lock);
    return n;
}

static void a_flood_waits_at_the_thread(void **state)
{
    struct world *w = *state;
    enum { SIZE = 256 << 10, FRAMES = 100 };
    for (unsigned i = 0; i < 6; i++) {
        w->clients[i].size = SIZE;
        w->clients[i].to_send = FRAMES;
    }
    start(w, 6);
    RUN_UNTIL(w, w->opened == 6);
    /* The server's loop does something else for a while. */
    for (unsigned i = 0; i < THREADS; i++)
        while (up_bytes(&w->callers->lanes[i]) <= CALLERS_UP_MAX) sched_yield();
    for (unsigned i = 0; i < 3000; i++) {
        assert_true(up_bytes(&w->callers->lanes[i % THREADS]) <=
                    CALLERS_UP_MAX + SIZE + CALLERS_FRAME_COST);
        sched_yield();
    }
    RUN_UNTIL(w, w->frames == 6 * FRAMES);
}

static void closing_under_load(void **state)
{
    struct world *w = *state;
    w->echo = true;
    for (unsigned i = 0; i < CLIENTS; i++) {
        w->clients[i].to_send = 50;
        w->clients[i].wanted = UINT32_MAX;
        w->clients[i].size = 3000;
    }
    start(w, CLIENTS);
    RUN_UNTIL(w, w->opened == CLIENTS && w->frames > 2000);
    for (unsigned i = 0; i < CLIENTS; i += 5) caller_close(w->sessions[i].c);
    RUN_UNTIL(w, w->closed >= (CLIENTS + 4) / 5);
    callers_unlisten(w->callers);
    close_server(w);
    while (__atomic_load_n(&w->all_closed, __ATOMIC_SEQ_CST) < CLIENTS) sched_yield();
}

static void who_is_turned_away_is_closed(void **state)
{
    struct world *w = *state;
    w->refuse = true;
    for (unsigned i = 0; i < 4; i++) w->clients[i].to_send = 3;
    start(w, 4);
    while (__atomic_load_n(&w->all_closed, __ATOMIC_SEQ_CST) < 4) uv_run(&w->loop, UV_RUN_NOWAIT);
    assert_int_equal(w->frames, 0);
    assert_int_equal(w->opened, 0);
}

static void a_port_in_use(void **state)
{
    struct world *w = *state;
    struct callers *second = NULL;
    uint16_t port;
    struct callers_config config = config_of(w, w->address);
    assert_int_equal(callers_open(&w->loop, &w->env, &config, &second, &port), ST_EXISTS);
    config.threads = 0;
    assert_int_equal(callers_open(&w->loop, &w->env, &config, &second, &port), ST_USAGE);
    config.threads = CALLERS_THREADS_MAX + 1;
    assert_int_equal(callers_open(&w->loop, &w->env, &config, &second, &port), ST_USAGE);
    assert_null(second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(all_threads_serve, setup, teardown),
        cmocka_unit_test_setup_teardown(a_paused_caller_waits, setup, teardown),
        cmocka_unit_test_setup_teardown(a_slow_reader_is_noticed, setup, teardown),
        cmocka_unit_test_setup_teardown(a_flood_waits_at_the_thread, setup, teardown),
        cmocka_unit_test_setup_teardown(closing_under_load, setup, teardown),
        cmocka_unit_test_setup_teardown(who_is_turned_away_is_closed, setup, teardown),
        cmocka_unit_test_setup_teardown(a_port_in_use, setup, teardown),
    };
    signal(SIGPIPE, SIG_IGN); /* as in the programs */
    return !!cmocka_run_group_tests(tests, NULL, NULL);
}
