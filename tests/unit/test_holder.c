/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto core/files core/holder core/grant */
/* The rules of a shard keeper, asked by hand: what is acknowledged, what is refused, what ends a
 * link; every message mutated. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#include "core/files/segment.h"
#include "core/holder/holder.h"
#include "crypto/secret.h"
#include "unit/fields_mutate.h"
#include "unit/files_world.h"

struct keeper_world {
    struct world *w;
    struct mem_store store;
    struct holder *h;
    struct holder_session *s;
    struct buf replies; /* type u8 | len u32 | payload */
    unsigned n;
    bool full; /* the link takes nothing */
    bool paused;
    bool needed;
    bool rooted;
    uint8_t root[32];
};

static enum status on_send(void *ctx, uint8_t type, struct bytes payload)
{
    struct keeper_world *k = ctx;
    if (k->full) return ST_BUSY;
    buf_u8(&k->replies, type);
    buf_u32(&k->replies, (uint32_t)payload.n);
    buf_bytes(&k->replies, payload);
    k->n++;
    return ST_OK;
}

static void on_pause(void *ctx, bool stop)
{
    ((struct keeper_world *)ctx)->paused = stop;
}

static bool on_needed(void *ctx, const uint8_t id[32])
{
    (void)id;
    return ((struct keeper_world *)ctx)->needed;
}

static bool on_root(void *ctx, const uint8_t id[32], uint8_t root[32])
{
    struct keeper_world *k = ctx;
    (void)id;
    memcpy(root, k->root, 32);
    return k->rooted;
}

static int setup(void **state)
{
    struct keeper_world *k = calloc(1, sizeof *k);
    k->w = world_new(5);
    k->store.w = k->w;
    struct holder_config c = {.store = mem_store_port(&k->store),
                              .work = k->w->work,
                              .tag = {1},
                              .root_of = on_root,
                              .needed = on_needed,
                              .ctx = k};
    struct holder_wire wire = {on_send, on_pause, k};
    k->h = holder_new(&c);
    k->s = holder_open(k->h, &wire);
    *state = k;
    return 0;
}

static int teardown(void **state)
{
    struct keeper_world *k = *state;
    if (k->s) holder_close(k->s);
    holder_free(k->h);
    world_run(k->w);
    assert_int_equal(k->store.puts, 0);
    mem_store_free(&k->store);
    world_free(k->w);
    buf_free(&k->replies);
    free(k);
    return 0;
}

/* The next reply; its type, 0 if there is none. */
static uint8_t reply(struct keeper_world *k, struct bytes *ret)
{
    world_run(k->w);
    static uint8_t room[1 << 20];
    if (!k->replies.n) return 0;
    struct cursor c = cursor_of(buf_view(&k->replies));
    uint8_t type = cursor_u8(&c);
    size_t n = cursor_u32(&c);
    cursor_copy(&c, room, n);
    buf_consume(&k->replies, 5 + n);
    *ret = BYTES(room, n);
    return type;
}

static void expect_status(struct keeper_world *k, uint32_t req, enum status want)
{
    struct bytes b = BYTES_NONE;
    struct holder_status m;
    assert_int_equal(reply(k, &b), HOLDER_STATUS);
    assert_int_equal(fields_decode(&holder_status_fields, b, &m), ST_OK);
    assert_int_equal(m.req, req);
    assert_int_equal(holder_code_status(m.code), want);
}

static enum status send(struct keeper_world *k, uint8_t type, const struct fields *f,
                        const void *msg)
{
    struct buf b = BUF_INIT;
    assert_int_equal(fields_encode(f, msg, &b), ST_OK);
    enum status st = holder_frame(k->s, type, buf_view(&b));
    buf_free(&b);
    return st;
}

/* A segment of one column of two rows. */
struct sample {
    uint8_t id[32];
    uint8_t units[2][SHARD_UNIT];
    uint8_t root[32];
    uint8_t trailer[SHARD_TRAILER_MAX];
    size_t trailer_len;
};

static void sample_make(struct sample *s, uint8_t seed)
{
    uint8_t leaves[2 * SEGMENT_UNIT_LEAVES * 32];
    memset(s->id, seed, 32);
    for (size_t i = 0; i < SHARD_UNIT; i++) {
        s->units[0][i] = (uint8_t)(i * seed + (i >> 8));
        s->units[1][i] = (uint8_t)(i ^ seed);
    }
    segment_leaves(s->units[0], SHARD_UNIT, leaves);
    segment_leaves(s->units[1], SHARD_UNIT, leaves + SEGMENT_UNIT_LEAVES * 32);
    merkle_root(leaves, 2 * SEGMENT_UNIT_LEAVES, s->root);
    s->trailer_len = segment_trailer(s->root, 1, 0, 2 * SHARD_UNIT - 5, s->trailer);
}

