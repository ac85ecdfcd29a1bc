/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * vectors: reads the flat test vector files: `key = value` lines, a blank line
 * ends a record, `#` begins a comment, byte strings are hex, an empty value is
 * an empty byte string. Include after cmocka.h; a fault in a file fails the
 * running test.
 *
 * Owns: everything handed out (texts, bytes) lives until the next
 *     vectors_next or vectors_close of the same struct.
 * Errors: vectors_open: false if the file is absent (official sets may be:
 *     VECTORS_OR_SKIP). A missing key fails the test; vectors_has asks first.
 * Order: vectors_open, while (vectors_next) { vectors_text, ... }, vectors_close.
 *
 *     struct vectors v;
 *     VECTORS_OR_SKIP(&v, VECTORS_OFFICIAL "/xwing/xwing.txt");
 *     while (vectors_next(&v)) use(vectors_bytes(&v, "ss"), vectors_u64(&v, "tc"));
 *     vectors_close(&v);
 */
#ifndef ENCLAVE_TESTS_VECTORS_H
#define ENCLAVE_TESTS_VECTORS_H

#include "base/bytes.h"
#include "base/encode.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VECTORS_FIELDS 64

struct vectors {
    const char *path;
    char *text; /* the whole file; lines are cut apart in place */
    char *at;
    size_t records; /* read so far */
    size_t n;
    const char *key[VECTORS_FIELDS];
    const char *value[VECTORS_FIELDS];
    uint8_t *arena[VECTORS_FIELDS]; /* decoded values of this record */
};

#define VECTORS_OR_SKIP(v, file)                                \
    do {                                                        \
        if (!vectors_open((v), (file))) {                       \
            print_message("skipped: %s is not here\n", (file)); \
            skip();                                             \
        }                                                       \
    } while (0)

static inline void vectors_forget(struct vectors *v)
{
    for (size_t i = 0; i < VECTORS_FIELDS; i++) {
        free(v->arena[i]);
        v->arena[i] = NULL;
    }
    v->n = 0;
}

static inline bool vectors_open(struct vectors *v, const char *path)
{
    memset(v, 0, sizeof *v);
    v->path = path;
    FILE *f = fopen(path, "rb");
    if (!f) return false;
    fseek(f, 0, SEEK_END);
    long size = ftell(f);
    rewind(f);
    v->text = size < 0 ? NULL : malloc((size_t)size + 1);
    if (!v->text || fread(v->text, 1, (size_t)size, f) != (size_t)size) {
        fclose(f);
        fail_msg("%s cannot be read", path);
    }
    fclose(f);
    v->text[size] = 0;
    v->at = v->text;
    return true;
}

static inline void vectors_close(struct vectors *v)
{
    vectors_forget(v);
    free(v->text);
    v->text = NULL;
}

/* One line, without its end; NULL at the end of the file. */
static inline char *vectors_line(struct vectors *v)
{
    if (!v->at || !*v->at) return NULL;
    char *line = v->at;
    char *end = strchr(line, '\n');
    v->at = end ? end + 1 : NULL;
    if (end) *end = 0;
    return line;
}

/* Goes to the next record. */
static inline bool vectors_next(struct vectors *v)
{
    vectors_forget(v);
    char *line;
    while ((line = vectors_line(v)) != NULL) {
        if (*line == '#') continue;
        if (!*line) {
            if (v->n) break;
            continue;
        }
        char *sep = strstr(line, " =");
        if (!sep || v->n == VECTORS_FIELDS) fail_msg("%s: cannot read: %.60s", v->path, line);
        *sep = 0;
        char *value = sep + 2;
        if (*value == ' ') value++;
        v->key[v->n] = line;
        v->value[v->n] = value;
        v->n++;
    }
    if (v->n) v->records++;
    return v->n > 0;
}

static inline size_t vectors_find(const struct vectors *v, const char *key)
{
    for (size_t i = 0; i < v->n; i++)
        if (strcmp(v->key[i], key) == 0) return i;
    return VECTORS_FIELDS;
}

static inline bool vectors_has(const struct vectors *v, const char *key)
{
    return vectors_find(v, key) < v->n;
}

static inline size_t vectors_must(const struct vectors *v, const char *key)
{
    size_t i = vectors_find(v, key);
    if (i >= v->n) fail_msg("%s: record %zu has no %s", v->path, v->records, key);
    return i;
}

static inline const char *vectors_text(const struct vectors *v, const char *key)
{
    return v->value[vectors_must(v, key)];
}

static inline bool vectors_is(const struct vectors *v, const char *key, const char *value)
{
    return strcmp(vectors_text(v, key), value) == 0;
}

static inline uint64_t vectors_u64(const struct vectors *v, const char *key)
{
    const char *text = vectors_text(v, key);
    char *end = NULL;
    errno = 0;
    unsigned long long n = strtoull(text, &end, 10);
    if (errno || end == text || *end) fail_msg("%s: %s is no number: %s", v->path, key, text);
    return (uint64_t)n;
}

/* The value as bytes. */
static inline struct bytes vectors_bytes(struct vectors *v, const char *key)
{
    size_t i = vectors_must(v, key);
    size_t len = strlen(v->value[i]), n = 0;
    if (!v->arena[i]) v->arena[i] = malloc(len / 2 + 1);
    if (!v->arena[i] || hex_decode(v->value[i], len, v->arena[i], len / 2 + 1, &n) != ST_OK)
        fail_msg("%s: record %zu: %s is not hex", v->path, v->records, key);
    return BYTES(v->arena[i], n);
}

/* The same, exactly n bytes long. */
static inline const uint8_t *vectors_fixed(struct vectors *v, const char *key, size_t n)
{
    struct bytes b = vectors_bytes(v, key);
    if (b.n != n)
        fail_msg("%s: record %zu: %s has %zu bytes, not %zu", v->path, v->records, key, b.n, n);
    return b.p;
}

/* A list of byte strings separated by spaces, all n bytes long, back to back; their number is
 * returned. A second call for the same key replaces the bytes of the first. */
static inline size_t vectors_list(struct vectors *v, const char *key, size_t n, const uint8_t **ret)
{
    size_t i = vectors_must(v, key), count = 0, got = 0;
    const char *at = v->value[i];
    free(v->arena[i]);
    v->arena[i] = malloc(strlen(at) / 2 + 1);
    if (!v->arena[i]) fail_msg("out of memory");
    while (*at) {
        size_t len = strcspn(at, " ");
        if (hex_decode(at, len, v->arena[i] + count * n, n, &got) != ST_OK || got != n)
            fail_msg("%s: record %zu: %s is not a list of %zu bytes each", v->path, v->records, key,
                     n);
        count++;
        at += len;
        while (*at == ' ') at++;
    }
    *ret = v->arena[i];
    return count;
}

/* Fails the running test unless the value equals what we computed. */
static inline void vectors_expect(struct vectors *v, const char *key, struct bytes ours)
{
    struct bytes want = vectors_bytes(v, key);
    if (!bytes_same(want, ours)) {
        size_t i = 0;
        while (i < want.n && i < ours.n && want.p[i] == ours.p[i]) i++;
        fail_msg("%s: record %zu: %s differs at byte %zu (%zu bytes, wanted %zu)", v->path,
                 v->records, key, i, ours.n, want.n);
    }
}

#endif
