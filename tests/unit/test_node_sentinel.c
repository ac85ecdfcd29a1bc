/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base tables crypto core/feed core/ledger core/ballot core/epoch core/mail core/door core/files core/holder core/audit core/room core/vault link store net node node/host node/enclave node/contact node/post node/vote node/shelf node/audit node/repair node/put node/get node/hold */
/* Members and a sentinel that is gone, old, of two minds, busy or slow; and a disk that is slow. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/ledger/group_state.h"
#include "node/enclave/enclave.h"
#include "unit/tamper.h"

static void on_any(void *arg, const struct node_result *r)
{
    (void)r;
    *(bool *)arg = true;
}

static void turns(struct town *t, unsigned n)
{
    while (n-- > 0) town_turn(t);
}

static void wait_ms(struct town *t, uint64_t ms)
{
    uint64_t until = env_mono_ms(&t->env) + ms;
    while (env_mono_ms(&t->env) < until) town_turn(t);
}

static struct enclave *room_of(struct person *p)
{
    return p->node->enclaves[0];
}

static void wait_connected(struct person *p)
{
    while (!room_of(p)->subscribed || !enclave_synced(room_of(p), FEED_LEDGER)) town_turn(p->town);
}

/* ---- a sentinel that ends and comes back, perhaps with an older database ---- */

static void sentinel_stop(struct town *t)
{
    bool closed = false;
    host_close(t->host, town_flag, &closed);
    person_wait(t, &closed);
}

static void sentinel_start(struct town *t, const char *address)
{
    char data[100];
    struct host_options options = {.listen = address, .data = data};
    struct host_fault fault;
    snprintf(data, sizeof data, "%s/sentinel", t->dir);
    room_limits_default(&options.limits);
    assert_int_equal(host_open(&t->loop, &t->env, &options, &t->host, &fault), ST_OK);
}

static void copy_file(const struct town *t, const char *from, const char *to)
{
    char a[160], b[160], block[8192];
    size_t n;
    snprintf(a, sizeof a, "%s/%s", t->dir, from);
    snprintf(b, sizeof b, "%s/%s", t->dir, to);
    FILE *in = fopen(a, "rb"), *out = fopen(b, "wb");
    assert_non_null(in);
    assert_non_null(out);
    while ((n = fread(block, 1, sizeof block, in)) > 0)
        assert_int_equal(fwrite(block, 1, n, out), n);
    fclose(in);
    fclose(out);
}

#define DATABASE "sentinel/" HOST_DATABASE

static void restore(struct town *t)
{
    char path[160];
    copy_file(t, "backup", DATABASE);
    snprintf(path, sizeof path, "%s/" DATABASE "-wal", t->dir);
    (void)unlink(path);
    snprintf(path, sizeof path, "%s/" DATABASE "-shm", t->dir);
    (void)unlink(path);
}

static void what_an_old_database_lost_is_given_back(void **state)
{
    (void)state;
    struct town t;
    char address[80];
    town_start(&t, 3);
    struct person *alice = &t.people[0], *bob = &t.people[1], *carol = &t.people[2];
    person_create(alice, "room");
    person_admit(&t, bob, "room");
    snprintf(address, sizeof address, "%s", host_address(t.host));
    sentinel_stop(&t);
    copy_file(&t, DATABASE, "backup");
    sentinel_start(&t, address);
    person_say(alice, "room", "before the loss");
    person_wait_message(bob, "room", "alice", "before the loss");
    sentinel_stop(&t);
    restore(&t);
    sentinel_start(&t, address);
    person_say(bob, "room", "after the loss");
    person_wait_message(alice, "room", "bob", "after the loss");
    /* A newcomer reads what the members gave back, and is told nothing twice. */
    person_admit(&t, carol, "room");
    person_say(carol, "room", "hello");
    person_wait_message(bob, "room", "carol", "hello");
    person_wait_message(bob, "room", "alice", "before the loss");
    town_end(&t);
}

struct trouble {
    char text[NODE_REASON_MAX];
    uint64_t count;
};

