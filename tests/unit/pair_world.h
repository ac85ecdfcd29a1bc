/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * pair_world: a small enclave for the tests of core/mail/pair: up to four
 * leaves, one feed 1, epochs that each leaf takes when the test says so, and a
 * disk each from which a leaf can be started again. Include after cmocka.h.
 *
 * Owns: pair_world_end frees all. Errors: fail the running test. Order:
 *     pair_world_start, then any, pair_world_end.
 */
#ifndef ENCLAVE_TESTS_PAIR_WORLD_H
#define ENCLAVE_TESTS_PAIR_WORLD_H

#include "core/mail/pair.h"
#include "core/mail/pair_inner.h"
#include "crypto/hash.h"
#include "crypto/secret.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PARTIES 4
#define FEED_MAX 4000
#define EPOCHS 40
#define ROWS (PARTIES + 1)
#define GENERATIONS 8

struct disk {
    struct buf row[ROWS]; /* empty: none */
};

struct party {
    struct pair *p;
    struct disk disk;
    uint8_t id_seed[32], id[32];
    unsigned epochs; /* taken */
    uint64_t next;   /* index of feed 1 */
    uint64_t unknown[FEED_MAX];
    size_t n_unknown;
};

struct world_epoch {
    uint64_t opened_at;
    unsigned mask;
    unsigned gen[PARTIES]; /* of their KEM keys */
};

struct world {
    struct party party[PARTIES];
    struct buf feed[FEED_MAX];
    size_t n;
    struct world_epoch epoch[EPOCHS];
    unsigned n_epochs;
    uint64_t made; /* a counter in place of randomness */
    bool pack;     /* what is made */
};

static const uint8_t ROOM[32] = {1}, ENCLAVE[32] = {2};

static inline void number_hash(const char *what, uint64_t a, uint64_t b, uint8_t ret[32])
{
    uint8_t n[16];
    put_u64(n, a);
    put_u64(n + 8, b);
    SHA256_OF(ret, bytes_str(what), BYTES_OF(n));
}

static inline void kem_seed_of(unsigned who, unsigned gen, uint8_t ret[32])
{
    number_hash("kem", who, gen, ret);
}

static inline void epoch_secret_of(unsigned epoch, uint8_t ret[32])
{
    number_hash("pair", epoch, 0, ret);
}

/* The party reads COMMITs up to the newest epoch. */
static inline void catch_up(struct world *w, unsigned who)
{
    struct party *y = &w->party[who];
    for (; y->epochs < w->n_epochs; y->epochs++) {
        const struct world_epoch *e = &w->epoch[y->epochs];
        struct pair_leaf leaves[PARTIES];
        uint8_t kem[PARTIES][KEM_PUBLIC], seed[32], secret[32];
        size_t n = 0;
        for (unsigned i = 0; i < PARTIES; i++) {
            if (!(e->mask & 1U << i)) continue;
            kem_seed_of(i, e->gen[i], seed);
            kem_public(seed, kem[i]);
            leaves[n++] = (struct pair_leaf){(uint16_t)i, w->party[i].id, kem[i]};
        }
        epoch_secret_of(y->epochs, secret);
        /* Who is out cannot take the epoch. */
        if (!(e->mask & 1U << who)) return;
        assert_int_equal(pair_add_epoch(y->p, y->epochs, secret, leaves, n, e->opened_at,
                                        1000 * (y->epochs + UINT64_C(1))),
                         ST_OK);
    }
}

static inline void new_epoch(struct world *w, unsigned mask)
{
    struct world_epoch *e = &w->epoch[w->n_epochs];
    assert_true(w->n_epochs < EPOCHS);
    *e = w->n_epochs ? w->epoch[w->n_epochs - 1] : (struct world_epoch){0};
    e->opened_at = w->n;
    e->mask = mask;
    w->n_epochs++;
}

static inline void all_catch_up(struct world *w)
{
    for (unsigned i = 0; i < PARTIES; i++) catch_up(w, i);
}

static inline void party_new(struct world *w, unsigned who)
{
    assert_int_equal(pair_new(ROOM, ENCLAVE, (uint16_t)who, w->party[who].id, &w->party[who].p),
                     ST_OK);
}

static inline struct world *pair_world_start(void)
{
    struct world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    for (unsigned i = 0; i < PARTIES; i++) {
        memset(w->party[i].id_seed, 0x40 + (int)i, 32);
        sign_public(w->party[i].id_seed, w->party[i].id);
        party_new(w, i);
    }
    new_epoch(w, 15);
    all_catch_up(w);
    return w;
}

static inline void disk_free(struct disk *d)
{
    for (size_t i = 0; i < ROWS; i++) buf_free(&d->row[i]);
}

