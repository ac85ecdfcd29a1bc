/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Letting go. Each seat says what the tree needs; what two seats leave out goes into the trash, and 7
 * days later from the disk. A segment in the trash is still served, and a live set of any seat that
 * names it takes it out again. */
#include "node/depot/depot_private.h"

#include <stdlib.h>
#include <string.h>

size_t depot_seek(struct bytes items, size_t size, const uint8_t id[32], bool *ret_found)
{
    size_t lo = 0, hi = items.n / size;
    *ret_found = false;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int order = memcmp(items.p + mid * size, id, 32);
        if (order == 0) *ret_found = true;
        if (order < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static bool among(const struct buf *ids, const uint8_t id[32])
{
    bool found;
    depot_seek(buf_view(ids), 32, id, &found);
    return found;
}

/* ---- live sets ---- */

struct live {
    struct depot_room *r;
    uint8_t seat[32];
    uint64_t now;
    struct buf ids;
    struct buf absent; /* as they come */
    depot_live_done *done;
    void *arg;
};

static int by_id(const void *a, const void *b)
{
    return memcmp(a, b, 32);
}

static void sort_ids(struct buf *ids)
{
    size_t n = 0;
    if (ids->n == 0) return;
    qsort(ids->p, ids->n / 32, 32, by_id);
    for (size_t i = 0; i < ids->n / 32; i++) /* a segment has several columns here */
        if (n == 0 || memcmp(ids->p + (n - 1) * 32, ids->p + i * 32, 32) != 0)
            memmove(ids->p + n++ * 32, ids->p + i * 32, 32);
    ids->n = n * 32;
}

static void trash_put(struct depot_room *r, const uint8_t id[32], uint64_t now)
{
    bool found;
    size_t at = depot_seek(buf_view(&r->trash), DEPOT_TRASH_ITEM, id, &found) * DEPOT_TRASH_ITEM;
    if (found || r->trash.n / DEPOT_TRASH_ITEM >= DEPOT_TRASH_MAX) return;
    size_t rest = r->trash.n - at;
    if (buf_space(&r->trash, DEPOT_TRASH_ITEM) == NULL) return;
    memmove(r->trash.p + at + DEPOT_TRASH_ITEM, r->trash.p + at, rest);
    memcpy(r->trash.p + at, id, 32);
    put_u64(r->trash.p + at + 32, now);
}

static void trash_keep(struct depot_room *r, const struct buf *needed)
{
    size_t n = 0;
    for (size_t i = 0; i < r->trash.n; i += DEPOT_TRASH_ITEM)
        if (!among(needed, r->trash.p + i)) {
            memmove(r->trash.p + n, r->trash.p + i, DEPOT_TRASH_ITEM);
            n += DEPOT_TRASH_ITEM;
        }
    r->trash.n = n;
}

static struct depot_claim *claim_of_other(struct depot_room *r, const uint8_t seat[32],
                                          uint64_t now)
{
    for (size_t i = 0; i < 2; i++) {
        struct depot_claim *c = &r->claims[i];
        if (c->at_ms != 0 && now < c->at_ms + DEPOT_LEASE_MS && memcmp(c->seat, seat, 32) != 0)
            return c;
    }
    return NULL;
}

/* The seat's own older claim gives way, else the oldest. */
static void claim_keep(struct depot_room *r, struct live *l)
{
    struct depot_claim *c = &r->claims[r->claims[1].at_ms < r->claims[0].at_ms];
    for (size_t i = 0; i < 2; i++)
        if (memcmp(r->claims[i].seat, l->seat, 32) == 0) c = &r->claims[i];
    buf_free(&c->ids);
    c->ids = l->absent;
    l->absent = BUF_INIT;
    c->at_ms = l->now;
    memcpy(c->seat, l->seat, 32);
}

static void judge(struct depot_room *r, struct live *l)
{
    const struct depot_claim *other = claim_of_other(r, l->seat, l->now);
    trash_keep(r, &l->ids);
    for (size_t i = 0; i + 32 <= l->absent.n; i += 32)
        if (r->seats.n == 1 || (other != NULL && among(&other->ids, l->absent.p + i)))
            trash_put(r, l->absent.p + i, l->now);
    claim_keep(r, l);
}

static void on_shard(void *arg, const struct shard_key *key, uint64_t bytes, uint64_t stored_ms)
{
    struct live *l = arg;
    (void)bytes;
    if (l->now < stored_ms + DEPOT_LEASE_MS || among(&l->ids, key->segment_id)) return;
    buf_raw(&l->absent, key->segment_id, 32);
}

static void on_listed(void *arg, enum status st)
{
    struct live *l = arg;
    struct depot_room *r = l->r;
    struct depot *d = r->d;
    if (st == ST_OK) st = buf_status(&l->absent);
    /* It may have been dropped, or the room given up, while the disk was read. */
    if (st == ST_OK && (r->over || !grant_seats_has(&r->seats, l->seat))) st = ST_DENIED;
    if (st == ST_OK) {
        sort_ids(&l->absent);
        judge(r, l);
    }
    r->sweeping = false;
    l->done(l->arg, st);
    buf_free(&l->ids);
    buf_free(&l->absent);
    free(l);
    depot_release(d);
}

enum status depot_live_take(struct depot_room *r, const uint8_t seat[32], struct buf *ids,
                            depot_live_done *done, void *arg)
{
    struct depot *d = r->d;
    if (r->sweeping) return ST_BUSY;
    struct live *l = calloc(1, sizeof *l);
    if (l == NULL) return ST_NO_MEMORY;
    l->r = r;
    memcpy(l->seat, seat, 32);
    l->now = env_wall_ms(d->c.env);
    l->ids = *ids;
    buf_init(ids, DEPOT_LIVE_ALL * 32);
    l->done = done;
    l->arg = arg;
    r->sweeping = true;
    d->pending++;
    d->c.store.ops->list(d->c.store.ctx, r->tag, on_shard, on_listed, l);
    return ST_OK;
}

/* ---- dropping ---- */

struct sweep {
    struct depot_room *r;
    uint64_t now;
    bool all;
    size_t left; /* drops under way, and the sweep itself */
    size_t dropped;
    enum status st;  /* of the first drop that failed */
    struct buf keys; /* struct shard_key and u64 bytes, back to back */
};

struct doomed {
    struct shard_key key;
    uint64_t bytes;
};

static void swept(void *arg, enum status st)
{
    struct depot *d = arg;
    (void)st;
    depot_release(d);
}

static void sweep_end(struct sweep *s)
{
    struct depot_room *r = s->r;
    struct depot *d = r->d;
    if (--s->left) return;
    /* What was due is gone from the disk: now it goes from the list. */
    size_t n = 0;
    for (size_t i = 0; i < r->trash.n; i += DEPOT_TRASH_ITEM)
        if (!s->all && s->now < get_u64(r->trash.p + i + 32) + DEPOT_TRASH_MS) {
            memmove(r->trash.p + n, r->trash.p + i, DEPOT_TRASH_ITEM);
            n += DEPOT_TRASH_ITEM;
        }
    r->trash.n = n;
    r->sweeping = false;
    r->cleaned = s->all && s->st == ST_OK;
    if (s->dropped > 0)
        env_log(d->c.env, ENV_INFO, "depot", "%zu shards nobody needs were dropped", s->dropped);
    /* The reference that the sweep held is the commit's now. */
    if (depot_save(r, true, swept, d) != ST_OK) depot_release(d);
    buf_free(&s->keys);
    free(s);
}

static void on_dropped(void *arg, enum status st)
{
    struct sweep *s = arg;
    if (s->st == ST_OK) s->st = st;
    sweep_end(s);
}

static bool due(const struct sweep *s, const uint8_t id[32])
{
    bool found;
    const struct buf *t = &s->r->trash;
    size_t at = depot_seek(buf_view(t), DEPOT_TRASH_ITEM, id, &found) * DEPOT_TRASH_ITEM;
    return found && s->now >= get_u64(t->p + at + 32) + DEPOT_TRASH_MS;
}

static void on_old(void *arg, const struct shard_key *key, uint64_t bytes, uint64_t stored_ms)
{
    struct sweep *s = arg;
    struct doomed one = {*key, bytes};
    (void)stored_ms;
    if (s->all || due(s, key->segment_id)) buf_raw(&s->keys, &one, sizeof one);
}

static void on_sweep_listed(void *arg, enum status st)
{
    struct sweep *s = arg;
    struct depot_room *r = s->r;
    const struct shard_store *store = &r->d->c.store;
    s->st = st == ST_OK ? buf_status(&s->keys) : st;
    for (size_t i = 0; st == ST_OK && i + sizeof(struct doomed) <= s->keys.n;
         i += sizeof(struct doomed)) {
        struct doomed one;
        memcpy(&one, s->keys.p + i, sizeof one);
        s->left++;
        s->dropped++;
        holder_count(r->holder, one.bytes, true);
        store->ops->drop(store->ctx, &one.key, on_dropped, s);
    }
    sweep_end(s);
}

static void sweep(struct depot_room *r, bool all)
{
    struct depot *d = r->d;
    struct sweep *s = r->sweeping ? NULL : calloc(1, sizeof *s);
    if (s == NULL) return;
    s->r = r;
    s->now = env_wall_ms(d->c.env);
    s->all = all;
    s->left = 1;
    r->sweeping = true;
    d->pending++;
    d->c.store.ops->list(d->c.store.ctx, r->tag, on_old, on_sweep_listed, s);
}

void depot_sweep(struct depot_room *r)
{
    uint64_t now = env_wall_ms(r->d->c.env);
    for (size_t i = 0; i < r->trash.n; i += DEPOT_TRASH_ITEM)
        if (now >= get_u64(r->trash.p + i + 32) + DEPOT_TRASH_MS) {
            sweep(r, false);
            return;
        }
}

void depot_forget(struct depot_room *r)
{
    if (!r->over)
        env_log(r->d->c.env, ENV_INFO, "depot", "an enclave is forgotten, with all it kept here");
    r->over = true;
    depot_scrub_stop(r);
    depot_apply_quota(r);
    depot_seats_changed(r);
    sweep(r, true);
}
