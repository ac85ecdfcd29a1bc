/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto core/feed core/mail */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#include "unit/pair_world.h"

static uint32_t turn_of(struct world *w, unsigned who, unsigned with)
{
    return pair_peer_find(w->party[who].p, (uint16_t)with)->turn;
}

/* ---- words to and fro ---- */

static void words_reach_the_peer_alone(void **state)
{
    (void)state;
    struct world *w = pair_world_start();
    struct pair_message msg;
    for (unsigned i = 0; i < 30; i++) {
        unsigned from = i / 2 % 2, to = 1 - from;
        size_t at = say(w, from, to, i % 2 ? "and more" : "a word", 0);
        assert_int_equal(w->feed[at].n, PAIR_SEALED_MIN);
        assert_int_equal(read_at(w, from, at, &msg), MAIL_OWN);
        assert_int_equal(msg.leaf, to);
        assert_int_equal(read_at(w, to, at, &msg), MAIL_MESSAGE);
        assert_int_equal(msg.leaf, from);
        assert_memory_equal(msg.id, w->party[from].id, 32);
        assert_true(bytes_same(msg.content, bytes_str(i % 2 ? "and more" : "a word")));
        assert_false(msg.anew);
        assert_int_equal(read_at(w, 2, at, &msg), MAIL_UNKNOWN);
        /* Again, at another index: nothing of it is left. */
        append_bytes(w, buf_view(&w->feed[at]));
        assert_int_equal(read_at(w, to, at + 1, &msg), i < 2 ? MAIL_AGAIN : MAIL_UNKNOWN);
        assert_int_equal(read_at(w, from, at + 1, &msg), MAIL_UNKNOWN);
        if (i % 5 == 0)
            for (unsigned k = 0; k < 2; k++) {
                save_all(w, k);
                reload(w, k);
            }
    }
    assert_int_equal(turn_of(w, 0, 1), 14);
    assert_int_equal(turn_of(w, 1, 0), 14);
    pair_world_end(w);
}

static void all_entries_look_alike(void **state)
{
    (void)state;
    struct world *w = pair_world_start();
    char big[6000] = {0};
    memset(big, 'x', sizeof big - 1);
    static const size_t sizes[] = {0, 1512, 1513, 5999}, want[] = {4096, 4096, 8192, 16384};
    for (unsigned i = 0; i < 12; i++) {
        big[sizes[i % 4]] = 0;
        size_t at = say(w, i / 4 % 2, 1 - i / 4 % 2, big, 0);
        if (sizes[i % 4] < sizeof big - 1) big[sizes[i % 4]] = 'x';
        assert_int_equal(w->feed[at].n, want[i % 4]);
        read_all(w, 0);
        read_all(w, 1);
    }
    /* No 32 bytes of any entry are found in another one. */
    for (size_t a = 0; a < w->n; a++)
        for (size_t b = 0; b < a; b++)
            for (size_t i = 0; i + 32 <= 4096; i += 32)
                assert_memory_not_equal(w->feed[a].p + i, w->feed[b].p + i, 32);
    pair_world_end(w);
}

static void many_words_before_an_answer(void **state)
{
    (void)state;
    struct world *w = pair_world_start();
    for (unsigned i = 0; i < 100; i++) say(w, 0, 1, "hello?", 0);
    /* Each of them is enough: the first ones never came. */
    w->party[1].next = 7;
    assert_int_equal(read_all(w, 1), 93);
    for (unsigned i = 0; i < 100; i++) say(w, 1, 0, "here I am", 0);
    assert_int_equal(read_all(w, 0), 100);
    for (unsigned i = 0; i < 3; i++) say(w, 0, 1, "good", 0);
    assert_int_equal(read_all(w, 1), 3);
    assert_int_equal(turn_of(w, 1, 0), 2);
    pair_world_end(w);
}

static bool agree(struct world *w, unsigned a, unsigned b)
{
    const struct pair_peer *x = pair_peer_find(w->party[a].p, (uint16_t)b);
    const struct pair_peer *y = pair_peer_find(w->party[b].p, (uint16_t)a);
    return x->has_order && y->has_order && memcmp(x->order.talk, y->order.talk, 16) == 0;
}

