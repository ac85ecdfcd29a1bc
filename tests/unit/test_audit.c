/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto core/files core/audit core/grant */
/* Audits asked by hand: what a sound holder answers is right, what a damaged, empty, lying one answers is
 * proven, what is asked too much is refused; the score; receipts and their digest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#include "core/audit/receipt.h"
#include "core/audit/serve.h"
#include "crypto/secret.h"
#include "crypto/sign.h"
#include "unit/fields_mutate.h"
#include "unit/files_world.h"

#define COLUMNS 3
#define ROWS 2
#define COLUMN (ROWS * SHARD_UNIT)

struct town {
    struct world *w;
    struct mem_store store;
    struct audit_server *server;
    uint8_t seed[32], id[32], enclave_id[32], segment_id[32];
    struct audit_segment segment;
    bool full; /* the link takes nothing */
    struct buf reply;
    unsigned replies;
};

static void on_sign(void *ctx, struct bytes statement, uint8_t ret_sig[64])
{
    struct town *t = ctx;
    const struct bytes parts[] = {statement};
    sign_labelled(t->seed, "ENCLAVE-AUDIT", parts, 1, ret_sig);
}

static enum status on_send(void *ctx, uint16_t asker, uint8_t type, struct bytes payload)
{
    struct town *t = ctx;
    if (t->full) return ST_BUSY;
    assert_int_equal(asker, 5);
    assert_int_equal(type, AUDIT_ANSWER);
    buf_clear(&t->reply);
    buf_bytes(&t->reply, payload);
    t->replies++;
    return ST_OK;
}

/* A segment of three columns, all of them kept here. */
static void fill(struct town *t)
{
    uint8_t roots[COLUMNS * 32];
    static uint8_t leaves[SEGMENT_COLUMN_LEAVES * 32];
    memset(t->segment_id, 7, 32);
    for (uint8_t i = 0; i < COLUMNS; i++) {
        struct mem_shard *s = calloc(1, sizeof *s);
        s->key.tag[0] = 1;
        s->key.index = i;
        memcpy(s->key.segment_id, t->segment_id, 32);
        s->units = ROWS;
        s->bytes = malloc(COLUMN);
        for (size_t b = 0; b < COLUMN; b++) s->bytes[b] = (uint8_t)(b * 31 + (b >> 12) + i);
        segment_header(t->segment_id, i, 2, COLUMNS, s->header);
        segment_leaves(s->bytes, COLUMN, leaves);
        merkle_root(leaves, ROWS * SEGMENT_UNIT_LEAVES, roots + 32 * i);
        s->next = t->store.shards;
        t->store.shards = s;
    }
    for (struct mem_shard *s = t->store.shards; s; s = s->next)
        s->trailer_len = segment_trailer(roots, COLUMNS, s->key.index, 2 * COLUMN - 9, s->trailer);
    t->segment = (struct audit_segment){.rows = ROWS, .k = 2, .n = COLUMNS};
    segment_root(roots, COLUMNS, t->segment.root);
}

static int setup(void **state)
{
    struct town *t = calloc(1, sizeof *t);
    t->w = world_new(3);
    t->store.w = t->w;
    memset(t->seed, 9, 32);
    memset(t->enclave_id, 4, 32);
    sign_public(t->seed, t->id);
    struct audit_server_config c = {.store = mem_store_port(&t->store),
                                    .work = t->w->work,
                                    .tag = {1},
                                    .sign = on_sign,
                                    .send = on_send,
                                    .ctx = t};
    memcpy(c.place, t->enclave_id, 32);
    t->server = audit_server_new(&c);
    fill(t);
    *state = t;
    return 0;
}

static int teardown(void **state)
{
    struct town *t = *state;
    audit_server_free(t->server);
    world_run(t->w);
    mem_store_free(&t->store);
    buf_free(&t->reply);
    world_free(t->w);
    free(t);
    return 0;
}

static struct mem_shard *column(struct town *t, uint8_t index)
{
    struct shard_key key = {.tag = {1}, .index = index};
    memcpy(key.segment_id, t->segment_id, 32);
    return mem_find(&t->store, &key);
}

