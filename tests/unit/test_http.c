/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto api client */
#include "api/http.h"
#include "crypto/secret.h"

#include <curl/curl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include <cmocka.h>

#define TOKEN "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQ"

/* One server on a loop thread of its own; curl talks to it from the test's thread. */
struct server {
    char dir[64];
    char socket[96];
    uv_loop_t loop;
    uv_async_t wake;
    uv_timer_t later;
    struct http *http;
    struct http_exchange *waiting; /* to be answered by the timer */
    struct http_exchange *stream;
    unsigned lines;
    bool gone;
    bool end;
    pthread_t thread;
};

static void stopped(void *arg)
{
    struct server *s = arg;
    uv_close((uv_handle_t *)&s->wake, NULL);
    uv_close((uv_handle_t *)&s->later, NULL);
}

static void stream_gone(void *arg)
{
    struct server *s = arg;
    s->gone = true;
    http_stream_end(s->stream);
    s->stream = NULL;
}

static void on_later(uv_timer_t *t)
{
    struct server *s = t->data;
    if (s->waiting != NULL) {
        struct http_exchange *x = s->waiting;
        s->waiting = NULL;
        http_answer(x, 200, "text/plain", BYTES_LIT("late"));
    }
    if (s->stream == NULL) return;
    if (s->lines++ < 3) {
        assert_int_equal(http_stream_write(s->stream, BYTES_LIT("{\"line\":1}\n")), ST_OK);
        uv_timer_start(t, on_later, 5, 0);
    } else if (s->lines < 100) {
        http_stream_end(s->stream);
        s->stream = NULL;
    }
}

static bool path_is(struct http_exchange *x, const char *path)
{
    return bytes_same(http_path(x), bytes_str(path));
}

static void handler(void *arg, struct http_exchange *x)
{
    struct server *s = arg;
    if (path_is(x, "/late")) {
        if (s->waiting != NULL) on_later(&s->later); /* its client has gone */
        s->waiting = x;
        uv_timer_start(&s->later, on_later, 20, 0);
    } else if (path_is(x, "/stream") || path_is(x, "/endless")) {
        s->stream = x;
        s->lines = path_is(x, "/endless") ? 1000 : 0;
        http_stream_begin(x, "application/x-ndjson", stream_gone, s);
        uv_timer_start(&s->later, on_later, 5, 0);
    } else if (path_is(x, "/gone")) {
        http_answer(x, 200, "text/plain", s->gone ? BYTES_LIT("yes") : BYTES_LIT("no"));
    } else if (path_is(x, "/big")) {
        struct buf b = BUF_INIT;
        memset(buf_space(&b, 3000000), 'x', 3000000);
        http_answer(x, 200, "text/plain", buf_view(&b));
        buf_free(&b);
    } else {
        struct buf b = BUF_INIT;
        struct bytes name;
        struct bytes value;
        buf_printf(&b, "%s ", http_method(x));
        buf_bytes(&b, http_path(x));
        for (size_t i = 0; http_argument(x, i, &name, &value); i++) {
            buf_str(&b, " [");
            buf_bytes(&b, name);
            buf_str(&b, "]=[");
            buf_bytes(&b, value);
            buf_str(&b, "]");
        }
        buf_str(&b, " ");
        buf_bytes(&b, http_body(x));
        http_answer(x, 200, "text/plain", buf_view(&b));
        buf_free(&b);
    }
}

static void on_wake(uv_async_t *a)
{
    struct server *s = a->data;
    if (s->http != NULL) http_stop(s->http, stopped, s);
}

static void *run(void *arg)
{
    struct server *s = arg;
    uv_run(&s->loop, UV_RUN_DEFAULT);
    return NULL;
}

static int setup(void **state)
{
    struct server *s = calloc(1, sizeof *s);
    assert_int_equal(crypto_start(), ST_OK);
    snprintf(s->dir, sizeof s->dir, "/tmp/enclave-http-XXXXXX");
    assert_non_null(mkdtemp(s->dir));
    snprintf(s->socket, sizeof s->socket, "%s/d.sock", s->dir);
    uv_loop_init(&s->loop);
    uv_async_init(&s->loop, &s->wake, on_wake);
    uv_timer_init(&s->loop, &s->later);
    s->wake.data = s;
    s->later.data = s;
    struct http_options o = {&s->loop, s->socket, "127.0.0.1:0", TOKEN, handler, s};
    assert_int_equal(http_new(&o, &s->http), ST_OK);
    pthread_create(&s->thread, NULL, run, s);
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    struct server *s = *state;
    uv_async_send(&s->wake);
    pthread_join(s->thread, NULL);
    http_free(s->http);
    int left = uv_loop_close(&s->loop);
    assert_int_not_equal(access(s->socket, F_OK), 0);
    rmdir(s->dir);
    free(s);
    return left;
}

