/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "sim/vsentinel.h"

#include "core/feed/chain.h"
#include "store/room_sqlite_inner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct vjob {
    struct vjob *next;
    struct hub_job *job;
};

#define ASKED 16

/* A request whose answer may be cut short. */
struct asked {
    uint32_t req;
    uint8_t type, feed;
};

struct vconn {
    struct vconn *next;
    struct vbranch *b;
    struct link *link;
    struct hub_conn *hub;
    unsigned caller;
    struct buf held;    /* a push that comes late */
    uint32_t seats_req; /* the last SEATS that it asked; 0: answered */
    struct asked asked[ASKED];
    unsigned n_asked;
};

static struct hub_now now_of(const struct vsentinel *s)
{
    return (struct hub_now){env_wall_ms(&s->m.env), env_mono_ms(&s->m.env)};
}

static void must(enum status st, const char *what)
{
    if (st == ST_OK) return;
    fprintf(stderr, "sim: sentinel: %s: %s\n", what, status_text(st));
    abort();
}

/* ---- the store thread ---- */

static void run_batch(void *arg);

static void start_batch(struct vbranch *b)
{
    if (b->busy || !b->first) return;
    b->busy = true;
    vtime_at(b->s->m.time, rng_below(&b->s->m.rng, 4), &b->life, run_batch, NULL, b);
}

static void tell_batch(void *arg)
{
    struct vbranch *b = arg;
    struct vjob *j = b->synced;
    b->synced = NULL;
    b->busy = false;
    while (j) {
        struct vjob *next = j->next;
        hub_job_done(b->hub, j->job, now_of(b->s));
        free(j);
        j = next;
    }
    start_batch(b);
}

static void run_batch(void *arg)
{
    struct vbranch *b = arg;
    struct room_store store = room_sqlite_port(b->db);
    bool whole = true, erased = false;
    b->synced = b->first;
    b->first = b->last = NULL;
    must(store.ops->begin(store.ctx), "begin");
    for (struct vjob *j = b->synced; j && whole; j = j->next) {
        whole = hub_job_run(j->job, &b->rules);
        erased |= whole && hub_job_erased(j->job);
    }
    if (!whole) must(ST_BUG, "a transaction was lost");
    if (b->s->m.full) {
        store.ops->rollback(store.ctx);
        for (struct vjob *j = b->synced; j; j = j->next) hub_job_failed(j->job, ST_NO_SPACE);
    } else {
        must(store.ops->commit(store.ctx), "commit");
        if (erased) must(store.ops->scrub(store.ctx), "scrub");
    }
    vtime_at(b->s->m.time, rng_below(&b->s->m.rng, 8), &b->life, tell_batch, NULL, b);
}

static void jobs_free(struct vjob *j)
{
    while (j) {
        struct vjob *next = j->next;
        hub_job_free(j->job);
        free(j);
        j = next;
    }
}

/* ---- what the hub says ---- */

/* An answer to SEATS: from an older copy if there is one of this room, or with a lower version. */
static enum status send_seats(struct vbranch *b, struct vconn *c, struct room_reply *r)
{
    struct vsentinel *s = b->s;
    struct room_seat_list now, then;
    struct buf body = BUF_INIT, frame = BUF_INIT;
    if (fields_decode(&room_seat_list_fields, r->body, &now) != ST_OK) return ST_OK;
    if (s->seats.n > 0 &&
        fields_decode(&room_seat_list_fields, buf_view(&s->seats), &then) == ST_OK &&
        then.version < now.version) {
        buf_clear(&s->seats_was);
        buf_bytes(&s->seats_was, buf_view(&s->seats));
    }
    buf_clear(&s->seats);
    buf_bytes(&s->seats, r->body);
    bool old = s->seats_was.n > 0 && rng_chance(&s->m.rng, 500) &&
               fields_decode(&room_seat_list_fields, buf_view(&s->seats_was), &then) == ST_OK &&
               then.version < now.version;
    if (!old) {
        then = now;
        then.version -= then.version > 1;
    }
    must(fields_encode(&room_seat_list_fields, &then, &body), "seats");
    r->body = buf_view(&body);
    must(fields_encode(&room_reply_fields, r, &frame), "reply");
    s->old_seats_shown++;
    s->old_seats_version = then.version;
    enum status st = vnet_send(c->link, ROOM_REPLY, buf_view(&frame));
    buf_free(&body);
    buf_free(&frame);
    return st;
}

