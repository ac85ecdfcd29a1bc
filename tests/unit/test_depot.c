/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto core/files core/audit core/holder core/grant core/room node/depot */
/* A storage node, asked by hand: whom it takes in, whom it serves, what it lets go of and when. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#include "core/files/segment.h"
#include "core/holder/holder.h"
#include "core/holder/scrub.h"
#include "crypto/secret.h"
#include "crypto/sign.h"
#include "node/depot/depot_private.h"
#include "unit/fields_mutate.h"
#include "unit/files_world.h"

#define DAY (UINT64_C(24) * 3600 * 1000)
#define MOST (UINT64_C(100) << 20)
#define SEATS 4

static const uint8_t secret[32] = {3}, pin[32] = {4}, exporter[32] = {5};

/* ---- a kv in memory; what is committed outlives the node ---- */

struct row {
    uint8_t space[KV_SPACE];
    uint64_t n;
    struct buf value;
};

struct rows {
    struct world *w;
    struct row list[64];
    size_t n;
};

struct committed {
    kv_done *done;
    void *arg;
};

static struct row *row_of(struct rows *k, const uint8_t *space, uint64_t n)
{
    for (size_t i = 0; i < k->n; i++)
        if (k->list[i].n == n && memcmp(k->list[i].space, space, KV_SPACE) == 0) return &k->list[i];
    return NULL;
}

static enum status kv_get_row(void *ctx, const uint8_t *space, uint64_t n, struct buf *ret)
{
    struct row *r = row_of(ctx, space, n);
    if (r == NULL) return ST_NOT_FOUND;
    buf_bytes(ret, buf_view(&r->value));
    return ST_OK;
}

static enum status kv_scan_rows(void *ctx, const uint8_t *space, uint64_t from, kv_visit *visit,
                                void *arg)
{
    struct rows *k = ctx;
    for (size_t i = 0; i < k->n; i++)
        if (k->list[i].n >= from && memcmp(k->list[i].space, space, KV_SPACE) == 0 &&
            !visit(arg, k->list[i].n, buf_view(&k->list[i].value)))
            break;
    return ST_OK;
}

static void kv_is_done(void *arg)
{
    struct committed c = *(struct committed *)arg;
    free(arg);
    c.done(c.arg, ST_OK);
}

static enum status kv_commit_rows(void *ctx, const struct kv_write *w, size_t n, kv_done *done,
                                  void *arg)
{
    struct rows *k = ctx;
    struct committed *c = malloc(sizeof *c);
    *c = (struct committed){done, arg};
    for (size_t i = 0; i < n; i++) {
        struct row *r = row_of(k, w[i].space, w[i].n);
        if (w[i].verb == KV_DROP) {
            if (r == NULL) continue;
            buf_free(&r->value);
            *r = k->list[--k->n];
            continue;
        }
        if (r == NULL) {
            assert_true(k->n < 64);
            r = &k->list[k->n++];
            *r = (struct row){.n = w[i].n};
            memcpy(r->space, w[i].space, KV_SPACE);
        }
        buf_clear(&r->value);
        buf_bytes(&r->value, w[i].value);
    }
    world_post(k->w, kv_is_done, c);
    return ST_OK;
}

/* ---- a node and its callers ---- */

struct town {
    struct world *w;
    struct mem_store store;
    struct rows rows;
    struct depot *d;
    uint8_t seeds[SEATS][32], seats[SEATS][32]; /* ascending */
    uint8_t ticket[GRANT_TICKET];
};

struct guest {
    struct town *t;
    struct depot_conn *c;
    struct buf said; /* type u8 | len u32 | payload */
    uint32_t req;
    unsigned ended;
};

static enum status on_send(void *ctx, uint8_t type, struct bytes payload)
{
    struct guest *g = ctx;
    buf_u8(&g->said, type);
    buf_u32(&g->said, (uint32_t)payload.n);
    buf_bytes(&g->said, payload);
    return ST_OK;
}