static struct audit_challenge challenge(const struct town *t, uint8_t index, uint16_t count)
{
    struct audit_challenge c = {.req = 11, .index = index, .count = count, .wait_ms = 30000};
    memset(c.nonce, 0x21 + index, 32);
    memcpy(c.segment_id, t->segment_id, 32);
    memcpy(c.root, t->segment.root, 32);
    return c;
}

static enum status ask(struct town *t, const struct audit_challenge *c)
{
    struct buf b = BUF_INIT;
    assert_int_equal(fields_encode(&audit_challenge_fields, c, &b), ST_OK);
    enum status st = audit_server_frame(t->server, 5, buf_view(&b), t->w->now);
    buf_free(&b);
    world_run(t->w);
    return st;
}

static struct audit_answer answered(struct town *t)
{
    struct audit_answer a;
    assert_true(t->replies > 0);
    assert_int_equal(fields_decode(&audit_answer_fields, buf_view(&t->reply), &a), ST_OK);
    assert_int_equal(a.req, 11);
    return a;
}

static enum audit_verdict judge(struct town *t, const struct audit_challenge *c,
                                const struct audit_answer *a)
{
    uint32_t no;
    return audit_check(t->enclave_id, t->id, &t->segment, c, a, &no);
}

/* Every column, every count: right. Any bit of the answer turned: not right, and never a proof. */
static void a_sound_holder_is_right(void **state)
{
    struct town *t = *state;
    for (uint8_t i = 0; i < COLUMNS; i++)
        for (uint16_t count = 1; count <= AUDIT_COUNT_MAX; count = (uint16_t)(count * 2 + 1)) {
            struct audit_challenge c = challenge(t, i, count);
            assert_int_equal(ask(t, &c), ST_OK);
            struct audit_answer a = answered(t);
            assert_int_equal(a.code, AUDIT_CODE_HERE);
            assert_int_equal(judge(t, &c, &a), AUDIT_RIGHT);
        }
    struct audit_challenge c = challenge(t, 1, 2);
    assert_int_equal(ask(t, &c), ST_OK);
    for (size_t at = 4; at < t->reply.n; at += at < 200 ? 1 : 397) {
        struct audit_answer a;
        t->reply.p[at] ^= 1;
        if (fields_decode(&audit_answer_fields, buf_view(&t->reply), &a) == ST_OK)
            assert_int_equal(judge(t, &c, &a), AUDIT_LATE);
        t->reply.p[at] ^= 1;
    }
    /* Nor is it an answer to another question, in another enclave, or by another holder. */
    struct audit_answer a = answered(t);
    struct audit_challenge other = c;
    other.nonce[0] ^= 1;
    assert_int_equal(judge(t, &other, &a), AUDIT_LATE);
    t->enclave_id[0] ^= 1;
    assert_int_equal(judge(t, &c, &a), AUDIT_LATE);
    t->enclave_id[0] ^= 1;
    t->id[0] ^= 1;
    assert_int_equal(judge(t, &c, &a), AUDIT_LATE);
}

/* The proof of it: judged alike by who only has the ledger and the tree. */
static enum audit_verdict proven(struct town *t, const struct audit_challenge *c,
                                 const struct audit_answer *a)
{
    struct buf b = BUF_INIT;
    struct audit_proof p;
    uint32_t no;
    assert_int_equal(audit_proof_make(3, c, a, &b), ST_OK);
    assert_int_equal(fields_decode(&audit_proof_fields, buf_view(&b), &p), ST_OK);
    assert_int_equal(p.holder, 3);
    enum audit_verdict v = audit_proof_check(t->enclave_id, t->id, &t->segment, &p, &no);
    p.version++;
    assert_int_equal(audit_proof_check(t->enclave_id, t->id, &t->segment, &p, &no), AUDIT_LATE);
    buf_free(&b);
    return v;
}

