/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto core/files core/grant */
/* A manifest made by a member who means ill: it decodes to numbers that fit each other, and encodes to
 * the same bytes, or it is refused. */
#include "core/files/manifest.h"
#include "fuzz.h"

static void numbers_fit(const struct manifest *m)
{
    FUZZ_CHECK(m->segments_n <= MANIFEST_SEGMENTS_MAX && m->chunks_n <= MANIFEST_CHUNKS_MAX);
    for (size_t i = 0; i < m->segments_n; i++) {
        const struct manifest_segment *s = &m->segments[i];
        FUZZ_CHECK(s->k >= 1 && s->k <= s->n && s->n <= SHARD_COLUMNS_MAX);
    }
    for (size_t i = 0; i < m->chunks_n; i++) {
        const struct manifest_chunk *c = &m->chunks[i];
        FUZZ_CHECK(c->segment < m->segments_n);
        FUZZ_CHECK(c->offset < m->segments[c->segment].size || c->sealed == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t cek[32];
    struct manifest m;
    struct buf out = BUF_INIT;
    manifest_init(&m);
    if (manifest_decode(BYTES(data, size), &m) == ST_OK) {
        numbers_fit(&m);
        FUZZ_CHECK(manifest_encode(&m, &out) == ST_OK);
        FUZZ_CHECK(bytes_same(buf_view(&out), BYTES(data, size)));
        manifest_free(&m);
    }
    buf_clear(&out);
    FUZZ_CHECK(manifest_open(cek, BYTES(data, size), &out) != ST_OK);
    buf_free(&out);
    return 0;
}
