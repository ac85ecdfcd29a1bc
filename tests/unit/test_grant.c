/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto core/files core/grant core/room */
/* Offers, grants and seat lists: what a storage node believes, and what nobody can make it believe. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#include "core/files/depots.h"
#include "core/grant/depot_wire.h"
#include "crypto/secret.h"
#include "crypto/sign.h"
#include "unit/fields_mutate.h"

#include <stdlib.h>
#include <string.h>

#define SEATS 5

static uint8_t seeds[SEATS + 2][32], seats[SEATS + 2][32];
static const uint8_t room[32] = {9}, pin[32] = {8}, key[32] = {7};

static int by_seat(const void *a, const void *b)
{
    uint8_t pa[32], pb[32];
    sign_public(a, pa);
    sign_public(b, pb);
    return memcmp(pa, pb, 32);
}

static int setup(void **state)
{
    (void)state;
    if (crypto_start() != ST_OK) return 1;
    for (size_t i = 0; i < SEATS + 2; i++) memset(seeds[i], (int)i + 1, 32);
    qsort(seeds, SEATS + 2, 32, by_seat);
    for (size_t i = 0; i < SEATS + 2; i++) sign_public(seeds[i], seats[i]);
    return 0;
}

static struct grant terms(void)
{
    struct grant g = {.version = GRANT_VERSION,
                      .quota = 1 << 20,
                      .expiry = 1000,
                      .list_version = 4,
                      .seats = {seats[0], SEATS}};
    memcpy(g.room, room, 32);
    memcpy(g.pin, pin, 32);
    return g;
}

static void sign_by(struct grant *g, uint8_t *sigs, size_t from, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        memcpy(sigs + i * ROOM_SIG_ITEM, seats[from + i], 32);
        grant_sign(seeds[from + i], g, sigs + i * ROOM_SIG_ITEM + 32);
    }
    g->sigs = (struct list){sigs, n};
}

static void offers(void **state)
{
    struct offer o = {.address = "store.example:9000"}, back;
    char text[GRANT_TEXT_MAX];
    (void)state;
    memcpy(o.key, pin, 32);
    grant_ticket_make(key, 5000, 77, room, o.ticket);
    assert_int_equal(offer_to_text(&o, text), ST_OK);
    assert_int_equal(offer_from_text(text, &back), ST_OK);
    assert_memory_equal(&o, &back, sizeof o);
    assert_int_equal(grant_ticket_check(key, back.ticket), ST_OK);
    assert_int_equal(grant_ticket_quota(back.ticket), 5000);
    assert_int_equal(grant_ticket_expiry(back.ticket), 77);
    /* Every bit of a ticket counts; it is another node's nothing. */
    for (size_t i = 0; i < GRANT_TICKET * 8; i++) {
        back.ticket[i / 8] ^= (uint8_t)(1 << i % 8);
        assert_int_equal(grant_ticket_check(key, back.ticket), ST_DENIED);
        back.ticket[i / 8] ^= (uint8_t)(1 << i % 8);
    }
    assert_int_equal(grant_ticket_check(pin, back.ticket), ST_DENIED);
    /* No half offers, no addresses that are none. */
    text[strlen(text) - 4] = '\0';
    assert_int_not_equal(offer_from_text(text, &back), ST_OK);
    assert_int_not_equal(offer_from_text("enclave:AAAA", &back), ST_OK);
    const char *const bad[] = {
        "", "host", ":1", "host:", "host:0", "host:65536", "ho st:1", "h:1x"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        strcpy(o.address, bad[i]);
        assert_int_equal(offer_to_text(&o, text), ST_USAGE);
    }
}

static void majorities(void **state)
{
    struct grant g = terms();
    uint8_t sigs[8 * ROOM_SIG_ITEM];
    const uint8_t(*list)[32] = (const uint8_t(*)[32])seats;
    (void)state;
    sign_by(&g, sigs, 0, 2);
    assert_int_equal(grant_majority(&g, list, SEATS), ST_DENIED);
    sign_by(&g, sigs, 0, 3);
    assert_int_equal(grant_majority(&g, list, SEATS), ST_OK);
    assert_int_equal(grant_majority(&g, list, 0), ST_DENIED);
    /* The same one three times is one; strangers are none. */
    memcpy(sigs + ROOM_SIG_ITEM, sigs, ROOM_SIG_ITEM);
    assert_int_equal(grant_majority(&g, list, SEATS), ST_DENIED);
    sign_by(&g, sigs, SEATS - 2, 4);
    assert_int_equal(grant_majority(&g, list, SEATS), ST_DENIED);
    /* A forged one under a seat's name refuses the whole. */
    sign_by(&g, sigs, 0, 4);
    sigs[3 * ROOM_SIG_ITEM + 40] ^= 1;
    assert_int_equal(grant_majority(&g, list, SEATS), ST_BAD_SIGNATURE);
    /* All terms are signed. */
    sign_by(&g, sigs, 0, 3);
    struct grant other = g;
    other.quota++;
    assert_int_equal(grant_majority(&other, list, SEATS), ST_BAD_SIGNATURE);
    other = g;
    other.expiry++;
    assert_int_equal(grant_majority(&other, list, SEATS), ST_BAD_SIGNATURE);
    other = g;
    other.list_version--;
    assert_int_equal(grant_majority(&other, list, SEATS), ST_BAD_SIGNATURE);
    other = g;
    other.seats.n--;
    assert_int_equal(grant_majority(&other, list, SEATS), ST_BAD_SIGNATURE);
    other = g;
    other.room[5] ^= 1;
    assert_int_equal(grant_majority(&other, list, SEATS), ST_BAD_SIGNATURE);
    other = g;
    other.pin[5] ^= 1;
    assert_int_equal(grant_majority(&other, list, SEATS), ST_BAD_SIGNATURE);
}