/* One byte anywhere in the column, also in a leaf that is not asked for. */
static void rot_is_found_and_said(void **state)
{
    struct town *t = *state;
    for (size_t at = 0; at < COLUMN; at += 9973) {
        column(t, 1)->bytes[at] ^= 0x40;
        struct audit_challenge c = challenge(t, 1, 1);
        assert_int_equal(ask(t, &c), ST_OK);
        struct audit_answer a = answered(t);
        assert_int_equal(judge(t, &c, &a), AUDIT_DAMAGED);
        assert_int_equal(proven(t, &c, &a), AUDIT_DAMAGED);
        column(t, 1)->bytes[at] ^= 0x40;
    }
    column(t, 1)->trailer[12] ^= 1;
    struct audit_challenge c = challenge(t, 1, 1);
    assert_int_equal(ask(t, &c), ST_OK);
    struct audit_answer a = answered(t);
    assert_int_equal(judge(t, &c, &a), AUDIT_DAMAGED);
}

static void what_is_gone_is_said(void **state)
{
    struct town *t = *state;
    struct audit_challenge c = challenge(t, 5, 1);
    t->segment.n = 9;
    assert_int_equal(ask(t, &c), ST_OK);
    struct audit_answer a = answered(t);
    assert_int_equal(judge(t, &c, &a), AUDIT_GONE);
    assert_int_equal(proven(t, &c, &a), AUDIT_GONE);
    /* It names no other shard. */
    c.index = 4;
    assert_int_equal(judge(t, &c, &a), AUDIT_LATE);
}

/* Whoever writes a false root into the list gets no proof against a holder that kept what it was given. */
static void a_false_list_makes_no_proof(void **state)
{
    struct town *t = *state;
    t->segment.root[0] ^= 1;
    struct audit_challenge c = challenge(t, 0, 3);
    assert_int_equal(ask(t, &c), ST_OK);
    struct audit_answer a = answered(t);
    assert_int_equal(a.code, AUDIT_CODE_OTHER);
    assert_int_equal(judge(t, &c, &a), AUDIT_LATE);
    assert_int_equal(proven(t, &c, &a), AUDIT_LATE);
    /* Nor who asks for what is there, and shows the answer to those whose tree names another. */
    c.root[0] ^= 1;
    assert_int_equal(ask(t, &c), ST_OK);
    a = answered(t);
    assert_int_equal(a.code, AUDIT_CODE_HERE);
    assert_int_equal(proven(t, &c, &a), AUDIT_LATE);
    c.index = 5;
    t->segment.n = 9;
    assert_int_equal(ask(t, &c), ST_OK);
    a = answered(t);
    assert_int_equal(a.code, AUDIT_CODE_GONE);
    assert_int_equal(proven(t, &c, &a), AUDIT_LATE);
}

/* Signs whatever is in a again, as a liar would. */
static void sign_again(struct town *t, const struct audit_challenge *c, struct audit_answer *a)
{
    uint8_t text[AUDIT_STATEMENT];
    audit_statement(t->enclave_id, c, a, text);
    on_sign(t, BYTES_OF(text), a->sig);
}

