/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "api/http.h"

#include "crypto/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <libwebsockets.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#define CHUNK ((size_t)64 << 10) /* build-notes: the best size for lws' buffers */
#define KEEP_ALIVE_S 60
#define STATICS_MAX 8 /* handles that lws keeps for its own use */

struct http {
    struct lws_context *context; /* lws (4.3) writes NULL here once it is really gone */
    const uv_handle_t *statics[STATICS_MAX];
    size_t n_statics;
    size_t n_before; /* handles of the loop before lws added its own */
    size_t walked;
    bool found;
    struct lws_vhost *local;
    struct lws_vhost *loopback;
    uv_timer_t timer; /* asks whether the context is gone */
    bool stopping;
    bool destroyed; /* lws was told to end */
    unsigned connections;
    uint16_t port;
    char token[HTTP_TOKEN_SIZE];
    http_handler *handler;
    void *arg;
    http_stopped *stopped;
    void *stopped_arg;
    struct lws_protocols protocols[2];
    void *loops[1];
    char socket_path[sizeof(((struct sockaddr_un *)0)->sun_path)];
    char interface[64];
};

/* What lws keeps for each connection. */
struct connection {
    struct http_exchange *x;
};

/* Tells when a client goes away while its answer is still being worked on: lws (4.1) does not read
 * then, so it would not notice, and would spin on a descriptor that is ready. (Its own flow control
 * of receiving stops sending too.) A copy of the descriptor waits for the end only. */
struct watch {
    uv_poll_t poll;
    int fd;
    struct http_exchange *x; /* NULL: over */
};

enum phase { TAKING_BODY, WITH_HANDLER, ANSWERED, STREAMING, STREAM_ENDED };

struct http_exchange {
    struct http *http;
    struct lws *wsi; /* NULL: the client is gone */
    struct watch *watch;
    enum phase phase;
    bool head_sent;
    bool all_sent; /* before the body was taken: the rest of it is dropped */
    /* The connection ends with the answer to a request with a body: lws (4.1) goes round for ever over what
     * comes together with one. */
    bool last_one;
    bool unread; /* what comes behind it is left where it is */
    int status;
    char method[8];
    char type[64];
    size_t body_expected;
    size_t sent;
    struct buf path;
    struct buf body;
    struct buf out;
    struct buf arguments; /* one after the other, each with a terminator */
    size_t n_arguments;
    struct bytes argument[HTTP_ARGUMENTS_MAX];
    http_gone *gone;
    void *gone_arg;
};

static void exchange_free(struct http_exchange *x)
{
    buf_free(&x->path);
    buf_free(&x->body); /* wiped: it may hold a password */
    buf_free(&x->out);
    buf_free(&x->arguments);
    free(x);
}

/* ---- the client's end ---- */

static void watch_closed(uv_handle_t *handle)
{
    struct watch *w = handle->data;
    close(w->fd);
    free(w);
}

static void watch_end(struct http_exchange *x)
{
    struct watch *w = x->watch;
    if (w == NULL) return;
    x->watch = NULL;
    w->x = NULL;
    uv_close((uv_handle_t *)&w->poll, watch_closed);
}

static void client_left(uv_poll_t *poll, int status, int events)
{
    struct watch *w = poll->data;
    (void)status;
    (void)events;
    uv_poll_stop(poll);
    if (w->x != NULL && w->x->wsi != NULL)
        lws_set_timeout(w->x->wsi, PENDING_TIMEOUT_USER_REASON_BASE, LWS_TO_KILL_ASYNC);
}

static void watch_begin(struct http_exchange *x)
{
    struct watch *w = calloc(1, sizeof *w);
    if (w == NULL) return;
    w->fd = fcntl(lws_get_socket_fd(x->wsi), F_DUPFD_CLOEXEC, 3);
    if (w->fd < 0 || uv_poll_init(x->http->timer.loop, &w->poll, w->fd) != 0) {
        if (w->fd >= 0) close(w->fd);
        free(w);
        return;
    }
    w->x = x;
    w->poll.data = w;
    x->watch = w;
    uv_poll_start(&w->poll, UV_DISCONNECT, client_left);
}

/* ---- what the handler sees ---- */

const char *http_method(const struct http_exchange *x)
{
    return x->method;
}

struct bytes http_path(const struct http_exchange *x)
{
    return buf_view(&x->path);
}

struct bytes http_body(const struct http_exchange *x)
{
    return buf_view(&x->body);
}