static void on_pause(void *ctx, bool stop)
{
    (void)ctx;
    (void)stop;
}

static void on_end(void *ctx)
{
    ((struct guest *)ctx)->ended++;
}

static void begin(struct town *t)
{
    static const struct kv_ops ops = {
        .get = kv_get_row, .scan = kv_scan_rows, .commit = kv_commit_rows};
    struct depot_config c = {.env = &t->w->env,
                             .kv = {&ops, &t->rows},
                             .store = mem_store_port(&t->store),
                             .work = t->w->work,
                             .most = MOST};
    memcpy(c.secret, secret, 32);
    memcpy(c.pin, pin, 32);
    t->d = depot_new(&c);
    assert_int_equal(depot_load(t->d), ST_OK);
    world_run(t->w);
}

static void again(struct town *t)
{
    depot_free(t->d);
    world_run(t->w);
    begin(t);
}

static void make_ticket(struct town *t, uint8_t nonce, uint64_t quota)
{
    uint8_t key[32], n[16] = {nonce};
    depot_ticket_key(secret, key);
    grant_ticket_make(key, quota, env_wall_ms(&t->w->env) + 30 * DAY, n, t->ticket);
}

static int setup(void **state)
{
    struct town *t = calloc(1, sizeof *t);
    if (crypto_start() != ST_OK) return 1;
    t->w = world_new(7);
    t->store.w = t->w;
    t->rows.w = t->w;
    for (size_t i = 0; i < SEATS; i++) {
        uint8_t seed[32], seat[32];
        memset(seed, (int)i + 1, 32);
        sign_public(seed, seat);
        size_t at = i;
        for (; at > 0 && memcmp(t->seats[at - 1], seat, 32) > 0; at--) {
            memcpy(t->seats[at], t->seats[at - 1], 32);
            memcpy(t->seeds[at], t->seeds[at - 1], 32);
        }
        memcpy(t->seats[at], seat, 32);
        memcpy(t->seeds[at], seed, 32);
    }
    make_ticket(t, 1, MOST);
    begin(t);
    *state = t;
    return 0;
}

static int teardown(void **state)
{
    struct town *t = *state;
    depot_free(t->d);
    world_run(t->w);
    for (size_t i = 0; i < t->rows.n; i++) buf_free(&t->rows.list[i].value);
    mem_store_free(&t->store);
    world_free(t->w);
    free(t);
    return 0;
}

static enum status say(struct guest *g, uint8_t type, const struct fields *f, const void *msg)
{
    struct buf b = BUF_INIT;
    assert_int_equal(fields_encode(f, msg, &b), ST_OK);
    enum status st = depot_frame(g->c, type, buf_view(&b));
    buf_free(&b);
    world_run(g->t->w);
    return st;
}

/* The next frame of this type; others before it are passed over. */
static bool heard(struct guest *g, uint8_t type, const struct fields *f, void *ret)
{
    static uint8_t frame[1 << 20];
    world_run(g->t->w);
    while (g->said.n > 0) {
        struct cursor c = cursor_of(buf_view(&g->said));
        uint8_t is = cursor_u8(&c);
        size_t n = cursor_u32(&c);
        cursor_copy(&c, frame, n);
        buf_consume(&g->said, 5 + n);
        if (is != type) continue;
        assert_int_equal(fields_decode(f, BYTES(frame, n), ret), ST_OK);
        return true;
    }
    return false;
}

static struct depot_state answer(struct guest *g, enum status want)
{
    struct depot_state m;
    assert_true(heard(g, DEPOT_STATE, &depot_state_fields, &m));
    assert_int_equal(m.req, g->req);
    assert_int_equal(m.result, holder_code(want));
    return m;
}

static void arrive(struct guest *g, struct town *t)
{
    const struct depot_wire wire = {on_send, on_pause, on_end, g};
    *g = (struct guest){.t = t};
    g->c = depot_open(t->d, &wire, exporter);
    assert_non_null(g->c);
}