static void crossing_first_words_converge(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 12; round++) {
        struct world *w = pair_world_start();
        w->made = round * 100; /* other ids: now the one, now the other holds */
        for (unsigned i = 0; i < 3; i++) {
            say(w, 0, 1, "from a", 0);
            say(w, 1, 0, "from b", 0);
        }
        /* One of them reads first, and answers before the other reads anything. */
        assert_int_equal(read_all(w, round % 2), 3);
        say(w, round % 2, 1 - round % 2, "crossed?", 0);
        if (round % 3 == 0) say(w, 1 - round % 2, round % 2, "crossed!", 0);
        assert_int_equal(read_all(w, 1 - round % 2), 4);
        assert_int_equal(read_all(w, round % 2), round % 3 == 0);
        assert_true(agree(w, 0, 1));
        for (unsigned i = 0; i < 4; i++) {
            say(w, i % 2, 1 - i % 2, "on", 0);
            assert_int_equal(read_all(w, 1 - i % 2), 1);
        }
        assert_true(turn_of(w, 0, 1) >= 3);
        pair_world_end(w);
    }
}

static void reordered_and_lost(void **state)
{
    (void)state;
    struct world *w = pair_world_start();
    struct pair_message msg;
    struct buf b[40] = {{0}};
    say(w, 0, 1, "a", 0);
    read_all(w, 1);
    /* A turn of which the first entries are lost, the next ones come backwards. */
    for (unsigned i = 0; i < 40; i++) assert_int_equal(make(w, 1, 0, "t", 0, &b[i]), ST_OK);
    for (unsigned i = 20; i > 4; i--) append(w, &b[i]);
    assert_int_equal(read_at(w, 0, 1, &msg), MAIL_MESSAGE);
    assert_int_equal(msg.skipped, 20);
    assert_int_equal(read_at(w, 0, 2, &msg), MAIL_MESSAGE);
    assert_int_equal(msg.skipped, 0);
    say(w, 0, 1, "answer", 0);
    save_all(w, 0);
    reload(w, 0);
    assert_int_equal(read_all(w, 0), 14);
    read_all(w, 1);
    say(w, 1, 0, "next turn", 0);
    assert_int_equal(read_all(w, 0), 1);
    /* Of the turn before, long after. */
    append(w, &b[39]);
    append(w, &b[2]);
    assert_int_equal(read_all(w, 0), 2);
    for (unsigned i = 0; i < 40; i++) buf_free(&b[i]);
    /* 100 that the sentinel dropped: beyond the window, found after settling. */
    struct buf lost = BUF_INIT;
    for (unsigned i = 0; i < 100; i++) {
        assert_int_equal(make(w, 1, 0, "lost", 0, &lost), ST_OK);
        buf_clear(&lost);
    }
    buf_free(&lost);
    bool retake = false;
    size_t at = say(w, 1, 0, "after", 0);
    assert_int_equal(read_at(w, 0, at, &msg), MAIL_UNKNOWN);
    assert_int_equal(pair_settle(w->party[0].p, &retake), ST_OK);
    assert_true(retake);
    uint64_t decaps = w->party[0].p->decaps;
    assert_int_equal(read_at(w, 0, at, &msg), MAIL_MESSAGE);
    assert_int_equal(w->party[0].p->decaps, decaps + 1);
    assert_int_equal(msg.skipped, 100);
    assert_int_equal(pair_settle(w->party[0].p, &retake), ST_OK);
    assert_false(retake);
    pair_world_end(w);
}

/* ---- epochs ---- */

static void made_again_shows_once(void **state)
{
    (void)state;
    struct world *w = pair_world_start();
    struct pair_message msg;
    uint8_t uuid[16];
    uint16_t leaf;
    say(w, 0, 1, "a", 1); /* 0 */
    say(w, 0, 1, "b", 2); /* 1 */
    assert_int_equal(read_at(w, 0, 0, &msg), MAIL_OWN);
    assert_int_equal(read_at(w, 0, 1, &msg), MAIL_OWN);
    new_epoch(w, 15);
    w->epoch[1].opened_at = 1; /* its COMMIT had not seen the second one ... */
    all_catch_up(w);
    assert_false(pair_late_own(w->party[0].p, &leaf, uuid));
    assert_int_equal(read_at(w, 1, 0, &msg), MAIL_MESSAGE);
    new_epoch(w, 15);
    w->epoch[2].opened_at = 1; /* ... nor the next one's */
    save_all(w, 0);
    reload(w, 0);
    all_catch_up(w);
    assert_int_equal(read_at(w, 1, 1, &msg), MAIL_LATE);
    assert_true(pair_late_own(w->party[0].p, &leaf, uuid));
    assert_int_equal(leaf, 1);
    assert_int_equal(get_u64(uuid), 2);
    assert_false(pair_late_own(w->party[0].p, &leaf, uuid));
    say(w, 0, 1, "b", 2); /* 2 */
    say(w, 0, 1, "b", 2); /* 3 */
    assert_int_equal(w->party[0].p->n_pending, 1);
    assert_int_equal(read_at(w, 1, 2, &msg), MAIL_MESSAGE);
    assert_int_equal(read_at(w, 1, 3, &msg), MAIL_AGAIN);
    assert_int_equal(read_at(w, 0, 2, &msg), MAIL_UNKNOWN); /* discarded, yet it came */
    assert_int_equal(read_at(w, 0, 3, &msg), MAIL_OWN);
    /* Another peer's uuid is another message. */
    say(w, 2, 1, "b", 2);
    assert_int_equal(read_at(w, 1, 4, &msg), MAIL_MESSAGE);
    pair_world_end(w);
}

