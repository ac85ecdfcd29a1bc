/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto core/feed */
/* Pieces that a member hands over: one byte form, and nothing that the chain does not prove. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/feed/handover.h"
#include "unit/fields_mutate.h"

#include <string.h>

#define N 5

struct piece {
    struct handover_give g;
    struct buf entries;
    uint8_t after[32];
};

static void piece_make(struct piece *p, size_t size)
{
    uint8_t sealed[2048], room[32] = {1};
    memset(p, 0, sizeof *p);
    buf_init(&p->entries, HANDOVER_PIECE_MAX);
    chain_start(room, FEED_MAIL, p->g.before);
    memcpy(p->after, p->g.before, 32);
    for (uint8_t i = 0; i < N; i++) {
        memset(sealed, i + 1, sizeof sealed);
        chain_step(p->after, BYTES(sealed, size), p->after);
        buf_u32(&p->entries, (uint32_t)size);
        buf_raw(&p->entries, sealed, size);
    }
    p->g.from = 7;
    p->g.to = 7 + N;
    p->g.entries = buf_view(&p->entries);
}

static void one_byte_form(void **state)
{
    (void)state;
    struct piece p;
    piece_make(&p, 512);
    fields_mutate(&handover_ask_fields, &(struct handover_ask){.from = 3, .to = 9});
    p.g.entries.n = 40;
    fields_mutate(&handover_give_fields, &p.g);
    fields_mutate(&handover_item_fields, &(struct handover_item){.sealed = p.g.entries});
    buf_free(&p.entries);
}

static void the_chain_decides(void **state)
{
    (void)state;
    struct piece p;
    piece_make(&p, 512);
    assert_int_equal(handover_check(&p.g, p.after), ST_OK);
    /* One bit anywhere, of the entries, their lengths, the chain before or after. */
    for (size_t i = 0; i < p.entries.n; i += 37) {
        p.entries.p[i] ^= 1;
        assert_int_not_equal(handover_check(&p.g, p.after), ST_OK);
        p.entries.p[i] ^= 1;
    }
    for (size_t i = 0; i < 32; i++) {
        p.g.before[i] ^= 1;
        assert_int_equal(handover_check(&p.g, p.after), ST_INTEGRITY);
        p.g.before[i] ^= 1;
        p.after[i] ^= 1;
        assert_int_equal(handover_check(&p.g, p.after), ST_INTEGRITY);
        p.after[i] ^= 1;
    }
    /* Exactly as many as the numbers say. */
    p.g.to++;
    assert_int_not_equal(handover_check(&p.g, p.after), ST_OK);
    p.g.to -= 2;
    assert_int_equal(handover_check(&p.g, p.after), ST_BAD_MESSAGE);
    p.g.to = p.g.from;
    assert_int_equal(handover_check(&p.g, p.after), ST_BAD_MESSAGE);
    p.g.to = p.g.from + HANDOVER_ENTRIES_MAX + 1;
    assert_int_equal(handover_check(&p.g, p.after), ST_BAD_MESSAGE);
    p.g.to = 7 + N;
    p.g.entries.n--;
    assert_int_not_equal(handover_check(&p.g, p.after), ST_OK);
    buf_free(&p.entries);
    piece_make(&p, 513); /* no padded size */
    assert_int_equal(handover_check(&p.g, p.after), ST_BAD_MESSAGE);
    buf_free(&p.entries);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_byte_form),
        cmocka_unit_test(the_chain_decides),
    };
    return !!cmocka_run_group_tests(tests, NULL, NULL);
}