static void come(struct guest *g, struct town *t, size_t seat, uint8_t room)
{
    struct depot_hello m = {.req = 1, .version = DEPOT_VERSION, .room = {room}};
    arrive(g, t);
    g->req = 1;
    memcpy(m.seat, t->seats[seat], 32);
    room_sign_attach(t->seeds[seat], m.room, exporter, pin, m.sig);
    assert_int_equal(say(g, DEPOT_HELLO, &depot_hello_fields, &m), ST_OK);
}

static void leave(struct guest *g)
{
    depot_close(g->c);
    world_run(g->t->w);
    buf_free(&g->said);
}

struct terms {
    uint8_t room;
    size_t seats, signers;
    uint64_t quota, days, version;
};

static void bring(struct guest *g, const struct terms *x)
{
    struct town *t = g->t;
    uint8_t sigs[SEATS * ROOM_SIG_ITEM];
    struct buf b = BUF_INIT;
    struct grant grant = {.version = GRANT_VERSION,
                          .room = {x->room},
                          .quota = x->quota,
                          .expiry = env_wall_ms(&t->w->env) + x->days * DAY,
                          .list_version = x->version,
                          .seats = {t->seats[0], x->seats},
                          .sigs = {sigs, x->signers}};
    memcpy(grant.pin, pin, 32);
    memcpy(grant.ticket, t->ticket, GRANT_TICKET);
    for (size_t i = 0; i < x->signers; i++) {
        memcpy(sigs + i * ROOM_SIG_ITEM, t->seats[i], 32);
        grant_sign(t->seeds[i], &grant, sigs + i * ROOM_SIG_ITEM + 32);
    }
    assert_int_equal(fields_encode(&grant_fields, &grant, &b), ST_OK);
    struct depot_grant m = {.req = ++g->req, .grant = buf_view(&b)};
    assert_int_equal(say(g, DEPOT_GRANT, &depot_grant_fields, &m), ST_OK);
    buf_free(&b);
}

/* A room of three seats, and its first caller. */
static void settle(struct town *t, struct guest *g)
{
    struct terms x = {1, 3, 2, 20 << 20, 90, 5};
    come(g, t, 0, 1);
    assert_int_equal(answer(g, ST_OK).known, 0);
    bring(g, &x);
    assert_int_equal(answer(g, ST_OK).seated, 1);
}

/* ---- shards: one column, one row ---- */

static enum status put(struct guest *g, uint8_t id)
{
    static uint8_t unit[SHARD_UNIT];
    uint8_t leaves[SEGMENT_UNIT_LEAVES * 32], root[32], trailer[SHARD_TRAILER_MAX], name[32] = {id};
    struct holder_open open = {.req = 1000U + id};
    struct holder_unit u = {.req = open.req, .unit = BYTES_OF(unit)};
    struct holder_status st;
    memset(unit, id, sizeof unit);
    segment_leaves(unit, SHARD_UNIT, leaves);
    merkle_root(leaves, SEGMENT_UNIT_LEAVES, root);
    size_t n = segment_trailer(root, 1, 0, SHARD_UNIT, trailer);
    struct holder_commit commit = {.req = open.req, .rows = 1, .trailer = BYTES(trailer, n)};
    segment_header(name, 0, 1, 1, open.header);
    enum status refused = say(g, HOLDER_PUT_OPEN, &holder_open_fields, &open);
    if (refused != ST_OK) return refused;
    assert_int_equal(say(g, HOLDER_PUT_UNIT, &holder_unit_fields, &u), ST_OK);
    assert_int_equal(say(g, HOLDER_PUT_COMMIT, &holder_commit_fields, &commit), ST_OK);
    assert_true(heard(g, HOLDER_STATUS, &holder_status_fields, &st));
    return holder_code_status(st.code);
}

