/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "tables/nearest.h"

#include <ctype.h>
#include <stdint.h>
#include <string.h>

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* Optimal string alignment: three rows of the table are enough. */
unsigned nearest_distance(const char *a, const char *b)
{
    size_t n = strlen(a);
    size_t m = strlen(b);
    if (n > NEAREST_WORD_MAX || m > NEAREST_WORD_MAX) return UINT32_MAX;
    unsigned rows[3][NEAREST_WORD_MAX + 1];
    for (size_t j = 0; j <= m; j++) rows[0][j] = (unsigned)j;
    for (size_t i = 1; i <= n; i++) {
        unsigned *now = rows[i % 3];
        const unsigned *up = rows[(i - 1) % 3];
        const unsigned *up2 = rows[(i + 1) % 3]; /* i - 2 */
        now[0] = (unsigned)i;
        for (size_t j = 1; j <= m; j++) {
            int ca = tolower((unsigned char)a[i - 1]);
            int cb = tolower((unsigned char)b[j - 1]);
            now[j] = least(least(up[j], now[j - 1]) + 1, up[j - 1] + (ca != cb));
            if (i > 1 && j > 1 && ca == tolower((unsigned char)b[j - 2]) &&
                cb == tolower((unsigned char)a[i - 2]))
                now[j] = least(now[j], up2[j - 2] + 1);
        }
    }
    return rows[n % 3][m];
}

void nearest_try(struct nearest *n, const char *known)
{
    unsigned d = nearest_distance(n->word, known);
    /* One edit in three letters still looks like a slip of the finger. */
    unsigned limit = (unsigned)strlen(n->word) / 3;
    if (limit == 0) limit = 1;
    if (limit > 4) limit = 4;
    if (d > limit || (n->best != NULL && d >= n->distance)) return;
    n->best = known;
    n->distance = d;
}