static void an_epoch_to_come_is_waited_for(void **state)
{
    (void)state;
    struct world *w = pair_world_start();
    struct pair_message msg;
    uint64_t index;
    say(w, 0, 1, "a", 0);
    read_all(w, 1);
    say(w, 1, 0, "b", 0);
    read_all(w, 0);
    new_epoch(w, 15);
    catch_up(w, 0);
    catch_up(w, 2);
    say(w, 2, 1, "first", 0); /* 2 */
    say(w, 0, 1, "turn", 0);  /* 3 */
    assert_int_equal(read_at(w, 1, 2, &msg), MAIL_UNKNOWN);
    assert_int_equal(read_at(w, 1, 3, &msg), MAIL_UNKNOWN);
    assert_true(pair_early(w->party[1].p, 1, &index));
    assert_int_equal(index, 3);
    save_all(w, 1);
    reload(w, 1);
    catch_up(w, 1);
    assert_int_equal(read_at(w, 1, 2, &msg), MAIL_MESSAGE);
    assert_int_equal(w->party[1].p->decaps, 0); /* its ss was kept */
    assert_int_equal(read_at(w, 1, 3, &msg), MAIL_MESSAGE);
    assert_false(pair_early(w->party[1].p, 0, &index));
    pair_world_end(w);
}

static void older_keys_open_older_words(void **state)
{
    (void)state;
    struct world *w = pair_world_start();
    struct pair_message msg;
    say(w, 0, 1, "to your old key", 0);
    new_epoch(w, 15);
    w->epoch[1].gen[1] = 1;
    w->epoch[1].opened_at = 0;
    catch_up(w, 1);
    say(w, 0, 1, "once more", 0); /* has not heard of the new one */
    assert_int_equal(read_at(w, 1, 0, &msg), MAIL_MESSAGE);
    assert_int_equal(read_at(w, 1, 1, &msg), MAIL_MESSAGE);
    assert_int_equal(w->party[1].p->decaps, 4);
    assert_int_equal(read_at(w, 2, 0, &msg), MAIL_UNKNOWN);
    assert_int_equal(w->party[2].p->decaps, 1);
    /* Handed in again, no key is tried. */
    assert_int_equal(read_at(w, 2, 0, &msg), MAIL_UNKNOWN);
    assert_int_equal(w->party[2].p->decaps, 1);
    pair_world_end(w);
}

static void who_left_is_out(void **state)
{
    (void)state;
    struct world *w = pair_world_start();
    struct pair_message msg;
    struct buf b = BUF_INIT;
    say(w, 0, 2, "a", 0);
    say(w, 2, 0, "b", 0);
    read_all(w, 2);
    read_all(w, 0);
    say(w, 2, 0, "in time", 0); /* 2 */
    new_epoch(w, 11);
    all_catch_up(w);
    say(w, 2, 0, "too late", 0); /* 3: it does not know */
    assert_int_equal(read_at(w, 0, 2, &msg), MAIL_MESSAGE);
    assert_int_equal(read_at(w, 0, 3, &msg), MAIL_LATE);
    assert_int_equal(make(w, 0, 2, "x", 0, &b), ST_DENIED);
    assert_int_equal(make(w, 0, 9, "x", 0, &b), ST_DENIED);
    /* What others write is closed to it, with all that it had. */
    size_t at = say(w, 0, 1, "among us", 0);
    assert_int_equal(read_at(w, 2, at, &msg), MAIL_UNKNOWN);
    const struct pair_peer *gone = pair_peer_find(w->party[0].p, 2);
    assert_int_equal(gone->whose, PAIR_SILENT);
    pair_expire(w->party[0].p, 2000 + MAIL_EPOCH_KEEP_MS);
    assert_null(pair_peer_find(w->party[0].p, 2));
    uint64_t row;
    assert_true(pair_dirty(w->party[0].p, &row));
    assert_int_equal(row, 3);
    assert_int_equal(pair_save(w->party[0].p, row, &b), ST_OK);
    assert_int_equal(b.n, 0);
    pair_drop_peer(w->party[1].p, 0);
    assert_int_equal(make(w, 1, 0, "x", 0, &b), ST_DENIED);
    buf_free(&b);
    pair_world_end(w);
}

