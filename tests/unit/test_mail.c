/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto core/feed core/mail */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#include "core/mail/mail.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "unit/fields_mutate.h"

#include <string.h>

#define FEED_MAX 3000

/* ---- a small enclave: leaves 0 .. 3, one feed ---- */

struct feed {
    struct buf entry[FEED_MAX];
    size_t n;
};

struct world {
    struct feed feed;
    struct mail *m[4];
    uint64_t made;
};

static const uint8_t ROOM[32] = {1}, ENCLAVE[32] = {2};

static void seed_of(unsigned leaf, uint8_t seed[32])
{
    memset(seed, 0x40 + (int)leaf, 32);
}

static size_t roster(uint64_t epoch, unsigned mask, struct mail_leaf *out)
{
    size_t n = 0;
    for (unsigned i = 0; i < 4; i++) {
        if (!(mask & 1U << i)) continue;
        uint8_t seed[32], number[10];
        seed_of(i, seed);
        out[n].leaf = (uint16_t)i;
        sign_public(seed, out[n].id);
        put_u64(number, epoch);
        put_u16(number + 8, (uint16_t)i);
        sha256(BYTES_OF(number), out[n].secret);
        n++;
    }
    return n;
}

static void open_epoch(struct mail *m, uint64_t epoch, unsigned mask, uint64_t seen)
{
    struct mail_leaf leaves[4];
    size_t n = roster(epoch, mask, leaves);
    assert_int_equal(mail_add_epoch(m, epoch, leaves, n, seen, 1000 * (epoch + 1)), ST_OK);
}

static void world_start(struct world *w)
{
    memset(w, 0, sizeof *w);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(mail_new(ROOM, ENCLAVE, (uint16_t)i, &w->m[i]), ST_OK);
        if (i < 3) open_epoch(w->m[i], 0, 7, 0);
    }
}

static void world_end(struct world *w)
{
    for (unsigned i = 0; i < 4; i++) mail_free(w->m[i]);
    for (size_t i = 0; i < w->feed.n; i++) buf_free(&w->feed.entry[i]);
}

static enum status make(struct world *w, unsigned who, const char *text, uint8_t mark,
                        struct buf *out, struct mail_made *ret)
{
    uint8_t seed[32], nonce[24] = {0};
    struct mail_draft d = {.kind = MAIL_TEXT, .time_ms = 5, .content = bytes_str(text)};
    put_u64(nonce, ++w->made);
    memset(d.uuid, mark, 16);
    if (mark == 0) put_u64(d.uuid, w->made); /* any */
    seed_of(who, seed);
    return mail_make(w->m[who], &d, seed, nonce, out, ret);
}

static void append(struct world *w, struct buf *entry)
{
    assert_true(w->feed.n < FEED_MAX);
    w->feed.entry[w->feed.n++] = *entry;
    *entry = BUF_INIT;
}

static struct mail_made say(struct world *w, unsigned who, const char *text, uint8_t mark)
{
    struct buf b = BUF_INIT;
    struct mail_made made = {0};
    assert_int_equal(make(w, who, text, mark, &b, &made), ST_OK);
    append(w, &b);
    return made;
}

static enum mail_verdict read_at(struct world *w, unsigned who, uint64_t index,
                                 struct mail_message *ret)
{
    struct mail_message local;
    if (!ret) ret = &local;
    assert_int_equal(mail_take(w->m[who], index, buf_view(&w->feed.entry[index]), ret), ST_OK);
    return ret->verdict;
}

static unsigned read_all(struct world *w, unsigned who)
{
    unsigned shown = 0;
    while (mail_next_index(w->m[who]) < w->feed.n)
        shown += read_at(w, who, mail_next_index(w->m[who]), NULL) == MAIL_MESSAGE;
    return shown;
}

/* Saves all (nothing was saved before) and builds the object again from its rows. */
static void restart(struct world *w, unsigned who)
{
    struct buf rows[MAIL_EPOCHS_MAX];
    uint64_t number[MAIL_EPOCHS_MAX], row;
    size_t n = 0;
    while (mail_dirty(w->m[who], &row)) {
        rows[n] = BUF_INIT;
        assert_int_equal(mail_save(w->m[who], row, &rows[n]), ST_OK);
        number[n++] = row;
    }
    struct mail *again = NULL;
    assert_int_equal(mail_new(ROOM, ENCLAVE, (uint16_t)who, &again), ST_OK);
    for (size_t i = 0; i < n; i++) {
        if (rows[i].n) assert_int_equal(mail_load(again, number[i], buf_view(&rows[i])), ST_OK);
        for (size_t cut = 0; rows[i].n && cut < rows[i].n; cut += 61) {
            struct mail *broken = NULL;
            assert_int_equal(mail_new(ROOM, ENCLAVE, (uint16_t)who, &broken), ST_OK);
            assert_int_not_equal(mail_load(broken, number[i], BYTES(rows[i].p, cut)), ST_OK);
            mail_free(broken);
        }
        buf_free(&rows[i]);
    }
    mail_free(w->m[who]);
    w->m[who] = again;
    assert_false(mail_dirty(again, &row));
}

