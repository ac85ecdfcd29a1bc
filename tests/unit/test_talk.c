/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base tables cli/talk */
#include "cli/talk/complete.h"
#include "cli/talk/rows.h"
#include "cli/talk/words.h"

#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- lines ---- */

static struct talk_line parse(const char *line)
{
    struct talk_line l;
    talk_parse(line, false, &l);
    return l;
}

static void assert_bytes(struct bytes b, const char *text)
{
    assert_true(bytes_same(b, bytes_str(text)));
}

static void words_are_said(void **state)
{
    (void)state;
    static const char *const said[][2] = {{"hello", "hello"},         {" /help", " /help"},
                                          {"//shrug", "/shrug"},      {"///", "//"},
                                          {"a /quit b", "a /quit b"}, {"\xc3\xa4", "\xc3\xa4"}};
    for (size_t i = 0; i < sizeof said / sizeof said[0]; i++) {
        struct talk_line l = parse(said[i][0]);
        assert_int_equal(l.kind, TALK_SAY);
        assert_string_equal(l.rest, said[i][1]);
    }
    assert_int_equal(parse("").kind, TALK_EMPTY);
    assert_int_equal(parse(" \t ").kind, TALK_EMPTY);
}

static void commands_are_read(void **state)
{
    (void)state;
    assert_int_equal(parse("/members").kind, TALK_MEMBERS);
    assert_int_equal(parse("/quit  ").kind, TALK_QUIT);
    assert_int_equal(parse("/quit now").kind, TALK_WRONG);
    struct talk_line l = parse("/file  ~/my pictures/a b.jpg");
    assert_int_equal(l.kind, TALK_FILE);
    assert_string_equal(l.rest, "~/my pictures/a b.jpg");
    assert_int_equal(parse("/file").kind, TALK_WRONG);
    assert_int_equal(parse("/file   ").kind, TALK_WRONG);
    l = parse("/broadcast I moved");
    assert_int_equal(l.kind, TALK_BROADCAST);
    assert_string_equal(l.rest, "I moved");
    assert_false(l.now);
    l = parse("/broadcast --now I moved");
    assert_string_equal(l.rest, "I moved");
    assert_true(l.now);
    assert_int_equal(parse("/broadcast --now").kind, TALK_WRONG);
    assert_string_equal(parse("/broadcast --nowhere").rest, "--nowhere");
}

