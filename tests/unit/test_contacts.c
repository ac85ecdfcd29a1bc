/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base tables crypto core/feed core/ledger core/ballot core/epoch core/mail core/door core/files core/holder core/audit core/room core/vault link store net node node/host node/enclave node/contact node/post node/vote node/shelf node/audit node/repair node/put node/get node/hold */
/* Contacts over real TLS, SQLite and a real sentinel: two cards come together in any order, over
 * restarts at any moment, also where both host; names that mean nobody, or two. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/encode.h"
#include "node/contact/contact.h"
#include "unit/fields_mutate.h"
#include "unit/people.h"

struct card_of {
    struct answer a;
    struct buf card;
    char fingerprint[65];
};

static void on_key(void *arg, const struct node_result *r)
{
    struct card_of *k = arg;
    const struct node_key *key = r->data;
    if (key != NULL) {
        buf_bytes(&k->card, key->card);
        snprintf(k->fingerprint, sizeof k->fingerprint, "%s", key->fingerprint);
    }
    person_answer(&k->a, r);
}

static void export(struct person *p, struct card_of *ret)
{
    struct node_key_ask ask = {.nick = p->nick};
    memset(ret, 0, sizeof *ret);
    assert_int_equal(node_key(p->node, &ask, on_key, ret), ST_OK);
    person_ok(p, &ret->a);
}

static void add(struct person *p, const struct card_of *card, const char *address, struct answer *a)
{
    struct node_peer_add req = {.card = buf_view(&card->card), .address = address};
    memset(a, 0, sizeof *a);
    assert_int_equal(node_peer_add(p->node, &req, person_answer, a), ST_OK);
}

struct look {
    const char *nick;
    char name[NODE_NAME_MAX + 1];
    char state[16], host[8];
    char safety[NODE_SAFETY_SIZE];
    unsigned n;
};

static void see(void *arg, const struct node_peer *p)
{
    struct look *l = arg;
    l->n++;
    if (strcmp(p->nick, l->nick) != 0) return;
    snprintf(l->name, sizeof l->name, "%s", p->name);
    snprintf(l->state, sizeof l->state, "%s", p->state);
    snprintf(l->host, sizeof l->host, "%s", p->host);
    snprintf(l->safety, sizeof l->safety, "%s", p->safety);
}

static struct look peer(struct person *p, const char *nick)
{
    struct look l = {.nick = nick};
    assert_int_equal(node_peers(p->node, see, &l), ST_OK);
    return l;
}

static struct look wait_connected(struct person *p, const char *nick)
{
    for (;;) {
        struct look l = peer(p, nick);
        if (strcmp(l.state, "connected") == 0) return l;
        town_turn(p->town);
    }
}

static void count(void *arg, const struct node_enclave_info *e)
{
    (void)e;
    ++*(unsigned *)arg;
}

static void wait_enclaves(struct person *p, unsigned wanted)
{
    for (;;) {
        unsigned n = 0;
        node_enclaves(p->node, count, &n);
        if (n == wanted) return;
        town_turn(p->town);
    }
}

static void begin(struct town *t, struct card_of cards[2], bool both)
{
    town_start(t, 2);
    for (size_t i = 0; i < (both ? 2U : 1U); i++) {
        person_stop(&t->people[i]);
        t->people[i].hosts = true;
        person_start(&t->people[i]);
    }
    for (size_t i = 0; i < 2; i++) export(&t->people[i], &cards[i]);
}

static void end(struct town *t, struct card_of cards[2])
{
    buf_free(&cards[0].card);
    buf_free(&cards[1].card);
    town_end(t);
}

static void talk(struct town *t)
{
    struct person *alice = &t->people[0], *bob = &t->people[1];
    struct look a = wait_connected(alice, "bob"), b = wait_connected(bob, "alice");
    assert_string_equal(a.safety, b.safety);
    assert_int_equal(strlen(a.safety), 71);
    person_say(alice, a.name, "here I am");
    person_wait_message(bob, b.name, "alice", "here I am");
    person_say(bob, b.name, "so am I");
    person_wait_message(alice, a.name, "bob", "so am I");
}

static void in_either_order(void **state)
{
    (void)state;
    for (int order = 0; order < 2; order++) {
        struct town t;
        struct card_of cards[2];
        struct answer a[2];
        begin(&t, cards, false);
        const char *address = host_address(t.host);
        if (order == 0) {
            add(&t.people[1], &cards[0], address, &a[1]);
            person_ok(&t.people[1], &a[1]);
            assert_string_equal(peer(&t.people[1], "alice").state, "waiting");
            add(&t.people[0], &cards[1], NULL, &a[0]);
        } else {
            struct answer twice;
            add(&t.people[0], &cards[1], NULL, &a[0]);
            add(&t.people[0], &cards[1], NULL, &twice); /* before the first is on disk */
            person_ok(&t.people[0], &a[0]);
            person_wait(&t, &twice.done);
            assert_true(twice.st == ST_BUSY || twice.st == ST_OK);
            assert_int_equal(peer(&t.people[0], "bob").n, 1);
            assert_true(node_peer_awaited(t.people[0].node, "bob"));
            add(&t.people[1], &cards[0], address, &a[1]);
            person_ok(&t.people[1], &a[1]);
            (void)wait_connected(&t.people[1], "alice");
        }
        talk(&t);
        assert_false(node_peer_awaited(t.people[0].node, "bob"));
        assert_string_equal(peer(&t.people[0], "bob").host, "you");
        assert_string_equal(peer(&t.people[1], "alice").host, "peer");
        end(&t, cards);
    }
}

