/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: all */
/* Words that speak of other words, among real members: answers, edits, taking back, reactions, names,
 * files, an end, receipts; and what a hostile note cannot do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/ledger/group_state.h"
#include "core/mail/note.h"
#include "node/post/post.h"
#include "unit/fields_mutate.h"
#include "unit/people.h"
#include "unit/raw_bytes.h"

/* ---- bytes ---- */

static struct note full_note(const uint8_t mentions[4])
{
    struct note n = {.act = NOTE_SAY,
                     .of_leaf = 3,
                     .lasts_s = 60,
                     .mentions = {mentions, 2},
                     .path = BYTES_LIT("a/b"),
                     .text = BYTES_LIT("yes")};
    memset(n.of_uuid, 7, 16);
    return n;
}

static void one_byte_form(void **state)
{
    (void)state;
    static const uint8_t mentions[] = {0, 1, 0, 2}, twice[] = {0, 1, 0, 1};
    struct note n = full_note(mentions), back;
    struct buf out = BUF_INIT;
    assert_int_equal(note_write(&n, &out), ST_OK);
    fields_mutate(&note_fields, &n);
    assert_int_equal(note_read(buf_view(&out), &back), ST_OK);
    assert_true(note_mentions(&back, 1) && note_mentions(&back, 2) && !note_mentions(&back, 3));
    n.mentions.p = twice;
    assert_int_equal(note_write(&n, &out), ST_USAGE);
    buf_free(&out);
}

static void acts_take_what_they_need_only(void **state)
{
    (void)state;
    struct buf out = BUF_INIT;
    struct note n = {.act = NOTE_SAY};
    assert_int_equal(note_write(&n, &out), ST_USAGE); /* nothing said */
    n.of_leaf = 1;
    n.text = BYTES_LIT("x");
    assert_int_equal(note_write(&n, &out), ST_USAGE); /* of nobody's message */
    n.of_leaf = 0;
    n.lasts_s = NOTE_LASTS_MAX_S + 1;
    assert_int_equal(note_write(&n, &out), ST_USAGE);
    for (uint8_t act = NOTE_EDIT; act <= NOTE_REACT; act++) {
        n = (struct note){.act = act, .text = BYTES_LIT("x")};
        assert_int_equal(note_write(&n, &out), ST_USAGE); /* of nothing */
        n.of_uuid[0] = 1;
        assert_int_equal(note_write(&n, &out), act == NOTE_UNSAY ? ST_USAGE : ST_OK);
        n.lasts_s = 1;
        assert_int_equal(note_write(&n, &out), ST_USAGE);
    }
    uint8_t long_sign[NOTE_SIGN_MAX + 1] = {'x'};
    n = (struct note){.act = NOTE_REACT, .text = BYTES_OF(long_sign)};
    n.of_uuid[0] = 1;
    assert_int_equal(note_write(&n, &out), ST_USAGE);
    n = (struct note){.act = NOTE_REACT + 1, .text = BYTES_LIT("x")};
    n.of_uuid[0] = 1;
    assert_int_equal(note_write(&n, &out), ST_USAGE);
    buf_free(&out);
}

/* ---- among people ---- */

struct line {
    uint64_t number; /* wanted */
    bool found;
    char text[200], path[64], sign[64], sign_nick[32];
    struct node_message m;
};

static bool on_line(void *arg, const struct node_message *m)
{
    struct line *l = arg;
    if (m->number != l->number) return true;
    l->found = true;
    l->m = *m;
    snprintf(l->text, sizeof l->text, "%.*s", (int)m->text.n, (const char *)m->text.p);
    snprintf(l->path, sizeof l->path, "%.*s", (int)m->path.n, (const char *)m->path.p);
    if (m->n_signs > 0) {
        snprintf(l->sign, sizeof l->sign, "%.*s", (int)m->signs[0].sign.n,
                 (const char *)m->signs[0].sign.p);
        snprintf(l->sign_nick, sizeof l->sign_nick, "%s", m->signs[0].nick);
    }
    return false;
}

