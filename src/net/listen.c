/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "net/address.h"
#include "net/links_internal.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BACKLOG 512
#define LOG_WINDOW_MS 10000

/* ---- half-open callers ---- */

static void half_add(struct link_listener *ls, struct link *l)
{
    l->half = true;
    l->half_prev = ls->half_last;
    if (ls->half_last)
        ls->half_last->half_next = l;
    else
        ls->half_first = l;
    ls->half_last = l;
}

void listener_opened(struct link *l)
{
    struct link_listener *ls = l->listener;
    l->half = false;
    if (l->half_prev)
        l->half_prev->half_next = l->half_next;
    else
        ls->half_first = l->half_next;
    if (l->half_next)
        l->half_next->half_prev = l->half_prev;
    else
        ls->half_last = l->half_prev;
}

/* A stranger can make us write at most so many lines; addresses are never written. */
void listener_left(struct link *l, enum status why, const char *reason)
{
    struct link_listener *ls = l->listener;
    const struct env *env = ls->n->env;
    uint64_t now = links_now(ls->n);
    if (now - ls->log_since >= LOG_WINDOW_MS) {
        if (ls->unlogged)
            env_log(env, ENV_INFO, "link", "port %u: %u more callers refused", ls->port,
                    ls->unlogged);
        ls->log_since = now;
        ls->logged = ls->unlogged = 0;
    }
    if (ls->logged == LINKS_LOG_BURST) {
        ls->unlogged++;
        return;
    }
    ls->logged++;
    env_log(env, ENV_INFO, "link", "port %u: caller refused: %s (%s)", ls->port, reason,
            status_name(why));
}

/* IPv4: the address. IPv6: its /64, which one customer has. */
static void ip_of(const struct sockaddr_storage *a, uint8_t ret[8])
{
    memset(ret, 0, 8);
    if (a->ss_family == AF_INET) {
        memcpy(ret, &((const struct sockaddr_in *)a)->sin_addr, 4);
        return;
    }
    const uint8_t *p = ((const struct sockaddr_in6 *)a)->sin6_addr.s6_addr;
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
    if (memcmp(p, mapped, 12) == 0)
        memcpy(ret, p + 12, 4);
    else
        memcpy(ret, p, 8);
}

/* Makes room for one more handshake: the oldest gives way, of the same address first. */
static void half_limit(struct link_listener *ls, const uint8_t ip[8])
{
    unsigned same = 0;
    unsigned all = 0;
    struct link *oldest_same = NULL, *oldest = NULL, *victim = NULL;
    for (struct link *l = ls->half_first; l; l = l->half_next) {
        if (session_over(l->session)) continue;
        if (!oldest) oldest = l;
        all++;
        if (memcmp(l->ip, ip, 8) != 0) continue;
        if (!oldest_same) oldest_same = l;
        same++;
    }
    if (same >= ls->share.half_open_per_ip)
        victim = oldest_same;
    else if (all >= ls->share.half_open)
        victim = oldest;
    if (!victim) return;
    session_close(victim->session, ST_BUSY, "too many handshakes at once");
    links_mark(victim);
}

static struct link *caller_add(struct link_listener *ls)
{
    struct link *l = links_add(ls->n, ls->server ? TLS_AS_SERVER : TLS_AS_PEER);
    if (!l) return NULL;
    l->listener = ls;
    l->gate = ls->gate;
    l->server = ls->server;
    ls->total++;
    return l;
}

static void caller_start(struct link_listener *ls, struct link *l)
{
    struct sockaddr_storage from = {0};
    int len = sizeof from;
    if (uv_tcp_getpeername(&l->carrier->tcp, (struct sockaddr *)&from, &len) == 0)
        ip_of(&from, l->ip);
    if (ls->total > ls->share.most) {
        links_over(l, ST_BUSY, "too many links");
        return;
    }
    half_limit(ls, l->ip);
    struct tls_config config = {
        .role = l->role, .seed = ls->key ? ls->key->seed : NULL, .gate = ls->gate};
    enum status st = links_session(l, &config);
    if (st != ST_OK) {
        links_over(l, st, "no session");
        return;
    }
    half_add(ls, l); /* from here on it has a session */
    carrier_read(l, true);
}

static void called(uv_stream_t *s, int status)
{
    struct link_listener *ls = s->data;
    if (status != 0 || ls->n->closing) return;
    if (ls->share.deal && ls->share.deal(ls->share.arg, s)) return;
    struct link *l = caller_add(ls);
    if (!l) return;
    if (carrier_accept(l, s) != ST_OK)
        links_over(l, ST_IO, "cannot accept");
    else
        caller_start(ls, l);
}

void listener_adopt(struct link_listener *ls, int fd)
{
    struct link *l = ls->n->closing ? NULL : caller_add(ls);
    if (!l)
        close(fd);
    else if (carrier_adopt(l, fd) != ST_OK)
        links_over(l, ST_IO, "cannot accept");
    else
        caller_start(ls, l);
}

