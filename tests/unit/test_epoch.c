/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto core/feed core/epoch */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#include "core/epoch/commit.h"
#include "core/epoch/schedule.h"
#include "core/epoch/walk.h"
#include "crypto/hash.h"
#include "crypto/kem.h"
#include "crypto/secret.h"
#include "unit/fields_mutate.h"
#include "vectors/vectors.h"

#define OWN VECTORS_OWN "/protocol-own/"

static int start(void **state)
{
    (void)state;
    return crypto_start() == ST_OK ? 0 : -1;
}

static void schedule_as_in_group_vectors(void **state)
{
    (void)state;
    struct vectors v;
    uint8_t joiner[32], hash[32], secret[32], out[32];
    VECTORS_OR_SKIP(&v, VECTORS_OWN "/group-schedule/group_schedule.txt");
    assert_true(vectors_next(&v));
    uint64_t epoch = vectors_u64(&v, "epoch");
    schedule_joiner(vectors_fixed(&v, "init_secret_prev", 32),
                    vectors_fixed(&v, "commit_secret", 32), joiner);
    vectors_expect(&v, "joiner_secret", BYTES_OF(joiner));
    sha256(vectors_bytes(&v, "group_context"), hash);
    hkdf_extract(BYTES_OF(joiner), BYTES_OF(hash), secret);
    vectors_expect(&v, "epoch_secret", BYTES_OF(secret));
    struct epoch_keys keys;
    schedule_exports(secret, epoch, &keys);
    vectors_expect(&v, "export_init", BYTES_OF(keys.init));
    vectors_expect(&v, "export_confirm", BYTES_OF(keys.confirm));
    vectors_expect(&v, "export_file_kek", BYTES_OF(keys.file_kek));
    vectors_expect(&v, "export_log", BYTES_OF(keys.log));
    schedule_export(secret, BYTES_LIT("veto"), epoch, out);
    vectors_expect(&v, "export_veto", BYTES_OF(out));
    schedule_sender(secret, epoch, 3, out);
    vectors_expect(&v, "sender_3_s0", BYTES_OF(out));
    vectors_close(&v);
}

/* The COMMIT 6 -> 7 of the vectors, with everything that it hangs on. */
struct scene {
    struct buf roster; /* bytes of the roster; ids and seats point into it */
    uint8_t enclave[32], room[32], chain[32], commit_secret[32], init_prev[32], log_prev[32];
    uint8_t wrap_pk[4][KEM_PUBLIC], pk[4][KEM_PUBLIC], seed[4][32];
    uint8_t new_pk[KEM_PUBLIC];
    struct commit_leaf leaves[4];
    uint64_t taken[2], voids[1];
    struct commit_plan plan;
    struct commit_key keys[COMMIT_KEYS_MAX];
    struct commit_prev prev;
    uint64_t generation, first;
    uint8_t dedup[32], placement[32];
    struct buf body;
    uint8_t back[48];
};

