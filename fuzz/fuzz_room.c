/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto core/feed core/room store */
/*
 * A sentinel among people who mean ill: its hub and rules over a store in memory, and a script of
 * frames from four connections, three of which may attach seats:
 *
 *     connection and turn u8 | type u8 | form u8, then: form < 128: a payload made well, form is its parameter
 *                                                     else: length u8, that many bytes of payload
 *
 * What it sends always decodes; a request is never answered twice; a connection that attached to
 * nothing hears nothing but answers; rooms that all seats left are gone.
 */
#include "core/room/hub.h"
#include "crypto/hash.h"
#include "crypto/sign.h"
#include "fuzz.h"
#include "store/room_sqlite.h"

#include <string.h>

#define CONNS 4
#define STEPS_MAX 96
#define JOBS_MAX 64

struct seat {
    uint8_t seed[32], pk[32];
};

struct world;

struct conn {
    struct world *w;
    struct hub_conn *hub;
    size_t n;
    size_t asked, answered;
    bool closing, attach_tried, polling;
    uint8_t exporter[32];
};

struct world {
    struct hub *hub;
    struct room_sqlite *db;
    struct rules rules;
    struct conn conns[CONNS];
    struct hub_job *jobs[JOBS_MAX];
    size_t n_jobs;
    struct hub_now now;
    bool busy; /* the network takes nothing for the moment */
};

static const uint8_t room[32] = {0x52}, spki[32] = {0x53}, token[32] = {0x54},
                     reply_token[32] = {0x55};

/* Made once: three seats. */
static const struct seat *seats(void)
{
    static struct seat all[3];
    if (!all[0].seed[0])
        for (size_t i = 0; i < 3; i++) {
            all[i].seed[0] = (uint8_t)(i + 1);
            sign_public(all[i].seed, all[i].pk);
        }
    return all;
}

/* ---- what the hub does to the outside ---- */

static const struct fields *push_fields(uint8_t type)
{
    switch (type) {
    case ROOM_ENTRY: return &room_entry_fields;
    case ROOM_SIGNALLED: return &room_signalled_fields;
    case ROOM_PRESENCE: return &room_presence_fields;
    case ROOM_KNOCKED: return &room_knocked_fields;
    case ROOM_DOOR_REPLIED: return &room_door_replied_fields;
    case ROOM_CIRCUIT_OFFER: return &room_circuit_offer_fields;
    case ROOM_SEATS_CHANGED: return &room_seats_changed_fields;
    case ROOM_LAGGED: return &room_lagged_fields;
    case ROOM_CIRCUIT_DATA: return &room_circuit_data_fields;
    case ROOM_CIRCUIT_CREDIT: return &room_circuit_credit_fields;
    case ROOM_CIRCUIT_CLOSE: return &room_circuit_close_fields;
    default: return NULL;
    }
}

static enum status on_send(void *ctx, void *handle, uint8_t type, struct bytes payload)
{
    struct world *w = ctx;
    struct conn *c = handle;
    if (w->busy) return ST_BUSY;
    if (type == ROOM_REPLY) {
        struct room_reply r;
        FUZZ_CHECK(fields_decode(&room_reply_fields, payload, &r) == ST_OK);
        FUZZ_CHECK(r.req != 0);
        c->answered++;
        FUZZ_CHECK(c->answered <= c->asked);
        return ST_OK;
    }
    const struct fields *f = push_fields(type);
    FUZZ_CHECK(f);
    void *msg = calloc(1, f->struct_size);
    FUZZ_CHECK(msg && fields_decode(f, payload, msg) == ST_OK);
    free(msg);
    FUZZ_CHECK(c->attach_tried || (type == ROOM_DOOR_REPLIED && c->polling));
    return ST_OK;
}

static void on_close(void *ctx, void *handle, enum status why)
{
    struct conn *c = handle;
    (void)ctx;
    FUZZ_CHECK(why != ST_OK);
    c->closing = true;
}

static void on_pause(void *ctx, void *handle, bool stop)
{
    (void)ctx;
    (void)handle;
    (void)stop;
}

static void on_job(void *ctx, struct hub_job *job)
{
    struct world *w = ctx;
    FUZZ_CHECK(w->n_jobs < JOBS_MAX);
    w->jobs[w->n_jobs++] = job;
}

