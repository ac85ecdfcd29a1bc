/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What goes wrong, and who means ill. */
#include "sim/sim.h"

#include "node/enclave/enclave.h"

#include <stdlib.h>
#include <string.h>

/* ---- machines ---- */

/* Its owner is to notice and say so; what the others have of the segments makes up for it. */
bool fault_lose(struct sim *s)
{
    struct person *p = person_random(s, PERSON_IN, false);
    if (!p || p->shards.n == 0) return false;
    person_crash(p);
    size_t n = 1 + (size_t)rng_below(&s->rng, p->shards.n);
    for (size_t i = 0; i < n; i++)
        shards_mem_lose(&p->shards, (size_t)rng_below(&s->rng, p->shards.n));
    sim_trace(s, "m%u's disk loses %zu shards", p->i, n);
    s->losses++;
    person_boot(p);
    return true;
}

bool fault_crash(struct sim *s)
{
    unsigned i = (unsigned)rng_below(&s->rng, s->n);
    struct person *p = &s->people[i];
    if (!p->node) return false;
    person_crash(p);
    p->wake_ms =
        s->time.now_ms + rng_between(&s->rng, 100, rng_chance(&s->rng, 300) ? 90000 : 4000);
    return true;
}

bool fault_sentinel_crash(struct sim *s)
{
    if (!s->sentinel.m.up) return false;
    vsentinel_crash(&s->sentinel);
    s->sentinel_wake_ms = s->time.now_ms + rng_between(&s->rng, 100, 60000);
    sim_trace(s, "the sentinel is down");
    return true;
}

bool fault_partition(struct sim *s)
{
    unsigned group = (unsigned)rng_between(&s->rng, 1, (1U << s->n) - 1);
    vnet_partition(&s->net, group);
    s->heal_ms = s->time.now_ms + rng_between(&s->rng, 1000, 120000);
    sim_trace(s, "partition %#x", group);
    return true;
}

bool fault_link(struct sim *s)
{
    return vnet_break_one(&s->net);
}

bool fault_clock(struct sim *s)
{
    struct person *p = &s->people[rng_below(&s->rng, s->n)];
    if (s->clock_skew != 0 && p->i == s->clock_of) return false; /* it is wrong all the time */
    unsigned how = (unsigned)rng_below(&s->rng, 100);
    int64_t most = how < 5    ? (int64_t)(365 * SIM_DAY)
                   : how < 15 ? (int64_t)(30 * SIM_DAY)
                              : (int64_t)(2 * SIM_HOUR);
    p->m.skew_ms = (int64_t)rng_below(&s->rng, (uint64_t)(2 * most)) - most;
    sim_trace(s, "m%u's clock is off by %lld s", p->i, (long long)(p->m.skew_ms / 1000));
    return true;
}

bool fault_full(struct sim *s)
{
    if (rng_chance(&s->rng, 300)) {
        s->sentinel.m.full = true;
        s->unwithhold_ms = s->time.now_ms + rng_between(&s->rng, 1000, 60000);
        sim_trace(s, "the sentinel's disk is full");
        return true;
    }
    unsigned i = (unsigned)rng_below(&s->rng, s->n);
    s->people[i].m.full = true;
    s->unfull_ms[i] = s->time.now_ms + rng_between(&s->rng, 1000, 60000);
    sim_trace(s, "m%u's disk is full", i);
    return true;
}

bool fault_backup(struct sim *s)
{
    struct person *p = person_random(s, PERSON_IN, false);
    if (!p) return false;
    kv_mem_copy(&p->backup, &p->kv);
    p->has_backup = true;
    p->backup_ms = s->time.now_ms;
    sim_trace(s, "m%u makes a backup", p->i);
    return true;
}

