/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Callers: who they are, what they bring, and the shards they ask for. */
#include "node/depot/depot_private.h"

#include <stdlib.h>
#include <string.h>

struct depot_conn *depot_open(struct depot *d, const struct depot_wire *wire,
                              const uint8_t exporter[32])
{
    size_t strangers = 0;
    for (const struct depot_conn *c = d->conns; c != NULL; c = c->next) strangers += !c->seated;
    struct depot_conn *c = strangers < DEPOT_STRANGERS_MAX ? calloc(1, sizeof *c) : NULL;
    if (c == NULL) return NULL;
    c->d = d;
    c->wire = *wire;
    c->pending = 1; /* the link's own; depot_close takes it */
    c->born_ms = env_mono_ms(d->c.env);
    memcpy(c->exporter, exporter, 32);
    buf_init(&c->live, DEPOT_LIVE_ALL * 32);
    c->next = d->conns;
    d->conns = c;
    d->pending++;
    return c;
}

static void conn_release(struct depot_conn *c)
{
    struct depot *d = c->d;
    if (--c->pending) return;
    buf_free(&c->live);
    free(c);
    depot_release(d);
}

void depot_close(struct depot_conn *c)
{
    struct depot_conn **at = &c->d->conns;
    while (*at != c) at = &(*at)->next;
    *at = c->next;
    c->closed = true;
    depot_audit_gone(c);
    if (c->session != NULL) holder_close(c->session);
    c->session = NULL;
    conn_release(c);
}

void depot_writable(struct depot_conn *c)
{
    if (c->session != NULL) holder_writable(c->session);
    depot_audit_writable(c);
}

/* ---- answers ---- */

static struct depot_room *room_of(const struct depot_conn *c)
{
    struct depot_room *r = depot_room_of(c->d, c->room_id);
    return r != NULL && !r->over ? r : NULL;
}

static enum status holder_send(void *ctx, uint8_t type, struct bytes payload)
{
    struct depot_conn *c = ctx;
    return c->wire.send(c->wire.ctx, type, payload);
}

static void holder_pause(void *ctx, bool stop)
{
    struct depot_conn *c = ctx;
    c->wire.pause(c->wire.ctx, stop);
}

/* Is the caller's seat in the list now? Then it may have shards. */
static void look(struct depot_conn *c)
{
    struct depot_room *r = room_of(c);
    c->seated = r != NULL && grant_seats_has(&r->seats, c->seat);
    if (!c->seated || c->session != NULL) return;
    struct holder_wire wire = {holder_send, holder_pause, c};
    c->session = holder_open(r->holder, &wire);
}

static void tell(struct depot_conn *c, uint32_t req, enum status result)
{
    struct depot_state m = {.req = req, .result = holder_code(result)};
    struct buf b = BUF_INIT;
    struct shard_space space;
    if (c->closed) return;
    look(c);
    const struct depot_room *r = room_of(c);
    if (r != NULL) {
        c->d->c.store.ops->space(c->d->c.store.ctx, &space);
        m.known = 1;
        m.list_version = r->seats.version;
        m.expiry = r->expiry;
    }
    if (r != NULL && c->seated) {
        uint64_t used = holder_used(r->holder), left = r->quota > used ? r->quota - used : 0;
        m.seated = 1;
        m.quota = r->quota;
        m.used = used;
        m.free = left < space.free ? left : space.free;
        m.trash = (uint32_t)(r->trash.n / DEPOT_TRASH_ITEM);
    }
    /* A caller that leaves so many answers lying that the link is full does without this one. */
    if (fields_encode(&depot_state_fields, &m, &b) == ST_OK)
        (void)!c->wire.send(c->wire.ctx, DEPOT_STATE, buf_view(&b));
    buf_free(&b);
}

