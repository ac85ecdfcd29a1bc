/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base net link core/ports crypto */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/socks.h"

#include <string.h>

/* Gives it bytes in pieces; returns how many it wanted of them. */
static size_t feed(struct socks *s, const void *p, size_t n, size_t piece)
{
    size_t at = 0;
    while (at < n) {
        size_t room;
        uint8_t *to = socks_space(s, &room);
        if (!to) break;
        assert_true(room > 0);
        if (room > piece) room = piece;
        if (room > n - at) room = n - at;
        memcpy(to, (const uint8_t *)p + at, room);
        socks_filled(s, room);
        at += room;
    }
    return at;
}

static void says(struct socks *s, const void *p, size_t n)
{
    struct bytes out = socks_output(s);
    assert_int_equal(out.n, n);
    assert_memory_equal(out.p, p, n);
    socks_sent(s, n / 2);
    socks_sent(s, n - n / 2);
    assert_int_equal(socks_output(s).n, 0);
}
#define SAYS(s, text) says(s, text, sizeof text - 1)
#define FEED(s, text) feed(s, text, sizeof text - 1, 1)

static void begin(struct socks *s, const char *host)
{
    assert_int_equal(socks_init(s, host, 4433, "ada", "0"), ST_OK);
    SAYS(s, "\5\2\2\0");
    FEED(s, "\5\2");
    assert_int_equal(s->state, SOCKS_SIGN_IN);
    SAYS(s, "\1\3ada\1"
            "0");
    FEED(s, "\1\0");
    assert_int_equal(s->state, SOCKS_ANSWER);
}

static void a_name_stays_a_name(void **state)
{
    (void)state;
    struct socks s;
    begin(&s, "relay.example");
    SAYS(&s, "\5\1\0\3\15relay.example\x11\x51");
    /* What follows the answer is the other side's and is not asked for. */
    static const char answer[] = "\5\0\0\1\1\2\3\4\0\1and more";
    assert_int_equal(feed(&s, answer, sizeof answer - 1, 4), 10);
    assert_int_equal(s.state, SOCKS_OPEN);
    assert_false(s.nameless);
    size_t room;
    assert_null(socks_space(&s, &room));
    assert_int_equal(room, 0);
    socks_eof(&s);
    assert_int_equal(s.state, SOCKS_OPEN);
}

static void addresses(void **state)
{
    (void)state;
    struct socks s;
    begin(&s, "192.0.2.7");
    SAYS(&s, "\5\1\0\1\300\0\2\7\x11\x51");
    FEED(&s, "\5\0\0\4"
             "0123456789abcdef\0\1");
    assert_int_equal(s.state, SOCKS_OPEN);
    begin(&s, "2001:db8::7");
    SAYS(&s, "\5\1\0\4\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\7\x11\x51");
    FEED(&s, "\5\0\0\3\4name\0\1");
    assert_int_equal(s.state, SOCKS_OPEN);
    begin(&s, "1.2.3"); /* no address: then a name */
    SAYS(&s, "\5\1\0\3\5"
             "1.2.3\x11\x51");
    FEED(&s, "\5\0\0\3\0\0\1");
    assert_int_equal(s.state, SOCKS_OPEN);
}

static void without_a_user(void **state)
{
    (void)state;
    struct socks s;
    assert_int_equal(socks_init(&s, "a", 1, "u", "p"), ST_OK);
    SAYS(&s, "\5\2\2\0");
    FEED(&s, "\5\0");
    assert_true(s.nameless);
    SAYS(&s, "\5\1\0\3\1a\0\1");
    assert_int_equal(s.state, SOCKS_ANSWER);
}

