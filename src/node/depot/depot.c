/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "node/depot/depot_private.h"

#include "crypto/hash.h"

#include <stdlib.h>
#include <string.h>

FIELDS_DEFINE(depot_row, DEPOT_ROW_FIELDS);
FIELDS_DEFINE(depot_trash, DEPOT_TRASH_FIELDS);

#define ROW_VERSION 1
#define EXPIRY_SLACK_MS (UINT64_C(3600) * 1000) /* of clocks */

static const uint8_t space_rooms[KV_SPACE] = "depot rooms";
static const uint8_t space_trash[KV_SPACE] = "depot trash";

void depot_ticket_key(const uint8_t secret[32], uint8_t ret[32])
{
    EXPAND_OF(ret, secret, BYTES_LIT("ENCLAVE offer"));
}

struct depot *depot_new(const struct depot_config *c)
{
    struct depot *d = calloc(1, sizeof *d);
    if (d == NULL) return NULL;
    d->c = *c;
    d->pending = 1; /* the owner's; depot_free takes it */
    d->sweep_ms = env_mono_ms(c->env) + DEPOT_SWEEP_MS;
    d->scrub_ms = UINT64_MAX;
    return d;
}

static void room_free(struct depot_room *r)
{
    audit_server_free(r->audit);
    buf_free(&r->askers);
    holder_free(r->holder);
    grant_seats_free(&r->seats);
    buf_free(&r->trash);
    buf_free(&r->lost);
    for (size_t i = 0; i < 2; i++) buf_free(&r->claims[i].ids);
    free(r);
}

void depot_release(struct depot *d)
{
    if (--d->pending) return;
    for (size_t i = 0; i < d->n; i++) room_free(d->rooms[i]);
    bytes_wipe(d->c.secret, sizeof d->c.secret);
    free(d);
}

void depot_free(struct depot *d)
{
    if (d == NULL) return;
    while (d->conns != NULL) depot_close(d->conns);
    for (size_t i = 0; i < d->n; i++) {
        depot_scrub_stop(d->rooms[i]);
        audit_server_free(d->rooms[i]->audit);
        d->rooms[i]->audit = NULL;
    }
    d->freed = true;
    depot_release(d);
}

struct depot_room *depot_room_of(struct depot *d, const uint8_t room[32])
{
    for (size_t i = 0; i < d->n; i++)
        if (memcmp(d->rooms[i]->room, room, 32) == 0) return d->rooms[i];
    return NULL;
}

/* ---- rooms ---- */

static void count_one(void *arg, const struct shard_key *key, uint64_t bytes, uint64_t stored_ms)
{
    struct depot_room *r = arg;
    (void)key;
    (void)stored_ms;
    holder_count(r->holder, bytes, false);
}

static void on_counted(void *arg, enum status st)
{
    struct depot_room *r = arg;
    (void)st;
    depot_release(r->d);
}

static struct depot_room *room_new(struct depot *d, const uint8_t room[32], uint64_t slot)
{
    uint8_t tag[32];
    struct depot_room *r = d->n < DEPOT_ROOMS_MAX ? calloc(1, sizeof *r) : NULL;
    if (r == NULL) return NULL;
    r->d = d;
    r->slot = slot;
    memcpy(r->room, room, 32);
    buf_init(&r->seats.used, (size_t)GRANT_USED_MAX * 32);
    buf_init(&r->askers, (size_t)AUDIT_ASKERS_MAX * 32);
    HMAC_OF(tag, BYTES_OF(d->c.secret), BYTES_LIT("ENCLAVE tag"), BYTES(room, 32));
    memcpy(r->tag, tag, SHARD_TAG);
    /* needed is NULL: nothing is dropped because one caller says so. */
    struct holder_config hc = {.store = d->c.store, .work = d->c.work, .quota = 1};
    memcpy(hc.tag, r->tag, SHARD_TAG);
    r->holder = holder_new(&hc);
    if (r->holder == NULL) {
        room_free(r);
        return NULL;
    }
    return r;
}

static void room_begin(struct depot_room *r)
{
    struct depot *d = r->d;
    d->rooms[d->n++] = r;
    if (r->slot >= d->next_slot) d->next_slot = r->slot + 1;
    depot_apply_quota(r);
    if (r->over) return;
    d->pending++;
    d->c.store.ops->list(d->c.store.ctx, r->tag, count_one, on_counted, r);
}

