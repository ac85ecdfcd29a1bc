/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto core/files core/audit core/holder core/grant core/room node/depot */
/*
 * A storage node and callers who mean ill, over the simulator's store and database:
 *
 *     turn u8 | type u8 | form u8, then: form < 128: a payload made well, form is its parameter
 *                                        else: length u16, that many bytes of payload
 *
 * turn: low bit which of two callers, bit 1 a fresh caller in its place, bit 2 a week goes by, bit 3 the
 * node starts again. Whatever comes: its answers decode, a shard is asked for in vain by who is in no
 * list, and nobody keeps more than the ticket gives.
 */
#include "core/grant/depot_wire.h"
#include "core/holder/wire.h"
#include "crypto/sign.h"
#include "fuzz.h"
#include "node/depot/depot.h"
#include "sim/kv_mem.h"
#include "sim/shards_mem.h"

#include <string.h>

#define STEPS_MAX 100
#define QUOTA ((uint64_t)4 << 20)
#define WEEK (UINT64_C(7) * 24 * 3600 * 1000)

static const uint8_t secret[32] = {1}, pin[32] = {2}, exporter[32] = {3}, room[32] = {4};

struct world;

struct caller {
    struct world *w;
    struct depot_conn *c;
    bool seated, ended;
};

struct world {
    struct vtime time;
    struct machine m;
    struct shards_mem disk;
    struct kv_mem kv;
    struct depot *d;
    struct caller callers[2];
    uint8_t seeds[3][32], seats[3][32];
};

static enum status on_send(void *ctx, uint8_t type, struct bytes payload)
{
    struct caller *c = ctx;
    struct depot_state state;
    struct depot_lost lost;
    if (type == DEPOT_STATE) {
        FUZZ_CHECK(fields_decode(&depot_state_fields, payload, &state) == ST_OK);
        FUZZ_CHECK(state.quota <= QUOTA && (state.known || !state.seated));
        c->seated = state.seated;
    } else if (type == DEPOT_LOST) {
        FUZZ_CHECK(fields_decode(&depot_lost_fields, payload, &lost) == ST_OK);
    } else {
        FUZZ_CHECK(HOLDER_IS_REPLY(type) && c->seated);
    }
    return ST_OK;
}

static void on_pause(void *ctx, bool stop)
{
    (void)ctx;
    (void)stop;
}

static void on_end(void *ctx)
{
    ((struct caller *)ctx)->ended = true;
}

static void nothing(void *arg)
{
    (void)arg;
}

static void later(struct world *w)
{
    while (w->time.n) vtime_run_one(&w->time);
}

static void arrive(struct world *w, size_t i)
{
    const struct depot_wire wire = {on_send, on_pause, on_end, &w->callers[i]};
    if (w->callers[i].c != NULL) depot_close(w->callers[i].c);
    w->callers[i] = (struct caller){.w = w};
    w->callers[i].c = depot_open(w->d, &wire, exporter);
    FUZZ_CHECK(w->callers[i].c);
}

static void start(struct world *w)
{
    struct depot_config c = {.env = &w->m.env,
                             .kv = kv_mem_port(&w->kv),
                             .store = shards_mem_port(&w->disk),
                             .work = w->m.work,
                             .most = QUOTA};
    memcpy(c.secret, secret, 32);
    memcpy(c.pin, pin, 32);
    w->d = depot_new(&c);
    FUZZ_CHECK(w->d && depot_load(w->d) == ST_OK);
    for (size_t i = 0; i < 2; i++) arrive(w, i);
}

static void stop(struct world *w)
{
    depot_free(w->d); /* closes all callers */
    later(w);
    for (size_t i = 0; i < 2; i++) w->callers[i].c = NULL;
}

/* Parameter bits: 0-1 seat, 2-3 how many sign, 4 another list, 5 a longer time. */
static void make_grant(struct world *w, uint8_t param, struct buf *out)
{
    uint8_t sigs[3 * ROOM_SIG_ITEM], key[32], nonce[16] = {0};
    struct grant g = {.version = GRANT_VERSION,
                      .quota = QUOTA / (1 + (param >> 4 & 1)),
                      .expiry = env_wall_ms(&w->m.env) + (param & 32 ? 12 : 1) * WEEK,
                      .list_version = param >> 4 & 1,
                      .seats = {w->seats[0], 2U + (param >> 4 & 1)},
                      .sigs = {sigs, (param >> 2 & 3) % 4}};
    memcpy(g.room, room, 32);
    memcpy(g.pin, pin, 32);
    depot_ticket_key(secret, key);
    grant_ticket_make(key, QUOTA, UINT64_MAX, nonce, g.ticket);
    for (size_t i = 0; i < g.sigs.n; i++) {
        memcpy(sigs + i * ROOM_SIG_ITEM, w->seats[i], 32);
        grant_sign(w->seeds[i], &g, sigs + i * ROOM_SIG_ITEM + 32);
    }
    FUZZ_CHECK(fields_encode(&grant_fields, &g, out) == ST_OK);
}

