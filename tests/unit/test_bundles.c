/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: all */
/* Many messages in one entry: the bytes, and what members see of them: in order, changed one by one,
 * over restarts, and in the middle of other words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/mail/bundle.h"
#include "node/post/post.h"
#include "unit/fields_mutate.h"
#include "unit/people.h"

/* ---- bytes ---- */

static void texts_come_back(void **state)
{
    (void)state;
    struct buf out = BUF_INIT;
    bundle_add(&out, BYTES_LIT("one"));
    assert_int_equal(bundle_count(buf_view(&out)), 0); /* one alone is none */
    bundle_add(&out, BYTES_NONE);
    bundle_add(&out, BYTES_LIT("three"));
    assert_int_equal(bundle_count(buf_view(&out)), 3);
    assert_true(bytes_same(bundle_text(buf_view(&out), 0), BYTES_LIT("one")));
    assert_int_equal(bundle_text(buf_view(&out), 1).n, 0);
    assert_true(bytes_same(bundle_text(buf_view(&out), 2), BYTES_LIT("three")));
    assert_int_equal(bundle_text(buf_view(&out), 3).n, 0);
    for (size_t n = 0; n < out.n; n++) /* cut short it is no bundle, or a shorter one */
        assert_true(bundle_count(BYTES(out.p, n)) == (n == 7 ? 2U : 0U));
    buf_free(&out);
}

static void bounds_hold(void **state)
{
    (void)state;
    struct buf out = BUF_INIT;
    static uint8_t long_text[BUNDLE_TEXT_MAX + 1];
    for (size_t i = 0; i < BUNDLE_MOST; i++) bundle_add(&out, BYTES_LIT("x"));
    assert_int_equal(bundle_count(buf_view(&out)), BUNDLE_MOST);
    bundle_add(&out, BYTES_LIT("x"));
    assert_int_equal(bundle_count(buf_view(&out)), 0);
    buf_clear(&out);
    bundle_add(&out, BYTES_OF(long_text));
    bundle_add(&out, BYTES_LIT("x"));
    assert_int_equal(bundle_count(buf_view(&out)), 0);
    buf_free(&out);
}

static void each_message_has_a_uuid(void **state)
{
    (void)state;
    uint8_t base[16], one[16];
    memset(base, 0xFF, sizeof base);
    assert_false(bundle_uuid_is_base(base));
    bundle_uuid_base(base);
    assert_true(bundle_uuid_is_base(base));
    for (size_t i = 0; i < BUNDLE_MOST; i++) {
        bundle_uuid_of(base, i, one);
        assert_int_equal(bundle_uuid_place(one), i);
        bundle_uuid_base(one);
        assert_memory_equal(one, base, 16);
    }
}

static void the_row_has_one_form(void **state)
{
    (void)state;
    struct bundle_row row = {.version = 1,
                             .leaf = 2,
                             .own = 1,
                             .index = 3,
                             .nick = BYTES_LIT("ann"),
                             .content = BYTES_LIT("\0\1a\0\1b")};
    fields_mutate(&bundle_row_fields, &row);
}

/* ---- among people ---- */

#define LINES 300

struct shown {
    uint64_t number; /* looked for */
    bool found, unsaid, edited, sign, mention, sent;
    unsigned n, delivered;
    uint64_t last;
    char text[64];
    char uuid[37];
};

static bool on_message(void *arg, const struct node_message *m)
{
    struct shown *s = arg;
    assert_true(s->n == 0 || m->number > s->last); /* in order, each once */
    s->n++;
    s->last = m->number;
    if (m->number != s->number) return true;
    s->found = true;
    s->unsaid = m->unsaid;
    s->edited = m->edited_ms != 0;
    s->sign = m->n_signs == 1;
    s->mention = m->mentions_us;
    s->sent = m->sent;
    s->delivered = m->delivered;
    snprintf(s->text, sizeof s->text, "%.*s", (int)m->text.n, (const char *)m->text.p);
    snprintf(s->uuid, sizeof s->uuid, "%s", m->uuid);
    return true;
}

static struct shown look(struct person *p, uint64_t from, uint64_t number)
{
    struct shown s = {.number = number};
    assert_int_equal(node_messages(p->node, "room", from, on_message, &s), ST_OK);
    return s;
}

#define UNTIL(p, number, condition)          \
    for (;;) {                               \
        struct shown s = look(p, 1, number); \
        if (condition) break;                \
        town_turn((p)->town);                \
    }

#define DID(p, call)                   \
    do {                               \
        struct answer did = {0};       \
        assert_int_equal(call, ST_OK); \
        person_ok(p, &did);            \
    } while (0)
#define DONE person_answer, &did

static void say_lines(struct person *p, struct buf *text)
{
    buf_clear(text);
    for (unsigned i = 0; i < LINES; i++)
        buf_printf(text, i == 7 ? "line %u for @bob\n" : "line %u\n\n", i);
    DID(p, node_send_lines(p->node, "room", buf_view(text), DONE));
}