static void see_trouble(void *arg, const struct node_enclave_info *e)
{
    struct trouble *t = arg;
    snprintf(t->text, sizeof t->text, "%s", e->trouble);
    t->count = e->ledger_count;
}

static struct trouble trouble_of(struct person *p)
{
    struct trouble t = {{0}, 0};
    node_enclaves(p->node, see_trouble, &t);
    return t;
}

static void two_histories_stop_the_pen_of_who_sees_both(void **state)
{
    (void)state;
    struct town t;
    char address[80];
    town_start(&t, 4);
    struct person *alice = &t.people[0], *bob = &t.people[1];
    person_create(alice, "room");
    person_admit(&t, bob, "room");
    snprintf(address, sizeof address, "%s", host_address(t.host));
    sentinel_stop(&t);
    copy_file(&t, DATABASE, "backup");
    sentinel_start(&t, address);
    person_stop(bob);
    wait_connected(alice);
    person_knock(&t, alice, &t.people[2], "room"); /* alice writes entry n ... */
    person_vote(alice, "room", "carol", true);
    person_stop(alice);
    person_stop(&t.people[2]);
    sentinel_stop(&t);
    restore(&t);
    sentinel_start(&t, address);
    person_start(bob);
    wait_connected(bob);
    person_knock(&t, bob, &t.people[3], "room"); /* ... and bob another entry n */
    person_vote(bob, "room", "dave", true);
    uint64_t count = trouble_of(bob).count;
    person_start(alice);
    while (strstr(trouble_of(alice).text, "histor") == NULL) town_turn(&t);
    /* She writes nothing on either of them, now or after a restart. */
    bool voted = false;
    struct node_vote no = {.enclave = "room", .ref = "dave", .yes = false};
    (void)!node_vote(alice->node, &no, on_any, &voted);
    wait_ms(&t, 300);
    assert_int_equal(trouble_of(bob).count, count);
    town_end(&t);
}

/* ---- a sentinel in a bad moment ---- */

static struct tamper *tampers;

static void between(struct person *p)
{
    tamper_link(&tampers[p - p->town->people], p);
    tamper_kv(&tampers[p - p->town->people], p);
}

static void leaving_survives_a_busy_sentinel(void **state)
{
    (void)state;
    struct town t;
    struct tamper tamper[2] = {{.seed = 1}, {.seed = 2}};
    bool gone = false;
    tampers = tamper;
    town_start_with(&t, 2, between);
    struct person *alice = &t.people[0], *bob = &t.people[1];
    person_create(alice, "room");
    person_admit(&t, bob, "room");
    tamper[1].busy = true; /* from now on every ATTACH of his is answered so */
    person_stop(bob);
    person_start(bob);
    assert_int_equal(node_leave(bob->node, "room", on_any, &gone), ST_OK);
    wait_ms(&t, 900);
    /* His LEAVE is not in the ledger: nothing may be shredded yet. */
    assert_false(gone);
    assert_int_equal(person_members(alice, "room"), 2);
    tamper[1].busy = false;
    person_wait(&t, &gone);
    while (person_members(alice, "room") != 1) town_turn(&t);
    town_end(&t);
    tamper_free(&tamper[0]);
    tamper_free(&tamper[1]);
}

/* ---- who speaks at the door ---- */

static const struct link_ops *real_ops;
static struct link_ops counting_ops;
static unsigned door_replies;

static enum status counting_send(struct link *l, uint8_t type, struct bytes payload)
{
    if (type == ROOM_DOOR_REPLY) door_replies++;
    return real_ops->send(l, type, payload);
}

static void count_second(struct person *p)
{
    if (p != &p->town->people[1]) return;
    real_ops = p->ports.link.ops;
    counting_ops = *real_ops;
    counting_ops.send = counting_send;
    p->ports.link.ops = &counting_ops;
}