/* ---- thieves ---- */

/* A thief with the disk of `who` as it is now, KEM keys and all, reads along as party 3. */
static void steal(struct world *w, unsigned who)
{
    save_all(w, who);
    pair_free(w->party[3].p);
    assert_int_equal(pair_new(ROOM, ENCLAVE, (uint16_t)who, w->party[who].id, &w->party[3].p),
                     ST_OK);
    for (size_t i = ROWS; i-- > 0;)
        if (w->party[who].disk.row[i].n)
            assert_int_equal(pair_load(w->party[3].p, i, buf_view(&w->party[who].disk.row[i])),
                             ST_OK);
}

static enum mail_verdict thief_reads(struct world *w, unsigned who, size_t index)
{
    uint8_t seed[32];
    struct pair_message msg;
    const uint8_t *seeds[] = {seed};
    kem_seed_of(who, 0, seed);
    assert_int_equal(pair_take(w->party[3].p, index, buf_view(&w->feed[index]), seeds, 1, &msg),
                     ST_OK);
    return msg.verdict;
}

static void what_was_read_stays_closed(void **state)
{
    (void)state;
    struct world *w = pair_world_start();
    for (unsigned i = 0; i < 4; i++) {
        say(w, i % 2, 1 - i % 2, "round", 0);
        read_all(w, 0);
        read_all(w, 1);
    }
    size_t first = say(w, 0, 1, "secret", 0); /* turn 4 */
    say(w, 0, 1, "secret too", 0);
    size_t unread = say(w, 0, 1, "unread", 0);
    struct pair_message msg;
    assert_int_equal(read_at(w, 1, first, &msg), MAIL_MESSAGE);
    assert_int_equal(read_at(w, 1, first + 1, &msg), MAIL_MESSAGE);
    /* What would lead to the keys again is gone. */
    const struct pair_peer *peer = pair_peer_find(w->party[1].p, 0);
    for (size_t i = 0; i < PAIR_CHAINS_MAX; i++)
        if (peer->chains[i].stepped)
            assert_true(bytes_zero(BYTES(peer->secrets->chain[i].root, 32)));
    /* The reader's disk: only what was not read yet. */
    steal(w, 1);
    w->party[3].p->tried = 0;
    for (size_t i = 1; i < unread; i++) assert_int_equal(thief_reads(w, 1, i), MAIL_UNKNOWN);
    assert_int_equal(thief_reads(w, 1, unread), MAIL_MESSAGE);
    /* The writer's: not even that. */
    steal(w, 0);
    w->party[3].p->n_pending = 0;
    for (size_t i = 0; i <= unread; i++) assert_int_not_equal(thief_reads(w, 0, i), MAIL_MESSAGE);
    pair_world_end(w);
}

static void conversations_heal(void **state)
{
    (void)state;
    struct world *w = pair_world_start();
    for (unsigned i = 0; i < 3; i++) {
        say(w, i % 2, 1 - i % 2, "round", 0);
        read_all(w, 0);
        read_all(w, 1);
    }
    /* Turn by turn, in the same epoch: turn 2 was 0's. The thief of 1 reads what is said to it in
     * answer to what it held ... */
    steal(w, 1);
    size_t a = say(w, 0, 1, "still turn 2", 0);
    assert_int_equal(thief_reads(w, 1, a), MAIL_MESSAGE);
    read_all(w, 1);
    say(w, 1, 0, "turn 3", 0);
    read_all(w, 0);
    /* ... and nothing after 1 has shown a new key. */
    size_t b = say(w, 0, 1, "turn 4", 0);
    assert_int_equal(thief_reads(w, 1, b), MAIL_UNKNOWN);
    assert_int_equal(read_all(w, 1), 1);
    /* By an epoch: at once, in the middle of a turn. */
    steal(w, 1);
    new_epoch(w, 15);
    w->epoch[1].gen[1] = 1;
    catch_up(w, 0);
    catch_up(w, 1);
    size_t c = say(w, 0, 1, "turn 4 goes on", 0);
    assert_int_equal(thief_reads(w, 1, c), MAIL_UNKNOWN);
    assert_int_equal(read_all(w, 1), 1);
    pair_world_end(w);
}

/* ---- forgeries ---- */

static void expect_unchanged(struct world *w, unsigned who, const struct disk *before)
{
    save_all(w, who);
    for (size_t i = 1; i < ROWS; i++)
        assert_true(bytes_same(buf_view(&w->party[who].disk.row[i]), buf_view(&before->row[i])));
}

