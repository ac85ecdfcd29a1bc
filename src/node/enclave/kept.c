/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Which entries of feed 1 are on this disk: said to the sentinel, which lets go only of what all have. */
#include "node/post/post.h"

#define TOLD_EVERY_MS UINT64_C(21600000) /* what it has let go of is looked at as often */
#define TOLD_PARTS 64 /* of what the sentinel keeps: so much may come before it is told again */

#define DAY_MS UINT64_C(86400000)

enum status enclave_kept_load(struct enclave *e)
{
    enum status st = keep_last(&e->node->keep, &e->s_days, &e->kept.day);
    return st == ST_NOT_FOUND ? ST_OK : st;
}

struct old_days {
    uint64_t before; /* day */
    uint64_t below;  /* entries */
};

static bool on_day(void *arg, uint64_t day, struct bytes plain)
{
    struct old_days *old = arg;
    if (day >= old->before) return false;
    if (plain.n == 8) old->below = get_u64(plain.p);
    return true;
}

void enclave_kept_entry(struct enclave *e, size_t bytes)
{
    uint64_t day = env_wall_ms(e->node->ports.env) / DAY_MS;
    uint8_t index[8];
    e->kept.bytes += bytes;
    if (day <= e->kept.day) return;
    e->kept.day = day;
    put_u64(index, e->feeds[FEED_MAIL].seen.count);
    keep_put(e->batch, &e->s_days, day, BYTES_OF(index));
    if (day < ENCLAVE_KEPT_DAYS) return;
    /* The first entry of the first day that is still kept. */
    struct old_days old = {.before = day - ENCLAVE_KEPT_DAYS + 1};
    if (keep_scan(&e->node->keep, &e->s_days, 0, on_day, &old) != ST_OK || old.below == 0) return;
    keep_erase_below(e->batch, &e->feeds[FEED_MAIL].space, old.below);
    keep_erase_below(e->batch, &e->s_days, old.before - 1);
}

void enclave_kept_taken(struct enclave *e)
{
    struct mail_kept *k = &e->kept;
    uint64_t count = e->feeds[FEED_MAIL].seen.count;
    size_t i = k->mark[0].commit == 0 ? 0 : 1;
    if (count == e->feeds[FEED_MAIL].on_disk) return;
    k->mark[i].commit = e->mail_commits;
    k->mark[i].count = count;
    k->mark[i].bytes = k->bytes;
}

void enclave_kept_settled(struct enclave *e, uint64_t commit)
{
    struct mail_kept *k = &e->kept;
    bool moved = false;
    while (k->mark[0].commit != 0 && k->mark[0].commit <= commit) {
        e->feeds[FEED_MAIL].on_disk = k->mark[0].count;
        k->disk_bytes = k->mark[0].bytes;
        k->mark[0] = k->mark[1];
        k->mark[1].commit = 0;
        moved = true;
    }
    if (moved) enclave_kept_tell(e);
}

static void told(void *arg, enum status st, struct bytes body)
{
    struct enclave *e = arg;
    struct room_reading in;
    if (st != ST_OK || e->removed || fields_decode(&room_reading_fields, body, &in) != ST_OK)
        return;
    e->kept.first = in.first;
    if (e->post != NULL && enclave_synced(e, FEED_MAIL)) post_offer(e);
}

static bool may_tell(const struct enclave *e)
{
    const struct enclave_feed *f = &e->feeds[FEED_MAIL];
    return e->subscribed && !e->removed && !e->halted && !f->stuck && f->on_disk > 0;
}

static void tell(struct enclave *e)
{
    struct mail_kept *k = &e->kept;
    uint64_t count = e->feeds[FEED_MAIL].on_disk;
    struct room_read msg = {.feed = FEED_MAIL, .from = count, .have = count};
    if (uplink_request(&e->up, ROOM_READ, &room_read_fields, &msg, told, e) != ST_OK) return;
    k->told = count;
    k->told_bytes = k->disk_bytes;
    k->asked_ms = env_mono_ms(e->node->ports.env);
}

void enclave_kept_tell(struct enclave *e)
{
    struct mail_kept *k = &e->kept;
    if (!may_tell(e) || k->told == e->feeds[FEED_MAIL].on_disk) return;
    if (k->told != UINT64_MAX && k->disk_bytes - k->told_bytes < k->room_bytes / TOLD_PARTS) return;
    tell(e);
}

void enclave_kept_tick(struct enclave *e, uint64_t now_ms)
{
    if (may_tell(e) && now_ms >= e->kept.asked_ms + TOLD_EVERY_MS) tell(e);
}

uint64_t enclave_kept_next_ms(const struct enclave *e)
{
    return may_tell(e) ? e->kept.asked_ms + TOLD_EVERY_MS : UINT64_MAX;
}

uint64_t enclave_kept_start(struct enclave *e)
{
    uint64_t index = e->feeds[FEED_MAIL].seen.count, left = e->kept.room_bytes / 2;
    uint8_t chain[32];
    left -= left / 8; /* what is said meanwhile */
    while (index > 0) {
        struct buf sealed;
        buf_init(&sealed, KV_VALUE_MAX);
        enum status st = enclave_kept(e, FEED_MAIL, index - 1, &sealed, chain);
        uint64_t n = sealed.n;
        buf_free(&sealed);
        if (st != ST_OK || (n > left && index < e->feeds[FEED_MAIL].seen.count)) break;
        left -= n < left ? n : left;
        index--;
    }
    /* The chain before the first one must be here, too. */
    if (index > 0 && enclave_kept(e, FEED_MAIL, index - 1, NULL, chain) != ST_OK) index++;
    return index;
}