static bool has(struct guest *g, uint8_t id)
{
    struct holder_segment m = {.req = 7, .segment_id = {id}};
    struct holder_had had;
    assert_int_equal(say(g, HOLDER_HAVE, &holder_segment_fields, &m), ST_OK);
    assert_true(heard(g, HOLDER_HAD, &holder_had_fields, &had));
    return had.bitmap == 1;
}

/* A live set of these ids, ascending, 0 ends them. */
static struct depot_state live(struct guest *g, const char *ids, uint64_t version, enum status want)
{
    uint8_t list[16][32] = {{0}};
    struct depot_live m = {
        .req = ++g->req, .list_version = version, .first = 1, .last = 1, .ids = {list[0], 0}};
    for (; ids[m.ids.n] != '\0'; m.ids.n++) list[m.ids.n][0] = (uint8_t)ids[m.ids.n];
    assert_int_equal(say(g, DEPOT_LIVE, &depot_live_fields, &m), ST_OK);
    return answer(g, want);
}

static void pass(struct town *t, uint64_t ms)
{
    t->w->now += ms;
    depot_tick(t->d);
    world_run(t->w);
}

/* ---- tests ---- */

static void strangers(void **state)
{
    struct town *t = *state;
    struct guest g;
    struct depot_hello m = {.req = 1, .version = DEPOT_VERSION, .room = {1}};
    struct holder_req space = {.req = 1};
    /* Nothing before a name, and no name without its key. */
    arrive(&g, t);
    assert_int_equal(say(&g, HOLDER_SPACE, &holder_req_fields, &space), ST_PROTOCOL);
    memcpy(m.seat, t->seats[0], 32);
    room_sign_attach(t->seeds[1], m.room, exporter, pin, m.sig);
    assert_int_equal(say(&g, DEPOT_HELLO, &depot_hello_fields, &m), ST_BAD_SIGNATURE);
    leave(&g);
    come(&g, t, 0, 1);
    assert_int_equal(say(&g, HOLDER_SPACE, &holder_req_fields, &space), ST_DENIED);
    assert_int_equal(put(&g, 'a'), ST_DENIED);
    /* It is shown out after a minute. */
    pass(t, DEPOT_STRANGER_MS);
    assert_int_equal(g.ended, 1);
    leave(&g);
    struct guest many[DEPOT_STRANGERS_MAX];
    for (size_t i = 0; i < DEPOT_STRANGERS_MAX; i++) arrive(&many[i], t);
    const struct depot_wire wire = {on_send, on_pause, on_end, &g};
    assert_null(depot_open(t->d, &wire, exporter));
    for (size_t i = 0; i < DEPOT_STRANGERS_MAX; i++) leave(&many[i]);
}

static void grants(void **state)
{
    struct town *t = *state;
    struct guest g, h;
    struct terms x = {1, 3, 1, 20 << 20, 90, 5};
    come(&g, t, 0, 1);
    answer(&g, ST_OK);
    bring(&g, &x); /* one of three */
    answer(&g, ST_DENIED);
    x.signers = 2;
    x.days = 92; /* too long */
    bring(&g, &x);
    answer(&g, ST_DENIED);
    x.days = 0; /* over */
    bring(&g, &x);
    answer(&g, ST_DENIED);
    x.days = 60;
    x.room = 2; /* of another room than the caller's */
    bring(&g, &x);
    answer(&g, ST_DENIED);
    x.room = 1;
    x.quota = MOST + 1; /* more than the ticket gives */
    bring(&g, &x);
    answer(&g, ST_QUOTA);
    x.quota = MOST / 2;
    t->ticket[0] ^= 1; /* a ticket that this node did not make */
    bring(&g, &x);
    answer(&g, ST_DENIED);
    t->ticket[0] ^= 1;
    bring(&g, &x);
    struct depot_state m = answer(&g, ST_OK);
    assert_int_equal(m.quota, MOST / 2);
    assert_int_equal(m.list_version, 5);

    /* The ticket is spent, and what is promised is promised. */
    come(&h, t, 3, 9);
    answer(&h, ST_OK);
    x.room = 9;
    bring(&h, &x);
    answer(&h, ST_DENIED);
    make_ticket(t, 2, MOST);
    x.quota = MOST / 2 + 1;
    bring(&h, &x);
    answer(&h, ST_QUOTA);
    leave(&h);

    /* Later terms renew; the same are nothing new, older ones are refused. */
    x = (struct terms){1, 3, 2, MOST / 4, 61, 5};
    bring(&g, &x);
    assert_int_equal(answer(&g, ST_OK).quota, MOST / 4);
    x.days = 10;
    bring(&g, &x);
    answer(&g, ST_REPLAY);
    again(t); /* closed all; what was acknowledged is still known */
    come(&h, t, 1, 1);
    m = answer(&h, ST_OK);
    assert_int_equal(m.known, 1);
    assert_int_equal(m.seated, 1);
    assert_int_equal(m.quota, MOST / 4);
    leave(&h);
    buf_free(&g.said);
}

