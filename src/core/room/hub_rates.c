/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Token buckets: how much a connection or a seat may do in a while. */
#include "core/room/hub_inner.h"

#include <stdlib.h>
#include <string.h>

/* Refills at an_hour tokens an hour up to burst. The bounds of the options keep the products below
 * 2^64: an_hour and burst at most 10^12. */
static void refill(struct bucket *b, uint64_t an_hour, uint64_t burst, uint64_t now_ms)
{
    uint64_t full = burst * ROOM_HOUR_MS;
    uint64_t span = now_ms > b->last_ms ? now_ms - b->last_ms : 0;
    if (!b->used) {
        b->used = true;
        b->level = full;
    } else {
        if (span > ROOM_HOUR_MS) span = ROOM_HOUR_MS;
        b->level += span * an_hour;
        if (b->level > full) b->level = full;
    }
    b->last_ms = now_ms;
}

bool bucket_take(struct bucket *b, uint64_t an_hour, uint64_t burst, uint64_t n, uint64_t now_ms)
{
    refill(b, an_hour, burst, now_ms);
    if (b->level < n * ROOM_HOUR_MS) return false;
    b->level -= n * ROOM_HOUR_MS;
    return true;
}

static uint64_t entries_burst(const struct room_limits *l)
{
    return l->entries_hour / 10 > 16 ? l->entries_hour / 10 : 16;
}

static uint64_t bytes_burst(const struct room_limits *l)
{
    uint64_t quarter = l->bytes_hour / 4;
    return quarter > ROOM_SEALED_MAX ? quarter : ROOM_SEALED_MAX;
}

/* Feed 0 is kept for ever: one seat shall not fill it before the others can act. */
static uint64_t ledger_hour(const struct room_limits *l)
{
    uint64_t part = l->bytes_hour / 128;
    return part > 4 * ROOM_SEALED_MAX ? part : 4 * ROOM_SEALED_MAX;
}

bool hub_meter(struct hub *h, const uint8_t seat[32], uint8_t feed, size_t n, uint64_t now_ms)
{
    struct meter *m = NULL;
    HASH_FIND(hh, h->meters, seat, 32, m);
    if (m == NULL) {
        if (HASH_COUNT(h->meters) >= HUB_METERS_MAX) hub_meters_forget(h, now_ms);
        if (HASH_COUNT(h->meters) >= HUB_METERS_MAX) return false;
        m = calloc(1, sizeof *m);
        if (m == NULL) return false;
        memcpy(m->seat, seat, 32);
        HASH_ADD(hh, h->meters, seat, 32, m);
        if (m->hh.tbl == NULL) {
            free(m);
            return false;
        }
    }
    uint64_t ledger = ledger_hour(&h->limits);
    if (feed == 0 && !bucket_take(&m->ledger, ledger, ledger, n, now_ms)) return false;
    return bucket_take(&m->entries[feed % ROOM_FEEDS], h->limits.entries_hour,
                       entries_burst(&h->limits), 1, now_ms) &&
           bucket_take(&m->bytes, h->limits.bytes_hour, bytes_burst(&h->limits), n, now_ms);
}

static bool full_again(struct bucket *b, uint64_t an_hour, uint64_t burst, uint64_t now_ms)
{
    if (!b->used) return true;
    refill(b, an_hour, burst, now_ms);
    return b->level == burst * ROOM_HOUR_MS;
}

void hub_meters_forget(struct hub *h, uint64_t now_ms)
{
    struct meter *m, *next;
    HASH_ITER(hh, h->meters, m, next)
    {
        bool full = full_again(&m->bytes, h->limits.bytes_hour, bytes_burst(&h->limits), now_ms);
        uint64_t ledger = ledger_hour(&h->limits);
        full = full_again(&m->ledger, ledger, ledger, now_ms) && full;
        for (size_t i = 0; i < ROOM_FEEDS; i++)
            full = full_again(&m->entries[i], h->limits.entries_hour, entries_burst(&h->limits),
                              now_ms) &&
                   full;
        if (!full) continue;
        HASH_DEL(h->meters, m);
        free(m);
    }
}

void hub_meters_free(struct hub *h)
{
    struct meter *m, *next;
    HASH_ITER(hh, h->meters, m, next)
    {
        HASH_DEL(h->meters, m);
        free(m);
    }
}