static void limits(void **state)
{
    (void)state;
    struct socks s;
    char longest[SOCKS_TEXT_MAX + 2];
    memset(longest, 'x', sizeof longest);
    longest[SOCKS_TEXT_MAX + 1] = '\0';
    assert_int_equal(socks_init(&s, longest, 1, "u", "p"), ST_USAGE);
    assert_int_equal(socks_init(&s, "a", 1, longest, "p"), ST_USAGE);
    assert_int_equal(socks_init(&s, "a", 1, "u", longest), ST_USAGE);
    assert_int_equal(socks_init(&s, "", 1, "u", "p"), ST_USAGE);
    assert_int_equal(socks_init(&s, "a", 1, "", "p"), ST_USAGE);
    assert_int_equal(socks_init(&s, "a", 1, "u", ""), ST_USAGE);
    assert_int_equal(socks_init(&s, "a", 0, "u", "p"), ST_USAGE);
    longest[SOCKS_TEXT_MAX] = '\0';
    assert_int_equal(socks_init(&s, longest, 65535, longest, longest), ST_OK);
    socks_sent(&s, 100); /* more than there is */
    FEED(&s, "\5\2");
    assert_int_equal(socks_output(&s).n, SOCKS_OUT_MAX);
    FEED(&s, "\1\0");
    assert_int_equal(socks_output(&s).n, 5 + SOCKS_TEXT_MAX + 2);
    uint8_t answer[SOCKS_IN_MAX + 9] = {5, 0, 0, 3, 255};
    assert_int_equal(feed(&s, answer, sizeof answer, sizeof answer), SOCKS_IN_MAX);
    assert_int_equal(s.state, SOCKS_OPEN);
}

static void every_answer(void **state)
{
    (void)state;
    for (unsigned code = 1; code < 256; code++) {
        struct socks s;
        uint8_t answer[2] = {5, (uint8_t)code};
        begin(&s, "a");
        feed(&s, answer, 2, 2);
        assert_int_equal(s.state, SOCKS_FAILED);
        enum status want = code == 2                                ? ST_DENIED
                           : code == 6                              ? ST_TIMEOUT
                           : code == 7 || code == 8                 ? ST_PROXY
                           : (code > 0 && code < 6) || code >= 0xF0 ? ST_UNREACHABLE
                                                                    : ST_PROXY;
        assert_int_equal(s.status, want);
        assert_true(strlen(s.reason) > 10);
        assert_int_equal(socks_output(&s).n, 0);
    }
}

static void failed(struct socks *s)
{
    size_t room;
    assert_int_equal(s->state, SOCKS_FAILED);
    assert_int_equal(s->status, ST_PROXY);
    assert_null(socks_space(s, &room));
    socks_filled(s, 5); /* does nothing any more */
    assert_int_equal(s->state, SOCKS_FAILED);
}

static void hostile(void **state)
{
    (void)state;
    static const struct {
        const char *said;
        size_t n;
    } methods[] = {{"\4\0", 2}, {"HT", 2}, {"\5\1", 2}, {"\5\xff", 2}, {"\0\0", 2}};
    struct socks s;
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        assert_int_equal(socks_init(&s, "a", 1, "u", "p"), ST_OK);
        feed(&s, methods[i].said, methods[i].n, 1);
        failed(&s);
    }
    static const char *const sign_ins[] = {"\1\1", "\5\0x", "\1\xff"};
    for (size_t i = 0; i < sizeof sign_ins / sizeof sign_ins[0]; i++) {
        assert_int_equal(socks_init(&s, "a", 1, "u", "p"), ST_OK);
        FEED(&s, "\5\2");
        feed(&s, sign_ins[i], 2, 1);
        failed(&s);
    }
    begin(&s, "a");
    FEED(&s, "\4\0");
    failed(&s);
    for (unsigned kind = 0; kind < 256; kind++) {
        uint8_t answer[5] = {5, 0, 0, (uint8_t)kind, 0};
        if (kind == 1 || kind == 3 || kind == 4) continue;
        begin(&s, "a");
        feed(&s, answer, 5, 5);
        failed(&s);
    }
}

/* It ends after any number of bytes. */
static void truncated(void **state)
{
    (void)state;
    static const uint8_t all[] = {5, 2, 1, 0, 5, 0, 0, 1, 9, 9, 9, 9, 0, 1};
    for (size_t n = 0; n <= sizeof all; n++) {
        struct socks s;
        assert_int_equal(socks_init(&s, "a", 1, "u", "p"), ST_OK);
        assert_int_equal(feed(&s, all, n, 3), n);
        assert_int_equal(s.state == SOCKS_OPEN, n == sizeof all);
        socks_eof(&s);
        if (n < sizeof all) failed(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_stays_a_name), cmocka_unit_test(addresses),
        cmocka_unit_test(without_a_user),      cmocka_unit_test(limits),
        cmocka_unit_test(every_answer),        cmocka_unit_test(hostile),
        cmocka_unit_test(truncated),
    };
    return !!cmocka_run_group_tests(tests, NULL, NULL);
}