static void words_reach_everybody_once(void **state)
{
    (void)state;
    static struct world w;
    world_start(&w);
    struct mail_message msg;
    for (unsigned i = 0; i < 30; i++) say(&w, i % 3, "hello", 0);
    assert_int_equal(read_at(&w, 1, 0, &msg), MAIL_MESSAGE);
    assert_int_equal(msg.leaf, 0);
    assert_true(bytes_same(msg.content, BYTES_LIT("hello")));
    assert_false(msg.gap);
    assert_int_equal(read_at(&w, 1, 1, &msg), MAIL_OWN);
    assert_int_equal(read_all(&w, 1), 19);
    assert_int_equal(read_all(&w, 0), 20);
    assert_int_equal(read_all(&w, 3), 0);
    /* A second time is a replay; the same bytes at a later index are nobody's. */
    assert_int_equal(mail_take(w.m[0], 4, buf_view(&w.feed.entry[4]), &msg), ST_REPLAY);
    struct buf copy = BUF_INIT;
    buf_bytes(&copy, buf_view(&w.feed.entry[4]));
    append(&w, &copy);
    assert_int_equal(read_at(&w, 0, 30, &msg), MAIL_UNKNOWN);
    world_end(&w);
}

static void forgeries_spend_nothing(void **state)
{
    (void)state;
    static struct world w;
    world_start(&w);
    struct mail_message msg;
    struct buf good = BUF_INIT, forged = BUF_INIT;
    struct mail_made made;
    assert_int_equal(make(&w, 0, "true", 1, &good, &made), ST_OK);
    /* The sentinel alters it ... */
    for (size_t at = HINT_SIZE; at < good.n; at += 50) {
        buf_clear(&forged);
        buf_bytes(&forged, buf_view(&good));
        forged.p[at] ^= 1;
        struct buf copy = BUF_INIT;
        buf_bytes(&copy, buf_view(&forged));
        append(&w, &copy);
    }
    /* ... and a member, who knows everybody's chains, writes in another's name. */
    struct mail_leaf leaves[4];
    roster(0, 7, leaves);
    uint8_t hint[8], mk[32], seed[32], nonce[24] = {9};
    hints_hint(leaves[0].secret, hint);
    hints_mk(leaves[0].secret, mk);
    seed_of(1, seed);
    struct envelope e = {.kind = 1, .content = BYTES_LIT("false")};
    const struct envelope_keys k = {ROOM, ENCLAVE};
    buf_clear(&forged);
    assert_int_equal(envelope_seal(&k, &e, hint, mk, nonce, seed, &forged), ST_OK);
    append(&w, &forged);
    append(&w, &good);
    while (mail_next_index(w.m[2]) + 1 < w.feed.n)
        assert_int_equal(read_at(&w, 2, mail_next_index(w.m[2]), &msg), MAIL_FORGED);
    assert_int_equal(read_at(&w, 2, w.feed.n - 1, &msg), MAIL_MESSAGE);
    assert_true(bytes_same(msg.content, BYTES_LIT("true")));
    assert_int_equal(msg.skipped, 0);
    world_end(&w);
}