static struct room_record record(uint64_t version, uint8_t kind, const uint8_t seat[32])
{
    static const uint8_t proposal[32] = {5};
    struct room_record r = {.version = version, .kind = kind, .proof = BYTES_OF(proposal)};
    memcpy(r.seat, seat, 32);
    return r;
}

static void sign_record(struct room_record *r, uint8_t *sigs, size_t from, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint8_t *item = sigs + i * ROOM_SIG_ITEM;
        memcpy(item, seats[from + i], 32);
        if (r->kind == ROOM_RECORD_ADD)
            room_sign_add(seeds[from + i], room, r->seat, r->proof.p, item + 32);
        else
            room_sign_drop(seeds[from + i], room, r->seat, item + 32);
    }
    r->sigs = (struct list){sigs, n};
}

static void lists(void **state)
{
    struct grant_seats s = {0};
    uint8_t sigs[8 * ROOM_SIG_ITEM];
    (void)state;
    struct list unsorted = {seats[1], 2};
    assert_true(grant_seats_ok(unsorted));
    uint8_t twice[64];
    memcpy(twice, seats[0], 32);
    memcpy(twice + 32, seats[0], 32);
    assert_false(grant_seats_ok((struct list){twice, 2}));
    assert_false(grant_seats_ok((struct list){NULL, 0}));
    assert_int_equal(grant_seats_set(&s, 10, (struct list){seats[0], 3}), ST_OK);

    /* In: by most of the present seats, one version after the other, once. */
    struct room_record add = record(11, ROOM_RECORD_ADD, seats[3]);
    sign_record(&add, sigs, 0, 1);
    assert_int_equal(grant_follow(&s, room, &add), ST_DENIED);
    sign_record(&add, sigs, 0, 2);
    add.version = 12;
    assert_int_equal(grant_follow(&s, room, &add), ST_CONFLICT);
    add.version = 11;
    assert_int_equal(grant_follow(&s, room, &add), ST_OK);
    assert_true(grant_seats_has(&s, seats[3]));
    assert_int_equal(grant_follow(&s, room, &add), ST_OK); /* followed before */
    add.version = 12;
    assert_int_equal(grant_follow(&s, room, &add), ST_REPLAY);

    /* Out: by its own word, or by most of the others; never again. */
    struct room_record drop = record(12, ROOM_RECORD_DROP, seats[0]);
    sign_record(&drop, sigs, 1, 1);
    assert_int_equal(grant_follow(&s, room, &drop), ST_DENIED);
    sign_record(&drop, sigs, 0, 1);
    sigs[50] ^= 1;
    assert_int_equal(grant_follow(&s, room, &drop), ST_BAD_SIGNATURE);
    sign_record(&drop, sigs, 0, 1);
    assert_int_equal(grant_follow(&s, room, &drop), ST_OK);
    assert_false(grant_seats_has(&s, seats[0]));
    struct room_record back = record(13, ROOM_RECORD_ADD, seats[0]);
    sign_record(&back, sigs, 1, 3);
    assert_int_equal(grant_follow(&s, room, &back), ST_REPLAY);
    /* An older list, too, does not bring it back. */
    assert_int_equal(grant_seats_set(&s, 20, (struct list){seats[0], 3}), ST_REPLAY);
    struct room_record voted = record(13, ROOM_RECORD_DROP, seats[1]);
    sign_record(&voted, sigs, 2, 2);
    assert_int_equal(grant_follow(&s, room, &voted), ST_OK);
    struct room_record again = record(14, ROOM_RECORD_REHOME, seats[1]);
    assert_int_equal(grant_follow(&s, room, &again), ST_VERSION);

    /* The last one goes by "bye" only. */
    struct room_record own = record(14, ROOM_RECORD_DROP, seats[2]);
    sign_record(&own, sigs, 2, 1);
    assert_int_equal(grant_follow(&s, room, &own), ST_OK);
    struct room_record last = record(15, ROOM_RECORD_DROP, seats[3]);
    sign_record(&last, sigs, 3, 1);
    assert_int_equal(grant_follow(&s, room, &last), ST_DENIED);
    uint8_t bye[64];
    grant_bye_sign(seeds[3], room, 14, bye);
    assert_int_equal(grant_bye_verify(seats[3], room, 14, bye), ST_OK);
    assert_int_equal(grant_bye_verify(seats[3], room, 13, bye), ST_BAD_SIGNATURE);
    grant_seats_free(&s);
}

