/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Somebody who writes entries of the files feed, and the tree that they make.
 * Owns: an author its tree and body. Errors: a test fails.
 * Order: author_start, fold ..., author_free. cmocka comes before.
 */
#ifndef ENCLAVE_TESTS_UNIT_TREE_AUTHOR_H
#define ENCLAVE_TESTS_UNIT_TREE_AUTHOR_H

#include "core/files/tree_private.h"
#include "crypto/hash.h"

#include <stdio.h>
#include <string.h>

struct seen {
    enum tree_effect effect;
    char path[TREE_PATH_MAX + 1];
    const char *why;
    unsigned n;
};

static inline void note(void *arg, uint8_t kind, enum tree_effect effect, struct bytes path,
                        const char *why)
{
    struct seen *s = arg;
    (void)kind;
    s->effect = effect;
    if (path.n) memcpy(s->path, path.p, path.n);
    s->path[path.n] = 0;
    s->why = why;
    s->n++;
}

struct author {
    struct tree *t;
    uint64_t index;
    uint64_t now; /* time of entries; 0: a second each */
    struct buf body;
    struct seen seen;
};

static inline void author_start(struct author *a)
{
    memset(a, 0, sizeof *a);
    a->t = tree_new();
    a->body = BUF_INIT;
}

static inline void author_free(struct author *a)
{
    tree_free(a->t);
    buf_free(&a->body);
}

/* Folds the body as the next entry of leaf. */
static inline void fold(struct author *a, uint16_t leaf)
{
    a->index++;
    struct tree_from from = {a->index - 1, leaf, a->now ? a->now : 1000 * a->index};
    assert_int_equal(tree_take(a->t, TREE_OP, buf_view(&a->body), &from, note, &a->seen), ST_OK);
}

static inline void file_of(struct tree_file *f, const char *content)
{
    memset(f, 0, sizeof *f);
    f->manifest = bytes_str(content);
    f->size = strlen(content);
    sha256(f->manifest, f->version);
}

static inline enum tree_effect put(struct author *a, uint16_t leaf, const char *path,
                                   const char *base, const char *content)
{
    struct tree_file f;
    uint8_t old[32] = {0};
    file_of(&f, content);
    if (base) sha256(bytes_str(base), old);
    tree_body_start(&a->body);
    assert_int_equal(tree_add_put(&a->body, bytes_str(path), old, &f), ST_OK);
    fold(a, leaf);
    return a->seen.effect;
}

static inline enum tree_effect mkdir_(struct author *a, const char *path)
{
    tree_body_start(&a->body);
    assert_int_equal(tree_add_mkdir(&a->body, bytes_str(path)), ST_OK);
    fold(a, 1);
    return a->seen.effect;
}

static inline enum tree_effect mv(struct author *a, const char *from, const char *to)
{
    uint8_t base[32] = {0};
    tree_body_start(&a->body);
    assert_int_equal(tree_add_mv(&a->body, bytes_str(from), bytes_str(to), base), ST_OK);
    fold(a, 1);
    return a->seen.effect;
}

static inline enum tree_effect rm(struct author *a, const char *path, const char *base)
{
    uint8_t old[32] = {0};
    if (base) sha256(bytes_str(base), old);
    tree_body_start(&a->body);
    assert_int_equal(tree_add_rm(&a->body, bytes_str(path), old), ST_OK);
    fold(a, 1);
    return a->seen.effect;
}

static inline bool has(const struct author *a, const char *path, const char *content)
{
    const struct tree_node *n = tree_find(a->t, bytes_str(path));
    if (!n) return false;
    if (!content) return n->dir;
    return !n->dir && bytes_same(n->file.manifest, bytes_str(content));
}

static inline bool join(void *arg, const struct tree_node *node)
{
    struct buf *b = arg;
    buf_bytes(b, node->path);
    buf_str(b, node->dir ? "/|" : "|");
    return true;
}

#endif
