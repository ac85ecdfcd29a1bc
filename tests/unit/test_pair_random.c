/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto core/feed core/mail */
/*
 * Three members write to each other as chance has it: entries wait, come in another order or not at
 * all, epochs close in between and are heard of late, states crash before and after each commit and
 * old disks come back. In the end each word was shown to its reader once, and to nobody else.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#include "unit/pair_world.h"

#include <limits.h>

#define WORDS 400
#define MEMBERS 3
#define HELD 24

struct word {
    unsigned from, to;
    unsigned shown; /* on the reader's disk */
    bool seen;      /* by its maker, in the feed */
};

struct held {
    struct buf b;
};

struct old_disk {
    struct disk disk;
    unsigned shown[WORDS];
    uint64_t next, unknown[FEED_MAX];
    size_t n_unknown;
    unsigned epochs;
    bool is;
};

struct chaos {
    struct world *w;
    uint64_t seed;
    struct word word[WORDS + 1]; /* from 1 on */
    uint64_t n;
    struct held held[HELD];
    size_t n_held;
    struct old_disk old[MEMBERS];
    bool loss, restores, races;
    unsigned restored, anew, late, lost;
};

static unsigned chance(struct chaos *c, unsigned n)
{
    uint8_t h[32];
    number_hash("chance", c->seed++, 0, h);
    return (unsigned)(get_u64(h) % n);
}

/* After each step: committed, or never happened. */
static bool commit(struct chaos *c, unsigned who)
{
    if (chance(c, 6) == 0) {
        reload(c->w, who);
        return false;
    }
    save_all(c->w, who);
    if (chance(c, 6) == 0) reload(c->w, who);
    return true;
}

static void send_held(struct chaos *c)
{
    if (c->n_held == 0) return;
    size_t i = chance(c, 3) ? 0 : chance(c, (unsigned)c->n_held);
    if (c->loss && chance(c, 12) == 0) {
        buf_free(&c->held[i].b);
        c->lost++;
    } else {
        append(c->w, &c->held[i].b);
    }
    c->n_held--;
    memmove(&c->held[i], &c->held[i + 1], (c->n_held - i) * sizeof c->held[0]);
    c->held[c->n_held].b = BUF_INIT;
}

static bool write_word(struct chaos *c, uint64_t mark)
{
    struct word *m = &c->word[mark];
    struct buf b = BUF_INIT;
    enum status st = make(c->w, m->from, m->to, "w", mark, &b);
    if (st != ST_OK) {
        assert_int_equal(st, ST_CONFLICT); /* restored: an epoch is due */
        return false;
    }
    if (!commit(c, m->from)) {
        buf_free(&b);
        return false;
    }
    if (c->n_held == HELD) send_held(c);
    c->held[c->n_held++].b = b;
    return true;
}

static void new_word(struct chaos *c)
{
    if (c->n == WORDS) return;
    unsigned from = chance(c, MEMBERS), to = (from + 1 + chance(c, MEMBERS - 1)) % MEMBERS;
    c->word[++c->n] = (struct word){.from = from, .to = to};
    write_word(c, c->n);
}

/* What the node would do of itself: what fell out of its epoch is said again. */
static void say_late(struct chaos *c, unsigned who)
{
    uint16_t leaf;
    uint8_t uuid[16];
    while (pair_late_own(c->w->party[who].p, &leaf, uuid)) {
        uint64_t mark = get_u64(uuid);
        assert_int_equal(c->word[mark].from, who);
        c->word[mark].seen = false;
        c->late++;
    }
    save_all(c->w, who);
}

static void note(struct chaos *c, unsigned who, const struct pair_message *msg)
{
    uint64_t mark = get_u64(msg->uuid);
    switch (msg->verdict) {
    case MAIL_MESSAGE:
        assert_int_equal(c->word[mark].to, who);
        assert_int_equal(c->word[mark].from, msg->leaf);
        c->word[mark].shown++;
        assert_int_equal(c->word[mark].shown, 1);
        c->anew += msg->anew;
        break;
    case MAIL_OWN:
        assert_int_equal(c->word[mark].from, who);
        c->word[mark].seen = true;
        break;
    case MAIL_AGAIN: assert_int_equal(c->word[mark].shown, 1); break;
    case MAIL_OWN_LATE: c->word[mark].seen = false; break;
    case MAIL_OWN_UNKNOWN: assert_true(c->restores); break;
    case MAIL_FORGED:
        /* Own places used twice, by two lives. */
        assert_true(c->restores);
        break;
    default: break;
    }
}

/* One entry, which may be forgotten again by a crash. */
static bool read_one(struct chaos *c, unsigned who, uint64_t index)
{
    struct party *y = &c->w->party[who];
    struct pair_message msg;
    uint64_t next = y->next;
    size_t n_unknown = y->n_unknown;
    read_at(c->w, who, index, &msg);
    if (!commit(c, who)) {
        y->next = next;
        y->n_unknown = n_unknown;
        return false;
    }
    note(c, who, &msg);
    return true;
}