/* ---- a feed that ends early ---- */

static bool holds(const struct vconn *c)
{
    return !c->b->s->forked && (c->b->s->hold.machines >> c->caller & 1U);
}

static void note_asked(struct vconn *c, uint8_t type, struct bytes payload)
{
    struct room_read read;
    struct asked *a = &c->asked[c->n_asked % ASKED];
    if (payload.n < 4) return;
    *a = (struct asked){get_u32(payload.p), type, 0};
    if (type == ROOM_READ) {
        if (fields_decode(&room_read_fields, payload, &read) != ST_OK) return;
        a->feed = read.feed;
    }
    c->n_asked++;
}

static const struct asked *asked_of(const struct vconn *c, uint32_t req)
{
    for (size_t i = 0; i < ASKED; i++)
        if (c->asked[i].req == req) return &c->asked[i];
    return NULL;
}

static bool cut_reading(struct vsentinel *s, struct bytes body, struct buf *out)
{
    struct room_reading in;
    struct room_item item;
    if (fields_decode(&room_reading_fields, body, &in) != ST_OK || in.count <= s->hold.head.count ||
        in.start > s->hold.head.count)
        return false;
    struct cursor c = cursor_of(in.entries);
    for (uint64_t at = in.start; at < s->hold.head.count && c.left > 0; at++)
        if (fields_read(&room_item_fields, &c, &item) != ST_OK) return false;
    in.entries.n -= c.left;
    in.count = s->hold.head.count;
    must(fields_encode(&room_reading_fields, &in, out), "reading");
    return true;
}

static bool cut_heads(struct vsentinel *s, struct bytes body, struct buf *out)
{
    struct room_attached in;
    uint8_t heads[ROOM_FEEDS * ROOM_HEAD_ITEM];
    if (fields_decode(&room_attached_fields, body, &in) != ST_OK || in.heads.n != ROOM_FEEDS ||
        room_head_at(in.heads, s->hold.feed).count <= s->hold.head.count)
        return false;
    memcpy(heads, in.heads.p, sizeof heads);
    struct room_head head = s->hold.head;
    head.first = room_head_at(in.heads, s->hold.feed).first;
    room_head_put(&head, heads + s->hold.feed * ROOM_HEAD_ITEM);
    in.heads.p = heads;
    must(fields_encode(&room_attached_fields, &in, out), "heads");
    return true;
}

/* true: sent, or kept back, as it is told. */
static bool send_held(struct vconn *c, uint8_t type, struct bytes payload, enum status *ret)
{
    struct vsentinel *s = c->b->s;
    struct room_entry entry;
    struct room_reply r;
    struct buf body = BUF_INIT, frame = BUF_INIT;
    *ret = ST_OK;
    if (type == ROOM_ENTRY) {
        bool kept = fields_decode(&room_entry_fields, payload, &entry) == ST_OK &&
                    entry.feed == s->hold.feed && entry.index >= s->hold.head.count;
        s->held += kept;
        return kept;
    }
    if (type != ROOM_REPLY || fields_decode(&room_reply_fields, payload, &r) != ST_OK ||
        r.result != 0)
        return false;
    const struct asked *a = asked_of(c, r.req);
    bool cut = false;
    if (a && a->type == ROOM_READ && a->feed == s->hold.feed) cut = cut_reading(s, r.body, &body);
    if (a && a->type != ROOM_READ) cut = cut_heads(s, r.body, &body);
    if (cut) {
        s->held++;
        r.body = buf_view(&body);
        must(fields_encode(&room_reply_fields, &r, &frame), "reply");
        *ret = vnet_send(c->link, type, buf_view(&frame));
    }
    buf_free(&body);
    buf_free(&frame);
    return cut;
}

