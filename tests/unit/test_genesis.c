/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto core/feed core/ballot core/epoch core/door core/ledger */
/* A creator whose GENESIS has one wrong bit under a right signature: who was invited, and who reads its
 * own disk again, refuse it, wherever the bit is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#include "unit/group_world.h"

#define FREE_TO_CHOOSE 100 /* random, suite, rules, room, id stand before */
#define RANDOM_BYTES 32

/* Two members, and the door is open for a third, who was voted in. */
struct stage {
    struct world w;
    struct world_member *who;
    struct group_welcome welcome;
    struct group_join join;
    struct buf plain, body;
    struct entry0 e;
    struct entry0_envelope envelope;
};

static struct stage *begin(void)
{
    struct stage *s = calloc(1, sizeof *s);
    struct world *w = &s->w;
    uint8_t id[32];
    world_begin(w);
    (void)world_admit(w, 0);
    s->who = &w->m[world_person(w)];
    uint64_t p = world_propose(w, 0, s->who);
    for (size_t i = 0; i < 2; i++) world_ballot(w, i, p, true);
    WORLD_POST(w, group_make_outcome(w->m[0].g, p, &now, &draft));
    sign_public(s->who->id_seed, id);
    uint16_t leaf = ledger_by_id(group_ledger(w->m[0].g), id)->leaf;
    assert_int_equal(group_welcome(w->m[0].g, leaf, &s->welcome), ST_OK);
    const uint8_t *enclave_id = ledger_enclave_id(group_ledger(w->m[0].g));
    s->join = (struct group_join){.self = world_self(w, s->who, enclave_id),
                                  .room = w->room,
                                  .enclave_id = enclave_id,
                                  .add_index = s->welcome.add_index,
                                  .chain = s->welcome.chain,
                                  .epoch = s->welcome.epoch,
                                  .log_key = s->welcome.log_key};
    struct bytes first = buf_view(&w->feed[0]);
    assert_int_equal(entry0_envelope(first, &s->envelope), ST_OK);
    assert_int_equal(entry0_open(first, w->room, w->m[0].g->rows[0].log, 0, &s->plain), ST_OK);
    assert_int_equal(entry0_split(buf_view(&s->plain), &s->e), ST_OK);
    buf_bytes(&s->body, s->e.body);
    return s;
}

static void end(struct stage *s)
{
    buf_free(&s->plain);
    buf_free(&s->body);
    world_free(&s->w);
    free(s);
}

/* The GENESIS with this bit wrong, signed by its creator for the enclave of that id. */
static void forge(struct stage *s, size_t at, uint8_t flip, const uint8_t id[32],
                  struct buf *sealed, struct buf *plain)
{
    static const uint8_t nonce[ENTRY0_NONCE];
    struct buf body = BUF_INIT;
    const uint8_t *log = s->w.m[0].g->rows[0].log;
    struct entry0 e = s->e;
    buf_bytes(&body, buf_view(&s->body));
    body.p[at] ^= flip;
    e.body = buf_view(&body);
    entry0_sign(&e, id, s->w.m[0].id_seed);
    assert_int_equal(entry0_seal(&e, s->w.room, log, s->envelope.back, nonce, sealed), ST_OK);
    assert_int_equal(entry0_open(buf_view(sealed), s->w.room, log, 0, plain), ST_OK);
    buf_free(&body);
}

static uint8_t bit_of(size_t at)
{
    return (uint8_t)(1U << at % 8);
}

/* The history that a newcomer is shown, with the head that its WELCOME tells. */
static enum status enter(struct stage *s, struct bytes first)
{
    struct world *w = &s->w;
    struct group *g;
    uint8_t chain[32];
    enum status st = ST_OK;
    struct group_join join = s->join;
    struct seen head = chain_unseen(w->room, 0);
    memcpy(chain, head.chain, 32);
    for (size_t i = 0; i <= join.add_index; i++)
        chain_step(chain, i == 0 ? first : buf_view(&w->feed[i]), chain);
    join.chain = chain;
    assert_int_equal(group_join(&join, &g), ST_OK);
    for (size_t i = 0; i <= join.add_index && st == ST_OK; i++) {
        assert_int_equal(group_wants(g), i);
        st = group_take(g, i, i == 0 ? first : buf_view(&w->feed[i]), w->now_ms);
    }
    group_free(g);
    return st;
}