static struct line line_of(struct person *p, uint64_t number)
{
    struct line l = {.number = number};
    assert_int_equal(node_messages(p->node, "room", 1, on_line, &l), ST_OK);
    return l;
}

#define UNTIL(p, number, condition)         \
    for (;;) {                              \
        struct line l = line_of(p, number); \
        if (condition) break;               \
        town_turn((p)->town);               \
    }

static void take_number(void *arg, const struct node_result *r)
{
    struct answer *a = arg;
    if (r->data != NULL) a->number = *(const uint64_t *)r->data;
    person_answer(arg, r);
}

static uint64_t said(struct person *p, struct node_say say)
{
    struct answer a = {0};
    assert_int_equal(node_send(p->node, "room", &say, take_number, &a), ST_OK);
    person_ok(p, &a);
    return a.number;
}

static void two(struct town *t)
{
    town_start(t, 2);
    person_create(&t->people[0], "room");
    person_admit(t, &t->people[1], "room");
}

#define DID(p, call)                   \
    do {                               \
        struct answer did = {0};       \
        assert_int_equal(call, ST_OK); \
        person_ok(p, &did);            \
    } while (0)
#define TO person_answer, &answer
#define DONE person_answer, &did

static void words_about_words(void **state)
{
    (void)state;
    struct town t;
    two(&t);
    struct person *alice = &t.people[0], *bob = &t.people[1];
    uint64_t n = said(alice, (struct node_say){.text = BYTES_LIT("dinner at eigth")});
    UNTIL(bob, 1, l.found);
    DID(alice, node_edit(alice->node, "room", n, BYTES_LIT("dinner at eight"), DONE));
    UNTIL(bob, 1, l.m.edited_ms != 0 && strcmp(l.text, "dinner at eight") == 0);
    UNTIL(alice, n, l.m.edited_ms != 0 && strcmp(l.text, "dinner at eight") == 0);

    uint64_t reply = said(bob, (struct node_say){.text = BYTES_LIT("yes @alice"), .reply = 1});
    UNTIL(alice, 2, l.found && l.m.answers && l.m.reply == n && l.m.mentions_us);
    DID(alice, node_react(alice->node, "room", 2, BYTES_LIT("+1"), DONE));
    UNTIL(bob, reply, strcmp(l.sign, "+1") == 0 && strcmp(l.sign_nick, "alice") == 0);
    DID(alice, node_react(alice->node, "room", 2, BYTES_LIT("\xF0\x9F\x91\x8D"), DONE));
    UNTIL(bob, reply, strcmp(l.sign, "\xF0\x9F\x91\x8D") == 0 && l.m.n_signs == 1);
    DID(alice, node_react(alice->node, "room", 2, BYTES_LIT(""), DONE));
    UNTIL(bob, reply, l.m.n_signs == 0);

    struct answer answer = {0};
    assert_int_equal(node_edit(bob->node, "room", 1, BYTES_LIT("no"), TO), ST_CONFLICT);
    assert_int_equal(node_unsay(bob->node, "room", 1, TO), ST_CONFLICT);
    assert_int_equal(node_react(bob->node, "room", 99, BYTES_LIT("x"), TO), ST_NOT_FOUND);

    DID(bob, node_unsay(bob->node, "room", reply, DONE));
    UNTIL(alice, 2, l.m.unsaid && l.m.text.n == 0);
    UNTIL(bob, reply, l.m.unsaid && l.m.text.n == 0);
    assert_int_equal(node_react(alice->node, "room", 2, BYTES_LIT("x"), TO), ST_NOT_FOUND);

    person_stop(bob); /* all of it is on disk */
    person_start(bob);
    UNTIL(bob, 1, l.m.edited_ms != 0 && strcmp(l.text, "dinner at eight") == 0);
    UNTIL(bob, reply, l.m.unsaid);
    town_end(&t);
}