/* After the expiry nothing more is taken; what is there can be fetched until it is forgotten. */
void depot_apply_quota(struct depot_room *r)
{
    bool takes = !r->over && env_wall_ms(r->d->c.env) < r->expiry;
    holder_quota(r->holder, takes ? r->quota : 1);
}

static enum status load_row(struct depot *d, uint64_t slot, struct bytes value)
{
    struct depot_row row;
    struct buf b = BUF_INIT;
    struct depot_trash trash;
    enum status st = fields_decode(&depot_row_fields, value, &row);
    if (st != ST_OK) return st;
    if (row.version != ROW_VERSION) return ST_VERSION;
    struct depot_room *r = room_new(d, row.room, slot);
    if (r == NULL) return ST_NO_MEMORY;
    memcpy(r->ticket, row.ticket, GRANT_TICKET);
    r->over = row.over != 0;
    r->quota = row.quota;
    r->expiry = row.expiry;
    r->scrubbed_ms = row.scrubbed_ms;
    TRY(grant_seats_set(&r->seats, row.list_version, row.seats));
    buf_raw(&r->seats.used, row.used.p, row.used.n * 32);
    if (d->c.kv.ops->get(d->c.kv.ctx, space_trash, slot, &b) == ST_OK) {
        TRY(fields_decode(&depot_trash_fields, buf_view(&b), &trash));
        buf_raw(&r->trash, trash.items.p, trash.items.n * DEPOT_TRASH_ITEM);
    }
    st = buf_status(&r->trash);
out:
    buf_free(&b);
    if (st == ST_OK)
        room_begin(r);
    else
        room_free(r);
    return st;
}

struct loading {
    struct depot *d;
    enum status st;
};

static bool on_row(void *arg, uint64_t n, struct bytes value)
{
    struct loading *l = arg;
    l->st = load_row(l->d, n, value);
    return l->st == ST_OK;
}

enum status depot_load(struct depot *d)
{
    struct loading l = {d, ST_OK};
    enum status st = d->c.kv.ops->scan(d->c.kv.ctx, space_rooms, 0, on_row, &l);
    return st == ST_OK ? l.st : st;
}

enum status depot_save(struct depot_room *r, bool trash, kv_done *done, void *arg)
{
    struct depot *d = r->d;
    struct buf b = BUF_INIT, t = BUF_INIT;
    struct kv_write writes[2] = {{.verb = KV_PUT, .n = r->slot}, {.verb = KV_PUT, .n = r->slot}};
    struct depot_row row = {.version = ROW_VERSION,
                            .over = r->over,
                            .quota = r->quota,
                            .expiry = r->expiry,
                            .scrubbed_ms = r->scrubbed_ms,
                            .list_version = r->seats.version,
                            .seats = {r->seats.ids[0], r->seats.n},
                            .used = {r->seats.used.p, r->seats.used.n / 32}};
    struct depot_trash gone = {.items = {r->trash.p, r->trash.n / DEPOT_TRASH_ITEM}};
    enum status st;
    memcpy(row.room, r->room, 32);
    memcpy(row.ticket, r->ticket, GRANT_TICKET);
    memcpy(writes[0].space, space_rooms, KV_SPACE);
    memcpy(writes[1].space, space_trash, KV_SPACE);
    TRY(fields_encode(&depot_row_fields, &row, &b));
    TRY(fields_encode(&depot_trash_fields, &gone, &t));
    writes[0].value = buf_view(&b);
    writes[1].value = buf_view(&t);
    st = d->c.kv.ops->commit(d->c.kv.ctx, writes, trash ? 2 : 1, done, arg);
out:
    buf_free(&b);
    buf_free(&t);
    return st;
}

void depot_seats_changed(struct depot_room *r)
{
    for (size_t i = 0; i < 2; i++)
        if (!grant_seats_has(&r->seats, r->claims[i].seat)) r->claims[i].at_ms = 0;
    for (struct depot_conn *c = r->d->conns; c != NULL; c = c->next)
        if (c->hello && c->seated && memcmp(c->room_id, r->room, 32) == 0 &&
            (r->over || !grant_seats_has(&r->seats, c->seat))) {
            c->seated = false; /* what is on its way to us still is not served any more */
            c->wire.end(c->wire.ctx);
        }
}