static void retake(struct chaos *c, unsigned who)
{
    struct party *y = &c->w->party[who];
    for (size_t i = 0; i < y->n_unknown; i++)
        while (!read_one(c, who, y->unknown[i])) continue;
}

static void hear_of_epochs(struct chaos *c, unsigned who)
{
    struct party *y = &c->w->party[who];
    unsigned before = y->epochs;
    uint64_t early[PAIR_EARLY_MAX];
    size_t n = 0;
    catch_up(c->w, who);
    save_all(c->w, who);
    if (y->epochs == before) return;
    while (pair_early(y->p, n, &early[n])) n++;
    for (size_t i = 0; i < n; i++)
        while (!read_one(c, who, early[i])) continue;
    say_late(c, who);
}

static void read_some(struct chaos *c, unsigned who, unsigned most)
{
    struct party *y = &c->w->party[who];
    if (!c->races || chance(c, 4)) hear_of_epochs(c, who);
    for (unsigned i = 0; i < most && y->next < c->w->n; i++) read_one(c, who, y->next);
}

static void settle(struct chaos *c, unsigned who)
{
    bool grew = false;
    assert_int_equal(pair_settle(c->w->party[who].p, &grew), ST_OK);
    if (grew) retake(c, who);
}

static void change_epoch(struct chaos *c)
{
    struct world *w = c->w;
    if (w->n_epochs == EPOCHS - 4) return;
    new_epoch(w, 7);
    struct world_epoch *e = &w->epoch[w->n_epochs - 1];
    e->gen[chance(c, MEMBERS)]++;
    /* Its author had not read all. */
    uint64_t back = chance(c, 12), least = w->epoch[w->n_epochs - 2].opened_at;
    e->opened_at = w->n > least + back ? w->n - back : least;
}

static void keep_disk(struct chaos *c, unsigned who)
{
    struct old_disk *o = &c->old[who];
    struct party *y = &c->w->party[who];
    save_all(c->w, who);
    disk_copy(&y->disk, &o->disk);
    for (uint64_t m = 1; m <= c->n; m++) o->shown[m - 1] = c->word[m].shown;
    for (uint64_t m = c->n; m < WORDS; m++) o->shown[m] = 0;
    o->next = y->next;
    o->epochs = y->epochs;
    memcpy(o->unknown, y->unknown, sizeof o->unknown);
    o->n_unknown = y->n_unknown;
    o->is = true;
}

/* The node notices by its mail that this is an old disk, and renews its keys. */
static void restore_disk(struct chaos *c, unsigned who)
{
    struct old_disk *o = &c->old[who];
    struct party *y = &c->w->party[who];
    if (!o->is) return;
    disk_copy(&o->disk, &y->disk);
    reload(c->w, who);
    for (uint64_t m = 1; m <= c->n; m++)
        if (c->word[m].to == who) c->word[m].shown = o->shown[m - 1];
    y->next = o->next;
    y->epochs = o->epochs;
    memcpy(y->unknown, o->unknown, sizeof y->unknown);
    y->n_unknown = o->n_unknown;
    hear_of_epochs(c, who);
    pair_restored(y->p);
    change_epoch(c);
    c->restored++;
    save_all(c->w, who);
}

static void play(struct chaos *c)
{
    unsigned who = chance(c, MEMBERS);
    switch (chance(c, 12)) {
    case 0:
    case 1:
    case 2: new_word(c); break;
    case 3:
        for (unsigned i = chance(c, 8); i > 0; i--) new_word(c);
        break;
    case 4:
    case 5: send_held(c); break;
    case 6:
    case 7:
    case 8: read_some(c, who, chance(c, 12)); break;
    case 9:
        read_some(c, who, UINT_MAX);
        settle(c, who);
        break;
    case 10:
        if (chance(c, 4) == 0) change_epoch(c);
        break;
    default:
        if (!c->restores) break;
        if (chance(c, 4) == 0) keep_disk(c, who);
        if (chance(c, 8) == 0) restore_disk(c, who);
        break;
    }
}

static unsigned missing(const struct chaos *c)
{
    unsigned n = 0;
    for (uint64_t m = 1; m <= c->n; m++) n += c->word[m].shown == 0;
    return n;
}

/* All is delivered and read; what is still missing is said again, as after OWN_LATE, a lost outbox
 * row, or by hand after `anew`. */
static void come_to_rest(struct chaos *c)
{
    for (unsigned round = 0; round < 8; round++) {
        while (c->n_held > 0) send_held(c);
        for (unsigned who = 0; who < MEMBERS; who++) {
            hear_of_epochs(c, who);
            while (c->w->party[who].next < c->w->n) read_one(c, who, c->w->party[who].next);
            settle(c, who);
            say_late(c, who);
        }
        if (missing(c) == 0) return;
        c->loss = false;
        for (uint64_t m = 1; m <= c->n; m++)
            if (c->word[m].shown == 0) write_word(c, m);
        if (round == 0 && c->w->n_epochs < EPOCHS) new_epoch(c->w, 7);
    }
}

