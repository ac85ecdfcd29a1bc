/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: all */
/* Words of earlier, among real members: what is erased after its time, what a newcomer sees and what it is
 * shown, files of it, and what a hostile member cannot do with any of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "node/post/share.h"
#include "unit/fields_mutate.h"
#include "unit/people.h"

#include <time.h>

#define DAY_MS (UINT64_C(24) * 3600 * 1000)

static void records_have_one_form(void **state)
{
    (void)state;
    struct archive_record r = {.version = 1,
                               .kind = ARCHIVE_SHARED,
                               .rows = 3,
                               .name = BYTES_LIT("room-ada"),
                               .nick = BYTES_LIT("ada")};
    struct kept_row k = {.keep_ms = 1, .next_message = 2};
    fields_mutate(&archive_record_fields, &r);
    fields_mutate(&kept_row_fields, &k);
}

/* ---- looking ---- */

struct words {
    char text[400][48];
    uint64_t number[400];
    size_t n;
};

static bool on_word(void *arg, const struct node_message *m)
{
    struct words *w = arg;
    assert_true(w->n < 400);
    w->number[w->n] = m->number;
    snprintf(w->text[w->n++], 48, "%.*s", m->text.n < 47 ? (int)m->text.n : 47,
             (const char *)m->text.p);
    return true;
}

static const struct words *words_of(struct person *p, const char *archive)
{
    static struct words w;
    w.n = 0;
    enum status st = archive == NULL ? node_messages(p->node, "room", 0, on_word, &w)
                                     : node_archive_read(p->node, archive, 0, on_word, &w);
    assert_int_equal(st, ST_OK);
    return &w;
}

static bool has(const struct words *w, const char *text)
{
    for (size_t i = 0; i < w->n; i++)
        if (strcmp(w->text[i], text) == 0) return true;
    return false;
}

static void count_archive(void *arg, const struct node_archive *a)
{
    (void)a;
    ++*(size_t *)arg;
}

static size_t archives_of(struct person *p)
{
    size_t n = 0;
    node_archives(p->node, count_archive, &n);
    return n;
}

static struct enclave *room_of(struct person *p)
{
    return node_find(p->node, "room");
}

static uint64_t said(struct person *p, const char *text)
{
    person_say(p, "room", text);
    const struct words *w = words_of(p, NULL); /* somebody else's may be the last row */
    size_t i = w->n;
    while (i > 0 && strncmp(w->text[i - 1], text, 47) != 0) i--;
    assert_true(i > 0);
    return w->number[i - 1];
}

#define UNTIL(town, condition) \
    while (!(condition)) town_turn(town)
#define DID(p, call)                   \
    do {                               \
        struct answer did = {0};       \
        assert_int_equal(call, ST_OK); \
        person_ok(p, &did);            \
    } while (0)
#define DONE person_answer, &did

static void two(struct town *t)
{
    town_start(t, 2);
    person_create(&t->people[0], "room");
    person_admit(t, &t->people[1], "room");
}

/* ---- keeping ---- */

static uint64_t ahead_ms;

static uint64_t wall_ahead(void *ctx)
{
    struct timespec now;
    (void)ctx;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000 + ahead_ms;
}

static void older_ones_are_erased(void **state)
{
    (void)state;
    struct town t;
    struct answer answer = {0};
    ahead_ms = 0;
    two(&t);
    struct person *alice = &t.people[0], *bob = &t.people[1];
    said(alice, "first");
    said(bob, "second");
    UNTIL(&t, has(words_of(alice, NULL), "second") && has(words_of(bob, NULL), "first"));
    uint64_t last = said(alice, "third");
    UNTIL(&t, has(words_of(bob, NULL), "third"));
    DID(bob, node_react(bob->node, "room", words_of(bob, NULL)->number[0], BYTES_LIT("+"), DONE));
    assert_int_equal(node_history_keep(alice->node, "room", DAY_MS, person_answer, &answer),
                     ST_USAGE);
    assert_int_equal(node_history_keep(alice->node, "none", 0, person_answer, &answer),
                     ST_NOT_FOUND);
    DID(alice, node_history_keep(alice->node, "room", 90 * DAY_MS, DONE));
    UNTIL(&t, enclave_mail_waiting(room_of(alice)) == 0);
    assert_int_equal(words_of(alice, NULL)->n, 3);

    person_stop(alice);
    /* A hundred days go by for all. */
    ahead_ms = 100 * DAY_MS;
    t.env.wall_ms = wall_ahead;
    person_start(alice);
    UNTIL(&t, words_of(alice, NULL)->n == 0);
    assert_int_equal(words_of(bob, NULL)->n, 3);
    person_stop(alice); /* no number is given twice, and nothing comes back */
    person_start(alice);
    assert_int_equal(said(alice, "fourth"), last + 1);
    UNTIL(&t, has(words_of(bob, NULL), "fourth"));
    assert_int_equal(words_of(alice, NULL)->n, 1);
    DID(alice, node_history_keep(alice->node, "room", 0, DONE));
    town_end(&t);
    ahead_ms = 0;
}

