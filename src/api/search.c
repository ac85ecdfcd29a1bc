/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "api/search.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

/* Text as folded characters. */
struct folded {
    uint32_t *c;
    size_t n, room;
};

struct search {
    struct folded words[SEARCH_WORDS_MAX];
    size_t n;
    struct folded text; /* kept between calls, wiped at the end */
};

static bool grow(struct folded *f, size_t n)
{
    if (n <= f->room) return true;
    if (n < 2 * f->room) n = 2 * f->room;
    uint32_t *c = malloc(n * sizeof *c);
    if (c == NULL) return false;
    if (f->c != NULL) {
        memcpy(c, f->c, f->n * sizeof *c);
        bytes_wipe(f->c, f->room * sizeof *f->c);
    }
    free(f->c);
    f->c = c;
    f->room = n;
    return true;
}

#define FORM (UTF8PROC_DECOMPOSE | UTF8PROC_CASEFOLD)

/* Folded without regard to case (so that a sharp s is two s) and to how accents are written. */
static bool fold_text(struct bytes in, struct folded *out)
{
    if (in.n == 0) return true;
    utf8proc_ssize_t most = utf8proc_decompose(in.p, (utf8proc_ssize_t)in.n, NULL, 0, FORM);
    if (most < 0 || !grow(out, out->n + (size_t)most)) return false;
    utf8proc_int32_t *to = (utf8proc_int32_t *)(out->c + out->n);
    utf8proc_ssize_t n = utf8proc_decompose(in.p, (utf8proc_ssize_t)in.n, to, most, FORM);
    if (n > 0) n = utf8proc_normalize_utf32(to, n, UTF8PROC_COMPOSE);
    if (n < 0) return false;
    out->n += (size_t)n;
    return true;
}

static bool fold(struct bytes in, struct folded *out)
{
    size_t from = 0;
    out->n = 0;
    for (size_t i = 0; i < in.n;) {
        utf8proc_int32_t c;
        utf8proc_ssize_t used = utf8proc_iterate(in.p + i, (utf8proc_ssize_t)(in.n - i), &c);
        if (used > 0) {
            i += (size_t)used;
            continue;
        }
        /* A byte that is none of a character stands for itself, above all characters. */
        if (!fold_text(BYTES(in.p + from, i - from), out) || !grow(out, out->n + 64)) return false;
        out->c[out->n++] = 0x110000U + in.p[i];
        from = ++i;
    }
    return fold_text(BYTES(in.p + from, in.n - from), out);
}

static bool blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

enum status search_new(struct bytes words, struct search **ret)
{
    struct search *s = calloc(1, sizeof *s);
    enum status st = ST_OK;
    *ret = NULL;
    if (s == NULL) return ST_NO_MEMORY;
    if (words.n > SEARCH_BYTES_MAX) st = ST_USAGE;
    for (size_t i = 0; st == ST_OK && i < words.n;) {
        size_t end = i;
        while (end < words.n && !blank(words.p[end])) end++;
        if (end > i && s->n == SEARCH_WORDS_MAX)
            st = ST_USAGE;
        else if (end > i && !fold(BYTES(words.p + i, end - i), &s->words[s->n++]))
            st = ST_NO_MEMORY;
        i = end + 1;
    }
    if (st == ST_OK && s->n == 0) st = ST_USAGE;
    if (st == ST_OK)
        *ret = s;
    else
        search_free(s);
    return st;
}

static bool inside(const struct folded *text, const struct folded *word)
{
    for (size_t i = 0; i + word->n <= text->n; i++)
        if (memcmp(text->c + i, word->c, word->n * sizeof *word->c) == 0) return true;
    return false;
}

bool search_holds(struct search *s, struct bytes text)
{
    if (text.n == 0 || !fold(text, &s->text)) return false;
    for (size_t i = 0; i < s->n; i++)
        if (!inside(&s->text, &s->words[i])) return false;
    return true;
}

static void folded_free(struct folded *f)
{
    if (f->c != NULL) bytes_wipe(f->c, f->room * sizeof *f->c);
    free(f->c);
}

void search_free(struct search *s)
{
    if (s == NULL) return;
    for (size_t i = 0; i < SEARCH_WORDS_MAX; i++) folded_free(&s->words[i]);
    folded_free(&s->text);
    free(s);
}