static void forgeries_spend_nothing(void **state)
{
    (void)state;
    struct world *w = pair_world_start();
    struct disk before = {0};
    struct pair_message msg;
    struct buf good = BUF_INIT, forged = BUF_INIT;
    /* A first entry, then the first of a turn, then a further one. */
    for (unsigned round = 0; round < 4; round++) {
        unsigned from = round == 1, to = 1 - from;
        assert_int_equal(make(w, from, to, "true", 0, &good), ST_OK);
        save_all(w, to);
        disk_copy(&w->party[to].disk, &before);
        for (size_t at = 0; at < good.n; at += at < 1200 ? 79 : 501) {
            buf_clear(&forged);
            buf_bytes(&forged, buf_view(&good));
            forged.p[at] ^= 1;
            append_bytes(w, buf_view(&forged));
            enum mail_verdict v = read_at(w, to, w->n - 1, &msg);
            assert_true(v == MAIL_FORGED || v == MAIL_UNKNOWN);
            assert_true(msg.content.n == 0);
            expect_unchanged(w, to, &before);
        }
        append(w, &good);
        assert_int_equal(read_at(w, to, w->n - 1, &msg), MAIL_MESSAGE);
        assert_int_equal(msg.skipped, 0);
        /* The maker sees its own only in what it made. */
        w->party[from].next = 0;
        for (size_t i = 0; i < w->n; i++)
            assert_int_equal(read_at(w, from, i, &msg) == MAIL_OWN, i == w->n - 1);
    }
    disk_free(&before);
    buf_free(&forged);
    pair_world_end(w);
}

/* An entry with everything right but what the test turns. */
struct forge {
    unsigned from, to, signer, signed_for;
    uint16_t leaf;
    uint64_t epoch, begun_epoch;
    uint32_t turn;
    bool bad_pk;
};

static void forge_first(struct world *w, const struct forge *f)
{
    struct pair_entry e = {.kind = MAIL_TEXT,
                           .leaf = f->leaf,
                           .epoch = f->epoch,
                           .begun_epoch = f->begun_epoch,
                           .turn = f->turn,
                           .content = BYTES_LIT("forged")};
    uint8_t seed[32], secret[32], pk[KEM_PUBLIC], ct[KEM_CT], ss[KEM_SS], coins[KEM_COINS] = {1};
    uint8_t nonce[XAEAD_NONCE] = {0};
    put_u64(coins, ++w->made);
    put_u64(e.uuid, w->made);
    kem_seed_of(f->to, 0, seed);
    kem_public(seed, pk);
    kem_public(coins, e.pk);
    if (f->bad_pk) memset(e.pk, 0xFF, 100);
    epoch_secret_of(0, secret);
    assert_int_equal(kem_encaps(pk, coins, ct, ss), ST_OK);
    struct pair_keys k = {ROOM, ENCLAVE, w->party[f->to].id, secret, NULL};
    struct buf b = BUF_INIT;
    if (f->signed_for == f->to) {
        assert_int_equal(
            pair_entry_seal(&k, &e, NULL, ct, ss, nonce, w->party[f->signer].id_seed, &b), ST_OK);
        append(w, &b);
        return;
    }
    /* Signed for another reader, wrapped anew for this one by hand. */
    struct pair_first first;
    pair_first_of(&k, ss, &first);
    k.reader_id = w->party[f->signed_for].id;
    assert_int_equal(
        pair_entry_seal(&k, &e, first.hint, ct, ss, nonce, w->party[f->signer].id_seed, &b), ST_OK);
    struct buf plain = BUF_INIT, again = BUF_INIT;
    struct pair_entry opened;
    uint8_t ad[32 + PAIR_HEAD], prk[32], key[32];
    assert_int_equal(pair_entry_open(&k, buf_view(&b), ss, &plain, &opened), ST_OK);
    memcpy(ad, ROOM, 32);
    memcpy(ad + 32, b.p, PAIR_HEAD);
    hkdf_extract(BYTES_OF(secret), BYTES_OF(ss), prk);
    EXPAND_OF(key, prk, BYTES_LIT("ENCLAVE pair key"), BYTES(w->party[f->to].id, 32));
    buf_raw(&again, b.p, PAIR_HEAD);
    xaead_seal_to(key, nonce, BYTES_OF(ad), buf_view(&plain), &again);
    buf_free(&plain);
    buf_free(&b);
    append(w, &again);
}