static enum status out_send(void *ctx, void *handle, uint8_t type, struct bytes payload)
{
    struct vbranch *b = ctx;
    struct vconn *c = handle;
    struct room_reply r;
    enum status sent;
    if (holds(c) && send_held(c, type, payload, &sent)) return sent;
    if (type == ROOM_REPLY && c->seats_req != 0 &&
        fields_decode(&room_reply_fields, payload, &r) == ST_OK && r.req == c->seats_req &&
        r.result == 0) {
        c->seats_req = 0;
        if (b->s->old_seats >> c->caller & 1U) return send_seats(b, c, &r);
        buf_clear(&b->s->seats);
        buf_bytes(&b->s->seats, r.body);
    }
    if (type == ROOM_ENTRY && (b->s->withhold >> c->caller & 1U)) return ST_OK;
    if (type == ROOM_ENTRY && b->s->shuffle && rng_chance(&b->s->m.rng, 300)) {
        buf_clear(&c->held);
        buf_bytes(&c->held, payload);
        return ST_OK;
    }
    enum status st = vnet_send(c->link, type, payload);
    if (st == ST_OK && type == ROOM_ENTRY && c->held.n > 0) {
        st = vnet_send(c->link, type, buf_view(&c->held));
        buf_clear(&c->held);
    }
    return st;
}

static void out_close(void *ctx, void *handle, enum status why)
{
    struct vconn *c = handle;
    (void)ctx;
    (void)why;
    vnet_close(c->link);
}

static void out_pause(void *ctx, void *handle, bool stop)
{
    struct vconn *c = handle;
    (void)ctx;
    vnet_pause(c->link, stop);
}

static void out_job(void *ctx, struct hub_job *job)
{
    struct vbranch *b = ctx;
    struct vjob *j = sim_alloc(sizeof *j);
    j->job = job;
    if (b->last)
        b->last->next = j;
    else
        b->first = j;
    b->last = j;
    start_batch(b);
}

/* ---- connections ---- */

static void on_opened(void *arg, struct link *l, const struct link_peer *peer)
{
    struct vconn *c = arg;
    c->hub = hub_join(c->b->hub, c, peer->exporter, peer->spki, now_of(c->b->s));
    if (!c->hub) vnet_close(l);
}

/* true: answered here, the hub does not see it. */
static bool misdeed(struct vconn *c, const struct room_append *msg)
{
    struct vsentinel *s = c->b->s;
    struct room_spot spot = {.index = msg->index};
    struct buf body = BUF_INIT, frame = BUF_INIT;
    enum vsentinel_deed deed = s->on_append(s->on_append_arg, c->caller, msg);
    if (deed == VSENTINEL_HONEST) return false;
    chain_step(msg->chain, msg->sealed, spot.chain);
    must(fields_encode(&room_spot_fields, &spot, &body), "spot");
    struct room_reply r = {.req = msg->req,
                           .result = (uint8_t)(deed == VSENTINEL_DROP ? ST_OK : ST_BUSY)};
    if (deed == VSENTINEL_DROP) r.body = buf_view(&body);
    must(fields_encode(&room_reply_fields, &r, &frame), "reply");
    vnet_send(c->link, ROOM_REPLY, buf_view(&frame));
    buf_free(&body);
    buf_free(&frame);
    return true;
}

static void on_frame(void *arg, struct link *l, uint8_t type, struct bytes payload)
{
    struct vconn *c = arg;
    struct room_append msg;
    struct room_seats seats;
    (void)l;
    if (type == ROOM_APPEND && c->b->s->on_append &&
        fields_decode(&room_append_fields, payload, &msg) == ST_OK && misdeed(c, &msg))
        return;
    if (type == ROOM_SEATS && fields_decode(&room_seats_fields, payload, &seats) == ST_OK)
        c->seats_req = seats.req;
    if (type == ROOM_READ || type == ROOM_ATTACH || type == ROOM_SUBSCRIBE)
        note_asked(c, type, payload);
    if (c->hub) hub_frame(c->b->hub, c->hub, type, payload, now_of(c->b->s));
}

static void on_writable(void *arg, struct link *l)
{
    struct vconn *c = arg;
    (void)l;
    if (c->hub) hub_writable(c->b->hub, c->hub);
}

static void conn_forget(struct vconn *c)
{
    struct vconn **p = &c->b->s->conns;
    while (*p && *p != c) p = &(*p)->next;
    if (*p) *p = c->next;
    buf_free(&c->held);
    free(c);
}