/* ---- listening ---- */

static void listener_gone(uv_handle_t *h)
{
    struct link_listener *ls = h->data;
    struct links *n = ls->n;
    n->listening--;
    free(ls);
    links_gone(n);
}

void listener_close(struct link_listener *ls)
{
    struct links *n = ls->n;
    struct link_listener **at = &n->listeners;
    while (*at && *at != ls) at = &(*at)->next;
    if (!*at) return;
    *at = ls->next;
    for (struct link *l = n->all; l; l = l->next) {
        if (l->listener != ls) continue;
        if (l->half) {
            listener_opened(l);
            session_close(l->session, ST_CLOSED, "listening no more");
            links_mark(l);
        }
        l->listener = NULL;
    }
    uv_close((uv_handle_t *)&ls->tcp, listener_gone);
}

void listener_unlisten(void *ctx, struct link_listener *ls)
{
    (void)ctx;
    listener_close(ls);
}

static enum status uv_fault(int e)
{
    switch (e) {
    case UV_EADDRINUSE: return ST_EXISTS;
    case UV_EACCES:
    case UV_EPERM: return ST_DENIED;
    case UV_EADDRNOTAVAIL:
    case UV_EAFNOSUPPORT: return ST_UNREACHABLE;
    case UV_ENOMEM: return ST_NO_MEMORY;
    default: return ST_IO;
    }
}

static enum status bind_to(struct link_listener *ls, const struct sockaddr_storage *to)
{
    int e = uv_tcp_bind(&ls->tcp, (const struct sockaddr *)to, 0);
    if (e == 0) e = uv_listen((uv_stream_t *)&ls->tcp, BACKLOG, called);
    struct sockaddr_storage got = {0};
    int len = sizeof got;
    if (e == 0) e = uv_tcp_getsockname(&ls->tcp, (struct sockaddr *)&got, &len);
    if (e != 0) return uv_fault(e);
    ls->port = ntohs(got.ss_family == AF_INET ? ((struct sockaddr_in *)&got)->sin_port
                                              : ((struct sockaddr_in6 *)&got)->sin6_port);
    return ST_OK;
}

static const struct server_share whole = {LINKS_PER_LISTENER, LINKS_HALF_OPEN_MAX,
                                          LINKS_HALF_OPEN_PER_IP, NULL, NULL};

/* In the port's list, with a handle that has no socket yet. */
static enum status listener_new(struct links *n, const struct server_share *share,
                                struct link_listener **ret)
{
    struct link_listener *ls = n->closing ? NULL : calloc(1, sizeof *ls);
    if (!ls) return n->closing ? ST_CLOSED : ST_NO_MEMORY;
    ls->n = n;
    ls->share = *share;
    ls->tcp.data = ls;
    if (uv_tcp_init(n->loop, &ls->tcp) != 0) {
        free(ls);
        return ST_IO;
    }
    ls->next = n->listeners;
    n->listeners = ls;
    n->listening++;
    *ret = ls;
    return ST_OK;
}

static enum status listen_on(struct links *n, const char *address, const struct link_listener *as,
                             struct link_listener **ret, uint16_t *ret_port)
{
    char host[LINK_ADDRESS_MAX + 1];
    uint16_t port;
    struct sockaddr_storage to;
    struct link_listener *ls = NULL;
    enum status st;
    TRY(address_split(address, host, &port));
    TRY(address_numeric(strcmp(host, "localhost") == 0 ? "127.0.0.1" : host, port, &to));
    TRY(listener_new(n, &as->share, &ls));
    ls->gate = as->gate;
    ls->server = as->server;
    ls->key = as->key;
    st = bind_to(ls, &to);
    if (st != ST_OK) {
        listener_close(ls);
        return st;
    }
    *ret = ls;
    *ret_port = ls->port;
out:
    return st;
}

enum status listener_open(void *ctx, const char *address, const struct link_gate *gate,
                          struct link_listener **ret, uint16_t *ret_port)
{
    const struct link_listener as = {.gate = gate, .share = whole};
    return listen_on(ctx, address, &as, ret, ret_port);
}

enum status listener_server(struct links *n, const char *address, const struct server_key *key,
                            const struct server_gate *gate, const struct server_share *share,
                            struct link_listener **ret, uint16_t *ret_port)
{
    const struct link_listener as = {.server = gate, .key = key, .share = *share};
    return listen_on(n, address, &as, ret, ret_port);
}

enum status listener_serve(struct links *n, const struct server_key *key,
                           const struct server_gate *gate, const struct server_share *share,
                           struct link_listener **ret)
{
    enum status st = listener_new(n, share, ret);
    if (st != ST_OK) return st;
    (*ret)->server = gate;
    (*ret)->key = key;
    return ST_OK;
}

enum status links_listen_server(struct links *n, const char *address, const struct server_key *key,
                                const struct server_gate *gate, struct link_listener **ret,
                                uint16_t *ret_port)
{
    return listener_server(n, address, key, gate, &whole, ret, ret_port);
}
