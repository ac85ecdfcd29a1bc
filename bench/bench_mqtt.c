/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto link */
/*
 * The peer of active-500: clients of an MQTT 3.1.1 broker over TLS, each of them in a topic with ROOM - 1
 * others, each publishing once a second at QoS 1 and acknowledging what it gets. One thread, as bench_seats.
 * Usage: bench_mqtt PORT CLIENTS ROOM SECONDS.
 */
#include "base/bytes.h"
#include "bench/bench.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define PAYLOAD 512
#define WARM_S 2.0
#define SAMPLES_MAX ((size_t)1 << 22)

struct client {
    SSL *ssl;
    int fd;
    unsigned room;
    double due;
    uint8_t inbox[16384];
    size_t n;
};

struct town {
    struct client *clients;
    size_t n, n_samples;
    double from, *samples;
};

static void put(struct client *c, const uint8_t *p, size_t n)
{
    size_t done;
    while (SSL_write_ex(c->ssl, p, n, &done) != 1) {
        struct pollfd f = {.fd = c->fd, .events = POLLIN | POLLOUT};
        int why = SSL_get_error(c->ssl, 0);
        bench_must(why == SSL_ERROR_WANT_WRITE || why == SSL_ERROR_WANT_READ, "write");
        poll(&f, 1, 100);
    }
    bench_must(done == n, "half a packet");
}

/* Waits for a packet of this kind; only while the client is alone with the broker. */
static void expect(struct client *c, uint8_t kind)
{
    uint8_t got[64];
    size_t n;
    bench_must(SSL_read_ex(c->ssl, got, sizeof got, &n) == 1 && n >= 4 && got[0] == kind, "answer");
}

static void come_in(struct client *c, SSL_CTX *x, uint16_t port, size_t number, size_t room)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    int one = 1;
    char name[8], topic[8];
    uint8_t hello[64] = {0x10, 18, 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 0, 0, 6};
    uint8_t subscribe[64] = {0x82, 11, 0, 1, 0, 6};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    c->room = (unsigned)(number / room);
    snprintf(name, sizeof name, "c%05u", (unsigned)number % 100000);
    snprintf(topic, sizeof topic, "r%05u", c->room % 100000);
    memcpy(hello + 14, name, 6);
    memcpy(subscribe + 6, topic, 6);
    subscribe[12] = 1;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bench_must(c->fd >= 0 && connect(c->fd, (struct sockaddr *)&to, sizeof to) == 0, "connect");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    c->ssl = SSL_new(x);
    bench_must(c->ssl && SSL_set_fd(c->ssl, c->fd) == 1 && SSL_connect(c->ssl) == 1, "handshake");
    put(c, hello, 20);
    expect(c, 0x20);
    put(c, subscribe, 13);
    expect(c, 0x90);
    bench_must(fcntl(c->fd, F_SETFL, O_NONBLOCK) == 0, "fcntl");
}

static void publish(struct client *c, size_t number)
{
    uint8_t p[3 + 8 + 2 + PAYLOAD] = {0x32};
    char topic[8];
    size_t body = sizeof p - 3;
    double now = bench_now();
    p[1] = (uint8_t)(0x80 | (body & 0x7F));
    p[2] = (uint8_t)(body >> 7);
    p[4] = 6;
    snprintf(topic, sizeof topic, "r%05u", c->room % 100000);
    memcpy(p + 5, topic, 6);
    p[12] = 1; /* answered long before the next */
    put_u64(p + 13, number);
    memcpy(p + 21, &now, sizeof now);
    put(c, p, sizeof p);
}

static void got(struct town *t, struct client *c, uint8_t kind, struct bytes b)
{
    double sent;
    if ((kind & 0xF0) != 0x30) return;
    bench_must(b.n == 8 + 2 + PAYLOAD, "a message");
    memcpy(&sent, b.p + 18, sizeof sent);
    if (get_u64(b.p + 10) != (uint64_t)(c - t->clients) && sent >= t->from &&
        t->n_samples < SAMPLES_MAX)
        t->samples[t->n_samples++] = bench_now() - sent;
    const uint8_t ack[4] = {0x40, 2, b.p[8], b.p[9]};
    put(c, ack, sizeof ack);
}

static void hear(struct town *t, struct client *c)
{
    size_t n;
    while (SSL_read_ex(c->ssl, c->inbox + c->n, sizeof c->inbox - c->n, &n) == 1) {
        size_t at = 0;
        c->n += n;
        while (c->n - at >= 3) {
            const uint8_t *p = c->inbox + at;
            size_t head = p[1] & 0x80 ? 3 : 2;
            size_t size = head == 2 ? p[1] : (p[1] & 0x7FU) | (size_t)p[2] << 7;
            if (c->n - at < head + size) break;
            got(t, c, p[0], BYTES(p + head, size));
            at += head + size;
        }
        memmove(c->inbox, c->inbox + at, c->n - at);
        c->n -= at;
    }
    bench_must(SSL_get_error(c->ssl, 0) == SSL_ERROR_WANT_READ, "the broker closed");
}

int main(int argc, char **argv)
{
    bench_must(argc > 4, "usage: bench_mqtt PORT CLIENTS ROOM SECONDS");
    struct town t = {.n = strtoul(argv[2], NULL, 10)};
    size_t room = strtoul(argv[3], NULL, 10);
    SSL_CTX *x = SSL_CTX_new(TLS_client_method()); /* a key made for this run: nothing to check */
    int poller = epoll_create1(EPOLL_CLOEXEC);
    t.clients = calloc(t.n, sizeof *t.clients);
    t.samples = calloc(SAMPLES_MAX, sizeof *t.samples);
    bench_must(x && poller >= 0 && t.clients && t.samples && room > 1, "start");
    for (size_t i = 0; i < t.n; i++) {
        struct epoll_event e = {.events = EPOLLIN, .data.ptr = &t.clients[i]};
        come_in(&t.clients[i], x, (uint16_t)strtoul(argv[1], NULL, 10), i, room);
        bench_must(epoll_ctl(poller, EPOLL_CTL_ADD, t.clients[i].fd, &e) == 0, "epoll");
    }
    double start = bench_now(), until, now;
    t.from = start + WARM_S;
    until = t.from + strtod(argv[4], NULL);
    for (size_t i = 0; i < t.n; i++) t.clients[i].due = start + (double)i / (double)t.n;
    while ((now = bench_now()) < until + 1) {
        struct epoll_event events[64];
        for (size_t i = 0; i < t.n && now < until; i++) {
            if (now < t.clients[i].due) continue;
            t.clients[i].due += 1;
            publish(&t.clients[i], i);
        }
        int n = epoll_wait(poller, events, 64, 1);
        for (int i = 0; i < n; i++) hear(&t, events[i].data.ptr);
    }
    bench_must(t.n_samples > 100, "too few messages came");
    qsort(t.samples, t.n_samples, sizeof *t.samples, bench_by_value);
    bench_row("mqtt-p50", t.samples[t.n_samples / 2] * 1000, "ms", 0);
    bench_row("mqtt-p99", t.samples[t.n_samples * 99 / 100] * 1000, "ms", 0);
    bench_row("mqtt-delivered", (double)t.n_samples / (until - t.from), "messages/s", 0);
    _exit(fflush(stdout) == 0 ? 0 : 1);
}