static void on_closed(void *arg, struct link *l, enum status why)
{
    struct vconn *c = arg;
    (void)l;
    (void)why;
    if (c->hub) hub_gone(c->b->hub, c->hub, now_of(c->b->s));
    conn_forget(c);
}

static const struct link_events conn_events = {on_opened, on_frame, on_writable, on_closed};

static const struct link_events *on_accept(void *arg, struct link *l, unsigned caller,
                                           void **ret_arg)
{
    struct vsentinel *s = arg;
    struct vconn *c = sim_alloc(sizeof *c);
    c->b = &s->branch[s->forked && (s->branch_of >> caller & 1U) ? 1 : 0];
    c->link = l;
    c->caller = caller;
    c->next = s->conns;
    s->conns = c;
    *ret_arg = c;
    return &conn_events;
}

/* ---- life ---- */

static void branch_open(struct vbranch *b)
{
    const struct hub_output out = {out_send, out_close, out_pause, out_job, b};
    b->hub = hub_new(&b->s->limits, &out);
    if (!b->hub) must(ST_NO_MEMORY, "hub");
    b->rules = (struct rules){room_sqlite_port(b->db), b->s->limits};
}

static void branch_close(struct vbranch *b)
{
    jobs_free(b->first);
    jobs_free(b->synced);
    b->first = b->last = b->synced = NULL;
    b->busy = false;
    b->life++;
    if (b->hub) hub_free(b->hub);
    b->hub = NULL;
}

static struct room_sqlite *db_new(void)
{
    struct room_sqlite *db = NULL;
    must(room_sqlite_open(":memory:", &db), "store");
    return db;
}

static void db_copy(struct room_sqlite *to, struct room_sqlite *from)
{
    sqlite3_backup *b = sqlite3_backup_init(to->db, "main", from->db, "main");
    if (!b || sqlite3_backup_step(b, -1) != SQLITE_DONE) must(ST_IO, "copy");
    sqlite3_backup_finish(b);
    to->last_no = 0;
}

void vsentinel_init(struct vsentinel *s, unsigned index, struct vnet *net, uint64_t seed,
                    machine_log *log, void *log_arg)
{
    memset(s, 0, sizeof *s);
    machine_init(&s->m, index, "sentinel.sim", net->time, seed, log, log_arg);
    s->net = net;
    memset(s->pin, 0x5E, sizeof s->pin);
    room_limits_default(&s->limits);
    /* In some worlds feed 1 is full soon. */
    if (seed % 3 == 1) s->limits.feed_bytes[FEED_MAIL] = UINT64_C(1) << 20;
    for (unsigned i = 0; i < VSENTINEL_BRANCHES; i++) s->branch[i].s = s;
    s->branch[0].db = db_new();
    struct vnet_server server = {.m = &s->m, .accept = on_accept, .arg = s};
    snprintf(server.address, sizeof server.address, "%s", VSENTINEL_ADDRESS);
    memcpy(server.pin, s->pin, 32);
    vnet_serve(net, &server);
}

void vsentinel_boot(struct vsentinel *s)
{
    machine_boot(&s->m);
    branch_open(&s->branch[0]);
    if (s->forked) branch_open(&s->branch[1]);
}

void vsentinel_crash(struct vsentinel *s)
{
    machine_crash(&s->m);
    branch_close(&s->branch[0]);
    if (s->forked) branch_close(&s->branch[1]);
    vnet_crash(s->net, &s->m);
    while (s->conns) conn_forget(s->conns);
}

void vsentinel_free(struct vsentinel *s)
{
    branch_close(&s->branch[0]);
    branch_close(&s->branch[1]);
    for (unsigned i = 0; i < VSENTINEL_BRANCHES; i++)
        if (s->branch[i].db) room_sqlite_close(s->branch[i].db);
    if (s->backup) room_sqlite_close(s->backup);
    vsentinel_forget_seats(s);
    while (s->conns) conn_forget(s->conns);
}

uint64_t vsentinel_next_ms(const struct vsentinel *s)
{
    uint64_t next = UINT64_MAX, zero = s->m.boot_ms;
    if (!s->m.up) return next;
    for (unsigned i = 0; i < VSENTINEL_BRANCHES; i++) {
        const struct vbranch *b = &s->branch[i];
        uint64_t at = b->hub ? hub_next_ms(b->hub) : UINT64_MAX;
        if (at == UINT64_MAX) continue;
        at = at < 1000 ? zero : at - 1000 + zero; /* the machine's clock began at 1000 */
        if (at < next) next = at;
    }
    return next;
}

