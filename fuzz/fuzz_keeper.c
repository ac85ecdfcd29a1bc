/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto core/files core/holder node/hold core/grant */
/*
 * A member who keeps shards for us and means ill: we ask, it answers what it likes:
 *
 *     turn u8 | type u8 | form u8: type < 0x60: we ask (put, read, info, have);
 *                                  else a frame of its: form < 128 a payload made well, form its parameter,
 *                                                       else length u16, that many bytes
 *
 * Every question gets exactly one answer in the end, the pieces of a read come in order and never
 * leave what was asked, nothing is called after it was stopped.
 */
#include "core/files/segment.h"
#include "core/holder/wire.h"
#include "fuzz.h"
#include "node/hold/hold.h"
#include "node/hold/keeper.h"
#include "sim/shards_mem.h"

#include <string.h>

#define STEPS_MAX 128
#define ASKS_MAX 64

struct ask {
    struct world *w;
    bool used, answered, stopped;
    uint64_t next, end; /* of a read */
    struct keeper_read *read;
};

struct world {
    struct vtime time;
    struct machine m;
    struct shards_mem disk;
    struct hold *h;
    struct ask asks[ASKS_MAX];
    size_t n_asks;
    struct keeper_put *put;
    bool busy, linked, unit_out;
    struct buf room; /* a unit with headroom */
};

static enum status on_send(void *ctx, uint8_t type, struct bytes payload)
{
    struct world *w = ctx;
    FUZZ_CHECK((HOLDER_IS_REQUEST(type) || HOLDER_IS_REPLY(type)) && payload.n >= 4);
    return w->busy ? ST_BUSY : ST_OK;
}

static void on_pause(void *ctx, bool stop)
{
    (void)ctx;
    (void)stop;
}

static void answered(struct ask *a)
{
    FUZZ_CHECK(a->used && !a->answered && !a->stopped);
    a->answered = true;
    a->read = NULL;
}

static void on_done(void *arg, enum status st)
{
    struct ask *a = arg;
    if (a->end && st == ST_OK) FUZZ_CHECK(a->next == a->end);
    answered(a);
}

static void on_unit(void *arg, enum status st)
{
    struct ask *a = arg;
    (void)st;
    a->w->unit_out = false;
    answered(a);
}

static void on_told(void *arg, enum status st, const struct shard_info *info)
{
    if (st == ST_OK) FUZZ_CHECK(info->trailer_len <= SHARD_TRAILER_MAX);
    answered(arg);
}

static void on_had(void *arg, enum status st, uint64_t bitmap)
{
    (void)st;
    (void)bitmap;
    answered(arg);
}

static void on_piece(void *arg, uint64_t offset, struct bytes piece)
{
    struct ask *a = arg;
    FUZZ_CHECK(!a->answered && !a->stopped);
    FUZZ_CHECK(offset == a->next && piece.n <= a->end - a->next);
    a->next += piece.n;
}

static struct ask *ask_new(struct world *w)
{
    if (w->n_asks == ASKS_MAX) return NULL;
    struct ask *a = &w->asks[w->n_asks++];
    *a = (struct ask){.w = w, .used = true};
    return a;
}

static void link_up(struct world *w)
{
    struct hold_wire wire = {on_send, on_pause, w};
    w->linked = hold_link_up(w->h, 2, &wire) == ST_OK;
}

static void link_down(struct world *w)
{
    if (w->linked) hold_link_down(w->h, 2);
    w->linked = false;
}

/* ---- we ask ---- */

static void ask_put(struct world *w, struct keeper *k, uint8_t what, struct ask *a)
{
    uint8_t head[SHARD_HEADER], id[32] = {1}, trailer[SHARD_TRAILER_MIN] = {2};
    a->answered = true; /* unless the call takes it */
    if (what == 0 && !w->put) {
        segment_header(id, 0, 1, 2, head);
        w->put = keeper_open(k, head);
    } else if (what == 1 && w->put && !w->unit_out) {
        a->answered = false;
        w->unit_out = true;
        if (keeper_unit(w->put, 0, w->room.p + KEEPER_HEADROOM, on_unit, a) != ST_OK) {
            a->answered = true;
            w->unit_out = false;
        }
    } else if (what == 2 && w->put && !w->unit_out) {
        a->answered = false;
        keeper_commit(w->put, 1, BYTES_OF(trailer), on_done, a);
        w->put = NULL;
    } else if (what == 3 && w->put && !w->unit_out) {
        keeper_abandon(w->put);
        w->put = NULL;
    }
}