/* The sentinel is not told from whose seat a no came. */
static void who_says_no_says_nothing_at_the_door(void **state)
{
    (void)state;
    struct town t;
    door_replies = 0;
    town_start_with(&t, 3, count_second);
    person_create(&t.people[0], "room");
    person_admit(&t, &t.people[1], "room");
    person_knock(&t, &t.people[0], &t.people[2], "room");
    person_vote(&t.people[0], "room", "carol", true);
    person_wait_open(&t.people[1], "room", "carol");
    person_vote(&t.people[1], "room", "carol", false);
    person_wait_state(&t.people[2], NODE_REFUSED);
    turns(&t, 50);
    assert_int_equal(door_replies, 0);
    town_end(&t);
}

/* ---- joining by a door that is shut meanwhile ---- */

static void a_shut_door_still_answers(void **state)
{
    (void)state;
    struct town t;
    struct answer a = {0}, b = {0};
    town_start(&t, 2);
    struct person *alice = &t.people[0], *bob = &t.people[1];
    person_create(alice, "room");
    assert_int_equal(node_invite(alice->node, "room", 1500, person_code, &a), ST_OK);
    person_ok(alice, &a);
    struct node_join req = {.code = a.code, .nick = "bob"};
    assert_int_equal(node_join(bob->node, &req, person_answer, &b), ST_OK);
    person_ok(bob, &b);
    person_wait_open(alice, "room", "bob");
    person_stop(bob);
    wait_ms(&t, 1600);
    person_vote(alice, "room", "bob", true);
    person_start(bob);
    person_wait_state(bob, NODE_MEMBER);
    town_end(&t);
}

/* ---- the outbox and a slow disk ---- */

static unsigned said(struct person *p, const char *nick, const char *text)
{
    struct person_look l = {.nick = nick, .text = text};
    assert_int_equal(node_messages(p->node, "room", 0, person_see_message, &l), ST_OK);
    return l.n;
}

/* Words sealed for an epoch that somebody left since are sealed anew; and the new bytes wait for
 * their own commit, whatever other commit ends before it. */
static void no_byte_leaves_before_its_commit(void **state)
{
    (void)state;
    struct town t;
    char address[80];
    struct tamper tamper[3] = {{.seed = 1}, {.seed = 2}, {.seed = 3}};
    bool sent = false;
    tampers = tamper;
    town_start_with(&t, 3, between);
    struct person *alice = &t.people[0], *bob = &t.people[1], *carol = &t.people[2];
    person_create(alice, "room");
    person_admit(&t, bob, "room");
    person_admit(&t, carol, "room");
    snprintf(address, sizeof address, "%s", host_address(t.host));
    /* alice says something while nobody hears her; then she sleeps, and carol goes. */
    sentinel_stop(&t);
    assert_int_equal(
        node_send(alice->node, "room", &(struct node_say){.text = bytes_str("old")}, on_any, &sent),
        ST_OK);
    person_wait(&t, &sent);
    person_stop(alice);
    sentinel_start(&t, address);
    person_leave(carol, "room");
    while (person_members(bob, "room") != 2) town_turn(&t);
    while (ledger_generation(group_ledger(room_of(bob)->group)) == 0) town_turn(&t);
    tamper[0].hold = true;
    person_start(alice);
    struct enclave *e = room_of(alice);
    /* Her commits end one by one; the one that brings the new bytes is the last that is begun. */
    uint64_t until = env_mono_ms(&t.env) + 3000;
    while ((ledger_generation(group_ledger(e->group)) == 0 || e->out_first == NULL ||
            e->out_first->sealed.n == 0 ||
            e->out_first->epoch < ledger_generation(group_ledger(e->group))) &&
           env_mono_ms(&t.env) < until) {
        town_turn(&t);
        if (tamper[0].news != NULL && tamper[0].news->next == NULL &&
            (e->out_first == NULL || e->out_first->ready))
            (void)tamper_release(&tamper[0]);
    }
    assert_non_null(e->out_first);
    assert_true(e->out_first->epoch >= ledger_generation(group_ledger(e->group)));
    assert_true(ledger_generation(group_ledger(e->group)) > 0);
    turns(&t, 20);
    while (tamper[0].news != NULL && tamper[0].news->next != NULL)
        (void)tamper_release(&tamper[0]); /* all but the last */
    wait_ms(&t, 200);
    assert_int_equal(said(bob, "alice", "old"), 0);
    tamper[0].hold = false;
    while (tamper_release(&tamper[0])) {
    }
    person_wait_message(bob, "room", "alice", "old");
    town_end(&t);
    for (int i = 0; i < 3; i++) tamper_free(&tamper[i]);
}