bool http_argument(const struct http_exchange *x, size_t i, struct bytes *ret_name,
                   struct bytes *ret_value)
{
    if (i >= x->n_arguments) return false;
    struct bytes a = x->argument[i];
    const uint8_t *equals = memchr(a.p, '=', a.n);
    size_t n = equals == NULL ? a.n : (size_t)(equals - a.p);
    *ret_name = BYTES(a.p, n);
    *ret_value = equals == NULL ? BYTES_NONE : BYTES(equals + 1, a.n - n - 1);
    return true;
}

void http_answer(struct http_exchange *x, int status, const char *content_type, struct bytes body)
{
    x->phase = ANSWERED;
    if (x->wsi == NULL) {
        exchange_free(x);
        return;
    }
    x->status = status;
    snprintf(x->type, sizeof x->type, "%s", content_type);
    buf_clear(&x->out);
    buf_bytes(&x->out, body);
    if (x->out.bad) { /* no memory for the answer: a short one instead */
        x->status = 503;
        buf_clear(&x->out);
    }
    if (x->unread) lws_rx_flow_control(x->wsi, 1); /* else nothing is written either */
    lws_callback_on_writable(x->wsi);
}

void http_stream_begin(struct http_exchange *x, const char *content_type, http_gone *gone,
                       void *arg)
{
    x->phase = STREAMING;
    x->status = 200;
    snprintf(x->type, sizeof x->type, "%s", content_type);
    x->gone = gone;
    x->gone_arg = arg;
    buf_free(&x->out);
    buf_init(&x->out, HTTP_STREAM_WAITING_MAX);
    if (x->wsi != NULL) lws_callback_on_writable(x->wsi);
}

enum status http_stream_write(struct http_exchange *x, struct bytes bytes)
{
    if (x->wsi == NULL) return ST_CLOSED;
    if (bytes.n > HTTP_STREAM_WAITING_MAX - x->out.n) return ST_BUSY;
    buf_bytes(&x->out, bytes);
    if (x->out.bad) return ST_NO_MEMORY;
    lws_callback_on_writable(x->wsi);
    return ST_OK;
}

void http_stream_end(struct http_exchange *x)
{
    x->gone = NULL;
    x->phase = STREAM_ENDED;
    if (x->wsi == NULL)
        exchange_free(x);
    else
        lws_callback_on_writable(x->wsi);
}

/* The client went away, or the whole answer is out. */
static void detach(struct connection *c)
{
    struct http_exchange *x = c->x;
    if (x == NULL) return;
    watch_end(x);
    c->x = NULL;
    x->wsi = NULL;
    if (x->phase == TAKING_BODY || x->phase == ANSWERED || x->phase == STREAM_ENDED) {
        exchange_free(x);
        return;
    }
    http_gone *gone = x->gone;
    x->gone = NULL;
    if (gone != NULL) gone(x->gone_arg);
}

/* ---- sending ---- */

static int send_head(struct http_exchange *x)
{
    uint8_t room[LWS_PRE + 1024];
    uint8_t *start = room + LWS_PRE;
    uint8_t *p = start;
    uint8_t *end = room + sizeof room;
    bool stream = x->phase == STREAMING || x->phase == STREAM_ENDED;
    static const uint8_t no_store[] = "no-store";
    static const uint8_t no_sniff[] = "nosniff";
    static const uint8_t close_after[] = "close";
    if (lws_add_http_common_headers(x->wsi, (unsigned)x->status, x->type,
                                    stream ? LWS_ILLEGAL_HTTP_CONTENT_LEN : x->out.n, &p, end) ||
        lws_add_http_header_by_token(x->wsi, WSI_TOKEN_HTTP_CACHE_CONTROL, no_store,
                                     (int)sizeof no_store - 1, &p, end) ||
        lws_add_http_header_by_name(x->wsi, (const uint8_t *)"x-content-type-options:", no_sniff,
                                    (int)sizeof no_sniff - 1, &p, end) ||
        (x->last_one && lws_add_http_header_by_token(x->wsi, WSI_TOKEN_CONNECTION, close_after,
                                                     (int)sizeof close_after - 1, &p, end)) ||
        lws_finalize_write_http_header(x->wsi, start, &p, end))
        return -1;
    x->head_sent = true;
    return 0;
}