static void one_clock_alone_erases_nothing(void **state)
{
    (void)state;
    struct town t;
    ahead_ms = 0;
    two(&t);
    struct person *alice = &t.people[0], *bob = &t.people[1];
    said(alice, "first");
    UNTIL(&t, enclave_mail_waiting(room_of(alice)) == 0);
    DID(alice, node_history_keep(alice->node, "room", 90 * DAY_MS, DONE));
    struct env *jumped = malloc(sizeof *jumped);
    assert_non_null(jumped);
    *jumped = t.env;
    jumped->wall_ms = wall_ahead;
    ahead_ms = 100 * DAY_MS;
    alice->node->ports.env = jumped;
    enclave_post_attached(room_of(alice));
    said(bob, "second");
    UNTIL(&t, has(words_of(alice, NULL), "second"));
    said(alice, "third");
    assert_true(has(words_of(alice, NULL), "first"));
    alice->node->ports.env = &t.env;
    ahead_ms = 0;
    town_end(&t);
    free(jumped);
}

/* ---- sharing ---- */

static void shared(void *arg, const struct node_result *r)
{
    struct answer *a = arg;
    if (r->data != NULL) a->number = *(const uint64_t *)r->data;
    person_answer(arg, r);
}

static uint64_t share(struct person *by, const char *who, size_t most)
{
    struct answer a = {0};
    const struct node_share req = {.enclave = "room", .who = who, .most = most};
    assert_int_equal(node_history_share(by->node, &req, shared, &a), ST_OK);
    person_ok(by, &a);
    return a.number;
}

static void newcomers_see_what_is_shared(void **state)
{
    (void)state;
    struct town t;
    town_start(&t, 3);
    struct person *alice = &t.people[0], *bob = &t.people[1], *carol = &t.people[2];
    person_create(alice, "room");
    person_admit(&t, bob, "room");
    said(alice, "one");
    uint64_t two_of = said(alice, "two");
    said(bob, "three");
    struct node_say private = {.text = BYTES_LIT("for bob"), .to = "bob"};
    struct node_say ends = {.text = BYTES_LIT("4711"), .lasts_s = 86400};
    DID(alice, node_send(alice->node, "room", &private, DONE));
    DID(alice, node_send(alice->node, "room", &ends, DONE));
    uint64_t gone = said(alice, "taken back");
    DID(alice, node_unsay(alice->node, "room", gone, DONE));
    UNTIL(&t, has(words_of(alice, NULL), "three"));
    person_admit(&t, carol, "room");
    said(alice, "welcome");
    UNTIL(&t, has(words_of(carol, NULL), "welcome"));
    assert_int_equal(words_of(carol, NULL)->n, 1); /* nothing from before */

    person_stop(carol); /* it waits for her, too */
    assert_int_equal(share(alice, "carol", 0), 4);
    person_start(carol);
    UNTIL(&t, archives_of(carol) == 1 && words_of(carol, "room-alice")->n > 0);
    const struct words *w = words_of(carol, "room-alice");
    assert_int_equal(w->n, 3); /* "welcome" is here already */
    assert_string_equal(w->text[0], "one");
    assert_string_equal(w->text[2], "three");
    assert_int_equal(words_of(carol, NULL)->n, 1);

    /* Again, and from another one: all of it is here. Then something new after it shows that it came. */
    (void)share(alice, "carol", 0);
    (void)share(bob, "carol", 2);
    struct node_say after = {.text = BYTES_LIT("did it come?"), .to = "carol"};
    DID(alice, node_send(alice->node, "room", &after, DONE));
    DID(bob, node_send(bob->node, "room", &after, DONE));
    UNTIL(&t, words_of(carol, NULL)->n == 3);
    assert_int_equal(archives_of(carol), 1);
    assert_int_equal(words_of(carol, "room-alice")->n, 3);

    /* What its author changes or takes back later is changed there too. */
    DID(alice, node_edit(alice->node, "room", two_of, BYTES_LIT("two, better"), DONE));
    UNTIL(&t, has(words_of(carol, "room-alice"), "two, better"));
    DID(alice, node_unsay(alice->node, "room", two_of, DONE));
    UNTIL(&t, words_of(carol, "room-alice")->n == 2);
    person_stop(carol);
    person_start(carol);
    assert_int_equal(words_of(carol, "room-alice")->n, 2);
    DID(carol, node_archive_forget(carol->node, "room-alice", DONE));
    assert_int_equal(archives_of(carol), 0);

    struct answer a = {0};
    struct node_share req = {.enclave = "room", .who = "alice"};
    assert_int_equal(node_history_share(alice->node, &req, shared, &a), ST_USAGE);
    req.who = "nobody";
    assert_int_equal(node_history_share(alice->node, &req, shared, &a), ST_NOT_FOUND);
    req = (struct node_share){
        .enclave = "room", .who = "carol", .since_ms = env_wall_ms(&t.env) + DAY_MS};
    assert_int_equal(node_history_share(alice->node, &req, shared, &a), ST_EXISTS);
    town_end(&t);
}

