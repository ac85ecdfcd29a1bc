/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto core/feed core/mail */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#include "core/mail/mail.h"
#include "vectors/vectors.h"

#include <string.h>

#define MAIL_VECTORS VECTORS_OWN "/protocol-own/mail.txt"

static void expect_n(struct vectors *v, const char *what, unsigned n, struct bytes b)
{
    char key[24];
    snprintf(key, sizeof key, "%s_%u", what, n);
    vectors_expect(v, key, b);
}

static void check_chain(struct vectors *v)
{
    uint8_t s[32], hint[HINT_SIZE], mk[32];
    memcpy(s, vectors_fixed(v, "s_0", 32), 32);
    for (unsigned n = 0; n < 4; n++) {
        hints_hint(s, hint);
        hints_mk(s, mk);
        expect_n(v, "s", n, BYTES_OF(s));
        expect_n(v, "hint", n, BYTES_OF(hint));
        expect_n(v, "mk", n, BYTES_OF(mk));
        hints_advance(s);
    }
}

static void check_message(struct vectors *v)
{
    struct buf sealed = BUF_INIT, plain = BUF_INIT;
    struct envelope e = {.kind = (uint8_t)vectors_u64(v, "kind"),
                         .flags = (uint8_t)vectors_u64(v, "flags"),
                         .time_ms = vectors_u64(v, "time_ms"),
                         .epoch = vectors_u64(v, "epoch"),
                         .leaf = (uint16_t)vectors_u64(v, "leaf"),
                         .seen_count = vectors_u64(v, "seen0_count"),
                         .content = vectors_bytes(v, "content")},
                    back;
    memcpy(e.uuid, vectors_fixed(v, "uuid", 16), 16);
    memcpy(e.seen_chain, vectors_fixed(v, "seen0_chain", 32), 32);
    memcpy(e.prev_own, vectors_fixed(v, "prev_own", 32), 32);
    const struct envelope_keys k = {vectors_fixed(v, "room_id", 32),
                                    vectors_fixed(v, "enclave_id", 32)};
    assert_int_equal(envelope_seal(&k, &e, vectors_fixed(v, "hint", HINT_SIZE),
                                   vectors_fixed(v, "mk", 32), vectors_fixed(v, "nonce", 24),
                                   vectors_fixed(v, "sender_seed", 32), &sealed),
                     ST_OK);
    vectors_expect(v, "sealed", buf_view(&sealed));
    assert_int_equal(
        envelope_open(&k, buf_view(&sealed), vectors_fixed(v, "mk", 32), &plain, &back), ST_OK);
    vectors_expect(v, "plain", buf_view(&plain));
    vectors_expect(v, "content", back.content);
    assert_int_equal(envelope_verify(&k, buf_view(&plain), vectors_fixed(v, "sender_id", 32)),
                     ST_OK);
    plain.p[plain.n - 70] ^= 1;
    assert_int_equal(envelope_verify(&k, buf_view(&plain), vectors_fixed(v, "sender_id", 32)),
                     ST_BAD_SIGNATURE);
    buf_free(&sealed);
    buf_free(&plain);
}

static void vectors_of_mail(void **state)
{
    (void)state;
    struct vectors v;
    VECTORS_OR_SKIP(&v, MAIL_VECTORS);
    while (vectors_next(&v)) {
        if (vectors_is(&v, "case", "chain"))
            check_chain(&v);
        else
            check_message(&v);
    }
    assert_int_equal(v.records, 3);
    vectors_close(&v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(vectors_of_mail)};
    return !!cmocka_run_group_tests(tests, NULL, NULL);
}