static void run_jobs(struct world *w)
{
    while (w->n_jobs) {
        struct hub_job *batch[JOBS_MAX];
        size_t n = w->n_jobs;
        bool erased = false;
        memcpy(batch, w->jobs, sizeof(batch));
        w->n_jobs = 0;
        FUZZ_CHECK(w->rules.store.ops->begin(w->rules.store.ctx) == ST_OK);
        for (size_t i = 0; i < n; i++) {
            FUZZ_CHECK(hub_job_run(batch[i], &w->rules));
            erased |= hub_job_erased(batch[i]);
        }
        FUZZ_CHECK(w->rules.store.ops->commit(w->rules.store.ctx) == ST_OK);
        if (erased) FUZZ_CHECK(w->rules.store.ops->scrub(w->rules.store.ctx) == ST_OK);
        for (size_t i = 0; i < n; i++) hub_job_done(w->hub, batch[i], w->now);
    }
}

/* ---- connections ---- */

static void join(struct world *w, struct conn *c)
{
    *c = (struct conn){.w = w, .n = (size_t)(c - w->conns)};
    c->exporter[0] = (uint8_t)(c->n + 1);
    c->hub = hub_join(w->hub, c, c->exporter, spki, w->now);
}

static void leave(struct world *w, struct conn *c)
{
    struct hub_conn *h = c->hub;
    c->hub = NULL;
    if (h) hub_gone(w->hub, h, w->now);
    run_jobs(w);
}

/* ---- payloads made well ---- */

static void put(const struct fields *f, const void *msg, struct buf *out)
{
    FUZZ_CHECK(fields_encode(f, msg, out) == ST_OK);
}

static void make_seats(const struct conn *c, uint8_t type, uint8_t param, struct buf *out)
{
    const struct seat *s = &seats()[c->n % 3], *other = &seats()[param % 3];
    struct room_create create = {.req = 1};
    struct room_attach attach = {.req = 1};
    struct room_drop_seat drop = {.req = 1};
    struct room_seat_vote vote = {.req = 1};
    struct room_add_seat add = {.req = 1, .version = (uint64_t)(param / 3 % 4)};
    uint8_t sigs[2 * ROOM_SIG_ITEM];
    switch (type) {
    case ROOM_CREATE:
        memcpy(create.room, room, 32);
        memcpy(create.seat, s->pk, 32);
        room_sign_create(s->seed, room, s->pk, c->exporter, spki, create.sig);
        put(&room_create_fields, &create, out);
        break;
    case ROOM_ATTACH:
        memcpy(attach.room, room, 32);
        memcpy(attach.seat, s->pk, 32);
        room_sign_attach(s->seed, room, c->exporter, spki, attach.sig);
        put(&room_attach_fields, &attach, out);
        break;
    case ROOM_DROP_SEAT:
        memcpy(drop.room, room, 32);
        memcpy(drop.seat, other->pk, 32);
        room_sign_drop(other->seed, room, other->pk, drop.sig);
        put(&room_drop_seat_fields, &drop, out);
        break;
    case ROOM_SEAT_VOTE:
        memcpy(vote.seat, other->pk, 32);
        room_sign_drop(s->seed, room, other->pk, vote.sig);
        put(&room_seat_vote_fields, &vote, out);
        break;
    default: /* ADD_SEAT, signed by the first two seats */
        memcpy(add.seat, other->pk, 32);
        memset(add.proposal, param, 32);
        for (size_t i = 0; i < 2; i++) {
            memcpy(sigs + i * ROOM_SIG_ITEM, seats()[i].pk, 32);
            room_sign_add(seats()[i].seed, room, other->pk, add.proposal,
                          sigs + i * ROOM_SIG_ITEM + 32);
        }
        add.sigs = (struct list){sigs, param & 1 ? 2 : 1};
        put(&room_add_seat_fields, &add, out);
        break;
    }
}

/* A list of one to three of the seats, in the order of their bytes; those of it sign that a bit of
 * param names. */
static void make_rehome(uint8_t param, struct buf *out)
{
    uint8_t list[3 * 32], sigs[3 * ROOM_SIG_ITEM], seats_hash[32], spkis_hash[32];
    struct room_rehome m = {.req = 1, .version = (uint64_t)(param / 3 % 8) + 1};
    m.seats = (struct list){list, 0};
    m.used = (struct list){list, 0};
    m.spkis = (struct list){spki, 1};
    m.sigs = (struct list){sigs, 0};
    memcpy(m.room, room, 32);
    for (size_t i = 0; i <= param % 3; i++) {
        size_t at = m.seats.n++;
        for (; at > 0 && memcmp(list + (at - 1) * 32, seats()[i].pk, 32) > 0; at--)
            memcpy(list + at * 32, list + (at - 1) * 32, 32);
        memcpy(list + at * 32, seats()[i].pk, 32);
    }
    room_list_hash(m.seats, seats_hash);
    room_list_hash(m.spkis, spkis_hash);
    for (size_t i = 0; i <= param % 3; i++) {
        uint8_t *item = sigs + m.sigs.n * ROOM_SIG_ITEM;
        if (param / 24 >> i & 1) continue;
        memcpy(item, seats()[i].pk, 32);
        room_sign_rehome(seats()[i].seed, room, m.version, seats_hash, spkis_hash, item + 32);
        m.sigs.n++;
    }
    put(&room_rehome_fields, &m, out);
}