static size_t keep(char *p, size_t size, size_t n, void *arg)
{
    buf_raw(arg, p, size * n);
    return size * n;
}

static CURL *client(const struct server *s)
{
    CURL *c = curl_easy_init();
    curl_easy_setopt(c, CURLOPT_UNIX_SOCKET_PATH, s->socket);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, keep);
    curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, 4000L);
    curl_easy_setopt(c, CURLOPT_NOPROXY, "*");
    return c;
}

static long ask(CURL *c, const char *url, struct buf *out)
{
    long status = 0;
    buf_clear(out);
    curl_easy_setopt(c, CURLOPT_URL, url);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, out);
    CURLcode code = curl_easy_perform(c);
    if (code != CURLE_OK) return -(long)code;
    curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
    return status;
}

static void assert_body(const struct buf *b, const char *text)
{
    if (!bytes_same(buf_view(b), bytes_str(text)))
        fail_msg("got \"%.*s\", not \"%s\"", (int)b->n, (const char *)b->p, text);
}

static void requests_come_and_keep_alive(void **state)
{
    struct server *s = *state;
    struct buf out = BUF_INIT;
    CURL *c = client(s);
    long connects = 0;
    struct stat st;
    assert_int_equal(stat(s->socket, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    for (int i = 0; i < 50; i++) {
        assert_int_equal(ask(c, "http://localhost/v1/a?x=1&y=%C3%A4%2F%26+b%20c&z", &out), 200);
        assert_body(&out, "GET /v1/a [x]=[1] [y]=[\xc3\xa4/& b c] [z]=[] ");
        curl_easy_getinfo(c, CURLINFO_NUM_CONNECTS, &connects);
        assert_int_equal(connects, i == 0);
    }
    curl_easy_setopt(c, CURLOPT_POSTFIELDS, "{\"a\":1}");
    assert_int_equal(ask(c, "http://localhost/post", &out), 200);
    assert_body(&out, "POST /post {\"a\":1}");
    curl_easy_setopt(c, CURLOPT_POSTFIELDS, "");
    assert_int_equal(ask(c, "http://localhost/post", &out), 200);
    assert_body(&out, "POST /post ");
    curl_easy_setopt(c, CURLOPT_HTTPGET, 1L);
    curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, "DELETE");
    assert_int_equal(ask(c, "http://localhost/x?path=a", &out), 200);
    assert_body(&out, "DELETE /x [path]=[a] ");
    curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, NULL);
    assert_int_equal(ask(c, "http://localhost/big", &out), 200);
    assert_int_equal(out.n, 3000000);
    assert_int_equal(ask(c, "http://localhost/late", &out), 200);
    assert_body(&out, "late");
    curl_easy_cleanup(c);
    buf_free(&out);
}

/* Sends it in one piece; how many answers come, at most `want` are waited for. */
static unsigned answers_to(struct server *s, struct bytes all, unsigned want)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    char text[16384];
    size_t n = 0;
    unsigned found = 0;
    snprintf(a.sun_path, sizeof a.sun_path, "%s", s->socket);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(send(fd, all.p, all.n, MSG_NOSIGNAL), (ssize_t)all.n);
    while (found < want && n < sizeof text - 1) {
        ssize_t got = recv(fd, text + n, sizeof text - 1 - n, 0);
        if (got <= 0) break;
        n += (size_t)got;
        text[n] = '\0';
        found = 0;
        for (const char *p = text; (p = strstr(p, "HTTP/1.1 200")) != NULL; p++) found++;
    }
    close(fd);
    return found;
}

/* What comes in one piece: requests without a body are answered one after the other; one with a body is the
 * last of its connection, and nothing behind it keeps the server from the others, nor busy. */
