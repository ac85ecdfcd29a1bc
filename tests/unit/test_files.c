/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto core/files core/grant */
/* cut, chunk, segment, manifest, place: own vectors byte for byte and properties. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#include "core/files/manifest.h"
#include "core/files/place.h"
#include "core/files/segment.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "unit/fields_mutate.h"
#include "vectors/vectors.h"

#define FILES_VECTORS VECTORS_OWN "/protocol-own/files.txt"

/* A repeatable filler. */
static void fill(uint8_t *p, size_t n, uint64_t seed)
{
    for (size_t i = 0; i < n; i++) {
        seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        p[i] = (uint8_t)(seed >> 56);
    }
}

/* --- vectors ------------------------------------------------------------------------------- */

static void chunk_vector(struct vectors *v)
{
    const uint8_t *cek = vectors_fixed(v, "cek", 32);
    const uint8_t *dedup = vectors_fixed(v, "dedup_secret", 32);
    struct bytes plain = vectors_bytes(v, "chunk");
    struct bytes stored = vectors_bytes(v, "stored");
    uint8_t compression = (uint8_t)vectors_u64(v, "compression");
    uint32_t i = (uint32_t)vectors_u64(v, "i");
    uint8_t hash[32], out[32], *sealed = malloc(stored.n + AEAD_TAG);
    sha256(stored, hash);
    vectors_expect(v, "h_stored", BYTES_OF(hash));
    chunk_key_random(cek, i, compression, (uint32_t)stored.n, hash, out);
    vectors_expect(v, "key_random", BYTES_OF(out));
    aead_seal(out, AEAD_NONCE_ZERO, vectors_bytes(v, "ad"), stored, sealed);
    vectors_expect(v, "sealed_random", BYTES(sealed, stored.n + AEAD_TAG));
    chunk_key_convergent(dedup, compression, (uint32_t)stored.n, hash, out);
    vectors_expect(v, "key_convergent", BYTES_OF(out));
    sha256(plain, hash);
    chunk_id(dedup, hash, out);
    vectors_expect(v, "chunk_id", BYTES_OF(out));
    if (compression == CHUNK_STORED) {
        struct chunk_keys keys = {.convergent = true};
        struct chunk_sealed got;
        memcpy(keys.cek, cek, 32);
        memcpy(keys.dedup, dedup, 32);
        chunk_seal(&keys, i, plain, false, sealed, &got);
        vectors_expect(v, "sealed_convergent", BYTES(sealed, got.n));
        keys.convergent = false;
        chunk_seal(&keys, i, plain, false, sealed, &got);
        vectors_expect(v, "sealed_random", BYTES(sealed, got.n));
        vectors_expect(v, "key_random", BYTES_OF(got.key));
        vectors_expect(v, "chunk_id", BYTES_OF(got.id));
    }
    free(sealed);
}

static void manifest_vector(struct vectors *v)
{
    struct buf sealed = BUF_INIT, plain = BUF_INIT;
    uint8_t id[32];
    const uint8_t *cek = vectors_fixed(v, "cek", 32);
    assert_int_equal(manifest_seal(cek, vectors_fixed(v, "nonce", 24), vectors_bytes(v, "manifest"),
                                   &sealed, id),
                     ST_OK);
    vectors_expect(v, "manifest_sealed", buf_view(&sealed));
    vectors_expect(v, "manifest_id", BYTES_OF(id));
    assert_int_equal(manifest_open(cek, buf_view(&sealed), &plain), ST_OK);
    vectors_expect(v, "manifest", buf_view(&plain));
    sealed.p[30] ^= 1;
    assert_int_equal(manifest_open(cek, buf_view(&sealed), &plain), ST_BAD_SEAL);
    buf_free(&sealed);
    buf_free(&plain);
}