/* ---- grants ---- */

static bool ticket_spent(const struct depot *d, const struct depot_room *r,
                         const uint8_t ticket[GRANT_TICKET])
{
    for (size_t i = 0; i < d->n; i++)
        if (d->rooms[i] != r && memcmp(d->rooms[i]->ticket, ticket, GRANT_TICKET) == 0) return true;
    return false;
}

static enum status judge_ticket(const struct depot *d, const struct depot_room *r,
                                const uint8_t ticket[GRANT_TICKET])
{
    uint8_t key[32];
    depot_ticket_key(d->c.secret, key);
    enum status st = grant_ticket_check(key, ticket);
    bytes_wipe(key, sizeof key);
    if (st != ST_OK) return st;
    if (!d->c.any_age && env_wall_ms(d->c.env) >= grant_ticket_expiry(ticket)) return ST_DENIED;
    return ticket_spent(d, r, ticket) ? ST_DENIED : ST_OK;
}

/* What is promised to the others stays theirs. */
static bool fits(const struct depot *d, const struct depot_room *r, uint64_t quota)
{
    uint64_t left = d->c.most;
    for (size_t i = 0; i < d->n; i++) {
        const struct depot_room *o = d->rooms[i];
        if (o == r || o->over) continue;
        left -= o->quota < left ? o->quota : left;
    }
    return quota <= left;
}

static enum status judge_terms(const struct depot *d, const uint8_t room[32], const struct grant *g)
{
    uint64_t now = env_wall_ms(d->c.env);
    if (g->version != GRANT_VERSION) return ST_VERSION;
    if (memcmp(g->room, room, 32) != 0 || memcmp(g->pin, d->c.pin, 32) != 0) return ST_DENIED;
    if (!grant_seats_ok(g->seats) || g->quota < SHARD_UNIT) return ST_BAD_MESSAGE;
    if (g->expiry <= now || g->expiry > now + GRANT_LIFE_MS + EXPIRY_SLACK_MS) return ST_DENIED;
    return ST_OK;
}

static enum status renew(struct depot_room *r, const struct grant *g)
{
    struct depot *d = r->d;
    enum status st;
    const uint8_t *ticket = r->ticket;
    if (r->over) return ST_DENIED;
    if (g->expiry <= r->expiry) return g->expiry == r->expiry ? ST_OK : ST_REPLAY;
    if (memcmp(g->ticket, r->ticket, GRANT_TICKET) != 0 && judge_ticket(d, r, g->ticket) == ST_OK)
        ticket = g->ticket; /* a newer offer, perhaps of more */
    if (g->quota > grant_ticket_quota(ticket) || !fits(d, r, g->quota)) return ST_QUOTA;
    TRY(grant_majority(g, (const uint8_t(*)[32])r->seats.ids, r->seats.n));
    if (g->list_version > r->seats.version)
        TRY(grant_seats_set(&r->seats, g->list_version, g->seats));
    memmove(r->ticket, ticket, GRANT_TICKET);
    r->quota = g->quota;
    r->expiry = g->expiry;
    depot_apply_quota(r);
    depot_seats_changed(r);
out:
    return st;
}

/* The first list vouches for itself: who has the ticket may bring any. */
static enum status admit(struct depot *d, const struct grant *g, struct depot_room **ret)
{
    enum status st;
    TRY(judge_ticket(d, NULL, g->ticket));
    if (g->quota > grant_ticket_quota(g->ticket) || !fits(d, NULL, g->quota)) return ST_QUOTA;
    TRY(grant_majority(g, (const uint8_t(*)[32])g->seats.p, g->seats.n));
    struct depot_room *r = room_new(d, g->room, d->next_slot);
    if (r == NULL) return d->n < DEPOT_ROOMS_MAX ? ST_NO_MEMORY : ST_QUOTA;
    st = grant_seats_set(&r->seats, g->list_version, g->seats);
    if (st != ST_OK) {
        room_free(r);
        return st;
    }
    memcpy(r->ticket, g->ticket, GRANT_TICKET);
    r->quota = g->quota;
    r->expiry = g->expiry;
    r->scrubbed_ms = env_wall_ms(d->c.env);
    room_begin(r);
    *ret = r;
    env_log(d->c.env, ENV_INFO, "depot", "an enclave of %zu was taken in, for %llu MB", g->seats.n,
            (unsigned long long)(g->quota / 1000000));
out:
    return st;
}

