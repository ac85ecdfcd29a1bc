/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The simulator's own doubles keep the contracts of the ports that they stand for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#include "crypto/secret.h"
#include "crypto/sign.h"
#include "sim/files_mem.h"
#include "sim/kv_mem.h"
#include "sim/shards_mem.h"
#include "sim/vnet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void run_all(struct vtime *t)
{
    while (t->n) vtime_run_one(t);
}

struct count {
    unsigned ok, failed;
    enum status last;
};

static void counted(void *arg, enum status st)
{
    struct count *c = arg;
    c->last = st;
    if (st == ST_OK)
        c->ok++;
    else
        c->failed++;
}

static void note(void *arg)
{
    char *text = arg;
    (*text)++;
}

static void time_is_ordered_and_lives_end(void **state)
{
    (void)state;
    struct vtime t = {0};
    char a = 'a', b = 'b', gone = 'g';
    uint64_t life = 1;
    vtime_at(&t, 5, NULL, note, NULL, &a);
    vtime_at(&t, 3, &life, note, note, &b);
    vtime_at(&t, 4, &life, note, NULL, &gone);
    life++;
    assert_int_equal(vtime_next_ms(&t), 3);
    vtime_run_one(&t);
    assert_int_equal(t.now_ms, 3);
    assert_int_equal(b, 'c'); /* by drop */
    run_all(&t);
    assert_int_equal(a, 'b');
    assert_int_equal(gone, 'g');
    assert_int_equal(t.now_ms, 5);
    vtime_end(&t);
    struct rng r = {7}, same = {7};
    for (unsigned i = 0; i < 100; i++) assert_true(rng_next(&r) == rng_next(&same));
}

static void put(struct kv *kv, uint8_t space, uint64_t n, const char *text, struct count *c)
{
    struct kv_write w = {.verb = KV_PUT, .n = n, .value = bytes_str(text)};
    w.space[0] = space;
    assert_int_equal(kv->ops->commit(kv->ctx, &w, 1, counted, c), ST_OK);
}

static bool kv_is(struct kv *kv, uint8_t space, uint64_t n, const char *text)
{
    uint8_t id[KV_SPACE] = {space};
    struct buf b = BUF_INIT;
    enum status st = kv->ops->get(kv->ctx, id, n, &b);
    bool same = text ? st == ST_OK && bytes_same(buf_view(&b), bytes_str(text)) : st != ST_OK;
    buf_free(&b);
    return same;
}

static bool visit_count(void *arg, uint64_t n, struct bytes value)
{
    unsigned *count = arg;
    (void)n;
    (void)value;
    (*count)++;
    return true;
}

static void rows_are_durable_when_told(void **state)
{
    (void)state;
    struct vtime t = {0};
    struct machine m;
    struct kv_mem k, copy;
    struct count c = {0};
    unsigned rows = 0;
    uint8_t id[KV_SPACE] = {1};
    uint64_t last = 0;
    machine_init(&m, 0, "m0", &t, 1, NULL, NULL);
    machine_boot(&m);
    kv_mem_init(&k, &m);
    kv_mem_init(&copy, &m);
    struct kv kv = kv_mem_port(&k);
    put(&kv, 1, 7, "seven", &c);
    assert_int_equal(c.ok, 0); /* never inside the call */
    assert_true(kv_is(&kv, 1, 7, NULL));
    run_all(&t);
    assert_int_equal(c.ok, 1);
    assert_true(kv_is(&kv, 1, 7, "seven"));
    put(&kv, 1, 3, "three", &c);
    put(&kv, 1, 9, "nine", &c);
    put(&kv, 2, 9, "other", &c);
    run_all(&t);
    kv.ops->scan(kv.ctx, id, 4, visit_count, &rows);
    assert_int_equal(rows, 2);
    assert_int_equal(kv.ops->last(kv.ctx, id, &last, NULL), ST_OK);
    assert_int_equal(last, 9);
    kv_mem_copy(&copy, &k);
    /* A full disk refuses whole batches; a crash loses what was not told. */
    m.full = true;
    struct kv_write two[2] = {{.verb = KV_DROP_BELOW, .n = 8}, {.verb = KV_PUT, .n = 1}};
    two[0].space[0] = two[1].space[0] = 1;
    assert_int_equal(kv.ops->commit(kv.ctx, two, 2, counted, &c), ST_OK);
    run_all(&t);
    assert_int_equal(c.last, ST_NO_SPACE);
    assert_true(kv_is(&kv, 1, 3, "three"));
    m.full = false;
    unsigned told = c.ok;
    for (uint64_t i = 0; i < 10; i++) put(&kv, 3, i, "x", &c);
    machine_crash(&m);
    kv_mem_crash(&k);
    run_all(&t);
    assert_int_equal(c.ok, told);
    machine_boot(&m);
    rows = 0;
    id[0] = 3;
    kv.ops->scan(kv.ctx, id, 0, visit_count, &rows);
    for (unsigned i = 0; i < rows; i++) assert_true(kv_is(&kv, 3, i, "x")); /* a prefix */
    assert_true(kv_mem_contains(&k, BYTES_LIT("seve")));
    kv_mem_copy(&k, &copy);
    assert_true(kv_is(&kv, 3, 0, NULL));
    assert_true(kv_is(&kv, 1, 7, "seven"));
    kv_mem_free(&k);
    kv_mem_free(&copy);
    vtime_end(&t);
}