static void wrap_vector(struct vectors *v)
{
    uint8_t wrap[CEK_WRAP], cek[32];
    const uint8_t *kek = vectors_fixed(v, "file_kek", 32);
    const uint8_t *id = vectors_fixed(v, "manifest_id", 32);
    uint64_t epoch = vectors_u64(v, "epoch");
    cek_wrap(kek, vectors_fixed(v, "nonce", 24), id, epoch, vectors_fixed(v, "cek", 32), wrap);
    vectors_expect(v, "wrap", BYTES_OF(wrap));
    assert_int_equal(cek_unwrap(kek, id, epoch, wrap, cek), ST_OK);
    vectors_expect(v, "cek", BYTES_OF(cek));
    assert_int_equal(cek_unwrap(kek, id, epoch + 1, wrap, cek), ST_BAD_SEAL);
}

struct made {
    unsigned k, n, rows;
    uint64_t size;
    uint8_t id[32];
    uint8_t *columns[SHARD_COLUMNS_MAX];
    uint8_t leaves[SHARD_COLUMNS_MAX][SEGMENT_COLUMN_LEAVES * 32];
    uint8_t roots[SHARD_COLUMNS_MAX * 32];
};

static void make(struct made *m, const uint8_t *payload)
{
    struct segment_code *code = NULL;
    assert_int_equal(segment_code_encode(m->k, m->n, &code), ST_OK);
    for (unsigned c = 0; c < m->n; c++) m->columns[c] = calloc(m->rows, SHARD_UNIT);
    for (unsigned r = 0; r < m->rows; r++) {
        uint8_t *units[SHARD_COLUMNS_MAX];
        for (unsigned c = 0; c < m->n; c++) units[c] = m->columns[c] + r * SHARD_UNIT;
        for (unsigned c = 0; c < m->k; c++) {
            size_t at = ((size_t)r * m->k + c) * SHARD_UNIT;
            if (at < m->size)
                memcpy(units[c], payload + at,
                       m->size - at < SHARD_UNIT ? m->size - at : SHARD_UNIT);
        }
        segment_code_run(code, units, units + m->k, SHARD_UNIT);
    }
    for (unsigned c = 0; c < m->n; c++) {
        segment_leaves(m->columns[c], m->rows * SHARD_UNIT, m->leaves[c]);
        merkle_root(m->leaves[c], m->rows * SEGMENT_UNIT_LEAVES, m->roots + c * 32);
    }
    segment_code_free(code);
}

static void made_free(struct made *m)
{
    for (unsigned c = 0; c < m->n; c++) free(m->columns[c]);
    free(m);
}

static void column_vector(struct vectors *v, const struct made *m, const uint8_t root[32])
{
    unsigned c = (unsigned)vectors_u64(v, "index");
    uint8_t out[32], header[SHARD_HEADER], trailer[SHARD_TRAILER_MAX];
    size_t bytes = m->rows * SHARD_UNIT;
    sha256(BYTES(m->columns[c], bytes), out);
    vectors_expect(v, "column_sha256", BYTES_OF(out));
    vectors_expect(v, "column_root", BYTES(m->roots + c * 32, 32));
    uint8_t path[MERKLE_PATH_MAX][MERKLE_HASH];
    size_t len = merkle_path(m->leaves[c], m->rows * SEGMENT_UNIT_LEAVES, 5, path);
    const uint8_t *want;
    assert_int_equal(vectors_list(v, "leaf5_path", 32, &want), len);
    assert_memory_equal(path, want, len * 32);
    segment_header(m->id, (uint8_t)c, (uint8_t)m->k, (uint8_t)m->n, header);
    vectors_expect(v, "header", BYTES_OF(header));
    struct shard_header h;
    assert_int_equal(segment_header_read(BYTES_OF(header), &h), ST_OK);
    size_t n = segment_trailer(m->roots, m->n, (uint8_t)c, m->size, trailer);
    vectors_expect(v, "trailer", BYTES(trailer, n));
    SHA256_OF(out, BYTES_OF(header), BYTES(m->columns[c], bytes), BYTES(trailer, n));
    vectors_expect(v, "shard_sha256", BYTES_OF(out));
    struct shard_trailer t;
    assert_int_equal(segment_trailer_read(BYTES(trailer, n), m->k, m->rows, &t), ST_OK);
    assert_int_equal(segment_trailer_check(&t, (uint8_t)c, m->n, root), ST_OK);
    assert_int_not_equal(segment_trailer_check(&t, (uint8_t)((c + 1) % m->n), m->n, root), ST_OK);
    for (size_t i = 0; i < n; i++) {
        trailer[i] ^= 0x10;
        enum status st = segment_trailer_read(BYTES(trailer, n), m->k, m->rows, &t);
        assert_int_not_equal(st, ST_OK);
        trailer[i] ^= 0x10;
    }
}

