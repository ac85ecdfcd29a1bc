/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base tables */
#include "tables/names.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void utf8_is_told_from_bytes(void **state)
{
    (void)state;
    static const char *const good[] = {
        "", "plain", "gr\xc3\xbc\xc3\x9f", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xf4\x8f\xbf\xbf"};
    static const char *const bad[] = {"\x80",         "\xc3",         "\xc0\xaf",
                                      "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80",
                                      "\xff",         "a\xe2\x82"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(names_utf8(bytes_str(good[i])));
        assert_true(names_plain(bytes_str(good[i])));
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(names_utf8(bytes_str(bad[i])));
    assert_true(names_utf8(BYTES_LIT("a\nb")));
    assert_false(names_plain(BYTES_LIT("a\nb")));
    assert_false(names_plain(BYTES_LIT("a\x7f")));
    assert_false(names_plain(BYTES_LIT("\xc2\x85"))); /* next line: a control of the upper half */
}

static void every_name_comes_back(void **state)
{
    (void)state;
    uint32_t seed = 3;
    for (int i = 0; i < 2000; i++) {
        uint8_t name[40];
        struct buf text = BUF_INIT;
        struct buf back = BUF_INIT;
        size_t n = (size_t)i % sizeof name;
        for (size_t j = 0; j < n; j++) {
            seed = seed * 1664525U + 1013904223U;
            name[j] = (uint8_t)((seed >> 24) | 1); /* no NUL */
        }
        names_encode(BYTES(name, n), &text);
        assert_true(names_plain(buf_view(&text)));
        assert_int_equal(names_decode(buf_view(&text), &back), ST_OK);
        assert_true(bytes_same(buf_view(&back), BYTES(name, n)));
        buf_free(&text);
        buf_free(&back);
    }
    static const char *const bad[] = {"%", "%4", "%zz", "a%0", "%00", "%-1"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct buf back = BUF_INIT;
        assert_int_equal(names_decode(bytes_str(bad[i]), &back), ST_USAGE);
        buf_free(&back);
    }
}

static void terminals_are_not_fooled(void **state)
{
    (void)state;
    static const struct {
        const char *text, *shown;
        bool newline;
    } cases[] = {{"a\033[2Jb", "a?[2Jb", false},
                 {"a\nb\tc", "a?b?c", false},
                 {"a\nb\tc\r", "a\nb\tc?", true},
                 {"x\xe2\x80\xaegpj.exe", "x?gpj.exe", false}, /* right to left override */
                 {"\xc2\x9b"
                  "1m",
                  "?1m", false}, /* CSI of the upper half */
                 {"\xff\xc3\xbc", "?\xc3\xbc", false}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf out = BUF_INIT;
        names_show(bytes_str(cases[i].text), cases[i].newline, &out);
        buf_u8(&out, 0);
        assert_string_equal((char *)out.p, cases[i].shown);
        buf_free(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(utf8_is_told_from_bytes),
        cmocka_unit_test(every_name_comes_back),
        cmocka_unit_test(terminals_are_not_fooled),
    };
    return !!cmocka_run_group_tests(tests, NULL, NULL);
}