void depot_tell_lost(struct depot_conn *c)
{
    const struct depot_room *r = room_of(c);
    struct buf b = BUF_INIT;
    if (r == NULL || !c->seated || r->lost.n == 0) return;
    struct depot_lost m = {.columns = {r->lost.p, r->lost.n / DEPOT_LOST_ITEM}};
    if (fields_encode(&depot_lost_fields, &m, &b) == ST_OK)
        (void)!c->wire.send(c->wire.ctx, DEPOT_LOST, buf_view(&b));
    buf_free(&b);
}

/* An answer that waits for the disk. */
struct answer {
    struct depot_conn *c;
    uint32_t req;
    enum status result;
};

static struct answer *answer_new(struct depot_conn *c, uint32_t req, enum status result)
{
    struct answer *a = calloc(1, sizeof *a);
    if (a == NULL) return NULL;
    *a = (struct answer){c, req, result};
    c->pending++;
    return a;
}

static void on_saved(void *arg, enum status st)
{
    struct answer *a = arg;
    struct depot_conn *c = a->c;
    tell(c, a->req, st == ST_OK ? a->result : st);
    free(a);
    conn_release(c);
}

/* The room changed: told when it is on disk. */
static void save_and_tell(struct depot_conn *c, struct depot_room *r, bool trash, uint32_t req,
                          enum status result)
{
    struct answer *a = answer_new(c, req, result);
    enum status st = a == NULL ? ST_NO_MEMORY : depot_save(r, trash, on_saved, a);
    if (st == ST_OK) return;
    if (a != NULL) on_saved(a, st);
}

/* ---- requests ---- */

/* A seat has one link: after a broken line the older does not know that it is dead, and nobody holds the
 * memory of many. */
static void end_older(struct depot_conn *c)
{
    for (struct depot_conn *o = c->d->conns; o != NULL; o = o->next) {
        if (o == c || !o->hello || memcmp(o->room_id, c->room_id, 32) != 0 ||
            memcmp(o->seat, c->seat, 32) != 0)
            continue;
        o->seated = false;
        o->wire.end(o->wire.ctx);
    }
}

static enum status take_hello(struct depot_conn *c, struct bytes payload)
{
    struct depot_hello m;
    enum status st = fields_decode(&depot_hello_fields, payload, &m);
    if (st != ST_OK) return st;
    if (c->hello) return ST_PROTOCOL;
    if (m.version != DEPOT_VERSION) return ST_VERSION;
    st = room_verify_attach(m.seat, m.room, c->exporter, c->d->c.pin, m.sig);
    if (st != ST_OK) return st;
    c->hello = true;
    memcpy(c->room_id, m.room, 32);
    memcpy(c->seat, m.seat, 32);
    end_older(c);
    tell(c, m.req, ST_OK);
    depot_tell_lost(c);
    return ST_OK;
}

static enum status take_grant(struct depot_conn *c, struct bytes payload)
{
    struct depot_grant m;
    struct depot_room *r = NULL;
    enum status st = fields_decode(&depot_grant_fields, payload, &m);
    if (st != ST_OK) return st;
    st = depot_take_grant(c->d, c->room_id, m.grant, &r);
    if (st == ST_OK)
        save_and_tell(c, r, false, m.req, ST_OK);
    else
        tell(c, m.req, st);
    return ST_OK;
}

static enum status take_records(struct depot_conn *c, struct bytes payload)
{
    struct depot_records m;
    struct room_record record;
    enum status st = fields_decode(&depot_records_fields, payload, &m);
    if (st != ST_OK) return st;
    struct depot_room *r = room_of(c);
    if (r == NULL) {
        tell(c, m.req, ST_NOT_FOUND);
        return ST_OK;
    }
    uint64_t before = r->seats.version;
    struct cursor at = cursor_of(m.records);
    while (st == ST_OK && at.left > 0) {
        st = fields_read(&room_record_fields, &at, &record);
        if (st != ST_OK) return st;
        st = grant_follow(&r->seats, r->room, &record);
    }
    if (r->seats.version == before) {
        tell(c, m.req, st);
        return ST_OK;
    }
    look(c);
    depot_seats_changed(r);
    save_and_tell(c, r, false, m.req, st);
    return ST_OK;
}