static void own_vectors(void **state)
{
    (void)state;
    struct vectors v;
    struct made *m = calloc(1, sizeof *m);
    uint8_t root[32] = {0};
    unsigned seen = 0;
    VECTORS_OR_SKIP(&v, FILES_VECTORS);
    while (vectors_next(&v)) {
        if (vectors_is(&v, "case", "chunk")) chunk_vector(&v);
        if (vectors_is(&v, "case", "manifest")) manifest_vector(&v);
        if (vectors_is(&v, "case", "cek_wrap")) wrap_vector(&v);
        if (vectors_is(&v, "case", "segment")) {
            m->k = (unsigned)vectors_u64(&v, "k");
            m->n = (unsigned)vectors_u64(&v, "n");
            m->rows = (unsigned)vectors_u64(&v, "rows");
            m->size = vectors_u64(&v, "size");
            memcpy(m->id, vectors_fixed(&v, "segment_id", 32), 32);
            assert_int_equal(segment_rows(m->k, m->size), m->rows);
            uint8_t *payload = malloc(m->size + 32);
            for (uint32_t i = 0; i * 32 < m->size; i++) {
                uint8_t number[4];
                put_u32(number, i);
                SHA256_OF(payload + i * 32, BYTES_LIT("ENCLAVE test fill"), BYTES_OF(number));
            }
            make(m, payload);
            free(payload);
            segment_root(m->roots, m->n, root);
            vectors_expect(&v, "segment_root", BYTES_OF(root));
        }
        if (vectors_is(&v, "case", "column")) {
            column_vector(&v, m, root);
            seen++;
        }
    }
    assert_int_equal(seen, 5);
    vectors_close(&v);
    made_free(m);
}

/* --- the code ------------------------------------------------------------------------------ */

static unsigned bits_of(uint32_t set)
{
    return (unsigned)__builtin_popcount(set);
}

/* Rebuilds everything else from the columns in have and compares. */
static void rebuild(unsigned k, unsigned n, uint64_t have_set, uint8_t (*units)[64])
{
    uint8_t have[SHARD_COLUMNS_MAX], want[SHARD_COLUMNS_MAX], room[SHARD_COLUMNS_MAX][64];
    uint8_t *in[SHARD_COLUMNS_MAX], *out[SHARD_COLUMNS_MAX];
    unsigned h = 0, w = 0;
    for (unsigned c = 0; c < n; c++)
        if (have_set >> c & 1) {
            in[h] = units[c];
            have[h++] = (uint8_t)c;
        } else {
            out[w] = room[w];
            want[w++] = (uint8_t)c;
        }
    assert_int_equal(h, k);
    struct segment_code *code = NULL;
    assert_int_equal(segment_code_rebuild(k, n, have, want, w, &code), ST_OK);
    segment_code_run(code, in, out, 64);
    for (unsigned i = 0; i < w; i++) assert_memory_equal(room[i], units[want[i]], 64);
    segment_code_free(code);
}

static void code_row(unsigned k, unsigned n, uint8_t (*units)[64])
{
    uint8_t *at[SHARD_COLUMNS_MAX];
    struct segment_code *code = NULL;
    for (unsigned c = 0; c < n; c++) at[c] = units[c];
    for (unsigned c = 0; c < k; c++) fill(units[c], 64, k * 1000 + c);
    assert_int_equal(segment_code_encode(k, n, &code), ST_OK);
    segment_code_run(code, at, at + k, 64);
    segment_code_free(code);
}

