/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Every column is read once in 30 days. A rotten one is thrown away, so that nobody counts on it, and the
 * members are told until one has heard it: they make it again. */
#include "node/depot/depot_private.h"

#include <string.h>

static void on_dropped(void *arg, enum status st)
{
    struct depot *d = arg;
    (void)st;
    depot_release(d);
}

static void on_bad(void *arg, const struct shard_key *key, uint64_t bytes)
{
    struct depot_room *r = arg;
    struct depot *d = r->d;
    env_log(d->c.env, ENV_WARN, "depot", "a rotten shard was found and thrown away");
    if (r->lost.n / DEPOT_LOST_ITEM < DEPOT_LOST_MAX) {
        buf_raw(&r->lost, key->segment_id, SHARD_ID);
        buf_u8(&r->lost, key->index);
    }
    holder_count(r->holder, bytes, true);
    d->pending++;
    d->c.store.ops->drop(d->c.store.ctx, key, on_dropped, d);
    for (struct depot_conn *c = d->conns; c != NULL; c = c->next)
        if (c->hello && memcmp(c->room_id, r->room, 32) == 0) {
            depot_tell_lost(c);
            break; /* one member is enough */
        }
}

static void on_saved(void *arg, enum status st)
{
    struct depot *d = arg;
    (void)st;
    depot_release(d);
}

static void on_ended(void *arg, bool whole, uint64_t checked)
{
    struct depot_room *r = arg;
    struct depot *d = r->d;
    r->scrub = NULL;
    if (whole && !d->freed) {
        env_log(d->c.env, ENV_INFO, "depot", "%llu shards were read through",
                (unsigned long long)checked);
        r->scrubbed_ms = env_wall_ms(d->c.env);
        /* The reference that the scrub held is the commit's now. */
        if (depot_save(r, false, on_saved, d) == ST_OK) return;
    }
    depot_release(d);
}

void depot_scrub(struct depot_room *r, uint64_t wall_ms)
{
    struct depot *d = r->d;
    struct scrub_config c = {
        .store = d->c.store, .work = d->c.work, .bad = on_bad, .ended = on_ended, .arg = r};
    if (r->scrub != NULL || wall_ms < r->scrubbed_ms + SCRUB_EVERY_MS) return;
    memcpy(c.tag, r->tag, SHARD_TAG);
    r->scrub = scrub_start(&c);
    if (r->scrub == NULL) return;
    d->pending++;
    d->scrub_ms = env_mono_ms(d->c.env) + SCRUB_STEP_MS;
}

void depot_scrub_tick(struct depot *d, uint64_t now_ms)
{
    bool any = false;
    if (now_ms < d->scrub_ms) return;
    for (size_t i = 0; i < d->n && !any; i++) {
        if (d->rooms[i]->scrub == NULL) continue;
        any = true; /* one room after the other */
        scrub_step(d->rooms[i]->scrub);
    }
    d->scrub_ms = any ? now_ms + SCRUB_STEP_MS : UINT64_MAX;
}

void depot_scrub_stop(struct depot_room *r)
{
    if (r->scrub != NULL) scrub_stop(r->scrub);
}