/* Stopped after so many turns of the loop, both, and started again: nothing is doubled or lost. */
static void over_restarts_at_any_moment(void **state)
{
    (void)state;
    static const unsigned moments[] = {3, 12, 40, 90, 200};
    for (size_t m = 0; m < sizeof moments / sizeof moments[0]; m++) {
        struct town t;
        struct card_of cards[2];
        static struct answer a[2]; /* an answer may come at the stop */
        begin(&t, cards, false);
        add(&t.people[0], &cards[1], NULL, &a[0]);
        add(&t.people[1], &cards[0], host_address(t.host), &a[1]);
        for (unsigned i = 0; i < moments[m]; i++) town_turn(&t);
        /* What was not acknowledged may be gone: then it is said again, as a person would. */
        bool kept[2] = {peer(&t.people[0], "bob").n == 1, peer(&t.people[1], "alice").n == 1};
        for (size_t i = 0; i < 2; i++) {
            person_stop(&t.people[i]);
            person_start(&t.people[i]);
            assert_true(a[i].done);
            assert_true(!kept[i] || peer(&t.people[i], "x").n == 1);
        }
        add(&t.people[0], &cards[1], NULL, &a[0]);
        add(&t.people[1], &cards[0], host_address(t.host), &a[1]);
        talk(&t);
        person_ok(&t.people[0], &a[0]);
        person_ok(&t.people[1], &a[1]);
        for (size_t i = 0; i < 2; i++) {
            assert_int_equal(peer(&t.people[i], "x").n, 1);
            wait_enclaves(&t.people[i], 1);
        }
        end(&t, cards);
    }
}

/* Each offers and each looks: the one with the higher fingerprint gives way, if both offers stand. */
static void both_host(void **state)
{
    (void)state;
    struct town t;
    struct card_of cards[2];
    struct answer a[2];
    begin(&t, cards, true);
    for (size_t i = 0; i < 2; i++) add(&t.people[i], &cards[1 - i], host_address(t.host), &a[i]);
    talk(&t);
    for (size_t i = 0; i < 2; i++) {
        person_ok(&t.people[i], &a[i]);
        wait_enclaves(&t.people[i], 1);
    }
    unsigned hosts = 0;
    for (size_t i = 0; i < 2; i++)
        hosts += strcmp(peer(&t.people[i], i == 0 ? "bob" : "alice").host, "you") == 0;
    assert_int_equal(hosts, 1);
    end(&t, cards);
}

static void leaving_and_beginning_anew(void **state)
{
    (void)state;
    struct town t;
    struct card_of cards[2];
    struct answer a[2] = {{0}}, r = {0};
    begin(&t, cards, false);
    add(&t.people[0], &cards[1], NULL, &a[0]);
    add(&t.people[1], &cards[0], host_address(t.host), &a[1]);
    talk(&t);
    char prefix[9];
    snprintf(prefix, sizeof prefix, "%.8s", cards[1].fingerprint);
    assert_int_equal(node_peer_remove(t.people[0].node, prefix, person_answer, &r), ST_OK);
    person_ok(&t.people[0], &r);
    wait_enclaves(&t.people[0], 0);
    assert_int_equal(peer(&t.people[0], "x").n, 0);
    while (strcmp(peer(&t.people[1], "alice").state, "alone") != 0) town_turn(&t);
    /* bob's old one does not stand in the way of a new one. */
    add(&t.people[0], &cards[1], NULL, &a[0]);
    person_ok(&t.people[0], &a[0]);
    memset(&r, 0, sizeof r);
    assert_int_equal(node_peer_remove(t.people[1].node, "alice", person_answer, &r), ST_OK);
    person_ok(&t.people[1], &r);
    add(&t.people[1], &cards[0], host_address(t.host), &a[1]);
    talk(&t);
    /* Whoever leaves the enclave by hand has no contact left. */
    person_leave(&t.people[1], "alice");
    while (peer(&t.people[1], "x").n > 0) town_turn(&t);
    end(&t, cards);
}

