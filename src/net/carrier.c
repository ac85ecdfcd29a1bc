/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "net/address.h"
#include "net/links_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct resolving {
    uv_getaddrinfo_t req;
    struct links *n;
    struct link *l; /* NULL once the link gave up */
};

/* ---- handles ---- */

static void closed(uv_handle_t *h)
{
    struct carrier *c = h->data;
    struct links *n = c->n;
    session_free(c->session);
    if (c->socks) bytes_wipe(c->socks, sizeof *c->socks);
    free(c->socks);
    free(c);
    links_gone(n);
}

void carrier_close(struct carrier *c)
{
    if (uv_is_closing((uv_handle_t *)&c->tcp)) return;
    if (c->prev)
        c->prev->next = c->next;
    else
        c->n->carriers = c->next;
    if (c->next) c->next->prev = c->prev;
    uv_close((uv_handle_t *)&c->tcp, closed);
}

static struct carrier *carrier_new(struct link *l)
{
    struct carrier *c = calloc(1, sizeof *c);
    if (!c) return NULL;
    if (uv_tcp_init(l->n->loop, &c->tcp) != 0) {
        free(c);
        return NULL;
    }
    c->tcp.data = c->connect.data = c->write.data = c->shutdown.data = c;
    c->n = l->n;
    c->l = l;
    c->next = l->n->carriers;
    if (c->next) c->next->prev = c;
    l->n->carriers = c;
    l->carrier = c;
    links_timer(l->n);
    return c;
}

/* ---- bytes ---- */

/* The proxy is reached, the other side not yet. */
static bool with_proxy(const struct carrier *c)
{
    return c->l && c->l->dial && c->socks;
}

static void proxy_said(struct link *l, ssize_t n);

/* What comes after the end goes to the scrap. */
static bool wanted(const struct carrier *c)
{
    return c->l && c->l->session && !session_over(c->l->session);
}

static void offer_room(uv_handle_t *h, size_t suggested, uv_buf_t *ret)
{
    (void)suggested;
    struct carrier *c = h->data;
    size_t room = sizeof c->n->scrap;
    uint8_t *p = c->n->scrap;
    if (with_proxy(c))
        p = socks_space(c->socks, &room);
    else if (wanted(c))
        p = session_space(c->l->session, &room);
    *ret = uv_buf_init((char *)p, (unsigned)(p ? room : 0));
}

static void arrived(uv_stream_t *s, ssize_t n, const uv_buf_t *buf)
{
    (void)buf;
    struct carrier *c = s->data;
    struct link *l = c->l;
    if (n == 0) {
        if (wanted(c)) session_rest(l->session);
        return;
    }
    if (n < 0) {
        uv_read_stop(s);
        c->reading = false;
        c->eof = true;
    }
    if (!l) {
        if (n < 0) carrier_close(c);
        return;
    }
    if (with_proxy(c)) {
        proxy_said(l, n);
        return;
    }
    if (!l->session) return; /* over before it began */
    if (n == UV_ENOBUFS)
        session_close(l->session, ST_NO_MEMORY, NULL);
    else if (n < 0)
        session_eof(l->session);
    else if (wanted(c))
        session_filled(l->session, (size_t)n, links_now(c->n));
    else
        return;
    links_pump_one(l);
}

void carrier_read(struct link *l, bool on)
{
    struct carrier *c = l->carrier;
    if (!c || c->eof || c->reading == on || !l->session) return;
    if (on && uv_read_start((uv_stream_t *)&c->tcp, offer_room, arrived) != 0) return;
    if (!on) uv_read_stop((uv_stream_t *)&c->tcp);
    c->reading = on;
}

static void written(uv_write_t *req, int status)
{
    struct carrier *c = req->data;
    size_t n = c->writing;
    c->writing = 0;
    if (status != 0) c->broken = true; /* what they still said can be read all the same */
    if (!c->l) return;
    if (status == 0) session_sent(c->l->session, n, links_now(c->n));
    links_pump_one(c->l);
}

void carrier_flush(struct link *l)
{
    struct carrier *c = l->carrier;
    if (!c || c->writing || c->broken) return;
    struct bytes views[LINKS_VIEWS];
    uv_buf_t bufs[LINKS_VIEWS];
    size_t n = session_output(l->session, views, LINKS_VIEWS), sum = 0;
    if (n == 0) return;
    for (size_t i = 0; i < n; i++) {
        bufs[i] = uv_buf_init((char *)(uintptr_t)views[i].p, (unsigned)views[i].n);
        sum += views[i].n;
    }
    c->writing = sum;
    if (uv_write(&c->write, (uv_stream_t *)&c->tcp, bufs, (unsigned)n, written) != 0) {
        c->writing = 0;
        c->broken = true;
    }
}