static void make_append(struct world *w, uint8_t param, struct buf *out)
{
    static const uint8_t sealed[2048];
    struct room_append a = {.req = 1, .feed = param % 4, .flags = ROOM_APPEND_EXPECT};
    struct room_feed_row row;
    struct room_store *s = &w->rules.store;
    if (s->ops->feed_get(s->ctx, room, a.feed, &row) == ST_OK) {
        a.index = row.count;
        memcpy(a.chain, row.chain, 32);
    }
    a.index += param / 4 % 8 == 7;
    a.sealed = BYTES(sealed, param & 64 ? 2048 : 512);
    put(&room_append_fields, &a, out);
}

static void make_doors(uint8_t type, uint8_t param, struct buf *out)
{
    static const uint8_t blob[64];
    struct room_door_open open = {.req = 1, .expires_ms = UINT64_C(1800000000000)};
    struct room_door_close close = {.req = 1};
    struct room_door_read read = {.req = 1};
    struct room_knock knock = {.req = 1, .blob = BYTES_OF(blob)};
    struct room_door_reply reply = {.req = 1, .outcome = param % 4, .blob = BYTES_OF(blob)};
    struct room_door_poll poll = {.req = 1, .wait = param & 1};
    uint8_t mine[32];
    memcpy(mine, reply_token, 32);
    mine[31] = param / 4;
    sha256(BYTES_OF(token), open.door);
    memcpy(close.door, open.door, 32);
    memcpy(read.room, room, 32);
    memcpy(read.token, token, 32);
    memcpy(knock.room, room, 32);
    memcpy(knock.token, token, 32);
    sha256(BYTES_OF(mine), knock.reply);
    memcpy(reply.reply, knock.reply, 32);
    memcpy(poll.room, room, 32);
    memcpy(poll.token, mine, 32);
    switch (type) {
    case ROOM_DOOR_OPEN: put(&room_door_open_fields, &open, out); break;
    case ROOM_DOOR_CLOSE: put(&room_door_close_fields, &close, out); break;
    case ROOM_DOOR_READ: put(&room_door_read_fields, &read, out); break;
    case ROOM_KNOCK: put(&room_knock_fields, &knock, out); break;
    case ROOM_DOOR_REPLY: put(&room_door_reply_fields, &reply, out); break;
    default: put(&room_door_poll_fields, &poll, out); break;
    }
}

static void make(struct world *w, struct conn *c, uint8_t type, uint8_t param, struct buf *out)
{
    struct room_read read = {
        .req = 1, .feed = param % 4, .from = (uint64_t)(param / 4), .max = 9, .max_bytes = 4096};
    switch (type) {
    case ROOM_CREATE:
    case ROOM_ATTACH:
    case ROOM_ADD_SEAT:
    case ROOM_DROP_SEAT:
    case ROOM_SEAT_VOTE: make_seats(c, type, param, out); break;
    case ROOM_REHOME: make_rehome(param, out); break;
    case ROOM_APPEND: make_append(w, param, out); break;
    case ROOM_READ: put(&room_read_fields, &read, out); break;
    case ROOM_DOOR_OPEN:
    case ROOM_DOOR_CLOSE:
    case ROOM_DOOR_READ:
    case ROOM_KNOCK:
    case ROOM_DOOR_REPLY:
    case ROOM_DOOR_POLL: make_doors(type, param, out); break;
    case ROOM_SUBSCRIBE:
        buf_u32(out, 1);
        buf_u8(out, param);
        break;
    case ROOM_SIGNAL:
        buf_u32(out, 1);
        buf_raw(out, param & 4 ? room : seats()[param % 3].pk, 32);
        buf_u16(out, 1);
        buf_u8(out, param);
        break;
    case ROOM_CIRCUIT_OPEN:
        buf_u32(out, 1);
        buf_raw(out, seats()[param % 3].pk, 32);
        break;
    case ROOM_CIRCUIT_DATA:
        buf_u32(out, param % 8);
        buf_zero(out, (size_t)param * 512);
        break;
    case ROOM_CIRCUIT_CREDIT:
        buf_u32(out, param % 8);
        buf_u32(out, param & 64 ? UINT32_MAX : 4096);
        break;
    case ROOM_CIRCUIT_CLOSE:
        buf_u32(out, param % 8);
        buf_u8(out, param / 8);
        break;
    default:
        buf_u32(out, 1);
        buf_u64(out, param);
        break;
    }
}