/* ---- network ---- */

struct end {
    struct link *l;
    unsigned opened, frames, closed, writable;
    enum status why;
    uint32_t next; /* number expected in the next frame */
    bool order;
    struct link_peer peer;
};

static void on_opened(void *arg, struct link *l, const struct link_peer *peer)
{
    struct end *e = arg;
    e->l = l;
    e->opened++;
    e->peer = *peer;
}

static void on_frame(void *arg, struct link *l, uint8_t type, struct bytes payload)
{
    struct end *e = arg;
    assert_ptr_equal(l, e->l);
    assert_int_equal(type, 9);
    e->order &= get_u32(payload.p) == e->next++;
    e->frames++;
}

static void on_writable(void *arg, struct link *l)
{
    struct end *e = arg;
    (void)l;
    e->writable++;
}

static void on_closed(void *arg, struct link *l, enum status why)
{
    struct end *e = arg;
    (void)l;
    e->closed++;
    e->why = why;
    e->l = NULL;
}

static const struct link_events end_events = {on_opened, on_frame, on_writable, on_closed};

struct gatekeeper {
    struct link_identity self;
    uint8_t friend_id[32];
    struct end end;
};

static enum status gate_name(void *arg, struct bytes sni, struct link_identity *ret)
{
    struct gatekeeper *g = arg;
    *ret = g->self;
    return bytes_same(sni, BYTES_LIT("the-name")) ? ST_OK : ST_NOT_FOUND;
}

static enum status gate_peer(void *arg, const uint8_t id[32])
{
    struct gatekeeper *g = arg;
    return memcmp(id, g->friend_id, 32) == 0 ? ST_OK : ST_DENIED;
}

static const struct link_events *gate_accept(void *arg, struct link *l, void **ret_arg)
{
    struct gatekeeper *g = arg;
    g->end.l = l;
    g->end.order = true;
    *ret_arg = &g->end;
    return &end_events;
}

static struct link_identity identity(uint8_t mark)
{
    struct link_identity i;
    memset(i.seed, mark, 32);
    sign_public(i.seed, i.id);
    return i;
}

struct pair {
    struct vtime t;
    struct machine a, b;
    struct vnet net;
    struct link_port pa, pb;
    struct link_identity ia;
    struct gatekeeper g;
    struct link_gate gate;
    struct link_listener *listener;
    char address[32];
};

static void pair_start(struct pair *p)
{
    uint16_t port = 0;
    memset(p, 0, sizeof *p);
    machine_init(&p->a, 0, "m0", &p->t, 1, NULL, NULL);
    machine_init(&p->b, 1, "m1", &p->t, 2, NULL, NULL);
    machine_boot(&p->a);
    machine_boot(&p->b);
    vnet_init(&p->net, &p->t, 3);
    p->pa = vnet_port(&p->net, &p->a);
    p->pb = vnet_port(&p->net, &p->b);
    p->ia = identity(1);
    p->g.self = identity(2);
    memcpy(p->g.friend_id, p->ia.id, 32);
    p->gate = (struct link_gate){gate_name, gate_peer, gate_accept, &p->g};
    assert_int_equal(p->pb.ops->listen(p->pb.ctx, "m1:0", &p->gate, &p->listener, &port), ST_OK);
    snprintf(p->address, sizeof p->address, "m1:%u", (unsigned)port);
}

static void pair_end(struct pair *p)
{
    vtime_end(&p->t);
    vnet_free(&p->net);
    assert_int_equal(vnet_links(&p->net), 0);
}

static void say(struct link *l, uint32_t number)
{
    uint8_t bytes[100] = {0};
    put_u32(bytes, number);
    assert_int_equal(vnet_send(l, 9, BYTES_OF(bytes)), ST_OK);
}

