/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "node/hold/hold_private.h"

#include <stdlib.h>
#include <string.h>

#define TICK_MS 1000
#define SWEEP_MAX 65536 /* shards let go of in one sweep */

/* --- soon ---------------------------------------------------------------------------------- */

static void nothing(void *arg)
{
    (void)arg;
}

static void flush(struct hold *h)
{
    /* Only what is there now: a callback may add more. */
    struct later *list = h->first;
    h->first = NULL;
    h->last = &h->first;
    while (list) {
        struct later l = *list;
        free(list);
        list = l.next;
        l.done(l.arg, l.st);
    }
}

static void on_wake(void *arg)
{
    struct hold *h = arg;
    h->waking = false;
    flush(h);
    hold_release(h);
}

static void wake(struct hold *h)
{
    const struct work *w = &h->c.work;
    if (h->waking || !h->first) return;
    if (w->submit(w->ctx, WORK_SHORT, nothing, on_wake, h) != ST_OK) return; /* hold_tick will */
    h->waking = true;
    h->pending++;
}

void hold_later(struct hold *h, shard_done *done, void *arg, enum status st)
{
    struct later *l = calloc(1, sizeof *l);
    if (!l) abort(); /* 32 bytes; the call must come, and there is no other way */
    l->done = done;
    l->arg = arg;
    l->st = st;
    *h->last = l;
    h->last = &l->next;
    wake(h);
}

/* --- life ---------------------------------------------------------------------------------- */

static void on_counted(void *arg, enum status st)
{
    (void)st;
    hold_release(arg);
}

static void count_one(void *arg, const struct shard_key *key, uint64_t bytes, uint64_t stored_ms)
{
    struct hold *h = arg;
    (void)key;
    (void)stored_ms;
    if (h->holder) holder_count(h->holder, bytes, false);
}

static bool needed_now(void *ctx, const uint8_t segment_id[SHARD_ID])
{
    const struct hold *h = ctx;
    return !h->c.needed || h->c.needed(h->c.ctx, segment_id, env_wall_ms(h->c.env));
}

static bool root_now(void *ctx, const uint8_t segment_id[SHARD_ID], uint8_t ret_root[32])
{
    const struct hold *h = ctx;
    return h->c.root_of && h->c.root_of(h->c.ctx, segment_id, ret_root);
}

struct hold *hold_new(const struct hold_config *config)
{
    struct hold *h = calloc(1, sizeof *h);
    if (!h) return NULL;
    h->c = *config;
    h->last = &h->first;
    h->pending = 1; /* the owner's; hold_free takes it */
    struct holder_config hc = {.store = config->store,
                               .work = config->work,
                               .quota = config->quota,
                               .root_of = root_now,
                               .needed = needed_now,
                               .ctx = h};
    memcpy(hc.tag, config->tag, SHARD_TAG);
    h->holder = holder_new(&hc);
    if (!h->holder) {
        free(h);
        return NULL;
    }
    h->pending++;
    h->c.store.ops->list(h->c.store.ctx, h->c.tag, count_one, on_counted, h);
    return h;
}

void hold_release(struct hold *h)
{
    if (--h->pending) return;
    holder_free(h->holder);
    for (size_t i = 0; i < h->n; i++) free(h->keepers[i]);
    free(h);
}

void hold_free(struct hold *h)
{
    if (!h) return;
    for (size_t i = 0; i < h->n; i++) {
        struct keeper *k = h->keepers[i];
        if (k->session) holder_close(k->session);
        k->session = NULL;
        keeper_link_down(k, ST_CLOSED);
    }
    flush(h);
    h->freed = true;
    memset(h->watch, 0, sizeof h->watch);
    /* Near calls that run end into nothing: their keeper must outlive them, so keepers go last. */
    hold_release(h);
}