bool fault_restore(struct sim *s)
{
    struct person *p = person_random(s, PERSON_IN, false);
    if (!p || !p->has_backup || p->backup_ms < p->in_ms) return false;
    /* Both set back at once is a fork by the rules: nobody is left to tell. */
    if (s->old_ms != 0 && s->time.now_ms < s->old_ms + 10 * SIM_MINUTE) return false;
    sim_trace(s, "m%u's disk is set back by %llu s", p->i,
              (unsigned long long)((s->time.now_ms - p->backup_ms) / 1000));
    person_crash(p);
    kv_mem_copy(&p->kv, &p->backup);
    /* Some disks tell that they were set back; of the others only the entries do, if they are shown. */
    p->noticed = rng_chance(&s->rng, 500);
    if (p->noticed) rng_bytes(&s->rng, p->place, sizeof p->place);
    for (unsigned i = 0; i < s->n_messages; i++)
        if (s->messages[i].from == p->i && s->messages[i].at_ms + 2 * SIM_SECOND > p->backup_ms)
            s->messages[i].excused = true;
    for (unsigned i = 0; i < s->n_files; i++)
        if (s->files[i].from == p->i && !s->files[i].accepted) s->files[i].failed = true;
    s->losses++; /* it may not know of shards that it holds, nor that it does not hold them */
    s->sick |= 1U << p->i;
    p->restored = true;
    p->restored_ms = s->time.now_ms;
    for (unsigned i = 0; i < s->n_nicks; i++) s->nicks[i].seen_by &= (uint8_t) ~(1U << p->i);
    person_boot(p);
    return true;
}

bool fault_sleep(struct sim *s)
{
    struct person *p = person_random(s, PERSON_IN, false);
    if (!p || people_in(s, PERSON_IN) < 2) return false;
    s->muted = 0; /* for minutes, not for days */
    if (s->unhold_ms != 0) s->unhold_ms = s->time.now_ms;
    faults_heal(s, false);
    uint64_t ms = rng_between(&s->rng, 3 * SIM_DAY, 5 * SIM_DAY);
    sim_trace(s, "m%u sleeps for %llu hours", p->i, (unsigned long long)(ms / SIM_HOUR));
    person_crash(p);
    p->wake_ms = s->time.now_ms + ms;
    for (unsigned day = 0; day < 4; day++) {
        sim_run_for(s, SIM_DAY);
        faults_heal(s, false);
        act_people(s);
        for (unsigned i = 0; i < 3; i++) act_send(s);
    }
    return true;
}

/* ---- the sentinel means ill ---- */

static void begin_fork(struct sim *s, unsigned group)
{
    struct room_feed_row row;
    if (s->room_known && vsentinel_feed(&s->sentinel, s->room, FEED_LEDGER, &row))
        s->fork_count = row.count;
    vsentinel_fork(&s->sentinel, group);
    s->forked_ever = true;
    s->proof_due = false;
}

/* Both branches have grown: when they meet, somebody must be able to show it to a third. */
static void end_fork(struct sim *s)
{
    struct room_feed_row a, b;
    struct room_store other = room_sqlite_port(s->sentinel.branch[1].db);
    if (s->sentinel.forked && s->room_known &&
        vsentinel_feed(&s->sentinel, s->room, FEED_LEDGER, &a) &&
        other.ops->feed_get(other.ctx, s->room, FEED_LEDGER, &b) == ST_OK)
        s->proof_due = a.count > s->fork_count + 1 && b.count > s->fork_count + 1;
    vsentinel_fork(&s->sentinel, 0);
}

bool fault_fork(struct sim *s)
{
    if (s->sentinel.forked || !s->sentinel.m.up || s->forked_ever || people_in(s, PERSON_IN) < 3 ||
        s->n_dropped > 0 || s->step < (s->round_from + s->round_to) / 2)
        return false;
    unsigned group = (unsigned)rng_between(&s->rng, 1, (1U << s->n) - 2);
    for (unsigned i = 0; i < s->n; i++)
        if (group >> i & 1U) s->people[i].tainted = true;
    begin_fork(s, group);
    s->unfork_ms = s->time.now_ms + rng_between(&s->rng, 5000, 300000);
    sim_trace(s, "the sentinel shows machines %#x another history", group);
    return true;
}

