/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What this member keeps is read through once in 30 days. A rotten column is thrown away, so that nobody
 * counts on it, and told as lost: it is made again. */
#include "core/holder/scrub.h"
#include "node/repair/repair.h"
#include "node/shelf/shelf.h"

#include <stdlib.h>
#include <string.h>

#define ROW_SCRUBBED 1 /* of the space "files": wall clock of the last whole one */

/* Outlives the shelf until the store has answered. */
struct shelf_scrub {
    struct shelf *s; /* NULL: the shelf is gone */
    struct shard_store store;
    struct scrub *scrub;
    uint64_t step_ms;
};

static void keep_time(struct shelf *s)
{
    struct keep_batch b;
    uint8_t row[8];
    s->scrubbed_ms = env_wall_ms(s->e->node->ports.env);
    put_u64(row, s->scrubbed_ms);
    keep_begin(&b, &s->e->node->keep);
    keep_put(&b, &s->e->s_files, ROW_SCRUBBED, BYTES_OF(row));
    enclave_commit(s->e, &b, NULL, NULL);
}

static void on_dropped(void *arg, enum status st)
{
    (void)arg;
    (void)st;
}

static void on_bad(void *arg, const struct shard_key *key, uint64_t bytes)
{
    struct shelf_scrub *x = arg;
    (void)bytes; /* counted anew at the next sweep */
    if (x->s == NULL) return;
    env_log(x->s->e->node->ports.env, ENV_WARN, "files", "a rotten shard was found here");
    repair_lost(x->s->e, group_leaf(x->s->e->group), key->segment_id, key->index,
                "it rotted on this machine's disk");
    x->store.ops->drop(x->store.ctx, key, on_dropped, NULL);
}

static void on_ended(void *arg, bool whole, uint64_t checked)
{
    struct shelf_scrub *x = arg;
    struct shelf *s = x->s;
    if (s != NULL) s->scrub = NULL;
    free(x);
    if (s == NULL || !whole) return;
    if (checked > 0)
        env_log(s->e->node->ports.env, ENV_INFO, "files", "%llu shards were read through",
                (unsigned long long)checked);
    keep_time(s);
}

static void begin(struct shelf *s)
{
    struct shelf_scrub *x = calloc(1, sizeof *x);
    if (x == NULL) return;
    *x = (struct shelf_scrub){.s = s, .store = s->e->node->ports.shards};
    struct scrub_config c = {.store = x->store,
                             .work = s->e->node->ports.work,
                             .bad = on_bad,
                             .ended = on_ended,
                             .arg = x};
    memcpy(c.tag, s->e->tag, SHARD_TAG);
    x->scrub = scrub_start(&c);
    if (x->scrub == NULL)
        free(x);
    else
        s->scrub = x;
}

static void load_time(struct shelf *s)
{
    struct buf row = BUF_INIT;
    s->scrubbed_ms = 1;
    if (keep_get(&s->e->node->keep, &s->e->s_files, ROW_SCRUBBED, &row) == ST_OK && row.n == 8)
        s->scrubbed_ms = get_u64(row.p);
    else
        keep_time(s); /* a new enclave: there is nothing old to look through */
    buf_free(&row);
}

void shelf_scrub_due(struct shelf *s)
{
    if (s->e->phase != ENCLAVE_MEMBER || s->scrub != NULL) return;
    if (s->scrubbed_ms == 0) load_time(s);
    if (env_wall_ms(s->e->node->ports.env) >= s->scrubbed_ms + SCRUB_EVERY_MS) begin(s);
}

void shelf_scrub_tick(struct shelf *s, uint64_t now_ms)
{
    if (s->scrub == NULL || now_ms < s->scrub->step_ms) return;
    s->scrub->step_ms = now_ms + SCRUB_STEP_MS;
    scrub_step(s->scrub->scrub);
}

uint64_t shelf_scrub_next_ms(const struct shelf *s)
{
    return s->scrub == NULL ? UINT64_MAX : s->scrub->step_ms;
}

void shelf_scrub_free(struct shelf *s)
{
    if (s->scrub == NULL) return;
    s->scrub->s = NULL;
    scrub_stop(s->scrub->scrub);
    s->scrub = NULL;
}
