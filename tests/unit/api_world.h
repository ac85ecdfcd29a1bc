/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * api_world: the local interface over a node that only notes what it is asked, and a client of it.
 * Include after cmocka.h.
 *
 * Owns: a world owns its loop and thread from setup to teardown. Fails through cmocka's assertions.
 * Errors: none. Order: setup, asks, teardown; open_vault before whatever needs a vault.
 */
#ifndef ENCLAVE_TESTS_UNIT_API_WORLD_H
#define ENCLAVE_TESTS_UNIT_API_WORLD_H

#include "api/api.h"
#include "crypto/secret.h"
#include "enclave/enclave.h"
#include "unit/fake_node.h"
#include <curl/curl.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

struct world {
    char home[64];
    uv_loop_t loop;
    uv_async_t wake;
    uv_timer_t timer;
    uv_prepare_t before;
    struct env env;
    struct node node;
    struct vault_flow *vault;
    struct api *api;
    struct http *http;
    pthread_t thread;
    work_run *run;
    work_done *done;
    void *arg;
    enum { NOTHING, RELEASE, EVENT, CLOSE } order;
    bool stop_asked;
    enclave_line *line;
    unsigned lines;
    struct enclave *e;
};

static inline uint64_t clock_ms(void *ctx)
{
    struct timespec t;
    (void)ctx;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static inline void fake_random(void *ctx, uint8_t *out, size_t n)
{
    (void)ctx;
    for (size_t i = 0; i < n; i++) out[i] = (uint8_t)(i * 31 + 7);
}

static inline void no_log(void *ctx, enum env_level level, const char *area, const char *text)
{
    (void)ctx;
    (void)level;
    (void)area;
    (void)text;
}

static inline enum status submit(void *ctx, enum work_lane lane, work_run *run, work_done *done,
                                 void *arg)
{
    struct world *w = ctx;
    (void)lane;
    w->run = run;
    w->done = done;
    w->arg = arg;
    return ST_OK;
}

static inline void on_timer(uv_timer_t *t)
{
    struct world *w = t->data;
    api_tick(w->api);
    if (w->run == NULL) return;
    work_run *run = w->run;
    w->run = NULL;
    run(w->arg);
    w->done(w->arg);
}

static inline void before_wait(uv_prepare_t *p)
{
    struct world *w = p->data;
    uint64_t next = api_next_ms(w->api);
    uint64_t now = clock_ms(NULL);
    if (w->run != NULL) next = now;
    if (next != UINT64_MAX) uv_timer_start(&w->timer, on_timer, next > now ? next - now : 0, 0);
}

static inline enum status opened(void *arg, const uint8_t mk[32], const uint8_t rk[32])
{
    (void)arg;
    (void)mk;
    (void)rk;
    return ST_OK;
}

static inline void stopped(void *arg)
{
    struct world *w = arg;
    uv_close((uv_handle_t *)&w->wake, NULL);
    uv_close((uv_handle_t *)&w->timer, NULL);
    uv_close((uv_handle_t *)&w->before, NULL);
}

static inline void emit(struct world *w, const char *text)
{
    struct node_event e = {"message", "one", text, "eve", 9, 0};
    api_event(w->api, &e);
}

static inline void on_wake(uv_async_t *a)
{
    struct world *w = a->data;
    if (w->order == RELEASE) fake_release(&w->node, &w->node.info);
    if (w->order == EVENT) emit(w, "something");
    if (w->order == CLOSE) {
        api_close(w->api);
        http_stop(w->http, stopped, w);
    }
}

static inline void asked_to_stop(void *arg)
{
    struct world *w = arg;
    w->stop_asked = true;
}

static inline void *run_loop(void *arg)
{
    struct world *w = arg;
    uv_run(&w->loop, UV_RUN_DEFAULT);
    return NULL;
}

static inline int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    char socket[96];
    assert_int_equal(crypto_start(), ST_OK);
    snprintf(w->home, sizeof w->home, "/tmp/enclave-api-XXXXXX");
    assert_non_null(mkdtemp(w->home));
    w->env = (struct env){w, clock_ms, clock_ms, fake_random, no_log};
    uv_loop_init(&w->loop);
    uv_async_init(&w->loop, &w->wake, on_wake);
    uv_timer_init(&w->loop, &w->timer);
    uv_prepare_init(&w->loop, &w->before);
    w->wake.data = w->timer.data = w->before.data = w;
    struct vault_flow_ports vp = {&w->env, {submit, w}, w->home, {1, 64}, {1, 64}};
    assert_int_equal(vault_flow_new(&vp, opened, w, &w->vault), ST_OK);
    struct api_options ao = {.env = &w->env,
                             .node = &w->node,
                             .vault = w->vault,
                             .home = w->home,
                             .profile = "1/2",
                             .upload_max = 1000,
                             .stop = asked_to_stop,
                             .arg = w};
    assert_int_equal(api_new(&ao, &w->api), ST_OK);
    snprintf(socket, sizeof socket, "%s/daemon.sock", w->home);
    struct http_options ho = {
        .loop = &w->loop, .socket = socket, .handler = api_handle, .arg = w->api};
    assert_int_equal(http_new(&ho, &w->http), ST_OK);
    uv_prepare_start(&w->before, before_wait);
    pthread_create(&w->thread, NULL, run_loop, w);
    assert_int_equal(enclave_open(w->home, &w->e), 0);
    *state = w;
    return 0;
}

static inline int teardown(void **state)
{
    struct world *w = *state;
    char path[96];
    enclave_close(w->e);
    w->order = CLOSE;
    uv_async_send(&w->wake);
    pthread_join(w->thread, NULL);
    w->node.end = ST_CLOSED;
    fake_release(&w->node, NULL);
    http_free(w->http);
    api_free(w->api);
    vault_flow_free(w->vault);
    int left = uv_loop_close(&w->loop);
    snprintf(path, sizeof path, "%s/vault", w->home);
    unlink(path);
    rmdir(w->home);
    free(w);
    return left;
}

/* Calls and keeps the answer; says what was wrong if the exit code is another one. */
static inline struct enclave_answer *expect(struct world *w, int code, const char *op,
                                            const struct enclave_param *params, size_t n)
{
    struct enclave_answer *a = enclave_call(w->e, op, params, n);
    if (enclave_exit(a) != code)
        fail_msg("%s: exit %d, not %d: %s", op, enclave_exit(a), code, enclave_json(a));
    return a;
}

static inline void ask(struct world *w, int code, const char *op,
                       const struct enclave_param *params, size_t n, const char *says)
{
    struct enclave_answer *a = expect(w, code, op, params, n);
    if (says != NULL && strstr(enclave_json(a), says) == NULL)
        fail_msg("%s: \"%s\" does not say \"%s\"", op, enclave_json(a), says);
    enclave_answer_free(a);
}

static inline void open_vault(struct world *w)
{
    struct enclave_param p[] = {{"password", "correct horse", 0}};
    ask(w, 0, "vault_init", p, 1, "\"words\":[\"");
    w->node.enclaves = 1;
}

#endif