static void long_words_are_packed(void **state)
{
    (void)state;
    static struct world w;
    world_start(&w);
    struct mail_message msg;
    struct mail_leaf leaves[4];
    struct buf sealed = BUF_INIT;
    struct mail_made made;
    char text[4000];
    for (size_t i = 0; i < sizeof text; i++) text[i] = "so many words "[i % 14];
    uint8_t seed[32], hint[8], mk[32], nonce[24] = {7};
    struct mail_draft d = {.kind = MAIL_TEXT, .pack = true, .content = BYTES(text, sizeof text)};
    seed_of(0, seed);
    assert_int_equal(mail_make(w.m[0], &d, seed, nonce, &sealed, &made), ST_OK);
    assert_int_equal(sealed.n, 512);
    append(&w, &sealed);
    assert_int_equal(read_at(&w, 1, 0, &msg), MAIL_MESSAGE);
    assert_true(bytes_same(msg.content, d.content));
    assert_int_equal(msg.flags, 0);
    /* Off by policy: as long as it is. */
    d.pack = false;
    d.uuid[0] = 1;
    assert_int_equal(mail_make(w.m[0], &d, seed, nonce, &sealed, &made), ST_OK);
    assert_int_equal(sealed.n, 8192);
    append(&w, &sealed);
    assert_int_equal(read_at(&w, 1, 1, &msg), MAIL_MESSAGE);
    /* A member signs a bomb: 4 GiB in 13 bytes, and the same with a size that it does not have. */
    roster(0, 7, leaves);
    seed_of(2, seed);
    const struct envelope_keys k = {ROOM, ENCLAVE};
    for (unsigned i = 0; i < 2; i++) {
        uint8_t bomb[] = {0x28, 0xB5, 0x2F, 0xFD, 0xA0, 0xF0, 0xFF, 0xFF, 0xFF, 3, 0, 0x10, 'a'};
        if (i == 1) memcpy(bomb + 5, (const uint8_t[]){0, 0x10, 0, 0}, 4);
        struct envelope e = {
            .kind = 1, .flags = ENVELOPE_PACKED, .leaf = 2, .content = BYTES_OF(bomb)};
        hints_hint(leaves[2].secret, hint);
        hints_mk(leaves[2].secret, mk);
        assert_int_equal(envelope_seal(&k, &e, hint, mk, nonce, seed, &sealed), ST_OK);
        append(&w, &sealed);
        assert_int_equal(read_at(&w, 1, 2 + i, &msg), MAIL_FORGED);
    }
    /* Unknown flags beside it: of a newer kind, unread. */
    struct envelope e = {.kind = 1, .flags = 3, .leaf = 2, .content = BYTES_LIT("?")};
    assert_int_equal(envelope_seal(&k, &e, hint, mk, nonce, seed, &sealed), ST_OK);
    append(&w, &sealed);
    assert_int_equal(read_at(&w, 1, 4, &msg), MAIL_NEWER);
    buf_free(&sealed);
    world_end(&w);
}

static void one_form_only(void **state)
{
    (void)state;
    const struct envelope_keys k = {ROOM, ENCLAVE};
    uint8_t hint[8] = {1}, mk[32] = {2}, nonce[24] = {3}, seed[32] = {4}, ad[40];
    struct envelope e = {.kind = 1, .content = BYTES_LIT("x")}, back;
    struct buf sealed = BUF_INIT, plain = BUF_INIT, odd = BUF_INIT;
    assert_int_equal(envelope_seal(&k, &e, hint, mk, nonce, seed, &sealed), ST_OK);
    assert_int_equal(sealed.n, 512);
    assert_int_equal(envelope_open(&k, buf_view(&sealed), mk, &plain, &back), ST_OK);
    memcpy(ad, ROOM, 32);
    memcpy(ad + 32, hint, 8);
    /* A pad byte that is not zero, and a class larger than needed. */
    plain.p[plain.n - 65] = 1;
    buf_raw(&odd, hint, 8);
    xaead_seal_to(mk, nonce, BYTES_OF(ad), buf_view(&plain), &odd);
    buf_clear(&plain);
    assert_int_equal(envelope_open(&k, buf_view(&odd), mk, &plain, &back), ST_BAD_MESSAGE);
    buf_clear(&plain);
    buf_clear(&odd);
    assert_int_equal(fields_encode(&envelope_fields, &e, &plain), ST_OK);
    buf_zero(&plain, 2048 - 48 - plain.n);
    buf_raw(&odd, hint, 8);
    xaead_seal_to(mk, nonce, BYTES_OF(ad), buf_view(&plain), &odd);
    assert_int_equal(odd.n, 2048);
    buf_clear(&plain);
    assert_int_equal(envelope_open(&k, buf_view(&odd), mk, &plain, &back), ST_BAD_MESSAGE);
    /* Largest content. */
    uint8_t *big = calloc(1, ENVELOPE_CONTENT_MAX + 1);
    e.content = BYTES(big, ENVELOPE_CONTENT_MAX);
    buf_clear(&sealed);
    buf_clear(&plain);
    assert_int_equal(envelope_seal(&k, &e, hint, mk, nonce, seed, &sealed), ST_OK);
    assert_int_equal(sealed.n, ENVELOPE_SEALED_MAX);
    assert_int_equal(envelope_open(&k, buf_view(&sealed), mk, &plain, &back), ST_OK);
    e.content.n++;
    assert_int_equal(envelope_seal(&k, &e, hint, mk, nonce, seed, &sealed), ST_TOO_BIG);
    free(big);
    buf_free(&sealed);
    buf_free(&plain);
    buf_free(&odd);
}