static void a_signed_lie_is_a_proof(void **state)
{
    struct town *t = *state;
    struct audit_challenge c = challenge(t, 0, 4);
    uint32_t no;
    assert_int_equal(ask(t, &c), ST_OK);
    struct audit_answer a = answered(t);
    uint8_t *leaves = (uint8_t *)(uintptr_t)a.leaves.p; /* of t->reply */
    /* another byte in the third leaf: it is named */
    size_t third = 2 * (a.leaves.n / 4);
    leaves[third + 100] ^= 1;
    sign_again(t, &c, &a);
    assert_int_equal(audit_check(t->enclave_id, t->id, &t->segment, &c, &a, &no), AUDIT_WRONG);
    assert_int_equal(no, audit_leaf_number(c.nonce, c.segment_id, 2, ROWS * SEGMENT_UNIT_LEAVES));
    assert_int_equal(proven(t, &c, &a), AUDIT_WRONG);
    leaves[third + 100] ^= 1;
    /* too few leaves, too many */
    struct audit_answer few = a;
    few.leaves.n = third;
    sign_again(t, &c, &few);
    assert_int_equal(proven(t, &c, &few), AUDIT_WRONG);
    c.count = 3;
    sign_again(t, &c, &a);
    assert_int_equal(proven(t, &c, &a), AUDIT_WRONG);
    /* another shard of the same segment, sound in itself */
    struct audit_challenge other = challenge(t, 2, 4);
    assert_int_equal(ask(t, &other), ST_OK);
    a = answered(t);
    other.index = 1;
    sign_again(t, &other, &a);
    assert_int_equal(proven(t, &other, &a), AUDIT_WRONG);
    /* right leaves, asked for by another nonce */
    other = challenge(t, 2, 4);
    assert_int_equal(ask(t, &other), ST_OK);
    a = answered(t);
    other.nonce[5] ^= 1;
    sign_again(t, &other, &a);
    assert_int_equal(proven(t, &other, &a), AUDIT_WRONG);
}

static void absurd_questions_end_the_link(void **state)
{
    struct town *t = *state;
    struct audit_challenge c = challenge(t, 0, 0);
    assert_int_equal(ask(t, &c), ST_PROTOCOL);
    c.count = AUDIT_COUNT_MAX + 1;
    assert_int_equal(ask(t, &c), ST_PROTOCOL);
    c.count = UINT16_MAX;
    assert_int_equal(ask(t, &c), ST_PROTOCOL);
    c = challenge(t, SHARD_COLUMNS_MAX, 1);
    assert_int_equal(ask(t, &c), ST_PROTOCOL);
    c = challenge(t, 0, 1);
    c.wait_ms = AUDIT_WAIT_MIN_MS - 1;
    assert_int_equal(ask(t, &c), ST_PROTOCOL);
    c.wait_ms = AUDIT_WAIT_MAX_MS + 1;
    assert_int_equal(ask(t, &c), ST_PROTOCOL);
    assert_int_equal(audit_server_frame(t->server, 5, BYTES_LIT("short"), 0), ST_BAD_MESSAGE);
    assert_int_equal(t->replies, 0);
}

/* A burst, then "busy", which is not signed; an hour later as many again. */
static void questions_are_rationed(void **state)
{
    struct town *t = *state;
    struct audit_challenge c = challenge(t, 0, 1);
    for (unsigned i = 0; i < AUDIT_SERVE_BURST; i++) {
        assert_int_equal(ask(t, &c), ST_OK);
        assert_int_equal(answered(t).code, AUDIT_CODE_HERE);
    }
    assert_int_equal(ask(t, &c), ST_OK);
    struct audit_answer a = answered(t);
    assert_int_equal(a.code, AUDIT_CODE_BUSY);
    assert_int_equal(judge(t, &c, &a), AUDIT_LATE);
    assert_int_equal(proven(t, &c, &a), AUDIT_LATE);
    t->w->now += 3600000;
    for (unsigned i = 0; i < AUDIT_SERVE_HOUR; i++) {
        assert_int_equal(ask(t, &c), ST_OK);
        assert_int_equal(answered(t).code, AUDIT_CODE_HERE);
    }
    assert_int_equal(ask(t, &c), ST_OK);
    assert_int_equal(answered(t).code, AUDIT_CODE_BUSY);
}