static void requests_on_each_others_heels(void **state)
{
    struct server *s = *state;
    static const char get[] = "GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n";
    static const char *const posts[] = {
        "POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nhi",
        "POST /late HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nhi"};
    struct buf many = BUF_INIT, out = BUF_INIT;
    for (size_t kind = 0; kind < 3; kind++) {
        buf_clear(&many);
        for (unsigned i = 0; i < 7; i++) buf_str(&many, kind == 2 ? get : posts[kind]);
        unsigned want = kind == 2 ? 7 : 1;
        assert_int_equal(answers_to(s, buf_view(&many), want), want);
        CURL *c = client(s);
        assert_int_equal(ask(c, "http://localhost/x", &out), 200);
        curl_easy_cleanup(c);
    }
    buf_free(&many);
    buf_free(&out);
}

static void bodies_have_a_limit(void **state)
{
    struct server *s = *state;
    struct buf out = BUF_INIT;
    struct buf body = BUF_INIT;
    CURL *c = client(s);
    memset(buf_space(&body, HTTP_BODY_MAX + 1), 'b', HTTP_BODY_MAX + 1);
    struct curl_slist *headers = curl_slist_append(NULL, "Expect:");
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(c, CURLOPT_POSTFIELDS, body.p);
    curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE, (long)HTTP_BODY_MAX);
    assert_int_equal(ask(c, "http://localhost/p", &out), 200);
    assert_int_equal(out.n, HTTP_BODY_MAX + strlen("POST /p "));
    curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE, (long)HTTP_BODY_MAX + 1);
    assert_int_equal(ask(c, "http://localhost/p", &out), 413);
    headers = curl_slist_append(headers, "Transfer-Encoding: chunked");
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE, 10L);
    curl_easy_setopt(c, CURLOPT_FRESH_CONNECT, 1L);
    assert_int_equal(ask(c, "http://localhost/p", &out), 411);
    curl_slist_free_all(headers);
    curl_easy_cleanup(c);
    buf_free(&out);
    buf_free(&body);
}

static long with_header(const struct server *s, const char *line, bool loopback)
{
    struct buf out = BUF_INIT;
    char url[64];
    CURL *c = client(s);
    struct curl_slist *headers = NULL;
    if (loopback) {
        curl_easy_setopt(c, CURLOPT_UNIX_SOCKET_PATH, NULL);
        headers = curl_slist_append(headers, "Authorization: Bearer " TOKEN);
        snprintf(url, sizeof url, "http://127.0.0.1:%u/a", http_port(s->http));
    } else {
        snprintf(url, sizeof url, "http://localhost/a");
    }
    if (line != NULL) headers = curl_slist_append(headers, line);
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
    long status = ask(c, url, &out);
    curl_slist_free_all(headers);
    curl_easy_cleanup(c);
    buf_free(&out);
    return status;
}

static void strangers_are_refused(void **state)
{
    struct server *s = *state;
    char line[80];
    assert_int_equal(with_header(s, NULL, false), 200);
    assert_int_equal(with_header(s, "Host: evil.example", false), 403);
    assert_int_equal(with_header(s, "Host:", false), 403);
    assert_int_equal(with_header(s, "Origin: https://evil.example", false), 403);
    assert_int_equal(with_header(s, "Origin: null", false), 403);
    assert_int_equal(with_header(s, "Origin: http://localhost", false), 200);
    assert_int_equal(with_header(s, NULL, true), 200);
    assert_int_equal(with_header(s, "Host: evil.example", true), 403);
    assert_int_equal(with_header(s, "Host: localhost", true), 403);
    assert_int_equal(with_header(s, "Origin: http://localhost:1", true), 403);
    snprintf(line, sizeof line, "Origin: http://127.0.0.1:%u", http_port(s->http));
    assert_int_equal(with_header(s, line, true), 200);
    long upgraded = with_header(s, "Upgrade: websocket", true);
    assert_true(upgraded != 101 && upgraded != 200);
}

static void token_is_asked_for(void **state)
{
    struct server *s = *state;
    static const char *const wrong[] = {"X-Nothing: 1", "Authorization: Bearer ",
                                        "Authorization: Bearer " TOKEN "x",
                                        "Authorization: Basic " TOKEN};
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%u/a", http_port(s->http));
    for (size_t i = 0; i < 4; i++) {
        struct buf out = BUF_INIT;
        CURL *c = client(s);
        struct curl_slist *headers = curl_slist_append(NULL, wrong[i]);
        curl_easy_setopt(c, CURLOPT_UNIX_SOCKET_PATH, NULL);
        curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
        assert_int_equal(ask(c, url, &out), 401);
        curl_slist_free_all(headers);
        curl_easy_cleanup(c);
        buf_free(&out);
    }
}