static void put_row(struct person *by, unsigned i, uint8_t to, bool known, struct buf *out)
{
    char text[24];
    struct history_row r = {.to = {to}, .time_ms = i + 1, .nick = BYTES_LIT("eve")};
    snprintf(text, sizeof text, "word %u", i);
    r.text = bytes_str(text);
    put_u64(r.uuid, i);
    memcpy(r.author, room_of(by)->id, 32);
    if (!known) r.author[0] ^= 1;
    assert_int_equal(history_put(&r, out), ST_OK);
}

/* A member that means ill shares: strangers' words, private ones, junk, more than is taken. */
/* The words and their taking back come to her in one reading. */
static void what_is_taken_back_meanwhile_goes(void **state)
{
    (void)state;
    struct town t;
    town_start(&t, 3);
    struct person *alice = &t.people[0], *bob = &t.people[1];
    struct person *carol = &t.people[2];
    person_create(alice, "room");
    person_admit(&t, bob, "room");
    uint64_t one_of = said(alice, "one"), two_of = said(alice, "two");
    UNTIL(&t, has(words_of(bob, NULL), "two"));
    person_admit(&t, carol, "room");
    person_stop(carol);
    assert_int_equal(share(bob, "carol", 0), 2);
    DID(alice, node_unsay(alice->node, "room", one_of, DONE));
    DID(alice, node_edit(alice->node, "room", two_of, BYTES_LIT("two, and more"), DONE));
    UNTIL(&t, enclave_mail_waiting(room_of(alice)) == 0 && enclave_mail_waiting(room_of(bob)) == 0);
    person_start(carol);
    UNTIL(&t, archives_of(carol) == 1 && has(words_of(carol, "room-bob"), "two, and more"));
    assert_false(has(words_of(carol, "room-bob"), "one"));
    assert_int_equal(words_of(carol, "room-bob")->n, 1);
    town_end(&t);
}

static void what_is_shared_is_bounded(void **state)
{
    (void)state;
    struct town t;
    two(&t);
    struct person *alice = &t.people[0], *bob = &t.people[1];
    struct keep_batch b;
    struct buf content = BUF_INIT;
    struct mail_message m = {.leaf = group_leaf(room_of(alice)->group)};
    for (unsigned i = 0; i < 2; i++) put_row(alice, i, i == 0, i != 1, &content);
    buf_str(&content, "junk");
    m.content = buf_view(&content);
    keep_begin(&b, &bob->node->keep);
    post_shared(room_of(bob), &m, &b);
    keep_drop(&b);
    assert_int_equal(archives_of(bob), 0);
    for (unsigned i = 0; i < ARCHIVE_SHARED_ROWS + 300;) {
        buf_clear(&content);
        for (unsigned k = 0; k < 100; k++) put_row(alice, i++, 0, true, &content);
        m.content = buf_view(&content);
        keep_begin(&b, &bob->node->keep);
        post_shared(room_of(bob), &m, &b);
        enclave_mail_commit(room_of(bob), &b, NULL, NULL, 0);
    }
    assert_int_equal(archives_of(bob), 1);
    struct archive *a = archive_named(bob->node, "room-alice");
    assert_int_equal(a->r.rows, ARCHIVE_SHARED_ROWS);
    assert_int_equal(words_of(bob, NULL)->n, 0);
    buf_free(&content);
    person_leave(bob, "room"); /* with the enclave goes what was shared of it */
    assert_int_equal(archives_of(bob), 0);
    town_end(&t);
}