static enum status open_put(struct keeper_world *k, uint32_t req, const struct sample *s)
{
    struct holder_open m = {.req = req};
    segment_header(s->id, 0, 1, 1, m.header);
    return send(k, HOLDER_PUT_OPEN, &holder_open_fields, &m);
}

static enum status send_unit(struct keeper_world *k, uint32_t req, uint32_t row,
                             const struct sample *s)
{
    struct holder_unit m = {.req = req, .row = row, .unit = BYTES(s->units[row % 2], SHARD_UNIT)};
    return send(k, HOLDER_PUT_UNIT, &holder_unit_fields, &m);
}

static enum status commit(struct keeper_world *k, uint32_t req, uint32_t rows,
                          const struct sample *s)
{
    struct holder_commit m = {
        .req = req, .rows = rows, .trailer = BYTES(s->trailer, s->trailer_len)};
    return send(k, HOLDER_PUT_COMMIT, &holder_commit_fields, &m);
}

static void put_whole(struct keeper_world *k, uint32_t req, const struct sample *s)
{
    assert_int_equal(open_put(k, req, s), ST_OK);
    assert_int_equal(send_unit(k, req, 1, s), ST_OK);
    assert_int_equal(send_unit(k, req, 0, s), ST_OK);
    assert_int_equal(commit(k, req, 2, s), ST_OK);
}

static void keeps_and_gives_back(void **state)
{
    struct keeper_world *k = *state;
    static struct sample s;
    struct bytes b = BYTES_NONE;
    sample_make(&s, 3);
    put_whole(k, 9, &s);
    assert_int_equal(k->n, 0); /* not before it is durable */
    expect_status(k, 9, ST_OK);
    assert_true(holder_used(k->h) > 2 * SHARD_UNIT);

    struct holder_segment have = {.req = 10};
    memcpy(have.segment_id, s.id, 32);
    assert_int_equal(send(k, HOLDER_HAVE, &holder_segment_fields, &have), ST_OK);
    struct holder_had had;
    assert_int_equal(reply(k, &b), HOLDER_HAD);
    assert_int_equal(fields_decode(&holder_had_fields, b, &had), ST_OK);
    assert_int_equal(had.bitmap, 1);

    struct holder_column col = {.req = 11};
    memcpy(col.segment_id, s.id, 32);
    assert_int_equal(send(k, HOLDER_INFO, &holder_column_fields, &col), ST_OK);
    struct holder_told told;
    assert_int_equal(reply(k, &b), HOLDER_TOLD);
    assert_int_equal(fields_decode(&holder_told_fields, b, &told), ST_OK);
    assert_int_equal(told.units, 2);
    assert_true(bytes_same(told.trailer, BYTES(s.trailer, s.trailer_len)));

    col.req = 12;
    assert_int_equal(send(k, HOLDER_TREE, &holder_column_fields, &col), ST_OK);
    struct holder_leaves leaves;
    uint8_t root[32];
    assert_int_equal(reply(k, &b), HOLDER_LEAVES);
    assert_int_equal(fields_decode(&holder_leaves_fields, b, &leaves), ST_OK);
    assert_int_equal(leaves.leaves.n, 2 * SEGMENT_UNIT_LEAVES);
    merkle_root(leaves.leaves.p, leaves.leaves.n, root);
    assert_memory_equal(root, s.root, 32);

    struct holder_read read = {.req = 13, .offset = 4096, .len = SHARD_UNIT};
    memcpy(read.segment_id, s.id, 32);
    assert_int_equal(send(k, HOLDER_READ, &holder_read_fields, &read), ST_OK);
    struct holder_data data;
    assert_int_equal(reply(k, &b), HOLDER_DATA);
    assert_int_equal(fields_decode(&holder_data_fields, b, &data), ST_OK);
    assert_int_equal(data.offset, 4096);
    assert_int_equal(data.piece.n, SHARD_UNIT);
    assert_memory_equal(data.piece.p, s.units[0] + 4096, SHARD_UNIT - 4096);
    assert_memory_equal(data.piece.p + SHARD_UNIT - 4096, s.units[1], 4096);
    read.req = 14;
    read.offset = 2 * SHARD_UNIT;
    assert_int_equal(send(k, HOLDER_READ, &holder_read_fields, &read), ST_OK);
    expect_status(k, 14, ST_INTEGRITY);
    read.index = 5;
    read.req = 15;
    assert_int_equal(send(k, HOLDER_READ, &holder_read_fields, &read), ST_OK);
    expect_status(k, 15, ST_NOT_FOUND);

    struct holder_req space = {.req = 16};
    assert_int_equal(send(k, HOLDER_SPACE, &holder_req_fields, &space), ST_OK);
    assert_int_equal(reply(k, &b), HOLDER_ROOM);
}