enum status depot_take_grant(struct depot *d, const uint8_t room[32], struct bytes bytes,
                             struct depot_room **ret)
{
    struct grant g;
    enum status st;
    TRY(fields_decode(&grant_fields, bytes, &g));
    TRY(judge_terms(d, room, &g));
    *ret = depot_room_of(d, room);
    st = *ret != NULL ? renew(*ret, &g) : admit(d, &g, ret);
out:
    return st;
}

/* ---- time ---- */

uint64_t depot_next_ms(const struct depot *d)
{
    uint64_t next = d->sweep_ms < d->scrub_ms ? d->sweep_ms : d->scrub_ms;
    for (const struct depot_conn *c = d->conns; c != NULL; c = c->next)
        if (!c->seated && c->born_ms + DEPOT_STRANGER_MS < next)
            next = c->born_ms + DEPOT_STRANGER_MS;
    return next;
}

static void room_dropped(void *arg, enum status st)
{
    struct depot *d = arg;
    (void)st;
    depot_release(d);
}

/* The row of a room that is over goes when its ticket opens nothing any more. */
static void drop_row(struct depot *d, size_t at)
{
    struct depot_room *r = d->rooms[at];
    struct kv_write writes[2] = {{.verb = KV_DROP, .n = r->slot}, {.verb = KV_DROP, .n = r->slot}};
    memcpy(writes[0].space, space_rooms, KV_SPACE);
    memcpy(writes[1].space, space_trash, KV_SPACE);
    d->pending++;
    if (d->c.kv.ops->commit(d->c.kv.ctx, writes, 2, room_dropped, d) != ST_OK) {
        d->pending--;
        return;
    }
    d->rooms[at] = d->rooms[--d->n];
    room_free(r);
}

static bool room_used(const struct depot *d, const struct depot_room *r)
{
    for (const struct depot_conn *c = d->conns; c != NULL; c = c->next)
        if (memcmp(c->room_id, r->room, 32) == 0) return true;
    return r->sweeping || r->scrub != NULL;
}

void depot_tick(struct depot *d)
{
    uint64_t now = env_mono_ms(d->c.env), wall = env_wall_ms(d->c.env);
    for (struct depot_conn *c = d->conns, *next; c != NULL; c = next) {
        next = c->next;
        if (!c->seated && now >= c->born_ms + DEPOT_STRANGER_MS) {
            c->born_ms = now; /* it is being closed: not asked again at once */
            c->wire.end(c->wire.ctx);
        }
    }
    depot_scrub_tick(d, now);
    if (now < d->sweep_ms) return;
    d->sweep_ms = now + DEPOT_SWEEP_MS;
    for (size_t i = d->n; i-- > 0;) {
        struct depot_room *r = d->rooms[i];
        depot_apply_quota(r);
        if (r->over ? !r->cleaned : wall >= r->expiry + GRANT_AFTER_MS)
            depot_forget(r);
        else if (r->over && wall >= grant_ticket_expiry(r->ticket) &&
                 wall >= r->expiry + GRANT_AFTER_MS && !room_used(d, r))
            drop_row(d, i);
        else if (!r->over)
            depot_sweep(r);
        if (i < d->n && d->rooms[i] == r && !r->over) depot_scrub(r, wall);
    }
}

size_t depot_list(const struct depot *d, void (*visit)(void *arg, const struct depot_view *v),
                  void *arg)
{
    size_t n = 0;
    for (size_t i = 0; i < d->n; i++) {
        const struct depot_room *r = d->rooms[i];
        struct depot_view v = {.quota = r->quota,
                               .used = holder_used(r->holder),
                               .expiry = r->expiry,
                               .seats = r->seats.n,
                               .trash = r->trash.n / DEPOT_TRASH_ITEM};
        if (r->over) continue;
        memcpy(v.tag, r->tag, SHARD_TAG);
        visit(arg, &v);
        n++;
    }
    return n;
}