static void gaps_are_seen_and_healed(void **state)
{
    (void)state;
    static struct world w;
    world_start(&w);
    struct mail_message msg;
    struct buf held = BUF_INIT;
    struct mail_made made;
    say(&w, 0, "one", 1);
    assert_int_equal(make(&w, 0, "two", 2, &held, &made), ST_OK);
    say(&w, 0, "three", 3);
    append(&w, &held); /* the sentinel turned their order round */
    assert_int_equal(read_at(&w, 1, 0, &msg), MAIL_MESSAGE);
    assert_int_equal(read_at(&w, 1, 1, &msg), MAIL_MESSAGE);
    assert_int_equal(msg.skipped, 1);
    assert_true(msg.gap);
    restart(&w, 1);
    assert_int_equal(read_at(&w, 1, 2, &msg), MAIL_MESSAGE);
    assert_true(bytes_same(msg.content, BYTES_LIT("two")));
    /* 100 messages that the sentinel dropped: beyond the window, found after settling. */
    for (unsigned i = 0; i < 100; i++) {
        assert_int_equal(make(&w, 2, "lost", 0, &held, &made), ST_OK);
        buf_free(&held);
    }
    say(&w, 2, "after", 5);
    assert_int_equal(read_at(&w, 1, 3, &msg), MAIL_UNKNOWN);
    bool retake = false;
    uint64_t index;
    assert_int_equal(mail_settle(w.m[1], &retake), ST_OK);
    assert_true(retake);
    assert_true(mail_unknown(w.m[1], 0, &index));
    assert_int_equal(index, 3);
    assert_int_equal(read_at(&w, 1, 3, &msg), MAIL_MESSAGE);
    assert_int_equal(msg.skipped, 100);
    assert_false(mail_unknown(w.m[1], 0, &index));
    assert_int_equal(mail_settle(w.m[1], &retake), ST_OK);
    assert_false(retake);
    assert_int_equal(mail_lost(w.m[1], 2), 0);
    assert_int_equal(mail_head(w.m[1], 2, 0, 103, 4), ST_OK);
    assert_int_equal(mail_lost(w.m[1], 2), 102);
    world_end(&w);
}

static void heads_step_chains(void **state)
{
    (void)state;
    static struct world w;
    world_start(&w);
    struct mail_message msg;
    struct buf held = BUF_INIT;
    struct mail_made made;
    for (unsigned i = 0; i < 400; i++) {
        assert_int_equal(make(&w, 0, "lost", 4, &held, &made), ST_OK);
        buf_free(&held);
        mail_discard(w.m[0], made.epoch, made.n);
    }
    say(&w, 1, "x", 1);
    /* Stated for a place of the feed that is not read yet: nothing is lost so far. */
    assert_int_equal(mail_head(w.m[2], 0, 0, 400, 1), ST_OK);
    assert_int_equal(mail_lost(w.m[2], 0), 0);
    restart(&w, 2);
    assert_int_equal(read_at(&w, 2, 0, &msg), MAIL_MESSAGE);
    assert_int_equal(mail_lost(w.m[2], 0), 400);
    say(&w, 0, "here", 2);
    assert_int_equal(read_at(&w, 2, 1, &msg), MAIL_MESSAGE);
    assert_int_equal(msg.n, 400);
    /* Nonsense does no harm. */
    assert_int_equal(mail_head(w.m[2], 0, 0, UINT64_MAX, 1), ST_OK);
    assert_int_equal(mail_head(w.m[2], 9, 0, 5, 1), ST_OK);
    assert_int_equal(mail_head(w.m[2], 0, 7, 5, 1), ST_OK);
    say(&w, 0, "there", 3);
    assert_int_equal(read_at(&w, 2, 2, &msg), MAIL_MESSAGE);
    world_end(&w);
}