static void seats(void **state)
{
    struct town *t = *state;
    struct guest g, h;
    uint8_t sigs[2 * ROOM_SIG_ITEM], zero[8] = {0};
    struct buf b = BUF_INIT;
    settle(t, &g);
    come(&h, t, 1, 1);
    assert_int_equal(answer(&h, ST_OK).seated, 1);
    assert_int_equal(put(&h, 'a'), ST_OK);
    /* The others take seat 1 out: anybody of the list may bring it; it is not served any more. */
    struct room_record r = {
        .version = 6, .kind = ROOM_RECORD_DROP, .proof = BYTES_OF(zero), .sigs = {sigs, 2}};
    uint8_t room[32] = {1};
    memcpy(r.seat, t->seats[1], 32);
    for (size_t i = 0; i < 2; i++) {
        memcpy(sigs + i * ROOM_SIG_ITEM, t->seats[2 * i], 32);
        room_sign_drop(t->seeds[2 * i], room, r.seat, sigs + i * ROOM_SIG_ITEM + 32);
    }
    assert_int_equal(fields_encode(&room_record_fields, &r, &b), ST_OK);
    struct depot_records m = {.req = ++g.req, .records = buf_view(&b)};
    b.p[b.n - 1] ^= 1;
    assert_int_equal(say(&g, DEPOT_RECORDS, &depot_records_fields, &m), ST_OK);
    assert_int_equal(answer(&g, ST_BAD_SIGNATURE).list_version,
                     5); /* a forged one changes nothing */
    b.p[b.n - 1] ^= 1;
    m.req = ++g.req;
    assert_int_equal(say(&g, DEPOT_RECORDS, &depot_records_fields, &m), ST_OK);
    assert_int_equal(answer(&g, ST_OK).list_version, 6);
    assert_int_equal(h.ended, 1);
    assert_int_equal(put(&h, 'b'), ST_DENIED);
    leave(&h);
    come(&h, t, 1, 1);
    assert_int_equal(answer(&h, ST_OK).seated, 0);
    leave(&h);
    assert_true(has(&g, 'a'));
    /* A seat has one link: the newer one. */
    come(&h, t, 0, 1);
    assert_int_equal(answer(&h, ST_OK).seated, 1);
    assert_int_equal(g.ended, 1);
    assert_int_equal(put(&g, 'c'), ST_DENIED);
    leave(&h);
    leave(&g);
    buf_free(&b);
}