static void take_leaf(struct scene *s, struct vectors *v)
{
    size_t i = (size_t)vectors_u64(v, "leaf");
    memcpy(s->wrap_pk[i], vectors_fixed(v, "pk_wrapped_to", KEM_PUBLIC), KEM_PUBLIC);
    memcpy(s->seed[i], vectors_fixed(v, "kem_seed", 32), 32);
    const uint8_t *row = s->roster.p + 2 + i * (4 + 32 + KEM_PUBLIC + 32);
    memcpy(s->pk[i], row + 36, KEM_PUBLIC);
    s->leaves[i] = (struct commit_leaf){.leaf = get_u16(row),
                                        .member = get_u16(row + 2),
                                        .fresh = vectors_u64(v, "is_new") == 1,
                                        .id = row + 4,
                                        .seat = row + 36 + KEM_PUBLIC,
                                        .wrap_pk = s->wrap_pk[i],
                                        .pk = s->pk[i]};
    uint8_t coins[64], ct[KEM_CT], ss[32], key[32], ss2[32];
    schedule_coins(s->commit_secret, s->enclave, 7, (uint16_t)i, s->wrap_pk[i], coins);
    vectors_expect(v, "coins", BYTES_OF(coins));
    assert_int_equal(kem_encaps(s->wrap_pk[i], coins, ct, ss), ST_OK);
    vectors_expect(v, "ct", BYTES_OF(ct));
    vectors_expect(v, "ss", BYTES_OF(ss));
    assert_int_equal(kem_decaps(s->seed[i], ct, ss2), ST_OK);
    assert_memory_equal(ss, ss2, 32);
    schedule_wrap_key(ss, s->enclave, 7, (uint16_t)i, key);
    vectors_expect(v, "wrap_key", BYTES_OF(key));
    if (!s->leaves[i].fresh) return;
    struct bytes plain = vectors_bytes(v, "wrap_plain");
    const uint8_t *rows = plain.p + 138;
    size_t n = get_u16(plain.p + 136);
    for (size_t k = 0; k < n; k++) {
        s->keys[k].epoch = get_u64(rows + k * 72);
        memcpy(s->keys[k].file_kek, rows + k * 72 + 8, 32);
        memcpy(s->keys[k].tree, rows + k * 72 + 40, 32);
    }
    assert_int_equal(s->keys[n - 1].epoch, 7);
    s->first = s->keys[0].epoch;
    s->prev.n_keys = n - 1; /* the last is that of the new epoch */
}

static void take_schedule(struct scene *s, struct vectors *v)
{
    uint8_t joiner[32], hash[32];
    struct epoch_keys k;
    memcpy(s->enclave, vectors_fixed(v, "enclave_id", 32), 32);
    memcpy(s->room, vectors_fixed(v, "room_id", 32), 32);
    memcpy(s->chain, vectors_fixed(v, "chain_before", 32), 32);
    memcpy(s->commit_secret, vectors_fixed(v, "commit_secret", 32), 32);
    memcpy(s->init_prev, vectors_fixed(v, "init_secret_prev", 32), 32);
    buf_bytes(&s->roster, vectors_bytes(v, "roster"));
    SHA256_OF(hash, BYTES_LIT("ENCLAVE-ROSTER"), buf_view(&s->roster));
    vectors_expect(v, "roster_hash", BYTES_OF(hash));
    schedule_joiner(s->init_prev, s->commit_secret, joiner);
    vectors_expect(v, "joiner_secret", BYTES_OF(joiner));
    const struct schedule_context ctx = {s->enclave, 7, s->chain, hash};
    schedule_epoch(joiner, &ctx, &k);
    vectors_expect(v, "epoch_secret", BYTES_OF(k.epoch_secret));
    vectors_expect(v, "export_door", BYTES_OF(k.door));
    vectors_expect(v, "export_tree", BYTES_OF(k.tree));
    vectors_expect(v, "export_receipts", BYTES_OF(k.receipts));
    vectors_expect(v, "export_pair", BYTES_OF(k.pair));
    vectors_expect(v, "export_dedup", BYTES_OF(k.dedup));
    vectors_expect(v, "export_placement", BYTES_OF(k.placement));
    const char *senders[] = {"export_sender_0", "export_sender_1", "export_sender_2",
                             "export_sender_3"};
    for (uint16_t leaf = 0; leaf < 4; leaf++) {
        uint8_t s0[32];
        schedule_sender(k.epoch_secret, 7, leaf, s0);
        vectors_expect(v, senders[leaf], BYTES_OF(s0));
    }
}