static void names_are_whole_words(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool bob;
    } lines[] = {{"hello @bob", true}, {"@bob: hello", true}, {"mail bob@bob.example", false},
                 {"@bobby", false},    {"bob", false},        {"(@bob)", true},
                 {"@bob_2", false},    {"x@bob", false},      {"@alice @bob", true}};
    struct town t;
    two(&t);
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        said(&t.people[0], (struct node_say){.text = bytes_str(lines[i].text)});
        UNTIL(&t.people[1], i + 1, l.found);
        assert_int_equal(line_of(&t.people[1], i + 1).m.mentions_us, lines[i].bob);
    }
    town_end(&t);
}

static void a_message_with_an_end_goes(void **state)
{
    (void)state;
    struct town t;
    two(&t);
    struct person *alice = &t.people[0], *bob = &t.people[1];
    uint64_t n = said(alice, (struct node_say){.text = BYTES_LIT("4711"), .lasts_s = 1});
    uint64_t stays = said(alice, (struct node_say){.text = BYTES_LIT("this stays")});
    UNTIL(bob, 2, l.found);
    UNTIL(bob, 1, !l.found);
    UNTIL(alice, n, !l.found);
    assert_true(line_of(alice, stays).found);
    uint64_t late = said(alice, (struct node_say){.text = BYTES_LIT("later"), .lasts_s = 2});
    UNTIL(bob, 3, l.found);
    person_stop(bob); /* its end is kept over restarts */
    person_start(bob);
    UNTIL(bob, 3, !l.found);
    UNTIL(alice, late, !l.found);
    struct answer answer = {0};
    struct node_say too_long = {.text = BYTES_LIT("x"), .lasts_s = NODE_LASTS_MAX_S + 1};
    assert_int_equal(node_send(alice->node, "room", &too_long, TO), ST_USAGE);
    struct node_say nothing = {.path = BYTES_LIT("no/such/file")};
    assert_int_equal(node_send(alice->node, "room", &nothing, TO), ST_NOT_FOUND);
    struct node_say nobody = {.text = BYTES_LIT("x"), .reply = 77};
    assert_int_equal(node_send(alice->node, "room", &nobody, TO), ST_NOT_FOUND);
    town_end(&t);
}

/* ---- what is taken back leaves the disk ---- */

struct acts {
    unsigned n;
    uint8_t last[512]; /* the end of the last one's sealed bytes */
    size_t size;
};

static bool on_sealed(void *arg, uint64_t n, struct bytes sealed)
{
    struct acts *a = arg;
    (void)n;
    a->n++;
    a->size = sealed.n < sizeof a->last ? sealed.n : sizeof a->last;
    memcpy(a->last, sealed.p + sealed.n - a->size, a->size);
    return true;
}

static struct acts acts_of(struct person *p)
{
    struct acts a = {0};
    struct enclave *e = node_find(p->node, "room");
    assert_int_equal(p->ports.kv.ops->scan(p->ports.kv.ctx, e->s_acts.id, 0, on_sealed, &a), ST_OK);
    return a;
}

static void expect_raw(struct person *p, const struct acts *a, const struct acts *other, bool there)
{
    struct raw_bytes raw = {0};
    char db[200], wal[200];
    snprintf(db, sizeof db, "%s/state.db", p->home);
    snprintf(wal, sizeof wal, "%s/state.db-wal", p->home);
    raw_add(&raw, BYTES(a->last, a->size));
    if (other != NULL) raw_add(&raw, BYTES(other->last, other->size));
    person_stop(p);
    assert_int_equal(raw_found_in(&raw, db) + raw_found_in(&raw, wal) > 0, there);
    person_start(p);
    raw_free(&raw);
}