static void quotas(void **state)
{
    struct town *t = *state;
    struct guest g;
    struct terms x = {1, 3, 2, 3 * SHARD_UNIT, 30, 5};
    come(&g, t, 0, 1);
    answer(&g, ST_OK);
    bring(&g, &x);
    answer(&g, ST_OK);
    assert_int_equal(put(&g, 'a'), ST_OK);
    assert_int_equal(put(&g, 'b'), ST_OK);
    assert_int_equal(put(&g, 'c'), ST_QUOTA);
    x.quota = 10 * SHARD_UNIT;
    x.days = 31;
    bring(&g, &x);
    answer(&g, ST_OK);
    assert_int_equal(put(&g, 'c'), ST_OK);
    /* Over: nothing more is taken, what is there is given. A week later it is gone. */
    pass(t, 31 * DAY + 1);
    assert_int_equal(put(&g, 'd'), ST_QUOTA);
    assert_true(has(&g, 'a'));
    pass(t, 7 * DAY + 1);
    assert_int_equal(g.ended, 1);
    assert_null(t->store.shards);
    leave(&g);
    come(&g, t, 0, 1);
    assert_int_equal(answer(&g, ST_OK).known, 0);
    bring(&g, &x); /* nor does the ticket open the door twice */
    answer(&g, ST_DENIED);
    leave(&g);
}

static void letting_go(void **state)
{
    struct town *t = *state;
    struct guest g, h;
    settle(t, &g);
    come(&h, t, 1, 1);
    answer(&h, ST_OK);
    assert_int_equal(put(&g, 'a'), ST_OK);
    assert_int_equal(put(&g, 'b'), ST_OK);
    pass(t, 8 * DAY);
    assert_int_equal(put(&g, 'y'), ST_OK); /* young: nobody's live set knows it yet */
    /* One alone throws nothing away, however often it says so; nor does one with another list. */
    assert_int_equal(live(&g, "a", 5, ST_OK).trash, 0);
    assert_int_equal(live(&g, "a", 5, ST_OK).trash, 0);
    live(&h, "a", 4, ST_CONFLICT);
    assert_int_equal(live(&h, "a", 5, ST_OK).trash, 1);
    /* Any seat takes it out again. */
    assert_true(has(&g, 'b'));
    assert_int_equal(live(&g, "ab", 5, ST_OK).trash, 0);
    assert_int_equal(live(&h, "a", 5, ST_OK).trash, 0); /* g wants it now */
    assert_int_equal(live(&g, "a", 5, ST_OK).trash, 1);
    again(t);
    buf_free(&g.said);
    buf_free(&h.said);
    come(&g, t, 0, 1);
    assert_int_equal(answer(&g, ST_OK).trash, 1); /* the trash is on disk */
    pass(t, 6 * DAY);
    assert_true(has(&g, 'b'));
    pass(t, DAY + 1);
    assert_false(has(&g, 'b'));
    assert_true(has(&g, 'a'));
    assert_true(has(&g, 'y'));
    /* A live set that is out of order is no live set. */
    uint8_t two[2][32] = {{'b'}, {'a'}};
    struct depot_live m = {.req = 9, .list_version = 5, .first = 1, .last = 1, .ids = {two[0], 2}};
    assert_int_equal(say(&g, DEPOT_LIVE, &depot_live_fields, &m), ST_PROTOCOL);
    leave(&g);
}

static void goodbye(void **state)
{
    struct town *t = *state;
    struct guest g;
    struct terms x = {1, 1, 1, 20 << 20, 90, 5};
    struct depot_bye m = {.list_version = 5};
    uint8_t room[32] = {1};
    come(&g, t, 0, 1);
    bring(&g, &x);
    assert_int_equal(put(&g, 'a'), ST_OK);
    buf_clear(&g.said);
    m.req = ++g.req;
    grant_bye_sign(t->seeds[0], room, 4, m.sig);
    assert_int_equal(say(&g, DEPOT_BYE, &depot_bye_fields, &m), ST_BAD_SIGNATURE);
    grant_bye_sign(t->seeds[0], room, 5, m.sig);
    assert_int_equal(say(&g, DEPOT_BYE, &depot_bye_fields, &m), ST_OK);
    assert_int_equal(answer(&g, ST_OK).known, 0);
    assert_null(t->store.shards);
    leave(&g);
    /* Not while others are there. */
    make_ticket(t, 3, MOST);
    uint8_t other[32] = {2};
    x = (struct terms){2, 3, 2, 20 << 20, 90, 5};
    come(&g, t, 0, 2);
    bring(&g, &x);
    buf_clear(&g.said);
    m.req = ++g.req;
    grant_bye_sign(t->seeds[0], other, 5, m.sig);
    assert_int_equal(say(&g, DEPOT_BYE, &depot_bye_fields, &m), ST_OK);
    assert_int_equal(answer(&g, ST_DENIED).known, 1);
    leave(&g);
}