static void take_body(struct scene *s, struct vectors *v)
{
    char text[32];
    snprintf(text, sizeof text, "%s", vectors_text(v, "taken_in"));
    char *end = NULL;
    s->taken[0] = strtoull(text, &end, 10);
    s->taken[1] = strtoull(end, NULL, 10);
    s->voids[0] = vectors_u64(v, "void_commits");
    memcpy(s->new_pk, vectors_fixed(v, "new_kem_pk", KEM_PUBLIC), KEM_PUBLIC);
    s->generation = vectors_u64(v, "generation");
    memcpy(s->dedup, vectors_fixed(v, "dedup_secret", 32), 32);
    memcpy(s->placement, vectors_fixed(v, "placement_secret", 32), 32);
    memcpy(s->log_prev, vectors_fixed(v, "log_key_prev", 32), 32);
    memcpy(s->back, vectors_fixed(v, "back", 48), 48);
    buf_bytes(&s->body, vectors_bytes(v, "body"));
    s->prev.init = s->init_prev;
    s->prev.log = s->log_prev;
    s->prev.generation = s->generation;
    s->prev.dedup = s->dedup;
    s->prev.placement = s->placement;
    s->prev.keys = s->keys;
    s->plan = (struct commit_plan){.enclave_id = s->enclave,
                                   .room = s->room,
                                   .chain_before = s->chain,
                                   .epoch = 7,
                                   .committer = 0,
                                   .taken = s->taken,
                                   .n_taken = 2,
                                   .voids = s->voids,
                                   .n_voids = 1,
                                   .kem_pk = s->new_pk,
                                   .leaves = s->leaves,
                                   .n = 4};
}

static void scene_load(struct scene *s)
{
    struct vectors v;
    memset(s, 0, sizeof *s);
    VECTORS_OR_SKIP(&v, OWN "commit.txt");
    while (vectors_next(&v)) {
        if (vectors_is(&v, "case", "schedule")) take_schedule(s, &v);
        if (vectors_is(&v, "case", "leaf")) take_leaf(s, &v);
        if (vectors_is(&v, "case", "body")) take_body(s, &v);
    }
    vectors_close(&v);
    assert_int_not_equal(s->body.n, 0);
}

static void scene_free(struct scene *s)
{
    buf_free(&s->roster);
    buf_free(&s->body);
}

static void commit_is_built_as_in_vectors(void **state)
{
    (void)state;
    struct scene s;
    struct buf body = BUF_INIT;
    struct commit_next next;
    uint8_t back[48];
    scene_load(&s);
    assert_int_equal(commit_build(&s.plan, &s.prev, s.commit_secret, s.first, &body, back, &next),
                     ST_OK);
    assert_memory_equal(back, s.back, 48);
    assert_true(bytes_same(buf_view(&body), buf_view(&s.body)));
    assert_int_equal(next.generation, s.generation);
    assert_int_equal(next.first, s.first);
    buf_free(&body);
    scene_free(&s);
}

/* The same COMMIT as an entry of feed 0, sealed under the log key of epoch 6. */
static void its_entry_opens(void **state)
{
    (void)state;
    struct scene s;
    struct vectors v;
    struct buf plain = BUF_INIT, text = BUF_INIT;
    struct entry0 e;
    struct entry0_envelope envelope;
    uint8_t hash[32], log_prev[32];
    scene_load(&s);
    VECTORS_OR_SKIP(&v, OWN "commit.txt");
    while (vectors_next(&v)) {
        if (!vectors_is(&v, "case", "entry")) continue;
        struct bytes sealed = vectors_bytes(&v, "sealed");
        uint64_t index = vectors_u64(&v, "index");
        assert_int_equal(entry0_envelope(sealed, &envelope), ST_OK);
        assert_int_equal(envelope.epoch, 6);
        assert_memory_equal(envelope.back, s.back, 48);
        assert_int_equal(entry0_open(sealed, s.room, s.log_prev, index, &plain), ST_OK);
        assert_int_equal(entry0_split(buf_view(&plain), &e), ST_OK);
        assert_int_equal(entry0_verify(&e, s.enclave), ST_OK);
        assert_true(bytes_same(e.body, buf_view(&s.body)));
        assert_memory_equal(e.prev_chain, s.chain, 32);
        assert_int_equal(entry0_plain(&e, &text), ST_OK);
        sha256(buf_view(&text), hash);
        vectors_expect(&v, "entry_sha256", BYTES_OF(hash));
        chain_step(s.chain, sealed, hash);
        vectors_expect(&v, "chain", BYTES_OF(hash));
        /* walking back from epoch 7 */
        struct commit_next next;
        struct commit_fault fault;
        const struct commit_own own = {1, s.seed[1], NULL};
        assert_int_equal(
            commit_open(&s.plan, &s.prev, &own, buf_view(&s.body), s.back, &next, &fault), ST_OK);
        assert_int_equal(schedule_back_open(next.keys.log, s.room, 7, envelope.back, log_prev),
                         ST_OK);
        assert_memory_equal(log_prev, s.log_prev, 32);
    }
    assert_int_not_equal(plain.n, 0);
    vectors_close(&v);
    buf_free(&plain);
    buf_free(&text);
    scene_free(&s);
}