static struct end dial(struct pair *p, const char *sni, const uint8_t expect[32])
{
    static struct end e;
    e = (struct end){.order = true};
    struct link *l = NULL;
    assert_int_equal(
        p->pa.ops->dial_peer(p->pa.ctx, p->address, NULL, sni, &p->ia, expect, &end_events, &e, &l),
        ST_OK);
    assert_int_equal(e.opened, 0);
    run_all(&p->t);
    return e;
}

static void links_prove_who_they_are(void **state)
{
    (void)state;
    static struct pair p;
    uint8_t other[32] = {5};
    pair_start(&p);
    assert_int_equal(dial(&p, "another", p.g.self.id).why, ST_DENIED);
    assert_int_equal(p.g.end.opened, 0);
    assert_int_equal(dial(&p, "the-name", other).why, ST_UNTRUSTED);
    p.g.friend_id[0] ^= 1;
    assert_int_equal(dial(&p, "the-name", p.g.self.id).why, ST_DENIED);
    p.g.friend_id[0] ^= 1;
    struct end e = dial(&p, "the-name", p.g.self.id);
    assert_int_equal(e.opened, 1);
    assert_int_equal(p.g.end.opened, 1);
    assert_memory_equal(e.peer.id, p.g.self.id, 32);
    assert_memory_equal(p.g.end.peer.id, p.ia.id, 32);
    assert_memory_equal(e.peer.exporter, p.g.end.peer.exporter, 32);
    p.pb.ops->unlisten(p.pb.ctx, p.listener);
    assert_int_equal(dial(&p, "the-name", p.g.self.id).why, ST_UNREACHABLE);
    pair_end(&p);
}

static void frames_keep_their_order(void **state)
{
    (void)state;
    static struct pair p;
    static struct end e;
    struct link *l = NULL;
    pair_start(&p);
    e = (struct end){.order = true};
    assert_int_equal(p.pa.ops->dial_peer(p.pa.ctx, p.address, NULL, "the-name", &p.ia, p.g.self.id,
                                         &end_events, &e, &l),
                     ST_OK);
    run_all(&p.t);
    for (uint32_t i = 0; i < 50; i++) say(e.l, i);
    p.pa.ops->close(e.l); /* what was sent goes out first */
    run_all(&p.t);
    assert_int_equal(p.g.end.frames, 50);
    assert_true(p.g.end.order);
    assert_int_equal(p.g.end.closed, 1);
    assert_int_equal(e.closed, 1);
    pair_end(&p);
}

static void back_pressure_holds(void **state)
{
    (void)state;
    static struct pair p;
    static struct end e;
    static uint8_t big[500000];
    struct link *l = NULL;
    pair_start(&p);
    e = (struct end){.order = true};
    assert_int_equal(p.pa.ops->dial_peer(p.pa.ctx, p.address, NULL, "the-name", &p.ia, p.g.self.id,
                                         &end_events, &e, &l),
                     ST_OK);
    run_all(&p.t);
    p.pb.ops->pause(p.g.end.l, true);
    unsigned sent = 0;
    enum status st;
    while ((put_u32(big, sent), st = vnet_send(e.l, 9, BYTES_OF(big))) == ST_OK) sent++;
    assert_int_equal(st, ST_BUSY);
    run_all(&p.t);
    assert_int_equal(p.g.end.frames, 0);
    assert_int_equal(e.writable, 0);
    p.pb.ops->pause(p.g.end.l, false);
    run_all(&p.t);
    assert_int_equal(p.g.end.frames, sent);
    assert_int_equal(e.writable, 1);
    pair_end(&p);
}

static void partitions_and_crashes_break_links(void **state)
{
    (void)state;
    static struct pair p;
    static struct end e;
    struct link *l = NULL;
    pair_start(&p);
    e = (struct end){.order = true};
    assert_int_equal(p.pa.ops->dial_peer(p.pa.ctx, p.address, NULL, "the-name", &p.ia, p.g.self.id,
                                         &end_events, &e, &l),
                     ST_OK);
    run_all(&p.t);
    vnet_partition(&p.net, 1);
    say(e.l, 0);
    run_all(&p.t);
    assert_int_equal(p.g.end.frames, 0);
    assert_int_equal(e.closed, 1);
    assert_int_equal(p.g.end.closed, 1);
    assert_int_equal(dial(&p, "the-name", p.g.self.id).why, ST_UNREACHABLE);
    vnet_partition(&p.net, 0);
    e = (struct end){.order = true};
    assert_int_equal(p.pa.ops->dial_peer(p.pa.ctx, p.address, NULL, "the-name", &p.ia, p.g.self.id,
                                         &end_events, &e, &l),
                     ST_OK);
    run_all(&p.t);
    assert_int_equal(e.opened, 1);
    say(e.l, 0);
    machine_crash(&p.b);
    vnet_crash(&p.net, &p.b);
    run_all(&p.t);
    assert_int_equal(p.g.end.frames, 0);
    assert_int_equal(e.closed, 1);
    pair_end(&p);
}