static struct keeper *keeper_new(struct hold *h, uint16_t leaf)
{
    size_t at = h->n;
    struct keeper *k = h->n < HOLD_LEAVES_MAX ? calloc(1, sizeof *k) : NULL;
    if (!k) return NULL;
    k->h = h;
    k->leaf = leaf;
    k->near = leaf == h->c.own_leaf;
    k->up = k->near;
    k->next_req = 1;
    while (at > 0 && h->keepers[at - 1]->leaf > leaf) {
        h->keepers[at] = h->keepers[at - 1];
        at--;
    }
    h->keepers[at] = k;
    h->n++;
    return k;
}

struct keeper *hold_keeper(struct hold *h, uint16_t leaf)
{
    for (size_t i = 0; i < h->n; i++)
        if (h->keepers[i]->leaf == leaf) return h->keepers[i];
    return NULL;
}

void hold_roster(struct hold *h, const uint16_t *leaves, size_t n)
{
    for (size_t i = 0; i < h->n; i++) h->keepers[i]->member = false;
    for (size_t i = 0; i < n; i++) {
        struct keeper *k = hold_keeper(h, leaves[i]);
        if (!k) k = keeper_new(h, leaves[i]);
        if (k) k->member = true;
    }
    hold_tell(h);
}

size_t hold_list(const struct hold *h, struct hold_view ret[HOLD_LEAVES_MAX])
{
    size_t n = 0;
    for (size_t i = 0; i < h->n; i++) {
        const struct keeper *k = h->keepers[i];
        if (k->member) ret[n++] = (struct hold_view){k->leaf, k->near, k->up};
    }
    return n;
}

bool hold_up(const struct hold *h, uint16_t leaf)
{
    for (size_t i = 0; i < h->n; i++)
        if (h->keepers[i]->leaf == leaf) return keeper_up(h->keepers[i]);
    return false;
}

bool hold_room(const struct hold *h, uint16_t leaf, struct hold_room *ret)
{
    struct keeper *k = hold_keeper((struct hold *)h, leaf);
    struct shard_space space;
    if (!k) return false;
    if (!k->near) {
        *ret = k->room;
        return k->room_told;
    }
    h->c.store.ops->space(h->c.store.ctx, &space);
    ret->used = holder_used(h->holder);
    uint64_t left = h->c.quota > ret->used ? h->c.quota - ret->used : 0;
    ret->free = h->c.quota && left < space.free ? left : space.free;
    return true;
}

void hold_quota(struct hold *h, uint64_t quota)
{
    h->c.quota = quota;
    holder_quota(h->holder, quota);
}

/* --- links --------------------------------------------------------------------------------- */

void hold_tell(struct hold *h)
{
    for (size_t i = 0; i < HOLD_WATCHERS_MAX; i++)
        if (h->watch[i].changed) h->watch[i].changed(h->watch[i].arg);
}

bool hold_watch(struct hold *h, hold_changed *changed, void *arg)
{
    for (size_t i = 0; i < HOLD_WATCHERS_MAX; i++)
        if (!h->watch[i].changed) {
            h->watch[i].changed = changed;
            h->watch[i].arg = arg;
            return true;
        }
    return false;
}

void hold_unwatch(struct hold *h, void *arg)
{
    for (size_t i = 0; i < HOLD_WATCHERS_MAX; i++)
        if (h->watch[i].arg == arg) h->watch[i].changed = NULL;
}

enum status hold_link_up(struct hold *h, uint16_t leaf, const struct hold_wire *wire)
{
    struct keeper *k = hold_keeper(h, leaf);
    if (!k || k->near) return k ? ST_USAGE : ST_NOT_FOUND;
    if (k->up) hold_link_down(h, leaf);
    struct holder_wire w = {wire->send, wire->pause, wire->ctx};
    k->session = holder_open(h->holder, &w);
    if (!k->session) return ST_NO_MEMORY;
    keeper_link_up(k, wire);
    keeper_ask_room(k);
    hold_tell(h);
    return ST_OK;
}