/* ---- keys of more epochs than fit into a row ---- */

static void on_saved(void *arg, enum status st)
{
    assert_int_equal(st, ST_OK);
    *(bool *)arg = true;
}

static void a_member_that_opens_epochs_all_day_halts_nobody(void **state)
{
    (void)state;
    struct town t;
    struct keep_batch b;
    bool saved = false;
    town_start(&t, 1);
    person_create(&t.people[0], "room");
    struct enclave *e = room_of(&t.people[0]);
    assert_int_equal(group_rows(e->group, 12000), ST_OK);
    for (size_t i = 1; i < 12000; i++) {
        struct group_row *row = &e->group->rows[i];
        row->flags = GROUP_ROW_LOG | GROUP_ROW_FILE | GROUP_ROW_ALL;
        memset(row->tree, (int)(i % 251), 32);
    }
    e->group->dirty = true;
    keep_begin(&b, &t.people[0].node->keep);
    enclave_put_group(e, &b);
    enclave_commit(e, &b, on_saved, &saved);
    person_wait(&t, &saved);
    person_stop(&t.people[0]);
    person_start(&t.people[0]);
    e = room_of(&t.people[0]);
    assert_int_equal(e->group->n_rows, 12000);
    assert_int_equal(e->group->rows[11999].tree[7], 11999 % 251);
    town_end(&t);
}

/* ---- a seat that nobody admitted ---- */

static size_t seats_listed; /* by the answer of the sentinel */
static uint64_t seats_version;

static void got_list(void *arg, enum status st, struct bytes body)
{
    struct room_seat_list list;
    assert_int_equal(st, ST_OK);
    assert_int_equal(fields_decode(&room_seat_list_fields, body, &list), ST_OK);
    seats_listed = list.seats.n;
    seats_version = list.version;
    *(bool *)arg = true;
}

static size_t count_seats(struct person *p)
{
    bool done = false;
    struct room_seats msg = {.from = 0};
    assert_int_equal(
        uplink_request(&room_of(p)->up, ROOM_SEATS, &room_seats_fields, &msg, got_list, &done),
        ST_OK);
    person_wait(p->town, &done);
    return seats_listed;
}

static void got_status(void *arg, enum status st, struct bytes body)
{
    (void)body;
    assert_int_equal(st, ST_OK);
    *(bool *)arg = true;
}