static inline void pair_world_end(struct world *w)
{
    for (unsigned i = 0; i < PARTIES; i++) {
        pair_free(w->party[i].p);
        disk_free(&w->party[i].disk);
    }
    for (size_t i = 0; i < w->n; i++) buf_free(&w->feed[i]);
    free(w);
}

/* Changed rows to disk. */
static inline void save_all(struct world *w, unsigned who)
{
    struct party *y = &w->party[who];
    uint64_t row;
    while (pair_dirty(y->p, &row)) {
        assert_true(row < ROWS);
        buf_clear(&y->disk.row[row]);
        assert_int_equal(pair_save(y->p, row, &y->disk.row[row]), ST_OK);
    }
}

/* What was not saved is gone. */
static inline void reload(struct world *w, unsigned who)
{
    struct party *y = &w->party[who];
    uint64_t row;
    pair_free(y->p);
    party_new(w, who);
    for (size_t i = ROWS; i-- > 0;)
        if (y->disk.row[i].n)
            assert_int_equal(pair_load(y->p, i, buf_view(&y->disk.row[i])), ST_OK);
    if (y->disk.row[0].n) assert_false(pair_dirty(y->p, &row));
}

static inline void disk_copy(const struct disk *from, struct disk *to)
{
    for (size_t i = 0; i < ROWS; i++) {
        buf_clear(&to->row[i]);
        buf_bytes(&to->row[i], buf_view(&from->row[i]));
    }
}

static inline void append(struct world *w, struct buf *entry)
{
    assert_true(w->n < FEED_MAX);
    w->feed[w->n++] = *entry;
    *entry = BUF_INIT;
}

static inline void append_bytes(struct world *w, struct bytes b)
{
    struct buf copy = BUF_INIT;
    buf_bytes(&copy, b);
    append(w, &copy);
}

static inline enum status make(struct world *w, unsigned from, unsigned to, const char *text,
                               uint64_t mark, struct buf *out)
{
    uint8_t random[PAIR_RANDOM];
    uint64_t epoch;
    struct mail_draft d = {
        .kind = MAIL_TEXT, .time_ms = 5, .pack = w->pack, .content = bytes_str(text)};
    w->made++;
    for (size_t i = 0; i < PAIR_RANDOM; i += 32) {
        uint8_t h[32];
        number_hash("random", w->made, i, h);
        memcpy(random + i, h, PAIR_RANDOM - i < 32 ? PAIR_RANDOM - i : 32);
    }
    put_u64(d.uuid, mark ? mark : (UINT64_C(1) << 40) + w->made);
    return pair_make(w->party[from].p, (uint16_t)to, &d, w->party[from].id_seed, random, out,
                     &epoch);
}

static inline size_t say(struct world *w, unsigned from, unsigned to, const char *text,
                         uint64_t mark)
{
    struct buf b = BUF_INIT;
    assert_int_equal(make(w, from, to, text, mark, &b), ST_OK);
    append(w, &b);
    return w->n - 1;
}

/* With the KEM secrets of its last generations: a node keeps those that were valid in an epoch whose
 * entries of feed 1 it has yet to read. */
static inline enum mail_verdict take_bytes(struct world *w, unsigned who, uint64_t index,
                                           struct bytes b, struct pair_message *ret)
{
    struct pair_message local;
    struct party *y = &w->party[who];
    uint8_t seed[GENERATIONS][32];
    const uint8_t *seeds[GENERATIONS];
    size_t n = 0;
    /* The newest it drew itself, before any COMMIT took it in. */
    unsigned gen = w->epoch[w->n_epochs - 1].gen[who];
    for (; n < GENERATIONS; n++) {
        kem_seed_of(who, gen, seed[n]);
        seeds[n] = seed[n];
        if (gen-- == 0) break;
    }
    if (n < GENERATIONS) n++;
    if (!ret) ret = &local;
    uint64_t before = y->p->decaps;
    assert_int_equal(pair_take(y->p, index, b, seeds, n, ret), ST_OK);
    assert_true(y->p->decaps - before <= n);
    return ret->verdict;
}

static inline enum mail_verdict read_at(struct world *w, unsigned who, uint64_t index,
                                        struct pair_message *ret)
{
    struct party *y = &w->party[who];
    enum mail_verdict v = take_bytes(w, who, index, buf_view(&w->feed[index]), ret);
    if (index >= y->next) {
        y->next = index + 1;
        if (v == MAIL_UNKNOWN) y->unknown[y->n_unknown++] = index;
    }
    return v;
}

/* Reads to the head; how many messages were shown. */
static inline unsigned read_all(struct world *w, unsigned who)
{
    unsigned shown = 0;
    while (w->party[who].next < w->n)
        shown += read_at(w, who, w->party[who].next, NULL) == MAIL_MESSAGE;
    return shown;
}

#endif
