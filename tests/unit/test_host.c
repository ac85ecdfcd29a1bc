/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base tables crypto core/feed core/room link store net node/host */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/encode.h"
#include "crypto/secret.h"
#include "crypto/sign.h"
#include "net/env.h"
#include "node/host/host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A real sentinel and real members, all on one loop. */
struct bench;

struct member {
    struct bench *bench;
    struct link *link;
    uint8_t seed[32], seat[32];
    bool open, closed;
    enum status why;
    uint32_t req;
    struct room_reply reply; /* the last one */
    struct buf reply_bytes;
    struct buf push; /* the last one */
    uint8_t push_type;
    unsigned replies, pushes;
};

struct bench {
    uv_loop_t loop;
    struct net_env log;
    struct env env;
    struct links *links;
    struct host *host;
    struct host_options options;
    char dir[64];
    uint8_t pin[32];
    uint8_t room[32];
    struct member members[2];
    bool host_closed, links_closed;
};

static void on_opened(void *arg, struct link *l, const struct link_peer *peer)
{
    struct member *m = arg;
    (void)l;
    m->open = true;
    assert_memory_equal(peer->spki, m->bench->pin, 32);
    struct room_create c = {.req = ++m->req};
    struct room_attach a = {.req = ++m->req};
    memcpy(c.room, m->bench->room, 32);
    memcpy(c.seat, m->seat, 32);
    memcpy(a.room, m->bench->room, 32);
    memcpy(a.seat, m->seat, 32);
    room_sign_create(m->seed, c.room, c.seat, peer->exporter, peer->spki, c.sig);
    room_sign_attach(m->seed, a.room, peer->exporter, peer->spki, a.sig);
    struct buf b = BUF_INIT;
    struct link_port port = links_port(m->bench->links);
    if (m == &m->bench->members[0]) {
        assert_int_equal(fields_encode(&room_create_fields, &c, &b), ST_OK);
        assert_int_equal(port.ops->send(m->link, ROOM_CREATE, buf_view(&b)), ST_OK);
        buf_clear(&b);
    }
    assert_int_equal(fields_encode(&room_attach_fields, &a, &b), ST_OK);
    assert_int_equal(port.ops->send(m->link, ROOM_ATTACH, buf_view(&b)), ST_OK);
    buf_free(&b);
}

static void on_frame(void *arg, struct link *l, uint8_t type, struct bytes payload)
{
    struct member *m = arg;
    (void)l;
    if (type == ROOM_REPLY) {
        buf_clear(&m->reply_bytes);
        buf_bytes(&m->reply_bytes, payload);
        assert_int_equal(fields_decode(&room_reply_fields, buf_view(&m->reply_bytes), &m->reply),
                         ST_OK);
        m->replies++;
    } else {
        buf_clear(&m->push);
        buf_bytes(&m->push, payload);
        m->push_type = type;
        m->pushes++;
    }
}

static void on_writable(void *arg, struct link *l)
{
    (void)arg;
    (void)l;
}

static void on_closed(void *arg, struct link *l, enum status why)
{
    struct member *m = arg;
    (void)l;
    m->closed = true;
    m->link = NULL;
    m->why = why;
}

static const struct link_events events = {on_opened, on_frame, on_writable, on_closed};

static void spin(struct bench *b, const bool *until)
{
    while (!*until) assert_true(uv_run(&b->loop, UV_RUN_ONCE) || *until);
}

static void wait_replies(struct bench *b, struct member *m, unsigned n)
{
    while (m->replies < n) {
        assert_false(m->closed);
        uv_run(&b->loop, UV_RUN_ONCE);
    }
}

static void set_flag(void *arg)
{
    *(bool *)arg = true;
}

static void open_host(struct bench *b)
{
    struct host_fault fault;
    size_t n;
    enum status st = host_open(&b->loop, &b->env, &b->options, &b->host, &fault);
    if (st != ST_OK) print_message("%s\n", fault.text);
    assert_int_equal(st, ST_OK);
    assert_int_equal(hex_decode(host_pin(b->host), 64, b->pin, 32, &n), ST_OK);
}