static void shut(uv_shutdown_t *req, int status)
{
    if (status != 0 && status != UV_ECANCELED) carrier_close(req->data);
}

void carrier_let_go(struct link *l)
{
    struct carrier *c = l->carrier;
    l->carrier = NULL;
    if (!c) return;
    bool clean =
        l->session && !c->broken && !c->eof && !c->writing && session_waiting(l->session) == 0;
    c->session = l->session;
    l->session = NULL;
    c->l = NULL;
    c->drain_until = links_now(c->n) + LINKS_DRAIN_MS;
    links_timer(c->n);
    /* Closing with bytes unread would send a reset, and a reset may overtake our last frames. */
    if (clean && !c->n->closing && !c->reading)
        clean = uv_read_start((uv_stream_t *)&c->tcp, offer_room, arrived) == 0;
    if (!clean || c->n->closing || uv_shutdown(&c->shutdown, (uv_stream_t *)&c->tcp, shut) != 0)
        carrier_close(c);
}

/* ---- dialling ---- */

static void connect_next(struct link *l, enum status why);

/* The other side is reached. */
static void start_session(struct link *l)
{
    carrier_dial_stop(l);
    struct tls_config config = {
        .role = l->role, .pin = l->key, .expect = l->key, .seed = l->seed, .sni = l->sni};
    enum status st = links_session(l, &config);
    bytes_wipe(l->seed, sizeof l->seed);
    if (st != ST_OK)
        links_over(l, st, "no session");
    else
        carrier_read(l, true);
    links_pump_one(l);
}

/* Each message is far smaller than a socket's buffer, and the proxy answers it before the next. */
static void tell_proxy(struct link *l)
{
    struct carrier *c = l->carrier;
    struct bytes out = socks_output(c->socks);
    if (out.n == 0) return;
    uv_buf_t buf = uv_buf_init((char *)(uintptr_t)out.p, (unsigned)out.n);
    /* Who has closed may have said why: that is read all the same, and then the end. */
    if (uv_try_write((uv_stream_t *)&c->tcp, &buf, 1) != (int)out.n) c->broken = true;
    socks_sent(c->socks, out.n);
}

static void proxy_said(struct link *l, ssize_t n)
{
    struct carrier *c = l->carrier;
    if (l->over) return;
    if (n < 0)
        socks_eof(c->socks);
    else
        socks_filled(c->socks, (size_t)n);
    if (c->socks->state == SOCKS_OPEN) {
        if (c->socks->nameless)
            env_log(l->n->env, ENV_WARN, "link",
                    "the proxy takes no user names: it does not keep enclaves apart");
        start_session(l);
        return;
    }
    if (c->socks->state == SOCKS_FAILED)
        links_over(l, c->socks->status, c->socks->reason);
    else
        tell_proxy(l);
    links_pump_one(l);
}

static void proxy_reached(struct link *l)
{
    struct carrier *c = l->carrier;
    c->socks = l->dial->socks;
    l->dial->socks = NULL;
    if (uv_read_start((uv_stream_t *)&c->tcp, offer_room, arrived) != 0)
        links_over(l, ST_PROXY, "the proxy cannot be read from");
    else
        tell_proxy(l);
    c->reading = !l->over;
    links_pump_one(l);
}

static void connected(uv_connect_t *req, int status)
{
    struct carrier *c = req->data;
    struct link *l = c->l;
    if (!l) return;
    if (status != 0) {
        c->l = NULL;
        l->carrier = NULL;
        carrier_close(c);
        connect_next(l, l->dial->routed ? ST_PROXY : ST_UNREACHABLE);
        links_pump_one(l);
        return;
    }
    uv_tcp_nodelay(&c->tcp, 1);
    if (l->dial->routed)
        proxy_reached(l);
    else
        start_session(l);
}

/* Tries the next address; why is what the last one gave. */
static void connect_next(struct link *l, enum status why)
{
    struct dialling *d = l->dial;
    while (d->next < d->n) {
        const struct sockaddr *to = (const struct sockaddr *)&d->addresses[d->next++];
        uint64_t now = links_now(l->n);
        bool last = d->next == d->n;
        d->address_until =
            last || now + LINKS_ADDRESS_MS > d->until ? d->until : now + LINKS_ADDRESS_MS;
        struct carrier *c = carrier_new(l);
        if (!c) {
            why = ST_NO_MEMORY;
            break;
        }
        if (uv_tcp_connect(&c->connect, &c->tcp, to, connected) == 0) return;
        c->l = NULL;
        l->carrier = NULL;
        carrier_close(c);
    }
    links_over(l, why,
               why == ST_TIMEOUT ? "no answer in time"
               : why == ST_PROXY ? "the proxy does not answer"
                                 : "nobody answers at that address");
}