static void an_edit_goes_with_its_message(void **state)
{
    (void)state;
    struct town t;
    two(&t);
    struct person *alice = &t.people[0], *bob = &t.people[1];
    uint64_t n = said(alice, (struct node_say){.text = BYTES_LIT("the door code is")});
    DID(alice, node_edit(alice->node, "room", n, BYTES_LIT("the door code is 4712"), DONE));
    struct acts first = acts_of(alice);
    assert_int_equal(first.n, 1);
    expect_raw(alice, &first, NULL, true);
    DID(alice, node_edit(alice->node, "room", n, BYTES_LIT("the door code is 4711"), DONE));
    struct acts second = acts_of(alice);
    assert_int_equal(second.n, 1); /* the older one counts no more */
    UNTIL(bob, 1, strcmp(l.text, "the door code is 4711") == 0);
    DID(alice, node_react(alice->node, "room", n, BYTES_LIT("+1"), DONE));
    assert_int_equal(acts_of(alice).n, 2);
    DID(alice, node_unsay(alice->node, "room", n, DONE));
    assert_int_equal(acts_of(alice).n, 1); /* that it is taken back, and nothing of what it was */
    expect_raw(alice, &first, &second, false);
    UNTIL(bob, 1, l.m.unsaid);
    /* Taken back before the edit is on disk; and one that ends by itself. */
    n = said(alice, (struct node_say){.text = BYTES_LIT("too quick")});
    struct answer edit = {0}, unsay = {0};
    assert_int_equal(
        node_edit(alice->node, "room", n, BYTES_LIT("much too quick"), person_answer, &edit),
        ST_OK);
    assert_int_equal(node_unsay(alice->node, "room", n, person_answer, &unsay), ST_OK);
    person_ok(alice, &edit);
    person_ok(alice, &unsay);
    assert_int_equal(acts_of(alice).n, 2);
    n = said(alice, (struct node_say){.text = BYTES_LIT("soon gone"), .lasts_s = 1});
    DID(alice, node_edit(alice->node, "room", n, BYTES_LIT("gone soon"), DONE));
    struct acts third = acts_of(alice);
    assert_int_equal(third.n, 3);
    UNTIL(alice, n, !l.found);
    while (acts_of(alice).n != 2) town_turn(&t); /* it is hidden before that is on disk */
    town_end(&t);
}