static void nothing_wrong_is_acknowledged(void **state)
{
    struct keeper_world *k = *state;
    static struct sample s, other;
    sample_make(&s, 3);
    sample_make(&other, 4);
    /* another unit than the trailer says */
    s.units[1][77] ^= 1;
    put_whole(k, 1, &s);
    expect_status(k, 1, ST_INTEGRITY);
    s.units[1][77] ^= 1;
    /* a unit is missing */
    assert_int_equal(open_put(k, 2, &s), ST_OK);
    assert_int_equal(send_unit(k, 2, 0, &s), ST_OK);
    assert_int_equal(commit(k, 2, 2, &s), ST_OK);
    expect_status(k, 2, ST_INTEGRITY);
    /* a trailer with a wrong sum */
    s.trailer[3] ^= 1;
    put_whole(k, 3, &s);
    expect_status(k, 3, ST_INTEGRITY);
    s.trailer[3] ^= 1;
    /* the tree names another root */
    k->rooted = true;
    put_whole(k, 4, &s);
    expect_status(k, 4, ST_DENIED);
    segment_root(s.root, 1, k->root);
    put_whole(k, 5, &s);
    expect_status(k, 5, ST_OK);
    k->rooted = false;
    /* the same again is fine, another of that name is not */
    put_whole(k, 6, &s);
    expect_status(k, 6, ST_OK);
    memcpy(other.id, s.id, 32);
    put_whole(k, 7, &other);
    expect_status(k, 7, ST_EXISTS);
    assert_int_equal(k->store.space.count, 1);
    /* no space */
    k->store.full = true;
    sample_make(&other, 5);
    put_whole(k, 8, &other);
    expect_status(k, 8, ST_NO_SPACE);
    k->store.full = false;
    /* what the tree needs stays, the rest may go */
    struct holder_column col = {.req = 20};
    memcpy(col.segment_id, s.id, 32);
    k->needed = true;
    assert_int_equal(send(k, HOLDER_DROP, &holder_column_fields, &col), ST_OK);
    expect_status(k, 20, ST_DENIED);
    k->needed = false;
    assert_int_equal(send(k, HOLDER_DROP, &holder_column_fields, &col), ST_OK);
    expect_status(k, 20, ST_OK);
    assert_true(holder_used(k->h) < 3 * SHARD_UNIT);
    assert_int_equal(send(k, HOLDER_DROP, &holder_column_fields, &col), ST_OK);
    expect_status(k, 20, ST_NOT_FOUND);
}

static void broken_rules_end_the_link(void **state)
{
    struct keeper_world *k = *state;
    static struct sample s;
    sample_make(&s, 3);
    assert_int_equal(holder_frame(k->s, 0x6F, BYTES_NONE), ST_PROTOCOL);
    assert_int_equal(holder_frame(k->s, HOLDER_STATUS, BYTES_NONE), ST_PROTOCOL);
    assert_int_equal(holder_frame(k->s, HOLDER_READ, BYTES_LIT("short")), ST_BAD_MESSAGE);
    assert_int_equal(open_put(k, 1, &s), ST_OK);
    assert_int_equal(open_put(k, 1, &s), ST_PROTOCOL);
    assert_int_equal(send_unit(k, 1, 0, &s), ST_OK);
    assert_int_equal(send_unit(k, 1, 0, &s), ST_PROTOCOL);
    assert_int_equal(send_unit(k, 1, 32, &s), ST_BAD_MESSAGE);
    struct holder_unit m = {.req = 1, .row = 1, .unit = BYTES(s.units[0], 100)};
    assert_int_equal(send(k, HOLDER_PUT_UNIT, &holder_unit_fields, &m), ST_BAD_MESSAGE);
    assert_int_equal(commit(k, 1, 33, &s), ST_BAD_MESSAGE);
    assert_int_equal(commit(k, 1, 2, &s), ST_OK);
    assert_int_equal(send_unit(k, 1, 1, &s), ST_PROTOCOL);
    struct holder_read read = {.req = 2, .len = 0};
    assert_int_equal(send(k, HOLDER_READ, &holder_read_fields, &read), ST_BAD_MESSAGE);
    read.len = UINT32_MAX;
    assert_int_equal(send(k, HOLDER_READ, &holder_read_fields, &read), ST_BAD_MESSAGE);
    /* units of a put that is not there are let pass: our refusal may cross them */
    assert_int_equal(send_unit(k, 99, 0, &s), ST_OK);
}