static int send_piece(struct http_exchange *x, bool last_when_empty, bool *ret_last)
{
    uint8_t room[LWS_PRE + 16384];
    size_t left = x->out.n - x->sent;
    size_t n = left < sizeof room - LWS_PRE ? left : sizeof room - LWS_PRE;
    *ret_last = last_when_empty && n == left;
    if (n > 0) memcpy(room + LWS_PRE, x->out.p + x->sent, n);
    if (n == 0 && !*ret_last) return 0;
    if (lws_write(x->wsi, room + LWS_PRE, n, *ret_last ? LWS_WRITE_HTTP_FINAL : LWS_WRITE_HTTP) <
        (int)n)
        return -1;
    x->sent += n;
    return 0;
}

static int writeable(struct lws *wsi, struct connection *c)
{
    struct http_exchange *x = c->x;
    if (x == NULL || x->phase == TAKING_BODY || x->phase == WITH_HANDLER || x->all_sent) return 0;
    bool stream = x->phase == STREAMING;
    if (!x->head_sent) {
        if (send_head(x) != 0) return -1;
        if (x->out.n > 0 || !stream) lws_callback_on_writable(wsi);
        return 0;
    }
    bool last = false;
    do {
        if (send_piece(x, !stream, &last) != 0) return -1;
    } while (!last && x->sent < x->out.n && !lws_send_pipe_choked(wsi));
    if (last) {
        bool close = x->phase == STREAM_ENDED || x->last_one;
        detach(c);
        return close || lws_http_transaction_completed(wsi) ? -1 : 0;
    }
    if (x->sent == x->out.n) {
        buf_clear(&x->out);
        x->sent = 0;
    } else {
        lws_callback_on_writable(wsi);
    }
    return 0;
}

/* Before lws waits for a body: a client that closes its half would not get the answer later. */
static int answer_now(struct http_exchange *x)
{
    bool last = false;
    if (send_head(x) != 0 || send_piece(x, true, &last) != 0 || !last) return -1;
    x->all_sent = true;
    return 0;
}

/* ---- receiving ---- */

static bool header(struct lws *wsi, enum lws_token_indexes token, char *out, size_t n)
{
    out[0] = '\0';
    int have = lws_hdr_total_length(wsi, token);
    if (have <= 0) return false;
    /* Too long for the room is as good as wrong. */
    if ((size_t)have >= n || lws_hdr_copy(wsi, out, (int)n, token) < 0) snprintf(out, n, "?");
    return true;
}

/* A page of another site may send requests to loopback, and a name may be made to point here: only
 * our own names and origins pass. */
static bool host_is_ours(const struct http_exchange *x, bool loopback, const char *host)
{
    static const char *const names[] = {"localhost", "127.0.0.1", "[::1]"};
    char want[80];
    if (!loopback) return strcmp(host, "localhost") == 0;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(want, sizeof want, "%s:%u", names[i], x->http->port);
        if (strcmp(host, want) == 0) return true;
    }
    return false;
}

static bool origin_is_ours(const char *host, const char *origin)
{
    return strncmp(origin, "http://", 7) == 0 && strcmp(origin + 7, host) == 0;
}

static bool token_is_right(const struct http_exchange *x, struct lws *wsi)
{
    char given[HTTP_TOKEN_SIZE + 16];
    size_t n = strlen(x->http->token);
    header(wsi, WSI_TOKEN_HTTP_AUTHORIZATION, given, sizeof given);
    bool right = n > 0 && strlen(given) == n + 7 && strncmp(given, "Bearer ", 7) == 0 &&
                 secret_same((const uint8_t *)given + 7, (const uint8_t *)x->http->token, n);
    bytes_wipe(given, sizeof given);
    return right;
}

/* 0, or the HTTP status to refuse the request with, and why. */
static int refuse(const struct http_exchange *x, struct lws *wsi, const char **ret_why)
{
    char host[128];
    char origin[160];
    char text[32];
    bool loopback = x->http->loopback != NULL && lws_get_vhost(wsi) == x->http->loopback;
    header(wsi, WSI_TOKEN_HOST, host, sizeof host);
    *ret_why = "the Host header names another host";
    if (!host_is_ours(x, loopback, host)) return 403;
    *ret_why = "pages of other origins may not call this";
    if (header(wsi, WSI_TOKEN_ORIGIN, origin, sizeof origin) && !origin_is_ours(host, origin))
        return 403;
    *ret_why = "the bearer token is missing or wrong";
    if (loopback && !token_is_right(x, wsi)) return 401;
    *ret_why = "a body must have a Content-Length";
    if (header(wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING, text, sizeof text)) return 411;
    *ret_why = "the body is larger than allowed";
    if (header(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH, text, sizeof text)) {
        char *end = NULL;
        errno = 0;
        unsigned long long n = strtoull(text, &end, 10);
        if (errno != 0 || *end != '\0' || n > HTTP_BODY_MAX) return 413;
    }
    *ret_why = "this is not a WebSocket server";
    if (header(wsi, WSI_TOKEN_UPGRADE, text, sizeof text)) return 400;
    return 0;
}