static void on_doubt(void *arg, const struct node_enclave_info *e)
{
    bool *doubtful = arg;
    *doubtful = e->doubtful || e->state != NODE_MEMBER;
}

/* For days two groups see nothing of each other, as the sentinel wants it: the smaller one is told that
 * too few confirm what it sees, and when they meet the fork is noticed. */
bool fault_schism(struct sim *s)
{
    unsigned group = 0, in = 0, small = 0, most;
    if (s->sentinel.forked || !s->sentinel.m.up || s->forked_ever || !s->room_known ||
        s->n_dropped > 0 || s->step < (s->round_from + s->round_to) / 2)
        return false;
    for (unsigned i = 0; i < s->n; i++) {
        const struct person *p = &s->people[i];
        if (p->state != PERSON_OUT &&
            (!p->node || p->state != PERSON_IN || !p->online || p->restored))
            return false;
        in += p->state == PERSON_IN;
    }
    if (in < 3) return false;
    faults_heal(s, true);
    most = (unsigned)rng_between(&s->rng, 1, (in - 1) / 2);
    for (unsigned i = 0; i < s->n && small < most; i++)
        if (s->people[i].state == PERSON_IN) {
            group |= 1U << i;
            s->people[i].tainted = true;
            small++;
        }
    sim_trace(s, "for days the sentinel keeps machines %#x apart from the others", group);
    vnet_partition(&s->net, group);
    for (unsigned i = 0; i < s->n; i++)
        s->net.cut[i][SIM_PEOPLE_MAX] = s->net.cut[SIM_PEOPLE_MAX][i] = false;
    begin_fork(s, group);
    for (unsigned i = 0; i < 16; i++) {
        sim_run_for(s, 6 * SIM_HOUR);
        act_people(s);
        for (unsigned k = 0; k < s->n; k++) act_send_by(s, &s->people[k]);
    }
    for (unsigned i = 0; i < s->n; i++) {
        bool doubtful = true;
        struct person *p = &s->people[i];
        if (!(group >> i & 1U) || !p->node || p->state != PERSON_IN) continue;
        if (node_enclave(p->node, SIM_NAME, on_doubt, &doubtful) != ST_OK) continue;
        s->checked[CHECK_DOUBT]++;
        if (!doubtful)
            sim_fail(s, "m%u is one of %u of %u for four days and is told of no doubt", i, small,
                     in);
    }
    s->heal_ms = s->unfork_ms = s->time.now_ms;
    return true;
}

/* Days without a fault, with a few words or none: nobody is told that too few confirm what it sees. */
void faults_none(struct sim *s)
{
    unsigned words = (unsigned)rng_below(&s->rng, 4);
    if (s->forked_ever || people_in(s, PERSON_IN) < 2) return;
    for (unsigned i = 0; i < s->n; i++) {
        const struct person *p = &s->people[i];
        if (excused(p) || p->tainted || (p->state == PERSON_IN && (!p->node || p->restored)))
            return;
    }
    sim_trace(s, "quiet days");
    for (unsigned i = 0; i < 16; i++) {
        if (i < words) act_send_by(s, &s->people[rng_below(&s->rng, s->n)]);
        sim_run_for(s, 6 * SIM_HOUR);
        act_people(s);
    }
    for (unsigned i = 0; i < s->n; i++) {
        struct person *p = &s->people[i];
        bool doubtful = false;
        if (p->state != PERSON_IN || node_enclave(p->node, SIM_NAME, on_doubt, &doubtful) != ST_OK)
            continue;
        s->checked[CHECK_TRUST]++;
        if (doubtful) sim_fail(s, "m%u doubts what everybody sees", i);
    }
}

/* Somebody has more of a feed than the sentinel, which came back with an older database. What is put there by
 * the sentinel then makes two histories for good: that is a role of its own (lies.c). */