static void everything_is_bounded(void **state)
{
    struct keeper_world *k = *state;
    static struct sample s;
    struct bytes b = BYTES_NONE;
    sample_make(&s, 3);
    for (uint32_t i = 0; i < HOLDER_PUTS_MAX; i++) {
        memset(s.id, (int)i, 32);
        assert_int_equal(open_put(k, i, &s), ST_OK);
    }
    assert_int_equal(open_put(k, 1000, &s), ST_OK);
    expect_status(k, 1000, ST_BUSY);
    for (uint32_t i = 0; i < HOLDER_UNITS_MAX; i++) {
        assert_false(k->paused);
        assert_int_equal(send_unit(k, i % HOLDER_PUTS_MAX, i / HOLDER_PUTS_MAX, &s), ST_OK);
    }
    assert_true(k->paused);
    world_run(k->w);
    assert_false(k->paused);
    /* reads wait for a link that is full, and there are not too many of them */
    struct holder_req stop = {0};
    for (uint32_t i = 0; i < HOLDER_PUTS_MAX; i++) {
        stop.req = i;
        assert_int_equal(send(k, HOLDER_PUT_ABANDON, &holder_req_fields, &stop), ST_OK);
    }
    sample_make(&s, 3);
    put_whole(k, 2000, &s);
    expect_status(k, 2000, ST_OK);
    struct holder_read read = {.len = 2 * SHARD_UNIT};
    memcpy(read.segment_id, s.id, 32);
    k->full = true;
    for (read.req = 0; read.req < HOLDER_READS_MAX; read.req++)
        assert_int_equal(send(k, HOLDER_READ, &holder_read_fields, &read), ST_OK);
    assert_int_equal(send(k, HOLDER_READ, &holder_read_fields, &read), ST_OK);
    world_run(k->w);
    assert_int_equal(k->replies.n, 0);
    stop.req = 7;
    assert_int_equal(send(k, HOLDER_READ_STOP, &holder_req_fields, &stop), ST_OK);
    k->full = false;
    holder_writable(k->s);
    expect_status(k, HOLDER_READS_MAX, ST_BUSY);
    unsigned n = 0;
    while (reply(k, &b) == HOLDER_DATA) n++;
    assert_int_equal(n, HOLDER_READS_MAX - 1);
    /* closed with work under way */
    put_whole(k, 3000, &s);
    for (read.req = 0; read.req < 3; read.req++)
        assert_int_equal(send(k, HOLDER_READ, &holder_read_fields, &read), ST_OK);
    holder_close(k->s);
    k->s = NULL;
    world_run(k->w);
    assert_int_equal(k->replies.n, 0);
}

static void messages_survive_mutation(void **state)
{
    (void)state;
    static uint8_t fill[1000];
    for (size_t i = 0; i < sizeof fill; i++) fill[i] = (uint8_t)(i * 5);
    fields_mutate(&holder_open_fields, &(struct holder_open){.req = 1});
    fields_mutate(&holder_unit_fields, &(struct holder_unit){.unit = BYTES(fill, 300)});
    fields_mutate(&holder_commit_fields, &(struct holder_commit){.trailer = BYTES(fill, 100)});
    fields_mutate(&holder_req_fields, &(struct holder_req){.req = 3});
    fields_mutate(&holder_segment_fields, &(struct holder_segment){.req = 3});
    fields_mutate(&holder_column_fields, &(struct holder_column){.index = 3});
    fields_mutate(&holder_read_fields, &(struct holder_read){.len = 3});
    fields_mutate(&holder_status_fields, &(struct holder_status){.code = 3});
    fields_mutate(&holder_had_fields, &(struct holder_had){.bitmap = 3});
    fields_mutate(&holder_told_fields, &(struct holder_told){.trailer = BYTES(fill, 50)});
    fields_mutate(&holder_leaves_fields, &(struct holder_leaves){.leaves = {fill, 3}});
    fields_mutate(&holder_data_fields, &(struct holder_data){.piece = BYTES(fill, 200)});
    fields_mutate(&holder_room_fields, &(struct holder_room){.free = 3});
    for (unsigned c = 0; c < 256; c++) {
        enum status st = holder_code_status((uint8_t)c);
        if (c < 11) assert_int_equal(holder_code(st), c);
    }
    assert_int_equal(holder_code_status(holder_code(ST_FORK)), ST_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(keeps_and_gives_back, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_wrong_is_acknowledged, setup, teardown),
        cmocka_unit_test_setup_teardown(broken_rules_end_the_link, setup, teardown),
        cmocka_unit_test_setup_teardown(everything_is_bounded, setup, teardown),
        cmocka_unit_test(messages_survive_mutation),
    };
    if (crypto_start() != ST_OK) return 1;
    return !!cmocka_run_group_tests(tests, NULL, NULL);
}