static void any_k_columns_do(void **state)
{
    (void)state;
    static const uint8_t shapes[][2] = {{1, 1}, {1, 2}, {1, 5}, {2, 3}, {2, 6},
                                        {3, 5}, {4, 8}, {5, 7}, {6, 6}};
    uint8_t units[SHARD_COLUMNS_MAX][64];
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        unsigned k = shapes[s][0], n = shapes[s][1];
        code_row(k, n, units);
        for (uint32_t set = 0; set < 1U << n; set++)
            if (bits_of(set) == k) rebuild(k, n, set, units);
    }
    static const uint8_t large[][2] = {{8, 20}, {10, 20}, {7, 21}, {18, 30}, {32, 64}, {63, 64}};
    uint64_t seed = 7;
    for (size_t s = 0; s < sizeof large / sizeof *large; s++) {
        unsigned k = large[s][0], n = large[s][1];
        code_row(k, n, units);
        for (unsigned turn = 0; turn < 100; turn++) {
            uint64_t set = 0;
            for (unsigned have = 0; have < k;) {
                uint8_t c;
                fill(&c, 1, ++seed * 977);
                if (set >> (c % n) & 1) continue;
                set |= UINT64_C(1) << (c % n);
                have++;
            }
            rebuild(k, n, set, units);
        }
    }
    struct segment_code *code;
    assert_int_equal(segment_code_encode(3, 2, &code), ST_USAGE);
    assert_int_equal(segment_code_encode(0, 2, &code), ST_USAGE);
    assert_int_equal(segment_code_encode(2, 65, &code), ST_USAGE);
    assert_int_equal(
        segment_code_rebuild(2, 4, (const uint8_t[]){1, 1}, (const uint8_t[]){0}, 1, &code),
        ST_USAGE);
}

/* protocol.md 9: a[i][j] = inverse(i xor j) over 0x11D. */
static void parity_is_as_specified(void **state)
{
    (void)state;
    uint8_t units[SHARD_COLUMNS_MAX][64];
    memset(units, 0, sizeof units);
    struct segment_code *code = NULL;
    uint8_t *at[SHARD_COLUMNS_MAX];
    for (unsigned c = 0; c < 20; c++) at[c] = units[c];
    assert_int_equal(segment_code_encode(8, 20, &code), ST_OK);
    for (unsigned j = 0; j < 8; j++) {
        for (unsigned c = 0; c < 8; c++) units[c][0] = c == j;
        segment_code_run(code, at, at + 8, 64);
        for (unsigned i = 8; i < 20; i++) {
            unsigned a = units[i][0], b = i ^ j, product = 0;
            for (unsigned bit = 0; bit < 8; bit++) {
                if (b >> bit & 1) product ^= a << bit;
            }
            for (unsigned bit = 15; bit >= 8; bit--)
                if (product >> bit & 1) product ^= 0x11DU << (bit - 8);
            assert_int_equal(product, 1);
        }
    }
    segment_code_free(code);
}

static void headers_are_strict(void **state)
{
    (void)state;
    uint8_t h[SHARD_HEADER], id[32] = {1};
    struct shard_header got;
    segment_header(id, 3, 8, 20, h);
    fields_mutate(&shard_header_fields, &(struct shard_header){.index = 1});
    uint8_t path[3 * 32] = {0};
    fields_mutate(&shard_trailer_fields, &(struct shard_trailer){.path = {path, 3}});
    assert_int_equal(segment_header_read(BYTES_OF(h), &got), ST_OK);
    h[39] = 1;
    assert_int_not_equal(segment_header_read(BYTES_OF(h), &got), ST_OK);
    segment_header(id, 20, 8, 20, h);
    assert_int_not_equal(segment_header_read(BYTES_OF(h), &got), ST_OK);
    assert_int_equal(segment_rows_full(1), 32);
    assert_int_equal(segment_rows_full(8), 32);
    assert_int_equal(segment_rows_full(10), 25);
    assert_int_equal(segment_rows_full(64), 4);
}

/* Every shape's paths lead to the same root. */
static void paths_lead_to_the_root(void **state)
{
    (void)state;
    uint8_t roots[SHARD_COLUMNS_MAX * 32], root[32], trailer[SHARD_TRAILER_MAX];
    fill(roots, sizeof roots, 3);
    for (unsigned n = 1; n <= SHARD_COLUMNS_MAX; n++) {
        segment_root(roots, n, root);
        for (unsigned c = 0; c < n; c++) {
            struct shard_trailer t;
            size_t len = segment_trailer(roots, n, (uint8_t)c, 5, trailer);
            assert_true(len >= SHARD_TRAILER_MIN && len <= SHARD_TRAILER_MAX);
            assert_int_equal(segment_trailer_read(BYTES(trailer, len), 1, 1, &t), ST_OK);
            assert_int_equal(segment_trailer_check(&t, (uint8_t)c, n, root), ST_OK);
        }
    }
}