static void rot(void **state)
{
    struct town *t = *state;
    struct guest g;
    struct depot_lost lost;
    settle(t, &g);
    assert_int_equal(put(&g, 'a'), ST_OK);
    assert_int_equal(put(&g, 'b'), ST_OK);
    for (struct mem_shard *s = t->store.shards; s != NULL; s = s->next)
        if (s->key.segment_id[0] == 'b') s->bytes[4711] ^= 1;
    buf_clear(&g.said);
    pass(t, SCRUB_EVERY_MS + 1);
    for (int i = 0; i < 4; i++) pass(t, SCRUB_STEP_MS);
    assert_true(heard(&g, DEPOT_LOST, &depot_lost_fields, &lost));
    assert_int_equal(lost.columns.n, 1);
    assert_int_equal(lost.columns.p[0], 'b');
    assert_true(has(&g, 'a'));
    assert_false(has(&g, 'b'));
    leave(&g);
    /* Said to the next one as well, until somebody has heard. */
    struct depot_heard heard_it = {.n = 1};
    come(&g, t, 1, 1);
    assert_true(heard(&g, DEPOT_LOST, &depot_lost_fields, &lost));
    heard_it.req = ++g.req;
    assert_int_equal(say(&g, DEPOT_HEARD, &depot_heard_fields, &heard_it), ST_OK);
    leave(&g);
    come(&g, t, 1, 1);
    assert_false(heard(&g, DEPOT_LOST, &depot_lost_fields, &lost));
    leave(&g);
}

/* What put() of this id left here, by the tree. */
static struct audit_segment column_of(const struct town *t, uint8_t id)
{
    struct audit_segment s = {.rows = 1, .k = 1, .n = 1};
    struct shard_trailer trailer;
    for (const struct mem_shard *m = t->store.shards; m != NULL; m = m->next) {
        if (m->key.segment_id[0] != id) continue;
        struct bytes bytes = BYTES(m->trailer, m->trailer_len);
        assert_int_equal(segment_trailer_read(bytes, 1, 1, &trailer), ST_OK);
        segment_root(trailer.root, 1, s.root);
    }
    return s;
}

static struct audit_challenge challenge(const struct audit_segment *s, uint8_t id)
{
    struct audit_challenge c = {
        .req = 77, .nonce = {9, id}, .segment_id = {id}, .count = 2, .wait_ms = 30000};
    memcpy(c.root, s->root, 32);
    return c;
}

static struct audit_answer asked(struct guest *g, const struct audit_challenge *c)
{
    struct audit_answer a;
    assert_int_equal(say(g, AUDIT_CHALLENGE, &audit_challenge_fields, c), ST_OK);
    assert_true(heard(g, AUDIT_ANSWER, &audit_answer_fields, &a));
    assert_int_equal(a.req, 77);
    return a;
}