static bool sentinel_behind(struct sim *s, uint8_t feed)
{
    struct room_feed_row row;
    if (!vsentinel_feed(&s->sentinel, s->room, feed, &row)) return true;
    for (unsigned i = 0; i < s->n; i++) {
        struct person *p = &s->people[i];
        const struct enclave *e = p->node ? node_find(p->node, SIM_NAME) : NULL;
        if (!p->node && p->state == PERSON_IN) return true; /* who is down may have more */
        if (e && memcmp(e->room, s->room, 32) == 0 && e->feeds[feed].seen.count > row.count)
            return true;
    }
    return false;
}

/* Entries of the sentinel's own: random bytes, an old entry again, or one with a bit flipped. */
bool fault_forge(struct sim *s)
{
    struct person *p = person_random(s, PERSON_IN, true);
    struct enclave *e = p ? node_find(p->node, SIM_NAME) : NULL;
    struct buf sealed = BUF_INIT;
    uint8_t chain[32], *junk;
    if (!s->sentinel.m.up || s->sentinel.forked || !s->room_known || !e || !e->group ||
        e->feeds[0].seen.count == 0 || memcmp(e->room, s->room, 32) != 0)
        return false;
    unsigned how = (unsigned)rng_below(&s->rng, 3);
    uint8_t feed = how == 0 ? (uint8_t)rng_below(&s->rng, 3) : FEED_LEDGER;
    if (sentinel_behind(s, feed)) return false;
    if (how == 0) {
        junk = sim_alloc(2048);
        rng_bytes(&s->rng, junk, 2048);
        buf_raw(&sealed, junk, rng_chance(&s->rng, 500) ? 512 : 2048);
        free(junk);
    } else if (enclave_kept(e, feed, rng_below(&s->rng, e->feeds[0].seen.count), &sealed, chain) !=
               ST_OK) {
        buf_free(&sealed);
        return false;
    }
    if (how == 2) sealed.p[rng_below(&s->rng, sealed.n)] ^= 1;
    watch_ill(s, buf_view(&sealed));
    uint64_t index = vsentinel_forge(&s->sentinel, s->room, feed, buf_view(&sealed));
    if (feed == FEED_LEDGER) villain_note(s, index, buf_view(&sealed), "");
    sim_trace(s, "the sentinel forges entry %llu of feed %u", (unsigned long long)index, feed);
    buf_free(&sealed);
    return true;
}

bool fault_shuffle(struct sim *s)
{
    s->sentinel.shuffle = true;
    s->unwithhold_ms = s->time.now_ms + rng_between(&s->rng, 1000, 120000);
    sim_trace(s, "the sentinel shuffles and drops what it pushes");
    return true;
}

bool fault_withhold(struct sim *s)
{
    /* Who was kept in the dark before is led into the light. */
    vsentinel_kick(&s->sentinel, s->sentinel.withhold);
    s->sentinel.withhold = (unsigned)rng_below(&s->rng, 1U << s->n);
    s->unwithhold_ms = s->time.now_ms + rng_between(&s->rng, 1000, 120000);
    sim_trace(s, "the sentinel withholds entries from %#x", s->sentinel.withhold);
    return true;
}

static bool at_heads(struct sim *s, struct person *p)
{
    struct room_feed_row row;
    struct enclave *e = node_find(p->node, SIM_NAME);
    if (!e || p->outbox > 0) return false;
    for (uint8_t f = 0; f < FEEDS; f++)
        if (!vsentinel_feed(&s->sentinel, s->room, f, &row) || e->feeds[f].seen.count != row.count)
            return false;
    return true;
}

/* Everybody has seen everything: what an older database lost can be given back. If not, somebody may
 * write where others remember another entry, and that is a fork by the rules. */