/* --- cut and chunk ------------------------------------------------------------------------- */

static void cuts_follow_the_content(void **state)
{
    (void)state;
    size_t n = (size_t)24 << 20, shift = 12345, count = 0, met = 0;
    uint8_t *p = malloc(n), secret[32] = {9};
    struct cut c;
    fill(p, n, 1);
    cut_init(&c, secret);
    static size_t borders[256];
    for (size_t at = 0; at < n;) {
        size_t left = n - at < CUT_MAX ? n - at : CUT_MAX;
        size_t len = cut_next(&c, p + at, left);
        assert_true(len >= 1 && len <= CUT_MAX && (len >= CUT_MIN || at + len == n));
        at += len;
        borders[count++] = at;
    }
    assert_true(count >= 12 && count <= 60);
    /* Starting elsewhere falls into the same borders soon. */
    for (size_t at = shift; at < n;) {
        size_t left = n - at < CUT_MAX ? n - at : CUT_MAX;
        at += cut_next(&c, p + at, left);
        for (size_t i = 0; i < count; i++) met += borders[i] == at;
    }
    assert_true(met * 2 > count);
    secret[0]++;
    struct cut other;
    cut_init(&other, secret);
    assert_int_not_equal(cut_next(&c, p, CUT_MAX), cut_next(&other, p, CUT_MAX));
    assert_int_equal(cut_next(&c, p, 1), 1);
    assert_int_equal(cut_next(&c, p, CUT_MIN), CUT_MIN);
    free(p);
}

static void chunks_round_trip(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 63, 4096, 100000, 700000, CHUNK_PLAIN_MAX};
    uint8_t *p = malloc(CHUNK_PLAIN_MAX), *q = malloc(CHUNK_PLAIN_MAX);
    uint8_t *out = malloc(CHUNK_SEALED_MAX), *scratch = malloc(CHUNK_SEALED_MAX);
    struct chunk_keys keys = {{1}, {2}, false};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (unsigned kind = 0; kind < 4; kind++) {
            size_t n = sizes[i];
            struct chunk_sealed s;
            keys.convergent = kind & 1;
            fill(p, n, i);
            if (kind & 2)
                for (size_t b = 0; b < n; b++) p[b] = (uint8_t)("enclave "[b % 8]);
            chunk_seal(&keys, 3, BYTES(p, n), true, out, &s);
            if (n >= 4096) assert_int_equal(s.compression, kind & 2 ? CHUNK_ZSTD : CHUNK_STORED);
            assert_true(s.n <= n + AEAD_TAG);
            struct bytes sealed = BYTES(out, s.n);
            assert_int_equal(chunk_open(s.key, s.compression, sealed, scratch, q, n), ST_OK);
            assert_memory_equal(p, q, n);
            if (s.compression)
                assert_int_equal(chunk_open(s.key, s.compression, sealed, scratch, q, n - 1),
                                 ST_INTEGRITY);
            assert_int_equal(chunk_open(s.key, 2, sealed, scratch, q, n), ST_VERSION);
            out[s.n / 2] ^= 1;
            assert_int_equal(chunk_open(s.key, s.compression, sealed, scratch, q, n), ST_BAD_SEAL);
        }
    free(p);
    free(q);
    free(out);
    free(scratch);
}

/* --- manifest ------------------------------------------------------------------------------ */

