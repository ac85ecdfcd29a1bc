/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The daily sum in the ledger: made in turn, added up again by everybody who can read the stretch. */
#include "node/audit/audit_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DAY_MS (UINT64_C(24) * 3600 * 1000)

struct stretch {
    struct enclave *e;
    uint64_t next, count; /* entries that are still to come */
    struct audit_fold *fold;
    bool unread;
};

static bool on_entry(void *arg, uint64_t n, struct bytes row)
{
    struct stretch *s = arg;
    struct audit_opened o = {0};
    struct buf plain;
    if (n >= s->count) return false;
    if (n != s->next || row.n < 32) s->unread = true; /* some are not kept here */
    s->next = n + 1;
    if (s->unread) return false;
    buf_init(&plain, KV_VALUE_MAX);
    enum status st = audit_open(s->e, BYTES(row.p + 32, row.n - 32), &plain, &o);
    if (st == ST_NOT_FOUND || st == ST_PENDING) s->unread = true;
    /* One that is ill-formed adds nothing, for all alike. */
    if (st == ST_OK && o.entry.type == ENTRY23_RECEIPT &&
        audit_fold_take(s->fold, o.entry.leaf, o.entry.body) != ST_OK)
        env_log(s->e->node->ports.env, ENV_DEBUG, "audit", "receipts %llu are passed over",
                (unsigned long long)n);
    buf_free(&plain);
    return !s->unread;
}

/* Adds up entries [from, count). false: some of them cannot be read here. */
static bool add_up(struct enclave *e, const struct audit_digest *base, uint64_t from,
                   uint64_t count, struct audit_fold *fold)
{
    struct stretch s = {.e = e, .next = from, .count = count, .fold = fold};
    audit_fold_start(fold, base);
    enum status st = keep_scan(&e->node->keep, &e->feeds[FEED_RECEIPTS].space, from, on_entry, &s);
    return st == ST_OK && !s.unread && s.next == count;
}

/* The digest before number i whose stretch ended at from. */
static bool base_of(const struct ledger *l, size_t i, uint64_t from, struct audit_digest *ret)
{
    while (i-- > 0) {
        const struct ledger_digest *d = ledger_digest_at(l, i);
        if (audit_digest_read(BYTES(d->body, d->n), ret) == ST_OK && ret->count == from)
            return true;
    }
    return false;
}

enum audit_digest_verdict audit_digest_judge(struct audit *a, size_t i)
{
    struct enclave *e = a->e;
    const struct ledger *l = group_ledger(e->group);
    const struct ledger_digest *kept = ledger_digest_at(l, i);
    struct audit_digest d, base;
    struct buf sum = BUF_INIT;
    uint8_t chain[32];
    if (audit_digest_read(BYTES(kept->body, kept->n), &d) != ST_OK) return DIGEST_FALSE;
    if (d.count > e->feeds[FEED_RECEIPTS].seen.count) return DIGEST_UNREAD;
    if (enclave_kept(e, FEED_RECEIPTS, d.count - 1, NULL, chain) != ST_OK) return DIGEST_UNREAD;
    if (memcmp(chain, d.chain, 32) != 0) return DIGEST_FALSE;
    bool based = d.from > 0 && base_of(l, i, d.from, &base);
    if (d.from > 0 && !based) return i == 0 ? DIGEST_UNREAD : DIGEST_FALSE;
    struct audit_fold *fold = malloc(sizeof *fold);
    enum audit_digest_verdict v = DIGEST_UNREAD;
    if (fold != NULL && add_up(e, based ? &base : NULL, d.from, d.count, fold)) {
        bool same = audit_fold_digest(fold, d.day, d.from, d.count, chain, &sum) == ST_OK &&
                    bytes_same(buf_view(&sum), BYTES(kept->body, kept->n));
        v = same ? DIGEST_RIGHT : DIGEST_FALSE;
    }
    free(fold);
    buf_free(&sum);
    return v;
}