/* So many columns are in memory at once, whoever asks; a link that takes nothing keeps few answers. */
static void memory_is_bounded(void **state)
{
    struct town *t = *state;
    struct audit_challenge c = challenge(t, 0, 1);
    struct buf b = BUF_INIT;
    assert_int_equal(fields_encode(&audit_challenge_fields, &c, &b), ST_OK);
    for (unsigned i = 0; i < AUDIT_SERVE_JOBS + 3; i++)
        assert_int_equal(audit_server_frame(t->server, 5, buf_view(&b), t->w->now), ST_OK);
    assert_int_equal(t->replies, 3); /* "busy", at once */
    world_run(t->w);
    assert_int_equal(t->replies, AUDIT_SERVE_JOBS + 3);
    buf_free(&b);
    t->full = true;
    for (unsigned i = 0; i < AUDIT_SERVE_WAITING + 5; i++) assert_int_equal(ask(t, &c), ST_OK);
    t->full = false;
    t->replies = 0;
    audit_server_writable(t->server, 6);
    assert_int_equal(t->replies, 0);
    audit_server_writable(t->server, 5);
    assert_int_equal(t->replies, AUDIT_SERVE_WAITING);
    t->full = true;
    assert_int_equal(ask(t, &c), ST_OK);
    t->full = false;
    audit_server_gone(t->server, 5);
    audit_server_writable(t->server, 5);
    assert_int_equal(t->replies, AUDIT_SERVE_WAITING);
    /* A job that runs when the server is freed ends into nothing. */
    assert_int_equal(fields_encode(&audit_challenge_fields, &c, &b), ST_OK);
    assert_int_equal(audit_server_frame(t->server, 5, buf_view(&b), t->w->now), ST_OK);
    buf_free(&b);
    t->replies = 0;
    audit_server_free(t->server);
    t->server = NULL;
    world_run(t->w);
    assert_int_equal(t->replies, 0);
}

static void draws_are_spread(void **state)
{
    (void)state;
    struct audit_draw d[AUDIT_ROUND];
    uint8_t seed[32] = {0};
    static unsigned hits[100];
    assert_int_equal(audit_draw(seed, 0, d), 0);
    for (uint32_t n = 1; n <= 100; n++) {
        seed[1] = (uint8_t)n;
        size_t used = audit_draw(seed, n, d);
        unsigned sum = 0, least = AUDIT_ROUND, most = 0;
        assert_int_equal(used, n < AUDIT_ROUND ? n : AUDIT_ROUND);
        for (size_t i = 0; i < used; i++) {
            assert_true(d[i].shard < n);
            for (size_t k = 0; k < i; k++) assert_int_not_equal(d[i].shard, d[k].shard);
            sum += d[i].count;
            if (d[i].count < least) least = d[i].count;
            if (d[i].count > most) most = d[i].count;
        }
        assert_int_equal(sum, AUDIT_ROUND);
        assert_true(most - least <= 1);
    }
    for (unsigned i = 0; i < 5000; i++) {
        put_u32(seed, i);
        size_t used = audit_draw(seed, 100, d);
        for (size_t k = 0; k < used; k++) hits[d[k].shard]++;
    }
    /* 1200 each are expected; six times the deviation of 30 */
    for (size_t i = 0; i < 100; i++) assert_in_range(hits[i], 1020, 1380);
}

static uint32_t score_after(struct audit_score *s, unsigned rounds, const struct audit_tally *t)
{
    for (unsigned i = 0; i < rounds; i++) audit_score_round(s, t);
    return audit_score_micro(s);
}

static void scores_move_as_written(void **state)
{
    (void)state;
    const struct audit_tally good = {24, 24, 0, 0, 0, 0}, late = {24, 20, 4, 0, 0, 0},
                             gone = {24, 22, 0, 2, 0, 0}, wrong = {24, 23, 0, 0, 0, 1},
                             nothing = {0};
    struct audit_score s;
    audit_score_init(&s);
    assert_int_equal(audit_score_micro(&s), 750000);
    assert_int_equal(score_after(&s, 3, &nothing), 750000);
    audit_score_round(&s, &good); /* 2.85 + 1, 0.95 */
    assert_int_equal(s.alpha, 3850000);
    assert_int_equal(s.beta, 950000);
    audit_score_round(&s, &wrong);
    assert_int_equal(s.alpha, 3657500);
    assert_int_equal(s.beta, 5902500);
    assert_int_equal(audit_score_standing(&s), AUDIT_SUSPENDED_NOW);
    unsigned rounds = audit_score_rounds_to_good(&s);
    assert_true(rounds > 0);
    (void)score_after(&s, rounds - 1, &good);
    assert_int_not_equal(audit_score_standing(&s), AUDIT_GOOD);
    (void)score_after(&s, 1, &good);
    assert_int_equal(audit_score_standing(&s), AUDIT_GOOD);
    /* After a long good time: 4 proven lies, 14 losses of its own word, 22 silences suspend. */
    const struct {
        const struct audit_tally *t;
        unsigned rounds;
    } cases[] = {{&wrong, 4}, {&gone, 14}, {&late, 22}};
    for (size_t i = 0; i < 3; i++) {
        audit_score_init(&s);
        assert_true(score_after(&s, 500, &good) > 999000);
        assert_true(score_after(&s, cases[i].rounds - 1, cases[i].t) >= AUDIT_SUSPENDED);
        assert_true(score_after(&s, 1, cases[i].t) < AUDIT_SUSPENDED);
        (void)score_after(&s, 60, cases[i].t);
        assert_int_equal(audit_score_standing(&s), AUDIT_DRAINED_NOW);
    }
    audit_score_init(&s);
    audit_score_proof(&s, true);
    assert_int_equal(s.beta, 5950000);
}