/* ---- compression ---- */

struct rule {
    const char *key;
    char value[32];
};

static void see_rule(void *arg, const struct node_setting *setting)
{
    struct rule *r = arg;
    if (strcmp(r->key, setting->key) == 0)
        snprintf(r->value, sizeof r->value, "%.31s", setting->value);
}

static const char *rule_of(struct person *p, struct rule *r)
{
    r->value[0] = '\0';
    assert_int_equal(node_policy(p->node, "room", see_rule, r), ST_OK);
    return r->value;
}

/* Bytes of the newest entry of feed 1. */
static size_t newest_size(struct person *p)
{
    struct buf sealed;
    uint8_t chain[32];
    struct enclave *e = room_of(p);
    buf_init(&sealed, KV_VALUE_MAX);
    UNTIL(p->town, enclave_mail_waiting(e) == 0 && e->commits == 0);
    assert_int_equal(enclave_kept(e, FEED_MAIL, e->feeds[FEED_MAIL].seen.count - 1, &sealed, chain),
                     ST_OK);
    size_t n = sealed.n;
    buf_free(&sealed);
    return n;
}

static void packing_is_a_rule_of_the_enclave(void **state)
{
    (void)state;
    struct town t;
    struct rule packing = {.key = "compression"};
    char text[3000];
    town_start(&t, 1);
    struct person *alice = &t.people[0];
    person_create(alice, "room");
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    assert_string_equal(rule_of(alice, &packing), "on");
    said(alice, text);
    assert_int_equal(newest_size(alice), 512);
    struct node_policy_change change = {
        .enclave = "room", .changes = "compression=off", .now = true};
    DID(alice, node_propose_policy(alice->node, &change, DONE));
    UNTIL(&t, strcmp(rule_of(alice, &packing), "off") == 0);
    said(alice, text);
    assert_int_equal(newest_size(alice), 4096);
    town_end(&t);
}

/* ---- files ---- */

static void keep_job(void *arg, const struct node_history_job *j)
{
    struct answer *a = arg;
    a->done = strcmp(j->state, "done") == 0 || strcmp(j->state, "failed") == 0;
    a->st = j->st;
    a->number = j->messages;
    snprintf(a->text, sizeof a->text, "%s", j->text);
    snprintf(a->code, sizeof a->code, "%s", j->archive);
}

static struct answer file(struct person *p, bool export, const char *path, const char *password)
{
    struct answer a = {0}, begun = {0};
    struct node_history_file req = {
        .enclave = "room", .local = path, .password = bytes_str(password)};
    assert_int_equal(export ? node_history_export(p->node, &req, person_answer, &begun)
                            : node_history_import(p->node, &req, person_answer, &begun),
                     ST_OK);
    UNTIL(p->town, begun.done);
    if (begun.st != ST_OK) return begun;
    do {
        town_turn(p->town);
        assert_int_equal(node_history_job(p->node, keep_job, &a), ST_OK);
    } while (!a.done);
    return a;
}

static void change(const char *from, const char *to, long cut, long flip)
{
    FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
    assert_true(in != NULL && out != NULL);
    for (long i = 0, c; i != cut && (c = fgetc(in)) != EOF; i++)
        fputc((int)(i == flip ? c ^ 1 : c), out);
    if (cut < 0 && flip < 0) fputc('x', out);
    fclose(in);
    fclose(out);
}