static void epochs_open_and_close(void **state)
{
    (void)state;
    static struct world w;
    world_start(&w);
    struct mail_message msg;
    uint8_t uuid[16];
    uint64_t index;
    say(&w, 0, "a", 1); /* 0 */
    /* Epoch 1 lets leaf 3 in; its COMMIT saw one entry. Leaf 2 does not know yet. */
    open_epoch(w.m[0], 1, 15, 1);
    open_epoch(w.m[3], 1, 15, 1);
    assert_int_equal(mail_skip_to(w.m[3], 1), ST_OK);
    say(&w, 0, "b", 2); /* 1: epoch 1 */
    say(&w, 2, "c", 3); /* 2: epoch 0, after its end, author still there */
    assert_int_equal(read_at(&w, 1, 0, &msg), MAIL_MESSAGE);
    assert_int_equal(read_at(&w, 1, 1, &msg), MAIL_UNKNOWN);
    assert_int_equal(read_at(&w, 1, 2, &msg), MAIL_MESSAGE);
    open_epoch(w.m[1], 1, 15, 1);
    assert_true(mail_unknown(w.m[1], 0, &index));
    assert_int_equal(read_at(&w, 1, index, &msg), MAIL_MESSAGE);
    assert_int_equal(msg.epoch, 1);
    assert_int_equal(read_all(&w, 3), 1);
    /* Leaf 2 posts in epoch 0 again, and epoch 2 opens without having seen it. */
    say(&w, 2, "d", 4); /* 3 */
    assert_int_equal(read_all(&w, 2), 1);
    open_epoch(w.m[2], 1, 15, 1);
    assert_true(mail_unknown(w.m[2], 0, &index));
    assert_int_equal(read_at(&w, 2, 1, &msg), MAIL_MESSAGE);
    assert_false(mail_late_own(w.m[2], uuid));
    for (unsigned i = 0; i < 4; i++) open_epoch(w.m[i], 2, 15, 3);
    assert_int_equal(read_at(&w, 0, 0, &msg), MAIL_OWN);
    assert_int_equal(read_at(&w, 0, 1, &msg), MAIL_OWN);
    assert_int_equal(read_at(&w, 0, 2, &msg), MAIL_MESSAGE);
    assert_int_equal(read_at(&w, 0, 3, &msg), MAIL_LATE);
    assert_int_equal(read_at(&w, 1, 3, &msg), MAIL_LATE);
    /* The author is told and says it again. */
    assert_true(mail_late_own(w.m[2], uuid));
    assert_int_equal(uuid[0], 4);
    assert_false(mail_late_own(w.m[2], uuid));
    say(&w, 2, "d", 4); /* 4 */
    assert_int_equal(read_at(&w, 0, 4, &msg), MAIL_MESSAGE);
    /* Who had shown the first one shows the second no more. */
    assert_true(mail_stale(w.m[0], 0));
    assert_false(mail_stale(w.m[0], 1));
    open_epoch(w.m[0], 3, 13, 5); /* leaf 1 is out */
    open_epoch(w.m[1], 3, 13, 5);
    struct buf b = BUF_INIT;
    struct mail_made made;
    assert_int_equal(make(&w, 1, "still here", 5, &b, &made), ST_DENIED);
    assert_true(mail_stale(w.m[1], 2));
    assert_false(mail_stale(w.m[0], 2));
    mail_expire(w.m[0], 3000 + MAIL_EPOCH_KEEP_MS);
    restart(&w, 0);
    assert_int_equal(mail_take(w.m[0], 2, buf_view(&w.feed.entry[2]), &msg), ST_REPLAY);
    world_end(&w);
}

static void the_removed_speak_no_more(void **state)
{
    (void)state;
    static struct world w;
    world_start(&w);
    struct mail_message msg;
    say(&w, 2, "before", 1);
    open_epoch(w.m[0], 1, 3, 1);
    say(&w, 2, "after", 2);
    assert_int_equal(read_at(&w, 0, 0, &msg), MAIL_MESSAGE);
    assert_int_equal(read_at(&w, 0, 1, &msg), MAIL_LATE);
    world_end(&w);
}

static void a_restored_backup_is_noticed(void **state)
{
    (void)state;
    static struct world w;
    world_start(&w);
    struct mail_message msg;
    struct buf b = BUF_INIT;
    struct mail_made made;
    say(&w, 0, "one", 1);
    assert_int_equal(read_at(&w, 0, 0, &msg), MAIL_OWN);
    say(&w, 0, "two", 2);
    /* A new object stands for the old disk: it knows nothing of either message. */
    mail_free(w.m[0]);
    assert_int_equal(mail_new(ROOM, ENCLAVE, 0, &w.m[0]), ST_OK);
    open_epoch(w.m[0], 0, 7, 0);
    assert_int_equal(read_at(&w, 0, 0, &msg), MAIL_OWN_UNKNOWN);
    assert_true(bytes_same(msg.content, BYTES_LIT("one")));
    assert_int_equal(read_at(&w, 0, 1, &msg), MAIL_OWN_UNKNOWN);
    assert_int_equal(make(&w, 0, "three", 3, &b, &made), ST_CONFLICT);
    restart(&w, 0);
    assert_int_equal(make(&w, 0, "three", 3, &b, &made), ST_CONFLICT);
    open_epoch(w.m[0], 1, 7, 2);
    say(&w, 0, "three", 3);
    open_epoch(w.m[1], 1, 7, 2);
    assert_int_equal(read_all(&w, 1), 3);
    world_end(&w);
}