/* ---- names ---- */

/* Found by trying 400 000: half a second's work, so eight characters name and do not prove. */
#define TWIN_1 86525
#define TWIN_2 231494

/* A card with a chosen key: the fingerprint hangs on it. */
static void crafted(uint32_t dh, const char *nick, struct card_of *ret)
{
    static const uint8_t seed[SIGN_SEED] = {1}, kem_seed[KEM_SEED] = {2};
    struct card_wire w = {.version = CARD_VERSION, .nick = bytes_str(nick), .made = 1};
    memset(ret, 0, sizeof *ret);
    sign_public(seed, w.id);
    kem_public(kem_seed, w.kem);
    put_u32(w.dh, dh);
    w.dh[20] = 1;
    assert_int_equal(fields_encode(&card_wire_fields, &w, &ret->card), ST_OK);
    const struct bytes part = BYTES(ret->card.p, ret->card.n - SIGN_SIZE);
    sign_labelled(seed, "ENCLAVE-CARD", &part, 1, ret->card.p + ret->card.n - SIGN_SIZE);
}

static void names_that_mean_nobody_or_two(void **state)
{
    (void)state;
    struct town t;
    struct card_of cards[2], twins[2];
    struct answer a;
    const char *why;
    begin(&t, cards, false);
    struct node *n = t.people[0].node;
    crafted(TWIN_1, "tweedledum", &twins[0]);
    crafted(TWIN_2, "tweedledee", &twins[1]);
    for (size_t i = 0; i < 2; i++) {
        add(&t.people[0], &twins[i], NULL, &a);
        person_ok(&t.people[0], &a);
    }
    struct card one, two;
    assert_int_equal(card_read(buf_view(&twins[0].card), &one), ST_OK);
    assert_int_equal(card_read(buf_view(&twins[1].card), &two), ST_OK);
    assert_memory_equal(one.fingerprint, two.fingerprint, 4);
    assert_memory_not_equal(one.fingerprint, two.fingerprint, 8);
    char hex[65];
    hex_encode(BYTES_OF(one.fingerprint), hex);
    hex[8] = '\0';
    unsigned found = 0;
    assert_int_equal(node_enclave(n, hex, count, &found), ST_NOT_FOUND);
    assert_int_equal(node_why_not(n, hex, &why), ST_CONFLICT);
    assert_non_null(strstr(why, "several"));
    assert_int_equal(node_peer_remove(n, hex, person_answer, &a), ST_CONFLICT);
    hex_encode(BYTES_OF(one.fingerprint), hex);
    hex[16] = '\0';
    assert_int_equal(node_enclave(n, hex, count, &found), ST_OK);
    hex[7] = '\0';
    assert_int_equal(node_enclave(n, hex, count, &found), ST_NOT_FOUND);
    assert_int_equal(node_why_not(n, hex, &why), ST_USAGE);
    assert_non_null(strstr(why, "8 or more"));
    assert_int_equal(node_why_not(n, "nobody", &why), ST_NOT_FOUND);
    assert_null(why);
    assert_int_equal(node_why_not(n, "0123456789", &why), ST_NOT_FOUND);
    assert_int_equal(found, 1);
    for (size_t i = 0; i < 2; i++) buf_free(&twins[i].card);
    end(&t, cards);
}

static void rows_have_one_form(void **state)
{
    (void)state;
    struct contact_row row = {.version = CONTACT_ROW_VERSION,
                              .stage = CONTACT_TOGETHER,
                              .hosting = 1,
                              .name = BYTES_LIT("bob"),
                              .nick = BYTES_LIT("ada"),
                              .address = BYTES_LIT("h:1"),
                              .card = BYTES_LIT("card")};
    struct contact_self self = {.version = CONTACT_ROW_VERSION, .nick = BYTES_LIT("ada")};
    fields_mutate(&contact_row_fields, &row);
    fields_mutate(&contact_self_fields, &self);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_have_one_form),
        cmocka_unit_test(in_either_order),
        cmocka_unit_test(over_restarts_at_any_moment),
        cmocka_unit_test(both_host),
        cmocka_unit_test(leaving_and_beginning_anew),
        cmocka_unit_test(names_that_mean_nobody_or_two),
    };
    return !!cmocka_run_group_tests(tests, NULL, NULL);
}