static void ask(struct world *w, uint8_t what, uint8_t param)
{
    const uint8_t id[32] = {1};
    struct keeper *k = hold_keeper(w->h, 2);
    struct ask *a = ask_new(w);
    if (!k || !a) return;
    switch (what % 8) {
    case 4:
        a->end = 1 + (uint64_t)param * 4096;
        a->read = keeper_read(k, id, 0, 4096, a->end, on_piece, on_done, a);
        a->end += 4096;
        a->next = 4096;
        if (!a->read) a->answered = true;
        break;
    case 5:
        a->answered = true;
        a = &w->asks[param % w->n_asks];
        if (!a->read || a->answered || a->stopped) break;
        keeper_read_stop(a->read);
        a->stopped = true;
        break;
    case 6: a->answered = !keeper_info(k, id, 0, on_told, a); break;
    case 7: a->answered = !keeper_have(k, id, on_had, a); break;
    default: ask_put(w, k, what % 8, a); break;
    }
}

/* ---- it answers ---- */

/* Parameter bits: 0-3 which request, 4-6 how much or what. */
static void make(uint8_t type, uint8_t param, struct buf *out)
{
    static const uint8_t zeros[SHARD_UNIT];
    uint8_t head[SHARD_HEADER], id[32] = {1};
    uint32_t n = (uint32_t)(param >> 4);
    buf_u32(out, param & 15);
    switch (type) {
    case HOLDER_STATUS: buf_u8(out, (uint8_t)n); break;
    case HOLDER_HAD: buf_u64(out, n); break;
    case HOLDER_TOLD:
        segment_header(id, 0, 1, 2, head);
        buf_u32(out, n);
        buf_u64(out, 1);
        buf_raw(out, head, sizeof head);
        buf_u8(out, SHARD_TRAILER_MIN);
        buf_zero(out, SHARD_TRAILER_MIN);
        break;
    case HOLDER_LEAVES:
        buf_u16(out, (uint16_t)n);
        buf_zero(out, (size_t)n * 32);
        break;
    case HOLDER_DATA:
        buf_u32(out, 4096 + n / 4 * 4096);
        buf_raw(out, zeros, n % 4 * 4096 + 1);
        break;
    default: buf_zero(out, 16); break;
    }
}

static void later(struct world *w, size_t most)
{
    while (w->time.n && most--) vtime_run_one(&w->time);
}

static void passes(struct world *w, uint64_t ms)
{
    w->time.now_ms += ms;
    hold_tick(w->h);
}

static void step(struct world *w, struct cursor *in)
{
    uint8_t turn = cursor_u8(in), type = cursor_u8(in), form = cursor_u8(in);
    struct buf payload = BUF_INIT;
    if (turn & 1) w->busy = true;
    if (turn & 2) {
        w->busy = false;
        if (w->linked) hold_link_writable(w->h, 2);
    }
    if (turn & 4) passes(w, KEEPER_STALL_MS / 2 + 1);
    if ((turn & 24) == 24) link_down(w);
    if ((turn & 24) == 16 || !w->linked) link_up(w);
    later(w, turn >> 5);
    if (type < 0x60) {
        ask(w, type, form);
    } else if (w->linked) {
        if (form < 128) {
            make(type, form, &payload);
        } else {
            uint16_t n = cursor_u16(in);
            buf_bytes(&payload, cursor_take(in, n < in->left ? n : in->left));
        }
        if (hold_link_frame(w->h, 2, type, buf_view(&payload)) != ST_OK) link_down(w);
    }
    buf_free(&payload);
}

static bool needed(void *ctx, const uint8_t segment_id[SHARD_ID], uint64_t now_ms)
{
    (void)ctx;
    (void)now_ms;
    return segment_id[0] == 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world w = {.n_asks = 0};
    struct cursor in = cursor_of(BYTES(data, size));
    const uint16_t leaves[] = {1, 2};
    buf_zero(&w.room, KEEPER_HEADROOM + SHARD_UNIT);
    machine_init(&w.m, 0, "member", &w.time, 1, NULL, NULL);
    machine_boot(&w.m);
    shards_mem_init(&w.disk, &w.m, (uint64_t)4 << 20);
    struct hold_config config = {.env = &w.m.env,
                                 .work = w.m.work,
                                 .store = shards_mem_port(&w.disk),
                                 .own_leaf = 1,
                                 .needed = needed};
    w.h = hold_new(&config);
    FUZZ_CHECK(w.h);
    hold_roster(w.h, leaves, 2);
    link_up(&w);
    for (int i = 0; i < STEPS_MAX && in.left >= 3; i++) step(&w, &in);
    w.busy = false;
    if (w.linked) hold_link_writable(w.h, 2);
    for (int i = 0; i < 4; i++) passes(&w, KEEPER_STALL_MS + 1), later(&w, SIZE_MAX);
    link_down(&w);
    later(&w, SIZE_MAX);
    if (w.put && !w.unit_out) keeper_abandon(w.put);
    for (size_t i = 0; i < w.n_asks; i++) FUZZ_CHECK(w.asks[i].answered || w.asks[i].stopped);
    hold_free(w.h);
    later(&w, SIZE_MAX);
    shards_mem_free(&w.disk);
    vtime_end(&w.time);
    free(w.time.heap);
    buf_free(&w.room);
    return 0;
}