/* ---- steps ---- */

static void turn(struct world *w, struct conn *c, uint8_t what)
{
    switch (what) {
    case 1: leave(w, c); break;
    case 2: w->now.mono_ms += 2500, w->now.wall_ms += 2500; break;
    case 3: w->now.mono_ms += ROOM_DAY_MS, w->now.wall_ms += ROOM_DAY_MS; break;
    case 4: w->busy = true; break;
    case 5:
        w->busy = false;
        for (size_t i = 0; i < CONNS; i++)
            if (w->conns[i].hub) hub_writable(w->hub, w->conns[i].hub);
        break;
    default: return;
    }
    if (hub_next_ms(w->hub) <= w->now.mono_ms) hub_tick(w->hub, w->now);
    run_jobs(w);
}

static void step(struct world *w, struct cursor *in)
{
    uint8_t first = cursor_u8(in), type = cursor_u8(in), form = cursor_u8(in);
    struct conn *c = &w->conns[first % CONNS];
    struct buf payload = BUF_INIT;
    turn(w, c, first / CONNS % 16);
    if (!c->hub) join(w, c);
    if (!c->hub) return;
    if (form < 128)
        make(w, c, type, form, &payload);
    else
        buf_bytes(&payload, cursor_take(in, cursor_u8(in)));
    c->asked++;
    c->attach_tried |= type == ROOM_ATTACH;
    c->polling |= type == ROOM_DOOR_POLL;
    hub_frame(w->hub, c->hub, type, buf_view(&payload), w->now);
    run_jobs(w);
    buf_free(&payload);
    for (size_t i = 0; i < CONNS; i++)
        if (w->conns[i].closing) leave(w, &w->conns[i]);
}

/* Everybody who is still in goes: then nothing of the room may be left. */
static void all_leave(struct world *w)
{
    struct conn c = {.w = w};
    struct rules_caller who = {.now_ms = w->now.wall_ms};
    struct room_store *s = &w->rules.store;
    uint64_t rooms = 0;
    memcpy(who.spki, spki, 32);
    FUZZ_CHECK(s->ops->begin(s->ctx) == ST_OK);
    for (uint8_t i = 0; i < 3; i++) {
        struct buf payload = BUF_INIT, body = BUF_INIT;
        struct rules_effect effect;
        make_seats(&c, ROOM_DROP_SEAT, i, &payload);
        FUZZ_CHECK(s->ops->mark(s->ctx) == ST_OK);
        enum status st =
            rules_run(&w->rules, &who, ROOM_DROP_SEAT, buf_view(&payload), &body, &effect);
        FUZZ_CHECK(st == ST_OK || st == ST_NOT_FOUND);
        FUZZ_CHECK(s->ops->keep(s->ctx) == ST_OK);
        buf_free(&payload);
        buf_free(&body);
    }
    FUZZ_CHECK(s->ops->rooms(s->ctx, &rooms) == ST_OK && rooms == 0);
    FUZZ_CHECK(s->ops->commit(s->ctx) == ST_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world w = {.now = {UINT64_C(1790000000000), 1000}};
    struct hub_output output = {on_send, on_close, on_pause, on_job, &w};
    struct cursor in = cursor_of(BYTES(data, size));
    room_limits_default(&w.rules.limits);
    FUZZ_CHECK(room_sqlite_open(":memory:", &w.db) == ST_OK);
    w.rules.store = room_sqlite_port(w.db);
    w.hub = hub_new(&w.rules.limits, &output);
    FUZZ_CHECK(w.hub);
    for (size_t i = 0; i < CONNS; i++) join(&w, &w.conns[i]);
    for (int i = 0; i < STEPS_MAX && in.left >= 3 && !in.bad; i++) step(&w, &in);
    for (size_t i = 0; i < CONNS; i++) leave(&w, &w.conns[i]);
    all_leave(&w);
    hub_free(w.hub);
    room_sqlite_close(w.db);
    return 0;
}