/* Only bob reads it; carol has nothing of it, and nothing said in private changes what all have. */
static void private_words(void **state)
{
    (void)state;
    struct town t;
    town_start(&t, 3);
    struct person *alice = &t.people[0], *bob = &t.people[1], *carol = &t.people[2];
    person_create(alice, "room");
    person_admit(&t, bob, "room");
    person_admit(&t, carol, "room");
    uint64_t n = said(alice, (struct node_say){.text = BYTES_LIT("between us"), .to = "bob"});
    UNTIL(bob, 1, l.found && l.m.private_word && strcmp(l.text, "between us") == 0);
    assert_true(line_of(alice, n).m.private_word);
    uint64_t back =
        said(bob, (struct node_say){.text = BYTES_LIT("yes"), .to = "alice", .reply = 1});
    UNTIL(alice, 2, l.found && l.m.private_word && l.m.answers && l.m.reply == n);
    DID(alice, node_react(alice->node, "room", 2, BYTES_LIT("+1"), DONE));
    UNTIL(bob, back, strcmp(l.sign, "+1") == 0);
    DID(alice, node_edit(alice->node, "room", n, BYTES_LIT("between the two of us"), DONE));
    UNTIL(bob, 1, l.m.edited_ms != 0 && strcmp(l.text, "between the two of us") == 0);
    (void)said(alice, (struct node_say){.text = BYTES_LIT("to both"), .to = "bob,carol"});
    UNTIL(carol, 1, l.found && strcmp(l.text, "to both") == 0);
    UNTIL(bob, 3, l.found && strcmp(l.text, "to both") == 0);
    UNTIL(alice, n, l.m.of == 1 && l.m.delivered == 1);

    person_stop(bob); /* the conversation goes on after a restart, and while bob is away */
    for (unsigned i = 0; i < 40; i++) {
        char text[32];
        snprintf(text, sizeof text, "word %u", i);
        (void)said(alice, (struct node_say){.text = bytes_str(text), .to = "bob"});
    }
    person_start(bob);
    UNTIL(bob, 43, l.found && strcmp(l.text, "word 39") == 0);
    (void)said(bob, (struct node_say){.text = BYTES_LIT("I am back"), .to = "alice"});
    person_wait_message(alice, "room", "bob", "I am back");

    person_say(alice, "room", "to all");
    person_wait_message(carol, "room", "alice", "to all");
    assert_false(line_of(carol, 3).found); /* two words came to her, and no more */
    struct answer answer = {0};
    struct node_say nobody = {.text = BYTES_LIT("x"), .to = "dave"};
    struct node_say self = {.text = BYTES_LIT("x"), .to = "alice"};
    struct node_say twice = {.text = BYTES_LIT("x"), .to = "bob,bob"};
    struct node_say aloud = {.text = BYTES_LIT("x"), .reply = n};
    struct node_say astray = {.text = BYTES_LIT("x"), .to = "carol", .reply = n};
    struct node_say spread = {.text = BYTES_LIT("x"), .to = "bob,carol", .reply = n};
    assert_int_equal(node_send(alice->node, "room", &aloud, TO), ST_USAGE);
    assert_int_equal(node_send(alice->node, "room", &astray, TO), ST_USAGE);
    assert_int_equal(node_send(alice->node, "room", &spread, TO), ST_USAGE);
    assert_int_equal(node_send(alice->node, "room", &nobody, TO), ST_NOT_FOUND);
    assert_int_equal(node_send(alice->node, "room", &self, TO), ST_USAGE);
    assert_int_equal(node_send(alice->node, "room", &twice, TO), ST_USAGE);
    town_end(&t);
}

static void receipts_come(void **state)
{
    (void)state;
    struct town t;
    two(&t);
    struct person *alice = &t.people[0], *bob = &t.people[1];
    uint64_t n = said(alice, (struct node_say){.text = BYTES_LIT("did you get this?")});
    assert_int_equal(line_of(alice, n).m.of, 1);
    UNTIL(alice, n, l.m.delivered == 1);
    assert_int_equal(line_of(alice, n).m.read_by, 0);
    assert_int_equal(node_mark_read(bob->node, "room", 1), ST_OK);
    struct enclave *e = node_find(bob->node, "room");
    while (e->post->marks_at_ms == 0) town_turn(&t);
    e->group->forked = true; /* nothing is written: nobody is woken for a receipt either */
    enclave_post_tick(e, e->post->marks_at_ms);
    assert_int_equal(enclave_post_next_ms(e), UINT64_MAX);
    e->group->forked = false;
    enclave_mail_settle(e);
    assert_true(enclave_post_next_ms(e) != UINT64_MAX);
    person_stop(alice); /* what was told so far is kept */
    person_start(alice);
    UNTIL(alice, n, l.m.delivered == 1);
    /* The next receipt may lie in the feed a minute later only: it waits, also over a restart. */
    person_stop(bob);
    person_start(bob);
    UNTIL(alice, n, l.m.read_by == 1);
    town_end(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_byte_form),
        cmocka_unit_test(acts_take_what_they_need_only),
        cmocka_unit_test(words_about_words),
        cmocka_unit_test(names_are_whole_words),
        cmocka_unit_test(a_message_with_an_end_goes),
        cmocka_unit_test(an_edit_goes_with_its_message),
        cmocka_unit_test(receipts_come),
        cmocka_unit_test(private_words),
    };
    return !!cmocka_run_group_tests(tests, NULL, NULL);
}