/* ---- pipes: two links whose bytes the test carries ---- */

struct tube {
    struct vtime *t;
    struct link *far; /* gets what comes out of near */
    struct link_port port;
    size_t room;
    unsigned closed;
    bool damage;
};

struct parcel {
    struct tube *tube;
    size_t n;
    uint8_t bytes[];
};

static void deliver(void *arg)
{
    struct parcel *p = arg;
    if (p->tube->far) p->tube->port.ops->pipe_input(p->tube->far, BYTES(p->bytes, p->n));
    free(p);
}

static void tube_output(void *arg, struct bytes bytes)
{
    struct tube *t = arg;
    struct parcel *p = sim_alloc(sizeof *p + bytes.n);
    p->tube = t;
    p->n = bytes.n;
    memcpy(p->bytes, bytes.p, bytes.n);
    if (t->damage && bytes.n > 20) p->bytes[20] ^= 1;
    assert_true(bytes.n <= t->room);
    t->room -= bytes.n;
    vtime_at(t->t, 1, NULL, deliver, free, p);
}

static size_t tube_room(void *arg)
{
    const struct tube *t = arg;
    return t->room;
}

static void tube_closed(void *arg)
{
    struct tube *t = arg;
    t->closed++;
}

static void pipes_carry_links(void **state)
{
    (void)state;
    static struct pair p;
    static struct end e;
    for (unsigned damage = 0; damage < 2; damage++) {
        pair_start(&p);
        struct tube ab = {.t = &p.t, .port = p.pb, .room = 1000000, .damage = damage == 1};
        struct tube ba = {.t = &p.t, .port = p.pa, .room = 1000000};
        struct link_pipe pa = {tube_output, tube_closed, &ab, NULL, tube_room};
        struct link_pipe pb = {tube_output, tube_closed, &ba, NULL, tube_room};
        struct link *l = NULL;
        e = (struct end){.order = true};
        assert_int_equal(p.pb.ops->accept_pipe(p.pb.ctx, &pb, &p.gate, &ab.far), ST_OK);
        assert_int_equal(
            p.pa.ops->dial_pipe(p.pa.ctx, &pa, "the-name", &p.ia, p.g.self.id, &end_events, &e, &l),
            ST_OK);
        ba.far = l;
        run_all(&p.t);
        if (damage) {
            assert_int_equal(ba.closed, 1);
            assert_int_equal(e.opened, 0);
        } else {
            assert_int_equal(e.opened, 1);
            assert_int_equal(p.g.end.opened, 1);
            ab.room = 150;
            for (uint32_t i = 0; i < 5; i++) say(e.l, i);
            run_all(&p.t);
            assert_int_equal(p.g.end.frames, 1);
            ab.room = 100000;
            p.pa.ops->pipe_room(e.l);
            run_all(&p.t);
            assert_int_equal(p.g.end.frames, 5);
            assert_true(p.g.end.order);
            p.pa.ops->close(e.l);
            run_all(&p.t);
            assert_int_equal(e.closed, 1);
            assert_int_equal(ab.closed, 1);
            p.pb.ops->pipe_eof(ab.far);
            run_all(&p.t);
            assert_int_equal(p.g.end.closed, 1);
        }
        pair_end(&p);
    }
}

/* ---- files and shards ---- */

struct opened {
    enum status st;
    struct file *f;
    struct file_info info;
    size_t n;
};

static void file_was_opened(void *arg, enum status st, struct file *f, const struct file_info *info)
{
    struct opened *o = arg;
    o->st = st;
    o->f = f;
    if (info) o->info = *info;
}

static void file_was_done(void *arg, enum status st, size_t n)
{
    struct opened *o = arg;
    o->st = st;
    o->n = n;
}