static void sample_manifest(struct manifest *m)
{
    manifest_init(m);
    m->size = 3000000;
    m->mtime_ms = 1700000000123;
    m->mode = 0100644;
    for (unsigned s = 0; s < 2; s++) {
        struct manifest_segment seg = {.k = 1, .n = 2};
        fill(seg.id, 32, s);
        seg.size = s ? 3000032 - 2097152 : 2097152;
        seg.rows = segment_rows(1, seg.size);
        seg.at[0] = 4;
        seg.at[1] = MANIFEST_NOBODY;
        assert_int_equal(manifest_add_segment(m, &seg), ST_OK);
    }
    /* The second chunk begins in the first segment and goes on in the second. */
    struct manifest_chunk a = {.sealed = 1500016, .plain = 1500000, .segment = 0};
    struct manifest_chunk b = a;
    b.offset = 1500016;
    assert_int_equal(manifest_add_chunk(m, &a), ST_OK);
    assert_int_equal(manifest_add_chunk(m, &b), ST_OK);
}

static enum status decode_again(const struct manifest *m)
{
    struct buf b = BUF_INIT;
    struct manifest back;
    assert_int_equal(manifest_encode(m, &b), ST_OK);
    enum status st = manifest_decode(buf_view(&b), &back);
    if (st == ST_OK) {
        struct buf again = BUF_INIT;
        assert_int_equal(manifest_encode(&back, &again), ST_OK);
        assert_true(bytes_same(buf_view(&b), buf_view(&again)));
        buf_free(&again);
        manifest_free(&back);
    }
    buf_free(&b);
    return st;
}

static void manifests_are_checked(void **state)
{
    (void)state;
    struct manifest m, back;
    sample_manifest(&m);
    assert_int_equal(decode_again(&m), ST_OK);
    m.chunks[1].offset++;
    assert_int_equal(decode_again(&m), ST_INTEGRITY); /* runs over the end */
    m.chunks[1].offset--;
    m.chunks[1].segment = 2;
    assert_int_equal(decode_again(&m), ST_INTEGRITY);
    m.chunks[1].segment = 0;
    m.size++;
    assert_int_equal(decode_again(&m), ST_INTEGRITY);
    m.size--;
    m.segments[0].rows--;
    assert_int_equal(decode_again(&m), ST_INTEGRITY);
    m.segments[0].rows++;
    m.chunks[0].compression = 2;
    assert_int_equal(decode_again(&m), ST_VERSION);
    m.chunks[0].compression = 0;

    struct buf b = BUF_INIT;
    assert_int_equal(manifest_encode(&m, &b), ST_OK);
    for (size_t n = 0; n < b.n; n++) {
        uint8_t *cut = malloc(n + 1);
        memcpy(cut, b.p, n);
        assert_int_not_equal(manifest_decode(BYTES(cut, n), &back), ST_OK);
        free(cut);
    }
    for (size_t i = 0; i < b.n * 8; i++) {
        b.p[i / 8] ^= (uint8_t)(1U << i % 8);
        if (manifest_decode(buf_view(&b), &back) == ST_OK) {
            struct buf again = BUF_INIT;
            assert_int_equal(manifest_encode(&back, &again), ST_OK);
            assert_true(bytes_same(buf_view(&again), buf_view(&b)));
            buf_free(&again);
            manifest_free(&back);
        }
        b.p[i / 8] ^= (uint8_t)(1U << i % 8);
    }
    buf_u8(&b, 0);
    assert_int_not_equal(manifest_decode(buf_view(&b), &back), ST_OK);
    buf_free(&b);
    manifest_free(&m);
    manifest_init(&m); /* the empty file */
    assert_int_equal(decode_again(&m), ST_OK);
}

/* --- place --------------------------------------------------------------------------------- */

