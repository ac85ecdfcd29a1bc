/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: all */
/* What a member hands over before it is in the feed: shown once, bounded, and nothing forged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/feed/pad.h"
#include "node/post/early.h"
#include "unit/fields_mutate.h"
#include "unit/people.h"

struct two {
    struct town t;
    struct enclave *author, *reader;
    uint64_t made;
};

struct looked {
    size_t n;
    char text[32];
};

static bool see(void *arg, const struct node_message *m)
{
    struct looked *s = arg;
    assert_true(m->unsettled);
    assert_int_equal(m->number, 0);
    assert_string_equal(m->nick, "alice");
    if (s->n++ == 0) snprintf(s->text, sizeof s->text, "%.*s", (int)m->text.n, (char *)m->text.p);
    return true;
}

static size_t shown(struct two *p, const char *first)
{
    struct looked s = {.n = 0};
    assert_int_equal(node_early(p->t.people[1].node, "room", see, &s), ST_OK);
    if (first != NULL) assert_string_equal(s.text, first);
    return s.n;
}

static void begin(struct two *p)
{
    town_start(&p->t, 2);
    person_create(&p->t.people[0], "room");
    person_admit(&p->t, &p->t.people[1], "room");
    p->author = node_find(p->t.people[0].node, "room");
    p->reader = node_find(p->t.people[1].node, "room");
    p->made = 0;
}

/* An entry of the author that never goes to the sentinel. */
static struct mail_made make(struct two *p, uint8_t kind, struct bytes content, struct buf *out)
{
    struct mail_draft d = {.kind = kind, .time_ms = 5, .content = content};
    struct mail_made made = {0};
    uint8_t nonce[XAEAD_NONCE] = {1};
    put_u64(nonce + 8, ++p->made);
    put_u64(d.uuid, p->made);
    buf_clear(out);
    assert_int_equal(mail_make(p->author->mail, &d, p->author->keys->id_seed, nonce, out, &made),
                     ST_OK);
    return made;
}

static void only_the_authors_own_signed_words_show(void **state)
{
    (void)state;
    static struct two p;
    struct buf x = BUF_INIT, bad = BUF_INIT, big = BUF_INIT;
    uint64_t row;
    begin(&p);
    (void)make(&p, MAIL_TEXT, BYTES_LIT("early bird"), &x);
    bool dirty = mail_dirty(p.reader->mail, &row);
    enclave_early_frame(p.reader, 1, buf_view(&x)); /* over the link of another */
    enclave_early_frame(p.reader, 7, buf_view(&x));
    enclave_early_frame(p.reader, 0, BYTES(x.p, x.n - 1));
    enclave_early_frame(p.reader, 0, BYTES_NONE);
    for (size_t at = 0; at < x.n; at += 13) {
        buf_clear(&bad);
        buf_bytes(&bad, buf_view(&x));
        bad.p[at] ^= 1;
        enclave_early_frame(p.reader, 0, buf_view(&bad));
    }
    assert_int_equal(shown(&p, NULL), 0);
    enclave_early_frame(p.reader, 0, buf_view(&x));
    assert_int_equal(shown(&p, "early bird"), 1);
    for (int i = 0; i < 5; i++) enclave_early_frame(p.reader, 0, buf_view(&x));
    assert_int_equal(shown(&p, NULL), 1);
    assert_int_equal(mail_dirty(p.reader->mail, &row), dirty);
    /* What speaks about words waits for the feed, and so does what is large. */
    struct note note = {.act = NOTE_REACT, .of_uuid = {1}, .text = BYTES_LIT("+")};
    buf_clear(&bad);
    assert_int_equal(note_write(&note, &bad), ST_OK);
    (void)make(&p, MAIL_NOTE, buf_view(&bad), &x);
    enclave_early_frame(p.reader, 0, buf_view(&x));
    struct mail_marks marks = {1, 1};
    buf_clear(&bad);
    assert_int_equal(fields_encode(&mail_marks_fields, &marks, &bad), ST_OK);
    (void)make(&p, MAIL_MARKS, buf_view(&bad), &x);
    enclave_early_frame(p.reader, 0, buf_view(&x));
    buf_zero(&big, EARLY_SIZE_MAX);
    memset(big.p, 'x', big.n);
    (void)make(&p, MAIL_TEXT, buf_view(&big), &x);
    assert_true(x.n > EARLY_SIZE_MAX);
    enclave_early_frame(p.reader, 0, buf_view(&x));
    assert_int_equal(shown(&p, NULL), 1);
    buf_free(&x);
    buf_free(&bad);
    buf_free(&big);
    town_end(&p.t);
}

static void it_is_bounded_and_comes_to_an_end(void **state)
{
    (void)state;
    static struct two p;
    struct buf x = BUF_INIT;
    struct mail_made made = {0};
    begin(&p);
    uint64_t now = env_mono_ms(p.reader->node->ports.env);
    for (unsigned i = 0; i < EARLY_PEER + 20; i++) {
        made = make(&p, MAIL_TEXT, i == 0 ? BYTES_LIT("first") : BYTES_LIT("more"), &x);
        enclave_early_frame(p.reader, 0, buf_view(&x));
    }
    assert_int_equal(shown(&p, "first"), EARLY_PEER);
    /* The feed brings it: no longer early. Another entry on the place of the next: that never comes. */
    struct mail_message m = {.leaf = 0, .epoch = made.epoch, .n = made.n - EARLY_PEER - 19};
    put_u64(m.uuid, 1);
    early_settles(p.reader, &m);
    assert_int_equal(shown(&p, "more"), EARLY_PEER - 1);
    m.n++;
    put_u64(m.uuid, 4711);
    early_settles(p.reader, &m);
    assert_int_equal(shown(&p, NULL), EARLY_PEER - 2);
    m.leaf = 1; /* somebody else's */
    m.n++;
    early_settles(p.reader, &m);
    assert_int_equal(shown(&p, NULL), EARLY_PEER - 2);
    assert_true(enclave_early_next_ms(p.reader) >= now + EARLY_WAIT_MS);
    uint64_t later = env_mono_ms(p.reader->node->ports.env);
    enclave_early_tick(p.reader, later + EARLY_WAIT_MS);
    assert_int_equal(shown(&p, NULL), EARLY_PEER - 2); /* told, and still waited for */
    assert_true(enclave_early_next_ms(p.reader) >= now + EARLY_KEEP_MS);
    enclave_early_tick(p.reader, later + EARLY_KEEP_MS);
    assert_int_equal(shown(&p, NULL), 0);
    assert_int_equal(enclave_early_next_ms(p.reader), UINT64_MAX);
    buf_free(&x);
    town_end(&p.t);
}

static void the_frame_has_one_form(void **state)
{
    (void)state;
    struct early_frame f = {.sealed = BYTES_LIT("bytes")};
    fields_mutate(&early_frame_fields, &f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_authors_own_signed_words_show),
        cmocka_unit_test(it_is_bounded_and_comes_to_an_end),
        cmocka_unit_test(the_frame_has_one_form),
    };
    return !!cmocka_run_group_tests(tests, NULL, NULL);
}