static void liars_are_not_believed(void **state)
{
    (void)state;
    struct world *w = pair_world_start();
    struct pair_message msg;
    struct disk before = {0};
    save_all(w, 1);
    disk_copy(&w->party[1].disk, &before);
    const struct forge wrong[] = {
        {.from = 0, .to = 1, .signer = 2, .signed_for = 1, .leaf = 0},  /* in another's name */
        {.from = 0, .to = 1, .signer = 0, .signed_for = 2, .leaf = 0},  /* forwarded by 2 */
        {.from = 0, .to = 1, .signer = 0, .signed_for = 1, .leaf = 2},  /* another leaf */
        {.from = 1, .to = 1, .signer = 1, .signed_for = 1, .leaf = 1},  /* from ourselves */
        {.from = 0, .to = 1, .signer = 0, .signed_for = 1, .leaf = 77}, /* from nobody */
        {.from = 0, .to = 1, .signer = 0, .signed_for = 1, .turn = 1},
        {.from = 0, .to = 1, .signer = 0, .signed_for = 1, .begun_epoch = 1},
        {.from = 0, .to = 1, .signer = 0, .signed_for = 1, .bad_pk = true},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        forge_first(w, &wrong[i]);
        assert_int_equal(read_at(w, 1, w->n - 1, &msg), MAIL_FORGED);
        assert_int_equal(msg.leaf, PAIR_NOBODY);
        expect_unchanged(w, 1, &before);
    }
    const struct forge right = {.from = 0, .to = 1, .signer = 0, .signed_for = 1, .leaf = 0};
    forge_first(w, &right);
    assert_int_equal(read_at(w, 1, w->n - 1, &msg), MAIL_MESSAGE);
    /* An epoch that will never be is not waited for. */
    const struct forge far = {.to = 1, .signed_for = 1, .epoch = 1000};
    uint64_t index;
    forge_first(w, &far);
    assert_int_equal(read_at(w, 1, w->n - 1, &msg), MAIL_UNKNOWN);
    assert_false(pair_early(w->party[1].p, 0, &index));
    disk_free(&before);
    pair_world_end(w);
}

static void old_first_words_do_not_set_back(void **state)
{
    (void)state;
    struct world *w = pair_world_start();
    struct pair_message msg;
    size_t first = say(w, 0, 1, "first", 0), held = say(w, 0, 1, "held back", 0);
    assert_int_equal(read_at(w, 1, first, &msg), MAIL_MESSAGE);
    say(w, 1, 0, "second", 0);
    read_all(w, 0);
    say(w, 0, 1, "third", 0);
    assert_int_equal(read_at(w, 1, w->n - 1, &msg), MAIL_MESSAGE);
    /* The sentinel shows the first again, and one that it held back. */
    append_bytes(w, buf_view(&w->feed[first]));
    append_bytes(w, buf_view(&w->feed[held]));
    assert_int_equal(read_at(w, 1, w->n - 2, &msg), MAIL_AGAIN);
    assert_int_equal(read_at(w, 1, w->n - 1, &msg), MAIL_MESSAGE);
    assert_false(msg.anew);
    assert_int_equal(turn_of(w, 1, 0), 2);
    say(w, 1, 0, "fourth", 0);
    assert_int_equal(read_all(w, 0), 1);
    pair_world_end(w);
}

/* ---- backups ---- */

static size_t greet(struct world *w, unsigned from, unsigned to)
{
    uint8_t random[PAIR_RANDOM] = {0x77};
    uint64_t epoch;
    uint16_t leaf;
    struct buf b = BUF_INIT;
    const struct mail_draft d = {.kind = PAIR_HELLO};
    bool due = false;
    for (size_t i = 0; pair_greet(w->party[from].p, i, &leaf); i++) due |= leaf == to;
    assert_true(due);
    assert_int_equal(
        pair_make(w->party[from].p, (uint16_t)to, &d, w->party[from].id_seed, random, &b, &epoch),
        ST_OK);
    append(w, &b);
    return w->n - 1;
}

static void a_restored_backup_begins_anew(void **state)
{
    (void)state;
    struct world *w = pair_world_start();
    struct pair_message msg;
    struct disk old = {0};
    struct buf b = BUF_INIT;
    say(w, 0, 1, "one", 0);
    read_all(w, 1);
    say(w, 1, 0, "two", 0);
    read_all(w, 0);
    save_all(w, 0);
    disk_copy(&w->party[0].disk, &old);
    uint64_t next = w->party[0].next;
    for (unsigned i = 0; i < 3; i++) {
        say(w, 0, 1, "of the other life", 0);
        read_all(w, 1);
        say(w, 1, 0, "its answer", 0);
        read_all(w, 0);
    }
    disk_copy(&old, &w->party[0].disk);
    reload(w, 0);
    w->party[0].next = next;
    /* Its own hints tell. */
    assert_int_equal(read_at(w, 0, next, &msg), MAIL_OWN_UNKNOWN);
    assert_int_equal(msg.leaf, 1);
    assert_int_equal(make(w, 0, 1, "x", 0, &b), ST_CONFLICT);
    read_all(w, 0);
    /* And if it is told. */
    pair_restored(w->party[0].p);
    assert_int_equal(make(w, 0, 1, "x", 0, &b), ST_CONFLICT);
    assert_int_equal(make(w, 0, 2, "x", 0, &b), ST_CONFLICT);
    save_all(w, 0);
    reload(w, 0);
    assert_int_equal(make(w, 0, 2, "x", 0, &b), ST_CONFLICT);
    new_epoch(w, 15);
    all_catch_up(w);
    say(w, 1, 0, "into the void", 77);
    assert_int_equal(read_all(w, 0), 0);
    size_t at = greet(w, 0, 1);
    assert_int_equal(read_at(w, 1, at, &msg), MAIL_AGAIN);
    assert_true(msg.anew);
    say(w, 1, 0, "into the void", 77);
    assert_int_equal(read_all(w, 0), 1);
    assert_true(agree(w, 0, 1));
    for (unsigned i = 0; i < 4; i++) {
        say(w, i % 2, 1 - i % 2, "on", 0);
        assert_int_equal(read_all(w, 1 - i % 2), 1);
    }
    disk_free(&old);
    buf_free(&b);
    pair_world_end(w);
}