static void a_number_used_twice_is_noticed(void **state)
{
    (void)state;
    static struct world w;
    world_start(&w);
    struct mail_message msg;
    struct buf before = BUF_INIT, b = BUF_INIT;
    struct mail_made made;
    say(&w, 0, "said before the disk was set back", 1);
    /* The old disk uses the same number again, before it is connected. */
    mail_free(w.m[0]);
    assert_int_equal(mail_new(ROOM, ENCLAVE, 0, &w.m[0]), ST_OK);
    open_epoch(w.m[0], 0, 7, 0);
    assert_int_equal(make(&w, 0, "said after", 2, &before, &made), ST_OK);
    assert_int_equal(made.n, 0);
    assert_int_equal(read_at(&w, 0, 0, &msg), MAIL_OWN_UNKNOWN);
    assert_int_equal(msg.uuid[0], 1);
    assert_int_equal(make(&w, 0, "said after", 2, &b, &made), ST_CONFLICT);
    open_epoch(w.m[0], 1, 7, 1);
    open_epoch(w.m[1], 1, 7, 1);
    say(&w, 0, "said after", 2);
    assert_int_equal(read_at(&w, 0, 1, &msg), MAIL_OWN);
    assert_int_equal(read_all(&w, 1), 2);
    buf_free(&before);
    world_end(&w);
}

static void restart_keeps_everything(void **state)
{
    (void)state;
    static struct world w;
    world_start(&w);
    for (unsigned i = 0; i < 60; i++) {
        say(&w, i % 3, "word", (uint8_t)(i + 1));
        if (i % 7 == 0) read_all(&w, i % 3);
        if (i == 30)
            for (unsigned k = 0; k < 4; k++) open_epoch(w.m[k], 1, 15, 31);
    }
    assert_true(read_all(&w, 1) > 0);
    restart(&w, 2);
    uint64_t epoch, n;
    mail_own_next(w.m[2], &epoch, &n);
    assert_int_equal(epoch, 1);
    assert_int_equal(n, 10);
    read_all(&w, 2);
    say(&w, 2, "more", 200);
    assert_int_equal(read_all(&w, 1), 1);
    world_end(&w);
}

static void uuids_show_once(void **state)
{
    (void)state;
    static struct world w;
    world_start(&w);
    say(&w, 0, "same", 7);
    say(&w, 0, "same", 7);
    say(&w, 1, "same", 7);
    struct mail_message msg;
    assert_int_equal(read_at(&w, 2, 0, &msg), MAIL_MESSAGE);
    assert_int_equal(read_at(&w, 2, 1, &msg), MAIL_AGAIN);
    assert_int_equal(read_at(&w, 2, 2, &msg), MAIL_MESSAGE);
    world_end(&w);
}

static void made_again_replaces(void **state)
{
    (void)state;
    static struct world w;
    world_start(&w);
    struct buf b = BUF_INIT;
    struct mail_made made;
    struct mail_message msg;
    for (unsigned i = 0; i < 2 * MAIL_UNSEEN_MAX + 2; i++) {
        buf_clear(&b);
        assert_int_equal(make(&w, 0, "again", 9, &b, &made), ST_OK);
    }
    append(&w, &b);
    for (unsigned i = 0; i < 2; i++) restart(&w, 1 - i);
    bool grew;
    assert_int_equal(read_at(&w, 0, 0, &msg), MAIL_OWN);
    assert_int_equal(read_at(&w, 1, 0, &msg), MAIL_UNKNOWN);
    assert_int_equal(mail_settle(w.m[1], &grew), ST_OK);
    assert_int_equal(read_at(&w, 1, 0, &msg), MAIL_UNKNOWN); /* beyond all windows ... */
    assert_int_equal(mail_head(w.m[1], 0, 0, made.n, 1), ST_OK);
    assert_int_equal(read_at(&w, 1, 0, &msg), MAIL_MESSAGE); /* ... a HEAD leads there */
    assert_int_equal(msg.n, 2 * MAIL_UNSEEN_MAX + 1);
    world_end(&w);
}

/* Everything that is saved of a reader, whether it changed or not. */
static void state_of(struct mail *m, uint8_t ret[32])
{
    struct buf all = BUF_INIT;
    uint64_t row;
    mail_ahead(m, 0);
    while (mail_dirty(m, &row)) assert_int_equal(mail_save(m, row, &all), ST_OK);
    buf_clear(&all);
    for (row = 0; row < 2; row++) assert_int_equal(mail_save(m, row, &all), ST_OK);
    sha256(buf_view(&all), ret);
    buf_free(&all);
}

