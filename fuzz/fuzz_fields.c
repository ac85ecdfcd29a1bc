/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: all */
/* Every message of ours reads the same input: what decodes must encode to the very same bytes, and a
 * view must lie inside the input. */
#include "base/fields.h"
#include "field_lists.h"
#include "fuzz.h"

#include <string.h>

static struct bytes view(const struct field *f, const void *msg)
{
    const void *at = (const uint8_t *)msg + f->offset;
    struct list l;
    switch (f->kind) {
    case FIELD_VAR8:
    case FIELD_VAR16:
    case FIELD_VAR32:
    case FIELD_TAIL: return *(const struct bytes *)at;
    case FIELD_LIST8:
    case FIELD_LIST16: l = *(const struct list *)at; return BYTES(l.p, l.n * f->a);
    default: return BYTES_NONE;
    }
}

static void views_inside(const struct fields *f, const void *msg, struct bytes in)
{
    for (size_t i = 0; i < f->n; i++) {
        struct bytes v = view(&f->list[i], msg);
        FUZZ_CHECK(v.n == 0 || (v.p >= in.p && v.p + v.n <= in.p + in.n));
    }
}

static void one(const struct fields *f, struct bytes in)
{
    void *msg = calloc(1, f->struct_size);
    FUZZ_CHECK(msg);
    if (fields_decode(f, in, msg) == ST_OK) {
        struct buf again = BUF_INIT;
        views_inside(f, msg, in);
        FUZZ_CHECK(fields_encode(f, msg, &again) == ST_OK);
        FUZZ_CHECK(bytes_same(buf_view(&again), in));
        FUZZ_CHECK(fields_size(f, msg) == in.n);
        buf_free(&again);
    }
    if (f->list[f->n - 1].kind != FIELD_TAIL) {
        struct cursor c = cursor_of(in);
        if (fields_read(f, &c, msg) == ST_OK) {
            views_inside(f, msg, in);
            FUZZ_CHECK(fields_size(f, msg) == in.n - c.left);
        }
    }
    free(msg);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (size_t i = 0; field_lists[i]; i++) one(field_lists[i], BYTES(data, size));
    return 0;
}