static bool all_at_head(struct sim *s)
{
    if (!s->room_known) return false;
    for (unsigned i = 0; i < s->n; i++) {
        struct person *p = &s->people[i];
        if (p->state == PERSON_OUT) continue;
        if (!p->node || p->state != PERSON_IN || !p->online || p->tainted || !at_heads(s, p))
            return false;
    }
    return true;
}

/* Changes whenever somebody gets or gives up a seat: a database in which nobody of today has one
 * cannot be healed by anybody. */
static uint64_t seats_mark(const struct sim *s)
{
    uint64_t mark = s->left << 32 | (uint64_t)s->generation << 16;
    for (unsigned i = 0; i < s->n_nicks; i++) mark += s->nicks[i].checked;
    return mark;
}

bool fault_old_database(struct sim *s)
{
    if (s->sentinel.forked || !s->sentinel.m.up) return false;
    if (!s->sentinel.backup || rng_chance(&s->rng, 500)) {
        if (!all_at_head(s)) return false;
        vsentinel_backup(&s->sentinel);
        s->backup_seats = seats_mark(s);
        sim_trace(s, "the sentinel's database is copied");
        return true;
    }
    if (!all_at_head(s) || s->backup_seats != seats_mark(s) || !vsentinel_restore(&s->sentinel))
        return false;
    s->old_ms = s->time.now_ms;
    sim_trace(s, "the sentinel comes back with an older database");
    return true;
}

/* ---- holders ---- */

bool fault_liar(struct sim *s)
{
    unsigned i = (unsigned)rng_below(&s->rng, s->n);
    s->sick |= 1U << i;
    s->people[i].shards.lie = rng_chance(&s->rng, 500) ? SHARDS_FLIP : SHARDS_DENY;
    s->honest_ms[i] = s->time.now_ms + rng_between(&s->rng, 1000, 60000);
    sim_trace(s, "m%u lies about its shards", i);
    return true;
}

bool fault_rot(struct sim *s)
{
    unsigned i = (unsigned)rng_below(&s->rng, s->n);
    if (!shards_mem_rot(&s->people[i].shards)) return false;
    s->losses++;
    s->sick |= 1U << i;
    sim_trace(s, "a byte rots on m%u's disk", i);
    return true;
}

/* ---- and ends ---- */

static bool over(uint64_t *at_ms, uint64_t now, bool all)
{
    if (*at_ms == 0 || (!all && now < *at_ms)) return false;
    *at_ms = 0;
    return true;
}

void faults_heal(struct sim *s, bool all)
{
    uint64_t now = s->time.now_ms;
    if (over(&s->heal_ms, now, all)) {
        vnet_partition(&s->net, 0);
        sim_trace(s, "the partition heals");
    }
    if (over(&s->unfork_ms, now, all)) {
        end_fork(s);
        sim_trace(s, "the sentinel shows one history again%s",
                  s->proof_due ? ": a proof is due" : "");
    }
    if (over(&s->unwithhold_ms, now, all)) {
        /* Who was kept in the dark learns of it by others' words, or when it connects again. */
        vsentinel_kick(&s->sentinel, s->sentinel.withhold);
        if (s->sentinel.shuffle) vsentinel_kick(&s->sentinel, ~0U);
        s->sentinel.withhold = 0;
        s->sentinel.shuffle = false;
        s->sentinel.m.full = false;
    }
    if (over(&s->unmute_ms, now, all)) s->muted = 0;
    if (over(&s->unhold_ms, now, all)) hold_end(s);
    if (over(&s->sentinel_wake_ms, now, all)) {
        vsentinel_boot(&s->sentinel);
        sim_trace(s, "the sentinel is up");
    }
    for (unsigned i = 0; i < s->n; i++) {
        struct person *p = &s->people[i];
        if (over(&s->unfull_ms[i], now, all)) p->m.full = false;
        if (over(&s->honest_ms[i], now, all)) p->shards.lie = SHARDS_HONEST;
        if (!p->node && (all || now >= p->wake_ms)) person_boot(p);
    }
}
