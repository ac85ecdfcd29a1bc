/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto core/feed core/mail */
/*
 * Words of earlier from hostile hands: a file, rows that a member shares, packed content. The first byte
 * chooses:
 *
 *     0: one row: what is read has one byte form.
 *     1: rows with lengths, as an entry or a chunk carries them.
 *     2: a file's head.
 *     3: a file made well, then changed: chunks of (len u8 | bytes), after a byte that says what happens to
 *        it: cut, altered, two chunks swapped, one doubled, something behind its end. Only the whole file
 *        in its order is taken.
 *     4: packed content.
 */
#include "core/feed/squeeze.h"
#include "core/mail/envelope.h"
#include "core/mail/history.h"
#include "fuzz.h"

#include <string.h>

#define CHUNKS_MAX 16

static void one_row(struct bytes in)
{
    struct history_row row;
    struct buf out = BUF_INIT;
    if (history_row_read(in, &row) == ST_OK) {
        FUZZ_CHECK(fields_encode(&history_row_fields, &row, &out) == ST_OK);
        FUZZ_CHECK(bytes_same(buf_view(&out), in));
        buf_clear(&out);
        FUZZ_CHECK(history_put(&row, &out) == ST_OK && out.n == in.n + 4);
    }
    buf_free(&out);
}

static void many_rows(struct bytes in)
{
    struct cursor c = cursor_of(in);
    struct history_about about;
    struct history_row row;
    enum status st = history_get_about(&c, &about);
    if (st != ST_OK) c = cursor_of(in);
    size_t left = c.left;
    while ((st = history_get(&c, &row)) == ST_OK) {
        FUZZ_CHECK(c.left < left && row.nick.n > 0);
        left = c.left;
    }
    FUZZ_CHECK(st != ST_NOT_FOUND || c.left == 0);
}

static void head(struct bytes in)
{
    struct history_cost cost;
    struct history_keys keys;
    static const uint8_t root[32];
    if (history_head_read(in, 3, 65536, &cost) != ST_OK) return;
    FUZZ_CHECK(in.n == HISTORY_HEAD && cost.passes >= 3 && cost.passes <= 64);
    FUZZ_CHECK(cost.memory_kib >= 65536 && cost.memory_kib <= 4U << 20);
    FUZZ_CHECK(history_open(in, root, &keys) == ST_PASSWORD);
}

/* Reads it as an importer does; true: taken whole, and plain is what it held. */
static bool take(struct bytes file, struct buf *plain)
{
    struct history_keys keys = {.n = 0};
    size_t used;
    while (!keys.ended) {
        if (history_next(&keys, file, &used, plain) != ST_OK) return false;
        FUZZ_CHECK(used > 0 && used <= file.n);
        file = BYTES(file.p + used, file.n - used);
    }
    return history_next(&keys, file, &used, plain) == ST_PENDING;
}

static void file(struct bytes in)
{
    struct history_keys keys = {.n = 0};
    struct bytes chunk[CHUNKS_MAX];
    size_t at[CHUNKS_MAX + 1] = {0}, n = 0;
    struct buf whole = BUF_INIT, held = BUF_INIT, changed = BUF_INIT, plain = BUF_INIT;
    struct cursor c = cursor_of(in);
    unsigned what = cursor_u8(&c), which = cursor_u8(&c);
    while (n < CHUNKS_MAX && c.left > 0 && !c.bad) {
        size_t len = cursor_u8(&c);
        chunk[n++] = cursor_take(&c, len < c.left ? len : c.left);
    }
    if (n == 0) return;
    for (size_t i = 0; i < n; i++) {
        FUZZ_CHECK(history_seal(&keys, i + 1 == n, chunk[i], &whole) == ST_OK);
        buf_bytes(&held, chunk[i]);
        at[i + 1] = whole.n;
    }
    FUZZ_CHECK(take(buf_view(&whole), &plain) && bytes_same(buf_view(&plain), buf_view(&held)));
    buf_clear(&plain);
    size_t i = which % n, k = (which / n + 1 + i) % n;
    buf_bytes(&changed, buf_view(&whole));
    switch (what % 5) {
    case 0: changed.n = (size_t)which * 7 % whole.n; break;
    case 1: changed.p[(size_t)which * 13 % whole.n] ^= (uint8_t)(1U << what % 8); break;
    case 2: /* swapped, or the same again if it is one chunk alone */
        if (i == k) changed.n = 0;
        for (size_t j = 0, to = 0; i != k && j < n; j++) {
            size_t from = j == i ? k : j == k ? i : j;
            memcpy(changed.p + to, whole.p + at[from], at[from + 1] - at[from]);
            to += at[from + 1] - at[from];
        }
        break;
    case 3: buf_raw(&changed, whole.p + at[i], at[i + 1] - at[i]); break;
    default: buf_u8(&changed, (uint8_t)which); break;
    }
    FUZZ_CHECK(!take(buf_view(&changed), &plain));
    buf_free(&whole);
    buf_free(&held);
    buf_free(&changed);
    buf_free(&plain);
}

static void packed(struct bytes in)
{
    struct buf out, again = BUF_INIT;
    buf_init(&out, ENVELOPE_CONTENT_MAX);
    if (squeeze_open(ENVELOPE_OVERHEAD, in, ENVELOPE_CONTENT_MAX, &out) == ST_OK)
        FUZZ_CHECK(out.n > 0 && out.n <= ENVELOPE_CONTENT_MAX);
    else
        FUZZ_CHECK(out.n == 0);
    buf_clear(&out);
    if (squeeze_pack(ENVELOPE_OVERHEAD, in, &again)) {
        FUZZ_CHECK(squeeze_open(ENVELOPE_OVERHEAD, buf_view(&again), ENVELOPE_CONTENT_MAX, &out) ==
                   ST_OK);
        FUZZ_CHECK(bytes_same(buf_view(&out), in));
    }
    buf_free(&again);
    buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) return 0;
    struct bytes rest = BYTES(data + 1, size - 1);
    switch (data[0] % 5) {
    case 0: one_row(rest); break;
    case 1: many_rows(rest); break;
    case 2: head(rest); break;
    case 3: file(rest); break;
    default: packed(rest); break;
    }
    return 0;
}