void vsentinel_tick(struct vsentinel *s)
{
    for (unsigned i = 0; i < VSENTINEL_BRANCHES && s->m.up; i++)
        if (s->branch[i].hub) hub_tick(s->branch[i].hub, now_of(s));
}

void vsentinel_push_seats(struct vsentinel *s, unsigned machines)
{
    struct room_seats_changed msg = {.version = 1};
    struct buf frame = BUF_INIT;
    must(fields_encode(&room_seats_changed_fields, &msg, &frame), "push");
    for (struct vconn *c = s->conns; c; c = c->next)
        if (machines >> c->caller & 1U) vnet_send(c->link, ROOM_SEATS_CHANGED, buf_view(&frame));
    buf_free(&frame);
}

void vsentinel_forget_seats(struct vsentinel *s)
{
    buf_free(&s->seats);
    buf_free(&s->seats_was);
}

void vsentinel_kick(struct vsentinel *s, unsigned machines)
{
    for (struct vconn *c = s->conns; c; c = c->next)
        if (machines >> c->caller & 1U) vnet_close(c->link);
}

void vsentinel_fork(struct vsentinel *s, unsigned machines)
{
    struct vbranch *b = &s->branch[1];
    unsigned before = s->branch_of;
    s->branch_of = machines;
    if (machines && !s->forked) {
        b->db = db_new();
        db_copy(b->db, s->branch[0].db);
        if (s->m.up) branch_open(b);
        s->forked = true;
    }
    /* Who is on the wrong branch dials again. The copy stays until the next fork, unreachable. */
    vsentinel_kick(s, before ^ machines);
    if (machines || !s->forked) return;
    for (struct vconn *c = s->conns; c; c = c->next)
        if (c->b == b && c->hub) {
            hub_gone(b->hub, c->hub, now_of(s));
            c->hub = NULL;
        }
    if (b->hub) branch_close(b);
    room_sqlite_close(b->db);
    b->db = NULL;
    s->forked = false;
}

void vsentinel_backup(struct vsentinel *s)
{
    if (!s->backup) s->backup = db_new();
    db_copy(s->backup, s->branch[0].db);
}

bool vsentinel_restore(struct vsentinel *s)
{
    bool up = s->m.up;
    if (!s->backup || s->forked) return false;
    if (up) vsentinel_crash(s);
    db_copy(s->branch[0].db, s->backup);
    if (up) vsentinel_boot(s);
    return true;
}

bool vsentinel_feed(struct vsentinel *s, const uint8_t room[32], uint8_t feed,
                    struct room_feed_row *ret)
{
    struct room_store store = room_sqlite_port(s->branch[0].db);
    return store.ops->feed_get(store.ctx, room, feed, ret) == ST_OK;
}

uint64_t vsentinel_forge(struct vsentinel *s, const uint8_t room[32], uint8_t feed,
                         struct bytes sealed)
{
    struct room_store store = room_sqlite_port(s->branch[0].db);
    struct room_feed_row row;
    must(store.ops->begin(store.ctx), "begin");
    must(store.ops->feed_get(store.ctx, room, feed, &row), "feed");
    struct room_entry_row e = {
        .index = row.count, .time_ms = env_wall_ms(&s->m.env), .sealed = sealed};
    chain_step(row.chain, sealed, row.chain);
    memcpy(e.chain, row.chain, 32);
    row.count++;
    row.bytes += sealed.n;
    must(store.ops->entry_add(store.ctx, room, feed, &e), "entry");
    must(store.ops->feed_put(store.ctx, room, feed, &row), "feed");
    must(store.ops->commit(store.ctx), "commit");
    vsentinel_kick(s, ~0U); /* all read it when they are back */
    return e.index;
}

uint64_t vsentinel_rooms(struct vsentinel *s)
{
    struct room_store store = room_sqlite_port(s->branch[0].db);
    uint64_t n = 0;
    return store.ops->rooms(store.ctx, &n) == ST_OK ? n : 0;
}