static void run(uint64_t seed, bool loss, bool races, bool restores)
{
    struct chaos *c = calloc(1, sizeof *c);
    assert_non_null(c);
    c->w = pair_world_start();
    new_epoch(c->w, 7);
    for (unsigned i = 0; i < MEMBERS; i++) hear_of_epochs(c, i);
    c->w->made = seed << 32;
    c->seed = seed << 20;
    c->loss = loss;
    c->races = races;
    c->restores = restores;
    for (unsigned i = 0; i < 400 && c->w->n < FEED_MAX - 1000; i++) play(c);
    if (!loss && !restores) {
        /* Nothing but lateness and crashes before the commit can have kept a word back. */
        while (c->n_held > 0) send_held(c);
        for (unsigned who = 0; who < MEMBERS; who++) {
            hear_of_epochs(c, who);
            while (c->w->party[who].next < c->w->n) read_one(c, who, c->w->party[who].next);
            settle(c, who);
            say_late(c, who);
        }
        for (uint64_t m = 1; m <= c->n; m++) assert_true(!c->word[m].seen || c->word[m].shown == 1);
    }
    come_to_rest(c);
    assert_int_equal(missing(c), 0);
    /* A last round finds all pairs in one conversation each, turns changing. */
    for (unsigned i = 0; i < 6 * MEMBERS; i++) {
        unsigned from = i / 6, to = (from + 1) % MEMBERS;
        if (i % 2) {
            unsigned t = from;
            from = to;
            to = t;
        }
        say(c->w, from, to, "w", 0);
        assert_int_equal(read_all(c->w, to), 1);
        read_all(c->w, 3 - from - to);
        read_all(c->w, from);
        const struct pair_peer *x = pair_peer_find(c->w->party[from].p, (uint16_t)to);
        const struct pair_peer *y = pair_peer_find(c->w->party[to].p, (uint16_t)from);
        assert_memory_equal(x->order.talk, y->order.talk, 16);
        if (i % 6 > 1) assert_true(x->turn >= 1 && x->turn == y->turn);
    }
    print_message(
        "seed %llu: %llu words, %u lost, %u late, %u restored, %u begun anew, %u epochs\n",
        (unsigned long long)seed, (unsigned long long)c->n, c->lost, c->late, c->restored, c->anew,
        c->w->n_epochs);
    for (unsigned i = 0; i < MEMBERS; i++) disk_free(&c->old[i].disk);
    pair_world_end(c->w);
    free(c);
}

static uint64_t seeds(void)
{
    const char *more = getenv("PAIR_SEEDS");
    return more ? strtoull(more, NULL, 10) : 2;
}

static uint64_t first(void)
{
    const char *from = getenv("PAIR_FROM");
    return from ? strtoull(from, NULL, 10) : 1;
}

static void crashes_and_disorder(void **state)
{
    (void)state;
    for (uint64_t s = first(); s < first() + seeds(); s++) run(s, false, false, false);
}

static void races_of_epochs(void **state)
{
    (void)state;
    for (uint64_t s = first(); s < first() + seeds(); s++) run(s, false, true, false);
}

static void losses(void **state)
{
    (void)state;
    for (uint64_t s = first(); s < first() + seeds(); s++) run(s, true, true, false);
}

static void old_disks(void **state)
{
    (void)state;
    for (uint64_t s = first(); s < first() + seeds(); s++) run(s, true, true, true);
}

static void long_words_are_packed(void **state)
{
    (void)state;
    struct world *w = pair_world_start();
    struct pair_message msg;
    char text[4001] = {0};
    for (size_t i = 0; i + 1 < sizeof text; i++) text[i] = "so many words "[i % 14];
    for (unsigned i = 0; i < 6; i++) {
        unsigned from = i / 2 % 2;
        w->pack = i % 2;
        size_t at = say(w, from, 1 - from, text, 0);
        assert_int_equal(w->feed[at].n, w->pack ? 4096 : 8192);
        assert_int_equal(read_at(w, from, at, &msg), MAIL_OWN);
        assert_int_equal(read_at(w, 1 - from, at, &msg), MAIL_MESSAGE);
        assert_true(bytes_same(msg.content, bytes_str(text)));
        assert_int_equal(msg.flags, 0);
    }
    pair_world_end(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(long_words_are_packed),
        cmocka_unit_test(crashes_and_disorder),
        cmocka_unit_test(races_of_epochs),
        cmocka_unit_test(losses),
        cmocka_unit_test(old_disks),
    };
    if (crypto_start() != ST_OK) return 1;
    return !!cmocka_run_group_tests(tests, NULL, NULL);
}
