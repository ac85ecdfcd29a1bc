/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "api/search.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <wctype.h>

/* Text as folded characters. */
struct folded {
    uint32_t *c;
    size_t n, room;
};

struct search {
    locale_t locale;
    struct folded words[SEARCH_WORDS_MAX];
    size_t n;
    struct folded text; /* kept between calls, wiped at the end */
};

static size_t length_of(uint8_t first)
{
    return first < 0x80   ? 1
           : first < 0xC2 ? 0
           : first < 0xE0 ? 2
           : first < 0xF0 ? 3
           : first < 0xF5 ? 4
                          : 0;
}

/* One character of UTF-8, or one byte that is none (above all characters). */
static uint32_t next(const uint8_t *p, size_t left, size_t *ret_used)
{
    size_t n = length_of(p[0]);
    *ret_used = 1;
    if (n == 1) return p[0];
    uint32_t c = n == 0 ? 0 : p[0] & (0x7FU >> n);
    bool good = n != 0 && n <= left;
    for (size_t i = 1; good && i < n; i++) {
        good = (p[i] & 0xC0) == 0x80;
        c = c << 6 | (p[i] & 0x3F);
    }
    if (!good) return 0x110000U + p[0];
    *ret_used = n;
    return c;
}

static bool fold(const struct search *s, struct bytes in, struct folded *out)
{
    if (in.n > out->room) {
        if (out->c != NULL) bytes_wipe(out->c, out->room * sizeof *out->c);
        free(out->c);
        out->room = 0;
        out->c = malloc(in.n * sizeof *out->c);
        if (out->c == NULL) return false;
        out->room = in.n;
    }
    out->n = 0;
    for (size_t i = 0, used; i < in.n; i += used) {
        uint32_t c = next(in.p + i, in.n - i, &used);
        out->c[out->n++] = c < 0x110000 ? (uint32_t)towlower_l((wint_t)c, s->locale) : c;
    }
    return true;
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
    s->locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    if (s->locale == (locale_t)0) st = ST_NO_MEMORY;
    if (words.n > SEARCH_BYTES_MAX) st = ST_USAGE;
    for (size_t i = 0; st == ST_OK && i < words.n;) {
        size_t end = i;
        while (end < words.n && !blank(words.p[end])) end++;
        if (end > i && s->n == SEARCH_WORDS_MAX)
            st = ST_USAGE;
        else if (end > i && !fold(s, BYTES(words.p + i, end - i), &s->words[s->n++]))
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
    if (text.n == 0 || !fold(s, text, &s->text)) return false;
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
    if (s->locale != (locale_t)0) freelocale(s->locale);
    free(s);
}
