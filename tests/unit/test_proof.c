/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto core/feed core/ballot core/epoch core/door core/ledger */
/* Two signed words about one place that cannot both be true, for a third one to check. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#include "unit/fields_mutate.h"
#include "unit/group_world.h"

/* An entry of a member for the next place, behind the history that it knows or another one. */
static struct entry0 word_of(struct world *w, size_t by, uint8_t other_history, struct bytes body)
{
    struct entry0 e = entry_of(w, by, LEDGER_AWAY, body);
    e.prev_chain[0] ^= other_history;
    entry0_sign(&e, w->m[0].g->enclave_id, w->m[by].id_seed);
    return e;
}

#define LATER BYTES_LIT("\0\0\0\0\0\0\0\1")
#define NEVER BYTES_LIT("\0\0\0\0\0\0\0\0")

static void what_contradicts(void **state)
{
    (void)state;
    struct world *w = world_new(BALLOT_OPEN, 2);
    struct buf out = BUF_INIT;
    struct proof_view v;
    const uint8_t *enclave = w->m[0].g->enclave_id;
    struct entry0 mine = word_of(w, 0, 0, LATER), theirs = word_of(w, 1, 1, LATER);
    assert_int_equal(proof_make(enclave, &mine, &theirs, &out), ST_OK);
    assert_int_equal(proof_check(buf_view(&out), &v), ST_OK);
    assert_true(v.other_history);
    assert_int_equal(v.index, w->n);
    assert_memory_equal(v.enclave_id, enclave, 32);
    assert_memory_equal(v.one.actor, w->m[0].g->id, 32);
    assert_memory_equal(v.other.prev_chain, theirs.prev_chain, 32);
    /* two at one place behind the same history */
    buf_clear(&out);
    theirs = word_of(w, 1, 0, LATER);
    assert_int_equal(proof_make(enclave, &mine, &theirs, &out), ST_OK);
    assert_int_equal(proof_check(buf_view(&out), &v), ST_OK);
    assert_false(v.other_history);
    buf_clear(&out);
    theirs = word_of(w, 0, 0, NEVER); /* both of one author */
    assert_int_equal(proof_make(enclave, &mine, &theirs, &out), ST_OK);
    assert_int_equal(proof_check(buf_view(&out), &v), ST_OK);
    /* the same word again, and words about different places, contradict nothing */
    buf_clear(&out);
    assert_int_equal(proof_make(enclave, &mine, &mine, &out), ST_USAGE);
    theirs = word_of(w, 1, 1, LATER);
    theirs.index++;
    entry0_sign(&theirs, enclave, w->m[1].id_seed);
    assert_int_equal(proof_make(enclave, &mine, &theirs, &out), ST_USAGE);
    /* proof_make trusts who calls it, proof_check nobody: each is put together by hand */
    struct {
        struct entry0 other;
        enum status st;
    } cases[] = {{mine, ST_INTEGRITY}, {theirs, ST_INTEGRITY}, {word_of(w, 1, 1, LATER), ST_OK}};
    for (size_t i = 0; i < 3; i++) {
        struct buf a = BUF_INIT, b = BUF_INIT;
        struct proof p = {.magic = "ENCFORK1"};
        memcpy(p.enclave_id, enclave, 32);
        assert_int_equal(entry0_plain(&mine, &a), ST_OK);
        assert_int_equal(entry0_plain(&cases[i].other, &b), ST_OK);
        p.one = buf_view(&a);
        p.other = buf_view(&b);
        buf_clear(&out);
        assert_int_equal(fields_encode(&proof_fields, &p, &out), ST_OK);
        assert_int_equal(proof_check(buf_view(&out), &v), cases[i].st);
        if (cases[i].st == ST_OK) fields_mutate(&proof_fields, &p);
        buf_free(&a);
        buf_free(&b);
    }
    buf_free(&out);
    world_end(w);
}

/* Every bit of it is needed. */
static void no_other_bytes_pass(void **state)
{
    (void)state;
    struct world *w = world_new(BALLOT_OPEN, 2);
    struct buf out = BUF_INIT;
    struct proof_view v;
    struct entry0 mine = word_of(w, 0, 0, LATER), theirs = word_of(w, 1, 1, LATER);
    assert_int_equal(proof_make(w->m[0].g->enclave_id, &mine, &theirs, &out), ST_OK);
    for (size_t at = 0; at < out.n; at++) {
        const uint8_t flips[] = {1, 0x80, 0xFF};
        for (size_t k = 0; k < sizeof flips; k++) {
            out.p[at] ^= flips[k];
            assert_int_not_equal(proof_check(buf_view(&out), &v), ST_OK);
            out.p[at] ^= flips[k];
        }
    }
    for (size_t n = 0; n < out.n; n++) {
        uint8_t *cut = malloc(n + 1);
        memcpy(cut, out.p, n);
        assert_int_equal(proof_check(BYTES(cut, n), &v), ST_BAD_MESSAGE);
        free(cut);
    }
    buf_u8(&out, 0);
    assert_int_equal(proof_check(buf_view(&out), &v), ST_BAD_MESSAGE);
    buf_free(&out);
    world_end(w);
}