static void being_there_is_measured(void **state)
{
    (void)state;
    struct audit_windows w = {0};
    unsigned looks;
    uint64_t t0 = UINT64_C(1800000000000);
    assert_int_equal(audit_windows_micro(&w, t0, &looks), 900000);
    assert_int_equal(looks, 0);
    for (unsigned i = 0; i < 720; i++) audit_windows_look(&w, t0 + i * UINT64_C(3600000), i % 2);
    uint64_t end = t0 + 719 * UINT64_C(3600000);
    uint32_t half = audit_windows_micro(&w, end, &looks);
    assert_in_range(looks, 709, 720);
    assert_in_range(half, 495000, 515000);
    audit_windows_look(&w, end - 40 * AUDIT_WINDOW_MS, true); /* a clock put back adds nothing */
    assert_int_equal(audit_windows_micro(&w, end, &looks), half);
    /* 30 days later nothing of it counts. */
    assert_int_equal(audit_windows_micro(&w, end + AUDIT_WINDOWS * AUDIT_WINDOW_MS, &looks),
                     900000);
    assert_int_equal(looks, 0);
    audit_windows_look(&w, end + 100 * AUDIT_WINDOW_MS, false);
    (void)audit_windows_micro(&w, end + 100 * AUDIT_WINDOW_MS, &looks);
    assert_int_equal(looks, 1);
}

static void receipt(struct buf *out, uint64_t first, uint16_t holder, size_t n, uint8_t right)
{
    uint8_t rows[8 * AUDIT_ROW];
    struct audit_row row = {.hour = 500000,
                            .holder = holder,
                            .flags = 1,
                            .asked = 24,
                            .right = right,
                            .wrong = (uint8_t)(24 - right)};
    for (size_t i = 0; i < n; i++) {
        struct buf b = BUF_INIT;
        assert_int_equal(fields_encode(&audit_row_fields, &row, &b), ST_OK);
        assert_int_equal(b.n, AUDIT_ROW);
        memcpy(rows + i * AUDIT_ROW, b.p, AUDIT_ROW);
        buf_free(&b);
    }
    struct audit_receipt r = {.version = 1, .first = first, .rows = {rows, n}};
    buf_clear(out);
    assert_int_equal(fields_encode(&audit_receipt_fields, &r, out), ST_OK);
}