static void resolved(uv_getaddrinfo_t *req, int status, struct addrinfo *list)
{
    struct resolving *r = req->data;
    struct links *n = r->n;
    struct link *l = r->l;
    n->resolving--;
    if (l) {
        struct dialling *d = l->dial;
        d->resolving = NULL;
        for (struct addrinfo *a = list; status == 0 && a && d->n < LINKS_ADDRESSES_MAX;
             a = a->ai_next)
            if (a->ai_addrlen <= sizeof d->addresses[0])
                memcpy(&d->addresses[d->n++], a->ai_addr, a->ai_addrlen);
        if (d->n == 0)
            links_over(l, ST_UNREACHABLE, "the name is not known");
        else
            connect_next(l, ST_UNREACHABLE);
    }
    uv_freeaddrinfo(list);
    free(r);
    if (l) links_pump_one(l);
    links_gone(n);
}

static enum status resolve(struct link *l, const char *host, uint16_t port)
{
    struct resolving *r = calloc(1, sizeof *r);
    if (!r) return ST_NO_MEMORY;
    char service[8];
    snprintf(service, sizeof service, "%u", port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    r->req.data = r;
    r->n = l->n;
    r->l = l;
    if (uv_getaddrinfo(l->n->loop, &r->req, resolved, host, service, &hints) != 0) {
        free(r);
        return ST_USAGE;
    }
    l->n->resolving++;
    l->dial->resolving = r;
    return ST_OK;
}

/* Through a proxy: it gets the host as it was written, and nothing is looked up here. */
static enum status dial_route(struct link *l, const char *host, uint16_t port,
                              const struct link_route *route)
{
    char proxy[LINK_ADDRESS_MAX + 1];
    uint16_t proxy_port;
    struct dialling *d = l->dial;
    enum status st = address_split(route->proxy, proxy, &proxy_port);
    const char *at = strcmp(proxy, "localhost") == 0 ? "127.0.0.1" : proxy;
    if (st == ST_OK) st = address_numeric(at, proxy_port, &d->addresses[0]);
    if (st != ST_OK) return st;
    d->socks = calloc(1, sizeof *d->socks);
    if (!d->socks) return ST_NO_MEMORY;
    st = socks_init(d->socks, host, port, route->user, route->pass);
    if (st != ST_OK) return st;
    d->routed = true;
    d->until = d->address_until = links_now(l->n) + LINKS_PROXY_MS;
    d->n = 1;
    connect_next(l, ST_PROXY);
    return ST_OK;
}

enum status carrier_dial(struct link *l, const char *address, const struct link_route *route)
{
    char host[LINK_ADDRESS_MAX + 1];
    uint16_t port;
    enum status st = address_split(address, host, &port);
    if (st != ST_OK) return st;
    if (port == 0) return ST_USAGE;
    l->dial = calloc(1, sizeof *l->dial);
    if (!l->dial) return ST_NO_MEMORY;
    if (route) return dial_route(l, host, port, route);
    l->dial->until = l->dial->address_until = links_now(l->n) + LINKS_CONNECT_MS;
    if (address_numeric(host, port, &l->dial->addresses[0]) != ST_OK) return resolve(l, host, port);
    l->dial->n = 1;
    connect_next(l, ST_UNREACHABLE);
    return ST_OK;
}

void carrier_dial_tick(struct link *l, uint64_t now)
{
    struct dialling *d = l->dial;
    if (now < d->address_until) return;
    if (l->carrier) {
        l->carrier->l = NULL;
        carrier_close(l->carrier);
        l->carrier = NULL;
    }
    if (d->routed && d->socks)
        links_over(l, ST_PROXY, "the proxy does not answer");
    else if (now >= d->until || d->resolving)
        links_over(l, ST_TIMEOUT, "no answer in time");
    else
        connect_next(l, ST_TIMEOUT);
}

void carrier_dial_stop(struct link *l)
{
    struct dialling *d = l->dial;
    if (!d) return;
    if (d->resolving) {
        d->resolving->l = NULL;
        uv_cancel((uv_req_t *)&d->resolving->req);
    }
    if (d->socks) bytes_wipe(d->socks, sizeof *d->socks);
    free(d->socks);
    free(d);
    l->dial = NULL;
}

enum status carrier_accept(struct link *l, uv_stream_t *listener)
{
    struct carrier *c = carrier_new(l);
    if (!c) return ST_NO_MEMORY;
    if (uv_accept(listener, (uv_stream_t *)&c->tcp) != 0) return ST_IO;
    uv_tcp_nodelay(&c->tcp, 1);
    return ST_OK;
}

enum status carrier_adopt(struct link *l, int fd)
{
    struct carrier *c = carrier_new(l);
    if (!c || uv_tcp_open(&c->tcp, fd) != 0) {
        close(fd);
        return c ? ST_IO : ST_NO_MEMORY;
    }
    uv_tcp_nodelay(&c->tcp, 1);
    return ST_OK;
}
