/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "cli/talk/rows.h"

#include <stdbool.h>
#include <stdio.h>
#include <wctype.h>

struct place {
    unsigned row, column, columns;
};

static void wrap(struct place *p)
{
    if (p->column < p->columns) return;
    p->column = 0;
    p->row++;
}

/* Narrow ones, one after the other. */
static void narrow(struct place *p, unsigned n)
{
    for (; n > 0; n--) {
        p->column++;
        wrap(p);
    }
}

static bool does_not_fit(const struct place *p, wchar_t c)
{
    int width = iswprint((wint_t)c) ? wcwidth(c) : 1;
    return width > 1 && p->column + (unsigned)width > p->columns;
}

static void put(struct place *p, wchar_t c)
{
    if (c == L'\t') {
        do narrow(p, 1);
        while (p->column % 8 != 0);
    } else if (c == L'\n') {
        p->column = 0;
        p->row++;
    } else if (iswcntrl((wint_t)c)) {
        narrow(p, 2);
    } else if (!iswprint((wint_t)c)) {
        char shown[16]; /* \U+1234 */
        narrow(p, (unsigned)snprintf(shown, sizeof shown, "\\U+%04lX", (unsigned long)c));
    } else {
        int width = wcwidth(c);
        while (does_not_fit(p, c)) narrow(p, 1);
        p->column += width > 0 ? (unsigned)width : 0;
        wrap(p);
    }
}

struct talk_rows talk_rows(const wchar_t *prompt, const wchar_t *text, size_t n, size_t cursor,
                           unsigned columns)
{
    struct place p = {0, 0, columns < 2 ? 2 : columns};
    struct talk_rows r = {0, 0, 0};
    for (; *prompt != L'\0'; prompt++) put(&p, *prompt);
    for (size_t i = 0; i <= n; i++) {
        if (i == cursor) {
            bool over = i < n && does_not_fit(&p, text[i]);
            r.cursor = over ? p.row + 1 : p.row;
            r.column = over ? 0 : p.column;
        }
        if (i < n) put(&p, text[i]);
    }
    r.last = p.row;
    return r;
}