static void a_look_changes_nothing(void **state)
{
    (void)state;
    static struct world w;
    world_start(&w);
    struct mail_message msg;
    struct mail_made made;
    struct buf entry[3] = {BUF_INIT, BUF_INIT, BUF_INIT}, forged = BUF_INIT;
    uint8_t before[32], after[32];
    uint64_t row;
    const char *const words[] = {"one", "two", "three"};
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(make(&w, 0, words[i], (uint8_t)(i + 1), &entry[i], &made), ST_OK);
    state_of(w.m[1], before);
    /* In any order, any number of times. */
    for (unsigned i = 0; i < 6; i++) {
        unsigned which = (5 - i) % 3;
        assert_int_equal(mail_peek(w.m[1], 0, buf_view(&entry[which]), &msg), ST_OK);
        assert_int_equal(msg.verdict, MAIL_MESSAGE);
        assert_int_equal(msg.n, which);
        assert_true(bytes_same(msg.content, bytes_str(words[which])));
    }
    /* Not over the link of another, not our own, not to who is outside, and no altered byte. */
    assert_int_equal(mail_peek(w.m[1], 2, buf_view(&entry[0]), &msg), ST_NOT_FOUND);
    assert_int_equal(mail_peek(w.m[0], 0, buf_view(&entry[0]), &msg), ST_NOT_FOUND);
    assert_int_equal(mail_peek(w.m[3], 0, buf_view(&entry[0]), &msg), ST_NOT_FOUND);
    for (size_t at = 0; at < entry[0].n; at += 17) {
        buf_clear(&forged);
        buf_bytes(&forged, buf_view(&entry[0]));
        forged.p[at] ^= 1;
        assert_int_not_equal(mail_peek(w.m[1], 0, buf_view(&forged), &msg), ST_OK);
        assert_int_equal(msg.content.n, 0);
    }
    assert_int_not_equal(mail_peek(w.m[1], 0, BYTES(entry[0].p, 100), &msg), ST_OK);
    /* A member, who knows everybody's chains, writes in another's name. */
    struct mail_leaf leaves[4];
    roster(0, 7, leaves);
    uint8_t hint[8], mk[32], seed[32], nonce[24] = {9};
    hints_hint(leaves[0].secret, hint);
    hints_mk(leaves[0].secret, mk);
    seed_of(1, seed);
    struct envelope v = {.kind = 1, .content = BYTES_LIT("false")};
    const struct envelope_keys k = {ROOM, ENCLAVE};
    buf_clear(&forged);
    assert_int_equal(envelope_seal(&k, &v, hint, mk, nonce, seed, &forged), ST_OK);
    assert_int_equal(mail_peek(w.m[1], 0, buf_view(&forged), &msg), ST_BAD_SIGNATURE);
    assert_false(mail_dirty(w.m[1], &row));
    state_of(w.m[1], after);
    assert_memory_equal(before, after, 32);
    /* Shown before, in the feed or under this uuid: nothing. */
    for (unsigned i = 0; i < 3; i++) append(&w, &entry[i]);
    assert_int_equal(read_at(&w, 1, 0, &msg), MAIL_MESSAGE);
    assert_int_equal(mail_peek(w.m[1], 0, buf_view(&w.feed.entry[0]), &msg), ST_NOT_FOUND);
    assert_int_equal(read_all(&w, 1), 2);
    assert_int_equal(make(&w, 0, "two", 2, &entry[0], &made), ST_OK);
    assert_int_equal(mail_peek(w.m[1], 0, buf_view(&entry[0]), &msg), ST_EXISTS);
    /* Of an epoch that is over: it would not count. */
    open_epoch(w.m[1], 1, 7, 0);
    open_epoch(w.m[1], 2, 7, 1);
    assert_int_equal(make(&w, 0, "late", 9, &forged, &made), ST_OK);
    assert_int_equal(mail_peek(w.m[1], 0, buf_view(&entry[0]), &msg), ST_DENIED);
    buf_free(&entry[0]);
    buf_free(&forged);
    world_end(&w);
}