static void files_appear_when_committed(void **state)
{
    (void)state;
    struct vtime t = {0};
    struct machine m;
    struct files_mem f;
    struct opened o = {0};
    uint8_t room[8] = {0};
    machine_init(&m, 0, "m0", &t, 1, NULL, NULL);
    machine_boot(&m);
    files_mem_init(&f, &m);
    struct file_port p = files_mem_port(&f);
    p.ops->open_read(p.ctx, "/a", file_was_opened, &o);
    run_all(&t);
    assert_int_equal(o.st, ST_NOT_FOUND);
    p.ops->create(p.ctx, "/a", 5, 0600, file_was_opened, &o);
    run_all(&t);
    assert_int_equal(o.st, ST_OK);
    p.ops->write(o.f, 2, BYTES_LIT("cd"), file_was_done, &o);
    run_all(&t);
    assert_null(files_mem_find(&f, "/a"));
    p.ops->abandon(o.f, true);
    p.ops->create(p.ctx, "/a", 5, 0600, file_was_opened, &o);
    run_all(&t);
    assert_int_equal(o.info.size, 4);
    p.ops->write(o.f, 0, BYTES_LIT("ab"), file_was_done, &o);
    run_all(&t);
    p.ops->commit(o.f, false, file_was_done, &o);
    run_all(&t);
    assert_non_null(files_mem_find(&f, "/a"));
    p.ops->open_read(p.ctx, "/a", file_was_opened, &o);
    run_all(&t);
    p.ops->read(o.f, 1, room, 8, file_was_done, &o);
    run_all(&t);
    assert_int_equal(o.n, 3);
    assert_memory_equal(room, "bcd", 3);
    p.ops->close(o.f);
    p.ops->create(p.ctx, "/a", 6, 0600, file_was_opened, &o);
    run_all(&t);
    p.ops->commit(o.f, false, file_was_done, &o);
    run_all(&t);
    assert_int_equal(o.st, ST_EXISTS);
    files_mem_free(&f);
    vtime_end(&t);
}

static void had(void *arg, enum status st, uint64_t bitmap)
{
    uint64_t *b = arg;
    *b = st == ST_OK ? bitmap : 0;
}

static void shards_are_kept_and_lied_about(void **state)
{
    (void)state;
    struct vtime t = {0};
    struct machine m;
    struct shards_mem s;
    struct count c = {0};
    static uint8_t unit[SHARD_UNIT];
    static uint8_t back[SHARD_UNIT];
    uint8_t header[SHARD_HEADER] = {1}, trailer[SHARD_TRAILER_MIN] = {2};
    uint64_t bits = 0;
    struct shard_key key = {.index = 3};
    machine_init(&m, 0, "m0", &t, 1, NULL, NULL);
    machine_boot(&m);
    shards_mem_init(&s, &m, 1 << 20);
    struct shard_store st = shards_mem_port(&s);
    memset(unit, 0xAB, sizeof unit);
    struct shard_put *p = st.ops->begin(st.ctx, &key, header);
    st.ops->append(p, 0, unit, counted, &c);
    run_all(&t);
    st.ops->commit(p, 1, BYTES_OF(trailer), counted, &c);
    run_all(&t);
    assert_int_equal(c.ok, 2);
    st.ops->have(st.ctx, key.tag, key.segment_id, had, &bits);
    st.ops->read(st.ctx, &key, 0, back, sizeof back, counted, &c);
    run_all(&t);
    assert_int_equal(bits, 8);
    assert_memory_equal(back, unit, sizeof unit);
    s.lie = SHARDS_FLIP;
    st.ops->read(st.ctx, &key, 0, back, sizeof back, counted, &c);
    run_all(&t);
    assert_memory_not_equal(back, unit, sizeof unit);
    s.lie = SHARDS_DENY;
    st.ops->have(st.ctx, key.tag, key.segment_id, had, &bits);
    run_all(&t);
    assert_int_equal(bits, 0);
    s.lie = SHARDS_HONEST;
    /* What was not committed is gone after a crash. */
    key.index = 4;
    p = st.ops->begin(st.ctx, &key, header);
    st.ops->append(p, 0, unit, counted, &c);
    machine_crash(&m);
    shards_mem_crash(&s);
    run_all(&t);
    machine_boot(&m);
    st.ops->have(st.ctx, key.tag, key.segment_id, had, &bits);
    run_all(&t);
    assert_int_equal(bits, 8);
    assert_true(shards_mem_rot(&s));
    shards_mem_free(&s);
    vtime_end(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(time_is_ordered_and_lives_end),
        cmocka_unit_test(rows_are_durable_when_told),
        cmocka_unit_test(links_prove_who_they_are),
        cmocka_unit_test(frames_keep_their_order),
        cmocka_unit_test(back_pressure_holds),
        cmocka_unit_test(partitions_and_crashes_break_links),
        cmocka_unit_test(pipes_carry_links),
        cmocka_unit_test(files_appear_when_committed),
        cmocka_unit_test(shards_are_kept_and_lied_about),
    };
    if (crypto_start() != ST_OK) return 1;
    return !!cmocka_run_group_tests(tests, NULL, NULL);
}