static void every_leaf_opens_it(void **state)
{
    (void)state;
    struct scene s;
    struct commit_next next, first;
    struct commit_fault fault;
    struct commit_joined joined;
    scene_load(&s);
    for (uint16_t leaf = 0; leaf < 3; leaf++) {
        const struct commit_own own = {leaf, s.seed[leaf], NULL};
        assert_int_equal(
            commit_open(&s.plan, &s.prev, &own, buf_view(&s.body), s.back, &next, &fault), ST_OK);
        if (leaf == 0) first = next;
        assert_memory_equal(&next, &first, sizeof next);
    }
    const struct commit_own own = {3, s.seed[3], NULL};
    assert_int_equal(commit_open_new(&s.plan, s.log_prev, &own, buf_view(&s.body), s.back, &next,
                                     &joined, &fault),
                     ST_OK);
    assert_memory_equal(&next, &first, sizeof next);
    assert_int_equal(joined.n, s.prev.n_keys);
    assert_memory_equal(joined.keys, s.keys, joined.n * sizeof s.keys[0]);
    scene_free(&s);
}

/* One wrong byte anywhere: void, and the part is named, by whoever looks. */
static void one_wrong_byte_is_named(void **state)
{
    (void)state;
    struct scene s;
    struct commit_next next;
    struct commit_fault fault, fault2;
    struct commit_joined joined;
    scene_load(&s);
    struct bytes body = buf_view(&s.body);
    const struct commit_own old = {0, s.seed[0], NULL}, fresh = {3, s.seed[3], NULL};
    size_t named[COMMIT_TAG + 1] = {0};
    for (size_t i = 0; i < body.n; i += 53) {
        s.body.p[i] ^= 0x10;
        assert_int_equal(commit_open(&s.plan, &s.prev, &old, body, s.back, &next, &fault),
                         ST_INTEGRITY);
        assert_int_not_equal(fault.part, COMMIT_FINE);
        named[fault.part]++;
        if (i % 5 == 0)
            assert_int_equal(
                commit_open_new(&s.plan, s.log_prev, &fresh, body, s.back, &next, &joined, &fault2),
                ST_INTEGRITY);
        s.body.p[i] ^= 0x10;
    }
    assert_true(named[COMMIT_LAYOUT] && named[COMMIT_OWN_WRAP] && named[COMMIT_CT]);
    size_t wrap_of_2 = s.body.n - 32 - (2 + KEM_CT + 2) - /* leaf 3 */
                       (138 + (s.prev.n_keys + 1) * 72 + 16) - 10;
    s.body.p[wrap_of_2] ^= 1;
    assert_int_equal(commit_open(&s.plan, &s.prev, &old, body, s.back, &next, &fault),
                     ST_INTEGRITY);
    assert_int_equal(fault.part, COMMIT_WRAP);
    assert_int_equal(fault.leaf, 2);
    s.body.p[wrap_of_2] ^= 1;
    s.body.p[body.n - 1] ^= 1;
    assert_int_equal(commit_open(&s.plan, &s.prev, &old, body, s.back, &next, &fault),
                     ST_INTEGRITY);
    assert_int_equal(fault.part, COMMIT_TAG);
    s.body.p[body.n - 1] ^= 1;
    s.back[5] ^= 1;
    assert_int_equal(commit_open(&s.plan, &s.prev, &old, body, s.back, &next, &fault),
                     ST_INTEGRITY);
    assert_int_equal(fault.part, COMMIT_BACK_PART);
    s.back[5] ^= 1;
    assert_int_equal(
        commit_open(&s.plan, &s.prev, &old, BYTES(body.p, body.n - 1), s.back, &next, &fault),
        ST_INTEGRITY);
    assert_int_equal(fault.part, COMMIT_LAYOUT);
    /* a newcomer's list that reaches below the floor */
    s.prev.first_floor = s.first + 1;
    assert_int_equal(commit_open(&s.plan, &s.prev, &old, body, s.back, &next, &fault),
                     ST_INTEGRITY);
    assert_int_equal(fault.part, COMMIT_WRAP);
    scene_free(&s);
}