static void take_arguments(struct http_exchange *x, struct lws *wsi)
{
    int all = lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_URI_ARGS);
    if (all <= 0) return;
    size_t most = (size_t)all + 1;
    for (int i = 0; i < HTTP_ARGUMENTS_MAX; i++) {
        uint8_t *room = buf_space(&x->arguments, most);
        if (room == NULL) return;
        int n = lws_hdr_copy_fragment(wsi, (char *)room, (int)most, WSI_TOKEN_HTTP_URI_ARGS, i);
        x->arguments.n -= most;
        if (n < 0) break;
        x->arguments.n += (size_t)n + 1;
        x->argument[i].n = (size_t)n;
        x->n_arguments++;
    }
    /* The buffer has stopped moving: now the views. */
    size_t at = 0;
    for (size_t i = 0; i < x->n_arguments; i++) {
        x->argument[i].p = x->arguments.p + at;
        at += x->argument[i].n + 1;
    }
}

static void problem(struct http_exchange *x, int status, const char *why)
{
    char text[256];
    int n = snprintf(text, sizeof text,
                     "{\"status\":\"%s\",\"exit\":%d,\"http\":%d,\"text\":\"%s\",\"next\":\"\"}",
                     status_name(status == 413   ? ST_TOO_BIG
                                 : status == 403 ? ST_DENIED
                                                 : ST_USAGE),
                     status_exit(status == 403 ? ST_DENIED : ST_USAGE), status, why);
    http_answer(x, status, "application/problem+json", BYTES(text, (size_t)n));
}

static int hand_over(struct lws *wsi, struct connection *c)
{
    struct http_exchange *x = c->x;
    x->phase = WITH_HANDLER;
    /* A vote or a long poll takes its time: the connection is not idle meanwhile. */
    lws_set_timeout(x->wsi, NO_PENDING_TIMEOUT, 0);
    x->http->handler(x->http->arg, x);
    if (x->phase == WITH_HANDLER || x->phase == STREAMING) watch_begin(x);
    if (x->phase == WITH_HANDLER && x->last_one) {
        x->unread = true; /* what comes behind it */
        lws_rx_flow_control(wsi, 0);
    }
    if (x->phase != ANSWERED) return 0;
    /* At once: lws closes when it reads the end of a client that has closed its half, whatever
     * still waits to be written. */
    return send_head(x) != 0 ? -1 : writeable(wsi, c);
}

static void set_method(struct http_exchange *x, struct lws *wsi)
{
    char *uri = NULL;
    int n = 0;
    switch (lws_http_get_uri_and_method(wsi, &uri, &n)) {
    case LWSHUMETH_GET: memcpy(x->method, "GET", 4); break;
    case LWSHUMETH_POST: memcpy(x->method, "POST", 5); break;
    case LWSHUMETH_DELETE: memcpy(x->method, "DELETE", 7); break;
    default: break;
    }
}

static int request(struct http *h, struct lws *wsi, struct connection *c, struct bytes path)
{
    const char *why = NULL;
    char text[32];
    struct http_exchange *x = calloc(1, sizeof *x);
    if (x == NULL) return -1;
    if (c->x != NULL) detach(c);
    c->x = x;
    x->http = h;
    x->wsi = wsi;
    buf_init(&x->body, HTTP_BODY_MAX);
    set_method(x, wsi);
    buf_bytes(&x->path, path);
    take_arguments(x, wsi);
    int refused = refuse(x, wsi, &why);
    if (header(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH, text, sizeof text))
        x->body_expected = (size_t)strtoull(text, NULL, 10);
    if (refused == 0 && x->body_expected > 0 && strcmp(x->method, "GET") == 0) {
        refused = 400;
        why = "a GET has no body";
    }
    x->last_one = x->body_expected > 0 || strcmp(x->method, "GET") != 0;
    if (refused == 0 && (x->path.bad || x->arguments.bad)) {
        refused = 413;
        why = "the request is larger than allowed";
    }
    if (refused != 0) {
        problem(x, refused, why);
        if (strcmp(x->method, "GET") != 0 && answer_now(x) != 0) return -1;
        /* A chunked body has no end that lws would see. */
        if (x->all_sent && x->body_expected == 0) return -1;
    } else if (x->body_expected == 0) {
        return hand_over(wsi, c);
    }
    return 0;
}