static void what_another_life_answered_is_not_answered(void **state)
{
    (void)state;
    struct world *w = pair_world_start();
    struct disk old = {0};
    save_all(w, 0);
    disk_copy(&w->party[0].disk, &old);
    say(w, 1, 0, "one", 0);
    read_all(w, 0);
    say(w, 0, 1, "two", 0);
    read_all(w, 1);
    disk_copy(&old, &w->party[0].disk);
    reload(w, 0);
    pair_restored(w->party[0].p);
    w->party[0].next = 0;
    /* The sentinel holds back what the other life answered. */
    assert_int_equal(read_at(w, 0, 0, NULL), MAIL_MESSAGE);
    new_epoch(w, 15);
    all_catch_up(w);
    /* Not in the old conversation, whose places may be used. All are to hear of it. */
    uint16_t leaf;
    unsigned greeted = 0;
    for (; pair_greet(w->party[0].p, greeted, &leaf); greeted++) continue;
    assert_int_equal(greeted, 3);
    say(w, 0, 1, "three", 0);
    assert_false(pair_greet(w->party[0].p, 2, &leaf));
    assert_int_equal(turn_of(w, 0, 1), 0);
    assert_int_equal(read_all(w, 1), 1);
    say(w, 1, 0, "four", 0);
    assert_int_equal(read_all(w, 0), 1);
    /* A peer that lost its keys: as after a RENEW. */
    pair_anew(w->party[0].p, 1);
    say(w, 0, 1, "five", 0);
    assert_int_equal(turn_of(w, 0, 1), 0);
    assert_int_equal(read_all(w, 1), 1);
    assert_true(agree(w, 0, 1));
    disk_free(&old);
    pair_world_end(w);
}

/* ---- limits and state ---- */

static void limits_hold(void **state)
{
    (void)state;
    struct world *w = pair_world_start();
    struct buf b = BUF_INIT;
    for (unsigned i = 0; i < PAIR_UNSEEN_MAX; i++) {
        buf_clear(&b);
        assert_int_equal(make(w, 0, 1 + i % 3, "x", i + 1, &b), ST_OK);
    }
    assert_int_equal(make(w, 0, 1, "x", 0, &b), ST_BUSY);
    pair_discard(w->party[0].p, 1, (const uint8_t[16]){0, 0, 0, 0, 0, 0, 0, 1});
    assert_int_equal(make(w, 0, 1, "x", 0, &b), ST_OK);
    buf_clear(&b);
    /* Conversations begun anew without end cost the other side a bounded place. */
    for (unsigned i = 0; i < 40; i++) {
        say(w, 1, 2, "anew", 0);
        read_all(w, 2);
        say(w, 2, 1, "answer", 0);
        read_all(w, 1);
        pair_anew(w->party[1].p, 2);
    }
    unsigned used = 0;
    for (size_t c = 0; c < PAIR_CHAINS_MAX; c++)
        used += pair_peer_find(w->party[2].p, 1)->chains[c].used;
    assert_int_equal(used, PAIR_CHAINS_MAX);
    /* Entries for epochs to come: the oldest goes. */
    for (unsigned i = 0; i < PAIR_EARLY_MAX + 10; i++)
        forge_first(w, &(struct forge){.to = 3, .signed_for = 3, .epoch = 1 + i % 3});
    uint64_t index;
    w->party[3].next = 0;
    read_all(w, 3);
    assert_true(pair_early(w->party[3].p, PAIR_EARLY_MAX - 1, &index));
    assert_false(pair_early(w->party[3].p, PAIR_EARLY_MAX, &index));
    /* Junk is asked about once. */
    uint64_t decaps = w->party[3].p->decaps;
    for (unsigned i = 0; i < 8; i++) {
        struct buf junk = BUF_INIT;
        size_t n = i % 2 ? PAIR_SEALED_MIN : PAIR_SEALED_MIN / 2;
        memset(buf_space(&junk, n), (int)i, n);
        append(w, &junk);
        assert_int_equal(read_at(w, 3, w->n - 1, NULL), MAIL_UNKNOWN);
        assert_int_equal(read_at(w, 3, w->n - 1, NULL), MAIL_UNKNOWN);
    }
    assert_int_equal(w->party[3].p->decaps, decaps + 4);
    buf_free(&b);
    pair_world_end(w);
}

