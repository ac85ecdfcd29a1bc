/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto core/feed core/mail */
/*
 * Private words under hostile hands. The first byte chooses:
 *
 *     even: saved rows: row u8 | bytes. What loads is saved as it was, and goes on.
 *     odd:  a feed: steps of (what u8, who u8, param u8). Two members write to each other and a third
 *           lies: entries made well, altered, repeated, held back, made by a peer that breaks its own
 *           rules, states loaded again, epochs. No key is tried more often than allowed, no word is
 *           shown twice, an altered one never, and nobody but the reader is shown it.
 */
#include "core/mail/pair.h"
#include "core/mail/pair_inner.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "fuzz.h"

#include <string.h>

#define STEPS_MAX 40
#define FEED_MAX 64
#define MEMBERS 3

struct fuzz_entry {
    struct buf b;
    unsigned to;
    bool altered;
};

struct fuzz_world {
    struct pair *p[MEMBERS];
    uint8_t id_seed[MEMBERS][32], id[MEMBERS][32], kem_seed[MEMBERS][32], kem[MEMBERS][KEM_PUBLIC];
    struct fuzz_entry feed[FEED_MAX];
    size_t n;
    uint64_t next[MEMBERS];
    uint64_t epoch, made;
    uint8_t shown[MEMBERS][256];
};

static const uint8_t ROOM[32] = {1}, ENCLAVE[32] = {2};

static void epoch_secret(uint64_t epoch, uint8_t ret[32])
{
    uint8_t n[8];
    put_u64(n, epoch);
    SHA256_OF(ret, BYTES_OF(n));
}

static void take_epoch(struct fuzz_world *w, unsigned who)
{
    struct pair_leaf leaves[MEMBERS];
    uint8_t secret[32];
    epoch_secret(w->epoch, secret);
    for (unsigned i = 0; i < MEMBERS; i++)
        leaves[i] = (struct pair_leaf){(uint16_t)i, w->id[i], w->kem[i]};
    FUZZ_CHECK(pair_add_epoch(w->p[who], w->epoch, secret, leaves, MEMBERS, w->n, w->epoch) ==
               ST_OK);
}

static void start(struct fuzz_world *w)
{
    for (unsigned i = 0; i < MEMBERS; i++) {
        memset(w->id_seed[i], 1 + (int)i, 32);
        memset(w->kem_seed[i], 5 + (int)i, 32);
        sign_public(w->id_seed[i], w->id[i]);
        kem_public(w->kem_seed[i], w->kem[i]);
    }
    for (unsigned i = 0; i < MEMBERS; i++) {
        FUZZ_CHECK(pair_new(ROOM, ENCLAVE, (uint16_t)i, w->id[i], &w->p[i]) == ST_OK);
        take_epoch(w, i);
    }
}

static void append(struct fuzz_world *w, struct bytes b, unsigned to, bool altered)
{
    if (w->n == FEED_MAX) return;
    struct fuzz_entry *e = &w->feed[w->n++];
    e->b = BUF_INIT;
    buf_bytes(&e->b, b);
    e->to = to;
    e->altered = altered;
}

static void fill(struct fuzz_world *w, uint8_t *p, size_t n)
{
    uint8_t number[8], prk[32];
    put_u64(number, ++w->made);
    SHA256_OF(prk, BYTES_OF(number));
    hkdf_expand(prk, BYTES_NONE, p, n);
}

static void write_word(struct fuzz_world *w, unsigned from, uint8_t param)
{
    uint8_t random[PAIR_RANDOM];
    uint64_t epoch;
    struct buf b = BUF_INIT;
    unsigned to = (from + 1 + param % (MEMBERS - 1)) % MEMBERS;
    struct mail_draft d = {.kind = param & 64 ? 7 : MAIL_TEXT, .content = BYTES_LIT("word")};
    fill(w, random, sizeof random);
    d.uuid[0] = (uint8_t)w->made;
    enum status st = pair_make(w->p[from], (uint16_t)to, &d, w->id_seed[from], random, &b, &epoch);
    FUZZ_CHECK(st == ST_OK || st == ST_CONFLICT || st == ST_DENIED);
    if (st == ST_OK && !(param & 128)) append(w, buf_view(&b), to, false);
    buf_free(&b);
}

/* Member 2 breaks the rules of first entries in its own name. */
static void lie(struct fuzz_world *w, uint8_t param)
{
    uint8_t coins[KEM_COINS], ct[KEM_CT], ss[KEM_SS], secret[32], nonce[XAEAD_NONCE] = {0};
    unsigned to = param & 1;
    struct pair_entry e = {.kind = MAIL_TEXT,
                           .leaf = 2,
                           .epoch = w->epoch + (param >> 1 & 1) * 3,
                           .begun_epoch = param & 4 ? w->epoch : UINT64_MAX,
                           .begun_count = param & 8 ? UINT32_MAX : 0,
                           .turn = param >> 4 & 1};
    struct buf b = BUF_INIT;
    fill(w, coins, sizeof coins);
    e.uuid[0] = (uint8_t)w->made;
    memcpy(e.secret, coins, 32);
    if (!(param & 32)) memcpy(e.pk, w->kem[2], KEM_PUBLIC);
    if (param & 64) memset(e.pk, 0xFF, KEM_PUBLIC);
    epoch_secret(w->epoch, secret);
    FUZZ_CHECK(kem_encaps(w->kem[to], coins, ct, ss) == ST_OK);
    const struct pair_keys k = {ROOM, ENCLAVE, w->id[to], secret, NULL};
    FUZZ_CHECK(pair_entry_seal(&k, &e, NULL, ct, ss, nonce, w->id_seed[2], &b) == ST_OK);
    append(w, buf_view(&b), to, false);
    buf_free(&b);
}