static int take_body(struct connection *c, struct bytes piece)
{
    if (c->x == NULL) return -1;
    if (c->x->phase != TAKING_BODY) return 0; /* refused already: the rest is dropped */
    buf_bytes(&c->x->body, piece);
    return c->x->body.bad ? -1 : 0;
}

static int filter(struct http *h, int fd)
{
    struct ucred who;
    socklen_t n = sizeof who;
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof address;
    if (h->stopping || h->connections > HTTP_CONNECTIONS_MAX) return -1;
    if (getsockname(fd, (struct sockaddr *)&address, &size) != 0) return -1;
    if (address.ss_family != AF_UNIX) return 0;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &n) != 0) return -1;
    return who.uid == geteuid() || who.uid == 0 ? 0 : -1;
}

static int callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                    size_t n)
{
    const struct lws_protocols *protocol = wsi == NULL ? NULL : lws_get_protocol(wsi);
    struct http *h = protocol == NULL ? NULL : protocol->user;
    struct connection *c = user;
    if (h == NULL && wsi != NULL && lws_get_context(wsi) != NULL)
        h = lws_context_user(lws_get_context(wsi));
    switch ((int)reason) {
    case LWS_CALLBACK_FILTER_NETWORK_CONNECTION:
        return h == NULL ? -1 : filter(h, (int)(intptr_t)in);
    case LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION: return -1; /* no WebSocket */
    case LWS_CALLBACK_HTTP_BIND_PROTOCOL:
        if (h != NULL) h->connections++;
        return 0;
    case LWS_CALLBACK_HTTP_DROP_PROTOCOL:
        if (h != NULL && h->connections > 0) h->connections--;
        if (c != NULL) detach(c);
        return 0;
    case LWS_CALLBACK_HTTP: return request(h, wsi, c, BYTES(in, n));
    case LWS_CALLBACK_HTTP_BODY: return take_body(c, BYTES(in, n));
    case LWS_CALLBACK_HTTP_BODY_COMPLETION:
        if (c->x != NULL && c->x->phase == TAKING_BODY) return hand_over(wsi, c);
        return c->x != NULL && c->x->all_sent ? -1 : 0;
    case LWS_CALLBACK_HTTP_WRITEABLE: return writeable(wsi, c);
    case LWS_CALLBACK_CLOSED_HTTP:
        if (c != NULL) detach(c);
        return 0;
    default: return 0;
    }
}

/* ---- life ---- */

/* A socket file without a listener is what a killed daemon leaves behind: lws replaces it. */
static enum status somebody_listens(const char *path)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return ST_IO;
    int failed = connect(fd, (const struct sockaddr *)&a, sizeof a);
    close(fd);
    return failed == 0 ? ST_EXISTS : ST_OK;
}

static enum status listen_local(struct http *h, const struct http_options *o)
{
    if (strlen(o->socket) >= sizeof h->socket_path) return ST_TOO_BIG;
    snprintf(h->socket_path, sizeof h->socket_path, "%s", o->socket);
    enum status st = somebody_listens(h->socket_path);
    if (st != ST_OK) return st;
    struct lws_context_creation_info info = {
        .vhost_name = "local",
        .iface = h->socket_path,
        .protocols = h->protocols,
        .options = LWS_SERVER_OPTION_UNIX_SOCK,
        .keepalive_timeout = KEEP_ALIVE_S,
    };
    mode_t before = umask(0177); /* 0600 from its first moment on */
    h->local = lws_create_vhost(h->context, &info);
    umask(before);
    if (h->local == NULL) return errno == EACCES ? ST_DENIED : ST_IO;
    return chmod(h->socket_path, 0600) == 0 ? ST_OK : ST_IO;
}

