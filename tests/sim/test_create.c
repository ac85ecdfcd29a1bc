/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Making an enclave on a disk that fills, with a sentinel that is away, and over crashes: what is told as
 * made is there afterwards, and of what is told as failed nothing is left and nothing goes out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crypto/secret.h"
#include "sim/world.h"

static size_t rows(const struct someone *p)
{
    size_t n = 0;
    for (size_t i = 0; i < p->kv.n; i++) n += p->kv.spaces[i].n;
    return n;
}

static void count(void *arg, const struct node_enclave_info *e)
{
    (void)e;
    ++*(unsigned *)arg;
}

static unsigned enclaves(struct someone *p)
{
    unsigned n = 0;
    node_enclaves(p->node, count, &n);
    return n;
}

static void ask(struct world *w, struct someone *p, struct said *ret)
{
    struct node_create req = {.name = "club", .nick = "m0", .sentinel = w->where};
    memset(ret, 0, sizeof *ret);
    assert_int_equal(node_create(p->node, &req, told, ret), ST_OK);
}

/* A restart; a minute later nothing was dialled, nothing is listed, and no row of it is left. */
static void nothing_is_left(struct world *w, struct someone *p, size_t before)
{
    size_t dials = w->net.dials;
    crash(w, p);
    pass(w, 1000);
    boot(w, p);
    pass(w, 60000);
    assert_int_equal(enclaves(p), 0);
    assert_int_equal(w->net.dials, dials);
    assert_int_equal(rows(p), before);
    create(w, p, "club", NULL); /* the name is free */
    assert_int_equal(enclaves(p), 1);
}

static void no_room_from_the_start(void **state)
{
    (void)state;
    struct world *w = begin();
    struct someone *p = &w->people[0];
    struct said a;
    boot(w, p);
    pass(w, 1000);
    size_t dials = w->net.dials;
    p->m.full = true;
    ask(w, p, &a);
    wait_for(w, &a);
    assert_int_equal(a.st, ST_NO_SPACE);
    assert_non_null(strstr(a.text, "it is not made. Make room, then create it again"));
    assert_int_equal(enclaves(p), 0);
    assert_int_equal(w->net.dials, dials);
    p->m.full = false;
    create(w, p, "club", NULL);
    finish(w);
}

static void no_room_even_to_erase(void **state)
{
    (void)state;
    struct world *w = begin();
    struct someone *p = &w->people[0];
    struct said a;
    boot(w, p);
    pass(w, 1000);
    size_t before = rows(p);
    vnet_partition(&w->net, 1); /* the sentinel is out of reach */
    ask(w, p, &a);
    while (rows(p) == before) assert_true(turn(w, w->time.now_ms + 1000));
    p->m.full = true;
    wait_for(w, &a);
    assert_int_not_equal(a.st, ST_OK);
    assert_non_null(strstr(a.text, "could not be erased now"));
    assert_true(rows(p) > before);
    assert_int_equal(enclaves(p), 0);
    vnet_partition(&w->net, 0);
    size_t dials = w->net.dials;
    crash(w, p); /* still full: it stays on disk, and yet nothing goes out */
    boot(w, p);
    pass(w, 60000);
    assert_int_equal(enclaves(p), 0);
    assert_int_equal(w->net.dials, dials);
    assert_true(rows(p) > before);
    p->m.full = false;
    nothing_is_left(w, p, before);
    finish(w);
}

/* The sentinel has the room, and the disk does not take that it has. */
static void no_room_at_the_end(void **state)
{
    (void)state;
    struct world *w = begin();
    struct someone *p = &w->people[0];
    struct said a;
    boot(w, p);
    pass(w, 1000);
    size_t before = rows(p);
    ask(w, p, &a);
    while (vsentinel_rooms(&w->sentinel) == 0) assert_true(turn(w, w->time.now_ms + 1000));
    assert_false(a.done);
    p->m.full = true;
    wait_for(w, &a);
    assert_int_equal(a.st, ST_NO_SPACE);
    assert_int_equal(enclaves(p), 0);
    p->m.full = false;
    nothing_is_left(w, p, before);
    finish(w);
}

static void told_is_on_disk(void **state)
{
    (void)state;
    unsigned made = 0, unmade = 0, untold = 0;
    for (unsigned k = 0;; k++) {
        struct world *w = begin();
        struct someone *p = &w->people[0];
        struct said a;
        boot(w, p);
        pass(w, 1000);
        size_t before = rows(p);
        ask(w, p, &a);
        unsigned i = 0;
        while (i < k && !a.done && turn(w, w->time.now_ms + 60000)) i++;
        bool told_ok = a.done && a.st == ST_OK;
        assert_true(!a.done || told_ok);
        crash(w, p);
        boot(w, p);
        unsigned n = enclaves(p);
        if (told_ok) assert_int_equal(n, 1);
        made += told_ok;
        untold += !told_ok && n == 1;
        unmade += n == 0;
        if (n == 0) nothing_is_left(w, p, before);
        finish(w);
        if (told_ok) break;
    }
    assert_true(made == 1 && unmade > 10);
    print_message("crashes before it was told: %u left nothing, %u left the enclave\n", unmade,
                  untold);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_room_from_the_start),
        cmocka_unit_test(no_room_even_to_erase),
        cmocka_unit_test(no_room_at_the_end),
        cmocka_unit_test(told_is_on_disk),
    };
    if (crypto_start() != ST_OK) return 1;
    return !!cmocka_run_group_tests(tests, NULL, NULL);
}