enum status hold_link_frame(struct hold *h, uint16_t leaf, uint8_t type, struct bytes payload)
{
    struct keeper *k = hold_keeper(h, leaf);
    if (!k || !k->session) return ST_PROTOCOL;
    if (HOLDER_IS_REQUEST(type)) return holder_frame(k->session, type, payload);
    return keeper_reply(k, type, payload);
}

void hold_link_writable(struct hold *h, uint16_t leaf)
{
    struct keeper *k = hold_keeper(h, leaf);
    if (!k || !k->session) return;
    holder_writable(k->session);
    keeper_writable(k);
    hold_tell(h);
}

void hold_link_down(struct hold *h, uint16_t leaf)
{
    struct keeper *k = hold_keeper(h, leaf);
    if (!k || !k->session) return;
    holder_close(k->session);
    k->session = NULL;
    keeper_link_down(k, ST_CLOSED);
    hold_tell(h);
}

bool hold_busy(const struct hold *h)
{
    bool busy = h->first != NULL && !h->waking;
    for (size_t i = 0; i < h->n && !busy; i++)
        busy = !h->keepers[i]->near && (h->keepers[i]->calls || h->keepers[i]->puts);
    return busy;
}

uint64_t hold_tick(struct hold *h)
{
    uint64_t now = env_mono_ms(h->c.env);
    for (size_t i = 0; i < h->n; i++) keeper_tick(h->keepers[i], now);
    flush(h);
    if (h->first) return now + 1;
    return hold_busy(h) ? now + TICK_MS : UINT64_MAX;
}

/* --- letting go ---------------------------------------------------------------------------- */

struct sweep {
    struct hold *h;
    uint64_t now;
    uint64_t used;
    size_t n;
    size_t left; /* drops under way, and the sweep itself */
    struct {
        struct shard_key key;
        uint64_t bytes;
    } * old;
};

static void sweep_end(struct sweep *s)
{
    if (--s->left) return;
    struct hold *h = s->h;
    if (s->n) env_log(h->c.env, ENV_INFO, "hold", "%zu shards nobody needs were dropped", s->n);
    free(s->old);
    free(s);
    hold_release(h);
}

static void on_dropped(void *arg, enum status st)
{
    (void)st;
    sweep_end(arg);
}

static void sweep_one(void *arg, const struct shard_key *key, uint64_t bytes, uint64_t stored_ms)
{
    struct sweep *s = arg;
    struct hold *h = s->h;
    s->used += bytes;
    if (h->freed || s->n >= SWEEP_MAX || s->now < stored_ms + HOLD_LEASE_MS) return;
    if (!h->c.needed || h->c.needed(h->c.ctx, key->segment_id, s->now)) return;
    if ((s->n & (s->n - 1)) == 0) {
        void *more = realloc(s->old, (s->n ? 2 * s->n : 1) * sizeof *s->old);
        if (!more) return;
        s->old = more;
    }
    s->old[s->n].key = *key;
    s->old[s->n++].bytes = bytes;
}

static void on_swept(void *arg, enum status st)
{
    struct sweep *s = arg;
    struct hold *h = s->h;
    if (st == ST_OK && !h->freed) holder_recount(h->holder, s->used);
    if (st == ST_OK && !h->freed)
        for (size_t i = 0; i < s->n; i++) {
            s->left++;
            holder_count(h->holder, s->old[i].bytes, true);
            h->c.store.ops->drop(h->c.store.ctx, &s->old[i].key, on_dropped, s);
        }
    sweep_end(s);
}

void hold_sweep(struct hold *h)
{
    struct sweep *s = h->c.needed ? calloc(1, sizeof *s) : NULL;
    for (size_t i = 0; i < h->n; i++) keeper_ask_room(h->keepers[i]);
    if (!s) return;
    s->h = h;
    s->now = env_wall_ms(h->c.env);
    s->left = 1;
    h->pending++;
    h->c.store.ops->list(h->c.store.ctx, h->c.tag, sweep_one, on_swept, s);
}