static void balanced_rule(void **state)
{
    (void)state;
    /* protocol-notes 5.2 */
    static const uint8_t rows[][3] = {{1, 1, 1},    {2, 10, 20},  {3, 7, 21},   {4, 5, 20},
                                      {5, 8, 20},   {6, 8, 24},   {7, 9, 21},   {8, 12, 24},
                                      {10, 10, 20}, {12, 14, 24}, {15, 18, 30}, {20, 13, 20},
                                      {64, 13, 20}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct place_code c = place_balanced(rows[i][0]);
        assert_int_equal(c.k, rows[i][1]);
        assert_int_equal(c.n, rows[i][2]);
    }
    struct place_code c;
    assert_int_equal(place_profile("8/20", 5, &c), ST_OK);
    assert_int_equal(c.k, 8);
    assert_int_equal(c.n, 20);
    static const char *bad[] = {"",    "8",    "8/",     "/20", "20/8",
                                "0/4", "8/65", "8/20/1", "a/b", "8/200"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(place_profile(bad[i], 5, &c), ST_USAGE);
    assert_int_equal(place_profile("mirror", 4, &c), ST_OK);
    assert_int_equal(c.k, 1);
    assert_int_equal(c.n, 4);
    assert_int_equal(place_profile("thrifty", 6, &c), ST_OK);
    assert_int_equal(c.k, 12);
    assert_int_equal(place_profile("balanced", 6, &c), ST_OK);
    assert_int_equal(c.k, 8);
    uint8_t five[5] = {4, 4, 4, 4, 4};
    double p[5] = {0.9, 0.9, 0.9, 0.9, 0.9};
    double loss = place_loss(five, p, 5, 8);
    assert_true(loss > 4.5e-4 && loss < 4.7e-4);
}

static void thrifty_rule(void **state)
{
    (void)state;
    /* protocol-notes 5.2 */
    static const uint8_t rows[][3] = {{1, 1, 1},    {2, 10, 20},  {3, 7, 21},   {4, 5, 20},
                                      {5, 8, 20},   {6, 12, 24},  {7, 12, 21},  {8, 15, 24},
                                      {10, 12, 20}, {12, 16, 24}, {15, 22, 30}, {20, 15, 20}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct place_code c = place_thrifty(rows[i][0]);
        assert_int_equal(c.k, rows[i][1]);
        assert_int_equal(c.n, rows[i][2]);
    }
}

/* The most columns that some t of the holders have together: every choice of them is counted, by a
 * table over (holders, t), which assumes nothing of what the worst choice looks like. */
static unsigned most_of(const unsigned *count, size_t g, size_t t)
{
    unsigned most[PLACE_COLUMNS_MAX + 1] = {0};
    for (size_t i = 0; i < g; i++)
        for (size_t s = i + 1 < t ? i + 1 : t; s >= 1; s--)
            if (most[s - 1] + count[i] > most[s]) most[s] = most[s - 1] + count[i];
    return most[t];
}

/* All subsets, one by one. */
static void try_all(const unsigned *count, size_t g, unsigned n, unsigned k, unsigned t)
{
    bool worse = t == g;
    for (uint32_t gone = 0; gone < UINT32_C(1) << g; gone++) {
        unsigned left = n;
        for (size_t i = 0; i < g; i++)
            if (gone >> i & 1) left -= count[i];
        unsigned vanished = (unsigned)__builtin_popcount(gone);
        if (vanished <= t) assert_true(left >= k);
        if (vanished == t + 1 && left < k) worse = true;
    }
    assert_true(worse);
}

/* "any T of G may vanish" is true, and T + 1 is not, for every rule and profile, 2 to 64 holders. */
static void the_promise_is_kept(void **state)
{
    (void)state;
    static const char *const profiles[] = {"balanced", "thrifty", "mirror", "8/20",
                                           "3/7",      "10/64",   "1/2",    "5/5"};
    uint8_t secret[32] = {9}, id[32] = {0};
    uint16_t leaves[64], at[PLACE_COLUMNS_MAX];
    for (uint16_t i = 0; i < 64; i++) leaves[i] = (uint16_t)(i * 5 + 1);
    for (size_t g = 2; g <= 64; g++)
        for (size_t p = 0; p < sizeof profiles / sizeof *profiles; p++) {
            struct place_code c;
            unsigned count[64] = {0}, holders;
            id[0] = (uint8_t)p;
            id[1] = (uint8_t)g;
            assert_int_equal(place_profile(profiles[p], g, &c), ST_OK);
            place_columns(secret, id, leaves, g, c.n, at);
            for (unsigned i = 0; i < c.n; i++) count[(at[i] - 1) / 5]++;
            for (size_t i = 0; i < g; i++)
                assert_true(count[i] <= (c.n + (g > 20 && c.n <= 20 ? 20 : g) - 1) /
                                            (g > 20 && c.n <= 20 ? 20 : g));
            int t = place_may_vanish(at, c.n, c.k, &holders);
            assert_true(t >= 0);
            assert_true(c.n - most_of(count, g, (size_t)t) >= c.k);
            assert_true((size_t)t + 1 > g || c.n - most_of(count, g, (size_t)t + 1) < c.k);
            if (g <= 14) try_all(count, g, c.n, c.k, (unsigned)t);
        }
}

static double chance(void *arg, uint16_t holder)
{
    return ((const double *)arg)[holder];
}

/* Against all ways in which five can be up or down. */
static void survival_is_counted(void **state)
{
    (void)state;
    double p[5] = {0.9, 0.5, 0.99, 0.7, 0.9};
    uint16_t at[20], weakest;
    for (unsigned i = 0; i < 20; i++) at[i] = (uint16_t)(i % 5);
    at[4] = at[9] = PLACE_NOBODY; /* holder 4 has two */
    double sum = 0;
    for (unsigned up = 0; up < 32; up++) {
        double one = 1;
        unsigned columns = 0;
        for (unsigned h = 0; h < 5; h++) {
            one *= up >> h & 1 ? p[h] : 1 - p[h];
            if (up >> h & 1) columns += h == 4 ? 2 : 4;
        }
        if (columns >= 8) sum += one;
    }
    double got = place_survival(at, 20, 8, chance, p, &weakest);
    assert_true(got > sum - 1e-12 && got < sum + 1e-12);
    assert_int_equal(weakest, 2); /* the most is lost without the best of them */
}

static void columns_spread_evenly(void **state)
{
    (void)state;
    uint16_t leaves[30], at[PLACE_COLUMNS_MAX];
    uint8_t secret[32] = {1}, id[32] = {0};
    for (uint16_t i = 0; i < 30; i++) leaves[i] = (uint16_t)(i * 3);
    for (size_t g = 1; g <= 30; g++)
        for (unsigned turn = 0; turn < 20; turn++) {
            struct place_code c = place_balanced(g);
            unsigned count[100] = {0}, holders = 0, most = 0;
            id[0] = (uint8_t)turn;
            place_columns(secret, id, leaves, g, c.n, at);
            for (unsigned i = 0; i < c.n; i++) count[at[i]]++;
            for (unsigned i = 0; i < 100; i++) {
                holders += count[i] > 0;
                if (count[i] > most) most = count[i];
            }
            unsigned used = g > 20 ? 20 : (unsigned)g;
            assert_int_equal(holders, used);
            assert_int_equal(most, (c.n + used - 1) / used);
        }
    /* 8 of 20 on five: any three may go; with one holder away still two. */
    for (unsigned i = 0; i < 20; i++) at[i] = (uint16_t)(i % 5);
    unsigned holders = 0;
    assert_int_equal(place_may_vanish(at, 20, 8, &holders), 3);
    assert_int_equal(holders, 5);
    for (unsigned i = 0; i < 20; i += 5) at[i] = PLACE_NOBODY;
    assert_int_equal(place_may_vanish(at, 20, 8, &holders), 2);
    for (unsigned i = 0; i < 20; i++)
        if (at[i] < 4) at[i] = PLACE_NOBODY;
    assert_int_equal(place_may_vanish(at, 20, 8, &holders), -1);
    at[0] = 1;
    assert_int_equal(place_may_vanish(at, 1, 1, &holders), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(own_vectors),
        cmocka_unit_test(any_k_columns_do),
        cmocka_unit_test(parity_is_as_specified),
        cmocka_unit_test(headers_are_strict),
        cmocka_unit_test(paths_lead_to_the_root),
        cmocka_unit_test(cuts_follow_the_content),
        cmocka_unit_test(chunks_round_trip),
        cmocka_unit_test(manifests_are_checked),
        cmocka_unit_test(balanced_rule),
        cmocka_unit_test(thrifty_rule),
        cmocka_unit_test(the_promise_is_kept),
        cmocka_unit_test(survival_is_counted),
        cmocka_unit_test(columns_spread_evenly),
    };
    if (crypto_start() != ST_OK) return 1;
    return !!cmocka_run_group_tests(tests, NULL, NULL);
}
