/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto core/feed core/mail */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#include "core/mail/pair_entry.h"
#include "crypto/secret.h"
#include "unit/fields_mutate.h"
#include "vectors/vectors.h"

#include <string.h>

#define PAIR_VECTORS VECTORS_OWN "/protocol-own/pair.txt"

static void fill_entry(struct vectors *v, struct pair_entry *e)
{
    *e = (struct pair_entry){.kind = (uint8_t)vectors_u64(v, "kind"),
                             .flags = (uint8_t)vectors_u64(v, "flags"),
                             .time_ms = vectors_u64(v, "time_ms"),
                             .epoch = vectors_u64(v, "epoch"),
                             .leaf = (uint16_t)vectors_u64(v, "leaf"),
                             .seen_count = vectors_u64(v, "seen0_count"),
                             .begun_epoch = vectors_u64(v, "begun_epoch"),
                             .begun_count = (uint32_t)vectors_u64(v, "begun_count"),
                             .turn = (uint32_t)vectors_u64(v, "turn"),
                             .content = vectors_bytes(v, "content")};
    memcpy(e->uuid, vectors_fixed(v, "uuid", 16), 16);
    memcpy(e->seen_chain, vectors_fixed(v, "seen0_chain", 32), 32);
    memcpy(e->secret, vectors_fixed(v, "secret", 32), 32);
    kem_public(vectors_fixed(v, "turn_sk", 32), e->pk);
}

static void check_entry(struct vectors *v, bool turn)
{
    uint8_t ss[KEM_SS], ct[KEM_CT], s[32], hint[HINT_SIZE], mk[32], root[32];
    struct pair_first first;
    struct pair_entry e, back;
    struct buf sealed = BUF_INIT, plain = BUF_INIT;
    const struct pair_keys k = {vectors_fixed(v, "room_id", 32), vectors_fixed(v, "enclave_id", 32),
                                vectors_fixed(v, "reader_id", 32),
                                vectors_fixed(v, "export_pair", 32), turn ? mk : NULL};
    struct bytes entry = vectors_bytes(v, "sealed");
    pair_entry_ct(&k, entry, ct);
    vectors_expect(v, "ct", BYTES_OF(ct));
    assert_int_equal(kem_decaps(vectors_fixed(v, "reader_kem_seed", 32), ct, ss), ST_OK);
    vectors_expect(v, "ss", BYTES_OF(ss));
    pair_root(vectors_fixed(v, "root_before", 32), vectors_fixed(v, "secret", 32), root);
    vectors_expect(v, "root", BYTES_OF(root));
    if (turn) {
        memcpy(s, vectors_fixed(v, "s_0", 32), 32);
        for (uint64_t n = vectors_u64(v, "n"); n > 0; n--) hints_advance(s);
        hints_hint(s, hint);
        hints_mk(s, mk);
        vectors_expect(v, "mk", BYTES_OF(mk));
        pair_chain_start(root, 2, k.reader_id, vectors_fixed(v, "sender_id", 32), s);
    } else {
        pair_first_of(&k, ss, &first);
        vectors_expect(v, "x", BYTES_OF(first.x));
        memcpy(hint, first.hint, HINT_SIZE);
        pair_talk_id(root, vectors_fixed(v, "sender_id", 32), k.reader_id, s);
        vectors_expect(v, "talk_id", BYTES(s, 16));
        pair_chain_start(root, 1, k.reader_id, vectors_fixed(v, "sender_id", 32), s);
    }
    vectors_expect(v, "next_s_0", BYTES_OF(s));
    vectors_expect(v, "hint", BYTES_OF(hint));
    assert_int_equal(pair_entry_epoch(entry, turn ? mk : first.x), vectors_u64(v, "epoch"));
    fill_entry(v, &e);
    assert_int_equal(pair_entry_seal(&k, &e, turn ? hint : NULL, ct, ss,
                                     vectors_fixed(v, "nonce", 24),
                                     vectors_fixed(v, "sender_seed", 32), &sealed),
                     ST_OK);
    vectors_expect(v, "sealed", buf_view(&sealed));
    vectors_expect(v, "head", BYTES(sealed.p, PAIR_HEAD));
    assert_int_equal(pair_entry_open(&k, entry, ss, &plain, &back), ST_OK);
    vectors_expect(v, "content", back.content);
    vectors_expect(v, "sig", BYTES(plain.p + plain.n - SIGN_SIZE, SIGN_SIZE));
    assert_int_equal(
        pair_entry_verify(&k, entry, buf_view(&plain), vectors_fixed(v, "sender_id", 32)), ST_OK);
    assert_int_equal(pair_entry_verify(&k, entry, buf_view(&plain), k.reader_id), ST_BAD_SIGNATURE);
    buf_free(&sealed);
    buf_free(&plain);
}

static void vectors_of_pair(void **state)
{
    (void)state;
    struct vectors v;
    VECTORS_OR_SKIP(&v, PAIR_VECTORS);
    while (vectors_next(&v)) check_entry(&v, vectors_is(&v, "case", "turn"));
    assert_int_equal(v.records, 2);
    vectors_close(&v);
}

static void fields_survive_mutation(void **state)
{
    (void)state;
    struct pair_entry e = {.kind = 1, .turn = 7, .content = BYTES_LIT("content of a message")};
    fields_mutate(&pair_entry_fields, &e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_of_pair),
        cmocka_unit_test(fields_survive_mutation),
    };
    if (crypto_start() != ST_OK) return 1;
    return !!cmocka_run_group_tests(tests, NULL, NULL);
}