static void peers_are_bounded(void **state)
{
    (void)state;
    struct world *w = pair_world_start();
    struct pair_leaf leaves[MAIL_LEAVES_MAX];
    uint8_t id[4 * MAIL_LEAVES_MAX][32], kem[KEM_PUBLIC], seed[32] = {1}, secret[32] = {2};
    kem_public(seed, kem);
    for (unsigned i = 0; i < 4 * MAIL_LEAVES_MAX; i++) number_hash("id", i, 0, id[i]);
    for (unsigned e = 1; e < 70; e++) {
        size_t n = 0;
        for (unsigned i = 0; i < MAIL_LEAVES_MAX; i++) {
            unsigned leaf = e < 3 ? i : e * 3 + i;
            leaves[n++] = (struct pair_leaf){(uint16_t)leaf, id[leaf], kem};
        }
        assert_int_equal(pair_add_epoch(w->party[1].p, e, secret, leaves, n, 0, e), ST_OK);
        assert_true(w->party[1].p->n_peers <= PAIR_PEERS_MAX);
        assert_true(w->party[1].p->n_epochs <= MAIL_EPOCHS_MAX);
    }
    assert_int_equal(pair_add_epoch(w->party[1].p, 99, secret, leaves, 0, 0, 1), ST_TOO_BIG);
    assert_int_equal(pair_add_epoch(w->party[1].p, 99, secret, leaves, MAIL_LEAVES_MAX + 1, 0, 1),
                     ST_TOO_BIG);
    pair_world_end(w);
}

static void half_a_row_is_none(void **state)
{
    (void)state;
    struct world *w = pair_world_start();
    for (unsigned i = 0; i < 6; i++) {
        say(w, i % 2, 1 - i % 2, "on", 0);
        if (i > 3) say(w, 0, 1, "more", 0);
        read_all(w, 0);
        read_all(w, 1);
    }
    save_all(w, 0);
    for (size_t row = 0; row < ROWS; row++) {
        const struct buf *b = &w->party[0].disk.row[row];
        for (size_t cut = 0; cut < b->n; cut += 37) {
            struct pair *p = NULL;
            assert_int_equal(pair_new(ROOM, ENCLAVE, 0, w->party[0].id, &p), ST_OK);
            assert_int_not_equal(pair_load(p, row, BYTES(b->p, cut)), ST_OK);
            assert_int_equal(p->n_peers, 0);
            pair_free(p);
        }
    }
    assert_int_equal(pair_load(w->party[0].p, 2, buf_view(&w->party[0].disk.row[2])), ST_INTEGRITY);
    assert_int_equal(pair_load(w->party[0].p, 1 << 17, BYTES_NONE), ST_INTEGRITY);
    pair_world_end(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_reach_the_peer_alone),
        cmocka_unit_test(all_entries_look_alike),
        cmocka_unit_test(many_words_before_an_answer),
        cmocka_unit_test(crossing_first_words_converge),
        cmocka_unit_test(reordered_and_lost),
        cmocka_unit_test(made_again_shows_once),
        cmocka_unit_test(an_epoch_to_come_is_waited_for),
        cmocka_unit_test(older_keys_open_older_words),
        cmocka_unit_test(who_left_is_out),
        cmocka_unit_test(what_was_read_stays_closed),
        cmocka_unit_test(conversations_heal),
        cmocka_unit_test(forgeries_spend_nothing),
        cmocka_unit_test(liars_are_not_believed),
        cmocka_unit_test(old_first_words_do_not_set_back),
        cmocka_unit_test(a_restored_backup_begins_anew),
        cmocka_unit_test(what_another_life_answered_is_not_answered),
        cmocka_unit_test(limits_hold),
        cmocka_unit_test(peers_are_bounded),
        cmocka_unit_test(half_a_row_is_none),
    };
    if (crypto_start() != ST_OK) return 1;
    return !!cmocka_run_group_tests(tests, NULL, NULL);
}