static void close_host(struct bench *b)
{
    b->host_closed = false;
    host_close(b->host, set_flag, &b->host_closed);
    spin(b, &b->host_closed);
    b->host = NULL;
}

static void bench_start(struct bench *b)
{
    memset(b, 0, sizeof *b);
    assert_int_equal(crypto_start(), ST_OK);
    snprintf(b->dir, sizeof b->dir, "/tmp/enclave-host-XXXXXX");
    assert_non_null(mkdtemp(b->dir));
    assert_int_equal(uv_loop_init(&b->loop), 0);
    assert_int_equal(net_env_open(&b->log, NULL, ENV_ERROR), ST_OK);
    b->env = net_env(&b->log);
    assert_int_equal(links_new(&b->loop, &b->env, &b->links), ST_OK);
    b->options.listen = "127.0.0.1:0";
    b->options.data = b->dir;
    room_limits_default(&b->options.limits);
    memset(b->room, 0x21, 32);
    for (uint8_t i = 0; i < 2; i++) {
        struct member *m = &b->members[i];
        m->bench = b;
        memset(m->seed, i + 1, 32);
        sign_public(m->seed, m->seat);
    }
    open_host(b);
}

static void bench_end(struct bench *b)
{
    char path[128];
    if (b->host != NULL) close_host(b);
    links_close(b->links, set_flag, &b->links_closed);
    spin(b, &b->links_closed);
    uv_run(&b->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&b->loop), 0);
    net_env_close(&b->log);
    for (size_t i = 0; i < 2; i++) {
        buf_free(&b->members[i].reply_bytes);
        buf_free(&b->members[i].push);
    }
    static const char *const names[] = {HOST_DATABASE, HOST_DATABASE "-wal", HOST_KEY};
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s", b->dir, names[i]);
        unlink(path);
    }
    rmdir(b->dir);
}

static void dial(struct bench *b, int i)
{
    struct member *m = &b->members[i];
    struct link_port port = links_port(b->links);
    m->open = m->closed = false;
    assert_int_equal(
        port.ops->dial_server(port.ctx, host_address(b->host), NULL, b->pin, &events, m, &m->link),
        ST_OK);
}

static struct bytes request(struct bench *b, int i, uint8_t type, const struct fields *f,
                            const void *msg, enum status want)
{
    struct member *m = &b->members[i];
    struct link_port port = links_port(b->links);
    struct buf bytes;
    buf_init(&bytes, LINK_FRAME_MAX);
    assert_int_equal(fields_encode(f, msg, &bytes), ST_OK);
    unsigned before = m->replies;
    assert_int_equal(port.ops->send(m->link, type, buf_view(&bytes)), ST_OK);
    buf_free(&bytes);
    wait_replies(b, m, before + 1);
    assert_int_equal(room_status_of(m->reply.result), want);
    return m->reply.body;
}

static void let_in(struct bench *b)
{
    uint8_t item[ROOM_SIG_ITEM];
    struct room_add_seat add = {.req = 50, .version = 1, .proposal = {9}, .sigs = {item, 1}};
    memcpy(add.seat, b->members[1].seat, 32);
    memcpy(item, b->members[0].seat, 32);
    room_sign_add(b->members[0].seed, b->room, add.seat, add.proposal, item + 32);
    request(b, 0, ROOM_ADD_SEAT, &room_add_seat_fields, &add, ST_OK);
}

