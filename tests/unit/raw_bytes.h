/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * raw_bytes: looks into files, byte by byte, for what should not be in them any
 * more: any 16 bytes in a row of what was secret. Include after cmocka.h.
 *
 * Owns: struct raw_bytes owns its copies until raw_free. Give it only bytes that
 *     look random: 16 zeros are everywhere. Fails through cmocka's assertions.
 * Order: raw_add*, raw_found*, raw_free.
 */
#ifndef ENCLAVE_TESTS_RAW_BYTES_H
#define ENCLAVE_TESTS_RAW_BYTES_H

#include "base/bytes.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RAW_WINDOW 16
#define RAW_SLOTS ((size_t)1 << 23)

struct raw_bytes {
    uint8_t *all; /* everything added, back to back */
    size_t n, cap;
    uint32_t *slots; /* offset in all + 1, by the first 8 bytes of a window */
    size_t windows;
};

static inline size_t raw_slot(const uint8_t *p)
{
    return (size_t)((get_u64(p) * UINT64_C(0x9E3779B97F4A7C15)) >> 41);
}

static inline void raw_add(struct raw_bytes *r, struct bytes b)
{
    if (r->slots == NULL) r->slots = calloc(RAW_SLOTS, sizeof *r->slots);
    assert_non_null(r->slots);
    if (r->n + b.n > r->cap) {
        r->cap = 2 * (r->n + b.n);
        r->all = realloc(r->all, r->cap);
        assert_non_null(r->all);
    }
    memcpy(r->all + r->n, b.p, b.n);
    for (size_t i = 0; i + RAW_WINDOW <= b.n; i++) {
        size_t at = raw_slot(r->all + r->n + i);
        while (r->slots[at] != 0) at = (at + 1) % RAW_SLOTS;
        r->slots[at] = (uint32_t)(r->n + i + 1);
        assert_true(++r->windows < RAW_SLOTS / 2);
    }
    r->n += b.n;
}

static inline bool raw_known(const struct raw_bytes *r, const uint8_t *p)
{
    for (size_t at = raw_slot(p); r->slots[at] != 0; at = (at + 1) % RAW_SLOTS)
        if (memcmp(r->all + r->slots[at] - 1, p, RAW_WINDOW) == 0) return true;
    return false;
}

/* How many windows of it a file holds; a file that is not there holds none. */
static inline size_t raw_found_in(const struct raw_bytes *r, const char *path)
{
    FILE *f = fopen(path, "rb");
    size_t found = 0;
    if (f == NULL) return 0;
    fseek(f, 0, SEEK_END);
    long n = ftell(f);
    rewind(f);
    uint8_t *file = malloc((size_t)n + 1);
    assert_non_null(file);
    assert_int_equal(fread(file, 1, (size_t)n, f), n);
    fclose(f);
    for (size_t i = 0; i + RAW_WINDOW <= (size_t)n; i++) found += raw_known(r, file + i);
    free(file);
    return found;
}

/* The same in every file of a directory, whatever it is called. */
static inline size_t raw_found(const struct raw_bytes *r, const char *dir)
{
    DIR *d = opendir(dir);
    size_t found = 0;
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        char path[600];
        if (e->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        found += raw_found_in(r, path);
    }
    closedir(d);
    return found;
}

static inline void raw_free(struct raw_bytes *r)
{
    free(r->all);
    free(r->slots);
    memset(r, 0, sizeof *r);
}

#endif