static void seal_word(struct world *w, const struct entry0 *e, struct buf *ret)
{
    uint8_t back[48] = {0}, nonce[24];
    world_random(w, nonce, 24);
    assert_int_equal(
        entry0_seal(e, w->room, w->m[0].g->rows[group_epoch(w->m[0].g)].log, back, nonce, ret),
        ST_OK);
}

/* What the sentinel showed first, and what it shows now. */
static void the_group_keeps_the_first_proof(void **state)
{
    (void)state;
    struct world *w = world_new(BALLOT_OPEN, 3);
    struct group *g = w->m[0].g;
    struct buf a = BUF_INIT, b = BUF_INIT, junk = BUF_INIT;
    struct proof_view v;
    struct entry0 one = word_of(w, 1, 0, LATER), other = word_of(w, 2, 0, LATER),
                  stranger = word_of(w, 2, 0, LATER);
    uint64_t index = w->n;
    seal_word(w, &one, &a);
    seal_word(w, &other, &b);
    world_append_raw(w, buf_view(&a));
    world_sync(w);
    assert_int_equal(group_proof(g).n, 0);
    /* what nobody signed proves nothing; nor does one entry twice, or one of another place */
    buf_zero(&junk, 512);
    assert_int_not_equal(group_prove(g, index, buf_view(&a), buf_view(&junk)), ST_OK);
    assert_int_equal(group_prove(g, index, buf_view(&a), buf_view(&a)), ST_USAGE);
    assert_int_not_equal(group_prove(g, index - 1, buf_view(&w->feed[index - 1]), buf_view(&b)),
                         ST_OK);
    stranger.sig[3] ^= 1;
    buf_clear(&junk);
    seal_word(w, &stranger, &junk);
    assert_int_equal(group_prove(g, index, buf_view(&a), buf_view(&junk)), ST_BAD_SIGNATURE);
    struct world_member none = {.nick = "none"};
    world_random(w, none.id_seed, 96);
    sign_public(none.id_seed, stranger.actor);
    entry0_sign(&stranger, g->enclave_id, none.id_seed);
    buf_clear(&junk);
    seal_word(w, &stranger, &junk);
    assert_int_equal(group_prove(g, index, buf_view(&a), buf_view(&junk)), ST_UNTRUSTED);
    assert_int_equal(group_proof(g).n, 0);
    assert_int_equal(group_take(g, index, buf_view(&b), 0), ST_FORK);
    assert_int_equal(group_prove(g, index, buf_view(&a), buf_view(&b)), ST_OK);
    assert_int_equal(proof_check(group_proof(g), &v), ST_OK);
    assert_int_equal(v.index, index);
    assert_false(v.other_history);
    assert_true(group_dirty(g));
    assert_int_equal(group_prove(g, index, buf_view(&a), buf_view(&b)), ST_EXISTS);
    struct buf kept = BUF_INIT;
    buf_bytes(&kept, group_proof(g));
    world_collect(&w->m[0]);
    world_restart(w, 0); /* it is kept */
    assert_true(bytes_same(group_proof(w->m[0].g), buf_view(&kept)));
    buf_free(&kept);
    buf_free(&a);
    buf_free(&b);
    buf_free(&junk);
    world_end(w);
}

/* A member signs over a history that is not ours: its word and ours make a proof by themselves. */
static void another_history_proves_itself(void **state)
{
    (void)state;
    struct world *w = world_new(BALLOT_OPEN, 3);
    struct group_event ev;
    struct proof_view v;
    struct buf sealed = BUF_INIT;
    struct entry0 e = word_of(w, 2, 1, LATER);
    uint64_t index = w->n;
    seal_word(w, &e, &sealed);
    world_append_raw(w, buf_view(&sealed));
    world_sync(w);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(world_saw(&w->m[i], GROUP_FORK, &ev), 1);
        assert_int_equal(ev.leaf, 2);
        assert_int_equal(proof_check(group_proof(w->m[i].g), &v), ST_OK);
        assert_int_equal(v.index, index);
        assert_true(v.other_history);
        assert_memory_equal(v.one.actor, w->m[i].g->id, 32);
        assert_memory_equal(v.one.prev_chain, ledger_chain_at(group_ledger(w->m[i].g), index), 32);
        assert_memory_equal(v.other.actor, w->m[2].g->id, 32);
        assert_true(group_writable(w->m[i].g)); /* one member may lie */
    }
    /* its author reads its own words back: they contradict it too, but prove nothing against others */
    assert_int_equal(w->m[2].g->proof.n > 0, proof_check(group_proof(w->m[2].g), &v) == ST_OK);
    /* our statement cannot be made an entry of ours: its place is taken */
    struct buf again = BUF_INIT;
    assert_int_equal(proof_check(group_proof(w->m[0].g), &v), ST_OK);
    seal_word(w, &v.one, &again);
    world_forget(w);
    world_append_raw(w, buf_view(&again));
    world_sync(w);
    assert_int_equal(world_saw(&w->m[1], GROUP_VOID, &ev), 1);
    assert_int_equal(ev.leaf, LEDGER_NOBODY);
    buf_free(&again);
    buf_free(&sealed);
    world_end(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_contradicts),
        cmocka_unit_test(no_other_bytes_pass),
        cmocka_unit_test(the_group_keeps_the_first_proof),
        cmocka_unit_test(another_history_proves_itself),
    };
    return !!cmocka_run_group_tests(tests, world_crypto, NULL);
}
