/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto core/files core/holder core/grant */
/*
 * A keeper of shards and a member who means ill: frames to a holder's session over the simulator's
 * store, whose disk answers later:
 *
 *     turn u8 | type u8 | form u8, then: form < 128: a payload made well, form is its parameter
 *                                        else: length u16, that many bytes of payload
 *
 * What it answers always decodes, and what it keeps for a link that takes nothing is bounded.
 */
#include "core/files/segment.h"
#include "core/holder/holder.h"
#include "fuzz.h"
#include "sim/shards_mem.h"

#include <string.h>

#define STEPS_MAX 200
#define ROWS 3
#define COLUMNS 3

struct world {
    struct vtime time;
    struct machine m;
    struct shards_mem disk;
    struct holder *h;
    struct holder_session *s;
    bool busy, dead;
    size_t sent;
};

static uint8_t unit[SHARD_UNIT]; /* zeros: what every row of every column here holds */

static enum status on_send(void *ctx, uint8_t type, struct bytes payload)
{
    static const struct fields *const replies[] = {&holder_status_fields, &holder_had_fields,
                                                   &holder_told_fields,   &holder_leaves_fields,
                                                   &holder_data_fields,   &holder_room_fields};
    struct world *w = ctx;
    if (w->busy) return ST_BUSY;
    FUZZ_CHECK(type >= HOLDER_STATUS && type <= HOLDER_ROOM);
    const struct fields *f = replies[type - HOLDER_STATUS];
    void *msg = calloc(1, f->struct_size);
    FUZZ_CHECK(msg && fields_decode(f, payload, msg) == ST_OK);
    free(msg);
    w->sent++;
    return ST_OK;
}

static void on_pause(void *ctx, bool stop)
{
    (void)ctx;
    (void)stop;
}

static bool needed(void *ctx, const uint8_t segment_id[SHARD_ID])
{
    (void)ctx;
    return segment_id[0] == 1;
}

static bool root_of(void *ctx, const uint8_t segment_id[SHARD_ID], uint8_t ret_root[32])
{
    (void)ctx;
    (void)ret_root;
    return segment_id[0] > 2;
}

/* The trailer of column index of a segment whose columns are rows of zeros. */
static size_t trailer_of(unsigned rows, uint8_t index, uint8_t ret[SHARD_TRAILER_MAX])
{
    static uint8_t roots[ROWS + 1][32];
    uint8_t all[COLUMNS * 32];
    if (roots[rows][0] == 0) {
        uint8_t leaves[ROWS * SEGMENT_UNIT_LEAVES * 32];
        for (unsigned r = 0; r < rows; r++)
            segment_leaves(unit, sizeof unit, leaves + r * SEGMENT_UNIT_LEAVES * 32);
        merkle_root(leaves, rows * SEGMENT_UNIT_LEAVES, roots[rows]);
    }
    for (unsigned i = 0; i < COLUMNS; i++) memcpy(all + 32 * i, roots[rows], 32);
    return segment_trailer(all, COLUMNS, index, (rows - 1) * SHARD_UNIT + 1, ret);
}

/* Parameter bits: 0 which request number, 1-2 column, 3-4 row or rows, 5 segment. */
static void make(uint8_t type, uint8_t param, struct buf *out)
{
    uint8_t id[32] = {(uint8_t)(1 + (param >> 5 & 1))}, head[SHARD_HEADER], tail[SHARD_TRAILER_MAX];
    uint8_t column = (param >> 1 & 3) % COLUMNS;
    unsigned rows = (param >> 3 & 3) % ROWS + 1;
    size_t n;
    buf_u32(out, param & 1);
    switch (type) {
    case HOLDER_PUT_OPEN:
        segment_header(id, column, 1, COLUMNS, head);
        buf_raw(out, head, sizeof head);
        break;
    case HOLDER_PUT_UNIT:
        buf_u32(out, param >> 3 & 3);
        buf_raw(out, unit, sizeof unit);
        break;
    case HOLDER_PUT_COMMIT:
        n = trailer_of(rows, column, tail);
        buf_u32(out, rows);
        buf_u8(out, (uint8_t)n);
        buf_raw(out, tail, n);
        break;
    case HOLDER_HAVE: buf_raw(out, id, sizeof id); break;
    case HOLDER_INFO:
    case HOLDER_TREE:
    case HOLDER_DROP:
        buf_raw(out, id, sizeof id);
        buf_u8(out, column);
        break;
    case HOLDER_READ:
        buf_raw(out, id, sizeof id);
        buf_u8(out, column);
        buf_u32(out, param & 64 ? UINT32_MAX - 1 : rows * 1000);
        buf_u32(out, param & 8 ? UINT32_MAX : 70000);
        break;
    default: break;
    }
}

static void later(struct world *w, size_t most)
{
    while (w->time.n && most--) vtime_run_one(&w->time);
}

static void step(struct world *w, struct cursor *in)
{
    uint8_t turn = cursor_u8(in), type = cursor_u8(in), form = cursor_u8(in);
    struct buf payload = BUF_INIT;
    if (form < 128) {
        make(type, form, &payload);
    } else {
        uint16_t n = cursor_u16(in);
        buf_bytes(&payload, cursor_take(in, n < in->left ? n : in->left));
    }
    if (turn & 1) w->busy = true;
    if (turn & 2) {
        w->busy = false;
        holder_writable(w->s);
    }
    later(w, turn >> 4);
    /* Bit 2: the same again and again; the session has to put an end to it. */
    for (unsigned i = 0; i < (turn & 4 ? 3 * HOLDER_REPLIES_MAX : 1U) && !w->dead; i++) {
        w->dead = holder_frame(w->s, type, buf_view(&payload)) != ST_OK;
        if (turn & 8) later(w, 4);
    }
    if ((turn & 12) == 12 && w->busy && type == HOLDER_SPACE) FUZZ_CHECK(w->dead);
    buf_free(&payload);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world w = {.sent = 0};
    struct holder_wire wire = {on_send, on_pause, &w};
    struct cursor in = cursor_of(BYTES(data, size));
    machine_init(&w.m, 0, "holder", &w.time, 1, NULL, NULL);
    machine_boot(&w.m);
    shards_mem_init(&w.disk, &w.m, (uint64_t)4 << 20);
    struct holder_config config = {.store = shards_mem_port(&w.disk),
                                   .work = w.m.work,
                                   .quota = (uint64_t)2 << 20,
                                   .root_of = root_of,
                                   .needed = needed};
    w.h = holder_new(&config);
    FUZZ_CHECK(w.h);
    w.s = holder_open(w.h, &wire);
    FUZZ_CHECK(w.s);
    for (int i = 0; i < STEPS_MAX && in.left >= 3 && !w.dead; i++) step(&w, &in);
    holder_close(w.s);
    holder_free(w.h);
    later(&w, SIZE_MAX);
    shards_mem_free(&w.disk);
    vtime_end(&w.time);
    free(w.time.heap);
    return 0;
}