/* The sum of a stretch is the same however it is cut, and rows that are said twice count once. */
static void digests_add_up(void **state)
{
    (void)state;
    static struct audit_fold f, g;
    struct buf body = BUF_INIT, first = BUF_INIT, again = BUF_INIT;
    struct audit_digest d;
    struct audit_total t;
    uint8_t chain[32] = {8};
    audit_fold_start(&f, NULL);
    receipt(&body, 0, 2, 3, 24);
    assert_int_equal(audit_fold_take(&f, 1, buf_view(&body)), ST_OK);
    assert_int_equal(audit_fold_take(&f, 1, buf_view(&body)), ST_OK); /* said again */
    receipt(&body, 10, 1, 2, 20);
    assert_int_equal(audit_fold_take(&f, 0, buf_view(&body)), ST_OK);
    assert_int_equal(f.rows, 5);
    assert_int_equal(f.gaps, 0); /* what was before the first one is not missed */
    assert_int_equal(audit_fold_digest(&f, 20000, 0, 3, chain, &first), ST_OK);
    assert_int_equal(audit_digest_read(buf_view(&first), &d), ST_OK);
    assert_int_equal(d.holders.n, 2);
    audit_digest_total(&d, 1, &t);
    assert_int_equal(t.holder, 2);
    assert_int_equal(t.rounds, 3);
    assert_int_equal(t.right, 72);
    audit_digest_total(&d, 0, &t);
    assert_int_equal(t.lost, 8);
    audit_fold_start(&g, &d);
    receipt(&body, 2, 2, 4, 24); /* row 2 once more, then 3 .. 5 */
    assert_int_equal(audit_fold_take(&g, 1, buf_view(&body)), ST_OK);
    assert_int_equal(g.rows, 3);
    receipt(&body, 14, 1, 1, 24); /* 12 and 13 are missing */
    assert_int_equal(audit_fold_take(&g, 0, buf_view(&body)), ST_OK);
    assert_int_equal(g.gaps, 2);
    assert_int_equal(audit_fold_digest(&g, 20001, 3, 5, chain, &again), ST_OK);
    assert_int_equal(audit_digest_read(buf_view(&again), &d), ST_OK);
    assert_int_equal(d.verifiers.n, 2);
    /* ill-formed ones */
    body.p[8 + 1 + 2 + 8] ^= 1; /* right is not what was asked any more */
    assert_int_not_equal(audit_fold_take(&g, 0, buf_view(&body)), ST_OK);
    again.p[0]++;
    assert_int_equal(audit_digest_read(buf_view(&again), &d), ST_VERSION);
    buf_free(&body);
    buf_free(&first);
    buf_free(&again);
}

static void messages_have_one_form(void **state)
{
    struct town *t = *state;
    static const uint8_t room[AUDIT_DIGEST_HOLDER_BYTES * 3] = {1};
    struct audit_challenge c = challenge(t, 2, 3);
    fields_mutate(&audit_challenge_fields, &c);
    fields_mutate(&audit_answer_fields,
                  &(struct audit_answer){.req = 1, .path = {room, 1}, .leaves = BYTES(room, 40)});
    fields_mutate(&audit_leaf_fields, &(struct audit_leaf){.path = {room, 2}});
    fields_mutate(&audit_proof_fields, &(struct audit_proof){.path = {room, 2}});
    fields_mutate(&audit_row_fields, &(struct audit_row){.hour = 3});
    fields_mutate(&audit_receipt_fields, &(struct audit_receipt){.first = 3, .rows = {room, 3}});
    fields_mutate(&audit_digest_fields,
                  &(struct audit_digest){.verifiers = {room, 2}, .holders = {room, 3}});
}

int main(void)
{
    if (crypto_start() != ST_OK) return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_sound_holder_is_right, setup, teardown),
        cmocka_unit_test_setup_teardown(rot_is_found_and_said, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_gone_is_said, setup, teardown),
        cmocka_unit_test_setup_teardown(a_false_list_makes_no_proof, setup, teardown),
        cmocka_unit_test_setup_teardown(a_signed_lie_is_a_proof, setup, teardown),
        cmocka_unit_test_setup_teardown(absurd_questions_end_the_link, setup, teardown),
        cmocka_unit_test_setup_teardown(questions_are_rationed, setup, teardown),
        cmocka_unit_test_setup_teardown(memory_is_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(messages_have_one_form, setup, teardown),
        cmocka_unit_test(draws_are_spread),
        cmocka_unit_test(scores_move_as_written),
        cmocka_unit_test(being_there_is_measured),
        cmocka_unit_test(digests_add_up),
    };
    return !!cmocka_run_group_tests(tests, NULL, NULL);
}