static enum status listen_loopback(struct http *h, const struct http_options *o)
{
    const char *colon = strrchr(o->listen, ':');
    char *end = NULL;
    if (colon == NULL || o->token == NULL) return ST_USAGE;
    unsigned long port = strtoul(colon + 1, &end, 10);
    size_t n = (size_t)(colon - o->listen);
    bool six = n == 5 && memcmp(o->listen, "[::1]", 5) == 0;
    bool four = (n == 9 && (memcmp(o->listen, "127.0.0.1", 9) == 0 ||
                            memcmp(o->listen, "localhost", 9) == 0));
    if (*end != '\0' || port > 65535 || (!six && !four)) return ST_USAGE;
    snprintf(h->interface, sizeof h->interface, "%s", six ? "::1" : "127.0.0.1");
    snprintf(h->token, sizeof h->token, "%s", o->token);
    struct lws_context_creation_info info = {
        .vhost_name = "loopback",
        .port = (int)port,
        .iface = h->interface,
        .protocols = h->protocols,
        .options = six ? 0 : LWS_SERVER_OPTION_DISABLE_IPV6,
        .keepalive_timeout = KEEP_ALIVE_S,
    };
    h->loopback = lws_create_vhost(h->context, &info);
    if (h->loopback == NULL) return ST_EXISTS;
    h->port = (uint16_t)lws_get_vhost_listen_port(h->loopback);
    return h->port != 0 ? ST_OK : ST_EXISTS;
}

static void timer_closed(uv_handle_t *timer)
{
    struct http *h = timer->data;
    if (h->local != NULL) unlink(h->socket_path);
    h->stopped(h->stopped_arg);
}

static void look_for_statics(uv_handle_t *handle, void *arg)
{
    struct http *h = arg;
    for (size_t i = 0; i < h->n_statics; i++)
        if (h->statics[i] == handle) h->found = true;
}

/* lws closes its handles in later turns of the loop. 4.3 then ends the context by itself, 4.1 wants
 * to be called once more. */
static void context_gone(uv_timer_t *timer)
{
    struct http *h = timer->data;
    if (!h->destroyed) {
        h->destroyed = true;
        if (h->context != NULL) lws_context_destroy(h->context);
        return;
    }
    h->found = false;
    uv_walk(timer->loop, look_for_statics, h);
    if (h->found) return;
    if (h->context != NULL) lws_context_destroy(h->context);
    h->context = NULL;
    uv_close((uv_handle_t *)timer, timer_closed);
}

static void count_handles(uv_handle_t *handle, void *arg)
{
    struct http *h = arg;
    (void)handle;
    h->n_before++;
}

/* Handles join the end of the loop's list: those beyond n_before are lws'. */
static void note_statics(uv_handle_t *handle, void *arg)
{
    struct http *h = arg;
    bool fixed = handle->type == UV_TIMER || handle->type == UV_IDLE || handle->type == UV_SIGNAL;
    if (h->walked++ >= h->n_before && fixed && h->n_statics < STATICS_MAX)
        h->statics[h->n_statics++] = handle;
}

enum status http_new(const struct http_options *options, struct http **ret)
{
    enum status st = ST_OK;
    struct http *h = calloc(1, sizeof *h);
    *ret = NULL;
    if (h == NULL) return ST_NO_MEMORY;
    h->handler = options->handler;
    h->arg = options->arg;
    h->loops[0] = options->loop;
    h->protocols[0] = (struct lws_protocols){.name = "http",
                                             .callback = callback,
                                             .per_session_data_size = sizeof(struct connection),
                                             .user = h};
    lws_set_log_level(0, NULL); /* else peers could fill our stderr */
    struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN,
        .options = LWS_SERVER_OPTION_LIBUV | LWS_SERVER_OPTION_EXPLICIT_VHOSTS,
        .foreign_loops = h->loops,
        .pcontext = &h->context,
        .user = h,
        .pt_serv_buf_size = CHUNK,
        .max_http_header_data2 = HTTP_HEAD_MAX,
        .max_http_header_pool2 = HTTP_CONNECTIONS_MAX,
    };
    if (uv_timer_init(options->loop, &h->timer) != 0) {
        free(h);
        return ST_NO_MEMORY;
    }
    h->timer.data = h;
    uv_walk(options->loop, count_handles, h);
    h->context = lws_create_context(&info);
    uv_walk(options->loop, note_statics, h);
    if (h->context == NULL) st = ST_NO_MEMORY;
    if (st == ST_OK && options->socket != NULL) st = listen_local(h, options);
    if (st == ST_OK && options->listen != NULL) st = listen_loopback(h, options);
    *ret = h;
    return st;
}

uint16_t http_port(const struct http *h)
{
    return h->port;
}

void http_stop(struct http *h, http_stopped *done, void *arg)
{
    h->stopping = true;
    h->stopped = done;
    h->stopped_arg = arg;
    /* Later: this call may come from inside one of lws', and answers get a turn to go out. */
    uv_timer_start(&h->timer, context_gone, 1, 5);
}

void http_free(struct http *h)
{
    if (h == NULL) return;
    bytes_wipe(h->token, sizeof h->token);
    free(h);
}