static void streams_flow_and_end(void **state)
{
    struct server *s = *state;
    struct buf out = BUF_INIT;
    CURL *c = client(s);
    assert_int_equal(ask(c, "http://localhost/stream", &out), 200);
    assert_body(&out, "{\"line\":1}\n{\"line\":1}\n{\"line\":1}\n");
    curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, 60L);
    assert_int_equal(ask(c, "http://localhost/endless", &out), -CURLE_OPERATION_TIMEDOUT);
    curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, 4000L);
    for (int i = 0; i < 20000; i++) {
        assert_int_equal(ask(c, "http://localhost/gone", &out), 200);
        if (bytes_same(buf_view(&out), BYTES_LIT("yes"))) break;
    }
    assert_body(&out, "yes");
    /* A client that does not wait for a late answer. */
    curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, 5L);
    assert_int_equal(ask(c, "http://localhost/late", &out), -CURLE_OPERATION_TIMEDOUT);
    curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, 4000L);
    assert_int_equal(ask(c, "http://localhost/late", &out), 200);
    curl_easy_cleanup(c);
    buf_free(&out);
}

/* Garbage and halves of requests, byte by byte mutated: the server lives on. No '%' among it: where
 * a request ends in the middle of an escape, libwebsockets 4.1 reads the next one as its end. */
static void garbage_is_survived(void **state)
{
    struct server *s = *state;
    static const char base[] = "POST /v1/x?a=b&c=d HTTP/1.1\r\nHost: localhost\r\n"
                               "Content-Length: 4\r\nConnection: close\r\n\r\nabcd";
    uint32_t seed = 11;
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    snprintf(a.sun_path, sizeof a.sun_path, "%s", s->socket);
    for (int i = 0; i < 300; i++) {
        char text[sizeof base];
        memcpy(text, base, sizeof base);
        for (int j = 0; j < 2; j++) {
            seed = seed * 1664525U + 1013904223U;
            char c = (char)(seed >> 24);
            text[(seed >> 8) % (sizeof base - 1)] = c;
            if (c == '%') text[(seed >> 8) % (sizeof base - 1)] = '$';
        }
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
        size_t n = i % 3 == 0 ? (seed >> 9) % sizeof base : sizeof base - 1;
        (void)!send(fd, text, n, MSG_NOSIGNAL);
        if (i % 3 != 0) shutdown(fd, SHUT_WR);
        close(fd);
    }
    assert_int_equal(with_header(s, NULL, false), 200);
}

static bool refused_as_second(const char *socket)
{
    struct server other = {.http = NULL};
    uv_loop_init(&other.loop);
    uv_async_init(&other.loop, &other.wake, on_wake);
    uv_timer_init(&other.loop, &other.later);
    struct http_options o = {&other.loop, socket, NULL, NULL, handler, &other};
    bool told = http_new(&o, &other.http) == ST_EXISTS;
    http_stop(other.http, stopped, &other);
    uv_run(&other.loop, UV_RUN_DEFAULT);
    http_free(other.http);
    return uv_loop_close(&other.loop) == 0 && told;
}

/* In a process of its own, as a second daemon is. */
static void second_server_is_told(void **state)
{
    struct server *s = *state;
    int how = 0;
    pid_t child = fork();
    if (child == 0) _exit(refused_as_second(s->socket) ? 0 : 1);
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &how, 0), child);
    assert_int_equal(how, 0);
    assert_int_equal(with_header(s, NULL, false), 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_come_and_keep_alive),
        cmocka_unit_test(bodies_have_a_limit),
        cmocka_unit_test(strangers_are_refused),
        cmocka_unit_test(token_is_asked_for),
        cmocka_unit_test(streams_flow_and_end),
        cmocka_unit_test(garbage_is_survived),
        cmocka_unit_test(second_server_is_told),
        cmocka_unit_test(requests_on_each_others_heels),
    };
    return !!cmocka_run_group_tests(tests, setup, teardown);
}