/* The nodes of an enclave as every member folds them. */
static void folded(void **state)
{
    struct depots d = {0}, copy = {0};
    struct depot_take take = {.quota = 5,
                              .expiry = 100,
                              .list_version = 4,
                              .address = BYTES_LIT("a:1"),
                              .seats = {seats[0], 3}};
    uint8_t sigs[GRANT_SEATS_MAX * ROOM_SIG_ITEM];
    struct grant g;
    struct buf b = BUF_INIT, c = BUF_INIT;
    enum status st;
    (void)state;
    memcpy(take.key, pin, 32);
    assert_null(depots_take(&d, &take, 2, &st));
    assert_int_equal(d.list[0].number, 0x1000);
    assert_non_null(depots_take(&d, &take, 2, &st)); /* no later terms */
    take.key[0]++;
    assert_null(depots_take(&d, &take, 1, &st));
    assert_int_equal(depots_find(&d, 0x1001)->leaf, 1);
    assert_null(depots_find(&d, 0x1002));
    assert_null(depots_find(&d, 1));

    struct depot_sign s = {.number = 0x1000, .expiry = 99};
    assert_non_null(depots_sign(&d, &s, 0));
    s.expiry = 100;
    assert_false(depots_grant(&d.list[0], room, sigs, &g));
    for (uint16_t i = 0; i < 2; i++) {
        memcpy(s.seat, seats[i], 32);
        grant_sign(seeds[i], &g, s.sig);
        /* A false word under the same name comes first and takes no place away. */
        struct depot_sign lie = s;
        lie.sig[0] ^= 1;
        assert_null(depots_sign(&d, &lie, 9));
        assert_null(depots_sign(&d, &s, i));
        assert_int_equal(depots_grant(&d.list[0], room, sigs, &g), i == 1);
        assert_int_equal(g.sigs.n, i + 1);
    }
    assert_int_equal(grant_majority(&g, (const uint8_t(*)[32])seats, 3), ST_OK);

    struct depot_let_go gone = {.number = 0x1001};
    assert_null(depots_let_go(&d, &gone));
    assert_non_null(depots_let_go(&d, &gone));
    assert_int_equal(depots_write(&d, &b), ST_OK);
    struct cursor at = cursor_of(buf_view(&b));
    assert_int_equal(depots_load(&copy, &at), ST_OK);
    assert_int_equal(at.left, 0);
    assert_int_equal(depots_write(&copy, &c), ST_OK);
    assert_true(bytes_same(buf_view(&b), buf_view(&c)));
    /* Renewed: the same number, signed anew, and no longer let go of. */
    take.expiry = 200;
    assert_null(depots_take(&d, &take, 0, &st));
    assert_int_equal(depots_find(&d, 0x1001)->gone, false);
    assert_int_equal(depots_find(&d, 0x1001)->sigs.n, 0);
    depots_free(&d);
    depots_free(&copy);
    buf_free(&b);
    buf_free(&c);
}

static void one_form(void **state)
{
    struct grant g = terms();
    uint8_t sigs[3 * ROOM_SIG_ITEM] = {1};
    (void)state;
    g.sigs = (struct list){sigs, 3};
    fields_mutate(&grant_fields, &g);
    struct depot_hello hello = {.req = 1, .version = 1};
    fields_mutate(&depot_hello_fields, &hello);
    struct depot_live live = {.req = 2, .ids = {seats[0], 3}};
    fields_mutate(&depot_live_fields, &live);
    struct depot_state told = {.req = 3};
    fields_mutate(&depot_state_fields, &told);
    struct depot_bye bye = {.req = 3};
    fields_mutate(&depot_bye_fields, &bye);
    struct depot_grant brought = {.req = 4, .grant = BYTES_OF(sigs)};
    fields_mutate(&depot_grant_fields, &brought);
    struct depot_records records = {.req = 4, .records = BYTES_OF(sigs)};
    fields_mutate(&depot_records_fields, &records);
    struct depot_heard heard = {.req = 4, .n = 2};
    fields_mutate(&depot_heard_fields, &heard);
    struct depot_lost lost = {.columns = {sigs, 3}};
    fields_mutate(&depot_lost_fields, &lost);
    struct offer_wire offer = {.version = 1, .address = BYTES_LIT("a:1")};
    fields_mutate(&offer_wire_fields, &offer);
    struct depot_take take = {.quota = 1, .address = BYTES_LIT("a:1"), .seats = {seats[0], 2}};
    fields_mutate(&depot_take_fields, &take);
    struct depot_sign sign = {.number = 0x1000};
    fields_mutate(&depot_sign_fields, &sign);
    struct depot_let_go let_go = {.number = 0x1000};
    fields_mutate(&depot_let_go_fields, &let_go);
    struct depot_kept kept = {.take = BYTES_OF(sigs), .leaf = 1, .sigs = {sigs, 2}};
    fields_mutate(&depot_kept_fields, &kept);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(offers), cmocka_unit_test(majorities), cmocka_unit_test(lists),
        cmocka_unit_test(folded), cmocka_unit_test(one_form),
    };
    return !!cmocka_run_group_tests(tests, setup, NULL);
}