static void files_are_whole_or_refused(void **state)
{
    (void)state;
    struct town t;
    char path[160], bad[160];
    town_start(&t, 3);
    struct person *alice = &t.people[0], *bob = &t.people[1], *carol = &t.people[2];
    person_create(alice, "room");
    person_admit(&t, bob, "room");
    char large[3000];
    for (unsigned i = 0; i < 60; i++) {
        memset(large, 'a' + (int)(i % 26), sizeof large);
        snprintf(large, sizeof large, "%u", i);
        large[strlen(large)] = ' ';
        struct node_say say = {.text = BYTES_OF(large), .to = i % 10 == 9 ? "bob" : NULL};
        DID(alice, node_send(alice->node, "room", &say, DONE));
    }
    snprintf(path, sizeof path, "%s/room.history", t.dir);
    snprintf(bad, sizeof bad, "%s/bad.history", t.dir);
    struct answer a = file(alice, true, path, "seven words");
    assert_int_equal(a.st, ST_OK);
    assert_int_equal(a.number, 60);
    assert_int_equal(file(alice, true, path, "seven words").st, ST_EXISTS);
    struct node_history_file weak = {
        .enclave = "room", .local = bad, .password = BYTES_LIT("short")};
    assert_int_equal(node_history_export(alice->node, &weak, person_answer, &a), ST_USAGE);
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    assert_true(info.st_size > 3 * (long)HISTORY_CHUNK / 2);

    a = file(carol, false, path, "seven words"); /* the first archive of a home */
    assert_int_equal(a.st, ST_OK);
    assert_int_equal(a.number, 60);
    DID(carol, node_archive_forget(carol->node, "room", DONE));
    a = file(carol, false, path, "other words");
    assert_int_equal(a.st, ST_PASSWORD);
    const long cuts[] = {0, 65, 66, 70, 90000, (long)info.st_size - 1};
    for (size_t i = 0; i < sizeof cuts / sizeof cuts[0]; i++) {
        change(path, bad, cuts[i], -1);
        a = file(carol, false, bad, "seven words");
        assert_int_equal(a.st, ST_INTEGRITY);
        assert_true(i < 2 || strstr(a.text, "cut off") != NULL);
        assert_int_equal(archives_of(carol), 0);
    }
    const long flips[] = {80, 90000, (long)info.st_size - 1};
    for (size_t i = 0; i < 3; i++) {
        change(path, bad, -1, flips[i]);
        a = file(carol, false, bad, "seven words");
        assert_int_equal(a.st, ST_BAD_SEAL);
        assert_non_null(strstr(a.text, "altered"));
        assert_int_equal(archives_of(carol), 0);
    }
    change(path, bad, -1, -1);
    a = file(carol, false, bad, "seven words");
    assert_int_equal(a.st, ST_INTEGRITY);
    assert_non_null(strstr(a.text, "behind the file's end"));
    assert_int_equal(file(carol, false, "/no/such/file", "seven words").st, ST_NOT_FOUND);

    a = file(carol, false, path, "seven words");
    assert_int_equal(a.st, ST_OK);
    assert_int_equal(a.number, 60);
    assert_string_equal(a.code, "room");
    const struct words *w = words_of(carol, "room");
    assert_int_equal(w->n, 60);
    for (unsigned i = 0; i < 60; i++) assert_int_equal(strtoul(w->text[i], NULL, 10), i);
    a = file(carol, false, path, "seven words"); /* again */
    assert_int_equal(a.number, 0);
    assert_int_equal(archives_of(carol), 1);
    a = file(alice, false, path, "seven words"); /* she has it all as messages */
    assert_int_equal(a.number, 0);
    assert_int_equal(archives_of(alice), 0);
    person_stop(carol);
    person_start(carol);
    assert_int_equal(words_of(carol, "room")->n, 60);
    town_end(&t);
}

/* The daemon stops in the middle of an import: nothing of it shows afterwards. */
static void a_stopped_import_leaves_nothing(void **state)
{
    (void)state;
    struct town t;
    char path[160];
    two(&t);
    struct person *alice = &t.people[0], *bob = &t.people[1];
    for (unsigned i = 0; i < 20; i++) said(alice, "word");
    snprintf(path, sizeof path, "%s/room.history", t.dir);
    assert_int_equal(file(alice, true, path, "seven words").st, ST_OK);
    person_leave(bob, "room");
    struct answer begun = {0};
    struct node_history_file req = {.local = path, .password = BYTES_LIT("seven words")};
    assert_int_equal(node_history_import(bob->node, &req, person_answer, &begun), ST_OK);
    person_stop(bob);
    person_start(bob);
    assert_int_equal(archives_of(bob), 0);
    assert_int_equal(file(bob, false, path, "seven words").number, 20);
    town_end(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_have_one_form),
        cmocka_unit_test(older_ones_are_erased),
        cmocka_unit_test(one_clock_alone_erases_nothing),
        cmocka_unit_test(newcomers_see_what_is_shared),
        cmocka_unit_test(what_is_taken_back_meanwhile_goes),
        cmocka_unit_test(what_is_shared_is_bounded),
        cmocka_unit_test(packing_is_a_rule_of_the_enclave),
        cmocka_unit_test(files_are_whole_or_refused),
        cmocka_unit_test(a_stopped_import_leaves_nothing),
    };
    return !!cmocka_run_group_tests(tests, NULL, NULL);
}