/* Two of three said yes: a majority of seats, but no admission. One of them brings the seat in. */
static void a_seat_without_an_admission_is_voted_out(void **state)
{
    (void)state;
    struct town t;
    bool done = false;
    uint8_t sigs[3 * ROOM_SIG_ITEM];
    town_start(&t, 4);
    person_create(&t.people[0], "room");
    person_admit(&t, &t.people[1], "room");
    person_admit(&t, &t.people[2], "room");
    person_knock(&t, &t.people[0], &t.people[3], "room");
    person_vote(&t.people[0], "room", "dave", true);
    person_wait_open(&t.people[1], "room", "dave");
    person_vote(&t.people[1], "room", "dave", true);
    person_wait_open(&t.people[2], "room", "dave");
    person_vote(&t.people[2], "room", "dave", false);
    person_wait_state(&t.people[3], NODE_REFUSED);
    struct enclave *e = room_of(&t.people[0]);
    const struct ledger *l = group_ledger(e->group);
    const struct ledger_proposal *p = ledger_proposal_at(l, ledger_proposals(l) - 1);
    assert_int_equal(p->state, LEDGER_VOTE_REJECTED);
    (void)count_seats(&t.people[0]);
    struct room_add_seat add = {.version = seats_version, .sigs = {sigs, 0}};
    for (size_t i = 0; i < p->n_voters; i++) {
        if (bytes_zero(BYTES_OF(p->voters[i].seat_sig))) continue;
        memcpy(sigs + add.sigs.n * ROOM_SIG_ITEM, p->voters[i].seat, 32);
        memcpy(sigs + add.sigs.n++ * ROOM_SIG_ITEM + 32, p->voters[i].seat_sig, 64);
    }
    assert_int_equal(add.sigs.n, 3); /* a secret no brings the seat's word like a yes */
    memcpy(add.seat, p->candidate.seat, 32);
    memcpy(add.proposal, p->hash, 32);
    assert_int_equal(
        uplink_request(&e->up, ROOM_ADD_SEAT, &room_add_seat_fields, &add, got_status, &done),
        ST_OK);
    person_wait(&t, &done);
    assert_int_equal(count_seats(&t.people[0]), 4);
    wait_ms(&t, 200); /* all have looked, and wait whether an ADD explains it */
    for (int i = 0; i < 3; i++) {
        struct enclave *m = room_of(&t.people[i]);
        assert_memory_equal(m->odd_seat, p->candidate.seat, 32);
        m->odd_since_ms = env_mono_ms(&t.env) - UINT64_C(24) * 3600 * 1000; /* a day later */
        m->seats_again_ms = 0;
    }
    uint64_t until = env_mono_ms(&t.env) + 3000;
    while (count_seats(&t.people[0]) == 4 && env_mono_ms(&t.env) < until) turns(&t, 20);
    assert_int_equal(count_seats(&t.people[0]), 3);
    town_end(&t);
}

/* A lost member cannot read that it was removed. When it calls for keys it learns that its seat is gone. */
static void whose_seat_is_gone_is_told(void **state)
{
    (void)state;
    struct town t;
    bool away = false;
    town_start(&t, 3);
    person_create(&t.people[0], "room");
    person_admit(&t, &t.people[1], "room");
    person_admit(&t, &t.people[2], "room");
    struct enclave *lost = room_of(&t.people[1]);
    wait_connected(&t.people[1]);
    for (int i = 0; i < 3; i += 2) {
        struct enclave *e = room_of(&t.people[i]);
        struct room_seat_vote msg = {.index = group_seen(e->group).count};
        bool done = false;
        memcpy(msg.seat, lost->seat, 32);
        ledger_sign_drop(e->keys->seat_seed, e->room, msg.seat, msg.sig);
        assert_int_equal(
            uplink_request(&e->up, ROOM_SEAT_VOTE, &room_seat_vote_fields, &msg, got_status, &done),
            ST_OK);
        person_wait(&t, &done);
    }
    assert_int_equal(node_away(t.people[1].node, "room", 1, on_any, &away), ST_OK);
    uint64_t until = env_mono_ms(&t.env) + 8000;
    while (strstr(lost->trouble, "seat was dropped") == NULL && env_mono_ms(&t.env) < until)
        town_turn(&t);
    assert_non_null(strstr(lost->trouble, "seat was dropped"));
    town_end(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_an_old_database_lost_is_given_back),
        cmocka_unit_test(two_histories_stop_the_pen_of_who_sees_both),
        cmocka_unit_test(leaving_survives_a_busy_sentinel),
        cmocka_unit_test(who_says_no_says_nothing_at_the_door),
        cmocka_unit_test(a_shut_door_still_answers),
        cmocka_unit_test(no_byte_leaves_before_its_commit),
        cmocka_unit_test(a_member_that_opens_epochs_all_day_halts_nobody),
        cmocka_unit_test(a_seat_without_an_admission_is_voted_out),
        cmocka_unit_test(whose_seat_is_gone_is_told),
    };
    return !!cmocka_run_group_tests(tests, NULL, NULL);
}