static void numbers_ahead_are_never_used_again(void **state)
{
    (void)state;
    static struct world w;
    world_start(&w);
    struct mail_message msg;
    struct mail_made made = say(&w, 0, "one", 1);
    struct mail_promise promise;
    struct buf lost = BUF_INIT;
    uint64_t row;
    assert_false(mail_spent(w.m[0], made.epoch, made.n));
    mail_ahead(w.m[0], 1000); /* at most MAIL_AHEAD */
    restart(&w, 0);           /* what it says is on the disk */
    mail_ahead(w.m[0], MAIL_AHEAD);
    made = say(&w, 0, "two", 2);
    assert_int_equal(made.n, 1 + MAIL_AHEAD); /* the life before may have used up to there */
    while (mail_dirty(w.m[0], &row)) assert_int_equal(mail_save(w.m[0], row, &lost), ST_OK);
    buf_clear(&lost);
    mail_promised(w.m[0], &promise);
    assert_false(mail_spent(w.m[0], made.epoch, made.n)); /* only once that is on the disk */
    mail_kept(w.m[0], &promise);
    for (unsigned i = 0; i < MAIL_AHEAD; i++) {
        made = say(&w, 0, "more", 0);
        assert_true(mail_spent(w.m[0], made.epoch, made.n));
    }
    made = say(&w, 0, "one too many", 0);
    assert_false(mail_spent(w.m[0], made.epoch, made.n));
    assert_false(mail_spent(w.m[0], made.epoch + 1, 0));
    /* Numbers that were never used are no loss to who read all before; to who did not, they are. */
    assert_int_equal(read_at(&w, 1, 0, &msg), MAIL_MESSAGE);
    assert_int_equal(read_at(&w, 1, 1, &msg), MAIL_MESSAGE);
    assert_int_equal(msg.skipped, 0);
    assert_false(msg.gap);
    assert_int_equal(read_all(&w, 1), MAIL_AHEAD + 1);
    assert_int_equal(mail_head(w.m[1], 0, 0, made.n + 1, w.feed.n), ST_OK);
    assert_int_equal(mail_lost(w.m[1], 0), 0);
    assert_int_equal(read_at(&w, 2, 1, &msg), MAIL_MESSAGE);
    assert_true(msg.gap);
    assert_int_equal(msg.skipped, 1 + MAIL_AHEAD);
    buf_free(&lost);
    world_end(&w);
}

static void limits_hold(void **state)
{
    (void)state;
    static struct world w;
    world_start(&w);
    struct buf b = BUF_INIT;
    struct mail_made made;
    for (unsigned i = 0; i < MAIL_UNSEEN_MAX; i++) {
        assert_int_equal(make(&w, 0, "x", 0, &b, &made), ST_OK);
        if (i == 0) append(&w, &b);
        buf_clear(&b);
    }
    assert_int_equal(make(&w, 0, "x", 0, &b, &made), ST_BUSY);
    assert_int_equal(read_at(&w, 0, 0, NULL), MAIL_OWN);
    assert_int_equal(make(&w, 0, "x", 0, &b, &made), ST_OK);
    buf_free(&b);
    /* Junk of every size is unknown, and no more than so much of it is remembered. */
    for (unsigned i = 0; i < MAIL_UNKNOWN_MAX + 50; i++) {
        struct buf junk = BUF_INIT;
        memset(buf_space(&junk, 512 + (i == 5)), (int)i, 512);
        append(&w, &junk);
    }
    read_all(&w, 1);
    uint64_t index = 0;
    assert_true(mail_unknown(w.m[1], MAIL_UNKNOWN_MAX - 1, &index));
    assert_false(mail_unknown(w.m[1], MAIL_UNKNOWN_MAX, &index));
    for (uint64_t e = 1; e < MAIL_EPOCHS_MAX + 20; e++) open_epoch(w.m[1], e, 7, 0);
    world_end(&w);
}

static void fields_survive_mutation(void **state)
{
    (void)state;
    struct envelope e = {.kind = 1, .content = BYTES_LIT("content of a message")};
    fields_mutate(&envelope_fields, &e);
    struct mail_marks k = {1, 2};
    fields_mutate(&mail_marks_fields, &k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_reach_everybody_once),
        cmocka_unit_test(forgeries_spend_nothing),
        cmocka_unit_test(long_words_are_packed),
        cmocka_unit_test(one_form_only),
        cmocka_unit_test(gaps_are_seen_and_healed),
        cmocka_unit_test(heads_step_chains),
        cmocka_unit_test(epochs_open_and_close),
        cmocka_unit_test(the_removed_speak_no_more),
        cmocka_unit_test(a_restored_backup_is_noticed),
        cmocka_unit_test(a_number_used_twice_is_noticed),
        cmocka_unit_test(restart_keeps_everything),
        cmocka_unit_test(uuids_show_once),
        cmocka_unit_test(made_again_replaces),
        cmocka_unit_test(a_look_changes_nothing),
        cmocka_unit_test(numbers_ahead_are_never_used_again),
        cmocka_unit_test(limits_hold),
        cmocka_unit_test(fields_survive_mutation),
    };
    if (crypto_start() != ST_OK) return 1;
    return !!cmocka_run_group_tests(tests, NULL, NULL);
}
