/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base api */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api/search.h"

#include <string.h>

static bool holds(const char *words, const char *text)
{
    struct search *s;
    assert_int_equal(search_new(bytes_str(words), &s), ST_OK);
    bool found = search_holds(s, bytes_str(text));
    assert_true(found == search_holds(s, bytes_str(text))); /* used again */
    search_free(s);
    return found;
}

static void all_words_in_any_order(void **state)
{
    (void)state;
    assert_true(holds("eight dinner", "Dinner at eight"));
    assert_true(holds("  DIN\tight ", "Dinner at eight"));
    assert_false(holds("dinner nine", "Dinner at eight"));
    assert_false(holds("dinner", ""));
    assert_false(holds("dinners", "dinner"));
}

static void case_is_nothing_in_other_scripts_too(void **state)
{
    (void)state;
    assert_true(holds("ÄRGER", "viel ärger"));
    assert_true(holds("привет", "ПРИВЕТ, мир"));
    assert_true(holds("σ", "ΣΣ"));
    assert_false(holds("a", "ä"));
    assert_true(holds("🙂", "well 🙂"));
}

static void however_it_is_written(void **state)
{
    (void)state;
    assert_true(holds("STRASSE", "Hauptstraße 5"));
    assert_true(holds("straße", "HAUPTSTRASSE 5"));
    assert_true(holds("ẞ", "Fuß"));
    assert_true(holds("caf\xC3\xA9", "Cafe\xCC\x81")); /* composed, decomposed */
    assert_true(holds("Cafe\xCC\x81", "caf\xC3\xA9"));
    assert_true(holds("\xCF\x82", "\xCE\xA3")); /* a final sigma */
    assert_false(holds("cafe", "caf\xC3\xA9"));
    assert_true(holds("caf\xC3\xA9", "\xFF Cafe\xCC\x81\xFE"));
}

static void odd_bytes_stand_for_themselves(void **state)
{
    (void)state;
    assert_true(holds("\xFF", "a\xFF"
                              "b"));
    assert_false(holds("\xFE", "a\xFF"
                               "b"));
    assert_true(holds("b", "\xC3"
                           "b")); /* a cut character hides nothing */
    assert_true(holds("\xE2\x82", "x\xE2\x82"));
}

static void limits(void **state)
{
    (void)state;
    struct search *s;
    char many[2 * (SEARCH_WORDS_MAX + 1) + 1], large[SEARCH_BYTES_MAX + 2];
    assert_int_equal(search_new(BYTES_LIT(" \n"), &s), ST_USAGE);
    for (size_t i = 0; i <= SEARCH_WORDS_MAX; i++) memcpy(many + 2 * i, "a ", 2);
    many[sizeof many - 1] = '\0';
    assert_int_equal(search_new(bytes_str(many), &s), ST_USAGE);
    memset(large, 'a', sizeof large);
    assert_int_equal(search_new(BYTES(large, SEARCH_BYTES_MAX + 1), &s), ST_USAGE);
    assert_int_equal(search_new(BYTES(large, SEARCH_BYTES_MAX), &s), ST_OK);
    search_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_words_in_any_order),
        cmocka_unit_test(case_is_nothing_in_other_scripts_too),
        cmocka_unit_test(however_it_is_written),
        cmocka_unit_test(odd_bytes_stand_for_themselves),
        cmocka_unit_test(limits),
    };
    return !!cmocka_run_group_tests(tests, NULL, NULL);
}