static void votes_are_read(void **state)
{
    (void)state;
    struct talk_line l = parse("/vote 3f2a yes compared now");
    assert_int_equal(l.kind, TALK_VOTE);
    assert_bytes(l.who, "3f2a");
    assert_true(l.yes && l.compared && l.now);
    l = parse("/vote no 3f2a");
    assert_int_equal(l.kind, TALK_VOTE);
    assert_bytes(l.who, "3f2a");
    assert_false(l.yes || l.compared || l.now);
    l = parse("/vote yes");
    assert_int_equal(l.kind, TALK_VOTE);
    assert_int_equal(l.who.n, 0);
    /* Nothing that could be taken for the other choice. */
    static const char *const wrong[] = {"/vote",        "/vote 3f2a",     "/vote yes no",
                                        "/vote a b no", "/vote 3f2a yep", "/vote Yes"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(parse(wrong[i]).kind, TALK_WRONG);
}

static void slips_are_told(void **state)
{
    (void)state;
    struct talk_line l = parse("/mebmers and so on");
    assert_int_equal(l.kind, TALK_UNKNOWN);
    assert_bytes(l.word, "/mebmers");
    assert_string_equal(l.near, "/members");
    assert_null(parse("/etc/passwd").near);
    assert_int_equal(parse("/").kind, TALK_UNKNOWN);
    char word[400];
    memset(word, 'x', sizeof word);
    word[0] = '/';
    word[sizeof word - 1] = '\0';
    assert_int_equal(parse(word).kind, TALK_UNKNOWN);
}

/* A daemon that cannot send to one member offers no such command, not even as a guess. */
static void private_words_only_where_they_are(void **state)
{
    (void)state;
    struct talk_line l = parse("/send bo hello");
    assert_int_equal(l.kind, TALK_UNKNOWN);
    assert_true(l.near == NULL || strcmp(l.near, "/send") != 0);
    talk_parse("/send @bo see you", true, &l);
    assert_int_equal(l.kind, TALK_SEND);
    assert_bytes(l.who, "bo");
    assert_string_equal(l.rest, "see you");
    talk_parse("/send bo", true, &l);
    assert_int_equal(l.kind, TALK_WRONG);
    for (int with = 0; with < 2; with++) {
        struct buf help = BUF_INIT;
        talk_help(with == 1, &help);
        buf_u8(&help, 0);
        assert_int_equal(strstr((const char *)help.p, "/send") != NULL, with);
        assert_memory_equal(help.p, "Examples:\n", 10);
        buf_free(&help);
    }
}

static void one_name(void **state)
{
    (void)state;
    static const char *const names[] = {"bo", "bob", "alice", "albert"};
    bool several;
    assert_string_equal(talk_one(names, 4, bytes_str("ali"), &several), "alice");
    assert_string_equal(talk_one(names, 4, bytes_str("bo"), &several), "bo");
    assert_false(several);
    assert_null(talk_one(names, 4, bytes_str("al"), &several));
    assert_true(several);
    assert_null(talk_one(names, 4, bytes_str("eve"), &several));
    assert_false(several);
}

/* Every example of the help is a line that is understood. */
static void examples_work(void **state)
{
    (void)state;
    size_t n;
    const struct talk_command *all = talk_commands(&n);
    for (size_t i = 0; i < n; i++) {
        struct talk_line l;
        talk_parse(all[i].example, true, &l);
        assert_int_equal(l.kind, all[i].kind);
    }
}

/* ---- completion ---- */

static void list(void *arg, const char *directory, talk_each *each, struct talk_found *found)
{
    snprintf(arg, 64, "%s", directory);
    each(found, ".", true);
    each(found, "..", true);
    each(found, ".hidden", false);
    each(found, "lake one.jpg", false);
    each(found, "lake two.jpg", false);
    each(found, "music", true);
    each(found, "bad\033name", false);
}

static const char *const nicks[] = {"alice", "alan", "bob", "\xc3\xa4nne", "\xc3\xb6zil"};
static const char *const refs[] = {"3f2a99", "77aa00"};

struct tried {
    char add[64], end[8], first[64], directory[64];
    size_t n;
};

static struct tried try(const char *before, const char *after, bool private_words)
{
    struct tried t = {.n = 0};
    char line[256];
    struct talk_found f;
    struct talk_known k = {nicks, 5, refs, 2, private_words, list, t.directory};
    snprintf(line, sizeof line, "%s%s", before, after);
    talk_complete(&k, line, strlen(before), &f);
    t.n = f.n;
    snprintf(t.add, sizeof t.add, "%s", f.add != NULL ? f.add : "");
    snprintf(t.end, sizeof t.end, "%s", f.end);
    snprintf(t.first, sizeof t.first, "%s", f.n > 0 ? f.words[0] : "");
    talk_found_free(&f);
    return t;
}

static void completes(const char *before, size_t n, const char *add, const char *end)
{
    struct tried t = try(before, "", false);
    if (t.n != n || strcmp(t.add, add) != 0 || (n == 1 && strcmp(t.end, end) != 0))
        fail_msg("\"%s\": %zu found, adds \"%s\" and \"%s\"", before, t.n, t.add, t.end);
}

static void words_go_on(void **state)
{
    (void)state;
    completes("/me", 1, "mbers", "");
    completes("/v", 2, "ote", "");
    completes("/f", 1, "ile", " ");
    completes("/se", 0, "", "");
    completes("hello @b", 1, "ob", " ");
    completes("@al", 2, "", "");
    completes("ali", 1, "ce", ": ");
    completes("hello ali", 1, "ce", " ");
    completes("hello ", 0, "", "");
    completes("", 0, "", "");
    completes("hello /me", 0, "", "");
    completes("/vote 3", 1, "f2a99", " ");
    completes("/vote ", 2, "", "");
    completes("/vote 3f2a99 ", 2, "", "");
    completes("/vote 3f2a99 y", 1, "es", " ");
    completes("/vote 3f2a99 yes c", 1, "ompared", " ");
    struct tried t = try("/send a", "", true);
    assert_int_equal(t.n, 2);
    t = try("@b", " and more", false);
    assert_string_equal(t.add, "ob");
}

static void paths_go_on(void **state)
{
    (void)state;
    completes("/file l", 2, "ake ", "");
    completes("/file lake o", 1, "ne.jpg", "");
    completes("/file m", 1, "usic/", "");
    completes("/file .", 1, "hidden", "");
    completes("/file b", 0, "", ""); /* its name would move the cursor */
    struct tried t = try("/file ~/pictures/mu", "", false);
    assert_string_equal(t.directory, "~/pictures/");
    assert_string_equal(t.first, "~/pictures/music/");
    assert_string_equal(t.add, "sic/");
}

/* What names have in common ends where a character ends. */
static void characters_stay_whole(void **state)
{
    (void)state;
    static const char *const alike[] = {"\xc3\xa4nne", "\xc3\xb6zil"};
    struct talk_known k = {.nicks = alike, .n_nicks = 2};
    struct talk_found f;
    talk_complete(&k, "@", 1, &f);
    assert_int_equal(f.n, 2);
    assert_string_equal(f.add, "");
    talk_found_free(&f);
    completes("@\xc3\xa4", 1, "nne", " ");
}

static void many_are_counted(void **state)
{
    (void)state;
    char room[100][8];
    const char *names[100];
    struct talk_found f;
    for (size_t i = 0; i < 100; i++) {
        snprintf(room[i], sizeof room[i], "n%02zu", i);
        names[i] = room[i];
    }
    struct talk_known k = {.nicks = names, .n_nicks = 100};
    talk_complete(&k, "@n", 2, &f);
    assert_int_equal(f.n, 100);
    assert_string_equal(f.add, "");
    talk_found_free(&f);
}

/* ---- rows ---- */

static void rows_are(const wchar_t *text, size_t cursor, unsigned columns, unsigned row,
                     unsigned column, unsigned last)
{
    struct talk_rows r = talk_rows(L"me> ", text, wcslen(text), cursor, columns);
    if (r.cursor != row || r.column != column || r.last != last)
        fail_msg("\"%ls\": cursor %u,%u last %u", text, r.cursor, r.column, r.last);
}

static void lines_wrap(void **state)
{
    (void)state;
    rows_are(L"", 0, 10, 0, 4, 0);
    rows_are(L"12345", 5, 10, 0, 9, 0);
    rows_are(L"123456", 6, 10, 1, 0, 1); /* a full row goes on at once */
    rows_are(L"1234567890123456", 0, 10, 0, 4, 2);
    rows_are(L"1234567890123456", 16, 10, 2, 0, 2);
    rows_are(L"1234567890123456", 7, 10, 1, 1, 2);
    rows_are(L"ä", 1, 10, 0, 5, 0);
    rows_are(L"漢字", 2, 10, 0, 8, 0);
    rows_are(L"12345漢", 6, 10, 1, 2, 1); /* not over the margin */
    rows_are(L"12345漢", 5, 10, 1, 0, 1);
    rows_are(L"1234漢", 5, 10, 1, 0, 1);
    rows_are(L"e\u0301x", 3, 10, 0, 6, 0); /* a combining accent takes no room */
    rows_are(L"\x01", 1, 10, 0, 6, 0);     /* ^A */
    rows_are(L"\t", 1, 20, 0, 8, 0);
    rows_are(L"漢字", 2, 0, 4, 0, 4); /* no width is too small to be an answer */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_said),
        cmocka_unit_test(commands_are_read),
        cmocka_unit_test(votes_are_read),
        cmocka_unit_test(slips_are_told),
        cmocka_unit_test(private_words_only_where_they_are),
        cmocka_unit_test(one_name),
        cmocka_unit_test(examples_work),
        cmocka_unit_test(words_go_on),
        cmocka_unit_test(paths_go_on),
        cmocka_unit_test(characters_stay_whole),
        cmocka_unit_test(many_are_counted),
        cmocka_unit_test(lines_wrap),
    };
    if (setlocale(LC_CTYPE, "C.UTF-8") == NULL) return 1;
    return !!cmocka_run_group_tests(tests, NULL, NULL);
}
