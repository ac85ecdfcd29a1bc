/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Which entries of feed 1 are on this disk: said to the sentinel, which lets go only of what all have. */
#include "node/enclave/enclave.h"

#define TOLD_PARTS 64 /* of what the sentinel keeps: so much may come before it is told again */

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
    (void)arg;
    (void)st;
    (void)body;
}

void enclave_kept_tell(struct enclave *e)
{
    struct mail_kept *k = &e->kept;
    const struct enclave_feed *f = &e->feeds[FEED_MAIL];
    struct room_read msg = {.feed = FEED_MAIL, .from = f->on_disk, .have = f->on_disk};
    if (!e->subscribed || e->removed || e->halted || f->stuck || f->on_disk == 0) return;
    if (k->told == f->on_disk) return;
    if (k->told != UINT64_MAX && k->disk_bytes - k->told_bytes < k->room_bytes / TOLD_PARTS) return;
    if (uplink_request(&e->up, ROOM_READ, &room_read_fields, &msg, told, e) != ST_OK) return;
    k->told = f->on_disk;
    k->told_bytes = k->disk_bytes;
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