static void make_record(struct world *w, uint8_t param, struct buf *out)
{
    static const uint8_t proposal[32] = {7};
    uint8_t sigs[3 * ROOM_SIG_ITEM];
    const uint8_t *seat = w->seats[(param & 3) % 3];
    struct room_record r = {.version = param >> 4 & 3,
                            .kind = param & 64 ? ROOM_RECORD_DROP : ROOM_RECORD_ADD,
                            .proof = BYTES_OF(proposal),
                            .sigs = {sigs, (param >> 2 & 3) % 4}};
    memcpy(r.seat, seat, 32);
    for (size_t i = 0; i < r.sigs.n; i++) {
        uint8_t *item = sigs + i * ROOM_SIG_ITEM;
        memcpy(item, w->seats[i], 32);
        if (r.kind == ROOM_RECORD_ADD)
            room_sign_add(w->seeds[i], room, seat, proposal, item + 32);
        else
            room_sign_drop(w->seeds[i], room, seat, item + 32);
    }
    FUZZ_CHECK(fields_encode(&room_record_fields, &r, out) == ST_OK);
}

static void make(struct world *w, uint8_t type, uint8_t param, struct buf *out)
{
    const uint8_t *seat = w->seats[(param & 3) % 3], *seed = w->seeds[(param & 3) % 3];
    uint8_t ids[3][32] = {{1}, {2}, {3}};
    struct depot_hello hello = {.req = 1, .version = DEPOT_VERSION};
    struct depot_live live = {.req = 1,
                              .list_version = param >> 4 & 1,
                              .first = !(param & 32),
                              .last = !(param & 64),
                              .ids = {ids[0], (param >> 2 & 3)}};
    struct depot_bye bye = {.req = 1, .list_version = param >> 4 & 3};
    switch (type) {
    case DEPOT_HELLO:
        memcpy(hello.room, room, 32);
        memcpy(hello.seat, seat, 32);
        room_sign_attach(seed, room, exporter, pin, hello.sig);
        FUZZ_CHECK(fields_encode(&depot_hello_fields, &hello, out) == ST_OK);
        break;
    case DEPOT_GRANT:
        buf_u32(out, 1);
        make_grant(w, param, out);
        break;
    case DEPOT_RECORDS:
        buf_u32(out, 1);
        make_record(w, param, out);
        break;
    case DEPOT_LIVE: FUZZ_CHECK(fields_encode(&depot_live_fields, &live, out) == ST_OK); break;
    case DEPOT_BYE:
        grant_bye_sign(seed, room, bye.list_version, bye.sig);
        FUZZ_CHECK(fields_encode(&depot_bye_fields, &bye, out) == ST_OK);
        break;
    case HOLDER_HAVE:
        buf_u32(out, 1);
        buf_raw(out, ids[param % 3], 32);
        break;
    default: buf_u32(out, 1); break;
    }
}

static void step(struct world *w, struct cursor *in)
{
    uint8_t turn = cursor_u8(in), type = cursor_u8(in), form = cursor_u8(in);
    struct buf payload = BUF_INIT;
    struct caller *c = &w->callers[turn & 1];
    if (turn & 4) {
        w->m.skew_ms += (int64_t)WEEK;
        vtime_at(&w->time, DEPOT_SWEEP_MS, NULL, nothing, NULL, NULL);
        later(w);
    }
    if (turn & 8) {
        stop(w);
        start(w);
    }
    if ((turn & 2) || c->ended) arrive(w, turn & 1);
    if (form < 128) {
        make(w, type, form, &payload);
    } else {
        uint16_t n = cursor_u16(in);
        buf_bytes(&payload, cursor_take(in, n < in->left ? n : in->left));
    }
    if (depot_frame(c->c, type, buf_view(&payload)) != ST_OK) arrive(w, turn & 1);
    later(w);
    depot_tick(w->d);
    later(w);
    buf_free(&payload);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world w = {.d = NULL};
    struct cursor in = cursor_of(BYTES(data, size));
    for (size_t i = 0; i < 3; i++) {
        /* In the order of their public keys, as the lists are. */
        static const uint8_t order[3] = {1, 2, 3};
        uint8_t seed[32], seat[32];
        memset(seed, order[i], 32);
        sign_public(seed, seat);
        size_t at = i;
        for (; at > 0 && memcmp(w.seats[at - 1], seat, 32) > 0; at--) {
            memcpy(w.seats[at], w.seats[at - 1], 32);
            memcpy(w.seeds[at], w.seeds[at - 1], 32);
        }
        memcpy(w.seats[at], seat, 32);
        memcpy(w.seeds[at], seed, 32);
    }
    machine_init(&w.m, 0, "depot", &w.time, 1, NULL, NULL);
    machine_boot(&w.m);
    shards_mem_init(&w.disk, &w.m, (uint64_t)8 << 20);
    kv_mem_init(&w.kv, &w.m);
    start(&w);
    for (int i = 0; i < STEPS_MAX && in.left >= 3; i++) step(&w, &in);
    stop(&w);
    shards_mem_free(&w.disk);
    kv_mem_free(&w.kv);
    vtime_end(&w.time);
    free(w.time.heap);
    return 0;
}