/* It answers as members do, under the key of its pin, for the room: and what it says proves it. */
static void audits(void **state)
{
    struct town *t = *state;
    struct guest g, h;
    uint8_t key[32], room[32] = {1}, other[32] = {2};
    struct buf b = BUF_INIT;
    struct audit_proof p;
    uint32_t no;
    sign_public(secret, key);
    settle(t, &g);
    assert_int_equal(put(&g, 'a'), ST_OK);
    assert_int_equal(put(&g, 'b'), ST_OK);
    struct audit_segment s = column_of(t, 'a');
    struct audit_challenge c = challenge(&s, 'a');
    struct audit_answer a = asked(&g, &c);
    assert_int_equal(audit_check(room, key, &s, &c, &a, &no), AUDIT_RIGHT);
    assert_int_equal(audit_check(other, key, &s, &c, &a, &no), AUDIT_LATE);
    assert_int_equal(audit_check(room, pin, &s, &c, &a, &no), AUDIT_LATE);
    /* Of a segment whose root in the tree is another it says nothing that could be held against it. */
    struct audit_segment lie = s;
    lie.root[3] ^= 1;
    c = challenge(&lie, 'a');
    assert_int_equal(asked(&g, &c).code, AUDIT_CODE_OTHER);
    /* Rot, and a loss, are its own signed word. */
    s = column_of(t, 'b');
    for (struct mem_shard *m = t->store.shards; m != NULL; m = m->next)
        if (m->key.segment_id[0] == 'b') m->bytes[4711] ^= 1;
    c = challenge(&s, 'b');
    a = asked(&g, &c);
    assert_int_equal(audit_check(room, key, &s, &c, &a, &no), AUDIT_DAMAGED);
    assert_int_equal(audit_proof_make(0x1000, &c, &a, &b), ST_OK);
    assert_int_equal(fields_decode(&audit_proof_fields, buf_view(&b), &p), ST_OK);
    assert_int_equal(audit_proof_check(room, key, &s, &p, &no), AUDIT_DAMAGED);
    buf_free(&b);
    c = challenge(&s, 'x');
    a = asked(&g, &c);
    assert_int_equal(audit_check(room, key, &s, &c, &a, &no), AUDIT_GONE);
    /* A seat has its ration, over as many links as it likes; another seat has its own. */
    for (int i = 0; i < AUDIT_SERVE_BURST - 4; i++) asked(&g, &c);
    assert_int_equal(asked(&g, &c).code, AUDIT_CODE_BUSY);
    leave(&g);
    come(&g, t, 0, 1);
    assert_int_equal(asked(&g, &c).code, AUDIT_CODE_BUSY);
    come(&h, t, 1, 1);
    assert_int_equal(asked(&h, &c).code, AUDIT_CODE_GONE);
    c.count = 0;
    assert_int_equal(say(&h, AUDIT_CHALLENGE, &audit_challenge_fields, &c), ST_PROTOCOL);
    leave(&h);
    come(&h, t, 3, 1); /* no seat of this room */
    c.count = 1;
    assert_int_equal(say(&h, AUDIT_CHALLENGE, &audit_challenge_fields, &c), ST_DENIED);
    leave(&h);
    /* The node may go while it reads. */
    c = challenge(&s, 'b');
    pass(t, 2 * DAY);
    assert_int_equal(fields_encode(&audit_challenge_fields, &c, &b), ST_OK);
    assert_int_equal(depot_frame(g.c, AUDIT_CHALLENGE, buf_view(&b)), ST_OK);
    again(t);
    buf_free(&b);
    buf_free(&g.said);
}

static void rows_have_one_form(void **state)
{
    static const uint8_t bytes[DEPOT_TRASH_ITEM * 2] = {1};
    struct depot_row row = {.version = 1, .seats = {bytes, 2}, .used = {bytes, 1}};
    struct depot_trash trash = {.items = {bytes, 2}};
    (void)state;
    fields_mutate(&depot_row_fields, &row);
    fields_mutate(&depot_trash_fields, &trash);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(strangers, setup, teardown),
        cmocka_unit_test_setup_teardown(grants, setup, teardown),
        cmocka_unit_test_setup_teardown(seats, setup, teardown),
        cmocka_unit_test_setup_teardown(quotas, setup, teardown),
        cmocka_unit_test_setup_teardown(letting_go, setup, teardown),
        cmocka_unit_test_setup_teardown(goodbye, setup, teardown),
        cmocka_unit_test_setup_teardown(rot, setup, teardown),
        cmocka_unit_test_setup_teardown(audits, setup, teardown),
        cmocka_unit_test(rows_have_one_form),
    };
    return !!cmocka_run_group_tests(tests, NULL, NULL);
}