static void a_bad_kem_key_is_refused(void **state)
{
    (void)state;
    struct scene s;
    struct buf body = BUF_INIT;
    struct commit_next next;
    uint8_t back[48];
    scene_load(&s);
    memset(s.wrap_pk[2], 0xFF, KEM_PUBLIC); /* coefficients above the modulus */
    assert_int_equal(commit_build(&s.plan, &s.prev, s.commit_secret, s.first, &body, back, &next),
                     ST_BAD_KEY);
    buf_free(&body);
    scene_free(&s);
}

static void keys_walk_back(void **state)
{
    (void)state;
    uint8_t room[32] = {9}, log[6][32], keys[6][32];
    uint64_t commits[6];
    struct entry0_envelope heads[20];
    memset(heads, 0, sizeof heads);
    for (size_t e = 0; e < 6; e++) memset(log[e], (int)(e + 1), 32);
    /* epoch e opens at index 3 e; a copy of each back stands further on, under the old epoch */
    for (size_t i = 0; i < 20; i++) {
        size_t e = i == 0 ? 0 : (i - 1) / 3;
        heads[i].epoch = e < 5 ? e : 5;
        memset(heads[i].back, (int)i, 48);
    }
    for (uint64_t e = 1; e < 6; e++) {
        schedule_back(log[e], room, e, log[e - 1], heads[3 * e].back);
        heads[3 * e + 1].epoch = e - 1;
        memcpy(heads[3 * e + 1].back, heads[3 * e].back, 48);
    }
    assert_int_equal(walk_back(room, heads, 20, 5, log[5], &keys[0][0], commits), ST_OK);
    assert_memory_equal(keys, log, sizeof log);
    for (uint64_t e = 1; e < 6; e++) assert_int_equal(commits[e], 3 * e);
    /* a removed member who knows log_key[4] cannot walk on: it holds no key above */
    log[5][0] ^= 1;
    assert_int_equal(walk_back(room, heads, 20, 5, log[5], &keys[0][0], commits), ST_INTEGRITY);
    assert_int_equal(walk_back(room, heads, 0, 0, log[0], &keys[0][0], commits), ST_INTEGRITY);
    assert_int_equal(walk_back(room, heads, 20, 20, log[0], &keys[0][0], commits), ST_INTEGRITY);
}

static void heads_survive_mutation(void **state)
{
    (void)state;
    static uint8_t numbers[24];
    numbers[7] = 3;
    numbers[15] = 5;
    struct commit_head h = {
        .epoch = 4, .committer = 1, .taken = {numbers, 2}, .voids = {numbers, 1}};
    memset(h.kem_pk, 0x3C, sizeof h.kem_pk);
    fields_mutate(&commit_head_fields, &h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(schedule_as_in_group_vectors),
        cmocka_unit_test(commit_is_built_as_in_vectors),
        cmocka_unit_test(its_entry_opens),
        cmocka_unit_test(every_leaf_opens_it),
        cmocka_unit_test(one_wrong_byte_is_named),
        cmocka_unit_test(a_bad_kem_key_is_refused),
        cmocka_unit_test(keys_walk_back),
        cmocka_unit_test(heads_survive_mutation),
    };
    return !!cmocka_run_group_tests(tests, start, NULL);
}