static void check_all(struct person *p, const char *seventh)
{
    for (uint64_t i = 1; i <= LINES; i += 37) {
        char want[32];
        struct shown s = look(p, i, i + 1); /* from the middle on */
        snprintf(want, sizeof want, "line %u", (unsigned)i - 1);
        assert_true(s.found);
        assert_string_equal(s.text, want);
        assert_int_equal(s.n, LINES + 3 - i); /* with "before" and "after" */
    }
    assert_string_equal(look(p, 1, 1).text, "before");
    assert_string_equal(look(p, 1, 9).text, seventh);
    assert_string_equal(look(p, 1, LINES + 2).text, "after");
}

/* Whichever of its messages is named, all of it goes out again, once; and nobody sees it twice. */
static void said_again(struct person *alice, struct person *bob)
{
    struct enclave *e = node_find(alice->node, "room");
    struct message_row m;
    struct buf row;
    uint64_t count = e->feeds[FEED_MAIL].seen.count;
    buf_init(&row, KV_VALUE_MAX);
    while (e->out_first != NULL) town_turn(alice->town);
    for (uint64_t number = 50; number < 53; number++) {
        assert_int_equal(post_get(e, number, &row, &m), ST_OK);
        assert_false(bundle_uuid_is_base(m.uuid));
        post_say_again(e, m.uuid);
    }
    buf_free(&row);
    assert_non_null(e->out_first);
    assert_null(e->out_first->next);
    assert_true(bundle_uuid_is_base(e->out_first->uuid));
    assert_int_equal(e->out_first->number, 2);
    while (e->out_first != NULL) town_turn(alice->town);
    e = node_find(bob->node, "room");
    while (e->feeds[FEED_MAIL].seen.count <= count) town_turn(bob->town);
    assert_int_equal(look(bob, 1, 0).n, LINES + 2);
    assert_true(look(bob, 1, 9).edited && look(bob, 1, 2).unsaid);
}

static void lines_among_members(void **state)
{
    (void)state;
    struct town t;
    struct buf text = BUF_INIT;
    town_start(&t, 2);
    person_create(&t.people[0], "room");
    person_admit(&t, &t.people[1], "room");
    struct person *alice = &t.people[0], *bob = &t.people[1];
    person_say(alice, "room", "before");
    say_lines(alice, &text);
    person_say(alice, "room", "after");
    UNTIL(bob, LINES + 2, s.found);
    UNTIL(alice, 2, s.sent && s.delivered == 1);
    struct enclave *e = node_find(bob->node, "room");
    assert_true(e->feeds[FEED_MAIL].seen.count < LINES / 4); /* they travelled together */
    assert_true(look(bob, 1, 9).mention);
    assert_false(look(bob, 1, 10).mention);
    assert_string_equal(look(bob, 1, 200).uuid, look(alice, 1, 200).uuid);

    DID(alice, node_edit(alice->node, "room", 9, BYTES_LIT("edited"), DONE));
    DID(alice, node_unsay(alice->node, "room", 2, DONE));
    DID(bob, node_react(bob->node, "room", LINES + 1, BYTES_LIT("+1"), DONE));
    UNTIL(bob, 9, s.edited);
    UNTIL(bob, 2, s.unsaid && s.text[0] == '\0');
    UNTIL(alice, LINES + 1, s.sign);
    for (unsigned again = 0; again < 2; again++) {
        struct person *both[] = {alice, bob};
        for (size_t i = 0; i < 2; i++) {
            assert_true(look(both[i], 1, 2).unsaid);
            assert_int_equal(look(both[i], 1, 0).n, LINES + 2);
        }
        person_stop(bob); /* the same from the disk */
        person_start(bob);
        UNTIL(bob, 1, s.found);
    }
    said_again(alice, bob);
    struct answer answer = {0};
    assert_int_equal(node_edit(bob->node, "room", 5, BYTES_LIT("no"), person_answer, &answer),
                     ST_CONFLICT);
    DID(alice, node_send(alice->node, "room",
                         &(struct node_say){.text = BYTES_LIT("to 50"), .reply = 50}, DONE));
    UNTIL(bob, LINES + 3, s.found);
    assert_int_equal(
        node_send_lines(alice->node, "room", BYTES_LIT("\n\n"), person_answer, &answer), ST_USAGE);
    buf_free(&text);
    town_end(&t);
}

static void all_in_order(void **state)
{
    (void)state;
    struct town t;
    struct buf text = BUF_INIT;
    town_start(&t, 2);
    person_create(&t.people[0], "room");
    person_admit(&t, &t.people[1], "room");
    person_say(&t.people[0], "room", "before");
    say_lines(&t.people[0], &text);
    person_say(&t.people[0], "room", "after");
    UNTIL(&t.people[1], LINES + 2, s.found);
    check_all(&t.people[1], "line 7 for @bob");
    check_all(&t.people[0], "line 7 for @bob");
    person_stop(&t.people[0]);
    person_start(&t.people[0]);
    UNTIL(&t.people[0], 1, s.found);
    check_all(&t.people[0], "line 7 for @bob");
    buf_free(&text);
    town_end(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_come_back),
        cmocka_unit_test(bounds_hold),
        cmocka_unit_test(each_message_has_a_uuid),
        cmocka_unit_test(the_row_has_one_form),
        cmocka_unit_test(all_in_order),
        cmocka_unit_test(lines_among_members),
    };
    return !!cmocka_run_group_tests(tests, NULL, NULL);
}