static void a_newcomer_refuses_each(void **state)
{
    (void)state;
    struct stage *s = begin();
    assert_int_equal(enter(s, buf_view(&s->w.feed[0])), ST_OK);
    for (size_t at = 0; at < s->body.n; at++) {
        struct buf sealed = BUF_INIT, plain = BUF_INIT;
        forge(s, at, bit_of(at), s->join.enclave_id, &sealed, &plain);
        enum status st = enter(s, buf_view(&sealed));
        if (st != ST_INTEGRITY) fail_msg("byte %zu: %s", at, status_text(st));
        buf_free(&sealed);
        buf_free(&plain);
    }
    end(s);
}

/* As `enclave verify` does: from what is saved, over the entries on the disk. */
static void a_member_reads_it_again(void **state)
{
    (void)state;
    struct stage *s = begin();
    struct buf saved = BUF_INIT;
    assert_int_equal(group_save(s->w.m[1].g, &saved), ST_OK);
    for (size_t at = 0; at < s->body.n; at++) {
        struct buf sealed = BUF_INIT, plain = BUF_INIT;
        struct group *g;
        forge(s, at, bit_of(at), s->join.enclave_id, &sealed, &plain);
        assert_int_equal(group_load(buf_view(&saved), &g), ST_OK);
        assert_int_equal(group_take(g, 0, buf_view(&sealed), s->w.now_ms), ST_INTEGRITY);
        group_free(g);
        buf_free(&sealed);
        buf_free(&plain);
    }
    buf_free(&saved);
    end(s);
}

/* A creator may name whatever enclave it made. What is not its free choice is void all the same, and what
 * is void says why. */
static void its_own_enclave_is_judged_by_the_rules(void **state)
{
    (void)state;
    struct stage *s = begin();
    size_t valid = 0;
    for (size_t at = 0; at < s->body.n; at++)
        for (unsigned bit = 0; bit < 8; bit++) {
            struct buf sealed = BUF_INIT, plain = BUF_INIT;
            struct ledger_judged *j = calloc(1, sizeof *j);
            struct ledger *l;
            uint8_t id[32], chain[32];
            s->body.p[at] ^= (uint8_t)(1U << bit);
            ledger_id_of(buf_view(&s->body), id);
            s->body.p[at] ^= (uint8_t)(1U << bit);
            forge(s, at, (uint8_t)(1U << bit), id, &sealed, &plain);
            assert_int_equal(ledger_new(id, s->w.room, &l), ST_OK);
            chain_step(ledger_chain(l), buf_view(&sealed), chain);
            ledger_judge(l, buf_view(&plain), 0, chain, j);
            bool fixed = at >= RANDOM_BYTES && at < FREE_TO_CHOOSE;
            if (fixed && j->verdict.valid) fail_msg("byte %zu bit %u holds", at, bit);
            if (at < RANDOM_BYTES) assert_true(j->verdict.valid);
            if (!j->verdict.valid) assert_non_null(j->verdict.reason);
            valid += j->verdict.valid;
            assert_int_equal(ledger_apply(l, j), ST_OK);
            assert_int_equal(ledger_started(l), j->verdict.valid);
            ledger_free(l);
            free(j);
            buf_free(&sealed);
            buf_free(&plain);
        }
    assert_true(valid > (size_t)8 * RANDOM_BYTES);
    end(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_newcomer_refuses_each),
        cmocka_unit_test(a_member_reads_it_again),
        cmocka_unit_test(its_own_enclave_is_judged_by_the_rules),
    };
    return !!cmocka_run_group_tests(tests, world_crypto, NULL);
}