/* The newest one that is not false: what comes next goes on from there. */
static bool newest(struct audit *a, struct audit_digest *ret)
{
    const struct ledger *l = group_ledger(a->e->group);
    for (size_t i = ledger_digests(l); i-- > 0;) {
        const struct ledger_digest *d = ledger_digest_at(l, i);
        if (audit_digest_judge(a, i) != DIGEST_FALSE &&
            audit_digest_read(BYTES(d->body, d->n), ret) == ST_OK)
            return true;
    }
    return false;
}

enum status enclave_audit_digest(struct enclave *e, uint32_t day, const struct group_now *now,
                                 struct group_draft *ret)
{
    struct audit *a = e->audit;
    struct audit_digest base;
    struct buf body = BUF_INIT;
    uint8_t chain[32];
    uint64_t count = e->feeds[FEED_RECEIPTS].seen.count;
    if (a == NULL) return ST_NOT_FOUND;
    if (!enclave_synced(e, FEED_RECEIPTS) || e->commits > 0) return ST_PENDING;
    bool based = newest(a, &base);
    uint64_t from = based ? base.count : 0;
    if (count <= from || (based && day <= base.day)) return ST_NOT_FOUND;
    struct audit_fold *fold = malloc(sizeof *fold);
    enum status st = fold == NULL ? ST_NO_MEMORY : ST_OK;
    if (st == ST_OK && !add_up(e, based ? &base : NULL, from, count, fold)) st = ST_NOT_FOUND;
    if (st == ST_OK && fold->rows == 0) st = ST_NOT_FOUND;
    if (st == ST_OK) st = enclave_kept(e, FEED_RECEIPTS, count - 1, NULL, chain);
    if (st == ST_OK) st = audit_fold_digest(fold, day, from, count, chain, &body);
    if (st == ST_OK) st = group_make_digest(e->group, buf_view(&body), now, ret);
    free(fold);
    buf_free(&body);
    return st;
}

/* Yesterday's, an hour after midnight; one member after the other, ten minutes apart. */
static uint64_t turn_ms(const struct audit *a, uint64_t day)
{
    const struct ledger *l = group_ledger(a->e->group);
    uint64_t before = 0, members = 0;
    for (size_t i = 0; i < ledger_leaves(l); i++) {
        const struct ledger_leaf *leaf = ledger_leaf(l, (uint16_t)i);
        if (!leaf->member_now) continue;
        members++;
        if (leaf->leaf < group_leaf(a->e->group)) before++;
    }
    uint64_t place = members == 0 ? 0 : (before + day) % members;
    return (day + 1) * DAY_MS + AUDIT_HOUR_MS + place * AUDIT_TURN_MS;
}

static void name_false(struct audit *a, const struct ledger_digest *d)
{
    char line[NODE_REASON_MAX];
    const char *nick = enclave_nick(a->e, d->by);
    snprintf(
        line, sizeof line,
        "%s wrote a false sum of the audits into the ledger (entry %llu): enclave audit verify",
        nick, (unsigned long long)d->index);
    enclave_tell(a->e, "warning", nick, d->index, line);
}

void audit_digest_tick(struct audit *a)
{
    struct enclave *e = a->e;
    const struct ledger *l = group_ledger(e->group);
    uint64_t now = enclave_unix_ms(e), day = now / DAY_MS;
    if (!enclave_synced(e, FEED_RECEIPTS) || e->commits > 0) return;
    for (size_t i = 0; i < ledger_digests(l); i++) {
        const struct ledger_digest *d = ledger_digest_at(l, i);
        if (d->index < a->digests_seen) continue;
        a->digests_seen = d->index + 1;
        if (audit_digest_judge(a, i) == DIGEST_FALSE) name_false(a, d);
    }
    if (day == 0 || a->digest_day >= day || now < turn_ms(a, day - 1)) return;
    a->digest_day = day; /* once a day, whatever comes of it */
    struct intent i = {.kind = INTENT_DIGEST, .number = day - 1};
    if (enclave_intend(e, &i) == ST_OK) enclave_write(e);
}
