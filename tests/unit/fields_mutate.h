/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * fields_mutate: the mutation test that each field list gets. A sample is
 * encoded; then: it decodes and re-encodes to the same bytes, its size is what
 * fields_size says, every truncation and every longer form is refused, and
 * each flip of a bit either is refused or decodes to something that encodes to
 * exactly the flipped bytes (one byte form).
 *
 * Owns nothing. Fails through cmocka's assertions. Include after cmocka.h.
 */
#ifndef ENCLAVE_TESTS_FIELDS_MUTATE_H
#define ENCLAVE_TESTS_FIELDS_MUTATE_H

#include "base/fields.h"

#include <stdlib.h>
#include <string.h>

static inline bool fields_has_tail(const struct fields *f)
{
    return f->list[f->n - 1].kind == FIELD_TAIL;
}

static inline void fields_same_again(const struct fields *f, struct bytes in, void *room)
{
    if (fields_decode(f, in, room) != ST_OK) return;
    struct buf again = BUF_INIT;
    assert_int_equal(fields_encode(f, room, &again), ST_OK);
    assert_true(bytes_same(buf_view(&again), in));
    assert_int_equal(fields_size(f, room), in.n);
    buf_free(&again);
}

static inline void fields_mutate(const struct fields *f, const void *sample)
{
    struct buf whole = BUF_INIT;
    void *room = calloc(1, f->struct_size);
    assert_non_null(room);
    assert_int_equal(fields_encode(f, sample, &whole), ST_OK);
    assert_int_equal(fields_size(f, sample), whole.n);
    assert_int_equal(fields_decode(f, buf_view(&whole), room), ST_OK);
    fields_same_again(f, buf_view(&whole), room);
    for (size_t n = 0; n < whole.n; n++) {
        /* A copy of exactly this size lets the sanitizer see a read past the end. */
        uint8_t *cut = malloc(n + 1);
        memcpy(cut, whole.p, n);
        if (!fields_has_tail(f))
            assert_int_not_equal(fields_decode(f, BYTES(cut, n), room), ST_OK);
        else
            fields_same_again(f, BYTES(cut, n), room);
        free(cut);
    }
    size_t step = whole.n > 4096 ? whole.n / 4096 : 1;
    for (size_t i = 0; i < whole.n; i += step)
        for (unsigned bit = 0; bit < 8; bit++) {
            whole.p[i] ^= (uint8_t)(1U << bit);
            fields_same_again(f, buf_view(&whole), room);
            whole.p[i] ^= (uint8_t)(1U << bit);
        }
    if (!fields_has_tail(f)) {
        buf_u8(&whole, 0);
        assert_int_not_equal(fields_decode(f, buf_view(&whole), room), ST_OK);
    }
    free(room);
    buf_free(&whole);
}

#endif