static void alter(struct fuzz_world *w, uint8_t which, uint8_t param)
{
    if (w->n == 0) return;
    const struct fuzz_entry *e = &w->feed[which % w->n];
    struct buf copy = BUF_INIT;
    buf_bytes(&copy, buf_view(&e->b));
    size_t at = (size_t)param * copy.n / 256;
    bool change = (param & 3) != 0; /* else: shown again as it was */
    if (change) copy.p[at] ^= (uint8_t)(1U << (which % 8));
    append(w, buf_view(&copy), e->to, change || e->altered);
    buf_free(&copy);
}

static void read_entry(struct fuzz_world *w, unsigned who, uint64_t index)
{
    const struct fuzz_entry *e = &w->feed[index];
    const uint8_t *seeds[] = {w->kem_seed[who]};
    struct pair_message msg;
    uint64_t before = w->p[who]->decaps;
    FUZZ_CHECK(pair_take(w->p[who], index, buf_view(&e->b), seeds, 1, &msg) == ST_OK);
    FUZZ_CHECK(w->p[who]->decaps - before <= 1);
    if (msg.verdict != MAIL_MESSAGE) return;
    FUZZ_CHECK(!e->altered && e->to == who && msg.leaf != who);
    FUZZ_CHECK(w->shown[who][msg.uuid[0]]++ == 0);
}

static void again(struct fuzz_world *w, unsigned who)
{
    struct pair *p = NULL;
    struct buf row = BUF_INIT, same = BUF_INIT;
    FUZZ_CHECK(pair_new(ROOM, ENCLAVE, (uint16_t)who, w->id[who], &p) == ST_OK);
    for (uint64_t r = 0; r <= MEMBERS; r++) {
        buf_clear(&row);
        buf_clear(&same);
        FUZZ_CHECK(pair_save(w->p[who], r, &row) == ST_OK);
        if (row.n) FUZZ_CHECK(pair_load(p, r, buf_view(&row)) == ST_OK);
        FUZZ_CHECK(pair_save(p, r, &same) == ST_OK && bytes_same(buf_view(&row), buf_view(&same)));
    }
    pair_free(w->p[who]);
    w->p[who] = p;
    buf_free(&row);
    buf_free(&same);
}

static void step(struct fuzz_world *w, uint8_t what, uint8_t byte, uint8_t param)
{
    unsigned who = byte % MEMBERS;
    bool grew;
    switch (what % 10) {
    case 0:
    case 1: write_word(w, who, param); break;
    case 2:
    case 3:
        while (w->next[who] < w->n) read_entry(w, who, w->next[who]++);
        break;
    case 4:
        if (w->next[who] < w->n) read_entry(w, who, w->next[who]++);
        break;
    case 5: alter(w, byte, param); break;
    case 6: lie(w, param); break;
    case 7: again(w, who); break;
    case 8:
        if (param & 1) w->epoch++;
        take_epoch(w, who);
        break;
    default:
        if (param == 7) pair_restored(w->p[who]);
        if (param == 8) pair_anew(w->p[who], 0);
        if (param == 9) pair_expire(w->p[who], UINT64_MAX);
        FUZZ_CHECK(pair_settle(w->p[who], &grew) == ST_OK);
        for (uint64_t i = 0; i < w->next[who]; i++) read_entry(w, who, i);
        break;
    }
}

static void feed(struct cursor *in)
{
    struct fuzz_world *w = calloc(1, sizeof *w);
    FUZZ_CHECK(w);
    start(w);
    for (unsigned i = 0; i < STEPS_MAX && in->left >= 3; i++) {
        uint8_t what = cursor_u8(in), byte = cursor_u8(in), param = cursor_u8(in);
        step(w, what, byte, param);
    }
    for (unsigned i = 0; i < MEMBERS; i++) {
        while (w->next[i] < w->n) read_entry(w, i, w->next[i]++);
        pair_free(w->p[i]);
    }
    for (size_t i = 0; i < w->n; i++) buf_free(&w->feed[i].b);
    free(w);
}

static void rows(struct cursor *in)
{
    struct pair *p = NULL;
    struct buf same = BUF_INIT;
    struct pair_message msg;
    uint8_t id[32] = {3}, entry[PAIR_SEALED_MIN] = {0};
    uint64_t row = cursor_u8(in);
    struct bytes b = cursor_rest(in);
    FUZZ_CHECK(pair_new(ROOM, ENCLAVE, 0, id, &p) == ST_OK);
    if (pair_load(p, row, b) == ST_OK) {
        FUZZ_CHECK(pair_save(p, row, &same) == ST_OK);
        FUZZ_CHECK(same.n == b.n); /* booleans come back as 0 or 1 */
        bool grew;
        FUZZ_CHECK(pair_settle(p, &grew) == ST_OK);
        FUZZ_CHECK(pair_take(p, 5, BYTES_OF(entry), NULL, 0, &msg) == ST_OK);
        pair_expire(p, UINT64_MAX);
    } else {
        FUZZ_CHECK(p->n_peers == 0);
    }
    buf_free(&same);
    pair_free(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cursor in = cursor_of(BYTES(data, size));
    if (crypto_start() != ST_OK) abort();
    if (cursor_u8(&in) % 2)
        feed(&in);
    else
        rows(&in);
    return 0;
}