static void on_live(void *arg, enum status st)
{
    struct answer *a = arg;
    struct depot_conn *c = a->c;
    struct depot_room *r = room_of(c);
    uint32_t req = a->req;
    free(a);
    if (st == ST_OK && r != NULL)
        save_and_tell(c, r, true, req, ST_OK);
    else
        tell(c, req, st);
    conn_release(c);
}

static bool ascending(const struct buf *have, struct list ids)
{
    const uint8_t *last = have->n >= 32 ? have->p + have->n - 32 : NULL;
    for (size_t i = 0; i < ids.n; i++) {
        if (last != NULL && memcmp(last, list_at(ids, i, 32), 32) >= 0) return false;
        last = list_at(ids, i, 32);
    }
    return true;
}

static enum status take_live(struct depot_conn *c, struct bytes payload)
{
    struct depot_live m;
    enum status st = fields_decode(&depot_live_fields, payload, &m);
    if (st != ST_OK) return st;
    struct depot_room *r = room_of(c);
    if (m.first) buf_clear(&c->live);
    if (m.first) c->living = true;
    if (!c->living || !ascending(&c->live, m.ids)) return ST_PROTOCOL;
    buf_raw(&c->live, m.ids.p, m.ids.n * 32);
    st = buf_status(&c->live);
    /* Who knows another list may know another tree. */
    if (st == ST_OK && m.list_version != r->seats.version) st = ST_CONFLICT;
    if (st != ST_OK || !m.last) {
        c->living = c->living && st == ST_OK;
        if (st != ST_OK) buf_free(&c->live);
        tell(c, m.req, st);
        return ST_OK;
    }
    c->living = false;
    struct answer *a = answer_new(c, m.req, ST_OK);
    st = a == NULL ? ST_NO_MEMORY : depot_live_take(r, c->seat, &c->live, on_live, a);
    if (st == ST_OK) return ST_OK;
    if (a != NULL) on_live(a, st);
    return ST_OK;
}

static enum status take_bye(struct depot_conn *c, struct bytes payload)
{
    struct depot_bye m;
    enum status st = fields_decode(&depot_bye_fields, payload, &m);
    if (st != ST_OK) return st;
    struct depot_room *r = room_of(c);
    if (r->seats.n != 1 || m.list_version != r->seats.version) {
        tell(c, m.req, ST_DENIED);
        return ST_OK;
    }
    st = grant_bye_verify(c->seat, r->room, m.list_version, m.sig);
    if (st != ST_OK) return st;
    holder_close(c->session);
    c->session = NULL;
    depot_forget(r);
    save_and_tell(c, r, false, m.req, ST_OK);
    return ST_OK;
}

static enum status take_heard(struct depot_conn *c, struct bytes payload)
{
    struct depot_heard m;
    enum status st = fields_decode(&depot_heard_fields, payload, &m);
    if (st != ST_OK) return st;
    struct depot_room *r = room_of(c);
    size_t n = (size_t)m.n * DEPOT_LOST_ITEM;
    buf_consume(&r->lost, n < r->lost.n ? n : r->lost.n);
    tell(c, m.req, ST_OK);
    return ST_OK;
}

enum status depot_frame(struct depot_conn *c, uint8_t type, struct bytes payload)
{
    if (type == DEPOT_HELLO) return take_hello(c, payload);
    if (!c->hello) return ST_PROTOCOL;
    if (type == DEPOT_GRANT) return take_grant(c, payload);
    if (type == DEPOT_RECORDS) return take_records(c, payload);
    if (!c->seated || c->session == NULL || room_of(c) == NULL) return ST_DENIED;
    switch (type) {
    case DEPOT_LIVE: return take_live(c, payload);
    case DEPOT_BYE: return take_bye(c, payload);
    case DEPOT_HEARD: return take_heard(c, payload);
    case AUDIT_CHALLENGE: return depot_audit(c, room_of(c), payload);
    default: return HOLDER_IS_REQUEST(type) ? holder_frame(c->session, type, payload) : ST_PROTOCOL;
    }
}