static void two_members_over_tls(void **state)
{
    (void)state;
    struct bench b;
    uint8_t sealed[2048] = {1};
    bench_start(&b);
    dial(&b, 0);
    wait_replies(&b, &b.members[0], 2); /* CREATE and ATTACH */
    assert_int_equal(b.members[0].reply.result, ROOM_RESULT_OK);
    let_in(&b);
    dial(&b, 1);
    wait_replies(&b, &b.members[1], 1);
    assert_int_equal(b.members[1].reply.result, ROOM_RESULT_OK);
    request(&b, 1, ROOM_SUBSCRIBE, &room_subscribe_fields,
            &(struct room_subscribe){.req = 51, .mask = 2}, ST_OK);
    unsigned pushes = b.members[1].pushes;
    request(&b, 0, ROOM_APPEND, &room_append_fields,
            &(struct room_append){.req = 52, .feed = 1, .sealed = BYTES_OF(sealed)}, ST_OK);
    while (b.members[1].pushes == pushes) uv_run(&b.loop, UV_RUN_ONCE);
    assert_int_equal(b.members[1].push_type, ROOM_ENTRY);
    struct hub_numbers n;
    host_numbers(b.host, &n);
    assert_int_equal(n.attached, 2);
    assert_int_equal(n.rooms, 1);

    /* it stops and comes back: what was answered is there */
    close_host(&b);
    spin(&b, &b.members[0].closed);
    spin(&b, &b.members[1].closed);
    open_host(&b);
    b.members[1].replies = 0;
    dial(&b, 1);
    wait_replies(&b, &b.members[1], 1);
    struct room_attached a;
    assert_int_equal(fields_decode(&room_attached_fields, b.members[1].reply.body, &a), ST_OK);
    assert_int_equal(a.version, 2);
    assert_int_equal(room_head_at(a.heads, 1).count, 1);
    bench_end(&b);
}

static void another_key_is_not_spoken_to(void **state)
{
    (void)state;
    struct bench b;
    bench_start(&b);
    b.pin[0] ^= 1;
    dial(&b, 0);
    spin(&b, &b.members[0].closed);
    assert_false(b.members[0].open);
    assert_int_equal(b.members[0].why, ST_UNTRUSTED);
    b.pin[0] ^= 1;
    bench_end(&b);
}

static void faults_name_the_remedy(void **state)
{
    (void)state;
    struct bench b;
    struct host *second = NULL;
    struct host_fault fault;
    char other[96], path[128];
    bench_start(&b);
    struct host_options o = b.options;
    assert_int_equal(host_open(&b.loop, &b.env, &o, &second, &fault), ST_BUSY);
    assert_non_null(strstr(fault.text, "another sentinel"));
    snprintf(other, sizeof other, "%s/other", b.dir);
    o.data = other;
    o.listen = host_address(b.host);
    assert_int_equal(host_open(&b.loop, &b.env, &o, &second, &fault), ST_EXISTS);
    assert_non_null(strstr(fault.text, "in use"));
    o.listen = "nonsense";
    assert_int_equal(host_open(&b.loop, &b.env, &o, &second, &fault), ST_USAGE);
    assert_int_equal(chmod(other, 0755), 0);
    o.listen = "127.0.0.1:0";
    assert_int_equal(host_open(&b.loop, &b.env, &o, &second, &fault), ST_LOOSE_MODE);
    assert_non_null(strstr(fault.text, "chmod 700"));
    assert_int_equal(chmod(other, 0700), 0);
    snprintf(path, sizeof path, "%s/%s", other, HOST_DATABASE);
    FILE *f = fopen(path, "r+b");
    assert_non_null(f);
    for (int i = 0; i < 3000; i++) fputs("garbage ", f);
    fclose(f);
    assert_int_equal(host_open(&b.loop, &b.env, &o, &second, &fault), ST_INTEGRITY);
    assert_non_null(strstr(fault.text, "damaged"));
    unlink(path);
    snprintf(path, sizeof path, "%s/%s", other, HOST_KEY);
    assert_int_equal(chmod(path, 0644), 0);
    assert_int_equal(host_open(&b.loop, &b.env, &o, &second, &fault), ST_LOOSE_MODE);
    unlink(path);
    rmdir(other);
    bench_end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_members_over_tls),
        cmocka_unit_test(another_key_is_not_spoken_to),
        cmocka_unit_test(faults_name_the_remedy),
    };
    return !!cmocka_run_group_tests(tests, NULL, NULL);
}
